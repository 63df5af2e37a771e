// Two processes with one Redis and one key: what one of them issues or ends, the other one knows.
import { randomUUID } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import typescript from 'typescript'
import { digest } from '../../../lib/digest.ts'
import { generateKey } from '../../../lib/keys/index.ts'
import { jwkThumbprint } from '../../../lib/keys/jwks.ts'
import { importKey } from '../../../lib/keys/key-material.ts'
import { type JsonWebKey } from '../../../lib/keys/key-ring.ts'
import { type Program, ROOT, startProgram, until } from '../../support/example-server.ts'
import { type RedisServer, skipWithoutRedis, startRedis } from '../../support/redis-servers.ts'
import { forge } from '../../support/tokens.ts'

const PUBLIC_URL = 'https://api.example'

/** A server as a host would write it. What it is to know comes in its environment. */
const SERVER = `
import Fastify from 'fastify'
import { clientCredentials } from './plugins/client-credentials/index.js'
import { createClientRegistry } from './lib/credentials/index.js'
import { createKeyRing } from './lib/keys/index.js'
import { openRedisStore } from './lib/stores/redis.js'

const { REDIS_URL, KEY } = process.env
const store = await openRedisStore({ url: REDIS_URL, prefix: 'two:' })
const clients = createClientRegistry({ store })
const app = Fastify({ forceCloseConnections: true })
await app.register(clientCredentials, {
  issuer: 'https://auth.example', publicUrl: '${PUBLIC_URL}', dpop: true, scopes: ['api.read'], store, clients,
  keys: createKeyRing([{ key: JSON.parse(KEY) }]), limits: { failures: { max: 5 } }
})
app.get('/read', { onRequest: app.accessTokens.require('api.read') }, async ({ accessToken }) => accessToken)
app.post('/clients', async () => { const { record, secret } = await clients.create({ owner: 'acme' }); return { client_id: record.id, client_secret: secret } })
app.post('/end/:owner', async ({ params }) => { await app.accessTokens.revokeAll({ owner: params.owner }) })
console.log('listening at ' + await app.listen({ port: 0, host: '127.0.0.1' }))
process.on('SIGTERM', () => { app.close().then(() => store.close()) })
`

