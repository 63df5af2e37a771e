import * as oauth from 'oauth4webapi'
import t from 'tap'
import { addKey, ALGORITHMS, RESERVED, RESOURCE, startServer } from './server.ts'

const INSECURE = { [oauth.allowInsecureRequests]: true }
const NONCE_SECRET = 'a secret that nonces are made with, of any length'

type Server = Awaited<ReturnType<typeof startServer>>

/** How the client tells of a refusal. */
const refused = (error: string) => ({ code: 'OAUTH_RESPONSE_BODY_ERROR', status: 400, error })
const challenged = (status: number) => ({ code: 'OAUTH_WWW_AUTHENTICATE_CHALLENGE', status })

/** What the server says of itself: RFC 8414. */
async function discover ({ issuer }: Pick<Server, 'issuer'>): Promise<oauth.AuthorizationServer> {
  const url = new URL(issuer)
  return await oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, { algorithm: 'oauth2', ...INSECURE }))
}

interface Grant {
  id: string
  auth: oauth.ClientAuth
  parameters?: Record<string, string> | string[][]
  handle?: oauth.DPoPHandle
}

async function grant (as: oauth.AuthorizationServer, { id, auth, parameters = {}, handle }: Grant): Promise<oauth.TokenEndpointResponse> {
  const client = { client_id: id }
  const response = await oauth.clientCredentialsGrantRequest(as, client, auth, parameters, { ...INSECURE, ...(handle !== undefined && { DPoP: handle }) })
  return await oauth.processClientCredentialsResponse(as, client, response)
}

/** Once more, where the server wants a nonce. */
async function retried<Value> (run: () => Promise<Value>): Promise<Value> {
  try {
    return await run()
  } catch (error) {
    if (!oauth.isDPoPNonceError(error)) throw error
    return await run()
  }
}

for (const algorithm of ALGORITHMS) {
  t.test(`a token under ${algorithm}, by every method`, async (t) => {
    const server = await startServer(t, { algorithm })
    const as = await discover(server)
    const { privateKey, publicKey } = await oauth.generateKeyPair(algorithm === 'EdDSA' ? 'Ed25519' : algorithm)
    const keyId = await addKey(server, publicKey, algorithm)
    const { id, secret, issuer, read } = server
    const methods: Array<[name: string, id: string, auth: oauth.ClientAuth]> = [
      ['client_secret_basic', id, oauth.ClientSecretBasic(secret)],
      ['client_secret_post', id, oauth.ClientSecretPost(secret)],
      ['private_key_jwt', keyId, oauth.PrivateKeyJwt(privateKey)]
    ]
    for (const [name, id, auth] of methods) {
      await t.test(name, async (t) => {
        const { access_token: token, token_type: type, expires_in: expiresIn, scope } = await grant(as, { id, auth })
        t.strictSame([type, expiresIn, scope], ['bearer', 86_400, undefined])

        const request = new Request(read, { headers: { authorization: `Bearer ${token}` } })
        const claims = await oauth.validateJwtAccessToken(as, request, issuer, { ...INSECURE, signingAlgorithms: [algorithm] })
        t.match(claims, { iss: issuer, aud: issuer, sub: id, client_id: id, scope: 'api.read api.write' }, 'strict RFC 9068')
        t.strictSame(await (await oauth.protectedResourceRequest(token, 'GET', new URL(read), undefined, undefined, INSECURE)).json(), { client: id, scopes: ['api.read', 'api.write'] })

        const client = { client_id: id }
        const introspect = async () => await oauth.processIntrospectionResponse(as, client, await oauth.introspectionRequest(as, client, auth, token, INSECURE))
        t.match(await introspect(), { active: true, client_id: id, token_type: 'Bearer', iss: issuer, jti: claims.jti })
        t.equal(await oauth.processRevocationResponse(await oauth.revocationRequest(as, client, auth, token, INSECURE)), undefined)
        t.strictSame(await introspect(), { active: false })
        await t.rejects(oauth.protectedResourceRequest(token, 'GET', new URL(read), undefined, undefined, INSECURE), { status: 401, cause: [{ scheme: 'bearer', parameters: { error: 'invalid_token' } }] })
      })
    }

    await t.test('the key of another client, or another secret', async (t) => {
      const stranger = await oauth.generateKeyPair('ES256')
      const cases: Array<[id: string, auth: oauth.ClientAuth, status: number]> = [
        [id, oauth.ClientSecretBasic(`${secret}x`), 401],
        [id, oauth.ClientSecretPost(`${secret}x`), 400],
        [keyId, oauth.PrivateKeyJwt(stranger.privateKey), 400],
        [id, oauth.PrivateKeyJwt(privateKey), 400],
        [id, oauth.None(), 400]
      ]
      for (const [id, auth, status] of cases) {
        await t.rejects(grant(as, { id, auth }), status === 401 ? { ...challenged(401), cause: [{ scheme: 'basic' }] } : refused('invalid_client'))
      }
    })
  })
}

