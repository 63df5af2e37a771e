/** T34: all flows of the plugins run through every success and every refusal, and nothing that was written holds a secret. */
import { createServer } from 'node:http'
import { type AddressInfo } from 'node:net'
import { inspect } from 'node:util'
import { randomBytes } from 'node:crypto'
import Fastify, { type FastifyReply, type FastifyRequest, type InjectOptions } from 'fastify'
import t, { type Test } from 'tap'
import { createApiKeyRegistry, createClientRegistry, createSecret } from '../../lib/credentials/index.ts'
import { EVENT_NAMES } from '../../lib/events.ts'
import { publish } from '../../lib/publish.ts'
import { createKeyRing, generateKey, openStoredKeyRing, type RingKey } from '../../lib/keys/index.ts'
import { createMemoryStore } from '../../lib/stores/memory.ts'
import { type TokenStore } from '../../lib/stores/token-store.ts'
import { clientCredentials } from '../../plugins/client-credentials/index.ts'
import { type AskedOfEditor, configSigning, createEditorSignatures, type EditorAuthorization } from '../../plugins/config-signing/index.ts'
import { createOpaqueTokens, opaqueTokens } from '../../plugins/opaque-tokens/index.ts'
import { sessionBroker } from '../../plugins/session-broker/index.ts'
import { createDocumentSessions, sessionIssuance } from '../../plugins/session-issuance/index.ts'
import { bodyToken, DOCS, headerToken, SAVE } from '../support/editor-tokens.ts'
import { faultyStore } from '../support/faulty-store.ts'
import { FORM } from '../support/oauth-host.ts'
import { recordEvents } from '../support/recorded-events.ts'
import { findLeaks, partsOf, type Place, type Secrets, spellings } from '../support/secrecy-net.ts'
import { claimsOf, ISSUER } from '../support/session-host.ts'
import { forge } from '../support/tokens.ts'

/** What a host logs of a request that does not want paths and queries in its log. */
const DISCREET_SERIALIZERS = { req: ({ method, routeOptions, ip }: FastifyRequest) => ({ method, route: routeOptions.url, remoteAddress: ip }) }

/** What such a host answers where Fastify would repeat the URL, in the log too. */
function answerNotFound (_request: FastifyRequest, reply: FastifyReply): FastifyReply {
  return reply.code(404).send({ statusCode: 404, error: 'Not Found' })
}

/** Takes in all that is written to the standard output and error until it is told to end. */
function recordOutput (isShown = true): { written: () => Place[], end: () => void } {
  const written = { stdout: '', stderr: '' }
  const ends = (['stdout', 'stderr'] as const).map((name) => {
    const stream = process[name]
    const { write } = stream
    stream.write = (...args: unknown[]) => {
      written[name] += typeof args[0] === 'string' ? args[0] : Buffer.from(args[0] as Uint8Array).toString() // what a stream can be given
      return isShown ? Reflect.apply(write, stream, args) : true
    }
    return () => { stream.write = write }
  })
  return { written: () => Object.entries(written).map(([name, text]) => ({ name, text })), end: () => { for (const end of ends) end() } }
}

/** What is written meanwhile, and is not shown. */
function outputOf (write: () => void): Place[] {
  const { written, end } = recordOutput(false)
  try {
    write()
  } finally {
    end()
  }
  return written()
}

/** A store, and every key and value that it was ever given, counters too. */
function recordStore (store: TokenStore): { store: TokenStore, written: () => Place } {
  const given: string[] = []
  const recorded = new Proxy(store, {
    get: (target, name) => {
      const method: unknown = Reflect.get(target, name)
      if (typeof method !== 'function') return method
      return (...args: unknown[]) => {
        for (const arg of args) given.push(arg instanceof Uint8Array ? Buffer.from(arg).toString() : String(arg))
        return Reflect.apply(method, target, args)
      }
    }
  })
  return { store: recorded, written: () => ({ name: 'store', text: given.join('\n') }) }
}

