import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { createServer, type ExampleServer } from '../../examples/server/app.ts'
import { readEnvironment } from '../../examples/server/environment.ts'
import { createApiKeyRegistry, digestSecret } from '../../lib/credentials/index.ts'
import { createKeyRing } from '../../lib/keys/index.ts'
import { createMemoryStore } from '../../lib/stores/memory.ts'
import { clientCredentials } from '../../plugins/client-credentials/index.ts'
import { configSigning, type EditorAuthorization, type EditorAuthorizers, type TenantSecrets } from '../../plugins/config-signing/index.ts'
import { opaqueTokens } from '../../plugins/opaque-tokens/index.ts'
import { type Authorization, type RemoteSessions, sessionBroker } from '../../plugins/session-broker/index.ts'
import { sessionIssuance } from '../../plugins/session-issuance/index.ts'
import { startDocumentServer } from '../support/document-server.ts'
import { formOf, getToken, issue, revoke } from '../support/example-client.ts'
import { apiKeys, command, findClient, newDataDir, startServer, until } from '../support/example-server.ts'
import { createChecker, examplesOf, isJson, type OpenApiDocument, type Operation, operationsOf, problemsOf, type Response } from '../support/openapi.ts'

const KEY = 'a-known-key-of-the-demo_0123456789'
const SECRET = randomBytes(32).toString('base64url')
const CLIENT = { id: 'a client', secret: 'a known secret of the demo, of its client' }
const DEMO = { DEMO_API_KEY: KEY, DEMO_CLIENT_ID: CLIENT.id, DEMO_CLIENT_SECRET: CLIENT.secret }
const FORM = 'application/x-www-form-urlencoded'
const ALIASES = ['/v4.0/words/connect/token', '/v4.0/cells/connect/token', '/oauth2/token']

interface Answer {
  status: number
  headers: IncomingMessage['headers']
  /** Without its parameters. */
  type: string | undefined
  body: unknown
}

interface Question {
  /** Another server than the one whose document it is. */
  at?: string
  /** In place of the parameter's example. */
  id?: string
  /** With the question mark. */
  query?: string
  /** An API key or a session. */
  bearer?: string
  headers?: Record<string, string | string[]>
  /** Sent as JSON; a string as it is. */
  body?: unknown
  /** Sent as a form; a string as it is. */
  form?: Record<string, string> | string
  /** The body never comes. */
  isUnfinished?: boolean
  /** Bytes of a body that is announced and never comes: who sends one that is refused may be cut off before the answer is read. */
  announced?: number
}

type Ask = (question?: Question) => Promise<Answer>

/** How each answer comes about: by status, and by the name of its example. */
type Answers = Record<number, Record<string, (ask: Ask) => Promise<Answer>>>

/** Header fields that mean something to clients, so none may come unannounced. */
const ANNOUNCED = ['content-security-policy', 'referrer-policy', 'www-authenticate', 'retry-after', 'ratelimit', 'ratelimit-policy', 'cache-control', 'location', 'content-disposition', 'allow']

/** Header fields that come with some answers of a status. All others come with each. */
const SOMETIMES: Readonly<Record<string, readonly string[]>> = { 400: ['WWW-Authenticate', 'Cache-Control'], 403: ['WWW-Authenticate'], 503: ['RateLimit', 'RateLimit-Policy'] }

/** Every question comes from an address of its own, so that no limit counts them together. */
let addresses = 0
const nextAddress = (): string => `198.51.${100 + Math.floor(addresses / 256)}.${addresses++ % 256}`

async function send (url: string, method: string, { bearer, headers = {}, body, form, isUnfinished = false, announced }: Question): Promise<Answer> {
  const sent = request(url, {
    method,
    headers: {
      'x-forwarded-for': nextAddress(),
      ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }),
      ...((body ?? announced) !== undefined && { 'content-type': 'application/json' }),
      ...(form !== undefined && { 'content-type': FORM }),
      ...(announced !== undefined && { 'content-length': announced }),
      ...headers
    }
  })
  const replied = new Promise<IncomingMessage>((resolve, reject) => { sent.once('response', resolve).once('error', reject) })
  const payload = form !== undefined ? String(new URLSearchParams(form)) : body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body)
  if (isUnfinished) sent.setHeader('content-length', payload.length + 1).write(payload)
  else if (announced !== undefined) sent.flushHeaders()
  else sent.end(payload)

  const reply = await replied
  const content = await text(reply)
  const type = reply.headers['content-type']?.split(';')[0]
  sent.destroy()
  return { status: Number(reply.statusCode), headers: reply.headers, type, body: type === 'application/json' && content !== '' ? JSON.parse(content) : content }
}

/** The example in this process, where its store can be taken away. */
async function startHere (t: Test): Promise<ExampleServer & { url: string }> {
  const server = await createServer(readEnvironment({ PORT: '0', DATA_DIR: newDataDir(t), LOG_LEVEL: 'silent', ...DEMO, TRUST_PROXY: '127.0.0.1', EDITOR_SECRET: SECRET, DOCUMENT_SERVER_URL: 'http://127.0.0.1:1' }))
  t.teardown(() => server.app.close())
  return { ...server, url: await server.app.listen({ host: '127.0.0.1', port: 0 }) }
}

/** The flows on what the example has not: a store with too little room, a signer that fails, a service elsewhere, a careless host. */
async function startHost (t: Test, { maxEntries = 1000, isFull = false, remote, authorization }: { maxEntries?: number, isFull?: boolean, remote?: RemoteSessions, authorization?: Authorization } = {}): Promise<{ url: string, key: string }> {
  const ring = () => createKeyRing([{ kid: 'remote', algorithm: 'ES256', publicKey: generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey, sign: async () => { throw new TypeError('out of order') } }])
  const registry = createApiKeyRegistry({ store: createMemoryStore() })
  const app: FastifyInstance = Fastify()
  t.teardown(() => app.close())
  const store = createMemoryStore({ maxEntries })
  await app.register(sessionIssuance, { issuer: 'https://tokens.example', keys: ring(), credentials: registry, store })
  const authorize = (_request: unknown, { documentId }: { documentId: string }): Authorization => authorization ?? { subject: 'jane', documents: [{ id: documentId, permissions: ['read'] }] }
  await app.register(sessionBroker, { ...remote === undefined ? { sessions: app.documentSessions } : { remote, store }, authorize, limitKey: () => 'jane' })
  const pepper = { id: '1', key: randomBytes(32) }
  for (const [name, options] of Object.entries({ default: {}, 'cad-editor': { prefix: '/cad-editor', verifiers: registry } })) {
    await app.register(async (scope) => { await scope.register(opaqueTokens, { store: createMemoryStore({ maxEntries }), credentials: registry, pepper, name, ...options }) })
  }
  const oauthStore = createMemoryStore({ maxEntries })
  if (isFull) await oauthStore.set('something', Uint8Array.of(1))
  const demo = { id: CLIENT.id, createdAt: 0, secrets: [{ digest: digestSecret(CLIENT.secret), createdAt: 0 }] }
  await app.register(clientCredentials, { issuer: 'https://tokens.example', keys: ring(), store: oauthStore, scopes: ['files.read'], aliases: ALIASES, clients: { find: async () => demo } })
  return { url: await app.listen({ host: '127.0.0.1', port: 0 }), key: (await registry.create()).secret }
}

