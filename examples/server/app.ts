import { STATUS_CODES } from 'node:http'
import cors from '@fastify/cors'
import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { type ApiKeyRegistry, type ClientRegistry, createApiKeyRegistry, createClientRegistry } from 'fastify-doc-tokens/credentials'
import { sessionBroker } from 'fastify-doc-tokens/session-broker'
import { sessionIssuance } from 'fastify-doc-tokens/session-issuance'
import { withDemoKey } from './api-keys.ts'
import { startAuditLog } from './audit-log.ts'
import { brokerOptions } from './broker.ts'
import { registerClientCredentials } from './client-credentials.ts'
import { clientErrors } from './client-errors.ts'
import { withDemoClient } from './clients.ts'
import { crossOrigin, headersForOrigin } from './cross-origin.ts'
import { prepareDataFolder } from './data-folder.ts'
import { documents } from './documents.ts'
import { followRequests } from './drain.ts'
import { registerEditor } from './editor/index.ts'
import { type Environment, namingVariable } from './environment.ts'
import { fileApi } from './file-api/index.ts'
import { sharedIssuer } from './issuer.ts'
import { openKeyRings } from './key-rings.ts'
import { registerOpaqueTokens } from './opaque-tokens.ts'
import { liveSchema, openApi, readySchema, rootSchema } from './openapi.ts'
import { ownHost } from './own-host.ts'
import { openSecrets } from './secrets.ts'
import { type OpenedStore, openStore } from './store.ts'
import { timeLimits } from './time-limits.ts'

export interface ExampleServer extends OpenedStore {
  app: FastifyInstance
  registry: ApiKeyRegistry
  clients: ClientRegistry
  /**
   * From now on `/health/ready` says no, so that a balancer sends nobody here any more. Resolves when no request
   * is under way.
   */
  drain (): Promise<void>
}

/** Everything but listening. Closing the app closes the store and the keys. */
export async function createServer (environment: Environment): Promise<ExampleServer> {
  const { dataDir, corsOrigins } = environment
  await prepareDataFolder(dataDir)
  const secrets = await openSecrets(environment)
  const errors = clientErrors(corsOrigins)
  const app = Fastify({
    logger: {
      level: environment.logLevel,
      // A URL can hold a secret of somebody else's making, in its path as well: only the pattern of the route reaches the log.
      serializers: { req: ({ method, routeOptions, ip }) => ({ method, url: routeOptions.url ?? 'none', remoteAddress: ip }) }
    },
    // What is no URL may hold a secret all the same, and the usual answer repeats it. No hook is run for it.
    frameworkErrors: ({ statusCode = 400, code }, request, reply) => {
      errors.follow(request, reply)
      if (!isOwnHost(request)) return refuseForeignHost(request, reply)
      return refuse(reply.headers(headersForOrigin(request.headers.origin, corsOrigins)), statusCode, code)
    },
    // A body is taken as it is or not at all.
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false } },
    trustProxy: environment.trustProxy.length > 0 ? environment.trustProxy : false,
    clientErrorHandler: errors.answer,
    // Who got in before the end is served.
    return503OnClosing: false,
    ...timeLimits(environment.requestTimeout)
  })
  // Who sends a request and then closes that half of the connection waits for the answer. Not in Node.js's types.
  Object.assign(app.server, { httpAllowHalfOpen: true })
  const { store, persistently } = await openStore(environment, app)
  // At the start it is thrown as well.
  const keys = await openKeyRings(environment, secrets, { store, persistently }, (error) => { if (app.server.listening) app.log.error(error, 'keys that changed cannot be used') })
  const issuer = environment.issuerIsDefault ? await persistently(async () => await sharedIssuer(store, environment.issuer)) : environment.issuer
  const registry = createApiKeyRegistry({ store })
  const credentials = withDemoKey(registry, environment.demoApiKey)
  const clients = createClientRegistry({ store })

  const { auditLog } = environment
  const endAuditLog = auditLog === undefined ? () => {} : await namingVariable('AUDIT_LOG', async () => startAuditLog(auditLog, app.log))
  app.addHook('onClose', async () => {
    endAuditLog()
    await keys.close()
    await store.close()
  })
  const isOwnHost = ownHost(app, environment)
  const refuseForeignHost = ({ headers }: FastifyRequest, reply: FastifyReply): FastifyReply => {
    return refuse(reply.headers({ 'cache-control': 'no-store', ...headersForOrigin(headers.origin, corsOrigins) }), 421, 'FOREIGN_HOST')
  }
  const { isDraining, drain } = followRequests(app)
  // With a callback: what follows the headers may be broken, and is read before a promise could be kept.
  app.addHook('onRequest', (request, reply, done) => {
    errors.follow(request, reply)
    if (isOwnHost(request)) done()
    else refuseForeignHost(request, reply)
  })
  app.addHook('onSend', async (_request, reply) => {
    if (reply.statusCode === 503 && !reply.hasHeader('retry-after')) reply.header('retry-after', 1)
  })

  if (corsOrigins.length > 0) await app.register(cors, crossOrigin(corsOrigins))
  // The names of a body's members are what somebody sent, and the log would repeat them from here.
  app.setErrorHandler((error: FastifyError) => {
    Reflect.deleteProperty(error, 'validation')
    throw error
  })
  app.setNotFoundHandler((_request, reply) => refuse(reply, 404, 'FST_ERR_NOT_FOUND'))
  await app.register(swagger, openApi(environment.issuerIsDefault ? '/' : issuer))
  await app.register(swaggerUi, { routePrefix: '/docs' })

  await app.register(sessionIssuance, { issuer, keys: keys.sessions, store, credentials, optionalMembers: ['user_id', 'nbf', 'allowed_origins'] })
  await app.register(sessionBroker, brokerOptions(app, credentials, corsOrigins))
  await app.register(documents, { store, credentials })
  await registerEditor(app, { environment, store, credentials })
  await registerOpaqueTokens(app, { store, credentials, pepper: secrets.peppers })
  await registerClientCredentials(app, { issuer, keys: keys.access, store, clients: withDemoClient(clients, environment.demoClient) })
  await app.register(fileApi, { publicUrl: issuer.replace(/\/$/, '') })

  app.get('/', { schema: rootSchema }, async (_request, reply) => reply.redirect('/docs'))
  app.get('/health/live', { schema: liveSchema }, async () => ({ status: 'ok' }))
  app.get('/health/ready', { schema: readySchema }, async (_request, reply) => {
    if (isDraining()) return reply.code(503).send({ status: 'draining' })
    await store.ping()
    return { status: 'ok' }
  })

  return { app, registry, clients, store, persistently, drain }
}

/** In Fastify's shape, and without the URL that Fastify would repeat. */
function refuse (reply: FastifyReply, statusCode: number, code: string): FastifyReply {
  const error = STATUS_CODES[statusCode]
  return reply.code(statusCode).send({ statusCode, code, error, message: error })
}
