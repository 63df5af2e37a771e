import { STATUS_CODES } from 'node:http'
import { type FastifyError, type FastifyInstance } from 'fastify'

/** What a client is told: the form of OAuth, which is the guard's as well. One of the vendor's SDKs waits for ever where `error` is missing. */
export interface ErrorBody {
  error: string
  error_description: string
}

const NAMES: Readonly<Record<number, string>> = { 404: 'not_found', 429: 'temporarily_unavailable', 503: 'temporarily_unavailable' }

/** Our own messages, and those of the validator, hold nothing that was sent. */
export function bodyOf ({ statusCode = 500, code, message }: Pick<FastifyError, 'statusCode' | 'code' | 'message'>): ErrorBody {
  const isOwn = code.startsWith('FDT_') || code === 'FST_ERR_VALIDATION'
  return {
    error: NAMES[statusCode] ?? (statusCode >= 500 ? 'server_error' : 'invalid_request'),
    error_description: isOwn ? message : String(STATUS_CODES[statusCode])
  }
}

/** Answers every error of the scope so. */
export function answerErrors (scope: FastifyInstance): void {
  scope.setErrorHandler((error: FastifyError, request, reply) => {
    const { statusCode = 500, code = '', message } = error
    if (statusCode >= 500) request.log.error(error)
    else request.log.info({ code }, 'request refused')
    return reply.code(statusCode).send(bodyOf({ statusCode, code, message }))
  })
}
