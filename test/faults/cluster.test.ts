/** A Cluster that changes while two hosts use it. */
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { until } from '../support/example-server.ts'
import { type Clients, type Held, openClients } from '../support/fault-clients.ts'
import { PREFIX, startHosts } from '../support/fault-hosts.ts'
import { type RedisCluster, type RedisServer, skipWithoutRedis, startCluster } from '../support/redis-servers.ts'
import { doubtNew, underTraffic } from '../support/under-traffic.ts'

/** Milliseconds: what the Cluster needs is over by then. */
const WITHIN = 3_000

/** A good token that nobody uses but the test, and where it is. */
interface Place {
  held: Held
  slot: number
  master: RedisServer
}

interface Scene {
  t: Test
  setup: RedisCluster
  /** Not those of the traffic: what nobody has asked for, the hosts do not know. */
  own: Clients
  place: Place
  /** Another master has it. */
  other: Place
  recover: () => Promise<void>
}

async function issue (own: Clients, setup: RedisCluster): Promise<Place> {
  const held = await until(() => own.issue(0))
  const slot = await setup.slotOf(`${PREFIX}v:opaque/default/${held.accessor}`)
  return { held, slot, master: await setup.masterOf(slot) }
}

const faults: ReadonlyArray<{ name: string, fault: (scene: Scene) => Promise<void> }> = [
  {
    name: 'a slot is moved',
    fault: async ({ t, setup, own, place: { held, slot, master }, other }) => {
      const verify = async (message: string) => {
        for (const host of [0, 1]) t.equal((await own.verify(host, held)).status, 200, message)
      }
      await setup.moveSlot(slot, master, other.master, () => verify('on its way'))
      await verify('moved')
    }
  },
  {
    name: 'a failover that an operator asks for',
    fault: async ({ setup, place }) => { await setup.failover(place.master) }
  },
  {
    name: 'a master is killed',
    fault: async ({ t, setup, own, place, other, recover }) => {
      const ended = new AbortController()
      const killed = setup.killMaster(place.master).finally(() => { ended.abort() })
      const statuses: number[] = []
      while (!ended.signal.aborted) {
        for (const host of [0, 1]) statuses.push((await own.verify(host, other.held)).status)
        await sleep(20)
      }
      const good = statuses.filter((status) => status === 200)
      t.ok(good.length > 20 && good.length > 0.9 * statuses.length, `the others go on serving: ${good.length} of ${statuses.length}`)
      await killed
      await recover()
      await place.master.restart()
      await setup.settled()
    }
  }
]

t.test('Cluster', { skip: skipWithoutRedis }, async (t) => {
  const setup = await startCluster(t)
  await Promise.all(setup.nodes.map((node) => node.cli('CONFIG', 'SET', 'cluster-require-full-coverage', 'no')))
  const source = { cluster: { nodes: setup.nodes.slice(0, 3).map(({ host, port }) => ({ host, port })) }, waitForReplicas: { replicas: 1 } }
  const hosts = await startHosts(t, [source, source])
  const apiKey = await hosts.newKey()

  for (const { name, fault } of faults) {
    await t.test(name, async (t) => {
      const own = openClients(hosts.hosts, apiKey)
      t.teardown(() => own.close())
      const place = await issue(own, setup)
      let other = await issue(own, setup)
      while (other.master === place.master) other = await issue(own, setup)

      await underTraffic(t, hosts, apiKey, {
        within: WITHIN,
        fault: async (traffic, recover) => {
          const masters = await setup.masters()
          await doubtNew(traffic, masters, (await Promise.all(masters.map(setup.replicasOf))).flat())
          await fault({ t, setup, own, place, other, recover })
          traffic.trustNew()
        }
      })
      t.strictSame(own.faults, [])
    })
  }
})
