import { randomBytes } from 'node:crypto'
import t from 'tap'
import { createKeyRing } from '../../../lib/keys/index.ts'
import { inEveryHost } from '../../support/hosts.ts'
import { claimsOf, ISSUER, NOW, refusal, SECONDS, sessionHost } from '../../support/session-host.ts'

const read = (id: string) => ({ document_id: id, document_permissions: ['read'] })

inEveryHost(t, 'issues a session: 201 with the token and nothing else', async (t) => {
  const { create, id } = await sessionHost(t)
  const reply = await create({ allowed_documents: [{ document_id: 'a', document_permissions: ['read', 'write', 'download'] }], exp: SECONDS + 60 })

  t.equal(reply.statusCode, 201)
  t.strictSame(Object.keys(reply.json()), ['jwt'])
  t.equal(reply.headers['cache-control'], 'no-store', 'T40')
  t.match(reply.headers['content-type'], /^application\/json/)

  const { jti, ...claims } = claimsOf(reply.json().jwt)
  t.strictSame(claims, {
    iss: ISSUER,
    aud: `${ISSUER}/viewer/default`,
    iat: SECONDS,
    exp: SECONDS + 60,
    sub: id,
    azp: id,
    allowed_documents: [{ document_id: 'a', document_permissions: ['read', 'write', 'download'] }]
  })
  t.match(jti, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  t.equal(Number.parseInt(String(jti).replaceAll('-', '').slice(0, 12), 16), NOW, 'the id tells the millisecond of issue')

  const header = JSON.parse(Buffer.from(reply.json().jwt.split('.')[0], 'base64url').toString())
  t.match(header, { alg: 'ES256', typ: 'document-session+jwt', kid: /^.+$/ })
  t.equal(Object.keys(header).length, 3)
})

inEveryHost(t, 'takes the API key in either header', async (t) => {
  const { app, secret } = await sessionHost(t)
  for (const headers of [{ authorization: `Bearer ${secret}` }, { authorization: `bearer   ${secret}` }, { 'x-api-key': secret }]) {
    const reply = await app.inject({ method: 'POST', url: '/viewer/sessions', headers: { ...headers, 'content-type': 'application/json' }, payload: '{}' })
    t.equal(reply.statusCode, 201, Object.keys(headers).join())
  }
})

inEveryHost(t, 'what is absent or empty', async (t) => {
  const { create, read: readDocument, app } = await sessionHost(t)
  const cases = [
    { name: 'an empty body', body: {}, documents: [] },
    { name: 'no permissions: the least', body: { allowed_documents: [{ document_id: 'a' }] }, documents: [{ document_id: 'a', document_permissions: ['read'] }] },
    { name: 'empty permissions: none', body: { allowed_documents: [{ document_id: 'a', document_permissions: [] }] }, documents: [{ document_id: 'a', document_permissions: [] }] },
    { name: 'the alias permissions', body: { allowed_documents: [{ document_id: 'a', permissions: ['write'] }] }, documents: [{ document_id: 'a', document_permissions: ['write'] }] },
    { name: 'a permission said twice is one', body: { allowed_documents: [{ document_id: 'a', permissions: ['write', 'write'] }] }, documents: [{ document_id: 'a', document_permissions: ['write'] }] }
  ]
  for (const { name, body, documents } of cases) {
    const reply = await create(body)
    t.equal(reply.statusCode, 201, name)
    const claims = claimsOf(reply.json().jwt)
    t.strictSame(claims['allowed_documents'], documents, name)
    t.equal(claims['exp'], SECONDS + 3600, 'an hour by default')
    const allowed = documents.some(({ document_permissions: permissions }) => permissions.includes('read'))
    t.equal((await readDocument(reply.json().jwt)).statusCode, allowed ? 200 : 403, `${name}: the guard`)
  }
  t.equal((await app.inject('/documents/a')).statusCode, 401)
})

inEveryHost(t, 'a thousand documents, and ids of any characters and up to 512 of them', async (t) => {
  const { create, sessions, read: readDocument } = await sessionHost(t)
  const ids = Array.from({ length: 1000 }, (_, index) => String(index).padEnd(512, 'x'))
  const reply = await create({ allowed_documents: ids.map((id) => ({ document_id: id, document_permissions: ['read', 'write', 'download'] })) })
  t.equal(reply.statusCode, 201)
  t.equal((await sessions.verify(reply.json().jwt)).documents.length, 1000, 'and it can be verified')

  const odd = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'a/b', '../x', 'ü 😀', 'a\nb', '%00', ' ']
  const token = (await create({ allowed_documents: odd.map(read) })).json().jwt
  for (const id of odd) t.equal((await readDocument(token, encodeURIComponent(id))).statusCode, 200, `T28: ${JSON.stringify(id)}`)
  for (const id of ['valueOf', 'a', 'A/B', 'a%2Fb', 'u 😀']) t.equal((await readDocument(token, encodeURIComponent(id))).statusCode, 403, `another id: ${id}`)
})

