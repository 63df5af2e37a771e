import { spawn } from 'node:child_process'
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { type AddressInfo } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { authenticateClientSecret, createClientRegistry, parseSecret } from '../../../lib/credentials/index.ts'
import { generateKey, jwkThumbprint } from '../../../lib/keys/index.ts'
import { encodeRecord } from '../../../lib/stores/record.ts'
import { hasTool } from '../../support/example-server.ts'
import { type Bench, build, NOW, ONE_LINE } from './bench.ts'

const SECONDS = NOW / 1000

async function make (cli: Bench['cli'], ...args: string[]): Promise<{ id: string, secret: string }> {
  const { record, secret } = JSON.parse((await cli('clients', 'create', '--json', ...args)).out)
  return { id: record.id, secret }
}

/** The line that holds a secret and nothing else. */
function secretIn (out: string): string {
  return out.split('\n').find((line) => parseSecret(line) !== undefined) ?? ''
}

let files = 0

function file (t: Test, text: string): string {
  // Another `testdir` of one test would empty the first.
  const folder = existsSync(t.testdirName) ? t.testdirName : t.testdir({})
  const path = join(folder, `key-${++files}`)
  writeFileSync(path, text)
  return path
}

function pem (key: KeyObject): string {
  return String(key.type === 'private' ? key.export({ format: 'pem', type: 'pkcs8' }) : key.export({ format: 'pem', type: 'spki' }))
}

const RSA = generateKeyPairSync('rsa', { modulusLength: 2048 })
const RSA_PSS = generateKeyPairSync('rsa-pss', { modulusLength: 2048 })
const EC = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const ED = generateKeyPairSync('ed25519')

t.test('help needs no store', async (t) => {
  const { cli, opened } = build(t)
  const commands = ['create', 'list', 'rotate-secret', 'disable', 'enable', 'remove']
  for (const help of ['--help', '-h']) {
    const group = await cli('clients', help)
    t.match(group, { code: 0, error: '', out: /^Usage: fastify-doc-tokens clients <command>[^]*REDIS_URL[^]*REDIS_URL_FILE/ })
    for (const command of commands) {
      t.match((await cli(help)).out, new RegExp(`clients ${command} `))
      t.match(group.out, new RegExp(`^  ${command} `, 'm'))
      t.match(await cli('clients', command, help), { code: 0, error: '', out: new RegExp(`^Usage: fastify-doc-tokens clients ${command} [^]*--data-dir[^]*--json`) })
    }
  }
  t.match(await cli('clients'), { code: 2, out: '', error: /^Usage/ })
  const all = await Promise.all([[], ...commands.map((command) => [command])].map(async (path) => (await cli('clients', ...path, '--help')).out))
  for (const line of all.join('').split('\n')) t.ok(line.length <= 120, line)
  t.strictSame(opened, [])
})

