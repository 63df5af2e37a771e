import t from 'tap'
import { inEveryHost } from '../../support/hosts.ts'
import { claimsOf, NOW, post, refusal, SECONDS, sessionHost } from '../../support/session-host.ts'

const BEARER = 'Bearer'
const INVALID = 'Bearer error="invalid_token"'

inEveryHost(t, 'refuses a caller', async (t) => {
  const host = await sessionHost(t)
  const { app, registry, secret, id, clock } = host
  const foreign = await registry.create({ flows: ['opaque-tokens'] })
  const disabled = await registry.create()
  await registry.disable(disabled.record.id)
  const ended = await registry.create({ expiresAt: SECONDS + 60 })
  const revoked = await registry.create()
  await registry.revoke(revoked.record.id)
  const rotated = await registry.create()
  await registry.rotate(rotated.record.id, { overlap: 10 })
  clock.time = NOW + 60_000

  const cases: Array<{ name: string, headers: Record<string, string>, status: number, code: string, challenge: string }> = [
    { name: 'no key', headers: {}, status: 401, code: 'FDT_MISSING_CREDENTIAL', challenge: BEARER },
    { name: 'another scheme', headers: { authorization: 'Basic YTpi' }, status: 401, code: 'FDT_MISSING_CREDENTIAL', challenge: BEARER },
    { name: 'a scheme and no key', headers: { authorization: 'Bearer' }, status: 401, code: 'FDT_INVALID_CREDENTIAL', challenge: INVALID },
    { name: 'a scheme, a space and no key', headers: { authorization: 'Bearer ' }, status: 401, code: 'FDT_INVALID_CREDENTIAL', challenge: INVALID },
    { name: 'two keys in a line', headers: { authorization: `Bearer ${secret} ${secret}` }, status: 401, code: 'FDT_INVALID_CREDENTIAL', challenge: INVALID },
    { name: 'an empty x-api-key', headers: { 'x-api-key': '' }, status: 401, code: 'FDT_INVALID_CREDENTIAL', challenge: INVALID },
    { name: 'an unknown key', headers: { authorization: 'Bearer pdf_live_nobody_knows_this_one' }, status: 401, code: 'FDT_INVALID_CREDENTIAL', challenge: INVALID },
    { name: 'a changed key', headers: { authorization: `Bearer ${secret.slice(0, -1)}${secret.endsWith('a') ? 'b' : 'a'}` }, status: 401, code: 'FDT_INVALID_CREDENTIAL', challenge: INVALID },
    { name: 'the id alone', headers: { authorization: `Bearer ${id}` }, status: 401, code: 'FDT_INVALID_CREDENTIAL', challenge: INVALID },
    { name: 'a key and more (T27)', headers: { 'x-api-key': `${secret}x` }, status: 401, code: 'FDT_INVALID_CREDENTIAL', challenge: INVALID },
    { name: 'a key of 10 kB', headers: { 'x-api-key': 'x'.repeat(10_000) }, status: 401, code: 'FDT_INVALID_CREDENTIAL', challenge: INVALID },
    { name: 'expired', headers: { authorization: `Bearer ${ended.secret}` }, status: 401, code: 'FDT_INVALID_CREDENTIAL', challenge: INVALID },
    { name: 'disabled', headers: { authorization: `Bearer ${disabled.secret}` }, status: 401, code: 'FDT_INVALID_CREDENTIAL', challenge: INVALID },
    { name: 'revoked', headers: { authorization: `Bearer ${revoked.secret}` }, status: 401, code: 'FDT_INVALID_CREDENTIAL', challenge: INVALID },
    { name: 'the secret before, after the overlap', headers: { authorization: `Bearer ${rotated.secret}` }, status: 401, code: 'FDT_INVALID_CREDENTIAL', challenge: INVALID },
    { name: 'of another flow', headers: { authorization: `Bearer ${foreign.secret}` }, status: 403, code: 'FDT_FLOW_NOT_ALLOWED', challenge: 'Bearer error="insufficient_scope"' },
    { name: 'two at once', headers: { authorization: `Bearer ${secret}`, 'x-api-key': secret }, status: 400, code: 'FDT_MULTIPLE_CREDENTIALS', challenge: 'Bearer error="invalid_request"' },
    ...['__proto__', 'constructor', 'toString', 'hasOwnProperty'].map((name) => ({ name: `T28: ${name}`, headers: { 'x-api-key': name }, status: 401, code: 'FDT_INVALID_CREDENTIAL', challenge: INVALID }))
  ]
  for (const url of ['/viewer/sessions', '/viewer/sessions/revoke']) {
    for (const { name, headers, status, code, challenge } of cases) {
      await t.test(`${url}: ${name}`, async (t) => {
        // The body is bad too: who may not call learns nothing of it.
        const reply = await post(app, url, '[not json', headers)
        t.strictSame(refusal(reply), { status, code, challenge, cache: 'no-store', complete: true })
        t.notOk(reply.body.includes(secret), 'never echoes a key (T34)')
      })
    }
  }
})

