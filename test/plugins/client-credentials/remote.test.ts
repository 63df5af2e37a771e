// A resource server that issues nothing: its guards read the keys of another server, over HTTP.
import t, { type Test } from 'tap'
import { generateKey, openRemoteKeyRing, type RemoteKeyRingOptions } from '../../../lib/keys/index.ts'
import { createMemoryStore } from '../../../lib/stores/memory.ts'
import { clientCredentials, type ClientCredentialsOptions } from '../../../plugins/client-credentials/index.ts'
import { buildHost, inEveryHost } from '../../support/hosts.ts'
import { answer, ISSUER, oauthHost, type OAuthHostOptions, refused } from '../../support/oauth-host.ts'
import { claimsOf, NOW, SECONDS } from '../../support/session-host.ts'
import { forge } from '../../support/tokens.ts'
import { upstream } from '../../support/upstream.ts'

const INVALID = refused(401, 'invalid_token', { challenge: 'Bearer error="invalid_token"' })
const UNKNOWN = refused(503, 'temporarily_unavailable', { retryAfter: '1' })
const COOLDOWN = 30_000

/** A server that issues, what it publishes, and another server that only guards. */
async function remoteHost (t: Test, { flow = {}, ring = {}, issuer: options = {} }: { flow?: Record<string, unknown>, ring?: Partial<RemoteKeyRingOptions>, issuer?: OAuthHostOptions } = {}) {
  const issuer = await oauthHost(t, { ...options, flow: { name: 'issuer', ...options.flow } })
  const published = { status: 200 }
  const { url, requests } = await upstream(t, async (_request, response) => {
    const { statusCode, headers, payload } = await issuer.app.inject('/.well-known/jwks.json')
    response.writeHead(published.status === 200 ? statusCode : published.status, { 'content-type': String(headers['content-type']) }).end(payload)
  })
  const errors: Error[] = []
  const now = () => issuer.clock.time
  const keys = await openRemoteKeyRing({ url, now, cooldown: COOLDOWN, timeout: 60_000, onError: (error) => { errors.push(error) }, ...ring })
  t.teardown(() => keys.close())
  const { app, scope } = await buildHost(t, {
    register: async (scope) => {
      await scope.register(clientCredentials, { issuer: ISSUER, keys, scopes: ['api.read'], routes: false, now, ...flow } as ClientCredentialsOptions) // tables have other options
      scope.get('/read', { onRequest: scope.accessTokens.require('api.read') }, async (request) => request.accessToken)
    }
  })
  const key = issuer.keys.signing()
  const good = (await issuer.tokens.issue({ client: { id: issuer.id, owner: 'acme' } })).token
  return {
    issuer,
    clock: issuer.clock,
    published,
    requests,
    errors,
    keys,
    app,
    good,
    guard: scope.accessTokens,
    read: (token: string) => app.inject({ url: '/read', headers: { authorization: `Bearer ${token}` } }),
    /** Signed by the issuer, with other claims and another header. */
    forged: (claims: object, header: object = {}) => forge({ alg: 'ES256', typ: 'at+jwt', kid: key.kid, ...header }, { ...claimsOf(good), ...claims }, key)
  }
}

inEveryHost(t, 'a guard alone', async (t) => {
  const { read, good, requests, issuer, app, guard } = await remoteHost(t)
  const reply = await read(good)
  t.equal(reply.statusCode, 200)
  t.match(reply.json(), { client: issuer.id, owner: 'acme', scopes: ['api.read', 'api.write'], audiences: [ISSUER], issuedAt: NOW })
  t.strictSame(answer(await app.inject('/read')), refused(401, 'invalid_token', { challenge: 'Bearer' }))
  for (let index = 0; index < 10; index++) t.equal((await read(good)).statusCode, 200)
  t.equal(requests.length, 1, 'one look for all (T43)')
  for (const url of ['/connect/token', '/connect/introspect', '/connect/revocation', '/.well-known/jwks.json', '/.well-known/oauth-authorization-server', '/.well-known/oauth-protected-resource']) {
    t.equal((await app.inject({ method: url.startsWith('/connect') ? 'POST' : 'GET', url })).statusCode, 404, url)
  }
  await t.rejects(guard.issue({ client: { id: 'a' } }), { code: 'FDT_NO_SIGNING_KEY' })
  await t.rejects(guard.revoke(good), { code: 'FDT_INVALID_OPTION', message: /store/ })
  await t.rejects(guard.revokeAll({ client: 'a' }), { code: 'FDT_INVALID_OPTION', message: /store/ })
  t.match(guard.jwks(), issuer.tokens.jwks())
})

