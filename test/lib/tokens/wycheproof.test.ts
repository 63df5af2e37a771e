// T31: the signature check against the vectors of https://github.com/C2SP/wycheproof, which are read where they lie.
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { createPublicKey, createSecretKey, type JsonWebKey } from 'node:crypto'
import t from 'tap'
import { createKeyRing, type KeyAlgorithm, type RingKey } from '../../../lib/keys/index.ts'
import { importKey } from '../../../lib/keys/key-material.ts'
import { parseHeader, verifyJws } from '../../../lib/tokens/jws.ts'

interface Vectors<Key> {
  numberOfTests: number
  testGroups: Array<{ comment: string, private?: Key, public?: Key, tests: Array<{ tcId: number, comment: string, jws: string, result: 'valid' | 'invalid' }> }>
}

/** The very string of the valid 357, so they say nothing of a verifier. */
const SAME_AS_VALID = [367, 370]

/** Valid to a decoder that skips characters which are not base64url. Here one token has one spelling. */
const REFUSED_ON_PURPOSE = [372, 373]

const ALGORITHMS: readonly unknown[] = ['HS256', 'ES256', 'RS256', 'PS256']

const folder = process.env['WYCHEPROOF_DIR'] ?? resolve(import.meta.dirname, '../../../../shared/vectors')
const files = { signatures: join(folder, 'wycheproof-json_web_signature.json'), keys: join(folder, 'wycheproof-json_web_key.json') }

if (Object.values(files).every((file) => existsSync(file))) {
  testSignatures(JSON.parse(readFileSync(files.signatures, 'utf8')))
  testKeys(JSON.parse(readFileSync(files.keys, 'utf8')))
} else if (process.env['CI'] === 'true') {
  t.fail('WYCHEPROOF_DIR must name the folder of the vectors')
} else {
  t.pass('no vectors', { skip: 'get json_web_signature and json_web_key from https://github.com/C2SP/wycheproof, name them wycheproof-*.json, and set WYCHEPROOF_DIR to their folder' })
}

/** The key, or the error code with which it is refused. A weak one is let through: what is judged here is signatures. */
function ringKey (jwk: JsonWebKey): RingKey | string {
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

function payloadOf (token: string, key: RingKey): Uint8Array | undefined {
  try {
    return verifyJws(token, key)
  } catch (error) {
    if ((error as { code?: string }).code !== 'FDT_INVALID_TOKEN') throw error
    return undefined
  }
}

function testSignatures (vectors: Vectors<JsonWebKey>): void {
  t.test('T31: signatures', async (t) => {
    let [invalid, refused, valid, accepted, refusedByKey] = [0, 0, 0, 0, 0]

    for (const group of vectors.testGroups) {
      // The public half, where there is one: that is what a verifier has.
      const jwk = group.public ?? group.private ?? {}
      const key = ringKey(jwk)

      for (const { tcId, comment, jws, result } of group.tests) {
        const name = `${tcId} ${group.comment}: ${comment}`
        if (result === 'invalid') {
          invalid++
          if (SAME_AS_VALID.includes(tcId)) continue
          if (typeof key === 'string') refusedByKey++
          else t.equal(payloadOf(jws, key), undefined, name)
          refused++
        } else if (ALGORITHMS.includes(jwk['alg']) && algorithmOf(jws) === jwk['alg']) {
          valid++
          if (typeof key === 'string') {
            t.fail(`${name}: the key is refused with ${key}`)
          } else if (REFUSED_ON_PURPOSE.includes(tcId)) {
            t.equal(payloadOf(jws, key), undefined, `${name}: refused on purpose`)
          } else {
            t.strictSame(payloadOf(jws, key), Buffer.from(jws.split('.')[1] ?? '', 'base64url'), name)
            accepted++
          }
        }
      }
    }

    t.strictSame({ invalid, refused }, { invalid: 355, refused: 353 })
    t.strictSame({ valid, accepted }, { valid: 26, accepted: 24 })
    t.ok(refusedByKey < 40, `${refusedByKey} are refused for their key: of another algorithm, or not for signatures`)
  })
}

/** The algorithm of the header, read leniently: 372 has a character too many in it. */
function algorithmOf (jws: string): unknown {
  return JSON.parse(Buffer.from(jws.split('.')[0] ?? '', 'base64url').toString()).alg
}

/** Vectors of sets of keys: what {@link createKeyRing} makes of them. */
function testKeys (vectors: Vectors<{ keys: JsonWebKey[] }>): void {
  /** Valid with an algorithm that is not served here; and a staircase of bytes, which is too weak here. */
  const refusedOnPurpose = [13, 14, 15]
  /** Invalid to who finds a key by trying all. Here a token names its key, and a key has one algorithm. */
  const acceptedOnPurpose = [1]

  t.test('T31: sets of keys', async (t) => {
    for (const group of vectors.testGroups) {
      for (const { tcId, comment, jws, result } of group.tests) {
        const accepted = isAccepted(group.private?.keys ?? [], jws)
        const isExpected = acceptedOnPurpose.includes(tcId) || (result === 'valid' && !refusedOnPurpose.includes(tcId))
        t.equal(accepted, isExpected, `${tcId} ${group.comment}: ${comment}`)
      }
    }
  })
}

function isAccepted (jwks: JsonWebKey[], jws: string): boolean {
  try {
    const ring = createKeyRing(jwks.map((key) => ({ key })))
    const key = ring.get(parseHeader(jws).header.kid ?? '')
    return key !== undefined && payloadOf(jws, key) !== undefined
  } catch (error) {
    if (!String((error as { code?: string }).code).startsWith('FDT_')) throw error
    return false
  }
}
