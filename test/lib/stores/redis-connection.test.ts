import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { inspect } from 'node:util'
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { openRedisStore, type RedisStoreOptions } from '../../../lib/stores/redis.ts'
import { type TokenStore } from '../../../lib/stores/token-store.ts'
import { until } from '../../support/example-server.ts'
import { quietPort, type RedisServer, skipWithoutRedis, startCluster, startCutter, startRedis, startSentinel } from '../../support/redis-servers.ts'

const STRICT = { autoResendUnfulfilledCommands: false, maxRetriesPerRequest: 0, commandTimeout: 300 } as const
const A = Uint8Array.of(1, 97)
const UNAVAILABLE = { code: 'FDT_STORE_UNAVAILABLE', statusCode: 503 }

const addressOf = ({ host, port }: RedisServer) => ({ host, port })

async function open (t: Test, options: Omit<RedisStoreOptions, 'prefix'>): Promise<{ store: TokenStore, errors: string[] }> {
  const errors: string[] = []
  const store = await openRedisStore({ prefix: 'test:', onError: (error) => { errors.push(inspect(error, { depth: 20 })) }, ...options })
  t.teardown(() => store.close())
  return { store, errors }
}

/** Milliseconds until an operation is refused as an outage. */
async function timeToRefusal (t: Test, operation: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await t.rejects(operation(), UNAVAILABLE)
  return performance.now() - start
}

/** Waits until it works, and returns how many milliseconds that took. */
async function timeToRecovery (store: TokenStore): Promise<number> {
  const start = performance.now()
  await until(() => store.set('recovery', A).then(() => true, () => false))
  return performance.now() - start
}

t.test('connection refused when it opens, then there', { skip: skipWithoutRedis }, async (t) => {
  const port = await quietPort()
  const start = performance.now()
  const { store, errors } = await open(t, { url: `redis://127.0.0.1:${port}` })
  t.ok(performance.now() - start < 1_000, 'it opens at once')
  t.ok(await timeToRefusal(t, () => store.get('a')) < 600)
  t.match(errors, [/ECONNREFUSED/], 'told once')
  await startRedis(t, { port })
  t.ok(await timeToRecovery(store) < 1_500)
})

for (const kind of ['url', 'client'] as const) {
  t.test(`a server that is killed, and one that hangs (${kind})`, { skip: skipWithoutRedis }, async (t) => {
    const server = await startRedis(t)
    const client = new Redis({ ...STRICT, ...addressOf(server), lazyConnect: true, retryStrategy: () => 100 })
    client.on('error', () => {})
    t.teardown(() => client.disconnect())
    const { store, errors } = await open(t, kind === 'url' ? { url: server.url, commandTimeout: 300 } : { client })
    await store.set('a', A)

    await server.kill()
    t.ok(await timeToRefusal(t, () => store.get('a')) < 450)
    await server.restart()
    t.ok(await timeToRecovery(store) < 1_500)
    t.same(await store.get('a'), A)
    t.match(errors[0], /no connection to Redis/i)

    server.stop()
    const times = await Promise.all([1, 2, 3].map(() => timeToRefusal(t, () => store.get('a'))))
    t.ok(Math.max(...times) < 450)
    t.ok(await timeToRefusal(t, () => store.ping()) < 450)
    server.go()
    t.ok(await timeToRecovery(store) < 1_500)
    t.same(await store.get('a'), A)
  })
}

t.test('another primary under Sentinel', { skip: skipWithoutRedis }, async (t) => {
  const setup = await startSentinel(t)
  const sentinels = setup.sentinels.map(addressOf)
  const waitForReplicas = { replicas: 1, timeout: 200 }
  const { store } = await open(t, { sentinel: { nodes: sentinels, name: setup.name }, commandTimeout: 300, waitForReplicas })
  // A replica that has just come, or has no processor, may be slower than that.
  const setDurably = (key: string) => until(() => store.set(key, A, { durable: true }).then(() => true, () => false))
  await setDurably('a')

  await setup.failover()
  await timeToRecovery(store)
  t.same(await store.get('a'), A)
  await setDurably('b')

  const hanging = await setup.primary()
  hanging.stop()
  t.ok(await timeToRefusal(t, () => store.get('a')) < 450)
  await setup.replaced(hanging)
  t.ok(await timeToRecovery(store) < 2_500, 'while the old one hangs still')
  t.same(await store.get('b'), A)
  t.ok(await timeToRefusal(t, () => store.set('c', A, { durable: true })) < 450, 'nobody replicates')
  hanging.go()
  await setup.settled()
  await timeToRecovery(store)
  await setDurably('c')
})

t.test('a Cluster that changes', { skip: skipWithoutRedis }, async (t) => {
  const setup = await startCluster(t)
  const nodes = setup.nodes.map(addressOf)
  const { store } = await open(t, { cluster: { nodes: nodes.slice(0, 3) }, commandTimeout: 300, waitForReplicas: { replicas: 1, timeout: 250 } })
  await store.set('a', A)

  const slot = await setup.slotOf('test:v:a')
  const from = await setup.masterOf(slot)
  const to = (await setup.masters()).find((node) => node !== from) ?? from
  await setup.moveSlot(slot, from, to, async () => {
    t.same(await store.get('a'), A, 'on its way')
    t.equal(await store.replace('a', A, A), true)
    t.equal(await store.replace('a', A, A, { durable: true }), true)
  })
  t.same(await store.get('a'), A, 'moved')

  const dead = await setup.masterOf(slot)
  const isKilled = setup.killMaster(dead)
  await until(() => store.get('a').then(() => false, () => true))
  await t.rejects(store.ping(), UNAVAILABLE, 'all masters have to answer')
  await isKilled
  await timeToRecovery(store)
  await until(() => store.get('a').then(() => true, () => false))
  t.same(await store.get('a'), A)
  await store.ping()
  await dead.restart()

  await Promise.all(setup.nodes.map((node) => node.kill()))
  t.ok(await timeToRefusal(t, () => store.get('a')) < 450)
  for (let round = 0; round < 20; round++) await t.rejects(store.ping(), UNAVAILABLE)
  await Promise.all(setup.nodes.map((node) => node.restart()))
  await setup.settled()
  await until(() => store.get('a').then(() => true, () => false))
  t.same(await store.get('a'), A)
  await until(() => store.ping().then(() => true, () => false))
})

