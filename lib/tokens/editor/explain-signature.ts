import { type KeyObject } from 'node:crypto'
import { type ExplainProblem, note, refused } from './explain-problem.ts'
import { type LiveSecrets, type SecretSide } from './secrets.ts'
import { isSignedWith, isSignedWithHmac, memberOf, type UnfoldedJwt } from './verdict-jwt.ts'

/** The secrets that there are. */
export interface KnownSecrets {
  /** Signs and verifies what a host says: configs, methods, requests. */
  inbox: LiveSecrets
  /** Verifies what the document server says: callbacks, downloads. */
  outbox?: LiveSecrets | undefined
}

/** The secret of a document server that nobody has given one. */
const DEFAULT_SECRET = Buffer.from('secret')

const SAME_SECRET = 'Compare the secret of this program with the one of the document server. A container that is given none makes a new one at each start.'

/** Characters of a signature. */
const LENGTHS = new Map<unknown, number>([['HS256', 43], ['HS384', 64], ['HS512', 86]])

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Says whether the signature is right, and if not, whose it is.
 *
 * @param side Whose secrets should have signed it.
 * @param namesSecret Whether to tell which secret it is, of several: the previous one, or that of the other side.
 */
export function explainSignature (jwt: UnfoldedJwt, side: SecretSide, secrets: KnownSecrets, namesSecret: boolean): ExplainProblem[] {
  if (!isSignedWithHmac(jwt)) return [explainAlgorithm(memberOf(jwt.header, 'alg'))]

  const own = usable(secrets[side])
  if (own.length === 0) return [refused('secret', `to verify it with is missing: there is no ${side} secret here, or an empty one, which never verifies`, `Configure the ${side} secret of the document server.`)]
  const index = own.findIndex((secret) => isSignedWith(jwt, secret))
  if (index > 0 && namesSecret) return [note('secret', `that has signed it is the previous ${side} secret`, 'Sign anew before it is removed.')]
  return index < 0 ? [explainForeign(jwt, side, own, namesSecret ? usable(secrets[otherOf(side)]) : [])] : []
}

function usable (secrets: readonly KeyObject[] = []): readonly KeyObject[] {
  return secrets.filter(({ symmetricKeySize }) => symmetricKeySize !== 0)
}

function otherOf (side: SecretSide): SecretSide {
  return side === 'inbox' ? 'outbox' : 'inbox'
}

function explainAlgorithm (alg: unknown): ExplainProblem {
  if (typeof alg === 'string' && alg.toLowerCase() === 'none') return refused('header.alg', 'says that the token is not signed', 'Sign it with HS256 and the secret of the document server.')
  return refused('header.alg', 'is none that the document server takes', 'Sign with HS256, HS384 or HS512.')
}

/** @param others Those of the other side, where they may be told. */
function explainForeign (jwt: UnfoldedJwt, side: SecretSide, own: readonly KeyObject[], others: readonly KeyObject[]): ExplainProblem {
  const length = LENGTHS.get(memberOf(jwt.header, 'alg'))
  if (jwt.signature.length !== length) return refused('token', `has a signature of ${jwt.signature.length} characters in place of ${length}`, 'Look for what cuts or pads the token on its way.')

  if (isSignedWith(jwt, Buffer.alloc(0))) return refused('secret', 'that has signed it is empty', 'Give the program that signs its secret: as a rule a variable of the environment is not set. An empty one never verifies.')
  if (own.some((secret) => isSignedWithAny(jwt, strippedSpellings(secret)))) {
    return refused('secret', 'is configured here with quotes or white space around it, and has signed the token without', 'Remove what is around the secret, in the environment or in the file that it is read from.')
  }
  if (own.some((secret) => isSignedWithAny(jwt, wrappedSpellings(secret)))) {
    return refused('secret', 'has signed the token with quotes or white space around it, and is configured here without', 'Remove what is around the secret on the side that signs, in its environment or in the file that it is read from.')
  }
  if (isSignedWith(jwt, DEFAULT_SECRET)) return refused('secret', 'that has signed it is the default of document servers, and another one is configured here', 'Use one secret on both sides, and not the default.')
  if (others.some((secret) => isSignedWith(jwt, secret))) {
    return refused('secret', `that has signed it is the ${otherOf(side)} secret, and this takes the ${side} secret`, `Use the ${side} secret for it: inbox is for what the host says, outbox for what the document server says.`)
  }
  return refused('secret', 'that has signed it is another one, or the token was altered after signing', SAME_SECRET)
}

/** The secret without what may have been taken over by mistake. */
function strippedSpellings (secret: KeyObject): string[] {
  const text = textOf(secret)
  const trimmed = text.trim()
  return [trimmed, unquoted(text), unquoted(trimmed)].filter((spelling) => spelling !== text)
}

/** The secret with what a file, a shell or an editor may have put around it. */
function wrappedSpellings (secret: KeyObject): string[] {
  const text = textOf(secret)
  return text === '' ? [] : [`"${text}"`, `'${text}'`, `\`${text}\``, `${text}\n`, `${text}\r\n`, `${text} `, ` ${text}`, `\ufeff${text}`, `"${text}"\n`, `'${text}'\n`]
}

function unquoted (text: string): string {
  return /^(["'`])(.*)\1$/s.exec(text)?.[2] ?? text
}

/** Empty where the secret is bytes. */
function textOf (secret: KeyObject): string {
  try {
    return utf8.decode(secret.export())
  } catch {
    return ''
  }
}

function isSignedWithAny (jwt: UnfoldedJwt, spellings: readonly string[]): boolean {
  return spellings.some((spelling) => spelling !== '' && isSignedWith(jwt, Buffer.from(spelling)))
}
