import swagger from '@fastify/swagger'
import Fastify, { type FastifyInstance } from 'fastify'
import t from 'tap'
import { createKeyRing } from '../../../lib/keys/index.ts'
import { createMemoryStore } from '../../../lib/stores/memory.ts'
import { configSigning, type ConfigSigningOptions, createEditorSignatures } from '../../../plugins/config-signing/index.ts'
import { sessionIssuance } from '../../../plugins/session-issuance/index.ts'
import { INBOX, OUTBOX } from '../../support/editor-tokens.ts'
import { refuseSecondInstances } from '../../support/instances.ts'
import { registrationError } from '../../support/registrations.ts'
import { ISSUER, NOW, post } from '../../support/session-host.ts'

const store = createMemoryStore()
const authorize = { config: () => null }
const allowedUrls = { server: ['https://files.example'], browser: [] }
const secrets = { inbox: INBOX, outbox: OUTBOX }
const good = { ...secrets, store, allowedUrls, authorize }

const register = (options: unknown) => registrationError((app) => app.register(configSigning, options as ConfigSigningOptions))

t.test('good options', async (t) => {
  const hook = async () => {}
  const explain = () => true
  const cases: unknown[] = [
    good,
    { ...good, routes: true, prefix: '/v1', name: 'a', now: Date.now },
    { ...good, onRequest: hook },
    { ...good, onRequest: [hook, (_request: unknown, _reply: unknown, done: () => void) => { done() }] },
    { ...good, trustedOrigins: ['https://app.example', 'http://localhost:3000'], security: [{ cookie: [] }] },
    { ...good, limits: { address: { max: 1, timeWindow: 1 }, user: { max: 1 } }, limitKey: () => 'ada' },
    { ...good, limits: { address: false, user: false } },
    { ...good, authorize: { config: () => null, methods: { insertImage: () => null, setHistoryData: () => null }, explain } },
    { ...secrets, store, authorize: { explain } },
    { ...good, tenant: () => 'acme', inbox: () => INBOX, outbox: async () => null },
    { inbox: INBOX, routes: false },
    { inbox: INBOX, routes: false, prefix: '/v1', store },
    { inbox: Buffer.from(INBOX), outbox: new Uint8Array(Buffer.from(OUTBOX)), routes: false },
    { inbox: [INBOX], outbox: [OUTBOX, 'the one before, which the server still had until today: 4711'], routes: false },
    { inbox: [INBOX, undefined], routes: false },
    { inbox: () => INBOX, outbox: OUTBOX, routes: false },
    { ...secrets, routes: false, algorithm: 'HS256', allowWeakSecret: false, expiresIn: 1, issuedAt: true, clockTolerance: 0, allowAnonymous: true, allowUnknown: true, namesSecret: true, onWarning: () => {} },
    { ...secrets, routes: false, expiresIn: 31 * 24 * 3600, clockTolerance: 300, header: 'AuthorizationJwt', headerPrefix: '' },
    { ...secrets, routes: false, expiresIn: false, allowedUrls: { server: [], browser: [] } },
    { signatures: createEditorSignatures(secrets), routes: false },
    { signatures: createEditorSignatures({ ...secrets, store, allowedUrls }), authorize, limits: { address: { max: 1 } } },
    { signatures: createEditorSignatures({ ...secrets, store }), authorize: { explain } }
  ]
  for (const options of cases) t.equal(await register(Object.freeze(options)), undefined, Object.keys(options as object).join())
})

