import { existsSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { InvalidOptionError, MissingPeerError, StoreUnavailableError } from '../errors.ts'
import { openEnvironments, type LmdbEnvironments, type Open, type SharedEnvironments } from './lmdb-environment.ts'
import { DATA_FILE } from './lmdb-folder.ts'
import { type LmdbTable } from './lmdb-table.ts'
import { type LmdbStoreOptions } from './lmdb.ts'
import { orOutage } from './outage.ts'
import { checkFormat, checkKey, checkTtl, checkValue, type Counter, type DurableOption, type StoreEntry, type TokenStore, type WriteOptions } from './token-store.ts'

/**
 * Apart from its public face, so that the types of `lmdb`, which not every user has, stay in here.
 *
 * @internal
 */
export async function openWith (load: () => Promise<{ open: Open }>, options: LmdbStoreOptions, bootFile = '/proc/sys/kernel/random/boot_id'): Promise<TokenStore> {
  const { path, now = Date.now, mapSize, sweepInterval = 1000, timeout = 10_000 } = options

  if (typeof path !== 'string' || path === '' || path.includes('\0')) throw new InvalidOptionError('path', 'must be the path of a folder')
  if (existsSync(join(dirname(resolve(path)), DATA_FILE))) throw new InvalidOptionError('path', 'must not lie in the folder of another store')
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
