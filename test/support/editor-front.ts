import { STATUS_CODES } from 'node:http'
import { type FastifyInstance, type FastifyRequest, type FastifyServerOptions, type LightMyRequestResponse } from 'fastify'
import { type Test } from 'tap'
import { createMemoryStore } from '../../lib/stores/memory.ts'
import { type TokenStore } from '../../lib/stores/token-store.ts'
import { type AskedOfEditor, configSigning, type ConfigSigningOptions, type EditorAuthorization } from '../../plugins/config-signing/index.ts'
import { INBOX, KEY, NOW, OUTBOX } from './editor-tokens.ts'
import { buildHost } from './hosts.ts'

export const CONFIG_PATH = '/editor/config'
export const METHOD_PATH = '/editor/methods/insertImage'
export const EXPLAIN_PATH = '/editor/explain'

/** Where the host keeps its files, and its logos. */
export const FILES = 'https://files.example'
export const PAGES = 'https://app.example'

/** A function of the host's, which may return anything. */
export type LooseAuthorize = (request: FastifyRequest, asked: AskedOfEditor) => unknown

export interface EditorFrontOptions {
  /** Options of the flow, over the defaults of {@link editorFront}. */
  flow?: Record<string, unknown>
  /** What the host's functions do, beside being noted. The default ones allow. */
  config?: LooseAuthorize
  methods?: Readonly<Record<string, LooseAuthorize>>
  explain?: LooseAuthorize
  store?: TokenStore
  server?: FastifyServerOptions
  /** Runs before the flow is registered, in the scope where it will be. */
  before?: (scope: FastifyInstance) => Promise<void> | void
}

/** The host that the test runs in, with the routes for an editor's front end; its clock stands still until it is moved. */
export async function editorFront (t: Test, { flow = {}, config = letter, methods = { insertImage: () => picture }, explain = () => true, store, server = {}, before }: EditorFrontOptions = {}) {
  const clock = { time: NOW }
  const now = () => clock.time
  const tokenStore = store ?? createMemoryStore({ now })
  const asked: Array<[what: string, asked: AskedOfEditor]> = []
  const noting = (what: string, authorize: LooseAuthorize): LooseAuthorize => (request, wish) => {
    asked.push([what, wish])
    return authorize(request, wish)
  }
  // Overrides come from tables of what is wrong too, so their type is looser than the plugin's.
  const options = {
    inbox: INBOX,
    outbox: OUTBOX,
    store: tokenStore,
    now,
    allowedUrls: { server: [FILES], browser: [PAGES] },
    authorize: {
      config: noting('config', config),
      methods: Object.fromEntries(Object.entries(methods).map(([method, authorize]) => [method, noting(method, authorize)])),
      explain: noting('explain', explain)
    },
    ...flow
  } as ConfigSigningOptions

  const { app, scope, login } = await buildHost(t, {
    server,
    register: async (scope) => {
      await before?.(scope)
      await scope.register(configSigning, options)
    },
    sibling: async (scope) => { await scope.register(configSigning, { ...options, name: 'other' } as ConfigSigningOptions) } // as above
  })

  return {
    app,
    scope,
    clock,
    login,
    store: tokenStore,
    /** What the host's functions were asked since this was last called. */
    asked: () => asked.splice(0),
    /** A `POST` as a page of the host does it. A string or bytes are sent as they are, and `undefined` takes a header away. */
    ask: (body: unknown = { documentId: 'letter' }, headers: Record<string, string | undefined> = {}, url = CONFIG_PATH) => {
      const all = { 'content-type': 'application/json', 'sec-fetch-site': 'same-origin', ...login, ...headers }
      const raw = typeof body === 'string' || Buffer.isBuffer(body)
      return app.inject({ method: 'POST', url, headers: given(all), payload: raw ? body : JSON.stringify(body) })
    }
  }
}

/** All that decides over access, and nothing else. */
export const AUTHORIZATION = {
  document: { key: KEY, url: `${FILES}/letter.docx`, permissions: { edit: true, print: false } },
  editorConfig: { callbackUrl: `${FILES}/callbacks/letter`, mode: 'edit', user: { id: 'ada' } }
} as const satisfies EditorAuthorization

function letter (): EditorAuthorization {
  return AUTHORIZATION
}

/** A parameter of `insertImage`. */
export const picture = { images: [{ fileType: 'png', url: `${FILES}/picture.png` }] } as const

function given (headers: Record<string, string | undefined>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter((entry): entry is [string, string] => entry[1] !== undefined))
}

const MESSAGES: Readonly<Record<string, string>> = {
  FDT_DOCUMENT_NOT_ALLOWED: 'The document cannot be opened',
  FDT_FOREIGN_ORIGIN: 'The request does not come from a trusted origin',
  FDT_INVALID_AUTHORIZATION: 'What the request is to get could not be made',
  FDT_UNKNOWN_TENANT: 'There is no such tenant',
  FDT_UNKNOWN_METHOD: 'There is no such method',
  FDT_METHOD_NOT_ALLOWED: 'This path takes POST',
  FDT_RATE_LIMITED: 'Too many requests',
  FDT_STORE_UNAVAILABLE: 'The token store is unavailable',
  FST_ERR_CTP_BODY_TOO_LARGE: 'Payload Too Large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'Unsupported Media Type'
}

/** All of a refusal that a client sees, but for the headers of the host and of the limits. */
export function refusal ({ statusCode, headers, body }: LightMyRequestResponse) {
  return { status: statusCode, body, type: headers['content-type'], cache: headers['cache-control'], retryAfter: headers['retry-after'], allow: headers['allow'], challenge: headers['www-authenticate'] }
}

/** What {@link refusal} shows of a refusal that is as it should be. */
export function refused (status: number, code: string, message = MESSAGES[code], rest: { retryAfter?: string, allow?: string } = {}) {
  const body = JSON.stringify({ statusCode: status, code, error: STATUS_CODES[status], message })
  return { status, body, type: 'application/json; charset=utf-8', cache: 'no-store', retryAfter: undefined, allow: undefined, challenge: undefined, ...rest }
}
