/**
 * Encryption of what is kept in a store that somebody else may read.
 *
 * @module
 */
import { createCipheriv, createDecipheriv, createSecretKey, randomBytes, type KeyObject } from 'node:crypto'
import { InvalidOptionError } from '../errors.ts'
import { isRepetitive } from './strength.ts'

/** A secret of 32 random bytes with a name, so that two can be live while one replaces the other. */
export interface NamedKey {
  /** 1–64 characters of `A-Z a-z 0-9 . _ ~ -`. No secret: it is written next to what the key has sealed. */
  readonly id: string
  /** 32 bytes. */
  readonly key: Uint8Array
}

export interface Sealer {
  /** Encrypts for one place: the key of the store that it will be under. */
  seal (place: string, content: Uint8Array): Uint8Array
  /**
   * What was sealed for this place with one of the keys; `undefined` for everything else: altered, moved, sealed
   * with another key, of another format or no seal at all.
   */
  open (place: string, sealed: Uint8Array): Uint8Array | undefined
}

/** Format version, length of the id, id, nonce, ciphertext, tag. */
const FORMAT = 1
const KEY_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16

const ID = /^[A-Za-z0-9._~-]{1,64}$/

/**
 * Reads a named key as it stands in an environment variable: `id:base64`, such as the output of
 * `echo "2025:$(openssl rand -base64 32)"`. Both alphabets of base64 are read, with padding or without.
 *
 * @param option What to call it in the error.
 *
 * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500) unless it is an id and 32 bytes that are not a repetition.
 */
export function parseNamedKey (text: string, option = 'keyEncryptionKeys'): NamedKey {
  const [, id = '', encoded = ''] = /^([^:]*):([\w+/-]{43}=?)$/.exec(text) ?? []
  const named = { id, key: Uint8Array.from(Buffer.from(encoded, 'base64')) }
  checkNamedKey(named, option)
  return named
}

/**
 * @param keys The first one seals, all of them open.
 *
 * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500) for no key, a bad one, or two with one id.
 */
export function createSealer (keys: readonly NamedKey[], option = 'keyEncryptionKeys'): Sealer {
  const [first] = Array.isArray(keys) ? keys as readonly NamedKey[] : []
  if (first === undefined) throw new InvalidOptionError(option, 'at least one key is needed')
  for (const key of keys) checkNamedKey(key, option)

  const secrets = new Map<string, KeyObject>(keys.map(({ id, key }) => [id, createSecretKey(key)]))
  if (secrets.size < keys.length) throw new InvalidOptionError(option, 'two keys have one id')

  const header = Buffer.concat([Buffer.of(FORMAT, first.id.length), Buffer.from(first.id)])
  const sealing = createSecretKey(first.key)

  return {
    seal: (place, content) => {
      const nonce = randomBytes(NONCE_BYTES)
      const cipher = createCipheriv('aes-256-gcm', sealing, nonce, { authTagLength: TAG_BYTES })
      cipher.setAAD(Buffer.concat([header, Buffer.from(place)]))
      return Buffer.concat([header, nonce, cipher.update(content), cipher.final(), cipher.getAuthTag()])
    },
    open: (place, sealed) => {
      const nonceAt = 2 + (sealed[1] ?? 0)
      const contentAt = nonceAt + NONCE_BYTES
      const tagAt = sealed.length - TAG_BYTES
      const secret = secrets.get(Buffer.from(sealed.subarray(2, nonceAt)).toString('latin1'))
      if (sealed[0] !== FORMAT || secret === undefined || tagAt < contentAt) return undefined

      const decipher = createDecipheriv('aes-256-gcm', secret, sealed.subarray(nonceAt, contentAt), { authTagLength: TAG_BYTES })
      decipher.setAAD(Buffer.concat([sealed.subarray(0, nonceAt), Buffer.from(place)]))
      decipher.setAuthTag(sealed.subarray(tagAt))
      try {
        return Buffer.concat([decipher.update(sealed.subarray(contentAt, tagAt)), decipher.final()])
      } catch {
        return undefined
      }
    }
  }
}

/**
 * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500) unless it is an id and 32 bytes that are not a repetition.
 *
 * @internal
 */
export function checkNamedKey (named: NamedKey, option: string): void {
  const { id, key } = named ?? {}
  if (typeof id !== 'string' || !ID.test(id)) throw new InvalidOptionError(option, 'a key is written id:base64, its id of 1 to 64 characters of A-Z, a-z, 0-9, ".", "_", "~" and "-"')
  if (!(key instanceof Uint8Array) || key.length !== KEY_BYTES) throw new InvalidOptionError(option, `a key is written id:base64 and has ${KEY_BYTES} bytes`)
  if (isRepetitive(key)) throw new InvalidOptionError(option, 'the key is not random')
}
