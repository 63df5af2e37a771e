/**
 * Secrets as a source keeps them, and how one that is presented is compared with them.
 *
 * @module
 */
import { isTime, member, optional } from './members.ts'
import { equalDigests, isDigest } from './secret.ts'

/** One secret of a credential, as a source keeps it. */
export interface CredentialSecret {
  /** {@link digestSecret} of the secret. */
  readonly digest: string
  /** Seconds since the Unix epoch. */
  readonly createdAt: number
  /** Seconds since the Unix epoch; from then on the secret is refused. Absent: it has no end. */
  readonly expiresAt?: number
}

/** One, or two while a rotation is under way. */
export const MAX_SECRETS = 2

// Compared where a secret is missing, so that every failure costs the same. Nothing hashes to it, and it has ended.
const NO_SECRET: CredentialSecret = { digest: 'A'.repeat(43), createdAt: 0, expiresAt: 0 }

export function isKeptSecret (value: unknown): value is CredentialSecret {
  return isDigest(member(value, 'digest')) && isTime(member(value, 'createdAt')) && optional(isTime)(member(value, 'expiresAt'))
}

/** @param now Seconds since the Unix epoch. */
export function isLive ({ expiresAt }: Pick<CredentialSecret, 'expiresAt'>, now: number): boolean {
  return expiresAt === undefined || expiresAt > now
}

/**
 * Whether one of the secrets has this digest and has not ended. Compares as often whatever there is to compare.
 *
 * @param now Milliseconds since the Unix epoch.
 */
export function knowsSecret (secrets: readonly CredentialSecret[], digest: string, now: number): boolean {
  let known = false
  for (let index = 0; index < MAX_SECRETS; index++) {
    const secret = secrets[index] ?? NO_SECRET
    const isEqual = equalDigests(secret.digest, digest)
    if (isEqual && isLive(secret, now / 1000)) known = true
  }
  return known
}
