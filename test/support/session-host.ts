import { type FastifyInstance, type FastifyServerOptions, type LightMyRequestResponse } from 'fastify'
import { type Test } from 'tap'
import { type ApiKeyInput, createApiKeyRegistry } from '../../lib/credentials/index.ts'
import { createKeyRing, generateKey } from '../../lib/keys/index.ts'
import { createMemoryStore } from '../../lib/stores/memory.ts'
import { type TokenStore } from '../../lib/stores/token-store.ts'
import { sessionIssuance, type SessionIssuanceOptions } from '../../plugins/session-issuance/index.ts'
import { buildHost } from './hosts.ts'

/** 2027-01-15T08:00:00Z, in milliseconds. */
export const NOW = 1_800_000_000_000

export const SECONDS = NOW / 1000

export const ISSUER = 'https://tokens.example'

export interface HostOptions {
  /** Options of the flow, over the defaults of {@link sessionHost}. */
  flow?: Partial<SessionIssuanceOptions<string>> & Record<string, unknown>
  store?: TokenStore
  /** What the API key may do. */
  apiKey?: ApiKeyInput
  server?: FastifyServerOptions
  /** Runs before the flow is registered, in the scope where it will be. */
  before?: (scope: FastifyInstance) => Promise<void> | void
}

/** The host that the test runs in, with the flow and guarded routes, an API key, and a clock that stands still until it is moved. */
export async function sessionHost (t: Test, { flow = {}, store, apiKey = {}, server = {}, before }: HostOptions = {}) {
  const clock = { time: NOW }
  const now = () => clock.time
  const tokenStore = store ?? createMemoryStore({ now })
  const registry = createApiKeyRegistry({ store: tokenStore, now })
  const { record: { id }, secret } = await registry.create(apiKey)
  const keys = createKeyRing([{ key: await generateKey('ES256') }])
  // Overrides come from tables of bad options too, so their type is looser than the plugin's.
  const options = { issuer: ISSUER, keys, store: tokenStore, credentials: registry, now, limits: { address: { max: 10_000 }, failures: false }, ...flow } as SessionIssuanceOptions<string>

  const { app, scope } = await buildHost(t, {
    server,
    register: async (scope) => {
      await before?.(scope)
      await scope.register(sessionIssuance, options)
      scope.get('/documents/:documentId', { onRequest: scope.documentSessions.require('read', { param: 'documentId' }) }, async (request) => request.documentSession)
      scope.get('/documents/:documentId/download', { onRequest: scope.documentSessions.require('download', { param: 'documentId' }) }, async () => 'bytes')
      scope.put('/documents/:documentId', { onRequest: scope.documentSessions.require('read', 'write', { param: 'documentId' }) }, async () => 'written')
    },
    sibling: async (scope) => { await scope.register(sessionIssuance, { ...options, name: 'other' } as SessionIssuanceOptions<string>) }
  })

  return {
    app,
    scope,
    clock,
    id,
    keys,
    registry,
    secret,
    sessions: scope.documentSessions,
    store: tokenStore,
    /** `POST /viewer/sessions` with the API key. A string is sent as it is. */
    create: (body: unknown, headers: Record<string, string> = {}) => post(app, '/viewer/sessions', body, { authorization: `Bearer ${secret}`, ...headers }),
    revoke: (body: unknown, headers: Record<string, string> = {}) => post(app, '/viewer/sessions/revoke', body, { authorization: `Bearer ${secret}`, ...headers }),
    /** `GET /documents/:documentId` with a session. */
    read: (token: string, documentId = 'a') => app.inject({ url: `/documents/${documentId}`, headers: { authorization: `Bearer ${token}` } })
  }
}

export type SessionHost = Awaited<ReturnType<typeof sessionHost>>

/** Posts JSON; a string or bytes go as they are. */
export function post (app: FastifyInstance, url: string, body: unknown, headers: Record<string, string>): Promise<LightMyRequestResponse> {
  const raw = typeof body === 'string' || Buffer.isBuffer(body)
  return app.inject({ method: 'POST', url, headers: { 'content-type': 'application/json', ...headers }, payload: raw ? body : JSON.stringify(body) })
}

/** What each refusal says to people, where that is always the same. */
const MESSAGES: Readonly<Record<string, string>> = {
  FDT_MISSING_CREDENTIAL: 'An API key is required',
  FDT_INVALID_CREDENTIAL: 'The API key is not valid',
  FDT_MULTIPLE_CREDENTIALS: 'The request carries more than one API key',
  FDT_FLOW_NOT_ALLOWED: 'The API key may not be used here',
  FDT_SESSION_NOT_FOUND: 'There is no such session',
  FDT_SESSION_TOO_LARGE: 'The session token would be longer than 800000 characters: list fewer documents',
  FDT_RATE_LIMITED: 'Too many requests',
  FDT_STORE_UNAVAILABLE: 'The token store is unavailable',
  FDT_MISSING_TOKEN: 'Invalid token',
  FDT_INVALID_TOKEN: 'Invalid token',
  FDT_TOKEN_EXPIRED: 'Token has expired',
  FDT_TOKEN_REVOKED: 'Token has been revoked',
  FDT_MULTIPLE_TOKENS: 'The request carries more than one token',
  FDT_INSUFFICIENT_PERMISSION: 'The session does not cover this document with this permission',
  FDT_ORIGIN_NOT_ALLOWED: 'The session cannot be used from this origin',
  FDT_CROSS_SITE: 'A session cookie is taken from the same origin and with JSON only',
  FST_ERR_CTP_BODY_TOO_LARGE: 'Payload Too Large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'Unsupported Media Type'
}

/** What a refusal looks like, in one object for one comparison. It is complete when the body has Fastify's members alone, and says what it should. */
export function refusal (reply: LightMyRequestResponse) {
  const { statusCode, code, error, message, ...rest } = reply.json()
  return {
    status: reply.statusCode,
    code,
    challenge: reply.headers['www-authenticate'],
    cache: reply.headers['cache-control'],
    complete: statusCode === reply.statusCode && typeof error === 'string' && message === (MESSAGES[code] ?? message) && typeof message === 'string' && Object.keys(rest).length === 0
  }
}

/** The payload of a token, not verified. */
export function claimsOf (token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(String(token.split('.')[1]), 'base64url').toString())
}
