import { createHmac, randomBytes } from 'node:crypto'
import auth, { type FastifyAuthFunction } from '@fastify/auth'
import t from 'tap'
import { createKeyRing, generateKey } from '../../../lib/keys/index.ts'
import { type RingKey } from '../../../lib/keys/key-ring.ts'
import { createMemoryStore } from '../../../lib/stores/memory.ts'
import { createDocumentSessions, sessionIssuance } from '../../../plugins/session-issuance/index.ts'
import { faultyStore } from '../../support/faulty-store.ts'
import { buildHost, inEveryHost } from '../../support/hosts.ts'
import { claimsOf, ISSUER, NOW, refusal, SECONDS, sessionHost } from '../../support/session-host.ts'
import { encode, forge } from '../../support/tokens.ts'

const PHRASES = /Token has expired|Token has been revoked|Invalid token/
const INVALID = { status: 401, code: 'FDT_INVALID_TOKEN', challenge: 'Bearer error="invalid_token"', cache: 'no-store', complete: true }
const FORBIDDEN = { status: 403, code: 'FDT_INSUFFICIENT_PERMISSION', challenge: 'Bearer error="insufficient_scope"', cache: 'no-store', complete: true }

inEveryHost(t, 'lets a session pass and tells the route what it is', async (t) => {
  const { sessions, read } = await sessionHost(t, { flow: { serverUrl: 'https://viewer.example/' } })
  const { token, jti, expiresAt } = await sessions.issue({
    subject: 'jane',
    documents: [{ id: 'a', permissions: ['read'] }],
    notBefore: SECONDS,
    credential: { id: 'key', owner: 'acme' }
  })
  const reply = await read(token)
  t.equal(reply.statusCode, 200)
  t.strictSame(reply.json(), {
    jti,
    subject: 'jane',
    credential: 'key',
    owner: 'acme',
    documents: [{ id: 'a', permissions: ['read'] }],
    issuedAt: NOW,
    expiresAt,
    notBefore: SECONDS,
    serverUrl: 'https://viewer.example/'
  })
  t.equal(reply.headers['www-authenticate'], undefined)
  t.equal(reply.headers['cache-control'], undefined, 'a route that passes is the host\'s alone')
})

inEveryHost(t, 'one document, one permission: everything else is refused', async (t) => {
  // Else there is no route at `/documents/`.
  const { app, sessions } = await sessionHost(t, { server: { routerOptions: { ignoreTrailingSlash: false } } })
  const { token } = await sessions.issue({ documents: [{ id: 'a', permissions: ['read'] }, { id: 'w', permissions: ['write'] }, { id: 'rw', permissions: ['write', 'read'] }] })
  const ask = (method: 'GET' | 'PUT', url: string) => app.inject({ method, url, headers: { authorization: `Bearer ${token}` } })

  const passed = [['GET', '/documents/a'], ['GET', '/documents/rw'], ['PUT', '/documents/rw']] as const
  for (const [method, url] of passed) t.equal((await ask(method, url)).statusCode, 200, `${method} ${url}`)

  const refused = [
    ['GET', '/documents/a/download'], ['PUT', '/documents/a'], ['GET', '/documents/b'], ['GET', '/documents/w'], ['PUT', '/documents/w'], ['GET', '/documents/rw/download'],
    ['GET', '/documents/A'], ['GET', '/documents/a%20'], ['GET', '/documents/a%00'], ['GET', '/documents/__proto__'], ['GET', '/documents/']
  ] as const
  for (const [method, url] of refused) {
    const reply = await ask(method, url)
    t.strictSame(refusal(reply), FORBIDDEN, `${method} ${url}`)
    t.notMatch(reply.body, PHRASES, 'without the phrases that make the viewer ask again')
  }
})

