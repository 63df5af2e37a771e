import { InvalidOptionError } from '../errors.ts'
import { checkNames, isObject } from '../options.ts'
import { MAX_TTL } from '../stores/token-store.ts'

/** How many in what time. The time begins with the first one, and then anew. */
export interface Limit {
  max: number
  /** Milliseconds. */
  timeWindow: number
}

/** Whether `value` is a limit to rely on: nothing of it is missing, or too much for a store. What else it holds does not matter. */
export function isLimit (value: unknown): value is Limit {
  return isObject(value) && 'max' in value && 'timeWindow' in value && isCount(value.max) && isWindow(value.timeWindow)
}

/**
 * @param option How the option is called.
 * @param limit What the host gave: members that are absent are those of `fallback`; `false` is no limit.
 *
 * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500): a limit that is silently another one is none.
 */
export function resolveLimit (option: string, limit: Partial<Limit> | false | undefined, fallback: Limit): Limit | undefined {
  if (limit === false) return undefined
  if (limit !== undefined && !isObject(limit)) throw new InvalidOptionError(option, 'must be { max?, timeWindow? } or false')
  const { max = fallback.max, timeWindow = fallback.timeWindow } = limit ?? {}
  checkNames(limit ?? {}, ['max', 'timeWindow'], option)
  if (!isCount(max)) throw new InvalidOptionError(`${option}.max`, 'must be a whole number of at least 1')
  if (!isWindow(timeWindow)) throw new InvalidOptionError(`${option}.timeWindow`, 'must be a whole number of milliseconds, at least 1, at most ten years')
  return { max, timeWindow }
}

/** @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500) unless `limits` has no other members than `known`. */
export function checkLimits (limits: object | undefined, known: readonly string[]): void {
  if (limits !== undefined && !isObject(limits)) throw new InvalidOptionError('limits', `must be { ${known.join('?, ')}? }`)
  checkNames(limits ?? {}, known, 'limits')
}

/** A limit may be had 16 times over by a network, and the sum must still be a number. */
function isCount (value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 1 && Number(value) <= 1e12
}

function isWindow (value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 1 && Number(value) <= MAX_TTL
}
