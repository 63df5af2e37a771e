/**
 * Keys that sign and verify tokens: given by the host, read from a followed file, or kept in the store.
 *
 * @module
 */
export { generateKey } from './generate.ts'
export { type Generation } from './generation.ts'
export { followKeyFile, type KeyFileOptions, type KeyFlow } from './jwks-file.ts'
export { jwkThumbprint, publicJwks, type PublicJwk } from './jwks.ts'
export { type KeyInput, type KeySource } from './key-material.ts'
export { type JsonWebKey, type KeyAlgorithm, type KeyRing, type RingKey, type Signer } from './key-ring.ts'
export { createKeyRing, type LocalKeyRing } from './local-ring.ts'
export { openRemoteKeyRing, type AsymmetricAlgorithm, type RemoteKeyRing, type RemoteKeyRingOptions } from './remote-ring.ts'
export { parseNamedKey, type NamedKey } from './seal.ts'
export { openStoredKeyRing, type RotateOptions, type StoredKeyRing, type StoredKeyRingOptions } from './stored-ring.ts'
