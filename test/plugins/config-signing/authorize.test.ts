// What the host's functions may return and throw, and what becomes of it.
import t from 'tap'
import { StoreUnavailableError, TokenExpiredError } from '../../../lib/errors.ts'
import { AUTHORIZATION, CONFIG_PATH, editorFront, EXPLAIN_PATH, FILES, type LooseAuthorize, METHOD_PATH, PAGES, picture, refusal, refused } from '../../support/editor-front.ts'
import { INBOX, KEY, SECONDS } from '../../support/editor-tokens.ts'
import { inEveryHost } from '../../support/hosts.ts'
import { recordEvents } from '../../support/recorded-events.ts'
import { claimsOf } from '../../support/session-host.ts'

const { document, editorConfig } = AUTHORIZATION
const NOT_ALLOWED = refused(403, 'FDT_DOCUMENT_NOT_ALLOWED')
const MISTAKE = refused(500, 'FDT_INVALID_AUTHORIZATION')
const EVIL = 'https://evil.test/x'

const withDocument = (members: object) => ({ ...AUTHORIZATION, document: { ...document, ...members } })
const withEditor = (members: object) => ({ ...AUTHORIZATION, editorConfig: { ...editorConfig, ...members } })
const withCustomization = (customization: object) => withEditor({ customization })

/** Without a member, however deep it is. */
function without (path: string): object {
  const copy = structuredClone(AUTHORIZATION)
  const names = path.split('.')
  const last = String(names.pop())
  Reflect.deleteProperty(names.reduce((value, name) => Object(Reflect.get(value, name)), copy as object), last)
  return copy
}

inEveryHost(t, 'an authorization becomes the config', async (t) => {
  const cases: Array<[name: string, value: object]> = [
    ['the least', AUTHORIZATION],
    ['for reading', withEditor({ mode: 'view' })],
    ['nothing allowed', withDocument({ permissions: { edit: false, comment: false } })],
    ['no permission named', withDocument({ permissions: {} })],
    ['all kinds of URLs', {
      ...withDocument({ title: 'A letter', fileType: 'docx' }),
      documentType: 'word',
      editorConfig: { ...editorConfig, user: { id: 'ada', name: 'Ada', image: `${PAGES}/ada.png` }, plugins: { pluginsData: [`${PAGES}/plugin/config.json`] }, customization: { goback: { url: `${PAGES}/` }, logo: { image: `${PAGES}/logo.svg`, url: '' } }, recent: [{ url: `${PAGES}/documents/b` }] }
    }],
    ['frozen', Object.freeze({ document: Object.freeze({ ...document }), editorConfig: Object.freeze({ ...editorConfig }) })]
  ]
  for (const [name, value] of cases) {
    for (const config of [async () => value, () => value]) {
      const { ask } = await editorFront(t, { config })
      const reply = await ask()
      t.equal(reply.statusCode, 200, name)
      t.strictSame(claimsOf(reply.json().token), { ...value, exp: SECONDS + 300 }, name)
    }
  }
})

inEveryHost(t, 'null, undefined and false are 403, and nothing is signed', async (t) => {
  const events = recordEvents(t)
  for (const value of [null, undefined, false]) {
    for (const authorize of [async () => value, () => value]) {
      const { ask } = await editorFront(t, { config: authorize, methods: { insertImage: authorize }, explain: authorize })
      t.strictSame(refusal(await ask()), NOT_ALLOWED)
      t.strictSame(refusal(await ask({}, {}, METHOD_PATH)), NOT_ALLOWED)
      t.strictSame(refusal(await ask({ token: 'x' }, {}, EXPLAIN_PATH)), NOT_ALLOWED)
    }
  }
  t.ok(events().every(([event]) => event === 'refused'))
})

inEveryHost(t, 'to explain, nothing but true is a yes', async (t) => {
  let value: unknown
  const { ask } = await editorFront(t, { explain: () => value, flow: { limits: { address: false } } })
  for (value of [1, 'true', 'no', {}, [], AUTHORIZATION, Symbol('yes'), () => true, new Boolean(true), { then: 1 }]) t.strictSame(refusal(await ask({ token: 'x' }, {}, EXPLAIN_PATH)), NOT_ALLOWED, typeof value) // eslint-disable-line no-new-wrappers -- the case
  value = true
  t.equal((await ask({ token: 'x' }, {}, EXPLAIN_PATH)).statusCode, 200)
  value = Promise.resolve(true)
  t.equal((await ask({ token: 'x' }, {}, EXPLAIN_PATH)).statusCode, 200)
})

