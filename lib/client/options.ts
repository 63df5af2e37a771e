import { InvalidOptionError } from '../errors.ts'
import { checkClock, checkNames, checkWhole, isObject } from '../options.ts'
import { isConfidentialUrl, isOrigin } from '../urls.ts'

/** What `createTokenSource` takes. */
export interface TokenSourceOptions {
  /**
   * The token endpoint, whole, such as `https://api.groupdocs.cloud/connect/token`. https, except on loopback; without
   * user, query and fragment.
   */
  tokenUrl: string
  /** 1 to 4096 characters, without control characters. */
  clientId: string
  /** 1 to 4096 characters, without control characters. Never in an error. */
  clientSecret: string
  /** Names of scopes with single spaces between them, at most 4096 characters. Default is none: the server decides. RFC 6749, section 3.3. */
  scope?: string
  /**
   * How the client shows who it is: with its secret in the body, or by HTTP Basic, form-encoded. RFC 6749, section 2.3.1.
   * Default is `client_secret_post`, which the vendors' services take.
   */
  authMethod?: 'client_secret_post' | 'client_secret_basic'
  /** Which server the tokens are for: an absolute URI without fragment, or several of them. Default is none. RFC 8707, section 2. */
  resource?: string | readonly string[]
  /** Further parameters of the request, such as the `audience` of Auth0. Not those that have an option of their own. Default is none. */
  parameters?: Readonly<Record<string, string>>
  /**
   * Origins that `fetch` sends tokens to, such as `https://api.groupdocs.cloud`. https, except on loopback. Without them
   * `fetch` refuses every URL; `get` does not need them.
   */
  origins?: readonly string[]
  /** Milliseconds until the token endpoint must have answered, whole, at most `600000`. Each try has them for itself. Default is `10000`. */
  timeout?: number
  /** Seconds before its end from which on a token is renewed, at most half of its lifetime; `0` to `86400`. Default is `60`. */
  renewBefore?: number
  /** How often a request is tried again that failed without an answer, with 429 or with 5xx; `0` to `10`. Default is `3`. */
  maxRetries?: number
  /**
   * Current time in milliseconds since the Unix epoch. Default is to ask both `Date.now` and `performance.now`, and to
   * believe whichever has gone further: a wall clock that is set back makes no token live longer, nor does a machine
   * that slept. Where a clock of your own goes back, no time has passed.
   */
  now?: () => number
  /** What requests are sent with, such as one that knows a proxy. It must obey `redirect: 'manual'`. Default is the global `fetch`. */
  fetch?: typeof globalThis.fetch
}

/** @internal */
export interface ResolvedTokenSource extends Required<Omit<TokenSourceOptions, 'scope' | 'resource' | 'origins' | 'now'>> {
  scope: string | undefined
  resource: readonly string[]
  origins: ReadonlySet<string> | undefined
  now: (() => number) | undefined
}

const NAMES: ReadonlySet<string> = new Set<keyof TokenSourceOptions>([
  'tokenUrl', 'clientId', 'clientSecret', 'scope', 'authMethod', 'resource', 'parameters', 'origins', 'timeout', 'renewBefore', 'maxRetries', 'now', 'fetch'
])

/** What further parameters cannot be: they have options, or would be another way to say who the client is. */
const RESERVED: ReadonlySet<string> = new Set(['', 'grant_type', 'client_id', 'client_secret', 'client_assertion', 'client_assertion_type', 'scope', 'resource'])

const MAX_LENGTH = 4096

const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*$/

/**
 * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500), naming the option.
 *
 * @internal
 */
export function resolveTokenSource (options: TokenSourceOptions): ResolvedTokenSource {
  if (!isObject(options)) throw new InvalidOptionError('options', 'must be an object')
  checkNames(options, NAMES)
  const {
    tokenUrl, clientId, clientSecret, scope, authMethod = 'client_secret_post', resource = [], parameters = {}, origins, timeout = 10_000, renewBefore = 60, maxRetries = 3, now,
    // Looked up at each call: tools that watch requests replace it.
    fetch = (input, init) => globalThis.fetch(input, init)
  } = options

  if (!isConfidentialUrl(tokenUrl)) throw new InvalidOptionError('tokenUrl', 'must be an https URL (http on loopback only) without user, query and fragment')
  checkText('clientId', clientId)
  checkText('clientSecret', clientSecret)
  if (scope !== undefined && !isScope(scope)) throw new InvalidOptionError('scope', 'must be names of scopes with single spaces between them')
  if (authMethod !== 'client_secret_post' && authMethod !== 'client_secret_basic') throw new InvalidOptionError('authMethod', 'must be client_secret_post or client_secret_basic')
  checkWhole('timeout', timeout, 1, 600_000)
  checkWhole('renewBefore', renewBefore, 0, 86_400)
  checkWhole('maxRetries', maxRetries, 0, 10)
  if (now !== undefined) checkClock(now)
  if (typeof fetch !== 'function') throw new InvalidOptionError('fetch', 'must be a function like the global fetch')
  const lists = { resource: readResource(resource), parameters: readParameters(parameters), origins: readOrigins(origins) }
  return { tokenUrl, clientId, clientSecret, scope, authMethod, timeout, renewBefore, maxRetries, now, fetch, ...lists }
}

/** Control characters are those of a file that the secret was read from, with the end of its line. */
function checkText (option: string, value: unknown): void {
  if (!isText(value) || value === '' || /\p{Cc}/u.test(value)) throw new InvalidOptionError(option, `must be a text of 1 to ${MAX_LENGTH} characters, without control characters`)
}

function isText (value: unknown): value is string {
  return typeof value === 'string' && value.length <= MAX_LENGTH && value.isWellFormed()
}

function isScope (value: unknown): boolean {
  return isText(value) && SCOPE.test(value)
}

function readResource (resource: unknown): readonly string[] {
  const list: unknown[] = Array.isArray(resource) ? resource : [resource]
  if (!list.every(isResource)) throw new InvalidOptionError('resource', 'must be an absolute URI without fragment, or a list of them')
  return [...list]
}

function isResource (value: unknown): value is string {
  return isText(value) && !value.includes('#') && /^[\x21-\x7e]+$/.test(value) && URL.canParse(value)
}

function readParameters (parameters: unknown): Record<string, string> {
  if (!isObject(parameters)) throw new InvalidOptionError('parameters', 'must be an object of strings')
  const entries = Object.entries(parameters)
  for (const [name, value] of entries) {
    if (RESERVED.has(name) || !isText(value)) throw new InvalidOptionError('parameters', 'must hold strings, and no parameter that has an option or tells who the client is')
  }
  return Object.fromEntries(entries)
}

function readOrigins (origins: unknown): ReadonlySet<string> | undefined {
  if (origins === undefined) return undefined
  if (!Array.isArray(origins) || !origins.every((origin) => isOrigin(origin) && isConfidentialUrl(origin))) throw new InvalidOptionError('origins', 'must list origins such as https://api.example (http on loopback only)')
  return new Set(origins)
}
