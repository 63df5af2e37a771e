import { type FastifyRequest } from 'fastify'
import { DpopNonceRequiredError } from '../../lib/errors.ts'
import { type Dpop } from '../../lib/oauth/dpop.ts'

/** Of the request line, without the query: what proofs name. Not what a host's `rewriteUrl` made of it. */
export function pathOf ({ originalUrl }: FastifyRequest): string {
  return originalUrl.replace(/\?.*$/s, '')
}

/** Who lacks the nonce is told it: RFC 9449, section 8. */
export function withNonceOf (dpop: Dpop): (error: unknown) => never {
  return (error) => {
    throw error instanceof DpopNonceRequiredError ? Object.assign(error, { headers: { 'dpop-nonce': dpop.nonce() } }) : error
  }
}
