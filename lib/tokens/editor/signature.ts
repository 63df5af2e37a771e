/**
 * Tokens of an editor: compact JWS under a secret that both sides know, as `jsonwebtoken` makes them on the other one.
 * The signature, the header and the shape of the payload are judged here, never a claim.
 *
 * @module
 */
import { createHmac, type KeyObject, timingSafeEqual } from 'node:crypto'
import { InvalidTokenError } from '../../errors.ts'
import { parseJson } from '../../json.ts'
import { encodeBase64url } from '../base64url.ts'
import { parseHeader } from '../jws.ts'

/** What an editor's tokens are signed with. The document server takes all three. */
export type EditorAlgorithm = 'HS256' | 'HS384' | 'HS512'

/** Characters of a token. Beyond it, headers and proxies begin to cut. */
export const LARGE_TOKEN = 4096

/** The hash of each. RFC 7518, section 3.2. */
const HASHES: ReadonlyMap<string, string> = new Map<EditorAlgorithm, string>([['HS256', 'sha256'], ['HS384', 'sha384'], ['HS512', 'sha512']])

/** @internal */
export const EDITOR_ALGORITHMS: readonly string[] = [...HASHES.keys()]

/** Signs a payload as it is: JSON text, byte for byte. The header is `{"alg":…,"typ":"JWT"}`, in this order. */
export function signEditorToken (payload: string, secret: KeyObject, algorithm: EditorAlgorithm): string {
  const signingInput = `${encodeBase64url(JSON.stringify({ alg: algorithm, typ: 'JWT' }))}.${encodeBase64url(payload)}`
  return `${signingInput}.${encodeBase64url(mac(signingInput, secret, algorithm))}`
}

/**
 * Checks the signature under one of the secrets, that the payload is a JSON object in strict UTF-8 without repeated
 * members, and that `typ`, if there, is `JWT`: no other kind of token of this package is one of an editor's. Checks no claim.
 *
 * @param token As it came. Untrusted.
 *
 * @returns The payload.
 *
 * @throws {InvalidTokenError} `FDT_INVALID_TOKEN` (401) when any check fails.
 */
export function verifyEditorToken (token: string, secrets: readonly KeyObject[]): Readonly<Record<string, unknown>> {
  const { header, signingInput, payload: bytes, signature } = parseHeader(token)
  const { alg, typ = 'JWT' } = header
  if (!HASHES.has(alg) || typ !== 'JWT') throw new InvalidTokenError()

  if (!secrets.some((secret) => isEqual(signature, mac(signingInput, secret, alg)))) throw new InvalidTokenError()
  return readPayload(bytes)
}

function readPayload (bytes: Uint8Array): Record<string, unknown> {
  let payload: unknown
  try {
    payload = parseJson(bytes)
  } catch (cause) {
    throw new InvalidTokenError({ cause })
  }
  if (typeof payload !== 'object' || payload === null || Array.isArray(payload)) throw new InvalidTokenError()
  // An object, as was just checked.
  return payload as Record<string, unknown>
}

function mac (signingInput: string, secret: KeyObject, algorithm: string): Buffer {
  return createHmac(String(HASHES.get(algorithm)), secret).update(signingInput).digest()
}

function isEqual (signature: Uint8Array, expected: Uint8Array): boolean {
  return signature.length === expected.length && timingSafeEqual(signature, expected)
}
