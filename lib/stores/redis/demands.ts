import { InvalidOptionError } from '../../errors.ts'
import { isCluster, type RedisClient } from './client.ts'

/** What is looked at of the options of ioredis. They are a host's, so of unknown types. */
type Settings = Record<string, unknown>

/** What would let a command run twice or on a replica, give it another key, or need a restart; and what it must be instead. */
const DEMANDS: ReadonlyArray<readonly [name: string, isGood: (value: unknown) => boolean, demand: string]> = [
  ['autoResendUnfulfilledCommands', (value) => value === false, 'must be false'],
  ['maxRetriesPerRequest', (value) => value === 0, 'must be 0'],
  ['commandTimeout', (value) => typeof value === 'number' && value >= 1 && value <= 800, 'must be a number from 1 to 800'],
  ['reconnectOnError', (value) => typeof value !== 'function' || !doesResend(value), 'must not return 2, which sends the command again'],
  ['retryStrategy', doesReconnect, 'must not give up'],
  ['sentinelRetryStrategy', doesReconnect, 'must not give up'],
  ['keyPrefix', isOff, 'must not be set: the store has a prefix of its own'],
  ['enableAutoPipelining', isOff, 'must not be set'],
  ['readOnly', isOff, 'must not be set'],
  ['monitor', isOff, 'must not be set'],
  ['role', (value) => value === undefined || value === 'master', 'must be master'],
  ['tls', isVerified, 'must not turn off the verification of certificates'],
  ['sentinelTLS', isVerified, 'must not turn off the verification of certificates']
]

const CLUSTER_DEMANDS: typeof DEMANDS = [
  ['retryDelayOnFailover', (value) => value === 0, 'must be 0'],
  ['clusterRetryStrategy', doesReconnect, 'must not give up'],
  ['scaleReads', (value) => value === 'master', 'must be master'],
  ['keyPrefix', isOff, 'must not be set: the store has a prefix of its own'],
  ['enableAutoPipelining', isOff, 'must not be set']
]

/**
 * Refuses a client that could run a command twice or read what is out of date.
 *
 * @internal
 * @returns Its `commandTimeout` in milliseconds.
 * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500) that names the setting.
 */
export function demandOf (client: RedisClient): number {
  const isClient = typeof client === 'object' && client !== null && typeof client.options === 'object' && client.options !== null && typeof client.on === 'function'
  if (!isClient || typeof (isCluster(client) ? client.refreshSlotsCache : client.callBuffer) !== 'function') throw new InvalidOptionError('client', 'must be a Redis or a Cluster of ioredis')
  if (client.status === 'end') throw new InvalidOptionError('client', 'must not have been closed')

  const options = { ...client.options } as Settings // of a type that needs ioredis
  // Without it the old primary is used until a Sentinel tells it, which takes seconds.
  if (Array.isArray(options['sentinels']) && options['failoverDetector'] !== true) throw new InvalidOptionError('client.failoverDetector', 'must be true with Sentinels')
  if (!isCluster(client)) return demand(options, DEMANDS, 'client.')
  demand(options, CLUSTER_DEMANDS, 'client.')
  return demand({ ...options['redisOptions'] as Settings | undefined }, DEMANDS, 'client.redisOptions.')
}

function demand (options: Settings, demands: typeof DEMANDS, holder: string): number {
  for (const [name, isGood, what] of demands) {
    if (!isGood(options[name])) throw new InvalidOptionError(holder + name, what)
  }
  return Number(options['commandTimeout'])
}

function isOff (value: unknown): boolean {
  return !value
}

function isVerified (value: unknown): boolean {
  return typeof value !== 'object' || value === null || !('rejectUnauthorized' in value) || value.rejectUnauthorized !== false
}

/** Who gives up, sooner or later, needs a restart. Without one of the host's ioredis tries for ever. */
function doesReconnect (retryStrategy: unknown): boolean {
  return retryStrategy === undefined || (typeof retryStrategy === 'function' && typeof retryStrategy(1_000_000) === 'number')
}

/** A failover is what such a function is written for. */
function doesResend (reconnectOnError: Function): boolean {
  return reconnectOnError(new Error("READONLY You can't write against a read only replica.")) === 2
}
