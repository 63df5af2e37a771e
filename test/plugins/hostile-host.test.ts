/**
 * Nothing of a host changes when a flow moves in (T24): the same requests, over real sockets, to the host alone and
 * with its guests. What the flow promises in there is the matter of its own suite: see `inEveryHost`.
 */
import { once } from 'node:events'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import Fastify, { type FastifyInstance } from 'fastify'
import { onEvent } from '../../lib/events.ts'
import { createMemoryStore } from '../../lib/stores/memory.ts'
import { type ApiKeySource, type ClientSource, createApiKeyRegistry, createClientRegistry } from '../../lib/credentials/index.ts'
import { createKeyRing, generateKey } from '../../lib/keys/index.ts'
import { clientCredentials } from '../../plugins/client-credentials/index.ts'
import { configSigning } from '../../plugins/config-signing/index.ts'
import { opaqueTokens } from '../../plugins/opaque-tokens/index.ts'
import { sessionBroker } from '../../plugins/session-broker/index.ts'
import { type MachineLimits, sessionIssuance, type SessionIssuanceOptions } from '../../plugins/session-issuance/index.ts'
import { AUTHORIZATION, FILES, PAGES, picture } from '../support/editor-front.ts'
import { bodyToken, DOCS, headerToken, INBOX, KEY, OUTBOX, SAVE } from '../support/editor-tokens.ts'
import { faultyStore } from '../support/faulty-store.ts'
import { type Host, hostileHost, type HostPlan } from '../support/hostile-host.ts'
import { PEPPER, POSTED } from '../support/opaque-host.ts'

const ISSUER = 'https://tokens.example'

/** Keys of sessions sign nothing else. */
const accessKeys = createKeyRing([{ key: await generateKey('ES256') }])

/** Every flow, as a host registers it. */
async function registerAll (scope: FastifyInstance, { clients, ...options }: SessionIssuanceOptions & { name?: string, credentials: ApiKeySource, clients: ClientSource, limits: MachineLimits }): Promise<void> {
  const { name = 'default', credentials, limits } = options
  await scope.register(sessionIssuance, options)
  await scope.register(sessionBroker, { name, sessions: scope.documentSessions, limitKey: () => 'ada', authorize: async () => null })
  await scope.register(configSigning, { ...editor, name, store: scope.documentSessions.settings.store, limitKey: () => 'ada' })
  await scope.register(opaqueTokens, { name, pepper: PEPPER, store: scope.documentSessions.settings.store, credentials, limits })
  await scope.register(clientCredentials, { name, issuer: name === 'other' ? `${ISSUER}/other` : ISSUER, keys: accessKeys, store: scope.documentSessions.settings.store, scopes: ['api.read', 'api.write'], clients, limits, metadata: scope.prefix === '' })
}

/** Routes of the host's behind every guard. */
function addGuarded (scope: FastifyInstance): void {
  scope.get('/documents/:id', { onRequest: scope.documentSessions.require('read', { param: 'id' }) }, async () => 'document')
  scope.post('/callbacks', scope.editorSignatures.requireCallback({ document: () => KEY, downloadOrigins: [DOCS] }, () => {}))
  scope.get('/files/:id', { onRequest: scope.editorSignatures.requireDownload({ origin: PAGES }) }, async () => 'file')
  scope.get('/parameters', { onRequest: scope.opaqueTokens.require() }, async () => 'parameters')
  scope.get('/formats', { onRequest: scope.accessTokens.require('api.read') }, async () => 'formats')
  scope.post('/formats', { onRequest: scope.accessTokens.require('api.read', 'api.write') }, async () => 'written')
}

const editor = {
  inbox: INBOX,
  outbox: OUTBOX,
  allowedUrls: { server: [FILES], browser: [PAGES] },
  authorize: { config: async () => AUTHORIZATION, methods: { insertImage: () => picture }, explain: () => true }
}

