import { type Static, Type } from '@sinclair/typebox'
import {
  CredentialLimitError, DuplicateDocumentError, InvalidRequestError, LifetimeTooLongError, PastExpiryError, SessionNotFoundError,
  SessionTooLargeError, SignerFailedError, UnknownPermissionError
} from '../errors.ts'
import { apiKeyErrors, errorReplies, jsonErrors, JWT_EXAMPLE, replyHeaders, validationError } from './replies.ts'
import { ID_LENGTH, MAX_DOCUMENTS, MAX_SESSION_TOKEN_LENGTH, NAME_PATTERN, Seconds } from './scalars.ts'

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
  return Type.Omit(schema, off, { additionalProperties: false, 'x-examples': createSessionExamples(vocabulary, members) }) as unknown as typeof schema
}

function createSessionExamples (vocabulary: readonly string[], members: readonly OptionalMember[]): object {
  const documents = { allowed_documents: [{ document_id: 'contract', document_permissions: vocabulary.slice(0, 1) }] }
  return {
    document: { summary: 'One document, and the least that can be done with it', value: documents },
    ...(members.includes('user_id') && { user: { summary: 'The same, for a user', value: { ...documents, user_id: 'jane' } } })
  }
}

export type CreateSessionBody = Static<ReturnType<typeof createSessionBodySchema>>

const CreateSessionReplySchema = Type.Object({
  jwt: Type.String({ maxLength: MAX_SESSION_TOKEN_LENGTH, description: 'The session token' })
}, { description: 'The session', headers: replyHeaders, 'x-examples': { session: { value: { jwt: JWT_EXAMPLE } } } })

/** What `POST /viewer/sessions` answers. */
export function createSessionReplies (vocabulary: readonly string[]) {
  const document = 'body/allowed_documents/0'
  return {
    201: CreateSessionReplySchema,
    ...errorReplies([
      ...jsonErrors,
      ...apiKeyErrors,
      validationError(`${document}/document_id: Expected required property`),
      new InvalidRequestError(`${document}/permissions cannot stand beside document_permissions`),
      new PastExpiryError('body/exp'),
      new LifetimeTooLongError('body/exp', '86400'),
      new UnknownPermissionError(`${document}/document_permissions/0`, vocabulary.join(', ')),
      new DuplicateDocumentError('body/allowed_documents/1/document_id'),
      new SessionTooLargeError(String(MAX_SESSION_TOKEN_LENGTH)),
      new CredentialLimitError(`${document}/document_id`),
      new SignerFailedError()
    ])
  }
}

/** One object, not a union of two: a union would name no member. That just one is there is checked by hand. */
export const RevokeSessionBodySchema = Type.Object({
  jwt: Type.Optional(Type.String({ minLength: 1, description: 'Ends this session' })),
  user_id: Type.Optional(Type.String({ ...ID_LENGTH, description: 'Ends all sessions of this user that the API key issued' }))
}, {
  additionalProperties: false,
  'x-examples': {
    session: { summary: 'One session', value: { jwt: JWT_EXAMPLE } },
    user: { summary: 'All of a user', value: { user_id: 'jane' } }
  }
})

/** What `POST /viewer/sessions/revoke` answers. */
export const revokeSessionReplies = {
  204: Type.Null({ description: 'The session is over', headers: replyHeaders }),
  ...errorReplies([
    ...jsonErrors,
    ...apiKeyErrors,
    validationError('body/user_id: Expected string length greater or equal to 1'),
    new InvalidRequestError('body must have just one of jwt and user_id'),
    new SessionNotFoundError()
  ])
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
