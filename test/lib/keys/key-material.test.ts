import { createSecretKey, generateKeyPairSync, generateKeySync, randomBytes, type JsonWebKey, type KeyExportOptions, type KeyObject } from 'node:crypto'
import t from 'tap'
import { generateKey, jwkThumbprint, publicJwks, createKeyRing, type KeyAlgorithm, type KeyInput } from '../../../lib/keys/index.ts'
import { importKey } from '../../../lib/keys/key-material.ts'

const UNUSABLE = { code: 'FDT_UNUSABLE_KEY', statusCode: 500 }
const WEAK = { code: 'FDT_WEAK_KEY', statusCode: 500 }

const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const ed = generateKeyPairSync('ed25519')
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const SECRET = 'f2Vb0Lr8-sEyUqGm5xNwJk3PzTdHc7oA'

/** The types of node have the length of the salt as text. */
function pssPair (options: object): { publicKey: KeyObject, privateKey: KeyObject } {
  return generateKeyPairSync('rsa-pss', { modulusLength: 2048, ...options })
}

function jwkOf (key: KeyObject): JsonWebKey {
  return key.export({ format: 'jwk' })
}

function pemOf (key: KeyObject, type: NonNullable<KeyExportOptions<'pem'>['type']>): string {
  return String(key.export({ format: 'pem', type }))
}

t.test('what a key is made of, and which algorithm it gets', async (t) => {
  const pss = pssPair({ hashAlgorithm: 'sha256', mgf1HashAlgorithm: 'sha256', saltLength: 32 })
  const freePss = pssPair({})
  const cases: Array<{ name: string, input: KeyInput, algorithm: KeyAlgorithm, signs: boolean }> = [
    { name: 'secret as text', input: { key: SECRET }, algorithm: 'HS256', signs: true },
    { name: 'secret with its algorithm', input: { key: SECRET, algorithm: 'HS256' }, algorithm: 'HS256', signs: true },
    { name: 'secret that is not ASCII', input: { key: 'größer-als-Österreich-и-Россия-42' }, algorithm: 'HS256', signs: true },
    { name: 'secret in base64', input: { key: randomBytes(48).toString('base64') }, algorithm: 'HS256', signs: true },
    { name: 'secret in hex', input: { key: randomBytes(32).toString('hex') }, algorithm: 'HS256', signs: true },
    { name: 'secret that starts like JSON', input: { key: `{${SECRET}` }, algorithm: 'HS256', signs: true },
    { name: 'secret as bytes', input: { key: randomBytes(32) }, algorithm: 'HS256', signs: true },
    { name: 'secret as KeyObject', input: { key: generateKeySync('hmac', { length: 256 }) }, algorithm: 'HS256', signs: true },
    { name: 'secret as JWK', input: { key: { kty: 'oct', k: randomBytes(32).toString('base64url') } }, algorithm: 'HS256', signs: true },
    { name: 'secret that may only verify', input: { key: { kty: 'oct', k: randomBytes(32).toString('base64url'), key_ops: ['verify'] } }, algorithm: 'HS256', signs: false },
    { name: 'EC PKCS#8', input: { key: pemOf(ec.privateKey, 'pkcs8') }, algorithm: 'ES256', signs: true },
    { name: 'EC SEC 1', input: { key: pemOf(ec.privateKey, 'sec1') }, algorithm: 'ES256', signs: true },
    { name: 'EC SPKI with CRLF', input: { key: pemOf(ec.publicKey, 'spki').replaceAll('\n', '\r\n') }, algorithm: 'ES256', signs: false },
    { name: 'EC private JWK', input: { key: jwkOf(ec.privateKey) }, algorithm: 'ES256', signs: true },
    { name: 'EC private JWK that may only verify', input: { key: { ...jwkOf(ec.privateKey), key_ops: ['verify'] } }, algorithm: 'ES256', signs: false },
    { name: 'EC private JWK for signing', input: { key: { ...jwkOf(ec.privateKey), key_ops: ['sign'], use: 'sig' } }, algorithm: 'ES256', signs: true },
    { name: 'EC public JWK', input: { key: { ...jwkOf(ec.publicKey), key_ops: ['verify'], alg: 'ES256' } }, algorithm: 'ES256', signs: false },
    { name: 'EC KeyObject', input: { key: ec.publicKey }, algorithm: 'ES256', signs: false },
    { name: 'Ed25519 PEM', input: { key: pemOf(ed.privateKey, 'pkcs8') }, algorithm: 'EdDSA', signs: true },
    { name: 'Ed25519 JWK', input: { key: jwkOf(ed.privateKey) }, algorithm: 'EdDSA', signs: true },
    { name: 'Ed25519 JWK that says so as RFC 9864 does', input: { key: { ...jwkOf(ed.privateKey), alg: 'Ed25519' } }, algorithm: 'EdDSA', signs: true },
    { name: 'RSA PKCS#1', input: { key: pemOf(rsa.privateKey, 'pkcs1'), algorithm: 'RS256' }, algorithm: 'RS256', signs: true },
    { name: 'RSA public PKCS#1', input: { key: pemOf(rsa.publicKey, 'pkcs1'), algorithm: 'PS256' }, algorithm: 'PS256', signs: false },
    { name: 'RSA JWK with alg', input: { key: { ...jwkOf(rsa.privateKey), alg: 'PS256' } }, algorithm: 'PS256', signs: true },
    { name: 'RSA-PSS private', input: { key: pss.privateKey }, algorithm: 'PS256', signs: true },
    { name: 'RSA-PSS public', input: { key: pemOf(pss.publicKey, 'spki'), algorithm: 'PS256' }, algorithm: 'PS256', signs: false },
    { name: 'RSA-PSS without parameters', input: { key: pemOf(freePss.privateKey, 'pkcs8') }, algorithm: 'PS256', signs: true }
  ]
  for (const { name, input, algorithm, signs } of cases) {
    const key = importKey(input)
    t.equal(key.algorithm, algorithm, name)
    t.equal(key.signKey !== undefined, signs, `${name}: signs`)
    t.equal('signKey' in key, signs)
    t.ok(Object.isFrozen(key))
    if (signs) t.equal(importKey(input, { needPrivate: true }).kid, key.kid, 'the same name each time')
    else t.throws(() => importKey(input, { needPrivate: true }), { ...UNUSABLE, message: /private half/ }, name)
  }
  t.equal(importKey({ key: pss.privateKey }).kid, importKey({ key: pss.publicKey }).kid)
})

