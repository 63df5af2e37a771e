import { type ClientRecord, type ClientRegistry, type ClientSource, digestSecret } from 'fastify-doc-tokens/credentials'
import { type DemoClient } from './environment-secrets.ts'

/** The registry and, before it, one client that is known from the environment and kept in memory only. It may have every scope. */
export function withDemoClient (registry: ClientRegistry, demo: DemoClient | undefined): ClientSource {
  if (demo === undefined) return registry

  const createdAt = Math.floor(Date.now() / 1000)
  const record: ClientRecord = { id: demo.id, createdAt, secrets: [{ digest: digestSecret(demo.secret), createdAt }] }
  return { find: async (clientId) => clientId === record.id ? record : await registry.find(clientId) }
}
