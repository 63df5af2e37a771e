import { randomBytes } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import cors from '@fastify/cors'
import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import Fastify, { type FastifyInstance } from 'fastify'
import { type ApiKeyRegistry, createApiKeyRegistry } from 'fastify-doc-tokens/credentials'
import { followKeyFile, type KeyRing, openStoredKeyRing, parseNamedKey } from 'fastify-doc-tokens/keys'
import { sessionIssuance } from 'fastify-doc-tokens/session-issuance'
import { openLmdbStore } from 'fastify-doc-tokens/stores/lmdb'
import { type TokenStore } from 'fastify-doc-tokens/stores/memory'
import { withDemoKey } from './api-keys.ts'
import { documents } from './documents.ts'
import { type Environment } from './environment.ts'
import { readOrCreate } from './secret-file.ts'

export interface ExampleServer {
  app: FastifyInstance
  registry: ApiKeyRegistry
  store: TokenStore
  /** From now on `/health/ready` says no, so that a balancer sends nobody here any more. */
  drain (): void
}

/** Everything but listening. Closing the app closes the store and the keys. */
export async function createServer (environment: Environment): Promise<ExampleServer> {
  const { dataDir, issuer } = environment
  await mkdir(dataDir, { recursive: true, mode: 0o700 })
  const store = await openLmdbStore({ path: join(dataDir, 'store') })
  const keys = await openKeys(environment, store)
  const registry = createApiKeyRegistry({ store })
  const credentials = withDemoKey(registry, environment.demoApiKey)
  let ready = true

  const app = Fastify({
    logger: {
      level: environment.logLevel,
      // The query of a URL can hold a secret of somebody else's making: it does not reach the log.
      serializers: { req: ({ method, url, ip }) => ({ method, url: url.replace(/\?.*/s, ''), remoteAddress: ip }) }
    },
    trustProxy: environment.trustProxy.length > 0 ? environment.trustProxy : false,
    // A client that sends or reads slowly does not hold a connection for ever.
    connectionTimeout: 60_000,
    requestTimeout: 30_000
  })
  app.addHook('onClose', async () => {
    await keys.close()
    await store.close()
  })

  if (environment.corsOrigins.length > 0) {
    await app.register(cors, { origin: environment.corsOrigins, credentials: true, exposedHeaders: ['WWW-Authenticate', 'Retry-After'], maxAge: 600 })
  }
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'fastify-doc-tokens example server', version: '0.1.0' },
      servers: [{ url: issuer }],
      components: {
        securitySchemes: {
          bearer: { type: 'http', scheme: 'bearer', description: 'An API key' },
          apiKey: { type: 'apiKey', in: 'header', name: 'x-api-key', description: 'An API key' },
          session: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: 'A document session' }
        }
      }
    }
  })
  await app.register(swaggerUi, { routePrefix: '/docs' })

  await app.register(sessionIssuance, { issuer, keys, store, credentials, optionalMembers: ['user_id', 'nbf', 'allowed_origins'] })
  await app.register(documents, { store, credentials })

  const hidden = { schema: { hide: true } }
  app.get('/', hidden, async (_request, reply) => reply.redirect('/docs'))
  app.get('/health/live', hidden, async () => ({ status: 'ok' }))
  app.get('/health/ready', hidden, async (_request, reply) => {
    if (!ready) return reply.code(503).send({ status: 'draining' })
    await store.ping()
    return { status: 'ok' }
  })

  return { app, registry, store, drain: () => { ready = false } }
}

async function openKeys ({ keysFile, keyEncryptionKeys, dataDir }: Environment, store: TokenStore): Promise<KeyRing> {
  if (keysFile !== undefined) return await followKeyFile({ file: keysFile, flow: 'sessions' })

  const sealing = keyEncryptionKeys ?? [parseNamedKey(await readOrCreate(join(dataDir, 'key-encryption-key'), () => `1:${randomBytes(32).toString('base64')}`))]
  return await openStoredKeyRing({ store, name: 'sessions', keyEncryptionKeys: sealing })
}
