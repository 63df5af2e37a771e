import { randomBytes, type JsonWebKey } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { StoreUnavailableError } from '../../../lib/errors.ts'
import { generateKey, openStoredKeyRing, publicJwks, type KeyRing, type StoredKeyRing, type StoredKeyRingOptions } from '../../../lib/keys/index.ts'
import { createSealer, type NamedKey } from '../../../lib/keys/seal.ts'
import { createMemoryStore } from '../../../lib/stores/memory.ts'
import { type TokenStore } from '../../../lib/stores/token-store.ts'
import { signJws, verifyJws } from '../../../lib/tokens/jws.ts'

const NOW = 1_800_000_000_000
const ENCRYPTION_KEY: NamedKey = { id: 'one', key: randomBytes(32) }
const OTHER_KEY: NamedKey = { id: 'two', key: randomBytes(32) }

interface World {
  store: TokenStore
  /** Milliseconds. */
  time: number
  /** A process that opens the ring. */
  open (options?: Partial<StoredKeyRingOptions>): Promise<StoredKeyRing>
}

function createWorld (t: Test, store = createMemoryStore({ now: () => NOW })): World {
  const world: World = {
    store,
    time: NOW,
    open: async (options = {}) => {
      const ring = await openStoredKeyRing({ store, name: 'sessions', keyEncryptionKeys: [ENCRYPTION_KEY], pollInterval: 1000, now: () => world.time, ...options })
      t.teardown(() => ring.close())
      return ring
    }
  }
  t.teardown(() => store.close())
  return world
}

/** The store, with some of its methods replaced. */
function withMethods (store: TokenStore, methods: Partial<TokenStore>): TokenStore {
  return new Proxy(store, {
    get: (target, name) => {
      const method = Reflect.get(methods, name) ?? Reflect.get(target, name)
      return typeof method === 'function' ? method.bind(target) : method
    }
  })
}

function kidsOf (ring: KeyRing): string[] {
  return ring.list().map(({ kid }) => kid)
}

async function look (world: World, ...rings: KeyRing[]): Promise<void> {
  world.time += 1000
  for (const ring of rings) await ring.refresh()
}

async function seal (number: number, record: object, { key = ENCRYPTION_KEY, place = `keys/sessions/${number}` } = {}): Promise<Uint8Array> {
  return createSealer([key]).seal(place, Buffer.from(JSON.stringify({ number, state: 'live', algorithm: 'ES256', jwk: await generateKey('ES256'), createdAt: NOW, signsFrom: NOW, ...record })))
}

t.test('the first key is made once, and found again', async (t) => {
  const world = createWorld(t)
  const ring = await world.open()
  t.equal(ring.list().length, 1)
  t.ok(Object.isFrozen(ring.list()))
  const key = ring.signing()
  t.equal(key.algorithm, 'ES256')
  t.equal(ring.get(key.kid), key)
  t.equal(ring.get('unknown'), undefined)
  t.strictSame(publicJwks(ring).keys.map(({ kid }) => kid), [key.kid])

  const again = await world.open()
  t.strictSame(kidsOf(again), [key.kid])
  t.equal(Buffer.from(verifyJws(await signJws({}, 'hello', again.signing()), key)).toString(), 'hello')

  const other = await world.open({ name: 'access' })
  t.not(other.signing().kid, key.kid, 'each name is a ring of its own')
})

t.test('every algorithm', async (t) => {
  for (const algorithm of ['HS256', 'ES256', 'EdDSA', 'RS256', 'PS256'] as const) {
    const world = createWorld(t)
    const [ring, again] = [await world.open({ algorithm }), await world.open({ algorithm })]
    t.equal(ring.signing().algorithm, algorithm)
    t.strictSame(kidsOf(again), kidsOf(ring))
  }
})

t.test('many that start together agree', async (t) => {
  const world = createWorld(t)
  const rings = await Promise.all(Array.from({ length: 8 }, () => world.open()))
  t.equal(new Set(rings.flatMap(kidsOf)).size, 1)
})

t.test('the store holds no key that somebody could read', async (t) => {
  const world = createWorld(t)
  const ring = await world.open()
  await ring.rotate()
  const { kid, signKey, verifyKey } = ring.signing()
  const { d = '' } = signKey?.export({ format: 'jwk' }) ?? {}
  const { x = '' } = verifyKey.export({ format: 'jwk' })
  t.match(d, /^[\w-]{43}$/)
  const names: string[] = []
  for await (const { key, value } of world.store.scan('')) {
    names.push(key)
    t.equal(value[0], 1, 'the first byte is the format version')
    for (const secret of [d, x, kid]) {
      t.notOk(Buffer.from(value).includes(secret))
      t.notOk(Buffer.from(value).includes(Buffer.from(secret, 'base64url')))
    }
  }
  t.strictSame(names.sort(), ['keys/sessions/1', 'keys/sessions/2'])
})

