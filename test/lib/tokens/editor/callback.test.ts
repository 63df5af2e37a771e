import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createApiKeyRegistry } from '../../../../lib/credentials/index.ts'
import { createKeyRing, generateKey } from '../../../../lib/keys/index.ts'
import { createMemoryStore } from '../../../../lib/stores/memory.ts'
import { type CallbackMessage, type DocumentKeys, type ExpectedCallback, verifyCallback } from '../../../../lib/tokens/editor/callback.ts'
import { type EditorSignaturesOptions, resolveEditorOptions } from '../../../../lib/tokens/editor/options.ts'
import { signEditorToken } from '../../../../lib/tokens/editor/signature.ts'
import { createDocumentSessions } from '../../../../plugins/session-issuance/index.ts'
import { BROWSER_PAYLOADS, bodyToken, DOCS, EDITING, headerToken, INBOX, KEY, NOW, OUTBOX, SAVE, SECONDS, sign, spoilt, TIMES } from '../../../support/editor-tokens.ts'

const EXPECTED: ExpectedCallback = { keys: KEY, downloadOrigins: [DOCS] }

function settingsWith (more: Partial<EditorSignaturesOptions> = {}) {
  return resolveEditorOptions({ inbox: INBOX, outbox: OUTBOX, now: () => NOW, onWarning: () => {}, ...more })
}

const settings = settingsWith()

const verify = async (message: CallbackMessage, expected: Partial<ExpectedCallback> = {}, by = settings) => await verifyCallback(message, { ...EXPECTED, ...expected }, by)
const inBody = (payload: object, more: object = {}): CallbackMessage => ({ body: { token: bodyToken(payload, more) } })
const inHeader = (payload: unknown, more: object = {}): CallbackMessage => ({ header: `Bearer ${headerToken(payload, more)}` })

const REFUSED = { code: 'FDT_CALLBACK_REFUSED', statusCode: 403, message: 'The callback is refused' }

const SAVE_EVENT = {
  key: KEY,
  users: ['78e1e841'],
  actions: [{ type: 0, userId: '78e1e841' }],
  changesUrl: SAVE.changesurl,
  history: SAVE.history,
  fileType: 'docx',
  lastSave: SAVE.lastsave,
  notModified: false,
  url: SAVE.url
}

const { url: _url, ...withoutUrl } = SAVE
const { url: _eventUrl, ...eventWithoutUrl } = SAVE_EVENT

t.test('what each status tells', async (t) => {
  const cases = [
    { payload: EDITING, event: { type: 'editing', key: KEY, users: ['78e1e841'], actions: [{ type: 1, userId: '78e1e841' }] } },
    { payload: { ...EDITING, userdata: 'of the host' }, event: { type: 'editing', key: KEY, users: ['78e1e841'], actions: [{ type: 1, userId: '78e1e841' }], userData: 'of the host' } },
    { payload: SAVE, event: { type: 'save', ...SAVE_EVENT } },
    { payload: { ...withoutUrl, status: 3 }, event: { type: 'saveError', ...eventWithoutUrl } },
    { payload: { ...SAVE, status: 3 }, event: { type: 'saveError', ...SAVE_EVENT } },
    { payload: { key: KEY, status: 4 }, event: { type: 'closed', key: KEY, users: [], actions: [] } },
    { payload: { ...SAVE, status: 6, forcesavetype: 3, formsdataurl: `${DOCS}/forms.json`, userdata: 'x' }, event: { type: 'forceSave', ...SAVE_EVENT, forceSaveType: 3, formsDataUrl: `${DOCS}/forms.json`, userData: 'x' } },
    { payload: { ...withoutUrl, status: 7, forcesavetype: 0 }, event: { type: 'forceSaveError', ...eventWithoutUrl, forceSaveType: 0 } },
    { payload: { key: KEY, status: 2, url: `${DOCS}/x` }, event: { type: 'save', key: KEY, users: [], actions: [], url: `${DOCS}/x` } }
  ]
  for (const { payload, event: expected } of cases) {
    for (const message of [inBody(payload), inHeader(payload)]) {
      const { event } = await verify(message)
      t.strictSame(event, expected, expected.type)
      t.ok(isFrozen(event))
    }
  }
})

