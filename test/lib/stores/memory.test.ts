import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t, { type Test } from 'tap'
import { storeConformance } from '../../../lib/stores/conformance.ts'
import { createMemoryStore, type MemoryStoreOptions } from '../../../lib/stores/memory.ts'
import { type TokenStore } from '../../../lib/stores/token-store.ts'
import { runNode } from '../../support/store-processes.ts'

const A = Uint8Array.of(1, 97)

t.test('conformance', async (t) => {
  for (const { name, run } of storeConformance(() => createMemoryStore())) await t.test(name, run)
})

t.test('conformance of a bounded one', async (t) => {
  for (const { name, run } of storeConformance(() => createMemoryStore({ maxEntries: 1000 }))) await t.test(name, run)
})

t.test('refuses bad options', async (t) => {
  const bad: Array<[string, object]> = [
    ...[0, -1, 1.5, NaN, -Infinity, '10', null].map((maxEntries): [string, object] => ['maxEntries', { maxEntries }]),
    ['now', { now: 0 }],
    ['now', { now: null }]
  ]
  for (const [name, options] of bad) {
    t.throws(() => createMemoryStore(options as MemoryStoreOptions), { code: 'FDT_INVALID_OPTION', message: new RegExp(`"${name}"`) })
  }
})

t.test('a bounded store', async (t) => {
  let now = 1_000_000
  const store = create(t, { maxEntries: 3, now: () => now })
  await store.set('a', A)
  await store.add('b', A, { ttl: 1000 })
  await store.increment('c', 2000)

  const full = { code: 'FDT_STORE_FULL', statusCode: 503 }
  await t.rejects(store.set('d', A), full)
  await t.rejects(store.add('d', A), full)
  await t.rejects(store.increment('d', 1000), full)
  t.equal(await store.get('d'), undefined)

  t.same(await store.get('a'), A, 'nothing was thrown out')
  t.same(await store.get('b'), A)
  await store.set('a', A)
  t.equal(await store.replace('b', A, A, { ttl: 1000 }), true, 'what is there can be written')
  t.equal((await store.increment('c', 2000)).count, 2)

  now += 1000
  await store.set('d', A, { ttl: 5000 })
  t.equal(await store.get('b'), undefined, 'what has expired makes room')
  await t.rejects(store.set('e', A), full)
  now += 1000
  t.equal((await store.increment('e', 1000)).count, 1, 'a counter too')
  await t.rejects(store.set('f', A), full)
  await store.delete('a')
  await store.set('f', A)
})

t.test('time is that of the option', async (t) => {
  let now = 500
  const store = create(t, { now: () => now })
  await store.set('a', A, { ttl: 10 })
  t.same(await store.increment('c', 10.5), { count: 1, expiresAt: 510.5 })
  now = 509.9
  t.same(await store.get('a'), A)
  now = 510
  t.equal(await store.get('a'), undefined, 'over at the end itself')
  t.same(await store.increment('c', 1), { count: 2, expiresAt: 510.5 })
  now = 510.5
  t.same(await store.increment('c', 1), { count: 1, expiresAt: 511.5 })
})

t.test('thousands in any order end when they should', async (t) => {
  let now = 0
  const store = create(t, { maxEntries: 2000, now: () => now })
  // A fixed sequence without an order: 7 has no factor in common with 2003.
  const ends = Array.from({ length: 2000 }, (_, index) => (index * 7) % 2003 + 1)
  for (const end of ends) await store.set(`${end}`, A, { ttl: end })
  for (const end of ends.filter((end) => end % 3 === 0)) await store.delete(`${end}`)
  for (const end of ends.filter((end) => end % 3 === 1)) await store.set(`${end}`, A, { ttl: 5000 - end })
  for (const end of ends.filter((end) => end % 30 === 2)) await store.set(`${end}`, A)

  for (now = 0; now <= 5000; now += 250) {
    const expected = ends.filter((end) => end % 3 !== 0 && (end % 30 === 2 || (end % 3 === 1 ? 5000 - end : end) > now))
    const found = []
    for await (const { key } of store.scan('')) found.push(Number(key))
    t.same(found.sort((a, b) => a - b), expected.sort((a, b) => a - b), `at ${now}`)

    // The bound shows that the rest has been let go of, no more and no less.
    for (let room = 2000 - expected.length; room > 0; room--) await store.set(`room ${room}`, A)
    await t.rejects(store.set('one more', A), { code: 'FDT_STORE_FULL' })
    for (let room = 2000 - expected.length; room > 0; room--) await store.delete(`room ${room}`)
  }
})

t.test('what has expired is freed without being asked for', async (t) => {
  setFlagsFromString('--expose-gc')
  const collect: () => void = runInNewContext('gc')
  const used = () => {
    collect()
    return process.memoryUsage().arrayBuffers
  }
  const store = create(t)
  const megabyte = 1024 * 1024
  const before = used()
  for (let index = 0; index < 48; index++) await store.set(`gone ${index}`, Buffer.alloc(megabyte, 1), { ttl: 50 + index })
  for (let index = 0; index < 8; index++) await store.set(`kept ${index}`, Buffer.alloc(megabyte, 1), { ttl: 600_000 })
  t.ok(used() - before > 50 * megabyte)
  for (let rounds = 0; used() - before > 16 * megabyte && rounds < 100; rounds++) await sleep(100)
  t.ok(used() - before < 16 * megabyte)
  t.equal((await store.get('kept 7'))?.length, megabyte)

  await store.set('later', A, { ttl: 1 })
  await sleep(1500)
  t.equal(await store.get('later'), undefined)
})

t.test('very many are freed in turns of the event loop', async (t) => {
  let now = 0
  const store = create(t, { now: () => now })
  for (let index = 0; index < 12_000; index++) await store.set(`${index}`, A, { ttl: 1 })
  now = 10
  await sleep(1500)
  await store.set('a', A, { ttl: 1 })
  now = 20
  t.equal(await store.get('a'), undefined)
})

t.test('a process ends while values wait for their end', async (t) => {
  const { code, output } = await runNode(`
    import { createMemoryStore } from './lib/stores/memory.js'
    const store = createMemoryStore()
    await store.set('a', Uint8Array.of(1), { ttl: 3600000 })
    await store.increment('a', 3600000)
    console.log('written')
  `)
  t.equal(code, 0)
  t.match(output, 'written')
})

function create (t: Test, options?: MemoryStoreOptions): TokenStore {
  const store = createMemoryStore(options)
  t.teardown(() => store.close())
  return store
}
