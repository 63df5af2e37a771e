import rateLimit from '@fastify/rate-limit'
import { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest, type FastifySchema } from 'fastify'
import { type Flow } from '../../lib/credentials/index.ts'
import { InvalidOptionError, MethodNotAllowedError, RateLimitedError } from '../../lib/errors.ts'
import { parseJson } from '../../lib/json.ts'
import { isCodedError, logRefusal, sendRefusal } from './refusals.ts'
import { typeBoxValidator } from './validation.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Which flow a route belongs to, and who calls it: a host's global hooks can tell machine routes by it. */
    docTokens?: { flow: Flow, caller: 'user' | 'machine' }
  }
}

/** Requests that one address may make to the routes of a flow. An IPv6 address counts as its /64. */
export interface AddressLimit {
  /** Requests per `timeWindow`. Default is `600`: a backend asks for all its users from one address. */
  max?: number
  /** Milliseconds. Default is `60000`. */
  timeWindow?: number
}

/** @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500): the limiter itself would fall back in silence. */
export function resolveLimit (limit: AddressLimit | undefined): Required<AddressLimit> {
  if (limit !== undefined && (typeof limit !== 'object' || limit === null)) throw new InvalidOptionError('rateLimit', 'must be { max?, timeWindow? }')
  const { max = 600, timeWindow = 60_000, ...unknown } = limit ?? {}
  const [misspelt] = Object.keys(unknown)
  if (misspelt !== undefined) throw new InvalidOptionError(`rateLimit.${misspelt}`, 'there is no such option')
  if (!Number.isSafeInteger(max) || max < 1) throw new InvalidOptionError('rateLimit.max', 'must be a whole number of at least 1')
  if (!Number.isSafeInteger(timeWindow) || timeWindow < 1) throw new InvalidOptionError('rateLimit.timeWindow', 'must be a whole number of milliseconds, at least 1')
  return { max, timeWindow }
}

/**
 * Makes a scope that owes nothing to its host: own parser, validator, serializer, error handler, limiter.
 * Must be awaited before the first route, else the limiter does not see it.
 */
export async function prepareScope (scope: FastifyInstance, limit: Required<AddressLimit>): Promise<void> {
  scope.removeAllContentTypeParsers()
  // Async: up to Fastify 5.12.7, what a parser throws with a callback in its hands ends the process.
  scope.addContentTypeParser<Buffer>('application/json', { parseAs: 'buffer' }, async (_request: FastifyRequest, body: Buffer) => parseJson(body))
  scope.setValidatorCompiler(typeBoxValidator)
  scope.setSerializerCompiler(() => (value) => JSON.stringify(value))
  scope.setReplySerializer((payload) => JSON.stringify(payload))
  scope.setErrorHandler(handleError)
  scope.addHook('onRequest', async (_request, reply) => { reply.header('cache-control', 'no-store') })
  await scope.register(rateLimit, {
    ...limit,
    errorResponseBuilder: () => new RateLimitedError()
  })
}

function handleError (error: FastifyError, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  // Thrown by a hook of the host's, or a bug: the host's own handler knows better.
  if (!isCodedError(error)) throw error
  logRefusal(request, error)
  return sendRefusal(error, reply)
}

/** What generators of OpenAPI read from a route's schema, beside what Fastify itself does. */
export interface RouteDescription {
  summary?: string
  description?: string
  operationId?: string
  tags?: readonly string[]
  security?: ReadonlyArray<Readonly<Record<string, readonly string[]>>>
  hide?: boolean
}

/** Fastify's own type knows these members only when @fastify/swagger is installed. */
export function describe (description: RouteDescription): FastifySchema {
  return description as FastifySchema
}

/** Answers 405 with `Allow` to every other method of `url`, behind the limiter and before any body is read. */
export function refuseOtherMethods (scope: FastifyInstance, url: string, flow: Flow, allowed: readonly string[]): void {
  const allow = allowed.join(', ')
  const refuse = async (): Promise<never> => { throw Object.assign(new MethodNotAllowedError(allow), { allow }) }
  // OPTIONS belongs to the host's CORS.
  const others = scope.supportedMethods.filter((method) => !allowed.includes(method) && method !== 'OPTIONS')
  scope.route({
    method: others,
    url,
    exposeHeadRoute: false,
    config: { docTokens: { flow, caller: 'machine' } },
    schema: describe({ hide: true }),
    preParsing: refuse,
    handler: refuse
  })
}
