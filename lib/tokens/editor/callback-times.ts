import { type EditorSettings } from './options.ts'

/** Seconds that a token of the document server's may live. It makes them for 300. */
const MAX_LIFETIME = 600

/** What the times of a token come to. A problem is said in fixed words and in seconds, never in a value of the token's. */
export type JudgedTimes = { problem?: never, expiresAt: number } | { problem: string, isOver: boolean }

/**
 * Judges `iat` and `exp`, which are required, and `nbf`.
 *
 * A token that a host signs for a browser has no `iat` unless it is told to, and may live for longer.
 */
export function judgeTimes ({ iat, exp, nbf }: Readonly<Record<string, unknown>>, { now, clockTolerance }: Pick<EditorSettings, 'now' | 'clockTolerance'>): JudgedTimes {
  if (!isTime(iat) || !isTime(exp)) return broken('iat or exp is missing, or is not a number')
  if (nbf !== undefined && !isTime(nbf)) return broken('nbf is not a number')
  if (exp <= iat || exp - iat > MAX_LIFETIME) return broken(`it lives for ${Math.round(exp - iat)} seconds, and 1 to ${MAX_LIFETIME} are allowed`)

  const time = now() / 1000
  if (exp + clockTolerance <= time) return { problem: `it ended ${Math.ceil(time - exp)} seconds ago`, isOver: true }
  if (iat > time + clockTolerance) return broken(`it was made ${Math.ceil(iat - time)} seconds in the future: the clocks differ`)
  if (nbf !== undefined && nbf > time + clockTolerance) return broken(`it starts in ${Math.ceil(nbf - time)} seconds`)
  return { expiresAt: exp }
}

function broken (problem: string): JudgedTimes {
  return { problem, isOver: false }
}

function isTime (value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value)
}
