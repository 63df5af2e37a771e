import { type FastifyPluginAsync } from 'fastify'
import { catalogue } from '../catalogue.ts'
import { renderDrawing, renderRefusal } from './page.ts'
import { type CadParameters } from './parameters.ts'
import { pageSchema } from './schemas.ts'

export interface CadEditorOptions {
  /** The API key of the editor's server, for the verification of tokens. */
  verifierKey: string
}

interface PageRoute {
  /** What stands there more than once is a list. */
  Querystring: { apitoken?: string | string[] }
}

type Exchanged = { status: 200, parameters: CadParameters } | { status: 403 | 429 | 503, retryAfter?: string | undefined }

/** The simulated editor: a page whose server exchanges the token, as an editor elsewhere would do over HTTP. */
export const cadEditor: FastifyPluginAsync<CadEditorOptions> = async (app, { verifierKey }) => {
  app.addHook('onSend', async (_request, reply) => { reply.headers({ 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' }) })

  // A HEAD would spend a use.
  app.get<PageRoute>('', { exposeHeadRoute: false, schema: pageSchema, validatorCompiler: () => () => true }, async ({ query: { apitoken }, ip }, reply) => {
    const exchanged = await exchange(apitoken, ip)
    const { headers, html } = exchanged.status === 200 ? drawingOf(exchanged.parameters) : renderRefusal(exchanged.status)
    if (exchanged.status !== 200 && exchanged.retryAfter !== undefined) reply.header('retry-after', exchanged.retryAfter)
    return reply.code(exchanged.status).headers(headers).type('text/html; charset=utf-8').send(html)
  })

  /** @param ip Who has the token: wrong ones are counted by it. */
  async function exchange (token: string | string[] | undefined, ip: string): Promise<Exchanged> {
    if (typeof token !== 'string') return { status: 403 }
    const reply = await app.inject({ url: `${app.prefix}/verify`, remoteAddress: ip, headers: { 'x-api-token': token, 'x-api-key': verifierKey } })
      // The server is about to end, and asks itself nothing any more.
      .catch(() => undefined)
    if (reply === undefined) return { status: 503 }
    const { statusCode, headers, body } = reply
    // What the schema of the parameters has let through.
    if (statusCode === 200) return { status: 200, parameters: JSON.parse(body) as CadParameters }
    const retryAfter = headers['retry-after']
    return { status: statusCode === 403 || statusCode === 429 ? statusCode : 503, ...(retryAfter !== undefined && { retryAfter: String(retryAfter) }) }
  }
}

function drawingOf ({ file, userId, access }: CadParameters) {
  const document = catalogue.find((document) => document.id === file || document.file === file)
  return renderDrawing({ file, ...(userId !== undefined && { userId }), ...(access !== undefined && { access }) }, document)
}
