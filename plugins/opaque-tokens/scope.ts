import { type FastifyRequest } from 'fastify'
import { InvalidCredentialError, MissingCredentialError, WrongTokenError } from '../../lib/errors.ts'
import { parseJson } from '../../lib/json.ts'
import { type TokenStore } from '../../lib/stores/token-store.ts'
import { wrongToken } from '../../lib/tokens/opaque/tokens.ts'
import { type Judgement } from '../shared/flow-scope.ts'
import { type FlowInstance } from '../shared/flow-instance.ts'
import { declareSecuritySchemes } from '../shared/openapi.ts'
import { type CodedError } from '../shared/refusals.ts'
import { detailsOf } from './guard.ts'
import { type OpaqueTokens } from './index.ts'
import { type ResolvedOpaqueRoutes } from './options.ts'

/** What both scopes of the flow are made with. */
export interface OpaqueScopeOptions extends ResolvedOpaqueRoutes {
  tokens: OpaqueTokens<object>
  maxBytes: number
  schema: object | undefined
}

export const OWNER = { flow: 'opaque-tokens', caller: 'machine' } as const

/** Bytes. An accessor is short. */
export const BODY_LIMIT = 1024

export const config = { docTokens: OWNER, swaggerTransform: declareSecuritySchemes }

export const tags = ['opaque tokens']

export function instanceOf ({ settings: { name, store, now } }: OpaqueTokens<object>): FlowInstance & { flow: typeof OWNER.flow, store: TokenStore } {
  return { flow: OWNER.flow, name, store, now }
}

/** Clients say that they send JSON and send nothing. */
export function readJson (body: Buffer): unknown {
  return body.length === 0 ? undefined : parseJson(body)
}

/** No body is an empty one. */
export async function fillBody (request: FastifyRequest): Promise<void> {
  if (request.body === undefined) request.body = {}
}

/** A missing and a wrong API key have the answer of a wrong token. */
export function judge (error: CodedError): Judgement {
  const isKey = error instanceof MissingCredentialError || error instanceof InvalidCredentialError
  const details = detailsOf(error)
  return {
    answer: isKey ? new WrongTokenError() : error,
    holder: wrongToken(error)?.holder ?? {},
    ...(details !== undefined && { details })
  }
}
