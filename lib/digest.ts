import { createHash } from 'node:crypto'

/** SHA-256 in base64url, 43 characters: as what a text from outside enters a store or a cache. */
export function digest (text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}
