import { randomBytes } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type Answer, call, formOf, getToken, issue, list, read, revoke } from '../support/example-client.ts'
import { type ExampleServer, firstClient, firstKey, firstNotice, newDataDir, SERVER, startProgram, startServer, until } from '../support/example-server.ts'
import { quietPort, type RedisServer, skipWithoutRedis, startRedis } from '../support/redis-servers.ts'

const secret = (id: string) => `${id}:${randomBytes(32).toString('base64')}`
const SECRETS = { KEY_ENCRYPTION_KEY: secret('1'), TOKEN_PEPPER: secret('1'), EDITOR_SECRET: randomBytes(32).toString('base64url') }
const ISSUER = 'http://127.0.0.1:3000'
const env = (url: string) => ({ ...SECRETS, REDIS_URL: url, ISSUER, TRUST_PROXY: '127.0.0.1' })

/** Two servers with nothing in common but Redis and their secrets, and the API key that one of them has shown. */
async function startTwo (t: Test, redis: RedisServer): Promise<{ servers: [ExampleServer, ExampleServer], shown: ExampleServer, key: string }> {
  const inFile = join(t.testdir({ 'redis-url': `${redis.url}\n` }), 'redis-url')
  const servers = await Promise.all([startServer(t, { env: env(redis.url) }), startServer(t, { env: { ...env(''), REDIS_URL_FILE: inFile } })])
  const shown = await until(() => servers.find(({ dataDir }) => readdirSync(dataDir).includes('first-start.txt')))
  return { servers, shown, key: await firstKey(shown) }
}

const generate = (url: string, key: string, { path = '', body = { file: 'contract' }, headers = {} }: { path?: string, body?: object, headers?: Record<string, string> } = {}) => {
  return call(`${url}${path}/generate`, { method: 'POST', body, headers: { 'x-api-key': key, ...headers } })
}
const tokenOf = ({ status, text, body }: Answer): string => {
  if (status !== 200) throw new Error(`no token: ${status} ${text}`)
  return (body as { token: string }).token // what 200 means
}
const verify = (url: string, token: string) => call(`${url}/verify`, { headers: { 'x-api-token': token } })
const statuses = (answers: readonly Answer[], wanted: number) => answers.filter(({ status }) => status === wanted).length

t.test('two processes with one Redis', { skip: skipWithoutRedis }, async (t) => {
  const redis = await startRedis(t)
  const { servers: [one, other], shown, key } = await startTwo(t, redis)
  const urls = [one.url, other.url] as const
  /** Asks both by turns, so many at a time that neither is late for Redis. */
  const spread = async (count: number, ask: (url: string) => Promise<Answer>): Promise<Answer[]> => {
    const answers: Answer[] = []
    while (answers.length < count) answers.push(...await Promise.all(Array.from({ length: 20 }, (_, index) => ask(index % 2 === 0 ? one.url : other.url))))
    return answers
  }

  await t.test('one of them shows one API key, which works at both', async (t) => {
    t.equal([one, other].filter(({ dataDir }) => readdirSync(dataDir).includes('first-start.txt')).length, 1)
    const [notice = ''] = (await Promise.all([one, other].filter(({ dataDir }) => readdirSync(dataDir).includes('first-start.txt')).map(({ dataDir }) => firstNotice(dataDir))))
    t.match(notice, 'This is the first start on this Redis.')
    t.match(notice, 'More clients: npx fastify-doc-tokens clients create, with REDIS_URL')
    t.notMatch(notice, redis.url)
    for (const url of urls) t.equal((await list(url, key)).status, 200)
    for (const { dataDir } of [one, other]) for (const name of ['store', 'key-encryption-key', 'token-pepper', 'editor-secret']) t.notOk(readdirSync(dataDir).includes(name), `no ${name}`)
  })

  await t.test('opaque tokens', async (t) => {
    for (const [here, there] of [urls, [other.url, one.url]] as const) {
      const token = tokenOf(await generate(here, key))
      t.match(await verify(there, token), { status: 200, body: { file: 'contract' } }, 'at once')
      t.equal((await call(`${there}/revoke`, { method: 'POST', headers: { 'x-api-key': key, 'x-api-token': token } })).status, 204)
      t.equal((await verify(here, token)).status, 403)
    }
    const single = tokenOf(await generate(one.url, key, { path: '/cad-editor' }))
    const pages = await spread(40, (url) => call(`${url}/cad-editor?apitoken=${single}`))
    t.strictSame([statuses(pages, 200), statuses(pages, 403)], [3, 37], 'three uses in all, not each')
  })

  await t.test('access tokens', async (t) => {
    const client = await firstClient(shown)
    const introspect = (url: string, token: string) => call(`${url}/connect/introspect`, { method: 'POST', form: { token, ...formOf(client) } })
    const formats = (url: string, bearer: string) => call(`${url}/v2.0/viewer/formats`, { bearer })
    for (const [here, there] of [urls, [other.url, one.url]] as const) {
      const token = await getToken(here, client)
      t.match(await introspect(there, token), { status: 200, body: { active: true, client_id: client.id } })
      t.match(await formats(there, token), { status: 200 })
      t.equal((await call(`${here}/connect/revocation`, { method: 'POST', form: { token, ...formOf(client) } })).status, 200)
      t.strictSame((await introspect(there, token)).body, { active: false })
      t.match(await formats(there, token), { status: 401, body: { error: 'invalid_token' } }, 'at once')
    }
  })

  await t.test('limits hold in all, not each', async (t) => {
    const headers = { 'x-forwarded-for': '192.0.2.1' }
    const answers = await spread(640, (url) => generate(url, key, { headers }))
    t.strictSame([statuses(answers, 200), statuses(answers, 429)], [600, 40])
  })

  await t.test('document sessions and what the editor is given', async (t) => {
    const token = await issue(one.url, key, { contract: ['read'] })
    for (const url of urls) t.equal((await read(url, token)).status, 200)
    t.equal((await revoke(other.url, key, { jwt: token })).status, 204)
    for (const url of urls) t.match(await read(url, token), { status: 401, body: { code: 'FDT_TOKEN_REVOKED' } })

    const { body } = await call(`${one.url}/editor/config`, { method: 'POST', bearer: key, body: { documentId: 'letter' } })
    const explained = await call(`${other.url}/editor/explain`, { method: 'POST', bearer: key, body: { token: (body as { token: string }).token } })
    t.match(explained, { status: 200, body: { accepted: true } })
  })

  await t.test('Redis is killed under traffic', async (t) => {
    const token = tokenOf(await generate(one.url, key))
    const end = new AbortController()
    const seen: Array<{ status: number, retryAfter: string | null, milliseconds: number }> = []
    const traffic = urls.map(async (url) => {
      while (!end.signal.aborted) {
        const started = performance.now()
        const { status, headers } = await verify(url, token)
        seen.push({ status, retryAfter: headers.get('retry-after'), milliseconds: performance.now() - started })
      }
    })
    const count = (wanted: number) => seen.filter(({ status }) => status === wanted).length
    await until(() => count(200) >= 20)
    await redis.kill()
    await until(() => count(503) >= 20)
    for (const url of urls) {
      t.match(await call(`${url}/health/ready`), { status: 503 })
      t.match(await call(`${url}/health/live`), { status: 200 })
      t.match(await call(`${url}/cad-editor?apitoken=${token}`), { status: 503, text: 'Not now' })
    }
    const before = count(200)
    await redis.restart()
    await until(() => count(200) >= before + 40)
    end.abort()
    await Promise.all(traffic)
    t.strictSame(seen.filter(({ status, retryAfter, milliseconds }) => (status !== 200 && status !== 503) || (status === 503 && retryAfter === null) || milliseconds > 1000), [], 'good or 503 with Retry-After, within a second')
    for (const url of urls) {
      t.equal((await call(`${url}/health/ready`)).status, 200)
      t.equal((await verify(url, tokenOf(await generate(url, key)))).status, 200)
    }
  })

  for (const server of [one, other]) {
    t.equal(await server.stop(), 0)
    t.equal(server.stderr(), '')
    t.match(server.stdout(), /"level":50.*"msg":"Redis is out of reach"/, 'the log tells of the outage')
  }
})

