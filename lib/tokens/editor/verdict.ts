import { type KeyObject } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { deepFreeze } from '../../freeze.ts'
import { isTruthy, type JudgeClock, memberOf, readAsServer } from './verdict-jwt.ts'

/** What the document server goes by, from the token and from what the browser sent. Frozen. A member that it has from nowhere is absent. */
export interface EffectiveConfig {
  readonly document: Readonly<{ key?: unknown, permissions?: unknown, url?: unknown, title?: unknown, fileType?: unknown }>
  readonly editorConfig: Readonly<{
    callbackUrl?: unknown
    lang?: unknown
    mode?: unknown
    user: Readonly<{ id: string, name: unknown }>
    /** There for viewers alone: how they see others edit. */
    coEditing?: Readonly<{ mode: unknown }>
  }>
  /** Whether the document opens for reading only. */
  readonly view: boolean
}

/**
 * The decision of the document server. `code` is what it closes the connection with (4004: access denied, 4005: expired,
 * 4006: bad token), `null` where it says none; `description` are its own words.
 */
export type EditorVerdict =
  | { readonly accepted: true, readonly effective: EffectiveConfig }
  | { readonly accepted: false, readonly code: 4004 | 4005 | 4006 | null, readonly description: string | null }

/** What a token is judged with. */
export interface JudgeContext extends JudgeClock {
  /** Any of them may have signed it. */
  secrets: readonly KeyObject[]
}

/** What the server takes a verified payload for, by members of it alone. */
export type TokenRole = 'opening' | 'history' | 'session' | 'wopi'

/** What a browser tells the server beside the token, as JSON has it. */
export interface BrowserData {
  readonly document: Readonly<Record<string, unknown>>
  readonly editorConfig: Readonly<Record<string, unknown>>
}

const DOCUMENT_MEMBERS = ['key', 'permissions', 'url', 'title', 'fileType']
const EDITOR_MEMBERS = ['callbackUrl', 'lang', 'mode', 'coEditing', 'user']

/** Characters: what the key column of the server's database holds. What the vendor promises is 128. */
export const MAX_SERVER_KEY_LENGTH = 255

/** UTF-16 code units, as the server counts them. */
export const MAX_SERVER_USER_ID_LENGTH = 240

const MAX_USER_NAME_LENGTH = 255

/** Between the group and the name of a user: no break. */
const NAME_SEPARATOR = '\u00a0'

/** Formats that are never edited together. */
const VIEWER_FORMATS = new Set<unknown>(['pdf', 'djvu', 'xps', 'oxps'])

const ACCESS_DENIED: EditorVerdict = Object.freeze({ accepted: false, code: 4004, description: 'access deny' })
const REQUIRED_MISSING: EditorVerdict = Object.freeze({ accepted: false, code: 4006, description: 'token:' })
const NOT_JUDGED: EditorVerdict = Object.freeze({ accepted: false, code: null, description: null })

/**
 * Decides on a token and the config that a browser sends with it as the document server does (DocService 9.3), so that one
 * knows beforehand. It is lenient: with a server that trusts browsers with most of a config, so is its judge.
 *
 * Checks signature and times as `jsonwebtoken` does, what must be signed, that the permissions are the same on both sides, and
 * the members that give a token another meaning. Does not check whether hosts resolve, files exist or licences suffice; takes a
 * history token to show the version that it names itself (a server of just the same version may open the one before it and apply
 * the changes); refuses tokens of WOPI, without a code, because what becomes of them depends on the server's database.
 *
 * @param token As it is in `config.token`. Untrusted, of any type and length.
 * @param config What the browser sends, with or without `token`. Untrusted. Absent: the payload of the token itself.
 * @param context `now` in milliseconds, `clockTolerance` in seconds: the server has 60. One secret of no length verifies nothing.
 *
 * @returns Frozen. Never throws: the server denies access when anything fails on its side, and so do we.
 */
export function judgeConfigToken (token: unknown, config: unknown, { secrets, ...clock }: JudgeContext): EditorVerdict {
  const reading = readAsServer(token, secrets, clock)
  if (!reading.isVerified) return Object.freeze({ accepted: false, ...reading.refusal })
  try {
    return judge(reading.payload, browserData(config === undefined ? reading.payload : config))
  } catch {
    return ACCESS_DENIED
  }
}

