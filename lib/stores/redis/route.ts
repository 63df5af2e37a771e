import { isCluster, type RedisClient, type RedisCluster, type RedisNode } from './client.ts'
import { arrivalsOf } from './gate.ts'
import { createComplaints, tellable } from './outage.ts'
import { slotOf } from './slot.ts'

/** Which connection a command goes to. */
export interface RedisRoute {
  /** The primary that has a key, as far as is known. */
  nodeOf (key: Buffer): RedisNode | undefined
  /** The primary at an address, `host:port`, if it is known. */
  nodeAt (address: string): RedisNode | undefined
  /** All primaries; `undefined` for one that there is no way to. */
  nodes (): Array<RedisNode | undefined>
  /** Asks anew who has what. Never rejects. */
  refresh (): Promise<void>
  /** Why there is no node, if there is none. */
  readonly reason: Error | undefined
  release (): void
}

const SLOTS = Array.from({ length: 16_384 }, (_, slot) => slot)

/**
 * A Cluster's own way of sending commands is not used: it sends again what may have been executed, follows
 * redirections to nodes that nobody looked at, and queues what has long been given up.
 *
 * @internal
 * @param isOurs Whether the client may be made to begin at its first nodes again.
 */
export function createRoute (client: RedisClient, isOurs: boolean, tell: (error: Error) => void): RedisRoute {
  return isCluster(client) ? clusterRoute(client, isOurs, tell) : singleRoute(client)
}

function singleRoute (node: RedisNode): RedisRoute {
  return {
    nodeOf: () => node,
    nodeAt: () => undefined,
    nodes: () => [node],
    refresh: async () => {},
    reason: undefined,
    release: () => {}
  }
}

function clusterRoute (cluster: RedisCluster, isOurs: boolean, tell: (error: Error) => void): RedisRoute {
  const next = arrivalsOf(cluster)
  let refreshing: Promise<void> | undefined
  const complaints = createComplaints(tell)
  let reason = new Error('No node of the Cluster has the slot')

  const onError = (error: unknown): void => {
    reason = tellable(error)
    complaints.add(error)
  }
  cluster.on('error', onError)
  if (cluster.status === 'wait') cluster.connect().catch(() => {}) // the listeners are told

  async function refreshSlots (): Promise<void> {
    while (cluster.status === 'connecting' || cluster.status === 'connect') await next()
    if (cluster.status !== 'ready') return
    const error = await new Promise<Error | null | undefined>((resolve) => { cluster.refreshSlotsCache(resolve) })
    // Of all nodes that it knows none answers. Those it was told at first may.
    if (!(error instanceof Error)) return complaints.clear()
    if (isOurs && cluster.status === 'ready') cluster.disconnect(true)
  }

  const nodeAt = (address: string): RedisNode | undefined => cluster.nodes('master').find(({ options }) => addressOf(options) === address)
  return {
    nodeOf (key) {
      const address = cluster.slots[slotOf(key)]?.[0]
      return address === undefined ? undefined : nodeAt(address)
    },
    nodeAt,
    nodes: () => Array.from(new Set(SLOTS.map((slot) => cluster.slots[slot]?.[0])), (address) => nodeAt(String(address))),
    refresh () {
      refreshing ??= refreshSlots().finally(() => { refreshing = undefined })
      return refreshing
    },
    get reason () {
      return reason
    },
    release () {
      cluster.off('error', onError)
      next.release()
    }
  }
}

/** As ioredis names a node. */
function addressOf (options: { host?: string, port?: number }): string {
  return `${options.host}:${options.port}`
}
