import { channel, type Channel } from 'node:diagnostics_channel'
import { type DocTokensEvents, type EventName } from './events.ts'

const channels: Readonly<Record<EventName, Channel>> = {
  issued: channel('fastify-doc-tokens:issued'),
  verified: channel('fastify-doc-tokens:verified'),
  refused: channel('fastify-doc-tokens:refused'),
  revoked: channel('fastify-doc-tokens:revoked'),
  limited: channel('fastify-doc-tokens:limited'),
  locked: channel('fastify-doc-tokens:locked'),
  rotated: channel('fastify-doc-tokens:rotated')
}

/** Tells an event. Members that are `undefined` are left out. The event is made only when somebody listens. */
export function publish<Name extends EventName> (name: Name, event: () => DocTokensEvents[Name]): void {
  const target = channels[name]
  if (target.hasSubscribers) target.publish(frozenCopy(event()))
}

/** What the publisher goes on with, such as the permissions that a guard asks for, must not be in a listener's hands. */
function frozenCopy (value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return Object.freeze(value.map(frozenCopy))
  const members = Object.entries(value).filter(([, member]) => member !== undefined)
  return Object.freeze(Object.fromEntries(members.map(([name, member]) => [name, frozenCopy(member)])))
}
