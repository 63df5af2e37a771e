import { createHash } from 'node:crypto'

/** SHA-256 in base64url, 43 characters: as what a text from outside enters a store or a cache. */
export function digest (text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}

/** The same of several texts, each with its length in front, so that none can spell another. */
export function digestParts (parts: readonly string[]): string {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(`${part.length}:`).update(part)
  return hash.digest('base64url')
}
