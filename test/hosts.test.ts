/**
 * Three apps whose authors never heard of this package get guarded documents with one `register`.
 *
 * How each keeps strangers out decides whether that can be:
 * - jwt-login guards route by route, as the README of @fastify/jwt does: there is nothing in the way of our routes.
 * - autoload-typebox has a hook at the root, which runs before ours too. It reads who asks from `Authorization`, finds
 *   nobody for an API key or a session, and refuses none; that is left to the folders of its routes.
 * - cookie-sessions refuses at the root whatever does not say `config.public`. The register says it for its own scope.
 *
 * A hook at the root that refuses by a list of URLs in the app, or that judges every bearer token itself, leaves a
 * route nothing to say: there the list or the hook has to learn of the routes.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, resolve, sep } from 'node:path'
import { type FastifyContextConfig, type FastifyInstance, type LightMyRequestResponse } from 'fastify'
import t, { type Test } from 'tap'
import { createApiKeyRegistry } from '../lib/credentials/index.ts'
import { createKeyRing, generateKey } from '../lib/keys/index.ts'
import { createMemoryStore } from '../lib/stores/memory.ts'
import * as library from './hosts/autoload-typebox/app.ts'
import * as librarySuite from './hosts/autoload-typebox/suite.ts'
import * as notebook from './hosts/cookie-sessions/app.ts'
import * as notebookSuite from './hosts/cookie-sessions/suite.ts'
import * as exchanges from './hosts/exchanges.ts'
import { guardedDocuments } from './hosts/guarded-documents.ts'
import * as magazine from './hosts/jwt-login/app.ts'
import * as magazineSuite from './hosts/jwt-login/suite.ts'
import { type Exchange, transcribe } from './hosts/transcript.ts'
import { refusal } from './support/session-host.ts'

// tap loads TypeScript in a way that @fastify/autoload does not know.
process.env['FASTIFY_AUTOLOAD_TYPESCRIPT'] ??= '1'

interface Host {
  folder: string
  build: () => Promise<FastifyInstance>
  suite: (t: Test, build: () => Promise<FastifyInstance>) => Promise<void>
  exchanges: readonly Exchange[]
  find: (app: FastifyInstance, id: string) => object | undefined
  config?: FastifyContextConfig
  /** Headers of somebody who is signed in to the app. */
  signIn: (app: FastifyInstance) => Promise<Record<string, string>>
  /** Two documents of the app, and one that it does not have. */
  documents: readonly [string, string, string]
  /** How the app's own login is taken by the guard. */
  loginIsRefusedWith: 'FDT_MISSING_TOKEN' | 'FDT_INVALID_TOKEN'
  /** A route of the app that wants its login, and what strangers get. */
  own: { url: string, stranger: number }
  /** The app's own answer where there is nothing. */
  notFound: RegExp
}

const hosts: readonly Host[] = [
  {
    folder: 'cookie-sessions',
    build: () => notebook.buildApp(notebookSuite.options),
    suite: notebookSuite.suite,
    exchanges: exchanges.notebook,
    find: (app, id) => app.notebook.find(id),
    config: { public: true },
    signIn: (app) => notebookSuite.signIn(app, 'ada'),
    documents: ['note-1', 'note-2', 'note-9'],
    loginIsRefusedWith: 'FDT_MISSING_TOKEN',
    own: { url: '/notes/note-1', stranger: 302 },
    notFound: /<h1>Not found<\/h1>/
  },
  {
    folder: 'jwt-login',
    build: () => magazine.buildApp(magazineSuite.options),
    suite: magazineSuite.suite,
    exchanges: exchanges.articles,
    find: (app, id) => app.articles.find(Number(id)),
    signIn: (app) => magazineSuite.signIn(app, 'virginia'),
    documents: ['3', '2', '9'],
    loginIsRefusedWith: 'FDT_INVALID_TOKEN',
    own: { url: '/drafts/3', stranger: 401 },
    notFound: /There is nothing here/
  },
  {
    folder: 'autoload-typebox',
    build: () => library.buildApp(librarySuite.options),
    suite: librarySuite.suite,
    exchanges: exchanges.manuals,
    find: (app, id) => app.manuals.find(id),
    signIn: (app) => librarySuite.signIn(app, 'mary'),
    documents: ['pump', 'crane', 'none'],
    loginIsRefusedWith: 'FDT_INVALID_TOKEN',
    own: { url: '/manuals/pump', stranger: 401 },
    notFound: /Route GET:\/viewer\/documents\/none not found/
  }
]