/** The host with two instances of every flow, and a key to them. */
async function withGuests (t: Test, { before, max = 10_000, ...plan }: HostPlan & { before?: (scope: FastifyInstance) => void, max?: number } = {}) {
  const { store, fault } = faultyStore(createMemoryStore())
  const credentials = createApiKeyRegistry({ store })
  const keys = createKeyRing([{ key: await generateKey('ES256') }])
  const { secret } = await credentials.create()
  const clients = createClientRegistry({ store })
  const client = await clients.create({ scopes: ['api.read'] })
  const options = { issuer: ISSUER, keys, store, credentials, clients, limits: { address: { max } } }
  const host = await hostileHost(t, {
    ...plan,
    register: async (scope) => {
      before?.(scope)
      await registerAll(scope, options)
      addGuarded(scope)
    },
    sibling: async (scope) => { await registerAll(scope, { ...options, name: 'other' }) }
  })
  fault.calls.length = 0
  return { ...host, options, calls: fault.calls, secret, client: { client_id: client.record.id, client_secret: String(client.secret) }, sessions: host.scope.documentSessions }
}

/** The host with one instance right beside its own routes, as most apps will have it. */
async function withGuestAtRoot (t: Test) {
  const { options, calls } = await withGuests(t)
  const host = await hostileHost(t)
  await registerAll(host.app, options)
  return { ...host, calls }
}

const isOurs = (url: string) => /^\/(?:other|viewer|documents|api|editor|callbacks|files|generate|verify|revoke|lookup|parameters|connect|\.well-known|formats)\b/.test(url)

async function portOf ({ app }: Pick<Host, 'app'>): Promise<number> {
  return Number(new URL(await app.listen({ port: 0, host: '127.0.0.1' })).port)
}

/** Everything that comes back until the connection ends, without what differs each time. */
async function say (port: number, request: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  socket.write(request)
  return (await text(socket)).replace(/^date: [^\r\n]+/gim, 'date: *').replace(/^(retry-after|x-ratelimit-reset): \d+/gim, '$1: *')
}

/** A request as it is on the wire. The last one of a connection closes it. */
function wire (line: string, headers: Record<string, string> = {}, body = '', connection = 'close'): string {
  const length = body === '' || 'transfer-encoding' in headers ? {} : { 'content-length': Buffer.byteLength(body) }
  const lines = Object.entries({ host: 'host.example', connection, ...length, ...headers }).map(([name, value]) => `${name}: ${value}`)
  return [`${line} HTTP/1.1`, ...lines, '', body].join('\r\n')
}

const json = { 'content-type': 'application/json' }
const form = { 'content-type': 'application/x-www-form-urlencoded' }

