import { type FastifyRequest } from 'fastify'
import { InvalidOptionError, WrongTokenError } from '../../lib/errors.ts'
import { type TokenHolder } from '../../lib/events.ts'
import { checkNames } from '../../lib/options.ts'
import { publish } from '../../lib/publish.ts'
import { type OpaqueTokenInfo } from '../../lib/tokens/opaque/token.ts'
import { type OpaqueTokensCore, wrongToken } from '../../lib/tokens/opaque/tokens.ts'
import { readHeader } from '../shared/bearer.ts'
import { type FlowInstance, originOf } from '../shared/flow-instance.ts'
import { createGuardHook, type GuardHook, type OnRefused } from '../shared/guard.ts'

/** What `require` takes. */
export interface OpaqueGuardOptions<Request> {
  /** Answers a refusal in place of the guard and returns `reply`, or throws. When it does neither, the guard answers. */
  onRefused?: OnRefused<Request>
}

/** A hook for `onRequest`. Sets `request.opaqueToken`. */
export type OpaqueTokenGuard<Request> = GuardHook<Request>

/** @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500) for an option that is unusable. */
export function createGuard<Parameters extends object, Request extends FastifyRequest> (tokens: OpaqueTokensCore<Parameters>, options: OpaqueGuardOptions<Request> = {}): OpaqueTokenGuard<Request> {
  if (typeof options !== 'object' || options === null) throw new InvalidOptionError('require', 'takes an object of options')
  checkNames(options, ['onRefused'])
  const { onRefused } = options
  if (onRefused !== undefined && typeof onRefused !== 'function') throw new InvalidOptionError('onRefused', 'must be a function')
  const { name, now } = tokens.settings
  const instance: FlowInstance = { flow: 'opaque-tokens', name, now }

  return createGuardHook<Request>({
    instance,
    admit: async (request) => {
      const token = await tokens.verify(readToken(request))
      publishVerified(request, instance, token)
      // The host may have narrowed the type of the decorator: see FastifyOpaqueTokens.
      request.opaqueToken = token as unknown as FastifyRequest['opaqueToken']
    },
    refusalOf: (cause) => new WrongTokenError({ cause }),
    holderOf: (error) => wrongToken(error)?.holder ?? {},
    detailsOf,
    onRefused
  })
}

/** That somebody else wrote to the store, or that the host has changed its mind about parameters. */
export function detailsOf (error: unknown): object | undefined {
  const reason = wrongToken(error)?.reason
  return reason === 'altered' || reason === 'parameters' ? { reason } : undefined
}

/** The token of a request; what is missing, or there twice, is none that could be right. */
export function readToken (request: FastifyRequest): string {
  const presented = readHeader(request, 'x-api-token')
  return presented.state === 'present' ? presented.text : ''
}

export function publishVerified (request: FastifyRequest, { flow, name, now }: FlowInstance, token: OpaqueTokenInfo): void {
  publish('verified', () => ({ flow, name, time: now(), ...originOf(request), ...holderOf(token), permissions: [] }))
}

function holderOf ({ accessor: id, credential, auth: owner }: OpaqueTokenInfo): TokenHolder {
  return { id, credential, owner }
}
