import { StoreUnavailableError } from '../../errors.ts'
import { type RedisNode } from './client.ts'
import { createComplaints, hasTimedOut, replyWord, tellable } from './outage.ts'

/** Sends one command on one connection. */
export type Send = (command: string, args: Array<string | Buffer>) => Promise<unknown>

/** The way to one server. */
export interface RedisGate {
  /** Resolves when there is a connection whose server was looked at; rejects at once while there is none, and none is being made. */
  pass (): Promise<void>
  /** Only right after `pass`. */
  send: Send
  /** Another number when another connection was made. */
  readonly connection: number
  /** Makes the connection anew. */
  drop (): void
  /** Takes the listeners off. */
  release (): void
}

/** How long a server that must not be used is left alone, in milliseconds. */
const RECHECK_MS = 200

/**
 * Lets nothing through to a server before its connection was looked at; each time it connects, since another
 * server may answer then. A connection that has answered nothing for the length of a time-out is cut: it may be that of
 * a server that hangs, whose successor is known to the Sentinels or to the Cluster by now.
 *
 * @internal
 * @param look Rejects when the server must not be used.
 * @param wrap What is sent with after that look.
 * @param tell Called with what is wrong, each thing once until the connection can be used.
 * @param onEnd Called when the client does not connect again by itself.
 */
export function createGate (node: RedisNode, look: (send: Send) => Promise<void>, wrap: (send: Send) => Send, tell: (error: Error) => void, onEnd: () => void): RedisGate {
  const next = arrivalsOf(node)
  const complaints = createComplaints(tell)
  let looked: Promise<void> | undefined
  let lookAgainAt = Infinity
  let reason: Error | undefined
  let isDropped = false
  let answeredAt = 0
  let connection = 0
  let failures = 0

  const onError = (error: unknown): void => {
    failures++
    reason = tellable(error)
    complaints.add(error)
  }
  const onClose = (): void => {
    if (looked !== undefined) complaints.add(new Error('closed'))
    looked = undefined
    isDropped = false
    connection++
  }
  node.on('error', onError)
  node.on('close', onClose)
  node.on('end', onEnd)

  async function connected (): Promise<void> {
    if (node.status === 'wait') node.connect().catch(() => {}) // the listeners are told
    const before = failures
    while (node.status === 'connecting' || node.status === 'connect') {
      await next()
      // With Sentinels it goes on connecting for as long as they know no primary.
      if (node.status === 'connecting' && failures !== before) break
    }
    if (node.status !== 'ready' || isDropped) throw new StoreUnavailableError({ cause: reason ?? new Error('There is no connection to Redis') })
  }

  async function lookOnce (): Promise<void> {
    lookAgainAt = Infinity
    try {
      await look(send)
      complaints.clear()
      reason = undefined
    } catch (error) {
      lookAgainAt = performance.now() + RECHECK_MS
      complaints.add(error)
      throw error
    }
  }

  async function send (command: string, args: Array<string | Buffer>): Promise<unknown> {
    const sentAt = performance.now()
    try {
      const reply = await node.callBuffer(command, args)
      answeredAt = performance.now()
      return reply
    } catch (error) {
      const word = replyWord(error)
      if (word !== undefined) answeredAt = performance.now()
      if (word === 'READONLY' || (hasTimedOut(error) && answeredAt < sentAt)) drop()
      throw error
    }
  }

  function drop (): void {
    if (node.status !== 'ready' || isDropped) return
    isDropped = true
    node.disconnect(true)
  }

  return {
    async pass () {
      await connected()
      if (performance.now() >= lookAgainAt) looked = undefined
      looked ??= lookOnce()
      await looked
    },
    send: wrap(send),
    get connection () {
      return connection
    },
    drop,
    release () {
      node.off('error', onError)
      node.off('close', onClose)
      node.off('end', onEnd)
      next.release()
    }
  }
}

/** Waits for news of a client, with the same listeners however many wait. */
export function arrivalsOf (client: Pick<RedisNode, 'on' | 'off'>): { (): Promise<void>, release (): void } {
  let waiting: Array<() => void> = []
  const onArrival = (): void => {
    const [...all] = waiting
    waiting = []
    for (const resolve of all) resolve()
  }
  const events = ['ready', 'error', 'close', 'end']
  for (const event of events) client.on(event, onArrival)
  const next = (): Promise<void> => new Promise((resolve) => { waiting.push(resolve) })
  return Object.assign(next, {
    release () {
      for (const event of events) client.off(event, onArrival)
      onArrival()
    }
  })
}
