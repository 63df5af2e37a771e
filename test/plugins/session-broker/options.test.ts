import swagger from '@fastify/swagger'
import Fastify from 'fastify'
import t from 'tap'
import { createKeyRing, generateKey } from '../../../lib/keys/index.ts'
import { createMemoryStore } from '../../../lib/stores/memory.ts'
import { createSessionBroker, sessionBroker, type SessionBrokerPluginOptions } from '../../../plugins/session-broker/index.ts'
import { createDocumentSessions } from '../../../plugins/session-issuance/index.ts'
import { PATH, readOnly } from '../../support/broker-host.ts'
import { refuseSecondInstances } from '../../support/instances.ts'
import { registrationError } from '../../support/registrations.ts'
import { ISSUER, post } from '../../support/session-host.ts'

const store = createMemoryStore()
const sessions = await createDocumentSessions({ issuer: ISSUER, keys: createKeyRing([{ key: await generateKey('ES256') }]), store })
const remote = { url: 'https://api.example/viewer/sessions', apiKey: 'pdf_live_0123456789' }
const authorize = readOnly
const good = { sessions, authorize }

const register = (options: unknown) => registrationError((app) => app.register(sessionBroker, options as SessionBrokerPluginOptions))

t.test('good options', async (t) => {
  const hook = async () => {}
  const cases: unknown[] = [
    good,
    { ...good, routes: true, prefix: '/v1', name: 'a', now: Date.now },
    { ...good, onRequest: hook },
    { ...good, onRequest: [hook, (_request: unknown, _reply: unknown, done: () => void) => { done() }] },
    { ...good, onRequest: [] },
    { ...good, trustedOrigins: ['https://app.example', 'http://localhost:3000'], security: [{ cookie: [] }] },
    { ...good, limits: { address: { max: 1, timeWindow: 1 }, user: { max: 1 } }, limitKey: () => 'ada' },
    { ...good, limits: { address: false, user: false } },
    { ...good, store: createMemoryStore() },
    { sessions: { issue: sessions.issue, settings: sessions.settings }, authorize },
    { sessions, routes: false },
    { remote, authorize, store },
    { remote, permissions: ['read', 'sign'], routes: false },
    { remote: { ...remote, timeout: 60_000, sendSubject: true }, routes: false },
    { broker: createSessionBroker({ sessions }), authorize },
    { broker: createSessionBroker({ remote }), authorize, store },
    { broker: createSessionBroker({ remote }), routes: false }
  ]
  for (const options of cases) t.equal(await register(Object.freeze(options)), undefined, Object.keys(options as object).join())
})

