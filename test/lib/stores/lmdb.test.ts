import { mkdirSync, readFileSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync, chmodSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { storeConformance } from '../../../lib/stores/conformance.ts'
import { openWith } from '../../../lib/stores/lmdb-store.ts'
import { type LmdbStoreOptions, openLmdbStore } from '../../../lib/stores/lmdb.ts'
import { type TokenStore } from '../../../lib/stores/token-store.ts'
import { inspect, isInstalled, runNode, temporaryFolder } from '../../support/store-processes.ts'

const A = Uint8Array.of(1, 97)
const B = Uint8Array.of(1, 98)
const MINUTE = 60_000

t.test('conformance, two handles in one process included', async (t) => {
  const path = temporaryFolder(t)
  const create = () => openLmdbStore({ path })
  for (const { name, run } of storeConformance(create, { other: create })) await t.test(name, run)
})

t.test('refuses bad options', async (t) => {
  const path = temporaryFolder(t)
  const bad: Array<[string, object]> = [
    ...[undefined, null, 1, '', 'a\0b'].map((path): [string, object] => ['path', { path }]),
    ['now', { path, now: 1 }],
    ...['mapSize', 'sweepInterval', 'timeout'].flatMap((name) => [0, -1, 1.5, NaN, Infinity, '1', null].map((value): [string, object] => [name, { path, [name]: value }]))
  ]
  for (const [name, options] of bad) {
    await t.rejects(openLmdbStore(options as LmdbStoreOptions), { code: 'FDT_INVALID_OPTION', message: new RegExp(`"${name}"`) })
  }
  t.same(readdirSync(path), [], 'and makes nothing')
})

t.test('a store within another is refused: its files are the other one\'s to throw away', async (t) => {
  const path = temporaryFolder(t)
  const store = await openLmdbStore({ path })
  t.teardown(() => store.close())
  for (const inside of ['counters', 'store', 'counters/../store']) await t.rejects(openLmdbStore({ path: join(path, inside) }), { code: 'FDT_INVALID_OPTION', message: /"path"/ }, inside)
})

t.test('says so when lmdb is not installed', async (t) => {
  const path = temporaryFolder(t)
  const cause = Object.assign(new TypeError('Cannot find package'), { code: 'ERR_MODULE_NOT_FOUND' })
  await t.rejects(openWith(() => Promise.reject(cause), { path }), { code: 'FDT_MISSING_PEER', message: /"lmdb"/, cause })
})

t.test('everything stays when it is closed and opened again', async (t) => {
  const path = temporaryFolder(t)
  const large = Buffer.alloc(20 * 1024 * 1024, 1)
  for (let round = 1; round <= 3; round++) {
    const store = await openLmdbStore({ path, mapSize: 1024 * 1024 })
    t.equal((await store.increment('fast', MINUTE)).count, round)
    t.equal((await store.increment('durable', MINUTE, { durable: true })).count, round)
    if (round === 1) await store.set('large', large)
    t.ok(large.equals(await store.get('large') ?? A), 'also beyond the map it began with')
    await store.set(`${round}`, A, { ttl: MINUTE })
    await store.close()
  }
  const store = await create(t, { path })
  for (const key of ['1', '2', '3']) t.same(await store.get(key), A)
})

t.test('a second handle opens and closes while the first one writes', async (t) => {
  const path = temporaryFolder(t)
  const first = await create(t, { path })
  const writes = []
  for (let round = 0; round < 20; round++) {
    writes.push(first.set(`${round}`, A), first.increment('c', MINUTE))
    const [second, third] = await Promise.all([openLmdbStore({ path }), openLmdbStore({ path: join(path, '.', 'counters', '..') })])
    writes.push(second.set(`${round}`, B))
    await second.close()
    await third.increment('c', MINUTE)
    await third.close()
  }
  await Promise.all(writes)
  t.equal((await first.increment('c', MINUTE)).count, 41)

  const closing = first.close()
  const next = await create(t, { path })
  await closing
  t.equal((await next.increment('c', MINUTE)).count, 42)
})

t.test('a handle can be opened at any moment of a close', async (t) => {
  const path = temporaryFolder(t)
  const lmdb = await import('lmdb')
  const load = async () => lmdb // in a known number of ticks
  for (let ticks = 0; ticks < 25; ticks++) {
    const store = await openLmdbStore({ path })
    await store.set('a', A)
    const closing = store.close()
    for (let tick = 0; tick < ticks; tick++) await null
    const [next, another] = await Promise.all([openWith(load, { path }), openWith(load, { path })])
    await closing
    t.same(await next.get('a'), A)
    await Promise.all([next.close(), another.close()])
  }
})

t.test('of two that open what is no store both are refused', async (t) => {
  const path = temporaryFolder(t)
  writeFileSync(join(path, 'data.mdb'), 'hello')
  const outcomes = await Promise.allSettled([openLmdbStore({ path }), openLmdbStore({ path })])
  t.same(outcomes.map(({ status }) => status), ['rejected', 'rejected'])
  rmSync(join(path, 'data.mdb'))
  await (await openLmdbStore({ path })).close()
})

t.test('close waits for what is under way', async (t) => {
  const path = temporaryFolder(t)
  const store = await openLmdbStore({ path })
  const writes = Array.from({ length: 50 }, (_, index) => store.set(`${index}`, A))
  const increments = Array.from({ length: 50 }, () => store.increment('c', MINUTE))
  await store.close()
  await Promise.all([...writes, ...increments])

  const again = await create(t, { path })
  for (let index = 0; index < 50; index++) t.same(await again.get(`${index}`), A)
  t.equal((await again.increment('c', MINUTE)).count, 51)
})

t.test('a scan that is open at close is refused', async (t) => {
  const store = await openLmdbStore({ path: temporaryFolder(t) })
  await Promise.all(Array.from({ length: 150 }, (_, index) => store.set(`${index}`, A)))
  await t.rejects(async () => {
    let seen = 0
    for await (const { key } of store.scan('')) if (key && ++seen === 100) await store.close()
  }, { code: 'FDT_STORE_UNAVAILABLE' })
})

t.test('time is that of the option, and what has expired is swept', async (t) => {
  const path = temporaryFolder(t)
  let now = 1_000_000
  const store = await create(t, { path, now: () => now, sweepInterval: 20 })
  await Promise.all(Array.from({ length: 1000 }, (_, index) => store.set(`gone ${index}`, A, { ttl: 1000 })))
  await store.set('rewritten', A, { ttl: 1000 })
  await store.set('rewritten', B, { ttl: 5000 })
  await store.set('rewritten for ever', A, { ttl: 1000 })
  await store.set('rewritten for ever', B)
  await store.set('kept', A)
  await store.increment('fast', 1000)
  await store.increment('durable', 1000, { durable: true })
  t.same(await count(path), { values: 1003, valuesEnds: 1001, counters: 1, countersEnds: 1, fast: 1 })

  now += 999
  t.same(await store.get('gone 0'), A)
  await sleep(100)
  t.equal((await count(path)).values, 1003)

  now += 1
  t.equal(await store.get('gone 0'), undefined, 'absent at once')
  await until(async () => (await count(path)).values === 3 && (await count(path)).fast === 0)
  t.same(await count(path), { values: 3, valuesEnds: 1, counters: 0, countersEnds: 0, fast: 0 })

  now += 4000
  await until(async () => (await count(path)).values === 2)
  t.same(await store.get('kept'), A)
  t.same(await store.get('rewritten for ever'), B)
})

t.test('a sweep of many goes in steps, between which others have their turn', async (t) => {
  const path = temporaryFolder(t)
  let now = 1_000_000
  const store = await create(t, { path, now: () => now, sweepInterval: 20 })
  const total = 20_000
  await Promise.all(Array.from({ length: total }, (_, index) => store.set(`gone ${index}`, A, { ttl: 1000 })))
  now += 1000
  const seen = new Set<number>()
  await until(async () => {
    const { values } = await count(path)
    seen.add(Number(values))
    return values === 0
  })
  t.ok([...seen].some((values) => values > 0 && values < total), [...seen].join())
})

t.test('a sweep lets live what has been written anew, or by a later release', async (t) => {
  const path = temporaryFolder(t)
  let now = 1_000_000
  const store = await create(t, { path, now: () => now, sweepInterval: 20 })
  for (const key of ['a', 'later', 'last']) await store.set(key, A, { ttl: 1000 })
  await inspect(path, `
    const anew = Buffer.alloc(11, 1)
    anew.writeDoubleBE(${now + 9000}, 1)
    values.put(Buffer.from('a'), anew)
    values.put(Buffer.from('later'), Buffer.alloc(11, 2))
    values.remove(Buffer.from('last'))
  `)
  now += 2000
  await until(async () => (await count(path)).valuesEnds === 1)
  t.same(await store.get('a'), Uint8Array.of(1, 1))
  await t.rejects(store.get('later'), { code: 'FDT_UNSUPPORTED_FORMAT' })
})

t.test('a sweep that fails is tried again', async (t) => {
  const path = temporaryFolder(t)
  let [now, broken] = [1_000_000, 0]
  const clock = () => {
    if (broken > 0 && broken-- > 0) throw new TypeError('no clock')
    return now
  }
  const store = await create(t, { path, now: clock, sweepInterval: 10 })
  await store.set('a', A, { ttl: 1000 })
  broken = 5
  now += 2000
  await until(async () => (await count(path)).values === 0)
  t.equal((await count(path)).values, 0)
  broken = 1
  await t.rejects(store.get('a'), { code: 'FDT_STORE_UNAVAILABLE', cause: { name: 'TypeError' } })
})

t.test('a record of a later release is refused, and stays', async (t) => {
  const path = temporaryFolder(t)
  const store = await create(t, { path })
  await store.set('a', A, { ttl: MINUTE })
  const later = async () => inspect(path, "values.put(Buffer.from('a'), Buffer.alloc(20, 2))")
  await later()
  const refused = { code: 'FDT_UNSUPPORTED_FORMAT', message: /version 2,/ }
  await t.rejects(store.get('a'), refused)
  await t.rejects(store.take('a'), refused)
  await t.rejects(store.replace('a', A, B), refused)
  await t.rejects(async () => { for await (const entry of store.scan('')) t.fail(entry.key) }, refused)
  t.equal(await store.add('a', A), false)
  await t.rejects(store.get('a'), refused)
  t.equal(await store.delete('a'), true)
  await later()
  await store.set('a', B)
  t.same(await store.get('a'), B)
})

t.test('a record that is none is an outage', async (t) => {
  const path = temporaryFolder(t)
  const store = await create(t, { path })
  await inspect(path, "values.put(Buffer.from('a'), Buffer.of(1, 2))")
  const outage = { code: 'FDT_STORE_UNAVAILABLE', statusCode: 503, cause: { name: 'RangeError' } }
  await t.rejects(store.get('a'), outage)
  await t.rejects(store.add('a', A), outage)
  await t.rejects(store.take('a'), outage)
})

t.test('folders and files are closed to others, whatever was there', async (t) => {
  const path = join(temporaryFolder(t), 'a', 'b.store')
  const modes = () => ['', 'data.mdb', 'lock.mdb', 'counters', 'counters/data.mdb', 'counters/lock.mdb'].map((name) => (statSync(join(path, name)).mode & 0o777).toString(8))
  const good = ['700', '600', '600', '700', '600', '600']
  await (await openLmdbStore({ path })).close()
  t.same(modes(), good)

  for (const name of ['', 'counters']) chmodSync(join(path, name), 0o755)
  for (const name of ['data.mdb', 'lock.mdb', 'counters/data.mdb', 'counters/lock.mdb']) chmodSync(join(path, name), 0o644)
  await (await openLmdbStore({ path })).close()
  t.same(modes(), good)
})

t.test('a folder that is open to others and holds other things is not taken', async (t) => {
  const path = temporaryFolder(t)
  writeFileSync(join(path, 'notes.txt'), '')
  chmodSync(path, 0o755)
  await t.rejects(openLmdbStore({ path }), { code: 'FDT_INVALID_OPTION', message: /"path"/ })
  t.equal(statSync(path).mode & 0o777, 0o755)
  t.same(readdirSync(path), ['notes.txt'])

  chmodSync(path, 0o700)
  const store = await create(t, { path })
  await store.ping()
})

t.test('what is no store is refused, and stays as it is', async (t) => {
  const header = (await storeFile(t)).subarray(0, 8192)
  const wrongVersion = Buffer.from(header)
  wrongVersion.writeUInt32LE(3, 28)
  const contents = { garbage: Buffer.alloc(20_000, 7), text: Buffer.from('hello'), zeros: Buffer.alloc(9000), short: header.subarray(0, 4096), 'another version': wrongVersion }
  for (const [name, content] of Object.entries(contents)) {
    const path = temporaryFolder(t)
    writeFileSync(join(path, 'data.mdb'), content)
    await t.rejects(openLmdbStore({ path }), { code: 'FDT_STORE_UNAVAILABLE', statusCode: 503, cause: { message: /not an LMDB environment/ } }, name)
    t.ok(readFileSync(join(path, 'data.mdb')).equals(content), name)
    t.same(readdirSync(path), ['data.mdb'], name)
  }

  // The first pages are good, the tables are not.
  const path = temporaryFolder(t)
  const broken = Buffer.concat([header, Buffer.alloc(200_000, 9)])
  writeFileSync(join(path, 'data.mdb'), broken)
  await t.rejects(openLmdbStore({ path }), { code: 'FDT_STORE_UNAVAILABLE', cause: {} })
  t.ok(readFileSync(join(path, 'data.mdb')).equals(broken))
})

t.test('a place that cannot be a folder is an outage', async (t) => {
  const folder = temporaryFolder(t)
  writeFileSync(join(folder, 'file'), '')
  symlinkSync('nowhere', join(folder, 'link'))
  mkdirSync(join(folder, 'locked', 'lock.mdb'), { recursive: true })
  mkdirSync(join(folder, 'data', 'data.mdb'), { recursive: true })
  for (const name of ['file', 'file/below', 'link', 'locked', 'data']) {
    chmodSync(join(folder, name === 'locked' || name === 'data' ? name : '.'), 0o700)
    await t.rejects(openLmdbStore({ path: join(folder, name) }), { code: 'FDT_STORE_UNAVAILABLE' }, name)
  }
})

t.test('counters that do not open are made anew, and nothing else', async (t) => {
  const path = temporaryFolder(t)
  const data = join(path, 'counters', 'data.mdb')
  const damage: Record<string, () => void> = {
    garbage: () => writeFileSync(data, Buffer.alloc(20_000, 7)),
    truncated: () => writeFileSync(data, 'hello'),
    'broken tables': () => writeFileSync(data, Buffer.concat([readFileSync(data).subarray(0, 8192), Buffer.alloc(200_000, 9)])),
    'a file in place of the folder': () => {
      rmSync(join(path, 'counters'), { recursive: true })
      writeFileSync(join(path, 'counters'), '')
    }
  }
  for (const [name, act] of Object.entries(damage)) {
    const store = await openLmdbStore({ path })
    await store.increment('fast', MINUTE)
    await store.increment('fast', MINUTE)
    const { count } = await store.increment('durable', MINUTE, { durable: true })
    await store.set('a', A)
    await store.close()

    act()
    const again = await openLmdbStore({ path })
    t.equal((await again.increment('fast', MINUTE)).count, 1, name)
    t.equal((await again.increment('durable', MINUTE, { durable: true })).count, count + 1, name)
    t.same(await again.get('a'), A, name)
    await again.close()
  }
})

t.test('counters are made anew when the machine was started again', async (t) => {
  const path = temporaryFolder(t)
  const boot = join(temporaryFolder(t), 'boot')
  const counts = async () => {
    const store = await openWith(() => import('lmdb'), { path }, boot)
    const fast = await store.increment('c', MINUTE)
    const durable = await store.increment('c', MINUTE, { durable: true })
    await store.close()
    return [fast.count, durable.count]
  }
  writeFileSync(boot, 'first\n')
  t.same(await counts(), [1, 1])
  t.same(await counts(), [2, 2])
  writeFileSync(boot, 'second\n')
  t.same(await counts(), [1, 3])
  t.same(await counts(), [2, 4])
  rmSync(boot)
  t.same(await counts(), [1, 5])
  t.same(await counts(), [2, 6], 'a system that does not tell')
})

t.test('a full disk is an outage', { skip: isInstalled('prlimit') ? false : 'needs prlimit' }, async (t) => {
  // A limit on the size of files fails the same writes as a full disk does.
  const path = temporaryFolder(t)
  const { code, output } = await runNode(`
    import { execFileSync } from 'node:child_process'
    import { readdirSync } from 'node:fs'
    import { openLmdbStore } from './lib/stores/lmdb.js'
    const path = ${JSON.stringify(path)}
    const limit = (bytes) => execFileSync('prlimit', ['--pid', String(process.pid), '--fsize=' + bytes + ':unlimited'])
    process.on('unhandledRejection', (error) => { console.log('unhandled', error) })
    process.on('SIGXFSZ', () => {}) // a full disk sends no signal

    limit(16384)
    await openLmdbStore({ path }).catch((error) => console.log('not opened', error.code, error.cause?.code, readdirSync(path).length))
    limit(1000000)
    const store = await openLmdbStore({ path })
    let index = 0
    try {
      for (; index < 1000; index++) await store.set('large ' + index, Buffer.alloc(20000, 1), { durable: true })
    } catch (error) { console.log('refused', error.code, error.statusCode, error.cause?.message) }
    try {
      for (let round = 0; round < 100; round++) await Promise.all(Array.from({ length: 200 }, (_, key) => store.increment('c'.repeat(400) + round + '/' + key, 60000)))
    } catch (error) { console.log('not counted', error.code) }
    console.log('read', (await store.get('large 0')).length, await store.get('large ' + index))
    limit('unlimited')
    await store.set('room again', Buffer.alloc(100000, 1))
    await store.close()
    console.log('closed')
  `)
  t.equal(code, 0, output)
  t.match(output, 'not opened FDT_STORE_UNAVAILABLE EFBIG 0')
  t.match(output, /refused FDT_STORE_UNAVAILABLE 503 \S+/)
  t.match(output, 'not counted FDT_STORE_UNAVAILABLE')
  t.match(output, 'read 20000 undefined')
  t.match(output, 'closed')
  t.notMatch(output, 'unhandled')

  const store = await create(t, { path })
  t.equal((await store.get('large 0'))?.length, 20_000)
  t.equal((await store.get('room again'))?.length, 100_000)
})

t.test('a process ends while a store is open', async (t) => {
  const { code, output } = await runNode(`
    import { openLmdbStore } from './lib/stores/lmdb.js'
    const store = await openLmdbStore({ path: ${JSON.stringify(temporaryFolder(t))}, sweepInterval: 50 })
    await store.set('a', Uint8Array.of(1), { ttl: 3600000 })
    await store.increment('a', 3600000)
    await store.get('a')
    console.log('written')
  `)
  t.equal(code, 0)
  t.match(output, 'written')
})

t.test('a write is acknowledged when the disk has it, not before', { skip: isInstalled('strace') ? false : 'needs strace' }, async (t) => {
  const trace = join(temporaryFolder(t), 'trace')
  const { code, output } = await runNode(`
    import { writeSync } from 'node:fs'
    import { openLmdbStore } from './lib/stores/lmdb.js'
    const store = await openLmdbStore({ path: ${JSON.stringify(temporaryFolder(t))} })
    const A = Uint8Array.of(1)
    const writes = {
      set: () => store.set('a', A, { durable: true }),
      add: () => store.add('b', A, { durable: true }),
      replace: () => store.replace('a', A, A, { durable: true }),
      increment: () => store.increment('c', 60000, { durable: true }),
      delete: () => store.delete('b', { durable: true }),
      take: () => store.take('a'),
      fast: () => store.increment('c', 60000)
    }
    for (const [name, write] of Object.entries(writes)) {
      writeSync(1, 'start ' + name)
      await write()
      writeSync(1, 'acknowledged ' + name)
    }
    await store.close()
  `, ['strace', '--follow-forks', '--seccomp-bpf', '--trace=write,pwrite64,fdatasync', `--output=${trace}`])
  t.equal(code, 0, output)

  const lines = readFileSync(trace, 'utf8').split('\n')
  const between = (name: string) => lines.slice(lines.findIndex((line) => line.includes(`"start ${name}"`)), lines.findIndex((line) => line.includes(`"acknowledged ${name}"`)))
  for (const name of ['set', 'add', 'replace', 'increment', 'delete', 'take']) {
    const calls = between(name)
    // The pages are flushed, and then the page that makes them count goes out through a descriptor with O_DSYNC.
    const flush = calls.findIndex((line) => /fdatasync(\(\d+| resumed>)\)\s+= 0/.test(line))
    t.ok(flush > 0, name)
    t.ok(calls.findLastIndex((line) => line.includes('pwrite64(')) > flush, name)
  }
  const fast = between('fast')
  t.ok(fast.some((line) => line.includes('pwrite64(')))
  t.notOk(fast.some((line) => line.includes('fdatasync')), 'a counter that is not durable does not wait')
})

async function create (t: Test, options: LmdbStoreOptions): Promise<TokenStore> {
  const store = await openLmdbStore(options)
  t.teardown(() => store.close())
  return store
}

/** A good file. */
async function storeFile (t: Test): Promise<Buffer> {
  const path = temporaryFolder(t)
  await (await openLmdbStore({ path })).close()
  return readFileSync(join(path, 'data.mdb'))
}

/** How many records there are in each table, the expired ones included. */
async function count (path: string): Promise<{ values: number, valuesEnds: number, counters: number, countersEnds: number, fast: number }> {
  return inspect(path, 'return { values: size(values), valuesEnds: size(valuesEnds), counters: size(counters), countersEnds: size(countersEnds), fast: size(fast) }')
}

async function until (condition: () => Promise<boolean>): Promise<void> {
  for (let rounds = 0; rounds < 500 && !await condition(); rounds++) await sleep(20)
}
