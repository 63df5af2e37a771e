import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import Fastify, { type FastifyServerOptions } from 'fastify'
import t, { type Test } from 'tap'
import { createApiKeyRegistry } from '../../lib/credentials/index.ts'
import { createKeyRing, generateKey } from '../../lib/keys/index.ts'
import { createMemoryStore } from '../../lib/stores/memory.ts'
import { sessionIssuance } from '../../plugins/session-issuance/index.ts'
import { call, claimsOf, issue, read, revoke } from '../support/example-client.ts'
import { findKey, hasTool, type Program, ROOT, run, startProgram, until } from '../support/example-server.ts'
import { paste } from '../support/example-shell.ts'
import { claim, clientAt, type NginxOptions, readReply, RECIPE, send, skipWithoutNginx, skipWithoutVersion6, startNginx } from '../support/nginx.ts'
import { openRaw, sendRaw, statusesIn } from '../support/raw-connection.ts'
import { recordEvents } from '../support/recorded-events.ts'

const EXAMPLE = join(ROOT, 'dist/examples/behind-nginx.js')

/** 2027-01-15T08:00:00Z, in milliseconds. */
const NOW = 1_800_000_000_000

const ISSUER = 'https://tokens.example.com'
const CLIENT = '203.0.113.7'
const OTHER_CLIENT = '203.0.113.8'
const PROXY = '127.0.0.1'

const SESSION = '{"allowed_documents":[{"document_id":"contract","document_permissions":["read"]}]}'
const JSON_TYPE = { 'content-type': 'application/json' }

interface HostOptions {
  trustProxy?: NonNullable<FastifyServerOptions['trustProxy']>
  /** Requests of one address in a minute. */
  max?: number
  nginx?: Omit<NginxOptions, 'upstream'>
}

/** A host in this process, so that a test sees what gets there, behind nginx. Its clock stands still until it is moved. */
async function hostBehindNginx (t: Test, { trustProxy, max = 1_000_000, nginx: options = {} }: HostOptions = {}) {
  const clock = { time: NOW }
  const now = () => clock.time
  const store = createMemoryStore({ now })
  const credentials = createApiKeyRegistry({ store, now })
  const { secret } = await credentials.create()
  const keys = createKeyRing([{ key: await generateKey('ES256') }])

  const app = Fastify(trustProxy === undefined ? {} : { trustProxy })
  t.teardown(() => app.close())
  let connections = 0
  app.server.on('connection', () => { connections++ })
  const reached: Array<{ method: string, url: string, ip: string, host: string, protocol: string, headers: IncomingMessage['headers'] }> = []
  app.addHook('onRequest', async ({ method, url, ip, host, protocol, headers }) => { reached.push({ method, url, ip, host, protocol, headers }) })
  /** Instead of so many answers to come, the connection ends. */
  const cut = { answers: 0 }
  /** Answers wait for it. */
  const gate: { opened?: Promise<void> } = {}
  app.addHook('onSend', async ({ raw }) => {
    await gate.opened
    if (cut.answers > 0) raw.socket.destroy()
    cut.answers = Math.max(0, cut.answers - 1)
  })

  await app.register(sessionIssuance, { issuer: ISSUER, keys, store, credentials, now, limits: { address: { max } } })
  app.get('/documents/:id', { onRequest: app.documentSessions.require('read', { param: 'id' }) }, async (request) => request.documentSession?.documents)
  const large = Buffer.alloc(40 * 1024 * 1024)
  app.get('/large', async () => large)

  const { port } = new URL(await app.listen({ port: 0, host: PROXY }))
  const nginx = await startNginx(t, { upstream: Number(port), ...options })
  const post = { from: CLIENT, method: 'POST', path: '/viewer/sessions', headers: JSON_TYPE, body: SESSION }
  const bearer = { authorization: `Bearer ${secret}` }
  return {
    clock,
    cut,
    gate,
    nginx,
    reached,
    secret,
    connections: () => connections,
    direct: `http://${PROXY}:${port}`,
    /** `POST /viewer/sessions` without an API key. */
    knock: (from = CLIENT, headers: Record<string, string | string[]> = {}) => send(nginx, { ...post, from, headers: { ...JSON_TYPE, ...headers } }),
    /** And with one. */
    create: (headers: Record<string, string | string[]> = {}, from = CLIENT) => send(nginx, { ...post, from, headers: { ...JSON_TYPE, ...bearer, ...headers } }),
    token: async () => tokenIn(await send(nginx, { ...post, headers: { ...JSON_TYPE, ...bearer } }))
  }
}

