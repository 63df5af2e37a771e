import { type Client } from '../../credentials/client.ts'
import { InvalidOptionError, NoSigningKeyError } from '../../errors.ts'
import { type KeyRing } from '../../keys/key-ring.ts'
import { isScopeName } from '../../oauth/scope.ts'
import { checkClock, checkNames, checkWhole, isObject } from '../../options.ts'
import { checkStore, type TokenStore } from '../../stores/token-store.ts'
import { isPlainUrl } from '../../urls.ts'
import { checkName } from '../document-session-options.ts'
import { type AccessTokenProfile, PROFILES } from './profile.ts'

/** Turns DPoP on: tokens that are bound to a key of the client's. RFC 9449. */
export interface DpopSettings {
  /**
   * Makes nonces that proofs have to hold, so that none can be made in advance: at least 32 bytes, text or bytes, the same in
   * all processes. Default is none: then a proof is good for a minute, by the client's clock.
   */
  nonceSecret?: string | Uint8Array
}

/** What `createAccessTokens` takes, and the plugin too. */
export interface AccessTokensOptions<Scope extends string = string> {
  /** Who issues: an http(s) URL without query and fragment. Becomes `iss`. Never taken from a request. */
  issuer: string
  /**
   * Signs and verifies: ES256, EdDSA, RS256 or PS256, and nothing else. `RS256` is what RFC 9068 wants everybody to read. With
   * public halves alone, such as those of `openRemoteKeyRing`, tokens are guarded and not issued, and there are no routes.
   */
  keys: KeyRing
  /**
   * Where tokens that were ended early are remembered, and what may be used once. The host creates and closes it. Required
   * where tokens are issued, and for DPoP; without it, guards do not learn of revocations.
   */
  store?: TokenStore
  /** The scopes there are: 1–64 names of 1–64 printable ASCII characters without space, quote and backslash. */
  scopes: readonly Scope[]
  /** Tells this instance from others in events, and separates what it counts. What was ended is known by `issuer`. Default is `default`. */
  name?: string
  /** How tokens are written and read: never both. `identityserver` wants `keys` that sign nothing else. Default is `rfc9068`. */
  profile?: AccessTokenProfile
  /** The resource that guards of this instance protect, and want in `aud`. RFC 9728 describes it where it is an http(s) URL. Default is `issuer`. */
  audience?: string
  /** Further resources that clients may have tokens for, by `resource` (RFC 8707). Default is none. */
  resources?: readonly string[]
  /** Seconds that a token lives where its client's record does not say. Default is `86400`, or `maxLifetime` when that is less. */
  defaultLifetime?: number
  /** Most seconds that a token lives, when it is issued from now on. Default is `86400`, or `defaultLifetime` when that is more. */
  maxLifetime?: number
  /** Seconds by which the clocks of issuer and guard may differ, at most `60`. Default is `0`. */
  clockTolerance?: number
  /**
   * The URL under which clients reach the app, without a path of its routes: `https://api.example`. For metadata, and for DPoP,
   * which requires it: proofs name the URL of a request, and `Host` is not to be trusted. Default is the origin of `issuer`.
   */
  publicUrl?: string
  /** DPoP: `true`, or its settings. Default is `false`: then proofs are ignored, and bound tokens refused. */
  dpop?: boolean | DpopSettings
  /** URL of the protected-resource metadata (RFC 9728), for challenges. Default is where the plugin serves them, and none where it does not. */
  resourceMetadata?: string
  /**
   * Which of the scopes that a client asks for, or gets by default, it gets now: some of them, such as those of a paid plan. What
   * is not one of them is refused, and so is the request when none is left. Default is all. A failure is an outage (503).
   */
  grantScopes? (scopes: ReadonlyArray<NoInfer<Scope>>, client: Client): ReadonlyArray<NoInfer<Scope>> | Promise<ReadonlyArray<NoInfer<Scope>>>
  /** Bytes of memory for tokens verified before, so that the next request costs no signature check. `0` is none. Default is 8 MiB. */
  cacheBytes?: number
  /** Current time in milliseconds since the Unix epoch. Default is `Date.now`. */
  now?: () => number
}

/** The names of {@link AccessTokensOptions}, so that a misspelt one can be refused. */
export const ACCESS_OPTION_NAMES: ReadonlySet<string> = new Set<keyof AccessTokensOptions>([
  'issuer', 'keys', 'store', 'scopes', 'name', 'profile', 'audience', 'resources', 'defaultLifetime', 'maxLifetime', 'clockTolerance', 'publicUrl', 'dpop',
  'resourceMetadata', 'grantScopes', 'cacheBytes', 'now'
])

/** @internal */
export interface AccessSettings<Scope extends string> {
  readonly issuer: string
  readonly keys: KeyRing
  readonly store: TokenStore | undefined
  readonly scopes: readonly Scope[]
  readonly name: string
  readonly profile: AccessTokenProfile
  readonly audience: string
  /** `audience` and `resources`. */
  readonly audiences: readonly string[]
  readonly defaultLifetime: number
  readonly maxLifetime: number
  readonly clockTolerance: number
  /** Without a slash behind it. */
  readonly publicUrl: string
  readonly dpop: DpopSettings | undefined
  readonly resourceMetadata: string | undefined
  readonly grantScopes: AccessTokensOptions<Scope>['grantScopes']
  readonly cacheBytes: number
  readonly now: () => number
}

/** Seconds. */
export const MAX_LIFETIME = 366 * 86_400
const MAX_NAMES = 64

