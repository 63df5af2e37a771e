import { MAX_NAMED, pathOf } from './explain-problem.ts'
import { memberOf } from './verdict-jwt.ts'

/** A place where two values of JSON differ. */
export interface Difference {
  readonly path: string
  /** How, in fixed words about the token and the config. */
  readonly how: string
}

const MAX_DEPTH = 8

/** The innermost places where `signed` and `sent` differ, the first twenty of them. The order of members does not count, that of lists does. */
export function differences (signed: unknown, sent: unknown, names: readonly string[]): Difference[] {
  const found: Difference[] = []
  compare(signed, sent, names, found)
  return found
}

function compare (signed: unknown, sent: unknown, names: readonly string[], found: Difference[]): void {
  if (found.length >= MAX_NAMED || Object.is(signed, sent)) return
  const isAlike = isContainer(signed) && isContainer(sent) && Array.isArray(signed) === Array.isArray(sent)
  if (!isAlike || names.length > MAX_DEPTH) {
    found.push({ path: pathOf(names), how: howDifferent(signed, sent) })
    return
  }
  for (const name of new Set([...Object.keys(signed), ...Object.keys(sent)])) compare(memberOf(signed, name), memberOf(sent, name), [...names, name], found)
}

function howDifferent (signed: unknown, sent: unknown): string {
  if (sent === undefined) return 'is in the token and not in the config'
  if (signed === undefined) return 'is in the config and not in the token'
  const [inToken, inConfig] = [nameOfType(signed), nameOfType(sent)]
  return inToken === inConfig ? 'has another value in the config than in the token' : `is ${inToken} in the token and ${inConfig} in the config`
}

function nameOfType (value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'a list'
  return { string: 'text', number: 'a number', boolean: 'true or false' }[String(typeof value)] ?? 'an object'
}

function isContainer (value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
