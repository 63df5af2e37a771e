/**
 * `fastify-doc-tokens/credentials`: API keys and OAuth clients, where they are kept, and how they are checked.
 *
 * @module
 */
export { FLOWS, authenticateApiKey } from './api-key.ts'
export type { ApiKeyRecord, ApiKeySecret, ApiKeySource, AuthenticateOptions, Credential, Flow, PresentedKey } from './api-key.ts'
export { authenticateClientSecret } from './client.ts'
export type { AuthenticateClientOptions, Client, ClientRecord, ClientSource } from './client.ts'
export { createClientRegistry } from './client-registry.ts'
export type { ClientInput, ClientRegistry, ClientRegistryOptions, NewClient, NewClientSecret, RegisteredClient } from './client-registry.ts'
export type { CredentialSecret } from './kept-secret.ts'
export type { JsonWebKey } from '../keys/key-ring.ts'
export type { Limit } from '../limits/limit.ts'
export { createApiKeyRegistry } from './registry.ts'
export type { ApiKey, ApiKeyInput, ApiKeyRegistry, ApiKeyRegistryOptions, NewSecret } from './registry.ts'
export { createSecret, digestSecret, parseSecret } from './secret.ts'
export type { SecretKind, SecretParts } from './secret.ts'
export type { RotateOptions } from './stored-credentials.ts'
