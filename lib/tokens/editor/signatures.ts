/**
 * What a host says to a document server and what it is told by one, signed: the core of the config-signing flow.
 *
 * @module
 */
import { InvalidOptionError } from '../../errors.ts'
import { deepFreeze } from '../../freeze.ts'
import { checkNames } from '../../options.ts'
import { publish } from '../../publish.ts'
import { type AnonymousEditorConfig, type EditorConfig } from '../../schemas/editor/config.ts'
import { type EditorMethodName, type EditorMethodParameters } from '../../schemas/editor/methods.ts'
import { type EditorRequestParameters, type EditorService } from '../../schemas/editor/requests.ts'
import { type CallbackMessage, type EditorCallbackEvent, type ExpectedCallback, verifyCallback } from './callback.ts'
import { verifyDownload } from './download.ts'
import { type Explanation, explainToken, type TokenToExplain } from './explain.ts'
import { checkConfig, checkMethod, checkRequest } from './input.ts'
import { checkExpiresIn, type EditorSettings } from './options.ts'
import { LARGE_TOKEN, signEditorToken } from './signature.ts'
import { type EditorVerdict, judgeConfigToken } from './verdict.ts'

/** How one token is signed, where it differs from the instance's options. */
export interface SignOptions {
  /** Seconds that the token lives; `false` for no end. */
  expiresIn?: number | false
  /** Say when it was signed, by the claim `iat`. */
  issuedAt?: boolean
  /** Whose secrets sign, where the secrets are a function. From the host's own route or login, never from a token. */
  tenant?: string
}

/** How a request to the document server is signed. */
export interface RequestSignOptions extends SignOptions {
  /** Name the service in the claim `operation`, for servers that ask for it. Default is `false`; with `issuedAt`, `docbuilder` is always named: the token would be one for a download otherwise. */
  operation?: boolean
}

/** Whose secrets verify. */
export interface TenantOption {
  tenant?: string
}

/** What was signed, with its token: frozen all the way down. */
export type Signed<Payload> = Readonly<Payload> & { readonly token: string }

/** A request to the document server: either is enough by itself, and the body wins. */
export interface SignedRequest {
  /** For a body with the parameters as they are. */
  readonly headers: Readonly<Record<string, string>>
  /** To be sent as JSON in place of the parameters. */
  readonly body: Readonly<{ token: string }>
}

/** Signs for a document server and judges what comes from one. Knows nothing of HTTP. */
export interface EditorSignaturesCore {
  /** What the instance was made with. */
  readonly settings: Readonly<{ name: string, now: () => number }>
  /**
   * Signs a config for `new DocsAPI.DocEditor(id, config)` and `refreshFile(config)`.
   *
   * Checks all of it against the vendor's fields and limits, that `editorConfig.user.id` is there (see `allowAnonymous`), and
   * its URLs. Does not check who may open the document: whoever is given this may.
   *
   * @returns A copy with the members in the order given, and `token` behind them.
   *
   * @throws {InvalidEditorPayloadError} `FDT_INVALID_EDITOR_PAYLOAD` (400), naming the path.
   * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500) for an option, or a tenant where there are none.
   * @throws {UnknownTenantError} `FDT_UNKNOWN_TENANT` (403).
   * @throws {StoreUnavailableError} `FDT_STORE_UNAVAILABLE` (503) when the host's look-up of secrets rejects.
   *
   * @see [Signature: browser](https://api.onlyoffice.com/docs/docs-api/additional-api/signature/browser/)
   */
  signConfig (config: EditorConfig, options?: SignOptions): Promise<Signed<EditorConfig>>
  signConfig (config: AnonymousEditorConfig, options?: SignOptions): Promise<Signed<AnonymousEditorConfig>>
  /**
   * Signs the parameter of one of the editor's methods, such as `insertImage`. Checks and throws as `signConfig` does.
   */
  signMethod<Name extends EditorMethodName> (method: Name, parameter: EditorMethodParameters[Name], options?: SignOptions): Promise<Signed<EditorMethodParameters[Name]>>
  /**
   * Signs the parameters of a request to the document server's `/command`, `/converter` or `/docbuilder`. Checks and
   * throws as `signConfig` does. Sends nothing.
   */
  signRequest<Service extends EditorService> (service: Service, parameters: EditorRequestParameters[Service], options?: RequestSignOptions): Promise<SignedRequest>
  /**
   * Decides on a config and its token as the real document server does: more lenient than anything else here. It is for
   * tests and for finding mistakes, not for guarding something.
   *
   * @param config What the browser sends. Default is what the token says.
   */
  verifyConfig (token: string, config?: object, options?: TenantOption): Promise<EditorVerdict>
  /**
   * Verifies a callback of the document server: the token in its body first, then the one in its header, never what the
   * body says beside it.
   *
   * Checks signature, lifetime, kind, key and URLs. Does not remember it: see `requireCallback`.
   *
   * @throws {CallbackRefusedError} `FDT_CALLBACK_REFUSED` (403).
   * @throws {StoreUnavailableError} `FDT_STORE_UNAVAILABLE` (503) when the host's look-up of secrets rejects.
   */
  verifyCallback (message: CallbackMessage, expected: ExpectedCallback): Promise<EditorCallbackEvent>
  /**
   * Verifies that the document server may download from `url`.
   *
   * @param token As it came, without the prefix of the header. Untrusted.
   * @param url The whole URL that is asked for, with an origin that comes from configuration.
   *
   * @throws {InvalidTokenError} `FDT_INVALID_TOKEN` (401), {@link TokenExpiredError} `FDT_TOKEN_EXPIRED` (401).
   * @throws {DownloadNotAllowedError} `FDT_DOWNLOAD_NOT_ALLOWED` (403) when the token is for another URL.
   */
  verifyDownload (token: string, url: string, options?: TenantOption): Promise<void>
  /**
   * Tells what is wrong with a token, as the real document server would not. Never holds a secret or a value of the token.
   *
   * @throws {InvalidRequestError} `FDT_INVALID_REQUEST` (400) for an unknown kind.
   */
  explain (asked: TokenToExplain, options?: TenantOption): Promise<Explanation>
}

