import { inspect } from 'node:util'
import t, { type Test } from 'tap'
import { authenticateClientSecret, type ClientInput, type ClientRegistry, type ClientRegistryOptions, createApiKeyRegistry, createClientRegistry, createSecret, digestSecret, type JsonWebKey, parseSecret, type RegisteredClient, type RotateOptions } from '../../../lib/credentials/index.ts'
import { type RotatedEvent, onEvent } from '../../../lib/events.ts'
import { createKeyRing, generateKey, jwkThumbprint, publicJwks } from '../../../lib/keys/index.ts'
import { createMemoryStore } from '../../../lib/stores/memory.ts'
import { decodeRecord, encodeRecord } from '../../../lib/stores/record.ts'
import { type TokenStore } from '../../../lib/stores/token-store.ts'

const NOW = Date.UTC(2030, 0, 1)
const SECONDS = NOW / 1000
const DAY = 86_400

/** A registry whose clock stands where it is put. */
function build (t: Test): { clients: ClientRegistry, store: TokenStore, clock: { now: number } } {
  const clock = { now: NOW }
  const store = createMemoryStore()
  t.teardown(() => store.close())
  return { clients: createClientRegistry({ store, now: () => clock.now }), store, clock }
}

/** The secret of a client that has one. */
async function make (clients: ClientRegistry, input?: ClientInput): Promise<{ record: RegisteredClient, id: string, secret: string }> {
  const { record, secret } = await clients.create(input)
  return { record, id: record.id, secret: secret ?? '' }
}

async function collect (clients: ClientRegistry): Promise<RegisteredClient[]> {
  const found: RegisteredClient[] = []
  for await (const client of clients.list()) found.push(client)
  return found
}

async function isAccepted (clients: ClientRegistry, id: string, secret: string, now = NOW): Promise<boolean> {
  return await authenticateClientSecret(clients, id, secret, { now: () => now }).then(() => true, () => false)
}

async function publicKey (algorithm: 'ES256' | 'EdDSA' | 'RS256' | 'PS256'): Promise<JsonWebKey> {
  const [jwk = {}] = publicJwks(createKeyRing([{ key: await generateKey(algorithm) }])).keys
  return jwk
}

t.test('a registry wants a store and a clock', async (t) => {
  const store = createMemoryStore()
  t.teardown(() => store.close())
  for (const options of [{}, { store: null }, { store, now: NOW }]) {
    // Hosts in JavaScript can pass anything.
    t.throws(() => createClientRegistry(options as object as ClientRegistryOptions), { code: 'FDT_INVALID_OPTION' })
  }
  const { record } = await createClientRegistry({ store }).create()
  t.ok(Math.abs(record.createdAt - Date.now() / 1000) < 60, 'by default it is now')
})

