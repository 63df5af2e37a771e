import t from 'tap'
import { type ApiKey, type ApiKeyInput, type ApiKeyRegistry, type ApiKeyRegistryOptions, authenticateApiKey, createApiKeyRegistry, createSecret, digestSecret, type RotateOptions } from '../../../lib/credentials/index.ts'
import { createMemoryStore } from '../../../lib/stores/memory.ts'
import { decodeRecord, encodeRecord } from '../../../lib/stores/record.ts'
import { STORE_FORMAT, type TokenStore } from '../../../lib/stores/token-store.ts'

const NOW = Date.UTC(2030, 0, 1)
const SECONDS = NOW / 1000
const DAY = 86_400

/** A registry whose clock stands where it is put. */
function build (t: { teardown (handler: () => Promise<void>): void }): { keys: ApiKeyRegistry, store: TokenStore, clock: { now: number } } {
  const clock = { now: NOW }
  const store = createMemoryStore()
  t.teardown(() => store.close())
  return { keys: createApiKeyRegistry({ store, now: () => clock.now }), store, clock }
}

/** `store` with some of its methods in other words. */
function altered (store: TokenStore, methods: Partial<TokenStore>): TokenStore {
  return {
    get: (...args) => store.get(...args),
    set: (...args) => store.set(...args),
    add: (...args) => store.add(...args),
    take: (...args) => store.take(...args),
    delete: (...args) => store.delete(...args),
    replace: (...args) => store.replace(...args),
    increment: (...args) => store.increment(...args),
    scan: (prefix) => store.scan(prefix),
    ping: () => store.ping(),
    close: () => store.close(),
    ...methods
  }
}

async function collect (keys: ApiKeyRegistry): Promise<ApiKey[]> {
  const found: ApiKey[] = []
  for await (const key of keys.list()) found.push(key)
  return found
}

async function isAccepted (keys: ApiKeyRegistry, secret: string, now: number): Promise<boolean> {
  try {
    await authenticateApiKey(keys, secret, { flow: 'session-issuance', now: () => now })
    return true
  } catch {
    return false
  }
}

t.test('a registry wants a store and a clock', async (t) => {
  const store = createMemoryStore()
  t.teardown(() => store.close())
  const refused = [
    { name: 'store', options: {} },
    { name: 'store', options: { store: null } },
    { name: 'store', options: { store: new Map() } },
    { name: 'now', options: { store, now: NOW } },
    { name: 'now', options: { store, now: null } }
  ]
  // Hosts in JavaScript can pass anything.
  for (const { name, options } of refused) t.throws(() => createApiKeyRegistry(options as object as ApiKeyRegistryOptions), { code: 'FDT_INVALID_OPTION', message: new RegExp(`"${name}"`) })

  const { record, secret } = await createApiKeyRegistry({ store }).create()
  t.equal((await authenticateApiKey(createApiKeyRegistry({ store }), secret, { flow: 'opaque-tokens' })).id, record.id, 'by default it is now')
  t.ok(Math.abs(record.createdAt - Date.now() / 1000) < 60)
})

