import { InvalidKeyError, InvalidOptionError, InvalidValueError, UnsupportedFormatError } from '../errors.ts'

/**
 * All that a flow knows of persistence. Implement it over any database and run
 * `fastify-doc-tokens/stores/conformance` on it.
 *
 * Keys are strings of 1–512 bytes of UTF-8: anything else throws `FDT_INVALID_KEY`. Values are bytes;
 * the first one is a format version, see {@link checkFormat}. Times to live are milliseconds; a value
 * without one stays. An expired key is absent for every operation. Counters are a name space of their
 * own, which `increment` alone sees.
 *
 * `add`, `take`, `replace` and `increment` are atomic, between processes too. What is acknowledged
 * survives the death of the process; with `durable`, of the machine.
 *
 * Methods reject with `FDT_STORE_UNAVAILABLE` (503) or a driver's own error when the backend is out of
 * reach, and never guess.
 */
export interface TokenStore {
  /** The value under `key`, a copy that the caller may keep. */
  get (key: string): Promise<Uint8Array | undefined>
  /** Writes `value`, whatever was there. */
  set (key: string, value: Uint8Array, options?: WriteOptions): Promise<void>
  /** Writes `value` only if `key` is absent. Resolves to whether it did. */
  add (key: string, value: Uint8Array, options?: WriteOptions): Promise<boolean>
  /** Reads and deletes in one step: of many callers one gets the value. */
  take (key: string): Promise<Uint8Array | undefined>
  /** Resolves to whether there was something to delete. */
  delete (key: string, options?: DurableOption): Promise<boolean>
  /** Writes `value` only if the bytes under `key` equal `expected`; time to live as with `set`. Resolves to whether it did. */
  replace (key: string, expected: Uint8Array, value: Uint8Array, options?: WriteOptions): Promise<boolean>
  /** Adds one to a counter. The first call sets when it ends, `ttl` milliseconds ahead; no later one moves that. */
  increment (key: string, ttl: number, options?: DurableOption): Promise<Counter>
  /** Everything under `prefix`, in no order. For administration, never on a request's path. */
  scan (prefix: string): AsyncIterable<StoreEntry>
  /** Resolves when the backend answers. */
  ping (): Promise<void>
  /** Lets go of the backend. What was acknowledged stays. A second call does nothing. */
  close (): Promise<void>
}

export interface DurableOption {
  /** Wait until the write would survive a loss of power. Default is `false`. */
  durable?: boolean
}

export interface WriteOptions extends DurableOption {
  /** Milliseconds, more than 0, at most {@link MAX_TTL}. Default is no end. */
  ttl?: number
}

export interface Counter {
  /** How often the counter was incremented, this time included. */
  count: number
  /** When the counter ends, in milliseconds since the Unix epoch. */
  expiresAt: number
}

export interface StoreEntry {
  key: string
  value: Uint8Array
}

/** The newest format version that this release reads. Every value starts with the version that wrote it. */
export const STORE_FORMAT = 1

/** The longest time to live, in milliseconds: ten years. */
export const MAX_TTL = 10 * 365 * 24 * 3600 * 1000

/**
 * What takes a store as an option calls this before it does anything else.
 *
 * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500) unless it has the methods that are used at once.
 */
export function checkStore (store: TokenStore): void {
  const isStore = typeof store?.get === 'function' && typeof store.set === 'function' && typeof store.add === 'function' && typeof store.replace === 'function' && typeof store.increment === 'function'
  if (!isStore) throw new InvalidOptionError('store', 'must be a token store, for instance openLmdbStore() or createMemoryStore()')
}

/** @throws {InvalidKeyError} `FDT_INVALID_KEY` unless `key` is a well-formed string of 1–512 bytes of UTF-8. */
export function checkKey (key: string): void {
  if (typeof key !== 'string' || key.length === 0 || key.length > 512 || !key.isWellFormed() || Buffer.byteLength(key) > 512) throw new InvalidKeyError()
}

/** @throws {InvalidValueError} `FDT_INVALID_VALUE` unless `value` holds at least a format version. */
export function checkValue (value: Uint8Array): void {
  if (!(value instanceof Uint8Array) || value.length === 0) throw new InvalidValueError('it must be bytes, the first of them the format version')
}

/** @throws {InvalidValueError} `FDT_INVALID_VALUE` unless `ttl` is absent or a number of milliseconds within range. */
export function checkTtl (ttl: number | undefined): void {
  if (ttl !== undefined && !(typeof ttl === 'number' && ttl > 0 && ttl <= MAX_TTL)) throw new InvalidValueError('a time to live is more than 0 and at most ten years of milliseconds')
}

/**
 * What a driver calls on every value before it hands it out (and, for `take`, before it deletes it).
 *
 * @throws {UnsupportedFormatError} `FDT_UNSUPPORTED_FORMAT` (500) when a later release wrote it.
 */
export function checkFormat (value: Uint8Array): Uint8Array {
  const version = value[0]
  if (version === undefined || version > STORE_FORMAT) throw new UnsupportedFormatError(String(version))
  return value
}
