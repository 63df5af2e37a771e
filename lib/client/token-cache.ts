import { type Failure, toError } from './failure.ts'
import { type Outcome } from './token-request.ts'
import { sleep, unlessAborted } from './waiting.ts'

/** A token, as it was granted. Two that read the same are two. */
export interface Grant {
  readonly token: string
  /** Milliseconds of the steady clock, as all times here. From then on another is asked for. */
  readonly renewAt: number
  readonly endsAt: number
}

/** @internal */
export interface TokenCache {
  /** A grant that is not over. */
  get (signal: AbortSignal | null | undefined): Promise<Grant>
  /** Never hand this one out again. Does nothing where another has taken its place. */
  drop (grant: Grant): void
}

/** What {@link createTokenCache} works with. */
export interface TokenCacheSettings {
  ask: () => Promise<Outcome>
  /** Milliseconds that never go back. */
  clock: () => number
  maxRetries: number
  /** Seconds. */
  renewBefore: number
}

/** Milliseconds that callers are made to wait for one more try. Who has to wait longer is told so. */
const MAX_PAUSE = 30_000

/** Milliseconds, below which the first random pause is. */
const FIRST_PAUSE = 500

/** How often an early renewal is tried, at most, before the token is over. */
const EARLY_TRIES = 5

/** @internal One token, and one request for it at a time. */
export function createTokenCache ({ ask, clock, maxRetries, renewBefore }: TokenCacheSettings): TokenCache {
  let current: Grant | undefined
  let attempt: Promise<Grant | Failure> | undefined
  let obtaining: Promise<Grant> | undefined
  /** What the server said when it wanted to be left alone, and until when. */
  let silence: { failure: Failure, until: number } | undefined
  let renewEarlyFrom = 0

  const silentFor = (): number => Math.max(0, (silence?.until ?? 0) - clock())

  /** One request, whoever wants one meanwhile. Never rejects. */
  function tryOnce (): Promise<Grant | Failure> {
    attempt ??= request().finally(() => { attempt = undefined })
    return attempt
  }

  async function request (): Promise<Grant | Failure> {
    const sentAt = clock()
    const outcome = await ask()
    if (!('token' in outcome)) return fail(outcome)
    const { token, lifetime } = outcome
    const endsAt = sentAt + lifetime * 1000
    if (endsAt <= clock()) return fail({ reason: 'the token was over before it came', isPassing: true })

    renewEarlyFrom = 0
    // A token that lives shorter than that is not renewed at once, but at half its time.
    current = { token, endsAt, renewAt: endsAt - Math.min(renewBefore, lifetime / 2) * 1000 }
    return current
  }

  function fail (failure: Failure): Failure {
    const { retryAfter = 0 } = failure
    if (retryAfter > 0) silence = { failure, until: clock() + retryAfter * 1000 }
    if (current !== undefined) renewEarlyFrom = clock() + (current.endsAt - current.renewAt) / EARLY_TRIES
    return failure
  }

  /** Tries until there is a grant, or no sense in trying. */
  async function obtain (tries = 0): Promise<Grant> {
    const pause = silentFor()
    if (silence !== undefined && pause > 0 && isTooLong(silence.failure)) throw toError({ ...silence.failure, retryAfter: Math.ceil(pause / 1000) })
    const wait = pause + (tries === 0 ? 0 : randomPause(tries))
    if (wait > 0) await sleep(wait)

    const outcome = await tryOnce()
    if ('token' in outcome) return outcome
    if (outcome.isPassing !== true || tries === maxRetries) throw toError(outcome)
    return await obtain(tries + 1)
  }

  return {
    get: async (signal) => {
      signal?.throwIfAborted()
      const time = clock()
      if (current !== undefined && time < current.endsAt) {
        if (time >= Math.max(current.renewAt, renewEarlyFrom) && silentFor() === 0) tryOnce()
        return current
      }
      obtaining ??= obtain().finally(() => { obtaining = undefined })
      return await unlessAborted(obtaining, signal)
    },
    drop: (grant) => {
      if (grant === current) current = undefined
    }
  }
}

function isTooLong ({ retryAfter = 0 }: Failure): boolean {
  return retryAfter * 1000 > MAX_PAUSE
}

/** Full jitter: callers that failed together do not come back together. */
function randomPause (retry: number): number {
  return Math.random() * Math.min(MAX_PAUSE, FIRST_PAUSE * 2 ** (retry - 1))
}
