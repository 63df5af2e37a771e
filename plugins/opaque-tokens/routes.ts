import { type TSchema } from '@sinclair/typebox'
import { type FastifyRequest } from 'fastify'
import { InvalidRequestError } from '../../lib/errors.ts'
import {
  generateBodySchema, generateReplies, GenerateQuerySchema, LookUpBodySchema, lookUpReplies, RevokeTokenBodySchema, revokeTokenReplies, VARY
} from '../../lib/schemas/opaque-token.ts'
import { type InputNames } from '../../lib/tokens/opaque/input.ts'
import { requireApiKey } from '../shared/api-key.ts'
import { callerOf } from '../shared/callers.ts'
import { describe, prepareScope, refuseOtherMethods } from '../shared/flow-scope.ts'
import { sendJson } from '../shared/json-reply.ts'
import { API_KEY_SECURITY, operationIdOf } from '../shared/openapi.ts'
import { type TypeBoxPlugin } from '../shared/type-provider.ts'
import { typeBoxValidator } from '../shared/validation.ts'
import { readToken } from './guard.ts'
import { BODY_LIMIT, config, fillBody, instanceOf, judge, type OpaqueScopeOptions, OWNER, readJson, tags } from './scope.ts'

const NAMES: InputNames = { parameters: 'body', expiresIn: 'querystring/expires_in', maxUses: 'querystring/max_uses' }

/** @internal What a partner's backend calls, with its API key. */
export const partnerRoutes: TypeBoxPlugin<OpaqueScopeOptions> = async (fastify, { tokens, credentials, includeAccessor, limits, maxBytes, schema }) => {
  const instance = instanceOf(tokens)
  await prepareScope(fastify, instance, { limit: limits.address, judge, vary: VARY, parse: readJson })
  for (const path of ['/generate', '/revoke', '/lookup']) refuseOtherMethods(fastify, path, OWNER, ['POST'])
  // Here, where they are limited.
  refuseOtherMethods(fastify, '/verify', OWNER, ['GET', 'POST'])

  await fastify.register(async (scope: typeof fastify) => {
    await requireApiKey(scope, credentials, instance, limits)

    await scope.register(async (inner: typeof fastify) => {
      // The text is kept as it was posted, and read with the token.
      inner.setValidatorCompiler<TSchema>((part) => part.httpPart === 'body' ? () => true : typeBoxValidator(part))
      inner.removeAllContentTypeParsers()
      inner.addContentTypeParser<Buffer>('application/json', { parseAs: 'buffer' }, async (_request: FastifyRequest, body: Buffer) => body)

      inner.post('/generate', {
        config,
        bodyLimit: maxBytes,
        schema: {
          ...describe({
            operationId: operationIdOf('generateToken', fastify.prefix),
            summary: 'Issue an opaque token',
            description: 'A token that stands for the parameters, which stay on the server.',
            tags,
            security: API_KEY_SECURITY
          }),
          querystring: GenerateQuerySchema,
          // Of the options it is known to be a schema.
          body: generateBodySchema(schema as TSchema | undefined),
          response: generateReplies(includeAccessor)
        }
      }, async (request, reply) => {
        const { expires_in: expiresIn, max_uses: maxUses } = request.query
        const { token, expiresAt, accessor } = await tokens.issue({
          json: bytesOf(request.body),
          credential: callerOf(request),
          expiresIn: expiresIn === undefined ? undefined : Number(expiresIn),
          maxUses: maxUses === undefined ? undefined : Number(maxUses)
        }, NAMES)
        return sendJson(reply, { token, expiration_time: expiresAt, ...(includeAccessor && { accessor }) })
      })
    })

    scope.post('/revoke', {
      config,
      bodyLimit: BODY_LIMIT,
      preValidation: fillBody,
      schema: {
        ...describe({
          operationId: operationIdOf('revokeToken', fastify.prefix),
          summary: 'End an opaque token',
          description: 'Ends a token that the API key had issued: the one in `x-api-token`, or that of the accessor.',
          tags,
          security: [...API_KEY_SECURITY, ...API_KEY_SECURITY.map((scheme) => ({ ...scheme, docTokensOpaque: [] }))]
        }),
        body: RevokeTokenBodySchema,
        response: revokeTokenReplies
      }
    }, async (request, reply) => {
      const { accessor } = request.body
      const isInHeader = request.headers['x-api-token'] !== undefined
      if (isInHeader === (accessor !== undefined)) throw new InvalidRequestError('x-api-token or body/accessor must be given, and just one of them')
      await tokens.revoke(accessor === undefined ? readToken(request) : { accessor }, callerOf(request).id)
      return reply.code(204).send(null)
    })

    scope.post('/lookup', {
      config,
      bodyLimit: BODY_LIMIT,
      schema: {
        ...describe({
          operationId: operationIdOf('lookUpToken', fastify.prefix),
          summary: 'Tell of an opaque token',
          description: 'Whose token it is and when it ends, by its accessor, to the API key that had it issued. Never its parameters.',
          tags,
          security: API_KEY_SECURITY
        }),
        body: LookUpBodySchema,
        response: lookUpReplies
      }
    }, async (request, reply) => {
      const { auth, expiresAt } = await tokens.lookUp(request.body.accessor, callerOf(request).id)
      return sendJson(reply, { auth, expiration_time: expiresAt })
    })
  })
}

/** Fastify calls no parser where there is neither a body nor a type. */
function bytesOf (body: unknown): Uint8Array {
  return body instanceof Uint8Array ? body : Buffer.alloc(0)
}