/** The editor's flow in another host than the example, which makes fewer mistakes. */
async function startEditorHost (t: Test, { authorize = GOOD, secrets, maxEntries = 1000 }: { authorize?: EditorAuthorizers, secrets?: TenantSecrets, maxEntries?: number }): Promise<{ url: string }> {
  const app: FastifyInstance = Fastify({ trustProxy: '127.0.0.1' })
  t.teardown(() => app.close())
  await app.register(configSigning, {
    inbox: secrets ?? SECRET,
    ...(secrets !== undefined && { tenant: () => 'acme' }),
    store: createMemoryStore({ maxEntries }),
    allowedUrls: { server: ['https://app.example'], browser: [] },
    authorize,
    limitKey: () => 'jane'
  })
  return { url: await app.listen({ host: '127.0.0.1', port: 0 }) }
}

const GOOD: EditorAuthorizers = {
  config: () => ({
    document: { key: 'letter-1', url: 'https://app.example/letter.docx', permissions: {} },
    editorConfig: { callbackUrl: 'https://app.example/callback', mode: 'edit', user: { id: 'jane' } }
  }),
  methods: { setHistoryData: () => ({ version: 1, key: 'letter-1', url: 'https://app.example/letter.docx' }) },
  explain: () => true
}

const NOBODY: EditorAuthorizers = { config: () => null, methods: { setHistoryData: () => null }, explain: () => false }

const CARELESS: EditorAuthorizers = {
  // What compilers would find.
  config: () => ({ document: {} }) as EditorAuthorization,
  methods: { setHistoryData: () => ({ version: 0, key: 'letter-1', url: 'https://app.example/letter.docx' }) },
  explain: () => Promise.reject('no error') // eslint-disable-line prefer-promise-reject-errors -- as hosts do
}

