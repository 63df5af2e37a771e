/**
 * How members of records and of input are checked.
 *
 * @module
 */
import { InvalidOptionError, InvalidValueError } from '../errors.ts'
import { isLimit } from '../limits/limit.ts'

/** The last second of the year 9999. A time beyond it was meant in milliseconds. */
const MAX_TIME = 253_402_300_799

const CONTROL = /\p{Cc}/u

/** What a member of a record has to be; it is given `undefined` where the member is absent. */
export type Check = (value: unknown) => boolean

/** What a member of input has to be, and how to say so. */
export interface Rule {
  /** @param time Seconds since the Unix epoch. */
  is: (value: unknown, time: number) => boolean
  must: string
}

/** Text for people: 1–256 characters without control characters. */
export function isText (value: unknown): value is string {
  return isPlainText(value, 256)
}

/** Whether `value` is text of 1 to `longest` characters, none of them a control character. */
export function isPlainText (value: unknown, longest: number): value is string {
  return typeof value === 'string' && value.length >= 1 && value.length <= longest && value.isWellFormed() && !CONTROL.test(value)
}

/** Seconds since the Unix epoch. */
export function isTime (value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0 && Number(value) <= MAX_TIME
}

/** Seconds. */
export function isLifetime (value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) > 0
}

export function isBoolean (value: unknown): value is boolean {
  return typeof value === 'boolean'
}

export function isListOf<Item> (value: unknown, isItem: (item: unknown) => item is Item): value is Item[] {
  // Spread first: `every` alone would skip the holes of a sparse array.
  return Array.isArray(value) && [...value].every(isItem)
}

/** Whether `value` is a list that is neither empty nor longer than `longest`. */
export function isShortList<Item> (value: unknown, longest: number, isItem: (item: unknown) => item is Item): value is Item[] {
  return isListOf(value, isItem) && value.length >= 1 && value.length <= longest
}

// `null` is not absent: whether it was meant as "no limit" or as "nothing" is not for us to guess.
export function optional (isUsable: Check): Check {
  return (value) => value === undefined || isUsable(value)
}

/** Not of own members only: a record may be an object of the host's database driver, with getters. */
export function member (value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}

/**
 * @param whose Whose record it is, for the message.
 *
 * @throws {InvalidValueError} `FDT_INVALID_VALUE` (500), naming the member, unless every member passes its check.
 */
export function checkRecord (value: unknown, whose: string, checks: Readonly<Record<string, Check>>): void {
  for (const [name, isUsable] of Object.entries(checks)) {
    if (!isUsable(member(value, name))) throw new InvalidValueError(`the member "${name}" of ${whose} record is unusable`)
  }
}

export const TEXT: Rule = { is: isText, must: 'must be 1 to 256 characters without control characters' }
export const FUTURE: Rule = { is: (value, time) => isTime(value) && value > time, must: 'must be a time to come, in whole seconds since 1970-01-01T00:00:00Z' }
export const LIFETIME: Rule = { is: isLifetime, must: 'must be a positive whole number of seconds' }
export const RATE_LIMIT: Rule = {
  is: (value) => isLimit(value) && Object.keys(value).length === 2,
  must: 'must be { max, timeWindow }: whole numbers of at least 1, the second in milliseconds and at most ten years'
}

/**
 * Unknown names are refused: a misspelt limit would leave the credential without it.
 *
 * @param time Seconds since the Unix epoch.
 *
 * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500), naming the member.
 */
export function checkInput (input: object, rules: Readonly<Record<string, Rule>>, time: number): void {
  if (typeof input !== 'object' || input === null) throw new InvalidOptionError('options', 'must be an object')
  for (const [name, value] of Object.entries(input)) {
    const rule = Object.hasOwn(rules, name) ? rules[name] : undefined
    if (rule === undefined) throw new InvalidOptionError(name, 'is not known')
    if (value !== undefined && !rule.is(value, time)) throw new InvalidOptionError(name, rule.must)
  }
}
