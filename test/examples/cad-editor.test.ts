import { createServer } from 'node:http'
import { once } from 'node:events'
import t, { type Test } from 'tap'
import { createServer as createExample } from '../../examples/server/app.ts'
import { renderDrawing } from '../../examples/server/cad-editor/page.ts'
import { readEnvironment } from '../../examples/server/environment.ts'
import { skipWithoutChromium, startBrowser } from '../support/browser.ts'
import { type Answer, call } from '../support/example-client.ts'
import { startServer, until } from '../support/example-server.ts'

const KEY = 'a-known-key-of-the-demo_0123456789'
const SERVER = 'https://files.internal.example/4711'
const PARAMETERS = { file: 'floor-plan.png', userId: 'jane', access: 'edit', server: SERVER, sessionId: 'session-4711-confidential', fileUrl: 'https://files.internal.example/floor-plan.png?signature=4711' }

async function generate (url: string, body: object = PARAMETERS, path = '/cad-editor/generate'): Promise<string> {
  const reply = await call(url + path, { method: 'POST', headers: { 'x-api-key': KEY }, body })
  if (reply.status !== 200) throw new Error(`no token: ${reply.status} ${reply.text}`)
  return (reply.body as { token: string }).token // what 200 means
}

const open = (url: string, token: string, headers: Record<string, string> = {}) => call(`${url}/cad-editor?apitoken=${encodeURIComponent(token)}`, { headers })

/** What every page has, whatever is on it. */
function checkPage (t: Test, { status, headers, text }: Answer, expected: number, words: string): void {
  t.equal(status, expected, words)
  t.ok(text.includes(`<h1>${words}</h1>`), words)
  t.equal(headers.get('content-type'), 'text/html; charset=utf-8')
  t.equal(headers.get('cache-control'), 'no-store')
  t.equal(headers.get('referrer-policy'), 'no-referrer')
  t.equal(headers.get('x-content-type-options'), 'nosniff')
  const [, nonce = ''] = /^default-src 'none'; script-src 'nonce-([\w+/]{22}==)'; style-src 'nonce-\1'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'$/.exec(String(headers.get('content-security-policy'))) ?? []
  t.equal(text.split(`nonce="${nonce}"`).length, 3, 'a script and a style')
  t.equal(text.indexOf('<script'), text.indexOf(`<script nonce="${nonce}">history.replaceState(null, '', location.pathname)</script>`), 'which first of all forgets the token')
  t.ok(text.indexOf('<script') < text.search(/<(?:style|link|body|main|title)/))
  t.notMatch(text, /<(?:link|img|iframe|form)|\bsrc=|fdt_opaque/)
  t.equal(headers.get('vary'), null)
}

