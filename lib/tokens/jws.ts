/**
 * JSON Web Signatures in the compact form, judged by node:crypto alone: the signature and the header, never
 * a claim. What the payload says, when it ends and whom it is for is for the caller to check.
 *
 * @module
 */
import { constants, createHmac, sign, timingSafeEqual, verify, type KeyObject, type SignKeyObjectInput } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { promisify } from 'node:util'
import { InvalidTokenError, NoSigningKeyError, SignerFailedError } from '../errors.ts'
import { parseJson } from '../json.ts'
import { type KeyAlgorithm, type RingKey } from '../keys/key-ring.ts'
import { createBackground } from './background.ts'
import { decodeBase64url, encodeBase64url } from './base64url.ts'

/** What the header of a token claims. Untrusted: good for finding a key in a ring, for nothing else. */
export interface JwsHeader {
  readonly alg: string
  readonly kid?: string
  readonly [name: string]: unknown
}

/** A token that has the shape of one. Nothing in it is verified. */
export interface ParsedJws {
  readonly header: JwsHeader
  /** What the signature covers. */
  readonly signingInput: string
  readonly payload: Uint8Array
  readonly signature: Uint8Array
}

/** The longest header that is read, in characters of base64url. Ours have about 150. */
const MAX_HEADER_LENGTH = 8192

/** Members that change what the rest of a token means. None is understood here, so none is passed over, whatever its value. */
const REFUSED_MEMBERS = ['crit', 'b64', 'zip']

/** How node:crypto is told each algorithm: RFC 7518, sections 3.3 to 3.5, and RFC 8037, section 3.1. */
const PARAMETERS: Readonly<Record<Exclude<KeyAlgorithm, 'HS256'>, { digest: string | null, options: Omit<SignKeyObjectInput, 'key'> }>> = {
  ES256: { digest: 'sha256', options: { dsaEncoding: 'ieee-p1363' } },
  EdDSA: { digest: null, options: {} },
  RS256: { digest: 'sha256', options: { padding: constants.RSA_PKCS1_PADDING } },
  PS256: { digest: 'sha256', options: { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 } }
}

const signOnThread = promisify(sign)

/**
 * A thread for each processor but that of the event loop: more of them would take turns with it, and all requests would wait. One of
 * the four that Node.js has stays free for files, names and stores.
 */
const inBackground = createBackground(Math.min(3, Math.max(1, availableParallelism() - 1)))

/**
 * Takes a token apart. Verifies nothing: `kid` and `alg` are an index into a ring.
 *
 * Checks for three segments in canonical base64url, a JSON object without repeated members as header, with `alg`
 * and, if present, `kid` as strings, and that neither `crit`, `b64` nor `zip` is there. The payload may be empty. Does not
 * limit the length of the token: the cost grows with it and stays small (a megabyte: milliseconds).
 *
 * @throws {InvalidTokenError} `FDT_INVALID_TOKEN` (401) when any check fails.
 *
 * @see [RFC 7515, section 5.2](https://www.rfc-editor.org/rfc/rfc7515#section-5.2)
 */
export function parseHeader (token: string): ParsedJws {
  if (typeof token !== 'string') throw new InvalidTokenError()

  const first = token.indexOf('.')
  const second = token.indexOf('.', first + 1)
  if (first < 1 || first > MAX_HEADER_LENGTH || second < 0 || token.includes('.', second + 1)) throw new InvalidTokenError()

  const header = decodeBase64url(token.slice(0, first))
  const payload = decodeBase64url(token.slice(first + 1, second))
  const signature = decodeBase64url(token.slice(second + 1))
  if (header === undefined || payload === undefined || signature === undefined || signature.length === 0) throw new InvalidTokenError()

  return { header: readHeader(header), signingInput: token.slice(0, second), payload, signature }
}

function readHeader (bytes: Uint8Array): JwsHeader {
  let header: unknown
  try {
    header = parseJson(bytes)
  } catch {
    throw new InvalidTokenError()
  }
  if (!isHeader(header)) throw new InvalidTokenError()
  return header
}

