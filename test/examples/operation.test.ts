import { once } from 'node:events'
import { readdirSync, statSync } from 'node:fs'
import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { type Answer, call, issue, read } from '../support/example-client.ts'
import { firstKey, newDataDir, startServer, until } from '../support/example-server.ts'

const KEY = 'a-known-key-of-the-demo_0123456789'

t.test('what everybody may ask', async (t) => {
  const { url, stderr } = await startServer(t, { env: { DEMO_API_KEY: KEY } })

  t.match(await call(`${url}/health/live`), { status: 200, body: { status: 'ok' } })
  t.match(await call(`${url}/health/ready`), { status: 200, body: { status: 'ok' } })

  const root = await call(url)
  t.equal(root.status, 302)
  const docs = await call(new URL(String(root.headers.get('location')), url).href)
  t.equal(docs.status, 200)
  t.match(docs.headers.get('content-type'), /^text\/html\b/)
  const assets = [...docs.text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path]) => String(path))
  t.ok(assets.length > 2)
  for (const path of assets) t.equal((await call(new URL(path, url).href)).status, 200, path)

  const openapi = await call(`${url}/docs/json`)
  const { paths } = openapi.body as { paths: Record<string, Record<string, { summary?: string, security?: unknown[] }>> }
  t.strictSame(Object.keys(paths).sort(), ['/documents', '/documents/{id}', '/documents/{id}/annotations', '/documents/{id}/download', '/viewer/sessions', '/viewer/sessions/revoke'])
  for (const [path, methods] of Object.entries(paths)) {
    for (const [method, { summary, security }] of Object.entries(methods)) t.ok(summary !== undefined && security !== undefined, `${method} ${path}`)
  }
  t.equal(stderr(), '')
})

t.test('CORS', async (t) => {
  const [origin, other, stranger] = ['https://app.example', 'http://localhost:8080', 'https://evil.example']
  const { url } = await startServer(t, { env: { DEMO_API_KEY: KEY, CORS_ORIGINS: `${origin}, ${other}` } })
  const token = await issue(url, KEY, { contract: ['read'] })

  const checkAllowed = (reply: Answer, origin: string, title: string) => {
    t.equal(reply.headers.get('access-control-allow-origin'), origin, title)
    t.equal(reply.headers.get('access-control-allow-credentials'), 'true', title)
    t.match(reply.headers.get('vary'), /\bOrigin\b/i, title)
    t.strictSame(reply.headers.get('access-control-expose-headers')?.split(/, */).sort(), ['Retry-After', 'WWW-Authenticate'], title)
  }
  // T38
  const requests: Array<[string, number, string, Parameters<typeof call>[1]]> = [
    ['a document', 200, '/documents/contract', { bearer: token }],
    ['no session', 401, '/documents/contract', {}],
    ['a session that does not do', 403, '/documents/handbook', { bearer: token }],
    ['nothing there', 404, '/nothing', {}],
    ['no API key', 401, '/documents', {}],
    ['no API key for the flow', 401, '/viewer/sessions', { method: 'POST', body: {} }],
    ['a bad body', 400, '/viewer/sessions', { method: 'POST', bearer: KEY, body: '{' }],
    ['another type', 415, '/viewer/sessions', { method: 'POST', bearer: KEY, body: 'a=1', headers: { 'content-type': 'application/x-www-form-urlencoded' } }],
    ['another method', 405, '/viewer/sessions', { bearer: KEY }]
  ]
  for (const [name, status, path, options] of requests) {
    for (const allowed of [origin, other]) {
      const reply = await call(`${url}${path}`, { ...options, headers: { ...options?.headers, origin: allowed } })
      t.equal(reply.status, status, name)
      checkAllowed(reply, allowed, name)
    }
    for (const refused of [stranger, 'null', `${origin}.evil.example`, 'http://app.example', 'https://app.example:8443']) {
      const reply = await call(`${url}${path}`, { ...options, headers: { ...options?.headers, origin: refused } })
      t.equal(reply.headers.get('access-control-allow-origin'), null, `${name}: ${refused}`)
      t.match(reply.headers.get('vary'), /\bOrigin\b/i, name)
    }
    t.match((await call(`${url}${path}`, options)).headers.get('vary'), /\bOrigin\b/i, `${name}: without an origin`)
  }

  for (const method of ['GET', 'POST', 'PUT']) {
    const preflight = (origin: string) => call(`${url}/documents/contract/annotations`, { method: 'OPTIONS', headers: { origin, 'access-control-request-method': method, 'access-control-request-headers': 'authorization,content-type' } })
    const reply = await preflight(origin)
    t.equal(reply.status, 204)
    checkAllowed(reply, origin, 'preflight')
    t.ok(reply.headers.get('access-control-allow-methods')?.split(/, */).includes(method), method)
    t.strictSame(reply.headers.get('access-control-allow-headers')?.split(/, */), ['authorization', 'content-type'])
    t.equal((await preflight(stranger)).headers.get('access-control-allow-origin'), null)
  }

  await t.test('too many requests', async (t) => {
    const limited = await until(async () => {
      const replies = await Promise.all(Array.from({ length: 50 }, () => call(`${url}/viewer/sessions`, { method: 'POST', body: {}, headers: { origin } })))
      return replies.find(({ status }) => status !== 401)
    })
    t.equal(limited.status, 429)
    t.match(limited.headers.get('retry-after'), /^[1-9]\d*$/)
    t.equal(limited.headers.get('access-control-allow-origin'), origin)
    t.equal((await read(url, token)).status, 200, 'documents are not limited')

    // T20
    const lie = await call(`${url}/viewer/sessions`, { method: 'POST', body: {}, headers: { 'x-forwarded-for': '192.0.2.1', 'x-real-ip': '192.0.2.1', forwarded: 'for=192.0.2.1' } })
    t.equal(lie.status, 429, 'and nobody gets around it with a header')
  })
})

