import { digest } from '../digest.ts'

/** What was verified before, by the token's exact spelling. Holds digests, never a token. Least recently used goes first. */
export interface VerifiedCache<Verified> {
  get (token: string): Verified | undefined
  set (token: string, verified: Verified): void
}

/** What an entry costs beside what grows with its token: digest, map slot, object headers. Estimated. */
const OVERHEAD = 512

/**
 * @param maxBytes About how much memory the entries may take together. `0` keeps nothing.
 */
export function createVerifiedCache<Verified> (maxBytes: number): VerifiedCache<Verified> {
  const entries = new Map<string, { verified: Verified, bytes: number }>()
  let total = 0

  function remove (key: string): void {
    total -= entries.get(key)?.bytes ?? 0
    entries.delete(key)
  }

  return {
    get: (token) => {
      if (maxBytes === 0) return undefined
      const key = digest(token)
      const entry = entries.get(key)
      if (entry === undefined) return undefined
      entries.delete(key)
      entries.set(key, entry)
      return entry.verified
    },
    set: (token, verified) => {
      // The claims take about as much again as the token that spelt them, twice for two-byte text.
      const bytes = OVERHEAD + token.length * 2
      if (bytes > maxBytes) return
      const key = digest(token)
      remove(key)
      entries.set(key, { verified, bytes })
      total += bytes
      for (const oldest of entries.keys()) {
        if (total <= maxBytes) break
        remove(oldest)
      }
    }
  }
}