t.test('T4, T16: keys that cannot serve', async (t) => {
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' })
  const k256 = generateKeyPairSync('ec', { namedCurve: 'secp256k1' })
  const encrypted = ec.privateKey.export({ format: 'pem', type: 'pkcs8', cipher: 'aes-256-cbc', passphrase: 'x' }).toString()
  const legacy = ec.privateKey.export({ format: 'pem', type: 'sec1', cipher: 'aes-256-cbc', passphrase: 'x' }).toString()
  const pss = (options: object): KeyObject => pssPair(options).privateKey
  const refused: Array<{ name: string, input: unknown }> = [
    { name: 'nothing', input: undefined },
    { name: 'null', input: null },
    { name: 'a bare string', input: SECRET },
    ...[undefined, null, 1, true, '', ' ', '\n\t ', '\u00A0', '\uFEFF', Buffer.of(), [], {}, { keys: [jwkOf(ec.publicKey)] }].map((key) => ({ name: `key: ${JSON.stringify(key)}`, input: { key } })),
    ...[` ${SECRET}`, `${SECRET}\n`, `${SECRET}\r\n`, `\t${SECRET}`, `\uFEFF${SECRET}`, `"${SECRET}"`, `'${SECRET}'`, `\`${SECRET}\``, Buffer.from(`${SECRET}\n`), Buffer.from(`"${SECRET}"`), createSecretKey(Buffer.from(`${SECRET} `))].map((key) => ({ name: `spelled ${JSON.stringify(key)}`, input: { key } })),
    { name: 'text that is not UTF-16', input: { key: `${SECRET}\uD800` } },
    { name: 'P-384', input: { key: p384.privateKey } },
    { name: 'P-384 as JWK', input: { key: jwkOf(p384.publicKey) } },
    { name: 'P-384 declared ES256', input: { key: pemOf(p384.publicKey, 'spki'), algorithm: 'ES256' } },
    { name: 'secp256k1', input: { key: k256.privateKey } },
    { name: 'X25519', input: { key: generateKeyPairSync('x25519').privateKey } },
    { name: 'X25519 as JWK', input: { key: jwkOf(generateKeyPairSync('x25519').publicKey) } },
    { name: 'Ed448', input: { key: generateKeyPairSync('ed448').privateKey } },
    { name: 'RSA-PSS with SHA-512', input: { key: pss({ hashAlgorithm: 'sha512', mgf1HashAlgorithm: 'sha512', saltLength: 64 }) } },
    { name: 'RSA-PSS with another MGF', input: { key: pss({ hashAlgorithm: 'sha256', mgf1HashAlgorithm: 'sha1', saltLength: 32 }) } },
    { name: 'RSA-PSS with a longer salt', input: { key: pss({ hashAlgorithm: 'sha256', mgf1HashAlgorithm: 'sha256', saltLength: 48 }) } },
    { name: 'RSA-PSS for RS256', input: { key: pss({}), algorithm: 'RS256' } },
    { name: 'RSA without an algorithm', input: { key: rsa.privateKey } },
    { name: 'RSA that nobody can serve', input: { key: { kty: 'RSA', n: Buffer.concat([Buffer.of(0x80), randomBytes(1023), Buffer.of(1)]).toString('base64url'), e: 'AQAB', alg: 'RS256' } } },
    { name: 'encrypted PEM', input: { key: encrypted } },
    { name: 'encrypted PEM of the old kind', input: { key: legacy } },
    { name: 'PEM of something else', input: { key: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----' } },
    { name: 'broken private PEM', input: { key: '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----' } },
    { name: 'broken public PEM', input: { key: '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----' } },
    ...['none', 'NONE', 'HS384', 'ES384', 'RS512', 'EDDSA', '', null, 0, [], ['ES256']].map((algorithm) => ({ name: `algorithm ${JSON.stringify(algorithm)}`, input: { key: ec.privateKey, algorithm } })),
    { name: 'HS256 with an EC key', input: { key: ec.publicKey, algorithm: 'HS256' } },
    { name: 'ES256 with a secret', input: { key: SECRET, algorithm: 'ES256' } },
    { name: 'RS256 with an EC key', input: { key: ec.publicKey, algorithm: 'RS256' } },
    { name: 'EdDSA with an EC key', input: { key: ec.publicKey, algorithm: 'EdDSA' } },
    ...['', 'a b', 'é', 'k'.repeat(129), '../x', 'a/b', 'a\n', null, 1, {}].map((kid) => ({ name: `kid ${JSON.stringify(kid)}`, input: { key: SECRET, kid } })),
    // What reads like a key is no secret.
    { name: 'private PEM as a secret', input: { key: pemOf(ec.privateKey, 'pkcs8'), algorithm: 'HS256' } },
    { name: 'private DER as a secret', input: { key: ec.privateKey.export({ format: 'der', type: 'pkcs8' }) } },
    { name: 'private DER in base64 as a secret', input: { key: rsa.privateKey.export({ format: 'der', type: 'pkcs1' }).toString('base64') } },
    { name: 'private DER in hex as a secret', input: { key: ed.privateKey.export({ format: 'der', type: 'pkcs8' }).toString('hex') } },
    { name: 'private JWK as a secret', input: { key: JSON.stringify(jwkOf(ec.privateKey)) } },
    { name: 'SSH key as a secret', input: { key: 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGx2b3VpZHRoZXJlYmVhbnlzdWNoa2V5 me@here' } },
    { name: 'certificate as a secret', input: { key: '-----begin certificate-----\nMIIB' } }
  ]
  for (const { name, input } of refused) {
    t.throws(() => importKey(input as KeyInput), UNUSABLE, name)
    t.throws(() => createKeyRing([input as KeyInput]), UNUSABLE, name)
  }
  t.throws(() => importKey({ key: encrypted }), { message: /decrypt/ })
  t.throws(() => importKey({ key: rsa.privateKey }), { message: /RS256 or PS256/ })
})

t.test('T4: keys that can be guessed or broken', async (t) => {
  const weak: Array<{ name: string, input: KeyInput }> = [
    ...['secret', 'changeme', 'your-256-bit-secret', 'password', 'a', SECRET.slice(0, 31)].map((key) => ({ name: key, input: { key } })),
    ...[
      'a-string-secret-at-least-256-bits-long',
      'a-valid-string-secret-that-is-at-least-512-bits-long-which-is-very-long',
      'your-super-secret-jwt-token-with-at-least-32-characters-long',
      'Please-Change-Me: this is my secret key!',
      'SECRET_KEY_FOR_PRODUCTION_CHANGE_ME_2024',
      'a'.repeat(32), 'ab'.repeat(40), 'secret'.repeat(6), '0123456789abcdef'.repeat(2), 'abcdefghijklmnopqrstuvwxyz{|}~\u007f'.slice(0, 30) + '  x'.trim(), 'changeme'.repeat(5)
    ].map((key) => ({ name: key, input: { key } })),
    { name: '31 bytes', input: { key: randomBytes(31) } },
    { name: 'zeros', input: { key: Buffer.alloc(32) } },
    { name: 'zeros as JWK', input: { key: { kty: 'oct', k: Buffer.alloc(64).toString('base64url') } } },
    { name: 'zeros as KeyObject', input: { key: createSecretKey(Buffer.alloc(32)) } },
    { name: 'a staircase', input: { key: Buffer.from(Array.from({ length: 64 }, (_, index) => index)) } },
    { name: 'RSA of 1024 bits', input: { key: generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey, algorithm: 'RS256' } },
    { name: 'RSA of 2040 bits', input: { key: generateKeyPairSync('rsa', { modulusLength: 2040 }).publicKey, algorithm: 'PS256' } },
    { name: 'RSA-PSS of 1024 bits', input: { key: generateKeyPairSync('rsa-pss', { modulusLength: 1024 }).privateKey } },
    { name: 'RSA with exponent 3', input: { key: generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 }).privateKey, algorithm: 'RS256' } },
    { name: 'RSA with exponent 1', input: { key: { ...jwkOf(rsa.publicKey), e: 'AQ', alg: 'RS256' } } },
    { name: 'RSA with an even exponent', input: { key: { ...jwkOf(rsa.publicKey), e: 'AQAC', alg: 'RS256' } } },
    { name: 'RSA of the broken generator', input: { key: { kty: 'RSA', n: brokenModulus(), e: 'AQAB', alg: 'RS256' } } }
  ]
  for (const { name, input } of weak) t.throws(() => importKey(input), WEAK, name)
})

/** A number that is 65537 modulo every small prime, as CVE-2017-15361 makes them. */
function brokenModulus (): string {
  const primes = [2, 11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157]
  const product = primes.reduce((result, prime) => result * BigInt(prime), 1n)
  const modulus = (2n ** 2047n / product + 1n) * product + 65537n
  return Buffer.from(modulus.toString(16), 'hex').toString('base64url')
}

t.test('T44: JWKs for something else, or spelled in another way', async (t) => {
  const [ecJwk, edJwk, rsaJwk] = [jwkOf(ec.privateKey), jwkOf(ed.privateKey), { ...jwkOf(rsa.privateKey), alg: 'RS256' }]
  const other = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const octets = randomBytes(32).toString('base64url')
  const refused: Array<{ name: string, key: object, algorithm?: KeyAlgorithm }> = [
    ...['enc', '', null, 'SIG', 1].map((use) => ({ name: `use ${use}`, key: { ...ecJwk, use } })),
    ...[[], ['encrypt'], ['deriveKey'], ['sign', 'encrypt'], ['sign, verify'], 'sign', null, [null], {}].map((operations) => ({ name: `key_ops ${JSON.stringify(operations)}`, key: { ...ecJwk, key_ops: operations } })),
    { name: 'a public half that may only sign', key: { ...jwkOf(ec.publicKey), key_ops: ['sign'] } },
    { name: 'use enc on a secret', key: { kty: 'oct', k: octets, use: 'enc' } },
    { name: 'key_ops on a secret', key: { kty: 'oct', k: octets, key_ops: ['wrapKey'] } },
    { name: 'another alg', key: { ...rsaJwk }, algorithm: 'PS256' },
    ...['ES384', 'ES256K', 'RS256', 'none', '', null, 1].map((alg) => ({ name: `alg ${alg}`, key: { ...ecJwk, alg } })),
    ...['HS384', 'A256GCM', 'A256KW', 'ES256'].map((alg) => ({ name: `alg ${alg} on a secret`, key: { kty: 'oct', k: octets, alg } })),
    ...['', undefined, null, 1, `${octets}=`, ` ${octets}`, `${octets.slice(0, -1)}+`].map((k) => ({ name: `k ${JSON.stringify(k)}`, key: { kty: 'oct', k } })),
    { name: 'unused bits in k', key: { kty: 'oct', k: `${Buffer.alloc(32, 'f2Vb0Lr8').toString('base64url').slice(0, -1)}B` } },
    ...['x', 'y', 'd'].flatMap((name) => spellings(String(ecJwk[name])).map((value) => ({ name: `EC ${name}: ${JSON.stringify(value)}`, key: { ...ecJwk, [name]: value } }))),
    ...['x', 'd'].flatMap((name) => spellings(String(edJwk[name])).map((value) => ({ name: `OKP ${name}: ${JSON.stringify(value)}`, key: { ...edJwk, [name]: value } }))),
    ...['n', 'e', 'd', 'p', 'q', 'dp', 'dq', 'qi'].flatMap((name) => spellings(String(rsaJwk[name as 'n'])).map((value) => ({ name: `RSA ${name}: ${JSON.stringify(value)?.slice(0, 20)}`, key: { ...rsaJwk, [name]: value } }))),
    ...['x', 'y'].map((name) => ({ name: `EC without ${name}`, key: { ...ecJwk, [name]: undefined } })),
    ...['n', 'e', 'p', 'q', 'dp', 'dq', 'qi'].map((name) => ({ name: `RSA without ${name}`, key: { ...rsaJwk, [name]: undefined } })),
    { name: 'RSA with more primes', key: { ...rsaJwk, oth: [] } },
    { name: 'a number with a zero in front', key: { ...jwkOf(rsa.publicKey), alg: 'RS256', e: 'AAEAAQ' } },
    { name: 'halves of two EC keys', key: { ...jwkOf(other.privateKey), d: ecJwk.d } },
    { name: 'halves of two Ed25519 keys', key: { ...edJwk, x: jwkOf(generateKeyPairSync('ed25519').publicKey).x } },
    { name: 'a point off the curve', key: { ...jwkOf(ec.publicKey), y: ecJwk.x } },
    { name: 'a curve that is not the key\'s', key: { ...ecJwk, crv: 'P-384' } },
    { name: 'another type', key: { ...ecJwk, kty: 'RSA' } },
    ...['', 'ec', 'constructor', '__proto__', null, 1].map((kty) => ({ name: `kty ${kty}`, key: { ...ecJwk, kty } })),
    ...['a b', '', 1, null, 'k'.repeat(129)].map((kid) => ({ name: `kid ${kid}`, key: { ...ecJwk, kid } }))
  ]
  for (const { name, key, algorithm } of refused) {
    t.throws(() => importKey({ key: key as JsonWebKey, ...(algorithm !== undefined && { algorithm }) }), UNUSABLE, name)
  }
})

function spellings (value: string): unknown[] {
  return [null, 1, '', `${value}=`, ` ${value}`, `${value}\n`, `AAAA${value}`]
}

t.test('names', async (t) => {
  t.equal(importKey({ key: SECRET, kid: 'A-z.0_9~' }).kid, 'A-z.0_9~')
  t.equal(importKey({ key: SECRET, kid: 'k'.repeat(128) }).kid.length, 128)
  t.equal(importKey({ key: { ...jwkOf(ec.publicKey), kid: 'from-the-jwk' } }).kid, 'from-the-jwk')
  t.equal(importKey({ key: { ...jwkOf(ec.publicKey), kid: 'mail@example' }, kid: 'given' }).kid, 'given', 'the host\'s name goes before')
  t.equal(importKey({ key: ec.publicKey, kid: '__proto__' }).kid, '__proto__')

  const thumbprint = jwkThumbprint(jwkOf(ec.publicKey))
  t.equal(importKey({ key: ec.privateKey }).kid, thumbprint, 'by default the thumbprint')
  t.match(thumbprint, /^[\w-]{43}$/)

  const { kid } = importKey({ key: SECRET })
  t.match(kid, /^[\w-]{22}$/)
  t.not(kid, importKey({ key: `${SECRET}x` }).kid)
})

t.test('RFC 7638, section 3.1', async (t) => {
  const jwk = {
    kty: 'RSA',
    n: '0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw',
    e: 'AQAB',
    alg: 'RS256',
    kid: '2011-04-29'
  }
  t.equal(jwkThumbprint(jwk), 'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs')
  for (const bad of [{}, { kty: 'oct', k: 'AAAA' }, { kty: 'RSA', e: 'AQAB' }, { kty: 'EC', crv: 'P-256', x: 'AA', y: 1 }, { kty: '__proto__' }]) {
    t.throws(() => jwkThumbprint(bad as JsonWebKey), UNUSABLE)
  }
})

t.test('a caller who changes its copy changes nothing', async (t) => {
  const bytes = randomBytes(32)
  const jwk = jwkOf(ec.publicKey)
  const source: KeyInput = { key: bytes, kid: 'a' }
  const [fromBytes, fromJwk] = [importKey(source), importKey({ key: jwk })]
  const before = [fromBytes.verifyKey.export().toString('hex'), jwkOf(fromJwk.verifyKey)]

  bytes.fill(0)
  jwk.x = 'AAAA'
  source.kid = 'b'
  t.strictSame([fromBytes.verifyKey.export().toString('hex'), jwkOf(fromJwk.verifyKey)], before)
  t.equal(fromBytes.kid, 'a')
})

t.test('signers', async (t) => {
  const sign = async (): Promise<Uint8Array> => Uint8Array.of(1)
  const signer = { kid: 'kms', algorithm: 'ES256', publicKey: ec.publicKey, sign } as const

  for (const publicKey of [ec.publicKey, jwkOf(ec.publicKey), pemOf(ec.publicKey, 'spki')]) {
    const key = importKey({ ...signer, publicKey }, { needPrivate: true })
    t.equal(key.signKey, undefined)
    t.strictSame(await key.signer?.sign(Uint8Array.of()), Uint8Array.of(1))
    t.ok(Object.isFrozen(key) && Object.isFrozen(key.signer))
  }

  const bound = { ...signer, answer: Uint8Array.of(7), async sign () { return this.answer } }
  t.strictSame(await importKey(bound).signer?.sign(Uint8Array.of()), Uint8Array.of(7), 'its methods keep their object')

  const refused: Array<{ name: string, changes: object }> = [
    { name: 'no function', changes: { sign: 'sign' } },
    { name: 'no kid', changes: { kid: undefined } },
    { name: 'bad kid', changes: { kid: 'a b' } },
    { name: 'no public key', changes: { publicKey: undefined } },
    { name: 'a private key', changes: { publicKey: ec.privateKey } },
    { name: 'a secret', changes: { publicKey: SECRET, algorithm: 'HS256' } },
    { name: 'another algorithm', changes: { algorithm: 'RS256' } },
    { name: 'HS256', changes: { algorithm: 'HS256' } },
    { name: 'RSA without an algorithm', changes: { publicKey: rsa.publicKey, algorithm: undefined } }
  ]
  for (const { name, changes } of refused) t.throws(() => importKey({ ...signer, ...changes } as KeyInput), UNUSABLE, name)
})

t.test('errors say nothing of a key', async (t) => {
  const secret = `"${SECRET}"`
  const thrown = [() => importKey({ key: secret }), () => importKey({ key: SECRET.slice(1) }), () => importKey({ key: SECRET, kid: `${SECRET} ` })].map((run) => {
    try {
      return run()
    } catch (error) {
      return error as Error
    }
  })
  for (const error of thrown) {
    t.ok(error instanceof TypeError)
    t.notMatch(JSON.stringify(error, ['message', 'cause', 'stack']), SECRET.slice(1))
  }
})

t.test('generating', async (t) => {
  for (const algorithm of ['HS256', 'ES256', 'EdDSA', 'RS256', 'PS256'] as const) {
    const jwk = await generateKey(algorithm)
    const key = importKey({ key: jwk }, { needPrivate: true })
    t.equal(key.algorithm, algorithm)
    t.equal(key.kid, jwk['kid'])
    t.equal(key.verifyKey.asymmetricKeyDetails?.modulusLength, algorithm.endsWith('S256') && !algorithm.startsWith('H') && algorithm !== 'ES256' ? 2048 : undefined)
    t.notSame(await generateKey(algorithm), jwk)
  }
  for (const algorithm of ['none', '', undefined, null, 'RS512']) {
    // @ts-expect-error unknown algorithms are refused
    await t.rejects(generateKey(algorithm), UNUSABLE)
  }
})

t.test('the public halves of a ring', async (t) => {
  const jwks = await Promise.all((['HS256', 'ES256', 'EdDSA', 'RS256', 'PS256'] as const).map(generateKey))
  const ring = createKeyRing(jwks.map((key) => ({ key })))
  const published = publicJwks(ring)
  t.strictSame(published.keys.map(({ kid, alg, use }) => ({ kid, alg, use })), jwks.slice(1).map((jwk) => ({ kid: jwk['kid'], alg: jwk['alg'], use: 'sig' })))
  for (const jwk of published.keys) {
    t.strictSame(Object.keys(jwk).filter((name) => ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k', 'oth'].includes(name)), [])
    t.equal(importKey({ key: jwk }).signKey, undefined, 'anybody can import it')
  }
  // A ring of the host's own may hold whole keys.
  const whole = ring.list().map((key) => ({ ...key, verifyKey: key.signKey ?? key.verifyKey }))
  t.strictSame(publicJwks({ list: () => whole }), published, 'of whole keys too')
})
