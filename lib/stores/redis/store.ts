import { StoreUnavailableError } from '../../errors.ts'
import { type Send } from './gate.ts'
import { type RedisLink, type RedisPrimary } from './link.ts'
import { ADD_AND_TOUCH, DELETE_AND_TOUCH, INCREMENT, REPLACE, runScript, TAKE } from './scripts.ts'
import { checkFormat, checkKey, checkTtl, checkValue, type Counter, type DurableOption, STORE_FORMAT, type StoreEntry, type TokenStore, type WriteOptions } from '../token-store.ts'

type Task<Result> = (send: Send) => Promise<Result>

const SCAN_PAGE = '200'

/** @internal */
export class RedisStore implements TokenStore {
  readonly #values: string
  readonly #counters: string
  readonly #main: RedisLink
  readonly #durable: RedisLink | undefined
  readonly #disconnect: () => void
  readonly #underWay = new Set<Promise<unknown>>()
  #closing: Promise<void> | undefined

  /** @param durable Whose writes wait for replicas. */
  constructor (prefix: string, main: RedisLink, durable: RedisLink | undefined, disconnect: () => void) {
    this.#values = `${prefix}v:`
    this.#counters = `${prefix}c:`
    this.#main = main
    this.#durable = durable
    this.#disconnect = disconnect
  }

  async get (key: string): Promise<Uint8Array | undefined> {
    const name = this.#name(key)
    return readValue(await this.#run(name, (send) => send('GET', [name])))
  }

  async set (key: string, value: Uint8Array, options: WriteOptions = {}): Promise<void> {
    const name = this.#nameToWrite(key, value, options)
    const args = [name, Buffer.from(value), ...expiry(options)]
    await this.#write(name, options, (send) => send('SET', args))
  }

  async add (key: string, value: Uint8Array, options: WriteOptions = {}): Promise<boolean> {
    const name = this.#nameToWrite(key, value, options)
    const content = Buffer.from(value)
    const reply = await this.#write(name, options, (send) => this.#isReplicated(options)
      ? runScript(send, ADD_AND_TOUCH, name, [content, timeOf(options)])
      : send('SET', [name, content, 'NX', ...expiry(options)]))
    return reply !== null
  }

  async take (key: string): Promise<Uint8Array | undefined> {
    const name = this.#name(key)
    return readValue(await this.#run(name, (send) => runScript(send, TAKE, name, [String(STORE_FORMAT)])))
  }

  async delete (key: string, options: DurableOption = {}): Promise<boolean> {
    const name = this.#name(key)
    const reply = await this.#write(name, options, (send) => this.#isReplicated(options)
      ? runScript(send, DELETE_AND_TOUCH, name, [])
      : send('DEL', [name]))
    return Number(reply) === 1
  }

  async replace (key: string, expected: Uint8Array, value: Uint8Array, options: WriteOptions = {}): Promise<boolean> {
    const name = this.#nameToWrite(key, value, options)
    checkValue(expected)
    const args = [Buffer.from(expected), Buffer.from(value), String(STORE_FORMAT), timeOf(options), this.#isReplicated(options) ? '1' : '0']
    const reply = await this.#write(name, options, (send) => runScript(send, REPLACE, name, args))
    if (Buffer.isBuffer(reply)) checkFormat(reply)
    return Number(reply) === 1 && !Buffer.isBuffer(reply)
  }

  async increment (key: string, ttl: number, options: DurableOption = {}): Promise<Counter> {
    this.#check(key)
    checkTtl(ttl ?? NaN)
    const name = Buffer.from(this.#counters + key)
    const reply = await this.#write(name, options, (send) => runScript(send, INCREMENT, name, [String(Math.ceil(ttl))]))
    const [count, expiresAt] = (reply as unknown[]).map(Number) // what the script returns
    return { count: Number(count), expiresAt: Number(expiresAt) }
  }

  async * scan (prefix: string): AsyncGenerator<StoreEntry> {
    this.#checkOpen()
    if (prefix !== '') checkKey(prefix)
    const pattern = `${this.#values}${prefix}`.replace(/[\\*?[\]]/g, '\\$&') + '*'
    const seen = new Set<string>()
    for (const primary of await this.#track(this.#main.all())) {
      for (let cursor = ''; cursor !== '0';) {
        const page = await this.#page(primary, cursor || '0', pattern)
        const keys = page.keys.filter((key) => !seen.has(key))
        for (const key of keys) seen.add(key)
        const values = await Promise.all(keys.map((key) => this.get(key)))
        for (const [index, key] of keys.entries()) {
          const value = values[index]
          if (value !== undefined) yield { key, value }
        }
        cursor = page.cursor
      }
    }
  }

  async ping (): Promise<void> {
    this.#checkOpen()
    const primaries = await this.#track(this.#main.all())
    await Promise.all(primaries.map((primary) => this.#track(primary((send) => send('PING', [])))))
  }

  close (): Promise<void> {
    this.#closing ??= Promise.allSettled(this.#underWay).then(this.#disconnect)
    return this.#closing
  }

  async #page (primary: RedisPrimary, cursor: string, pattern: string): Promise<{ cursor: string, keys: string[] }> {
    this.#checkOpen()
    const reply = await this.#track(primary((send) => send('SCAN', [cursor, 'MATCH', pattern, 'COUNT', SCAN_PAGE])))
    const [next, keys] = reply as [Buffer, Buffer[]] // what SCAN answers
    return { cursor: String(next), keys: Array.from(new Set(keys.map((key) => key.toString().slice(this.#values.length)))) }
  }

  /** Runs what writes, where replicas are waited for if that is asked for. */
  #write (name: Buffer, options: DurableOption, task: Task<unknown>): Promise<unknown> {
    const link = options.durable === true ? this.#durable ?? this.#main : this.#main
    return this.#track(link.run(name, task))
  }

  #isReplicated ({ durable = false }: DurableOption): boolean {
    return this.#durable !== undefined && durable
  }

  #run<Result> (name: Buffer, task: Task<Result>): Promise<Result> {
    return this.#track(this.#main.run(name, task))
  }

  async #track<Result> (work: Promise<Result>): Promise<Result> {
    this.#underWay.add(work)
    try {
      return await work
    } finally {
      this.#underWay.delete(work)
    }
  }

  #checkOpen (): void {
    if (this.#closing !== undefined) throw new StoreUnavailableError()
  }

  #check (key: string): void {
    this.#checkOpen()
    checkKey(key)
  }

  #name (key: string): Buffer {
    this.#check(key)
    return Buffer.from(this.#values + key)
  }

  #nameToWrite (key: string, value: Uint8Array, { ttl }: WriteOptions): Buffer {
    const name = this.#name(key)
    checkValue(value)
    checkTtl(ttl)
    return name
  }
}

/** Whole milliseconds, or nothing. */
function timeOf ({ ttl }: WriteOptions): string {
  return ttl === undefined ? '' : String(Math.ceil(ttl))
}

function expiry (options: WriteOptions): string[] {
  const time = timeOf(options)
  return time === '' ? [] : ['PX', time]
}

/** A copy: ioredis reads many values into one piece of memory. */
function readValue (reply: unknown): Uint8Array | undefined {
  return reply === null ? undefined : new Uint8Array(checkFormat(reply as Buffer)) // what GET answers
}
