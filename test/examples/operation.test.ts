import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
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
  t.strictSame(Object.keys(paths).sort(), ['/', '/.well-known/jwks.json', '/.well-known/oauth-authorization-server', '/.well-known/oauth-protected-resource', '/.well-known/openid-configuration/jwks', '/api/create-session', '/cad-editor', '/cad-editor/generate', '/cad-editor/lookup', '/cad-editor/revoke', '/cad-editor/verify', '/connect/introspect', '/connect/revocation', '/connect/token', '/documents', '/documents/{id}', '/documents/{id}/annotations', '/documents/{id}/download', '/editor/config', '/editor/explain', '/editor/methods/{method}', '/editor/{documentId}', '/editor/{documentId}/changes', '/editor/{documentId}/file', '/editor/{documentId}/history', '/generate', '/health/live', '/health/ready', '/lookup', '/oauth2/token', '/revoke', '/v2.0/conversion/formats', '/v2.0/viewer/formats', '/v2.0/viewer/storage/file/{*}', '/v2.0/viewer/view', '/v3.0/slides/storage/{storageName}/exist', '/v4.0/cells/connect/token', '/v4.0/words/connect/token', '/verify', '/viewer/sessions', '/viewer/sessions/revoke'])
  for (const [path, methods] of Object.entries(paths)) {
    for (const [method, { summary, security }] of Object.entries(methods)) t.ok(summary !== undefined && security !== undefined, `${method} ${path}`)
  }
  t.equal(stderr(), '')
})

t.test('CORS', async (t) => {
  const [origin, other, stranger] = ['https://app.example', 'http://localhost:8080', 'https://evil.example']
  const { url } = await startServer(t, { env: { DEMO_API_KEY: KEY, CORS_ORIGINS: `${origin}, ${other}` } })
  const token = await issue(url, KEY, { contract: ['read'] })
  const writer = await issue(url, KEY, { contract: ['write'] })

  const checkAllowed = (reply: Answer, origin: string, title: string) => {
    t.equal(reply.headers.get('access-control-allow-origin'), origin, `${title}: never *`)
    t.equal(reply.headers.get('access-control-allow-credentials'), 'true', title)
    t.match(reply.headers.get('vary'), /\bOrigin\b/i, title)
    t.strictSame(reply.headers.get('access-control-expose-headers')?.split(/, */).sort(), ['DPoP-Nonce', 'RateLimit', 'RateLimit-Policy', 'Retry-After', 'WWW-Authenticate'], title)
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
    ['another method', 405, '/viewer/sessions', { bearer: KEY }],
    ['a body beyond measure', 413, '/viewer/sessions', { method: 'POST', bearer: KEY, announced: 2 * 2 ** 20 }],
    ['a body beyond measure of another route', 413, '/documents/contract/annotations', { method: 'PUT', bearer: writer, announced: 300 * 1024 }],
    ['another type of another route', 415, '/documents/contract/annotations', { method: 'PUT', bearer: writer, body: 'a=1', headers: { 'content-type': 'application/x-www-form-urlencoded' } }],
    ['a bad body of another route', 400, '/documents/contract/annotations', { method: 'PUT', bearer: writer, body: { annotations: 1 } }],
    ['no URL', 400, '/documents/%zz', {}],
    ['a URL beyond measure', 414, `/documents/${'x'.repeat(200)}`, {}]
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

// T20
t.test('whose requests are counted behind a proxy', async (t) => {
  /** Asks, each time for somebody else, until it is told to wait. Nobody may ask more than 600 times a minute. */
  const askOften = async (url: string, addresses: (number: number) => string): Promise<number> => {
    for (let number = 0; number < 1000; number += 50) {
      const replies = await Promise.all(Array.from({ length: 50 }, (_, index) => ask(url, addresses(number + index))))
      const { status } = replies.find(({ status }) => status !== 401) ?? { status: 401 }
      if (status !== 401) return status
    }
    return 401
  }
  const ask = (url: string, from: string) => call(`${url}/viewer/sessions`, { method: 'POST', body: {}, headers: { 'x-forwarded-for': from, 'x-real-ip': from, forwarded: `for="${from}"` } })
  const somebody = (number: number) => `198.18.${number >> 8}.${number & 255}`

  await t.test('one that is not the proxy is believed nothing', async (t) => {
    const { url } = await startServer(t, { env: { DEMO_API_KEY: KEY, TRUST_PROXY: '192.0.2.9, 127.0.0.2, 2001:db8::/32' } })
    t.equal(await askOften(url, somebody), 429, 'whatever it says')
    t.equal((await ask(url, '192.0.2.9')).status, 429, 'be it the name of the proxy')
  })

  await t.test('of what the proxy says, the last address that is no proxy counts', async (t) => {
    const { url } = await startServer(t, { env: { DEMO_API_KEY: KEY, TRUST_PROXY: '127.0.0.1, 10.0.0.0/8' } })
    t.equal(await askOften(url, (number) => `${somebody(number)}, 203.0.113.7`), 429, 'what stands further left does not help')
    t.equal((await ask(url, '10.1.2.3, 203.0.113.7, 10.9.8.7')).status, 429, 'nor does another proxy in between')
    t.equal((await ask(url, '203.0.113.7, 203.0.113.8')).status, 401, 'another one is another')
    t.equal(await askOften(url, somebody), 401, 'as is each of many')
  })
})

t.test('without CORS_ORIGINS no other site is let in', async (t) => {
  const { url } = await startServer(t, { env: { DEMO_API_KEY: KEY } })
  for (const origin of ['https://app.example', url, 'null']) {
    t.strictSame([...(await call(`${url}/documents/contract`, { headers: { origin } })).headers.keys()].filter((name) => name.startsWith('access-control-')), [])
  }
})

t.test('its files are its own', { skip: process.platform === 'win32' ? 'modes are another matter there' : false }, async (t) => {
  const dataDir = newDataDir(t)
  const server = await startServer(t, { dataDir, umask: 0o000 })
  const key = await firstKey(server)
  const token = await issue(server.url, key, { contract: ['read', 'write'] })
  t.equal((await call(`${server.url}/documents/contract/annotations`, { method: 'PUT', bearer: token, body: { annotations: [] } })).status, 204)
  t.equal((await call(`${server.url}/editor/letter`, { bearer: key })).status, 200)

  const modes = [dataDir, ...readdirSync(dataDir, { recursive: true }).map((name) => join(dataDir, String(name)))].map((path) => {
    const stats = statSync(path)
    return { path, mode: (stats.mode & 0o777).toString(8), expected: stats.isDirectory() ? '700' : '600' }
  })
  t.ok(modes.filter(({ expected }) => expected === '600').length >= 6)
  for (const { path, mode, expected } of modes) t.equal(mode, expected, path)
})
