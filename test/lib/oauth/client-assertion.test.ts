import { createSecretKey } from 'node:crypto'
import { inspect } from 'node:util'
import t from 'tap'
import { generateKey, type JsonWebKey, type KeyAlgorithm, type RingKey } from '../../../lib/keys/index.ts'
import { importKey } from '../../../lib/keys/key-material.ts'
import { type AssertionClient, type AssertionOptions, readAssertionClient, verifyClientAssertion } from '../../../lib/oauth/client-assertion.ts'
import { createSingleUse } from '../../../lib/oauth/single-use.ts'
import { createMemoryStore } from '../../../lib/stores/memory.ts'
import { signJws } from '../../../lib/tokens/jws.ts'
import { faultyStore } from '../../support/faulty-store.ts'
import { encode, forge } from '../../support/tokens.ts'

const NOW = 1_800_000_000_000
const SECONDS = NOW / 1000
const ISSUER = 'https://issuer.example'
const TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
const REFUSED = { code: 'FDT_INVALID_CLIENT', statusCode: 400, message: 'Client authentication failed' }

interface TestClient extends AssertionClient {
  label?: string
}

function publicHalf ({ d, p, q, dp, dq, qi, ...members }: JsonWebKey): JsonWebKey {
  return members
}

async function makeKey (algorithm: KeyAlgorithm, kid?: string): Promise<{ jwk: JsonWebKey, key: RingKey }> {
  const { kid: thumbprint, ...members } = await generateKey(algorithm)
  const jwk = { ...members, ...(kid !== undefined && { kid }) }
  return { jwk, key: importKey({ key: jwk }) }
}

let lastJti = 0

/** Claims of a good assertion, and others. `undefined` takes one out. */
function claimsOf (more: Record<string, unknown> = {}): Record<string, unknown> {
  return { iss: 'client-1', sub: 'client-1', aud: ISSUER, exp: SECONDS + 60, jti: `jti-${++lastJti}`, ...more }
}

async function world () {
  const [es256, other, foreign] = [await makeKey('ES256', 'a'), await makeKey('ES256', 'b'), await makeKey('ES256')]
  const clients = new Map<string, TestClient>([
    ['client-1', { id: 'client-1', keys: [publicHalf(es256.jwk), publicHalf(other.jwk)], label: 'One' }],
    ['client-2', { id: 'client-2', keys: [publicHalf(foreign.jwk)] }],
    ['keyless', { id: 'keyless' }]
  ])
  const clock = { time: NOW }
  const now = (): number => clock.time
  const { store, fault } = faultyStore(createMemoryStore({ now }))
  const asked: string[] = []
  const options: AssertionOptions<TestClient> = {
    type: TYPE,
    issuer: ISSUER,
    find: async (id) => {
      asked.push(id)
      return clients.get(id)
    },
    singleUse: createSingleUse({ store, prefix: 'used', now }),
    now
  }
  const verify = (assertion: string, more: Partial<AssertionOptions<TestClient>> = {}): Promise<TestClient> => verifyClientAssertion(assertion, { ...options, ...more })
  const sign = (claims: unknown = claimsOf(), header: Record<string, unknown> = { alg: 'ES256' }, key = es256.key): string => forge(header, claims, key)
  return { key: es256.key, other: other.key, foreign: foreign.key, clients, clock, store, fault, asked, options, verify, sign }
}

t.test('a client shows who it is, once', async (t) => {
  const { verify, sign, clients, fault } = await world()
  const assertion = sign()
  t.equal(await verify(assertion), clients.get('client-1'), 'what was found is what comes back')
  await t.rejects(verify(assertion), { ...REFUSED, cause: { message: /used before/ } })
  t.strictSame(fault.calls, ['add', 'add'])
  await t.rejects(verify(sign(claimsOf({ jti: `jti-${lastJti}`, exp: SECONDS + 90 }))), REFUSED, 'the same jti in another assertion')

  const several = [sign(), sign()]
  const results = await Promise.allSettled(Array.from({ length: 20 }, (_, index) => verify(several[index % 2] ?? '')))
  t.equal(results.filter(({ status }) => status === 'fulfilled').length, 2, 'of many at the same time')
})

t.test('the jti of one client is not that of another', async (t) => {
  const { verify, sign, foreign } = await world()
  await verify(sign(claimsOf({ jti: 'one' })))
  t.equal((await verify(sign(claimsOf({ iss: 'client-2', sub: 'client-2', jti: 'one' }), { alg: 'ES256' }, foreign))).id, 'client-2')
})

