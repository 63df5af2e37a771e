/**
 * An app with all that real ones have, where the flow under test is a guest (T24). Whatever could reach into the flow
 * from outside is here once: hooks of every kind at the root, a login among them, parsers, a coercing validator,
 * serializers, error handlers, a limiter, and names that a flow might want for itself.
 *
 * Everything is deterministic but `Date` and when a limit resets, so answers can be compared byte by byte.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { PassThrough, Readable } from 'node:stream'
import auth from '@fastify/auth'
import cookie from '@fastify/cookie'
import formbody from '@fastify/formbody'
import jwt from '@fastify/jwt'
import rateLimit from '@fastify/rate-limit'
import swagger from '@fastify/swagger'
import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest, type FastifyServerOptions } from 'fastify'
import { type Test } from 'tap'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Open to people who are not signed in, and none of the wrapping of the host's own answers. */
    public?: boolean
  }
}

export interface HostPlan {
  /** Options of the server, over what the host has itself. */
  server?: FastifyServerOptions
  /** Registers the flow under test, and the routes of its suite, which the host holds to be public. Absent: the host is alone. */
  register?: (scope: FastifyInstance) => Promise<void>
  /** Registers a second instance with another `name`, in a scope beside it, under the prefix `/other`. */
  sibling?: (scope: FastifyInstance) => Promise<void>
  /** Sees the host when it is complete, and before a guest comes. */
  onComplete?: (app: FastifyInstance) => void
}

/** Signs the host's cookies and its JWT. */
const SECRET = 'a secret of the host, and of nobody else'

const NAMES = ['store', 'keys', 'sessions', 'tokens', 'credentials', 'issuer', 'limits', 'verify']

export interface Host {
  /** The root: to inject into, and to let listen. */
  app: FastifyInstance
  /** Where the flow and its decorators live, and where a test adds routes, hooks and handlers. */
  scope: FastifyInstance
  /** Headers of somebody who is signed in to the host. */
  login: Record<string, string>
}

export async function hostileHost (t: Test, { server = {}, register, sibling, onComplete }: HostPlan = {}): Promise<Host> {
  let requests = 0
  const options: FastifyServerOptions = {
    bodyLimit: 4096,
    genReqId: () => `host-${++requests}`,
    requestIdHeader: 'x-request-id',
    return503OnClosing: false,
    onProtoPoisoning: 'remove',
    onConstructorPoisoning: 'remove',
    ajv: { customOptions: { coerceTypes: 'array', removeAdditional: 'all', useDefaults: true, allErrors: true } },
    rewriteUrl: ({ url = '/' }) => url.startsWith('/old/') ? url.slice(4) : url,
    frameworkErrors: ({ code }, _request, reply: FastifyReply) => { reply.code(400).send({ host: code }) },
    ...server,
    logger: { ...logger, ...typeof server.logger === 'object' && server.logger },
    routerOptions: { caseSensitive: false, ignoreTrailingSlash: true, ignoreDuplicateSlashes: true, ...server.routerOptions }
  }
  const app = Fastify(options)
  t.teardown(() => app.close())

  decorate(app)
  await addPlugins(app)
  addHooks(app)
  addSerializers(app)
  addErrorHandlers(app)
  addRoutes(app)

  onComplete?.(app)
  let scope: FastifyInstance = app
  if (sibling !== undefined) await app.register(sibling, { prefix: '/other' })
  if (register !== undefined) {
    await app.register(async (inner) => {
      scope = inner
      inner.addHook('onRoute', function (route) {
        // Those of the flow are further inside, and have to say for themselves what they are.
        if (this === inner) route.config = { ...route.config, public: true }
      })
      await register(inner)
    })
  }
  return { app, scope, login: { cookie: `login=${encodeURIComponent(app.signCookie('ada'))}` } }
}

/** Where a test has no stream to look at, into nothing. */
const logger = {
  level: 'info',
  stream: { write: () => {} },
  serializers: {
    req: ({ method, routeOptions }: Pick<FastifyRequest, 'method' | 'routeOptions'>) => ({ method, route: routeOptions.url }),
    err: ({ name, message, code, cause }: FastifyError) => ({ type: name, message, stack: '', code, cause: String(cause) })
  }
}

/** Names that a flow could be tempted to take, on everything that takes names. */
function decorate (app: FastifyInstance): void {
  for (const name of NAMES) app.decorate(name, `the host's own ${name}`)
  for (const name of ['session', 'token', 'caller', 'credential', 'document', 'trail']) app.decorateRequest(name)
  for (const name of ['error', 'refuse', 'challenge', 'token']) app.decorateReply(name, function (this: FastifyReply) { return this.code(500).send(`the host's own ${name}`) })
}

