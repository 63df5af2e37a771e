/** A Cluster of three masters with a replica each. */
import { type Test } from 'tap'
import { quietPort } from './redis-ports.ts'
import { FOLLOWED, type RedisServer, startServer, untilSo } from './redis-server.ts'

/** Milliseconds without an answer after which a node is down. A replica takes over after about twice that. */
const NODE_TIMEOUT = 1_000

const SLOTS = 16_384

export interface RedisCluster {
  /** All six. */
  nodes: RedisServer[]
  /** Who has slots: all nodes that run are of one mind. */
  masters (): Promise<RedisServer[]>
  masterOf (slot: number): Promise<RedisServer>
  replicasOf (master: RedisServer): Promise<RedisServer[]>
  slotOf (key: string): Promise<number>
  /**
   * Moves a slot as an operator does, without a break for clients. Keys must not hold line breaks.
   *
   * @param meanwhile Runs when the keys have moved and the slot has not: `from` answers ASK for each of them.
   */
  moveSlot (slot: number, from: RedisServer, to: RedisServer, meanwhile?: () => Promise<void>): Promise<void>
  /** As SIGKILL. Resolves to the replica that has taken over. `restart()` and {@link settled} make a replica of the old one. */
  killMaster (master: RedisServer): Promise<RedisServer>
  /** As an operator asks for it: the master waits until its replica has all. Resolves to that replica, once it has taken over. */
  failover (master: RedisServer): Promise<RedisServer>
  /** Waits until a slot of this master, which is stopped perhaps, is another one's. Resolves to that. */
  successorOf (master: RedisServer, slot: number): Promise<RedisServer>
  /** Waits until all nodes that run are of one mind, find the Cluster well and none of them down, and their replicas are in sync. */
  settled (): Promise<void>
}

/** A line of CLUSTER NODES. */
interface Line {
  id: string
  port: number
  flags: string[]
  masterId: string
  isConnected: boolean
  /** First and last, each of a range. */
  slots: Array<[number, number]>
}

