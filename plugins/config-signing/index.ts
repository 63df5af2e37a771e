/**
 * Config signing: signed configs and method parameters for an editor, verified callbacks and downloads, and a straight
 * answer to why a token is refused.
 *
 * @module
 */
import { type FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { InvalidOptionError } from '../../lib/errors.ts'
import { type EditorCallbackEvent } from '../../lib/tokens/editor/callback.ts'
import { type EditorSettings, type EditorSignaturesOptions, resolveEditorOptions } from '../../lib/tokens/editor/options.ts'
import { createEditorSignaturesCore, type EditorSignaturesCore } from '../../lib/tokens/editor/signatures.ts'
import { claimKeys } from '../shared/key-uses.ts'
import { claimScope, refuseUnknownOptions } from '../shared/registration.ts'
import { type TypeBoxPlugin } from '../shared/type-provider.ts'
import { type CallbackHandler, type CallbackOptions, createCallbackHandler } from './callback.ts'
import { createDownloadGuard, type DownloadGuard, type DownloadOptions } from './download.ts'
import { type ConfigSigningOptions, NAMES, resolveEditorRoutes } from './options.ts'
import { routes } from './routes.ts'

export { EditorConfigSchema } from '../../lib/schemas/editor/config.ts'
export { EDITOR_METHOD_SCHEMAS } from '../../lib/schemas/editor/methods.ts'
export { EDITOR_REQUEST_SCHEMAS } from '../../lib/schemas/editor/requests.ts'
export type { Limit } from '../../lib/limits/limit.ts'
export type { AnonymousEditorConfig, EditorConfig } from '../../lib/schemas/editor/config.ts'
export type { EditorMethodName, EditorMethodParameters, HistoryData, InsertImage } from '../../lib/schemas/editor/methods.ts'
export type { EditorRequestParameters, EditorService } from '../../lib/schemas/editor/requests.ts'
export type { CallbackAction, CallbackHistory, CallbackMessage, DocumentKeys, EditorCallbackEvent, ExpectedCallback, PresenceEvent, SaveErrorEvent, SaveEvent } from '../../lib/tokens/editor/callback.ts'
export type { ExplainKind, Explanation, ExplainProblem, TokenToExplain } from '../../lib/tokens/editor/explain.ts'
export type { AllowedUrls, EditorSignaturesOptions } from '../../lib/tokens/editor/options.ts'
export type { EditorSecret, EditorSecrets, TenantSecrets } from '../../lib/tokens/editor/secrets.ts'
export type { EditorAlgorithm } from '../../lib/tokens/editor/signature.ts'
export type { RequestSignOptions, Signed, SignedRequest, SignOptions, TenantOption } from '../../lib/tokens/editor/signatures.ts'
export type { EditorVerdict, EffectiveConfig } from '../../lib/tokens/editor/verdict.ts'
// With it comes the type of `config.docTokens`.
export type { RouteOwner } from '../shared/flow-scope.ts'
export type { UserLimits } from '../shared/limits.ts'
export type { CodedError } from '../shared/refusals.ts'
export type { LoginHook, UserRoutesOptions } from '../shared/user-routes.ts'
export type { CallbackHandler, CallbackOptions } from './callback.ts'
export type { DownloadGuard, DownloadOptions } from './download.ts'
export type { AskedOfEditor, Authorize, ConfigSigningOptions, EditorAuthorization, EditorAuthorizers, EditorRoutesOptions, NoEditorRoutesOptions, ReadySignatures } from './options.ts'

declare module 'fastify' {
  interface FastifyInstance { editorSignatures: EditorSignatures }
  interface FastifyRequest {
    /** What the document server tells by the callback that was verified, else `null`. */
    editorCallback: EditorCallbackEvent | null
  }
}

/** `app.editorSignatures`: signatures, and handlers and guards for the host's routes. */
export interface EditorSignatures extends EditorSignaturesCore {
  /**
   * The handler of a route that the document server calls with what became of a document: verifies the callback, calls
   * the host's function with it, and answers. `{"error":0}` means that the function has done its work; when it throws,
   * the server sends the callback again, so it must bear to be called twice. With a `store`, a callback that was processed
   * once is not processed again.
   *
   * ```ts
   * app.post('/editor/:id/callback', app.editorSignatures.requireCallback({
   *   document: (request: FastifyRequest<{ Params: { id: string } }>) => keyOf(request.params.id),
   *   downloadOrigins: ['https://docs.example']
   * }, async (event) => { if (event.type === 'save') await download(event.url) }))
   * ```
   *
   * Answers 200 `{"error":0}`; 403 for what is not from the document server, or not about this document; 500 when the
   * function threw; 503 while the store is out of reach; each of these with `{"error":1,"message":…}`.
   *
   * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500) for an option that is unusable, or without `outbox`.
   */
  requireCallback<Request extends FastifyRequest = FastifyRequest> (options: CallbackOptions<Request>, handle: (event: EditorCallbackEvent, request: NoInfer<Request>) => Promise<void> | void): CallbackHandler<NoInfer<Request>>
  /**
   * A hook that lets the document server download what the host signed a config for: its token names the URL that it asks for. Answers
   * everything else itself: 401 without a good token, 403 for another URL.
   *
   * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500) for an option that is unusable, or without `outbox`.
   */
  requireDownload<Request extends FastifyRequest = FastifyRequest> (options: DownloadOptions<Request>): DownloadGuard<NoInfer<Request>>
}

/** What the plugin needs to know of an object and nobody else: secrets among it. */
const settingsOf = new WeakMap<EditorSignatures, EditorSettings>()

/**
 * Makes what `app.editorSignatures` is, without a server: for workers, scripts and tests, or to share one between apps.
 *
 * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500) for each option that is unusable.
 * @throws {WeakKeyError} `FDT_WEAK_KEY` (500), {@link UnusableKeyError} `FDT_UNUSABLE_KEY` (500) for a secret.
 */
export function createEditorSignatures (options: EditorSignaturesOptions): EditorSignatures {
  const settings = resolveEditorOptions(options)
  const signatures = Object.freeze<EditorSignatures>({
    ...createEditorSignaturesCore(settings),
    requireCallback: (options, handle) => createCallbackHandler(settings, options, handle),
    requireDownload: (options) => createDownloadGuard(settings, options)
  })
  settingsOf.set(signatures, settings)
  return signatures
}

const plugin: TypeBoxPlugin<ConfigSigningOptions> = async (fastify, options) => {
  refuseUnknownOptions(options, NAMES)
  const { onWarning = (message: string) => { fastify.log.warn(message) } } = options
  const signatures = options.signatures === undefined ? createEditorSignatures({ ...options, onWarning }) : options.signatures
  const settings = settingsOf.get(signatures)
  if (settings === undefined) throw new InvalidOptionError('signatures', 'must be what createEditorSignatures() returned')
  const routesOptions = resolveEditorRoutes(options, settings)
  claimScope(fastify, 'editorSignatures', settings.name, signatures)
  for (const side of ['inbox', 'outbox'] as const) claimKeys(fastify, 'config-signing', side, settings.secrets.known(side))

  fastify.decorate('editorSignatures', signatures)
  fastify.decorateRequest('editorCallback', null)
  if (routesOptions !== undefined) await fastify.register(routes, { ...routesOptions, signatures })
}

/** Registers the flow. The decorators reach the host; routes, parser and limits stay inside. */
export const configSigning = fp(plugin, {
  name: 'fastify-doc-tokens/config-signing',
  fastify: '>=5.3.0 <6'
})

export default configSigning
