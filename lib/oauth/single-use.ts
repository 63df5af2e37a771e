import { digestParts } from '../digest.ts'
import { orOutage } from '../stores/outage.ts'
import { STORE_FORMAT, type TokenStore } from '../stores/token-store.ts'

/** What may come once and never again, such as a client assertion or a DPoP proof, in all processes that share the store. */
export interface SingleUse {
  /**
   * Takes note that `parts` has come. To be called when everything else is known to be right: what is in here is never
   * good again.
   *
   * @param parts What makes it one of a kind. Untrusted, and kept as a digest.
   * @param expiresAt From when on it is refused for its age, in milliseconds since the Unix epoch.
   *
   * @returns Whether this was the first time; `false` too when `expiresAt` is over.
   *
   * @throws {StoreUnavailableError} `FDT_STORE_UNAVAILABLE` (503).
   */
  burn (parts: readonly string[], expiresAt: number): Promise<boolean>
}

export interface SingleUseOptions {
  /** Where the entries live. Each write waits for the disk. */
  store: TokenStore
  /** Separates one instance of a flow from all others, such as `client-credentials/default/used`. */
  prefix: string
  /** Current time in milliseconds since the Unix epoch. */
  now: () => number
}

/** Milliseconds that the clocks of two processes may differ: what one has forgotten must be over for the other. */
const MARGIN = 60_000

export function createSingleUse ({ store, prefix, now }: SingleUseOptions): SingleUse {
  return {
    burn: async (parts, expiresAt) => {
      const ttl = expiresAt - now()
      if (ttl <= 0) return false
      return await orOutage(() => store.add(`${prefix}/${digestParts(parts)}`, Buffer.of(STORE_FORMAT), { ttl: Math.ceil(ttl + MARGIN), durable: true }))
    }
  }
}
