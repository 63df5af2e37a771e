/**
 * How a ring follows its source.
 *
 * @module
 */
import { InvalidOptionError } from '../errors.ts'

/** Milliseconds. What is added or removed elsewhere is to be known here within two seconds. */
const MAX_POLL_INTERVAL = 1000

/** Milliseconds. Anybody can cause a refresh with a made-up `kid`. */
const REFRESH_INTERVAL = 1000

export interface Follower {
  /** Looks at once, unless it did within the last second. Callers at the same time share one look. Never rejects. */
  refresh (): Promise<void>
  /** Looks no more, and waits for a look that is under way. */
  close (): Promise<void>
}

export interface FollowOptions {
  /** Never two at a time. When it rejects, nothing happens. */
  look: () => Promise<void>
  /** Milliseconds between two looks; 0 to look only when asked. Keeps no process alive. */
  pollInterval: number
  /** Milliseconds since the Unix epoch. */
  now: () => number
}

/** @internal */
export function follow ({ look, pollInterval, now }: FollowOptions): Follower {
  let running: Promise<void> | undefined
  let refreshedAt = -Infinity
  let isClosed = false

  const run = (): Promise<void> => {
    running ??= look().catch(() => {}).finally(() => { running = undefined })
    return running
  }
  const timer = pollInterval === 0 ? undefined : setInterval(run, pollInterval).unref()

  return {
    refresh: async () => {
      const time = now()
      // A clock that was set back must not stop refreshes until it has caught up.
      const isEarly = time >= refreshedAt && time - refreshedAt < REFRESH_INTERVAL
      if (isClosed || (isEarly && running === undefined)) return
      if (running === undefined) refreshedAt = time
      await run()
    },
    close: async () => {
      isClosed = true
      clearInterval(timer)
      await running
    }
  }
}

/** @internal */
export function checkPollInterval (pollInterval: number): void {
  if (!Number.isSafeInteger(pollInterval) || pollInterval < 1 || pollInterval > MAX_POLL_INTERVAL) {
    throw new InvalidOptionError('pollInterval', `it is a whole number of milliseconds from 1 to ${MAX_POLL_INTERVAL}`)
  }
}