t.test('the page', async (t) => {
  const { url } = await startServer(t, { env: { DEMO_API_KEY: KEY, TRUST_PROXY: '127.0.0.1' } })

  await t.test('shows what it would open, and nothing that is confidential', async (t) => {
    const page = await open(url, await generate(url))
    checkPage(t, page, 200, 'CAD editor')
    for (const text of ['<bdi>floor-plan.png</bdi>', '<bdi>Floor plan of the control room</bdi> (<bdi>image/png</bdi>)', '<bdi>jane</bdi>', '<dd>edit</dd>']) t.ok(page.text.includes(text), text)
    t.notMatch(page.text + JSON.stringify([...page.headers]), /4711|internal|session-/)

    t.match((await open(url, await generate(url, { file: 'contract' }))).text, 'Service agreement', 'an id of the catalogue')
    const other = await open(url, await generate(url, { file: 'other.dwg' }))
    t.match(other, { status: 200, text: /not one of the documents of this server.*nobody.*<dd>view<\/dd>/ })
  })

  await t.test('opens three times and not four, and a look at the rest spends nothing', async (t) => {
    const token = await generate(url)
    for (const method of ['HEAD', 'POST', 'PUT', 'OPTIONS']) t.equal((await call(`${url}/cad-editor?apitoken=${token}`, { method })).status, 404, method)
    t.match(await call(`${url}/cad-editor/verify`, { headers: { 'x-api-token': token } }), { status: 403 }, 'nor does who has no key of the editor')
    t.match(await call(`${url}/cad-editor/verify`, { headers: { 'x-api-token': token, 'x-api-key': KEY } }), { status: 403 }, 'and those of partners are none')
    for (let use = 1; use <= 3; use++) checkPage(t, await open(url, token), 200, 'CAD editor')
    checkPage(t, await open(url, token), 403, 'Wrong token')
  })

  await t.test('what is no token', async (t) => {
    const other = await generate(url, PARAMETERS, '/generate')
    const good = await generate(url)
    const ended = await generate(url)
    t.equal((await call(`${url}/cad-editor/revoke`, { method: 'POST', headers: { 'x-api-key': KEY, 'x-api-token': ended } })).status, 204)
    const altered = `${good.slice(0, -1)}${good.endsWith('A') ? 'B' : 'A'}`
    const wrong = ['', `?apitoken=${other}`, `?apitoken=${ended}`, `?apitoken=${altered}`, '?apitoken=', '?apitoken', `?apitoken=${good}&apitoken=${good}`, `?apitoken=${good}%0d%0ax:1`, `?apitoken=${'x'.repeat(10_000)}`, `?APITOKEN=${good}`, `?token=${good}`, '?apitoken=%', `?apitoken[]=${good}`]
    for (const query of wrong) {
      const page = await call(`${url}/cad-editor${query}`)
      checkPage(t, page, 403, 'Wrong token')
      t.equal(page.headers.get('retry-after'), null)
    }
    t.match(await call(`${url}/cad-editor`, { headers: { 'x-api-token': good } }), { status: 403 }, 'in a header it is for the editor’s server')
    t.equal((await call(`${url}/verify`, { headers: { 'x-api-token': good } })).status, 403, 'and of the other instance it is no token')
    t.equal((await open(url, good)).status, 200, 'none of which was a use')
  })

  await t.test('a file name of somebody’s choosing', async (t) => {
    const hostile = '</dd><script>alert(1)</script>"\'&\u202Egpj.exe\u2066\u0000\n\u200B'
    const { text } = await open(url, await generate(url, { file: hostile, userId: '<img src=x onerror=alert(1)>' }))
    t.ok(text.includes('<bdi>&#60;/dd&#62;&#60;script&#62;alert(1)&#60;/script&#62;&#34;&#39;&#38;\\u{202e}gpj.exe\\u{2066}\\u{0}\\u{a}\\u{200b}</bdi>'))
    t.ok(text.includes('<bdi>&#60;img src=x onerror=alert(1)&#62;</bdi>'))
    t.equal(text.split('<script').length, 2)
    t.notMatch(text, /\p{Cf}/u)
  })

  await t.test('parameters that the editor does not understand', async (t) => {
    const posted = (body: object, path = '/cad-editor/generate') => call(url + path, { method: 'POST', headers: { 'x-api-key': KEY }, body })
    for (const body of [{ userId: 'jane' }, { file: '' }, { file: 1 }, { file: 'a', access: 'own' }, { file: 'a', server: null }, { file: 'x'.repeat(1025) }, { file: 'a', more: {} }]) t.match(await posted(body), { status: 400, body: { code: 'FDT_INVALID_REQUEST' } })
    t.match(await posted({ file: 'a', more: 1, debug: true, mobile: null }), { status: 200 }, 'others may be there')
    for (const query of ['?expires_in=301', '?max_uses=4']) t.equal((await posted({ file: 'a' }, `/cad-editor/generate${query}`)).status, 400, query)
    const { body } = await posted({ file: 'a' }) as { body: { expiration_time: number } }
    t.ok(Math.abs(body.expiration_time - Date.now() / 1000 - 300) < 10, 'five minutes')
  })

  await t.test('too many wrong tokens of one address, and of no other', async (t) => {
    const unknown = await generate(url, PARAMETERS, '/generate')
    const from = { 'x-forwarded-for': '192.0.2.1' }
    const pages = await Promise.all(Array.from({ length: 601 }, () => open(url, unknown, from)))
    t.strictSame(pages.map(({ status }) => status).filter((status) => status !== 403), [429], 'the last one')
    const page = await open(url, unknown, from)
    checkPage(t, page, 429, 'Too many wrong tokens')
    t.ok(Number(page.headers.get('retry-after')) > 50)
    t.equal((await open(url, unknown, { 'x-forwarded-for': '192.0.2.2' })).status, 403)
    t.equal((await open(url, await generate(url), from)).status, 200, 'nor can a good one be one too many')
  })
})

