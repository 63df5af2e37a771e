import { randomBytes } from 'node:crypto'
import t from 'tap'
import { createMemoryStore } from '../../../../lib/stores/memory.ts'
import { resolvePeppers, tokenKeys } from '../../../../lib/tokens/opaque/pepper.ts'
import { openRecord, readHeader, type RecordHeader, sealRecord } from '../../../../lib/tokens/opaque/record.ts'
import { wrongToken } from '../../../../lib/tokens/opaque/tokens.ts'
import { createOpaqueTokens } from '../../../../plugins/opaque-tokens/index.ts'

const NOW = 1_800_000_000_000
const [PEPPER, OTHER] = [{ id: 'a', key: randomBytes(32) }, { id: 'b', key: randomBytes(32) }]
const PLACE = 'opaque/default/x'
const HEADER: RecordHeader = { pepperId: 'a', credential: 'key-1', auth: 'acme', issuedAt: NOW, expiresAt: NOW / 1000 + 60, maxUses: 3 }
const TEXT = '{"auth":"acme","a":"secret"}'

const keysOf = (token: string, { pepper = PEPPER, instance = 'default' } = {}) => tokenKeys(resolvePeppers(pepper)[0], instance, Buffer.from(token.slice(11, -6), 'base64url'))
const KEYS = keysOf('x'.repeat(60))

/** Bytes of the header of a record. */
const lengthOf = ({ pepperId, credential = '', auth }: RecordHeader) => 1 + [pepperId, credential, auth].reduce((length, text) => length + 2 + Buffer.byteLength(text), 0) + 16

t.test('what is sealed opens', async (t) => {
  const headers: RecordHeader[] = [
    HEADER,
    { pepperId: 'a', auth: 'x', issuedAt: 0, expiresAt: 1 },
    { ...HEADER, credential: '語'.repeat(512), auth: '😀'.repeat(256), maxUses: 4_294_967_295 },
    { ...HEADER, issuedAt: 2 ** 48 - 1, expiresAt: 2 ** 48 - 1, maxUses: 1 },
    { ...HEADER, auth: '\0', credential: '\u0001' }
  ]
  for (const header of headers) {
    for (const text of [TEXT, '', 'ä😀', 'x'.repeat(1024 * 1024)]) {
      const sealed = sealRecord(header, text, KEYS, PLACE)
      t.strictSame(openRecord(sealed, KEYS, PLACE), { header, text })
      t.strictSame(readHeader(sealed), header)
      t.equal(sealed[0], 1, 'the first byte is the format version')
      t.equal(sealed.length, lengthOf(header) + 12 + Buffer.byteLength(text) + 16, 'and nothing else is in there')
    }
  }
  t.not(Buffer.compare(sealRecord(HEADER, TEXT, KEYS, PLACE), sealRecord(HEADER, TEXT, KEYS, PLACE)), 0, 'never the same twice')
  t.notOk(Buffer.from(sealRecord(HEADER, TEXT, KEYS, PLACE)).includes('secret'))
  t.equal(readHeader(sealRecord({ ...HEADER, issuedAt: NOW + 0.75 }, TEXT, KEYS, PLACE)).issuedAt, NOW, 'a clock may tell parts of milliseconds')
})

t.test('what is no record', async (t) => {
  const sealed = sealRecord(HEADER, TEXT, KEYS, PLACE)
  const header = sealed.subarray(0, lengthOf(HEADER))
  t.strictSame(readHeader(header), HEADER)
  for (let length = 1; length < header.length; length++) t.throws(() => readHeader(header.subarray(0, length)), { code: 'FDT_INVALID_VALUE', statusCode: 500 })
  for (const value of [Buffer.of(0), Buffer.of(0, ...header.subarray(1)), Buffer.of(1), Buffer.of(1, 255, 255), Buffer.from('\x01{"a":1}')]) t.throws(() => readHeader(value), { code: 'FDT_INVALID_VALUE', statusCode: 500 })
  for (const value of [Buffer.of(), Buffer.of(2), Buffer.of(2, ...header.subarray(1)), Buffer.from('{"a":1}')]) t.throws(() => readHeader(value), { code: 'FDT_UNSUPPORTED_FORMAT', statusCode: 500 }, 'a later release may have written it')
})

t.test('keys are derived from all of it', async (t) => {
  const bytes = Buffer.alloc(32, 7)
  const [pepper, other] = [resolvePeppers(PEPPER)[0], resolvePeppers({ id: 'a', key: OTHER.key })[0]]
  const all = [tokenKeys(pepper, 'a', bytes), tokenKeys(other, 'a', bytes), tokenKeys(pepper, 'b', bytes), tokenKeys(pepper, 'a', Buffer.alloc(32, 8)), tokenKeys(pepper, 'a', Buffer.alloc(16, 7))]
  const exported = all.map(({ sealingKey }) => sealingKey.export().toString('base64url'))
  t.equal(new Set([...all.map(({ accessor }) => accessor), ...exported]).size, 10, 'neither half is like another')
  for (const { accessor } of all) t.match(accessor, /^[\w-]{43}$/)
  for (const { sealingKey } of all) t.equal(sealingKey.symmetricKeySize, 32)
  // Once tokens are out there, nothing of this may change.
  const known = tokenKeys(resolvePeppers({ id: 'a', key: Buffer.from('-FxWRwYYdjtUD70WSBSECeAwuBfLdaWQFLhmGLCTT4w', 'base64url') })[0], 'default', Buffer.alloc(32, 1))
  t.equal(known.accessor, 'efmf6NlRVxJR1bAMncCclkXBKZJr4sy442hjNvnuNC4')
  t.equal(known.sealingKey.export().toString('base64url'), 'Xw2jZ0o1JfH8Es1IS1n5UTCmAkmpwhQkHCNO_hxVepg')
})

