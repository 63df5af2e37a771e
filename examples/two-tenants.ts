/**
 * Two tenants in sibling scopes, over one store: the sessions, API keys and limits of one are nothing to the other.
 *
 * @module
 */
import Fastify from 'fastify'
import { type ApiKeySource, authenticateApiKey, createApiKeyRegistry } from 'fastify-doc-tokens/credentials'
import { createKeyRing, generateKey } from 'fastify-doc-tokens/keys'
import { type DocumentSessions, sessionIssuance } from 'fastify-doc-tokens/session-issuance'
import { createMemoryStore } from 'fastify-doc-tokens/stores/memory'

const port = Number(process.env['PORT'] ?? 3000)
const store = createMemoryStore()
const registry = createApiKeyRegistry({ store })
// One ring does for both, since the name is part of each token. With a ring for each, a key that leaks is that of one.
const keys = createKeyRing([{ key: await generateKey('ES256') }])

const tenants = [
  { name: 'acme', permissions: ['read', 'sign'], perMinute: 600 },
  { name: 'globex', permissions: ['read', 'annotate'], perMinute: 60 }
]

/** Finds the API keys of one owner. Those of the others are unknown here. */
function keysOf (owner: string): ApiKeySource {
  return {
    find: async (presented) => {
      const record = await registry.find(presented)
      return record?.owner === owner ? record : undefined
    }
  }
}

const app = Fastify()
for (const { name, permissions, perMinute } of tenants) {
  const credentials = keysOf(name)
  await app.register(async (scope) => {
    await scope.register(sessionIssuance, { issuer: `http://localhost:${port}`, name, keys, permissions, store, credentials, limits: { credential: { max: perMinute } } })
    const sessions = scope.getDecorator<DocumentSessions<string>>('documentSessions')

    for (const permission of permissions) {
      scope.get(`/documents/:id/${permission}`, { onRequest: sessions.require(permission, { param: 'id' }) },
        async (request) => `${name}: ${request.documentSession?.subject} may ${permission}`)
    }
    // Ends all sessions of the tenant.
    scope.post('/sign-out', async (request, reply) => {
      await authenticateApiKey(credentials, String(request.headers['x-api-key']), { flow: 'session-issuance' })
      await sessions.revokeAll({ owner: name })
      return reply.code(204).send()
    })
  }, { prefix: `/${name}` })
}

const url = await app.listen({ port })
console.log(`listening on ${url}`)
for (const { name } of tenants) {
  const { secret } = await registry.create({ owner: name })
  console.log(`
curl -X POST ${url}/${name}/viewer/sessions -H 'Authorization: Bearer ${secret}' \\
  -H 'Content-Type: application/json' -d '{"allowed_documents":[{"document_id":"contract"}]}'`)
}
