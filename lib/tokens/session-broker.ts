import { InvalidOptionError, InvalidRequestError } from '../errors.ts'
import { checkClock } from '../options.ts'
import { publish } from '../publish.ts'
import { isId } from '../schemas/scalars.ts'
import { type TokenStore } from '../stores/token-store.ts'
import { checkDocuments, checkExpiry, CODE_NAMES, type SessionDocument } from './document-session-input.ts'
import { checkName, checkVocabulary, DEFAULT_PERMISSIONS, type DefaultPermission } from './document-session-options.ts'
import { type DocumentSessionsCore } from './document-session.ts'
import { askForSession, checkRemoteSessions, type RemoteSessions } from './remote-sessions.ts'

/** What the host's user may open, as the host knows it. */
export interface Authorization<Permission extends string = DefaultPermission> {
  /** Whose session it is: 1–512 characters. */
  subject: string
  /** 1–1000 documents, none twice. */
  documents: ReadonlyArray<SessionDocument<Permission>>
  /** Seconds that the session lives. Default is the issuer's, an hour with a remote service. */
  expiresIn?: number
}

export interface BrokeredSession {
  /** The session token, a JWT. */
  token: string
  /** What was asked for, in seconds since the Unix epoch. */
  expiresAt: number
}

/** What `createSessionBroker` takes, and the plugin too. */
export type SessionBrokerOptions<Permission extends string = DefaultPermission> = {
  /** Separates this instance's counters and events from another's. Default is `default`. */
  name?: string
  /** Current time in milliseconds since the Unix epoch. Default is `Date.now`. */
  now?: () => number
} & (LocalUpstream<Permission> | RemoteUpstream<Permission>)

/** Sessions of this app: guarded and revoked here. */
export interface LocalUpstream<Permission extends string> {
  /** What issues the sessions, such as `app.documentSessions`. */
  sessions: Pick<DocumentSessionsCore<Permission>, 'issue' | 'settings'>
  remote?: never
  permissions?: never
}

/** Sessions of somebody else's. Their tokens cannot be guarded or revoked here. */
export interface RemoteUpstream<Permission extends string> {
  remote: RemoteSessions
  /** The permissions that the service knows. Default is `read`, `write`, `download`. */
  permissions?: readonly Permission[]
  sessions?: never
}

/** The names of {@link SessionBrokerOptions}, so that a misspelt one can be refused. */
export const BROKER_OPTION_NAMES: ReadonlySet<string> = new Set(['sessions', 'remote', 'permissions', 'name', 'now'])

/** Asks for sessions on behalf of the host's own users. Knows nothing of HTTP on this side. */
export interface SessionBroker<Permission extends string = DefaultPermission> {
  /** What the instance was made with. `store` is that of the local sessions. */
  readonly settings: Readonly<{ name: string, now: () => number, issuer?: string, store?: TokenStore }>
  /**
   * Asks for a session. Whether the user may have it is for the caller to know: nothing is asked here.
   *
   * @throws {InvalidRequestError} `FDT_INVALID_REQUEST` (400) for a member that is unusable or unknown.
   * @throws {UnknownPermissionError} `FDT_UNKNOWN_PERMISSION` (400).
   * @throws {DuplicateDocumentError} `FDT_DUPLICATE_DOCUMENT` (400).
   * @throws {PastExpiryError} `FDT_PAST_EXPIRY` (400), {@link LifetimeTooLongError} `FDT_LIFETIME_TOO_LONG` (400).
   * @throws {UpstreamFailedError} `FDT_UPSTREAM_FAILED` (502) when the remote service refuses or fails.
   * @throws {UpstreamTimeoutError} `FDT_UPSTREAM_TIMEOUT` (504) when it does not answer in time.
   * @throws {StoreUnavailableError} `FDT_STORE_UNAVAILABLE` (503), and what else the local `issue` throws.
   */
  create (authorization: Authorization<Permission>): Promise<BrokeredSession>
}

const FLOW = 'session-broker'
const MEMBERS: ReadonlySet<string> = new Set<keyof Authorization>(['subject', 'documents', 'expiresIn'])

/** Seconds, where the service is somebody else's: the vendor's default, and our own cap. */
const REMOTE_LIFETIMES = { defaultLifetime: 3600, maxLifetime: 86_400 }

/** @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500), naming the option. */
export function createSessionBroker<Permission extends string = DefaultPermission> (options: SessionBrokerOptions<Permission>): SessionBroker<Permission> {
  if (typeof options !== 'object' || options === null) throw new InvalidOptionError('options', 'must be an object')
  const { name = 'default', now = Date.now, sessions, remote } = options
  checkName(name)
  checkClock(now)
  if ((sessions === undefined) === (remote === undefined)) throw new InvalidOptionError('sessions', 'or remote must be given, and just one of them')

  if (sessions !== undefined) {
    if (typeof sessions?.issue !== 'function' || typeof sessions.settings?.issuer !== 'string') throw new InvalidOptionError('sessions', 'must be app.documentSessions, or what createDocumentSessions() returned')
    if (options.permissions !== undefined) throw new InvalidOptionError('permissions', 'has no use beside sessions')
    const { issuer, store } = sessions.settings
    return Object.freeze<SessionBroker<Permission>>({
      settings: Object.freeze({ name, now, issuer, store }),
      create: async (authorization) => {
        const { token, expiresAt } = await sessions.issue(checkAuthorization(authorization))
        return { token, expiresAt }
      }
    })
  }

  const service = checkRemoteSessions(options.remote)
  // Without the option, Permission is the default vocabulary; the compiler cannot know.
  const { permissions: given = DEFAULT_PERMISSIONS as readonly string[] } = options
  checkVocabulary(given)
  const permissions = [...given]
  return Object.freeze<SessionBroker<Permission>>({
    settings: Object.freeze({ name, now }),
    create: async (authorization) => {
      const { subject, expiresIn, documents: asked } = checkAuthorization(authorization)
      const time = now()
      const documents = checkDocuments(asked, permissions, undefined, CODE_NAMES)
      const expiresAt = checkExpiry({ ...(expiresIn !== undefined && { expiresIn }) }, Math.floor(time / 1000), { ...REMOTE_LIFETIMES, permissions }, CODE_NAMES)
      const token = await askForSession(service, {
        allowed_documents: documents.map(({ id, permissions }) => ({ document_id: id, document_permissions: permissions })),
        exp: expiresAt,
        ...(service.sendSubject && { user_id: subject })
      })
      publish('issued', () => ({ flow: FLOW, name, time, subject, documents, expiresAt }))
      return { token, expiresAt }
    }
  })
}

/** A misspelt member, such as another name for the life, would be a session without that limit. */
function checkAuthorization<Permission extends string> (authorization: Authorization<Permission>): Authorization<Permission> {
  if (typeof authorization !== 'object' || authorization === null) throw new InvalidRequestError('an authorization is { subject, documents, expiresIn? }')
  const unknown = Object.keys(authorization).find((member) => !MEMBERS.has(member))
  if (unknown !== undefined) throw new InvalidRequestError('an authorization has no other members than subject, documents and expiresIn')
  const { subject, documents, expiresIn } = authorization
  if (!isId(subject)) throw new InvalidRequestError('subject must be a string of 1 to 512 characters')
  if (!Array.isArray(documents) || documents.length === 0) throw new InvalidRequestError('documents must be a list of at least one')
  return { subject, documents, ...(expiresIn !== undefined && { expiresIn }) }
}
