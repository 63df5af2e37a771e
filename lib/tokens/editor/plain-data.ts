import { InvalidEditorPayloadError } from '../../errors.ts'

/** Names of members and places in lists, from the outside in. */
export type Path = ReadonlyArray<string | number>

export type PlainObject = Record<string, unknown>

/** Bytes of UTF-8, of a payload as JSON. */
const MAX_BYTES = 256 * 1024

/** How deep objects and lists may be nested: as in what comes back, see `parseJson`. */
const MAX_DEPTH = 32

/**
 * What is wrong with a payload, in the vendor's spelling of paths: `document.permissions.edit`, `images[0].url`. A stranger
 * may have chosen the names: what is not plain is shown as `?`.
 */
export function refusal (path: Path, problem: string): InstanceType<typeof InvalidEditorPayloadError> {
  const members = path.map((member) => typeof member === 'number' ? `[${member}]` : `.${/^[\w$-]{1,64}$/.test(member) ? member : '?'}`)
  return new InvalidEditorPayloadError(`${members.join('').replace(/^\./, '')} ${problem}`)
}

/**
 * Copies a payload, which is read just once: what is checked afterwards is what is signed. Members stay in their order.
 *
 * Refuses what `JSON.stringify` would drop or change, so that it is an error and not a token that means something else:
 * a member that is `undefined` would be signed as absent, and an absent permission is one that is given. Also refuses
 * `__proto__`, half a surrogate pair, nesting deeper than 32, and more than 256 KiB.
 *
 * @param subject What it is, for messages.
 *
 * @throws {InvalidEditorPayloadError} `FDT_INVALID_EDITOR_PAYLOAD` (400).
 */
export function copyPlainData (subject: string, payload: unknown): PlainObject {
  if (typeof payload === 'string') throw new InvalidEditorPayloadError(`The ${subject} must be an object, and is text: JSON that was encoded twice?`)
  if (typeof payload !== 'object' || payload === null || Array.isArray(payload)) throw new InvalidEditorPayloadError(`The ${subject} must be an object`)

  // Every value and every character is a byte at least: what holds one thing many times over ends before it has grown.
  let room = MAX_BYTES
  const spend = (bytes: number): void => {
    room -= bytes
    if (room < 0) throw tooLarge(subject)
  }

  function copyValue (value: unknown, path: Path): unknown {
    spend(1)
    if (typeof value === 'string') return copyText(value, path)
    if (typeof value === 'boolean' || value === null || Number.isFinite(value)) return value
    if (typeof value === 'number') throw refusal(path, 'must be a number that JSON has')
    if (value === undefined) throw refusal(path, 'is undefined: give it a value, or leave the member out')
    if (typeof value !== 'object') throw refusal(path, 'must be plain data, as JSON has it')
    return Array.isArray(value) ? copyList(value, path) : copyObject(value, path)
  }

  function copyText (text: string, path: Path): string {
    spend(text.length)
    if (!text.isWellFormed()) throw refusal(path, 'holds half of a surrogate pair')
    return text
  }

  function copyList (list: readonly unknown[], path: Path): unknown[] {
    enter(path)
    if (Object.getPrototypeOf(list) !== Array.prototype || Reflect.ownKeys(list).length !== list.length + 1) throw refusal(path, 'must be a plain list without gaps')
    return Array.from({ length: list.length }, (_, index) => copyMember(list, index, [...path, index]))
  }

  function copyObject (object: object, path: Path): PlainObject {
    enter(path)
    if (!isPlainObject(object)) throw refusal(path, 'must be a plain object, not an instance of a class')
    const copy: PlainObject = {}
    for (const name of Reflect.ownKeys(object)) {
      if (typeof name === 'symbol' || name === '__proto__') throw refusal([...path, '?'], 'has a name that cannot be signed')
      copyText(name, [...path, name])
      copy[name] = copyMember(object, name, [...path, name])
    }
    return copy
  }

  /** A getter could say one thing here and another one later, and a hidden member would not be signed. */
  function copyMember (holder: object, name: string | number, path: Path): unknown {
    const descriptor = Object.getOwnPropertyDescriptor(holder, name)
    if (descriptor?.enumerable !== true || !('value' in descriptor)) throw refusal(path, 'must be a plain member')
    return copyValue(descriptor.value, path)
  }

  const copy = copyObject(payload, [])
  if (Buffer.byteLength(JSON.stringify(copy)) > MAX_BYTES) throw tooLarge(subject)
  return copy
}

/** Whether it is an object of its own members alone: no list, and no instance of a class, whose members a copy would not have. */
export function isPlainObject (value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

function enter (path: Path): void {
  if (path.length >= MAX_DEPTH) throw refusal(path.slice(0, 4), 'is nested too deeply, or holds itself')
}

function tooLarge (subject: string): Error {
  return new InvalidEditorPayloadError(`The ${subject} must not have more than ${MAX_BYTES} bytes as JSON`)
}
