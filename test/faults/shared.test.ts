/** What two hosts have in common because they share a Redis, also when it was gone for a while. */
import t, { type Test } from 'tap'
import { createSecret, parseSecret } from '../../lib/credentials/secret.ts'
import { openStoredKeyRing, type StoredKeyRing } from '../../lib/keys/index.ts'
import { until } from '../support/example-server.ts'
import { type FaultHostsOptions, startHosts } from '../support/fault-hosts.ts'
import { PEPPER } from '../support/opaque-host.ts'
import { skipWithoutRedis, startRedis } from '../support/redis-servers.ts'
import { underTraffic } from '../support/under-traffic.ts'

async function setUp (t: Test, options: FaultHostsOptions) {
  const redis = await startRedis(t)
  const { hosts, newKey } = await startHosts(t, [{ url: redis.url }, { url: redis.url }], options)
  const apiKey = await newKey()
  /** The statuses of requests to the hosts in turn. */
  const ask = async (count: number, key = apiKey): Promise<number[]> => {
    const statuses: number[] = []
    for (let index = 0; index < count; index++) {
      const { status } = await fetch(new URL('/generate', hosts[index % hosts.length]?.url), { method: 'POST', body: '{"file":"a"}', headers: { 'content-type': 'application/json', 'x-api-key': key } })
      statuses.push(status)
    }
    return statuses
  }
  /** Kills Redis, starts it again, and waits until both hosts have found it. */
  const restart = async () => {
    await redis.kill()
    await redis.restart()
    for (const { store } of hosts) await until(() => store.ping().then(() => true, () => false))
  }
  return { apiKey, ask, restart }
}

const of = (status: number, count: number): number[] => Array.from({ length: count }, () => status)

for (const name of ['address', 'credential'] as const) {
  t.test(`so many requests are allowed in all, not at each host (${name})`, { skip: skipWithoutRedis }, async (t) => {
    const { ask, restart } = await setUp(t, { limits: { address: false, credential: false, failures: false, [name]: { max: 10, timeWindow: 60_000 } } })
    t.strictSame(await ask(6), of(200, 6))
    await restart()
    t.strictSame(await ask(8), [...of(200, 4), ...of(429, 4)], 'what was counted before the restart counts')
    await restart()
    t.strictSame(await ask(2), of(429, 2))
  })
}

t.test('a lock holds everywhere', { skip: skipWithoutRedis }, async (t) => {
  const { apiKey, ask, restart } = await setUp(t, { limits: { address: false, credential: false, failures: { max: 5, timeWindow: 60_000 } } })
  const wrong = createSecret('key', parseSecret(apiKey)?.id)
  t.strictSame(await ask(3, wrong), of(403, 3))
  await restart()
  t.strictSame(await ask(3, wrong), [403, 403, 429], 'five failures, wherever they were')
  t.strictSame(await ask(2), of(429, 2), 'the right secret too')
  await restart()
  t.strictSame(await ask(2), of(429, 2))
})

t.test('signing keys', { skip: skipWithoutRedis }, async (t) => {
  const redis = await startRedis(t)
  const rings: StoredKeyRing[] = []
  const errors: unknown[] = []
  const hosts = await startHosts(t, [{ url: redis.url }, { url: redis.url }], {
    keyRing: async (store) => {
      const ring = await openStoredKeyRing({ store, name: 'sessions', keyEncryptionKeys: [{ id: '1', key: PEPPER.key }], pollInterval: 100, onError: (error) => { errors.push(error) } })
      t.teardown(() => ring.close())
      rings.push(ring)
      return ring
    }
  })
  const known = () => rings.map((ring) => [ring.signing().kid, ...ring.list().map(({ kid }) => kid)])
  const before = known()
  t.strictSame(before[0], before[1], 'processes that start together agree')

  await underTraffic(t, hosts, await hosts.newKey(), {
    within: 5_000,
    fault: async () => {
      await redis.kill()
      await until(() => errors.length === rings.length)
      await Promise.all(rings.map((ring) => ring.refresh()))
      t.strictSame(known(), before, 'an outage ends no key')
      await redis.restart()
    }
  })
  t.strictSame(known(), before)
  t.match(errors, [{ code: 'FDT_STORE_UNAVAILABLE' }, { code: 'FDT_STORE_UNAVAILABLE' }], 'each is told once')
})
