// POST /editor/explain: a straight answer, for those whom the host lets ask.
import t from 'tap'
import { AUTHORIZATION, editorFront, EXPLAIN_PATH, refusal, refused } from '../../support/editor-front.ts'
import { bodyToken, headerToken, INBOX, KEY, OUTBOX, SAVE, SECONDS, sign } from '../../support/editor-tokens.ts'
import { inEveryHost } from '../../support/hosts.ts'
import { recordEvents } from '../../support/recorded-events.ts'

const OTHER = 'Wm3Yt8Qz1Rk6Vb0Xp5Nc9Lj2Hg7Fd4Sa'
const END = { exp: SECONDS + 300 }
const good = sign({ ...AUTHORIZATION, ...END }, INBOX)

inEveryHost(t, 'good tokens and bad ones', async (t) => {
  const events = recordEvents(t)
  const { ask, asked } = await editorFront(t)
  const explain = async (body: object) => {
    const reply = await ask(body, {}, EXPLAIN_PATH)
    t.strictSame([reply.statusCode, reply.headers['cache-control'], reply.headers['content-type']], [200, 'no-store', 'application/json; charset=utf-8'])
    return reply.json()
  }
  const accepted = await explain({ token: good, config: { ...AUTHORIZATION, token: good } })
  t.strictSame(Object.keys(accepted).sort(), ['accepted', 'code', 'effective', 'problems', 'reason'])
  t.match(accepted, { accepted: true, code: null, effective: { document: { key: KEY }, view: false } })
  t.match(await explain({ token: good, kind: 'refreshFile' }), { accepted: true })
  t.match(await explain({ token: bodyToken(SAVE), kind: 'callback' }), { accepted: true })
  t.match(await explain({ token: headerToken({ url: 'https://app.example/a' }), kind: 'download' }), { accepted: true })
  t.match(await explain({ token: sign({ c: 'version', ...END }, INBOX), kind: 'request' }), { accepted: true })

  const bad: Array<[name: string, body: object, code: number | null, shows: RegExp]> = [
    ['nothing', { token: '' }, 4006, /token/],
    ['a config that was never signed', { config: AUTHORIZATION }, 4006, /token/],
    ['null, as recorded', { token: null, config: AUTHORIZATION }, 4006, /token/],
    ['the secret itself', { token: INBOX }, 4006, /secret/],
    ['another secret', { token: sign({ ...AUTHORIZATION, ...END }, OTHER) }, 4006, /secret/],
    ['the empty secret (T32)', { token: sign({ ...AUTHORIZATION, ...END }, '') }, 4006, /secret/],
    ['a part of the config', { token: sign({ document: AUTHORIZATION.document, ...END }, INBOX), config: AUTHORIZATION }, 4006, /editorConfig\.callbackUrl/],
    ['other permissions', { token: good, config: { ...AUTHORIZATION, document: { ...AUTHORIZATION.document, permissions: { edit: true, print: true } } } }, 4004, /document\.permissions\.print/],
    ['expired', { token: sign({ ...AUTHORIZATION, exp: SECONDS - 100 }, INBOX) }, 4005, /100/],
    ['a callback of another side', { token: bodyToken(SAVE, {}, INBOX), kind: 'callback' }, null, /secret/]
  ]
  for (const [name, body, code, shows] of bad) {
    const answer = await explain(body)
    t.match([answer.accepted, answer.code, answer.effective], [false, code, null], name)
    t.match(JSON.stringify(answer.problems), shows, name)
    for (const secret of [INBOX, OUTBOX, OTHER]) t.notMatch(JSON.stringify(answer), secret, `${name}: no secret`)
  }
  t.strictSame(asked(), Array.from({ length: 5 + bad.length }, () => ['explain', {}]), 'the host is asked each time, and told nothing of it')
  t.strictSame(events(), [], 'nothing was issued or verified')
})

inEveryHost(t, 'which secret it was is told only where the host turns that on (T45)', async (t) => {
  const answers = async (namesSecret: boolean) => {
    const { ask } = await editorFront(t, { flow: { inbox: [INBOX, OTHER], namesSecret } })
    const tokens = [OUTBOX, OTHER, INBOX, 'Jd8Kf3Lz6Mx1Nv5Bq9Wr2Ty7Up4Ci0Eh'].map((secret) => sign({ ...AUTHORIZATION, ...END }, secret))
    return await Promise.all(tokens.map(async (token) => (await ask({ token }, {}, EXPLAIN_PATH)).body))
  }
  const [outbox, previous, current, unknown] = await answers(false)
  t.equal(outbox, unknown, 'the other side\'s is like any other')
  t.equal(previous, current, 'the previous one is as good as the current one')
  const [named, namedPrevious, namedCurrent, namedUnknown] = await answers(true)
  t.match(named, /outbox/)
  t.not(named, namedUnknown)
  t.match(namedPrevious, /previous/)
  t.not(namedPrevious, namedCurrent)
})

