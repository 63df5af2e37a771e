import { createSecretKey } from 'node:crypto'
import t, { type Test } from 'tap'
import { generateKey, type JsonWebKey, type KeyAlgorithm } from '../../../lib/keys/index.ts'
import { importKey } from '../../../lib/keys/key-material.ts'
import { createMemoryStore } from '../../../lib/stores/memory.ts'
import { signJws } from '../../../lib/tokens/jws.ts'
import { faultyStore } from '../../support/faulty-store.ts'
import { inEveryHost } from '../../support/hosts.ts'
import { answer, BASIC_CHALLENGE, ISSUER, oauthHost, type OAuthHostOptions, refused } from '../../support/oauth-host.ts'
import { NOW, SECONDS } from '../../support/session-host.ts'
import { encode, forge } from '../../support/tokens.ts'

const TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
const WRONG = refused(400, 'invalid_client')
const SERVED = { status: 200, error: undefined, challenge: undefined, cache: 'no-store', retryAfter: undefined, allow: undefined }
const URLS = ['/connect/token', '/connect/introspect', '/connect/revocation']

async function pairOf (algorithm: KeyAlgorithm) {
  const key = importKey({ key: await generateKey(algorithm) })
  const jwk = { ...key.verifyKey.export({ format: 'jwk' }), alg: algorithm, kid: key.kid } as JsonWebKey // of one module and the other
  return { key, jwk }
}

const pair = pairOf('ES256')
let lastJti = 0

/** A host with a client that has no secret, and signs. */
async function signingHost (t: Test, options: OAuthHostOptions = {}) {
  const { key, jwk } = await pair
  const host = await oauthHost(t, { ...options, client: { secret: false, keys: [jwk], ...options.client } })
  const claims = (more: object = {}) => ({ iss: host.id, sub: host.id, aud: ISSUER, exp: SECONDS + 60, jti: `jti-${++lastJti}`, ...more })
  const sign = (more: object = {}, header: object = {}, signer = key) => forge({ alg: 'ES256', ...header }, claims(more), signer)
  const send = (assertion: string, fields: Record<string, string> = {}, url = '/connect/token', headers: Record<string, string> = {}) =>
    host.post(url, { grant_type: 'client_credentials', token: 'x', client_assertion_type: TYPE, client_assertion: assertion, ...fields }, headers)
  return { ...host, key, jwk, claims, sign, send }
}

inEveryHost(t, 'a client without a secret signs, at every route, and each assertion is good once', async (t) => {
  const { send, sign, id, post, read } = await signingHost(t)
  for (const url of URLS) {
    const assertion = sign()
    t.strictSame(answer(await send(assertion, {}, url)), SERVED, url)
    for (const again of URLS) t.strictSame(answer(await send(assertion, {}, again)), again === '/connect/token' ? WRONG : refused(401, 'invalid_client', { challenge: BASIC_CHALLENGE }), `replayed at ${again}`)
    t.strictSame(answer(await send(sign(), { client_id: id }, url)), SERVED, 'with its id beside it')
  }
  const token = String((await send(sign())).json().access_token)
  t.match(JSON.parse(Buffer.from(String(token.split('.')[1]), 'base64url').toString()), { sub: id, client_id: id })
  t.equal((await read(token)).statusCode, 200)
  t.strictSame(answer(await post('/connect/token', { grant_type: 'client_credentials', client_id: id, client_secret: '' })), WRONG, 'an empty secret is none')
})

inEveryHost(t, 'of every asymmetric algorithm, by the key alone', async (t) => {
  const pairs = [await pairOf('ES256'), await pairOf('EdDSA'), await pairOf('RS256'), await pairOf('PS256')]
  const { send, sign, claims } = await signingHost(t, { client: { keys: pairs.map(({ jwk }) => jwk) } })
  for (const { key } of pairs) {
    const { algorithm: alg, kid } = key
    t.strictSame(answer(await send(await signJws({}, JSON.stringify(claims()), key))), SERVED, alg)
    for (const other of ['ES256', 'EdDSA', 'RS256', 'PS256', 'ES384', 'HS256', 'none'].filter((name) => name !== alg)) t.strictSame(answer(await send(sign({}, { alg: other, kid }, key))), WRONG, `${other} over a key of ${alg}`)
  }
  const { key, jwk } = await pairOf('EdDSA')
  const other = await signingHost(t, { client: { keys: [jwk] } })
  t.strictSame(answer(await other.send(other.sign({}, { alg: 'Ed25519' }, key))), SERVED, 'by its name in RFC 9864')
})

