/**
 * What {@link TokenStore} demands, as cases to run on a driver in any test runner:
 *
 * ```ts
 * for (const { name, run } of storeConformance(() => createMyStore())) test(name, run)
 * ```
 *
 * All cases are demanded of every driver, except those between two handles: they are demanded of every
 * driver that more than one process can use, and run when `other` is given. Some wait for real time to
 * pass, at most a few seconds each. Every case has keys of its own, so the data may be shared with
 * other cases and with other runs.
 *
 * What the cases leave open: what happens to what was not acknowledged; in what order `scan` goes;
 * whether it sees what is written while it runs; and what a counter does when it is incremented with
 * `durable` once and without it another time.
 *
 * @module
 */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { MAX_TTL, STORE_FORMAT, type StoreEntry, type TokenStore } from './token-store.ts'

export type { Counter, DurableOption, StoreEntry, TokenStore, WriteOptions } from './token-store.ts'
export { checkFormat, checkKey, checkTtl, checkValue, MAX_TTL, STORE_FORMAT } from './token-store.ts'

/** One case. */
export interface ConformanceCase {
  name: string
  /** Rejects with an `AssertionError` when the driver does not conform. */
  run: () => Promise<void>
}

/** What {@link storeConformance} takes besides the driver. */
export interface ConformanceOptions {
  /**
   * Opens a second handle on the data of a store that `create` made, at best in another process. The
   * suite closes both.
   */
  other?: (store: TokenStore) => Promise<TokenStore> | TokenStore
}

/**
 * The cases for one driver.
 *
 * @param create Opens a handle. Called once per case; the suite closes it.
 */
export function * storeConformance (create: () => Promise<TokenStore> | TokenStore, options: ConformanceOptions = {}): Generator<ConformanceCase, void, undefined> {
  for (const [name, body] of singleCases()) {
    yield { name, run: () => withStore(create, (store) => body(store, `${randomUUID()}/`)) }
  }

  const { other } = options
  if (other === undefined) return
  for (const [name, body] of pairCases()) {
    yield { name: `two handles: ${name}`, run: () => withStore(create, (one) => withStore(() => other(one), (two) => body(one, two, `${randomUUID()}/`))) }
  }
}

type SingleCase = (store: TokenStore, prefix: string) => Promise<void>
type PairCase = (one: TokenStore, two: TokenStore, prefix: string) => Promise<void>

const A = bytes(STORE_FORMAT, 97)
const B = bytes(STORE_FORMAT, 98)
/** What a later release would write. */
const LATER = bytes(STORE_FORMAT + 1, 99)
const MINUTE = 60_000
/** A time to live that is over soon, and a wait that outlasts it on a busy machine too. */
const SOON = 40
const SOON_OVER = 120