t.test('the document of the example server', async (t) => {
  const docs = await startDocumentServer(t, { inbox: SECRET })
  const editor = { EDITOR_SECRET: SECRET, DOCUMENT_SERVER_URL: docs.url }
  const server = await startServer(t, { env: { ...DEMO, TRUST_PROXY: '127.0.0.1', ...editor } })
  const { url, dataDir } = server
  const document = (await send(`${url}/docs/json`, 'GET', {})).body as OpenApiDocument // what is there is checked next
  const check = await createChecker()
  const operations = operationsOf(document)

  await t.test('is valid, and complete by rules of its own', async (t) => {
    t.equal(document.openapi, '3.1.0')
    t.strictSame(await problemsOf(document), [])
  })

  const keyOf = async (url: string): Promise<string> => {
    const { body } = await send(`${url}/editor/config`, 'POST', { bearer: KEY, body: { documentId: 'letter' } })
    return (docs.judge((body as { token: string }).token) as { document: { key: string } }).document.key
  }
  const foreign = (await apiKeys(t, dataDir, 'create', '--flow', 'opaque-tokens') as { secret: string }).secret
  /** A token, and its accessor, which nobody is told but the audit log. */
  const opaque = async (path: '' | '/cad-editor', at = url, bearer = KEY) => {
    const { body } = await send(`${at}${path}/generate`, 'POST', { bearer, body: { file: 'contract' } })
    const lines = readFileSync(join(dataDir, 'audit.jsonl'), 'utf8').trim().split('\n').map((line) => JSON.parse(line))
    const { id } = lines.findLast(({ event, flow, name }) => event === 'issued' && flow === 'opaque-tokens' && name === (path === '' ? 'default' : 'cad-editor')) ?? {}
    return { token: String((body as { token?: string }).token), accessor: String(id) }
  }
  const elsewhere = (await apiKeys(t, dataDir, 'create', '--flow', 'session-issuance') as { secret: string }).secret
  const narrow = (await apiKeys(t, dataDir, 'create', '--document', 'handbook') as { secret: string }).secret
  const [eager = '', ...moreEager] = [await apiKeys(t, dataDir, 'create'), await apiKeys(t, dataDir, 'create'), await apiKeys(t, dataDir, 'create')].map((made) => (made as { secret: string }).secret)
  const disabled = await apiKeys(t, dataDir, 'create') as { record: { id: string }, secret: string }
  await apiKeys(t, dataDir, 'disable', disabled.record.id)

  const all = { contract: ['read', 'write', 'download'], letter: ['read', 'download'], 'floor-plan': ['read', 'download'], nothing: ['read', 'write', 'download'] }
  const token = await issue(url, KEY, all)
  const expired = await issue(url, KEY, all, { exp: Math.floor(Date.now() / 1000) + 2 })
  const revoked = await issue(url, KEY, all)
  await revoke(url, KEY, { jwt: revoked })
  const bound = await issue(url, KEY, all, { allowed_origins: ['https://app.example'] })
  const useless = await issue(url, KEY, { handbook: [] })

  const [outage, draining, impatient] = [await startHere(t), await startHere(t), await startServer(t, { env: { ...DEMO, REQUEST_TIMEOUT: '1', ...editor } })]
  // In the first one there is room for the first address.
  const [full, fuller, unsigned] = [await startHost(t, { maxEntries: 1 }), await startHost(t, { maxEntries: 1, isFull: true }), await startHost(t)]
  const careless = await startHost(t, { authorization: { subject: 'jane', documents: [] } })
  const failing = await startHost(t, { remote: { url: `${outage.url}/viewer/sessions`, apiKey: KEY } })
  const slow = await startHost(t, { remote: { url: `${await startSilence(t)}/viewer/sessions`, apiKey: KEY, timeout: 50 } })
  const before = { key: (await outage.registry.create()).secret, token: await issue(outage.url, KEY, all), opaque: (await opaque('', outage.url)).token, access: await getToken(outage.url, CLIENT) }
  const keyOfOutage = await keyOf(outage.url)
  await outage.store.close()
  draining.drain()

  const [nobody, heedless] = [await startEditorHost(t, { authorize: NOBODY }), await startEditorHost(t, { authorize: CARELESS })]
  const [unknown, unreachable] = [await startEditorHost(t, { secrets: () => null }), await startEditorHost(t, { secrets: () => Promise.reject(new TypeError('out of reach')) })]
  const crowded = await startEditorHost(t, { maxEntries: 1 })
  /** Where PORT is 0 nobody has told the server where it is. */
  const ORIGIN = 'http://127.0.0.1:0'
  const signed = (path: string, options = {}) => docs.sign({ payload: { url: `${ORIGIN}/editor/${path}` } }, options)
  const key = await keyOf(url)
  const save = (members: object) => docs.callback({ key, callbackUrl: `${url}/editor/letter/callback` }, { status: 2, url: docs.keep('a file'.repeat(200)).url, ...members })
  await save({ filetype: 'odt' })
  await save({ changesurl: docs.keep('changes'.repeat(200)).url })

  const short = findClient(JSON.stringify(await command(t, dataDir, 'clients', 'create', '--token-lifetime', '2s')))
  const access = { good: await getToken(url, CLIENT), expired: await getToken(url, short), revoked: await getToken(url, CLIENT), narrow: await getToken(url, CLIENT, { scope: 'files.write' }) }
  await send(`${url}/connect/revocation`, 'POST', { form: { ...formOf(CLIENT), token: access.revoked } })

  const one = (id: string, members = {}) => ({ allowed_documents: [{ document_id: id, ...members }] })
  const foreignHost = { 421: { FOREIGN_HOST: (ask: Ask) => ask({ headers: { host: 'evil.example' } }) } }
  const invalidJson = (ask: Ask) => ask({ bearer: KEY, body: '{' })

  /** Of all routes that take an API key. */
  const byKey = (body?: object) => ({
    multiple: (ask: Ask) => ask({ bearer: KEY, headers: { 'x-api-key': KEY }, body }),
    401: {
      FDT_MISSING_CREDENTIAL: (ask: Ask) => ask({ body }),
      FDT_INVALID_CREDENTIAL: (ask: Ask) => ask({ bearer: disabled.secret, body })
    },
    notAllowed: (ask: Ask) => ask({ bearer: foreign, body }),
    ...foreignHost
  })

  /** Of the routes of the flow. */
  const ofFlow = (body: object) => ({
    ...byKey(body),
    408: { ERR_HTTP_REQUEST_TIMEOUT: (ask: Ask) => ask({ at: impatient.url, bearer: KEY, body, isUnfinished: true }) },
    413: { FST_ERR_CTP_BODY_TOO_LARGE: (ask: Ask) => ask({ bearer: KEY, announced: 1024 * 1024 + 1 }) },
    415: { FST_ERR_CTP_INVALID_MEDIA_TYPE: (ask: Ask) => ask({ bearer: KEY, body, headers: { 'content-type': 'text/plain' } }) },
    429: {
      FDT_RATE_LIMITED: async (ask: Ask) => await askUntil429(ask, 600, { body }),
      FDT_LOCKED: async (ask: Ask) => await askUntil429(ask, 5, { bearer: disabled.secret, body })
    },
    outages: {
      FDT_STORE_UNAVAILABLE: (ask: Ask) => ask({ at: outage.url, bearer: KEY, body }),
      FDT_STORE_FULL: (ask: Ask) => ask({ at: full.url, bearer: full.key, body })
    }
  })

  /** Of routes behind the guard. */
  const guarded = (body?: object) => ({
    400: {
      FST_ERR_BAD_URL: (ask: Ask) => ask({ id: '%', bearer: token, body }),
      FDT_MULTIPLE_TOKENS: (ask: Ask) => ask({ headers: { authorization: [`Bearer ${token}`, `Bearer ${token}`] }, body })
    },
    401: {
      FDT_MISSING_TOKEN: (ask: Ask) => ask({ body }),
      FDT_INVALID_TOKEN: (ask: Ask) => ask({ bearer: 'e30.e30.e30', body }),
      FDT_TOKEN_EXPIRED: (ask: Ask) => until(async () => {
        const answer = await ask({ bearer: expired, body })
        return answer.status === 401 && answer
      }),
      FDT_TOKEN_REVOKED: (ask: Ask) => ask({ bearer: revoked, body })
    },
    403: {
      FDT_INSUFFICIENT_PERMISSION: (ask: Ask) => ask({ bearer: useless, body }),
      FDT_ORIGIN_NOT_ALLOWED: (ask: Ask) => ask({ bearer: bound, headers: { origin: 'https://evil.example' }, body })
    },
    404: { FST_ERR_NOT_FOUND: (ask: Ask) => ask({ id: 'nothing', bearer: token, body }) },
    414: { FST_ERR_MAX_PARAM_LENGTH: (ask: Ask) => ask({ id: 'x'.repeat(101), bearer: token, body }) },
    503: { FDT_STORE_UNAVAILABLE: (ask: Ask) => ask({ at: outage.url, bearer: before.token, body }) },
    ...foreignHost
  })

  const bytes = {
    'application/pdf': (ask: Ask) => ask({ bearer: token }),
    'image/png': (ask: Ask) => ask({ id: 'floor-plan', bearer: token }),
    'application/vnd.openxmlformats-officedocument.wordprocessingml.document': (ask: Ask) => ask({ id: 'letter', bearer: token })
  }
  const session = one('contract')
  const opened = { documentId: 'contract' }
  const { multiple, notAllowed, outages, ...creating } = ofFlow(session)
  const { outages: revocationOutages, multiple: _multiple, notAllowed: _notAllowed, ...revoking } = ofFlow({ user_id: 'jane' })
  const { multiple: multipleForList, notAllowed: notAllowedForList, ...listing } = byKey()
  const annotations = { annotations: [] }
  const writing = guarded(annotations)

  /** Of the routes of the editor's flow. */
  const ofEditor = (body: object, eager = '', bodyLimit = 16 * 1024) => ({
    ...foreignHost,
    401: {
      FDT_MISSING_CREDENTIAL: (ask: Ask) => ask({ body }),
      FDT_INVALID_CREDENTIAL: (ask: Ask) => ask({ bearer: foreign, body })
    },
    403: {
      FDT_FOREIGN_ORIGIN: (ask: Ask) => ask({ bearer: KEY, body, headers: { origin: 'https://evil.example' } }),
      FDT_DOCUMENT_NOT_ALLOWED: (ask: Ask) => ask({ at: nobody.url, body }),
      FDT_UNKNOWN_TENANT: (ask: Ask) => ask({ at: unknown.url, body })
    },
    408: { ERR_HTTP_REQUEST_TIMEOUT: (ask: Ask) => ask({ at: impatient.url, bearer: KEY, body, isUnfinished: true }) },
    413: { FST_ERR_CTP_BODY_TOO_LARGE: (ask: Ask) => ask({ bearer: KEY, announced: bodyLimit + 1 }) },
    415: { FST_ERR_CTP_INVALID_MEDIA_TYPE: (ask: Ask) => ask({ bearer: KEY, body, headers: { 'content-type': 'text/plain' } }) },
    429: { FDT_RATE_LIMITED: async (ask: Ask) => await askUntil429(ask, 60, { bearer: eager, body }) },
    500: { FDT_INVALID_AUTHORIZATION: (ask: Ask) => ask({ at: heedless.url, body }) },
    503: {
      FDT_STORE_UNAVAILABLE: (ask: Ask) => ask({ at: unreachable.url, body }),
      FDT_STORE_FULL: (ask: Ask) => ask({ at: crowded.url, body })
    }
  })

  /** Of pages behind the login of the editor. */
  const ofLogin = {
    ...foreignHost,
    400: { FST_ERR_BAD_URL: (ask: Ask) => ask({ id: '%', bearer: KEY }) },
    401: {
      FDT_MISSING_CREDENTIAL: (ask: Ask) => ask(),
      FDT_INVALID_CREDENTIAL: (ask: Ask) => ask({ bearer: foreign })
    },
    403: { FDT_DOCUMENT_NOT_ALLOWED: (ask: Ask) => ask({ bearer: narrow }) },
    404: { FST_ERR_NOT_FOUND: (ask: Ask) => ask({ id: 'contract', bearer: KEY }) },
    414: { FST_ERR_MAX_PARAM_LENGTH: (ask: Ask) => ask({ id: 'x'.repeat(101), bearer: KEY }) },
    503: { FDT_STORE_UNAVAILABLE: (ask: Ask) => ask({ at: outage.url, bearer: before.key }) }
  }

  /** Of what the document server downloads. */
  const ofDocumentServer = (path: string, invalid: string) => ({
    ...foreignHost,
    400: {
      FST_ERR_BAD_URL: (ask: Ask) => ask({ id: '%', bearer: signed(`letter/${path}`) }),
      FST_ERR_VALIDATION: (ask: Ask) => ask({ query: invalid, bearer: signed(`letter/${path}${invalid}`) }),
      FDT_MULTIPLE_TOKENS: (ask: Ask) => ask({ headers: { authorization: [`Bearer ${signed(path)}`, `Bearer ${signed(path)}`] } })
    },
    401: {
      FDT_MISSING_TOKEN: (ask: Ask) => ask(),
      FDT_INVALID_TOKEN: (ask: Ask) => ask({ bearer: 'e30.e30.e30' }),
      FDT_TOKEN_EXPIRED: (ask: Ask) => ask({ bearer: signed(`letter/${path}`, { iat: 1 }) })
    },
    403: { FDT_DOWNLOAD_NOT_ALLOWED: (ask: Ask) => ask({ bearer: signed('letter') }) },
    404: { FST_ERR_NOT_FOUND: (ask: Ask) => ask({ id: 'contract', query: '?version=1', bearer: signed(`contract/${path}?version=1`) }) },
    414: { FST_ERR_MAX_PARAM_LENGTH: (ask: Ask) => ask({ id: 'x'.repeat(101) }) }
  })
  const posted = { file: 'contract' }
  /** With a key that is none for those who verify: who has none at all is not counted. */
  const withToken = async (path: '' | '/cad-editor', token?: string) => ({ 'x-api-token': token ?? (await opaque(path)).token, 'x-api-key': KEY })
  /** At the other host, where the key of those who verify is known. */
  const verified = async (path: '' | '/cad-editor') => path === '' ? { headers: await withToken('') } : { at: unsigned.url, bearer: unsigned.key, headers: { 'x-api-token': (await opaque(path, unsigned.url, unsigned.key)).token } }

  /** Of the routes that partners call. */
  const ofPartner = (body: object, bodyLimit = 1024) => ({
    ...ofFlow(body),
    403: { FDT_FLOW_NOT_ALLOWED: (ask: Ask) => ask({ bearer: elsewhere, body }), FDT_WRONG_TOKEN: (ask: Ask) => ask({ body }) },
    413: { FST_ERR_CTP_BODY_TOO_LARGE: (ask: Ask) => ask({ bearer: KEY, announced: bodyLimit + 1 }) }
  })

  /** Of an instance of the flow for opaque tokens. */
  function ofOpaqueTokens (path: '' | '/cad-editor'): Record<string, Answers> {
    const { multiple, notAllowed: _notAllowed, outages, 401: _401, ...generating } = ofPartner(posted, 16 * 1024)
    const { multiple: multipleToRevoke, notAllowed: _no, outages: revocationOutages, 401: _none, ...revoking } = ofPartner({ accessor: 'x' })
    const { multiple: multipleToLookUp, notAllowed: _not, outages: lookUpOutages, 401: _nothing, ...lookingUp } = ofPartner({ accessor: 'x' })
    const another = path === '' ? '/cad-editor' : ''
    const verifying = (body?: object) => ({
      ...foreignHost,
      200: { drawing: async (ask: Ask) => ask({ ...await verified(path), body }) },
      403: { FDT_WRONG_TOKEN: async (ask: Ask) => ask({ headers: await withToken(another), body }) },
      429: { FDT_RATE_LIMITED: async (ask: Ask) => askUntil429(ask, 600, { headers: await withToken(another), body }) },
      503: {
        FDT_STORE_UNAVAILABLE: async (ask: Ask) => ask({ at: outage.url, headers: await withToken(path, before.opaque), body }),
        FDT_STORE_FULL: async (ask: Ask) => ask({ at: full.url, headers: await withToken(another), body })
      }
    })
    const invalidNumber = (ask: Ask) => ask({ query: '?expires_in=x', bearer: KEY, body: posted })
    const answers: Record<string, Answers> = {
      generateToken: {
        ...generating,
        200: { token: (ask) => ask({ bearer: KEY, body: posted }) },
        400: {
          FDT_INVALID_JSON: invalidJson,
          FDT_MULTIPLE_CREDENTIALS: multiple,
          FST_ERR_VALIDATION: invalidNumber,
          FDT_INVALID_REQUEST: (ask) => ask({ bearer: KEY, body: { file: {} } }),
          FDT_LIFETIME_TOO_LONG: (ask) => ask({ query: '?expires_in=86401', bearer: KEY, body: posted })
        },
        503: outages
      },
      revokeToken: {
        ...revoking,
        204: { 'no body': async (ask) => ask({ bearer: KEY, body: { accessor: (await opaque(path)).accessor } }) },
        400: { FDT_INVALID_JSON: invalidJson, FDT_MULTIPLE_CREDENTIALS: multipleToRevoke, FDT_INVALID_REQUEST: (ask) => ask({ bearer: KEY, body: {} }) },
        503: revocationOutages
      },
      lookUpToken: {
        ...lookingUp,
        200: { token: async (ask) => ask({ bearer: KEY, body: { accessor: (await opaque(path)).accessor } }) },
        400: { FDT_INVALID_JSON: invalidJson, FDT_MULTIPLE_CREDENTIALS: multipleToLookUp, FST_ERR_VALIDATION: (ask) => ask({ bearer: KEY, body: {} }) },
        503: lookUpOutages
      },
      verifyToken: verifying(),
      verifyPostedToken: {
        ...verifying({}),
        400: { FDT_INVALID_JSON: invalidJson, FST_ERR_VALIDATION: (ask) => ask({ body: { token: 'x' } }) },
        408: { ERR_HTTP_REQUEST_TIMEOUT: (ask) => ask({ at: impatient.url, body: {}, isUnfinished: true }) },
        413: { FST_ERR_CTP_BODY_TOO_LARGE: (ask) => ask({ announced: 1025 }) },
        415: { FST_ERR_CTP_INVALID_MEDIA_TYPE: (ask) => ask({ body: {}, headers: { 'content-type': 'text/plain' } }) }
      }
    }
    return Object.fromEntries(Object.entries(answers).map(([id, ways]) => [id + path.replace('/', '_'), ways]))
  }

  const inQuery = async (path: '' | '/cad-editor' = '/cad-editor', token?: string) => ({ query: `?apitoken=${token ?? (await opaque(path)).token}` })
  const callback = (members: object, at = key) => ({ token: docs.sign({ key: at, status: 4, ...members }) })
  const [asked, called] = [{ documentId: 'letter' }, { documentId: 'letter', data: 1 }]

  /** Of routes that take a client's credentials. */
  const ofClient = (form: Record<string, string>) => {
    const [known, wrong] = [{ ...form, ...formOf(CLIENT) }, { ...form, ...formOf({ ...CLIENT, secret: 'wrong' }) }]
    return {
      known,
      wrong,
      answers: {
        ...foreignHost,
        408: { ERR_HTTP_REQUEST_TIMEOUT: (ask: Ask) => ask({ at: impatient.url, form: known, isUnfinished: true }) },
        413: { FST_ERR_CTP_BODY_TOO_LARGE: (ask: Ask) => ask({ announced: 16 * 1024 + 1, headers: { 'content-type': FORM } }) },
        429: {
          FDT_RATE_LIMITED: async (ask: Ask) => await askUntil429(ask, 600, { form: 'a=1&a=1' }),
          FDT_LOCKED: async (ask: Ask) => await askUntil429(ask, 5, { form: wrong })
        },
        503: {
          FDT_STORE_UNAVAILABLE: (ask: Ask) => ask({ at: outage.url, form: known }),
          FDT_STORE_FULL: (ask: Ask) => ask({ at: full.url, form: known })
        }
      },
      invalidForm: (ask: Ask) => ask({ form: 'a=1&a=1' })
    }
  }
  const granting = ofClient({ grant_type: 'client_credentials' })
  const [telling, ending] = [ofClient({ token: access.good }), ofClient({ token: 'e30.e30.e30' })]
  const withoutToken = (ask: Ask) => ask({ form: formOf(CLIENT) })
  const getting: Answers = {
    ...granting.answers,
    200: { token: (ask) => ask({ form: granting.known }) },
    400: {
      FDT_INVALID_FORM: granting.invalidForm,
      FDT_INVALID_CLIENT: (ask) => ask({ form: granting.wrong }),
      FDT_INVALID_REQUEST: withoutToken,
      FDT_UNSUPPORTED_GRANT_TYPE: (ask) => ask({ form: { ...granting.known, grant_type: 'refresh_token' } }),
      FDT_INVALID_SCOPE: (ask) => ask({ form: { ...granting.known, scope: 'nothing' } }),
      FDT_INVALID_TARGET: (ask) => ask({ form: { ...granting.known, resource: 'https://nothing.example' } }),
      FDT_INVALID_DPOP_PROOF: (ask) => ask({ form: granting.known, headers: { dpop: 'e30.e30.e30' } })
    },
    401: { FDT_INVALID_CLIENT: (ask) => ask({ form: { grant_type: 'client_credentials' }, headers: { authorization: 'Basic YTpi' } }) },
    503: { ...granting.answers[503], FDT_SIGNER_FAILED: (ask) => ask({ at: unsigned.url, form: granting.known }) }
  }

  /** Of what everybody may read. */
  const ofDocument: Answers = {
    ...foreignHost,
    200: { document: (ask) => ask() },
    304: { 'no body': (ask) => ask({ headers: { 'if-none-match': '*' } }) },
    429: { FDT_RATE_LIMITED: async (ask) => await askUntil429(ask, 600, {}) },
    503: { FDT_STORE_UNAVAILABLE: (ask) => ask({ at: outage.url }), FDT_STORE_FULL: (ask) => ask({ at: fuller.url }) }
  }

  /** Of routes behind an access token. */
  const ofProgram = (body?: object) => ({
    ...foreignHost,
    400: {
      FDT_MULTIPLE_TOKENS: (ask: Ask) => ask({ headers: { authorization: [`Bearer ${access.good}`, `Bearer ${access.good}`] }, body }),
      FDT_INVALID_REQUEST: (ask: Ask) => ask({ bearer: access.good, query: '?access_token=e30.e30.e30', body })
    },
    401: {
      FDT_MISSING_TOKEN: (ask: Ask) => ask({ body }),
      FDT_INVALID_TOKEN: (ask: Ask) => ask({ bearer: 'e30.e30.e30', body }),
      FDT_TOKEN_EXPIRED: (ask: Ask) => until(async () => {
        const answer = await ask({ bearer: access.expired, body })
        return answer.status === 401 && answer
      }),
      FDT_TOKEN_REVOKED: (ask: Ask) => ask({ bearer: access.revoked, body })
    },
    403: { FDT_INSUFFICIENT_SCOPE: (ask: Ask) => ask({ bearer: access.narrow, body }) },
    429: { FDT_RATE_LIMITED: async (ask: Ask) => await askUntil429(ask, 120, { body }) },
    503: { FDT_STORE_UNAVAILABLE: (ask: Ask) => ask({ at: outage.url, bearer: before.access, body }) }
  })
  const fileInfo = { FileInfo: { FilePath: 'contract.pdf' } }
  const viewing = ofProgram(fileInfo)
  const byProgram = { 200: { example: (ask: Ask) => ask({ bearer: access.good }) } }

  /** Every answer that the document promises, and how to get it. */
  const answersOf: Record<string, Answers> = {
    openConsole: { 302: { 'no body': (ask) => ask() }, ...foreignHost },
    isAlive: { 200: { ok: (ask) => ask() }, ...foreignHost },
    isReady: {
      200: { ok: (ask) => ask() },
      503: { draining: (ask) => ask({ at: draining.url }), FDT_STORE_UNAVAILABLE: (ask) => ask({ at: outage.url }) },
      ...foreignHost
    },
    createDocumentSession: {
      ...creating,
      201: { session: (ask) => ask({ bearer: KEY, body: session }) },
      400: {
        FDT_INVALID_JSON: invalidJson,
        FDT_MULTIPLE_CREDENTIALS: multiple,
        FST_ERR_VALIDATION: (ask) => ask({ bearer: KEY, body: { allowed_documents: [{}] } }),
        FDT_INVALID_REQUEST: (ask) => ask({ bearer: KEY, body: one('contract', { permissions: [], document_permissions: [] }) }),
        FDT_PAST_EXPIRY: (ask) => ask({ bearer: KEY, body: { exp: 1 } }),
        FDT_LIFETIME_TOO_LONG: (ask) => ask({ bearer: KEY, body: { exp: Math.floor(Date.now() / 1000) + 100_000 } }),
        FDT_UNKNOWN_PERMISSION: (ask) => ask({ bearer: KEY, body: one('contract', { document_permissions: ['print'] }) }),
        FDT_DUPLICATE_DOCUMENT: (ask) => ask({ bearer: KEY, body: { allowed_documents: [{ document_id: 'contract' }, { document_id: 'contract' }] } }),
        FDT_SESSION_TOO_LARGE: (ask) => ask({ bearer: KEY, body: { allowed_documents: Array.from({ length: 600 }, (_, index) => ({ document_id: String(index).padEnd(512, 'ü') })) } })
      },
      403: { FDT_FLOW_NOT_ALLOWED: notAllowed, FDT_CREDENTIAL_LIMIT: (ask) => ask({ bearer: narrow, body: session }) },
      503: { ...outages, FDT_SIGNER_FAILED: (ask) => ask({ at: unsigned.url, bearer: unsigned.key, body: session }) }
    },
    revokeDocumentSession: {
      ...revoking,
      204: { 'no body': (ask) => ask({ bearer: KEY, body: { user_id: 'jane' } }) },
      400: {
        FDT_INVALID_JSON: invalidJson,
        FDT_MULTIPLE_CREDENTIALS: multiple,
        FST_ERR_VALIDATION: (ask) => ask({ bearer: KEY, body: { user_id: '' } }),
        FDT_INVALID_REQUEST: (ask) => ask({ bearer: KEY, body: {} })
      },
      403: { FDT_FLOW_NOT_ALLOWED: notAllowed },
      404: { FDT_SESSION_NOT_FOUND: (ask) => ask({ bearer: KEY, body: { jwt: 'e30.e30.e30' } }) },
      503: revocationOutages
    },
    createBrokeredSession: {
      ...foreignHost,
      200: { session: (ask) => ask({ bearer: KEY, body: opened }) },
      400: {
        FDT_INVALID_JSON: invalidJson,
        FDT_INVALID_REQUEST: (ask) => ask({ bearer: KEY, body: {} }),
        FST_ERR_VALIDATION: (ask) => ask({ bearer: KEY, body: { documentId: 'x'.repeat(513) } })
      },
      401: {
        FDT_MISSING_CREDENTIAL: (ask) => ask({ body: opened }),
        FDT_INVALID_CREDENTIAL: (ask) => ask({ bearer: foreign, body: opened })
      },
      403: {
        FDT_FOREIGN_ORIGIN: (ask) => ask({ bearer: KEY, body: opened, headers: { origin: 'https://evil.example' } }),
        FDT_DOCUMENT_NOT_ALLOWED: (ask) => ask({ bearer: narrow, body: opened })
      },
      408: { ERR_HTTP_REQUEST_TIMEOUT: (ask) => ask({ at: impatient.url, bearer: KEY, body: opened, isUnfinished: true }) },
      413: { FST_ERR_CTP_BODY_TOO_LARGE: (ask) => ask({ bearer: KEY, announced: 8 * 1024 + 1 }) },
      415: { FST_ERR_CTP_INVALID_MEDIA_TYPE: (ask) => ask({ bearer: KEY, body: opened, headers: { 'content-type': 'text/plain' } }) },
      429: { FDT_RATE_LIMITED: async (ask) => await askUntil429(ask, 60, { bearer: eager, body: opened }) },
      500: { FDT_INVALID_AUTHORIZATION: (ask) => ask({ at: careless.url, body: opened }) },
      502: { FDT_UPSTREAM_FAILED: (ask) => ask({ at: failing.url, body: opened }) },
      503: {
        FDT_STORE_UNAVAILABLE: (ask) => ask({ at: outage.url, bearer: KEY, body: opened }),
        FDT_STORE_FULL: (ask) => ask({ at: full.url, body: opened }),
        FDT_SIGNER_FAILED: (ask) => ask({ at: unsigned.url, body: opened })
      },
      504: { FDT_UPSTREAM_TIMEOUT: (ask) => ask({ at: slow.url, body: opened }) }
    },
    createEditorConfig: {
      ...ofEditor(asked, eager),
      200: { config: (ask) => ask({ bearer: KEY, body: asked }) },
      400: {
        FDT_INVALID_JSON: invalidJson,
        FST_ERR_VALIDATION: (ask) => ask({ bearer: KEY, body: { lang: 'x'.repeat(31) } })
      }
    },
    signEditorMethod: {
      ...ofEditor(called, moreEager[0]),
      200: { setHistoryData: (ask) => ask({ bearer: KEY, body: called }) },
      400: {
        FDT_INVALID_JSON: invalidJson,
        FST_ERR_VALIDATION: (ask) => ask({ bearer: KEY, body: { documentId: 1 } })
      },
      404: { FDT_UNKNOWN_METHOD: (ask) => ask({ id: 'showMessage', bearer: KEY, body: {} }) }
    },
    explainEditorToken: {
      ...ofEditor({ token: 'e30.e30.e30' }, moreEager[1], 1024 * 1024),
      200: { refused: (ask) => ask({ bearer: KEY, body: { token: 'e30.e30.e30' } }) },
      400: {
        FDT_INVALID_JSON: invalidJson,
        FST_ERR_VALIDATION: (ask) => ask({ bearer: KEY, body: { token: 1 } })
      }
    },
    ...ofOpaqueTokens(''),
    ...ofOpaqueTokens('/cad-editor'),
    ...Object.fromEntries(['getToken', ...ALIASES.map((_, index) => `getToken${index + 1}`)].map((id) => [id, getting])),
    introspectToken: {
      ...telling.answers,
      200: { active: (ask) => ask({ form: telling.known }), inactive: (ask) => ask({ form: ending.known }) },
      400: { FDT_INVALID_FORM: telling.invalidForm, FDT_INVALID_REQUEST: withoutToken },
      401: { FDT_INVALID_CLIENT: (ask) => ask({ form: telling.wrong }) }
    },
    revokeAccessToken: {
      ...ending.answers,
      200: { 'no body': (ask) => ask({ form: ending.known }) },
      400: { FDT_INVALID_FORM: ending.invalidForm, FDT_INVALID_REQUEST: withoutToken },
      401: { FDT_INVALID_CLIENT: (ask) => ask({ form: ending.wrong }) }
    },
    ...Object.fromEntries(['getAccessTokenKeys', 'getAccessTokenKeys1', 'getAuthorizationServer', 'getProtectedResource'].map((id) => [id, ofDocument])),
    viewFile: {
      ...viewing,
      200: { example: (ask) => ask({ bearer: access.good, body: fileInfo }) },
      400: {
        ...viewing[400],
        FST_ERR_VALIDATION: (ask) => ask({ bearer: access.good, body: {} }),
        FST_ERR_CTP_EMPTY_JSON_BODY: (ask) => ask({ bearer: access.good, body: '' }),
        FST_ERR_CTP_INVALID_JSON_BODY: (ask) => ask({ bearer: access.good, body: '{' })
      },
      404: { FST_ERR_NOT_FOUND: (ask) => ask({ bearer: access.good, body: { FileInfo: { FilePath: 'nothing' } } }) },
      408: { ERR_HTTP_REQUEST_TIMEOUT: async (ask) => await ask({ at: impatient.url, bearer: await getToken(impatient.url, CLIENT), body: fileInfo, isUnfinished: true }) },
      413: { FST_ERR_CTP_BODY_TOO_LARGE: (ask) => ask({ bearer: access.good, announced: 16 * 1024 + 1 }) },
      415: { FST_ERR_CTP_INVALID_MEDIA_TYPE: (ask) => ask({ bearer: access.good, body: fileInfo, headers: { 'content-type': 'application/xml' } }) }
    },
    downloadPage: { ...ofProgram(), 200: { 'text/html': (ask) => ask({ bearer: access.good }) }, 404: { FST_ERR_NOT_FOUND: (ask) => ask({ id: 'nothing', bearer: access.good }) } },
    listFormats: { ...ofProgram(), ...byProgram },
    listConversions: { ...ofProgram(), ...byProgram, 404: { FST_ERR_NOT_FOUND: (ask) => ask({ query: '?filePath=nothing', bearer: access.good }) } },
    storageExists: { ...ofProgram(), ...byProgram },
    openCadEditor: {
      ...foreignHost,
      200: { 'text/html': async (ask) => ask(await inQuery()) },
      403: { 'text/html': (ask) => ask() },
      429: { 'text/html': async (ask) => askUntil429(ask, 600, await inQuery('')) },
      503: { 'text/html': async (ask) => ask({ at: outage.url, ...await inQuery('/cad-editor', before.opaque) }) }
    },
    openEditor: { ...ofLogin, 200: { 'text/html': (ask) => ask({ bearer: KEY }) } },
    listVersions: { ...ofLogin, 200: { example: (ask) => ask({ bearer: KEY }) } },
    readVersion: {
      ...ofDocumentServer('file', '?version=0'),
      200: {
        'application/vnd.openxmlformats-officedocument.wordprocessingml.document': (ask) => ask({ bearer: signed('letter/file') }),
        'application/octet-stream': (ask) => ask({ query: '?version=2', bearer: signed('letter/file?version=2') })
      }
    },
    readChanges: {
      ...ofDocumentServer('changes', ''),
      200: { 'application/zip': (ask) => ask({ query: '?version=3', bearer: signed('letter/changes?version=3') }) }
    },
    takeCallback: {
      ...foreignHost,
      200: { done: (ask) => ask({ body: callback({}) }) },
      400: {
        FST_ERR_BAD_URL: (ask) => ask({ id: '%', body: callback({}) }),
        FST_ERR_CTP_EMPTY_JSON_BODY: (ask) => ask({ body: '' }),
        FST_ERR_CTP_INVALID_JSON_BODY: (ask) => ask({ body: '{' })
      },
      403: { FDT_CALLBACK_REFUSED: (ask) => ask({ body: callback({}, 'another') }) },
      408: { ERR_HTTP_REQUEST_TIMEOUT: (ask) => ask({ at: impatient.url, body: callback({}), isUnfinished: true }) },
      413: { FST_ERR_CTP_BODY_TOO_LARGE: (ask) => ask({ announced: 4 * 1024 * 1024 + 1 }) },
      414: { FST_ERR_MAX_PARAM_LENGTH: (ask) => ask({ id: 'x'.repeat(101), body: {} }) },
      415: { FST_ERR_CTP_INVALID_MEDIA_TYPE: (ask) => ask({ body: '', headers: { 'content-type': 'application/xml' } }) },
      500: { FDT_CALLBACK_FAILED: (ask) => ask({ body: callback({ status: 2, url: `${docs.url}/nothing` }) }) },
      503: { FDT_STORE_UNAVAILABLE: (ask) => ask({ at: outage.url, body: callback({}, keyOfOutage) }) }
    },
    listDocuments: {
      ...listing,
      200: { example: (ask) => ask({ bearer: KEY }) },
      400: { FDT_MULTIPLE_CREDENTIALS: multipleForList },
      403: { FDT_FLOW_NOT_ALLOWED: notAllowedForList },
      503: { FDT_STORE_UNAVAILABLE: (ask) => ask({ at: outage.url, bearer: before.key }) }
    },
    readDocument: { ...guarded(), 200: bytes },
    downloadDocument: { ...guarded(), 200: bytes },
    readAnnotations: { ...guarded(), 200: { example: (ask) => ask({ bearer: token }) } },
    replaceAnnotations: {
      ...writing,
      204: { 'no body': (ask) => ask({ bearer: token, body: annotations }) },
      400: {
        ...writing[400],
        FST_ERR_VALIDATION: (ask) => ask({ bearer: token, body: {} }),
        FST_ERR_CTP_EMPTY_JSON_BODY: (ask) => ask({ bearer: token, body: '' }),
        FST_ERR_CTP_INVALID_JSON_BODY: (ask) => ask({ bearer: token, body: '{' })
      },
      408: { ERR_HTTP_REQUEST_TIMEOUT: async (ask) => await ask({ at: impatient.url, bearer: await issue(impatient.url, KEY, all), body: annotations, isUnfinished: true }) },
      413: { FST_ERR_CTP_BODY_TOO_LARGE: (ask) => ask({ bearer: token, announced: 256 * 1024 + 1 }) },
      415: { FST_ERR_CTP_INVALID_MEDIA_TYPE: (ask) => ask({ bearer: token, body: annotations, headers: { 'content-type': 'application/xml' } }) }
    }
  }

  await t.test('promises what is known here, and nothing else', async (t) => {
    const promised = operations.map(({ operationId, responses }) => [operationId, Object.entries(responses).map(([status, response]) => [status, namesOf(response)])])
    const known = Object.entries(answersOf).map(([id, answers]) => [id, Object.entries(answers).map(([status, ways]) => [status, Object.keys(ways)])])
    t.strictSame(sorted(promised), sorted(known))
  })

  for (const operation of operations) {
    const ask: Ask = (question = {}) => send(urlOf(operation, url, question), operation.method, question)

    await t.test(`${operation.operationId}: what it is told to send is taken`, async (t) => {
      const query = operation.operationId === 'readChanges' ? '?version=3' : ''
      const bearer = bearerFor(operation, query)
      const own = await questionFor(operation.operationId)
      const bodies = Object.values(operation.requestBody?.content ?? {}).flatMap((media) => Object.entries(examplesOf(media)))
      for (const [name, body] of bodies.length === 0 ? [['no body', undefined] as const] : bodies) {
        // A session has to be a real one, and so has a callback.
        const isSession = operation.operationId === 'revokeDocumentSession' && name === 'session'
        const real = isSession ? { ...body as object, jwt: await issue(url, KEY, all) } : operation.operationId === 'takeCallback' ? callback({}) : body
        const isForm = operation.requestBody?.content[FORM] !== undefined
        // With a client that there is, and a token.
        const sent = isForm ? { form: { ...body as Record<string, string>, ...formOf(CLIENT) } } : { body: real }
        const { status } = await ask({ ...(bearer !== undefined && { bearer }), ...sent, query, ...own })
        t.ok(status < 400, `${name}: ${status}`)
        t.ok(operation.responses[status] !== undefined, `${status} is promised`)
      }
    })

    await t.test(`${operation.operationId}: what it is told to answer, it answers`, async (t) => {
      for (const [status, response] of Object.entries(operation.responses)) {
        const answers: Answer[] = []
        for (const [name, provoke] of Object.entries(answersOf[operation.operationId]?.[Number(status)] ?? {})) {
          const answer = await provoke(ask)
          answers.push(answer)
          compare(t, answer, Number(status), name, response)
        }
        compareHeaders(t, answers, status, response)
      }
    })
  }

  /** What has to be a real one in the place of an example. */
  async function questionFor (operationId: string): Promise<Question> {
    const path = operationId.endsWith('_cad-editor') ? '/cad-editor' : ''
    if (/^(?:revoke|lookUp)Token/.test(operationId)) return { body: { accessor: (await opaque(path)).accessor } }
    if (operationId === 'openCadEditor') return await inQuery()
    return /^verify(?:Posted)?Token/.test(operationId) ? await verified(path) : {}
  }

  function bearerFor ({ path, security = [] }: Operation, query: string): string | undefined {
    const names = security.flatMap((scheme) => Object.keys(scheme))
    if (names.includes('documentServer')) return signed(`${path.replace('/editor/{documentId}', 'letter')}${query}`)
    if (names.includes('docTokensAccess')) return access.good
    return names.includes('docTokensSession') ? token : names.length === 0 || names.includes('docTokensClient') ? undefined : KEY
  }

  function compare (t: Test, { status, type, headers, body }: Answer, promised: number, name: string, { content = {}, headers: documented = {} }: Response): void {
    const title = `${promised} ${name}`
    t.equal(status, promised, title)
    const media = content[String(type)]
    if (Object.keys(content).length === 0) t.strictSame({ body, type }, { body: '', type: undefined }, `${title}: no body`)
    else if (media === undefined) t.fail(`${title}: ${type} is not promised`)
    else if (!isJson(String(type))) t.ok(type === name && String(body).length > 500, `${title}: bytes`)
    else {
      t.strictSame(check(media.schema, body), [], `${title}: fits its schema`)
      if (promised >= 400) t.strictSame(withShape(body), withShape(examplesOf(media)[name]), `${title}: is its example`)
    }
    for (const header of ANNOUNCED) {
      if (headers[header] !== undefined) t.ok(Object.keys(documented).some((known) => known.toLowerCase() === header), `${title}: ${header} is promised`)
    }
  }

  /** Each header is there, and once at least it looks as its example does. */
  function compareHeaders (t: Test, answers: readonly Answer[], status: string, { headers = {} }: Response): void {
    for (const [name, { schema }] of Object.entries(headers)) {
      const values = answers.map(({ headers }) => headers[name.toLowerCase()]).filter((value) => value !== undefined)
      t.ok(values.length === answers.length || SOMETIMES[status]?.includes(name) === true, `${status}: ${name} is there`)
      for (const value of values) t.strictSame(check(schema, 'type' in schema && schema.type === 'integer' ? Number(value) : value), [], `${status}: ${name}`)
      t.ok(values.some((value) => shape(value).startsWith(shape(schema.example))), `${status}: ${name} looks as in its example`)
    }
  }
})