/** What is sent, and the statuses that come back. */
function conversation (app: FastifyInstance): Array<[request: string, ...statuses: number[]]> {
  const login = { cookie: `theme=dark; login=${encodeURIComponent(app.signCookie('ada'))}` }
  const token = { authorization: `Bearer ${app.jwt.sign({ name: 'ada' })}` }
  const key = { 'x-key': 'of the host' }
  return [
    [wire('GET /'), 200],
    [wire('HEAD /'), 200],
    [wire('GET /json?a=1&a=2&b='), 200],
    [wire('GET /JSON/'), 200],
    [wire('GET //json'), 200],
    [wire('GET /old/json'), 200],
    [wire('GET /text', { 'x-request-id': 'given' }), 200],
    [wire('GET /bytes'), 200],
    [wire('GET /stream'), 200],
    [wire('HEAD /stream'), 200],
    [wire('GET /nothing'), 204],
    [wire('GET /elsewhere'), 302],
    [wire('GET /hijacked'), 200],
    [wire('GET /whole'), 200],
    [wire('GET /shape?without=documentSessions,documentSession,sessionBroker,editorSignatures,editorCallback,opaqueTokens,opaqueToken,accessTokens,accessToken'), 200],

    [wire('POST /accounts?dry=true', json, '{"name":"ada","age":"36","unknown":1}'), 201],
    [wire('POST /accounts', json, '{"name":["ada"],"__proto__":{"role":"root"},"constructor":{"prototype":{}}}'), 201],
    [wire('POST /accounts', json, '{"name":"","age":"old"}'), 400],
    [wire('POST /accounts', json, '{"name":'), 400],
    [wire('POST /accounts', json), 400],
    [wire('POST /accounts', { ...json, 'transfer-encoding': 'chunked' }, 'e\r\n{"name":"ada"}\r\n0\r\n\r\n'), 201],
    [wire('POST /accounts', { ...json, expect: '100-continue' }, '{"name":"ada"}'), 100, 201],
    [wire('POST /accounts', form, 'name=ada&age=36'), 201],
    [wire('POST /anything', form, 'a=1&a=2&%E4=x&__proto__=y'), 200],
    [wire('POST /anything', { 'content-type': 'multipart/form-data; boundary=x' }, '--x\r\ncontent-disposition: form-data; name="a"\r\n\r\n1\r\n--x--\r\n'), 200],
    [wire('POST /anything', { 'content-type': 'application/xml' }, '<a/>'), 200],
    [wire('POST /anything', { 'content-type': 'text/plain' }, 'text'), 200],
    [wire('POST /anything', {}, 'of no type'), 200],
    [wire('POST /anything'), 200],
    [wire('PROPFIND /anything', json, '{"depth":1}'), 200],
    [wire('POST /anything', json, JSON.stringify('x'.repeat(5000))), 413],
    [wire('POST /anything', form, 'x'.repeat(5000)), 413],

    [wire('GET /nowhere'), 404],
    [wire('POST /nowhere', { 'content-type': 'application/xml' }, '<a/>'), 404],
    [wire('PUT /json', json, '{}'), 404],
    [wire('DELETE /json'), 404],
    [wire('OPTIONS /json'), 404],
    [wire('OPTIONS *'), 404],
    [wire('PROPFIND /json'), 404],
    [wire('GET /%zz'), 400],
    [wire('GET /fails'), 500],
    [wire('GET /teapot'), 418],
    ['no HTTP at all\r\n\r\n', 400],
    [wire('GET /', { 'x-large': 'x'.repeat(20_000) }), 431],

    [wire('POST /login', json, '{}'), 200],
    [wire('GET /me'), 401],
    [wire('GET /me', { cookie: 'login=ada.forged' }), 401],
    [wire('GET /me', login), 200],
    [wire('HEAD /me', login), 200],
    [wire('GET /logout', login), 200],
    [wire('GET /by-token'), 401],
    [wire('GET /by-token', { authorization: 'Bearer a.b.c' }), 401],
    [wire('GET /by-token', token), 200],
    [wire('GET /by-either'), 403],
    [wire('GET /by-either', key), 200],
    [wire('GET /by-either', token), 200],
    [wire('GET /by-both', key), 401],
    [wire('GET /by-both', token), 403],
    [wire('GET /by-both', { ...token, ...key }), 200],

    [wire('GET /limited'), 200],
    [wire('GET /limited'), 200],
    [wire('GET /limited'), 429],
    [wire('GET /late'), 200],
    [wire('GET /late'), 200],
    [wire('GET /late'), 429],
    [[wire('GET /text', {}, '', 'keep-alive'), wire('POST /anything', json, '{"a":1}', 'keep-alive'), wire('GET /fails', {}, '', 'keep-alive'), wire('GET /me', login)].join(''), 200, 200, 500, 200]
  ]
}

for (const [where, move] of Object.entries({ 'in scopes of their own': withGuests, 'at the root': withGuestAtRoot })) {
  t.test(`its routes answer byte by byte as without guests ${where}`, async (t) => {
    const [alone, together] = [await hostileHost(t), await move(t)]
    const ports = [await portOf(alone), await portOf(together)] as const

    for (const [request, ...statuses] of conversation(alone.app)) {
      const [line = ''] = request.split('\r\n')
      const answers = [await say(ports[0], request), await say(ports[1], request)] as const
      t.strictSame([...answers[0].matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => Number(status)), statuses, line)
      t.equal(answers[1], answers[0], line)
    }
    t.strictSame(together.calls, [], 'and no guest was asked for anything')
  })
}

