import { createHmac, timingSafeEqual } from 'node:crypto'
import { digest } from '../digest.ts'
import { DpopNonceRequiredError, InvalidDpopProofError, InvalidOptionError } from '../errors.ts'
import { jwkThumbprint } from '../keys/jwks.ts'
import { importKey } from '../keys/key-material.ts'
import { type JsonWebKey } from '../keys/key-ring.ts'
import { type AsymmetricAlgorithm, checkAlgorithms, isPublicJwk } from '../keys/remote-ring.ts'
import { isNameOf, parseHeader, verifyJws } from '../tokens/jws.ts'
import { isPlainUrl } from '../urls.ts'
import { type Claims, isJti, isNumericDate, readClaims } from './claims.ts'
import { type SingleUse } from './single-use.ts'

export interface DpopOptions {
  /**
   * Where clients reach this server, such as `https://api.example`: http(s), without user, query and fragment. What a
   * proof is for is compared with it, never with the `Host` of a request.
   */
  publicUrl: string
  singleUse: SingleUse
  /** Current time in milliseconds since the Unix epoch. */
  now: () => number
  /** At least 32 bytes, the same in all processes. With one, proofs must hold a nonce that was given out within the last ten minutes. Default is no nonce. */
  nonceSecret?: string | Uint8Array | undefined
  /** With which proofs may be signed. Default is `ES256`, `EdDSA`, `RS256` and `PS256`. */
  algorithms?: readonly AsymmetricAlgorithm[] | undefined
}

/** A proof, and the request that it came with. */
export interface DpopRequest {
  /** The `DPoP` header. Untrusted. */
  proof: string
  /** As it was sent: methods are case-sensitive. */
  method: string
  /** The request target as it was sent, with or without its query. In absolute form it is refused. */
  path: string
  /** The token that is used with the proof. Absent where one is asked for. */
  accessToken?: string | undefined
  /** The thumbprint that the token is bound to, its `cnf.jkt`. */
  jkt?: string | undefined
}

export interface Dpop {
  /** For challenges and metadata. */
  readonly algorithms: readonly AsymmetricAlgorithm[]
  /** What the next proof has to hold, or `undefined` where none is asked for. */
  nonce (): string | undefined
  /**
   * Verifies that whoever sent the request holds a private key, and returns the thumbprint of its public half.
   *
   * Checks the proof's `typ`, its signature with the key in it, the strength of that key, method and URL (query and fragment
   * left aside, otherwise the same after RFC 3986, section 6.2.2), that `iat` is within 60 seconds, `ath` and `jkt`
   * where they are asked for, the nonce, and that the `jti` was not used before with this key. It is used up only
   * when all else is right.
   *
   * Does not verify the access token.
   *
   * @throws {InvalidDpopProofError} `FDT_INVALID_DPOP_PROOF` (400) when any check fails. Its cause, for the log, says which.
   * @throws {DpopNonceRequiredError} `FDT_DPOP_NONCE_REQUIRED` (400) when a nonce in time is all that is missing.
   * @throws {StoreUnavailableError} `FDT_STORE_UNAVAILABLE` (503).
   *
   * @see [RFC 9449, section 4.3](https://www.rfc-editor.org/rfc/rfc9449#section-4.3)
   */
  verifyProof (request: DpopRequest): Promise<{ jkt: string }>
}

/** What a request carries in the place of a proof. More than one is one too many: RFC 9449, section 4.3. */
export type DpopHeader = { state: 'absent' } | { state: 'several' } | { state: 'present', text: string }

/** Characters of a proof. One with an RSA key of 4096 bits has 1600. */
const MAX_LENGTH = 8192

/** Seconds that `iat` may lie behind or ahead. */
const MAX_AGE = 60

/** Milliseconds for which a nonce is given out. It is good for as long again. */
const NONCE_WINDOW = 300_000

/**
 * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500) for a bad option.
 * @throws {WeakKeyError} `FDT_WEAK_KEY` (500), {@link UnusableKeyError} `FDT_UNUSABLE_KEY` (500) for a bad `nonceSecret`.
 */
