import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** Milliseconds that a hook holds an answer back. */
export const HOLD = 40

/** Sends a request and resets the connection while the answer is held back. */
export async function hangUp (port: number, text: string): Promise<void> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  socket.write(text)
  await sleep(HOLD / 4)
  socket.resetAndDestroy()
  await sleep(HOLD * 2)
}
