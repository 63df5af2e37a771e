// Never run. The assertion is that `npm run typecheck` compiles.
import { expectTypeOf } from 'expect-type'
import {
  type DocTokensEvents, EVENT_NAMES, type EventName, type FlowName, type IssuedEvent, type LimitedEvent, type LockedEvent, onEvent, type RefusedEvent, type RevokedEvent, type RotatedEvent, type VerifiedEvent
} from 'fastify-doc-tokens/events'

// ---- each event by its name ----
onEvent('issued', (event) => { expectTypeOf(event).toEqualTypeOf<IssuedEvent>() })
onEvent('verified', (event) => { expectTypeOf(event).toEqualTypeOf<VerifiedEvent>() })
onEvent('refused', (event) => { expectTypeOf(event).toEqualTypeOf<RefusedEvent>() })
onEvent('revoked', (event) => { expectTypeOf(event).toEqualTypeOf<RevokedEvent>() })
onEvent('limited', (event) => { expectTypeOf(event).toEqualTypeOf<LimitedEvent>() })
onEvent('locked', (event) => { expectTypeOf(event).toEqualTypeOf<LockedEvent>() })
onEvent('rotated', (event) => { expectTypeOf(event).toEqualTypeOf<RotatedEvent>() })
// @ts-expect-error there is no such event
onEvent('isued', () => {})
// @ts-expect-error a listener is needed
onEvent('issued')

expectTypeOf(onEvent('issued', () => {})).toEqualTypeOf<() => void>()
expectTypeOf(onEvent).not.toBeAny()
expectTypeOf<IssuedEvent>().not.toBeAny()

// ---- their members ----
onEvent('refused', ({ code, status, route, requestId, address, id, subject, credential, owner, flow, name, time }) => {
  expectTypeOf(code).toEqualTypeOf<string>()
  expectTypeOf(status).toEqualTypeOf<number>()
  for (const text of [route, requestId, address, name]) expectTypeOf(text).toEqualTypeOf<string>()
  for (const text of [id, subject, credential, owner]) expectTypeOf(text).toEqualTypeOf<string | undefined>()
  expectTypeOf(flow).toEqualTypeOf<FlowName>()
  expectTypeOf(time).toEqualTypeOf<number>()
})
onEvent('issued', (event) => {
  expectTypeOf(event.documents[0]?.permissions).toEqualTypeOf<readonly string[] | undefined>()
  expectTypeOf(event.expiresAt).toEqualTypeOf<number | undefined>()
  expectTypeOf(event.purpose).toEqualTypeOf<string | undefined>()
  if (event.flow === 'config-signing') expectTypeOf(event.subject).toEqualTypeOf<string | undefined>()
  // @ts-expect-error no event holds a token
  String(event.token)
  // @ts-expect-error an event without a request has no route
  String(event.route)
  // @ts-expect-error events are frozen
  event.subject = 'jane'
  // @ts-expect-error all the way down
  event.documents.push({ id: 'a', permissions: [] })
})
// @ts-expect-error rings and credentials serve several flows
onEvent('rotated', ({ flow }) => flow)

// ---- all of them ----
expectTypeOf<typeof EVENT_NAMES[number]>().toEqualTypeOf<EventName>()
expectTypeOf<EventName>().toEqualTypeOf<keyof DocTokensEvents>()
for (const name of EVENT_NAMES) {
  onEvent(name, (event) => {
    expectTypeOf(event).toEqualTypeOf<DocTokensEvents[EventName]>()
    expectTypeOf(event.time).toEqualTypeOf<number>()
  })
}
