import { createHmac, createPublicKey, generateKeyPairSync, sign, type JsonWebKey } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { createKeyRing, generateKey, type KeyAlgorithm, type RingKey } from '../../../lib/keys/index.ts'
import { importKey } from '../../../lib/keys/key-material.ts'
import { createBackground } from '../../../lib/tokens/background.ts'
import { decodeBase64url, encodeBase64url } from '../../../lib/tokens/base64url.ts'
import { parseHeader, signJws, verifyJws } from '../../../lib/tokens/jws.ts'

const ALGORITHMS = ['HS256', 'ES256', 'EdDSA', 'RS256', 'PS256'] as const
const PAYLOAD = '{"sub":"amélie"}'
const INVALID = { code: 'FDT_INVALID_TOKEN', statusCode: 401, message: 'Invalid token' }

async function makeKeys (): Promise<Map<KeyAlgorithm, RingKey>> {
  return new Map(await Promise.all(ALGORITHMS.map(async (algorithm) => [algorithm, importKey({ key: await generateKey(algorithm) })] as const)))
}

const keys = makeKeys()

async function keyFor (algorithm: KeyAlgorithm): Promise<RingKey> {
  const key = (await keys).get(algorithm)
  if (key === undefined) throw new TypeError('no such key')
  return key
}

/** A token whose signature is right, whatever its header and payload look like. */
function tokenOf (header: unknown, payload: string | Uint8Array, secret: RingKey): string {
  const segment = typeof header === 'string' ? header : encodeBase64url(JSON.stringify(header))
  const input = `${segment}.${encodeBase64url(payload)}`
  return `${input}.${createHmac('sha256', secret.verifyKey).update(input).digest('base64url')}`
}

t.test('what is signed verifies, with that key alone', async (t) => {
  for (const algorithm of ALGORITHMS) {
    const key = await keyFor(algorithm)
    const token = await signJws({ typ: 'test', kid: key.kid, alg: 'none' }, PAYLOAD, key)

    t.strictSame(parseHeader(token).header, { typ: 'test', kid: key.kid, alg: algorithm }, `${algorithm}: the header says the algorithm of the key`)
    t.equal(Buffer.from(verifyJws(token, key)).toString(), PAYLOAD)
    // T7
    for (let time = 0; time < 10; time++) t.strictSame(verifyJws(token, key), Buffer.from(PAYLOAD))

    const bytes = Uint8Array.of(0xff, 0x00, 0x80)
    t.strictSame(Uint8Array.from(verifyJws(await signJws({}, bytes, key), key)), bytes, 'the payload may be any bytes')

    const stranger = importKey({ key: await generateKey(algorithm) })
    t.throws(() => verifyJws(token, stranger), INVALID, `${algorithm}: another key of the kind refuses it`)
    for (const other of (await keys).values()) {
      if (other !== key) t.throws(() => verifyJws(token, other), INVALID, `${algorithm} is not ${other.algorithm}`)
    }

    const [header, payload, signature = ''] = token.split('.')
    for (const changed of [`${header}.${encodeBase64url('{"sub":"bob"}')}.${signature}`, `${encodeBase64url(JSON.stringify({ alg: algorithm }))}.${payload}.${signature}`]) {
      t.throws(() => verifyJws(changed, key), INVALID, `${algorithm}: a changed segment`)
    }
    const raw = decodeBase64url(signature) ?? Buffer.of()
    const flipped = Buffer.from(raw)
    flipped[5] = (flipped[5] ?? 0) ^ 1
    for (const bad of [flipped, raw.subarray(1), raw.subarray(0, -1), Buffer.concat([raw, Buffer.of(0)]), Buffer.alloc(raw.length), Buffer.of(0)]) {
      t.throws(() => verifyJws(`${header}.${payload}.${encodeBase64url(bad)}`, key), INVALID, `${algorithm}: a signature of ${bad.length} bytes`)
    }
  }
})

