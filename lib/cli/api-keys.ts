import { parseArgs } from 'node:util'
import { FLOWS, type Flow, isLive } from '../credentials/api-key.ts'
import { type ApiKey, type ApiKeyRegistry, type NewSecret, createApiKeyRegistry } from '../credentials/registry.ts'
import { InvalidOptionError } from '../errors.ts'
import { type Limit } from '../limits/limit.ts'
import { type CliContext } from './context.ts'
import { readDuration } from './duration.ts'
import { json, printable, table, time } from './output.ts'
import { withStore } from './store-folder.ts'

const HELP = `Usage: fastify-doc-tokens api-keys <command> [options]

An API key lets a program ask your server for tokens. It has an id, which is public, and a secret,
which is shown once and then kept as a digest only. A running server takes part in every change at once.

Commands:
  create          make a key
  list            show all keys
  rotate <id>     give a key a new secret
  disable <id>    refuse a key until it is enabled
  enable <id>     accept it again
  revoke <id>     delete a key for good

Each command has more help: fastify-doc-tokens api-keys create --help
`

const COMMON_HELP = `      --data-dir <folder>     the server's data folder; default is DATA_DIR, else ./data
      --json                  print one line of JSON
  -h, --help                  show this text
`

const CREATE_HELP = `Usage: fastify-doc-tokens api-keys create [options]

Makes an API key and shows its secret, once. Without limits the key may do everything.

Options:
      --label <text>          what the key is for
      --owner <text>          whose key it is
      --flow <name>           limit it to this flow: ${FLOWS.join(' or ')}; may be repeated
      --document <id>         limit it to this document; may be repeated
      --permission <name>     limit it to this permission; may be repeated
      --max-lifetime <time>   the longest life of a token that it asks for
      --rate-limit <rate>     how many requests it may make in what time, such as 100/1m;
                              default is what the server allows every key
      --expires-in <time>     when the secret ends; default is never
${COMMON_HELP}
A time is a number of seconds, or a number with s, m, h or d behind it: 90, 15m, 24h, 30d. The time of
a rate begins with the first request, and then anew.

Example: fastify-doc-tokens api-keys create --label "web shop" --flow session-issuance --permission read
`

const LIST_HELP = `Usage: fastify-doc-tokens api-keys list [options]

Shows all API keys, the oldest first. Their secrets cannot be shown: nobody has them but their holders.

Options:
${COMMON_HELP}`

const ROTATE_HELP = `Usage: fastify-doc-tokens api-keys rotate <id> [options]

Gives an API key a new secret, and shows it once. The secret before works on for a while, so that no request
fails until the new one is in place everywhere. Rotated again meanwhile, the oldest of the three ends at once.

Options:
      --overlap <time>        how long the secret before works on; default is 24h, 0 ends it at once
      --expires-in <time>     when the new secret ends; default is never
${COMMON_HELP}
A time is a number of seconds, or a number with s, m, h or d behind it: 90, 15m, 24h, 30d.
`

const DISABLE_HELP = `Usage: fastify-doc-tokens api-keys disable <id> [options]

Refuses an API key from its next request on, until it is enabled. Tokens that were issued to it live on.

Options:
${COMMON_HELP}`

const ENABLE_HELP = `Usage: fastify-doc-tokens api-keys enable <id> [options]

Accepts a disabled API key again.

Options:
${COMMON_HELP}`

const REVOKE_HELP = `Usage: fastify-doc-tokens api-keys revoke <id> [options]

Deletes an API key for good; disable is the one that can be undone. Tokens that were issued to it live on.

Options:
${COMMON_HELP}`

const COMMON_OPTIONS = {
  'data-dir': { type: 'string' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false }
} as const

interface CommonValues {
  'data-dir'?: string | undefined
  json: boolean
}

const COMMANDS = new Map([
  ['create', create],
  ['list', list],
  ['rotate', rotate],
  ['disable', disable],
  ['enable', enable],
  ['revoke', revoke]
])

/**
 * `fastify-doc-tokens api-keys …`. Resolves to the exit code; rejects when it fails.
 *
 * @internal
 */
export async function apiKeys (args: string[], context: CliContext): Promise<number> {
  const [name, ...rest] = args
  const command = COMMANDS.get(name ?? '')
  if (command !== undefined) return await command(rest, context)
  if (name === '--help' || name === '-h') return show(HELP, context)

  context.stderr.write(name === undefined ? HELP : `fastify-doc-tokens: there is no command "api-keys ${printable(name)}"; see fastify-doc-tokens api-keys --help\n`)
  return 2
}

async function create (args: string[], context: CliContext): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      ...COMMON_OPTIONS,
      label: { type: 'string' },
      owner: { type: 'string' },
      flow: { type: 'string', multiple: true },
      document: { type: 'string', multiple: true },
      permission: { type: 'string', multiple: true },
      'max-lifetime': { type: 'string' },
      'rate-limit': { type: 'string' },
      'expires-in': { type: 'string' }
    }
  })
  if (values.help) return show(CREATE_HELP, context)
  takeNone(positionals)

  const { label, owner, document: documents, permission: permissions } = values
  const flows = values.flow?.map(readFlow)
  const maxLifetime = readDuration('--max-lifetime', values['max-lifetime'])
  const rateLimit = readRate('--rate-limit', values['rate-limit'])
  const expiresAt = readEnd(values['expires-in'], context)
  return await withKeys(values, context, async (keys) => {
    const made = await keys.create({ label, owner, flows, documents, permissions, maxLifetime, rateLimit, expiresAt })
    if (values.json) return json(made)
    return withSecret(`API key ${made.record.id} is made. This is its secret; it is not shown again:`, made, 'Send it as "Authorization: Bearer <secret>".')
  }, { create: true })
}

