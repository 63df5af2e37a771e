import { randomBytes, randomInt, timingSafeEqual } from 'node:crypto'
import { CHECKSUM_LENGTH, checksum } from '../checksum.ts'
import { digest } from '../digest.ts'
import { InvalidOptionError } from '../errors.ts'

/** `key`: an API key. `client`: the secret of an OAuth client. */
export type SecretKind = 'key' | 'client'

/** What can be read from a secret without a store. None of it is proof of anything. */
export interface SecretParts {
  readonly kind: SecretKind
  /** Names the credential. Public. */
  readonly id: string
}

/** What every secret made here starts with, whatever its kind. */
export const SECRET_PREFIX = 'fdt_'

const ID = /^[a-z0-9]{16}$/
const ID_LENGTH = 16
const RANDOM_BYTES = 32
// Base64url may hold `_` too, so nothing is split at it: every part has a fixed length. The last character
// of a part has unused bits; only the spelling in which they are zero is one of ours.
const SECRET = /^fdt_(key|client)_([a-z0-9]{16})_[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048][A-Za-z0-9_-]{5}[AQgw]$/
const DIGEST = /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/

/**
 * Makes a secret: `fdt_<kind>_<id>_<256 random bits><checksum>`, 74 characters for an API key. Keep its
 * {@link digestSecret}, show the secret once, and forget it.
 *
 * @param id 16 characters of `a-z0-9` that name the credential; they are public. Default is a random one.
 *
 * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500) when `id` has another form.
 */
export function createSecret (kind: SecretKind, id: string = createSecretId()): string {
  if (!isSecretId(id)) throw new InvalidOptionError('id', 'must be 16 characters of a-z and 0-9')

  const text = `${SECRET_PREFIX}${kind}_${id}_${randomBytes(RANDOM_BYTES).toString('base64url')}`
  return text + checksum(text)
}

/**
 * Reads the public parts of a secret, and finds typing errors by the checksum.
 *
 * Does not tell whether such a credential exists: anybody can compute a checksum.
 *
 * @param text Untrusted.
 *
 * @returns `undefined` unless `text` is, to the letter, a secret as {@link createSecret} makes them.
 */
export function parseSecret (text: string): SecretParts | undefined {
  const [, kind, id] = SECRET.exec(text) ?? []
  if (id === undefined || checksum(text.slice(0, -CHECKSUM_LENGTH)) !== text.slice(-CHECKSUM_LENGTH)) return undefined

  return { kind: kind === 'key' ? 'key' : 'client', id }
}

/**
 * What a store keeps in place of a secret: the SHA-256 of the whole string, in base64url (43 characters).
 *
 * Right for long random secrets. Wrong for anything that a human chose, which can be guessed from it.
 */
export function digestSecret (text: string): string {
  return digest(text)
}

/**
 * Compares two digests in a time that does not depend on what they hold.
 *
 * @internal
 */
export function equalDigests (one: string, other: string): boolean {
  const [left, right] = [Buffer.from(one), Buffer.from(other)]
  return left.length === right.length && timingSafeEqual(left, right)
}

/** @internal */
export function isDigest (value: unknown): value is string {
  return typeof value === 'string' && DIGEST.test(value)
}

/** @internal */
export function isSecretId (value: unknown): value is string {
  return typeof value === 'string' && ID.test(value)
}

/** @internal */
export function createSecretId (): string {
  return Array.from({ length: ID_LENGTH }, () => randomInt(36).toString(36)).join('')
}
