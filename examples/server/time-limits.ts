/** Options of Fastify and of its HTTP server. Milliseconds. */
export interface TimeLimits {
  requestTimeout: number
  connectionTimeout: number
  keepAliveTimeout: number
  http: { headersTimeout: number, connectionsCheckingInterval: number }
}

/**
 * How long a client may keep a connection that it makes no use of.
 *
 * A connection on which something moves may stay as long as it likes: whoever opens a new one for each request
 * costs more than who does not, so there is no greatest number of requests either.
 *
 * @param requestTimeout Seconds from its first byte, or from the start of the connection, in which a request must be
 * here, headers and body.
 */
export function timeLimits (requestTimeout: number): TimeLimits {
  const milliseconds = requestTimeout * 1000
  return {
    requestTimeout: milliseconds,
    // Neither side gets a byte further: the answer is not ready, or nobody reads it.
    connectionTimeout: 2 * milliseconds,
    // Between two requests. By default 75 seconds: proxies that keep connections for 60 must not be the later ones.
    keepAliveTimeout: 2.5 * milliseconds,
    // Node.js would wait for headers for a minute, and look at both limits every half minute only.
    http: { headersTimeout: milliseconds, connectionsCheckingInterval: milliseconds / 10 }
  }
}
