import { type FastifyReply, type FastifyRequest } from 'fastify'
import { digest } from '../../lib/digest.ts'
import { PATHS, wellKnownPath } from '../../lib/oauth/metadata.ts'
import { documentReplies } from '../../lib/schemas/oauth.ts'
import { describe, prepareScope, refuseOtherMethods } from '../shared/flow-scope.ts'
import { sendJsonText } from '../shared/json-reply.ts'
import { operationIdOf } from '../shared/openapi.ts'
import { type TypeBoxPlugin } from '../shared/type-provider.ts'
import { oauthBody } from './errors.ts'
import { type AccessScopeOptions, config, OWNER } from './routes.ts'

/** A document that everybody may read, and keep for a while. */
interface PublicDocument {
  path: string
  operationId: string
  summary: string
  /** Made anew each time: keys come and go. */
  read (): object
}

/** Seconds. A new key is seen by whoever meets its name: a look for it is due then, whatever is kept. */
const MAX_AGE = 300

/** @internal The JWKS, under the prefix. */
export const keyRoutes: TypeBoxPlugin<AccessScopeOptions> = async (fastify, options) => {
  const { tokens } = options
  const summary = 'The keys that access tokens are signed with'
  await serve(fastify, options, [PATHS.jwks, PATHS.jwksAlias].map((path, index) => ({ path, operationId: `getAccessTokenKeys${index === 0 ? '' : index}`, summary, read: tokens.jwks })))
}

/** @internal Metadata, which are where the issuer and the resource say, and nowhere else. */
export const metadataRoutes: TypeBoxPlugin<AccessScopeOptions> = async (fastify, options) => {
  const { tokens } = options
  const { issuer, audience } = tokens.settings
  const resource = tokens.resourceMetadata()
  await serve(fastify, options, [
    { path: wellKnownPath('oauth-authorization-server', issuer), operationId: 'getAuthorizationServer', summary: 'Metadata of the authorization server', read: tokens.metadata },
    ...(resource === undefined ? [] : [{ path: wellKnownPath('oauth-protected-resource', audience), operationId: 'getProtectedResource', summary: 'Metadata of the protected resource', read: () => resource }])
  ])
}

async function serve (fastify: Parameters<typeof keyRoutes>[0], { tokens: { settings: { name, now } }, store, limits }: AccessScopeOptions, documents: readonly PublicDocument[]): Promise<void> {
  await prepareScope(fastify, { flow: OWNER.flow, name, store, now }, { limit: limits.address, bodyOf: oauthBody, cacheControl: `public, max-age=${MAX_AGE}` })

  for (const { path, operationId, summary, read } of documents) {
    refuseOtherMethods(fastify, path, OWNER, ['GET', 'HEAD'])
    fastify.get(path, {
      config,
      exposeHeadRoute: true,
      schema: { ...describe({ operationId: operationIdOf(operationId, fastify.prefix), summary, tags: ['client credentials'], security: [] }), response: documentReplies(summary, read()) }
    }, async (request, reply) => sendDocument(request, reply, JSON.stringify(read())))
  }
}

function sendDocument ({ headers }: FastifyRequest, reply: FastifyReply, text: string): FastifyReply {
  const tag = `"${digest(text)}"`
  reply.header('etag', tag)
  const known = (headers['if-none-match'] ?? '').split(',').map((entry) => entry.trim().replace(/^W\//, ''))
  return known.includes(tag) || known.includes('*') ? reply.code(304).send() : sendJsonText(reply, text)
}
