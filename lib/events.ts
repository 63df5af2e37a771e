/**
 * What happens in the flows, as events for audit logs and metrics, on `node:diagnostics_channel`.
 *
 * They carry ids, owners and subjects, never a token, a secret or a parameter. Nobody who listens costs nothing.
 *
 * @module
 */
import { channel, subscribe, unsubscribe } from 'node:diagnostics_channel'

/** The flows of the package. */
export type FlowName = 'session-issuance' | 'session-broker'

/** What every event says. Members of the others that are not known are absent. */
export interface EventBase {
  readonly flow: FlowName
  /** The `name` of the flow's instance. */
  readonly name: string
  /** When it happened, by the clock of the instance: milliseconds since the Unix epoch. */
  readonly time: number
}

/** Whose token it is. */
export interface TokenHolder {
  /** The id of the token: `jti`. */
  readonly id?: string | undefined
  readonly subject?: string | undefined
  /** The id of the credential that had it issued. */
  readonly credential?: string | undefined
  readonly owner?: string | undefined
}

/** The request that it happened on. */
export interface RequestOrigin {
  /** Fastify's `request.id`: what the log calls `reqId`. */
  readonly requestId: string
  /** Fastify's `request.ip`. */
  readonly address: string
  /** Method and path pattern of the route, such as `GET /documents/:id`. Never the path that was sent. */
  readonly route: string
}

/** A token was issued. */
export interface IssuedEvent extends EventBase, TokenHolder {
  readonly documents: ReadonlyArray<{ readonly id: string, readonly permissions: readonly string[] }>
  /** Seconds since the Unix epoch. */
  readonly expiresAt: number
}

/** A guard let a request pass. */
export interface VerifiedEvent extends EventBase, RequestOrigin, TokenHolder {
  /** What the guard asked for. */
  readonly permissions: readonly string[]
  /** The document that the request is about. Absent where the guard takes any. */
  readonly document?: string | undefined
}

/** A request to one of the routes, or a guarded one, was refused; or met an outage. */
export interface RefusedEvent extends EventBase, RequestOrigin, TokenHolder {
  readonly code: string
  /** The status of the answer. */
  readonly status: number
}

/** A token was ended early, or many: then `before` tells up to when they were issued. */
export interface RevokedEvent extends EventBase, TokenHolder {
  /** Milliseconds since the Unix epoch. */
  readonly before?: number | undefined
}

/** A request was one too many. */
export interface LimitedEvent extends EventBase, RequestOrigin {
  /** Which limit it met, by the name in `RateLimit-Policy`. */
  readonly policy: string
  readonly credential?: string | undefined
  readonly owner?: string | undefined
}

/** A credential failed too often from one address, and is refused from there for a while. */
export interface LockedEvent extends EventBase, RequestOrigin {
  /** The id that was presented. Whether there is such a credential was not looked up. */
  readonly credential: string
  /** When the lock ends, in milliseconds since the Unix epoch. */
  readonly until: number
}

/** A credential got a new secret, or a key ring another key that signs. Both may serve several flows. */
export interface RotatedEvent {
  readonly what: 'api-key' | 'signing-key'
  /** The id of the credential, or the `kid`. */
  readonly id: string
  readonly owner?: string | undefined
  /** Milliseconds since the Unix epoch. */
  readonly time: number
}

/** The events by name. The channel of `issued` is `fastify-doc-tokens:issued`, and so on. */
export interface DocTokensEvents {
  issued: IssuedEvent
  verified: VerifiedEvent
  refused: RefusedEvent
  revoked: RevokedEvent
  limited: LimitedEvent
  locked: LockedEvent
  rotated: RotatedEvent
}

export type EventName = keyof DocTokensEvents

/** All names of events. */
export const EVENT_NAMES = ['issued', 'verified', 'refused', 'revoked', 'limited', 'locked', 'rotated'] as const satisfies readonly EventName[]

const channels = {
  issued: channel('fastify-doc-tokens:issued'),
  verified: channel('fastify-doc-tokens:verified'),
  refused: channel('fastify-doc-tokens:refused'),
  revoked: channel('fastify-doc-tokens:revoked'),
  limited: channel('fastify-doc-tokens:limited'),
  locked: channel('fastify-doc-tokens:locked'),
  rotated: channel('fastify-doc-tokens:rotated')
}

/**
 * Calls `listener` at every event of this name in this process, of all flows and instances, at once and in step
 * with the request: do the slow part later. What it throws becomes an `uncaughtException`, as always with
 * `node:diagnostics_channel`. Events are frozen.
 *
 * @returns A function that ends it.
 */
export function onEvent<Name extends EventName> (name: Name, listener: (event: DocTokensEvents[Name]) => void): () => void {
  const { name: channelName } = channels[name]
  // Only `publish` below writes to the channel.
  const receive = (event: unknown): void => { listener(event as DocTokensEvents[Name]) }
  subscribe(channelName, receive)
  return () => { unsubscribe(channelName, receive) }
}

/** @internal Members that are `undefined` are left out. The event is made only when somebody listens. */
export function publish<Name extends EventName> (name: Name, event: () => DocTokensEvents[Name]): void {
  const target = channels[name]
  if (!target.hasSubscribers) return
  target.publish(Object.freeze(Object.fromEntries(Object.entries(event()).filter(([, value]) => value !== undefined))))
}
