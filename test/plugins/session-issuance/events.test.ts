import Fastify, { type LightMyRequestResponse } from 'fastify'
import t, { type Test } from 'tap'
import { createApiKeyRegistry } from '../../../lib/credentials/index.ts'
import { onEvent } from '../../../lib/events.ts'
import { createKeyRing, generateKey } from '../../../lib/keys/index.ts'
import { createMemoryStore } from '../../../lib/stores/memory.ts'
import { sessionBroker } from '../../../plugins/session-broker/index.ts'
import { sessionIssuance } from '../../../plugins/session-issuance/index.ts'
import { faultyStore } from '../../support/faulty-store.ts'
import { inEveryHost } from '../../support/hosts.ts'
import { type RecordedEvent, recordEvents } from '../../support/recorded-events.ts'
import { claimsOf, type HostOptions, ISSUER, NOW, post, SECONDS, sessionHost } from '../../support/session-host.ts'
import { forge } from '../../support/tokens.ts'

const ABOUT = { flow: 'session-issuance', name: 'default', time: NOW }
const CREATE = 'POST /viewer/sessions'
const REVOKE = 'POST /viewer/sessions/revoke'
const READ = 'GET /documents/:documentId'

const bearer = (text: string) => ({ authorization: `Bearer ${text}` })

/** A host, and what happened on the one request between two looks. */
async function recordedHost (t: Test, options: HostOptions = {}) {
  const requests: string[] = []
  const host = await sessionHost(t, {
    ...options,
    before: (app) => {
      app.addHook('onRequest', async ({ id }) => { requests.push(id) })
      return options.before?.(app)
    }
  })
  const events = recordEvents(t)
  /** Where the latest request came from. */
  const origin = (route: string, address = '127.0.0.1') => ({ requestId: requests.at(-1), address, route })
  /** What the latest request is told to have been refused with. */
  const refused = (route: string, code: string, status: number, holder: object = {}, address?: string) => ['refused', { ...ABOUT, ...origin(route, address), code, status, ...holder }]
  return { ...host, events, origin, refused }
}

inEveryHost(t, 'the routes tell of each session that they issue or end, once', async (t) => {
  const { create, revoke, id, events } = await recordedHost(t, { flow: { optionalMembers: ['user_id'] }, apiKey: { owner: 'acme' } })
  const reply = await create({ user_id: 'jane', exp: SECONDS + 60, allowed_documents: [{ document_id: 'a' }, { document_id: 'b', document_permissions: ['read', 'write'] }] })
  const { jwt } = reply.json()
  const holder = { id: claimsOf(jwt)['jti'], subject: 'jane', credential: id, owner: 'acme' }
  t.strictSame(events(), [['issued', {
    ...ABOUT, ...holder, documents: [{ id: 'a', permissions: ['read'] }, { id: 'b', permissions: ['read', 'write'] }], expiresAt: SECONDS + 60
  }]])

  t.equal((await revoke({ jwt })).statusCode, 204)
  t.strictSame(events(), [['revoked', { ...ABOUT, ...holder }]])
  t.equal((await revoke({ user_id: 'jane' })).statusCode, 204)
  t.strictSame(events(), [['revoked', { ...ABOUT, subject: 'jane', credential: id, before: NOW }]])
})

