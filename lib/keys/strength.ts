/**
 * What makes a key too weak, or something else than the secret it is given as.
 *
 * @module
 */
import { type KeyObject } from 'node:crypto'
import { UnusableKeyError, WeakKeyError } from '../errors.ts'

/** Bytes of a secret for HS256: as many as the hash has. RFC 7518, section 3.2. */
const MIN_SECRET_BYTES = 32

/** RFC 7518, section 3.3. */
const MIN_RSA_BITS = 2048

/** More makes a key slow, not strong: whoever brings a key must not choose how long a check takes. */
const MAX_RSA_BITS = 8192

/** Characters that must be left of a secret when the words that everybody uses are taken out. */
const MIN_UNCOMMON_CHARACTERS = 8

/** What the samples, the defaults and the advice of this field are made of, longest first. */
const COMMON_WORDS = new RegExp([
  'characters', 'passphrase', 'production', 'development', 'signature', 'generated', 'password', 'changeit', 'keyboard', 'document', 'fastify',
  'example', 'default', 'replace', 'signing', 'private', 'session', 'minimum', 'symmetric', 'security', 'onlyoffice', 'nutrient', 'please',
  'secret', 'change', 'string', 'random', 'secure', 'strong', 'should', 'shared', 'sample', 'server', 'access', 'qwerty', 'editor', 'viewer',
  'abcdefghijklmnopqrstuvwxyz', '12345678901234567890', '1234567890', '0123456789', 'admin', 'super', 'token', 'least', 'chars', 'valid',
  'bytes', 'hs256', 'hs384', 'hs512', 'sha256', 'very', 'your', 'this', 'that', 'with', 'must', 'long', 'here', 'bits', 'byte', 'test', 'demo',
  'auth', 'node', 'hmac', 'json', 'base64', 'jwt', 'key', 'cat', 'dog', 'api', 'app', 'web', 'dev', 'the', 'for', 'and', 'not', 'bit', 'foo',
  'bar', 'baz', 'use', 'new', 'which', '256', '384', '512', '128', '32', '64', 'is', 'it', 'in', 'at', 'of', 'to', 'my', 'me', 'be', 'do', 'an', 'a'
].sort((a, b) => b.length - a.length).join('|'), 'g')

/** A public exponent below this one is legal and has a history of forged signatures. */
const MIN_RSA_EXPONENT = 65537n

/** A larger one makes each check up to a hundred times slower: whoever brings a key must not choose how long that takes. */
const MAX_RSA_EXPONENT = 2n ** 32n

/** Primes that tell keys of Infineon's library (CVE-2017-15361) from others: their moduli are powers of 65537 modulo each of them. */
const ROCA_PRIMES = [11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157]

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Checks a secret: that it is one (and not a public key, which everybody knows, in some spelling), whole and
 * without the quotes or the line feed of the file it came from, long enough, and not a word or a repetition.
 *
 * @throws {UnusableKeyError} `FDT_UNUSABLE_KEY` when it is empty or something else than a secret.
 * @throws {WeakKeyError} `FDT_WEAK_KEY` when it can be guessed.
 */
export function checkSecret (secret: Uint8Array): void {
  const text = asText(secret)
  if (text !== undefined) checkSpelling(text)
  if (isKeyMaterial(secret)) throw new UnusableKeyError('it is a key of another type, a certificate or a JWK, which cannot be a secret for HS256')
  if (secret.length < MIN_SECRET_BYTES) throw new WeakKeyError(`a secret needs at least ${MIN_SECRET_BYTES} bytes`)
  if (isRepetitive(secret)) throw new WeakKeyError('it repeats itself')
  if (text !== undefined && isCommon(text)) throw new WeakKeyError('it is made of words that everybody would try')
}

