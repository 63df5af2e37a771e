/** What the clients of others talk to: the flow, on a real socket, with a clock that goes. */
import { type webcrypto } from 'node:crypto'
import { createServer } from 'node:http'
import { type AddressInfo } from 'node:net'
import Fastify, { type RouteHandlerMethod } from 'fastify'
import { type Test } from 'tap'
import { type ClientInput, type ClientRecord, createClientRegistry, digestSecret, type JsonWebKey } from '../../lib/credentials/index.ts'
import { createMemoryStore } from '../../lib/stores/memory.ts'
import { clientCredentials, type DpopSettings } from '../../plugins/client-credentials/index.ts'
import { ringOf, SCOPES } from '../support/oauth-host.ts'

export type Algorithm = 'ES256' | 'EdDSA' | 'RS256' | 'PS256'

export const ALGORITHMS = ['ES256', 'EdDSA', 'RS256', 'PS256'] as const

export interface ServerOptions {
  algorithm?: Algorithm
  dpop?: boolean | DpopSettings
  client?: ClientInput
}

/** Ids and secrets of all that encoders are at odds about, as a host's own records may hold them. */
export const RESERVED = [
  { id: 'a:b%c+d&e=f g~h', secret: 'secret:%+&= ~/?#[]@!$\'()*,;"<>\\^`{|}' },
  { id: '%3A%2B+', secret: '%41+%20:' },
  { id: '~', secret: ' : ' },
  { id: 'ends with a colon:', secret: ':starts with one, and ends with %' }
] as const

/** Another resource that clients may have tokens for. */
export const RESOURCE = 'https://files.example/api'

/** The app, under the URL that the kernel gave it, with a client of the registry and those of the host. */
export async function startServer (t: Test, { algorithm = 'ES256', dpop = false, client = { owner: 'acme' } }: ServerOptions = {}) {
  const store = createMemoryStore()
  const registry = createClientRegistry({ store })
  const { record: { id }, secret = '' } = await registry.create(client)
  const own = RESERVED.map(({ id, secret }): ClientRecord => ({ id, createdAt: 1, secrets: [{ digest: digestSecret(secret), createdAt: 1 }] }))

  const app = Fastify()
  // What the issuer is called has to be known before the app is there to listen.
  const server = createServer((request, reply) => app.routing(request, reply)).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  t.teardown(async () => {
    await app.close()
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  const { port } = server.address() as AddressInfo // it listens on a port
  const issuer = `http://127.0.0.1:${port}`

  await app.register(clientCredentials, {
    issuer,
    publicUrl: issuer,
    keys: await ringOf(algorithm),
    store,
    scopes: SCOPES,
    resources: [RESOURCE],
    dpop,
    clients: { find: async (clientId) => own.find(({ id }) => id === clientId) ?? await registry.find(clientId) }
  })
  const show: RouteHandlerMethod = async ({ accessToken }) => ({ client: accessToken?.client, scopes: accessToken?.scopes, jkt: accessToken?.jkt })
  app.get('/read', { onRequest: app.accessTokens.require('api.read') }, show)
  app.post('/write', { onRequest: app.accessTokens.require('api.read', 'api.write') }, show)
  await app.ready()
  return { app, issuer, tokenUrl: `${issuer}/connect/token`, id, secret, registry, read: `${issuer}/read`, write: `${issuer}/write` }
}

/** A client that signs what it says: its id, and its public half as the server keeps it. */
export async function addKey ({ registry }: Pick<Awaited<ReturnType<typeof startServer>>, 'registry'>, publicKey: webcrypto.CryptoKey, alg: Algorithm): Promise<string> {
  const jwk = await crypto.subtle.exportKey('jwk', publicKey)
  // A public half, whose members are texts.
  const { record: { id } } = await registry.create({ secret: false, keys: [{ ...jwk, alg } as JsonWebKey] })
  return id
}
