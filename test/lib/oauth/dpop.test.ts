import { constants, createHmac, createPublicKey, generateKeyPairSync, publicDecrypt, sign as signBytes, verify as verifyBytes } from 'node:crypto'
import { inspect } from 'node:util'
import t from 'tap'
import { generateKey, jwkThumbprint, type JsonWebKey, type KeyAlgorithm, type RingKey } from '../../../lib/keys/index.ts'
import { importKey } from '../../../lib/keys/key-material.ts'
import { createDpop, type Dpop, type DpopOptions, type DpopRequest, readDpopHeader } from '../../../lib/oauth/dpop.ts'
import { createSingleUse } from '../../../lib/oauth/single-use.ts'
import { createMemoryStore } from '../../../lib/stores/memory.ts'
import { signJws } from '../../../lib/tokens/jws.ts'
import { faultyStore } from '../../support/faulty-store.ts'
import { encode, forge } from '../../support/tokens.ts'

const NOW = 1_800_000_000_000
const SECONDS = NOW / 1000
const PUBLIC_URL = 'https://api.example'
const TOKEN = 'Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU'
/** RFC 9449, section 7.1: that of the token above. */
const ATH = 'fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo'
const SECRET = 'mV8Jq2xW5pRz7LtYc3Nf9DkHs4Gb6QaE'
const REFUSED = { code: 'FDT_INVALID_DPOP_PROOF', statusCode: 400, message: 'The DPoP proof is missing or not valid' }
const NONCE_REQUIRED = { code: 'FDT_DPOP_NONCE_REQUIRED', statusCode: 400, message: 'The DPoP proof must hold the nonce of this answer' }

interface Pair {
  key: RingKey
  jwk: JsonWebKey
  jkt: string
}

async function makePair (algorithm: KeyAlgorithm): Promise<Pair> {
  const key = importKey({ key: await generateKey(algorithm) })
  const jwk = key.verifyKey.export({ format: 'jwk' }) as JsonWebKey // of one module and the other
  return { key, jwk, jkt: algorithm === 'HS256' ? '' : jwkThumbprint(jwk) }
}

let lastJti = 0

/** Claims of a good proof, and others. `undefined` takes one out. */
function claimsOf (more: Record<string, unknown> = {}): Record<string, unknown> {
  return { htm: 'POST', htu: `${PUBLIC_URL}/connect/token`, iat: SECONDS, jti: `jti-${++lastJti}`, ...more }
}

async function world (options: Partial<DpopOptions> = {}) {
  const pair = await makePair('ES256')
  const clock = { time: NOW }
  const now = (): number => clock.time
  const { store, fault } = faultyStore(createMemoryStore({ now }))
  const make = (more: Partial<DpopOptions> = {}): Dpop => createDpop({ publicUrl: PUBLIC_URL, singleUse: createSingleUse({ store, prefix: 'used', now }), now, ...options, ...more })
  const dpop = make()
  const prove = (claims: unknown = claimsOf(), header: Record<string, unknown> = {}, { key, jwk } = pair): string => forge({ typ: 'dpop+jwt', alg: key.algorithm, jwk, ...header }, claims, key)
  const verify = (proof: string, request: Partial<DpopRequest> = {}, verifier = dpop): Promise<{ jkt: string }> => verifier.verifyProof({ proof, method: 'POST', path: '/connect/token', ...request })
  return { ...pair, pair, clock, now, store, fault, dpop, make, prove, verify }
}

t.test('the examples of RFC 9449', async (t) => {
  // The key of sections 4.2 and 7.1; its thumbprint is in section 6.1.
  const HEADER = 'eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19'
  const jkt = '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I'

  // Section 4.2, figure 2
  const first = await world({ publicUrl: 'https://server.example.com' })
  first.clock.time = 1_562_262_616_000
  const asked = `${HEADER}.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg`
  t.strictSame(await first.verify(asked, { path: '/token' }), { jkt })
  await t.rejects(first.verify(asked, { path: '/token' }), { ...REFUSED, cause: { message: /used before/ } })

  // Section 7.1, figure 13
  const second = await world({ publicUrl: 'https://resource.example.org/' })
  second.clock.time = 1_562_262_618_000
  const used = `${HEADER}.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA`
  const request = { method: 'GET', path: '/protectedresource', accessToken: TOKEN, jkt }
  t.strictSame(await second.verify(used, request), { jkt })
})

