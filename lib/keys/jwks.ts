import { createHash, createPublicKey } from 'node:crypto'
import { UnusableKeyError } from '../errors.ts'
import { type JsonWebKey, type KeyRing, type RingKey } from './key-ring.ts'

/** A public half as others see it: RFC 7517, section 4. */
export interface PublicJwk extends JsonWebKey {
  kid: string
  alg: string
  use: 'sig'
}

/** The members that make up a public key, in the order that RFC 7638, section 3.2, hashes them. */
const PUBLIC_MEMBERS: ReadonlyMap<unknown, readonly string[]> = new Map([
  ['EC', ['crv', 'kty', 'x', 'y']],
  ['OKP', ['crv', 'kty', 'x']],
  ['RSA', ['e', 'kty', 'n']]
])

/**
 * The public halves of a ring, for whoever verifies its tokens. Secrets of `HS256` have none and are left
 * out; no private member is ever in the answer.
 */
export function publicJwks (ring: Pick<KeyRing, 'list'>): { keys: PublicJwk[] } {
  return { keys: ring.list().filter(({ algorithm }) => algorithm !== 'HS256').map(publicJwk) }
}

function publicJwk ({ kid, algorithm, verifyKey }: RingKey): PublicJwk {
  // A ring of the host's own may hold a whole key there.
  const half = verifyKey.type === 'private' ? createPublicKey(verifyKey) : verifyKey
  return { ...half.export({ format: 'jwk' }), kid, alg: algorithm, use: 'sig' }
}

/**
 * The SHA-256 thumbprint of an EC, OKP or RSA key, in base64url. The private half has the same one.
 *
 * Does not check that the members make a key.
 *
 * @throws {UnusableKeyError} `FDT_UNUSABLE_KEY` (500) for another type of key, or when a member is not text.
 *
 * @see [RFC 7638](https://www.rfc-editor.org/rfc/rfc7638)
 */
export function jwkThumbprint (jwk: JsonWebKey): string {
  const names = PUBLIC_MEMBERS.get(jwk.kty)
  if (names === undefined) throw new UnusableKeyError('a thumbprint is for EC, OKP and RSA keys')

  const members = names.map((name) => [name, jwk[name]])
  if (!members.every(([, value]) => typeof value === 'string')) throw new UnusableKeyError('a member of the JWK is missing')
  return createHash('sha256').update(JSON.stringify(Object.fromEntries(members))).digest('base64url')
}
