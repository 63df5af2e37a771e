import swagger, { type FastifyDynamicSwaggerOptions } from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import Fastify, { type FastifyInstance, type RouteOptions } from 'fastify'
import { Type } from '@sinclair/typebox'
import t, { type Test } from 'tap'
import { createApiKeyRegistry, createClientRegistry } from '../../lib/credentials/index.ts'
import { createKeyRing, generateKey } from '../../lib/keys/index.ts'
import { createMemoryStore } from '../../lib/stores/memory.ts'
import { clientCredentials } from '../../plugins/client-credentials/index.ts'
import { configSigning } from '../../plugins/config-signing/index.ts'
import { opaqueTokens, type OpaqueRoutesOptions } from '../../plugins/opaque-tokens/index.ts'
import { sessionBroker } from '../../plugins/session-broker/index.ts'
import { createDocumentSessions, securitySchemes, sessionIssuance } from '../../plugins/session-issuance/index.ts'
import { INBOX, OUTBOX } from '../support/editor-tokens.ts'
import { PEPPER } from '../support/opaque-host.ts'
import { type OpenApiDocument, type Operation, operationsOf, problemsOf } from '../support/openapi.ts'

const ISSUER = 'https://tokens.example'

const info = { title: 'The host', version: '1' }

/** What the host declares for itself. */
const own = { apiKey: { type: 'apiKey', in: 'query', name: 'key' }, bearer: { type: 'http', scheme: 'bearer' } } as const

/** An app with @fastify/swagger and what `register` adds. */
async function host (t: Test, options: FastifyDynamicSwaggerOptions, register: (app: FastifyInstance) => Promise<void>): Promise<{ app: FastifyInstance, document: OpenApiDocument }> {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(swagger, options)
  await app.register(swaggerUi, { routePrefix: '/docs' })
  await register(app)
  await app.ready()
  const reply = await app.inject('/docs/json')
  t.equal(reply.statusCode, 200, 'there is a document')
  return { app, document: reply.json() }
}

async function flow () {
  const store = createMemoryStore()
  return { issuer: ISSUER, keys: createKeyRing([{ key: await generateKey('ES256') }]), store, credentials: createApiKeyRegistry({ store }) }
}

const editor = {
  inbox: INBOX,
  outbox: OUTBOX,
  store: createMemoryStore(),
  allowedUrls: { server: [], browser: [] },
  authorize: { config: () => null, methods: { insertImage: () => null }, explain: () => null }
}

const paths = (document: OpenApiDocument) => Object.entries(document.paths).flatMap(([path, methods]) => Object.keys(methods).map((method) => `${method} ${path}`)).sort()

t.test('the flow in a host of any version', async (t) => {
  const expected = ['post /viewer/sessions', 'post /viewer/sessions/revoke']
  const cases: Array<{ name: string, options: FastifyDynamicSwaggerOptions, version: string }> = [
    { name: 'the default', options: { openapi: { info } }, version: '3.0.3' },
    { name: '3.0.3', options: { openapi: { openapi: '3.0.3', info } }, version: '3.0.3' },
    { name: '3.1.0', options: { openapi: { openapi: '3.1.0', info } }, version: '3.1.0' },
    { name: '3.2.0', options: { openapi: { openapi: '3.2.0', info } }, version: '3.2.0' },
    { name: 'schemes of the host beside ours', options: { openapi: { openapi: '3.1.0', info, components: { securitySchemes: own } } }, version: '3.1.0' },
    { name: 'ours declared by the host', options: { openapi: { openapi: '3.1.0', info, components: { securitySchemes } } }, version: '3.1.0' },
    { name: 'HEAD routes shown', options: { openapi: { openapi: '3.1.0', info }, exposeHeadRoutes: true }, version: '3.1.0' }
  ]
  for (const { name, options, version } of cases) {
    await t.test(name, async (t) => {
      const { document } = await host(t, options, async (app) => { await app.register(sessionIssuance, await flow()) })
      t.equal(document.openapi, version)
      t.strictSame(await problemsOf(document), [])
      t.strictSame(paths(document), expected, 'no other methods, and no HEAD')
    })
  }

  await t.test('Swagger 2', async (t) => {
    const { document } = await host(t, { swagger: { info } }, async (app) => { await app.register(sessionIssuance, await flow()) })
    t.equal(document.swagger, '2.0')
    t.strictSame(paths(document), expected)
    t.match(document, { securityDefinitions: { docTokensBearer: { type: 'apiKey', in: 'header', name: 'Authorization' }, docTokensApiKey: { name: 'x-api-key' } } })

    const securityDefinitions = { docTokensBearer: { type: 'basic' }, docTokensApiKey: { type: 'basic' } } as const
    const { document: declared } = await host(t, { swagger: { info, securityDefinitions } }, async (app) => { await app.register(sessionIssuance, await flow()) })
    t.match(declared, { securityDefinitions }, 'what the host declared stays')
  })
})

