import { randomBytes } from 'node:crypto'
import Fastify from 'fastify'
import { createApiKeyRegistry } from 'fastify-doc-tokens/credentials'
import { parseNamedKey } from 'fastify-doc-tokens/keys'
import { opaqueTokens } from 'fastify-doc-tokens/opaque-tokens'
import { createMemoryStore } from 'fastify-doc-tokens/stores/memory'

const store = createMemoryStore()
const credentials = createApiKeyRegistry({ store })
// Keep yours where the store is not: who can write to the store and has the pepper can make tokens.
const pepper = parseNamedKey(process.env['TOKEN_PEPPER'] ?? `1:${randomBytes(32).toString('base64')}`)

const app = Fastify()
// POST /generate with the API key, and GET /verify with the token that it answers. With `verifiers`, a token is worth
// nothing without an API key of the editor's server.
await app.register(opaqueTokens, { store, credentials, pepper })
app.get('/open', { onRequest: app.opaqueTokens.require() },
  async (request, reply) => reply.header('cache-control', 'no-store').send(`opens ${request.opaqueToken?.parameters['file']}`))

const { secret } = await credentials.create()
console.log(`listening on ${await app.listen({ port: Number(process.env['PORT'] ?? 3000) })}, API key ${secret}`)