t.test('what a server of another release may send', async (t) => {
  const cases: Array<{ name: string, payload: object, event?: object }> = [
    { name: 'members that are not known', payload: { ...SAVE, encrypted: true, mailMerge: { to: null }, forgotten: true, changeshistory: [], later: { a: [1] } } },
    { name: 'a token in a token', payload: { ...SAVE, token: 'a.b.c' } },
    { name: 'null for what there is not', payload: { ...SAVE, userdata: null, formsdataurl: null, forcesavetype: null } },
    { name: 'a history that is empty', payload: { ...SAVE, history: {} }, event: { history: undefined } },
    { name: 'a history without a version', payload: { ...SAVE, history: { changes: [] } }, event: { history: { changes: [] } } },
    { name: 'a history without changes', payload: { ...SAVE, history: { serverVersion: '9' } }, event: { history: { serverVersion: '9' } } },
    { name: 'a history with more in it', payload: { ...SAVE, history: { ...SAVE.history, more: 1 } } },
    { name: 'an action and a reason to come', payload: { ...SAVE, actions: [{ type: 9, userid: '', more: 1 }], forcesavetype: 9 }, event: { actions: [{ type: 9, userId: '' }], forceSaveType: 9 } },
    { name: 'times with fractions', payload: { ...SAVE, iat: SECONDS + 0.5, exp: SECONDS + 300.5 } }
  ]
  for (const { name, payload, event: differing = {} } of cases) {
    const { event } = await verify({ body: { token: sign({ ...TIMES, ...payload }) } })
    t.strictSame({ history: undefined, ...event }, { ...{ type: 'save', ...SAVE_EVENT }, ...differing }, name)
  }
})

t.test('the event is made of the token, never of the body beside it', async (t) => {
  const plain = { ...SAVE, key: 'other', status: 4, url: 'https://evil.test/x', users: ['mallory'] }
  t.match(await verify({ body: { ...plain, token: bodyToken(SAVE) } }), { event: { type: 'save', ...SAVE_EVENT } })
  t.match(await verify({ body: plain, ...inHeader(SAVE) }), { event: { type: 'save', ...SAVE_EVENT } })
})

t.test('a body that is none, or has no token of its own, leaves it to the header', async (t) => {
  const { header } = inHeader(SAVE)
  for (const body of [undefined, null, 'text', 7, true, [], ['token'], {}, Object.create({ token: 'inherited' }), Buffer.from('{}')]) {
    t.equal((await verify({ body, header })).event.type, 'save', JSON.stringify(body))
  }
  t.equal((await verify({ header: [String(header)] })).event.type, 'save', 'one line in a list')
})

t.test('a header whose payload was cut', async (t) => {
  const { history, changesurl, ...cut } = SAVE
  for (const payload of [cut, { ...cut, history: {} }]) {
    const { event } = await verify(inHeader(payload))
    const { history, changesUrl, ...rest } = SAVE_EVENT
    t.strictSame(event, { type: 'save', ...rest })
  }
  const { event } = await verify({ ...inHeader(cut), ...inBody(SAVE) })
  t.strictSame(event, { type: 'save', ...SAVE_EVENT }, 'the body is whole')
})

