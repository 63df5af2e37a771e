/** Seconds. Longer is read as this: one wrong header must not end the service of a process. */
const MAX_RETRY_AFTER = 86_400

/** RFC 9110, section 5.6.7. A parser of dates alone takes much more, such as `-5`. */
const HTTP_DATE = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? [\w -]{7,12}\d\d:\d\d:\d\d (?:GMT|\d{4})$/

/**
 * How long a server wants to be left alone, in whole seconds, at most a day; `undefined` where it does not say so.
 *
 * A date is compared with the server's own `Date`, and where that is missing with `now`. One that has passed is 0.
 *
 * @param headers Untrusted.
 * @param now Milliseconds since the Unix epoch.
 *
 * @see [RFC 9110, section 10.2.3](https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3)
 *
 * @internal
 */
export function readRetryAfter (headers: Headers, now: () => number): number | undefined {
  const value = headers.get('retry-after')
  if (value === null) return undefined
  const seconds = /^\d+$/.test(value) ? Number(value) : secondsUntil(value, () => parseDate(headers.get('date')) ?? now())
  return seconds === undefined ? undefined : Math.min(seconds, MAX_RETRY_AFTER)
}

function secondsUntil (date: string, start: () => number): number | undefined {
  const end = parseDate(date)
  return end === undefined ? undefined : Math.max(0, Math.ceil((end - start()) / 1000))
}

/** Milliseconds since the Unix epoch. The oldest of the three forms names no zone. */
function parseDate (text: string | null): number | undefined {
  if (text === null || !HTTP_DATE.test(text)) return undefined
  const time = Date.parse(text.endsWith(' GMT') ? text : `${text} GMT`)
  return Number.isNaN(time) ? undefined : time
}
