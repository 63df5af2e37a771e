import { randomBytes } from 'node:crypto'
import Fastify, { type FastifyInstance } from 'fastify'
import t from 'tap'
import { createApiKeyRegistry } from '../../../lib/credentials/index.ts'
import { createKeyRing, generateKey } from '../../../lib/keys/index.ts'
import { createMemoryStore } from '../../../lib/stores/memory.ts'
import { configSigning } from '../../../plugins/config-signing/index.ts'
import { createOpaqueTokens, opaqueTokens, type OpaqueTokensPluginOptions } from '../../../plugins/opaque-tokens/index.ts'
import { sessionIssuance } from '../../../plugins/session-issuance/index.ts'
import { buildHost, inEveryHost } from '../../support/hosts.ts'
import { refuseSecondInstances } from '../../support/instances.ts'
import { PEPPER, POSTED, refusal, WRONG_TOKEN } from '../../support/opaque-host.ts'
import { registrationError } from '../../support/registrations.ts'
import { ISSUER, post } from '../../support/session-host.ts'

const store = createMemoryStore()
const credentials = createApiKeyRegistry({ store })
const good = { store, pepper: PEPPER, credentials }
const named = (id: string) => ({ id, key: randomBytes(32) })

const register = (options: unknown) => registrationError((app) => app.register(opaqueTokens, options as OpaqueTokensPluginOptions))

t.test('good options', async (t) => {
  const tokens = createOpaqueTokens({ store, pepper: PEPPER })
  const cases: unknown[] = [
    good,
    { ...good, routes: true },
    { store, pepper: PEPPER, routes: false },
    { store, pepper: PEPPER, routes: false, credentials: undefined, limits: undefined },
    { ...good, verifiers: credentials, includeAccessor: true, prefix: '/api/v1' },
    { ...good, pepper: [named('new'), named('old')] },
    { ...good, name: 'a', tokenPrefix: 'acme', defaultLifetime: 1, maxLifetime: 1, maxUses: 1, maxBytes: 2, onVerify: () => {}, parameters: (value: object) => value },
    { ...good, format: 'uuid' },
    { ...good, limits: { address: { max: 1, timeWindow: 1 }, credential: { max: 1 }, failures: false, unknown: { max: 1 } } },
    { ...good, limits: { unknown: false } },
    { ...good, credentials: { find: async () => undefined } },
    { tokens, credentials },
    { tokens, credentials, store: undefined, pepper: undefined },
    { tokens, routes: false }
  ]
  for (const options of cases) t.equal(await register(options), undefined, Object.keys(options as object).join())
})

