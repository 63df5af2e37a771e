import { setTimeout as sleep } from 'node:timers/promises'
import { StoreUnavailableError } from '../../errors.ts'
import { type RedisClient, type RedisNode } from './client.ts'
import { createGate, type RedisGate, type Send } from './gate.ts'
import { failureOf, hasTimedOut, outage, replyWord } from './outage.ts'
import { createRoute } from './route.ts'

/** Runs what the store does on the connections of one client. */
export interface RedisLink {
  /** Runs a task on the node that has a key, and follows redirections. Rejects with an error of this package. */
  run<Result> (key: Buffer, task: (send: Send) => Promise<Result>): Promise<Result>
  /** All primaries. Rejects when there is no way to one of them. `within` is in milliseconds. */
  all (within?: number): Promise<RedisPrimary[]>
  /** Makes all connections anew. */
  reconnect (): void
  release (): void
}

/** Runs a task on one primary, on the same connection always: what a server knows of a scan is of no use to another one. */
export type RedisPrimary = <Result>(task: (send: Send) => Promise<Result>) => Promise<Result>

/** What a link is made with. */
export interface LinkOptions {
  client: RedisClient
  isOurs: boolean
  /** Milliseconds from the start of an operation to its end. */
  timeout: number
  look: (node: RedisNode, send: Send) => Promise<void>
  tell: (error: Error) => void
  /** Called once for each server with its way to send; what it returns is used for operations. Default is the same. */
  wrap?: (send: Send) => Send
}

/** An operation goes from node to node so often. What was sent before was not executed. */
const MOST_NODES = 5

/** How long to wait for the nodes of a Cluster to agree, in milliseconds. */
const PAUSE_MS = 50

/** @internal */
export function createLink ({ client, isOurs, timeout, look, tell, wrap = (send) => send }: LinkOptions): RedisLink {
  const route = createRoute(client, isOurs, tell)
  const gates = new Map<RedisNode, RedisGate>()

  function gateOf (node: RedisNode): RedisGate {
    const known = gates.get(node)
    if (known !== undefined) return known
    const gate = createGate(node, (send) => look(node, send), wrap, tell, () => {
      gate.release()
      gates.delete(node)
    })
    gates.set(node, gate)
    return gate
  }

  /** The gate that lets a command for `key` through. */
  async function passFor (key: Buffer, node: RedisNode | undefined): Promise<RedisGate> {
    let next = node
    if (next === undefined) {
      await route.refresh()
      next = route.nodeOf(key)
    }
    if (next === undefined) throw new StoreUnavailableError({ cause: route.reason })
    const gate = gateOf(next)
    try {
      await gate.pass()
    } catch (error) {
      // Whoever asks next is to meet the successor.
      route.refresh()
      throw error
    }
    return gate
  }

  async function attempt<Result> (key: Buffer, isOver: () => boolean, task: (send: Send) => Promise<Result>): Promise<Result> {
    let node = route.nodeOf(key)
    let isAsking = false
    let failure: unknown
    for (let count = 1; count <= MOST_NODES; count++) {
      const gate = await passFor(key, node)
      const send = unlessOver(gate.send, isOver)
      try {
        return await task(isAsking ? afterAsking(send) : send)
      } catch (error) {
        const word = replyWord(error)
        const isRedirected = word === 'MOVED' || word === 'ASK'
        if (isRedirected || word === 'CLUSTERDOWN' || hasTimedOut(error) || word === undefined) route.refresh()
        if (!isRedirected) throw error
        failure = error
        const target = route.nodeAt(String((error as Error).message.split(' ')[2])) // a reply is an Error
        isAsking = word === 'ASK'
        if (target === undefined) await sleep(PAUSE_MS)
        node = target ?? route.nodeOf(key)
      }
    }
    throw failure
  }

  async function inTime<Result> (work: (isOver: () => boolean) => Promise<Result>, within = timeout): Promise<Result> {
    let isOver = false
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        isOver = true
        reject(outage('Redis has not answered in time'))
      }, within)
    })
    try {
      return await Promise.race([work(() => isOver), late]).catch((error) => { throw failureOf(error) })
    } finally {
      clearTimeout(timer)
    }
  }

  function primaryOf (gate: RedisGate): RedisPrimary {
    const { connection } = gate
    return (task) => inTime(async (isOver) => {
      await gate.pass()
      if (gate.connection !== connection) throw outage('The connection to Redis was made anew')
      return task(unlessOver(gate.send, isOver))
    })
  }

  return {
    run: (key, task) => inTime((isOver) => attempt(key, isOver, task)),
    all: (within) => inTime(async () => {
      if (route.nodes().includes(undefined)) await route.refresh()
      return Promise.all(route.nodes().map(async (node) => {
        if (node === undefined) throw new StoreUnavailableError({ cause: route.reason })
        const gate = gateOf(node)
        await gate.pass()
        return primaryOf(gate)
      }))
    }, within),
    reconnect () {
      for (const gate of gates.values()) gate.drop()
    },
    release () {
      route.release()
      for (const gate of gates.values()) gate.release()
      gates.clear()
    }
  }
}

/** What was given up is not sent any more. */
function unlessOver (send: Send, isOver: () => boolean): Send {
  return async (command, args) => {
    if (isOver()) throw outage('Redis was not there in time')
    return send(command, args)
  }
}

/** Both go out together: the first command holds for the next one alone. */
function afterAsking (send: Send): Send {
  return async (command, args) => {
    const [, reply] = await Promise.all([send('ASKING', []), send(command, args)])
    return reply
  }
}