t.test('an RSA key has one padding', async (t) => {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const [rs256, ps256] = [importKey({ key: privateKey, algorithm: 'RS256' }), importKey({ key: privateKey, algorithm: 'PS256' })]
  const [header, payload] = (await signJws({}, PAYLOAD, ps256)).split('.')
  const signature = (await signJws({}, PAYLOAD, rs256)).split('.')[2]
  t.throws(() => verifyJws(`${header}.${payload}.${signature}`, ps256), INVALID)

  for (const saltLength of [0, 20, 64]) {
    const input = `${header}.${payload}`
    const salted = sign('sha256', Buffer.from(input), { key: privateKey, padding: 6, saltLength }).toString('base64url')
    t.throws(() => verifyJws(`${input}.${salted}`, ps256), INVALID, `a salt of ${saltLength} bytes`)
  }
})

t.test('an ECDSA signature is r and s, never DER', async (t) => {
  const key = await keyFor('ES256')
  const input = `${encodeBase64url('{"alg":"ES256"}')}.${encodeBase64url(PAYLOAD)}`
  t.throws(() => verifyJws(`${input}.${sign('sha256', Buffer.from(input), key.signKey ?? '').toString('base64url')}`, key), INVALID)
})

t.test('T1, T2: a public key is no HMAC secret, in whatever spelling', async (t) => {
  for (const algorithm of ['ES256', 'EdDSA', 'RS256', 'PS256'] as const) {
    const key = await keyFor(algorithm)
    for (const { name, secret } of spellings(key)) {
      const input = `${encodeBase64url(JSON.stringify({ alg: 'HS256', kid: key.kid }))}.${encodeBase64url(PAYLOAD)}`
      const forged = `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`
      t.throws(() => verifyJws(forged, key), INVALID, `${algorithm}: signed with ${name}`)
      for (const declared of [{ algorithm: 'HS256' }, {}] as const) {
        // Read as what it is, the PEM of some types is a good key: then it must not be a secret.
        const imported = attempt(() => importKey({ key: secret, ...declared }))
        t.not(imported?.algorithm, 'HS256', `${algorithm}: ${name} given as a secret`)
        if ('algorithm' in declared) t.throws(() => importKey({ key: secret, ...declared }), { code: 'FDT_UNUSABLE_KEY' }, `${algorithm}: ${name}`)
      }
    }
  }
})

function attempt<T> (run: () => T): T | undefined {
  try {
    return run()
  } catch {
    return undefined
  }
}

function spellings (key: RingKey): Array<{ name: string, secret: string | Uint8Array }> {
  const publicKey = createPublicKey(key.verifyKey.export({ format: 'pem', type: 'spki' }))
  const pem = publicKey.export({ format: 'pem', type: 'spki' }).toString()
  const der = publicKey.export({ format: 'der', type: 'spki' })
  const jwk: JsonWebKey = publicKey.export({ format: 'jwk' })
  const pkcs1 = publicKey.asymmetricKeyType === 'rsa'
    ? [
        { name: 'PKCS#1 PEM', secret: publicKey.export({ format: 'pem', type: 'pkcs1' }).toString() },
        { name: 'PKCS#1 DER', secret: publicKey.export({ format: 'der', type: 'pkcs1' }) },
        { name: 'PKCS#1 base64', secret: publicKey.export({ format: 'der', type: 'pkcs1' }).toString('base64') }
      ]
    : []
  return [
    { name: 'SPKI PEM', secret: pem },
    { name: 'SPKI PEM, trimmed', secret: pem.trim() },
    { name: 'SPKI PEM, as bytes', secret: Buffer.from(pem) },
    { name: 'CRLF', secret: pem.replaceAll('\n', '\r\n') },
    { name: 'BOM', secret: `\uFEFF${pem}` },
    { name: 'leading space', secret: ` ${pem}` },
    { name: 'lower case', secret: pem.toLowerCase() },
    { name: 'lower case, trimmed', secret: pem.toLowerCase().trim() },
    { name: 'DER', secret: der },
    { name: 'base64', secret: der.toString('base64') },
    { name: 'base64 in lines', secret: pem.split('\n').slice(1, -2).join('\n') },
    { name: 'base64url', secret: der.toString('base64url') },
    { name: 'base64 of the PEM', secret: Buffer.from(pem).toString('base64') },
    { name: 'hex', secret: der.toString('hex') },
    { name: 'T2: JWK', secret: JSON.stringify(jwk) },
    { name: 'T2: JWKS', secret: JSON.stringify({ keys: [jwk] }, null, 2) },
    { name: 'T2: list of JWKs', secret: JSON.stringify([jwk]) },
    ...pkcs1
  ]
}

