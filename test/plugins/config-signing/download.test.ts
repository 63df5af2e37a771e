import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { type FastifyReply, type FastifyRequest, type HookHandlerDoneFunction, type LightMyRequestResponse } from 'fastify'
import t from 'tap'
import { resolveEditorOptions } from '../../../lib/tokens/editor/options.ts'
import { createDownloadGuard, type DownloadOptions } from '../../../plugins/config-signing/download.ts'
import { editorHost, ORIGIN } from '../../support/editor-host.ts'
import { bodyToken, headerToken, INBOX, NOW, OUTBOX, SAVE, SECONDS, spoilt, TIMES } from '../../support/editor-tokens.ts'
import { until } from '../../support/example-server.ts'
import { inEveryHost } from '../../support/hosts.ts'
import { sendRaw } from '../../support/raw-connection.ts'
import { recordEvents } from '../../support/recorded-events.ts'
import { findLeaks } from '../../support/secrecy-net.ts'
import { refusal } from '../../support/session-host.ts'

const FILE = '/files/a.docx?v=1'
const URL_OF_FILE = `${ORIGIN}${FILE}`

const MISSING = { status: 401, code: 'FDT_MISSING_TOKEN', challenge: 'Bearer', cache: 'no-store', complete: true }
const INVALID = { status: 401, code: 'FDT_INVALID_TOKEN', challenge: 'Bearer error="invalid_token"', cache: 'no-store', complete: true }
const EXPIRED = { ...INVALID, code: 'FDT_TOKEN_EXPIRED' }
const ELSEWHERE = { status: 403, code: 'FDT_DOWNLOAD_NOT_ALLOWED', challenge: undefined, cache: 'no-store', complete: true }
const DOWN = { status: 503, code: 'FDT_STORE_UNAVAILABLE', challenge: undefined, cache: 'no-store', complete: true }

/** What a guard that passed leaves to the host. */
const passed = ({ statusCode, headers, body }: LightMyRequestResponse) => [statusCode, body, headers['cache-control'], headers['www-authenticate']]
const PASSED = [200, 'bytes', undefined, undefined]

inEveryHost(t, 'lets the document server download what the host named', async (t) => {
  const { app, fetch, downloads } = await editorHost(t)
  t.strictSame(passed(await fetch(FILE)), PASSED)
  const authorization = `Bearer ${headerToken({ url: URL_OF_FILE })}`
  t.strictSame(passed(await app.inject({ url: FILE, headers: { authorization, host: 'evil.test', 'x-forwarded-host': 'evil.test', 'x-forwarded-proto': 'http', forwarded: 'host=evil.test' } })), PASSED, 'whatever the request calls this server (T19)')
  t.equal((await app.inject({ method: 'HEAD', url: FILE, headers: { authorization } })).statusCode, 200)
  t.strictSame(passed(await fetch('/files/a.docx?v=1', headerToken({ url: 'https://APP.example:443/files/b/../a.docx?v=1' }))), PASSED, 'however the host wrote it')
  t.equal(downloads(), 4)
})

