import { type RingKey } from '../keys/key-ring.ts'

/** What signs and verifies one kind of JWT with one key. The algorithm, `kid` and `typ` are fixed when it is made. */
export interface KeyEngine {
  /** The compact token. `claims` must hold `iat`; nothing is added to them. */
  sign (claims: Record<string, unknown>): Promise<string> | string
  /**
   * The payload, once the signature is right. Does not judge time, `iss`, `aud` or any other claim.
   *
   * @throws Any error when the signature or the shape is wrong.
   */
  verify (token: string): unknown
}

/** Makes the engine of a key for tokens of the given `typ`. */
export type KeyEngineFactory = (key: RingKey, typ: string) => Promise<KeyEngine>

/** One engine per key of a ring, made at first use and dropped with the key. */
export function keyEngines (create: KeyEngineFactory, typ: string): (key: RingKey) => Promise<KeyEngine> {
  const engines = new WeakMap<RingKey, Promise<KeyEngine>>()

  return (key) => {
    let engine = engines.get(key)
    if (engine === undefined) {
      engine = create(key, typ)
      engines.set(key, engine)
      engine.catch(() => { engines.delete(key) })
    }
    return engine
  }
}
