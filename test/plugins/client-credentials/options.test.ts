import Fastify, { type FastifyInstance } from 'fastify'
import t from 'tap'
import { createApiKeyRegistry, createClientRegistry } from '../../../lib/credentials/index.ts'
import { createKeyRing, generateKey, type JsonWebKey } from '../../../lib/keys/index.ts'
import { createMemoryStore } from '../../../lib/stores/memory.ts'
import { clientCredentials, type ClientCredentialsOptions, createAccessTokens } from '../../../plugins/client-credentials/index.ts'
import { sessionIssuance } from '../../../plugins/session-issuance/index.ts'
import { buildHost, inEveryHost } from '../../support/hosts.ts'
import { refuseSecondInstances } from '../../support/instances.ts'
import { ISSUER, ringOf, SCOPES } from '../../support/oauth-host.ts'
import { registrationError } from '../../support/registrations.ts'

const store = createMemoryStore()
const clients = createClientRegistry({ store })
const own = { issuer: ISSUER, scopes: SCOPES, store, keys: await ringOf('ES256') }
const good = { ...own, clients }
const verifying = createKeyRing([{ key: own.keys.signing().verifyKey }])

const register = (options: unknown) => registrationError((app) => app.register(clientCredentials, options as ClientCredentialsOptions))

t.test('good options', async (t) => {
  const tokens = await createAccessTokens(own)
  const cases: object[] = [
    good,
    { ...good, routes: true },
    { ...own, routes: false },
    { ...own, routes: false, clients: undefined, limits: undefined, aliases: undefined },
    { issuer: ISSUER, scopes: SCOPES, keys: verifying, routes: false },
    { issuer: ISSUER, scopes: SCOPES, keys: verifying, store, routes: false },
    { ...good, aliases: [], legacyAudience: [], metadata: false, prefix: '/api/v1' },
    { ...good, aliases: ['/oauth2/token', '/v4.0/words/connect/token', '/a~b'], legacyAudience: [`${ISSUER}/connect/token`], metadata: true, prefix: '' },
    { ...good, clients: { find: async () => undefined } },
    { ...good, limits: { address: { max: 1, timeWindow: 1 }, credential: { max: 1 }, failures: false } },
    { ...good, name: 'a', profile: 'identityserver', audience: 'api.platform', resources: ['https://files.example'], defaultLifetime: 1, maxLifetime: 1, clockTolerance: 60, cacheBytes: 0, now: () => 1, grantScopes: () => [] },
    { ...good, dpop: true, publicUrl: ISSUER },
    { ...good, dpop: { nonceSecret: 'mV8Jq2xW5pRz7LtYc3Nf9DkHs4Gb6QaE' }, publicUrl: `${ISSUER}/app`, resourceMetadata: `${ISSUER}/about` },
    { tokens, clients },
    { tokens, clients, issuer: undefined, keys: undefined },
    { tokens, routes: false }
  ]
  for (const options of cases) t.equal(await register(options), undefined, Object.keys(options).join())
})

/** What is wrong by its value alone, wherever the option is taken. */
const badValues: Array<[option: string, values: readonly unknown[]]> = [
  ['issuer', [undefined, null, '', 'auth.example', '/auth', 'ftp://auth.example', `${ISSUER}?a=b`, `${ISSUER}#a`, 'https://user@auth.example', 'https://Auth.example', `https://auth.example/${'x'.repeat(2048)}`, 1, new URL(ISSUER)]],
  ['keys', [undefined, null, [], {}, 'key', createKeyRing([{ key: await generateKey('HS256') }])]],
  ['store', [undefined, null, {}, 'memory', new Map()]],
  ['scopes', [undefined, null, [], 'api.read', [''], ['a b'], ['a"'], ['a\\'], ['é'], ['x'.repeat(65)], [1], ['a', 'a'], new Array(1), Array.from({ length: 65 }, (_, index) => `s${index}`)]],
  ['name', ['', 'a b', 'a/b', 1, null, '__proto__/']],
  ['profile', ['', 'jwt', 'RFC9068', null, 1, '__proto__', 'toString']],
  ['audience', ['', 'a b', 'é', 'x'.repeat(513), 1, null, [ISSUER]]],
  ['resources', [null, 'x', [''], ['a b'], [1], ['a', 'a'], [ISSUER], new Array(1)]],
  ['maxLifetime', [0, -1, 1.5, NaN, Infinity, '60', null, 366 * 86_400 + 1]],
  ['defaultLifetime', [0, -1, 1.5, NaN, Infinity, '60', null]],
  ['clockTolerance', [-1, 61, 0.5, NaN, Infinity, '1', null]],
  ['publicUrl', ['', '/app', 'ftp://a.example', `${ISSUER}?a`, null, 1]],
  ['dpop', [1, 'yes', null, []]],
  ['resourceMetadata', ['', '/about', `${ISSUER}?a`, null, 1]],
  ['grantScopes', [[], 'api.read', null, {}]],
  ['cacheBytes', [-1, 1.5, NaN, '1', null]],
  ['now', [1, null, () => NaN, () => 'now', 'now']]
]

