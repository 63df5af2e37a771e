/** A primary and its replica under three Sentinels. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Test } from 'tap'
import { FOLLOWED, type RedisServer, startServer, untilSo } from './redis-server.ts'

const NAME = 'main'

/** Milliseconds. A failover that got no majority is tried again after twice its time-out. */
const [DOWN_AFTER, FAILOVER_TIMEOUT] = [500, 1_500]

/**
 * Milliseconds: all that Sentinel does every second, two or ten. In a failover it asks a replica for its state every second,
 * whatever is set here. So these have to be more: five times `ping-period`, for which that state is good for a promotion, and
 * four times `publish-period`, for which what claims to be a primary may do so before the others make a replica of it again.
 */
const PERIODS = ['publish-period', '500', 'info-period', '100', 'ping-period', '400', 'ask-period', '100']

/** Milliseconds: not half a minute of doing nothing after two seconds without a processor, as tests can have. */
const TILT = ['tilt-trigger', '10000', 'tilt-period', '500']

export interface SentinelSetup {
  /** What the Sentinels call the primary. */
  name: string
  /** Two of three decide. One that is restarted has forgotten the short periods, and is slow. */
  sentinels: RedisServer[]
  /** Who answers to the Sentinels as the primary: all of those that run are of one mind. */
  primary (): Promise<RedisServer>
  /** The other one, whatever it does at the moment. */
  replica (): Promise<RedisServer>
  /** As an operator asks for it. The old primary is not told at once: it takes writes that are lost until Sentinel makes a replica of it. Resolves when that is in sync. */
  failover (): Promise<void>
  /** As SIGKILL, and waits until the other one is the primary. */
  killPrimary (): Promise<void>
  /** Restarts the one that was killed or stopped, and waits until it is a replica in sync. */
  restartOld (): Promise<void>
  /** Waits until another one than this is the primary. */
  replaced (server: RedisServer): Promise<void>
  /** Waits until the Sentinels are of one mind, find nobody down, and the replica is in sync. */
  settled (): Promise<void>
}

/** Starts them, and waits until they are settled. They are gone when the test is over. */
export async function startSentinel (t: Test): Promise<SentinelSetup> {
  const [first, second] = await Promise.all([startServer(t, () => FOLLOWED), startServer(t, () => FOLLOWED)])
  await second.cli('REPLICAOF', first.host, String(first.port))
  await untilSo(async () => (await infoOf(second)).includes('master_link_status:up'))
  const sentinels = await Promise.all([1, 2, 3].map(() => startServer(t, (folder) => [writeConfiguration(folder, first), '--sentinel'])))
  await Promise.all(sentinels.map((sentinel) => sentinel.cli('SENTINEL', 'DEBUG', ...PERIODS, ...TILT)))

  const other = (server: RedisServer): RedisServer => server === first ? second : first
  const findPrimary = async (): Promise<RedisServer | undefined> => {
    const answers = await Promise.all(sentinels.filter(({ isRunning }) => isRunning).map((sentinel) => sentinel.cli('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', NAME)))
    const found = [first, second].find((server) => answers.every((answer) => answer === `${server.host}\n${server.port}`))
    return found !== undefined && found.isRunning && (await infoOf(found)).includes('role:master') ? found : undefined
  }
  const primary = (): Promise<RedisServer> => untilSo(findPrimary)
  const isSettled = async (): Promise<boolean> => {
    const found = await findPrimary()
    if (found === undefined) return false
    const replica = await infoOf(other(found))
    if (!replica.includes('role:slave') || !replica.includes(`master_port:${found.port}\r\nmaster_link_status:up`)) return false
    const views = await Promise.all(sentinels.filter(({ isRunning }) => isRunning).map(viewOf))
    return views.every(({ ofPrimary, ofReplica }) => ofPrimary['flags'] === 'master' && ofPrimary['num-other-sentinels'] === '2' &&
      ofReplica['flags'] === 'slave' && ofReplica['master-link-status'] === 'ok' && ofReplica['master-port'] === String(found.port))
  }
  const settled = async () => { await untilSo(isSettled) }
  const replaced = async (server: RedisServer) => { await untilSo(async () => await findPrimary() === other(server)) }

  await settled()
  return {
    name: NAME,
    sentinels,
    primary,
    replica: async () => other(await primary()),
    failover: async () => {
      const old = await primary()
      const ended = new AbortController()
      const done = replaced(old).finally(() => { ended.abort() })
      // They may give up: then they are asked again. While one is under way they refuse another.
      while (!ended.signal.aborted) {
        await sentinels[0]?.cli('SENTINEL', 'FAILOVER', NAME).catch(() => {})
        await Promise.race([done, sleep(4_000)])
      }
      await done
      await settled()
    },
    killPrimary: async () => {
      const old = await primary()
      await old.kill()
      await replaced(old)
    },
    restartOld: async () => {
      for (const server of [first, second]) if (!server.isRunning) await server.restart()
      await settled()
    },
    replaced,
    settled
  }
}

function writeConfiguration (folder: string, { host, port }: RedisServer): string {
  const file = join(folder, 'sentinel.conf')
  writeFileSync(file, [
    `sentinel monitor ${NAME} ${host} ${port} 2`,
    `sentinel down-after-milliseconds ${NAME} ${DOWN_AFTER}`,
    `sentinel failover-timeout ${NAME} ${FAILOVER_TIMEOUT}`
  ].join('\n'))
  return file
}

function infoOf (server: RedisServer): Promise<string> {
  return server.cli('INFO', 'replication')
}

/** What a Sentinel thinks of the two. */
async function viewOf (sentinel: RedisServer): Promise<{ ofPrimary: Record<string, string>, ofReplica: Record<string, string> }> {
  const [ofPrimary, ofReplica] = await Promise.all(['MASTER', 'REPLICAS'].map(async (what) => toRecord(await sentinel.cli('SENTINEL', what, NAME))))
  return { ofPrimary: ofPrimary ?? {}, ofReplica: ofReplica ?? {} }
}

/** Names and values, a line each. */
function toRecord (lines: string): Record<string, string> {
  return Object.fromEntries(Array.from(lines.matchAll(/(.*)\n(.*)(?:\n|$)/g), ([, name = '', value = '']) => [name, value]))
}
