import { Type } from '@sinclair/typebox'
import t from 'tap'
import { inEveryHost } from '../../support/hosts.ts'
import { opaqueHost, POSTED, refusal, refused, VARY, varyOf, WRONG_TOKEN } from '../../support/opaque-host.ts'
import { NOW, SECONDS } from '../../support/session-host.ts'

const HOUR = 3600
const invalid = (message: string) => refused(400, 'FDT_INVALID_REQUEST', message)

inEveryHost(t, 'a token and when it ends, and nothing else', async (t) => {
  const { generate, clock } = await opaqueHost(t)
  clock.time = NOW + 999
  const reply = await generate()
  t.equal(reply.statusCode, 200)
  const { token } = reply.json()
  t.match(token, /^fdt_opaque_[A-Za-z0-9_-]{49}$/)
  t.equal(reply.body, `{"token":"${token}","expiration_time":${SECONDS + HOUR}}`, 'whole seconds, and the members of the contract in their order')
  t.match(reply.headers, { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' })
  t.equal(varyOf(reply), VARY)
  t.equal(reply.headers['www-authenticate'], undefined)
})

inEveryHost(t, 'tokens of other forms', async (t) => {
  const uuid = await opaqueHost(t, { flow: { format: 'uuid' } })
  t.match(await uuid.newToken(), /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  const prefixed = await opaqueHost(t, { flow: { tokenPrefix: 'acme_1' } })
  t.match(await prefixed.newToken(), /^acme_1_[A-Za-z0-9_-]{49}$/)
})

inEveryHost(t, 'the accessor is told where the host has turned it on', async (t) => {
  const { generate, lookUp } = await opaqueHost(t, { flow: { includeAccessor: true } })
  const reply = (await generate()).json()
  t.strictSame(Object.keys(reply), ['token', 'expiration_time', 'accessor'])
  t.match(reply.accessor, /^[A-Za-z0-9_-]{43}$/)
  t.equal((await lookUp({ accessor: reply.accessor })).statusCode, 200)
})

inEveryHost(t, 'lifetimes', async (t) => {
  const cases: Array<{ name: string, flow?: object, maxLifetime?: number, query?: string, lifetime?: number, cap?: number }> = [
    { name: 'an hour', lifetime: HOUR },
    { name: 'shorter, as asked', query: '?expires_in=60', lifetime: 60 },
    { name: 'the shortest', query: '?expires_in=1', lifetime: 1 },
    { name: 'longer, as asked', query: '?expires_in=86400', lifetime: 86_400 },
    { name: 'too long', query: '?expires_in=86401', cap: 86_400 },
    { name: 'the longest that can be written', query: '?expires_in=9999999999', cap: 86_400 },
    { name: 'the host\'s own', flow: { defaultLifetime: 300, maxLifetime: 600 }, lifetime: 300 },
    { name: 'up to the host\'s own', flow: { defaultLifetime: 300, maxLifetime: 600 }, query: '?expires_in=600', lifetime: 600 },
    { name: 'beyond it', flow: { defaultLifetime: 300, maxLifetime: 600 }, query: '?expires_in=601', cap: 600 },
    { name: 'below the key\'s cap', maxLifetime: 60, query: '?expires_in=60', lifetime: 60 },
    { name: 'the key\'s cap lowers the default', maxLifetime: 60, lifetime: 60 },
    { name: 'beyond the key\'s cap', maxLifetime: 60, query: '?expires_in=61', cap: 60 },
    { name: 'a cap of the key lifts none of the host\'s', maxLifetime: 1e9, query: '?expires_in=86401', cap: 86_400 }
  ]
  for (const { name, flow = {}, maxLifetime, query = '', lifetime, cap } of cases) {
    const { generate, verify, clock } = await opaqueHost(t, { flow: { ...flow }, apiKey: { maxLifetime } })
    const reply = await generate(POSTED, {}, query)
    if (lifetime === undefined) {
      t.strictSame(refusal(reply), refused(400, 'FDT_LIFETIME_TOO_LONG', `querystring/expires_in is too far ahead: it is in seconds, and at most ${cap} from now`), name)
      continue
    }
    const { token, expiration_time: end } = reply.json()
    t.equal(end, SECONDS + lifetime, name)
    clock.time = end * 1000 - 1
    t.equal((await verify(token)).statusCode, 200, `${name}: to its last millisecond`)
    clock.time++
    t.strictSame(refusal(await verify(token)), WRONG_TOKEN, `${name}: and no longer`)
  }
})

inEveryHost(t, 'uses', async (t) => {
  const cases: Array<{ name: string, maxUses?: number, query?: string, uses?: number, most?: number }> = [
    { name: 'as many as asked', query: '?max_uses=2', uses: 2 },
    { name: 'as many as the host allows', maxUses: 3, uses: 3 },
    { name: 'fewer', maxUses: 3, query: '?max_uses=1', uses: 1 },
    { name: 'just as many', maxUses: 3, query: '?max_uses=3', uses: 3 },
    { name: 'more', maxUses: 3, query: '?max_uses=4', most: 3 },
    { name: 'more than can be counted', query: '?max_uses=4294967296', most: 4_294_967_295 },
    { name: 'the most that can be counted', query: '?max_uses=4294967295', uses: 5 },
    { name: 'both', query: '?max_uses=1&expires_in=60', uses: 1 }
  ]
  for (const { name, maxUses, query = '', uses, most } of cases) {
    const { generate, verify } = await opaqueHost(t, { flow: { maxUses } })
    const reply = await generate(POSTED, {}, query)
    if (uses === undefined) {
      t.strictSame(refusal(reply), invalid(`querystring/max_uses must be a whole number from 1 to ${most}`), name)
      continue
    }
    const statuses = []
    for (let use = 0; use <= uses; use++) statuses.push((await verify(reply.json().token)).statusCode)
    t.strictSame(statuses, Array.from({ length: uses + 1 }, (_, use) => use < uses || query.includes('4294967295') ? 200 : 403), name)
  }
})

inEveryHost(t, 'what a query must not be', async (t) => {
  const { generate } = await opaqueHost(t)
  const values = ['0', '-1', '1.5', '1e3', '%2B1', '+1', '', '01', '1%20', '0x10', '60s', 'NaN', '10000000000', '%00', '1&%s=1', '1&%s=2']
  for (const name of ['expires_in', 'max_uses']) {
    for (const value of values) {
      const query = `?${name}=${value.replace('%s', name)}`
      const reply = await generate(POSTED, {}, query)
      const message = value.includes('&') ? 'Expected string' : 'Expected string to match \'^[1-9][0-9]{0,9}$\''
      t.strictSame(refusal(reply), refused(400, 'FST_ERR_VALIDATION', `querystring/${name}: ${message}`), query)
    }
  }
  for (const name of ['expiresIn', 'ttl', 'token', 'constructor', 'Expires_in']) {
    t.strictSame(refusal(await generate(POSTED, {}, `?${name}=60`)), refused(400, 'FST_ERR_VALIDATION', `querystring/${name}: Unexpected property`), name)
  }
})

inEveryHost(t, 'other methods: 405 with Allow, before any credential', async (t) => {
  const { app } = await opaqueHost(t)
  const paths = { '/generate': 'POST', '/revoke': 'POST', '/lookup': 'POST', '/verify': 'GET, POST' }
  for (const [url, allow] of Object.entries(paths)) {
    for (const method of ['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE', 'TRACE'] as const) {
      if (allow.split(', ').includes(method)) continue
      const reply = await app.inject({ method: method as 'GET', url, ...(/^[PD]/.test(method) && { payload: 'x', headers: { 'content-type': 'text/x' } }) }) // TRACE is one, which the type of `inject` does not know
      t.strictSame(refusal(reply), refused(405, 'FDT_METHOD_NOT_ALLOWED', `This path takes ${allow}`, { allow }), `${method} ${url}`)
    }
    t.equal((await app.inject({ method: 'OPTIONS', url })).statusCode, 404, 'OPTIONS is left to the host')
  }
})

inEveryHost(t, 'parameters that the host has described', async (t) => {
  const schema = Type.Object({ file: Type.String({ minLength: 1 }), access: Type.Union([Type.Literal('edit'), Type.Literal('view')]) }, { additionalProperties: false })
  const bySchema = await opaqueHost(t, { flow: { parameters: schema } })
  const check = (value: object) => {
    if ('file' in value && 'access' in value) return value
    throw new Error(`not these: ${JSON.stringify(value)}`)
  }
  const byFunction = await opaqueHost(t, { flow: { parameters: check } })
  for (const { generate, verify } of [bySchema, byFunction]) {
    const token = String((await generate('{ "access":"view","auth":1, "file":"a" }')).json().token)
    t.equal((await verify(token)).body, '{"auth":"acme", "access":"view", "file":"a" }')
    t.match(refusal(await generate('{"file":"confidential"}')), { status: 400, body: { code: 'FDT_INVALID_REQUEST', message: /^body/ } })
    t.notMatch((await generate('{"file":"confidential"}')).body, 'confidential', 'the value is in no message')
  }
  t.strictSame(refusal(await bySchema.generate('{"file":"","access":"view"}')), invalid('body/file: Expected string length greater or equal to 1'))
  t.strictSame(refusal(await byFunction.generate('{"file":""}')), invalid('body is not acceptable'))
})
