import t from 'tap'
import { printable } from '../../lib/printable.ts'

t.test('shows what is plain and short', async (t) => {
  const shown: Array<[string, string]> = [
    ['body', 'body'],
    ['body/fileUrl', 'body/fileUrl'],
    ['body/a.b_c-d$1/0', 'body/a.b_c-d$1/0'],
    ['', ''],
    ['body/', 'body/'],
    [`body/${'x'.repeat(31)}`, `body/${'x'.repeat(31)}`],
    [`body/${'x'.repeat(32)}/file`, 'body/?/file'],
    ['body/a b', 'body/?'],
    ['body/a~1b', 'body/?'],
    ['body/<b>', 'body/?'],
    ['body/"', 'body/?'],
    ['body/ä', 'body/?'],
    ['body/a\r\nSet-Cookie: b', 'body/?'],
    ['body/file\n', 'body/?'],
    ['body/\u0000', 'body/?']
  ]
  for (const [path, expected] of shown) t.equal(printable(path), expected, JSON.stringify(path))
})