async function addPlugins (app: FastifyInstance): Promise<void> {
  app.addHttpMethod('PROPFIND', { hasBody: true })
  app.addSchema({ $id: 'Account', type: 'object', required: ['name'], properties: { name: { type: 'string', minLength: 1 }, age: { type: 'integer' }, role: { type: 'string', default: 'reader' } } })
  await app.register(cookie, { secret: SECRET })
  await app.register(formbody)
  await app.register(jwt, { secret: SECRET, sign: { noTimestamp: true } })
  await app.register(auth)
  await app.register(swagger, {
    openapi: {
      info: { title: 'The host', version: '1' },
      components: { securitySchemes: { login: { type: 'apiKey', in: 'cookie', name: 'login' } } }
    }
  })
  await app.register(rateLimit, {
    max: 100_000,
    timeWindow: '1 hour',
    // A guest's own limiter would let everybody pass with the one, and take all for one with the other.
    allowList: (request) => !isOwn(request),
    keyGenerator: () => 'everybody',
    errorResponseBuilder: (_request, { max }) => Object.assign(new Error(`The host takes ${max}`), { statusCode: 429 })
  })
  app.addContentTypeParser('*', (_request, payload, done) => {
    let bytes = 0
    payload.on('data', (chunk: Buffer) => { bytes += chunk.length })
    payload.on('end', () => { done(null, { bytes }) })
    payload.on('error', done)
  })
}

/** Hooks of every kind, each of which leaves its name behind, so that the order in which they ran can be seen. */
function addHooks (app: FastifyInstance): void {
  const leave = (request: FastifyRequest, hook: string): void => {
    const { trail = '' } = request as { trail?: string }
    Object.assign(request, { trail: `${trail} ${hook}` })
  }
  // Meant for the limiter of the host, which was here before.
  app.addHook('onRoute', (route) => { route.config = { rateLimit: { max: 100_000 }, ...route.config } })
  app.addHook('onRegister', (instance) => { Object.assign(instance, { depth: Number(Reflect.get(instance, 'depth') ?? 0) + 1 }) })
  app.addHook('onReady', async () => { await sleep(0) })
  app.addHook('onListen', async () => { await sleep(0) })
  app.addHook('preClose', async () => { await sleep(0) })
  app.addHook('onClose', async () => { await sleep(0) })

  // The login. Whatever says nothing of itself is closed to strangers.
  app.addHook('onRequest', async (request, reply) => {
    leave(request, 'onRequest')
    const { public: isPublic, docTokens } = request.routeOptions.config
    const { valid, value } = request.unsignCookie(request.cookies['login'] ?? '')
    if (valid) Object.assign(request, { user: { name: value }, session: { name: value } })
    else if (!request.is404 && isPublic !== true && docTokens?.caller !== 'machine') return await reply.code(401).header('www-authenticate', 'Cookie').send({ host: 'Please sign in first' })
  })
  app.addHook('preParsing', async (request, _reply, payload) => {
    leave(request, 'preParsing')
    // As a decompressor does it.
    return payload.pipe(new PassThrough())
  })
  app.addHook('preValidation', async (request) => {
    leave(request, 'preValidation')
    const { body } = request
    if (typeof body === 'object' && body !== null) request.body = structuredClone(body)
  })
  app.addHook('preHandler', async (request) => { leave(request, 'preHandler') })
  app.addHook('preSerialization', async (request, reply, payload) => {
    leave(request, 'preSerialization')
    return isGuarded(request) || reply.statusCode >= 400 ? payload : { data: payload }
  })
  app.addHook('onError', async (request) => { leave(request, 'onError') })
  app.addHook('onSend', async (request, reply, payload) => {
    leave(request, 'onSend')
    reply.header('x-host-trail', String(Reflect.get(request, 'trail')).trim())
    reply.header('x-host-request', request.id)
    reply.header('vary', 'Accept-Encoding')
    if (!isGuarded(request)) reply.header('cache-control', 'public, max-age=60')
    await sleep(0)
    return isOwn(request) && typeof payload === 'string' ? payload.replaceAll('{{host}}', 'the host') : payload
  })
  app.addHook('onResponse', async (request) => { leave(request, 'onResponse') })
  app.addHook('onTimeout', async (request) => { leave(request, 'onTimeout') })
  app.addHook('onRequestAbort', async (request) => { leave(request, 'onRequestAbort') })
}

/** A route of the suite's. The routes of a flow say nothing of themselves but whose they are, and get what the host's get. */
function isGuarded ({ routeOptions: { config } }: FastifyRequest): boolean {
  return config.public === true && Reflect.get(config, 'own') !== true
}

/** Whether the host has the say over what the answer looks like. */
function isOwn ({ routeOptions: { config } }: FastifyRequest): boolean {
  return Reflect.get(config, 'own') === true
}

