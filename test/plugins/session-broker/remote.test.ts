// T46: a remote service, and what becomes of one that is slow, broken or hostile.
import { createPrivateKey } from 'node:crypto'
import { type RequestListener, type ServerResponse } from 'node:http'
import { type Socket } from 'node:net'
import { inspect } from 'node:util'
import { gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { createSessionBroker, type RemoteSessions } from '../../../plugins/session-broker/index.ts'
import { brokerHost, refusal, refused } from '../../support/broker-host.ts'
import { freePort, until } from '../../support/example-server.ts'
import { inEveryHost } from '../../support/hosts.ts'
import { recordEvents } from '../../support/recorded-events.ts'
import { NOW, SECONDS } from '../../support/session-host.ts'
import { rawUpstream, type Upstream, upstream } from '../../support/upstream.ts'

const API_KEY = 'pdf_live_0123456789.abcdef~GHI+/JKL='
const JWT = 'eyJhbGciOiJFUzI1NiJ9.eyJqdGkiOiIwMTkifQ.c2ln-bmF0_cmU'
/** What no error, no log and no event may hold. */
const MARK = 'what-the-service-said'

const authorization = { subject: 'ada', documents: [{ id: 'a', permissions: ['read' as const] }] }

function brokerOf ({ url }: Pick<Upstream, 'url'>, options: Partial<RemoteSessions> = {}) {
  return createSessionBroker({ remote: { url, apiKey: API_KEY, timeout: 60_000, ...options }, now: () => NOW })
}

function answer (status: number, body: string | Buffer, headers: Record<string, string> = {}): RequestListener {
  return (_request, response) => { response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body) }
}

const good = answer(201, JSON.stringify({ jwt: JWT }))

async function failureOf (create: Promise<unknown>): Promise<Error & { code?: string, cause?: Error }> {
  return await create.then(() => { throw new TypeError('a session was made') }, (error: Error & { code?: string, cause?: Error }) => error)
}

t.test('what is asked for is what the contract has', async (t) => {
  const service = await upstream(t, good)
  const documents = [{ id: 'a', permissions: ['read' as const, 'write' as const] }, { id: 'ü', permissions: [] }]
  t.strictSame(await brokerOf(service).create({ subject: 'ada', documents }), { token: JWT, expiresAt: SECONDS + 3600 })
  t.strictSame(await brokerOf(service, { sendSubject: true }).create({ subject: 'ada', documents, expiresIn: 60 }), { token: JWT, expiresAt: SECONDS + 60 })

  const allowed = [{ document_id: 'a', document_permissions: ['read', 'write'] }, { document_id: 'ü', document_permissions: [] }]
  t.strictSame(service.requests.map(({ body }) => JSON.parse(body)), [{ allowed_documents: allowed, exp: SECONDS + 3600 }, { allowed_documents: allowed, exp: SECONDS + 60, user_id: 'ada' }])
  const [{ method, url, headers } = {}] = service.requests
  t.strictSame([method, url], ['POST', '/viewer/sessions'])
  t.match(headers, { authorization: `Bearer ${API_KEY}`, 'content-type': 'application/json', accept: 'application/json' })
})

t.test('where nobody says, it has five seconds', async (t) => {
  const asked = t.capture(AbortSignal, 'timeout', (milliseconds: number) => AbortSignal.abort(milliseconds))
  const { url } = await upstream(t, good)
  await t.rejects(createSessionBroker({ remote: { url, apiKey: API_KEY } }).create(authorization), { code: 'FDT_UPSTREAM_TIMEOUT' })
  t.strictSame(asked().map(({ args }) => args), [[5000]])
})

