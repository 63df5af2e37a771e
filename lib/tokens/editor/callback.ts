/**
 * Callbacks: what the document server tells the host of a document. Whoever can make one can put a file of their own
 * in the place of the host's, so what is trusted here is a token of the server's and nothing beside it.
 *
 * @module
 */
import { type KeyObject } from 'node:crypto'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import { CallbackRefusedError, InvalidOptionError, InvalidTokenError, UnknownTenantError } from '../../errors.ts'
import { type CallbackClaims, CallbackClaimsSchema } from '../../schemas/editor/callback.ts'
import { parseHeader } from '../jws.ts'
import { type EditorCallbackEvent, toEvent, typeOf } from './callback-event.ts'
import { judgeTimes } from './callback-times.ts'
import { checkOrigins, type EditorSettings } from './options.ts'
import { verifyEditorToken } from './signature.ts'

export type { CallbackAction, CallbackHistory, EditorCallbackEvent, PresenceEvent, SaveErrorEvent, SaveEvent } from './callback-event.ts'

/** What came. All of it is untrusted. */
export interface CallbackMessage {
  /** The body, parsed. Only its member `token` is looked at. */
  body?: unknown
  /** The header that holds the token, one element for each time that it came. */
  header?: string | readonly string[] | undefined
}

/** What a callback has to fit. */
export interface ExpectedCallback {
  /**
   * The `document.key` that the callback may be about, or several. A function is asked when all else is right. What is
   * neither a non-empty string nor a list of such fits no callback.
   */
  keys: DocumentKeys | (() => Promise<DocumentKeys> | DocumentKeys)
  /** Origins of the document server, where it keeps its files: at least one. */
  downloadOrigins: readonly string[]
  /** Whose secrets verify it, where they are a function of the tenant. Never from the callback. */
  tenant?: string | undefined
}

/** Keys of a document; `null` or `undefined` for a document that there is not. */
export type DocumentKeys = string | readonly string[] | null | undefined

/** A callback that is the document server's. */
export interface VerifiedCallback {
  readonly event: EditorCallbackEvent
  /** Where its token was. */
  readonly place: Place
  /**
   * The token that the event is made of, and behind it the one that came in the header beside it and says the same:
   * either could be sent again by who saw both.
   */
  readonly tokens: readonly [CallbackToken, ...CallbackToken[]]
}

export interface CallbackToken {
  /** As it came, which has one spelling, so it names the token. With its signature: the servers of two tenants may say the same. */
  readonly text: string
  /** Seconds since the Unix epoch. */
  readonly expiresAt: number
}

/** What the log needs of a {@link CallbackRefusedError}, whose members they are. Holds nothing of what came but numbers of seconds. */
export interface CallbackRefusal {
  /** Where a token was looked for last. */
  readonly place: 'body' | 'header' | 'none'
  /** What was wrong there. */
  readonly problem: string
}

type Place = 'body' | 'header'

interface Presented {
  readonly place: Place
  readonly token: string
}

/** What a token is judged by. */
interface Measure {
  readonly secrets: readonly KeyObject[]
  readonly downloadOrigins: readonly string[]
  readonly settings: EditorSettings
}

/**
 * Members of what a host signs for browsers, or for commands to the server, that no callback of any release has. With one
 * secret for both sides these would verify here as well.
 */
export const FOREIGN_MEMBERS = ['document', 'editorConfig', 'version', 'c', 'images', 'fileType', 'operation', 'outputtype']

/** Members that are fetched. */
const URLS = ['url', 'changesurl', 'formsdataurl'] as const

/** @internal */
export const claimsCheck = TypeCompiler.Compile(CallbackClaimsSchema)

/**
 * Decides whether a callback is the document server's and about one of these documents, and says what it tells.
 *
 * The token of the body is looked at first; where there is none, that of the header. A body with a bad one is refused,
 * whatever the header says. Checks the signature under the outbox secrets; that `iat` and `exp` are there, at most 600 s
 * apart and around the present; that it was not made for a browser or a command; that the status is known, and every
 * member of its type; that each URL lies at one of `downloadOrigins`; the key. Does not check whether it came before, nor
 * who sent it, and reads nothing from the plain body.
 *
 * @throws {CallbackRefusedError} `FDT_CALLBACK_REFUSED` (403), with the members of {@link CallbackRefusal}.
 * @throws {StoreUnavailableError} `FDT_STORE_UNAVAILABLE` (503) when the host's function of the tenant rejects.
 * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500) for origins that are none, or for no secrets. What else the
 * secrets of a tenant bring about, and whatever `keys` throws, unchanged.
 */
export async function verifyCallback (message: CallbackMessage, { keys, ...expected }: ExpectedCallback, settings: EditorSettings): Promise<VerifiedCallback> {
  const callback = await readCallback(message, expected, settings)
  await checkKey(callback, keys)
  return callback
}

/**
 * Does what {@link verifyCallback} does, except that the callback may be about any document.
 *
 * @internal
 */
export async function readCallback ({ body, header }: CallbackMessage, { downloadOrigins, tenant }: Omit<ExpectedCallback, 'keys'>, settings: EditorSettings): Promise<VerifiedCallback> {
  checkDownloadOrigins(downloadOrigins)
  const presented = presentBody(body) ?? presentHeader(header, settings)
  const { place } = presented
  const measure: Measure = { secrets: await findSecrets(place, tenant, settings), downloadOrigins, settings }
  const { event, token } = judge(presented, measure)
  return { event, place, tokens: [token, ...place === 'body' ? findTwin(event, header, measure) : []] }
}

/**
 * @throws {CallbackRefusedError} `FDT_CALLBACK_REFUSED` (403) unless the callback is about one of these documents.
 *
 * @internal
 */
