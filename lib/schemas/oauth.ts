/**
 * Schemas of the OAuth routes. Bodies are forms, which the flow reads by itself: their schemas are for documents.
 *
 * @module
 */
import { Type } from '@sinclair/typebox'
import {
  DpopNonceRequiredError, InvalidClientError, InvalidDpopProofError, InvalidFormError, InvalidRequestError, InvalidScopeError, InvalidTargetError, LockedError, RateLimitedError,
  SignerFailedError, StoreFullError, StoreUnavailableError, UnsupportedGrantTypeError
} from '../errors.ts'
import { type ErrorExample, errorReplies, JWT_EXAMPLE, replyHeaders } from './replies.ts'

const credentials = {
  client_id: Type.Optional(Type.String({ minLength: 1, maxLength: 100, description: 'Not needed beside HTTP Basic or an assertion' })),
  client_secret: Type.Optional(Type.String({ minLength: 1, maxLength: 100, description: 'Never beside HTTP Basic or an assertion' })),
  client_assertion_type: Type.Optional(Type.Literal('urn:ietf:params:oauth:client-assertion-type:jwt-bearer')),
  client_assertion: Type.Optional(Type.String({ minLength: 1, maxLength: 8192, description: 'A JWT that the client signed: RFC 7523' }))
}

const secret = { client_id: 'k3v9x0w2m5q8z1t7', client_secret: 'fdt_client_…' }

/** The body of `POST /connect/token`. */
export const TokenBodySchema = Type.Object({
  grant_type: Type.Literal('client_credentials'),
  ...credentials,
  scope: Type.Optional(Type.String({ minLength: 1, maxLength: 300, description: 'Names with spaces between. Absent: the client\'s own' })),
  resource: Type.Optional(Type.String({ format: 'uri', description: 'What the token is for: RFC 8707. May be repeated' }))
}, { 'x-examples': { secret: { summary: 'Id and secret in the form', value: { grant_type: 'client_credentials', ...secret } } } })

const tokenParameters = {
  token: Type.String({ minLength: 1, description: 'An access token' }),
  token_type_hint: Type.Optional(Type.String({ description: 'Ignored' })),
  ...credentials
}

/** The body of `POST /connect/introspect`. */
export const IntrospectionBodySchema = Type.Object(tokenParameters, { 'x-examples': { token: { value: { token: JWT_EXAMPLE, ...secret } } } })

/** The body of `POST /connect/revocation`. */
export const RevocationBodySchema = Type.Object(tokenParameters, { 'x-examples': { token: { value: { token: JWT_EXAMPLE, ...secret } } } })

const headers = { ...replyHeaders, Pragma: Type.String({ description: 'The same for old caches', example: 'no-cache' }) }

/** RFC 6749, section 5.2. The code of the package is not part of it. */
const difference = {
  headers,
  properties: {
    error: Type.String({ maxLength: 64, description: 'One of the names that OAuth has' }),
    error_description: Type.String({ maxLength: 1024, description: 'For people' })
  },
  exampleOf: ({ code, message }: ErrorExample) => ({ error: EXAMPLES[code] ?? 'invalid_request', error_description: message })
}

const EXAMPLES: Readonly<Record<string, string>> = {
  FDT_INVALID_CLIENT: 'invalid_client',
  FDT_UNSUPPORTED_GRANT_TYPE: 'unsupported_grant_type',
  FDT_INVALID_SCOPE: 'invalid_scope',
  FDT_INVALID_TARGET: 'invalid_target',
  FDT_INVALID_DPOP_PROOF: 'invalid_dpop_proof',
  FDT_DPOP_NONCE_REQUIRED: 'use_dpop_nonce',
  FDT_LOCKED: 'temporarily_unavailable',
  FDT_RATE_LIMITED: 'temporarily_unavailable',
  FDT_STORE_UNAVAILABLE: 'temporarily_unavailable',
  FDT_STORE_FULL: 'temporarily_unavailable',
  FDT_SIGNER_FAILED: 'temporarily_unavailable'
}

const formErrors: readonly ErrorExample[] = [
  new InvalidFormError('it repeats a parameter'),
  { statusCode: 413, code: 'FST_ERR_CTP_BODY_TOO_LARGE', message: 'Payload Too Large' },
  new LockedError(),
  new RateLimitedError(),
  new StoreUnavailableError(),
  new StoreFullError()
]

