import { type AccessTokenClaims } from './profile.ts'

/** An access token, verified. Frozen all the way down. */
export interface AccessToken<Scope extends string = string> {
  /** The token's id. A UUID of version 7 where it was issued here. */
  readonly jti: string
  /** The `client_id` of whom it was issued to. */
  readonly client: string
  /** The owner of that client, when it has one. */
  readonly owner?: string
  /** `sub`: of client credentials, the client. */
  readonly subject?: string
  /** What the token is good for. It may hold names that are no scopes (any more); no guard asks for them. */
  readonly scopes: readonly Scope[]
  /** The resources that it is for. */
  readonly audiences: readonly string[]
  /** Milliseconds since the Unix epoch. Of another issuer's tokens the second is known. */
  readonly issuedAt: number
  /** Seconds since the Unix epoch. */
  readonly expiresAt: number
  /** Seconds since the Unix epoch. */
  readonly notBefore?: number
  /** Thumbprint of the key that it is bound to: RFC 9449, section 6. */
  readonly jkt?: string
  /** All claims as they stand in the token, those of the issuer's own among them. */
  readonly claims: Readonly<AccessTokenClaims>
}

export interface IssuedAccessToken<Scope extends string = string> {
  /** The access token, a JWT. */
  token: string
  jti: string
  /** What the client got. */
  scopes: readonly Scope[]
  /** Whether that is less than what was asked for, or than what the client gets by default: `grantScopes` said so. */
  isNarrowed: boolean
  audiences: readonly string[]
  /** Whole seconds until then, from when `issue` is done. */
  expiresIn: number
  /** Seconds since the Unix epoch. */
  expiresAt: number
}

/** What `revoke` takes instead of a token: what `issue` or `verify` returned. */
export type AccessTokenReference = Pick<AccessToken, 'jti' | 'expiresAt'> & Partial<Pick<AccessToken, 'client' | 'owner'>>
