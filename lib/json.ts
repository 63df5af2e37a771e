import { InvalidJsonError } from './errors.ts'

/** How deep arrays and objects may be nested. No request of any flow needs more than five. */
const MAX_DEPTH = 32

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

const QUOTE = 0x22
const COLON = 0x3a
const BACKSLASH = 0x5c
const [OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d]

/**
 * Parses JSON that a stranger sent. Stricter than `JSON.parse`: two readers of an accepted text cannot
 * see two different things in it.
 *
 * Refuses invalid UTF-8, a byte order mark, a member that an object repeats (RFC 8259, section 4), a
 * member `__proto__`, lone surrogates, and nesting deeper than 32. Does not check what the value is.
 *
 * @param bytes The text in UTF-8. Untrusted.
 *
 * @throws {InvalidJsonError} `FDT_INVALID_JSON` (400). Its message holds nothing of the text.
 */
export function parseJson (bytes: Uint8Array): unknown {
  const text = decode(bytes)
  const value = parse(text)
  inspect(text)
  return value
}

function decode (bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes)
  } catch {
    throw new InvalidJsonError('it is not UTF-8')
  }
}

function parse (text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // The engine's own message quotes the text.
    throw new InvalidJsonError('it is not JSON')
  }
}

/** One pass over text that is known to be JSON, so every quote opens a string and every bracket closes. */
function inspect (text: string): void {
  const names: Array<Set<string> | undefined> = []
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code === QUOTE) {
      const end = endOfString(text, index)
      const string = readString(text, index, end)
      if (isName(text, end)) checkName(string, names.at(-1))
      index = end
    } else if (code === OPEN_OBJECT || code === OPEN_ARRAY) {
      names.push(code === OPEN_OBJECT ? new Set() : undefined)
      if (names.length > MAX_DEPTH) throw new InvalidJsonError('it is nested too deeply')
    } else if (code === CLOSE_OBJECT || code === CLOSE_ARRAY) {
      names.pop()
    }
  }
}

function endOfString (text: string, start: number): number {
  let index = start + 1
  while (text.charCodeAt(index) !== QUOTE) index += text.charCodeAt(index) === BACKSLASH ? 2 : 1
  return index
}

function readString (text: string, start: number, end: number): string {
  const raw = text.slice(start + 1, end)
  if (!raw.includes('\\')) return raw
  const string = String(JSON.parse(text.slice(start, end + 1)))
  if (!string.isWellFormed()) throw new InvalidJsonError('it holds half of a surrogate pair')
  return string
}

/** In JSON only the name of a member is followed by a colon. */
function isName (text: string, end: number): boolean {
  let index = end + 1
  while (text.charCodeAt(index) <= 0x20) index++
  return text.charCodeAt(index) === COLON
}

function checkName (name: string, seen: Set<string> | undefined): void {
  if (name === '__proto__') throw new InvalidJsonError('it holds a member __proto__')
  if (seen?.has(name) === true) throw new InvalidJsonError('it repeats a member')
  seen?.add(name)
}
