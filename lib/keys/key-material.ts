import { createHmac, createPrivateKey, createPublicKey, createSecretKey, KeyObject, sign, verify } from 'node:crypto'
import { UnusableKeyError } from '../errors.ts'
import { decodeBase64url } from '../tokens/base64url.ts'
import { jwkThumbprint } from './jwks.ts'
import { type JsonWebKey, type KeyAlgorithm, type RingKey, type Signer } from './key-ring.ts'
import { checkRsa, checkSecret } from './strength.ts'

/** A key as a host has it. */
export interface KeySource {
  /** PEM or, for `HS256`, the secret itself; the bytes of a secret; a JWK; a KeyObject. Encrypted PEMs and certificates are refused. */
  key: string | Uint8Array | JsonWebKey | KeyObject
  /** Required for RSA (`RS256` or `PS256`) unless the JWK says it; else the only one that fits. */
  algorithm?: KeyAlgorithm
  /**
   * 1–128 characters of `A-Z a-z 0-9 . _ ~ -`. Default is the JWK's, else the thumbprint (RFC 7638), or for a
   * secret something that is derived from it and tells nothing of it.
   */
  kid?: string
}

export type KeyInput = KeySource | Signer

export interface ImportOptions {
  /** Refuse a key that cannot sign. Default is `false`. */
  needPrivate?: boolean
}

/** What a key is before it has a name: its halves, and what it says of itself. */
interface Material {
  readonly verifyKey: KeyObject
  readonly signKey?: KeyObject
  readonly algorithm?: unknown
  readonly kid?: unknown
}

const KID = /^[A-Za-z0-9._~-]{1,128}$/

/** Which algorithms fit which type of key. Where there is one, it need not be said. */
const ALGORITHMS_OF_TYPE: ReadonlyMap<string | undefined, readonly KeyAlgorithm[]> = new Map<string, readonly KeyAlgorithm[]>([
  ['secret', ['HS256']],
  ['ec', ['ES256']],
  ['ed25519', ['EdDSA']],
  ['rsa', ['RS256', 'PS256']]
])

/** @internal */
export const KEY_ALGORITHMS: readonly KeyAlgorithm[] = [...ALGORITHMS_OF_TYPE.values()].flat()

/** What a JWK of each asymmetric type consists of: RFC 7518, section 6, and RFC 8037, section 2. */
const JWK_MEMBERS: ReadonlyMap<unknown, { shared: readonly string[], secret: readonly string[] }> = new Map([
  ['EC', { shared: ['kty', 'crv', 'x', 'y'], secret: ['d'] }],
  ['OKP', { shared: ['kty', 'crv', 'x'], secret: ['d'] }],
  ['RSA', { shared: ['kty', 'n', 'e'], secret: ['d', 'p', 'q', 'dp', 'dq', 'qi'] }]
])

/**
 * Checks a key and makes it one of a ring. What it returns shares nothing with what the caller holds.
 *
 * Checks type, curve, strength (RFC 7518, sections 3.2 and 3.3), that algorithm and type fit, that a JWK is for
 * signatures (`use`, `key_ops`, `alg`) and canonically spelled, that both halves belong together, and that a
 * secret is one: neither known to everybody nor a public key in whatever spelling. Does not call a signer.
 *
 * @throws {UnusableKeyError} `FDT_UNUSABLE_KEY` (500) when the key cannot serve.
 * @throws {WeakKeyError} `FDT_WEAK_KEY` (500) when it can be guessed or broken.
 */
export function importKey (input: KeyInput, { needPrivate = false }: ImportOptions = {}): RingKey {
  if (typeof input !== 'object' || input === null) throw new UnusableKeyError('it is not given')
  if ('sign' in input) return importSigner(input)

  const material = readMaterial(input)
  if (needPrivate && material.signKey === undefined) throw new UnusableKeyError('its private half is needed')
  return nameKey(material, input.algorithm, input.kid)
}

/** Whether two keys are one, whatever they are called and for whichever algorithm. */
export function isSameKey (one: RingKey, other: RingKey): boolean {
  // Comparing keys of two types leaves an error behind in OpenSSL, at which a later import of a good key fails (Node.js 22, 24).
  return one.verifyKey.type === other.verifyKey.type &&
    one.verifyKey.asymmetricKeyType === other.verifyKey.asymmetricKeyType &&
    one.verifyKey.equals(other.verifyKey)
}

function importSigner (signer: Signer): RingKey {
  if (typeof signer.sign !== 'function') throw new UnusableKeyError('the "sign" of a signer is a function')
  if (signer.kid === undefined) throw new UnusableKeyError('a signer needs a kid')

  const { publicKey } = signer
  const material = readMaterial({ key: publicKey })
  if (material.signKey !== undefined || material.verifyKey.type === 'secret') throw new UnusableKeyError('the "publicKey" of a signer is a public key')

  const { kid, algorithm: fitting, verifyKey } = nameKey(material, signer.algorithm, signer.kid)
  // No public key fits HS256.
  const algorithm = fitting as Signer['algorithm']
  return Object.freeze({ kid, algorithm, verifyKey, signer: Object.freeze({ kid, algorithm, publicKey: verifyKey, sign: signer.sign.bind(signer) }) })
}

