/** What a host adds to get guarded documents, and all that it adds: `app.register(guardedDocuments, …)`. */
import { type FastifyContextConfig, type FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { type ApiKeySource } from '../../lib/credentials/index.ts'
import { type KeyRing } from '../../lib/keys/index.ts'
import { type TokenStore } from '../../lib/stores/token-store.ts'
import { sessionIssuance } from '../../plugins/session-issuance/index.ts'

export interface GuardedDocumentsOptions {
  issuer: string
  keys: KeyRing
  store: TokenStore
  credentials: ApiKeySource
  /** A document of the host's. */
  find: (id: string) => object | undefined
  /** What a login hook of the host's wants to see on a route that is not its concern, such as `{ public: true }`. */
  config?: FastifyContextConfig
}

const plugin: FastifyPluginAsync<GuardedDocumentsOptions> = async (app, { issuer, keys, store, credentials, find, config = {} }) => {
  app.addHook('onRoute', (route) => {
    if (route.config?.docTokens?.caller !== 'machine') return
    // A machine shows an API key: it has no login of the host's, and needs none.
    route.config = { ...route.config, ...config }
  })

  await app.register(sessionIssuance, { issuer, keys, store, credentials })

  app.get<{ Params: { id: string } }>('/viewer/documents/:id', {
    config,
    onRequest: app.documentSessions.require('read', { param: 'id' })
  }, async (request, reply) => find(request.params.id) ?? reply.callNotFound())
}

/** In the host's own scope, where whatever the flow let slip would be felt. */
export const guardedDocuments = fp(plugin, { name: 'guarded-documents' })
