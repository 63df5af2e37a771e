// POST /editor/config: what is signed is the host's, and of the browser's nothing but its looks.
import { createHmac } from 'node:crypto'
import t from 'tap'
import { createMemoryStore } from '../../../lib/stores/memory.ts'
import { AUTHORIZATION, CONFIG_PATH, editorFront, refusal, refused } from '../../support/editor-front.ts'
import { BROWSER_PAYLOADS, INBOX, KEY, NOW, SECONDS } from '../../support/editor-tokens.ts'
import { faultyStore } from '../../support/faulty-store.ts'
import { inEveryHost } from '../../support/hosts.ts'
import { recordEvents } from '../../support/recorded-events.ts'
import { claimsOf } from '../../support/session-host.ts'

const json = (text: string) => `The body is not acceptable JSON: ${text}`
const INVALID = 'FST_ERR_VALIDATION'
const BAD_JSON = 'FDT_INVALID_JSON'

inEveryHost(t, 'a config for a document: 200, and the whole of it signed', async (t) => {
  const { ask, asked, scope } = await editorFront(t)
  const reply = await ask({ documentId: 'letter' })
  t.equal(reply.statusCode, 200)
  const { token, ...config } = reply.json()
  t.strictSame(config, AUTHORIZATION)
  t.equal(reply.body, JSON.stringify({ ...AUTHORIZATION, token }), 'in the order of the host, and nothing else')
  t.equal(reply.headers['content-type'], 'application/json; charset=utf-8')
  t.equal(reply.headers['cache-control'], 'no-store', 'T40')
  t.equal(reply.headers['ratelimit-policy'], '"address";q=120;w=60')
  t.strictSame(asked(), [['config', { documentId: 'letter' }]])
  t.strictSame(claimsOf(token), { ...AUTHORIZATION, exp: SECONDS + 300 })
  t.ok(token.endsWith(`.${createHmac('sha256', INBOX).update(token.slice(0, token.lastIndexOf('.'))).digest('base64url')}`))
  t.match(await scope.editorSignatures.verifyConfig(token, config), { accepted: true, effective: { document: { key: KEY }, view: false } })
})

inEveryHost(t, 'what the browser says of the document reaches authorize as it is, and goes no further (T28)', async (t) => {
  const { ask, asked } = await editorFront(t)
  const ids = ['__proto__', 'constructor', '0', ' ', '../../etc/passwd', 'x'.repeat(512), '😀'.repeat(256), '\r\nset-cookie: x=y', '"<script>']
  for (const documentId of ids) t.strictSame((await ask({ documentId })).json().document, AUTHORIZATION.document, documentId.slice(0, 20))
  t.strictSame(asked().map(([, { documentId }]) => documentId), ids)
  const values = [null, false, 0, '', 'text', [], {}, { key: 'evil', token: 'x' }, [[[1]]]]
  for (const data of values) t.notMatch((await ask({ data })).body, 'evil')
  t.strictSame(asked(), values.map((data) => ['config', { data }]), 'and what did not come is not there')
  t.equal((await ask({})).statusCode, 200)
  t.strictSame(asked(), [['config', {}]])
})

inEveryHost(t, 'the looks of the browser are signed where the host says nothing of them', async (t) => {
  const looks = { type: 'mobile', width: '100%', height: '50vh', lang: 'de', region: 'de-AT', uiTheme: 'theme-dark', compactHeader: true, compactToolbar: false, toolbarHideFileName: true, hideRightMenu: true, hideRulers: false, zoom: -2, unit: 'pt' }
  const { type, width, height, lang, region, ...customization } = looks
  const { ask } = await editorFront(t)
  const { token, ...config } = (await ask({ documentId: 'letter', ...looks })).json()
  const expected = { ...AUTHORIZATION, editorConfig: { ...AUTHORIZATION.editorConfig, lang, region, customization }, type, width, height }
  t.strictSame(config, expected)
  t.strictSame(claimsOf(token), { ...expected, exp: SECONDS + 300 })

  const own = { ...AUTHORIZATION, type: 'desktop', width: '1px', height: '1px', editorConfig: { ...AUTHORIZATION.editorConfig, lang: 'en', region: 'en-US', customization: { uiTheme: 'theme-light', compactHeader: false, compactToolbar: true, toolbarHideFileName: false, hideRightMenu: false, hideRulers: true, zoom: 100, unit: 'cm', about: false } } }
  const { ask: again } = await editorFront(t, { config: () => own })
  const { token: _token, ...unchanged } = (await again(looks)).json()
  t.strictSame(unchanged, own, 'the host\'s own members win')
})

