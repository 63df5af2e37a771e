/** Starts `work` when it is its turn, and comes to what that comes to. */
export type Background = <Value>(work: () => Promise<Value>) => Promise<Value>

/**
 * At most `limit` of what it is given runs at a time; the others wait, and start in the order in which they came. What fails makes
 * room as well. Does not limit how many wait.
 */
export function createBackground (limit: number): Background {
  const waiting: Array<() => void> = []
  let running = 0

  return async (work) => {
    if (running < limit) running++
    else await new Promise<void>((resolve) => { waiting.push(resolve) })
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      // Whoever is next takes the place over, so that nobody who comes meanwhile is faster.
      if (next === undefined) running--
      else next()
    }
  }
}
