import t from 'tap'
import { createApiKeyRegistry } from '../../../../lib/credentials/index.ts'
import { createKeyRing, generateKey } from '../../../../lib/keys/index.ts'
import { createMemoryStore } from '../../../../lib/stores/memory.ts'
import { verifyDownload } from '../../../../lib/tokens/editor/download.ts'
import { type EditorSignaturesOptions, resolveEditorOptions } from '../../../../lib/tokens/editor/options.ts'
import { createDocumentSessions } from '../../../../plugins/session-issuance/index.ts'
import { BROWSER_PAYLOADS, bodyToken, headerToken, INBOX, KEY, NOW, OUTBOX, SAVE, SECONDS, sign, spoilt, TIMES } from '../../../support/editor-tokens.ts'

const FILE = 'https://app.example/files/a.docx?v=1'

function settingsWith (more: Partial<EditorSignaturesOptions> = {}) {
  return resolveEditorOptions({ inbox: INBOX, outbox: OUTBOX, now: () => NOW, onWarning: () => {}, ...more })
}

const verify = async (token: string, url = FILE, tenant?: string, settings = settingsWith()) => await verifyDownload(token, url, { tenant }, settings)

const INVALID = { code: 'FDT_INVALID_TOKEN', statusCode: 401 }
const EXPIRED = { code: 'FDT_TOKEN_EXPIRED', statusCode: 401 }
const ELSEWHERE = { code: 'FDT_DOWNLOAD_NOT_ALLOWED', statusCode: 403 }

t.test('a token for the URL that is asked for', async (t) => {
  t.equal(await verify(headerToken({ url: FILE })), undefined)
  const same = [
    [FILE, 'https://APP.example:443/files/a.docx?v=1'], ['https://app.example/', 'https://app.example'], ['https://app.example/a/../files/a.docx?v=1', FILE],
    ['https://app.example/a b', 'https://app.example/a%20b'], ['https://app.example/ä?ö', 'https://app.example/%C3%A4?%C3%B6'], ["https://app.example/?n='a'", 'https://app.example/?n=%27a%27']
  ] as const
  for (const [signed, asked] of same) {
    t.equal(await verify(headerToken({ url: signed }), asked), undefined, `${signed} and ${asked}`)
    t.equal(await verify(headerToken({ url: asked }), signed), undefined, 'and the reverse')
  }
  for (const alg of ['HS256', 'HS384', 'HS512']) t.equal(await verify(sign({ payload: { url: FILE }, ...TIMES }, OUTBOX, { alg, typ: 'JWT' })), undefined, alg)
  t.equal(await verify(headerToken({ url: FILE }, { nbf: SECONDS })), undefined)
})

t.test('a token for another URL', async (t) => {
  const others = [
    'https://app.example/files/b.docx?v=1', 'https://app.example/files/a.docx?v=2', 'https://app.example/files/a.docx', 'https://app.example/files/a.docx?v=1&w=2', `${FILE}#x`, `${FILE}%20`, `${FILE}?`,
    'http://app.example/files/a.docx?v=1', 'https://app.example:8443/files/a.docx?v=1', 'https://user@app.example/files/a.docx?v=1', 'https://evil.test/files/a.docx?v=1', 'https://app.example/Files/a.docx?v=1', 'https://app.example/files%2Fa.docx?v=1',
    'https://app.example/', '/files/a.docx?v=1', '', 'not a URL', 'https://'
  ]
  for (const url of others) {
    await t.rejects(verify(headerToken({ url })), ELSEWHERE, `signed: ${url}`)
    await t.rejects(verify(headerToken({ url: FILE }), url), ELSEWHERE, `asked: ${url}`)
  }
  await t.rejects(verify(headerToken({ url: 'x' }), 'x'), ELSEWHERE, 'two that are none are not the same')
})

