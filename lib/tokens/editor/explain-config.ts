import { isDeepStrictEqual } from 'node:util'
import { differences } from './explain-differences.ts'
import { type ExplainProblem, isRefused, MAX_NAMED, note, pathOf, refused, warning } from './explain-problem.ts'
import {
  type BrowserData, browserData, isBeyondKeyColumn, isSocketKey, MAX_SERVER_KEY_LENGTH, MAX_SERVER_USER_ID_LENGTH, misplacedMembers, missingPaths, roleOf, type TokenRole
} from './verdict.ts'
import { isTruthy, memberOf } from './verdict-jwt.ts'

/** A payload that opens something, and what the browser sends with it. */
interface Opening {
  readonly payload: unknown
  readonly sent: BrowserData
  /** Whether the browser's side is known, and not taken from the token. */
  readonly hasConfig: boolean
}

const SIGN_WHOLE = 'Sign the whole config, as it is given to the editor.'

const SIGN_LAST = 'Sign last: what is changed behind it does not count, or is refused.'

const REMOVE = 'Remove it from what is signed.'

const OTHER_CHARACTERS = 'Use letters, digits and - . _ = alone, 128 at most, and make a new key for each saved version.'

const MAX_KEY_LENGTH = 128

/** Members of a message from the document server. */
const CALLBACK_MEMBERS = ['status', 'users', 'actions', 'history', 'changesurl', 'filetype', 'userdata', 'forcesavetype', 'operation']

/** What the token's value silently replaces. */
const REPLACED = [
  ['document', 'key'], ['document', 'url'], ['document', 'title'], ['document', 'fileType'],
  ['editorConfig', 'callbackUrl'], ['editorConfig', 'lang'], ['editorConfig', 'mode'], ['editorConfig', 'user', 'id'], ['editorConfig', 'user', 'name']
] as const

/**
 * Says what is wrong, unwise or good to know about the payload of a token that opens a document or a version of one.
 *
 * @param config What the browser sends; absent: what the token says itself.
 * @param isVersion Whether it is meant for `setHistoryData`.
 */
export function explainOpening (payload: unknown, config: object | undefined, isVersion: boolean): ExplainProblem[] {
  let sent: BrowserData
  try {
    sent = browserData(config ?? payload)
  } catch {
    return [refused('config', 'cannot be sent by a browser: it is not JSON, or is nested too deeply', 'Give the editor plain objects, lists, text and numbers.')]
  }
  const opening = { payload, sent, hasConfig: config !== undefined }
  const role = roleOf(payload)
  return [
    ...explainConnection(opening),
    ...explainRole(role, opening, isVersion),
    ...explainKey(role === 'history' ? 'key' : 'document.key', role === 'history' ? memberOf(payload, 'key') : memberOf(memberOf(payload, 'document'), 'key')),
    ...explainLimits(opening, role === 'history'),
    ...explainForeignMembers(payload)
  ]
}

/** The browser connects under the key of its config, before the token counts. */
function explainConnection ({ sent, hasConfig }: Opening): ExplainProblem[] {
  const { key } = sent.document
  if (isSocketKey(key)) return []
  const path = hasConfig ? 'config.document.key' : 'document.key'
  return [refused(path, key === 'docId' ? 'is a word of the document server\'s own' : 'has characters that the document server cannot connect under', OTHER_CHARACTERS)]
}

function explainRole (role: TokenRole, opening: Opening, isVersion: boolean): ExplainProblem[] {
  if (role === 'wopi') return [refused('fileInfo', 'makes it a token of WOPI, for which nothing of a config is looked at', REMOVE)]
  if (role === 'history') return explainHistory(opening.payload, isVersion)
  if (role === 'session') return [warning('editorConfig.ds_sessionTimeConnect', 'makes it a token of the document server\'s own, of which nothing is required', REMOVE), ...explainMembers(opening)]
  return isVersion ? explainNoVersion(opening) : explainConfig(opening)
}

function explainHistory (payload: unknown, isVersion: boolean): ExplainProblem[] {
  if (!isVersion) {
    return [warning('version', 'makes it a token of a version: the document opens for reading, with the key and the url at the top level, and its permissions do not count', REMOVE)]
  }
  const hasChanges = isTruthy(memberOf(payload, 'changesUrl'))
  return [['key'], ['url'], ...(hasChanges ? [['previous', 'key'], ['previous', 'url']] : [])]
    .filter((names) => !isTruthy(valueAt(payload, names)))
    .map((names) => warning(pathOf(names), 'is not in the token, so there is nothing to show', 'Sign the whole parameter of setHistoryData.'))
}

function explainNoVersion (opening: Opening): ExplainProblem[] {
  const say = explainConfig(opening).some(isRefused) ? refused : warning
  return [say('version', 'is missing or 0, so it is taken for the token of a config', 'Count versions from 1.')]
}

function explainConfig (opening: Opening): ExplainProblem[] {
  const { payload } = opening
  const has = (name: string): boolean => memberOf(payload, name) !== undefined
  if (typeof payload !== 'object' || Array.isArray(payload)) return [refused('token', 'holds no object', 'Sign the config itself: an object, not a text, a number or a list.')]
  if (has('document') || has('editorConfig')) return [...explainMissing(opening), ...explainMembers(opening)]
  if (isTruthy(memberOf(payload, 'payload'))) return [refused('payload', 'is wrapped around the config, as it is in the header of a request', 'Sign the config itself for the editor, not { payload: config }.')]
  return [
    ...(['url', 'images', 'fileType', 'c'].some(has) ? [refused('token', 'is for a method of the editor or a request, not for a config', 'Give the editor the token of the config, and each method its own.')] : []),
    ...explainMissing(opening)
  ]
}

