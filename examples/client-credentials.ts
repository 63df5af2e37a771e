import Fastify from 'fastify'
import { clientCredentials } from 'fastify-doc-tokens/client-credentials'
import { createClientRegistry } from 'fastify-doc-tokens/credentials'
import { createKeyRing, generateKey } from 'fastify-doc-tokens/keys'
import { createMemoryStore } from 'fastify-doc-tokens/stores/memory'

const url = `http://127.0.0.1:${process.env['PORT'] ?? 3000}`
const store = createMemoryStore()
const clients = createClientRegistry({ store })
const keys = createKeyRing([{ key: await generateKey('RS256') }])

const app = Fastify()
// POST /connect/token, /connect/introspect and /connect/revocation with the client's id and secret; keys and metadata for
// everybody. A client may also ask for a token for resource-server.ts, which is elsewhere.
await app.register(clientCredentials, { issuer: url, resources: [process.env['RESOURCE'] ?? 'http://127.0.0.1:3001'], keys, store, clients, scopes: ['files.read'] })
app.get('/files', { onRequest: app.accessTokens.require('files.read') }, async (request) => ({ files: [], client: request.accessToken?.client }))

const { record: { id }, secret } = await clients.create()
await app.listen({ port: Number(new URL(url).port) })
console.log(`listening on ${url}, client ${id}, secret ${secret}

curl -d 'grant_type=client_credentials&client_id=${id}&client_secret=${secret}' ${url}/connect/token
curl -H "Authorization: Bearer <access_token>" ${url}/files`)
