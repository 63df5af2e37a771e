/**
 * Refusals as OAuth writes them: RFC 6749, section 5.2.
 *
 * @module
 */
import { type FastifyRequest } from 'fastify'
import { InvalidClientError, InvalidFormError } from '../../lib/errors.ts'
import { type Judgement } from '../shared/flow-scope.ts'
import { type CodedError, messageOf } from '../shared/refusals.ts'

const NAMES: Readonly<Record<string, string>> = {
  FDT_INVALID_CLIENT: 'invalid_client',
  FDT_UNSUPPORTED_GRANT_TYPE: 'unsupported_grant_type',
  FDT_INVALID_SCOPE: 'invalid_scope',
  FDT_INVALID_TARGET: 'invalid_target',
  FDT_INVALID_DPOP_PROOF: 'invalid_dpop_proof',
  FDT_DPOP_NONCE_REQUIRED: 'use_dpop_nonce',
  FDT_MISSING_TOKEN: 'invalid_token',
  FDT_INVALID_TOKEN: 'invalid_token',
  FDT_TOKEN_EXPIRED: 'invalid_token',
  FDT_TOKEN_REVOKED: 'invalid_token',
  FDT_INSUFFICIENT_SCOPE: 'insufficient_scope',
  FDT_LOCKED: 'temporarily_unavailable',
  FDT_RATE_LIMITED: 'temporarily_unavailable'
}

/** What HTTP Basic is asked for with. Both are encoded as RFC 6749, section 2.3.1, says. */
const BASIC_CHALLENGE = 'Basic realm="client credentials", charset="UTF-8"'

/** The `error` of a refusal. Every one has it: one of the vendor's SDKs waits for ever where it is missing. */
export function errorName ({ code, statusCode }: Pick<CodedError, 'code' | 'statusCode'>): string {
  if (statusCode === 503) return 'temporarily_unavailable'
  return NAMES[code] ?? (statusCode >= 500 ? 'server_error' : 'invalid_request')
}

/** Of the characters that an `error_description` may hold; our messages hold nothing that came with a request. */
export function oauthBody (error: CodedError): object {
  return { error: errorName(error), error_description: messageOf(error).replaceAll(/[^\x20\x21\x23-\x5b\x5d-\x7e]/g, '\'') }
}

/** At the token endpoint: 401 answers who used HTTP Basic, and the vendor's 400 everybody else. What is no form is a bad request. */
export function judgeAtToken (error: CodedError, { headers }: FastifyRequest): Judgement {
  if (error instanceof InvalidClientError && headers.authorization !== undefined) return challenged(error)
  return { ...about(error), answer: error.statusCode === 415 ? new InvalidFormError('it is not application/x-www-form-urlencoded') : error }
}

/** Elsewhere the caller is a protected resource: RFC 7662, section 2.3, and RFC 7009, section 2.2.1. */
export function judgeElsewhere (error: CodedError, request: FastifyRequest): Judgement {
  return error instanceof InvalidClientError ? challenged(error) : judgeAtToken(error, request)
}

function challenged (error: CodedError): Judgement {
  return { ...about(error), answer: Object.assign(error, { statusCode: 401, headers: { 'www-authenticate': BASIC_CHALLENGE } }) }
}

/** Why an assertion, or the record of a client, is of no use: for the log. Neither message holds anything that came with a request. */
function about (error: CodedError): Omit<Judgement, 'answer'> {
  const { cause } = error
  return { holder: {}, ...(error instanceof InvalidClientError && cause instanceof Error && { details: { reason: cause.message } }) }
}
