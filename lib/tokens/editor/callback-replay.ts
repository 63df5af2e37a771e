import { digest } from '../../digest.ts'
import { orOutage } from '../../stores/outage.ts'
import { STORE_FORMAT, type TokenStore } from '../../stores/token-store.ts'
import { type VerifiedCallback } from './callback.ts'

/**
 * Callbacks that were processed, each at its URL: at another one it is another. An entry lives as long as its token.
 */
export interface ProcessedCallbacks {
  /** @throws {StoreUnavailableError} `FDT_STORE_UNAVAILABLE` (503). */
  has (url: string, callback: VerifiedCallback): Promise<boolean>
  /**
   * To be called when the host has processed it, and not before: what is in here is never processed again.
   *
   * @throws {StoreUnavailableError} `FDT_STORE_UNAVAILABLE` (503).
   */
  add (url: string, callback: VerifiedCallback): Promise<void>
}

/** Milliseconds: the greatest tolerance that an instance over the same store may have. */
const MARGIN = 300_000

export function createProcessedCallbacks ({ store, name, now }: { store: TokenStore, name: string, now: () => number }): ProcessedCallbacks {
  const keyOf = (url: string, text: string): string => `editor/${name}/callback/${digest(`${text} ${url}`)}`

  return {
    has: async (url, { tokens: [{ text }] }) => await orOutage(async () => await store.get(keyOf(url, text))) !== undefined,
    add: async (url, { tokens }) => {
      for (const { text, expiresAt } of tokens) {
        // What takes longer than the token lives leaves nothing that could come again.
        const ttl = Math.ceil(expiresAt * 1000 + MARGIN - now())
        if (ttl > 0) await orOutage(async () => await store.add(keyOf(url, text), Buffer.of(STORE_FORMAT), { ttl, durable: true }))
      }
    }
  }
}
