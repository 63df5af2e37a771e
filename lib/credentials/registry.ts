import { CredentialConflictError, InvalidOptionError, UnknownCredentialError } from '../errors.ts'
import { isLimit, type Limit } from '../limits/limit.ts'
import { publish } from '../publish.ts'
import { ID_LENGTH, MAX_DOCUMENTS, NAME_PATTERN } from '../schemas/scalars.ts'
import { decodeRecord, encodeRecord } from '../stores/record.ts'
import { checkStore, MAX_TTL, type TokenStore } from '../stores/token-store.ts'
import { type ApiKeyRecord, type ApiKeySecret, type ApiKeySource, FLOWS, type Flow, checkApiKeyRecord, isLifetime, isListOf, isLive, isText, isTime, toCredential } from './api-key.ts'
import { createSecret, createSecretId, digestSecret, isSecretId } from './secret.ts'

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

export interface RotateOptions {
  /** Seconds for which the secret before lives on, at most ten years; 0 ends it at once. Never prolongs it. Default is `86400`, a day. */
  overlap?: number | undefined
  /** When the new secret ends, in seconds since the Unix epoch. Default is never, whatever the one before had. */
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

const PREFIX = 'api-key/'
const DURABLE = { durable: true }
const DEFAULT_OVERLAP = 24 * 3600
const MAX_OVERLAP = MAX_TTL / 1000
const MAX_PERMISSIONS = 64
// Of those who change a key at the same time one gets through per round, so this many can.
const MAX_ROUNDS = 32

/**
 * Makes a registry of API keys over a store. It holds nothing itself: make as many as you like.
 *
 * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500), naming the option.
 */
export function createApiKeyRegistry ({ store, now = Date.now }: ApiKeyRegistryOptions): ApiKeyRegistry {
  checkStore(store)
  if (typeof now !== 'function') throw new InvalidOptionError('now', 'must be a function that returns milliseconds')

  const seconds = () => Math.floor(now() / 1000)

  // What this release does not know of a record, a process of a later one may: it is kept.
  async function change (key: string, update: (record: ApiKeyRecord) => ApiKeyRecord): Promise<ApiKey> {
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const before = await store.get(key)
      if (before === undefined) throw new UnknownCredentialError()
      const record = update(readRecord(before))
      if (await store.replace(key, before, encodeRecord(record), DURABLE)) return describe(record)
    }
    throw new CredentialConflictError()
  }

  return {
    async find ({ id }) {
      const value = isSecretId(id) ? await store.get(PREFIX + id) : undefined
      // Not checked twice on a request's path: `authenticateApiKey` checks whatever a source finds.
      return value === undefined ? undefined : decodeRecord(value) as object as ApiKeyRecord
    },

    async create (input = {}) {
      const time = seconds()
      checkMembers(input, INPUT_RULES, time)

      const { expiresAt, ...members } = input
      const id = createSecretId()
      const { secret, kept } = newSecret(id, time, expiresAt)
      const value = encodeRecord({ ...members, id, createdAt: time, secrets: [kept] })
      const record = describe(readRecord(value))
      if (!await store.add(PREFIX + id, value, DURABLE)) throw new CredentialConflictError()

      return { record, secret }
    },

    async * list () {
      for await (const { value } of store.scan(PREFIX)) yield describe(readRecord(value))
    },

    async get (id) {
      const value = isSecretId(id) ? await store.get(PREFIX + id) : undefined
      return value === undefined ? undefined : describe(readRecord(value))
    },

    async rotate (id, options = {}) {
      const time = seconds()
      checkMembers(options, ROTATE_RULES, time)

      const { overlap = DEFAULT_OVERLAP, expiresAt } = options
      const key = storeKey(id)
      const { secret, kept } = newSecret(id, time, expiresAt)
      const record = await change(key, (record) => ({ ...record, secrets: [...endSoon(record.secrets, time, overlap), kept] }))
      publish('rotated', () => ({ what: 'api-key', id, owner: record.owner, time: now() }))
      return { record, secret }
    },

    async disable (id) {
      return await change(storeKey(id), (record) => ({ ...record, disabled: true }))
    },

    async enable (id) {
      return await change(storeKey(id), (record) => ({ ...record, disabled: false }))
    },

    async revoke (id) {
      if (!await store.delete(storeKey(id), DURABLE)) throw new UnknownCredentialError()
    }
  }
}

interface Rule {
  is: (value: unknown, time: number) => boolean
  must: string
}