t.test('each bad option throws at registration, and names itself', async (t) => {
  const tokens = await createAccessTokens(own)
  const sources = [undefined, null, {}, [], [{ id: 'x' }], 'client', 1, async () => undefined, { find: 'x' }]
  const stages = ['address', 'credential', 'failures']
  const cases: Array<[option: string, options: object]> = [
    ...badValues.flatMap(([option, values]) => values.map((value): [string, object] => [option, { [option]: value }])),
    ['defaultLifetime', { defaultLifetime: 61, maxLifetime: 60 }],
    ['publicUrl', { dpop: true }],
    ...sources.map((value): [string, object] => ['clients', { clients: value }]),
    ...[null, 'x', '/oauth2/token', [1], [''], ['oauth2/token'], ['/'], ['/a/'], ['//a'], ['/a b'], ['/:tenant'], ['/*'], ['/a?b'], ['/a', '/a'], new Array(1), ['/connect/token'], ['/connect/introspect'], ['/connect/revocation'], ['/.well-known/jwks.json'], ['/.well-known/openid-configuration/jwks'], ['/.well-known/oauth-authorization-server'], ['/.well-known/oauth-protected-resource']].map((aliases): [string, object] => ['aliases', { aliases }]),
    ...['yes', 0, null].map((metadata): [string, object] => ['metadata', { metadata }]),
    ...[null, ISSUER, [''], [1], new Array(1)].map((legacyAudience): [string, object] => ['legacyAudience', { legacyAudience }]),
    ...['api', '/api/', '/a b', '/:tenant', 1, null].map((prefix): [string, object] => ['prefix', { prefix }]),
    ...[false, true, null, 60, '60', []].map((limits): [string, object] => ['limits', { limits }]),
    ['limits.user', { limits: { user: {} } }],
    ['limits.client', { limits: { client: {} } }],
    ...stages.flatMap((stage): Array<[string, object]> => [
      ...[true, null, 60, '60'].map((limit): [string, object] => [`limits.${stage}`, { limits: { [stage]: limit } }]),
      [`limits.${stage}.maxx`, { limits: { [stage]: { maxx: 1 } } }],
      ...[0, -1, NaN, '60', 1.5, null].map((max): [string, object] => [`limits.${stage}.max`, { limits: { [stage]: { max } } }]),
      ...[0, Infinity, '1 minute', null].map((timeWindow): [string, object] => [`limits.${stage}.timeWindow`, { limits: { [stage]: { timeWindow } } }])
    ]),
    ...['no', 0, null, 'false'].map((routes): [string, object] => ['routes', { routes }]),
    ...['ttl', 'maxLifeTime', 'client', 'alias', 'legacyAudiences', 'authorize', 'credentials'].map((option): [string, object] => [option, { [option]: 60 }]),
    ...Object.entries({ clients, aliases: [], metadata: false, legacyAudience: [], limits: {} }).map(([option, value]): [string, object] => [option, { clients: undefined, routes: false, [option]: value }])
  ]
  const beside = { issuer: undefined, scopes: undefined, store: undefined, keys: undefined }
  const withTokens: Array<[option: string, options: object]> = [
    ...Object.entries({ ...own, name: 'a', profile: 'rfc9068', audience: 'a', resources: [], defaultLifetime: 1, maxLifetime: 1, clockTolerance: 0, publicUrl: ISSUER, dpop: false, resourceMetadata: ISSUER, grantScopes: () => [], cacheBytes: 0, now: Date.now })
      .map(([option, value]): [string, object] => [option, { ...beside, tokens, [option]: value }]),
    ...[{}, { ...tokens }, Object.create(tokens), 'tokens', 1, { verify () {}, settings: { name: 'default' } }].map((value): [string, object] => ['tokens', { ...beside, tokens: value }])
  ]
  for (const [option, options] of [...cases, ...withTokens]) {
    const error = await register({ ...good, ...options })
    const shown = `${option}: ${String(JSON.stringify(Object.values(options).at(-1)))}`.slice(0, 80)
    t.equal(error?.code, 'FDT_INVALID_OPTION', shown)
    t.ok(error?.message?.startsWith(`Invalid option "${option}": `), `${shown}: ${error?.message}`)
  }
  t.equal((await register(undefined))?.code, 'FDT_INVALID_OPTION')
})

