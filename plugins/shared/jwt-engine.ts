import fastifyJwt, { type FastifyJWTOptions } from '@fastify/jwt'
import Fastify from 'fastify'
import { type RingKey } from '../../lib/keys/key-ring.ts'
import { signJws } from '../../lib/tokens/jws.ts'
import { type KeyEngine } from '../../lib/tokens/key-engine.ts'

/**
 * An engine on @fastify/jwt, for one key, one algorithm and one `typ`. It lives in an app of its own
 * that never listens, so nothing of it reaches the host and keys can come and go while the host runs.
 *
 * Time claims are left to the caller, whose clock is injected; a payload must have its own `iat`, since
 * the library would add one, and with `noTimestamp` takes even ours away. RSA signatures and those of a
 * `Signer` are made by `lib/tokens/jws.ts`, off the event loop.
 */
export async function createJwtEngine (key: RingKey, typ: string): Promise<KeyEngine> {
  const { kid, algorithm } = key
  const app = Fastify({ logger: false })
  await app.register(fastifyJwt, {
    secret: secretOf(key),
    sign: { algorithm, kid, header: { alg: algorithm, typ } },
    verify: { algorithms: [algorithm], ignoreExpiration: true, ignoreNotBefore: true, cache: false }
  })
  await app.ready()
  const { jwt } = app

  return {
    sign: signsElsewhere(key) ? (claims) => signJws({ alg: algorithm, typ, kid }, JSON.stringify(claims), key) : (claims) => jwt.sign(claims),
    verify: (token) => jwt.verify(token)
  }
}

function signsElsewhere ({ algorithm, signKey }: RingKey): boolean {
  return signKey === undefined || algorithm === 'RS256' || algorithm === 'PS256'
}

/** @fastify/jwt takes PEM or bytes, never a KeyObject. */
function secretOf ({ algorithm, verifyKey, signKey }: RingKey): FastifyJWTOptions['secret'] {
  if (algorithm === 'HS256') return verifyKey.export()
  const verifying = verifyKey.export({ type: 'spki', format: 'pem' })
  if (signKey === undefined) return { public: verifying }
  return { private: signKey.export({ type: 'pkcs8', format: 'pem' }), public: verifying }
}