t.test('a new key verifies everywhere before it signs anywhere', async (t) => {
  const world = createWorld(t)
  const [here, there] = [await world.open(), await world.open()]
  const [first] = kidsOf(here)

  const generation = await here.rotate()
  t.match(generation, { number: 2, algorithm: 'ES256', createdAt: NOW, signsFrom: NOW + 10_000 })
  t.ok(Object.isFrozen(generation))
  t.strictSame(kidsOf(here), [first, generation.kid])
  t.equal(here.signing().kid, first)
  t.equal(there.get(generation.kid), undefined)

  const before = there.list()[0]
  await look(world, there)
  t.strictSame(kidsOf(there), kidsOf(here))
  t.equal(there.list()[0], before, 'a key that did not change stays the same object')

  world.time = NOW + 9999
  t.equal(here.signing().kid, first)
  world.time = NOW + 10_000
  t.equal(here.signing().kid, generation.kid)
  t.equal(there.signing().kid, generation.kid)
  t.ok(there.get(String(first)), 'the old key verifies until it is removed')

  const urgent = await here.rotate({ signsIn: 0 })
  t.equal(here.signing().kid, urgent.kid, 'at once, for who asks for it')
  t.equal((await here.rotate({ signsIn: 30 * 24 * 3600 * 1000 })).number, 4)
})

t.test('rotations at the same time make one key, and all learn which', async (t) => {
  const world = createWorld(t)
  const rings = [await world.open(), await world.open(), await world.open()]
  const generations = await Promise.all(rings.map((ring, index) => ring.rotate({ signsIn: index })))
  t.strictSame(generations.map(({ number }) => number), [2, 2, 2])
  t.equal(new Set(generations.map(({ kid }) => kid)).size, 1)
  t.equal(new Set(generations.map(({ signsFrom }) => signsFrom)).size, 1)
  for (const ring of rings) t.strictSame(kidsOf(ring), kidsOf(await world.open()), 'nothing is lost')

  const twice = await Promise.all([rings[0]?.rotate(), rings[0]?.rotate()])
  t.strictSame(twice.map((generation) => generation?.number), [3, 4], 'in one process one comes after the other')
})

t.test('a rotation that loses to a record it cannot read takes the next number', async (t) => {
  const world = createWorld(t)
  await world.open()
  const foreign = await seal(2, {}, { key: OTHER_KEY })
  const store = withMethods(world.store, {
    add: async (key, value, options) => {
      if (key === 'keys/sessions/2') await world.store.add(key, foreign)
      return await world.store.add(key, value, options)
    }
  })
  const errors: unknown[] = []
  const ring = await world.open({ store, onError: (error) => errors.push(error) })
  t.equal((await ring.rotate()).number, 3)
  t.equal(ring.list().length, 2)
  t.match(errors, [{ code: 'FDT_SEALED_KEY' }], 'and the host is told')
})

t.test('removing', async (t) => {
  const world = createWorld(t)
  const [here, there] = [await world.open(), await world.open()]
  const [first = ''] = kidsOf(here)

  await t.rejects(here.remove(first), { code: 'FDT_KEY_IN_USE' })
  for (const kid of ['unknown', '', '__proto__', 'constructor']) await t.rejects(here.remove(kid), { code: 'FDT_UNKNOWN_KEY' }, kid)

  const second = await there.rotate()
  await t.rejects(there.remove(first), { code: 'FDT_KEY_IN_USE' }, 'as long as the next one does not sign')
  world.time += 10_000
  await here.remove(first)
  t.equal(here.get(first), undefined, 'at once here')
  t.ok(there.get(first))
  await look(world, there)
  t.equal(there.get(first), undefined, 'at the next look there')
  t.strictSame(kidsOf(there), [second.kid])
  await t.rejects(there.remove(first), { code: 'FDT_UNKNOWN_KEY' })

  const third = await there.rotate()
  t.equal(third.number, 3, 'its number is never given again')
  await here.remove(third.kid)
  t.strictSame(kidsOf(here), [second.kid], 'a key that does not sign yet can go, also one that this process had not seen')

  const again = await world.open()
  t.strictSame(kidsOf(again), [second.kid])
  t.equal((await again.rotate()).number, 4)

  const record = await world.store.get('keys/sessions/1') ?? Uint8Array.of()
  const opened = JSON.parse(Buffer.from(createSealer([ENCRYPTION_KEY]).open('keys/sessions/1', record) ?? []).toString())
  t.strictSame(Object.keys(opened).sort(), ['number', 'removedAt', 'state'], 'nothing of the key is left')
})

