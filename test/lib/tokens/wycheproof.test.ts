// T31: the signature check against the vectors of https://github.com/C2SP/wycheproof, which are read where they lie.
import { type JsonWebKey } from 'node:crypto'
import t from 'tap'
import { createKeyRing, type RingKey } from '../../../lib/keys/index.ts'
import { parseHeader, verifyJws } from '../../../lib/tokens/jws.ts'
import { ringKey, runWithVectors, SAME_AS_VALID, type Vectors } from '../../support/wycheproof.ts'

/** Valid to a decoder that skips characters which are not base64url. Here one token has one spelling. */
const REFUSED_ON_PURPOSE = [372, 373]

const ALGORITHMS: readonly unknown[] = ['HS256', 'ES256', 'RS256', 'PS256']

runWithVectors(t, testSignatures, 'json_web_signature')
runWithVectors(t, testKeys, 'json_web_key')

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
