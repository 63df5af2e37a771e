import t from 'tap'
import { createMemoryStore } from '../../../lib/stores/memory.ts'
import { createRevocations } from '../../../lib/tokens/revocations.ts'

const TTL = 60_000

t.test('no part of a target can spell another', async (t) => {
  const { keys } = createRevocations(createMemoryStore(), 'session/x')
  const all = [
    ...keys({ jti: '1', subject: 'a', credential: 'b', owner: 'c' }),
    ...keys({ jti: '2', subject: 'ab', credential: '', owner: 'subject' }),
    ...keys({ jti: '3', subject: '1:a', credential: '1:b', owner: 'c1:d' }),
    ...keys({ jti: '4', subject: 'b1:a', credential: 'x', owner: 'credential' })
  ]
  t.equal(new Set(all).size, all.length)
})

t.test('of many times the latest stays', async (t) => {
  const revocations = createRevocations(createMemoryStore(), 'session/x')
  const keys = revocations.keys({ jti: '1', subject: 'jane' })
  await Promise.all([5, 3, 9, 1, 7].map((time) => revocations.revokeAll({ subject: 'jane' }, time, TTL)))
  t.equal(await revocations.isRevoked(keys, 9), true)
  t.equal(await revocations.isRevoked(keys, 10), false)
})

t.test('a change that always meets another one is an outage, not a silent loss', async (t) => {
  const store = createMemoryStore()
  const busy = new Proxy(store, { get: (target, name) => name === 'add' ? async () => false : Reflect.get(target, name).bind(target) })
  await t.rejects(createRevocations(busy, 'session/x').revokeAll({ owner: 'acme' }, 1, TTL), { code: 'FDT_STORE_UNAVAILABLE' })
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
  const revocations = createRevocations(spied, 'session/x')
  await revocations.revoke('1', TTL)
  await revocations.revokeAll({ subject: 'jane' }, 1, TTL)
  await revocations.revokeAll({ subject: 'jane' }, 2, TTL)
  t.strictSame(options, Array.from({ length: 3 }, () => ({ ttl: TTL, durable: true })))
})
