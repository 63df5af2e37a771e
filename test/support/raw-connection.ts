/** A connection on which a test says what it likes, byte by byte, and which the test itself never ends. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { type Test } from 'tap'
import { until } from './example-server.ts'

export interface RawConnection {
  send (bytes: string): void
  /** Closes this half of the connection. The other one stays open. */
  finish (): void
  /** Only where it was opened not to read. */
  read (): void
  received: () => string
  /** The codes of all answers so far. */
  statuses: () => number[]
  /** Whether the server has ended it, in order or not. */
  isEnded: () => boolean
  /** All that was received, once the server has ended it. Rejects when it does not. */
  ended (): Promise<string>
}

/** Opens a connection. It is gone when the test is over. */
export async function openRaw (t: Test, url: string, { reads = true } = {}): Promise<RawConnection> {
  const { hostname, port } = new URL(url)
  const socket = connect({ port: Number(port), host: hostname.replace(/[[\]]/g, ''), allowHalfOpen: true })
  t.teardown(() => socket.destroy())
  await once(socket, 'connect')

  let received = ''
  let isEnded = false
  const read = (): void => { socket.setEncoding('latin1').on('data', (text: string) => { received += text }) }
  if (reads) read()
  for (const event of ['end', 'close', 'error']) socket.on(event, () => { isEnded = true })
  return {
    send: (bytes) => { if (!isEnded) socket.write(bytes, 'latin1') },
    finish: () => { socket.end() },
    read,
    received: () => received,
    statuses: () => statusesIn(received),
    isEnded: () => isEnded,
    ended: async () => {
      await until(() => isEnded)
      socket.destroy()
      return received
    }
  }
}

/** Sends bytes as they are, and returns what comes back until the server ends the connection. */
export async function sendRaw (t: Test, url: string, bytes: string): Promise<string> {
  const connection = await openRaw(t, url)
  connection.send(bytes)
  return await connection.ended()
}

export function statusesIn (received: string): number[] {
  return [...received.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status))
}

/** The headers of the last answer in a text, by their names in lower case, and its body. */
export function lastAnswer (received: string): { headers: Map<string, string>, body: string } {
  const [head = '', body = ''] = received.slice(received.lastIndexOf('HTTP/1.1 ')).split('\r\n\r\n')
  const lines = head.split('\r\n').slice(1).map((line): [string, string] => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()])
  return { headers: new Map(lines), body }
}
