import { InvalidClientError } from '../errors.ts'
import { importKey } from '../keys/key-material.ts'
import { type JsonWebKey, type RingKey } from '../keys/key-ring.ts'
import { orOutage } from '../stores/outage.ts'
import { isNameOf, type JwsHeader, parseHeader, verifyJws } from '../tokens/jws.ts'
import { type Claims, isJti, isNumericDate, readClaims } from './claims.ts'
import { type SingleUse } from './single-use.ts'

/** What has to be known of a client. */
export interface AssertionClient {
  readonly id: string
  /** Public JWKs. One that is private, symmetric or unusable is passed over. */
  readonly keys?: readonly JsonWebKey[] | undefined
}

export interface AssertionOptions<Client extends AssertionClient> {
  /** `client_assertion_type` of the request. */
  type: string | undefined
  /** `client_id` of the request. It need not be there; where it is, the assertion has to be this client's. */
  clientId?: string | undefined
  /** The issuer of this server: what an assertion is for. */
  issuer: string
  /** What else it may be for. With one entry or more a list passes too, if one of these or the issuer is in it. Default is nothing else. */
  legacyAudience?: readonly string[] | undefined
  /** The client of this id, if there is one and it is not disabled. The id is 1–100 printable characters, and untrusted. */
  find: (clientId: string) => Promise<Client | undefined>
  singleUse: SingleUse
  /** Current time in milliseconds since the Unix epoch. */
  now: () => number
  /** Seconds that the client's clock may differ from ours. Default is `0`. */
  tolerance?: number | undefined
}

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

/** Characters of an assertion. */
const MAX_LENGTH = 8192

/** Seconds that the end of an assertion may be ahead. */
const MAX_LIFETIME = 300

/** Never one of our own kinds. Most clients send `JWT` or nothing; the revision of RFC 7523 has a name of its own for it. */
const TYPES: readonly unknown[] = [undefined, 'JWT', 'client-authentication+jwt']

/** RFC 6749, appendix A.1. */
const CLIENT_ID = /^[\x20-\x7e]{1,100}$/

/**
 * Authenticates a client by a JWT that it signed (`private_key_jwt`), and returns what `find` knows of it.
 *
 * Checks the signature with one of the client's keys, whose algorithm the header must have, and whose `kid` where it has
 * one; that `iss` and `sub` are the client, and `aud` the issuer as one string; that `exp` is in the future and at most
 * 300 seconds ahead, and `nbf` and `iat`, where they are, are not; that the `jti` was not used before. It is used up only
 * when all else is right.
 *
 * Does not look at keys that the header brings or points to (`jwk`, `jku`, `x5c`, `x5u`), and does not check whether the
 * client is disabled: that is for `find`.
 *
 * @param assertion `client_assertion` of the request. Untrusted.
 *
 * @throws {InvalidClientError} `FDT_INVALID_CLIENT` (400) when any check fails. Its cause, for the log, says which.
 * @throws {StoreUnavailableError} `FDT_STORE_UNAVAILABLE` (503), also when `find` rejects.
 *
 * @see [RFC 7523, section 3](https://www.rfc-editor.org/rfc/rfc7523#section-3), and its revision, draft-ietf-oauth-rfc7523bis
 */
export async function verifyClientAssertion<Client extends AssertionClient> (assertion: string, options: AssertionOptions<Client>): Promise<Client> {
  const { type, clientId, find, singleUse, now, tolerance = 0 } = options
  if (type !== ASSERTION_TYPE) throw refused('its type is not the one of JWTs')

  const { header, claims } = parseAssertion(assertion)
  if (!TYPES.includes(header['typ'])) throw refused('it is a token of another kind')
  const id = claims['sub']
  if (!isClientId(id) || claims['iss'] !== id) throw refused('"iss" and "sub" are not one client')
  if (clientId !== undefined && clientId !== id) throw refused('it is of another client than the one in the request')

  const client = await orOutage(() => find(id))
  if (client === undefined || client.id !== id) throw refused('there is no such client')
  verifySignature(assertion, header, client.keys ?? [])

  checkAudience(claims['aud'], options)
  const expiresAt = checkTimes(claims, now() / 1000, tolerance)
  const { jti } = claims
  if (!isJti(jti)) throw refused('"jti" is missing or unusable')
  if (!await singleUse.burn(['assertion', id, jti], expiresAt * 1000)) throw refused('it was used before')
  return client
}

/**
 * The client that an assertion claims to be of, or `undefined` where none can be read.
 *
 * Verifies nothing: good for counting failures, for nothing else.
 */
export function readAssertionClient (assertion: string): string | undefined {
  try {
    const { sub } = parseAssertion(assertion).claims
    return isClientId(sub) ? sub : undefined
  } catch {
    return undefined
  }
}

function parseAssertion (assertion: string): { header: JwsHeader, claims: Claims } {
  if (assertion.length > MAX_LENGTH) throw refused('it is too long')
  const { header, payload } = parse(assertion)
  const claims = readClaims(payload)
  if (claims === undefined) throw refused('its payload is not a JSON object')
  return { header, claims }
}

function parse (assertion: string): ReturnType<typeof parseHeader> {
  try {
    return parseHeader(assertion)
  } catch {
    throw refused('it is not a JWS, or has a header that is not understood')
  }
}

function isClientId (value: unknown): value is string {
  return typeof value === 'string' && CLIENT_ID.test(value)
}

/** Without a `kid` every key of the algorithm is tried. */
function verifySignature (assertion: string, { alg, kid }: JwsHeader, jwks: readonly JsonWebKey[]): void {
  const keys = jwks.flatMap(importPublic).filter((key) => isNameOf(alg, key.algorithm) && (kid === undefined || key.kid === kid))
  if (keys.length === 0) throw refused('the client has no usable key of this algorithm and name')
  if (!keys.some((key) => isSignedBy(assertion, key))) throw refused('its signature is not one of the client')
}

function importPublic (jwk: JsonWebKey): RingKey[] {
  try {
    const key = importKey({ key: jwk })
    // The public half and the secret of HMAC are in the same place.
    return key.signKey === undefined ? [key] : []
  } catch {
    return []
  }
}

function isSignedBy (assertion: string, key: RingKey): boolean {
  try {
    verifyJws(assertion, key)
    return true
  } catch {
    return false
  }
}

function checkAudience (audience: unknown, { issuer, legacyAudience = [] }: { issuer: string, legacyAudience?: readonly string[] | undefined }): void {
  const known: readonly unknown[] = [issuer, ...legacyAudience]
  const isOurs = Array.isArray(audience) ? legacyAudience.length > 0 && audience.some((entry) => known.includes(entry)) : known.includes(audience)
  if (!isOurs) throw refused('"aud" is not the issuer as one string')
}

/** Returns when the assertion is over, in seconds. */
function checkTimes ({ exp, nbf, iat }: Claims, time: number, tolerance: number): number {
  if (!isNumericDate(exp)) throw refused('"exp" is missing or no number')
  if (exp + tolerance <= time) throw refused('it has expired')
  if (exp > time + MAX_LIFETIME) throw refused('"exp" is too far ahead')
  for (const start of [nbf, iat]) {
    if (start !== undefined && !(isNumericDate(start) && start <= time + tolerance)) throw refused('"nbf" or "iat" is no number, or in the future')
  }
  return exp + tolerance
}

function refused (reason: string): InstanceType<typeof InvalidClientError> {
  return new InvalidClientError({ cause: new TypeError(`The client assertion is refused: ${reason}`) })
}
