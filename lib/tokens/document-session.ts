import { setTimeout as sleep } from 'node:timers/promises'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import {
  InvalidTokenError, SessionNotFoundError, SessionTooLargeError, TokenExpiredError, TokenRevokedError, InvalidRequestError
} from '../errors.ts'
import { type KeyRing } from '../keys/key-ring.ts'
import { publish } from '../publish.ts'
import { MAX_SESSION_TOKEN_LENGTH } from '../schemas/scalars.ts'
import { type TokenStore } from '../stores/token-store.ts'
import { type SessionClaims, SessionClaimsSchema } from '../schemas/document-session.ts'
import {
  type DocumentEngineInput, documentEngineClaims, documentEngineKeysMissing, type IssuedDocumentEngineToken
} from './document-engine.ts'
import {
  checkCredential, checkDocuments, checkExpiry, checkNotBefore, checkOrigins, checkServerUrl, checkSubject, CODE_NAMES, type MemberNames, type SessionDocument, type SessionInput
} from './document-session-input.ts'
import { type DefaultPermission, type DocumentSessionsOptions, resolveSessionsOptions } from './document-session-options.ts'
import { createJwtVerifier } from './jwt-verifier.ts'
import { type KeyEngineFactory, keyEngines } from './key-engine.ts'
import { createRevocations, type RevocationTarget } from './revocations.ts'
import { isUuidv7, uuidv7, uuidv7Time } from './uuid.ts'

/** A session token, verified. Frozen all the way down. */
export interface DocumentSession<Permission extends string = DefaultPermission> {
  /** The session's id, a UUID of version 7. */
  readonly jti: string
  /** Whose session it is. Absent when nobody's. */
  readonly subject?: string
  /** The id of the credential that had it issued. Absent when the host issued it by itself. */
  readonly credential?: string
  /** The owner of that credential, when it has one. */
  readonly owner?: string
  readonly documents: ReadonlyArray<Readonly<SessionDocument<Permission>>>
  /** Milliseconds since the Unix epoch. */
  readonly issuedAt: number
  /** Seconds since the Unix epoch. */
  readonly expiresAt: number
  /** Seconds since the Unix epoch. */
  readonly notBefore?: number
  readonly allowedOrigins?: readonly string[]
  readonly serverUrl?: string
}

export interface IssuedSession {
  /** The session token, a JWT. */
  token: string
  jti: string
  /** Seconds since the Unix epoch. */
  expiresAt: number
}

/** What `revoke` takes instead of a token: what `issue` or `verify` returned. */
export type SessionReference = Pick<DocumentSession, 'jti' | 'expiresAt'> & Partial<Pick<DocumentSession, 'subject' | 'credential' | 'owner'>>

