/**
 * What the commands on a store have in common: options, and how their values are read.
 *
 * @module
 */
import { InvalidOptionError } from '../errors.ts'
import { type Limit } from '../limits/limit.ts'
import { type CliContext } from './context.ts'
import { readDuration } from './duration.ts'
import { printable } from './output.ts'

export const COMMON_OPTIONS = {
  'data-dir': { type: 'string' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false }
} as const

export interface CommonValues {
  'data-dir'?: string | undefined
  json: boolean
}

export const COMMON_HELP = `      --data-dir <folder>     the server's data folder; default is DATA_DIR, else ./data
      --json                  print one line of JSON
  -h, --help                  show this text
`

/** For the help of a group of commands. */
export const STORE_HELP = `The store is the one of a data folder (LMDB), or a Redis, which the environment names:
  REDIS_URL                   redis:// or rediss://user:password@host:port/db, as the server has it
  REDIS_URL_FILE              a file with it instead
  REDIS_PREFIX                what all keys in Redis start with; default is fastify-doc-tokens:
`

export const TIME_HELP = `A time is a number of seconds, or a number with s, m, h or d behind it: 90, 15m, 24h, 30d.
`

/** One command of a group. Resolves to the exit code; rejects when it fails. */
export type Command = (args: string[], context: CliContext) => Promise<number>

/** Runs a command of a group, or says which there are. */
export async function runGroup (group: string, help: string, commands: ReadonlyMap<string, Command>, [name, ...rest]: string[], context: CliContext): Promise<number> {
  const command = commands.get(name ?? '')
  if (command !== undefined) return await command(rest, context)
  if (name === '--help' || name === '-h') return show(help, context)

  context.stderr.write(name === undefined ? help : `fastify-doc-tokens: there is no command "${group} ${printable(name)}"; see fastify-doc-tokens ${group} --help\n`)
  return 2
}

export function show (help: string, { stdout }: CliContext): number {
  stdout.write(help)
  return 0
}

export function takeNone (positionals: string[]): void {
  if (positionals.length > 0) throw new InvalidOptionError('id', 'is not taken by this command')
}

/** @param name What to call it in an error, which does not repeat it: it may be a secret, given in its place. */
export function takeOne ([id, ...more]: string[], name = 'id'): string {
  if (id === undefined) throw new InvalidOptionError(name, 'must be given')
  if (more.length > 0) throw new InvalidOptionError(name, 'must be given once')
  return id
}

export function readRate (option: string, text: string | undefined): Limit | undefined {
  if (text === undefined) return undefined
  const [, max, time] = /^(\d{1,12})\/(\d{1,9}[smhd]?)$/.exec(text) ?? []
  const seconds = readDuration(option, time)
  if (seconds === undefined || seconds === 0 || Number(max) === 0) throw new InvalidOptionError(option, 'must be requests and a time, such as 100/1m')
  return { max: Number(max), timeWindow: seconds * 1000 }
}

/** When what lives for so long from now on ends, in seconds since the Unix epoch. */
export function readEnd (option: string, text: string | undefined, { now }: CliContext): number | undefined {
  const duration = readDuration(option, text)
  return duration === undefined ? undefined : Math.floor(now() / 1000) + duration
}
