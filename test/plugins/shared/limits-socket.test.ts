// Over real sockets: what an attacker may try to get around the limits, and what `app.inject` does not show.
import { request } from 'node:http'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { createApiKeyRegistry, createSecret } from '../../../lib/credentials/index.ts'
import { openLmdbStore } from '../../../lib/stores/lmdb.ts'
import { createMemoryStore } from '../../../lib/stores/memory.ts'
import { type MachineLimits } from '../../../plugins/shared/limits.ts'
import { startProgram, until } from '../../support/example-server.ts'
import { inEveryHost } from '../../support/hosts.ts'
import { openRaw } from '../../support/raw-connection.ts'
import { faultyStore } from '../../support/faulty-store.ts'
import { NOW, sessionHost } from '../../support/session-host.ts'
import { temporaryFolder } from '../../support/store-processes.ts'

const PATH = '/viewer/sessions'

/** A host that listens, and a view of how often its store was asked to count. */
async function listeningHost (t: Test, limits: MachineLimits) {
  const { store, fault } = faultyStore(createMemoryStore({ now: () => NOW }))
  const host = await sessionHost(t, { store, flow: { limits: { failures: false, ...limits } } })
  const url = await host.app.listen({ port: 0, host: '127.0.0.1' })
  const counted = () => fault.calls.filter((call) => call === 'increment').length
  return { ...host, url, counted }
}

interface Message {
  method?: string
  target?: string
  version?: string
  headers?: readonly string[]
  body?: string
}

function message ({ method = 'POST', target = PATH, version = '1.1', headers = [], body = '{}' }: Message = {}): string {
  return [`${method} ${target} HTTP/${version}`, 'Host: example', 'Content-Type: application/json', `Content-Length: ${body.length}`, ...headers, '', body].join('\r\n')
}

inEveryHost(t, 'no way of asking gets more than the limit', async (t) => {
  const forge = (index: number) => ['X-Forwarded-For', 'X-Real-IP', 'Forwarded', 'X-Client-IP', 'CF-Connecting-IP', 'True-Client-IP', 'X-Cluster-Client-IP', 'Via'].map((name) => `${name}: ${name === 'Forwarded' ? 'for=' : ''}192.0.2.${index}`)
  const tricks: Record<string, (index: number, secret: string) => Message> = {
    'pipelines them': () => ({}),
    'with a good key': (_index, secret) => ({ headers: [`X-API-Key: ${secret}`] }),
    'with the name of the header in another case each time': (index, secret) => ({ headers: [index % 2 === 0 ? `x-API-kEY: ${secret}` : `AUTHORIZATION: bearer ${secret}`] }),
    'with a key that changes': () => ({ headers: [`X-API-Key: ${createSecret('key')}`] }),
    'with two keys': (_index, secret) => ({ headers: [`X-API-Key: ${secret}`, `X-API-Key: ${secret}`] }),
    'with an address that it made up': (index) => ({ headers: forge(index) }),
    'with a host that changes': (index) => ({ headers: [`X-Forwarded-Host: host-${index}`] }),
    'with another method each time': (index) => ({ method: ['GET', 'PUT', 'POST', 'DELETE', 'PATCH', 'TRACE', 'POST', 'GET'][index % 8] ?? 'POST' }),
    'with a method to override it by': () => ({ headers: ['X-HTTP-Method-Override: OPTIONS'] }),
    'with the whole URL as its target': (index) => ({ target: `http://host-${index}:80${PATH}` }),
    'with a query that changes': (index) => ({ target: `${PATH}?${index}` }),
    'with letters in their encoded form': (index) => ({ target: PATH.replace('v', '%76').replace(/s/g, (letter) => index % 2 === 0 ? '%73' : letter) }),
    'at one route and the other': (index) => ({ target: index % 2 === 0 ? PATH : `${PATH}/revoke` }),
    'as HTTP/1.0 that stays': () => ({ version: '1.0', headers: ['Connection: keep-alive'] }),
    'with a body that is cut': () => ({ body: '{' }),
    'with a body of another type': () => ({ headers: ['Content-Encoding: gzip'] }),
    'with an id of its own': (index) => ({ headers: [`X-Request-Id: ${index}`] })
  }
  for (const [name, make] of Object.entries(tricks)) {
    const { url, secret, counted } = await listeningHost(t, { address: { max: 3 }, credential: false })
    const connection = await openRaw(t, url)
    connection.send(Array.from({ length: 8 }, (_, index) => message(make(index, secret))).join(''))
    const found = await until(() => connection.statuses().length >= 8 && connection.statuses())
    t.strictSame(found.map((status) => status === 429), [false, false, false, true, true, true, true, true], `${name}: ${found.join()}`)
    t.equal(counted(), 8, name)

    const fresh = await openRaw(t, url)
    fresh.send(message(make(8, secret)))
    t.strictSame(await until(() => fresh.statuses().length > 0 && fresh.statuses()), [429], `${name}: nor on a new connection`)
  }
})

