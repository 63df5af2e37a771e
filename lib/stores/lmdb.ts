import { resolve } from 'node:path'
import { InvalidOptionError, MissingPeerError, StoreUnavailableError } from '../errors.ts'
import { openEnvironments, type LmdbEnvironments, type Open, type SharedEnvironments } from './lmdb-environment.ts'
import { type LmdbTable } from './lmdb-table.ts'
import { orOutage } from './outage.ts'
import { checkFormat, checkKey, checkTtl, checkValue, type Counter, type DurableOption, type StoreEntry, type TokenStore, type WriteOptions } from './token-store.ts'

export type { Counter, DurableOption, StoreEntry, TokenStore, WriteOptions } from './token-store.ts'

/** What {@link openLmdbStore} takes. */
export interface LmdbStoreOptions {
  /**
   * A folder for the store alone, on a local disk. It is made when it is not there, with mode 0700 and
   * files of 0600, and one that is open to other users is closed to them.
   */
  path: string
  /** Current time in milliseconds since the Unix epoch. Default is `Date.now`. */
  now?: () => number
  /** Bytes of address space to begin with. It grows by itself. Default is lmdb's. */
  mapSize?: number
  /** Milliseconds between two looks for expired records. Default is `1000`. */
  sweepInterval?: number
  /**
   * Milliseconds that a write may take, waiting for other processes included, before it is refused
   * with `FDT_STORE_UNAVAILABLE`. It may still happen afterwards. Default is `10000`.
   */
  timeout?: number
}

/**
 * Opens a store in a folder, made with LMDB (the optional peer dependency `lmdb`). Any number of processes
 * of one machine and one PID namespace may have it open, a process more than once too.
 *
 * What is acknowledged survives the death of the process. Values and durable counters have been flushed
 * to the disk by then, with `durable` or without it, and survive a loss of power. Counters that are
 * not durable are never flushed, and are forgotten when the machine is started again. A counter is to
 * be incremented with the same `durable` always: with and without are two counters.
 *
 * Reading is synchronous inside and takes a few microseconds. Writing never blocks the event loop;
 * opening does, for as long as another process writes.
 *
 * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500) when an option is unusable, or the folder is
 * open to other users and holds other things.
 * @throws {MissingPeerError} `FDT_MISSING_PEER` (500) when `lmdb` cannot be loaded.
 * @throws {StoreUnavailableError} `FDT_STORE_UNAVAILABLE` (503) when the folder cannot be used or holds
 * something else than a store. Nothing in it was changed.
 */
export async function openLmdbStore (options: LmdbStoreOptions): Promise<TokenStore> {
  return openWith(() => import('lmdb'), options)
}

/** @internal */
export async function openWith (load: () => Promise<{ open: Open }>, options: LmdbStoreOptions, bootFile = '/proc/sys/kernel/random/boot_id'): Promise<TokenStore> {
  const { path, now = Date.now, mapSize, sweepInterval = 1000, timeout = 10_000 } = options

  if (typeof path !== 'string' || path === '' || path.includes('\0')) throw new InvalidOptionError('path', 'must be the path of a folder')
  if (typeof now !== 'function') throw new InvalidOptionError('now', 'must be a function')
  for (const [name, value] of Object.entries({ mapSize, sweepInterval, timeout })) {
    if (value !== undefined && !(Number.isSafeInteger(value) && value > 0)) throw new InvalidOptionError(name, 'must be a positive integer')
  }

  const { open } = await load().catch((error) => { throw new MissingPeerError('lmdb', { cause: error }) })
  const environments = await orOutage(() => openEnvironments(open, resolve(path), mapSize, bootFile))
  return new LmdbStore(environments, now, sweepInterval, timeout)
}

type Environment = LmdbEnvironments[keyof LmdbEnvironments]

// One transaction sweeps at most this many, which holds the event loop for about a millisecond.
const SWEEP_BATCH = 200
const SCAN_PAGE = 100

class LmdbStore implements TokenStore {
  readonly #main: LmdbEnvironments['main']
  readonly #fast: LmdbEnvironments['fast']
  readonly #release: () => Promise<void>
  readonly #now: () => number
  readonly #sweepInterval: number
  readonly #timeout: number
  readonly #underWay = new Set<Promise<unknown>>()
  #sweeper: NodeJS.Timeout
  #closing: Promise<void> | undefined

  constructor ({ main, fast, release }: SharedEnvironments, now: () => number, sweepInterval: number, timeout: number) {
    this.#main = main
    this.#fast = fast
    this.#release = release
    this.#now = now
    this.#sweepInterval = sweepInterval
    this.#timeout = timeout
    this.#sweeper = this.#sweepIn(sweepInterval)
  }

  async get (key: string): Promise<Uint8Array | undefined> {
    const id = this.#check(key)
    return orOutage(async () => {
      const record = this.#main.values.read(id, this.#now())
      return record && checkFormat(record.content)
    })
  }

