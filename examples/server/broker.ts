import { type FastifyInstance, type FastifyRequest } from 'fastify'
import { type ApiKeySource, type Credential } from 'fastify-doc-tokens/credentials'
import { FlowNotAllowedError, InvalidCredentialError, MultipleCredentialsError } from 'fastify-doc-tokens/errors'
import { type BrokerRoutesOptions } from 'fastify-doc-tokens/session-broker'
import { authenticate } from './api-keys.ts'
import { catalogue } from './catalogue.ts'

/** Seconds that a session lives which somebody opened a document with. */
const LIFETIME = 600

/**
 * How the broker of the example knows its users. It has no others than who holds an API key, so that is the login
 * here; where users log in with a cookie is in examples/cookie-login.ts.
 */
export function brokerOptions (app: FastifyInstance, credentials: ApiKeySource, corsOrigins: readonly string[]) {
  const users = new WeakMap<FastifyRequest, Credential>()

  return {
    sessions: app.documentSessions,
    trustedOrigins: corsOrigins,
    onRequest: async (request, reply) => { users.set(request, await authenticate(credentials, request, reply).catch(asLogin)) },
    limitKey: (request) => String(users.get(request)?.id),
    authorize: (request, { documentId }) => {
      const user = users.get(request)
      const permissions = (['read', 'download'] as const).filter((permission) => user?.permissions?.includes(permission) !== false)
      const isKnown = catalogue.some(({ id }) => id === documentId)
      if (user === undefined || !isKnown || user.documents?.includes(documentId) === false || permissions.length === 0) return null
      return { subject: user.id, documents: [{ id: documentId, permissions }], expiresIn: Math.min(LIFETIME, user.maxLifetime ?? LIFETIME) }
    },
    security: [{ docTokensBearer: [] }, { docTokensApiKey: [] }]
  } satisfies BrokerRoutesOptions & { sessions: unknown }
}

/** A login is good or not. */
function asLogin (error: unknown): never {
  throw error instanceof MultipleCredentialsError || error instanceof FlowNotAllowedError ? new InvalidCredentialError({ cause: error }) : error
}
