import { type CliProcess } from './context.ts'

/**
 * `text` with everything that a terminal might obey, or that hides itself, as JSON escapes: control and
 * format characters, line separators, lone surrogates. In a JSON text the escapes mean what they replace.
 */
export function printable (text: string): string {
  return text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, escape)
}

/** One line for what is unwise, or wrong elsewhere. */
export function warn ({ stderr }: Pick<CliProcess, 'stderr'>, message: string): void {
  stderr.write(`fastify-doc-tokens: warning: ${printable(message)}\n`)
}

/** One line of JSON, safe for a terminal. */
export function json (value: unknown): string {
  return `${printable(JSON.stringify(value))}\n`
}

/** Rows under headings, each column as wide as it needs to be. */
export function table (headings: readonly string[], rows: ReadonlyArray<readonly string[]>): string {
  const lines = [headings, ...rows.map((row) => row.map(printable))]
  const widths = headings.map((_, column) => Math.max(...lines.map((line) => cell(line, column).length)))
  return lines.map((line) => `${widths.map((width, column) => cell(line, column).padEnd(width)).join('  ').trimEnd()}\n`).join('')
}

/** @param seconds Since the Unix epoch. */
export function time (seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace('.000Z', 'Z')
}

function cell (line: readonly string[], column: number): string {
  return String(line[column])
}

function escape (character: string): string {
  return character.split('').map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')
}
