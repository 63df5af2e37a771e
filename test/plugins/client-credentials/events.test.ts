import t, { type Test } from 'tap'
import { type LightMyRequestResponse } from 'fastify'
import { createMemoryStore } from '../../../lib/stores/memory.ts'
import { faultyStore } from '../../support/faulty-store.ts'
import { inEveryHost } from '../../support/hosts.ts'
import { basic, FORM, oauthHost, type OAuthHostOptions } from '../../support/oauth-host.ts'
import { recordEvents } from '../../support/recorded-events.ts'
import { NOW, SECONDS } from '../../support/session-host.ts'

const ABOUT = { flow: 'client-credentials', name: 'default', time: NOW }
const GRANT = { grant_type: 'client_credentials' }
const DAY = 86_400
const jtiOf = (token: string): string => JSON.parse(Buffer.from(String(token.split('.')[1]), 'base64url').toString()).jti

/** A host, and what happened on the one request between two looks. */
async function recordedHost (t: Test, options: OAuthHostOptions = {}) {
  const requests: string[] = []
  const host = await oauthHost(t, { ...options, before: (scope) => { scope.addHook('onRequest', async ({ id }) => { requests.push(id) }) } })
  const events = recordEvents(t)
  const origin = (route: string, address = '127.0.0.1') => ({ requestId: requests.at(-1), address, route })
  const refused = (route: string, code: string, status: number, holder: object = {}, address?: string) => ['refused', { ...ABOUT, ...origin(route, address), code, status, ...holder }]
  return { ...host, events, origin, refused, caller: { credential: host.id, owner: 'acme' } }
}

inEveryHost(t, 'issued and ended: each once, with ids and scopes, and nothing that opens a door', async (t) => {
  const { newToken, events, revoke, introspect, id, caller, tokens, registry, ask } = await recordedHost(t)
  const token = await newToken({ scope: 'api.write' })
  t.strictSame(events(), [['issued', { ...ABOUT, ...caller, id: jtiOf(token), subject: id, documents: [], scopes: ['api.write'], expiresAt: SECONDS + DAY }]])
  const owned = await registry.create()
  const other = String((await ask({ client_id: owned.record.id, client_secret: String(owned.secret) })).json().access_token)
  t.strictSame(events(), [['issued', { ...ABOUT, id: jtiOf(other), subject: owned.record.id, credential: owned.record.id, documents: [], scopes: ['api.read', 'api.write'], expiresAt: SECONDS + DAY }]], 'of a client without an owner')
  await introspect(token)
  await introspect('x')
  await revoke('x')
  await revoke(other)
  t.strictSame(events(), [], 'asking is none, and neither is what ended nothing')
  await revoke(token)
  t.strictSame(events(), [['revoked', { ...ABOUT, ...caller, id: jtiOf(token) }]])
  await revoke(token)
  t.strictSame(events(), [['revoked', { ...ABOUT, ...caller, id: jtiOf(token) }]], 'at each call that did not fail')
  await tokens.revokeAll({ owner: 'acme' }, { before: NOW - 1 })
  await tokens.revokeAll({ client: id }, { before: NOW - 1 })
  t.strictSame(events(), [['revoked', { ...ABOUT, owner: 'acme', before: NOW - 1 }], ['revoked', { ...ABOUT, credential: id, before: NOW - 1 }]])
})

