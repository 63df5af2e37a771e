import { digest } from '../digest.ts'
import { InvalidClientError, InvalidCredentialError, LockedError, RateLimitedError } from '../errors.ts'
import { orOutage } from '../stores/outage.ts'
import { decodeRecord, encodeRecord } from '../stores/record.ts'
import { addressBuckets } from './address.ts'
import { type CountersOptions, createCounters, tightest } from './counters.ts'
import { type Limit } from './limit.ts'

/** Who tries a secret, and from where. */
export interface Attempt {
  /** The id of the credential that was presented, whether there is one or not. `undefined` where none can be read. */
  id: string | undefined
  /** Fastify's `request.ip`. */
  address: string | undefined
  /** Told when this attempt brought the lock about, and until when: milliseconds since the Unix epoch. */
  onLocked?: (id: string, until: number) => void | Promise<void>
}

/** Ends guessing, and never locks out who does not guess: failures count per id *and* address. */
export interface Lock {
  /**
   * Runs `authenticate`, and counts when it rejects with `FDT_INVALID_CREDENTIAL` or `FDT_INVALID_CLIENT`.
   *
   * After `max` failures of one id from one address (or /64), everything with this id from there is refused until
   * `timeWindow` has passed since the first of them. The same id from elsewhere, and other ids from there, are not
   * touched. Where no id can be read, only failures are refused, by address: what is right passes.
   *
   * Attempts that run at the same time are not told apart: each of them is let to its end.
   *
   * @throws {LockedError} `FDT_LOCKED` (429), with `retryAfter` in seconds.
   * @throws {RateLimitedError} `FDT_RATE_LIMITED` (429), with `retryAfter`, for a failure too many without an id.
   * @throws {StoreUnavailableError} `FDT_STORE_UNAVAILABLE` (503).
   * @throws Whatever `authenticate` rejects with.
   */
  attempt<Result> (attempt: Attempt, authenticate: () => Promise<Result>): Promise<Result>
}

/** @param limit Without one, nothing is counted and nobody is locked. */
export function createLock ({ store, prefix, now }: CountersOptions, limit: Limit | undefined): Lock {
  if (limit === undefined) return { attempt: (_attempt, authenticate) => authenticate() }
  const { max, timeWindow } = limit
  const counters = createCounters({ store, prefix: `${prefix}/failures`, now })
  const lockOf = (key: string): string => `${prefix}/locked/${digest(key)}`

  async function refuseLocked (key: string): Promise<void> {
    const entry = await orOutage(() => store.get(lockOf(key)))
    if (entry !== undefined) throw later(new LockedError(), Number(decodeRecord(entry)['until']) - now())
  }

  async function countFailureOf (key: string, lock: (until: number) => void | Promise<void> | undefined): Promise<void> {
    const usage = tightest(await counters.count([{ policy: 'credential', key, factor: 1 }], { max, timeWindow }))
    if (usage === undefined || usage.remaining > 0) return
    const { resetsIn: ttl, isExceeded } = usage
    const until = now() + ttl
    // At each later failure as well: who counted to `max` may have died over it.
    if (await orOutage(() => store.add(lockOf(key), encodeRecord({ until }), { ttl }))) await lock(until)
    if (isExceeded) throw later(new LockedError(), ttl)
  }

  async function countFailureFrom (address: string | undefined): Promise<void> {
    const usage = tightest(await counters.count(addressBuckets(address), { max, timeWindow }))
    if (usage?.isExceeded === true) throw later(new RateLimitedError(), usage.resetsIn)
  }

  async function attemptUnknown<Result> (address: string | undefined, authenticate: () => Promise<Result>): Promise<Result> {
    return await authenticate().catch(async (error) => {
      if (isFailure(error)) await countFailureFrom(address)
      throw error
    })
  }

  return {
    attempt: async ({ id, address, onLocked }, authenticate) => {
      if (id === undefined) return await attemptUnknown(address, authenticate)
      const key = JSON.stringify([id, addressBuckets(address)[0]?.key])
      await refuseLocked(key)
      return await authenticate().catch(async (error) => {
        if (isFailure(error)) await countFailureOf(key, (until) => onLocked?.(id, until))
        throw error
      })
    }
  }
}

function isFailure (error: unknown): boolean {
  return error instanceof InvalidCredentialError || error instanceof InvalidClientError
}

function later<Refusal extends Error> (error: Refusal, milliseconds: number): Refusal & { retryAfter: number } {
  return Object.assign(error, { retryAfter: Math.max(1, Math.ceil(milliseconds / 1000)) })
}
