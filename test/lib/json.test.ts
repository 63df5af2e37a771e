import t from 'tap'
import { parseJson } from '../../lib/json.ts'

const parse = (text: string) => parseJson(Buffer.from(text))

t.test('reads what JSON.parse reads', async (t) => {
  const texts = [
    '{}', '[]', 'null', 'true', '0', '-1.5e3', '""', '"a"', ' \t\r\n{ "a" : [ 1 , "b" , { } ] }\n', '{"a":{"b":1},"c":{"b":2}}', '[{"a":1},{"a":2}]',
    '{"a":"\\"","b":"\\\\","c":"\\u0041"}', '{"":1}', '{"a:b":"c:d"}', '["a:", ":", "{", "}"]', '{"constructor":1,"toString":2}', '"\\ud83d\\ude00"', '{"ü😀":"ü😀"}', '{"a":"a","b":"a"}'
  ]
  for (const text of texts) t.strictSame(parse(text), JSON.parse(text), text)
})

t.test('32 levels, and no more', async (t) => {
  const nested = (depth: number) => `${'[{"a":'.repeat(depth / 2)}1${'}]'.repeat(depth / 2)}`
  t.doesNotThrow(() => parse(nested(32)))
  t.throws(() => parse(nested(34)), { code: 'FDT_INVALID_JSON' })
  t.doesNotThrow(() => parse(`[${Array.from({ length: 1000 }, () => '[]').join()}]`), 'many side by side are not deep')
})

t.test('refuses, and says nothing of the text', async (t) => {
  const texts: Array<[string, Buffer | string]> = [
    ['nothing', ''],
    ['white space', ' '],
    ['half', '{"secret":'],
    ['two', '{}{}'],
    ['a comment', '{}//secret'],
    ['single quotes', "{'secret':1}"],
    ['NaN', 'NaN'],
    ['a byte order mark', Buffer.from('efbbbf7b7d', 'hex')],
    ['UTF-16', Buffer.from('{}', 'utf16le')],
    ['an overlong encoding', Buffer.from('22c0af22', 'hex')],
    ['an encoded surrogate', Buffer.from('22eda08022', 'hex')],
    ['twice', '{"secret":1,"secret":1}'],
    ['twice, spelled otherwise', '{"secret":1,"\\u0073ecret":1}'],
    ['twice, within a list', '[[{"secret":1,"b":[{}],"secret":2}]]'],
    ['__proto__', '{"__proto__":1}'],
    ['__proto__, spelled otherwise', '{"\\u005f_proto__":1}'],
    ['half a pair as value', '["\\udc00"]'],
    ['half a pair as name', '{"\\ud800":1}']
  ]
  for (const [name, text] of texts) {
    try {
      parseJson(Buffer.from(text as string))
      t.fail(name)
    } catch (error) {
      t.match(error, { code: 'FDT_INVALID_JSON', statusCode: 400 }, name)
      t.notMatch(String(error), /secret/)
    }
  }
})

t.test('a megabyte of brackets, quotes or members is refused or read in time that grows with it', async (t) => {
  t.throws(() => parse('['.repeat(1_000_000)), { code: 'FDT_INVALID_JSON' })
  t.throws(() => parse('{"a":'.repeat(200_000)), { code: 'FDT_INVALID_JSON' })
  t.doesNotThrow(() => parse(`{${Array.from({ length: 50_000 }, (_, index) => `"${index}":"\\n"`).join()}}`))
})
