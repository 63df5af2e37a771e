import { createSign, generateKeyPairSync } from 'node:crypto'
import t from 'tap'
import { createKeyRing, generateKey, type JsonWebKey, type LocalKeyRing, openStoredKeyRing, parseNamedKey } from '../../../lib/keys/index.ts'
import { createMemoryStore } from '../../../lib/stores/memory.ts'
import { createAccessTokens } from '../../../plugins/client-credentials/index.ts'
import { inEveryHost } from '../../support/hosts.ts'
import { answer, ISSUER, oauthHost, refused, ringOf, SCOPES } from '../../support/oauth-host.ts'
import { registrationError } from '../../support/registrations.ts'
import { NOW } from '../../support/session-host.ts'
import { clientCredentials } from '../../../plugins/client-credentials/index.ts'

const JWKS = ['/.well-known/jwks.json', '/.well-known/openid-configuration/jwks']
const METHODS = ['client_secret_basic', 'client_secret_post', 'private_key_jwt']
const ALGORITHMS = ['ES256', 'EdDSA', 'Ed25519', 'RS256', 'PS256']

/** RFC 8414, as it has to be, in its order. */
function serverOf ({ issuer = ISSUER, base = ISSUER, resource = [issuer], dpop = false }: { issuer?: string, base?: string, resource?: string[], dpop?: boolean } = {}) {
  return {
    issuer,
    token_endpoint: `${base}/connect/token`,
    jwks_uri: `${base}/.well-known/jwks.json`,
    scopes_supported: SCOPES,
    response_types_supported: [],
    grant_types_supported: ['client_credentials'],
    token_endpoint_auth_methods_supported: METHODS,
    token_endpoint_auth_signing_alg_values_supported: ALGORITHMS,
    introspection_endpoint: `${base}/connect/introspect`,
    introspection_endpoint_auth_methods_supported: METHODS,
    introspection_endpoint_auth_signing_alg_values_supported: ALGORITHMS,
    revocation_endpoint: `${base}/connect/revocation`,
    revocation_endpoint_auth_methods_supported: METHODS,
    revocation_endpoint_auth_signing_alg_values_supported: ALGORITHMS,
    ...(dpop && { dpop_signing_alg_values_supported: ALGORITHMS }),
    ...(resource.length > 0 && { protected_resources: resource })
  }
}

const resourceOf = (resource = ISSUER, issuer = ISSUER, dpop = false) => ({
  resource, authorization_servers: [issuer], scopes_supported: SCOPES, bearer_methods_supported: ['header'], ...(dpop && { dpop_signing_alg_values_supported: ALGORITHMS })
})

const publicOf = (ring: LocalKeyRing): JsonWebKey[] => ring.list().map(({ kid, algorithm, verifyKey }) => ({ ...verifyKey.export({ format: 'jwk' }), kid, alg: algorithm, use: 'sig' }) as JsonWebKey) // of one module and the other

inEveryHost(t, 'the keys, public members alone, at both paths, for everybody to keep a while', async (t) => {
  const keys = await ringOf('ES256')
  for (const algorithm of ['EdDSA', 'RS256'] as const) keys.add({ key: await generateKey(algorithm) })
  const { app } = await oauthHost(t, { keys })
  for (const url of JWKS) {
    const reply = await app.inject(url)
    t.strictSame(reply.json(), { keys: publicOf(keys) }, url)
    t.strictSame(reply.json().keys.map((key: object) => Object.keys(key).sort()), [['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'], ['alg', 'crv', 'kid', 'kty', 'use', 'x'], ['alg', 'e', 'kid', 'kty', 'n', 'use']])
    t.strictSame([reply.statusCode, reply.headers['cache-control'], reply.headers['content-type'], reply.headers['pragma']], [200, 'public, max-age=300', 'application/json; charset=utf-8', undefined])
  }
})

