import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type CliContext, type StorePlace } from '../../../lib/cli/context.ts'
import { run } from '../../../lib/cli/run.ts'
import { authenticateApiKey, createApiKeyRegistry, parseSecret } from '../../../lib/credentials/index.ts'
import { StoreUnavailableError } from '../../../lib/errors.ts'
import { createMemoryStore } from '../../../lib/stores/memory.ts'
import { encodeRecord } from '../../../lib/stores/record.ts'
import { type TokenStore } from '../../../lib/stores/token-store.ts'

const NOW = Date.UTC(2030, 0, 1)
const SECONDS = NOW / 1000

interface Outcome {
  code: number
  out: string
  error: string
}

interface Bench {
  /** A data folder that does not exist yet. */
  folder: string
  store: TokenStore
  /** Paths that a store was opened at. */
  opened: string[]
  closed: () => number
  cli: (...args: string[]) => Promise<Outcome>
  cliWith: (parts: Partial<CliContext>, ...args: string[]) => Promise<Outcome>
}

function pathOf (place: StorePlace): string {
  return 'path' in place ? place.path : 'Redis'
}

/** Command lines over one store in memory, which stays open between them. */
function build (t: Test): Bench {
  const folder = join(t.testdir({}), 'data')
  const store = createMemoryStore()
  t.teardown(() => store.close())
  const opened: string[] = []
  let closed = 0
  const shared: TokenStore = Object.create(store, {
    get: { value: store.get.bind(store) },
    add: { value: store.add.bind(store) },
    replace: { value: store.replace.bind(store) },
    delete: { value: store.delete.bind(store) },
    scan: { value: store.scan.bind(store) },
    close: { value: async () => { closed++ } }
  })
  const openStore = async (place: StorePlace): Promise<TokenStore> => {
    const path = pathOf(place)
    opened.push(path)
    mkdirSync(path, { recursive: true })
    writeFileSync(join(path, 'data.mdb'), '')
    return shared
  }

  const cliWith: Bench['cliWith'] = async (parts, ...args) => {
    let [out, error] = ['', '']
    const { env = { DATA_DIR: folder }, stdout = { write: (text) => { out += text } }, stderr = { write: (text) => { error += text } }, ...rest } = parts
    const code = await run(args, { env, stdout, stderr }, { openStore, now: () => NOW, ...rest })
    return { code, out, error }
  }
  return { folder, store, opened, closed: () => closed, cli: (...args) => cliWith({}, ...args), cliWith }
}

async function make (cli: Bench['cli'], ...args: string[]): Promise<{ id: string, secret: string }> {
  const { record, secret } = JSON.parse((await cli('api-keys', 'create', '--json', ...args)).out)
  return { id: record.id, secret }
}

/** The line that holds a secret and nothing else. */
function secretIn (out: string): string {
  return out.split('\n').find((line) => parseSecret(line) !== undefined) ?? ''
}

t.test('help and version need no store', async (t) => {
  const { cli, cliWith, opened } = build(t)
  const commands = ['create', 'list', 'rotate', 'disable', 'enable', 'revoke']
  for (const help of ['--help', '-h']) {
    const top = await cli(help)
    t.match(top, { code: 0, error: '', out: /Usage: fastify-doc-tokens <command>/ })
    const group = await cli('api-keys', help)
    t.match(group, { code: 0, error: '', out: /Usage: fastify-doc-tokens api-keys <command>/ })
    for (const command of commands) {
      t.match(top.out, new RegExp(`api-keys ${command} `))
      t.match(group.out, new RegExp(`^  ${command} `, 'm'))
      t.match(await cli('api-keys', command, help), { code: 0, error: '', out: new RegExp(`^Usage: fastify-doc-tokens api-keys ${command} [^]*--data-dir[^]*--json`) })
    }
  }
  t.match(await cliWith({ openStore: () => Promise.reject(new TypeError('no')) }, 'api-keys', 'rotate', '--help'), { code: 0 })

  const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'))
  t.strictSame(await cli('--version'), { code: 0, out: `${version}\n`, error: '' })
  t.strictSame(opened, [])
})