inEveryHost(t, 'refuses a request', async (t) => {
  const host = await sessionHost(t)
  const { app, sessions, keys, clock } = host
  const documents = [{ id: 'a', permissions: ['read'] as const }]
  const good = (await sessions.issue({ documents })).token
  const [header, payload, signature] = good.split('.') as [string, string, string]
  const key = keys.signing()
  const HEADER = { alg: 'ES256', typ: 'document-session+jwt', kid: key.kid }
  const claims = claimsOf(good)
  const ended = (await sessions.issue({ documents, expiresIn: 1 })).token
  const early = (await sessions.issue({ documents, notBefore: SECONDS + 60 })).token
  const other = createKeyRing([{ key: await generateKey('ES256') }]).signing()
  const hmac = (text: string, secret: string | Buffer) => `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`
  const spki = String(key.verifyKey.export({ type: 'spki', format: 'pem' }))
  const der = key.verifyKey.export({ type: 'spki', format: 'der' })
  const jwk = key.verifyKey.export({ format: 'jwk' })
  const confused = `${encode({ ...HEADER, alg: 'HS256' })}.${payload}`
  clock.time = NOW + 1000

  const bearer = (token: string) => ({ authorization: `Bearer ${token}` })
  const forged = (more: object, headerMore: object = {}, by: RingKey = key) => bearer(forge({ ...HEADER, ...headerMore }, { ...claims, ...more }, by))
  const without = (member: string) => bearer(forge(HEADER, Object.fromEntries(Object.entries(claims).filter(([name]) => name !== member)), key))

  t.equal((await app.inject({ url: '/documents/a', headers: forged({}) })).statusCode, 200, 'what the table changes is all that is wrong')

  const cases: Array<{ name: string, headers: Record<string, string>, code?: string, status?: number, challenge?: string, message?: string }> = [
    { name: 'no token', headers: {}, code: 'FDT_MISSING_TOKEN', challenge: 'Bearer' },
    { name: 'another scheme', headers: { authorization: `Basic ${good}` }, code: 'FDT_MISSING_TOKEN', challenge: 'Bearer' },
    { name: 'x-api-key', headers: { 'x-api-key': good }, code: 'FDT_MISSING_TOKEN', challenge: 'Bearer' },
    { name: 'a cookie that nobody asked for', headers: { cookie: `session=${good}` }, code: 'FDT_MISSING_TOKEN', challenge: 'Bearer' },
    { name: 'an empty token', headers: { authorization: 'Bearer ' } },
    { name: 'two tokens', headers: bearer(`${good} ${good}`) },
    { name: 'two tokens with a comma', headers: bearer(`${good}, Bearer ${good}`) },
    { name: 'one segment', headers: bearer('abc') },
    { name: 'two segments', headers: bearer(`${header}.${payload}`) },
    { name: 'four segments', headers: bearer(`${good}.x`) },
    { name: 'five segments (T15)', headers: bearer(`${good}.x.y`) },
    { name: 'empty segments', headers: bearer('..') },
    { name: 'no signature', headers: bearer(`${header}.${payload}.`) },
    { name: 'a signature cut', headers: bearer(good.slice(0, -4)) },
    { name: 'another signature', headers: bearer(`${header}.${payload}.${Buffer.alloc(64, 7).toString('base64url')}`) },
    { name: 'a signature of zeros', headers: bearer(`${header}.${payload}.${Buffer.alloc(64).toString('base64url')}`) },
    { name: 'expired', headers: bearer(ended), code: 'FDT_TOKEN_EXPIRED', message: 'Token has expired' },
    { name: 'expired and forged: not said', headers: bearer(`${ended.slice(0, -8)}AAAAAAAA`) },
    { name: 'not yet valid', headers: bearer(early) },
    { name: 'of another key', headers: forged({}, {}, other) },
    { name: 'of another key, with its kid (T3)', headers: forged({}, { kid: other.kid }, other) },
    { name: 'without kid (T3)', headers: forged({}, { kid: undefined }) },
    { name: 'kid empty (T3)', headers: forged({}, { kid: '' }) },
    { name: 'kid null (T3)', headers: forged({}, { kid: null }) },
    ...['../../etc/passwd', '\'; DROP TABLE keys; --', '"', '__proto__', 'constructor', 'x'.repeat(10_000)].map((kid) => ({ name: `kid ${kid.slice(0, 24)} (T14, T28)`, headers: forged({}, { kid }) })),
    { name: 'jku, x5u, jwk of the attacker (T14)', headers: forged({}, { kid: 'x', jku: 'https://evil.test/jwks', x5u: 'https://evil.test/x5u', jwk: other.verifyKey.export({ format: 'jwk' }) }, other) },
    ...['none', 'None', 'NONE', 'nOnE', 'none '].flatMap((alg) => [
      { name: `alg ${alg} (T13)`, headers: bearer(`${encode({ ...HEADER, alg })}.${payload}.${signature}`) },
      { name: `alg ${alg} without signature (T13)`, headers: bearer(`${encode({ ...HEADER, alg })}.${payload}.`) }
    ]),
    ...['RS256', 'HS256', 'ES384', 'es256', 'PS256', 'EdDSA', '', 'constructor'].map((alg) => ({ name: `alg ${alg}`, headers: forged({}, { alg }) })),
    { name: 'alg missing', headers: forged({}, { alg: undefined }) },
    { name: 'alg a list (T16)', headers: forged({}, { alg: ['ES256'] }) },
    { name: 'HS256 with our public PEM (T1)', headers: bearer(hmac(confused, spki)) },
    { name: 'HS256 with PEM and CRLF (T1)', headers: bearer(hmac(confused, spki.replaceAll('\n', '\r\n'))) },
    { name: 'HS256 with PEM and BOM (T1)', headers: bearer(hmac(confused, `\ufeff${spki}`)) },
    { name: 'HS256 with a leading space (T1)', headers: bearer(hmac(confused, ` ${spki}`)) },
    { name: 'HS256 with PEM in lower case (T1)', headers: bearer(hmac(confused, spki.toLowerCase())) },
    { name: 'HS256 with PEM trimmed (T1)', headers: bearer(hmac(confused, spki.trim())) },
    { name: 'HS256 with raw DER (T1)', headers: bearer(hmac(confused, der)) },
    { name: 'HS256 with base64 of DER (T1)', headers: bearer(hmac(confused, der.toString('base64'))) },
    { name: 'HS256 with the JWK (T2)', headers: bearer(hmac(confused, JSON.stringify(jwk))) },
    { name: 'HS256 with the JWKS (T2)', headers: bearer(hmac(confused, JSON.stringify({ keys: [jwk] }))) },
    { name: 'HS256 with an empty secret (T3)', headers: bearer(hmac(confused, '')) },
    ...[[], ['exp'], ['b64'], '', 0, null, false, {}, 'exp'].map((crit) => ({ name: `crit ${JSON.stringify(crit)} (T5)`, headers: forged({}, { crit }) })),
    { name: 'b64 false (T5)', headers: forged({}, { b64: false }) },
    { name: 'b64 true (T5)', headers: forged({}, { b64: true }) },
    { name: 'zip (T15)', headers: forged({}, { zip: 'DEF' }) },
    { name: 'typ JWT', headers: forged({}, { typ: 'JWT' }) },
    { name: 'typ at+jwt', headers: forged({}, { typ: 'at+jwt' }) },
    { name: 'typ in capitals', headers: forged({}, { typ: 'DOCUMENT-SESSION+JWT' }) },
    { name: 'typ missing', headers: forged({}, { typ: undefined }) },
    { name: 'typ a list', headers: forged({}, { typ: ['document-session+jwt'] }) },
    { name: 'another issuer', headers: forged({ iss: 'https://evil.test' }) },
    { name: 'another instance', headers: forged({ aud: `${ISSUER}/viewer/other` }) },
    { name: 'another audience', headers: forged({ aud: ISSUER }) },
    { name: 'audience as list (T12)', headers: forged({ aud: [claims['aud']] }) },
    ...['iss', 'aud', 'exp', 'iat', 'jti', 'allowed_documents'].map((member) => ({ name: `without ${member}`, headers: without(member) })),
    ...['iss', 'aud', 'sub', 'jti'].flatMap((member) => [1, null, {}, ['x'], true].map((value) => ({ name: `${member} ${JSON.stringify(value)} (T12)`, headers: forged({ [member]: value }) }))),
    ...['exp', 'iat', 'nbf'].flatMap((member) => [String(SECONDS + 60), null, {}, [SECONDS + 60], true, SECONDS + 60.5].map((value) => ({ name: `${member} ${JSON.stringify(value)} (T12)`, headers: forged({ [member]: value }) }))),
    { name: 'an id that is no UUID of version 7', headers: forged({ jti: 'a' }) },
    { name: 'an id in capitals', headers: forged({ jti: String(claims['jti']).toUpperCase() }) },
    { name: 'an unknown claim', headers: forged({ max_uses: 1 }) },
    { name: 'documents of the wrong shape', headers: forged({ allowed_documents: { document_id: 'a' } }) },
    { name: 'a document of the wrong shape', headers: forged({ allowed_documents: [{ document_id: 'a', document_permissions: 'read' }] }) },
    ...[[], 'text', 1, null, true, [claims]].map((value) => ({ name: `payload ${JSON.stringify(value).slice(0, 9)} (T9)`, headers: bearer(forge(HEADER, JSON.stringify(value), key)) })),
    { name: 'payload not JSON (T9)', headers: bearer(forge(HEADER, '{', key)) },
    { name: 'payload not UTF-8 (T9)', headers: bearer(forge(HEADER, Buffer.from('ff', 'hex'), key)) },
    { name: 'header not an object', headers: bearer(forge('[]', claims, key)) },
    ...['=', '+', '/', '=='].flatMap((tail) => [
      { name: `${tail} in the header (T11)`, headers: bearer(`${header}${tail}.${payload}.${signature}`) },
      { name: `${tail} in the payload (T11)`, headers: bearer(`${header}.${payload}${tail}.${signature}`) },
      { name: `${tail} in the signature (T11)`, headers: bearer(`${header}.${payload}.${signature}${tail}`) }
    ]),
    ...[`${header} .${payload}.${signature}`, `${header}.${payload} .${signature}`, `${header}.\t${payload}.${signature}`].map((token, index) => ({ name: `white space ${index} (T11)`, headers: bearer(token) })),
    { name: 'a signed claim of 100 kB (T8)', headers: forged({ sub: 'x'.repeat(100_000) }) }
  ]
  for (const { name, headers, status = 401, code = INVALID.code, challenge = INVALID.challenge, message = 'Invalid token' } of cases) {
    await t.test(name, async (t) => {
      const reply = await app.inject({ url: '/documents/a', headers })
      t.strictSame(refusal(reply), { status, code, challenge, cache: 'no-store', complete: true })
      t.equal(reply.json().message, message)
      t.notOk(reply.body.includes(good.slice(0, 20)), 'never echoes a token')
    })
  }
})