inEveryHost(t, 'every document has an ETag, and is not sent again to who has it', async (t) => {
  const { app, keys } = await oauthHost(t)
  for (const url of [...JWKS, '/.well-known/oauth-authorization-server', '/.well-known/oauth-protected-resource']) {
    const { headers: { etag }, body } = await app.inject(url)
    t.match(etag, /^"[A-Za-z0-9_-]{43}"$/)
    const head = await app.inject({ method: 'HEAD', url })
    t.strictSame([head.statusCode, head.body, head.headers['etag'], head.headers['content-length'], head.headers['cache-control']], [200, '', etag, String(Buffer.byteLength(body)), 'public, max-age=300'], `HEAD ${url}`)
    for (const known of [String(etag), `W/${etag}`, `"x", ${etag}`, `"x",W/${etag} , "y"`, '*']) {
      for (const method of ['GET', 'HEAD'] as const) {
        const reply = await app.inject({ method, url, headers: { 'if-none-match': known } })
        t.strictSame([reply.statusCode, reply.body, reply.headers['etag'], reply.headers['cache-control'], reply.headers['content-type']], [304, '', etag, 'public, max-age=300', undefined], `${method} ${url}: ${known}`)
      }
    }
    for (const other of ['"x"', '', String(etag).slice(1, -1), `${etag}x`, `w/${etag}`]) t.equal((await app.inject({ url, headers: { 'if-none-match': other } })).statusCode, 200, other)
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE'] as const) t.strictSame(answer(await app.inject({ method, url })), refused(405, 'invalid_request', { allow: 'GET, HEAD' }), `${method} ${url}`)
  }
  const before = await app.inject(String(JWKS[0]))
  keys.add({ key: await generateKey('ES256') })
  const after = await app.inject({ url: String(JWKS[0]), headers: { 'if-none-match': String(before.headers['etag']) } })
  t.equal(after.statusCode, 200, 'another document has another ETag')
})

inEveryHost(t, 'the coming key is there before it signs, and the last one until it is taken out', async (t) => {
  const { app, keys, newToken, read } = await oauthHost(t)
  const kids = async (): Promise<string[]> => (await app.inject(String(JWKS[0]))).json().keys.map(({ kid }: JsonWebKey) => kid)
  const kidOf = (token: string): string => JSON.parse(Buffer.from(String(token.split('.')[0]), 'base64url').toString()).kid
  const first = keys.signing().kid
  const { kid: coming } = keys.add({ key: await generateKey('ES256') })
  t.strictSame(await kids(), [first, coming])
  const old = await newToken()
  t.equal(kidOf(old), first)
  keys.promote(coming)
  const token = await newToken()
  t.strictSame([await kids(), kidOf(token)], [[first, coming], coming])
  t.strictSame([(await read(old)).statusCode, (await read(token)).statusCode], [200, 200])
  keys.remove(first)
  t.strictSame([await kids(), (await read(old)).statusCode, (await read(token)).statusCode], [[coming], 401, 200])
})

inEveryHost(t, 'metadata say what the options say, where RFC 8414 and RFC 9728 want them', async (t) => {
  const api = 'https://api.example/v1'
  const cases: Array<[name: string, flow: Record<string, unknown>, server: [path: string, document: object], resource: [path: string, document: object] | undefined, base: string]> = [
    ['the defaults', {}, ['', serverOf()], ['', resourceOf()], ''],
    ['an issuer with a path', { issuer: `${ISSUER}/tenants/a` }, ['/tenants/a', serverOf({ issuer: `${ISSUER}/tenants/a` })], ['/tenants/a', resourceOf(`${ISSUER}/tenants/a`, `${ISSUER}/tenants/a`)], ''],
    ['an issuer with a slash', { issuer: `${ISSUER}/a/` }, ['/a', serverOf({ issuer: `${ISSUER}/a/` })], ['/a', resourceOf(`${ISSUER}/a/`, `${ISSUER}/a/`)], ''],
    ['an audience of its own', { audience: api }, ['', serverOf({ resource: [api] })], ['/v1', resourceOf(api)], ''],
    ['an audience that is no URL', { audience: 'api.platform' }, ['', serverOf({ resource: [] })], undefined, ''],
    ['an audience with a query', { audience: `${api}?a=b` }, ['', serverOf({ resource: [] })], undefined, ''],
    ['a public URL, and a prefix', { publicUrl: 'https://public.example/', prefix: '/api' }, ['', serverOf({ base: 'https://public.example/api' })], ['', resourceOf()], '/api'],
    ['DPoP', { dpop: true, publicUrl: ISSUER }, ['', serverOf({ dpop: true })], ['', resourceOf(ISSUER, ISSUER, true)], '']
  ]
  for (const [name, flow, [path, document], resource, base] of cases) {
    const { app, tokens } = await oauthHost(t, { flow })
    const server = await app.inject({ url: `/.well-known/oauth-authorization-server${path}`, headers: { host: 'evil.example', 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'http' } })
    t.equal(server.body, JSON.stringify(document), `${name}; Host says nothing (T19)`)
    t.strictSame(tokens.metadata(), document)
    const described = await app.inject(`/.well-known/oauth-protected-resource${resource?.[0] ?? ''}`)
    if (resource === undefined) t.equal(described.statusCode, 404, name)
    else t.equal(described.body, JSON.stringify(resource[1]), name)
    t.strictSame(tokens.resourceMetadata(), resource?.[1])
    t.equal((await app.inject(`${base}/.well-known/jwks.json`)).statusCode, 200, name)
    if (path !== '') t.equal((await app.inject('/.well-known/oauth-authorization-server')).statusCode, 404, name)
  }
})

