import { randomBytes, randomUUID } from 'node:crypto'
import { CHECKSUM_LENGTH, checksum } from '../../checksum.ts'
import { decodeBase64url } from '../base64url.ts'

/**
 * What tokens look like. `base64url`: a prefix, 256 random bits and a checksum. `uuid`: a UUID of version 4, with 122
 * random bits, fewer than RFC 6749, section 10.10, asks for (2^-128) and than OWASP ASVS 5.0 takes (7.2.3, 11.5.1): for
 * clients that insist on the shape.
 */
export type OpaqueTokenFormat = 'base64url' | 'uuid'

/** Makes and reads tokens of one format. */
export interface TokenFormat {
  create (): { token: string, bytes: Uint8Array }
  /** The random bytes of a token, the same for each of its spellings; `undefined` for what is no token of this format. */
  read (token: string): Uint8Array | undefined
}

const RANDOM_BYTES = 32

/** RFC 9562, section 4: read in either case. */
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/i

const uuidFormat: TokenFormat = {
  create: () => {
    const token = randomUUID()
    return { token, bytes: uuidBytes(token) }
  },
  read: (token) => UUID.test(token) ? uuidBytes(token) : undefined
}

function uuidBytes (uuid: string): Uint8Array {
  return Buffer.from(uuid.replaceAll('-', ''), 'hex')
}

/** @param prefix What tokens start with, for those who look for leaked ones. */
export function tokenFormat (format: OpaqueTokenFormat, prefix: string): TokenFormat {
  if (format === 'uuid') return uuidFormat

  const start = `${prefix}_`
  const length = start.length + Math.ceil(RANDOM_BYTES * 4 / 3) + CHECKSUM_LENGTH
  return {
    create: () => {
      const bytes = randomBytes(RANDOM_BYTES)
      const text = start + bytes.toString('base64url')
      return { token: text + checksum(text), bytes }
    },
    read: (token) => {
      if (token.length !== length || !token.startsWith(start)) return undefined
      const text = token.slice(0, -CHECKSUM_LENGTH)
      return checksum(text) === token.slice(-CHECKSUM_LENGTH) ? decodeBase64url(text.slice(start.length)) : undefined
    }
  }
}
