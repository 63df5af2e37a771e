import { STATUS_CODES } from 'node:http'
import { type TObject, type TProperties, Type } from '@sinclair/typebox'
import {
  FlowNotAllowedError, InvalidCredentialError, InvalidJsonError, LockedError, MissingCredentialError, MultipleCredentialsError, RateLimitedError,
  StoreFullError, StoreUnavailableError
} from '../errors.ts'

/** An error as clients see it, so any of `lib/errors.ts`. */
export interface ErrorExample {
  statusCode?: number
  code: string
  message: string
}

/** The form of a session token. It verifies nowhere. */
export const JWT_EXAMPLE = 'eyJhbGciOiJFUzI1NiJ9.eyJqdGkiOiIwMTkifQ.c2lnbmF0dXJl'

const NO_STORE = {
  'Cache-Control': Type.String({ description: 'Answers are not to be kept', example: 'no-store' })
}

/** @param limit The name of the limit that is closest as a rule. */
const usage = (limit: string) => ({
  RateLimit: Type.String({ description: 'How many requests are left, and seconds until there are more again, of the limit that is closest. Not while they cannot be counted', example: `"${limit}";r=59;t=60` }),
  'RateLimit-Policy': Type.String({ description: 'The limits that apply: how many requests, in how many seconds', example: '"address";q=600;w=60' })
})

/** RFC 6750, section 3.1. */
const CHALLENGES: Readonly<Record<number, { description: string, example: string }>> = {
  400: { description: 'Where more than one API key came', example: 'Bearer error="invalid_request"' },
  401: { description: 'Without `error` where none came', example: 'Bearer error="invalid_token"' },
  403: { description: 'What the API key does not reach', example: 'Bearer error="insufficient_scope"' }
}

/** Codes that are about an API key. */
const CHALLENGED = /CREDENTIAL|^FDT_FLOW_NOT_ALLOWED$/

const RETRY = {
  'Retry-After': Type.Integer({ description: 'Seconds to wait', minimum: 1, example: 1 })
}

/** Header fields of every answer. @fastify/swagger reads them from its schema. */
export const replyHeaders = { ...NO_STORE, ...usage('address') }

/** The same where the limit by user is the closest. */
export const userReplyHeaders = { ...NO_STORE, ...usage('user') }

/** Refusals that every route gives which takes JSON. */
export const jsonErrors: readonly ErrorExample[] = [
  new InvalidJsonError('it is not JSON'),
  { statusCode: 413, code: 'FST_ERR_CTP_BODY_TOO_LARGE', message: 'Payload Too Large' },
  { statusCode: 415, code: 'FST_ERR_CTP_INVALID_MEDIA_TYPE', message: 'Unsupported Media Type' },
  new RateLimitedError(),
  new StoreUnavailableError(),
  new StoreFullError()
]

/** Refusals that every route gives which wants an API key. */
export const apiKeyErrors: readonly ErrorExample[] = [
  new MultipleCredentialsError(),
  new MissingCredentialError(),
  new InvalidCredentialError(),
  new FlowNotAllowedError(),
  new LockedError()
]

/** What Fastify's validation says of a member. */
export function validationError (message: string): ErrorExample {
  return { statusCode: 400, code: 'FST_ERR_VALIDATION', message }
}

/** What the body of a refusal looks like. */
export interface ErrorShape {
  properties: TProperties
  headers: object
  exampleOf (error: ErrorExample): object
}

/** Fastify's. `code` is stable, `message` is for people. */
const FASTIFY_SHAPE: ErrorShape = {
  headers: replyHeaders,
  properties: {
    statusCode: Type.Integer(),
    code: Type.String({ maxLength: 64 }),
    error: Type.String({ maxLength: 64 }),
    message: Type.String({ maxLength: 1024 })
  },
  exampleOf: ({ statusCode, code, message }) => ({ statusCode, code, error: STATUS_CODES[Number(statusCode)], message })
}

/**
 * A schema per status, with each error as an example under its code. For the compiler there are none: handlers throw
 * these errors, and answer with nothing but what their own schemas say.
 *
 * @param difference What is unlike the refusals of Fastify itself.
 */
export function errorReplies (errors: readonly ErrorExample[], difference: Partial<ErrorShape> = {}): Record<never, TObject> {
  const shape = { ...FASTIFY_SHAPE, ...difference }
  const statuses = new Set(errors.map(({ statusCode }) => Number(statusCode)))
  return Object.fromEntries([...statuses].map((status) => [status, errorReply(status, errors.filter(({ statusCode }) => statusCode === status), shape)]))
}

function errorReply (status: number, errors: readonly ErrorExample[], { properties, headers, exampleOf }: ErrorShape): TObject {
  return Type.Object(properties, {
    description: String(STATUS_CODES[status]),
    headers: {
      ...headers,
      ...(errors.some(({ code }) => CHALLENGED.test(code)) && { 'WWW-Authenticate': Type.String(CHALLENGES[status]) }),
      ...((status === 429 || status === 503) && RETRY)
    },
    'x-examples': Object.fromEntries(errors.map((error) => [error.code, { value: exampleOf(error) }]))
  })
}
