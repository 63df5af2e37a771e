/** How late this process itself is: what it measures of others holds that too. */

const INTERVAL = 10

export interface LagMeter {
  /** Milliseconds that the event loop was late since a time of `performance.now()`, all together. */
  since (start: number): number
  stop (): void
}

export function startLagMeter (): LagMeter {
  const late: Array<{ at: number, by: number }> = []
  let last = performance.now()
  const timer = setInterval(() => {
    const at = performance.now()
    const by = at - last - INTERVAL
    if (by > INTERVAL) late.push({ at, by })
    last = at
  }, INTERVAL)
  return {
    since: (start) => late.reduce((sum, { at, by }) => at > start ? sum + Math.min(by, at - start) : sum, Math.max(0, performance.now() - last - INTERVAL)),
    stop: () => clearInterval(timer)
  }
}
