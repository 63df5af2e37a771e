import {
  createSessionBodySchema, createSessionReplies, type CreateSessionBody, RevokeSessionBodySchema, revokeSessionReplies
} from '../../lib/schemas/document-session.ts'
import { InvalidRequestError } from '../../lib/errors.ts'
import { type MemberNames, type SessionDocument, type SessionInput } from '../../lib/tokens/document-session-input.ts'
import { requireApiKey } from '../shared/api-key.ts'
import { callerOf } from '../shared/callers.ts'
import { describe, prepareScope, refuseOtherMethods } from '../shared/flow-scope.ts'
import { sendJson } from '../shared/json-reply.ts'
import { API_KEY_SECURITY, declareSecuritySchemes, operationIdOf } from '../shared/openapi.ts'
import { type TypeBoxPlugin } from '../shared/type-provider.ts'
import { type DocumentSessions } from './index.ts'
import { type ResolvedRoutesOptions } from './options.ts'

const OWNER = { flow: 'session-issuance', caller: 'machine' } as const
const PATH = '/viewer/sessions'

/** Bytes. A thousand documents with ASCII ids of full length fit. */
const BODY_LIMIT = 1024 * 1024

/** What messages call the members: the names of the wire, as they were sent. */
const wireNames = ({ allowed_documents: documents = [] }: CreateSessionBody): MemberNames => ({
  document: (index) => `body/allowed_documents/${index}/document_id`,
  permission: (index, position) => `body/allowed_documents/${index}/${documents[index]?.permissions === undefined ? 'document_permissions' : 'permissions'}/${position}`,
  expiry: 'body/exp',
  notBefore: 'body/nbf',
  subject: 'body/user_id',
  allowedOrigins: 'body/allowed_origins'
})

const config = { docTokens: OWNER, swaggerTransform: declareSecuritySchemes }

const description = { tags: ['document sessions'], security: API_KEY_SECURITY }

/** @internal */
export const routes: TypeBoxPlugin<ResolvedRoutesOptions & { sessions: DocumentSessions<string> }> = async (fastify, { sessions, credentials, optionalMembers, limits }) => {
  const { permissions, name, store, now } = sessions.settings
  const instance = { flow: OWNER.flow, name, store, now }
  await prepareScope(fastify, instance, { limit: limits.address })
  for (const path of [PATH, `${PATH}/revoke`]) refuseOtherMethods(fastify, path, OWNER, ['POST'])

  await fastify.register(async (scope: typeof fastify) => {
    await requireApiKey(scope, credentials, instance, limits)

    scope.post(PATH, {
      config,
      bodyLimit: BODY_LIMIT,
      schema: {
        ...describe({
          ...description,
          operationId: operationIdOf('createDocumentSession', fastify.prefix),
          summary: 'Issue a document session',
          description: 'A token that opens the listed documents, with the listed permissions, for a limited time.'
        }),
        body: createSessionBodySchema(permissions, optionalMembers),
        response: createSessionReplies(permissions)
      }
    }, async (request, reply) => {
      const { token } = await sessions.issue({ ...toInput(request.body, permissions), credential: callerOf(request) }, wireNames(request.body))
      return sendJson(reply.code(201), { jwt: token })
    })

    scope.post(`${PATH}/revoke`, {
      config,
      bodyLimit: BODY_LIMIT,
      schema: {
        ...describe({
          ...description,
          operationId: operationIdOf('revokeDocumentSession', fastify.prefix),
          summary: 'End document sessions',
          description: 'Ends one session, or all sessions of a user, that the API key issued.'
        }),
        body: RevokeSessionBodySchema,
        response: revokeSessionReplies
      }
    }, async (request, reply) => {
      const { jwt, user_id: subject } = request.body
      const { id } = callerOf(request)
      if ((jwt === undefined) === (subject === undefined)) throw new InvalidRequestError('body must have just one of jwt and user_id')
      if (jwt !== undefined) await sessions.revoke(jwt, id)
      if (subject !== undefined) await sessions.revokeAll({ subject, credential: id })
      return reply.code(204).send(null)
    })
  })
}

function toInput (body: CreateSessionBody, vocabulary: readonly string[]): SessionInput<string> {
  const { allowed_documents: documents = [], exp, user_id: subject, nbf, allowed_origins: allowedOrigins } = body
  return {
    documents: documents.map((document, index) => toDocument(document, index, vocabulary)),
    ...(exp !== undefined && { expiresAt: exp }),
    ...(subject !== undefined && { subject }),
    ...(nbf !== undefined && { notBefore: nbf }),
    ...(allowedOrigins !== undefined && { allowedOrigins })
  }
}

/** Absent permissions are the least one: older documents of the vendor took them for all, its service ignores what it does not know. */
function toDocument (document: NonNullable<CreateSessionBody['allowed_documents']>[number], index: number, vocabulary: readonly string[]): SessionDocument<string> {
  const { document_id: id, document_permissions: named, permissions: alias } = document
  if (named !== undefined && alias !== undefined) throw new InvalidRequestError(`body/allowed_documents/${index}/permissions cannot stand beside document_permissions`)
  return { id, permissions: named ?? alias ?? vocabulary.slice(0, 1) }
}
