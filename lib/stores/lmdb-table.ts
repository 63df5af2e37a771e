import type { RootDatabase } from 'lmdb'
import { UnsupportedFormatError } from '../errors.ts'
import { decodeExpiry, decodeRecord, encodeExpiry, encodeRecord, type LmdbRecord } from './lmdb-record.ts'

/**
 * Records by key, and an index of when they end, which is always changed with them.
 *
 * `find`, `has`, `put`, `remove` and `sweep` belong inside a write transaction, the others outside.
 *
 * @internal
 */
export interface LmdbTable {
  /** What lives under `key`, as it is at this moment, whichever process wrote it. */
  read (key: Uint8Array, now: number): LmdbRecord | undefined
  /** Up to `limit` records from `start` on, of those under `prefix`. `next` is where to go on, absent at the end. */
  page (prefix: Uint8Array, start: Uint8Array, limit: number, now: number): LmdbPage
  /** Whether there is something to sweep. */
  isDue (now: number): boolean
  /** What lives under `key`. */
  find (key: Uint8Array, now: number): LmdbRecord | undefined
  /** Whether anything lives under `key`; a record of a later release does. */
  has (key: Uint8Array, now: number): boolean
  put (key: Uint8Array, record: LmdbRecord): void
  remove (key: Uint8Array): void
  /** Removes up to `limit` records that have ended. Returns whether to go on. */
  sweep (now: number, limit: number): boolean
}

/** @internal */
export interface LmdbPage {
  entries: Array<{ key: string, content: Uint8Array }>
  next: Uint8Array | undefined
}

const BINARY = { encoding: 'binary', keyEncoding: 'binary' } as const
const LOWEST_KEY = Buffer.of(0)
const NOTHING = Buffer.of(0)

/** @internal */
export function openTable (root: RootDatabase, name: string): LmdbTable {
  const records = root.openDB<Buffer, Uint8Array>(name, BINARY)
  const ends = root.openDB<Buffer, Uint8Array>(`${name}-ends`, BINARY)

  const find: LmdbTable['find'] = (key, now) => {
    const bytes = records.get(key)
    if (bytes === undefined) return undefined

    const record = decodeRecord(bytes)
    return record.expiresAt > now ? record : undefined
  }

  const has: LmdbTable['has'] = (key, now) => unlessLater(() => find(key, now) !== undefined) ?? true

  // The index entry of a record that a later release wrote is unknown. It stays until `sweep` meets it.
  const remove: LmdbTable['remove'] = (key) => {
    const bytes = records.get(key)
    if (bytes === undefined) return

    const expiresAt = unlessLater(() => decodeRecord(bytes).expiresAt) ?? Infinity
    if (expiresAt !== Infinity) ends.remove(encodeExpiry(expiresAt, key))
    records.remove(key)
  }

  const put: LmdbTable['put'] = (key, record) => {
    remove(key)
    records.put(key, encodeRecord(record))
    if (record.expiresAt !== Infinity) ends.put(encodeExpiry(record.expiresAt, key), NOTHING)
  }

  const read: LmdbTable['read'] = (key, now) => {
    // lmdb-js keeps a read transaction, and with it a view of the past, until the event loop turns.
    // Word of another process's write can come sooner.
    root.resetReadTxn()
    return find(key, now)
  }

  const page: LmdbTable['page'] = (prefix, start, limit, now) => {
    root.resetReadTxn()
    const found = [...records.getRange({ start: start.length === 0 ? LOWEST_KEY : start, ...endOfPrefix(prefix), limit })]
    const entries = []
    for (const { key, value } of found) {
      const { content, expiresAt } = decodeRecord(value)
      if (expiresAt > now) entries.push({ key: Buffer.from(key).toString(), content })
    }
    const last = found.length === limit ? found.at(-1) : undefined
    return { entries, next: last && Buffer.concat([last.key, LOWEST_KEY]) }
  }

  const isDue: LmdbTable['isDue'] = (now) => {
    root.resetReadTxn()
    return ended(now, 1).length > 0
  }

  // What has ended may have been written anew since, or be of a later release: neither is touched.
  const sweep: LmdbTable['sweep'] = (now, limit) => {
    const found = ended(now, limit)
    let swept = 0
    for (const entry of found) {
      const { key } = decodeExpiry(entry)
      const bytes = records.get(key)
      const expiresAt = bytes === undefined ? Infinity : unlessLater(() => decodeRecord(bytes).expiresAt)
      if (expiresAt === undefined) continue
      if (expiresAt <= now) records.remove(key)
      ends.remove(entry)
      swept++
    }
    return swept > 0 && found.length === limit
  }

  function ended (now: number, limit: number): Uint8Array[] {
    return [...ends.getKeys({ start: LOWEST_KEY, limit })].filter((key) => decodeExpiry(key).expiresAt <= now)
  }

  return { read, page, isDue, find, has, put, remove, sweep }
}

/** The result of `action`, or `undefined` when it meets a record that a later release wrote. */
function unlessLater<T> (action: () => T): T | undefined {
  try {
    return action()
  } catch (error) {
    if (error instanceof UnsupportedFormatError) return undefined
    throw error
  }
}

/** UTF-8 has no byte 255, so the last byte can always be one more. */
function endOfPrefix (prefix: Uint8Array): { end?: Uint8Array } {
  if (prefix.length === 0) return {}
  const end = Buffer.from(prefix)
  end.writeUInt8(end.readUInt8(end.length - 1) + 1, end.length - 1)
  return { end }
}
