import t from 'tap'
import { MAX_TTL, STORE_FORMAT, checkFormat, checkKey, checkTtl, checkValue } from '../../../lib/stores/token-store.ts'

t.test('keys', async (t) => {
  for (const key of ['a', '\0', '__proto__', 'k'.repeat(512), 'é'.repeat(256), '€'.repeat(170), '😀'.repeat(128)]) {
    t.doesNotThrow(() => checkKey(key), JSON.stringify(key.slice(0, 9)))
  }
  const bad = ['', 'k'.repeat(513), 'é'.repeat(257), '€'.repeat(171), '😀'.repeat(129), 'k'.repeat(10_000_000), '\ud800', '\udc00a', undefined, null, 1, true, {}, ['a'], Buffer.from('a'), Symbol('a')]
  for (const key of bad) {
    t.throws(() => checkKey(key as string), { code: 'FDT_INVALID_KEY', statusCode: 500, name: 'FastifyError' }, String(typeof key))
  }
})

t.test('values', async (t) => {
  for (const value of [Uint8Array.of(1), Buffer.from('a'), new Uint8Array(1_000_000)]) t.doesNotThrow(() => checkValue(value))
  for (const value of [new Uint8Array(0), Buffer.alloc(0), undefined, null, 'text', [1], { length: 1 }, new ArrayBuffer(1), new Uint16Array(1)]) {
    t.throws(() => checkValue(value as Uint8Array), { code: 'FDT_INVALID_VALUE', statusCode: 500 })
  }
})

t.test('times to live', async (t) => {
  for (const ttl of [undefined, 1, 0.5, 60_000, MAX_TTL]) t.doesNotThrow(() => checkTtl(ttl))
  for (const ttl of [0, -0, -1, NaN, Infinity, -Infinity, MAX_TTL + 1, '1', null, 1n, {}, true, new Date(1)]) {
    t.throws(() => checkTtl(ttl as number), { code: 'FDT_INVALID_VALUE', statusCode: 500 })
  }
  t.equal(MAX_TTL, 315_360_000_000, 'ten years')
})

t.test('format versions', async (t) => {
  for (const value of [Uint8Array.of(0), Uint8Array.of(STORE_FORMAT), Buffer.from([STORE_FORMAT, 255])]) t.equal(checkFormat(value), value)
  for (const [value, version] of [[Uint8Array.of(STORE_FORMAT + 1, 1), '2'], [Uint8Array.of(255), '255'], [new Uint8Array(0), 'undefined']] as const) {
    t.throws(() => checkFormat(value), { code: 'FDT_UNSUPPORTED_FORMAT', statusCode: 500, message: new RegExp(`version ${version},`) })
  }
})
