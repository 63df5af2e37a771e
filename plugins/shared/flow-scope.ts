import { type FastifyError, type FastifyInstance, type FastifyRequest, type FastifySchema } from 'fastify'
import { MethodNotAllowedError } from '../../lib/errors.ts'
import { type FlowName, type TokenHolder } from '../../lib/events.ts'
import { parseJson } from '../../lib/json.ts'
import { type Limit } from '../../lib/limits/limit.ts'
import { findCaller } from './callers.ts'
import { type CountingInstance, limitByAddress, sendUsage } from './limiter.ts'
import { declareSecuritySchemes } from './openapi.ts'
import { type CodedError, isCodedError, reportRefusal, sendRefusal } from './refusals.ts'
import { typeBoxValidator } from './validation.ts'

/** What a route belongs to, and who calls it. */
export interface RouteOwner {
  readonly flow: FlowName
  readonly caller: 'user' | 'machine'
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Which flow a route belongs to, and who calls it: a host's global hooks can tell machine routes by it. */
    docTokens?: RouteOwner
  }
}

/** How the routes of a flow differ from those of others. */
export interface ScopeOptions {
  /** Requests per address. */
  limit: Limit | undefined
  /** The body of a refusal, where a contract wants another one than Fastify's. */
  bodyOf?: (error: CodedError) => object
  /** What a refusal is for others: default is the error itself, about no token. */
  judge?: (error: CodedError, request: FastifyRequest) => Judgement
  /** The one type of body that is read. Default is `application/json`. */
  contentType?: string
  /** Reads a body. Default is {@link parseJson}. */
  parse?: (body: Buffer, request: FastifyRequest) => unknown
  /** What is good for longer than its answer: `Cache-Control` of answers below 400. Default is `no-store`, as of all others. */
  cacheControl?: string
  /** Request headers that every answer depends on, for `Vary`. Default is none. */
  vary?: string
}

/** What a refusal is: in the log and in events it keeps its own name. */
export interface Judgement {
  /** What the client is told. */
  answer: CodedError
  /** Whose token it was, as far as that is certain. */
  holder: TokenHolder
  /** What the host needs to find its own mistake. Safe to log. */
  details?: object
}

/**
 * Makes a scope that owes nothing to its host: own parser, validator, serializer, error handler, limiter.
 * Must be awaited before the first route, else the limiter does not see it.
 */
export async function prepareScope (scope: FastifyInstance, instance: CountingInstance, { limit, bodyOf, judge = toJudgement, contentType = 'application/json', parse = parseJson, cacheControl = 'no-store', vary }: ScopeOptions): Promise<void> {
  scope.removeAllContentTypeParsers()
  // Async: up to Fastify 5.12.7, what a parser throws with a callback in its hands ends the process.
  scope.addContentTypeParser<Buffer>(contentType, { parseAs: 'buffer' }, async (request: FastifyRequest, body: Buffer) => parse(body, request))
  scope.setValidatorCompiler(typeBoxValidator)
  scope.setSerializerCompiler(() => serialize)
  scope.setReplySerializer(serialize)
  scope.setErrorHandler((error: FastifyError, request, reply) => {
    // Thrown by a hook of the host's, or a bug: the host's own handler knows better.
    // What is no error would be taken for the answer there.
    if (!isCodedError(error)) throw error instanceof Error ? error : new TypeError('a hook threw what is no error', { cause: error })
    const { id: credential, owner } = findCaller(request) ?? {}
    const { answer, holder, details } = judge(error, request)
    reportRefusal(request, error, instance, { credential, owner, ...holder }, details)
    return sendRefusal(answer, reply, bodyOf)
  })
  scope.addHook('onRequest', (_request, reply, done) => {
    // Fastify goes on here when a client hangs up while the refusal of an async login hook of the host's is held back.
    if (!reply.raw.destroyed) done()
  })
  // Behind the host's hooks, so that none of them has the last word.
  scope.addHook('onSend', (_request, reply, _payload, done) => {
    reply.header('cache-control', reply.statusCode < 400 ? cacheControl : 'no-store')
    // Others, such as the host's CORS, have theirs.
    if (vary !== undefined) reply.header('vary', [reply.getHeader('vary'), vary].flat().filter(Boolean).join(', '))
    done()
  })
  sendUsage(scope)
  await limitByAddress(scope, instance, limit)
}

function toJudgement (error: CodedError): Judgement {
  return { answer: error, holder: {} }
}

/** Where a status has a schema Fastify hands over an error of the host's whole, and JSON would show none of it. */
function serialize (value: unknown): string {
  if (!(value instanceof Error)) return JSON.stringify(value)
  const { statusCode, code, error, message } = value as FastifyError & { error: string }
  return JSON.stringify({ statusCode, code, error, message })
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
export function refuseOtherMethods (scope: FastifyInstance, url: string, owner: RouteOwner, allowed: readonly string[]): void {
  const allow = allowed.join(', ')
  const refuse = async (): Promise<never> => { throw Object.assign(new MethodNotAllowedError(allow), { allow }) }
  // OPTIONS belongs to the host's CORS.
  const others = scope.supportedMethods.filter((method) => !allowed.includes(method) && method !== 'OPTIONS')
  scope.route({
    method: others,
    url,
    exposeHeadRoute: false,
    config: { docTokens: owner, swaggerTransform: declareSecuritySchemes },
    schema: describe({ hide: true }),
    preParsing: refuse,
    handler: refuse
  })
}
