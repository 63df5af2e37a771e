import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { type FastifyInstance } from 'fastify'
import { configSigning, createEditorSignatures } from 'fastify-doc-tokens/config-signing'
import { type ApiKeySource } from 'fastify-doc-tokens/credentials'
import { type TokenStore } from 'fastify-doc-tokens/stores/memory'
import { type Environment, namingVariable } from '../environment.ts'
import { readOrCreate } from '../secret-file.ts'
import { whenListening } from '../when-listening.ts'
import { findEditable, versionsOf } from './editable.ts'
import { editorLogin } from './login.ts'
import { editorHost } from './routes.ts'
import { USER_SECURITY } from './schemas.ts'
import { configOf, historyDataOf, type Place } from './signed.ts'
import { openVersions } from './versions.ts'

export interface EditorOptions {
  environment: Environment
  store: TokenStore
  credentials: ApiKeySource
}

/**
 * An editor host as the vendor's own example is one: documents of the catalogue open in the editor, and what is saved
 * there is kept in the data folder.
 *
 * Where it is for the document server is the origin of this process's own ISSUER: of several on one data folder each
 * signs what leads to itself.
 */
export async function registerEditor (app: FastifyInstance, { environment, store, credentials }: EditorOptions): Promise<void> {
  const { dataDir, issuer, corsOrigins, allowWeakSecret, documentServerUrl, requestTimeout } = environment
  const inbox = environment.editorSecret ?? await namingVariable('EDITOR_SECRET', async () => await readOrCreate(join(dataDir, 'editor-secret'), () => randomBytes(32).toString('base64url')))
  const versions = await namingVariable('DATA_DIR', async () => await openVersions(join(dataDir, 'editor')))
  const place: Place = { origin: new URL(issuer).origin, takesSaves: documentServerUrl !== undefined }
  const login = editorLogin(credentials)

  const signatures = createEditorSignatures({
    inbox,
    outbox: environment.editorOutboxSecret ?? inbox,
    allowWeakSecret,
    store,
    allowedUrls: { server: [place.origin], browser: [place.origin] },
    onWarning: (message) => whenListening(app, () => { app.log.warn(message) })
  })

  await app.register(configSigning, {
    signatures,
    trustedOrigins: [place.origin, ...corsOrigins],
    onRequest: login.admit,
    limitKey: (request) => login.userOf(request).credential.id,
    security: USER_SECURITY,
    authorize: {
      config: async (request, { documentId = '' }) => {
        const document = findEditable(documentId)
        return document === undefined ? null : configOf(document, await versionsOf(versions, document), login.userOf(request), place) ?? null
      },
      methods: {
        setHistoryData: async (request, { documentId = '', data }) => {
          const document = findEditable(documentId)
          if (document === undefined) return null
          const all = await versionsOf(versions, document)
          // Its token opens the version for reading with the permissions that a page says by itself.
          const mayDownload = configOf(document, all, login.userOf(request), place)?.document.permissions.download === true
          return mayDownload ? historyDataOf(document, all, data, place) ?? null : null
        }
      },
      explain: () => true
    }
  })
  await app.register(editorHost, { login, versions, place, documentServerUrl, timeout: requestTimeout * 1000 })
}
