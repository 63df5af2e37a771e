import { readBounded } from '../bounded-body.ts'
import { isObject } from '../options.ts'

/** What an answer grants. */
export interface GrantedToken {
  token: string
  /** Seconds. At most 0 where the token is over already. */
  lifetime: number
}

/** Bytes of an answer. A token of 16 KiB and little else is in it. */
const MAX_ANSWER = 64 * 1024

const MAX_TOKEN_LENGTH = 16 * 1024

/** RFC 6750, section 2.1: `b64token`. */
const TOKEN = /^[\w.~+/-]+=*$/

/** RFC 6749, section 5.2, and no longer than a code is. */
const ERROR_CODE = /^[\x20\x21\x23-\x5b\x5d-\x7e]{1,64}$/

/** Characters of a secret that are too many to be shown. */
const PIECE = 8

/** Seconds, where the server does not say. RFC 6749, section 5.1: it should, and need not. */
const DEFAULT_LIFETIME = 60

/** @internal The body as text, or `undefined` where it is too long: then no more of it is read. Bytes that are no UTF-8 hurt nobody in members that nobody reads. */
export async function readText (response: Response): Promise<string | undefined> {
  const bytes = await readBounded(response, MAX_ANSWER)
  return bytes && new TextDecoder().decode(bytes)
}

/**
 * Does not check what the token says, nor the type of the content: servers exist that do not name JSON.
 *
 * @param text Untrusted.
 *
 * @returns The token, or what is wrong with the answer.
 *
 * @see [RFC 6749, section 5.1](https://www.rfc-editor.org/rfc/rfc6749#section-5.1)
 *
 * @internal
 */
export function readGrantedToken (text: string | undefined): GrantedToken | { reason: string } {
  if (text === undefined) return { reason: `the answer is longer than ${MAX_ANSWER} bytes` }
  const answer = parseObject(text)
  if (answer === undefined) return { reason: 'the answer is no JSON object' }
  const { access_token: token, token_type: type, expires_in: expiresIn } = answer
  if (typeof type !== 'string' || type.toLowerCase() !== 'bearer') return { reason: 'the token_type of the answer is not Bearer' }
  if (typeof token !== 'string' || token.length > MAX_TOKEN_LENGTH || !TOKEN.test(token)) return { reason: 'the answer holds no access_token that can be sent' }
  return { token, lifetime: readLifetime(expiresIn) }
}

/** @internal The code of an error answer, unless it is none, or holds one of `secrets`: a server may send back what it got. */
export function readErrorCode (text: string | undefined, secrets: readonly string[]): string | undefined {
  const error = parseObject(text ?? '')?.['error']
  if (typeof error !== 'string' || !ERROR_CODE.test(error)) return undefined
  return secrets.some((secret) => holdsPiece(error.toLowerCase(), secret.toLowerCase())) ? undefined : error
}

/** An answer may have cut it off. A shorter secret counts as a whole. */
function holdsPiece (text: string, secret: string): boolean {
  for (let start = 0; start <= Math.max(0, secret.length - PIECE); start++) if (text.includes(secret.slice(start, start + PIECE))) return true
  return false
}

/** Some servers write the number as a string. */
function readLifetime (expiresIn: unknown): number {
  const seconds = typeof expiresIn === 'string' && /^\d+$/.test(expiresIn) ? Number(expiresIn) : expiresIn
  return Number.isFinite(seconds) ? Number(seconds) : DEFAULT_LIFETIME
}

function parseObject (text: string): Partial<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? { ...value } : undefined
  } catch {
    return undefined
  }
}