const FLOW = 'config-signing'

const SIGN_OPTION_NAMES = ['expiresIn', 'issuedAt', 'tenant']

/** @internal */
export function createEditorSignaturesCore (settings: EditorSettings): EditorSignaturesCore {
  const { secrets, algorithm, name, headerPrefix, now, warn } = settings
  let hasWarned = false

  /**
   * Signs each of the payloads, which are of one purpose, and tells of them as one. The claims stand behind the members of
   * a payload, which stay as they are.
   */
  async function sign (purpose: string, payloads: readonly object[], options: SignOptions, subject?: string): Promise<string[]> {
    const { expiresIn = settings.expiresIn, issuedAt = settings.issuedAt, tenant } = options
    checkExpiresIn(expiresIn)
    if (typeof issuedAt !== 'boolean') throw new InvalidOptionError('issuedAt', 'must be true or false')
    const [secret] = await secrets.find('inbox', tenant)
    const time = now()
    const seconds = Math.floor(time / 1000)
    const expiresAt = expiresIn === false ? undefined : seconds + expiresIn
    const claims = { ...(issuedAt && { iat: seconds }), ...(expiresAt !== undefined && { exp: expiresAt }) }
    const tokens = payloads.map((payload) => signEditorToken(JSON.stringify({ ...payload, ...claims }), secret, algorithm))

    if (!hasWarned && tokens.some(({ length }) => length > LARGE_TOKEN)) {
      hasWarned = true
      warn(`A token for ${purpose} has more than ${LARGE_TOKEN} characters, which proxies may cut or refuse: is there a picture in it, such as user.image as a data URL?`)
    }
    publish('issued', () => ({ flow: FLOW, name, time, subject, documents: [], expiresAt, purpose }))
    return tokens
  }

  async function signOne<Payload extends object> (purpose: string, payload: Payload, options: SignOptions): Promise<Signed<Payload>> {
    const { editorConfig }: { editorConfig?: AnonymousEditorConfig['editorConfig'] } = payload
    const [token = ''] = await sign(purpose, [payload], options, editorConfig?.user?.id)
    return deepFreeze({ ...payload, token })
  }

  return {
    settings: Object.freeze({ name, now }),
    signConfig: async (config: AnonymousEditorConfig, options: SignOptions = {}) => {
      checkOptions(options, SIGN_OPTION_NAMES)
      // A copy, which has a user where the config has one.
      return await signOne('config', checkConfig(config, settings), options) as Signed<EditorConfig>
    },
    signMethod: async (method, parameter, options = {}) => {
      checkOptions(options, SIGN_OPTION_NAMES)
      return await signOne(method, checkMethod(method, parameter, settings), options)
    },
    signRequest: async (service, parameters, options = {}) => {
      checkOptions(options, [...SIGN_OPTION_NAMES, 'operation'])
      const { operation = false } = options
      if (typeof operation !== 'boolean') throw new InvalidOptionError('operation', 'must be true or false')
      const checked = checkRequest(service, parameters, settings)
      // With both times, { payload: { url } } is what the document server signs for a download.
      const isLikeDownload = service === 'docbuilder' && (options.issuedAt ?? settings.issuedAt)
      const claim = operation || isLikeDownload ? { operation: service } : {}
      const [inHeader = '', inBody = ''] = await sign(service, [{ payload: checked, ...claim }, { ...checked, ...claim }], options)
      return deepFreeze({ headers: { [settings.header]: `${headerPrefix}${inHeader}` }, body: { token: inBody } })
    },
    verifyConfig: async (token, config, { tenant } = {}) => judgeConfigToken(token, config, { secrets: await secrets.find('inbox', tenant), now: now(), clockTolerance: settings.clockTolerance }),
    verifyCallback: async (message, expected) => (await verifyCallback(message, expected, settings)).event,
    verifyDownload: async (token, url, { tenant } = {}) => { await verifyDownload(token, url, { tenant }, settings) },
    explain: async (asked, { tenant } = {}) => explainToken(asked, {
      secrets: {
        inbox: await secrets.find('inbox', tenant),
        ...(secrets.has('outbox') && { outbox: await secrets.find('outbox', tenant) })
      },
      now: now(),
      clockTolerance: settings.clockTolerance,
      headerPrefix,
      namesSecret: settings.namesSecret
    })
  }
}

/** A number in their place, such as a life, would count for nothing. */
function checkOptions (options: object, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null) throw new InvalidOptionError('options', 'must be an object')
  checkNames(options, known)
}
