import { type ObjectOptions, Type } from '@sinclair/typebox'
import {
  FlowNotAllowedError, InsufficientPermissionError, InvalidCredentialError, InvalidTokenError, MissingCredentialError, MissingTokenError,
  MultipleCredentialsError, MultipleTokensError, OriginNotAllowedError, StoreUnavailableError, TokenExpiredError, TokenRevokedError
} from 'fastify-doc-tokens/errors'
import { CHALLENGES, type HeadersByStatus, NO_STORE, refusals } from './openapi.ts'

const EXAMPLE = { id: 'contract', title: 'Service agreement', type: 'application/pdf' }

export const NO_SNIFFING = { 'X-Content-Type-Options': Type.String({ description: 'The media type is what it says', example: 'nosniff' }) }

const params = Type.Object({ id: Type.String({ description: 'The document', examples: [EXAMPLE.id] }) })

const annotations = (options: ObjectOptions = {}) => Type.Object({
  annotations: Type.Array(Type.Object({}, { additionalProperties: true }), { maxItems: 1000, description: 'Kept as they are' })
}, { ...options, additionalProperties: false, description: 'The annotations', examples: [{ annotations: [{ type: 'note', text: 'Please sign here' }] }] })

/** What the guard answers, and the server itself. */
const GUARD_ERRORS = [
  { statusCode: 400, code: 'FST_ERR_BAD_URL', message: 'Bad Request' },
  new MultipleTokensError(),
  new MissingTokenError(),
  new InvalidTokenError(),
  new TokenExpiredError(),
  new TokenRevokedError(),
  new InsufficientPermissionError(),
  new OriginNotAllowedError(),
  { statusCode: 404, code: 'FST_ERR_NOT_FOUND', message: 'Not Found' },
  { statusCode: 414, code: 'FST_ERR_MAX_PARAM_LENGTH', message: 'URI Too Long' },
  new StoreUnavailableError()
]

const GUARD_HEADERS: HeadersByStatus = {
  400: { ...NO_STORE, ...CHALLENGES[400] },
  401: { ...NO_STORE, ...CHALLENGES[401] },
  403: { ...NO_STORE, ...CHALLENGES[403] },
  503: NO_STORE
}

const guarded = { tags: ['documents'], security: [{ docTokensSession: [] }], params }

export const listSchema = {
  operationId: 'listDocuments',
  summary: 'List the documents',
  tags: ['documents'],
  security: [{ docTokensBearer: [] }, { docTokensApiKey: [] }],
  response: {
    200: Type.Object({
      documents: Type.Array(Type.Object({ id: Type.String(), title: Type.String(), type: Type.String({ description: 'Its media type' }) }))
    }, { description: 'Those that the API key reaches', headers: NO_SNIFFING, examples: [{ documents: [EXAMPLE] }] }),
    ...refusals([
      new MultipleCredentialsError(),
      new MissingCredentialError(),
      new InvalidCredentialError(),
      new FlowNotAllowedError(),
      new StoreUnavailableError()
    ], CHALLENGES)
  }
}

/** @param types Media types that documents have. */
function bytesOf (types: readonly string[], disposition: string) {
  return {
    description: 'The document',
    headers: {
      'Cache-Control': Type.String({ description: 'For this reader alone, and not to be kept', example: 'private, no-store' }),
      'Content-Disposition': Type.String({ description: 'Its file name', example: `${disposition}; filename="contract.pdf"` }),
      ...NO_SNIFFING
    },
    content: binary(types)
  }
}

/** What a body of bytes is called for OpenAPI. */
export function binary (types: readonly string[]) {
  return Object.fromEntries(types.map((type) => [type, { schema: Type.String({ format: 'binary' }) }]))
}

export function readSchema (types: readonly string[]) {
  return {
    ...guarded,
    operationId: 'readDocument',
    summary: 'Read a document',
    description: 'With the permission `read`.',
    response: { 200: bytesOf(types, 'inline'), ...refusals(GUARD_ERRORS, GUARD_HEADERS) }
  }
}

export function downloadSchema (types: readonly string[]) {
  return {
    ...guarded,
    operationId: 'downloadDocument',
    summary: 'Download a document',
    description: 'With the permission `download`.',
    response: { 200: bytesOf(types, 'attachment'), ...refusals(GUARD_ERRORS, GUARD_HEADERS) }
  }
}

export const readAnnotationsSchema = {
  ...guarded,
  operationId: 'readAnnotations',
  summary: 'Read the annotations of a document',
  description: 'With the permission `read`.',
  response: { 200: annotations({ headers: NO_SNIFFING }), ...refusals(GUARD_ERRORS, GUARD_HEADERS) }
}

export const replaceAnnotationsSchema = {
  ...guarded,
  operationId: 'replaceAnnotations',
  summary: 'Replace the annotations of a document',
  description: 'With the permission `write`.',
  body: annotations(),
  response: {
    204: Type.Null({ description: 'They are kept', headers: NO_SNIFFING }),
    ...refusals([
      ...GUARD_ERRORS,
      { statusCode: 400, code: 'FST_ERR_VALIDATION', message: 'body must have required property \'annotations\'' },
      { statusCode: 400, code: 'FST_ERR_CTP_EMPTY_JSON_BODY', message: 'Body cannot be empty when content-type is set to \'application/json\'' },
      { statusCode: 400, code: 'FST_ERR_CTP_INVALID_JSON_BODY', message: 'Body is not valid JSON but content-type is set to \'application/json\'' },
      { statusCode: 413, code: 'FST_ERR_CTP_BODY_TOO_LARGE', message: 'Request body is too large' },
      { statusCode: 415, code: 'FST_ERR_CTP_INVALID_MEDIA_TYPE', message: 'Unsupported Media Type' }
    ], GUARD_HEADERS)
  }
}
