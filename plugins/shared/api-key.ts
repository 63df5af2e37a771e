import { type FastifyInstance, type FastifyRequest } from 'fastify'
import { type ApiKeySource, authenticateApiKey, type Flow, parseSecret } from '../../lib/credentials/index.ts'
import { MissingCredentialError, MultipleCredentialsError } from '../../lib/errors.ts'
import { createLock } from '../../lib/limits/lock.ts'
import { publish } from '../../lib/publish.ts'
import { either, readBearer, readHeader } from './bearer.ts'
import { rememberCaller } from './callers.ts'
import { originOf } from './flow-instance.ts'
import { type CountingInstance, limitByCaller, limitPrefix } from './limiter.ts'
import { type MachineLimits, type Resolved } from './limits.ts'

/**
 * Wants an API key on every route of the scope: `Authorization: Bearer` or `x-api-key`, never both. It works before
 * the body is read, and behind the limiter by address, which hooks in earlier. Must be awaited before the first route.
 */
export async function requireApiKey (scope: FastifyInstance, source: ApiKeySource, instance: CountingInstance & { flow: Flow }, limits: Resolved<MachineLimits>): Promise<void> {
  const { flow, name, now, store } = instance
  const lock = createLock({ store, prefix: limitPrefix(instance), now }, limits.failures)

  scope.addHook('preParsing', async (request) => {
    const text = presentedKey(request)
    const id = parseSecret(text)?.id
    const onLocked = (credential: string, until: number): void => {
      publish('locked', () => ({ flow, name, time: now(), ...originOf(request), credential, until }))
    }
    rememberCaller(request, await lock.attempt({ id, address: request.ip, onLocked }, () => authenticateApiKey(source, text, { flow, now })))
  })
  await limitByCaller(scope, instance, limits.credential)
}

/**
 * The API key that a request carries, unchecked. What cannot be a key at all is the empty one, and a failure like any other.
 *
 * @throws {MissingCredentialError} `FDT_MISSING_CREDENTIAL` (401), {@link MultipleCredentialsError} `FDT_MULTIPLE_CREDENTIALS` (400).
 */
export function presentedKey (request: FastifyRequest): string {
  const presented = either(readBearer(request), readHeader(request, 'x-api-key'))
  if (presented.state === 'absent') throw new MissingCredentialError()
  if (presented.state === 'several') throw new MultipleCredentialsError()
  return presented.state === 'present' ? presented.text : ''
}