inEveryHost(t, 'two header lines are two keys', async (t) => {
  const { app, secret } = await sessionHost(t)
  const { port } = await listen(app)
  const http = await import('node:http')
  for (const headers of [['authorization', `Bearer ${secret}`, 'Authorization', 'Bearer other'], ['x-api-key', secret, 'x-api-key', secret]]) {
    const reply = await new Promise<{ status: number | undefined, body: string }>((resolve, reject) => {
      const request = http.request({ port, host: '127.0.0.1', method: 'POST', path: '/viewer/sessions', headers: ['host', 'x', 'content-type', 'application/json', 'content-length', '2', ...headers] }, (response) => {
        response.setEncoding('utf8')
        let body = ''
        response.on('data', (chunk: string) => { body += chunk })
        response.on('end', () => { resolve({ status: response.statusCode, body }) })
      })
      request.on('error', reject)
      request.end('{}')
    })
    t.equal(reply.status, 400)
    t.equal(JSON.parse(reply.body).code, 'FDT_MULTIPLE_CREDENTIALS')
  }
})

inEveryHost(t, 'both live secrets of a rotated key are good, and are one credential', async (t) => {
  const { app, registry } = await sessionHost(t)
  const first = await registry.create()
  const second = await registry.rotate(first.record.id)
  for (const { secret } of [first, second]) {
    const reply = await post(app, '/viewer/sessions', {}, { 'x-api-key': secret })
    t.equal(reply.statusCode, 201)
    t.equal(claimsOf(reply.json().jwt)['azp'], first.record.id)
  }
})

inEveryHost(t, 'limits of a key', async (t) => {
  const { create } = await sessionHost(t, { apiKey: { owner: 'acme', documents: ['a', 'b'], permissions: ['read', 'write'], maxLifetime: 600 } })
  const cases = [
    { name: 'another document', body: { allowed_documents: [{ document_id: 'a' }, { document_id: 'c' }] }, status: 403, code: 'FDT_CREDENTIAL_LIMIT', challenge: 'Bearer error="insufficient_scope"', message: 'body/allowed_documents/1/document_id' },
    { name: 'another permission', body: { allowed_documents: [{ document_id: 'a', permissions: ['read', 'download'] }] }, status: 403, code: 'FDT_CREDENTIAL_LIMIT', challenge: 'Bearer error="insufficient_scope"', message: 'body/allowed_documents/0/permissions/1' },
    { name: 'another permission by its other name', body: { allowed_documents: [{ document_id: 'a', document_permissions: ['download'] }] }, status: 403, code: 'FDT_CREDENTIAL_LIMIT', challenge: 'Bearer error="insufficient_scope"', message: 'body/allowed_documents/0/document_permissions/0' },
    { name: 'a longer life', body: { exp: SECONDS + 601 }, status: 400, code: 'FDT_LIFETIME_TOO_LONG', challenge: undefined, message: '600' }
  ]
  for (const { name, body, status, code, challenge, message } of cases) {
    const reply = await create(body)
    t.strictSame(refusal(reply), { status, code, challenge, cache: 'no-store', complete: true }, name)
    t.ok(reply.json().message.includes(message), name)
  }
  const reply = await create({ allowed_documents: [{ document_id: 'a', permissions: ['read', 'write'] }, { document_id: 'b' }] })
  t.match(claimsOf(reply.json().jwt), { exp: SECONDS + 600, owner: 'acme' }, 'the life of a key\'s sessions is at most its own')
})