t.test('expired, and out of reach', async (t) => {
  const { url, dataDir, stop } = await startServer(t, { env: { DEMO_API_KEY: KEY } })
  const short = await generate(url, PARAMETERS, '/cad-editor/generate?expires_in=1')
  await until(async () => (await open(url, short)).status === 403 || undefined)
  checkPage(t, await open(url, short), 403, 'Wrong token')
  const token = await generate(url)
  t.equal(await stop(), 0)

  const { app, store } = await createExample(readEnvironment({ PORT: '0', DATA_DIR: dataDir, DEMO_API_KEY: KEY, LOG_LEVEL: 'silent' }))
  t.teardown(() => app.close())
  const later = await app.listen({ host: '127.0.0.1', port: 0 })
  checkPage(t, await open(later, token), 200, 'CAD editor')
  await store.close()
  const page = await open(later, token)
  checkPage(t, page, 503, 'Not now')
  t.equal(page.headers.get('retry-after'), '1')
  t.equal((await call(`${later}/cad-editor`)).status, 403, 'what is no token needs no store')

  // As Fastify does it once it closes.
  Object.assign(app, { inject: async () => { throw new Error('Server is closed') } })
  checkPage(t, await open(later, token), 503, 'Not now')
})

t.test('a foreign host reads nothing', async (t) => {
  const { url } = await startServer(t, { env: { DEMO_API_KEY: KEY, CORS_ORIGINS: 'https://app.example' } })
  const token = await generate(url)
  const browsed = await call(`${url}/cad-editor?apitoken=${token}`, { headers: { origin: 'https://app.example' } })
  t.equal(browsed.headers.get('access-control-allow-origin'), 'https://app.example', 'as all routes')
  for (const origin of ['https://evil.example', 'null']) t.equal((await call(`${url}/cad-editor`, { headers: { origin } })).headers.get('access-control-allow-origin'), null)
})

t.test('in a browser', { skip: skipWithoutChromium }, async (t) => {
  const { url } = await startServer(t, { env: { DEMO_API_KEY: KEY } })
  const referers: unknown[] = []
  const elsewhere = createServer(({ url, headers }, reply) => {
    if (url === '/') referers.push(headers.referer)
    reply.setHeader('content-type', 'text/html').end('<title>elsewhere</title>')
  }).listen(0, '127.0.0.1')
  await once(elsewhere, 'listening')
  t.teardown(() => { elsewhere.closeAllConnections(); elsewhere.close() })
  const address = elsewhere.address()
  const other = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}/`

  const browser = await startBrowser(t)
  const token = await generate(url, { ...PARAMETERS, file: '<script>document.title = "evil"</script>' })
  const tab = await browser.open(`${url}/cad-editor?apitoken=${token}#${token}`)
  t.equal(await tab.evaluate('location.href'), `${url}/cad-editor`)
  t.equal(await tab.evaluate('document.title'), 'CAD editor')
  t.match(await tab.evaluate('document.body.innerText'), /<script>document\.title = "evil"<\/script>\s+Catalogue/)
  t.equal(await tab.evaluate('getComputedStyle(document.querySelector("header")).backgroundColor'), 'rgb(36, 67, 92)', 'the style is in force')
  t.notMatch(await tab.evaluate('document.documentElement.outerHTML'), /4711|fdt_opaque/)
  t.strictSame(await tab.evaluate('performance.getEntriesByType("resource").map(({ name }) => name)'), [], 'nothing is loaded')
  t.strictSame(tab.complaints, [])

  const ask = async (expression: string) => await tab.evaluate(expression).catch(() => undefined)
  await tab.evaluate(`{ const link = document.querySelector("a"); link.href = ${JSON.stringify(other)}; link.click() }`)
  await until(async () => await ask('document.title') === 'elsewhere')
  t.equal(await tab.evaluate('document.referrer'), '')
  t.strictSame(referers, [undefined])
  await tab.evaluate('history.back()')
  // Out of its memory, or once more without a token.
  await until(async () => /CAD editor|Wrong token/.test(String(await ask('document.title'))))
  t.equal(await tab.evaluate('location.href'), `${url}/cad-editor`, 'the way back has no token')

  const again = await browser.open(`${url}/cad-editor?apitoken=${token}`)
  t.equal(await again.evaluate('document.querySelector("h1").innerText'), 'CAD editor')
  await again.evaluate('location.reload()')
  await until(async () => await again.evaluate('document.querySelector("h1")?.innerText').catch(() => undefined) === 'Wrong token')
  t.equal(await again.evaluate('location.href'), `${url}/cad-editor`)
})

t.test('what the page does not show, it is not told', async (t) => {
  const shown: Parameters<typeof renderDrawing>[0] = { file: 'a' }
  // @ts-expect-error the type knows of nothing that is confidential
  t.notMatch(renderDrawing({ ...shown, server: SERVER }, undefined).html, '4711')
})
