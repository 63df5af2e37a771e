import { type FastifyReply, type FastifyRequest, type HookHandlerDoneFunction } from 'fastify'
import { InvalidOptionError } from '../../lib/errors.ts'
import { checkStore, type TokenStore } from '../../lib/stores/token-store.ts'
import { type Authorization, BROKER_OPTION_NAMES, createSessionBroker, type SessionBroker, type SessionBrokerOptions } from '../../lib/tokens/session-broker.ts'
import { type DefaultPermission } from '../../lib/tokens/document-session-options.ts'
import { isOrigin } from '../../lib/urls.ts'
import { type Resolved, resolveUserLimits, type UserLimits } from '../shared/limits.ts'
import { checkPrefix, refuseIdle, refuseUnknownOptions } from '../shared/registration.ts'

/** A hook of the host's, with a promise or a callback. */
export type LoginHook = (request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction) => Promise<unknown> | void

/** What the route needs. */
export interface BrokerRoutesOptions<Permission extends string = DefaultPermission> {
  /** Register the route. Default is `true`. */
  routes?: true
  /**
   * Which session the logged-in user gets for the document that the browser asks for; `null` for none: then the answer
   * is 403. What errors it throws are for the host's error handler, except those of this package.
   */
  authorize: (request: FastifyRequest, asked: { documentId: string }) => Promise<Authorization<Permission> | null> | Authorization<Permission> | null
  /** The host's login: hooks that run before anything is asked, and behind the limit by address. Default is none, for hosts that have one around this scope. */
  onRequest?: LoginHook | readonly LoginHook[]
  /** Origins whose pages may ask in the name of a user, besides that of the app itself. Default is none. */
  trustedOrigins?: readonly string[]
  /** Where requests are counted. Default is the store of `sessions`; required with `remote`. */
  store?: TokenStore
  /** How often the route may be called: by address, and by `limitKey`. */
  limits?: UserLimits
  /** Who the user is, for `limits.user`. Default is none: then requests are counted by address alone. */
  limitKey?: (request: FastifyRequest) => string
  /** The host's login as OpenAPI calls it, such as `[{ cookie: [] }]`. Default is none. */
  security?: ReadonlyArray<Readonly<Record<string, readonly string[]>>>
  /** Path the route hangs under, such as `/v1`. Default is none. */
  prefix?: string
}

/** No route: the host asks for sessions itself, by `app.sessionBroker.create`. */
export type NoBrokerRoutesOptions = { routes: false } & { [Option in Exclude<keyof BrokerRoutesOptions, 'routes'>]?: never }

/** A ready object of `createSessionBroker`, instead of the options that make one. */
export type ReadyBroker<Permission extends string> =
  { broker: SessionBroker<Permission> } & { [Option in 'sessions' | 'remote' | 'permissions' | 'name' | 'now']?: never }

/** What `fastify.register` takes as its second argument. */
export type SessionBrokerPluginOptions<Permission extends string = DefaultPermission> =
  ((SessionBrokerOptions<Permission> & { broker?: never }) | ReadyBroker<Permission>) &
  (BrokerRoutesOptions<Permission> | NoBrokerRoutesOptions)

/** @internal */
export interface ResolvedBrokerRoutes {
  authorize: BrokerRoutesOptions<string>['authorize']
  hooks: readonly LoginHook[]
  trusted: ReadonlySet<string>
  store: TokenStore
  limits: Resolved<UserLimits>
  limitKey: BrokerRoutesOptions['limitKey']
  security: NonNullable<BrokerRoutesOptions['security']>
  prefix: string
}

const ROUTE_OPTION_NAMES = ['authorize', 'onRequest', 'trustedOrigins', 'store', 'limits', 'limitKey', 'security']

const NAMES: ReadonlySet<string> = new Set([...BROKER_OPTION_NAMES, ...ROUTE_OPTION_NAMES, 'broker', 'routes'])

/** @internal What the options make, or the ready one that they hold. */
export function resolveBroker (options: SessionBrokerPluginOptions<string>): SessionBroker<string> {
  refuseUnknownOptions(options, NAMES)
  if (options.broker === undefined) return createSessionBroker(options)
  const { broker } = options
  if (typeof broker?.create !== 'function' || typeof broker.settings?.name !== 'string') throw new InvalidOptionError('broker', 'must be what createSessionBroker() returned')
  refuseIdle(options, [...BROKER_OPTION_NAMES], 'cannot stand beside broker')
  return broker
}

/** @internal What the route needs, or `undefined` where there shall be none. */
export function resolveBrokerRoutes (options: SessionBrokerPluginOptions<string>, { issuer, store: ownStore }: SessionBroker<string>['settings']): ResolvedBrokerRoutes | undefined {
  const { routes = true, authorize, onRequest = [], trustedOrigins = [], store = ownStore, limits, limitKey, security = [], prefix = '' } = options
  if (typeof routes !== 'boolean') throw new InvalidOptionError('routes', 'must be true or false')
  if (!routes) return refuseIdle(options, ROUTE_OPTION_NAMES, 'has no use with routes: false')

  const hooks = Array.isArray(onRequest) ? onRequest : [onRequest]
  if (typeof authorize !== 'function') throw new InvalidOptionError('authorize', 'must be a function that tells what the user may open: there is no default that allows')
  if (!hooks.every((hook) => typeof hook === 'function')) throw new InvalidOptionError('onRequest', 'must be a hook, or a list of hooks')
  if (!Array.isArray(trustedOrigins) || !trustedOrigins.every(isOrigin)) throw new InvalidOptionError('trustedOrigins', 'must be a list of origins, such as https://app.example')
  if (store === undefined) throw new InvalidOptionError('store', 'is needed to count requests in')
  checkStore(store)
  if (limitKey !== undefined && typeof limitKey !== 'function') throw new InvalidOptionError('limitKey', 'must be a function of the request')
  if (limitKey === undefined && limits?.user !== undefined && limits.user !== false) throw new InvalidOptionError('limits.user', 'has no use without limitKey')
  if (!Array.isArray(security) || !security.every((scheme) => typeof scheme === 'object' && scheme !== null)) throw new InvalidOptionError('security', 'must be a list of what OpenAPI requires, such as [{ cookie: [] }]')
  checkPrefix(prefix)

  return {
    authorize,
    hooks,
    trusted: new Set([...issuer === undefined ? [] : [new URL(issuer).origin], ...trustedOrigins]),
    store,
    limits: resolveUserLimits(limits),
    limitKey,
    security,
    prefix
  }
}
