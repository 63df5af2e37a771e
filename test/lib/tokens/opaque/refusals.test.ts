import crypto, { randomBytes, randomUUID } from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import { inspect } from 'node:util'
import t, { type Test } from 'tap'
import { createMemoryStore } from '../../../../lib/stores/memory.ts'
import { type TokenStore } from '../../../../lib/stores/token-store.ts'
import { wrongToken } from '../../../../lib/tokens/opaque/tokens.ts'
import { createOpaqueTokens, type OpaqueTokensOptions } from '../../../../plugins/opaque-tokens/index.ts'
import { faultyStore } from '../../../support/faulty-store.ts'

const NOW = 1_800_000_000_000
const [NEW, OLD, OTHER] = [{ id: 'new', key: randomBytes(32) }, { id: 'old', key: randomBytes(32) }, { id: 'other', key: randomBytes(32) }]

/** One token for each thing that can be wrong, and the reason that the operator is told. */
async function wrongTokens (more: Partial<OpaqueTokensOptions>) {
  const clock = { time: NOW }
  const storeClock = { time: NOW }
  const { store, fault } = faultyStore(createMemoryStore({ now: () => storeClock.time }))
  const options: OpaqueTokensOptions = { store, pepper: NEW, now: () => clock.time, ...more }
  const tokens = createOpaqueTokens({ ...options, onVerify: ({ parameters }) => parameters['a'] !== 'refused' })
  const issue = (from: Partial<OpaqueTokensOptions> = {}, value = 'secret-value', maxUses?: number, expiresIn = 60) => createOpaqueTokens({ ...options, ...from }).issue({ json: `{"a":"${value}"}`, auth: 'acme', maxUses, expiresIn })

  const good = await issue({}, 'good', undefined, 3600)
  const gone = await issue()
  // The store forgets these.
  clock.time = storeClock.time = NOW + 60_000
  const expired = await issue()
  // And those it still has.
  clock.time = NOW + 120_000
  const [revoked, usedUp, altered, refused, otherName, otherPepper] = [await issue(), await issue({}, 'a', 1), await issue(), await issue({}, 'refused'), await issue({ name: 'other' }), await issue({ pepper: OTHER })]
  await tokens.revoke(revoked.token)
  await tokens.verify(usedUp.token)
  const place = `opaque/default/${altered.accessor}`
  const record = Buffer.from(await store.get(place) ?? [])
  await store.set(place, record.map((byte, index) => index === record.length - 1 ? byte ^ 1 : byte))

  const wrong: Array<{ name: string, token: string, reason: string }> = [
    { name: 'never issued', token: (await createOpaqueTokens({ ...options, store: createMemoryStore() }).issue({ json: '{"a":1}', auth: 'acme' })).token, reason: 'unknown' },
    { name: 'expired and gone', token: gone.token, reason: 'unknown' },
    { name: 'expired and still there', token: expired.token, reason: 'expired' },
    { name: 'revoked', token: revoked.token, reason: 'unknown' },
    { name: 'of another instance', token: otherName.token, reason: 'unknown' },
    { name: 'of another pepper', token: otherPepper.token, reason: 'unknown' },
    { name: 'altered', token: altered.token, reason: 'altered' },
    { name: 'refused by the host', token: refused.token, reason: 'onVerify' },
    { name: 'used up', token: usedUp.token, reason: 'used up' }
  ]
  const malformed = ['', 'x', `${good.token}A`, good.token.slice(1), `${good.token.slice(0, -1)}~`, 'x'.repeat(10_240), 'constructor', '__proto__', undefined, null, 7, {}, [good.token], { toString: () => good.token }]
    .map((token, index) => ({ name: `malformed ${index}`, token: token as string, reason: 'malformed' }))
  return { tokens, good: good.token, wrong, malformed, fault }
}

/** Counts HMACs until the test is over. */
function countHmacs (t: Test): { count: number } {
  const { createHmac } = crypto
  const hmacs = { count: 0 }
  crypto.createHmac = (...args) => {
    hmacs.count++
    return createHmac(...args)
  }
  syncBuiltinESMExports()
  t.teardown(() => {
    Object.assign(crypto, { createHmac })
    syncBuiltinESMExports()
  })
  return hmacs
}

for (const [name, more] of [['base64url', {}], ['uuid', { format: 'uuid' }], ['two peppers', { pepper: [NEW, OLD] }]] satisfies Array<[string, Partial<OpaqueTokensOptions>]>) {
  t.test(`whatever is wrong with a token, the answer is one: ${name}`, async (t) => {
    const { tokens, good, wrong, malformed } = await wrongTokens(more)
    t.ok(await tokens.verify(good))
    const answers = new Set<string>()
    for (const { name, token, reason } of [...wrong, ...malformed]) {
      const error = await tokens.verify(token).then(() => undefined, (error: Error) => error)
      t.match(error, { code: 'FDT_WRONG_TOKEN', statusCode: 403, message: 'Wrong token' }, name)
      t.equal(wrongToken(error)?.reason, reason, 'the operator is told')
      const { stack, ...members } = Object.getOwnPropertyDescriptors(error)
      answers.add(inspect([members, String(stack?.value).split('\n')[0], error?.cause], { showHidden: true, depth: 9 }))
      t.notMatch(inspect(error, { showHidden: true, depth: 9 }), /secret-value|acme/)
      if (typeof token === 'string' && token.length > 20) t.notOk(inspect(error, { showHidden: true }).includes(token))
    }
    t.equal(answers.size, 1)
  })
}

