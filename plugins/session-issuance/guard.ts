import { type FastifyRequest } from 'fastify'
import {
  CrossSiteError, InsufficientPermissionError, InvalidOptionError, InvalidTokenError, MissingTokenError, MultipleTokensError, OriginNotAllowedError
} from '../../lib/errors.ts'
import { type TokenHolder } from '../../lib/events.ts'
import { checkNames } from '../../lib/options.ts'
import { publish } from '../../lib/publish.ts'
import { type DocumentSession, type DocumentSessionsCore, refusedSession } from '../../lib/tokens/document-session.ts'
import { isOrigin } from '../../lib/urls.ts'
import { either, type Presented, readBearer, readCookie, readHeader } from '../shared/bearer.ts'
import { type FlowInstance, originOf } from '../shared/flow-instance.ts'
import { createGuardHook, type GuardHook, type OnRefused } from '../shared/guard.ts'
import { isFromTrustedPage } from '../shared/same-origin.ts'

/** Which document a request is about. Just one of the three. */
export type DocumentResolver<Request> =
  /** The name of a parameter of the route's path. */
  | { param: string, documentId?: never, anyDocument?: never }
  /** What is not a non-empty string is refused. Where it reads the body, the guard belongs at `preHandler`. */
  | { documentId: (request: Request) => unknown, param?: never, anyDocument?: never }
  /** The route is about no document in particular: any one with the permissions will do. */
  | { anyDocument: true, param?: never, documentId?: never }

/** What `require` takes last. */
export type GuardOptions<Request> = DocumentResolver<Request> & {
  /** Read the token from this header alone, such as `x-document-session`, instead of `Authorization: Bearer`. */
  header?: string
  /**
   * Read the token from this cookie as well; both at once are refused. A request that changes something (any
   * method but GET, HEAD and OPTIONS) must then come from the same site and carry JSON, or no body.
   */
  cookie?: string
  /** With `cookie`: origins besides the issuer's and the request's own whose pages may change something. */
  trustedOrigins?: readonly string[]
  /** Answers a refusal in place of the guard and returns `reply`, or throws. When it does neither, the guard answers. */
  onRefused?: OnRefused<Request>
}

/** A hook for `onRequest`, or `preHandler` where the resolver reads the body. Sets `request.documentSession`. */
export type DocumentSessionGuard<Request> = GuardHook<Request>

/** Permissions, all of which are required, and then the options. */
export type GuardArguments<Permission extends string, Request> = [Permission, ...Permission[], GuardOptions<Request>]

const OPTIONS: ReadonlySet<string> = new Set(['param', 'documentId', 'anyDocument', 'header', 'cookie', 'trustedOrigins', 'onRefused'])

/** RFC 9110, section 5.6.2: what names of headers and cookies are made of. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

/**
 * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500) without a permission or a resolver, for an unknown
 * permission, or for an option that is unusable.
 *
 * @internal
 */
export function createGuard<Permission extends string, Request extends FastifyRequest> (
  sessions: DocumentSessionsCore<Permission>,
  args: readonly unknown[]
): DocumentSessionGuard<Request> {
  const { permissions, options } = checkArguments<Permission, Request>(sessions, args)
  const read = tokenReader(options)
  const resolve = documentResolver(options)
  const { issuer, name, now } = sessions.settings
  const trusted = new Set([new URL(issuer).origin, ...options.trustedOrigins ?? []])
  const instance: FlowInstance = { flow: 'session-issuance', name, now }

  // Of requests whose token was good.
  const sessionOf = new WeakMap<Request, DocumentSession<Permission>>()

  async function admit (request: Request): Promise<void> {
    const token = read(request)
    if (token.fromCookie && !isSameSiteJson(request, trusted)) throw new CrossSiteError()
    const session = await sessions.verify(token.text)
    sessionOf.set(request, session)
    if (session.allowedOrigins?.includes(String(request.headers.origin)) === false) throw new OriginNotAllowedError()

    const document = await resolve?.(request)
    const covered = resolve === undefined
      ? session.documents.some((document) => grants(document.permissions, permissions))
      : covers(session, document, permissions)
    if (!covered) throw new InsufficientPermissionError()
    publish('verified', () => ({ flow: instance.flow, name, time: now(), ...originOf(request), ...holderOf(session), permissions, document: typeof document === 'string' ? document : undefined }))
    // The host may have narrowed the type of the decorator: see FastifyDocumentSessions.
    request.documentSession = session as unknown as FastifyRequest['documentSession']
  }

  return createGuardHook({
    instance,
    admit,
    refusalOf: (cause) => new InsufficientPermissionError({ cause }),
    holderOf: (error, request) => holderOf(sessionOf.get(request) ?? refusedSession(error)),
    onRefused: options.onRefused
  })
}