inEveryHost(t, 'what another issuer may write, and what not', async (t) => {
  const { read, forged, good, issuer } = await remoteHost(t)
  const key = issuer.keys.signing()
  const accepted: Array<[name: string, token: string, expected?: object]> = [
    ['an id that is no UUID', forged({ jti: 'a b/../é"' }), { jti: 'a b/../é"' }],
    ['the longest id', forged({ jti: 'é'.repeat(256) })],
    ['audiences as list', forged({ aud: ['https://other.example', ISSUER] }), { audiences: ['https://other.example', ISSUER] }],
    ['the type with its prefix', forged({}, { typ: 'application/at+jwt' })],
    ['no owner', forged({ owner: undefined }), { client: String }],
    ['fractions', forged({ iat: SECONDS - 0.5, jti: 'x' }), { issuedAt: NOW - 1000 }],
    ['claims of its own', forged({ azp: 'x', roles: ['a'] }), { claims: { azp: 'x', roles: ['a'] } }],
    ['a time in the id that is not when it was issued', forged({ jti: 'ffffffff-ffff-7000-8000-000000000000' }), { issuedAt: NOW }],
    ['a scope that is none here', forged({ scope: 'api.read openid' }), { scopes: ['api.read', 'openid'] }]
  ]
  for (const [name, token, expected = {}] of accepted) {
    const reply = await read(token)
    t.equal(reply.statusCode, 200, name)
    t.match(reply.json(), expected, name)
  }
  const refusedTokens: Array<[name: string, token: string]> = [
    ['another issuer', forged({ iss: 'https://evil.test' })],
    ['another audience', forged({ aud: 'https://other.example' })],
    ['no audience', forged({ aud: undefined })],
    ['no id', forged({ jti: undefined })], ['an empty id', forged({ jti: '' })], ['an id too long', forged({ jti: 'x'.repeat(257) })],
    ['over', forged({ exp: SECONDS })],
    ['another type', forged({}, { typ: 'JWT' })],
    ['a claim twice', forge({ alg: 'ES256', typ: 'at+jwt', kid: key.kid }, JSON.stringify(claimsOf(good)).replace('{', '{"iss":"x",'), key)],
    ['no object', forge({ alg: 'ES256', typ: 'at+jwt', kid: key.kid }, '[]', key)]
  ]
  for (const [name, token] of refusedTokens) t.strictSame(answer(await read(token)), INVALID, name)
})

inEveryHost(t, 'another audience than the issuer, as an API has its own', async (t) => {
  const { issuer, read, app } = await remoteHost(t, { flow: { audience: 'https://api.example', resourceMetadata: 'https://api.example/meta' }, issuer: { flow: { resources: ['https://api.example'] } } })
  const client = { id: issuer.id }
  t.equal((await read((await issuer.tokens.issue({ client, audiences: ['https://api.example'] })).token)).statusCode, 200)
  t.strictSame(answer(await read((await issuer.tokens.issue({ client })).token)).challenge, 'Bearer error="invalid_token", resource_metadata="https://api.example/meta"')
  t.equal(answer(await app.inject('/read')).challenge, 'Bearer resource_metadata="https://api.example/meta"')
})

inEveryHost(t, 'a new key is looked for once per cool-down, a flood of unknown ones too (T43)', async (t) => {
  const { issuer, read, requests, clock, good, forged } = await remoteHost(t)
  t.equal((await read(good)).statusCode, 200)
  t.equal(requests.length, 1)
  for (const token of [forged({}, { kid: 'x' }), forged({}, { kid: '../../jwks' })]) t.strictSame(answer(await read(token)), INVALID)
  t.equal(requests.length, 1, 'the last look was just now')

  clock.time += COOLDOWN
  issuer.keys.add({ key: await generateKey('EdDSA') }, { sign: true })
  const next = (await issuer.tokens.issue({ client: { id: issuer.id } })).token
  const statuses = await Promise.all([next, next, ...Array.from({ length: 20 }, (_, index) => forged({}, { kid: `x${index}` }))].map(async (token) => (await read(token)).statusCode))
  t.strictSame(statuses, [200, 200, ...Array.from({ length: 20 }, () => 401)])
  t.equal(requests.length, 2)
  for (let index = 0; index < 20; index++) t.equal((await read(forged({}, { kid: `y${index}` }))).statusCode, 401)
  t.equal(requests.length, 2)
  t.equal((await read(good)).statusCode, 200, 'the old key still verifies')
})

inEveryHost(t, 'a key that is published no more stops after the next look, whatever was verified before (T6)', async (t) => {
  const { issuer, read, clock, good, forged } = await remoteHost(t)
  t.equal((await read(good)).statusCode, 200)
  const old = issuer.keys.signing().kid
  issuer.keys.add({ key: await generateKey('ES256') }, { sign: true })
  issuer.keys.remove(old)
  t.equal((await read(good)).statusCode, 200, 'nobody has looked')
  clock.time += COOLDOWN
  t.equal((await read(forged({}, { kid: 'x' }))).statusCode, 401)
  t.strictSame(answer(await read(good)), INVALID)
})

