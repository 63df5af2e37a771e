import { TypeCompiler } from '@sinclair/typebox/compiler'
import { InvalidTokenError } from '../../errors.ts'
import { AccessClaimsSchema, type AccessClaims, type IdentityServerClaims, IdentityServerClaimsSchema } from '../../schemas/access-token.ts'

/** How an access token is written: as RFC 9068 says, or as IdentityServer did for the vendor's service. */
export type AccessTokenProfile = 'rfc9068' | 'identityserver'

/** The claims of an access token, as they stand there. */
export type AccessTokenClaims = AccessClaims | IdentityServerClaims

/** What a token is made of, whatever its profile. Times are seconds since the Unix epoch. */
export interface AccessGrant {
  issuer: string
  audiences: readonly string[]
  client: string
  owner: string | undefined
  scopes: readonly string[]
  jti: string
  issuedAt: number
  expiresAt: number
  /** Thumbprint of the key that the token is bound to. */
  jkt: string | undefined
}

/** What differs between the profiles. */
export interface ProfileRules {
  /** The `typ` of tokens that are issued. */
  typ: string
  isTyp (typ: unknown): boolean
  /** Which of the audiences that a client may have a token is for, where the client names none. */
  defaultAudiences (allowed: readonly string[]): readonly string[]
  write (grant: AccessGrant): AccessTokenClaims
  /** @throws {InvalidTokenError} `FDT_INVALID_TOKEN` (401) unless every claim that is looked at has its type. */
  read (claims: unknown): AccessTokenClaims
  scopesOf (claims: AccessTokenClaims): readonly string[]
}

const rfc9068Check = TypeCompiler.Compile(AccessClaimsSchema)
const identityServerCheck = TypeCompiler.Compile(IdentityServerClaimsSchema)

/** Of both: whose client it is, and the key that the token is bound to. */
function extrasOf ({ owner, jkt }: AccessGrant): Pick<AccessTokenClaims, 'owner' | 'cnf'> {
  return { ...(owner !== undefined && { owner }), ...(jkt !== undefined && { cnf: { jkt } }) }
}

export const PROFILES: Readonly<Record<AccessTokenProfile, ProfileRules>> = {
  rfc9068: {
    typ: 'at+jwt',
    // RFC 9068, section 4: with the prefix as well. Media types know no case: RFC 2045, section 5.1.
    isTyp: (typ) => typeof typ === 'string' && /^(?:application\/)?at\+jwt$/i.test(typ),
    defaultAudiences: (allowed) => allowed.slice(0, 1),
    write: (grant) => ({
      iss: grant.issuer,
      exp: grant.expiresAt,
      aud: grant.audiences.length === 1 ? String(grant.audiences[0]) : [...grant.audiences],
      // Section 2.2: where no resource owner takes part, the client itself.
      sub: grant.client,
      client_id: grant.client,
      iat: grant.issuedAt,
      jti: grant.jti,
      ...(grant.scopes.length > 0 && { scope: grant.scopes.join(' ') }),
      ...extrasOf(grant)
    }),
    read: (claims) => {
      if (!rfc9068Check.Check(claims)) throw new InvalidTokenError()
      return claims
    },
    scopesOf: ({ scope }) => typeof scope === 'string' ? scope.split(' ').filter((name) => name !== '') : []
  },
  identityserver: {
    typ: 'JWT',
    isTyp: (typ) => typ === 'JWT',
    defaultAudiences: (allowed) => allowed,
    // The members of the vendor's tokens in their order. Without the last two, tokens of one second would be one token.
    write: (grant) => ({
      nbf: grant.issuedAt,
      exp: grant.expiresAt,
      iss: grant.issuer,
      aud: [...grant.audiences],
      client_id: grant.client,
      client_idSrvId: '',
      scope: [...grant.scopes],
      iat: grant.issuedAt,
      jti: grant.jti,
      ...extrasOf(grant)
    }),
    read: (claims) => {
      if (!identityServerCheck.Check(claims)) throw new InvalidTokenError()
      return claims
    },
    scopesOf: ({ scope }) => Array.isArray(scope) ? scope : []
  }
}
