import { type FastifyCorsOptions } from '@fastify/cors'

const EXPOSED = ['WWW-Authenticate', 'Retry-After', 'DPoP-Nonce', 'RateLimit', 'RateLimit-Policy']

/** For pages of these origins. Never `*`: what they are answered depends on who asks. */
export function crossOrigin (origins: string[]): FastifyCorsOptions {
  return { origin: origins, credentials: true, methods: ['GET', 'HEAD', 'POST', 'PUT'], exposedHeaders: EXPOSED, maxAge: 600 }
}

/** The same for an answer that is given before hooks run: else a page sees a network error, and not what is wrong. */
export function headersForOrigin (origin: string | undefined, origins: readonly string[]): Record<string, string> {
  if (origins.length === 0) return {}
  if (origin === undefined || !origins.includes(origin)) return { vary: 'Origin' }
  return {
    vary: 'Origin',
    'access-control-allow-origin': origin,
    'access-control-allow-credentials': 'true',
    'access-control-expose-headers': EXPOSED.join(', ')
  }
}
