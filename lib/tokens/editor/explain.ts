/**
 * Why a token is refused, in plain words: what the document server keeps to itself.
 *
 * @module
 */
import { InvalidRequestError } from '../../errors.ts'
import { deepFreeze } from '../../freeze.ts'
import { EXPLAIN_KINDS, type ExplainKind } from '../../schemas/editor/explain.ts'
import { explainMessage, explainShortLife } from './explain-message.ts'
import { explainOpening } from './explain-config.ts'
import { type ExplainProblem, isRefused, refused, warning } from './explain-problem.ts'
import { explainSignature, type KnownSecrets } from './explain-signature.ts'
import { explainText } from './explain-text.ts'
import { explainTimes } from './explain-times.ts'
import { type SecretSide } from './secrets.ts'
import { verifyEditorToken } from './signature.ts'
import { type EditorVerdict, type EffectiveConfig, judgeConfigToken } from './verdict.ts'
import { type JudgeClock, readAsServer, unfold, type UnfoldedJwt } from './verdict-jwt.ts'

export { type ExplainKind } from '../../schemas/editor/explain.ts'
export { type ExplainProblem } from './explain-problem.ts'

/** What is to be explained. */
export interface TokenToExplain {
  /** As it was sent, without the prefix of a header. Untrusted, of any type and length. */
  token: unknown
  /** What the browser sends a config, or a version, with. Untrusted. Absent: only what the token says is looked at. */
  config?: object | undefined
  /** What the token is for. Default is `config`. */
  kind?: ExplainKind | undefined
}

/** What a token is explained with. */
export interface ExplainContext extends JudgeClock {
  secrets: KnownSecrets
  /** What stands before a token in its header, such as `'Bearer '`. */
  headerPrefix: string
  /** Whether to tell which secret has signed a token: the previous one, or that of the other side. */
  namesSecret: boolean
}

/** What becomes of a token, and why. Frozen. */
export interface Explanation {
  readonly accepted: boolean
  /** One sentence. */
  readonly reason: string
  /** What the document server closes the connection with; `null` where it gives no code. */
  readonly code: 4004 | 4005 | 4006 | null
  /** What is wrong first, then what is unwise or good to know. */
  readonly problems: readonly ExplainProblem[]
  /** What the document server goes by. Of accepted configs and versions only. */
  readonly effective: EffectiveConfig | null
}

/** What the user sees of each code. */
const EDITOR_ERRORS = new Map<number | null, number>([[4004, -23], [4005, -21], [4006, -20]])

/** Kinds that come from the document server. */
const FROM_SERVER: ReadonlySet<ExplainKind> = new Set<ExplainKind>(['callback', 'download'])

/**
 * Explains what becomes of a token and why: all that is wrong with it, not just the first.
 *
 * Configs and versions are judged as the document server does, see {@link judgeConfigToken}. Tokens for other methods and for
 * requests: their signature and times as there, and whether what is fetched is in them, not whether the server likes it.
 * Callbacks and downloads are judged as this package does, but for the key, the origins and the URL that a route expects.
 *
 * Its words hold names of members, lengths and seconds, but never a secret, and never a value of the token or the config.
 * `effective` holds values of both. Whoever may ask can try secrets as fast as they may ask: limit them.
 *
 * @throws {InvalidRequestError} `FDT_INVALID_REQUEST` (400) for an unknown `kind`, or a `config` that is no object. Nothing else, whatever the token is.
 */
export function explainToken (asked: TokenToExplain, context: ExplainContext): Explanation {
  const { token, config, kind } = checkAsked(asked)
  const { secrets, headerPrefix } = context
  const { problems, token: bare } = explainText(token, [...secrets.inbox, ...secrets.outbox ?? []], headerPrefix)
  const found = [...problems, ...(bare === undefined ? [] : explainBare(bare, config, kind, context))]
  return deepFreeze(opensSomething(kind) ? concludeOpening(token, config, found, context) : concludeMessage(token, kind, found, context))
}

function checkAsked ({ token, config, kind = 'config' }: TokenToExplain): { token: unknown, config: object | undefined, kind: ExplainKind } {
  if (!EXPLAIN_KINDS.includes(kind)) throw new InvalidRequestError(`kind must be one of ${EXPLAIN_KINDS.join(', ')}`)
  if (config !== undefined && (typeof config !== 'object' || config === null || Array.isArray(config))) throw new InvalidRequestError('config must be an object')
  return { token, config, kind }
}

function opensSomething (kind: ExplainKind): kind is 'config' | 'refreshFile' | 'setHistoryData' {
  return kind === 'config' || kind === 'refreshFile' || kind === 'setHistoryData'
}