inEveryHost(t, 'refuses a request', async (t) => {
  const { app, downloads } = await editorHost(t)
  const token = headerToken({ url: URL_OF_FILE })
  const bearer = (text: string) => ({ authorization: `Bearer ${text}` })
  const cases: Array<[name: string, headers: Record<string, string>, expected: object, url?: string]> = [
    ['no token', {}, MISSING],
    ['another scheme', { authorization: `Basic ${token}` }, MISSING],
    ['the scheme in lower case', { authorization: `bearer ${token}` }, MISSING],
    ['no scheme', { authorization: token }, MISSING],
    ['another header', { authorizationjwt: `Bearer ${token}` }, MISSING],
    ['an empty token', { authorization: 'Bearer' }, MISSING],
    ['two spaces', bearer(` ${token}`), INVALID],
    ['the inbox secret', bearer(headerToken({ url: URL_OF_FILE }, {}, INBOX)), INVALID],
    ['a token that is not wrapped', bearer(bodyToken({ url: URL_OF_FILE })), INVALID],
    ['a callback', bearer(headerToken({ ...SAVE, url: URL_OF_FILE })), INVALID],
    ['over', bearer(headerToken({ url: URL_OF_FILE }, { iat: SECONDS - 400, exp: SECONDS - 100 })), EXPIRED],
    ['over and forged: not said', bearer(headerToken({ url: URL_OF_FILE }, { iat: SECONDS - 400, exp: SECONDS - 100 }, INBOX)), INVALID],
    ['a life of more than 600 s', bearer(headerToken({ url: URL_OF_FILE }, { exp: SECONDS + 601 })), INVALID],
    ['for another file', bearer(token), ELSEWHERE, '/files/b.docx?v=1'],
    ['for another version', bearer(token), ELSEWHERE, '/files/a.docx?v=2'],
    ['for another query', bearer(token), ELSEWHERE, '/files/a.docx'],
    ['for another host', bearer(headerToken({ url: `https://evil.test${FILE}` })), ELSEWHERE],
    ['for the host that the request names (T19)', { ...bearer(headerToken({ url: `https://evil.test${FILE}` })), host: 'evil.test', 'x-forwarded-host': 'evil.test' }, ELSEWHERE],
    ['a path that is spelt in another way', bearer(token), ELSEWHERE, '/files/%61.docx?v=1'],
    ...Object.entries(spoilt({ payload: { url: URL_OF_FILE }, ...TIMES })).filter(([name]) => !/line feed|"\\t" in the signature|" " in the signature|^empty/.test(name)).map(([name, text]): [string, Record<string, string>, object] => [`spoilt: ${name}`, bearer(text), INVALID])
  ]
  for (const [name, headers, expected, url = FILE] of cases) {
    const reply = await app.inject({ url, headers })
    t.strictSame(refusal(reply), expected, name)
    t.notOk(reply.body.includes(token.slice(-20)), 'never echoes a token')
  }
  t.equal(downloads(), 0)
})

inEveryHost(t, 'requests that are written by hand', async (t) => {
  const { app, downloads } = await editorHost(t)
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const good = `Authorization: Bearer ${headerToken({ url: URL_OF_FILE })}`
  const raw = async (target: string, ...headers: string[]) => Number(/^HTTP\/1\.1 (\d+)/.exec(await sendRaw(t, url, `GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${headers.map((header) => `${header}\r\n`).join('')}\r\n`))?.[1])
  t.equal(await raw(FILE, good), 200)
  t.equal(downloads(), 1)
  t.equal(await raw(FILE, good, good), 400, 'the header twice')
  t.equal(await raw(FILE, good, 'authorization: Bearer x'), 400)
  t.equal(await raw(`${ORIGIN}${FILE}`, good), 403, 'a whole URL as target')
  t.equal(await raw(`http://x${FILE}`, good), 403)
  for (const path of ['/files/x/../a.docx?v=1', '/files/x/%2e%2e/a.docx?v=1', '/files/./a.docx?v=1', '/files/%2E/a.docx?v=1', '/files/x\\..\\a.docx?v=1']) t.equal(await raw(path, good), 403, path)
  t.not(await raw(`/${FILE}`, `Authorization: Bearer ${headerToken({ url: `${ORIGIN}/${FILE}` })}`), 200, 'two slashes')
  t.equal(downloads(), 0)
})

inEveryHost(t, 'the URL is the one that was asked for, whatever the host makes of it', async (t) => {
  const { fetch } = await editorHost(t, { server: { rewriteUrl: ({ url = '/' }) => url.replace(/^\/public/, '') } })
  t.strictSame(passed(await fetch('/public/files/a.docx')), PASSED)
  t.strictSame(refusal(await fetch('/public/files/a.docx', headerToken({ url: `${ORIGIN}/files/a.docx` }))), ELSEWHERE)
})

inEveryHost(t, 'another header', async (t) => {
  const { app } = await editorHost(t, { flow: { header: 'AuthorizationJwt', headerPrefix: '' } })
  const token = headerToken({ url: URL_OF_FILE })
  t.strictSame(passed(await app.inject({ url: FILE, headers: { authorization: 'Bearer of-the-host', authorizationjwt: token } })), PASSED)
  t.strictSame(refusal(await app.inject({ url: FILE, headers: { authorization: `Bearer ${token}` } })), MISSING)
  t.strictSame(refusal(await app.inject({ url: FILE, headers: { authorizationjwt: `Bearer ${token}` } })), INVALID)
})

