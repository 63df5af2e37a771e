import { createReadStream } from 'node:fs'
import { type FastifyPluginAsync, type FastifyReply, type FastifyRequest } from 'fastify'
import { DocumentNotAllowedError } from 'fastify-doc-tokens/errors'
import { catalogue } from '../catalogue.ts'
import { findEditable, versionsOf } from './editable.ts'
import { type EditorLogin } from './login.ts'
import { renderPage } from './page.ts'
import { keepSave } from './saves.ts'
import { callbackSchema, changesSchema, fileSchema, historySchema, pageSchema } from './schemas.ts'
import { configOf, historyOf, type Place } from './signed.ts'
import { CHANGES, FILE, type Versions } from './versions.ts'

export interface EditorHostOptions {
  login: EditorLogin
  versions: Versions
  place: Place
  documentServerUrl: string | undefined
  /** Milliseconds for each download from the document server. */
  timeout: number
}

interface DocumentRoute {
  Params: { documentId: string }
}

interface VersionRoute extends DocumentRoute {
  Querystring: { version?: string }
}

/** Bytes of a callback: a history is in it twice, as it is and in the token. */
const CALLBACK_LIMIT = 4 * 1024 * 1024

/** What was saved as something else is not called anything. */
const UNKNOWN_TYPE = 'application/octet-stream'

const typeOf = (fileType: string): string => catalogue.find(({ file }) => file.endsWith(`.${fileType}`))?.type ?? UNKNOWN_TYPE

/** The host's own side of the editor: the page for its users, and three routes for the document server. */
export const editorHost: FastifyPluginAsync<EditorHostOptions> = async (app, { login, versions, place, documentServerUrl, timeout }) => {
  app.addHook('onSend', async (_request, reply) => { reply.headers({ 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' }) })

  /** What the user may open, or `undefined` where there is no such document. */
  async function open (request: FastifyRequest<DocumentRoute>) {
    const document = findEditable(request.params.documentId)
    if (document === undefined) return undefined
    const all = await versionsOf(versions, document)
    const config = configOf(document, all, login.userOf(request), place)
    if (config === undefined) throw new DocumentNotAllowedError()
    return { document, versions: all, config }
  }

  app.get<DocumentRoute>('/editor/:documentId', { onRequest: login.admit, schema: pageSchema }, async (request, reply) => {
    const opened = await open(request)
    if (opened === undefined) return reply.callNotFound()
    const { document: { id, title }, config } = opened
    const { headers, html } = renderPage({ id, title, config: await app.editorSignatures.signConfig(config), documentServerUrl })
    return reply.headers(headers).type('text/html; charset=utf-8').send(html)
  })

  app.get<DocumentRoute>('/editor/:documentId/history', { onRequest: login.admit, schema: historySchema }, async (request, reply) => {
    const opened = await open(request)
    return opened === undefined ? reply.callNotFound() : historyOf(opened.versions)
  })

  const fromDocumentServer = app.editorSignatures.requireDownload({ origin: place.origin })

  app.get<VersionRoute>('/editor/:documentId/file', {
    onRequest: fromDocumentServer,
    schema: fileSchema([...new Set(catalogue.flatMap(({ id, type }) => findEditable(id) === undefined ? [] : [type])), UNKNOWN_TYPE])
  }, async ({ params, query }, reply) => await send(reply, params.documentId, query.version, FILE))

  app.get<VersionRoute>('/editor/:documentId/changes', {
    onRequest: fromDocumentServer,
    schema: changesSchema
  }, async ({ params, query }, reply) => await send(reply, params.documentId, query.version, CHANGES))

  async function send (reply: FastifyReply, documentId: string, number: string | undefined, name: typeof FILE | typeof CHANGES) {
    const document = findEditable(documentId)
    const all = document === undefined ? [] : await versionsOf(versions, document)
    const version = number === undefined ? all.at(-1) : all.find((version) => version.number === Number(number))
    if (version === undefined || (name === CHANGES && !version.hasChanges)) return reply.callNotFound()
    return reply
      .type(name === CHANGES ? 'application/zip' : typeOf(version.fileType))
      .send(createReadStream(versions.pathOf(documentId, version.number, name)))
  }

  // Where nobody is named whose saves could be taken, nobody's are.
  if (documentServerUrl === undefined) return

  app.post<DocumentRoute>('/editor/:documentId/callback', {
    bodyLimit: CALLBACK_LIMIT,
    schema: callbackSchema,
    // The token is judged, and nothing beside it.
    validatorCompiler: () => () => true
  }, app.editorSignatures.requireCallback<FastifyRequest<DocumentRoute>>({
    document: async ({ params }) => {
      const document = findEditable(params.documentId)
      // Also the keys of sessions that are over: what was saved late is saved.
      return document === undefined ? null : (await versionsOf(versions, document)).map(({ key, session = key }) => session)
    },
    downloadOrigins: [new URL(documentServerUrl).origin]
  }, async (event, { params, log }) => {
    const document = findEditable(params.documentId)
    if (document !== undefined) await keepSave(document, event, { versions, timeout, log })
  }))
}
