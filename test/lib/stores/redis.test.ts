import { generateKeyPairSync } from 'node:crypto'
import { inspect } from 'node:util'
import { Cluster, Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { openWith } from '../../../lib/stores/redis/open.ts'
import { openRedisStore, type RedisClient, type RedisStoreOptions } from '../../../lib/stores/redis.ts'
import { type TokenStore } from '../../../lib/stores/token-store.ts'
import { until } from '../../support/example-server.ts'
import { quietPort, type RedisServer, skipWithoutRedis, startCluster, startRedis } from '../../support/redis-servers.ts'

const STRICT = { autoResendUnfulfilledCommands: false, maxRetriesPerRequest: 0, commandTimeout: 300 } as const
const A = Uint8Array.of(1, 97)
const B = Uint8Array.of(1, 98)
const MINUTE = 60_000
const UNAVAILABLE = { code: 'FDT_STORE_UNAVAILABLE', statusCode: 503 }
const WARNED = /unencrypted/

const addressOf = ({ host, port }: RedisServer) => ({ host, port })

interface Told {
  store: TokenStore
  warnings: string[]
  errors: string[]
}

async function open (t: Test, options: Partial<RedisStoreOptions>): Promise<Told> {
  const [warnings, errors]: [string[], string[]] = [[], []]
  const store = await openRedisStore({
    prefix: 'test:',
    onWarning: (message) => { warnings.push(message) },
    onError: (error) => { errors.push(inspect(error, { depth: 20, showHidden: true })) },
    ...options
  })
  t.teardown(() => store.close())
  return { store, warnings, errors }
}

async function failureOf (work: Promise<unknown>): Promise<unknown> {
  return await work.then(() => new Error('it works'), (error) => error)
}

/** A client of ioredis that never connects. */
function idle (t: Test, options: object): Redis {
  const client = new Redis({ ...STRICT, lazyConnect: true, ...options })
  t.teardown(() => client.disconnect())
  return client
}

function idleCluster (t: Test, options: object, redisOptions: object = {}): Cluster {
  const client = new Cluster([{ host: '127.0.0.1', port: 1 }], { lazyConnect: true, retryDelayOnFailover: 0, ...options, redisOptions: { ...STRICT, ...redisOptions } })
  t.teardown(() => client.disconnect())
  return client
}

t.test('refuses bad options, by name and without their values', async (t) => {
  const url = 'redis://127.0.0.1:1'
  const nodes = [{ host: '127.0.0.1', port: 1 }]
  const sentinel = { nodes, name: 'main' }
  const given: Array<[string, object | null | undefined]> = [
    ['options', undefined],
    ['options', null],
    ['prefx', { prefx: 'x', prefix: 'x', url }],
    ...[undefined, null, 1, '', 'x'.repeat(65), 'SECRET{', 'SECRET*', 'SECRET ', 'é', 'SECRET\n'].map((prefix): [string, object] => ['prefix', { prefix, url }]),
    ['url', {}],
    ['sentinel', { url, sentinel }],
    ['client', { url, client: idle(t, {}) }],
    ...[null, 1, '', 'SECRET', 'http://SECRET', 'redis:SECRET', 'redis://', 'redis:///SECRET', 'redis://127.0.0.1/SECRET', 'redis://127.0.0.1/1/SECRET', 'redis://127.0.0.1/1?SECRET=1', 'redis://127.0.0.1?SECRET=1', 'redis://127.0.0.1#SECRET',
      'redis://SECRET@127.0.0.1', 'redis://SECRET:@127.0.0.1', 'redis://:SECRET%@127.0.0.1', 'redis://:SECRET%ff@127.0.0.1', 'redis://127.0.0.1:99999', 'redis://127.0.0.1:0', ' redis://SECRET', 'redis://SEC\tRET', 'redis://SEC%52ET', 'redis://SECRETé', 'redis://127.0.0.1/123456'
    ].map((url): [string, object] => ['url', { url }]),
    ...[null, 1, [], 'SECRET'].map((sentinel): [string, object] => ['sentinel', { sentinel }]),
    ['sentinel.role', { sentinel: { ...sentinel, role: 'SECRET' } }],
    ...[undefined, null, [], {}, 'SECRET', ['SECRET'], [null]].map((nodes): [string, object] => ['sentinel.nodes', { sentinel: { name: 'main', nodes } }]),
    ['sentinel.nodes.password', { sentinel: { name: 'main', nodes: [{ host: 'a', password: 'SECRET' }] } }],
    ...[undefined, '', 1, 'SECRET/'].map((host): [string, object] => ['sentinel.nodes.host', { sentinel: { name: 'main', nodes: [{ host }] } }]),
    ...[null, 0, 65_536, '6379'].map((port): [string, object] => ['sentinel.nodes.port', { sentinel: { name: 'main', nodes: [{ host: 'a', port }] } }]),
    ...[undefined, null, 1, '', 'SECRET SECRET'].map((name): [string, object] => ['sentinel.name', { sentinel: { nodes, name } }]),
    ...['username', 'password', 'sentinelUsername', 'sentinelPassword'].flatMap((name) => [null, 1, ''].map((value): [string, object] => [`sentinel.${name}`, { sentinel: { ...sentinel, [name]: value } }])),
    ['sentinel.password', { sentinel: { ...sentinel, username: 'SECRET' } }],
    ['sentinel.sentinelPassword', { sentinel: { ...sentinel, sentinelUsername: 'SECRET' } }],
    ['sentinel.db', { sentinel: { ...sentinel, db: -1 } }],
    ...[null, 1, []].map((cluster): [string, object] => ['cluster', { cluster }]),
    ['cluster.db', { cluster: { nodes, db: 1 } }],
    ['cluster.nodes', { cluster: { nodes: [] } }],
    ['cluster.password', { cluster: { nodes, username: 'SECRET' } }],
    ...[null, 1, {}, [], 'SECRET', { options: {}, on () {} }, { options: {}, on () {}, nodes () {} }].map((client): [string, object] => ['client', { client }]),
    ...[49, 801, 100.5, NaN, Infinity, '500', null].map((commandTimeout): [string, object] => ['commandTimeout', { url, commandTimeout }]),
    ['commandTimeout', { client: idle(t, {}), commandTimeout: 500 }],
    ...[true, {}].map((tls): [string, object] => ['tls', { url, tls }]),
    ...[true, null, 1, [], 'SECRET'].map((tls): [string, object] => ['tls', { url: 'rediss://127.0.0.1:1', tls }]),
    ['tls', { client: idle(t, {}), tls: {} }],
    ['tls', { sentinel, tls: false }],
    ['tls.rejectUnauthorized', { sentinel, tls: { rejectUnauthorized: false } }],
    ...['ca', 'cert', 'key'].flatMap((name) => ['', 'SECRET', 1, null].map((pem): [string, object] => [`tls.${name}`, { sentinel, tls: { [name]: pem } }])),
    ['tls.ca', { sentinel, tls: { ca: [] } }],
    ...['', 1].map((servername): [string, object] => ['tls.servername', { sentinel, tls: { servername } }]),
    ...[null, 1, []].map((waitForReplicas): [string, object] => ['waitForReplicas', { url, waitForReplicas }]),
    ['waitForReplicas.many', { url, waitForReplicas: { replicas: 1, many: 1 } }],
    ...[undefined, 0, 1.5, 101, '1'].map((replicas): [string, object] => ['waitForReplicas.replicas', { url, waitForReplicas: { replicas } }]),
    ...[0, 501, 1.5, null].map((timeout): [string, object] => ['waitForReplicas.timeout', { url, waitForReplicas: { replicas: 1, timeout } }]),
    ['allowEviction', { url, allowEviction: 1 }],
    ['onWarning', { url, onWarning: 1 }],
    ['onError', { url, onError: null }]
  ]
  for (const [name, options] of given) {
    const prefixed = options && { prefix: 'test:', ...options }
    const error = await failureOf(openRedisStore(prefixed as unknown as RedisStoreOptions)) // wrong on purpose
    t.match(error, { code: 'FDT_INVALID_OPTION', message: new RegExp(`"${name.replaceAll('.', '\\.')}"`) }, name)
    t.notMatch(inspect(error, { depth: 20 }), /SECRET/)
  }
})

t.test('a client of the host must not send twice, read elsewhere, or rename', async (t) => {
  const bad: Array<[string, RedisClient]> = [
    ...[true, undefined].map((value): [string, RedisClient] => ['client.autoResendUnfulfilledCommands', idle(t, { autoResendUnfulfilledCommands: value })]),
    ...[20, null, 1].map((value): [string, RedisClient] => ['client.maxRetriesPerRequest', idle(t, { maxRetriesPerRequest: value })]),
    ...[undefined, 0, 801, '500', Infinity].map((value): [string, RedisClient] => ['client.commandTimeout', idle(t, { commandTimeout: value })]),
    ...[null, () => null, (times: number) => times < 20 ? 50 : undefined].map((value): [string, RedisClient] => ['client.retryStrategy', idle(t, { retryStrategy: value })]),
    ['client.sentinelRetryStrategy', idle(t, { sentinels: [{ host: '127.0.0.1', port: 1 }], failoverDetector: true, name: 'main', sentinelRetryStrategy: () => null })],
    ['client.clusterRetryStrategy', idleCluster(t, { clusterRetryStrategy: () => null })],
    ['client.reconnectOnError', idle(t, { reconnectOnError: () => 2 })],
    ['client.keyPrefix', idle(t, { keyPrefix: 'a' })],
    ['client.enableAutoPipelining', idle(t, { enableAutoPipelining: true })],
    ['client.readOnly', idle(t, { readOnly: true })],
    ['client.monitor', idle(t, { monitor: true })],
    ['client.role', idle(t, { sentinels: [{ host: '127.0.0.1', port: 1 }], failoverDetector: true, name: 'main', role: 'slave' })],
    ['client.failoverDetector', idle(t, { sentinels: [{ host: '127.0.0.1', port: 1 }], name: 'main' })],
    ['client.tls', idle(t, { tls: { rejectUnauthorized: false } })],
    ['client.sentinelTLS', idle(t, { sentinelTLS: { rejectUnauthorized: false } })],
    ['client.retryDelayOnFailover', idleCluster(t, { retryDelayOnFailover: 100 })],
    ...['slave', 'all', () => []].map((value): [string, RedisClient] => ['client.scaleReads', idleCluster(t, { scaleReads: value })]),
    ['client.keyPrefix', idleCluster(t, { keyPrefix: 'a' })],
    ['client.enableAutoPipelining', idleCluster(t, { enableAutoPipelining: true })],
    ['client.redisOptions.autoResendUnfulfilledCommands', idleCluster(t, {}, { autoResendUnfulfilledCommands: true })],
    ['client.redisOptions.commandTimeout', idleCluster(t, {}, { commandTimeout: undefined })],
    ['client.redisOptions.maxRetriesPerRequest', idleCluster(t, {}, { maxRetriesPerRequest: 20 })],
    ['client.redisOptions.tls', idleCluster(t, {}, { tls: { rejectUnauthorized: false } })]
  ]
  for (const [name, client] of bad) {
    await t.rejects(openRedisStore({ prefix: 'test:', client }), { code: 'FDT_INVALID_OPTION', message: new RegExp(`"${name.replaceAll('.', '\\.')}"`) }, name)
  }
  const closed = idle(t, {})
  closed.disconnect()
  await t.rejects(openRedisStore({ prefix: 'test:', client: closed }), { code: 'FDT_INVALID_OPTION', message: /"client"/ })
})

t.test('says so when ioredis is not installed, and does not need it with a client of the host', async (t) => {
  const cause = Object.assign(new TypeError('Cannot find package'), { code: 'ERR_MODULE_NOT_FOUND' })
  await t.rejects(openWith(() => Promise.reject(cause), { prefix: 'test:', url: 'redis://127.0.0.1:1' }), { code: 'FDT_MISSING_PEER', message: /"ioredis"/, cause })
  const client = idle(t, { port: 1, retryStrategy: () => 1e6 })
  client.on('error', () => {})
  await (await openWith(() => Promise.reject(cause), { prefix: 'test:', client })).close()
})

t.test('warns of a way that others can listen to', async (t) => {
  const there = [{ host: '192.0.2.1' }]
  const cases: Array<[Partial<RedisStoreOptions>, boolean]> = [
    [{ url: 'redis://127.8.8.8:1' }, false],
    [{ url: 'redis://[::1]:1/' }, false],
    [{ url: 'redis://localhost:1' }, false],
    [{ url: 'rediss://192.0.2.1' }, false],
    [{ url: 'redis://192.0.2.1/3' }, true],
    [{ sentinel: { nodes: there, name: 'main' } }, true],
    [{ cluster: { nodes: [{ host: '127.0.0.1', port: 1 }, ...there] } }, true],
    [{ cluster: { nodes: there }, tls: true }, false]
  ]
  await Promise.all(cases.map(async ([options, isWarned]) => {
    const { store, warnings } = await open(t, options)
    t.match(warnings, isWarned ? [WARNED] : [], JSON.stringify(options))
    t.equal(warnings.length, isWarned ? 1 : 0)
    await store.close()
  }))
  const warned = new Promise<Error>((resolve) => { process.once('warning', resolve) })
  await (await openRedisStore({ prefix: 'test:', url: 'redis://192.0.2.1', commandTimeout: 50 })).close()
  t.match(await warned, { name: 'Warning', message: WARNED }, 'to process.emitWarning')
})

t.test('warns of a server elsewhere that it was sent to, as by a Sentinel on this machine', { skip: skipWithoutRedis }, async (t) => {
  const [plain, secret] = await Promise.all([startRedis(t), startRedis(t, { tls: 'right name' })])
  const cases: Array<[address: string, options: Partial<RedisStoreOptions>, isWarned: boolean]> = [
    ['192.0.2.1', { url: plain.url }, true],
    ['::ffff:127.0.0.1', { url: plain.url }, false],
    ['192.0.2.1', { url: secret.url, tls: { ca: secret.ca } }, false]
  ]
  for (const [address, options, isWarned] of cases) {
    class Elsewhere extends Redis {
      constructor (...args: ConstructorParameters<typeof Redis>) {
        super(...args)
        this.on('connect', () => { Object.defineProperty(this.stream, 'remoteAddress', { value: address }) })
      }
    }
    const warnings: string[] = []
    const load = async () => ({ Redis: Elsewhere, Cluster })
    const store = await openWith(load, { prefix: 'test:', onWarning: (message) => { warnings.push(message) }, ...options })
    t.teardown(() => store.close())
    await store.set('a', A)
    t.match(warnings, isWarned ? [WARNED] : [], address)
    t.equal(warnings.length, isWarned ? 1 : 0)
  }
})

t.test('the URL holds host, port, user, password and database', { skip: skipWithoutRedis }, async (t) => {
  const server = await startRedis(t, { args: ['--requirepass', 'p@ss:/%é', '--user', 'ü:n', 'on', '>s/ecret', '~*', '+@all'] })
  const password = encodeURIComponent('p@ss:/%é')
  const { host, port } = server
  const cli = (...args: string[]) => server.cli('-a', 'p@ss:/%é', '--no-auth-warning', ...args)
  const good = [`redis://:${password}@${host}:${port}`, `redis://default:${password}@${host}:${port}/5`, `redis://${encodeURIComponent('ü:n')}:${encodeURIComponent('s/ecret')}@${host}:${port}/15`]
  for (const [index, url] of good.entries()) {
    const { store } = await open(t, { url })
    await store.set(`key ${index}`, A)
    t.equal(await cli('-n', String([0, 5, 15][index]), 'GET', `test:v:key ${index}`), '\x01a')
  }
  for (const [url, word] of [[`redis://:SECRET@${host}:${port}`, 'WRONGPASS'], [`redis://SECRET:SECRET@${host}:${port}`, 'WRONGPASS'], [`redis://${host}:${port}`, 'NOAUTH'], [`redis://:${password}@${host}:${port}/16`, 'database']]) {
    const error = await failureOf(open(t, { url: String(url) }))
    t.match(error, { code: 'FDT_INVALID_OPTION', message: new RegExp(String(word)) })
    t.notMatch(inspect(error, { depth: 20, showHidden: true }), /SECRET|p@ss/)
  }
})

t.test('TLS is verified', { skip: skipWithoutRedis }, async (t) => {
  const [right, wrong] = await Promise.all([startRedis(t, { tls: 'right name' }), startRedis(t, { tls: 'wrong name' })])
  const { store, warnings } = await open(t, { url: right.url, tls: { ca: right.ca } })
  await store.set('a', A)
  t.same(warnings, [])
  const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' })
  await t.rejects(open(t, { url: right.url, tls: { key } }), { code: 'FDT_INVALID_OPTION', message: /"tls.cert"/ })
  await t.rejects(open(t, { url: right.url, tls: { cert: right.ca } }), { code: 'FDT_INVALID_OPTION', message: /"tls.key"/ })
  await t.rejects(open(t, { url: right.url, tls: { cert: right.ca, key } }), { code: 'FDT_INVALID_OPTION', message: /"tls.key"/ }, 'of another certificate')
  await (await open(t, { url: wrong.url, tls: { ca: [wrong.ca], servername: 'redis.example.com' } })).store.set('a', A)

  process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0'
  t.teardown(() => { delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'] })
  await t.rejects(open(t, { url: right.url }), { code: 'FDT_INVALID_OPTION', message: /"tls".*(CERT|UNABLE_TO)/ }, 'whatever the environment says')
  await t.rejects(open(t, { url: wrong.url, tls: { ca: wrong.ca } }), { code: 'FDT_INVALID_OPTION', message: /"tls".*ERR_TLS_CERT_ALTNAME_INVALID/ })
  delete process.env['NODE_TLS_REJECT_UNAUTHORIZED']
  const client = new Redis({ ...STRICT, ...addressOf(right), tls: {}, lazyConnect: true })
  client.on('error', () => {})
  t.teardown(() => client.disconnect())
  await t.rejects(open(t, { client }), { code: 'FDT_INVALID_OPTION', message: /"client".*(CERT|UNABLE_TO)/ })
})

t.test('a user of Redis needs no more than this', { skip: skipWithoutRedis }, async (t) => {
  const server = await startRedis(t)
  const commands = ['+get', '+set', '+del', '+eval', '+evalsha', '+incr', '+pexpire', '+pexpiretime', '+scan', '+ping', '+config|get']
  const url = `redis://store:secret@${server.host}:${server.port}`
  const grant = (list: string[]) => server.cli('ACL', 'SETUSER', 'store', 'reset', 'on', '>secret', '~test:*', ...list)

  await grant(commands)
  await exercise(t, (await open(t, { url })).store)
  t.equal(await server.cli('ACL', 'LOG'), '', 'nothing else was tried')

  for (const missing of commands) {
    await server.cli('FLUSHALL')
    await server.cli('SCRIPT', 'FLUSH')
    await grant(commands.filter((command) => command !== missing))
    const { store, warnings } = await open(t, { url }).catch(() => ({ store: undefined, warnings: [] }))
    if (missing === '+config|get') t.match(warnings, [/maxmemory-policy/], 'one warning')
    else await t.rejects(async () => { await exercise(t, store) }, missing)
  }
  await grant([...commands.filter((command) => command !== '+config|get'), '+info'])
  t.same((await open(t, { url })).warnings, [], 'INFO says it too')
})

async function exercise (t: Test, store: TokenStore | undefined): Promise<void> {
  if (store === undefined) throw new TypeError('it did not open')
  await store.set('a', A)
  t.equal(await store.add('b', A, { ttl: MINUTE }), true)
  t.equal(await store.replace('a', A, B, { ttl: MINUTE }), true)
  t.same(await store.get('a'), B)
  for await (const { key } of store.scan('')) t.ok(['a', 'b'].includes(key))
  t.same(await store.take('b'), A)
  t.equal(await store.delete('a'), true)
  t.ok((await store.increment('a', MINUTE)).count > 0)
  await store.ping()
}

t.test('a policy that throws keys away is refused', { skip: skipWithoutRedis }, async (t) => {
  const server = await startRedis(t, { args: ['--user', 'nothing', 'on', '>secret', '~*', '+@all', '-config', '-info'] })
  const [url, mute] = [server.url, server.url.replace('//', '//nothing:secret@')]
  for (const policy of ['allkeys-lru', 'allkeys-lfu', 'allkeys-random', 'volatile-lru', 'volatile-lfu', 'volatile-random', 'volatile-ttl']) {
    await server.cli('CONFIG', 'SET', 'maxmemory-policy', policy)
    await t.rejects(open(t, { url }), { code: 'FDT_INVALID_OPTION', message: new RegExp(policy) })
  }
  const { store, warnings } = await open(t, { url, allowEviction: true })
  await store.set('a', A)
  t.same(warnings, [])
  const unread = await open(t, { url: mute })
  await unread.store.set('a', A)
  t.match(unread.warnings, [/maxmemory-policy/])

  await server.cli('CONFIG', 'SET', 'maxmemory-policy', 'noeviction')
  const later = await open(t, { url })
  await later.store.set('a', A)
  await server.cli('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru')
  await server.cli('CLIENT', 'KILL', 'TYPE', 'normal')
  await until(() => later.errors.some((error) => error.includes('allkeys-lru')) || later.store.get('a').then(() => false, () => false))
  await t.rejects(later.store.get('a'), { ...UNAVAILABLE, cause: { message: /allkeys-lru/ } }, 'with the next connection')
  await server.cli('CONFIG', 'SET', 'maxmemory-policy', 'noeviction')
  await until(() => later.store.get('a').then(() => true, () => false))
  await until(() => unread.store.get('a').then(() => true, () => false))
  t.equal(unread.warnings.length, 1, 'one warning, however often it connects')
})

t.test('a replica is no primary', { skip: skipWithoutRedis }, async (t) => {
  const [primary, replica] = await Promise.all([startRedis(t), startRedis(t)])
  const { store } = await open(t, { url: replica.url })
  await store.set('a', A)
  await replica.cli('REPLICAOF', primary.host, String(primary.port))
  await t.rejects(store.set('a', B), { ...UNAVAILABLE, cause: { code: 'READONLY' } })
  await t.rejects(until(async () => { await store.get('a') }), UNAVAILABLE, 'and is not read from')
  const opened = await open(t, { url: replica.url })
  await t.rejects(opened.store.get('a'), UNAVAILABLE)
  await replica.cli('REPLICAOF', 'NO', 'ONE')
  await until(() => opened.store.get('a').then(() => true, () => false))
})

t.test('a full Redis', { skip: skipWithoutRedis }, async (t) => {
  const server = await startRedis(t)
  const { store } = await open(t, { url: server.url })
  await store.set('a', A)
  await store.increment('a', MINUTE)
  await server.cli('CONFIG', 'SET', 'maxmemory', '1')
  const full = { code: 'FDT_STORE_FULL', statusCode: 503 }
  await t.rejects(store.set('b', A), full)
  await t.rejects(store.add('b', A), full)
  await t.rejects(store.replace('a', A, B), full)
  await t.rejects(store.increment('a', MINUTE), full)
  t.same(await store.get('a'), A)
  t.equal(await store.delete('a'), true, 'room can be made')
})

t.test('what is durable is with the replicas', { skip: skipWithoutRedis }, async (t) => {
  const [primary, replica] = await Promise.all([startRedis(t, { args: ['--repl-diskless-sync-delay', '0'] }), startRedis(t)])
  const { store } = await open(t, { url: primary.url, commandTimeout: 800, waitForReplicas: { replicas: 1, timeout: 300 } })
  const durable = { durable: true }
  await store.set('a', A)
  await t.rejects(store.delete('a', durable), { ...UNAVAILABLE, cause: { message: /0 of 1 replicas/ } })
  t.equal(await store.get('a'), undefined, 'it has happened all the same')
  await t.rejects(store.delete('a', durable), UNAVAILABLE, 'and is not called done by the second time')

  await replica.cli('REPLICAOF', primary.host, String(primary.port))
  await until(() => store.delete('a', durable).then(() => true, () => false))
  await store.set('a', A, durable)
  t.equal(await store.add('a', B, durable), false)
  t.equal(await store.add('b', A, { ttl: MINUTE, durable: true }), true)
  t.equal(await store.add('c', A, durable), true)
  t.equal(await store.replace('a', A, B, durable), true)
  t.equal(await store.replace('a', A, B, durable), false)
  t.equal(await store.replace('d', A, B, durable), false)
  t.equal((await store.increment('a', MINUTE, durable)).count, 1)
  t.equal(await store.delete('c', durable), true)
  t.same([await store.get('a'), await store.get('d')], [B, undefined])
  t.ok(Number(await primary.cli('PTTL', 'test:v:b')) > MINUTE / 2)

  // Redis 7.0 waits for all that was written; since 7.2 for what its connection has written, so there must be something.
  await primary.cli('CONFIG', 'RESETSTAT')
  t.same([await store.add('a', B, durable), await store.replace('a', A, B, durable), await store.replace('d', A, B, durable), await store.delete('d', durable)], [false, false, false, false])
  t.match(await primary.cli('INFO', 'commandstats'), /cmdstat_set:calls=4,/)
  t.same([await store.get('a'), await store.get('d')], [B, undefined], 'and it changes nothing')

  await primary.cli('CONFIG', 'RESETSTAT')
  const many = await Promise.all(Array.from({ length: 500 }, () => store.increment('many', MINUTE, durable)))
  t.equal(new Set(many.map(({ count }) => count)).size, 500)
  // What was sent behind a WAIT is not in its answer.
  t.match(await primary.cli('INFO', 'commandstats'), /cmdstat_wait:calls=2,/, 'the first waits, and the others share the next one')

  // A connection of its own: WAIT knows of nothing that was written before.
  replica.stop()
  await store.delete('a')
  await t.rejects(store.add('b', A, durable), UNAVAILABLE)
  await primary.cli('CLIENT', 'KILL', 'TYPE', 'normal')
  await until(() => store.get('b').then(() => true, () => false))
  const outcome = (write: () => Promise<unknown>) => until(() => write().then(() => 'acknowledged', ({ cause }) => /^The write has reached/.test(cause?.message) && 'refused'))
  t.equal(await outcome(() => store.delete('a', durable)), 'refused')
  t.equal(await outcome(() => store.add('b', A, durable)), 'refused')
  t.equal(await outcome(() => store.replace('a', A, B, durable)), 'refused')
  t.same(await store.get('b'), A, 'nobody else is held up')
  replica.go()
})

t.test('no error tells a password, a key or a value', { skip: skipWithoutRedis }, async (t) => {
  const server = await startRedis(t, { args: ['--requirepass', 'SECRET'] })
  const { store, errors, warnings } = await open(t, { url: server.url.replace('//', '//:SECRET@') })
  const cli = (...args: string[]) => server.cli('-a', 'SECRET', '--no-auth-warning', ...args)
  const value = Buffer.from('\x01SECRET value')
  await cli('LPUSH', 'test:v:SECRET list', 'x')
  await cli('SET', 'test:c:SECRET counter', 'SECRET')
  const found: unknown[] = []
  const collect = async (work: Promise<unknown>) => { found.push(await failureOf(work)) }
  for (const failing of [() => store.get('SECRET list'), () => store.take('SECRET list'), () => store.replace('SECRET list', value, value), () => store.increment('SECRET counter', MINUTE)]) await collect(failing())
  await cli('CONFIG', 'SET', 'maxmemory', '1')
  await collect(store.set('SECRET', value))
  await cli('CONFIG', 'SET', 'maxmemory', '0', 'requirepass', 'another')
  await server.cli('-a', 'another', '--no-auth-warning', 'CLIENT', 'KILL', 'TYPE', 'normal')
  await until(() => errors.some((error) => error.includes('WRONGPASS')) || store.get('SECRET').then(() => false, () => false))
  await collect(store.set('SECRET', value))
  await server.kill()
  await collect(store.set('SECRET', value))
  await store.close()
  await collect(store.set('SECRET', value))

  t.equal(found.length, 8)
  const text = [...found.map((error) => inspect(error, { depth: 20, showHidden: true })), ...errors, ...warnings].join('\n')
  t.notMatch(text, /SECRET/)
  for (const word of ['WRONGTYPE', 'OOM', 'WRONGPASS', 'ERR']) t.match(text, word)
})

t.test('close ends what is ours, and leaves what is not', { skip: skipWithoutRedis }, async (t) => {
  const server = await startRedis(t)
  const cluster = await startCluster(t)
  const lone = new Redis({ ...STRICT, ...addressOf(server) })
  const many = new Cluster(cluster.nodes.map(addressOf), { retryDelayOnFailover: 0, redisOptions: STRICT })
  t.teardown(() => {
    lone.disconnect()
    many.disconnect()
  })
  await until(() => many.status === 'ready' && lone.status === 'ready')
  await many.ping()
  const listeners = () => [lone, many, ...many.nodes('master')].map((client) => client.eventNames().map((name) => `${String(name)} ${client.listenerCount(name)}`).sort())
  const before = listeners()
  for (const client of [lone, many]) {
    const { store } = await open(t, { client, waitForReplicas: { replicas: 1 } })
    const late = store.set('a', A)
    await store.close()
    await late
    await t.rejects(store.get('a'), UNAVAILABLE)
  }
  t.same(listeners(), before, 'no listener stays')
  t.equal(await lone.ping(), 'PONG')

  const { store } = await open(t, { url: server.url })
  const connections = async () => (await server.cli('CLIENT', 'LIST', 'TYPE', 'normal')).split('\n').length
  t.equal(await connections(), 3, 'redis-cli, the host, the store')
  await store.close()
  await until(async () => await connections() === 2)
  const refused = await open(t, { url: `redis://127.0.0.1:${await quietPort()}` })
  const start = performance.now()
  await refused.store.close()
  t.ok(performance.now() - start < 500)
})
