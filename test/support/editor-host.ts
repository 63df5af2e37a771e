import { type FastifyInstance, type FastifyReply, type FastifyRequest, type FastifyServerOptions, type LightMyRequestResponse } from 'fastify'
import { type Test } from 'tap'
import { type TokenStore } from '../../lib/stores/token-store.ts'
import { type EditorCallbackEvent } from '../../lib/tokens/editor/callback.ts'
import { type EditorSignaturesOptions } from '../../lib/tokens/editor/options.ts'
import { type CallbackOptions } from '../../plugins/config-signing/callback.ts'
import { type DownloadOptions } from '../../plugins/config-signing/download.ts'
import { configSigning } from '../../plugins/config-signing/index.ts'
import { bodyToken, DOCS, headerToken, INBOX, KEY, NOW, OUTBOX } from './editor-tokens.ts'
import { buildHost } from './hosts.ts'

export { INBOX, OUTBOX }

export const ORIGIN = 'https://app.example'

export const CALLBACK = '/editor/a/callback'

type ById = FastifyRequest<{ Params: { id: string } }>

export interface EditorHostOptions {
  /** Options of the flow, over the defaults of {@link editorHost}. */
  flow?: Partial<EditorSignaturesOptions>
  store?: TokenStore
  /** Options of the callback's route, over its defaults. */
  callback?: Partial<CallbackOptions<ById>>
  /** What the host does with an event, beside noting it. */
  handle?: (event: EditorCallbackEvent, request: FastifyRequest) => unknown
  /** Options of the download's guard, over its defaults. */
  download?: Partial<DownloadOptions<ById>>
  server?: FastifyServerOptions
  /** Runs before the flow is registered, in the scope where it will be. */
  before?: (scope: FastifyInstance) => Promise<void> | void
}

/**
 * The host that the test runs in, with the flow, a route for callbacks of the documents `a` and `b`, and one for downloads;
 * its clock stands still until it is moved.
 */
export async function editorHost (t: Test, { flow = {}, store, callback = {}, handle = () => {}, download = {}, server = {}, before }: EditorHostOptions = {}) {
  const clock = { time: NOW }
  const keys = new Map([['a', KEY], ['b', 'key-of-b']])
  const handled: EditorCallbackEvent[] = []
  let downloads = 0
  const options = { inbox: INBOX, outbox: OUTBOX, now: () => clock.time, ...(store !== undefined && { store }), ...flow, routes: false } as const

  const { app, scope } = await buildHost(t, {
    server,
    register: async (scope) => {
      await before?.(scope)
      await scope.register(configSigning, options)
      scope.post('/editor/:id/callback', scope.editorSignatures.requireCallback<ById>({ document: ({ params }) => keys.get(params.id), downloadOrigins: [DOCS], ...callback }, async (event, request) => {
        handled.push(event)
        await handle(event, request)
      }))
      scope.get('/files/*', { onRequest: scope.editorSignatures.requireDownload<ById>({ origin: ORIGIN, ...download }) }, async (_request: FastifyRequest, reply: FastifyReply) => {
        downloads++
        return await reply.type('application/octet-stream').send('bytes')
      })
    },
    sibling: async (scope) => { await scope.register(configSigning, { ...options, name: 'other' }) }
  })

  return {
    app,
    scope,
    clock,
    /** The events that the host was called with since this was last asked. */
    handled: () => handled.splice(0),
    /** How often a file was sent since this was last asked. */
    downloads: () => {
      const count = downloads
      downloads = 0
      return count
    },
    /** A callback as it comes: the body is JSON, a string is sent as it is. */
    send: (body: unknown, headers: Record<string, string> = {}, url = CALLBACK) => app.inject({
      method: 'POST', url, headers: { 'content-type': 'application/json', ...headers }, payload: typeof body === 'string' ? body : JSON.stringify(body)
    }),
    /** `GET` as the document server downloads: with a token for the URL, unless another is given. */
    fetch: (path: string, token = headerToken({ url: `${ORIGIN}${path}` })) => app.inject({ url: path, headers: { authorization: `Bearer ${token}` } })
  }
}

/** What a document server sends: the same in the body and in the header. */
export function inBoth (payload: object): [body: object, headers: Record<string, string>] {
  return [{ ...payload, token: bodyToken(payload) }, { authorization: `Bearer ${headerToken(payload)}` }]
}

/** All of an answer to a callback that the contract speaks of. */
export function answerOf ({ statusCode, headers, body }: LightMyRequestResponse) {
  return { status: statusCode, body, type: headers['content-type'], cache: headers['cache-control'], retryAfter: headers['retry-after'], challenge: headers['www-authenticate'] }
}

/** What {@link answerOf} shows of one that is as it should be. */
export function answer (status: number, message?: string, retryAfter?: string) {
  const body = message === undefined ? { error: 0 } : { error: 1, message }
  return { status, body: JSON.stringify(body), type: 'application/json; charset=utf-8', cache: 'no-store', retryAfter, challenge: undefined }
}

export const DONE = answer(200)
export const REFUSED = answer(403, 'The callback is refused')
export const FAILED = answer(500, 'The callback could not be processed')
export const DOWN = answer(503, 'The token store is unavailable', '1')
