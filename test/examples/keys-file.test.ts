import { type JsonWebKey } from 'node:crypto'
import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import t from 'tap'
import { generateKey } from '../../lib/keys/generate.ts'
import { call, getToken, headerOf, issue, read } from '../support/example-client.ts'
import { newDataDir, startServer, until } from '../support/example-server.ts'

const KEY = 'a-known-key-of-the-demo_0123456789'
const CLIENT = { id: 'a client', secret: 'a known secret of the demo, of its client' }

/** Milliseconds: two seconds, and what a busy machine may add. */
const SOON = 2_000 + 3_000

/** Those that access tokens are verified with. */
async function kidsOf (url: string): Promise<unknown[]> {
  const { body } = await call(`${url}/.well-known/jwks.json`)
  return (body as { keys: Array<{ kid: string }> }).keys.map(({ kid }) => kid)
}

t.test('keys from a file that is followed', async (t) => {
  const files = [`${newDataDir(t)}.jwks`, `${newDataDir(t)}.jwks`] as const
  const write = (file: string, text: string) => {
    writeFileSync(`${file}.new`, text)
    renameSync(`${file}.new`, file)
  }
  const [one, other, access, next] = await Promise.all([generateKey('ES256'), generateKey('EdDSA'), generateKey('RS256'), generateKey('ES256')])
  const jwks = (...keys: JsonWebKey[]) => JSON.stringify({ keys: keys.map((key) => ({ ...key, fdt_flow: key === access || key === next ? 'access' : 'sessions' })) })
  for (const file of files) mkdirSync(dirname(file), { recursive: true })
  write(files[0], jwks(access, one))
  write(files[1], jwks(other, next))

  const start = (file: string) => startServer(t, { env: { KEYS_FILE: file, DEMO_API_KEY: KEY, DEMO_CLIENT_ID: CLIENT.id, DEMO_CLIENT_SECRET: CLIENT.secret } })
  const [here, there] = await Promise.all([start(files[0]), start(files[1])])
  const token = await issue(here.url, KEY, { contract: ['read'] })
  t.match(headerOf(token), { alg: 'ES256', kid: one['kid'] }, 'the first one of its flow signs')
  t.equal((await read(here.url, token)).status, 200)

  const foreign = await issue(there.url, KEY, { contract: ['read'] })
  t.match(headerOf(foreign), { alg: 'EdDSA', kid: other['kid'] })
  t.match(await read(here.url, foreign), { status: 401, body: { code: 'FDT_INVALID_TOKEN' } })

  const formats = async (bearer: string) => await call(`${here.url}/v2.0/viewer/formats`, { bearer })
  const program = await getToken(here.url, CLIENT)
  t.match(headerOf(program), { alg: 'RS256', kid: access['kid'] }, 'and of the other flow another one')
  t.equal((await formats(program)).status, 200)
  t.equal((await read(here.url, program)).status, 401)
  t.equal((await formats(token)).status, 401)
  t.strictSame(await kidsOf(here.url), [access['kid']])

  let since = Date.now()
  write(files[0], jwks(access, one, other))
  await until(async () => (await read(here.url, foreign)).status === 200)
  t.ok(Date.now() - since < SOON, 'a key that was added verifies')
  t.equal(headerOf(await issue(here.url, KEY, { contract: ['read'] }))['kid'], one['kid'], 'and the one before it goes on signing')

  since = Date.now()
  write(files[0], jwks(other, next, access))
  await until(async () => (await read(here.url, token)).status === 401)
  t.ok(Date.now() - since < SOON, 'a key that was taken away does not')
  t.equal(headerOf(await issue(here.url, KEY, { contract: ['read'] }))['kid'], other['kid'])

  t.equal((await formats(program)).status, 200, 'keys of access tokens come and go by themselves')
  t.equal(headerOf(await getToken(here.url, CLIENT))['kid'], next['kid'])
  t.strictSame(await kidsOf(here.url), [next['kid'], access['kid']])

  write(files[0], 'text')
  await until(() => here.stdout().includes('keys that changed cannot be used'))
  t.equal((await read(here.url, foreign)).status, 200, 'what cannot be used changes nothing')
  t.notMatch(here.stdout(), String(other.d))
  t.equal(here.stderr(), '')
})
