import { STATUS_CODES } from 'node:http'
import { type FastifyReply, type FastifyRequest } from 'fastify'
import { IssuerUnavailableError } from '../../lib/errors.ts'
import { type TokenHolder } from '../../lib/events.ts'
import { publish } from '../../lib/publish.ts'
import { type FlowInstance, originOf } from './flow-instance.ts'
import { sendJson } from './json-reply.ts'

/** An error of this package or of Fastify: it has a code, and its message is fit for a stranger. */
export interface CodedError extends Error {
  code: string
  statusCode: number
  /** Methods, for `Allow`. */
  allow?: string
  /** Seconds, for `Retry-After`. */
  retryAfter?: number
  /** Further header fields, and the challenge where it is not that of the code. Nothing in them came with a request. */
  headers?: Readonly<Record<string, string>>
}

/**
 * The challenge that goes with a code. RFC 6750, section 3: without `error` when no credentials came.
 * Constants all, so nothing that a stranger sent reaches the header.
 */
const CHALLENGES: Readonly<Record<string, string>> = {
  FDT_MISSING_CREDENTIAL: 'Bearer',
  FDT_INVALID_CREDENTIAL: 'Bearer error="invalid_token"',
  FDT_MULTIPLE_CREDENTIALS: 'Bearer error="invalid_request"',
  FDT_FLOW_NOT_ALLOWED: 'Bearer error="insufficient_scope"',
  FDT_CREDENTIAL_LIMIT: 'Bearer error="insufficient_scope"',
  FDT_MISSING_TOKEN: 'Bearer',
  FDT_INVALID_TOKEN: 'Bearer error="invalid_token"',
  FDT_TOKEN_EXPIRED: 'Bearer error="invalid_token"',
  FDT_TOKEN_REVOKED: 'Bearer error="invalid_token"',
  FDT_MULTIPLE_TOKENS: 'Bearer error="invalid_request"',
  FDT_INSUFFICIENT_PERMISSION: 'Bearer error="insufficient_scope"',
  FDT_ORIGIN_NOT_ALLOWED: 'Bearer error="insufficient_scope"',
  FDT_CROSS_SITE: 'Bearer error="invalid_request"'
}

/** Seconds after which a request that met an outage may come back. */
const OUTAGE_RETRY_AFTER = 1

/** Whether an error is of this package, and so a refusal that a guard answers. */
export function isRefusal (error: unknown): error is CodedError {
  return hasCode(error) && error.code.startsWith('FDT_')
}

/** Whether an error is of this package or of Fastify itself: codes of its plugins, which are the host's, have no `ERR`. */
export function isCodedError (error: unknown): error is CodedError {
  return hasCode(error) && /^F(?:DT|ST_ERR)_/.test(error.code)
}

function hasCode (error: unknown): error is CodedError {
  return error instanceof Error &&
    'code' in error && typeof error.code === 'string' &&
    'statusCode' in error && typeof error.statusCode === 'number' && error.statusCode >= 400
}

/**
 * Tells the log and who listens. An outage is logged with its cause, which a client never sees; a refusal by its code.
 *
 * @param details What the host needs to find the mistake, where a refusal is mostly one of its own set-up. Safe to log.
 */
export function reportRefusal (request: FastifyRequest, error: CodedError, { flow, name, now }: FlowInstance, holder: TokenHolder, details?: object): void {
  const { code, statusCode: status } = error
  // An issuer that is away was told of once: strangers who make up keys must not fill the log.
  if (status >= 500 && !(error instanceof IssuerUnavailableError)) request.log.error(error)
  else if (details !== undefined) request.log.warn({ code, ...details }, 'request refused')
  else request.log.info({ code }, 'request refused')
  publish('refused', () => ({ flow, name, time: now(), ...originOf(request), code, status, ...holder }))
}

/**
 * Answers with the error: status, headers and body. Nothing of it depends on the host's handlers.
 *
 * @param bodyOf The body, where a contract wants another one than Fastify's.
 */
export function sendRefusal (error: CodedError, reply: FastifyReply, bodyOf: (error: CodedError) => object = toFastifyBody): FastifyReply {
  const { statusCode, allow, headers, retryAfter = statusCode === 503 ? OUTAGE_RETRY_AFTER : undefined } = error
  const challenge = CHALLENGES[error.code]
  reply.code(statusCode).header('cache-control', 'no-store')
  if (challenge !== undefined) reply.header('www-authenticate', challenge)
  if (retryAfter !== undefined) reply.header('retry-after', retryAfter)
  if (allow !== undefined) reply.header('allow', allow)
  if (headers !== undefined) reply.headers(headers)
  return sendJson(reply, bodyOf(error))
}

function toFastifyBody (error: CodedError): object {
  const { statusCode, code } = error
  return { statusCode, code, error: STATUS_CODES[statusCode], message: messageOf(error) }
}

/** Ours, and those of our validator, hold nothing that a stranger sent. Of Fastify's own, older releases repeat a content type. */
export function messageOf ({ code, statusCode, message }: CodedError): string {
  return code.startsWith('FDT_') || code === 'FST_ERR_VALIDATION' ? message : `${STATUS_CODES[statusCode]}`
}