t.test('ids and secrets of reserved characters', async (t) => {
  const as = await discover(await startServer(t))
  for (const { id, secret } of RESERVED) {
    for (const auth of [oauth.ClientSecretBasic(secret), oauth.ClientSecretPost(secret)]) {
      t.match(await grant(as, { id, auth }), { token_type: 'bearer' }, id)
    }
  }
})

t.test('scopes and resources', async (t) => {
  const server = await startServer(t)
  const as = await discover(server)
  const { id, secret, issuer, read } = server
  const auth = oauth.ClientSecretBasic(secret)
  const audienceOf = (token: string, audience: string) => oauth.validateJwtAccessToken(as, new Request(read, { headers: { authorization: `Bearer ${token}` } }), audience, INSECURE)

  const narrow = await grant(as, { id, auth, parameters: { scope: 'api.read' } })
  t.equal((await audienceOf(narrow.access_token, issuer)).scope, 'api.read')
  await t.rejects(oauth.protectedResourceRequest(narrow.access_token, 'POST', new URL(server.write), undefined, undefined, INSECURE), { status: 403, cause: [{ parameters: { error: 'insufficient_scope', scope: 'api.read api.write' } }] })

  const elsewhere = await grant(as, { id, auth, parameters: { resource: RESOURCE } })
  t.equal((await audienceOf(elsewhere.access_token, RESOURCE)).aud, RESOURCE)
  await t.rejects(oauth.protectedResourceRequest(elsewhere.access_token, 'GET', new URL(read), undefined, undefined, INSECURE), challenged(401))
  const both = await grant(as, { id, auth, parameters: [['resource', issuer], ['resource', RESOURCE]] })
  t.strictSame((await audienceOf(both.access_token, RESOURCE)).aud, [issuer, RESOURCE])

  for (const resource of ['/relative', `${RESOURCE}#fragment`, 'https://unknown.example/']) await t.rejects(grant(as, { id, auth, parameters: { resource } }), refused('invalid_target'))
  await t.rejects(grant(as, { id, auth, parameters: { scope: 'api.write unknown' } }), refused('invalid_scope'))
})

t.test('from a challenge to a token: RFC 9728', async (t) => {
  const { issuer, read, id, secret } = await startServer(t)
  const answer = await oauth.protectedResourceRequest('x', 'GET', new URL(read), undefined, undefined, INSECURE).catch((error: unknown) => error)
  const [{ parameters: { resource_metadata: url = '' } = {} } = {}] = answer instanceof oauth.WWWAuthenticateChallengeError ? answer.cause : []
  t.equal(url, `${issuer}/.well-known/oauth-protected-resource`)

  const identifier = new URL(issuer)
  const direct = await oauth.resourceDiscoveryRequest(identifier, INSECURE)
  const resource = await oauth.processResourceDiscoveryResponse(identifier, await fetch(url))
  t.strictSame(await oauth.processResourceDiscoveryResponse(identifier, direct), resource)
  t.match(resource, { resource: issuer, scopes_supported: ['api.read', 'api.write'], bearer_methods_supported: ['header'] })

  const [server = ''] = resource.authorization_servers ?? []
  const as = await discover({ issuer: server })
  t.match(await grant(as, { id, auth: oauth.ClientSecretPost(secret), parameters: { resource: resource.resource } }), { token_type: 'bearer' })
})

