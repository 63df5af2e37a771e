/**
 * Routes that the host's own users call, in a browser as a rule: behind the host's login, for pages of trusted origins.
 *
 * @module
 */
import { type FastifyInstance, type FastifyReply, type FastifyRequest, type HookHandlerDoneFunction } from 'fastify'
import { ForeignOriginError, InvalidAuthorizationError, InvalidOptionError } from '../../lib/errors.ts'
import { checkStore, type TokenStore } from '../../lib/stores/token-store.ts'
import { isOrigin } from '../../lib/urls.ts'
import { type CountingInstance, limitByUser } from './limiter.ts'
import { type Resolved, resolveUserLimits, type UserLimits } from './limits.ts'
import { checkPrefix } from './registration.ts'
import { isFromTrustedPage, mayBeBrowser } from './same-origin.ts'

/** A hook of the host's, with a promise or a callback. */
export type LoginHook = (request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction) => Promise<unknown> | void

/** What such routes need. */
export interface UserRoutesOptions {
  /** The host's login: hooks that run before anything is asked, and behind the limit by address. Default is none, for hosts that have one around this scope. */
  onRequest?: LoginHook | readonly LoginHook[]
  /** Origins whose pages may ask in the name of a user, besides that of the app itself. Default is none. */
  trustedOrigins?: readonly string[]
  /** How often the routes may be called: by address, and by `limitKey`. */
  limits?: UserLimits
  /** Who the user is, for `limits.user`. Default is none: then requests are counted by address alone. */
  limitKey?: (request: FastifyRequest) => string
  /** The host's login as OpenAPI calls it, such as `[{ cookie: [] }]`. Default is none. */
  security?: ReadonlyArray<Readonly<Record<string, readonly string[]>>>
  /** Path the routes hang under, such as `/v1`. Default is none. */
  prefix?: string
}

/** @internal */
export interface ResolvedUserRoutes {
  hooks: readonly LoginHook[]
  trusted: ReadonlySet<string>
  store: TokenStore
  limits: Resolved<UserLimits>
  limitKey: UserRoutesOptions['limitKey']
  security: NonNullable<UserRoutesOptions['security']>
  prefix: string
}

/** @internal */
export const USER_ROUTE_OPTION_NAMES = ['onRequest', 'trustedOrigins', 'limits', 'limitKey', 'security']

/**
 * @param store Where requests are counted.
 * @param ownOrigin Whose pages are trusted without being named.
 *
 * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500), naming the option.
 *
 * @internal
 */
export function resolveUserRoutes (options: UserRoutesOptions, store: TokenStore | undefined, ownOrigin?: string): ResolvedUserRoutes {
  const { onRequest = [], trustedOrigins = [], limits, limitKey, security = [], prefix = '' } = options

  const hooks = Array.isArray(onRequest) ? onRequest : [onRequest]
  if (!hooks.every((hook) => typeof hook === 'function')) throw new InvalidOptionError('onRequest', 'must be a hook, or a list of hooks')
  if (!Array.isArray(trustedOrigins) || !trustedOrigins.every(isOrigin)) throw new InvalidOptionError('trustedOrigins', 'must be a list of origins, such as https://app.example')
  if (store === undefined) throw new InvalidOptionError('store', 'is needed to count requests in')
  checkStore(store)
  if (limitKey !== undefined && typeof limitKey !== 'function') throw new InvalidOptionError('limitKey', 'must be a function of the request')
  if (limitKey === undefined && limits?.user !== undefined && limits.user !== false) throw new InvalidOptionError('limits.user', 'has no use without limitKey')
  if (!Array.isArray(security) || !security.every((scheme) => typeof scheme === 'object' && scheme !== null)) throw new InvalidOptionError('security', 'must be a list of what OpenAPI requires, such as [{ cookie: [] }]')
  checkPrefix(prefix)

  return {
    hooks,
    trusted: new Set([...ownOrigin === undefined ? [] : [ownOrigin], ...trustedOrigins]),
    store,
    limits: resolveUserLimits(limits),
    limitKey,
    security,
    prefix
  }
}

/**
 * Lets the host's login speak first, then refuses pages of other origins, then counts by user. Must be awaited before the
 * first route of the scope, which {@link prepareScope} made.
 */
export async function admitUsers (scope: FastifyInstance, instance: CountingInstance, { hooks, trusted, limits, limitKey }: ResolvedUserRoutes): Promise<void> {
  // Hooks of a route run in the order in which `onRoute` hooks put them there: those of the host behind the limiter.
  scope.addHook('onRoute', (route) => {
    route.onRequest = [route.onRequest, ...hooks].flat().filter((hook) => hook !== undefined)
  })
  scope.addHook('preParsing', async ({ headers }) => {
    if (mayBeBrowser(headers) && !isFromTrustedPage(headers, trusted)) throw new ForeignOriginError()
  })
  if (limitKey !== undefined) await limitByUser(scope, instance, limits.user, limitKey)
}

/** Asks a function of the host's. What it throws is for its own handler; what is no error would be taken for the answer there. */
export async function askHost<Answer> (ask: () => Promise<Answer> | Answer): Promise<Answer> {
  try {
    return await ask()
  } catch (error) {
    throw error instanceof Error ? error : new InvalidAuthorizationError({ cause: error })
  }
}