t.test('Redis that is not there yet', { skip: skipWithoutRedis }, async (t) => {
  const port = await quietPort()
  const start = () => startProgram(t, process.execPath, [SERVER], { env: { PORT: '0', DATA_DIR: newDataDir(t), ...env(`redis://127.0.0.1:${port}`) } })
  const told = 'Redis is out of reach (REDIS_URL): the server starts once it is there\n'
  const [patient, ended] = [start(), start()]
  for (const program of [patient, ended]) await until(() => program.stderr() !== '')
  const asked = performance.now()
  ended.process.kill('SIGTERM')
  await ended.ended
  t.ok(performance.now() - asked < 500, 'SIGTERM ends it at once')
  t.equal(ended.output(), told)

  const redis = await startRedis(t, { port })
  const url = await until(() => /"msg":"Server listening at (http:[^"]+)"/.exec(patient.stdout())?.[1])
  t.equal(patient.stderr(), told, 'which it says once')
  t.equal((await call(`${url}/health/ready`)).status, 200)
  patient.process.kill('SIGTERM')
  t.equal(await patient.ended, 0)
  t.ok(Number(await redis.cli('DBSIZE')) > 0)
  for (const key of (await redis.cli('KEYS', '*')).split('\n')) t.match(key, /^fastify-doc-tokens:/)
})

t.test('Redis that lets nobody in stops the server, now or when it comes', { skip: skipWithoutRedis }, async (t) => {
  const start = (url: string) => startProgram(t, process.execPath, [SERVER], { env: { PORT: '0', DATA_DIR: newDataDir(t), ...env(url) } })
  const check = async (program: ReturnType<typeof start>, before = '') => {
    t.equal(await program.ended, 1)
    t.match(program.stderr().slice(before.length), /^REDIS_URL cannot be used: [^\n]+\n$/)
    t.notMatch(program.output(), /wordOfAPass|@|127\.0\.0\.1/)
    t.equal(program.stdout(), '')
  }
  const port = await quietPort()
  const early = start(`redis://:wordOfAPass@127.0.0.1:${port}`)
  await until(() => early.stderr() !== '')
  const before = early.stderr()
  const redis = await startRedis(t, { port, args: ['--requirepass', 'another'] })
  await check(early, before)
  await check(start(`redis://:wordOfAPass@127.0.0.1:${port}`))
  await check(start(`redis://127.0.0.1:${port}`))
  t.match(await redis.cli('-a', 'another', '--no-auth-warning', 'PING'), 'PONG')
  const evicting = await startRedis(t, { args: ['--maxmemory-policy', 'allkeys-lru'] })
  await check(start(evicting.url))
})