t.test('each bad option throws at registration', async (t) => {
  const tokens = createOpaqueTokens({ store, pepper: PEPPER })
  const sources = [null, {}, [], [{ id: 'x' }], 'key', 1, async () => undefined, { find: 'x' }]
  const stages = ['address', 'credential', 'failures', 'unknown']
  const cases: Array<[option: string, options: object]> = [
    ['store', { store: undefined }],
    ['pepper', { pepper: undefined }],
    ...[undefined, ...sources].map((value): [string, object] => ['credentials', { credentials: value }]),
    ...sources.map((value): [string, object] => ['verifiers', { verifiers: value }]),
    ...['yes', 0, null].map((includeAccessor): [string, object] => ['includeAccessor', { includeAccessor }]),
    ...['api', '/api/', '/a b', '/:tenant', 1, null].map((prefix): [string, object] => ['prefix', { prefix }]),
    ...[false, true, null, 60, '60', []].map((limits): [string, object] => ['limits', { limits }]),
    ['limits.user', { limits: { user: {} } }],
    ['limits.unknow', { limits: { unknow: {} } }],
    ...stages.flatMap((stage): Array<[string, object]> => [
      ...[true, null, 60, '60'].map((limit): [string, object] => [`limits.${stage}`, { limits: { [stage]: limit } }]),
      [`limits.${stage}.maxx`, { limits: { [stage]: { maxx: 1 } } }],
      ...[0, -1, NaN, '60', 1.5, null].map((max): [string, object] => [`limits.${stage}.max`, { limits: { [stage]: { max } } }]),
      ...[0, Infinity, '1 minute', null].map((timeWindow): [string, object] => [`limits.${stage}.timeWindow`, { limits: { [stage]: { timeWindow } } }])
    ]),
    ...['no', 0, null, 'false'].map((routes): [string, object] => ['routes', { routes }]),
    ...['ttl', 'maxLifeTime', 'verifier', 'includeaccessor', 'permissions'].map((option): [string, object] => [option, { [option]: 60 }]),
    ...Object.entries({ credentials, verifiers: credentials, includeAccessor: false, limits: {} }).map(([option, value]): [string, object] => [option, { credentials: undefined, routes: false, [option]: value }]),
    ...Object.entries({ store, pepper: PEPPER, name: 'a', format: 'uuid', tokenPrefix: 'a', defaultLifetime: 1, maxLifetime: 1, maxUses: 1, maxBytes: 2, parameters: () => ({}), onVerify: () => {}, now: Date.now })
      .map(([option, value]): [string, object] => [option, { store: undefined, pepper: undefined, tokens, [option]: value }]),
    ...[{}, { ...tokens }, Object.create(tokens), 'tokens', 1, { verify () {}, settings: { name: 'default' } }].map((value): [string, object] => ['tokens', { store: undefined, pepper: undefined, tokens: value }]),
    ['store', { store: undefined, pepper: undefined, tokens: null }]
  ]
  for (const [option, options] of cases) {
    const error = await register({ ...good, ...options })
    const shown = `${option}: ${String(JSON.stringify(Object.values(options).at(-1)))}`.slice(0, 80)
    t.equal(error?.code, 'FDT_INVALID_OPTION', shown)
    t.ok(error?.message?.startsWith(`Invalid option "${option}": `), `${shown}: ${error?.message}`)
  }
  t.equal((await register(undefined))?.code, 'FDT_INVALID_OPTION')
  for (const options of [undefined, null, 1, {}, { store }, { ...good }, { store, pepper: PEPPER, ttl: 60 }]) t.throws(() => createOpaqueTokens(options as never), { code: 'FDT_INVALID_OPTION' }, String(JSON.stringify(Object.keys(Object(options)))))
})

t.test('never writes to the host\'s object', async (t) => {
  t.equal(await register(Object.freeze({ ...good, limits: Object.freeze({ unknown: Object.freeze({ max: 1 }) }), pepper: Object.freeze([PEPPER]) })), undefined)
})

t.test('a pepper is no key of another flow (T30)', async (t) => {
  const k = Buffer.from(PEPPER.key).toString('base64url')
  const text = Buffer.from(PEPPER.key).toString('latin1')
  const others: Record<string, (app: FastifyInstance) => Promise<unknown>> = {
    'session issuance under HS256': async (app) => await app.register(sessionIssuance, { issuer: ISSUER, store, credentials, keys: createKeyRing([{ key: { kty: 'oct', alg: 'HS256', k } }]) }),
    'an editor\'s inbox': async (app) => await app.register(configSigning, { inbox: text, outbox: 'Zt5XoW0nBq8MvK2hEr7CyLd4JgSi9PuF', store, allowedUrls: { server: [], browser: [] }, routes: false }),
    'an editor\'s outbox': async (app) => await app.register(configSigning, { inbox: 'Zt5XoW0nBq8MvK2hEr7CyLd4JgSi9PuF', outbox: text, store, allowedUrls: { server: [], browser: [] }, routes: false })
  }
  const own = async (app: FastifyInstance) => await app.register(opaqueTokens, { ...good, pepper: [named('new'), PEPPER] })
  for (const [name, other] of Object.entries(others)) {
    for (const order of [[own, other], [other, own]]) {
      const app = Fastify()
      t.teardown(() => app.close())
      await t.rejects(async () => {
        for (const register of order) await register(app)
      }, { code: 'FDT_INVALID_OPTION', message: /must not share a key with another flow/ }, `${name}, ${order[0] === own ? 'later' : 'first'}`)
    }
  }
  const app = Fastify()
  t.teardown(() => app.close())
  for (const name of ['one', 'two']) await app.register(async (scope) => { await scope.register(opaqueTokens, { ...good, name, prefix: `/${name}` }) })
  await app.register(sessionIssuance, { issuer: ISSUER, store, credentials, keys: createKeyRing([{ key: await generateKey('ES256') }]) })
  await t.resolves(async () => { await app.ready() }, 'two instances may share one')
})

