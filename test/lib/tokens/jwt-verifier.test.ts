// What both kinds of signed tokens have in common. Their own suites show it at guards; here is when what is asked.
import t from 'tap'
import { InvalidTokenError, IssuerUnavailableError } from '../../../lib/errors.ts'
import { createKeyRing, generateKey } from '../../../lib/keys/index.ts'
import { type KeyRing, type RingKey } from '../../../lib/keys/key-ring.ts'
import { createJwtVerifier, type JwtVerifierOptions } from '../../../lib/tokens/jwt-verifier.ts'
import { verifyJws } from '../../../lib/tokens/jws.ts'
import { forge } from '../../support/tokens.ts'

const INVALID = { code: 'FDT_INVALID_TOKEN', statusCode: 401 }

/** A ring, a verifier of its tokens, and what the verifier asks for. */
async function world (options: Partial<JwtVerifierOptions<unknown>> = {}) {
  const ring = createKeyRing([{ key: await generateKey('ES256'), kid: 'one' }, { key: await generateKey('ES256'), kid: 'two' }])
  const calls: string[] = []
  const refreshing: { add?: RingKey } = {}
  const late = new Map<string, RingKey>()
  const keys: KeyRing = {
    ...ring,
    get: (kid) => late.get(kid) ?? ring.get(kid),
    refresh: async () => {
      calls.push('refresh')
      if (refreshing.add !== undefined) late.set(refreshing.add.kid, refreshing.add)
    }
  }
  const verify = createJwtVerifier<unknown>({
    keys,
    engineOf: async (key) => {
      calls.push(`engine ${key.kid}`)
      return { sign: () => '', verify: (token) => { calls.push('verify'); return JSON.parse(Buffer.from(verifyJws(token, key)).toString()) } }
    },
    isTyp: (typ) => typ === 'test+jwt',
    maxLength: 1000,
    cacheBytes: 10_000,
    read: (claims) => { calls.push('read'); return { claims } },
    ...options
  })
  const sign = (claims: unknown = { a: 1 }, header: object = {}, key = ring.signing()) => forge({ alg: key.algorithm, typ: 'test+jwt', kid: key.kid, ...header }, claims, key)
  return { ring, late, refreshing, verify, sign, calls: () => calls.splice(0) }
}

t.test('a token is verified once, and known from then on', async (t) => {
  const { verify, sign, calls } = await world()
  const token = sign()
  const first = await verify(token)
  t.strictSame(first, { claims: { a: 1 } })
  t.strictSame(calls(), ['engine one', 'verify', 'read'])
  t.equal(await verify(token), first)
  t.strictSame(calls(), [])
  t.not(await verify(sign()), first, 'by its exact spelling')
})

t.test('without a cache each time', async (t) => {
  const { verify, sign, calls } = await world({ cacheBytes: 0 })
  const token = sign()
  t.strictSame([await verify(token), await verify(token)], [{ claims: { a: 1 } }, { claims: { a: 1 } }])
  t.strictSame(calls(), ['engine one', 'verify', 'read', 'engine one', 'verify', 'read'])
})

t.test('what is known is forgotten with its key, and with another key of its name', async (t) => {
  const { verify, sign, ring, calls } = await world()
  const [token, key] = [sign(), ring.signing()]
  await verify(token)
  ring.promote('two')
  ring.remove('one')
  calls()
  await t.rejects(verify(token), INVALID)
  t.strictSame(calls(), ['refresh'])
  ring.add({ key: await generateKey('ES256'), kid: 'one' })
  await t.rejects(verify(token), INVALID)
  ring.remove('one')
  ring.add({ key: key.verifyKey, kid: 'one' })
  t.strictSame(await verify(token), { claims: { a: 1 } }, 'the same key is good again')
})

t.test('for a key that is not there, it looks once', async (t) => {
  const { verify, sign, refreshing, calls } = await world()
  const stranger = createKeyRing([{ key: await generateKey('ES256'), kid: 'new' }]).signing()
  const token = sign({}, {}, stranger)
  await t.rejects(verify(token), INVALID)
  t.strictSame(calls(), ['refresh'], 'and asks no engine')
  refreshing.add = stranger
  t.strictSame(await verify(token), { claims: {} })
  t.strictSame(calls(), ['refresh', 'engine new', 'verify', 'read'])
})

t.test('whose key is unknown may be told otherwise', async (t) => {
  let asked = 0
  const { verify, sign } = await world({ onUnknownKey: () => { asked++; throw new IssuerUnavailableError() } })
  await t.rejects(verify(sign({}, { kid: 'x' })), { code: 'FDT_ISSUER_UNAVAILABLE', statusCode: 503 })
  await verify(sign())
  await t.rejects(verify(sign({}, { alg: 'EdDSA' })), INVALID)
  t.equal(asked, 1)
  const quiet = await world({ onUnknownKey: () => { asked++ } })
  await t.rejects(quiet.verify(quiet.sign({}, { kid: 'x' })), INVALID)
  t.equal(asked, 2)
})

t.test('what is refused before any key is asked for', async (t) => {
  const { verify, sign, calls } = await world()
  const good = sign()
  const tokens: unknown[] = [
    undefined, null, 1, {}, [good], '', 'x', '..', `${good}.x`, good.slice(0, good.lastIndexOf('.')), 'x'.repeat(1001), sign('x'.repeat(800)),
    sign({}, { typ: undefined }), sign({}, { typ: 'TEST+JWT' }), sign({}, { typ: 'JWT' }), sign({}, { kid: undefined }), sign({}, { kid: 1 }), sign({}, { alg: undefined }), sign({}, { crit: [] })
  ]
  for (const token of tokens) await t.rejects(verify(token as string), INVALID, JSON.stringify(token)?.slice(0, 30))
  t.strictSame(calls(), [])
})

t.test('the longest token', async (t) => {
  const { sign } = await world()
  const token = sign()
  for (const [maxLength, isGood] of [[token.length, true], [token.length - 1, false]] as const) {
    const { verify, sign } = await world({ maxLength })
    const answer = verify(sign())
    if (isGood) await t.resolves(answer)
    else await t.rejects(answer, INVALID)
  }
})

t.test('a token is for one key and its algorithm', async (t) => {
  const { verify, sign, ring, calls } = await world()
  for (const header of [{ kid: 'two' }, { alg: 'RS256' }, { alg: 'none' }, { alg: 'HS256' }]) await t.rejects(verify(sign({}, header)), INVALID, JSON.stringify(header))
  t.strictSame(calls(), ['engine two', 'verify'], 'of another algorithm, the key is not even asked')
  t.strictSame(await verify(sign({}, {}, ring.get('two'))), { claims: {} })
})

t.test('failures: the cause is kept, and nothing is known afterwards', async (t) => {
  const { verify, sign, calls } = await world()
  await t.rejects(verify(sign('{')), { ...INVALID, cause: { name: 'SyntaxError' } })

  let isRead = false
  const picky = await world({ read: () => { if (!isRead) throw new InvalidTokenError(); return 'read' } })
  const token = picky.sign()
  await t.rejects(picky.verify(token), INVALID)
  isRead = true
  t.equal(await picky.verify(token), 'read', 'what was refused is asked again')

  const broken = await world({ engineOf: async () => { throw new RangeError('mine') } })
  await t.rejects(broken.verify(broken.sign()), { name: 'RangeError' }, 'a failure of ours is none of the token')
  t.ok(calls().length > 0)
})