export function createDpop ({ publicUrl, singleUse, now, nonceSecret, algorithms: given }: DpopOptions): Dpop {
  if (typeof publicUrl !== 'string' || !isPlainUrl(publicUrl)) throw new InvalidOptionError('publicUrl', 'must be an http(s) URL without user, query and fragment')
  const base = publicUrl.replace(/\/$/, '')
  const algorithms = checkAlgorithms(given)
  const nonces = nonceSecret === undefined ? undefined : createNonces(nonceSecret, now)

  function check ({ proof, method, path, accessToken, jkt: bound }: DpopRequest): { jkt: string, jti: string, iat: number, nonce: unknown } {
    const { claims, jkt } = readProof(proof, algorithms)
    const { htm, htu, iat, jti, ath, nonce } = claims
    if (htm !== method) throw refused('it is for another method')
    const target = path.startsWith('/') ? targetOf(base + path) : undefined
    if (target === undefined || targetOf(htu) !== target) throw refused('it is for another URL')
    if (!isNumericDate(iat) || Math.abs(now() - iat * 1000) > MAX_AGE * 1000) throw refused('"iat" is not within a minute')
    if (!isJti(jti)) throw refused('"jti" is missing or unusable')
    if (accessToken !== undefined && ath !== digest(accessToken)) throw refused('it is for another access token')
    if (bound !== undefined && jkt !== bound) throw refused('the access token is bound to another key')
    return { jkt, jti, iat, nonce }
  }

  return Object.freeze<Dpop>({
    algorithms,
    nonce: () => nonces?.current(),
    verifyProof: async (request) => {
      const { jkt, jti, iat, nonce } = check(request)
      if (nonces?.isGood(nonce) === false) throw new DpopNonceRequiredError()
      // A second more: it is good up to the very end of the last one.
      if (!await singleUse.burn(['dpop', jkt, jti], (iat + MAX_AGE + 1) * 1000)) throw refused('it was used before')
      return { jkt }
    }
  })
}

/** @param rawHeaders Names and values as Node.js has them: it joins repeated headers everywhere else. */
export function readDpopHeader (rawHeaders: readonly string[]): DpopHeader {
  const [text, another] = rawHeaders.filter((_, index) => index % 2 === 1 && rawHeaders[index - 1]?.toLowerCase() === 'dpop')
  if (text === undefined) return { state: 'absent' }
  return another === undefined ? { state: 'present', text } : { state: 'several' }
}

/** The claims of a proof that its own key has signed, and who that is. */
function readProof (proof: string, algorithms: readonly AsymmetricAlgorithm[]): { claims: Claims, jkt: string } {
  if (proof.length > MAX_LENGTH) throw refused('it is too long')
  try {
    const { typ, alg, jwk } = parseHeader(proof).header
    const algorithm = algorithms.find((name) => isNameOf(alg, name))
    if (typ !== 'dpop+jwt') throw refused('it is a token of another kind')
    if (algorithm === undefined) throw refused('its algorithm is not allowed')
    if (!isPublicJwk(jwk)) throw refused('"jwk" is no public key')

    const claims = readClaims(verifyWith(proof, jwk, algorithm))
    if (claims === undefined) throw refused('its payload is not a JSON object')
    return { claims, jkt: jwkThumbprint(jwk) }
  } catch (error) {
    throw error instanceof InvalidDpopProofError ? error : new InvalidDpopProofError({ cause: error })
  }
}

function verifyWith (proof: string, jwk: JsonWebKey, algorithm: AsymmetricAlgorithm): Uint8Array {
  // What the key is called is of no concern, and may be anything.
  return verifyJws(proof, importKey({ key: jwk, algorithm, kid: 'dpop' }))
}

/**
 * A URL as it is compared: without query and fragment, and as RFC 3986, sections 6.2.2 and 6.2.3, normalise it; but
 * `undefined` where a reader might see another resource in it. Dot segments are not taken out, since no router does that.
 */
function targetOf (url: unknown): string | undefined {
  const [, origin = '', path = '/'] = /^(https?:\/\/[\w.:[\]-]+)(\/[^?#]*)?(?:[?#]|$)/i.exec(typeof url === 'string' ? url : '') ?? []
  const plain = path.replaceAll(/%[0-9a-f]{2}/gi, normaliseEscape)
  if (!URL.canParse(origin) || !/^[!-[\]-~]+$/.test(plain) || /\/\.\.?(?:\/|$)/.test(plain)) return undefined
  return new URL(origin).origin + plain
}

function normaliseEscape (escape: string): string {
  const character = String.fromCharCode(Number.parseInt(escape.slice(1), 16))
  return /[\w.~-]/.test(character) ? character : escape.toUpperCase()
}

/** Made from the time and the secret alone, so that no process has to remember what another gave out. */
function createNonces (secret: string | Uint8Array, now: () => number): { current (): string, isGood (nonce: unknown): boolean } {
  if (typeof secret !== 'string' && !(secret instanceof Uint8Array)) throw new InvalidOptionError('nonceSecret', 'must be text or bytes')
  const { verifyKey } = importKey({ key: secret, algorithm: 'HS256' })
  const nonceAt = (time: number): string => createHmac('sha256', verifyKey).update(`fastify-doc-tokens/dpop-nonce/${Math.floor(time / NONCE_WINDOW)}`).digest('base64url')

  return {
    current: () => nonceAt(now()),
    isGood: (nonce) => typeof nonce === 'string' && [now(), now() - NONCE_WINDOW].some((time) => isSameText(nonce, nonceAt(time)))
  }
}

function isSameText (one: string, other: string): boolean {
  const [first, second] = [Buffer.from(one), Buffer.from(other)]
  return first.length === second.length && timingSafeEqual(first, second)
}

function refused (reason: string): InstanceType<typeof InvalidDpopProofError> {
  return new InvalidDpopProofError({ cause: new TypeError(`The DPoP proof is refused: ${reason}`) })
}