t.test('whose token it was is told where it is certain', async (t) => {
  const { tokens, wrong } = await wrongTokens({})
  for (const { name, token, reason } of wrong) {
    const { holder } = wrongToken(await tokens.verify(token).catch((error: unknown) => error)) ?? {}
    if (reason === 'unknown') t.strictSame(holder, {}, name)
    else if (reason === 'altered') t.match(holder, { id: /^[\w-]{43}$/, owner: undefined }, 'what the record says counts no more')
    else t.match(holder, { id: /^[\w-]{43}$/, owner: 'acme' }, name)
  }
  for (const other of [undefined, null, 'text', new Error('other'), {}]) t.equal(wrongToken(other), undefined)
})

t.test('what is wrong costs the same, whatever it is (T25)', async (t) => {
  const hmacs = countHmacs(t)
  for (const pepper of [NEW, [NEW], [NEW, OLD], [OLD, NEW]]) {
    const { tokens, wrong, malformed, fault, good } = await wrongTokens({ pepper })
    const peppers = [pepper].flat().length
    const costOf = async (token: string) => {
      hmacs.count = fault.calls.length = 0
      await tokens.verify(token).catch(() => {})
      return { calls: [...fault.calls], hmacs: hmacs.count }
    }
    const cost = { calls: Array.from({ length: peppers }, () => 'get'), hmacs: peppers }
    t.strictSame(await costOf(good), cost)
    for (const { name, token, reason } of wrong) t.strictSame(await costOf(token), reason === 'used up' ? { ...cost, calls: [...cost.calls, 'increment'] } : cost, name)
    for (const { name, token } of malformed) t.strictSame(await costOf(token), { calls: [], hmacs: 0 }, name)
    t.strictSame(await costOf(randomUUID()), { calls: [], hmacs: 0 }, 'of the other format')
  }
})

t.test('an outage is never an answer (T36)', async (t) => {
  const fault = Object.assign(new Error('connection refused'), { code: 'ECONNREFUSED' })
  const failures: Array<[string, () => unknown]> = [['rejects', () => Promise.reject(fault)], ['throws', () => { throw fault }]]
  for (const [how, fail] of failures) {
    const store = createMemoryStore()
    const down = new Set<string>()
    const failing: TokenStore = new Proxy(store, {
      get: (target, name) => down.has(String(name)) ? fail : Reflect.get(target, name).bind(target)
    })
    const tokens = createOpaqueTokens({ store: failing, pepper: [NEW, OLD] })
    const { token, accessor } = await tokens.issue({ json: '{"a":"secret-value"}', auth: 'acme', maxUses: 2 })
    const unknown = await createOpaqueTokens({ store: createMemoryStore(), pepper: NEW }).issue({ json: '{"a":1}', auth: 'acme' })
    const outages: Array<[keyof TokenStore, string, () => Promise<unknown>]> = [
      ['set', 'issue', () => tokens.issue({ json: '{"a":"secret-value"}', auth: 'acme' })],
      ['get', 'verify', () => tokens.verify(token)],
      ['get', 'verify what is unknown', () => tokens.verify(unknown.token)],
      ['get', 'revoke', () => tokens.revoke(token)],
      ['get', 'revoke by accessor', () => tokens.revoke({ accessor })],
      ['get', 'lookUp', () => tokens.lookUp(accessor)],
      ['increment', 'verify', () => tokens.verify(token)],
      ['delete', 'revoke', () => tokens.revoke(token)],
      ['delete', 'revoke by accessor', () => tokens.revoke({ accessor })]
    ]
    for (const [method, name, act] of outages) {
      down.add(method)
      const error = await act().then(() => undefined, (error: Error) => error)
      down.clear()
      t.match(error, { code: 'FDT_STORE_UNAVAILABLE', statusCode: 503, cause: fault }, `${method} ${how}: ${name}`)
      t.equal(wrongToken(error), undefined)
      const told = inspect(error, { showHidden: true, depth: 9 })
      for (const secret of [token, 'secret-value', accessor]) t.notOk(told.includes(secret))
    }
    t.equal((await tokens.verify(token)).uses, 1, 'and all works again')
  }
})

t.test('that a token is gone is asked of the store as durably as that it goes', async (t) => {
  const memory = createMemoryStore()
  const deletions: Array<{ durable?: boolean | undefined }> = []
  let isDown = false
  const store: TokenStore = Object.create(memory, {
    get: { value: (key: string) => memory.get(key) },
    delete: {
      value: async (key: string, options: { durable?: boolean } = {}) => {
        deletions.push(options)
        const found = await memory.delete(key)
        // As where the write has happened, and no replica has said so.
        if (isDown) throw new Error('no replica')
        return found
      }
    }
  })
  for (const method of ['set', 'add', 'take', 'replace', 'increment'] as const) Object.defineProperty(store, method, { value: memory[method].bind(memory) })
  for (const pepper of [[NEW], [NEW, OLD]]) {
    const tokens = createOpaqueTokens({ store, pepper, now: () => NOW })
    const { token, accessor } = await tokens.issue({ json: '{"a":1}', credential: { id: 'key-1' } })
    deletions.length = 0
    await t.rejects(tokens.revoke(token, 'key-2'), { code: 'FDT_WRONG_TOKEN' })
    t.strictSame(deletions, [], 'nothing for somebody else')

    isDown = true
    await t.rejects(tokens.revoke(token, 'key-1'), { code: 'FDT_STORE_UNAVAILABLE' })
    await t.rejects(tokens.revoke(token, 'key-1'), { code: 'FDT_STORE_UNAVAILABLE' }, 'it may come back: not "gone" yet')
    await t.rejects(tokens.revoke({ accessor }, 'key-1'), { code: 'FDT_STORE_UNAVAILABLE' })
    isDown = false
    await t.rejects(tokens.revoke(token, 'key-1'), { code: 'FDT_WRONG_TOKEN' })
    t.ok(deletions.length >= 4 && deletions.every(({ durable }) => durable === true))
  }
})
