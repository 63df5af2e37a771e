import { randomBytes } from 'node:crypto'
import t from 'tap'
import { openLmdbStore } from '../../../../lib/stores/lmdb.ts'
import { createMemoryStore } from '../../../../lib/stores/memory.ts'
import { openRedisStore } from '../../../../lib/stores/redis.ts'
import { type TokenStore } from '../../../../lib/stores/token-store.ts'
import { wrongToken } from '../../../../lib/tokens/opaque/tokens.ts'
import { createOpaqueTokens } from '../../../../plugins/opaque-tokens/index.ts'
import { skipWithoutRedis, startRedis } from '../../../support/redis-servers.ts'
import { startStore, temporaryFolder } from '../../../support/store-processes.ts'

const pepper = { id: 'a', key: randomBytes(32) }
const WRONG = { code: 'FDT_WRONG_TOKEN', statusCode: 403, message: 'Wrong token' }

/** Verifies a token of so many uses 1000 times at once, by turns over each of the stores, which are one. */
async function race (stores: readonly TokenStore[], maxUses: number): Promise<Array<number | string | undefined>> {
  const instances = stores.map((store) => createOpaqueTokens({ store, pepper }))
  const [first] = instances
  if (first === undefined) return []
  const { token } = await first.issue({ json: '{"a":1}', auth: 'acme', maxUses })
  const racing = Array.from({ length: 1000 / instances.length }, () => instances.map((tokens) => tokens.verify(token)))
  const outcomes = await Promise.allSettled(racing.flat())
  return outcomes.map((outcome) => outcome.status === 'fulfilled' ? outcome.value.uses : wrongToken(outcome.reason)?.reason ?? String(outcome.reason))
}

const set = (values: unknown[]) => [...new Set(values)].sort()

t.test('of 1000 verifications at once as many pass as there are uses', async (t) => {
  const path = temporaryFolder(t)
  const lmdb = await openLmdbStore({ path })
  t.teardown(() => lmdb.close())
  const setUps: Array<[string, readonly TokenStore[]]> = [
    ['in memory', [createMemoryStore()]],
    ['in LMDB', [lmdb]],
    ['in LMDB, from two processes', [lmdb, await startStore(t, { path })]]
  ]
  for (const [name, stores] of setUps) {
    t.test(name, async (t) => {
      for (const maxUses of [1, 3]) {
        const outcomes = await race(stores, maxUses)
        t.equal(outcomes.length, 1000)
        t.strictSame(outcomes.filter((outcome) => typeof outcome === 'number').sort(), Array.from({ length: maxUses }, (_, index) => index + 1))
        t.strictSame(set(outcomes.filter((outcome) => typeof outcome !== 'number')), ['used up'])
      }
    })
  }
})

t.test('uses are counted for each token, and for good', async (t) => {
  const store = createMemoryStore()
  const tokens = createOpaqueTokens({ store, pepper, maxUses: 2 })
  const issue = async () => (await tokens.issue({ json: '{"a":1}', auth: 'acme' })).token
  const [one, two] = [await issue(), await issue()]
  t.equal((await tokens.verify(one)).uses, 1)
  t.equal((await tokens.verify(two)).uses, 1)
  t.equal((await tokens.verify(one)).uses, 2)
  for (let again = 0; again < 3; again++) await t.rejects(tokens.verify(one), WRONG)
  t.equal((await tokens.verify(two)).uses, 2)

  const { accessor } = await tokens.issue({ json: '{"a":1}', auth: 'acme' })
  t.equal((await tokens.lookUp(accessor)).maxUses, 2)
  const unlimited = createOpaqueTokens({ store, pepper })
  await t.rejects(unlimited.verify(one), WRONG, 'what the token was issued with counts, whatever the options say now')
  const { token } = await unlimited.issue({ json: '{"a":1}', auth: 'acme' })
  for (let again = 0; again < 5; again++) t.notOk('uses' in await tokens.verify(token))
})

t.test('of 1000 verifications at once in Redis, over two connections, as many pass as there are uses', { skip: skipWithoutRedis }, async (t) => {
  const { url } = await startRedis(t)
  const stores = await Promise.all([1, 2].map(() => openRedisStore({ prefix: 'uses:', url, commandTimeout: 800 })))
  t.teardown(() => Promise.all(stores.map((store) => store.close())))
  for (const maxUses of [1, 3]) {
    const outcomes = await race(stores, maxUses)
    t.strictSame(outcomes.filter((outcome) => typeof outcome === 'number').sort(), Array.from({ length: maxUses }, (_, index) => index + 1))
    t.strictSame(set(outcomes.filter((outcome) => typeof outcome !== 'number')), ['used up'])
  }
})
