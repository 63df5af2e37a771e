/**
 * Every error of this package, one constant per failure that a caller can act on.
 *
 * `code` is public API: renaming one is a breaking change; `message` is not. No message holds a
 * token, a secret or a value that came with a request, so each is safe to log and to send.
 *
 * @module
 */
import createError from '@fastify/error'

// ---- while the app boots ------------------------------------------------------------------

/** An option is unusable. Thrown at registration, never during a request; and by `fetch` of a token source for a URL or a header that it does not take. */
export const InvalidOptionError = createError('FDT_INVALID_OPTION', 'Invalid option "%s": %s', 500, TypeError)

/** An optional peer dependency that was asked for is not installed, or not for this platform. */
export const MissingPeerError = createError('FDT_MISSING_PEER', 'The package "%s" is needed for this and cannot be loaded: is it installed?', 500)

/** The flow is registered in this scope or in one around or inside it, or its `name` is taken in this app. */
export const AlreadyRegisteredError = createError('FDT_ALREADY_REGISTERED', '%s is already registered: %s', 500)

/** The key cannot serve: malformed, of the wrong type, curve or purpose, or without its private half. */
export const UnusableKeyError = createError('FDT_UNUSABLE_KEY', 'The key cannot be used: %s', 500, TypeError)

/** The key can be guessed or broken: too short, too few bits, or known to everybody. */
export const WeakKeyError = createError('FDT_WEAK_KEY', 'The key is too weak: %s', 500, TypeError)

// ---- keys while the app runs --------------------------------------------------------------

/** No key with this `kid` is in the ring, or one is there already when adding. */
export const UnknownKeyError = createError('FDT_UNKNOWN_KEY', 'The key ring has no such key', 500)

/** The key signs, so it cannot be removed before another one signs. */
export const KeyInUseError = createError('FDT_KEY_IN_USE', 'The key signs new tokens: let another key sign first', 500)

/** Nothing in the ring can sign: it holds public halves only. */
export const NoSigningKeyError = createError('FDT_NO_SIGNING_KEY', 'The key ring holds no key that signs', 500)

/** A signer (KMS, HSM) rejected, or answered with something that its public half does not verify. No token was made: try again later. */
export const SignerFailedError = createError('FDT_SIGNER_FAILED', 'The external signer has failed', 503)

/** A key in the store cannot be used: the key encryption key is not the one that sealed it, or it was moved or altered. No new key was made over it. */
export const SealedKeyError = createError('FDT_SEALED_KEY', 'A stored key cannot be used: is the key encryption key the one that sealed it?', 500)

// ---- stores -------------------------------------------------------------------------------

/** A store key is not a string of 1–512 bytes of UTF-8. What comes from outside enters a store as a digest. */
export const InvalidKeyError = createError('FDT_INVALID_KEY', 'A store key must be a string of 1 to 512 bytes', 500, TypeError)

/** A value is not bytes with a format version in front, or a time to live is not a positive number of milliseconds. */
export const InvalidValueError = createError('FDT_INVALID_VALUE', 'Invalid store value: %s', 500, TypeError)

/** The store holds a value that a later release wrote. Upgrade this process; nothing was changed. */
export const UnsupportedFormatError = createError('FDT_UNSUPPORTED_FORMAT', 'The store holds a value of format version %s, which a later release wrote', 500)

/** The store cannot be reached or has failed. Never an answer about a token: try again later. */
export const StoreUnavailableError = createError('FDT_STORE_UNAVAILABLE', 'The token store is unavailable', 503)

/** A bounded store has no room. Nothing was thrown out to make some. */
export const StoreFullError = createError('FDT_STORE_FULL', 'The token store is full', 503)

// ---- callers with an API key --------------------------------------------------------------

/** The request carries no API key. */
export const MissingCredentialError = createError('FDT_MISSING_CREDENTIAL', 'An API key is required', 401)

/** The API key is malformed, unknown, expired or disabled: one answer for all. */
export const InvalidCredentialError = createError('FDT_INVALID_CREDENTIAL', 'The API key is not valid', 401)

/** The request carries more than one API key. RFC 6750, section 2: one place per request. */
export const MultipleCredentialsError = createError('FDT_MULTIPLE_CREDENTIALS', 'The request carries more than one API key', 400)

/** The API key is good, but not for this flow. */
export const FlowNotAllowedError = createError('FDT_FLOW_NOT_ALLOWED', 'The API key may not be used here', 403)

/** The API key is good, but asks for a document or a permission beyond its own limits. */
export const CredentialLimitError = createError('FDT_CREDENTIAL_LIMIT', 'The API key may not grant this: %s', 403)

