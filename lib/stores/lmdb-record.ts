import { UnsupportedFormatError } from '../errors.ts'

/** What lies under a key: the content in an envelope of this driver. */
export interface LmdbRecord {
  content: Uint8Array
  /** Milliseconds since the Unix epoch; `Infinity` is no end. */
  expiresAt: number
}

// The envelope: its version in one byte, the end as a big-endian double in eight, then the content.
const ENVELOPE_VERSION = 1
const HEADER_LENGTH = 9

/** @internal */
export function encodeRecord ({ content, expiresAt }: LmdbRecord): Buffer {
  const bytes = Buffer.allocUnsafe(HEADER_LENGTH + content.length)
  bytes[0] = ENVELOPE_VERSION
  bytes.writeDoubleBE(expiresAt, 1)
  bytes.set(content, HEADER_LENGTH)
  return bytes
}

/**
 * The content is a copy.
 *
 * @internal
 * @throws {UnsupportedFormatError} `FDT_UNSUPPORTED_FORMAT` (500) when a later release wrote the envelope.
 */
export function decodeRecord (bytes: Buffer): LmdbRecord {
  if (bytes[0] !== ENVELOPE_VERSION) throw new UnsupportedFormatError(String(bytes[0]))
  return { expiresAt: bytes.readDoubleBE(1), content: new Uint8Array(bytes.subarray(HEADER_LENGTH)) }
}

/**
 * A key of the expiry index: when, then what. A big-endian double of a positive number sorts like the
 * number, so the index is in the order of time.
 *
 * @internal
 */
export function encodeExpiry (expiresAt: number, key: Uint8Array): Uint8Array {
  const bytes = Buffer.allocUnsafe(8 + key.length)
  bytes.writeDoubleBE(expiresAt, 0)
  bytes.set(key, 8)
  return bytes
}

/** @internal */
export function decodeExpiry (bytes: Uint8Array): { expiresAt: number, key: Uint8Array } {
  return { expiresAt: Buffer.from(bytes).readDoubleBE(0), key: bytes.subarray(8) }
}
