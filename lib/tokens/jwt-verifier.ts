import { InvalidTokenError } from '../errors.ts'
import { type KeyRing, type RingKey } from '../keys/key-ring.ts'
import { isNameOf, parseHeader } from './jws.ts'
import { type KeyEngine } from './key-engine.ts'
import { createVerifiedCache } from './verified-cache.ts'

export interface JwtVerifierOptions<Verified> {
  keys: KeyRing
  engineOf: (key: RingKey) => Promise<KeyEngine>
  /** Whether the `typ` of a header is that of this kind of token. */
  isTyp: (typ: unknown) => boolean
  /** Characters of the longest token. */
  maxLength: number
  /** Bytes of memory for what was verified before. */
  cacheBytes: number
  /** What the claims stand for. Asked once per token: nothing of it may depend on the time. Throws {@link InvalidTokenError}. */
  read: (claims: unknown) => Verified
  /** Called where no key has the token's name, after a look for a new one. May throw. */
  onUnknownKey?: () => void
}

/**
 * Verifies a kind of JWT: the header, the key that it names, the signature, and what `read` checks. Everything, that is,
 * that cannot change while the key stays in the ring, so it is remembered. Time is for the caller to judge, each time.
 *
 * @returns A function that rejects with `FDT_INVALID_TOKEN` (401).
 */
export function createJwtVerifier<Verified> ({ keys, engineOf, isTyp, maxLength, cacheBytes, read, onUnknownKey }: JwtVerifierOptions<Verified>): (token: string) => Promise<Verified> {
  const cache = createVerifiedCache<{ readonly key: RingKey, readonly verified: Verified }>(cacheBytes)

  /** The key that the header names, as an index into the ring and nothing else. */
  async function keyOf (token: string): Promise<RingKey> {
    const { alg, kid, typ } = parseHeader(token).header
    if (!isTyp(typ) || kid === undefined) throw new InvalidTokenError()
    let key = keys.get(kid)
    if (key === undefined) {
      await keys.refresh()
      key = keys.get(kid)
    }
    if (key === undefined) onUnknownKey?.()
    if (key === undefined || !isNameOf(alg, key.algorithm)) throw new InvalidTokenError()
    return key
  }

  async function verifySignature (key: RingKey, token: string): Promise<unknown> {
    const engine = await engineOf(key)
    try {
      return engine.verify(token)
    } catch (error) {
      throw new InvalidTokenError({ cause: error })
    }
  }

  return async (token) => {
    if (typeof token !== 'string' || token.length > maxLength) throw new InvalidTokenError()

    const known = cache.get(token)
    if (known !== undefined && keys.get(known.key.kid) === known.key) return known.verified

    const key = await keyOf(token)
    const verified = read(await verifySignature(key, token))
    cache.set(token, { key, verified })
    return verified
  }
}
