import { type ApiKeySource } from '../../lib/credentials/index.ts'
import { InvalidOptionError } from '../../lib/errors.ts'
import { OPAQUE_OPTION_NAMES, type OpaqueTokensOptions } from '../../lib/tokens/opaque/options.ts'
import { type AnyParameters } from '../../lib/tokens/opaque/parameters.ts'
import { type OpaqueLimits, type Resolved, resolveOpaqueLimits } from '../shared/limits.ts'
import { checkKeySource, checkPrefix, refuseIdle, refuseUnknownOptions } from '../shared/registration.ts'
import { type OpaqueTokens } from './index.ts'

/** What the routes need. */
export interface OpaqueRoutesOptions {
  /** Register the routes. Default is `true`. */
  routes?: true
  /** Whose API keys may have tokens issued, and end their own: a registry, or a look-up of the host's own. */
  credentials: ApiKeySource
  /**
   * Whose API keys may verify: those of the editor's servers, for the flow `opaque-verification`. Default is none: then
   * whoever holds a token, which is in a browser's URL, reads all of its parameters.
   */
  verifiers?: ApiKeySource
  /** Tell the accessor of a token where it is issued. Default is `false`. */
  includeAccessor?: boolean
  /** Path the routes hang under, such as `/api`. Default is none. */
  prefix?: string
  /** How often the routes may be called: by address, by API key, with a wrong one, and with a wrong token. */
  limits?: OpaqueLimits
}

/** No routes: the host issues and verifies by `app.opaqueTokens`. */
export type NoOpaqueRoutesOptions = { routes: false } & { [Option in Exclude<keyof OpaqueRoutesOptions, 'routes'>]?: never }

/** A ready object of `createOpaqueTokens`, instead of the options that make one. */
export type ReadyTokens<Parameters extends object> =
  { tokens: OpaqueTokens<Parameters> } & { [Option in keyof OpaqueTokensOptions]?: never }

/** What `fastify.register` takes as its second argument. */
export type OpaqueTokensPluginOptions<Parameters extends object = AnyParameters> =
  ((OpaqueTokensOptions<Parameters> & { tokens?: never }) | ReadyTokens<Parameters>) &
  (OpaqueRoutesOptions | NoOpaqueRoutesOptions)

/** @internal */
export type ResolvedOpaqueRoutes = Required<Omit<OpaqueRoutesOptions, 'routes' | 'limits' | 'verifiers'>> & {
  verifiers: ApiKeySource | undefined
  limits: Resolved<OpaqueLimits>
}

const ROUTE_OPTION_NAMES = ['credentials', 'verifiers', 'includeAccessor', 'limits']

const NAMES: ReadonlySet<string> = new Set([...OPAQUE_OPTION_NAMES, ...ROUTE_OPTION_NAMES, 'tokens', 'routes'])

/** @internal What the routes need, or `undefined` where there shall be none. */
export function resolveOpaqueRoutes (options: OpaqueTokensPluginOptions<object>): ResolvedOpaqueRoutes | undefined {
  refuseUnknownOptions(options, NAMES)
  const { tokens, routes = true, credentials, verifiers, includeAccessor = false, prefix = '', limits } = options
  if (tokens !== undefined) refuseIdle(options, [...OPAQUE_OPTION_NAMES], 'cannot stand beside tokens')
  if (typeof routes !== 'boolean') throw new InvalidOptionError('routes', 'must be true or false')
  if (!routes) return refuseIdle(options, ROUTE_OPTION_NAMES, 'has no use with routes: false')

  checkKeySource('credentials', credentials)
  if (verifiers !== undefined) checkKeySource('verifiers', verifiers)
  if (typeof includeAccessor !== 'boolean') throw new InvalidOptionError('includeAccessor', 'must be true or false')
  checkPrefix(prefix)
  return { credentials, verifiers, includeAccessor, prefix, limits: resolveOpaqueLimits(limits) }
}