t.test('a wrong command line is 2, with one line that says why', async (t) => {
  const { cli } = build(t)
  const rsa = file(t, JSON.stringify(RSA.publicKey.export({ format: 'jwk' })))
  const create = (...args: string[]): string[] => ['create', ...args]
  const wrong: Array<{ args: string[], says: RegExp }> = [
    { args: ['rotate'], says: /no command "clients rotate"/ },
    { args: ['revoke\u001b'], says: /no command "clients revoke\\u001b"/ },
    { args: create('shop'), says: /"id": is not taken/ },
    { args: create('--scopes', 'a'), says: /--scopes/ },
    { args: create('--scope', 'a b'), says: /"scopes"/ },
    { args: create('--scope', ''), says: /"scopes"/ },
    { args: create('--scope', 'a', '--default-scope', 'b'), says: /"defaultScopes": must be some of "scopes"/ },
    { args: create('--audience', 'a\nb'), says: /"audiences"/ },
    { args: create('--introspects', ''), says: /"introspects"/ },
    { args: create('--token-lifetime', '1w'), says: /"--token-lifetime": must be seconds/ },
    { args: create('--token-lifetime', '0'), says: /"tokenLifetime"/ },
    { args: create('--require-dpop=yes'), says: /--require-dpop/ },
    { args: create('--rate-limit', '5'), says: /"--rate-limit": must be requests and a time/ },
    { args: create('--expires-in', '0'), says: /"expiresAt": must be a time to come/ },
    { args: create('--expires-in', 'never'), says: /"--expires-in"/ },
    { args: create('--label', 'a\u001b[31m'), says: /"label"/ },
    { args: create('--owner', ''), says: /"owner"/ },
    { args: create('--no-secret'), says: /"keys": must be given where there is no secret/ },
    { args: create('--no-secret', '--public-key', rsa, '--expires-in', '1d'), says: /"expiresAt"/ },
    { args: create('--no-secret=true'), says: /--no-secret/ },
    { args: create('--public-key', rsa, '--public-key', rsa), says: /"keys": .* no two the same: The key cannot be used: another key has its kid/ },
    { args: create(...Array(5).fill(`--public-key=${rsa}`)), says: /"keys": must list 1 to 4/ },
    { args: ['list', 'abcdefghij012345'], says: /"id": is not taken/ },
    { args: ['rotate-secret'], says: /"id": must be given/ },
    { args: ['rotate-secret', 'a', 'b'], says: /"id": must be given once/ },
    { args: ['rotate-secret', 'a', '--overlap=-1'], says: /"--overlap"/ },
    { args: ['disable'], says: /"id": must be given/ },
    { args: ['remove', 'a', '--overlap', '1'], says: /--overlap/ }
  ]
  for (const { args, says } of wrong) {
    await t.test(args.join(' '), async (t) => {
      const { code, out, error } = await cli('clients', ...args)
      t.strictSame({ code, out }, { code: 2, out: '' })
      t.match(error, says)
      t.match(error, ONE_LINE)
      t.match(error, /--help/)
    })
  }
  t.equal((await cli('clients', 'list', '--json')).out || '[]\n', '[]\n', 'no client was made')
})

t.test('create shows the secret once, alone on its line, and how to use it', async (t) => {
  const { cli, store } = build(t)
  const { code, out, error } = await cli('clients', 'create', '--label', 'web shop')
  t.strictSame({ code, error }, { code: 0, error: '' })
  const secret = secretIn(out)
  const id = parseSecret(secret)?.id ?? ''
  t.equal(out.split(secret).length, 2, 'once')
  t.match(out, new RegExp(`^Client ${id} is made.*not shown again`))
  t.match(out, new RegExp(`curl 'https://<server>/connect/token' -d grant_type=client_credentials -d client_id=${id} --data-urlencode client_secret@-\n$`))
  t.strictSame(await authenticateClientSecret(createClientRegistry({ store }), id, secret), { id })
  for (const args of [['list'], ['list', '--json'], ['disable', id]]) t.notOk((await cli('clients', ...args)).out.includes(secret))
})