  async set (key: string, value: Uint8Array, { ttl }: WriteOptions = {}): Promise<void> {
    const id = this.#checkWrite(key, value, ttl)
    const content = new Uint8Array(value)
    await this.#write(this.#main, ({ values }, now) => {
      values.put(id, { content, expiresAt: endOf(now, ttl) })
    })
  }

  async add (key: string, value: Uint8Array, { ttl }: WriteOptions = {}): Promise<boolean> {
    const id = this.#checkWrite(key, value, ttl)
    const content = new Uint8Array(value)
    return this.#write(this.#main, ({ values }, now) => {
      if (values.has(id, now)) return false
      values.put(id, { content, expiresAt: endOf(now, ttl) })
      return true
    })
  }

  async take (key: string): Promise<Uint8Array | undefined> {
    const id = this.#check(key)
    return this.#write(this.#main, ({ values }, now) => {
      const record = values.find(id, now)
      if (record === undefined) return undefined
      checkFormat(record.content)
      values.remove(id)
      return record.content
    })
  }

  async delete (key: string): Promise<boolean> {
    const id = this.#check(key)
    return this.#write(this.#main, ({ values }, now) => {
      if (!values.has(id, now)) return false
      values.remove(id)
      return true
    })
  }

  async replace (key: string, expected: Uint8Array, value: Uint8Array, { ttl }: WriteOptions = {}): Promise<boolean> {
    const id = this.#checkWrite(key, value, ttl)
    checkValue(expected)
    const [before, content] = [new Uint8Array(expected), new Uint8Array(value)]
    return this.#write(this.#main, ({ values }, now) => {
      const record = values.find(id, now)
      if (record === undefined || Buffer.compare(checkFormat(record.content), before) !== 0) return false
      values.put(id, { content, expiresAt: endOf(now, ttl) })
      return true
    })
  }

  async increment (key: string, ttl: number, { durable = false }: DurableOption = {}): Promise<Counter> {
    const id = this.#check(key)
    checkTtl(ttl ?? NaN)
    return this.#write(durable ? this.#main : this.#fast, ({ counters }, now) => {
      const record = counters.find(id, now)
      const counter = record === undefined
        ? { count: 1, expiresAt: endOf(now, ttl) }
        : { count: readCount(record.content) + 1, expiresAt: record.expiresAt }
      counters.put(id, { content: writeCount(counter.count), expiresAt: counter.expiresAt })
      return counter
    })
  }

  async * scan (prefix: string): AsyncGenerator<StoreEntry> {
    this.#checkOpen()
    if (prefix !== '') checkKey(prefix)
    const bytes = Buffer.from(prefix)
    let start: Uint8Array | undefined = bytes
    while (start !== undefined) {
      this.#checkOpen()
      const from: Uint8Array = start
      const page = await orOutage(async () => this.#main.values.page(bytes, from, SCAN_PAGE, this.#now()))
      for (const { key, content } of page.entries) yield { key, value: checkFormat(content) }
      start = page.next
    }
  }

  async ping (): Promise<void> {
    const id = this.#check('ping')
    await orOutage(async () => {
      this.#main.values.isDue(this.#now())
      this.#fast.counters.read(id, this.#now())
    })
  }

  close (): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close (): Promise<void> {
    clearTimeout(this.#sweeper)
    await Promise.allSettled(this.#underWay)
    await orOutage(() => this.#inTime(this.#release()))
  }

  #checkOpen (): void {
    if (this.#closing !== undefined) throw new StoreUnavailableError()
  }

  #check (key: string): Uint8Array {
    this.#checkOpen()
    checkKey(key)
    return Buffer.from(key)
  }

  #checkWrite (key: string, value: Uint8Array, ttl: number | undefined): Uint8Array {
    const id = this.#check(key)
    checkValue(value)
    checkTtl(ttl)
    return id
  }

  /** Runs `action` alone among all processes. It must decide before it writes: what it wrote before it throws stays. */
  async #write<E extends Environment, T> (environment: E, action: (environment: E, now: number) => T): Promise<T> {
    const written = orOutage(() => this.#inTime(environment.root.transaction(() => action(environment, this.#now())).catch(rethrowCause)))
    this.#underWay.add(written)
    try {
      return await written
    } finally {
      this.#underWay.delete(written)
    }
  }

  /** Another process can stop while it holds the lock: then this one must not wait for ever. */
  async #inTime<T> (work: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new StoreUnavailableError({ cause: new DOMException('Something holds the lock of the store', 'TimeoutError') })), this.#timeout)
    })
    try {
      return await Promise.race([work, late])
    } finally {
      clearTimeout(timer)
    }
  }

  #sweepIn (milliseconds: number): NodeJS.Timeout {
    return setTimeout(async () => {
      const more = await this.#sweep()
      if (this.#closing === undefined) this.#sweeper = this.#sweepIn(more ? 0 : this.#sweepInterval)
    }, milliseconds).unref()
  }

  /** One batch of each table. Resolves to whether there is more to do at once. */
  async #sweep (): Promise<boolean> {
    const tables: Array<[Environment, LmdbTable]> = [[this.#main, this.#main.values], [this.#main, this.#main.counters], [this.#fast, this.#fast.counters]]
    let more = false
    for (const [environment, table] of tables) {
      try {
        if (this.#closing !== undefined || !table.isDue(this.#now())) continue
        if (await this.#write(environment, (_, now) => table.sweep(now, SWEEP_BATCH))) more = true
      } catch {
        // An outage is told to those who ask for something. What has expired is absent all the same.
      }
    }
    return more
  }
}

function endOf (now: number, ttl: number | undefined): number {
  return ttl === undefined ? Infinity : now + ttl
}

function readCount (content: Uint8Array): number {
  return Number(Buffer.from(content).toString())
}

function writeCount (count: number): Uint8Array {
  return Buffer.from(String(count))
}

/** lmdb says that a commit failed, and why in a promise of its own. */
async function rethrowCause (error: { commitError?: Promise<never> }): Promise<never> {
  await error.commitError
  throw error
}
