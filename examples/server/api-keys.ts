import { type FastifyReply, type FastifyRequest } from 'fastify'
import { type ApiKeyRecord, type ApiKeyRegistry, type ApiKeySource, authenticateApiKey, type Credential, digestSecret } from 'fastify-doc-tokens/credentials'
import { InvalidCredentialError, MissingCredentialError } from 'fastify-doc-tokens/errors'

/** The registry and, before it, one key that is known from the environment and kept in memory only. */
export function withDemoKey (registry: ApiKeyRegistry, demoApiKey: string | undefined): ApiKeySource {
  if (demoApiKey === undefined) return registry

  const createdAt = Math.floor(Date.now() / 1000)
  const digest = digestSecret(demoApiKey)
  const record: ApiKeyRecord = { id: 'demo', createdAt, secrets: [{ digest, createdAt }] }
  return { find: async (presented) => presented.digest === digest ? record : await registry.find(presented) }
}

/**
 * Who calls a route of the host's own with an API key of the flow's.
 *
 * @throws {MissingCredentialError} `FDT_MISSING_CREDENTIAL` (401), with a challenge on the reply, and likewise
 * `FDT_INVALID_CREDENTIAL`.
 */
export async function authenticate (source: ApiKeySource, { headers }: FastifyRequest, reply: FastifyReply): Promise<Credential> {
  const key = headers['x-api-key'] ?? /^Bearer +(\S+)$/i.exec(headers.authorization ?? '')?.[1]
  try {
    if (key === undefined) throw new MissingCredentialError()
    return await authenticateApiKey(source, String(key), { flow: 'session-issuance' })
  } catch (error) {
    // RFC 9110, section 11.6.1. An outage is no matter of credentials.
    if (error instanceof MissingCredentialError || error instanceof InvalidCredentialError) reply.header('www-authenticate', 'Bearer')
    throw error
  }
}
