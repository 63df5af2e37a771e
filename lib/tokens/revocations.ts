import { digestParts } from '../digest.ts'
import { StoreUnavailableError } from '../errors.ts'
import { orOutage } from '../stores/outage.ts'
import { MAX_TTL, STORE_FORMAT, type TokenStore } from '../stores/token-store.ts'

/** What a token says of itself that can end it. */
export interface Revocable {
  jti: string
  subject?: string | undefined
  credential?: string | undefined
  owner?: string | undefined
}

/** What ends many tokens at once. `credential` beside `subject` narrows it to what that credential issued. */
export type RevocationTarget =
  | { subject: string, credential?: string }
  | { credential: string }
  | { owner: string }

/** Tokens that were ended early. An entry lives as long as the last token that it covers, whoever issued it. */
export interface Revocations {
  /** The store keys that speak about a token. They depend on the token alone, so they can be kept beside it. */
  keys (token: Revocable): string[]
  /** Whether one of the entries under `keys` ends a token that was issued at `issuedAt` (milliseconds). */
  isRevoked (keys: readonly string[], issuedAt: number): Promise<boolean>
  /**
   * To be awaited before a token is signed. Says in the store, once per process, how long tokens may live, so
   * that a process which was told of a shorter life does not forget too early what it ended.
   */
  announceLifetime (): Promise<void>
  /** Ends one token, which expires at `expiresAt` (milliseconds). */
  revoke (jti: string, expiresAt: number): Promise<void>
  /** Ends all tokens of `target` issued at `before` or earlier (milliseconds). */
  revokeAll (target: RevocationTarget, before: number): Promise<void>
}

export interface RevocationsOptions {
  /** Where the entries live. Each write waits for the disk. */
  store: TokenStore
  /** Separates the tokens of one instance of a flow from all others, such as `session/default`. */
  prefix: string
  /** Milliseconds that a token of this process lives at most. */
  maxLifetime: number
  /** Current time in milliseconds since the Unix epoch. */
  now: () => number
}

/** How often a change meets another one before it is called an outage. Each time the entry rose, so few suffice. */
const ATTEMPTS = 32

/** Milliseconds: the greatest tolerance that a guard may have, and the second that `exp` is rounded to. */
const MARGIN = 61_000

export function createRevocations ({ store, prefix, maxLifetime, now }: RevocationsOptions): Revocations {
  const lifetimeKey = `${prefix}/lifetime`
  const jtiKey = (jti: string): string => `${prefix}/revoked/${jti}`
  const beforeKey = (...parts: readonly string[]): string => `${prefix}/before/${digestParts(parts)}`
  let announced: Promise<void> | undefined

  function targetKey (target: RevocationTarget): string {
    if ('owner' in target) return beforeKey('owner', target.owner)
    if (!('subject' in target)) return beforeKey('credential', target.credential)
    return target.credential === undefined ? beforeKey('subject', target.subject) : beforeKey('subject-of', target.credential, target.subject)
  }

  /** Writes `time` unless what is there is as late or later. */
  async function raise (key: string, time: number, ttl: { ttl?: number }): Promise<void> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const entry = await store.get(key)
      if (entry !== undefined && decodeTime(entry) >= time) return
      const value = encodeTime(time)
      const options = { ...ttl, durable: true }
      if (entry === undefined ? await store.add(key, value, options) : await store.replace(key, entry, value, options)) return
    }
    throw new StoreUnavailableError()
  }

  async function longestLifetime (): Promise<number> {
    const entry = await store.get(lifetimeKey)
    return entry === undefined ? maxLifetime : Math.max(maxLifetime, decodeTime(entry))
  }

  return {
    keys: ({ jti, subject, credential, owner }) => {
      const keys = [jtiKey(jti)]
      if (subject !== undefined) keys.push(targetKey({ subject }))
      if (subject !== undefined && credential !== undefined) keys.push(targetKey({ subject, credential }))
      if (credential !== undefined) keys.push(targetKey({ credential }))
      if (owner !== undefined) keys.push(targetKey({ owner }))
      return keys
    },
    isRevoked: (keys, issuedAt) => orOutage(async () => {
      const entries = await Promise.all(keys.map((key) => store.get(key)))
      return entries.some((entry) => entry !== undefined && decodeTime(entry) >= issuedAt)
    }),
    announceLifetime: () => {
      announced ??= orOutage(() => raise(lifetimeKey, maxLifetime, {})).catch((error) => {
        announced = undefined
        throw error
      })
      return announced
    },
    revoke: async (jti, expiresAt) => {
      const ttl = Math.min(expiresAt + MARGIN - now(), MAX_TTL)
      // The end of time, so that reading an entry is one and the same for both kinds.
      if (ttl > 0) await orOutage(() => store.set(jtiKey(jti), encodeTime(END_OF_TIME), { ttl, durable: true }))
    },
    revokeAll: (target, before) => orOutage(async () => {
      // Read after `before` was taken: who issued by then has announced how long that lives.
      const ttl = before + await longestLifetime() + MARGIN - now()
      if (ttl > 0) await raise(targetKey(target), before, { ttl })
    })
  }
}

const END_OF_TIME = 2 ** 48 - 1

function encodeTime (time: number): Uint8Array {
  const value = Buffer.alloc(7)
  value.writeUInt8(STORE_FORMAT, 0)
  value.writeUIntBE(time, 1, 6)
  return value
}

/** An entry of another length was not written by us: it ends the token, since nothing says that it does not. */
function decodeTime (value: Uint8Array): number {
  return value.length === 7 ? Buffer.from(value).readUIntBE(1, 6) : END_OF_TIME
}