inEveryHost(t, 'a guard tells of each request that it lets pass, once, and never its path', async (t) => {
  const { app, scope, sessions, clock, events, origin } = await recordedHost(t)
  scope.get('/any/:secret', { onRequest: scope.documentSessions.require('read', 'write', { anyDocument: true }) }, async () => 'any')
  const full = await sessions.issue({ subject: 'jane', documents: [{ id: 'a', permissions: ['read', 'write'] }], credential: { id: 'key', owner: 'acme' } })
  const bare = await sessions.issue({ documents: [{ id: 'a', permissions: ['read'] }] })
  events()
  const holder = { id: full.jti, subject: 'jane', credential: 'key', owner: 'acme' }
  clock.time = NOW + 7
  const about = { ...ABOUT, time: NOW + 7 }

  const cases = [
    { method: 'GET', url: '/documents/a?token=secret', token: full.token, event: { route: READ, ...holder, permissions: ['read'], document: 'a' } },
    { method: 'HEAD', url: '/documents/a', token: full.token, event: { route: 'HEAD /documents/:documentId', ...holder, permissions: ['read'], document: 'a' } },
    { method: 'PUT', url: '/documents/%61', token: full.token, event: { route: 'PUT /documents/:documentId', ...holder, permissions: ['read', 'write'], document: 'a' } },
    { method: 'GET', url: '/any/hidden', token: full.token, event: { route: 'GET /any/:secret', ...holder, permissions: ['read', 'write'] } },
    { method: 'GET', url: '/documents/a', token: bare.token, event: { route: READ, id: bare.jti, permissions: ['read'], document: 'a' } }
  ] as const
  for (const { method, url, token, event } of cases) {
    const { statusCode } = await app.inject({ method, url, headers: bearer(token), remoteAddress: '192.0.2.1' })
    t.equal(statusCode, 200)
    t.strictSame(events(), [['verified', { ...about, ...origin(event.route, '192.0.2.1'), ...event }]], `${method} ${url}`)
  }
})

