import { InvalidOptionError } from '../errors.ts'
import { copyBody } from './body.ts'

/** A request that can be sent: as its caller wrote it, whatever happens to what the caller passed. */
export interface Outgoing {
  url: URL
  /** What `fetch` takes, but for headers and body. */
  rest: RequestInit
  headers: Headers
  body: RequestInit['body']
  /** Whether sending it again sends the same. */
  isReplayable: boolean
}

/** What `fetch` takes. */
export type FetchInput = Parameters<typeof globalThis.fetch>[0]

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

/**
 * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500) for a URL elsewhere, or with an `Authorization` of the caller's.
 *
 * @internal
 */
export function readOutgoing (input: FetchInput, init: RequestInit, origins: ReadonlySet<string>): Outgoing {
  const text = typeof input === 'string' ? input : 'href' in input ? input.href : input.url
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !isBare(url) || !origins.has(url.origin)) throw new InvalidOptionError('input', 'must be a URL of one of the origins of the token source, without user and password')

  const { headers: givenHeaders, body: givenBody = null, ...rest } = { ...membersOf(input), ...withoutUndefined(init) }
  const headers = new Headers(givenHeaders)
  if (headers.has('authorization')) throw new InvalidOptionError('headers', 'must have no Authorization: the token source adds it')
  return { url, rest, headers, ...copyBody(givenBody) }
}

/**
 * What the answer redirects to, as `fetch` would ask for it; `undefined` where it does not, or to another origin, or with
 * a body that was sent and is gone.
 *
 * @see [Fetch, section 4.4](https://fetch.spec.whatwg.org/#http-redirect-fetch)
 *
 * @internal
 */
export function follow (outgoing: Outgoing, { status, headers }: Response): Outgoing | undefined {
  const { url, rest, isReplayable } = outgoing
  const location = headers.get('location')
  if (!REDIRECTS.has(status) || location === null || !URL.canParse(location, url.href)) return undefined
  const target = new URL(location, url)
  if (!isBare(target) || target.origin !== url.origin) return undefined

  if (!turnsIntoGet(status, rest.method)) return isReplayable ? { ...outgoing, url: target } : undefined
  const kept = [...outgoing.headers].filter(([name]) => !name.startsWith('content-'))
  return { url: target, rest: { ...rest, method: 'GET' }, headers: new Headers(kept), body: null, isReplayable: true }
}

function turnsIntoGet (status: number, method = 'GET'): boolean {
  const name = method.toUpperCase()
  return status === 303 ? name !== 'GET' && name !== 'HEAD' : status < 303 && name === 'POST'
}

/** The origin of a `blob:` URL reads as that of http. */
function isBare ({ protocol, username, password }: URL): boolean {
  return (protocol === 'https:' || protocol === 'http:') && username === '' && password === ''
}

/** One by one: other implementations of `fetch` know no `Request` but their own. */
function membersOf (input: FetchInput): RequestInit {
  if (typeof input === 'string' || 'href' in input) return {}
  const { method, headers, body, signal, redirect, integrity, keepalive, credentials, referrer, referrerPolicy } = input
  return { method, headers, body, signal, redirect, integrity, keepalive, credentials, referrer, referrerPolicy, ...(body !== null && { duplex: 'half' }) }
}

/** To `fetch` a member that is `undefined` is not there. */
function withoutUndefined (init: RequestInit): RequestInit {
  return Object.fromEntries(Object.entries(init).filter(([, value]) => value !== undefined))
}
