import { type Static, Type } from '@sinclair/typebox'
import {
  DocumentNotAllowedError, ForeignOriginError, InvalidAuthorizationError, InvalidRequestError, SignerFailedError, UpstreamFailedError, UpstreamTimeoutError
} from '../errors.ts'
import { errorReplies, type ErrorShape, jsonErrors, JWT_EXAMPLE, userReplyHeaders, validationError } from './replies.ts'
import { ID_LENGTH } from './scalars.ts'

/** The body of `POST /api/create-session`. What there is of permissions the host decides, never the browser. */
export const BrokerBodySchema = Type.Object({
  documentId: Type.String({ ...ID_LENGTH, description: 'The document to open' })
}, { additionalProperties: false, 'x-examples': { document: { value: { documentId: 'contract' } } } })

export type BrokerBody = Static<typeof BrokerBodySchema>

const BrokerReplySchema = Type.Object({
  success: Type.Literal(true),
  sessionToken: Type.String({ description: 'The session token, for the viewer' })
}, { description: 'The session', headers: userReplyHeaders, 'x-examples': { session: { value: { success: true, sessionToken: JWT_EXAMPLE } } } })

const FAILURE: ErrorShape = {
  headers: userReplyHeaders,
  properties: { success: Type.Literal(false), error: Type.String({ maxLength: 1024 }) },
  exampleOf: ({ message }) => ({ success: false, error: message })
}

export const brokerReplies = {
  200: BrokerReplySchema,
  ...errorReplies([
    ...jsonErrors,
    new InvalidRequestError('Document ID is required'),
    validationError('body/documentId: Expected string length less or equal to 512'),
    new ForeignOriginError(),
    new DocumentNotAllowedError(),
    new InvalidAuthorizationError(),
    new UpstreamFailedError(),
    new SignerFailedError(),
    new UpstreamTimeoutError()
  ], FAILURE)
}
