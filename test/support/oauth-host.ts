import { type FastifyInstance, type FastifyServerOptions, type LightMyRequestResponse } from 'fastify'
import { type Test } from 'tap'
import { type ClientInput, type ClientSource, createClientRegistry } from '../../lib/credentials/index.ts'
import { createKeyRing, generateKey, type KeyAlgorithm, type LocalKeyRing } from '../../lib/keys/index.ts'
import { createMemoryStore } from '../../lib/stores/memory.ts'
import { type TokenStore } from '../../lib/stores/token-store.ts'
import { clientCredentials, type ClientCredentialsOptions } from '../../plugins/client-credentials/index.ts'
import { buildHost } from './hosts.ts'
import { NOW } from './session-host.ts'

export const ISSUER = 'https://auth.example'
export const SCOPES = ['api.read', 'api.write']
export const FORM = 'application/x-www-form-urlencoded'

export interface OAuthHostOptions {
  /** Options of the flow, over the defaults of {@link oauthHost}. */
  flow?: Record<string, unknown>
  store?: TokenStore
  /** What the client may do. */
  client?: ClientInput
  /** Where clients are looked up instead. */
  clients?: ClientSource
  keys?: LocalKeyRing
  server?: FastifyServerOptions
  /** Runs before the flow is registered, in the scope where it will be. */
  before?: (scope: FastifyInstance) => Promise<void> | void
}

type Fields = Record<string, string> | ReadonlyArray<[string, string]>

/** Made once for each algorithm: an RSA key takes its time. */
const generated = new Map<KeyAlgorithm, ReturnType<typeof generateKey>>()

/** A new ring, with a key that all rings of the test file share. */
export async function ringOf (algorithm: KeyAlgorithm): Promise<LocalKeyRing> {
  const key = generated.get(algorithm) ?? generateKey(algorithm)
  generated.set(algorithm, key)
  return createKeyRing([{ key: await key }])
}

/** The host that the test runs in, with the flow and two guarded routes, a client with a secret, and a clock that stands still until it is moved. */
export async function oauthHost (t: Test, { flow = {}, store, client = { owner: 'acme' }, clients, keys, server = {}, before }: OAuthHostOptions = {}) {
  const clock = { time: NOW }
  const now = () => clock.time
  const tokenStore = store ?? createMemoryStore({ now })
  const registry = createClientRegistry({ store: tokenStore, now })
  const { record: { id }, secret = '' } = await registry.create(client)
  const ring = keys ?? await ringOf('ES256')
  // Overrides come from tables of bad options too, so their type is looser than the plugin's.
  const options = { issuer: ISSUER, scopes: SCOPES, store: tokenStore, keys: ring, clients: clients ?? registry, now, limits: { address: false, failures: false }, ...flow } as ClientCredentialsOptions

  const { app, scope } = await buildHost(t, {
    server,
    register: async (scope) => {
      await before?.(scope)
      await scope.register(clientCredentials, options)
      scope.get('/read', { onRequest: scope.accessTokens.require('api.read') }, async (request) => request.accessToken)
      scope.post('/write', { onRequest: scope.accessTokens.require('api.read', 'api.write') }, async (request) => request.accessToken)
    },
    sibling: async (scope) => {
      const other = { issuer: `${ISSUER}/other`, scopes: SCOPES, store: tokenStore, keys: ring, name: 'other', now, routes: false, ...('profile' in flow && { profile: flow['profile'] }) }
      await scope.register(clientCredentials, other as ClientCredentialsOptions)
    }
  })

  const post = (url: string, body: Fields | string | Buffer, headers: Record<string, string> = {}) => app.inject({
    method: 'POST',
    url,
    headers: { 'content-type': FORM, ...headers },
    payload: typeof body === 'string' || Buffer.isBuffer(body) ? body : new URLSearchParams(body as [string, string][]).toString()
  })
  const credentials = { client_id: id, client_secret: secret }
  const grant = { grant_type: 'client_credentials', ...credentials }
  const ask = (fields: Fields = {}, headers: Record<string, string> = {}) => post('/connect/token', { ...grant, ...fields }, headers)
  return {
    app,
    scope,
    clock,
    id,
    secret,
    registry,
    keys: ring,
    store: tokenStore,
    tokens: scope.accessTokens,
    /** What identifies the client in a form. */
    credentials,
    /** A form as it is, an object, or pairs where a parameter is repeated. */
    post,
    /** `POST /connect/token` with id and secret in the form. */
    ask,
    /** An access token of the client's. */
    newToken: async (fields: Fields = {}): Promise<string> => String((await ask(fields)).json().access_token),
    introspect: (token: string, fields: Fields = {}) => post('/connect/introspect', { token, ...credentials, ...fields }),
    revoke: (token: string, fields: Fields = {}) => post('/connect/revocation', { token, ...credentials, ...fields }),
    /** A route of the host's that wants `api.read`. */
    read: (token: string, headers: Record<string, string> = {}) => app.inject({ url: '/read', headers: { authorization: `Bearer ${token}`, ...headers } })
  }
}

export type OAuthHost = Awaited<ReturnType<typeof oauthHost>>

/** HTTP Basic as RFC 6749, section 2.3.1, wants it: each part form-encoded first. */
export function basic (id: string, secret: string): { authorization: string } {
  const encode = (text: string): string => new URLSearchParams({ a: text }).toString().slice(2)
  return { authorization: `Basic ${Buffer.from(`${encode(id)}:${encode(secret)}`).toString('base64')}` }
}

/** All of an answer that the contract speaks of. */
export function answer ({ statusCode: status, headers, body }: LightMyRequestResponse) {
  return {
    status,
    error: body === '' ? undefined : JSON.parse(body).error,
    challenge: headers['www-authenticate'],
    cache: headers['cache-control'],
    retryAfter: headers['retry-after'],
    allow: headers['allow']
  }
}

export const BASIC_CHALLENGE = 'Basic realm="client credentials", charset="UTF-8"'

/** What {@link answer} shows of a refusal that is as it should be. */
export function refused (status: number, error: string, rest: { challenge?: string, retryAfter?: string, allow?: string } = {}) {
  return { status, error, challenge: undefined, cache: 'no-store', retryAfter: undefined, allow: undefined, ...rest }
}