function tokenIn ({ body }: { body: unknown }): string {
  return (body as { jwt: string }).jwt // what 201 means
}

/** The header lines of a client, new ones for each of its requests where that may help it. */
const lies: Record<string, (n: number) => Record<string, string | string[]>> = {
  nothing: () => ({}),
  'one address': (n) => ({ 'x-forwarded-for': `198.51.100.${n}` }),
  'several addresses': (n) => ({ 'x-forwarded-for': `198.51.100.${n}, 198.51.101.${n},198.51.102.${n}` }),
  'two lines': (n) => ({ 'x-forwarded-for': [`198.51.100.${n}`, `198.51.101.${n}`] }),
  'version 6': (n) => ({ 'x-forwarded-for': `2001:db8:${n}::1` }),
  'a port': (n) => ({ 'x-forwarded-for': `198.51.100.${n}:8080` }),
  'version 6 and a port': (n) => ({ 'x-forwarded-for': `[2001:db8:${n}::1]:8080` }),
  'another client': () => ({ 'x-forwarded-for': OTHER_CLIENT }),
  'the proxy itself': () => ({ 'x-forwarded-for': `${PROXY}, ${PROXY}` }),
  'an address before the proxy': (n) => ({ 'x-forwarded-for': `198.51.100.${n}, ${PROXY}` }),
  garbage: (n) => ({ 'x-forwarded-for': `unknown, _hidden${n}, ;="',,\t\xff` }),
  'commas alone': (n) => ({ 'x-forwarded-for': ','.repeat(n) }),
  'no value': () => ({ 'x-forwarded-for': '' }),
  '10 kB': (n) => ({ 'x-forwarded-for': Array.from({ length: 700 }, () => `198.51.100.${n}`).join(', ') }),
  'another spelling': (n) => ({ 'X-FORWARDED-FOR': `198.51.100.${n}`, X_Forwarded_For: `198.51.100.${n}` }),
  'X-Real-IP': (n) => ({ 'x-real-ip': `198.51.100.${n}`, 'client-ip': `198.51.100.${n}`, 'cf-connecting-ip': `198.51.100.${n}` }),
  Forwarded: (n) => ({ forwarded: `for=198.51.100.${n};host=evil.example;proto=https` }),
  'X-Forwarded-Host': () => ({ 'x-forwarded-host': 'evil.example' }),
  'X-Forwarded-Proto': () => ({ 'x-forwarded-proto': 'https', 'x-forwarded-port': '443', 'x-forwarded-prefix': '/evil.example' }),
  'a foreign Host': () => ({ host: 'evil.example' }),
  'all at once': (n) => ({ host: 'evil.example', 'x-forwarded-host': ['evil.example', 'evil.example'], 'x-forwarded-proto': 'https', 'x-forwarded-for': `198.51.100.${n}`, 'x-real-ip': `198.51.100.${n}`, forwarded: `for=198.51.100.${n};host=evil.example` })
}

const trusts: ReadonlyArray<{ name: string, trustProxy?: string | string[], counted: string }> = [
  { name: 'the proxy is trusted', trustProxy: PROXY, counted: CLIENT },
  { name: 'a list of which it is one', trustProxy: ['192.0.2.0/24', '127.0.0.1/32'], counted: CLIENT },
  { name: 'nobody is trusted', counted: PROXY },
  { name: 'another address is trusted', trustProxy: ['192.0.2.1', '2001:db8::/32'], counted: PROXY },
  { name: 'the text is empty', trustProxy: '', counted: PROXY },
  { name: 'the text is a number', trustProxy: '1', counted: PROXY }
]

for (const { name, counted, ...options } of trusts) {
  t.test(`whom limits count: ${name}`, { skip: skipWithoutNginx }, async (t) => {
    const events = recordEvents(t)
    const { clock, reached, knock, create } = await hostBehindNginx(t, { ...options, max: 2 })

    for (const [lie, headers] of Object.entries(lies)) {
      await t.test(lie, async (t) => {
        clock.time += 60_000
        reached.length = 0
        events()
        // T20
        const replies = [await create(headers(1)), await knock(CLIENT, headers(2)), await knock(CLIENT, headers(3))]
        t.strictSame(replies.map(({ status }) => status), [201, 401, 429])
        t.match(replies[2], { headers: { 'retry-after': '60', 'content-type': /^application\/json/ }, body: { code: 'FDT_RATE_LIMITED' } })
        const refusals = events().flatMap(([name, event]) => (name === 'refused' || name === 'limited') && 'address' in event ? [[name, event.address]] : [])
        t.strictSame(refusals, [['refused', counted], ['limited', counted], ['refused', counted]])
        const other = await knock(OTHER_CLIENT, headers(4))
        t.equal(other.status, counted === CLIENT ? 401 : 429, 'somebody else')

        // T19
        const { iss, aud } = claimsOf(tokenIn({ body: replies[0]?.body }))
        t.strictSame([iss, aud], [ISSUER, `${ISSUER}/viewer/default`])
        t.notMatch(JSON.stringify(replies.map(({ headers, text }) => [headers, text])), 'evil.example')
        const host = headers(1)['host'] ?? 'tokens.example.com'
        t.strictSame(reached.map((request) => [request.host, request.protocol]), reached.map(() => [host, 'http']))
        for (const { headers } of reached) {
          for (const name of ['x-real-ip', 'forwarded', 'x-forwarded-host', 'x_forwarded_for']) t.notOk(name in headers, `${name} ends at nginx`)
        }
      })
    }
  })
}