t.test('create', async (t) => {
  t.test('a key without limits', async (t) => {
    const { keys } = build(t)
    const { record, secret } = await keys.create()
    t.match(record.id, /^[a-z0-9]{16}$/)
    t.strictSame(record, { id: record.id, createdAt: SECONDS, secrets: [{ createdAt: SECONDS }] })
    t.match(secret, new RegExp(`^fdt_key_${record.id}_`))
    t.strictSame(await authenticateApiKey(keys, secret, { flow: 'session-issuance', now: () => NOW }), { id: record.id })
  })

  t.test('a key with all of them', async (t) => {
    const { keys } = build(t)
    const input: ApiKeyInput = { owner: 'acme', label: 'Grüße 😀', flows: ['session-issuance'], documents: ['a', '__proto__', '\u0007'], permissions: ['read', 'ns:a_b-c'], maxLifetime: 1, rateLimit: { max: 5, timeWindow: 1000 }, expiresAt: SECONDS + 1 }
    const { record, secret } = await keys.create(input)
    const { expiresAt, label, ...limits } = input
    t.strictSame(record, { ...limits, label, id: record.id, createdAt: SECONDS, secrets: [{ createdAt: SECONDS, expiresAt }] })
    t.strictSame(await keys.get(record.id), record)
    t.strictSame(await authenticateApiKey(keys, secret, { flow: 'session-issuance', now: () => NOW }), { ...limits, id: record.id })
    await t.rejects(authenticateApiKey(keys, secret, { flow: 'opaque-tokens', now: () => NOW }), { code: 'FDT_FLOW_NOT_ALLOWED' })
    t.equal(await isAccepted(keys, secret, NOW + 999), true)
    t.equal(await isAccepted(keys, secret, NOW + 1000), false)
  })

  t.test('undefined is absent', async (t) => {
    const { keys } = build(t)
    const { record } = await keys.create({ owner: undefined, label: undefined, flows: undefined, documents: undefined, permissions: undefined, maxLifetime: undefined, rateLimit: undefined, expiresAt: undefined })
    t.strictSame(record, { id: record.id, createdAt: SECONDS, secrets: [{ createdAt: SECONDS }] })
  })

  t.test('the greatest values that are allowed', async (t) => {
    const { keys } = build(t)
    await keys.create({ owner: 'o'.repeat(256), documents: Array(1000).fill('d'.repeat(512)), permissions: Array(64).fill('p'.repeat(64)), maxLifetime: Number.MAX_SAFE_INTEGER, rateLimit: { max: 1e12, timeWindow: 315_360_000_000 }, expiresAt: 253_402_300_799 })
    t.equal((await collect(keys)).length, 1)
  })

  t.test('bad members', async (t) => {
    const { keys } = build(t)
    const text = ['', 'x'.repeat(257), 'a\nb', '\u0000', '\u007f', '\u009b31m', '\ud800', null, 1, [], {}]
    const number = [0, -1, 1.5, NaN, Infinity, -Infinity, '60', 60n, null, true, Number.MAX_SAFE_INTEGER + 1]
    const list = [[], null, 'read', {}, [1], [null], [''], [undefined], [['read']], new Set(['read']), Array(3)]
    const refused: Record<string, unknown[]> = {
      owner: text,
      label: text,
      flows: [...list, ['sessions'], ['toString'], ['session-issuance', 'opaque-tokens', 'opaque-verification', 'opaque-verification']],
      documents: [...list, ['d'.repeat(513)], Array(1001).fill('d')],
      permissions: [...list, ['a b'], ['é'], ['p'.repeat(65)], Array(65).fill('p'), ['read\n'], [new String('read')]], // eslint-disable-line no-new-wrappers -- the case
      maxLifetime: number,
      rateLimit: [
        ...number, '100/1m', [], [1, 1000], {}, { max: 1 }, { timeWindow: 1000 }, { max: 1, timeWindow: 1000, burst: 1 }, { max: 1, timeWindows: 1000 },
        ...number.flatMap((value) => [{ max: value, timeWindow: 1000 }, { max: 1, timeWindow: value }]), { max: 1e12 + 1, timeWindow: 1000 }, { max: 1, timeWindow: 315_360_000_001 }
      ],
      expiresAt: [...number, SECONDS, SECONDS - 1, NOW + 1000, 253_402_300_800],
      id: ['abcdefghij012345'],
      secrets: [[]],
      document: [['a']],
      toString: [1]
    }
    for (const [name, values] of Object.entries(refused)) {
      for (const value of values) {
        await t.rejects(keys.create({ [name]: value }), { code: 'FDT_INVALID_OPTION', statusCode: 500, message: new RegExp(`"${name}"`) })
      }
    }
    await t.rejects(keys.create(JSON.parse('{"__proto__":{"owner":"x"}}')), { code: 'FDT_INVALID_OPTION' })
    for (const input of [null, 'owner', 1]) await t.rejects(keys.create(input as unknown as ApiKeyInput), { code: 'FDT_INVALID_OPTION' })
    t.strictSame(await collect(keys), [], 'nothing was written')
  })

  t.test('a clock that fails writes nothing', async (t) => {
    const { store } = build(t)
    const keys = createApiKeyRegistry({ store, now: () => NaN })
    await t.rejects(keys.create(), { code: 'FDT_INVALID_VALUE' })
    t.strictSame(await collect(keys), [])
  })

  t.test('never writes over another key', async (t) => {
    const { store } = build(t)
    const keys = createApiKeyRegistry({ store: altered(store, { add: async () => false }) })
    await t.rejects(keys.create(), { code: 'FDT_CREDENTIAL_CONFLICT', statusCode: 409 })
  })
})