/** Issues, verifies and ends sessions that are limited to documents and permissions. Knows nothing of HTTP. */
export interface DocumentSessionsCore<Permission extends string = DefaultPermission> {
  /** What the instance was made with. */
  readonly settings: Readonly<{ issuer: string, name: string, permissions: readonly Permission[], keys: KeyRing, store: TokenStore, now: () => number }>
  /**
   * Issues a session. Whether the documents exist, and whether the user may see them, is for the caller to know.
   *
   * @param names What messages call the members. Default is the names of {@link SessionInput}.
   *
   * @throws {InvalidRequestError} `FDT_INVALID_REQUEST` (400) for a member that is unusable.
   * @throws {PastExpiryError} `FDT_PAST_EXPIRY` (400) when it would have ended already.
   * @throws {LifetimeTooLongError} `FDT_LIFETIME_TOO_LONG` (400) beyond `maxLifetime` or the credential's.
   * @throws {UnknownPermissionError} `FDT_UNKNOWN_PERMISSION` (400).
   * @throws {DuplicateDocumentError} `FDT_DUPLICATE_DOCUMENT` (400) for a document that is listed twice.
   * @throws {SessionTooLargeError} `FDT_SESSION_TOO_LARGE` (400) for a token of more than 800 000 characters.
   * @throws {CredentialLimitError} `FDT_CREDENTIAL_LIMIT` (403) beyond the credential's documents or permissions.
   * @throws {NoSigningKeyError} `FDT_NO_SIGNING_KEY` (500) when the ring holds public halves only.
   * @throws {StoreUnavailableError} `FDT_STORE_UNAVAILABLE` (503) when the store is out of reach before the first session of a process.
   */
  issue (input: SessionInput<Permission>, names?: MemberNames): Promise<IssuedSession>
  /** Mints a token for a Document Engine of the host's own. It cannot be verified or revoked here. */
  issue (input: DocumentEngineInput): Promise<IssuedDocumentEngineToken>
  /**
   * What a session token stands for.
   *
   * Checks the header, the key, the signature, every claim, the time, and that nobody ended the session.
   * Does not check documents, permissions or origins: `require` does.
   *
   * @param token As it was sent, without `Bearer `. Untrusted.
   *
   * @throws {InvalidTokenError} `FDT_INVALID_TOKEN` (401), also before `notBefore`.
   * @throws {TokenExpiredError} `FDT_TOKEN_EXPIRED` (401), only once the signature is verified.
   * @throws {TokenRevokedError} `FDT_TOKEN_REVOKED` (401), only once the signature is verified.
   * @throws {StoreUnavailableError} `FDT_STORE_UNAVAILABLE` (503): then nothing is known of the token.
   */
  verify (token: string): Promise<DocumentSession<Permission>>
  /**
   * Ends one session, in every process that shares the store. A second time, or after its end, does nothing.
   *
   * @param session The token, or what `issue` or `verify` returned. A token may have expired.
   * @param issuedBy Id of the only credential whose session may be ended. Default is any session.
   *
   * @throws {SessionNotFoundError} `FDT_SESSION_NOT_FOUND` (404) for a token that is forged, malformed, of
   * another kind or of another credential. Nothing is stored then.
   */
  revoke (session: string | SessionReference, issuedBy?: string): Promise<void>
  /**
   * Ends all sessions of a user, a credential or an owner that were issued at `before` or earlier.
   *
   * @param options.before Milliseconds since the Unix epoch, not in the future. Default is now.
   */
  revokeAll (target: RevocationTarget, options?: { before?: number }): Promise<void>
}

const TYP = 'document-session+jwt'
const FLOW = 'session-issuance'

interface Verified<Permission extends string> {
  readonly session: DocumentSession<Permission>
  readonly revocationKeys: readonly string[]
}

/**
 * @param createEngine What signs and verifies with one key.
 *
 * @throws {InvalidOptionError} `FDT_INVALID_OPTION` for each option that is unusable.
 *
 * @internal
 */