inEveryHost(t, 'a guard tells of each request that it refuses, once: whose token it was when that is sure', async (t) => {
  const { app, scope, sessions, keys, clock, events, refused } = await recordedHost(t)
  const guard = scope.documentSessions.require
  scope.get('/cookie/:id', { onRequest: guard('read', { param: 'id', cookie: 'session' }) }, async () => 'text')
  scope.post('/cookie/:id', { onRequest: guard('read', { param: 'id', cookie: 'session' }) }, async () => 'text')
  scope.get('/elsewhere/:id', { onRequest: guard('read', { param: 'id', onRefused: (_error, _request, reply) => reply.redirect('/login') }) }, async () => 'text')
  scope.get('/thrown/:id', { onRequest: guard('read', { param: 'id', onRefused: (error) => { throw error } }) }, async () => 'text')
  scope.get('/falling/:id', { onRequest: guard('read', { documentId: () => { throw Object.assign(new Error('no'), { statusCode: 418 }) } }) }, async () => 'text')

  const issue = (more: object = {}) => sessions.issue({ subject: 'jane', documents: [{ id: 'a', permissions: ['read'] }], credential: { id: 'key', owner: 'acme' }, ...more })
  const [good, ended, revoked, early, bound] = await Promise.all([issue(), issue({ expiresIn: 1 }), issue(), issue({ notBefore: SECONDS + 60 }), issue({ allowedOrigins: ['https://app.example'] })])
  await sessions.revoke(revoked)
  const key = keys.signing()
  const header = { alg: 'ES256', typ: 'document-session+jwt', kid: key.kid }
  const foreign = createKeyRing([{ key: await generateKey('ES256') }]).signing()
  const cut = (token: string): string => token.slice(0, token.lastIndexOf('.') + 1)
  events()
  clock.time = NOW + 1000

  const of = ({ jti }: { jti: string }) => ({ id: jti, subject: 'jane', credential: 'key', owner: 'acme' })
  const nobody = {}
  const cases: Array<{ name: string, route?: string, url?: string, headers?: Record<string, string>, code: string, status?: number, answer?: number, holder?: object }> = [
    { name: 'no token', code: 'FDT_MISSING_TOKEN' },
    { name: 'no JWT', headers: bearer('x'), code: 'FDT_INVALID_TOKEN' },
    { name: 'forged with the ids of a good one', headers: bearer(`${cut(good.token)}${Buffer.alloc(64, 7).toString('base64url')}`), code: 'FDT_INVALID_TOKEN' },
    { name: 'forged by another key with the kid of ours', headers: bearer(forge(header, claimsOf(good.token), foreign)), code: 'FDT_INVALID_TOKEN' },
    { name: 'expired and forged', headers: bearer(`${cut(ended.token)}${Buffer.alloc(64, 7).toString('base64url')}`), code: 'FDT_INVALID_TOKEN' },
    { name: 'revoked and forged', headers: bearer(`${cut(revoked.token)}${Buffer.alloc(64, 7).toString('base64url')}`), code: 'FDT_INVALID_TOKEN' },
    { name: 'of our key with another audience', headers: bearer(forge(header, { ...claimsOf(good.token), aud: 'x' }, key)), code: 'FDT_INVALID_TOKEN' },
    { name: 'two tokens', url: '/cookie/a', route: 'GET /cookie/:id', headers: { ...bearer(good.token), cookie: `session=${good.token}` }, code: 'FDT_MULTIPLE_TOKENS', status: 400 },
    { name: 'a cookie from another site', url: '/cookie/a', route: 'POST /cookie/:id', headers: { cookie: `session=${good.token}` }, code: 'FDT_CROSS_SITE', status: 403 },
    { name: 'expired', headers: bearer(ended.token), code: 'FDT_TOKEN_EXPIRED', holder: of(ended) },
    { name: 'revoked', headers: bearer(revoked.token), code: 'FDT_TOKEN_REVOKED', holder: of(revoked) },
    { name: 'too early', headers: bearer(early.token), code: 'FDT_INVALID_TOKEN', holder: of(early) },
    { name: 'another document', url: '/documents/b', headers: bearer(good.token), code: 'FDT_INSUFFICIENT_PERMISSION', status: 403, holder: of(good) },
    { name: 'another permission', url: '/documents/a/download', route: 'GET /documents/:documentId/download', headers: bearer(good.token), code: 'FDT_INSUFFICIENT_PERMISSION', status: 403, holder: of(good) },
    { name: 'from nowhere', headers: bearer(bound.token), code: 'FDT_ORIGIN_NOT_ALLOWED', status: 403, holder: of(bound) },
    { name: 'answered by the host', url: '/elsewhere/b', route: 'GET /elsewhere/:id', headers: bearer(good.token), code: 'FDT_INSUFFICIENT_PERMISSION', status: 403, answer: 302, holder: of(good) },
    { name: 'thrown by the host', url: '/thrown/b', route: 'GET /thrown/:id', headers: bearer(good.token), code: 'FDT_INSUFFICIENT_PERMISSION', status: 403, holder: of(good) }
  ]
  for (const { name, url = '/documents/a', route = READ, headers = {}, code, status = 401, answer = status, holder = nobody } of cases) {
    const reply = await app.inject({ method: route.startsWith('POST') ? 'POST' : 'GET', url: `${url}?hidden=1`, headers })
    t.equal(reply.statusCode, answer, name)
    const [[event, members] = [], ...more] = events()
    t.strictSame([event, members, more], [...refused(route, code, status, { time: NOW + 1000, ...holder }), []], name)
  }

  t.equal((await app.inject({ url: '/falling/a', headers: bearer(good.token) })).statusCode, 418)
  t.strictSame(events(), [], 'what the host throws by itself is no refusal of ours')
})

