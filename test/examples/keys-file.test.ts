import { type JsonWebKey } from 'node:crypto'
import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import t from 'tap'
import { generateKey } from '../../lib/keys/generate.ts'
import { headerOf, issue, read } from '../support/example-client.ts'
import { newDataDir, startServer, until } from '../support/example-server.ts'

const KEY = 'a-known-key-of-the-demo_0123456789'

/** Milliseconds: two seconds, and what a busy machine may add. */
const SOON = 2_000 + 3_000

t.test('keys from a file that is followed', async (t) => {
  const files = [`${newDataDir(t)}.jwks`, `${newDataDir(t)}.jwks`] as const
  const write = (file: string, text: string) => {
    writeFileSync(`${file}.new`, text)
    renameSync(`${file}.new`, file)
  }
  const [one, other, access] = await Promise.all([generateKey('ES256'), generateKey('EdDSA'), generateKey('RS256')])
  const jwks = (...keys: JsonWebKey[]) => JSON.stringify({ keys: keys.map((key) => ({ ...key, fdt_flow: key === access ? 'access' : 'sessions' })) })
  for (const file of files) mkdirSync(dirname(file), { recursive: true })
  write(files[0], jwks(access, one))
  write(files[1], jwks(other))

  const start = (file: string) => startServer(t, { env: { KEYS_FILE: file, DEMO_API_KEY: KEY } })
  const [here, there] = await Promise.all([start(files[0]), start(files[1])])
  const token = await issue(here.url, KEY, { contract: ['read'] })
  t.match(headerOf(token), { alg: 'ES256', kid: one['kid'] }, 'the first one of its flow signs')
  t.equal((await read(here.url, token)).status, 200)

  const foreign = await issue(there.url, KEY, { contract: ['read'] })
  t.match(headerOf(foreign), { alg: 'EdDSA', kid: other['kid'] })
  t.match(await read(here.url, foreign), { status: 401, body: { code: 'FDT_INVALID_TOKEN' } })

  let since = Date.now()
  write(files[0], jwks(access, one, other))
  await until(async () => (await read(here.url, foreign)).status === 200)
  t.ok(Date.now() - since < SOON, 'a key that was added verifies')
  t.equal(headerOf(await issue(here.url, KEY, { contract: ['read'] }))['kid'], one['kid'], 'and the one before it goes on signing')

  since = Date.now()
  write(files[0], jwks(other))
  await until(async () => (await read(here.url, token)).status === 401)
  t.ok(Date.now() - since < SOON, 'a key that was taken away does not')
  t.equal(headerOf(await issue(here.url, KEY, { contract: ['read'] }))['kid'], other['kid'])

  write(files[0], 'text')
  await until(() => here.stdout().includes('keys that changed cannot be used'))
  t.equal((await read(here.url, foreign)).status, 200, 'what cannot be used changes nothing')
  t.notMatch(here.stdout(), String(other.d))
  t.equal(here.stderr(), '')
})
