// Tokens as IdentityServer wrote them for the vendor's service, and that neither profile is taken for the other.
import { type FastifyInstance } from 'fastify'
import t from 'tap'
import { createKeyRing, generateKey, type LocalKeyRing } from '../../../lib/keys/index.ts'
import { createMemoryStore } from '../../../lib/stores/memory.ts'
import { clientCredentials, type ClientCredentialsOptions, createAccessTokens } from '../../../plugins/client-credentials/index.ts'
import { sessionIssuance } from '../../../plugins/session-issuance/index.ts'
import { inEveryHost } from '../../support/hosts.ts'
import { answer, ISSUER, oauthHost, refused, ringOf, SCOPES } from '../../support/oauth-host.ts'
import { registrationError } from '../../support/registrations.ts'
import { claimsOf, NOW, SECONDS } from '../../support/session-host.ts'
import { forge } from '../../support/tokens.ts'

const METADATA = `resource_metadata="${ISSUER}/.well-known/oauth-protected-resource"`
const INVALID = refused(401, 'invalid_token', { challenge: `Bearer error="invalid_token", ${METADATA}` })
const flow = { profile: 'identityserver', resources: ['api.platform', 'api.products'] }
const headerOf = (token: string): unknown => JSON.parse(Buffer.from(String(token.split('.')[0]), 'base64url').toString())

inEveryHost(t, 'the members of the vendor\'s tokens in their order, and two of ours behind them', async (t) => {
  const { ask, id, keys, introspect, read } = await oauthHost(t, { flow, client: {}, keys: await ringOf('RS256') })
  const reply = await ask()
  t.strictSame(Object.keys(reply.json()), ['access_token', 'expires_in', 'token_type'])
  const token = reply.json().access_token
  const claims = claimsOf(token)
  t.strictSame(headerOf(token), { alg: 'RS256', typ: 'JWT', kid: keys.signing().kid })
  t.strictSame(Object.entries(claims), Object.entries({
    nbf: SECONDS,
    exp: SECONDS + 86_400,
    iss: ISSUER,
    aud: [ISSUER, 'api.platform', 'api.products'],
    client_id: id,
    client_idSrvId: '',
    scope: SCOPES,
    iat: SECONDS,
    jti: claims['jti']
  }))
  t.match(claims['jti'], /^[0-9a-f-]{36}$/)
  t.match((await introspect(token)).json(), { active: true, client_id: id, scope: 'api.read api.write', nbf: SECONDS, aud: claims['aud'] })
  t.notOk('sub' in (await introspect(token)).json())
  t.strictSame((await read(token)).json().claims, claims)
  t.not((await ask()).json().access_token, token, 'two of one second are two')
})

inEveryHost(t, 'one audience, and no scope, are lists too', async (t) => {
  const { tokens, id, read, clock } = await oauthHost(t, { flow })
  const { token } = await tokens.issue({ client: { id, owner: 'acme' }, audiences: [ISSUER], scopes: ['api.read'], jkt: 'A'.repeat(43) })
  t.match(claimsOf(token), { aud: [ISSUER], scope: ['api.read'], owner: 'acme', cnf: { jkt: 'A'.repeat(43) } })
  const bare = (await tokens.issue({ client: { id, audiences: ['api.products'], scopes: [] } })).token
  t.match(claimsOf(bare), { aud: ['api.products'], scope: [] })
  t.strictSame(answer(await read(bare)), INVALID, 'for another resource')
  const plain = (await tokens.issue({ client: { id } })).token
  t.match((await read(plain)).json(), { client: id, scopes: SCOPES, issuedAt: NOW, notBefore: SECONDS, subject: undefined })
  clock.time = NOW - 1
  t.strictSame(answer(await read(plain)), INVALID, 'not before nbf')
})

inEveryHost(t, 'what the guard reads, and what not', async (t) => {
  const { tokens, id, read, keys } = await oauthHost(t, { flow })
  const key = keys.signing()
  const claims = claimsOf((await tokens.issue({ client: { id } })).token)
  const forged = (more: object, header: object = {}) => forge({ alg: 'ES256', typ: 'JWT', kid: key.kid, ...header }, { ...claims, ...more }, key)
  for (const more of [{}, { aud: ISSUER }, { nbf: undefined }, { sub: 'x' }, { scope: ['x', 'api.read'] }]) t.equal((await read(forged(more))).statusCode, 200, JSON.stringify(more))
  t.strictSame(answer(await read(forged({ scope: undefined }))), refused(403, 'insufficient_scope', { challenge: `Bearer error="insufficient_scope", scope="api.read", ${METADATA}` }))
  const cases: Array<[name: string, token: string]> = [
    ...['api.read', 'api.read api.write', {}, null, 1, [1], ['']].map((scope): [string, string] => [`scope ${JSON.stringify(scope)}`, forged({ scope })]),
    ...['at+jwt', 'application/at+jwt', 'jwt', 'application/jwt', undefined, null, ''].map((typ): [string, string] => [`typ ${typ}`, forged({}, { typ })]),
    ...['iss', 'aud', 'exp', 'iat', 'jti', 'client_id'].map((member): [string, string] => [`without ${member}`, forged({ [member]: undefined })]),
    ['without a key\'s name', forged({}, { kid: undefined })],
    ['another issuer', forged({ iss: 'https://api.aspose.cloud' })]
  ]
  for (const [name, token] of cases) t.strictSame(answer(await read(token)), INVALID, name)
})

