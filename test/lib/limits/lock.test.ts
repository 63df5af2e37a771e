// T35, row by row.
import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { authenticateApiKey, createApiKeyRegistry, createSecret, parseSecret } from '../../../lib/credentials/index.ts'
import { InvalidCredentialError, StoreUnavailableError } from '../../../lib/errors.ts'
import { createLock } from '../../../lib/limits/lock.ts'
import { createMemoryStore } from '../../../lib/stores/memory.ts'
import { type TokenStore } from '../../../lib/stores/token-store.ts'
import { faultyStore } from '../../support/faulty-store.ts'

const NOW = 1_800_000_000_000
const LIMIT = { max: 5, timeWindow: 600_000 }
const HERE = '192.0.2.1'

type Who = [id?: string | undefined, address?: string | undefined]

interface Outcome {
  code: string
  retryAfter?: number
}

const FAILED: Outcome = { code: 'FDT_INVALID_CREDENTIAL' }
const PASSED: Outcome = { code: 'passed' }
const locked = (retryAfter: number): Outcome => ({ code: 'FDT_LOCKED', retryAfter })
const limited = (retryAfter: number): Outcome => ({ code: 'FDT_RATE_LIMITED', retryAfter })

function build ({ store, skew = 0 }: { store?: (store: TokenStore) => TokenStore, skew?: number } = {}) {
  const clock = { time: NOW }
  const memory = createMemoryStore({ now: () => clock.time + skew })
  const told: Array<{ id: string, until: number }> = []
  const lockOver = (store: TokenStore, limit: typeof LIMIT | undefined = LIMIT) => createLock({ store, prefix: 'limit/a/b', now: () => clock.time }, limit)
  const lock = lockOver(store?.(memory) ?? memory)

  /** What comes of an attempt that is right, or not; of the shop, from here, unless it is said. */
  const attempt = async (isRight: boolean, ...who: Who): Promise<Outcome> => {
    const [id, address] = [...who, ...['shop', HERE].slice(who.length)]
    return await outcome(lock.attempt({ id, address, onLocked: (id, until) => { told.push({ id, until }) } }, async () => {
      if (!isRight) throw new InvalidCredentialError()
      return 'passed'
    }))
  }
  const fail = async (times: number, ...who: Who): Promise<Outcome[]> => {
    const outcomes = []
    for (let count = 0; count < times; count++) outcomes.push(await attempt(false, ...who))
    return outcomes
  }
  return { clock, memory, told, lockOver, attempt, fail }
}

async function outcome (promise: Promise<string>): Promise<Outcome> {
  try {
    return { code: await promise }
  } catch (error) {
    const { code, retryAfter } = error as Outcome // of this package, else the comparison fails
    return { code, ...(retryAfter !== undefined && { retryAfter }) }
  }
}

const repeat = (count: number, outcome: Outcome): Outcome[] => Array.from({ length: count }, () => outcome)

t.test('after five failures the right secret is refused too', async (t) => {
  const { attempt, fail, told } = build()
  t.strictSame(await fail(4), repeat(4, FAILED))
  t.strictSame(told, [])
  t.strictSame(await fail(1), [FAILED])
  t.strictSame(told, [{ id: 'shop', until: NOW + 600_000 }])
  t.strictSame(await attempt(true), locked(600))
  t.strictSame(await attempt(false), locked(600))
  t.equal(told.length, 1, 'told once')
})

t.test('nobody else is', async (t) => {
  const { attempt, fail } = build()
  await fail(5)
  t.strictSame(await attempt(true), locked(600))
  const served: Who[] = [['shop', '192.0.2.2'], ['shop', '2001:db8::1'], ['shop', undefined], ['office', HERE], ['sho', HERE], ['SHOP', HERE], ['', HERE], [undefined, HERE]]
  for (const who of served) t.strictSame(await attempt(true, ...who), PASSED, who.join(' from '))
  t.strictSame(await fail(1, 'shop', '192.0.2.2'), [FAILED], 'elsewhere the count begins anew')
})

t.test('no id and address can spell another pair', async (t) => {
  const { attempt, fail } = build()
  await fail(5, 'shop1', '92.0.2.1')
  await fail(5, 'a","192.0.2.1', '192.0.2.2')
  await fail(5, 'a/b', HERE)
  for (const id of ['shop', 'a', 'a"', '["a', 'a/b/192.0.2.1']) t.strictSame(await attempt(true, id), PASSED, id)
})

