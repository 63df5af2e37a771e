/**
 * A clock that never goes back, made of some that might: of each two readings the longest time counts that any of them
 * tells. A wall clock that is set back adds nothing, and a clock that stood still while the machine slept does not hide
 * that time. One set forward ends tokens early, which costs a request.
 *
 * @param clocks Each tells milliseconds, since whenever.
 *
 * @returns Milliseconds since the first reading.
 *
 * @internal
 */
export function createSteadyClock (clocks: ReadonlyArray<() => number>): () => number {
  let readings = clocks.map((read) => ({ read, last: read() }))
  let time = 0
  return () => {
    const latest = readings.map(({ read, last }) => ({ read, last: read(), before: last }))
    time += Math.max(0, ...latest.map(({ last, before }) => last - before))
    readings = latest
    return time
  }
}