/** JSON with line breaks, which is not how a flow writes it. */
function addSerializers (app: FastifyInstance): void {
  app.setSerializerCompiler(() => (value) => JSON.stringify(value, null, 2))
  app.setReplySerializer((value) => JSON.stringify(value, null, 1))
}

function addErrorHandlers (app: FastifyInstance): void {
  app.setErrorHandler(async (error: FastifyError, _request, reply) => {
    const { statusCode = 500, code, message } = error
    return await reply.code(statusCode < 400 ? 500 : statusCode).send({ host: message, code })
  })
  app.setNotFoundHandler({ preHandler: app.rateLimit({ max: 100_000 }) }, async ({ method }, reply) => await reply.code(404).type('text/plain').send(`${method} finds nothing here`))
}

/** Routes of the host's own, one for each thing that could come out otherwise. */
function addRoutes (app: FastifyInstance): void {
  const open = { public: true, own: true } as const
  const own = { own: true } as const
  const account = { $ref: 'Account#' }

  app.get('/', { config: open }, async (_request, reply) => await reply.type('text/html').send('<h1>{{host}}</h1>'))
  app.get('/json', { config: open }, async ({ query }) => ({ query, from: '{{host}}' }))
  app.get('/text', { config: open }, async () => 'text of {{host}}')
  app.get('/bytes', { config: open }, async () => Buffer.from('bytes'))
  app.get('/stream', { config: open }, async (_request, reply) => await reply.type('text/plain').send(Readable.from(['one', 'two'])))
  app.get('/nothing', { config: open }, async (_request, reply) => await reply.code(204).send())
  app.get('/elsewhere', { config: open }, async (_request, reply) => await reply.redirect('/'))
  app.get('/hijacked', { config: open }, (_request, reply) => { reply.hijack(); reply.raw.end('hijacked') })
  app.get('/whole', { config: open, schema: { response: { 200: { type: 'object', properties: { data: account } } } } }, async () => ({ name: 'ada', born: 1815 }))
  app.post('/accounts', { config: open, schema: { body: account, querystring: { type: 'object', properties: { dry: { type: 'boolean' } } } } }, async ({ body, query }, reply) => await reply.code(201).send({ body, query }))
  app.post('/anything', { config: open }, async ({ body, headers }) => ({ body, type: headers['content-type'] }))
  app.route({ method: 'PROPFIND', url: '/anything', config: open, handler: async ({ body }) => ({ found: body }) })
  app.get('/fails', { config: open }, async () => { throw new Error('{{host}} fails') })
  app.get('/teapot', { config: open }, async () => { throw Object.assign(new Error('short and stout'), { statusCode: 418, code: 'TEAPOT' }) })
  app.get('/limited', { config: { ...open, rateLimit: { max: 2 } } }, async () => 'within the limit')
  app.get('/late', { config: open, onRequest: app.rateLimit({ max: 2 }) }, async () => 'not so late')

  app.post('/login', { config: open }, async (_request, reply) => await reply.setCookie('login', 'ada', { signed: true, httpOnly: true, path: '/' }).send({ token: app.jwt.sign({ name: 'ada' }) }))
  app.get('/logout', { config: own }, async (_request, reply) => await reply.clearCookie('login').send('bye'))
  app.get('/me', { config: own }, async ({ user, cookies }) => ({ user, cookies: Object.keys(cookies) }))

  const verifyToken = async (request: FastifyRequest): Promise<void> => { await request.jwtVerify() }
  const verifyKey = async ({ headers }: FastifyRequest): Promise<void> => { if (headers['x-key'] !== 'of the host') throw Object.assign(new Error('no key'), { statusCode: 403 }) }
  app.get('/by-token', { config: open, onRequest: verifyToken }, async ({ user }) => ({ user }))
  app.get('/by-either', { config: open, preHandler: app.auth([verifyToken, verifyKey]) }, async ({ user }) => ({ user: user ?? null }))
  app.get('/by-both', { config: open, preHandler: app.auth([verifyToken, verifyKey], { relation: 'and' }) }, async ({ user }) => ({ user }))

  app.get('/openapi.json', { config: { public: true } }, async () => app.swagger())
  // The decorators of a flow are meant to be there: `without` names them.
  app.get<{ Querystring: { without?: string } }>('/shape', { config: open }, async (request, reply) => ({
    names: [app, request, reply].map((target) => namesOf(target).filter((name) => request.query.without?.split(',').includes(name) !== true)),
    values: NAMES.map((name) => Reflect.get(app, name)),
    depth: Reflect.get(app, 'depth') ?? null
  }))
}

/** What an object of Fastify's has, its own and by prototype. */
function namesOf (target: object): string[] {
  const names = []
  for (let object: unknown = target; typeof object === 'object' && object !== null && object !== Object.prototype; object = Object.getPrototypeOf(object)) names.push(...Reflect.ownKeys(object).map(String))
  return names
}