t.test('routes of users, in a host of any version', async (t) => {
  const cookie = { type: 'apiKey', in: 'cookie', name: 'login' } as const
  const register = async (app: FastifyInstance) => {
    await app.register(sessionBroker, { sessions: await createDocumentSessions(await flow().then(({ credentials, ...options }) => options)), authorize: () => null, security: [{ cookie: [] }] })
    await app.register(configSigning, { ...editor, security: [{ cookie: [] }] })
  }
  const expected = ['post /api/create-session', 'post /editor/config', 'post /editor/explain', 'post /editor/methods/{method}']
  for (const openapi of ['3.0.3', '3.1.0', '3.2.0']) {
    const { document } = await host(t, { openapi: { openapi, info, components: { securitySchemes: { cookie } } }, exposeHeadRoutes: true }, register)
    t.strictSame(await problemsOf(document), [], openapi)
    t.strictSame(paths(document), expected)
    t.strictSame(Object.keys(document.components?.securitySchemes ?? {}), ['cookie'], 'none of ours, which are of machines')
  }
  const { document } = await host(t, { swagger: { info, securityDefinitions: { cookie: { type: 'apiKey', in: 'header', name: 'cookie' } } } }, register)
  t.strictSame(paths(document), expected)
})

t.test('opaque tokens, in a host of any version', async (t) => {
  const { docTokensBearer, docTokensApiKey, docTokensOpaque } = securitySchemes
  const parameters = Type.Object({ file: Type.String() }, { 'x-examples': { file: { value: { file: 'a' } } } })
  const register = (options: Partial<OpaqueRoutesOptions> & { parameters?: typeof parameters } = {}) => async (app: FastifyInstance) => {
    const { store, credentials } = await flow()
    await app.register(opaqueTokens, { store, pepper: PEPPER, credentials, ...options })
  }
  const expected = ['get /verify', 'post /generate', 'post /lookup', 'post /revoke', 'post /verify']
  const cases = [{}, { verifiers: (await flow()).credentials }, { includeAccessor: true }, { parameters }]
  for (const openapi of ['3.0.3', '3.1.0', '3.2.0']) {
    for (const options of cases) {
      const { document } = await host(t, { openapi: { openapi, info }, exposeHeadRoutes: true }, register(options))
      t.strictSame(await problemsOf(document), [], `${openapi} ${Object.keys(options).join()}`)
      t.strictSame(paths(document), expected, 'no other methods, and no HEAD')
      t.strictSame(document.components?.securitySchemes, { docTokensBearer, docTokensApiKey, docTokensOpaque })
    }
  }
  const { document: swagger2 } = await host(t, { swagger: { info } }, register())
  t.strictSame(paths(swagger2), expected)
  t.match(swagger2, { securityDefinitions: { docTokensOpaque: { type: 'apiKey', in: 'header', name: 'x-api-token' } } })

  const operationOf = async (options: Parameters<typeof register>[0], id: string): Promise<Operation> => {
    const { document } = await host(t, { openapi: { openapi: '3.1.0', info } }, register(options))
    return operationsOf(document).find(({ operationId }) => operationId === id) as Operation // it is there
  }
  for (const id of ['verifyToken', 'verifyPostedToken']) {
    t.strictSame((await operationOf({}, id)).security, [{ docTokensOpaque: [] }])
    t.strictSame((await operationOf({ verifiers: (await flow()).credentials }, id)).security, [{ docTokensOpaque: [], docTokensBearer: [] }, { docTokensOpaque: [], docTokensApiKey: [] }])
  }
  const exampleOf = async (options: Parameters<typeof register>[0], status: string) => JSON.stringify((await operationOf(options, 'generateToken')).responses[status]?.content)
  t.notMatch(await exampleOf({}, '200'), 'accessor')
  t.match(await exampleOf({ includeAccessor: true }, '200'), '"accessor":"')
  t.match((await operationOf({ parameters }, 'generateToken')).requestBody?.content['application/json']?.schema, { properties: { file: { type: 'string' } }, required: ['file'] })
  t.match(await exampleOf({}, '403'), 'FDT_WRONG_TOKEN')
  t.match((await operationOf({ prefix: '/a_b/c' }, 'generateToken_a~_b_c')).path, '/a_b/c/generate')
})

