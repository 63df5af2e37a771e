import Fastify, { type FastifyRequest } from 'fastify'
import t, { type Test } from 'tap'
import { type Environment } from '../../examples/server/environment.ts'
import { ownHost } from '../../examples/server/own-host.ts'
import { call, issue, read } from '../support/example-client.ts'
import { freePort, startServer } from '../support/example-server.ts'
import { lastAnswer, openRaw, sendRaw, statusesIn } from '../support/raw-connection.ts'

// T41

const KEY = 'a-known-key-of-the-demo_0123456789'

/** The lines of a request, of which the last one is empty. */
const lines = (...lines: string[]) => [...lines, 'Connection: close', '', ''].join('\r\n')

/** Its own port is there in place of `PORT`. */
async function statusOf (t: Test, url: string, request: string): Promise<string> {
  const received = await sendRaw(t, url, request.replaceAll('PORT', new URL(url).port))
  const [status, ...others] = statusesIn(received)
  if (others.length > 0) return 'several answers'
  const { body } = lastAnswer(received)
  if (status === 421) t.strictSame(JSON.parse(body), { statusCode: 421, code: 'FOREIGN_HOST', error: 'Misdirected Request', message: 'Misdirected Request' })
  return String(status)
}

const OWN = ['127.0.0.1:PORT', 'localhost:PORT', 'LOCALHOST:PORT', 'LocalHost:PORT', '[::1]:PORT', '  127.0.0.1:PORT\t']

const FOREIGN = [
  '', 'evil.example', 'evil.example:PORT', 'evil.example:80',
  // The port is missing, another one, or written as nobody writes it.
  '127.0.0.1', 'localhost', '[::1]', '127.0.0.1:', '127.0.0.1:1', 'localhost:1', '[::1]:1', '127.0.0.1:0PORT', '127.0.0.1:+PORT', '127.0.0.1:PORT0', ':PORT',
  // Other spellings and other addresses of the loopback, and names that end or begin like it.
  '127.0.0.2:PORT', '127.1:PORT', '2130706433:PORT', '0x7f.0.0.1:PORT', '0177.0.0.1:PORT', '0.0.0.0:PORT', '::1:PORT', '[0:0:0:0:0:0:0:1]:PORT', '[::ffff:127.0.0.1]:PORT', '[::1%lo]:PORT',
  'localhost.:PORT', '127.0.0.1.:PORT', 'localhost.evil.example:PORT', 'evil.localhost:PORT', '127.0.0.1.evil.example:PORT', 'xlocalhost:PORT',
  // More than a host.
  'user@127.0.0.1:PORT', 'user:127.0.0.1@evil.example:PORT', '127.0.0.1:PORT@evil.example', '127.0.0.1:PORT/', '127.0.0.1:PORT#', '127.0.0.1:PORT?', 'http://127.0.0.1:PORT', 'evil.example#127.0.0.1:PORT',
  '127.0.0.1:PORT, evil.example', 'evil.example, 127.0.0.1:PORT', '127.0.0.1:PORT evil.example', '127.0.0.1:PORT,127.0.0.1:PORT', '"127.0.0.1:PORT"', '127.0.0.1\\:PORT', 'l\u00f6calhost:PORT'
]