inEveryHost(t, 'a token of 1 MB is refused fast (T8)', async (t) => {
  const { sessions } = await sessionHost(t)
  const { token } = await sessions.issue({ documents: [] })
  const [header, payload, signature] = token.split('.') as [string, string, string]
  const huge = 'A'.repeat(1_000_000)
  for (const text of [huge, `${huge}.${payload}.${signature}`, `${header}.${huge}.${signature}`, `${header}.${payload}.${huge}`, '.'.repeat(1_000_000)]) {
    await t.rejects(sessions.verify(text), { code: 'FDT_INVALID_TOKEN' })
  }
  for (const text of [undefined, null, 1, {}, [token]]) await t.rejects(sessions.verify(text as never), { code: 'FDT_INVALID_TOKEN' })
})

inEveryHost(t, 'time is exact', async (t) => {
  const { sessions, read, clock } = await sessionHost(t)
  const { token, expiresAt } = await sessions.issue({ documents: [{ id: 'a', permissions: ['read'] }], notBefore: SECONDS + 60, expiresIn: 120 })
  const at = async (time: number) => { clock.time = time; return (await read(token)).statusCode }
  t.equal(await at(NOW + 59_999), 401)
  t.equal(await at(NOW + 60_000), 200)
  t.equal(await at(expiresAt * 1000 - 1), 200)
  t.equal(await at(expiresAt * 1000), 401, 'exp is strictly in the future: RFC 7519, section 4.1.4')
})

inEveryHost(t, 'a tolerance for clocks', async (t) => {
  const { sessions, read, clock } = await sessionHost(t, { flow: { clockTolerance: 5 } })
  const { token, expiresAt } = await sessions.issue({ documents: [{ id: 'a', permissions: ['read'] }], notBefore: SECONDS + 60 })
  const at = async (time: number) => { clock.time = time; return (await read(token)).statusCode }
  t.equal(await at(NOW + 54_999), 401)
  t.equal(await at(NOW + 55_000), 200)
  t.equal(await at(expiresAt * 1000 + 4999), 200)
  t.equal(await at(expiresAt * 1000 + 5000), 401)

  clock.time = expiresAt * 1000 + 4000
  await sessions.revoke(token)
  t.equal((await read(token)).json().code, 'FDT_TOKEN_REVOKED', 'a revocation lasts through the tolerance')
})

inEveryHost(t, 'the same token, ten times: the same answer, and nobody\'s change shows (T6, T7)', async (t) => {
  for (const cacheBytes of [0, 8 * 1024 * 1024]) {
    const { app, scope, sessions } = await sessionHost(t, { flow: { cacheBytes } })
    scope.get('/mutate/:id', { onRequest: sessions.require('read', { param: 'id' }) }, async ({ documentSession }) => {
      const session = documentSession as unknown as { subject: string, documents: Array<{ id: string, permissions: string[] }> }
      const attempts = [
        () => { session.subject = 'mallory' },
        () => { session.documents.push({ id: 'b', permissions: ['read'] }) },
        () => { (session.documents[0] as { id: string }).id = 'b' },
        () => { session.documents[0]?.permissions.push('write') }
      ]
      return attempts.map((attempt) => { try { attempt(); return 'changed' } catch { return 'frozen' } })
    })
    const [first, second] = await Promise.all(['jane', 'john'].map(async (subject) => (await sessions.issue({ subject, documents: [{ id: 'a', permissions: ['read'] }] })).token))
    for (let index = 0; index < 10; index++) {
      const headers = (token: string | undefined) => ({ authorization: `Bearer ${token}` })
      t.strictSame((await app.inject({ url: '/mutate/a', headers: headers(first) })).json(), ['frozen', 'frozen', 'frozen', 'frozen'])
      t.equal((await app.inject({ url: '/documents/a', headers: headers(first) })).json().subject, 'jane')
      t.equal((await app.inject({ url: '/documents/a', headers: headers(second) })).json().subject, 'john')
      t.equal((await app.inject({ url: '/documents/b', headers: headers(first) })).statusCode, 403)
    }
  }
})

inEveryHost(t, 'a cache that holds little forgets, and nothing changes', async (t) => {
  const { sessions, read } = await sessionHost(t, { flow: { cacheBytes: 3000 } })
  const tokens = await Promise.all(Array.from({ length: 5 }, async (_, index) => (await sessions.issue({ subject: String(index), documents: [{ id: 'a', permissions: ['read'] }] })).token))
  for (let round = 0; round < 2; round++) {
    for (const [index, token] of tokens.entries()) t.equal((await read(token)).json().subject, String(index))
  }
})

