import { randomBytes, randomUUID } from 'node:crypto'
import t from 'tap'
import { checksum } from '../../../../lib/checksum.ts'
import { createMemoryStore } from '../../../../lib/stores/memory.ts'
import { type OpaqueTokenFormat, tokenFormat } from '../../../../lib/tokens/opaque/format.ts'
import { createOpaqueTokens } from '../../../../plugins/opaque-tokens/index.ts'

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
const FORMATS: Array<{ name: OpaqueTokenFormat, pattern: RegExp, bytes: number }> = [
  { name: 'base64url', pattern: /^fdt_opaque_[\w-]{43}[\w-]{6}$/, bytes: 32 },
  { name: 'uuid', pattern: /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/, bytes: 16 }
]

/** `text` with other characters from `index` on. */
const replaced = (text: string, index: number, characters: string) => text.slice(0, index) + characters + text.slice(index + characters.length)

/** `text` of the format base64url, with the checksum that belongs to it. */
const summed = (text: string) => text + checksum(text)

for (const { name, pattern, bytes: length } of FORMATS) {
  t.test(`${name}: what is made is read`, async (t) => {
    const format = tokenFormat(name, 'fdt_opaque')
    for (let round = 0; round < 100; round++) {
      const { token, bytes } = format.create()
      t.match(token, pattern)
      t.equal(bytes.length, length)
      t.strictSame(Buffer.from(format.read(token) ?? []), Buffer.from(bytes))
    }
  })

  t.test(`${name}: 100 000 tokens all differ (T23)`, async (t) => {
    const format = tokenFormat(name, 'fdt_opaque')
    const started = performance.now()
    const made = Array.from({ length: 100_000 }, () => format.create())
    t.ok(performance.now() - started < 10_000, 'in no time')
    t.equal(new Set(made.map(({ token }) => token)).size, made.length)
    t.equal(new Set(made.map(({ bytes }) => Buffer.from(bytes).toString('hex'))).size, made.length)
  })
}

t.test('what is no token of the format is not read', async (t) => {
  const { token } = tokenFormat('base64url', 'fdt_opaque').create()
  const [start, body] = [token.slice(0, 11), token.slice(11, -6)]
  const uuid = randomUUID()
  const hex = uuid.replaceAll('-', '')
  const refused: Record<OpaqueTokenFormat, string[]> = {
    base64url: [
      '', start, body, start + body, `${token}A`, token.slice(0, -1), token.slice(1), `${token}=`, `${start}${body}=${token.slice(-5)}`,
      ` ${token}`, `${token} `, `${token}\n`, `\uFEFF${token}`, `${token}\0`, `Bearer ${token}`, `"${token}"`, token.toUpperCase(), token.toLowerCase(), token.repeat(2), `${token},${token}`,
      'x'.repeat(10_240), token + 'A'.repeat(10_240), uuid,
      // The right checksum alone makes no token.
      summed(start + body.slice(1)), summed(`${start}${body}A`), summed(start + randomBytes(31).toString('base64url')), summed(start + randomBytes(33).toString('base64url')),
      ...[' ', '\n', '=', '+', '/', '%', '.', 'ä', '\0', '\uD800'].map((character) => summed(replaced(token.slice(0, -6), 20, character))),
      ...['fdt_opaquE_', 'fdt-opaque_', 'fdt_opaque-', 'fdt_opaque', 'opaque_', 'other_', '_', '', 'fdt_opaque__', 'fdt_opaque_x_', 'fdt_key_'].map((other) => summed(other + body)),
      ...Array.from(token, (character, index) => replaced(token, index, character === 'A' ? 'B' : 'A')),
      ...Array.from({ length: token.length }, (_, index) => token.slice(0, index) + token.slice(index + 1))
    ],
    uuid: [
      '', `{${uuid}}`, `urn:uuid:${uuid}`, hex, ` ${uuid}`, `${uuid} `, `${uuid}\n`, `${uuid}\0`, `${uuid}0`, uuid.slice(1), uuid.slice(0, -1), uuid.replaceAll('-', '_'), uuid.replaceAll('-', ''), `${hex.slice(0, 4)}-${hex.slice(4)}`,
      `${uuid.slice(0, -1)}g`, uuid.repeat(2), 'x'.repeat(10_240), uuid + '0'.repeat(10_240), token,
      '00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff',
      ...Array.from('012356789abcdef', (version) => replaced(uuid, 14, version)),
      ...Array.from('01234567cdef', (variant) => replaced(uuid, 19, variant)),
      replaced(uuid, 0, '٣'), replaced(uuid, 0, 'ａ')
    ]
  }
  for (const [name, texts] of Object.entries(refused)) {
    const format = tokenFormat(name === 'uuid' ? 'uuid' : 'base64url', 'fdt_opaque')
    for (const text of texts) t.equal(format.read(text), undefined, `${name} ${JSON.stringify(text.slice(0, 80))}`)
  }
})

t.test('base64url: one token has one spelling', async (t) => {
  const format = tokenFormat('base64url', 'fdt_opaque')
  const { token } = format.create()
  // 43 characters are 258 bits, 2 more than there are; 6 of the checksum are 36, 4 more.
  const bodies = Array.from(ALPHABET, (character) => summed(replaced(token.slice(0, -6), 53, character)))
  const read = bodies.flatMap((text) => format.read(text) ?? []).map((bytes) => Buffer.from(bytes).toString('hex'))
  t.equal(read.length, 16, 'of 64 last characters 16 have no bits to spare')
  t.equal(new Set(read).size, 16, 'and no two of them mean the same')
  t.strictSame(Array.from(ALPHABET, (character) => token.slice(0, -1) + character).filter((text) => format.read(text) !== undefined), [token])
})

t.test('what the host sees', async (t) => {
  const pepper = { id: 'a', key: randomBytes(32) }
  const store = createMemoryStore()
  const made = {
    base64url: createOpaqueTokens({ store, pepper }),
    prefixed: createOpaqueTokens({ store, pepper, tokenPrefix: 'Acme_1' }),
    uuid: createOpaqueTokens({ store, pepper, format: 'uuid' })
  }
  const issue = async (name: keyof typeof made) => (await made[name].issue({ json: '{"file":"a"}', auth: 'acme' })).token
  const issued = { base64url: await issue('base64url'), prefixed: await issue('prefixed'), uuid: await issue('uuid') }
  t.match(issued.base64url, /^fdt_opaque_[\w-]{49}$/)
  t.match(issued.prefixed, /^Acme_1_[\w-]{49}$/)
  t.match(issued.uuid, FORMATS[1]?.pattern)

  const json = '{"auth":"acme","file":"a"}'
  for (const [name, tokens] of Object.entries(made)) {
    for (const [other, token] of Object.entries(issued)) {
      if (name === other) t.equal((await tokens.verify(token)).json, json)
      else await t.rejects(tokens.verify(token), { code: 'FDT_WRONG_TOKEN' }, `a token of ${other} at ${name}`)
    }
  }
  const upper = await made.uuid.verify(issued.uuid.toUpperCase())
  t.equal(upper.accessor, (await made.uuid.verify(issued.uuid)).accessor, 'a UUID is one token in either case')
  await made.uuid.revoke(issued.uuid.toUpperCase())
  await t.rejects(made.uuid.verify(issued.uuid), { code: 'FDT_WRONG_TOKEN' }, 'and ends in either')
})