t.test('the line for curl can be pasted as it is', { skip: hasTool('curl') && hasTool('bash') ? false : 'there is no curl or no bash' }, async (t) => {
  const server = createServer((request, reply) => {
    request.setEncoding('utf8').toArray().then((parts) => reply.end(`${request.method} ${request.url} ${request.headers['content-type']} ${parts.join('')}`))
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => server.close())
  const { cli } = build(t)
  const { out } = await cli('clients', 'create')
  // A server listens to an address.
  const { port } = server.address() as AddressInfo
  const line = out.split('\n').find((line) => line.includes('curl'))?.replace('https://<server>', `http://127.0.0.1:${port}`) ?? ''
  const secret = secretIn(out)

  const shell = spawn('bash', ['-c', line.replace('curl ', 'curl -s --noproxy \'*\' ')], { stdio: ['pipe', 'pipe', 'inherit'] })
  shell.stdin.end(`${secret}\n`)
  const answer = (await shell.stdout.setEncoding('utf8').toArray()).join('')
  t.equal(answer, `POST /connect/token application/x-www-form-urlencoded grant_type=client_credentials&client_id=${parseSecret(secret)?.id}&client_secret=${secret}`)
  t.notOk(line.includes(secret), 'the secret is in no command line')
})

t.test('create takes every limit', async (t) => {
  const { cli, store } = build(t)
  const { code, out, error } = await cli('clients', 'create', '--label', 'shop', '--owner', 'acme', '--scope', 'api.read', '--scope', 'api.write', '--default-scope', 'api.read',
    '--audience', 'https://api.example', '--audience', 'b', '--introspects', 'c', '--token-lifetime', '10m', '--require-dpop', '--rate-limit', '100/1m', '--expires-in', '90d',
    '--public-key', file(t, pem(EC.publicKey)), '--json')
  t.strictSame({ code, error }, { code: 0, error: '' })
  t.match(out, /^[^\p{Cc}]+\n$/u, 'one safe line')
  const { record, secret } = JSON.parse(out)
  t.strictSame(record, {
    id: record.id,
    owner: 'acme',
    scopes: ['api.read', 'api.write'],
    defaultScopes: ['api.read'],
    audiences: ['https://api.example', 'b'],
    introspects: ['c'],
    tokenLifetime: 600,
    requireDpop: true,
    rateLimit: { max: 100, timeWindow: 60_000 },
    label: 'shop',
    createdAt: SECONDS,
    secrets: [{ createdAt: SECONDS, expiresAt: SECONDS + 90 * 86_400 }],
    keys: record.keys
  })
  t.strictSame(await createClientRegistry({ store }).get(record.id), record)
  t.strictSame(parseSecret(secret), { kind: 'client', id: record.id })
})

t.test('public keys', async (t) => {
  t.test('from a JWK or PEM', async (t) => {
    const { cli } = build(t)
    const rsaJwk = RSA.publicKey.export({ format: 'jwk' })
    const read = [
      { name: 'EC', text: pem(EC.publicKey), alg: 'ES256' },
      { name: 'Ed25519', text: pem(ED.publicKey), alg: 'EdDSA' },
      { name: 'RSA', text: pem(RSA.publicKey), alg: 'RS256' },
      { name: 'RSA for PSS', text: pem(RSA_PSS.publicKey), alg: 'PS256' },
      { name: 'RSA of PKCS #1', text: String(RSA.publicKey.export({ format: 'pem', type: 'pkcs1' })), alg: 'RS256' },
      { name: 'a JWK', text: JSON.stringify(EC.publicKey.export({ format: 'jwk' })), alg: 'ES256' },
      { name: 'a JWK of RSA', text: JSON.stringify(rsaJwk, null, 2), alg: 'RS256' },
      { name: 'a JWK of RSA for PSS', text: JSON.stringify({ ...rsaJwk, alg: 'PS256' }), alg: 'PS256' }
    ]
    for (const { name, text, alg } of read) {
      const { code, out, error } = await cli('clients', 'create', '--no-secret', '--public-key', file(t, text), '--json')
      t.strictSame({ code, error }, { code: 0, error: '' }, name)
      const { record, ...rest } = JSON.parse(out)
      t.strictSame(rest, {}, 'no secret')
      t.match(record, { secrets: [], keys: [{ alg, use: 'sig', kid: jwkThumbprint(record.keys[0]) }] }, name)
    }
  })

  t.test('of another kind are refused, and nothing of them is told', async (t) => {
    const { cli } = build(t)
    const privateJwk = await generateKey('ES256')
    const refused: Array<{ name: string, text: string, says: RegExp }> = [
      { name: 'a private PEM', text: pem(EC.privateKey), says: /"--public-key": must name a file with the public half/ },
      { name: 'both halves', text: pem(EC.publicKey) + pem(EC.privateKey), says: /"--public-key": must name a file with the public half/ },
      { name: 'a private JWK', text: JSON.stringify(privateJwk), says: /"keys": must list 1 to 4 public JWKs/ },
      { name: 'a secret JWK', text: JSON.stringify(await generateKey('HS256')), says: /"keys": must list 1 to 4 public JWKs/ },
      { name: 'a certificate', text: '-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n', says: /"--public-key": must name a file with a public key, as a JWK or PEM/ },
      { name: 'a broken PEM', text: pem(EC.publicKey).replace(/[a-z]/g, 'A'), says: /"--public-key": must name a file with a public key/ },
      { name: 'another curve', text: pem(generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey), says: /"--public-key": must name/ },
      { name: 'no JSON', text: 'c2VjcmV0', says: /"--public-key": must name/ },
      { name: 'null', text: 'null', says: /"--public-key": must name/ },
      { name: 'a text', text: '"EC"', says: /"--public-key": must name/ },
      { name: 'a JWK Set', text: JSON.stringify({ keys: [EC.publicKey.export({ format: 'jwk' })] }), says: /"--public-key": must name/ },
      { name: 'a kty that is no text', text: '{"kty":1}', says: /"--public-key": must name/ },
      { name: 'a weak RSA key', text: JSON.stringify({ kty: 'RSA', e: 'AQAB', n: Buffer.alloc(128, 0xc5).toString('base64url') }), says: /"keys": / },
      { name: 'an empty file', text: '', says: /"--public-key": must name/ },
      { name: 'a huge file', text: ' '.repeat(1024 * 1024 + 1), says: /"--public-key": must have at most 1 MiB/ }
    ]
    for (const { name, text, says } of refused) {
      await t.test(name, async (t) => {
        const { code, out, error } = await cli('clients', 'create', '--public-key', file(t, text))
        t.strictSame({ code, out }, { code: 2, out: '' })
        t.match(error, says)
        t.match(error, ONE_LINE)
        for (const line of [...text.split('\n').filter((line) => !line.startsWith('--')), privateJwk.d ?? '']) if (line.length > 5) t.notOk(error.includes(line))
      })
    }
    t.match(await cli('clients', 'create', '--public-key', join(t.testdirName, 'none')), { code: 2, error: /"--public-key": cannot be read \(ENOENT\): it is the name of a file;/ })
  })

  t.test('without a secret it says how to go on', async (t) => {
    const { cli } = build(t)
    const { out } = await cli('clients', 'create', '--no-secret', '--public-key', file(t, pem(EC.publicKey)), '--public-key', file(t, pem(ED.publicKey)))
    const [{ id, keys }] = JSON.parse((await cli('clients', 'list', '--json')).out)
    t.equal(out, `Client ${id} is made, without a secret. It gets a token at /connect/token with an assertion (private_key_jwt), signed by a key of this kid:\n\n  ${keys[0].kid}\n  ${keys[1].kid}\n`)
  })
})

t.test('list', async (t) => {
  t.test('no client', async (t) => {
    const { cli } = build(t)
    await cli('clients', 'remove', (await make(cli)).id)
    t.strictSame(await cli('clients', 'list'), { code: 0, out: 'There is no client yet: fastify-doc-tokens clients create\n', error: '' })
    t.strictSame(await cli('clients', 'list', '--json'), { code: 0, out: '[]\n', error: '' })
  })

  t.test('many', async (t) => {
    const { cli, cliWith, store } = build(t)
    const at = (seconds: number) => async (...args: string[]): Promise<{ code: number, out: string, error: string }> => await cliWith({ now: () => NOW + seconds * 1000 }, ...args)
    const plain = await make(cli)
    const limited = await make(at(1), '--label', 'shop', '--owner', 'acme', '--scope', 'a', '--scope', 'b', '--audience', 'x', '--audience', 'y', '--introspects', 'z', '--token-lifetime', '60', '--require-dpop', '--rate-limit', '5/2h', '--expires-in', '9')
    const expired = await make(at(-9), '--expires-in', '1')
    const keyed = await make(at(2), '--no-secret', '--public-key', file(t, pem(EC.publicKey)))
    const both = await make(at(-8), '--expires-in', '1', '--public-key', file(t, pem(EC.publicKey)), '--public-key', file(t, pem(ED.publicKey)))
    await cli('clients', 'disable', limited.id)
    // Not through the registry, which refuses such a label: what another program wrote is refused or printed safely too.
    await store.set('client/a', encodeRecord({ id: 'a b', owner: '\u202eowner', label: 'x\u2028y', createdAt: SECONDS + 5, secrets: [{ digest: 'A'.repeat(43), createdAt: 0 }] }))

    const { code, out, error } = await cli('clients', 'list')
    t.strictSame({ code, error }, { code: 0, error: '' })
    t.strictSame(out.split('\n').map((line) => line.split(/ {2,}/)), [
      ['ID', 'STATE', 'CREATED', 'EXPIRES', 'LIMITS', 'OWNER', 'LABEL'],
      [expired.id, 'expired', '2029-12-31T23:59:51Z', '2029-12-31T23:59:52Z', '-', '-', '-'],
      [both.id, 'active', '2029-12-31T23:59:52Z', '2029-12-31T23:59:53Z', '2 keys', '-', '-'],
      [plain.id, 'active', '2030-01-01T00:00:00Z', 'never', '-', '-', '-'],
      [limited.id, 'disabled', '2030-01-01T00:00:01Z', '2030-01-01T00:00:10Z', 'a, b, for x y, introspects z, 60 s, DPoP, 5 per 7200 s', 'acme', 'shop'],
      [keyed.id, 'active', '2030-01-01T00:00:02Z', 'never', '1 key', '-', '-'],
      ['a b', 'active', '2030-01-01T00:00:05Z', 'never', '-', '\\u202eowner', 'x\\u2028y'],
      ['']
    ])
    t.strictSame(JSON.parse((await cli('clients', 'list', '--json')).out).map(({ id }: { id: string }) => id), [expired.id, both.id, plain.id, limited.id, keyed.id, 'a b'])
  })
})

t.test('rotate-secret', async (t) => {
  const { cli, store } = build(t)
  const { id, secret } = await make(cli)
  const clients = createClientRegistry({ store })
  const accepts = async (secret: string, now: number): Promise<boolean> => await authenticateClientSecret(clients, id, secret, { now: () => now }).then(() => true, () => false)

  const first = await cli('clients', 'rotate-secret', id)
  t.match(first, { code: 0, error: '', out: /^Client \w+ has a new secret; it is not shown again:[^]*The secret before works until 2030-01-02T00:00:00Z\.\n$/ })
  t.strictSame([await accepts(secret, NOW), await accepts(secret, NOW + 86_400_000), await accepts(secretIn(first.out), NOW + 86_400_000)], [true, false, true])

  const second = await cli('clients', 'rotate-secret', id, '--overlap', '0', '--expires-in', '1h')
  t.match(second, { code: 0, error: '', out: /The secret before has ended\.\n$/ })
  t.strictSame([await accepts(secretIn(first.out), NOW), await accepts(secretIn(second.out), NOW), await accepts(secretIn(second.out), NOW + 3_600_000)], [false, true, false])

  const third = JSON.parse((await cli('clients', 'rotate-secret', '--json', '--overlap', '15m', id)).out)
  t.strictSame(third.record.secrets, [{ createdAt: SECONDS, expiresAt: SECONDS + 900 }, { createdAt: SECONDS }])
})

t.test('disable, enable, remove', async (t) => {
  const { cli } = build(t)
  const { id, secret } = await make(cli)
  t.strictSame(await cli('clients', 'disable', id), { code: 0, out: `Client ${id} is disabled.\n`, error: '' })
  t.strictSame(await cli('clients', 'enable', id), { code: 0, out: `Client ${id} is enabled.\n`, error: '' })
  t.match(JSON.parse((await cli('clients', 'disable', id, '--json')).out), { id, disabled: true })
  t.strictSame(await cli('clients', 'remove', id), { code: 0, out: `Client ${id} is deleted.\n`, error: '' })
  for (const command of ['disable', 'enable', 'remove', 'rotate-secret']) {
    t.strictSame(await cli('clients', command, id), { code: 1, out: '', error: 'fastify-doc-tokens: There is no such credential\n' })
    t.strictSame(await cli('clients', command, secret), { code: 1, out: '', error: 'fastify-doc-tokens: There is no such credential\n' }, 'a secret in place of an id is not repeated (T34)')
  }
  const other = await make(cli)
  t.strictSame(JSON.parse((await cli('clients', 'remove', other.id, '--json')).out), { id: other.id, removed: true })
})
