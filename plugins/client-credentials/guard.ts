import { type FastifyRequest } from 'fastify'
import {
  DpopNonceRequiredError, InsufficientScopeError, InvalidDpopProofError, InvalidOptionError, InvalidRequestError, InvalidTokenError, MissingTokenError, MultipleTokensError
} from '../../lib/errors.ts'
import { type Dpop, readDpopHeader } from '../../lib/oauth/dpop.ts'
import { checkNames } from '../../lib/options.ts'
import { publish } from '../../lib/publish.ts'
import { type AccessToken } from '../../lib/tokens/access/token.ts'
import { type AccessTokensCore, holderOf, refusedToken } from '../../lib/tokens/access/tokens.ts'
import { readAuthorization } from '../shared/bearer.ts'
import { type FlowInstance, originOf } from '../shared/flow-instance.ts'
import { createGuardHook, type GuardHook, type OnRefused } from '../shared/guard.ts'
import { type CodedError, isRefusal } from '../shared/refusals.ts'
import { errorName, oauthBody } from './errors.ts'
import { type AccessParts } from './parts.ts'
import { pathOf, withNonceOf } from './proof.ts'

/** What `require` takes last. */
export interface AccessGuardOptions<Request> {
  /** Any good token will do, whatever its scopes. Required where no scope is named. */
  anyScope?: true
  /** Answers a refusal in place of the guard and returns `reply`, or throws. When it does neither, the guard answers. */
  onRefused?: OnRefused<Request>
}

/** A hook for `onRequest`. Sets `request.accessToken`. */
export type AccessTokenGuard<Request> = GuardHook<Request>

/** Scopes, all of which are required, and then the options. */
export type AccessGuardArguments<Scope extends string, Request> =
  | [Scope, ...Scope[]]
  | [Scope, ...Scope[], AccessGuardOptions<Request> & { anyScope?: never }]
  | [AccessGuardOptions<Request> & { anyScope: true }]

const OPTIONS = ['anyScope', 'onRefused']

/** What a request has proven: another guard of its route must not take the proof for a replay. */
const provenOf = new WeakMap<FastifyRequest, { readonly dpop: Dpop, readonly accessToken: string }>()

/**
 * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500) without a scope, for an unknown one, or for an option that is unusable.
 *
 * @internal
 */
