/** A fault with traffic running, and what has to hold all the while and behind it. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Test } from 'tap'
import { until } from './example-server.ts'
import { openClients } from './fault-clients.ts'
import { counterOf, type FaultHosts, PREFIX } from './fault-hosts.ts'
import { PEPPER } from './opaque-host.ts'
import { type RedisServer } from './redis-servers.ts'
import { startTraffic, type Traffic } from './traffic.ts'

/** Milliseconds of traffic after a fault that nobody waits for. */
const AFTERMATH = 300

export interface FaultTest {
  /** Milliseconds in which all good tokens are good again everywhere. */
  within: number
  /** Resolves when nothing is wrong with Redis any more. `recover` waits until all works, where that is to be so earlier. */
  fault: (traffic: Traffic, recover: () => Promise<void>) => Promise<void>
  /** As of {@link openClients}. */
  doesKeep?: boolean
}

/** @returns The traffic, which has ended. */
export async function underTraffic (t: Test, { hosts, written }: FaultHosts, apiKey: string, { within, fault, doesKeep = true }: FaultTest): Promise<Traffic> {
  const printed = t.capture(process.stderr, 'write')
  const clients = openClients(hosts, apiKey, doesKeep)
  t.teardown(() => clients.close())
  const traffic = await startTraffic(clients, hosts.length)
  t.teardown(() => traffic.stop())
  await traffic.recovery()
  await until(() => traffic.held.length > 20)

  const recover = async () => {
    const time = await traffic.recovery()
    t.ok(time < within, `all works again within ${within} ms, not ${Math.round(time)}`)
  }
  await fault(traffic, recover)
  await recover()
  await sleep(AFTERMATH)
  await traffic.end()

  t.strictSame(traffic.faults.slice(0, 5), [], `of ${JSON.stringify(traffic.counts)}`)
  t.strictSame(printed().map(({ args }) => args[0]), [], 'nothing is printed')
  const text = written()
  const secrets = [apiKey, 'confidential-file', String(PEPPER.key), ...traffic.held.map(({ token }) => token.slice(-40))]
  t.strictSame(secrets.filter((secret) => text.includes(secret)), [], 'nothing confidential is logged')
  return traffic
}

/** No command runs twice: no use was counted that nobody asked for, and none that was answered is missing. Every counter ends by itself. */
export async function checkCounters (t: Test, redis: RedisServer, { held }: Traffic): Promise<void> {
  const limited = held.filter(({ maxUses }) => maxUses < Infinity)
  const counts = (await redis.cli('MGET', ...limited.map(({ accessor }) => counterOf(accessor)))).split('\n').map(Number)
  const wrong = limited.filter(({ tries, doubtful }, index) => !(Number(counts[index]) <= tries && Number(counts[index]) >= tries - doubtful))
  t.strictSame(wrong, [])
  t.equal(await redis.cli('EVAL', `local endless = 0
    for _, key in ipairs(redis.call('KEYS', ARGV[1])) do if redis.call('PTTL', key) < 0 then endless = endless + 1 end end
    return endless`, '0', `${PREFIX}c:*`), '0')
}

/** What is issued from now on may be lost by a failover. Resolves when the replicas have what was issued before. */
export async function doubtNew (traffic: Traffic, primaries: RedisServer[], replicas: RedisServer[]): Promise<void> {
  await traffic.doubtNew()
  const offsets = await Promise.all(primaries.map((primary) => offsetOf(primary, 'master_repl_offset')))
  await until(async () => {
    const reached = await Promise.all(replicas.map((replica) => offsetOf(replica, 'slave_repl_offset')))
    return reached.every((offset, index) => offset >= Number(offsets[index]))
  })
}

async function offsetOf (server: RedisServer, name: string): Promise<number> {
  return Number(new RegExp(`${name}:(\\d+)`).exec(await server.cli('INFO', 'replication'))?.[1])
}