t.test('more than one instance', async (t) => {
  inEveryHost(t, 'one per sibling scope, each with its own name', async (t) => {
    const { secret } = await credentials.create()
    const { app } = await buildHost(t, {
      register: async (around) => {
        for (const name of ['one', 'two']) {
          await around.register(async (scope) => {
            await scope.register(opaqueTokens, { ...good, name, prefix: `/${name}` })
            scope.get(`/${name}/open`, { config: { public: true }, onRequest: scope.opaqueTokens.require() }, async () => 'passed')
          })
        }
      }
    })
    t.equal(app.hasDecorator('opaqueTokens'), false, 'nothing reaches the host outside of the scopes')
    const { token } = (await post(app, '/one/generate', POSTED, { 'x-api-key': secret })).json()
    t.equal((await post(app, '/generate', POSTED, { 'x-api-key': secret })).statusCode, 404)
    const at = async (url: string) => await app.inject({ url, headers: { 'x-api-token': token } })
    t.strictSame([(await at('/one/verify')).statusCode, (await at('/one/open')).statusCode], [200, 200])
    t.strictSame(refusal(await at('/two/verify')), WRONG_TOKEN)
    t.strictSame(refusal(await at('/two/open')), { ...WRONG_TOKEN, vary: undefined })
  })

  await refuseSecondInstances(t, async (scope, own) => { await scope.register(opaqueTokens, { ...good, ...own }) })

  await t.test('siblings may share one object', async (t) => {
    const app = Fastify()
    t.teardown(() => app.close())
    const tokens = createOpaqueTokens({ store, pepper: PEPPER })
    await app.register(async (scope) => { await scope.register(opaqueTokens, { tokens, credentials }) })
    await app.register(async (scope) => {
      await scope.register(opaqueTokens, { tokens, routes: false })
      t.equal(scope.opaqueTokens, tokens)
    })
    await app.ready()
  })
})

t.test('without routes there is none', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(opaqueTokens, { store, pepper: PEPPER, routes: false })
  for (const url of ['/generate', '/verify', '/revoke', '/lookup']) t.equal((await app.inject({ method: 'POST', url })).statusCode, 404)
  const { token } = await app.opaqueTokens.issue({ parameters: { a: 1 }, auth: 'acme' })
  t.ok(Object.isFrozen(app.opaqueTokens) && Object.isFrozen(app.opaqueTokens.settings))
  t.match(await app.opaqueTokens.verify(token), { auth: 'acme', parameters: { a: 1 } })
})

t.test('a route of the flow says what it is', async (t) => {
  const seen: string[] = []
  const machine = { flow: 'opaque-tokens', caller: 'machine' }
  const app = Fastify()
  t.teardown(() => app.close())
  app.addHook('onRoute', ({ url, method, config }) => {
    t.strictSame(config?.docTokens, machine, url)
    if (!Array.isArray(method)) seen.push(`${method} ${url}`)
  })
  await app.register(opaqueTokens, { ...good, prefix: '/v1' })
  t.strictSame(seen.sort(), ['GET /v1/verify', 'POST /v1/generate', 'POST /v1/lookup', 'POST /v1/revoke', 'POST /v1/verify'])
})
