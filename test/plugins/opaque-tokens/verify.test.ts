import { randomBytes } from 'node:crypto'
import { type FastifyError } from 'fastify'
import t from 'tap'
import { checksum } from '../../../lib/checksum.ts'
import { createMemoryStore } from '../../../lib/stores/memory.ts'
import { faultyStore } from '../../support/faulty-store.ts'
import { inEveryHost } from '../../support/hosts.ts'
import { misspelt, opaqueHost, type OpaqueHost, OUTAGE, PEPPER, POSTED, refusal, refused, unknownToken, VARY, varyOf, WRONG_TOKEN } from '../../support/opaque-host.ts'
import { NOW, post } from '../../support/session-host.ts'

const WITHOUT_LIMITS = { address: false, failures: false, unknown: false }

inEveryHost(t, 'all parameters as they were posted, and whose they are in front', async (t) => {
  const host = await opaqueHost(t)
  const texts: Array<[posted: string, kept?: string]> = [
    [POSTED],
    ['{"userId":"userId","file":"fileId","server":"…","sessionId":"s","locale":"de","access":"edit","mobile":"false","debug":"true"}'],
    ['{"n":null,"t":true,"f":false,"i":-1,"e":1e3,"d":0.10,"z":1.0}'],
    ['{ "a" : 1 ,\n\t"b" :"x" }'],
    ['{"10":"a","9":"b","b":"c","1":"d"}'],
    ['{"constructor":"a","toString":"b","hasOwnProperty":"c","prototype":"d"}'],
    ['{"a":"\\u00e9\\/\\n\\ud83d\\ude00 é😀","\\u0062":"}{,:\\""}'],
    ['{"a":9007199254740991,"b":1.5e300,"c":"12345678901234567890"}'],
    ['{"auth":"other","a":1}', '"a":1}'],
    ['{"a":1,"\\u0061uth":"}{,:\\"","b":2}', '"a":1,"b":2}'],
    ['{"auth":null,"a":1}', '"a":1}'],
    ['{"auths":"a","auth ":"b"}']
  ]
  for (const [posted, kept = posted.slice(1)] of texts) {
    const reply = await host.verify(await host.newToken(posted))
    t.equal(reply.statusCode, 200)
    t.equal(reply.body, `{"auth":"acme",${kept}`, posted)
    t.match(reply.headers, { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' })
    t.equal(varyOf(reply), VARY)
    for (const header of ['www-authenticate', 'retry-after', 'ratelimit', 'ratelimit-policy', 'etag']) t.notOk(header in reply.headers, header)
  }
  const { newToken, verify, id } = await opaqueHost(t, { apiKey: {} })
  t.match((await verify(await newToken())).json(), { auth: id }, 'the id of a key that is nobody\'s')
})

inEveryHost(t, 'ways to ask', async (t) => {
  const host = await opaqueHost(t)
  const { app } = host
  const token = await host.newToken()
  const type = { 'content-type': 'application/json' }
  const ask = (method: 'GET' | 'POST', headers: Record<string, string>, payload = '') => app.inject({ method, url: '/verify', headers: { 'x-api-token': token, ...headers }, payload })
  const unexpected = (name: string) => refused(400, 'FST_ERR_VALIDATION', `body/${name}: Unexpected property`)
  const noObject = refused(400, 'FST_ERR_VALIDATION', 'body: Expected object')
  const notJson = (why: string) => refused(400, 'FDT_INVALID_JSON', `The body is not acceptable JSON: ${why}`)

  const passed: Array<[method: 'GET' | 'POST', headers: Record<string, string>, payload?: string]> = [
    ['GET', {}], ['GET', type], ['GET', { 'content-type': 'text/plain' }], ['GET', { ...type, 'content-length': '0' }],
    ['POST', {}], ['POST', type], ['POST', type, '{}'], ['POST', { ...type, 'content-length': '0' }], ['POST', { 'content-type': 'application/json; charset=utf-8' }, ' {\n} ']
  ]
  for (const [method, headers, payload] of passed) t.equal((await ask(method, headers, payload)).statusCode, 200, `${method} ${JSON.stringify(headers)} ${payload}`)

  const bodies: Array<[payload: string, expected: object]> = [
    ['{"token":"x"}', unexpected('token')], [JSON.stringify({ 'x-api-token': token }), unexpected('x-api-token')], [JSON.stringify({ [token]: 1 }), unexpected('?')],
    ['1', noObject], ['"1"', noObject], ['null', noObject], ['[]', refused(400, 'FST_ERR_VALIDATION', 'body: Expected object')],
    ['{', notJson('it is not JSON')], ['{"a":1,"a":1}', notJson('it repeats a member')], ['{"__proto__":1}', notJson('it holds a member __proto__')],
    [`{"a":"${'x'.repeat(1024)}"}`, refused(413, 'FST_ERR_CTP_BODY_TOO_LARGE', 'Payload Too Large')]
  ]
  for (const [payload, expected] of bodies) t.strictSame(refusal(await ask('POST', type, payload)), expected, payload.slice(0, 20))

  t.strictSame(refusal(await host.verify(token, { method: 'HEAD' })), refused(405, 'FDT_METHOD_NOT_ALLOWED', 'This path takes GET, POST', { allow: 'GET, POST' }), 'what a HEAD would spend, nobody reads')
})

/** Tokens that are wrong, each in its own way, and why. */
async function wrongTokens (host: OpaqueHost): Promise<Array<[name: string, token: string]>> {
  const token = await host.newToken()
  const { token: uuid } = await (await opaqueHost(t, { store: host.store, flow: { name: 'uuid', format: 'uuid' } })).tokens.issue({ parameters: { a: 1 }, auth: 'acme' })
  const { token: prefixed } = await (await opaqueHost(t, { store: host.store, flow: { tokenPrefix: 'other' } })).tokens.issue({ parameters: { a: 1 }, auth: 'acme' })
  const { token: elsewhere } = await (await opaqueHost(t, { store: host.store, flow: { name: 'elsewhere' } })).tokens.issue({ parameters: { a: 1 }, auth: 'acme' })
  const { token: peppered } = await (await opaqueHost(t, { store: host.store, flow: { pepper: { id: PEPPER.id, key: randomBytes(32) } } })).tokens.issue({ parameters: { a: 1 }, auth: 'acme' })
  const start = token.slice(0, -6)
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  const nonCanonical = start.slice(0, -1) + String(alphabet[alphabet.indexOf(start.slice(-1)) ^ 1])
  return [
    ['none at all', ''],
    ['white space', ' '],
    ['of 10 kB', 'x'.repeat(10_000)],
    ['of 10 kB, well begun', `${token}${'A'.repeat(10_000)}`],
    ['of another format', uuid],
    ['of another prefix', prefixed],
    ['with a bad checksum', misspelt(token)],
    ['with no checksum', start],
    ['not canonical', nonCanonical + checksum(nonCanonical)],
    ['in upper case', token.toUpperCase()],
    ['in lower case', token.toLowerCase()],
    ['padded', `${token}=`],
    ['quoted', `"${token}"`],
    ['twice in one', `${token}, ${token}`],
    ['of base64', token.replaceAll('-', '+').replaceAll('_', '/')],
    ...['__proto__', 'constructor', 'toString', 'hasOwnProperty'].map((text): [string, string] => [`T28: ${text}`, text]),
    ['an API key', host.secret],
    ['well-formed and unknown', await unknownToken(host)],
    ['of another instance', elsewhere],
    ['under another pepper', peppered]
  ]
}

inEveryHost(t, 'one answer for every wrong token', async (t) => {
  const host = await opaqueHost(t, { flow: { limits: WITHOUT_LIMITS } })
  for (const [name, token] of await wrongTokens(host)) {
    for (const method of ['GET', 'POST'] as const) t.strictSame(refusal(await host.verify(token, { method })), WRONG_TOKEN, `${method}: ${name}`)
    t.strictSame(refusal(await host.open(token)), { ...WRONG_TOKEN, vary: undefined }, `at a guard: ${name}`)
  }

  const good = await host.newToken()
  const { app } = host
  const elsewhere: Array<[name: string, url: string, headers: Record<string, string>]> = [
    ['nowhere', '/verify', {}],
    ['in the query', `/verify?x-api-token=${good}&token=${good}&apitoken=${good}`, {}],
    ['as bearer', '/verify', { authorization: `Bearer ${good}` }],
    ['as an API key', '/verify', { 'x-api-key': good }],
    ['in a cookie', '/verify', { cookie: `x-api-token=${good}` }]
  ]
  for (const [name, url, headers] of elsewhere) t.strictSame(refusal(await app.inject({ url, headers })), WRONG_TOKEN, name)
  const twice = await app.inject({ url: '/verify', headers: { 'x-api-token': [good, good] } })
  t.strictSame(refusal(twice), WRONG_TOKEN, 'two of one')
  t.strictSame(refusal(await post(app, '/verify', { token: good }, {})).status, 400, 'in the body')
  t.equal((await host.verify(good)).statusCode, 200, 'after all of that')
})

inEveryHost(t, 'two lines of a header are two tokens, over a real connection too', async (t) => {
  const { app, newToken } = await opaqueHost(t)
  const token = await newToken()
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const answer = await fetch(`${url}/verify`, { headers: [['x-api-token', token], ['X-API-Token', token]] })
  t.strictSame([answer.status, await answer.json()], [403, WRONG_TOKEN.body])
  t.equal((await fetch(`${url}/verify`, { headers: { 'x-api-token': token } })).status, 200)
})

inEveryHost(t, 'a UUID is read in either case', async (t) => {
  const { newToken, verify } = await opaqueHost(t, { flow: { format: 'uuid' } })
  const token = await newToken()
  for (const text of [token, token.toUpperCase()]) t.equal((await verify(text)).statusCode, 200)
  for (const text of [token.replaceAll('-', ''), `{${token}}`, `urn:uuid:${token}`, token.replace(/-4/, '-1'), '00000000-0000-0000-0000-000000000000']) t.strictSame(refusal(await verify(text)), WRONG_TOKEN, text)
})

inEveryHost(t, 'expired by a second, used up, ended, narrowed', async (t) => {
  const host = await opaqueHost(t)
  const { newToken, verify, clock, revoke, open, store } = host
  const [ended, single] = [await newToken(), await newToken(POSTED, '?max_uses=1')]
  t.equal((await revoke('', { 'x-api-token': ended })).statusCode, 204)
  t.equal((await verify(single)).statusCode, 200)
  const expiring = await newToken(POSTED, '?expires_in=60')
  const lines: string[] = []
  const logger = { level: 'warn', stream: { write: (line: string) => { lines.push(line) } } }
  const narrow = await opaqueHost(t, { store, server: { logger }, flow: { now: () => clock.time, parameters: (value: object) => { if ('file' in value) throw new TypeError('not any more'); return value } } })
  t.strictSame(refusal(await narrow.verify(expiring)), WRONG_TOKEN, 'of what the host does not take any more')
  t.match(JSON.parse(String(lines.at(-1))), { level: 40, code: 'FDT_WRONG_TOKEN', reason: 'parameters' }, 'of which it is told')
  clock.time = NOW + 61_000
  for (const [name, token] of Object.entries({ ended, single, expiring })) {
    t.strictSame(refusal(await verify(token)), WRONG_TOKEN, name)
    t.strictSame(refusal(await open(token)), { ...WRONG_TOKEN, vary: undefined }, `at a guard: ${name}`)
  }
})

inEveryHost(t, 'what somebody wrote to the store does not open', async (t) => {
  const lines: string[] = []
  const host = await opaqueHost(t, { server: { logger: { level: 'info', stream: { write: (line: string) => { lines.push(line) } } } } })
  const { token, accessor } = await host.tokens.issue({ json: POSTED, auth: 'acme' })
  const { accessor: other } = await host.tokens.issue({ json: POSTED, auth: 'acme' })
  const place = `opaque/default/${accessor}`
  const value = await host.store.get(place) ?? Buffer.of()
  const altered = Buffer.from(value)
  altered.writeUInt8(altered.readUInt8(altered.length - 30) ^ 1, altered.length - 30)
  const values: Record<string, Uint8Array> = { altered, another: await host.store.get(`opaque/default/${other}`) ?? Buffer.of(1), cut: value.subarray(0, 20), nothing: Buffer.of(1) }
  for (const [name, written] of Object.entries(values)) {
    await host.store.set(place, written)
    for (const ask of [host.verify, host.open]) {
      t.strictSame(refusal(await ask(token)).body, WRONG_TOKEN.body, name)
      const told = lines.map((line) => JSON.parse(line)).find(({ code }) => code === 'FDT_WRONG_TOKEN')
      t.match(told, { level: 40, code: 'FDT_WRONG_TOKEN', reason: 'altered', msg: 'request refused' }, 'the host is warned')
      lines.length = 0
    }
  }
  await host.verify(await unknownToken(host))
  const told = lines.map((line) => JSON.parse(line)).find(({ code }) => code === 'FDT_WRONG_TOKEN')
  t.match(told, { level: 30 })
  t.notOk('reason' in told, 'why else, is for nobody')
})

inEveryHost(t, 'an outage is 503, for any token that has to be looked up, and ends (T36)', async (t) => {
  const { store, fault } = faultyStore(createMemoryStore({ now: () => NOW }))
  const host = await opaqueHost(t, { store, flow: { limits: { ...WITHOUT_LIMITS, unknown: {} } } })
  const [good, single, unknown] = [await host.newToken(), await host.newToken(POSTED, '?max_uses=1'), await unknownToken(host)]
  fault.error = new Error('connect ECONNREFUSED 10.0.0.1')
  for (const [name, token] of Object.entries({ good, single, unknown })) {
    const reply = await host.verify(token)
    t.strictSame(refusal(reply), OUTAGE, name)
    t.notMatch(reply.body, '10.0.0.1')
    t.strictSame(refusal(await host.open(token)), { ...OUTAGE, vary: undefined }, `at a guard: ${name}`)
  }
  t.strictSame(refusal(await host.verify('x')), WRONG_TOKEN, 'what is no token needs no store')
  for (const reply of [await host.generate(), await host.revoke('', { 'x-api-token': good }), await host.lookUp({ accessor: 'x'.repeat(43) })]) t.strictSame(refusal(reply), OUTAGE)
  fault.error = undefined
  for (const token of [good, single]) t.equal((await host.verify(token)).statusCode, 200)
  t.strictSame(refusal(await host.verify(unknown)), WRONG_TOKEN)
})

inEveryHost(t, 'an outage of the counters alone', async (t) => {
  const store = createMemoryStore({ now: () => NOW })
  const broken = new Proxy(store, { get: (target, name) => name === 'increment' ? async () => { throw new Error('read-only') } : Reflect.get(target, name).bind(target) })
  const host = await opaqueHost(t, { store: broken, flow: { limits: { address: false, credential: false, failures: false } } })
  const token = await host.newToken(POSTED, '?max_uses=1')
  t.strictSame(refusal(await host.verify(token)), OUTAGE, 'a use that cannot be counted')
  t.strictSame(refusal(await host.verify(await unknownToken(host))), OUTAGE, 'a failure that cannot be counted')
  t.equal((await host.verify(await host.newToken())).statusCode, 200, 'where nothing is counted')
})

inEveryHost(t, 'of a thousand that race for a single use one wins', async (t) => {
  const { newToken, verify } = await opaqueHost(t, { flow: { limits: WITHOUT_LIMITS } })
  const token = await newToken(POSTED, '?max_uses=1')
  const replies = await Promise.all(Array.from({ length: 1000 }, () => verify(token)))
  t.equal(replies.filter(({ statusCode }) => statusCode === 200).length, 1)
  t.equal(replies.filter(({ statusCode }) => statusCode === 403).length, 999)
})

inEveryHost(t, 'onVerify', async (t) => {
  const seen: unknown[] = []
  const mine = () => Object.assign(new Error('mine'), { statusCode: 418, code: 'MINE' })
  const noError = { mine: 'a hook threw what is no error' }
  const answers: Array<[name: string, run: () => unknown, status: number, body?: object]> = [
    ['false', () => false, 403, WRONG_TOKEN.body],
    ['false, later', async () => false, 403, WRONG_TOKEN.body],
    ['throws', () => { throw mine() }, 418, { mine: 'mine' }],
    ['throws later', async () => { throw mine() }, 418, { mine: 'mine' }],
    ['throws nothing', () => { throw undefined }, 500, noError], // eslint-disable-line no-throw-literal -- a host may
    ['throws a text', () => { throw 'text' }, 500, noError], // eslint-disable-line no-throw-literal -- a host may
    ['nothing', () => undefined, 403, WRONG_TOKEN.body],
    ['null', () => null, 403, WRONG_TOKEN.body],
    ['true', () => true, 200],
    ['true, later', async () => true, 200],
    ['true again', () => true, 200]
  ]
  let answer: () => unknown = () => undefined
  const host = await opaqueHost(t, {
    flow: { onVerify: (...args: unknown[]) => { seen.push(args); return answer() } },
    before: (scope) => { scope.setErrorHandler(async (error: FastifyError, _request, reply) => await reply.code(error.statusCode ?? 500).send({ mine: error.message })) }
  })
  const token = await host.newToken(POSTED, '?max_uses=3')
  for (const [name, run, status, body] of answers) {
    answer = run
    const reply = await host.verify(token)
    t.equal(reply.statusCode, status, name)
    if (body !== undefined) t.strictSame(reply.json(), body, name)
  }
  t.match(seen[0], [{ auth: 'acme', credential: host.id, issuedAt: NOW, maxUses: 3, parameters: { userId: 'userId' } }, undefined])
  t.notOk('uses' in Object((seen[0] as unknown[])[0]), 'before a use is spent')
  answer = () => true
  t.strictSame(refusal(await host.verify(token)), WRONG_TOKEN, 'and only those that it let pass were uses')
})
