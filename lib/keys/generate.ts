import { generateKeyPair, randomBytes, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import { UnusableKeyError } from '../errors.ts'
import { importKey, KEY_ALGORITHMS } from './key-material.ts'
import { type JsonWebKey, type KeyAlgorithm } from './key-ring.ts'

const RSA_BITS = 2048

const generatePair = promisify(generateKeyPair)

/**
 * Makes a new private key, or a secret for `HS256`, off the event loop.
 *
 * The JWK holds `kid` and `alg`, and can be given to {@link createKeyRing} as it is or kept in a key file.
 * RSA keys have 2048 bits.
 *
 * @throws {UnusableKeyError} `FDT_UNUSABLE_KEY` (500) for an unknown algorithm.
 */
export async function generateKey (algorithm: KeyAlgorithm): Promise<JsonWebKey> {
  if (!KEY_ALGORITHMS.includes(algorithm)) throw new UnusableKeyError(`the algorithm is none of ${KEY_ALGORITHMS.join(', ')}`)

  const jwk: JsonWebKey = { ...await generateMaterial(algorithm), alg: algorithm, use: 'sig' }
  return { ...jwk, kid: importKey({ key: jwk }).kid }
}

async function generateMaterial (algorithm: KeyAlgorithm): Promise<JsonWebKey> {
  if (algorithm === 'HS256') return { kty: 'oct', k: randomBytes(32).toString('base64url') }
  return (await generatePrivateKey(algorithm)).export({ format: 'jwk' })
}

async function generatePrivateKey (algorithm: KeyAlgorithm): Promise<KeyObject> {
  if (algorithm === 'ES256') return (await generatePair('ec', { namedCurve: 'P-256' })).privateKey
  if (algorithm === 'EdDSA') return (await generatePair('ed25519', {})).privateKey
  return (await generatePair('rsa', { modulusLength: RSA_BITS })).privateKey
}
