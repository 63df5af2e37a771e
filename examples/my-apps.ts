/**
 * A "My Apps" page: users of an app make the clients by which their programs get access tokens, each user their own.
 *
 * @module
 */
import { randomBytes, scryptSync, timingSafeEqual } from 'node:crypto'
import cookie from '@fastify/cookie'
import formbody from '@fastify/formbody'
import session from '@fastify/session'
import { Type } from '@sinclair/typebox'
import Fastify, { type FastifyReply, type FastifyRequest } from 'fastify'
import { clientCredentials } from 'fastify-doc-tokens/client-credentials'
import { createClientRegistry, type RegisteredClient } from 'fastify-doc-tokens/credentials'
import { createKeyRing, generateKey } from 'fastify-doc-tokens/keys'
import { createMemoryStore } from 'fastify-doc-tokens/stores/memory'
import { escapeHtml } from './server/html-page.ts'

declare module 'fastify' {
  interface Session { user?: string }
}

const port = Number(process.env['PORT'] ?? 3000)
const MOST_APPS = 5

// The app as it was: users, and a login.
const [password, salt] = [randomBytes(9).toString('base64url'), randomBytes(16)]
const digests = new Map(['jane', 'joe'].map((name) => [name, scryptSync(password, salt, 32)]))

const app = Fastify()
await app.register(cookie)
await app.register(session, { secret: randomBytes(32).toString('hex'), cookie: { secure: 'auto', sameSite: 'strict' }, saveUninitialized: false })

// What the package adds: a token endpoint, and the clients that it knows.
const store = createMemoryStore()
const clients = createClientRegistry({ store })
await app.register(clientCredentials, {
  issuer: `http://localhost:${port}`,
  keys: createKeyRing([{ key: await generateKey('RS256') }]),
  scopes: ['files.read', 'files.write'],
  store,
  clients
})
app.get('/files', { onRequest: app.accessTokens.require('files.read') }, async (request) => ({ files: [], owner: request.accessToken?.owner }))

/** An id is public, so it has to be looked at whose it is. */
async function findOwn (request: FastifyRequest, id: string): Promise<RegisteredClient | undefined> {
  const client = await clients.get(id)
  return client?.owner === request.session.user ? client : undefined
}

/** In a real app a database of its own would know which clients a user has: this reads those of all users. */
async function listOwn (user: string): Promise<RegisteredClient[]> {
  const own: RegisteredClient[] = []
  for await (const client of clients.list()) if (client.owner === user) own.push(client)
  return own.sort((one, other) => one.createdAt - other.createdAt)
}

function sendPage (reply: FastifyReply, html: string): FastifyReply {
  return reply
    .headers({ 'cache-control': 'no-store', 'content-security-policy': "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'", 'referrer-policy': 'same-origin' })
    .type('text/html; charset=utf-8')
    .send(`<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>My Apps</title>\n${html}\n</html>\n`)
}

function row ({ id, label = '', disabled = false, scopes = [] }: RegisteredClient): string {
  const button = (action: string, text: string): string => `<form method="post" action="/apps/${id}/${action}"><button>${text}</button></form>`
  return `<li>${escapeHtml(label)}: <code>${id}</code>, ${escapeHtml(scopes.join(' '))}${disabled ? ', disabled' : `${button('secret', 'New secret')}${button('disable', 'Disable')}`}</li>`
}

await app.register(async (pages) => {
  await pages.register(formbody)
  // The cookie goes with requests of this site alone; its forms say so too.
  pages.addHook('onRequest', async (request, reply) => {
    if (request.method === 'POST' && request.headers['sec-fetch-site'] !== 'same-origin') return reply.code(403).send({ error: 'not from this site' })
  })

  const Login = Type.Object({ name: Type.String({ maxLength: 64 }), password: Type.String({ maxLength: 256 }) })
  pages.post<{ Body: { name: string, password: string } }>('/login', { schema: { body: Login } }, async (request, reply) => {
    const known = digests.get(request.body.name)
    const right = timingSafeEqual(scryptSync(request.body.password, salt, 32), known ?? randomBytes(32))
    if (!right || known === undefined) return reply.code(401).send({ error: 'wrong name or password' })
    // A new id: the one before may be known to somebody else.
    await request.session.regenerate()
    request.session.user = request.body.name
    return reply.redirect('/apps', 303)
  })

  pages.get('/', async (_request, reply) => sendPage(reply, '<form method="post" action="/login"><input name="name" autocomplete="username"><input name="password" type="password" autocomplete="current-password"><button>Log in</button></form>'))

  await pages.register(async (own) => {
    own.addHook('onRequest', async (request, reply) => {
      if (request.session.user === undefined) return reply.redirect('/', 303)
    })

    own.get('/apps', async ({ session: { user = '' } }, reply) => {
      const list = (await listOwn(user)).map(row).join('\n')
      return sendPage(reply, `<h1>My Apps</h1>\n<ul>${list}</ul>\n<form method="post" action="/apps"><input name="label" maxlength="64" required><button>New app</button></form>`)
    })

    const NewApp = Type.Object({ label: Type.String({ minLength: 1, maxLength: 64, pattern: '^[^\\p{Cc}]*$' }) })
    own.post<{ Body: { label: string } }>('/apps', { schema: { body: NewApp } }, async ({ session: { user = '' }, body: { label } }, reply) => {
      if ((await listOwn(user)).length >= MOST_APPS) return reply.code(409).send({ error: `there are ${MOST_APPS} apps already` })
      const { record, secret } = await clients.create({ owner: user, label, scopes: ['files.read'] })
      return sendPage(reply.code(201), `<p>The secret of ${escapeHtml(label)} is shown once: <code>${record.id}</code> <code>${secret}</code></p><p><a href="/apps">My Apps</a></p>`)
    })

    own.post<{ Params: { id: string } }>('/apps/:id/secret', async (request, reply) => {
      const client = await findOwn(request, request.params.id)
      if (client === undefined) return reply.callNotFound()
      const { secret } = await clients.rotate(client.id, { overlap: 3600 })
      return sendPage(reply, `<p>The new secret is shown once, and the one before is good for an hour: <code>${secret}</code></p><p><a href="/apps">My Apps</a></p>`)
    })

    own.post<{ Params: { id: string } }>('/apps/:id/disable', async (request, reply) => {
      const client = await findOwn(request, request.params.id)
      if (client === undefined) return reply.callNotFound()
      // First no new tokens, then an end of those that there are.
      await clients.disable(client.id)
      await app.accessTokens.revokeAll({ client: client.id })
      return reply.redirect('/apps', 303)
    })
  })
})

const url = await app.listen({ port })
console.log(`listening on ${url}: jane and joe log in with ${password}, in a browser`)
