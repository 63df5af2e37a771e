import { STATUS_CODES } from 'node:http'
import { type FastifyDynamicSwaggerOptions } from '@fastify/swagger'
import { type TObject, Type } from '@sinclair/typebox'
import { InvalidCredentialError, MissingCredentialError, StoreUnavailableError } from 'fastify-doc-tokens/errors'
import { securitySchemes } from 'fastify-doc-tokens/session-issuance'

/** An error as clients see it. */
interface ErrorExample {
  statusCode?: number
  code: string
  message: string
}

interface Operation {
  operationId: string
  requestBody?: object
  responses: Record<string, object>
}

/** An answer of a flow, as its own schemas describe it. */
interface FlowResponse {
  headers: object
  content: { 'application/json': object }
}

/** Header fields that a route sends with some of its answers, by status. */
export type HeadersByStatus = Readonly<Record<number, Readonly<Record<string, object>>>>

export const NO_STORE = { 'Cache-Control': Type.String({ description: 'Answers are not to be kept', example: 'no-store' }) }

const challenge = (error: string) => ({ 'WWW-Authenticate': Type.String({ description: 'RFC 6750, section 3: where it is about an API key or a session', example: `Bearer error="${error}"` }) })

export const CHALLENGES = { 400: challenge('invalid_request'), 401: challenge('invalid_token'), 403: challenge('insufficient_scope') }

export const RETRY = { 'Retry-After': Type.Integer({ description: 'Seconds to wait', example: 1 }) }

/** A schema per status, with each error as an example under its code. */
export function refusals (errors: readonly ErrorExample[], headers: HeadersByStatus = {}): Record<number, TObject> {
  const statuses = new Set(errors.map(({ statusCode }) => Number(statusCode)))
  return Object.fromEntries([...statuses].map((status) => [status, refusal(status, errors.filter(({ statusCode }) => statusCode === status), headers[status])]))
}

function refusal (status: number, errors: readonly ErrorExample[], headers: object = {}): TObject {
  const error = String(STATUS_CODES[status])
  return Type.Object({
    statusCode: Type.Integer(),
    code: Type.String(),
    error: Type.String(),
    message: Type.String()
  }, {
    description: error,
    headers: { ...headers, ...(status === 503 && RETRY) },
    'x-examples': Object.fromEntries(errors.map(({ code, message }) => [code, { value: { statusCode: status, code, error, message } }]))
  })
}

const HEALTHY = Type.Object({ status: Type.Literal('ok') }, { description: 'Yes', 'x-examples': { ok: { value: { status: 'ok' } } } })

/** For routes that everybody may call. */
const open = { tags: ['server'], security: [] }

export const rootSchema = {
  ...open,
  operationId: 'openConsole',
  summary: 'Where to go from here',
  response: { 302: Type.Null({ description: 'To this documentation', headers: { Location: Type.String({ description: 'Its path', example: '/docs' }) } }) }
}

export const liveSchema = {
  ...open,
  operationId: 'isAlive',
  summary: 'Whether the process runs',
  description: 'Never asks the store.',
  response: { 200: HEALTHY }
}

const outage = new StoreUnavailableError()

export const readySchema = {
  ...open,
  operationId: 'isReady',
  summary: 'Whether to send requests here',
  response: {
    200: HEALTHY,
    503: {
      description: 'Not now',
      headers: RETRY,
      anyOf: [Type.Object({ status: Type.Literal('draining') }), refusals([outage])[503]],
      'x-examples': {
        draining: { summary: 'The server is about to end', value: { status: 'draining' } },
        [outage.code]: { summary: 'The store is out of reach', value: { statusCode: 503, code: outage.code, error: STATUS_CODES[503], message: outage.message } }
      }
    }
  }
}

/** How a user of the editor logs in, and how its document server says who it is. */
const editorSecuritySchemes = {
  editorLogin: { type: 'http', scheme: 'basic', description: 'Any name, and an API key as the password' },
  documentServer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: 'A token of the document server, under the outbox secret' }
} as const

