import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import t from 'tap'
import { createSecret, digestSecret, parseSecret, type SecretKind } from '../../../lib/credentials/index.ts'

const ID = 'abcdefghij012345'

/** A secret with a right checksum, whatever stands before it. */
function seal (text: string): string {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(crc32(text))
  return text + bytes.toString('base64url')
}

t.test('a secret has its parts at fixed places', async (t) => {
  const kinds: SecretKind[] = ['key', 'client']
  for (const kind of kinds) {
    const secret = createSecret(kind, ID)
    t.match(secret, new RegExp(`^fdt_${kind}_${ID}_[A-Za-z0-9_-]{49}$`))
    t.strictSame(parseSecret(secret), { kind, id: ID })
  }
  t.equal(createSecret('key').length, 74)
})

t.test('the id is random unless it is given, and has one form', async (t) => {
  const one = parseSecret(createSecret('key'))
  const other = parseSecret(createSecret('key'))
  t.match(one?.id, /^[a-z0-9]{16}$/)
  t.not(one?.id, other?.id)
  for (const id of ['', 'short', 'ABCDEFGHIJ012345', `${ID}6`, `${ID}\n`, '__proto__', 'abcdefghij01234_', 'abcdefghij01234ü']) {
    t.throws(() => createSecret('key', id), { code: 'FDT_INVALID_OPTION', message: /"id"/ })
  }
})

t.test('a hundred thousand secrets are all different (T23) and all read back', async (t) => {
  const seen = new Set<string>()
  let unread = 0
  for (let count = 0; count < 100_000; count++) {
    const secret = createSecret('key', ID)
    seen.add(secret.slice(25, 68))
    if (parseSecret(secret)?.id !== ID) unread++
  }
  t.equal(seen.size, 100_000, 'the 256 random bits differ')
  t.equal(unread, 0)
})

t.test('every single typing error is found', async (t) => {
  const secret = createSecret('key', ID)
  const passed: string[] = []
  for (let at = 0; at < secret.length; at++) {
    for (const character of 'ABab01_-. ü') {
      if (secret[at] === character) continue
      const text = secret.slice(0, at) + character + secret.slice(at + 1)
      if (parseSecret(text) !== undefined) passed.push(text)
    }
    if (parseSecret(secret.slice(0, at) + secret.slice(at + 1)) !== undefined) passed.push('one less')
    if (secret[at] !== secret[at + 1] && at + 1 < secret.length && parseSecret(secret.slice(0, at) + secret[at + 1] + secret[at] + secret.slice(at + 2)) !== undefined) passed.push('two swapped')
  }
  t.strictSame(passed, [])
})

t.test('only the canonical spelling is a secret', async (t) => {
  const random = 'A'.repeat(43)
  t.strictSame(parseSecret(seal(`fdt_key_${ID}_${random}`)), { kind: 'key', id: ID }, 'the base line')
  t.strictSame(parseSecret(seal(`fdt_key_${ID}_${'_'.repeat(42)}8`)), { kind: 'key', id: ID }, 'underscores belong to base64url')

  const refused = [
    { name: 'empty', text: '' },
    { name: 'another prefix', text: seal(`fdx_key_${ID}_${random}`) },
    { name: 'upper case prefix', text: seal(`FDT_key_${ID}_${random}`) },
    { name: 'an unknown kind', text: seal(`fdt_toString_${ID}_${random}`) },
    { name: 'no kind', text: seal(`fdt__${ID}_${random}`) },
    { name: 'a short id', text: seal(`fdt_key_${ID.slice(1)}_${random}`) },
    { name: 'a long id', text: seal(`fdt_key_${ID}a_${random}`) },
    { name: 'an upper case id', text: seal(`fdt_key_${ID.toUpperCase()}_${random}`) },
    { name: 'fewer random bits', text: seal(`fdt_key_${ID}_${random.slice(1)}`) },
    { name: 'more random bits', text: seal(`fdt_key_${ID}_${random}A`) },
    { name: 'other unused bits in the last character (T11b)', text: seal(`fdt_key_${ID}_${random.slice(1)}B`) },
    { name: 'base64 that is not base64url (T11)', text: seal(`fdt_key_${ID}_${random.slice(2)}+A`) },
    { name: 'padding (T11)', text: `${seal(`fdt_key_${ID}_${random}`)}=` },
    { name: 'a space in front', text: ` ${seal(`fdt_key_${ID}_${random}`)}` },
    { name: 'a line feed behind', text: `${seal(`fdt_key_${ID}_${random}`)}\n` },
    { name: 'a wrong checksum', text: `fdt_key_${ID}_${random}AAAAAA` }
  ]
  for (const { name, text } of refused) t.equal(parseSecret(text), undefined, name)
})

t.test('a digest is the SHA-256 of the whole string (T27)', async (t) => {
  const long = 'x'.repeat(512)
  t.equal(digestSecret(long), createHash('sha256').update(long).digest('base64url'))
  t.match(digestSecret(long), /^[A-Za-z0-9_-]{43}$/)
  for (const at of [0, 55, 63, 64, 71, 72, 73, 127, 511]) {
    t.not(digestSecret(long.slice(0, at) + 'y' + long.slice(at + 1)), digestSecret(long), `a difference at ${at}`)
  }
})
