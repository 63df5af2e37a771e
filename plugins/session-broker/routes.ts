import { DocumentNotAllowedError, InvalidAuthorizationError, InvalidRequestError } from '../../lib/errors.ts'
import { type BrokerBody, BrokerBodySchema, brokerReplies } from '../../lib/schemas/session-broker.ts'
import { type Authorization, type BrokeredSession, type SessionBroker } from '../../lib/tokens/session-broker.ts'
import { describe, prepareScope, refuseOtherMethods } from '../shared/flow-scope.ts'
import { sendJson } from '../shared/json-reply.ts'
import { declareSecuritySchemes, operationIdOf } from '../shared/openapi.ts'
import { type CodedError, isRefusal, messageOf } from '../shared/refusals.ts'
import { type TypeBoxPlugin } from '../shared/type-provider.ts'
import { admitUsers, askHost } from '../shared/user-routes.ts'
import { type ResolvedBrokerRoutes } from './options.ts'

const OWNER = { flow: 'session-broker', caller: 'user' } as const
const PATH = '/api/create-session'

/** Bytes. One id of full length fits, however it is escaped. */
const BODY_LIMIT = 8 * 1024

/** @internal */
export const routes: TypeBoxPlugin<ResolvedBrokerRoutes & { broker: SessionBroker<string> }> = async (fastify, { broker, authorize, ...users }) => {
  const { store, limits, security } = users
  const { name, now } = broker.settings
  const instance = { flow: OWNER.flow, name, store, now }
  await prepareScope(fastify, instance, { limit: limits.address, bodyOf: toBrokerBody })
  refuseOtherMethods(fastify, PATH, OWNER, ['POST'])

  await fastify.register(async (scope: typeof fastify) => {
    await admitUsers(scope, instance, users)

    scope.post(PATH, {
      config: { docTokens: OWNER, swaggerTransform: declareSecuritySchemes },
      bodyLimit: BODY_LIMIT,
      schema: {
        ...describe({
          operationId: operationIdOf('createBrokeredSession', fastify.prefix),
          summary: 'Open a document',
          description: 'A session token for the logged-in user and the document, if the user may open it.',
          tags: ['document sessions'],
          security
        }),
        body: BrokerBodySchema,
        response: brokerReplies
      },
      preValidation: async ({ body }) => {
        if (!namesDocument(body)) throw new InvalidRequestError('Document ID is required')
      }
    }, async (request, reply) => {
      // A hook of the host's may have refused: behind an async one Fastify goes on when the client hangs up.
      if (reply.raw.destroyed) return reply
      const authorization = await askHost(() => authorize(request, { documentId: request.body.documentId }))
      if (authorization === null || authorization === undefined) throw new DocumentNotAllowedError()
      const { token } = await create(broker, authorization)
      return sendJson(reply, { success: true, sessionToken: token })
    })
  })
}

/** What is wrong with an authorization is the host's mistake, and none of the browser's. */
async function create (broker: SessionBroker<string>, authorization: Authorization<string>): Promise<BrokeredSession> {
  return await broker.create(authorization).catch((error) => {
    throw isRefusal(error) && error.statusCode < 500 ? new InvalidAuthorizationError({ cause: error }) : error
  })
}

/** The contract has one answer for a document that is not named, however that comes about. */
function namesDocument (body: unknown): boolean {
  if (typeof body !== 'object' || body === null) return false
  const { documentId }: Partial<Record<keyof BrokerBody, unknown>> = body
  return documentId !== undefined && documentId !== null && documentId !== ''
}

function toBrokerBody (error: CodedError): object {
  return { success: false, error: messageOf(error) }
}