function nameKey (material: Material, statedAlgorithm: unknown, statedKid: unknown): RingKey {
  const { verifyKey, signKey } = material
  const [kid = defaultKid(verifyKey)] = [statedKid, material.kid].filter((name) => name !== undefined)
  if (typeof kid !== 'string' || !KID.test(kid)) throw new UnusableKeyError('a kid has 1 to 128 characters of A-Z, a-z, 0-9, ".", "_", "~" and "-"')

  const algorithm = chooseAlgorithm(verifyKey, [statedAlgorithm, material.algorithm].filter((name) => name !== undefined))
  return Object.freeze({ kid, algorithm, verifyKey, ...(signKey !== undefined && { signKey }) })
}

function defaultKid (verifyKey: KeyObject): string {
  // Made with the secret, not from it: a hash of a secret could be looked up in a table of hashes.
  if (verifyKey.type === 'secret') return createHmac('sha256', verifyKey).update('fastify-doc-tokens/kid').digest().subarray(0, 16).toString('base64url')
  return jwkThumbprint(verifyKey.export({ format: 'jwk' }))
}

function chooseAlgorithm (verifyKey: KeyObject, stated: readonly unknown[]): KeyAlgorithm {
  const fitting = algorithmsOf(verifyKey).filter((algorithm) => stated.every((name) => name === algorithm))
  const [algorithm, another] = fitting
  if (algorithm === undefined) throw new UnusableKeyError('the algorithm is unknown, or does not fit the key')
  if (another !== undefined) throw new UnusableKeyError(`it has to be said whether it is for ${fitting.join(' or ')}`)
  return algorithm
}

function algorithmsOf (verifyKey: KeyObject): readonly KeyAlgorithm[] {
  return ALGORITHMS_OF_TYPE.get(verifyKey.asymmetricKeyType ?? verifyKey.type) ?? []
}

function readMaterial ({ key }: Pick<KeySource, 'key'>): Material {
  // A lone surrogate becomes U+FFFD in UTF-8: two secrets would be one.
  if (typeof key === 'string' && !key.isWellFormed()) throw new UnusableKeyError('it is not well-formed text')
  if (typeof key === 'string') return key.includes('-----BEGIN ') ? readPem(key) : readSecret(Buffer.from(key))
  if (key instanceof Uint8Array) return readSecret(key)
  if (key instanceof KeyObject) return readKeyObject(key)
  if (typeof key === 'object' && key !== null) return key.kty === 'oct' ? readSecretJwk(key) : readJwk(key)
  throw new UnusableKeyError('it is empty, or neither text, bytes, a JWK nor a KeyObject')
}

/** RFC 9864 calls EdDSA of this curve by the name of the curve, and so do runtimes that are new. */
function algorithmIn ({ alg }: JsonWebKey): unknown {
  return alg === 'Ed25519' ? 'EdDSA' : alg
}

function readSecret (bytes: Uint8Array): Material {
  checkSecret(bytes)
  const secret = createSecretKey(bytes)
  return { verifyKey: secret, signKey: secret }
}

function readPem (pem: string): Material {
  if (/ENCRYPTED/.test(pem)) throw new UnusableKeyError('it is encrypted: decrypt it first')
  if (/BEGIN [A-Z ]*PRIVATE KEY-----/.test(pem)) return readKeyObject(parse(() => createPrivateKey(pem)))
  if (/BEGIN [A-Z ]*PUBLIC KEY-----/.test(pem)) return readKeyObject(parse(() => createPublicKey(pem)))
  throw new UnusableKeyError('a PEM holds a private or a public key here')
}

function readSecretJwk (jwk: JsonWebKey): Material {
  const { maySign } = checkPurpose(jwk)
  const secret = typeof jwk.k === 'string' ? decodeBase64url(jwk.k) : undefined
  if (secret === undefined) throw new UnusableKeyError('the "k" of the JWK is not base64url')

  const { verifyKey, signKey } = readSecret(secret)
  return { verifyKey, ...(maySign && { signKey }), algorithm: jwk['alg'], kid: jwk['kid'] }
}