t.test('an address of version 6 is counted by its network', { skip: skipWithoutNginx }, async (t) => {
  const { clock, knock } = await hostBehindNginx(t, { trustProxy: PROXY, max: 2 })
  const statuses = async (addresses: string[]) => {
    clock.time += 60_000
    const replies: Array<number | undefined> = []
    for (const address of addresses) replies.push((await knock(address)).status)
    return replies
  }

  // T18
  t.strictSame(await statuses(['2001:db8:1:2::1', '2001:db8:1:2::2', '2001:db8:1:2:ffff::3', '2001:db8:1:3::1']), [401, 401, 429, 401])
  t.strictSame(await statuses(['198.51.100.9', '::ffff:198.51.100.9', '::ffff:198.51.100.9', '198.51.100.10']), [401, 401, 429, 401])
  const network = Array.from({ length: 33 }, (_, index) => `2001:db8:2:${index}::1`)
  t.strictSame(await statuses(network), [...network.slice(1).map(() => 401), 429], 'a /48 has 16 times as much')
})

t.test('a client that really has version 6', { skip: skipWithoutVersion6 }, async (t) => {
  const { nginx, reached } = await hostBehindNginx(t, { trustProxy: PROXY, max: 2 })
  const statuses: number[] = []
  for (const n of [1, 2, 3]) statuses.push((await call(`${nginx.url6}/viewer/sessions`, { method: 'POST', body: SESSION, headers: { 'x-forwarded-for': `2001:db8:${n}::1` } })).status)
  t.strictSame(statuses, [401, 401, 429])
  t.strictSame(reached.map(({ ip }) => ip), ['::1', '::1', '::1'])
})

t.test('two proxies in a row', { skip: skipWithoutNginx }, async (t) => {
  const [outer, rotated] = ['198.51.100.2', '192.0.2']
  const { clock, knock, reached } = await hostBehindNginx(t, { trustProxy: `${PROXY}, 198.51.100.0/24`, max: 2 })
  const reports: Array<[string, (n: number) => string, string[]]> = [
    ['the address of the client', () => CLIENT, [CLIENT, CLIENT, CLIENT]],
    ['and what the client said', (n) => `${rotated}.${n}, ${CLIENT}`, [CLIENT, CLIENT, CLIENT]],
    ['and its port', (n) => `${CLIENT}:${50_000 + n}`, [`${CLIENT}:50001`, `${CLIENT}:50002`, `${CLIENT}:50003`]],
    ['version 6 and its port', (n) => `[2001:db8::${n}]:${50_000 + n}`, ['[2001:db8::1]:50001', '[2001:db8::2]:50002', '[2001:db8::3]:50003']]
  ]
  for (const [name, header, addresses] of reports) {
    clock.time += 60_000
    reached.length = 0
    const statuses = []
    for (const n of [1, 2, 3]) statuses.push((await knock(outer, { 'x-forwarded-for': header(n) })).status)
    t.strictSame(statuses, [401, 401, 429], name)
    t.strictSame(reached.map(({ ip }) => ip), addresses, name)
  }
})

t.test('who sits where the proxy sits is believed', { skip: skipWithoutNginx }, async (t) => {
  const { knock, reached } = await hostBehindNginx(t, { trustProxy: PROXY, max: 2 })
  for (const n of [1, 2, 3]) t.equal((await knock(PROXY, { 'x-forwarded-for': `198.51.100.${n}` })).status, 401)
  t.strictSame(reached.map(({ ip }) => ip), ['198.51.100.1', '198.51.100.2', '198.51.100.3'])
})

