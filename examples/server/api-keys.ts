import { type FastifyReply, type FastifyRequest } from 'fastify'
import { type ApiKeyRecord, type ApiKeyRegistry, type ApiKeySource, authenticateApiKey, digestSecret } from 'fastify-doc-tokens/credentials'
import { InvalidCredentialError } from 'fastify-doc-tokens/errors'

/** The registry and, before it, one key that is known from the environment and kept in memory only. */
export function withDemoKey (registry: ApiKeyRegistry, demoApiKey: string | undefined): ApiKeySource {
  if (demoApiKey === undefined) return registry

  const createdAt = Math.floor(Date.now() / 1000)
  const digest = digestSecret(demoApiKey)
  const record: ApiKeyRecord = { id: 'demo', createdAt, secrets: [{ digest, createdAt }] }
  return { find: async (presented) => presented.digest === digest ? record : await registry.find(presented) }
}

/** A hook for routes of the host's own that want the same API keys as the flow. */
export function requireApiKey (source: ApiKeySource) {
  return async ({ headers }: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const key = headers['x-api-key'] ?? /^Bearer +(\S+)$/i.exec(headers.authorization ?? '')?.[1]
    try {
      await authenticateApiKey(source, String(key ?? ''), { flow: 'session-issuance' })
    } catch (error) {
      // RFC 9110, section 11.6.1. An outage is no matter of credentials.
      if (error instanceof InvalidCredentialError) reply.header('www-authenticate', 'Bearer')
      throw error
    }
  }
}
