import { type FastifyRequest } from 'fastify'
import { type Credential } from '../../lib/credentials/index.ts'
import { MissingCredentialError } from '../../lib/errors.ts'

const callers = new WeakMap<FastifyRequest, Credential>()

export function rememberCaller (request: FastifyRequest, credential: Credential): void {
  callers.set(request, credential)
}

/** Whose credential came with the request. `undefined` where none was asked for, or none was good. */
export function findCaller (request: FastifyRequest): Credential | undefined {
  return callers.get(request)
}

/** Who calls. Only on a route that wants a credential. */
export function callerOf (request: FastifyRequest): Credential {
  const credential = callers.get(request)
  if (credential === undefined) throw new MissingCredentialError()
  return credential
}