t.test('each bad option throws at registration, by its name', async (t) => {
  const broker = createSessionBroker({ sessions })
  const both: Array<[option: string, options: object]> = [
    ...[null, {}, [], 'sessions', { issue () {} }, { issue () {}, settings: null }, { issue () {}, settings: {} }, { settings: sessions.settings }].map((value): [string, object] => ['sessions', { sessions: value }]),
    ['sessions', { sessions: undefined }],
    ['sessions', { remote }],
    ['permissions', { permissions: ['read'] }],
    ...['', 'a/b', ' ', 'x'.repeat(65), 1, null].map((name): [string, object] => ['name', { name }]),
    ...[null, 1, () => NaN, () => 'now'].map((now): [string, object] => ['now', { now }])
  ]
  const routed: Array<[option: string, options: object]> = [
    ...[undefined, null, true, 'all', {}, [authorize]].map((value): [string, object] => ['authorize', { authorize: value }]),
    ...[null, 'login', {}, [null], ['login'], [async () => {}, undefined]].map((onRequest): [string, object] => ['onRequest', { onRequest }]),
    ...['https://app.example', [null], ['null'], ['*'], ['https://*.example'], ['app.example'], ['https://app.example/'], ['HTTPS://app.example'], ['https://app.example:443'], ['https://bücher.example'], ['ftp://app.example'], ['blob:https://app.example'], [/app/], null, {}].map((trustedOrigins): [string, object] => ['trustedOrigins', { trustedOrigins }]),
    ...[null, {}, new Map(), 'memory'].map((value): [string, object] => ['store', { store: value }]),
    ['store', { sessions: undefined, remote }],
    ...[null, 'ip', {}].map((limitKey): [string, object] => ['limitKey', { limitKey }]),
    ...[null, 60, true, []].map((limits): [string, object] => ['limits', { limits }]),
    ['limits.credential', { limits: { credential: {} } }],
    ['limits.user', { limits: { user: {} } }],
    ...['address', 'user'].flatMap((stage): Array<[string, object]> => [
      ...[true, null, 60].map((limit): [string, object] => [`limits.${stage}`, { limitKey: () => 'a', limits: { [stage]: limit } }]),
      ...[0, NaN, '60', 1e13].map((max): [string, object] => [`limits.${stage}.max`, { limitKey: () => 'a', limits: { [stage]: { max } } }]),
      ...[0, Infinity, '1 minute'].map((timeWindow): [string, object] => [`limits.${stage}.timeWindow`, { limitKey: () => 'a', limits: { [stage]: { timeWindow } } }])
    ]),
    ...[null, 'cookie', {}, [null], ['cookie']].map((security): [string, object] => ['security', { security }]),
    ...['v1', '/v1/', '/:tenant', '/a b', 1, null].map((prefix): [string, object] => ['prefix', { prefix }]),
    ...['no', 0, null].map((routes): [string, object] => ['routes', { routes }]),
    ['trustedOrigin', { trustedOrigin: [] }],
    ['credentials', { credentials: {} }],
    ['sessions', { broker }],
    ...[null, {}, { create () {} }, { create () {}, settings: null }, { create () {}, settings: {} }].map((value): [string, object] => ['broker', { sessions: undefined, broker: value }]),
    ...['sessions', 'remote', 'permissions', 'name', 'now'].map((option): [string, object] => [option, { sessions: undefined, broker, [option]: 'a' }])
  ]
  const idle = ['authorize', 'onRequest', 'trustedOrigins', 'store', 'limits', 'limitKey', 'security'].map((option): [string, object] => [option, { authorize: undefined, routes: false, [option]: Reflect.get(good, option) ?? [] }])

  for (const [option, options] of [...both, ...routed, ...idle]) {
    const error = await register({ ...good, ...options })
    const shown = `${option}: ${String(Object.values(options).at(-1)).slice(0, 60)}`
    t.equal(error?.code, 'FDT_INVALID_OPTION', shown)
    t.ok(error?.message?.startsWith(`Invalid option "${option}"`), `${shown}: ${error?.message}`)
  }
  for (const [option, options] of both) t.throws(() => createSessionBroker({ sessions, ...options } as never), { code: 'FDT_INVALID_OPTION', message: new RegExp(`"${option}"`) })
  for (const options of [undefined, null, 'sessions', 1]) t.throws(() => createSessionBroker(options as never), { code: 'FDT_INVALID_OPTION', message: /"options"/ })
  t.equal((await register(undefined))?.code, 'FDT_INVALID_OPTION')
})

t.test('a remote service: its URL', async (t) => {
  const refused = [
    undefined, null, '', 1, {}, new URL(remote.url), 'api.example/viewer/sessions', '//api.example/', 'ftp://api.example/', 'file:///etc/passwd', 'javascript:alert(1)', 'http://api.example/viewer/sessions', 'http://10.0.0.1/', 'http://192.168.0.1/',
    'http://localhost.evil.test/', 'http://127.0.0.1.evil.test/', 'http://127.evil.test/', 'http://0.0.0.0/', 'http://[::]/', 'http://0x7f.1/', 'http://127.1/', 'http://2130706433/', 'http://localhost./', 'http://LOCALHOST/',
    'https://key@api.example/', 'https://key:secret@api.example/', 'https://:@api.example/', 'https://api.example/?a=b', 'https://api.example/?', 'https://api.example/#a', 'https://api.example/#', 'https://bücher.example/',
    'https://good.example\\@evil.test/', 'https://good.example\t.evil.test/', 'https://good.example\n/', ' https://api.example/', 'https://api.example/ ', 'https://api.example/a b', 'https://api.example/../x', 'https://api.example:443/', 'https://api.example:99999/', 'HTTPS://api.example/', 'https:api.example', 'https:///api.example', 'https://api%2eexample/', 'https://аpi.example/'
  ]
  for (const url of refused) t.throws(() => createSessionBroker({ remote: { ...remote, url: url as string } }), { code: 'FDT_INVALID_OPTION', message: /"remote\.url"/ }, String(url))
  for (const url of ['https://api.example', 'https://api.example/', 'https://api.example:8443/a/b', 'https://xn--bcher-kva.example/', 'https://10.0.0.1/', 'http://localhost:3000/viewer/sessions', 'http://127.0.0.1:3000/', 'http://127.255.0.1/', 'http://[::1]:3000/']) t.ok(createSessionBroker({ remote: { ...remote, url } }), url)
})

