import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { type NamedKey, parseNamedKey } from 'fastify-doc-tokens/keys'
import { type Environment, EnvironmentError, namingVariable } from './environment.ts'
import { readOrCreate } from './secret-file.ts'

/** Secrets that the store does not have. */
export interface StoreSecrets {
  /** Seal the keys in the store. None where the keys are in a file. */
  keyEncryptionKeys: NamedKey[]
  /** Seal what opaque tokens stand for. */
  peppers: NamedKey[]
}

/**
 * What is not in the environment is made in the data folder.
 *
 * @throws {EnvironmentError} when one of them is no secret, or both are one.
 */
export async function openSecrets ({ dataDir, keysFile, ...given }: Environment): Promise<StoreSecrets> {
  const keyEncryptionKeys = given.keyEncryptionKeys ?? (keysFile === undefined ? await madeIn(dataDir, 'key-encryption-key', 'KEY_ENCRYPTION_KEY') : [])
  const peppers = given.tokenPeppers ?? await madeIn(dataDir, 'token-pepper', 'TOKEN_PEPPER')
  if (peppers.some((pepper) => keyEncryptionKeys.some(({ key }) => Buffer.compare(key, pepper.key) === 0))) {
    throw new EnvironmentError('TOKEN_PEPPER', 'must not be KEY_ENCRYPTION_KEY: one secret, one use')
  }
  return { keyEncryptionKeys, peppers }
}

async function madeIn (dataDir: string, file: string, variable: string): Promise<NamedKey[]> {
  return await namingVariable(variable, async () => [parseNamedKey(await readOrCreate(join(dataDir, file), () => `1:${randomBytes(32).toString('base64')}`), variable)])
}
