import { type FastifyPluginAsyncTypebox, Type } from '@fastify/type-provider-typebox'

const login: FastifyPluginAsyncTypebox = async (app) => {
  app.post('/', {
    schema: {
      body: Type.Object({ name: Type.String({ minLength: 1 }), pin: Type.String({ minLength: 4 }) }, { additionalProperties: false }),
      response: { 200: Type.Object({ token: Type.String() }), 401: Type.Object({ message: Type.String() }) }
    },
    config: { rateLimit: { max: 20, timeWindow: '1 minute' } }
  }, async (request, reply) => {
    const token = app.signIn(request.body.name, request.body.pin)
    if (token === undefined) return reply.code(401).send({ message: 'Wrong name or PIN' })
    return { token }
  })
}

export default login
