import { type FastifyPluginAsync } from 'fastify'

/** What is in this folder wants an account. */
const hooks: FastifyPluginAsync = async (app) => {
  app.addHook('onRequest', async (request, reply) => {
    if (request.account === null) return reply.code(401).send({ message: 'Please sign in' })
  })
}

export default hooks
