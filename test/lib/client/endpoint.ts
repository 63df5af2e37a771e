/** Token endpoints: on a port of this machine, or none but a function where time is what matters. */
import { type RequestListener, type ServerResponse } from 'node:http'
import { inspect } from 'node:util'
import { type Test } from 'tap'
import { type TokenSource, type TokenSourceOptions } from '../../../lib/client/index.ts'
import { type Upstream, upstream } from '../../support/upstream.ts'

/** With every kind of character that some encoding changes. */
export const CLIENT_SECRET = 's3cr:et+/%&= ?"\\€'

/** Where {@link scripted} answers. */
export const TOKEN_URL = 'https://id.example/connect/token'

export const CLIENT = { clientId: 'B01A15EE: 1', clientSecret: CLIENT_SECRET }

/** As credentials travel, and as they might be written on the way. */
const SECRETS = [
  CLIENT_SECRET, encodeURIComponent(CLIENT_SECRET), new URLSearchParams([['', CLIENT_SECRET]]).toString().slice(1), 's3cr',
  Buffer.from(CLIENT_SECRET).toString('base64'), Buffer.from(CLIENT_SECRET).toString('base64url'), 'Basic ', 'czNjc', 'secret-token'
]

/** A token endpoint, until the test is over. */
export async function endpoint (t: Test, listener: RequestListener): Promise<Upstream & { tokenUrl: string }> {
  const server = await upstream(t, listener)
  return { ...server, tokenUrl: new URL('/connect/token', server.url).href }
}

export function sendJson (response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
}

/** An answer that grants. */
export function granted (token: string, members: object = { expires_in: 3600 }): Response {
  return Response.json({ access_token: token, token_type: 'Bearer', ...members })
}

/**
 * Options whose `fetch` gives these answers, one a request, and the last again and again. A clock that stands still until it
 * is moved, and goes with every pause: those take no time, and are noted.
 */
export function scripted (t: Test, ...answers: ReadonlyArray<() => Response | Promise<Response>>) {
  const clock = { time: 1_800_000_000_000 }
  const pauses: number[] = []
  const { setTimeout } = globalThis
  t.intercept(globalThis, 'setTimeout', {
    value: (callback: () => void, delay: number) => {
      // The timeout of a request, which is not to come.
      if (delay === 10_000) return setTimeout(callback, delay)
      pauses.push(delay)
      clock.time += delay
      return setTimeout(callback, 0)
    }
  })
  let requests = 0
  const fetch = async (): Promise<Response> => {
    const answer = answers[Math.min(requests++, answers.length - 1)]
    if (answer === undefined) throw new Error('there is no answer')
    return await answer()
  }
  const options: TokenSourceOptions = { ...CLIENT, tokenUrl: TOKEN_URL, now: () => clock.time, fetch }
  return { options, clock, pauses, requests: () => requests }
}

/** Runs what has been started, as far as it gets without waiting for anything outside. */
export async function settle (): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => { setImmediate(resolve) })
}

/** How `get` fails. Sees to it that nothing of the error tells a secret. */
export async function failureOf (t: Test, source: Pick<TokenSource, 'get'>): Promise<Record<string, unknown>> {
  const error: unknown = await source.get().then(() => undefined, (reason) => reason)
  if (!(error instanceof Error)) throw new Error('it did not fail')
  const shown = inspect(error, { depth: 10, showHidden: true }) + JSON.stringify(error) + error.stack
  for (const secret of SECRETS) t.notOk(shown.includes(secret), 'tells no secret')
  // Own members, of which the message is one that shows.
  return { ...error }
}
