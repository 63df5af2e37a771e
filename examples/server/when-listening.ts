import { type FastifyInstance } from 'fastify'

/** Tells the log something, but not before the server listens: what keeps it from that has the first word, and then the only one. */
export function whenListening ({ server }: FastifyInstance, tell: () => void): void {
  if (server.listening) tell()
  else server.once('listening', tell)
}