t.test('its OpenAPI document gains our routes, and nothing else of it changes', async (t) => {
  const [alone, together] = await Promise.all([hostileHost(t), withGuests(t)].map(async (host) => (await (await host).app.inject('/openapi.json')).json()))
  const paths = Object.entries(together.paths)
  const { securitySchemes, ...components } = together.components
  t.strictSame({
    ...together,
    components: { ...components, securitySchemes: Object.fromEntries(Object.entries(securitySchemes).filter(([name]) => !name.startsWith('docTokens'))) },
    paths: Object.fromEntries(paths.filter(([path]) => !isOurs(path)))
  }, alone)
  t.strictSame(paths.filter(([path]) => isOurs(path)).map(([path, methods]) => `${path} ${Object.keys(methods as object).join()}`).sort(), [
    '/.well-known/jwks.json get', '/.well-known/oauth-authorization-server get', '/.well-known/oauth-protected-resource get', '/.well-known/openid-configuration/jwks get', '/api/create-session post', '/callbacks post', '/connect/introspect post', '/connect/revocation post', '/connect/token post',
    '/documents/{id} get', '/editor/config post', '/editor/explain post', '/editor/methods/{method} post', '/files/{id} get', '/formats get,post', '/generate post', '/lookup post', '/other/.well-known/jwks.json get', '/other/.well-known/openid-configuration/jwks get',
    '/other/api/create-session post', '/other/connect/introspect post', '/other/connect/revocation post', '/other/connect/token post', '/other/editor/config post', '/other/editor/explain post', '/other/editor/methods/{method} post', '/other/generate post', '/other/lookup post', '/other/revoke post', '/other/verify get,post', '/other/viewer/sessions post', '/other/viewer/sessions/revoke post', '/parameters get', '/revoke post', '/verify get,post', '/viewer/sessions post', '/viewer/sessions/revoke post'
  ])
})

t.test('its decorators and routes stay what they were', async (t) => {
  const names = ['jwt', 'auth', 'swagger', 'rateLimit', 'createRateLimit', 'store', 'keys', 'sessions', 'tokens', 'verify', 'errorHandler', 'serializerCompiler']
  const look = (app: FastifyInstance) => names.map((name): unknown => Reflect.get(app, name))
  let before: unknown[] = []
  const { app: alone } = await hostileHost(t)
  const { app: together } = await withGuests(t, { onComplete: (app) => { before = look(app) } })
  await Promise.all([alone.ready(), together.ready()])

  for (const [index, value] of look(together).entries()) t.equal(value, before[index], `${names[index]}`)
  t.type(before[0], 'object')
  t.strictSame(Reflect.ownKeys(together).map(String), Reflect.ownKeys(alone).map(String))
  for (const name of ['documentSessions', 'documentSession', 'sessionBroker', 'editorSignatures', 'editorCallback', 'opaqueTokens', 'opaqueToken', 'accessTokens', 'accessToken']) {
    t.notOk(together.hasDecorator(name) || together.hasRequestDecorator(name) || together.hasReplyDecorator(name), name)
  }
  t.strictSame(Object.keys(together.getSchemas()), Object.keys(alone.getSchemas()))
  t.strictSame(together.supportedMethods, alone.supportedMethods)
  t.not(printedRoutes(together), together.printRoutes({ commonPrefix: false }), 'the guests have routes')
  t.equal(printedRoutes(together), printedRoutes(alone))
})

/** Without the branches that are ours. Which one is the last is drawn, and of no matter. */
function printedRoutes (app: FastifyInstance): string {
  return app.printRoutes({ commonPrefix: false }).replaceAll('└', '├').split(/^(?= {4}├)/m).filter((branch) => !isOurs(branch.replace(/^ *├── /, '/'))).join('')
}

t.test('its tokens and ours have nothing to do with each other', async (t) => {
  const { app: alone } = await hostileHost(t)
  const { app, sessions, secret } = await withGuests(t)
  const { token } = await sessions.issue({ documents: [{ id: 'a', permissions: ['read'] }] })
  const theirs = app.jwt.sign({ name: 'ada' })
  const bearer = (text: string) => ({ authorization: `Bearer ${text}` })
  const ask = async (url: string, text: string, host = app) => await host.inject({ url, headers: bearer(text) })

  t.equal((await ask('/documents/a', token)).statusCode, 200)
  t.equal((await ask('/by-token', theirs)).statusCode, 200)
  t.throws(() => app.jwt.verify(token), { code: /^FAST_JWT_/ })
  for (const url of ['/by-token', '/by-either', '/by-both']) {
    for (const text of [token, secret]) {
      const reply = await ask(url, text)
      t.ok(reply.statusCode >= 400, url)
      t.equal(reply.body, (await ask(url, text, alone)).body, 'as it answers to any token that is not its own')
    }
  }
  t.strictSame([(await ask('/documents/a', theirs)).statusCode, (await ask('/documents/a', theirs)).json().code], [401, 'FDT_INVALID_TOKEN'])
  t.match((await app.inject({ method: 'POST', url: '/viewer/sessions', headers: { ...json, ...bearer(theirs) }, payload: '{}' })).json(), { code: 'FDT_INVALID_CREDENTIAL' })
})

