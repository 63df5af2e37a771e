import { once } from 'node:events'
import { type RequestListener, type ServerResponse } from 'node:http'
import { inspect } from 'node:util'
import { gzipSync } from 'node:zlib'
import { generateKeyPairSync } from 'node:crypto'
import t, { type Test } from 'tap'
import { createKeyRing, generateKey, type JsonWebKey, type KeyAlgorithm, openRemoteKeyRing, publicJwks, type RemoteKeyRing, type RemoteKeyRingOptions } from '../../../lib/keys/index.ts'
import { importKey } from '../../../lib/keys/key-material.ts'
import { isRemoteRing } from '../../../lib/keys/remote-ring.ts'
import { signJws, verifyJws } from '../../../lib/tokens/jws.ts'
import { until } from '../../support/example-server.ts'
import { rawUpstream, type Upstream, upstream } from '../../support/upstream.ts'

const NOW = 1_800_000_000_000
const SECOND = 1000
const MINUTE = 60 * SECOND
const OUTAGE = { code: 'FDT_ISSUER_UNAVAILABLE', statusCode: 503, message: 'The keys of the issuer are out of reach' }

function publicHalf ({ d, p, q, dp, dq, qi, ...members }: JsonWebKey): JsonWebKey {
  return members
}

async function makeKey (kid: string, algorithm: KeyAlgorithm = 'ES256'): Promise<JsonWebKey> {
  return publicHalf({ ...await generateKey(algorithm), kid })
}

function kidsOf (ring: RemoteKeyRing): string[] {
  return ring.list().map(({ kid }) => kid)
}

interface World {
  ring: RemoteKeyRing
  issuer: Upstream
  errors: Error[]
  clock: { time: number }
  /** What is answered from now on: a JWKS of these keys, or whatever a listener does. */
  serve (answer: unknown[] | RequestListener): void
  /** Looks, after the cool-down. */
  look (): Promise<void>
  /** Waits until so many requests have come, and then for the answer to the last. */
  requested (count: number): Promise<void>
}

async function world (t: Test, answer: unknown[] | RequestListener, options: Partial<RemoteKeyRingOptions> = {}): Promise<World> {
  let current = answer
  const clock = { time: NOW }
  const errors: Error[] = []
  const issuer = await upstream(t, (request, response) => {
    if (typeof current === 'function') current(request, response)
    else response.end(JSON.stringify({ keys: current }))
  })
  const ring = await openRemoteKeyRing({ url: issuer.url, now: () => clock.time, onError: (error) => { errors.push(error) }, ...options })
  t.teardown(() => ring.close())
  return {
    ring,
    issuer,
    errors,
    clock,
    serve: (answer) => { current = answer },
    look: async () => {
      clock.time += 30 * SECOND
      await ring.refresh()
    },
    requested: async (count) => {
      await until(() => issuer.requests.length >= count)
      // Joins the look that is under way; does nothing when it is over.
      await ring.refresh()
    }
  }
}

function answerWith (body: string | Uint8Array, status = 200, headers: Record<string, string> = {}): RequestListener {
  return (_request, response) => { response.writeHead(status, headers).end(body) }
}

t.test('the keys of an issuer verify its tokens, and sign nothing', async (t) => {
  const own = createKeyRing(await Promise.all((['ES256', 'EdDSA', 'RS256', 'PS256'] as const).map(async (algorithm) => ({ key: await generateKey(algorithm) }))))
  const { ring, issuer, errors } = await world(t, publicJwks(own).keys)

  t.strictSame(kidsOf(ring), own.list().map(({ kid }) => kid))
  t.ok(Object.isFrozen(ring.list()))
  for (const key of own.list()) {
    const token = await signJws({ kid: key.kid }, '{}', key)
    const found = ring.get(key.kid)
    t.ok(Object.isFrozen(found))
    t.equal(found?.algorithm, key.algorithm)
    t.strictSame(found && verifyJws(token, found), Buffer.from('{}'), key.algorithm)
  }
  t.throws(() => ring.signing(), { code: 'FDT_NO_SIGNING_KEY' })
  t.equal(ring.isOutdated(), false)
  t.strictSame(errors, [])
  t.match(issuer.requests, [{ method: 'GET', headers: { accept: /application\/json/, authorization: undefined, cookie: undefined } }])

  t.equal(isRemoteRing(ring), true)
  t.equal(isRemoteRing(own), false)
  t.equal(isRemoteRing({ ...ring }), false)
})