t.test('a proof is good once, in all processes', async (t) => {
  const { prove, verify, make, jkt, fault } = await world()
  const other = make()
  const proof = prove()
  t.strictSame(await verify(proof), { jkt })
  await t.rejects(verify(proof), { ...REFUSED, cause: { message: /used before/ } })
  await t.rejects(verify(proof, {}, other), REFUSED, 'at another process')
  await t.rejects(verify(prove(claimsOf({ jti: `jti-${lastJti}`, iat: SECONDS + 1 }))), REFUSED, 'the same jti in another proof')
  t.strictSame(fault.calls, ['add', 'add', 'add', 'add'])

  const stranger = await makePair('ES256')
  t.strictSame(await verify(prove(claimsOf({ jti: 'jti-1' }), {}, stranger)), { jkt: stranger.jkt }, 'the jti of another key is another')

  const again = prove()
  const results = await Promise.allSettled(Array.from({ length: 20 }, (_, index) => verify(again, {}, index % 2 === 0 ? other : undefined)))
  t.equal(results.filter(({ status }) => status === 'fulfilled').length, 1, 'of many at the same time')
})

t.test('a proof is remembered for as long as it is in time', async (t) => {
  const { prove, verify, clock } = await world()
  const early = prove(claimsOf({ iat: SECONDS + 60 }))
  await verify(early)
  for (const seconds of [0, 60, 119, 120]) {
    clock.time = NOW + seconds * 1000
    await t.rejects(verify(early), { ...REFUSED, cause: { message: /used before/ } }, `${seconds} seconds later`)
  }
  clock.time = NOW + 120_001
  await t.rejects(verify(early), { ...REFUSED, cause: { message: /"iat"/ } })

  const last = prove(claimsOf({ iat: SECONDS + 120.001 - 60 }))
  await verify(last)
  await t.rejects(verify(last), { cause: { message: /used before/ } }, 'in its last millisecond too')
})

t.test('every algorithm', async (t) => {
  const { verify, dpop, make } = await world()
  const algorithms = ['ES256', 'EdDSA', 'RS256', 'PS256'] as const
  t.strictSame(dpop.algorithms, algorithms)
  t.ok(Object.isFrozen(dpop) && Object.isFrozen(dpop.algorithms))
  for (const algorithm of algorithms) {
    const { key, jwk, jkt } = await makePair(algorithm)
    const prove = (): Promise<string> => signJws({ typ: 'dpop+jwt', jwk }, JSON.stringify(claimsOf()), key)
    t.strictSame(await verify(await prove()), { jkt }, algorithm)
    t.strictSame(await verify(await prove(), {}, make({ algorithms: [algorithm] })), { jkt })
    await t.rejects(prove().then((proof) => verify(proof, {}, make({ algorithms: algorithms.filter((name) => name !== algorithm) }))), { ...REFUSED, cause: { message: /not allowed/ } })
  }
})

