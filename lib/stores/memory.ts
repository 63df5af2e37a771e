import { InvalidOptionError, StoreFullError, StoreUnavailableError } from '../errors.ts'
import { checkFormat, checkKey, checkTtl, checkValue, type Counter, type StoreEntry, type TokenStore, type WriteOptions } from './token-store.ts'

export type { Counter, DurableOption, StoreEntry, TokenStore, WriteOptions } from './token-store.ts'

/** What {@link createMemoryStore} takes. */
export interface MemoryStoreOptions {
  /**
   * How many values and counters there may be, together. Nothing live is ever thrown out: a new key
   * beyond that is refused with `FDT_STORE_FULL`. Default is no bound.
   */
  maxEntries?: number
  /** Current time in milliseconds since the Unix epoch. Default is `Date.now`. */
  now?: () => number
}

/**
 * A store in the memory of this process, for tests and for hosts of one process that may forget
 * everything when they end. Nothing is durable, whatever `durable` says.
 *
 * What has expired is freed within about a second, without being asked for. No timer of it keeps a
 * process alive.
 *
 * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500) when an option is unusable.
 */
export function createMemoryStore (options: MemoryStoreOptions = {}): TokenStore {
  const { maxEntries = Infinity, now = Date.now } = options

  if (maxEntries !== Infinity && !(Number.isSafeInteger(maxEntries) && maxEntries > 0)) throw new InvalidOptionError('maxEntries', 'must be a positive integer')
  if (typeof now !== 'function') throw new InvalidOptionError('now', 'must be a function')

  return new MemoryStore(maxEntries, now)
}

interface Entry<Content> {
  readonly key: string
  readonly home: Map<string, Entry<Content>>
  content: Content
  expiresAt: number
  /** Where the entry stands in the heap, or -1 when it has no end. */
  position: number
}

type AnyEntry = Entry<Uint8Array> | Entry<number>

const SWEEP_INTERVAL_MS = 1000
// One turn of the event loop frees at most this many, which takes a few milliseconds.
const SWEEP_BATCH = 5000

class MemoryStore implements TokenStore {
  readonly #values = new Map<string, Entry<Uint8Array>>()
  readonly #counters = new Map<string, Entry<number>>()
  readonly #ends = new ExpiryHeap()
  readonly #maxEntries: number
  readonly #now: () => number
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor (maxEntries: number, now: () => number) {
    this.#maxEntries = maxEntries
    this.#now = now
  }

  async get (key: string): Promise<Uint8Array | undefined> {
    this.#checkOpen()
    checkKey(key)
    const entry = this.#live(this.#values, key)
    return entry && new Uint8Array(checkFormat(entry.content))
  }

  async set (key: string, value: Uint8Array, options: WriteOptions = {}): Promise<void> {
    this.#checkWrite(key, value, options)
    this.#write(this.#values, key, new Uint8Array(value), this.#endOf(options.ttl))
  }

  async add (key: string, value: Uint8Array, options: WriteOptions = {}): Promise<boolean> {
    this.#checkWrite(key, value, options)
    if (this.#live(this.#values, key) !== undefined) return false
    this.#write(this.#values, key, new Uint8Array(value), this.#endOf(options.ttl))
    return true
  }

  async take (key: string): Promise<Uint8Array | undefined> {
    this.#checkOpen()
    checkKey(key)
    const entry = this.#live(this.#values, key)
    if (entry === undefined) return undefined
    checkFormat(entry.content)
    this.#remove(entry)
    return entry.content
  }

  async delete (key: string): Promise<boolean> {
    this.#checkOpen()
    checkKey(key)
    const entry = this.#live(this.#values, key)
    if (entry === undefined) return false
    this.#remove(entry)
    return true
  }

  async replace (key: string, expected: Uint8Array, value: Uint8Array, options: WriteOptions = {}): Promise<boolean> {
    this.#checkWrite(key, value, options)
    checkValue(expected)
    const entry = this.#live(this.#values, key)
    if (entry === undefined || Buffer.compare(checkFormat(entry.content), expected) !== 0) return false
    this.#write(this.#values, key, new Uint8Array(value), this.#endOf(options.ttl))
    return true
  }

  async increment (key: string, ttl: number): Promise<Counter> {
    this.#checkOpen()
    checkKey(key)
    checkTtl(ttl ?? NaN)
    const entry = this.#live(this.#counters, key)
    if (entry !== undefined) {
      entry.content++
      return { count: entry.content, expiresAt: entry.expiresAt }
    }
    const expiresAt = this.#endOf(ttl)
    this.#write(this.#counters, key, 1, expiresAt)
    return { count: 1, expiresAt }
  }

  async * scan (prefix: string): AsyncGenerator<StoreEntry> {
    this.#checkOpen()
    if (prefix !== '') checkKey(prefix)
    for (const { key, content, expiresAt } of this.#values.values()) {
      if (!key.startsWith(prefix) || expiresAt <= this.#now()) continue
      yield { key, value: new Uint8Array(checkFormat(content)) }
      this.#checkOpen()
    }
  }

  async ping (): Promise<void> {
    this.#checkOpen()
  }

  async close (): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    this.#values.clear()
    this.#counters.clear()
    this.#ends.clear()
  }

  #checkOpen (): void {
    if (this.#closed) throw new StoreUnavailableError()
  }

  #checkWrite (key: string, value: Uint8Array, { ttl }: WriteOptions): void {
    this.#checkOpen()
    checkKey(key)
    checkValue(value)
    checkTtl(ttl)
  }