t.test('refuses, and says where it looked and what was wrong', async (t) => {
  const good = inHeader(SAVE)
  const bad = 'its status is missing, or of the wrong type'
  const cases: Array<{ name: string, message: CallbackMessage, place: string, problem: string, expected?: Partial<ExpectedCallback> }> = [
    { name: 'nothing', message: {}, place: 'none', problem: 'there is no token, in the body or in the header' },
    { name: 'a plain body', message: { body: SAVE }, place: 'none', problem: 'there is no token, in the body or in the header' },
    { name: 'no lines', message: { header: [] }, place: 'none', problem: 'there is no token, in the body or in the header' },
    { name: 'two headers', message: { header: [String(good.header), String(good.header)] }, place: 'header', problem: 'the header came more than once' },
    { name: 'another prefix', message: { header: `Basic ${headerToken(SAVE)}` }, place: 'header', problem: 'the header does not start with headerPrefix' },
    { name: 'a prefix in lower case', message: { header: `bearer ${headerToken(SAVE)}` }, place: 'header', problem: 'the header does not start with headerPrefix' },
    { name: 'no prefix', message: { header: headerToken(SAVE) }, place: 'header', problem: 'the header does not start with headerPrefix' },
    { name: 'two spaces', message: { header: `Bearer  ${headerToken(SAVE)}` }, place: 'header', problem: 'it is not a signed token' },
    { name: 'a bad body token with a good header', message: { ...good, body: { token: `${bodyToken(SAVE)}.` } }, place: 'body', problem: 'it is not a signed token' },
    { name: 'a forged body token with a good header', message: { ...good, body: { token: bodyToken(SAVE, {}, INBOX) } }, place: 'body', problem: 'no outbox secret verifies it, or it is not a token of an editor' },
    ...[null, 1, '', {}, [], [bodyToken(SAVE)], true, undefined].map((token) => ({
      name: `a body token ${JSON.stringify(token)?.slice(0, 5)} with a good header`, message: { ...good, body: { token } }, place: 'body', problem: token === '' ? 'it is not a signed token' : 'the token is not a string'
    })),
    { name: 'payload in the body', message: { body: { token: headerToken(SAVE) } }, place: 'body', problem: 'it is wrapped in payload, as only that of the header is' },
    { name: 'payload beside the rest in the body', message: inBody(SAVE, { payload: {} }), place: 'body', problem: 'it is wrapped in payload, as only that of the header is' },
    { name: 'no payload in the header', message: { header: `Bearer ${bodyToken(SAVE)}` }, place: 'header', problem: 'it is not wrapped in payload, as that of the header is' },
    ...[null, 'text', 1, [], [SAVE], JSON.stringify(SAVE)].map((payload) => ({ name: `payload ${JSON.stringify(payload).slice(0, 9)}`, message: inHeader(payload), place: 'header', problem: 'it is not wrapped in payload, as that of the header is' })),
    { name: 'payload in a payload', message: inHeader({ payload: SAVE }), place: 'header', problem: 'its key is missing, or of the wrong type' },
    { name: 'the token of a download', message: inHeader({ url: SAVE.url }), place: 'header', problem: 'its key is missing, or of the wrong type' },
    { name: 'a name that was cut in two', message: { body: { token: bodyToken({ ...SAVE, userdata: '\ud83d' }) } }, place: 'body', problem: 'its signature is right, and its payload is not acceptable JSON' },
    { name: 'the inbox secret', message: { body: { token: bodyToken(SAVE, {}, INBOX) } }, place: 'body', problem: 'no outbox secret verifies it, or it is not a token of an editor' },
    { name: 'a secret that is the other one and more', message: { body: { token: bodyToken(SAVE, {}, `${OUTBOX}\n`) } }, place: 'body', problem: 'no outbox secret verifies it, or it is not a token of an editor' },

    { name: 'no status', message: inBody({ ...SAVE, status: undefined }), place: 'body', problem: bad },
    ...['2', 2.5, null, [2], true, {}].map((status) => ({ name: `status ${JSON.stringify(status)}`, message: inBody({ ...SAVE, status }), place: 'body', problem: bad })),
    ...[-1, 0, 5, 8, 22, 2 ** 53].map((status) => ({ name: `status ${status}`, message: inBody({ ...SAVE, status }), place: 'body', problem: 'its status is not known' })),
    ...[undefined, null, 1, [KEY], {}].map((key) => ({ name: `key ${JSON.stringify(key)}`, message: inBody({ ...SAVE, key }), place: 'body', problem: 'its key is missing, or of the wrong type' })),
    ...Object.entries({
      users: [7, 'ada', {}, [1], [null]],
      actions: ['0', {}, [0], [{ type: 0 }], [{ userid: 'a' }], [{ type: -1, userid: 'a' }], [{ type: '0', userid: 'a' }], [{ type: 0, userid: 1 }]],
      url: [1, {}, [SAVE.url], ''],
      changesurl: [1, ''],
      history: ['text', [], 1, { changes: 'text' }, { changes: [1] }, { changes: {} }, { serverVersion: 9 }],
      filetype: [1, []],
      lastsave: [1, {}],
      notmodified: ['true', 1],
      forcesavetype: ['1', 1.5, -1],
      formsdataurl: [1, ''],
      userdata: [1, {}]
    }).flatMap(([member, values]) => values.map((value) => ({
      name: `${member} ${JSON.stringify(value)}`, message: inHeader({ ...SAVE, [member]: value }), place: 'header', problem: `its ${pathIn(member, value)} is missing, or of the wrong type`
    }))),
    ...[2, 6].map((status) => ({ name: `${status} without url`, message: inBody({ ...withoutUrl, status }), place: 'body', problem: 'its url is missing' })),
    { name: 'url null', message: inBody({ ...SAVE, url: null }), place: 'body', problem: 'its url is missing' },
    { name: 'of another document', message: inBody({ ...SAVE, key: 'other' }), place: 'body', problem: 'its key is none of the document that the route is about' },
    { name: 'of another document, in the header', message: inHeader({ ...SAVE, key: 'other' }), place: 'header', problem: 'its key is none of the document that the route is about' }
  ]
  for (const { name, message, place, problem, expected } of cases) await t.rejects(verify(message, expected), { ...REFUSED, place, problem }, name)
})