export async function createDocumentSessionsCore<Permission extends string = DefaultPermission> (
  options: DocumentSessionsOptions<Permission>,
  createEngine: KeyEngineFactory
): Promise<DocumentSessionsCore<Permission>> {
  const settings = resolveSessionsOptions(options)
  const { issuer, keys, name, maxLifetime, documentEngineKeys, now } = settings
  const tolerance = settings.clockTolerance * 1000
  const audience = `${issuer.replace(/\/$/, '')}/viewer/${name}`
  const engineOf = keyEngines(createEngine, TYP)
  const plainEngineOf = keyEngines(createEngine, 'JWT')
  const claimsCheck = TypeCompiler.Compile(SessionClaimsSchema)
  const revocations = createRevocations({ store: settings.store, prefix: `session/${name}`, maxLifetime: maxLifetime * 1000, now })
  const authenticate = createJwtVerifier<Verified<Permission>>({
    keys,
    engineOf,
    isTyp: (typ) => typ === TYP,
    maxLength: MAX_SESSION_TOKEN_LENGTH,
    cacheBytes: settings.cacheBytes,
    read: (claims) => {
      if (!claimsCheck.Check(claims) || claims.iss !== issuer || claims.aud !== audience || !isUuidv7(claims.jti)) throw new InvalidTokenError()
      const session = toSession<Permission>(claims)
      return { session, revocationKeys: revocations.keys(session) }
    }
  })

  // So that the first request is as quick as the next.
  await Promise.all(keys.list().map(engineOf))

  async function issueSession (input: SessionInput<Permission>, names: MemberNames): Promise<IssuedSession> {
    const time = now()
    const issuedAt = Math.floor(time / 1000)
    const { credential, allowedOrigins, subject = credential?.id, serverUrl = settings.serverUrl } = input
    checkCredential(credential)
    checkSubject(subject, names)
    checkOrigins(allowedOrigins, names)
    checkServerUrl(serverUrl)
    const documents = checkDocuments(input.documents, settings.permissions, credential, names)
    const expiresAt = checkExpiry(input, issuedAt, settings, names)
    const notBefore = checkNotBefore(input.notBefore, expiresAt, names)
    const jti = uuidv7(time)

    const claims: SessionClaims = {
      iss: issuer,
      aud: audience,
      jti,
      iat: issuedAt,
      exp: expiresAt,
      ...(notBefore !== undefined && { nbf: notBefore }),
      ...(subject !== undefined && { sub: subject }),
      ...(credential !== undefined && { azp: credential.id }),
      ...(credential?.owner !== undefined && { owner: credential.owner }),
      allowed_documents: documents.map(({ id, permissions }) => ({ document_id: id, document_permissions: [...permissions] })),
      ...(allowedOrigins !== undefined && { allowed_origins: [...allowedOrigins] }),
      ...(serverUrl !== undefined && { server_url: serverUrl })
    }
    const engine = await engineOf(keys.signing())
    await revocations.announceLifetime()
    const token = await engine.sign(claims)
    if (token.length > MAX_SESSION_TOKEN_LENGTH) throw new SessionTooLargeError(String(MAX_SESSION_TOKEN_LENGTH))
    publish('issued', () => ({ flow: FLOW, name, time, id: jti, subject, credential: credential?.id, owner: credential?.owner, documents, expiresAt }))
    return { token, jti, expiresAt }
  }

  async function issueForDocumentEngine (input: DocumentEngineInput): Promise<IssuedDocumentEngineToken> {
    if (documentEngineKeys === undefined) throw documentEngineKeysMissing()
    const time = now()
    const issuedAt = Math.floor(time / 1000)
    const claims = documentEngineClaims(input)
    const expiresAt = checkExpiry(input, issuedAt, settings, CODE_NAMES)
    const engine = await plainEngineOf(documentEngineKeys.signing())
    const token = await engine.sign({ ...claims, iat: issuedAt, exp: expiresAt })
    const { document, permissions, userId: subject } = input
    publish('issued', () => ({ flow: FLOW, name, time, subject, documents: [{ id: document, permissions }], expiresAt }))
    return { token, expiresAt }
  }

  async function verify (token: string): Promise<DocumentSession<Permission>> {
    const { session, revocationKeys } = await authenticate(token)
    const time = now()
    if (session.expiresAt * 1000 <= time - tolerance) throw over(session, new TokenExpiredError())
    if (await revocations.isRevoked(revocationKeys, session.issuedAt)) throw over(session, new TokenRevokedError())
    if (session.notBefore !== undefined && session.notBefore * 1000 > time + tolerance) throw over(session, new InvalidTokenError())
    return session
  }

  async function find (token: string, issuedBy: string | undefined): Promise<SessionReference> {
    try {
      const { session } = await authenticate(token)
      if (issuedBy === undefined || session.credential === issuedBy) return session
    } catch (error) {
      if (!(error instanceof InvalidTokenError)) throw error
    }
    throw new SessionNotFoundError()
  }

  return Object.freeze<DocumentSessionsCore<Permission>>({
    settings: Object.freeze({ issuer, name, permissions: settings.permissions, keys, store: settings.store, now }),
    // One implementation behind two signatures: the compiler cannot relate the result to the input.
    issue: (async (input: SessionInput<Permission> | DocumentEngineInput, names: MemberNames = CODE_NAMES) => {
      if (typeof input !== 'object' || input === null) throw new InvalidRequestError('issue takes an object')
      if (!('profile' in input)) return await issueSession(input, names)
      if (input.profile !== 'document-engine') throw new InvalidRequestError('profile must be document-engine')
      return await issueForDocumentEngine(input)
    }) as DocumentSessionsCore<Permission>['issue'],
    verify,
    revoke: async (target, issuedBy) => {
      const session = typeof target === 'string' ? await find(target, issuedBy) : checkReference(target)
      const { jti, expiresAt, subject, credential, owner } = session
      await revocations.revoke(jti, expiresAt * 1000)
      publish('revoked', () => ({ flow: FLOW, name, time: now(), id: jti, subject, credential, owner }))
    },
    revokeAll: async (target, { before } = {}) => {
      const time = before === undefined ? now() : before
      if (!Number.isFinite(time) || time < 0 || time > now()) throw new InvalidRequestError('before must be milliseconds since 1970-01-01T00:00:00Z, not in the future')
      const [whose, last] = [checkTarget(target), Math.floor(time)]
      await revocations.revokeAll(whose, last)
      publish('revoked', () => ({ flow: FLOW, name, time: now(), ...whose, before: last }))
      // So that a session which is issued next is not of the millisecond that ended.
      if (before === undefined) await sleep(2)
    }
  })
}

