import { InvalidFormError } from '../errors.ts'

/** The parameters of a form, as OAuth reads them: an empty one counts as omitted. */
export interface Form {
  /** `undefined` where it is absent or empty. */
  get (name: string): string | undefined
  /** All values of a parameter that may be repeated. */
  getAll (name: string): readonly string[]
}

/** The one parameter that may stand there more than once: RFC 8707, section 2. */
const REPEATABLE = 'resource'

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Reads `application/x-www-form-urlencoded`, stricter than browsers write it: two readers of an accepted text cannot see
 * two different things in it.
 *
 * Refuses what is not UTF-8 (percent-encoded or not), a `%` without two hexadecimal digits behind it, and a parameter
 * that stands there twice, whatever its name. Does not check what the values are.
 *
 * @param bytes The body. Untrusted.
 *
 * @throws {InvalidFormError} `FDT_INVALID_FORM` (400). Its message holds nothing of the body.
 *
 * @see [RFC 6749, section 3.2](https://www.rfc-editor.org/rfc/rfc6749#section-3.2)
 */
export function parseForm (bytes: Uint8Array): Form {
  const parameters = new Map<string, string[]>()
  for (const pair of decodeText(bytes).split('&')) {
    if (pair === '') continue
    const [name, value] = splitAt(pair, '=').map(decodeFormText)
    if (name === undefined || value === undefined) throw new InvalidFormError('it is not percent-encoded UTF-8')
    if (name === '__proto__') throw new InvalidFormError('it holds a parameter __proto__')
    const values = parameters.get(name) ?? []
    if (values.length > 0 && name !== REPEATABLE) throw new InvalidFormError('it repeats a parameter')
    parameters.set(name, [...values, value])
  }

  const getAll = (name: string): readonly string[] => (parameters.get(name) ?? []).filter((value) => value !== '')
  return { get: (name) => getAll(name)[0], getAll }
}

/** `undefined` where the text is not percent-encoded UTF-8. RFC 6749, appendix B. */
export function decodeFormText (text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return undefined
  }
}

/** What stands before and behind the first `separator`. */
export function splitAt (text: string, separator: string): [string, string] {
  const index = text.indexOf(separator)
  return index < 0 ? [text, ''] : [text.slice(0, index), text.slice(index + separator.length)]
}

function decodeText (bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes)
  } catch {
    throw new InvalidFormError('it is not UTF-8')
  }
}