t.test('each bad option throws at registration, by its name', async (t) => {
  const signatures = createEditorSignatures({ ...secrets, store, allowedUrls })
  const notLifetimes = [NaN, Infinity, -Infinity, -1, 0, 0.5, '300', '5m', null, {}, true, 31 * 24 * 3600 + 1, 1e300, NOW]
  const notOrigins = ['https://files.example', [null], ['null'], ['*'], ['https://*.example'], ['files.example'], ['https://files.example/'], ['HTTPS://files.example'], ['https://files.example:443'], ['ftp://files.example'], [/files/], [new URL('https://files.example')], null, {}]
  const both: Array<[option: string, options: object]> = [
    // T10
    ...notLifetimes.map((expiresIn): [string, object] => ['expiresIn', { expiresIn }]),
    ...[NaN, Infinity, -Infinity, -1, 301, 0.5, '60', null, false, {}].map((clockTolerance): [string, object] => ['clockTolerance', { clockTolerance }]),
    ...['', 'a/b', ' ', 'x'.repeat(65), 1, null, '__proto__'].map((name): [string, object] => ['name', { name }]),
    ...[null, 1, () => NaN, () => 'now'].map((now): [string, object] => ['now', { now }]),
    ...['', 'none', 'None', 'hs256', 'ES256', 'RS256', 'HS257', '__proto__', 'constructor', null, 256, ['HS256']].map((algorithm): [string, object] => ['algorithm', { algorithm }]),
    ...['issuedAt', 'allowAnonymous', 'allowUnknown', 'namesSecret', 'allowWeakSecret'].flatMap((option) => [null, 0, 1, 'true', 'no', {}].map((value): [string, object] => [option, { [option]: value }])),
    ...[null, true, 'https://files.example', () => []].map((value): [string, object] => ['allowedUrls', { allowedUrls: value }]),
    ['allowedUrls.0', { allowedUrls: ['https://files.example'] }],
    ['allowedUrls.server', { allowedUrls: [] }],
    ['allowedUrls.servers', { allowedUrls: { servers: [], browser: [] } }],
    ['allowedUrls.server', { allowedUrls: { browser: [] } }],
    ['allowedUrls.browser', { allowedUrls: { server: [] } }],
    ...(['server', 'browser'] as const).flatMap((list) => notOrigins.map((origins): [string, object] => [`allowedUrls.${list}`, { allowedUrls: { ...allowedUrls, [list]: origins } }])),
    ...['', ' ', 'a b', 'authorization:', 'a\r\nb', 'ü', null, 1, ['authorization']].map((header): [string, object] => ['header', { header }]),
    ...['Bearer', 'Bearer x', '\t', 'B\r\n ', 'ü ', ' '.repeat(65), null, 1].map((headerPrefix): [string, object] => ['headerPrefix', { headerPrefix }]),
    ...[null, {}, new Map(), 'memory'].map((value): [string, object] => ['store', { store: value }]),
    ...[null, 'log', {}].map((onWarning): [string, object] => ['onWarning', { onWarning }]),
    ...['inbox', 'outbox'].flatMap((side) => [null, 1, true, {}, [], [null], [INBOX, null], [1], new Set([INBOX]), Symbol('secret'), ['a', 'b', 'c']].map((secret): [string, object] => [side, { [side]: secret }])),
    ...['inbox', 'outbox'].map((side): [string, object] => [side, { [side]: [INBOX, OUTBOX, `${INBOX}3`] }]),
    ['inbox', { inbox: undefined }]
  ]
  const routed: Array<[option: string, options: object]> = [
    ...[undefined, null, true, 'all', authorize.config].map((value): [string, object] => ['authorize', { authorize: value }]),
    ...[{}, [], { config: undefined }].map((value): [string, object] => ['authorize', { authorize: value }]),
    ['authorize.configs', { authorize: { configs: authorize.config } }],
    ...['config', 'explain'].flatMap((name) => [null, true, {}, 'all', [authorize.config]].map((value): [string, object] => [`authorize.${name}`, { authorize: { [name]: value } }])),
    ...[null, true, 'all', authorize.config, {}, []].map((methods): [string, object] => ['authorize.methods', { authorize: { methods } }]),
    ...['insertimage', 'config', 'setUsers', 'constructor', 'toString', 'command'].map((method): [string, object] => [`authorize.methods.${method}`, { authorize: { methods: { [method]: authorize.config } } }]),
    ...[null, undefined, true, {}].map((value): [string, object] => ['authorize.methods.insertImage', { authorize: { methods: { insertImage: value } } }]),
    ['allowedUrls', { allowedUrls: undefined }],
    ['allowedUrls', { allowedUrls: undefined, authorize: { methods: { insertImage: authorize.config } } }],
    ...[null, 'acme', {}].map((tenant): [string, object] => ['tenant', { tenant }]),
    ['tenant', { tenant: () => 'acme' }],
    ['tenant', { inbox: () => INBOX }],
    ...[null, 'login', {}, [null], ['login'], [async () => {}, undefined]].map((onRequest): [string, object] => ['onRequest', { onRequest }]),
    ...notOrigins.map((trustedOrigins): [string, object] => ['trustedOrigins', { trustedOrigins }]),
    ['store', { store: undefined }],
    ['store', { store: undefined, limits: { address: false } }],
    ...[null, 'ip', {}].map((limitKey): [string, object] => ['limitKey', { limitKey }]),
    ...[null, 60, true, []].map((limits): [string, object] => ['limits', { limits }]),
    ['limits.credential', { limits: { credential: {} } }],
    ['limits.user', { limits: { user: {} } }],
    ...['address', 'user'].flatMap((stage): Array<[string, object]> => [
      ...[true, null, 60].map((limit): [string, object] => [`limits.${stage}`, { limitKey: () => 'a', limits: { [stage]: limit } }]),
      ...[0, NaN, '60', 1e13].map((max): [string, object] => [`limits.${stage}.max`, { limitKey: () => 'a', limits: { [stage]: { max } } }]),
      ...[0, Infinity, '1 minute'].map((timeWindow): [string, object] => [`limits.${stage}.timeWindow`, { limitKey: () => 'a', limits: { [stage]: { timeWindow } } }]),
      [`limits.${stage}.timewindow`, { limitKey: () => 'a', limits: { [stage]: { timewindow: 1 } } }]
    ]),
    ...[null, 'cookie', {}, [null], ['cookie']].map((security): [string, object] => ['security', { security }]),
    ...['v1', '/v1/', '/:tenant', '/a b', 1, null].map((prefix): [string, object] => ['prefix', { prefix }]),
    ...['no', 0, null].map((routes): [string, object] => ['routes', { routes }]),
    ...['trustedOrigin', 'authorise', 'inBox', 'secret', 'credentials', 'keys', 'expiresin'].map((option): [string, object] => [option, { [option]: [] }]),
    ...[null, {}, 'signatures', { signConfig () {} }, { ...signatures }, { ...signatures, settings: { name: 'a', now: Date.now } }, Object.create(signatures)].map((value): [string, object] => ['signatures', { ...bare, signatures: value }]),
    ...Object.entries({ ...secrets, algorithm: 'HS256', allowWeakSecret: false, name: 'a', expiresIn: 300, issuedAt: false, clockTolerance: 60, allowAnonymous: false, allowUnknown: false, allowedUrls, header: 'x', headerPrefix: '', store, namesSecret: false, onWarning: () => {}, now: Date.now })
      .map(([option, value]): [string, object] => [option, { ...bare, signatures, [option]: value }])
  ]
  const idle = ['authorize', 'tenant', 'onRequest', 'trustedOrigins', 'limits', 'limitKey', 'security'].map((option): [string, object] => [option, { authorize: undefined, routes: false, [option]: Reflect.get(good, option) ?? [] }])

  for (const [option, options] of [...both, ...routed, ...idle]) {
    const error = await register({ ...good, ...options })
    const shown = `${option}: ${String(Object.values(options).at(-1)).slice(0, 60)}`
    t.equal(error?.code, 'FDT_INVALID_OPTION', shown)
    t.ok(error?.message?.startsWith(`Invalid option "${option}"`), `${shown}: ${error?.message}`)
  }
  for (const [option, options] of both) {
    const error = errorOf(() => createEditorSignatures({ ...secrets, store, allowedUrls, ...options } as never))
    t.strictSame([error?.code, error?.message.startsWith(`Invalid option "${option}"`)], ['FDT_INVALID_OPTION', true], option)
  }
  for (const options of [undefined, null, 'secret', 1]) t.throws(() => createEditorSignatures(options as never), { code: 'FDT_INVALID_OPTION', message: /"options"/ })
  t.equal((await register(undefined))?.code, 'FDT_INVALID_OPTION')
})