/** Whatever a page may wish for that is not its to say. Each is a body by itself. */
const wishes: Array<[name: string, body: object, path: string]> = [
  ...Object.entries({ key: 'evil', url: 'https://evil.test/', document: { key: 'evil' }, editorConfig: { mode: 'edit' }, user: { id: 'root' }, userId: 'root', permissions: { edit: true }, callbackUrl: 'https://evil.test/', mode: 'edit', plugins: { pluginsData: [] }, customization: { logo: {} }, token: 'a.b.c', events: {}, documentType: 'cell', version: 1, status: 2, payload: {}, operation: 'command', exp: 1, iat: 1, fileType: 'docx', title: 'x', embedded: {}, coEditing: {}, group: 'x', logo: { image: 'https://evil.test/' }, goback: { url: 'https://evil.test/' }, macros: true, forcesave: true, tenant: 'acme', constructor: 'x', toString: 'x' })
    .map(([name, value]): [string, object, string] => [name, { documentId: 'letter', [name]: value }, name]),
  ['a config', AUTHORIZATION, 'document'],
  ...Object.entries(BROWSER_PAYLOADS).filter(([name]) => !name.startsWith('config')).map(([name, payload]): [string, object, string] => [name, payload, String(Object.keys(payload)[0])])
]

inEveryHost(t, 'a browser that brings more than looks is refused, and authorize is not asked', async (t) => {
  const { ask, asked } = await editorFront(t, { flow: { limits: { address: false } } })
  for (const [name, body, member] of wishes) t.strictSame(refusal(await ask(body)), refused(400, INVALID, `body/${member}: Unexpected property`), name)
  t.strictSame(asked(), [])
})

inEveryHost(t, 'looks that are none', async (t) => {
  const { ask, asked } = await editorFront(t, { flow: { limits: { address: false } } })
  const wrong: Record<string, unknown[]> = {
    type: ['console', 'DESKTOP', '', 1, null, ['desktop']],
    width: [100, 'x'.repeat(65), null],
    height: [100, 'x'.repeat(65), {}],
    lang: ['', 'german or so', 'de;', '"><script>', 'd', 1, null, 'x'.repeat(31)],
    region: ['de_', '../..', 1, null],
    uiTheme: ['', 'a b', 'javascript:alert(1)', 'https://evil.test/theme.css', 'x'.repeat(65), { id: 'x' }],
    zoom: ['100', null, true, [100]],
    unit: ['mile', '', 1],
    ...Object.fromEntries(['compactHeader', 'compactToolbar', 'toolbarHideFileName', 'hideRightMenu', 'hideRulers'].map((name) => [name, [0, 1, 'true', null, {}]])),
    documentId: ['', 'x'.repeat(513), 1, null, ['letter'], { id: 'letter' }]
  }
  for (const [name, values] of Object.entries(wrong)) {
    for (const value of values) {
      const reply = await ask({ [name]: value })
      t.match([reply.statusCode, reply.json().code, reply.json().message], [400, INVALID, new RegExp(`^body/${name}: Expected `)], `${name} ${JSON.stringify(value)}`)
      t.notMatch(reply.body, 'evil')
    }
  }
  t.equal((await ask('{"zoom":1e999}')).statusCode, 400, 'a number that JSON has not')
  t.strictSame(asked(), [])
})