inEveryHost(t, 'keys come and go while the app runs (T6)', async (t) => {
  const { sessions, read, keys } = await sessionHost(t)
  const issue = async () => (await sessions.issue({ documents: [{ id: 'a', permissions: ['read'] }] })).token
  const before = await issue()
  t.equal((await read(before)).statusCode, 200)

  const old = keys.signing().kid
  keys.add({ key: await generateKey('EdDSA') }, { sign: true })
  const after = await issue()
  t.not(after.split('.')[0], before.split('.')[0])
  t.equal((await read(after)).statusCode, 200, 'a new key signs and verifies at once')
  t.equal((await read(before)).statusCode, 200, 'the old one still verifies')

  keys.remove(old)
  t.strictSame(refusal(await read(before)), INVALID, 'a removed key stops at once, whatever was verified before')
  t.equal((await read(after)).statusCode, 200)
})

inEveryHost(t, 'another key under the name of a removed one takes none of its tokens (T6)', async (t) => {
  const keys = createKeyRing([{ key: await generateKey('ES256'), kid: 'one' }, { key: await generateKey('ES256'), kid: 'two' }])
  const { sessions, read } = await sessionHost(t, { flow: { keys } })
  const { token } = await sessions.issue({ documents: [{ id: 'a', permissions: ['read'] }] })
  t.equal((await read(token)).statusCode, 200)
  keys.promote('two')
  keys.remove('one')
  keys.add({ key: await generateKey('ES256'), kid: 'one' })
  t.strictSame(refusal(await read(token)), INVALID)
})

inEveryHost(t, 'every algorithm, and a Signer', async (t) => {
  const { sign } = await import('node:crypto')
  const rings = await Promise.all((['HS256', 'ES256', 'EdDSA', 'RS256', 'PS256'] as const).map(async (algorithm) => createKeyRing([{ key: await generateKey(algorithm) }])))
  const held = createKeyRing([{ key: await generateKey('ES256') }]).signing()
  rings.push(createKeyRing([{
    kid: 'kms-1',
    algorithm: 'ES256',
    publicKey: held.verifyKey,
    sign: async (bytes) => held.signKey === undefined ? bytes : sign('sha256', bytes, { key: held.signKey, dsaEncoding: 'ieee-p1363' })
  }]))

  for (const keys of rings) {
    const { sessions, read } = await sessionHost(t, { flow: { keys } })
    const { token } = await sessions.issue({ documents: [{ id: 'a', permissions: ['read'] }] })
    const { kid, algorithm } = keys.signing()
    t.strictSame(JSON.parse(Buffer.from(String(token.split('.')[0]), 'base64url').toString()), { alg: algorithm, typ: 'document-session+jwt', kid }, algorithm)
    t.equal((await read(token)).statusCode, 200, algorithm)
    t.equal((await read(`${token.slice(0, -8)}AAAAAAAA`)).statusCode, 401, algorithm)
  }
})

inEveryHost(t, 'a ring of public halves guards and ends sessions, and cannot issue', async (t) => {
  const issuer = await sessionHost(t)
  const { token } = await issuer.sessions.issue({ documents: [{ id: 'a', permissions: ['read'] }] })
  const keys = createKeyRing([{ key: issuer.keys.signing().verifyKey, kid: issuer.keys.signing().kid }])
  const { app, scope } = await buildHost(t, {
    register: async (scope) => { await scope.register(sessionIssuance, { issuer: ISSUER, keys, store: issuer.store, routes: false, now: () => NOW }) }
  })
  scope.get('/d/:id', { onRequest: scope.documentSessions.require('read', { param: 'id' }) }, async () => 'passed')
  const read = () => app.inject({ url: '/d/a', headers: { authorization: `Bearer ${token}` } })

  t.equal((await read()).statusCode, 200)
  await t.rejects(scope.documentSessions.issue({ documents: [] }), { code: 'FDT_NO_SIGNING_KEY' })
  await scope.documentSessions.revoke(token)
  t.strictSame(refusal(await read()).code, 'FDT_TOKEN_REVOKED')
  t.equal((await issuer.read(token)).statusCode, 401)

  const other = buildHost(t, {
    register: async (scope) => { await scope.register(sessionIssuance, { issuer: ISSUER, keys, store: issuer.store, credentials: issuer.registry }) }
  })
  await t.rejects(other, { code: 'FDT_NO_SIGNING_KEY' }, 'routes need a key that signs')
})

inEveryHost(t, 'instances on one store do not take each other\'s tokens, nor their revocations', async (t) => {
  const { sessions, store, keys, read } = await sessionHost(t)
  const other = await createDocumentSessions({ issuer: ISSUER, keys, store, name: 'other', now: () => NOW })
  const documents = [{ id: 'a', permissions: ['read'] as const }]
  const mine = (await sessions.issue({ documents, subject: 'jane' })).token
  const theirs = (await other.issue({ documents, subject: 'jane' })).token
  t.strictSame(refusal(await read(theirs)), INVALID)
  await t.rejects(other.verify(mine), { code: 'FDT_INVALID_TOKEN' })
  await t.rejects(other.revoke(mine), { code: 'FDT_SESSION_NOT_FOUND' })
  await other.revokeAll({ subject: 'jane' })
  t.equal((await read(mine)).statusCode, 200)
})