/** Takes what stands for the options away, for cases of a ready object. */
const bare = { inbox: undefined, outbox: undefined, store: undefined, allowedUrls: undefined }

function errorOf (run: () => unknown): Error & { code?: string } | undefined {
  try {
    run()
    return undefined
  } catch (error) {
    return error as Error
  }
}

// ---- secrets ------------------------------------------------------------------------------

t.test('secrets that are none, or that can be guessed, throw with the name of their side (T4, T32)', async (t) => {
  const strong = 'm3Jq-8hPz_0vYxW2cKd7RtLb5NfGsAeU'
  const cases: Array<[name: string, secret: string | Uint8Array, code: string]> = [
    ['empty', '', 'FDT_UNUSABLE_KEY'],
    ['no bytes', new Uint8Array(), 'FDT_UNUSABLE_KEY'],
    ['white space alone', ' '.repeat(40), 'FDT_UNUSABLE_KEY'],
    ['a line break behind it', `${strong}\n`, 'FDT_UNUSABLE_KEY'],
    ['a space before it', ` ${strong}`, 'FDT_UNUSABLE_KEY'],
    ['double quotes around it', `"${strong}"`, 'FDT_UNUSABLE_KEY'],
    ['single quotes around it', `'${strong}'`, 'FDT_UNUSABLE_KEY'],
    ['a public key', '-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----', 'FDT_UNUSABLE_KEY'],
    ['31 bytes', strong.slice(1), 'FDT_WEAK_KEY'],
    ['the server\'s own default', 'secret', 'FDT_WEAK_KEY'],
    ['a sample', 'your-256-bit-secret', 'FDT_WEAK_KEY'],
    ['a long sample', 'your-super-secret-onlyoffice-jwt-key', 'FDT_WEAK_KEY'],
    ['one character', 'a'.repeat(64), 'FDT_WEAK_KEY']
  ]
  for (const [name, secret, code] of cases) {
    for (const side of ['inbox', 'outbox'] as const) {
      for (const given of [secret, [secret], [strong, secret]]) {
        const error = await register({ ...secrets, [side]: given, routes: false })
        t.equal(error?.code, code, `${side}: ${name}`)
        t.match(error?.message, new RegExp(`^${side}: `), `${side}: ${name}`)
        if (String(secret).trim().length > 10) t.notOk(error?.message?.includes(String(secret).trim()), 'the message does not hold it')
      }
      const allowed = await register({ ...secrets, [side]: secret, routes: false, allowWeakSecret: true })
      t.equal(allowed?.code, code === 'FDT_WEAK_KEY' ? undefined : code, `${side}: ${name}, with allowWeakSecret`)
    }
  }
  t.equal(await register({ inbox: strong, routes: false }), undefined, '32 bytes')
})