function sideOf (kind: ExplainKind): SecretSide {
  return FROM_SERVER.has(kind) ? 'outbox' : 'inbox'
}

function explainBare (bare: string, config: object | undefined, kind: ExplainKind, { secrets, namesSecret, ...clock }: ExplainContext): ExplainProblem[] {
  const jwt = unfold(bare)
  if (!('signingInput' in jwt)) {
    const isPayload = jwt.code === null
    return [refused('token', isPayload ? 'has a payload that is not JSON' : 'has a header that is not JSON in base64url, or characters that no token has', 'Look for what cuts or changes the token on its way.')]
  }
  return [
    ...explainSignature(jwt, sideOf(kind), secrets, namesSecret),
    ...explainAllTimes(jwt.payload, kind, clock),
    ...explainEncoding(jwt, kind),
    ...(opensSomething(kind) ? explainOpening(jwt.payload, config, kind === 'setHistoryData') : explainMessage(kind, jwt.payload))
  ]
}

function explainAllTimes (payload: unknown, kind: ExplainKind, clock: JudgeClock): ExplainProblem[] {
  const problems = explainTimes(payload, clock)
  if (!FROM_SERVER.has(kind) || problems.some(isRefused)) return problems
  return [...problems.filter(({ level }) => level === 'warning'), ...explainShortLife(payload, clock)]
}

/** The document server reads JSON within JSON where the header has a type, and does not where it has none. We never do. */
function explainEncoding ({ text, payload }: UnfoldedJwt, kind: ExplainKind): ExplainProblem[] {
  if (!/^\s*"/.test(text)) return []
  const say = typeof payload === 'object' && !FROM_SERVER.has(kind) ? warning : refused
  return [say('token', 'has a payload that is text: its JSON was made into JSON once more', 'Sign the object, not JSON.stringify of it.')]
}

function concludeOpening (token: unknown, config: object | undefined, found: readonly ExplainProblem[], { secrets, ...clock }: ExplainContext): Explanation {
  const verdict = judgeConfigToken(token, config, { secrets: secrets.inbox, ...clock })
  if (verdict.accepted) {
    const { effective } = verdict
    return { accepted: true, reason: `The document server accepts the token, and the document opens for ${effective.view ? 'reading' : 'editing'}.`, code: null, problems: inOrder(found), effective }
  }
  const problems = inOrder(withRefusal(found))
  return { accepted: false, reason: `The document server refuses the token ${nameCode(verdict)}: ${nameFirst(problems)}.`, code: verdict.code, problems, effective: null }
}

function nameCode ({ code }: Exclude<EditorVerdict, { accepted: true }>): string {
  return code === null ? 'without a code' : `with ${code} (the editor shows error ${EDITOR_ERRORS.get(code)})`
}

function concludeMessage (token: unknown, kind: ExplainKind, found: readonly ExplainProblem[], { secrets, ...clock }: ExplainContext): Explanation {
  const isAccepted = FROM_SERVER.has(kind) ? isVerifiedHere(token, secrets) : readAsServer(token, secrets.inbox, clock).isVerified
  const problems = inOrder(isAccepted ? found : withRefusal(found))
  const accepted = !problems.some(isRefused)
  const subject = FROM_SERVER.has(kind) ? `The ${kind} is` : 'The token is'
  return { accepted, reason: accepted ? `${subject} accepted.` : `${subject} refused${whatIsSeen(kind)}: ${nameFirst(problems)}.`, code: null, problems, effective: null }
}

/** What the document server says of a bad token, where it says something. */
function whatIsSeen (kind: ExplainKind): string {
  if (kind === 'request') return ' (/command answers with error 6, or 7 when it has expired, /converter and /docbuilder with -8)'
  return FROM_SERVER.has(kind) ? '' : ' by the document server'
}

function isVerifiedHere (token: unknown, { outbox }: KnownSecrets): boolean {
  try {
    verifyEditorToken(String(token), outbox ?? [])
    return true
  } catch {
    return false
  }
}

/** So that each refusal has a reason, also where we see none. */
function withRefusal (found: readonly ExplainProblem[]): readonly ExplainProblem[] {
  return found.some(isRefused) ? found : [...found, refused('token', 'holds something that cannot be processed', 'Sign plain objects in the vendor\'s shape, without members that repeat.')]
}

function inOrder (problems: readonly ExplainProblem[]): readonly ExplainProblem[] {
  return [...problems.filter(isRefused), ...problems.filter((problem) => !isRefused(problem))]
}

function nameFirst (problems: readonly ExplainProblem[]): string {
  return problems.slice(0, 1).map(({ problem }) => problem).join()
}