t.test('accepted', async (t) => {
  const { prove, verify, jkt, jwk } = await world()
  const accepted: Array<{ name: string, claims?: Record<string, unknown>, header?: Record<string, unknown>, request?: Partial<DpopRequest> }> = [
    { name: 'with an access token', claims: { ath: ATH }, request: { accessToken: TOKEN, jkt } },
    { name: 'ath where no token is', claims: { ath: 'x' } },
    { name: 'a nonce where none is asked for', claims: { nonce: 'x' } },
    { name: 'a minute old', claims: { iat: SECONDS - 60 } },
    { name: 'a minute ahead', claims: { iat: SECONDS + 60 } },
    { name: 'a fraction of a second', claims: { iat: SECONDS - 0.5 } },
    { name: 'a jti of 256 characters', claims: { jti: 'j'.repeat(256) } },
    { name: 'T28: a jti', claims: { jti: '__proto__' } },
    { name: 'another method', claims: { htm: 'PROPFIND' }, request: { method: 'PROPFIND' } },
    { name: 'what browsers write into a JWK', header: { jwk: { ...jwk, ext: true, key_ops: ['verify'] } } },
    { name: 'a JWK that says what it is', header: { jwk: { ...jwk, alg: 'ES256', use: 'sig', kid: 'my key #1' } } },
    { name: 'T14: whatever else is in the header', header: { kid: '../../x', jku: 'http://127.0.0.1:1/', x5u: 'http://127.0.0.1:1/' } },
    // The URL
    ...['https://API.example/connect/token', 'HTTPS://api.example/connect/token', 'https://api.example:443/connect/token', 'https://api.example/connect/token?a=b', 'https://api.example/connect/token#c', 'https://api.example/connect/token?x/../y', 'https://api.example/%63onnect/tok%65n', 'https://api.example/connect/token?']
      .map((htu) => ({ name: `htu ${htu}`, claims: { htu } })),
    ...['/connect/token?a=b', '/connect/token?../..', '/connect/token#x', '/%63onnect/token'].map((path) => ({ name: `path ${path}`, request: { path } })),
    ...[['/a%2fb', '/a%2Fb'], ['/~user', '/%7euser'], ['/%7Euser', '/~user'], ['/a%c3%a9', '/a%C3%A9'], ['//x', '//x'], ['/', ''], ['/', '/'], ['/a;b=c,d', '/a;b=c,d'], ['/.well-known/x..y/...', '/.well-known/x..y/...'], ['/a%252e', '/a%252e'], ["/a|b[c]'", "/a|b[c]'"], ['/@evil.test/', '/@evil.test/'], ['/a%zz', '/a%zz']]
      .map(([path = '', other = '']) => ({ name: `${path} is ${other}`, claims: { htu: PUBLIC_URL + other }, request: { path } }))
  ]
  for (const { name, claims, header, request } of accepted) {
    t.strictSame(await verify(prove(claimsOf(claims), header), request), { jkt }, name)
  }
})

t.test('the public URL may have a port, a path, an IPv6 address', async (t) => {
  const { prove, verify, make, jkt } = await world()
  for (const publicUrl of ['http://127.0.0.1:3000', 'http://[::1]:3000/', 'https://api.example/base', 'https://api.example/base/', 'http://localhost']) {
    const dpop = make({ publicUrl })
    const htu = `${publicUrl.replace(/\/$/, '')}/x`
    t.strictSame(await verify(prove(claimsOf({ htu })), { path: '/x' }, dpop), { jkt }, publicUrl)
    await t.rejects(verify(prove(claimsOf({ htu: `${PUBLIC_URL}/x` })), { path: '/x' }, dpop), REFUSED)
  }
})

