/**
 * What the driver uses of ioredis, so that no public type needs it: its `Redis` and `Cluster` fit, of
 * versions 5 and 6.
 *
 * @module
 */

/** One connection, as `Redis` of ioredis is one. */
export interface RedisNode {
  readonly status: string
  readonly options: object
  /** The connection, where there is one. */
  readonly stream: { readonly remoteAddress?: string | undefined }
  connect (): Promise<void>
  disconnect (reconnect?: boolean): void
  duplicate (override?: object): RedisNode
  callBuffer (command: string, args: Array<string | Buffer>): Promise<unknown>
  on (event: string, listener: (...values: unknown[]) => void): unknown
  off (event: string, listener: (...values: unknown[]) => void): unknown
}

/** Connections to all nodes of a Cluster, as `Cluster` of ioredis is. */
export interface RedisCluster {
  readonly status: string
  readonly options: object
  /** The addresses that serve each slot, `host:port`, the master first. */
  readonly slots: ReadonlyArray<readonly string[] | undefined>
  nodes (role: 'master'): RedisNode[]
  refreshSlotsCache (callback: (error?: Error | null) => void): void
  connect (): Promise<void>
  disconnect (reconnect?: boolean): void
  duplicate (startupNodes?: never[], override?: object): RedisCluster
  on (event: string, listener: (...values: unknown[]) => void): unknown
  off (event: string, listener: (...values: unknown[]) => void): unknown
}

/** A client of a host's own. */
export type RedisClient = RedisNode | RedisCluster

/** @internal */
export function isCluster (client: RedisClient): client is RedisCluster {
  return 'nodes' in client
}
