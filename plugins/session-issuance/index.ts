/**
 * Document sessions: `POST /viewer/sessions` and `POST /viewer/sessions/revoke`, and guards for the host's routes.
 *
 * @module
 */
import { type FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import {
  createDocumentSessionsCore, type DocumentSession, type DocumentSessionsCore
} from '../../lib/tokens/document-session.ts'
import { type DefaultPermission, type DocumentSessionsOptions } from '../../lib/tokens/document-session-options.ts'
import { createJwtEngine } from '../shared/jwt-engine.ts'
import { claimKeys } from '../shared/key-uses.ts'
import { claimScope } from '../shared/registration.ts'
import { type TypeBoxPlugin } from '../shared/type-provider.ts'
import { createGuard, type DocumentSessionGuard, type GuardArguments } from './guard.ts'
import { resolveRoutesOptions, type SessionIssuanceOptions } from './options.ts'
import { routes } from './routes.ts'

export type { Credential } from '../../lib/credentials/index.ts'
export type { DocumentEngineInput, DocumentEnginePermission, IssuedDocumentEngineToken } from '../../lib/tokens/document-engine.ts'
export type { MemberNames, SessionDocument, SessionInput } from '../../lib/tokens/document-session-input.ts'
export type { DocumentSession, IssuedSession, SessionReference } from '../../lib/tokens/document-session.ts'
export type { DefaultPermission, DocumentSessionsOptions } from '../../lib/tokens/document-session-options.ts'
export type { RevocationTarget } from '../../lib/tokens/revocations.ts'
export type { Limit } from '../../lib/limits/limit.ts'
// With it comes the type of `config.docTokens`.
export type { RouteOwner } from '../shared/flow-scope.ts'
export type { MachineLimits } from '../shared/limits.ts'
export type { CodedError } from '../shared/refusals.ts'
export { securitySchemes } from '../shared/openapi.ts'
export type { DocumentResolver, DocumentSessionGuard, GuardOptions } from './guard.ts'
export type { NoRoutesOptions, ReadySessions, SessionIssuanceOptions, SessionRoutesOptions } from './options.ts'

/**
 * Extend it to name the permissions of your app, so that `app.documentSessions` and
 * `request.documentSession` know them:
 *
 * ```ts
 * declare module 'fastify-doc-tokens/session-issuance' {
 *   interface FastifyDocumentSessions { permission: 'read' | 'sign' }
 * }
 * ```
 */
export interface FastifyDocumentSessions {}

/** The permissions of `app.documentSessions`: the host's where it named them, else the default ones. */
export type HostPermission = FastifyDocumentSessions extends { permission: infer Permission extends string } ? Permission : DefaultPermission

declare module 'fastify' {
  interface FastifyInstance { documentSessions: DocumentSessions<HostPermission> }
  interface FastifyRequest {
    /** The session that the guard admitted, else `null`. */
    documentSession: DocumentSession<HostPermission> | null
  }
}

/** `app.documentSessions`: sessions, and guards for the host's routes. */
export interface DocumentSessions<Permission extends string = DefaultPermission> extends DocumentSessionsCore<Permission> {
  /**
   * A hook that lets a request pass when its session grants all the permissions on the document, and sets
   * `request.documentSession`. Anything else it answers itself: 401 with a challenge for a token that is missing,
   * malformed, expired or revoked, 403 for a document, permission or origin that the session does not cover,
   * 400 for two tokens at once, 503 while the store is out of reach.
   *
   * ```ts
   * app.get('/documents/:id', { onRequest: app.documentSessions.require('read', { param: 'id' }) }, handler)
   * ```
   *
   * @throws {InvalidOptionError} `FDT_INVALID_OPTION` for an unknown permission, or when it cannot know the document.
   */
  require<Request extends FastifyRequest = FastifyRequest> (...args: GuardArguments<Permission, Request>): DocumentSessionGuard<NoInfer<Request>>
}

/**
 * Makes what `app.documentSessions` is, without a server: for workers, scripts and tests, or to share one between apps.
 *
 * @throws {InvalidOptionError} `FDT_INVALID_OPTION` for each option that is unusable.
 */
export async function createDocumentSessions<Permission extends string = DefaultPermission> (options: DocumentSessionsOptions<Permission>): Promise<DocumentSessions<Permission>> {
  const core = await createDocumentSessionsCore(options, createJwtEngine)
  return Object.freeze({ ...core, require: (...args: readonly unknown[]) => createGuard(core, args) })
}

const plugin: TypeBoxPlugin<SessionIssuanceOptions<string>> = async (fastify, options) => {
  const routesOptions = resolveRoutesOptions(options)
  const sessions = options.sessions ?? await createDocumentSessions(options)
  claimScope(fastify, 'documentSessions', sessions.settings.name, sessions)
  claimKeys(fastify, 'session-issuance', 'keys', sessions.settings.keys.list().map(({ verifyKey }) => verifyKey))
  claimKeys(fastify, 'session-issuance/document-engine', 'documentEngineKeys', (options.documentEngineKeys?.list() ?? []).map(({ verifyKey }) => verifyKey))

  // The host may have narrowed the type of the decorator: see FastifyDocumentSessions.
  fastify.decorate('documentSessions', sessions as unknown as DocumentSessions<HostPermission>)
  fastify.decorateRequest('documentSession', null)
  if (routesOptions === undefined) return

  // The routes issue: a ring that cannot sign is a mistake, and had better show now.
  sessions.settings.keys.signing()
  await fastify.register(routes, { ...routesOptions, sessions })
}

/** Registers the flow. The decorators reach the host; routes, parsers and limits stay inside. */
export const sessionIssuance = fp(plugin, {
  name: 'fastify-doc-tokens/session-issuance',
  fastify: '>=5.3.0 <6'
})

export default sessionIssuance
