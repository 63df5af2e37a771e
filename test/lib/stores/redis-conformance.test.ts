import { Cluster, Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { storeConformance } from '../../../lib/stores/conformance.ts'
import { openRedisStore, type RedisStoreOptions } from '../../../lib/stores/redis.ts'
import { type RedisServer, skipWithoutRedis, startCluster, startRedis, startSentinel } from '../../support/redis-servers.ts'

const STRICT = { autoResendUnfulfilledCommands: false, maxRetriesPerRequest: 0, commandTimeout: 800 } as const

type Source = Omit<RedisStoreOptions, 'prefix'>

async function conform (t: Test, options: Source): Promise<void> {
  const create = () => openRedisStore({ prefix: 'Conformance_1.a-b:', ...options })
  for (const { name, run } of storeConformance(create, { other: create })) await t.test(name, run)
}

const addressOf = ({ host, port }: RedisServer) => ({ host, port })

t.test('one server', { skip: skipWithoutRedis }, async (t) => {
  const server = await startRedis(t)
  await t.test('by its URL', (t) => conform(t, { url: server.url }))

  const client = new Redis({ ...STRICT, ...addressOf(server) })
  t.teardown(() => client.disconnect())
  await t.test('with a client of the host', (t) => conform(t, { client }))
  t.equal(await client.ping(), 'PONG', 'which is open still')
})

t.test('Sentinel', { skip: skipWithoutRedis }, async (t) => {
  const { name, sentinels } = await startSentinel(t)
  const nodes = sentinels.map(addressOf)
  await t.test('by the Sentinels, with replicas waited for', (t) => conform(t, { sentinel: { nodes, name }, commandTimeout: 800, waitForReplicas: { replicas: 1, timeout: 600 } }))
})

t.test('Cluster', { skip: skipWithoutRedis }, async (t) => {
  const { nodes: servers } = await startCluster(t)
  const nodes = servers.slice(0, 2).map(addressOf)
  await t.test('by some nodes', (t) => conform(t, { cluster: { nodes } }))

  const client = new Cluster(nodes, { retryDelayOnFailover: 0, redisOptions: STRICT })
  t.teardown(() => client.disconnect())
  await t.test('with a client of the host, and replicas waited for', (t) => conform(t, { client, waitForReplicas: { replicas: 1, timeout: 600 } }))
  t.equal(await client.ping(), 'PONG', 'which is open still')
})
