/** One Redis that fails while two hosts use it. */
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { createMemoryStore } from '../../lib/stores/memory.ts'
import { createOpaqueTokens } from '../../plugins/opaque-tokens/index.ts'
import { until } from '../support/example-server.ts'
import { startHosts } from '../support/fault-hosts.ts'
import { PEPPER } from '../support/opaque-host.ts'
import { quietPort, skipWithoutRedis, startRedis } from '../support/redis-servers.ts'
import { checkCounters, underTraffic } from '../support/under-traffic.ts'

/** Milliseconds until all works again, on a machine that does other things too. */
const WITHIN = 5_000

t.test('killed and started again, twice', { skip: skipWithoutRedis }, async (t) => {
  const redis = await startRedis(t)
  const hosts = await startHosts(t, [{ url: redis.url }, { url: redis.url }])
  const traffic = await underTraffic(t, hosts, await hosts.newKey(), {
    within: WITHIN,
    fault: async (_traffic, recover) => {
      for (const pause of [700, 0]) {
        await redis.kill()
        await sleep(pause)
        await redis.restart()
        await recover()
      }
    }
  })
  t.ok(Number(traffic.counts[503]) > 10)
  await checkCounters(t, redis, traffic)
})

t.test('stopped for five seconds', { skip: skipWithoutRedis }, async (t) => {
  const redis = await startRedis(t)
  const hosts = await startHosts(t, [{ url: redis.url }, { url: redis.url }])
  const traffic = await underTraffic(t, hosts, await hosts.newKey(), {
    within: WITHIN,
    fault: async () => {
      redis.stop()
      await sleep(5_000)
      redis.go()
    }
  })
  t.ok(Number(traffic.counts[503]) > 50)
  // What was sent before may have run when it went on.
  await checkCounters(t, redis, traffic)
})

t.test('not there when the hosts start', { skip: skipWithoutRedis }, async (t) => {
  const port = await quietPort()
  const url = `redis://127.0.0.1:${port}`
  const { hosts, ...rest } = await startHosts(t, [{ url }, { url }])
  const { token } = await createOpaqueTokens({ store: createMemoryStore(), pepper: PEPPER }).issue({ parameters: { file: 'a' }, auth: 'acme' })
  for (const host of hosts) {
    const { status, headers } = await fetch(new URL('/verify', host.url), { headers: { 'x-api-token': token } })
    t.strictSame([status, headers.get('retry-after')], [503, '1'])
  }
  const redis = await startRedis(t, { port })
  await underTraffic(t, { hosts, ...rest }, await rest.newKey(), {
    within: WITHIN,
    fault: async () => {}
  })
  t.equal(redis.port, port)
})

t.test('made a replica, and nobody tells', { skip: skipWithoutRedis }, async (t) => {
  const [redis, other] = await Promise.all([startRedis(t), startRedis(t)])
  const hosts = await startHosts(t, [{ url: redis.url }, { url: redis.url }])
  await underTraffic(t, hosts, await hosts.newKey(), {
    within: WITHIN,
    fault: async (traffic) => {
      // One that follows nobody it can reach keeps all it has, and would go on telling it.
      await redis.cli('REPLICAOF', other.host, String(await quietPort()))
      await until(() => Number(traffic.counts[503]) > 0)
      await sleep(100)
      const [first] = traffic.lasting
      if (first !== undefined) for (const host of [0, 1]) t.equal((await traffic.verify(host, first)).status, 503, 'what it knows may be out of date')
      await redis.cli('REPLICAOF', 'NO', 'ONE')
    }
  })
})