export async function checkKey ({ event, place }: VerifiedCallback, keys: ExpectedCallback['keys']): Promise<void> {
  const known = typeof keys === 'function' ? await keys() : keys
  if (!isAmong(event.key, known)) throw refusal(place, 'its key is none of the document that the route is about')
}

/** @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500) unless it is a list of at least one origin. */
export function checkDownloadOrigins (downloadOrigins: readonly string[]): void {
  checkOrigins('downloadOrigins', downloadOrigins)
  if (downloadOrigins.length === 0) throw new InvalidOptionError('downloadOrigins', 'must name at least one origin, where the document server keeps its files')
}

function presentBody (body: unknown): Presented | undefined {
  if (typeof body !== 'object' || body === null || !Object.hasOwn(body, 'token')) return undefined
  const token: unknown = Reflect.get(body, 'token')
  if (typeof token !== 'string') throw refusal('body', 'the token is not a string')
  return { place: 'body', token }
}

function presentHeader (header: CallbackMessage['header'], { headerPrefix }: EditorSettings): Presented {
  const [line, ...more] = [header ?? []].flat()
  if (line === undefined) throw refusal('none', 'there is no token, in the body or in the header')
  if (more.length > 0) throw refusal('header', 'the header came more than once')
  if (!line.startsWith(headerPrefix)) throw refusal('header', 'the header does not start with headerPrefix')
  return { place: 'header', token: line.slice(headerPrefix.length) }
}

async function findSecrets (place: Place, tenant: string | undefined, { secrets }: EditorSettings): Promise<readonly KeyObject[]> {
  try {
    return await secrets.find('outbox', tenant)
  } catch (error) {
    throw error instanceof UnknownTenantError ? refusal(place, 'there is no such tenant', error) : error
  }
}

function judge ({ place, token }: Presented, { secrets, downloadOrigins, settings }: Measure): { event: EditorCallbackEvent, token: CallbackToken } {
  const payload = verifySignature(place, token, secrets)
  const members = place === 'body' ? payload : payload['payload']
  if (place === 'body' && Object.hasOwn(payload, 'payload')) throw refusal(place, 'it is wrapped in payload, as only that of the header is')
  if (!isObject(members)) throw refusal(place, 'it is not wrapped in payload, as that of the header is')
  if (FOREIGN_MEMBERS.some((name) => Object.hasOwn(payload, name) || Object.hasOwn(members, name))) throw refusal(place, 'it was made for a browser or a command')

  const times = judgeTimes(payload, settings)
  if (times.problem !== undefined) throw refusal(place, times.problem)

  const claims = readClaims(place, members)
  const type = typeOf(claims)
  if (type === undefined) throw refusal(place, 'its status is not known')
  const elsewhere = URLS.find((name) => claims[name] !== undefined && !liesAt(claims[name], downloadOrigins))
  if (elsewhere !== undefined) throw refusal(place, `its ${elsewhere} does not lie at one of downloadOrigins`)
  const event = toEvent(type, claims)
  if (event === undefined) throw refusal(place, 'its url is missing')
  return { event, token: { text: token, expiresAt: times.expiresAt } }
}

/** The header's token beside that of the body, if it is good and says the same. If not it is of no account. */
function findTwin (event: EditorCallbackEvent, header: CallbackMessage['header'], measure: Measure): CallbackToken[] {
  try {
    const twin = judge(presentHeader(header, measure.settings), measure)
    return nameOf(twin.event) === nameOf(event) ? [twin.token] : []
  } catch {
    return []
  }
}

function nameOf (event: EditorCallbackEvent): string {
  return JSON.stringify([event.type, event.key, 'url' in event ? event.url : ''])
}

function verifySignature (place: Place, token: string, secrets: readonly KeyObject[]): Readonly<Record<string, unknown>> {
  try {
    parseHeader(token)
  } catch (cause) {
    throw refusal(place, 'it is not a signed token', cause)
  }
  try {
    return verifyEditorToken(token, secrets)
  } catch (cause) {
    // A cause of its own has only what is signed as it should be, and cannot be read.
    const isUnreadable = cause instanceof InvalidTokenError && cause.cause !== undefined
    throw refusal(place, isUnreadable ? 'its signature is right, and its payload is not acceptable JSON' : 'no outbox secret verifies it, or it is not a token of an editor', cause)
  }
}

/** @internal Members that are `null` left out: some servers write one that they have no value for. */
export function withoutNulls (members: object): unknown {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== null))
}

function readClaims (place: Place, members: object): CallbackClaims {
  const claims = withoutNulls(members)
  if (claimsCheck.Check(claims)) return claims
  // The path is made of our own names and of indexes: what is not known is not checked.
  throw refusal(place, `its ${claimsCheck.Errors(claims).First()?.path.slice(1)} is missing, or of the wrong type`)
}

/**
 * Compares the text itself, up to the end of the host: two readers cannot see two hosts in it. What comes behind is the
 * document server's, and may hold what a parser would write in another way. Proxies may have it name the usual port.
 */
function liesAt (url: string, origins: readonly string[]): boolean {
  if (/[\s\p{Cc}\\]/u.test(url) || !URL.canParse(url)) return false
  return origins.some((origin) => url.startsWith(`${origin}/`) || url.startsWith(`${origin}:${origin.startsWith('https:') ? 443 : 80}/`))
}

function isAmong (key: string, keys: unknown): boolean {
  const known: readonly unknown[] = Array.isArray(keys) ? keys : [keys]
  return known.every((value) => typeof value === 'string' && value !== '') && known.includes(key)
}

function isObject (value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function refusal (place: CallbackRefusal['place'], problem: string, cause?: unknown): Error & CallbackRefusal {
  return Object.assign(new CallbackRefusedError({ cause }), { place, problem })
}