inEveryHost(t, 'which document: resolvers', async (t) => {
  const { app, scope, sessions } = await sessionHost(t)
  const { token } = await sessions.issue({ documents: [{ id: 'a', permissions: ['read'] }, { id: '1', permissions: ['read'] }, { id: 'undefined', permissions: ['read'] }] })
  const results: unknown[] = ['a', 'b', '', undefined, null, 1, ['a'], { toString: () => 'a' }, true, NaN]
  scope.get<{ Querystring: { index: string } }>('/resolved', {
    onRequest: sessions.require('read', { documentId: (request) => results[Number((request.query as { index: string }).index)] })
  }, async () => 'passed')
  scope.get('/later', { onRequest: sessions.require('read', { documentId: async () => 'a' }) }, async () => 'passed')
  scope.get('/misnamed/:id', { onRequest: sessions.require('read', { param: 'documentId' }) }, async () => 'passed')
  scope.get('/any', { onRequest: sessions.require('read', { anyDocument: true }) }, async () => 'passed')
  scope.get('/any-write', { onRequest: sessions.require('write', { anyDocument: true }) }, async () => 'passed')
  scope.get('/broken', { onRequest: sessions.require('read', { documentId: () => { throw Object.assign(new Error('mine'), { statusCode: 418 }) } }) }, async () => 'passed')
  const throwing = (thrown: unknown) => sessions.require('read', { documentId: () => { throw thrown } })
  scope.get('/throws-nothing', { onRequest: throwing(undefined) }, async () => 'passed')
  scope.get('/throws-text', { onRequest: throwing('text') }, async () => 'passed')
  scope.get('/throws-ok', { onRequest: throwing(Object.assign(new Error('x'), { code: 'FST_X', statusCode: 200 })) }, async () => 'passed')
  scope.post<{ Body: { id: string } }>('/body', { preHandler: sessions.require('read', { documentId: (request) => (request.body as { id: string }).id }) }, async () => 'passed')

  const ask = (url: string) => app.inject({ url, headers: { authorization: `Bearer ${token}` } })
  for (const [index, result] of results.entries()) {
    const reply = await ask(`/resolved?index=${index}`)
    if (index === 0) t.equal(reply.statusCode, 200)
    else t.strictSame(refusal(reply), FORBIDDEN, String(JSON.stringify(result)))
  }
  t.equal((await ask('/later')).statusCode, 200, 'it may be async')
  t.strictSame(refusal(await ask('/misnamed/a')), FORBIDDEN, 'a parameter that the path does not have')
  t.equal((await ask('/any')).statusCode, 200)
  t.strictSame(refusal(await ask('/any-write')), FORBIDDEN)
  t.equal((await ask('/broken')).statusCode, 418, 'what the host throws is the host\'s')
  t.strictSame(refusal(await ask('/throws-nothing')), FORBIDDEN)
  t.strictSame(refusal(await ask('/throws-text')), FORBIDDEN)
  t.equal((await ask('/throws-ok')).statusCode, 500, 'an error is never an answer of 200')

  for (const [id, status] of [['a', 200], ['b', 403]] as const) {
    const reply = await app.inject({ method: 'POST', url: '/body', headers: { authorization: `Bearer ${token}` }, payload: { id } })
    t.equal(reply.statusCode, status)
  }
})

inEveryHost(t, 'from another header', async (t) => {
  const { app, scope, sessions } = await sessionHost(t)
  const { token } = await sessions.issue({ documents: [{ id: 'a', permissions: ['read'] }] })
  scope.get('/h/:id', { onRequest: sessions.require('read', { param: 'id', header: 'X-Document-Session' }) }, async () => 'passed')
  const ask = async (headers: Record<string, string>) => refusal2(await app.inject({ url: '/h/a', headers }))
  t.equal(await ask({ 'x-document-session': token }), 200)
  t.equal(await ask({ authorization: `Bearer ${token}` }), 'FDT_MISSING_TOKEN')
  t.equal(await ask({ 'x-document-session': `Bearer ${token}` }), 'FDT_INVALID_TOKEN')
  t.equal(await ask({ 'x-document-session': '' }), 'FDT_INVALID_TOKEN')
  t.equal(await ask({ 'x-document-session': 'x' }), 'FDT_INVALID_TOKEN')
})

const refusal2 = (reply: { statusCode: number, json (): { code: string } }) => reply.statusCode === 200 ? 200 : reply.json().code

inEveryHost(t, 'from a cookie (T17)', async (t) => {
  const { app, scope, sessions } = await sessionHost(t)
  const { token } = await sessions.issue({ documents: [{ id: 'a', permissions: ['read', 'write'] }] })
  const guard = sessions.require('write', { param: 'id', cookie: 'viewer', trustedOrigins: ['https://app.example'] })
  for (const method of ['GET', 'PUT', 'DELETE'] as const) scope.route({ method, url: '/c/:id', onRequest: guard, handler: async () => 'passed' })
  const cookie = `theme=dark; viewer=${token}; x=y`

  const cases: Array<{ name: string, method?: 'GET' | 'PUT' | 'DELETE', headers: Record<string, string>, payload?: string, expected: number | string }> = [
    { name: 'read', headers: { cookie }, expected: 200 },
    { name: 'read from another site', headers: { cookie, 'sec-fetch-site': 'cross-site', origin: 'https://evil.test' }, expected: 200 },
    { name: 'quoted', headers: { cookie: `viewer="${token}"` }, expected: 200 },
    { name: 'no such cookie', headers: { cookie: `viewers=${token}; xviewer=${token}` }, expected: 'FDT_MISSING_TOKEN' },
    { name: 'empty', headers: { cookie: 'viewer=' }, expected: 'FDT_INVALID_TOKEN' },
    { name: 'twice', headers: { cookie: `viewer=${token}; viewer=x` }, expected: 'FDT_MULTIPLE_TOKENS' },
    { name: 'cookie and header', headers: { cookie, authorization: `Bearer ${token}` }, expected: 'FDT_MULTIPLE_TOKENS' },
    { name: 'the header alone', headers: { authorization: `Bearer ${token}` }, expected: 200 },
    { name: 'write by header, from anywhere', method: 'PUT', headers: { authorization: `Bearer ${token}`, origin: 'https://evil.test' }, payload: '{}', expected: 200 },
    { name: 'write from the same origin', method: 'PUT', headers: { cookie, 'sec-fetch-site': 'same-origin' }, payload: '{}', expected: 200 },
    { name: 'write from the issuer\'s origin', method: 'PUT', headers: { cookie, origin: ISSUER }, payload: '{}', expected: 200 },
    { name: 'write from a trusted origin', method: 'PUT', headers: { cookie, origin: 'https://app.example', 'sec-fetch-site': 'cross-site' }, payload: '{}', expected: 200 },
    { name: 'write from another site', method: 'PUT', headers: { cookie, origin: 'https://evil.test', 'sec-fetch-site': 'cross-site' }, payload: '{}', expected: 'FDT_CROSS_SITE' },
    { name: 'write from a sibling', method: 'PUT', headers: { cookie, 'sec-fetch-site': 'same-site' }, payload: '{}', expected: 'FDT_CROSS_SITE' },
    { name: 'write from an opaque origin', method: 'PUT', headers: { cookie, origin: 'null' }, payload: '{}', expected: 'FDT_CROSS_SITE' },
    { name: 'write from nowhere', method: 'PUT', headers: { cookie }, payload: '{}', expected: 'FDT_CROSS_SITE' },
    { name: 'write typed into the address bar', method: 'PUT', headers: { cookie, 'sec-fetch-site': 'none' }, payload: '{}', expected: 'FDT_CROSS_SITE' },
    { name: 'write of a form', method: 'PUT', headers: { cookie, origin: ISSUER, 'content-type': 'text/plain' }, payload: '{}', expected: 'FDT_CROSS_SITE' },
    { name: 'write of something like JSON', method: 'PUT', headers: { cookie, origin: ISSUER, 'content-type': 'application/jsonx' }, payload: '{}', expected: 'FDT_CROSS_SITE' },
    { name: 'delete without body', method: 'DELETE', headers: { cookie, origin: ISSUER }, expected: 200 },
    { name: 'delete without body from another site', method: 'DELETE', headers: { cookie, origin: 'https://evil.test' }, expected: 'FDT_CROSS_SITE' }
  ]
  for (const { name, method = 'GET', headers, payload, expected } of cases) {
    const type = payload === undefined ? {} : { 'content-type': 'application/json' }
    const reply = await app.inject({ method, url: '/c/a', headers: { ...type, ...headers }, ...(payload !== undefined && { payload }) })
    t.equal(refusal2(reply), expected, name)
    if (expected === 'FDT_MULTIPLE_TOKENS') t.strictSame(refusal(reply), { status: 400, code: 'FDT_MULTIPLE_TOKENS', challenge: 'Bearer error="invalid_request"', cache: 'no-store', complete: true })
    if (expected === 'FDT_CROSS_SITE') t.strictSame(refusal(reply), { status: 403, code: 'FDT_CROSS_SITE', challenge: 'Bearer error="invalid_request"', cache: 'no-store', complete: true })
  }
  const untyped = await app.inject({ method: 'DELETE', url: '/c/a', headers: { cookie, origin: ISSUER, 'content-length': '2' }, payload: Buffer.from('{}') })
  t.equal(refusal2(untyped), 'FDT_CROSS_SITE', 'a body without a type')
  const chunked = await app.inject({ method: 'DELETE', url: '/c/a', headers: { cookie, origin: ISSUER, 'transfer-encoding': 'chunked' } })
  t.equal(refusal2(chunked), 'FDT_CROSS_SITE', 'a body of no said length, without a type')
})

