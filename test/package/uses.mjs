/** What a host does with the package. `load` imports or requires a subpath. */
import { strict as assert } from 'node:assert'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Registers each flow, and sends a request that only works when the flow does. One entry per subpath of a plugin. */
export const flows = {
  async 'fastify-doc-tokens/session-issuance' (app, load) {
    const { sessionIssuance } = await load('fastify-doc-tokens/session-issuance')
    const { createKeyRing, generateKey } = await load('fastify-doc-tokens/keys')
    const { createApiKeyRegistry } = await load('fastify-doc-tokens/credentials')
    const { createMemoryStore } = await load('fastify-doc-tokens/stores/memory')

    const store = createMemoryStore()
    const credentials = createApiKeyRegistry({ store })
    const { secret } = await credentials.create()
    const keys = createKeyRing([{ key: await generateKey('ES256') }])
    await app.register(sessionIssuance, { issuer: 'http://127.0.0.1:3000', keys, store, credentials })
    app.get('/documents/:id', { onRequest: app.documentSessions.require('read', { param: 'id' }) }, async () => 'the document')

    const answer = await app.inject({
      method: 'POST',
      url: '/viewer/sessions',
      headers: { authorization: `Bearer ${secret}` },
      payload: { allowed_documents: [{ document_id: 'contract', document_permissions: ['read'] }] }
    })
    assert.equal(answer.statusCode, 201, answer.body)
    for (const payload of ['{', '[]', '{"exp":1,"exp":1}', '{"__proto__":1}', '['.repeat(100) + ']'.repeat(100), Buffer.of(0x22, 0xff, 0x22)]) {
      const refused = await app.inject({ method: 'POST', url: '/viewer/sessions', headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' }, payload })
      assert.equal(refused.statusCode, 400, refused.body)
    }
    const type = 'text/x-secret'
    const untyped = await app.inject({ method: 'POST', url: '/viewer/sessions', headers: { authorization: `Bearer ${secret}`, 'content-type': type }, payload: '{}' })
    assert.deepEqual([untyped.statusCode, untyped.body.includes(type)], [415, false])
    const headers = { authorization: `Bearer ${answer.json().jwt}` }
    assert.equal((await app.inject({ url: '/documents/contract', headers })).statusCode, 200)
    assert.equal((await app.inject({ url: '/documents/handbook', headers })).statusCode, 403)
    assert.equal((await app.inject({ url: '/documents/contract' })).statusCode, 401)
  },

  async 'fastify-doc-tokens/session-broker' (app, load) {
    const { sessionIssuance } = await load('fastify-doc-tokens/session-issuance')
    const { sessionBroker } = await load('fastify-doc-tokens/session-broker')
    const { onEvent } = await load('fastify-doc-tokens/events')
    const { createKeyRing, generateKey } = await load('fastify-doc-tokens/keys')
    const { createMemoryStore } = await load('fastify-doc-tokens/stores/memory')

    const keys = createKeyRing([{ key: await generateKey('ES256') }])
    await app.register(sessionIssuance, { issuer: 'http://127.0.0.1:3000', keys, store: createMemoryStore(), routes: false })
    await app.register(sessionBroker, {
      sessions: app.documentSessions,
      onRequest: async (request, reply) => { if (request.headers.cookie !== 'login=ada') return await reply.code(401).send() },
      authorize: async (_request, { documentId }) => documentId === 'contract' ? { subject: 'ada', documents: [{ id: documentId, permissions: ['read'] }] } : null
    })
    app.get('/documents/:id', { onRequest: app.documentSessions.require('read', { param: 'id' }) }, async () => 'the document')

    const heard = []
    const stop = ['issued', 'refused'].map((name) => onEvent(name, ({ flow }) => { heard.push([name, flow]) }))
    const ask = (documentId, headers) => app.inject({ method: 'POST', url: '/api/create-session', headers: { 'sec-fetch-site': 'same-origin', ...headers }, payload: { documentId } })
    const answer = await ask('contract', { cookie: 'login=ada' })
    assert.equal(answer.statusCode, 200, answer.body)
    assert.equal((await ask('handbook', { cookie: 'login=ada' })).body, '{"success":false,"error":"The document cannot be opened"}')
    assert.equal((await ask('contract', { cookie: 'login=ada', 'sec-fetch-site': 'cross-site' })).statusCode, 403)
    assert.equal((await ask('contract', {})).statusCode, 401)
    assert.deepEqual(heard, [['issued', 'session-issuance'], ['refused', 'session-broker'], ['refused', 'session-broker']])
    for (const end of stop) end()
    const headers = { authorization: `Bearer ${answer.json().sessionToken}` }
    assert.equal((await app.inject({ url: '/documents/contract', headers })).statusCode, 200)
    assert.equal((await app.inject({ url: '/documents/handbook', headers })).statusCode, 403)
  }
}

/** Uses each optional peer. */
export const peers = {
  async lmdb (load) {
    const { openLmdbStore } = await load('fastify-doc-tokens/stores/lmdb')
    const path = await mkdtemp(join(tmpdir(), 'fastify-doc-tokens-store-'))
    try {
      const store = await openLmdbStore({ path })
      assert.equal(await store.add('key', Uint8Array.of(1, 2)), true)
      assert.deepEqual([...await store.take('key')], [1, 2])
      await store.close()
    } finally {
      await rm(path, { recursive: true })
    }
  }
}
