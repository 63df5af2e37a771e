/**
 * An app that has @fastify/jwt for its own login: document sessions live beside it, and neither accepts the other's tokens.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import jwt from '@fastify/jwt'
import Fastify, { type FastifyRequest } from 'fastify'
import { createKeyRing, generateKey } from 'fastify-doc-tokens/keys'
import { sessionBroker } from 'fastify-doc-tokens/session-broker'
import { sessionIssuance } from 'fastify-doc-tokens/session-issuance'
import { createMemoryStore } from 'fastify-doc-tokens/stores/memory'

const port = Number(process.env['PORT'] ?? 3000)

// The app as it was: `app.jwt`, `request.user`, and a hook that wants both.
const app = Fastify()
await app.register(jwt, { secret: randomBytes(32), sign: { expiresIn: '1h' } })
const authenticate = async (request: FastifyRequest): Promise<void> => {
  // On its own, the library answers 500 to a token of another algorithm, such as a document session.
  await request.jwtVerify().catch((cause) => { throw Object.assign(new Error('Please log in', { cause }), { statusCode: 401 }) })
}
app.get('/me', { onRequest: authenticate }, async ({ user }) => user)

// What the package adds.
await app.register(sessionIssuance, {
  issuer: `http://localhost:${port}`,
  keys: createKeyRing([{ key: await generateKey('ES256') }]),
  store: createMemoryStore(),
  routes: false
})
await app.register(sessionBroker, {
  sessions: app.documentSessions,
  onRequest: authenticate,
  limitKey: nameOf,
  authorize: async (request, { documentId }) => ({
    subject: nameOf(request),
    // A real app asks its database what this user may do with this document, and returns null for nothing.
    documents: [{ id: documentId, permissions: ['read'] }]
  })
})

app.get<{ Params: { id: string } }>('/documents/:id', { onRequest: app.documentSessions.require('read', { param: 'id' }) },
  async (request) => `${request.params.id}, opened by ${request.documentSession?.subject}`)

/** Whose login it is. */
function nameOf ({ user }: { user: unknown }): string {
  if (typeof user === 'object' && user !== null && 'sub' in user && typeof user.sub === 'string') return user.sub
  throw new TypeError('the login names nobody')
}

const url = await app.listen({ port })
const login = app.jwt.sign({ sub: 'jane' })
console.log(`listening on ${url}, login of jane: ${login}

curl -d '{"documentId":"contract"}' -H 'Content-Type: application/json' -H 'Authorization: Bearer ${login}' ${url}/api/create-session
curl -H "Authorization: Bearer <sessionToken>" ${url}/documents/contract`)
