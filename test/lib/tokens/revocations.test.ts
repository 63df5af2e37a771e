import t from 'tap'
import { createMemoryStore } from '../../../lib/stores/memory.ts'
import { type TokenStore } from '../../../lib/stores/token-store.ts'
import { createRevocations, type RevocationsOptions } from '../../../lib/tokens/revocations.ts'
import { faultyStore } from '../../support/faulty-store.ts'

const NOW = 1_800_000_000_000
const HOUR = 3_600_000

const revocationsOn = (store: TokenStore, more: Partial<RevocationsOptions> = {}) => createRevocations({ store, prefix: 'session/x', maxLifetime: HOUR, now: () => NOW, ...more })

t.test('no part of a target can spell another', async (t) => {
  const { keys } = revocationsOn(createMemoryStore())
  const all = [
    ...keys({ jti: '1', subject: 'a', credential: 'b', owner: 'c' }),
    ...keys({ jti: '2', subject: 'ab', credential: '', owner: 'subject' }),
    ...keys({ jti: '3', subject: '1:a', credential: '1:b', owner: 'c1:d' }),
    ...keys({ jti: '4', subject: 'b1:a', credential: 'x', owner: 'credential' })
  ]
  t.equal(new Set(all).size, all.length)
})

t.test('of many times the latest stays', async (t) => {
  const revocations = revocationsOn(createMemoryStore())
  const keys = revocations.keys({ jti: '1', subject: 'jane' })
  await Promise.all([5, 3, 9, 1, 7].map((time) => revocations.revokeAll({ subject: 'jane' }, NOW + time)))
  t.equal(await revocations.isRevoked(keys, NOW + 9), true)
  t.equal(await revocations.isRevoked(keys, NOW + 10), false)
})

t.test('a change that always meets another one is an outage, not a silent loss', async (t) => {
  const store = createMemoryStore()
  const busy = new Proxy(store, { get: (target, name) => name === 'add' ? async () => false : Reflect.get(target, name).bind(target) })
  await t.rejects(revocationsOn(busy).revokeAll({ owner: 'acme' }, NOW), { code: 'FDT_STORE_UNAVAILABLE' })
})

t.test('every entry waits for the disk', async (t) => {
  const options: unknown[] = []
  const store = createMemoryStore()
  const spied = new Proxy(store, {
    get: (target, name) => (...args: unknown[]) => {
      if (['set', 'add', 'replace'].includes(String(name))) options.push(args.at(-1))
      return Reflect.apply(Reflect.get(target, name), target, args)
    }
  })
  const revocations = revocationsOn(spied)
  await revocations.announceLifetime()
  await revocations.revoke('1', NOW + 60_000)
  await revocations.revokeAll({ subject: 'jane' }, NOW - 1000)
  await revocations.revokeAll({ subject: 'jane' }, NOW)
  t.strictSame(options, [
    { durable: true },
    { ttl: 121_000, durable: true },
    { ttl: HOUR + 60_000, durable: true },
    { ttl: HOUR + 61_000, durable: true }
  ])
})

t.test('an entry outlives the tokens of a process that lets them live longer', async (t) => {
  const clock = { time: NOW }
  const store = createMemoryStore({ now: () => clock.time })
  const [long, short] = [24 * HOUR, HOUR].map((maxLifetime) => revocationsOn(store, { maxLifetime, now: () => clock.time }))
  await short?.announceLifetime()
  await long?.announceLifetime()
  await short?.announceLifetime()
  await short?.revokeAll({ subject: 'jane' }, NOW)
  clock.time = NOW + 24 * HOUR + 60_000
  t.equal(await long?.isRevoked(long.keys({ jti: '1', subject: 'jane' }), NOW), true)
  clock.time += 1000
  t.equal(await long?.isRevoked(long.keys({ jti: '1', subject: 'jane' }), NOW), false, 'and no longer than that')
})

t.test('a lifetime that could not be announced is announced the next time', async (t) => {
  const { store, fault } = faultyStore(createMemoryStore({ now: () => NOW }))
  const revocations = revocationsOn(store)
  fault.error = new Error('down')
  await t.rejects(revocations.announceLifetime(), { code: 'FDT_STORE_UNAVAILABLE' })
  fault.error = undefined
  await revocations.announceLifetime()
  fault.calls.length = 0
  await revocations.announceLifetime()
  t.strictSame(fault.calls, [], 'once is enough')
})