const foreign = (path: string, config: object): [string, unknown, string] => [`${path} elsewhere`, config, path]

/** Every way in which the authorization of a config can be wrong, and what the log has to name. */
const bad: Array<[name: string, value: unknown, path: string]> = [
  ...[true, 1, '', 'ada', Symbol('ada'), () => {}, [], [AUTHORIZATION]].map((value): [string, unknown, string] => [`${typeof value} ${String(value)}`, value, 'required of authorize']),
  ['nothing in it', {}, 'document.permissions'],
  // What a host in TypeScript could not forget.
  ...['document.key', 'document.url', 'document.permissions', 'editorConfig.callbackUrl', 'editorConfig.mode', 'editorConfig.user.id'].map((path): [string, unknown, string] => [`no ${path}`, without(path), path]),
  ['no document', without('document'), 'document'],
  ['no editorConfig', without('editorConfig'), 'editorConfig'],
  ['no user', without('editorConfig.user'), 'editorConfig.user.id'],
  ['no callbackUrl for reading', { document, editorConfig: { mode: 'view', user: { id: 'ada' } } }, 'editorConfig.callbackUrl'],
  ['permissions undefined', withDocument({ permissions: undefined }), 'document.permissions'],
  ...[null, true, 'all', []].map((permissions): [string, unknown, string] => [`permissions ${JSON.stringify(permissions)}`, withDocument({ permissions }), 'document.permissions']),
  ...[null, 1, 'yes'].map((edit): [string, unknown, string] => [`permissions.edit ${edit}`, withDocument({ permissions: { edit } }), 'document.permissions.edit']),
  ['a permission that is not known', withDocument({ permissions: { edits: true } }), 'document.permissions.edits'],
  ...[null, '', 1, 'a/b', 'a b', 'ü', '😀', 'x'.repeat(129), '../a', 'a\n'].map((key): [string, unknown, string] => [`key ${JSON.stringify(key).slice(0, 12)}`, withDocument({ key }), 'document.key']),
  ...[null, 'owner', 'EDIT', '', 1].map((mode): [string, unknown, string] => [`mode ${mode}`, withEditor({ mode }), 'editorConfig.mode']),
  ...[null, '', 1, 'x'.repeat(129), { id: 'ada' }].map((id): [string, unknown, string] => [`user.id ${JSON.stringify(id).slice(0, 12)}`, withEditor({ user: { id } }), 'editorConfig.user.id']),
  ...[null, 'ada', []].map((user): [string, unknown, string] => [`user ${JSON.stringify(user)}`, withEditor({ user }), 'editorConfig.user']),
  ['a fileType in upper case', withDocument({ fileType: 'DOCX' }), 'document.fileType'],
  ...['/letter.docx', '//files.example/letter.docx', 'javascript:alert(1)', 'data:text/html,x', 'file:///etc/passwd', 'https://ada:secret@files.example/', 'https://files.example\\@evil.test/', 'https://files.example\t/', 'http://0x7f.1/', 'https://FILES.example/', FILES, ' https://files.example/', '', null, 1].flatMap((url): Array<[string, unknown, string]> => [
    [`document.url ${url}`, withDocument({ url }), 'document.url'],
    [`editorConfig.callbackUrl ${url}`, withEditor({ callbackUrl: url }), 'editorConfig.callbackUrl']
  ]),
  foreign('document.url', withDocument({ url: EVIL })),
  foreign('editorConfig.callbackUrl', withEditor({ callbackUrl: EVIL })),
  ['a file where pages are', withDocument({ url: `${PAGES}/letter.docx` }), 'document.url'],
  ['a file at another port', withDocument({ url: 'https://files.example:8443/letter.docx' }), 'document.url'],
  ['a file without TLS', withDocument({ url: 'http://files.example/letter.docx' }), 'document.url'],
  ['a file at a host within', withDocument({ url: 'https://a.files.example/letter.docx' }), 'document.url'],
  ...[EVIL, `${FILES}/x`].flatMap((url): Array<[string, unknown, string]> => [
    foreign('editorConfig.user.image', withEditor({ user: { id: 'ada', image: url } })),
    foreign('editorConfig.createUrl', withEditor({ createUrl: url })),
    foreign('editorConfig.recent[0].url', withEditor({ recent: [{ url }] })),
    foreign('editorConfig.templates[0].url', withEditor({ templates: [{ url }] })),
    foreign('editorConfig.templates[0].image', withEditor({ templates: [{ image: url }] })),
    foreign('editorConfig.plugins.pluginsData[1]', withEditor({ plugins: { pluginsData: [`${PAGES}/a`, url] } })),
    foreign('editorConfig.plugins.url', withEditor({ plugins: { url } })),
    foreign('editorConfig.embedded.saveUrl', withEditor({ embedded: { saveUrl: url } })),
    foreign('editorConfig.embedded.embedUrl', withEditor({ embedded: { embedUrl: url } })),
    ...['sharingSettingsUrl', 'fileChoiceUrl', 'mergeFolderUrl', 'saveAsUrl'].map((name) => foreign(`editorConfig.${name}`, withEditor({ [name]: url }))),
    ...['image', 'imageDark', 'imageLight', 'imageEmbedded', 'url'].map((name) => foreign(`editorConfig.customization.logo.${name}`, withCustomization({ logo: { [name]: url } }))),
    ...['logo', 'logoDark'].map((name) => foreign(`editorConfig.customization.customer.${name}`, withCustomization({ customer: { [name]: url } }))),
    foreign('editorConfig.customization.goback.url', withCustomization({ goback: { url } })),
    foreign('editorConfig.customization.feedback.url', withCustomization({ feedback: { url } })),
    foreign('editorConfig.customization.loaderLogo', withCustomization({ loaderLogo: url }))
  ]),
  ['a picture as data', withEditor({ user: { id: 'ada', image: 'data:image/png;base64,AAAA' } }), 'editorConfig.user.image'],
  ...['token', 'status', 'url', 'key', 'payload', 'version', 'exp', 'iat', 'operation', 'users'].map((member): [string, unknown, string] => [`a member ${member}`, { ...AUTHORIZATION, [member]: 1 }, member]),
  ['a member that is not known', { ...AUTHORIZATION, events: {} }, 'events'],
  ['customization null', withEditor({ customization: null }), 'editorConfig.customization'],
  ['undefined in it', { ...AUTHORIZATION, width: undefined }, 'width'],
  ['a date', withDocument({ info: { uploaded: new Date(0) } }), 'document.info.uploaded'],
  ['a class', withDocument({ permissions: new (class Permissions { edit = true })() }), 'document.permissions'],
  ['itself in it', (() => { const value = withDocument({ options: {} }); Object.assign(value.document, { options: value }); return value })(), 'document.options']
]