/** The example as its users run it, and nginx before it. */
async function startExample (t: Test, env: Record<string, string> = {}) {
  const program = startProgram(t, process.execPath, [EXAMPLE], { env: { PORT: '0', ...env } })
  const { direct, key } = await told(program)
  const nginx = await startNginx(t, { upstream: Number(new URL(direct).port) })
  return { program, direct, key, nginx, url: nginx.url }
}

async function told (program: Program): Promise<{ direct: string, key: string }> {
  return await until(() => {
    if (program.process.exitCode !== null) throw new Error(`the example ended: ${program.output()}`)
    const [, direct] = /^listening on (http:\S+)\. /.exec(program.stdout()) ?? []
    const key = findKey(program.stdout())
    return direct !== undefined && key !== undefined && { direct, key }
  })
}

t.test('the example', { skip: skipWithoutNginx }, async (t) => {
  const { program, direct, key, nginx, url } = await startExample(t)

  await t.test('the command that it shows', { skip: hasTool('bash') ? false : 'there is no bash' }, async (t) => {
    const command = program.stdout().slice(program.stdout().indexOf('curl '))
    t.match(command, /^curl -X POST http:\/\/localhost\/viewer\/sessions /)
    const { code, stdout } = await paste(t, command.replace('http://localhost', url))
    t.equal(code, 0)
    t.match(claimsOf(JSON.parse(stdout).jwt), { iss: 'http://localhost', allowed_documents: [{ document_id: 'contract', document_permissions: ['read'] }] })
  })

  await t.test('issue, read, revoke', async (t) => {
    const token = await issue(url, key, { contract: ['read'], 'a/b c': ['read'] })
    const subject = String(claimsOf(token)['sub'])
    t.match(await read(url, token), { status: 200, text: `hello ${subject} at ${PROXY}` })
    t.match(await send(nginx, { from: CLIENT, path: '/documents/contract', headers: { authorization: `Bearer ${token}`, 'x-forwarded-for': '198.51.100.1' } }), { status: 200, text: `hello ${subject} at ${CLIENT}` })
    t.equal((await read(url, token, 'a%2Fb%20c')).status, 200, 'the path is not touched')
    t.match(await read(url, token, 'letter'), { status: 403, body: { code: 'FDT_INSUFFICIENT_PERMISSION' } })

    const head = await call(`${url}/documents/contract`, { method: 'HEAD', bearer: token })
    t.match(head, { status: 200, text: '' })
    t.equal(head.headers.get('content-length'), String(`hello ${subject} at ${PROXY}`.length))

    const refused = await call(`${url}/documents/contract`)
    t.match(refused, { status: 401, body: { code: 'FDT_MISSING_TOKEN' } })
    t.equal(refused.headers.get('www-authenticate'), 'Bearer')
    t.equal(refused.headers.get('cache-control'), 'no-store')
    t.match(await read(url, `${token}x`), { status: 401, body: { code: 'FDT_INVALID_TOKEN' } })
    t.match(await call(`${url}/viewer/sessions`, { method: 'POST', bearer: `${key}x`, body: SESSION }), { status: 401, body: { code: 'FDT_INVALID_CREDENTIAL' } })

    t.equal((await revoke(url, key, { jwt: token })).status, 204)
    t.match(await read(url, token), { status: 401, body: { code: 'FDT_TOKEN_REVOKED' } })
  })

  await t.test('another method', async (t) => {
    for (const method of ['GET', 'HEAD', 'PUT', 'DELETE']) {
      const reply = await call(`${url}/viewer/sessions`, { method, bearer: key })
      t.equal(reply.status, 405, method)
      t.equal(reply.headers.get('allow'), 'POST', method)
      if (method !== 'HEAD') t.match(reply.body, { code: 'FDT_METHOD_NOT_ALLOWED' })
    }
  })

  await t.test('sessions of many documents', async (t) => {
    for (const [count, shortest, longest] of [[80, 6_500, 8_000], [360, 28_000, 32_000]] as const) {
      const token = await issue(url, key, Object.fromEntries(Array.from({ length: count }, (_, index) => [`document-${index}`, ['read']])))
      t.ok(token.length > shortest && token.length < longest, `${token.length} characters`)
      t.equal((await read(url, token, `document-${count - 1}`)).status, 200)
    }
    const long = { from: CLIENT, path: '/documents/contract' }
    t.match(await send(nginx, { ...long, headers: { authorization: `Bearer ${'x'.repeat(70_000)}` } }), { status: 400, headers: { 'content-type': 'text/html' } }, 'one line too long for nginx')
    t.match(await send(nginx, { ...long, headers: { authorization: `Bearer ${'x'.repeat(40_000)}`, 'x-other': 'x'.repeat(40_000) } }), { status: 431 }, 'two that are too long for the host together')
    t.equal((await read(url, 'x')).status, 401, 'and it goes on')
  })

  await t.test('nginx is the first to end an idle connection', async (t) => {
    const reply = await call(`${direct}/documents/contract`)
    const host = Number(/^timeout=(\d+)/.exec(reply.headers.get('keep-alive') ?? '')?.[1])
    const proxy = Number(/^ {2}keepalive_timeout (\d+)s;$/m.exec(RECIPE)?.[1])
    t.ok(proxy > 0 && host >= proxy + 5, `${proxy} and ${host} seconds`)
  })

  // T20
  await t.test('a client that makes up where it comes from', async (t) => {
    const statuses = new Set<number | undefined>()
    const one = (n: number) => send(nginx, { from: CLIENT, method: 'POST', path: '/viewer/sessions', headers: { ...JSON_TYPE, 'x-forwarded-for': `198.18.${n >> 8}.${n & 255}`, 'x-real-ip': `198.18.${n >> 8}.${n & 255}` }, body: SESSION })
    // By default 600 in a minute, which may begin anew in the midst of it.
    let n = 0
    await until(async () => {
      for (const { status } of await Promise.all(Array.from({ length: 50 }, () => one(n++)))) statuses.add(status)
      return statuses.has(429)
    })
    t.strictSame([...statuses].sort(), [401, 429])
    t.ok(n >= 600)
    t.equal((await call(`${url}/viewer/sessions`, { method: 'POST', bearer: key, body: SESSION })).status, 201, 'others are served')
  })

  t.equal(program.stderr(), '')
})

