import rateLimit from '@fastify/rate-limit'
import { type FastifyPluginAsync } from 'fastify'
import { RateLimitedError } from 'fastify-doc-tokens/errors'
import { escapeHtml, htmlPage } from '../html-page.ts'
import { answerErrors, bodyOf } from './errors.ts'
import { conversionsSchema, existsSchema, fileSchema, formatsSchema, viewSchema } from './schemas.ts'
import { extensions, findPage, findStorage, type StoredFile } from './storages.ts'

interface ViewRoute {
  Body: { FileInfo: { FilePath: string, StorageName?: string } }
}

interface FileRoute {
  Params: { '*': string }
  Querystring: { storageName?: string }
}

interface ConversionsRoute {
  Querystring: { filePath?: string, storageName?: string, format?: string }
}

interface ExistsRoute {
  Params: { storageName: string }
}

/** Requests from one address in a minute. */
const MOST_REQUESTS = 120

/** Bytes. */
const BODY_LIMIT = 16 * 1024

const FORMATS: Readonly<Record<string, string>> = { '.docx': 'Microsoft Word', '.pdf': 'Portable Document Format', '.png': 'Portable Network Graphics' }

const STYLE = 'body { margin: 2rem auto; max-width: 40rem; font-family: sans-serif } h1 { border-bottom: 1px solid }'

/**
 * Routes of an API that shows and converts files, as far as SDKs of the vendor need them: what a host's own routes look
 * like behind access tokens. Nothing is rendered: a page tells which document it would be of.
 *
 * @param options.publicUrl The URL under which clients reach the server, without a slash behind it.
 */
export const fileApi: FastifyPluginAsync<{ publicUrl: string }> = async (app, { publicUrl }) => {
  const onRequest = app.accessTokens.require('files.read')

  answerErrors(app)
  // Of this process alone: it is here so that nobody keeps a machine busy. It comes before the guard.
  await app.register(rateLimit, { global: false, max: MOST_REQUESTS, timeWindow: 60_000, errorResponseBuilder: () => new RateLimitedError(), addHeaders: NO_HEADERS, addHeadersOnExceeding: NO_HEADERS })
  app.addHook('onRequest', app.rateLimit())
  app.addHook('onSend', async (_request, reply) => { reply.headers({ 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' }) })

  app.post<ViewRoute>('/v2.0/viewer/view', {
    onRequest,
    preValidation: async (request) => { request.body = inPascalCase(request.body, 2) as ViewRoute['Body'] }, // validated next
    bodyLimit: BODY_LIMIT,
    schema: viewSchema
  }, async ({ body: { FileInfo } }, reply) => {
    const file = findStorage(FileInfo.StorageName)?.get(FileInfo.FilePath)
    if (file === undefined) return reply.code(404).send(NOT_FOUND)
    const path = file.page
    return { pages: [{ number: 1, resources: [], path, downloadUrl: `${publicUrl}/v2.0/viewer/storage/file/${path}` }], attachments: [], file: null }
  })

  app.get<FileRoute>('/v2.0/viewer/storage/file/*', { onRequest, schema: fileSchema }, async ({ params, query }, reply) => {
    const file = findPage(params['*'], query.storageName)
    if (file === undefined) return reply.code(404).send(NOT_FOUND)
    const { headers, html } = pageOf(file)
    return reply.headers(headers).type('text/html; charset=utf-8').send(html)
  })

  app.get('/v2.0/viewer/formats', { onRequest, schema: formatsSchema }, async () => {
    return { formats: extensions.map((extension) => ({ extension, fileFormat: FORMATS[extension] ?? extension })) }
  })

  app.get<ConversionsRoute>('/v2.0/conversion/formats', { onRequest, schema: conversionsSchema }, async ({ query: { filePath, storageName, format } }, reply) => {
    const file = findStorage(storageName)?.get(filePath ?? '')
    if (filePath !== undefined && file === undefined) return reply.code(404).send(NOT_FOUND)
    const sources = (file === undefined ? extensions : [file.extension]).map((extension) => extension.slice(1))
    return sources.filter((source) => format === undefined || source === format).map((sourceFormat) => ({ sourceFormat, targetFormats: ['html'] }))
  })

  app.get<ExistsRoute>('/v3.0/slides/storage/:storageName/exist', { onRequest, schema: existsSchema }, async ({ params }) => {
    return { exists: findStorage(params.storageName) !== undefined }
  })
}

const NO_HEADERS = { 'x-ratelimit-limit': false, 'x-ratelimit-remaining': false, 'x-ratelimit-reset': false }

const NOT_FOUND = bodyOf({ statusCode: 404, code: 'FST_ERR_NOT_FOUND', message: '' })

/** The vendor's service takes names in any case: its documentation writes `FilePath`, and its SDKs `filePath`. */
function inPascalCase (value: unknown, levels: number): unknown {
  if (levels === 0 || typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name.charAt(0).toUpperCase() + name.slice(1), inPascalCase(member, levels - 1)]))
}

function pageOf ({ document: { title, type } }: StoredFile) {
  return htmlPage({
    title,
    style: STYLE,
    referrerPolicy: 'no-referrer',
    body: () => `<h1>${escapeHtml(title)}</h1>\n<p>Here a viewer would show the first page of this document, which is of the type ${escapeHtml(type)}.</p>`
  })
}