t.test('10^5 sessions: all ids and all tokens differ (T23)', async (t) => {
  const { sessions } = await sessionHost(t, { flow: { keys: createKeyRing([{ key: randomBytes(32) }]) } })
  const ids = new Set<string>()
  const tokens = new Set<string>()
  for (let index = 0; index < 100_000; index++) {
    const { jti, token } = await sessions.issue({ documents: [] })
    ids.add(jti)
    tokens.add(token.slice(-43))
  }
  t.equal(ids.size, 100_000)
  t.equal(tokens.size, 100_000)
})

inEveryHost(t, 'optional members', async (t) => {
  const body = { user_id: 'jane', nbf: SECONDS + 10, allowed_origins: ['https://app.example'] }

  await t.test('are refused, by name, while the host has not turned them on', async (t) => {
    const { create } = await sessionHost(t)
    for (const [member, value] of Object.entries(body)) {
      const reply = await create({ [member]: value })
      t.equal(reply.statusCode, 400)
      t.match(reply.json(), { code: 'FST_ERR_VALIDATION', message: `body/${member}: ` })
    }
  })

  await t.test('become claims once it has', async (t) => {
    const { create, id } = await sessionHost(t, { flow: { optionalMembers: ['user_id', 'nbf', 'allowed_origins'], serverUrl: 'https://viewer.example/' } })
    const reply = await create(body)
    t.equal(reply.statusCode, 201)
    t.match(claimsOf(reply.json().jwt), { sub: 'jane', azp: id, nbf: SECONDS + 10, allowed_origins: ['https://app.example'], server_url: 'https://viewer.example/' })
  })

  await t.test('one alone', async (t) => {
    const { create } = await sessionHost(t, { flow: { optionalMembers: ['user_id'] } })
    t.equal((await create({ user_id: 'jane' })).statusCode, 201)
    t.equal((await create({ nbf: SECONDS })).statusCode, 400)
  })

  await t.test('are checked', async (t) => {
    const { create } = await sessionHost(t, { flow: { optionalMembers: ['user_id', 'nbf', 'allowed_origins'] } })
    const cases = [
      { name: 'user_id empty', body: { user_id: '' }, code: 'FST_ERR_VALIDATION', message: 'body/user_id' },
      { name: 'user_id too long', body: { user_id: 'x'.repeat(513) }, code: 'FST_ERR_VALIDATION', message: 'body/user_id' },
      { name: 'user_id a number', body: { user_id: 1 }, code: 'FST_ERR_VALIDATION', message: 'body/user_id' },
      { name: 'nbf a string', body: { nbf: '1' }, code: 'FST_ERR_VALIDATION', message: 'body/nbf' },
      { name: 'nbf negative', body: { nbf: -1 }, code: 'FDT_INVALID_REQUEST', message: 'body/nbf' },
      { name: 'nbf after exp', body: { nbf: SECONDS + 61, exp: SECONDS + 60 }, code: 'FDT_INVALID_REQUEST', message: 'body/nbf' },
      { name: 'nbf equal to exp', body: { nbf: SECONDS + 60, exp: SECONDS + 60 }, code: 'FDT_INVALID_REQUEST', message: 'body/nbf' },
      { name: 'no origin', body: { allowed_origins: [] }, code: 'FST_ERR_VALIDATION', message: 'body/allowed_origins' },
      { name: 'null', body: { allowed_origins: ['null'] }, code: 'FDT_INVALID_REQUEST', message: 'body/allowed_origins' },
      { name: 'a star', body: { allowed_origins: ['*'] }, code: 'FDT_INVALID_REQUEST', message: 'body/allowed_origins' },
      { name: 'an origin with a path', body: { allowed_origins: ['https://app.example/'] }, code: 'FDT_INVALID_REQUEST', message: 'body/allowed_origins' },
      { name: 'an origin of two readings', body: { allowed_origins: ['https://good.example\\@evil.test'] }, code: 'FDT_INVALID_REQUEST', message: 'body/allowed_origins' },
      { name: 'another scheme', body: { allowed_origins: ['ftp://app.example'] }, code: 'FDT_INVALID_REQUEST', message: 'body/allowed_origins' }
    ]
    for (const { name, body, code, message } of cases) {
      const reply = await create(body)
      t.strictSame(refusal(reply), { status: 400, code, challenge: undefined, cache: 'no-store', complete: true }, name)
      t.match(reply.json().message, message, name)
    }
  })
})

