import { STATUS_CODES } from 'node:http'
import { type TObject, Type } from '@sinclair/typebox'
import {
  InsufficientScopeError, InvalidRequestError, InvalidTokenError, MissingTokenError, MultipleTokensError, RateLimitedError, StoreUnavailableError,
  TokenExpiredError, TokenRevokedError
} from 'fastify-doc-tokens/errors'
import { NO_SNIFFING } from '../document-schemas.ts'
import { CHALLENGES, NO_STORE, RETRY } from '../openapi.ts'
import { bodyOf } from './errors.ts'

/** An error as clients see it. */
interface ErrorExample {
  statusCode?: number
  code: string
  message: string
}

const headers = { ...NO_STORE, ...NO_SNIFFING }

/** A schema per status, with each error as an example under its code. */
function refusals (errors: readonly ErrorExample[]): Record<number, TObject> {
  const statuses = new Set(errors.map(({ statusCode }) => Number(statusCode)))
  return Object.fromEntries([...statuses].map((status) => [status, refusal(status, errors.filter(({ statusCode }) => statusCode === status))]))
}

function refusal (status: number, errors: readonly ErrorExample[]): TObject {
  return Type.Object({ error: Type.String({ description: 'What is wrong, for programs' }), error_description: Type.String({ description: 'The same for people' }) }, {
    description: String(STATUS_CODES[status]),
    headers: { ...headers, ...(CHALLENGES as Record<number, object>)[status], ...((status === 429 || status === 503) && RETRY) }, // a status may have none
    'x-examples': Object.fromEntries(errors.map((error) => [error.code, { value: { ...bodyOf(error), ...ofGuard(error) } }]))
  })
}

/** What the guard calls it: RFC 6750, section 3.1. */
function ofGuard ({ statusCode }: ErrorExample): object {
  return statusCode === 401 ? { error: 'invalid_token' } : statusCode === 403 ? { error: 'insufficient_scope' } : {}
}

const NOT_FOUND = { statusCode: 404, code: 'FST_ERR_NOT_FOUND', message: 'Not Found' }

const GUARD_ERRORS: readonly ErrorExample[] = [
  new MultipleTokensError(),
  new InvalidRequestError('an access token is taken from the Authorization header, and never from a URL'),
  new MissingTokenError(),
  new InvalidTokenError(),
  new TokenExpiredError(),
  new TokenRevokedError(),
  new InsufficientScopeError(),
  new RateLimitedError(),
  new StoreUnavailableError()
]

const guarded = { tags: ['files'], security: [{ docTokensAccess: [] }] }

const name = (description: string, example: string, maxLength = 256) => Type.String({ maxLength, description, examples: [example] })

const PAGE = 'viewer/docs/one-page_docx/p1.html'
const FILE_INFO = { FilePath: 'viewerdocs/one-page.docx', StorageName: 'MyStorage', Password: '' }

