/** A session service of somebody else's, which does what a test tells it to: well, badly, or without any HTTP. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type ServerOptions } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { type AddressInfo, createServer as createRawServer, type Server, type Socket } from 'node:net'
import { type Test } from 'tap'

export interface Upstream {
  /** Where its endpoint is. */
  url: string
  /** What came, in its order. */
  requests: Array<Pick<IncomingMessage, 'method' | 'url' | 'headers'> & { body: string }>
  /** How many connections there were. */
  connections: () => number
}

/** Listens until the test is over. */
export async function upstream (t: Test, listener: RequestListener, options: ServerOptions & { key?: string, cert?: string } = {}): Promise<Upstream> {
  const requests: Upstream['requests'] = []
  const receive: RequestListener = async (request, response) => {
    const { method, url, headers } = request
    let body = ''
    for await (const chunk of request.setEncoding('utf8')) body += chunk
    requests.push({ method, url, headers, body })
    listener(request, response)
  }
  const { key, cert, ...rest } = options
  const server = cert === undefined ? createServer(rest, receive) : createSecureServer({ key, cert, ...rest }, receive)
  return { ...await listen(t, server, cert === undefined ? 'http' : 'https'), requests }
}

/** Listens until the test is over, and speaks no HTTP. */
export async function rawUpstream (t: Test, onConnection: (socket: Socket) => void): Promise<Upstream> {
  return { ...await listen(t, createRawServer(onConnection), 'http'), requests: [] }
}

async function listen (t: Test, server: Server, protocol: string): Promise<Omit<Upstream, 'requests'>> {
  const sockets = new Set<Socket>()
  let connections = 0
  server.on('connection', (socket: Socket) => {
    connections++
    sockets.add(socket.on('error', () => {}))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  // A server that listens on a port has an address.
  const { port } = server.address() as AddressInfo
  return { url: `${protocol}://127.0.0.1:${port}/viewer/sessions`, connections: () => connections }
}
