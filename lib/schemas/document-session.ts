import { type Static, Type } from '@sinclair/typebox'
import { ErrorReply, ID_LENGTH, MAX_DOCUMENTS, MAX_SESSION_TOKEN_LENGTH, NAME_PATTERN, Seconds } from './scalars.ts'

const PermissionsSchema = (description: string) => Type.Array(Type.String({ maxLength: 64 }), { maxItems: 64, description })

const AllowedDocumentSchema = (vocabulary: readonly string[]) => Type.Object({
  document_id: Type.String({ ...ID_LENGTH, description: 'Whether the document exists is not checked' }),
  document_permissions: Type.Optional(PermissionsSchema(`Any of ${vocabulary.join(', ')}. Absent means ${vocabulary[0]} alone; empty grants nothing`)),
  permissions: Type.Optional(PermissionsSchema('Another name of document_permissions. Never both'))
}, { additionalProperties: false })

const optionalMembers = {
  user_id: Type.String({ ...ID_LENGTH, description: 'Whose session it is. Absent: the API key\'s own' }),
  nbf: Seconds('When the session begins'),
  allowed_origins: Type.Array(Type.String({ minLength: 1, maxLength: 512 }), { minItems: 1, maxItems: 100, description: 'Origins of browsers that may use the session' })
}

/** A member of `POST /viewer/sessions` that is accepted only where the host turns it on. */
export type OptionalMember = keyof typeof optionalMembers

// The compiler types keys as any text.
export const OPTIONAL_MEMBERS = Object.keys(optionalMembers) as readonly OptionalMember[]

/** The body of `POST /viewer/sessions`, with the optional members that the host turned on. */
export function createSessionBodySchema (vocabulary: readonly string[], members: readonly OptionalMember[]) {
  const schema = Type.Object({
    allowed_documents: Type.Optional(Type.Array(AllowedDocumentSchema(vocabulary), { minItems: 1, maxItems: MAX_DOCUMENTS })),
    exp: Type.Optional(Seconds('When the session ends')),
    user_id: Type.Optional(optionalMembers.user_id),
    nbf: Type.Optional(optionalMembers.nbf),
    allowed_origins: Type.Optional(optionalMembers.allowed_origins)
  })
  const off = OPTIONAL_MEMBERS.filter((member) => !members.includes(member))
  // Typed as if all were on: what is off is refused, so it is absent, as each may be.
  return Type.Omit(schema, off, { additionalProperties: false, examples: [createSessionExample(vocabulary)] }) as unknown as typeof schema
}

function createSessionExample (vocabulary: readonly string[]): unknown {
  return { allowed_documents: [{ document_id: 'contract', document_permissions: [vocabulary[0]] }] }
}

export type CreateSessionBody = Static<ReturnType<typeof createSessionBodySchema>>

const CreateSessionReplySchema = Type.Object({
  jwt: Type.String({ maxLength: MAX_SESSION_TOKEN_LENGTH, description: 'The session token' })
}, { description: 'The session', examples: [{ jwt: 'eyJhbGciOiJFUzI1NiJ9.eyJqdGkiOiIwMTkifQ.c2lnbmF0dXJl' }] })

/** One object, not a union of two: a union would name no member. That just one is there is checked by hand. */
export const RevokeSessionBodySchema = Type.Object({
  jwt: Type.Optional(Type.String({ minLength: 1, description: 'Ends this session' })),
  user_id: Type.Optional(Type.String({ ...ID_LENGTH, description: 'Ends all sessions of this user that the API key issued' }))
}, { additionalProperties: false, examples: [{ user_id: 'jane' }] })

const RevokeSessionReplySchema = Type.Null({ description: 'The session is over' })

const errorReplies = {
  400: ErrorReply(400, 'Bad Request', 'FST_ERR_VALIDATION', 'body/allowed_documents/0/document_id: Expected required property'),
  401: ErrorReply(401, 'Unauthorized', 'FDT_INVALID_CREDENTIAL', 'The API key is not valid'),
  403: ErrorReply(403, 'Forbidden', 'FDT_FLOW_NOT_ALLOWED', 'The API key may not be used here'),
  413: ErrorReply(413, 'Payload Too Large', 'FST_ERR_CTP_BODY_TOO_LARGE', 'Request body is too large'),
  415: ErrorReply(415, 'Unsupported Media Type', 'FST_ERR_CTP_INVALID_MEDIA_TYPE', 'Unsupported Media Type'),
  429: ErrorReply(429, 'Too Many Requests', 'FDT_RATE_LIMITED', 'Too many requests'),
  503: ErrorReply(503, 'Service Unavailable', 'FDT_STORE_UNAVAILABLE', 'The token store is unavailable')
}

export const createSessionReplies = { 201: CreateSessionReplySchema, ...errorReplies }

export const revokeSessionReplies = {
  204: RevokeSessionReplySchema,
  ...errorReplies,
  404: ErrorReply(404, 'Not Found', 'FDT_SESSION_NOT_FOUND', 'There is no such session')
}

/**
 * The claims of a session token. Strict: a claim that this release does not know may be a restriction,
 * so a token that carries one is refused.
 */
export const SessionClaimsSchema = Type.Object({
  iss: Type.String(),
  aud: Type.String(),
  jti: Type.String({ maxLength: 36 }),
  iat: Type.Integer({ minimum: 0 }),
  exp: Type.Integer({ minimum: 0 }),
  nbf: Type.Optional(Type.Integer({ minimum: 0 })),
  sub: Type.Optional(Type.String(ID_LENGTH)),
  azp: Type.Optional(Type.String(ID_LENGTH)),
  owner: Type.Optional(Type.String(ID_LENGTH)),
  allowed_documents: Type.Array(Type.Object({
    document_id: Type.String(ID_LENGTH),
    document_permissions: Type.Array(Type.String({ pattern: NAME_PATTERN }), { maxItems: 64 })
  }, { additionalProperties: false }), { maxItems: MAX_DOCUMENTS }),
  allowed_origins: Type.Optional(Type.Array(Type.String({ maxLength: 512 }), { minItems: 1, maxItems: 100 })),
  server_url: Type.Optional(Type.String({ maxLength: 2048 }))
}, { additionalProperties: false })

export type SessionClaims = Static<typeof SessionClaimsSchema>