t.test('its limits and ours have nothing to do with each other', async (t) => {
  const { app, secret } = await withGuests(t, { max: 3 })
  const create = async (url: string, remoteAddress: string) => await app.inject({ method: 'POST', url, remoteAddress, headers: { ...json, 'x-api-key': secret }, payload: '{}' })
  for (let index = 0; index < 3; index++) t.equal((await create('/viewer/sessions', '192.0.2.1')).statusCode, 201)

  const limited = await create('/viewer/sessions', '192.0.2.1')
  t.strictSame([limited.statusCode, limited.json().code, limited.headers['ratelimit-policy']], [429, 'FDT_RATE_LIMITED', '"address";q=3;w=60'], 'whom the host lets pass as it likes')
  t.equal(limited.headers['x-ratelimit-limit'], undefined)
  t.equal((await create('/viewer/sessions', '192.0.2.2')).statusCode, 201, 'the host\'s keys are not ours')
  t.equal((await create('/other/viewer/sessions', '192.0.2.1')).statusCode, 201, 'instances count apart')
  for (let index = 0; index < 10; index++) t.equal((await app.inject('/text')).statusCode, 200)
})

t.test('what a guest answers is what it answers anywhere, but for headers of the host\'s own', async (t) => {
  const hostile = await withGuests(t)
  const app = Fastify()
  t.teardown(() => app.close())
  await registerAll(app, hostile.options)
  addGuarded(app)
  const ports = [await portOf({ app }), await portOf(hostile)] as const
  const { token } = await hostile.sessions.issue({ documents: [{ id: 'a', permissions: ['read'] }] })
  const { token: opaque, accessor } = await hostile.scope.opaqueTokens.issue({ json: POSTED, auth: 'acme' })
  const key = { ...json, 'x-api-key': hostile.secret }
  const access = await hostile.scope.accessTokens.issue({ client: { id: hostile.client.client_id }, scopes: ['api.read'] })
  const ask = (fields: object) => new URLSearchParams({ ...hostile.client, ...fields }).toString()
  const user = { ...json, 'sec-fetch-site': 'same-origin', cookie: String(hostile.login['cookie']) }
  const present = Math.floor(Date.now() / 1000)
  const times = { iat: present, exp: present + 300 }
  const cases: Array<[request: string, status: number]> = [
    [wire('POST /viewer/sessions', key, '{"allowed_documents":[{"document_id":"a"}]}'), 201],
    [wire('POST /viewer/sessions', key, '{"exp":"4000000000"}'), 400],
    [wire('POST /viewer/sessions', key, '{"unknown":1}'), 400],
    [wire('POST /viewer/sessions', key, '{"exp":1,"exp":2}'), 400],
    [wire('POST /viewer/sessions', key, `{"x":"${'x'.repeat(10_000)}"}`), 400],
    [wire('POST /viewer/sessions', key), 400],
    [wire('POST /viewer/sessions', { ...key, ...form }, 'exp=1'), 415],
    [wire('POST /viewer/sessions', { ...key, 'content-type': 'application/xml' }, '<a/>'), 415],
    [wire('POST /viewer/sessions', json, '{}'), 401],
    [wire('POST /viewer/sessions', { ...key, authorization: 'Bearer x' }, '{}'), 400],
    [wire('POST /viewer/sessions/revoke', key, '{"user_id":"jane"}'), 204],
    [wire('POST /viewer/sessions/revoke', key, '{"jwt":"x"}'), 404],
    [wire('GET /viewer/sessions'), 405],
    [wire('HEAD /viewer/sessions'), 405],
    [wire('DELETE /viewer/sessions/revoke'), 405],
    [wire('GET /documents/a', { authorization: `Bearer ${token}` }), 200],
    [wire('HEAD /documents/a', { authorization: `Bearer ${token}` }), 200],
    [wire('GET /documents/a'), 401],
    [wire('HEAD /documents/a'), 401],
    [wire('GET /documents/b', { authorization: `Bearer ${token}` }), 403],
    [wire('POST /api/create-session', user, '{"documentId":"a"}'), 403],
    [wire('POST /editor/config', user, '{"documentId":"a","lang":"de"}'), 200],
    [wire('POST /editor/config', user, '{"key":"a"}'), 400],
    [wire('POST /editor/config', user, '{"data":1,"data":2}'), 400],
    [wire('POST /editor/config', { ...user, ...form }, 'documentId=a'), 415],
    [wire('POST /editor/config', { ...user, 'sec-fetch-site': 'cross-site' }, '{}'), 403],
    [wire('GET /editor/config', user), 405],
    [wire('POST /editor/methods/insertImage', user, '{}'), 200],
    [wire('POST /editor/methods/setRevisedFile', user, '{}'), 404],
    [wire('POST /editor/explain', user, '{"token":"a.b.c"}'), 200],
    [wire('POST /callbacks', json, JSON.stringify({ ...SAVE, token: bodyToken(SAVE, times) })), 200],
    [wire('POST /callbacks', { ...json, authorization: `Bearer ${headerToken(SAVE, times)}` }, '{}'), 200],
    [wire('POST /callbacks', json, JSON.stringify(SAVE)), 403],
    [wire('GET /files/a', { authorization: `Bearer ${headerToken({ url: `${PAGES}/files/a` }, times)}` }), 200],
    [wire('GET /files/a', { authorization: `Bearer ${headerToken({ url: `${PAGES}/files/b` }, times)}` }), 403],
    [wire('GET /files/a'), 401],
    [wire('HEAD /files/a'), 401],
    [wire('POST /generate', key, POSTED), 200],
    [wire('POST /generate?expires_in=60&max_uses=2', key, '{"10":1,"2":2}'), 200],
    [wire('POST /generate?expires_in=1e3', key, POSTED), 400],
    [wire('POST /generate', key, '{"a":{}}'), 400],
    [wire('POST /generate', key, `{"a":"${'x'.repeat(5000)}"}`), 200],
    [wire('POST /generate', key, `{"a":"${'x'.repeat(20_000)}"}`), 413],
    [wire('POST /generate', { ...key, ...form }, 'a=1'), 415],
    [wire('POST /generate', json, POSTED), 403],
    [wire('GET /generate'), 405],
    [wire('GET /verify', { ...json, 'x-api-token': opaque }), 200],
    [wire('POST /verify', { ...json, 'x-api-token': opaque }, '{}'), 200],
    [wire('POST /verify', { 'x-api-token': opaque }), 200],
    [wire('POST /verify', { ...json, 'x-api-token': opaque }, '{"a":1}'), 400],
    [wire('GET /verify', json), 403],
    [wire('HEAD /verify', { 'x-api-token': opaque }), 405],
    [wire('POST /lookup', key, JSON.stringify({ accessor })), 403],
    [wire('POST /revoke', { ...key, 'x-api-token': opaque }), 403],
    [wire('POST /revoke', key, '{}'), 400],
    [wire('GET /parameters', { 'x-api-token': opaque }), 200],
    [wire('HEAD /parameters', { 'x-api-token': opaque }), 200],
    [wire('GET /parameters'), 403],
    [wire('HEAD /parameters', { 'x-api-token': 'x' }), 403],
    [wire('POST /connect/token', form, ask({ grant_type: 'client_credentials' })), 200],
    [wire('POST /connect/token', form, ask({ grant_type: 'client_credentials', scope: 'api.write' })), 400],
    [wire('POST /connect/token', form, ask({ grant_type: 'client_credentials', client_secret: 'x' })), 400],
    [wire('POST /connect/token', { ...form, authorization: 'Basic eDp4' }, 'grant_type=client_credentials'), 401],
    [wire('POST /connect/token', form, ask({ scope: 'x'.repeat(10_000) })), 400],
    [wire('POST /connect/token', form, ask({ scope: 'x'.repeat(20_000) })), 413],
    [wire('POST /connect/token', form, 'a=1&a=2'), 400],
    [wire('POST /connect/token', json, '{}'), 400],
    [wire('POST /connect/token', { 'content-type': 'application/xml' }, '<a/>'), 400],
    [wire('POST /connect/token'), 400],
    [wire('GET /connect/token'), 405],
    [wire('HEAD /connect/introspect'), 405],
    [wire('POST /connect/introspect', form, ask({ token: access.token })), 200],
    [wire('POST /connect/introspect', form, ask({ token: 'x' })), 200],
    [wire('POST /connect/introspect', form, `token=${access.token}`), 401],
    [wire('POST /connect/revocation', form, ask({ token: 'x' })), 200],
    [wire('GET /.well-known/jwks.json'), 200],
    [wire('HEAD /.well-known/openid-configuration/jwks'), 200],
    [wire('POST /.well-known/jwks.json', json, '{}'), 405],
    [wire('GET /.well-known/oauth-authorization-server'), 200],
    [wire('GET /.well-known/oauth-protected-resource'), 200],
    [wire('GET /formats', { authorization: `Bearer ${access.token}` }), 200],
    [wire('HEAD /formats', { authorization: `Bearer ${access.token}` }), 200],
    [wire('POST /formats', { authorization: `Bearer ${access.token}` }), 403],
    [wire('GET /formats'), 401],
    [wire('HEAD /formats', { authorization: 'Bearer x' }), 401],
    [wire('GET /formats?access_token=x'), 400]
  ]
  for (const [request, status] of cases) {
    const [line = ''] = request.split('\r\n')
    const [expected, answer] = [masked(await say(ports[0], request)), masked(await say(ports[1], request))]
    t.ok(expected.startsWith(`HTTP/1.1 ${status} `), `${line}: ${expected}`)
    t.equal(answer.replace(/^(?:x-host-[a-z]+|vary|x-ratelimit-[a-z]+): [^\r\n]+\r\n/gim, ''), expected.replace(/^vary: [^\r\n]+\r\n/im, ''), line)
    t.equal(varyOf(answer), ['Accept-Encoding', varyOf(expected)].filter(Boolean).join(', '), `${line}: what either depends on`)
    t.match(answer, /^x-host-trail: onRequest.* onSend\r$/m, 'the hooks of the host ran')
  }
})