t.test('create', async (t) => {
  t.test('a client without limits', async (t) => {
    const { clients } = build(t)
    const { record, id, secret } = await make(clients)
    t.match(id, /^[a-z0-9]{16}$/)
    t.strictSame(record, { id, createdAt: SECONDS, secrets: [{ createdAt: SECONDS }] })
    t.strictSame(parseSecret(secret), { kind: 'client', id })
    t.strictSame(await authenticateClientSecret(clients, id, secret, { now: () => NOW }), { id })
  })

  t.test('a client with all of them', async (t) => {
    const { clients } = build(t)
    const key = await publicKey('ES256')
    const limits = { owner: 'acme', scopes: ['a', 'b'], defaultScopes: ['a'], audiences: ['https://api.example', 'Ä'], introspects: ['x'], tokenLifetime: 60, requireDpop: true, rateLimit: { max: 5, timeWindow: 1000 } }
    const { record, id, secret } = await make(clients, { ...limits, label: 'Grüße 😀', keys: [key], secret: true, expiresAt: SECONDS + 1 })
    t.strictSame(record, { ...limits, label: 'Grüße 😀', keys: [key], id, createdAt: SECONDS, secrets: [{ createdAt: SECONDS, expiresAt: SECONDS + 1 }] })
    t.strictSame(await clients.get(id), record)
    t.strictSame(await collect(clients), [record])
    t.strictSame(await authenticateClientSecret(clients, id, secret, { now: () => NOW }), { ...limits, id })
    t.strictSame([await isAccepted(clients, id, secret, NOW + 999), await isAccepted(clients, id, secret, NOW + 1000)], [true, false])
  })

  t.test('a client with keys alone', async (t) => {
    const { clients } = build(t)
    const keys = [await publicKey('EdDSA')]
    const made = await clients.create({ keys, secret: false })
    t.strictSame(made, { record: { id: made.record.id, keys, createdAt: SECONDS, secrets: [] } })
    t.notOk(await isAccepted(clients, made.record.id, createSecret('client', made.record.id)))

    const { record, secret } = await clients.rotate(made.record.id)
    t.strictSame(record.secrets, [{ createdAt: SECONDS }])
    t.ok(await isAccepted(clients, record.id, secret), 'it can have a first secret later')
  })

  t.test('undefined is absent', async (t) => {
    const { clients } = build(t)
    const none: Record<keyof ClientInput, undefined> = { owner: undefined, label: undefined, scopes: undefined, defaultScopes: undefined, audiences: undefined, introspects: undefined, tokenLifetime: undefined, requireDpop: undefined, rateLimit: undefined, keys: undefined, secret: undefined, expiresAt: undefined }
    const { record } = await make(clients, none)
    t.strictSame(record, { id: record.id, createdAt: SECONDS, secrets: [{ createdAt: SECONDS }] })
  })

  t.test('the greatest values that are allowed', async (t) => {
    const { clients } = build(t)
    const scopes = Array.from({ length: 64 }, (_, index) => String(index).padStart(64, 's'))
    await clients.create({ owner: 'o'.repeat(256), scopes, defaultScopes: scopes, audiences: Array(64).fill('a'.repeat(512)), tokenLifetime: Number.MAX_SAFE_INTEGER, requireDpop: false, rateLimit: { max: 1e12, timeWindow: 315_360_000_000 }, expiresAt: 253_402_300_799 })
    t.equal((await collect(clients)).length, 1)
  })

  t.test('bad members', async (t) => {
    const { clients } = build(t)
    const key = await publicKey('ES256')
    const text = ['', 'x'.repeat(257), 'a\nb', '\u009b31m', '\ud800', null, 1, []]
    const number = [0, -1, 1.5, NaN, Infinity, '60', null, true]
    const list = [[], null, 'read', {}, [1], [null], [''], [undefined], [['read']], new Set(['read']), Array(3)]
    const scope = [...list, ['a b'], ['a"'], ['a\\'], ['é'], ['s'.repeat(65)], Array(65).fill('s')]
    const audience = [...list, ['a\n'], ['\ud800'], ['a'.repeat(513)], Array(65).fill('a')]
    const flag = [null, 0, 1, 'true', []]
    const refused: Record<string, unknown[]> = {
      owner: text,
      label: text,
      scopes: scope,
      defaultScopes: scope,
      audiences: audience,
      introspects: audience,
      tokenLifetime: number,
      requireDpop: flag,
      rateLimit: [...number, '100/1m', {}, { max: 1 }, { max: 1, timeWindow: 1000, burst: 1 }],
      keys: [null, {}, key, 'x', [], [null], [''], [{}], [[]], Array(5).fill(key), [key, key], [{ keys: [key] }]],
      secret: flag,
      expiresAt: [...number, SECONDS, NOW + 1000],
      id: ['abcdefghij012345'],
      secrets: [[]],
      disabled: [true],
      createdAt: [0],
      scope: [['a']],
      toString: [1]
    }
    for (const [name, values] of Object.entries(refused)) {
      for (const value of values) {
        await t.rejects(clients.create({ [name]: value }), { code: 'FDT_INVALID_OPTION', statusCode: 500, message: new RegExp(`"${name}"`) }, `${name}: ${inspect(value)}`)
      }
    }
    const together: Array<{ input: ClientInput, name: string }> = [
      { input: { scopes: ['a'], defaultScopes: ['b'] }, name: 'defaultScopes' },
      { input: { secret: false }, name: 'keys' },
      { input: { secret: false, keys: [key], expiresAt: SECONDS + 1 }, name: 'expiresAt' }
    ]
    for (const { input, name } of together) await t.rejects(clients.create(input), { code: 'FDT_INVALID_OPTION', message: new RegExp(`^Invalid option "${name}"`) })
    for (const input of [null, 'owner', 1]) await t.rejects(clients.create(input as unknown as ClientInput), { code: 'FDT_INVALID_OPTION' })
    t.strictSame(await collect(clients), [], 'nothing was written')
  })

  t.test('never writes over another client', async (t) => {
    const { store } = build(t)
    const clients = createClientRegistry({ store: Object.assign(Object.create(store), { get: store.get.bind(store), add: async () => false }) })
    await t.rejects(clients.create(), { code: 'FDT_CREDENTIAL_CONFLICT', statusCode: 409 })
  })
})