export const viewSchema = {
  ...guarded,
  operationId: 'viewFile',
  summary: 'Have a file shown',
  description: 'With the scope `files.read`. Names may begin in lower case; members that are not known are ignored.',
  body: Type.Object({
    FileInfo: Type.Object({
      FilePath: name('Where the file is in its storage', FILE_INFO.FilePath, 1024),
      StorageName: Type.Optional(name('Absent or empty: the one with the documents of this server', FILE_INFO.StorageName)),
      Password: Type.Optional(Type.String({ maxLength: 256, description: 'Ignored: no file has one' }))
    }, { additionalProperties: true }),
    ViewFormat: Type.Optional(Type.Literal('HTML', { description: 'There is no other' }))
  }, { additionalProperties: true, examples: [{ FileInfo: FILE_INFO }] }),
  response: {
    200: Type.Object({
      pages: Type.Array(Type.Object({
        number: Type.Integer(),
        resources: Type.Array(Type.String()),
        path: Type.String({ description: 'Where the page is' }),
        downloadUrl: Type.String({ description: 'Where to get it, with an access token' })
      })),
      attachments: Type.Array(Type.String()),
      file: Type.Null()
    }, {
      description: 'Its pages',
      headers,
      examples: [{ pages: [{ number: 1, resources: [], path: PAGE, downloadUrl: `https://api.example/v2.0/viewer/storage/file/${PAGE}` }], attachments: [], file: null }]
    }),
    ...refusals([
      ...GUARD_ERRORS,
      NOT_FOUND,
      { statusCode: 400, code: 'FST_ERR_VALIDATION', message: 'body must have required property \'FileInfo\'' },
      { statusCode: 400, code: 'FST_ERR_CTP_EMPTY_JSON_BODY', message: 'Bad Request' },
      { statusCode: 400, code: 'FST_ERR_CTP_INVALID_JSON_BODY', message: 'Bad Request' },
      { statusCode: 413, code: 'FST_ERR_CTP_BODY_TOO_LARGE', message: 'Payload Too Large' },
      { statusCode: 415, code: 'FST_ERR_CTP_INVALID_MEDIA_TYPE', message: 'Unsupported Media Type' }
    ])
  }
}

export const fileSchema = {
  ...guarded,
  operationId: 'downloadPage',
  summary: 'Download a page',
  description: 'With the scope `files.read`.',
  params: Type.Object({ '*': name('Where the page is', PAGE, 1024) }),
  querystring: Type.Object({ storageName: Type.Optional(name('Absent or empty: whichever has it', FILE_INFO.StorageName)) }),
  response: {
    200: {
      description: 'The page',
      headers: {
        ...headers,
        'Content-Security-Policy': Type.String({ description: 'No script, and nothing is loaded', example: "default-src 'none'; script-src 'nonce-" }),
        'Referrer-Policy': Type.String({ description: 'Nobody is told the address', example: 'no-referrer' })
      },
      content: { 'text/html': { schema: Type.String() } }
    },
    ...refusals([...GUARD_ERRORS, NOT_FOUND])
  }
}

export const formatsSchema = {
  ...guarded,
  operationId: 'listFormats',
  summary: 'List the formats that can be shown',
  description: 'With the scope `files.read`.',
  response: {
    200: Type.Object({
      formats: Type.Array(Type.Object({ extension: Type.String({ description: 'With the dot' }), fileFormat: Type.String() }))
    }, { description: 'Formats of the files of this server', headers, examples: [{ formats: [{ extension: '.docx', fileFormat: 'Microsoft Word' }] }] }),
    ...refusals(GUARD_ERRORS)
  }
}

export const conversionsSchema = {
  ...guarded,
  operationId: 'listConversions',
  summary: 'List what can be converted to what',
  description: 'With the scope `files.read`.',
  querystring: Type.Object({
    filePath: Type.Optional(name('Of this file alone', FILE_INFO.FilePath, 1024)),
    storageName: Type.Optional(name('Where the file is. Absent or empty: in the storage with the documents of this server', FILE_INFO.StorageName)),
    format: Type.Optional(name('Of this format alone', 'docx'))
  }),
  response: {
    200: Type.Array(Type.Object({ sourceFormat: Type.String(), targetFormats: Type.Array(Type.String()) }), {
      description: 'Formats of the files of this server',
      headers,
      examples: [[{ sourceFormat: 'docx', targetFormats: ['html'] }]]
    }),
    ...refusals([...GUARD_ERRORS, NOT_FOUND])
  }
}

export const existsSchema = {
  ...guarded,
  operationId: 'storageExists',
  summary: 'Whether there is a storage of that name',
  description: 'With the scope `files.read`.',
  params: Type.Object({ storageName: name('Which', FILE_INFO.StorageName) }),
  response: {
    200: Type.Object({ exists: Type.Boolean() }, { description: 'Yes or no', headers, examples: [{ exists: true }] }),
    ...refusals(GUARD_ERRORS)
  }
}