/** Starts the nodes, and waits until they are settled. They are gone when the test is over. */
export async function startCluster (t: Test): Promise<RedisCluster> {
  const nodes = await Promise.all([1, 2, 3, 4, 5, 6].map(() => startServer(t, async () => [
    ...FOLLOWED, '--cluster-enabled', 'yes', '--cluster-node-timeout', String(NODE_TIMEOUT), '--cluster-port', String(await quietPort())
  ])))
  const running = () => nodes.filter(({ isRunning }) => isRunning)
  const atPort = new Map(nodes.map((node) => [node.port, node]))
  const idOf = new Map(await Promise.all(nodes.map(async (node) => [node, await node.cli('CLUSTER', 'MYID')] as const)))
  const id = (node: RedisServer): string => idOf.get(node) ?? ''

  /** What all nodes that run say of who has which slots and who follows whom; `undefined` while they differ. */
  const findLines = async (): Promise<Line[] | undefined> => {
    const views = await Promise.all(running().map(linesOf))
    const texts = views.map((lines) => JSON.stringify(lines.map(({ id, masterId, slots }) => [id, masterId, slots]).sort()))
    return new Set(texts).size === 1 ? views[0] : undefined
  }
  const lines = (): Promise<Line[]> => untilSo(findLines)
  const nodesOf = (lines: Line[]): RedisServer[] => lines.flatMap(({ port }) => atPort.get(port) ?? [])
  const ownersOf = (lines: Line[]): RedisServer[] => nodesOf(lines.filter(({ slots }) => slots.length > 0))
  const findMasterOf = async (slot: number): Promise<RedisServer | undefined> =>
    nodesOf((await findLines())?.filter(({ slots }) => slots.some(([first, last]) => first <= slot && slot <= last)) ?? [])[0]
  const replicasOf = async (master: RedisServer) => nodesOf((await lines()).filter(({ masterId }) => masterId === id(master)))

  const isSettled = async (): Promise<boolean> => {
    const [found, ...views] = await Promise.all([findLines(), ...running().map(linesOf)])
    const alive = new Set(running().map(id))
    const isWell = found !== undefined && views.flat().every((line) => !alive.has(line.id) || (line.isConnected && !line.flags.some((flag) => flag.startsWith('fail') || flag === 'handshake')))
    if (!isWell) return false
    const infos = await Promise.all(running().map(async (node) => await node.cli('CLUSTER', 'INFO') + await node.cli('INFO', 'replication')))
    return infos.every((info) => info.includes('cluster_state:ok') && (info.includes('role:master') || info.includes('master_link_status:up')))
  }
  const settled = async () => { await untilSo(isSettled) }
  const successorOf = (master: RedisServer, slot: number) => untilSo(async () => {
    const owner = await findMasterOf(slot)
    return owner !== master && owner
  })
  const someSlotOf = async (master: RedisServer): Promise<number> => {
    const line = (await lines()).find(({ port }) => port === master.port)
    if (line?.slots[0] === undefined) throw new Error(`the node at ${master.port} has no slots`)
    return line.slots[0][0]
  }

  await join(nodes, id)
  await settled()
  return {
    nodes,
    masters: async () => ownersOf(await lines()),
    masterOf: (slot) => untilSo(() => findMasterOf(slot)),
    replicasOf,
    slotOf: async (key) => Number(await running()[0]?.cli('CLUSTER', 'KEYSLOT', key)),
    moveSlot: async (slot, from, to, meanwhile) => {
      const setSlot = (node: RedisServer, ...args: string[]) => node.cli('CLUSTER', 'SETSLOT', String(slot), ...args)
      await setSlot(to, 'IMPORTING', id(from))
      await setSlot(from, 'MIGRATING', id(to))
      for (;;) {
        const keys = await from.cli('CLUSTER', 'GETKEYSINSLOT', String(slot), '100')
        if (keys === '') break
        await from.cli('MIGRATE', to.host, String(to.port), '', '0', '1000', 'KEYS', ...keys.split('\n'))
      }
      await meanwhile?.()
      const others = ownersOf(await lines()).filter((node) => node !== to && node !== from)
      for (const node of [to, from, ...others]) await setSlot(node, 'NODE', id(to))
      await untilSo(async () => await findMasterOf(slot) === to)
    },
    killMaster: async (master) => {
      const slot = await someSlotOf(master)
      await master.kill()
      const successor = await successorOf(master, slot)
      await settled()
      return successor
    },
    failover: async (master) => {
      const slot = await someSlotOf(master)
      await (await replicasOf(master))[0]?.cli('CLUSTER', 'FAILOVER')
      const successor = await successorOf(master, slot)
      await settled()
      return successor
    },
    successorOf,
    settled
  }
}

/** Makes a Cluster of nodes that do not know each other: the first half are masters. What `redis-cli --cluster create` does, without its sleeps. */
async function join (nodes: RedisServer[], id: (node: RedisServer) => string): Promise<void> {
  const half = nodes.length / 2
  const slotAt = (part: number) => Math.round(SLOTS * part / half)
  await Promise.all(nodes.map((node, index) => node.cli('CLUSTER', 'SET-CONFIG-EPOCH', String(index + 1))))
  await Promise.all(nodes.slice(0, half).map((node, index) => node.cli('CLUSTER', 'ADDSLOTSRANGE', String(slotAt(index)), String(slotAt(index + 1) - 1))))
  const busPorts = await Promise.all(nodes.map(async (node) => (await node.cli('CONFIG', 'GET', 'cluster-port')).split('\n')[1] ?? ''))
  await Promise.all(nodes.flatMap((node, index) => nodes.slice(0, index).map((other, at) => node.cli('CLUSTER', 'MEET', other.host, String(other.port), busPorts[at] ?? ''))))
  await Promise.all(nodes.slice(half).map((node, index) => untilSo(async () => {
    const master = nodes[index]
    return master !== undefined && await node.cli('CLUSTER', 'REPLICATE', id(master)) === 'OK'
  })))
}

async function linesOf (node: RedisServer): Promise<Line[]> {
  const text = await node.cli('CLUSTER', 'NODES')
  return text.trim().split('\n').map((line) => {
    const [id = '', address = '', flags = '', masterId = '', , , , link, ...slots] = line.split(' ')
    return {
      id,
      port: Number(/:(\d+)@/.exec(address)?.[1]),
      flags: flags.split(','),
      masterId,
      isConnected: link === 'connected',
      // In brackets is one that is on its way.
      slots: slots.filter((range) => !range.startsWith('[')).map((range) => range.split('-').map(Number)).map(([first = NaN, last = first]) => [first, last])
    }
  })
}