/** The app, and an API key for its documents. The one register is all that it takes. */
async function withDocuments ({ build, find, config }: Host): Promise<{ app: FastifyInstance, secret: string }> {
  const store = createMemoryStore()
  const credentials = createApiKeyRegistry({ store })
  const keys = createKeyRing([{ key: await generateKey('ES256') }])
  const { secret } = await credentials.create()
  const app = await build()
  await app.register(guardedDocuments, { issuer: 'https://tokens.example', keys, store, credentials, find: (id) => find(app, id), ...(config !== undefined && { config }) })
  return { app, secret }
}

for (const host of hosts) {
  const { folder, build, suite, documents: [first, second, missing] } = host

  t.test(`${folder}: knows nothing of this package`, async (t) => {
    const root = join(import.meta.dirname, 'hosts', folder)
    const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts')).map((name) => join(root, name))
    t.ok(files.length >= 3)
    for (const file of files) {
      const source = readFileSync(file, 'utf8')
      for (const [, specifier = ''] of source.matchAll(/\b(?:from|import) '(\.[^']+)'/g)) t.ok(resolve(dirname(file), specifier).startsWith(root + sep), specifier)
      t.notMatch(source, /doc-?tokens|document-?sessions?|\/viewer/i, file.slice(root.length))
    }
  })

  t.test(`${folder}: works alone`, (t) => suite(t, build))

  t.test(`${folder}: works the same with guarded documents`, (t) => suite(t, async () => (await withDocuments(host)).app))

  t.test(`${folder}: answers its own routes with the same bytes`, async (t) => {
    const alone = await transcribe(t, await build(), host.exchanges)
    const together = await transcribe(t, (await withDocuments(host)).app, host.exchanges)

    for (const [index, { send, status }] of host.exchanges.entries()) {
      t.equal(alone[index]?.split(' ')[1], String(status), send)
      t.equal(together[index], alone[index], send)
    }
  })

  t.test(`${folder}: guards its documents`, async (t) => {
    const { app, secret } = await withDocuments(host)
    t.teardown(() => app.close())
    const login = await host.signIn(app)
    const read = (id: string, headers: Record<string, string> = {}) => app.inject({ url: `/viewer/documents/${id}`, headers })
    const post = (url: string, payload: object, headers: Record<string, string>) => app.inject({ method: 'POST', url, headers: { 'content-type': 'application/json', ...headers }, payload })
    const issue = (...ids: string[]) => post('/viewer/sessions', { allowed_documents: ids.map((id) => ({ document_id: id })) }, { 'x-api-key': secret })
    const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

    const issued = await post('/viewer/sessions', { allowed_documents: [{ document_id: first }, { document_id: missing }] }, bearer(secret))
    t.equal(issued.statusCode, 201)
    const { jwt } = issued.json()
    const other = (await issue(second)).json().jwt

    const answer = await read(first, bearer(jwt))
    t.equal(answer.statusCode, 200)
    t.strictSame(answer.json(), host.find(app, first))
    t.equal((await read(first, { ...bearer(jwt), ...cookieOf(login) })).statusCode, 200, 'with the app\'s cookie as well')

    const nothing = await read(missing, bearer(jwt))
    t.equal(nothing.statusCode, 404)
    t.match(nothing.body, host.notFound, 'where there is no document the app answers')

    const refused: ReadonlyArray<{ name: string, reply: LightMyRequestResponse, status: number, code: string, challenge?: string }> = [
      { name: 'nobody', reply: await read(first), status: 401, code: 'FDT_MISSING_TOKEN', challenge: 'Bearer' },
      { name: 'the app\'s own login', reply: await read(first, login), status: 401, code: host.loginIsRefusedWith, challenge: host.loginIsRefusedWith === 'FDT_MISSING_TOKEN' ? 'Bearer' : 'Bearer error="invalid_token"' },
      { name: 'the API key', reply: await read(first, bearer(secret)), status: 401, code: 'FDT_INVALID_TOKEN', challenge: 'Bearer error="invalid_token"' },
      { name: 'a session for another document', reply: await read(first, bearer(other)), status: 403, code: 'FDT_INSUFFICIENT_PERMISSION', challenge: 'Bearer error="insufficient_scope"' },
      { name: 'issue with no API key', reply: await post('/viewer/sessions', {}, {}), status: 401, code: 'FDT_MISSING_CREDENTIAL', challenge: 'Bearer' },
      { name: 'issue with a session', reply: await post('/viewer/sessions', {}, bearer(jwt)), status: 401, code: 'FDT_INVALID_CREDENTIAL', challenge: 'Bearer error="invalid_token"' },
      { name: 'issue with the app\'s cookie', reply: await post('/viewer/sessions', {}, cookieOf(login)), status: 401, code: 'FDT_MISSING_CREDENTIAL', challenge: 'Bearer' },
      { name: 'issue with an unknown member', reply: await post('/viewer/sessions', { documents: [] }, bearer(secret)), status: 400, code: 'FST_ERR_VALIDATION' },
      { name: 'issue with a number as text', reply: await post('/viewer/sessions', { exp: '4000000000' }, bearer(secret)), status: 400, code: 'FST_ERR_VALIDATION' },
      { name: 'issue with a form', reply: await app.inject({ method: 'POST', url: '/viewer/sessions', headers: { ...bearer(secret), 'content-type': 'application/x-www-form-urlencoded' }, payload: 'exp=1' }), status: 415, code: 'FST_ERR_CTP_INVALID_MEDIA_TYPE' },
      { name: 'another method', reply: await app.inject({ method: 'PUT', url: '/viewer/sessions' }), status: 405, code: 'FDT_METHOD_NOT_ALLOWED' }
    ]
    for (const { name, reply, status, code, challenge } of refused) {
      t.strictSame(refusal(reply), { status, code, challenge, cache: 'no-store', complete: true }, name)
    }
    for (const reply of [issued, answer, ...refused.map(({ reply }) => reply)]) t.equal(reply.headers['set-cookie'], undefined, 'no session of the app begins')

    for (const token of [jwt, secret]) t.equal((await app.inject({ url: host.own.url, headers: bearer(token) })).statusCode, host.own.stranger, 'neither opens a route of the app')
    t.equal((await app.inject({ url: host.own.url, headers: login })).statusCode, 200)

    t.equal((await post('/viewer/sessions/revoke', { jwt }, bearer(secret))).statusCode, 204)
    const revoked = await read(first, bearer(jwt))
    t.strictSame(refusal(revoked), { status: 401, code: 'FDT_TOKEN_REVOKED', challenge: 'Bearer error="invalid_token"', cache: 'no-store', complete: true })
    t.equal(revoked.json().message, 'Token has been revoked')
    t.equal((await read(second, bearer(other))).statusCode, 200)
  })
}

