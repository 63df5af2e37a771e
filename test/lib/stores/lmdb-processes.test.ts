import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { storeConformance } from '../../../lib/stores/conformance.ts'
import { openLmdbStore } from '../../../lib/stores/lmdb.ts'
import { type Race } from '../../support/store-messages.ts'
import { startStore, temporaryFolder } from '../../support/store-processes.ts'

const A = Uint8Array.of(1)

t.test('conformance of two processes', async (t) => {
  const path = temporaryFolder(t)
  const create = () => openLmdbStore({ path })
  const cases = [...storeConformance(create, { other: () => startStore(t, { path }) })].filter(({ name }) => name.startsWith('two handles'))
  t.ok(cases.length > 0)
  for (const { name, run } of cases) await t.test(name, run)
})

t.test('processes that start together on an empty folder, and race', async (t) => {
  const path = join(temporaryFolder(t), 'new')
  const racers = await Promise.all(Array.from({ length: 4 }, () => startStore(t, { path, umask: 0 })))
  const store = await openLmdbStore({ path })
  t.teardown(() => store.close())

  const race = async (operation: Race['operation'], keys: string[]) => {
    const at = Date.now() + 200
    const outcomes = await Promise.all(racers.map((racer, index) => racer.race({ operation, keys, at, mine: Uint8Array.of(1, index) })))
    return keys.map((_, index) => outcomes.map((outcome) => outcome[index]))
  }
  const keys = Array.from({ length: 100 }, (_, index) => `key ${index}`)
  const winners = new Set<number>()

  for (const [index, outcomes] of (await race('add', keys)).entries()) {
    winners.add(outcomes.indexOf(true))
    t.same(outcomes.filter((won) => won), [true])
    t.same(await store.get(`key ${index}`), [1, outcomes.indexOf(true)], 'the value is that of the winner')
  }
  await Promise.all(keys.map((key) => store.set(key, A)))
  for (const [index, outcomes] of (await race('replace', keys)).entries()) {
    winners.add(outcomes.indexOf(true))
    t.same(outcomes.filter((won) => won), [true])
    t.same(await store.get(`key ${index}`), [1, outcomes.indexOf(true)])
  }
  for (const outcomes of await race('take', keys)) t.same(outcomes.filter((won) => won), [true])
  t.ok(winners.size > 1, 'and it was a race')

  for (const operation of ['increment', 'durable increment'] as const) {
    for (const counts of await race(operation, keys)) t.same(counts.sort(), [1, 2, 3, 4], operation)
  }

  for (const name of ['', 'counters', ...['', 'counters'].flatMap((folder) => readdirSync(join(path, folder), { withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => join(folder, entry.name)))]) {
    const stats = statSync(join(path, name))
    t.equal((stats.mode & 0o777).toString(8), stats.isDirectory() ? '700' : '600', `${name} under umask 000`)
  }
})

t.test('SIGKILL loses nothing that was acknowledged', async (t) => {
  const path = temporaryFolder(t)
  for (let round = 1; round <= 3; round++) {
    const [writer, bystander] = await Promise.all([startStore(t, { path }), startStore(t, { path })])
    const { acknowledged } = writer.flood()
    while (acknowledged.length < 400 * round) await bystander.set(`bystander ${round}`, A)
    await writer.kill()
    await bystander.set('after', A)
    t.same(await bystander.get('after'), A, 'the others go on')
    await bystander.kill()

    const store = await openLmdbStore({ path })
    const counted = new Map<string, number>()
    for (const key of acknowledged) {
      const index = Number(key.split(' ').at(-1))
      if (index % 4 === 3) {
        const { count } = await store.increment(key, 600_000, { durable: index % 8 === 3 })
        counted.set(key, count)
      } else {
        const value = await store.get(key)
        if (value === undefined || Buffer.compare(value, Buffer.from(`\x01${key}`)) !== 0) t.fail(key)
        await store.delete(key)
      }
    }
    t.ok(counted.size > 50)
    t.equal([...counted].find(([, count]) => count < 2), undefined, 'counters are kept too')
    await store.close()
  }
})

t.test('processes that all sweep', async (t) => {
  const path = temporaryFolder(t)
  const racers = await Promise.all(Array.from({ length: 3 }, () => startStore(t, { path, sweepInterval: 10 })))
  const writes = racers.flatMap((racer, index) => Array.from({ length: 200 }, (_, key) => racer.set(`${index} ${key}`, A, { ttl: 1 + key })))
  await Promise.all([...writes, ...racers.map((racer) => racer.set('kept', A, { ttl: 600_000 }))])
  for (const racer of racers) {
    t.same(await racer.get('kept'), A)
    t.equal(await racer.get('0 0'), undefined)
  }
})

t.test('a process that holds the lock and stops is an outage, until it is gone', async (t) => {
  const path = temporaryFolder(t)
  const other = await startStore(t, { path, sweepInterval: 600_000 })
  const store = await openLmdbStore({ path, timeout: 1000 })
  await store.set('a', A)
  const held = other.hold(600_000).catch(() => {}) // it ends by being killed
  await t.rejects(async () => {
    for (let rounds = 0; rounds < 1000; rounds++) await store.set('c', A)
  }, { code: 'FDT_STORE_UNAVAILABLE', statusCode: 503, cause: { name: 'TimeoutError' } })
  t.same(await store.get('a'), A, 'reading goes on')
  await t.rejects(store.set('c', A), { code: 'FDT_STORE_UNAVAILABLE' })

  await other.kill()
  await held
  for (let rounds = 0; rounds < 100 && await store.set('d', A).then(() => false, () => true); rounds++);
  t.same(await store.get('d'), A)
  await store.close()
})
