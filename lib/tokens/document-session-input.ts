import { type Credential } from '../credentials/index.ts'
import {
  CredentialLimitError, DuplicateDocumentError, InvalidRequestError, LifetimeTooLongError, PastExpiryError, UnknownPermissionError
} from '../errors.ts'
import { isId, MAX_DOCUMENTS } from '../schemas/scalars.ts'
import { isOrigin, isServerUrl } from '../urls.ts'
import { type ResolvedSessionsOptions } from './document-session-options.ts'

/** A document and what may be done with it. */
export interface SessionDocument<Permission extends string> {
  id: string
  /** Empty grants nothing. */
  permissions: readonly Permission[]
}

/** What `issue` takes. */
export interface SessionInput<Permission extends string> {
  /** Whose session it is: 1–512 characters. Default is the id of `credential`, else nobody's. */
  subject?: string
  /** At most 1000, none twice. Whether they exist is not checked. */
  documents: ReadonlyArray<SessionDocument<Permission>>
  /** Seconds that the session lives, counted from now. Default is `defaultLifetime`, or less where `credential` allows less. */
  expiresIn?: number
  /** When it ends, in seconds since the Unix epoch, instead of `expiresIn`. */
  expiresAt?: number
  /** When it begins, in seconds since the Unix epoch. Default is now. */
  notBefore?: number
  /** Origins of browsers that may use it, such as `https://app.example`. Default is any, and none too. */
  allowedOrigins?: readonly string[]
  /** Overrides the option `serverUrl`. */
  serverUrl?: string
  /** The credential on whose behalf the session is issued. Its limits hold, and it can end the session. */
  credential?: Credential
}

/** What messages call the members of the input, so that a route can speak the names of its wire. */
export interface MemberNames {
  document (index: number): string
  permission (index: number, position: number): string
  expiry: string
  notBefore: string
  subject: string
  allowedOrigins: string
}

/** @internal */
export const CODE_NAMES: MemberNames = {
  document: (index) => `documents[${index}].id`,
  permission: (index, position) => `documents[${index}].permissions[${position}]`,
  expiry: 'expiresIn or expiresAt',
  notBefore: 'notBefore',
  subject: 'subject',
  allowedOrigins: 'allowedOrigins'
}

type Limits = Pick<ResolvedSessionsOptions<string>, 'permissions' | 'defaultLifetime' | 'maxLifetime'>

/** @internal Every document once, every permission known, nothing beyond the credential's limits. */
export function checkDocuments (documents: unknown, vocabulary: readonly string[], credential: Credential | undefined, names: MemberNames): Array<SessionDocument<string>> {
  if (!Array.isArray(documents) || documents.length > MAX_DOCUMENTS) throw new InvalidRequestError(`documents must be a list of at most ${MAX_DOCUMENTS}`)

  const seen = new Set<string>()
  return documents.map((document: Partial<SessionDocument<string>> | undefined, index) => {
    const id = document?.id
    if (!isId(id)) throw new InvalidRequestError(`${names.document(index)} must be a string of 1 to 512 characters`)
    if (seen.has(id)) throw new DuplicateDocumentError(names.document(index))
    seen.add(id)
    if (credential?.documents?.includes(id) === false) throw new CredentialLimitError(names.document(index))

    return { id, permissions: checkPermissions(document?.permissions, vocabulary, credential, (position) => names.permission(index, position)) }
  })
}

function checkPermissions (permissions: unknown, vocabulary: readonly string[], credential: Credential | undefined, name: (position: number) => string): string[] {
  if (!Array.isArray(permissions)) throw new InvalidRequestError(`${name(0)} must stand in a list of permissions`)
  permissions.forEach((permission, position) => {
    if (!vocabulary.includes(permission)) throw new UnknownPermissionError(name(position), vocabulary.join(', '))
    if (credential?.permissions?.includes(permission) === false) throw new CredentialLimitError(name(position))
  })
  return [...new Set(permissions)]
}

/** @internal When the session ends, in whole seconds since the Unix epoch. */
export function checkExpiry (input: Pick<SessionInput<string>, 'expiresIn' | 'expiresAt' | 'credential'>, issuedAt: number, limits: Limits, names: MemberNames): number {
  const { expiresIn, expiresAt, credential } = input
  const cap = Math.min(limits.maxLifetime, credential?.maxLifetime ?? limits.maxLifetime)
  if (expiresIn === undefined && expiresAt === undefined) return issuedAt + Math.min(limits.defaultLifetime, cap)
  if (expiresIn !== undefined && expiresAt !== undefined) throw new InvalidRequestError('expiresIn and expiresAt cannot stand together')

  const end = expiresAt ?? issuedAt + Number(expiresIn)
  if (!Number.isInteger(expiresAt ?? expiresIn)) throw new InvalidRequestError(`${names.expiry} must be whole seconds`)
  if (end <= issuedAt) throw new PastExpiryError(names.expiry)
  // A cap that is no number, of a look-up of the host's, is none to go by.
  if (!(end <= issuedAt + cap)) throw new LifetimeTooLongError(names.expiry, String(cap))
  return end
}

/** @internal */
export function checkNotBefore (notBefore: unknown, expiresAt: number, names: MemberNames): number | undefined {
  if (notBefore === undefined) return undefined
  if (!Number.isSafeInteger(notBefore) || Number(notBefore) < 0) throw new InvalidRequestError(`${names.notBefore} must be whole seconds since 1970-01-01T00:00:00Z`)
  if (Number(notBefore) >= expiresAt) throw new InvalidRequestError(`${names.notBefore} must be before the end of the session`)
  return Number(notBefore)
}

/** @internal */
export function checkSubject (subject: unknown, names: MemberNames): void {
  if (subject !== undefined && !isId(subject)) throw new InvalidRequestError(`${names.subject} must be a string of 1 to 512 characters`)
}

/** @internal What a guard would refuse later must not be signed now. */
export function checkCredential (credential: Credential | undefined): void {
  if (credential === undefined) return
  if (!isId(credential?.id) || (credential.owner !== undefined && !isId(credential.owner))) throw new InvalidRequestError('credential must have an id, and may have an owner, of 1 to 512 characters')
}

/** @internal */
export function checkOrigins (origins: unknown, names: MemberNames): void {
  if (origins === undefined) return
  if (!Array.isArray(origins) || origins.length === 0 || origins.length > 100 || !origins.every(isOrigin)) {
    throw new InvalidRequestError(`${names.allowedOrigins} must be a list of 1 to 100 origins, such as https://app.example`)
  }
}

/** @internal */
export function checkServerUrl (serverUrl: unknown): void {
  if (serverUrl !== undefined && !isServerUrl(serverUrl)) throw new InvalidRequestError('serverUrl must be an http(s) URL that ends with a slash')
}