function isHeader (value: unknown): value is JwsHeader {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  if (REFUSED_MEMBERS.some((name) => Object.hasOwn(value, name))) return false

  // An object, as was just checked.
  const { alg, kid } = value as { alg?: unknown, kid?: unknown }
  return typeof alg === 'string' && (kid === undefined || typeof kid === 'string')
}

/**
 * Verifies the signature of a token with `key` and returns the payload.
 *
 * Checks what {@link parseHeader} does, that `alg` is the algorithm of the key (`Ed25519` is another name of `EdDSA`), and the signature. Does not
 * compare `kid`, and checks no claim: the payload is bytes, which need not be JSON.
 *
 * @param token As it came. Untrusted.
 *
 * @throws {InvalidTokenError} `FDT_INVALID_TOKEN` (401) when any check fails.
 */
export function verifyJws (token: string, key: RingKey): Uint8Array {
  const { header, signingInput, payload, signature } = parseHeader(token)
  if (!isNameOf(header.alg, key.algorithm)) throw new InvalidTokenError()
  if (!isSignature(signature, Buffer.from(signingInput), key)) throw new InvalidTokenError()
  return payload
}

/** RFC 9864 calls EdDSA of this curve by the name of the curve, and so do clients that are new. */
export function isNameOf (alg: string, algorithm: KeyAlgorithm): boolean {
  return alg === algorithm || (alg === 'Ed25519' && algorithm === 'EdDSA')
}

function isSignature (signature: Uint8Array, input: Uint8Array, { algorithm, verifyKey }: RingKey): boolean {
  if (algorithm === 'HS256') return signature.length === 32 && timingSafeEqual(signature, mac(input, verifyKey))
  if (algorithm === 'ES256' && signature.length !== 64) return false

  const { digest, options } = PARAMETERS[algorithm]
  return verify(digest, input, { ...options, key: verifyKey }, signature)
}

/**
 * Signs a payload.
 *
 * RSA is computed off the event loop, where signatures of all keys wait for their turn: a process makes three at a time at most.
 * What a {@link Signer} returns is verified with its public half before it is handed out.
 *
 * @param header Further members: `kid` and `typ` are the caller's to say. `alg` is the key's, always.
 * @param payload Text (as UTF-8) or bytes, taken as they are.
 *
 * @throws {NoSigningKeyError} `FDT_NO_SIGNING_KEY` (500) when the key only verifies.
 * @throws {SignerFailedError} `FDT_SIGNER_FAILED` (503) when a signer rejects, or signs with another key.
 */
export async function signJws (header: Readonly<Record<string, unknown>>, payload: string | Uint8Array, key: RingKey): Promise<string> {
  const { algorithm } = key
  const signingInput = `${encodeBase64url(JSON.stringify({ ...header, alg: algorithm }))}.${encodeBase64url(payload)}`
  const bytes = Buffer.from(signingInput)

  if (key.signer !== undefined) return await signElsewhere(signingInput, bytes, key, key.signer)
  if (key.signKey === undefined) throw new NoSigningKeyError()
  if (algorithm === 'HS256') return `${signingInput}.${encodeBase64url(mac(bytes, key.signKey))}`

  const { digest, options } = PARAMETERS[algorithm]
  const parameters = { ...options, key: key.signKey }
  const signature = key.signKey.asymmetricKeyType === 'rsa' ? await inBackground(() => signOnThread(digest, bytes, parameters)) : sign(digest, bytes, parameters)
  return `${signingInput}.${encodeBase64url(signature)}`
}

async function signElsewhere (signingInput: string, bytes: Uint8Array, key: RingKey, signer: NonNullable<RingKey['signer']>): Promise<string> {
  try {
    const token = `${signingInput}.${encodeBase64url(await signer.sign(bytes))}`
    verifyJws(token, key)
    return token
  } catch (error) {
    throw new SignerFailedError({ cause: error })
  }
}

function mac (bytes: Uint8Array, secret: KeyObject): Buffer {
  return createHmac('sha256', secret).update(bytes).digest()
}
