import { type FastifyRequest } from 'fastify'
import { type Client } from '../../lib/credentials/client.ts'
import { InvalidDpopProofError, InvalidFormError, InvalidRequestError, InvalidTargetError, UnsupportedGrantTypeError } from '../../lib/errors.ts'
import { readDpopHeader } from '../../lib/oauth/dpop.ts'
import { type Form, parseForm } from '../../lib/oauth/form.ts'
import { PATHS } from '../../lib/oauth/metadata.ts'
import { parseScope } from '../../lib/oauth/scope.ts'
import { type SingleUse } from '../../lib/oauth/single-use.ts'
import {
  IntrospectionBodySchema, introspectionReplies, RevocationBodySchema, revocationReplies, TokenBodySchema, tokenReplies
} from '../../lib/schemas/oauth.ts'
import { type TokenStore } from '../../lib/stores/token-store.ts'
import { type AccessToken } from '../../lib/tokens/access/token.ts'
import { describe, prepareScope, refuseOtherMethods } from '../shared/flow-scope.ts'
import { sendJson, sendNothing } from '../shared/json-reply.ts'
import { CLIENT_SECURITY, declareSecuritySchemes, operationIdOf } from '../shared/openapi.ts'
import { type TypeBoxPlugin } from '../shared/type-provider.ts'
import { authenticationOf, clientOf, formOf, keepForm, requireClient } from './authentication.ts'
import { judgeAtToken, judgeElsewhere, oauthBody } from './errors.ts'
import { pathOf, withNonceOf } from './proof.ts'
import { type AccessTokens } from './index.ts'
import { type ResolvedAccessRoutes } from './options.ts'
import { type AccessParts } from './parts.ts'

export const OWNER = { flow: 'client-credentials', caller: 'machine' } as const

export const config = { docTokens: OWNER, swaggerTransform: declareSecuritySchemes }

/** @internal What all scopes of the flow are made with. */
export interface AccessScopeOptions extends ResolvedAccessRoutes {
  tokens: AccessTokens<string>
  parts: AccessParts
  store: TokenStore
  singleUse: SingleUse
}

const FORM = 'application/x-www-form-urlencoded'
const UTF_8 = /^[^;]+(?:; *charset="?utf-8"? *)?$/i

/** Bytes. An assertion of an RSA key has about one thousand. */
const BODY_LIMIT = 16 * 1024

const describing = { tags: ['client credentials'], security: CLIENT_SECURITY, consumes: [FORM] }

/** @internal `POST /connect/token`, and wherever else clients of the vendor ask. */
export const tokenRoutes: TypeBoxPlugin<AccessScopeOptions> = async (fastify, options) => {
  const { tokens, parts: { dpop }, aliases } = options
  const paths = [PATHS.token, ...aliases]

  /** The thumbprint of the key that the token is to be bound to. */
  async function bindingOf (request: FastifyRequest, { requireDpop = false }: Client): Promise<string | undefined> {
    const header = readDpopHeader(request.raw.rawHeaders)
    if (requireDpop && (dpop === undefined || header.state === 'absent')) throw new InvalidDpopProofError()
    if (dpop === undefined || header.state === 'absent') return undefined
    if (header.state === 'several') throw new InvalidDpopProofError()
    return (await dpop.verifyProof({ proof: header.text, method: request.method, path: pathOf(request) }).catch(withNonceOf(dpop))).jkt
  }

  await prepareClientScope(fastify, options, paths, judgeAtToken, (scope) => {
    for (const [index, path] of paths.entries()) {
      scope.post(path, {
        config,
        bodyLimit: BODY_LIMIT,
        schema: {
          ...describe({
            ...describing,
            operationId: operationIdOf(index === 0 ? 'getToken' : `getToken${index}`, fastify.prefix),
            summary: 'Get an access token',
            description: 'The client credentials grant: RFC 6749, section 4.4.'
          }),
          body: TokenBodySchema,
          response: tokenReplies(dpop?.nonce() !== undefined)
        }
      }, async (request, reply) => {
        const form = formOf(request)
        const { client, since } = authenticationOf(request)
        const grantType = form.get('grant_type')
        if (grantType === undefined) throw new InvalidRequestError('grant_type is required')
        if (grantType !== 'client_credentials') throw new UnsupportedGrantTypeError()

        const scope = form.get('scope')
        const audiences = resourcesOf(form)
        const jkt = await bindingOf(request, client)
        const { token, expiresIn, scopes, isNarrowed } = await tokens.issue({
          client,
          // A clock that was set back meanwhile is no mistake of the client's.
          since: Math.min(since, tokens.settings.now()),
          ...(scope !== undefined && { scopes: parseScope(scope) }),
          ...(audiences.length > 0 && { audiences }),
          ...(jkt !== undefined && { jkt })
        })
        return sendJson(reply, {
          access_token: token,
          expires_in: expiresIn,
          token_type: jkt === undefined ? 'Bearer' : 'DPoP',
          ...(isNarrowed && { scope: scopes.join(' ') })
        })
      })
    }
  })
}