t.test('the example believes nobody but the proxies that it is told', { skip: skipWithoutNginx }, async (t) => {
  const { nginx, url, key } = await startExample(t, { TRUST_PROXY: '192.0.2.0/24, ::1' })
  const token = await issue(url, key, { contract: ['read'] })
  t.match(await send(nginx, { from: CLIENT, path: '/documents/contract', headers: { authorization: `Bearer ${token}`, 'x-forwarded-for': '192.0.2.1' } }), { status: 200, text: / at 127\.0\.0\.1$/ })
})

t.test('TRUST_PROXY that would mean everybody', async (t) => {
  for (const TRUST_PROXY of ['true', '*', '0.0.0.0/0', '::/0']) {
    const { code, stdout } = await run(t, process.execPath, [EXAMPLE], { env: { PORT: '0', TRUST_PROXY } })
    t.not(code, 0, TRUST_PROXY)
    t.equal(stdout, '', TRUST_PROXY)
  }
})

t.test('the host is restarted while nginx keeps its connections', { skip: skipWithoutNginx }, async (t) => {
  const { program, direct, key, url } = await startExample(t)
  const create = (key: string) => call(`${url}/viewer/sessions`, { method: 'POST', bearer: key, body: SESSION })
  t.strictSame((await Promise.all([1, 2, 3, 4, 5].map(() => create(key)))).map(({ status }) => status), [201, 201, 201, 201, 201])

  await program.kill()
  t.match(await create(key), { status: 502 })

  const second = startProgram(t, process.execPath, [EXAMPLE], { env: { PORT: new URL(direct).port } })
  const { key: newKey } = await told(second)
  const replies = await Promise.all([1, 2, 3, 4, 5].map(() => create(newKey)))
  t.strictSame(replies.map(({ status }) => status), [201, 201, 201, 201, 201], 'at once')
  t.equal(new Set(replies.map(({ text }) => text)).size, 5)
})

t.test('a POST that may have been served is not sent again', { skip: skipWithoutNginx }, async (t) => {
  const events = recordEvents(t)
  const { create, cut, nginx, reached, token } = await hostBehindNginx(t, { trustProxy: PROXY })
  const session = await token()
  const reset = (answers: number) => {
    events()
    reached.length = 0
    cut.answers = answers
  }

  // The connection is one that was used before: of these, nginx would try another one.
  reset(1)
  t.match(await create(), { status: 502 })
  t.strictSame(reached.map(({ method, url }) => `${method} ${url}`), ['POST /viewer/sessions'])
  t.equal(events().filter(([name]) => name === 'issued').length, 1)

  await token()
  reset(1)
  const get = { from: CLIENT, path: '/documents/contract', headers: { authorization: `Bearer ${session}` } }
  t.match(await send(nginx, get), { status: 200 }, 'a GET is')
  t.strictSame(reached.map(({ method }) => method), ['GET', 'GET'])

  reset(0)
  t.match(await create(), { status: 201 }, 'and nginx does not hold it against the host')
})

