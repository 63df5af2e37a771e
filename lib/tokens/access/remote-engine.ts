import { NoSigningKeyError } from '../../errors.ts'
import { parseJson } from '../../json.ts'
import { verifyJws } from '../jws.ts'
import { type KeyEngineFactory } from '../key-engine.ts'

/** Verifies tokens of another issuer. Its keys are public halves, so it signs nothing. */
export const createRemoteEngine: KeyEngineFactory = async (key) => ({
  sign: () => { throw new NoSigningKeyError() },
  verify: (token) => parseJson(verifyJws(token, key))
})
