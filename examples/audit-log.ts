import { appendFileSync } from 'node:fs'
import Fastify from 'fastify'
import { createApiKeyRegistry } from 'fastify-doc-tokens/credentials'
import { EVENT_NAMES, onEvent } from 'fastify-doc-tokens/events'
import { createKeyRing, generateKey } from 'fastify-doc-tokens/keys'
import { sessionIssuance } from 'fastify-doc-tokens/session-issuance'
import { createMemoryStore } from 'fastify-doc-tokens/stores/memory'

// Who did what, when, and what came of it: a line for each event, written before the request is answered. When it
// cannot be written the process ends: catch it, where yours had better go on without.
const file = process.env['AUDIT_LOG'] ?? 'audit.jsonl'
for (const event of EVENT_NAMES) {
  onEvent(event, ({ time, ...members }) => {
    appendFileSync(file, `${JSON.stringify({ time: new Date(time), event, ...members })}\n`, { mode: 0o600 })
  })
}

// One event alone is typed by its name.
onEvent('locked', ({ credential, address, until }) => {
  console.warn(`somebody at ${address} guesses the secret of ${credential}, and is locked out until ${new Date(until).toISOString()}`)
})

const store = createMemoryStore()
const keys = createKeyRing([{ key: await generateKey('ES256') }])
const credentials = createApiKeyRegistry({ store })

const app = Fastify()
await app.register(sessionIssuance, { issuer: 'http://localhost:3000', keys, store, credentials })
app.get('/documents/:id', { onRequest: app.documentSessions.require('read', { param: 'id' }) },
  async (request) => `hello ${request.documentSession?.subject}`)

const { secret } = await credentials.create()
console.log(`listening on ${await app.listen({ port: Number(process.env['PORT'] ?? 3000) })}, API key ${secret}`)
