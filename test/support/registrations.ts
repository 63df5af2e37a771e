import Fastify, { type FastifyInstance } from 'fastify'

/** What registering a flow comes to: the error, or `undefined`. */
export async function registrationError (register: (app: FastifyInstance) => PromiseLike<unknown>): Promise<{ code?: string, message?: string } | undefined> {
  const app = Fastify()
  try {
    await register(app)
    await app.ready()
    return undefined
  } catch (error) {
    return error as { code: string, message: string } // whoever asks looks at these alone
  } finally {
    await app.close()
  }
}
