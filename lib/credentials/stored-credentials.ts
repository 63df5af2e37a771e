/**
 * What the registries have in common: credentials on a store, and how they change.
 *
 * @module
 */
import { CredentialConflictError, InvalidOptionError, UnknownCredentialError } from '../errors.ts'
import { type RotatedEvent } from '../events.ts'
import { publish } from '../publish.ts'
import { decodeRecord, encodeRecord, type StoredRecord } from '../stores/record.ts'
import { checkStore, MAX_TTL, type TokenStore } from '../stores/token-store.ts'
import { type CredentialSecret, isLive } from './kept-secret.ts'
import { FUTURE, type Rule, checkInput, isTime } from './members.ts'
import { type SecretKind, createSecret, createSecretId, digestSecret, isSecretId } from './secret.ts'

export interface RotateOptions {
  /** Seconds for which the secret before lives on, at most ten years; 0 ends it at once. Never prolongs it. Default is `86400`, a day. */
  overlap?: number | undefined
  /** When the new secret ends, in seconds since the Unix epoch. Default is never, whatever the one before had. */
  expiresAt?: number | undefined
}

/** @internal What a registry on a store is made with. */
export interface StoreOptions {
  store: TokenStore
  now?: () => number
}

/** @internal What the records of all kinds have. */
export interface CredentialRecord {
  readonly id: string
  readonly owner?: string
  readonly label?: string
  readonly disabled?: boolean
  readonly createdAt: number
  readonly secrets: readonly CredentialSecret[]
}

/** @internal What is special about a kind of credentials. */
export interface CredentialKind<Kept extends CredentialRecord, Shown> {
  /** What their keys in the store start with. */
  readonly prefix: string
  readonly secretKind: SecretKind
  /** What events call them. */
  readonly what: RotatedEvent['what']
  /** Throws `FDT_INVALID_VALUE` unless it is a record to rely on. */
  check (value: unknown): asserts value is Kept
  /** Without digests. */
  describe (record: Kept): Shown
}

/** @internal */
export interface StoredCredentials<Shown> {
  /** Current time in whole seconds since the Unix epoch. */
  seconds (): number
  /** What lies under the id, not checked: whatever a source finds is checked where it is used. */
  find (id: unknown): Promise<StoredRecord | undefined>
  /** Keeps a new record with a secret, which ends at `expiresAt` if at all. */
  add (members: object, expiresAt: number | undefined): Promise<{ record: Shown, secret: string }>
  /** Keeps a new record without one. */
  addWithoutSecret (members: object): Promise<{ record: Shown }>
  list (): AsyncIterable<Shown>
  get (id: string): Promise<Shown | undefined>
  rotate (id: string, options?: RotateOptions): Promise<{ record: Shown, secret: string }>
  disable (id: string): Promise<Shown>
  enable (id: string): Promise<Shown>
  revoke (id: string): Promise<void>
}

const DURABLE = { durable: true }
const DEFAULT_OVERLAP = 24 * 3600
const MAX_OVERLAP = MAX_TTL / 1000
// Of those who change a credential at the same time one gets through per round, so this many can.
const MAX_ROUNDS = 32

const ROTATE_RULES: Readonly<Record<keyof RotateOptions, Rule>> = {
  overlap: { is: (value) => isTime(value) && value <= MAX_OVERLAP, must: `must be a whole number of seconds from 0 to ${MAX_OVERLAP}` },
  expiresAt: FUTURE
}

/**
 * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500), naming the option.
 *
 * @internal
 */
