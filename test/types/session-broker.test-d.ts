// Never run. The assertion is that `npm run typecheck` compiles.
import { expectTypeOf } from 'expect-type'
import Fastify, { type FastifyRequest } from 'fastify'
import { type Authorization, type BrokeredSession, createSessionBroker, type LoginHook, type SessionBroker, sessionBroker, type SessionBrokerPluginOptions } from 'fastify-doc-tokens/session-broker'
import { type KeyRing } from 'fastify-doc-tokens/keys'
import { createDocumentSessions } from 'fastify-doc-tokens/session-issuance'
import { type TokenStore } from 'fastify-doc-tokens/stores/memory'

declare const store: TokenStore
declare const keys: KeyRing
declare const authorize: (request: FastifyRequest, asked: { documentId: string }) => Promise<Authorization | null>

const app = Fastify()
const remote = { url: 'https://api.nutrient.io/viewer/sessions', apiKey: 'pdf_live_0123456789' }
const sessions = await createDocumentSessions({ issuer: 'https://tokens.example', keys, store })

// ---- registration ----
app.register(sessionBroker, { sessions: app.documentSessions, authorize })
app.register(sessionBroker, { remote, store, authorize })
app.register(sessionBroker, { sessions, authorize, prefix: '/v1', trustedOrigins: ['https://app.example'], limits: { address: { max: 10 }, user: false }, limitKey: (request) => request.ip, security: [{ cookie: [] }] })
app.register(sessionBroker, { sessions, routes: false })
app.register(sessionBroker, { remote: { ...remote, timeout: 1000, sendSubject: true }, permissions: ['read', 'sign'], routes: false })
// @ts-expect-error `authorize` is required: there is no default that allows
app.register(sessionBroker, { sessions })
// @ts-expect-error without routes nobody asks
app.register(sessionBroker, { sessions, routes: false, authorize })
// @ts-expect-error without routes there is nothing to limit
app.register(sessionBroker, { sessions, routes: false, limits: {} })
// @ts-expect-error one upstream, not two
app.register(sessionBroker, { sessions, remote, store, authorize })
// @ts-expect-error one upstream, and not none
app.register(sessionBroker, { authorize })
// @ts-expect-error local sessions have a vocabulary of their own
app.register(sessionBroker, { sessions, permissions: ['read'], authorize })
// @ts-expect-error the key is required
app.register(sessionBroker, { remote: { url: remote.url }, store, authorize })
// @ts-expect-error unknown options are refused
app.register(sessionBroker, { sessions, authorize, ttl: 60 })
// @ts-expect-error there is no such limit on a route of users
app.register(sessionBroker, { sessions, authorize, limits: { credential: {} } })
expectTypeOf<SessionBrokerPluginOptions>().not.toBeAny()

// ---- what authorize gets and returns ----
app.register(sessionBroker, {
  sessions,
  authorize: async (request, asked) => {
    expectTypeOf(request).toEqualTypeOf<FastifyRequest>()
    expectTypeOf(asked).toEqualTypeOf<{ documentId: string }>()
    return { subject: 'ada', documents: [{ id: asked.documentId, permissions: ['read', 'write'] }], expiresIn: 60 }
  }
})
app.register(sessionBroker, { sessions, authorize: () => null })
app.register(sessionBroker, { sessions, authorize: (_request, { documentId }) => ({ subject: 'ada', documents: [{ id: documentId, permissions: [] }] }) })
// @ts-expect-error a session is somebody's
app.register(sessionBroker, { sessions, authorize: async (_request, { documentId }) => ({ documents: [{ id: documentId, permissions: ['read'] }] }) })
// @ts-expect-error yes is no authorization
app.register(sessionBroker, { sessions, authorize: async () => true })

// ---- the host's login ----
const promised: LoginHook = async (request, reply) => {
  expectTypeOf(request).toEqualTypeOf<FastifyRequest>()
  if (request.headers.cookie === undefined) return await reply.code(401).send()
}
app.register(sessionBroker, { sessions, authorize, onRequest: promised })
app.register(sessionBroker, { sessions, authorize, onRequest: [promised, (_request, _reply, done) => { done() }] })
// @ts-expect-error the name of a hook is none
app.register(sessionBroker, { sessions, authorize, onRequest: 'login' })

// ---- the decorator, and the object without a server ----
expectTypeOf(app.sessionBroker).toEqualTypeOf<SessionBroker>()
expectTypeOf(await app.sessionBroker.create({ subject: 'ada', documents: [{ id: 'a', permissions: ['read'] }] })).toEqualTypeOf<BrokeredSession>()
// @ts-expect-error not in the vocabulary
app.sessionBroker.create({ subject: 'ada', documents: [{ id: 'a', permissions: ['sign'] }] })
// @ts-expect-error a session is somebody's
app.sessionBroker.create({ documents: [] })
// @ts-expect-error settings are read-only
app.sessionBroker.settings.name = 'other'

expectTypeOf(createSessionBroker({ sessions })).toEqualTypeOf<SessionBroker>()
expectTypeOf(createSessionBroker({ remote })).toEqualTypeOf<SessionBroker>()
const narrow = createSessionBroker({ remote, permissions: ['read', 'sign'] })
expectTypeOf(narrow).toEqualTypeOf<SessionBroker<'read' | 'sign'>>()
expectTypeOf(createSessionBroker({ sessions: await createDocumentSessions({ issuer: 'https://tokens.example', keys, store, permissions: ['read', 'sign'] }) })).toEqualTypeOf<SessionBroker<'read' | 'sign'>>()
narrow.create({ subject: 'ada', documents: [{ id: 'a', permissions: ['sign'] }] })
// @ts-expect-error not in the vocabulary
narrow.create({ subject: 'ada', documents: [{ id: 'a', permissions: ['write'] }] })
app.getDecorator<SessionBroker<'read' | 'sign'>>('sessionBroker').create({ subject: 'ada', documents: [{ id: 'a', permissions: ['sign'] }] })

app.register(sessionBroker, { broker: createSessionBroker({ sessions }), authorize })
app.register(sessionBroker, { broker: createSessionBroker({ sessions }), routes: false })
// @ts-expect-error an object or the options that make one, never both
app.register(sessionBroker, { broker: createSessionBroker({ sessions }), sessions, authorize })
// @ts-expect-error neither sessions nor a remote service
createSessionBroker({ name: 'a' })