inEveryHost(t, 'origins', async (t) => {
  const { app, sessions } = await sessionHost(t)
  const { token } = await sessions.issue({ documents: [{ id: 'a', permissions: ['read'] }], allowedOrigins: ['https://app.example', 'https://two.example'] })
  const ask = (headers: Record<string, string>) => app.inject({ url: '/documents/a', headers: { authorization: `Bearer ${token}`, ...headers } })
  t.equal((await ask({ origin: 'https://two.example' })).statusCode, 200)
  for (const headers of [{}, { origin: 'null' }, { origin: 'https://evil.test' }, { origin: 'https://app.example.evil.test' }, { origin: 'HTTPS://APP.EXAMPLE' }, { origin: 'http://app.example' }]) {
    const reply = await ask(headers)
    t.strictSame(refusal(reply), { status: 403, code: 'FDT_ORIGIN_NOT_ALLOWED', challenge: 'Bearer error="insufficient_scope"', cache: 'no-store', complete: true }, JSON.stringify(headers))
    t.notMatch(reply.body, PHRASES)
  }
})

inEveryHost(t, 'beside another guard, by @fastify/auth, it leaves nothing behind', async (t) => {
  const { app, scope, sessions } = await sessionHost(t)
  if (!scope.hasDecorator('auth')) await scope.register(auth)
  // Typed for hooks without `done`, which it gives all the same.
  const guard = sessions.require('read', { anyDocument: true, onRefused: (error) => { throw error } }) as FastifyAuthFunction
  const other: FastifyAuthFunction = async ({ headers }) => { if (headers['x-other'] !== 'yes') throw Object.assign(new Error('not you'), { statusCode: 403 }) }
  scope.get('/either', { onRequest: scope.auth([guard, other]) }, async ({ documentSession }) => ({ session: documentSession?.jti ?? null }))

  const reply = await app.inject({ url: '/either', headers: { 'x-other': 'yes' } })
  t.strictSame([reply.statusCode, reply.json()], [200, { session: null }])
  for (const header of ['www-authenticate', 'retry-after']) t.notOk(header in reply.headers, header)
  t.not(reply.headers['cache-control'], 'no-store')
  const { jti, token } = await sessions.issue({ documents: [{ id: 'a', permissions: ['read'] }] })
  t.strictSame((await app.inject({ url: '/either', headers: { authorization: `Bearer ${token}` } })).json(), { session: jti })
  t.not((await app.inject('/either')).statusCode, 200)
})

inEveryHost(t, 'onRefused', async (t) => {
  const { app, scope, sessions } = await sessionHost(t)
  scope.setErrorHandler(async (error, _request, reply) => reply.code(499).send({ mine: (error as Error & { code: string }).code }))
  scope.get('/own/:id', { onRequest: sessions.require('read', { param: 'id', onRefused: (error, _request, reply) => reply.code(418).send({ mine: error.code }) }) }, async () => 'passed')
  scope.get('/throws/:id', { onRequest: sessions.require('read', { param: 'id', onRefused: (error) => { throw error } }) }, async () => 'passed')
  scope.get('/silent/:id', { onRequest: sessions.require('read', { param: 'id', onRefused: () => undefined }) }, async () => 'passed')
  scope.get('/nothing/:id', { onRequest: sessions.require('read', { param: 'id', onRefused: async () => { throw undefined } }) }, async () => 'passed') // eslint-disable-line no-throw-literal -- a host may
  scope.get('/later/:id', { onRequest: sessions.require('read', { param: 'id', onRefused: async (error, _request, reply) => { await reply.code(418).send({ mine: error.code }) } }) }, async () => 'passed')
  scope.get('/plain/:id', { onRequest: sessions.require('read', { param: 'id' }), schema: { response: { '4xx': { type: 'object', properties: {} } } } }, async () => 'passed')

  const own = await app.inject('/own/a')
  t.strictSame([own.statusCode, own.json()], [418, { mine: 'FDT_MISSING_TOKEN' }])
  const thrown = await app.inject('/throws/a')
  t.strictSame([thrown.statusCode, thrown.json()], [499, { mine: 'FDT_MISSING_TOKEN' }])
  t.equal(thrown.headers['www-authenticate'], undefined, 'nothing of ours is left behind when it throws')
  t.equal((await app.inject('/later/a')).statusCode, 418, 'it may be async')
  t.strictSame((await app.inject('/nothing/a')).json(), { mine: 'FDT_INSUFFICIENT_PERMISSION' }, 'who throws nothing at all does not let anybody pass')
  t.equal((await app.inject('/silent/a')).json().code, 'FDT_MISSING_TOKEN', 'silence does not let anybody pass')
  t.strictSame(refusal(await app.inject('/plain/a')), { status: 401, code: 'FDT_MISSING_TOKEN', challenge: 'Bearer', cache: 'no-store', complete: true }, 'neither handler nor schema of the host changes the refusal')
})