t.test('many removed keys', async (t) => {
  const world = createWorld(t)
  const ring = await world.open()
  for (let round = 0; round < 30; round++) {
    const old = ring.signing().kid
    await ring.rotate({ signsIn: 0 })
    await ring.remove(old)
  }
  t.equal(ring.list().length, 1)
  t.strictSame(kidsOf(await world.open()), kidsOf(ring))
})

t.test('a removal that meets another one', async (t) => {
  const world = createWorld(t)
  const [here, there] = [await world.open(), await world.open()]
  const [first = ''] = kidsOf(here)
  await here.rotate({ signsIn: 0 })
  await look(world, there)
  await Promise.all([here.remove(first), there.remove(first)])
  t.equal(here.get(first), undefined)
  t.equal(there.get(first), undefined)
})

t.test('a removal is not undone by a look that began before it', async (t) => {
  const world = createWorld(t)
  const held: Array<Promise<void>> = []
  const store = withMethods(world.store, {
    get: async (key) => {
      const value = await world.store.get(key)
      await held.pop()
      return value
    }
  })
  const ring = await world.open({ store })
  const [first = ''] = kidsOf(ring)
  await ring.rotate({ signsIn: 0 })

  let release = (): void => {}
  held.push(new Promise((resolve) => { release = resolve }))
  world.time += 1000
  const refreshed = ring.refresh()
  // Long enough for the look to have read the key, and for a removal that does not wait for it to be over.
  await delay(20)
  const removed = ring.remove(first)
  await delay(20)
  release()
  await Promise.all([refreshed, removed])
  t.equal(ring.get(first), undefined)
})

t.test('what does not open is neither used nor published', async (t) => {
  const weak: JsonWebKey = { kty: 'oct', k: Buffer.alloc(32).toString('base64url') }
  const good = await seal(2, {})
  const records: Array<{ name: string, bytes: Uint8Array }> = [
    { name: 'sealed with another key', bytes: await seal(2, {}, { key: OTHER_KEY }) },
    { name: 'sealed with another key of the id', bytes: await seal(2, {}, { key: { ...OTHER_KEY, id: 'one' } }) },
    { name: 'moved from another number', bytes: await seal(3, {}) },
    { name: 'moved from another ring', bytes: await seal(2, {}, { place: 'keys/access/2' }) },
    { name: 'another number inside', bytes: await seal(2, { number: 3 }) },
    { name: 'no seal', bytes: Buffer.from('\x01{"number":2}') },
    { name: 'altered', bytes: Uint8Array.from(good, (byte, index) => index === good.length - 1 ? byte ^ 1 : byte) },
    { name: 'cut', bytes: good.subarray(0, 20) },
    { name: 'a state nobody knows', bytes: await seal(2, { state: 'paused' }) },
    { name: 'no key', bytes: await seal(2, { jwk: null }) },
    { name: 'a public key', bytes: await seal(2, { jwk: publicHalf(await generateKey('ES256')) }) },
    { name: 'a weak key', bytes: await seal(2, { jwk: weak, algorithm: 'HS256' }) },
    { name: 'a secret among key pairs', bytes: await seal(2, { jwk: await generateKey('HS256'), algorithm: 'HS256' }) },
    { name: 'another algorithm', bytes: await seal(2, { algorithm: 'RS256' }) },
    { name: 'an algorithm nobody knows', bytes: await seal(2, { algorithm: 'none' }) },
    { name: 'no time', bytes: await seal(2, { signsFrom: null }) },
    { name: 'a time that is text', bytes: await seal(2, { createdAt: '0' }) }
  ]
  for (const { name, bytes } of records) {
    const world = createWorld(t)
    const errors: unknown[] = []
    const ring = await world.open({ onError: (error) => errors.push(error) })
    const [first] = kidsOf(ring)
    await world.store.set('keys/sessions/2', bytes)
    await look(world, ring)
    await look(world, ring)
    t.strictSame(kidsOf(ring), [first], name)
    t.equal(publicJwks(ring).keys.length, 1)
    t.match(errors, [{ code: 'FDT_SEALED_KEY' }], `${name}: told once`)
    t.strictSame(kidsOf(await world.open()), [first], `${name}: to who starts, too`)
    t.equal((await ring.rotate()).number, 3, `${name}: its number stays taken`)

    const alone = createWorld(t)
    await alone.store.set('keys/sessions/1', bytes)
    await t.rejects(alone.open(), { code: 'FDT_SEALED_KEY' }, `${name}: alone, it stops the start`)
    const left = await alone.store.get('keys/sessions/1')
    t.ok(bytes.every((byte, index) => left?.[index] === byte), 'and is not written over')
    t.equal(await alone.store.get('keys/sessions/2'), undefined)
  }
})