t.test('without a server the same options are the same mistakes', async (t) => {
  for (const [option, values] of badValues) {
    for (const value of values) {
      await t.rejects(createAccessTokens({ ...own, [option]: value } as never), { code: 'FDT_INVALID_OPTION', message: new RegExp(`^Invalid option "${option}": `) }, `${option}: ${String(JSON.stringify(value))}`.slice(0, 80))
    }
  }
  for (const options of [undefined, null, 1, {}, []]) await t.rejects(createAccessTokens(options as never), { code: 'FDT_INVALID_OPTION' })
  for (const option of ['clients', 'aliases', 'metadata', 'limits', 'prefix', 'routes', 'tokens', 'ttl']) {
    await t.rejects(createAccessTokens({ ...own, [option]: undefined } as never), { code: 'FDT_INVALID_OPTION', message: `Invalid option "${option}": there is no such option` }, option)
  }
})

t.test('routes issue, so they need a ring that signs, and a store', async (t) => {
  const options = { issuer: ISSUER, scopes: SCOPES, keys: verifying }
  for (const more of [{ clients }, { clients, store }]) t.match(await register({ ...options, ...more }), { code: 'FDT_NO_SIGNING_KEY' })

  const keys = createKeyRing([{ key: own.keys.signing().verifyKey }])
  const tokens = await createAccessTokens({ ...options, keys })
  keys.add({ key: await generateKey('ES256') }, { sign: true })
  t.match(await register({ tokens, clients }), { code: 'FDT_INVALID_OPTION', message: /^Invalid option "store": / }, 'a ring that came to sign later')

  const broken = { ...own.keys, signing: () => { throw new TypeError('broken') } }
  t.match(await register({ ...good, keys: broken }), { message: 'broken' }, 'a ring that fails is none without a key')
})

t.test('never writes to the host\'s object', async (t) => {
  const frozen = Object.freeze({ ...good, scopes: Object.freeze([...SCOPES]), resources: Object.freeze(['a']), aliases: Object.freeze(['/a']), legacyAudience: Object.freeze(['a']), limits: Object.freeze({ failures: Object.freeze({ max: 1 }) }), dpop: Object.freeze({}), publicUrl: ISSUER })
  t.equal(await register(frozen), undefined)
})

t.test('its keys sign nothing else (T30)', async (t) => {
  const jwk: JsonWebKey = await generateKey('ES256')
  const ring = () => createKeyRing([{ key: jwk }])
  const credentials = createApiKeyRegistry({ store })
  const uses: Record<string, (app: FastifyInstance) => Promise<unknown>> = {
    'access tokens': async (app) => await app.register(async (scope) => { await scope.register(clientCredentials, { ...own, issuer: `${ISSUER}/one`, keys: ring(), name: 'one', routes: false }) }),
    'those of the other profile': async (app) => await app.register(async (scope) => { await scope.register(clientCredentials, { ...own, issuer: `${ISSUER}/two`, keys: ring(), name: 'two', profile: 'identityserver', routes: false }) }),
    sessions: async (app) => await app.register(sessionIssuance, { issuer: ISSUER, store, credentials, keys: ring() })
  }
  for (const [first, one] of Object.entries(uses)) {
    for (const [second, other] of Object.entries(uses)) {
      if (first === second) continue
      t.match(await registrationError(async (app) => { await one(app); await other(app) }), { code: 'FDT_INVALID_OPTION', message: /must not share a key with another flow/ }, `${first}, then ${second}`)
    }
  }
})

