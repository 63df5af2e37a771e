import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { call, issue, read } from '../support/example-client.ts'
import { type ExampleServer, startServer, until } from '../support/example-server.ts'
import { lastAnswer, openRaw, type RawConnection, sendRaw, statusesIn } from '../support/raw-connection.ts'

// T37

const KEY = 'a-known-key-of-the-demo_0123456789'
const ORIGIN = 'https://app.example'

/** What stands in every request here and must stand nowhere else. */
const SECRET = 'Secret-4711-that-nobody-may-see'

/** Also as the numbers of its bytes, which is how a log writes what Node.js could not read. */
function holdsSecret (text: string): boolean {
  return [SECRET, [...Buffer.from(SECRET)].join(), Buffer.from(SECRET).toString('hex')].some((spelling) => text.includes(spelling))
}

const SESSION = JSON.stringify({ allowed_documents: [{ document_id: 'contract', document_permissions: ['read', 'download'] }] })

async function start (t: Test, env: Record<string, string> = {}): Promise<ExampleServer & { head: (line: string, ...headers: string[]) => string }> {
  const server = await startServer(t, { env: { DEMO_API_KEY: KEY, CORS_ORIGINS: ORIGIN, LOG_LEVEL: 'trace', ...env } })
  const { host } = new URL(server.url)
  return { ...server, head: (line, ...headers) => [`${line} HTTP/1.1`, `Host: ${host}`, `X-Secret: ${SECRET}`, ...headers, '', ''].join('\r\n') }
}

/** Sends something every tenth of a second, until the server has enough of it. */
async function trickle (connection: RawConnection, next: (number: number) => string): Promise<void> {
  let number = 0
  let last = 0
  await until(() => {
    if (Date.now() - last >= 100) {
      last = Date.now()
      connection.send(next(number++))
    }
    return connection.isEnded()
  })
}

/** Asks for what everybody may ask, and for what only some may, until something has come to its end. */
async function serveMeanwhile (t: Test, url: string, something: Promise<unknown>): Promise<void> {
  const token = await issue(url, KEY, { contract: ['read'] })
  const state = { isOver: false }
  const over = something.finally(() => { state.isOver = true })
  over.catch(() => {})
  let served = 0
  do {
    const statuses = [(await call(`${url}/health/ready`)).status, (await read(url, token)).status]
    if (statuses.join() !== '200,200') t.strictSame(statuses, [200, 200], 'others are served')
    served++
    await sleep(20)
  } while (!state.isOver)
  await over
  t.pass(`others were served ${served} times`)
}