  #endOf (ttl: number | undefined): number {
    return ttl === undefined ? Infinity : this.#now() + ttl
  }

  #live<Content> (home: Map<string, Entry<Content>>, key: string): Entry<Content> | undefined {
    const entry = home.get(key)
    return entry !== undefined && entry.expiresAt > this.#now() ? entry : undefined
  }

  #write<Content extends Uint8Array | number> (home: Map<string, Entry<Content>>, key: string, content: Content, expiresAt: number): void {
    let entry = home.get(key)
    if (entry === undefined) {
      this.#makeRoom()
      entry = { key, home, content, expiresAt, position: -1 }
      home.set(key, entry)
    } else {
      // An entry of either content is one of AnyEntry, which the compiler does not see through the type parameter.
      this.#ends.remove(entry as AnyEntry)
      entry.content = content
      entry.expiresAt = expiresAt
    }
    if (expiresAt === Infinity) return
    this.#ends.add(entry as AnyEntry)
    this.#timer ??= this.#schedule(SWEEP_INTERVAL_MS)
  }

  #makeRoom (): void {
    if (this.#values.size + this.#counters.size < this.#maxEntries) return
    this.#sweep()
    if (this.#values.size + this.#counters.size >= this.#maxEntries) throw new StoreFullError()
  }

  #remove (entry: AnyEntry): void {
    this.#ends.remove(entry)
    entry.home.delete(entry.key)
  }

  /** Frees what has expired, at most one batch. Returns whether it got to the end. */
  #sweep (): boolean {
    const now = this.#now()
    for (let freed = 0; freed < SWEEP_BATCH; freed++) {
      const first = this.#ends.first()
      if (first === undefined || first.expiresAt > now) return true
      this.#remove(first)
    }
    return false
  }

  #schedule (delay: number): NodeJS.Timeout {
    return setTimeout(() => {
      const done = this.#sweep()
      this.#timer = this.#ends.first() === undefined ? undefined : this.#schedule(done ? SWEEP_INTERVAL_MS : 0)
    }, delay).unref()
  }
}

/** A binary heap that hands out what ends first, and lets go of anything in logarithmic time. */
class ExpiryHeap {
  #entries: AnyEntry[] = []

  first (): AnyEntry | undefined {
    return this.#entries[0]
  }

  add (entry: AnyEntry): void {
    this.#entries.push(entry)
    this.#rise(entry, this.#entries.length - 1)
  }

  remove (entry: AnyEntry): void {
    const { position } = entry
    if (position === -1) return
    entry.position = -1
    const last = this.#entries.pop()
    if (last === undefined || last === entry) return
    // The last one fills the gap, and may belong above or below it.
    this.#rise(last, position)
    this.#sink(last, last.position)
  }

  clear (): void {
    this.#entries = []
  }

  #rise (entry: AnyEntry, from: number): void {
    let position = from
    while (position > 0) {
      const above = (position - 1) >> 1
      const parent = this.#entries[above]
      if (parent === undefined || parent.expiresAt <= entry.expiresAt) break
      this.#place(parent, position)
      position = above
    }
    this.#place(entry, position)
  }

  #sink (entry: AnyEntry, from: number): void {
    let position = from
    for (;;) {
      const left = this.#entries[2 * position + 1]
      const right = this.#entries[2 * position + 2]
      const child = right !== undefined && left !== undefined && right.expiresAt < left.expiresAt ? right : left
      if (child === undefined || child.expiresAt >= entry.expiresAt) break
      const below = child.position
      this.#place(child, position)
      position = below
    }
    this.#place(entry, position)
  }

  #place (entry: AnyEntry, position: number): void {
    this.#entries[position] = entry
    entry.position = position
  }
}
