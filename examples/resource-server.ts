/**
 * An API whose access tokens come from elsewhere: from client-credentials.ts, or any issuer that publishes its keys and
 * gives out tokens for this API. It knows no client and no secret, and without a store it learns of no revocation.
 *
 * @module
 */
import Fastify from 'fastify'
import { clientCredentials } from 'fastify-doc-tokens/client-credentials'
import { openRemoteKeyRing } from 'fastify-doc-tokens/keys'

const url = `http://127.0.0.1:${process.env['PORT'] ?? 3001}`
const issuer = process.env['ISSUER'] ?? 'http://127.0.0.1:3000'

const app = Fastify({ logger: { level: 'warn' } })
const keys = await openRemoteKeyRing({
  url: process.env['JWKS_URL'] ?? `${issuer}/.well-known/jwks.json`,
  onError: (error) => { app.log.warn(error, 'the issuer is out of reach: keys that are known serve on') }
})
app.addHook('onClose', async () => { await keys.close() })

const resourceMetadata = '/.well-known/oauth-protected-resource'
await app.register(clientCredentials, { routes: false, issuer, audience: url, keys, scopes: ['files.read'], resourceMetadata: url + resourceMetadata })
app.get('/files', { onRequest: app.accessTokens.require('files.read') }, async (request) => ({ files: [], client: request.accessToken?.client }))
// Where to get a token, for clients that do not know: RFC 9728.
app.get(resourceMetadata, async () => app.accessTokens.resourceMetadata())

await app.listen({ port: Number(new URL(url).port) })
console.log(`listening on ${url}, for tokens of ${issuer}

curl -d 'grant_type=client_credentials&client_id=<id>&client_secret=<secret>&resource=${url}' ${issuer}/connect/token
curl -H "Authorization: Bearer <access_token>" ${url}/files`)
