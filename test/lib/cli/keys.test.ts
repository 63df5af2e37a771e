import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { SealedKeyError, StoreUnavailableError } from '../../../lib/errors.ts'
import { generateKey, type KeyAlgorithm, openStoredKeyRing, parseNamedKey, type StoredKeyRing } from '../../../lib/keys/index.ts'
import { type TokenStore } from '../../../lib/stores/token-store.ts'
import { altered, type Bench, build as buildBench, NOW, ONE_LINE, type Outcome } from './bench.ts'

const SECONDS = NOW / 1000
const MINUTES = 60
const SEAL = `1:${Buffer.from('0123456789abcdefghijklmnopqrstuv').toString('base64')}`
const OTHER_SEAL = `2:${Buffer.from('vutsrqponmlkjihgfedcba9876543210').toString('base64')}`

interface Shown {
  ring: string
  number: number
  state: string
  kid: string
  algorithm: KeyAlgorithm
  createdAt: number
  signsFrom: number
}

interface KeyBench extends Bench {
  env: Record<string, string>
  /** `keys …` at another time, in seconds from now on. */
  keysAt: (seconds: number, ...args: string[]) => Promise<Outcome>
  keys: (...args: string[]) => Promise<Outcome>
  listed: (seconds?: number) => Promise<Shown[]>
  /** A ring as a server has it. */
  ring: (name: string, options?: { algorithm?: KeyAlgorithm, at?: number }) => Promise<StoredKeyRing>
}

/** Command lines with a key encryption key in the environment, over the store of a data folder that is there. */
function build (t: Test, parts: Partial<{ openStore: (store: TokenStore) => TokenStore, isNew: boolean }> = {}): KeyBench {
  const bench = buildBench(t)
  if (parts.isNew !== true) {
    mkdirSync(join(bench.folder, 'store'), { recursive: true })
    writeFileSync(join(bench.folder, 'store', 'data.mdb'), '')
  }
  const env = { DATA_DIR: bench.folder, KEY_ENCRYPTION_KEY: SEAL }
  const keysAt: KeyBench['keysAt'] = async (seconds, ...args) => await bench.cliWith({ env, now: () => NOW + seconds * 1000, ...(parts.openStore !== undefined && { openStore: async () => parts.openStore?.(bench.store) ?? bench.store }) }, 'keys', ...args)
  return {
    ...bench,
    env,
    keysAt,
    keys: (...args) => keysAt(0, ...args),
    listed: async (seconds = 0) => JSON.parse((await keysAt(seconds, 'list', '--json')).out),
    ring: async (name, { algorithm = 'ES256', at = 0 } = {}) => {
      const ring = await openStoredKeyRing({ store: bench.store, name, algorithm, keyEncryptionKeys: [parseNamedKey(SEAL)], now: () => NOW + at * 1000 })
      t.teardown(() => ring.close())
      return ring
    }
  }
}

