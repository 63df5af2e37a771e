import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import { type FastifyPluginAsync, type FastifyReply } from 'fastify'
import { type ApiKeySource } from 'fastify-doc-tokens/credentials'
import { type TokenStore } from 'fastify-doc-tokens/stores/memory'
import { authenticate } from './api-keys.ts'
import { catalogue, FOLDER, type StoredDocument } from './catalogue.ts'
import { downloadSchema, listSchema, readAnnotationsSchema, readSchema, replaceAnnotationsSchema } from './document-schemas.ts'

interface DocumentRoute {
  Params: { id: string }
}

interface AnnotationsRoute extends DocumentRoute {
  Body: { annotations: unknown[] }
}

const types = [...new Set(catalogue.map(({ type }) => type))]

/** Bytes of annotations that one document may have. */
const ANNOTATIONS_LIMIT = 256 * 1024

/**
 * The documents that the sessions are about: what a host's own routes look like behind our guards.
 */
export const documents: FastifyPluginAsync<{ store: TokenStore, credentials: ApiKeySource }> = async (app, { store, credentials }) => {
  const may = (permission: 'read' | 'write' | 'download') => app.documentSessions.require(permission, { param: 'id' })
  const find = (id: string) => catalogue.find((document) => document.id === id)

  app.addHook('onSend', async (_request, reply) => { reply.header('x-content-type-options', 'nosniff') })

  app.get('/documents', { schema: listSchema }, async (request, reply) => {
    const caller = await authenticate(credentials, request, reply)
    const visible = catalogue.filter(({ id }) => caller.documents?.includes(id) !== false)
    return { documents: visible.map(({ id, title, type }) => ({ id, title, type })) }
  })

  app.get<DocumentRoute>('/documents/:id', {
    onRequest: may('read'),
    schema: readSchema(types)
  }, async ({ params }, reply) => sendDocument(reply, find(params.id), 'inline'))

  app.get<DocumentRoute>('/documents/:id/download', {
    onRequest: may('download'),
    schema: downloadSchema(types)
  }, async ({ params }, reply) => sendDocument(reply, find(params.id), 'attachment'))

  app.get<DocumentRoute>('/documents/:id/annotations', {
    onRequest: may('read'),
    schema: readAnnotationsSchema
  }, async ({ params }, reply) => {
    if (find(params.id) === undefined) return reply.callNotFound()
    const value = await store.get(annotationsKey(params.id))
    return reply.type('application/json; charset=utf-8').send(value === undefined ? '{"annotations":[]}' : Buffer.from(value).subarray(1))
  })

  app.put<AnnotationsRoute>('/documents/:id/annotations', {
    onRequest: may('write'),
    bodyLimit: ANNOTATIONS_LIMIT,
    schema: replaceAnnotationsSchema
  }, async ({ params, body }, reply) => {
    if (find(params.id) === undefined) return reply.callNotFound()
    // The first byte of every value is its format version.
    await store.set(annotationsKey(params.id), Buffer.concat([Uint8Array.of(1), Buffer.from(JSON.stringify(body))]))
    return reply.code(204).send()
  })
}

function sendDocument (reply: FastifyReply, document: StoredDocument | undefined, disposition: 'inline' | 'attachment') {
  if (document === undefined) return reply.callNotFound()
  return reply
    .type(document.type)
    .header('cache-control', 'private, no-store')
    .header('content-disposition', `${disposition}; filename="${document.file}"`)
    .send(createReadStream(join(FOLDER, document.file)))
}

/** What comes from outside enters a store as a digest. */
function annotationsKey (id: string): string {
  return `example/annotations/${createHash('sha256').update(id).digest('base64url')}`
}