t.test('the key is one of the document', async (t) => {
  const good: DocumentKeys[] = [KEY, [KEY], ['older', KEY]]
  for (const keys of good) {
    t.equal((await verify(inBody(SAVE), { keys })).event.key, KEY)
    t.equal((await verify(inBody(SAVE), { keys: () => keys })).event.key, KEY)
    t.equal((await verify(inBody(SAVE), { keys: async () => keys })).event.key, KEY)
  }
  const bad: unknown[] = [undefined, null, '', 'other', KEY.toLowerCase(), `${KEY} `, KEY.slice(1), [], [''], [[KEY]], [KEY, ''], [KEY, undefined], [KEY, 7], 7, true, {}, { 0: KEY, length: 1 }, new Set([KEY])]
  // From a host without types.
  for (const keys of bad as DocumentKeys[]) await t.rejects(verify(inBody(SAVE), { keys }), { ...REFUSED, problem: 'its key is none of the document that the route is about' }, String(keys))
  for (const key of ['', '__proto__', 'constructor', 'length']) await t.rejects(verify(inBody({ ...SAVE, key })), REFUSED, `${key} (T28)`)
})

t.test('the host is asked for keys when all else is right', async (t) => {
  let asked = 0
  const keys = () => { asked++; return KEY }
  for (const message of [{}, inBody({ ...SAVE, status: 5 }), inBody(SAVE, { exp: SECONDS }), inBody({ ...SAVE, url: 'https://evil.test/' }), { body: { token: bodyToken(SAVE, {}, INBOX) } }]) await t.rejects(verify(message, { keys }), REFUSED)
  t.equal(asked, 0)
  await verify(inBody(SAVE), { keys })
  t.equal(asked, 1)
  await t.rejects(verify(inBody(SAVE), { keys: async () => { throw new Error('of the host') } }), { message: 'of the host' }, 'what it throws is the host\'s')
})