t.test('a Cluster at a URL', { skip: skipWithoutRedis }, async (t) => {
  const { nodes } = await startCluster(t)
  const stores = await Promise.all(nodes.slice(0, 3).map(async ({ url }) => (await open(t, { url })).store))
  const outcomes = await Promise.allSettled(stores.map((store) => store.set('a', A)))
  t.match(outcomes.flatMap((outcome) => outcome.status === 'rejected' ? [outcome.reason] : []), Array(2).fill({ ...UNAVAILABLE, cause: { code: 'MOVED' } }))
})

t.test('what was given up is not sent later', { skip: skipWithoutRedis }, async (t) => {
  const server = await startRedis(t)
  let delay = 0
  const proxy = createServer((client) => {
    const upstream = connect(server.port, server.host)
    client.on('data', (chunk) => { setTimeout(() => upstream.write(chunk), delay) }).on('close', () => upstream.destroy()).on('error', () => {})
    upstream.on('data', (chunk) => client.write(chunk)).on('close', () => client.destroy()).on('error', () => {})
  }).listen(0, server.host)
  await once(proxy, 'listening')
  t.teardown(() => { proxy.close() })
  const { store } = await open(t, { url: `redis://${server.host}:${(proxy.address() as AddressInfo).port}`, commandTimeout: 300 })
  await store.set('a', A)
  delay = 250
  const isBack = once(proxy, 'connection')
  await server.cli('CLIENT', 'KILL', 'TYPE', 'normal')
  await isBack
  t.ok(await timeToRefusal(t, () => store.set('late', A)) < 450, 'looking at the server took too long')
  await until(() => store.get('a').then(() => true, () => false))
  t.equal(await store.get('late'), undefined)
})

t.test('a connection that nobody answers any more, though somebody answers a new one', { skip: skipWithoutRedis }, async (t) => {
  const server = await startRedis(t)
  const connections: Socket[] = []
  // As where an address has moved to another machine: nobody closes what was connected to the one before.
  const proxy = createServer((client) => {
    connections.push(client)
    const upstream = connect(server.port, server.host)
    client.pipe(upstream).on('error', () => {}).on('close', () => client.destroy())
    upstream.pipe(client).on('error', () => {}).on('close', () => upstream.destroy())
  }).listen(0, server.host)
  await once(proxy, 'listening')
  t.teardown(() => { proxy.close() })
  const { store } = await open(t, { url: `redis://${server.host}:${(proxy.address() as AddressInfo).port}` })
  await store.set('a', A)
  for (const connection of connections) connection.unpipe()
  await timeToRefusal(t, () => store.get('a'))
  t.ok(await timeToRecovery(store) < 3000)
  t.equal(connections.length, 2)
})

t.test('a scan does not go on with a server that may be another one', { skip: skipWithoutRedis }, async (t) => {
  const server = await startRedis(t)
  const { store } = await open(t, { url: server.url })
  await Promise.all(Array.from({ length: 1_000 }, (_, index) => store.set(`${index}`, A)))
  const scan = store.scan('')[Symbol.asyncIterator]()
  t.equal((await scan.next()).done, false)
  await server.cli('CLIENT', 'KILL', 'TYPE', 'normal')
  await timeToRecovery(store)
  await t.rejects(async () => { while ((await scan.next()).done !== true); }, UNAVAILABLE)
})

t.test('a connection that breaks before the server was looked at', { skip: skipWithoutRedis }, async (t) => {
  const server = await startRedis(t)
  const cutter = await startCutter(t, server.port)
  const isCut = cutter.cutAfterCommand('CONFIG')
  const { store, errors } = await open(t, { url: `redis://${cutter.host}:${cutter.port}` })
  await isCut
  await timeToRecovery(store)
  t.match(errors, [/no connection/i])
})

t.test('nobody is there, with all that can be set', async (t) => {
  const port = await quietPort()
  const nodes = [{ host: 'localhost', port }]
  const login = { username: 'user', password: 'SECRET' }
  const sentinel = { nodes, name: 'main', ...login, sentinelPassword: 'SECRET', db: 3 }
  for (const options of [{ sentinel, tls: true as const }, { cluster: { nodes, ...login }, tls: {} }]) {
    const { store, errors } = await open(t, { ...options, commandTimeout: 100, waitForReplicas: { replicas: 1 } })
    t.ok(await timeToRefusal(t, () => store.get('a')) < 250)
    t.ok(await timeToRefusal(t, () => store.set('a', A, { durable: true })) < 250)
    t.ok(await timeToRefusal(t, () => store.ping()) < 250)
    t.ok(errors.length > 0)
    t.notMatch(errors.join(), /SECRET/)
    await store.close()
  }
})

t.test('Sentinels that let nobody in', { skip: skipWithoutRedis }, async (t) => {
  const server = await startRedis(t, { args: ['--requirepass', 'SECRET'] })
  await t.rejects(open(t, { sentinel: { nodes: [addressOf(server)], name: 'main', sentinelPassword: 'wrong' } }), { code: 'FDT_INVALID_OPTION', message: /"sentinel".*WRONGPASS/ })
})
