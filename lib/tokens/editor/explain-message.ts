/**
 * What is said of tokens that open no document: for methods of the editor, requests, callbacks and downloads.
 *
 * @module
 */
import { type ExplainKind } from '../../schemas/editor/explain.ts'
import { claimsCheck, FOREIGN_MEMBERS, withoutNulls } from './callback.ts'
import { toEvent, typeOf } from './callback-event.ts'
import { judgeTimes } from './callback-times.ts'
import { type ExplainProblem, MAX_NAMED, pathOf, refused, warning } from './explain-problem.ts'
import { type JudgeClock, isTruthy, memberOf } from './verdict-jwt.ts'

/** A kind of token that opens no document. */
export type MessageKind = Exclude<ExplainKind, 'config' | 'refreshFile' | 'setHistoryData'>

const TIMES = ['iat', 'exp', 'nbf']

const SIGN_PARAMETER = 'Sign the parameter of the method as it is given to the editor.'

const FROM_SERVER = 'Only the document server makes these: take what came in its request.'

/** Says what is wrong or unwise about the payload, but for its times. */
export function explainMessage (kind: MessageKind, payload: unknown): ExplainProblem[] {
  if (!isObject(payload)) return [refused('token', 'holds no object', 'Sign the parameters themselves: an object, not a text, a number or a list.')]
  if (kind === 'callback') return explainCallback(payload)
  if (kind === 'download') return explainDownload(payload)
  return kind === 'request' ? explainRequest(payload) : explainMethod(kind, payload)
}

function explainMethod (kind: MessageKind, payload: object): ExplainProblem[] {
  const inner = memberOf(payload, 'payload')
  if (kind === 'insertImage') {
    if (isTruthy(memberOf(payload, 'images')) || isTruthy(memberOf(payload, 'url'))) return []
    return [isObject(inner) ? refused('payload', 'is wrapped around the parameter, as it is in the header of a request', SIGN_PARAMETER) : refused('images', 'is not in the token', SIGN_PARAMETER)]
  }
  const has = (name: string): boolean => isTruthy(memberOf(inner, name) ?? memberOf(payload, name))
  const misleading = ['changesUrl', 'document', 'fileInfo'].filter(has)
  return [
    ...(isObject(inner) ? [warning('payload', 'is wrapped around the parameter, as it is in the header of a request', SIGN_PARAMETER)] : []),
    ...misleading.map((name) => warning(name, 'is another method\'s, and what it names may be fetched in place of the url', 'Remove it from what is signed.')),
    ...(misleading.length > 0 ? [] : ['url', 'fileType'].filter((name) => !has(name)).map((name) => refused(name, 'is not in the token', SIGN_PARAMETER)))
  ]
}

function explainRequest (payload: object): ExplainProblem[] {
  const wrapped = memberOf(payload, 'payload')
  const fix = 'Sign the parameters of the request for its body, { payload: parameters } for its header.'
  if (typeof wrapped === 'string') return [refused('payload', 'is text, so none of the parameters is found', fix)]
  const members = isObject(wrapped) ? { ...payload, ...wrapped } : payload
  if (Object.keys(members).every((name) => name === 'payload' || TIMES.includes(name))) return [refused('token', 'holds none of the parameters of the request', fix)]
  return 'document' in members || 'editorConfig' in members ? [warning('token', 'is for a config, not for a request', fix)] : []
}

function explainCallback (payload: object): ExplainProblem[] {
  const inner = memberOf(payload, 'payload')
  const members = isObject(inner) ? inner : payload
  const foreign = FOREIGN_MEMBERS.filter((name) => Object.hasOwn(payload, name) || Object.hasOwn(members, name))
  if (foreign.length > 0) return foreign.map((name) => refused(name, 'is not a member of callbacks: the token was made for a browser or a command', FROM_SERVER))

  const claims = withoutNulls(members)
  if (!claimsCheck.Check(claims)) return wrongPaths(claims).map((path) => refused(path, 'is missing, or of the wrong type', FROM_SERVER))

  const type = typeOf(claims)
  if (type === undefined) return [refused('status', 'is none that is known', 'It is 1, 2, 3, 4, 6 or 7: see whether this release knows the document server.')]
  return toEvent(type, claims) === undefined ? [refused('url', 'is missing, and there is a version to fetch', FROM_SERVER)] : []
}

/** The first of them: a list may be wrong in each of its entries, and to find each takes its time. */
function wrongPaths (claims: unknown): string[] {
  const paths = new Set<string>()
  for (const { path } of claimsCheck.Errors(claims)) {
    paths.add(pathOf(path.split('/').slice(1)))
    if (paths.size === MAX_NAMED) break
  }
  return [...paths]
}

function explainDownload (payload: object): ExplainProblem[] {
  const inner = memberOf(payload, 'payload')
  const isAlone = Object.keys(payload).every((name) => name === 'payload' || TIMES.includes(name)) && isObject(inner) && Object.keys(inner).join() === 'url'
  return isAlone && typeof memberOf(inner, 'url') === 'string' ? [] : [refused('payload', 'is not just { url }, as it is for a download', FROM_SERVER)]
}

/** Says what is wrong with the times of what the document server sends: it lives for minutes, and must say so. */
export function explainShortLife (payload: unknown, { now, clockTolerance }: JudgeClock): ExplainProblem[] {
  if (!isObject(payload)) return []
  const { problem } = judgeTimes({ ...payload }, { now: () => now, clockTolerance })
  return problem === undefined ? [] : [refused('exp', `cannot be: ${problem}`, 'Only the document server makes these, for five minutes each: take what came in its request, and compare the clocks of both sides.')]
}

function isObject (value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