t.test('keys', async (t) => {
  t.test('are kept as public halves with a name', async (t) => {
    const { clients } = build(t)
    const given = [await publicKey('ES256'), await publicKey('EdDSA'), await publicKey('RS256'), await publicKey('PS256')]
    const { record } = await clients.create({ keys: given.map((jwk) => ({ ...jwk, x5c: ['MII'], ext: true })) })
    t.strictSame(record.keys, given, 'without what is not known')

    const { kid, alg, use, ...bare } = given[0] ?? {}
    t.strictSame((await clients.create({ keys: [bare] })).record.keys, [{ ...bare, kid: jwkThumbprint(bare), alg: 'ES256', use: 'sig' }])
  })

  t.test('of any other kind are refused, and nothing of them is told', async (t) => {
    const { clients } = build(t)
    const privateJwk = await generateKey('ES256')
    const rsa = await publicKey('RS256')
    const { alg, ...without } = rsa
    const one = await publicKey('ES256')
    const refused: Array<{ name: string, keys: JsonWebKey[] }> = [
      { name: 'private', keys: [privateJwk] },
      { name: 'private, to verify with', keys: [{ ...privateJwk, key_ops: ['verify'] }] },
      { name: 'private of RSA', keys: [await generateKey('RS256')] },
      { name: 'private of Ed25519', keys: [await generateKey('EdDSA')] },
      { name: 'a public one beside a private one', keys: [one, privateJwk] },
      { name: 'a secret', keys: [await generateKey('HS256')] },
      { name: 'a secret in disguise', keys: [{ ...one, k: 'c2VjcmV0' }] },
      { name: 'RSA that does not say for what', keys: [without] },
      { name: 'for HS256', keys: [{ ...one, alg: 'HS256' }] },
      { name: 'for encryption (T44)', keys: [{ ...one, use: 'enc' }] },
      { name: 'with other operations (T44)', keys: [{ ...one, key_ops: ['deriveKey'] }] },
      { name: 'of a curve that is not served', keys: [{ ...one, crv: 'P-384' }] },
      { name: 'not on the curve', keys: [{ ...one, x: one.y ?? '' }] },
      { name: 'weak (T4)', keys: [{ kty: 'RSA', alg: 'RS256', e: 'AQAB', n: Buffer.alloc(128, 0xc5).toString('base64url') }] },
      { name: 'two of one name', keys: [{ ...one, kid: 'a' }, { ...await publicKey('ES256'), kid: 'a' }] },
      { name: 'one under two names', keys: [{ ...one, kid: 'a' }, { ...one, kid: 'b' }] },
      { name: 'an object of Node.js', keys: [(createKeyRing([{ key: privateJwk }]).list()[0]?.signKey ?? {}) as JsonWebKey] }
    ]
    for (const { name, keys } of refused) {
      await t.test(name, async (t) => {
        const error: unknown = await clients.create({ keys }).catch((error) => error)
        t.match(error, { code: 'FDT_INVALID_OPTION', message: /^Invalid option "keys": / })
        const told = inspect(error, { depth: 10 })
        for (const key of keys) for (const content of [key.d, key.k, key.x, key.n, key.p]) if (content !== undefined && content !== '') t.notOk(told.includes(content))
      })
    }
    t.strictSame(await collect(clients), [])
  })
})

