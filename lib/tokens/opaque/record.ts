import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { InvalidValueError } from '../../errors.ts'
import { checkFormat, STORE_FORMAT } from '../../stores/token-store.ts'
import { type TokenKeys } from './pepper.ts'

/** What the store may know of a token. Whoever reads it learns this, its size, and how often it was used. */
export interface RecordHeader {
  /** The id of the pepper that the token was made with. */
  readonly pepperId: string
  /** The id of the API key that had the token issued. Absent when the host issued it by itself. */
  readonly credential?: string
  /** Whose token it is. */
  readonly auth: string
  /** Milliseconds since the Unix epoch. */
  readonly issuedAt: number
  /** Seconds since the Unix epoch. */
  readonly expiresAt: number
  /** Absent: there is no limit. */
  readonly maxUses?: number
}

/** The largest number of uses that a record holds. */
export const GREATEST_MAX_USES = 0xffff_ffff

const NONCE_BYTES = 12
const TAG_BYTES = 16
const TIME_BYTES = 6

/**
 * A record as it is kept: the header in the clear, then the text under AES-256-GCM, which vouches for the header and for
 * the place too. The key is of this one record, so the nonce could not repeat itself.
 *
 * @param place The key of the store that it will be under.
 */
export function sealRecord (header: RecordHeader, text: string, { sealingKey }: Pick<TokenKeys, 'sealingKey'>, place: string): Uint8Array {
  const clear = encodeHeader(header)
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv('aes-256-gcm', sealingKey, nonce, { authTagLength: TAG_BYTES })
  cipher.setAAD(Buffer.concat([clear, Buffer.from(place)]))
  return Buffer.concat([clear, nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()])
}

/** The record and its text; `undefined` unless all of it is as it was sealed, at this place, with this key. */
export function openRecord (value: Uint8Array, { pepperId, sealingKey }: Pick<TokenKeys, 'pepperId' | 'sealingKey'>, place: string): { header: RecordHeader, text: string } | undefined {
  try {
    const { header, length } = decodeHeader(value)
    if (header.pepperId !== pepperId) return undefined
    const [nonceEnd, tagAt] = [length + NONCE_BYTES, value.length - TAG_BYTES]
    const decipher = createDecipheriv('aes-256-gcm', sealingKey, value.subarray(length, nonceEnd), { authTagLength: TAG_BYTES })
    decipher.setAAD(Buffer.concat([value.subarray(0, length), Buffer.from(place)]))
    decipher.setAuthTag(value.subarray(tagAt))
    const text = Buffer.concat([decipher.update(value.subarray(nonceEnd, tagAt)), decipher.final()]).toString()
    return { header, text }
  } catch {
    return undefined
  }
}

/**
 * The header of a record. Without the token nothing vouches for it: whoever writes to the store may have changed it.
 *
 * @throws {InvalidValueError} `FDT_INVALID_VALUE` (500) when it is no record.
 * @throws {UnsupportedFormatError} `FDT_UNSUPPORTED_FORMAT` (500) when a later release wrote it.
 */
export function readHeader (value: Uint8Array): RecordHeader {
  return decodeHeader(value).header
}

function encodeHeader ({ pepperId, credential = '', auth, issuedAt, expiresAt, maxUses = 0 }: RecordHeader): Buffer {
  const times = Buffer.alloc(2 * TIME_BYTES + 4)
  times.writeUIntBE(Math.floor(issuedAt), 0, TIME_BYTES)
  times.writeUIntBE(expiresAt, TIME_BYTES, TIME_BYTES)
  times.writeUInt32BE(maxUses, 2 * TIME_BYTES)
  return Buffer.concat([Buffer.of(STORE_FORMAT), ...[pepperId, credential, auth].map(withLength), times])
}

function withLength (text: string): Buffer {
  const bytes = Buffer.from(text)
  const length = Buffer.alloc(2)
  length.writeUInt16BE(bytes.length)
  return Buffer.concat([length, bytes])
}

function decodeHeader (value: Uint8Array): { header: RecordHeader, length: number } {
  if (checkFormat(value)[0] !== STORE_FORMAT) throw new InvalidValueError('it has no known format version')
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  let offset = 1
  const text = (): string => {
    const start = offset + 2
    offset = start + bytes.readUInt16BE(offset)
    return bytes.toString('utf8', start, offset)
  }
  const number = (length: number): number => {
    offset += length
    return bytes.readUIntBE(offset - length, length)
  }
  try {
    const [pepperId, credential, auth] = [text(), text(), text()]
    const [issuedAt, expiresAt, maxUses] = [number(TIME_BYTES), number(TIME_BYTES), number(4)]
    return {
      header: { pepperId, ...(credential !== '' && { credential }), auth, issuedAt, expiresAt, ...(maxUses !== 0 && { maxUses }) },
      length: offset
    }
  } catch {
    // Reading beyond the end.
    throw new InvalidValueError('it is not a record of an opaque token')
  }
}