function checkSpelling (text: string): void {
  const trimmed = text.trim()
  if (trimmed === '') throw new UnusableKeyError('it is empty')
  if (trimmed !== text) throw new UnusableKeyError('there is white space before or behind the secret')
  if (/^(["'`]).*\1$/s.test(text)) throw new UnusableKeyError('there are quotes around the secret')
}

/** The secret as text, if that is what it is: random bytes are not. */
function asText (bytes: Uint8Array): string | undefined {
  try {
    const text = utf8.decode(bytes)
    // eslint-disable-next-line no-control-regex -- control characters are what tells bytes from text
    return /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/.test(text) ? undefined : text
  } catch {
    return undefined
  }
}

function isKeyMaterial (bytes: Uint8Array): boolean {
  if (isDerSequence(bytes)) return true

  const text = asText(bytes)
  if (text === undefined) return false
  if (/-----\s*begin|^(?:ssh|ecdsa)-[a-z0-9-]+ /i.test(text) || isJsonObject(text)) return true

  const encoded = text.replaceAll(/\s+/g, '')
  if (/^(?:[0-9a-f]{2})+$/i.test(encoded) && isDerSequence(Buffer.from(encoded, 'hex'))) return true
  return /^[\w+/-]{40,}=*$/.test(encoded) && isKeyMaterial(Buffer.from(encoded, 'base64'))
}

/** Whether the bytes are one ASN.1 sequence that starts with another or with a number, as all keys and certificates do. */
function isDerSequence (bytes: Uint8Array): boolean {
  const [tag, length = 0, ...more] = bytes.subarray(0, 5)
  const lengthBytes = length < 0x80 ? 0 : length - 0x80
  if (tag !== 0x30 || lengthBytes > 3) return false

  const content = lengthBytes === 0 ? length : more.slice(0, lengthBytes).reduce((sum, byte) => sum * 256 + byte, 0)
  const first = bytes[2 + lengthBytes]
  return bytes.length === 2 + lengthBytes + content && (first === 0x30 || first === 0x02)
}

function isJsonObject (text: string): boolean {
  if (!text.startsWith('{') && !text.startsWith('[')) return false
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/**
 * Whether the bytes are one short piece over and over (`aaaa…`, `abcabc…`), or a staircase (`0123…`). A repetition adds
 * nothing: such a secret is worth its first piece. Looked for in the differences, where a staircase repeats itself too.
 */
export function isRepetitive (bytes: Uint8Array): boolean {
  const all = Buffer.from(bytes)
  const steps = bytes.subarray(1).map((byte, index) => byte - all.readUInt8(index))
  const longest = Math.min(MIN_SECRET_BYTES - 1, Math.floor(bytes.length / 2))
  for (let period = 1; period <= longest; period++) {
    if (steps.subarray(period).every((step, index) => step === steps[index])) return true
  }
  return false
}

function isCommon (text: string): boolean {
  return text.toLowerCase().replaceAll(COMMON_WORDS, '').replaceAll(/[\s\p{P}\p{S}]/gu, '').length < MIN_UNCOMMON_CHARACTERS
}

/**
 * Checks the numbers of an RSA key, public or private, except that the modulus is a product of two primes.
 *
 * @throws {WeakKeyError} `FDT_WEAK_KEY` when it can be broken.
 * @throws {UnusableKeyError} `FDT_UNUSABLE_KEY` when it is too large to be served.
 */
export function checkRsa (publicKey: KeyObject): void {
  const { modulusLength = 0, publicExponent = 0n } = { ...publicKey.asymmetricKeyDetails }
  if (modulusLength < MIN_RSA_BITS) throw new WeakKeyError(`an RSA key needs at least ${MIN_RSA_BITS} bits`)
  if (modulusLength > MAX_RSA_BITS) throw new UnusableKeyError(`an RSA key has at most ${MAX_RSA_BITS} bits here`)
  if (publicExponent < MIN_RSA_EXPONENT || publicExponent % 2n === 0n) throw new WeakKeyError('the public exponent of an RSA key is odd and at least 65537')
  if (publicExponent > MAX_RSA_EXPONENT) throw new UnusableKeyError('the public exponent of an RSA key has at most 32 bits here')

  const modulus = BigInt(`0x${Buffer.from(String(publicKey.export({ format: 'jwk' }).n), 'base64url').toString('hex')}`)
  if (ROCA_PRIMES.every((prime) => isPowerOfExponent(Number(modulus % BigInt(prime)), prime))) throw new WeakKeyError('it comes from a generator that is known to be broken (CVE-2017-15361)')
}

function isPowerOfExponent (remainder: number, prime: number): boolean {
  let power = 1
  do {
    if (power === remainder) return true
    power = power * 65537 % prime
  } while (power !== 1)
  return false
}
