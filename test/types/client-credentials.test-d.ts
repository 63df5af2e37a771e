// Never run. The assertion is that `npm run typecheck` compiles.
import { expectTypeOf } from 'expect-type'
import Fastify, { type FastifyReply, type FastifyRequest } from 'fastify'
import {
  type AccessToken, type AccessTokenClaims, type AccessTokenGuard, type AccessTokens, type AccessTokensOptions, type Client, clientCredentials, type ClientCredentialsOptions, type CodedError, createAccessTokens, type HostScope, type IssuedAccessToken, type ResourceMetadata, type ServerMetadata
} from 'fastify-doc-tokens/client-credentials'
import { type ClientSource, createClientRegistry } from 'fastify-doc-tokens/credentials'
import { type KeyRing, openRemoteKeyRing, type RemoteKeyRing } from 'fastify-doc-tokens/keys'
import { type TokenStore } from 'fastify-doc-tokens/stores/memory'

declare const store: TokenStore
declare const keys: KeyRing
declare const clients: ClientSource
declare const client: Client
const issuer = 'https://auth.example'
const scopes = ['api.read', 'api.write'] as const

const app = Fastify()
const tokens = await createAccessTokens({ issuer, keys, store, scopes: ['api.read', 'api.write'] })

// ---- registration ----
app.register(clientCredentials, { issuer, keys, store, scopes, clients })
app.register(clientCredentials, { issuer, keys, store, scopes: ['api.read'], clients: createClientRegistry({ store }), prefix: '/api', aliases: ['/oauth2/token'], metadata: false, legacyAudience: [issuer], limits: { address: { max: 10 }, credential: false, failures: { max: 5 } } })
app.register(clientCredentials, { issuer, keys, store, scopes, clients, routes: true, name: 'a', profile: 'identityserver', audience: 'api', resources: ['b'], defaultLifetime: 60, maxLifetime: 60, clockTolerance: 5, publicUrl: issuer, dpop: { nonceSecret: new Uint8Array(32) }, resourceMetadata: issuer, cacheBytes: 0 })
app.register(clientCredentials, { issuer, keys: await openRemoteKeyRing({ url: issuer }), scopes, routes: false })
app.register(clientCredentials, { issuer, keys, store, scopes, clients, dpop: true, publicUrl: issuer, grantScopes: async (asked, who) => who.owner === undefined ? [] : asked })
app.register(clientCredentials, { tokens, clients })
app.register(clientCredentials, { tokens, routes: false })
// @ts-expect-error the routes need clients
app.register(clientCredentials, { issuer, keys, store, scopes })
// @ts-expect-error and so they do beside a ready object
app.register(clientCredentials, { tokens })
// @ts-expect-error `scopes` is required
app.register(clientCredentials, { issuer, keys, store, clients })
// @ts-expect-error `keys` is required
app.register(clientCredentials, { issuer, store, scopes, clients })
// @ts-expect-error without routes nobody asks
app.register(clientCredentials, { issuer, keys, store, scopes, routes: false, clients })
// @ts-expect-error nor anywhere
app.register(clientCredentials, { issuer, keys, store, scopes, routes: false, aliases: ['/x'] })
// @ts-expect-error nor is there anything to limit
app.register(clientCredentials, { issuer, keys, store, scopes, routes: false, limits: {} })
// @ts-expect-error nor to serve
app.register(clientCredentials, { tokens, routes: false, metadata: false })
// @ts-expect-error an object or the options that make one, never both
app.register(clientCredentials, { tokens, issuer, clients })
// @ts-expect-error never both
app.register(clientCredentials, { tokens, dpop: true, clients })
// @ts-expect-error unknown options are refused
app.register(clientCredentials, { issuer, keys, store, scopes, clients, ttl: 60 })
// @ts-expect-error there is no such profile
app.register(clientCredentials, { issuer, keys, store, scopes, clients, profile: 'opaque' })
// @ts-expect-error there is no such setting
app.register(clientCredentials, { issuer, keys, store, scopes, clients, publicUrl: issuer, dpop: { noncesecret: 'x' } })
// @ts-expect-error a list of clients is no registry
app.register(clientCredentials, { issuer, keys, store, scopes, clients: [] })
expectTypeOf<ClientCredentialsOptions>().not.toBeAny()
expectTypeOf<AccessTokensOptions>().not.toBeAny()
expectTypeOf<keyof AccessTokensOptions>().toEqualTypeOf<'issuer' | 'keys' | 'store' | 'scopes' | 'name' | 'profile' | 'audience' | 'resources' | 'defaultLifetime' | 'maxLifetime' | 'clockTolerance' | 'publicUrl' | 'dpop' | 'resourceMetadata' | 'grantScopes' | 'cacheBytes' | 'now'>()
declare const given: ClientCredentialsOptions
app.register(clientCredentials, given)

// ---- a ring of somebody else's keys ----
expectTypeOf(openRemoteKeyRing({ url: issuer })).resolves.toEqualTypeOf<RemoteKeyRing>()
openRemoteKeyRing({ url: issuer, algorithms: ['ES256'], maxAge: 1, cooldown: 1, timeout: 1, onError: (error) => { expectTypeOf(error).toEqualTypeOf<Error>() } })
// @ts-expect-error whoever knows a secret can sign with it
openRemoteKeyRing({ url: issuer, algorithms: ['HS256'] })