t.test('every algorithm, and keys by their kid or without', async (t) => {
  const { verify, sign, clients, other } = await world()
  for (const algorithm of ['ES256', 'EdDSA', 'RS256', 'PS256'] as const) {
    const { jwk, key } = await makeKey(algorithm)
    clients.set('client-3', { id: 'client-3', keys: [publicHalf(jwk)] })
    for (const header of [{}, { kid: key.kid }, { typ: 'JWT' }, { typ: 'client-authentication+jwt' }]) {
      t.equal((await verify(await signJws(header, JSON.stringify(claimsOf({ iss: 'client-3', sub: 'client-3' })), key))).id, 'client-3', `${algorithm} ${JSON.stringify(header)}`)
    }
  }
  await verify(sign(claimsOf(), { alg: 'ES256' }, other))
  await verify(sign(claimsOf(), { alg: 'ES256', kid: 'b' }, other))
  await t.rejects(verify(sign(claimsOf(), { alg: 'ES256', kid: 'a' }, other)), { ...REFUSED, cause: { message: /signature/ } }, 'by the name of another key')
})

t.test('accepted', async (t) => {
  const { verify, sign } = await world()
  const accepted: Array<{ name: string, claims?: Record<string, unknown>, header?: Record<string, unknown>, options?: Partial<AssertionOptions<TestClient>> }> = [
    { name: 'client_id in the request', options: { clientId: 'client-1' } },
    { name: 'the longest life', claims: { exp: SECONDS + 300 } },
    { name: 'about to end', claims: { exp: SECONDS + 0.001 } },
    { name: 'a fraction of a second', claims: { exp: SECONDS + 1.5 } },
    { name: 'nbf and iat now', claims: { nbf: SECONDS, iat: SECONDS } },
    { name: 'an old iat', claims: { iat: 0 } },
    { name: 'a clock that is behind, tolerated', claims: { exp: SECONDS - 29 }, options: { tolerance: 30 } },
    { name: 'a clock that is ahead, tolerated', claims: { nbf: SECONDS + 30, iat: SECONDS + 30 }, options: { tolerance: 30 } },
    { name: 'a jti of 256 characters', claims: { jti: 'j'.repeat(256) } },
    { name: 'T28: a jti', claims: { jti: '__proto__' } },
    { name: 'further claims', claims: { scope: 'all', client_id: 'client-2', admin: true } },
    { name: 'T14: keys in the header are passed over', header: { jwk: { kty: 'oct', k: 'AAAA' }, jku: 'http://127.0.0.1:1/', x5u: 'http://127.0.0.1:1/', x5c: ['x'] } },
    { name: 'a further audience', claims: { aud: 'https://issuer.example/connect/token' }, options: { legacyAudience: ['https://issuer.example/connect/token'] } },
    { name: 'the issuer beside further audiences', options: { legacyAudience: ['x'] } },
    { name: 'a list with a further audience', claims: { aud: ['y', 'x'] }, options: { legacyAudience: ['x'] } },
    { name: 'a list with the issuer', claims: { aud: [ISSUER] }, options: { legacyAudience: ['x'] } }
  ]
  for (const { name, claims, header, options } of accepted) {
    t.equal((await verify(sign(claimsOf(claims), { alg: 'ES256', ...header }), options)).id, 'client-1', name)
  }
})