t.test('URLs lie at the document server', async (t) => {
  const downloadOrigins = [DOCS, 'http://10.0.0.7:8080', 'http://[::1]', 'https://xn--bcher-kva.example', 'https://files.example:8443']
  const good = [
    `${DOCS}/`, `${DOCS}/x`, `${DOCS}:443/x`, `${DOCS}//x`, `${DOCS}/@evil.test/`, `${DOCS}/?https://evil.test/`, `${DOCS}/x?a='b|c"d^e{f}`, `${DOCS}/ä?ö=ü`, `${DOCS}/a/../b`, `${DOCS}/%`, `${DOCS}/x#y`,
    'http://10.0.0.7:8080/x', 'http://[::1]/x', 'http://[::1]:80/x', 'https://xn--bcher-kva.example/x', 'https://files.example:8443/x'
  ]
  const bad = [
    'https://evil.test/x', DOCS, `${DOCS}?x`, `${DOCS}#x`, `${DOCS}.evil.test/`, `${DOCS}@evil.test/`, `${DOCS}:443@evil.test/`, `${DOCS}:8443/`, `${DOCS}:80/`, `${DOCS}:0443/`, `${DOCS}:/x`, 'http://docs.example/x', 'http://docs.example:443/x',
    'https://user@docs.example/x', 'https://user:pass@docs.example/x', 'https://@docs.example/x', 'HTTPS://docs.example/x', 'https://DOCS.example/x', 'https://docs.example./x', 'https:/docs.example/x', 'https:docs.example/x', '//docs.example/x', '/x', 'x',
    ` ${DOCS}/x`, `${DOCS}/x `, `${DOCS}/x y`, `${DOCS}/x\ty`, `${DOCS}/x\ny`, `${DOCS}/x\r\ny`, `${DOCS}/\u0000`, `${DOCS}/\u007f`, `${DOCS}/\u0085`, `${DOCS}/\u00a0`, `${DOCS}/\u2028`, `${DOCS}/a\\b`, 'https:\\\\docs.example\\x', `${DOCS}\\@evil.test/`, 'https://docs.example\t/x',
    'javascript:alert(1)', 'data:,x', 'file:///etc/passwd', 'blob:https://docs.example/x', 'ftp://docs.example/x',
    'http://10.0.0.7/x', 'http://10.0.0.7:8081/x', 'http://0x0a000007:8080/x', 'http://167772167:8080/x', 'http://10.0.7:8080/x', 'http://[::1]:8080/x', 'http://[0:0:0:0:0:0:0:1]/x', 'https://bücher.example/x',
    'https://files.example/x', 'https://files.example:8443:443/x', 'https://files.example:443/x', 'http://[::1', 'https://'
  ]
  for (const member of ['url', 'changesurl', 'formsdataurl']) {
    for (const url of good) t.ok(await verify(inBody({ ...SAVE, [member]: url }), { downloadOrigins: [...downloadOrigins, DOCS] }), `${member} ${url}`)
    for (const url of bad) {
      const payload = { ...SAVE, url: `${DOCS}/x`, changesurl: undefined, [member]: url }
      await t.rejects(verify(inBody(payload), { downloadOrigins }), { ...REFUSED, problem: `its ${member} does not lie at one of downloadOrigins` }, `${member} ${encodeURI(url)}`)
    }
  }
  await t.rejects(verify(inBody({ ...EDITING, url: 'https://evil.test/x' })), REFUSED, 'where no url is needed, too')
})

t.test('times', async (t) => {
  const missing = 'iat or exp is missing, or is not a number'
  const differ = 'seconds in the future: the clocks differ'
  const cases: Array<{ name: string, times: object, problem?: string, settings?: Partial<EditorSignaturesOptions> }> = [
    { name: 'as the document server makes them', times: {} },
    { name: 'the longest life', times: { exp: SECONDS + 600 } },
    { name: 'a second more', times: { exp: SECONDS + 601 }, problem: 'it lives for 601 seconds, and 1 to 600 are allowed' },
    { name: 'in milliseconds', times: { iat: SECONDS * 1000, exp: SECONDS * 1000 + 300_000 }, problem: 'it lives for 300000 seconds, and 1 to 600 are allowed' },
    { name: 'exp in milliseconds', times: { exp: SECONDS * 1000 }, problem: 'it lives for 1798200000000 seconds, and 1 to 600 are allowed' },
    { name: 'no life', times: { exp: SECONDS }, problem: 'it lives for 0 seconds, and 1 to 600 are allowed' },
    { name: 'backwards', times: { exp: SECONDS - 1 }, problem: 'it lives for -1 seconds, and 1 to 600 are allowed' },
    { name: 'just over', times: { iat: SECONDS - 360, exp: SECONDS - 60 }, problem: 'it ended 60 seconds ago' },
    { name: 'over, and within the tolerance', times: { iat: SECONDS - 359, exp: SECONDS - 59 } },
    { name: 'over without a tolerance', times: { iat: SECONDS - 300, exp: SECONDS }, problem: 'it ended 0 seconds ago', settings: { clockTolerance: 0 } },
    { name: 'the last second without a tolerance', times: { iat: SECONDS - 299, exp: SECONDS + 1 }, settings: { clockTolerance: 0 } },
    { name: 'from the future', times: { iat: SECONDS + 61, exp: SECONDS + 361 }, problem: `it was made 61 ${differ}` },
    { name: 'from the future, and within the tolerance', times: { iat: SECONDS + 60, exp: SECONDS + 360 } },
    { name: 'from the future without a tolerance', times: { iat: SECONDS + 1 }, problem: `it was made 1 ${differ}`, settings: { clockTolerance: 0 } },
    { name: 'nbf now', times: { nbf: SECONDS } },
    { name: 'nbf within the tolerance', times: { nbf: SECONDS + 60 } },
    { name: 'nbf to come', times: { nbf: SECONDS + 61 }, problem: 'it starts in 61 seconds' },
    ...['iat', 'exp'].flatMap((name) => [undefined, null, String(SECONDS + 9), [SECONDS + 9], {}, true].map((value) => ({ name: `${name} ${JSON.stringify(value)} (T12)`, times: { [name]: value }, problem: missing }))),
    ...[null, '1', [], {}, true].map((nbf) => ({ name: `nbf ${JSON.stringify(nbf)} (T12)`, times: { nbf }, problem: 'nbf is not a number' }))
  ]
  for (const { name, times, problem, settings: more } of cases) {
    for (const message of [inBody(SAVE, times), inHeader(SAVE, times)]) {
      const verified = verify(message, {}, settingsWith(more))
      if (problem === undefined) t.equal((await verified).event.type, 'save', name)
      else await t.rejects(verified, { ...REFUSED, problem }, name)
    }
  }
  const huge = sign(JSON.stringify({ ...SAVE, iat: SECONDS, exp: 0 }).replace('"exp":0', '"exp":1e999'))
  await t.rejects(verify({ body: { token: huge } }), { ...REFUSED, problem: missing }, 'a number that is none')
  await t.rejects(verify(inHeader({ ...SAVE, ...TIMES }, { iat: undefined })), { ...REFUSED, problem: missing }, 'the times of the header\'s token stand around its payload')
})