function * singleCases (): Generator<[string, SingleCase]> {
  yield ['get of an absent key is undefined', async (store, prefix) => {
    assert.equal(await store.get(`${prefix}a`), undefined)
  }]

  yield ['set writes, and overwrites', async (store, prefix) => {
    assert.equal(await store.set(`${prefix}a`, A), undefined)
    await holds(store, `${prefix}a`, A)
    await store.set(`${prefix}a`, B, { durable: true })
    await holds(store, `${prefix}a`, B)
  }]

  yield ['add writes only what is absent', async (store, prefix) => {
    assert.equal(await store.add(`${prefix}a`, A, { durable: true }), true)
    assert.equal(await store.add(`${prefix}a`, B), false)
    await holds(store, `${prefix}a`, A)
  }]

  yield ['take reads and deletes', async (store, prefix) => {
    assert.equal(await store.take(`${prefix}a`), undefined)
    await store.set(`${prefix}a`, A)
    same(await store.take(`${prefix}a`), A)
    assert.equal(await store.take(`${prefix}a`), undefined)
    assert.equal(await store.get(`${prefix}a`), undefined)
  }]

  yield ['delete tells whether there was something', async (store, prefix) => {
    assert.equal(await store.delete(`${prefix}a`), false)
    await store.set(`${prefix}a`, A)
    assert.equal(await store.delete(`${prefix}a`, { durable: true }), true)
    assert.equal(await store.delete(`${prefix}a`), false)
    assert.equal(await store.get(`${prefix}a`), undefined)
  }]

  yield ['replace writes only over the bytes that were expected', async (store, prefix) => {
    assert.equal(await store.replace(`${prefix}a`, A, B), false, 'nothing is there')
    assert.equal(await store.get(`${prefix}a`), undefined)
    await store.set(`${prefix}a`, A)
    assert.equal(await store.replace(`${prefix}a`, B, B), false, 'something else is there')
    assert.equal(await store.replace(`${prefix}a`, bytes(...A, 0), B), false, 'something shorter is there')
    assert.equal(await store.replace(`${prefix}a`, A.subarray(0, 1), B), false, 'something longer is there')
    await holds(store, `${prefix}a`, A)
    assert.equal(await store.replace(`${prefix}a`, A, B, { durable: true }), true)
    await holds(store, `${prefix}a`, B)
  }]

  for (const durable of [false, true]) {
    yield [`increment counts, and keeps its first end (durable: ${durable})`, async (store, prefix) => {
      const start = Date.now()
      const first = await store.increment(`${prefix}a`, MINUTE, { durable })
      assert.equal(first.count, 1)
      // The clock of the store may be another machine's.
      assert.ok(Math.abs(first.expiresAt - start - MINUTE) < 30_000, 'the end is about a minute ahead, in milliseconds')
      assert.deepEqual({ ...await store.increment(`${prefix}a`, 2 * MINUTE, { durable }) }, { count: 2, expiresAt: first.expiresAt })
      assert.deepEqual({ ...await store.increment(`${prefix}a`, 1, { durable }) }, { count: 3, expiresAt: first.expiresAt })
      assert.equal((await store.increment(`${prefix}b`, MINUTE, { durable })).count, 1)
    }]

    yield [`a counter starts anew when it has ended (durable: ${durable})`, async (store, prefix) => {
      const first = await store.increment(`${prefix}a`, SOON, { durable })
      await sleep(SOON_OVER)
      const second = await store.increment(`${prefix}a`, MINUTE, { durable })
      assert.equal(second.count, 1)
      assert.ok(second.expiresAt > first.expiresAt)
    }]

    yield [`counters and values do not meet (durable: ${durable})`, async (store, prefix) => {
      await store.set(`${prefix}a`, A)
      assert.equal((await store.increment(`${prefix}a`, MINUTE, { durable })).count, 1)
      await holds(store, `${prefix}a`, A)
      assert.equal(await store.delete(`${prefix}a`), true)
      assert.equal((await store.increment(`${prefix}a`, MINUTE, { durable })).count, 2)
      assert.equal(await store.get(`${prefix}a`), undefined)
      assert.equal(await store.take(`${prefix}a`), undefined)
      assert.equal(await store.add(`${prefix}a`, B), true)
      assert.equal((await list(store, prefix)).length, 1)
    }]
  }

  yield ['what has expired is absent for every operation', async (store, prefix) => {
    const keys = ['get', 'take', 'delete', 'replace', 'add', 'scan'].map((name) => prefix + name)
    for (const key of keys) await store.set(key, A, { ttl: SOON })
    await sleep(SOON_OVER)
    assert.deepEqual(await list(store, prefix), [])
    assert.equal(await store.get(`${prefix}get`), undefined)
    assert.equal(await store.take(`${prefix}take`), undefined)
    assert.equal(await store.delete(`${prefix}delete`), false)
    assert.equal(await store.replace(`${prefix}replace`, A, B), false)
    assert.equal(await store.add(`${prefix}add`, B), true)
    await holds(store, `${prefix}add`, B)
  }]

  yield ['a time to live is set by set, add and replace', async (store, prefix) => {
    await store.set(`${prefix}set`, A, { ttl: SOON })
    assert.equal(await store.add(`${prefix}add`, A, { ttl: SOON }), true)
    await store.set(`${prefix}replace`, A)
    assert.equal(await store.replace(`${prefix}replace`, A, B, { ttl: SOON }), true)
    await store.set(`${prefix}long`, A, { ttl: MINUTE })
    await store.set(`${prefix}longest`, A, { ttl: MAX_TTL })
    await store.set(`${prefix}fraction`, A, { ttl: MINUTE + 0.5 })
    await sleep(SOON_OVER)
    for (const name of ['set', 'add', 'replace']) assert.equal(await store.get(prefix + name), undefined, name)
    for (const name of ['long', 'longest', 'fraction']) await holds(store, prefix + name, A)
  }]

  yield ['set and replace without a time to live take the old one away', async (store, prefix) => {
    await store.set(`${prefix}set`, A, { ttl: SOON })
    await store.set(`${prefix}set`, B)
    const ttl = 1500
    await store.set(`${prefix}replace`, A, { ttl })
    assert.equal(await store.replace(`${prefix}replace`, A, B), true)
    await sleep(ttl + SOON_OVER)
    await holds(store, `${prefix}set`, B)
    await holds(store, `${prefix}replace`, B)
  }]

  yield ['a newer time to live counts, not an older one', async (store, prefix) => {
    await store.set(`${prefix}longer`, A, { ttl: SOON })
    await store.set(`${prefix}longer`, B, { ttl: MINUTE })
    await store.set(`${prefix}shorter`, A, { ttl: MINUTE })
    await store.set(`${prefix}shorter`, B, { ttl: SOON })
    await store.set(`${prefix}again`, A, { ttl: SOON })
    await store.delete(`${prefix}again`)
    assert.equal(await store.add(`${prefix}again`, B), true)
    await sleep(SOON_OVER)
    await holds(store, `${prefix}longer`, B)
    assert.equal(await store.get(`${prefix}shorter`), undefined)
    await holds(store, `${prefix}again`, B)
  }]

  yield ['bad times to live are refused', async (store, prefix) => {
    const key = `${prefix}a`
    await store.set(key, A)
    // @ts-expect-error a time to live is a number
    const notNumbers: number[] = ['1000', null, 1000n, {}]
    for (const ttl of [0, -1, NaN, Infinity, -Infinity, MAX_TTL + 1, ...notNumbers]) {
      await refuses('FDT_INVALID_VALUE', () => store.set(key, B, { ttl }))
      await refuses('FDT_INVALID_VALUE', () => store.add(`${prefix}b`, B, { ttl }))
      await refuses('FDT_INVALID_VALUE', () => store.replace(key, A, B, { ttl }))
      await refuses('FDT_INVALID_VALUE', () => store.increment(key, ttl))
    }
    // @ts-expect-error a counter has an end
    await refuses('FDT_INVALID_VALUE', () => store.increment(key, undefined))
    await holds(store, key, A)
    assert.equal(await store.get(`${prefix}b`), undefined)
  }]

  yield ['bad keys are refused by every operation', async (store) => {
    // @ts-expect-error a key is a string
    const notStrings: string[] = [undefined, null, 1, {}, ['a'], Buffer.from('a')]
    for (const key of ['', 'k'.repeat(513), 'é'.repeat(256) + 'k', '€'.repeat(171), '\ud800', 'a\udc00b', ...notStrings]) {
      await refuses('FDT_INVALID_KEY', () => store.get(key))
      await refuses('FDT_INVALID_KEY', () => store.set(key, A))
      await refuses('FDT_INVALID_KEY', () => store.add(key, A))
      await refuses('FDT_INVALID_KEY', () => store.take(key))
      await refuses('FDT_INVALID_KEY', () => store.delete(key))
      await refuses('FDT_INVALID_KEY', () => store.replace(key, A, B))
      await refuses('FDT_INVALID_KEY', () => store.increment(key, MINUTE))
      // Everything is under the empty prefix.
      if (key !== '') await refuses('FDT_INVALID_KEY', () => list(store, key))
    }
  }]

  yield ['keys of 1 to 512 bytes are good for every operation', async (store, prefix) => {
    const fill = 512 - Buffer.byteLength(prefix)
    for (const key of ['~', prefix + 'k'.repeat(fill), prefix + 'é'.repeat(Math.floor(fill / 2)), prefix + '😀'.repeat(Math.floor(fill / 4))]) {
      await store.delete(key)
      await goodKey(store, key)
    }
  }]

  yield ['odd keys are keys like others', async (store, prefix) => {
    const odd = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', '\0', 'a\0', 'a\0b', '/', '../..', 'a/b', '\\', 'a\nb', '\r\n', ' ', '*', '?', '[a]', '{a}', ':', '%00', 'ä', 'a\u0308', '€', '😀', '\u{10ffff}', '\uffff']
    for (const key of odd) await store.set(prefix + key, bytes(STORE_FORMAT, ...Buffer.from(key)), { ttl: MINUTE })
    for (const key of odd) await holds(store, prefix + key, bytes(STORE_FORMAT, ...Buffer.from(key)))
    assert.deepEqual((await list(store, prefix)).map(({ key }) => key), odd.map((key) => prefix + key).sort())
    for (const key of odd) {
      assert.equal(await store.delete(prefix + key), true)
      await goodKey(store, prefix + key)
    }
    assert.equal(await store.get('__proto__'), undefined)
  }]

  yield ['values come back as they went in', async (store, prefix) => {
    const all = bytes(STORE_FORMAT, ...Array.from({ length: 256 }, (_, index) => index))
    const large = Buffer.alloc(1024 * 1024, 'large').fill(STORE_FORMAT, 0, 1)
    const part = Buffer.concat([Buffer.from('before'), A, Buffer.from('after')]).subarray(6, 6 + A.length)
    for (const value of [bytes(STORE_FORMAT), bytes(0), bytes(0, 0, 0), all, large, part]) {
      await store.set(`${prefix}a`, value)
      const found = await store.get(`${prefix}a`)
      assert.ok(found instanceof Uint8Array)
      same(found, value)
      same((await list(store, prefix))[0]?.value, value)
      assert.equal(await store.replace(`${prefix}a`, value, value), true)
      same(await store.take(`${prefix}a`), value)
    }
  }]

  yield ['bad values are refused', async (store, prefix) => {
    await store.set(`${prefix}a`, A)
    // @ts-expect-error a value is bytes
    const notBytes: Uint8Array[] = [undefined, null, 'text', [1, 2], { length: 1 }, new ArrayBuffer(1), new Uint16Array(1)]
    for (const value of [new Uint8Array(0), ...notBytes]) {
      await refuses('FDT_INVALID_VALUE', () => store.set(`${prefix}a`, value))
      await refuses('FDT_INVALID_VALUE', () => store.add(`${prefix}b`, value))
      await refuses('FDT_INVALID_VALUE', () => store.replace(`${prefix}a`, A, value))
      await refuses('FDT_INVALID_VALUE', () => store.replace(`${prefix}a`, value, B))
    }
    await holds(store, `${prefix}a`, A)
    assert.equal(await store.get(`${prefix}b`), undefined)
  }]

  yield ['bytes are copied on their way in and out', async (store, prefix) => {
    const input = Uint8Array.from(A)
    const expected = Uint8Array.from(A)
    const writes = [store.set(`${prefix}set`, input), store.add(`${prefix}add`, input)]
    input.fill(0)
    await Promise.all(writes)

    const next = Uint8Array.from(B)
    const replaced = store.replace(`${prefix}set`, expected, next)
    expected.fill(0)
    next.fill(0)
    assert.equal(await replaced, true)
    await holds(store, `${prefix}set`, B)
    await holds(store, `${prefix}add`, A)

    const output = await store.get(`${prefix}add`)
    output?.fill(0)
    for (const { value } of await list(store, prefix)) value.fill(0)
    await holds(store, `${prefix}set`, B)
    same(await store.take(`${prefix}add`), A)
  }]

  yield ['scan finds exactly what is under a prefix', async (store, prefix) => {
    const names = ['', 'a', 'a*', 'a*b', 'a?', 'ab', 'a[b]', 'a]', 'a\\', 'a\0', 'a/', 'b', 'B', 'ä', '€', '😀', '😀😀', '\u{10ffff}', '\u{10ffff}z']
    const keys = names.map((name) => `${prefix}:${name}`)
    for (const key of keys) await store.set(key, A)
    for (const start of names) {
      const found = (await list(store, `${prefix}:${start}`)).map(({ key }) => key)
      assert.deepEqual(found, keys.filter((key) => key.startsWith(`${prefix}:${start}`)).sort(), JSON.stringify(start))
    }
    assert.deepEqual(await list(store, `${prefix}nothing`), [])
    const all = new Set((await list(store, '')).map(({ key }) => key))
    for (const key of keys) assert.ok(all.has(key), 'everything is under the empty prefix')
    for (const key of keys) await store.delete(key)
  }]

  yield ['scan goes through many, and may be left early', async (store, prefix) => {
    const keys = Array.from({ length: 500 }, (_, index) => `${prefix}${index}`)
    await Promise.all(keys.map((key) => store.set(key, A)))
    assert.deepEqual((await list(store, prefix)).map(({ key }) => key), keys.sort())
    const scan = store.scan(prefix)[Symbol.asyncIterator]()
    assert.equal((await scan.next()).done, false)
    await scan.return?.()
    // To write while it runs is what a scan is for.
    for await (const { key } of store.scan(prefix)) await store.delete(key)
    assert.deepEqual(await list(store, prefix), [])
  }]

  yield ['of a hundred at once one wins', async (store, prefix) => {
    const hundred = Array.from({ length: 100 }, (_, index) => index)
    const added = await Promise.all(hundred.map((index) => store.add(`${prefix}add`, bytes(STORE_FORMAT, index))))
    oneWins(added)
    await holds(store, `${prefix}add`, bytes(STORE_FORMAT, added.indexOf(true)))

    await store.set(`${prefix}replace`, A)
    const replaced = await Promise.all(hundred.map((index) => store.replace(`${prefix}replace`, A, bytes(STORE_FORMAT, 200, index))))
    oneWins(replaced)
    await holds(store, `${prefix}replace`, bytes(STORE_FORMAT, 200, replaced.indexOf(true)))

    await store.set(`${prefix}take`, A)
    oneWins((await Promise.all(hundred.map(() => store.take(`${prefix}take`)))).map((value) => value !== undefined))

    await store.set(`${prefix}delete`, A)
    oneWins(await Promise.all(hundred.map(() => store.delete(`${prefix}delete`))))

    for (const durable of [false, true]) {
      const counters = await Promise.all(hundred.map(() => store.increment(`${prefix}${durable}`, MINUTE, { durable })))
      assert.deepEqual(counters.map(({ count }) => count).sort((a, b) => a - b), hundred.map((index) => index + 1))
      assert.equal(new Set(counters.map(({ expiresAt }) => expiresAt)).size, 1)
    }
  }]

  yield ['a value of a later release is refused, and stays', async (store, prefix) => {
    const key = `${prefix}a`
    await store.set(key, LATER)
    await refuses('FDT_UNSUPPORTED_FORMAT', () => store.get(key))
    await refuses('FDT_UNSUPPORTED_FORMAT', () => store.take(key))
    await refuses('FDT_UNSUPPORTED_FORMAT', () => store.replace(key, LATER, A))
    await refuses('FDT_UNSUPPORTED_FORMAT', () => store.replace(key, A, B))
    await refuses('FDT_UNSUPPORTED_FORMAT', () => list(store, prefix))
    assert.equal(await store.add(key, A), false, 'it is there')
    await refuses('FDT_UNSUPPORTED_FORMAT', () => store.get(key))
    assert.equal(await store.delete(key), true)
    assert.equal(await store.get(key), undefined)
    await store.set(key, LATER)
    await store.set(key, A)
    await holds(store, key, A)
  }]

  yield ['ping answers', async (store) => {
    assert.equal(await store.ping(), undefined)
  }]

  yield ['after close every operation is refused, and close does nothing', async (store, prefix) => {
    const key = `${prefix}a`
    await store.set(key, A)
    await Promise.all([store.close(), store.close()])
    await store.close()
    await refuses('FDT_STORE_UNAVAILABLE', () => store.get(key))
    await refuses('FDT_STORE_UNAVAILABLE', () => store.set(key, A))
    await refuses('FDT_STORE_UNAVAILABLE', () => store.add(key, A))
    await refuses('FDT_STORE_UNAVAILABLE', () => store.take(key))
    await refuses('FDT_STORE_UNAVAILABLE', () => store.delete(key))
    await refuses('FDT_STORE_UNAVAILABLE', () => store.replace(key, A, B))
    await refuses('FDT_STORE_UNAVAILABLE', () => store.increment(key, MINUTE))
    await refuses('FDT_STORE_UNAVAILABLE', () => list(store, prefix))
    await refuses('FDT_STORE_UNAVAILABLE', () => store.ping())
  }]
}