t.test('require throws at registration', async (t) => {
  const { sessions } = await sessionHost(t)
  const bad: unknown[][] = [
    [], ['read'], ['read', 'write'], [{ param: 'id' }], ['print', { param: 'id' }], ['read', 'print', { param: 'id' }], [1, { param: 'id' }], ['read', null], ['read', {}],
    ['read', { param: 'id', documentId: () => 'a' }], ['read', { param: 'id', anyDocument: true }], ['read', { anyDocument: false }], ['read', { anyDocument: 'true' }],
    ['read', { param: '' }], ['read', { param: 1 }], ['read', { documentId: 'a' }], ['read', { param: 'id', header: '' }], ['read', { param: 'id', header: 'a b' }], ['read', { param: 'id', header: 1 }],
    ['read', { param: 'id', cookie: 'a=b' }], ['read', { param: 'id', cookie: 1 }], ['read', { param: 'id', trustedOrigins: 'https://a.example' }], ['read', { param: 'id', trustedOrigins: ['https://a.example/'] }],
    ['read', { param: 'id', onRefused: 'throw' }], ['read', { param: 'id', parameter: 'id' }]
  ]
  for (const args of bad) t.throws(() => Reflect.apply(sessions.require, undefined, args), { code: 'FDT_INVALID_OPTION' }, JSON.stringify(args))
})

inEveryHost(t, 'a store that is down: 503, never a session (T36)', async (t) => {
  const store = createMemoryStore({ now: () => NOW })
  const { app, read, sessions, create } = await sessionHost(t, { store })
  const { token } = await sessions.issue({ documents: [{ id: 'a', permissions: ['read'] }] })
  const revoked = (await sessions.issue({ documents: [{ id: 'a', permissions: ['read'] }] })).token
  await sessions.revoke(revoked)
  t.equal((await read(token)).statusCode, 200)
  await store.close()

  const outage = { status: 503, code: 'FDT_STORE_UNAVAILABLE', challenge: undefined, cache: 'no-store', complete: true }
  for (const text of [token, revoked]) {
    const reply = await read(text)
    t.strictSame(refusal(reply), outage)
    t.equal(reply.headers['retry-after'], '1')
    t.notMatch(reply.body, PHRASES)
  }
  t.strictSame(refusal(await create({})), outage, 'issuing')
  t.equal((await app.inject({ url: '/documents/a', headers: { authorization: 'Bearer x' } })).statusCode, 401, 'what is no token needs no store')
  await t.rejects(sessions.revoke(token), { code: 'FDT_STORE_UNAVAILABLE' })
  await t.rejects(sessions.revokeAll({ subject: 'jane' }), { code: 'FDT_STORE_UNAVAILABLE' })
})

inEveryHost(t, 'a store that fails in its own way is an outage as well, and comes back', async (t) => {
  const { store, fault } = faultyStore(createMemoryStore({ now: () => NOW }))
  const { read, sessions } = await sessionHost(t, { store })
  const { token } = await sessions.issue({ documents: [{ id: 'a', permissions: ['read'] }] })
  fault.error = new Error('ETIMEDOUT 10.0.0.7')
  const reply = await read(token)
  t.equal(reply.statusCode, 503)
  t.notOk(reply.body.includes('10.0.0.7'))
  fault.error = undefined
  t.equal((await read(token)).statusCode, 200)
})

inEveryHost(t, 'a value that a later release wrote is no answer either', async (t) => {
  const { read, sessions, store } = await sessionHost(t)
  const { token, jti } = await sessions.issue({ documents: [{ id: 'a', permissions: ['read'] }] })
  await store.set(`session/default/revoked/${jti}`, Uint8Array.of(2, 0))
  t.strictSame(refusal(await read(token)), { status: 500, code: 'FDT_UNSUPPORTED_FORMAT', challenge: undefined, cache: 'no-store', complete: true })
  await store.set(`session/default/revoked/${jti}`, Uint8Array.of(1))
  t.equal((await read(token)).json().code, 'FDT_TOKEN_REVOKED', 'an entry of a strange shape ends the token')
})

inEveryHost(t, 'what is asked of the store is the same for every good token', async (t) => {
  const { store, fault } = faultyStore(createMemoryStore({ now: () => NOW }))
  const { read, sessions } = await sessionHost(t, { store })
  const { token } = await sessions.issue({ subject: 'jane', documents: [{ id: 'a', permissions: ['read'] }], credential: { id: 'key', owner: 'acme' } })
  const revoked = (await sessions.issue({ subject: 'jane', documents: [{ id: 'a', permissions: ['read'] }], credential: { id: 'key', owner: 'acme' } })).token
  await sessions.revoke(revoked)
  for (const text of [token, token, revoked]) {
    fault.calls.length = 0
    await read(text)
    t.strictSame(fault.calls, ['get', 'get', 'get', 'get', 'get'])
  }
})

inEveryHost(t, 'the guard beside HS256 as well', async (t) => {
  const keys = createKeyRing([{ key: randomBytes(32) }])
  const { read, sessions } = await sessionHost(t, { flow: { keys } })
  const { token } = await sessions.issue({ documents: [{ id: 'a', permissions: ['read'] }] })
  const key = keys.signing()
  const claims = claimsOf(token)
  const header = { alg: 'HS256', typ: 'document-session+jwt', kid: key.kid }
  t.equal((await read(forge(header, claims, key))).statusCode, 200)
  const empty = `${encode(header)}.${encode(claims)}`
  t.equal((await read(`${empty}.${createHmac('sha256', '').update(empty).digest('base64url')}`)).statusCode, 401)
})