function readJwk (jwk: JsonWebKey): Material {
  const { maySign, mayVerify } = checkPurpose(jwk)
  const members = JWK_MEMBERS.get(jwk.kty)
  if (members === undefined || 'oth' in jwk) throw new UnusableKeyError('it is not a JWK of a type that is served here')

  const isPrivate = jwk.d !== undefined
  if (!isPrivate && !mayVerify) throw new UnusableKeyError('the "key_ops" of the public JWK do not let it verify')

  const names = isPrivate ? [...members.shared, ...members.secret] : members.shared
  const copy = Object.fromEntries(names.map((name) => [name, jwk[name]]))
  if (names.some((name) => copy[name] === '')) throw new UnusableKeyError('a member of the JWK is empty')
  const key = parse(() => isPrivate ? createPrivateKey({ key: copy, format: 'jwk' }) : createPublicKey({ key: copy, format: 'jwk' }))

  const { verifyKey, signKey } = readKeyObject(key)
  // Node reads base64url leniently and derives some members from others: only what comes out as it went in is canonical and whole.
  const exported = key.export({ format: 'jwk' })
  if (names.some((name) => exported[name] !== copy[name])) throw new UnusableKeyError('a member of the JWK is not canonical, or contradicts another')
  return { verifyKey, ...(signKey !== undefined && maySign && { signKey }), algorithm: algorithmIn(jwk), kid: jwk['kid'] }
}

/** RFC 7517, sections 4.2 and 4.3. */
function checkPurpose (jwk: JsonWebKey): { maySign: boolean, mayVerify: boolean } {
  const { use, key_ops: operations = ['sign', 'verify'] } = jwk
  if (use !== undefined && use !== 'sig') throw new UnusableKeyError('the JWK is not for signatures')
  if (!Array.isArray(operations) || operations.length === 0 || !operations.every((name) => name === 'sign' || name === 'verify')) {
    throw new UnusableKeyError('the "key_ops" of the JWK are for something else than signatures')
  }
  return { maySign: operations.includes('sign'), mayVerify: operations.includes('verify') }
}

function readKeyObject (key: KeyObject): Material {
  if (key.type === 'secret') return readSecret(key.export())
  if (key.asymmetricKeyType === 'rsa-pss') return { ...readKeyObject(withoutPssParameters(key)), algorithm: 'PS256' }

  const verifyKey = key.type === 'private' ? createPublicKey(key) : key
  if (algorithmsOf(verifyKey).length === 0) throw new UnusableKeyError('keys of its type are not served here')
  if (key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') throw new UnusableKeyError('the only elliptic curve for ECDSA here is P-256')
  if (key.asymmetricKeyType === 'rsa') checkRsa(verifyKey)
  if (key.type === 'public') return { verifyKey }

  checkPair(key, verifyKey)
  return { verifyKey, signKey: key }
}

/** Node takes the halves of a JWK on trust. */
function checkPair (signKey: KeyObject, verifyKey: KeyObject): void {
  const digest = signKey.asymmetricKeyType === 'ed25519' ? null : 'sha256'
  const probe = Buffer.from('fastify-doc-tokens')
  const signature = parse(() => sign(digest, probe, signKey))
  if (!verify(digest, probe, verifyKey, signature)) throw new UnusableKeyError('its private and public half do not belong together')
}

/**
 * The same RSA key as one of the plain type, which every tool can export and publish. What its parameters
 * say must be what `PS256` does (RFC 7518, section 3.5), so nothing is lost.
 */
function withoutPssParameters (key: KeyObject): KeyObject {
  const { hashAlgorithm = 'sha256', mgf1HashAlgorithm = 'sha256', saltLength = 32 } = { ...key.asymmetricKeyDetails }
  if (hashAlgorithm !== 'sha256' || mgf1HashAlgorithm !== 'sha256' || saltLength > 32) throw new UnusableKeyError('its RSA-PSS parameters are not those of PS256')

  // PKCS #8: version, algorithm, octets of the key. SPKI: algorithm, bits of the key behind a byte that tells how many are unused.
  if (key.type === 'private') return createPrivateKey({ key: elementAt(2, key.export({ format: 'der', type: 'pkcs8' })), format: 'der', type: 'pkcs1' })
  return createPublicKey({ key: elementAt(1, key.export({ format: 'der', type: 'spki' })).subarray(1), format: 'der', type: 'pkcs1' })
}

/** What an element of an ASN.1 sequence holds that node wrote. */
function elementAt (index: number, sequence: Buffer): Buffer {
  let rest = readElement(sequence).content
  for (let skipped = 0; skipped < index; skipped++) rest = readElement(rest).behind
  return readElement(rest).content
}

function readElement (bytes: Buffer): { content: Buffer, behind: Buffer } {
  const short = bytes.readUInt8(1)
  const lengthBytes = short < 0x80 ? 0 : short - 0x80
  const start = 2 + lengthBytes
  const end = start + (lengthBytes === 0 ? short : bytes.readUIntBE(2, lengthBytes))
  return { content: bytes.subarray(start, end), behind: bytes.subarray(end) }
}

/** What OpenSSL says when it cannot read a key differs from version to version and helps nobody. */
function parse<T> (read: () => T): T {
  try {
    return read()
  } catch {
    throw new UnusableKeyError('it is malformed')
  }
}
