import { InvalidOptionError, MissingPeerError } from '../../errors.ts'
import { type RedisClient } from './client.ts'
import { connect, type IoRedis, quiet, watchSentinels } from './connect.ts'
import { createLink, type RedisLink } from './link.ts'
import { lookAt } from './look.ts'
import { resolveRedisOptions, type ResolvedRedisOptions } from './options.ts'
import { REFUSALS } from './outage.ts'
import { withReplicas } from './replicas.ts'
import { RedisStore } from './store.ts'
import { isOurs } from '../outage.ts'
import { type RedisStoreOptions } from '../redis.ts'
import { type TokenStore } from '../token-store.ts'

/** Milliseconds that opening waits for Redis. */
const OPEN_TIMEOUT = 900
/** What an operation may take beyond the time-out of a command, in milliseconds. */
const MARGIN = 50

/** How a certificate that is not trusted is called. */
const CERTIFICATE_FAULT = /CERT|UNABLE_TO|^ERR_TLS/

/**
 * Apart from its public face, so that the types of `ioredis`, which not every user has, stay in here.
 *
 * @internal
 */
export async function openWith (load: () => Promise<IoRedis>, options: RedisStoreOptions): Promise<TokenStore> {
  const resolved = resolveRedisOptions(options)
  const { prefix, source, waitForReplicas } = resolved
  const { client, watch } = await clientFor(load, resolved)

  const linkOptions = { timeout: resolved.commandTimeout + MARGIN, look: lookerFor(resolved), tell: resolved.onError }
  const main = createLink({ ...linkOptions, client, isOurs: source.kind !== 'client' })
  const ours = source.kind === 'client' ? [] : [client]
  const links = [main]
  let durable: RedisLink | undefined
  if (waitForReplicas !== undefined) {
    // WAIT blocks its connection, so that is another one.
    const another = quiet(client.duplicate())
    durable = createLink({ ...linkOptions, client: another, isOurs: true, wrap: (send) => withReplicas(send, waitForReplicas) })
    ours.push(another)
    links.push(durable)
  }
  const unwatch = watch(() => { for (const link of links) link.reconnect() })

  const store = new RedisStore(prefix, main, durable, () => {
    unwatch()
    for (const link of links) link.release()
    for (const one of ours) one.disconnect()
  })
  try {
    await main.all(OPEN_TIMEOUT)
  } catch (error) {
    const refusal = refusalIn(error, source.kind)
    if (refusal === undefined) return store
    await store.close()
    throw refusal
  }
  return store
}

async function clientFor (load: () => Promise<IoRedis>, { source, tls, commandTimeout }: ResolvedRedisOptions): Promise<{ client: RedisClient, watch: (listener: () => void) => () => void }> {
  if (source.kind === 'client') return { client: source.client, watch: () => () => {} }
  const ioredis = await load().catch((error) => { throw new MissingPeerError('ioredis', { cause: error }) })
  return {
    client: connect(ioredis, source, tls, commandTimeout),
    watch: (listener) => source.kind === 'sentinel' ? watchSentinels(ioredis, source.sentinel, tls, commandTimeout, listener) : () => {}
  }
}

function lookerFor ({ source, allowEviction, onHost, onWarning }: ResolvedRedisOptions): Parameters<typeof createLink>[0]['look'] {
  let hasWarned = false
  const warn = (): void => {
    if (hasWarned) return
    hasWarned = true
    onWarning('The Redis store may not read maxmemory-policy: unless it is noeviction, Redis may throw away revocations and locks')
  }
  return (node, send) => {
    const { db }: { db?: number } = node.options
    onHost(node.stream.remoteAddress)
    return lookAt(send, Number(db), { option: source.kind, allowEviction, warn })
  }
}

/** What stays wrong until somebody changes it. Anything else may be over soon. */
function refusalIn (error: unknown, option: string): Error | undefined {
  const { cause } = Object(error)
  if (isOurs(cause)) return cause
  const { code } = Object(cause)
  if (REFUSALS.includes(code)) return new InvalidOptionError(option, `must be what Redis lets in and lets do what the store does: it has answered ${code}`)
  if (CERTIFICATE_FAULT.test(code)) return new InvalidOptionError(option === 'client' ? option : 'tls', `must go with the certificate of the server: ${code}`)
  return undefined
}
