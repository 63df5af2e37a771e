import { InvalidOptionError } from '../errors.ts'

const SECONDS = new Map([['', 1], ['s', 1], ['m', 60], ['h', 3600], ['d', 86_400]])

/**
 * Reads `90`, `90s`, `15m`, `24h` or `30d`.
 *
 * @returns Seconds; `undefined` for `undefined`.
 *
 * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500), naming `option`, for anything else.
 */
export function readDuration (option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined

  const [, digits, unit = ''] = /^(\d{1,9})([smhd]?)$/.exec(text) ?? []
  const seconds = SECONDS.get(unit)
  if (digits === undefined || seconds === undefined) throw new InvalidOptionError(option, 'must be seconds, or a number with s, m, h or d behind it')
  return Number(digits) * seconds
}