inEveryHost(t, 'bodies', async (t) => {
  const { ask, asked } = await editorFront(t, { flow: { limits: { address: false } } })
  const cases: Array<[name: string, body: unknown, status: number, code: string, message?: string]> = [
    ['a list', [good], 400, 'FST_ERR_VALIDATION', 'body: Expected object'],
    ['null', null, 400, 'FST_ERR_VALIDATION', 'body: Expected object'],
    ...[1, {}, [good]].map((token): [string, unknown, number, string, string] => [`a token ${JSON.stringify(token).slice(0, 5)}`, { token }, 400, 'FST_ERR_VALIDATION', 'body/token: Expected union value']),
    ...[null, 1, 'a', [AUTHORIZATION]].map((config): [string, unknown, number, string, string] => [`a config ${JSON.stringify(config).slice(0, 5)}`, { token: good, config }, 400, 'FST_ERR_VALIDATION', 'body/config: Expected object']),
    ['a member of another name', { token: good, namesSecret: true }, 400, 'FST_ERR_VALIDATION', 'body/namesSecret: Unexpected property'],
    ['a secret', { token: good, secret: INBOX }, 400, 'FST_ERR_VALIDATION', 'body/secret: Unexpected property'],
    ['a member twice', '{"token":"a","token":"b"}', 400, 'FDT_INVALID_JSON', 'The body is not acceptable JSON: it repeats a member'],
    ['__proto__', '{"token":"a","config":{"__proto__":{}}}', 400, 'FDT_INVALID_JSON', 'The body is not acceptable JSON: it holds a member __proto__'],
    ['depth 10 000', `{"token":"a","config":${'['.repeat(10_000)}${']'.repeat(10_000)}}`, 400, 'FDT_INVALID_JSON', 'The body is not acceptable JSON: it is nested too deeply'],
    ['more than 1 MB', { token: 'x'.repeat(1024 * 1024) }, 413, 'FST_ERR_CTP_BODY_TOO_LARGE']
  ]
  for (const [name, body, status, code, message] of cases) t.strictSame(refusal(await ask(body, {}, EXPLAIN_PATH)), refused(status, code, message), name)
  for (const kind of ['Config', 'nothing', '', 'constructor', '__proto__', 1, null, ['config']]) {
    const reply = await ask({ token: good, kind }, {}, EXPLAIN_PATH)
    t.match([reply.statusCode, reply.json().message], [400, /^body\/kind: Expected/], String(kind))
  }
  t.equal((await ask(JSON.stringify({ token: good }), { 'content-type': 'text/plain' }, EXPLAIN_PATH)).statusCode, 415)
  t.equal((await ask({ token: good }, { 'sec-fetch-site': 'cross-site' }, EXPLAIN_PATH)).statusCode, 403, 'T17')
  t.strictSame(asked(), [])

  const start = process.hrtime.bigint()
  for (const token of ['x'.repeat(1024 * 1024 - 20), '.'.repeat(1024 * 1024 - 20), `${'a'.repeat(500_000)}.${'b'.repeat(500_000)}.c`, sign({ ...AUTHORIZATION, title: 'x'.repeat(700_000) }, INBOX)]) {
    t.match((await ask({ token }, {}, EXPLAIN_PATH)).statusCode, 200, 'almost 1 MB')
  }
  t.ok(process.hrtime.bigint() - start < 5_000_000_000n, 'in no long time')
  for (const token of ['', ' ', 'null', '\u0000', '{{token}}', '😀', 'a.b', 'a.b.c', '..', 'Bearer', `Bearer ${good}`, `${good}\n`, `"${good}"`]) {
    const reply = await ask({ token }, {}, EXPLAIN_PATH)
    t.strictSame([reply.statusCode, reply.json().accepted], [200, false], JSON.stringify(token).slice(0, 20))
  }
})

inEveryHost(t, 'without an outbox secret', async (t) => {
  const { ask } = await editorFront(t, { flow: { outbox: undefined } })
  t.match((await ask({ token: good }, {}, EXPLAIN_PATH)).json(), { accepted: true })
  t.match((await ask({ token: bodyToken(SAVE), kind: 'callback' }, {}, EXPLAIN_PATH)).json(), { accepted: false })
})

inEveryHost(t, 'whoever tries secrets is limited', async (t) => {
  const { ask } = await editorFront(t, { flow: { limits: { address: { max: 3 } } } })
  const statuses = []
  for (const token of ['secret', 'changeit', INBOX, OUTBOX]) statuses.push((await ask({ token }, {}, EXPLAIN_PATH)).statusCode)
  t.strictSame(statuses, [200, 200, 200, 429])
})
