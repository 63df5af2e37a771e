import { STATUS_CODES } from 'node:http'
import { type FastifyInstance, type FastifyServerOptions, type InjectOptions, type LightMyRequestResponse } from 'fastify'
import { type Test } from 'tap'
import { type ApiKeyInput, createApiKeyRegistry } from '../../lib/credentials/index.ts'
import { type NamedKey } from '../../lib/keys/seal.ts'
import { createMemoryStore } from '../../lib/stores/memory.ts'
import { type TokenStore } from '../../lib/stores/token-store.ts'
import { opaqueTokens, type OpaqueTokensPluginOptions } from '../../plugins/opaque-tokens/index.ts'
import { buildHost } from './hosts.ts'
import { NOW, post } from './session-host.ts'

export const PEPPER: NamedKey = { id: '2027', key: Buffer.from('u7Kc2ZQ0mXo5vB9rJtYw4dHs1LgEfNa8', 'latin1') }

/** What a partner posts, in the manner of the contract. */
export const POSTED = '{"userId":"userId","file":"fileId","server":"https://files.internal.example"}'

export interface OpaqueHostOptions {
  /** Options of the flow, over the defaults of {@link opaqueHost}. */
  flow?: Record<string, unknown>
  store?: TokenStore
  /** What the partner's API key may do. */
  apiKey?: ApiKeyInput
  server?: FastifyServerOptions
  /** Runs before the flow is registered, in the scope where it will be. */
  before?: (scope: FastifyInstance) => Promise<void> | void
}

/** The host that the test runs in, with the flow and a guarded route, the API key of a partner, and a clock that stands still until it is moved. */
export async function opaqueHost (t: Test, { flow = {}, store, apiKey = { owner: 'acme' }, server = {}, before }: OpaqueHostOptions = {}) {
  const clock = { time: NOW }
  const now = () => clock.time
  const tokenStore = store ?? createMemoryStore({ now })
  const registry = createApiKeyRegistry({ store: tokenStore, now })
  const { record: { id }, secret } = await registry.create(apiKey)
  // Overrides come from tables of bad options too, so their type is looser than the plugin's.
  const options = { store: tokenStore, pepper: PEPPER, credentials: registry, now, limits: { address: false, failures: false }, ...flow } as OpaqueTokensPluginOptions

  const { app, scope } = await buildHost(t, {
    server,
    register: async (scope) => {
      await before?.(scope)
      await scope.register(opaqueTokens, options)
      scope.get('/open', { onRequest: scope.opaqueTokens.require() }, async (request) => request.opaqueToken)
    },
    sibling: async (scope) => { await scope.register(opaqueTokens, { ...options, tokens: undefined, store: tokenStore, pepper: PEPPER, now, name: 'other' } as OpaqueTokensPluginOptions) }
  })

  const generate = (body: unknown = POSTED, headers: Record<string, string> = {}, query = '') => post(app, `/generate${query}`, body, { 'x-api-key': secret, ...headers })
  return {
    app,
    scope,
    clock,
    id,
    registry,
    secret,
    store: tokenStore,
    tokens: scope.opaqueTokens,
    /** `POST /generate` with the partner's key. A string or bytes are sent as they are. */
    generate,
    /** A token for these parameters. */
    newToken: async (body: unknown = POSTED, query = ''): Promise<string> => String((await generate(body, {}, query)).json().token),
    /** `GET /verify` as the contract has it. */
    verify: (token: string, more: InjectOptions = {}) => app.inject({ url: '/verify', ...more, headers: { 'content-type': 'application/json', 'x-api-token': token, ...more.headers } }),
    revoke: (body: unknown = '', headers: Record<string, string> = {}) => post(app, '/revoke', body, { 'x-api-key': secret, ...headers }),
    lookUp: (body: unknown, headers: Record<string, string> = {}) => post(app, '/lookup', body, { 'x-api-key': secret, ...headers }),
    /** A route of the host's behind the guard. */
    open: (token: string) => app.inject({ url: '/open', headers: { 'x-api-token': token } })
  }
}

export type OpaqueHost = Awaited<ReturnType<typeof opaqueHost>>

/** All of an answer that the contract speaks of. */
export function refusal (reply: LightMyRequestResponse) {
  const { statusCode: status, headers, body } = reply
  return { status, body: body === '' ? '' : reply.json(), challenge: headers['www-authenticate'], cache: headers['cache-control'], vary: varyOf(reply), retryAfter: headers['retry-after'], allow: headers['allow'] }
}

/** What is ours of `Vary`: the hostile host has one of its own, which stays in front. */
export function varyOf ({ headers }: Pick<LightMyRequestResponse, 'headers'>): string | undefined {
  const vary = String(headers['vary'] ?? '').replace(/^Accept-Encoding(?:, )?/, '')
  return vary === '' ? undefined : vary
}

export const VARY = 'x-api-token, x-api-key'

/** What {@link refusal} shows of a refusal that is as it should be. */
export function refused (status: number, code: string, message: string, rest: { challenge?: string, retryAfter?: string, allow?: string, vary?: undefined } = {}) {
  return { status, body: { statusCode: status, code, error: STATUS_CODES[status], message }, challenge: undefined, cache: 'no-store', vary: VARY, retryAfter: undefined, allow: undefined, ...rest }
}

/** The one answer. */
export const WRONG_TOKEN = refused(403, 'FDT_WRONG_TOKEN', 'Wrong token')

export const OUTAGE = refused(503, 'FDT_STORE_UNAVAILABLE', 'The token store is unavailable', { retryAfter: '1' })

/** The same token with one character exchanged, and the checksum that it had. */
export function misspelt (token: string, at = 20): string {
  return token.slice(0, at) + (token[at] === 'A' ? 'B' : 'A') + token.slice(at + 1)
}

/** Well-formed, and nobody's. */
export async function unknownToken (host: Pick<OpaqueHost, 'tokens'>): Promise<string> {
  const { token } = await host.tokens.issue({ parameters: { a: 1 }, auth: 'nobody' })
  await host.tokens.revoke(token)
  return token
}