async function list (args: string[], context: CliContext): Promise<number> {
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options: COMMON_OPTIONS })
  if (values.help) return show(LIST_HELP, context)
  takeNone(positionals)

  return await withKeys(values, context, async (keys) => {
    const found: ApiKey[] = []
    for await (const key of keys.list()) found.push(key)
    found.sort((one, other) => one.createdAt - other.createdAt || (one.id < other.id ? -1 : 1))

    if (values.json) return json(found)
    if (found.length === 0) return 'There is no API key yet: fastify-doc-tokens api-keys create\n'
    return table(['ID', 'STATE', 'CREATED', 'EXPIRES', 'LIMITS', 'OWNER', 'LABEL'], found.map((key) => describe(key, context)))
  })
}

async function rotate (args: string[], context: CliContext): Promise<number> {
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options: { ...COMMON_OPTIONS, overlap: { type: 'string' }, 'expires-in': { type: 'string' } } })
  if (values.help) return show(ROTATE_HELP, context)

  const id = takeId(positionals)
  const overlap = readDuration('--overlap', values.overlap)
  const expiresAt = readEnd(values['expires-in'], context)
  return await withKeys(values, context, async (keys) => {
    const made = await keys.rotate(id, { overlap, expiresAt })
    if (values.json) return json(made)
    const before = made.record.secrets.length > 1 ? made.record.secrets[0]?.expiresAt : undefined
    return withSecret(`API key ${id} has a new secret; it is not shown again:`, made, `The secret before ${before === undefined ? 'has ended' : `works until ${time(before)}`}.`)
  })
}

async function disable (args: string[], context: CliContext): Promise<number> {
  return await changeOne(args, context, DISABLE_HELP, async (keys, id) => ({ answer: await keys.disable(id), done: 'is disabled' }))
}

async function enable (args: string[], context: CliContext): Promise<number> {
  return await changeOne(args, context, ENABLE_HELP, async (keys, id) => ({ answer: await keys.enable(id), done: 'is enabled' }))
}

async function revoke (args: string[], context: CliContext): Promise<number> {
  return await changeOne(args, context, REVOKE_HELP, async (keys, id) => {
    await keys.revoke(id)
    return { answer: { id, revoked: true }, done: 'is deleted' }
  })
}

async function changeOne (args: string[], context: CliContext, help: string, change: (keys: ApiKeyRegistry, id: string) => Promise<{ answer: object, done: string }>): Promise<number> {
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options: COMMON_OPTIONS })
  if (values.help) return show(help, context)

  const id = takeId(positionals)
  return await withKeys(values, context, async (keys) => {
    const { answer, done } = await change(keys, id)
    return values.json ? json(answer) : `API key ${id} ${done}.\n`
  })
}

async function withKeys (values: CommonValues, context: CliContext, use: (keys: ApiKeyRegistry) => Promise<string>, { create = false } = {}): Promise<number> {
  return await withStore({ dataDir: values['data-dir'], create }, context, async (store) => {
    context.stdout.write(await use(createApiKeyRegistry({ store, now: context.now })))
  })
}

function show (help: string, { stdout }: CliContext): number {
  stdout.write(help)
  return 0
}

function takeNone (positionals: string[]): void {
  if (positionals.length > 0) throw new InvalidOptionError('id', 'is not taken by this command')
}

function takeId ([id, ...more]: string[]): string {
  if (id === undefined) throw new InvalidOptionError('id', 'must be given')
  if (more.length > 0) throw new InvalidOptionError('id', 'must be given once')
  return id
}

function readFlow (name: string): Flow {
  const flow = FLOWS.find((flow) => flow === name)
  if (flow === undefined) throw new InvalidOptionError('--flow', `must be ${FLOWS.join(' or ')}`)
  return flow
}

function readRate (option: string, text: string | undefined): Limit | undefined {
  if (text === undefined) return undefined
  const [, max, time] = /^(\d{1,12})\/(\d{1,9}[smhd]?)$/.exec(text) ?? []
  const seconds = readDuration(option, time)
  if (seconds === undefined || seconds === 0 || Number(max) === 0) throw new InvalidOptionError(option, 'must be requests and a time, such as 100/1m')
  return { max: Number(max), timeWindow: seconds * 1000 }
}

function readEnd (text: string | undefined, { now }: CliContext): number | undefined {
  const duration = readDuration('--expires-in', text)
  return duration === undefined ? undefined : Math.floor(now() / 1000) + duration
}

/** The secret stands alone on its line, so that it can be taken with a double or triple click. */
function withSecret (before: string, { secret }: NewSecret, after: string): string {
  return `${before}\n\n${secret}\n\n${after}\n`
}

function describe ({ id, disabled, createdAt, secrets, flows = [], documents, permissions = [], maxLifetime, rateLimit, owner = '-', label = '-' }: ApiKey, { now }: CliContext): string[] {
  const ends = secrets.at(-1)?.expiresAt
  const isExpired = !secrets.some((secret) => isLive(secret, now() / 1000))
  const limits = [
    ...flows,
    ...(documents === undefined ? [] : [documents.length === 1 ? '1 document' : `${documents.length} documents`]),
    ...permissions,
    ...(maxLifetime === undefined ? [] : [`${maxLifetime} s`]),
    ...(rateLimit === undefined ? [] : [`${rateLimit.max} per ${rateLimit.timeWindow / 1000} s`])
  ]
  return [
    id,
    disabled === true ? 'disabled' : isExpired ? 'expired' : 'active',
    time(createdAt),
    ends === undefined ? 'never' : time(ends),
    limits.join(', ') || '-',
    owner,
    label
  ]
}
