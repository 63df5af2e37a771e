import { type AccessSettings } from '../tokens/access/options.ts'

/** Where the routes are, below the URL of the app. */
export const PATHS = {
  token: '/connect/token',
  introspection: '/connect/introspect',
  revocation: '/connect/revocation',
  jwks: '/.well-known/jwks.json',
  /** Where clients of the vendor's kind of server look for it. */
  jwksAlias: '/.well-known/openid-configuration/jwks'
} as const

/** Algorithms of client assertions and of DPoP proofs. `Ed25519` is what RFC 9864 calls `EdDSA`. */
const PROOF_ALGORITHMS = ['ES256', 'EdDSA', 'Ed25519', 'RS256', 'PS256'] as const

/** `none` is none of them. */
const AUTH_METHODS = ['client_secret_basic', 'client_secret_post', 'private_key_jwt'] as const

/** What an authorization server says of itself: RFC 8414, section 2. */
export interface ServerMetadata {
  issuer: string
  token_endpoint: string
  jwks_uri: string
  scopes_supported: readonly string[]
  response_types_supported: readonly string[]
  grant_types_supported: readonly string[]
  token_endpoint_auth_methods_supported: readonly string[]
  token_endpoint_auth_signing_alg_values_supported: readonly string[]
  introspection_endpoint: string
  introspection_endpoint_auth_methods_supported: readonly string[]
  introspection_endpoint_auth_signing_alg_values_supported: readonly string[]
  revocation_endpoint: string
  revocation_endpoint_auth_methods_supported: readonly string[]
  revocation_endpoint_auth_signing_alg_values_supported: readonly string[]
  dpop_signing_alg_values_supported?: readonly string[]
  protected_resources?: readonly string[]
}

/** What a protected resource says of itself: RFC 9728, section 2. */
export interface ResourceMetadata {
  resource: string
  authorization_servers: readonly string[]
  scopes_supported: readonly string[]
  bearer_methods_supported: readonly string[]
  dpop_signing_alg_values_supported?: readonly string[]
}

type Settings = Pick<AccessSettings<string>, 'issuer' | 'publicUrl' | 'scopes' | 'audience' | 'dpop'>

/**
 * @param prefix The path that the routes hang under.
 *
 * @see [RFC 8414](https://www.rfc-editor.org/rfc/rfc8414)
 */
export function serverMetadata (settings: Settings, prefix: string): ServerMetadata {
  const { issuer, publicUrl, scopes, audience } = settings
  const urlOf = (path: string): string => `${publicUrl}${prefix}${path}`
  return {
    issuer,
    token_endpoint: urlOf(PATHS.token),
    jwks_uri: urlOf(PATHS.jwks),
    scopes_supported: scopes,
    // Required, and of these there are none: no user takes part.
    response_types_supported: [],
    grant_types_supported: ['client_credentials'],
    token_endpoint_auth_methods_supported: AUTH_METHODS,
    token_endpoint_auth_signing_alg_values_supported: PROOF_ALGORITHMS,
    introspection_endpoint: urlOf(PATHS.introspection),
    introspection_endpoint_auth_methods_supported: AUTH_METHODS,
    introspection_endpoint_auth_signing_alg_values_supported: PROOF_ALGORITHMS,
    revocation_endpoint: urlOf(PATHS.revocation),
    revocation_endpoint_auth_methods_supported: AUTH_METHODS,
    revocation_endpoint_auth_signing_alg_values_supported: PROOF_ALGORITHMS,
    ...dpopMetadata(settings),
    ...(isResourceUrl(audience) && { protected_resources: [audience] })
  }
}

/**
 * @returns `undefined` where the audience is no URL: then there is nothing to describe.
 *
 * @see [RFC 9728](https://www.rfc-editor.org/rfc/rfc9728)
 */
export function resourceMetadata (settings: Settings): ResourceMetadata | undefined {
  const { issuer, scopes, audience } = settings
  if (!isResourceUrl(audience)) return undefined
  return {
    resource: audience,
    authorization_servers: [issuer],
    scopes_supported: scopes,
    bearer_methods_supported: ['header'],
    ...dpopMetadata(settings)
  }
}

/** Where the metadata of an issuer or of a resource is: its own path behind the name. RFC 8414, section 3.1, and RFC 9728, section 3.1. */
export function wellKnownPath (name: 'oauth-authorization-server' | 'oauth-protected-resource', url: string): string {
  return `/.well-known/${name}${new URL(url).pathname.replace(/\/$/, '')}`
}

function dpopMetadata ({ dpop }: Settings): Pick<ServerMetadata, 'dpop_signing_alg_values_supported'> {
  return dpop === undefined ? {} : { dpop_signing_alg_values_supported: PROOF_ALGORITHMS }
}

function isResourceUrl (audience: string): boolean {
  return URL.canParse(audience) && /^https?:\/\/[^?#]+$/.test(audience)
}
