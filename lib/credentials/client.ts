import { InvalidClientError } from '../errors.ts'
import { type JsonWebKey } from '../keys/key-ring.ts'
import { isLimit, type Limit } from '../limits/limit.ts'
import { isScopeName } from '../oauth/scope.ts'
import { orOutage } from '../stores/outage.ts'
import { MAX_CLIENT_KEYS, isPublicJwk } from './client-keys.ts'
import { MAX_SECRETS, type CredentialSecret, isKeptSecret, knowsSecret } from './kept-secret.ts'
import { type Check, checkRecord, isBoolean, isLifetime, isListOf, isPlainText, isText, isTime, member, optional } from './members.ts'
import { digestSecret } from './secret.ts'

/** An OAuth client, and how far it reaches. A limit that is absent does not limit; an empty list allows nothing. */
export interface Client {
  /** The `client_id`: 1–100 characters of printable ASCII and space (RFC 6749, appendix A.1). Public. */
  readonly id: string
  /** Whose client it is, for instance an account of the host. 1–256 characters without control characters. */
  readonly owner?: string
  /** The scopes that it may have. Absent: every scope of the flow. */
  readonly scopes?: readonly string[]
  /** The scopes that it gets where a request names none, all of them of `scopes`. Absent: all that it may have. */
  readonly defaultScopes?: readonly string[]
  /** The resources that it may have tokens for. Absent: every one of the flow. */
  readonly audiences?: readonly string[]
  /** Audiences whose tokens it may introspect, beside its own tokens. Absent: none. */
  readonly introspects?: readonly string[]
  /** The life of its tokens, in seconds. Absent: the flow's own. */
  readonly tokenLifetime?: number
  /** Whether it gets tokens with a DPoP proof only (RFC 9449). Absent: no. */
  readonly requireDpop?: boolean
  /** How many requests it may make, in place of the flow's own limit by client. */
  readonly rateLimit?: Readonly<Limit>
}

/** An OAuth client, as a source keeps it. It has a secret or a key at least. */
export interface ClientRecord extends Client {
  /** What it is for, in the words of whoever made it. Form as `owner`. */
  readonly label?: string
  /** Refused while `true`. */
  readonly disabled?: boolean
  /** Seconds since the Unix epoch. */
  readonly createdAt: number
  /** None, one, or two while a rotation is under way. */
  readonly secrets: readonly CredentialSecret[]
  /** At most four public keys, each with its `alg` where its type leaves a choice, for `private_key_jwt` (RFC 7523). */
  readonly keys?: readonly JsonWebKey[]
}

/**
 * Where OAuth clients are looked up: the registry of this package, or any object of the host.
 *
 * A source finds and decides nothing. What it resolves to is checked and judged anew at every request.
 */
export interface ClientSource {
  /** Resolves to the record with just this id; another one is taken as none. Rejects when it cannot tell. */
  find (clientId: string): Promise<ClientRecord | undefined>
}

export interface AuthenticateClientOptions {
  /** Current time in milliseconds since the Unix epoch. Default is `Date.now`. */
  now?: () => number
}

/** Characters of an audience. */
const MAX_AUDIENCE_LENGTH = 512

/** RFC 6749, appendices A.1 and A.2. */
const CLIENT_ID = /^[\x20-\x7e]{1,100}$/
const CLIENT_SECRET = /^[\x20-\x7e]{1,512}$/

/**
 * Tells whether a client knows its secret.
 *
 * Checks the form of both, that the source knows just this id, the secret (in constant time, by digest), that it has
 * not ended, and that the client is not disabled. Does not check scopes, audiences or lifetimes: compare the members
 * of the result.
 *
 * @param source Where the client is looked up. An unknown client and a wrong secret cost the same look-up and the same
 * comparisons; what cannot be an id or a secret costs no look-up.
 * @param clientId As the caller sent it, decoded. Untrusted.
 * @param secret As the caller sent it, decoded. Untrusted.
 *
 * @returns The client, deeply frozen, without its secrets, keys and label.
 *
 * @throws {InvalidClientError} `FDT_INVALID_CLIENT` (400) when the client is malformed, unknown or disabled, has no such
 * secret or had it, or when what the source found is not a usable record (then with a cause that names the member).
 * @throws {StoreUnavailableError} `FDT_STORE_UNAVAILABLE` (503) when the source fails; errors of this package
 * pass unchanged.
 */