function judge (payload: unknown, sent: BrowserData): EditorVerdict {
  if (!isSocketKey(sent.document['key'])) return ACCESS_DENIED

  const role = roleOf(payload)
  if (role === 'wopi') return NOT_JUDGED
  if (role === 'opening' && missingPaths(payload, sent).length > 0) return REQUIRED_MISSING
  if (role !== 'history' && !(hasSamePermissions(payload, sent) && misplacedMembers(payload).length === 0)) return ACCESS_DENIED

  const effective = role === 'history' ? effectiveHistory(payload, sent) : effectiveConfig(payload, sent)
  const { document: { key }, editorConfig: { callbackUrl, user } } = effective
  if (typeof key === 'string' && isBeyondKeyColumn(key)) return ACCESS_DENIED
  // It is parsed as a URL, which nothing but text can be.
  if (isTruthy(callbackUrl) && typeof callbackUrl !== 'string') return ACCESS_DENIED
  if (user.id.length > MAX_SERVER_USER_ID_LENGTH) return Object.freeze({ accepted: false, code: null, description: 'User id too long' })
  return deepFreeze({ accepted: true, effective })
}

/** Which rules a payload is held to. */
export function roleOf (payload: unknown): TokenRole {
  if (isTruthy(memberOf(payload, 'fileInfo'))) return 'wopi'
  if (memberOf(memberOf(payload, 'editorConfig'), 'ds_sessionTimeConnect') !== undefined) return 'session'
  return isTruthy(memberOf(payload, 'version')) ? 'history' : 'opening'
}

/**
 * What of a config arrives at the server.
 *
 * @throws When it cannot be JSON: it holds itself, or is nested by thousands.
 */
export function browserData (config: unknown): BrowserData {
  const document = memberOf(config, 'document')
  const editorConfig = memberOf(config, 'editorConfig')
  const pick = (value: unknown, names: readonly string[]): object => Object.fromEntries(names.map((name) => [name, memberOf(value, name)]))
  return JSON.parse(JSON.stringify({ document: pick(document, DOCUMENT_MEMBERS), editorConfig: pick(editorConfig, EDITOR_MEMBERS) }))
}

/** The paths that a token must have to open a document with what the browser sent, and has not. */
export function missingPaths (payload: unknown, { document, editorConfig }: BrowserData): string[] {
  const isSigned = (part: string, name: string): boolean => isTruthy(memberOf(memberOf(payload, part), name))
  const { mode } = editorConfig
  return [
    { part: 'document', name: 'key', isRequired: true },
    { part: 'document', name: 'url', isRequired: true },
    { part: 'document', name: 'permissions', isRequired: isTruthy(document['permissions']) },
    { part: 'editorConfig', name: 'callbackUrl', isRequired: isTruthy(editorConfig['callbackUrl']) },
    { part: 'editorConfig', name: 'mode', isRequired: isTruthy(mode) && mode !== 'view' }
  ].filter(({ part, name, isRequired }) => isRequired && !isSigned(part, name)).map(({ part, name }) => `${part}.${name}`)
}

/** Top-level members that a token for a config must not have. */
export function misplacedMembers (payload: unknown): string[] {
  return ['url', 'payload', 'key'].filter((name) => isTruthy(memberOf(payload, name)))
}

/** Whether the browser can connect under this key: it is a part of the path, and one word stands for no key at all. */
export function isSocketKey (key: unknown): boolean {
  return typeof key !== 'string' || (/^[\w.=-]*$/.test(key) && key !== 'docId')
}

/** Whether the server's database cannot take the key. */
export function isBeyondKeyColumn (key: string): boolean {
  return key.length > MAX_SERVER_KEY_LENGTH && [...key].length > MAX_SERVER_KEY_LENGTH
}

function hasSamePermissions (payload: unknown, { document }: BrowserData): boolean {
  const permissions = memberOf(memberOf(payload, 'document'), 'permissions')
  return !isTruthy(permissions) || isDeepStrictEqual(document['permissions'], permissions)
}

