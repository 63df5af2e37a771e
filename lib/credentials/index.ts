/**
 * `fastify-doc-tokens/credentials`: API keys, where they are kept, and how they are checked.
 *
 * @module
 */
export { FLOWS, authenticateApiKey } from './api-key.ts'
export type { ApiKeyRecord, ApiKeySecret, ApiKeySource, AuthenticateOptions, Credential, Flow, PresentedKey } from './api-key.ts'
export type { Limit } from '../limits/limit.ts'
export { createApiKeyRegistry } from './registry.ts'
export type { ApiKey, ApiKeyInput, ApiKeyRegistry, ApiKeyRegistryOptions, NewSecret, RotateOptions } from './registry.ts'
export { createSecret, digestSecret, parseSecret } from './secret.ts'
export type { SecretKind, SecretParts } from './secret.ts'
