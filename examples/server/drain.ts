import { type FastifyInstance } from 'fastify'

/** Knows when no request is under way any more. Must be called before anything else hooks into the app. */
export function followRequests (app: FastifyInstance): { isDraining: () => boolean, drain: () => Promise<void> } {
  let underWay = 0
  let whenIdle: (() => void) | undefined

  app.addHook('onRequest', async (_request, reply) => {
    underWay++
    // Comes for a client that went away as well.
    reply.raw.once('close', () => {
      underWay--
      if (underWay === 0) whenIdle?.()
    })
  })
  return {
    isDraining: () => whenIdle !== undefined,
    drain: () => new Promise((resolve) => {
      whenIdle = resolve
      if (underWay === 0) resolve()
    })
  }
}