t.test('help needs no store and no key', async (t) => {
  const { cli, opened } = build(t)
  const commands = ['generate', 'list', 'rotate', 'remove']
  for (const help of ['--help', '-h']) {
    const group = await cli('keys', help)
    t.match(group, { code: 0, error: '', out: /^Usage: fastify-doc-tokens keys <command>[^]*REDIS_URL[^]*KEY_ENCRYPTION_KEY[^]*KEY_ENCRYPTION_KEY_FILE[^]*key-encryption-key/ })
    for (const command of commands) {
      t.match((await cli(help)).out, new RegExp(`keys ${command} `))
      t.match(group.out, new RegExp(`^  ${command} `, 'm'))
      t.match(await cli('keys', command, help), { code: 0, error: '', out: new RegExp(`^Usage: fastify-doc-tokens keys ${command} [^]*--ring[^]*--data-dir[^]*--json[^]*KEY_ENCRYPTION_KEY`) })
    }
  }
  t.match(await cli('keys', 'rotate', '--help'), { out: /others who have\nyour server's public keys keep them for a while[^]*--signs-in <time> +when the new key begins to sign; default is 10m/ })
  t.match(await cli('keys', 'generate', '--help'), { out: /HS256, ES256, EdDSA, RS256, PS256; default is ES256/ })
  t.match(await cli('keys'), { code: 2, out: '', error: /^Usage/ })
  const all = await Promise.all([[], ...commands.map((command) => [command])].map(async (path) => (await cli('keys', ...path, '--help')).out))
  for (const line of all.join('').split('\n')) t.ok(line.length <= 120, line)
  t.strictSame(opened, [])
})

t.test('a wrong command line is 2, with one line that says why', async (t) => {
  const { keys } = build(t)
  const wrong: Array<{ args: string[], says: RegExp }> = [
    { args: ['create'], says: /no command "keys create"/ },
    { args: ['generate'], says: /"--ring": must be given/ },
    { args: ['generate', 'access'], says: /"id": is not taken/ },
    { args: ['generate', '--ring'], says: /--ring/ },
    ...['', 'a/b', '../x', 'a b', 'ä', 'x'.repeat(65), 'a\u001b'].map((ring) => ({ args: ['generate', `--ring=${ring}`], says: /"--ring": must be 1 to 64 characters/ })),
    ...['', 'HS512', 'rs256', 'none', 'toString'].map((algorithm) => ({ args: ['generate', '--ring', 'a', `--algorithm=${algorithm}`], says: /"--algorithm": must be one of HS256, ES256, EdDSA, RS256, PS256/ })),
    { args: ['list', 'access'], says: /"id": is not taken/ },
    { args: ['list', '--ring', 'a/b'], says: /"--ring"/ },
    { args: ['list', '--algorithm', 'ES256'], says: /--algorithm/ },
    { args: ['rotate'], says: /"--ring": must be given/ },
    { args: ['rotate', 'access', '--ring', 'access'], says: /"id": is not taken/ },
    ...['1w', '-1', '', '1.5m'].map((time) => ({ args: ['rotate', '--ring', 'a', `--signs-in=${time}`], says: /"--signs-in": must be seconds/ })),
    { args: ['rotate', '--ring', 'a', '--signs-in', '31d'], says: /"--signs-in": must be at most 30d/ },
    { args: ['remove', '--ring', 'a'], says: /"kid": must be given/ },
    { args: ['remove', 'x', 'y', '--ring', 'a'], says: /"kid": must be given once/ },
    { args: ['remove', 'x'], says: /"--ring": must be given/ }
  ]
  for (const { args, says } of wrong) {
    await t.test(args.join(' '), async (t) => {
      const { code, out, error } = await keys(...args)
      t.strictSame({ code, out }, { code: 2, out: '' })
      t.match(error, says)
      t.match(error, ONE_LINE)
    })
  }
})

t.test('generate', async (t) => {
  t.test('makes the first key, which a server then has', async (t) => {
    const { keys, ring } = build(t)
    for (const algorithm of ['ES256', 'EdDSA', 'RS256', 'PS256', 'HS256'] as const) {
      const { code, out, error } = await keys('generate', '--ring', algorithm, '--algorithm', algorithm, '--json')
      t.strictSame({ code, error }, { code: 0, error: '' })
      const made: Shown = JSON.parse(out)
      t.strictSame(made, { ring: algorithm, number: 1, state: 'signing', kid: made.kid, algorithm, createdAt: SECONDS, signsFrom: SECONDS })
      const { kid, algorithm: used } = (await ring(algorithm, { algorithm })).signing()
      t.strictSame([kid, used], [made.kid, algorithm])
    }
    t.match(await keys('generate', '--ring', 'access'), { code: 0, error: '', out: /^Ring access has its first key:\n\nRING +KID +ALGORITHM +STATE +CREATED\naccess +[\w-]{43} +ES256 +signs now +2030-01-01T00:00:00Z\n$/ })
  })

  t.test('where there is one it changes nothing, and is 1', async (t) => {
    const { keys, ring, listed } = build(t)
    const { kid } = (await ring('sessions')).signing()
    const says = 'fastify-doc-tokens: the ring "sessions" has a key already; keys list shows it, and keys rotate makes the next one\n'
    t.strictSame(await keys('generate', '--ring', 'sessions', '--algorithm', 'RS256'), { code: 1, out: '', error: says })
    t.match(await listed(), [{ kid, algorithm: 'ES256' }])
  })

  t.test('nor where there is one of another key encryption key', async (t) => {
    const { cliWith, keys, listed, folder } = build(t)
    await keys('generate', '--ring', 'access')
    t.match(await cliWith({ env: { DATA_DIR: folder, KEY_ENCRYPTION_KEY: OTHER_SEAL } }, 'keys', 'generate', '--ring', 'access'), { code: 1, out: '', error: /has a key already/ })
    t.equal((await listed()).length, 1)
  })

  t.test('of several at the same time one does it', async (t) => {
    const { keys, listed } = build(t)
    const outcomes = await Promise.all(Array.from({ length: 5 }, () => keys('generate', '--ring', 'access')))
    t.strictSame(outcomes.map(({ code }) => code).sort(), [0, 1, 1, 1, 1])
    for (const { error } of outcomes.filter(({ code }) => code === 1)) t.match(error, /has a key already/)
    t.equal((await listed()).length, 1)
  })

  t.test('after all of them are lost it goes on behind them', async (t) => {
    const { keys, ring, store } = build(t)
    await keys('generate', '--ring', 'access')
    const open = await ring('access')
    const first = open.signing()
    await open.rotate({ signsIn: 0 })
    await open.remove(first.kid)
    t.ok(await store.delete('keys/access/2'))
    const made: Shown = JSON.parse((await keys('generate', '--ring', 'access', '--json')).out)
    t.equal(made.number, 2)
    t.equal((await ring('access')).signing().kid, made.kid)
  })
})

t.test('list', async (t) => {
  t.test('no key', async (t) => {
    const { keys, store, folder } = build(t, { isNew: true })
    t.strictSame(await keys('list'), { code: 1, out: '', error: `fastify-doc-tokens: no store at ${join(folder, 'store')}; --data-dir or DATA_DIR names another data folder, REDIS_URL a Redis\n` })
    t.notOk(existsSync(folder))
    await keys('generate', '--ring', 'access')
    t.match(await keys('list', '--ring', 'sessions'), { code: 0, out: /^There is no key yet: /, error: '' })
    t.strictSame(await keys('list', '--ring', 'sessions', '--json'), { code: 0, out: '[]\n', error: '' })
    t.equal(await store.get('keys/sessions/1'), undefined, 'none was made')
  })

  t.test('says which key signs and when', async (t) => {
    const { keysAt, ring } = build(t)
    const open = await ring('sessions')
    const first = open.signing().kid
    const { kid: second } = await open.rotate({ signsIn: 600_000 })
    const { kid: third } = await open.rotate({ signsIn: 1_200_000 })
    await (await ring('access', { algorithm: 'RS256' })).rotate({ signsIn: 0 })

    const states = async (seconds: number): Promise<string[]> => (await keysAt(seconds, 'list', '--ring', 'sessions')).out.split('\n').slice(1, -1).map((line) => line.split(/ {2,}/)[3] ?? '')
    t.strictSame(await states(0), ['signs now', 'signs from 2030-01-01T00:10:00Z', 'signs from 2030-01-01T00:20:00Z'])
    t.strictSame(await states(10 * MINUTES - 1), ['signs now', 'signs from 2030-01-01T00:10:00Z', 'signs from 2030-01-01T00:20:00Z'])
    t.strictSame(await states(10 * MINUTES), ['verifies', 'signs now', 'signs from 2030-01-01T00:20:00Z'])
    t.strictSame(await states(20 * MINUTES), ['verifies', 'verifies', 'signs now'])
    t.strictSame(await states(-5), ['signs now', 'signs from 2030-01-01T00:10:00Z', 'signs from 2030-01-01T00:20:00Z'], 'with a clock that is behind')
    for (const [at, kid] of [[0, first], [10 * MINUTES, second], [20 * MINUTES, third], [-5, first]] as const) t.equal((await ring('sessions', { at })).signing().kid, kid, 'as the ring itself')

    const { code, out, error } = await keysAt(0, 'list')
    t.strictSame({ code, error }, { code: 0, error: '' })
    t.strictSame(out.split('\n').map((line) => line.split(/ {2,}/)).map(([ring, , algorithm, state]) => [ring, algorithm, state]), [
      ['RING', 'ALGORITHM', 'STATE'], ['access', 'RS256', 'verifies'], ['access', 'RS256', 'signs now'],
      ['sessions', 'ES256', 'signs now'], ['sessions', 'ES256', 'signs from 2030-01-01T00:10:00Z'], ['sessions', 'ES256', 'signs from 2030-01-01T00:20:00Z'], ['', undefined, undefined]
    ], 'all rings in the order of their names')
  })

  t.test('a key that is overtaken before it signs verifies only', async (t) => {
    const { ring, listed } = build(t)
    const open = await ring('sessions')
    await open.rotate({ signsIn: 86_400_000 })
    await open.rotate({ signsIn: 600_000 })
    t.strictSame((await listed()).map(({ state }) => state), ['signing', 'verifying', 'coming'])
    await open.rotate({ signsIn: 0 })
    t.strictSame((await listed()).map(({ state }) => state), ['verifying', 'verifying', 'verifying', 'signing'])
  })

  t.test('holds no private member, in no form (T34)', async (t) => {
    const { keys, cli, ring, store } = build(t)
    const open = await ring('a', { algorithm: 'HS256' })
    const secret = Buffer.from(String(open.signing().signKey?.export({ format: 'jwk' }).k), 'base64url')
    const shown = [await keys('list'), await keys('list', '--json'), await keys('rotate', '--ring', 'a', '--json'), await keys('generate', '--ring', 'b', '--algorithm', 'HS256'), await cli('keys', 'list')].map(({ out, error }) => out + error).join('')
    for (const encoding of ['base64url', 'base64', 'hex', 'latin1'] as const) t.notOk(shown.includes(secret.toString(encoding)))
    t.notMatch(shown, /"(k|d|p|q|jwk|key)"/)
    for await (const { value } of store.scan('')) t.notOk(Buffer.from(value).includes(secret.toString('base64url')), 'sealed')
  })

  t.test('what does not open is unusable, and the others are shown', async (t) => {
    const { keys, ring, store, cliWith, folder } = build(t)
    await (await ring('sessions')).rotate({ signsIn: 0 })
    await store.set('keys/sessions/1', await store.get('keys/sessions/2') ?? Buffer.alloc(1))
    await store.set('keys/\u001b[31m/1', Buffer.from([1]))
    await store.set('keys/', Buffer.from([1]))
    await store.set('keys/x/', Buffer.from([1]))
    const { code, out } = await keys('list')
    t.equal(code, 0)
    t.match(out.split('\n').map((line) => line.split(/ {2,}/)), [['RING'], ['\\u001b[31m', '?', '?', 'unusable', '?'], ['sessions', '?', '?', 'unusable', '?'], ['sessions', /^[\w-]{43}$/, 'ES256', 'signs now'], ['']])

    for (const args of [['list'], ['rotate', '--ring', 'sessions'], ['remove', 'x', '--ring', 'sessions']]) {
      const env = { DATA_DIR: folder, KEY_ENCRYPTION_KEY: OTHER_SEAL }
      t.strictSame(await cliWith({ env }, 'keys', ...args), { code: 1, out: '', error: `fastify-doc-tokens: ${new SealedKeyError().message}\n` }, 'with the wrong key encryption key')
    }
    t.equal(await store.get('keys/sessions/3'), undefined, 'nothing was made over it')
  })
})

t.test('rotate', async (t) => {
  t.test('makes the next key, for the same algorithm, which signs in 10 minutes', async (t) => {
    const { keys, ring, listed } = build(t)
    await keys('generate', '--ring', 'access', '--algorithm', 'RS256')
    const [first] = await listed()
    const { code, out, error } = await keys('rotate', '--ring', 'access')
    t.strictSame({ code, error }, { code: 0, error: '' })
    t.match(out, /^Ring access has a new key\. Those before go on verifying:\n\nRING[^\n]+\naccess +[\w-]{43} +RS256 +signs from 2030-01-01T00:10:00Z +2030-01-01T00:00:00Z\n$/)
    const second = (await listed())[1]
    t.match(second, { ring: 'access', number: 2, state: 'coming', algorithm: 'RS256', createdAt: SECONDS, signsFrom: SECONDS + 600 })

    const before = await ring('access', { algorithm: 'RS256', at: 10 * MINUTES - 1 })
    t.equal(before.signing().kid, first?.kid)
    t.ok(before.get(second?.kid ?? ''), 'it verifies at once')
    t.equal((await ring('access', { algorithm: 'RS256', at: 10 * MINUTES })).signing().kid, second?.kid)
  })

  t.test('or when it is asked for', async (t) => {
    const { keys } = build(t)
    await keys('generate', '--ring', 'a')
    const rotated = async (time: string): Promise<Shown> => JSON.parse((await keys('rotate', '--ring', 'a', '--signs-in', time, '--json')).out)
    t.match(await rotated('30d'), { number: 2, state: 'coming', signsFrom: SECONDS + 30 * 86_400 })
    t.match(await rotated('90'), { number: 3, state: 'coming', signsFrom: SECONDS + 90 })
    t.match(await rotated('0'), { number: 4, state: 'signing', signsFrom: SECONDS })
  })

  t.test('secrets stay secrets, and pairs pairs', async (t) => {
    const { keys, listed } = build(t)
    await keys('generate', '--ring', 'secrets', '--algorithm', 'HS256')
    t.match(await keys('rotate', '--ring', 'secrets'), { code: 0 })
    t.strictSame((await listed()).map(({ algorithm }) => algorithm), ['HS256', 'HS256'])
  })

  t.test('of a ring without keys makes none', async (t) => {
    const { keys, store } = build(t)
    await keys('generate', '--ring', 'access')
    for (const args of [['rotate'], ['remove', 'x']]) {
      t.strictSame(await keys(...args, '--ring', 'acess'), { code: 1, out: '', error: 'fastify-doc-tokens: the ring "acess" has no key; keys list shows all rings, and keys generate makes the first key of one\n' })
    }
    t.equal(await store.get('keys/acess/1'), undefined)
  })

  t.test('of two at the same time one wins, and both are told of its key', async (t) => {
    let arrived = 0
    let go = (): void => {}
    const both = new Promise<void>((resolve) => { go = resolve })
    // Both have looked before one of them writes.
    const { keys, listed, store } = build(t, {
      openStore: (store) => altered(store, {
        add: async (...args) => {
          if (++arrived === 2) go()
          await both
          return await store.add(...args)
        },
        close: async () => {}
      })
    })
    const ring = await openStoredKeyRing({ store, name: 'access', keyEncryptionKeys: [parseNamedKey(SEAL)], now: () => NOW })
    await ring.close()
    const [one, other] = await Promise.all([keys('rotate', '--ring', 'access', '--json'), keys('rotate', '--ring', 'access', '--signs-in', '1h', '--json')])
    t.strictSame([one.code, other.code], [0, 0])
    t.equal(one.out, other.out)
    const all = await listed()
    t.strictSame(all.map(({ number }) => number), [1, 2])
    t.equal(all[0]?.kid, ring.signing().kid, 'nothing is lost')
  })

  t.test('goes on beside a key that does not open, and says so', async (t) => {
    const { keys, ring, store } = build(t)
    await (await ring('sessions')).rotate({ signsIn: 0 })
    await store.set('keys/sessions/1', Buffer.from([1]))
    const { code, out, error } = await keys('rotate', '--ring', 'sessions', '--json')
    t.equal(code, 0)
    t.match(JSON.parse(out), { number: 3 })
    t.equal(error, `fastify-doc-tokens: warning: ${new SealedKeyError().message}\n`)
  })
})

t.test('remove', async (t) => {
  const { keys, ring, listed, store } = build(t)
  const open = await ring('sessions')
  const first = open.signing().kid
  await open.rotate({ signsIn: 0 })
  const second = open.signing().kid
  t.strictSame(await keys('remove', second, '--ring', 'sessions'), { code: 1, out: '', error: 'fastify-doc-tokens: The key signs new tokens: let another key sign first\n' })
  for (const kid of ['x', '__proto__', 'toString', '']) t.strictSame(await keys('remove', kid, '--ring', 'sessions'), { code: 1, out: '', error: 'fastify-doc-tokens: The key ring has no such key\n' })

  const before = await store.get('keys/sessions/1')
  t.strictSame(await keys('remove', first, '--ring', 'sessions'), { code: 0, out: `Key ${first} is out of the ring sessions.\n`, error: '' })
  t.notSame(await store.get('keys/sessions/1'), before, 'the private half is overwritten')
  t.strictSame((await listed()).map(({ kid }) => kid), [second])
  t.equal((await ring('sessions')).get(first), undefined)

  await open.rotate({ signsIn: 0 })
  t.strictSame(await keys('remove', second, '--ring', 'sessions', '--json'), { code: 0, out: `{"ring":"sessions","kid":"${second}","removed":true}\n`, error: '' })
})

t.test('a kid is not repeated when it is none: it may be a private key', async (t) => {
  const { keys } = build(t)
  await keys('generate', '--ring', 'access')
  const { d = '' } = await generateKey('ES256')
  for (const args of [[d], [d, 'x']]) t.notOk((await keys('remove', ...args, '--ring', 'access')).error.includes(d))
})

t.test('the key encryption key', async (t) => {
  t.test('comes from the environment, a file, or the data folder', async (t) => {
    const { cliWith, folder } = build(t)
    const file = join(t.testdirName, 'seal')
    writeFileSync(file, ` ${SEAL} \n`)
    const list = async (env: Record<string, string>): Promise<string> => (await cliWith({ env: { DATA_DIR: folder, ...env } }, 'keys', 'list', '--json')).out
    await cliWith({ env: { DATA_DIR: folder, KEY_ENCRYPTION_KEY: SEAL } }, 'keys', 'generate', '--ring', 'access')
    const listed = await list({ KEY_ENCRYPTION_KEY: SEAL })
    t.equal(await list({ KEY_ENCRYPTION_KEY_FILE: file }), listed)
    t.equal(await list({ KEY_ENCRYPTION_KEY: `${OTHER_SEAL}, ${SEAL}` }), listed, 'two while one replaces the other')
    writeFileSync(join(folder, 'key-encryption-key'), `${SEAL}\n`)
    t.equal(await list({ KEY_ENCRYPTION_KEY: '', KEY_ENCRYPTION_KEY_FILE: '' }), listed)
    writeFileSync(join(folder, 'key-encryption-key'), `${OTHER_SEAL}\n`)
    t.equal(await list({ KEY_ENCRYPTION_KEY: SEAL }), listed, 'the environment wins')

    await cliWith({ env: { DATA_DIR: folder, KEY_ENCRYPTION_KEY: `${OTHER_SEAL},${SEAL}` } }, 'keys', 'rotate', '--ring', 'access', '--signs-in', '0')
    t.match(JSON.parse(await list({ KEY_ENCRYPTION_KEY: OTHER_SEAL })), [{ state: 'unusable' }, { state: 'signing' }], 'the first one seals')
  })

  t.test('is made by generate where there is none, as a server does, for its owner alone', async (t) => {
    const { cliWith, folder } = build(t, { isNew: true })
    const umask = process.umask(0)
    t.teardown(() => process.umask(umask))
    const env = { DATA_DIR: folder }
    const outcomes = await Promise.all(['a', 'b', 'c'].map(async (ring) => await cliWith({ env }, 'keys', 'generate', '--ring', ring)))
    t.strictSame(outcomes.map(({ code }) => code), [0, 0, 0])
    const text = readFileSync(join(folder, 'key-encryption-key'), 'utf8')
    t.match(text, /^1:[A-Za-z0-9+/]{43}=\n$/)
    t.equal(statSync(join(folder, 'key-encryption-key')).mode & 0o777, 0o600)
    t.equal(statSync(folder).mode & 0o777, 0o700)
    t.strictSame(readdirSync(folder).sort(), ['key-encryption-key', 'store'], 'no draft is left')
    t.equal(JSON.parse((await cliWith({ env }, 'keys', 'list', '--json')).out).filter(({ state }: Shown) => state === 'signing').length, 3, 'all of them sealed with the same one')
  })

  t.test('that can be neither read nor made is told', async (t) => {
    const { cliWith, folder } = build(t)
    symlinkSync(join(folder, 'nowhere'), join(folder, 'key-encryption-key'))
    t.match(await cliWith({ env: { DATA_DIR: folder } }, 'keys', 'generate', '--ring', 'a'), { code: 2, error: /"KEY_ENCRYPTION_KEY": cannot be read \(ENOENT\)/ })
    t.strictSame(readdirSync(folder).sort(), ['key-encryption-key', 'store'])
  })

  t.test('that is none is 2, and nothing of it is told', async (t) => {
    const { cliWith, keys, folder } = build(t)
    await keys('generate', '--ring', 'access')
    const weak = `1:${Buffer.alloc(32, 7).toString('base64')}`
    const refused: Array<{ name: string, env: Record<string, string>, says: RegExp }> = [
      { name: 'none', env: {}, says: /"KEY_ENCRYPTION_KEY": must be set, or KEY_ENCRYPTION_KEY_FILE: there is no key-encryption-key in the data folder/ },
      { name: 'twice', env: { KEY_ENCRYPTION_KEY: SEAL, KEY_ENCRYPTION_KEY_FILE: '/dev/null' }, says: /"KEY_ENCRYPTION_KEY": and KEY_ENCRYPTION_KEY_FILE cannot both be set/ },
      { name: 'an empty file', env: { KEY_ENCRYPTION_KEY_FILE: '/dev/null' }, says: /"KEY_ENCRYPTION_KEY_FILE": names a file that is empty/ },
      { name: 'itself in place of a file', env: { KEY_ENCRYPTION_KEY_FILE: SEAL }, says: /"KEY_ENCRYPTION_KEY_FILE": cannot be read/ },
      { name: 'no id', env: { KEY_ENCRYPTION_KEY: SEAL.slice(2) }, says: /"KEY_ENCRYPTION_KEY": a key is written id:base64/ },
      { name: 'too short', env: { KEY_ENCRYPTION_KEY: SEAL.slice(0, -8) }, says: /"KEY_ENCRYPTION_KEY": a key is written id:base64/ },
      { name: 'not random', env: { KEY_ENCRYPTION_KEY: weak }, says: /"KEY_ENCRYPTION_KEY": the key is not random/ },
      { name: 'three', env: { KEY_ENCRYPTION_KEY: [SEAL, OTHER_SEAL, SEAL.replace('1:', '3:')].join() }, says: /"KEY_ENCRYPTION_KEY": must be one key, or two/ },
      { name: 'two of one id', env: { KEY_ENCRYPTION_KEY: [SEAL, OTHER_SEAL.replace('2:', '1:')].join() }, says: /two keys have one id/ },
      { name: 'a comma behind', env: { KEY_ENCRYPTION_KEY: `${SEAL},` }, says: /"KEY_ENCRYPTION_KEY": a key is written/ }
    ]
    for (const { name, env, says } of refused) {
      await t.test(name, async (t) => {
        const { code, out, error } = await cliWith({ env: { DATA_DIR: folder, ...env } }, 'keys', 'list')
        t.strictSame({ code, out }, { code: 2, out: '' })
        t.match(error, says)
        t.match(error, ONE_LINE)
        for (const secret of [SEAL, OTHER_SEAL, weak]) t.notOk(error.includes(secret.slice(2)))
      })
    }
    t.notOk(existsSync(join(folder, 'key-encryption-key')), 'and only generate makes one')
    writeFileSync(join(folder, 'key-encryption-key'), 'x\n')
    t.match(await cliWith({ env: { DATA_DIR: folder } }, 'keys', 'list'), { code: 2, error: /"KEY_ENCRYPTION_KEY \(the file in the data folder\)": a key is written/ })
  })
})

t.test('a store that fails is 1, and is closed all the same', async (t) => {
  for (const args of [['generate', '--ring', 'a'], ['list'], ['list', '--ring', 'a'], ['rotate', '--ring', 'a'], ['remove', 'x', '--ring', 'a']]) {
    let closed = 0
    const fails = async (): Promise<never> => { throw new StoreUnavailableError({ cause: new TypeError('disk full') }) }
    const { keys } = build(t, {
      openStore: (store) => altered(store, {
        get: fails,
        scan: async function * () { await fails() },
        close: async () => { closed++ }
      })
    })
    await keys('generate', '--ring', 'z')
    t.strictSame(await keys(...args), { code: 1, out: '', error: 'fastify-doc-tokens: The token store is unavailable: disk full\n' }, args.join(' '))
    t.equal(closed, 2)
  }
})