function explainMissing ({ payload, sent, hasConfig }: Opening): ExplainProblem[] {
  const isSent = (path: string): boolean => hasConfig && isTruthy(valueAt(sent, path.split('.')))
  return missingPaths(payload, sent).map((path) => refused(path, isSent(path) ? 'is not in the token, and in the config it is' : 'is not in the token', SIGN_WHOLE))
}

function explainMembers (opening: Opening): ExplainProblem[] {
  return [...explainPermissions(opening), ...explainMisplaced(opening), ...explainUser(opening), ...explainReplaced(opening)]
}

function explainPermissions ({ payload, sent }: Opening): ExplainProblem[] {
  const signed = memberOf(memberOf(payload, 'document'), 'permissions')
  const { permissions } = sent.document
  if (isTruthy(signed)) {
    return differences(signed, permissions, ['document', 'permissions']).map(({ path, how }) => refused(path, how, `The permissions must be the same on both sides, an empty object too. ${SIGN_LAST}`))
  }
  // Where they are required, they are named among what is missing.
  if (!isTruthy(permissions) || roleOf(payload) !== 'session') return []
  return [warning('document.permissions', 'are not signed: those of the browser count', SIGN_WHOLE)]
}

function explainMisplaced ({ payload }: Opening): ExplainProblem[] {
  return misplacedMembers(payload).map((name) => refused(name, 'must not be at the top level of a config', name === 'payload' ? 'Sign the config itself.' : `Sign it as document.${name}.`))
}

function explainUser ({ payload }: Opening): ExplainProblem[] {
  const user = memberOf(memberOf(payload, 'editorConfig'), 'user')
  if (isTruthy(memberOf(user, 'id'))) return []
  return [warning(isTruthy(user) ? 'editorConfig.user.id' : 'editorConfig.user', 'is not signed: the browser says who its user is', 'Sign the id of your user, as text that is not empty.')]
}

function explainReplaced ({ payload, sent }: Opening): ExplainProblem[] {
  return REPLACED.filter((names) => {
    const [signed, browser] = [valueAt(payload, names), valueAt(sent, names)]
    return signed !== undefined && signed !== null && browser !== undefined && !isSame(signed, browser)
  }).map((names) => {
    const path = pathOf(names)
    if (path === 'editorConfig.mode' && sent.editorConfig['mode'] === 'view') return note(path, 'is view in the config, which counts: a browser may ask for less', SIGN_LAST)
    // A user without an id, such as 0, counts for none.
    if (!isTruthy(valueAt(payload, names))) return note(path, 'has another value in the config, which counts: that of the token is empty', SIGN_LAST)
    return note(path, 'has another value in the config: the one of the token counts', SIGN_LAST)
  })
}

function explainKey (path: string, key: unknown): ExplainProblem[] {
  if (!isTruthy(key)) return []
  if (typeof key !== 'string') return [warning(path, 'is not text', OTHER_CHARACTERS)]
  if (isBeyondKeyColumn(key)) return [refused(path, `has ${key.length} characters, and the document server keeps ${MAX_SERVER_KEY_LENGTH}`, OTHER_CHARACTERS)]
  return [
    ...(key.length > MAX_KEY_LENGTH ? [warning(path, `has ${key.length} characters, and ${MAX_KEY_LENGTH} are promised`, OTHER_CHARACTERS)] : []),
    ...(/^[\w.=-]*$/.test(key) ? [] : [warning(path, 'has characters that keys do not have', OTHER_CHARACTERS)])
  ]
}

/** Where the document server fails. */
function explainLimits ({ payload, sent }: Opening, isHistory: boolean): ExplainProblem[] {
  const signed = isHistory ? undefined : memberOf(payload, 'editorConfig')
  const callbackUrl = memberOf(signed, 'callbackUrl') ?? sent.editorConfig['callbackUrl']
  const id = memberOf(memberOf(signed, 'user'), 'id') || valueAt(sent, ['editorConfig', 'user', 'id'])
  return [
    ...(isTruthy(callbackUrl) && typeof callbackUrl !== 'string' ? [refused('editorConfig.callbackUrl', 'is not text', 'Sign a whole URL.')] : []),
    ...(typeof id === 'string' && id.length > MAX_SERVER_USER_ID_LENGTH ? [refused('editorConfig.user.id', `has ${id.length} characters, and the document server takes ${MAX_SERVER_USER_ID_LENGTH}`, 'Use a shorter id: 128 characters are promised.')] : [])
  ]
}

function explainForeignMembers (payload: unknown): ExplainProblem[] {
  const own = ['document', 'editorConfig'].flatMap((part) => namesIn(memberOf(payload, part)).filter((name) => name.startsWith('ds_') && name !== 'ds_sessionTimeConnect').map((name) => pathOf([part, name])))
  return [
    ...own.slice(0, MAX_NAMED).map((path) => warning(path, 'is for the document server\'s own tokens, and changes what it does', REMOVE)),
    ...CALLBACK_MEMBERS.filter((name) => memberOf(payload, name) !== undefined).map((name) => warning(name, 'is a member of callbacks: with one secret for both sides the token may pass for one', REMOVE))
  ]
}

/** What is nested by thousands cannot be compared, and is a value of none of these members. */
function isSame (signed: unknown, browser: unknown): boolean {
  try {
    return isDeepStrictEqual(signed, browser)
  } catch {
    return true
  }
}

function namesIn (value: unknown): string[] {
  return typeof value === 'object' && value !== null ? Object.keys(value) : []
}

function valueAt (value: unknown, names: readonly string[]): unknown {
  return names.reduce(memberOf, value)
}