t.test('refused, with one answer for all, and without using up the jti', async (t) => {
  const { verify, sign, key, foreign, clients, fault, store } = await world()
  const hs256 = await makeKey('HS256')
  const rsa = await makeKey('RS256')
  const publicJwk = clients.get('client-1')?.keys?.[0] ?? {}
  const good = sign()
  const [header = '', payload = '', signature = ''] = good.split('.')
  const segments = (...parts: string[]): string => parts.join('.')
  const macOf = (secret: string | Buffer): string => forge({ alg: 'HS256' }, claimsOf(), { kid: 'x', algorithm: 'HS256', ...secretHalves(secret) })

  clients.set('private', { id: 'private', keys: [hs256.jwk, rsa.jwk] })
  clients.set('other-id', { id: 'client-1', keys: [publicJwk] })
  clients.set('broken', { id: 'broken', keys: [{ ...publicJwk, x: 'AA' }, { kty: 'RSA', n: 'AQAB', e: 'AQAB', alg: 'RS256' }, { ...publicJwk, use: 'enc' }] })
  const of = (id: unknown, more: Record<string, unknown> = {}): Record<string, unknown> => claimsOf({ iss: id, sub: id, ...more })

  const refused: Array<{ name: string, assertion: string, options?: Partial<AssertionOptions<TestClient>>, cause: RegExp }> = [
    ...[undefined, '', 'urn:ietf:params:oauth:client-assertion-type:saml2-bearer', TYPE.toUpperCase(), `${TYPE} `].map((type) => ({ name: `type ${type}`, assertion: sign(), options: { type }, cause: /its type/ })),
    // T11, T15
    ...['', '.', '..', 'a.b.c', `${good}.`, segments(header, payload), segments(header, payload, ''), segments(header, payload, signature, '', ''), ` ${good}`, `${good}=`, segments(header, `${payload}=`, signature), segments(`${header} `, payload, signature)]
      .map((assertion) => ({ name: `T11, T15: ${assertion.slice(0, 12)}…${assertion.length}`, assertion, cause: /not a JWS/ })),
    { name: 'T8: too long', assertion: sign(claimsOf({ padding: 'x'.repeat(8192) })), cause: /too long/ },
    { name: 'T8: a megabyte', assertion: 'a'.repeat(1_000_000), cause: /too long/ },
    // T5
    ...[['exp'], [], null, 0, false, '', {}].map((crit) => ({ name: `T5: crit ${JSON.stringify(crit)}`, assertion: sign(claimsOf(), { alg: 'ES256', crit }), cause: /not a JWS/ })),
    { name: 'T5: b64', assertion: sign(claimsOf(), { alg: 'ES256', b64: true }), cause: /not a JWS/ },
    { name: 'T15: zip', assertion: sign(claimsOf(), { alg: 'ES256', zip: 'DEF' }), cause: /not a JWS/ },
    // T9
    ...[[claimsOf()], 'text', 'null', '1', '', [], `{"sub":"client-1","sub":"client-1","iss":"client-1","exp":${SECONDS + 9},"aud":"${ISSUER}","jti":"x"}`, Buffer.of(0x7b, 0xff, 0x7d)]
      .map((content) => ({ name: `T9: ${JSON.stringify(content).slice(0, 30)}`, assertion: sign(content), cause: /JSON object/ })),
    // T30
    ...['at+jwt', 'dpop+jwt', 'jwt', 'document-session+jwt', 'application/jwt', '', null, 1, ['JWT']].map((typ) => ({ name: `T30: typ ${JSON.stringify(typ)}`, assertion: sign(claimsOf(), { alg: 'ES256', typ }), cause: /another kind/ })),
    // T12
    ...[undefined, null, 1, ['client-1'], {}, '', 'c'.repeat(101), 'client-1\n', 'clïent'].map((id) => ({ name: `T12: iss and sub ${JSON.stringify(id)}`, assertion: sign(of(id)), cause: /one client/ })),
    { name: 'iss is another client', assertion: sign(claimsOf({ iss: 'client-2' })), cause: /one client/ },
    { name: 'sub is another client', assertion: sign(claimsOf({ sub: 'client-2' })), cause: /one client/ },
    { name: 'no iss', assertion: sign(claimsOf({ iss: undefined })), cause: /one client/ },
    { name: 'the claims of RFC 7523, section 4, which are a grant', assertion: sign({ iss: 'https://jwt-idp.example.com', sub: 'mailto:mike@example.com', aud: 'https://jwt-rp.example.net', nbf: 1300815780, exp: 1300819380, 'http://claims.example.com/member': true }), cause: /one client/ },
    ...['client-2', '', 'CLIENT-1', 'client-1 '].map((clientId) => ({ name: `client_id ${clientId}`, assertion: sign(), options: { clientId }, cause: /another client/ })),
    ...['nobody', '__proto__', 'constructor', 'CLIENT-1'].map((id) => ({ name: `T28: unknown client ${id}`, assertion: sign(of(id)), cause: /no such client/ })),
    { name: 'a look-up that finds another client', assertion: sign(of('other-id')), cause: /no such client/ },
    // Keys
    { name: 'signed by another client', assertion: sign(claimsOf(), { alg: 'ES256' }, foreign), cause: /signature/ },
    { name: 'a client without keys', assertion: sign(of('keyless')), cause: /no usable key/ },
    { name: 'a client with unusable keys', assertion: sign(of('broken')), cause: /no usable key/ },
    { name: 'HS256 with a secret of the client', assertion: sign(of('private'), { alg: 'HS256' }, hs256.key), cause: /no usable key/ },
    { name: 'a private key in the record', assertion: sign(of('private'), { alg: 'RS256' }, rsa.key), cause: /no usable key/ },
    { name: 'T3: an unknown kid', assertion: sign(claimsOf(), { alg: 'ES256', kid: 'c' }), cause: /no usable key/ },
    { name: 'T14: a kid that is a path', assertion: sign(claimsOf(), { alg: 'ES256', kid: '../../a' }), cause: /no usable key/ },
    { name: 'another algorithm', assertion: sign(claimsOf(), { alg: 'RS256' }, rsa.key), cause: /no usable key/ },
    ...['none', 'None', 'NONE', 'nOnE', '', 'es256', 'ES384', 'HS256', 'HS512'].map((alg) => ({ name: `T13: alg ${alg}`, assertion: sign(claimsOf(), { alg }), cause: /no usable key/ })),
    { name: 'T13: none without signature', assertion: `${encode({ alg: 'none' })}.${payload}.`, cause: /not a JWS/ },
    { name: 'T1: signed with the PEM of the public key', assertion: macOf(key.verifyKey.export({ format: 'pem', type: 'spki' })), cause: /no usable key/ },
    { name: 'T2: signed with the public JWK', assertion: macOf(JSON.stringify(publicJwk)), cause: /no usable key/ },
    { name: 'T14: signed with the key that it brings', assertion: sign(claimsOf(), { alg: 'ES256', jwk: foreign.verifyKey.export({ format: 'jwk' }) }, foreign), cause: /signature/ },
    { name: 'a changed payload', assertion: segments(header, encode(claimsOf({ exp: SECONDS + 61 })), signature), cause: /signature/ },
    { name: 'a changed header', assertion: segments(encode({ alg: 'ES256', typ: 'JWT' }), payload, signature), cause: /signature/ },
    { name: 'a DER signature', assertion: segments(header, payload, encode(Buffer.alloc(70, 1))), cause: /signature/ },
    // Audience
    ...[undefined, null, 1, '', {}, [], [ISSUER], [ISSUER, 'x'], `${ISSUER}/`, `${ISSUER}/connect/token`, 'HTTPS://ISSUER.EXAMPLE', 'https://other.example', `${ISSUER} x`].map((aud) => ({ name: `aud ${JSON.stringify(aud)}`, assertion: sign(claimsOf({ aud })), cause: /"aud"/ })),
    { name: 'a list, where further audiences are none', assertion: sign(claimsOf({ aud: [ISSUER] })), options: { legacyAudience: [] }, cause: /"aud"/ },
    { name: 'a list of others', assertion: sign(claimsOf({ aud: ['y', [ISSUER], null] })), options: { legacyAudience: ['x'] }, cause: /"aud"/ },
    { name: 'none, where there are further audiences', assertion: sign(claimsOf({ aud: undefined })), options: { legacyAudience: ['x'] }, cause: /"aud"/ },
    // Times
    ...[undefined, null, String(SECONDS + 60), true, [SECONDS + 60], {}].map((exp) => ({ name: `T12: exp ${JSON.stringify(exp)}`, assertion: sign(claimsOf({ exp })), cause: /"exp" is missing/ })),
    { name: 'T12: exp 1e999', assertion: sign(JSON.stringify(claimsOf()).replace(/"exp":\d+/, '"exp":1e999')), cause: /"exp" is missing/ },
    ...[SECONDS, SECONDS - 1, 0, -1].map((exp) => ({ name: `expired: ${exp - SECONDS}`, assertion: sign(claimsOf({ exp })), cause: /expired/ })),
    { name: 'expired, beyond what is tolerated', assertion: sign(claimsOf({ exp: SECONDS - 30 })), options: { tolerance: 30 }, cause: /expired/ },
    ...[SECONDS + 300.001, SECONDS + 301, SECONDS + 86_400, NOW, 1e300].map((exp) => ({ name: `too far ahead: ${exp - SECONDS}`, assertion: sign(claimsOf({ exp })), cause: /too far/ })),
    { name: 'too far ahead, whatever is tolerated', assertion: sign(claimsOf({ exp: SECONDS + 301 })), options: { tolerance: 30 }, cause: /too far/ },
    ...['nbf', 'iat'].flatMap((name) => [null, String(SECONDS), [SECONDS], false, SECONDS + 1, NOW].map((value) => ({ name: `T12: ${name} ${JSON.stringify(value)}`, assertion: sign(claimsOf({ [name]: value })), cause: /"nbf" or "iat"/ }))),
    ...['nbf', 'iat'].map((name) => ({ name: `${name} beyond what is tolerated`, assertion: sign(claimsOf({ [name]: SECONDS + 31 })), options: { tolerance: 30 }, cause: /"nbf" or "iat"/ })),
    // jti
    ...[undefined, null, '', 1, ['x'], {}, 'j'.repeat(257)].map((jti) => ({ name: `T12: jti ${JSON.stringify(jti)?.slice(0, 20)}`, assertion: sign(claimsOf({ jti })), cause: /"jti"/ }))
  ]
  fault.calls.length = 0
  for (const { name, assertion, options, cause } of refused) {
    const error: unknown = await verify(assertion, options).catch((error: unknown) => error)
    t.match(error, { ...REFUSED, cause: { message: cause } }, name)
    const text = inspect(error, { depth: 10, showHidden: true })
    if (assertion.length > 100) t.notOk(text.includes(assertion.slice(0, 60)) || text.includes('client-1'), `${name}: no word of it in the error`)
  }
  t.strictSame(fault.calls, [], 'nothing was used up')
  t.equal((await verify(good)).id, 'client-1')
  await store.close()
})