for (const nonceSecret of [undefined, NONCE_SECRET]) {
  t.test(`DPoP ${nonceSecret === undefined ? 'without' : 'with'} nonces`, async (t) => {
    const server = await startServer(t, { dpop: nonceSecret === undefined ? true : { nonceSecret }, client: { requireDpop: true } })
    const as = await discover(server)
    const { id, secret, issuer, read } = server
    const auth = oauth.ClientSecretBasic(secret)
    t.strictSame(ALGORITHMS.filter((name) => as.dpop_signing_alg_values_supported?.includes(name) !== true), [])
    await t.rejects(grant(as, { id, auth }), refused('invalid_dpop_proof'), 'this client has to')

    for (const algorithm of ALGORITHMS) {
      const keyPair = await oauth.generateKeyPair(algorithm === 'EdDSA' ? 'Ed25519' : algorithm)
      const handle = oauth.DPoP({}, keyPair)
      let wanted = 0
      const count = <Value>(run: () => Promise<Value>): Promise<Value> => retried(() => run().catch((error: unknown) => { if (oauth.isDPoPNonceError(error)) wanted++; throw error }))
      const { access_token: token, token_type: type } = await count(() => grant(as, { id, auth, handle }))
      t.equal(type, 'dpop', algorithm)
      t.equal(wanted, nonceSecret === undefined ? 0 : 1)

      const ask = (handle: oauth.DPoPHandle) => oauth.protectedResourceRequest(token, 'GET', new URL(`${read}?a=1`), undefined, undefined, { ...INSECURE, DPoP: handle })
      const jkt = await handle.calculateThumbprint()
      t.match(await (await count(() => ask(handle))).json(), { client: id, jkt })
      const another = oauth.DPoP({}, keyPair)
      t.match(await (await count(() => ask(another))).json(), { client: id, jkt }, 'a client that has no nonce of the token endpoint')
      t.equal(wanted, nonceSecret === undefined ? 0 : 2, 'is told it by the guard')

      const stranger = oauth.DPoP({}, await oauth.generateKeyPair('ES256'))
      await t.rejects(retried(() => ask(stranger)), { status: 401, cause: [{ scheme: 'dpop', parameters: { error: 'invalid_dpop_proof' } }] })
      await t.rejects(oauth.protectedResourceRequest(token, 'GET', new URL(read), undefined, undefined, INSECURE), challenged(401), 'as a bearer token')

      const client = { client_id: id }
      t.match(await oauth.processIntrospectionResponse(as, client, await oauth.introspectionRequest(as, client, auth, token, INSECURE)), { active: true, token_type: 'DPoP', cnf: { jkt } })
      await validateBound(t, as, { token, issuer, read, handle })
    }
  })
}

/** Strict RFC 9068 with the proof beside the token. */
async function validateBound (t: Tap, as: oauth.AuthorizationServer, { token, issuer, read, handle }: { token: string, issuer: string, read: string, handle: oauth.DPoPHandle }): Promise<void> {
  let sent: Headers | undefined
  const watch = async (_url: string, { headers }: { headers: Record<string, string> }): Promise<Response> => {
    sent = new Headers(headers)
    return new Response('{}')
  }
  await oauth.protectedResourceRequest(token, 'GET', new URL(read), undefined, undefined, { ...INSECURE, DPoP: handle, [oauth.customFetch]: watch })
  const claims = await oauth.validateJwtAccessToken(as, new Request(read, { headers: sent ?? {} }), issuer, { ...INSECURE, requireDPoP: true })
  t.equal(claims.cnf?.jkt, await handle.calculateThumbprint())
}

type Tap = Pick<typeof t, 'equal'>