t.test('no secret and no digest is kept or shown (T34)', async (t) => {
  const { keys, store } = build(t)
  const { record, secret } = await keys.create({ label: 'x' })
  const rotated = await keys.rotate(record.id)
  const digests = [secret, rotated.secret].map(digestSecret)
  const shown = JSON.stringify([record, rotated.record, await collect(keys), await keys.get(record.id), await keys.disable(record.id), await keys.enable(record.id)])
  let kept = ''
  for await (const { key, value } of store.scan('')) kept += key + Buffer.from(value).toString('latin1')

  for (const one of [secret, rotated.secret]) {
    t.notOk(shown.includes(one))
    t.notOk(kept.includes(one.slice(25)), 'nor its random part')
  }
  for (const digest of digests) t.notOk(shown.includes(digest))
  t.ok(digests.every((digest) => kept.includes(digest)), 'the digests are what is kept')
})

t.test('records lie behind the format version, under their id', async (t) => {
  const { keys, store } = build(t)
  const { record, secret } = await keys.create({ owner: 'acme' })
  const value = await store.get(`api-key/${record.id}`) ?? Buffer.alloc(0)
  t.equal(value[0], STORE_FORMAT)
  t.strictSame(decodeRecord(value), { owner: 'acme', id: record.id, createdAt: SECONDS, secrets: [{ digest: digestSecret(secret), createdAt: SECONDS }] })
})

t.test('find, get and list', async (t) => {
  const { keys, store } = build(t)
  const made = [await keys.create({ label: 'a' }), await keys.create({ label: 'b' })]
  await store.set('api-kez/abcdefghij012345', encodeRecord({}))
  await store.set('other/abcdefghij012345', encodeRecord({}))

  t.strictSame((await collect(keys)).map(({ label }) => label).sort(), ['a', 'b'])
  t.equal((await keys.get(made[0]?.record.id ?? ''))?.label, 'a')
  for (const id of ['', 'abcdefghij012345', '__proto__', 'constructor', '../x', 'x'.repeat(1000)]) {
    t.equal(await keys.get(id), undefined)
    t.equal(await keys.find({ id, digest: '' }), undefined)
  }
  t.equal(await keys.find({ id: undefined, digest: digestSecret(made[0]?.secret ?? '') }), undefined, 'it knows ids only')
  t.equal(await isAccepted(keys, createSecret('key', made[0]?.record.id), NOW), false, 'a good checksum is no proof')
  t.equal(await isAccepted(keys, createSecret('key'), NOW), false)
})

t.test('rotate', async (t) => {
  t.test('the secret before lives on for a day', async (t) => {
    const { keys, clock } = build(t)
    const first = await keys.create({ label: 'shop' })
    clock.now += 1999
    const second = await keys.rotate(first.record.id)
    t.strictSame(second.record, { id: first.record.id, label: 'shop', createdAt: SECONDS, secrets: [{ createdAt: SECONDS, expiresAt: SECONDS + 1 + DAY }, { createdAt: SECONDS + 1 }] })
    t.strictSame(await keys.get(first.record.id), second.record)
    t.not(second.secret, first.secret)

    const end = (SECONDS + 1 + DAY) * 1000
    t.strictSame([await isAccepted(keys, first.secret, end - 1), await isAccepted(keys, second.secret, end - 1)], [true, true])
    t.strictSame([await isAccepted(keys, first.secret, end), await isAccepted(keys, second.secret, end)], [false, true])
  })

  t.test('or as long as asked for', async (t) => {
    const { keys } = build(t)
    const first = await keys.create()
    const { record } = await keys.rotate(first.record.id, { overlap: 1, expiresAt: SECONDS + 2 })
    t.strictSame(record.secrets, [{ createdAt: SECONDS, expiresAt: SECONDS + 1 }, { createdAt: SECONDS, expiresAt: SECONDS + 2 }])
    const longest = await keys.rotate(first.record.id, { overlap: 315_360_000 })
    t.strictSame(longest.record.secrets, [{ createdAt: SECONDS, expiresAt: SECONDS + 2 }, { createdAt: SECONDS }], 'an overlap never prolongs')
  })

  t.test('an overlap of 0 ends it at once', async (t) => {
    const { keys } = build(t)
    const first = await keys.create()
    const second = await keys.rotate(first.record.id, { overlap: 0 })
    t.strictSame(second.record.secrets, [{ createdAt: SECONDS }])
    t.strictSame([await isAccepted(keys, first.secret, NOW), await isAccepted(keys, second.secret, NOW)], [false, true])
  })

  t.test('of three secrets the oldest ends at once', async (t) => {
    const { keys } = build(t)
    const first = await keys.create()
    const second = await keys.rotate(first.record.id)
    const third = await keys.rotate(first.record.id)
    t.equal(third.record.secrets.length, 2)
    t.strictSame(await Promise.all([first, second, third].map(({ secret }) => isAccepted(keys, secret, NOW))), [false, true, true])
  })

  t.test('what has ended is dropped', async (t) => {
    const { keys, clock } = build(t)
    const first = await keys.create({ expiresAt: SECONDS + 1 })
    clock.now += 1000
    const second = await keys.rotate(first.record.id)
    t.strictSame(second.record.secrets, [{ createdAt: SECONDS + 1 }])
    t.equal(await isAccepted(keys, second.secret, clock.now), true)
  })

  t.test('a disabled key stays disabled', async (t) => {
    const { keys } = build(t)
    const { record } = await keys.create()
    await keys.disable(record.id)
    const { secret } = await keys.rotate(record.id)
    t.equal(await isAccepted(keys, secret, NOW), false)
  })

  t.test('bad options', async (t) => {
    const { keys } = build(t)
    const { record } = await keys.create()
    const refused: Record<string, unknown[]> = {
      overlap: [-1, 1.5, NaN, Infinity, '24h', '0', null, 315_360_001, 86_400_000_000],
      expiresAt: [0, SECONDS, NaN, Infinity, '2031', NOW + 1000],
      overlapSeconds: [0]
    }
    for (const [name, values] of Object.entries(refused)) {
      for (const value of values) {
        // Hosts in JavaScript can pass anything.
        await t.rejects(keys.rotate(record.id, { [name]: value } as RotateOptions), { code: 'FDT_INVALID_OPTION', message: new RegExp(`"${name}"`) })
      }
    }
    t.strictSame(await keys.get(record.id), record, 'nothing was written')
  })
})

