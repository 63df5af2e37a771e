import { type FastifyReply, type FastifyRequest } from 'fastify'
import { type ApiKeyRecord, type ApiKeyRegistry, type ApiKeySource, authenticateApiKey, digestSecret } from 'fastify-doc-tokens/credentials'

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
    // Set before anything throws: 401 must carry a challenge (RFC 9110, section 11.6.1).
    reply.header('www-authenticate', 'Bearer')
    const key = headers['x-api-key'] ?? /^Bearer +(\S+)$/i.exec(headers.authorization ?? '')?.[1]
    await authenticateApiKey(source, String(key ?? ''), { flow: 'session-issuance' })
    reply.removeHeader('www-authenticate')
  }
}