t.test('keys that cannot serve are passed over', async (t) => {
  const good = await makeKey('good')
  const [rsa, ed25519] = [await makeKey('rsa', 'RS256'), await makeKey('ed25519', 'EdDSA')]
  const weak = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' })
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey.export({ format: 'jwk' })
  const { ring, errors } = await world(t, [
    null, 1, 'key', [], [good], {}, true,
    { ...good, kid: undefined }, ...[null, 1, '', ['x'], 'k'.repeat(257), 'a\nb', 'é'].map((kid) => ({ ...good, kid })),
    { ...await generateKey('HS256'), kid: 'oct' }, { kty: 'oct', kid: 'oct-without-k' },
    { ...await generateKey('ES256'), kid: 'private' }, { ...await generateKey('RS256'), kid: 'private-rsa' },
    ...['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'].map((name) => ({ ...rsa, kid: `with-${name}`, [name]: 'AQAB' })),
    { ...weak, kid: 'weak' }, { ...p384, kid: 'p384' }, { kty: 'AKP', kid: 'post-quantum' }, { ...good, kid: 'no-kty', kty: undefined },
    { ...good, kid: 'enc', use: 'enc' }, { ...good, kid: 'encrypts', key_ops: ['encrypt'] }, { ...good, kid: 'es384', alg: 'ES384' }, { ...good, kid: 'hs256', alg: 'HS256' }, { ...good, kid: 'null-alg', alg: null }, { ...rsa, kid: 'rs512', alg: 'RS512' },
    { ...good, kid: 'malformed', x: 'AA' },
    // Of the same name, good or not: nobody knows which is meant.
    { ...good, kid: 'twice' }, { ...await makeKey('twice') }, { ...ed25519, kid: 'same' }, { ...ed25519, kid: 'same' },
    // Beside one that cannot serve, it is clear.
    { ...rsa, kid: 'rsa', alg: 'RS512' }, rsa,
    good, ed25519, { ...good, kid: '__proto__' }, { ...good, kid: 'X+/=:#?', 'x5t#S256': 'x', x5c: ['x'], extra: {} }
  ])
  t.strictSame(kidsOf(ring), ['rsa', 'good', 'ed25519', '__proto__', 'X+/=:#?'])
  t.strictSame(errors, [])
  for (const key of ring.list()) {
    t.equal(ring.get(key.kid), key)
    t.equal(key.verifyKey.type, 'public')
    t.strictSame(Object.keys(key).sort(), ['algorithm', 'kid', 'verifyKey'])
  }
  // T3, T28
  for (const kid of ['', 'x', 'twice', 'same', 'constructor', 'toString', 'hasOwnProperty', '../../etc/passwd', 'k'.repeat(10_000)]) t.equal(ring.get(kid), undefined, kid.slice(0, 20))
})

t.test('an RSA key is for one algorithm, whatever tokens say', async (t) => {
  const rsa = { ...await makeKey('rsa', 'RS256'), alg: undefined }
  const keys = [rsa, { ...await makeKey('ps256', 'PS256') }, await makeKey('es256'), await makeKey('ed25519', 'EdDSA')]
  const cases: Array<Pick<RemoteKeyRingOptions, 'algorithms'> & { found: string[] }> = [
    { found: ['rsa RS256', 'ps256 PS256', 'es256 ES256', 'ed25519 EdDSA'] },
    { algorithms: ['ES256'], found: ['es256 ES256'] },
    { algorithms: ['RS256'], found: ['rsa RS256'] },
    { algorithms: ['PS256'], found: ['rsa PS256', 'ps256 PS256'] },
    { algorithms: ['PS256', 'ES256'], found: ['rsa PS256', 'ps256 PS256', 'es256 ES256'] },
    { algorithms: ['PS256', 'RS256'], found: ['rsa RS256', 'ps256 PS256'] },
    { algorithms: ['EdDSA'], found: ['ed25519 EdDSA'] }
  ]
  for (const { found, ...options } of cases) {
    const { ring } = await world(t, keys, options)
    t.strictSame(ring.list().map(({ kid, algorithm }) => `${kid} ${algorithm}`), found, JSON.stringify(options))
  }
})

