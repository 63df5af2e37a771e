import { type FastifyRequest } from 'fastify'
import { DownloadNotAllowedError, InvalidAuthorizationError, InvalidOptionError, MissingTokenError, MultipleTokensError } from '../../lib/errors.ts'
import { checkNames } from '../../lib/options.ts'
import { publish } from '../../lib/publish.ts'
import { verifyDownload } from '../../lib/tokens/editor/download.ts'
import { type EditorSettings } from '../../lib/tokens/editor/options.ts'
import { isOrigin } from '../../lib/urls.ts'
import { type FlowInstance, originOf } from '../shared/flow-instance.ts'
import { createGuardHook, type GuardHook, type OnRefused } from '../shared/guard.ts'
import { isRefusal } from '../shared/refusals.ts'
import { headerLines } from './header.ts'

/** What `requireDownload` takes. */
export interface DownloadOptions<Request> {
  /** Where this app is for the document server, such as `https://app.example`: what stands before the path in the URLs that the host signs. */
  origin: string
  /** Whose secrets verify the token, where they are a function: from the route, never from the token. */
  tenant?: (request: Request) => Promise<string> | string
  /** Answers a refusal in place of the guard and returns `reply`, or throws. When it does neither, the guard answers. */
  onRefused?: OnRefused<Request>
}

/** A hook for `onRequest`. */
export type DownloadGuard<Request> = GuardHook<Request>

const OPTIONS = ['origin', 'tenant', 'onRefused']

/**
 * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500) for an option that is unusable, or without `outbox`.
 *
 * @internal
 */
export function createDownloadGuard<Request extends FastifyRequest> (settings: EditorSettings, options: DownloadOptions<Request>): DownloadGuard<Request> {
  checkOptions(settings, options)
  const { origin, tenant, onRefused } = options
  const { name, now } = settings
  const instance: FlowInstance = { flow: 'config-signing', name, now }

  async function admit (request: Request): Promise<void> {
    const token = readToken(request, settings)
    await verifyDownload(token, urlOf(request, origin), { tenant: await tenant?.(request) }, settings).catch(asMistake)
    publish('verified', () => ({ flow: instance.flow, name, time: now(), ...originOf(request), permissions: ['download'] }))
  }

  return createGuardHook({
    instance,
    admit,
    refusalOf: (cause) => new DownloadNotAllowedError({ cause }),
    holderOf: () => ({}),
    onRefused
  })
}

/** What is wrong with the secrets of a tenant is for the log alone: a stranger would hear that they can be guessed. */
function asMistake (error: unknown): never {
  throw isRefusal(error) && error.statusCode === 500 ? new InvalidAuthorizationError({ cause: error }) : error
}

function checkOptions<Request> ({ secrets }: EditorSettings, options: DownloadOptions<Request>): void {
  if (typeof options !== 'object' || options === null) throw new InvalidOptionError('requireDownload', 'takes { origin }')
  checkNames(options, OPTIONS)
  const { origin, tenant, onRefused } = options
  if (!isOrigin(origin)) throw new InvalidOptionError('origin', 'must be the origin that the document server reaches this app at, such as https://app.example')
  if (tenant !== undefined && typeof tenant !== 'function') throw new InvalidOptionError('tenant', 'must be a function of the request')
  if (onRefused !== undefined && typeof onRefused !== 'function') throw new InvalidOptionError('onRefused', 'must be a function')
  if (!secrets.has('outbox')) throw new InvalidOptionError('outbox', 'is needed to verify what the document server sends')
}

function readToken (request: FastifyRequest, { header, headerPrefix }: EditorSettings): string {
  const [line, ...more] = headerLines(request, header)
  // What has another prefix is somebody else's.
  if (line === undefined || !line.startsWith(headerPrefix)) throw new MissingTokenError()
  if (more.length > 0) throw new MultipleTokensError()
  return line.slice(headerPrefix.length)
}

/**
 * What the document server asked for, which is what it signed: as it came, before a `rewriteUrl` of the host's, and
 * without the name that the request gives to this server. The path must be written as a parser prints it: the router
 * takes it as it is, so one that goes up (`/a/../b`) would be judged as one and served as another.
 */
function urlOf ({ originalUrl }: FastifyRequest, origin: string): string {
  const url = `${origin}${originalUrl}`
  const path = originalUrl.replace(/[?#].*$/s, '')
  if (!/^\/(?!\/)/.test(path) || new URL(url).pathname !== path) throw new DownloadNotAllowedError()
  return url
}
