import { type FastifyPluginAsyncTypebox, Type } from '@fastify/type-provider-typebox'

const root: FastifyPluginAsyncTypebox = async (app) => {
  app.get('/', {
    schema: { response: { 200: Type.Object({ service: Type.String() }) } }
  }, async () => ({ service: 'manuals' }))
}

export default root
