import { randomBytes } from 'node:crypto'
import t from 'tap'
import { createSecretBox, type EditorSecrets, type SecretOptions, type SecretSide } from '../../../../lib/tokens/editor/secrets.ts'
import { INBOX, OUTBOX } from '../../../support/editor-tokens.ts'

const OTHER = 'Pq8Wn2Zx5Lt0Bv7Rc3Ym6Kd1Hf9Js4Gu'

function boxWith (more: Partial<SecretOptions> = {}) {
  const warnings: string[] = []
  return { box: createSecretBox({ inbox: INBOX, outbox: OUTBOX, ...more }, (message) => { warnings.push(message) }), warnings }
}

const textOf = (keys: ReadonlyArray<{ export (): Buffer }>) => keys.map((key) => key.export().toString())

t.test('one secret, or two live ones, of either side', async (t) => {
  const { box, warnings } = boxWith({ inbox: [INBOX, OTHER] })
  t.strictSame(textOf(await box.find('inbox')), [INBOX, OTHER])
  t.strictSame(textOf(await box.find('outbox')), [OUTBOX])
  t.strictSame([box.has('inbox'), box.has('outbox')], [true, true])
  t.strictSame(textOf(box.known('inbox')), [INBOX, OTHER])
  t.strictSame(textOf(box.known('outbox')), [OUTBOX])
  t.strictSame(warnings, [])

  t.strictSame(textOf(await boxWith({ inbox: [INBOX] }).box.find('inbox')), [INBOX])
  t.strictSame(textOf(await boxWith({ inbox: [INBOX, undefined] as unknown as EditorSecrets }).box.find('inbox')), [INBOX])
  const bytes = randomBytes(48)
  t.strictSame((await boxWith({ inbox: new Uint8Array(bytes) }).box.find('inbox'))[0].export(), bytes, 'bytes are taken as they are')
  const umlauts = 'äöüß-Qx7Lm2Zp9Rt4Wv1Kc6Hd3Jf8Gs5N'
  t.strictSame(textOf(await boxWith({ inbox: umlauts }).box.find('inbox')), [umlauts], 'text counts as its UTF-8')
})

t.test('without an outbox nothing of it can be found', async (t) => {
  const box = createSecretBox({ inbox: INBOX }, () => {})
  t.equal(box.has('outbox'), false)
  t.strictSame(box.known('outbox'), [])
  await t.rejects(box.find('outbox'), { code: 'FDT_INVALID_OPTION', message: 'Invalid option "outbox": is needed for this' })
})

t.test('what cannot be a secret (T4)', async (t) => {
  const cases: Array<[name: string, secret: unknown, code: string]> = [
    ...[null, 7, true, {}, Symbol('a'), new Date(0), Buffer.from(OTHER).buffer].map((secret): [string, unknown, string] => [`${typeof secret} ${Object.prototype.toString.call(secret)}`, secret, 'FDT_INVALID_OPTION']),
    ['an empty list', [], 'FDT_INVALID_OPTION'],
    ['a list in a list', [[OTHER]], 'FDT_INVALID_OPTION'],
    ['null before a good one', [null, OTHER], 'FDT_INVALID_OPTION'],
    ['null behind a good one', [OTHER, null], 'FDT_INVALID_OPTION'],
    ['three', [OTHER, `${OTHER}b`, `${OTHER}c`], 'FDT_INVALID_OPTION'],
    ['nothing', '', 'FDT_UNUSABLE_KEY'],
    ['no bytes', new Uint8Array(), 'FDT_UNUSABLE_KEY'],
    ['white space', '   \n ', 'FDT_UNUSABLE_KEY'],
    ['white space before it', ` ${OTHER}`, 'FDT_UNUSABLE_KEY'],
    ['a line feed behind it', `${OTHER}\n`, 'FDT_UNUSABLE_KEY'],
    ['quotes around it', `"${OTHER}"`, 'FDT_UNUSABLE_KEY'],
    ['single quotes around it', `'${OTHER}'`, 'FDT_UNUSABLE_KEY'],
    ['31 bytes', OTHER.slice(1), 'FDT_WEAK_KEY'],
    ['the default of the server', 'secret', 'FDT_WEAK_KEY'],
    ['one that everybody knows', 'your-256-bit-secret-your-256-bit-secret', 'FDT_WEAK_KEY'],
    ['one character over and over', 'a'.repeat(64), 'FDT_WEAK_KEY']
  ]
  for (const side of ['inbox', 'outbox'] as const) {
    for (const [name, secret, code] of cases) {
      const make = () => boxWith({ [side]: secret })
      t.throws(make, { code, message: new RegExp(side) }, `${side}: ${name}`)
      try { make() } catch (error) { t.notOk(typeof secret === 'string' && secret.length > 6 && String(error).includes(secret), 'and does not say it') }
    }
    t.throws(() => boxWith({ [side]: [side === 'inbox' ? INBOX : OUTBOX, 'secret'] }), { code: 'FDT_WEAK_KEY', message: new RegExp(side) }, 'the previous one is checked as well')
  }
  t.throws(() => boxWith({ outbox: null as unknown as string }), { code: 'FDT_INVALID_OPTION' }, 'null is not the same as none')
})