inEveryHost(t, 'issuer and audience come from configuration, whatever Host says (T19)', async (t) => {
  const { app, secret } = await sessionHost(t, { server: { trustProxy: true } })
  const reply = await app.inject({
    method: 'POST',
    url: '/viewer/sessions',
    headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json', host: 'evil.test', 'x-forwarded-host': 'evil.test', 'x-forwarded-proto': 'http' },
    payload: '{}'
  })
  t.match(claimsOf(reply.json().jwt), { iss: ISSUER, aud: `${ISSUER}/viewer/default` })
})

inEveryHost(t, 'GET with a content type and no body is served (T21)', async (t) => {
  const { app, sessions } = await sessionHost(t)
  const { token } = await sessions.issue({ documents: [{ id: 'a', permissions: ['read'] }] })
  const reply = await app.inject({ url: '/documents/a', headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' } })
  t.equal(reply.statusCode, 200)
})

inEveryHost(t, 'without a plugin, the object guards just as well', async (t) => {
  const sessions = await createDocumentSessions({ issuer: ISSUER, keys: createKeyRing([{ key: await generateKey('ES256') }]), store: createMemoryStore() })
  const { app, scope } = await buildHost(t, { register: async (scope) => { await scope.register(sessionIssuance, { sessions, routes: false }) } })
  scope.get('/d/:id', { onRequest: scope.documentSessions.require('read', { param: 'id' }) }, async (request) => request.documentSession?.jti)
  const { token, jti } = await sessions.issue({ documents: [{ id: 'a', permissions: ['read'] }] })
  const reply = await app.inject({ url: '/d/a', headers: { authorization: `Bearer ${token}` } })
  t.equal(reply.body, jti)
  t.equal((await app.inject({ method: 'POST', url: '/viewer/sessions' })).statusCode, 404, 'no routes')
})

inEveryHost(t, 'signatures bent in every way that published vectors know (T31)', async (t) => {
  const N = Buffer.from('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551', 'hex')
  const zeros = Buffer.alloc(32)
  const der = (r: Buffer, s: Buffer) => {
    const integer = (bytes: Buffer) => Buffer.concat([Uint8Array.of(2, 33, 0), bytes])
    return Buffer.concat([Uint8Array.of(0x30, 70), integer(r), integer(s)])
  }
  const bends: Record<string, (signature: Buffer) => Buffer[]> = {
    ES256: (signature) => {
      const [r, s] = [signature.subarray(0, 32), signature.subarray(32)]
      const pairs = [[zeros, zeros], [r, zeros], [zeros, s], [N, N], [N, s], [r, N], [s, r], [r, r], [Buffer.alloc(32, 0xff), s], [r, Buffer.alloc(32, 0xff)], [Buffer.from('01'.padStart(64, '0'), 'hex'), s]] as const
      return [...pairs.map(([one, two]) => Buffer.concat([one, two])), der(r, s), Buffer.concat([Uint8Array.of(0), r, s]), Buffer.concat([r, s, Uint8Array.of(0)]), signature.subarray(1), signature.subarray(0, 63), r]
    },
    HS256: (signature) => [Buffer.alloc(32), signature.subarray(0, 16), signature.subarray(0, 31), Buffer.concat([signature, signature]), Buffer.concat([signature, Uint8Array.of(0)]), Buffer.from(signature.toString('hex'))],
    RS256: (signature) => [Buffer.alloc(256), Buffer.from('01'.padStart(512, '0'), 'hex'), Buffer.alloc(256, 0xff), signature.subarray(1), signature.subarray(0, 255), Buffer.concat([Uint8Array.of(0), signature]), Buffer.concat([signature, Uint8Array.of(0)])],
    PS256: (signature) => [Buffer.alloc(256), Buffer.from('01'.padStart(512, '0'), 'hex'), Buffer.alloc(256, 0xff), signature.subarray(1), Buffer.concat([Uint8Array.of(0), signature])],
    EdDSA: (signature) => [Buffer.alloc(64), Buffer.alloc(64, 0xff), signature.subarray(1), signature.subarray(0, 32), Buffer.concat([signature.subarray(0, 32), zeros]), Buffer.concat([zeros, signature.subarray(32)]), Buffer.concat([signature, signature])]
  }
  for (const algorithm of ['ES256', 'HS256', 'RS256', 'PS256', 'EdDSA'] as const) {
    const { sessions, read } = await sessionHost(t, { flow: { keys: createKeyRing([{ key: await generateKey(algorithm) }]) } })
    const { token } = await sessions.issue({ documents: [{ id: 'a', permissions: ['read'] }] })
    const [header, payload, signature] = token.split('.') as [string, string, string]
    t.equal((await read(token)).statusCode, 200)
    for (const [index, bent] of bends[algorithm]?.(Buffer.from(signature, 'base64url')).entries() ?? []) {
      t.strictSame(refusal(await read(`${header}.${payload}.${bent.toString('base64url')}`)), INVALID, `${algorithm} ${index}`)
    }
    for (let bit = 0; bit < 8; bit++) {
      const flipped = Buffer.from(signature, 'base64url')
      flipped.writeUInt8(flipped.readUInt8(bit * 3) ^ (1 << bit), bit * 3)
      t.strictSame(refusal(await read(`${header}.${payload}.${flipped.toString('base64url')}`)), INVALID, `${algorithm}, a bit flipped`)
    }
  }
})

inEveryHost(t, 'the other half of an ECDSA signature is good too, and does not escape revocation (T11b)', async (t) => {
  const { sessions, read } = await sessionHost(t)
  const { token } = await sessions.issue({ documents: [{ id: 'a', permissions: ['read'] }] })
  const [header, payload, signature] = token.split('.') as [string, string, string]
  const bytes = Buffer.from(signature, 'base64url')
  const order = BigInt('0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551')
  const other = (order - BigInt(`0x${bytes.subarray(32).toString('hex')}`)).toString(16).padStart(64, '0')
  const twin = `${header}.${payload}.${Buffer.concat([bytes.subarray(0, 32), Buffer.from(other, 'hex')]).toString('base64url')}`
  t.not(twin, token)
  t.equal((await read(twin)).statusCode, 200)
  await sessions.revoke(token)
  t.equal((await read(twin)).json().code, 'FDT_TOKEN_REVOKED')
})