inEveryHost(t, 'the routes tell of each request that they refuse, once: whose key it was when the secret was right', async (t) => {
  const host = await recordedHost(t, { apiKey: { owner: 'acme', documents: ['a'] } })
  const { app, create, revoke, registry, secret, id, events, refused } = host
  const { secret: disabled, record } = await registry.create()
  await registry.disable(record.id)
  const { secret: elsewhere } = await registry.create({ flows: ['opaque-tokens'] })
  const caller = { credential: id, owner: 'acme' }
  const issue = (headers: Record<string, string>, body: unknown = {}) => post(app, '/viewer/sessions?hidden=1', body, headers)

  const cases: Array<{ name: string, send: () => Promise<LightMyRequestResponse>, route?: string, code: string, status: number, holder?: object }> = [
    { name: 'no key', send: () => issue({}), code: 'FDT_MISSING_CREDENTIAL', status: 401 },
    { name: 'two keys', send: () => issue({ ...bearer(secret), 'x-api-key': secret }), code: 'FDT_MULTIPLE_CREDENTIALS', status: 400 },
    { name: 'what is no key', send: () => issue(bearer('x')), code: 'FDT_INVALID_CREDENTIAL', status: 401 },
    { name: 'a key with a wrong letter', send: () => issue(bearer(`${secret.slice(0, -1)}B`)), code: 'FDT_INVALID_CREDENTIAL', status: 401 },
    { name: 'a disabled key', send: () => issue(bearer(disabled)), code: 'FDT_INVALID_CREDENTIAL', status: 401 },
    { name: 'a key for another flow', send: () => issue(bearer(elsewhere)), code: 'FDT_FLOW_NOT_ALLOWED', status: 403 },
    { name: 'no JSON', send: () => create('{'), code: 'FDT_INVALID_JSON', status: 400, holder: caller },
    { name: 'a member that is not known', send: () => create({ secret: 1 }), code: 'FST_ERR_VALIDATION', status: 400, holder: caller },
    { name: 'a past end', send: () => create({ exp: 1 }), code: 'FDT_PAST_EXPIRY', status: 400, holder: caller },
    { name: 'a document beyond the key', send: () => create({ allowed_documents: [{ document_id: 'b' }] }), code: 'FDT_CREDENTIAL_LIMIT', status: 403, holder: caller },
    { name: 'another type', send: () => create('{}', { 'content-type': 'text/plain' }), code: 'FST_ERR_CTP_INVALID_MEDIA_TYPE', status: 415, holder: caller },
    { name: 'too much', send: () => create(`{"a":"${'x'.repeat(1024 * 1024)}"}`), code: 'FST_ERR_CTP_BODY_TOO_LARGE', status: 413, holder: caller },
    { name: 'another method', send: () => app.inject({ method: 'PUT', url: '/viewer/sessions' }), route: 'PUT /viewer/sessions', code: 'FDT_METHOD_NOT_ALLOWED', status: 405 },
    { name: 'no such session', send: () => revoke({ jwt: 'a.b.c' }), route: REVOKE, code: 'FDT_SESSION_NOT_FOUND', status: 404, holder: caller }
  ]
  for (const { name, send, route = CREATE, code, status, holder } of cases) {
    const reply = await send()
    t.equal(reply.statusCode, status, name)
    t.strictSame(events(), [refused(route, code, status, holder)], name)
  }
})

inEveryHost(t, 'one request too many is limited, and then refused as everything that is refused', async (t) => {
  const { app, create, read, id, sessions, events, origin, refused } = await recordedHost(t, {
    apiKey: { owner: 'acme' },
    flow: { limits: { address: { max: 3 }, credential: { max: 1 } } }
  })
  const caller = { credential: id, owner: 'acme' }
  t.equal((await create({})).statusCode, 201)
  t.strictSame(events().map(([name]) => name), ['issued'])

  t.equal((await create({})).statusCode, 429)
  t.strictSame(events(), [['limited', { ...ABOUT, ...origin(CREATE), policy: 'credential', ...caller }], refused(CREATE, 'FDT_RATE_LIMITED', 429, caller)])
  t.equal((await app.inject({ method: 'PUT', url: '/viewer/sessions' })).statusCode, 405)
  events()
  t.equal((await create({})).statusCode, 429)
  t.strictSame(events(), [['limited', { ...ABOUT, ...origin(CREATE), policy: 'address' }], refused(CREATE, 'FDT_RATE_LIMITED', 429)], 'by address: before anybody looked at the key')

  const { token } = await sessions.issue({ documents: [{ id: 'a', permissions: ['read'] }] })
  t.equal((await read(token)).statusCode, 200)
  t.strictSame(events().map(([name]) => name), ['issued', 'verified'], 'routes of the host are not limited')
})

