import * as openid from 'openid-client'
import t from 'tap'
import { createTokenSource } from '../../lib/client/index.ts'
import { addKey, ALGORITHMS, RESERVED, RESOURCE, startServer } from './server.ts'

/** How the client tells of a refusal. */
const refused = (error: string) => ({ code: 'OAUTH_RESPONSE_BODY_ERROR', status: 400, error })
const challenged = (status: number) => ({ code: 'OAUTH_WWW_AUTHENTICATE_CHALLENGE', status })

/** A client that has found out by itself where everything is. */
async function discover (issuer: string, id: string, auth: openid.ClientAuth): Promise<openid.Configuration> {
  return await openid.discovery(new URL(issuer), id, undefined, auth, { algorithm: 'oauth2', execute: [openid.allowInsecureRequests] })
}

for (const algorithm of ALGORITHMS) {
  t.test(`a token under ${algorithm}, by every method`, async (t) => {
    const server = await startServer(t, { algorithm })
    const { id, secret, issuer, read, write } = server
    const { privateKey, publicKey } = await openid.randomDPoPKeyPair(algorithm === 'EdDSA' ? 'Ed25519' : algorithm)
    const keyId = await addKey(server, publicKey, algorithm)
    const methods: Array<[name: string, id: string, auth: openid.ClientAuth]> = [
      ['client_secret_basic', id, openid.ClientSecretBasic(secret)],
      ['client_secret_post', id, openid.ClientSecretPost(secret)],
      ['private_key_jwt', keyId, openid.PrivateKeyJwt(privateKey)]
    ]
    for (const [name, id, auth] of methods) {
      await t.test(name, async (t) => {
        const config = await discover(issuer, id, auth)
        const { access_token: token, expires_in: expiresIn, scope } = await openid.clientCredentialsGrant(config, { scope: 'api.read' })
        const answer = await openid.clientCredentialsGrant(config)
        t.strictSame([expiresIn, scope], [86_400, undefined])

        const use = (url: string, method: string) => openid.fetchProtectedResource(config, token, new URL(url), method)
        t.match(await (await use(read, 'GET')).json(), { client: id, scopes: ['api.read'] })
        await t.rejects(use(write, 'POST'), challenged(403))
        t.match(await openid.tokenIntrospection(config, token), { active: true, client_id: id, scope: 'api.read' })
        await openid.tokenRevocation(config, token)
        t.strictSame(await openid.tokenIntrospection(config, token), { active: false })
        await t.rejects(use(read, 'GET'), challenged(401))
        t.match(await openid.tokenIntrospection(config, answer.access_token), { active: true }, 'the other one is as it was')
      })
    }
  })
}

t.test('ids and secrets of reserved characters', async (t) => {
  const { issuer } = await startServer(t)
  for (const { id, secret } of RESERVED) {
    for (const auth of [openid.ClientSecretBasic(secret), openid.ClientSecretPost(secret)]) {
      t.match(await openid.clientCredentialsGrant(await discover(issuer, id, auth)), { token_type: 'bearer' }, id)
    }
  }
})

t.test('refusals are told by their names', async (t) => {
  const { issuer, id, secret } = await startServer(t)
  const config = await discover(issuer, id, openid.ClientSecretPost(secret))
  await t.rejects(openid.clientCredentialsGrant(config, { scope: 'unknown' }), refused('invalid_scope'))
  await t.rejects(openid.clientCredentialsGrant(config, { resource: 'https://unknown.example/' }), refused('invalid_target'))
  await t.rejects(openid.genericGrantRequest(config, 'refresh_token', { refresh_token: 'x' }), refused('unsupported_grant_type'))
  await t.rejects(openid.clientCredentialsGrant(await discover(issuer, id, openid.ClientSecretPost('x'))), refused('invalid_client'))
  await t.rejects(openid.clientCredentialsGrant(await discover(issuer, id, openid.ClientSecretBasic('x'))), { status: 401, cause: [{ scheme: 'basic' }] })
  t.match(await openid.clientCredentialsGrant(config, new URLSearchParams([['resource', issuer], ['resource', RESOURCE]])), { token_type: 'bearer' })
})

for (const dpop of [true, { nonceSecret: 'a secret that nonces are made with, of any length' }]) {
  t.test(`DPoP ${dpop === true ? 'without' : 'with'} nonces`, async (t) => {
    const { issuer, id, secret, read } = await startServer(t, { dpop, client: { requireDpop: true } })
    const config = await discover(issuer, id, openid.ClientSecretBasic(secret))
    for (const algorithm of ALGORITHMS) {
      const keyPair = await openid.randomDPoPKeyPair(algorithm === 'EdDSA' ? 'Ed25519' : algorithm)
      const DPoP = openid.getDPoPHandle(config, keyPair)
      const { access_token: token, token_type: type } = await openid.clientCredentialsGrant(config, undefined, { DPoP })
      t.equal(type, 'dpop', algorithm)
      for (const handle of [DPoP, openid.getDPoPHandle(config, keyPair)]) {
        const answer = await openid.fetchProtectedResource(config, token, new URL(read), 'GET', undefined, undefined, { DPoP: handle })
        t.match(await answer.json(), { client: id, jkt: await DPoP.calculateThumbprint() })
      }
      await t.rejects(openid.fetchProtectedResource(config, token, new URL(read), 'GET'), challenged(401))
    }
  })
}

t.test('our own token source', async (t) => {
  const { issuer, tokenUrl, id, secret, read, app } = await startServer(t)
  for (const authMethod of ['client_secret_post', 'client_secret_basic'] as const) {
    for (const { id: clientId, secret: clientSecret } of [{ id, secret }, ...RESERVED]) {
      const source = createTokenSource({ tokenUrl, clientId, clientSecret, authMethod, scope: 'api.read', resource: [issuer, RESOURCE], origins: [issuer] })
      t.match(await (await source.fetch(read)).json(), { client: clientId, scopes: ['api.read'] })

      const token = await source.get()
      t.equal(await source.get(), token)
      await app.accessTokens.revoke(token)
      t.equal((await source.fetch(read)).status, 200, 'a token that was ended is renewed')
      t.not(await source.get(), token)
    }
    await t.rejects(createTokenSource({ tokenUrl, clientId: id, clientSecret: 'x', authMethod }).get(), { code: 'FDT_TOKEN_REFUSED', status: authMethod === 'client_secret_basic' ? 401 : 400, error: 'invalid_client' })
  }
})