t.test('a wrong command line is 2, with one line that says why', async (t) => {
  const { cli } = build(t)
  t.match(await cli(), { code: 2, out: '', error: /^fastify-doc-tokens looks after[^]*Usage/ })
  t.match(await cli('api-keys'), { code: 2, out: '', error: /^Usage/ })

  const wrong: Array<{ args: string[], says: RegExp }> = [
    { args: ['apikeys'], says: /no command "apikeys"/ },
    { args: ['\u001b[31m'], says: /no command "\\u001b\[31m"/ },
    { args: ['__proto__'], says: /no command "__proto__"/ },
    { args: ['api-keys', 'toString'], says: /no command "api-keys toString"/ },
    { args: ['api-keys', 'delete\n'], says: /no command "api-keys delete\\u000a"/ },
    { args: ['api-keys', 'list', '--nonsense\u0007'], says: /--nonsense/ },
    { args: ['api-keys', 'list', '--data-dir'], says: /--data-dir/ },
    { args: ['api-keys', 'list', '--data-dir', ''], says: /"--data-dir": must not be empty/ },
    { args: ['api-keys', 'list', '--json=yes'], says: /--json/ },
    { args: ['api-keys', 'list', 'abcdefghij012345'], says: /"id": is not taken/ },
    { args: ['api-keys', 'create', 'shop'], says: /"id": is not taken/ },
    { args: ['api-keys', 'create', '--flow', 'sessions'], says: /"--flow": must be session-issuance or opaque-tokens/ },
    { args: ['api-keys', 'create', '--max-lifetime', '1w'], says: /"--max-lifetime": must be seconds/ },
    { args: ['api-keys', 'create', '--max-lifetime', '0'], says: /"maxLifetime"/ },
    ...['', '100', '100/', '/1m', '100/1w', '100/1m/2', '100 / 1m', '-1/1m', '1.5/1m', '1e3/1m', '100/1.5m', '100/-1', '0x10/1m', '1234567890123/1m', '0/1m', '100/0', '100/1234567890', '100/1m\n', '٣/1m'].map((rate) => (
      { args: ['api-keys', 'create', `--rate-limit=${rate}`], says: /"--rate-limit": must be requests and a time, such as 100\/1m/ }
    )),
    ...['100/3651d'].map((rate) => (
      { args: ['api-keys', 'create', '--rate-limit', rate], says: /"rateLimit": must be \{ max, timeWindow \}.*at least 1.*at most ten years/ }
    )),
    { args: ['api-keys', 'create', '--rate-limit'], says: /--rate-limit/ },
    { args: ['api-keys', 'rotate', 'a', '--rate-limit', '1/1m'], says: /--rate-limit/ },
    { args: ['api-keys', 'create', '--expires-in', '0'], says: /"expiresAt": must be a time to come/ },
    { args: ['api-keys', 'create', '--expires-in', 'never'], says: /"--expires-in"/ },
    { args: ['api-keys', 'create', '--label', 'a\nb'], says: /"label"/ },
    { args: ['api-keys', 'create', '--owner', ''], says: /"owner"/ },
    { args: ['api-keys', 'create', '--document', ''], says: /"documents"/ },
    { args: ['api-keys', 'create', '--permission', 'a b'], says: /"permissions"/ },
    { args: ['api-keys', 'rotate'], says: /"id": must be given/ },
    { args: ['api-keys', 'rotate', 'a', 'b'], says: /"id": must be given once/ },
    { args: ['api-keys', 'rotate', 'a', '--overlap', '-1'], says: /--overlap/ },
    { args: ['api-keys', 'rotate', 'a', '--overlap=-1'], says: /"--overlap"/ },
    { args: ['api-keys', 'disable'], says: /"id": must be given/ },
    { args: ['api-keys', 'enable', 'a', 'b'], says: /"id"/ },
    { args: ['api-keys', 'revoke', '--overlap', '1'], says: /--overlap/ }
  ]
  for (const { args, says } of wrong) {
    await t.test(args.join(' '), async (t) => {
      const { code, out, error } = await cli(...args)
      t.equal(code, 2)
      t.equal(out, '')
      t.match(error, says)
      t.match(error, /^fastify-doc-tokens: [^\p{Cc}]+\n$/u, 'one line, nothing that a terminal obeys')
      t.match(error, /--help/)
    })
  }
  t.equal((await cli('api-keys', 'list', '--json')).out, '[]\n', 'no key was made')
})

