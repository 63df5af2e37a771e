import { createRequire } from 'node:module'
import { InvalidOptionError } from '../errors.ts'
import { apiKeys } from './api-keys.ts'
import { clients } from './clients.ts'
import { type CliContext, type CliParts, type CliProcess } from './context.ts'
import { explain } from './explain.ts'
import { keys } from './keys.ts'
import { printable } from './output.ts'
import { openDriver } from './store-folder.ts'

const HELP = `fastify-doc-tokens looks after the API keys, OAuth clients and signing keys of a server that uses the
package of this name, and explains what a document server makes of an editor's token.

Usage: fastify-doc-tokens <command> [options]

Commands:
  api-keys create         make an API key and show its secret, once
  api-keys list           show all API keys, never their secrets
  api-keys rotate         give a key a new secret; the old one works for a while
  api-keys disable        refuse a key until further notice
  api-keys enable         accept it again
  api-keys revoke         delete a key for good
  clients create          make an OAuth client and show its secret, once
  clients list            show all clients, never their secrets
  clients rotate-secret   give a client a new secret; the old one works for a while
  clients disable         refuse a client until further notice
  clients enable          accept it again
  clients remove          delete a client for good
  keys generate           make the first key that a server signs tokens with
  keys list               show which keys sign and verify, never their private halves
  keys rotate             make the next key; tokens of the old one stay good
  keys remove             refuse all tokens of a key from now on
  explain                 tell whether an editor's token is accepted, and why not

Options:
  -h, --help              show this text, or with a command the help of that command
      --version           show the version

Start here: fastify-doc-tokens api-keys create --label "my first key"
`

const COMMANDS = new Map([['api-keys', apiKeys], ['clients', clients], ['keys', keys], ['explain', explain]])

/**
 * Runs one command line.
 *
 * @param args What follows the name of the program.
 *
 * @returns The exit code: 0 when it is done, 1 when it failed (one line on `stderr` says why), 2 when the
 * command line is wrong. Of `explain`, 1 says that the token is refused. Never rejects.
 */
export async function run (args: readonly string[], host: CliProcess, { openStore = openDriver, now = Date.now }: Partial<CliParts> = {}): Promise<number> {
  const { env, stdout, stderr } = host
  const [name, ...rest] = args
  const command = COMMANDS.get(name ?? '')
  try {
    // Looking at a process's standard input opens it.
    const context: CliContext = { env, stdout, stderr, get stdin () { return host.stdin }, openStore, now }
    if (command !== undefined) return await command(rest, context)
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
  stderr.write(`fastify-doc-tokens: ${printable(tellWhy(error))}${isUsage ? '; --help tells more' : ''}\n`)
  return isUsage ? 2 : 1
}

/** The message, and the one of the cause: "The token store is unavailable" alone helps nobody at a terminal. */
function tellWhy (error: unknown): string {
  if (!(error instanceof Error)) return 'it failed for an unknown reason'
  return error.cause === undefined ? error.message : `${error.message}: ${tellWhy(error.cause)}`
}

function codeOf (error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}

// By its own name, because the sources and the built files lie at different depths below package.json.
function version (): string {
  const { version }: { version: string } = createRequire(import.meta.url)('fastify-doc-tokens/package.json')
  return version
}