inEveryHost(t, 'bodies that are refused (T21, T22, T28)', async (t) => {
  const { ask, asked } = await editorFront(t)
  const cases: Array<[name: string, body: unknown, status: number, code: string, message?: string]> = [
    ['1', '1', 400, INVALID, 'body: Expected object'],
    ['"1"', '"1"', 400, INVALID, 'body: Expected object'],
    ['true', true, 400, INVALID, 'body: Expected object'],
    ['null', null, 400, INVALID, 'body: Expected object'],
    ['an array', [], 400, INVALID, 'body: Expected object'],
    ['an array with a body', [{ documentId: 'letter' }], 400, INVALID, 'body: Expected object'],
    ['a member of a strange name', '{"<b>\\r\\n":1}', 400, INVALID, 'body/?: Unexpected property'],
    ['half a surrogate pair', '{"documentId":"\\ud800"}', 400, BAD_JSON, json('it holds half of a surrogate pair')],
    ['a member twice', '{"documentId":"a","documentId":"b"}', 400, BAD_JSON, json('it repeats a member')],
    ['a member twice, once escaped', '{"lang":"de","l\\u0061ng":"en"}', 400, BAD_JSON, json('it repeats a member')],
    ['a member twice in data', '{"data":{"a":1,"a":2}}', 400, BAD_JSON, json('it repeats a member')],
    ['__proto__', '{"__proto__":{"documentId":"a"}}', 400, BAD_JSON, json('it holds a member __proto__')],
    ['__proto__ in data', '{"data":{"__proto__":{"isAdmin":true}}}', 400, BAD_JSON, json('it holds a member __proto__')],
    ['not JSON', '{"documentId":', 400, BAD_JSON, json('it is not JSON')],
    ['two values', '{}{}', 400, BAD_JSON, json('it is not JSON')],
    ['nothing but a content type', '', 400, BAD_JSON, json('it is not JSON')],
    ['a byte order mark', '\ufeff{}', 400, BAD_JSON, json('it is not JSON')],
    ['invalid UTF-8', Buffer.from('{"documentId":"\xff"}', 'latin1'), 400, BAD_JSON, json('it is not UTF-8')],
    ['depth 2000', `{"data":${'['.repeat(2000)}${']'.repeat(2000)}}`, 400, BAD_JSON, json('it is nested too deeply')],
    ['depth 10 000', `${'['.repeat(10_000)}${']'.repeat(10_000)}`, 413, 'FST_ERR_CTP_BODY_TOO_LARGE'],
    ['17 kB', { data: 'x'.repeat(17 * 1024) }, 413, 'FST_ERR_CTP_BODY_TOO_LARGE'],
    ['1 MB', { data: 'x'.repeat(1024 * 1024) }, 413, 'FST_ERR_CTP_BODY_TOO_LARGE']
  ]
  for (const [name, body, status, code, message] of cases) t.strictSame(refusal(await ask(body)), refused(status, code, message), name)
  t.strictSame(asked(), [], 'authorize is not asked')
  t.equal((await ask({ data: 'x'.repeat(16 * 1024 - 11) })).statusCode, 200, 'just within the limit')
})

inEveryHost(t, 'only JSON is read (T21)', async (t) => {
  const { ask, app, login, asked } = await editorFront(t)
  const types = ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'application/jsonx', 'application/json, text/plain', 'application/json x', '*/*', 'x', undefined]
  for (const type of types) t.strictSame(refusal(await ask('{}', { 'content-type': type })), refused(415, 'FST_ERR_CTP_INVALID_MEDIA_TYPE'), String(type))
  const none = await app.inject({ method: 'POST', url: CONFIG_PATH, headers: { 'sec-fetch-site': 'same-origin', ...login } })
  t.strictSame(refusal(none), refused(400, INVALID, 'body: Expected object'), 'no body and no type')
  t.strictSame(asked(), [])
  for (const type of ['application/json; charset=utf-8', 'APPLICATION/JSON']) t.equal((await ask('{}', { 'content-type': type })).statusCode, 200, type)
})