inEveryHost(t, 'an outage does not stop keys that are known, and of others nothing is said (T36, T43)', async (t) => {
  const { read, published, clock, good, forged, requests, errors, keys } = await remoteHost(t, { ring: { maxAge: 60_000 } })
  published.status = 500
  clock.time += COOLDOWN
  const unknown = forged({}, { kid: 'x' })
  t.strictSame(answer(await read(unknown)), UNKNOWN, 'whoever it is of, it may be good')
  t.strictSame([requests.length, errors.length, keys.isOutdated()], [2, 1, true])
  t.equal((await read(good)).statusCode, 200)
  t.strictSame(answer(await read(`${good.slice(0, -8)}AAAAAAAA`)), INVALID)
  t.strictSame(answer(await read('x')), INVALID, 'what is no token is none')
  clock.time += 3_600_000
  t.equal((await read(good)).statusCode, 200, 'for as long as it lasts')
  t.strictSame(answer(await read(unknown)), UNKNOWN)

  published.status = 200
  clock.time += COOLDOWN
  t.strictSame(answer(await read(unknown)), INVALID, 'and when it is over, it is none of the issuer\'s')
  t.equal(errors.length, 1)
})

inEveryHost(t, 'an issuer that is out of reach from the beginning', async (t) => {
  const { read, published, clock, good } = await remoteHost(t, { ring: { url: 'http://127.0.0.1:1/jwks', timeout: 1000 } })
  t.equal(published.status, 200)
  t.strictSame(answer(await read(good)), UNKNOWN)
  clock.time += COOLDOWN
  t.strictSame(answer(await read(good)), UNKNOWN)
  t.strictSame(answer(await read('x')), INVALID)
})

inEveryHost(t, 'with the store of the issuer and its name, ends are seen at once', async (t) => {
  const store = createMemoryStore({ now: () => NOW })
  const { issuer, read, good, guard, clock } = await remoteHost(t, { flow: { store, name: 'issuer' }, issuer: { store } })
  t.equal((await read(good)).statusCode, 200)
  t.ok(await issuer.tokens.revoke(good))
  t.equal((await read(good)).json().error_description, 'Token has been revoked')
  const client = { id: issuer.id, owner: 'acme' }
  for (const [ender, target] of [[issuer.tokens, { client: client.id }], [guard, { owner: 'acme' }], [guard, { client: client.id }]] as const) {
    clock.time += 1000
    const { token } = await issuer.tokens.issue({ client })
    t.equal((await read(token)).statusCode, 200)
    await ender.revokeAll(target)
    for (const at of [read, issuer.read]) t.equal((await at(token)).statusCode, 401)
  }
})

inEveryHost(t, 'with a store of its own, it ends tokens of an issuer that knows nothing of it', async (t) => {
  const clock = { time: NOW }
  const { read, guard, forged, clock: issuing } = await remoteHost(t, { flow: { store: createMemoryStore({ now: () => clock.time }) } })
  const far = { exp: SECONDS + 300 * 86_400 }
  const [one, other, third] = [forged({ ...far, jti: 'é'.repeat(256) }), forged({ ...far, jti: 'b' }), forged({ ...far, jti: 'ffffffff-ffff-7000-8000-000000000000', client_id: 'third' })]
  t.ok(await guard.revoke(one))
  t.equal((await read(one)).statusCode, 401)
  t.equal((await read(other)).statusCode, 200)
  t.ok(await guard.revoke(await guard.verify(other)), 'what verify returned will do')
  t.equal((await read(other)).statusCode, 401)
  await guard.revokeAll({ client: 'third' })
  t.equal((await read(third)).statusCode, 401, 'whatever time its id holds')
  for (const days of [2, 299]) {
    issuing.time = clock.time = NOW + days * 86_400_000
    for (const token of [one, other, third]) t.equal((await read(token)).statusCode, 401, `nor does it come back after ${days} days`)
  }
})

inEveryHost(t, 'nor is anything said of a token, or ended, while its key may be new', async (t) => {
  const { guard, published, clock, good, forged } = await remoteHost(t, { flow: { store: createMemoryStore({ now: () => NOW }) } })
  published.status = 500
  clock.time += COOLDOWN
  const unknown = forged({}, { kid: 'x' })
  const asks: Array<() => Promise<unknown>> = [() => guard.verify(unknown), () => guard.introspect(unknown, { id: 'a' }), () => guard.revoke(unknown)]
  for (const ask of asks) await t.rejects(ask(), { code: 'FDT_ISSUER_UNAVAILABLE', statusCode: 503 })
  t.ok(await guard.revoke(good))
})

t.test('what needs a ring that signs, or a store, says so', async (t) => {
  for (const [flow, code] of [[{ dpop: true, publicUrl: 'https://api.example' }, /"store"/], [{ routes: true, clients: { find: async () => undefined } }, /sign/i]] as const) {
    await t.rejects(remoteHost(t, { flow: { ...flow } }), { message: code })
  }
})
