import { digest } from '../digest.ts'
import { orOutage } from '../stores/outage.ts'
import { type TokenStore } from '../stores/token-store.ts'
import { type Bucket } from './address.ts'
import { type Limit } from './limit.ts'

/** How a bucket stands, this time included. */
export interface Usage {
  readonly policy: string
  /** How many there may be, the bucket's factor included. */
  readonly max: number
  /** Milliseconds. */
  readonly timeWindow: number
  /** Never below 0. */
  readonly remaining: number
  readonly isExceeded: boolean
  /** Milliseconds until the count begins anew, at least 1. */
  readonly resetsIn: number
}

/** Counts in the store, so that a limit holds for all processes together. */
export interface Counters {
  /**
   * Counts one in each of the buckets.
   *
   * @throws {StoreUnavailableError} `FDT_STORE_UNAVAILABLE` (503).
   */
  count (buckets: readonly Bucket[], limit: Limit): Promise<readonly Usage[]>
}

export interface CountersOptions {
  store: TokenStore
  /** Separates the counters of one instance of a flow from all others, such as `limit/session-issuance/default`. */
  prefix: string
  /** Current time in milliseconds since the Unix epoch. */
  now: () => number
}

export function createCounters ({ store, prefix, now }: CountersOptions): Counters {
  async function countOne ({ policy, key, factor }: Bucket, { max, timeWindow }: Limit): Promise<Usage> {
    // The window is part of the key: one that the host has changed begins at once, not when the old one ends.
    const { count, expiresAt } = await orOutage(() => store.increment(`${prefix}/${policy}/${timeWindow}/${digest(key)}`, timeWindow))
    const most = max * factor
    return {
      policy,
      max: most,
      timeWindow,
      remaining: Math.max(0, most - count),
      isExceeded: count > most,
      // The store has a clock of its own.
      resetsIn: Math.min(Math.max(1, expiresAt - now()), timeWindow)
    }
  }

  return { count: (buckets, limit) => Promise.all(buckets.map((bucket) => countOne(bucket, limit))) }
}

/** The one that leaves least: an exceeded one before all others, and the one that lasts longer before its equal. */
export function tightest (usages: readonly Usage[]): Usage | undefined {
  return usages.toSorted((one, other) =>
    Number(other.isExceeded) - Number(one.isExceeded) || one.remaining - other.remaining || other.resetsIn - one.resetsIn)[0]
}