t.test('connections to the host are kept, whatever clients do with theirs', { skip: skipWithoutNginx }, async (t) => {
  const { connections, create, knock, nginx, reached, secret, token } = await hostBehindNginx(t, { trustProxy: PROXY })
  const session = await token()
  for (let n = 0; n < 3; n++) {
    t.equal((await create({ connection: 'close' })).status, 201)
    t.equal((await create({ connection: 'keep-alive, x-drop', 'x-drop': 'x' })).status, 201)
    t.equal((await knock()).status, 401)
    t.equal((await send(nginx, { from: CLIENT, method: 'PUT', path: '/viewer/sessions' })).status, 405)
    t.match(await send(nginx, { from: CLIENT, method: 'HEAD', path: '/documents/contract', headers: { authorization: `Bearer ${session}` } }), { status: 200, text: '' })
    t.equal((await send(nginx, { from: CLIENT, path: '/documents/contract', headers: { authorization: `Bearer ${session}` } })).status, 200)
  }

  const old = await sendRaw(t, nginx.url, `POST /viewer/sessions HTTP/1.0\r\nAuthorization: Bearer ${secret}\r\nContent-Type: application/json\r\nContent-Length: ${SESSION.length}\r\n\r\n${SESSION}`)
  t.strictSame(statusesIn(old), [201], 'HTTP/1.0, without Host')
  t.match(old, /\r\nConnection: close\r\n/i)
  t.notMatch(old, /\r\nTransfer-Encoding:/i)
  t.equal(reached.at(-1)?.host, 'tokens.example.com')
  t.equal(connections(), 1)
})

t.test('bodies', { skip: skipWithoutNginx }, async (t) => {
  const { create, knock, nginx, reached, secret } = await hostBehindNginx(t, { trustProxy: PROXY })
  const headers = { ...JSON_TYPE, host: 'tokens.example.com', authorization: `Bearer ${secret}` }
  const post = { from: CLIENT, method: 'POST', path: '/viewer/sessions', headers }
  const open = (length?: number) => request({ ...clientAt(nginx, CLIENT), method: 'POST', path: '/viewer/sessions', headers: { ...headers, ...(length !== undefined && { 'content-length': length }) } })
  const replyTo = async (sent: ReturnType<typeof open>) => {
    const [reply] = await once(sent, 'response') as [IncomingMessage]
    return await readReply(reply)
  }
  const MEBIBYTE = 1024 * 1024

  await t.test('the longest', async (t) => {
    t.equal((await send(nginx, { ...post, body: SESSION.padEnd(MEBIBYTE) })).status, 201)
    reached.length = 0
    const refused = { status: 413, headers: { 'content-type': 'text/html' } }
    t.match(await send(nginx, { ...post, body: SESSION.padEnd(MEBIBYTE + 1) }), refused, 'the answer is nginx\'s')
    const chunked = open()
    chunked.on('error', () => {})
    chunked.end(SESSION.padEnd(MEBIBYTE + 1))
    t.match(await replyTo(chunked), refused, 'without a length too')
    t.strictSame(reached, [])
  })

  await t.test('in chunks', async (t) => {
    reached.length = 0
    const sent = open()
    for (const character of SESSION) sent.write(character)
    sent.end()
    t.equal((await replyTo(sent)).status, 201)
    t.match(reached, [{ headers: { 'content-length': String(SESSION.length) } }])
    t.notOk('transfer-encoding' in (reached[0]?.headers ?? {}))
  })

  await t.test('slowly', async (t) => {
    reached.length = 0
    const body = SESSION.padEnd(900_000)
    const sent = open(body.length)
    sent.write(body.slice(0, 800_000))
    t.equal((await knock()).status, 401)
    t.equal(reached.length, 1, 'the host hears of it when it is complete')
    sent.end(body.slice(800_000))
    t.equal((await replyTo(sent)).status, 201)
    t.equal(reached.length, 2)
  })

  await t.test('not to the end', async (t) => {
    reached.length = 0
    const before = nginx.written().length
    const sent = open(SESSION.length)
    sent.on('error', () => {})
    sent.write(SESSION.slice(0, 10))
    await until(async () => (await knock()).status === 401)
    sent.destroy()
    await until(() => / "POST \/viewer\/sessions" 4(?:00|99) /.test(nginx.written().slice(before)))
    t.equal((await create()).status, 201)
    t.strictSame(reached.map(({ headers }) => headers.authorization), [undefined, `Bearer ${secret}`], 'the host never hears of it')
  })

  t.strictSame(nginx.bodyFiles(), [], 'none was written to a file')
})

