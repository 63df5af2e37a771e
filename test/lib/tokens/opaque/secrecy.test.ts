import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { openLmdbStore } from '../../../../lib/stores/lmdb.ts'
import { openRedisStore } from '../../../../lib/stores/redis.ts'
import { type TokenStore } from '../../../../lib/stores/token-store.ts'
import { createOpaqueTokens } from '../../../../plugins/opaque-tokens/index.ts'
import { skipWithoutRedis, startRedis } from '../../../support/redis-servers.ts'
import { temporaryFolder } from '../../../support/store-processes.ts'

/** The ways in which bytes are written down. */
function spellings (bytes: Uint8Array): Buffer[] {
  const buffer = Buffer.from(bytes)
  // Within a longer text, base64 has three ways to begin: what is the same in each is looked for.
  const shifted = [0, 1, 2].flatMap((shift) => (['base64', 'base64url'] as const).map((encoding) => Buffer.concat([Buffer.alloc(shift), buffer]).toString(encoding).slice(shift === 0 ? 0 : 4, -4)))
  return [buffer, buffer.toString('hex'), buffer.toString('hex').toUpperCase(), JSON.stringify(buffer.toString()).slice(1, -1), encodeURIComponent(buffer.toString()), buffer.toString('utf16le'), ...shifted].map((text) => Buffer.from(text))
}

const pepper = { id: 'pepper-id', key: randomBytes(32) }

/** A store, and every byte that it has written and would tell. */
interface Opened {
  store: TokenStore
  written (): Promise<Buffer>
}

const stores: ReadonlyArray<{ name: string, skip: string | false, open: (t: Test) => Promise<Opened> }> = [
  {
    name: 'LMDB',
    skip: false,
    open: async (t) => {
      const path = temporaryFolder(t)
      const store = await openLmdbStore({ path })
      const written = async () => {
        await store.close()
        const files = readdirSync(path, { recursive: true, encoding: 'utf8' }).map((name) => join(path, name)).filter((name) => statSync(name).isFile())
        t.ok(files.length >= 2)
        return Buffer.concat(files.map((name) => readFileSync(name)))
      }
      return { store, written }
    }
  },
  {
    name: 'Redis: the log of its commands, and a dump',
    skip: skipWithoutRedis,
    open: async (t) => {
      const redis = await startRedis(t)
      const store = await openRedisStore({ prefix: 'secrecy:', url: redis.url })
      t.teardown(() => store.close())
      return { store, written: redis.written }
    }
  }
]

for (const { name, skip, open } of stores) {
  t.test(`every byte of the store: ${name}`, { skip }, async (t) => {
    const { store, written } = await open(t)
    const [NAME, VALUE] = ['parameter-näme-zqx', 'välue "of" a/parameter zqx']
    const secrets: Buffer[] = [...spellings(Buffer.from(NAME)), ...spellings(Buffer.from(VALUE)), ...spellings(pepper.key)]
    const seen: string[] = []
    for (const format of ['base64url', 'uuid'] as const) {
      const tokens = createOpaqueTokens({ store, pepper, name: `instance-${format}`, format })
      for (let index = 0; index < 30; index++) {
        const escaped = Array.from(VALUE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')
        const { token, accessor } = await tokens.issue({ json: `{"${NAME}":"${VALUE.replaceAll('"', '\\"')}","b":"${escaped}","auth":"caller-${VALUE.slice(0, 5)}"}`, credential: { id: `credential-id-${index}`, owner: `owner-id-${index}` }, maxUses: 2 })
        const bytes = format === 'uuid' ? Buffer.from(token.replaceAll('-', ''), 'hex') : Buffer.from(token.slice(11, -6), 'base64url')
        secrets.push(...spellings(Buffer.from(token)), ...spellings(bytes))
        if (index % 3 > 0) await tokens.verify(token)
        if (index % 3 === 2) await tokens.revoke(token)
        else seen.push(accessor, `credential-id-${index}`, `owner-id-${index}`)
      }
    }
    const live: Buffer[] = []
    for await (const { key, value } of store.scan('')) live.push(Buffer.from(key), Buffer.from(value))

    const all = Buffer.concat([await written(), ...live])
    t.equal(secrets.filter((secret) => secret.length >= 8 && all.includes(secret)).length, 0, 'no token, no name, no value and no pepper')
    for (const known of [...seen, 'pepper-id']) t.ok(all.includes(known), 'but what the README tells')
    t.equal(secrets.every((secret) => secret.length >= 8), true)
  })
}
