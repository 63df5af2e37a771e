/**
 * `fastify-doc-tokens/client`: access tokens for callers of any OAuth 2.0 server, by the client credentials grant.
 *
 * @module
 */
import { type AuthorizedFetch, createAuthorizedFetch } from './authorized-fetch.ts'
import { createSteadyClock } from './clock.ts'
import { resolveTokenSource, type TokenSourceOptions } from './options.ts'
import { createTokenCache } from './token-cache.ts'
import { createTokenRequest } from './token-request.ts'

export type { AuthorizedFetch } from './authorized-fetch.ts'
export type { TokenSourceOptions } from './options.ts'

/** Access tokens of one client, for one scope. Make one and keep it: what it knows is shared by all that call it. */
export interface TokenSource {
  /**
   * An access token that is not over, without `Bearer ` in front: 1 to 16384 characters. Ask for it before each request,
   * and keep it nowhere: as long as it lasts the answer costs nothing.
   *
   * Any number of callers share one request to the token endpoint, and its failure. Shortly before a token is over a new
   * one is asked for, and callers get the old one meanwhile. Does not check what the token says: it may be opaque.
   *
   * `signal` ends the wait of this caller, and with the reason of the signal; the request goes on for the others.
   *
   * @throws {TokenRefusedError} `FDT_TOKEN_REFUSED` (502): the token endpoint answered 4xx. Its `status` is there, and its
   * `error` where that is a code. Never tried again by itself; the next call asks again.
   * @throws {TokenEndpointFailedError} `FDT_TOKEN_ENDPOINT_FAILED` (502) for all else: no connection, no answer in time,
   * 429, 5xx, a redirect, or an answer that is no token. `status`, `error` and `retryAfter` (whole seconds) are there
   * where they are known. With a `retryAfter` of more than 30 nobody is asked before that time has passed, at most a
   * day, and meanwhile all calls that find no token fail so at once.
   */
  get (options?: { signal?: AbortSignal | undefined }): Promise<string>
  /** `fetch` with the token: see {@link AuthorizedFetch}. */
  fetch: AuthorizedFetch
}

/**
 * Gets access tokens from a token endpoint, keeps them in memory, and renews them before they are over.
 *
 * The end of a token is `expires_in` after its request was sent; no clock but this machine's is read, and no `exp`. A
 * token without a usable `expires_in` is kept for 60 seconds: the standard leaves open how long it lasts, so that is to
 * be short, and still not a request a call. One that is over when it comes is a failure, and tried again.
 *
 * Nothing is asked before the first call, and no timer waits for the end of a token. What keeps a process alive is a
 * request under way, at most for `timeout`, and the pauses before the next try while callers wait.
 *
 * Requests that fail without an answer, with 429 or with 5xx are tried again, after a random pause below 0.5 seconds,
 * doubled each time up to 30, and not before `Retry-After`.
 *
 * @param options All but the secret may be logged.
 *
 * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500), naming the option.
 *
 * @see [RFC 6749, section 4.4](https://www.rfc-editor.org/rfc/rfc6749#section-4.4)
 */
export function createTokenSource (options: TokenSourceOptions): TokenSource {
  const { origins, now, fetch, maxRetries, renewBefore, ...request } = resolveTokenSource(options)
  const clock = createSteadyClock(now === undefined ? [() => Date.now(), () => performance.now()] : [now])
  const ask = createTokenRequest({ ...request, fetch, now: now ?? Date.now })
  const tokens = createTokenCache({ ask, clock, maxRetries, renewBefore })

  return Object.freeze({
    get: async ({ signal } = {}) => (await tokens.get(signal)).token,
    fetch: createAuthorizedFetch({ origins, fetch, tokens })
  } satisfies TokenSource)
}