/** An HMAC key that our own import would refuse. */
function secretHalves (secret: string | Buffer): Pick<RingKey, 'verifyKey' | 'signKey'> {
  const key = createSecretKey(Buffer.from(secret))
  return { verifyKey: key, signKey: key }
}

t.test('whoever knows nothing of a client learns nothing of it: it is looked up once, and by its id alone', async (t) => {
  const { verify, sign, asked } = await world()
  await verify(sign())
  await verify(sign(claimsOf({ iss: 'nobody', sub: 'nobody' }))).catch(() => {})
  await verify(sign(claimsOf({ iss: '../../etc', sub: '../../etc' }))).catch(() => {})
  await verify('a.b.c').catch(() => {})
  await verify(sign(claimsOf({ iss: 'x'.repeat(101), sub: 'x'.repeat(101) }))).catch(() => {})
  t.strictSame(asked, ['client-1', 'nobody', '../../etc'], 'never with something that cannot be an id')
})

t.test('it is remembered until it is over for every tolerance', async (t) => {
  const { verify, sign, clock } = await world()
  const assertion = sign(claimsOf({ exp: SECONDS + 300 }))
  await verify(assertion, { tolerance: 60 })
  for (const seconds of [1, 299, 300, 359]) {
    clock.time = NOW + seconds * 1000
    await t.rejects(verify(assertion, { tolerance: 60 }), { ...REFUSED, cause: { message: /used before/ } }, `${seconds} seconds later`)
  }
  clock.time = NOW + 360_000
  await t.rejects(verify(assertion, { tolerance: 60 }), { ...REFUSED, cause: { message: /expired/ } })
})