inEveryHost(t, 'refuses a body', async (t) => {
  const { create } = await sessionHost(t)
  const documents = (document: unknown) => ({ allowed_documents: [document] })
  const cases = [
    { name: 'a number (T22)', body: '1', code: 'FST_ERR_VALIDATION', message: 'body: ' },
    { name: 'a string (T22)', body: '"1"', code: 'FST_ERR_VALIDATION', message: 'body: ' },
    { name: 'null (T22)', body: 'null', code: 'FST_ERR_VALIDATION', message: 'body: ' },
    { name: 'an array (T22)', body: '[]', code: 'FST_ERR_VALIDATION', message: 'body: ' },
    { name: 'not JSON', body: '{"exp":', code: 'FDT_INVALID_JSON', message: 'not JSON' },
    { name: 'JSON and more', body: '{} {}', code: 'FDT_INVALID_JSON', message: 'not JSON' },
    { name: 'a byte order mark', body: '\ufeff{}', code: 'FDT_INVALID_JSON', message: 'not JSON' },
    { name: 'invalid UTF-8 (T22)', body: Buffer.from('7b2261223a22ff227d', 'hex'), code: 'FDT_INVALID_JSON', message: 'UTF-8' },
    { name: 'a repeated member (T22)', body: '{"exp":1, "exp" :2}', code: 'FDT_INVALID_JSON', message: 'repeats' },
    { name: 'a repeated member in another spelling', body: '{"exp":1,"\\u0065xp":2}', code: 'FDT_INVALID_JSON', message: 'repeats' },
    { name: 'a repeated member within', body: '{"allowed_documents":[{"document_id":"a","document_id":"b"}]}', code: 'FDT_INVALID_JSON', message: 'repeats' },
    { name: '__proto__ (T28)', body: '{"__proto__":{"allowed_documents":[]}}', code: 'FDT_INVALID_JSON', message: '__proto__' },
    { name: 'half a surrogate pair', body: '{"allowed_documents":[{"document_id":"\\ud800"}]}', code: 'FDT_INVALID_JSON', message: 'surrogate' },
    { name: 'depth 10 000 (T22)', body: `${'['.repeat(10_000)}${']'.repeat(10_000)}`, code: 'FDT_INVALID_JSON', message: 'deep' },
    { name: 'constructor (T28)', body: '{"constructor":{}}', code: 'FST_ERR_VALIDATION', message: 'body/constructor' },
    { name: 'an unknown member', body: { allowed_document: [] }, code: 'FST_ERR_VALIDATION', message: 'body/allowed_document:' },
    { name: 'a member with an odd name (T33)', body: { 'x\r\nset-cookie: a="b" ü': 1 }, code: 'FST_ERR_VALIDATION', message: 'body/?:' },
    { name: 'an empty list', body: { allowed_documents: [] }, code: 'FST_ERR_VALIDATION', message: 'body/allowed_documents:' },
    { name: 'documents not in a list', body: { allowed_documents: read('a') }, code: 'FST_ERR_VALIDATION', message: 'body/allowed_documents:' },
    { name: '1001 documents', body: { allowed_documents: Array.from({ length: 1001 }, (_, index) => read(String(index))) }, code: 'FST_ERR_VALIDATION', message: 'body/allowed_documents:' },
    { name: 'a document as string', body: documents('a'), code: 'FST_ERR_VALIDATION', message: 'body/allowed_documents/0:' },
    { name: 'no document_id', body: documents({ document_permissions: ['read'] }), code: 'FST_ERR_VALIDATION', message: 'body/allowed_documents/0/document_id:' },
    { name: 'a number as document_id', body: documents({ document_id: 1 }), code: 'FST_ERR_VALIDATION', message: 'body/allowed_documents/0/document_id:' },
    { name: 'an empty document_id', body: documents({ document_id: '' }), code: 'FST_ERR_VALIDATION', message: 'body/allowed_documents/0/document_id:' },
    { name: 'a document_id of 513', body: documents({ document_id: 'x'.repeat(513) }), code: 'FST_ERR_VALIDATION', message: 'body/allowed_documents/0/document_id:' },
    { name: 'an unknown member of a document', body: documents({ document_id: 'a', document_permission: ['read'] }), code: 'FST_ERR_VALIDATION', message: 'body/allowed_documents/0/document_permission:' },
    { name: 'both names of permissions', body: documents({ document_id: 'a', permissions: ['read'], document_permissions: ['read'] }), code: 'FDT_INVALID_REQUEST', message: 'body/allowed_documents/0/permissions' },
    { name: 'permissions as string', body: documents({ document_id: 'a', document_permissions: 'read' }), code: 'FST_ERR_VALIDATION', message: 'body/allowed_documents/0/document_permissions:' },
    { name: 'permissions null', body: documents({ document_id: 'a', document_permissions: null }), code: 'FST_ERR_VALIDATION', message: 'body/allowed_documents/0/document_permissions:' },
    { name: 'an unknown permission', body: documents({ document_id: 'a', document_permissions: ['read', 'print'] }), code: 'FDT_UNKNOWN_PERMISSION', message: 'body/allowed_documents/0/document_permissions/1' },
    { name: 'a permission in capitals', body: documents({ document_id: 'a', permissions: ['READ'] }), code: 'FDT_UNKNOWN_PERMISSION', message: 'read, write, download' },
    { name: 'a document twice', body: { allowed_documents: [read('a'), read('b'), read('a')] }, code: 'FDT_DUPLICATE_DOCUMENT', message: 'body/allowed_documents/2/document_id' },
    { name: 'exp as string', body: { exp: String(SECONDS + 60) }, code: 'FST_ERR_VALIDATION', message: 'body/exp:' },
    { name: 'exp as float', body: { exp: SECONDS + 60.5 }, code: 'FST_ERR_VALIDATION', message: 'body/exp:' },
    { name: 'exp null', body: { exp: null }, code: 'FST_ERR_VALIDATION', message: 'body/exp:' },
    { name: 'exp now', body: { exp: SECONDS }, code: 'FDT_PAST_EXPIRY', message: 'body/exp is in the past' },
    { name: 'exp 0', body: { exp: 0 }, code: 'FDT_PAST_EXPIRY', message: 'body/exp is in the past' },
    { name: 'the exp of the vendor\'s sample', body: { exp: 1793769299 }, code: 'FDT_PAST_EXPIRY', message: 'body/exp is in the past' },
    { name: 'exp in milliseconds', body: { exp: NOW + 60_000 }, code: 'FDT_LIFETIME_TOO_LONG', message: 'in seconds' },
    { name: 'exp beyond the cap', body: { exp: SECONDS + 86_401 }, code: 'FDT_LIFETIME_TOO_LONG', message: '86400' },
    { name: 'exp 1e300', body: '{"exp":1e300}', code: 'FDT_LIFETIME_TOO_LONG', message: '86400' }
  ]
  for (const { name, body, code, message } of cases) {
    await t.test(name, async (t) => {
      const reply = await create(body)
      t.strictSame(refusal(reply), { status: 400, code, challenge: undefined, cache: 'no-store', complete: true })
      t.ok(reply.json().message.includes(message), reply.json().message)
    })
  }
  t.equal((await create({ exp: SECONDS + 86_400 })).statusCode, 201, 'just the cap')
})