t.test('what does not come to its end is ended', async (t) => {
  const { url, head, output, stop } = await start(t, { REQUEST_TIMEOUT: '2' })
  const post = (path: string, ...headers: string[]) => head(`POST ${path}?${SECRET}`, `Origin: ${ORIGIN}`, 'Content-Type: application/json', ...headers)
  const live = head('GET /health/live')
  const put = post('/documents/contract/annotations', `Authorization: Bearer ${await issue(url, KEY, { contract: ['write'] })}`, 'Content-Length: 1000').replace('POST', 'PUT')

  const cases: Array<{ name: string, sent: string, next?: (number: number) => string, statuses: number[], readable?: boolean }> = [
    { name: 'nothing', sent: '', statuses: [408] },
    { name: 'half a line', sent: `GET /?${SECRET}`, statuses: [408] },
    { name: 'headers without an end', sent: live.slice(0, -2), statuses: [408] },
    { name: 'a header now and then', sent: live.slice(0, -2), next: (number) => `X-${number}: ${SECRET}\r\n`, statuses: [408] },
    { name: 'a header byte by byte', sent: `${live.slice(0, -2)}X-Long: `, next: () => 'x', statuses: [408] },
    { name: 'line ends before a request', sent: '', next: () => '\r\n', statuses: [408] },
    { name: 'a body that does not begin', sent: post('/viewer/sessions', `X-Api-Key: ${KEY}`, 'Content-Length: 1000'), statuses: [408], readable: true },
    { name: 'a body that does not end', sent: `${post('/viewer/sessions', `X-Api-Key: ${KEY}`, 'Content-Length: 1000')}{"${SECRET}`, statuses: [408], readable: true },
    { name: 'a body byte by byte', sent: post('/viewer/sessions', `X-Api-Key: ${KEY}`, 'Content-Length: 1000'), next: () => ' ', statuses: [408], readable: true },
    { name: 'chunks without an end', sent: `${post('/viewer/sessions', `X-Api-Key: ${KEY}`, 'Transfer-Encoding: chunked')}2\r\n{ \r\n`, next: () => '1\r\n \r\n', statuses: [408], readable: true },
    { name: 'a chunk without an end', sent: `${post('/viewer/sessions', `X-Api-Key: ${KEY}`, 'Transfer-Encoding: chunked')}ff\r\n{"${SECRET}`, statuses: [408], readable: true },
    { name: 'the body of another route', sent: put, next: () => ' ', statuses: [408], readable: true },
    { name: 'the body of no route', sent: post('/nothing', 'Content-Length: 1000'), next: () => ' ', statuses: [408], readable: true },
    { name: 'a body behind its answer', sent: post('/viewer/sessions', 'Content-Length: 1000'), next: () => ' ', statuses: [401], readable: true },
    { name: 'a body behind the answer to no URL', sent: post('/%zz', 'Content-Length: 1000'), next: () => ' ', statuses: [400], readable: true },
    { name: 'a second request on the connection', sent: `${live}${live.slice(0, -2)}`, statuses: [200, 408] },
    { name: 'a second body on the connection', sent: `${live}${post('/viewer/sessions', `X-Api-Key: ${KEY}`, 'Content-Length: 1000')}`, next: () => ' ', statuses: [200, 408], readable: true },
    { name: 'no further request', sent: live, statuses: [200] },
    { name: 'no HTTP', sent: `${SECRET}\r\n\r\n`, statuses: [400] },
    { name: 'another protocol', sent: `\x16\x03\x01\x02\x00${SECRET}`, statuses: [400] },
    { name: 'a header that is none', sent: `${live.slice(0, -2)}no header ${SECRET}\r\n\r\n`, statuses: [400] },
    { name: 'headers beyond measure', sent: `${live.slice(0, -2)}X-Long: ${SECRET.repeat(1000)}\r\n\r\n`, statuses: [431] },
    { name: 'a chunk that is none', sent: `${post('/viewer/sessions', `X-Api-Key: ${KEY}`, 'Transfer-Encoding: chunked')}${SECRET}\r\n`, statuses: [400], readable: true }
  ]
  await serveMeanwhile(t, url, Promise.all(cases.map(async ({ name, sent, next, statuses, readable = false }) => {
    const connection = await openRaw(t, url)
    connection.send(sent)
    if (next !== undefined) await trickle(connection, next)
    const received = await connection.ended()

    t.strictSame(statusesIn(received), statuses, name)
    t.notOk(holdsSecret(received), `${name}: nothing of it comes back`)
    const { headers, body } = lastAnswer(received)
    if (statuses.at(-1) !== 200) {
      const { statusCode, code, error, message } = JSON.parse(body)
      t.equal(statusCode, statuses.at(-1), name)
      if (statusCode === 408) t.equal(code, 'ERR_HTTP_REQUEST_TIMEOUT', name)
      t.match(code, /^[A-Z_]{5,}$/, name)
      t.ok(typeof error === 'string' && typeof message === 'string', name)
    }
    // T38: where it is known whose page asked.
    t.equal(headers.get('access-control-allow-origin'), readable ? ORIGIN : undefined, name)
  })))

  t.equal(await stop(), 0)
  t.notOk(holdsSecret(output()), 'the log has nothing of it')
  t.ok(output().split('\n').length > cases.length, 'though it tells of much')
})

t.test('who closes a half of the connection', async (t) => {
  const { url, head, output, stop } = await start(t)
  const live = head('GET /health/live')
  const list = head('GET /documents', `X-Api-Key: ${KEY}`)
  const download = head('GET /documents/contract/download', `Authorization: Bearer ${await issue(url, KEY, { contract: ['download'] })}`)
  const session = head('POST /viewer/sessions', `X-Api-Key: ${KEY}`, 'Content-Type: application/json', `Content-Length: ${SESSION.length}`) + SESSION

  // Nothing here waits for a time-out: those are half a minute.
  const cases: Array<{ name: string, sent: string, statuses: number[], body?: RegExp }> = [
    { name: 'nothing', sent: '', statuses: [] },
    { name: 'half a request', sent: live.slice(0, -2), statuses: [400] },
    { name: 'half a body', sent: session.slice(0, -5), statuses: [400] },
    { name: 'half a chunk', sent: `${head('POST /viewer/sessions', `X-Api-Key: ${KEY}`, 'Content-Type: application/json', 'Transfer-Encoding: chunked')}ff\r\n{"${SECRET}`, statuses: [400] },
    { name: 'a request', sent: live, statuses: [200], body: /^\{"status":"ok"\}$/ },
    { name: 'a request that the store is asked for', sent: list, statuses: [200], body: /^\{"documents":\[.*\]\}$/ },
    { name: 'a request with a body', sent: session, statuses: [201], body: /^\{"jwt":"[\w.-]+"\}$/ },
    { name: 'a request for a file', sent: download, statuses: [200], body: /%PDF-[^]*%%EOF/ },
    { name: 'several requests', sent: list + session + live, statuses: [200, 201, 200], body: /^\{"status":"ok"\}$/ },
    { name: 'a request and a half', sent: list + live.slice(0, -2), statuses: [] }
  ]
  for (const { name, sent, statuses, body } of cases) {
    const connection = await openRaw(t, url)
    connection.send(sent)
    connection.finish()
    const received = await connection.ended()
    // Which of the two is noticed first is open; that nothing stands in the midst of an answer is not.
    if (name === 'a request and a half') t.match(statusesIn(received).join(), /^(?:|200|200,400)$/, name)
    else t.strictSame(statusesIn(received), statuses, name)
    if (body !== undefined) t.match(lastAnswer(received).body, body, name)
    t.notOk(holdsSecret(received), name)
  }
  t.equal((await call(`${url}/health/ready`)).status, 200)
  t.equal(await stop(), 0)
  t.notOk(holdsSecret(output()))
})

