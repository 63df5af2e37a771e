import { InvalidOptionError } from '../errors.ts'
import { isSameKey } from '../keys/key-material.ts'
import { type KeyRing } from '../keys/key-ring.ts'
import { checkClock, checkWhole } from '../options.ts'
import { NAME_PATTERN } from '../schemas/scalars.ts'
import { checkStore, type TokenStore } from '../stores/token-store.ts'
import { isPlainUrl, isServerUrl } from '../urls.ts'

/** The permissions of the vendor's service, and the vocabulary unless the host has one of its own. */
export const DEFAULT_PERMISSIONS = ['read', 'write', 'download'] as const

export type DefaultPermission = typeof DEFAULT_PERMISSIONS[number]

/** What `createDocumentSessions` takes, and the plugin too. */
export interface DocumentSessionsOptions<Permission extends string = DefaultPermission> {
  /** Who issues: an http(s) URL without query and fragment. Becomes `iss`, and part of `aud`. Never taken from a request. */
  issuer: string
  /** Signs and verifies. `ES256` is a good choice. With public halves alone, sessions are guarded and ended but not issued, and there are no routes. */
  keys: KeyRing
  /** Where sessions that were ended early are remembered. The host creates and closes it. */
  store: TokenStore
  /** Separates this instance's tokens and store keys from another instance's. Default is `default`. */
  name?: string
  /** The permissions there are. Where a request names none, the first is meant. Default is `read`, `write`, `download`. */
  permissions?: readonly Permission[]
  /** Seconds that a session lives when nobody says. Default is `3600`, or `maxLifetime` when that is less. */
  defaultLifetime?: number
  /** Most seconds that a session lives, when it is issued from now on. Default is `86400`. */
  maxLifetime?: number
  /** Seconds by which the clocks of issuer and guard may differ, at most `60`. Default is `0`. */
  clockTolerance?: number
  /** Where the viewer finds the documents: claim `server_url`, an http(s) URL that ends with a slash. Default is none. */
  serverUrl?: string
  /** Signs `issue({ profile: 'document-engine' })`: RS256 or ES256, and no ring that signs anything else. */
  documentEngineKeys?: KeyRing
  /** Bytes of memory for sessions verified before, so that the next request costs no signature check. `0` is none. Default is 8 MiB. */
  cacheBytes?: number
  /** Current time in milliseconds since the Unix epoch. Default is `Date.now`. */
  now?: () => number
}

/** The names of {@link DocumentSessionsOptions}, so that a misspelt one can be refused. */
export const SESSION_OPTION_NAMES: ReadonlySet<string> = new Set<keyof DocumentSessionsOptions>([
  'issuer', 'keys', 'store', 'name', 'permissions', 'defaultLifetime', 'maxLifetime', 'clockTolerance', 'serverUrl', 'documentEngineKeys', 'cacheBytes', 'now'
])

/** @internal */
export type ResolvedSessionsOptions<Permission extends string> =
  Required<Omit<DocumentSessionsOptions<Permission>, 'serverUrl' | 'documentEngineKeys'>> &
  Pick<DocumentSessionsOptions<Permission>, 'serverUrl' | 'documentEngineKeys'>

/** @internal */
export function resolveSessionsOptions<Permission extends string> (options: DocumentSessionsOptions<Permission>): ResolvedSessionsOptions<Permission> {
  if (typeof options !== 'object' || options === null) throw new InvalidOptionError('options', 'must be an object')
  const {
    issuer,
    keys,
    store,
    name = 'default',
    // Without the option, Permission is the default vocabulary; the compiler cannot know.
    permissions = DEFAULT_PERMISSIONS as readonly string[] as readonly Permission[],
    maxLifetime = 86_400,
    defaultLifetime = maxLifetime < 3600 ? maxLifetime : 3600,
    clockTolerance = 0,
    serverUrl,
    documentEngineKeys,
    cacheBytes = 8 * 1024 * 1024,
    now = Date.now
  } = options

  if (typeof issuer !== 'string' || !isPlainUrl(issuer)) throw new InvalidOptionError('issuer', 'must be an http(s) URL without user, query and fragment')
  checkRing('keys', keys)
  checkStore(store)
  checkName(name)
  checkVocabulary(permissions)
  checkWhole('maxLifetime', maxLifetime, 1, 366 * 86_400)
  checkWhole('defaultLifetime', defaultLifetime, 1, maxLifetime)
  checkWhole('clockTolerance', clockTolerance, 0, 60)
  checkWhole('cacheBytes', cacheBytes, 0, Number.MAX_SAFE_INTEGER)
  if (serverUrl !== undefined && !isServerUrl(serverUrl)) throw new InvalidOptionError('serverUrl', 'must be an http(s) URL without user, query and fragment that ends with a slash')
  if (documentEngineKeys !== undefined) checkDocumentEngineKeys(documentEngineKeys, keys)
  checkClock(now)

  return {
    issuer,
    keys,
    store,
    name,
    permissions: Object.freeze([...permissions]),
    maxLifetime,
    defaultLifetime,
    clockTolerance,
    ...(serverUrl !== undefined && { serverUrl }),
    ...(documentEngineKeys !== undefined && { documentEngineKeys }),
    cacheBytes,
    now
  }
}

function checkRing (option: string, ring: KeyRing): void {
  if (typeof ring?.get !== 'function' || typeof ring.signing !== 'function') throw new InvalidOptionError(option, 'must be a key ring, for instance createKeyRing([{ key }])')
}

function checkDocumentEngineKeys (ring: KeyRing, keys: KeyRing): void {
  checkRing('documentEngineKeys', ring)
  const { algorithm } = ring.signing()
  if (algorithm !== 'RS256' && algorithm !== 'ES256') throw new InvalidOptionError('documentEngineKeys', 'must sign with RS256 or ES256')
  if (ring.list().some((key) => keys.list().some((other) => isSameKey(key, other)))) throw new InvalidOptionError('documentEngineKeys', 'must not share a key with keys: one key, one use')
}

/** @internal */
export function checkName (name: unknown): void {
  if (typeof name !== 'string' || !new RegExp(NAME_PATTERN).test(name)) throw new InvalidOptionError('name', 'must be 1 to 64 of A–Z, a–z, 0–9, ., _, : and -')
}

/** @internal */
export function checkVocabulary (permissions: unknown): void {
  const pattern = new RegExp(NAME_PATTERN)
  const usable = Array.isArray(permissions) && permissions.length > 0 && permissions.length <= 64 && permissions.every((permission) => typeof permission === 'string' && pattern.test(permission))
  if (!usable || new Set(permissions).size !== permissions.length) throw new InvalidOptionError('permissions', 'must be 1 to 64 different names of 1 to 64 of A–Z, a–z, 0–9, ., _, : and -')
}