t.test('who writes to the store without the pepper cannot make a record that opens', async (t) => {
  const store = createMemoryStore({ now: () => NOW })
  const tokens = createOpaqueTokens({ store, pepper: [PEPPER, OTHER], now: () => NOW })
  const issue = () => tokens.issue({ json: '{"a":"secret"}', credential: { id: 'key-1', owner: 'acme' }, expiresIn: 60, maxUses: 3 })
  const [{ token, accessor }, another] = [await issue(), await issue()]
  const place = `opaque/default/${accessor}`
  const [good, foreign] = [Buffer.from(await store.get(place) ?? []), Buffer.from(await store.get(`opaque/default/${another.accessor}`) ?? [])]
  t.strictSame(readHeader(good), HEADER)
  t.equal(tokens.settings.name, 'default')
  const body = good.subarray(lengthOf(HEADER))

  // Whoever has the token and the store, but not the pepper, can make keys of other peppers alone.
  const attackers = [keysOf(token, { pepper: { id: 'a', key: randomBytes(32) } }), keysOf(token, { instance: 'other' }), keysOf(another.token), { sealingKey: keysOf(token, { pepper: OTHER }).sealingKey }]
  const otherHeaders: RecordHeader[] = [
    { ...HEADER, expiresAt: HEADER.expiresAt + 1 }, { ...HEADER, expiresAt: HEADER.expiresAt - 1 }, { ...HEADER, issuedAt: NOW + 1 }, { ...HEADER, issuedAt: 0 }, { ...HEADER, maxUses: 4 }, { ...HEADER, maxUses: 0 }, { ...HEADER, auth: 'evil' }, { ...HEADER, auth: 'acmf' },
    { ...HEADER, credential: 'key-2' }, { ...HEADER, credential: '' }, { ...HEADER, pepperId: 'b' }, { ...HEADER, pepperId: 'c' }, { ...HEADER, pepperId: '' }, { ...HEADER, credential: 'key-', auth: '1acme' }, { ...HEADER, credential: 'acme', auth: 'key-1' }
  ]
  const headOf = (header: RecordHeader) => sealRecord(header, TEXT, KEYS, place).subarray(0, lengthOf(header))
  const forged: Array<[string, Uint8Array]> = [
    ['of another token', foreign],
    ['of another token, under the own header', Buffer.concat([good.subarray(0, lengthOf(HEADER)), foreign.subarray(lengthOf(HEADER))])],
    ...attackers.flatMap((keys, index) => [HEADER, ...otherHeaders].map((header): [string, Uint8Array] => [`sealed by attacker ${index}: ${JSON.stringify(header)}`, sealRecord(header, TEXT, keys, place)])),
    ...otherHeaders.map((header): [string, Uint8Array] => [`changed: ${JSON.stringify(header)}`, Buffer.concat([headOf(header), body])]),
    ...Array.from({ length: good.length - 1 }, (_, index): [string, Uint8Array] => [`${index + 1} bytes of it`, good.subarray(0, index + 1)]),
    ...Array.from({ length: good.length }, (_, index): [string, Uint8Array] => [`without byte ${index}`, Buffer.concat([good.subarray(0, index), good.subarray(index + 1)])]).slice(1),
    ...Array.from({ length: good.length * 8 }, (_, bit): [string, Uint8Array] => [`bit ${bit} flipped`, good.map((byte, index) => index === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte)]).filter(([, { 0: version = 0 }]) => version <= 1),
    ['longer', Buffer.concat([good, Buffer.of(0)])], ['twice', Buffer.concat([good, good])], ['no tag', good.subarray(0, -16)], ['nothing but a version', Buffer.of(1)], ['JSON', Buffer.from('\x01{"auth":"acme"}')], ['zeros', Buffer.alloc(good.length)]
  ]
  for (const [name, record] of forged) {
    await store.set(place, record)
    const error = await tokens.verify(token).catch((error: unknown) => error)
    if (wrongToken(error)?.reason !== 'altered') t.equal(error, 'refused as altered', name)
  }
  t.ok(forged.length > 9 * good.length)

  await store.set(place, good)
  t.equal((await tokens.verify(token)).json, '{"auth":"acme","a":"secret"}')
  await store.set(place, Buffer.of(2, ...good.subarray(1)))
  await t.rejects(tokens.verify(token), { code: 'FDT_UNSUPPORTED_FORMAT', statusCode: 500 }, 'what a later release wrote is not called wrong')
})

t.test('a record opens in its place alone', async (t) => {
  const sealed = sealRecord(HEADER, TEXT, KEYS, PLACE)
  for (const place of ['', 'opaque/default/y', 'opaque/other/x', 'opaque/default/', `${PLACE}/`, 'uses/default/x']) t.equal(openRecord(sealed, KEYS, place), undefined)
  t.equal(openRecord(sealed, { ...KEYS, pepperId: 'b' }, PLACE), undefined, 'nor under another id')

  const store = createMemoryStore({ now: () => NOW })
  const tokensOf = (name: string) => createOpaqueTokens({ store, pepper: PEPPER, name, now: () => NOW })
  const [a, b] = [tokensOf('a'), tokensOf('b')]
  const { token } = await a.issue({ json: '{"a":1}', auth: 'acme' })
  const atOther = keysOf(token, { instance: 'b' }).accessor
  await store.set(`opaque/b/${atOther}`, await store.get(`opaque/a/${keysOf(token, { instance: 'a' }).accessor}`) ?? Buffer.of(1))
  t.equal(wrongToken(await b.verify(token).catch((error: unknown) => error))?.reason, 'altered', 'moved to another instance')
})