export function storedCredentials<Kept extends CredentialRecord, Shown> (kind: CredentialKind<Kept, Shown>, { store, now = Date.now }: StoreOptions): StoredCredentials<Shown> {
  checkStore(store)
  if (typeof now !== 'function') throw new InvalidOptionError('now', 'must be a function that returns milliseconds')

  const seconds = () => Math.floor(now() / 1000)

  const read = (value: Uint8Array): Kept => {
    const record: unknown = decodeRecord(value)
    kind.check(record)
    return record
  }

  // An id from outside enters a store key only in the form that ids have.
  const storeKey = (id: string): string => {
    if (!isSecretId(id)) throw new UnknownCredentialError()
    return kind.prefix + id
  }

  const newSecret = (id: string, createdAt: number, expiresAt: number | undefined): { secret: string, kept: CredentialSecret } => {
    const secret = createSecret(kind.secretKind, id)
    return { secret, kept: { digest: digestSecret(secret), createdAt, ...(expiresAt !== undefined && { expiresAt }) } }
  }

  const keep = async (members: object, id: string, createdAt: number, secrets: readonly CredentialSecret[]): Promise<Shown> => {
    const value = encodeRecord({ ...members, id, createdAt, secrets })
    const record = kind.describe(read(value))
    if (!await store.add(kind.prefix + id, value, DURABLE)) throw new CredentialConflictError()
    return record
  }

  // What this release does not know of a record, a process of a later one may: it is kept.
  const change = async (key: string, update: (record: Kept) => Kept): Promise<Shown> => {
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const before = await store.get(key)
      if (before === undefined) throw new UnknownCredentialError()
      const record = update(read(before))
      if (await store.replace(key, before, encodeRecord(record), DURABLE)) return kind.describe(record)
    }
    throw new CredentialConflictError()
  }

  return {
    seconds,

    find: async (id) => {
      const value = isSecretId(id) ? await store.get(kind.prefix + id) : undefined
      return value === undefined ? undefined : decodeRecord(value)
    },

    add: async (members, expiresAt) => {
      const [id, createdAt] = [createSecretId(), seconds()]
      const { secret, kept } = newSecret(id, createdAt, expiresAt)
      return { record: await keep(members, id, createdAt, [kept]), secret }
    },

    addWithoutSecret: async (members) => ({ record: await keep(members, createSecretId(), seconds(), []) }),

    list: async function * () {
      for await (const { value } of store.scan(kind.prefix)) yield kind.describe(read(value))
    },

    get: async (id) => {
      const value = isSecretId(id) ? await store.get(kind.prefix + id) : undefined
      return value === undefined ? undefined : kind.describe(read(value))
    },

    rotate: async (id, options = {}) => {
      const time = seconds()
      checkInput(options, ROTATE_RULES, time)

      const { overlap = DEFAULT_OVERLAP, expiresAt } = options
      const key = storeKey(id)
      const { secret, kept } = newSecret(id, time, expiresAt)
      let owner: string | undefined
      const record = await change(key, (record) => {
        owner = record.owner
        return { ...record, secrets: [...endSoon(record.secrets, time, overlap), kept] }
      })
      publish('rotated', () => ({ what: kind.what, id, owner, time: now() }))
      return { record, secret }
    },

    disable: async (id) => await change(storeKey(id), (record) => ({ ...record, disabled: true })),

    enable: async (id) => await change(storeKey(id), (record) => ({ ...record, disabled: false })),

    revoke: async (id) => {
      if (!await store.delete(storeKey(id), DURABLE)) throw new UnknownCredentialError()
    }
  }
}

/** @internal What is shown of a record of any kind, beside what the credential may do. */
export function describeKept ({ label, disabled, createdAt, secrets }: CredentialRecord): Pick<CredentialRecord, 'label' | 'disabled' | 'createdAt'> & { secrets: ReadonlyArray<Omit<CredentialSecret, 'digest'>> } {
  return {
    ...(label !== undefined && { label }),
    ...(disabled !== undefined && { disabled }),
    createdAt,
    secrets: secrets.map(({ createdAt, expiresAt }) => ({ createdAt, ...(expiresAt !== undefined && { expiresAt }) }))
  }
}

/** The newest live secret, ending within `overlap` seconds. None when that is at once. */
function endSoon (secrets: readonly CredentialSecret[], time: number, overlap: number): CredentialSecret[] {
  return secrets
    .filter((secret) => isLive(secret, time))
    .slice(-1)
    .map((secret) => ({ ...secret, expiresAt: Math.min(secret.expiresAt ?? Infinity, time + overlap) }))
    .filter((secret) => isLive(secret, time))
}