t.test('an outage is no answer', async (t) => {
  const { verify, sign, fault } = await world()
  const outage = { code: 'FDT_STORE_UNAVAILABLE', statusCode: 503 }
  const assertion = sign()
  await t.rejects(verify(assertion, { find: async () => { throw new TypeError('connect ECONNREFUSED') } }), outage)
  await t.rejects(verify(assertion, { find: () => { throw new TypeError('not even a promise') } }), outage)
  fault.error = new TypeError('connect ECONNREFUSED')
  await t.rejects(verify(assertion), outage)
  await t.rejects(verify(sign(claimsOf({ aud: 'x' }))), REFUSED, 'what is wrong is wrong all the same')
  fault.error = undefined
  t.equal((await verify(assertion)).id, 'client-1')
})

t.test('the client that an assertion claims to be of', async (t) => {
  const { sign, foreign } = await world()
  t.equal(readAssertionClient(sign()), 'client-1')
  t.equal(readAssertionClient(sign(claimsOf({ exp: 0, aud: 'x' }), { alg: 'ES256' }, foreign)), 'client-1', 'whoever signed it')
  t.equal(readAssertionClient(`${encode({ alg: 'none' })}.${encode({ sub: 'x' })}.AA`), 'x')
  for (const sub of [undefined, null, 1, '', ['client-1'], 'c'.repeat(101), 'a\r\nb', 'é']) t.equal(readAssertionClient(sign(claimsOf({ sub }))), undefined, JSON.stringify(sub))
  for (const text of ['', 'a.b.c', sign('[]'), sign('x'), 'a'.repeat(10_000), sign(claimsOf({ padding: 'x'.repeat(8192) }))]) t.equal(readAssertionClient(text), undefined, text.slice(0, 20))
})