t.test('disable ends a key at once, enable brings it back', async (t) => {
  const { keys, store } = build(t)
  const { record, secret } = await keys.create()
  const elsewhere = createApiKeyRegistry({ store })
  t.equal((await keys.disable(record.id)).disabled, true)
  t.equal(await isAccepted(elsewhere, secret, NOW), false)
  t.equal((await keys.disable(record.id)).disabled, true, 'twice does no harm')
  t.equal((await elsewhere.enable(record.id)).disabled, false)
  t.equal(await isAccepted(keys, secret, NOW), true)
})

t.test('revoke deletes', async (t) => {
  const { keys } = build(t)
  const { record, secret } = await keys.create()
  await keys.revoke(record.id)
  t.equal(await isAccepted(keys, secret, NOW), false)
  t.equal(await keys.get(record.id), undefined)
  t.strictSame(await collect(keys), [])
})

t.test('an unknown id is said to be unknown', async (t) => {
  const { keys } = build(t)
  const { record } = await keys.create()
  await keys.revoke(record.id)
  for (const id of [record.id, '', 'x', '__proto__', 'toString', '../../x', 'x'.repeat(600), createSecret('key')]) {
    const changes = [keys.rotate, keys.disable, keys.enable, keys.revoke]
    for (const change of changes) await t.rejects(async () => { await change(id) }, { code: 'FDT_UNKNOWN_CREDENTIAL', statusCode: 404, message: 'There is no such credential' })
  }
  // An id may be anything at run time.
  await t.rejects(keys.disable(undefined as unknown as string), { code: 'FDT_UNKNOWN_CREDENTIAL' })
})

t.test('every change waits for the flush', async (t) => {
  const { store } = build(t)
  const durable: unknown[] = []
  const keys = createApiKeyRegistry({
    store: altered(store, {
      add: (key, value, options) => { durable.push(options?.durable); return store.add(key, value, options) },
      replace: (key, expected, value, options) => { durable.push(options?.durable, options?.ttl); return store.replace(key, expected, value, options) },
      delete: (key, options) => { durable.push(options?.durable); return store.delete(key, options) }
    })
  })
  const { record } = await keys.create()
  await keys.rotate(record.id)
  await keys.disable(record.id)
  await keys.enable(record.id)
  await keys.revoke(record.id)
  t.strictSame(durable, [true, true, undefined, true, undefined, true, undefined, true])
})