t.test('whose host it is', async (t) => {
  // T20: the trusted proxy reports hosts as well.
  const { url, output, stop } = await startServer(t, { env: { DEMO_API_KEY: KEY, ISSUER: 'https://app.example/tokens', TRUST_PROXY: '127.0.0.1' } })
  const get = (...headers: string[]) => lines('GET /health/live HTTP/1.1', ...headers)

  const own = [...OWN, 'app.example', 'APP.example', 'app.example:443']
  for (const host of own) t.equal(await statusOf(t, url, get(`Host: ${host}`)), '200', `own: ${host}`)
  const foreign = [...FOREIGN, 'app.example.', 'app.example:80', 'app.example:PORT', 'evil.app.example', 'user@app.example', 'app.example/tokens']
  for (const host of foreign) t.equal(await statusOf(t, url, get(`Host: ${host}`)), '421', `foreign: ${JSON.stringify(host)}`)

  const [good, bad] = ['Host: 127.0.0.1:PORT', 'Host: evil.example']
  const others: Array<[string, string, string]> = [
    ['no host', '400', get()],
    ['no host in HTTP/1.0', '421', lines('GET /health/live HTTP/1.0')],
    ['a host in HTTP/1.0', '200', lines('GET /health/live HTTP/1.0', good)],
    ['a foreign one in HTTP/1.0', '421', lines('GET /health/live HTTP/1.0', bad)],
    ['two hosts', '421', get(good, bad)],
    ['two hosts, the other way round', '421', get(bad, good)],
    ['one host twice', '421', get(good, good)],
    ['two hosts in two spellings', '421', get(good, 'HOST: evil.example')],
    ['a target that names it', '200', lines('GET http://127.0.0.1:PORT/health/live HTTP/1.1', good)],
    ['a target that names the issuer', '200', lines('GET http://app.example/health/live HTTP/1.1', good)],
    ['a target that names another', '421', lines('GET http://evil.example/health/live HTTP/1.1', good)],
    ['a target that names another port', '421', lines('GET http://127.0.0.1:1/health/live HTTP/1.1', good)],
    ['a target that names it, and a foreign host', '421', lines('GET http://127.0.0.1:PORT/health/live HTTP/1.1', bad)],
    ['a target with a user', '421', lines('GET http://user:password-4711@127.0.0.1:PORT/health/live HTTP/1.1', good)],
    ['a target with it as the user', '421', lines('GET http://127.0.0.1:PORT@evil.example/health/live HTTP/1.1', good)],
    ['a target of another scheme', '421', lines('GET ftp://127.0.0.1:PORT/health/live HTTP/1.1', good)],
    ['a target in other letters', '421', lines('GET HTTP://EVIL.example/health/live HTTP/1.1', good)],
    ['a path that looks like a target', '404', lines('GET //evil.example/health/live HTTP/1.1', good)],
    ['a foreign host, and headers that name it', '421', get(bad, 'X-Forwarded-Host: 127.0.0.1:PORT', 'X-Original-Host: 127.0.0.1:PORT', 'Forwarded: host="127.0.0.1:PORT"')],
    ['its host, and headers that name another', '200', get(good, 'X-Forwarded-Host: evil.example', 'Forwarded: host=evil.example')]
  ]
  for (const [name, status, request] of others) t.equal(await statusOf(t, url, request), status, name)

  t.equal(await stop(), 0)
  t.ok(output().split('"url":"/health/live"').length > others.length, 'the log has the path')
  t.notMatch(output(), /password-4711/, 'and nothing of who asks')
})

t.test('nothing is done for a foreign host', async (t) => {
  const origin = 'https://app.example'
  const { url } = await startServer(t, { env: { DEMO_API_KEY: KEY, CORS_ORIGINS: origin } })
  const token = await issue(url, KEY, { contract: ['read', 'write'] })
  const key = `Authorization: Bearer ${KEY}`
  const session = `Authorization: Bearer ${token}`
  const json = (body: object) => ['Content-Type: application/json', `Content-Length: ${JSON.stringify(body).length}`, '', JSON.stringify(body)]
  /** As sent, without what ends it. */
  const request = (line: string, ...headers: string[]) => [`${line} HTTP/1.1`, 'Host: rebound.example', ...headers, ...(headers.includes('') ? [] : ['', ''])].join('\r\n')

  const requests = [
    ['GET /'], ['HEAD /'], ['GET /health/live'], ['GET /health/ready'], ['GET /docs'], ['GET /docs/json'], ['GET /nothing'], ['TRACE /'], ['OPTIONS *'], ['PURGE /'],
    ['GET /%zz'], [`GET /documents/${'x'.repeat(200)}`],
    ['GET /documents', key], ['GET /documents'], ['GET /documents/contract', session], ['GET /documents/contract'],
    ['PUT /documents/contract/annotations', session, ...json({ annotations: [{ from: 'another page' }] })],
    ['POST /viewer/sessions', key, ...json({})], ['POST /viewer/sessions', ...json({})],
    ['POST /viewer/sessions/revoke', key, ...json({ jwt: token })],
    // Nobody waits for this body.
    ['POST /viewer/sessions', key, 'Content-Type: application/json', 'Content-Length: 1000'],
    ['OPTIONS /viewer/sessions', 'Access-Control-Request-Method: POST']
  ] as const
  for (const [line, ...headers] of requests) {
    for (const from of ['http://rebound.example', origin]) {
      const connection = await openRaw(t, url)
      connection.send(request(line, `Origin: ${from}`, 'Connection: close', ...headers))
      const received = await connection.ended()
      t.strictSame(statusesIn(received), [421], line)
      const { headers: got, body } = lastAnswer(received)
      if (!line.startsWith('HEAD')) t.equal(JSON.parse(body).code, 'FOREIGN_HOST', line)
      t.equal(got.get('vary'), 'Origin', line)
      // T38: only the pages that may call it learn why it does not work.
      t.equal(got.get('access-control-allow-origin'), from === origin ? origin : undefined, `${line} from ${from}`)
      t.strictSame([...got.keys()].filter((name) => /^(?:www-authenticate|location|.*ratelimit.*|access-control-allow-methods)$/.test(name)), [], line)
    }
  }
  t.equal((await read(url, token)).status, 200, 'the session was not ended')
  t.strictSame((await read(url, token, 'contract/annotations')).body, { annotations: [] }, 'and nothing was written')

  // 600 requests a minute are let in.
  const connection = await openRaw(t, url)
  connection.send(request('POST /viewer/sessions', ...json({})).repeat(700) + request('GET /', 'Connection: close'))
  t.strictSame(statusesIn(await connection.ended()), Array.from({ length: 701 }, () => 421))
  t.equal((await call(`${url}/viewer/sessions`, { method: 'POST', body: {} })).status, 401, 'and they were not counted')
})