inEveryHost(t, 'where the host serves them itself', async (t) => {
  const { app, tokens } = await oauthHost(t, { flow: { metadata: false, prefix: '/auth' } })
  for (const url of ['/.well-known/oauth-authorization-server', '/.well-known/oauth-protected-resource', '/auth/.well-known/oauth-authorization-server']) t.equal((await app.inject(url)).statusCode, 404, url)
  t.strictSame(tokens.metadata(), serverOf({ base: `${ISSUER}/auth` }))
  t.strictSame(tokens.resourceMetadata(), resourceOf())
  t.equal((await app.inject('/read')).headers['www-authenticate'], 'Bearer', 'challenges name what is served here alone')
})

t.test('under a prefix of the host\'s nobody would look for them', async (t) => {
  const { keys, store, registry } = await oauthHost(t)
  const under = (more: object = {}) => registrationError((app) => app.register(async (scope) => { await scope.register(clientCredentials, { issuer: ISSUER, scopes: SCOPES, keys, store, clients: registry, ...more }) }, { prefix: '/api' }))
  t.match(await under(), { code: 'FDT_INVALID_OPTION', message: /^Invalid option "metadata": / })
  t.equal(await under({ metadata: false }), undefined)
  t.equal(await registrationError((app) => app.register(async (scope) => {
    await scope.register(clientCredentials, { issuer: ISSUER, scopes: SCOPES, keys, store, clients: registry, metadata: false, prefix: '/v1' })
    t.equal(scope.accessTokens.metadata().token_endpoint, `${ISSUER}/api/v1/connect/token`)
  }, { prefix: '/api' })), undefined)
  for (const issuer of [`${ISSUER}/a%20b`, `${ISSUER}/:tenant`, `${ISSUER}/*`, `${ISSUER}/a/(b)`]) {
    const register = (more: object) => registrationError((app) => app.register(clientCredentials, { issuer, scopes: SCOPES, keys, store, clients: registry, ...more }))
    t.match(await register({}), { code: 'FDT_INVALID_OPTION', message: /^Invalid option "metadata": / }, issuer)
    t.equal(await register({ metadata: false }), undefined, issuer)
  }
})

t.test('without a server', async (t) => {
  const { store } = await oauthHost(t)
  const tokens = await createAccessTokens({ issuer: ISSUER, scopes: SCOPES, keys: await ringOf('ES256'), store })
  t.strictSame(tokens.metadata(), serverOf())
  t.strictSame(tokens.jwks(), { keys: publicOf(await ringOf('ES256')) })
})

inEveryHost(t, 'a Signer signs, and its public half is published', async (t) => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const keys = createKeyRing([{ kid: 'kms', algorithm: 'RS256', publicKey, sign: async (bytes) => createSign('sha256').update(bytes).sign(privateKey) }])
  const { newToken, read, app } = await oauthHost(t, { keys })
  const token = await newToken()
  t.strictSame(JSON.parse(Buffer.from(String(token.split('.')[0]), 'base64url').toString()), { alg: 'RS256', typ: 'at+jwt', kid: 'kms' })
  t.equal((await read(token)).statusCode, 200)
  t.match((await app.inject('/.well-known/jwks.json')).json(), { keys: [{ kid: 'kms', alg: 'RS256' }] })
})

inEveryHost(t, 'the coming key of a ring in the store is there before it signs', async (t) => {
  let time = NOW
  const store = createMemoryStore({ now: () => time })
  const keyEncryptionKeys = [parseNamedKey(`1:${Buffer.from('0123456789abcdefghijklmnopqrstuv').toString('base64')}`)]
  const options = { store, name: 'access', algorithm: 'ES256', keyEncryptionKeys, now: () => time } as const
  const [keys, elsewhere] = [await openStoredKeyRing(options), await openStoredKeyRing(options)]
  t.teardown(async () => {
    await keys.close()
    await elsewhere.close()
  })
  const { newToken, app, read, clock } = await oauthHost(t, { flow: { keys }, store })
  const kids = async () => (await app.inject('/.well-known/jwks.json')).json().keys.map(({ kid }: { kid: string }) => kid)
  const kidOf = (token: string) => JSON.parse(Buffer.from(String(token.split('.')[0]), 'base64url').toString()).kid
  const first = keys.signing().kid
  const { kid: coming } = await elsewhere.rotate({ signsIn: 600_000 })
  await keys.refresh()
  t.strictSame(await kids(), [first, coming])
  t.equal(kidOf(await newToken()), first)
  time += 600_000
  clock.time += 600_000
  const token = await newToken()
  t.equal(kidOf(token), coming)
  t.equal((await read(token)).statusCode, 200)
})