t.test('longer hashes need longer secrets to sign with', async (t) => {
  const bytes = (length: number) => 'k7Qz_1vYx9W2cKd7RtLb5NfGsAeUm3Jq-8hPz0fTj4VbHy6MwXoEiSnDuCgIpZrB'.slice(0, length)
  for (const [algorithm, least] of [['HS256', 32], ['HS384', 48], ['HS512', 64]] as const) {
    t.equal(await register({ inbox: bytes(least), routes: false, algorithm }), undefined, algorithm)
    const error = await register({ inbox: bytes(least - 1), routes: false, algorithm })
    t.match(error, { code: 'FDT_WEAK_KEY', message: new RegExp(`^inbox: .*${least} bytes`) }, `${algorithm} with ${least - 1}`)
    t.equal(await register({ inbox: bytes(64), outbox: OUTBOX, routes: false, algorithm }), undefined, 'what comes back is the server\'s choice')
  }

  const { signRequest, verifyDownload } = createEditorSignatures({ inbox: () => bytes(40), outbox: () => bytes(40), algorithm: 'HS384', onWarning: () => {} })
  await t.rejects(verifyDownload('a.b.c', 'https://app.example/', { tenant: 'acme' }), { code: 'FDT_INVALID_TOKEN' })
  await t.rejects(signRequest('command', { c: 'version' }, { tenant: 'acme' }), { code: 'FDT_WEAK_KEY' }, 'also where it was seen on the other side before')
})