t.test('a change is followed, and what did not change stays what it was', async (t) => {
  const [a, b, c] = [await makeKey('a'), await makeKey('b'), await makeKey('c', 'RS256')]
  const { ring, serve, look, errors } = await world(t, [a, b, c])
  const [first, second, third] = ring.list()

  serve([{ ...a, use: undefined }, c, await makeKey('d')])
  await look()
  t.strictSame(kidsOf(ring), ['a', 'c', 'd'])
  t.equal(ring.get('a'), first)
  t.equal(ring.get('c'), third)
  t.equal(ring.get('b'), undefined, 'what is no longer published is gone')

  serve([await makeKey('a'), { ...c, alg: 'PS256' }, b])
  await look()
  t.not(ring.get('a'), first, 'another key under the same name')
  t.not(ring.get('c'), third, 'the same key for another algorithm')
  t.equal(ring.get('c')?.algorithm, 'PS256')
  t.not(ring.get('b'), second, 'what was away is new')
  serve([await makeKey('a', 'EdDSA'), b])
  await look()
  t.equal(ring.get('a')?.algorithm, 'EdDSA', 'a key of another type')
  t.strictSame(errors, [])
})

t.test('T43: a flood of unknown keys is one request per cool-down', async (t) => {
  const { ring, issuer, clock, serve } = await world(t, [await makeKey('a')])
  const flood = (): Promise<unknown> => Promise.all(Array.from({ length: 10_000 }, async (_, index) => {
    const kid = `unknown-${index}`
    if (ring.get(kid) === undefined) await ring.refresh()
    return ring.get(kid)
  }))
  await flood()
  t.equal(issuer.requests.length, 1, 'the one at the opening counts')
  clock.time += 30 * SECOND - 1
  await flood()
  t.equal(issuer.requests.length, 1)
  clock.time += 1
  await flood()
  t.equal(issuer.requests.length, 2)

  serve([await makeKey('a'), await makeKey('new')])
  await ring.refresh()
  t.equal(ring.get('new'), undefined)
  clock.time += 30 * SECOND
  await Promise.all([flood(), ring.refresh().then(() => { t.ok(ring.get('new'), 'whoever waits for the shared look has its keys') })])
  t.equal(issuer.requests.length, 3)

  serve(answerWith('', 500))
  for (const count of [4, 5]) {
    clock.time += 30 * SECOND
    await flood()
    await flood()
    t.equal(issuer.requests.length, count, 'a look that fails counts as well')
  }
})

t.test('an outage keeps what is known, is told once, and is known', async (t) => {
  const a = await makeKey('a')
  const { ring, serve, look, errors, clock } = await world(t, [a])
  const [key] = ring.list()
  const body = JSON.stringify({ keys: [a] })
  const large = JSON.stringify({ keys: [a], padding: 'x'.repeat(256 * 1024) })

  const outages: Array<{ name: string, answer: unknown[] | RequestListener, cause: RegExp }> = [
    ...[204, 206, 304, 400, 401, 403, 404, 429, 500, 503].map((status) => ({ name: String(status), answer: answerWith([204, 304].includes(status) ? '' : body, status), cause: new RegExp(`status ${status}$`) })),
    ...[301, 302, 303, 307, 308].map((status) => ({ name: `a redirect with ${status}`, answer: answerWith(body, status, { location: '/elsewhere' }), cause: new RegExp(`status ${status}$`) })),
    ...['', 'null!', body.slice(0, -2), '<html></html>', `${body}x`, '{"keys":[],"keys":[]}', `{"__proto__":${body}}`, `\uFEFF${body}`, '['.repeat(5000)].map((text) => ({ name: `not JSON: ${text.slice(0, 20)}`, answer: answerWith(text), cause: /^the answer is not JSON$/ })),
    { name: 'not UTF-8', answer: answerWith(Buffer.from([0x22, 0xff, 0x22])), cause: /not JSON/ },
    ...['null', '1', '"keys"', '[]', `[${body}]`, '{}', '{"keys":null}', '{"keys":{}}', '{"keys":"a"}'].map((text) => ({ name: `not a JWKS: ${text.slice(0, 20)}`, answer: answerWith(text), cause: /not a JWKS/ })),
    { name: 'no key', answer: [], cause: /no key/ },
    { name: 'no key that can be used', answer: [{ ...a, use: 'enc' }, { kty: 'oct', kid: 'x', k: 'AAAA' }], cause: /no key/ },
    { name: 'one name for all', answer: [a, await makeKey('a')], cause: /no key/ },
    { name: '101 keys', answer: Array.from({ length: 101 }, (_, index) => ({ ...a, kid: String(index) })), cause: /more than 100 keys/ },
    { name: 'a large answer', answer: answerWith(large), cause: /longer than 262144 bytes/ },
    { name: 'a large answer that was compressed', answer: answerWith(gzipSync(large), 200, { 'content-encoding': 'gzip' }), cause: /longer than 262144 bytes/ },
    { name: 'an endless answer', answer: (_request, response) => { pour(response) }, cause: /longer than 262144 bytes/ },
    { name: 'an answer that is not what it says', answer: answerWith(body, 200, { 'content-encoding': 'gzip' }), cause: /request failed with \w+$/ },
    { name: 'a hang-up', answer: (request) => { request.socket.destroy() }, cause: /request failed with (?:UND_ERR_SOCKET|ECONNRESET)$/ },
    { name: 'a hang-up in the middle', answer: (request, response) => { response.writeHead(200, { 'content-length': body.length }).write(body.slice(0, 9), () => { request.socket.destroy() }) }, cause: /request failed with \w+$/ }
  ]
  for (const { name, answer, cause } of outages) {
    const listed = ring.list()
    serve(answer)
    await look()
    await look()
    t.match(errors, [{ ...OUTAGE, cause: { message: cause } }], name)
    t.equal(errors.length, 1, `${name}: told once`)
    t.notMatch(inspect(errors, { depth: 10, showHidden: true }), /127\.0\.0\.1|viewer|elsewhere|"keys"|html/, `${name}: neither the URL nor what was answered`)
    t.equal(ring.isOutdated(), true)
    t.equal(ring.get('a'), key)
    t.equal(ring.list(), listed)

    errors.length = 0
    serve([a])
    await look()
    t.equal(ring.isOutdated(), false)
    t.equal(ring.get('a'), key)
  }

  serve(answerWith('', 500))
  for (let day = 0; day < 10; day++) {
    clock.time += 24 * 60 * MINUTE
    await look()
    t.equal(ring.get('a'), key, 'for as long as it lasts')
  }
})

