import { readBounded } from '../bounded-body.ts'
import { InvalidOptionError, IssuerUnavailableError, NoSigningKeyError } from '../errors.ts'
import { parseJson } from '../json.ts'
import { checkClock, checkNames, checkWhole, isObject } from '../options.ts'
import { isConfidentialUrl } from '../urls.ts'
import { importKey, isSameKey, KEY_ALGORITHMS } from './key-material.ts'
import { type JsonWebKey, type KeyAlgorithm, type KeyRing, type RingKey } from './key-ring.ts'

/** Algorithms whose keys have a public half. */
export type AsymmetricAlgorithm = Exclude<KeyAlgorithm, 'HS256'>

export interface RemoteKeyRingOptions {
  /** Where the issuer publishes its JWKS: https (http on loopback only), without user, query and fragment. Never taken from a token. */
  url: string
  /** Keys of other algorithms are passed over. Default is `ES256`, `EdDSA`, `RS256` and `PS256`. */
  algorithms?: readonly AsymmetricAlgorithm[]
  /** Milliseconds after which the keys are looked at again, at least `cooldown` and at most a day. Default is `600000`, ten minutes. */
  maxAge?: number
  /** Milliseconds between two looks at least, however many unknown keys tokens name, 1000–3600000. Default is `30000`. */
  cooldown?: number
  /** Milliseconds until the issuer must have answered, 1–60000. Default is `5000`. */
  timeout?: number
  /** Told once of each outage, with an error whose cause says what is wrong, and which holds neither the URL nor what was answered. */
  onError?: (error: Error) => void
  /** What asks, for instance by way of a proxy. It has to obey `signal` and `redirect`. Default is the global `fetch`. */
  fetch?: typeof globalThis.fetch
  /** Current time in milliseconds since the Unix epoch. Default is `Date.now`. */
  now?: () => number
}

/** The public halves of somebody else's keys. */
export interface RemoteKeyRing extends KeyRing {
  /**
   * The key called `kid`. Where the keys are older than `maxAge`, they are looked at in the background. Where nobody has
   * asked for twice as long, the answer is `undefined` until that look is over: {@link RemoteKeyRing.refresh} waits for it.
   */
  get (kid: string): RingKey | undefined
  /** Looks for new keys, at most once per `cooldown`; all callers share one request. Never rejects: what cannot be had leaves the ring as it is. */
  refresh (): Promise<void>
  /** Whether the last look has failed. Then nothing is known of a key that is not in the ring, and a guard says so (503). */
  isOutdated (): boolean
  /** Looks no more, and gives up a look that is under way. The keys stay. */
  close (): Promise<void>
}

const ASYMMETRIC: readonly AsymmetricAlgorithm[] = KEY_ALGORITHMS.filter((name) => name !== 'HS256')

/** Bytes of an answer. Four keys of 2048 bits have 2 KiB. */
const MAX_ANSWER = 256 * 1024

const MAX_KEYS = 100

/** What others call their keys: some use base64, or a URL. It is compared, and nothing else. */
const KID = /^[\x20-\x7e]{1,256}$/

/** Any of these in a JWK is something that must not be public. */
const SECRET_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']

const OPTIONS: ReadonlySet<string> = new Set<keyof RemoteKeyRingOptions>(['url', 'algorithms', 'maxAge', 'cooldown', 'timeout', 'onError', 'fetch', 'now'])

const rings = new WeakSet<KeyRing>()

/**
 * Opens a ring of the keys that an issuer publishes, and resolves when they were looked at once. An issuer that is out
 * of reach leaves the ring empty for now.
 *
 * Takes no more than 256 KiB and 100 keys, and follows no redirect. Passes over keys that cannot serve: without a `kid`, or
 * of one that is there twice; symmetric or private; weak, for encryption, or of another algorithm. RSA keys that do not say
 * theirs are for RS256, or for PS256 where `algorithms` has only that. A key that did not change stays the same object; one
 * that is no longer published is gone after the next look. While the issuer cannot be reached, answers with
 * something else or has no key that can be used, the ring stays as it is, for as long as that lasts.
 *
 * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500) for a bad option.
 */
