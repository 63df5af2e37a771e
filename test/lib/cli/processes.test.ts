import { spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { authenticateClientSecret, createClientRegistry } from '../../../lib/credentials/index.ts'
import { openStoredKeyRing, parseNamedKey } from '../../../lib/keys/index.ts'
import { openLmdbStore } from '../../../lib/stores/lmdb.ts'
import { openRedisStore } from '../../../lib/stores/redis.ts'
import { type TokenStore } from '../../../lib/stores/token-store.ts'
import { skipWithoutRedis, startRedis } from '../../support/redis-servers.ts'

const MAIN = fileURLToPath(new URL('../../../lib/cli/main.ts', import.meta.url))
const SEAL = `1:${Buffer.from('0123456789abcdefghijklmnopqrstuv').toString('base64')}`

interface Backend {
  name: string
  skip?: string | boolean
  /** A store, and the environment in which the program has the same one. */
  open: (t: Test) => Promise<{ env: Record<string, string>, store: TokenStore }>
}

const backends: Backend[] = [
  {
    name: 'LMDB',
    open: async (t) => {
      const folder = join(t.testdir({}), 'data')
      mkdirSync(folder, { mode: 0o700 })
      return { env: { DATA_DIR: folder }, store: await openLmdbStore({ path: join(folder, 'store') }) }
    }
  },
  {
    name: 'Redis',
    skip: skipWithoutRedis,
    open: async (t) => {
      const { url } = await startRedis(t)
      return { env: { REDIS_URL: url }, store: await openRedisStore({ url, prefix: 'fastify-doc-tokens:' }) }
    }
  }
]

/** The program as it is, in a process of its own, with the loaders of this one. */
async function cli (env: Record<string, string>, ...args: string[]): Promise<{ code: number | null, out: string, error: string }> {
  const child = spawn(process.execPath, [...process.execArgv, MAIN, ...args], { env: { ...process.env, KEY_ENCRYPTION_KEY: SEAL, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  const [out, error] = await Promise.all([child.stdout, child.stderr].map(async (stream) => (await stream.setEncoding('utf8').toArray()).join('')))
  return { code: await ended, out: out ?? '', error: error ?? '' }
}

for (const { name, skip = false, open } of backends) {
  t.test(`beside a running server, on ${name}`, { skip }, async (t) => {
    const { env, store } = await open(t)
    t.teardown(() => store.close())
    const ring = await openStoredKeyRing({ store, name: 'access', algorithm: 'RS256', keyEncryptionKeys: [parseNamedKey(SEAL)] })
    t.teardown(() => ring.close())
    const first = ring.signing().kid

    const rotated = await Promise.all([cli(env, 'keys', 'rotate', '--ring', 'access', '--json'), cli(env, 'keys', 'rotate', '--ring', 'access', '--signs-in', '0', '--json')])
    for (const { code, error } of rotated) t.equal(code, 0, error)
    await ring.refresh()
    const kids = rotated.map(({ out }): string => JSON.parse(out).kid)
    // One, when they met; else one each, the later behind the earlier.
    t.strictSame(ring.list().map(({ kid }) => kid).sort(), [...new Set([first, ...kids])].sort(), 'nothing is lost, and nobody was told of a key that is not there')
    t.ok(ring.list().every(({ algorithm }) => algorithm === 'RS256'))

    const clients = createClientRegistry({ store })
    const { record } = await clients.create()
    const secrets = await Promise.all([1, 2].map(async () => await cli(env, 'clients', 'rotate-secret', record.id, '--json')))
    for (const { code, error } of secrets) t.equal(code, 0, error)
    for (const { out } of secrets) await t.resolves(authenticateClientSecret(clients, record.id, JSON.parse(out).secret), 'both rotations count')
  })
}