/** Writes as fast as it is read, without an end. */
function pour (response: ServerResponse): void {
  const write = (): void => {
    while (!response.destroyed && response.write(' '.repeat(65_536)));
  }
  response.on('drain', write)
  write()
}

t.test('the most that is taken', async (t) => {
  const a = await makeKey('a')
  const keys = Array.from({ length: 100 }, (_, index) => ({ ...a, kid: String(index) }))
  const { ring, serve, look } = await world(t, keys)
  t.equal(ring.list().length, 100)

  const body = JSON.stringify({ keys: [a] })
  serve(answerWith(body.padEnd(256 * 1024)))
  await look()
  t.strictSame(kidsOf(ring), ['a'])
  serve(answerWith(gzipSync(JSON.stringify({ keys })), 200, { 'content-encoding': 'gzip' }))
  await look()
  t.equal(ring.list().length, 100, 'compressed')
})

t.test('an issuer has its time', async (t) => {
  const a = await makeKey('a')
  const { ring, serve, look, errors } = await world(t, [a], { timeout: 50 })
  const slow: Record<string, RequestListener> = {
    'no answer': () => {},
    'a head without a body': (_request, response) => { response.writeHead(200).flushHeaders() },
    'a drip': (_request, response) => {
      const timer = setInterval(() => { response.write(' ') }, 5)
      response.on('close', () => { clearInterval(timer) })
    },
    'an error without an end': (_request, response) => { response.writeHead(500).write('x') }
  }
  for (const [name, answer] of Object.entries(slow)) {
    serve(answer)
    await look()
    t.match(errors, [{ ...OUTAGE, cause: { message: name.startsWith('an error') ? /status 500/ : /no answer within 50 ms/ } }], name)
    t.ok(ring.get('a'))
    errors.length = 0
    serve([a])
    await look()
    t.equal(ring.isOutdated(), false)
  }
})

t.test('an issuer that is down at the start', async (t) => {
  const a = await makeKey('a')
  const { ring, serve, errors, clock, issuer } = await world(t, answerWith('', 503))
  t.strictSame(kidsOf(ring), [])
  t.equal(ring.isOutdated(), true)
  t.equal(errors.length, 1)

  serve([a])
  await ring.refresh()
  t.equal(issuer.requests.length, 1)
  clock.time += 30 * SECOND
  await ring.refresh()
  t.ok(ring.get('a'))
  t.equal(ring.isOutdated(), false)

  const errorsOfOthers: Error[] = []
  const deaf = await rawUpstream(t, (socket) => { socket.end('SMTP says hello\r\n') })
  for (const url of [deaf.url, 'http://127.0.0.1:1/']) {
    const other = await openRemoteKeyRing({ url, onError: (error) => { errorsOfOthers.push(error) } })
    t.equal(other.isOutdated(), true)
    t.strictSame(other.list(), [])
    await other.close()
  }
  t.match(errorsOfOthers, [{ ...OUTAGE, cause: { message: /request failed with \w+/ } }, OUTAGE])
})

