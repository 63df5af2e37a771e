import type { Cluster, Redis, RedisOptions } from 'ioredis'
import { type RedisClient } from './client.ts'
import { type RedisSource } from './options.ts'
import { type RedisHost, type RedisSentinelOptions, type RedisTlsOptions } from '../redis.ts'

/** @internal What is used of the module. */
export interface IoRedis {
  Redis: typeof Redis
  Cluster: typeof Cluster
}

/** Milliseconds. A connection that cannot be made is given up, and one that nobody closes at the other end too. */
const [CONNECT_TIMEOUT, DISCONNECT_TIMEOUT] = [1_000, 100]
const SLOTS_INTERVAL = 5_000
const [CLUSTER_PORT, SENTINEL_PORT] = [6_379, 26_379]

/** Milliseconds until the next try: soon, then twice a second, for ever. */
const backOff = (times: number): number => Math.min(50 * times, 500)

/**
 * Makes a client that sends nothing twice, queues nothing, and reconnects for ever. It connects when it is first used.
 *
 * @internal
 */
export function connect ({ Redis, Cluster }: IoRedis, source: Exclude<RedisSource, { kind: 'client' }>, tls: RedisTlsOptions | undefined, commandTimeout: number): RedisClient {
  const common = commonOptions(tls, commandTimeout)
  const lone = { ...common, lazyConnect: true, enableOfflineQueue: false, retryStrategy: backOff }
  if (source.kind === 'url') {
    const { host, port, db, username, password } = source.address
    return quiet(new Redis({ ...lone, host, port, db, ...loginOf(username, password) }))
  }
  if (source.kind === 'sentinel') {
    const { name, username, password, db = 0 } = source.sentinel
    const login = sentinelLoginOf(source.sentinel)
    return quiet(new Redis({
      ...lone,
      ...loginOf(username, password),
      db,
      name,
      sentinels: sentinelsOf(source.sentinel),
      ...(login.password !== undefined && { sentinelUsername: login.username, sentinelPassword: login.password }),
      ...(common.tls !== undefined && { sentinelTLS: common.tls, enableTLSForSentinelMode: true }),
      sentinelCommandTimeout: commandTimeout,
      sentinelRetryStrategy: backOff
    }))
  }
  const { nodes, username, password } = source.cluster
  return quiet(new Cluster(nodes.map(({ host, port = CLUSTER_PORT }) => ({ host, port })), {
    lazyConnect: true,
    enableOfflineQueue: false,
    enableReadyCheck: false,
    scaleReads: 'master',
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
    clusterRetryStrategy: backOff,
    slotsRefreshTimeout: commandTimeout,
    slotsRefreshInterval: SLOTS_INTERVAL,
    // By name, as certificates have it.
    dnsLookup: (host, callback) => { callback(null, host) },
    redisOptions: { ...common, ...loginOf(username, password) }
  }))
}

/**
 * Calls back whenever the Sentinels have another primary: the old one may go on without knowing. The detector of
 * ioredis prints the errors of its connections.
 *
 * @internal
 * @returns What ends it.
 */
export function watchSentinels ({ Redis }: IoRedis, sentinel: RedisSentinelOptions, tls: RedisTlsOptions | undefined, commandTimeout: number, listener: () => void): () => void {
  const options = { ...commonOptions(tls, commandTimeout), ...sentinelLoginOf(sentinel), retryStrategy: backOff }
  const watchers = sentinelsOf(sentinel).map((address) => {
    const watcher = quiet(new Redis({ ...options, ...address }))
    watcher.on('ready', () => { watcher.subscribe('+switch-master').catch(() => {}) }) // another connection tries again
    watcher.on('message', (_channel, message) => { if (message.startsWith(`${sentinel.name} `)) listener() })
    return watcher
  })
  return () => { for (const watcher of watchers) watcher.disconnect() }
}

/** ioredis prints errors that nobody listens to, those of a client that was closed too. */
export function quiet<Client extends RedisClient> (client: Client): Client {
  client.on('error', () => {})
  return client
}

function commonOptions (tls: RedisTlsOptions | undefined, commandTimeout: number) {
  return {
    // A host may have turned off the verification by an environment variable.
    ...(tls !== undefined && { tls: { ...tls, rejectUnauthorized: true } }),
    commandTimeout,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    // It would print when INFO is forbidden, and what it looks at is looked at later.
    enableReadyCheck: false,
    connectTimeout: CONNECT_TIMEOUT,
    disconnectTimeout: DISCONNECT_TIMEOUT,
    disableClientInfo: true,
    protocol: 2
  } as const satisfies RedisOptions
}

/** Without a name ioredis prints a warning when Redis has no password. */
function loginOf (username = 'default', password?: string): { username?: string, password?: string } {
  return password === undefined ? {} : { username, password }
}

function sentinelLoginOf ({ sentinelUsername, sentinelPassword }: RedisSentinelOptions): { username?: string, password?: string } {
  return loginOf(sentinelUsername, sentinelPassword)
}

function sentinelsOf ({ nodes }: RedisSentinelOptions): Array<Required<RedisHost>> {
  return nodes.map(({ host, port = SENTINEL_PORT }) => ({ host, port }))
}
