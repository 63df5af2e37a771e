import { InvalidOptionError } from '../errors.ts'
import { type ResolvedTokenSource } from './options.ts'
import { type FetchInput, follow, type Outgoing, readOutgoing } from './outgoing.ts'
import { type Grant, type TokenCache } from './token-cache.ts'

/**
 * As `fetch`, with `Authorization: Bearer` and the token, to the `origins` of the token source and nowhere else.
 *
 * On a 401 it gets one new token, unless somebody has got one meanwhile, and sends the request once more; a second 401 is
 * the answer. A body that can be read only once (a stream, and any body of a `Request`) is not sent again: then the first
 * 401 is the answer, its body unread, and the next request gets a new token.
 *
 * Redirects within the origin are followed, at most 20, and each request gets the token as the first did. One to another
 * origin is not followed, neither with the token nor without, and nor is one whose `Location` is unusable, or that
 * wants a body that is gone. The answer is the redirect itself then: look at its `Location`, and ask there by the global
 * `fetch` if you trust it. With `redirect: 'manual'` or `'error'` none is followed. `redirected` of the answer is always
 * `false`.
 *
 * Does not bound what is answered, nor the time that takes: `signal` does. It ends the wait for a token, too.
 *
 * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500, a `TypeError` as `fetch` throws) without `origins`, for a URL of
 * another origin or with a user in it, and for headers with an `Authorization`. Nothing was sent.
 * @throws What `get` of the token source does, also when the new token after a 401 cannot be had.
 * @throws What `fetch` does, unchanged: its causes may hold the URL. They hold no token.
 *
 * @see [RFC 6750, section 2.1](https://www.rfc-editor.org/rfc/rfc6750#section-2.1)
 */
export type AuthorizedFetch = (input: FetchInput, init?: RequestInit) => Promise<Response>

/** As many as browsers follow. */
const MAX_REDIRECTS = 20

/** @internal */
export function createAuthorizedFetch ({ origins, fetch, tokens }: Pick<ResolvedTokenSource, 'origins' | 'fetch'> & { tokens: TokenCache }): AuthorizedFetch {
  async function send ({ url, rest, headers: given, body = null }: Outgoing, { token }: Grant): Promise<Response> {
    const headers = new Headers(given)
    headers.set('authorization', `Bearer ${token}`)
    const redirect = follows(rest) ? 'manual' : rest.redirect
    return await fetch(url.href, { ...rest, headers, body, ...(redirect !== undefined && { redirect }) })
  }

  async function run (outgoing: Outgoing, mayRenew = true, redirectsLeft = MAX_REDIRECTS): Promise<Response> {
    const grant = await tokens.get(outgoing.rest.signal)
    const response = await send(outgoing, grant)
    if (response.status === 401 && mayRenew) {
      tokens.drop(grant)
      if (!outgoing.isReplayable) return response
      await discard(response)
      return await run(outgoing, false, redirectsLeft)
    }

    const next = follows(outgoing.rest) && redirectsLeft > 0 ? follow(outgoing, response) : undefined
    if (next === undefined) return response
    await discard(response)
    return await run(next, mayRenew, redirectsLeft - 1)
  }

  return async (input, init = {}) => {
    if (origins === undefined) throw new InvalidOptionError('origins', 'must list where tokens may be sent, before fetch is called')
    return await run(readOutgoing(input, init, origins))
  }
}

function follows ({ redirect = 'follow' }: RequestInit): boolean {
  return redirect === 'follow'
}

/** So that its connection serves again, or ends. That it cannot be read any more is no failure. */
async function discard ({ body }: Response): Promise<void> {
  await body?.cancel().catch(() => {})
}