t.test('a remote service: its other options', async (t) => {
  const cases: Array<[option: string, value: unknown]> = [
    ...[null, 'https://api.example', [], 1].map((value): [string, unknown] => ['remote', value]),
    ...[undefined, null, '', 'short', 'x'.repeat(4097), 'with space', 'line\nbreak-in-key', 'trailing-line-break\n', '\rX-Injected: a', 'schlüssel-ist-lang', '"quoted-key"', 12345678, ['pdf_live_key']].map((apiKey): [string, unknown] => ['remote.apiKey', { ...remote, apiKey }]),
    ...[0, -1, 60_001, 1.5, NaN, Infinity, '5000', null].map((timeout): [string, unknown] => ['remote.timeout', { ...remote, timeout }]),
    ...[null, 0, 'yes'].map((sendSubject): [string, unknown] => ['remote.sendSubject', { ...remote, sendSubject }]),
    ['remote.timeOut', { ...remote, timeOut: 1 }],
    ['remote.apikey', { ...remote, apikey: 'a' }]
  ]
  for (const [option, value] of cases) {
    const message = option === 'remote' && Array.isArray(value) ? /remote/ : new RegExp(`"${option.replace('.', '\\.')}"`)
    t.throws(() => createSessionBroker({ remote: value as never }), { code: 'FDT_INVALID_OPTION', message }, `${option} ${JSON.stringify(value)?.slice(0, 80)}`)
  }
  for (const permissions of [[], 'read', ['read', 'read'], [''], ['a b'], [1], null]) t.throws(() => createSessionBroker({ remote, permissions: permissions as never }), { code: 'FDT_INVALID_OPTION', message: /"permissions"/ })
  t.throws(() => createSessionBroker({ remote: { ...remote, apiKey: 'a key with spaces' } }), { message: /^(?!.*a key with spaces)/s }, 'the key is not in the message')
})

t.test('does not look at the host\'s objects again, and gives none of its own away', async (t) => {
  const vocabulary = ['read']
  const options = { remote: { ...remote, url: 'http://127.0.0.1:1/' }, permissions: vocabulary }
  const broker = createSessionBroker<string>(options)
  vocabulary.push('write')
  await t.rejects(broker.create({ subject: 'ada', documents: [{ id: 'a', permissions: ['write'] }] }), { code: 'FDT_UNKNOWN_PERMISSION' })
  t.ok(Object.isFrozen(broker) && Object.isFrozen(broker.settings))
  t.strictSame(Object.keys(broker.settings), ['name', 'now'], 'no key in it')
})

t.test('with routes: false there is the decorator and nothing else', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(sessionBroker, { sessions, routes: false })
  t.match(await app.sessionBroker.create({ subject: 'ada', documents: [{ id: 'a', permissions: ['read'] }] }), { token: /\./, expiresAt: Number })
  t.equal((await post(app, PATH, { documentId: 'a' }, {})).statusCode, 404)
})

t.test('more than one instance', async (t) => {
  await t.test('one per sibling scope, each with its own name and limits', async (t) => {
    const app = Fastify()
    t.teardown(() => app.close())
    for (const name of ['one', 'two']) await app.register(async (scope) => { await scope.register(sessionBroker, { ...good, name, prefix: `/${name}`, limits: { address: { max: 1 } } }) })
    t.equal(app.hasDecorator('sessionBroker'), false)
    const status = async (url: string) => (await post(app, url, { documentId: 'a' }, {})).statusCode
    t.strictSame([await status(`/one${PATH}`), await status(`/two${PATH}`), await status(`/one${PATH}`), await status(`/two${PATH}`), await status(PATH)], [200, 200, 429, 429, 404])
  })

  await refuseSecondInstances(t, async (scope, own) => { await scope.register(sessionBroker, { ...good, ...own }) })

  await t.test('siblings may share one object', async (t) => {
    const app = Fastify()
    t.teardown(() => app.close())
    const broker = createSessionBroker({ sessions })
    await app.register(async (scope) => { await scope.register(sessionBroker, { broker, authorize }) })
    await app.register(async (scope) => { await scope.register(sessionBroker, { broker, routes: false }) })
    await app.ready()
  })
})

t.test('OpenAPI: the route, its answers, and the host\'s own scheme', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(swagger, { openapi: { info: { title: 'x', version: '1' }, components: { securitySchemes: { cookie: { type: 'apiKey', in: 'cookie', name: 'login' } } } } })
  const seen: unknown[] = []
  app.addHook('onRoute', ({ url, config }) => { if (url === PATH) seen.push(config?.docTokens) })
  await app.register(sessionBroker, { ...good, security: [{ cookie: [] }] })
  await app.ready()
  const { [PATH]: { post: described, ...others } } = JSON.parse(JSON.stringify(app.swagger())).paths
  t.strictSame(others, {}, 'other methods are hidden')
  const { operationId, summary, tags, security, responses } = described
  t.strictSame({ operationId, summary, tags, security }, { operationId: 'createBrokeredSession', summary: 'Open a document', tags: ['document sessions'], security: [{ cookie: [] }] })
  t.strictSame(Object.keys(responses), ['200', '400', '403', '413', '415', '429', '500', '502', '503', '504'])
  const user = { flow: 'session-broker', caller: 'user' }
  t.strictSame(seen, [user, user], 'each says what it is')
})