/** A service that takes connections and never answers. */
async function startSilence (t: Test): Promise<string> {
  const app = Fastify({ forceCloseConnections: true })
  t.teardown(() => app.close())
  app.post('/viewer/sessions', () => new Promise(() => {}))
  return await app.listen({ host: '127.0.0.1', port: 0 })
}

/** Asks from one address until it is too much, which it must be in the end, and not before `allowed` questions. */
async function askUntil429 (ask: Ask, allowed: number, question: Question): Promise<Answer> {
  const headers = { ...question.headers, 'x-forwarded-for': nextAddress() }
  for (let asked = 0; asked < 3 * allowed; asked++) {
    const answer = await ask({ ...question, headers })
    if (answer.status !== 429) continue
    if (asked < allowed) throw new RangeError(`too many after ${asked}`)
    return answer
  }
  throw new RangeError('never too many')
}

function urlOf ({ path, parameters = [] }: Operation, url: string, { at = url, id, query = '' }: Question): string {
  return at + path.replace(/\{([\w*]+)\}/g, (_, name) => id ?? String(parameters.find((parameter) => parameter.name === name)?.example)) + query
}

/** What there is to compare of an answer: its examples, its media types where they are bytes, or that it has no body. */
function namesOf ({ content = {} }: Response): string[] {
  const names = Object.entries(content).flatMap(([type, media]) => isJson(type) ? Object.keys(examplesOf(media)) : [type])
  return names.length === 0 ? ['no body'] : names
}

/** Numbers differ from answer to answer, and so do digests. */
function shape (value: unknown): string {
  return String(value).replace(/"[\w-]{43}"/g, '"digest"').replace(/\d+/g, '0')
}

/** An error may tell how far a limit reaches, which each instance has of its own. */
function withShape (error: unknown): unknown {
  return { ...Object(error), message: shape(Object(error).message) }
}

/** Lists at any depth, in an order that does not matter. */
function sorted (value: unknown): unknown {
  return Array.isArray(value) ? value.map(sorted).sort((a, b) => JSON.stringify(a) < JSON.stringify(b) ? -1 : 1) : value
}