inEveryHost(t, 'refused: once, with the code, and the client when it is certain', async (t) => {
  const host = await recordedHost(t, { client: { owner: 'acme', audiences: ['https://gone.example'] }, flow: { aliases: ['/oauth2/token'], resources: ['https://gone.example'] } })
  const { app, ask, post, id, secret, events, refused, caller, introspect, revoke, credentials } = host
  const other = await host.registry.create({ owner: 'acme' })
  events()
  const cases: Array<[name: string, send: () => Promise<LightMyRequestResponse>, route: string, code: string, status: number, holder?: object]> = [
    ['no credentials', () => post('/connect/token', GRANT), 'POST /connect/token', 'FDT_INVALID_CLIENT', 400],
    ['a wrong secret', () => ask({ client_secret: 'x' }), 'POST /connect/token', 'FDT_INVALID_CLIENT', 400],
    ['a wrong secret by Basic', () => post('/connect/token', GRANT, basic(id, 'x')), 'POST /connect/token', 'FDT_INVALID_CLIENT', 401],
    ['at an alias', () => post('/oauth2/token', GRANT), 'POST /oauth2/token', 'FDT_INVALID_CLIENT', 400],
    ['at introspection', () => introspect('x', { client_secret: 'x' }), 'POST /connect/introspect', 'FDT_INVALID_CLIENT', 401],
    ['at revocation', () => revoke('x', { client_secret: 'x' }), 'POST /connect/revocation', 'FDT_INVALID_CLIENT', 401],
    ['two ways', () => ask({}, basic(id, secret)), 'POST /connect/token', 'FDT_INVALID_REQUEST', 400],
    ['in the URL', () => post('/connect/token?client_id=hidden', credentials), 'POST /connect/token', 'FDT_INVALID_REQUEST', 400],
    ['no form', () => post('/connect/token', '%'), 'POST /connect/token', 'FDT_INVALID_FORM', 400],
    ['no grant_type', () => post('/connect/token', credentials), 'POST /connect/token', 'FDT_INVALID_REQUEST', 400, caller],
    ['another grant', () => ask({ grant_type: 'password' }), 'POST /connect/token', 'FDT_UNSUPPORTED_GRANT_TYPE', 400, caller],
    ['a scope', () => ask({ scope: 'x' }), 'POST /connect/token', 'FDT_INVALID_SCOPE', 400, caller],
    ['a resource', () => ask({ resource: 'x' }), 'POST /connect/token', 'FDT_INVALID_TARGET', 400, caller],
    ['no token', () => introspect(''), 'POST /connect/introspect', 'FDT_INVALID_REQUEST', 400, caller],
    ['another client', () => introspect('', { client_id: other.record.id, client_secret: String(other.secret) }), 'POST /connect/introspect', 'FDT_INVALID_REQUEST', 400, { credential: other.record.id, owner: 'acme' }],
    ['too large', () => post('/connect/token', 'x'.repeat(20_000)), 'POST /connect/token', 'FST_ERR_CTP_BODY_TOO_LARGE', 413],
    ['another method', () => app.inject({ method: 'PUT', url: '/connect/token' }), 'PUT /connect/token', 'FDT_METHOD_NOT_ALLOWED', 405],
    ['a document by another method', () => app.inject({ method: 'DELETE', url: '/.well-known/jwks.json' }), 'DELETE /.well-known/jwks.json', 'FDT_METHOD_NOT_ALLOWED', 405]
  ]
  for (const [name, send, route, code, status, holder] of cases) {
    await send()
    t.strictSame(events(), [refused(route, code, status, holder)], name)
  }
  await app.inject('/.well-known/jwks.json')
  t.strictSame(events(), [], 'documents are no events')
})

inEveryHost(t, 'locked once, with the id where it is one, and then refused', async (t) => {
  const { app, events, refused, origin, id, secret } = await recordedHost(t, { flow: { limits: { address: false } } })
  const send = (clientId: string, clientSecret: string) => app.inject({ method: 'POST', url: '/connect/token', remoteAddress: '192.0.2.1', headers: { 'content-type': FORM }, payload: new URLSearchParams({ ...GRANT, client_id: clientId, client_secret: clientSecret }).toString() })
  for (const presented of [id, 'nobody']) {
    for (let count = 0; count < 4; count++) await send(presented, 'x')
    t.strictSame(events().map(([name]) => name), ['refused', 'refused', 'refused', 'refused'])
    await send(presented, 'x')
    const route = 'POST /connect/token'
    t.strictSame(events(), [
      ['locked', { ...ABOUT, ...origin(route, '192.0.2.1'), credential: presented === id ? id : '?', until: NOW + 600_000 }],
      refused(route, 'FDT_INVALID_CLIENT', 400, {}, '192.0.2.1')
    ])
    await send(presented, secret)
    t.strictSame(events(), [refused(route, 'FDT_LOCKED', 429, {}, '192.0.2.1')], 'the right secret is not looked at')
  }
})

inEveryHost(t, 'limited, and then refused', async (t) => {
  const { ask, introspect, app, events, refused, origin, caller } = await recordedHost(t, { flow: { limits: { address: { max: 3 }, credential: { max: 1 } } } })
  await ask()
  events()
  await ask()
  const [token, introspection, keys] = ['POST /connect/token', 'POST /connect/introspect', 'GET /.well-known/jwks.json']
  t.strictSame(events(), [['limited', { ...ABOUT, ...origin(token), policy: 'credential', ...caller }], refused(token, 'FDT_RATE_LIMITED', 429, caller)])
  await introspect('x')
  t.strictSame(events(), [['limited', { ...ABOUT, ...origin(introspection), policy: 'credential', ...caller }], refused(introspection, 'FDT_RATE_LIMITED', 429, caller)])
  await app.inject('/.well-known/jwks.json')
  t.strictSame(events(), [['limited', { ...ABOUT, ...origin(keys), policy: 'address' }], refused(keys, 'FDT_RATE_LIMITED', 429)])
})

inEveryHost(t, 'an outage is refused with 503', async (t) => {
  const { store, fault } = faultyStore(createMemoryStore({ now: () => NOW }))
  const { ask, introspect, revoke, events, refused } = await recordedHost(t, { store })
  fault.error = new Error('connection lost')
  for (const [send, route] of [[() => ask(), 'token'], [() => introspect('x'), 'introspect'], [() => revoke('x'), 'revocation']] as const) {
    await send()
    t.strictSame(events(), [refused(`POST /connect/${route}`, 'FDT_STORE_UNAVAILABLE', 503)])
  }
})
