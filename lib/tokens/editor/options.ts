import { InvalidOptionError } from '../../errors.ts'
import { checkClock, checkNames, checkWhole } from '../../options.ts'
import { checkStore, type TokenStore } from '../../stores/token-store.ts'
import { isOrigin } from '../../urls.ts'
import { checkName } from '../document-session-options.ts'
import { createSecretBox, type SecretBox, type SecretOptions } from './secrets.ts'
import { type EditorAlgorithm } from './signature.ts'

/** Whose URLs may be signed: lists of origins, such as `https://files.example`. */
export interface AllowedUrls {
  /** Of what the document server fetches or calls: documents, images, callbacks. */
  server: readonly string[]
  /** Of what the browser is sent to or shows: logos, links, the picture of a user, plugins. */
  browser: readonly string[]
}

/** What `createEditorSignatures` takes, and the plugin too. */
export interface EditorSignaturesOptions extends SecretOptions {
  /** Separates this instance's callbacks, counters and events from another's. Default is `default`. */
  name?: string
  /** Seconds that a signed token lives; `false` for no end. Default is 300: after the first connect the server goes on with a token of its own. */
  expiresIn?: number | false
  /** Say when a token was signed, by the claim `iat`. Default is `false`. */
  issuedAt?: boolean
  /** Seconds by which clocks may differ in what the document server sends: 0–300. Default is 60. */
  clockTolerance?: number
  /** Sign configs without `editorConfig.user.id`: then the browser says who its user is. Default is `false`. */
  allowAnonymous?: boolean
  /** Sign members that this release does not know, for a newer server. What would change the meaning of the token is refused all the same; URLs in such members are not checked. Default is `false`. */
  allowUnknown?: boolean
  /** Origins of the URLs that are signed. Default is any, for hosts that sign in code only; required with routes. */
  allowedUrls?: AllowedUrls
  /** The header that holds the token between host and server, either way. Default is `authorization`; `AuthorizationJwt` is common where hosts use `Authorization` themselves. */
  header?: string
  /** What stands before the token in that header, upper and lower case as written. Default is `'Bearer '`. */
  headerPrefix?: string
  /** Where callbacks are remembered that were processed, so that none is processed twice. Default is none: then each that arrives again is. */
  store?: TokenStore
  /** Let `explain` tell which secret a token was signed with: the current or the previous one, `inbox` or `outbox`. Default is `false`, which says no more than that it is another one. */
  namesSecret?: boolean
  /** Told of what is unwise. Default is `process.emitWarning`, in an app its log. */
  onWarning?: (message: string) => void
  /** Current time in milliseconds since the Unix epoch. Default is `Date.now`. */
  now?: () => number
}

/** The names of {@link EditorSignaturesOptions}, so that a misspelt one can be refused. */
export const EDITOR_OPTION_NAMES: ReadonlySet<string> = new Set<keyof EditorSignaturesOptions>([
  'inbox', 'outbox', 'algorithm', 'allowWeakSecret', 'name', 'expiresIn', 'issuedAt', 'clockTolerance', 'allowAnonymous', 'allowUnknown',
  'allowedUrls', 'header', 'headerPrefix', 'store', 'namesSecret', 'onWarning', 'now'
])

/** The options of an instance, checked and filled in. */
export interface EditorSettings {
  readonly secrets: SecretBox
  readonly algorithm: EditorAlgorithm
  readonly name: string
  readonly expiresIn: number | false
  readonly issuedAt: boolean
  /** Seconds. */
  readonly clockTolerance: number
  readonly allowAnonymous: boolean
  readonly allowUnknown: boolean
  readonly allowedUrls: AllowedUrls | undefined
  /** In lower case. */
  readonly header: string
  readonly headerPrefix: string
  readonly store: TokenStore | undefined
  readonly namesSecret: boolean
  readonly warn: (message: string) => void
  readonly now: () => number
}

/** Seconds. Nobody edits for longer on one opening token. */
const MAX_LIFETIME = 31 * 24 * 3600

/** RFC 9110, section 5.6.2. */
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

/** @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500), naming the option; what {@link createSecretBox} throws. */
export function resolveEditorOptions (options: EditorSignaturesOptions): EditorSettings {
  if (typeof options !== 'object' || options === null) throw new InvalidOptionError('options', 'must be an object')
  const {
    algorithm = 'HS256', name = 'default', expiresIn = 300, issuedAt = false, clockTolerance = 60, allowAnonymous = false, allowUnknown = false,
    allowedUrls, header = 'authorization', headerPrefix = 'Bearer ', store, namesSecret = false, onWarning = process.emitWarning, now = Date.now
  } = options
  checkName(name)
  checkClock(now)
  checkExpiresIn(expiresIn)
  checkWhole('clockTolerance', clockTolerance, 0, 300)
  for (const [option, value] of Object.entries({ issuedAt, allowAnonymous, allowUnknown, namesSecret })) {
    if (typeof value !== 'boolean') throw new InvalidOptionError(option, 'must be true or false')
  }
  if (allowedUrls !== undefined) checkAllowedUrls(allowedUrls)
  if (typeof header !== 'string' || !HEADER_NAME.test(header)) throw new InvalidOptionError('header', 'must be the name of a header')
  if (typeof headerPrefix !== 'string' || !/^[!-~ ]{0,64}$/.test(headerPrefix) || /[\w-]$/.test(headerPrefix)) throw new InvalidOptionError('headerPrefix', "must be what stands before the token, such as 'Bearer ' with the space")
  if (store !== undefined) checkStore(store)
  if (typeof onWarning !== 'function') throw new InvalidOptionError('onWarning', 'must be a function')

  const warn = (message: string): void => { onWarning(message) }
  const secrets = createSecretBox(options, warn)
  return Object.freeze({
    secrets,
    algorithm,
    name,
    expiresIn,
    issuedAt,
    clockTolerance,
    allowAnonymous,
    allowUnknown,
    allowedUrls: allowedUrls === undefined ? undefined : Object.freeze({ server: Object.freeze([...allowedUrls.server]), browser: Object.freeze([...allowedUrls.browser]) }),
    header: header.toLowerCase(),
    headerPrefix,
    store,
    namesSecret,
    warn,
    now
  })
}

/** @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500). */
export function checkExpiresIn (expiresIn: unknown): void {
  if (expiresIn !== false) checkWhole('expiresIn', expiresIn, 1, MAX_LIFETIME)
}

function checkAllowedUrls (allowedUrls: AllowedUrls): void {
  if (typeof allowedUrls !== 'object' || allowedUrls === null) throw new InvalidOptionError('allowedUrls', 'must be { server, browser }')
  checkNames(allowedUrls, ['server', 'browser'], 'allowedUrls')
  for (const list of ['server', 'browser'] as const) checkOrigins(`allowedUrls.${list}`, allowedUrls[list])
}

/** @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500) unless it is a list of origins, which may be empty. */
export function checkOrigins (option: string, origins: readonly string[]): void {
  if (!Array.isArray(origins) || !origins.every(isOrigin)) throw new InvalidOptionError(option, 'must be a list of origins, such as https://files.example')
}
