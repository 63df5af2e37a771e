import { type Send } from './gate.ts'
import { outage } from './outage.ts'

/** How many replicas have to have a write, and how many milliseconds they get. */
export interface Replicas {
  replicas: number
  timeout: number
}

/**
 * Sends WAIT behind each write, on its connection, which Redis blocks meanwhile. So there is one at a time, and
 * all writes that were sent since share the next one.
 *
 * @internal
 * @returns A way to send that rejects when too few replicas have the write in time.
 */
export function withReplicas (send: Send, { replicas, timeout }: Replicas): Send {
  let current: Promise<unknown> | undefined
  let next: Promise<unknown> | undefined

  function start (): Promise<unknown> {
    next = undefined
    current = send('WAIT', [String(replicas), String(timeout)]).finally(() => { current = undefined })
    return current
  }

  /** Rejects with the one before, too: the connection may be another one by then, and WAIT knows of its own alone. */
  function acknowledged (): Promise<unknown> {
    if (current === undefined) return start()
    next ??= current.then(start)
    return next
  }

  return async (command, args) => {
    if (command === 'ASKING') return send(command, args)
    const [reply, count] = await Promise.all([send(command, args), acknowledged()])
    if (Number(count) < replicas) throw outage(`The write has reached ${Number(count)} of ${replicas} replicas in time`)
    return reply
  }
}