t.test('a login hook that knows no better is not gone around', async (t) => {
  for (const host of hosts.filter(({ config }) => config !== undefined)) {
    const { config, ...unmarked } = host
    t.strictSame(config, { public: true })
    const { app, secret } = await withDocuments(unmarked)
    t.teardown(() => app.close())
    const reply = await app.inject({ method: 'POST', url: '/viewer/sessions', headers: { authorization: `Bearer ${secret}` }, payload: {} })
    t.equal(reply.statusCode, 401)
    t.match(reply.body, 'Please sign in first')
    t.equal((await app.inject('/viewer/documents/note-1')).headers.location, '/login')
  }
})

t.test('an OpenAPI document of the app gains the routes, and is the same in all else', async (t) => {
  const [host] = hosts.filter(({ folder }) => folder === 'jwt-login')
  if (host === undefined) throw new Error('no such host')
  const describe = async (app: FastifyInstance) => {
    t.teardown(() => app.close())
    return (await app.inject('/openapi.json')).json()
  }
  const alone = await describe(await host.build())
  const together = await describe((await withDocuments(host)).app)
  const isOurs = (path: string) => path.startsWith('/viewer/')
  t.strictSame(Object.keys(together.paths).filter(isOurs).sort(), ['/viewer/documents/{id}', '/viewer/sessions', '/viewer/sessions/revoke'])
  const { paths, components: { securitySchemes: { docTokensBearer, docTokensApiKey, ...schemes }, ...components } } = together
  t.ok(docTokensBearer && docTokensApiKey, 'and what they are called with')
  t.strictSame({ ...together, paths: Object.fromEntries(Object.entries(paths).filter(([path]) => !isOurs(path))), components: { ...components, securitySchemes: schemes } }, alone)
})

function cookieOf ({ cookie }: Record<string, string>): { cookie?: string } {
  return cookie === undefined ? {} : { cookie }
}