inEveryHost(t, 'wants JSON, and says so with 415 (T21)', async (t) => {
  const { app, secret } = await sessionHost(t)
  const types = [
    'text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'application/jsonx', 'application/json+x', 'text/json',
    'application/json, text/plain', 'application/json x', 'json', '', 'x application/json', '*/*'
  ]
  for (const url of ['/viewer/sessions', '/viewer/sessions/revoke']) {
    for (const type of types) {
      const reply = await app.inject({ method: 'POST', url, headers: { authorization: `Bearer ${secret}`, 'content-type': type }, payload: '{}' })
      t.strictSame(refusal(reply), { status: 415, code: reply.json().code, challenge: undefined, cache: 'no-store', complete: true }, `${url} ${JSON.stringify(type)}`)
      t.match(reply.json().code, /^FST_ERR_CTP_/)
    }
    const none = await app.inject({ method: 'POST', url, headers: { authorization: `Bearer ${secret}` }, payload: Buffer.from('{}') })
    t.equal(none.statusCode, 415, 'no type')
  }
  for (const type of ['application/json', 'application/json; charset=utf-8', 'APPLICATION/JSON', ' application/json ', 'application/json\t;x']) {
    const reply = await app.inject({ method: 'POST', url: '/viewer/sessions', headers: { authorization: `Bearer ${secret}`, 'content-type': type }, payload: '{}' })
    t.equal(reply.statusCode, 201, JSON.stringify(type))
  }
})

