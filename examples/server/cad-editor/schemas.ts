import { Type } from '@sinclair/typebox'
import { NO_SNIFFING } from '../document-schemas.ts'
import { NO_STORE, RETRY } from '../openapi.ts'

const page = (description: string, headers: object = {}) => ({
  description,
  headers: {
    ...NO_STORE,
    ...NO_SNIFFING,
    'Content-Security-Policy': Type.String({ description: 'No script but the page’s own, and nothing else is loaded', example: "default-src 'none'; script-src 'nonce-" }),
    'Referrer-Policy': Type.String({ description: 'Nobody is told the address', example: 'no-referrer' }),
    ...headers
  },
  content: { 'text/html': { schema: Type.String() } }
})

export const pageSchema = {
  operationId: 'openCadEditor',
  summary: 'The page of the simulated CAD editor',
  description: 'For browsers. Its server exchanges the token for the parameters, which is one use of it. The page removes the token from its address.',
  tags: ['opaque tokens'],
  security: [],
  querystring: Type.Object({
    apitoken: Type.Optional(Type.String({ description: 'A token of `POST /cad-editor/generate`', examples: [`fdt_opaque_${'x'.repeat(43)}AAAAAA`] }))
  }),
  response: {
    200: page('Which document the editor would open'),
    403: page('The token is wrong, or there is none'),
    429: page('Too many wrong tokens', RETRY),
    503: page('What the token stands for is out of reach', RETRY)
  }
}
