import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { run } from '../../../lib/cli/run.ts'
import { authenticateApiKey, authenticateClientSecret, createApiKeyRegistry, createClientRegistry } from '../../../lib/credentials/index.ts'
import { InvalidOptionError, StoreUnavailableError } from '../../../lib/errors.ts'
import { openStoredKeyRing, parseNamedKey } from '../../../lib/keys/index.ts'
import { openRedisStore } from '../../../lib/stores/redis.ts'
import { quietPort, skipWithoutRedis, startRedis } from '../../support/redis-servers.ts'
import { build, ONE_LINE, type Outcome } from './bench.ts'

const URL = 'redis://user:p%40ssw0rd@127.0.0.1:6379/1'
const SEAL = `1:${Buffer.from('0123456789abcdefghijklmnopqrstuv').toString('base64')}`

/** As the program does it, with the drivers themselves. */
async function cli (env: Record<string, string>, ...args: string[]): Promise<Outcome> {
  let [out, error] = ['', '']
  const code = await run(args, { env, stdout: { write: (text) => { out += text } }, stderr: { write: (text) => { error += text } } })
  return { code, out, error }
}

t.test('the environment says which store it is', async (t) => {
  const { cliWith, folder, opened } = build(t)
  const file = join(t.testdirName, 'url')
  writeFileSync(file, `${URL}\n`)
  const list = async (env: Record<string, string>, ...args: string[]): Promise<Outcome> => await cliWith({ env }, 'clients', 'list', ...args)

  const taken: Array<{ name: string, env: Record<string, string>, place: object }> = [
    { name: 'a Redis', env: { REDIS_URL: URL }, place: { url: URL, prefix: 'fastify-doc-tokens:' } },
    { name: 'a Redis, with DATA_DIR for what a server keeps beside', env: { REDIS_URL: URL, DATA_DIR: folder }, place: { url: URL, prefix: 'fastify-doc-tokens:' } },
    { name: 'a Redis in a file', env: { REDIS_URL: '', REDIS_URL_FILE: file }, place: { url: URL, prefix: 'fastify-doc-tokens:' } },
    { name: 'white space around it', env: { REDIS_URL: ` ${URL} ` }, place: { url: URL, prefix: 'fastify-doc-tokens:' } },
    { name: 'another prefix', env: { REDIS_URL: URL, REDIS_PREFIX: 'docs:' }, place: { url: URL, prefix: 'docs:' } },
    { name: 'an empty prefix is none', env: { REDIS_URL: URL, REDIS_PREFIX: '' }, place: { url: URL, prefix: 'fastify-doc-tokens:' } }
  ]
  for (const { name, env, place } of taken) {
    await t.test(name, async (t) => {
      t.strictSame(await list(env), { code: 0, out: 'There is no client yet: fastify-doc-tokens clients create\n', error: '' })
      t.match(opened.at(-1), place)
    })
  }

  const refused: Array<{ name: string, env: Record<string, string>, args?: string[], says: RegExp }> = [
    { name: 'a folder beside a Redis', env: { REDIS_URL: URL }, args: ['--data-dir', folder], says: /"--data-dir": cannot be given where REDIS_URL is set, which names another store: unset it, or leave --data-dir out/ },
    { name: 'a folder beside a Redis in a file', env: { REDIS_URL_FILE: file }, args: ['--data-dir', folder], says: /where REDIS_URL_FILE is set/ },
    { name: 'an empty folder beside a Redis', env: { REDIS_URL: URL }, args: ['--data-dir='], says: /"--data-dir": must not be empty/ },
    { name: 'a URL twice', env: { REDIS_URL: URL, REDIS_URL_FILE: file }, says: /"REDIS_URL": and REDIS_URL_FILE cannot both be set/ },
    { name: 'a URL in place of its file', env: { REDIS_URL_FILE: URL }, says: /"REDIS_URL_FILE": cannot be read/ }
  ]
  const before = opened.length
  for (const { name, env, args = [], says } of refused) {
    await t.test(name, async (t) => {
      const { code, out, error } = await list(env, ...args)
      t.strictSame({ code, out }, { code: 2, out: '' })
      t.match(error, says)
      t.match(error, ONE_LINE)
      t.notMatch(error, /p%40ssw0rd|p@ssw0rd/)
    })
  }
  t.equal(opened.length, before)
  t.match(await cliWith({ env: { REDIS_URL: URL } }, 'keys', 'generate', '--ring', 'access'), { code: 2, error: /"KEY_ENCRYPTION_KEY": must be set where REDIS_URL is/ }, 'with Redis no key is made in a folder')
})

t.test('what the driver says is told', async (t) => {
  const { cliWith } = build(t)
  const env = { REDIS_URL: URL }
  t.strictSame(await cliWith({ env, openStore: async () => { throw new InvalidOptionError('url', 'must be another') } }, 'clients', 'list'), { code: 2, out: '', error: 'fastify-doc-tokens: Invalid option "REDIS_URL": cannot be used: Invalid option "url": must be another; --help tells more\n' })
  t.strictSame(await cliWith({ env, openStore: async () => { throw new StoreUnavailableError() } }, 'clients', 'list'), { code: 1, out: '', error: 'fastify-doc-tokens: The token store is unavailable\n' })
  t.strictSame(await cliWith({
    env,
    openStore: async (place) => {
      if ('url' in place) place.onWarning('be\u001bware')
      throw new StoreUnavailableError()
    }
  }, 'clients', 'list'), { code: 1, out: '', error: 'fastify-doc-tokens: warning: be\\u001bware\nfastify-doc-tokens: The token store is unavailable\n' })
})

