import { type FastifyReply, type FastifyRequest } from 'fastify'
import { type ApiKeyRecord, type ApiKeyRegistry, type ApiKeySource, authenticateApiKey, type Credential, digestSecret } from 'fastify-doc-tokens/credentials'
import { FlowNotAllowedError, InvalidCredentialError, MissingCredentialError, MultipleCredentialsError } from 'fastify-doc-tokens/errors'

/** The registry and, before it, one key that is known from the environment and kept in memory only. */
export function withDemoKey (registry: ApiKeyRegistry, demoApiKey: string | undefined): ApiKeySource {
  if (demoApiKey === undefined) return registry

  const demo = inMemory(demoApiKey, { id: 'demo' })
  return { find: async (presented) => await demo.find(presented) ?? await registry.find(presented) }
}

/** One key that no store knows, and what it is good for. */
export function inMemory (secret: string, credential: Credential): ApiKeySource {
  const createdAt = Math.floor(Date.now() / 1000)
  const digest = digestSecret(secret)
  const record: ApiKeyRecord = { ...credential, createdAt, secrets: [{ digest, createdAt }] }
  return { find: async (presented) => presented.digest === digest ? record : undefined }
}

/**
 * Who calls a route of the host's own with an API key of the flow's.
 *
 * @throws {MissingCredentialError} `FDT_MISSING_CREDENTIAL` (401), `FDT_INVALID_CREDENTIAL` (401),
 * `FDT_MULTIPLE_CREDENTIALS` (400) or `FDT_FLOW_NOT_ALLOWED` (403), each with a challenge on the reply.
 */
export async function authenticate (source: ApiKeySource, { headers }: FastifyRequest, reply: FastifyReply): Promise<Credential> {
  const bearer = /^Bearer(?: +(\S+)| *)$/i.exec(headers.authorization ?? '')
  const other = headers['x-api-key']
  try {
    if (bearer !== null && other !== undefined) throw new MultipleCredentialsError()
    if (bearer === null && other === undefined) throw new MissingCredentialError()
    return await authenticateApiKey(source, String(bearer?.[1] ?? other ?? ''), { flow: 'session-issuance' })
  } catch (error) {
    // RFC 6750, section 3. An outage is no matter of credentials.
    for (const [Refusal, challenge] of CHALLENGES) if (error instanceof Refusal) reply.header('www-authenticate', challenge)
    throw error
  }
}

const CHALLENGES = [
  [MissingCredentialError, 'Bearer'],
  [InvalidCredentialError, 'Bearer error="invalid_token"'],
  [MultipleCredentialsError, 'Bearer error="invalid_request"'],
  [FlowNotAllowedError, 'Bearer error="insufficient_scope"']
] as const