t.test('answers that hold a session', async (t) => {
  const full = `${'a'.repeat(8000)}.${'b'.repeat(8000)}.${'c'.repeat(16 * 1024 - 16_002)}`
  const cases: Array<[name: string, listener: RequestListener, token?: string]> = [
    ['201', good],
    ['200', answer(200, JSON.stringify({ jwt: JWT }))],
    ['another content type', answer(201, JSON.stringify({ jwt: JWT }), { 'content-type': 'text/plain' })],
    ['more members', answer(201, JSON.stringify({ jwt: JWT, id: 1 }))],
    ['16 384 characters', answer(201, JSON.stringify({ jwt: full })), full],
    ['compressed', answer(201, gzipSync(JSON.stringify({ jwt: JWT })), { 'content-encoding': 'gzip' })],
    ['in pieces', (_request, response) => { for (const character of JSON.stringify({ jwt: JWT })) response.write(character); response.end() }]
  ]
  for (const [name, listener, token = JWT] of cases) t.equal((await brokerOf(await upstream(t, listener)).create(authorization)).token, token, name)
})

const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024))

const answersThatAreNone: Array<[name: string, listener: RequestListener, cause: RegExp]> = [
  ...[204, 301, 302, 303, 307, 308, 400, 401, 403, 404, 421, 429, 500, 502, 503].map((status): [string, RequestListener, RegExp] => [`${status}`, answer(status, status === 204 ? '' : MARK, { 'www-authenticate': MARK, 'retry-after': '9' }), status === 204 ? /FDT_INVALID_JSON/ : new RegExp(`status ${status}$`)]),
  ['a good session with a bad status', answer(500, JSON.stringify({ jwt: JWT })), /status 500$/],
  ['nothing', answer(201, ''), /FDT_INVALID_JSON/],
  ['HTML', answer(200, `<html>${MARK}</html>`, { 'content-type': 'text/html' }), /FDT_INVALID_JSON/],
  ...['null', '[]', '{}', `"${JWT}"`, '{"jwt":null}', '{"jwt":["a.b.c"]}', '{"jwt":""}', `{"token":"${JWT}"}`].map((body): [string, RequestListener, RegExp] => [body.slice(0, 30), answer(201, body), /no session token/]),
  ['the token twice', answer(201, `{"jwt":"${JWT}","jwt":"${JWT}"}`), /FDT_INVALID_JSON/],
  ['__proto__', answer(201, `{"__proto__":{},"jwt":"${JWT}"}`), /FDT_INVALID_JSON/],
  ['invalid UTF-8', answer(201, Buffer.from(`{"jwt":"${JWT}","x":"\xff"}`, 'latin1')), /FDT_INVALID_JSON/],
  ['UTF-16', answer(201, Buffer.from(JSON.stringify({ jwt: JWT }), 'utf16le')), /FDT_INVALID_JSON/],
  ...['a.b', 'a.b.c.d', 'a..c', '.b.c', 'a.b.', ' a.b.c', 'a.b.c ', 'a.b.c\n', 'a.b c.d', 'a.b.ü', 'a+/.b.c=', `${'a'.repeat(16 * 1024 - 3)}.b.c`].map((jwt): [string, RequestListener, RegExp] => [`jwt ${JSON.stringify(jwt).slice(0, 20)}`, answer(201, JSON.stringify({ jwt })), /no session token/]),
  ['33 kB', answer(201, `{"jwt":"${JWT}","x":"${'x'.repeat(33 * 1024)}"}`), /longer than 32768 bytes/],
  ['33 kB of an error', answer(500, 'x'.repeat(33 * 1024)), /longer than 32768 bytes/],
  ['a gigabyte that is promised', (_request, response) => { response.writeHead(200, { 'content-length': 2 ** 30 }).write('x'.repeat(64 * 1024)) }, /longer than 32768 bytes/],
  ['chunks without end', (_request, response) => { pour(response) }, /longer than 32768 bytes/],
  ['64 MiB in 64 kB of gzip', answer(200, bomb, { 'content-encoding': 'gzip' }), /longer than 32768 bytes/],
  ['gzip in gzip', answer(200, gzipSync(bomb), { 'content-encoding': 'gzip, gzip' }), /longer than 32768 bytes/],
  ['what is not gzip', answer(200, MARK, { 'content-encoding': 'gzip' }), /Z_DATA_ERROR/],
  ['20 kB of headers', (_request, response) => { response.writeHead(200, { 'x-long': 'x'.repeat(20 * 1024) }).end() }, /UND_ERR_HEADERS_OVERFLOW|HPE_HEADER_OVERFLOW/],
  ['a reset before the answer', ({ socket }) => { socket.resetAndDestroy() }, /ECONNRESET|UND_ERR_SOCKET/],
  ['an end before the answer', ({ socket }) => { socket.end() }, /UND_ERR_SOCKET/],
  ['a reset in the middle', ({ socket }, response) => { response.writeHead(201, { 'content-length': 100 }).write(`{"jwt":"${MARK}`, () => { socket.resetAndDestroy() }) }, /ECONNRESET|UND_ERR/],
  ['an end in the middle', ({ socket }, response) => { response.writeHead(201, { 'content-length': 100 }).write(`{"jwt":"${MARK}`, () => { socket.end() }) }, /UND_ERR/]
]