t.test('flapping: each outage is told, and each recovery is taken', async (t) => {
  const keys = await Promise.all(['0', '1', '2', '3', '4'].map((kid) => makeKey(kid)))
  const { ring, serve, look, errors } = await world(t, [])
  for (const [index, key] of keys.entries()) {
    serve([key])
    await look()
    t.strictSame(kidsOf(ring), [String(index)])
    t.equal(ring.isOutdated(), false)
    serve(answerWith('', 502))
    await look()
    t.strictSame(kidsOf(ring), [String(index)])
    t.equal(ring.isOutdated(), true)
    t.equal(errors.length, index + 2)
  }
})

t.test('old keys are looked at again, behind whoever asks', async (t) => {
  const [a, b] = [await makeKey('a'), await makeKey('b')]
  const { ring, issuer, clock, serve, requested } = await world(t, [a])
  serve([b])
  clock.time += 10 * MINUTE - 1
  t.ok(ring.get('a'))
  t.equal(issuer.requests.length, 1)

  clock.time += 1
  t.ok(ring.get('a'), 'nobody waits')
  for (let time = 0; time < 100; time++) ring.get('a')
  await requested(2)
  t.equal(ring.get('a'), undefined)
  t.ok(ring.get('b'))
  t.equal(issuer.requests.length, 2)

  serve(answerWith('', 500))
  clock.time += 10 * MINUTE
  t.ok(ring.get('b'))
  await requested(3)
  clock.time += 30 * SECOND - 1
  t.ok(ring.get('b'))
  t.equal(issuer.requests.length, 3)
  serve([a])
  clock.time += 1
  t.ok(ring.get('b'), 'after an outage, it is asked again after the cool-down')
  await requested(4)
  t.ok(ring.get('a'))
  t.equal(ring.isOutdated(), false)
})

t.test('keys that nobody has asked for in a long time are not trusted before the next look', async (t) => {
  const [a, b] = [await makeKey('a'), await makeKey('b')]
  const { ring, clock, serve, issuer } = await world(t, [a, b])
  serve([b])
  clock.time += 20 * MINUTE
  t.equal(ring.get('a'), undefined)
  t.equal(ring.get('b'), undefined)
  await ring.refresh()
  t.equal(issuer.requests.length, 2)
  t.equal(ring.get('a'), undefined, 'it was withdrawn meanwhile')
  t.ok(ring.get('b'))

  clock.time += 20 * MINUTE - 1
  t.ok(ring.get('b'))
  await ring.refresh()
  serve(answerWith('', 500))
  clock.time += 60 * MINUTE
  t.equal(ring.get('b'), undefined)
  await ring.refresh()
  t.ok(ring.get('b'), 'a look that failed was one too')
})

t.test('a clock that is set back stops nothing', async (t) => {
  const { ring, clock, issuer, serve } = await world(t, [await makeKey('a')])
  serve([await makeKey('b')])
  clock.time -= 24 * 60 * MINUTE
  t.equal(ring.get('a'), undefined)
  await ring.refresh()
  t.ok(ring.get('b'))
  t.equal(issuer.requests.length, 2)
  await ring.refresh()
  t.equal(issuer.requests.length, 2)
})

t.test('closing gives up what is under way, and keeps the keys', async (t) => {
  const { ring, clock, issuer, serve, errors } = await world(t, [await makeKey('a')])
  const hungUp = new Promise<void>((resolve) => {
    serve((request) => { once(request.socket, 'close').then(() => { resolve() }, () => {}) })
  })
  clock.time += 30 * SECOND
  const refreshed = ring.refresh()
  await until(() => issuer.requests.length === 2)
  await ring.close()
  await Promise.all([refreshed, hungUp])
  t.strictSame(errors, [], 'that is no outage')

  clock.time += 24 * 60 * MINUTE
  t.ok(ring.get('a'))
  await ring.refresh()
  await ring.close()
  t.equal(issuer.requests.length, 2)
})