/** The package as JavaScript, which starts sooner than its sources do, in a folder that is gone when the test is over. No build has to be there. */
function build (t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'access-build-'))
  t.teardown(() => { rmSync(folder, { recursive: true, force: true }) })
  const compilerOptions = { module: typescript.ModuleKind.ESNext, target: typescript.ScriptTarget.ES2023, verbatimModuleSyntax: true, rewriteRelativeImportExtensions: true }
  const sources = ['lib', 'plugins'].flatMap((name) => readdirSync(join(ROOT, name), { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts')).map((file) => join(name, file)))
  for (const source of sources) {
    const target = join(folder, source.replace(/\.ts$/, '.js'))
    mkdirSync(dirname(target), { recursive: true })
    writeFileSync(target, typescript.transpileModule(readFileSync(join(ROOT, source), 'utf8'), { compilerOptions }).outputText)
  }
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  writeFileSync(join(folder, 'server.js'), SERVER)
  return join(folder, 'server.js')
}

async function startTwo (t: Test, redis: RedisServer): Promise<{ urls: [string, string], programs: Program[] }> {
  const file = build(t)
  const KEY = JSON.stringify(await generateKey('ES256'))
  const programs = [1, 2].map(() => startProgram(t, process.execPath, [file], { env: { REDIS_URL: redis.url, KEY } }))
  const [one = '', other = ''] = await Promise.all(programs.map((program) => until(() => {
    if (program.process.exitCode !== null) throw new Error(`the server ended: ${program.output()}`)
    return /listening at (\S+)/.exec(program.stdout())?.[1]
  })))
  return { urls: [one, other], programs }
}

async function post (url: string, fields: Record<string, string>, headers: Record<string, string> = {}): Promise<{ status: number, body: Record<string, string>, retryAfter: string | null }> {
  const reply = await fetch(url, { method: 'POST', body: new URLSearchParams(fields), headers })
  const text = await reply.text()
  return { status: reply.status, body: text === '' ? {} : JSON.parse(text), retryAfter: reply.headers.get('retry-after') }
}

async function read (url: string, headers: Record<string, string>): Promise<{ status: number, error: string | undefined, challenge: string | null }> {
  const reply = await fetch(`${url}/read`, { headers })
  const { error }: { error?: string } = JSON.parse(await reply.text())
  return { status: reply.status, error, challenge: reply.headers.get('www-authenticate') }
}

t.test('two processes over one Redis', { skip: skipWithoutRedis }, async (t) => {
  const redis = await startRedis(t)
  const { urls: [one, other], programs } = await startTwo(t, redis)
  const client = JSON.parse(await (await fetch(`${one}/clients`, { method: 'POST' })).text()) as { client_id: string, client_secret: string } // of the program above
  const newToken = async (url: string, headers?: Record<string, string>) => String((await post(`${url}/connect/token`, { grant_type: 'client_credentials', ...client }, headers)).body['access_token'])
  const bearer = (token: string) => ({ authorization: `Bearer ${token}` })
  const introspect = async (url: string, token: string) => (await post(`${url}/connect/introspect`, { token, ...client })).body

  await t.test('a token of one, introspected at the other, revoked at the first, refused at the second', async (t) => {
    for (const [here, there] of [[one, other], [other, one]] as const) {
      const token = await newToken(here)
      t.match(await introspect(there, token), { active: true, client_id: client.client_id })
      t.equal((await read(there, bearer(token))).status, 200, 'known there from now on')
      t.equal((await post(`${here}/connect/revocation`, { token, ...client })).status, 200)
      t.match(await read(there, bearer(token)), { status: 401, error: 'invalid_token', challenge: /^Bearer error="invalid_token"/ }, 'at once')
      t.strictSame(await introspect(there, token), { active: false })
    }
  })

  await t.test('all tokens of an owner end everywhere', async (t) => {
    const tokens = [await newToken(one), await newToken(other)]
    for (const token of tokens) for (const url of [one, other]) t.equal((await read(url, bearer(token))).status, 200)
    t.equal((await fetch(`${one}/end/acme`, { method: 'POST' })).status, 200)
    for (const token of tokens) for (const url of [one, other]) t.equal((await read(url, bearer(token))).status, 401)
    t.equal((await read(other, bearer(await newToken(one)))).status, 200, 'what is issued next is good')
  })

  await t.test('a DPoP proof is good once in all', async (t) => {
    const key = importKey({ key: await generateKey('ES256') })
    const jwk = key.verifyKey.export({ format: 'jwk' }) as JsonWebKey // of one module and the other
    const prove = (claims: object) => forge({ typ: 'dpop+jwt', alg: 'ES256', jwk }, { iat: Math.floor(Date.now() / 1000), jti: randomUUID(), ...claims }, key)
    const atToken = prove({ htm: 'POST', htu: `${PUBLIC_URL}/connect/token` })
    const token = await newToken(one, { dpop: atToken })
    t.equal((await post(`${other}/connect/token`, { grant_type: 'client_credentials', ...client }, { dpop: atToken })).body['error'], 'invalid_dpop_proof')
    t.match(await introspect(other, token), { token_type: 'DPoP', cnf: { jkt: jwkThumbprint(jwk) } })
    const headers = () => ({ authorization: `DPoP ${token}`, dpop: prove({ htm: 'GET', htu: `${PUBLIC_URL}/read`, ath: digest(token) }) })
    const used = headers()
    const statuses = await Promise.all(Array.from({ length: 10 }, async (_, index) => (await read(index % 2 === 0 ? one : other, used)).status))
    t.strictSame(statuses.filter((status) => status === 200).length, 1, 'of ten at the same time')
    t.equal((await read(other, headers())).status, 200)
  })

  await t.test('without Redis nothing is said of a token (T36)', async (t) => {
    const token = await newToken(one)
    t.equal((await read(other, bearer(token))).status, 200)
    await redis.kill()
    for (const url of [one, other]) t.match(await read(url, bearer(token)), { status: 503, error: 'temporarily_unavailable', challenge: null })
    t.match(await post(`${one}/connect/token`, { grant_type: 'client_credentials', ...client }), { status: 503, retryAfter: /^\d+$/, body: { error: 'temporarily_unavailable' } })
    await redis.restart()
    await until(async () => (await read(other, bearer(token))).status === 200)
    t.equal(programs.filter(({ process: { exitCode } }) => exitCode === null).length, 2)
  })
})