function varyOf (answer: string): string | undefined {
  return /^vary: ([^\r\n]+)/im.exec(answer)?.[1]
}

/** A token differs each time, though not in length, and both instances count in one store. */
function masked (answer: string): string {
  return answer.replace(/"(jwt|token|access_token)":"[^"]+"/, '"$1":"*"').replace(/"expiration_time":\d+/, '"expiration_time":0').replace(/^ratelimit: .+$/im, 'ratelimit: *')
}

/** Logins that know no machine routes and answer by themselves. */
const logins: Record<string, (scope: FastifyInstance) => void> = {
  'an async hook': (scope) => { scope.addHook('onRequest', async (_request, reply) => await reply.code(401).send('Please sign in first')) },
  'a hook with a callback': (scope) => { scope.addHook('onRequest', (_request, reply, _done) => { reply.code(401).send('Please sign in first') }) }
}

for (const [name, addLogin] of Object.entries(logins)) {
  t.test(`a login that forgot the routes of machines has the last word: ${name}`, async (t) => {
    const happened: string[] = []
    for (const event of ['issued', 'revoked', 'refused', 'limited'] as const) t.teardown(onEvent(event, () => { happened.push(event) }))
    const held: string[] = []
    const host = await withGuests(t, {
      before: (scope) => {
        addLogin(scope)
        scope.addHook('onSend', async (request, _reply, payload) => {
          held.push(request.id)
          await sleep(40)
          return payload
        })
      }
    })
    const port = await portOf(host)
    const bodies: Array<[path: string, body: string]> = [['/viewer/sessions', '{}'], ['/viewer/sessions/revoke', '{"user_id":"jane"}'], ['/generate', POSTED], ['/revoke', '{"accessor":"x"}'], ['/lookup', '{"accessor":"x"}'], ['/verify', ''], ['/connect/token', 'grant_type=client_credentials'], ['/connect/introspect', 'token=x'], ['/connect/revocation', 'token=x']]
    for (const [path, body] of bodies) {
      host.calls.length = 0
      const request = wire(`POST ${path}`, path.startsWith('/connect/') ? form : { ...json, 'x-api-key': host.secret }, path.startsWith('/connect/') ? `${body}&${new URLSearchParams(host.client)}` : body)
      const answer = await say(port, request)
      t.match(answer, /^HTTP\/1\.1 401 Unauthorized\r\n[^]+\r\n\r\nPlease sign in first$/)
      t.strictSame(host.calls, [], 'the store was not asked')

      held.length = 0
      const socket = connect(port, '127.0.0.1')
      socket.on('error', () => {})
      socket.write(request)
      while (held.length === 0) await sleep(1)
      socket.resetAndDestroy()
      await sleep(100)
      t.strictSame(host.calls, [], 'nor for who hung up')
    }
    t.strictSame(happened, [])
  })
}
