import { type FastifyReply, type FastifyRequest } from 'fastify'
import { CallbackFailedError, CallbackRefusedError, InvalidOptionError } from '../../lib/errors.ts'
import { checkNames } from '../../lib/options.ts'
import { publish } from '../../lib/publish.ts'
import { createProcessedCallbacks } from '../../lib/tokens/editor/callback-replay.ts'
import { checkDownloadOrigins, checkKey, type DocumentKeys, type EditorCallbackEvent, readCallback } from '../../lib/tokens/editor/callback.ts'
import { type EditorSettings } from '../../lib/tokens/editor/options.ts'
import { type FlowInstance, originOf } from '../shared/flow-instance.ts'
import { sendJson } from '../shared/json-reply.ts'
import { type CodedError, isRefusal, messageOf, reportRefusal, sendRefusal } from '../shared/refusals.ts'
import { headerLines } from './header.ts'

/** What `requireCallback` takes first. */
export interface CallbackOptions<Request> {
  /**
   * The `document.key` of the document that the route is about, as the host knows it, or several where older ones may
   * still be saved; `null` or `undefined` for none. Asked when the token is right, and never to be taken from the body.
   */
  document: (request: Request) => Promise<DocumentKeys> | DocumentKeys
  /** Origins of the document server, where it keeps its files: at least one. */
  downloadOrigins: readonly string[]
  /** Whose secrets verify the callback, where they are a function: from the route, never from the callback. */
  tenant?: (request: Request) => Promise<string> | string
}

/**
 * The handler of a route for callbacks. The route needs a parser of JSON, a `bodyLimit` that histories fit into, and no
 * schema of the body.
 */
export type CallbackHandler<Request> = (request: Request, reply: FastifyReply) => Promise<FastifyReply>

const OPTIONS = ['document', 'downloadOrigins', 'tenant']

/**
 * Verify, run, mark, answer. No limiter or lock stands before it: a document server that is sent away may lose a version.
 * What `handle` returns is not looked at.
 *
 * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500) for an option that is unusable, or without `outbox`.
 *
 * @internal
 */
export function createCallbackHandler<Request extends FastifyRequest> (
  settings: EditorSettings,
  options: CallbackOptions<Request>,
  handle: (event: EditorCallbackEvent, request: Request) => unknown
): CallbackHandler<Request> {
  checkOptions(settings, options, handle)
  const { document, tenant } = options
  const downloadOrigins = [...options.downloadOrigins]
  const { name, now, store } = settings
  const instance: FlowInstance = { flow: 'config-signing', name, now }
  const processed = store === undefined ? undefined : createProcessedCallbacks({ store, name, now })

  async function run (request: Request, reply: FastifyReply): Promise<void> {
    const presented = { body: request.body, header: headerLines(request, settings.header) }
    const callback = await readCallback(presented, { downloadOrigins, tenant: await ask(() => tenant?.(request)) }, settings)
    // Before the key is looked at: a document that was saved has another one since.
    if (await processed?.has(request.originalUrl, callback) === true) return request.log.info('callback was processed before')
    await checkKey(callback, () => ask(() => document(request)))
    // Who hung up meanwhile gets no answer, and sends the callback again.
    if (reply.raw.destroyed) return

    publish('verified', () => ({ flow: instance.flow, name, time: now(), ...originOf(request), permissions: ['callback'] }))
    request.editorCallback = callback.event
    await ask(() => handle(callback.event, request))
    await processed?.add(request.originalUrl, callback)
  }

  return async (request, reply) => {
    // A hook of the host's may have refused: behind an async one Fastify goes on when the client hangs up.
    if (reply.raw.destroyed) return reply
    try {
      await run(request, reply)
    } catch (thrown) {
      const error = toAnswer(thrown)
      reportRefusal(request, error, instance, {}, problemOf(error))
      return sendRefusal(error, reply, toCallbackBody)
    }
    return sendJson(reply.code(200).header('cache-control', 'no-store'), { error: 0 })
  }
}

function checkOptions<Request> ({ secrets }: EditorSettings, options: CallbackOptions<Request>, handle: unknown): void {
  if (typeof options !== 'object' || options === null) throw new InvalidOptionError('requireCallback', 'takes { document, downloadOrigins } first')
  checkNames(options, OPTIONS)
  const { document, downloadOrigins, tenant } = options
  if (typeof document !== 'function') throw new InvalidOptionError('document', 'must be a function of the request that tells the key of the document')
  checkDownloadOrigins(downloadOrigins)
  if (tenant !== undefined && typeof tenant !== 'function') throw new InvalidOptionError('tenant', 'must be a function of the request')
  if (typeof handle !== 'function') throw new InvalidOptionError('requireCallback', 'takes the function that is called with the event last')
  if (!secrets.has('outbox')) throw new InvalidOptionError('outbox', 'is needed to verify what the document server sends')
}

/** Runs a function of the host's. Whatever it throws leaves the callback undone, and the document server must come again: with 4xx it would not. */
async function ask<Answer> (hosts: () => Promise<Answer> | Answer): Promise<Answer> {
  try {
    return await hosts()
  } catch (thrown) {
    throw isOutage(thrown) ? thrown : new CallbackFailedError({ cause: thrown })
  }
}

function toAnswer (thrown: unknown): CodedError {
  const error: unknown = isOutage(thrown) || thrown instanceof CallbackRefusedError || thrown instanceof CallbackFailedError ? thrown : new CallbackFailedError({ cause: thrown })
  // Errors of this package, as was just checked.
  return error as CodedError
}

function isOutage (thrown: unknown): boolean {
  return isRefusal(thrown) && thrown.statusCode === 503
}

/** Users ask "which token, and what is wrong with it", and the answer to a stranger must not say. */
function problemOf (error: CodedError): object | undefined {
  return 'place' in error && 'problem' in error ? { place: error.place, problem: error.problem } : undefined
}

function toCallbackBody (error: CodedError): object {
  return { error: 1, message: messageOf(error) }
}
