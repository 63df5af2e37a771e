import { mkdirSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { createApiKeyRegistry, parseSecret } from '../../lib/credentials/index.ts'
import { openLmdbStore } from '../../lib/stores/lmdb.ts'
import { claimsOf, headerOf, issue, list, read, revoke } from '../support/example-client.ts'
import { apiKeys, CLI, type ExampleServer, findKey, firstKey, freePort, newDataDir, run, startServer, until } from '../support/example-server.ts'

/** Two servers that start at the same moment, each on a port of its own. Nobody tells them who issues. */
async function startTwo (t: Test, dataDir = newDataDir(t)): Promise<[ExampleServer, ExampleServer]> {
  const start = async () => await startServer(t, { dataDir, env: { PORT: String(await freePort()) } })
  return await Promise.all([start(), start()])
}

async function statuses (servers: readonly ExampleServer[], token: string): Promise<number[]> {
  return await Promise.all(servers.map(async ({ url }) => (await read(url, token)).status))
}

t.test('processes that start together on an empty folder agree', async (t) => {
  for (let round = 1; round <= 3; round++) {
    const dataDir = newDataDir(t)
    const servers = await startTwo(t, dataDir)
    const key = await firstKey({ dataDir })

    const tokens = await Promise.all(servers.map(({ url }) => issue(url, key, { contract: ['read'] })))
    for (const token of tokens) t.strictSame(await statuses(servers, token), [200, 200], 'what one issued is good at both')
    t.equal(headerOf(String(tokens[0]))['kid'], headerOf(String(tokens[1]))['kid'], 'and they sign with one key')
    for (const { url } of servers) t.equal((await list(url, key)).status, 200)

    const shown = () => servers.flatMap((server) => server.stdout().split('\n').filter((line) => line.startsWith('The API key and the client of this server')))
    await until(() => shown().length > 0)
    t.strictSame(await Promise.all(servers.map((server) => server.stop())), [0, 0])
    t.strictSame(shown(), [`The API key and the client of this server, and commands to try them, are in ${join(dataDir, 'first-start.txt')}`], 'one tells of the key')
    t.equal((await apiKeys(t, dataDir, 'list') as unknown[]).length, 1, 'there is one key')
    for (const server of servers) t.equal(server.stderr(), '')
    t.strictSame(readdirSync(dataDir).sort(), ['audit.jsonl', 'editor', 'editor-secret', 'first-start.txt', 'key-encryption-key', 'store', 'token-pepper'], 'and nothing lies around')
  }
})

// Whole servers are seldom within a millisecond of each other, so here is the same without the rest of them.
const FIRST_STARTS = `
  import { randomBytes } from 'node:crypto'
  import { join } from 'node:path'
  import { createApiKeyRegistry, createClientRegistry } from 'fastify-doc-tokens/credentials'
  import { openLmdbStore } from 'fastify-doc-tokens/stores/lmdb'
  import { createMark, firstStart } from './dist/examples/server/first-start.js'
  import { readOrCreate } from './dist/examples/server/secret-file.js'
  const [folders, at] = JSON.parse(process.argv[1])
  const outcomes = []
  for (const [index, dataDir] of folders.entries()) {
    const store = await openLmdbStore({ path: join(dataDir, 'store') })
    while (Date.now() < at + index * 100);
    const secret = await readOrCreate(join(dataDir, 'secret'), () => randomBytes(32).toString('base64'))
    const notice = await firstStart({ registry: createApiKeyRegistry({ store }), clients: createClientRegistry({ store }), store, mark: createMark(), dataDir, url: 'http://127.0.0.1:3000', isLocal: true, terminal: true })
    outcomes.push({ secret, notice })
    await store.close()
  }
  console.log(JSON.stringify(outcomes))
`

t.test('first starts at the same moment', async (t) => {
  const folders = Array.from({ length: 12 }, () => newDataDir(t))
  for (const folder of folders) mkdirSync(folder)
  const at = Date.now() + 1500
  const programs = await Promise.all([1, 2, 3].map(() => run(t, process.execPath, ['--input-type=module', '--eval', FIRST_STARTS, JSON.stringify([folders, at])])))
  const outcomes = programs.map(({ code, stdout, stderr }) => {
    t.equal(code, 0, stderr)
    return JSON.parse(stdout) as Array<{ secret: string, notice?: string }>
  })

  for (const [index, dataDir] of folders.entries()) {
    const here = outcomes.map((outcome) => outcome[index])
    t.equal(new Set(here.map((outcome) => outcome?.secret)).size, 1, 'one secret, that all of them read')
    const notices = here.flatMap((outcome) => outcome?.notice ?? [])
    t.equal(notices.length, 1, 'one key is shown')
    const store = await openLmdbStore({ path: join(dataDir, 'store') })
    const registry = createApiKeyRegistry({ store })
    const keys = []
    for await (const { id } of registry.list()) keys.push(id)
    t.strictSame(keys, [parseSecret(String(findKey(String(notices[0]))))?.id], 'and no other one was left')
    await store.close()
    t.strictSame(readdirSync(dataDir).sort(), ['secret', 'store'])
  }
})

t.test('what ends a session ends it everywhere, at once', async (t) => {
  const servers = await startTwo(t)
  const [{ url: one, dataDir }, { url: other }] = servers
  const key = await firstKey({ dataDir })

  await t.test('one session', async (t) => {
    for (const [issuer, revoker] of [[one, one], [one, other], [other, one], [other, other]] as const) {
      const [token, bystander] = await Promise.all([issue(issuer, key, { contract: ['read'] }), issue(issuer, key, { contract: ['read'] })])
      t.strictSame(await statuses(servers, token), [200, 200])

      t.equal((await revoke(revoker, key, { jwt: token })).status, 204)
      t.strictSame(await statuses(servers, token), [401, 401])
      for (const url of [one, other]) t.match(await read(url, token), { status: 401, body: { code: 'FDT_TOKEN_REVOKED', message: 'Token has been revoked' } })
      for (const path of ['contract/annotations', 'contract/download', 'handbook']) t.equal((await read(one, token, path)).status, 401, `it reads nothing: ${path}`)
      t.equal((await revoke(revoker, key, { jwt: token })).status, 204, 'again')
      t.strictSame(await statuses(servers, bystander), [200, 200])
    }
  })

  await t.test('all sessions of a user', async (t) => {
    const of = (url: string, user: string) => issue(url, key, { contract: ['read'] }, { user_id: user })
    const before = await Promise.all([of(one, 'anna'), of(other, 'anna'), of(one, 'anna')])
    const bystander = await of(one, 'annabel')
    t.equal(claimsOf(String(before[0]))['sub'], 'anna')
    for (const token of before) t.strictSame(await statuses(servers, token), [200, 200])

    t.equal((await revoke(one, key, { user_id: 'anna' })).status, 204)
    // It was over by now, so what is issued in the next millisecond is later.
    const now = Date.now()
    await until(() => Date.now() > now)
    const after = await Promise.all([of(one, 'anna'), of(other, 'anna')])
    for (const token of before) t.strictSame(await statuses(servers, token), [401, 401])
    for (const token of [...after, bystander]) t.strictSame(await statuses(servers, token), [200, 200])
  })

  await t.test('after a restart too', async (t) => {
    const [ended, alive] = await Promise.all([issue(one, key, { contract: ['read'] }), issue(one, key, { contract: ['read'] })])
    t.equal((await revoke(other, key, { jwt: ended })).status, 204)
    t.strictSame(await Promise.all(servers.map((server) => server.stop())), [0, 0])
    const { url, stdout } = await startServer(t, { dataDir })
    t.equal((await read(url, ended)).status, 401)
    t.equal((await read(url, alive)).status, 200)
    t.equal((await list(url, key)).status, 200, 'the key of the first start works on')
    t.notMatch(stdout(), /API key|fdt_key_/, 'and is not shown again')
  })
})

t.test('the program beside the running server', async (t) => {
  const server = await startServer(t)
  const { url, dataDir } = server
  const first = await firstKey(server)

  const { code, stdout, stderr } = await run(t, process.execPath, [CLI, 'api-keys', 'create', '--label', 'the first one was lost', '--data-dir', dataDir])
  t.strictSame([code, stderr], [0, ''])
  const second = String(findKey(stdout))
  t.equal((await list(url, second)).status, 200, 'a key that was made now works now')
  const token = await issue(url, second, { contract: ['read'] })
  t.equal((await read(url, token)).status, 200)
  t.equal((await revoke(url, first, { jwt: token })).status, 404, 'a session of another key is none')

  const id = String(claimsOf(token)['azp'])
  await apiKeys(t, dataDir, 'disable', id)
  t.equal((await list(url, second)).status, 401, 'a key that is disabled now is refused now')
  await t.rejects(issue(url, second, { contract: ['read'] }), /^no session: 401 /)
  t.equal((await list(url, first)).status, 200)
  await apiKeys(t, dataDir, 'enable', id)
  t.equal((await list(url, second)).status, 200)

  const overlap = 3
  const rotated = await apiKeys(t, dataDir, 'rotate', id, '--overlap', `${overlap}s`) as { secret: string, record: { secrets: Array<{ expiresAt?: number }> } }
  const end = Number(rotated.record.secrets[0]?.expiresAt) * 1000
  t.equal((await list(url, rotated.secret)).status, 200)
  const answered = (await list(url, second)).status
  // A machine that took longer than that to get here cannot tell.
  if (Date.now() < end) t.equal(answered, 200, 'both work for the overlap')
  await until(async () => (await list(url, second)).status === 401)
  t.ok(Date.now() >= end, 'the older one until then')
  t.equal((await list(url, rotated.secret)).status, 200)
  t.equal((await revoke(url, rotated.secret, { jwt: token })).status, 204, 'what its older secret issued is the key’s own')

  t.equal(await server.stop(), 0)
  t.notMatch(readFileSync(join(dataDir, 'first-start.txt'), 'utf8'), second)
})
