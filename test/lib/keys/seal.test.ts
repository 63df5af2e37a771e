import { randomBytes } from 'node:crypto'
import t from 'tap'
import { parseNamedKey } from '../../../lib/keys/index.ts'
import { createSealer, type NamedKey } from '../../../lib/keys/seal.ts'

const OLD: NamedKey = { id: 'old', key: randomBytes(32) }
const NEW: NamedKey = { id: 'new', key: randomBytes(32) }
const PLACE = 'keys/sessions/1'
const CONTENT = Buffer.from('{"number":1}')

t.test('what is sealed for a place opens there', async (t) => {
  const sealer = createSealer([NEW, OLD])
  const sealed = sealer.seal(PLACE, CONTENT)
  t.equal(sealed[0], 1, 'the first byte is the format version')
  t.strictSame(sealer.open(PLACE, sealed), CONTENT)
  t.strictSame(sealer.open(PLACE, sealer.seal(PLACE, Buffer.of())), Buffer.of())
  t.equal(Buffer.from(sealed).includes('number'), false)
  t.not(Buffer.compare(sealed, sealer.seal(PLACE, CONTENT)), 0, 'never the same twice')

  t.strictSame(createSealer([NEW]).open(PLACE, sealed), CONTENT, 'the first key seals')
  t.strictSame(createSealer([OLD, NEW]).open(PLACE, sealed), CONTENT, 'every key opens')
  t.strictSame(sealer.open(PLACE, createSealer([OLD]).seal(PLACE, CONTENT)), CONTENT)
})

t.test('nothing else opens', async (t) => {
  const sealer = createSealer([NEW, OLD])
  const sealed = Buffer.from(sealer.seal(PLACE, CONTENT))
  const refused: Array<{ name: string, place?: string, bytes: Uint8Array }> = [
    { name: 'moved', place: 'keys/sessions/2', bytes: sealed },
    { name: 'moved to another ring', place: 'keys/access/1', bytes: sealed },
    { name: 'no place', place: '', bytes: sealed },
    { name: 'a key of another id', bytes: createSealer([{ id: 'other', key: NEW.key }]).seal(PLACE, CONTENT) },
    { name: 'another key of the id', bytes: createSealer([{ id: 'new', key: OLD.key }]).seal(PLACE, CONTENT) },
    { name: 'nothing', bytes: Buffer.of() },
    { name: 'no seal', bytes: CONTENT },
    { name: 'longer', bytes: Buffer.concat([sealed, Buffer.of(0)]) },
    ...Array.from(sealed, (_, length) => ({ name: `${length} bytes of it`, bytes: sealed.subarray(0, length) })),
    ...Array.from(sealed, (byte, index) => ({ name: `byte ${index} changed`, bytes: Buffer.from(sealed).fill(byte ^ 1, index, index + 1) }))
  ]
  for (const { name, place = PLACE, bytes } of refused) t.equal(sealer.open(place, bytes), undefined, name)
})

t.test('an id and a place cannot trade characters', async (t) => {
  const key = randomBytes(32)
  const sealed = createSealer([{ id: 'a', key }]).seal('bc', CONTENT)
  t.equal(createSealer([{ id: 'ab', key }]).open('c', sealed), undefined)
})

t.test('a caller who changes its key changes nothing', async (t) => {
  const key = Buffer.from(NEW.key)
  const sealer = createSealer([{ id: 'new', key }])
  key.fill(0)
  t.strictSame(createSealer([NEW]).open(PLACE, sealer.seal(PLACE, CONTENT)), CONTENT)
})

t.test('named keys as text', async (t) => {
  const bytes = Buffer.from(`${'\xfb\xff'.repeat(3)}0123456789-some-key-zzqx`, 'latin1').subarray(0, 32)
  const key = Buffer.concat([bytes, randomBytes(32)]).subarray(0, 32)
  for (const encoded of [key.toString('base64'), key.toString('base64').replace('=', ''), key.toString('base64url')]) {
    const parsed = parseNamedKey(`2025-11:${encoded}`)
    t.equal(parsed.id, '2025-11')
    t.strictSame(Buffer.from(parsed.key), key)
  }

  const good = key.toString('base64')
  const refused = [
    '', ':', good, `:${good}`, `a b:${good}`, `${'i'.repeat(65)}:${good}`, `é:${good}`, `a:${good} `, ` a:${good}`, `a:${good}\n`, `a:"${good}"`, `a::${good}`, 'a:', 'a:AAAA',
    `a:${randomBytes(31).toString('base64')}`, `a:${randomBytes(33).toString('base64')}`, `a:${randomBytes(16).toString('hex')}`, `a:${Buffer.alloc(32).toString('base64')}`, `a:${Buffer.alloc(32, 'ab').toString('base64')}`
  ]
  for (const text of refused) {
    t.throws(() => parseNamedKey(text), { code: 'FDT_INVALID_OPTION' }, text)
    t.throws(() => parseNamedKey(text, 'tokenPepper'), { message: /"tokenPepper"/ })
    try {
      parseNamedKey(text)
    } catch (error) {
      t.notMatch(String(error), good, 'the error does not quote it')
    }
  }
  for (const value of [undefined, null, 1]) {
    // @ts-expect-error text it must be
    t.throws(() => parseNamedKey(value), { code: 'FDT_INVALID_OPTION' })
  }
})

t.test('lists of keys that are refused', async (t) => {
  const refused: unknown[] = [undefined, null, {}, [], [undefined], [null], [{}], [{ id: 'a' }], [{ id: 'a', key: 'x'.repeat(32) }], [{ id: '', key: NEW.key }], [{ id: 1, key: NEW.key }], [{ id: 'a', key: NEW.key.subarray(1) }], [{ id: 'a', key: Buffer.alloc(32) }], [NEW, { id: 'new', key: OLD.key }], [NEW, null]]
  for (const keys of refused) t.throws(() => createSealer(keys as NamedKey[]), { code: 'FDT_INVALID_OPTION' })
})
