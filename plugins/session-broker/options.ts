import { type FastifyRequest } from 'fastify'
import { InvalidOptionError } from '../../lib/errors.ts'
import { type TokenStore } from '../../lib/stores/token-store.ts'
import { type Authorization, BROKER_OPTION_NAMES, createSessionBroker, type SessionBroker, type SessionBrokerOptions } from '../../lib/tokens/session-broker.ts'
import { type DefaultPermission } from '../../lib/tokens/document-session-options.ts'
import { refuseIdle, refuseUnknownOptions } from '../shared/registration.ts'
import { type ResolvedUserRoutes, resolveUserRoutes, USER_ROUTE_OPTION_NAMES, type UserRoutesOptions } from '../shared/user-routes.ts'

/** What the route needs. */
export interface BrokerRoutesOptions<Permission extends string = DefaultPermission> extends UserRoutesOptions {
  /** Register the route. Default is `true`. */
  routes?: true
  /**
   * Which session the logged-in user gets for the document that the browser asks for; `null` for none: then the answer
   * is 403. What errors it throws are for the host's error handler, except those of this package.
   */
  authorize: (request: FastifyRequest, asked: { documentId: string }) => Promise<Authorization<Permission> | null> | Authorization<Permission> | null
  /** Where requests are counted. Default is the store of `sessions`; required with `remote`. */
  store?: TokenStore
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
export interface ResolvedBrokerRoutes extends ResolvedUserRoutes {
  authorize: BrokerRoutesOptions<string>['authorize']
}

const ROUTE_OPTION_NAMES = ['authorize', 'store', ...USER_ROUTE_OPTION_NAMES]

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
  const { routes = true, authorize, store = ownStore } = options
  if (typeof routes !== 'boolean') throw new InvalidOptionError('routes', 'must be true or false')
  if (!routes) return refuseIdle(options, ROUTE_OPTION_NAMES, 'has no use with routes: false')

  if (typeof authorize !== 'function') throw new InvalidOptionError('authorize', 'must be a function that tells what the user may open: there is no default that allows')
  return { ...resolveUserRoutes(options, store, issuer === undefined ? undefined : new URL(issuer).origin), authorize }
}
