import { type FastifyRequest } from 'fastify'
import { type ApiKeySource, authenticateApiKey, type Credential } from '../../lib/credentials/index.ts'
import { FlowNotAllowedError, InvalidCredentialError, MultipleCredentialsError, WrongTokenError } from '../../lib/errors.ts'
import { EmptyBodySchema, VARY, verifyPostedReplies, verifyReplies } from '../../lib/schemas/opaque-token.ts'
import { wrongToken } from '../../lib/tokens/opaque/tokens.ts'
import { presentedKey } from '../shared/api-key.ts'
import { describe, type Judgement, prepareScope } from '../shared/flow-scope.ts'
import { sendJsonText } from '../shared/json-reply.ts'
import { failureLimiter } from '../shared/limiter.ts'
import { API_KEY_SECURITY, operationIdOf } from '../shared/openapi.ts'
import { type CodedError } from '../shared/refusals.ts'
import { type TypeBoxPlugin } from '../shared/type-provider.ts'
import { publishVerified, readToken } from './guard.ts'
import { BODY_LIMIT, config, fillBody, instanceOf, judge, type OpaqueScopeOptions, readJson, tags } from './scope.ts'

/** @internal What the editor's server calls: one address for all users, so only failures are counted. */
export const verifyRoutes: TypeBoxPlugin<OpaqueScopeOptions> = async (fastify, { tokens, verifiers, limits }) => {
  const instance = instanceOf(tokens)
  await prepareScope(fastify, instance, { limit: undefined, judge: judgeVerifier, vary: VARY, parse: readJson })
  const countFailure = failureLimiter(instance, 'unknown', limits.unknown)

  function authenticator (source: ApiKeySource, key: string): () => Promise<Credential> {
    return () => authenticateApiKey(source, key, { flow: 'opaque-verification', now: instance.now })
  }

  /** What a missing key refuses costs no look-up; a wrong one is looked up for a good token alone. */
  async function exchange (request: FastifyRequest): Promise<string> {
    const token = readToken(request)
    const authenticate = verifiers && authenticator(verifiers, presentedKey(request))
    try {
      const found = await tokens.verify(token, authenticate)
      publishVerified(request, instance, found)
      return found.json
    } catch (error) {
      if (isCounted(error)) await countFailure(request)
      throw error
    }
  }

  const description = {
    summary: 'Exchange an opaque token for its parameters',
    description: 'The parameters that the token stands for, and whose token it is. The token is never part of a URL.',
    tags,
    security: verifiers === undefined ? [{ docTokensOpaque: [] }] : API_KEY_SECURITY.map((scheme) => ({ docTokensOpaque: [], ...scheme }))
  }

  fastify.get('/verify', {
    config,
    exposeHeadRoute: false,
    schema: { ...describe({ ...description, operationId: operationIdOf('verifyToken', fastify.prefix) }), response: verifyReplies }
    // A hook of the host's may have refused: behind an async one Fastify goes on when the client hangs up.
  }, async (request, reply) => reply.raw.destroyed ? reply : sendJsonText(reply, await exchange(request)))

  fastify.post('/verify', {
    config,
    bodyLimit: BODY_LIMIT,
    preValidation: fillBody,
    schema: { ...describe({ ...description, operationId: operationIdOf('verifyPostedToken', fastify.prefix) }), body: EmptyBodySchema, response: verifyPostedReplies }
  }, async (request, reply) => reply.raw.destroyed ? reply : sendJsonText(reply, await exchange(request)))
}

/** What was looked up in vain. A token that cannot be one was not. */
function isCounted (error: unknown): boolean {
  const isWrong = error instanceof WrongTokenError || error instanceof InvalidCredentialError || error instanceof FlowNotAllowedError
  return isWrong && wrongToken(error)?.reason !== 'malformed'
}

/** Whatever is wrong with the key of one who verifies has the answer of a wrong token. */
function judgeVerifier (error: CodedError): Judgement {
  const isKey = error instanceof FlowNotAllowedError || error instanceof MultipleCredentialsError
  return isKey ? { answer: new WrongTokenError(), holder: {} } : judge(error)
}