/** The warnings in the log of an app, and what else went wrong. */
async function warningsOf (options: object, use: (app: FastifyInstance) => Promise<unknown> = async () => {}): Promise<string[]> {
  const lines: Array<{ level: number, msg: string }> = []
  const app = Fastify({ logger: { level: 'warn', stream: { write: (line: string) => { lines.push(JSON.parse(line)) } } } })
  try {
    await app.register(configSigning, options as ConfigSigningOptions)
    await app.ready()
    await use(app)
  } finally {
    await app.close()
  }
  return lines.map(({ level, msg }) => `${level} ${msg}`)
}

const WEAK = (side: string) => new RegExp(`^40 The ${side} secret of the editor can be guessed`)
const SAME = /^40 The inbox and the outbox secret of the editor are the same/

t.test('a weak secret that is allowed is told to the log, once', async (t) => {
  t.match(await warningsOf({ inbox: 'secret', routes: false, allowWeakSecret: true }, async ({ editorSignatures }) => {
    for (let turn = 0; turn < 3; turn++) await editorSignatures.signRequest('command', { c: 'version' })
  }), [WEAK('inbox')])
  t.match(await warningsOf({ inbox: ['secret', 'changeit'], outbox: 'changeme', routes: false, allowWeakSecret: true }), [WEAK('inbox'), WEAK('outbox')], 'one for each side')
  t.strictSame(await warningsOf({ inbox: INBOX, routes: false, allowWeakSecret: true }), [], 'none where it is strong')
  t.notMatch((await warningsOf({ inbox: 'secret-of-mine', routes: false, allowWeakSecret: true })).join(), /secret-of-mine/)
  const heard: string[] = []
  t.strictSame(await warningsOf({ inbox: 'secret', routes: false, allowWeakSecret: true, onWarning: (message: string) => { heard.push(message) } }), [])
  t.equal(heard.length, 1, 'or to who wants to be told')
})

t.test('without an app, warnings are the process\'s', async (t) => {
  const told = new Promise<Error>((resolve) => { process.once('warning', resolve) })
  createEditorSignatures({ inbox: 'secret', allowWeakSecret: true })
  t.match(await told, { message: /can be guessed/ })
})

t.test('one secret for both sides is told, once', async (t) => {
  const cases: Array<[name: string, options: object]> = [
    ['equal', { inbox: INBOX, outbox: INBOX }],
    ['equal, one of them as bytes', { inbox: INBOX, outbox: Buffer.from(INBOX) }],
    ['the previous one of a side', { inbox: [INBOX, OUTBOX], outbox: OUTBOX }],
    ['both of both', { inbox: [INBOX, OUTBOX], outbox: [OUTBOX, INBOX] }]
  ]
  for (const [name, options] of cases) t.match(await warningsOf({ ...options, routes: false }), [SAME], name)
  t.strictSame(await warningsOf({ ...secrets, routes: false }), [])
  t.strictSame(await warningsOf({ inbox: [INBOX, INBOX], outbox: OUTBOX, routes: false }), [], 'twice on one side is none of it')

  const ofTenants = { inbox: () => INBOX, outbox: async () => INBOX, routes: false }
  t.strictSame(await warningsOf(ofTenants), [], 'not known before they are asked for')
  t.match(await warningsOf(ofTenants, async ({ editorSignatures }) => {
    for (const tenant of ['acme', 'acme', 'ada']) {
      await editorSignatures.signRequest('command', { c: 'version' }, { tenant })
      await t.rejects(editorSignatures.verifyDownload('a.b.c', 'https://app.example/', { tenant }))
    }
  }), [SAME])
})