t.test('what asks may be replaced', async (t) => {
  const a = await makeKey('a')
  const good = async (): Promise<Response> => new Response(JSON.stringify({ keys: [a] }))
  const asked: unknown[] = []
  const causes: unknown[] = []
  const clock = { time: NOW }
  let answer = good
  const ring = await openRemoteKeyRing({
    url: 'https://issuer.example/jwks',
    now: () => clock.time,
    onError: (error) => {
      causes.push(error.cause)
      throw error
    },
    fetch: async (...args) => {
      asked.push(args)
      return await answer()
    }
  })
  t.match(asked, [['https://issuer.example/jwks', { redirect: 'manual', signal: AbortSignal, method: undefined }]])

  const secret = 'https://user:secret@a.example/?token=secret'
  const failures: Array<{ answer: () => Promise<Response>, message: string }> = [
    { answer: async () => new Response(null), message: 'the answer is not JSON' },
    { answer: async () => new Response(null, { status: 500 }), message: 'the answer has status 500' },
    { answer: async () => { throw new TypeError(secret, { cause: Object.assign(new TypeError(secret), { code: 'ECONNREFUSED' }) }) }, message: 'the request failed with ECONNREFUSED' },
    { answer: async () => { throw Object.assign(new TypeError(secret), { name: 'StrangeError' }) }, message: 'the request failed with StrangeError' },
    { answer: async () => { throw new RangeError(secret, { cause: secret }) }, message: 'the request failed with TypeError' },
    { answer: () => Promise.reject(secret), message: 'the request failed with TypeError' },
    { answer: () => Promise.reject(), message: 'the request failed with TypeError' } // eslint-disable-line prefer-promise-reject-errors
  ]
  for (const failure of failures) {
    for (const next of [failure.answer, good]) {
      answer = next
      clock.time += 30 * SECOND
      await ring.refresh()
      t.equal(ring.isOutdated(), next !== good, 'what onError throws is of no concern')
    }
    t.match(causes, [{ message: failure.message }])
    t.notMatch(inspect(causes, { depth: 10, showHidden: true }), /secret/)
    causes.length = 0
  }
  await ring.close()
})

t.test('options are checked when it is opened', async (t) => {
  const url = 'https://issuer.example/jwks'
  const refused: unknown[] = [undefined, null, 1, [], url, {}]
  const bad: Record<string, unknown[]> = {
    url: [undefined, null, '', 1, new URL(url), 'issuer.example', 'ftp://issuer.example', 'http://issuer.example/jwks', 'http://10.0.0.1/', 'https://user:pass@issuer.example', 'https://issuer.example?a', 'https://issuer.example#b', 'https://issuer.example:443/', 'https://good.example\\@evil.test/', 'file:///etc/jwks', 'data:,{}'],
    algorithms: [null, [], 'ES256', ['HS256'], ['ES256', 'HS256'], ['none'], [undefined], {}],
    // T10
    maxAge: [NaN, Infinity, -1, 0, 29_999, 86_400_001, 600_000.5, '600000', null],
    cooldown: [NaN, Infinity, -1, 0, 999, 3_600_001, 1000.5, '30000', null, 600_001],
    timeout: [NaN, Infinity, -1, 0, 60_001, 1.5, '5000', null],
    onError: [null, 'log', {}],
    fetch: [null, 'fetch', {}],
    now: [null, 0, () => NaN, () => 'now'],
    maxage: [600_000]
  }
  for (const options of refused) await t.rejects(openRemoteKeyRing(options as RemoteKeyRingOptions), { code: 'FDT_INVALID_OPTION', statusCode: 500 }, inspect(options))
  for (const [name, values] of Object.entries(bad)) {
    for (const value of values) {
      const option = name === 'cooldown' && value === 600_001 ? 'maxAge' : name
      await t.rejects(openRemoteKeyRing({ url, [name]: value }), { code: 'FDT_INVALID_OPTION', statusCode: 500, message: new RegExp(`"${option}"`) }, `${name}: ${inspect(value)}`)
    }
  }
  // An own copy of the list, and the clock and the global fetch where nothing else is given.
  const key = await makeKey('a')
  const issuer = await upstream(t, answerWith(JSON.stringify({ keys: [key] })))
  const ring = await openRemoteKeyRing({ url: issuer.url })
  t.equal(ring.get('a')?.verifyKey.equals(importKey({ key }).verifyKey), true)
  await openRemoteKeyRing({ url: 'http://127.0.0.1:1/' })
  await ring.close()
})
