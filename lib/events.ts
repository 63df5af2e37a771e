/**
 * What happens in the flows, as events for audit logs and metrics, on `node:diagnostics_channel`.
 *
 * They carry ids, owners, subjects and addresses, never a token, a secret or what else a request held. Each is told
 * in the process where it happens and in no other: a key that a command rotates is no event of the server beside it.
 * An event that nobody listens for is not made.
 *
 * @module
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { InvalidOptionError } from './errors.ts'

/** The flows of the package. */
export type FlowName = 'session-issuance' | 'session-broker' | 'config-signing' | 'opaque-tokens' | 'client-credentials'

/** What every event of a flow says. In all events, a member that is not known is absent. */
export interface EventBase {
  readonly flow: FlowName
  /** The `name` of the flow's instance. */
  readonly name: string
  /** When it happened, by the instance's own clock (`now`): milliseconds since the Unix epoch. */
  readonly time: number
}

/** Whose token it is. */
export interface TokenHolder {
  /** The id of the token: `jti`, or the accessor of an opaque token. */
  readonly id?: string | undefined
  readonly subject?: string | undefined
  /** The id of the credential that had it issued. */
  readonly credential?: string | undefined
  /** Whose credential that is. */
  readonly owner?: string | undefined
}

/** The request that it happened on. What the host does in code has none. */
export interface RequestOrigin {
  /** Fastify's `request.id`: what the log calls `reqId`. */
  readonly requestId: string
  /** Fastify's `request.ip`: what a proxy says where the host trusts it. */
  readonly address: string
  /** Method and path pattern of the route, such as `GET /documents/:id`. Never the path that was sent. */
  readonly route: string
}

/** A token was issued, by a route or in code; told before it is handed out. One for a Document Engine or of a remote service has no `id`. */
export interface IssuedEvent extends EventBase, TokenHolder {
  /** What it opens, and how far. Empty for an editor's token: who knows the key of a document opens it, so events do not tell. Empty for an opaque one: its parameters are confidential. Empty for an access token. */
  readonly documents: ReadonlyArray<{ readonly id: string, readonly permissions: readonly string[] }>
  /** What an access token is good for. */
  readonly scopes?: readonly string[] | undefined
  /** When it ends, in seconds since the Unix epoch. Absent where it has no end. */
  readonly expiresAt?: number | undefined
  /** What an editor's token is for: `config`, the name of a method, or that of a service. */
  readonly purpose?: string | undefined
}

/** A guard let a request pass, or `/verify` took an opaque token; two guards on a route tell it twice. What is then answered is not known here. `verify` in code tells nothing. */
export interface VerifiedEvent extends EventBase, RequestOrigin, TokenHolder {
  /** What the guard asked for: permissions, or scopes of an access token. Empty for an opaque token. */
  readonly permissions: readonly string[]
  /** The document that the request is about. Absent where the guard takes any. */
  readonly document?: string | undefined
}

/**
 * A request to a route of the flow was refused, or a guard refused one to the host's; or either met an outage (5xx).
 * One for each refusal, whatever the reason, 429 among them: who counts these counts all.
 *
 * Names the holder of a token only when its signature was right, and the credential only when its secret was.
 */
export interface RefusedEvent extends EventBase, RequestOrigin, TokenHolder {
  /** The `code` of the error: `FDT_…`, or `FST_…` of Fastify's. */
  readonly code: string
  /** The status that goes with the code. A host's `onRefused` may have answered with another one. */
  readonly status: number
}

/**
 * A token was ended early: `id`. Or many, of whomever the other members name: then `before` is there. Comes at each
 * call that did not fail, so again for a token that was ended or over already.
 */
export interface RevokedEvent extends EventBase, TokenHolder {
  /** All that were issued then or earlier, in milliseconds since the Unix epoch. */
  readonly before?: number | undefined
}

/** A request was one too many. Tells which limit it met; that it was refused is told by `refused`, which comes next. */
export interface LimitedEvent extends EventBase, RequestOrigin {
  /** As `RateLimit-Policy` calls it: `address`, `network`, `credential` or `user`. */
  readonly policy: string
  /** The id of the credential that called, where it was looked at before. */
  readonly credential?: string | undefined
  readonly owner?: string | undefined
}

/**
 * A credential failed too often from one address, and is refused from there for a while. Comes once for each lock, before
 * the `refused` of the failure that brought it about; those that meet the lock are `refused` with `FDT_LOCKED`.
 */
export interface LockedEvent extends EventBase, RequestOrigin {
  /**
   * The id that was presented, by anybody. Of an API key it is public, and whether there is such a key was not looked up. Of a client
   * it is `?` unless there is one: who mixes up id and secret presents a secret.
   */
  readonly credential: string
  /** When the lock ends, in milliseconds since the Unix epoch. */
  readonly until: number
}

/**
 * A credential got a new secret, or a key ring another key to sign with: one that is kept in the store when it is made,
 * some seconds before it signs. Belongs to no flow, since both may serve several.
 */
export interface RotatedEvent {
  readonly what: 'api-key' | 'client' | 'signing-key'
  /** The id of the credential, or the `kid`. */
  readonly id: string
  /** Whose credential it is. */
  readonly owner?: string | undefined
  /** When it happened, by the clock of the registry or the ring: milliseconds since the Unix epoch. */
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

/** The name of an event. */
export type EventName = keyof DocTokensEvents

/** All names of events. */
export const EVENT_NAMES = Object.freeze(['issued', 'verified', 'refused', 'revoked', 'limited', 'locked', 'rotated'] as const satisfies readonly EventName[])

/**
 * Calls `listener` at every event of this name: of all flows, instances, apps and copies of the package in this process.
 *
 * It is called at once, in step with the request and before its answer: do the slow part later. It cannot change or
 * stop anything, and events are frozen all the way down. What it throws reaches neither the request nor other listeners;
 * it becomes an `uncaughtException`, which ends the process unless the host says otherwise.
 *
 * ```ts
 * onEvent('refused', ({ code, route, address }) => { console.warn(`${route} refused ${address}: ${code}`) })
 * ```
 *
 * @returns A function that ends it. Calling it again does nothing.
 *
 * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500) for another name, or a listener that is no function.
 */
export function onEvent<Name extends EventName> (name: Name, listener: (event: DocTokensEvents[Name]) => void): () => void {
  if (!EVENT_NAMES.includes(name)) throw new InvalidOptionError('name', `must be one of ${EVENT_NAMES.join(', ')}`)
  if (typeof listener !== 'function') throw new InvalidOptionError('listener', 'must be a function')

  const channelName = `fastify-doc-tokens:${name}`
  // Only `publish` of this package writes to the channel.
  const receive = (event: unknown): void => { listener(event as DocTokensEvents[Name]) }
  subscribe(channelName, receive)
  return () => { unsubscribe(channelName, receive) }
}