inEveryHost(t, 'a guard takes one profile, never either (T30)', async (t) => {
  const keys = await ringOf('ES256')
  const [rfc, vendor] = [await oauthHost(t, { keys }), await oauthHost(t, { keys, flow })]
  const [plain, odd] = [(await rfc.tokens.issue({ client: rfc })).token, (await vendor.tokens.issue({ client: vendor })).token]
  t.equal((await rfc.read(plain)).statusCode, 200)
  t.equal((await vendor.read(odd)).statusCode, 200)
  t.strictSame(answer(await rfc.read(odd)), INVALID)
  t.strictSame(answer(await vendor.read(plain)), INVALID)
  t.strictSame([await rfc.tokens.revoke(odd), await vendor.tokens.revoke(plain)], [false, false])
  // Nor with the other one's type, or the other one's claims.
  const key = keys.signing()
  for (const [host, typ, claims] of [[rfc, 'at+jwt', claimsOf(odd)], [rfc, 'JWT', claimsOf(plain)], [vendor, 'JWT', claimsOf(plain)], [vendor, 'at+jwt', claimsOf(odd)]] as const) {
    t.strictSame(answer(await host.read(forge({ alg: 'ES256', typ, kid: key.kid }, claims, key))), INVALID)
  }
})

t.test('one key, one use: what has both is refused when it is registered (T30)', async (t) => {
  const newRing = async (): Promise<LocalKeyRing> => createKeyRing([{ key: await generateKey('ES256') }])
  const [keys, others, own] = [await newRing(), await newRing(), await newRing()]
  const store = createMemoryStore()
  const access = (name: string) => ({ issuer: `${ISSUER}/${name}`, name, store, scopes: SCOPES })
  const session = { issuer: ISSUER, store, routes: false } as const
  const register: Record<string, (app: FastifyInstance, ring: LocalKeyRing, name: string) => PromiseLike<unknown>> = {
    rfc9068: (app, ring, name) => app.register(clientCredentials, { ...access(name), keys: ring, routes: false }),
    identityserver: (app, ring, name) => app.register(clientCredentials, { ...access(name), keys: ring, profile: 'identityserver', routes: false }),
    'identityserver, ready': async (app, ring, name) => await app.register(clientCredentials, { tokens: await createAccessTokens({ ...access(name), keys: ring, profile: 'identityserver' }), routes: false }),
    sessions: (app, ring, name) => app.register(sessionIssuance, { ...session, keys: ring, name }),
    'document engine': (app, ring, name) => app.register(sessionIssuance, { ...session, keys: own, documentEngineKeys: ring, name })
  }
  for (const [first, registerFirst] of Object.entries(register)) {
    for (const [second, registerSecond] of Object.entries(register)) {
      const together = async (ring: LocalKeyRing) => await registrationError(async (app) => {
        await app.register(async (scope) => { await registerFirst(scope, keys, 'one') })
        await app.register(async (scope) => { await registerSecond(scope, ring, 'two') })
      })
      const isOneUse = first.slice(0, 8) === second.slice(0, 8)
      t.match(await together(keys), isOneUse ? undefined : { code: 'FDT_INVALID_OPTION', message: new RegExp(`"${second === 'document engine' ? 'documentEngineKeys' : 'keys'}".*another flow`) }, `${first}, ${second}`)
      t.equal(await together(others), undefined, `${first}, ${second} with keys of their own`)
    }
  }
})

t.test('one issuer and audience, one instance: two would not learn of each other\'s revocations (T30)', async (t) => {
  const keys = createKeyRing([{ key: await generateKey('ES256') }])
  const options = { issuer: ISSUER, store: createMemoryStore(), scopes: SCOPES, keys }
  const tokens = await createAccessTokens(options)
  const cases: Array<[name: string, other: ClientCredentialsOptions, refused: boolean]> = [
    ['the same', { ...options, name: 'other', routes: false }, true],
    ['the audience, said', { ...options, name: 'other', audience: ISSUER, routes: false }, true],
    ['another audience', { ...options, name: 'other', audience: 'https://files.example', routes: false }, false],
    ['another issuer', { ...options, name: 'other', issuer: `${ISSUER}/other`, audience: ISSUER, routes: false }, false],
    ['the very same object', { tokens, routes: false }, false]
  ]
  for (const [name, other, refused] of cases) {
    const error = await registrationError(async (app) => {
      await app.register(async (scope) => { await scope.register(clientCredentials, { tokens, routes: false }) })
      await app.register(async (scope) => { await scope.register(clientCredentials, other) })
    })
    t.match(error, refused ? { code: 'FDT_INVALID_OPTION', message: /"audience"/ } : undefined, name)
  }
})