t.test('T3: an unknown kid has no key, not an empty one', async (t) => {
  const ring = createKeyRing([{ key: await generateKey('HS256') }])
  for (const kid of ['', 'x', '__proto__', 'constructor', 'toString', 'hasOwnProperty', '../../etc/passwd', "' or 1=1", 'k'.repeat(10_000)]) {
    t.equal(ring.get(kid), undefined, kid.slice(0, 20))
  }
})

t.test('headers that are refused although the signature is right', async (t) => {
  const key = await keyFor('HS256')
  const good = { alg: 'HS256', kid: key.kid }
  t.equal(Buffer.from(verifyJws(tokenOf(good, PAYLOAD, key), key)).toString(), PAYLOAD)

  const refused: Array<{ name: string, header: unknown }> = [
    // T5
    ...[['exp'], ['unknown'], [], null, 0, false, '', 'exp', {}].map((crit) => ({ name: `T5: crit ${JSON.stringify(crit)}`, header: { ...good, crit } })),
    ...[true, false, null].map((b64) => ({ name: `T5: b64 ${b64}`, header: { ...good, b64 } })),
    { name: 'T5: b64 with crit', header: { ...good, b64: false, crit: ['b64'] } },
    // T15
    ...['DEF', null].map((zip) => ({ name: `T15: zip ${zip}`, header: { ...good, zip } })),
    // T13
    ...['none', 'None', 'NONE', 'nOnE', 'none ', '', 'hs256', 'HS384', 'HS512', 'ES256', null, 0, ['HS256'], { HS256: true }].map((alg) => ({ name: `T13: alg ${JSON.stringify(alg)}`, header: { ...good, alg } })),
    { name: 'T13: no alg', header: { kid: key.kid } },
    ...[null, 1, [key.kid], {}].map((kid) => ({ name: `kid ${JSON.stringify(kid)}`, header: { ...good, kid } })),
    ...[null, 1, 'HS256', true, [], [good]].map((header) => ({ name: `a header that is ${JSON.stringify(header)}`, header: encodeBase64url(JSON.stringify(header)) })),
    { name: 'not JSON', header: encodeBase64url('{"alg":"HS256"') },
    { name: 'not UTF-8', header: encodeBase64url(Buffer.concat([Buffer.from('{"alg":"HS256","x":"'), Buffer.of(0xff), Buffer.from('"}')])) },
    { name: 'a BOM', header: encodeBase64url(`\uFEFF${JSON.stringify(good)}`) },
    { name: 'two algs', header: encodeBase64url('{"alg":"none","alg":"HS256"}') },
    { name: 'an alg by way of the prototype', header: encodeBase64url('{"__proto__":{"alg":"HS256"}}') },
    { name: 'T14: a kid of 10 kB', header: { ...good, kid: 'k'.repeat(10_000) } },
    { name: 'nothing', header: '' }
  ]
  for (const { name, header } of refused) {
    t.throws(() => verifyJws(tokenOf(header, PAYLOAD, key), key), INVALID, name)
  }
})