inEveryHost(t, 'a look-up of the host\'s own', async (t) => {
  const { createHash } = await import('node:crypto')
  const key = 'pdf_live_this-is-a-key-of-the-hosts-own-making'
  const digest = createHash('sha256').update(key).digest('base64url')
  const record = { id: 'acme', createdAt: SECONDS, secrets: [{ digest, createdAt: SECONDS }] }
  const { app } = await sessionHost(t, { flow: { credentials: { find: async (presented: { digest: string }) => presented.digest === digest ? record : undefined } } })

  const reply = await post(app, '/viewer/sessions', {}, { authorization: `Bearer ${key}` })
  t.equal(reply.statusCode, 201)
  t.equal(claimsOf(reply.json().jwt)['azp'], 'acme')
  t.equal((await post(app, '/viewer/sessions', {}, { authorization: `Bearer ${key}x` })).statusCode, 401)
})

inEveryHost(t, 'a look-up that fails is an outage: 503, never 401 (T36)', async (t) => {
  const { app } = await sessionHost(t, { flow: { credentials: { find: async () => { throw new Error('connect ECONNREFUSED db.internal:5432') } } } })
  const reply = await post(app, '/viewer/sessions', {}, { authorization: 'Bearer some-key-of-somebody-that-is-long-enough' })
  t.strictSame(refusal(reply), { status: 503, code: 'FDT_STORE_UNAVAILABLE', challenge: undefined, cache: 'no-store', complete: true })
  t.equal(reply.headers['retry-after'], '1')
  t.notOk(reply.body.includes('internal'), 'the cause stays in the log')
})

inEveryHost(t, 'an address has a limit, and refused callers count', async (t) => {
  const { app, create } = await sessionHost(t, { flow: { limits: { address: { max: 3, timeWindow: 60_000 } } } })
  for (let index = 0; index < 2; index++) t.equal((await post(app, '/viewer/sessions', {}, { 'x-api-key': 'wrong' })).statusCode, 401)
  t.equal((await create({})).statusCode, 201)
  const reply = await create({})
  t.strictSame(refusal(reply), { status: 429, code: 'FDT_RATE_LIMITED', challenge: undefined, cache: 'no-store', complete: true })
  t.ok(Number(reply.headers['retry-after']) > 0)
  t.equal((await app.inject('/viewer/sessions')).statusCode, 429, 'other methods have no limit of their own')
  t.equal((await app.inject('/documents/a')).statusCode, 401, 'the host\'s routes have none of ours')
})

inEveryHost(t, 'the addresses of one /64 are one address', async (t) => {
  const { app } = await sessionHost(t, { flow: { limits: { address: { max: 2 } } } })
  const from = async (remoteAddress: string) => (await app.inject({ method: 'POST', url: '/viewer/sessions', remoteAddress })).statusCode
  t.strictSame([await from('2001:db8:0:1::1'), await from('2001:db8:0:1::2'), await from('2001:db8:0:1:ffff::3')], [401, 401, 429])
  t.equal(await from('2001:db8:0:2::1'), 401, 'the next one is another')
  t.strictSame([await from('192.0.2.1'), await from('::ffff:192.0.2.1'), await from('192.0.2.1')], [401, 401, 429], 'and a mapped address is the one that it maps')
})

async function listen (app: { listen (options: { port: number, host: string }): Promise<string> }): Promise<{ port: number }> {
  return { port: Number(new URL(await app.listen({ port: 0, host: '127.0.0.1' })).port) }
}