t.test('what is no token for a download', async (t) => {
  const cases: Array<[name: string, token: string]> = [
    ['not wrapped', bodyToken({ url: FILE })],
    ['a callback in the header', headerToken({ ...SAVE, url: FILE })],
    ['a callback in the body', bodyToken({ ...SAVE, url: FILE })],
    ...['status', 'key', 'document', 'users', 'c', 'token', 'more'].map((name): [string, string] => [`with ${name}`, headerToken({ url: FILE, [name]: KEY })]),
    ...['status', 'url', 'key', 'document', 'editorConfig', 'version', 'iss'].map((name): [string, string] => [`with ${name} around it`, headerToken({ url: FILE }, { [name]: KEY })]),
    ...[null, 1, [], {}, [FILE], true, undefined].map((url): [string, string] => [`url ${JSON.stringify(url)} (T12)`, headerToken({ url })]),
    ...[null, FILE, 1, [], ['url'], [FILE], {}, undefined].map((payload): [string, string] => [`payload ${JSON.stringify(payload)}`, headerToken(payload)]),
    ['the inbox secret', headerToken({ url: FILE }, {}, INBOX)],
    ...['iat', 'exp'].flatMap((name) => [undefined, null, String(SECONDS + 9), true, {}].map((value): [string, string] => [`${name} ${JSON.stringify(value)} (T12)`, headerToken({ url: FILE }, { [name]: value })])),
    ['nbf of the wrong type', headerToken({ url: FILE }, { nbf: '1' })],
    ['nbf to come', headerToken({ url: FILE }, { nbf: SECONDS + 61 })],
    ['iat to come', headerToken({ url: FILE }, { iat: SECONDS + 61, exp: SECONDS + 99 })],
    ['a life of more than 600 s', headerToken({ url: FILE }, { exp: SECONDS + 601 })],
    ['exp in milliseconds', headerToken({ url: FILE }, { exp: SECONDS * 1000 })],
    ['over, and no token for a download', headerToken({ ...SAVE, url: FILE }, { iat: SECONDS - 400, exp: SECONDS - 100 })],
    ...Object.entries(spoilt({ payload: { url: FILE }, ...TIMES }))
  ]
  for (const [name, token] of cases) await t.rejects(verify(token), INVALID, name)
  for (const token of [undefined, null, 1, {}, []]) await t.rejects(verify(token as unknown as string), INVALID, 'from a host without types')
})

t.test('a token that is over is told apart once its signature is right', async (t) => {
  const over = { iat: SECONDS - 360, exp: SECONDS - 60 }
  await t.rejects(verify(headerToken({ url: FILE }, over)), EXPIRED)
  await t.rejects(verify(headerToken({ url: `${FILE}x` }, over)), EXPIRED)
  await t.rejects(verify(headerToken({ url: FILE }, over, INBOX)), INVALID)
  t.equal(await verify(headerToken({ url: FILE }, { iat: SECONDS - 359, exp: SECONDS - 59 })), undefined, 'within the tolerance')
  await t.rejects(verify(headerToken({ url: FILE }, { iat: SECONDS - 300, exp: SECONDS }), FILE, undefined, settingsWith({ clockTolerance: 0 })), EXPIRED)
})

t.test('one secret for both sides: no token for a browser downloads (T30)', async (t) => {
  const shared = settingsWith({ outbox: INBOX })
  for (const [name, payload] of Object.entries(BROWSER_PAYLOADS)) {
    for (const token of [sign({ ...payload, ...TIMES, url: FILE }, INBOX), sign({ ...payload, ...TIMES, payload: { url: FILE } }, INBOX), sign({ ...TIMES, payload: { ...payload, url: FILE } }, INBOX)]) {
      await t.rejects(verify(token, FILE, undefined, shared), INVALID, name)
    }
  }
})

t.test('other tokens of this package (T30)', async (t) => {
  const now = () => NOW
  const store = createMemoryStore({ now })
  for (const keys of [createKeyRing([{ key: await generateKey('ES256') }]), createKeyRing([{ key: Buffer.from(OUTBOX), algorithm: 'HS256' }])]) {
    const sessions = await createDocumentSessions({ issuer: 'https://tokens.example', keys, store, now })
    await t.rejects(verify((await sessions.issue({ documents: [{ id: FILE, permissions: ['read'] }], expiresIn: 300 })).token), INVALID)
  }
  await t.rejects(verify((await createApiKeyRegistry({ store, now }).create()).secret), INVALID)
})

t.test('tenants', async (t) => {
  const tenants = settingsWith({ outbox: async (tenant) => tenant === 'acme' ? OUTBOX : tenant === 'zorg' ? INBOX : null })
  const token = headerToken({ url: FILE })
  t.equal(await verify(token, FILE, 'acme', tenants), undefined)
  await t.rejects(verify(token, FILE, 'zorg', tenants), INVALID, 'of another tenant')
  await t.rejects(verify(token, FILE, 'nobody', tenants), INVALID)
  await t.rejects(verify(token, FILE, undefined, tenants), { code: 'FDT_INVALID_OPTION' })
  await t.rejects(verify(token, FILE, 'acme'), { code: 'FDT_INVALID_OPTION' })
  await t.rejects(verify(token, FILE, 'acme', settingsWith({ outbox: async () => { throw new Error('lost') } })), { code: 'FDT_STORE_UNAVAILABLE', statusCode: 503 }, 'an outage is no refusal (T36)')
  await t.rejects(verify(token, FILE, undefined, resolveEditorOptions({ inbox: INBOX, now: () => NOW })), { code: 'FDT_INVALID_OPTION' })
})