const TEXT: Rule = { is: isText, must: 'must be 1 to 256 characters without control characters' }
const FUTURE: Rule = { is: (value, time) => isTime(value) && value > time, must: 'must be a time to come, in whole seconds since 1970-01-01T00:00:00Z' }

const INPUT_RULES: Readonly<Record<keyof ApiKeyInput, Rule>> = {
  owner: TEXT,
  label: TEXT,
  flows: { is: (value) => isShortList(value, FLOWS.length, isFlow), must: `must list some of ${FLOWS.join(', ')}` },
  documents: { is: (value) => isShortList(value, MAX_DOCUMENTS, isDocumentId), must: `must list 1 to ${MAX_DOCUMENTS} ids of ${ID_LENGTH.minLength} to ${ID_LENGTH.maxLength} characters` },
  permissions: { is: (value) => isShortList(value, MAX_PERMISSIONS, isPermission), must: `must list 1 to ${MAX_PERMISSIONS} names of 1 to 64 of A–Z, a–z, 0–9, ., _, : and -` },
  maxLifetime: { is: isLifetime, must: 'must be a positive whole number of seconds' },
  rateLimit: { is: (value) => isLimit(value) && Object.keys(value).length === 2, must: 'must be { max, timeWindow }: whole numbers of at least 1, the second in milliseconds and at most ten years' },
  expiresAt: FUTURE
}

const ROTATE_RULES: Readonly<Record<keyof RotateOptions, Rule>> = {
  overlap: { is: (value) => isTime(value) && value <= MAX_OVERLAP, must: `must be a whole number of seconds from 0 to ${MAX_OVERLAP}` },
  expiresAt: FUTURE
}

// A misspelt limit would leave the key without it, so unknown names are refused.
function checkMembers (input: object, rules: Readonly<Record<string, Rule>>, time: number): void {
  if (typeof input !== 'object' || input === null) throw new InvalidOptionError('options', 'must be an object')
  for (const [name, value] of Object.entries(input)) {
    const rule = Object.hasOwn(rules, name) ? rules[name] : undefined
    if (rule === undefined) throw new InvalidOptionError(name, 'is not known')
    if (value !== undefined && !rule.is(value, time)) throw new InvalidOptionError(name, rule.must)
  }
}

function isShortList (value: unknown, longest: number, isItem: (item: unknown) => boolean): boolean {
  return isListOf(value, isItem) && value.length >= 1 && value.length <= longest
}

function isFlow (value: unknown): boolean {
  return FLOWS.some((flow) => flow === value)
}

function isDocumentId (value: unknown): boolean {
  return typeof value === 'string' && value.length >= ID_LENGTH.minLength && value.length <= ID_LENGTH.maxLength
}

const PERMISSION = new RegExp(NAME_PATTERN)

function isPermission (value: unknown): boolean {
  return typeof value === 'string' && PERMISSION.test(value)
}

// An id from outside enters a store key only in the form that ids have.
function storeKey (id: string): string {
  if (!isSecretId(id)) throw new UnknownCredentialError()
  return PREFIX + id
}

function readRecord (value: Uint8Array): ApiKeyRecord {
  const record: unknown = decodeRecord(value)
  checkApiKeyRecord(record)
  return record
}

function newSecret (id: string, createdAt: number, expiresAt: number | undefined): { secret: string, kept: ApiKeySecret } {
  const secret = createSecret('key', id)
  return { secret, kept: { digest: digestSecret(secret), createdAt, ...(expiresAt !== undefined && { expiresAt }) } }
}

/** The newest live secret, ending within `overlap` seconds. None when that is at once. */
function endSoon (secrets: readonly ApiKeySecret[], time: number, overlap: number): ApiKeySecret[] {
  return secrets
    .filter((secret) => isLive(secret, time))
    .slice(-1)
    .map((secret) => ({ ...secret, expiresAt: Math.min(secret.expiresAt ?? Infinity, time + overlap) }))
    .filter((secret) => isLive(secret, time))
}

function describe (record: ApiKeyRecord): ApiKey {
  const { label, disabled, createdAt, secrets } = record
  return {
    ...toCredential(record),
    ...(label !== undefined && { label }),
    ...(disabled !== undefined && { disabled }),
    createdAt,
    secrets: secrets.map(({ createdAt, expiresAt }) => ({ createdAt, ...(expiresAt !== undefined && { expiresAt }) }))
  }
}