t.test('a secret that can be guessed is taken where the host says so, and loudly', async (t) => {
  const { box, warnings } = boxWith({ inbox: 'secret', outbox: ['short', 'secreu'], allowWeakSecret: true })
  t.strictSame(textOf(await box.find('inbox')), ['secret'])
  t.strictSame(textOf(await box.find('outbox')), ['short', 'secreu'])
  t.equal(warnings.length, 2, 'once for each side')
  t.match(warnings, [/inbox secret of the editor can be guessed/, /outbox secret of the editor can be guessed/])
  t.notOk(warnings.some((warning) => warning.includes('short') || warning.includes('secreu')), 'and does not say it')
  t.strictSame(boxWith({ allowWeakSecret: true }).warnings, [], 'a good one needs no warning')
  for (const secret of ['', ' ', '"secret"', 'secret\n']) t.throws(() => boxWith({ inbox: secret, allowWeakSecret: true }), { code: 'FDT_UNUSABLE_KEY' }, JSON.stringify(secret))
  t.throws(() => boxWith({ inbox: null as unknown as string, allowWeakSecret: true }), { code: 'FDT_INVALID_OPTION' })
  for (const value of ['true', 1, null]) t.throws(() => boxWith({ allowWeakSecret: value as unknown as boolean }), { code: 'FDT_INVALID_OPTION' })
})

t.test('the hash of what is signed wants as many bytes', async (t) => {
  for (const [algorithm, bytes] of [['HS256', 32], ['HS384', 48], ['HS512', 64]] as const) {
    const secret = randomBytes(bytes)
    t.ok(boxWith({ inbox: secret, algorithm }), algorithm)
    const short = randomBytes(bytes - 1)
    t.throws(() => boxWith({ inbox: short, algorithm }), { code: 'FDT_WEAK_KEY' }, algorithm)
    t.equal(boxWith({ inbox: short, algorithm, allowWeakSecret: true }).warnings.length, 1)
  }
  const secret = randomBytes(40)
  t.ok(boxWith({ inbox: randomBytes(64), outbox: secret, algorithm: 'HS512' }), 'nothing is signed with that of the other side')
  t.throws(() => boxWith({ inbox: secret, outbox: secret, algorithm: 'HS512' }), { code: 'FDT_WEAK_KEY' })
  const tenants = boxWith({ inbox: async () => secret, outbox: secret, algorithm: 'HS512' }).box
  await t.rejects(tenants.find('inbox', 'acme'), { code: 'FDT_WEAK_KEY' }, 'whichever side had it first')
  for (const algorithm of ['none', 'hs256', 'RS256', '', null, 256]) t.throws(() => boxWith({ algorithm: algorithm as 'HS256' }), { code: 'FDT_INVALID_OPTION', message: 'Invalid option "algorithm": must be one of HS256, HS384, HS512' }, String(algorithm))
})

t.test('one secret for both sides warns, once', async (t) => {
  const same: Array<[string, Partial<SecretOptions>]> = [
    ['text', { outbox: INBOX }],
    ['text and bytes', { outbox: Buffer.from(INBOX) }],
    ['a previous one', { inbox: [OTHER, INBOX], outbox: [OUTBOX, INBOX] }],
    ['both of them', { inbox: [OTHER, INBOX], outbox: [OTHER, INBOX] }]
  ]
  for (const [name, options] of same) {
    const { warnings } = boxWith(options)
    t.equal(warnings.length, 1, name)
    t.match(warnings[0], /are the same/)
  }
  t.strictSame(boxWith({ inbox: [INBOX, INBOX] }).warnings, [], 'twice on one side is none of that')

  const { box, warnings } = boxWith({ inbox: async () => INBOX, outbox: async () => INBOX })
  t.strictSame(warnings, [])
  for (let turn = 0; turn < 3; turn++) for (const side of ['inbox', 'outbox'] as const) await box.find(side, 'acme')
  t.equal(warnings.length, 1, 'of a tenant when it shows')
})