inEveryHost(t, 'sixteen subscribers of one network meet the limit of the network', async (t) => {
  const { app, events, origin, refused } = await recordedHost(t, { flow: { limits: { address: { max: 1 } } } })
  const ask = (subscriber: number) => app.inject({ method: 'POST', url: '/viewer/sessions', remoteAddress: `2001:db8:1:${subscriber.toString(16)}::1` })
  for (let subscriber = 0; subscriber < 16; subscriber++) t.equal((await ask(subscriber)).statusCode, 401)
  events()
  const address = '2001:db8:1:10::1'
  t.equal((await ask(16)).statusCode, 429)
  t.strictSame(events(), [['limited', { ...ABOUT, ...origin(CREATE, address), policy: 'network' }], refused(CREATE, 'FDT_RATE_LIMITED', 429, {}, address)])
})

inEveryHost(t, 'who guesses is locked out: told once for each lock', async (t) => {
  const { app, registry, events, origin, refused, clock } = await recordedHost(t, { flow: { limits: { failures: { max: 2, timeWindow: 60_000 } } } })
  const { record: { id }, secret } = await registry.create({ owner: 'acme' })
  await registry.disable(id)
  const guess = (remoteAddress: string) => app.inject({ method: 'POST', url: '/viewer/sessions', headers: bearer(secret), remoteAddress })

  for (const address of ['192.0.2.1', '192.0.2.2']) {
    const invalid = () => refused(CREATE, 'FDT_INVALID_CREDENTIAL', 401, {}, address)
    await guess(address)
    t.strictSame(events(), [invalid()], 'the first failure')
    await guess(address)
    t.strictSame(events(), [['locked', { ...ABOUT, ...origin(CREATE, address), credential: id, until: NOW + 60_000 }], invalid()], 'the one that brings the lock')
    for (let attempt = 0; attempt < 2; attempt++) {
      t.equal((await guess(address)).statusCode, 429)
      t.strictSame(events(), [refused(CREATE, 'FDT_LOCKED', 429, {}, address)], 'and those that meet it')
    }
  }
  clock.time = NOW + 60_000
  const later = { time: NOW + 60_000 }
  await guess('192.0.2.1')
  t.strictSame(events(), [refused(CREATE, 'FDT_INVALID_CREDENTIAL', 401, later, '192.0.2.1')])
  await guess('192.0.2.1')
  t.match(events(), [['locked', { until: NOW + 120_000 }], ['refused']], 'another lock, when the first is over')
})

inEveryHost(t, 'of those who guess at the same time one brings the lock about, and it is told once', async (t) => {
  const { app, registry, events } = await recordedHost(t, { flow: { limits: { failures: { max: 2 } } } })
  const { record: { id }, secret } = await registry.create()
  await registry.disable(id)
  await Promise.all(Array.from({ length: 6 }, () => app.inject({ method: 'POST', url: '/viewer/sessions', headers: bearer(secret) })))
  const told = events()
  t.equal(told.filter(([name]) => name === 'locked').length, 1)
  t.equal(told.filter(([name]) => name === 'refused').length, 6)
  t.ok(told.filter(([, event]) => 'code' in event && event.code === 'FDT_LOCKED').length > 1, 'more than one of them came to the lock')
})

inEveryHost(t, 'an outage is refused with 503, by the routes and by a guard', async (t) => {
  const { store, fault } = faultyStore(createMemoryStore({ now: () => NOW }))
  const { create, read, sessions, events, refused } = await recordedHost(t, { store })
  const { token } = await sessions.issue({ documents: [{ id: 'a', permissions: ['read'] }], subject: 'jane' })
  events()
  fault.error = new Error('connection lost')
  t.equal((await read(token)).statusCode, 503)
  t.strictSame(events(), [refused(READ, 'FDT_STORE_UNAVAILABLE', 503)])
  t.equal((await create({})).statusCode, 503)
  t.strictSame(events(), [refused(CREATE, 'FDT_STORE_UNAVAILABLE', 503)])
})