t.test('only create makes a data folder', async (t) => {
  const { cli, folder, opened, closed } = build(t)
  for (const args of [['list'], ['rotate', 'a'], ['disable', 'a'], ['enable', 'a'], ['revoke', 'a']]) {
    const { code, out, error } = await cli('api-keys', ...args)
    t.strictSame({ code, out }, { code: 1, out: '' })
    t.equal(error, `fastify-doc-tokens: no store at ${join(folder, 'store')}; --data-dir or DATA_DIR names another data folder, REDIS_URL a Redis\n`)
  }
  mkdirSync(join(folder, '..', 'other', 'store'), { recursive: true })
  t.match(await cli('api-keys', 'list', '--data-dir', join(folder, '..', 'other')), { code: 1, error: /no store at/ }, 'a folder of that name is not a store yet')
  t.match(await cli('api-keys', 'list', '--data-dir', join(folder, '..', 'a\u001b\nb')), { code: 1, error: /no store at \/.*a\\u001b\\u000ab\/store/ })
  t.notOk(existsSync(folder))

  const umask = process.umask(0o022)
  t.teardown(() => process.umask(umask))
  t.match(await cli('api-keys', 'create'), { code: 0, error: '' })
  t.equal(statSync(folder).mode & 0o777, 0o700)
  t.strictSame(opened, [join(folder, 'store')])
  t.equal(closed(), 1)

  const other = join(folder, 'deep', 'er')
  t.match(await cli('api-keys', 'create', '--data-dir', other), { code: 0 })
  t.equal(statSync(join(folder, 'deep')).mode & 0o777, 0o700)
  t.equal(opened.at(-1), join(other, 'store'), 'the option wins over the environment')
})

t.test('without DATA_DIR it is ./data', async (t) => {
  const { cliWith } = build(t)
  for (const env of [{}, { DATA_DIR: '' }, { DATA_DIR: undefined }]) {
    const opened: string[] = []
    const openStore = async (place: StorePlace): Promise<TokenStore> => {
      opened.push(pathOf(place))
      throw new StoreUnavailableError()
    }
    t.chdir(t.testdir({ data: { store: { 'data.mdb': '' } } }))
    t.match(await cliWith({ env, openStore }, 'api-keys', 'list'), { code: 1 })
    t.strictSame(opened, [join(process.cwd(), 'data', 'store')])
  }
})

t.test('create shows the secret once, alone on its line', async (t) => {
  const { cli, store } = build(t)
  const { code, out, error } = await cli('api-keys', 'create', '--label', 'web shop')
  t.strictSame({ code, error }, { code: 0, error: '' })
  const secret = secretIn(out)
  t.equal(out.split(secret).length, 2, 'once')
  t.match(out, /not shown again/)
  t.match(out, new RegExp(`API key ${parseSecret(secret)?.id} is made`))

  const keys = createApiKeyRegistry({ store })
  t.strictSame(await authenticateApiKey(keys, secret, { flow: 'opaque-tokens' }), { id: parseSecret(secret)?.id })
  for (const args of [['list'], ['list', '--json'], ['disable', parseSecret(secret)?.id ?? '']]) {
    t.notOk((await cli('api-keys', ...args)).out.includes(secret))
  }
})

t.test('create takes every limit', async (t) => {
  const { cli, store } = build(t)
  const { code, out, error } = await cli('api-keys', 'create', '--label', 'shop', '--owner', 'acme', '--flow', 'session-issuance', '--flow', 'opaque-tokens',
    '--document', 'a', '--document', 'b\u001b[0m', '--permission', 'read', '--permission', 'write', '--max-lifetime', '10m', '--rate-limit', '100/1m', '--expires-in', '90d', '--json')
  t.strictSame({ code, error }, { code: 0, error: '' })
  t.match(out, /^[^\p{Cc}]+\n$/u, 'one safe line')
  const { record, secret } = JSON.parse(out)
  t.strictSame(record, {
    id: record.id,
    flows: ['session-issuance', 'opaque-tokens'],
    documents: ['a', 'b\u001b[0m'],
    permissions: ['read', 'write'],
    owner: 'acme',
    label: 'shop',
    maxLifetime: 600,
    rateLimit: { max: 100, timeWindow: 60_000 },
    createdAt: SECONDS,
    secrets: [{ createdAt: SECONDS, expiresAt: SECONDS + 90 * 86_400 }]
  })
  t.strictSame(await createApiKeyRegistry({ store }).get(record.id), record)
  t.equal(parseSecret(secret)?.id, record.id)
})