t.test('secrets of tenants', async (t) => {
  const secrets = new Map<string, unknown>([['acme', INBOX], ['zorg', [OTHER, OUTBOX]], ['weak', 'secret'], ['nothing', ''], ['undefined', undefined], ['wrong', 7]])
  const asked: string[] = []
  const inbox = (tenant: string) => { asked.push(tenant); return (secrets.has(tenant) ? secrets.get(tenant) : null) as EditorSecrets | null }
  const { box } = boxWith({ inbox, outbox: undefined as unknown as string })
  t.strictSame(asked, [], 'nobody is asked at registration')
  t.strictSame(box.known('inbox'), [])
  t.strictSame(textOf(await box.find('inbox', 'acme')), [INBOX])
  t.strictSame(textOf(await box.find('inbox', 'zorg')), [OTHER, OUTBOX])
  t.equal((await box.find('inbox', 'acme'))[0], (await box.find('inbox', 'acme'))[0], 'checked once')
  secrets.set('acme', OTHER)
  t.strictSame(textOf(await box.find('inbox', 'acme')), [OTHER], 'and asked for each time')
  t.strictSame(box.known('inbox'), [], 'what comes later is of tenants')

  for (const tenant of ['nobody', 'undefined', '__proto__']) await t.rejects(box.find('inbox', tenant), { code: 'FDT_UNKNOWN_TENANT', statusCode: 403 }, tenant)
  await t.rejects(box.find('inbox', 'weak'), { code: 'FDT_WEAK_KEY' })
  await t.rejects(box.find('inbox', 'nothing'), { code: 'FDT_UNUSABLE_KEY' })
  await t.rejects(box.find('inbox', 'wrong'), { code: 'FDT_INVALID_OPTION' })
  asked.length = 0
  for (const tenant of [undefined, '', 7, null]) await t.rejects(box.find('inbox', tenant as string), { code: 'FDT_INVALID_OPTION', message: 'Invalid option "tenant": is needed where inbox is a function of it' })
  t.strictSame(asked, [])
})

t.test('a tenant where there are none is a mistake', async (t) => {
  const { box } = boxWith()
  for (const side of ['inbox', 'outbox'] as const) await t.rejects(box.find(side, 'acme'), { code: 'FDT_INVALID_OPTION', message: `Invalid option "tenant": has no use where ${side} is no function` })
  const mixed: Array<[SecretSide, Partial<SecretOptions>]> = [['outbox', { inbox: async () => INBOX }], ['inbox', { outbox: async () => OUTBOX }]]
  for (const [side, options] of mixed) {
    const { box } = boxWith(options)
    t.equal((await box.find(side, 'acme')).length, 1, `${side} is one and the same for all`)
    t.equal((await box.find(side)).length, 1)
  }
})

t.test('a look-up that fails is an outage (T36)', async (t) => {
  const ways: Array<() => never | Promise<never>> = [() => { throw new Error('lost') }, async () => { throw new Error('lost') }]
  for (const inbox of ways) await t.rejects(boxWith({ inbox }).box.find('inbox', 'acme'), { code: 'FDT_STORE_UNAVAILABLE', statusCode: 503 })
})

t.test('of many tenants those that were used last are remembered', async (t) => {
  const inbox = async (tenant: string) => Buffer.from(`${tenant}-Qx7Lm2Zp9Rt4Wv1Kc6Hd3Jf8Gs5N`)
  const { box } = boxWith({ inbox })
  const at = async (index: number) => (await box.find('inbox', `tenant-${index}`))[0]
  const [first, second] = [await at(0), await at(1)]
  // The outbox is one of the thousand.
  for (let index = 2; index < 999; index++) await at(index)
  t.equal(await at(0), first, 'all of them')
  await at(999)
  await at(1000)
  t.equal(await at(0), first)
  t.not(await at(1), second, 'the one that was not used for the longest time is checked again')
})