t.test('two instances in one app are told apart by their names', async (t) => {
  const store = createMemoryStore({ now: () => NOW })
  const { app, events } = await recordedHost(t, { store })
  const keys = createKeyRing([{ key: await generateKey('ES256') }])
  const credentials = createApiKeyRegistry({ store, now: () => NOW })
  const { secret } = await credentials.create()
  const host = Fastify()
  t.teardown(() => host.close())
  for (const name of ['first', 'second']) {
    await host.register(async (scope) => {
      await scope.register(sessionIssuance, { issuer: ISSUER, keys, store, credentials, name, prefix: `/${name}`, now: () => NOW })
      scope.get(`/${name}/:id`, { onRequest: scope.documentSessions.require('read', { param: 'id' }) }, async () => 'text')
    })
  }
  const { jwt } = (await post(host, '/first/viewer/sessions', { allowed_documents: [{ document_id: 'a' }] }, bearer(secret))).json()
  await host.inject({ url: '/first/a', headers: bearer(jwt) })
  await host.inject({ url: '/second/a', headers: bearer(jwt) })
  await app.inject({ url: '/documents/a', headers: bearer(jwt) })
  const told = events().map(([event, members]) => [event, 'name' in members && members.name, 'route' in members && members.route])
  t.strictSame(told, [['issued', 'first', false], ['verified', 'first', 'GET /first/:id'], ['refused', 'second', 'GET /second/:id'], ['refused', 'default', READ]])
})

t.test('a broker tells as whom it refuses and limits; what it has issued is the sessions\' own', async (t) => {
  const { app, events, origin } = await recordedHost(t)
  await app.register(sessionBroker, {
    sessions: app.documentSessions,
    name: 'web',
    now: () => NOW,
    authorize: (_request, { documentId }) => documentId === 'a' ? { subject: 'jane', documents: [{ id: 'a', permissions: ['read'] }] } : null,
    limitKey: () => 'jane',
    limits: { user: { max: 2 } }
  })
  const about = { flow: 'session-broker', name: 'web', time: NOW, ...origin('POST /api/create-session') }
  const ask = async (documentId: string): Promise<RecordedEvent[]> => {
    await post(app, '/api/create-session', { documentId }, {})
    return events()
  }
  t.match(await ask('a'), [['issued', { flow: 'session-issuance', name: 'default', subject: 'jane', expiresAt: SECONDS + 3600 }]])
  t.strictSame(await ask('b'), [['refused', { ...about, ...origin(about.route), code: 'FDT_DOCUMENT_NOT_ALLOWED', status: 403 }]])
  t.strictSame(await ask('a'), [
    ['limited', { ...about, ...origin(about.route), policy: 'user' }],
    ['refused', { ...about, ...origin(about.route), code: 'FDT_RATE_LIMITED', status: 429 }]
  ])
})

inEveryHost(t, 'no listener can widen what a guard lets pass', async (t) => {
  const { read, sessions } = await recordedHost(t)
  const kept: unknown[] = []
  t.teardown(onEvent('verified', ({ permissions }) => {
    kept.push(permissions)
    t.throws(() => Reflect.apply(Array.prototype.splice, permissions, [0]), TypeError)
  }))
  const [reader, writer] = await Promise.all((['read', 'write'] as const).map((permission) => sessions.issue({ documents: [{ id: 'a', permissions: [permission] }] })))
  t.equal((await read(String(reader?.token))).statusCode, 200)
  t.strictSame(kept, [['read']])
  t.equal((await read(String(writer?.token))).statusCode, 403)
})
