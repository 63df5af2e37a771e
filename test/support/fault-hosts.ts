/** Hosts that share a Redis, each with a store of its own, as processes have. */
import { inspect } from 'node:util'
import Fastify from 'fastify'
import { type Test } from 'tap'
import { createApiKeyRegistry } from '../../lib/credentials/index.ts'
import { createKeyRing, generateKey, type KeyRing } from '../../lib/keys/index.ts'
import { openRedisStore, type RedisStoreOptions } from '../../lib/stores/redis.ts'
import { type TokenStore } from '../../lib/stores/token-store.ts'
import { opaqueTokens, type OpaqueLimits } from '../../plugins/opaque-tokens/index.ts'
import { sessionIssuance } from '../../plugins/session-issuance/index.ts'
import { until } from './example-server.ts'
import { PEPPER } from './opaque-host.ts'
import { ISSUER } from './session-host.ts'

export const PREFIX = 'faults:'

/** What Redis calls the counter of a token's uses. */
export const counterOf = (accessor: string): string => `${PREFIX}c:opaque/default/${accessor}`

/** Which Redis, and how it is reached. */
export type Source = Omit<RedisStoreOptions, 'prefix' | 'onError'>

/** Two hosts, or as many as there are sources. */
export interface FaultHosts {
  hosts: FaultHost[]
  /** Waits until Redis is there, and makes the API key that all requests carry. */
  newKey (): Promise<string>
  /** All that was logged, and told by the stores. */
  written (): string
}

export interface FaultHost {
  url: string
  store: TokenStore
}

export interface FaultHostsOptions {
  /** Of each host. Default is one that both share, of this process. */
  keyRing?: (store: TokenStore) => Promise<KeyRing>
  /** Default is none. */
  limits?: OpaqueLimits
}

const NO_LIMITS: OpaqueLimits = { address: false, credential: false, failures: false, unknown: false }

/** Starts a host for each source, on a socket of its own. They are closed when the test is over. */
export async function startHosts (t: Test, sources: Source[], { keyRing, limits = NO_LIMITS }: FaultHostsOptions = {}): Promise<FaultHosts> {
  const lines: string[] = []
  const sharedRing = createKeyRing([{ key: await generateKey('ES256') }])

  const startHost = async (source: Source): Promise<FaultHost> => {
    const store = await openRedisStore({ ...source, prefix: PREFIX, onError: (error) => { lines.push(inspect(error, { depth: 20, showHidden: true })) } })
    t.teardown(() => store.close())
    const app = Fastify({ logger: { level: 'debug', stream: { write: (line) => { lines.push(line) } } } })
    t.teardown(() => app.close())
    const credentials = createApiKeyRegistry({ store })
    await app.register(opaqueTokens, { store, credentials, pepper: PEPPER, includeAccessor: true, limits })
    const { unknown: _unknown, ...sessionLimits } = limits
    await app.register(sessionIssuance, { issuer: ISSUER, store, credentials, keys: await keyRing?.(store) ?? sharedRing, limits: sessionLimits })
    app.get('/documents/:id', { onRequest: app.documentSessions.require('read', { param: 'id' }) }, async () => 'read')
    return { store, url: await app.listen({ host: '127.0.0.1', port: 0 }) }
  }
  const hosts = await Promise.all(sources.map(startHost))

  return {
    hosts,
    newKey: async () => {
      const [first] = hosts
      if (first === undefined) throw new Error('there is no host')
      const registry = createApiKeyRegistry({ store: first.store })
      return await until(() => registry.create({ owner: 'acme' }).then(({ secret }) => secret, () => undefined))
    },
    written: () => lines.join('\n')
  }
}
