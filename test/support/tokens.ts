import { createHmac, sign } from 'node:crypto'
import { type RingKey } from '../../lib/keys/key-ring.ts'

/** Signs any header and payload whatever, right or wrong: what an attacker with a key could make. */
export function forge (header: unknown, payload: unknown, key: RingKey): string {
  const input = `${encode(header)}.${encode(payload)}`
  return `${input}.${signature(input, key)}`
}

/** base64url of JSON, or of a string or bytes as they are. */
export function encode (value: unknown): string {
  return (typeof value === 'string' || Buffer.isBuffer(value) ? Buffer.from(value as string) : Buffer.from(JSON.stringify(value))).toString('base64url')
}

function signature (input: string, { algorithm, signKey, verifyKey }: RingKey): string {
  if (signKey === undefined) throw new TypeError('needs a key that signs')
  if (algorithm === 'HS256') return createHmac('sha256', verifyKey).update(input).digest('base64url')
  if (algorithm === 'EdDSA') return sign(null, Buffer.from(input), signKey).toString('base64url')
  return sign('sha256', Buffer.from(input), { key: signKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')
}
