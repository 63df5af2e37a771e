import { type TSchema, Type } from '@sinclair/typebox'
import { InvalidRequestError, LifetimeTooLongError, RateLimitedError, StoreFullError, StoreUnavailableError, WrongTokenError } from '../errors.ts'
import { apiKeyErrors, errorReplies, type ErrorExample, jsonErrors, replyHeaders, validationError } from './replies.ts'
import { ID_LENGTH } from './scalars.ts'

/** What every answer of the flow depends on: a shared cache knows nothing of these, and all tokens share one URL. */
export const VARY = 'x-api-token, x-api-key'

const headers = { ...replyHeaders, Vary: Type.String({ description: 'What the answer depends on', example: VARY }) }

/** Of answers at `/verify` that nothing is counted for. */
const uncounted = { 'Cache-Control': headers['Cache-Control'], Vary: headers.Vary }

/** The form of a token. It verifies nowhere. */
const TOKEN_EXAMPLE = `fdt_opaque_${'x'.repeat(43)}AAAAAA`
const ACCESSOR_EXAMPLE = 'x'.repeat(43)

const ParametersSchema = Type.Record(Type.String(), Type.Union([Type.String(), Type.Number(), Type.Boolean(), Type.Null()]), {
  minProperties: 1,
  description: 'At most 100 parameters. One named `auth` is replaced'
})

const POSTED = { userId: 'jane', file: 'floor-plan.dwg', server: 'https://files.internal.example' }

/** The body of `POST /generate`, for documents: its text is read as it is, and checked by the token itself. */
export function generateBodySchema (schema: TSchema = ParametersSchema): TSchema {
  return schema === ParametersSchema ? { ...schema, 'x-examples': { drawing: { value: POSTED } } } : schema
}

/** Numbers as a query has them. What else stands there is refused: a misspelt one would be a longer life. */
export const GenerateQuerySchema = Type.Object({
  expires_in: Type.Optional(Type.String({ pattern: '^[1-9][0-9]{0,9}$', description: 'Seconds that the token lives, fewer than it may', examples: ['300'] })),
  max_uses: Type.Optional(Type.String({ pattern: '^[1-9][0-9]{0,9}$', description: 'How often it can be verified, less often than it may', examples: ['1'] }))
}, { additionalProperties: false })

/** Whose key or token it is, nobody is told. The vendor's service knows no 401. */
const wrongToken = new WrongTokenError()

/** What a missing or a wrong API key is on these routes. */
const callerErrors: readonly ErrorExample[] = [...apiKeyErrors.filter(({ statusCode }) => statusCode !== 401), wrongToken]

const GenerateReplySchema = (withAccessor: boolean) => Type.Object({
  token: Type.String({ description: 'Stands for the parameters' }),
  expiration_time: Type.Integer({ description: 'When it ends, in seconds since 1970-01-01T00:00:00Z' }),
  ...(withAccessor && { accessor: Type.String({ description: 'Ends the token, without being it' }) })
}, {
  description: 'The token',
  headers,
  'x-examples': { token: { value: { token: TOKEN_EXAMPLE, expiration_time: 1_595_917_409, ...(withAccessor && { accessor: ACCESSOR_EXAMPLE }) } } }
})

export function generateReplies (withAccessor: boolean) {
  return {
    200: GenerateReplySchema(withAccessor),
    ...errorReplies([
      ...jsonErrors,
      ...callerErrors,
      validationError('querystring/expires_in: Expected string to match \'^[1-9][0-9]{0,9}$\''),
      new InvalidRequestError('body/file must be a string, a finite number, true, false or null'),
      new LifetimeTooLongError('querystring/expires_in', '86400')
    ], { headers })
  }
}

/** `POST /verify` takes no body: the token is in a header. */
export const EmptyBodySchema = Type.Object({}, { additionalProperties: false, 'x-examples': { nothing: { value: {} } } })

const VerifyReplySchema = Type.Object({
  auth: Type.String({ ...ID_LENGTH, description: 'Whose token it is' })
}, {
  additionalProperties: true,
  description: 'All parameters as they were posted, and `auth`',
  headers: uncounted,
  'x-examples': { drawing: { value: { auth: 'acme', ...POSTED } } }
})

/** Only tokens that were looked up in vain are counted. */
export const verifyReplies = {
  200: VerifyReplySchema,
  ...errorReplies([wrongToken, new RateLimitedError()], { headers }),
  ...errorReplies([new StoreUnavailableError(), new StoreFullError()], { headers: uncounted })
}

/** With what may be wrong with a body. */
export const verifyPostedReplies = {
  ...verifyReplies,
  ...errorReplies([...jsonErrors.filter(({ statusCode }) => Number(statusCode) < 429), validationError('body/token: Unexpected property')], { headers: uncounted })
}

/** One object, though its member stands for the header: that just one of both is there is checked by hand. */
export const RevokeTokenBodySchema = Type.Object({
  accessor: Type.Optional(Type.String({ minLength: 1, maxLength: 64, description: 'Ends the token with this accessor, where none is in the header' }))
}, { additionalProperties: false, 'x-examples': { accessor: { value: { accessor: ACCESSOR_EXAMPLE } } } })

export const revokeTokenReplies = {
  204: Type.Null({ description: 'The token is over', headers }),
  ...errorReplies([...jsonErrors, ...callerErrors, new InvalidRequestError('x-api-token or body/accessor must be given, and just one of them')], { headers })
}

export const LookUpBodySchema = Type.Object({
  accessor: Type.String({ minLength: 1, maxLength: 64, description: 'The accessor of the token' })
}, { additionalProperties: false, 'x-examples': { accessor: { value: { accessor: ACCESSOR_EXAMPLE } } } })

const LookUpReplySchema = Type.Object({
  auth: Type.String({ ...ID_LENGTH, description: 'Whose token it is' }),
  expiration_time: Type.Integer({ description: 'When it ends, in seconds since 1970-01-01T00:00:00Z' })
}, { description: 'What is known without the token', headers, 'x-examples': { token: { value: { auth: 'acme', expiration_time: 1_595_917_409 } } } })

export const lookUpReplies = {
  200: LookUpReplySchema,
  ...errorReplies([...jsonErrors, ...callerErrors, validationError('body/accessor: Expected required property')], { headers })
}
