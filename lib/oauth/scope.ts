import { InvalidScopeError } from '../errors.ts'

/** Characters of the whole parameter: as many as the vendor's service takes. */
const MAX_SCOPE_LENGTH = 300

/** RFC 6749, section 3.3: `scope-token`. */
const SCOPE_TOKEN = /^[\x21\x23-\x5b\x5d-\x7e]{1,64}$/

/** Whether `value` can be the name of a scope: 1–64 printable ASCII characters without space, quote and backslash. */
export function isScopeName (value: unknown): value is string {
  return typeof value === 'string' && SCOPE_TOKEN.test(value)
}

/**
 * The scopes that a client asks for, each once.
 *
 * Takes single spaces between names, and none around them. Does not check whether there are such scopes.
 *
 * @throws {InvalidScopeError} `FDT_INVALID_SCOPE` (400).
 */
export function parseScope (text: string): readonly string[] {
  const names = text.split(' ')
  if (text.length > MAX_SCOPE_LENGTH || !names.every(isScopeName)) throw new InvalidScopeError()
  return [...new Set(names)]
}