inEveryHost(t, 'what is no authorization is 500, told to the log and not to the browser', async (t) => {
  const lines: string[] = []
  let value: unknown
  const { ask } = await editorFront(t, {
    config: () => value,
    methods: { refreshFile: () => value },
    flow: { limits: { address: false } },
    server: { logger: { level: 'error', stream: { write: (line: string) => { lines.push(line) } } } }
  })
  const events = recordEvents(t)
  for (const [name, wrong, path] of bad) {
    // A config for refreshFile opens a document too.
    for (const url of [CONFIG_PATH, '/editor/methods/refreshFile']) {
      value = wrong
      lines.length = 0
      t.strictSame(refusal(await ask({}, {}, url)), MISTAKE, `${name}, ${url}`)
      t.match(events(), [['refused', { flow: 'config-signing', code: 'FDT_INVALID_AUTHORIZATION', status: 500 }]], name)
      const { level, err } = JSON.parse(String(lines[0]))
      t.strictSame([lines.length, level, err.code], [1, 50, 'FDT_INVALID_AUTHORIZATION'], name)
      t.ok(String(lines[0]).includes(path), `${name}: the cause is in the log`)
      t.notMatch(lines[0], 'evil.test', 'without what it was')
    }
  }
  value = { ...AUTHORIZATION, editorConfig: { ...editorConfig, customization: null } }
  t.strictSame(refusal(await ask({ zoom: 1 })), MISTAKE, 'nor do looks put it right')
})

