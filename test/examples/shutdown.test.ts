import { once } from 'node:events'
import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { call, issue, read, revoke } from '../support/example-client.ts'
import { type ExampleServer, startServer, until } from '../support/example-server.ts'
import { lastAnswer, openRaw, statusesIn } from '../support/raw-connection.ts'

const KEY = 'a-known-key-of-the-demo_0123456789'

/** A request whose body is held back until `finish` is called. It may be cut off before. */
function slowRequest (url: string): { sent: ClientRequest, finish: () => Promise<{ status: number | undefined, body: string }> } {
  const body = '{"allowed_documents":[{"document_id":"contract"}]}'
  const sent = request(`${url}/viewer/sessions`, { method: 'POST', agent: false, headers: { 'content-type': 'application/json', 'content-length': body.length, 'x-api-key': KEY } })
  const replied = once(sent, 'response')
  replied.catch(() => {})
  sent.write(body.slice(0, 5))
  return {
    sent,
    finish: async () => {
      sent.end(body.slice(5))
      const [reply] = await replied as [IncomingMessage]
      return { status: reply.statusCode, body: await text(reply) }
    }
  }
}

t.test('SIGTERM lets requests under way end', async (t) => {
  const origin = 'https://app.example'
  const { url, process: server, ended, stdout, stderr } = await startServer(t, { env: { DEMO_API_KEY: KEY, CORS_ORIGINS: origin } })
  const live = `GET /health/live HTTP/1.1\r\nHost: ${new URL(url).host}\r\n\r\n`
  const kept = await openRaw(t, url)
  kept.send(live)
  await until(() => kept.statuses().length === 1)
  t.notMatch(kept.received(), /^connection: close/im)
  const { finish } = slowRequest(url)
  const { sent: leaver } = slowRequest(url)
  await until(() => stdout().split('"url":"/viewer/sessions"').length === 3)

  server.kill('SIGTERM')
  const draining = await until(async () => {
    const reply = await call(`${url}/health/ready`, { headers: { origin } })
    return reply.status !== 200 && reply
  })
  t.equal(draining.status, 503)
  t.strictSame(draining.body, { status: 'draining' })
  t.equal(draining.headers.get('retry-after'), '1')
  // T38
  t.equal(draining.headers.get('access-control-allow-origin'), origin)
  t.equal((await call(`${url}/health/live`)).status, 200, 'it lives')
  t.equal(server.exitCode, null)

  kept.send(live)
  const received = await kept.ended()
  t.strictSame(statusesIn(received), [200, 200], 'a connection that was kept gets one more answer')
  t.equal(lastAnswer(received).headers.get('connection'), 'close', 'which is its last')

  leaver.destroy()
  const { status, body } = await finish()
  t.equal(status, 201)
  t.match(body, /^\{"jwt":"/)
  t.equal(await ended, 0)
  t.equal(stderr(), '')
})

/** Not on every machine is `localhost` more than one address. */
const TWO_ADDRESSES = `--import=data:text/javascript,${encodeURIComponent(`
  import dns from 'node:dns'
  const { lookup } = dns
  const both = ['127.0.0.1', '127.0.0.2'].map((address) => ({ address, family: 4 }))
  dns.lookup = (name, options, done) => name === 'localhost' && options.all === true ? done(null, both) : lookup(name, options, done)
`)}`

t.test('SIGTERM ends connections that nobody waits for', async (t) => {
  const hosts = [['127.0.0.1', 1], ...(process.platform === 'linux' ? [['localhost', 2] as const] : [])] as const
  for (const [HOST, count] of hosts) {
    const { url, stdout, stderr, stop } = await startServer(t, { env: { HOST, DEMO_API_KEY: KEY, REQUEST_TIMEOUT: '300', NODE_OPTIONS: TWO_ADDRESSES } })
    const urls = await until(() => {
      const found = [...stdout().matchAll(/"msg":"Server listening at (http:[^"]+)"/g)].map(([, address]) => String(address))
      return found.length === count && found
    })
    const live = `GET /health/live HTTP/1.1\r\nHost: ${new URL(url).host}\r\n\r\n`
    const connections = await Promise.all(urls.flatMap((address) => ['', live.slice(0, -2), live, `${live}GET /`].map(async (bytes) => {
      const connection = await openRaw(t, address)
      connection.send(bytes)
      if (bytes.includes(live)) await until(() => connection.statuses().length === 1)
      return connection
    })))
    const before = Date.now()
    t.equal(await stop(), 0, 'none of them is a reason to fail')
    t.ok(Date.now() - before < 10_000, 'nor to wait until the time is up')
    for (const connection of connections) await connection.ended()
    t.equal(stderr(), '', `on ${HOST}`)
  }
})

t.test('SIGTERM does not wait for answers that nobody will get', async (t) => {
  const { url, stdout, stderr, stop } = await startServer(t, { env: { DEMO_API_KEY: KEY } })
  const { hostname, port, host } = new URL(url)
  const socket = connect(Number(port), hostname)
  t.teardown(() => socket.destroy())
  // More than fits between the two: the later ones wait for their turn.
  const count = 30
  socket.write(`GET /docs/static/swagger-ui-bundle.js HTTP/1.1\r\nHost: ${host}\r\n\r\n`.repeat(count))
  await until(() => stdout().split('"url":"/docs/static/*"').length > count)
  socket.destroy()
  await until(() => stdout().includes('stream closed prematurely'))

  const before = Date.now()
  t.equal(await stop(), 0)
  t.ok(Date.now() - before < 5_000, 'it has none to wait for')
  t.equal(stderr(), '')
})

t.test('a request that never ends holds nobody', async (t) => {
  const [patient, impatient] = await Promise.all(['300', '1'].map((seconds) => startServer(t, { env: { DEMO_API_KEY: KEY, REQUEST_TIMEOUT: seconds } })))
  const stopBusy = async (server: ExampleServer | undefined): Promise<number | null> => {
    if (server === undefined) throw new Error('there are two')
    const { sent } = slowRequest(server.url)
    sent.on('error', () => {})
    await until(() => server.stdout().includes('"url":"/viewer/sessions"'))
    return await server.stop()
  }
  const before = Date.now()
  t.strictSame(await Promise.all([stopBusy(patient), stopBusy(impatient)]), [1, 0], 'one was cut off, the other came to an end')
  t.ok(Date.now() - before < 30_000, 'long before the time-out')
})

t.test('SIGTERM leaves another process on the same folder alone', async (t) => {
  const leaver = await startServer(t, { env: { DEMO_API_KEY: KEY } })
  const other = await startServer(t, { dataDir: leaver.dataDir, env: { DEMO_API_KEY: KEY } })
  const token = await issue(leaver.url, KEY, { contract: ['read'] })
  const state = { isOver: false }
  const statuses: number[] = []
  const asking = (async () => {
    while (!state.isOver) statuses.push((await read(other.url, token)).status)
  })()
  await until(() => statuses.length > 0)
  const { length } = statuses
  t.equal(await leaver.stop(), 0)
  await until(() => statuses.length > length + 10)
  state.isOver = true
  await asking
  t.strictSame([...new Set(statuses)], [200], 'it reads on')
  t.equal((await revoke(other.url, KEY, { jwt: token })).status, 204, 'and writes')
  t.equal((await read(other.url, token)).status, 401)
  t.equal((await call(`${other.url}/health/ready`)).status, 200)
  t.equal(await other.stop(), 0)
})

t.test('SIGINT ends it too, and a second signal at once', async (t) => {
  const idle = await startServer(t, { env: { DEMO_API_KEY: KEY } })
  idle.process.kill('SIGINT')
  t.equal(await idle.ended, 0)

  for (const [first, second] of [['SIGINT', 'SIGINT'], ['SIGINT', 'SIGTERM'], ['SIGTERM', 'SIGINT']] as const) {
    const busy = await startServer(t, { env: { DEMO_API_KEY: KEY } })
    slowRequest(busy.url)
    await until(() => busy.stdout().includes('"url":"/viewer/sessions"'))
    busy.process.kill(first)
    await until(async () => (await call(`${busy.url}/health/ready`)).status === 503)
    busy.process.kill(second)
    t.equal(await busy.ended, null, `${first}, then ${second}: as a signal does`)
  }
})