function pour (response: ServerResponse): void {
  const more = (): void => { while (!response.destroyed && response.write('x'.repeat(4096))); }
  response.on('drain', more)
  more()
}

const rawAnswers: Array<[name: string, onConnection: (socket: Socket) => void, cause: RegExp]> = [
  ['an echo of all that was sent, the key included', (socket) => { socket.pipe(socket) }, /HPE_|HTTPParserError/],
  ['no HTTP', (socket) => { socket.write(`220 ${MARK} ESMTP\r\n`) }, /HPE_|HTTPParserError/],
  ['a broken header', (socket) => { socket.once('data', () => { socket.write(`HTTP/1.1 200 OK\r\nX: ${MARK}\r\n\0: ${MARK}\r\n\r\n`) }) }, /HPE_|HTTPParserError/],
  ['two lengths', (socket) => { socket.once('data', () => { socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab') }) }, /HPE_|UND_ERR_RES_CONTENT_LENGTH_MISMATCH/],
  ['an end at once', (socket) => { socket.end() }, /ECONNRESET|EPIPE|UND_ERR_SOCKET/]
]

/** All that is known of an error, however deep it lies. */
function everythingOf (error: unknown): string {
  return inspect(error, { depth: null, showHidden: true, maxStringLength: null, maxArrayLength: null })
}

function tellsNothing (t: Test, text: string, name: string): void {
  for (const secret of [API_KEY, API_KEY.slice(0, 18), Buffer.from(API_KEY).toString('base64').slice(0, -4), encodeURIComponent(API_KEY), MARK, JWT]) t.notOk(text.includes(secret), `${name}: holds ${secret.slice(0, 8)}…`)
}

t.test('what is no session is FDT_UPSTREAM_FAILED, and its cause holds neither key nor answer (T46)', async (t) => {
  const memory = process.memoryUsage.rss()
  const services: Array<[name: string, service: Upstream, cause: RegExp]> = [
    ...await Promise.all(answersThatAreNone.map(async ([name, listener, cause]): Promise<[string, Upstream, RegExp]> => [name, await upstream(t, listener), cause])),
    ...await Promise.all(rawAnswers.map(async ([name, onConnection, cause]): Promise<[string, Upstream, RegExp]> => [name, await rawUpstream(t, onConnection), cause]))
  ]
  for (const [name, service, cause] of services) {
    const error = await failureOf(brokerOf(service).create(authorization))
    t.equal(error.code, 'FDT_UPSTREAM_FAILED', name)
    t.equal(error.message, 'The session service has failed')
    t.match(error.cause?.message, cause, name)
    tellsNothing(t, everythingOf(error), name)
  }
  t.ok(process.memoryUsage.rss() - memory < 256 * 2 ** 20, 'nothing was unpacked to its end')
})

t.test('a service that cannot be reached', async (t) => {
  const cases: Array<[name: string, url: string, cause: RegExp]> = [
    ['nobody listens', `http://127.0.0.1:${await freePort()}/`, /ECONNREFUSED/],
    ['no such host', 'https://nowhere.invalid/viewer/sessions', /ENOTFOUND|EAI_AGAIN/],
    ['a port that no client uses', 'http://127.0.0.1:6667/', /failed with Error$/]
  ]
  for (const [name, url, cause] of cases) {
    const error = await failureOf(brokerOf({ url }).create(authorization))
    t.equal(error.code, 'FDT_UPSTREAM_FAILED', name)
    t.match(error.cause?.message, cause, name)
    tellsNothing(t, everythingOf(error), name)
  }
})

t.test('an HTTP client that the host put in place of the platform\'s, and that rejects with anything', async (t) => {
  const { fetch } = globalThis
  t.teardown(() => { globalThis.fetch = fetch })
  globalThis.fetch = async () => await Promise.reject(MARK)
  const error = await failureOf(brokerOf({ url: 'http://127.0.0.1:1/' }).create(authorization))
  t.match(error, { code: 'FDT_UPSTREAM_FAILED', cause: { message: 'the request failed with no error' } })
  tellsNothing(t, everythingOf(error), 'a string')
})

t.test('a service that takes its time is FDT_UPSTREAM_TIMEOUT', async (t) => {
  const cases: Record<string, RequestListener> = {
    'it never answers': () => {},
    'it stops behind the headers': (_request, response) => { response.writeHead(201).flushHeaders() },
    'its body drips': (_request, response) => {
      response.writeHead(201)
      const drip = setInterval(() => { response.write(' ') }, 20)
      response.on('close', () => { clearInterval(drip) })
    },
    'it says Continue without end': (_request, response) => {
      const say = setInterval(() => { response.writeProcessing() }, 20)
      response.on('close', () => { clearInterval(say) })
    }
  }
  for (const [name, listener] of Object.entries(cases)) {
    const error = await failureOf(brokerOf(await upstream(t, listener), { timeout: 200 }).create(authorization))
    t.match(error, { code: 'FDT_UPSTREAM_TIMEOUT', message: 'The session service did not answer in time', cause: { message: 'there was no answer within 200 ms' } }, name)
    tellsNothing(t, everythingOf(error), name)
  }
  const mute = await rawUpstream(t, () => {})
  t.match(await failureOf(brokerOf(mute, { timeout: 200 }).create(authorization)), { code: 'FDT_UPSTREAM_TIMEOUT' }, 'it accepts, and says nothing')
})

t.test('follows no redirect, so the key goes nowhere else', async (t) => {
  const other = await upstream(t, good)
  for (const status of [301, 302, 303, 307, 308]) {
    for (const location of [other.url, '/elsewhere', '//evil.test/', 'not a url:']) {
      const service = await upstream(t, answer(status, '', { location }))
      t.match(await failureOf(brokerOf(service).create(authorization)), { code: 'FDT_UPSTREAM_FAILED', cause: { message: `the answer has status ${status}` } }, `${status} ${location}`)
      t.equal(service.requests.length, 1)
    }
  }
  t.equal(other.connections(), 0)
})

t.test('goes straight to the service, whatever the environment says of proxies', async (t) => {
  const proxy = await rawUpstream(t, (socket) => { socket.destroy() })
  const names = ['HTTP_PROXY', 'HTTPS_PROXY', 'http_proxy', 'https_proxy', 'ALL_PROXY']
  const before = names.map((name): [string, string | undefined] => [name, process.env[name]])
  t.teardown(() => {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
  })
  for (const name of names) process.env[name] = proxy.url
  t.equal((await brokerOf(await upstream(t, good)).create(authorization)).token, JWT)
  t.equal(proxy.connections(), 0)
})

/** Of an authority that is nobody but itself: for 127.0.0.1, until 2126. */
const certificate = {
  key: createPrivateKey({ format: 'jwk', key: { kty: 'EC', crv: 'P-256', x: 'KfwNEfqWkwi7-wSGcP_-0_fr6RZMv64hGApKUg74ypU', y: 'hDH2KrhcWfGupiDgCqtyQ3VU0Y4dcfByxuSleeIN4EI', d: '_SfqxlVQnyP_7TR5hgyM-U9F-f0APShMdyHcvu7E83w' } }).export({ type: 'pkcs8', format: 'pem' }).toString(),
  cert: `-----BEGIN CERTIFICATE-----
MIIBkDCCATagAwIBAgIUZTIMc4h2Li7YKfvKkGvaJJ9bL58wCgYIKoZIzj0EAwIwFDESMBAGA1UEAwwJMTI3LjAuMC4xMCAXDTI2MTEyMTAwNDExN1oYDzIxMjYxMDI4MDA0
MTE3WjAUMRIwEAYDVQQDDAkxMjcuMC4wLjEwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQp/A0R+paTCLv7BIZw//7T9+vpFky/riEYCkpSDvjKlYQx9iq4XFnxrqYg4Aqr
ckN1VNGOHXHwcsbkpXniDeBCo2QwYjAdBgNVHQ4EFgQUjftbeIa32P5wV6tmJ19CPzPne6MwHwYDVR0jBBgwFoAUjftbeIa32P5wV6tmJ19CPzPne6MwDwYDVR0TAQH/BAUw
AwEB/zAPBgNVHREECDAGhwR/AAABMAoGCCqGSM49BAMCA0gAMEUCIFlP7pqAWsSq78LNxPa2No18aUaRcplCd4zK2T3PGiK2AiEAuSHFIBjOxJRN/BWV14SoioYqmNWrD9n3
Js4S7sNpMb0=
-----END CERTIFICATE-----`
}

t.test('a certificate that nobody vouches for is refused', async (t) => {
  const service = await upstream(t, good, certificate)
  const error = await failureOf(brokerOf(service).create(authorization))
  t.equal(error.code, 'FDT_UPSTREAM_FAILED')
  t.match(error.cause?.message, /^the request failed with .*CERT/)
  t.strictSame([service.connections(), service.requests], [1, []], 'the key was not sent')
})

t.test('connections are kept alive, behind errors too', async (t) => {
  const statuses = [201, 201, 401, 403, 429, 500, 302, 404]
  let turn = 0
  const service = await upstream(t, (_request, response) => {
    const status = statuses[turn++ % statuses.length] ?? 500
    response.writeHead(status).end(status === 201 ? JSON.stringify({ jwt: JWT }) : 'x'.repeat(30_000))
  })
  const broker = brokerOf(service)
  for (let request = 0; request < 50; request++) await broker.create(authorization).catch(() => {})
  t.equal(service.requests.length, 50)
  t.ok(service.connections() <= 5, `${service.connections()} connections`)
})

t.test('a connection that the service ends just when the next request is on its way', async (t) => {
  const session = JSON.stringify({ jwt: JWT })
  let isMoody = true
  const service = await rawUpstream(t, (socket) => {
    let requests = 0
    socket.on('data', () => {
      if (++requests > 1 && isMoody) socket.destroy()
      else socket.write(`HTTP/1.1 201 Created\r\nContent-Length: ${session.length}\r\n\r\n${session}`)
    })
  })
  const broker = brokerOf(service)
  const met = []
  for (let request = 0; request < 6; request++) met.push(await broker.create(authorization).then(() => 'served', (error: { code: string }) => error.code))
  t.strictSame([...new Set(met)].sort(), ['FDT_UPSTREAM_FAILED', 'served'], 'it is not asked a second time behind the caller\'s back')
  isMoody = false
  t.equal((await until(() => broker.create(authorization).catch(() => undefined))).token, JWT, 'and no connection is lost for good')
})

t.test('a hundred at once', async (t) => {
  const service = await upstream(t, ({ headers }, response) => { setImmediate(() => { response.writeHead(201).end(JSON.stringify({ jwt: `${JWT}${String(headers['authorization'] === `Bearer ${API_KEY}`)}` })) }) })
  const broker = brokerOf(service, { sendSubject: true })
  const made = await Promise.all(Array.from({ length: 100 }, (_, index) => broker.create({ ...authorization, subject: `user-${index}` })))
  t.ok(made.every(({ token }) => token === `${JWT}true`))
  t.equal(new Set(service.requests.map(({ body }) => JSON.parse(body).user_id)).size, 100)
})

inEveryHost(t, 'over HTTP: 200, 502, 504; the log has the cause, and nothing has the key (T34, T46)', async (t) => {
  const written: string[] = []
  const events = recordEvents(t)
  const told: unknown[] = []
  let listener: RequestListener = good
  const service = await upstream(t, (request, response) => { listener(request, response) })
  const { ask } = await brokerHost(t, {
    flow: { remote: { url: service.url, apiKey: API_KEY, timeout: 2000, sendSubject: true } },
    server: { logger: { level: 'trace', stream: { write: (line: string) => { written.push(line) } } } }
  })
  const reply = await ask()
  t.strictSame([reply.statusCode, reply.body, reply.headers['cache-control']], [200, JSON.stringify({ success: true, sessionToken: JWT }), 'no-store'])
  const [issued] = events()
  t.strictSame(issued, ['issued', { flow: 'session-broker', name: 'default', time: NOW, subject: 'ada', documents: [{ id: 'a', permissions: ['read'] }], expiresAt: SECONDS + 3600 }])
  t.notOk(written.join('').includes(JWT), 'the token is in no line')

  const cases: Array<[name: string, listener: RequestListener, expected: object, code: string]> = [
    ...[301, 400, 401, 403, 429, 500, 503].map((status): [string, RequestListener, object, string] => [`${status}`, answer(status, `${MARK} ${API_KEY}`, { location: service.url, 'retry-after': '9', 'www-authenticate': MARK }), refused(502, 'The session service has failed'), 'FDT_UPSTREAM_FAILED']),
    ['no session', answer(201, JSON.stringify({ jwt: MARK, apiKey: API_KEY })), refused(502, 'The session service has failed'), 'FDT_UPSTREAM_FAILED'],
    ['a header that is none', ({ socket }) => { socket.end(`HTTP/1.1 200 OK\r\n${MARK} ${API_KEY}\0\r\n\r\n`) }, refused(502, 'The session service has failed'), 'FDT_UPSTREAM_FAILED'],
    ['no answer', () => {}, refused(504, 'The session service did not answer in time'), 'FDT_UPSTREAM_TIMEOUT']
  ]
  for (const [name, next, expected, code] of cases) {
    listener = next
    const before = written.length
    const failed = await ask()
    t.strictSame(refusal(failed), expected, name)
    written.push(failed.body, JSON.stringify(failed.headers))
    const [refusedEvent, ...others] = events()
    told.push(refusedEvent)
    t.match(refusedEvent, ['refused', { flow: 'session-broker', code }], name)
    t.strictSame(others, [], name)
    const line = written.slice(before).find((line) => line.includes(code))
    t.match(line, /status \d{3}|failed with|no session token|no answer within/, `${name}: the cause is in the log`)
  }
  tellsNothing(t, written.filter((line) => !line.includes('sessionToken')).join('\n') + JSON.stringify(told), 'all that was written')
})

inEveryHost(t, 'a service that does not answer is not asked again, and keeps nobody else waiting', async (t) => {
  const service = await upstream(t, () => {})
  const { ask } = await brokerHost(t, {
    flow: { remote: { url: service.url, apiKey: API_KEY, timeout: 2000 } },
    authorize: async (_request, { documentId }) => documentId === 'none' ? null : { ...authorization }
  })
  const waiting = ask()
  t.equal((await ask({ documentId: 'none' })).statusCode, 403)
  t.equal((await waiting).statusCode, 504)
  t.equal(service.requests.length, 1)
})
