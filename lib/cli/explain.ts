import { createSecretKey } from 'node:crypto'
import { parseArgs } from 'node:util'
import { InvalidOptionError } from '../errors.ts'
import { EXPLAIN_KINDS, type ExplainKind } from '../schemas/editor/explain.ts'
import { type Explanation, type ExplainProblem, explainToken } from '../tokens/editor/explain.ts'
import { type CliContext } from './context.ts'
import { readAll, readFile, readSecret, type Secret, withoutLineEnd } from './input.ts'
import { json, printable } from './output.ts'

const HELP = `Usage: fastify-doc-tokens explain [options] [file]

Tells what a document server (ONLYOFFICE Docs) makes of a token, and why: all that is wrong with it, what is
unwise, and what is good to know. The token is read from the file, or from standard input where there is none or
where it is "-". Neither the token nor a secret is ever printed.

Options:
      --config <file>         what the browser sends the token with, as JSON: then the two are compared
      --kind <kind>           what the token is for; default is config. One of
${listKinds()}
      --json                  print one line of JSON
  -h, --help                  show this text

The secret comes from the environment, never from the command line, which everybody on the machine can read:
  EDITOR_SECRET               the document server's inbox secret
  EDITOR_OUTBOX_SECRET        its outbox secret, which signs callbacks and downloads; default is EDITOR_SECRET
  EDITOR_SECRET_FILE, EDITOR_OUTBOX_SECRET_FILE name files with them instead.

The exit code is 0 when the token is accepted, 1 when it is refused, 2 when the command line, the environment or a
file is wrong.

Example: fastify-doc-tokens explain --config config.json token.txt
`

const OPTIONS = {
  config: { type: 'string' },
  kind: { type: 'string', default: 'config' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false }
} as const

/** What may have been meant by a file that cannot be read. */
const TOKEN_HINT = 'it is the name of a file, and the token itself goes to standard input'

/** Seconds. The document server's own. */
const CLOCK_TOLERANCE = 60

/**
 * `fastify-doc-tokens explain …`. Resolves to the exit code; rejects with {@link InvalidOptionError} alone, so that no
 * failure looks like a refused token.
 *
 * @internal
 */
export async function explain (args: string[], context: CliContext): Promise<number> {
  if (args.some((arg) => /^--?[\w-]*secret/i.test(arg))) throw new InvalidOptionError('--secret', 'is not taken, because everybody on the machine can read a command line; set EDITOR_SECRET or EDITOR_SECRET_FILE')
  const { values, positionals: [file, ...more] } = parseArgs({ args, allowPositionals: true, options: OPTIONS })
  if (values.help) {
    context.stdout.write(HELP)
    return 0
  }
  if (more.length > 0) throw new InvalidOptionError('file', 'must be given once')

  const kind = readKind(values.kind)
  // Without a check of their strength: they are the secrets that there are. Servers are often tried out with weak ones.
  const inbox = await readSecret('EDITOR_SECRET', context)
  if (inbox === undefined) throw new InvalidOptionError('EDITOR_SECRET', 'must be set, or EDITOR_SECRET_FILE')
  const outbox = await readSecret('EDITOR_OUTBOX_SECRET', context) ?? inbox
  const config = values.config === undefined ? undefined : readConfig(await readFile('--config', values.config))
  const token = await readToken(file, context)

  const explanation = explainToken({ token, config, kind }, {
    secrets: { inbox: [toKey(inbox)], outbox: [toKey(outbox)] },
    now: context.now(),
    clockTolerance: CLOCK_TOLERANCE,
    headerPrefix: 'Bearer ',
    // Whoever has the environment has the secrets.
    namesSecret: true
  })
  const whole = { ...explanation, problems: [...explanation.problems, ...[inbox, outbox].filter((secret, index, all) => all.indexOf(secret) === index).flatMap(explainSecret)] }
  context.stdout.write(values.json ? json(whole) : describe(whole))
  return whole.accepted ? 0 : 1
}

/** As for people: what is wrong, and below it what to do. */
function describe ({ reason, problems }: Explanation): string {
  const lines = problems.map(({ level, problem, fix }) => `\n${level.padEnd(7)}  ${printable(problem)}\n         ${printable(fix)}\n`)
  return [`${printable(reason)}\n`, ...lines].join('')
}

function listKinds (): string {
  const indent = ' '.repeat(30)
  const perRow = Math.ceil(EXPLAIN_KINDS.length / 4)
  return [0, 1, 2, 3].map((row) => `${indent}${EXPLAIN_KINDS.slice(row * perRow, (row + 1) * perRow).join(' ')}`).join('\n')
}

function readKind (text: string): ExplainKind {
  const kind = EXPLAIN_KINDS.find((kind) => kind === text)
  if (kind === undefined) throw new InvalidOptionError('--kind', `must be one of ${EXPLAIN_KINDS.join(', ')}`)
  return kind
}

function toKey ({ text }: Secret): ReturnType<typeof createSecretKey> {
  return createSecretKey(text, 'utf8')
}

function explainSecret ({ variable, text }: Secret): ExplainProblem[] {
  const around = text.trim() !== text ? 'white space' : /^(["'`]).*\1$/s.test(text) ? 'quotes' : undefined
  if (around === undefined) return []
  return [{ path: 'secret', problem: `${variable} has ${around} around the secret, which counts as a part of it`, fix: 'Remove it, unless the document server has it too.', level: 'warning' }]
}

function readConfig (text: string): object {
  let config: unknown
  try {
    config = JSON.parse(text)
  } catch {
    // The engine's own message quotes the text.
    throw new InvalidOptionError('--config', 'must name a file with JSON in it')
  }
  if (typeof config !== 'object' || config === null || Array.isArray(config)) throw new InvalidOptionError('--config', 'must name a file with a JSON object in it')
  return config
}

async function readToken (file: string | undefined, { stdin, stderr }: CliContext): Promise<string> {
  if (file !== undefined && file !== '-') return withoutLineEnd(await readFile('file', file, TOKEN_HINT))
  if (stdin?.isTTY === true) stderr.write('Paste the token, and end with Enter and Ctrl-D:\n')
  return withoutLineEnd(await readAll('file', () => stdin ?? [], TOKEN_HINT))
}
