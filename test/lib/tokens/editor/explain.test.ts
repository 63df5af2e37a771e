import { createSecretKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import { verifyCallback } from '../../../../lib/tokens/editor/callback.ts'
import { type ExplainContext, type Explanation, type ExplainKind, type ExplainProblem, explainToken, type TokenToExplain } from '../../../../lib/tokens/editor/explain.ts'
import { resolveEditorOptions } from '../../../../lib/tokens/editor/options.ts'
import { judgeConfigToken } from '../../../../lib/tokens/editor/verdict.ts'
import { EXPLAIN_KINDS, ExplainBodySchema, ExplainReplySchema } from '../../../../lib/schemas/editor/explain.ts'
import { bodyToken, BROWSER_PAYLOADS, DOCS, EDITING, headerToken, INBOX, KEY, NOW, OUTBOX, SAVE, SECONDS, sign, spoilt, TIMES } from '../../../support/editor-tokens.ts'
import { encode } from '../../../support/tokens.ts'

const PREVIOUS = 'Yw6Pz1Kd8Rt3Nb0Vm5Xq9Lc2Hj7Gf4Sa'

const key = (secret: string | Uint8Array) => createSecretKey(Buffer.from(secret))

const CONTEXT: ExplainContext = {
  secrets: { inbox: [key(INBOX), key(PREVIOUS)], outbox: [key(OUTBOX)] },
  now: NOW,
  clockTolerance: 60,
  headerPrefix: 'Bearer ',
  namesSecret: true
}

const DOCUMENT = { key: 'k1', url: 'https://app.example/a.docx', fileType: 'docx', title: 'A.docx', permissions: { edit: true } }
const EDITOR = { callbackUrl: 'https://app.example/callback', mode: 'edit', lang: 'de', user: { id: 'u1', name: 'Ada' } }
const EXP = { exp: SECONDS + 300 }
const CONFIG = { document: DOCUMENT, editorConfig: EDITOR, ...EXP }
const VERSION = { version: 2, key: 'k1', url: 'https://app.example/2', changesUrl: 'https://app.example/c', previous: { key: 'k0', url: 'https://app.example/1' }, ...EXP }

const config = (document: object = {}, editorConfig: object = {}, more: object = {}) => ({ document: { ...DOCUMENT, ...document }, editorConfig: { ...EDITOR, ...editorConfig }, ...EXP, ...more })

const replyCheck = TypeCompiler.Compile(ExplainReplySchema)

const explain = (asked: TokenToExplain, context: Partial<ExplainContext> = {}): Explanation => explainToken(asked, { ...CONTEXT, ...context })

/** As short as it can be told: level, path, and the rest of what is said of it. */
const brief = ({ problems }: { problems: readonly ExplainProblem[] }): string[] => problems.map(({ level, path, problem }) => `${level} ${path}: ${problem}`)

const pathsOf = ({ problems }: Explanation, wanted: ExplainProblem['level']): string[] => problems.filter(({ level }) => level === wanted).map(({ path }) => path)

interface Vector { name: string, kind: string, token: string | null | { claims: object, alg: string, secret: string }, config: object }

const { cases }: { cases: Vector[] } = JSON.parse(readFileSync(new URL('../../../vectors/onlyoffice-verdicts.json', import.meta.url), 'utf8'))

function tokenOf ({ token }: Vector): string | null {
  if (typeof token !== 'object' || token === null) return token
  const claims = JSON.parse(JSON.stringify(token.claims), (_, member) => {
    if (typeof member?.$now === 'number') return SECONDS + member.$now
    return typeof member?.$nowMs === 'number' ? NOW + member.$nowMs : member
  })
  return sign(claims, token.secret, { alg: token.alg, typ: 'JWT' })
}

/** What holds of every explanation. */
function holdTogether (t: Test, name: string, explanation: Explanation, token?: unknown): void {
  const { accepted, code, effective, problems, reason } = explanation
  const refusals = problems.filter(({ level }) => level === 'refused')
  t.equal(accepted, refusals.length === 0, `${name}: accepted is what nothing speaks against`)
  t.ok(!accepted || code === null, `${name}: no code where it is accepted`)
  t.ok(accepted || effective === null, `${name}: nothing counts of what is refused`)
  t.match(reason, /^The [^.]+\.[^]*$/, name)
  t.ok(accepted || reason.endsWith(`: ${refusals[0]?.problem}.`), `${name}: the reason is the first refusal`)
  t.ok(replyCheck.Check(explanation), `${name}: fits the reply`)
  t.ok(Object.isFrozen(explanation) && Object.isFrozen(problems) && problems.every(Object.isFrozen), `${name}: frozen`)

  const text = JSON.stringify({ reason, problems })
  for (const secret of [INBOX, OUTBOX, PREVIOUS]) t.notOk(text.includes(secret), `${name}: no secret (T34)`)
  if (typeof token === 'string' && token.length > 12) t.notOk(text.includes(token), `${name}: no token (T34)`)
}

t.test('every recorded verdict is explained, and none without a reason', async (t) => {
  const context = { secrets: { inbox: [key('secret')] as const } }
  for (const recorded of cases) {
    const asked = { token: tokenOf(recorded), config: recorded.config, kind: recorded.kind === 'history' ? 'setHistoryData' as const : 'config' as const }
    const explanation = explain(asked, context)
    const verdict = judgeConfigToken(asked.token, asked.config, { ...CONTEXT, secrets: context.secrets.inbox })
    t.match(explanation, verdict.accepted ? { accepted: true, effective: verdict.effective } : { accepted: false, code: verdict.code }, recorded.name)
    holdTogether(t, recorded.name, explanation, asked.token)
    t.notMatch(brief(explanation).join(), /cannot be processed/, recorded.name)
  }
})

t.test('a good token', async (t) => {
  t.strictSame(explain({ token: sign(CONFIG, INBOX), config: CONFIG }), {
    accepted: true,
    reason: 'The document server accepts the token, and the document opens for editing.',
    code: null,
    problems: [],
    effective: {
      document: { key: 'k1', permissions: { edit: true }, url: 'https://app.example/a.docx', title: 'A.docx', fileType: 'docx' },
      editorConfig: { callbackUrl: 'https://app.example/callback', lang: 'de', mode: 'edit', user: { id: 'u1', name: 'Ada' } },
      view: false
    }
  })
  t.match(explain({ token: sign(config({}, { mode: 'view' }), INBOX), kind: 'refreshFile' }), { accepted: true, reason: /opens for reading/, problems: [] })
  t.match(explain({ token: sign(VERSION, INBOX), kind: 'setHistoryData' }), { accepted: true, reason: /opens for reading/, problems: [] })
})

t.test('what the user sees is named', async (t) => {
  const seen: Array<{ token: string, reason: RegExp, code: number | null }> = [
    { token: sign(config({}, {}, { exp: 1 }), INBOX), reason: /refuses the token with 4005 \(the editor shows error -21\): exp was 1799999999 seconds ago, and 60 are tolerated: the token has expired\.$/, code: 4005 },
    { token: sign(config({}, {}, { key: 'x' }), INBOX), reason: /with 4004 \(the editor shows error -23\): key must not be at the top level of a config\.$/, code: 4004 },
    { token: sign({}, INBOX), reason: /with 4006 \(the editor shows error -20\): document\.key is not in the token\.$/, code: 4006 },
    { token: sign(config({}, {}, { nbf: SECONDS + 61 }), INBOX), reason: /without a code: nbf is 61 seconds ahead/, code: null }
  ]
  for (const { token, reason, code } of seen) t.match(explain({ token }), { accepted: false, reason, code, effective: null })
})

t.test('what is no token', async (t) => {
  const texts: Array<{ tokens: unknown[], says: string }> = [
    { tokens: [undefined, null, ''], says: 'the token is missing' },
    { tokens: [1, true, {}, [sign(CONFIG, INBOX)], Promise.resolve(''), Symbol('x')], says: 'the token is not text' },
    { tokens: [INBOX, PREVIOUS, OUTBOX, ` ${INBOX}\n`, `"${INBOX}"`, `Bearer ${INBOX}`], says: 'the token is the secret itself' },
    { tokens: ['undefined', 'null', 'NaN', 'None', 'true', '[object Object]', '[object Promise]', ' undefined '], says: 'the token is what a variable without a text in it is written as' },
    { tokens: ['<token>', '{token}', '{{token}}', '{{ config.token }}', ['$', '{TOKEN}'].join(''), '$(TOKEN)', '%TOKEN%', '[token]', '__TOKEN__', 'YOUR_TOKEN', 'your-jwt-token', 'token', 'JWT', 'your.token.here', '<%= token %>'], says: 'the token is a placeholder' },
    { tokens: ['{"document":{"key":"a"}}', '[{}]', ' {"'], says: 'the token is JSON' },
    { tokens: [sign(CONFIG, INBOX).split('.').slice(0, 2).join('.'), `${sign(CONFIG, INBOX).split('.').slice(0, 2).join('.')}.`, `${encode({ alg: 'none' })}.${encode(CONFIG)}.`], says: 'the token is not signed: there is no signature behind its payload' },
    { tokens: ['a.b.c.d.e'], says: 'the token has five parts: it is encrypted' },
    { tokens: ['abc', 'a.b.c.d', `${sign(CONFIG, INBOX)}.`, 'x'.repeat(1e6), '.'.repeat(1e6), '<'.repeat(201)], says: 'the token is no token: it has not three parts with dots between them' },
    { tokens: [' ', '""', '`` '], says: 'the token is empty' },
    { tokens: ['a.b.c', 'é.b.c', `${encode('x')}.${encode(CONFIG)}.c`], says: 'the token has a header that is not JSON in base64url, or characters that no token has' },
    { tokens: [sign('{', INBOX), sign('', INBOX).replace('..', '.IA.')], says: 'the token has a payload that is not JSON' }
  ]
  for (const { tokens, says } of texts) {
    for (const token of tokens) {
      for (const kind of ['config', 'setHistoryData', 'insertImage', 'request', 'callback', 'download'] as const) {
        const explanation = explain({ token, kind })
        const name = `${kind}: ${String(token).slice(0, 30)}`
        t.match(brief(explanation).at(-1), `refused token: ${says}`, name)
        holdTogether(t, name, explanation, token)
      }
    }
  }
})

t.test('a secret that has white space or quotes around it is known all the same, and nothing is not an empty one', async (t) => {
  for (const secret of [`"${INBOX}"`, ` ${INBOX}\n`]) {
    t.match(explain({ token: secret }, { secrets: { inbox: [key(secret)] } }), { reason: /is the secret itself/ })
  }
  t.match(explain({ token: '""' }, { secrets: { inbox: [key('')] } }), { problems: [{ problem: /has quotes around it/ }, { problem: 'the token is empty' }] })
})

t.test('what stands around a token is named, and what is in it is explained all the same', async (t) => {
  const good = sign(config({}, { user: undefined }), INBOX)
  const covered: Array<{ token: string, says: RegExp, headerPrefix?: string }> = [
    { token: `Bearer ${good}`, says: /still has the prefix/ },
    { token: `bearer  ${good}`, says: /still has the prefix/ },
    { token: `JWT: ${good}`, says: /still has the prefix/, headerPrefix: 'JWT: ' },
    { token: `"${good}"`, says: /quotes around it/ },
    { token: `'${good}'`, says: /quotes around it/ },
    { token: `${good}\n`, says: /white space around it/ }
  ]
  for (const { token, says, headerPrefix = 'Bearer ' } of covered) {
    const explanation = explain({ token }, { headerPrefix })
    t.strictSame(pathsOf(explanation, 'refused'), ['token'])
    t.match(explanation, { accepted: false, code: 4006, reason: says })
    t.strictSame(pathsOf(explanation, 'warning'), ['editorConfig.user'])
  }
  t.strictSame(pathsOf(explain({ token: ` "Bearer ${good}"` }), 'refused'), ['token', 'token', 'token'])
  t.match(explain({ token: good }, { headerPrefix: '' }), { accepted: true }, 'without a prefix none is looked for')
  t.match(explain({ token: `Bearer ${good}` }, { headerPrefix: '' }), { reason: /still has the prefix/ }, 'but for the usual one')
})

t.test('a token that is large is warned of', async (t) => {
  const large = sign(config({}, { user: { id: 'u1', image: 'x'.repeat(4096) } }), INBOX)
  t.strictSame(brief(explain({ token: large })), [`warning token: the token has ${large.length} characters, and headers of more than 4096 are cut or refused by many proxies`])
  const padding = (length: number) => sign(config({}, {}, { padding: 'x'.repeat(length) }), INBOX)
  let length = 2500
  while (padding(length + 1).length <= 4096) length++
  t.strictSame(explain({ token: padding(length) }).problems, [], '4096 characters are not')
})

t.test('whose signature it is', async (t) => {
  const signed: Array<{ name: string, token: string, says: RegExp, context?: Partial<ExplainContext>, kind?: ExplainKind }> = [
    { name: 'another one', token: sign(CONFIG, 'other'), says: /the secret that has signed it is another one, or the token was altered/ },
    { name: 'altered', token: sign(CONFIG, INBOX).replace(/\.[^.]+\./, `.${encode(config({ key: 'k2' }))}.`), says: /another one, or the token was altered/ },
    { name: 'empty (T32)', token: sign(CONFIG, ''), says: /the secret that has signed it is empty/ },
    { name: 'the default of servers', token: sign(CONFIG, 'secret'), says: /is the default of document servers/ },
    { name: 'none', token: sign(CONFIG, INBOX, { alg: 'none', typ: 'JWT' }), says: /alg of the header says that the token is not signed/ },
    { name: 'NONE (T13)', token: sign(CONFIG, INBOX, { alg: 'NONE' }), says: /alg of the header says that the token is not signed/ },
    { name: 'RS256', token: sign(CONFIG, INBOX, { alg: 'RS256' }), says: /alg of the header is none that the document server takes/ },
    { name: 'no alg', token: sign(CONFIG, INBOX, {}), says: /alg of the header is none that/ },
    { name: 'cut', token: sign(CONFIG, INBOX).slice(0, -3), says: /the token has a signature of 40 characters in place of 43/ },
    { name: 'padded', token: sign(CONFIG, INBOX, { alg: 'HS512', typ: 'JWT' }) + 'A', says: /87 characters in place of 86/ },
    ...[`"${INBOX}"`, `'${INBOX}'`, `\`${INBOX}\``, `${INBOX}\n`, `${INBOX}\r\n`, `${INBOX} `, ` ${INBOX}`, `\ufeff${INBOX}`, `"${INBOX}"\n`, `'${PREVIOUS}'\n`].map((secret) => (
      { name: JSON.stringify(secret).replace(INBOX, '…'), token: sign(CONFIG, secret), says: /the secret has signed the token with quotes or white space around it, and is configured here without/ }
    )),
    ...[`"${INBOX}"`, `'${INBOX}'`, `\`${INBOX}\``, `${INBOX}\n`, ` ${INBOX} `, `"${INBOX}"\r\n`].map((secret) => (
      { name: `${JSON.stringify(secret).replace(INBOX, '…')} here`, token: sign(CONFIG, INBOX), says: /the secret is configured here with quotes or white space around it/, context: { secrets: { inbox: [key(PREVIOUS), key(secret)] as const } } }
    )),
    { name: 'of the other side', token: sign(CONFIG, OUTBOX), says: /the secret that has signed it is the outbox secret, and this takes the inbox secret/ },
    { name: 'of the other side, of a callback', token: bodyToken(SAVE, {}, INBOX), says: /is the inbox secret, and this takes the outbox secret/, kind: 'callback' },
    { name: 'of the other side, the previous one, of a download', token: headerToken({ url: 'https://app.example/' }, {}, PREVIOUS), says: /is the inbox secret, and this takes the outbox secret/, kind: 'download' },
    { name: 'no outbox secret', token: bodyToken(SAVE), says: /the secret to verify it with is missing: there is no outbox secret here, or an empty one/, context: { secrets: { inbox: [key(INBOX)] } }, kind: 'callback' },
    { name: 'bytes that are no text', token: sign(CONFIG, INBOX), says: /another one, or the token was altered/, context: { secrets: { inbox: [key(Buffer.alloc(32, 255))] } } },
    { name: 'an empty one here (T32)', token: sign(CONFIG, '\n'), says: /there is no inbox secret here, or an empty one, which never verifies/, context: { secrets: { inbox: [key('')] } } },
    { name: 'an empty one on both sides (T32)', token: sign(CONFIG, ''), says: /there is no inbox secret here, or an empty one/, context: { secrets: { inbox: [key('')] } } },
    { name: 'an empty one beside another here (T32)', token: sign(CONFIG, ''), says: /the secret that has signed it is empty/, context: { secrets: { inbox: [key(''), key(INBOX)] } } }
  ]
  for (const { name, token, says, context = {}, kind = 'config' } of signed) {
    const explanation = explain({ token, kind }, context)
    t.match(explanation.problems[0]?.problem, says, name)
    t.equal(explanation.accepted, false, name)
    holdTogether(t, name, explanation, token)
  }
})

t.test('which secret it was is told only where that is turned on (T45)', async (t) => {
  const off = { namesSecret: false }
  t.strictSame(brief(explain({ token: sign(CONFIG, PREVIOUS) })), ['note secret: the secret that has signed it is the previous inbox secret'])
  t.strictSame(explain({ token: sign(CONFIG, PREVIOUS) }, off), explain({ token: sign(CONFIG, INBOX) }, off), 'the previous one cannot be told from the current one')
  t.strictSame(explain({ token: sign(CONFIG, OUTBOX) }, off), explain({ token: sign(CONFIG, 'other') }, off), 'the outbox secret cannot be told from any other')
  t.strictSame(explain({ token: bodyToken(SAVE, {}, INBOX), kind: 'callback' }, off), explain({ token: bodyToken(SAVE, {}, 'other'), kind: 'callback' }, off))
  t.notMatch(JSON.stringify(explain({ token: sign(CONFIG, OUTBOX) }, off)), /outbox secret/)
})

t.test('times, in seconds', async (t) => {
  const times: Array<{ claims: object, says: string[], clockTolerance?: number }> = [
    { claims: { exp: undefined }, says: ['note exp: exp is not there: whoever gets hold of the token may use it for ever'] },
    { claims: { exp: SECONDS - 61 }, says: ['refused exp: exp was 61 seconds ago, and 60 are tolerated: the token has expired'] },
    { claims: { exp: SECONDS - 60 }, says: ['refused exp: exp was 60 seconds ago, and 60 are tolerated: the token has expired'] },
    { claims: { exp: SECONDS - 59 }, says: ['warning exp: exp was 59 seconds ago, which is just tolerated'] },
    { claims: { exp: SECONDS - 59 }, says: ['refused exp: exp was 59 seconds ago, and 10 are tolerated: the token has expired'], clockTolerance: 10 },
    { claims: { exp: SECONDS }, says: ['warning exp: exp was 0 seconds ago, which is just tolerated'] },
    { claims: { exp: SECONDS + 1 }, says: [] },
    { claims: { exp: NOW }, says: ['warning exp: exp is in milliseconds: as seconds it is thousands of years ahead, so the token never expires'] },
    { claims: { exp: String(SECONDS) }, says: ['refused exp: exp is not a number'] },
    { claims: { exp: null }, says: ['refused exp: exp is not a number'] },
    { claims: { nbf: SECONDS }, says: [] },
    { claims: { nbf: SECONDS + 60 }, says: ['warning nbf: nbf is 60 seconds ahead of the clock here, which is just tolerated'] },
    { claims: { nbf: SECONDS + 60.5 }, says: ['refused nbf: nbf is 61 seconds ahead of the clock here, and 60 are tolerated'] },
    { claims: { nbf: NOW }, says: ['refused nbf: nbf is in milliseconds: as seconds it is thousands of years ahead'] },
    { claims: { nbf: '' }, says: ['refused nbf: nbf is not a number'] },
    { claims: { iat: SECONDS }, says: [] },
    { claims: { iat: SECONDS + 600 }, says: ['warning iat: iat is 600 seconds ahead of the clock here: the clocks differ'] },
    { claims: { iat: NOW }, says: ['warning iat: iat is in milliseconds: as seconds it is thousands of years ahead'] },
    { claims: { iat: [] }, says: ['warning iat: iat is not a number'] },
    { claims: { exp: 1, nbf: 'x', iat: NOW }, says: ['refused nbf: nbf is not a number', 'refused exp: exp was 1799999999 seconds ago, and 60 are tolerated: the token has expired', 'warning iat: iat is in milliseconds: as seconds it is thousands of years ahead'] }
  ]
  for (const { claims, says, clockTolerance = 60 } of times) {
    const explanation = explain({ token: sign(config({}, {}, claims), INBOX) }, { clockTolerance })
    t.strictSame(brief(explanation), says, JSON.stringify(claims))
    t.equal(explanation.accepted, !says.some((text) => text.startsWith('refused')), JSON.stringify(claims))
  }
})

t.test('all that is missing is named, not just the first', async (t) => {
  const partial = explain({ token: sign({ document: { fileType: 'docx' }, ...EXP }, INBOX), config: CONFIG })
  t.strictSame(brief(partial), [
    'refused document.key: document.key is not in the token, and in the config it is',
    'refused document.url: document.url is not in the token, and in the config it is',
    'refused document.permissions: document.permissions is not in the token, and in the config it is',
    'refused editorConfig.callbackUrl: editorConfig.callbackUrl is not in the token, and in the config it is',
    'refused editorConfig.mode: editorConfig.mode is not in the token, and in the config it is',
    'warning editorConfig.user: editorConfig.user is not signed: the browser says who its user is'
  ])
  t.match(partial, { accepted: false, code: 4006 })
  t.strictSame(brief(explain({ token: sign({ document: { key: 'k' }, ...EXP }, INBOX), config: { document: { key: 'k' } } })).slice(0, 1), ['refused document.url: document.url is not in the token'])
  t.strictSame(pathsOf(explain({ token: sign(EXP, INBOX), config: CONFIG }), 'refused'), ['document.key', 'document.url', 'document.permissions', 'editorConfig.callbackUrl', 'editorConfig.mode'])
})

t.test('permissions that differ, each by its path', async (t) => {
  const signed = { edit: true, print: false, chat: null, copy: 'true', commentGroups: { edit: ['a', ''], view: '' }, reviewGroups: ['a'], userInfoGroups: ['a'], 'evil\u001b[2J': 1, toString: 1 }
  const sent = { edit: true, chat: false, copy: true, comment: true, commentGroups: { edit: ['', 'a'], view: [] }, reviewGroups: ['a', 'b'], userInfoGroups: {}, print: 0 }
  const explanation = explain({ token: sign(config({ permissions: signed }), INBOX), config: config({ permissions: sent }) })
  t.strictSame(brief(explanation), [
    'print: document.permissions.print is true or false in the token and a number in the config',
    'chat: document.permissions.chat is null in the token and true or false in the config',
    'copy: document.permissions.copy is text in the token and true or false in the config',
    'commentGroups.edit.0: document.permissions.commentGroups.edit.0 has another value in the config than in the token',
    'commentGroups.edit.1: document.permissions.commentGroups.edit.1 has another value in the config than in the token',
    'commentGroups.view: document.permissions.commentGroups.view is text in the token and a list in the config',
    'reviewGroups.1: document.permissions.reviewGroups.1 is in the config and not in the token',
    'userInfoGroups: document.permissions.userInfoGroups is a list in the token and an object in the config',
    '?: document.permissions.? is in the token and not in the config',
    'toString: document.permissions.toString is in the token and not in the config',
    'comment: document.permissions.comment is in the config and not in the token'
  ].map((text) => `refused document.permissions.${text}`))
  t.match(explanation, { accepted: false, code: 4004 })

  t.strictSame(brief(explain({ token: sign(config({ permissions: {} }), INBOX), config: config({ permissions: undefined }) })), ['refused document.permissions: document.permissions is in the token and not in the config'])
  t.strictSame(brief(explain({ token: sign(config({ permissions: {} }), INBOX), config: config({ permissions: null }) })), ['refused document.permissions: document.permissions is an object in the token and null in the config'])
  const many = Object.fromEntries(Array.from({ length: 1000 }, (_, index) => [`p${index}`, { a: 1, b: 2 }]))
  t.equal(explain({ token: sign(config({ permissions: many }), INBOX), config: config({ permissions: {} }) }).problems.filter(({ level }) => level === 'refused').length, 20, 'no more than anybody reads')
  const nested = (depth: number, value: number): unknown => depth === 0 ? value : { a: nested(depth - 1, value) }
  t.strictSame(pathsOf(explain({ token: sign(config({ permissions: nested(20, 1) }), INBOX), config: config({ permissions: nested(20, 2) }) }), 'refused'), ['document.permissions.a.a.a.a.a.a.a'])
})

t.test('members that change the meaning', async (t) => {
  const meanings: Array<{ payload: object, accepted: boolean, refused: string[], warned: string[] }> = [
    { payload: config({}, {}, { url: 'x', key: 'x', payload: { a: 1 } }), accepted: false, refused: ['url', 'payload', 'key'], warned: [] },
    { payload: config({}, {}, { version: '1.0' }), accepted: true, refused: [], warned: ['version'] },
    { payload: config({}, {}, { fileInfo: {} }), accepted: false, refused: ['fileInfo'], warned: [] },
    { payload: config({}, { ds_sessionTimeConnect: 1 }), accepted: true, refused: [], warned: ['editorConfig.ds_sessionTimeConnect'] },
    { payload: config({ ds_encrypted: true }, { ds_denyChangeName: true, 'ds_\n': 1 }), accepted: true, refused: [], warned: ['document.ds_encrypted', 'editorConfig.ds_denyChangeName', 'editorConfig.?'] },
    { payload: config({}, {}, { status: 2, users: [], actions: [], history: {}, changesurl: '', filetype: '', userdata: '', forcesavetype: 0, operation: '' }), accepted: true, refused: [], warned: ['status', 'users', 'actions', 'history', 'changesurl', 'filetype', 'userdata', 'forcesavetype', 'operation'] },
    { payload: { payload: { document: DOCUMENT }, ...EXP }, accepted: false, refused: ['payload'], warned: [] },
    { payload: { url: 'https://app.example/a.png', fileType: 'png', ...EXP }, accepted: false, refused: ['token', 'document.key', 'document.url'], warned: [] },
    { payload: { images: [], ...EXP }, accepted: false, refused: ['token', 'document.key', 'document.url'], warned: [] },
    { payload: { c: 'add', ...EXP }, accepted: false, refused: ['token', 'document.key', 'document.url'], warned: [] }
  ]
  for (const { payload, accepted, refused, warned } of meanings) {
    const explanation = explain({ token: sign(payload, INBOX) })
    t.equal(explanation.accepted, accepted, JSON.stringify(payload))
    t.strictSame(pathsOf(explanation, 'refused'), refused, JSON.stringify(payload))
    t.strictSame(pathsOf(explanation, 'warning'), warned, JSON.stringify(payload))
    holdTogether(t, JSON.stringify(payload), explanation)
  }
  t.match(brief(explain({ token: sign({ payload: { document: DOCUMENT } }, INBOX) })), [/payload is wrapped around the config/])
  const session = { document: {}, editorConfig: { ds_sessionTimeConnect: 1, user: { id: 'u1' } }, ...EXP }
  t.strictSame(pathsOf(explain({ token: sign(session, INBOX), config: CONFIG }), 'warning'), ['editorConfig.ds_sessionTimeConnect', 'document.permissions'])
  t.match(explain({ token: sign({ ...session, document: { permissions: {} } }, INBOX), config: CONFIG }), { accepted: false, code: 4004, problems: [{ path: 'document.permissions.edit', level: 'refused' }] })
})

t.test('a payload of text', async (t) => {
  const twice = JSON.stringify(JSON.stringify(CONFIG))
  const warned = explain({ token: sign(twice, INBOX) })
  t.match(warned, { accepted: true, problems: [{ path: 'token', level: 'warning', problem: /its JSON was made into JSON once more/ }] }, 'the server reads it')
  for (const kind of ['config', 'request', 'insertImage'] as const) {
    const explanation = explain({ token: sign(twice, INBOX, { alg: 'HS256' }), kind })
    t.match(explanation, { accepted: false, problems: [{ path: 'token', level: 'refused', problem: /once more/ }, { path: 'token', problem: /holds no object/ }] }, `${kind}, where its header has no type, not`)
  }
  t.match(explain({ token: sign(JSON.stringify(JSON.stringify({ ...SAVE, ...TIMES }))), kind: 'callback' }), { accepted: false, reason: /once more/ }, 'nor do we')
  t.match(explain({ token: sign({ payload: JSON.stringify({ c: 'info' }), ...EXP }, INBOX), kind: 'request' }), { accepted: false, reason: /payload is text/ })
  for (const text of ['1', 'true', '"a"', '[]', '[{}]', 'null']) {
    const explanation = explain({ token: sign(text, INBOX) })
    t.equal(explanation.accepted, false, text)
    holdTogether(t, text, explanation)
  }
})

t.test('users, keys and what the server cannot work with', async (t) => {
  const payloads: Array<{ payload: object, sent?: object, says: string[] }> = [
    { payload: config({}, { user: undefined }), says: ['warning editorConfig.user: editorConfig.user is not signed: the browser says who its user is'] },
    { payload: config({}, { user: { name: 'Ada' } }), says: ['warning editorConfig.user.id: editorConfig.user.id is not signed: the browser says who its user is'] },
    { payload: config({}, { user: { id: 'u'.repeat(241) } }), says: ['refused editorConfig.user.id: editorConfig.user.id has 241 characters, and the document server takes 240'] },
    { payload: config({}, { user: { id: 'u'.repeat(240) } }), says: [] },
    { payload: config({ key: 'k'.repeat(128) }), says: [] },
    { payload: config({ key: 'aZ09-._=' }), says: [] },
    { payload: config({ key: 'k'.repeat(129) }), says: ['warning document.key: document.key has 129 characters, and 128 are promised'] },
    { payload: config({ key: 'k'.repeat(256) }), says: ['refused document.key: document.key has 256 characters, and the document server keeps 255'] },
    { payload: config({ key: 'a b/c' }), says: ['refused document.key: document.key has characters that the document server cannot connect under', 'warning document.key: document.key has characters that keys do not have'] },
    { payload: CONFIG, sent: config({ key: 'ä' }), says: ['refused config.document.key: document.key of the config has characters that the document server cannot connect under', 'note document.key: document.key has another value in the config: the one of the token counts'] },
    { payload: config({ key: 'docId' }), says: ['refused document.key: document.key is a word of the document server\'s own'] },
    { payload: config({ key: 7 }), says: ['warning document.key: document.key is not text'] },
    { payload: config({}, { callbackUrl: {} }), says: ['refused editorConfig.callbackUrl: editorConfig.callbackUrl is not text'] },
    { payload: config({}, { user: { id: { toString: 1 } } }), says: ['refused token: the token holds something that cannot be processed'] },
    { payload: CONFIG, sent: config({ title: 1n }), says: ['refused config: the config cannot be sent by a browser: it is not JSON, or is nested too deeply'] }
  ]
  for (const { payload, sent, says } of payloads) {
    const asked = { token: sign(payload, INBOX), config: sent }
    const explanation = explain(asked)
    t.strictSame(brief(explanation), says)
    holdTogether(t, says.join(), explanation, asked.token)
  }
})

t.test('what the token silently replaces in the config', async (t) => {
  const other = config({ key: 'k2', url: 'https://app.example/2', title: 'B', fileType: 'xlsx' }, { callbackUrl: 'https://app.example/3', lang: 'fr', mode: 'x', user: { id: 'u2', name: 'Bob' } })
  const explanation = explain({ token: sign(CONFIG, INBOX), config: other })
  t.strictSame(pathsOf(explanation, 'note'), ['document.key', 'document.url', 'document.title', 'document.fileType', 'editorConfig.callbackUrl', 'editorConfig.lang', 'editorConfig.mode', 'editorConfig.user.id', 'editorConfig.user.name'])
  t.match(explanation, { accepted: true, effective: { document: { key: 'k1' } } })
  t.strictSame(explain({ token: sign(CONFIG, INBOX), config: { ...config({ title: undefined }), type: 'mobile' } }).problems, [], 'what is absent or never looked at is not replaced')
  t.strictSame(brief(explain({ token: sign(CONFIG, INBOX), config: config({}, { mode: 'view' }) })), ['note editorConfig.mode: editorConfig.mode is view in the config, which counts: a browser may ask for less'])
  t.strictSame(brief(explain({ token: sign(config({ title: null }), INBOX), config: CONFIG })), [])
  t.match(brief(explain({ token: sign(config({}, { user: { id: 0 } }), INBOX), config: CONFIG })), [/^warning editorConfig.user.id/, /^note editorConfig.user.id: .* which counts: that of the token is empty/])
})

t.test('versions', async (t) => {
  const versions: Array<{ payload: object, accepted: boolean, says: string[] }> = [
    { payload: { ...VERSION, version: 0 }, accepted: false, says: ['refused version: version is missing or 0, so it is taken for the token of a config'] },
    { payload: CONFIG, accepted: true, says: ['warning version: version is missing or 0, so it is taken for the token of a config'] },
    { payload: config({}, {}, { key: 'x' }), accepted: false, says: ['refused version: version is missing or 0, so it is taken for the token of a config'] },
    { payload: { version: 1, ...EXP }, accepted: true, says: ['warning key: key is not in the token, so there is nothing to show', 'warning url: url is not in the token, so there is nothing to show'] },
    { payload: { ...VERSION, previous: { key: 'k0' } }, accepted: true, says: ['warning previous.url: previous.url is not in the token, so there is nothing to show'] },
    { payload: { ...VERSION, changesUrl: undefined, previous: undefined }, accepted: true, says: [] },
    { payload: { ...VERSION, key: 'k'.repeat(256) }, accepted: false, says: ['refused key: key has 256 characters, and the document server keeps 255'] }
  ]
  for (const { payload, accepted, says } of versions) {
    const explanation = explain({ token: sign(payload, INBOX), kind: 'setHistoryData' })
    t.equal(explanation.accepted, accepted)
    t.strictSame(brief(explanation), says)
    holdTogether(t, says.join(), explanation)
  }
})

t.test('methods', async (t) => {
  const files = ['setReferenceData', 'setReferenceSource', 'setRequestedDocument', 'setRequestedSpreadsheet', 'setMailMergeRecipients', 'setRevisedFile'] as const
  const file = { url: 'https://app.example/a', fileType: 'docx', ...EXP }
  for (const kind of files) {
    t.strictSame(explain({ token: sign(file, INBOX), kind }), { accepted: true, reason: 'The token is accepted.', code: null, problems: [], effective: null }, kind)
    t.match(explain({ token: sign(EXP, INBOX), kind }), { accepted: false, reason: 'The token is refused by the document server: url is not in the token.', problems: [{ path: 'url' }, { path: 'fileType' }] }, kind)
  }
  const kind = 'setRevisedFile'
  t.strictSame(brief(explain({ token: sign({ payload: file, ...EXP }, INBOX), kind })), ['warning payload: payload is wrapped around the parameter, as it is in the header of a request'])
  t.strictSame(brief(explain({ token: sign({ ...file, changesUrl: 'x' }, INBOX), kind })), ['warning changesUrl: changesUrl is another method\'s, and what it names may be fetched in place of the url'])
  t.strictSame(pathsOf(explain({ token: sign(CONFIG, INBOX), kind }), 'warning'), ['document'])

  const image = { fileType: 'png', url: 'https://app.example/a.png' }
  for (const payload of [{ images: [image], ...EXP }, { c: 'add', ...image, ...EXP }]) t.match(explain({ token: sign(payload, INBOX), kind: 'insertImage' }), { accepted: true, problems: [] })
  t.match(explain({ token: sign({ payload: image, ...EXP }, INBOX), kind: 'insertImage' }), { accepted: false, reason: /payload is wrapped/ })
  t.match(explain({ token: sign(EXP, INBOX), kind: 'insertImage' }), { accepted: false, reason: /images is not in the token/ })
  t.match(explain({ token: sign({ images: [image], exp: 1 }, INBOX), kind: 'insertImage' }), { accepted: false, code: null, reason: /has expired\.$/ })
  for (const text of ['[]', '1', 'null']) t.match(explain({ token: sign(text, INBOX), kind: 'insertImage' }), { accepted: false, reason: /the token holds no object/ })
})

t.test('requests', async (t) => {
  const command = { c: 'info', key: 'k1' }
  for (const payload of [{ ...command, ...EXP }, { payload: command, ...EXP }]) t.strictSame(explain({ token: sign(payload, INBOX), kind: 'request' }).problems, [])
  t.match(explain({ token: sign(EXP, INBOX), kind: 'request' }), { accepted: false, code: null, reason: 'The token is refused (/command answers with error 6, or 7 when it has expired, /converter and /docbuilder with -8): the token holds none of the parameters of the request.' })
  t.match(explain({ token: sign({ payload: {}, iat: 1, ...EXP }, INBOX), kind: 'request' }), { accepted: false })
  t.match(explain({ token: sign(CONFIG, INBOX), kind: 'request' }), { accepted: true, problems: [{ level: 'warning', problem: 'the token is for a config, not for a request' }] })
  t.match(explain({ token: sign({ payload: { editorConfig: {} }, ...EXP }, INBOX), kind: 'request' }), { accepted: true, problems: [{ level: 'warning' }] })
})

t.test('callbacks', async (t) => {
  for (const token of [bodyToken(SAVE), headerToken(SAVE), bodyToken(EDITING), headerToken({ ...EDITING, status: 4 })]) {
    t.strictSame(explain({ token, kind: 'callback' }), { accepted: true, reason: 'The callback is accepted.', code: null, problems: [], effective: null })
  }
  const refused: Array<{ name: string, token: string, paths: string[], reason: RegExp }> = [
    { name: 'no key, no status', token: bodyToken({ users: [] }), paths: ['key', 'status'], reason: /key is missing, or of the wrong type/ },
    { name: 'a status that is unknown', token: bodyToken({ ...SAVE, status: 5 }), paths: ['status'], reason: /status is none that is known/ },
    { name: 'no url', token: bodyToken({ ...SAVE, url: null }), paths: ['url'], reason: /url is missing, and there is a version to fetch/ },
    { name: 'a wrong type within', token: bodyToken({ ...SAVE, actions: [{ type: 0, userid: 1 }] }), paths: ['actions.0.userid'], reason: /actions\.0\.userid/ },
    { name: 'no times', token: sign(SAVE), paths: ['exp'], reason: /exp cannot be: iat or exp is missing/ },
    { name: 'too long a life', token: bodyToken(SAVE, { exp: SECONDS + 601 }), paths: ['exp'], reason: /it lives for 601 seconds/ },
    { name: 'expired', token: bodyToken(SAVE, { iat: SECONDS - 400, exp: SECONDS - 100 }), paths: ['exp'], reason: /exp was 100 seconds ago/ },
    { name: 'from the future', token: bodyToken(SAVE, { iat: SECONDS + 100 }), paths: ['exp', 'iat'], reason: /made 100 seconds in the future/ },
    ...Object.entries(BROWSER_PAYLOADS).map(([name, payload]) => ({ name: `${name}, which is no callback`, token: bodyToken({ ...SAVE, ...payload }), paths: [], reason: /is not a member of callbacks: the token was made for a browser or a command/ }))
  ]
  for (const { name, token, paths, reason } of refused) {
    const explanation = explain({ token, kind: 'callback' })
    t.match(explanation, { accepted: false, code: null, reason: /^The callback is refused: / }, name)
    t.match(explanation.reason, reason, name)
    if (paths.length > 0) t.strictSame(explanation.problems.map(({ path }) => path), paths, name)
    holdTogether(t, name, explanation, token)
  }
  t.strictSame(pathsOf(explain({ token: bodyToken(SAVE, { iat: SECONDS + 30 }), kind: 'callback' }), 'warning'), ['iat'])
})

t.test('callbacks are explained as they are judged', async (t) => {
  const settings = resolveEditorOptions({ inbox: INBOX, outbox: OUTBOX, now: () => NOW, onWarning: () => {} })
  const members = ['document', 'documentType', 'editorConfig', 'version', 'previous', 'changesUrl', 'c', 'images', 'fileType', 'referenceData', 'operation', 'outputtype', 'payload', 'path', 'iss', 'type', 'filetype', 'userdata']
  const bodies: object[] = [
    SAVE, EDITING, ...members.map((name) => ({ ...SAVE, [name]: 'x' })), ...Object.values(BROWSER_PAYLOADS), ...Object.values(BROWSER_PAYLOADS).map((payload) => ({ ...SAVE, ...payload, key: KEY })),
    ...[0, 1, 2, 3, 4, 5, 6, 7, 8, '2', null].flatMap((status) => [{ ...SAVE, status }, { ...SAVE, status, url: undefined }]), { ...SAVE, users: null }, { ...SAVE, users: [1] }
  ]
  for (const body of bodies) {
    const token = bodyToken(body)
    const verified = await verifyCallback({ body: { token } }, { keys: KEY, downloadOrigins: [DOCS, 'https://app.example'] }, settings).then(() => true, () => false)
    // A callback in a header is wrapped in payload, which this one cannot be told from.
    if (!Object.hasOwn(body, 'payload')) t.equal(explain({ token, kind: 'callback' }).accepted, verified, JSON.stringify(body))
  }
})

t.test('downloads', async (t) => {
  const url = 'https://app.example/file?version=1'
  t.strictSame(explain({ token: headerToken({ url }), kind: 'download' }), { accepted: true, reason: 'The download is accepted.', code: null, problems: [], effective: null })
  const refused = [bodyToken({ url }), headerToken({ url, key: 'k' }), headerToken({ url: 1 }), headerToken(SAVE), headerToken({ url }, { key: 'k' }), headerToken('x'), headerToken([url])]
  for (const token of refused) t.match(explain({ token, kind: 'download' }), { accepted: false, reason: /^The download is refused: payload is not just \{ url \}, as it is for a download\.$/ })
  t.match(explain({ token: headerToken({ url }, { exp: undefined }), kind: 'download' }), { accepted: false, reason: /iat or exp is missing/ })
  t.match(explain({ token: sign('1'), kind: 'download' }), { accepted: false, reason: /holds no object/ })
})

t.test('no token, however it is spoilt, is accepted without the secret, or throws (T5, T9, T11, T13, T15)', async (t) => {
  const payloads: Record<string, object> = { config: CONFIG, setHistoryData: VERSION, request: { c: 'info', ...EXP }, callback: { ...SAVE, ...TIMES }, download: { payload: { url: 'https://app.example/' }, ...TIMES } }
  for (const kind of EXPLAIN_KINDS) {
    const payload = payloads[kind] ?? { ...CONFIG, url: 'x', fileType: 'x', images: [1] }
    const isFromServer = kind === 'callback' || kind === 'download'
    for (const [name, token] of Object.entries(spoilt(payload, isFromServer ? OUTBOX : INBOX))) {
      const explanation = explain({ token, kind })
      holdTogether(t, `${kind}, ${name}`, explanation, token)
      if (isFromServer) t.equal(explanation.accepted, false, `${kind}, ${name}`)
    }
  }
})

t.test('what is huge, deep or evil is answered, and quickly', async (t) => {
  const deep = (depth: number, open: string, close: string): string => `${open.repeat(depth)}1${close.repeat(depth)}`
  const texts = [
    'x'.repeat(1e6), '.'.repeat(1e6), '"'.repeat(1e6), '{'.repeat(1e6), ' '.repeat(1e6), `${'a'.repeat(5e5)}.${'b'.repeat(5e5)}.c`, 'Bearer '.repeat(1e5), '\ud800',
    ...[deep(10_000, '[', ']'), deep(10_000, '{"document":', '}'), deep(200_000, '[', ']'), JSON.stringify({ ...CONFIG, padding: 'x'.repeat(1e6) })].map((text) => sign(text, INBOX)),
    sign(`{"document":{"key":"k","url":"u","permissions":${deep(10_000, '{"a":', '}')}}}`, INBOX),
    sign('{"__proto__":{"document":1},"document":{"__proto__":{"key":"k"},"constructor":1}}', INBOX)
  ]
  const configs: Array<object | undefined> = [undefined, config({ permissions: JSON.parse(deep(10_000, '{"a":', '}')) }), JSON.parse('{"__proto__":{"document":1},"document":{"permissions":{"__proto__":1}}}')]
  for (const [index, token] of texts.entries()) {
    for (const kind of EXPLAIN_KINDS) {
      for (const config of configs) {
        const start = process.hrtime.bigint()
        const explanation = explain({ token, kind, config })
        const milliseconds = Number(process.hrtime.bigint() - start) / 1e6
        if (milliseconds > 1000) t.fail(`text ${index} as ${kind} took ${milliseconds} ms`)
        holdTogether(t, `text ${index} as ${kind}`, explanation)
      }
    }
  }
})

t.test('its words hold nothing of the payload or the config but plain names (T34)', async (t) => {
  const marked = 'S3CR3T-VALUE'
  const named = { [marked]: marked, 'a b': marked, '\u001b[31m': marked, ['n'.repeat(33)]: marked }
  const payloads = [
    config({ ...named, permissions: { ...named, edit: marked } }, { ...named, [`ds_${marked}`]: marked, user: { id: marked, name: marked }, lang: marked, mode: marked }, named),
    { ...named, key: marked, url: marked, payload: marked, exp: marked, nbf: marked, iat: marked },
    { ...SAVE, ...TIMES, ...named, users: [marked, 1], key: marked, history: named }
  ]
  for (const payload of payloads) {
    for (const kind of EXPLAIN_KINDS) {
      const side = kind === 'callback' || kind === 'download' ? OUTBOX : INBOX
      const { problems, reason } = explain({ token: sign(payload, side), kind, config: config({ permissions: { [`x${marked}`]: marked } }, { lang: 'x' }) })
      t.notMatch(JSON.stringify({ problems, reason }), /S3CR3T|\\u001b|nnnnn/, kind)
    }
  }
})

t.test('wrong arguments are refused', async (t) => {
  const token = sign(CONFIG, INBOX)
  const wrong: Array<{ asked: unknown, message: RegExp }> = [
    { asked: { token, kind: 'x' }, message: /^kind must be one of config, refreshFile, insertImage,/ },
    { asked: { token, kind: 'constructor' }, message: /^kind/ },
    { asked: { token, kind: null }, message: /^kind/ },
    { asked: { token, config: 'x' }, message: /^config must be an object$/ },
    { asked: { token, config: null }, message: /^config/ },
    { asked: { token, config: [] }, message: /^config/ }
  ]
  for (const { asked, message } of wrong) {
    // What a caller without types may do.
    t.throws(() => explain(asked as TokenToExplain), { code: 'FDT_INVALID_REQUEST', statusCode: 400, message })
  }
})

t.test('the schemas take what the route takes, and their examples fit', async (t) => {
  const body = TypeCompiler.Compile(ExplainBodySchema)
  const good = [{}, { token: null }, { token: '' }, { token: 'x', config: {} }, ...EXPLAIN_KINDS.map((kind) => ({ token: 'x', config: { a: [1] }, kind }))]
  for (const value of good) t.ok(body.Check(value), JSON.stringify(value))
  const bad = [{ token: 1 }, { token: 'x', config: 'x' }, { token: 'x', config: [] }, { token: 'x', config: null }, { token: 'x', kind: 'x' }, { token: 'x', kind: 'configs' }, { token: 'x', secret: 'x' }, { token: 'x'.repeat(1_048_577) }]
  for (const value of bad) t.notOk(body.Check(value), JSON.stringify(value).slice(0, 60))
  t.equal(new Set(EXPLAIN_KINDS).size, EXPLAIN_KINDS.length)

  // The keyword of our own that the examples are kept under.
  const valuesOf = (schema: object): unknown[] => Object.values((schema as { 'x-examples': Record<string, { value: unknown }> })['x-examples']).map(({ value }) => value)
  for (const value of valuesOf(ExplainBodySchema)) t.ok(body.Check(value))
  for (const value of valuesOf(ExplainReplySchema)) t.ok(replyCheck.Check(value))
})