/** Answers of the server itself: before any route is asked, and while it reads a body. */
const foreignHost = { ...asResponse(421, 'FOREIGN_HOST', 'The request names a host that is not this server'), headers: { 'Cache-Control': asHeader('Answers are not to be kept', 'no-store') } }
const requestTimeout = asResponse(408, 'ERR_HTTP_REQUEST_TIMEOUT', 'The request did not come to its end in time')

function asHeader (description: string, example: string) {
  return { description, schema: { type: 'string' as const, example } }
}

function asResponse (statusCode: number, code: string, description: string) {
  const error = STATUS_CODES[statusCode]
  const properties = { statusCode: { type: 'integer' }, code: { type: 'string' }, error: { type: 'string' }, message: { type: 'string' } } as const
  const schema = { type: 'object' as const, required: Object.keys(properties), properties }
  return { description, content: { 'application/json': { schema, examples: { [code]: { value: { statusCode, code, error, message: error } } } } } }
}

/** The flows' routes that the host's own users call, and how each shows a refusal. */
const USER_OPERATIONS: Readonly<Record<string, (error: ErrorExample) => object>> = {
  createBrokeredSession: ({ message }) => ({ success: false, error: message }),
  createEditorConfig: toFastifyBody,
  signEditorMethod: toFastifyBody,
  explainEditorToken: toFastifyBody
}

function toFastifyBody ({ statusCode = 500, code, message }: ErrorExample): object {
  return { statusCode, code, error: STATUS_CODES[statusCode], message }
}

/** What the login answers in front of such a route, which knows nothing of it but gives the answer its form. */
function loginRequired ({ headers, content: { 'application/json': media } }: FlowResponse, bodyOf: (error: ErrorExample) => object): FlowResponse & { description: string } {
  const errors = [new MissingCredentialError(), new InvalidCredentialError()]
  const examples = Object.fromEntries(errors.map((error) => [error.code, { value: bodyOf(error) }]))
  return {
    description: 'Without a login, or a good one',
    headers: {
      ...headers,
      RateLimit: asHeader('As for all answers. The limit by user comes behind the login', '"address";r=119;t=60'),
      'WWW-Authenticate': asHeader('RFC 6750, section 3', 'Bearer error="invalid_token"')
    },
    content: { 'application/json': { ...media, examples } }
  }
}

/**
 * The options of @fastify/swagger.
 *
 * @param url Where the routes are, for whoever reads the document.
 */
export function openApi (url: string): FastifyDynamicSwaggerOptions {
  return {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'fastify-doc-tokens example server', version: '0.1.0' },
      servers: [{ url }],
      tags: [
        { name: 'document sessions', description: 'For backends: tokens that open documents' },
        { name: 'documents', description: 'For viewers: what the tokens open' },
        { name: 'document editor', description: 'For editors, their users and their document server' },
        { name: 'opaque tokens', description: 'For partners and editors: tokens for parameters that no URL shall hold' },
        { name: 'client credentials', description: 'For programs: access tokens, by the id and the secret of a client' },
        { name: 'files', description: 'What access tokens open' },
        { name: 'server', description: 'For whoever runs it' }
      ],
      components: { securitySchemes: { ...securitySchemes, ...editorSecuritySchemes }, responses: { foreignHost, requestTimeout } }
    },
    transformObject: (document) => {
      if (!('openapiObject' in document)) return document.swaggerObject
      // A path has operations and nothing else here.
      for (const path of Object.values(document.openapiObject.paths ?? {})) {
        for (const { operationId, requestBody, responses } of Object.values(path ?? {}) as Operation[]) {
          const bodyOf = USER_OPERATIONS[operationId]
          if (bodyOf !== undefined) responses['401'] = loginRequired(responses['403'] as FlowResponse, bodyOf)
          responses['421'] = { $ref: '#/components/responses/foreignHost' }
          if (requestBody !== undefined) responses['408'] = { $ref: '#/components/responses/requestTimeout' }
        }
      }
      return document.openapiObject
    }
  }
}
