import { type SpawnSyncReturns, spawnSync } from 'node:child_process'
import { existsSync, openSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { authenticateApiKey, createApiKeyRegistry, parseSecret } from '../../../lib/credentials/index.ts'
import { openLmdbStore } from '../../../lib/stores/lmdb.ts'

const MAIN = fileURLToPath(new URL('../../../lib/cli/main.ts', import.meta.url))

/** The program as it is, in a process of its own, with the loaders of this one. */
function cli (dataDir: string, args: string[], stdout: 'pipe' | number = 'pipe'): SpawnSyncReturns<string> {
  return spawnSync(process.execPath, [...process.execArgv, MAIN, ...args], { encoding: 'utf8', env: { ...process.env, DATA_DIR: dataDir, _TAPJS_PROCESSINFO_COVERAGE_: '1' }, stdio: ['ignore', stdout, 'pipe'] })
}

t.test('a program that works on the folder of a running server, with effect at once', async (t) => {
  t.match(readFileSync(MAIN, 'utf8'), /^#!\/usr\/bin\/env node\n/)

  const folder = join(t.testdir({}), 'data')
  t.match(cli(folder, ['api-keys', 'list']), { status: 1, stdout: '', stderr: /^fastify-doc-tokens: no store at/m })
  t.notOk(existsSync(folder))

  const first = cli(folder, ['api-keys', 'create', '--label', 'shop'])
  t.equal(first.status, 0, first.stderr)
  const secret = first.stdout.split('\n').find((line) => parseSecret(line) !== undefined) ?? ''
  const id = parseSecret(secret)?.id ?? ''
  for (const name of ['.', 'store']) t.equal(statSync(join(folder, name)).mode & 0o777, 0o700)
  for (const file of readdirSync(join(folder, 'store'), { withFileTypes: true })) {
    if (file.isFile()) t.equal(statSync(join(folder, 'store', file.name)).mode & 0o777, 0o600, file.name)
  }

  const store = await openLmdbStore({ path: join(folder, 'store') })
  t.teardown(() => store.close())
  const keys = createApiKeyRegistry({ store })
  const accepts = (secret: string) => authenticateApiKey(keys, secret, { flow: 'opaque-tokens' })
  t.strictSame(await accepts(secret), { id })

  await keys.disable(id)
  await keys.enable(id)
  const rotated = cli(folder, ['api-keys', 'rotate', id, '--overlap', '0', '--json'])
  t.equal(rotated.status, 0, rotated.stderr)
  t.equal(JSON.parse(rotated.stdout).record.disabled, false, 'what the server changed is seen by the program')
  await t.rejects(accepts(secret), { code: 'FDT_INVALID_CREDENTIAL' })
  await t.resolves(accepts(JSON.parse(rotated.stdout).secret))
})

t.test('a secret that is lost on its way out is a failure', { skip: existsSync('/dev/full') ? false : 'there is no /dev/full' }, async (t) => {
  const { status, stderr } = cli(join(t.testdir({}), 'data'), ['api-keys', 'create'], openSync('/dev/full', 'w'))
  t.equal(status, 1)
  t.match(stderr, /^fastify-doc-tokens: the output was lost: /m)
  t.notMatch(stderr, /^ +at /m, 'no stack')
})