t.test('a rate limit is requests per time, and holds to the bounds of the registry', async (t) => {
  const { cli } = build(t)
  const rates = [
    { text: '1/1', rateLimit: { max: 1, timeWindow: 1000 } },
    { text: '10/90', rateLimit: { max: 10, timeWindow: 90_000 } },
    { text: '007/15m', rateLimit: { max: 7, timeWindow: 900_000 } },
    { text: '999999999999/3650d', rateLimit: { max: 999_999_999_999, timeWindow: 315_360_000_000 } }
  ]
  for (const { text, rateLimit } of rates) {
    const { code, out, error } = await cli('api-keys', 'create', '--rate-limit', text, '--json')
    t.strictSame({ code, error }, { code: 0, error: '' }, text)
    t.strictSame(JSON.parse(out).record.rateLimit, rateLimit, text)
  }
  t.match(await cli('api-keys', 'create', '--help'), { out: /--rate-limit <rate>[^]*100\/1m[^]*begins with the first request/ })
})

t.test('list', async (t) => {
  t.test('no key', async (t) => {
    const { cli } = build(t)
    await cli('api-keys', 'revoke', (await make(cli)).id)
    t.match(await cli('api-keys', 'list'), { code: 0, out: /^There is no API key yet/, error: '' })
    t.strictSame(await cli('api-keys', 'list', '--json'), { code: 0, out: '[]\n', error: '' })
  })

  t.test('many', async (t) => {
    const { cli, cliWith, store } = build(t)
    const plain = await make(cli)
    const limited = JSON.parse((await cliWith({ now: () => NOW + 1000 }, 'api-keys', 'create', '--json', '--label', 'shop', '--owner', 'acme', '--flow', 'opaque-tokens', '--document', 'a', '--permission', 'read', '--max-lifetime', '60', '--rate-limit', '5/2h', '--expires-in', '2')).out).record
    const expired = JSON.parse((await cliWith({ now: () => NOW - 9000 }, 'api-keys', 'create', '--json', '--expires-in', '1', '--document', 'a', '--document', 'b')).out).record
    await cli('api-keys', 'disable', limited.id)
    // Not through the registry, which refuses such a label: what another program wrote is printed safely too.
    await store.set('api-key/a', encodeRecord({ id: '\u202eid', label: 'x\u2028y', createdAt: SECONDS + 5, secrets: [{ digest: 'A'.repeat(43), createdAt: 0 }] }))

    const { code, out, error } = await cli('api-keys', 'list')
    t.strictSame({ code, error }, { code: 0, error: '' })
    t.strictSame(out.split('\n').map((line) => line.split(/ {2,}/)), [
      ['ID', 'STATE', 'CREATED', 'EXPIRES', 'LIMITS', 'OWNER', 'LABEL'],
      [expired.id, 'expired', '2029-12-31T23:59:51Z', '2029-12-31T23:59:52Z', '2 documents', '-', '-'],
      [plain.id, 'active', '2030-01-01T00:00:00Z', 'never', '-', '-', '-'],
      [limited.id, 'disabled', '2030-01-01T00:00:01Z', '2030-01-01T00:00:03Z', 'opaque-tokens, 1 document, read, 60 s, 5 per 7200 s', 'acme', 'shop'],
      ['\\u202eid', 'active', '2030-01-01T00:00:05Z', 'never', '-', '-', 'x\\u2028y'],
      ['']
    ])
    t.strictSame(JSON.parse((await cli('api-keys', 'list', '--json')).out).map(({ id }: { id: string }) => id), [expired.id, plain.id, limited.id, '\u202eid'])
  })

  t.test('keys of one second stand in the order of their ids', async (t) => {
    const { cli } = build(t)
    const ids: string[] = []
    for (let count = 0; count < 8; count++) ids.push((await make(cli)).id)
    t.strictSame(JSON.parse((await cli('api-keys', 'list', '--json')).out).map(({ id }: { id: string }) => id), ids.sort())
  })
})