inEveryHost(t, 'users must have an id here, also where they need none in code', async (t) => {
  const anonymous = without('editorConfig.user')
  const { ask, scope } = await editorFront(t, { config: () => anonymous, flow: { allowAnonymous: true } })
  t.strictSame(refusal(await ask()), MISTAKE)
  t.match(await scope.editorSignatures.signConfig(anonymous as never), { token: /\./ })
})

inEveryHost(t, 'parameters of methods that are wrong', async (t) => {
  let value: unknown
  const names = ['insertImage', 'setHistoryData', 'setReferenceData', 'setReferenceSource', 'setRequestedDocument', 'setRequestedSpreadsheet', 'setMailMergeRecipients', 'setRevisedFile']
  const { ask } = await editorFront(t, { methods: Object.fromEntries(names.map((name): [string, LooseAuthorize] => [name, () => value])), flow: { limits: { address: false } } })
  const url = `${FILES}/a`
  const wrong: Array<[method: string, value: unknown]> = [
    ...names.flatMap((name) => [true, 1, 'x', [], {}, { url: EVIL, fileType: 'docx' }].map((value): [string, unknown] => [name, value])),
    ['insertImage', { images: [] }],
    ['insertImage', { images: [{ fileType: 'exe', url }] }],
    ['insertImage', { images: [{ fileType: 'png', url: EVIL }] }],
    ['insertImage', { ...picture, c: 'remove' }],
    ['insertImage', { ...picture, status: 2 }],
    ['insertImage', { ...picture, token: 'x' }],
    ...[0, -1, 1.5, '1', null].map((version): [string, unknown] => ['setHistoryData', { version, key: KEY, url }]),
    ['setHistoryData', { version: 1, key: KEY, url: EVIL }],
    ['setHistoryData', { version: 2, key: KEY, url, changesUrl: EVIL, previous: { key: 'a', url } }],
    ['setHistoryData', { version: 2, key: KEY, url, changesUrl: url, previous: { key: 'a', url: EVIL } }],
    ['setHistoryData', { version: 2, key: KEY, url, changesUrl: url }],
    // The hole that one secret for both sides opens.
    ['setHistoryData', { version: 1, key: KEY, url, status: 2 }],
    ['setHistoryData', { version: 1, key: KEY, url, users: ['ada'] }],
    ['setRequestedDocument', { c: 'replace', fileType: 'docx', url }],
    ['setRequestedDocument', { c: 'compare', fileType: 'xlsx', url }],
    ['setRequestedSpreadsheet', { c: 'mailmerge', fileType: 'docx', url }],
    ['setReferenceData', { path: 'a', url }],
    ['setReferenceData', { path: 'a', url: EVIL, fileType: 'xlsx' }]
  ]
  for (const [method, parameter] of wrong) {
    value = parameter
    t.strictSame(refusal(await ask({}, {}, `/editor/methods/${method}`)), MISTAKE, `${method} ${JSON.stringify(parameter)}`)
  }
})