t.test('one secret for both sides: no token for a browser or a command is a callback (T30)', async (t) => {
  const shared = settingsWith({ outbox: INBOX })
  const callback = { key: KEY, status: 2, url: `${DOCS}/x`, users: ['a'], ...TIMES }
  const attempt = async (message: CallbackMessage) => await verify(message, {}, shared)
  t.equal((await attempt({ body: { token: sign(callback, INBOX) } })).event.type, 'save', 'what is added is all that is wrong')

  for (const [name, payload] of Object.entries(BROWSER_PAYLOADS)) {
    await t.rejects(attempt({ body: { token: sign(payload, INBOX) } }), REFUSED, `${name} as it is`)
    await t.rejects(attempt({ body: { token: sign({ ...payload, ...TIMES }, INBOX) } }), REFUSED, `${name} with times`)
    const problem = 'it was made for a browser or a command'
    await t.rejects(attempt({ body: { token: sign({ ...payload, ...callback }, INBOX) } }), { ...REFUSED, place: 'body', problem }, `${name} with the members of a callback`)
    await t.rejects(attempt({ header: `Bearer ${sign({ ...TIMES, payload: { ...payload, ...callback } }, INBOX)}` }), { ...REFUSED, place: 'header', problem }, `${name} in a payload`)
    await t.rejects(attempt({ header: `Bearer ${sign({ ...TIMES, ...payload, payload: callback }, INBOX)}` }), { ...REFUSED, place: 'header', problem }, `${name} around a payload`)
  }
  for (const member of ['document', 'editorConfig', 'version']) {
    for (const value of [null, 0, false, '', {}]) await t.rejects(attempt({ body: { token: sign({ ...callback, [member]: value }, INBOX) } }), REFUSED, `${member} ${JSON.stringify(value)}`)
  }
})

t.test('spoilt tokens', async (t) => {
  for (const [name, token] of Object.entries(spoilt({ ...SAVE, ...TIMES }))) await t.rejects(verify({ body: { token } }), { ...REFUSED, place: 'body' }, name)
  for (const [name, token] of Object.entries(spoilt({ payload: SAVE, ...TIMES }))) await t.rejects(verify({ header: `Bearer ${token}` }), { ...REFUSED, place: 'header' }, name)
  const { tokens } = JSON.parse(readFileSync(join(import.meta.dirname, '../../../vectors/onlyoffice-sample-tokens.json'), 'utf8')) as { tokens: Array<{ token: string }> }
  for (const { token } of tokens) await t.rejects(verify({ body: { token } }), REFUSED, 'a sample token (T32)')
})

