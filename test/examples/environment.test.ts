import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { createSecret } from '../../lib/credentials/secret.ts'
import { generateKey } from '../../lib/keys/generate.ts'
import { call, claimsOf, getToken, issue, list, read, revoke } from '../support/example-client.ts'
import { freePort, newDataDir, run, SERVER, startProgram, startServer, until } from '../support/example-server.ts'

type Variables = Record<string, string>

const base64 = (bytes: Buffer) => bytes.toString('base64')
const encryptionKey = (id = '1') => `${id}:${base64(randomBytes(32))}`
const DEMO_KEY = 'a-known-key-of-the-demo_0123456789'
const DEMO_CLIENT = { id: 'a client of the demo', secret: 'wordOfAPass & a known secret: 100% +/=' }
const CLIENT = { DEMO_CLIENT_ID: DEMO_CLIENT.id, DEMO_CLIENT_SECRET: DEMO_CLIENT.secret }
const REDIS_URL = 'redis://somebody:wordOfAPass@127.0.0.1:1/0'
const editorSecret = () => randomBytes(32).toString('base64url')

/** A folder for files that variables name. */
function folderOf (t: Test): (name: string, content: string) => string {
  const folder = mkdtempSync(join(tmpdir(), 'example-files-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return (name, content) => {
    writeFileSync(join(folder, name), content)
    return join(folder, name)
  }
}

/** The one line that says what is wrong, and nothing else. */
function checkLine (t: Test, line: string, names: string, variables: Variables): void {
  const secrets = ['KEY_ENCRYPTION_KEY', 'TOKEN_PEPPER', 'REDIS_URL', 'DEMO_API_KEY', 'DEMO_CLIENT_SECRET', 'EDITOR_SECRET', 'EDITOR_OUTBOX_SECRET'].flatMap((name) => variables[name]?.split(/[:,@]/) ?? []).filter((value) => value.length > 5)
  const title = JSON.stringify(variables).slice(0, 100)
  t.match(line, /^[^\n]{10,300}$/, `${title}: one line`)
  for (const name of names.split(' ')) t.ok(line.includes(name), `${title}: it names ${name}: ${line}`)
  for (const secret of secrets) t.notOk(line.includes(secret), `${title}: it holds no secret`)
}

async function refuses (t: Test, names: string, variables: Variables, dataDir = newDataDir(t)): Promise<string> {
  const program = startProgram(t, process.execPath, [SERVER], { env: { PORT: '0', DATA_DIR: dataDir, ...variables } })
  const title = JSON.stringify(variables).slice(0, 100)
  // It has nothing to say before it listens, but what is unwise.
  const said = () => program.stdout().split('\n').filter((line) => line !== '' && !line.includes('"level":40,'))
  await Promise.race([program.ended, until(() => said().length > 0 || program.stderr() !== '')])
  t.strictSame(said(), [], title)
  if (said().length > 0) await program.kill()
  t.equal(await program.ended, 1, title)
  t.equal(program.stderr().at(-1), '\n', title)
  checkLine(t, program.stderr().slice(0, -1), names, variables)
  return program.stderr()
}

// Of the many ways to be wrong most are tried without a whole server around them.
const READ_ALL = `
  import { EnvironmentError, readEnvironment } from './dist/examples/server/environment.js'
  console.log(JSON.stringify(JSON.parse(process.argv[1]).map((variables) => {
    try {
      readEnvironment(variables)
      return 'taken'
    } catch (error) {
      return error instanceof EnvironmentError ? error.message : error.stack
    }
  })))
`

async function readAll (t: Test, environments: readonly Variables[]): Promise<string[]> {
  const { code, stdout, stderr } = await run(t, process.execPath, ['--input-type=module', '--eval', READ_ALL, JSON.stringify(environments)])
  t.equal(code, 0, stderr)
  return JSON.parse(stdout)
}

t.test('what a variable may be', async (t) => {
  const file = folderOf(t)
  const pepper = randomBytes(32)
  const misspelt = createSecret('key').replace(/.$/, (last) => last === 'A' ? 'Q' : 'A')
  const each = (name: string, names: string, values: readonly string[], others: Variables = {}) => values.map((value): [string, Variables] => [names, { ...others, [name]: value }])

  const wrong = [
    ...each('PORT', 'PORT', ['x', '-1', '65536', '3000.5', '1e3', '0x10', ' 3000', '3000 ', '٣']),
    ...each('HOST', 'HOST', ['a b', 'http://127.0.0.1', '127.0.0.1/8', '[::1]', 'a\nb']),
    ...each('HOST', 'ISSUER HOST', ['0.0.0.0', '::', '192.0.2.1', 'app.example', '127.0.0.300']),
    ...each('ISSUER', 'ISSUER', ['app.example', 'ftp://app.example', 'https://user@app.example', 'https://app.example?a', 'https://app.example#a', 'https://APP.example', 'https://app.example:443', 'https://', 'https:app.example', 'https://app.example\\@evil.test/', ' https://app.example', 'https://app.example/t%C3%BC', 'https://app.example/a:b', 'https://app.example/*']),
    ...each('LOG_LEVEL', 'LOG_LEVEL', ['verbose', 'INFO', 'info ']),
    // T20
    ...each('TRUST_PROXY', 'TRUST_PROXY', ['0', '1', '2', '-1', '1.5', 'true', 'TRUE', 'false', 'yes', '*', 'loopback', 'linklocal', 'uniquelocal', 'Loopback', 'loopback, 10.0.0.1', 'app.example', 'localhost']),
    ...each('TRUST_PROXY', 'TRUST_PROXY', ['10.0.0.0/33', '10.0.0.0/', '10.0.0.0/8/8', '10.0.0.0/-8', '10.0.0.0/ 8', '10.0.0.0 /8', '10.0.0.0/8.0', '10.0.0.0/0x8', '10.0.0.0/255.0.0.0', '10.0.0.0-10.0.0.9', '2001:db8::/129', 'fe80::1%eth0', 'fe80::1%eth0/64']),
    ...each('TRUST_PROXY', 'TRUST_PROXY', ['10.0.0', '10.1', '0x0a.0.0.1', '010.0.0.1', '167772161', '10.0.0.1:80', '[::1]', '[::1]:80', 'http://10.0.0.1', '10.0.0.1 10.0.0.2', '10.0.0.1;10.0.0.2', '10.0.0.1,1', '10.0.0.256', '::g']),
    // Everybody, in one piece or in two.
    ...each('TRUST_PROXY', 'TRUST_PROXY', ['0.0.0.0/0', '::/0', '0.0.0.0/1,128.0.0.0/1', '10.0.0.0/7', '2000::/3', '::/6', '::ffff:0.0.0.0/96', '::ffff:0:0/96', '0:0:0:0:0:FFFF:0:0/96', '::ffff:10.0.0.0/104', '::ffff:0.0.0.0/1']),
    ...each('REQUEST_TIMEOUT', 'REQUEST_TIMEOUT', ['0', '-1', '301', '1.5', '1e1', '0x10', '30s', ' 30', '30 ', 'Infinity', 'NaN', 'true']),
    ...each('CORS_ORIGINS', 'CORS_ORIGINS', ['*', 'null', 'true', 'app.example', 'https://app.example/', 'https://app.example/a', 'https://*.app.example', 'https://APP.example', 'https://app.example, *', 'https://app.example:443', 'ftp://app.example']),
    ...['KEY_ENCRYPTION_KEY', 'TOKEN_PEPPER'].flatMap((name) => [
      ...each(name, name, ['short', 'no-id', base64(randomBytes(32)), `1:${base64(randomBytes(16))}`, `1:${base64(Buffer.alloc(32))}`, `a b:${base64(randomBytes(32))}`, [1, 2, 3].map((id) => encryptionKey(`${id}`)).join(), `${encryptionKey()},`]),
      ...each(`${name}_FILE`, `${name} ${name}_FILE`, [file('key', encryptionKey())], { [name]: encryptionKey() }),
      ...each(`${name}_FILE`, `${name}_FILE`, [tmpdir(), join(tmpdir(), 'there-is-no-such-file')]),
      ...each(`${name}_FILE`, name, [file('nothing', ''), file('text', 'text')])
    ]),
    ...each('TOKEN_PEPPER', 'TOKEN_PEPPER', [`${encryptionKey('1')},${encryptionKey('1')}`, `1:${base64(pepper)},2:${base64(pepper)}`]),
    ...each('REDIS_URL', 'KEY_ENCRYPTION_KEY REDIS_URL', [REDIS_URL]),
    ...each('REDIS_URL', 'KEY_ENCRYPTION_KEY REDIS_URL', [REDIS_URL], { TOKEN_PEPPER: encryptionKey() }),
    ...each('REDIS_URL', 'TOKEN_PEPPER REDIS_URL', [REDIS_URL], { KEY_ENCRYPTION_KEY: encryptionKey() }),
    ...each('DEMO_API_KEY', 'DEMO_API_KEY', ['short', 'x'.repeat(31), 'x'.repeat(513), `${'x'.repeat(40)} x`, `${'x'.repeat(40)}ä`, misspelt]),
    ...each('DEMO_API_KEY', 'DEMO_API_KEY NODE_ENV', [DEMO_KEY], { NODE_ENV: 'production' }),
    ...each('DEMO_API_KEY_FILE', 'DEMO_API_KEY NODE_ENV', [file('demo', DEMO_KEY)], { NODE_ENV: 'production' }),
    ...each('DEMO_API_KEY_FILE', 'DEMO_API_KEY DEMO_API_KEY_FILE', [file('demo', DEMO_KEY)], { DEMO_API_KEY: DEMO_KEY }),
    ...each('DEMO_API_KEY_FILE', 'DEMO_API_KEY_FILE', [tmpdir(), join(tmpdir(), 'there-is-no-such-file')]),
    ...each('DEMO_CLIENT_ID', 'DEMO_CLIENT_ID DEMO_CLIENT_SECRET', [DEMO_CLIENT.id]),
    ...each('DEMO_CLIENT_SECRET', 'DEMO_CLIENT_ID DEMO_CLIENT_SECRET', [DEMO_CLIENT.secret]),
    ...each('DEMO_CLIENT_SECRET_FILE', 'DEMO_CLIENT_ID DEMO_CLIENT_SECRET', [file('client', DEMO_CLIENT.secret)]),
    ...each('DEMO_CLIENT_ID', 'DEMO_CLIENT_ID', ['x'.repeat(101), 'ä', 'a\nb', 'a\u007f'], { DEMO_CLIENT_SECRET: DEMO_CLIENT.secret }),
    ...each('DEMO_CLIENT_SECRET', 'DEMO_CLIENT_SECRET', ['short', 'x'.repeat(31), 'x'.repeat(101), `${'x'.repeat(40)}ä`, `${'x'.repeat(40)}\n`], { DEMO_CLIENT_ID: DEMO_CLIENT.id }),
    ...each('NODE_ENV', 'DEMO_CLIENT_SECRET NODE_ENV', ['production'], CLIENT),
    ...each('DEMO_CLIENT_SECRET_FILE', 'DEMO_CLIENT_SECRET NODE_ENV', [file('client', DEMO_CLIENT.secret)], { NODE_ENV: 'production', DEMO_CLIENT_ID: DEMO_CLIENT.id }),
    ...each('DEMO_CLIENT_SECRET_FILE', 'DEMO_CLIENT_SECRET DEMO_CLIENT_SECRET_FILE', [file('client', DEMO_CLIENT.secret)], CLIENT),
    ...each('DEMO_CLIENT_SECRET_FILE', 'DEMO_CLIENT_SECRET_FILE', [tmpdir(), join(tmpdir(), 'there-is-no-such-file')], { DEMO_CLIENT_ID: DEMO_CLIENT.id }),
    ...['EDITOR_SECRET', 'EDITOR_OUTBOX_SECRET'].flatMap((name) => [
      ...each(name, name, [`"${editorSecret()}"`, `'${editorSecret()}'`, ` ${editorSecret()}`, `${editorSecret()} `, `${editorSecret()}\n`, '""', ' ', '\n', '{"k":"wombat"}']),
      // The document server's own default is a word.
      ...each(name, `${name} weak`, ['wombat', 'wombat'.repeat(6), 'x'.repeat(64)], { NODE_ENV: 'production' }),
      ...each(`${name}_FILE`, `${name} weak`, [file('wombat', 'wombat\n')], { NODE_ENV: 'production' }),
      ...each(`${name}_FILE`, `${name} empty`, [file('nothing', ''), file('lines', '\n\n')]),
      ...each(`${name}_FILE`, `${name} ${name}_FILE`, [file('editor', editorSecret())], { [name]: editorSecret() }),
      ...each(`${name}_FILE`, `${name}_FILE`, [tmpdir(), join(tmpdir(), 'there-is-no-such-file')])
    ]),
    ...each('DOCUMENT_SERVER_URL', 'DOCUMENT_SERVER_URL', ['docs.example', '//docs.example', 'ftp://docs.example', 'https://user@docs.example', 'https://docs.example?a', 'https://docs.example#a', 'https://DOCS.example', 'https://docs.example:443', 'https://', 'javascript:alert(1)', ' https://docs.example', 'https://docs.example/a b'])
  ]
  const told = await readAll(t, wrong.map(([, variables]) => variables))
  for (const [index, [names, variables]] of wrong.entries()) checkLine(t, String(told[index]), names, variables)

  const right = [
    {},
    Object.fromEntries(['HOST', 'PORT', 'ISSUER', 'DATA_DIR', 'KEYS_FILE', 'KEY_ENCRYPTION_KEY', 'KEY_ENCRYPTION_KEY_FILE', 'TOKEN_PEPPER', 'TOKEN_PEPPER_FILE', 'REDIS_URL', 'DEMO_API_KEY', 'DEMO_API_KEY_FILE', 'DEMO_CLIENT_ID', 'DEMO_CLIENT_SECRET', 'DEMO_CLIENT_SECRET_FILE', 'TRUST_PROXY', 'CORS_ORIGINS', 'LOG_LEVEL', 'REQUEST_TIMEOUT'].map((name) => [name, ''])),
    ...['127.0.0.1', '127.8.9.10', '::1', 'localhost'].map((HOST) => ({ HOST })),
    ...['0.0.0.0', '::', 'app.example'].map((HOST) => ({ HOST, ISSUER: 'https://app.example' })),
    ...['0', '1', '65535'].map((PORT) => ({ PORT })),
    ...['https://app.example', 'https://app.example/', 'http://[::1]:3000', 'https://app.example/a/b'].map((ISSUER) => ({ ISSUER })),
    ...['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'].map((LOG_LEVEL) => ({ LOG_LEVEL })),
    ...['10.0.0.1', '10.0.0.0/8, 2001:db8::/32,', '::1', 'fc00::/7', '10.0.0.1/32', '::1/128', '::ffff:10.0.0.1'].map((TRUST_PROXY) => ({ TRUST_PROXY })),
    ...['1', '30', '300'].map((REQUEST_TIMEOUT) => ({ REQUEST_TIMEOUT })),
    ...['https://app.example', 'https://app.example, http://localhost:8080,'].map((CORS_ORIGINS) => ({ CORS_ORIGINS })),
    ...[encryptionKey(), `${encryptionKey('2')}, ${encryptionKey('1')}`].map((KEY_ENCRYPTION_KEY) => ({ KEY_ENCRYPTION_KEY })),
    { KEY_ENCRYPTION_KEY_FILE: file('key', `${encryptionKey()}\n`) },
    ...[encryptionKey(), `${encryptionKey('2')}, ${encryptionKey('1')}`].map((TOKEN_PEPPER) => ({ TOKEN_PEPPER })),
    { TOKEN_PEPPER_FILE: file('pepper', `${encryptionKey()}\n`) },
    ...[REDIS_URL, 'rediss://redis.example'].map((REDIS_URL) => ({ REDIS_URL, KEY_ENCRYPTION_KEY: encryptionKey(), TOKEN_PEPPER: encryptionKey() })),
    ...[DEMO_KEY, createSecret('key'), 'x'.repeat(32), 'x'.repeat(512)].map((DEMO_API_KEY) => ({ DEMO_API_KEY })),
    CLIENT,
    { DEMO_CLIENT_ID: 'x'.repeat(100), DEMO_CLIENT_SECRET: 'x'.repeat(100) },
    { DEMO_CLIENT_ID: 'x', DEMO_CLIENT_SECRET: createSecret('client') },
    { DEMO_CLIENT_ID: 'x', DEMO_CLIENT_SECRET_FILE: file('client', `${'x'.repeat(32)}\n`) },
    ...['EDITOR_SECRET', 'EDITOR_OUTBOX_SECRET'].flatMap((name) => [
      { [name]: 'secret' },
      { [name]: editorSecret(), NODE_ENV: 'production' },
      { [`${name}_FILE`]: file('editor', `${editorSecret()}\n`), NODE_ENV: 'production' },
      { [name]: '', [`${name}_FILE`]: '' }
    ]),
    ...['http://localhost:8080', 'https://docs.example', 'https://docs.example/', 'https://docs.example/editors'].map((DOCUMENT_SERVER_URL) => ({ DOCUMENT_SERVER_URL }))
  ]
  t.strictSame(await readAll(t, right), right.map(() => 'taken'))
})

t.test('a wrong value stops the server with one line', async (t) => {
  const file = folderOf(t)
  const { d, ...publicHalf } = await generateKey('ES256')
  t.ok(d !== undefined)
  const sessions = { ...await generateKey('ES256'), fdt_flow: 'sessions' }
  const shared = base64(randomBytes(32))
  const jwks = (...keys: object[]) => JSON.stringify({ keys })

  const wrong: Array<[string, Variables]> = [
    ['PORT', { PORT: 'x' }],
    ['HOST', { HOST: 'a b' }],
    ['HOST', { HOST: 'nobody.invalid', ISSUER: 'https://app.example' }],
    ['ISSUER HOST', { HOST: '0.0.0.0' }],
    ['ISSUER', { ISSUER: 'app.example' }],
    ['LOG_LEVEL', { LOG_LEVEL: 'verbose' }],
    ['TRUST_PROXY', { TRUST_PROXY: '1' }],
    ['REQUEST_TIMEOUT', { REQUEST_TIMEOUT: '0' }],
    ['CORS_ORIGINS', { CORS_ORIGINS: '*' }],
    ['DATA_DIR', { DATA_DIR: join(file('plain', ''), 'data') }],
    ['KEYS_FILE ENOENT', { KEYS_FILE: join(tmpdir(), 'there-is-no-such-file') }],
    ['KEYS_FILE', { KEYS_FILE: file('other', jwks({ ...await generateKey('ES256'), fdt_flow: 'access' })) }],
    ['KEYS_FILE', { KEYS_FILE: file('verifying', jwks({ ...publicHalf, fdt_flow: 'sessions' })) }],
    ['KEYS_FILE access', { KEYS_FILE: file('sessions', jwks(sessions)) }],
    ['KEYS_FILE access', { KEYS_FILE: file('secret', jwks(sessions, { kty: 'oct', k: randomBytes(32).toString('base64url'), alg: 'HS256', fdt_flow: 'access' })) }],
    ['KEY_ENCRYPTION_KEY', { KEY_ENCRYPTION_KEY: `1:${base64(randomBytes(16))}` }],
    ['KEY_ENCRYPTION_KEY', { KEY_ENCRYPTION_KEY: `${encryptionKey('1')},${encryptionKey('1')}` }],
    ['KEY_ENCRYPTION_KEY_FILE', { KEY_ENCRYPTION_KEY_FILE: tmpdir() }],
    ['TOKEN_PEPPER', { TOKEN_PEPPER: `1:${base64(randomBytes(16))}` }],
    ['TOKEN_PEPPER KEY_ENCRYPTION_KEY', { TOKEN_PEPPER: `a:${shared},b:${base64(randomBytes(32))}`, KEY_ENCRYPTION_KEY: `${encryptionKey('c')},d:${shared}` }],
    ['TOKEN_PEPPER KEY_ENCRYPTION_KEY', { TOKEN_PEPPER: `b:${base64(randomBytes(32))},a:${shared}`, KEY_ENCRYPTION_KEY_FILE: file('shared', `d:${shared}`) }],
    ['TOKEN_PEPPER REDIS_URL', { REDIS_URL, KEY_ENCRYPTION_KEY: encryptionKey() }],
    ...['http://somebody:wordOfAPass@127.0.0.1', 'somebody:wordOfAPass@127.0.0.1', `${REDIS_URL}?wordOfAPass`, 'redis://wordOfAUser@127.0.0.1', 'redis://%wordOfAPass:x@127.0.0.1', 'wordOfAPass'].map((REDIS_URL): [string, Variables] => {
      return ['REDIS_URL', { REDIS_URL, KEY_ENCRYPTION_KEY: encryptionKey(), TOKEN_PEPPER: encryptionKey() }]
    }),
    ['DEMO_API_KEY', { DEMO_API_KEY: 'short' }],
    ['DEMO_API_KEY NODE_ENV', { DEMO_API_KEY: DEMO_KEY, NODE_ENV: 'production' }],
    ['DEMO_API_KEY_FILE', { DEMO_API_KEY_FILE: tmpdir() }],
    ['EDITOR_SECRET quotes', { EDITOR_SECRET: `"${editorSecret()}"` }],
    ['EDITOR_OUTBOX_SECRET weak', { EDITOR_OUTBOX_SECRET: 'wombat', NODE_ENV: 'production' }],
    ['DOCUMENT_SERVER_URL', { DOCUMENT_SERVER_URL: 'docs.example' }]
  ]
  // Two at a time: each one is a process that loads all of the server.
  const queue = wrong.values()
  await Promise.all([1, 2].map(async () => {
    for (const [names, variables] of queue) await refuses(t, names, variables)
  }))
})

t.test('a port that is in use', async (t) => {
  const somebody = createServer().listen(0, '127.0.0.1')
  await once(somebody, 'listening')
  t.teardown(() => somebody.close())
  const address = somebody.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  t.match(await refuses(t, 'PORT', { PORT: String(port) }), 'EADDRINUSE')
})

t.test('all that can be set, set', async (t) => {
  const dataDir = newDataDir(t)
  const file = folderOf(t)
  const key = encryptionKey('2026')
  const port = await freePort()
  const { url, stdout, stderr, stop } = await startServer(t, {
    dataDir,
    env: {
      HOST: 'localhost',
      PORT: String(port),
      ISSUER: 'https://app.example/tokens',
      LOG_LEVEL: 'debug',
      TRUST_PROXY: '127.0.0.0/8, ::1,2001:db8::/32',
      CORS_ORIGINS: 'https://app.example, http://localhost:8080,',
      KEY_ENCRYPTION_KEY: key,
      TOKEN_PEPPER_FILE: file('pepper', `${encryptionKey('2')},${encryptionKey('1')}\n`),
      DEMO_API_KEY_FILE: file('demo', `${DEMO_KEY}\n`),
      DEMO_CLIENT_ID: DEMO_CLIENT.id,
      DEMO_CLIENT_SECRET_FILE: file('client', `${DEMO_CLIENT.secret}\n`),
      EDITOR_SECRET_FILE: file('inbox', `${editorSecret()}\n`),
      EDITOR_OUTBOX_SECRET: editorSecret(),
      DOCUMENT_SERVER_URL: 'https://docs.example/editors/',
      KEYS_FILE: ''
    }
  })
  t.ok(url.endsWith(`:${port}`))
  const from = { 'x-forwarded-for': '192.0.2.77, 2001:db8::5' }
  const token = await issue(url, DEMO_KEY, { contract: ['read', 'write'] }, { user_id: 'anna' }, from)
  t.match(claimsOf(token), { iss: 'https://app.example/tokens', aud: 'https://app.example/tokens/viewer/default', azp: 'demo', sub: 'anna' })
  t.equal((await read(url, token)).status, 200)
  t.equal((await list(url, DEMO_KEY)).status, 200)
  await t.rejects(issue(url, `${DEMO_KEY}x`, { contract: ['read'] }), /^no session: 401 /)
  t.equal((await revoke(url, DEMO_KEY, { user_id: 'anna' })).status, 204)
  t.equal((await read(url, token)).status, 401)
  const last = await issue(url, DEMO_KEY, { contract: ['read'] })
  const access = await getToken(url, DEMO_CLIENT, {}, from)
  t.match(claimsOf(access), { iss: 'https://app.example/tokens', aud: 'https://app.example/tokens', client_id: DEMO_CLIENT.id, scope: 'files.read files.write' })
  t.match(await call(`${url}/v2.0/viewer/view`, { method: 'POST', bearer: access, body: { fileInfo: { filePath: 'contract.pdf' } } }), {
    status: 200,
    body: { pages: [{ downloadUrl: 'https://app.example/tokens/v2.0/viewer/storage/file/viewer/contract_pdf/p1.html' }] }
  })
  t.match(await call(`${url}/.well-known/oauth-authorization-server/tokens`), { status: 200, body: { token_endpoint: 'https://app.example/tokens/connect/token' } })
  t.match(await call(`${url}/.well-known/oauth-protected-resource/tokens`), { status: 200, body: { resource: 'https://app.example/tokens' } })
  await t.rejects(getToken(url, { ...DEMO_CLIENT, secret: `${DEMO_CLIENT.secret}x` }), /^no access token: 400 /)
  const page = await call(`${url}/editor/letter`, { bearer: DEMO_KEY })
  t.match(page.text, 'src="https://docs.example/editors/web-apps/apps/api/documents/api.js"')
  t.match(page.text, '"callbackUrl":"https://app.example/editor/letter/callback"', 'at the origin of ISSUER')
  t.equal(await stop(), 0)

  t.match(stdout(), /"remoteAddress":"192\.0\.2\.77"/, 'the first address that is not a proxy of ours')
  t.notMatch(stdout(), /API key and the client of this server/, 'a known key is enough')
  t.notMatch(stdout(), /secret of the editor|secret are the same/, 'and two good secrets are no reason for a warning')
  t.equal(stderr(), '')
  for (const name of ['first-start.txt', 'key-encryption-key', 'token-pepper', 'editor-secret']) t.notOk(existsSync(join(dataDir, name)), `no ${name}`)

  await t.test('a key encryption key that is not the one', async (t) => {
    for (const variables of [{ KEY_ENCRYPTION_KEY: encryptionKey('2026') }, { KEY_ENCRYPTION_KEY: encryptionKey('2027') }]) {
      await refuses(t, 'KEY_ENCRYPTION_KEY', variables, dataDir)
    }
    await refuses(t, 'KEY_ENCRYPTION_KEY', {}, dataDir)
  })

  await t.test('the one from a file, with a new one before it', async (t) => {
    const { url, stop } = await startServer(t, { dataDir, env: { ISSUER: 'https://app.example/tokens', DEMO_API_KEY: DEMO_KEY, KEY_ENCRYPTION_KEY_FILE: file('keys', `${encryptionKey('2027')}, ${key}\n`) } })
    t.equal((await read(url, last)).status, 200, 'the keys are the same')
    t.equal(await stop(), 0)
  })
})

const hasVersion6 = Object.values(networkInterfaces()).some((addresses) => addresses?.some(({ address }) => address === '::1'))

t.test('an address of version 6', { skip: hasVersion6 ? false : 'this machine has none' }, async (t) => {
  const { url, stdout } = await startServer(t, { env: { HOST: '::1', DEMO_API_KEY: createSecret('key') } })
  t.match(url, /^http:\/\/\[::1\]:\d+$/)
  t.equal((await list(url, 'nobody')).status, 401)
  // The line comes through a pipe of its own, before or after the answer.
  t.ok(await until(() => stdout().includes('"remoteAddress":"::1"')))
})

t.test('no log at all', async (t) => {
  const port = await freePort()
  const dataDir = newDataDir(t)
  const program = startProgram(t, process.execPath, [SERVER], { env: { PORT: String(port), DATA_DIR: dataDir, LOG_LEVEL: 'silent' } })
  await until(() => program.stdout().includes('first-start.txt'))
  t.equal((await list(`http://127.0.0.1:${port}`, 'nobody')).status, 401)
  program.process.kill('SIGTERM')
  t.equal(await program.ended, 0)
  t.equal(program.output(), `\nThe API key and the client of this server, and commands to try them, are in ${join(dataDir, 'first-start.txt')}\n\n`)
})

t.test('a data folder that others made', async (t) => {
  const dataDir = newDataDir(t)
  mkdirSync(dataDir)
  const { url } = await startServer(t, { dataDir, env: { DEMO_API_KEY: DEMO_KEY } })
  t.equal((await list(url, DEMO_KEY)).status, 200)
})

t.test('a data folder that others could write to', { skip: process.platform === 'win32' ? 'modes are another matter there' : false }, async (t) => {
  const empty = newDataDir(t)
  mkdirSync(empty, { recursive: true })
  chmodSync(empty, 0o777)
  const server = await startServer(t, { dataDir: empty })
  t.equal(statSync(empty).mode & 0o777, 0o700, 'an empty one is closed')
  await server.stop()

  const planted = newDataDir(t)
  mkdirSync(planted, { recursive: true })
  writeFileSync(join(planted, 'key-encryption-key'), encryptionKey('1'))
  chmodSync(planted, 0o755)
  t.match(await refuses(t, 'DATA_DIR chmod', {}, planted), 'open to other users')
  t.strictSame(readdirSync(planted), ['key-encryption-key'], 'nothing is touched')
})
