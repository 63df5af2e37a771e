import { type Static, Type } from '@sinclair/typebox'

const Text = (maxLength: number) => Type.String({ minLength: 1, maxLength })

/** Seconds since the Unix epoch. RFC 7519, section 2: not necessarily whole ones. */
const NumericDate = Type.Number({ minimum: 0, maximum: 253_402_300_799 })

const audiences = Type.Union([Text(512), Type.Array(Text(512), { minItems: 1, maxItems: 64 })])

const shared = {
  iss: Text(2048),
  aud: audiences,
  exp: NumericDate,
  iat: NumericDate,
  nbf: Type.Optional(NumericDate),
  jti: Text(256),
  client_id: Text(256),
  owner: Type.Optional(Text(256)),
  // What is bound to something else, such as a certificate, is refused: nobody here would check that.
  cnf: Type.Optional(Type.Object({ jkt: Type.String({ pattern: '^[A-Za-z0-9_-]{43}$' }) }))
}

/** The claims of an access token of RFC 9068. Others may stand beside them: section 2.2 lets every issuer add its own. */
export const AccessClaimsSchema = Type.Object({
  ...shared,
  sub: Text(512),
  scope: Type.Optional(Type.String({ maxLength: 4160 }))
})

/** The claims as IdentityServer writes them: `scope` is a list. */
export const IdentityServerClaimsSchema = Type.Object({
  ...shared,
  sub: Type.Optional(Text(512)),
  scope: Type.Optional(Type.Array(Text(256), { maxItems: 64 }))
})

export type AccessClaims = Static<typeof AccessClaimsSchema>
export type IdentityServerClaims = Static<typeof IdentityServerClaimsSchema>
