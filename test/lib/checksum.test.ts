import t from 'tap'
import { CHECKSUM_LENGTH, checksum } from '../../lib/checksum.ts'

t.test('is CRC-32 in base64url', async (t) => {
  // The check value of the catalogue of CRCs.
  t.equal(checksum('123456789'), Buffer.from('cbf43926', 'hex').toString('base64url'))
  t.equal(checksum(''), 'AAAAAA')
  t.equal(checksum('ä'), checksum(Buffer.from('ä').toString()), 'of UTF-8')
  for (const text of ['', 'a', 'ä😀', 'x'.repeat(10_000)]) t.match(checksum(text), new RegExp(`^[\\w-]{${CHECKSUM_LENGTH}}$`))
})

t.test('finds every character that was mistyped, and two that changed places', async (t) => {
  const text = 'fdt_opaque_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef'
  const others = new Set<string>()
  for (let index = 0; index < text.length; index++) {
    for (const character of 'aZ09_-') others.add(text.slice(0, index) + character + text.slice(index + 1))
    others.add(text.slice(0, index) + text.slice(index + 1, index + 2) + text.charAt(index) + text.slice(index + 2))
  }
  others.delete(text)
  t.equal([...others].some((other) => checksum(other) === checksum(text)), false)
})
