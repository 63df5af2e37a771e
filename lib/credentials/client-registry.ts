import { InvalidOptionError } from '../errors.ts'
import { type JsonWebKey } from '../keys/key-ring.ts'
import { type Limit } from '../limits/limit.ts'
import { isScopeName } from '../oauth/scope.ts'
import { type TokenStore } from '../stores/token-store.ts'
import { type ClientRecord, type ClientSource, checkClientRecord, isAudience, isWithin, toClient } from './client.ts'
import { readClientKeys } from './client-keys.ts'
import { type CredentialSecret } from './kept-secret.ts'
import { FUTURE, LIFETIME, RATE_LIMIT, type Rule, TEXT, checkInput, isBoolean, isShortList } from './members.ts'
import { type CredentialKind, type RotateOptions, describeKept, storedCredentials } from './stored-credentials.ts'

export interface ClientRegistryOptions {
  /** Where the clients are kept. The host creates and closes it. */
  store: TokenStore
  /** Current time in milliseconds since the Unix epoch. Default is `Date.now`. */
  now?: () => number
}

/** An OAuth client as the registry shows it: its secrets are gone, only their times are left. */
export interface RegisteredClient extends Omit<ClientRecord, 'secrets'> {
  /** The oldest first. */
  readonly secrets: ReadonlyArray<Omit<CredentialSecret, 'digest'>>
}

/** A client that was made just now. */
export interface NewClient {
  readonly record: RegisteredClient
  /** This is the only time that anybody sees it. Absent where the client was to have none. */
  readonly secret?: string
}

/** A client with its new secret. This is the only time that anybody sees the secret. */
export interface NewClientSecret extends NewClient {
  readonly secret: string
}

/** What a new client may do. A member that is absent does not limit. */
export interface ClientInput {
  /** Whose client it is: 1–256 characters, none of them a control character. */
  owner?: string | undefined
  /** What it is for. Form as `owner`. */
  label?: string | undefined
  /** 1–64 scopes that it may have, each of 1–64 printable ASCII characters without space, quote and backslash. Default is every scope of the flow. */
  scopes?: readonly string[] | undefined
  /** What it gets where a request names no scope: 1–64 of `scopes`. Default is all that it may have. */
  defaultScopes?: readonly string[] | undefined
  /** 1–64 resources that it may have tokens for, each of 1–512 characters, none of them a control character. Default is every resource of the flow. */
  audiences?: readonly string[] | undefined
  /** Audiences whose tokens it may introspect, beside its own tokens. Form as `audiences`. Default is none. */
  introspects?: readonly string[] | undefined
  /** The life of its tokens, in seconds. Default is the flow's own. */
  tokenLifetime?: number | undefined
  /** Whether it gets tokens with a DPoP proof only (RFC 9449). Default is `false`. */
  requireDpop?: boolean | undefined
  /** How many requests it may make. Default is the flow's own limit by client. */
  rateLimit?: Limit | undefined
  /** 1–4 public keys, for `private_key_jwt`; of RSA with `alg`. They are kept with `kid`, without members that are not known. Default is none. */
  keys?: readonly JsonWebKey[] | undefined
  /** Whether it gets a secret. Without one it needs `keys`. Default is `true`. */
  secret?: boolean | undefined
  /** When its secret ends, in seconds since the Unix epoch. Default is never. */
  expiresAt?: number | undefined
}

/**
 * OAuth clients on a store. Every change waits until it would survive a loss of power, works beside other
 * processes on the same store, and holds there from the next request on.
 *
 * Methods that change a client throw `FDT_UNKNOWN_CREDENTIAL` (404) when there is none with this id, and
 * `FDT_CREDENTIAL_CONFLICT` (409) when others kept changing it meanwhile; then nothing was written.
 * What the store rejects with passes unchanged.
 */
