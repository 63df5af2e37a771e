import t from 'tap'
import { decodeRecord, encodeRecord } from '../../../lib/stores/record.ts'
import { STORE_FORMAT } from '../../../lib/stores/token-store.ts'

t.test('what is written is read back', async (t) => {
  const record = { id: 'a', list: ['ü', '\u0000', '😀'], nested: { deep: [1, null, true] } }
  t.strictSame(decodeRecord(encodeRecord(record)), record)
})

t.test('the format version comes first, then JSON', async (t) => {
  t.strictSame(Buffer.from(encodeRecord({ a: 1, b: undefined })), Buffer.concat([Buffer.of(STORE_FORMAT), Buffer.from('{"a":1}')]))
})

t.test('a member __proto__ stays a member (T28)', async (t) => {
  const record = decodeRecord(Buffer.from('\u0001{"__proto__":{"polluted":true}}'))
  t.equal(Object.hasOwn(record, '__proto__'), true)
  t.equal(record['polluted'], undefined)
  t.equal(Buffer.from(encodeRecord({ ...record })).toString(), '\u0001{"__proto__":{"polluted":true}}')
})

t.test('refuses what is no record', async (t) => {
  const refused = [
    { name: 'nothing', bytes: Buffer.alloc(0), code: 'FDT_UNSUPPORTED_FORMAT' },
    { name: 'a later release', bytes: Buffer.from('\u0002{}'), code: 'FDT_UNSUPPORTED_FORMAT' },
    { name: 'version 0', bytes: Buffer.from('\u0000{}'), code: 'FDT_INVALID_VALUE' },
    { name: 'no JSON', bytes: Buffer.from('\u0001'), code: 'FDT_INVALID_VALUE' },
    { name: 'broken JSON', bytes: Buffer.from('\u0001{"secret":"hush'), code: 'FDT_INVALID_VALUE' },
    { name: 'a byte order mark', bytes: Buffer.from('\u0001\ufeff{}'), code: 'FDT_INVALID_VALUE' },
    { name: 'invalid UTF-8', bytes: Buffer.concat([Buffer.from('\u0001{"a":"'), Buffer.of(0xff), Buffer.from('"}')]), code: 'FDT_INVALID_VALUE' },
    { name: 'null', bytes: Buffer.from('\u0001null'), code: 'FDT_INVALID_VALUE' },
    { name: 'a list', bytes: Buffer.from('\u0001[]'), code: 'FDT_INVALID_VALUE' },
    { name: 'a number', bytes: Buffer.from('\u00011'), code: 'FDT_INVALID_VALUE' }
  ]
  for (const { name, bytes, code } of refused) {
    t.test(name, async (t) => {
      try {
        decodeRecord(bytes)
        t.fail('was read')
      } catch (error) {
        t.match(error, { code, statusCode: 500 })
        t.notMatch(String(error), /hush/, 'the message holds nothing of the value')
      }
    })
  }
})