inEveryHost(t, 'what is refused, and uses nothing up', async (t) => {
  const { send, sign, claims, key, jwk, id, registry } = await signingHost(t)
  const { key: foreignKey, jwk: foreignJwk } = await pairOf('ES256')
  const { record: other } = await registry.create({ secret: false, keys: [foreignJwk] })
  const { record: keyless } = await registry.create()
  const shared = createSecretKey(Buffer.from(JSON.stringify(jwk)))
  const hs256 = (secret: typeof shared) => ({ ...key, algorithm: 'HS256' as const, verifyKey: secret, signKey: secret })
  const pem = createSecretKey(Buffer.from(String(key.verifyKey.export({ type: 'spki', format: 'pem' }))))
  const unsigned = (alg: string) => `${encode({ alg })}.${encode(claims())}.`
  const cases: Array<[name: string, assertion: string, fields?: Record<string, string>]> = [
    ['expired this second', sign({ exp: SECONDS })],
    ['without an end', sign({ exp: undefined })],
    ['an end that is text', sign({ exp: String(SECONDS + 60) })],
    ['an end that is too far ahead', sign({ exp: SECONDS + 301 })],
    ['not yet', sign({ nbf: SECONDS + 1 })],
    ['from the future', sign({ iat: SECONDS + 1 })],
    ['without a jti', sign({ jti: undefined })],
    ['an empty jti', sign({ jti: '' })],
    ['a long jti', sign({ jti: 'x'.repeat(257) })],
    ['without an audience', sign({ aud: undefined })],
    ['another audience', sign({ aud: 'https://other.example' })],
    ['the issuer and a slash', sign({ aud: `${ISSUER}/` })],
    ['the URL of the endpoint', sign({ aud: `${ISSUER}/connect/token` })],
    ['a list', sign({ aud: [ISSUER] })],
    ['a list with others', sign({ aud: [ISSUER, 'https://other.example'] })],
    ['another iss', sign({ iss: other.id })],
    ['another sub', sign({ sub: other.id })],
    ['of another client', sign({ iss: other.id, sub: other.id })],
    ['by another client\'s key', sign({}, {}, foreignKey)],
    ['of a client without keys', sign({ iss: keyless.id, sub: keyless.id })],
    ['of nobody', sign({ iss: 'nobody', sub: 'nobody' })],
    ['of __proto__ (T28)', sign({ iss: '__proto__', sub: '__proto__' })],
    ['of a list', sign({ iss: [id], sub: [id] })],
    ['with another client\'s id beside it', sign(), { client_id: other.id }],
    ['with half an id beside it', sign(), { client_id: id.slice(1) }],
    ['another kid', sign({}, { kid: 'other' })],
    ['a key of its own', sign({}, { jwk: foreignJwk }, foreignKey)],
    ['a URL of a key', sign({}, { jku: 'https://evil.example', x5u: 'https://evil.example' }, foreignKey)],
    ['crit', sign({}, { crit: ['exp'] })],
    ['b64', sign({}, { b64: false })],
    ['an access token by its type', sign({}, { typ: 'at+jwt' })],
    ['a proof by its type', sign({}, { typ: 'dpop+jwt' })],
    ['HS256 over the public key', sign({}, { alg: 'HS256' }, hs256(shared))],
    ['HS256 over its PEM (T1)', sign({}, { alg: 'HS256' }, hs256(pem))],
    ...['none', 'None', 'nOnE', ''].map((alg): [string, string] => [`unsigned: ${alg}`, unsigned(alg)]),
    ['no signature', sign().replace(/[^.]+$/, '')],
    ['altered', sign().replace(/\.([^.]+)\./, `.${encode(claims())}.`)],
    ['two parts', sign().replace(/\.[^.]+$/, '')],
    ['five parts', `${sign()}.x.y`],
    ['white space', ` ${sign()}`],
    ['8 kB', sign({ padding: 'x'.repeat(8192) })],
    ['text', 'x'],
    ['another type of assertion', sign(), { client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:saml2-bearer' }],
    ['no type', sign(), { client_assertion_type: '' }],
    ['no assertion', '']
  ]
  for (const [name, assertion, fields] of cases) t.strictSame(answer(await send(assertion, fields)), WRONG, name)

  const jti = 'once'
  t.strictSame(answer(await send(sign({ jti }, {}, foreignKey))), WRONG, 'a forged one with a jti')
  t.strictSame(answer(await send(sign({ jti, aud: 'x' }))), WRONG, 'one for somebody else with it')
  t.strictSame(answer(await send(sign({ jti }))), SERVED, 'have not used it up')
  await registry.disable(id)
  t.strictSame(answer(await send(sign())), WRONG, 'disabled')
})

inEveryHost(t, 'what else is accepted', async (t) => {
  const { send, sign, key, clock } = await signingHost(t)
  const cases: Array<[name: string, claims: object, header?: object]> = [
    ['with its kid', {}, { kid: key.kid }],
    ['as JWT', {}, { typ: 'JWT' }],
    ['as the revision of RFC 7523 calls it', {}, { typ: 'client-authentication+jwt' }],
    ['from now on', { nbf: SECONDS, iat: SECONDS }],
    ['300 seconds ahead', { exp: SECONDS + 300 }],
    ['one second', { exp: SECONDS + 1 }],
    ['more claims', { aud: ISSUER, foo: 'bar' }]
  ]
  for (const [name, claims, header] of cases) t.strictSame(answer(await send(sign(claims, header))), SERVED, name)
  clock.time = NOW + 59_999
  t.strictSame(answer(await send(sign())), SERVED)
  clock.time = NOW + 60_000
  t.strictSame(answer(await send(sign())), WRONG, 'and then no more')
})

inEveryHost(t, 'legacyAudience lets more in, and nothing that is not named', async (t) => {
  const endpoint = `${ISSUER}/connect/token`
  const { send, sign } = await signingHost(t, { flow: { legacyAudience: [endpoint] } })
  for (const aud of [ISSUER, endpoint, [endpoint], [ISSUER], ['https://other.example', endpoint]]) t.strictSame(answer(await send(sign({ aud }))), SERVED, JSON.stringify(aud))
  for (const aud of ['https://other.example', ['https://other.example'], [], [[endpoint]], `${endpoint}/`, null]) t.strictSame(answer(await send(sign({ aud }))), WRONG, JSON.stringify(aud))
})

inEveryHost(t, 'the issuer alone is the audience, whatever Host says (T19)', async (t) => {
  const { send, sign } = await signingHost(t)
  const headers = { host: 'evil.example', 'x-forwarded-host': 'evil.example' }
  t.strictSame(answer(await send(sign({ aud: 'https://evil.example' }), {}, '/connect/token', headers)), WRONG)
  t.strictSame(answer(await send(sign(), {}, '/connect/token', headers)), SERVED)
})

inEveryHost(t, 'one assertion at two servers with one store, and many at once', async (t) => {
  const { store, fault } = faultyStore(createMemoryStore({ now: () => NOW }))
  const one = await signingHost(t, { store })
  const two = await oauthHost(t, { store })
  const assertion = one.sign()
  const fields = { grant_type: 'client_credentials', client_assertion_type: TYPE, client_assertion: assertion }
  const statuses = (await Promise.all(Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? one : two).post('/connect/token', fields)))).map(({ statusCode }) => statusCode)
  t.strictSame(statuses.sort(), [200, ...Array.from({ length: 19 }, () => 400)])
  fault.error = new Error('down')
  t.strictSame(answer(await one.send(one.sign())), refused(503, 'temporarily_unavailable', { retryAfter: '1' }), 'an outage is none of it')
})