export function createGuard<Scope extends string, Request extends FastifyRequest> (
  tokens: AccessTokensCore<Scope>,
  parts: AccessParts,
  args: readonly unknown[]
): AccessTokenGuard<Request> {
  const { scopes, onRefused } = checkArguments<Scope, Request>(tokens, args)
  const { name, now } = tokens.settings
  const { dpop } = parts
  const instance: FlowInstance = { flow: 'client-credentials', name, now }

  // Of requests whose token was good.
  const tokenOf = new WeakMap<Request, AccessToken<Scope>>()

  async function admit (request: Request): Promise<void> {
    refuseQuery(request)
    const presented = readAuthorization(request, ['Bearer', 'DPoP'])
    if (presented.state === 'absent') throw new MissingTokenError()
    if (presented.state === 'several') throw new MultipleTokensError()
    if (presented.state === 'malformed') throw new InvalidTokenError()

    const token = await tokens.verify(presented.text)
    tokenOf.set(request, token)
    // Neither may stand in for the other: a stolen token would be good without its key. RFC 9449, section 7.1.
    if ((presented.scheme === 'DPoP') !== (token.jkt !== undefined)) throw new InvalidTokenError()
    if (token.jkt !== undefined) await verifyProof(request, presented.text, token.jkt)
    if (!scopes.every((scope) => token.scopes.includes(scope))) throw new InsufficientScopeError()
    publish('verified', () => ({ flow: instance.flow, name, time: now(), ...originOf(request), ...holderOf(token), permissions: scopes }))
    // The host may have narrowed the type of the decorator: see FastifyAccessTokens.
    request.accessToken = token as unknown as FastifyRequest['accessToken']
  }

  async function verifyProof (request: Request, accessToken: string, jkt: string): Promise<void> {
    // Where proofs are not taken, nobody can show that such a token is his own.
    if (dpop === undefined) throw new InvalidTokenError()
    const proven = provenOf.get(request)
    if (proven?.dpop === dpop && proven.accessToken === accessToken) return
    const header = readDpopHeader(request.raw.rawHeaders)
    if (header.state !== 'present') throw new InvalidDpopProofError()
    await dpop.verifyProof({ proof: header.text, method: request.method, path: pathOf(request), accessToken, jkt }).catch(withNonceOf(dpop))
    provenOf.set(request, { dpop, accessToken })
  }

  /** RFC 6750, section 3, and RFC 9449, section 7.1. What is not known when guards are made is read now. */
  function challenge (error: CodedError): string {
    const more = [
      ...(error instanceof MissingTokenError ? [] : [`error="${errorName(error)}"`]),
      ...(error instanceof InsufficientScopeError ? [`scope="${scopes.join(' ')}"`] : []),
      ...(parts.resourceMetadata === undefined ? [] : [`resource_metadata="${parts.resourceMetadata}"`])
    ]
    const bearer = ['Bearer', more.join(', ')].filter(Boolean).join(' ')
    if (dpop === undefined) return bearer
    const proof = `DPoP ${[`algs="${dpop.algorithms.join(' ')}"`, ...more].join(', ')}`
    return isProofError(error) ? proof : `${bearer}, ${proof}`
  }

  function toRefusal (error: CodedError): CodedError {
    if (isProofError(error)) error.statusCode = 401
    if (error.statusCode >= 500) return error
    return Object.assign(error, { headers: { ...error.headers, 'www-authenticate': challenge(error) } })
  }

  return createGuardHook<Request>({
    instance,
    admit: (request) => admit(request).catch((error: unknown) => { throw isRefusal(error) ? toRefusal(error) : error }),
    refusalOf: (cause) => toRefusal(new InvalidTokenError({ cause })),
    holderOf: (error, request) => holderOf(tokenOf.get(request) ?? refusedToken(error)),
    bodyOf: oauthBody,
    onRefused
  })
}

/** URLs are logged: a token in one is not taken, and not passed over beside another one. RFC 6750, section 5.3. */
function refuseQuery ({ originalUrl }: FastifyRequest): void {
  const query = new URLSearchParams(originalUrl.replace(/^[^?]*/, ''))
  if (query.has('access_token')) throw new InvalidRequestError('an access token is taken from the Authorization header, and never from a URL')
}

function isProofError (error: unknown): boolean {
  return error instanceof InvalidDpopProofError || error instanceof DpopNonceRequiredError
}

function checkArguments<Scope extends string, Request> ({ settings }: AccessTokensCore<Scope>, args: readonly unknown[]): { scopes: readonly Scope[], onRefused: OnRefused<Request> | undefined } {
  const last = args.at(-1)
  // Checked below, member by member.
  const options = (typeof last === 'object' && last !== null ? last : {}) as AccessGuardOptions<Request>
  const scopes = args.slice(0, options === last ? -1 : undefined) as Scope[]
  if (!scopes.every((scope) => settings.scopes.includes(scope))) throw new InvalidOptionError('require', `takes scopes, of ${settings.scopes.join(', ')}`)

  checkNames(options, OPTIONS)
  const { anyScope, onRefused } = options
  if (anyScope !== undefined && anyScope !== true) throw new InvalidOptionError('anyScope', 'can only be true')
  if ((scopes.length === 0) !== (anyScope === true)) throw new InvalidOptionError('require', 'takes either scopes or { anyScope: true }')
  if (onRefused !== undefined && typeof onRefused !== 'function') throw new InvalidOptionError('onRefused', 'must be a function')
  return { scopes, onRefused }
}
