import { type Failure } from './failure.ts'
import { type ResolvedTokenSource } from './options.ts'
import { readRetryAfter } from './retry-after.ts'
import { type GrantedToken, readErrorCode, readGrantedToken, readText } from './token-answer.ts'
import { unlessAborted } from './waiting.ts'

/** What comes of one request. */
export type Outcome = GrantedToken | Failure

/** What {@link createTokenRequest} needs of the options, and a clock for the dates of servers. */
export type TokenRequestSettings = Omit<ResolvedTokenSource, 'origins' | 'now' | 'maxRetries' | 'renewBefore'> & { now: () => number }

/** What runtimes and OpenSSL call failures, such as `ECONNREFUSED`. */
const CODE = /^[A-Z][A-Z\d_]{1,47}$/

/** What they call kinds of errors that have no code, such as `HTTPParserError`. */
const KIND = /^[A-Z]\w{1,40}Error$/

/**
 * Asks for a token, once a call: follows no redirect and never rejects.
 *
 * @see [RFC 6749, sections 2.3.1 and 4.4.2](https://www.rfc-editor.org/rfc/rfc6749#section-4.4.2)
 *
 * @internal
 */
export function createTokenRequest (settings: TokenRequestSettings): () => Promise<Outcome> {
  const { tokenUrl, fetch, timeout, now } = settings
  const { headers, body, secrets } = prepare(settings)

  return async () => {
    const controller = new AbortController()
    const { signal } = controller
    const timer = setTimeout(() => controller.abort(), timeout)
    return await exchange(signal)
      .catch((error) => ({ reason: signal.aborted ? `there was no answer within ${timeout} ms` : `the request failed with ${codeOf(error)}`, isPassing: true }))
      .finally(() => clearTimeout(timer))
  }

  async function exchange (signal: AbortSignal): Promise<Outcome> {
    // Another fetch need not heed the signal.
    const response = await unlessAborted(fetch(tokenUrl, { method: 'POST', redirect: 'manual', signal, headers, body }), signal)
    const { ok, status } = response
    const text = unlessAborted(readText(response), signal)
    if (ok) return readGrantedToken(await text)

    // What the status says holds, whatever becomes of the body.
    const error = readErrorCode(await text.catch(() => undefined), secrets)
    const isPassing = status === 429 || status >= 500
    const isRefusal = status >= 400 && !isPassing
    const reason = `${error ?? 'no error code'} (status ${status})`
    return { reason, isRefusal, isPassing, status, error, retryAfter: isPassing ? readRetryAfter(response.headers, now) : undefined }
  }
}

interface Prepared {
  headers: Record<string, string>
  body: string
  /** What no error may hold. */
  secrets: readonly string[]
}

function prepare ({ clientId, clientSecret, authMethod, scope, resource, parameters }: TokenRequestSettings): Prepared {
  const isBasic = authMethod === 'client_secret_basic'
  const basic = Buffer.from(`${formEncode(clientId)}:${formEncode(clientSecret)}`).toString('base64')
  const form = new URLSearchParams({
    grant_type: 'client_credentials',
    ...(!isBasic && { client_id: clientId, client_secret: clientSecret }),
    ...(scope !== undefined && { scope }),
    ...parameters
  })
  for (const uri of resource) form.append('resource', uri)
  return {
    headers: {
      // The exact type: there are servers that take it for another with a charset behind it, as fetch would write.
      'content-type': 'application/x-www-form-urlencoded',
      accept: 'application/json',
      ...(isBasic && { authorization: `Basic ${basic}` })
    },
    body: form.toString(),
    secrets: [clientSecret, formEncode(clientSecret), encodeURIComponent(clientSecret), basic, ...base64Of(clientSecret)]
  }
}

/** RFC 6749, appendix B. */
function formEncode (text: string): string {
  return new URLSearchParams([['', text]]).toString().slice(1)
}

function base64Of (text: string): string[] {
  return (['base64', 'base64url'] as const).map((encoding) => Buffer.from(text).toString(encoding))
}

/** The code alone, or what kind of error it is: messages and causes of HTTP clients may hold URLs, headers, and what came back. */
function codeOf (error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined
  const codes = [error, cause].map((origin) => origin instanceof Error && 'code' in origin ? String(origin.code) : '')
  return codes.find((code) => CODE.test(code)) ?? (cause instanceof Error && KIND.test(cause.name) ? cause.name : 'no code')
}
