/**
 * A host behind nginx, with examples/behind-nginx/nginx.conf: limits count by the address of the client, not of nginx.
 *
 * @module
 */
import Fastify from 'fastify'
import { createApiKeyRegistry } from 'fastify-doc-tokens/credentials'
import { createKeyRing, generateKey } from 'fastify-doc-tokens/keys'
import { sessionIssuance } from 'fastify-doc-tokens/session-issuance'
import { createMemoryStore } from 'fastify-doc-tokens/stores/memory'

// The URL under which clients reach nginx. No header of a request changes it.
const issuer = process.env['ISSUER'] ?? 'http://localhost'
const store = createMemoryStore()
const keys = createKeyRing([{ key: await generateKey('ES256') }])
const credentials = createApiKeyRegistry({ store })

const app = Fastify({
  // Addresses and CIDRs of your proxies, with commas, and of nobody else: they are believed about where a request came from.
  trustProxy: process.env['TRUST_PROXY'] ?? '127.0.0.1',
  requestTimeout: 30_000,
  // Longer than nginx keeps an idle connection.
  keepAliveTimeout: 75_000,
  // For sessions of many documents. Node.js alone takes 16 KiB.
  http: { maxHeaderSize: 64 * 1024 }
})
await app.register(sessionIssuance, { issuer, keys, store, credentials })
app.get('/documents/:id', { onRequest: app.documentSessions.require('read', { param: 'id' }) },
  async (request) => `hello ${request.documentSession?.subject} at ${request.ip}`)

const { secret } = await credentials.create()
// Nobody but nginx on the same machine shall get here.
console.log(`listening on ${await app.listen({ host: '127.0.0.1', port: Number(process.env['PORT'] ?? 3000) })}. Through nginx:

curl -X POST ${issuer}/viewer/sessions -H 'Authorization: Bearer ${secret}' \\
  -H 'Content-Type: application/json' -d '{"allowed_documents":[{"document_id":"contract"}]}'`)
