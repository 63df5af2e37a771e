import { type TokenStore } from 'fastify-doc-tokens/stores/memory'

const KEY = 'example/issuer'

/**
 * The default issuer of whichever process came first on this store. Another one on another port would otherwise
 * be another issuer, and refuse the sessions of the first.
 */
export async function sharedIssuer (store: TokenStore, issuer: string): Promise<string> {
  await store.add(KEY, Buffer.concat([Uint8Array.of(1), Buffer.from(issuer)]), { durable: true })
  const first = await store.get(KEY)
  return first === undefined ? issuer : Buffer.from(first).toString('utf8', 1)
}
