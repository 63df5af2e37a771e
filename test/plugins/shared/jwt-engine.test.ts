import { createPrivateKey, type JsonWebKey } from 'node:crypto'
import t from 'tap'
import { createKeyRing, generateKey, type RingKey } from '../../../lib/keys/index.ts'
import { createJwtEngine } from '../../../plugins/shared/jwt-engine.ts'
import { ringKey, runWithVectors, SAME_AS_VALID, type Vectors } from '../../support/wycheproof.ts'

const TYP = 'document-session+jwt'

runWithVectors(t, (vectors: Vectors<JsonWebKey>) => {
  t.test('T31: what the vectors say of signatures, the engine says too', async (t) => {
    const refused = new Map<unknown, number>()
    for (const { private: jwk = {}, tests } of vectors.testGroups) {
      const key = ringKey(jwk)
      if (typeof key === 'string') continue

      const engine = await createJwtEngine(withPrivateHalf(key, jwk), TYP)
      const own = await engine.sign({ iat: 1, sub: 'own' })
      t.strictSame(engine.verify(own), { iat: 1, sub: 'own' }, 'the engine works with this key')
      for (const { tcId, comment, jws, result } of tests) {
        if (result === 'valid' || SAME_AS_VALID.includes(tcId)) continue
        t.throws(() => engine.verify(jws), `${tcId} ${comment}`)
        refused.set(key.algorithm, (refused.get(key.algorithm) ?? 0) + 1)
      }
    }
    for (const algorithm of ['HS256', 'ES256', 'RS256', 'PS256']) t.ok(Number(refused.get(algorithm)) > 5, `${algorithm}: ${refused.get(algorithm)}`)
  })
}, 'json_web_signature')

function withPrivateHalf (key: RingKey, jwk: JsonWebKey): RingKey {
  return { ...key, signKey: jwk.kty === 'oct' ? key.verifyKey : createPrivateKey({ key: jwk, format: 'jwk' }) }
}

t.test('an engine serves one key and one algorithm, and adds nothing', async (t) => {
  const keys = await Promise.all((['HS256', 'ES256', 'EdDSA', 'RS256', 'PS256'] as const).map(async (algorithm) => createKeyRing([{ key: await generateKey(algorithm) }]).signing()))
  const engines = await Promise.all(keys.map((key) => createJwtEngine(key, TYP)))
  const tokens = await Promise.all(engines.map((engine) => engine.sign({ iat: 7, exp: 8, nbf: 9e9 })))
  for (const [index, engine] of engines.entries()) {
    for (const [other, token] of tokens.entries()) {
      if (index === other) t.strictSame(engine.verify(token), { iat: 7, exp: 8, nbf: 9e9 }, 'time is not its business')
      else t.throws(() => engine.verify(token), `${keys[other]?.algorithm} at ${keys[index]?.algorithm}`)
    }
  }
})

t.test('RSA signatures leave the event loop free', async (t) => {
  for (const algorithm of ['RS256', 'PS256'] as const) {
    const engine = await createJwtEngine(createKeyRing([{ key: await generateKey(algorithm) }]).signing(), TYP)
    let ticks = 0
    const timer = setInterval(() => { ticks++ }, 0)
    await Promise.all(Array.from({ length: 60 }, (_, index) => engine.sign({ iat: 1, index })))
    clearInterval(timer)
    t.ok(ticks > 0, algorithm)
  }
})