inEveryHost(t, 'nor does one that would rather be a WebSocket', async (t) => {
  const { url } = await listeningHost(t, { address: { max: 2 } })
  const found = []
  for (let index = 0; index < 4; index++) {
    const connection = await openRaw(t, url)
    connection.send(message({ method: 'GET', headers: ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=='], body: '' }))
    found.push(await until(() => connection.statuses()[0]))
  }
  t.strictSame(found, [405, 405, 429, 429])
})

inEveryHost(t, 'a path is one of ours, with our limit, or nothing', async (t) => {
  const targets = [
    '/VIEWER/Sessions', `/${PATH}`, '/viewer//sessions', `${PATH}/`, `${PATH}//`, `${PATH};a=b`, '/viewer%2Fsessions', '/viewer%2fsessions', '/viewer/./sessions', '/viewer/../viewer/sessions', '/./viewer/sessions', '/viewer\\sessions', `${PATH}%00`, `${PATH}%20`, `${PATH}.json`, `${PATH}#x`, `${PATH}%23x`,
    `${PATH}%3Fx`, '/viewer/sessions%2Frevoke', `${PATH}/revoke/`, '/viewer/%C5%BFessions', '/%2576iewer/sessions', '*', 'viewer/sessions', '//example/viewer/sessions'
  ]
  const outcomes = []
  for (const target of targets) {
    const { url } = await listeningHost(t, { address: { max: 2 } })
    const connection = await openRaw(t, url)
    connection.send(Array.from({ length: 4 }, () => message({ target })).join(''))
    const found = await until(() => (connection.statuses().length >= 4 || connection.isEnded()) && connection.statuses())
    const outcome = [[401, 401, 429, 429], [404, 404, 404, 404], [400, 400, 400, 400], [400]].findIndex((expected) => expected.join() === found.join())
    t.not(outcome, -1, `${target}: ${found.join()}`)
    outcomes.push(outcome)
  }
  t.ok(outcomes.includes(0) && outcomes.includes(1), 'some of them are, and some are not')
})

inEveryHost(t, 'who hangs up has counted all the same', async (t) => {
  const { url, secret, counted, from } = await hangUpHost(t)
  const key = `X-API-Key: ${secret}`
  const head = (headers: readonly string[]) => [`POST ${PATH} HTTP/1.1`, 'Host: example', 'Content-Type: application/json', key, ...headers, '', ''].join('\r\n')
  const parts = {
    'before its body': head(['Content-Length: 100']),
    'within its body': `${head(['Content-Length: 100'])}{"exp":`,
    'within a chunk': `${head(['Transfer-Encoding: chunked'])}ff\r\n{`,
    'after its body': message({ headers: [key] }),
    'before its body is asked for': head(['Content-Length: 100', 'Expect: 100-continue'])
  }
  let expected = 0
  for (const [name, bytes] of Object.entries(parts)) {
    const connection = await openRaw(t, url)
    connection.send(bytes)
    connection.finish()
    // Both stages are through before the body is there.
    expected += 2
    await until(() => counted() === expected)
    t.pass(name)
  }
  const cut = await openRaw(t, url)
  cut.send(head(['Content-Length: 2']).slice(0, -2))
  cut.finish()
  await until(() => cut.isEnded())
  t.equal(counted(), expected, 'what is no request yet does not')
  t.equal((await from()).headers.get('ratelimit'), `"address";r=${100 - Object.keys(parts).length - 1};t=60`)
})

async function hangUpHost (t: Test) {
  const host = await listeningHost(t, { address: { max: 100 }, credential: { max: 1000 } })
  return { ...host, from: () => fetch(host.url + PATH, { method: 'POST', headers: { 'x-api-key': host.secret, 'content-type': 'application/json' }, body: '{}' }) }
}

inEveryHost(t, 'all who come over a Unix socket are one client', async (t) => {
  const { app } = await sessionHost(t, { flow: { limits: { address: { max: 3 } } } })
  const socketPath = join(temporaryFolder(t), 'socket')
  await app.listen({ path: socketPath })
  const send = () => new Promise<[number | undefined, unknown]>((resolve, reject) => {
    request({ socketPath, method: 'POST', path: PATH, agent: false }, (response) => {
      response.resume()
      resolve([response.statusCode, response.headers['ratelimit']])
    }).on('error', reject).end()
  })
  t.strictSame([await send(), await send(), await send(), await send()], [[401, '"address";r=2;t=60'], [401, '"address";r=1;t=60'], [401, '"address";r=0;t=60'], [429, '"address";r=0;t=60']])
})

const SERVER = `
  import Fastify from 'fastify'
  import { createApiKeyRegistry } from 'fastify-doc-tokens/credentials'
  import { createKeyRing, generateKey } from 'fastify-doc-tokens/keys'
  import { sessionIssuance } from 'fastify-doc-tokens/session-issuance'
  import { openLmdbStore } from 'fastify-doc-tokens/stores/lmdb'
  const [path, limits] = JSON.parse(process.argv[1])
  const store = await openLmdbStore({ path })
  const keys = createKeyRing([{ key: await generateKey('ES256') }])
  const app = Fastify()
  await app.register(sessionIssuance, { issuer: 'https://tokens.example', keys, store, credentials: createApiKeyRegistry({ store }), limits })
  console.log(await app.listen({ port: 0, host: '127.0.0.1' }))
`

t.test('two processes over one store allow exactly the limit in all (T29)', async (t) => {
  const path = join(temporaryFolder(t), 'store')
  const store = await openLmdbStore({ path })
  t.teardown(() => store.close())
  const registry = createApiKeyRegistry({ store })
  const HOUR = 3_600_000
  const limits: MachineLimits = { address: { max: 300, timeWindow: HOUR }, credential: { max: 20, timeWindow: HOUR }, failures: { max: 5, timeWindow: HOUR } }
  const programs = [0, 1].map(() => startProgram(t, process.execPath, ['--input-type=module', '--eval', SERVER, JSON.stringify([path, limits])]))
  const urls = await Promise.all(programs.map(async (program) => await until(() => {
    if (program.process.exitCode !== null) throw new Error(program.output())
    return /^http:\S+/.exec(program.stdout())?.[0]
  })))
  const send = async (index: number, key: string): Promise<number> => {
    const reply = await fetch(`${urls[index % 2]}${PATH}`, { method: 'POST', headers: { 'x-api-key': key, 'content-type': 'application/json' }, body: '{}' })
    await reply.arrayBuffer()
    return reply.status
  }
  const sendMany = async (count: number, key: () => string): Promise<Record<number, number>> => {
    const found: Record<number, number> = {}
    for (const status of await Promise.all(Array.from({ length: count }, (_, index) => send(index, key())))) found[status] = (found[status] ?? 0) + 1
    return found
  }

  const { secret } = await registry.create()
  t.strictSame(await sendMany(60, () => secret), { 201: 20, 429: 40 }, 'by credential')

  const { record: { id }, secret: guarded } = await registry.create()
  const wrong = createSecret('key', id)
  const outcomes = []
  for (let index = 0; index < 7; index++) outcomes.push(await send(index, wrong))
  t.strictSame(outcomes, [401, 401, 401, 401, 401, 429, 429])
  t.strictSame([await send(0, guarded), await send(1, guarded)], [429, 429], 'a lock')

  // What came before is 60 + 7 + 2.
  t.strictSame(await sendMany(400, () => createSecret('key')), { 401: 231, 429: 169 }, 'by address, with a key that changes')
  t.strictSame(await sendMany(2, () => secret), { 429: 2 })
})