inEveryHost(t, 'what the host\'s functions throw is the host\'s, unless it is an error of this package', async (t) => {
  const thrown: Array<[name: string, error: unknown, status: number, body: string]> = [
    ['an error', new Error('no database'), 499, JSON.stringify({ handled: 'no database' })],
    ['an error with a status', Object.assign(new Error('gone'), { statusCode: 410 }), 499, JSON.stringify({ handled: 'gone' })],
    ['an error with a code of the host\'s', Object.assign(new Error('not yours'), { statusCode: 403, code: 'APP_FORBIDDEN' }), 499, JSON.stringify({ handled: 'not yours' })],
    ...['no database at 10.0.0.7', null, undefined, { statusCode: 200, token: 'x' }].map((value): [string, unknown, number, string] => [`no error: ${JSON.stringify(value)}`, value, 500, MISTAKE.body]),
    ['an outage of the store', new StoreUnavailableError(), 503, refused(503, 'FDT_STORE_UNAVAILABLE').body],
    ['a session of the host\'s that is over', new TokenExpiredError(), 401, refused(401, 'FDT_TOKEN_EXPIRED', 'Token has expired').body]
  ]
  for (const [name, error, status, body] of thrown) {
    for (const throwing of [async () => { throw error }, () => { throw error }]) {
      const host = { before: (scope: Parameters<NonNullable<NonNullable<Parameters<typeof editorFront>[1]>['before']>>[0]) => { scope.setErrorHandler(async (error: Error, _request, reply) => reply.code(499).send({ handled: error.message })) } }
      const { ask } = await editorFront(t, { ...host, config: throwing, methods: { insertImage: throwing }, explain: throwing })
      const { ask: askTenant } = await editorFront(t, { ...host, flow: { inbox: () => INBOX, outbox: undefined, tenant: throwing } })
      const replies = [await ask(), await ask({}, {}, METHOD_PATH), await ask({ token: 'x' }, {}, EXPLAIN_PATH), await askTenant(), await askTenant({}, {}, METHOD_PATH), await askTenant({ token: 'x' }, {}, EXPLAIN_PATH)]
      for (const reply of replies) t.strictSame([reply.statusCode, reply.body, reply.headers['cache-control']], [status, body, 'no-store'], name)
    }
  }
})

inEveryHost(t, 'a function that never resolves holds up nobody else', async (t) => {
  const { ask } = await editorFront(t, { config: async (_request, { documentId }) => documentId === 'slow' ? await new Promise(() => {}) : AUTHORIZATION })
  const waiting = ask({ documentId: 'slow' }).then(() => 'answered', () => 'closed')
  t.equal((await ask()).statusCode, 200)
  t.equal(await Promise.race([waiting, 'waiting']), 'waiting')
})

// ---- tenants ------------------------------------------------------------------------------

inEveryHost(t, 'tenants: each signs with its own secrets, by what the host says of the request', async (t) => {
  const secrets = new Map([['acme', INBOX], ['globex', 'Wm3Yt8Qz1Rk6Vb0Xp5Nc9Lj2Hg7Fd4Sa'], ['weak', 'secret'], ['quoted', `"${INBOX}"`]])
  const failing = { isDown: false }
  const { ask, asked, scope } = await editorFront(t, {
    flow: {
      inbox: async (tenant: string) => {
        if (failing.isDown) throw new Error('vault sealed at 10.0.0.7')
        return secrets.get(tenant) ?? null
      },
      outbox: undefined,
      tenant: async ({ headers }: { headers: Record<string, string> }) => headers['x-tenant']
    }
  })
  const as = async (tenant: string | undefined, url = CONFIG_PATH) => await ask(url === EXPLAIN_PATH ? { token: 'x' } : {}, { 'x-tenant': tenant }, url)
  for (const tenant of ['acme', 'globex']) {
    const { token } = (await as(tenant)).json()
    for (const other of ['acme', 'globex']) t.equal((await scope.editorSignatures.verifyConfig(token, undefined, { tenant: other })).accepted, other === tenant, `${tenant} at ${other}`)
    t.equal((await as(tenant, METHOD_PATH)).statusCode, 200)
    t.match((await ask({ token }, { 'x-tenant': tenant }, EXPLAIN_PATH)).json(), { accepted: true })
  }
  for (const url of [CONFIG_PATH, METHOD_PATH, EXPLAIN_PATH]) {
    t.strictSame(refusal(await as('initech', url)), refused(403, 'FDT_UNKNOWN_TENANT'), url)
    t.strictSame(refusal(await as(undefined, url)), MISTAKE, `${url}: none`)
    for (const tenant of ['weak', 'quoted']) t.strictSame(refusal(await as(tenant, url)), MISTAKE, `${url}: what is wrong with a secret is not told`)
    failing.isDown = true
    t.strictSame(refusal(await as('acme', url)), refused(503, 'FDT_STORE_UNAVAILABLE', undefined, { retryAfter: '1' }), url)
    failing.isDown = false
  }
  asked()
  t.equal((await ask({ documentId: 'a', tenant: 'globex' }, { 'x-tenant': 'acme' })).statusCode, 400, 'the browser says nothing of it')
})
