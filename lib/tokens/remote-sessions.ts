import { Type } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import { readBounded } from '../bounded-body.ts'
import { InvalidOptionError, UpstreamFailedError, UpstreamTimeoutError } from '../errors.ts'
import { parseJson } from '../json.ts'
import { checkNames, checkWhole } from '../options.ts'
import { isConfidentialUrl } from '../urls.ts'

/** A service that speaks `POST /viewer/sessions`: Nutrient DWS Viewer, or another server of this package. */
export interface RemoteSessions {
  /** The endpoint, whole, such as `https://api.nutrient.io/viewer/sessions`. https, except on loopback; without user, query and fragment. */
  url: string
  /** Sent as `Authorization: Bearer`. Never in an error or a log. */
  apiKey: string
  /** Milliseconds until it must have answered, at most `60000`. Default is `5000`. */
  timeout?: number
  /** Send the subject as `user_id`. The vendor's service does not know it; this package takes it where `optionalMembers` names it. Default is `false`. */
  sendSubject?: boolean
}

/** The body of the request. */
export interface RemoteSessionBody {
  allowed_documents: ReadonlyArray<{ document_id: string, document_permissions: readonly string[] }>
  exp: number
  user_id?: string
}

/** Bytes of an answer. A session of 16 KiB and little else is in it. */
const MAX_ANSWER = 32 * 1024

const answer = TypeCompiler.Compile(Type.Object({ jwt: Type.String({ maxLength: 16 * 1024, pattern: '^[\\w-]+\\.[\\w-]+\\.[\\w-]+$' }) }))

const OPTIONS: ReadonlySet<string> = new Set<keyof RemoteSessions>(['url', 'apiKey', 'timeout', 'sendSubject'])

/**
 * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500), naming the option.
 *
 * @internal
 */
export function checkRemoteSessions (remote: RemoteSessions): Required<RemoteSessions> {
  if (typeof remote !== 'object' || remote === null) throw new InvalidOptionError('remote', 'must be { url, apiKey }')
  checkNames(remote, OPTIONS, 'remote')
  const { url, apiKey, timeout = 5000, sendSubject = false } = remote
  if (!isConfidentialUrl(url)) throw new InvalidOptionError('remote.url', 'must be an https URL (http on loopback only) without user, query and fragment')
  if (typeof apiKey !== 'string' || !/^[\w.~+/=-]{8,4096}$/.test(apiKey)) throw new InvalidOptionError('remote.apiKey', 'must be an API key: 8 to 4096 of A–Z a–z 0–9 . _ ~ + / = -')
  checkWhole('remote.timeout', timeout, 1, 60_000)
  if (typeof sendSubject !== 'boolean') throw new InvalidOptionError('remote.sendSubject', 'must be true or false')
  return { url, apiKey, timeout, sendSubject }
}

/**
 * Asks the remote service for a session, over connections that are kept alive. Follows no redirect, reads no more than
 * 32 KiB, and tries once: whoever asks may try again.
 *
 * The token is checked for its form alone: three segments, at most 16 KiB. It is the service's, and so are its claims.
 *
 * @throws {UpstreamTimeoutError} `FDT_UPSTREAM_TIMEOUT` (504).
 * @throws {UpstreamFailedError} `FDT_UPSTREAM_FAILED` (502) for everything else. The cause holds a status or a code, never the API key or what was answered.
 *
 * @internal
 */
export async function askForSession ({ url, apiKey, timeout }: Required<RemoteSessions>, body: RemoteSessionBody): Promise<string> {
  const signal = AbortSignal.timeout(timeout)
  try {
    const reply = await fetch(url, {
      method: 'POST',
      redirect: 'manual',
      signal,
      headers: { 'content-type': 'application/json', accept: 'application/json', authorization: `Bearer ${apiKey}` },
      body: JSON.stringify(body)
    })
    // Read in any case: what is left unread cannot be kept alive.
    const bytes = await readBounded(reply, MAX_ANSWER)
    if (bytes === undefined) throw failed(`the answer is longer than ${MAX_ANSWER} bytes`)
    if (!reply.ok) throw failed(`the answer has status ${reply.status}`)
    return readToken(bytes)
  } catch (error) {
    if (error instanceof UpstreamFailedError) throw error
    if (signal.aborted) throw new UpstreamTimeoutError({ cause: new TypeError(`there was no answer within ${timeout} ms`) })
    throw failed(`the request failed with ${codeOf(error)}`)
  }
}

function readToken (bytes: Uint8Array): string {
  const value = parseJson(bytes)
  if (!answer.Check(value)) throw failed('the answer holds no session token')
  return value.jwt
}

function failed (reason: string): InstanceType<typeof UpstreamFailedError> {
  return new UpstreamFailedError({ cause: new TypeError(reason) })
}

/** The code or the name alone: an error of the HTTP client may hold what came back, and a service may send back all that it got. */
function codeOf (error: unknown): unknown {
  const origin = error instanceof Error ? error.cause ?? error : error
  if (!(origin instanceof Error)) return 'no error'
  const { name, code = name }: Error & { code?: unknown } = origin
  return code
}