export async function openRemoteKeyRing (options: RemoteKeyRingOptions): Promise<RemoteKeyRing> {
  const { url, algorithms, maxAge, cooldown, timeout, onError, fetch, now } = resolveOptions(options)
  let keys: ReadonlyMap<string, RingKey> = new Map()
  let listed: readonly RingKey[] = Object.freeze([])
  let startedAt = -Infinity
  let endedAt = -Infinity
  let isOutdated = false
  let isClosed = false
  let giveUp = new AbortController()
  let running: Promise<void> | undefined

  const look = async (): Promise<void> => {
    startedAt = now()
    giveUp = new AbortController()
    const { signal } = giveUp
    const timer = setTimeout(() => { giveUp.abort() }, timeout)
    try {
      keys = readKeys(await download(url, fetch, signal), algorithms, keys)
      listed = Object.freeze([...keys.values()])
      isOutdated = false
    } catch (error) {
      const isNews = !isOutdated && !isClosed
      isOutdated = true
      if (isNews) onError(signal.aborted ? outage(`there was no answer within ${timeout} ms`) : toOutage(error))
    } finally {
      clearTimeout(timer)
      endedAt = now()
    }
  }
  const run = (): Promise<void> => {
    // What `onError` throws is the host's, and changes nothing here.
    running ??= look().catch(() => {}).finally(() => { running = undefined })
    return running
  }
  // A clock that was set back must not stop looks until it has caught up.
  const isOver = (since: number, period: number): boolean => now() < since || now() - since >= period
  const mayLook = (): boolean => !isClosed && isOver(startedAt, cooldown)

  await run()

  const ring: RemoteKeyRing = {
    get: (kid) => {
      if (mayLook() && (isOutdated || isOver(endedAt, maxAge))) run()
      return !isClosed && isOver(endedAt, 2 * maxAge) ? undefined : keys.get(kid)
    },
    signing: () => { throw new NoSigningKeyError() },
    list: () => listed,
    refresh: async () => {
      if (running !== undefined || mayLook()) await run()
    },
    isOutdated: () => isOutdated,
    close: async () => {
      isClosed = true
      giveUp.abort()
      await running
    }
  }
  rings.add(ring)
  return ring
}

/** @internal Whether a ring is of somebody else's keys. */
export function isRemoteRing (ring: KeyRing): ring is RemoteKeyRing {
  return rings.has(ring)
}

function resolveOptions (options: RemoteKeyRingOptions): Required<RemoteKeyRingOptions> {
  if (!isObject(options)) throw new InvalidOptionError('options', 'must be an object')
  checkNames(options, OPTIONS)
  const { url, maxAge = 600_000, cooldown = 30_000, timeout = 5000, onError = () => {}, fetch = globalThis.fetch, now = Date.now } = options
  if (!isConfidentialUrl(url)) throw new InvalidOptionError('url', 'must be an https URL (http on loopback only) without user, query and fragment')
  checkWhole('cooldown', cooldown, 1000, 3_600_000)
  checkWhole('maxAge', maxAge, cooldown, 86_400_000)
  checkWhole('timeout', timeout, 1, 60_000)
  if (typeof onError !== 'function') throw new InvalidOptionError('onError', 'must be a function')
  if (typeof fetch !== 'function') throw new InvalidOptionError('fetch', 'must be a function')
  checkClock(now)
  return { url, algorithms: checkAlgorithms(options.algorithms), maxAge, cooldown, timeout, onError, fetch, now }
}

/**
 * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500) unless `algorithms` is absent, or a list of one or more that have public keys.
 *
 * @internal
 */
