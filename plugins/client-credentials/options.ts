import { type ClientSource } from '../../lib/credentials/index.ts'
import { InvalidOptionError } from '../../lib/errors.ts'
import { PATHS } from '../../lib/oauth/metadata.ts'
import { ACCESS_OPTION_NAMES, type AccessTokensOptions } from '../../lib/tokens/access/options.ts'
import { type MachineLimits, type Resolved, resolveMachineLimits } from '../shared/limits.ts'
import { checkFinder, checkPrefix, refuseIdle, refuseUnknownOptions } from '../shared/registration.ts'
import { type AccessTokens } from './index.ts'

/** What the routes need. */
export interface AccessRoutesOptions {
  /** Register the routes. Default is `true`. */
  routes?: true
  /** The clients: a registry, or a look-up of the host's own. */
  clients: ClientSource
  /** Further paths of the token endpoint, such as `/oauth2/token`: some of the vendor's SDKs ask nowhere else. Default is none. */
  aliases?: readonly string[]
  /**
   * Serve the metadata of RFC 8414 and RFC 9728 at `/.well-known/…`, where they follow `issuer` and `audience` and no prefix. Under a
   * prefix of the host's they cannot stand there: it has to be `false`, and the host serves `app.accessTokens.metadata()`. Default is `true`.
   */
  metadata?: boolean
  /**
   * Further strings that client assertions may have as `aud`, such as the URL of the token endpoint, as one of a list too. Each lets whoever
   * gets such an assertion try it elsewhere. Default is none: the issuer alone.
   */
  legacyAudience?: readonly string[]
  /** Path the routes hang under, such as `/api`. Default is none. */
  prefix?: string
  /** How often the routes may be called: by address, by client, and with wrong credentials. */
  limits?: MachineLimits
}

/** No routes: the host issues by `app.accessTokens`, or only guards its own routes. */
export type NoAccessRoutesOptions = { routes: false } & { [Option in Exclude<keyof AccessRoutesOptions, 'routes'>]?: never }

/** A ready object of `createAccessTokens`, instead of the options that make one. */
export type ReadyAccessTokens<Scope extends string> =
  { tokens: AccessTokens<Scope> } & { [Option in keyof AccessTokensOptions]?: never }

/** What `fastify.register` takes as its second argument. */
export type ClientCredentialsOptions<Scope extends string = string> =
  ((AccessTokensOptions<Scope> & { tokens?: never }) | ReadyAccessTokens<Scope>) &
  (AccessRoutesOptions | NoAccessRoutesOptions)

/** @internal */
export type ResolvedAccessRoutes = Required<Omit<AccessRoutesOptions, 'routes' | 'limits'>> & { limits: Resolved<MachineLimits> }

const ROUTE_OPTION_NAMES = ['clients', 'aliases', 'metadata', 'legacyAudience', 'limits']

const NAMES: ReadonlySet<string> = new Set([...ACCESS_OPTION_NAMES, ...ROUTE_OPTION_NAMES, 'tokens', 'routes'])

/** What is `well-known` is none: metadata may be there. */
const ALIAS = /^(?!\/\.well-known\/)(?:\/[\w.~-]+)+$/

/** @internal What the routes need, or `undefined` where there shall be none. */
export function resolveAccessRoutes (options: ClientCredentialsOptions): ResolvedAccessRoutes | undefined {
  refuseUnknownOptions(options, NAMES)
  const { tokens, routes = true, clients, aliases = [], metadata = true, legacyAudience = [], prefix = '', limits } = options
  if (tokens !== undefined) refuseIdle(options, [...ACCESS_OPTION_NAMES], 'cannot stand beside tokens')
  if (typeof routes !== 'boolean') throw new InvalidOptionError('routes', 'must be true or false')
  if (!routes) return refuseIdle(options, ROUTE_OPTION_NAMES, 'has no use with routes: false')

  checkFinder('clients', clients, 'must be a registry of clients, or an object with a function find')
  const taken = new Set<unknown>(Object.values(PATHS))
  const isUsable = Array.isArray(aliases) && [...aliases].every((alias) => typeof alias === 'string' && ALIAS.test(alias) && !taken.has(alias)) && new Set(aliases).size === aliases.length
  if (!isUsable) throw new InvalidOptionError('aliases', 'must be a list of different paths such as /oauth2/token, none of them a path of the flow')
  if (typeof metadata !== 'boolean') throw new InvalidOptionError('metadata', 'must be true or false')
  if (!Array.isArray(legacyAudience) || ![...legacyAudience].every((audience) => typeof audience === 'string' && audience !== '')) throw new InvalidOptionError('legacyAudience', 'must be a list of strings')
  checkPrefix(prefix)
  return { clients, aliases, metadata, legacyAudience: [...legacyAudience], prefix, limits: resolveMachineLimits(limits) }
}