t.test('an address is locked as its /64 is, however it is spelled', async (t) => {
  const { attempt, fail } = build()
  for (const address of ['2001:db8::1', '2001:db8::2', '2001:db8:0:0:ffff::3', '2001:DB8::4', '[2001:db8::5]:99']) t.strictSame(await fail(1, 'shop', address), [FAILED])
  t.strictSame(await attempt(true, 'shop', '2001:db8::6'), locked(600))
  t.strictSame(await attempt(true, 'shop', '2001:db8:0:1::1'), PASSED, 'the /64 beside it')

  await fail(5, 'shop', '::ffff:192.0.2.1')
  t.strictSame(await attempt(true, 'shop', HERE), locked(600))

  await fail(5, 'shop', undefined)
  t.strictSame(await attempt(true, 'shop', 'no address'), locked(600), 'and what is no address is one')
})

t.test('the end is set by the first failure and never moved', async (t) => {
  const { clock, attempt, fail } = build()
  for (let count = 0; count < 5; count++) {
    await fail(1)
    clock.time += 60_000
  }
  t.strictSame(await attempt(true), locked(300))
  for (let minute = 0; minute < 4; minute++) {
    clock.time += 60_000
    t.strictSame(await fail(3), repeat(3, locked(240 - 60 * minute)), 'not by attempts meanwhile either')
  }
  clock.time += 59_500
  t.strictSame(await attempt(true), locked(1), 'half a second is a second')
  clock.time += 499
  t.strictSame(await attempt(true), locked(1))
  clock.time += 1
  t.strictSame(await attempt(true), PASSED, 'it ends on time')
  t.strictSame(await fail(5), repeat(5, FAILED), 'and the next count is a new one')
  t.strictSame(await attempt(true), locked(600))
})

t.test('failures that are older than the window do not count', async (t) => {
  const { clock, attempt, fail } = build()
  await fail(4)
  clock.time += 600_000
  await fail(4)
  t.strictSame(await attempt(true), PASSED)
})

t.test('a success neither counts nor resets', async (t) => {
  const { attempt, fail } = build()
  for (let count = 0; count < 20; count++) t.strictSame(await attempt(true), PASSED)
  await fail(4)
  for (let count = 0; count < 20; count++) t.strictSame(await attempt(true), PASSED)
  await fail(1)
  t.strictSame(await attempt(true), locked(600))
})

t.test('without a readable id only failures are refused', async (t) => {
  const { clock, attempt, fail, told } = build()
  t.strictSame(await fail(5, undefined), repeat(5, FAILED))
  clock.time += 1000
  t.strictSame(await fail(3, undefined), repeat(3, limited(599)))
  t.strictSame(await attempt(true, undefined), PASSED, 'what is right passes')
  t.strictSame(await attempt(true), PASSED, 'and so does a key with an id')
  t.strictSame(await attempt(false, undefined, '192.0.2.2'), FAILED)
  t.strictSame(told, [])
  clock.time += 599_000
  t.strictSame(await attempt(false, undefined), FAILED)

  for (let subnet = 0; subnet < 80; subnet++) t.strictSame(await attempt(false, undefined, `2001:db8:0:${subnet.toString(16)}::1`), FAILED)
  t.strictSame(await attempt(false, undefined, '2001:db8:0:ffff::1'), limited(600), 'a /48 has 16 times as many')
})

t.test('failures alone count: other errors pass as they are', async (t) => {
  const { attempt, lockOver, memory } = build()
  const lock = lockOver(memory)
  for (const error of [new StoreUnavailableError(), new TypeError('x'), Object.assign(new Error('forged'), { code: 'FDT_INVALID_CREDENTIAL' }), 'text', undefined]) {
    for (const id of ['shop', undefined]) {
      for (let count = 0; count < 10; count++) await lock.attempt({ id, address: HERE }, async () => { throw error }).then(() => t.fail('it passed'), (thrown) => t.equal(thrown, error))
    }
  }
  t.strictSame(await attempt(true), PASSED)
})

