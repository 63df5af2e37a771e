import { generateKeyPairSync, randomBytes } from 'node:crypto'
import t from 'tap'
import { createKeyRing, generateKey } from '../../../lib/keys/index.ts'
import { UnknownKeyError } from '../../../lib/errors.ts'

const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const ed = generateKeyPairSync('ed25519')
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })

t.test('one key signs, all verify until they are removed', async (t) => {
  const ring = createKeyRing([{ key: rsa.publicKey, algorithm: 'RS256', kid: 'public' }, { key: ec.privateKey, kid: 'a' }, { key: ed.privateKey, kid: 'b' }])
  t.equal(ring.signing().kid, 'a', 'the first one that can')
  t.strictSame(ring.list().map(({ kid }) => kid), ['public', 'a', 'b'])
  for (const key of ring.list()) t.equal(ring.get(key.kid), key)

  const before = ring.list()
  t.ok(Object.isFrozen(before))
  t.equal(ring.list(), before, 'the same list until the ring changes')

  const added = ring.add({ key: randomBytes(32), kid: 'c' })
  t.equal(ring.get('c'), added)
  t.equal(ring.signing().kid, 'a', 'a key that is added only verifies')
  t.equal(before.length, 3)

  ring.promote('b')
  t.equal(ring.signing().kid, 'b')
  ring.add({ key: await generateKey('ES256'), kid: 'd' }, { sign: true })
  t.equal(ring.signing().kid, 'd')
  t.equal(ring.add({ key: await generateKey('ES256'), kid: 'e' }, { sign: false }).kid, 'e')

  for (const kid of ['a', 'b', 'c', 'public']) {
    ring.remove(kid)
    t.equal(ring.get(kid), undefined)
    t.throws(() => ring.remove(kid), { code: 'FDT_UNKNOWN_KEY' })
  }
  t.throws(() => ring.remove('d'), { code: 'FDT_KEY_IN_USE' })
  t.strictSame(ring.list().map(({ kid }) => kid), ['d', 'e'])

  await ring.refresh()
  await ring.close()
  t.equal(ring.signing().kid, 'd')
})

t.test('public halves only: nothing signs', async (t) => {
  const ring = createKeyRing([{ key: ec.publicKey, kid: 'a' }])
  t.throws(() => ring.signing(), { code: 'FDT_NO_SIGNING_KEY' })
  t.throws(() => { ring.promote('a') }, { code: 'FDT_UNUSABLE_KEY' })
  t.throws(() => ring.add({ key: ed.publicKey }, { sign: true }), { code: 'FDT_UNUSABLE_KEY' })
  t.equal(ring.list().length, 1, 'and it was not added')
  t.throws(() => { ring.promote('b') }, UnknownKeyError)
  ring.add({ key: ed.privateKey, kid: 'b' })
  t.throws(() => ring.signing(), { code: 'FDT_NO_SIGNING_KEY' }, 'not without being told')
  ring.promote('b')
  t.equal(ring.signing().kid, 'b')
})

t.test('a signer signs', async (t) => {
  const ring = createKeyRing([{ kid: 'kms', algorithm: 'ES256', publicKey: ec.publicKey, sign: async () => Uint8Array.of() }])
  t.equal(ring.signing().kid, 'kms')
})

t.test('one key has one name and one algorithm', async (t) => {
  const secret = randomBytes(32)
  const pairs = [
    { name: 'one kid', first: { key: ec.privateKey, kid: 'a' }, second: { key: ed.privateKey, kid: 'a' } },
    { name: 'one kid by default', first: { key: ec.privateKey }, second: { key: ec.publicKey } },
    { name: 'one EC key', first: { key: ec.privateKey, kid: 'a' }, second: { key: ec.publicKey, kid: 'b' } },
    { name: 'one secret', first: { key: secret, kid: 'a' }, second: { key: { kty: 'oct', k: secret.toString('base64url') }, kid: 'b' } },
    { name: 'one RSA key for two algorithms', first: { key: rsa.privateKey, kid: 'a', algorithm: 'RS256' }, second: { key: rsa.privateKey, kid: 'b', algorithm: 'PS256' } }
  ] as const
  for (const { name, first, second } of pairs) {
    t.throws(() => createKeyRing([first, second]), { code: 'FDT_UNUSABLE_KEY' }, name)
    const ring = createKeyRing([first])
    t.throws(() => ring.add(second, { sign: true }), { code: 'FDT_UNUSABLE_KEY' }, name)
    t.equal(ring.list().length, 1)
    t.equal(ring.signing(), ring.list()[0], 'and nothing has changed')
  }
})

t.test('T28: names that objects have', async (t) => {
  const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty']
  const ring = createKeyRing([{ key: ec.privateKey, kid: 'a' }])
  for (const kid of names) {
    t.equal(ring.get(kid), undefined)
    t.throws(() => { ring.remove(kid) }, { code: 'FDT_UNKNOWN_KEY' })
    const key = ring.add({ key: randomBytes(32), kid })
    t.equal(ring.get(kid), key)
    ring.remove(kid)
    t.equal(ring.get(kid), undefined)
  }
})

t.test('no keys', async (t) => {
  for (const keys of [[], undefined, null, {}, 'secret']) {
    // @ts-expect-error a ring needs a list
    t.throws(() => createKeyRing(keys), { code: 'FDT_INVALID_OPTION' })
  }
})