inEveryHost(t, 'other methods and paths', async (t) => {
  const { app, ask, login, asked } = await editorFront(t)
  for (const url of [CONFIG_PATH, '/editor/methods/insertImage', '/editor/methods/nothing', '/editor/explain']) {
    for (const method of ['GET', 'PUT', 'PATCH', 'DELETE'] as const) {
      t.strictSame(refusal(await app.inject({ method, url, headers: login })), refused(405, 'FDT_METHOD_NOT_ALLOWED', undefined, { allow: 'POST' }), `${method} ${url}`)
    }
    const head = await app.inject({ method: 'HEAD', url, headers: login })
    t.strictSame([head.statusCode, head.headers['allow']], [405, 'POST'])
    t.equal((await app.inject({ method: 'OPTIONS', url, headers: login })).statusCode, 404, 'OPTIONS is left to the host\'s CORS')
  }
  for (const url of ['/editor', '/config', `${CONFIG_PATH}/a`, `/v1${CONFIG_PATH}`, '/editor/methods', '/editor/methods/', '/editor/methods/a/b']) t.equal((await ask({}, {}, url)).statusCode, 404, url)
  t.strictSame(asked(), [])
})

inEveryHost(t, 'a prefix', async (t) => {
  const { ask } = await editorFront(t, { flow: { prefix: '/v1/office' } })
  t.equal((await ask({}, {}, `/v1/office${CONFIG_PATH}`)).statusCode, 200)
  t.equal((await ask()).statusCode, 404)
})

inEveryHost(t, 'a store that is out of reach is 503 (T36)', async (t) => {
  const { store, fault } = faultyStore(createMemoryStore({ now: () => NOW }))
  const { ask, asked } = await editorFront(t, { store })
  fault.error = new Error('connection lost to 10.0.0.7')
  for (const url of [CONFIG_PATH, '/editor/methods/insertImage', '/editor/explain']) {
    t.strictSame(refusal(await ask({}, {}, url)), refused(503, 'FDT_STORE_UNAVAILABLE', undefined, { retryAfter: '1' }), url)
  }
  t.strictSame(asked(), [], 'what cannot be counted is not let through')
  const { ask: unlimited } = await editorFront(t, { store, flow: { limits: { address: false } } })
  t.equal((await unlimited()).statusCode, 200, 'to sign, no store is needed')
})

inEveryHost(t, 'events: issued, refused', async (t) => {
  const events = recordEvents(t)
  const { ask, app, login } = await editorFront(t, { config: (_request, { documentId }) => documentId === 'letter' ? AUTHORIZATION : null })
  await ask()
  t.strictSame(events(), [['issued', { flow: 'config-signing', name: 'default', time: NOW, subject: 'ada', documents: [], expiresAt: SECONDS + 300, purpose: 'config' }]])
  await ask({ documentId: 'another' })
  await ask('{')
  await app.inject({ url: CONFIG_PATH, headers: login })
  const told = events().map(([event, members]) => {
    const { address, requestId, ...rest }: Record<string, unknown> = { ...members }
    return [event, rest, typeof address, typeof requestId]
  })
  const refusedAs = (code: string, status: number, method: string) => ['refused', { flow: 'config-signing', name: 'default', time: NOW, route: `${method} ${CONFIG_PATH}`, code, status }, 'string', 'string']
  t.strictSame(told, [refusedAs('FDT_DOCUMENT_NOT_ALLOWED', 403, 'POST'), refusedAs('FDT_INVALID_JSON', 400, 'POST'), refusedAs('FDT_METHOD_NOT_ALLOWED', 405, 'GET')])
})

inEveryHost(t, 'a token that is good lives as long as the host says', async (t) => {
  const { ask } = await editorFront(t, { flow: { expiresIn: 60, issuedAt: true } })
  t.match(claimsOf((await ask()).json().token), { iat: SECONDS, exp: SECONDS + 60 })
  const { ask: endless } = await editorFront(t, { flow: { expiresIn: false } })
  t.strictSame(claimsOf((await endless()).json().token), AUTHORIZATION)
})
