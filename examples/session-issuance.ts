import Fastify from 'fastify'
import { createApiKeyRegistry } from 'fastify-doc-tokens/credentials'
import { createKeyRing, generateKey } from 'fastify-doc-tokens/keys'
import { sessionIssuance } from 'fastify-doc-tokens/session-issuance'
import { createMemoryStore } from 'fastify-doc-tokens/stores/memory'

const store = createMemoryStore()
const keys = createKeyRing([{ key: await generateKey('ES256') }])
const credentials = createApiKeyRegistry({ store })

const app = Fastify()
await app.register(sessionIssuance, { issuer: 'http://localhost:3000', keys, store, credentials })
app.get('/documents/:id', { onRequest: app.documentSessions.require('read', { param: 'id' }) },
  async (request) => `hello ${request.documentSession?.subject}`)

const { secret } = await credentials.create()
console.log(`listening on ${await app.listen({ port: Number(process.env['PORT'] ?? 3000) })}, API key ${secret}`)