export interface ClientRegistry extends ClientSource {
  /**
   * Makes a client. Keep the id, hand the secret over, and forget it: it cannot be shown again.
   *
   * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500), naming the member that is unusable or unknown. Of a key it
   * holds nothing.
   */
  create (input?: ClientInput): Promise<NewClient>
  /** All clients, in no order. For administration: it reads every one of them. */
  list (): AsyncIterable<RegisteredClient>
  /** The client with this id, or `undefined`. */
  get (id: string): Promise<RegisteredClient | undefined>
  /**
   * Gives the client a new secret, or its first one; the one before lives on for `overlap` seconds. At most two live:
   * when there are two already, the older one ends at once. A disabled client stays disabled, and keys stay as they are.
   *
   * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500), naming the option.
   */
  rotate (id: string, options?: RotateOptions): Promise<NewClientSecret>
  /** Refuses the client until it is enabled again. Tokens that it has live on. */
  disable (id: string): Promise<RegisteredClient>
  /** Takes `disable` back. */
  enable (id: string): Promise<RegisteredClient>
  /** Deletes the client for good. Tokens that it has live on. */
  revoke (id: string): Promise<void>
}

/** Of scopes and audiences: all of them are in every token. */
const MAX_NAMES = 64

const CLIENTS: CredentialKind<ClientRecord, RegisteredClient> = {
  prefix: 'client/',
  secretKind: 'client',
  what: 'client',
  check: checkClientRecord,
  describe: (record) => ({ ...toClient(record), ...describeKept(record), ...(record.keys !== undefined && { keys: record.keys }) })
}

const SCOPES: Rule = { is: (value) => isShortList(value, MAX_NAMES, isScopeName), must: `must list 1 to ${MAX_NAMES} names of 1 to 64 printable ASCII characters without space, quote and backslash` }
const AUDIENCES: Rule = { is: (value) => isShortList(value, MAX_NAMES, isAudience), must: `must list 1 to ${MAX_NAMES} texts of 1 to 512 characters without control characters` }
const BOOLEAN: Rule = { is: isBoolean, must: 'must be true or false' }

const INPUT_RULES: Readonly<Record<keyof ClientInput, Rule>> = {
  owner: TEXT,
  label: TEXT,
  scopes: SCOPES,
  defaultScopes: SCOPES,
  audiences: AUDIENCES,
  introspects: AUDIENCES,
  tokenLifetime: LIFETIME,
  requireDpop: BOOLEAN,
  rateLimit: RATE_LIMIT,
  // Looked at more closely by `readClientKeys`.
  keys: { is: Array.isArray, must: 'must list public JWKs' },
  secret: BOOLEAN,
  expiresAt: FUTURE
}

/**
 * Makes a registry of OAuth clients over a store. It holds nothing itself: make as many as you like.
 *
 * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500), naming the option.
 */
export function createClientRegistry (options: ClientRegistryOptions): ClientRegistry {
  const { seconds, find, add, addWithoutSecret, ...changes } = storedCredentials(CLIENTS, options)

  return {
    ...changes,

    // Not checked twice on a request's path: what a source finds is checked by whoever asks it.
    find: async (clientId) => await find(clientId) as object as ClientRecord | undefined,

    create: async (input = {}) => {
      checkInput(input, INPUT_RULES, seconds())
      const { secret: wantsSecret = true, expiresAt, keys, ...members } = input
      if (!isWithin(members.defaultScopes, members.scopes)) throw new InvalidOptionError('defaultScopes', 'must be some of "scopes"')
      if (!wantsSecret && keys === undefined) throw new InvalidOptionError('keys', 'must be given where there is no secret')
      if (!wantsSecret && expiresAt !== undefined) throw new InvalidOptionError('expiresAt', 'is the end of a secret, and there is to be none')

      const kept = { ...members, ...(keys !== undefined && { keys: readClientKeys(keys) }) }
      return wantsSecret ? await add(kept, expiresAt) : await addWithoutSecret(kept)
    }
  }
}
