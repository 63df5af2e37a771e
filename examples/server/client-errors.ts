import { STATUS_CODES } from 'node:http'
import { type Socket } from 'node:net'
import { type ConnectionError, type FastifyReply, type FastifyRequest } from 'fastify'
import { headersForOrigin } from './cross-origin.ts'

/** By the code of Node.js. Whatever else is wrong is a bad request. */
const STATUSES: Readonly<Record<string, number>> = { ERR_HTTP_REQUEST_TIMEOUT: 408, HPE_HEADER_OVERFLOW: 431 }

export interface ClientErrors {
  /** Must be called for every request, before anything else hooks into it. */
  follow (request: FastifyRequest, reply: FastifyReply): void
  /**
   * Answers what came too late or is no HTTP, where HTTP allows an answer, and ends the connection. Nothing of what
   * was sent is in the answer or in the log.
   */
  answer (error: ConnectionError, socket: Socket): void
}

export function clientErrors (corsOrigins: readonly string[]): ClientErrors {
  const latest = new WeakMap<Socket, FastifyReply>()

  return {
    follow: ({ raw }, reply) => { latest.set(raw.socket, reply) },
    answer: ({ code }, socket) => {
      const reply = latest.get(socket)
      const hasBrokenBody = reply?.request.raw.complete === false
      // Answers come in the order of the requests, one for each. Where it is the body that broke, the socket is given
      // to the answer when those before are out; where it is what follows a request, that one's must be out.
      const isNext = hasBrokenBody ? reply.raw.socket === socket && !reply.raw.headersSent : reply?.raw.writableFinished !== false
      if (!isNext || !socket.writable) {
        socket.destroy()
        return
      }
      const statusCode = STATUSES[code] ?? 400
      const error = STATUS_CODES[statusCode]
      const body = JSON.stringify({ statusCode, code, error, message: error })
      const headers = {
        'content-type': 'application/json; charset=utf-8',
        'content-length': body.length,
        connection: 'close',
        ...(hasBrokenBody && headersForOrigin(reply.request.headers.origin, corsOrigins))
      }
      const lines = [`HTTP/1.1 ${statusCode} ${error}`, ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`)]
      socket.write(`${lines.join('\r\n')}\r\n\r\n${body}`)
      socket.destroySoon()
    }
  }
}
