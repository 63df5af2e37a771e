import { createSecretKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import t from 'tap'
import { type EffectiveConfig, type EditorVerdict, judgeConfigToken } from '../../../../lib/tokens/editor/verdict.ts'
import { INBOX, NOW, SECONDS, sign } from '../../../support/editor-tokens.ts'
import { encode } from '../../../support/tokens.ts'

interface Case {
  name: string
  token: string | null | { claims: Record<string, unknown>, alg: string, secret: string }
  config: object
  verdict: { accepted: boolean, code: number | null, description: string | null, view: boolean | null, effective: Partial<EffectiveConfig> | null }
}

const { cases }: { cases: Case[] } = JSON.parse(readFileSync(new URL('../../../vectors/onlyoffice-verdicts.json', import.meta.url), 'utf8'))

const key = (secret: string | Uint8Array) => createSecretKey(Buffer.from(secret))

const CONTEXT = { secrets: [key(INBOX)], now: NOW, clockTolerance: 60 }

const DENIED: EditorVerdict = { accepted: false, code: 4004, description: 'access deny' }
const MISSING: EditorVerdict = { accepted: false, code: 4006, description: 'token:' }
const SILENT: EditorVerdict = { accepted: false, code: null, description: null }
const bad = (words: string): EditorVerdict => ({ accepted: false, code: 4006, description: `token:${words}` })

const DOCUMENT = { key: 'k1', url: 'https://app.example/a.docx', fileType: 'docx', title: 'A.docx', permissions: { edit: true } }
const EDITOR = { callbackUrl: 'https://app.example/callback', mode: 'edit', lang: 'de', user: { id: 'u1', name: 'Ada' } }
const CONFIG = { document: DOCUMENT, editorConfig: EDITOR }

/** With the members of the vendor's config replaced; `undefined` takes one away. */
const config = (document: object = {}, editorConfig: object = {}, more: object = {}) => ({ document: { ...DOCUMENT, ...document }, editorConfig: { ...EDITOR, ...editorConfig }, ...more })

const judge = (payload: unknown, sent?: unknown, context: object = {}) => judgeConfigToken(sign(payload, INBOX), sent, { ...CONTEXT, ...context })

/** What is accepted. */
function effective (payload: unknown, sent?: unknown): EffectiveConfig {
  const verdict = judge(payload, sent)
  if (!verdict.accepted) throw new TypeError(`refused with ${verdict.code}`)
  return verdict.effective
}

function atNow (value: unknown): unknown {
  return JSON.parse(JSON.stringify(value), (_, member) => {
    if (typeof member?.$now === 'number') return SECONDS + member.$now
    return typeof member?.$nowMs === 'number' ? NOW + member.$nowMs : member
  })
}

function tokenOf ({ token }: Case): string | null {
  return typeof token === 'object' && token !== null ? sign(atNow(token.claims), token.secret, { alg: token.alg, typ: 'JWT' }) : token
}

/** What a recording says of it: without the times and numbers that a server makes up. */
function comparable ({ document: { key, permissions } = {}, editorConfig }: Partial<EffectiveConfig>, view: boolean | null): object {
  const { user, coEditing } = { ...editorConfig }
  return JSON.parse(JSON.stringify({ document: { key, permissions }, user: { id: user?.id, name: user?.name }, coEditing, view }))
}

t.test('every recorded verdict of the real service', async (t) => {
  t.equal(cases.length, 48)
  for (const recorded of cases) {
    const { name, config, verdict: { accepted, code, description, effective, view } } = recorded
    const verdict = judgeConfigToken(tokenOf(recorded), config, { ...CONTEXT, secrets: [key('secret')] })
    t.equal(verdict.accepted, accepted, name)
    if (verdict.accepted) {
      t.strictSame(comparable(verdict.effective, verdict.effective.view), comparable(effective ?? {}, view), `${name}: effective`)
    } else {
      t.strictSame({ code: verdict.code, description: verdict.description }, { code, description }, name)
    }
  }
})

t.test('a token without a config is judged as if the browser had sent what it says', async (t) => {
  for (const recorded of cases) {
    const claims = typeof recorded.token === 'object' && recorded.token !== null ? atNow(recorded.token.claims) : undefined
    const context = { ...CONTEXT, secrets: [key('secret')] }
    t.strictSame(judgeConfigToken(tokenOf(recorded), undefined, context), judgeConfigToken(tokenOf(recorded), claims, context), recorded.name)
  }
  t.strictSame(effective(CONFIG), {
    document: { key: 'k1', permissions: { edit: true }, url: 'https://app.example/a.docx', title: 'A.docx', fileType: 'docx' },
    editorConfig: { callbackUrl: 'https://app.example/callback', lang: 'de', mode: 'edit', user: { id: 'u1', name: 'Ada' } },
    view: false
  })
})

t.test('signature and times are judged as jsonwebtoken does, in its order and words', async (t) => {
  const good = sign(CONFIG, INBOX)
  const [header = '', payload = '', signature = ''] = good.split('.')
  const typed = { alg: 'HS256', typ: 'JWT' }
  const untyped = { alg: 'HS256' }
  const refused: Array<{ name: string, token: unknown, verdict: EditorVerdict }> = [
    ...[undefined, null, '', 0, false].map((token) => ({ name: `${token}`, token, verdict: bad('jwt must be provided') })),
    ...[1, true, {}, [good]].map((token) => ({ name: JSON.stringify(token), token, verdict: bad('jwt must be a string') })),
    ...['a', 'a.b', 'a.b.c.d', `${good}.`, '.'.repeat(1e6)].map((token) => ({ name: `${token.slice(0, 9)}…`, token, verdict: bad('jwt malformed') })),
    ...['a.b.c', '..', 'a..', `.${payload}.${signature}`, ` ${good}`, `${good}\n`, `${good}=`, `${good}+`, `${encode('null')}.${payload}.${signature}`, `${encode('0')}.${payload}.${signature}`, `${encode('{')}.${payload}.`]
      .map((token) => ({ name: token.slice(0, 20), token, verdict: bad('invalid token') })),
    { name: 'a header that is text', token: `${encode('"HS256"')}.${payload}.${signature}`, verdict: bad('invalid algorithm') },
    { name: 'payload not JSON', token: sign('{', INBOX), verdict: SILENT },
    { name: 'payload not JSON, also unsigned', token: `${header}.${encode('{')}.`, verdict: SILENT },
    { name: 'no signature', token: `${header}.${payload}.`, verdict: bad('jwt signature is required') },
    { name: 'no signature, and alg none (T13)', token: `${encode({ alg: 'none' })}.${payload}.`, verdict: bad('jwt signature is required') },
    ...['none', 'None', 'hs256', 'RS256', 'ES256', '', ['HS256'], null, undefined].map((alg) => ({ name: `alg ${alg} (T13)`, token: sign(CONFIG, INBOX, { alg, typ: 'JWT' }), verdict: bad('invalid algorithm') })),
    { name: 'another secret', token: sign(CONFIG, 'x'), verdict: bad('invalid signature') },
    { name: 'the empty secret (T32)', token: sign(CONFIG, ''), verdict: bad('invalid signature') },
    { name: 'a signature cut', token: good.slice(0, -1), verdict: bad('invalid signature') },
    { name: 'HS512 signed with SHA-256', token: `${encode({ alg: 'HS512' })}.${payload}.${signature}`, verdict: bad('invalid signature') },
    { name: 'another secret, and expired', token: sign({ ...CONFIG, exp: 1 }, 'x'), verdict: bad('invalid signature') },
    ...['null', '0', 'false', '""'].map((text) => ({ name: `payload ${text}`, token: sign(text, INBOX, typed), verdict: SILENT })),
    ...['1', 'true', '"a"', '[]', '[{}]', '{}'].map((text) => ({ name: `payload ${text}`, token: sign(text, INBOX, typed), verdict: MISSING })),
    { name: 'payload of text, untyped', token: sign('text', INBOX, untyped), verdict: MISSING },
    { name: 'payload encoded twice, untyped', token: sign(JSON.stringify(JSON.stringify(CONFIG)), INBOX, untyped), verdict: MISSING },
    { name: 'expired', token: sign({ ...CONFIG, exp: SECONDS - 60 }, INBOX), verdict: { accepted: false, code: 4005, description: 'token:jwt expired' } },
    { name: 'expired within the payload of text', token: sign(JSON.stringify(JSON.stringify({ ...CONFIG, exp: 1 })), INBOX), verdict: { accepted: false, code: 4005, description: 'token:jwt expired' } },
    { name: 'not yet', token: sign({ ...CONFIG, nbf: SECONDS + 61 }, INBOX), verdict: SILENT },
    { name: 'not yet, and expired', token: sign({ ...CONFIG, nbf: SECONDS + 61, exp: 1 }, INBOX), verdict: SILENT },
    { name: 'exp as text', token: sign({ ...CONFIG, exp: String(SECONDS + 60) }, INBOX), verdict: bad('invalid exp value') },
    { name: 'exp null', token: sign({ ...CONFIG, exp: null }, INBOX), verdict: bad('invalid exp value') },
    { name: 'nbf as text, and expired', token: sign({ ...CONFIG, nbf: '1', exp: 1 }, INBOX), verdict: bad('invalid nbf value') }
  ]
  for (const { name, token, verdict } of refused) t.strictSame(judgeConfigToken(token, CONFIG, CONTEXT), verdict, name)

  const accepted: Array<{ name: string, token: string }> = [
    { name: 'HS384', token: sign(CONFIG, INBOX, { alg: 'HS384', typ: 'JWT' }) },
    { name: 'a header that says more', token: sign(CONFIG, INBOX, { alg: 'HS256', typ: 'at+jwt', crit: [], kid: 1 }) },
    { name: 'the payload as text, untyped', token: sign(CONFIG, INBOX, untyped) },
    { name: 'the payload encoded twice', token: sign(JSON.stringify(JSON.stringify(CONFIG)), INBOX) },
    { name: 'a member twice: the last one counts', token: sign(JSON.stringify(CONFIG).replace('{', '{"document":1,'), INBOX) },
    { name: 'expired within the tolerance', token: sign({ ...CONFIG, exp: SECONDS - 59 }, INBOX) },
    { name: 'soon', token: sign({ ...CONFIG, nbf: SECONDS + 60 }, INBOX) },
    { name: 'iat of any kind', token: sign({ ...CONFIG, iat: 'x' }, INBOX) }
  ]
  for (const { name, token } of accepted) t.match(judgeConfigToken(token, CONFIG, CONTEXT), { accepted: true }, name)

  t.match(judge({ ...CONFIG, exp: SECONDS - 59 }, CONFIG, { clockTolerance: 0 }), { code: 4005 })
  t.match(judge({ ...CONFIG, exp: SECONDS }, CONFIG, { clockTolerance: 0, now: NOW - 1 }), { accepted: true }, 'now is in milliseconds, rounded down')
})

t.test('any live secret verifies, and an empty one never (T32)', async (t) => {
  const token = sign(CONFIG, INBOX)
  t.match(judgeConfigToken(token, CONFIG, { ...CONTEXT, secrets: [key('new'), key(INBOX)] }), { accepted: true })
  t.match(judgeConfigToken(token, CONFIG, { ...CONTEXT, secrets: [key(''), key(INBOX)] }), { accepted: true })
  for (const secrets of [[], [key('')]]) {
    t.strictSame(judgeConfigToken(sign(CONFIG, ''), CONFIG, { ...CONTEXT, secrets }), bad('secret or public key must be provided'))
    t.strictSame(judgeConfigToken(`${encode({ alg: 'HS256' })}.${encode(CONFIG)}.`, CONFIG, { ...CONTEXT, secrets }), bad('please specify "none" in "algorithms" to verify unsigned tokens'))
  }
  t.strictSame(judgeConfigToken(sign(CONFIG, ''), CONFIG, { ...CONTEXT, secrets: [key(''), key(INBOX)] }), bad('invalid signature'))
})

t.test('the samples of the vendor are refused: their secret is empty (T32)', async (t) => {
  const { tokens }: { tokens: Array<{ token: string }> } = JSON.parse(readFileSync(new URL('../../../vectors/onlyoffice-sample-tokens.json', import.meta.url), 'utf8'))
  for (const { token } of tokens) {
    t.strictSame(judgeConfigToken(token, undefined, CONTEXT), bad('invalid signature'))
    t.strictSame(judgeConfigToken(token, undefined, { ...CONTEXT, secrets: [key('')] }), bad('secret or public key must be provided'))
  }
})

t.test('what must be signed', async (t) => {
  const missing: Array<{ name: string, payload: unknown, sent?: unknown }> = [
    { name: 'nothing', payload: { a: 1 }, sent: {} },
    { name: 'an empty key', payload: config({ key: '' }) },
    { name: 'an empty url', payload: config({ url: '' }) },
    { name: 'a document that is text', payload: { document: 'x' } },
    { name: 'permissions that are null', payload: config({ permissions: null }), sent: CONFIG },
    { name: 'permissions, where the config has an empty object', payload: config({ permissions: undefined }), sent: config({ permissions: {} }) },
    { name: 'callbackUrl', payload: config({}, { callbackUrl: '' }), sent: CONFIG },
    { name: 'mode', payload: config({}, { mode: null }), sent: CONFIG },
    { name: 'a mode that is unknown', payload: config({}, { mode: '' }), sent: config({}, { mode: 'x' }) },
    { name: 'the whole editorConfig', payload: { document: DOCUMENT }, sent: CONFIG },
    { name: 'a version of 0', payload: config({ key: undefined }, {}, { version: 0 }) },
    { name: 'it comes before what is at the top level', payload: { key: 'k1', url: 'https://app.example/' } },
    { name: 'it comes before permissions', payload: config({ url: '', permissions: { edit: false } }), sent: CONFIG }
  ]
  for (const { name, payload, sent } of missing) t.strictSame(judge(payload, sent), MISSING, name)

  const enough: Array<{ name: string, payload: unknown, sent?: unknown }> = [
    { name: 'key and url', payload: { document: { key: 'k', url: 'u' } }, sent: {} },
    { name: 'and for a browser that sends nothing at all', payload: { document: { key: 'k', url: 'u' } }, sent: null },
    { name: 'or what is no config', payload: { document: { key: 'k', url: 'u' } }, sent: 'config' },
    { name: 'no permissions on either side', payload: config({ permissions: undefined }), sent: config({ permissions: undefined }) },
    { name: 'none in the config, and false in the token', payload: config({ permissions: false }), sent: config({ permissions: undefined }) },
    { name: 'no mode, for a browser that asks for view', payload: config({}, { mode: undefined }), sent: config({}, { mode: 'view' }) }
  ]
  for (const { name, payload, sent } of enough) t.match(judge(payload, sent), { accepted: true }, name)
})

t.test('permissions are the same on both sides, all the way down', async (t) => {
  const groups = { edit: true, commentGroups: { edit: ['a', ''], view: '' }, reviewGroups: ['a', 'b'] }
  t.match(judge(config({ permissions: groups }), config({ permissions: { reviewGroups: ['a', 'b'], commentGroups: { view: '', edit: ['a', ''] }, edit: true } })), { accepted: true }, 'the order of members does not count')
  t.match(judge(config({ permissions: { edit: true } }), config({ permissions: { edit: true, chat: undefined } })), { accepted: true }, 'what JSON leaves out does not count')

  const different: unknown[] = [
    {}, { edit: false }, { edit: 1 }, { edit: 'true' }, { edit: null }, { edit: [true] }, { edit: true, chat: null }, [true], true,
    { ...groups, reviewGroups: ['b', 'a'] }, { ...groups, commentGroups: { edit: ['a', ''], view: [''] } }, { ...groups, reviewGroups: ['a', 'b', 'b'] }
  ]
  for (const permissions of different) t.strictSame(judge(config({ permissions: groups }), config({ permissions })), DENIED, JSON.stringify(permissions))
  t.strictSame(judge(config({ permissions: {} }), config({ permissions: undefined })), DENIED, 'absent and {} differ')
  t.strictSame(judge(config({ permissions: {} }), config({ permissions: null })), DENIED, 'null and {} differ')
  t.strictSame(judge(config({ permissions: { x: 0 } }), config({ permissions: JSON.parse('{"x":-0}') })), { accepted: true, effective: effective(config({ permissions: { x: 0 } })) }, 'JSON has no -0 to send')
})

t.test('members at the top level that deny access, or change the meaning', async (t) => {
  for (const name of ['url', 'payload', 'key']) {
    t.strictSame(judge(config({}, {}, { [name]: 'x' })), DENIED, name)
    t.strictSame(judge(config({}, { ds_sessionTimeConnect: 1 }, { [name]: {} })), DENIED, `${name}, in a token of a session`)
    t.match(judge(config({}, {}, { [name]: '' })), { accepted: true }, `${name}, empty`)
    t.match(judge(config({}, {}, { [name]: 'x', version: 1 })), { accepted: true }, `${name}, in a token of a version`)
  }
  t.strictSame(judge(config({}, {}, { fileInfo: {} })), SILENT, 'WOPI is not judged')
  t.strictSame(judge(config({}, { ds_sessionTimeConnect: 1 }, { fileInfo: {}, version: 1 })), SILENT, 'and comes first')
  t.match(judge(config({}, {}, { fileInfo: null })), { accepted: true })
})

t.test('a token of a session needs nothing, and its permissions count all the same', async (t) => {
  const session = { document: {}, editorConfig: { ds_sessionTimeConnect: null } }
  t.strictSame(effective(session, CONFIG), effective(CONFIG))
  t.strictSame(effective({ ...session, version: 2 }, CONFIG), effective(CONFIG), 'it comes before the version')
  t.strictSame(judge({ document: { permissions: { edit: false } }, editorConfig: { ds_sessionTimeConnect: 1 } }, CONFIG), DENIED)
})

t.test('a token of a version opens what it names, for reading', async (t) => {
  const version = { version: 1, key: 'k1.1', url: 'https://app.example/1.docx' }
  t.strictSame(effective(version), {
    document: { key: 'k1.1', url: 'https://app.example/1.docx' },
    editorConfig: { mode: 'view', user: { id: 'uid-1', name: 'Anonymous' }, coEditing: { mode: 'strict' } },
    view: true
  })
  t.strictSame(effective(version, config({ permissions: { edit: false } }, { coEditing: { mode: 'fast' } })), {
    document: { key: 'k1.1', permissions: { edit: false }, url: 'https://app.example/1.docx', title: 'A.docx', fileType: 'docx' },
    editorConfig: { callbackUrl: 'https://app.example/callback', lang: 'de', mode: 'view', user: { id: 'u1', name: 'Ada' }, coEditing: { mode: 'strict' } },
    view: true
  }, 'the rest is the browser\'s')
  t.strictSame(effective({ version: true }, CONFIG).document, { permissions: { edit: true }, title: 'A.docx', fileType: 'docx' }, 'nothing is required of it')
  t.strictSame(judge({ ...version, key: 'k'.repeat(256) }), DENIED)
})

t.test('the token counts where both say something', async (t) => {
  const signed = config({ key: 'k2', url: 'https://app.example/2', title: '', fileType: 'xlsx' }, { callbackUrl: 'https://app.example/2', lang: '', mode: 'edit', user: { id: 7, name: 'Bob' } })
  t.strictSame(effective(signed, CONFIG), {
    document: { key: 'k2', permissions: { edit: true }, url: 'https://app.example/2', title: '', fileType: 'xlsx' },
    editorConfig: { callbackUrl: 'https://app.example/2', lang: '', mode: 'edit', user: { id: '7', name: 'Bob' } },
    view: false
  })
  const bare = { document: { key: 'k2', url: 'u', permissions: { edit: true }, title: null }, editorConfig: { callbackUrl: 'c', mode: 'edit' } }
  t.match(effective(bare, CONFIG), { document: { title: 'A.docx', fileType: 'docx' }, editorConfig: { lang: 'de', user: { id: 'u1', name: 'Ada' } } }, 'else the browser')
  t.strictSame(effective(bare, config({ title: undefined, fileType: undefined }, { lang: undefined })).document, { key: 'k2', permissions: { edit: true }, url: 'u' }, 'or nobody')
})

t.test('who may edit', async (t) => {
  const opened: Array<{ permissions: unknown, mode?: unknown, view: boolean }> = [
    { permissions: undefined, view: false },
    { permissions: {}, view: false },
    { permissions: { edit: true }, mode: 'view', view: true },
    { permissions: { edit: true }, mode: 'embedded', view: false },
    { permissions: { edit: null }, view: false },
    { permissions: { edit: false }, view: true },
    { permissions: { edit: false, review: false, comment: 1, fillForms: 'true', print: true }, view: true },
    { permissions: { edit: false, review: true }, view: false },
    { permissions: { edit: false, comment: true }, view: false },
    { permissions: { edit: false, fillForms: true }, view: false }
  ]
  for (const { permissions, mode, view } of opened) {
    const { view: found, editorConfig } = effective(config({ permissions }, { mode }))
    t.equal(found, view, JSON.stringify({ permissions, mode }))
    t.strictSame(editorConfig.coEditing, view ? { mode: 'fast' } : undefined)
  }
  t.equal(effective(config({}, { mode: 'view' }), CONFIG).view, true, 'a mode of view in the token counts')
  t.equal(effective(CONFIG, config({}, { mode: 'view' })).view, true, 'and in the config')
})

t.test('how a viewer sees others edit', async (t) => {
  const view = (document: object, coEditing: object | undefined, sent?: object, more: object = {}) =>
    effective(config(document, { mode: 'view', coEditing }, more), config(document, { mode: 'view', coEditing: sent ?? coEditing })).editorConfig.coEditing?.mode
  t.equal(view({}, undefined), 'fast')
  t.equal(view({}, { mode: 'strict' }), 'strict')
  t.equal(view({}, { mode: 'strict', change: false }), 'strict')
  t.equal(view({}, { mode: 'strict', change: true }), 'fast', 'a viewer that may change it begins with fast')
  t.equal(view({}, { change: true }), 'fast')
  t.equal(view({}, undefined, { mode: 'strict' }), 'strict', 'the browser\'s, where none is signed')
  t.equal(view({}, { mode: 'fast' }, { mode: 'strict' }), 'fast', 'the token\'s, where one is')
  for (const fileType of ['pdf', 'djvu', 'xps', 'oxps']) t.equal(view({ fileType }, { mode: 'fast' }), 'strict', fileType)
  t.equal(view({ fileType: 'pdf' }, undefined), 'fast', 'only where one is signed')
  t.equal(view({}, { mode: 'fast' }, undefined, { type: 'embedded' }), 'strict')
})

t.test('whom the server takes the user for', async (t) => {
  const users: Array<{ name: string, signed: unknown, sent: unknown, user: { id: string, name: unknown }, lang?: string }> = [
    { name: 'nobody', signed: undefined, sent: undefined, user: { id: 'uid-1', name: 'Anonymous' } },
    { name: 'unsigned: the browser says', signed: undefined, sent: { id: 'b', name: 'Bob' }, user: { id: 'b', name: 'Bob' } },
    { name: 'signed', signed: { id: 'a', name: 'Ada' }, sent: { id: 'b', name: 'Bob' }, user: { id: 'a', name: 'Ada' } },
    { name: 'in part: each member by itself', signed: { name: 'Ada' }, sent: { id: 'b', name: 'Bob' }, user: { id: 'b', name: 'Ada' } },
    { name: 'empty: that is unsigned', signed: { id: 0, name: '' }, sent: { id: 'b', name: 'Bob' }, user: { id: 'b', name: 'Bob' } },
    { name: 'of a group', signed: { id: 'a', name: 'Ada', group: 'G' }, sent: {}, user: { id: 'a', name: 'G\u00a0Ada' } },
    { name: 'of a group that the browser names', signed: { id: 'a' }, sent: { group: 'G', name: 'Bob' }, user: { id: 'a', name: 'G\u00a0Bob' } },
    { name: 'with two names', signed: { id: 'a', firstname: 'Ada', lastname: 'Byron', name: 'x' }, sent: {}, user: { id: 'a', name: 'Ada Byron' } },
    { name: 'with two names, as Russians write them', signed: { id: 'a', firstname: 'Ada', lastname: 'Byron' }, sent: {}, user: { id: 'a', name: 'Byron Ada' }, lang: 'ru-RU' },
    { name: 'with one of two names', signed: { id: 'a', firstname: 'Ada', name: 'x' }, sent: {}, user: { id: 'a', name: 'x' } },
    { name: 'with a name that is no text', signed: { id: ['a', 'b'], name: 7 }, sent: {}, user: { id: 'a,b', name: 7 } },
    { name: 'with a name too long', signed: { id: 'a'.repeat(240), name: 'n'.repeat(256) }, sent: {}, user: { id: 'a'.repeat(240), name: 'n'.repeat(255) } }
  ]
  for (const { name, signed, sent, user, lang = 'en' } of users) {
    t.strictSame(effective(config({}, { user: signed, lang }), config({}, { user: sent, lang })).editorConfig.user, user, name)
  }
  t.strictSame(judge(config({}, { user: { id: 'a'.repeat(241) } })), { accepted: false, code: null, description: 'User id too long' })
})

t.test('what the server cannot work with is denied', async (t) => {
  const denied: Array<{ name: string, payload: unknown, sent?: unknown }> = [
    { name: 'a key that its database does not hold', payload: config({ key: 'k'.repeat(256) }) },
    { name: 'a key that is no part of a path', payload: config({ key: 'a b/c' }) },
    { name: 'the same, in the config', payload: CONFIG, sent: config({ key: 'ключ' }) },
    { name: 'the key that stands for none', payload: CONFIG, sent: config({ key: 'docId' }) },
    { name: 'a callbackUrl that is no text', payload: config({}, { callbackUrl: {} }) },
    { name: 'an id that has no text', payload: config({}, { user: { id: { toString: 1 } } }) },
    { name: 'a group that has no text', payload: config({}, { user: { id: 'a', group: { toString: 1 } } }) }
  ]
  for (const { name, payload, sent } of denied) t.strictSame(judge(payload, sent), DENIED, name)

  const taken: Array<{ name: string, payload: unknown, sent?: unknown }> = [
    { name: 'a key just short enough', payload: config({ key: 'k'.repeat(255) }) },
    { name: 'counted in characters, not in halves of them', payload: config({ key: '😀'.repeat(255) }), sent: CONFIG },
    { name: 'a key with other characters, if the browser connects under another one', payload: config({ key: 'a b/c' }), sent: CONFIG },
    { name: 'a key that is a number', payload: config({ key: 7 }), sent: CONFIG },
    { name: 'no key in the config', payload: CONFIG, sent: config({ key: undefined }) }
  ]
  for (const { name, payload, sent } of taken) t.match(judge(payload, sent), { accepted: true }, name)
})

t.test('nothing makes it throw, and what it answers is frozen', async (t) => {
  const deep = (depth: number, open: string, close: string): string => `${open.repeat(depth)}1${close.repeat(depth)}`
  const circular: Record<string, unknown> = { ...DOCUMENT }
  circular['permissions'] = circular
  const evil = { get document (): never { throw new TypeError('no') } }
  t.strictSame(judge(CONFIG, { document: circular }), DENIED, 'a config that holds itself')
  t.strictSame(judge(CONFIG, evil), DENIED, 'a config that throws')
  t.strictSame(judge(CONFIG, config({ title: 1n })), DENIED, 'a config that is not JSON')
  t.match(judge(JSON.parse('{"__proto__":{"document":{"key":"k","url":"u"}}}')), MISSING)

  const permissions = JSON.parse(deep(100_000, '{"a":', '}'))
  t.strictSame(judge(CONFIG, config({ permissions })), DENIED, 'a config nested too deeply')
  for (const text of [deep(10_000, '[', ']'), deep(10_000, '{"document":', '}')]) t.strictSame(judgeConfigToken(sign(text, INBOX), undefined, CONTEXT), MISSING)
  const nested = `{"document":{"key":"k","url":"u","permissions":${deep(200_000, '[', ']')}}}`
  t.strictSame(judgeConfigToken(sign(nested, INBOX), undefined, CONTEXT), DENIED)
  t.match(judge({ ...CONFIG, padding: 'x'.repeat(1e6) }), { accepted: true }, 'a megabyte')

  const frozen = judge(config({ permissions: { reviewGroups: ['a'] } }))
  t.throws(() => Object.assign(frozen, { accepted: false }))
  t.throws(() => { Reflect.apply(Array.prototype.push, Reflect.get(Object(frozen.accepted && frozen.effective.document.permissions), 'reviewGroups'), ['b']) })
  for (const token of [null, sign(CONFIG, 'x'), sign({}, INBOX), sign(config({}, { user: { id: 'a'.repeat(241) } }), INBOX)]) t.ok(Object.isFrozen(judgeConfigToken(token, undefined, CONTEXT)))

  const sent = config()
  judge(CONFIG, sent)
  t.notOk(Object.isFrozen(sent.document.permissions), 'what the caller gave is left alone')
})
