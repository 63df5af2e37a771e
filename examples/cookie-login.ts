/**
 * An app whose users log in with a password and a cookie: they open their own documents, and logging out ends that.
 *
 * @module
 */
import { randomBytes, scryptSync, timingSafeEqual } from 'node:crypto'
import cookie from '@fastify/cookie'
import session from '@fastify/session'
import { Type } from '@sinclair/typebox'
import Fastify from 'fastify'
import { createKeyRing, generateKey } from 'fastify-doc-tokens/keys'
import { sessionBroker } from 'fastify-doc-tokens/session-broker'
import { sessionIssuance } from 'fastify-doc-tokens/session-issuance'
import { createMemoryStore } from 'fastify-doc-tokens/stores/memory'

declare module 'fastify' {
  interface Session { user?: string }
}

const port = Number(process.env['PORT'] ?? 3000)

// The app as it was: users, who may read what, and a login.
const [password, salt] = [randomBytes(9).toString('base64url'), randomBytes(16)]
const digests = new Map(['jane', 'joe'].map((name) => [name, scryptSync(password, salt, 32)]))
const readers = new Map([['contract', ['jane']], ['handbook', ['jane', 'joe']]])

const app = Fastify()
await app.register(cookie)
await app.register(session, { secret: randomBytes(32).toString('hex'), cookie: { secure: 'auto', sameSite: 'strict' }, saveUninitialized: false })

const Login = Type.Object({ name: Type.String({ maxLength: 64 }), password: Type.String({ maxLength: 256 }) })
app.post<{ Body: { name: string, password: string } }>('/login', { schema: { body: Login } }, async (request, reply) => {
  const { name, password } = request.body
  const known = digests.get(name)
  const right = timingSafeEqual(scryptSync(password, salt, 32), known ?? randomBytes(32))
  if (!right || known === undefined) return reply.code(401).send({ error: 'wrong name or password' })
  // A new id: the one before may be known to somebody else.
  await request.session.regenerate()
  request.session.user = name
  return { hello: name }
})

// What the package adds: sessions that this app alone asks for, and a broker that asks on behalf of who is logged in.
await app.register(sessionIssuance, {
  issuer: `http://localhost:${port}`,
  keys: createKeyRing([{ key: await generateKey('ES256') }]),
  store: createMemoryStore(),
  routes: false
})
await app.register(sessionBroker, {
  sessions: app.documentSessions,
  onRequest: async (request, reply) => {
    if (request.session.user === undefined) return reply.code(401).send({ success: false, error: 'Please log in' })
  },
  limitKey: (request) => String(request.session.user),
  authorize: async ({ session: { user } }, { documentId }) => {
    if (user === undefined || readers.get(documentId)?.includes(user) !== true) return null
    return { subject: user, documents: [{ id: documentId, permissions: ['read'] }], expiresIn: 600 }
  }
})

app.get<{ Params: { id: string } }>('/documents/:id', { onRequest: app.documentSessions.require('read', { param: 'id' }) },
  async (request) => `${request.params.id}, opened by ${request.documentSession?.subject}`)

app.post('/logout', async (request, reply) => {
  const { user } = request.session
  // First what is in other hands, then the login: when the store is down, the user is still logged in and can try again.
  if (user !== undefined) await app.documentSessions.revokeAll({ subject: user })
  await request.session.destroy()
  return reply.code(204).send()
})

const url = await app.listen({ port })
console.log(`listening on ${url}: jane and joe log in with ${password}

curl -c jar -d '{"name":"jane","password":"${password}"}' -H 'Content-Type: application/json' ${url}/login
curl -b jar -d '{"documentId":"contract"}' -H 'Content-Type: application/json' -H 'Sec-Fetch-Site: same-origin' ${url}/api/create-session
curl -H "Authorization: Bearer <sessionToken>" ${url}/documents/contract
curl -b jar -X POST ${url}/logout`)