export async function authenticateClientSecret (source: ClientSource, clientId: string, secret: string, { now = Date.now }: AuthenticateClientOptions = {}): Promise<Client> {
  if (!isClientId(clientId) || typeof secret !== 'string' || !CLIENT_SECRET.test(secret)) throw new InvalidClientError()

  const digest = digestSecret(secret)
  const record = await lookUp(source, clientId)
  if (!knowsSecret(record?.secrets ?? [], digest, now()) || record === undefined || record.disabled === true) throw new InvalidClientError()

  return toClient(record)
}

/**
 * The record of a client that shows in another way who it is.
 *
 * @returns The record, checked; `undefined` where there is none with just this id, or it is disabled.
 *
 * @throws {InvalidClientError} `FDT_INVALID_CLIENT` (400), with a cause that names the member, when the record is unusable.
 * @throws {StoreUnavailableError} `FDT_STORE_UNAVAILABLE` (503) when the source fails.
 *
 * @internal
 */
export async function findClient (source: ClientSource, clientId: string): Promise<ClientRecord | undefined> {
  const record = isClientId(clientId) ? await lookUp(source, clientId) : undefined
  return record?.disabled === true ? undefined : record
}

/**
 * @throws {InvalidValueError} `FDT_INVALID_VALUE` (500), naming the member, unless `value` is a record to rely on.
 *
 * @internal
 */
export function checkClientRecord (value: unknown): asserts value is ClientRecord {
  checkRecord(value, "a client's", MEMBERS)
  checkRecord(value, "a client's", {
    secrets: (secrets) => hasItems(secrets) || hasItems(member(value, 'keys')),
    defaultScopes: (names) => isWithin(names, member(value, 'scopes'))
  })
}

/** @internal */
export function toClient ({ id, owner, scopes, defaultScopes, audiences, introspects, tokenLifetime, requireDpop, rateLimit }: Client): Client {
  return Object.freeze({
    id,
    ...(owner !== undefined && { owner }),
    ...(scopes !== undefined && { scopes: frozenSet(scopes) }),
    ...(defaultScopes !== undefined && { defaultScopes: frozenSet(defaultScopes) }),
    ...(audiences !== undefined && { audiences: frozenSet(audiences) }),
    ...(introspects !== undefined && { introspects: frozenSet(introspects) }),
    ...(tokenLifetime !== undefined && { tokenLifetime }),
    ...(requireDpop !== undefined && { requireDpop }),
    ...(rateLimit !== undefined && { rateLimit: Object.freeze({ max: rateLimit.max, timeWindow: rateLimit.timeWindow }) })
  })
}

/** A copy, each name once: the lists end up in tokens. */
function frozenSet (names: readonly string[]): readonly string[] {
  return Object.freeze([...new Set(names)])
}

/** @internal */
export function isAudience (value: unknown): value is string {
  return isPlainText(value, MAX_AUDIENCE_LENGTH)
}

/** @internal Whether all of `names` are among `allowed`; a list that is absent limits nothing. */
export function isWithin (names: unknown, allowed: unknown): boolean {
  return !Array.isArray(names) || !Array.isArray(allowed) || names.every((name) => allowed.includes(name))
}

const MEMBERS: { readonly [Name in keyof Required<ClientRecord>]: Check } = {
  id: isClientId,
  owner: optional(isText),
  label: optional(isText),
  scopes: optional((value) => isListOf(value, isScopeName)),
  defaultScopes: optional((value) => isListOf(value, isScopeName)),
  audiences: optional((value) => isListOf(value, isAudience)),
  introspects: optional((value) => isListOf(value, isAudience)),
  tokenLifetime: optional(isLifetime),
  requireDpop: optional(isBoolean),
  rateLimit: optional(isLimit),
  disabled: optional(isBoolean),
  createdAt: isTime,
  secrets: (value) => isListOf(value, isKeptSecret) && value.length <= MAX_SECRETS,
  keys: optional((value) => isListOf(value, isPublicJwk) && value.length <= MAX_CLIENT_KEYS)
}

function isClientId (value: unknown): value is string {
  return typeof value === 'string' && CLIENT_ID.test(value)
}

function hasItems (value: unknown): boolean {
  return Array.isArray(value) && value.length > 0
}

async function lookUp (source: ClientSource, clientId: string): Promise<ClientRecord | undefined> {
  const found: unknown = await orOutage(() => source.find(clientId))
  if (found === undefined || found === null) return undefined

  try {
    checkClientRecord(found)
  } catch (cause) {
    throw new InvalidClientError({ cause })
  }
  // A look-up that ignores case or accents must not let another spelling of the id in.
  return found.id === clientId ? found : undefined
}