/**
 * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500), naming the option.
 *
 * @internal
 */
export function resolveAccessOptions<Scope extends string> (options: AccessTokensOptions<Scope>): AccessSettings<Scope> {
  if (!isObject(options)) throw new InvalidOptionError('options', 'must be an object')
  const {
    issuer, keys, store, scopes, name = 'default', profile = 'rfc9068', audience = issuer, resources = [], clockTolerance = 0, publicUrl, dpop = false,
    resourceMetadata, grantScopes, cacheBytes = 8 * 1024 * 1024, now = Date.now
  } = options
  const { maxLifetime = Math.max(86_400, options.defaultLifetime ?? 0) } = options
  const { defaultLifetime = Math.min(86_400, maxLifetime) } = options

  if (!isUrl(issuer)) throw new InvalidOptionError('issuer', 'must be an http(s) URL without user, query and fragment')
  checkKeys(keys)
  if (store !== undefined || canIssue(keys)) checkStore(store as TokenStore)
  checkList('scopes', scopes, 1, isScopeName, 'names of 1 to 64 printable ASCII characters without space, quote and backslash')
  checkName(name)
  if (!Object.hasOwn(PROFILES, profile)) throw new InvalidOptionError('profile', `must be one of ${Object.keys(PROFILES).join(', ')}`)
  if (!isAudience(audience)) throw new InvalidOptionError('audience', 'must be 1 to 512 printable ASCII characters')
  checkList('resources', resources, 0, isAudience, 'texts of 1 to 512 printable ASCII characters')
  if (resources.includes(audience)) throw new InvalidOptionError('resources', 'must not repeat audience')
  // First by itself: it may be what `maxLifetime` is made of.
  if (options.defaultLifetime !== undefined) checkWhole('defaultLifetime', options.defaultLifetime, 1, MAX_LIFETIME)
  checkWhole('maxLifetime', maxLifetime, 1, MAX_LIFETIME)
  checkWhole('defaultLifetime', defaultLifetime, 1, maxLifetime)
  checkWhole('clockTolerance', clockTolerance, 0, 60)
  if (publicUrl !== undefined && !isUrl(publicUrl)) throw new InvalidOptionError('publicUrl', 'must be an http(s) URL without user, query and fragment')
  if (typeof dpop !== 'boolean' && !isObject(dpop)) throw new InvalidOptionError('dpop', 'must be true, false or { nonceSecret? }')
  if (isObject(dpop)) checkNames(dpop, ['nonceSecret'], 'dpop')
  if (dpop !== false && publicUrl === undefined) throw new InvalidOptionError('publicUrl', 'is required with dpop: proofs name the URL of a request')
  if (dpop !== false && store === undefined) throw new InvalidOptionError('store', 'is required with dpop: a proof is good once')
  if (resourceMetadata !== undefined && !isUrl(resourceMetadata)) throw new InvalidOptionError('resourceMetadata', 'must be an http(s) URL without user, query and fragment')
  if (grantScopes !== undefined && typeof grantScopes !== 'function') throw new InvalidOptionError('grantScopes', 'must be a function')
  checkWhole('cacheBytes', cacheBytes, 0, Number.MAX_SAFE_INTEGER)
  checkClock(now)

  return Object.freeze({
    issuer,
    keys,
    store,
    scopes: Object.freeze([...scopes]),
    name,
    profile,
    audience,
    audiences: Object.freeze([audience, ...resources]),
    defaultLifetime,
    maxLifetime,
    clockTolerance,
    publicUrl: (publicUrl ?? new URL(issuer).origin).replace(/\/$/, ''),
    dpop: dpop === false ? undefined : dpop === true ? {} : { ...dpop },
    resourceMetadata,
    grantScopes,
    cacheBytes,
    now
  })
}

/** @internal Whether a ring signs, now. */
export function canIssue (keys: KeyRing): boolean {
  try {
    keys.signing()
    return true
  } catch (error) {
    if (error instanceof NoSigningKeyError) return false
    throw error
  }
}

function checkKeys (keys: unknown): asserts keys is KeyRing {
  const isRing = isObject(keys) && 'get' in keys && typeof keys.get === 'function' && 'signing' in keys && typeof keys.signing === 'function' && 'list' in keys && typeof keys.list === 'function'
  if (!isRing) throw new InvalidOptionError('keys', 'must be a key ring, for instance createKeyRing([{ key }])')
  // Just checked.
  if ((keys as KeyRing).list().some(({ algorithm }) => algorithm === 'HS256')) throw new InvalidOptionError('keys', 'must sign with ES256, EdDSA, RS256 or PS256: whoever verifies with a secret can issue as well')
}

function checkList (option: string, names: unknown, least: number, isName: (name: unknown) => boolean, must: string): void {
  // Spread first: `every` alone would skip the holes of a sparse array.
  const isUsable = Array.isArray(names) && names.length >= least && names.length <= MAX_NAMES && [...names].every(isName) && new Set(names).size === names.length
  if (!isUsable) throw new InvalidOptionError(option, `must be a list of ${least} to ${MAX_NAMES} different ${must}`)
}

function isUrl (value: unknown): value is string {
  return typeof value === 'string' && value.length <= 2048 && isPlainUrl(value)
}

/** An audience need not be a URL: those of the vendor's tokens are not. */
function isAudience (value: unknown): value is string {
  return typeof value === 'string' && /^[\x21-\x7e]{1,512}$/.test(value)
}