t.test('find knows its own ids alone', async (t) => {
  const { clients, store } = build(t)
  const { id } = await make(clients)
  const asked: string[] = []
  const spied = createClientRegistry({ store: Object.assign(Object.create(store), { get: async (key: string) => { asked.push(key); return await store.get(key) } }) })
  t.match(await spied.find(id), { id, secrets: [{ digest: /^[\w-]{43}$/ }] })
  // An id may be anything at run time.
  for (const other of ['', 'x', id.toUpperCase(), `${id} `, `${id}\n`, `../${id}`, '__proto__', 'x'.repeat(600), undefined, [id]]) t.equal(await spied.find(other as string), undefined)
  t.equal(await spied.find('0000000000000000'), undefined)
  t.strictSame(asked, [`client/${id}`, 'client/0000000000000000'], 'only what has the form of an id reaches the store')
  t.equal(await clients.get(`${id}/`), undefined)
})

t.test('clients and API keys are apart', async (t) => {
  const { clients, store } = build(t)
  const keys = createApiKeyRegistry({ store })
  const client = await make(clients)
  const key = await keys.create()
  t.equal(await keys.get(client.id), undefined)
  t.equal(await clients.get(key.record.id), undefined)
  t.equal((await collect(clients)).length, 1)
  t.notOk(await isAccepted(clients, key.record.id, key.secret))
})

t.test('no secret and no digest is shown, and none is kept but the digest (T34)', async (t) => {
  const { clients, store } = build(t)
  const first = await make(clients)
  const second = await clients.rotate(first.id)
  const shown = inspect([await collect(clients), await clients.get(first.id), first.record, second.record], { depth: 10 })
  const kept: string[] = []
  for await (const { value } of store.scan('')) kept.push(Buffer.from(value).toString())
  for (const secret of [first.secret, second.secret]) {
    t.notOk(shown.includes(digestSecret(secret)))
    t.notOk(`${shown}${kept.join('')}`.includes(secret.slice(28)))
    t.ok(kept.join('').includes(digestSecret(secret)))
  }
})

t.test('rotate', async (t) => {
  t.test('the secret before lives on for a day, or as long as asked for', async (t) => {
    const { clients, clock } = build(t)
    const first = await make(clients, { label: 'shop' })
    clock.now += 1999
    const second = await clients.rotate(first.id)
    t.strictSame(second.record, { id: first.id, label: 'shop', createdAt: SECONDS, secrets: [{ createdAt: SECONDS, expiresAt: SECONDS + 1 + DAY }, { createdAt: SECONDS + 1 }] })
    const end = (SECONDS + 1 + DAY) * 1000
    t.strictSame([await isAccepted(clients, first.id, first.secret, end - 1), await isAccepted(clients, first.id, first.secret, end), await isAccepted(clients, first.id, second.secret, end)], [true, false, true])

    const third = await clients.rotate(first.id, { overlap: 0, expiresAt: SECONDS + 9 })
    t.strictSame(third.record.secrets, [{ createdAt: SECONDS + 1, expiresAt: SECONDS + 9 }])
    t.strictSame([await isAccepted(clients, first.id, second.secret), await isAccepted(clients, first.id, third.secret)], [false, true])
  })

  t.test('keys stay, and a disabled client stays disabled', async (t) => {
    const { clients } = build(t)
    const { id } = await make(clients, { keys: [await publicKey('ES256')] })
    await clients.disable(id)
    const { record, secret } = await clients.rotate(id)
    t.equal(record.keys?.length, 1)
    t.notOk(await isAccepted(clients, id, secret))
  })

  t.test('bad options', async (t) => {
    const { clients } = build(t)
    const { record } = await make(clients)
    for (const options of [{ overlap: -1 }, { overlap: 315_360_001 }, { overlap: '1h' }, { expiresAt: SECONDS }, { expiresIn: 1 }]) {
      // Hosts in JavaScript can pass anything.
      await t.rejects(clients.rotate(record.id, options as object as RotateOptions), { code: 'FDT_INVALID_OPTION' })
    }
    t.strictSame(await clients.get(record.id), record)
  })

  t.test('it is told', async (t) => {
    const { clients } = build(t)
    const told: RotatedEvent[] = []
    t.teardown(onEvent('rotated', (event) => { told.push(event) }))
    const { id } = await make(clients, { owner: 'acme' })
    await clients.rotate(id)
    t.strictSame(told, [{ what: 'client', id, owner: 'acme', time: NOW }])
  })
})

