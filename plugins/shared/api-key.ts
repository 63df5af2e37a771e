import { type FastifyInstance, type FastifyRequest } from 'fastify'
import { type ApiKeySource, authenticateApiKey, type Credential, type Flow } from '../../lib/credentials/index.ts'
import { InvalidCredentialError, MissingCredentialError, MultipleCredentialsError } from '../../lib/errors.ts'
import { either, readBearer, readHeader } from './bearer.ts'

const authenticated = new WeakMap<FastifyRequest, Credential>()

/**
 * Wants an API key on every route of the scope: `Authorization: Bearer` or `x-api-key`, never both.
 * It works before the body is read, and behind the limiter by address, which hooks in earlier.
 */
export function requireApiKey (scope: FastifyInstance, source: ApiKeySource, flow: Flow, now: () => number): void {
  scope.addHook('preParsing', async (request) => {
    const presented = either(readBearer(request), readHeader(request, 'x-api-key'))
    if (presented.state === 'absent') throw new MissingCredentialError()
    if (presented.state === 'several') throw new MultipleCredentialsError()
    if (presented.state === 'malformed') throw new InvalidCredentialError()
    authenticated.set(request, await authenticateApiKey(source, presented.text, { flow, now }))
  })
}

/** Who calls. Only on a route behind {@link requireApiKey}. */
export function callerOf (request: FastifyRequest): Credential {
  const credential = authenticated.get(request)
  if (credential === undefined) throw new MissingCredentialError()
  return credential
}