// T30: one key, one use.
t.test('a secret that signs sessions too throws, in either order', async (t) => {
  const ring = () => createKeyRing([{ key: { kty: 'oct', alg: 'HS256', k: Buffer.from(INBOX).toString('base64url') } }])
  const editor = async (app: FastifyInstance, options: object = {}) => { await app.register(configSigning, { ...secrets, routes: false, ...options }) }
  const sessions = async (app: FastifyInstance, keys = ring()) => { await app.register(sessionIssuance, { issuer: ISSUER, keys, store, routes: false }) }
  const cases: Array<[name: string, option: string | undefined, build: (app: FastifyInstance) => Promise<unknown>]> = [
    ['sessions first', 'inbox', async (app) => { await sessions(app); await editor(app) }],
    ['editor first', 'keys', async (app) => { await editor(app); await sessions(app) }],
    ['in sibling scopes', 'inbox', async (app) => {
      await app.register(async (scope) => { await sessions(scope) })
      await app.register(async (scope) => { await editor(scope) })
    }],
    ['as the previous secret', 'inbox', async (app) => { await sessions(app); await editor(app, { inbox: [OUTBOX, INBOX], outbox: undefined }) }],
    ['as the outbox secret', 'outbox', async (app) => { await sessions(app); await editor(app, { inbox: OUTBOX, outbox: INBOX }) }],
    ['as bytes', 'inbox', async (app) => { await sessions(app); await editor(app, { inbox: Buffer.from(INBOX) }) }],
    ['in a ready object', 'inbox', async (app) => { await sessions(app); await app.register(configSigning, { signatures: createEditorSignatures(secrets), routes: false }) }],
    ['another secret', undefined, async (app) => { await sessions(app); await editor(app, { inbox: `${INBOX}+` }) }],
    ['in two instances of this flow', undefined, async (app) => {
      await app.register(async (scope) => { await editor(scope) })
      await app.register(async (scope) => { await editor(scope, { name: 'two' }) })
    }]
  ]
  for (const [name, option, build] of cases) {
    const app = Fastify()
    t.teardown(() => app.close())
    const built = async () => { await build(app); await app.ready() }
    if (option === undefined) await t.resolves(built(), name)
    else await t.rejects(built(), { code: 'FDT_INVALID_OPTION', message: new RegExp(`"${option}"`) }, name)
  }
})

// ---- instances ----------------------------------------------------------------------------

t.test('does not look at the host\'s objects again, and gives none of its own away', async (t) => {
  const server = ['https://files.example']
  const inbox: [string, string] = [INBOX, OUTBOX]
  const methods: Record<string, unknown> = { insertImage: () => null }
  const lists = { server, browser: [] }
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(configSigning, { inbox, store, allowedUrls: lists, authorize: { methods } } as ConfigSigningOptions)
  server.push('https://evil.test')
  Object.assign(lists, { server: ['https://evil.test'] })
  inbox[0] = 'another one that came too late: 4711'
  methods['setRevisedFile'] = () => ({ fileType: 'docx', url: 'https://files.example/a' })

  const { editorSignatures } = app
  await t.rejects(editorSignatures.signMethod('insertImage', { fileType: 'png', url: 'https://evil.test/a.png' }), { code: 'FDT_INVALID_EDITOR_PAYLOAD' })
  t.equal((await post(app, '/editor/methods/setRevisedFile', {}, {})).statusCode, 404)
  t.ok(Object.isFrozen(editorSignatures) && Object.isFrozen(editorSignatures.settings))
  t.strictSame(Object.keys(editorSignatures.settings), ['name', 'now'], 'no secret in it')
  t.notMatch(JSON.stringify(editorSignatures), /inbox|outbox|secret/)
})

