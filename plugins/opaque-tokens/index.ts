/**
 * Opaque tokens: `POST /generate` and `/verify`, by which confidential parameters stay on the server, and guards for the
 * host's routes.
 *
 * @module
 */
import { type FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { InvalidOptionError } from '../../lib/errors.ts'
import { checkNames } from '../../lib/options.ts'
import { OPAQUE_OPTION_NAMES, type OpaqueSettings, type OpaqueTokensOptions, resolveOpaqueOptions } from '../../lib/tokens/opaque/options.ts'
import { type AnyParameters } from '../../lib/tokens/opaque/parameters.ts'
import { type OpaqueToken } from '../../lib/tokens/opaque/token.ts'
import { createOpaqueTokensCore, type OpaqueTokensCore } from '../../lib/tokens/opaque/tokens.ts'
import { claimKeys } from '../shared/key-uses.ts'
import { claimScope } from '../shared/registration.ts'
import { type TypeBoxPlugin } from '../shared/type-provider.ts'
import { createGuard, type OpaqueGuardOptions, type OpaqueTokenGuard } from './guard.ts'
import { type OpaqueTokensPluginOptions, resolveOpaqueRoutes } from './options.ts'
import { partnerRoutes } from './routes.ts'
import { verifyRoutes } from './verify.ts'

export type { Credential } from '../../lib/credentials/index.ts'
export type { Limit } from '../../lib/limits/limit.ts'
export type { OpaqueTokenFormat } from '../../lib/tokens/opaque/format.ts'
export type { InputNames, OpaqueTokenInput } from '../../lib/tokens/opaque/input.ts'
export type { OpaqueTokensOptions } from '../../lib/tokens/opaque/options.ts'
export type { ParameterCheck } from '../../lib/tokens/opaque/parameter-check.ts'
export type { AnyParameters, ParameterValue } from '../../lib/tokens/opaque/parameters.ts'
export type { IssuedOpaqueToken, OpaqueToken, OpaqueTokenInfo } from '../../lib/tokens/opaque/token.ts'
// With it comes the type of `config.docTokens`.
export type { RouteOwner } from '../shared/flow-scope.ts'
export type { OpaqueLimits } from '../shared/limits.ts'
export type { CodedError } from '../shared/refusals.ts'
export { securitySchemes } from '../shared/openapi.ts'
export type { OpaqueGuardOptions, OpaqueTokenGuard } from './guard.ts'
export type { NoOpaqueRoutesOptions, OpaqueRoutesOptions, OpaqueTokensPluginOptions, ReadyTokens } from './options.ts'

/**
 * Extend it to name the parameters of your app, so that `app.opaqueTokens` and `request.opaqueToken` know them:
 *
 * ```ts
 * declare module 'fastify-doc-tokens/opaque-tokens' {
 *   interface FastifyOpaqueTokens { parameters: { file: string, access: 'edit' | 'view' } }
 * }
 * ```
 */
export interface FastifyOpaqueTokens {}

/** The parameters of `app.opaqueTokens`: the host's where it named them, else any. */
export type HostParameters = FastifyOpaqueTokens extends { parameters: infer Parameters extends object } ? Parameters : AnyParameters

declare module 'fastify' {
  interface FastifyInstance { opaqueTokens: OpaqueTokens<HostParameters> }
  interface FastifyRequest {
    /** The token that the guard admitted, with its parameters, else `null`. */
    opaqueToken: OpaqueToken<HostParameters> | null
  }
}

/** `app.opaqueTokens`: tokens, and guards for the host's routes. */
export interface OpaqueTokens<Parameters extends object = AnyParameters> extends OpaqueTokensCore<Parameters> {
  /**
   * A hook that lets a request pass when its header `x-api-token` holds a good token, and sets `request.opaqueToken`.
   * Anything else it answers itself: 403 `Wrong token`, 503 while the store is out of reach. Where the token has
   * `maxUses`, the request is one of them. The host is the one that verifies: `verifiers` are not asked for.
   *
   * ```ts
   * app.get('/open', { onRequest: app.opaqueTokens.require() }, async (request) => request.opaqueToken?.parameters.file)
   * ```
   *
   * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500) for an option that is unusable.
   */
  require<Request extends FastifyRequest = FastifyRequest> (options?: OpaqueGuardOptions<Request>): OpaqueTokenGuard<NoInfer<Request>>
}

/** What the plugin needs to know of an object and nobody else: the peppers among it. */
const settingsOf = new WeakMap<object, OpaqueSettings<object>>()

/**
 * Makes what `app.opaqueTokens` is, without a server: for workers, scripts and tests, or to share one between apps.
 *
 * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500) for each option that is unusable.
 */
export function createOpaqueTokens<Parameters extends object = AnyParameters> (options: OpaqueTokensOptions<Parameters>): OpaqueTokens<Parameters> {
  const tokens = makeTokens(options)
  checkNames(options, OPAQUE_OPTION_NAMES)
  return tokens
}

function makeTokens<Parameters extends object> (options: OpaqueTokensOptions<Parameters>): OpaqueTokens<Parameters> {
  const settings = resolveOpaqueOptions(options)
  const core = createOpaqueTokensCore(settings)
  const tokens = Object.freeze<OpaqueTokens<Parameters>>({ ...core, require: (guardOptions) => createGuard(core, guardOptions) })
  // Of the functions in there the plugin calls none.
  settingsOf.set(tokens, settings as unknown as OpaqueSettings<object>)
  return tokens
}

const plugin: TypeBoxPlugin<OpaqueTokensPluginOptions<object>> = async (fastify, options) => {
  const routesOptions = resolveOpaqueRoutes(options)
  const tokens = options.tokens ?? makeTokens(options)
  const settings = settingsOf.get(tokens)
  if (settings === undefined) throw new InvalidOptionError('tokens', 'must be what createOpaqueTokens() returned')
  const { name, peppers, maxBytes, schema } = settings
  claimScope(fastify, 'opaqueTokens', name, tokens)
  claimKeys(fastify, 'opaque-tokens', 'pepper', peppers.map(({ secret }) => secret))

  // The host may have narrowed the type of the decorator: see FastifyOpaqueTokens.
  fastify.decorate('opaqueTokens', tokens as unknown as OpaqueTokens<HostParameters>)
  fastify.decorateRequest('opaqueToken', null)
  if (routesOptions === undefined) return

  if (routesOptions.verifiers === undefined) fastify.log.warn('opaque tokens are registered without verifiers: whoever holds a token, which is in a browser\'s URL, can read all of its parameters at /verify')
  const scopeOptions = { ...routesOptions, tokens, maxBytes, schema }
  await fastify.register(partnerRoutes, scopeOptions)
  await fastify.register(verifyRoutes, scopeOptions)
}

/** Registers the flow. The decorators reach the host; routes, parsers and limits stay inside. */
export const opaqueTokens = fp(plugin, {
  name: 'fastify-doc-tokens/opaque-tokens',
  fastify: '>=5.3.0 <6'
})

export default opaqueTokens
