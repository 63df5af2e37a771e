import t from 'tap'
import { addressBuckets, type Bucket } from '../../../lib/limits/address.ts'
import { createCounters, tightest, type Usage } from '../../../lib/limits/counters.ts'
import { createMemoryStore } from '../../../lib/stores/memory.ts'
import { type TokenStore } from '../../../lib/stores/token-store.ts'
import { faultyStore } from '../../support/faulty-store.ts'

const NOW = 1_800_000_000_000
const LIMIT = { max: 2, timeWindow: 60_000 }
const BUCKET: Bucket = { policy: 'address', key: '192.0.2.1', factor: 1 }

/** Counters over a store whose clock may be another one. */
function build ({ skew = 0 } = {}) {
  const clock = { time: NOW }
  const store = createMemoryStore({ now: () => clock.time + skew })
  const over = (prefix: string, other: TokenStore = store) => createCounters({ store: other, prefix, now: () => clock.time })
  return { clock, store, over, counters: over('limit/a/b') }
}

t.test('the first one begins a time, which no later one moves', async (t) => {
  const { clock, counters } = build()
  const usage = { policy: 'address', max: 2, timeWindow: 60_000 }
  t.strictSame(await counters.count([BUCKET], LIMIT), [{ ...usage, remaining: 1, isExceeded: false, resetsIn: 60_000 }])
  clock.time += 10_000
  t.strictSame(await counters.count([BUCKET], LIMIT), [{ ...usage, remaining: 0, isExceeded: false, resetsIn: 50_000 }])
  clock.time += 49_999
  for (let count = 0; count < 3; count++) t.strictSame(await counters.count([BUCKET], LIMIT), [{ ...usage, remaining: 0, isExceeded: true, resetsIn: 1 }], 'who comes too often does not wait longer for it')
  clock.time += 1
  t.strictSame(await counters.count([BUCKET], LIMIT), [{ ...usage, remaining: 1, isExceeded: false, resetsIn: 60_000 }])
})

t.test('a bucket counts alone', async (t) => {
  const { over, counters } = build()
  const first = async (counted: ReturnType<typeof over>, bucket: Bucket, limit = LIMIT) => (await counted.count([bucket], limit))[0]?.remaining === limit.max * bucket.factor - 1
  t.equal(await first(counters, BUCKET), true)
  t.equal(await first(counters, BUCKET), false)
  for (const bucket of [{ ...BUCKET, key: '192.0.2.2' }, { ...BUCKET, key: '' }, { ...BUCKET, key: '\ud800' }, { ...BUCKET, key: 'x'.repeat(100_000) }, { ...BUCKET, policy: 'network' }]) t.equal(await first(counters, bucket), true, JSON.stringify(bucket).slice(0, 80))
  for (const prefix of ['limit/a/bc', 'limit/ab/b', 'limit/a/b/failures', 'limit/a']) t.equal(await first(over(prefix), BUCKET), true, prefix)
  t.equal(await first(over('limit/a/b'), BUCKET), false, 'an instance of this name elsewhere is the same one')
  t.equal(await first(counters, { ...BUCKET, factor: 16 }), false, 'how much it may have is no part of what it is')
  t.equal(await first(counters, BUCKET, { max: 5, timeWindow: 60_000 }), false)
  t.equal(await first(counters, BUCKET, { max: 5, timeWindow: 60_001 }), true, 'another window does not wait for the end of the one before')
})

t.test('a /48 may have 16 times as much as each of its /64 (T18)', async (t) => {
  const { counters } = build()
  const from = async (address: string) => (await counters.count(addressBuckets(address), LIMIT)).map(({ policy, remaining, isExceeded }) => [policy, remaining, isExceeded])
  t.strictSame(await from('2001:db8::1'), [['address', 1, false], ['network', 31, false]])
  t.strictSame(await from('2001:db8::2'), [['address', 0, false], ['network', 30, false]])
  t.strictSame(await from('2001:db8::3'), [['address', 0, true], ['network', 29, false]])
  for (let subnet = 1; subnet <= 29; subnet++) t.strictSame((await from(`2001:db8:0:${subnet.toString(16)}::1`))[0], ['address', 1, false])
  t.strictSame(await from('2001:db8:0:ffff::1'), [['address', 1, false], ['network', 0, true]])
  t.strictSame(await from('2001:db8:1::1'), [['address', 1, false], ['network', 31, false]])
})

t.test('times stay within the window, whatever the clock of the store says', async (t) => {
  for (const { skew, resetsIn } of [{ skew: 0, resetsIn: 60_000 }, { skew: 5000, resetsIn: 60_000 }, { skew: 1e12, resetsIn: 60_000 }, { skew: -5000, resetsIn: 55_000 }, { skew: -60_000, resetsIn: 1 }, { skew: -1e12, resetsIn: 1 }]) {
    t.match(await build({ skew }).counters.count([BUCKET], LIMIT), [{ resetsIn }], `${skew}`)
  }
})

t.test('parallel ones count each', async (t) => {
  const { counters } = build()
  const usages = (await Promise.all(Array.from({ length: 100 }, () => counters.count([BUCKET], { ...LIMIT, max: 40 })))).flat()
  t.equal(usages.filter(({ isExceeded }) => !isExceeded).length, 40)
})

t.test('an outage is an outage, also half of one (T36)', async (t) => {
  const { store, over } = build()
  const faulty = faultyStore(store)
  faulty.fault.error = new Error('connect ECONNREFUSED')
  await t.rejects(over('x', faulty.store).count([BUCKET], LIMIT), { code: 'FDT_STORE_UNAVAILABLE', statusCode: 503, cause: faulty.fault.error })

  let calls = 0
  const half = (fail: () => Promise<never>): TokenStore => new Proxy(store, { get: (target, name) => name === 'increment' && ++calls % 2 === 0 ? fail : Reflect.get(target, name).bind(target) })
  await t.rejects(over('x', half(async () => { throw new Error('no') })).count(addressBuckets('::1'), LIMIT), { code: 'FDT_STORE_UNAVAILABLE' })
  await t.rejects(over('x', half(() => { throw new Error('no promise') })).count(addressBuckets('::1'), LIMIT), { code: 'FDT_STORE_UNAVAILABLE' })
})

t.test('the tightest is the exceeded one, then the one that leaves least, then the one that lasts longer', async (t) => {
  const usage = (policy: string, remaining: number, resetsIn: number, isExceeded = false): Usage => ({ policy, max: 10, timeWindow: 60_000, remaining, isExceeded, resetsIn })
  const cases: Array<[string | undefined, Usage[]]> = [
    [undefined, []],
    ['a', [usage('a', 5, 5)]],
    ['a', [usage('a', 4, 9), usage('b', 5, 5)]],
    ['a', [usage('a', 5, 9), usage('b', 5, 5)]],
    ['a', [usage('a', 0, 1, true), usage('b', 0, 9)]],
    ['a', [usage('a', 0, 9, true), usage('b', 0, 1, true)]],
    ['a', [usage('a', 1, 1), usage('b', 2, 9), usage('c', 3, 99)]]
  ]
  for (const [expected, usages] of cases) {
    for (const order of [usages, usages.toReversed()]) {
      const frozen = Object.freeze(order)
      t.equal(tightest(frozen)?.policy, expected)
    }
  }
})
