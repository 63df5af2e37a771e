import { InvalidRequestError } from '../../errors.ts'
import { parseJson } from '../../json.ts'
import { printable } from '../../printable.ts'

/** What the value of a parameter can be. */
export type ParameterValue = string | number | boolean | null

/** Parameters of which nothing more is known. */
export type AnyParameters = { [Name in string]: ParameterValue }

/** Parameters that a caller posted. */
export interface PostedParameters {
  /** The parameters without `auth`, each a plain value. */
  readonly values: AnyParameters
  /** The text of them with this `auth` in front, all else as it was posted. */
  withAuth (auth: string): string
}

/** Whose parameters they are. The service says so, never a caller. */
export const AUTH = 'auth'

const MAX_PARAMETERS = 100

/** No number prints longer than 25 characters; more may be zeros. */
const MAX_NUMBER_LENGTH = 64

/**
 * Reads parameters that a stranger posted, and keeps their text: to parse and print them again would reorder names that
 * look like numbers, and change long numbers.
 *
 * Refuses what {@link parseJson} refuses, what is no flat object of 1–100 parameters besides `auth`, and numbers that
 * are another number once they were read.
 *
 * @param bytes JSON in UTF-8. Untrusted.
 * @param root What messages call the object.
 *
 * @throws {InvalidJsonError} `FDT_INVALID_JSON` (400).
 * @throws {InvalidRequestError} `FDT_INVALID_REQUEST` (400). It names the parameter, never its value.
 */
export function readParameters (bytes: Uint8Array, root: string): PostedParameters {
  const value = parseJson(bytes)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new InvalidRequestError(`${root} must be an object`)

  // Of own members alone: `parseJson` refuses `__proto__`.
  const posted: { [Name in string]: unknown } = { ...value }
  // `auth` among them, or the text could not be split.
  checkValues(posted, root)
  checkNames(posted, root)
  const { [AUTH]: _, ...values } = posted
  checkCount(values, root)
  const members = splitMembers(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString())
  for (const { name, value } of members) {
    if (name !== AUTH && typeof values[name] === 'number') checkNumber(value, `${root}/${name}`)
  }

  const kept = members.filter(({ name }) => name !== AUTH).map(({ text }) => text).join(',')
  return { values, withAuth: (auth) => `{${JSON.stringify(AUTH)}:${JSON.stringify(auth)},${kept}}` }
}

/**
 * The JSON of parameters that the host has as an object.
 *
 * @throws {InvalidRequestError} `FDT_INVALID_REQUEST` (400) for what JSON cannot hold.
 */
export function printParameters (parameters: object, root: string): Uint8Array {
  const isPlain = typeof parameters === 'object' && parameters !== null && !Array.isArray(parameters)
  if (!isPlain) throw new InvalidRequestError(`${root} must be an object`)
  const entries = Object.entries(parameters)
  checkValues(Object.fromEntries(entries), root)
  // Half a surrogate pair is printed as an escape, and refused where it is read.
  return Buffer.from(`{${entries.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(',')}}`)
}

function checkCount (values: AnyParameters, root: string): void {
  const { length } = Object.keys(values)
  if (length < 1 || length > MAX_PARAMETERS) throw new InvalidRequestError(`${root} must have 1 to ${MAX_PARAMETERS} parameters`)
}

function checkValues (values: { [Name in string]: unknown }, root: string): asserts values is AnyParameters {
  const wrong = Object.keys(values).find((name) => !isParameterValue(values[name]))
  if (wrong !== undefined) throw new InvalidRequestError(`${printable(`${root}/${wrong}`)} must be a string, a finite number, true, false or null`)
}

/** Some readers take a name in any case for the one that they look for, and the last of them (Go, ASP.NET): that is `auth` as well. */
function checkNames (values: AnyParameters, root: string): void {
  const wrong = Object.keys(values).find((name) => name !== AUTH && name.toLowerCase() === AUTH)
  if (wrong !== undefined) throw new InvalidRequestError(`${printable(`${root}/${wrong}`)} must not look like ${AUTH}: the service says whose token it is`)
}

function isParameterValue (value: unknown): value is ParameterValue {
  return value === null || typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value)
}

interface Member {
  name: string
  /** The value as it is written. */
  value: string
  /** The whole member, and the white space around it. */
  text: string
}

/** @param text JSON of an object that holds plain values alone: every comma and every colon outside of strings is one of its own. */
function splitMembers (text: string): Member[] {
  const members: Member[] = []
  let start = text.indexOf('{') + 1
  let colon = start
  for (let index = start; index < text.length; index++) {
    const character = text[index]
    if (character === '"') index = endOfString(text, index)
    else if (character === ':') colon = index
    else if (character === ',' || character === '}') {
      members.push({ name: JSON.parse(text.slice(start, colon)), value: text.slice(colon + 1, index).trim(), text: text.slice(start, index) })
      start = index + 1
    }
  }
  return members
}

function endOfString (text: string, start: number): number {
  let index = start + 1
  while (text[index] !== '"') index += text[index] === '\\' ? 2 : 1
  return index
}

/** A reader that parses a number and prints it again must get the same one. */
function checkNumber (text: string, path: string): void {
  const isKept = text.length <= MAX_NUMBER_LENGTH && normalize(text) === normalize(String(Number(text)))
  if (!isKept) throw new InvalidRequestError(`${printable(path)} is a number that not every reader reads alike: send it as a string`)
}

/** One spelling for all of one number: sign, digits without zeros around them, power of ten. */
function normalize (text: string): string {
  const [mantissa = '', exponent = '0'] = text.toLowerCase().split('e')
  const [whole = '', fraction = ''] = mantissa.replace('-', '').split('.')
  const sign = mantissa.startsWith('-') ? '-' : ''
  const digits = (whole + fraction).replace(/^0+/, '')
  const significant = digits.replace(/0+$/, '')
  if (significant === '') return `${sign}0`
  return `${sign}${significant}e${Number(exponent) - fraction.length + digits.length - significant.length}`
}
