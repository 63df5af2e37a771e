import Fastify, { type FastifyInstance } from 'fastify'
import t from 'tap'
import { createApiKeyRegistry } from '../../../lib/credentials/index.ts'
import { createKeyRing, generateKey } from '../../../lib/keys/index.ts'
import { createMemoryStore } from '../../../lib/stores/memory.ts'
import { createDocumentSessions, sessionIssuance, type SessionIssuanceOptions } from '../../../plugins/session-issuance/index.ts'
import { buildHost, inEveryHost } from '../../support/hosts.ts'
import { refuseSecondInstances } from '../../support/instances.ts'
import { registrationError } from '../../support/registrations.ts'
import { ISSUER, post, refusal } from '../../support/session-host.ts'

const store = createMemoryStore()
const keys = createKeyRing([{ key: await generateKey('ES256') }])
const credentials = createApiKeyRegistry({ store })
const good = { issuer: ISSUER, keys, store, credentials }

const register = (options: unknown) => registrationError((app) => app.register(sessionIssuance, options as SessionIssuanceOptions))

t.test('good options', async (t) => {
  const sessions = await createDocumentSessions(good)
  const cases: unknown[] = [
    good,
    { ...good, routes: true },
    { issuer: ISSUER, keys, store, routes: false },
    { ...good, prefix: '/api/v1' },
    { ...good, issuer: 'https://tokens.example/tenant/1' },
    { ...good, issuer: 'http://127.0.0.1:3000' },
    { ...good, name: 'a', permissions: ['x'], defaultLifetime: 1, maxLifetime: 1, clockTolerance: 60, serverUrl: 'https://v.example/x/', cacheBytes: 0 },
    { ...good, optionalMembers: ['user_id'], limits: { address: { max: 1, timeWindow: 1 }, credential: { max: 1 }, failures: false } },
    { sessions, credentials },
    { sessions, routes: false }
  ]
  for (const options of cases) t.equal(await register(options), undefined, Object.keys(options as object).join())
})

t.test('each bad option throws at registration (T4, T10)', async (t) => {
  const sessions = await createDocumentSessions(good)
  const notLifetimes = [NaN, Infinity, -Infinity, -1, 0, 0.5, '60', '1h', null, {}, [], true, 1e300]
  const cases: Array<[option: string, options: object]> = [
    ...[undefined, null, '', 'tokens.example', 'ftp://x.example', 'https://u:p@x.example', 'https://x.example?a', 'https://x.example#a', 'https://x.example\\@evil.test', 'http://0x7f.1', 'HTTPS://X.EXAMPLE', 1, {}, new URL(ISSUER)].map((issuer): [string, object] => ['issuer', { issuer }]),
    ...[undefined, null, 'secret', [], {}, [{ key: 'x' }], Buffer.alloc(32)].map((ring): [string, object] => ['keys', { keys: ring }]),
    ...[undefined, null, {}, new Map(), 'memory'].map((value): [string, object] => ['store', { store: value }]),
    ...['', 'a/b', ' ', 'ü', 'x'.repeat(65), 1, null, '__proto__'].map((name): [string, object] => ['name', { name }]),
    ...[[], 'read', ['read', 'read'], [''], ['a b'], [1], ['ü'], null, Array.from({ length: 65 }, (_, index) => `p${index}`)].map((permissions): [string, object] => ['permissions', { permissions }]),
    ...notLifetimes.map((maxLifetime): [string, object] => ['maxLifetime', { maxLifetime }]),
    ...[...notLifetimes, 86_401].map((defaultLifetime): [string, object] => ['defaultLifetime', { defaultLifetime }]),
    ...[NaN, Infinity, -1, 61, '5', 0.5, null].map((clockTolerance): [string, object] => ['clockTolerance', { clockTolerance }]),
    ...[NaN, -1, '1', Infinity, null].map((cacheBytes): [string, object] => ['cacheBytes', { cacheBytes }]),
    ...['https://v.example', 'v.example/', 'https://v.example/?a=/', 'javascript:/', 1, null].map((serverUrl): [string, object] => ['serverUrl', { serverUrl }]),
    ...[null, 1, () => NaN, () => 'now'].map((now): [string, object] => ['now', { now }]),
    ...[undefined, null, {}, [], 'key', async () => undefined].map((value): [string, object] => ['credentials', { credentials: value }]),
    ...['api', '/api/', '/a b', '/:tenant', 1, null].map((prefix): [string, object] => ['prefix', { prefix }]),
    ...['user_id', ['sub'], [1], null].map((optionalMembers): [string, object] => ['optionalMembers', { optionalMembers }]),
    ...[false, true, null, 60, '60'].map((limits): [string, object] => ['limits', { limits }]),
    ['limits.adress', { limits: { adress: {} } }],
    ...['address', 'credential', 'failures'].flatMap((stage): Array<[string, object]> => [
      ...[true, null, 60, '60'].map((limit): [string, object] => [`limits.${stage}`, { limits: { [stage]: limit } }]),
      [`limits.${stage}.maxx`, { limits: { [stage]: { maxx: 1 } } }],
      ...[0, -1, NaN, Infinity, '60', 1.5, null, 1e13].map((max): [string, object] => [`limits.${stage}.max`, { limits: { [stage]: { max } } }]),
      ...[0, -1, NaN, Infinity, '1 minute', 1.5, null, 1e13].map((timeWindow): [string, object] => [`limits.${stage}.timeWindow`, { limits: { [stage]: { timeWindow } } }])
    ]),
    ...['no', 0, null, 'false'].map((routes): [string, object] => ['routes', { routes }]),
    ['maxLifeTime', { maxLifeTime: 60 }],
    ['ttl', { ttl: 60 }],
    ['credentials', { routes: false }],
    ['limits', { routes: false, credentials: undefined, limits: {} }],
    ['documentEngineKeys', { documentEngineKeys: keys }],
    ['documentEngineKeys', { documentEngineKeys: createKeyRing([{ key: String(keys.signing().signKey?.export({ type: 'pkcs8', format: 'pem' })), kid: 'another-name' }]) }],
    ['documentEngineKeys', { documentEngineKeys: createKeyRing([{ key: await generateKey('EdDSA') }]) }],
    ['documentEngineKeys', { documentEngineKeys: 'pem' }]
  ]
  for (const [option, options] of cases) {
    const error = await register({ ...good, ...options })
    const shown = `${option}: ${typeof Object.values(options)[0]} ${String(JSON.stringify(Object.values(options).at(-1)))}`.slice(0, 80)
    t.equal(error?.code, 'FDT_INVALID_OPTION', shown)
    t.ok(error?.message?.includes(option), `${shown}: ${error?.message}`)
  }
  t.equal((await register(undefined))?.code, 'FDT_INVALID_OPTION')
  t.equal((await register({ sessions, credentials, issuer: ISSUER }))?.code, 'FDT_INVALID_OPTION', 'never both')
  t.equal((await register({ sessions: {}, credentials }))?.code, 'FDT_INVALID_OPTION')
  t.equal((await register({ sessions: { verify () {} }, credentials }))?.code, 'FDT_INVALID_OPTION')
  await t.rejects(createDocumentSessions(null as never), { code: 'FDT_INVALID_OPTION' })
  await t.rejects(createDocumentSessions(undefined as never), { code: 'FDT_INVALID_OPTION' })
})

