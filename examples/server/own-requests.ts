import { type FastifyRequest } from 'fastify'

/** Whether the server asks itself (`app.inject`). A connection has a port on this side, `undefined` once it is gone; what stands in for one has none. */
export function isOwnRequest ({ raw: { socket } }: Pick<FastifyRequest, 'raw'>): boolean {
  return !('localPort' in socket)
}