function effectiveConfig (payload: unknown, { document, editorConfig }: BrowserData): EffectiveConfig {
  const signedDocument = memberOf(payload, 'document')
  const signed = memberOf(payload, 'editorConfig')
  const ofDocument = (name: string): unknown => memberOf(signedDocument, name) ?? document[name]
  const ofEditor = (name: string): unknown => memberOf(signed, name) ?? editorConfig[name]

  const lang = ofEditor('lang')
  return assemble({
    document: { key: ofDocument('key'), permissions: document['permissions'], url: ofDocument('url'), title: ofDocument('title'), fileType: ofDocument('fileType') },
    callbackUrl: ofEditor('callbackUrl'),
    lang,
    // A browser may ask for less than it was given.
    mode: editorConfig['mode'] === 'view' ? 'view' : ofEditor('mode'),
    user: userOf(memberOf(signed, 'user'), editorConfig['user'], lang),
    coEditing: signedCoEditing(payload) ?? coEditingMode(editorConfig['coEditing']) ?? 'fast'
  })
}

function effectiveHistory (payload: unknown, { document, editorConfig }: BrowserData): EffectiveConfig {
  const { callbackUrl, lang, user } = editorConfig
  return assemble({
    document: { ...document, key: memberOf(payload, 'key'), url: memberOf(payload, 'url') },
    callbackUrl,
    lang,
    mode: 'view',
    user: userOf(undefined, user, lang),
    coEditing: 'strict'
  })
}

interface Parts {
  document: EffectiveConfig['document']
  callbackUrl: unknown
  lang: unknown
  mode: unknown
  user: { id: string, name: unknown }
  coEditing: unknown
}

function assemble ({ document, callbackUrl, lang, mode, user, coEditing }: Parts): EffectiveConfig {
  const view = mode === 'view' || !mayEdit(document.permissions)
  return {
    document: present(document),
    editorConfig: { ...present({ callbackUrl, lang, mode }), user, ...(view && { coEditing: { mode: coEditing } }) },
    view
  }
}

function mayEdit (permissions: unknown): boolean {
  return memberOf(permissions, 'edit') !== false || ['review', 'comment', 'fillForms'].some((name) => memberOf(permissions, name) === true)
}

function signedCoEditing (payload: unknown): unknown {
  const mode = coEditingMode(memberOf(memberOf(payload, 'editorConfig'), 'coEditing'))
  const isViewer = VIEWER_FORMATS.has(memberOf(memberOf(payload, 'document'), 'fileType')) || memberOf(payload, 'type') === 'embedded'
  return mode !== undefined && isViewer ? 'strict' : mode
}

function coEditingMode (coEditing: unknown): unknown {
  const mode = memberOf(coEditing, 'mode')
  if (!isTruthy(mode)) return undefined
  return isTruthy(memberOf(coEditing, 'change')) ? 'fast' : mode
}

/** Who the server takes a user for: what is signed of one, and the rest as the browser says. */
function userOf (signed: unknown, sent: unknown, lang: unknown): { id: string, name: unknown } {
  const either = (name: string): unknown => memberOf(signed, name) || memberOf(sent, name)
  const firstName = either('firstname')
  const lastName = either('lastname')
  const sentName = inGroup(memberOf(sent, 'group'), memberOf(sent, 'name') || 'Anonymous')
  const name = isTruthy(firstName) && isTruthy(lastName)
    ? (typeof lang === 'string' && lang.startsWith('ru') ? `${lastName} ${firstName}` : `${firstName} ${lastName}`)
    : inGroup(memberOf(signed, 'group'), memberOf(signed, 'name') || sentName)
  return {
    // The browser makes one up where there is none, with the time in place of the 1.
    id: String(either('id') || 'uid-1'),
    name: typeof name === 'string' ? name.slice(0, MAX_USER_NAME_LENGTH) : name
  }
}

function inGroup (group: unknown, name: unknown): unknown {
  return isTruthy(group) ? `${group}${NAME_SEPARATOR}${name}` : name
}

/** Without the members that are `undefined`. */
function present (value: object): object {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined))
}
