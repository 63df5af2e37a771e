import rateLimit, { type FastifyRateLimitStoreCtor, type RateLimitHook } from '@fastify/rate-limit'
import { type FastifyInstance, type FastifyRequest } from 'fastify'
import { RateLimitedError } from '../../lib/errors.ts'
import { addressBuckets, type Bucket } from '../../lib/limits/address.ts'
import { createCounters, tightest, type Usage } from '../../lib/limits/counters.ts'
import { type Limit } from '../../lib/limits/limit.ts'
import { publish } from '../../lib/publish.ts'
import { type TokenStore } from '../../lib/stores/token-store.ts'
import { findCaller } from './callers.ts'
import { type FlowInstance, originOf } from './flow-instance.ts'

/** An instance of a flow with the store that it counts in. */
export interface CountingInstance extends FlowInstance {
  readonly store: TokenStore
}

/** What a stage of the limiter counts. */
interface Stage {
  hook: RateLimitHook
  limitOf (request: FastifyRequest): Limit | undefined
  bucketsOf (request: FastifyRequest): readonly Bucket[]
}

const usagesOf = new WeakMap<FastifyRequest, readonly Usage[]>()

/** In the order in which they were counted. */
function findUsages (request: FastifyRequest): readonly Usage[] {
  return usagesOf.get(request) ?? []
}

/** Where an instance counts, failures too. */
export function limitPrefix ({ flow, name }: FlowInstance): string {
  return `limit/${flow}/${name}`
}

/**
 * Counts every request by the address that it comes from, before anything else of it is looked at.
 * This and the next two must be awaited before the first route of the scope, else the limiter does not see it.
 */
export async function limitByAddress (scope: FastifyInstance, instance: CountingInstance, limit: Limit | undefined): Promise<void> {
  await registerLimiter(scope, instance, { hook: 'onRequest', limitOf: () => limit, bucketsOf: ({ ip }) => addressBuckets(ip) })
}

/**
 * Counts by credential, behind the hook of the scope that authenticates it.
 *
 * @param hook Default is before any body is read. `preHandler` where the credential is in there.
 */
export async function limitByCaller (scope: FastifyInstance, instance: CountingInstance, limit: Limit | undefined, hook: 'preParsing' | 'preHandler' = 'preParsing'): Promise<void> {
  await registerLimiter(scope, instance, {
    hook,
    limitOf: (request) => findCaller(request)?.rateLimit ?? limit,
    bucketsOf: (request) => [{ policy: 'credential', key: String(findCaller(request)?.id), factor: 1 }]
  })
}

/** Counts by the host's user, behind all `onRequest` hooks. What is no text counts as one and the same user. */
export async function limitByUser (scope: FastifyInstance, instance: CountingInstance, limit: Limit | undefined, limitKey: (request: FastifyRequest) => string): Promise<void> {
  await registerLimiter(scope, instance, {
    hook: 'preParsing',
    limitOf: () => limit,
    bucketsOf: (request) => [{ policy: 'user', key: String(limitKey(request)), factor: 1 }]
  })
}

/**
 * Counts by address what has failed, for routes that many users reach from one address: only a failure can be one too
 * many. To be called behind one.
 *
 * @param what Separates these counters from those of whole requests.
 *
 * @returns A function that rejects with `FDT_RATE_LIMITED` (429), or with `FDT_STORE_UNAVAILABLE` (503).
 */
export function failureLimiter (instance: CountingInstance, what: string, limit: Limit | undefined): (request: FastifyRequest) => Promise<void> {
  const { now, store } = instance
  const counters = createCounters({ store, prefix: `${limitPrefix(instance)}/${what}`, now })

  return async (request) => {
    if (limit === undefined) return
    const usages = await counters.count(addressBuckets(request.ip), limit)
    usagesOf.set(request, usages)
    if (usages.some(({ isExceeded }) => isExceeded)) throw oneTooMany(request, instance)
  }
}

async function registerLimiter (scope: FastifyInstance, instance: CountingInstance, { hook, limitOf, bucketsOf }: Stage): Promise<void> {
  const { now, store } = instance
  const counters = createCounters({ store, prefix: limitPrefix(instance), now })

  async function isOneTooMany (request: FastifyRequest): Promise<boolean> {
    const limit = limitOf(request)
    if (limit === undefined) return false
    const usages = await counters.count(bucketsOf(request), limit)
    usagesOf.set(request, [...findUsages(request), ...usages])
    return usages.some(({ isExceeded }) => isExceeded)
  }

  // A hook of the host's may give every route a `config.rateLimit`, meant for the host's limiter. Ours would obey it.
  scope.addHook('onRoute', (route) => {
    const { rateLimit, ...config } = { ...route.config }
    route.config = config
  })
  await scope.register(rateLimit, {
    hook,
    max: 0,
    store: VerdictStore,
    // Counted here, where the request is known: the library tells its store the key alone.
    keyGenerator: async (request) => Number(await isOneTooMany(request)),
    addHeaders: NO_HEADERS,
    addHeadersOnExceeding: NO_HEADERS,
    errorResponseBuilder: (request) => oneTooMany(request, instance)
  })
}

/** Tells the event, and makes the refusal. */
function oneTooMany (request: FastifyRequest, { flow, name, now }: FlowInstance): Error {
  const usage = tightest(findUsages(request))
  const { id: credential, owner } = findCaller(request) ?? {}
  publish('limited', () => ({ flow, name, time: now(), ...originOf(request), policy: String(usage?.policy), credential, owner }))
  return Object.assign(new RateLimitedError(), { retryAfter: Math.ceil(Number(usage?.resetsIn) / 1000) })
}

/** Each bucket has a size of its own, so the verdict is no matter of the library's `max`, which is 0: its key is 1 or 0, and its count too. */
class VerdictStore implements InstanceType<FastifyRateLimitStoreCtor> {
  incr (verdict: string, callback: (error: Error | null, result?: { current: number, ttl: number }) => void): void {
    callback(null, { current: Number(verdict), ttl: 0 })
  }

  child (): VerdictStore {
    return this
  }
}

const NO_HEADERS = { 'x-ratelimit-limit': false, 'x-ratelimit-remaining': false, 'x-ratelimit-reset': false, 'retry-after': false }

/** Tells on each answer of the scope how its limits stand, in the header fields of the IETF's draft 11 on RateLimit. */
export function sendUsage (scope: FastifyInstance): void {
  scope.addHook('onSend', (request, reply, _payload, done) => {
    const usages = findUsages(request)
    const first = tightest(usages)
    if (first !== undefined) {
      reply.header('ratelimit-policy', usages.map(({ policy, max, timeWindow }) => `"${policy}";q=${max};w=${Math.ceil(timeWindow / 1000)}`).join(', '))
      reply.header('ratelimit', `"${first.policy}";r=${first.remaining};t=${Math.ceil(first.resetsIn / 1000)}`)
    }
    done()
  })
}
