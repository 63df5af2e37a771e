import { InvalidOptionError } from './errors.ts'

/**
 * @param holder The option that holds these, where they are not a caller's own.
 *
 * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500) for a name that is not `known`, such as a misspelt one.
 */
export function checkNames (options: object, known: Iterable<string>, holder?: string): void {
  const names = new Set(known)
  const misspelt = Object.keys(options).find((name) => !names.has(name))
  if (misspelt !== undefined) throw new InvalidOptionError(holder === undefined ? misspelt : `${holder}.${misspelt}`, 'there is no such option')
}

/** @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500) unless `value` is a whole number within the bounds: no text, no NaN, no Infinity. */
export function checkWhole (option: string, value: unknown, least: number, most: number): void {
  if (!Number.isSafeInteger(value) || Number(value) < least || Number(value) > most) throw new InvalidOptionError(option, `must be a whole number from ${least} to ${most}`)
}

/** @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500) unless `now` tells a time. */
export function checkClock (now: unknown): void {
  if (typeof now !== 'function' || !Number.isFinite(now())) throw new InvalidOptionError('now', 'must be a function that returns milliseconds')
}

/** Whether `value` holds options: no list, and not `null`. */
export function isObject<Value> (value: Value): value is Value & object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
