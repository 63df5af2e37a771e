import { randomBytes } from 'node:crypto'

const PATTERN = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

/**
 * A UUID of version 7: 48 bits of time in milliseconds, 74 random bits.
 *
 * @param now Current time in milliseconds since the Unix epoch.
 *
 * @see [RFC 9562, section 5.7](https://www.rfc-editor.org/rfc/rfc9562#section-5.7)
 */
export function uuidv7 (now: number): string {
  const bytes = randomBytes(16)
  bytes.writeUIntBE(Math.floor(now), 0, 6)
  bytes.writeUInt8(0x70 | (bytes.readUInt8(6) & 0x0f), 6)
  bytes.writeUInt8(0x80 | (bytes.readUInt8(8) & 0x3f), 8)
  const hex = bytes.toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

/** Whether `text` is a UUID of version 7 in lower case. */
export function isUuidv7 (text: string): boolean {
  return PATTERN.test(text)
}

/** When the UUID was made, in milliseconds since the Unix epoch. */
export function uuidv7Time (uuid: string): number {
  return Number.parseInt(uuid.slice(0, 8) + uuid.slice(9, 13), 16)
}
