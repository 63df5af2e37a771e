import { type TSchema, Type } from '@sinclair/typebox'
import {
  CallbackFailedError, CallbackRefusedError, DocumentNotAllowedError, DownloadNotAllowedError, InvalidCredentialError, InvalidTokenError,
  MissingCredentialError, MissingTokenError, MultipleTokensError, StoreUnavailableError, TokenExpiredError
} from 'fastify-doc-tokens/errors'
import { binary, NO_SNIFFING } from '../document-schemas.ts'
import { CHALLENGES, NO_STORE, refusals } from '../openapi.ts'

const TAGS = ['document editor']

/** How a user logs in. */
export const USER_SECURITY = [{ editorLogin: [] }, { docTokensBearer: [] }, { docTokensApiKey: [] }]

const params = Type.Object({ documentId: Type.String({ description: 'The document', examples: ['letter'] }) })

const badUrl = [
  { statusCode: 400, code: 'FST_ERR_BAD_URL', message: 'Bad Request' },
  { statusCode: 414, code: 'FST_ERR_MAX_PARAM_LENGTH', message: 'URI Too Long' }
]

const notFound = { statusCode: 404, code: 'FST_ERR_NOT_FOUND', message: 'Not Found' }

const headers = { ...NO_STORE, ...NO_SNIFFING }

const login = { 'WWW-Authenticate': Type.String({ description: 'RFC 7617, or RFC 6750 where it is about an API key in a header', example: 'Basic realm="editor", charset="UTF-8"' }) }

const userRefusals = refusals([
  ...badUrl,
  new MissingCredentialError(),
  new InvalidCredentialError(),
  new DocumentNotAllowedError(),
  notFound,
  new StoreUnavailableError()
], { 401: { ...headers, ...login }, 403: headers, 404: headers, 503: headers })

export const pageSchema = {
  operationId: 'openEditor',
  summary: 'A page with the editor',
  description: 'For browsers. Without a document server it tells what it would load.',
  tags: TAGS,
  security: USER_SECURITY,
  params,
  response: {
    200: {
      description: 'The page',
      headers: {
        ...headers,
        'Content-Security-Policy': Type.String({ description: 'No script but the page’s own and the document server’s', example: "default-src 'none'; script-src 'nonce-" }),
        'Referrer-Policy': Type.String({ description: 'The document server is not told where it is loaded', example: 'same-origin' })
      },
      content: { 'text/html': { schema: Type.String() } }
    },
    ...userRefusals
  }
}

const historyExample = {
  currentVersion: 2,
  history: [
    { version: 1, key: 'jzPpGoCgD3Cx5rGiQh1yXGcVnV7Yk2aR', created: '2026-05-12T09:00:00.000Z' },
    {
      version: 2,
      key: 'Zb9X0x3cN1mTq4rW8sD7vLkJ6hG5fE2a',
      created: '2026-05-12T09:30:00.000Z',
      user: { id: 'jane', name: 'jane' },
      changes: [{ created: '2026-05-12 09:29:58', user: { id: 'jane', name: 'jane' } }],
      serverVersion: '9.3.0'
    }
  ]
}

export const historySchema = {
  operationId: 'listVersions',
  summary: 'The versions of a document',
  description: 'The argument of the editor’s `refreshHistory`.',
  tags: TAGS,
  security: USER_SECURITY,
  params,
  response: {
    200: Type.Object({
      currentVersion: Type.Integer(),
      history: Type.Array(Type.Object({
        version: Type.Integer(),
        key: Type.String({ description: 'Names the version to the document server' }),
        created: Type.String({ description: 'ISO 8601' }),
        user: Type.Optional(Type.Object({ id: Type.String(), name: Type.String() })),
        changes: Type.Optional(Type.Array(Type.Object({}, { additionalProperties: true }), { description: 'As the document server sent them' })),
        serverVersion: Type.Optional(Type.String())
      }))
    }, { description: 'The oldest first', headers, examples: [historyExample] }),
    ...userRefusals
  }
}

