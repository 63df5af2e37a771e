import t from 'tap'
import { json, printable, table, time } from '../../../lib/cli/output.ts'

t.test('nothing that a terminal obeys is printed', async (t) => {
  const shown = [
    { name: 'plain text', text: 'Grüße, 你好 😀 "\\" -_', safe: 'Grüße, 你好 😀 "\\" -_' },
    { name: 'an escape sequence', text: '\u001b[31mred', safe: '\\u001b[31mred' },
    { name: 'C1 control', text: '\u009b31m', safe: '\\u009b31m' },
    { name: 'line feed, tab, DEL', text: 'a\nb\tc\u007f', safe: 'a\\u000ab\\u0009c\\u007f' },
    { name: 'text that runs backwards', text: '\u202egnp.exe', safe: '\\u202egnp.exe' },
    { name: 'line separators', text: '\u2028\u2029', safe: '\\u2028\\u2029' },
    { name: 'half a surrogate pair', text: 'a\ud800b', safe: 'a\\ud800b' },
    { name: 'an invisible tag', text: '\u{e0041}', safe: '\\udb40\\udc41' }
  ]
  for (const { name, text, safe } of shown) {
    t.equal(printable(text), safe, name)
    t.equal(JSON.parse(json(text)), text, `${name}, as JSON, means the same`)
    t.match(json(text), /^[^\p{Cc}]*\n$/u)
  }
})

t.test('a table has straight columns and safe cells', async (t) => {
  t.equal(table(['ID', 'LABEL'], [['1', 'a\nb'], ['22222', '']]), 'ID     LABEL\n1      a\\u000ab\n22222\n')
})

t.test('times are readable', async (t) => {
  t.equal(time(0), '1970-01-01T00:00:00Z')
  t.equal(time(253_402_300_799), '9999-12-31T23:59:59Z')
})