function * pairCases (): Generator<[string, PairCase]> {
  yield ['a write of one is seen by the other at once', async (one, two, prefix) => {
    for (let round = 0; round < 50; round++) {
      const key = `${prefix}${round}`
      const [writer, reader] = round % 2 === 0 ? [one, two] : [two, one]
      assert.equal(await reader.get(key), undefined)
      await writer.set(key, A)
      await holds(reader, key, A)
      assert.equal(await writer.replace(key, A, B), true)
      await holds(reader, key, B)
      assert.equal((await list(reader, key))[0]?.key, key)
      assert.equal(await writer.delete(key), true)
      assert.equal(await reader.get(key), undefined)
    }
  }]

  yield ['of both one wins', async (one, two, prefix) => {
    for (let round = 0; round < 50; round++) {
      const key = `${prefix}${round}`
      const both = round % 2 === 0 ? [one, two] as const : [two, one] as const
      const added = await Promise.all(both.map((store, index) => store.add(key, bytes(STORE_FORMAT, index))))
      oneWins(added)
      const winner = bytes(STORE_FORMAT, added.indexOf(true))
      oneWins(await Promise.all(both.map((store) => store.replace(key, winner, A))))
      oneWins((await Promise.all(both.map((store) => store.take(key)))).map((value) => value !== undefined))
    }
  }]

  for (const durable of [false, true]) {
    yield [`both count as one (durable: ${durable})`, async (one, two, prefix) => {
      const counters = await Promise.all(Array.from({ length: 100 }, (_, index) => (index % 2 === 0 ? one : two).increment(`${prefix}a`, MINUTE, { durable })))
      assert.deepEqual(counters.map(({ count }) => count).sort((a, b) => a - b), counters.map((_, index) => index + 1))
      assert.equal(new Set(counters.map(({ expiresAt }) => expiresAt)).size, 1)
    }]
  }

  yield ['what has expired is absent for both', async (one, two, prefix) => {
    await one.set(`${prefix}a`, A, { ttl: SOON })
    await sleep(SOON_OVER)
    assert.equal(await two.get(`${prefix}a`), undefined)
    assert.equal(await two.add(`${prefix}a`, B), true)
    await holds(one, `${prefix}a`, B)
  }]

  yield ['one lives on when the other is closed', async (one, two, prefix) => {
    await two.set(`${prefix}a`, A)
    await two.increment(`${prefix}a`, MINUTE)
    await two.close()
    await holds(one, `${prefix}a`, A)
    assert.equal((await one.increment(`${prefix}a`, MINUTE)).count, 2)
    assert.equal(await one.replace(`${prefix}a`, A, B), true)
  }]
}