inEveryHost(t, 'tenants', async (t) => {
  let isDown = false
  const outbox = async (tenant: string) => {
    if (isDown) throw new Error('lost')
    return tenant === 'acme' ? OUTBOX : null
  }
  const { app } = await editorHost(t, {
    flow: { outbox },
    download: {
      tenant: ({ headers }) => {
        if (headers['x-tenant'] === 'throws') throw new Error('of the host')
        // eslint-disable-next-line no-throw-literal -- as hosts without types may
        if (headers['x-tenant'] === 'throws text') throw 'text'
        return String(headers['x-tenant'])
      }
    }
  })
  const as = async (tenant: string) => await app.inject({ url: FILE, headers: { authorization: `Bearer ${headerToken({ url: URL_OF_FILE })}`, 'x-tenant': tenant } })
  t.strictSame(passed(await as('acme')), PASSED)
  t.strictSame(refusal(await as('nobody')), INVALID)
  t.equal((await as('throws')).statusCode, 500, 'an error of the host\'s is for the host')
  t.match((await as('throws')).body, /of the host/)
  t.strictSame(refusal(await as('throws text')), ELSEWHERE, 'and what is no error does not open the guard')
  isDown = true
  const reply = await as('acme')
  t.strictSame(refusal(reply), DOWN, 'an outage is no refusal (T36)')
  t.equal(reply.headers['retry-after'], '1')
})

inEveryHost(t, 'a refusal can be answered by the host', async (t) => {
  const ways: Record<string, (error: Error, request: FastifyRequest, reply: FastifyReply) => unknown> = {
    answers: (_error, _request, reply) => reply.code(418).send('mine'),
    'answers later': async (_error, _request, reply) => { await sleep(1); return await reply.code(418).send('mine') },
    nothing: () => {},
    'nothing, later': async () => { await sleep(1) },
    throws: () => { throw new Error('of the host') },
    'throws text': async () => await Promise.reject('text') // eslint-disable-line prefer-promise-reject-errors -- as hosts may
  }
  const warnings: string[] = []
  const logger = { level: 'warn', stream: { write: (line: string) => { warnings.push(line) } } }
  const { app, fetch, downloads } = await editorHost(t, { server: { logger }, download: { onRefused: (error, request, reply) => ways[String(request.headers['x-way'])]?.(error, request, reply) } })
  const reply = async (way: string) => await app.inject({ url: FILE, headers: { 'x-way': way } })
  for (const way of ['answers', 'answers later']) {
    const { statusCode, body, headers } = await reply(way)
    t.strictSame([statusCode, body, headers['www-authenticate']], [418, 'mine', undefined], way)
  }
  for (const way of ['nothing', 'nothing, later']) t.strictSame(refusal(await reply(way)), MISSING, way)
  t.strictSame(warnings, [], 'none is answered twice')
  t.match((await reply('throws')).body, /of the host/)
  t.equal((await reply('throws text')).statusCode, 403)
  t.equal(downloads(), 0)
  t.strictSame(passed(await fetch(FILE)), PASSED)
})

t.test('a refusal that the host has answered without saying so is not answered twice', async (t) => {
  const warnings: string[] = []
  const logger = { level: 'warn', stream: { write: (line: string) => { warnings.push(line) } } }
  const { app } = await editorHost(t, { server: { logger }, download: { onRefused: (_error, _request, reply) => { reply.code(418).send('mine') } } })
  // Over a socket: behind an answer to `inject` there is nothing left that a second one could be sent to.
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  t.match(await sendRaw(t, url, `GET ${FILE} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`), /^HTTP\/1\.1 418 /)
  t.strictSame(warnings, [])
})

