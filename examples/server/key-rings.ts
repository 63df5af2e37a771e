import { followKeyFile, type KeyAlgorithm, type KeyFlow, type KeyRing, openStoredKeyRing } from 'fastify-doc-tokens/keys'
import { type Environment, EnvironmentError, namingVariable } from './environment.ts'
import { type StoreSecrets } from './secrets.ts'
import { type OpenedStore } from './store.ts'

/** A ring for each flow that signs tokens with keys of this server: no key serves two. */
export interface KeyRings {
  sessions: KeyRing
  access: KeyRing
  close (): Promise<void>
}

/** Of keys that are made here. RS256 is what everybody reads who reads access tokens: RFC 9068, section 2.1. */
const ALGORITHMS = { sessions: 'ES256', access: 'RS256' } satisfies Partial<Record<KeyFlow, KeyAlgorithm>>

/**
 * From KEYS_FILE, or else from the store.
 *
 * @throws {EnvironmentError} when the file has no key of a flow that can sign, or the stored ones do not open.
 */
export async function openKeyRings ({ keysFile }: Environment, { keyEncryptionKeys }: StoreSecrets, { store, persistently }: OpenedStore, onError: (error: Error) => void): Promise<KeyRings> {
  const openFile = async (file: string, flow: KeyFlow): Promise<KeyRing> => await namingVariable('KEYS_FILE', async () => {
    const keys = await followKeyFile({ file, flow, onError })
    // Throws when none of them can.
    keys.signing()
    return keys
  })
  const openStored = async (name: keyof typeof ALGORITHMS): Promise<KeyRing> => await namingVariable('KEY_ENCRYPTION_KEY', async () => {
    return await persistently(async () => await openStoredKeyRing({ store, name, algorithm: ALGORITHMS[name], keyEncryptionKeys, onError }))
  })
  const open = async (flow: keyof typeof ALGORITHMS): Promise<KeyRing> => keysFile === undefined ? await openStored(flow) : await openFile(keysFile, flow)

  const [sessions, access] = [await open('sessions'), await open('access')]
  if (access.list().some(({ algorithm }) => algorithm === 'HS256')) throw new EnvironmentError('KEYS_FILE', 'must hold no secret (HS256) with "fdt_flow": "access": whoever verifies with it could issue as well')
  return {
    sessions,
    access,
    close: async () => {
      await sessions.close()
      await access.close()
    }
  }
}
