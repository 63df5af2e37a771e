import t from 'tap'
import { createSingleUse } from '../../../lib/oauth/single-use.ts'
import { createMemoryStore } from '../../../lib/stores/memory.ts'
import { STORE_FORMAT } from '../../../lib/stores/token-store.ts'
import { faultyStore } from '../../support/faulty-store.ts'

const NOW = 1_800_000_000_000
const PREFIX = 'client-credentials/default/used'

function world () {
  const clock = { time: NOW }
  const now = (): number => clock.time
  const { store, fault } = faultyStore(createMemoryStore({ now }))
  return { clock, now, store, fault, singleUse: createSingleUse({ store, prefix: PREFIX, now }) }
}

t.test('what has come once does not come again', async (t) => {
  const { singleUse } = world()
  t.equal(await singleUse.burn(['dpop', 'a', 'b'], NOW + 1000), true)
  t.equal(await singleUse.burn(['dpop', 'a', 'b'], NOW + 1000), false)
  t.equal(await singleUse.burn(['dpop', 'a', 'b'], NOW + 2000), false, 'whatever its end')

  const others = [['dpop', 'a'], ['dpop', 'a', 'b', ''], ['dpopa', 'b'], ['dpop', 'ab'], ['dpop', 'a:1', 'b'], ['dpop', '', 'ab'], ['dpop', 'b', 'a'], ['4:dpop', 'a', 'b'], ['dpop', 'a1:b'], [], ['']]
  for (const parts of others) t.equal(await singleUse.burn(parts, NOW + 1000), true, JSON.stringify(parts))
  for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty', '../../x', 'k'.repeat(10_000), '\0', 'é']) {
    t.equal(await singleUse.burn(['dpop', name, name], NOW + 1000), true, `T28: ${JSON.stringify(name.slice(0, 20))}`)
    t.equal(await singleUse.burn(['dpop', name, name], NOW + 1000), false)
  }
})

t.test('of many at the same time, in two processes, one is the first', async (t) => {
  const { store, now, singleUse } = world()
  const other = createSingleUse({ store, prefix: PREFIX, now })
  const burnt = await Promise.all(Array.from({ length: 100 }, (_, index) => (index % 2 === 0 ? singleUse : other).burn(['a'], NOW + 1000)))
  t.equal(burnt.filter(Boolean).length, 1)

  const elsewhere = createSingleUse({ store, prefix: 'client-credentials/other/used', now })
  t.equal(await elsewhere.burn(['a'], NOW + 1000), true, 'another instance has its own')
})

t.test('an entry outlives what it is about, by as much as clocks differ', async (t) => {
  const { clock, singleUse, store } = world()
  t.equal(await singleUse.burn(['a'], NOW + 1000.5), true)
  const behind = createSingleUse({ store, prefix: PREFIX, now: () => clock.time - 60_000 })

  clock.time = NOW + 60_999
  t.equal(await behind.burn(['a'], NOW + 1000.5), false, 'for a process whose clock is a minute behind')
  t.equal(await singleUse.burn(['a'], NOW + 1000.5), false)
  clock.time = NOW + 61_001
  t.equal(await singleUse.burn(['a'], NOW + 100_000), true, 'then it is forgotten')
})

t.test('what is over needs no entry', async (t) => {
  const { singleUse, fault } = world()
  for (const expiresAt of [NOW, NOW - 1, 0, -Infinity]) t.equal(await singleUse.burn(['a'], expiresAt), false, String(expiresAt))
  t.strictSame(fault.calls, [])
  t.equal(await singleUse.burn(['a'], NOW + 1), true)
  t.strictSame(fault.calls, ['add'])
})

t.test('an entry says nothing of what it is about, and waits for the disk', async (t) => {
  const { store, now } = world()
  const writes: unknown[][] = []
  const add: typeof store.add = (...args) => {
    writes.push(args)
    return store.add(...args)
  }
  const singleUse = createSingleUse({ store: { ...store, add }, prefix: PREFIX, now })
  await singleUse.burn(['client-1', 'secret-jti'], NOW + 1000.5)
  const [[key, ...rest] = []] = writes
  t.match(key, /^client-credentials\/default\/used\/[\w-]{43}$/)
  t.strictSame(rest, [Buffer.of(STORE_FORMAT), { ttl: 61_001, durable: true }])
})

t.test('an outage is no answer', async (t) => {
  const { singleUse, fault } = world()
  for (const error of [new TypeError('connect ECONNREFUSED secret'), Object.assign(new TypeError('x'), { code: 'FDT_STORE_UNAVAILABLE', statusCode: 503 })]) {
    fault.error = error
    await t.rejects(singleUse.burn(['a'], NOW + 1000), { code: 'FDT_STORE_UNAVAILABLE', statusCode: 503 })
  }
  fault.error = undefined
  t.equal(await singleUse.burn(['a'], NOW + 1000), true, 'and leaves nothing behind')
})
