/** What a host does with the package. `load` imports or requires a subpath. */
import { strict as assert } from 'node:assert'
import { createHmac, randomBytes } from 'node:crypto'
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
  },

  async 'fastify-doc-tokens/config-signing' (app, load) {
    const { configSigning, createEditorSignatures } = await load('fastify-doc-tokens/config-signing')
    const { createMemoryStore } = await load('fastify-doc-tokens/stores/memory')

    const [inbox, outbox] = ['k3PzV9wQe7LxT1bN6mYc4RfH8sUj2GdA', 'Zt5XoW0nBq8MvK2hEr7CyLd4JgSi9PuF']
    const saved = []
    await app.register(configSigning, {
      inbox,
      outbox,
      store: createMemoryStore(),
      allowedUrls: { server: ['https://app.example'], browser: [] },
      onRequest: async (request, reply) => { if (request.headers.cookie !== 'login=ada') return await reply.code(401).send() },
      authorize: {
        config: async (_request, { documentId }) => documentId === 'contract'
          ? { document: { key: 'contract-1', url: 'https://app.example/files/contract', permissions: { edit: true } }, editorConfig: { callbackUrl: 'https://app.example/callbacks/contract', mode: 'edit', user: { id: 'ada' } } }
          : null,
        methods: { setRevisedFile: () => ({ fileType: 'docx', url: 'https://app.example/files/draft' }) },
        explain: () => true
      }
    })
    app.post('/callbacks/:id', app.editorSignatures.requireCallback({ document: ({ params }) => `${params.id}-1`, downloadOrigins: ['https://docs.example'] }, async ({ type, url }) => { saved.push([type, url]) }))
    app.get('/files/:id', { onRequest: app.editorSignatures.requireDownload({ origin: 'https://app.example' }) }, async () => 'the file')

    const ask = (path, payload, headers) => app.inject({ method: 'POST', url: path, headers: { 'sec-fetch-site': 'same-origin', cookie: 'login=ada', ...headers }, payload })
    const answer = await ask('/editor/config', { documentId: 'contract', lang: 'de' })
    assert.equal(answer.statusCode, 200, answer.body)
    const { token, ...config } = answer.json()
    assert.equal(config.editorConfig.lang, 'de')
    assert.equal((await ask('/editor/explain', { token, config })).json().accepted, true)
    assert.equal((await app.editorSignatures.verifyConfig(token, { ...config, document: { ...config.document, permissions: {} } })).code, 4004)
    assert.equal((await ask('/editor/methods/setRevisedFile', {})).statusCode, 200)
    assert.equal((await ask('/editor/methods/insertImage', {})).statusCode, 404)
    assert.equal((await ask('/editor/config', { documentId: 'handbook' })).statusCode, 403)
    assert.equal((await ask('/editor/config', { documentId: 'contract', document: { key: 'handbook-1' } })).statusCode, 400)
    assert.equal((await ask('/editor/config', { documentId: 'contract' }, { cookie: '' })).statusCode, 401)
    assert.equal((await ask('/editor/config', { documentId: 'contract' }, { 'sec-fetch-site': 'cross-site' })).statusCode, 403)

    const iat = Math.floor(Date.now() / 1000)
    const save = { key: 'contract-1', status: 2, url: 'https://docs.example/output.docx', users: ['ada'], iat, exp: iat + 300 }
    assert.equal((await ask('/callbacks/contract', { token: hs256(save, outbox) })).body, '{"error":0}')
    for (const refused of [save, { token }, { token: hs256(save, inbox) }]) assert.equal((await ask('/callbacks/contract', refused)).statusCode, 403)
    assert.equal((await ask('/callbacks/handbook', { token: hs256({ ...save, iat: iat - 1 }, outbox) })).statusCode, 403)
    assert.deepEqual(saved, [['save', 'https://docs.example/output.docx']])

    const headers = { authorization: `Bearer ${hs256({ payload: { url: 'https://app.example/files/contract' }, iat, exp: iat + 300 }, outbox)}` }
    assert.equal((await app.inject({ url: '/files/contract', headers })).body, 'the file')
    assert.equal((await app.inject({ url: '/files/handbook', headers })).statusCode, 403)
    assert.equal((await app.inject({ url: '/files/contract' })).statusCode, 401)

    const { signConfig } = createEditorSignatures({ inbox, expiresIn: false })
    assert.equal((await signConfig(config)).token, hs256(config, inbox))
  },

  async 'fastify-doc-tokens/opaque-tokens' (app, load) {
    const { opaqueTokens } = await load('fastify-doc-tokens/opaque-tokens')
    const { createApiKeyRegistry } = await load('fastify-doc-tokens/credentials')
    const { parseNamedKey } = await load('fastify-doc-tokens/keys')
    const { createMemoryStore } = await load('fastify-doc-tokens/stores/memory')

    const store = createMemoryStore()
    const credentials = createApiKeyRegistry({ store })
    const partner = (await credentials.create({ owner: 'acme', flows: ['opaque-tokens'] })).secret
    const editor = (await credentials.create({ flows: ['opaque-verification'] })).secret
    await app.register(opaqueTokens, { store, pepper: parseNamedKey(`1:${randomBytes(32).toString('base64')}`), credentials, verifiers: credentials, maxUses: 2 })
    app.get('/open', { onRequest: app.opaqueTokens.require() }, async ({ opaqueToken }) => opaqueToken.parameters.file)

    const generate = (key, payload) => app.inject({ method: 'POST', url: '/generate', headers: { 'x-api-key': key, 'content-type': 'application/json' }, payload })
    const verify = (token, key) => app.inject({ url: '/verify', headers: { 'x-api-token': token, 'x-api-key': key, 'content-type': 'application/json' } })
    const answer = await generate(partner, '{"file":"plan.dwg","2":1.50}')
    assert.equal(answer.statusCode, 200, answer.body)
    const { token } = answer.json()
    for (const key of [partner, '']) assert.equal((await verify(token, key)).json().message, 'Wrong token')
    assert.equal((await verify(token, editor)).body, '{"auth":"acme","file":"plan.dwg","2":1.50}')
    assert.equal((await app.inject({ url: '/open', headers: { 'x-api-token': token } })).body, 'plan.dwg')
    assert.equal((await app.inject({ url: '/open', headers: { 'x-api-token': token } })).statusCode, 403)
    for (const payload of ['{', '[]', '{}', '{"a":{}}', '{"a":1,"a":1}', '{"a":1e999}', '{"__proto__":1}']) assert.equal((await generate(partner, payload)).statusCode, 400, payload)
    assert.equal((await generate(editor, '{"a":1}')).statusCode, 403)
    assert.equal((await app.inject({ method: 'POST', url: '/revoke', headers: { 'x-api-key': partner, 'x-api-token': token } })).statusCode, 204)
  },

  async 'fastify-doc-tokens/client-credentials' (app, load) {
    const { clientCredentials } = await load('fastify-doc-tokens/client-credentials')
    const { createTokenSource } = await load('fastify-doc-tokens/client')
    const { createClientRegistry } = await load('fastify-doc-tokens/credentials')
    const { createKeyRing, generateKey } = await load('fastify-doc-tokens/keys')
    const { createMemoryStore } = await load('fastify-doc-tokens/stores/memory')

    const [issuer, store] = ['http://127.0.0.1:3000', createMemoryStore()]
    const clients = createClientRegistry({ store })
    const { record: { id: clientId }, secret: clientSecret } = await clients.create({ scopes: ['api.read'] })
    await app.register(clientCredentials, { issuer, store, keys: createKeyRing([{ key: await generateKey('RS256') }]), scopes: ['api.read', 'api.write'], clients })
    app.get('/formats', { onRequest: app.accessTokens.require('api.read') }, async ({ accessToken }) => accessToken.client)
    app.post('/formats', { onRequest: app.accessTokens.require('api.read', 'api.write') }, async () => 'written')

    const post = (url, fields) => app.inject({ method: 'POST', url, headers: { 'content-type': 'application/x-www-form-urlencoded' }, payload: new URLSearchParams({ client_id: clientId, client_secret: clientSecret, ...fields }).toString() })
    const answer = await post('/connect/token', { grant_type: 'client_credentials' })
    assert.equal(answer.statusCode, 200, answer.body)
    assert.deepEqual(Object.keys(answer.json()), ['access_token', 'expires_in', 'token_type'])
    assert.equal((await post('/connect/token', { grant_type: 'client_credentials', client_secret: 'x' })).body.includes('"error":"invalid_client"'), true)
    assert.equal((await post('/connect/token', { grant_type: 'refresh_token' })).json().error, 'unsupported_grant_type')
    assert.equal((await app.inject('/.well-known/jwks.json')).json().keys.length, 1)
    assert.equal((await app.inject('/.well-known/oauth-authorization-server')).json().issuer, issuer)

    // The client of the package, at the app without a socket.
    const fetch = async (url, { method = 'GET', headers, body }) => {
      const { statusCode, headers: answered, body: text } = await app.inject({ method, url: new URL(url).pathname, headers: Object.fromEntries(new Headers(headers)), payload: body ?? undefined })
      return new Response(text, { status: statusCode, headers: answered })
    }
    const source = createTokenSource({ tokenUrl: `${issuer}/connect/token`, clientId, clientSecret, origins: [issuer], fetch })
    assert.equal(await (await source.fetch(`${issuer}/formats`)).text(), clientId)
    assert.equal((await source.fetch(`${issuer}/formats`, { method: 'POST' })).status, 403)
    assert.equal((await app.inject('/formats')).headers['www-authenticate'].startsWith('Bearer'), true)

    const token = await source.get()
    assert.equal((await post('/connect/introspect', { token })).json().active, true)
    assert.equal((await post('/connect/revocation', { token })).statusCode, 200)
    assert.equal((await post('/connect/introspect', { token })).body, '{"active":false}')
    assert.equal((await app.inject({ url: '/formats', headers: { authorization: `Bearer ${token}` } })).statusCode, 401)
    assert.equal(await (await source.fetch(`${issuer}/formats`)).text(), clientId)
  }
}

/** Signs as a document server does. */
function hs256 (payload, secret) {
  const input = [{ alg: 'HS256', typ: 'JWT' }, payload].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`
}

/** Uses each optional peer. */
export const peers = {
  // Without a server: it opens all the same, and says that there is none.
  async ioredis (load) {
    const { openRedisStore } = await load('fastify-doc-tokens/stores/redis')
    const store = await openRedisStore({ url: 'redis://127.0.0.1:1', prefix: 'smoke:' })
    await assert.rejects(store.get('key'), { code: 'FDT_STORE_UNAVAILABLE', statusCode: 503 })
    await store.close()
  },

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