t.test('more than one instance', async (t) => {
  inEveryHost(t, 'one per sibling scope, each with its own name', async (t) => {
    const { record: { id }, secret = '' } = await clients.create()
    const { app } = await buildHost(t, {
      register: async (around) => {
        for (const name of ['one', 'two']) {
          await around.register(async (scope) => {
            await scope.register(clientCredentials, { ...good, issuer: `${ISSUER}/${name}`, name, prefix: `/${name}` })
            scope.get(`/${name}/open`, { config: { public: true }, onRequest: scope.accessTokens.require('api.read') }, async () => 'passed')
          })
        }
      }
    })
    t.equal(app.hasDecorator('accessTokens'), false, 'nothing reaches the host outside of the scopes')
    const { access_token: token } = (await app.inject({ method: 'POST', url: '/one/connect/token', headers: { 'content-type': 'application/x-www-form-urlencoded' }, payload: `grant_type=client_credentials&client_id=${id}&client_secret=${secret}` })).json()
    const at = async (url: string) => (await app.inject({ url, headers: { authorization: `Bearer ${token}` } })).statusCode
    t.strictSame([await at('/one/open'), await at('/two/open')], [200, 401])
  })

  await refuseSecondInstances(t, async (scope, { name, prefix }) => { await scope.register(clientCredentials, { ...good, metadata: false, ...(name !== undefined && { name }), ...(prefix !== undefined && { prefix }) }) })

  await t.test('siblings may share one object', async (t) => {
    const app = Fastify()
    t.teardown(() => app.close())
    const tokens = await createAccessTokens(own)
    await app.register(async (scope) => { await scope.register(clientCredentials, { tokens, clients }) })
    await app.register(async (scope) => {
      await scope.register(clientCredentials, { tokens, routes: false })
      t.equal(scope.accessTokens, tokens)
    })
    await app.ready()
  })
})

t.test('without routes there is none, and what there is cannot be changed', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(clientCredentials, { ...own, routes: false })
  for (const url of ['/connect/token', '/connect/introspect', '/connect/revocation']) t.equal((await app.inject({ method: 'POST', url })).statusCode, 404)
  for (const url of ['/.well-known/jwks.json', '/.well-known/oauth-authorization-server', '/.well-known/oauth-protected-resource']) t.equal((await app.inject(url)).statusCode, 404)
  const { token } = await app.accessTokens.issue({ client: { id: 'of-the-host' } })
  t.match(await app.accessTokens.verify(token), { client: 'of-the-host', scopes: SCOPES })
  t.ok(Object.isFrozen(app.accessTokens) && Object.isFrozen(app.accessTokens.settings) && Object.isFrozen(app.accessTokens.settings.scopes))
})

t.test('a route of the flow says what it is', async (t) => {
  const seen: string[] = []
  const app = Fastify()
  t.teardown(() => app.close())
  app.addHook('onRoute', ({ url, method, config }) => {
    t.strictSame(config?.docTokens, { flow: 'client-credentials', caller: 'machine' }, url)
    if (!Array.isArray(method)) seen.push(`${method} ${url}`)
  })
  await app.register(clientCredentials, { ...good, aliases: ['/oauth2/token'], prefix: '/v1' })
  t.strictSame(seen.sort(), [
    ...['/.well-known/oauth-authorization-server', '/.well-known/oauth-protected-resource', '/v1/.well-known/jwks.json', '/v1/.well-known/openid-configuration/jwks'].flatMap((url) => [`GET ${url}`, `HEAD ${url}`]),
    ...['/v1/connect/introspect', '/v1/connect/revocation', '/v1/connect/token', '/v1/oauth2/token'].map((url) => `POST ${url}`)
  ].sort())
})
