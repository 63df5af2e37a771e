// Never run. The assertion is that `npm run typecheck` compiles. Apart from the others, since what it declares holds everywhere.
import { expectTypeOf } from 'expect-type'
import Fastify from 'fastify'
import { type AccessToken, type AccessTokens, clientCredentials, createAccessTokens, type HostScope } from 'fastify-doc-tokens/client-credentials'
import { type KeyRing, type NamedKey } from 'fastify-doc-tokens/keys'
import { createOpaqueTokens, type HostParameters, type OpaqueToken, opaqueTokens, type OpaqueTokens } from 'fastify-doc-tokens/opaque-tokens'
import { createDocumentSessions, type DocumentSession, type DocumentSessions, sessionIssuance } from 'fastify-doc-tokens/session-issuance'
import { type TokenStore } from 'fastify-doc-tokens/stores/memory'

declare module 'fastify-doc-tokens/session-issuance' {
  interface FastifyDocumentSessions { permission: 'read' | 'sign' }
}

declare const store: TokenStore
declare const keys: KeyRing
declare const pepper: NamedKey

const app = Fastify()
app.register(sessionIssuance, { issuer: 'https://tokens.example', keys, store, routes: false, permissions: ['read', 'sign'] })
expectTypeOf(app.documentSessions).toEqualTypeOf<DocumentSessions<'read' | 'sign'>>()
app.get('/a/:id', { onRequest: app.documentSessions.require('sign', { param: 'id' }) }, async (request) => {
  expectTypeOf(request.documentSession).toEqualTypeOf<DocumentSession<'read' | 'sign'> | null>()
})
// @ts-expect-error the host has no such permission
app.documentSessions.require('write', { param: 'id' })

// An object that was made for the same permissions fits the decorator.
app.register(sessionIssuance, { sessions: await createDocumentSessions({ issuer: 'https://tokens.example', keys, store, permissions: ['read', 'sign'] }), routes: false })

// ---- parameters of opaque tokens ----
declare module 'fastify-doc-tokens/opaque-tokens' {
  interface FastifyOpaqueTokens { parameters: { file: string, access: 'edit' | 'view' } }
}

app.register(opaqueTokens, { store, pepper, routes: false })
expectTypeOf<HostParameters>().toEqualTypeOf<{ file: string, access: 'edit' | 'view' }>()
expectTypeOf(app.opaqueTokens).toEqualTypeOf<OpaqueTokens<{ file: string, access: 'edit' | 'view' }>>()
app.get('/open', { onRequest: app.opaqueTokens.require() }, async (request) => {
  expectTypeOf(request.opaqueToken).toEqualTypeOf<OpaqueToken<{ file: string, access: 'edit' | 'view' }> | null>()
})
app.opaqueTokens.issue({ parameters: { file: 'a', access: 'view' }, auth: 'acme' })
// @ts-expect-error the host has no such access
app.opaqueTokens.issue({ parameters: { file: 'a', access: 'own' }, auth: 'acme' })

// An object that was made for the same parameters fits the decorator.
app.register(opaqueTokens, { tokens: createOpaqueTokens<{ file: string, access: 'edit' | 'view' }>({ store, pepper }), routes: false })

// ---- scopes of access tokens ----
declare module 'fastify-doc-tokens/client-credentials' {
  interface FastifyAccessTokens { scope: 'api.read' | 'api.write' }
}

const access = { issuer: 'https://tokens.example', keys, store, scopes: ['api.read', 'api.write'] } as const
app.register(clientCredentials, { ...access, routes: false })
expectTypeOf<HostScope>().toEqualTypeOf<'api.read' | 'api.write'>()
expectTypeOf(app.accessTokens).toEqualTypeOf<AccessTokens<'api.read' | 'api.write'>>()
app.get('/formats', { onRequest: app.accessTokens.require('api.read', 'api.write') }, async (request) => {
  expectTypeOf(request.accessToken).toEqualTypeOf<AccessToken<'api.read' | 'api.write'> | null>()
})
app.get('/any', { onRequest: app.accessTokens.require({ anyScope: true }) }, async ({ accessToken }) => accessToken?.scopes.includes('api.write'))
// @ts-expect-error the host has no such scope
app.accessTokens.require('api.delete')
// @ts-expect-error nor does a token have it
app.get('/none', async ({ accessToken }) => accessToken?.scopes.includes('api.delete'))

// An object that was made for the same scopes fits the decorator.
app.register(clientCredentials, { tokens: await createAccessTokens(access), routes: false })
