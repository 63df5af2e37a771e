import { type FastifyInstance, type FastifyRequest, type FastifyServerOptions, type LightMyRequestResponse } from 'fastify'
import { type Test } from 'tap'
import { createKeyRing, generateKey } from '../../lib/keys/index.ts'
import { createMemoryStore } from '../../lib/stores/memory.ts'
import { type TokenStore } from '../../lib/stores/token-store.ts'
import { type Authorization } from '../../lib/tokens/session-broker.ts'
import { sessionBroker, type SessionBrokerPluginOptions } from '../../plugins/session-broker/index.ts'
import { sessionIssuance } from '../../plugins/session-issuance/index.ts'
import { buildHost } from './hosts.ts'
import { ISSUER, NOW } from './session-host.ts'

export const PATH = '/api/create-session'

export interface BrokerHostOptions {
  /** Options of the broker, over the defaults of {@link brokerHost}. */
  flow?: Record<string, unknown>
  /** What `authorize` does, beside being noted. Default is to let `ada` read the document. */
  authorize?: (request: FastifyRequest, asked: { documentId: string }) => unknown
  store?: TokenStore
  server?: FastifyServerOptions
  /** Runs before the flow is registered, in the scope where it will be. */
  before?: (scope: FastifyInstance) => Promise<void> | void
}

/** The host that the test runs in, with sessions, a guarded route, and a broker for the host's users; its clock stands still until it is moved. */
export async function brokerHost (t: Test, { flow = {}, authorize = readOnly, store, server = {}, before }: BrokerHostOptions = {}) {
  const clock = { time: NOW }
  const now = () => clock.time
  const tokenStore = store ?? createMemoryStore({ now })
  const keys = createKeyRing([{ key: await generateKey('ES256') }])
  const asked: string[] = []
  const register = async (scope: FastifyInstance, name: string): Promise<void> => {
    await scope.register(sessionIssuance, { issuer: ISSUER, keys, store: tokenStore, now, name, routes: false })
    // Overrides come from tables of bad options too, so their type is looser than the plugin's.
    await scope.register(sessionBroker, {
      ...(flow['remote'] === undefined ? { sessions: scope.documentSessions } : { store: tokenStore }),
      now,
      name,
      authorize: (request: FastifyRequest, wish: { documentId: string }) => {
        asked.push(wish.documentId)
        return authorize(request, wish)
      },
      ...flow
    } as SessionBrokerPluginOptions<string>)
  }

  const { app, scope, login } = await buildHost(t, {
    server,
    register: async (scope) => {
      await before?.(scope)
      await register(scope, 'default')
      scope.get('/documents/:id', { onRequest: scope.documentSessions.require('read', { param: 'id' }) }, async (request) => request.documentSession)
    },
    sibling: async (scope) => { await register(scope, 'other') }
  })

  return {
    app,
    scope,
    clock,
    login,
    store: tokenStore,
    /** The documents that `authorize` was asked for. */
    asked,
    /** `POST /api/create-session` as a page of the host does it. A string is sent as it is, and `undefined` takes a header away. */
    ask: (body: unknown = { documentId: 'a' }, headers: Record<string, string | undefined> = {}, url = PATH) => {
      const all = { 'content-type': 'application/json', 'sec-fetch-site': 'same-origin', ...login, ...headers }
      const raw = typeof body === 'string' || Buffer.isBuffer(body)
      return app.inject({ method: 'POST', url, headers: given(all), payload: raw ? body : JSON.stringify(body) })
    },
    /** `GET /documents/:id` with a session. */
    read: (token: string, id = 'a') => app.inject({ url: `/documents/${id}`, headers: { authorization: `Bearer ${token}` } })
  }
}

export function readOnly (_request: FastifyRequest, { documentId }: { documentId: string }): Authorization {
  return { subject: 'ada', documents: [{ id: documentId, permissions: ['read'] }] }
}

/** All of a refusal that the contract speaks of. */
export function refusal ({ statusCode, headers, body }: LightMyRequestResponse) {
  return { status: statusCode, body, type: headers['content-type'], cache: headers['cache-control'], retryAfter: headers['retry-after'], allow: headers['allow'], challenge: headers['www-authenticate'] }
}

/** What {@link refusal} shows of a refusal that is as it should be. */
export function refused (status: number, error: string, rest: { retryAfter?: string, allow?: string } = {}) {
  return { status, body: JSON.stringify({ success: false, error }), type: 'application/json; charset=utf-8', cache: 'no-store', retryAfter: undefined, allow: undefined, challenge: undefined, ...rest }
}

function given (headers: Record<string, string | undefined>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter((entry): entry is [string, string] => entry[1] !== undefined))
}