t.test('other tokens of this package (T30)', async (t) => {
  const now = () => NOW
  const store = createMemoryStore({ now })
  const signing = createKeyRing([{ key: await generateKey('ES256') }])
  const hs256 = createKeyRing([{ key: Buffer.from(OUTBOX), algorithm: 'HS256' }])
  for (const keys of [signing, hs256]) {
    const sessions = await createDocumentSessions({ issuer: 'https://tokens.example', keys, store, now })
    const { token } = await sessions.issue({ documents: [{ id: KEY, permissions: ['write'] }], expiresIn: 300 })
    await t.rejects(verify({ body: { token } }), REFUSED)
    await t.rejects(verify({ header: `Bearer ${token}` }), REFUSED)
  }
  const { secret } = await createApiKeyRegistry({ store, now }).create()
  await t.rejects(verify({ body: { token: secret } }), { ...REFUSED, problem: 'it is not a signed token' })
})

t.test('two live secrets, and each of the algorithms', async (t) => {
  const previous = 'Pq8Wn2Zx5Lt0Bv7Rc3Ym6Kd1Hf9Js4Gu'
  const both = settingsWith({ outbox: [OUTBOX, previous] })
  for (const secret of [OUTBOX, previous]) t.ok(await verify({ body: { token: bodyToken(SAVE, {}, secret) } }, {}, both))
  await t.rejects(verify({ body: { token: bodyToken(SAVE, {}, previous) } }), REFUSED)
  for (const alg of ['HS256', 'HS384', 'HS512']) t.ok(await verify({ body: { token: sign({ ...SAVE, ...TIMES }, OUTBOX, { alg, typ: 'JWT' }) } }), alg)
  t.ok(await verify({ body: { token: sign({ ...SAVE, ...TIMES }, OUTBOX, { alg: 'HS256' }) } }), 'typ may be absent')
  const [secret] = await both.secrets.find('outbox')
  t.ok(await verify({ body: { token: signEditorToken(JSON.stringify({ ...SAVE, ...TIMES }), secret, 'HS512') } }))
})

t.test('header and prefix are the host\'s', async (t) => {
  const token = headerToken(SAVE)
  for (const headerPrefix of ['', 'JWT ', 'Bearer: ', 'x=']) {
    const by = settingsWith({ headerPrefix })
    t.ok(await verify({ header: `${headerPrefix}${token}` }, {}, by), headerPrefix)
    await t.rejects(verify({ header: `Bearer ${token}` }, {}, by), REFUSED)
  }
})

t.test('tenants', async (t) => {
  const secrets = new Map([['acme', OUTBOX], ['zorg', INBOX]])
  const asked: string[] = []
  const tenants = settingsWith({ outbox: async (tenant) => { asked.push(tenant); return secrets.get(tenant) ?? null } })
  t.equal((await verify(inBody(SAVE), { tenant: 'acme' }, tenants)).event.type, 'save')
  await t.rejects(verify(inBody(SAVE), { tenant: 'zorg' }, tenants), { ...REFUSED, place: 'body' }, 'of another tenant')
  await t.rejects(verify(inBody(SAVE), { tenant: 'nobody' }, tenants), { ...REFUSED, place: 'body', problem: 'there is no such tenant' })
  await t.rejects(verify(inHeader(SAVE), { tenant: 'nobody' }, tenants), { ...REFUSED, place: 'header', problem: 'there is no such tenant' })
  asked.length = 0
  await t.rejects(verify({}, { tenant: 'acme' }, tenants), REFUSED)
  t.strictSame(asked, [], 'nobody is asked for what brings no token')
  await t.rejects(verify(inBody(SAVE), {}, tenants), { code: 'FDT_INVALID_OPTION' })
  await t.rejects(verify(inBody(SAVE), { tenant: 'acme' }), { code: 'FDT_INVALID_OPTION' }, 'where the secret is no function')

  const down = settingsWith({ outbox: async () => { throw new Error('lost') } })
  await t.rejects(verify(inBody(SAVE), { tenant: 'acme' }, down), { code: 'FDT_STORE_UNAVAILABLE', statusCode: 503 }, 'an outage is no refusal (T36)')
})

