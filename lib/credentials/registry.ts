import { ID_LENGTH, MAX_DOCUMENTS, NAME_PATTERN } from '../schemas/scalars.ts'
import { type Limit } from '../limits/limit.ts'
import { type TokenStore } from '../stores/token-store.ts'
import { type ApiKeyRecord, type ApiKeySecret, type ApiKeySource, FLOWS, type Flow, checkApiKeyRecord, toCredential } from './api-key.ts'
import { FUTURE, LIFETIME, RATE_LIMIT, type Rule, TEXT, checkInput, isShortList } from './members.ts'
import { type CredentialKind, type RotateOptions, describeKept, storedCredentials } from './stored-credentials.ts'

export interface ApiKeyRegistryOptions {
  /** Where the keys are kept. The host creates and closes it. */
  store: TokenStore
  /** Current time in milliseconds since the Unix epoch. Default is `Date.now`. */
  now?: () => number
}

/** An API key as the registry shows it: its secrets are gone, only their times are left. */
export interface ApiKey extends Omit<ApiKeyRecord, 'secrets'> {
  /** The oldest first. */
  readonly secrets: ReadonlyArray<Omit<ApiKeySecret, 'digest'>>
}

/** A key with its new secret. This is the only time that anybody sees the secret. */
export interface NewSecret {
  readonly record: ApiKey
  readonly secret: string
}

/** What a new key may do. A member that is absent does not limit. */
export interface ApiKeyInput {
  /** Whose key it is: 1–256 characters, none of them a control character. */
  owner?: string | undefined
  /** What it is for. Form as `owner`. */
  label?: string | undefined
  /** The flows that it may use. Default is every flow. */
  flows?: readonly Flow[] | undefined
  /** 1–1000 ids of documents, each of 1–512 characters. Default is every document. */
  documents?: readonly string[] | undefined
  /** 1–64 names of permissions. Default is every permission. */
  permissions?: readonly string[] | undefined
  /** The longest life, in seconds, of a token that it asks for. Default is the flow's own. */
  maxLifetime?: number | undefined
  /** How many requests it may make. Default is the flow's own limit by credential. */
  rateLimit?: Limit | undefined
  /** When its secret ends, in seconds since the Unix epoch. Default is never. */
  expiresAt?: number | undefined
}

/**
 * API keys on a store. Every change waits until it would survive a loss of power, works beside other
 * processes on the same store, and holds there from the next request on.
 *
 * Methods that change a key throw `FDT_UNKNOWN_CREDENTIAL` (404) when there is none with this id, and
 * `FDT_CREDENTIAL_CONFLICT` (409) when others kept changing it meanwhile; then nothing was written.
 * What the store rejects with passes unchanged.
 */
export interface ApiKeyRegistry extends ApiKeySource {
  /**
   * Makes a key. Keep the id, hand the secret over, and forget it: it cannot be shown again.
   *
   * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500), naming the member that is unusable or unknown.
   */
  create (input?: ApiKeyInput): Promise<NewSecret>
  /** All keys, in no order. For administration: it reads every one of them. */
  list (): AsyncIterable<ApiKey>
  /** The key with this id, or `undefined`. */
  get (id: string): Promise<ApiKey | undefined>
  /**
   * Gives the key a new secret; the one before lives on for `overlap` seconds. At most two live: when there
   * are two already, the older one ends at once. A disabled key stays disabled.
   *
   * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500), naming the option.
   */
  rotate (id: string, options?: RotateOptions): Promise<NewSecret>
  /** Refuses the key until it is enabled again. Tokens that it was used for before live on. */
  disable (id: string): Promise<ApiKey>
  /** Takes `disable` back. */
  enable (id: string): Promise<ApiKey>
  /** Deletes the key for good. Tokens that it was used for before live on. */
  revoke (id: string): Promise<void>
}

const MAX_PERMISSIONS = 64

const PERMISSION = new RegExp(NAME_PATTERN)

const API_KEYS: CredentialKind<ApiKeyRecord, ApiKey> = {
  prefix: 'api-key/',
  secretKind: 'key',
  what: 'api-key',
  check: checkApiKeyRecord,
  describe: (record) => ({ ...toCredential(record), ...describeKept(record) })
}

const INPUT_RULES: Readonly<Record<keyof ApiKeyInput, Rule>> = {
  owner: TEXT,
  label: TEXT,
  flows: { is: (value) => isShortList(value, FLOWS.length, isFlow), must: `must list some of ${FLOWS.join(', ')}` },
  documents: { is: (value) => isShortList(value, MAX_DOCUMENTS, isDocumentId), must: `must list 1 to ${MAX_DOCUMENTS} ids of ${ID_LENGTH.minLength} to ${ID_LENGTH.maxLength} characters` },
  permissions: { is: (value) => isShortList(value, MAX_PERMISSIONS, isPermission), must: `must list 1 to ${MAX_PERMISSIONS} names of 1 to 64 of A–Z, a–z, 0–9, ., _, : and -` },
  maxLifetime: LIFETIME,
  rateLimit: RATE_LIMIT,
  expiresAt: FUTURE
}

/**
 * Makes a registry of API keys over a store. It holds nothing itself: make as many as you like.
 *
 * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500), naming the option.
 */
export function createApiKeyRegistry (options: ApiKeyRegistryOptions): ApiKeyRegistry {
  const { seconds, find, add, ...changes } = storedCredentials(API_KEYS, options)

  return {
    ...changes,

    // Not checked twice on a request's path: `authenticateApiKey` checks whatever a source finds.
    find: async ({ id }) => await find(id) as object as ApiKeyRecord | undefined,

    create: async (input = {}) => {
      checkInput(input, INPUT_RULES, seconds())
      const { expiresAt, ...members } = input
      return await add(members, expiresAt)
    }
  }
}

function isFlow (value: unknown): value is Flow {
  return FLOWS.some((flow) => flow === value)
}

function isDocumentId (value: unknown): value is string {
  return typeof value === 'string' && value.length >= ID_LENGTH.minLength && value.length <= ID_LENGTH.maxLength
}

function isPermission (value: unknown): value is string {
  return typeof value === 'string' && PERMISSION.test(value)
}
