import { randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import t from 'tap'
import { createMemoryStore } from '../../../../lib/stores/memory.ts'
import { wrongToken } from '../../../../lib/tokens/opaque/tokens.ts'
import { createOpaqueTokens, type OpaqueTokensOptions } from '../../../../plugins/opaque-tokens/index.ts'
import { recordEvents } from '../../../support/recorded-events.ts'

const NOW = 1_800_000_000_000
const SECONDS = NOW / 1000
const [NEW, OLD] = [{ id: 'new', key: randomBytes(32) }, { id: 'old', key: randomBytes(32) }]
const CREDENTIAL = { id: 'key-1', owner: 'acme' }
const WRONG = { code: 'FDT_WRONG_TOKEN', statusCode: 403, message: 'Wrong token' }

/** Tokens, and the clock they go by. The store goes by one that stands still, so that what has expired is still there. */
function setUp (more: Partial<OpaqueTokensOptions> = {}) {
  const clock = { time: NOW }
  const store = createMemoryStore({ now: () => NOW })
  const options = { store, pepper: NEW, now: () => clock.time, ...more }
  return { tokens: createOpaqueTokens(options), options, clock, store }
}

/** The reason that the operator is told of a refusal, which has to be the one that clients see. */
async function reasonOf (refused: Promise<unknown>): Promise<string | undefined> {
  const error = await refused.then(() => undefined, (error: Error) => error)
  if (error === undefined || !('code' in error) || error.code !== WRONG.code || error.message !== WRONG.message) return inspect(error)
  return wrongToken(error)?.reason
}

t.test('what a token stands for', async (t) => {
  const { tokens } = setUp()
  const { token, accessor, expiresAt } = await tokens.issue({ json: '{"file":"a.dwg", "page":1.0}', credential: CREDENTIAL, maxUses: 2, expiresIn: 60 })
  t.match(accessor, /^[\w-]{43}$/)
  t.equal(expiresAt, SECONDS + 60)
  const info = { accessor, auth: 'acme', credential: 'key-1', issuedAt: NOW, expiresAt, maxUses: 2 }
  const found = await tokens.verify(token)
  t.strictSame(found, { ...info, parameters: { file: 'a.dwg', page: 1 }, json: '{"auth":"acme","file":"a.dwg", "page":1.0}', uses: 1 })
  t.strictSame(await tokens.lookUp(accessor), info, 'its accessor tells all but the parameters')
  t.ok(Object.isFrozen(found) && Object.isFrozen(await tokens.lookUp(accessor)))

  const plain = await tokens.issue({ parameters: { file: 'b' }, auth: 'jane' })
  t.strictSame(await tokens.verify(plain.token), { accessor: plain.accessor, auth: 'jane', issuedAt: NOW, expiresAt: SECONDS + 3600, parameters: { file: 'b' }, json: '{"auth":"jane","file":"b"}' })
  t.strictSame(await tokens.verify(plain.token), await tokens.verify(plain.token), 'as often as one likes')
  t.ok(Object.isFrozen(await tokens.verify(plain.token)))
  t.not((await tokens.issue({ parameters: { file: 'b' }, auth: 'jane' })).accessor, plain.accessor)
})

t.test('ends at its second, though the store still has it', async (t) => {
  const { tokens, clock } = setUp()
  const { token, accessor } = await tokens.issue({ json: '{"a":1}', credential: CREDENTIAL, expiresIn: 60 })
  clock.time = NOW + 59_999
  t.ok(await tokens.verify(token))
  t.ok(await tokens.lookUp(accessor))
  for (const later of [60_000, 60_001, 61_000, 1e9]) {
    clock.time = NOW + later
    t.equal(await reasonOf(tokens.verify(token)), 'expired')
    t.equal(await reasonOf(tokens.lookUp(accessor)), 'unknown')
    t.equal(await reasonOf(tokens.lookUp(accessor, 'key-1')), 'unknown')
  }
  await tokens.revoke(token)
  t.equal(await reasonOf(tokens.verify(token)), 'unknown')
})

t.test('the store is told how long it has to keep it', async (t) => {
  const written: unknown[] = []
  const store = createMemoryStore({ now: () => NOW })
  const spied = new Proxy(store, {
    get: (target, name) => (...args: unknown[]) => {
      if (name !== 'get') written.push([name, ...args.slice(name === 'set' ? 2 : 1)])
      return Reflect.apply(Reflect.get(target, name), target, args)
    }
  })
  const { tokens, clock } = setUp({ store: spied })
  clock.time = NOW + 400
  const { token } = await tokens.issue({ json: '{"a":1}', auth: 'acme', expiresIn: 60, maxUses: 2 })
  clock.time = NOW + 20_000
  await tokens.verify(token)
  await tokens.revoke(token)
  t.strictSame(written, [
    ['set', { ttl: 59_600 }],
    // All of its life from now on, and a minute more: a counter that ends before its token would begin anew.
    ['increment', 119_600, { durable: true }],
    ['delete', { durable: true }]
  ])
})

t.test('by a clock that is ahead no use is had twice', async (t) => {
  let time = NOW
  const { tokens, options } = setUp({ store: createMemoryStore({ now: () => time }), now: () => time })
  const ahead = createOpaqueTokens({ ...options, now: () => time + 120_000 })
  const { token } = await tokens.issue({ json: '{"a":1}', auth: 'acme', expiresIn: 300, maxUses: 1 })
  time = NOW + 170_000
  t.equal((await ahead.verify(token)).uses, 1)
  time = NOW + 299_000
  t.equal(await reasonOf(tokens.verify(token)), 'used up')
})

t.test('a count that is no number is none to go by', async (t) => {
  const store = createMemoryStore({ now: () => NOW })
  for (const answer of [1, {}, { count: NaN }, { count: '?' }]) {
    const { tokens } = setUp({ store: new Proxy(store, { get: (target, name) => name === 'increment' ? async () => answer : Reflect.get(target, name).bind(target) }) })
    const { token } = await tokens.issue({ json: '{"a":1}', auth: 'acme', maxUses: 1 })
    t.equal(await reasonOf(tokens.verify(token)), 'used up', JSON.stringify(answer))
  }
})

t.test('who may end a token', async (t) => {
  const { tokens, store } = setUp()
  const issue = () => tokens.issue({ json: '{"a":1}', credential: CREDENTIAL })
  const targets: Array<(issued: Awaited<ReturnType<typeof issue>>) => string | { accessor: string }> = [({ token }) => token, ({ accessor }) => ({ accessor })]
  for (const target of targets) {
    for (const issuedBy of [undefined, 'key-1']) {
      const issued = await issue()
      for (const other of ['key-2', 'acme', '', 'constructor']) t.equal(await reasonOf(tokens.revoke(target(issued), other)), 'unknown', 'not another credential')
      t.ok(await tokens.verify(issued.token))
      await tokens.revoke(target(issued), issuedBy)
      t.equal(await reasonOf(tokens.verify(issued.token)), 'unknown')
      t.equal(await reasonOf(tokens.lookUp(issued.accessor)), 'unknown')
      t.equal(await reasonOf(tokens.revoke(target(issued), issuedBy)), 'unknown', 'once')
    }
  }
  const own = await tokens.issue({ json: '{"a":1}', auth: 'key-1' })
  for (const target of targets) t.equal(await reasonOf(tokens.revoke(target(own), 'key-1')), 'unknown', 'what the host issued by itself belongs to no credential')
  await tokens.revoke(own.token)

  const raced = await issue()
  const ended = await Promise.allSettled(Array.from({ length: 10 }, () => tokens.revoke(raced.token)))
  t.equal(ended.filter(({ status }) => status === 'fulfilled').length, 1, 'of many at once one has ended it')

  for (const other of [undefined, null, 7, '', {}, [], { accessor: undefined }, { accessor: 7 }, { accessor: '' }, { accessor: `${raced.accessor}=` }, { accessor: `${raced.accessor}A` }, { accessor: raced.accessor.slice(1) }, { accessor: `../${raced.accessor.slice(3)}` }, { accessor: `${raced.accessor}\n` }]) {
    t.equal(await reasonOf(tokens.revoke(other as string)), 'malformed', JSON.stringify(other))
  }
  t.equal(await reasonOf(tokens.revoke({ accessor: 'A'.repeat(43) })), 'unknown')

  const altered = await issue()
  await store.set(`opaque/default/${altered.accessor}`, Buffer.of(1, 2, 3))
  for (const target of targets) t.equal(await reasonOf(tokens.revoke(target(altered), 'key-1')), 'unknown', 'a record that was altered is nobody\'s')
  await tokens.revoke({ accessor: altered.accessor })
  t.equal(await store.get(`opaque/default/${altered.accessor}`), undefined, 'and the host can throw it away')
})

t.test('who may look a token up', async (t) => {
  const { tokens, store } = setUp()
  const { accessor } = await tokens.issue({ json: '{"a":1}', credential: CREDENTIAL })
  for (const issuedBy of [undefined, 'key-1']) t.equal((await tokens.lookUp(accessor, issuedBy)).auth, 'acme')
  for (const other of ['key-2', 'acme', '']) t.equal(await reasonOf(tokens.lookUp(accessor, other)), 'unknown')
  for (const other of [undefined, null, 7, '', {}, [accessor], accessor.slice(1), `${accessor}A`, ` ${accessor.slice(1)}`, `${accessor}\n`]) t.equal(await reasonOf(tokens.lookUp(other as string)), 'malformed', String(other))
  t.equal(await reasonOf(tokens.lookUp('A'.repeat(43))), 'unknown')
  const own = await tokens.issue({ json: '{"a":1}', auth: 'key-1' })
  t.equal(await reasonOf(tokens.lookUp(own.accessor, 'key-1')), 'unknown')
  await store.set(`opaque/default/${accessor}`, Buffer.of(1, 2, 3))
  t.equal(await reasonOf(tokens.lookUp(accessor)), 'unknown')
})

t.test('what a later release wrote is nobody\'s to end, even where the store does not look', async (t) => {
  const store = createMemoryStore({ now: () => NOW })
  const { tokens } = setUp({ store: new Proxy(store, { get: (target, name) => name === 'get' ? async () => Buffer.of(2, 1) : Reflect.get(target, name).bind(target) }) })
  const later = { code: 'FDT_UNSUPPORTED_FORMAT', statusCode: 500 }
  await t.rejects(tokens.revoke({ accessor: 'A'.repeat(43) }), later)
  await t.rejects(tokens.lookUp('A'.repeat(43)), later)
})

t.test('a pepper is replaced', async (t) => {
  const { tokens: before, options } = setUp({ pepper: OLD })
  const old = await before.issue({ json: '{"a":1}', auth: 'acme', maxUses: 2 })
  const between = createOpaqueTokens({ ...options, pepper: [NEW, OLD] })
  const fresh = await between.issue({ json: '{"a":2}', auth: 'acme' })
  t.equal((await between.verify(old.token)).uses, 1)
  t.equal((await between.verify(fresh.token)).json, '{"auth":"acme","a":2}')
  t.equal((await between.lookUp(old.accessor)).auth, 'acme')
  t.equal(await reasonOf(before.verify(fresh.token)), 'unknown', 'the first one makes tokens')
  t.equal((await before.verify(old.token)).uses, 2, 'its uses are counted together')

  const after = createOpaqueTokens({ ...options, pepper: NEW })
  t.ok(await after.verify(fresh.token))
  t.equal(await reasonOf(after.verify(old.token)), 'unknown')
  await between.revoke(old.token)
  t.equal(await reasonOf(before.verify(old.token)), 'unknown', 'ended everywhere')

  const renamed = createOpaqueTokens({ ...options, pepper: { id: 'renamed', key: NEW.key } })
  t.equal(await reasonOf(renamed.verify(fresh.token)), 'altered', 'the id belongs to it')
})

t.test('instances of other names share nothing', async (t) => {
  const { tokens, options } = setUp({ name: 'a' })
  const other = createOpaqueTokens({ ...options, name: 'b' })
  const { token, accessor } = await tokens.issue({ json: '{"a":1}', auth: 'acme' })
  t.equal(await reasonOf(other.verify(token)), 'unknown')
  t.equal(await reasonOf(other.revoke(token)), 'unknown')
  t.equal(await reasonOf(other.revoke({ accessor })), 'unknown')
  t.equal(await reasonOf(other.lookUp(accessor)), 'unknown')
  t.ok(await createOpaqueTokens(options).verify(token), 'one of the same name shares all')
})

t.test('who asks, and the host\'s own word', async (t) => {
  const order: string[] = []
  const verifier = { id: 'editor-1' }
  const { tokens, clock, options } = setUp({
    parameters: (value) => {
      order.push('parameters')
      return Object(value)
    },
    onVerify: async (found, asking) => {
      order.push('onVerify')
      t.strictSame([found.parameters, found.json, found.auth, found.uses, asking], [{ a: 1 }, '{"auth":"acme","a":1}', 'acme', undefined, verifier])
      return true
    }
  })
  const { token } = await tokens.issue({ json: '{"a":1}', auth: 'acme', maxUses: 1, expiresIn: 60 })
  const authenticate = async () => {
    order.push('authenticate')
    return verifier
  }
  const unknown = await createOpaqueTokens({ ...options, name: 'other' }).issue({ json: '{"a":1}', auth: 'acme' })
  order.length = 0
  for (const bad of ['', `${token}A`, unknown.token]) await t.rejects(tokens.verify(bad, authenticate), WRONG)
  clock.time = NOW + 60_000
  await t.rejects(tokens.verify(token, authenticate), WRONG)
  t.strictSame(order, [], 'of a token that is not good nobody is asked')
  clock.time = NOW
  const refusal = new Error('who is that?')
  await t.rejects(tokens.verify(token, async () => { throw refusal }), refusal)
  t.strictSame(order.splice(0), ['parameters'])
  t.equal((await tokens.verify(token, authenticate)).uses, 1, 'a stranger has spent no use')
  t.strictSame(order.splice(0), ['parameters', 'authenticate', 'onVerify'])
  t.equal(await reasonOf(tokens.verify(token, authenticate)), 'used up')
})

t.test('onVerify refuses, and spends no use', async (t) => {
  const host: { answer: () => Promise<boolean> | boolean } = { answer: () => false }
  const { tokens, clock } = setUp({ onVerify: () => host.answer() })
  const { token } = await tokens.issue({ json: '{"a":1}', auth: 'acme', maxUses: 3, expiresIn: 60 })
  t.equal(await reasonOf(tokens.verify(token)), 'onVerify')
  host.answer = async () => false
  t.equal(await reasonOf(tokens.verify(token)), 'onVerify')
  const fault = new Error('the host\'s own')
  host.answer = () => { throw fault }
  await t.rejects(tokens.verify(token), fault)
  host.answer = async () => { throw fault }
  await t.rejects(tokens.verify(token), fault)
  // Of a Map that does not have it, and the like.
  for (const answer of [undefined, null, 1, 'yes', {}, Promise.resolve()]) {
    host.answer = () => answer as unknown as boolean
    t.equal(await reasonOf(tokens.verify(token)), 'onVerify', String(answer))
  }
  host.answer = async () => {
    clock.time = NOW + 60_000
    return true
  }
  t.equal(await reasonOf(tokens.verify(token)), 'expired', 'it took its time')
  clock.time = NOW
  for (const [index, answer] of [true, Promise.resolve(true)].entries()) {
    host.answer = () => answer
    t.equal((await tokens.verify(token)).uses, index + 1)
  }
})

t.test('events', async (t) => {
  const { tokens, store } = setUp({ name: 'cad' })
  const events = recordEvents(t)
  const { token, accessor, expiresAt } = await tokens.issue({ json: '{"secret-name":"secret-value"}', credential: CREDENTIAL })
  const base = { flow: 'opaque-tokens', name: 'cad', time: NOW }
  const holder = { id: accessor, credential: 'key-1', owner: 'acme' }
  await tokens.verify(token)
  await tokens.lookUp(accessor)
  await tokens.revoke(token, 'key-1')
  await t.rejects(tokens.revoke(token), WRONG)
  const recorded = events()
  t.strictSame(recorded, [['issued', { ...base, ...holder, documents: [], expiresAt }], ['revoked', { ...base, ...holder }]])
  t.notMatch(JSON.stringify(recorded), /secret/)
  t.notOk(JSON.stringify(recorded).includes(token))

  const own = await tokens.issue({ parameters: { a: 1 }, auth: 'jane' })
  await store.set(`opaque/cad/${own.accessor}`, Buffer.of(1, 2, 3))
  await tokens.revoke({ accessor: own.accessor })
  t.strictSame(events(), [['issued', { ...base, id: own.accessor, owner: 'jane', documents: [], expiresAt: own.expiresAt }], ['revoked', { ...base, id: own.accessor }]])
  for (const json of ['[]', '{"a":[]}']) await t.rejects(tokens.issue({ json, auth: 'acme' }))
  t.strictSame(events(), [], 'nothing is told of what did not happen')
})
