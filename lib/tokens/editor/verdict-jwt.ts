/**
 * A token as `jsonwebtoken` judges it on a document server: more lenient than we are, in an order of its own, and with
 * its own words. For knowing what that side does, never for letting somebody in.
 *
 * @module
 */
import { createHmac, type KeyObject, timingSafeEqual } from 'node:crypto'
import { EDITOR_ALGORITHMS } from './signature.ts'

/** What is compared with the claims of a token. */
export interface JudgeClock {
  /** Current time in milliseconds since the Unix epoch. */
  now: number
  /** Seconds by which clocks may differ. The document server has 60. */
  clockTolerance: number
}

/** Why the server takes a token for none. `null` is where it has no words: then the editor shows nothing either. */
export interface JwtRefusal {
  readonly code: 4005 | 4006 | null
  readonly description: string | null
}

/** A token that was taken apart. Nothing in it is verified. */
export interface UnfoldedJwt {
  readonly header: unknown
  /** An object where there is any way to read one: the library reads JSON within JSON too. */
  readonly payload: unknown
  /** The payload as it is written. */
  readonly text: string
  readonly signingInput: string
  /** As it is spelled: another spelling of the same bytes does not verify. */
  readonly signature: string
}

/** What the server makes of a token's text and signature. */
export type JwtReading =
  | { readonly isVerified: true, readonly payload: unknown }
  | { readonly isVerified: false, readonly refusal: JwtRefusal }

const COMPACT = /^[\w-]+\.[\w-]+\.[\w-]*$/

const SILENCE: JwtRefusal = { code: null, description: null }

/**
 * Checks signature and times, in the order of `jsonwebtoken` 9 with `clockTolerance` and no other option.
 *
 * @param token As it came. Untrusted, of any type and length.
 * @param secrets Any may have signed. One of no length never verifies.
 */
export function readAsServer (token: unknown, secrets: readonly KeyObject[], { now, clockTolerance }: JudgeClock): JwtReading {
  const jwt = unfold(token)
  if (!('signingInput' in jwt)) return { isVerified: false, refusal: jwt }

  const usable = secrets.filter(({ symmetricKeySize }) => symmetricKeySize !== 0)
  if (jwt.signature === '') return refuse(usable.length > 0 ? 'jwt signature is required' : 'please specify "none" in "algorithms" to verify unsigned tokens')
  if (usable.length === 0) return refuse('secret or public key must be provided')
  if (!isSignedWithHmac(jwt)) return refuse('invalid algorithm')

  if (!usable.some((secret) => isSignedWith(jwt, secret))) return refuse('invalid signature')

  const { payload } = jwt
  // What is verified and falsy is then taken for no token.
  const refusal = isTruthy(payload) ? judgeTimes(payload, Math.floor(now / 1000), clockTolerance) : SILENCE
  return refusal === undefined ? { isVerified: true, payload } : { isVerified: false, refusal }
}

/** Takes a token apart as the server does, or says how it is refused. Verifies nothing. */
export function unfold (token: unknown): UnfoldedJwt | JwtRefusal {
  if (!isTruthy(token)) return invalid('jwt must be provided')
  if (typeof token !== 'string') return invalid('jwt must be a string')

  const [first = '', second = '', signature] = token.split('.', 4)
  if (signature === undefined || token.length !== first.length + second.length + signature.length + 2) return invalid('jwt malformed')

  const header = COMPACT.test(token) ? parse(Buffer.from(first, 'base64').toString('latin1')) : undefined
  if (!isTruthy(header)) return invalid('invalid token')

  const text = Buffer.from(second, 'base64').toString()
  const parsed = memberOf(header, 'typ') === 'JWT' ? parse(text) : text
  if (parsed === undefined) return SILENCE
  return { header, payload: unwrap(parsed), text, signingInput: `${first}.${second}`, signature }
}

/** Whether it names an algorithm that the server takes. */
export function isSignedWithHmac ({ header }: UnfoldedJwt): boolean {
  const alg = memberOf(header, 'alg')
  return typeof alg === 'string' && EDITOR_ALGORITHMS.includes(alg)
}

/** Whether `secret` has signed it, with an algorithm that {@link isSignedWithHmac} has taken. */
export function isSignedWith ({ header, signingInput, signature }: UnfoldedJwt, secret: KeyObject | Uint8Array): boolean {
  const hash = `sha${String(memberOf(header, 'alg')).slice(2)}`
  const expected = Buffer.from(createHmac(hash, secret).update(signingInput).digest('base64url'))
  const presented = Buffer.from(signature)
  return presented.length === expected.length && timingSafeEqual(presented, expected)
}

/** A member of its own that `value` has; `undefined` also for what is no object. */
export function memberOf (value: unknown, name: string): unknown {
  // An object of unknown members, as was just checked.
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? (value as Readonly<Record<string, unknown>>)[name] : undefined
}

/** Whether the server, which is written in JavaScript, takes a value of JSON for there. */
export function isTruthy (value: unknown): boolean {
  return Boolean(value)
}

/** Text that is an object in JSON stands for the object. */
function unwrap (payload: unknown): unknown {
  if (typeof payload !== 'string') return payload
  const inner = parse(payload)
  return typeof inner === 'object' && inner !== null ? inner : payload
}

function judgeTimes (payload: unknown, seconds: number, clockTolerance: number): JwtRefusal | undefined {
  const nbf = memberOf(payload, 'nbf')
  if (nbf !== undefined) {
    if (typeof nbf !== 'number') return invalid('invalid nbf value')
    if (nbf > seconds + clockTolerance) return SILENCE
  }
  const exp = memberOf(payload, 'exp')
  if (exp !== undefined) {
    if (typeof exp !== 'number') return invalid('invalid exp value')
    if (seconds >= exp + clockTolerance) return { code: 4005, description: 'token:jwt expired' }
  }
  return undefined
}

function refuse (words: string): JwtReading {
  return { isVerified: false, refusal: invalid(words) }
}

function invalid (words: string): JwtRefusal {
  return { code: 4006, description: `token:${words}` }
}

/** `undefined` for what is not JSON. */
function parse (text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
