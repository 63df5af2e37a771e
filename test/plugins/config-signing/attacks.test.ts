import Fastify, { type FastifyRequest } from 'fastify'
import t from 'tap'
import { createMemoryStore } from '../../../lib/stores/memory.ts'
import { createEditorSignatures, configSigning, type ConfigSigningOptions } from '../../../plugins/config-signing/index.ts'
import { DOCS, headerToken, INBOX, KEY, NOW, OUTBOX, SAVE, sign, TIMES } from '../../support/editor-tokens.ts'

const URL_OF_FILE = 'https://app.example/files/a.docx'
const quiet = { onWarning () {}, now: () => NOW } as const
const signed = (payload: string) => ['{"alg":"HS256","typ":"JWT"}', payload].map((part) => Buffer.from(part).toString('base64url')).join('.')

t.test('a token that is wrong in thousands of places is explained by a few of them', async (t) => {
  const { explain } = createEditorSignatures({ inbox: INBOX, outbox: OUTBOX, ...quiet })
  const members = Object.fromEntries(Array.from({ length: 5000 }, (_, index) => [`ds_${index}`, 1]))
  for (const [kind, payload] of [['callback', { key: 'k', status: 2, users: Array.from({ length: 5000 }, () => 1) }], ['config', { document: members, editorConfig: members }]] as const) {
    const { problems } = await explain({ token: `${signed(JSON.stringify(payload))}.x`, kind })
    t.ok(problems.length <= 30, `${kind}: ${problems.length}`)
  }
})

t.test('however deep a token is nested, it is explained', async (t) => {
  const { explain } = createEditorSignatures({ inbox: INBOX, outbox: OUTBOX, ...quiet })
  for (let depth = 250; depth <= 8000; depth += 250) {
    const deep = `${'['.repeat(depth)}${']'.repeat(depth)}`
    t.equal((await explain({ token: `${signed(`{"document":{"title":${deep}}}`)}.x` })).accepted, false, String(depth))
  }
})

t.test('what an authorization has from its prototype is not lost on the way', async (t) => {
  class Editor { callbackUrl = URL_OF_FILE; user = { id: 'jane' }; get mode () { return 'view' as const } }
  const app = Fastify()
  const authorize = { config: () => ({ document: { key: KEY, url: URL_OF_FILE, permissions: { edit: true } }, editorConfig: new Editor() }) }
  await app.register(configSigning, { inbox: INBOX, ...quiet, store: createMemoryStore(), allowedUrls: { server: ['https://app.example'], browser: [] }, authorize } as ConfigSigningOptions)
  for (const payload of [{}, { lang: 'de' }]) t.equal((await app.inject({ method: 'POST', url: '/editor/config', payload })).statusCode, 500)
})

t.test('the servers of two tenants may say the same', async (t) => {
  const secrets: Record<string, string> = { a: `a${OUTBOX}`, b: `b${OUTBOX}` }
  const { requireCallback } = createEditorSignatures({ inbox: INBOX, outbox: (tenant) => secrets[tenant] ?? null, store: createMemoryStore({ now: () => NOW }), ...quiet })
  const app = Fastify()
  const handled: string[] = []
  const tenant = ({ params }: FastifyRequest<{ Params: { tenant: string } }>) => params.tenant
  app.post('/:tenant', requireCallback<FastifyRequest<{ Params: { tenant: string } }>>({ document: () => KEY, downloadOrigins: [DOCS], tenant }, async (_event, request) => { handled.push(tenant(request)) }))
  for (const url of ['/a', '/b', '/a', '/b']) {
    const payload = { token: sign({ ...SAVE, ...TIMES }, String(secrets[url.slice(1)])) }
    t.equal((await app.inject({ method: 'POST', url, payload })).body, '{"error":0}')
  }
  t.strictSame(handled, ['a', 'b'])
})

t.test('no request is a download (T30)', async (t) => {
  for (const issuedAt of [false, true]) {
    const { signRequest, verifyDownload } = createEditorSignatures({ inbox: OUTBOX, outbox: OUTBOX, issuedAt, ...quiet })
    for (const options of [{}, { issuedAt: true }, { operation: true }, { issuedAt: true, expiresIn: 600 }]) {
      const { headers: { authorization = '' }, body } = await signRequest('docbuilder', { url: URL_OF_FILE }, options)
      for (const token of [authorization.slice('Bearer '.length), body.token]) await t.rejects(verifyDownload(token, URL_OF_FILE), { code: 'FDT_INVALID_TOKEN' })
    }
  }
})

t.test('a stranger does not hear that the secret of a tenant can be guessed', async (t) => {
  const { requireDownload } = createEditorSignatures({ inbox: INBOX, outbox: () => 'secret', ...quiet })
  const app = Fastify()
  app.get('/files/*', { onRequest: requireDownload({ origin: 'https://app.example', tenant: () => 'a' }) }, async () => 'bytes')
  const { statusCode, body } = await app.inject({ url: '/files/a.docx', headers: { authorization: `Bearer ${headerToken({ url: URL_OF_FILE })}` } })
  t.equal(statusCode, 500)
  t.notMatch(body, /weak|guess|bytes|outbox/i)
})