t.test('a client that does not wait for the answer', { skip: skipWithoutNginx }, async (t) => {
  const events = recordEvents(t)
  const { create, gate, nginx, secret } = await hostBehindNginx(t, { trustProxy: PROXY })
  let open = () => {}
  gate.opened = new Promise((resolve) => { open = resolve })
  const sent = request({ ...clientAt(nginx, CLIENT), method: 'POST', path: '/viewer/sessions', headers: { ...JSON_TYPE, authorization: `Bearer ${secret}`, 'content-length': SESSION.length } })
  sent.on('error', () => {})
  sent.end(SESSION)
  let issued = 0
  const countIssued = () => { issued += events().filter(([name]) => name === 'issued').length; return issued }
  await until(() => countIssued() === 1)
  sent.destroy()
  await until(() => / "POST \/viewer\/sessions" 499 /.test(nginx.written()))
  open()
  t.equal((await create()).status, 201)
  t.equal(countIssued(), 2, 'one each')
})

t.test('a large answer to a slow client', { skip: skipWithoutNginx }, async (t) => {
  const { knock, nginx } = await hostBehindNginx(t, { trustProxy: PROXY })
  const sent = request({ ...clientAt(nginx, CLIENT), path: '/large', headers: { host: 'tokens.example.com' } })
  sent.end()
  const [reply] = await once(sent, 'response') as [IncomingMessage]
  for (let n = 0; n < 20; n++) await knock()
  t.equal((await buffer(reply)).length, 40 * 1024 * 1024)
  t.strictSame(nginx.bodyFiles(), [])
})

t.test('nothing is cached, whatever else nginx does', { skip: skipWithoutNginx }, async (t) => {
  const http = 'proxy_cache_path $folder/cache keys_zone=others:1m; proxy_cache others; proxy_cache_valid any 1h; proxy_ignore_headers Cache-Control Expires Set-Cookie Vary;'
  const { nginx, token, reached } = await hostBehindNginx(t, { trustProxy: PROXY, nginx: { http } })
  const session = await token()
  reached.length = 0
  const get = (bearer: string) => send(nginx, { from: CLIENT, path: '/documents/contract', headers: { authorization: `Bearer ${bearer}` } })
  t.equal((await get(session)).status, 200)
  t.equal((await get('x')).status, 401)
  t.equal((await get(session)).status, 200)
  t.equal(reached.length, 3)
})

t.test('two who understand the end of a request differently', { skip: skipWithoutNginx }, async (t) => {
  const { direct, nginx, reached } = await hostBehindNginx(t, { trustProxy: PROXY })
  const smuggled = 'GET /documents/smuggled HTTP/1.1\r\nHost: x\r\n\r\n'
  const chunk = `${smuggled.length.toString(16)}\r\n${smuggled}\r\n0\r\n\r\n`
  const requests: Array<[string, string, string]> = [
    ['a length, and chunks that end before', `Content-Length: ${smuggled.length + 5}\r\nTransfer-Encoding: chunked`, `0\r\n\r\n${smuggled}`],
    ['the other way round', `Transfer-Encoding: chunked\r\nContent-Length: ${smuggled.length + 5}`, `0\r\n\r\n${smuggled}`],
    ['chunks, and a length that ends before', 'Content-Length: 4\r\nTransfer-Encoding: chunked', chunk],
    ['two lengths', `Content-Length: 0\r\nContent-Length: ${smuggled.length}`, smuggled],
    ['two lengths in one line', `Content-Length: 0, ${smuggled.length}`, smuggled],
    ['a length with a sign', `Content-Length: +${smuggled.length}`, smuggled],
    ['an encoding that is none', 'Transfer-Encoding: xchunked', smuggled],
    ['no encoding', 'Transfer-Encoding: identity', smuggled],
    ['two encodings', 'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity', `0\r\n\r\n${smuggled}`],
    ['two encodings in one line', 'Transfer-Encoding: chunked, identity', `0\r\n\r\n${smuggled}`],
    ['a size that is none', 'Transfer-Encoding: chunked', `0x0\r\n\r\n${smuggled}`],
    ['a size that is too long', 'Transfer-Encoding: chunked', `fffffffffffffffff\r\n${smuggled}`]
  ]
  for (const [name, lines, rest] of requests) {
    for (const [where, url] of [['nginx', nginx.url], ['the host itself', direct]] as const) {
      const received = await sendRaw(t, url, `POST /viewer/sessions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n${lines}\r\n\r\n${rest}`)
      const [status = 400, ...others] = statusesIn(received)
      t.ok(status >= 400, `${name}: ${where} says ${status}`)
      t.strictSame(others, [], name)
    }
    t.strictSame(reached.filter(({ url }) => url === '/documents/smuggled'), [], name)
  }
  t.equal((await send(nginx, { from: CLIENT, path: '/documents/smuggled' })).status, 401, 'and it goes on')
  t.equal(reached.at(-1)?.url, '/documents/smuggled')
})