t.test('a Redis that is not there, or no URL of one', async (t) => {
  const wrong: Array<{ url: string, code: number, says: RegExp }> = [
    { url: `redis://:p%40ssw0rd@127.0.0.1:${await quietPort()}`, code: 1, says: /^fastify-doc-tokens: The token store is unavailable/ },
    { url: 'http://user:p%40ssw0rd@127.0.0.1', code: 2, says: /"REDIS_URL": cannot be used: Invalid option "url": must be redis:\/\// },
    { url: 'p%40ssw0rd', code: 2, says: /"REDIS_URL": cannot be used/ }
  ]
  for (const { url, code, says } of wrong) {
    for (const args of [['clients', 'create'], ['keys', 'rotate', '--ring', 'access'], ['api-keys', 'list']]) {
      const outcome = await cli({ REDIS_URL: url, KEY_ENCRYPTION_KEY: SEAL }, ...args)
      t.match(outcome, { code, out: '', error: says })
      t.match(outcome.error, ONE_LINE)
      t.notMatch(outcome.error, /p%40ssw0rd|p@ssw0rd/)
    }
  }
  t.match(await cli({ REDIS_URL: URL, REDIS_PREFIX: 'a b' }, 'clients', 'list'), { code: 2, error: /"REDIS_URL": cannot be used: Invalid option "prefix"/ })
})

t.test('all commands on a Redis, with effect at once', { skip: skipWithoutRedis }, async (t) => {
  const redis = await startRedis(t, { args: ['--requirepass', 'p@ssw0rd', '--maxmemory-policy', 'noeviction'] })
  const url = redis.url.replace('://', '://:p%40ssw0rd@')
  const env = { REDIS_URL: url, KEY_ENCRYPTION_KEY: SEAL }
  const store = await openRedisStore({ url, prefix: 'fastify-doc-tokens:' })
  t.teardown(() => store.close())

  const key = JSON.parse((await cli(env, 'api-keys', 'create', '--json')).out)
  t.strictSame(await authenticateApiKey(createApiKeyRegistry({ store }), key.secret, { flow: 'opaque-tokens' }), { id: key.record.id })
  const client = JSON.parse((await cli(env, 'clients', 'create', '--scope', 'a', '--json')).out)
  const clients = createClientRegistry({ store })
  t.strictSame(await authenticateClientSecret(clients, client.record.id, client.secret), { id: client.record.id, scopes: ['a'] })
  t.match(await cli(env, 'clients', 'list'), { code: 0, out: new RegExp(`^ID[^]*\n${client.record.id} +active`), error: '' })
  t.match(await cli(env, 'clients', 'disable', client.record.id), { code: 0 })
  await t.rejects(authenticateClientSecret(clients, client.record.id, client.secret), { code: 'FDT_INVALID_CLIENT' })
  t.match(await cli({ ...env, REDIS_PREFIX: 'other:' }, 'clients', 'list', '--json'), { code: 0, out: '[]\n' })

  const made = JSON.parse((await cli(env, 'keys', 'generate', '--ring', 'access', '--algorithm', 'RS256', '--json')).out)
  const ring = await openStoredKeyRing({ store, name: 'access', algorithm: 'RS256', keyEncryptionKeys: [parseNamedKey(SEAL)] })
  t.teardown(() => ring.close())
  t.equal(ring.signing().kid, made.kid)
  const next = JSON.parse((await cli(env, 'keys', 'rotate', '--ring', 'access', '--signs-in', '0', '--json')).out)
  await ring.refresh()
  t.equal(ring.signing().kid, next.kid)
  t.match(await cli(env, 'keys', 'remove', made.kid, '--ring', 'access'), { code: 0 })
  t.strictSame(JSON.parse((await cli(env, 'keys', 'list', '--json')).out).map(({ kid }: { kid: string }) => kid), [next.kid])

  await t.test('the wrong password is 2, and is not told', async (t) => {
    const outcome = await cli({ ...env, REDIS_URL: redis.url.replace('://', '://:hunter%402@') }, 'clients', 'list')
    t.match(outcome, { code: 2, out: '', error: /"REDIS_URL": cannot be used: Invalid option "url": / })
    t.match(outcome.error, ONE_LINE)
    t.notMatch(outcome.error, /hunter/)
  })

  await t.test('an outage is 1', async (t) => {
    await redis.kill()
    for (const args of [['clients', 'create'], ['clients', 'list'], ['keys', 'generate', '--ring', 'x'], ['keys', 'list'], ['keys', 'rotate', '--ring', 'access'], ['api-keys', 'list']]) {
      const outcome = await cli(env, ...args)
      t.match(outcome, { code: 1, out: '', error: /^fastify-doc-tokens: The token store is unavailable/ }, args.join(' '))
      t.match(outcome.error, ONE_LINE)
      t.notMatch(outcome.error, /ssw0rd/)
    }
  })
})