t.test('rotate', async (t) => {
  const { cli, store } = build(t)
  const { id, secret } = await make(cli)
  const keys = createApiKeyRegistry({ store })
  const accepts = (secret: string, now: number) => authenticateApiKey(keys, secret, { flow: 'opaque-tokens', now: () => now })

  const first = await cli('api-keys', 'rotate', id)
  t.match(first, { code: 0, error: '', out: /The secret before works until 2030-01-02T00:00:00Z\.\n$/ })
  t.match(first.out, /not shown again/)
  await t.resolves(accepts(secret, NOW))
  await t.rejects(accepts(secret, NOW + 86_400_000))
  await t.resolves(accepts(secretIn(first.out), NOW + 86_400_000))

  const second = await cli('api-keys', 'rotate', id, '--overlap', '0', '--expires-in', '1h')
  t.match(second, { code: 0, error: '', out: /The secret before has ended\.\n$/ })
  await t.rejects(accepts(secretIn(first.out), NOW))
  await t.resolves(accepts(secretIn(second.out), NOW))
  await t.rejects(accepts(secretIn(second.out), NOW + 3_600_000))

  const third = JSON.parse((await cli('api-keys', 'rotate', '--json', '--overlap', '15m', id)).out)
  t.strictSame(third.record.secrets, [{ createdAt: SECONDS, expiresAt: SECONDS + 900 }, { createdAt: SECONDS }])
  await t.resolves(accepts(third.secret, NOW))
})

t.test('disable, enable, revoke', async (t) => {
  const { cli } = build(t)
  const { id } = await make(cli)
  t.strictSame(await cli('api-keys', 'disable', id), { code: 0, out: `API key ${id} is disabled.\n`, error: '' })
  t.strictSame(await cli('api-keys', 'enable', id), { code: 0, out: `API key ${id} is enabled.\n`, error: '' })
  t.match(JSON.parse((await cli('api-keys', 'disable', id, '--json')).out), { id, disabled: true })
  t.match(JSON.parse((await cli('api-keys', 'enable', id, '--json')).out), { id, disabled: false })
  t.strictSame(await cli('api-keys', 'revoke', id), { code: 0, out: `API key ${id} is deleted.\n`, error: '' })

  for (const command of ['disable', 'enable', 'revoke', 'rotate']) {
    t.strictSame(await cli('api-keys', command, id), { code: 1, out: '', error: 'fastify-doc-tokens: There is no such credential\n' })
  }
  const other = await make(cli)
  t.strictSame(JSON.parse((await cli('api-keys', 'revoke', other.id, '--json')).out), { id: other.id, revoked: true })
})

t.test('a secret given in place of an id is not repeated (T34)', async (t) => {
  const { cli } = build(t)
  const { secret } = await make(cli)
  for (const args of [['rotate', secret], ['disable', secret], ['list', secret], ['rotate', 'x', secret]]) {
    const { out, error } = await cli('api-keys', ...args)
    t.equal(out, '')
    t.notOk(error.includes(secret.slice(25)))
  }
})

t.test('a failure is 1, with one line that says why', async (t) => {
  const { cli, cliWith, folder, closed } = build(t)
  await make(cli)
  const failures: Array<{ name: string, thrown: unknown, says: string }> = [
    { name: 'an outage, with its cause', thrown: new StoreUnavailableError({ cause: new TypeError('disk\nfull') }), says: 'The token store is unavailable: disk\\u000afull' },
    { name: 'an outage without', thrown: new StoreUnavailableError(), says: 'The token store is unavailable' },
    { name: 'a cause that is no error', thrown: new StoreUnavailableError({ cause: 'x' }), says: 'The token store is unavailable: it failed for an unknown reason' },
    { name: 'a missing driver', thrown: Object.assign(new TypeError("Cannot find package 'lmdb'"), { code: 'ERR_MODULE_NOT_FOUND' }), says: "Cannot find package 'lmdb'" },
    { name: 'not an error at all', thrown: null, says: 'it failed for an unknown reason' }
  ]
  for (const { name, thrown, says } of failures) {
    await t.test(name, async (t) => {
      t.strictSame(await cliWith({ openStore: () => Promise.reject(thrown) }, 'api-keys', 'list'), { code: 1, out: '', error: `fastify-doc-tokens: ${says}\n` })
    })
  }

  t.test('a data folder that cannot be made', async (t) => {
    const path = join(t.testdir({ file: '' }), 'file', 'data')
    t.match(await cli('api-keys', 'create', '--data-dir', path), { code: 1, error: /^fastify-doc-tokens: ENOTDIR[^\n]*\n$/ })
  })

  t.test('the store is closed all the same', async (t) => {
    const before = closed()
    t.match(await cli('api-keys', 'disable', 'a', '--data-dir', folder), { code: 1 })
    t.equal(closed(), before + 1)
  })
})
