import { createRequire } from 'node:module'
import { InvalidOptionError } from '../errors.ts'
import { apiKeys } from './api-keys.ts'
import { type CliParts, type CliProcess } from './context.ts'
import { printable } from './output.ts'
import { openLmdb } from './store-folder.ts'

const HELP = `fastify-doc-tokens looks after the API keys of a server that uses the package of this name.

Usage: fastify-doc-tokens <command> [options]

Commands:
  api-keys create     make an API key and show its secret, once
  api-keys list       show all API keys, never their secrets
  api-keys rotate     give a key a new secret; the old one works for a while
  api-keys disable    refuse a key until further notice
  api-keys enable     accept it again
  api-keys revoke     delete a key for good

Options:
  -h, --help          show this text, or with a command the help of that command
      --version       show the version

Start here: fastify-doc-tokens api-keys create --label "my first key"
`

const COMMANDS = new Map([['api-keys', apiKeys]])

/**
 * Runs one command line.
 *
 * @param args What follows the name of the program.
 *
 * @returns The exit code: 0 when it is done, 1 when it failed (one line on `stderr` says why), 2 when the
 * command line is wrong. Never rejects.
 */
export async function run (args: readonly string[], { env, stdout, stderr }: CliProcess, { openStore = openLmdb, now = Date.now }: Partial<CliParts> = {}): Promise<number> {
  const [name, ...rest] = args
  const command = COMMANDS.get(name ?? '')
  try {
    if (command !== undefined) return await command(rest, { env, stdout, stderr, openStore, now })
  } catch (error) {
    return fail(error, stderr)
  }

  if (name === '--help' || name === '-h') {
    stdout.write(HELP)
    return 0
  }
  if (name === '--version') {
    stdout.write(`${version()}\n`)
    return 0
  }
  stderr.write(name === undefined ? HELP : `fastify-doc-tokens: there is no command "${printable(name)}"; see fastify-doc-tokens --help\n`)
  return 2
}

function fail (error: unknown, stderr: CliProcess['stderr']): number {
  const isUsage = error instanceof InvalidOptionError || codeOf(error).startsWith('ERR_PARSE_ARGS_')
  stderr.write(`fastify-doc-tokens: ${printable(explain(error))}${isUsage ? '; --help tells more' : ''}\n`)
  return isUsage ? 2 : 1
}

/** The message, and the one of the cause: "The token store is unavailable" alone helps nobody at a terminal. */
function explain (error: unknown): string {
  if (!(error instanceof Error)) return 'it failed for an unknown reason'
  return error.cause === undefined ? error.message : `${error.message}: ${explain(error.cause)}`
}

function codeOf (error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}

// By its own name, because the sources and the built files lie at different depths below package.json.
function version (): string {
  const { version }: { version: string } = createRequire(import.meta.url)('fastify-doc-tokens/package.json')
  return version
}
