import { type ApiKeySource } from '../../lib/credentials/index.ts'
import { InvalidOptionError } from '../../lib/errors.ts'
import { OPTIONAL_MEMBERS, type OptionalMember } from '../../lib/schemas/document-session.ts'
import { type DefaultPermission, type DocumentSessionsOptions, SESSION_OPTION_NAMES } from '../../lib/tokens/document-session-options.ts'
import { type MachineLimits, type Resolved, resolveMachineLimits } from '../shared/limits.ts'
import { checkKeySource, checkPrefix, refuseIdle, refuseUnknownOptions } from '../shared/registration.ts'
import { type DocumentSessions } from './index.ts'

/** What the routes need. */
export interface SessionRoutesOptions {
  /** Register the routes. Default is `true`. */
  routes?: true
  /** Whose API keys may issue and end sessions: a registry, or a look-up of the host's own. */
  credentials: ApiKeySource
  /** Path the routes hang under, such as `/api`. Default is none. */
  prefix?: string
  /** Members that `POST /viewer/sessions` takes beside `allowed_documents` and `exp`: `user_id`, `nbf`, `allowed_origins`. Default is none. */
  optionalMembers?: readonly OptionalMember[]
  /** How often the routes may be called: by address, by API key, and with a wrong one. */
  limits?: MachineLimits
}

/** No routes: the host issues sessions itself, by `app.documentSessions.issue`. */
export interface NoRoutesOptions {
  routes: false
  credentials?: never
  prefix?: never
  optionalMembers?: never
  limits?: never
}

/** A ready object of `createDocumentSessions`, instead of the options that make one. */
export type ReadySessions<Permission extends string> =
  { sessions: DocumentSessions<Permission> } & { [Option in keyof DocumentSessionsOptions]?: never }

/** What `fastify.register` takes as its second argument. */
export type SessionIssuanceOptions<Permission extends string = DefaultPermission> =
  ((DocumentSessionsOptions<Permission> & { sessions?: never }) | ReadySessions<Permission>) &
  (SessionRoutesOptions | NoRoutesOptions)

/** @internal */
export type ResolvedRoutesOptions = Required<Omit<SessionRoutesOptions, 'routes' | 'limits'>> & { limits: Resolved<MachineLimits> }

const ROUTE_OPTION_NAMES = ['credentials', 'optionalMembers', 'limits']

const NAMES: ReadonlySet<string> = new Set([...SESSION_OPTION_NAMES, ...ROUTE_OPTION_NAMES, 'sessions', 'routes'])

/** @internal What the routes need, or `undefined` where there shall be none. */
export function resolveRoutesOptions (options: SessionIssuanceOptions<string>): ResolvedRoutesOptions | undefined {
  refuseUnknownOptions(options, NAMES)
  const { sessions, routes = true, credentials, prefix = '', optionalMembers = [], limits } = options
  if (sessions !== undefined) checkSessions(sessions, options)
  if (typeof routes !== 'boolean') throw new InvalidOptionError('routes', 'must be true or false')
  if (!routes) return refuseIdle(options, ROUTE_OPTION_NAMES, 'has no use with routes: false')

  checkKeySource('credentials', credentials)
  checkPrefix(prefix)
  if (!Array.isArray(optionalMembers) || !optionalMembers.every((member) => OPTIONAL_MEMBERS.includes(member))) throw new InvalidOptionError('optionalMembers', `must be a list of ${OPTIONAL_MEMBERS.join(', ')}`)

  return { credentials, prefix, optionalMembers, limits: resolveMachineLimits(limits) }
}

function checkSessions (sessions: DocumentSessions<string>, options: object): void {
  if (typeof sessions?.verify !== 'function' || typeof sessions.require !== 'function') throw new InvalidOptionError('sessions', 'must be what createDocumentSessions() returned')
  refuseIdle(options, [...SESSION_OPTION_NAMES], 'cannot stand beside sessions')
}