t.test('client credentials, in a host of any version', async (t) => {
  const register = (options: object = {}) => async (app: FastifyInstance) => {
    const store = createMemoryStore()
    await app.register(clientCredentials, { issuer: ISSUER, store, keys: createKeyRing([{ key: await generateKey('ES256') }]), scopes: ['api.read'], clients: createClientRegistry({ store }), aliases: ['/oauth2/token'], ...options })
  }
  const documents = ['get /.well-known/jwks.json', 'get /.well-known/oauth-authorization-server', 'get /.well-known/oauth-protected-resource', 'get /.well-known/openid-configuration/jwks']
  const expected = [...documents, 'post /connect/introspect', 'post /connect/revocation', 'post /connect/token', 'post /oauth2/token']
  for (const openapi of ['3.0.3', '3.1.0', '3.2.0']) {
    for (const options of [{}, { dpop: true, publicUrl: ISSUER }, { profile: 'identityserver', audience: 'api.products' }]) {
      const { document } = await host(t, { openapi: { openapi, info }, exposeHeadRoutes: true }, register(options))
      const own = 'audience' in options ? expected.filter((path) => !path.endsWith('oauth-protected-resource')) : expected
      t.strictSame(paths(document).filter((path) => !path.startsWith('head ')), own, `${openapi} ${Object.keys(options).join()}`)
      t.strictSame(await problemsOf(document), [])
      t.strictSame(document.components?.securitySchemes, { docTokensClient: securitySchemes.docTokensClient })
    }
  }
  const { document: swagger2 } = await host(t, { swagger: { info } }, register())
  t.strictSame(paths(swagger2).filter((path) => !path.startsWith('head ')), expected)
  t.match(swagger2, { securityDefinitions: { docTokensClient: { type: 'basic' } } })

  const { document } = await host(t, { openapi: { openapi: '3.1.0', info } }, register({ metadata: false, prefix: '/a_b' }))
  const ids = Object.fromEntries(operationsOf(document).map(({ path, operationId }) => [path, operationId]))
  t.match(ids, { '/a_b/connect/token': 'getToken_a~_b', '/a_b/oauth2/token': 'getToken1_a~_b', '/a_b/.well-known/jwks.json': 'getAccessTokenKeys_a~_b' })
  const token = operationsOf(document).find(({ path }) => path === '/a_b/connect/token')
  t.strictSame(token?.security, [{ docTokensClient: [] }, {}])
  t.strictSame(Object.keys(token?.requestBody?.content ?? {}), ['application/x-www-form-urlencoded'])
})

