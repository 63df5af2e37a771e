// Never run. The assertion is that `npm run typecheck` compiles.
import { expectTypeOf } from 'expect-type'
import Fastify, { type FastifyReply, type FastifyRequest } from 'fastify'
import { type ApiKeySource, type Credential } from 'fastify-doc-tokens/credentials'
import { type KeyRing } from 'fastify-doc-tokens/keys'
import {
  createDocumentSessions, type DocumentSession, type DocumentSessions, type HostPermission, type IssuedDocumentEngineToken, type IssuedSession, sessionIssuance, type SessionIssuanceOptions
} from 'fastify-doc-tokens/session-issuance'
import { type TokenStore } from 'fastify-doc-tokens/stores/memory'

declare const store: TokenStore
declare const keys: KeyRing
declare const credentials: ApiKeySource
declare const credential: Credential
const issuer = 'https://tokens.example'

const app = Fastify()

// ---- registration ----
app.register(sessionIssuance, { issuer, keys, store, credentials })
app.register(sessionIssuance, { issuer, keys, store, credentials, prefix: '/api', optionalMembers: ['user_id'], limits: { address: { max: 10 }, failures: false } })
app.register(sessionIssuance, { issuer, keys, store, routes: false })
app.register(sessionIssuance, { issuer, keys, store, credentials, permissions: ['read', 'sign'] })
// @ts-expect-error `store` is required
app.register(sessionIssuance, { issuer, keys, credentials })
// @ts-expect-error the routes need credentials
app.register(sessionIssuance, { issuer, keys, store })
// @ts-expect-error without routes there is nothing to limit
app.register(sessionIssuance, { issuer, keys, store, routes: false, limits: {} })
// @ts-expect-error unknown options are refused
app.register(sessionIssuance, { issuer, keys, store, credentials, ttl: 60 })
// @ts-expect-error `sub` is not a member that can be turned on
app.register(sessionIssuance, { issuer, keys, store, credentials, optionalMembers: ['sub'] })
expectTypeOf<SessionIssuanceOptions>().not.toBeAny()

// ---- first way: the decorators, with the default permissions ----
expectTypeOf<HostPermission>().toEqualTypeOf<'read' | 'write' | 'download'>()
expectTypeOf<FastifyRequest['documentSession']>().toEqualTypeOf<DocumentSession | null>()
expectTypeOf(app.documentSessions).toEqualTypeOf<DocumentSessions>()

app.get('/a/:id', { onRequest: app.documentSessions.require('read', 'write', { param: 'id' }) }, async (request) => request.documentSession?.subject)
app.get('/b', { onRequest: [app.documentSessions.require('read', { anyDocument: true })] }, async () => 'b')
app.post<{ Body: { id: string } }>('/c', {
  preHandler: app.documentSessions.require('write', { documentId: (request: FastifyRequest<{ Body: { id: string } }>) => request.body.id })
}, async () => 'c')
app.get('/d', { onRequest: app.documentSessions.require('read', { documentId: async (request) => request.id }) }, async () => 'd')
app.route({ method: 'GET', url: '/e/:id', onRequest: app.documentSessions.require('read', { param: 'id', cookie: 'viewer', onRefused: (error, _request, reply: FastifyReply) => reply.send(error.code) }), handler: async () => 'e' })
// @ts-expect-error the document is unknown
app.documentSessions.require('read')
// @ts-expect-error a permission is required
app.documentSessions.require({ param: 'id' })
// @ts-expect-error not in the vocabulary
app.documentSessions.require('sign', { param: 'id' })
// @ts-expect-error one resolver, not two
app.documentSessions.require('read', { param: 'id', anyDocument: true })

// ---- second way: getDecorator with the permissions of the host ----
const decorated = app.getDecorator<DocumentSessions<'read' | 'sign'>>('documentSessions')
decorated.require('sign', { param: 'id' })
// @ts-expect-error not in the vocabulary
decorated.require('write', { param: 'id' })

// ---- third way: the object without a server ----
const sessions = await createDocumentSessions({ issuer, keys, store, permissions: ['read', 'sign'] })
expectTypeOf(sessions).toEqualTypeOf<DocumentSessions<'read' | 'sign'>>()
expectTypeOf(await createDocumentSessions({ issuer, keys, store })).toEqualTypeOf<DocumentSessions>()
app.register(sessionIssuance, { sessions: await createDocumentSessions({ issuer, keys, store }), routes: false })
// @ts-expect-error an object or the options that make one, never both
app.register(sessionIssuance, { sessions, issuer, routes: false })

// ---- issue, verify, revoke ----
expectTypeOf(await sessions.issue({ documents: [{ id: 'a', permissions: ['sign'] }], subject: 'jane', credential })).toEqualTypeOf<IssuedSession>()
expectTypeOf(await sessions.issue({ profile: 'document-engine', document: 'a', permissions: ['read-document'] })).toEqualTypeOf<IssuedDocumentEngineToken>()
expectTypeOf(await sessions.verify('token')).toEqualTypeOf<DocumentSession<'read' | 'sign'>>()
// @ts-expect-error not in the vocabulary
sessions.issue({ documents: [{ id: 'a', permissions: ['write'] }] })
// @ts-expect-error documents are required
sessions.issue({})
// @ts-expect-error the permissions of Document Engine are others
sessions.issue({ profile: 'document-engine', document: 'a', permissions: ['read'] })
sessions.revoke('token')
sessions.revoke(await sessions.verify('token'))
sessions.revoke(await sessions.issue({ documents: [] }))
sessions.revokeAll({ subject: 'jane' })
sessions.revokeAll({ subject: 'jane', credential: 'key' })
sessions.revokeAll({ credential: 'key' }, { before: Date.now() })
sessions.revokeAll({ owner: 'acme' })
// @ts-expect-error nothing says whose
sessions.revokeAll({})
// @ts-expect-error a session is frozen
app.addHook('onRequest', async (request) => { if (request.documentSession !== null) request.documentSession.subject = 'x' })
