/** A primary that is replaced by its replica while two hosts use it. */
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { until } from '../support/example-server.ts'
import { type Source, startHosts } from '../support/fault-hosts.ts'
import { quietPort, skipWithoutRedis, startSentinel, type SentinelSetup } from '../support/redis-servers.ts'
import { type Traffic } from '../support/traffic.ts'
import { doubtNew, underTraffic } from '../support/under-traffic.ts'

/** Milliseconds: what the Sentinels need is over by then. */
const WITHIN = 3_000

/** Milliseconds after which a failover that has not happened does not happen. */
const GIVEN_UP = 4_000

/** Milliseconds until a host has heard what the Sentinels have agreed on. */
const NEWS = 300

/** As an operator does, who asks again when the Sentinels have given it up. Resolves when they are of one mind. */
async function replace ({ name, primary, sentinels, replaced }: SentinelSetup): Promise<void> {
  const ended = new AbortController()
  const done = replaced(await primary()).finally(() => { ended.abort() })
  while (!ended.signal.aborted) {
    await sentinels[0]?.cli('SENTINEL', 'FAILOVER', name).catch(() => {}) // one is under way
    await Promise.race([done, sleep(GIVEN_UP)])
  }
  await done
}

interface Fault {
  name: string
  /** Durable writes wait for the replica, so that a failover loses none. */
  doesWait: boolean
  fault: (setup: SentinelSetup, traffic: Traffic, recover: () => Promise<void>, t: Test) => Promise<void>
}

const faults: readonly Fault[] = [
  {
    name: 'a failover that an operator asks for',
    doesWait: true,
    fault: async (setup, _traffic, recover) => {
      await replace(setup)
      await recover()
      await setup.settled()
    }
  },
  {
    name: 'a failover that an operator asks for, which nobody tells the old primary of at once',
    doesWait: false,
    fault: async (setup, traffic, recover) => {
      await replace(setup)
      await recover()
      await sleep(NEWS)
      traffic.trustNew()
      await setup.settled()
    }
  },
  {
    name: 'the primary is killed, and its replica has not got the last of it',
    doesWait: true,
    fault: async ({ replica, killPrimary, restartOld }, traffic, recover, t) => {
      const revoked = await until(() => traffic.issue(0))
      const used = await until(() => traffic.issue(0, { query: '?max_uses=1' }))
      // It follows nobody, until a Sentinel mends that.
      const follower = await replica()
      await follower.cli('REPLICAOF', follower.host, String(await quietPort()))
      const replies = await Promise.all([traffic.revoke(0, revoked), traffic.verify(1, used)])
      t.strictSame(replies.map(({ status }) => status), [503, 503], 'what no replica has is not acknowledged')
      await killPrimary()
      await recover()
      await restartOld()
    }
  },
  {
    name: 'the primary hangs, and goes on without knowing that it is none any more',
    doesWait: false,
    fault: async ({ primary, replaced, settled }, traffic, recover) => {
      const old = await primary()
      old.stop()
      await replaced(old)
      await recover()
      traffic.trustNew()
      old.go()
      await settled()
    }
  }
]

t.test('Sentinel', { skip: skipWithoutRedis }, async (t) => {
  const setup = await startSentinel(t)
  const source: Source = { sentinel: { nodes: setup.sentinels.map(({ host, port }) => ({ host, port })), name: setup.name } }
  const waiting: Source = { ...source, waitForReplicas: { replicas: 1 } }
  const [hosts, waitingHosts] = await Promise.all([startHosts(t, [source, source]), startHosts(t, [waiting, waiting])])
  const apiKey = await hosts.newKey()

  for (const { name, doesWait, fault } of faults) {
    await t.test(name, async (t) => {
      await underTraffic(t, doesWait ? waitingHosts : hosts, apiKey, {
        within: WITHIN,
        doesKeep: doesWait,
        fault: async (traffic, recover) => {
          await doubtNew(traffic, [await setup.primary()], [await setup.replica()])
          await fault(setup, traffic, recover, t)
          traffic.trustNew()
        }
      })
    })
  }
})