const anyToken = 'eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdGF0dXMiOjR9.c2lnbmF0dXJl'

const CallbackAnswer = (example: string, value: object, options: { description: string, headers: Readonly<Record<string, TSchema>> }) => Type.Object({
  error: Type.Integer(),
  message: Type.Optional(Type.String())
}, { ...options, 'x-examples': { [example]: { value } } })

const refused = new CallbackRefusedError()
const failed = new CallbackFailedError()
const outage = new StoreUnavailableError()

export const callbackSchema = {
  operationId: 'takeCallback',
  summary: 'What the document server tells of a document',
  description: 'A signed callback, with its token in the body, in the header or in both. With anything but 200 the document server comes again.',
  tags: TAGS,
  security: [{ documentServer: [] }, {}],
  params,
  body: Type.Object({ token: Type.Optional(Type.String()) }, { additionalProperties: true, examples: [{ token: anyToken }] }),
  response: {
    ...refusals([
      ...badUrl,
      { statusCode: 400, code: 'FST_ERR_CTP_EMPTY_JSON_BODY', message: 'Body cannot be empty when content-type is set to \'application/json\'' },
      { statusCode: 400, code: 'FST_ERR_CTP_INVALID_JSON_BODY', message: 'Body is not valid JSON but content-type is set to \'application/json\'' },
      { statusCode: 413, code: 'FST_ERR_CTP_BODY_TOO_LARGE', message: 'Request body is too large' },
      { statusCode: 415, code: 'FST_ERR_CTP_INVALID_MEDIA_TYPE', message: 'Unsupported Media Type' }
    ], { 400: NO_STORE, 413: headers, 415: headers }),
    200: CallbackAnswer('done', { error: 0 }, { description: 'It is done. What was saved is kept', headers }),
    403: CallbackAnswer(refused.code, { error: 1, message: refused.message }, { description: 'It is not from the document server, or not about this document', headers }),
    500: CallbackAnswer(failed.code, { error: 1, message: failed.message }, { description: 'It could not be kept', headers }),
    503: CallbackAnswer(outage.code, { error: 1, message: outage.message }, {
      description: 'Whether it came before cannot be told now',
      headers: { ...headers, 'Retry-After': Type.Integer({ description: 'Seconds to wait', example: 1 }) }
    })
  }
}

const Version = (description: string) => Type.String({ pattern: '^[1-9]\\d{0,8}$', description, examples: ['1'] })

const fileRefusals = (validation: string) => refusals([
  ...badUrl,
  { statusCode: 400, code: 'FST_ERR_VALIDATION', message: validation },
  new MultipleTokensError(),
  new MissingTokenError(),
  new InvalidTokenError(),
  new TokenExpiredError(),
  new DownloadNotAllowedError(),
  notFound
], { 400: { ...NO_STORE, ...CHALLENGES[400] }, 401: { ...headers, ...CHALLENGES[401] }, 403: headers, 404: headers })

export function fileSchema (types: readonly string[]) {
  return {
    operationId: 'readVersion',
    summary: 'The file of a version',
    description: 'For the document server, whose token names the whole URL.',
    tags: TAGS,
    security: [{ documentServer: [] }],
    params,
    querystring: Type.Object({ version: Type.Optional(Version('The number of a version; without it, the latest')) }),
    response: {
      200: { description: 'The file', headers, content: binary(types) },
      ...fileRefusals('querystring/version must match pattern "^[1-9]\\d{0,8}$"')
    }
  }
}

export const changesSchema = {
  operationId: 'readChanges',
  summary: 'The changes of a version',
  description: 'For the document server, whose token names the whole URL.',
  tags: TAGS,
  security: [{ documentServer: [] }],
  params,
  querystring: Type.Object({ version: Version('The number of a version') }),
  response: {
    200: { description: 'The changes, as the document server made them', headers, content: binary(['application/zip']) },
    ...fileRefusals('querystring must have required property \'version\'')
  }
}