/** RFC 9110, section 15.5.2: a 401 tells how to authenticate. */
const unauthorized = errorReplies([Object.assign(new InvalidClientError(), { statusCode: 401 })], {
  ...difference,
  headers: { ...headers, 'WWW-Authenticate': Type.String({ description: 'RFC 7617', example: 'Basic realm="client credentials", charset="UTF-8"' }) }
})

const TokenReplySchema = Type.Object({
  access_token: Type.String({ description: 'The access token, a JWT' }),
  expires_in: Type.Integer({ minimum: 1, description: 'Seconds that it lives' }),
  token_type: Type.Union([Type.Literal('Bearer'), Type.Literal('DPoP')]),
  scope: Type.Optional(Type.String({ description: 'What the token is good for, where that is not what was asked for' }))
}, { description: 'The access token', headers, 'x-examples': { token: { value: { access_token: JWT_EXAMPLE, expires_in: 86_400, token_type: 'Bearer' } } } })

/**
 * What `POST /connect/token` answers.
 *
 * @param withNonce Whether DPoP proofs have to hold a nonce.
 */
export function tokenReplies (withNonce: boolean) {
  const nonce = { 'DPoP-Nonce': Type.String({ description: 'With `use_dpop_nonce`: what the next proof has to hold', example: 'eyJ7S_zG.eyJH0-Z.HX4w-7v' }) }
  return {
    200: TokenReplySchema,
    ...errorReplies(formErrors, difference),
    ...errorReplies([
      ...formErrors.filter(({ statusCode }) => statusCode === 400),
      new InvalidClientError(),
      new InvalidRequestError('grant_type is required'),
      new UnsupportedGrantTypeError(),
      new InvalidScopeError(),
      new InvalidTargetError(),
      new InvalidDpopProofError(),
      ...(withNonce ? [new DpopNonceRequiredError()] : [])
    ], { ...difference, headers: { ...headers, ...(withNonce && nonce) } }),
    ...errorReplies([...formErrors.filter(({ statusCode }) => statusCode === 503), new SignerFailedError()], difference),
    ...unauthorized
  }
}

/** What `POST /connect/introspect` answers. Of a token that the client may not know, it says `active: false` and nothing else. */
export const introspectionReplies = {
  200: Type.Object({
    active: Type.Boolean(),
    iss: Type.Optional(Type.String()),
    sub: Type.Optional(Type.String()),
    aud: Type.Optional(Type.Union([Type.String(), Type.Array(Type.String())])),
    client_id: Type.Optional(Type.String()),
    scope: Type.Optional(Type.String()),
    token_type: Type.Optional(Type.String()),
    exp: Type.Optional(Type.Number()),
    iat: Type.Optional(Type.Number()),
    nbf: Type.Optional(Type.Number()),
    jti: Type.Optional(Type.String()),
    cnf: Type.Optional(Type.Object({ jkt: Type.String() }))
  }, {
    description: 'What the token is good for',
    headers,
    'x-examples': {
      active: { value: { active: true, iss: 'https://api.example', aud: 'https://api.example', client_id: secret.client_id, scope: 'api.read', token_type: 'Bearer', exp: 1_800_000_000, iat: 1_799_913_600 } },
      inactive: { value: { active: false } }
    }
  }),
  ...errorReplies([...formErrors, new InvalidRequestError('token is required')], difference),
  ...unauthorized
}

/** What `POST /connect/revocation` answers. */
export const revocationReplies = {
  200: Type.Null({ description: 'No such token is good any more', headers }),
  ...errorReplies([...formErrors, new InvalidRequestError('token is required')], difference),
  ...unauthorized
}

const cached = { ...replyHeaders, 'Cache-Control': Type.String({ description: 'Seconds for which anybody may keep it', example: 'public, max-age=300' }), ETag: Type.String({ description: 'For `If-None-Match`', example: '"47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"' }) }

/** What a document answers that everybody may keep for a while. */
export function documentReplies (description: string, example: object) {
  return {
    200: Type.Object({}, { additionalProperties: true, description, headers: cached, 'x-examples': { document: { value: example } } }),
    304: Type.Null({ description: 'As it was when the client asked before', headers: cached }),
    ...errorReplies([new RateLimitedError()], { ...difference, headers: replyHeaders }),
    // Which happens before anything is counted.
    ...errorReplies([new StoreUnavailableError(), new StoreFullError()], { ...difference, headers: { 'Cache-Control': replyHeaders['Cache-Control'] } })
  }
}