t.test('with routes: false there are the decorators and nothing else', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(configSigning, { inbox: INBOX, routes: false })
  app.get('/', async ({ editorCallback }) => ({ editorCallback }))
  t.match(await app.editorSignatures.signMethod('insertImage', { fileType: 'png', url: 'https://files.example/a.png' }), { token: /\./ })
  for (const path of ['/editor/config', '/editor/methods/insertImage', '/editor/explain']) t.equal((await post(app, path, {}, {})).statusCode, 404)
  t.strictSame((await app.inject('/')).json(), { editorCallback: null })
})

t.test('a route only where there is a function for it', async (t) => {
  const paths = ['/editor/config', '/editor/methods/insertImage', '/editor/explain']
  const authorizers = [{ config: () => null }, { methods: { insertImage: () => null } }, { explain: () => null }]
  for (const [index, authorize] of authorizers.entries()) {
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(configSigning, { ...good, authorize } as ConfigSigningOptions)
    for (const [other, url] of paths.entries()) {
      t.equal((await app.inject({ method: 'GET', url })).statusCode, other === index ? 405 : 404, `GET ${url}`)
      t.equal((await post(app, url, url.endsWith('explain') ? { token: 'x' } : {}, {})).statusCode, other === index ? 403 : 404, url)
    }
  }
})

t.test('more than one instance', async (t) => {
  await t.test('one per sibling scope, each with its own name and limits', async (t) => {
    const app = Fastify()
    t.teardown(() => app.close())
    for (const name of ['one', 'two']) await app.register(async (scope) => { await scope.register(configSigning, { ...good, name, prefix: `/${name}`, limits: { address: { max: 1 } } }) })
    t.equal(app.hasDecorator('editorSignatures'), false)
    const status = async (url: string) => (await post(app, url, {}, {})).statusCode
    t.strictSame([await status('/one/editor/config'), await status('/two/editor/config'), await status('/one/editor/config'), await status('/two/editor/config'), await status('/editor/config')], [403, 403, 429, 429, 404])
  })

  await refuseSecondInstances(t, async (scope, own) => { await scope.register(configSigning, { ...good, ...own }) })

  await t.test('siblings may share one object', async (t) => {
    const app = Fastify()
    t.teardown(() => app.close())
    const signatures = createEditorSignatures({ ...secrets, store, allowedUrls })
    await app.register(async (scope) => { await scope.register(configSigning, { signatures, authorize }) })
    await app.register(async (scope) => { await scope.register(configSigning, { signatures, routes: false }) })
    await app.ready()
  })
})

t.test('OpenAPI: the routes, their answers, and the host\'s own scheme', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(swagger, { openapi: { info: { title: 'x', version: '1' }, components: { securitySchemes: { cookie: { type: 'apiKey', in: 'cookie', name: 'login' } } } } })
  const seen: unknown[] = []
  app.addHook('onRoute', ({ url, config }) => { if (url.startsWith('/editor')) seen.push(config?.docTokens) })
  await app.register(configSigning, { ...good, authorize: { ...authorize, methods: { insertImage: () => null }, explain: () => null }, security: [{ cookie: [] }] })
  await app.ready()
  const { paths } = JSON.parse(JSON.stringify(app.swagger()))
  t.strictSame(Object.entries(paths).map(([path, methods]) => [path, Object.keys(Object(methods))]), [['/editor/config', ['post']], ['/editor/methods/{method}', ['post']], ['/editor/explain', ['post']]], 'other methods are hidden')
  for (const [path, id] of [['/editor/config', 'createEditorConfig'], ['/editor/methods/{method}', 'signEditorMethod'], ['/editor/explain', 'explainEditorToken']] as const) {
    const { operationId, tags, security, responses } = paths[path].post
    t.strictSame({ operationId, tags, security }, { operationId: id, tags: ['document editor'], security: [{ cookie: [] }] })
    t.strictSame(Object.keys(responses), ['200', '400', '403', ...id === 'signEditorMethod' ? ['404'] : [], '413', '415', '429', '500', '503'], path)
  }
  const user = { flow: 'config-signing', caller: 'user' }
  t.strictSame(seen, Array.from({ length: 6 }, () => user), 'each says what it is')
})