/** The registry has no credential with this id. */
export const UnknownCredentialError = createError('FDT_UNKNOWN_CREDENTIAL', 'There is no such credential', 404)

/** The credential changed under a change of its own, again and again. Nothing was written. */
export const CredentialConflictError = createError('FDT_CREDENTIAL_CONFLICT', 'The credential is being changed by somebody else', 409)

// ---- requests -----------------------------------------------------------------------------

/** The body is not JSON in strict UTF-8, repeats a member, holds `__proto__`, or is nested too deeply. */
export const InvalidJsonError = createError('FDT_INVALID_JSON', 'The body is not acceptable JSON: %s', 400, SyntaxError)

/** A member of the request, or an argument of `issue`, is unusable. The message names the member, never its value. */
export const InvalidRequestError = createError('FDT_INVALID_REQUEST', '%s', 400)

/** `exp` is not after the present. */
export const PastExpiryError = createError('FDT_PAST_EXPIRY', '%s is in the past: it must be a time to come, in seconds since 1970-01-01T00:00:00Z', 400)

/** The token would live longer than the flow or the credential allows. */
export const LifetimeTooLongError = createError('FDT_LIFETIME_TOO_LONG', '%s is too far ahead: it is in seconds, and at most %s from now', 400)

/** A permission is not in the vocabulary of the flow. */
export const UnknownPermissionError = createError('FDT_UNKNOWN_PERMISSION', '%s is not a known permission: use %s', 400)

/** One document is listed twice. Which of the two was meant is not for us to guess. */
export const DuplicateDocumentError = createError('FDT_DUPLICATE_DOCUMENT', '%s repeats a document that is listed before', 400)

/** The token would be too long to be accepted back. */
export const SessionTooLargeError = createError('FDT_SESSION_TOO_LARGE', 'The session token would be longer than %s characters: list fewer documents', 400)

/** The session is unknown, forged, malformed or another credential's: one answer for all. */
export const SessionNotFoundError = createError('FDT_SESSION_NOT_FOUND', 'There is no such session', 404)

/** The path exists, the method does not. */
export const MethodNotAllowedError = createError('FDT_METHOD_NOT_ALLOWED', 'This path takes %s', 405)

/** Too many requests. `Retry-After` tells when to come back. */
export const RateLimitedError = createError('FDT_RATE_LIMITED', 'Too many requests', 429)

/** The credential failed too often from this address, so even the right secret is refused from there until `Retry-After`. */
export const LockedError = createError('FDT_LOCKED', 'Too many failed attempts', 429)

/** The host's `authorize` says that this user may not open the document. */
export const DocumentNotAllowedError = createError('FDT_DOCUMENT_NOT_ALLOWED', 'The document cannot be opened', 403)

/** A page of another site, or what cannot be told from one, asks in the name of the host's user. */
export const ForeignOriginError = createError('FDT_FOREIGN_ORIGIN', 'The request does not come from a trusted origin', 403)

/** The host's `authorize` resolved to something that no session can be made of, or that cannot be signed. The cause in the log says what. */
export const InvalidAuthorizationError = createError('FDT_INVALID_AUTHORIZATION', 'What the request is to get could not be made', 500)

/** The remote session service refused, cannot be reached, or answered with something that is no session. The cause is in the log. */
export const UpstreamFailedError = createError('FDT_UPSTREAM_FAILED', 'The session service has failed', 502)

/** The remote session service did not answer in time. */
export const UpstreamTimeoutError = createError('FDT_UPSTREAM_TIMEOUT', 'The session service did not answer in time', 504)

// ---- opaque tokens ------------------------------------------------------------------------

/** The opaque token is missing, malformed, unknown, expired, ended early or used up: one answer for all, in the vendor's words. */
export const WrongTokenError = createError('FDT_WRONG_TOKEN', 'Wrong token', 403)

// ---- editors ------------------------------------------------------------------------------

/** A config, a parameter of a method or of a request cannot be signed. The message names the member, never its value. */
export const InvalidEditorPayloadError = createError('FDT_INVALID_EDITOR_PAYLOAD', '%s', 400)

/** The host has no secrets for this tenant. */
export const UnknownTenantError = createError('FDT_UNKNOWN_TENANT', 'There is no such tenant', 403)

/** The host's `authorize` signs no such method. */
export const UnknownMethodError = createError('FDT_UNKNOWN_METHOD', 'There is no such method', 404)

/** A callback does not come from the document server, or is not about this document. The log says which place was looked at, and what was wrong there. */
export const CallbackRefusedError = createError('FDT_CALLBACK_REFUSED', 'The callback is refused', 403)

