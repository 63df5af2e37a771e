import { FlowNotAllowedError, InvalidCredentialError } from '../errors.ts'
import { isLimit, type Limit } from '../limits/limit.ts'
import { orOutage } from '../stores/outage.ts'
import { type CredentialSecret, isKeptSecret, knowsSecret, MAX_SECRETS } from './kept-secret.ts'
import { type Check, checkRecord, isBoolean, isLifetime, isListOf, isText, isTime, optional } from './members.ts'
import { SECRET_PREFIX, digestSecret, parseSecret } from './secret.ts'

/** What API keys may be used for. `opaque-verification` is the half of opaque tokens that an editor's server needs. */
export const FLOWS = ['session-issuance', 'opaque-tokens', 'opaque-verification'] as const
export type Flow = typeof FLOWS[number]

/** Who calls, and how far that reaches. A limit that is absent does not limit; an empty list allows nothing. */
export interface Credential {
  /** Public: it names the credential in tokens, logs and commands. 1–256 characters without control characters. */
  readonly id: string
  /** Whose credential it is, for instance an account of the host. Form as `id`. */
  readonly owner?: string
  /** The flows that it may use. */
  readonly flows?: readonly Flow[]
  /** The ids of the documents that it may grant. */
  readonly documents?: readonly string[]
  /** The permissions that it may grant. */
  readonly permissions?: readonly string[]
  /** The longest life, in seconds, of a token that it asks for. */
  readonly maxLifetime?: number
  /** How many requests it may make, in place of the flow's own limit by credential. */
  readonly rateLimit?: Readonly<Limit>
}

/** One secret of an API key, as a source keeps it. */
export type ApiKeySecret = CredentialSecret

/** An API key, as a source keeps it. */
export interface ApiKeyRecord extends Credential {
  /** What it is for, in the words of whoever made it. Form as `id`. */
  readonly label?: string
  /** Refused while `true`. */
  readonly disabled?: boolean
  /** Seconds since the Unix epoch. */
  readonly createdAt: number
  /** One, or two while a rotation is under way. */
  readonly secrets: readonly ApiKeySecret[]
}

/** What a source has to go by. */
export interface PresentedKey {
  /** The id, where the key is one that this package made. */
  readonly id: string | undefined
  /** {@link digestSecret} of what was presented. For a host whose keys have another shape. */
  readonly digest: string
}

/**
 * Where API keys are looked up: the registry of this package, or any object of the host.
 *
 * A source finds and decides nothing. What it resolves to is checked, compared and judged by
 * {@link authenticateApiKey}, at every request anew: it is never cached, so that a key ends at once.
 */
export interface ApiKeySource {
  /** Resolves to the record that the key may belong to, by its id or by its digest. Rejects when it cannot tell. */
  find (presented: PresentedKey): Promise<ApiKeyRecord | undefined>
}

export interface AuthenticateOptions {
  /** The flow that the key is presented to. */
  flow: Flow
  /** Current time in milliseconds since the Unix epoch. Default is `Date.now`. */
  now?: () => number
}

const PRESENTABLE = /^[\x20-\x7e]{1,512}$/
/**
 * Tells whose API key this is.
 *
 * Checks the form, that the source knows the key, the secret (in constant time, by digest), that it has not
 * ended, that the key is not disabled, and that it may use the flow. Does not check documents, permissions
 * or lifetimes: compare the members of the result.
 *
 * @param source Where the key is looked up. An unknown key and a wrong secret cost the same look-up and the
 * same comparisons; a key that cannot be one costs no look-up.
 * @param presented The key as the caller sent it. Untrusted.
 *
 * @returns The credential, deeply frozen, without its secrets.
 *
 * @throws {InvalidCredentialError} `FDT_INVALID_CREDENTIAL` (401) when the key is malformed, unknown, expired
 * or disabled, or when what the source found is not a usable record (then with a cause that names the member).
 * @throws {FlowNotAllowedError} `FDT_FLOW_NOT_ALLOWED` (403) when the key is good, but not for this flow.
 * @throws {StoreUnavailableError} `FDT_STORE_UNAVAILABLE` (503) when the source fails; errors of this package
 * pass unchanged.
 */
export async function authenticateApiKey (source: ApiKeySource, presented: string, { flow, now = Date.now }: AuthenticateOptions): Promise<Credential> {
  if (typeof presented !== 'string' || !PRESENTABLE.test(presented)) throw new InvalidCredentialError()
  const parts = parseSecret(presented)
  if (parts?.kind !== 'key' && presented.startsWith(SECRET_PREFIX)) throw new InvalidCredentialError()

  const digest = digestSecret(presented)
  const record = await find(source, { id: parts?.id, digest })
  if (!knowsSecret(record?.secrets ?? [], digest, now()) || record === undefined || record.disabled === true) throw new InvalidCredentialError()
  if (record.flows !== undefined && !record.flows.includes(flow)) throw new FlowNotAllowedError()

  return toCredential(record)
}

/**
 * @throws {InvalidValueError} `FDT_INVALID_VALUE` (500), naming the member, unless `value` is a record to rely on.
 *
 * @internal
 */
export function checkApiKeyRecord (value: unknown): asserts value is ApiKeyRecord {
  checkRecord(value, "an API key's", MEMBERS)
}

/** @internal */
export function toCredential ({ id, owner, flows, documents, permissions, maxLifetime, rateLimit }: Credential): Credential {
  return Object.freeze({
    id,
    ...(owner !== undefined && { owner }),
    ...(flows !== undefined && { flows: Object.freeze([...flows]) }),
    ...(documents !== undefined && { documents: Object.freeze([...documents]) }),
    ...(permissions !== undefined && { permissions: Object.freeze([...permissions]) }),
    ...(maxLifetime !== undefined && { maxLifetime }),
    ...(rateLimit !== undefined && { rateLimit: Object.freeze({ max: rateLimit.max, timeWindow: rateLimit.timeWindow }) })
  })
}

const MEMBERS: { readonly [Name in keyof Required<ApiKeyRecord>]: Check } = {
  id: isText,
  owner: optional(isText),
  label: optional(isText),
  flows: optional(isListOfStrings),
  documents: optional(isListOfStrings),
  permissions: optional(isListOfStrings),
  maxLifetime: optional(isLifetime),
  rateLimit: optional(isLimit),
  disabled: optional(isBoolean),
  createdAt: isTime,
  secrets: (value) => isListOf(value, isKeptSecret) && value.length >= 1 && value.length <= MAX_SECRETS
}

function isListOfStrings (value: unknown): boolean {
  return isListOf(value, (item): item is string => typeof item === 'string')
}

async function find (source: ApiKeySource, presented: PresentedKey): Promise<ApiKeyRecord | undefined> {
  const found: unknown = await orOutage(() => source.find(presented))
  if (found === undefined || found === null) return undefined

  try {
    checkApiKeyRecord(found)
  } catch (cause) {
    throw new InvalidCredentialError({ cause })
  }
  return found
}
