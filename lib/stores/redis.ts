import { type RedisClient } from './redis/client.ts'
import { openWith } from './redis/open.ts'
import { type TokenStore } from './token-store.ts'

export type { RedisClient, RedisCluster, RedisNode } from './redis/client.ts'
export type { Counter, DurableOption, StoreEntry, TokenStore, WriteOptions } from './token-store.ts'

/** Where a Sentinel, or a node of a Cluster, listens. */
export interface RedisHost {
  host: string
  /** Default is `26379` for a Sentinel and `6379` for a node of a Cluster. */
  port?: number
}

/** A primary that Sentinels know, and who replaces it. */
export interface RedisSentinelOptions {
  /** Some of the Sentinels. The others are found. */
  nodes: readonly RedisHost[]
  /** What the Sentinels call the primary. */
  name: string
  /** Of Redis itself. Default is `default`, when there is a password. */
  username?: string
  password?: string
  /** Of the Sentinels. Default is `default`, when there is a password. */
  sentinelUsername?: string
  sentinelPassword?: string
  /** Number of the database. Default is `0`. */
  db?: number
}

/** A Redis Cluster. */
export interface RedisClusterOptions {
  /** Some of the nodes. The others are found. */
  nodes: readonly RedisHost[]
  /** Default is `default`, when there is a password. */
  username?: string
  password?: string
}

/** What a connection with TLS is made with. Certificates are verified always. */
export interface RedisTlsOptions {
  /** Authorities that are trusted in place of those of Node.js, as PEM. */
  ca?: string | Buffer | Array<string | Buffer>
  /** Certificate of this client, as PEM. */
  cert?: string | Buffer
  /** Private key of this client, as PEM. */
  key?: string | Buffer
  /** The name that the certificates of the servers have to hold. Default is the host that is connected to. */
  servername?: string
}

/** What {@link openRedisStore} takes: `prefix`, and just one of `url`, `sentinel`, `cluster` and `client`. */
export interface RedisStoreOptions {
  /** What all keys start with: 1–64 of `A-Z a-z 0-9 : . _ -`. Values are under `<prefix>v:`, counters under `<prefix>c:`. */
  prefix: string
  /** `redis://` or `rediss://user:password@host:port/db`. User and password are percent-encoded. */
  url?: string
  sentinel?: RedisSentinelOptions
  cluster?: RedisClusterOptions
  /**
   * A `Redis` or `Cluster` of ioredis, which the host closes. It must send no command twice, and have
   * `autoResendUnfulfilledCommands: false`, `maxRetriesPerRequest: 0` and a `commandTimeout` of at most
   * 800; a Cluster these in its `redisOptions`, and
   * `retryDelayOnFailover: 0`; with Sentinels `failoverDetector: true`. It is best the store's
   * alone: commands that block hold the store up, and a connection that answers nothing for the length of
   * `commandTimeout` is made anew.
   */
  client?: RedisClient
  /** For `rediss://`, Sentinel and Cluster; `true` for the last two is TLS without more. Sentinels are reached with it too. */
  tls?: RedisTlsOptions | true
  /** Milliseconds that an operation may take, a whole number from 50 to 800. Default is `500`, or the client's. */
  commandTimeout?: number
  /**
   * Lets a write with `durable` wait until so many replicas have it, at most `timeout` milliseconds, and else
   * reject with `FDT_STORE_UNAVAILABLE`: the write may have happened all the same. Default is not to wait, and half
   * of `commandTimeout`. A lone Redis with `appendfsync always` needs none.
   */
  waitForReplicas?: { replicas: number, timeout?: number }
  /** Works with a `maxmemory-policy` other than `noeviction` too, which may throw away revocations and locks. Default is `false`. */
  allowEviction?: boolean
  /** Told of what is unwise. Default is `process.emitWarning`. */
  onWarning?: (message: string) => void
  /** Told when a connection is lost or cannot be made, once until it is there again. The error holds no command. Default is nobody. */
  onError?: (error: Error) => void
}

/**
 * Opens a store in Redis 7 or Valkey 7.2, or newer: one server, a primary under Sentinel, or a Cluster.
 * It is made with ioredis (the optional peer dependency `ioredis`). All processes with the same `prefix` share it.
 *
 * Every operation is one command or one script with one key, is sent once, and ends in little more than
 * `commandTimeout`. What is rejected with `FDT_STORE_UNAVAILABLE` may have happened, or happen yet when Redis was
 * only slow. What is acknowledged is as durable as Redis is set up: `durable` waits for
 * replicas if `waitForReplicas` says so, and for nothing else.
 *
 * The time is that of Redis. `scan` goes through all keys of the database.
 *
 * When Redis is out of reach the store opens all the same, after a second at most, and works once Redis
 * is there. It reconnects by itself for as long as it is open. A connection is used after a look at its server:
 * it must be a primary, and its `maxmemory-policy` must be `noeviction`.
 *
 * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500) when an option is unusable; when Redis refuses the
 * password or what the store does; when its certificate is not trusted (of a Cluster that is an outage, whose cause
 * tells no more); when it may throw away keys.
 * @throws {MissingPeerError} `FDT_MISSING_PEER` (500) when `ioredis` is needed and cannot be loaded.
 */
export async function openRedisStore (options: RedisStoreOptions): Promise<TokenStore> {
  return openWith(() => import('ioredis'), options)
}