// ---- first way: the decorators, with any scopes ----
expectTypeOf<HostScope>().toEqualTypeOf<string>()
expectTypeOf(app.accessTokens).toEqualTypeOf<AccessTokens>()
expectTypeOf<FastifyRequest['accessToken']>().toEqualTypeOf<AccessToken | null>()
app.get('/a', { onRequest: app.accessTokens.require('api.read', 'anything') }, async ({ accessToken }) => {
  expectTypeOf(accessToken?.client).toEqualTypeOf<string | undefined>()
  expectTypeOf(accessToken?.claims).toEqualTypeOf<Readonly<AccessTokenClaims> | undefined>()
  expectTypeOf(accessToken?.scopes).toEqualTypeOf<readonly string[] | undefined>()
  expectTypeOf(accessToken?.claims.aud).toEqualTypeOf<string | string[] | undefined>()
})
app.get<{ Params: { id: string } }>('/b/:id', {
  onRequest: [app.accessTokens.require<FastifyRequest<{ Params: { id: string } }>>('api.read', {
    onRefused: (error, request, reply) => {
      expectTypeOf(error).toEqualTypeOf<CodedError>()
      expectTypeOf(request.params.id).toEqualTypeOf<string>()
      expectTypeOf(reply).toEqualTypeOf<FastifyReply>()
    }
  })]
}, async () => 'b')
app.post('/c', { preHandler: app.accessTokens.require({ anyScope: true }) }, async () => 'c')
expectTypeOf(app.accessTokens.require('api.read')).toEqualTypeOf<AccessTokenGuard<FastifyRequest>>()
// @ts-expect-error a scope is required
app.accessTokens.require()
// @ts-expect-error or that any will do
app.accessTokens.require({})
// @ts-expect-error one or the other
app.accessTokens.require('api.read', { anyScope: true })
// @ts-expect-error not a list
app.accessTokens.require(['api.read'])
// @ts-expect-error there is no such option
app.accessTokens.require('api.read', { header: 'x' })
// @ts-expect-error a token is frozen
app.addHook('onRequest', async (request) => { if (request.accessToken !== null) request.accessToken.client = 'x' })
// @ts-expect-error and so are its scopes
app.addHook('onRequest', async (request) => { request.accessToken?.scopes.push('x') })

// ---- second way: getDecorator with the scopes of the host ----
const decorated = app.getDecorator<AccessTokens<'api.read' | 'api.write'>>('accessTokens')
decorated.require('api.read', 'api.write')
// @ts-expect-error not in the vocabulary
decorated.require('api.delete')

// ---- third way: the object without a server; scopes are inferred ----
expectTypeOf(tokens).toEqualTypeOf<AccessTokens<'api.read' | 'api.write'>>()
expectTypeOf(await createAccessTokens({ issuer, keys, store, scopes })).toEqualTypeOf<AccessTokens<'api.read' | 'api.write'>>()
declare const anyScopes: string[]
expectTypeOf(await createAccessTokens({ issuer, keys, store, scopes: anyScopes })).toEqualTypeOf<AccessTokens>()
tokens.require('api.write')
// @ts-expect-error not in the vocabulary
tokens.require('api.delete')
// @ts-expect-error there are no routes without a server
createAccessTokens({ issuer, keys, store, scopes, routes: false })
createAccessTokens({
  issuer,
  keys,
  store,
  scopes,
  grantScopes: (asked, who) => {
    expectTypeOf(asked).toEqualTypeOf<ReadonlyArray<'api.read' | 'api.write'>>()
    expectTypeOf(who).toEqualTypeOf<Client>()
    return asked.filter((scope) => scope !== 'api.write')
  }
})
// @ts-expect-error no scope of the flow
createAccessTokens({ issuer, keys, store, scopes, grantScopes: () => ['api.delete'] })

// ---- issue, verify, tell, end ----
expectTypeOf(await tokens.issue({ client, scopes: ['api.read'], audiences: ['x'], expiresIn: 60, jkt: 'x' })).toEqualTypeOf<IssuedAccessToken<'api.read' | 'api.write'>>()
expectTypeOf(await tokens.verify('token')).toEqualTypeOf<AccessToken<'api.read' | 'api.write'>>()
expectTypeOf(await tokens.introspect('token', client)).toEqualTypeOf<AccessToken<'api.read' | 'api.write'> | undefined>()
// @ts-expect-error not in the vocabulary
tokens.issue({ client, scopes: ['api.delete'] })
// @ts-expect-error a token is somebody's
tokens.issue({ scopes: ['api.read'] })
expectTypeOf(tokens.revoke('token')).resolves.toEqualTypeOf<boolean>()
tokens.revoke(await tokens.verify('token'), client.id)
tokens.revoke(await tokens.issue({ client }))
tokens.revokeAll({ client: client.id }, { before: Date.now() })
tokens.revokeAll({ owner: 'acme' })
// @ts-expect-error nothing says whose
tokens.revokeAll({})
// @ts-expect-error of sessions
tokens.revokeAll({ subject: 'jane' })
expectTypeOf(tokens.metadata()).toEqualTypeOf<ServerMetadata>()
expectTypeOf(tokens.resourceMetadata()).toEqualTypeOf<ResourceMetadata | undefined>()
// @ts-expect-error what the instance was made with stays
tokens.settings.name = 'b'
// @ts-expect-error and what makes nonces is for nobody
expectTypeOf(tokens.settings.dpop)
