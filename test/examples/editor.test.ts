import { randomBytes } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { renderPage } from '../../examples/server/editor/page.ts'
import { skipWithoutChromium, startBrowser } from '../support/browser.ts'
import { type Answer, call } from '../support/example-client.ts'
import { type DocumentServer, startDocumentServer } from '../support/document-server.ts'
import { apiKeys, type ExampleServer, freePort, newDataDir, type ServerOptions, startServer, until } from '../support/example-server.ts'

const KEY = 'a-known-key-of-the-demo_0123456789'
const SECRET = randomBytes(32).toString('base64url')

const basic = (name: string, password: string) => ({ authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}` })

/** A name that would be a script, if it got out of where it is. */
const HOSTILE = ['</script><script>window.pwned = 1</script>', '<!--<script>', '"><img src=x onerror=alert(1)>', '\'`${}$&$1\\', 'one\u2028two\u2029three', '&lt;&#60;\\u003c', 'Jürgen Öß 🦊', ']]>']

async function startHost (t: Test, { env = {}, ...options }: ServerOptions = {}): Promise<ExampleServer & { docs: DocumentServer }> {
  const docs = await startDocumentServer(t, { inbox: SECRET })
  const server = await startServer(t, { env: { PORT: String(await freePort()), DEMO_API_KEY: KEY, EDITOR_SECRET: SECRET, DOCUMENT_SERVER_URL: docs.url, ...env }, ...options })
  return { ...server, docs }
}

interface Config {
  document: { key: string, title: string, permissions: Record<string, boolean> }
  editorConfig: { mode: string, user: { id: string, name: string } }
  token: string
}

/** What is in the block of data of a page. */
function contentOf ({ text }: Pick<Answer, 'text'>): { id: string, config: Config } {
  return JSON.parse(String(/<script type="application\/json" id="content">(.*?)<\/script>/s.exec(text)?.[1]))
}

/** The names of elements, as a parser would see them: in a script everything up to its end tag is text. */
function elementsOf (html: string): string[] {
  return [...html.replace(/(<script[^>]*>).*?(<\/script>)/gs, '$1$2').matchAll(/<(\w+|!--)/g)].map(([, name]) => String(name))
}

t.test('the page', async (t) => {
  const { url, docs, dataDir } = await startHost(t, { env: { CORS_ORIGINS: 'https://app.example' } })
  const page = `${url}/editor/letter`

  await t.test('opens the document for who logs in', async (t) => {
    const reply = await call(page, { headers: basic('jane', KEY) })
    t.equal(reply.status, 200)
    const { id, config } = contentOf(reply)
    t.equal(id, 'letter')
    const { token, ...rest } = config
    const { exp, ...claims } = docs.judge(token)
    t.strictSame(claims, rest, 'all of it is signed')
    const seconds = Number(exp) - Date.now() / 1000
    t.ok(seconds > 200 && seconds <= 300, 'for five minutes')
    t.match(rest, { documentType: 'word', document: { title: 'Letter about the spring survey', fileType: 'docx', permissions: { edit: true, download: true } }, editorConfig: { mode: 'edit', user: { id: 'jane', name: 'jane' } } })
    t.ok(reply.text.includes(`src="${docs.url}/web-apps/apps/api/documents/api.js"`))
    t.ok(reply.text.includes(`is there a document server at ${docs.url}?</div>`), 'where it is not, the page says so')
    t.equal((await call(page, { bearer: KEY })).status, 200, 'with a key in a header, too')
    t.match(contentOf(await call(page, { headers: { 'x-api-key': KEY } })).config.editorConfig.user, { id: 'demo', name: 'demo' })
    t.match(contentOf(await call(page, { headers: basic('', KEY) })).config.editorConfig.user, { id: 'demo', name: 'demo' })
  })

  await t.test('has a policy that lets nothing else run', async (t) => {
    const replies = [await call(page, { headers: basic('jane', KEY) }), await call(page, { headers: basic('jane', KEY) })]
    const nonces = replies.map(({ headers, text }) => {
      const nonce = String(/'nonce-([^']+)'/.exec(String(headers.get('content-security-policy')))?.[1])
      t.strictSame(String(headers.get('content-security-policy')).split('; '), [
        "default-src 'none'", `script-src 'nonce-${nonce}' ${docs.url}`, `style-src 'nonce-${nonce}'`, `frame-src ${docs.url}`, "connect-src 'self'",
        "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"
      ])
      t.equal(text.split(`nonce="${nonce}"`).length, 4, 'its style and two scripts')
      return nonce
    })
    t.not(nonces[0], nonces[1], 'made for one answer')
    // T40
    for (const { headers } of replies) {
      t.match(Object.fromEntries(headers), { 'content-type': 'text/html; charset=utf-8', 'referrer-policy': 'same-origin', 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' })
    }
  })

  await t.test('is no more than it was, whatever a user is called', async (t) => {
    const usual = elementsOf((await call(page, { headers: basic('jane', KEY) })).text)
    for (const [index, name] of HOSTILE.entries()) {
      const reply = await call(page, { headers: basic(name, KEY) })
      t.strictSame(contentOf(reply).config.editorConfig.user, { id: name, name }, `name ${index}`)
      t.strictSame(elementsOf(reply.text), usual)
      t.notMatch(reply.text, /[\u2028\u2029]/)
    }
  })

  await t.test('or a document', (t) => {
    for (const documentServerUrl of ['https://docs.example/ds', undefined]) {
      const usual = elementsOf(renderPage({ id: 'id', title: 'title', config: {}, documentServerUrl }).html)
      for (const [index, title] of HOSTILE.entries()) {
        const { html } = renderPage({ id: title, title, config: { document: { title } }, documentServerUrl })
        t.strictSame(elementsOf(html), usual, `title ${index}`)
        if (documentServerUrl !== undefined) t.strictSame(contentOf({ text: html }), { id: title, config: { document: { title } } })
      }
    }
    t.end()
  })

  await t.test('is for who has a key', async (t) => {
    const login = 'Basic realm="editor", charset="UTF-8"'
    const encoded = (text: string) => ({ authorization: `Basic ${Buffer.from(text).toString('base64')}` })
    const refused: Array<[string, Record<string, string>, string]> = [
      ['nothing', {}, login],
      ['another key', basic('jane', `${KEY}x`), login],
      ['the key as the name', basic(KEY, ''), login],
      ['the key in both places', basic(KEY, KEY), login],
      ['no colon', encoded(KEY), login],
      ['no password', basic('jane', ''), login],
      ['a name with a line feed', basic('a\nb', KEY), login],
      ['a name that is too long', basic('x'.repeat(129), KEY), login],
      ['nothing behind the scheme', { authorization: 'Basic' }, login],
      ['two logins', { ...basic('jane', KEY), 'x-api-key': KEY }, login],
      ['two keys', { authorization: `Bearer ${KEY}`, 'x-api-key': KEY }, 'Bearer error="invalid_request"'],
      ['another key in a header', { authorization: `Bearer ${KEY}x` }, 'Bearer error="invalid_token"'],
      ['another scheme', { authorization: `Digest ${KEY}` }, 'Bearer']
    ]
    for (const path of ['/editor/letter', '/editor/letter/history', '/editor/nothing']) {
      for (const [name, headers, challenge] of refused) {
        const reply = await call(`${url}${path}`, { headers })
        t.strictSame([reply.status, reply.headers.get('www-authenticate'), reply.headers.get('cache-control')], [401, challenge, 'no-store'], `${path}: ${name}`)
      }
      t.equal((await call(`${url}${path}`, { headers: basic('x'.repeat(128), KEY) })).headers.get('www-authenticate'), null)
    }
    // T28
    for (const id of ['nothing', 'contract', 'floor-plan', 'LETTER', '..%2Fletter', '__proto__', 'constructor']) t.equal((await call(`${url}/editor/${id}`, { headers: basic('jane', KEY) })).status, 404, id)
  })

  await t.test('goes no further than the key', async (t) => {
    const make = async (...args: string[]) => (await apiKeys(t, dataDir, 'create', ...args) as { secret: string }).secret
    const [reader, writer, narrow, foreign] = [await make('--permission', 'read'), await make('--permission', 'write'), await make('--document', 'contract'), await make('--flow', 'opaque-tokens')]
    const { document, editorConfig } = contentOf(await call(page, { headers: basic('jane', reader) })).config
    t.equal(editorConfig.mode, 'view')
    t.match(document.permissions, { edit: false, comment: false, review: false, fillForms: false, download: false, print: false, copy: false })
    for (const path of ['/editor/letter', '/editor/letter/history']) {
      for (const key of [writer, narrow]) t.match(await call(`${url}${path}`, { headers: basic('jane', key) }), { status: 403, body: { code: 'FDT_DOCUMENT_NOT_ALLOWED' } })
      t.match(await call(`${url}${path}`, { headers: basic('jane', foreign) }), { status: 401, body: { code: 'FDT_INVALID_CREDENTIAL' } })
    }
    for (const [path, body] of [['config', { documentId: 'letter' }], ['methods/setHistoryData', { documentId: 'letter', data: 1 }]] as const) {
      const ask = async (headers: Record<string, string>, members = {}) => (await call(`${url}/editor/${path}`, { method: 'POST', body: { ...body, ...members }, headers })).status
      // Whoever has the token of a version chooses its permissions, so it is for those who may download.
      t.equal(await ask(basic('jane', reader)), path === 'config' ? 200 : 403, path)
      for (const key of [writer, narrow]) t.equal(await ask(basic('jane', key)), 403, path)
      t.equal(await ask(basic('jane', KEY), { documentId: 'contract' }), 403, path)
      t.equal(await ask(basic('jane', KEY), { documentId: undefined }), 403, path)
      t.equal(await ask({}), 401, path)
    }
    t.equal((await call(`${url}/editor/methods/insertImage`, { method: 'POST', body: {}, headers: basic('jane', KEY) })).status, 404, 'what nothing is signed for')
  })

  // T17, T38
  await t.test('and nobody else’s page asks in its place', async (t) => {
    const ask = async (headers: Record<string, string>) => (await call(`${url}/editor/config`, { method: 'POST', body: { documentId: 'letter' }, headers: { ...basic('jane', KEY), ...headers } })).status
    t.equal(await ask({ origin: url }), 200, 'its own')
    t.equal(await ask({ origin: 'https://app.example' }), 200, 'one that is trusted')
    for (const origin of ['https://evil.example', docs.url, 'null']) t.equal(await ask({ origin }), 403, origin)
  })

  await t.test('whoever logs in may ask why a token is refused', async (t) => {
    const ask = async (headers: Record<string, string>) => await call(`${url}/editor/explain`, { method: 'POST', body: { token: KEY }, headers })
    t.match(await ask(basic('jane', KEY)), { status: 200, body: { accepted: false } })
    t.equal((await ask({})).status, 401)
  })
})

t.test('without a document server', async (t) => {
  const { url } = await startServer(t, { env: { DEMO_API_KEY: KEY, EDITOR_SECRET: SECRET } })
  const reply = await call(`${url}/editor/letter`, { headers: basic('jane <b>', KEY) })
  t.equal(reply.status, 200)
  t.match(reply.text, /There is no document server: DOCUMENT_SERVER_URL is not set\./)
  t.match(reply.text, '/web-apps/apps/api/documents/api.js')
  t.match(reply.text, /&#34;mode&#34;: &#34;view&#34;/, 'for reading only')
  t.match(reply.text, /&#34;token&#34;: &#34;eyJ/)
  t.match(reply.text, 'jane &#60;b&#62;')
  t.notMatch(reply.text, '<script')
  t.match(reply.headers.get('content-security-policy'), /script-src 'nonce-[^']+'; .*frame-src 'none'/)
  t.equal((await call(`${url}/editor/letter/callback`, { method: 'POST', body: {} })).status, 404, 'nobody’s saves are taken')
})

t.test('the secret of the editor', async (t) => {
  await t.test('is made where none is given, and stays', async (t) => {
    const dataDir = newDataDir(t)
    const file = join(dataDir, 'editor-secret')
    const open = async () => {
      const { url, output, stop } = await startServer(t, { dataDir, env: { DEMO_API_KEY: KEY } })
      const { body } = await call(`${url}/editor/config`, { method: 'POST', bearer: KEY, body: { documentId: 'letter' } })
      t.equal(await stop(), 0)
      const secret = readFileSync(file, 'utf8').trim()
      const docs = await startDocumentServer(t, { inbox: secret })
      t.match(docs.judge((body as Config).token), { editorConfig: { user: { id: 'demo' } } })
      t.notOk(output().includes(secret))
      return secret
    }
    const secret = await open()
    t.match(secret, /^[\w-]{43}$/)
    if (process.platform !== 'win32') t.equal(statSync(file).mode & 0o777, 0o600)
    t.equal(await open(), secret)
  })

  await t.test('may be a weak one, and the log says so', async (t) => {
    const { url, docs, output } = await startHost(t, { env: { EDITOR_SECRET: 'secret', EDITOR_OUTBOX_SECRET: SECRET } })
    const { body } = await call(`${url}/editor/config`, { method: 'POST', bearer: KEY, body: { documentId: 'letter' } })
    t.throws(() => docs.judge((body as Config).token))
    t.match(output(), /"level":40,[^\n]*The inbox secret of the editor can be guessed/)
    t.notMatch(output(), /The outbox secret|are the same/)
  })
})

t.test('in a browser', { skip: skipWithoutChromium }, async (t) => {
  const { url, docs } = await startHost(t)
  const { open } = await startBrowser(t)
  const name = String(HOSTILE[0])
  const config = (await call(`${url}/editor/config`, { method: 'POST', headers: basic(name, KEY), body: { documentId: 'letter' } })).body as Config
  const changes = [{ created: '2026-05-12 09:00:00', user: { id: 'jane', name: 'jane' } }]
  await docs.callback(await docs.open(config), { status: 2, url: docs.keep('edited').url, changesurl: docs.keep('changes').url, users: ['jane'], history: { changes, serverVersion: '9.3.0' } })

  const address = new URL(`${url}/editor/letter`)
  Object.assign(address, { username: encodeURIComponent(name), password: KEY })
  const tab = await open(address.href)
  // What the editor is given, up to the second version.
  const given = await until(() => docs.given.length >= 4 && docs.given)
  t.strictSame(given.map(({ call }) => call), ['DocEditor', 'refreshHistory', 'setHistoryData', 'setHistoryData'])
  const [editor, list, first, second] = given.map(({ argument }) => argument)

  const { events, token, ...members } = editor as Config & { events: object }
  const { exp, ...claims } = docs.judge(token)
  t.strictSame(members, claims, 'the very config that was signed')
  t.match(members, { document: { title: config.document.title }, editorConfig: { user: { id: name, name } } })
  t.equal((await docs.open(editor as Config)).file.toString(), 'edited', 'and the document server takes it')
  t.match(list, { currentVersion: 2, history: [{ version: 1 }, { version: 2, changes, user: { id: 'jane' } }] })
  for (const [number, data] of [[1, first], [2, second]] as const) {
    const { token, ...members } = data as { token: string, url: string }
    const { exp, ...claims } = docs.judge(token)
    t.strictSame(members, claims)
    t.match(members, { version: number, url: `${url}/editor/letter/file?version=${number}` })
  }
  t.match(second, { changesUrl: `${url}/editor/letter/changes?version=2`, previous: { key: config.document.key } })

  t.equal(await tab.evaluate('typeof DocsAPI.DocEditor'), 'function')
  t.equal(await tab.evaluate('window.pwned'), undefined, 'nothing of a name is run')
  t.equal(await tab.evaluate('document.title'), 'Letter about the spring survey')
  t.strictSame(tab.complaints, [])

  await t.test('other scripts are not let in', async (t) => {
    await tab.evaluate('document.body.append(Object.assign(document.createElement("script"), { textContent: "window.pwned = 1" }))')
    await tab.evaluate('fetch("http://127.0.0.1:1/").catch(() => {})')
    t.equal(await tab.evaluate('window.pwned'), undefined)
    t.match(tab.complaints.join(), /Content Security Policy/)
  })
})