t.test('where it listens', async (t) => {
  const get = (host: string) => lines('GET /health/live HTTP/1.1', `Host: ${host}`)

  await t.test('on the port that it was told', async (t) => {
    const port = String(await freePort())
    const { url } = await startServer(t, { env: { PORT: port, DEMO_API_KEY: KEY } })
    t.equal(await statusOf(t, url, get(`127.0.0.1:${port}`)), '200')
    t.equal(await statusOf(t, url, get('evil.example')), '421')
  })

  await t.test('on a name', async (t) => {
    const { url } = await startServer(t, { env: { HOST: 'localhost', DEMO_API_KEY: KEY } })
    for (const host of ['127.0.0.1:PORT', 'localhost:PORT', '[::1]:PORT']) t.equal(await statusOf(t, url, get(host)), '200', host)
    for (const host of ['localhost', 'evil.example:PORT']) t.equal(await statusOf(t, url, get(host)), '421', host)
  })

  await t.test('on another address of the loopback', { skip: process.platform === 'linux' ? false : 'it has one only' }, async (t) => {
    const { url } = await startServer(t, { env: { HOST: '127.8.9.10', DEMO_API_KEY: KEY } })
    for (const host of ['127.8.9.10:PORT', '127.0.0.1:PORT', 'localhost:PORT']) t.equal(await statusOf(t, url, get(host)), '200', host)
    for (const host of ['127.8.9.10', '127.8.9.11:PORT', 'evil.example:PORT']) t.equal(await statusOf(t, url, get(host)), '421', host)
  })

  await t.test('on every address: the proxy in front knows the names', async (t) => {
    const { url } = await startServer(t, { env: { HOST: '0.0.0.0', ISSUER: 'https://app.example', DEMO_API_KEY: KEY } })
    const local = `http://127.0.0.1:${new URL(url).port}`
    for (const host of ['app.example', 'evil.example', '127.0.0.1:1', '']) t.equal(await statusOf(t, local, get(host)), '200', host)
    t.equal(await statusOf(t, local, lines('GET /health/live HTTP/1.0')), '200')
    t.equal(await statusOf(t, local, lines('GET http://evil.example/health/live HTTP/1.1', 'Host: a')), '200')
  })
})

t.test('ports that go without saying', async (t) => {
  const table = [
    { localPort: 80, issuer: 'http://127.0.0.1:80', issuerIsDefault: true, own: ['localhost', 'localhost:80', '127.0.0.1', '[::1]', '[::1]:80'], foreign: ['localhost:443', 'localhost:', 'evil.example'] },
    { localPort: 443, issuer: 'https://app.example', issuerIsDefault: false, own: ['localhost:443', 'app.example', 'app.example:443'], foreign: ['localhost', '127.0.0.1', 'app.example:80'] },
    { localPort: 3000, issuer: 'http://app.example', issuerIsDefault: false, own: ['localhost:3000', 'app.example', 'app.example:80'], foreign: ['localhost', 'app.example:443', 'app.example:3000'] },
    { localPort: 3000, issuer: 'http://app.example:8080/a', issuerIsDefault: false, own: ['app.example:8080'], foreign: ['app.example', 'app.example:80'] },
    // The one of another process over the same folder.
    { localPort: 3001, issuer: 'http://127.0.0.1:3000', issuerIsDefault: true, own: ['127.0.0.1:3001'], foreign: ['127.0.0.1:3000'] },
    // Of a connection that is gone.
    { localPort: undefined, issuer: 'http://127.0.0.1:80', issuerIsDefault: true, own: [], foreign: ['localhost', '127.0.0.1:80', 'localhost:undefined'] }
  ]
  for (const { localPort, issuer, issuerIsDefault, own, foreign } of table) {
    const app = Fastify()
    t.teardown(() => app.close())
    // All that is looked at.
    const isOwn = ownHost(app, { host: '127.0.0.1', issuer, issuerIsDefault } as Environment)
    const ask = (host: string) => isOwn({ raw: { headersDistinct: { host: [host] }, url: '/', socket: { localPort } } } as unknown as FastifyRequest)
    for (const host of own) t.ok(ask(host), `${localPort}, ${issuer}: ${host}`)
    for (const host of foreign) t.notOk(ask(host), `${localPort}, ${issuer}: ${host}`)
  }
})
