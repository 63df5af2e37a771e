import { createPublicKey, createSecretKey, type JsonWebKey } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type Test } from 'tap'
import { type KeyAlgorithm, type RingKey } from '../../lib/keys/index.ts'
import { importKey } from '../../lib/keys/key-material.ts'

/** The shape of both files of https://github.com/C2SP/wycheproof. */
export interface Vectors<Key> {
  testGroups: Array<{ comment: string, private?: Key, public?: Key, tests: Array<{ tcId: number, comment: string, jws: string, result: 'valid' | 'invalid' }> }>
}

/** The very string of the valid 357, so they say nothing of a verifier. */
export const SAME_AS_VALID = [367, 370]

const folder = process.env['WYCHEPROOF_DIR'] ?? resolve(import.meta.dirname, '../../../shared/vectors')

/** Runs `test` on vectors that are read where they lie. Without them it skips and says so; in CI it fails. */
export function runWithVectors<Key> (t: Test, test: (vectors: Vectors<Key>) => void, name: 'json_web_signature' | 'json_web_key'): void {
  const file = join(folder, `wycheproof-${name}.json`)
  if (existsSync(file)) test(JSON.parse(readFileSync(file, 'utf8')))
  else if (process.env['CI'] === 'true') t.fail('WYCHEPROOF_DIR must name the folder of the vectors')
  else t.pass('no vectors', { skip: `get ${name} from https://github.com/C2SP/wycheproof, name it wycheproof-${name}.json, and set WYCHEPROOF_DIR to its folder` })
}

/** The key, or the error code with which it is refused. A weak one is let through: what is judged here is signatures. */
export function ringKey (jwk: JsonWebKey): RingKey | string {
  try {
    // Some names are mail addresses, which ours are not.
    return importKey({ key: jwk, kid: 'wycheproof' })
  } catch (error) {
    const { code } = error as { code: string }
    if (code !== 'FDT_WEAK_KEY') return code

    const verifyKey = jwk.kty === 'oct' ? createSecretKey(Buffer.from(String(jwk.k), 'base64url')) : createPublicKey({ key: jwk, format: 'jwk' })
    return { kid: 'wycheproof', algorithm: jwk['alg'] as KeyAlgorithm, verifyKey }
  }
}
