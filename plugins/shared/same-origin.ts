import { type FastifyRequest } from 'fastify'

/** Whether a page of the same origin, or of a trusted one, sent the request. Browsers forbid pages to set either header. */
export function isFromTrustedPage (headers: FastifyRequest['headers'], trusted: ReadonlySet<string>): boolean {
  return headers['sec-fetch-site'] === 'same-origin' || trusted.has(String(headers.origin))
}

/**
 * Whether a page in a browser may have sent the request, with what the browser keeps for the host's users: cookies,
 * passwords, certificates. Every browser tells the origin of a request that carries JSON to another site.
 */
export function mayBeBrowser ({ origin, cookie, 'sec-fetch-site': site }: FastifyRequest['headers']): boolean {
  return origin !== undefined || cookie !== undefined || site !== undefined
}
