/**
 * The public keys by which a client signs its assertions (RFC 7523).
 *
 * @module
 */
import { InvalidOptionError } from '../errors.ts'
import { publicJwks } from '../keys/jwks.ts'
import { importKey } from '../keys/key-material.ts'
import { type JsonWebKey } from '../keys/key-ring.ts'
import { distinctKeys } from '../keys/local-ring.ts'
import { isShortList, member } from './members.ts'

/** Two for the present and two for the time of a change. */
export const MAX_CLIENT_KEYS = 4

const ASYMMETRIC = new Set<unknown>(['EC', 'OKP', 'RSA'])

/** RFC 7518, sections 6.2.2, 6.3.2 and 6.4. */
const SECRET_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']

/** Whether `value` looks like the public half of a key pair. Does not check that its members make a key. */
export function isPublicJwk (value: unknown): value is JsonWebKey {
  return ASYMMETRIC.has(member(value, 'kty')) && SECRET_MEMBERS.every((name) => member(value, name) === undefined)
}

/**
 * Checks the keys of a client as `importKey` does, and that no two have one name or are one key.
 *
 * @returns The keys with `kid`, `alg` and `use`, and without members that are not known.
 *
 * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500) unless they are 1 to 4 public keys. It holds nothing of them.
 */
export function readClientKeys (keys: unknown): readonly JsonWebKey[] {
  if (!isShortList(keys, MAX_CLIENT_KEYS, isPublicJwk)) throw new InvalidOptionError('keys', `must list 1 to ${MAX_CLIENT_KEYS} public JWKs of type EC, OKP or RSA, without their private halves`)
  try {
    const imported = keys.map((key) => importKey({ key }))
    distinctKeys(imported)
    return publicJwks({ list: () => imported }).keys
  } catch (cause) {
    throw new InvalidOptionError('keys', 'must be of use, each with its "alg" if it is RSA, and no two the same', { cause })
  }
}