t.test('security schemes', async (t) => {
  await t.test('that the host did not declare are declared for it, and its own objects stay as they are', async (t) => {
    const components = { securitySchemes: { ...own } }
    const { document } = await host(t, { openapi: { info, components } }, async (app) => { await app.register(sessionIssuance, await flow()) })
    const { docTokensBearer, docTokensApiKey } = securitySchemes
    t.strictSame(document.components?.securitySchemes, { ...own, docTokensBearer, docTokensApiKey })
    t.strictSame(components, { securitySchemes: own })
  })

  await t.test('that it did declare are its own', async (t) => {
    const docTokensBearer = { type: 'http', scheme: 'bearer', description: 'Ask us for one' } as const
    const { document } = await host(t, { openapi: { info, components: { securitySchemes: { docTokensBearer } } } }, async (app) => { await app.register(sessionIssuance, await flow()) })
    t.strictSame(document.components?.securitySchemes, { docTokensBearer, docTokensApiKey: securitySchemes.docTokensApiKey })
  })

  const hooks: Array<{ name: string, change: (route: RouteOptions) => void }> = [
    { name: 'gave the routes others', change: (route) => { route.schema = { ...route.schema, security: [{ bearer: [] }] } } },
    { name: 'took them from the routes', change: (route) => { route.schema = Object.fromEntries(Object.entries({ ...route.schema }).filter(([member]) => member !== 'security')) } },
    { name: 'took all that describes them', change: (route) => { Reflect.deleteProperty(route, 'schema') } }
  ]
  for (const { name, change } of hooks) {
    await t.test(`are not declared where a hook of the host ${name}`, async (t) => {
      for (const openapi of [{ info }, { info, components: { securitySchemes: own } }]) {
        if (name === 'gave the routes others' && !('components' in openapi)) continue
        const { document } = await host(t, { openapi }, async (app) => {
          app.addHook('onRoute', change)
          await app.register(sessionIssuance, await flow())
        })
        t.strictSame(document.components, { schemas: {}, ...('components' in openapi && { securitySchemes: own }) })
      }
    })
  }

  await t.test('fit its own routes behind a guard', async (t) => {
    const { document } = await host(t, { openapi: { info, components: { securitySchemes } } }, async (app) => {
      await app.register(sessionIssuance, { issuer: ISSUER, keys: createKeyRing([{ key: await generateKey('ES256') }]), store: createMemoryStore(), routes: false })
      app.get('/documents/:id', { onRequest: app.documentSessions.require('read', { param: 'id' }), schema: { security: [{ docTokensSession: [] }] } }, async () => 'text')
    })
    t.strictSame(paths(document), ['get /documents/{id}'])
    t.strictSame(document.paths['/documents/{id}']?.['get']?.security, [{ docTokensSession: [] }])
  })

  await t.test('are there when a transform of the host sees its own routes alone', async (t) => {
    const seen: string[] = []
    const { document } = await host(t, {
      openapi: { info },
      transform: ({ schema, url }) => {
        seen.push(url)
        // As one that converts schemas of another library.
        if (/^\/(?:viewer|api|editor)\//.test(url)) throw new TypeError('no schema of mine')
        return { schema, url }
      }
    }, async (app) => {
      app.get('/own', async () => 'mine')
      await app.register(sessionIssuance, await flow())
      await app.register(sessionBroker, { sessions: app.documentSessions, authorize: () => null, security: [{ docTokensBearer: [] }] })
      await app.register(configSigning, editor)
    })
    t.ok(seen.includes('/own'))
    t.strictSame(paths(document), ['get /own', 'post /api/create-session', 'post /editor/config', 'post /editor/explain', 'post /editor/methods/{method}', 'post /viewer/sessions', 'post /viewer/sessions/revoke'])
  })
})

t.test('several instances: each under its prefix, with ids of its own', async (t) => {
  const { document } = await host(t, { openapi: { openapi: '3.1.0', info } }, async (app) => {
    const shared = await createDocumentSessions(await flow().then(({ credentials, ...options }) => ({ ...options, name: 'shared' })))
    await app.register(async (scope) => { await scope.register(sessionIssuance, { ...await flow(), name: 'one' }) })
    await app.register(async (scope) => { await scope.register(sessionIssuance, { ...await flow(), name: 'two', prefix: '/a/b' }) })
    await app.register(async (scope) => { await scope.register(sessionIssuance, { ...await flow(), name: 'three', prefix: '/a_b' }) })
    for (const prefix of ['/v1', '/v2']) {
      await app.register(async (scope) => { await scope.register(sessionIssuance, { sessions: shared, credentials: (await flow()).credentials, prefix: '/c' }) }, { prefix })
      await app.register(async (scope) => { await scope.register(configSigning, { ...editor, name: prefix.slice(1), prefix: '/office' }) }, { prefix })
    }
  })
  t.strictSame(await problemsOf(document), [], 'ids are there once')
  const ids = Object.fromEntries(operationsOf(document).map(({ path, operationId }) => [path, operationId]))
  t.match(ids, {
    '/viewer/sessions': 'createDocumentSession',
    '/viewer/sessions/revoke': 'revokeDocumentSession',
    '/a/b/viewer/sessions': 'createDocumentSession_a_b',
    '/v1/c/viewer/sessions': 'createDocumentSession_v1_c',
    '/v2/c/viewer/sessions/revoke': 'revokeDocumentSession_v2_c',
    '/v1/office/editor/config': 'createEditorConfig_v1_office',
    '/v2/office/editor/methods/{method}': 'signEditorMethod_v2_office'
  })
  t.equal(Object.keys(ids).length, 16)
})

t.test('examples are of what the instance takes', async (t) => {
  const examplesIn = async (options: object) => {
    const { document } = await host(t, { openapi: { openapi: '3.1.0', info } }, async (app) => { await app.register(sessionIssuance, { ...await flow(), ...options }) })
    t.strictSame(await problemsOf(document), [])
    const { requestBody } = operationsOf(document)[0] as Operation // there are two
    return JSON.stringify(requestBody?.content['application/json']?.examples)
  }
  t.match(await examplesIn({ permissions: ['sign', 'look'] }), '"document_permissions":["sign"]')
  t.notMatch(await examplesIn({}), 'user_id')
  t.match(await examplesIn({ optionalMembers: ['user_id'] }), '"user_id":"jane"')
})

t.test('the check of a document finds what is wrong with it', async (t) => {
  const { document } = await host(t, { openapi: { openapi: '3.1.0', info } }, async (app) => { await app.register(sessionIssuance, await flow()) })
  type Bent = Operation & Record<string, unknown>
  const cases: Array<{ name: string, bend: (operation: Bent, document: OpenApiDocument) => void, problem: RegExp }> = [
    { name: 'no OpenAPI', bend: (operation) => { Object.assign(operation, { responses: [] }) }, problem: /^invalid: / },
    { name: 'an id twice', bend: (operation) => { operation.operationId = 'revokeDocumentSession' }, problem: /is there twice$/ },
    { name: 'no id', bend: (operation) => { Reflect.deleteProperty(operation, 'operationId') }, problem: /no operationId$/ },
    { name: 'no summary', bend: (operation) => { delete operation.summary }, problem: /no summary$/ },
    { name: 'no tags', bend: (operation) => { operation.tags = [] }, problem: /no tags$/ },
    { name: 'an undeclared tag', bend: (_operation, document) => { document.tags = [{ name: 'others' }] }, problem: /a tag that is not declared$/ },
    { name: 'no security', bend: (operation) => { delete operation.security }, problem: /no security$/ },
    { name: 'an undeclared scheme', bend: (operation) => { operation.security = [{ bearer: [] }] }, problem: /no security scheme bearer$/ },
    { name: 'a parameter of no path', bend: (operation) => { operation.parameters = [{ name: 'id', in: 'path', required: true, description: 'Which', schema: { type: 'string' }, example: 'x' }] }, problem: /parameters are not those of the path$/ },
    { name: 'no description of an answer', bend: ({ responses }) => { Object.assign(responses['201'] ?? {}, { description: 'Default Response' }) }, problem: /201: no description$/ },
    { name: 'a header without an example', bend: ({ responses }) => { delete responses['201']?.headers?.['RateLimit']?.schema.example }, problem: /201: RateLimit: no example$/ },
    { name: 'a header with another one', bend: ({ responses }) => { Object.assign(responses['503']?.headers?.['Retry-After']?.schema ?? {}, { example: 'soon' }) }, problem: /503: Retry-After: .*integer$/ },
    { name: 'an answer without an example', bend: ({ responses }) => { delete responses['401']?.content?.['application/json']?.examples }, problem: /401: application\/json: no example$/ },
    { name: 'an example with another member', bend: ({ responses }) => { Object.assign(responses['201']?.content?.['application/json']?.examples?.['session']?.value ?? {}, { id: 1 }) }, problem: /session: .*additional properties$/ },
    { name: 'a body that is refused', bend: ({ requestBody }) => { Object.assign(requestBody?.content['application/json']?.examples?.['document']?.value ?? {}, { exp: 'soon' }) }, problem: /body: document: \/exp .*integer$/ }
  ]
  for (const { name, bend, problem } of cases) {
    const bent = structuredClone(document)
    bend(bent.paths['/viewer/sessions']?.['post'] as Bent, bent)
    const problems = await problemsOf(bent)
    t.ok(problems.length > 0 && problems.every((found) => problem.test(found) || name === 'an undeclared tag'), `${name}: ${problems.join()}`)
  }
})
