import { type Socket } from 'node:net'
import { type FastifyInstance } from 'fastify'
import { isOwnRequest } from './own-requests.ts'

/** Knows when no request is under way any more. Must be called before anything else hooks into the app. */
export function followRequests (app: FastifyInstance): { isDraining: () => boolean, drain: () => Promise<void> } {
  /** Requests under way on each connection. */
  const connections = new Map<Socket, number>()
  let underWay = 0
  let whenIdle: (() => void) | undefined
  const isDraining = () => whenIdle !== undefined

  const count = (socket: Socket, change: number): void => {
    const requests = connections.get(socket)
    if (requests === undefined) return
    connections.set(socket, requests + change)
    underWay += change
    if (underWay === 0) whenIdle?.()
  }
  const follow = (socket: Socket): void => {
    if (connections.has(socket) || socket.destroyed) return
    connections.set(socket, 0)
    socket.once('close', () => {
      // Answers whose turn never came are not closed one by one.
      count(socket, -(connections.get(socket) ?? 0))
      connections.delete(socket)
    })
  }
  app.server.on('connection', follow)
  app.addHook('onRequest', (request, reply, done) => {
    // It is part of another one.
    if (isOwnRequest(request)) return done()
    const { socket } = request
    // On the second address of `localhost` it is new.
    follow(socket)
    count(socket, 1)
    reply.raw.once('close', () => count(socket, -1))
    done()
  })
  app.addHook('onSend', async (_request, reply) => {
    if (isDraining()) reply.header('connection', 'close')
  })
  // Closing ends connections that have had their answers, and waits for those that never asked or not to the end.
  app.addHook('preClose', async () => {
    for (const [socket, requests] of connections) if (requests === 0) socket.destroy()
  })
  return {
    isDraining,
    drain: () => new Promise((resolve) => {
      whenIdle = resolve
      if (underWay === 0) resolve()
    })
  }
}