t.test('origins are checked before anything else', async (t) => {
  // From a host without types.
  const bad = [undefined, null, '', DOCS, [], [`${DOCS}/`], ['*'], [DOCS, 'https://*.example'], ['docs.example']] as unknown as string[][]
  for (const downloadOrigins of bad) await t.rejects(verify({}, { downloadOrigins }), { code: 'FDT_INVALID_OPTION' }, JSON.stringify(downloadOrigins))
  await t.rejects(verify(inBody(SAVE), {}, resolveEditorOptions({ inbox: INBOX, now: () => NOW })), { code: 'FDT_INVALID_OPTION' }, 'without an outbox there is no callback')
})

t.test('the tokens that a callback came with', async (t) => {
  const body = bodyToken(SAVE)
  const header = headerToken({ ...SAVE, history: {}, changesurl: undefined }, { exp: SECONDS + 301 })
  const [first, twin] = [{ text: body, expiresAt: SECONDS + 300 }, { text: header, expiresAt: SECONDS + 301 }]
  t.strictSame((await verify({ body: { token: body }, header: `Bearer ${header}` })).tokens, [first, twin])
  t.strictSame((await verify({ body: { token: body } })).tokens, [first])
  t.strictSame((await verify({ header: `Bearer ${header}` })).tokens, [twin])

  const others = {
    'another status': headerToken({ ...SAVE, status: 6 }),
    'another key': headerToken({ ...SAVE, key: 'other' }),
    'another url': headerToken({ ...SAVE, url: `${DOCS}/other` }),
    'another secret': headerToken(SAVE, {}, INBOX),
    over: headerToken(SAVE, { iat: SECONDS - 900, exp: SECONDS - 600 }),
    'no token': 'x'
  }
  for (const [name, token] of Object.entries(others)) t.strictSame((await verify({ body: { token: body }, header: `Bearer ${token}` })).tokens, [first], name)
  t.strictSame((await verify({ body: { token: body }, header: ['Bearer a', 'Basic b'] })).tokens, [first], 'a header that is not needed is of no account')
  const presence = bodyToken(EDITING)
  t.equal((await verify({ body: { token: presence }, header: `Bearer ${headerToken(EDITING)}` })).tokens.length, 2)
})

t.test('a claim of 100 kB and a token of 1 MB (T8)', async (t) => {
  await t.rejects(verify(inBody({ ...SAVE, userdata: 'x'.repeat(100_000) })), { ...REFUSED, problem: 'its userdata is missing, or of the wrong type' })
  t.ok(await verify(inBody({ ...SAVE, history: { changes: Array.from({ length: 5000 }, () => SAVE.history.changes[0]) } })), 'a long history is no harm')
  for (const token of ['A'.repeat(1_000_000), '.'.repeat(1_000_000), `${'A'.repeat(1_000_000)}.e30.AA`]) await t.rejects(verify({ body: { token } }), REFUSED)
  await t.rejects(verify({ body: { token: sign(`${'['.repeat(10_000)}${']'.repeat(10_000)}`) } }), REFUSED)
  await t.rejects(verify({ body: { token: sign('{"__proto__":{}}') } }), REFUSED)
})

function pathIn (member: string, value: unknown): string {
  const inner: Record<string, Record<string, string>> = {
    users: { '[1]': '/0', '[null]': '/0' },
    actions: { '[0]': '/0', '[{"type":0}]': '/0/userid', '[{"userid":"a"}]': '/0/type', '[{"type":-1,"userid":"a"}]': '/0/type', '[{"type":"0","userid":"a"}]': '/0/type', '[{"type":0,"userid":1}]': '/0/userid' },
    history: { '{"changes":"text"}': '/changes', '{"changes":[1]}': '/changes/0', '{"changes":{}}': '/changes', '{"serverVersion":9}': '/serverVersion' }
  }
  return `${member}${inner[member]?.[JSON.stringify(value)] ?? ''}`
}

function isFrozen (value: unknown): boolean {
  return typeof value !== 'object' || value === null || (Object.isFrozen(value) && Object.values(value).every(isFrozen))
}
