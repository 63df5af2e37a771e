/** A proxy that cuts the connections to a server at the worst of times. */
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { type Test } from 'tap'
import { until } from './example-server.ts'
import { quietPort } from './redis-ports.ts'

const HOST = '127.0.0.1'

export interface Cutter {
  host: typeof HOST
  port: number
  /**
   * The next command, or the next one of this name, is the last of its connection: the server runs it, and neither its answer
   * nor one that is still under way gets back. Nothing behind it is sent. Resolves when it has run and the connection is cut.
   */
  cutAfterCommand (name?: string): Promise<void>
  /** Cuts all connections, now. */
  cut (): void
  /** Refuses new connections. Those that are there stay. */
  refuse (): void
  /** Takes new connections again, at the same port. */
  accept (): Promise<void>
}

/** Listens on the loopback, in front of a server there that speaks without TLS. It is gone when the test is over. */
export async function startCutter (t: Test, target: number): Promise<Cutter> {
  const clients = new Set<Socket>()
  let waiting: { name: string | undefined, cut: () => void } | undefined

  const listener = createServer((client) => {
    const server = connect(target, HOST)
    clients.add(client)
    // What goes wrong closes them.
    for (const socket of [client, server]) socket.setNoDelay(true).on('error', () => {})
    client.on('close', () => {
      clients.delete(client)
      server.destroy()
    })
    server.on('close', () => client.destroySoon())
    server.on('data', (answer) => client.write(answer))

    let rest = Buffer.alloc(0)
    const onData = (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk])
      for (let command = firstCommand(rest); command !== undefined; command = firstCommand(rest)) {
        const bytes = rest.subarray(0, command.length)
        rest = rest.subarray(command.length)
        if (waiting === undefined || (waiting.name ?? command.name) !== command.name) {
          server.write(bytes)
          continue
        }
        // Redis runs all that came before the end of a connection, and then closes it.
        server.removeAllListeners('data').resume().once('close', waiting.cut).end(bytes)
        client.off('data', onData).resume()
        waiting = undefined
        return
      }
    }
    client.on('data', onData)
  })
  const listen = async (port: number) => {
    listener.listen(port, HOST)
    await once(listener, 'listening')
    return port
  }
  const cut = () => { for (const client of clients) client.destroy() }
  t.teardown(() => {
    listener.close()
    cut()
  })

  const port = await until(async () => await listen(await quietPort()).catch(() => undefined))
  return {
    host: HOST,
    port,
    cutAfterCommand: (name) => new Promise((resolve) => { waiting = { name: name?.toUpperCase(), cut: resolve } }),
    cut,
    refuse: () => { listener.close() },
    accept: async () => { await until(() => listen(port).catch(() => undefined)) }
  }
}

/** The first command as clients send it, a list of texts with their lengths; `undefined` while a part of it is missing. */
function firstCommand (bytes: Buffer): { name: string, length: number } | undefined {
  const numberAt = (start: number) => {
    const end = bytes.indexOf('\r\n', start)
    return end === -1 ? undefined : { value: Number(bytes.toString('latin1', start + 1, end)), end: end + 2 }
  }
  const parts = numberAt(0)
  if (parts === undefined) return undefined
  let [name, length] = ['', parts.end]
  for (let part = 0; part < parts.value; part++) {
    const size = numberAt(length)
    if (size === undefined || bytes.length < size.end + size.value + 2) return undefined
    if (part === 0) name = bytes.toString('latin1', size.end, size.end + size.value).toUpperCase()
    length = size.end + size.value + 2
  }
  return { name, length }
}
