import { createHash } from 'node:crypto'
import { StoreUnavailableError } from '../errors.ts'
import { orOutage } from '../stores/outage.ts'
import { STORE_FORMAT, type TokenStore } from '../stores/token-store.ts'

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

/** Tokens that were ended early. An entry lives as long as the last token that it covers. */
export interface Revocations {
  /** The store keys that speak about a token. They depend on the token alone, so they can be kept beside it. */
  keys (token: Revocable): string[]
  /** Whether one of the entries under `keys` ends a token that was issued at `issuedAt` (milliseconds). */
  isRevoked (keys: readonly string[], issuedAt: number): Promise<boolean>
  /** Ends one token, for `ttl` milliseconds. */
  revoke (jti: string, ttl: number): Promise<void>
  /** Ends all tokens of `target` issued at `before` or earlier (milliseconds), for `ttl` milliseconds. */
  revokeAll (target: RevocationTarget, before: number, ttl: number): Promise<void>
}

/** How often a change meets another one before it is called an outage. Each time the entry rose, so few suffice. */
const ATTEMPTS = 32

/**
 * @param store Where the entries live. Each write waits for the disk.
 * @param prefix Separates the tokens of one instance of a flow from all others, such as `session/default`.
 */
export function createRevocations (store: TokenStore, prefix: string): Revocations {
  const jtiKey = (jti: string): string => `${prefix}/revoked/${jti}`
  const beforeKey = (...parts: readonly string[]): string => `${prefix}/before/${digestParts(parts)}`

  function targetKey (target: RevocationTarget): string {
    if ('owner' in target) return beforeKey('owner', target.owner)
    if (!('subject' in target)) return beforeKey('credential', target.credential)
    return target.credential === undefined ? beforeKey('subject', target.subject) : beforeKey('subject-of', target.credential, target.subject)
  }

  async function readTime (key: string): Promise<{ entry: Uint8Array | undefined, time: number }> {
    const entry = await store.get(key)
    return { entry, time: entry === undefined ? -1 : decodeTime(entry) }
  }

  async function raise (key: string, before: number, ttl: number): Promise<void> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const { entry, time } = await readTime(key)
      if (time >= before) return
      const value = encodeTime(before)
      const options = { ttl, durable: true }
      if (entry === undefined ? await store.add(key, value, options) : await store.replace(key, entry, value, options)) return
    }
    throw new StoreUnavailableError()
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
    // The end of time, so that reading an entry is one and the same for both kinds.
    revoke: (jti, ttl) => orOutage(() => store.set(jtiKey(jti), encodeTime(END_OF_TIME), { ttl, durable: true })),
    revokeAll: (target, before, ttl) => orOutage(() => raise(targetKey(target), before, ttl))
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

/** Each part with its length in front, so that none can spell another. */
function digestParts (parts: readonly string[]): string {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(`${part.length}:`).update(part)
  return hash.digest('base64url')
}