t.test('header lines that are not as they should be', { skip: skipWithoutNginx }, async (t) => {
  const { nginx, reached, secret } = await hostBehindNginx(t, { trustProxy: PROXY })
  const url = `http://${PROXY}:${nginx.claimPort}`
  const head = `${claim(CLIENT)}POST /viewer/sessions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: ${SESSION.length}\r\n`
  const lines: Array<[string, string, RegExp]> = [
    ['two API keys', `Authorization: Bearer ${secret}\r\nAuthorization: Bearer ${secret}`, /^400$/],
    ['an API key in two places', `Authorization: Bearer ${secret}\r\nX-API-Key: ${secret}`, /^400$/],
    ['an API key under a name with a line below', `X_API_Key: ${secret}`, /^401$/],
    ['two hosts', `Authorization: Bearer ${secret}\r\nHost: y`, /^400$/],
    ['a character that ends a string', `Authorization: Bearer ${secret}\r\nX-Forwarded-For: 198.51.100.1\0`, /^400$/],
    ['a control character', `Authorization: Bearer ${secret}\r\nX-Forwarded-For: 198.51.100.1\x01`, /^400$/],
    ['a line that goes on in the next', `Authorization: Bearer ${secret}\r\nX-Forwarded-For: 198.51.100.1,\r\n 198.51.100.2`, /^(?:201|400)$/]
  ]
  for (const [name, line, status] of lines) {
    const received = await sendRaw(t, url, `${head}${line}\r\n\r\n${SESSION}`)
    t.match(statusesIn(received).join(), status, name)
  }
  t.ok(reached.every(({ ip }) => ip === CLIENT))
})

t.test('no secret is in what nginx writes', { skip: skipWithoutNginx }, async (t) => {
  const { clock, create, cut, nginx, secret, token } = await hostBehindNginx(t, { trustProxy: PROXY })
  const session = await token()
  const query = '?access_token=in-the-query'
  const get = (path: string, headers = {}) => send(nginx, { from: CLIENT, path, headers: { authorization: `Bearer ${session}`, referer: `http://x/${query}`, 'user-agent': session, cookie: `session=${session}`, ...headers } })

  t.equal((await get(`/documents/contract${query}`)).status, 200)
  t.equal((await get(`/documents/letter${query}`)).status, 403)
  t.equal((await get(`/nothing${query}`)).status, 404)
  t.equal((await get(`/documents/contract${query}`, { 'x-long': 'x'.repeat(70_000) })).status, 400)
  t.equal((await send(nginx, { from: CLIENT, method: 'POST', path: `/viewer/sessions${query}`, headers: { ...JSON_TYPE, authorization: `Bearer ${secret}` }, body: SESSION.padEnd(2_000_000) })).status, 413)
  t.equal((await send(nginx, { from: CLIENT, method: 'POST', path: `/viewer/sessions/revoke${query}`, headers: { ...JSON_TYPE, authorization: `Bearer ${secret}` }, body: JSON.stringify({ jwt: session }) })).status, 204)
  cut.answers = 2
  t.equal((await get(`/documents/contract${query}`)).status, 502)
  cut.answers = 0
  clock.time += 1
  t.equal((await create()).status, 201)
  const connection = await openRaw(t, nginx.url)
  connection.send(`GET /documents/contract${query} HTTP/1.1\r\nAuthorization: Bearer ${session}\r\nHost: x\r\nHost: y\r\n\r\n`)
  await connection.ended()

  const written = nginx.written()
  for (const status of [200, 201, 204, 400, 403, 404, 413, 502]) t.match(written, new RegExp(`" ${status} `), `it tells of ${status}`)
  t.match(written, /^203\.0\.113\.7 \[\S+\] "GET \/documents\/contract" 200 \d+ \d+\.\d+ 200$/m)
  for (const part of ['in-the-query', 'access_token', secret, session, ...session.split('.'), 'Bearer', 'eyJ', 'fdt_']) t.notOk(written.includes(part), part)
})