t.test('never writes to the host\'s object, and does not look again', async (t) => {
  const permissions = ['read', 'sign']
  const options = Object.freeze({ ...good, permissions: Object.freeze(permissions.slice()) })
  t.equal(await register(options), undefined)

  const vocabulary = ['read']
  const sessions = await createDocumentSessions<string>({ ...good, permissions: vocabulary })
  vocabulary.push('write')
  await t.rejects(sessions.issue({ documents: [{ id: 'a', permissions: ['write'] }] }), { code: 'FDT_UNKNOWN_PERMISSION' })
})

t.test('more than one instance', async (t) => {
  const issued = async (app: FastifyInstance, url: string, secret: string) => (await post(app, url, {}, { 'x-api-key': secret })).statusCode

  inEveryHost(t, 'one per sibling scope, each with its own name', async (t) => {
    const { secret } = await credentials.create()
    const { app } = await buildHost(t, {
      register: async (around) => {
        for (const name of ['one', 'two']) {
          await around.register(async (scope) => {
            await scope.register(sessionIssuance, { ...good, name, prefix: `/${name}` })
            scope.get(`/${name}/d/:id`, { config: { public: true }, onRequest: scope.documentSessions.require('read', { param: 'id' }) }, async () => 'passed')
          })
        }
      }
    })
    t.equal(app.hasDecorator('documentSessions'), false, 'nothing reaches the host outside of the scopes')
    t.equal(await issued(app, '/one/viewer/sessions', secret), 201)
    t.equal(await issued(app, '/two/viewer/sessions', secret), 201)
    t.equal(await issued(app, '/viewer/sessions', secret), 404)

    const { jwt } = (await post(app, '/one/viewer/sessions', { allowed_documents: [{ document_id: 'a' }] }, { 'x-api-key': secret })).json()
    t.equal((await app.inject({ url: '/one/d/a', headers: { authorization: `Bearer ${jwt}` } })).statusCode, 200)
    t.equal(refusal(await app.inject({ url: '/two/d/a', headers: { authorization: `Bearer ${jwt}` } })).code, 'FDT_INVALID_TOKEN')
  })

  await refuseSecondInstances(t, async (scope, own) => { await scope.register(sessionIssuance, { ...good, ...own }) })

  await t.test('siblings may share one object', async (t) => {
    const app = Fastify()
    t.teardown(() => app.close())
    const sessions = await createDocumentSessions(good)
    await app.register(async (scope) => { await scope.register(sessionIssuance, { sessions, credentials }) })
    await app.register(async (scope) => { await scope.register(sessionIssuance, { sessions, routes: false }) })
    await app.ready()
  })
})

t.test('a route of the flow says what it is', async (t) => {
  const seen: unknown[] = []
  const app = Fastify()
  t.teardown(() => app.close())
  app.addHook('onRoute', ({ url, method, config }) => { seen.push([String(method), url, config?.docTokens]) })
  await app.register(sessionIssuance, good)
  const machine = { flow: 'session-issuance', caller: 'machine' }
  t.strictSame(seen.filter((entry) => (entry as string[])[0] === 'POST'), [['POST', '/viewer/sessions', machine], ['POST', '/viewer/sessions/revoke', machine]])
  t.ok(seen.every((entry) => (entry as unknown[])[2] !== undefined))
})
