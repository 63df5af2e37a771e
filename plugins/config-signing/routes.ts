import { type FastifyRequest } from 'fastify'
import { DocumentNotAllowedError, InvalidAuthorizationError, UnknownMethodError, UnknownTenantError } from '../../lib/errors.ts'
import { type EditorConfig } from '../../lib/schemas/editor/config.ts'
import { type EditorMethodName, type EditorMethodParameters } from '../../lib/schemas/editor/methods.ts'
import { ExplainBodySchema } from '../../lib/schemas/editor/explain.ts'
import { ConfigBodySchema, configReplies, explainReplies, MethodBodySchema, MethodParamsSchema, methodReplies } from '../../lib/schemas/editor/routes.ts'
import { withLooks } from '../../lib/tokens/editor/looks.ts'
import { type RouteDescription, describe, prepareScope, refuseOtherMethods } from '../shared/flow-scope.ts'
import { sendJson } from '../shared/json-reply.ts'
import { declareSecuritySchemes, operationIdOf } from '../shared/openapi.ts'
import { isRefusal } from '../shared/refusals.ts'
import { type TypeBoxPlugin } from '../shared/type-provider.ts'
import { admitUsers, askHost } from '../shared/user-routes.ts'
import { checkStrictPart } from './authorization.ts'
import { type EditorSignatures } from './index.ts'
import { type AskedOfEditor, type Authorize, type ResolvedEditorRoutes } from './options.ts'

const OWNER = { flow: 'config-signing', caller: 'user' } as const
const CONFIG_PATH = '/editor/config'
const METHODS_PATH = '/editor/methods/:method'
const EXPLAIN_PATH = '/editor/explain'

/** Bytes of what a browser asks for. */
const BODY_LIMIT = 16 * 1024

/** Bytes. The largest token that is signed here fits, and a config beside it. */
const EXPLAIN_BODY_LIMIT = 1024 * 1024

/** @internal */
export const routes: TypeBoxPlugin<ResolvedEditorRoutes & { signatures: EditorSignatures }> = async (fastify, { signatures, authorize, tenantOf, ...users }) => {
  const { store, limits, security } = users
  const { name, now } = signatures.settings
  const instance = { flow: OWNER.flow, name, store, now }
  const config = { docTokens: OWNER, swaggerTransform: declareSecuritySchemes }
  const described = (operation: string, description: RouteDescription) => describe({
    operationId: operationIdOf(operation, fastify.prefix),
    tags: ['document editor'],
    security,
    ...description
  })
  const { config: authorizeConfig, methods, explain: authorizeExplain } = authorize

  await prepareScope(fastify, instance, { limit: limits.address })
  const paths = [authorizeConfig && CONFIG_PATH, methods && METHODS_PATH, authorizeExplain && EXPLAIN_PATH]
  for (const path of paths) if (path !== undefined) refuseOtherMethods(fastify, path, OWNER, ['POST'])

  await fastify.register(async (scope: typeof fastify) => {
    await admitUsers(scope, instance, users)

    if (authorizeConfig !== undefined) {
      scope.post(CONFIG_PATH, {
        config,
        bodyLimit: BODY_LIMIT,
        schema: {
          ...described('createEditorConfig', {
            summary: 'Open a document in the editor',
            description: 'The signed config for the logged-in user and the document, if the user may open it.'
          }),
          body: ConfigBodySchema,
          response: configReplies
        }
      }, async (request, reply) => {
        // A hook of the host's may have refused: behind an async one Fastify goes on when the client hangs up.
        if (reply.raw.destroyed) return reply
        const { documentId, data, ...looks } = request.body
        const allowed = await ask(authorizeConfig, request, { documentId, data })
        const tenant = await askHost(() => tenantOf(request))
        return sendJson(reply, await orMistake(async () => {
          const config = withLooks(allowed, looks)
          checkStrictPart(config)
          return await signatures.signConfig(config, tenant)
        }))
      })
    }

    if (methods !== undefined) {
      scope.post(METHODS_PATH, {
        config,
        bodyLimit: BODY_LIMIT,
        schema: {
          ...described('signEditorMethod', {
            summary: 'Call a method of the editor',
            description: 'The signed parameter of the method for the logged-in user, if the user may have it.'
          }),
          params: MethodParamsSchema,
          body: MethodBodySchema,
          response: methodReplies
        }
      }, async (request, reply) => {
        if (reply.raw.destroyed) return reply
        const method = Object.keys(methods).find((name) => name === request.params.method) as EditorMethodName | undefined // checked at registration
        const authorizeMethod = method && methods[method] as Authorize<EditorMethodParameters[EditorMethodName]> | undefined // each has a type of its own
        if (method === undefined || authorizeMethod === undefined) throw new UnknownMethodError()
        const parameter = await ask(authorizeMethod, request, request.body)
        const tenant = await askHost(() => tenantOf(request))
        return sendJson(reply, await orMistake(async () => {
          if (method === 'refreshFile') checkStrictPart(parameter as EditorConfig) // by the type of its function
          return await signatures.signMethod(method, parameter, tenant)
        }))
      })
    }

    if (authorizeExplain !== undefined) {
      scope.post(EXPLAIN_PATH, {
        config,
        bodyLimit: EXPLAIN_BODY_LIMIT,
        schema: {
          ...described('explainEditorToken', {
            summary: 'Why a token is refused',
            description: 'What the document server would say of the token, and what it would not.'
          }),
          body: ExplainBodySchema,
          response: explainReplies
        }
      }, async (request, reply) => {
        if (reply.raw.destroyed) return reply
        if (await ask(authorizeExplain, request, {}) !== true) throw new DocumentNotAllowedError()
        const tenant = await askHost(() => tenantOf(request))
        return sendJson(reply, await orMistake(async () => await signatures.explain({ token: undefined, ...request.body }, tenant)))
      })
    }
  })
}

/** What is `false` is no answer either: to say whether a user may is to say what. */
async function ask<Answer> (authorize: Authorize<Answer>, request: FastifyRequest, asked: { [Member in keyof AskedOfEditor]: AskedOfEditor[Member] | undefined }): Promise<Answer> {
  const { documentId, data } = asked
  const answer = await askHost(() => authorize(request, { ...(documentId !== undefined && { documentId }), ...(data !== undefined && { data }) }))
  if (answer === null || answer === undefined || answer === false) throw new DocumentNotAllowedError()
  return answer
}

/** What is wrong with what the host lets its user have, or with the secrets of a tenant, is the host's mistake, and none of the browser's: the log alone is told. */
async function orMistake<Answer> (sign: () => Promise<Answer>): Promise<Answer> {
  try {
    return await sign()
  } catch (error) {
    throw isMistake(error) ? new InvalidAuthorizationError({ cause: error }) : error
  }
}

function isMistake (error: unknown): boolean {
  return isRefusal(error) && error.statusCode !== 503 && !(error instanceof UnknownTenantError)
}
