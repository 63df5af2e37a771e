/** The articles of a magazine as JSON: anybody reads what is published, authors sign in for a JWT. */
import auth from '@fastify/auth'
import jwt from '@fastify/jwt'
import swagger from '@fastify/swagger'
import Fastify, { type FastifyError, type FastifyReply, type FastifyRequest } from 'fastify'
import { type Article, type Articles, createArticles } from './articles.ts'
import * as schemas from './schemas.ts'

export interface Author { name: string, role: 'author' | 'editor' }

declare module '@fastify/jwt' {
  interface FastifyJWT { user: Author }
}

declare module 'fastify' {
  interface FastifyInstance {
    articles: Articles
    authenticate: (request: FastifyRequest) => Promise<void>
    verifyServiceKey: (request: FastifyRequest) => Promise<void>
    requireRole: (role: Author['role']) => (request: FastifyRequest) => Promise<void>
  }
}

export interface AppOptions {
  /** Signs the tokens, with HS256. */
  secret: string
  /** Lets other services ask for statistics. */
  serviceKey: string
  /** Where the accounts are: `undefined` for an unknown name or a wrong password. */
  signIn: (name: string, password: string) => Promise<Author | undefined>
  articles?: readonly Article[]
}

type ById = { Params: { id: number } }

export async function buildApp ({ secret, serviceKey, signIn, articles: given = [] }: AppOptions) {
  const app = Fastify({ ajv: { customOptions: { coerceTypes: 'array', useDefaults: true, removeAdditional: 'all' } } })
  const articles = createArticles(given)

  await app.register(swagger, {
    openapi: {
      info: { title: 'Magazine', version: '1.0.0' },
      components: { securitySchemes: { author: { type: 'http', scheme: 'bearer' }, service: { type: 'apiKey', in: 'header', name: 'x-service-key' } } }
    }
  })
  await app.register(jwt, { secret, sign: { expiresIn: '1h' } })
  await app.register(auth)

  app.decorate('articles', articles)
  app.decorate('authenticate', async (request: FastifyRequest) => {
    try {
      await request.jwtVerify()
    } catch {
      throw problem(401, 'Please sign in')
    }
  })
  app.decorate('verifyServiceKey', async (request: FastifyRequest) => {
    if (request.headers['x-service-key'] !== serviceKey) throw problem(401, 'The service key is missing or wrong')
  })
  app.decorate('requireRole', (role: Author['role']) => async (request: FastifyRequest) => {
    if (request.user.role !== role) throw problem(403, `Only for the role ${role}`)
  })

  app.setErrorHandler((error: FastifyError, request, reply) => {
    const { statusCode: status = 500 } = error
    if (status >= 500) request.log.error(error)
    return sendProblem(reply, status, status < 500 ? error.message : 'Internal error')
  })
  app.setNotFoundHandler((_request, reply) => sendProblem(reply, 404, 'There is nothing here'))

  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger())

  app.post<{ Body: { name: string, password: string } }>('/login', { schema: schemas.login }, async ({ body }, reply) => {
    const author = await signIn(body.name, body.password)
    if (author === undefined) throw problem(401, 'Wrong name or password')
    return { token: await reply.jwtSign({ name: author.name, role: author.role }) }
  })

  app.get('/me', { onRequest: [app.authenticate], schema: schemas.me }, async (request) => request.user)

  app.get<{ Querystring: { limit: number, tag: string[] } }>('/articles', { schema: schemas.list }, async ({ query }) => articles.published(query.tag).slice(0, query.limit))

  app.get<ById>('/articles/:id', { schema: schemas.one }, async ({ params }, reply) => {
    const article = articles.find(params.id)
    return article?.status === 'published' ? article : reply.callNotFound()
  })

  app.get<ById>('/drafts/:id', { onRequest: [app.authenticate], schema: schemas.draft }, async ({ params, user }, reply) => {
    const article = articles.find(params.id)
    if (article === undefined) return reply.callNotFound()
    if (article.author !== user.name && user.role !== 'editor') throw problem(403, 'This draft is somebody else\'s')
    return article
  })

  app.post<{ Body: Pick<Article, 'title' | 'text' | 'tags' | 'status'> }>('/articles', { onRequest: [app.authenticate], schema: schemas.create }, async ({ body, user }, reply) => {
    const article = articles.add({ ...body, author: user.name })
    return reply.code(201).header('location', `/drafts/${article.id}`).send(article)
  })

  app.delete<ById>('/articles/:id', { onRequest: [app.authenticate, app.requireRole('editor')], schema: schemas.remove }, async ({ params }, reply) => {
    return articles.remove(params.id) ? reply.code(204).send() : reply.callNotFound()
  })

  // People and other services alike.
  app.get('/statistics', { onRequest: app.auth([app.authenticate, app.verifyServiceKey]), schema: schemas.statistics }, async () => articles.count())

  return app
}

function problem (statusCode: number, message: string): Error {
  return Object.assign(new Error(message), { statusCode })
}

/** RFC 9457. */
function sendProblem (reply: FastifyReply, status: number, detail: string): FastifyReply {
  return reply.code(status).type('application/problem+json').send(JSON.stringify({ status, detail }))
}