t.test('T14: what a header says of keys is not looked at', async (t) => {
  const key = await keyFor('HS256')
  const other = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const header = { alg: 'HS256', kid: '../../key', jku: 'http://127.0.0.1:1/', x5u: 'http://127.0.0.1:1/', jwk: other.publicKey.export({ format: 'jwk' }), x5c: ['x'] }
  t.equal(Buffer.from(verifyJws(tokenOf(header, PAYLOAD, key), key)).toString(), PAYLOAD)

  const input = `${encodeBase64url(JSON.stringify({ ...header, alg: 'ES256' }))}.${encodeBase64url(PAYLOAD)}`
  const signature = sign('sha256', Buffer.from(input), { key: other.privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')
  t.throws(() => verifyJws(`${input}.${signature}`, importKey({ key: generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey })), INVALID, 'signed with the key that it brings')
})

t.test('T11, T15: one token has one spelling', async (t) => {
  const key = await keyFor('HS256')
  const token = tokenOf({ alg: 'HS256' }, `${PAYLOAD} `, key)
  const segments = token.split('.')
  t.equal(segments.length, 3)

  for (const index of [0, 1, 2]) {
    const segment = segments[index] ?? ''
    for (const inserted of [' ', '\n', '\t', '=', '==', '+', '/', '?', '.', '\0', 'é', '\u{1F600}', '%3D']) {
      for (const at of [0, 5, segment.length]) {
        const changed = segments.with(index, segment.slice(0, at) + inserted + segment.slice(at)).join('.')
        t.throws(() => verifyJws(changed, key), INVALID, `${JSON.stringify(inserted)} at ${at} of segment ${index}`)
      }
    }
    t.throws(() => verifyJws(segments.with(index, '').join('.'), key), INVALID, `segment ${index} empty`)
  }

  // T11b: the last character of 32 bytes has two unused bits.
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  const last = alphabet.indexOf(token.at(-1) ?? '')
  for (const bits of [1, 2, 3]) {
    const changed = token.slice(0, -1) + alphabet.charAt(last | bits)
    t.strictSame(Buffer.from(changed, 'base64url'), Buffer.from(token, 'base64url'), 'the same bytes for who reads leniently')
    t.throws(() => verifyJws(changed, key), INVALID, `T11b: unused bits ${bits}`)
  }

  const [header, payload, signature] = segments
  const shapes = ['', '.', '..', '...', 'a', 'a.b', 'a.b.c', `${header}`, `${header}.${payload}`, `${header}.${payload}.`, `.${payload}.${signature}`, `${token}.`, `.${token}`, `${token}.${token}`, `${token}.a.b`, ` ${token}`, `Bearer ${token}`]
  for (const shape of shapes) t.throws(() => verifyJws(shape, key), INVALID, JSON.stringify(shape.slice(0, 30)))
  for (const value of [undefined, null, 1, {}, [token], Buffer.from(token)]) {
    // @ts-expect-error what comes from outside need not be text
    t.throws(() => verifyJws(value, key), INVALID, typeof value)
  }
})

t.test('T8: what is large is judged fast', async (t) => {
  const key = await keyFor('HS256')
  const large = tokenOf({ alg: 'HS256' }, Buffer.alloc(1_000_000, 'a'), key)
  const cases = [
    large.slice(0, -2) + 'AA',
    'a'.repeat(1_000_000),
    '.'.repeat(1_000_000),
    `${'a'.repeat(1_000_000)}.a.a`,
    `${encodeBase64url(`{"alg":${'['.repeat(5000)}`)}.a.a`,
    `${encodeBase64url('{"alg":"HS256"}')}.${'='.repeat(1_000_000)}.a`
  ]
  t.equal(verifyJws(large, key).length, 1_000_000)
  const startedAt = performance.now()
  for (const token of cases) t.throws(() => verifyJws(token, key), INVALID)
  t.ok(performance.now() - startedAt < 2000, 'milliseconds, with room for a slow machine')
})

t.test('an empty payload is a payload', async (t) => {
  const key = await keyFor('EdDSA')
  t.equal(verifyJws(await signJws({}, '', key), key).length, 0)
})

t.test('a signer signs in place of a private half', async (t) => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const signWith = async (bytes: Uint8Array): Promise<Uint8Array> => sign('sha256', bytes, { key: privateKey, dsaEncoding: 'ieee-p1363' })
  const signer = { kid: 'kms-1', algorithm: 'ES256', publicKey } as const

  const key = importKey({ ...signer, sign: signWith })
  t.equal(Buffer.from(verifyJws(await signJws({ kid: key.kid }, PAYLOAD, key), key)).toString(), PAYLOAD)

  const failures: Array<{ name: string, sign: (bytes: Uint8Array) => Promise<Uint8Array> }> = [
    { name: 'rejects', sign: async () => { throw new TypeError('secret detail') } },
    { name: 'answers with DER', sign: async (bytes) => sign('sha256', bytes, privateKey) },
    { name: 'signs with another key', sign: async (bytes) => sign('sha256', bytes, { key: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey, dsaEncoding: 'ieee-p1363' }) },
    { name: 'signs something else', sign: async (bytes) => await signWith(bytes.fill(0)) },
    // @ts-expect-error a signer in JavaScript may answer with anything
    { name: 'answers with nothing', sign: async () => undefined }
  ]
  for (const failure of failures) {
    const broken = importKey({ ...signer, sign: failure.sign })
    await t.rejects(signJws({}, PAYLOAD, broken), { code: 'FDT_SIGNER_FAILED', statusCode: 503, message: 'The external signer has failed' }, failure.name)
  }
})

t.test('Ed25519 is a name of EdDSA with this curve, and of nothing else', async (t) => {
  const key = await keyFor('EdDSA')
  const input = [{ alg: 'Ed25519' }, { sub: 'a' }].map((part) => encodeBase64url(JSON.stringify(part))).join('.')
  const token = `${input}.${encodeBase64url(sign(null, Buffer.from(input), String(key.signKey?.export({ type: 'pkcs8', format: 'pem' }))))}`
  t.equal(Buffer.from(verifyJws(token, key)).toString(), '{"sub":"a"}')
  for (const algorithm of ALGORITHMS) {
    if (algorithm !== 'EdDSA') t.throws(() => verifyJws(token, { ...key, algorithm }), INVALID, algorithm)
  }
  const other = token.replace(encodeBase64url('{"alg":"Ed25519"}'), encodeBase64url('{"alg":"EdDSA"}'))
  t.throws(() => verifyJws(other, key), INVALID, 'the name is signed as well')
})

t.test('a key that only verifies does not sign', async (t) => {
  const { publicKey } = generateKeyPairSync('ed25519')
  await t.rejects(signJws({}, PAYLOAD, importKey({ key: publicKey })), { code: 'FDT_NO_SIGNING_KEY' })
})

t.test('RSA leaves the event loop free, and signatures do not get lost', async (t) => {
  const key = await keyFor('RS256')
  let ticks = 0
  const timer = setInterval(() => { ticks++ }, 0)
  t.teardown(() => clearInterval(timer))
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const unusable = { ...key, signKey: publicKey }
  const results = await Promise.allSettled(Array.from({ length: 60 }, (_, index) => signJws({}, `${index}`, index % 3 === 0 ? unusable : key)))
  t.ok(ticks > 0, 'others had their turn meanwhile')
  for (const [index, result] of results.entries()) {
    if (index % 3 === 0) t.equal(result.status, 'rejected', 'a failure is its own')
    else t.equal(result.status === 'fulfilled' && Buffer.from(verifyJws(result.value, key)).toString(), `${index}`)
  }
})

for (const limit of [1, 2, 3]) {
  t.test(`of what waits, ${limit} at a time run, in the order in which they came, whatever fails`, async (t) => {
    const inBackground = createBackground(limit)
    const started: number[] = []
    let [running, most] = [0, 0]
    const work = (index: number) => inBackground(async () => {
      started.push(index)
      most = Math.max(most, ++running)
      await setImmediate()
      running--
      if (index % 4 === 1) throw new RangeError(`${index}`)
      return index
    })
    const expected = (index: number) => index % 4 === 1 ? { status: 'rejected', reason: { message: `${index}` } } : { status: 'fulfilled', value: index }
    for (const first of [0, 10]) {
      const results = await Promise.allSettled(Array.from({ length: 10 }, (_, index) => work(first + index)))
      t.match(results, Array.from(results, (_, index) => expected(first + index)))
    }
    t.strictSame(started, Array.from({ length: 20 }, (_, index) => index))
    t.strictSame([running, most], [0, limit])

    const thrown = inBackground(() => { throw new RangeError('at once') })
    await t.rejects(thrown, RangeError)
    t.equal(await inBackground(async () => 'free again'), 'free again')
  })
}

t.test('who comes while a place is handed over is not faster', async (t) => {
  const inBackground = createBackground(1)
  const order: string[] = []
  const waiting = [inBackground(async () => { order.push('first') }), inBackground(async () => { order.push('second') })]
  const late = waiting[0]?.then(() => inBackground(async () => { order.push('late') }))
  await Promise.all([...waiting, late])
  t.strictSame(order, ['first', 'second', 'late'])
})