t.test('refused, with one answer for all, and without using up the jti', async (t) => {
  const { prove, verify, jwk, jkt, key, pair, fault } = await world()
  const [stranger, hs256, ed25519] = [await makePair('ES256'), await makePair('HS256'), await makePair('EdDSA')]
  const d = key.signKey?.export({ format: 'jwk' }).d
  const good = prove()
  const [header = '', payload = '', signature = ''] = good.split('.')
  const segments = (...parts: string[]): string => parts.join('.')
  const withHeader = (more: Record<string, unknown>): string => prove(claimsOf(), more)
  const withClaims = (more: Record<string, unknown>): string => prove(claimsOf(more))
  const macOf = (secret: string): string => {
    const input = `${encode({ typ: 'dpop+jwt', alg: 'HS256', jwk })}.${encode(claimsOf())}`
    return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`
  }

  const refused: Array<{ name: string, proof: string, request?: Partial<DpopRequest>, cause?: RegExp }> = [
    // T11, T15
    ...['', '.', 'a.b.c', `${good}.`, segments(header, payload), segments(header, payload, ''), ` ${good}`, `${good}=`, `${good}, ${good}`, segments(header, payload, signature, '', ''), `DPoP ${good}`].map((proof) => ({ name: `T11, T15: ${proof.slice(0, 12)}…${proof.length}`, proof })),
    { name: 'T8: too long', proof: withClaims({ padding: 'x'.repeat(8192) }), cause: /too long/ },
    { name: 'T8: a megabyte', proof: 'a'.repeat(1_000_000), cause: /too long/ },
    ...[['exp'], [], null, 0, false, '', {}].map((crit) => ({ name: `T5: crit ${JSON.stringify(crit)}`, proof: withHeader({ crit }) })),
    { name: 'T5: b64', proof: withHeader({ b64: true }) },
    { name: 'T15: zip', proof: withHeader({ zip: 'DEF' }) },
    ...[[claimsOf()], 'text', 'null', '1', '', [], '{"a":1,"a":1}', Buffer.of(0x7b, 0xff, 0x7d)].map((content) => ({ name: `T9: ${JSON.stringify(content).slice(0, 30)}`, proof: prove(content), cause: /JSON object/ })),
    // T30
    ...[undefined, null, '', 'JWT', 'at+jwt', 'DPOP+JWT', 'application/dpop+jwt', 'dpop+jwt ', 'client-authentication+jwt', ['dpop+jwt']].map((typ) => ({ name: `T30: typ ${JSON.stringify(typ)}`, proof: withHeader({ typ }), cause: /another kind/ })),
    // T13
    ...['none', 'None', 'NONE', 'HS256', 'HS384', 'ES384', 'es256', ''].map((alg) => ({ name: `T13: alg ${alg}`, proof: withHeader({ alg }), cause: /not allowed/ })),
    { name: 'HS256 with a secret in the JWK', proof: prove(claimsOf(), {}, hs256), cause: /not allowed/ },
    { name: 'T1: signed with the PEM of the public key', proof: macOf(key.verifyKey.export({ format: 'pem', type: 'spki' }).toString()), cause: /not allowed/ },
    { name: 'T2: signed with the public JWK', proof: macOf(JSON.stringify(jwk)), cause: /not allowed/ },
    // The key
    ...[undefined, null, 'x', 1, [], [jwk], key.verifyKey.export({ format: 'pem', type: 'spki' }), SECRET].map((jwk) => ({ name: `jwk ${JSON.stringify(jwk)?.slice(0, 20)}`, proof: withHeader({ jwk }), cause: /"jwk"/ })),
    ...['d', 'k', 'p', 'q', 'dp', 'dq', 'qi', 'oth'].flatMap((name) => [d, '', null].map((value) => ({ name: `a JWK with ${name} ${value === d ? '' : JSON.stringify(value)}`, proof: withHeader({ jwk: { ...jwk, [name]: value } }), cause: /"jwk"/ }))),
    ...[{}, { kty: 'EC' }, { ...jwk, kty: 'oct' }, { ...jwk, kty: undefined }, { ...jwk, crv: 'P-384' }, { ...jwk, crv: 'secp256k1' }, { ...jwk, x: '' }, { ...jwk, x: 1 }, { ...jwk, x: jwk.y }, { ...jwk, x: `${jwk.x}=` }, { ...jwk, y: undefined }].map((jwk) => ({ name: `JWK ${JSON.stringify(jwk).slice(0, 40)}`, proof: withHeader({ jwk }), cause: /cannot be used/ })),
    { name: 'T44: a JWK for encryption', proof: withHeader({ jwk: { ...jwk, use: 'enc' } }), cause: /cannot be used/ },
    { name: 'T44: a JWK that may not verify', proof: withHeader({ jwk: { ...jwk, key_ops: ['sign'] } }), cause: /cannot be used/ },
    { name: 'T44: a JWK of another algorithm', proof: withHeader({ jwk: { ...jwk, alg: 'ES384' } }), cause: /cannot be used/ },
    { name: 'a key of another type', proof: withHeader({ jwk: ed25519.jwk }), cause: /cannot be used/ },
    { name: 'a weak RSA key', proof: weakProof(), cause: /too weak/ },
    { name: 'the key of somebody else', proof: withHeader({ jwk: stranger.jwk }) },
    { name: 'signed by somebody else', proof: prove(claimsOf(), { jwk }, stranger) },
    { name: 'a changed payload', proof: segments(header, encode(claimsOf({ htm: 'GET' })), signature) },
    { name: 'a changed header', proof: segments(encode({ typ: 'dpop+jwt', alg: 'ES256', jwk, kid: 'x' }), payload, signature) },
    // The request
    ...[undefined, null, 'post', 'GET', 'POST ', '', ['POST']].map((htm) => ({ name: `htm ${JSON.stringify(htm)}`, proof: withClaims({ htm }), cause: /method/ })),
    ...['GET', 'post', 'HEAD'].map((method) => ({ name: `method ${method}`, proof: withClaims({}), request: { method }, cause: /method/ })),
    ...[
      undefined, null, 1, '', [`${PUBLIC_URL}/connect/token`], '/connect/token', '//api.example/connect/token', 'https:/connect/token', 'https://api.example', 'https://api.example/', 'https://api.example/connect/token/', 'https://api.example/Connect/token', 'https://api.example//connect/token',
      'http://api.example/connect/token', 'http://api.example:443/connect/token', 'https://api.example:8443/connect/token', 'https://api.example./connect/token', 'https://evil.test/connect/token', 'https://api.example.evil.test/connect/token', 'https://evil.test/https://api.example/connect/token',
      'https://evil.test@api.example/connect/token', 'https://api.example@evil.test/connect/token', 'https://api.example\\connect\\token', 'https://api.example/connect\\token', 'https://evil.test\\@api.example/connect/token', 'https:\\\\api.example/connect/token',
      'https://api.example/./connect/token', 'https://api.example/x/../connect/token', 'https://api.example/x/%2e%2e/connect/token', 'https://api.example/x/%2E./connect/token', 'https://api.example/connect/token/.', 'https://api.example/connect/token/..', 'https://api.example/connect%2ftoken',
      ' https://api.example/connect/token', 'https://api.example/connect/token ', 'https://api.example/connect/to\tken', 'https://api.example/connect/token\n', 'https://api.ex\nample/connect/token', 'https://api.example:/connect/token:', 'https://api.example:99999/connect/token', 'https://[::1/connect/token', 'https://%61pi.example/connect/token', 'https://ａpi.example/connect/token', 'ftp://api.example/connect/token', 'xhttps://api.example/connect/token',
      '?https://api.example/connect/token', '#https://api.example/connect/token', 'https://?/connect/token', 'https://api.example/connect/tokén'
    ].map((htu) => ({ name: `htu ${JSON.stringify(htu)}`, proof: withClaims({ htu }), cause: /URL/ })),
    // In absolute form, and what would move the host: never part of the public URL.
    ...['', 'x', '*', 'connect/token', 'https://api.example/connect/token', 'http://evil.test/connect/token', '.evil.test/connect/token', '@evil.test/connect/token', ':8443/connect/token', '?/connect/token', ' /connect/token', '/connect/token/', '/CONNECT/token', '/connect/tokén', '/connect\\token'].map((path) => ({ name: `path ${path}`, proof: withClaims({}), request: { path }, cause: /URL/ })),
    ...['.evil.test/connect/token', '@evil.test/connect/token', ':8443/connect/token'].map((path) => ({ name: `path and htu ${path}`, proof: withClaims({ htu: PUBLIC_URL + path }), request: { path }, cause: /URL/ })),
    ...['/a/../connect/token', '/connect/token/..', '/./connect/token', '/connect/.', '/%2e%2E/connect/token', '/a\\b', '/a b', '/é', '/a\tb'].map((path) => ({ name: `path and htu ${path}`, proof: withClaims({ htu: PUBLIC_URL + path }), request: { path }, cause: /URL/ })),
    // Time
    ...[undefined, null, String(SECONDS), true, [SECONDS], {}, SECONDS - 60.001, SECONDS + 60.001, SECONDS - 61, SECONDS + 61, 0, -SECONDS, NOW].map((iat) => ({ name: `T12: iat ${JSON.stringify(iat)}`, proof: withClaims({ iat }), cause: /"iat"/ })),
    { name: 'T12: iat 1e999', proof: prove(JSON.stringify(claimsOf()).replace(/"iat":\d+/, '"iat":1e999')), cause: /"iat"/ },
    ...[undefined, null, '', 1, ['x'], {}, 'j'.repeat(257)].map((jti) => ({ name: `T12: jti ${JSON.stringify(jti)?.slice(0, 20)}`, proof: withClaims({ jti }), cause: /"jti"/ })),
    // The token
    ...[undefined, null, '', ATH.slice(0, -1), `${ATH}=`, ATH.toLowerCase(), TOKEN, [ATH]].map((ath) => ({ name: `ath ${JSON.stringify(ath)}`, proof: withClaims({ ath }), request: { accessToken: TOKEN, jkt }, cause: /access token/ })),
    { name: 'ath of another token', proof: withClaims({ ath: ATH }), request: { accessToken: `${TOKEN}x`, jkt }, cause: /access token/ },
    { name: 'an empty token', proof: withClaims({}), request: { accessToken: '' }, cause: /access token/ },
    ...[stranger.jkt, '', jkt.toLowerCase(), `${jkt}=`].map((bound) => ({ name: `a token of ${bound}`, proof: withClaims({ ath: ATH }), request: { accessToken: TOKEN, jkt: bound }, cause: /another key/ }))
  ]
  for (const { name, proof, request, cause } of refused) {
    const error: unknown = await verify(proof, request).catch((error: unknown) => error)
    t.match(error, { ...REFUSED, cause: { message: cause ?? /./ } }, name)
    const text = inspect(error, { depth: 10, showHidden: true })
    if (proof.length > 100) t.notOk([proof.slice(0, 60), jwk.x ?? '', TOKEN, ATH].some((secret) => text.includes(secret)), `${name}: no word of it in the error`)
  }
  t.strictSame(fault.calls, [], 'nothing was used up')
  t.strictSame(await verify(good), { jkt: pair.jkt })
})

/** Signed as it should be, by a key of 1024 bits. */
function weakProof (): string {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 1024 })
  return rsaProof(publicKey.export({ format: 'jwk' }), (input) => signBytes('sha256', input, privateKey))
}

function rsaProof (jwk: unknown, sign: (input: Buffer) => Buffer): string {
  const input = `${encode({ typ: 'dpop+jwt', alg: 'RS256', jwk })}.${encode(claimsOf())}`
  return `${input}.${sign(Buffer.from(input)).toString('base64url')}`
}

t.test('an exponent that makes checks slow is refused, though the signature is right', async (t) => {
  const { verify } = await world()
  for (const publicExponent of [0x10001, 0xFFFFFFFB]) {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent })
    const proof = rsaProof(publicKey.export({ format: 'jwk' }), (input) => signBytes('sha256', input, privateKey))
    t.match(await verify(proof), { jkt: /./ }, String(publicExponent))
  }

  // Both exponents undo each other, so the private one can be published and the other kept.
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const raise = (bytes: Buffer): Buffer => publicDecrypt({ key: publicKey, padding: constants.RSA_NO_PADDING }, bytes)
  const { n = '', d: e = '' } = privateKey.export({ format: 'jwk' })
  const swapped = createPublicKey({ key: { kty: 'RSA', n, e }, format: 'jwk' })
  const proof = rsaProof({ kty: 'RSA', n, e }, (input) => {
    const signature = raise(raise(signBytes('sha256', input, privateKey)))
    t.ok(verifyBytes('sha256', input, swapped, signature))
    return signature
  })
  await t.rejects(verify(proof), { ...REFUSED, cause: { message: /exponent/ } })
})

t.test('a nonce of the last ten minutes at most, from any process', async (t) => {
  const { prove, verify, dpop: without, make, clock, jkt, fault } = await world()
  t.equal(without.nonce(), undefined)
  const [dpop, other, stranger] = [make({ nonceSecret: SECRET }), make({ nonceSecret: Buffer.from(SECRET) }), make({ nonceSecret: `${SECRET}x` })]
  const nonce = dpop.nonce()
  t.match(nonce, /^[\w-]{43}$/)
  t.equal(other.nonce(), nonce)
  t.not(stranger.nonce(), nonce)

  const refused = [undefined, null, '', 1, [nonce], `${nonce}=`, `${nonce}x`, nonce?.slice(1), nonce?.toLowerCase(), stranger.nonce(), 'é'.repeat(43), 'x'.repeat(43)]
  fault.calls.length = 0
  for (const claim of refused) await t.rejects(verify(prove(claimsOf({ nonce: claim })), {}, dpop), NONCE_REQUIRED, JSON.stringify(claim))
  await t.rejects(verify(prove(claimsOf({ htm: 'GET' })), {}, dpop), REFUSED, 'what is wrong otherwise gets no better by a nonce')
  t.strictSame(fault.calls, [])

  const windowStart = NOW - NOW % 300_000
  clock.time = windowStart
  const first = dpop.nonce()
  const proveNow = (): string => prove(claimsOf({ iat: clock.time / 1000, nonce: first }))
  for (const later of [0, 299_999, 300_000, 599_999]) {
    clock.time = windowStart + later
    t.strictSame(await verify(proveNow(), {}, later % 2 === 0 ? dpop : other), { jkt }, `${later} ms later`)
    t.equal(dpop.nonce() === first, later < 300_000)
  }
  for (const later of [600_000, 900_000, -1]) {
    clock.time = windowStart + later
    await t.rejects(verify(proveNow(), {}, dpop), NONCE_REQUIRED, `${later} ms later`)
  }
})

t.test('an outage is no answer', async (t) => {
  const { prove, verify, fault, jkt } = await world()
  const proof = prove()
  fault.error = new TypeError('connect ECONNREFUSED')
  await t.rejects(verify(proof), { code: 'FDT_STORE_UNAVAILABLE', statusCode: 503 })
  await t.rejects(verify(prove(claimsOf({ htm: 'GET' }))), REFUSED)
  fault.error = undefined
  t.strictSame(await verify(proof), { jkt })
})

t.test('options are checked when it is made', async (t) => {
  const { make } = await world()
  const publicUrls = [undefined, null, '', 1, 'api.example', 'ftp://api.example', 'https://u@api.example', 'https://api.example/?a', 'https://api.example#b', 'HTTPS://api.example', 'https://api.example:443', 'https://api.example/a/../b', new URL(PUBLIC_URL)]
  const algorithms = [null, [], 'ES256', ['HS256'], ['none'], ['ES256', 'HS256'], ['ES256', undefined], {}]
  const nonceSecrets = [null, 1, {}, [], true]
  for (const [name, values] of Object.entries({ publicUrl: publicUrls, algorithms, nonceSecret: nonceSecrets })) {
    for (const value of values) {
      t.throws(() => make({ [name]: value } as Partial<DpopOptions>), { code: 'FDT_INVALID_OPTION', statusCode: 500, message: new RegExp(name) }, `${name}: ${JSON.stringify(value)}`)
    }
  }
  for (const nonceSecret of ['mV8Jq2xW5pRz7LtYc3Nf9DkHs4Gb6Qa', Buffer.alloc(31, SECRET), 'a'.repeat(32), 'your-256-bit-secret-your-256-bit-secret']) t.throws(() => make({ nonceSecret }), { code: 'FDT_WEAK_KEY' })
  for (const nonceSecret of ['', ' '.repeat(40), `${SECRET}\n`, generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()]) t.throws(() => make({ nonceSecret }), { code: 'FDT_UNUSABLE_KEY' })

  const own = ['ES256' as const]
  const dpop = make({ algorithms: own })
  own.length = 0
  t.strictSame(dpop.algorithms, ['ES256'], 'what the caller does to the list later is of no concern')
})

t.test('a request has one DPoP header', (t) => {
  t.strictSame(readDpopHeader([]), { state: 'absent' })
  t.strictSame(readDpopHeader(['Host', 'dpop', 'X-DPoP', 'a', 'dpop-nonce', 'b']), { state: 'absent' })
  t.strictSame(readDpopHeader(['Host', 'x', 'DPoP', 'a.b.c']), { state: 'present', text: 'a.b.c' })
  t.strictSame(readDpopHeader(['dpop', '']), { state: 'present', text: '' })
  t.strictSame(readDpopHeader(['DPOP', 'a', 'Host', 'x', 'dpop', 'a']), { state: 'several' })
  t.strictSame(readDpopHeader(['dpop', '', 'dpop', '']), { state: 'several' })
  t.strictSame(readDpopHeader(['dpop', 'dpop']), { state: 'present', text: 'dpop' })
  t.end()
})