/** A service beside us that answers whatever comes to its mind, what it was sent included. */
async function babbler (t: Test, answer: () => { status: number, body: string }): Promise<string> {
  const server = createServer((request, reply) => {
    const { status, body } = answer()
    reply.writeHead(status, { 'content-type': 'application/json', location: `/?${request.headers.authorization}`, 'x-key': String(request.headers.authorization) })
    reply.end(body.replace('<key>', String(request.headers.authorization)))
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  t.teardown(() => new Promise((resolve) => {
    server.closeAllConnections()
    server.close(resolve)
  }))
  const { port } = server.address() as AddressInfo // it listens on a port
  return `http://127.0.0.1:${port}/viewer/sessions`
}

/** Where the net is cast. */
interface Catch {
  /** Must be nowhere. */
  secrets: Secrets
  /** Are told to whom they are issued: must be nowhere else. */
  handles: Secrets
  /** Open what they name to whoever knows them: must be nowhere but with who is let in. */
  capabilities: Secrets
  /** What came with requests and is no secret: must be nowhere but in events, and tokens. */
  parameters: Secrets
  /** Must not be in answers or events. What a driver says of its failure is for the log. */
  failures: Secrets
  places: Place[]
}

interface Net {
  /** Of the host: the default is Fastify's own. */
  isDiscreet: boolean
  t: Test
}

async function runAllFlows ({ t, isDiscreet }: Net): Promise<Catch> {
  const log: string[] = []
  const events = recordEvents(t)
  const output = recordOutput()
  t.teardown(output.end)
  const { store: faulty, fault } = faultyStore(createMemoryStore())
  const { store, written } = recordStore(faulty)
  const logger = { level: 'trace', stream: { write: (line: string) => { log.push(line) } }, ...(isDiscreet && { serializers: DISCREET_SERIALIZERS }) }
  const app = isDiscreet ? Fastify({ logger, frameworkErrors: (_error, request, reply) => answerNotFound(request, reply) }) : Fastify({ logger })
  t.teardown(() => app.close())
  if (isDiscreet) app.setNotFoundHandler(answerNotFound)

  const registry = createApiKeyRegistry({ store })
  const retired = createKeyRing([{ key: await generateKey('ES256') }]).signing()
  const ring = await openStoredKeyRing({ store, name: 'sessions', keyEncryptionKeys: [{ id: '1', key: randomBytes(32) }] })
  t.teardown(() => ring.close())
  const hmac = createKeyRing([{ key: { kty: 'oct', alg: 'HS256', k: randomBytes(32).toString('base64url') } }])
  const documentEngineKeys = createKeyRing([{ key: await generateKey('ES256') }])
  const sessions = await createDocumentSessions({ issuer: ISSUER, store, keys: ring, documentEngineKeys })
  const guard = sessions.require
  app.get('/documents/:id', { onRequest: guard('read', { param: 'id' }) }, async () => 'text')
  app.get('/cookie/:id', { onRequest: guard('read', { param: 'id', cookie: 'session' }) }, async () => 'text')
  app.post('/cookie/:id', { onRequest: guard('read', { param: 'id', cookie: 'session' }) }, async () => 'text')
  app.get('/header/:id', { onRequest: guard('read', { param: 'id', header: 'x-session' }) }, async () => 'text')
  await app.register(async (scope) => {
    await scope.register(sessionIssuance, { sessions, credentials: registry, optionalMembers: ['user_id', 'nbf', 'allowed_origins'], limits: { address: false, credential: false, failures: false } })
  })
  await app.register(async (scope) => {
    await scope.register(sessionIssuance, { issuer: ISSUER, store, credentials: registry, keys: hmac, name: 'limited', prefix: '/limited', limits: { address: { max: 40 }, failures: { max: 2 } } })
  })

  // What the user may open comes from the host; what a browser sends does not.
  const user = 'jane.doe+confidential@example.com'
  const document = 'confidential document "4711"/õ'
  const origin = 'https://confidential-origin.example'
  const remoteKey = createSecret('key')
  const remoteToken = forge({ alg: 'ES256', typ: 'x' }, { sub: randomBytes(16).toString('hex') }, retired)
  const answers = [
    { status: 201, body: `{"jwt":"${remoteToken}"}` }, { status: 500, body: '{"error":"<key>"}' }, { status: 401, body: '<key>' }, { status: 302, body: '<key>' },
    { status: 201, body: `{"jwt":"<key>","${remoteToken}":1}` }, { status: 201, body: `${remoteToken}<key>` }, { status: 201, body: `{"jwt":"${remoteToken.repeat(300)}"}` }
  ]
  let answered = 0
  const url = await babbler(t, () => answers[answered++ % answers.length] ?? { status: 500, body: '' })
  const authorize = (_request: FastifyRequest, { documentId }: { documentId: string }) => documentId === 'none' ? null : { subject: user, documents: [{ id: document, permissions: ['read'] as const }] }
  await app.register(async (scope) => { await scope.register(sessionBroker, { sessions, authorize, limits: { address: false } }) })
  await app.register(async (scope) => { await scope.register(sessionBroker, { name: 'remote', prefix: '/remote', store, remote: { url, apiKey: remoteKey, sendSubject: true }, authorize, limits: { address: false } }) })
  await app.register(async (scope) => { await scope.register(sessionBroker, { name: 'strict', prefix: '/strict', sessions, authorize: () => ({ subject: user, documents: [{ id: document, permissions: [user as 'read'] }] }), limits: { address: false } }) })

  const editorSecrets = { inbox: randomSecret(), 'previous inbox': randomSecret(), outbox: randomSecret(), 'inbox of a tenant': randomSecret() }
  const documentKey = `confidential-${randomBytes(40).toString('hex')}`
  const link = randomBytes(40).toString('hex')
  const config: EditorAuthorization = {
    document: { key: documentKey, url: `https://files.example/letter.docx?signature=${link}`, permissions: { edit: true } },
    editorConfig: { callbackUrl: `https://app.example/callbacks/${link}`, mode: 'edit', user: { id: user, name: user } }
  }
  const wrongConfigs: Record<string, unknown> = {
    none: null,
    'wrong key': { ...config, document: { ...config.document, key: `${documentKey}/${link}` } },
    elsewhere: { ...config, document: { ...config.document, url: `https://${link}.example/` } },
    unknown: { ...config, [`${documentKey}/`]: link }
  }
  const authorizeEditor = (_request: FastifyRequest, { documentId = '' }: AskedOfEditor) => (documentId in wrongConfigs ? wrongConfigs[documentId] : config) as EditorAuthorization | null // or what is none
  const password = `redis-password-${randomBytes(12).toString('hex')}`
  const editorOptions = { store, allowedUrls: { server: ['https://files.example', 'https://app.example'], browser: [] } }
  const editorRoutes = {
    limits: { address: false },
    authorize: { config: authorizeEditor, methods: { setHistoryData: () => ({ version: 1, key: documentKey, url: config.document.url }), insertImage: (_request: FastifyRequest, { data }: AskedOfEditor) => ({ images: [{ fileType: 'png', url: String(data) }] as const }) }, explain: () => true }
  } as const
  const signatures = createEditorSignatures({ ...editorOptions, inbox: [editorSecrets.inbox, editorSecrets['previous inbox']], outbox: editorSecrets.outbox, namesSecret: true })
  await app.register(async (scope) => { await scope.register(configSigning, { ...editorRoutes, signatures }) })
  await app.register(async (scope) => {
    const secretsOf = (tenant: string) => {
      if (tenant === 'sealed') throw new Error(`vault sealed: ${password}`)
      return { acme: editorSecrets['inbox of a tenant'], weak: user.slice(0, 20), quoted: `"${editorSecrets['inbox of a tenant']}"` }[tenant] ?? null
    }
    await scope.register(configSigning, { ...editorOptions, ...editorRoutes, name: 'tenants', prefix: '/tenants', inbox: secretsOf, tenant: ({ headers }) => String(headers['x-tenant']) })
  })
  app.post('/callbacks/a', signatures.requireCallback({ document: () => documentKey, downloadOrigins: [DOCS] }, ({ type }) => { if (type === 'closed') throw new Error('disk is full') }))
  app.get('/files/a', { onRequest: signatures.requireDownload({ origin: 'https://app.example' }) }, async () => 'bytes')

  const pepper = { id: '2027', key: randomBytes(32) }
  const hidden = { [`confidential${randomBytes(12).toString('hex')}`]: `https://${randomBytes(20).toString('hex')}.internal.example/?a="b"` }
  const opaque = { base64url: createOpaqueTokens({ store, pepper }), uuid: createOpaqueTokens({ store, pepper, name: 'uuid', format: 'uuid', parameters: (value) => { if (Object(value).closed === 1) throw new Error(`no: ${JSON.stringify(value)}`); return Object(value) } }) }
  const opaqueRoutes = { credentials: registry, limits: { address: false, credential: false, failures: false } } as const
  await app.register(async (scope) => {
    await scope.register(opaqueTokens, { ...opaqueRoutes, tokens: opaque.base64url, includeAccessor: true })
    scope.get('/open', { onRequest: scope.opaqueTokens.require() }, async () => 'text')
  })
  await app.register(async (scope) => { await scope.register(opaqueTokens, { ...opaqueRoutes, tokens: opaque.uuid, verifiers: registry, prefix: '/uuid', limits: { ...opaqueRoutes.limits, unknown: { max: 50 } } }) })

  const clients = createClientRegistry({ store })
  const [accessKeys, clientKeys] = [createKeyRing([{ key: await generateKey('ES256') }]), createKeyRing([{ key: await generateKey('ES256') }])]
  const clientKey = clientKeys.signing()
  await app.register(async (scope) => {
    await scope.register(clientCredentials, { issuer: ISSUER, publicUrl: ISSUER, dpop: true, store, keys: accessKeys, scopes: ['api.read', 'api.write'], clients, limits: { address: false, credential: false, failures: false } })
    scope.get('/formats', { onRequest: scope.accessTokens.require('api.read') }, async () => 'text')
  })
  const jwk = clientKey.verifyKey.export({ format: 'jwk' })
  const client = await clients.create({ owner: 'acme', scopes: ['api.read'], keys: [{ ...jwk, kty: 'EC' }] })
  const clientSecret = String(client.secret)

  const { secret: key, record: { id } } = await registry.create({ owner: 'acme' })
  const { secret: disabled, record: { id: disabledId } } = await registry.create()
  await registry.disable(disabledId)
  const { secret: narrow } = await registry.create({ documents: ['a'], maxLifetime: 60 })
  const rotated = (await registry.rotate(id)).secret
  const wrong = createSecret('key', id)

  const places: Place[] = []
  const granted: Place[] = []
  const send = async (request: InjectOptions) => {
    const reply = await app.inject(request)
    const place = { name: `answer ${reply.statusCode} to ${request.method ?? 'GET'} ${String(request.url).slice(0, 12)}`, text: `${reply.body}\n${JSON.stringify(reply.headers)}` }
    if (reply.statusCode < 400) granted.push(place)
    else places.push(place)
    return reply
  }
  const bearer = (text: string) => ({ authorization: `Bearer ${text}` })
  const post = (path: string, payload: unknown, headers: Record<string, string> = bearer(key)) => send({
    method: 'POST', url: path, headers: { 'content-type': 'application/json', ...headers }, payload: typeof payload === 'string' ? payload : JSON.stringify(payload)
  })
  const issue = async (members: object = {}): Promise<string> => String((await post('/viewer/sessions', { user_id: user, allowed_documents: [{ document_id: document }], ...members })).json().jwt)

  const token = await issue()
  const bound = await issue({ allowed_origins: [origin] })
  const early = await issue({ nbf: Math.floor(Date.now() / 1000) + 100, exp: Math.floor(Date.now() / 1000) + 200 })
  const ended = await issue()
  const expired = forge({ alg: 'ES256', typ: 'document-session+jwt', kid: ring.signing().kid }, { ...claimsOf(token), exp: 1 }, ring.signing())
  const forged = forge({ alg: 'ES256', typ: 'document-session+jwt', kid: ring.signing().kid }, claimsOf(token), retired)
  await post('/viewer/sessions/revoke', { jwt: ended })
  const present = Math.floor(Date.now() / 1000)
  const times = { iat: present, exp: present + 300 }
  const saved = { ...SAVE, key: documentKey }
  const callback = bodyToken(saved, times, editorSecrets.outbox)
  const callbackHeader = headerToken(saved, times, editorSecrets.outbox)
  const closed = bodyToken({ key: documentKey, status: 4 }, times, editorSecrets.outbox)
  const oldCallback = bodyToken(saved, { iat: 1, exp: 2 }, editorSecrets.outbox)
  const crossed = bodyToken(saved, times, editorSecrets.inbox)
  const query = isDiscreet ? `?signature=${link}` : ''
  const download = headerToken({ url: `https://app.example/files/a${query}` }, times, editorSecrets.outbox)
  const editorToken = String((await post('/editor/config', { documentId: 'letter' })).json().token)
  const methodToken = String((await post('/editor/methods/setHistoryData', {})).json().token)
  const command = await signatures.signRequest('command', { c: 'info', key: documentKey })
  const commandHeader = String(command.headers['authorization']).slice(7)
  const older = bodyToken(config, times, editorSecrets['previous inbox'])
  const tenantToken = String((await post('/tenants/editor/config', {}, { 'x-tenant': 'acme' })).json().token)

  const editorTokens = { callback, callbackHeader, closed, oldCallback, crossed, download, editorToken, methodToken, command: command.body.token, commandHeader, older, tenantToken }

  const exchange = async (token: string, prefix = '', headers: Record<string, string> = {}) => await send({ url: `${prefix}/verify`, headers: { 'content-type': 'application/json', 'x-api-token': token, ...headers } })
  const hide = async (prefix = '', query = ''): Promise<{ token: string, accessor: string }> => (await post(`${prefix}/generate${query}`, hidden)).json()
  const { token: opaqueToken, accessor } = await hide()
  const opaqueTokensOfAll = { opaqueToken, 'opaque UUID': (await hide('/uuid')).token, 'opaque token that is used up': (await hide('', '?max_uses=1')).token, 'opaque token that was ended': (await hide()).token }

  async function useOpaque (): Promise<void> {
    t.equal((await exchange(opaqueToken)).json()[String(Object.keys(hidden)[0])], Object.values(hidden)[0])
    for (const token of Object.values(opaqueTokensOfAll)) {
      await exchange(token)
      await exchange(token, '/uuid', bearer(key))
      await send({ url: '/open', headers: { 'x-api-token': token } })
    }
    await post('/revoke', '', { ...bearer(key), 'x-api-token': opaqueTokensOfAll['opaque token that was ended'] })
    await post('/lookup', { accessor })
    const secrets = [...Object.values(opaqueTokensOfAll), key, wrong, token, ...Object.keys(hidden), ...Object.values(hidden)]
    for (const secret of secrets) {
      const suffix = isDiscreet ? `?apitoken=${encodeURIComponent(secret)}` : ''
      for (const prefix of ['', '/uuid']) {
        await exchange(secret, prefix, bearer(secret))
        await send({ url: `${prefix}/verify${suffix}`, headers: { 'x-api-token': `${secret.slice(0, -1)}!`, 'x-api-key': secret } })
        await send({ method: 'PUT', url: `${prefix}/verify${suffix}`, headers: { 'x-api-token': secret } })
        for (const body of [{ token: secret }, { [secret]: secret }, { accessor: secret }, { ...hidden, auth: { [secret]: secret } }, { ...hidden, [secret]: [secret] }, { ...hidden, closed: 1 }, `{"${secret}":1,"${secret}":1}`, `{"a":"${secret}`, secret]) {
          await send({ method: 'POST', url: `${prefix}/verify`, headers: { 'content-type': 'application/json', 'x-api-token': secret }, payload: typeof body === 'string' ? body : JSON.stringify(body) })
          if (typeof body === 'string' || !(secret in body)) await post(`${prefix}/generate${suffix}`, body)
          await post(`${prefix}/generate`, body, bearer(secret))
          await post(`${prefix}/revoke`, body, { ...bearer(key), 'x-api-token': `${secret.slice(0, -1)}!` })
          await post(`${prefix}/lookup`, body)
        }
      }
      await send({ url: `/open${suffix}`, headers: { 'x-api-token': `${secret.slice(0, -1)}!` } })
    }
    for (let attempt = 0; attempt < 60; attempt++) await exchange(`${String(attempt).padStart(8, '0')}${opaqueTokensOfAll['opaque UUID'].slice(8)}`, '/uuid', bearer(key))
  }

  const ask = (path: string, fields: object, headers: Record<string, string> = {}) => send({ method: 'POST', url: path, headers: { 'content-type': FORM, ...headers }, payload: new URLSearchParams({ ...fields }).toString() })
  const credentials = { client_id: client.record.id, client_secret: clientSecret }
  const assert = (): string => forge({ alg: 'ES256' }, { iss: client.record.id, sub: client.record.id, aud: ISSUER, exp: present + 200, jti: randomBytes(16).toString('hex') }, clientKey)
  const prove = (): string => forge({ alg: 'ES256', typ: 'dpop+jwt', jwk }, { htm: 'POST', htu: `${ISSUER}/connect/token`, iat: present, jti: randomBytes(16).toString('hex') }, clientKey)
  const withAssertion = (assertion: string): object => ({ client_assertion: assertion, client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer' })
  const grant = async (fields: object, headers: Record<string, string> = {}): Promise<string> => String((await ask('/connect/token', { grant_type: 'client_credentials', ...fields }, headers)).json().access_token)
  const [assertion, refusedAssertion, proof, refusedProof] = [assert(), assert(), prove(), prove()]
  const oauthSecrets = {
    clientSecret,
    assertion,
    refusedAssertion,
    proof,
    refusedProof,
    accessToken: await grant(credentials),
    accessTokenByAssertion: await grant(withAssertion(assertion)),
    boundToken: await grant(credentials, { dpop: proof }),
    endedToken: await grant(credentials)
  }

  async function useOAuth (): Promise<void> {
    await ask('/connect/revocation', { ...credentials, token: oauthSecrets.endedToken })
    t.equal((await send({ url: '/formats', headers: bearer(oauthSecrets.accessToken) })).statusCode, 200)
    for (const secret of [...Object.values(oauthSecrets), key, token]) {
      const suffix = isDiscreet ? `?access_token=${secret}&client_secret=${encodeURIComponent(secret)}` : ''
      const basic = `Basic ${Buffer.from(`${encodeURIComponent(client.record.id)}:${secret}x`).toString('base64')}`
      for (const path of ['/connect/token', '/connect/introspect', '/connect/revocation']) {
        for (const fields of [{ client_secret: `${secret}x` }, { client_id: secret }, { ...withAssertion(`${refusedAssertion.slice(0, -1)}!`), client_secret: '' }, { scope: secret }, { resource: secret }, { token: secret }, { [secret]: secret }, { grant_type: secret }]) {
          await ask(path, { grant_type: 'client_credentials', ...credentials, ...fields }, { dpop: secret === refusedProof ? `${secret}x` : secret })
        }
        await ask(path + suffix, { grant_type: 'client_credentials', token: secret }, { authorization: basic })
        await ask(path, { token: secret }, bearer(secret))
        await send({ method: 'POST', url: path, headers: { 'content-type': FORM }, payload: `${secret}&${secret}=%zz&${secret}` })
        await send({ method: 'POST', url: path, headers: { 'content-type': 'application/json' }, payload: JSON.stringify({ secret }) })
        await send({ method: 'PUT', url: path + suffix, headers: { authorization: basic } })
      }
      await send({ url: `/formats${suffix}`, headers: { authorization: `DPoP ${secret}`, dpop: secret } })
      await send({ url: '/formats', headers: bearer(`${secret}x`) })
      await send({ url: '/.well-known/jwks.json', headers: { 'if-none-match': secret } })
    }
  }

  async function useEditor (): Promise<void> {
    for (const documentId of [...Object.keys(wrongConfigs), 'letter']) await post('/editor/config', { documentId, data: documentKey })
    for (const data of [config.document.url, `https://${link}.example/`, documentKey]) await post('/editor/methods/insertImage', { data })
    for (const tenant of ['sealed', 'weak', 'quoted', 'nobody', user]) {
      for (const path of ['config', 'methods/setHistoryData', 'explain']) await post(`/tenants/editor/${path}`, path === 'explain' ? { token: editorToken } : {}, { 'x-tenant': tenant })
    }
    for (const token of [...Object.values(editorTokens), ...Object.values(editorSecrets), documentKey, link]) {
      for (const kind of ['config', 'setHistoryData', 'insertImage', 'request', 'callback', 'download']) await post('/editor/explain', { token, kind, ...(kind === 'config' && { config: { ...config, token } }) })
      await post('/editor/explain', { token, [token]: token })
      await post('/callbacks/a', { ...saved, token }, {})
      await post('/callbacks/a', saved, bearer(token))
      await post('/callbacks/a', { token: [token] }, bearer(token))
      await post('/callbacks/a', {}, { authorization: `JWT ${token}` })
      await send({ url: `/files/a${query}`, headers: bearer(token) })
      await send({ url: `/files/a${isDiscreet ? `?other=${token}` : ''}`, headers: bearer(download) })
    }
  }

  const { token: engineToken } = await sessions.issue({ profile: 'document-engine', document, permissions: ['read-document'], password: remoteKey })

  async function refuseAll (): Promise<void> {
    const path = `/documents/${encodeURIComponent(document)}`
    for (const secret of [key, rotated, wrong, disabled, narrow, token, bound, early, ended, expired, forged, engineToken, remoteToken, user, editorSecrets.inbox, editorSecrets.outbox, editorToken, callback, documentKey]) {
      const suffix = isDiscreet ? `?access_token=${secret}&${encodeURIComponent(secret)}` : ''
      for (const place of ['/documents/a', '/cookie/a', '/header/a', ...isDiscreet ? [path, `/documents/${encodeURIComponent(secret)}`, `/nothing/${encodeURIComponent(secret)}`, '/%E0%A4%A'] : []]) {
        await send({ url: place + suffix, headers: bearer(secret) })
        await send({ url: place + suffix, headers: { cookie: `session=${secret}; other=${secret}`, 'x-session': secret, referer: `https://app.example/?${secret}`, origin } })
        await send({ url: place + suffix, headers: { ...bearer(secret), cookie: `session=${secret}` } })
      }
      await send({ method: 'POST', url: `/cookie/a${suffix}`, headers: { cookie: `session=${secret}`, origin } })
      for (const where of ['/viewer/sessions', '/viewer/sessions/revoke', '/api/create-session', '/remote/api/create-session', '/strict/api/create-session', '/editor/config', '/editor/methods/insertImage', ...isDiscreet ? [`/editor/methods/${encodeURIComponent(secret)}`] : [], '/editor/explain']) {
        const target = where + suffix
        for (const body of [
          {}, secret, JSON.stringify(secret), [secret], { [secret]: secret }, `{"${secret}":`, `{"${secret}":1,"${secret}":1}`, { jwt: secret }, { user_id: [secret] }, { jwt: secret, user_id: user },
          { exp: secret }, { exp: 1, user_id: user }, { allowed_origins: [secret] }, { documentId: secret }, { documentId: { secret } }, { documentId: 'none' },
          { allowed_documents: [{ document_id: secret }, { document_id: secret }] }, { allowed_documents: [{ document_id: document, document_permissions: [secret] }] }, { allowed_documents: [{ [secret]: 1 }] }
        ]) {
          await post(target, body)
        }
        await post(target, { allowed_documents: [{ document_id: secret }] }, bearer(narrow))
        await post(target, {}, bearer(secret))
        await post(target, {}, { 'x-api-key': secret })
        await post(target, {}, { 'x-api-key': secret, ...bearer(secret) })
        await post(target, {}, { ...bearer(secret), 'content-type': `text/${secret.replace(/[^\w.-]/g, '')}` })
        await send({ method: 'PUT', url: target, headers: bearer(secret) })
      }
      for (let attempt = 0; attempt < 4; attempt++) await post(`/limited/viewer/sessions${suffix}`, {}, bearer(secret))
    }
  }
  t.equal((await send({ url: `/documents/${encodeURIComponent(document)}`, headers: bearer(token) })).statusCode, 200)
  await refuseAll()
  await useEditor()
  await useOpaque()
  await useOAuth()

  const before = ring.signing()
  const { kid } = await ring.rotate({ signsIn: 0 })
  t.equal(ring.signing().kid, kid)
  const later = await issue()
  await ring.remove(before.kid)
  await send({ url: '/documents/a', headers: bearer(token) })
  await post('/viewer/sessions/revoke', { user_id: user })
  await registry.disable(id)
  await post('/viewer/sessions', {}, bearer(rotated))
  await registry.enable(id)

  fault.error = Object.assign(new Error(`connect ECONNREFUSED redis://:${password}@10.0.0.1`), { code: 'ECONNREFUSED' })
  await send({ url: '/documents/a', headers: bearer(later) })
  await post('/viewer/sessions', { user_id: user })
  await post('/viewer/sessions/revoke', { user_id: user })
  await post('/generate', hidden)
  await ask('/connect/token', { grant_type: 'client_credentials', ...credentials })
  await send({ url: '/formats', headers: bearer(oauthSecrets.accessToken) })
  await exchange(opaqueToken)
  await send({ url: '/open', headers: { 'x-api-token': opaqueToken } })
  await post('/revoke', { accessor })
  await post('/api/create-session', { documentId: document })
  await post('/callbacks/a', { token: bodyToken(saved, { ...times, iat: present - 1 }, editorSecrets.outbox) }, {})
  fault.error = undefined

  const statuses = new Set(places.map(({ name }) => Number(name.slice(7, 10))))
  t.strictSame([400, 401, 403, 404, 405, 415, 429, 500, 502, 503].filter((status) => !statuses.has(status)), [], 'the flows met every kind of refusal')
  const told = events()
  t.strictSame([...new Set(told.map(([name]) => name))].sort(), [...EVENT_NAMES].sort(), 'and told of all events')
  const refusals = new Set(told.flatMap(([, event]) => 'code' in event ? event.code : []))
  t.ok(refusals.size >= 20, `with many codes: ${[...refusals].sort().join()}`)
  t.ok(log.length > places.length, 'and the log tells of all of them')

  return {
    secrets: {
      key,
      rotated,
      wrong,
      disabled,
      narrow,
      token,
      bound,
      early,
      ended,
      expired,
      forged,
      later,
      'remote key': remoteKey,
      'remote token': remoteToken,
      'token for a Document Engine': engineToken,
      ...editorSecrets,
      ...editorTokens,
      ...oauthSecrets,
      pepper: pepper.key.toString('base64url'),
      'private key': privateHalf(ring.signing()),
      'private key of access tokens': privateHalf(accessKeys.signing()),
      'private key of a client': privateHalf(clientKey),
      'secret key': privateHalf(hmac.signing())
    },
    handles: { ...opaqueTokensOfAll, 'random part of an opaque token': opaqueToken.slice(11, 54) },
    // Whoever has a token is told what it stands for.
    capabilities: { documentKey, link, 'name of a parameter': String(Object.keys(hidden)[0]), parameter: String(Object.values(hidden)[0]) },
    parameters: { user, origin, ...(isDiscreet && { document }) },
    failures: { password },
    places: [...places, ...output.written(), written(), ...log.map((text) => ({ name: 'log', text })), ...told.map(([name, event]) => ({ name: `event ${name}`, text: `${JSON.stringify(event)}\n${inspect(event, { depth: null })}` })), ...granted]
  }
}

/** As an operator makes one. A shorter one would be repeated to who sends it as the name of a member. */
function randomSecret (): string {
  return randomBytes(64).toString('base64url')
}

function privateHalf ({ signKey }: RingKey): string {
  const { d, k } = signKey?.export({ format: 'jwk' }) ?? {}
  return String(d ?? k)
}

const isOf = (...names: string[]) => ({ name }: Place): boolean => names.some((start) => name.startsWith(start))

for (const isDiscreet of [false, true]) {
  t.test(isDiscreet ? 'a host that keeps paths and queries out of its log, secrets in URLs' : 'a host as Fastify makes it', async (t) => {
    const { secrets, handles, capabilities, parameters, failures, places } = await runAllFlows({ t, isDiscreet })
    const isGranted = isOf('answer 2', 'answer 3')
    // Tokens of one instance are alike at their beginning.
    const noTokens = Object.fromEntries(Object.entries(secrets).filter(([, secret]) => !partsOf(secret).has('claims')))

    t.strictSame(findLeaks(secrets, places.filter((place) => !isGranted(place))), [])
    t.strictSame(findLeaks(noTokens, places.filter(isGranted)), [], 'who is given a token is given no other secret')
    const isIssue = ({ name }: Place): boolean => /^answer 200 to POST (?:\/uuid)?\/gen/.test(name)
    t.strictSame(findLeaks(handles, places.filter((place) => !isIssue(place))), [], 'an opaque token is told once')
    t.ok(findLeaks(handles, places.filter(isIssue)).length > 0)
    t.strictSame(findLeaks(capabilities, places.filter((place) => !isGranted(place))), [])
    t.ok(findLeaks(capabilities, places.filter(isGranted)).length > 0, 'who is let in is told')
    t.strictSame(findLeaks(parameters, places.filter((place) => !isGranted(place) && !isOf('event')(place))), [])
    t.strictSame(findLeaks(failures, places.filter((place) => !isOf('log')(place))), [])
    t.ok(findLeaks(failures, places).length > 0, 'what a driver says is in the log')
    t.ok(findLeaks({ user: String(parameters['user']) }, places.filter(isOf('event'))).length > 0, 'events name whom they are about')
  })
}

// ---- the net itself ----
const SECRETS = {
  key: createSecret('key'),
  token: `eyJhbGciOiJFUzI1NiJ9.${Buffer.from('{"sub":"jane","jti":"0190a6b8"}').toString('base64url')}.${randomBytes(64).toString('base64url')}`,
  user: 'user-õ "4711"/?&>>>~~~\\ \n'
}

t.test('the net finds every spelling of every part, in the midst of anything', async (t) => {
  for (const [name, secret] of Object.entries(SECRETS)) {
    for (const [part, value] of partsOf(secret)) {
      for (const [spelling, spelled] of spellings(value)) {
        const [leak] = findLeaks({ [name]: secret }, [{ name: 'nowhere', text: 'nothing' }, { name: 'somewhere', text: `{"a":"${spelled}"}` }])
        t.match(leak, { secret: name, place: 'somewhere' }, `${name}, ${part}, ${spelling}`)
      }
    }
  }
  t.strictSame(findLeaks(SECRETS, [{ name: 'a place', text: 'no secret' }]), [])
})

t.test('the net finds what others spell', async (t) => {
  const { key, token, user } = SECRETS
  const segments = token.split('.')
  const within = ['', 'a', 'ab', 'abc'].flatMap((before) => ['', 'x', 'xy'].map((after) => `${before}${user}${after}`))
  const texts: Record<string, string> = {
    'a key in a query': new URLSearchParams({ key }).toString(),
    'a user in a query': new URLSearchParams({ user }).toString(),
    'a user in a path': `/users/${encodeURIComponent(user)}`,
    'a user in a URL': new URL(`http://a.example/${encodeURI(user)}`).href,
    'a user in JSON': JSON.stringify({ user }),
    'a user in JSON in JSON': JSON.stringify({ body: JSON.stringify({ user }) }),
    'bytes of a key': JSON.stringify(Buffer.from(`{"key":"${key}"}`)),
    'a key as a user name': `Basic ${Buffer.from(`${key}:`).toString('base64')}`,
    'the random part of a key': key.slice(25, 68),
    'a key cut short': key.slice(0, 60),
    'the end of a key': key.slice(-30),
    'a payload': String(segments[1]),
    claims: Buffer.from(String(segments[1]), 'base64url').toString(),
    'a signature': String(segments[2]),
    'a signature cut short': String(segments[2]).slice(0, 30),
    'a token cut short': token.slice(0, -20),
    'a token in hexadecimal': Buffer.from(token).toString('hex')
  }
  for (const [name, text] of Object.entries(texts)) t.ok(findLeaks(SECRETS, [{ name, text }]).length > 0, name)
  for (const encoding of ['base64', 'base64url'] as const) {
    for (const text of within) t.ok(findLeaks({ user }, [{ name: encoding, text: Buffer.from(text).toString(encoding) }]).length > 0, `${encoding} of ${JSON.stringify(text)}`)
  }
  t.notOk(JSON.stringify(findLeaks(SECRETS, [{ name: 'a place', text: `${key} ${token}` }])).includes(key.slice(25, 60)), 'and does not tell it further')
  t.throws(() => findLeaks({ short: 'abc' }, []), TypeError, 'what is too short is no secret to search for')
})

t.test('the net is cast where the host writes: a secret that is let out is found there', async (t) => {
  const { key, token, user } = SECRETS
  for (const [spelling, spelled] of [...spellings(key), ...spellings(token), ...spellings(user)]) {
    await t.test(spelling, async (t) => {
      const log: string[] = []
      const events = recordEvents(t)
      const shown = outputOf(() => {
        process.stdout.write(spelled)
        process.stderr.write(Buffer.from(spelled))
      })
      const { store, written } = recordStore(createMemoryStore())
      const app = Fastify({ logger: { level: 'trace', stream: { write: (line: string) => { log.push(line) } } } })
      t.teardown(() => app.close())
      app.get('/', async (request, reply) => {
        request.log.trace({ spelled }, 'let out')
        request.log.error(new Error(spelled))
        reply.header('x-let-out', encodeURIComponent(spelled))
        throw new Error(spelled)
      })
      const reply = await app.inject('/')
      await store.set('key', Buffer.from(`\u0001${spelled}`))
      await store.increment(`counter/${spelled.slice(0, 500)}`, 1000)
      publish('rotated', () => ({ what: 'api-key', id: spelled, time: 1 }))

      const [[, event] = []] = events()
      const places = [{ name: 'body', text: reply.body }, { name: 'header', text: decodeURIComponent(String(reply.headers['x-let-out'])) }, ...log.map((text) => ({ name: 'log', text })), written(), { name: 'event', text: JSON.stringify(event) }]
      const found = (place: string): boolean => findLeaks(SECRETS, places.filter(({ name }) => name === place)).length > 0
      for (const place of ['header', 'store']) t.ok(found(place), place)
      for (const { name, text } of shown) t.ok(findLeaks(SECRETS, [{ name, text }]).length > 0, name)
      // A spelling that JSON has to escape is spelled anew there.
      if (JSON.stringify(spelled) === `"${spelled}"`) for (const place of ['body', 'log', 'event']) t.ok(found(place), place)
    })
  }
})