t.test('changes at the same time', async (t) => {
  t.test('lose nothing', async (t) => {
    const { keys, store } = build(t)
    const other = createApiKeyRegistry({ store, now: () => NOW })
    const first = await keys.create()
    const [second] = await Promise.all([keys.rotate(first.record.id), other.disable(first.record.id)])
    const record = await keys.get(first.record.id)
    t.equal(record?.disabled, true)
    t.equal(record?.secrets.length, 2)
    await keys.enable(first.record.id)
    t.equal(await isAccepted(keys, second.secret, NOW), true)
  })

  t.test('of twenty rotations the last two secrets live', async (t) => {
    const { keys } = build(t)
    const { record } = await keys.create()
    const rotated = await Promise.all(Array.from({ length: 20 }, () => keys.rotate(record.id)))
    const accepted = await Promise.all(rotated.map(({ secret }) => isAccepted(keys, secret, NOW)))
    t.equal(accepted.filter(Boolean).length, 2)
  })

  t.test('are given up after a while', async (t) => {
    const { keys, store } = build(t)
    const { record } = await keys.create()
    let rounds = 0
    const busy = createApiKeyRegistry({ store: altered(store, { replace: async () => { rounds++; return false } }) })
    await t.rejects(busy.disable(record.id), { code: 'FDT_CREDENTIAL_CONFLICT', statusCode: 409 })
    t.ok(rounds > 1 && rounds <= 100)
    t.equal((await keys.get(record.id))?.disabled, undefined, 'nothing was written')
  })

  t.test('a key that is revoked meanwhile does not come back', async (t) => {
    const { keys, store } = build(t)
    const { record } = await keys.create()
    const late = createApiKeyRegistry({
      store: altered(store, {
        async replace (...args) {
          await keys.revoke(record.id)
          return await store.replace(...args)
        }
      })
    })
    await t.rejects(late.rotate(record.id), { code: 'FDT_UNKNOWN_CREDENTIAL' })
    t.equal(await keys.get(record.id), undefined)
  })
})

t.test('what a later release added to a record stays over an update', async (t) => {
  const { keys, store } = build(t)
  const { record } = await keys.create({ owner: 'acme' })
  const key = `api-key/${record.id}`
  const stored = decodeRecord(await store.get(key) ?? Buffer.alloc(0))
  const secrets = [{ digest: digestSecret('x'), createdAt: 1, hint: 'kept too' }]
  await store.set(key, encodeRecord({ ...stored, quota: { daily: 5 }, flows: ['a-later-flow'], secrets }))

  const rotated = await keys.rotate(record.id)
  await keys.disable(record.id)
  t.match(decodeRecord(await store.get(key) ?? Buffer.alloc(0)), { owner: 'acme', quota: { daily: 5 }, flows: ['a-later-flow'], disabled: true, secrets: [{ hint: 'kept too' }, {}] })
  t.notOk('quota' in rotated.record, 'but what is not known is not shown')
})

t.test('a broken record passes nowhere', async (t) => {
  const { keys, store } = build(t)
  const { record, secret } = await keys.create()
  const key = `api-key/${record.id}`

  await store.set(key, encodeRecord({ id: record.id, createdAt: SECONDS, secrets: [] }))
  await t.rejects(authenticateApiKey(keys, secret, { flow: 'opaque-tokens' }), { code: 'FDT_INVALID_CREDENTIAL' })
  await t.rejects(keys.get(record.id), { code: 'FDT_INVALID_VALUE', statusCode: 500 })
  await t.rejects(collect(keys), { code: 'FDT_INVALID_VALUE' })
  await t.rejects(keys.rotate(record.id), { code: 'FDT_INVALID_VALUE' })

  await store.set(key, Buffer.from('\u0001{'))
  await t.rejects(authenticateApiKey(keys, secret, { flow: 'opaque-tokens' }), { code: 'FDT_INVALID_VALUE', statusCode: 500 })
  await t.resolves(keys.revoke(record.id), 'it can be removed')
})

t.test('a store that is gone is an outage (T36)', async (t) => {
  const { keys, store } = build(t)
  const { record, secret } = await keys.create()
  await store.close()
  await t.rejects(authenticateApiKey(keys, secret, { flow: 'opaque-tokens' }), { code: 'FDT_STORE_UNAVAILABLE', statusCode: 503 })
  await t.rejects(keys.disable(record.id), { code: 'FDT_STORE_UNAVAILABLE' })
  await t.rejects(keys.create(), { code: 'FDT_STORE_UNAVAILABLE' })
})