function holderOf (session: DocumentSession<string> | undefined): TokenHolder {
  return { id: session?.jti, subject: session?.subject, credential: session?.credential, owner: session?.owner }
}

function grants (granted: readonly string[], required: readonly string[]): boolean {
  return required.every((permission) => granted.includes(permission))
}

function covers (session: DocumentSession<string>, documentId: unknown, required: readonly string[]): boolean {
  if (typeof documentId !== 'string' || documentId === '') return false
  return session.documents.some(({ id, permissions }) => id === documentId && grants(permissions, required))
}

function checkArguments<Permission extends string, Request> (sessions: DocumentSessionsCore<Permission>, args: readonly unknown[]): { permissions: Permission[], options: GuardOptions<Request> } {
  const last = args.at(-1)
  if (typeof last !== 'object' || last === null) throw new InvalidOptionError('require', 'takes { param }, { documentId } or { anyDocument: true } last, so that it knows the document')
  // Checked below, member by member.
  const options = last as GuardOptions<Request>
  const permissions = args.slice(0, -1) as Permission[]
  const vocabulary = sessions.settings.permissions
  if (permissions.length === 0 || !permissions.every((permission) => vocabulary.includes(permission))) throw new InvalidOptionError('require', `takes at least one permission, of ${vocabulary.join(', ')}`)

  checkNames(options, OPTIONS)
  const { param, documentId, anyDocument, header, cookie, trustedOrigins, onRefused } = options
  if ([param, documentId, anyDocument].filter((resolver) => resolver !== undefined).length !== 1) throw new InvalidOptionError('require', 'takes just one of param, documentId and anyDocument')
  if (param !== undefined && (typeof param !== 'string' || param === '')) throw new InvalidOptionError('param', 'must be the name of a parameter of the path')
  if (documentId !== undefined && typeof documentId !== 'function') throw new InvalidOptionError('documentId', 'must be a function of the request')
  if (anyDocument !== undefined && anyDocument !== true) throw new InvalidOptionError('anyDocument', 'can only be true')
  if (header !== undefined && (typeof header !== 'string' || !TOKEN.test(header))) throw new InvalidOptionError('header', 'must be the name of a header')
  if (cookie !== undefined && (typeof cookie !== 'string' || !TOKEN.test(cookie))) throw new InvalidOptionError('cookie', 'must be the name of a cookie')
  if (trustedOrigins !== undefined && (!Array.isArray(trustedOrigins) || !trustedOrigins.every(isOrigin))) throw new InvalidOptionError('trustedOrigins', 'must be a list of origins, such as https://app.example')
  if (onRefused !== undefined && typeof onRefused !== 'function') throw new InvalidOptionError('onRefused', 'must be a function')
  return { permissions, options }
}

function documentResolver<Request extends FastifyRequest> ({ param, documentId }: GuardOptions<Request>): ((request: Request) => unknown) | undefined {
  if (param === undefined) return documentId
  return ({ params }) => typeof params === 'object' && params !== null && Object.hasOwn(params, param) ? Reflect.get(params, param) : undefined
}

function tokenReader<Request extends FastifyRequest> ({ header, cookie }: GuardOptions<Request>): (request: Request) => { text: string, fromCookie: boolean } {
  const name = header?.toLowerCase()
  const absent: Presented = { state: 'absent' }

  return (request) => {
    const fromHeader = name === undefined || name === 'authorization' ? readBearer(request) : readHeader(request, name)
    const fromCookie = cookie === undefined ? absent : readCookie(request, cookie)
    const presented = either(fromHeader, fromCookie)
    if (presented.state === 'absent') throw new MissingTokenError()
    if (presented.state === 'several') throw new MultipleTokensError()
    if (presented.state === 'malformed') throw new InvalidTokenError()
    return { text: presented.text, fromCookie: presented === fromCookie }
  }
}

/** Whether no other site can have caused the request. Browsers forbid pages to set either header. */
function isSameSiteJson ({ method, headers }: FastifyRequest, trusted: ReadonlySet<string>): boolean {
  if (method === 'GET' || method === 'HEAD' || method === 'OPTIONS') return true
  if (!isFromTrustedPage(headers, trusted)) return false

  const type = headers['content-type']
  if (type !== undefined) return /^application\/json *(?:;|$)/i.test(type)
  return headers['transfer-encoding'] === undefined && (headers['content-length'] ?? '0') === '0'
}