/** @internal `POST /connect/introspect` and `/connect/revocation`. */
export const endpointRoutes: TypeBoxPlugin<AccessScopeOptions> = async (fastify, options) => {
  const { tokens } = options
  await prepareClientScope(fastify, options, [PATHS.introspection, PATHS.revocation], judgeElsewhere, (scope) => {
    scope.post(PATHS.introspection, {
      config,
      bodyLimit: BODY_LIMIT,
      schema: {
        ...describe({
          ...describing,
          operationId: operationIdOf('introspectToken', fastify.prefix),
          summary: 'Tell of an access token',
          description: 'Whether a token is good, and what for: RFC 7662. A client is told of its own tokens, and of those for its audiences.'
        }),
        body: IntrospectionBodySchema,
        response: introspectionReplies
      }
    }, async (request, reply) => {
      const token = await tokens.introspect(tokenOf(request), clientOf(request))
      return sendJson(reply, token === undefined ? { active: false } : toIntrospection(token))
    })

    scope.post(PATHS.revocation, {
      config,
      bodyLimit: BODY_LIMIT,
      schema: {
        ...describe({
          ...describing,
          operationId: operationIdOf('revokeAccessToken', fastify.prefix),
          summary: 'End an access token',
          description: 'Ends a token of the client: RFC 7009. The answer is the same where there is no such token.'
        }),
        body: RevocationBodySchema,
        response: revocationReplies
      }
    }, async (request, reply) => {
      await tokens.revoke(tokenOf(request), clientOf(request).id)
      return sendNothing(reply.code(200))
    })
  })
}

/** A scope that reads forms and wants a client. */
async function prepareClientScope (fastify: Parameters<typeof tokenRoutes>[0], options: AccessScopeOptions, paths: readonly string[], judge: typeof judgeAtToken, define: (scope: typeof fastify) => void): Promise<void> {
  const { tokens: { settings: { name, now, issuer } }, store, limits, clients, legacyAudience, singleUse } = options
  const instance = { flow: OWNER.flow, name, store, now }
  await prepareScope(fastify, instance, { limit: limits.address, bodyOf: oauthBody, judge, contentType: FORM, parse: readForm })
  // For caches of HTTP/1.0: RFC 6749, section 5.1.
  fastify.addHook('onSend', (_request, reply, _payload, done) => {
    reply.header('pragma', 'no-cache')
    done()
  })
  for (const path of paths) refuseOtherMethods(fastify, path, OWNER, ['POST'])

  await fastify.register(async (scope: typeof fastify) => {
    // The schemas are for documents: the form is judged by hand, in the order that the contract says.
    scope.setValidatorCompiler(() => () => true)
    await requireClient(scope, { clients, instance, issuer, legacyAudience, singleUse, limits })
    define(scope)
  })
}

function readForm (body: Buffer, request: FastifyRequest): object {
  if (!UTF_8.test(String(request.headers['content-type']))) throw new InvalidFormError('it is not declared as UTF-8')
  return keepForm(request, parseForm(body))
}

/** RFC 8707, section 2: absolute URIs without fragment. */
function resourcesOf (form: Form): readonly string[] {
  const resources = form.getAll('resource')
  if (!resources.every((resource) => URL.canParse(resource) && !resource.includes('#'))) throw new InvalidTargetError()
  return resources
}

function tokenOf (request: FastifyRequest): string {
  const token = formOf(request).get('token')
  if (token === undefined) throw new InvalidRequestError('token is required')
  return token
}

/** RFC 7662, section 2.2, and RFC 9449, section 6.2. */
function toIntrospection ({ jti, client, subject, scopes, audiences, expiresAt, notBefore, jkt, claims: { iss, iat } }: AccessToken): object {
  return {
    active: true,
    iss,
    ...(subject !== undefined && { sub: subject }),
    aud: audiences.length === 1 ? audiences[0] : audiences,
    client_id: client,
    ...(scopes.length > 0 && { scope: scopes.join(' ') }),
    token_type: jkt === undefined ? 'Bearer' : 'DPoP',
    exp: expiresAt,
    iat,
    ...(notBefore !== undefined && { nbf: notBefore }),
    jti,
    ...(jkt !== undefined && { cnf: { jkt } })
  }
}
