/**
 * The session broker: `POST /api/create-session`, by which the host's own users open documents.
 *
 * @module
 */
import fp from 'fastify-plugin'
import { type SessionBroker } from '../../lib/tokens/session-broker.ts'
import { type HostPermission } from '../session-issuance/index.ts'
import { claimScope } from '../shared/registration.ts'
import { type TypeBoxPlugin } from '../shared/type-provider.ts'
import { resolveBroker, resolveBrokerRoutes, type SessionBrokerPluginOptions } from './options.ts'
import { routes } from './routes.ts'

export { createSessionBroker } from '../../lib/tokens/session-broker.ts'
export type { Limit } from '../../lib/limits/limit.ts'
export type { SessionDocument } from '../../lib/tokens/document-session-input.ts'
export type { DefaultPermission } from '../../lib/tokens/document-session-options.ts'
export type { RemoteSessions } from '../../lib/tokens/remote-sessions.ts'
export type { Authorization, BrokeredSession, LocalUpstream, RemoteUpstream, SessionBroker, SessionBrokerOptions } from '../../lib/tokens/session-broker.ts'
// With it comes the type of `config.docTokens`.
export type { RouteOwner } from '../shared/flow-scope.ts'
export type { UserLimits } from '../shared/limits.ts'
export type { LoginHook, UserRoutesOptions } from '../shared/user-routes.ts'
export type { BrokerRoutesOptions, NoBrokerRoutesOptions, ReadyBroker, SessionBrokerPluginOptions } from './options.ts'

declare module 'fastify' {
  interface FastifyInstance { sessionBroker: SessionBroker<HostPermission> }
}

const plugin: TypeBoxPlugin<SessionBrokerPluginOptions<string>> = async (fastify, options) => {
  const broker = resolveBroker(options)
  const routesOptions = resolveBrokerRoutes(options, broker.settings)
  claimScope(fastify, 'sessionBroker', broker.settings.name, broker)

  // The host may have narrowed the type of the decorator: see FastifyDocumentSessions.
  fastify.decorate('sessionBroker', broker as unknown as SessionBroker<HostPermission>)
  if (routesOptions !== undefined) await fastify.register(routes, { ...routesOptions, broker })
}

/** Registers the flow. The decorator reaches the host; route, parser and limits stay inside. */
export const sessionBroker = fp(plugin, {
  name: 'fastify-doc-tokens/session-broker',
  fastify: '>=5.3.0 <6'
})

export default sessionBroker