inEveryHost(t, 'no body at all is 400, with and without a type', async (t) => {
  const { app, secret } = await sessionHost(t)
  for (const headers of [{}, { 'content-type': 'application/json' }]) {
    const reply = await app.inject({ method: 'POST', url: '/viewer/sessions', headers: { authorization: `Bearer ${secret}`, ...headers } })
    t.equal(reply.statusCode, 400)
  }
})

inEveryHost(t, 'bodies of a megabyte (T22)', async (t) => {
  const { create } = await sessionHost(t)
  const filled = (bytes: number) => `{"x":"${'x'.repeat(bytes - 8)}"}`
  t.strictSame(refusal(await create(filled(1024 * 1024))), { status: 400, code: 'FST_ERR_VALIDATION', challenge: undefined, cache: 'no-store', complete: true }, 'a megabyte is read and refused')
  t.strictSame(refusal(await create(filled(1024 * 1024 + 1))), { status: 413, code: 'FST_ERR_CTP_BODY_TOO_LARGE', challenge: undefined, cache: 'no-store', complete: true }, 'more is not read')
})

inEveryHost(t, 'a session that would be too long is refused, not issued', async (t) => {
  const { create } = await sessionHost(t)
  // Two bytes each, so the body stays under its limit and the token does not.
  const reply = await create({ allowed_documents: Array.from({ length: 640 }, (_, index) => read(String(index).padEnd(512, 'ü'))) })
  t.strictSame(refusal(reply), { status: 400, code: 'FDT_SESSION_TOO_LARGE', challenge: undefined, cache: 'no-store', complete: true })
})

inEveryHost(t, 'other methods: 405 with Allow, before any credential', async (t) => {
  const { app } = await sessionHost(t)
  for (const url of ['/viewer/sessions', '/viewer/sessions/revoke']) {
    for (const method of ['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE'] as const) {
      const reply = await app.inject({ method, url, ...(method === 'GET' || method === 'HEAD' ? {} : { payload: 'x', headers: { 'content-type': 'text/x' } }) })
      t.equal(reply.statusCode, 405, `${method} ${url}`)
      t.equal(reply.headers['allow'], 'POST')
      if (method !== 'HEAD') t.match(reply.json(), { code: 'FDT_METHOD_NOT_ALLOWED', message: 'This path takes POST' })
    }
    t.equal((await app.inject({ method: 'OPTIONS', url })).statusCode, 404, 'OPTIONS is left to the host')
  }
})

inEveryHost(t, 'lifetimes', async (t) => {
  await t.test('the host\'s own default and cap', async (t) => {
    const { create } = await sessionHost(t, { flow: { defaultLifetime: 60, maxLifetime: 120 } })
    t.equal(claimsOf((await create({})).json().jwt)['exp'], SECONDS + 60)
    t.equal((await create({ exp: SECONDS + 120 })).statusCode, 201)
    t.equal(refusal(await create({ exp: SECONDS + 121 })).code, 'FDT_LIFETIME_TOO_LONG')
  })

  await t.test('a cap below an hour lowers the default', async (t) => {
    const { create } = await sessionHost(t, { flow: { maxLifetime: 120 } })
    t.equal(claimsOf((await create({})).json().jwt)['exp'], SECONDS + 120)
  })

  await t.test('half seconds of the clock count for the past', async (t) => {
    const { create, clock } = await sessionHost(t)
    clock.time = NOW + 999
    t.equal(claimsOf((await create({})).json().jwt)['iat'], SECONDS)
    t.equal((await create({ exp: SECONDS + 1 })).statusCode, 201)
    t.equal((await create({ exp: SECONDS })).statusCode, 400)
  })
})

inEveryHost(t, 'a vocabulary of the host', async (t) => {
  const { app, sessions } = await sessionHost(t, { flow: { permissions: ['read', 'sign', 'write', 'download'] } })
  const issued = await sessions.issue({ documents: [{ id: 'a', permissions: ['sign' as never] }] })
  t.equal((await app.inject({ url: '/documents/a', headers: { authorization: `Bearer ${issued.token}` } })).statusCode, 403)
})