t.test('disable, enable, revoke hold from the next request on', async (t) => {
  const { clients, store } = build(t)
  const elsewhere = createClientRegistry({ store, now: () => NOW })
  const { id, secret } = await make(clients)
  t.equal((await clients.disable(id)).disabled, true)
  t.notOk(await isAccepted(elsewhere, id, secret))
  t.equal((await elsewhere.enable(id)).disabled, false)
  t.ok(await isAccepted(clients, id, secret))
  await clients.revoke(id)
  t.notOk(await isAccepted(elsewhere, id, secret))
  for (const unknown of [id, '', '__proto__', `../${id}`, 'x'.repeat(600)]) {
    for (const change of [clients.rotate, clients.disable, clients.enable, clients.revoke]) await t.rejects(async () => { await change(unknown) }, { code: 'FDT_UNKNOWN_CREDENTIAL', statusCode: 404 })
  }
})

t.test('changes at the same time lose nothing', async (t) => {
  const { clients, store } = build(t)
  const other = createClientRegistry({ store, now: () => NOW })
  const { id } = await make(clients)
  const rotated = await Promise.all([...Array.from({ length: 10 }, (_, index) => (index % 2 === 0 ? clients : other).rotate(id)), other.disable(id)])
  const record = await clients.enable(id)
  t.equal(record.secrets.length, 2)
  const accepted = await Promise.all(rotated.map((made) => 'secret' in made ? isAccepted(clients, id, made.secret) : false))
  t.equal(accepted.filter(Boolean).length, 2, 'the last two secrets live')
})

t.test('what a later release added to a record stays over a change', async (t) => {
  const { clients, store } = build(t)
  const { id } = await make(clients)
  const key = `client/${id}`
  const stored = decodeRecord(await store.get(key) ?? Buffer.alloc(0))
  await store.set(key, encodeRecord({ ...stored, quota: { daily: 5 }, keys: [{ ...await publicKey('ES256'), hint: 'kept too' }] }))
  await clients.rotate(id)
  const disabled = await clients.disable(id)
  t.match(decodeRecord(await store.get(key) ?? Buffer.alloc(0)), { quota: { daily: 5 }, keys: [{ hint: 'kept too' }], disabled: true })
  t.notOk('quota' in disabled)
})

t.test('a broken record passes nowhere, and can be removed', async (t) => {
  const { clients, store } = build(t)
  const { id, secret } = await make(clients)
  await store.set(`client/${id}`, encodeRecord({ id, createdAt: SECONDS, secrets: [] }))
  await t.rejects(authenticateClientSecret(clients, id, secret), { code: 'FDT_INVALID_CLIENT' })
  for (const use of [() => clients.get(id), () => collect(clients), () => clients.rotate(id)]) await t.rejects(async () => { await use() }, { code: 'FDT_INVALID_VALUE', statusCode: 500 })
  await t.resolves(clients.revoke(id))
})

t.test('a store that is gone is an outage (T36)', async (t) => {
  const { clients, store } = build(t)
  const { id, secret } = await make(clients)
  await store.close()
  for (const use of [() => authenticateClientSecret(clients, id, secret), () => clients.disable(id), () => clients.create()]) await t.rejects(async () => { await use() }, { code: 'FDT_STORE_UNAVAILABLE', statusCode: 503 })
})
