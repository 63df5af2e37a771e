import { type Static, Type } from '@sinclair/typebox'
import { ID_LENGTH } from './scalars.ts'

/** The body of `POST /api/create-session`. What there is of permissions the host decides, never the browser. */
export const BrokerBodySchema = Type.Object({
  documentId: Type.String({ ...ID_LENGTH, description: 'The document to open' })
}, { additionalProperties: false, examples: [{ documentId: 'contract' }] })

export type BrokerBody = Static<typeof BrokerBodySchema>

const BrokerReplySchema = Type.Object({
  success: Type.Literal(true),
  sessionToken: Type.String({ description: 'The session token, for the viewer' })
}, { description: 'The session', examples: [{ success: true, sessionToken: 'eyJhbGciOiJFUzI1NiJ9.eyJqdGkiOiIwMTkifQ.c2lnbmF0dXJl' }] })

const failure = (description: string, error: string) => Type.Object({
  success: Type.Literal(false),
  error: Type.String({ maxLength: 1024 })
}, { description, examples: [{ success: false, error }] })

export const brokerReplies = {
  200: BrokerReplySchema,
  400: failure('Bad Request', 'Document ID is required'),
  403: failure('Forbidden', 'The document cannot be opened'),
  413: failure('Payload Too Large', 'Payload Too Large'),
  415: failure('Unsupported Media Type', 'Unsupported Media Type'),
  429: failure('Too Many Requests', 'Too many requests'),
  500: failure('Internal Server Error', 'The session could not be authorized'),
  502: failure('Bad Gateway', 'The session service has failed'),
  503: failure('Service Unavailable', 'The token store is unavailable'),
  504: failure('Gateway Timeout', 'The session service did not answer in time')
}
