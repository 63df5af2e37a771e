import { type KeyObject } from 'node:crypto'

/** A key as RFC 7517 writes it. Node.js has this type too, in a place that depends on the release of its types. */
export interface JsonWebKey {
  kty?: string
  crv?: string
  x?: string
  y?: string
  d?: string
  n?: string
  e?: string
  p?: string
  q?: string
  dp?: string
  dq?: string
  qi?: string
  k?: string
  [member: string]: unknown
}

/** One key has one algorithm (RFC 8725, section 3.1). `EdDSA` is Ed25519. */
export type KeyAlgorithm = 'HS256' | 'ES256' | 'EdDSA' | 'RS256' | 'PS256'

/** A key that somebody else holds: a KMS or an HSM. */
export interface Signer {
  kid: string
  /** Never `HS256`: a signer has a public half. */
  algorithm: Exclude<KeyAlgorithm, 'HS256'>
  /** PEM, JWK or KeyObject. */
  publicKey: string | JsonWebKey | KeyObject
  /** Resolves to the signature as JWS wants it: ECDSA as r and s (64 bytes), not DER. */
  sign (bytes: Uint8Array): Promise<Uint8Array>
}

/** A key of a ring, checked. Frozen, and one object for as long as the key stays in the ring. */
export interface RingKey {
  readonly kid: string
  readonly algorithm: KeyAlgorithm
  /** The public half, or the secret of `HS256`. */
  readonly verifyKey: KeyObject
  /** The private half, or the secret of `HS256`. Absent on a key that only verifies, and on a {@link Signer}'s. */
  readonly signKey?: KeyObject
  /** Signs in place of `signKey`. */
  readonly signer?: Signer
}

/** Named keys: one signs, all verify until they are removed. */
export interface KeyRing {
  /** The key called `kid`, while it is in the ring. Never a fallback. */
  get (kid: string): RingKey | undefined
  /**
   * The key that signs now.
   *
   * @throws {NoSigningKeyError} `FDT_NO_SIGNING_KEY` (500) when the ring holds public halves only.
   */
  signing (): RingKey
  /** All keys that verify. */
  list (): readonly RingKey[]
  /**
   * Looks at once for keys that another process added, however often it is called at most once per second.
   * Never rejects: what cannot be read leaves the ring as it is.
   */
  refresh (): Promise<void>
  /** Stops following the source. The keys stay. */
  close (): Promise<void>
}