t.test('without CORS_ORIGINS no other site is let in', async (t) => {
  const { url } = await startServer(t, { env: { DEMO_API_KEY: KEY } })
  for (const origin of ['https://app.example', url, 'null']) {
    t.strictSame([...(await call(`${url}/documents/contract`, { headers: { origin } })).headers.keys()].filter((name) => name.startsWith('access-control-')), [])
  }
})

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
  const { url, process: server, ended, stdout, stderr } = await startServer(t, { env: { DEMO_API_KEY: KEY } })
  const { finish } = slowRequest(url)
  const { sent: leaver } = slowRequest(url)
  await until(() => stdout().split('"url":"/viewer/sessions"').length === 3)

  server.kill('SIGTERM')
  const draining = await until(async () => {
    const reply = await call(`${url}/health/ready`)
    return reply.status !== 200 && reply
  })
  t.equal(draining.status, 503)
  t.strictSame(draining.body, { status: 'draining' })
  t.equal(draining.headers.get('retry-after'), '1')
  t.equal((await call(`${url}/health/live`)).status, 200, 'it lives')
  t.equal(server.exitCode, null)

  leaver.destroy()
  const { status, body } = await finish()
  t.equal(status, 201)
  t.match(body, /^\{"jwt":"/)
  t.equal(await ended, 0)
  t.equal(stderr(), '')
})

t.test('SIGINT ends it too, and a second signal at once', async (t) => {
  const idle = await startServer(t, { env: { DEMO_API_KEY: KEY } })
  idle.process.kill('SIGINT')
  t.equal(await idle.ended, 0)

  const busy = await startServer(t, { env: { DEMO_API_KEY: KEY } })
  slowRequest(busy.url)
  await until(() => busy.stdout().includes('"url":"/viewer/sessions"'))
  busy.process.kill('SIGINT')
  await until(async () => (await call(`${busy.url}/health/ready`)).status === 503)
  busy.process.kill('SIGINT')
  t.equal(await busy.ended, null, 'as a signal does')
})

t.test('its files are its own', { skip: process.platform === 'win32' ? 'modes are another matter there' : false }, async (t) => {
  const dataDir = newDataDir(t)
  const server = await startServer(t, { dataDir, umask: 0o000 })
  const key = await firstKey(server)
  const token = await issue(server.url, key, { contract: ['read', 'write'] })
  t.equal((await call(`${server.url}/documents/contract/annotations`, { method: 'PUT', bearer: token, body: { annotations: [] } })).status, 204)

  const modes = [dataDir, ...readdirSync(dataDir, { recursive: true }).map((name) => join(dataDir, String(name)))].map((path) => {
    const stats = statSync(path)
    return { path, mode: (stats.mode & 0o777).toString(8), expected: stats.isDirectory() ? '700' : '600' }
  })
  t.ok(modes.filter(({ expected }) => expected === '600').length >= 6)
  for (const { path, mode, expected } of modes) t.equal(mode, expected, path)
})
