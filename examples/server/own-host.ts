import { type IncomingMessage } from 'node:http'
import { type FastifyInstance, type FastifyRequest } from 'fastify'
import { type Environment, isLoopback } from './environment.ts'
import { isOwnRequest } from './own-requests.ts'

/**
 * Tells requests to this server from those of a page that lets its own name point to the loopback, and so reads
 * answers that its browser takes for its own (DNS rebinding). The server's own hosts are those of the loopback, with
 * the port, and the one of ISSUER.
 *
 * Looks at `Host` and at a target in absolute form, as they were sent, whatever proxy is trusted. What is spelled in
 * another way than browsers spell it is not the server's own. Where it listens for others than this machine, every
 * host is: which names lead there is known to the proxy in front.
 */
export function ownHost (app: FastifyInstance, { host, issuer, issuerIsDefault }: Environment): (request: FastifyRequest) => boolean {
  const names = ['localhost', '127.0.0.1', '[::1]', host.includes(':') ? `[${host}]` : host.toLowerCase()]
  const { protocol, hostname, port } = new URL(issuer)
  const hostsOfIssuer = issuerIsDefault ? [] : hostsOf(hostname, port, protocol)

  // Names may lead anywhere, so what counts is the address that HOST became.
  let checked = true
  app.server.once('listening', () => {
    const address = app.server.address()
    checked = typeof address !== 'object' || address === null || isLoopback(address.address.replace(/^::ffff:/, ''))
  })

  return (request) => {
    if (!checked || isOwnRequest(request)) return true
    const { raw } = request
    const named = hostsNamedBy(raw)
    // PORT may be 0. The connection of a client that went away has no port any more.
    const { localPort } = raw.socket
    if (named === undefined || localPort === undefined) return false
    const own = [...hostsOfIssuer, ...names.flatMap((name) => hostsOf(name, String(localPort)))]
    return named.every((name) => own.includes(name.toLowerCase()))
  }
}

/** With the port, and without it where it goes without saying. `port` is empty where it is the usual one. */
function hostsOf (name: string, port: string, protocol = 'http:'): string[] {
  const usual = protocol === 'https:' ? '443' : '80'
  return port === '' || port === usual ? [name, `${name}:${usual}`] : [`${name}:${port}`]
}

/** Whom a request says that it is for, at least once. `undefined` where that is not clear. */
function hostsNamedBy ({ headersDistinct, url = '' }: IncomingMessage): string[] | undefined {
  const [host, ...others] = headersDistinct['host'] ?? []
  if (host === undefined || others.length > 0) return undefined
  if (/^[/*]/.test(url)) return [host]

  const target = /^https?:\/\/([^/?#]*)/i.exec(url)?.[1]
  return target === undefined ? undefined : [host, target]
}