function publicHalf ({ d, ...members }: JsonWebKey): JsonWebKey {
  return members
}

t.test('a ring of secrets takes no key pair', async (t) => {
  const world = createWorld(t)
  await world.open()
  await t.rejects(world.open({ algorithm: 'HS256' }), { code: 'FDT_SEALED_KEY' })
})

t.test('another algorithm from now on', async (t) => {
  const world = createWorld(t)
  const before = await world.open()
  const ring = await world.open({ algorithm: 'EdDSA' })
  t.strictSame(kidsOf(ring), kidsOf(before))
  await ring.rotate({ signsIn: 0 })
  t.equal(ring.signing().algorithm, 'EdDSA')
  t.strictSame(ring.list().map(({ algorithm }) => algorithm), ['ES256', 'EdDSA'])
})

t.test('replacing the key encryption key', async (t) => {
  const world = createWorld(t)
  const first = await world.open()
  await t.rejects(world.open({ keyEncryptionKeys: [OTHER_KEY] }), { code: 'FDT_SEALED_KEY' })

  const ring = await world.open({ keyEncryptionKeys: [OTHER_KEY, ENCRYPTION_KEY] })
  t.strictSame(kidsOf(ring), kidsOf(first))
  await ring.rotate({ signsIn: 0 })
  await ring.remove(kidsOf(first)[0] ?? '')
  t.strictSame(kidsOf(await world.open({ keyEncryptionKeys: [OTHER_KEY] })), kidsOf(ring), 'the old one is needed no more')
})

t.test('a ring of which every key was removed begins anew', async (t) => {
  const world = createWorld(t)
  await world.store.set('keys/sessions/1', await seal(1, { state: 'removed' }))
  const ring = await world.open()
  t.equal(ring.list().length, 1)
  t.ok(await world.store.get('keys/sessions/2'))

  await world.store.set('keys/sessions/2', await seal(2, { state: 'removed' }))
  await look(world, ring)
  t.throws(() => ring.signing(), { code: 'FDT_NO_SIGNING_KEY' })
})

t.test('a clock behind the one that made the key', async (t) => {
  const world = createWorld(t)
  const ring = await world.open()
  const second = await ring.rotate()
  const third = await ring.rotate()
  world.time = NOW - 3_600_000
  const behind = await world.open()
  t.equal(behind.signing().kid, kidsOf(ring)[0], 'the oldest one signs')
  world.time = NOW + 10_000
  t.equal(behind.signing().kid, third.kid, 'the newest one, when its time has come')
  t.not(second.kid, third.kid)
})

t.test('a store out of reach', async (t) => {
  const world = createWorld(t)
  let isOut = false
  const failing = async (): Promise<never> => { throw new StoreUnavailableError() }
  const store = new Proxy(world.store, {
    get: (target, name) => isOut ? failing : Reflect.get(target, name).bind(target)
  })
  const errors: unknown[] = []
  const ring = await world.open({ store, onError: (error) => errors.push(error) })
  const [first = ''] = kidsOf(ring)

  isOut = true
  await look(world, ring)
  await look(world, ring)
  t.strictSame(kidsOf(ring), [first], 'leaves the ring as it is')
  t.equal(ring.signing().kid, first)
  t.match(errors, [{ code: 'FDT_STORE_UNAVAILABLE' }], 'and is told once')
  await t.rejects(ring.rotate(), { code: 'FDT_STORE_UNAVAILABLE', statusCode: 503 })
  await t.rejects(ring.remove(first), { code: 'FDT_STORE_UNAVAILABLE' })
  await t.rejects(world.open({ store }), { code: 'FDT_STORE_UNAVAILABLE' })

  isOut = false
  await (await world.open()).rotate()
  await look(world, ring)
  t.equal(ring.list().length, 2, 'and afterwards it goes on')
  isOut = true
  await look(world, ring)
  t.equal(errors.length, 2, 'the next outage is told again')
})

