import { type Test } from 'tap'
import { type DocTokensEvents, EVENT_NAMES, type EventName, onEvent } from '../../lib/events.ts'

/** An event with its name in front. */
export type RecordedEvent = readonly [EventName, DocTokensEvents[EventName]]

/** Listens to all events until the test is over, and returns those that came since it was last asked, in their order. */
export function recordEvents (t: Test): () => RecordedEvent[] {
  const recorded: RecordedEvent[] = []
  for (const name of EVENT_NAMES) t.teardown(onEvent(name, (event) => { recorded.push([name, event]) }))
  return () => recorded.splice(0)
}
