import { InvalidOptionError, StoreFullError, StoreUnavailableError } from '../../errors.ts'
import { isOurs } from '../outage.ts'

/** A reply of Redis that is an error starts with a word in capitals; what follows may repeat what was sent. */
const REPLY_WORD = /^([A-Z][A-Z0-9_]{1,31})(?: |$)/

/** What ioredis says of the Sentinels' last answer. */
const SENTINEL_WORD = /Last error: (WRONGPASS|NOAUTH|NOPERM) /

/** @internal What Redis answers to those who may not do what the store does. It stays so until somebody changes it. */
export const REFUSALS: readonly string[] = ['WRONGPASS', 'NOAUTH', 'NOPERM']

/**
 * The first word of a reply that is an error, such as `MOVED`.
 *
 * @internal
 */
export function replyWord (error: unknown): string | undefined {
  return error instanceof Error && error.name === 'ReplyError' ? REPLY_WORD.exec(error.message)?.[1] : undefined
}

/**
 * What may be told of an error of ioredis. That holds the command with all its arguments (keys, values,
 * the password of AUTH), so it is never passed on.
 *
 * @internal
 */
export function tellable (error: unknown): Error & { code?: string } {
  const word = replyWord(error)
  if (word !== undefined) return withCode(`Redis has answered ${word}`, word)

  const { code, syscall, address, port, message = '', lastNodeError } = Object(error)
  if (lastNodeError !== undefined) return tellable(lastNodeError)
  const refusal = SENTINEL_WORD.exec(message)?.[1]
  if (refusal !== undefined) return withCode(`A Sentinel has answered ${refusal}`, refusal)
  if (message.startsWith('All sentinels')) return new Error('No Sentinel knows the master')
  if (message === TIMED_OUT) return new Error('Redis has not answered in time')
  if (typeof code !== 'string') return new Error('There is no connection to Redis')
  return withCode([syscall, code, [address, port].filter((part) => part !== undefined).join(':')].filter(Boolean).join(' '), code)
}

const TIMED_OUT = 'Command timed out'

/** @internal Whether ioredis gave up waiting for the reply. */
export function hasTimedOut (error: unknown): boolean {
  return error instanceof Error && error.message === TIMED_OUT
}

/**
 * What an operation rejects with in place of `error`.
 *
 * @internal
 */
export function failureOf (error: unknown): Error {
  if (error instanceof InvalidOptionError) return new StoreUnavailableError({ cause: error })
  if (isOurs(error)) return error
  return replyWord(error) === 'OOM' ? new StoreFullError({ cause: tellable(error) }) : new StoreUnavailableError({ cause: tellable(error) })
}

/** @internal */
export function outage (reason: string): Error {
  return new StoreUnavailableError({ cause: new Error(reason) })
}

/**
 * Tells of what is wrong, each thing once until all is well.
 *
 * @internal
 */
export function createComplaints (tell: (error: Error) => void): { add (error: unknown): void, clear (): void } {
  const told = new Set<string>()
  return {
    add (error) {
      const failure = failureOf(error)
      const { message } = Object(failure.cause)
      if (told.has(message)) return
      told.add(message)
      // What a host's function throws must not come up within ioredis.
      queueMicrotask(() => { tell(failure) })
    },
    clear () {
      told.clear()
    }
  }
}

function withCode (message: string, code: string): Error & { code: string } {
  return Object.assign(new Error(message), { code })
}
