import { type FastifyInstance } from 'fastify'
import { type ApiKeySource, createSecret } from 'fastify-doc-tokens/credentials'
import { type NamedKey } from 'fastify-doc-tokens/keys'
import { opaqueTokens } from 'fastify-doc-tokens/opaque-tokens'
import { type TokenStore } from 'fastify-doc-tokens/stores/memory'
import { inMemory } from './api-keys.ts'
import { cadEditor } from './cad-editor/index.ts'
import { cadParameters } from './cad-editor/parameters.ts'

export interface OpaqueTokensOptions {
  store: TokenStore
  credentials: ApiKeySource
  pepper: NamedKey[]
}

/** Seconds in which a link to the editor must be opened. */
const LIFETIME = 300

/** A page that is loaded again, and once more. */
const MAX_USES = 3

/** Two instances of the flow: one as the vendor's service is, for any editor, and one for the editor of this server. */
export async function registerOpaqueTokens (app: FastifyInstance, options: OpaqueTokensOptions): Promise<void> {
  await app.register(async (scope) => { await scope.register(opaqueTokens, options) })

  await app.register(async (scope) => {
    const prefix = '/cad-editor'
    // Of the editor's own side alone, so it is in nobody's store.
    const verifierKey = createSecret('key')
    await scope.register(opaqueTokens, {
      ...options,
      name: 'cad-editor',
      prefix,
      defaultLifetime: LIFETIME,
      maxLifetime: LIFETIME,
      maxUses: MAX_USES,
      parameters: cadParameters,
      verifiers: inMemory(verifierKey, { id: 'cad-editor', flows: ['opaque-verification'] })
    })
    await scope.register(cadEditor, { prefix, verifierKey })
  })
}
