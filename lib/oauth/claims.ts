/**
 * What client assertions and DPoP proofs have in common: JWTs that others sign, and that are good once.
 *
 * @module
 */
import { parseJson } from '../json.ts'
import { isObject } from '../options.ts'

/** Members of a payload: of unknown types until checked. */
export type Claims = Readonly<Record<string, unknown>>

/** Characters of a `jti`. */
const MAX_JTI_LENGTH = 256

/** The claims in a payload, or `undefined` unless it is one JSON object without repeated members. */
export function readClaims (payload: Uint8Array): Claims | undefined {
  try {
    const claims = parseJson(payload)
    // No list and not null: an object, whose members are unknown.
    return isObject(claims) ? claims as Claims : undefined
  } catch {
    return undefined
  }
}

/** RFC 7519, section 2: seconds since the Unix epoch, whole or not. */
export function isNumericDate (value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value)
}

export function isJti (value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= MAX_JTI_LENGTH
}