export function checkAlgorithms (algorithms: readonly AsymmetricAlgorithm[] = ASYMMETRIC): readonly AsymmetricAlgorithm[] {
  if (!Array.isArray(algorithms) || algorithms.length === 0 || !algorithms.every((name) => ASYMMETRIC.includes(name))) throw new InvalidOptionError('algorithms', `must be a list of one or more of ${ASYMMETRIC.join(', ')}`)
  return Object.freeze([...algorithms])
}

async function download (url: string, fetch: typeof globalThis.fetch, signal: AbortSignal): Promise<Uint8Array> {
  const reply = await fetch(url, { redirect: 'manual', signal, headers: { accept: 'application/jwk-set+json, application/json' } })
  if (reply.status !== 200) {
    await reply.body?.cancel()
    throw outage(`the answer has status ${reply.status}`)
  }
  const bytes = await readBounded(reply, MAX_ANSWER)
  if (bytes === undefined) throw outage(`the answer is longer than ${MAX_ANSWER} bytes`)
  return bytes
}

/** The keys that can serve, those that did not change as the objects that they were. */
function readKeys (bytes: Uint8Array, algorithms: readonly AsymmetricAlgorithm[], previous: ReadonlyMap<string, RingKey>): ReadonlyMap<string, RingKey> {
  const usable = parseJwks(bytes).flatMap((jwk) => importPublic(jwk, algorithms))
  const distinct = usable.filter(({ kid }) => usable.filter((other) => other.kid === kid).length === 1)
  if (distinct.length === 0) throw outage('no key of the JWKS can be used')
  return new Map(distinct.map((key) => {
    const before = previous.get(key.kid)
    return [key.kid, before !== undefined && before.algorithm === key.algorithm && isSameKey(before, key) ? before : key]
  }))
}

function parseJwks (bytes: Uint8Array): readonly unknown[] {
  const jwks = parse(bytes)
  const keys = isObject(jwks) && 'keys' in jwks ? jwks.keys : undefined
  if (!Array.isArray(keys)) throw outage('the answer is not a JWKS')
  if (keys.length > MAX_KEYS) throw outage(`the JWKS has more than ${MAX_KEYS} keys`)
  return keys
}

function parse (bytes: Uint8Array): unknown {
  try {
    return parseJson(bytes)
  } catch {
    throw outage('the answer is not JSON')
  }
}

/** Empty for what cannot serve: RFC 7517, section 5, has unknown keys passed over. */
function importPublic (jwk: unknown, algorithms: readonly AsymmetricAlgorithm[]): readonly RingKey[] {
  if (!isPublicJwk(jwk)) return []
  const { kty, kid } = jwk
  if (typeof kid !== 'string' || !KID.test(kid)) return []
  const { alg = kty === 'RSA' ? algorithms.find((name) => name === 'RS256') ?? 'PS256' : undefined } = jwk
  try {
    const key = importKey({ key: { ...jwk, alg }, kid: 'remote' })
    return algorithms.some((name) => name === key.algorithm) ? [Object.freeze({ ...key, kid })] : []
  } catch {
    return []
  }
}

/** @internal Whether `value` may be the JWK of a public key: an object without any member that belongs to nobody else. */
export function isPublicJwk (value: unknown): value is JsonWebKey {
  return isObject(value) && !SECRET_MEMBERS.some((name) => Object.hasOwn(value, name))
}

function outage (reason: string): InstanceType<typeof IssuerUnavailableError> {
  return new IssuerUnavailableError({ cause: new TypeError(reason) })
}

/** Of what is not ours the code or the name alone: an error of the HTTP client may hold what came back. */
function toOutage (error: unknown): Error {
  if (error instanceof IssuerUnavailableError) return error
  const origin = error instanceof Error ? error.cause ?? error : error
  const { name, code = name }: Error & { code?: unknown } = origin instanceof Error ? origin : new TypeError()
  return outage(`the request failed with ${String(code)}`)
}
