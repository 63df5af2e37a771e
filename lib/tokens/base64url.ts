/** Text, as UTF-8, or bytes in base64url without padding: RFC 7515, section 2. */
export function encodeBase64url (value: string | Uint8Array): string {
  return (typeof value === 'string' ? Buffer.from(value) : Buffer.from(value.buffer, value.byteOffset, value.byteLength)).toString('base64url')
}

/**
 * The bytes that `text` stands for, or `undefined` unless `text` is the one canonical spelling of them:
 * no padding, no white space, neither `+` nor `/`, and the unused bits of the last character zero. Else one
 * token would have several spellings.
 */
export function decodeBase64url (text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64url')
  return bytes.toString('base64url') === text ? bytes : undefined
}