t.test('an unknown id counts like a known one, and costs the same', async (t) => {
  const { clock, memory, lockOver } = build()
  const { store, fault } = faultyStore(memory)
  const lock = lockOver(store)
  const registry = createApiKeyRegistry({ store, now: () => clock.time })
  const { record: { id } } = await registry.create()
  const revoked = await registry.create()
  await registry.revoke(revoked.record.id)

  const costs = []
  for (const secret of [createSecret('key', id), createSecret('key'), revoked.secret]) {
    const calls = []
    for (let count = 0; count < 8; count++) {
      fault.calls.length = 0
      const result = await outcome(lock.attempt({ id: parseSecret(secret)?.id, address: HERE }, async () => (await authenticateApiKey(registry, secret, { flow: 'session-issuance', now: () => clock.time })).id))
      calls.push([result, ...fault.calls])
    }
    costs.push(calls)
  }
  t.strictSame(costs[0], [
    ...Array.from({ length: 4 }, () => [FAILED, 'get', 'get', 'increment']),
    [FAILED, 'get', 'get', 'increment', 'add'],
    ...Array.from({ length: 3 }, () => [locked(600), 'get'])
  ])
  t.strictSame(costs[1], costs[0])
  t.strictSame(costs[2], costs[0])
})

t.test('an outage is no failure, at any of the calls (T36)', async (t) => {
  for (const broken of ['get', 'increment', 'add'] as const) {
    let isBroken = false
    const { attempt, fail } = build({ store: (store) => new Proxy(store, { get: (target, name) => name === broken && isBroken ? () => { throw new Error('gone') } : Reflect.get(target, name).bind(target) }) })
    await fail(4)
    isBroken = true
    t.strictSame(await fail(1), [{ code: 'FDT_STORE_UNAVAILABLE' }], broken)
    t.strictSame(await attempt(true), broken === 'get' ? { code: 'FDT_STORE_UNAVAILABLE' } : PASSED, broken)
    isBroken = false
    t.strictSame(await attempt(true), PASSED, `${broken} is back, and nothing is locked that was not counted`)
  }
  for (const id of ['shop', undefined]) {
    const { memory, lockOver } = build()
    const { store, fault } = faultyStore(memory)
    fault.error = new Error('gone')
    t.strictSame(await outcome(lockOver(store).attempt({ id, address: HERE }, async () => { throw new InvalidCredentialError() })), { code: 'FDT_STORE_UNAVAILABLE' })
  }
})

t.test('who counted to five may have died over it: the next failure locks', async (t) => {
  let isDead = true
  const { attempt, fail, told } = build({ store: (store) => new Proxy(store, { get: (target, name) => name === 'add' && isDead ? async () => { throw new Error('killed') } : Reflect.get(target, name).bind(target) }) })
  await fail(5)
  t.strictSame(await attempt(true), PASSED)
  isDead = false
  t.strictSame(await attempt(false), locked(600))
  t.strictSame(await attempt(true), locked(600))
  t.equal(told.length, 1)
})

t.test('attempts at the same time are each let to their end, and lock once', async (t) => {
  const { attempt, lockOver, memory, told } = build()
  const lock = lockOver(memory)
  const outcomes = await Promise.all(Array.from({ length: 50 }, () => outcome(lock.attempt({ id: 'shop', address: HERE, onLocked: (id, until) => { told.push({ id, until }) } }, async () => {
    await turn()
    throw new InvalidCredentialError()
  }))))
  t.strictSame([FAILED, locked(600)].map(({ code }) => outcomes.filter((one) => one.code === code).length), [5, 45])
  t.strictSame(told, [{ id: 'shop', until: NOW + 600_000 }])
  t.strictSame(await attempt(true), locked(600))
})

t.test('what a lock knows is in the store alone', async (t) => {
  const { memory, lockOver } = build()
  const outcomes = []
  for (let count = 0; count < 8; count++) outcomes.push((await outcome(lockOver(memory).attempt({ id: 'shop', address: HERE }, async () => { throw new InvalidCredentialError() }))).code)
  t.strictSame(outcomes, [...Array.from({ length: 5 }, () => FAILED.code), ...Array.from({ length: 3 }, () => 'FDT_LOCKED')])
})

t.test('a lock lasts no longer than its window, whatever the clock of the store says', async (t) => {
  const { attempt, clock, fail } = build({ skew: 86_400_000 })
  await fail(5)
  t.strictSame(await attempt(true), locked(600))
  clock.time += 600_000
  t.strictSame(await attempt(true), PASSED)
})

t.test('without a limit nothing is counted', async (t) => {
  const { memory, clock } = build()
  const { store, fault } = faultyStore(memory)
  const lock = createLock({ store, prefix: 'x', now: () => clock.time }, undefined)
  for (let count = 0; count < 10; count++) t.strictSame(await outcome(lock.attempt({ id: 'shop', address: HERE }, async () => { throw new InvalidCredentialError() })), FAILED)
  t.equal(await lock.attempt({ id: 'shop', address: HERE }, async () => 'passed'), 'passed')
  t.strictSame(fault.calls, [])
})
