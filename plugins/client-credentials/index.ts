/**
 * Client credentials: `POST /connect/token`, introspection, revocation, keys and metadata, and guards for the host's routes.
 *
 * @module
 */
import { type FastifyInstance, type FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { digest } from '../../lib/digest.ts'
import { InvalidOptionError } from '../../lib/errors.ts'
import { createDpop } from '../../lib/oauth/dpop.ts'
import { resourceMetadata, type ResourceMetadata, serverMetadata, type ServerMetadata, wellKnownPath } from '../../lib/oauth/metadata.ts'
import { createSingleUse } from '../../lib/oauth/single-use.ts'
import { checkNames } from '../../lib/options.ts'
import { ACCESS_OPTION_NAMES, type AccessSettings, type AccessTokensOptions, resolveAccessOptions } from '../../lib/tokens/access/options.ts'
import { type AccessToken } from '../../lib/tokens/access/token.ts'
import { type AccessTokensCore, createAccessTokensCore } from '../../lib/tokens/access/tokens.ts'
import { createJwtEngine } from '../shared/jwt-engine.ts'
import { claimKeys } from '../shared/key-uses.ts'
import { claimScope } from '../shared/registration.ts'
import { type TypeBoxPlugin } from '../shared/type-provider.ts'
import { keyRoutes, metadataRoutes } from './documents.ts'
import { type AccessGuardArguments, type AccessTokenGuard, createGuard } from './guard.ts'
import { type ClientCredentialsOptions, type ResolvedAccessRoutes, resolveAccessRoutes } from './options.ts'
import { type AccessParts } from './parts.ts'
import { endpointRoutes, tokenRoutes } from './routes.ts'

export type { Client } from '../../lib/credentials/index.ts'
export type { Limit } from '../../lib/limits/limit.ts'
export type { ResourceMetadata, ServerMetadata } from '../../lib/oauth/metadata.ts'
export type { AccessTokensOptions, DpopSettings } from '../../lib/tokens/access/options.ts'
export type { AccessTokenClaims, AccessTokenProfile } from '../../lib/tokens/access/profile.ts'
export type { AccessToken, AccessTokenReference, IssuedAccessToken } from '../../lib/tokens/access/token.ts'
export type { AccessRevocationTarget, AccessTokenInput } from '../../lib/tokens/access/tokens.ts'
// With it comes the type of `config.docTokens`.
export type { RouteOwner } from '../shared/flow-scope.ts'
export type { MachineLimits } from '../shared/limits.ts'
export type { CodedError } from '../shared/refusals.ts'
export { securitySchemes } from '../shared/openapi.ts'
export type { AccessGuardArguments, AccessGuardOptions, AccessTokenGuard } from './guard.ts'
export type { AccessRoutesOptions, ClientCredentialsOptions, NoAccessRoutesOptions, ReadyAccessTokens } from './options.ts'

/**
 * Extend it to name the scopes of your app, so that `app.accessTokens` and `request.accessToken` know them:
 *
 * ```ts
 * declare module 'fastify-doc-tokens/client-credentials' {
 *   interface FastifyAccessTokens { scope: 'api.read' | 'api.write' }
 * }
 * ```
 */
export interface FastifyAccessTokens {}

/** The scopes of `app.accessTokens`: the host's where it named them, else any. */
export type HostScope = FastifyAccessTokens extends { scope: infer Scope extends string } ? Scope : string

declare module 'fastify' {
  interface FastifyInstance { accessTokens: AccessTokens<HostScope> }
  interface FastifyRequest {
    /** The access token that the guard admitted, else `null`. */
    accessToken: AccessToken<HostScope> | null
  }
}

/** `app.accessTokens`: access tokens, and guards for the host's routes. */
export interface AccessTokens<Scope extends string = string> extends AccessTokensCore<Scope> {
  /**
   * A hook that lets a request pass when its access token has all the scopes, and sets `request.accessToken`. Anything else it
   * answers itself, with a challenge of RFC 6750 and a body with `error`: 401 for a token that is missing, malformed, expired,
   * revoked, for another audience, or not proven to be the sender's (DPoP); 403 for a scope that it does not have; 400 for two
   * tokens, or one in the URL; 503 while the store, or a remote issuer whose key is new, is out of reach.
   *
   * ```ts
   * app.get('/formats', { onRequest: app.accessTokens.require('api.read') }, handler)
   * ```
   *
   * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500) without a scope, or for an unknown one.
   */
  require<Request extends FastifyRequest = FastifyRequest> (...args: AccessGuardArguments<Scope, Request>): AccessTokenGuard<NoInfer<Request>>
  /** What the authorization server says of itself, for `/.well-known/oauth-authorization-server` and the issuer's path. RFC 8414. */
  metadata (): ServerMetadata
  /** What the guarded resource says of itself, for `/.well-known/oauth-protected-resource` and its path; `undefined` where `audience` is no URL. RFC 9728. */
  resourceMetadata (): ResourceMetadata | undefined
}

/** What the plugin needs to know of an object and nobody else. */
const partsOf = new WeakMap<object, AccessParts>()

/**
 * Makes what `app.accessTokens` is, without a server: for workers, scripts and tests, or to share one between apps.
 *
 * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500) for each option that is unusable.
 */
export async function createAccessTokens<Scope extends string = string> (options: AccessTokensOptions<Scope>): Promise<AccessTokens<Scope>> {
  const tokens = await makeTokens(options)
  checkNames(options, ACCESS_OPTION_NAMES)
  return tokens
}

async function makeTokens<Scope extends string> (options: AccessTokensOptions<Scope>): Promise<AccessTokens<Scope>> {
  const settings = resolveAccessOptions(options)
  const core = await createAccessTokensCore(settings, createJwtEngine)
  const parts = createParts(settings)
  const tokens = Object.freeze<AccessTokens<Scope>>({
    ...core,
    require: (...args: readonly unknown[]) => createGuard(core, parts, args),
    metadata: () => serverMetadata(settings, parts.prefix ?? ''),
    resourceMetadata: () => resourceMetadata(settings)
  })
  partsOf.set(tokens, parts)
  return tokens
}

function createParts<Scope extends string> (settings: AccessSettings<Scope>): AccessParts {
  const { store, issuer, now, publicUrl, dpop } = settings
  const singleUse = store && createSingleUse({ store, prefix: `access/${digest(issuer)}/used`, now })
  return {
    dpop: dpop && singleUse && createDpop({ publicUrl, singleUse, now, nonceSecret: dpop.nonceSecret }),
    singleUse,
    resourceMetadata: settings.resourceMetadata,
    prefix: undefined
  }
}

const plugin: TypeBoxPlugin<ClientCredentialsOptions> = async (fastify, options) => {
  const routesOptions = resolveAccessRoutes(options)
  const tokens = options.tokens ?? await makeTokens(options)
  const parts = partsOf.get(tokens)
  if (parts === undefined) throw new InvalidOptionError('tokens', 'must be what createAccessTokens() returned')
  const { name, keys, profile } = tokens.settings
  claimScope(fastify, 'accessTokens', name, tokens)
  claimAudience(fastify, tokens)
  claimKeys(fastify, profile === 'identityserver' ? 'client-credentials/identityserver' : 'client-credentials', 'keys', keys.list().map(({ verifyKey }) => verifyKey))

  // The host may have narrowed the type of the decorator: see FastifyAccessTokens.
  fastify.decorate('accessTokens', tokens as unknown as AccessTokens<HostScope>)
  fastify.decorateRequest('accessToken', null)
  if (routesOptions !== undefined) await registerRoutes(fastify, tokens, parts, routesOptions)
}

/** Per app (known by its server, which all scopes share): the instance whose guards take the tokens of an issuer for an audience. */
const guarded = new WeakMap<object, Map<string, AccessTokens<string>>>()

/** Two such instances would take each other's tokens, and not learn of each other's revocations. */
function claimAudience ({ server }: FastifyInstance, tokens: AccessTokens<string>): void {
  const { issuer, audience, profile } = tokens.settings
  const known = guarded.get(server) ?? new Map<string, AccessTokens<string>>()
  const kind = JSON.stringify([issuer, audience, profile])
  if ((known.get(kind) ?? tokens) !== tokens) throw new InvalidOptionError('audience', 'must not be that of another instance with the same issuer')
  guarded.set(server, known.set(kind, tokens))
}

async function registerRoutes (fastify: Parameters<typeof plugin>[0], tokens: AccessTokens<string>, parts: AccessParts, options: ResolvedAccessRoutes): Promise<void> {
  const { audience, issuer, store, keys } = tokens.settings
  // The routes issue: a ring that cannot sign is a mistake, and had better show now. One that can has a store.
  keys.signing()
  if (store === undefined || parts.singleUse === undefined) throw new InvalidOptionError('store', 'is required where tokens are issued')
  const paths = [wellKnownPath('oauth-authorization-server', issuer), ...tokens.resourceMetadata() === undefined ? [] : [wellKnownPath('oauth-protected-resource', audience)]]
  if (options.metadata && fastify.prefix !== '') throw new InvalidOptionError('metadata', 'cannot be served under a prefix, where nobody looks for it: set it to false and serve app.accessTokens.metadata() yourself')
  if (options.metadata && !paths.every((path) => /^[\w./~-]+$/.test(path))) throw new InvalidOptionError('metadata', 'cannot be served for a path of other characters than A-Z, a-z, 0-9, ., _, ~ and -')

  const prefix = `${fastify.prefix}${options.prefix}`
  if ((parts.prefix ?? prefix) !== prefix) throw new InvalidOptionError('prefix', 'must be the same wherever these tokens are registered: their metadata can name one')
  parts.prefix = prefix
  const scopeOptions = { ...options, tokens, parts, store, singleUse: parts.singleUse }
  await fastify.register(tokenRoutes, scopeOptions)
  await fastify.register(endpointRoutes, scopeOptions)
  await fastify.register(keyRoutes, scopeOptions)
  if (!options.metadata) return
  if (tokens.resourceMetadata() !== undefined) parts.resourceMetadata ??= `${new URL(audience).origin}${wellKnownPath('oauth-protected-resource', audience)}`
  await fastify.register(metadataRoutes, { ...scopeOptions, prefix: '' })
}

/** Registers the flow. The decorators reach the host; routes, parsers and limits stay inside. */
export const clientCredentials = fp(plugin, {
  name: 'fastify-doc-tokens/client-credentials',
  fastify: '>=5.3.0 <6'
})

export default clientCredentials