const sessionsOf = new WeakMap<object, DocumentSession<string>>()

function over (session: DocumentSession<string>, error: Error): Error {
  sessionsOf.set(error, session)
  return error
}

/** @internal Whose session it was that `verify` refused for its time or because somebody ended it. */
export function refusedSession (error: Error): DocumentSession<string> | undefined {
  return sessionsOf.get(error)
}

function toSession<Permission extends string> (claims: SessionClaims): DocumentSession<Permission> {
  const documents = claims.allowed_documents.map(({ document_id: id, document_permissions: permissions }) =>
    // Names that left the vocabulary since are no harm: no guard asks for them.
    Object.freeze({ id, permissions: Object.freeze(permissions as Permission[]) }))

  return Object.freeze({
    jti: claims.jti,
    ...(claims.sub !== undefined && { subject: claims.sub }),
    ...(claims.azp !== undefined && { credential: claims.azp }),
    ...(claims.owner !== undefined && { owner: claims.owner }),
    documents: Object.freeze(documents),
    issuedAt: uuidv7Time(claims.jti),
    expiresAt: claims.exp,
    ...(claims.nbf !== undefined && { notBefore: claims.nbf }),
    ...(claims.allowed_origins !== undefined && { allowedOrigins: Object.freeze(claims.allowed_origins) }),
    ...(claims.server_url !== undefined && { serverUrl: claims.server_url })
  })
}

function checkReference (reference: SessionReference): SessionReference {
  if (typeof reference?.jti !== 'string' || !isUuidv7(reference.jti) || !Number.isSafeInteger(reference.expiresAt)) throw new InvalidRequestError('revoke takes a token, or what issue or verify returned')
  return reference
}

/** A copy without the members that are `undefined`. */
function checkTarget (target: RevocationTarget): RevocationTarget {
  const entries = typeof target === 'object' && target !== null ? Object.entries(target).filter(([, value]) => value !== undefined) : []
  const names = entries.map(([name]) => name).sort().join()
  const known = ['subject', 'credential', 'owner', 'credential,subject'].includes(names)
  if (!known || !entries.every(([, value]) => typeof value === 'string' && value !== '')) throw new InvalidRequestError('revokeAll takes { subject }, { subject, credential }, { credential } or { owner }')
  // Its names were just checked.
  return Object.fromEntries(entries) as RevocationTarget
}