/** The host's function that is called with callbacks has thrown. The document server sends the callback again. */
export const CallbackFailedError = createError('FDT_CALLBACK_FAILED', 'The callback could not be processed', 500)

/** The token is good, and signed for another URL than the one that is asked for. */
export const DownloadNotAllowedError = createError('FDT_DOWNLOAD_NOT_ALLOWED', 'The token is for another URL', 403)

// ---- client credentials -------------------------------------------------------------------

/** The client is unknown, disabled or could not show who it is: one answer for all. 401 where it used HTTP Basic, and at introspection and revocation. RFC 6749, section 5.2. */
export const InvalidClientError = createError('FDT_INVALID_CLIENT', 'Client authentication failed', 400)

/** The token endpoint grants nothing but client credentials. */
export const UnsupportedGrantTypeError = createError('FDT_UNSUPPORTED_GRANT_TYPE', 'The grant type must be client_credentials', 400)

/** A scope is malformed, unknown, or more than the client may have. */
export const InvalidScopeError = createError('FDT_INVALID_SCOPE', 'The scope is malformed, unknown, or not allowed for this client', 400)

/** A resource is malformed, unknown, or none that the client may have tokens for. RFC 8707, section 2. */
export const InvalidTargetError = createError('FDT_INVALID_TARGET', 'The resource is malformed, unknown, or not allowed for this client', 400)

/** The body is not a form in strict UTF-8, or repeats a parameter. */
export const InvalidFormError = createError('FDT_INVALID_FORM', 'The body is not an acceptable form: %s', 400)

/** The DPoP proof is missing, malformed, not for this request, used before, or of another key: one answer for all. 401 at a guard. RFC 9449, sections 5 and 7. */
export const InvalidDpopProofError = createError('FDT_INVALID_DPOP_PROOF', 'The DPoP proof is missing or not valid', 400)

/** The DPoP proof has to hold the nonce that comes with this answer. 401 at a guard. RFC 9449, section 8. */
export const DpopNonceRequiredError = createError('FDT_DPOP_NONCE_REQUIRED', 'The DPoP proof must hold the nonce of this answer', 400)

/** The token is good, and does not cover what the route asks for. RFC 6750, section 3.1. */
export const InsufficientScopeError = createError('FDT_INSUFFICIENT_SCOPE', 'The token does not have the scope that this needs', 403)

/** The keys of a remote issuer cannot be had, so nothing is known of the token. Never an answer about it: try again later. */
export const IssuerUnavailableError = createError('FDT_ISSUER_UNAVAILABLE', 'The keys of the issuer are out of reach', 503)

// ---- callers of a token endpoint ----------------------------------------------------------

/** The token endpoint refused. What it said is in `error`, and the status in `status`, where they are known; never the credentials. */
export const TokenRefusedError = createError('FDT_TOKEN_REFUSED', 'The token endpoint refused: %s', 502)

/** The token endpoint cannot be reached, fails, or answers with something that is no token. Tried again as often as was asked for. */
export const TokenEndpointFailedError = createError('FDT_TOKEN_ENDPOINT_FAILED', 'The token endpoint failed: %s', 502)

// ---- guards -------------------------------------------------------------------------------

/** The request carries no session token. The message is what the vendor's SDK looks for. */
export const MissingTokenError = createError('FDT_MISSING_TOKEN', 'Invalid token', 401)

/** The token is malformed, forged, of another kind, or not yet valid: one answer for all. */
export const InvalidTokenError = createError('FDT_INVALID_TOKEN', 'Invalid token', 401)

/** The token was good and its time is over. */
export const TokenExpiredError = createError('FDT_TOKEN_EXPIRED', 'Token has expired', 401)

/** The token was good and was ended early. */
export const TokenRevokedError = createError('FDT_TOKEN_REVOKED', 'Token has been revoked', 401)

/** The request carries more than one token. RFC 6750, section 2: one place per request. */
export const MultipleTokensError = createError('FDT_MULTIPLE_TOKENS', 'The request carries more than one token', 400)

/** The session does not cover the document, or not with this permission; or the route names no document. */
export const InsufficientPermissionError = createError('FDT_INSUFFICIENT_PERMISSION', 'The session does not cover this document with this permission', 403)

/** The session is limited to origins, and the request comes from none of them. */
export const OriginNotAllowedError = createError('FDT_ORIGIN_NOT_ALLOWED', 'The session cannot be used from this origin', 403)

/** A session cookie came with a request that another site may have caused. */
export const CrossSiteError = createError('FDT_CROSS_SITE', 'A session cookie is taken from the same origin and with JSON only', 403)