t.test('writes wait for the disk', async (t) => {
  const world = createWorld(t)
  const options: unknown[] = []
  const store = withMethods(world.store, {
    add: (key, value, given) => { options.push(given); return world.store.add(key, value, given) },
    replace: (key, expected, value, given) => { options.push(given); return world.store.replace(key, expected, value, given) }
  })
  const ring = await world.open({ store })
  const [first = ''] = kidsOf(ring)
  await ring.rotate({ signsIn: 0 })
  await ring.remove(first)
  t.strictSame(options, [{ durable: true }, { durable: true }, { durable: true }])

  const second = ring.signing().kid
  await ring.rotate({ signsIn: 0 })
  await world.store.delete('keys/sessions/2')
  options.length = 0
  await ring.remove(second)
  t.strictSame(options, [{ durable: true }, { durable: true }], 'a tombstone for a record that is gone, too')
})

t.test('a store that has lost data', async (t) => {
  const world = createWorld(t)
  const ring = await world.open()
  const [first = ''] = kidsOf(ring)
  const second = await ring.rotate({ signsIn: 0 })

  await world.store.delete('keys/sessions/2')
  await look(world, ring)
  t.strictSame(kidsOf(ring), [first], 'what another process could not know is let go')

  await world.store.delete('keys/sessions/1')
  await look(world, ring)
  t.strictSame(kidsOf(ring), [first], 'while nobody has begun anew, the ring goes on')

  const other = await world.open()
  await look(world, ring)
  t.strictSame(kidsOf(ring), kidsOf(other), 'then all agree again')
  t.not(kidsOf(other)[0], first)
  t.equal(ring.get(second.kid), undefined)

  const third = await ring.rotate()
  t.equal(third.number, 2)
  await world.store.delete('keys/sessions/1')
  await world.store.delete('keys/sessions/2')
  await ring.remove(third.kid)
  t.equal(ring.get(third.kid), undefined, 'a key whose record is gone can be removed')
  t.ok(await world.store.get('keys/sessions/2'), 'and a record says so')
})

t.test('refresh looks at most once per second', async (t) => {
  const world = createWorld(t)
  let looks = 0
  const store = withMethods(world.store, { get: (key) => { looks += key === 'keys/sessions/1' ? 1 : 0; return world.store.get(key) } })
  const ring = await world.open({ store })
  const atStart = looks
  await Promise.all(Array.from({ length: 20 }, () => ring.refresh()))
  await ring.refresh()
  t.equal(looks - atStart, 1, 'callers at the same time share one look')
  await look(world, ring)
  t.equal(looks - atStart, 2)
  await ring.close()
  await look(world, ring)
  t.equal(looks - atStart, 2, 'a closed ring does not look')
})

t.test('it looks by itself', async (t) => {
  const world = createWorld(t)
  const [here, there] = [await world.open(), await world.open({ pollInterval: 10 })]
  const [first = ''] = kidsOf(here)
  const second = await here.rotate({ signsIn: 0 })
  while (there.get(second.kid) === undefined) await delay(10)
  await here.remove(first)
  while (there.get(first) !== undefined) await delay(10)
  t.strictSame(kidsOf(there), [second.kid])
})

t.test('options', async (t) => {
  const world = createWorld(t)
  const refused: object[] = [
    ...[undefined, null, {}].map((store) => ({ store })),
    ...[undefined, null, '', 'a/b', 'a b', 'n'.repeat(65), 1].map((name) => ({ name })),
    ...['none', 'RS512', '', null].map((algorithm) => ({ algorithm })),
    ...[undefined, null, [], [{}], [{ id: 'a', key: Buffer.alloc(31) }], [ENCRYPTION_KEY, ENCRYPTION_KEY]].map((keyEncryptionKeys) => ({ keyEncryptionKeys })),
    ...[0, -1, 1001, 1.5, NaN, Infinity, '1000', null].map((pollInterval) => ({ pollInterval }))
  ]
  for (const options of refused) await t.rejects(world.open(options as Partial<StoredKeyRingOptions>), { code: 'FDT_INVALID_OPTION' }, JSON.stringify(options))
  t.equal(await world.store.get('keys/sessions/1'), undefined)

  const ring = await world.open()
  for (const signsIn of [-1, NaN, Infinity, 1.5, 30 * 24 * 3600 * 1000 + 1, '0', null]) {
    await t.rejects(ring.rotate({ signsIn } as { signsIn: number }), { code: 'FDT_INVALID_OPTION' }, String(signsIn))
  }
  const plain = await openStoredKeyRing({ store: createMemoryStore(), name: 'sessions', keyEncryptionKeys: [ENCRYPTION_KEY] })
  t.equal(plain.signing().algorithm, 'ES256')
  t.ok(Math.abs((await plain.rotate()).createdAt - Date.now()) < 60_000)
  await plain.close()
})
