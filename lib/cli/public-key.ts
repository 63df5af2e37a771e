import { createPublicKey } from 'node:crypto'
import { InvalidOptionError } from '../errors.ts'
import { importKey } from '../keys/key-material.ts'
import { type JsonWebKey } from '../keys/key-ring.ts'
import { readFile } from './input.ts'

const EXPECTATION = 'must name a file with a public key, as a JWK or PEM of EC P-256, Ed25519 or RSA'

/**
 * Reads a public key from a file, as a JWK or PEM. RSA is for `RS256` unless the key says otherwise.
 *
 * Does not check a JWK: the registry does.
 *
 * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500), naming `option` and holding nothing of the file.
 */
export async function readPublicKey (option: string, path: string): Promise<JsonWebKey> {
  const text = await readFile(option, path)
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)) throw new InvalidOptionError(option, 'must name a file with the public half of a key: the private one stays with the client')
  return text.includes('-----BEGIN ') ? readPem(option, text) : readJwk(option, text)
}

function readPem (option: string, pem: string): JsonWebKey {
  try {
    const isPlainRsa = createPublicKey(pem).asymmetricKeyType === 'rsa'
    const key = importKey({ key: pem, ...(isPlainRsa && { algorithm: 'RS256' }) })
    return { ...key.verifyKey.export({ format: 'jwk' }), alg: key.algorithm }
  } catch {
    // What OpenSSL says of a file helps nobody.
    throw new InvalidOptionError(option, EXPECTATION)
  }
}

function readJwk (option: string, text: string): JsonWebKey {
  let jwk: unknown
  try {
    jwk = JSON.parse(text)
  } catch {
    // The engine's own message quotes the text.
    throw new InvalidOptionError(option, EXPECTATION)
  }
  if (typeof jwk !== 'object' || jwk === null || !('kty' in jwk) || typeof jwk.kty !== 'string') throw new InvalidOptionError(option, EXPECTATION)
  return jwk.kty === 'RSA' ? { alg: 'RS256', ...jwk, kty: jwk.kty } : { ...jwk, kty: jwk.kty }
}
