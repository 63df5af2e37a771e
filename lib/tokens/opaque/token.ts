import { type AnyParameters } from './parameters.ts'

export interface IssuedOpaqueToken {
  token: string
  /** Names the token without being it: it ends the token, and tells whose it is and how long it lives. 43 characters of base64url. */
  accessor: string
  /** Seconds since the Unix epoch. */
  expiresAt: number
}

/** What is known of a token without the token itself. */
export interface OpaqueTokenInfo {
  readonly accessor: string
  /** Whose token it is: the owner of the credential that had it issued, or else the credential's id. */
  readonly auth: string
  /** The id of the credential that had it issued. Absent when the host issued it by itself. */
  readonly credential?: string
  /** Milliseconds since the Unix epoch. */
  readonly issuedAt: number
  /** Seconds since the Unix epoch. */
  readonly expiresAt: number
  /** Absent: there is no limit. */
  readonly maxUses?: number
}

/** What a token stands for. */
export interface OpaqueToken<Parameters extends object = AnyParameters> extends OpaqueTokenInfo {
  /** Without `auth`. */
  readonly parameters: Parameters
  /** What `/verify` answers: the parameters as they were posted, and `auth`. */
  readonly json: string
  /** How often it was verified, this time included. Only where there is `maxUses`, and not yet known to `onVerify`. */
  readonly uses?: number
}
