import { type FastifyRequest } from 'fastify'
import { type FlowName, type RequestOrigin } from '../../lib/events.ts'

/** An instance of a flow, as events and store keys tell it from others. */
export interface FlowInstance {
  readonly flow: FlowName
  readonly name: string
  /** Current time in milliseconds since the Unix epoch. */
  readonly now: () => number
}

/** What events say of a request: nothing that came with it but its address, and its id where the host takes that from a header. */
export function originOf (request: FastifyRequest): RequestOrigin {
  return { requestId: request.id, address: request.ip, route: `${request.method} ${request.routeOptions.url}` }
}
