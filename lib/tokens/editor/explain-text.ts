import { createHash, type KeyObject, timingSafeEqual } from 'node:crypto'
import { type ExplainProblem, refused, warning } from './explain-problem.ts'
import { LARGE_TOKEN } from './signature.ts'

/** What a text turned out to be. */
export interface ExplainedText {
  readonly problems: readonly ExplainProblem[]
  /** What is left to be read as a token, without what stood around it. */
  readonly token?: string
}

/** Characters. No placeholder is longer. */
const MAX_PLACEHOLDER_LENGTH = 200

/** What a program writes where a variable has no text in it. */
const NO_TEXT = /^(?:undefined|null|nan|none|nil|true|false|\[object \w+\])$/i

const BRACKETED = /^(?:<[^<>]*>|\{[^{}]*\}|\{\{[^{}]*\}\}|\$\{[^{}]*\}|\$\([^()]*\)|%[^%]*%|\[[^[\]]*\]|__\w+__)$/

const JSON_START = /^(?:\{\s*["}]|\[\s*[[{"\]])/

/** In lower case, without what is neither letter nor digit. */
const PLACEHOLDERS = new Set([
  'token', 'yourtoken', 'yourtokenhere', 'tokenhere', 'mytoken', 'thetoken', 'jwt', 'yourjwt', 'jwttoken', 'yourjwttoken', 'encryptedsignature',
  'signature', 'yoursignature', 'configtoken', 'accesstoken', 'editortoken', 'placeholder', 'todo', 'xxx', 'string', 'changeme', 'example', 'test'
])

const SIGN_IT = 'Sign the config where the secret is, on your server, and give the editor what comes out as config.token.'

/**
 * Looks at a token as text: whether it is one, and what stands around it.
 *
 * @param token As it came. Untrusted, of any type and length.
 * @param secrets All that there are: whether the token is one of them is compared in constant time.
 */
export function explainText (token: unknown, secrets: readonly KeyObject[], headerPrefix: string): ExplainedText {
  if (token === undefined || token === null || token === '') return only(refused('token', 'is missing', SIGN_IT))
  if (typeof token !== 'string') return only(refused('token', 'is not text', 'Give the token itself: the text that signing returns, not a promise of it and not an object around it.'))

  const { bare, problems } = uncover(token, headerPrefix)
  if (bare !== '' && (isSecret(token, secrets) || isSecret(bare, secrets))) {
    return only(refused('token', 'is the secret itself', 'Sign the config with the secret. Whoever has seen this page has seen the secret now, so replace it on both sides.'))
  }
  const unlike = problemOfNoToken(bare)
  if (unlike !== undefined) return { problems: [...problems, unlike] }
  return { problems: [...problems, ...explainSize(token)], token: bare }
}

/** Takes away what was left around a token. All of it keeps the token from being accepted. */
function uncover (token: string, headerPrefix: string): { bare: string, problems: ExplainProblem[] } {
  const problems: ExplainProblem[] = []
  let bare = token.trim()
  if (bare !== token) problems.push(refused('token', 'has white space around it', 'Remove it: a line feed at the end of a file is enough.'))

  const quoted = /^(["'`])(.*)\1$/s.exec(bare)?.[2]
  if (quoted !== undefined) {
    bare = quoted
    problems.push(refused('token', 'has quotes around it', 'Remove them: was the token made into JSON once too often?'))
  }
  const prefix = headerPrefix !== '' && bare.startsWith(headerPrefix) ? headerPrefix : /^bearer\s+/i.exec(bare)?.[0]
  if (prefix !== undefined) {
    bare = bare.slice(prefix.length)
    problems.push(refused('token', 'still has the prefix of the header in front', 'Give the token alone: the prefix is for the Authorization header only.'))
  }
  return { bare, problems }
}

function problemOfNoToken (text: string): ExplainProblem | undefined {
  const short = text.slice(0, MAX_PLACEHOLDER_LENGTH + 1)
  if (text === '') return refused('token', 'is empty', SIGN_IT)
  if (NO_TEXT.test(short)) return refused('token', 'is what a variable without a text in it is written as', 'Look at where the token is put into the page: was it awaited, and is it the member that was meant?')
  if (JSON_START.test(short)) return refused('token', 'is JSON', SIGN_IT)
  if (short.length <= MAX_PLACEHOLDER_LENGTH && (BRACKETED.test(short) || PLACEHOLDERS.has(short.toLowerCase().replaceAll(/[^a-z0-9]/g, '')))) {
    return refused('token', 'is a placeholder', SIGN_IT)
  }

  const dots = countDots(text)
  if (dots === 1 || (dots === 2 && text.endsWith('.'))) return refused('token', 'is not signed: there is no signature behind its payload', 'Sign it with HS256 and the secret of the document server.')
  if (dots === 4) return refused('token', 'has five parts: it is encrypted', 'Sign the config: an encrypted token cannot be read by the document server.')
  if (dots !== 2) return refused('token', 'is no token: it has not three parts with dots between them', SIGN_IT)
  return undefined
}

/** Up to what matters. */
function countDots (text: string): number {
  return text.split('.', 7).length - 1
}

function explainSize ({ length }: string): ExplainProblem[] {
  if (length <= LARGE_TOKEN) return []
  return [warning('token', `has ${length} characters, and headers of more than ${LARGE_TOKEN} are cut or refused by many proxies`, 'Take out what is large: as a rule a picture as a data URL, such as editorConfig.user.image.')]
}

/** Compares every secret, each in constant time. */
function isSecret (text: string, secrets: readonly KeyObject[]): boolean {
  const hash = (value: string | Buffer): Buffer => createHash('sha256').update(value).digest()
  const presented = hash(text)
  return secrets.map((secret) => timingSafeEqual(presented, hash(secret.export()))).includes(true)
}

function only (problem: ExplainProblem): ExplainedText {
  return { problems: [problem] }
}