inEveryHost(t, 'events and the log (T34)', async (t) => {
  const lines: string[] = []
  const events = recordEvents(t)
  const { fetch, app } = await editorHost(t, { server: { logger: { level: 'trace', stream: { write: (line: string) => { lines.push(line) } } } } })
  const [good, forged, over] = [headerToken({ url: URL_OF_FILE }), headerToken({ url: URL_OF_FILE }, {}, INBOX), headerToken({ url: URL_OF_FILE }, { iat: SECONDS - 400, exp: SECONDS - 100 })]
  for (const token of [good, forged, over]) lines.push((await fetch(FILE, token)).body)
  lines.push((await app.inject({ url: '/files/b', headers: { authorization: `Bearer ${good}` } })).body)
  const of = { flow: 'config-signing', name: 'default', time: NOW, route: 'GET /files/*' }
  t.match(events(), [
    ['verified', { ...of, permissions: ['download'] }],
    ['refused', { ...of, code: 'FDT_INVALID_TOKEN', status: 401 }],
    ['refused', { ...of, code: 'FDT_TOKEN_EXPIRED', status: 401 }],
    ['refused', { ...of, code: 'FDT_DOWNLOAD_NOT_ALLOWED', status: 403 }]
  ])
  t.ok(lines.some((line) => line.includes('FDT_INVALID_TOKEN')))
  t.strictSame(findLeaks({ inbox: INBOX, outbox: OUTBOX, good, forged, over }, lines.map((text, index) => ({ name: `line ${index}`, text }))), [])
})

inEveryHost(t, 'hanging up does not open the guard', async (t) => {
  let refused = 0
  const { app, downloads } = await editorHost(t, {
    before: (scope) => { scope.addHook('onSend', async (_request, _reply, payload) => { refused++; await sleep(40); return payload }) }
  })
  const { port } = new URL(await app.listen({ port: 0, host: '127.0.0.1' }))
  const socket = connect(Number(port), '127.0.0.1')
  t.teardown(() => socket.destroy())
  socket.on('error', () => {})
  socket.write(`GET ${FILE} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer junk\r\n\r\n`)
  await until(() => refused === 1)
  socket.resetAndDestroy()
  await sleep(100)
  t.equal(downloads(), 0)
})

inEveryHost(t, 'who hangs up before the refusal gets none', async (t) => {
  let asked = 0
  let sent = 0
  const { app, downloads } = await editorHost(t, {
    download: { onRefused: async () => { asked++; await sleep(40) } },
    before: (scope) => { scope.addHook('onSend', async (_request, _reply, payload) => { sent++; return payload }) }
  })
  const { port } = new URL(await app.listen({ port: 0, host: '127.0.0.1' }))
  const socket = connect(Number(port), '127.0.0.1')
  t.teardown(() => socket.destroy())
  socket.on('error', () => {})
  socket.write(`GET ${FILE} HTTP/1.1\r\nHost: x\r\n\r\n`)
  await until(() => asked === 1)
  socket.resetAndDestroy()
  await sleep(100)
  t.strictSame([downloads(), sent], [0, 0])
})

t.test('options are checked when the guard is made', async (t) => {
  const settings = resolveEditorOptions({ inbox: INBOX, outbox: OUTBOX, now: () => NOW })
  const make = (options: unknown, by = settings) => () => createDownloadGuard(by, options as DownloadOptions<FastifyRequest>)
  const origin = 'Invalid option "origin": must be the origin that the document server reaches this app at, such as https://app.example'
  const bad: Array<[name: string, options: unknown, message: string]> = [
    ['nothing', undefined, 'Invalid option "requireDownload": takes { origin }'],
    ['null', null, 'Invalid option "requireDownload": takes { origin }'],
    ['text', ORIGIN, 'Invalid option "requireDownload": takes { origin }'],
    ['no origin', {}, origin],
    ...[null, 1, '', '*', 'null', 'app.example', `${ORIGIN}/`, `${ORIGIN}/files`, 'https://*.example', 'ftp://app.example', 'https://APP.example'].map((value): [string, unknown, string] => [`origin ${value}`, { origin: value }, origin]),
    ['a tenant that is no function', { origin: ORIGIN, tenant: 'acme' }, 'Invalid option "tenant": must be a function of the request'],
    ['onRefused that is no function', { origin: ORIGIN, onRefused: true }, 'Invalid option "onRefused": must be a function'],
    ['a misspelt name', { origin: ORIGIN, origins: [] }, 'Invalid option "origins": there is no such option']
  ]
  for (const [name, options, message] of bad) t.throws(make(options), { code: 'FDT_INVALID_OPTION', message }, name)
  t.throws(make({ origin: ORIGIN }, resolveEditorOptions({ inbox: INBOX })), { code: 'FDT_INVALID_OPTION', message: 'Invalid option "outbox": is needed to verify what the document server sends' })
  const guard: (request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction) => void = createDownloadGuard(settings, { origin: ORIGIN })
  t.equal(guard.length, 3)
})