async function withStore (open: () => Promise<TokenStore> | TokenStore, body: (store: TokenStore) => Promise<void>): Promise<void> {
  const store = await open()
  try {
    await body(store)
  } finally {
    await store.close()
  }
}

async function goodKey (store: TokenStore, key: string): Promise<void> {
  await store.set(key, A)
  await holds(store, key, A)
  assert.equal(await store.replace(key, A, B), true)
  same((await list(store, key)).find((entry) => entry.key === key)?.value, B)
  same(await store.take(key), B)
  assert.equal(await store.add(key, A), true)
  assert.equal(await store.delete(key), true)
  // A short key may have been counted by an earlier run.
  assert.ok((await store.increment(key, MINUTE)).count >= 1)
}

async function holds (store: TokenStore, key: string, value: Uint8Array): Promise<void> {
  same(await store.get(key), value)
}

async function list (store: TokenStore, prefix: string): Promise<StoreEntry[]> {
  const entries = []
  for await (const entry of store.scan(prefix)) entries.push(entry)
  return entries.sort((a, b) => a.key < b.key ? -1 : 1)
}

/** A driver may refuse by throwing as well as by rejecting. */
async function refuses (code: string, operation: () => Promise<unknown>): Promise<void> {
  await assert.rejects(async () => operation(), (error) => {
    assert.equal((error as { code?: unknown }).code, code) // what a driver throws is not known
    return true
  })
}

function oneWins (outcomes: boolean[]): void {
  assert.equal(outcomes.filter((outcome) => outcome).length, 1)
}

function same (actual: Uint8Array | undefined, expected: Uint8Array): void {
  assert.ok(actual !== undefined, 'the value is there')
  assert.ok(Buffer.compare(actual, expected) === 0, 'the bytes are the same')
}

function bytes (...content: number[]): Uint8Array {
  return Uint8Array.from(content)
}