t.test('who asks for much and never reads it', async (t) => {
  const { url, head, stdout, stop } = await start(t, { REQUEST_TIMEOUT: '2' })
  const path = '/docs/static/swagger-ui-bundle.js'
  const size = (await call(`${url}${path}`)).bytes.length
  // All buffers between the two hold less.
  const count = Math.ceil(32 * 2 ** 20 / size)
  const connection = await openRaw(t, url, { reads: false })
  connection.send(head(`GET ${path}`).repeat(count))
  await serveMeanwhile(t, url, until(() => stdout().includes('stream closed prematurely')))

  connection.read()
  t.ok((await connection.ended()).length < size * count, 'the rest is not sent any more')
  t.equal(await stop(), 0)
})

t.test('who asks without end and never reads the answers', async (t) => {
  const { url, head } = await start(t, { REQUEST_TIMEOUT: '2' })
  const token = await issue(url, KEY, { contract: ['download'] })
  const request = head('GET /documents/contract/download', `Authorization: Bearer ${token}`)

  // More than all buffers hold, there and back: the rest waits to be sent, and so the end is noticed.
  const connections = await Promise.all(Array.from({ length: 3 }, () => openRaw(t, url, { reads: false })))
  for (const connection of connections) connection.send(request.repeat(Math.ceil(32 * 2 ** 20 / request.length)))
  await serveMeanwhile(t, url, Promise.all(connections.map((connection) => connection.ended())))
})

t.test('thousands of requests at once on one connection', async (t) => {
  const { url, head } = await start(t, { LOG_LEVEL: 'info' })
  const count = 5000
  const connection = await openRaw(t, url)
  connection.send(head('GET /health/live').repeat(count - 1) + head('GET /health/ready', 'Connection: close'))
  await serveMeanwhile(t, url, connection.ended())
  t.strictSame(connection.statuses(), Array.from({ length: count }, () => 200), 'each is answered')
})

t.test('hundreds of connections that keep the server waiting', async (t) => {
  const { url, head, stop } = await start(t, { REQUEST_TIMEOUT: '3', LOG_LEVEL: 'info' })
  const live = head('GET /health/live')
  const kinds = ['', live.slice(0, -2), live, head('POST /viewer/sessions', `X-Api-Key: ${KEY}`, 'Content-Type: application/json', 'Content-Length: 9')]
  const connections = await Promise.all(Array.from({ length: 400 }, async (_, index) => {
    const connection = await openRaw(t, url)
    connection.send(String(kinds[index % kinds.length]))
    return connection
  }))
  await serveMeanwhile(t, url, Promise.all(connections.map((connection) => connection.ended())))
  t.strictSame([...new Set(connections.map(({ statuses }) => statuses().join()))].sort(), ['200', '408'])
  t.equal(await stop(), 0)
})

t.test('who takes a while is not cut off', async (t) => {
  const { url, head } = await start(t)
  const request = head('POST /viewer/sessions', `X-Api-Key: ${KEY}`, 'Content-Type: application/json', `Content-Length: ${SESSION.length}`, 'Connection: close') + SESSION
  const connection = await openRaw(t, url)
  const parts = request.match(/[^]{1,15}/g) ?? []
  let sent = 0
  await until(() => {
    connection.send(parts[sent++] ?? '')
    return sent >= parts.length
  })
  t.match(lastAnswer(await connection.ended()).body, /^\{"jwt":/)
  t.strictSame(statusesIn(await sendRaw(t, url, head('GET /health/live', 'Connection: close'))), [200])
})
