import { InvalidValueError } from '../errors.ts'
import { STORE_FORMAT, checkFormat } from './token-store.ts'

/** Members as they came out of a store: of unknown types until checked. */
export type StoredRecord = Record<string, unknown>

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** A record as a store keeps it: the format version, then JSON. Members that are `undefined` are left out. */
export function encodeRecord (record: object): Uint8Array {
  return Buffer.concat([Buffer.of(STORE_FORMAT), Buffer.from(JSON.stringify(record))])
}

/**
 * Reads what {@link encodeRecord} wrote. Does not check the members.
 *
 * @throws {InvalidValueError} `FDT_INVALID_VALUE` (500) when it is no record at all.
 * @throws {UnsupportedFormatError} `FDT_UNSUPPORTED_FORMAT` (500) when a later release wrote it.
 */
export function decodeRecord (value: Uint8Array): StoredRecord {
  if (checkFormat(value)[0] !== STORE_FORMAT) throw new InvalidValueError('it has no known format version')

  const record = parseJson(value.subarray(1))
  if (!isRecord(record)) throw new InvalidValueError('it is not a JSON object')
  return record
}

function parseJson (bytes: Uint8Array): unknown {
  try {
    return JSON.parse(utf8.decode(bytes))
  } catch {
    // The parser quotes what it could not read, which may be secret: so no cause.
    return undefined
  }
}

function isRecord (value: unknown): value is StoredRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
