/** Connections that are cut when Redis has run a command and nobody knows. */
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { until } from '../support/example-server.ts'
import { type Clients, type Held, openClients } from '../support/fault-clients.ts'
import { counterOf, type FaultHosts, startHosts } from '../support/fault-hosts.ts'
import { type Cutter, type RedisServer, skipWithoutRedis, startCutter, startRedis } from '../support/redis-servers.ts'
import { checkCounters, underTraffic } from '../support/under-traffic.ts'

/** Milliseconds in which a command comes that is waited for. */
const PATIENCE = 10_000

interface Setup extends FaultHosts {
  redis: RedisServer
  cutter: Cutter
  apiKey: string
}

/** The connections of the first host go through the cutter, those of the second one do not. */
async function setUp (t: Test): Promise<Setup> {
  const redis = await startRedis(t)
  const cutter = await startCutter(t, redis.port)
  const hosts = await startHosts(t, [{ url: `redis://${cutter.host}:${cutter.port}` }, { url: redis.url }])
  return { ...hosts, redis, cutter, apiKey: await hosts.newKey() }
}

/** How often Redis has run a command since the last CONFIG RESETSTAT. */
async function callsOf (redis: RedisServer, command: string): Promise<number> {
  return Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(await redis.cli('INFO', 'commandstats'))?.[1] ?? 0)
}

/** Cuts the connection behind the next command of this name, and waits for that. */
async function cutAfter ({ cutter }: Setup, name: string): Promise<void> {
  const isCut = await Promise.race([cutter.cutAfterCommand(name).then(() => true), sleep(PATIENCE, false, { ref: false })])
  if (!isCut) throw new Error(`nobody has sent ${name}`)
}

/** The host that was cut off has another connection. */
async function recover ({ hosts }: Setup): Promise<void> {
  await until(() => hosts[0]?.store.ping().then(() => true, () => false))
}

/** Each starts with a token and nothing under way, and runs when the next command of this name is the last of its connection. */
const lost: ReadonlyArray<{ name: string, query: string, last: string, run: (t: Test, setup: Setup, clients: Clients, held: Held) => Promise<void> }> = [
  {
    name: 'a verification',
    query: '?max_uses=1',
    last: 'EVALSHA',
    run: async (t, setup, clients, held) => {
      t.equal((await clients.verify(0, held)).status, 503)
      t.equal((await clients.verify(1, held)).status, 403, 'it is spent')
      await recover(setup)
      t.equal((await clients.verify(0, held)).status, 403)
      t.equal(await setup.redis.cli('GET', counterOf(held.accessor)), '3')
    }
  },
  {
    name: 'verifications that race',
    query: '?max_uses=1',
    last: 'EVALSHA',
    run: async (t, setup, clients, held) => {
      const replies = await Promise.all([0, 1, 0, 1, 0].map((host) => clients.verify(host, held)))
      t.ok(replies.filter(({ status }) => status === 200).length <= 1)
      t.ok(replies.some(({ status }) => status === 503))
      await recover(setup)
      t.strictSame([(await clients.verify(0, held)).status, (await clients.verify(1, held)).status], [403, 403])
      t.ok(Number(await setup.redis.cli('GET', counterOf(held.accessor))) <= 7)
    }
  },
  {
    name: 'a revocation',
    query: '',
    last: 'DEL',
    run: async (t, setup, clients, held) => {
      t.equal((await clients.revoke(0, held)).status, 503)
      t.equal((await clients.verify(1, held)).status, 403, 'it holds')
      await recover(setup)
      t.equal((await clients.verify(0, held)).status, 403)
      t.equal(await callsOf(setup.redis, 'del'), 1)
    }
  },
  {
    name: 'an issue',
    query: '',
    last: 'SET',
    run: async (t, setup, clients) => {
      const before = Number(await setup.redis.cli('DBSIZE'))
      t.equal(await clients.issue(0), undefined, 'there is no token, and none in the answer')
      await recover(setup)
      t.equal(Number(await setup.redis.cli('DBSIZE')), before + 1, 'a record is there that nobody has a token for')
      t.equal(await callsOf(setup.redis, 'set'), 1)
    }
  }
]

t.test('an answer that is lost', { skip: skipWithoutRedis }, async (t) => {
  const setup = await setUp(t)
  const clients = openClients(setup.hosts, setup.apiKey)
  t.teardown(() => clients.close())
  // Redis knows all scripts then.
  for (const host of [0, 1]) {
    const token = await until(() => clients.issue(host, { query: '?max_uses=1' }))
    await clients.verify(host, token)
  }

  for (const { name, query, last, run } of lost) {
    await t.test(name, async (t) => {
      const token = await until(() => clients.issue(1, { query }))
      await setup.redis.cli('CONFIG', 'RESETSTAT')
      const cut = cutAfter(setup, last)
      await run(t, setup, clients, token)
      await cut
      t.strictSame(clients.faults, [])
    })
  }
})

t.test('answers that are lost again and again', { skip: skipWithoutRedis }, async (t) => {
  const setup = await setUp(t)
  const traffic = await underTraffic(t, setup, setup.apiKey, {
    within: 5_000,
    fault: async (_traffic, recover) => {
      for (const name of ['EVALSHA', 'DEL', 'EVALSHA', 'SET', 'EVALSHA', 'GET', 'DEL', 'EVALSHA']) {
        await cutAfter(setup, name)
        await recover()
      }
      setup.cutter.refuse()
      setup.cutter.cut()
      await sleep(500)
      await setup.cutter.accept()
    }
  })
  t.ok(Number(traffic.counts[503]) > 8)
  await checkCounters(t, setup.redis, traffic)
})
