/**
 * Commands that API keys and OAuth clients have in common.
 *
 * @module
 */
import { parseArgs } from 'node:util'
import { type CredentialSecret, isLive } from '../credentials/kept-secret.ts'
import { type RotateOptions } from '../credentials/stored-credentials.ts'
import { type TokenStore } from '../stores/token-store.ts'
import { type Command, COMMON_OPTIONS, type CommonValues, readEnd, show, takeNone, takeOne } from './arguments.ts'
import { type CliContext } from './context.ts'
import { readDuration } from './duration.ts'
import { json, table, time } from './output.ts'
import { withStore } from './store-folder.ts'

/** What a registry shows of a credential of any kind. */
interface Shown {
  readonly id: string
  readonly owner?: string
  readonly label?: string
  readonly disabled?: boolean
  readonly createdAt: number
  readonly secrets: ReadonlyArray<Omit<CredentialSecret, 'digest'>>
}

/** What a registry of any kind does. */
interface Registry<Item extends Shown> {
  list (): AsyncIterable<Item>
  rotate (id: string, options: RotateOptions): Promise<{ record: Item, secret: string }>
  disable (id: string): Promise<Item>
  enable (id: string): Promise<Item>
  revoke (id: string): Promise<void>
}

/** What is special about a kind of credentials. */
export interface CredentialKind<Item extends Shown, Kept extends Registry<Item>> {
  /** At the beginning of a sentence, such as `API key`. */
  readonly title: string
  /** Where none is there yet. */
  readonly empty: string
  /** What a command that deletes one says in JSON, beside its id. */
  readonly removed: string
  open (store: TokenStore, context: CliContext): Kept
  /** What it may do, in short. */
  limits (item: Item): string[]
  /** Whether it can be used without a secret. */
  hasKeys (item: Item): boolean
}

/** Opens the registry for as long as `use` takes, and prints what it resolves to. */
export async function withRegistry<Item extends Shown, Kept extends Registry<Item>> (kind: CredentialKind<Item, Kept>, values: CommonValues, context: CliContext, use: (registry: Kept) => Promise<string>, { create = false } = {}): Promise<number> {
  return await withStore({ dataDir: values['data-dir'], create }, context, async ({ store }) => {
    context.stdout.write(await use(kind.open(store, context)))
    return 0
  })
}

export function listCommand<Item extends Shown> (kind: CredentialKind<Item, Registry<Item>>, help: string): Command {
  return async (args, context) => {
    const { values, positionals } = parseArgs({ args, allowPositionals: true, options: COMMON_OPTIONS })
    if (values.help) return show(help, context)
    takeNone(positionals)

    return await withRegistry(kind, values, context, async (registry) => {
      const found: Item[] = []
      for await (const item of registry.list()) found.push(item)
      found.sort((one, other) => one.createdAt - other.createdAt || (one.id < other.id ? -1 : 1))

      if (values.json) return json(found)
      if (found.length === 0) return kind.empty
      return table(['ID', 'STATE', 'CREATED', 'EXPIRES', 'LIMITS', 'OWNER', 'LABEL'], found.map((item) => describe(kind, item, context)))
    })
  }
}

export function rotateCommand<Item extends Shown> (kind: CredentialKind<Item, Registry<Item>>, help: string): Command {
  return async (args, context) => {
    const { values, positionals } = parseArgs({ args, allowPositionals: true, options: { ...COMMON_OPTIONS, overlap: { type: 'string' }, 'expires-in': { type: 'string' } } })
    if (values.help) return show(help, context)

    const id = takeOne(positionals)
    const overlap = readDuration('--overlap', values.overlap)
    const expiresAt = readEnd('--expires-in', values['expires-in'], context)
    return await withRegistry(kind, values, context, async (registry) => {
      const made = await registry.rotate(id, { overlap, expiresAt })
      if (values.json) return json(made)
      const before = made.record.secrets.length > 1 ? made.record.secrets[0]?.expiresAt : undefined
      return withSecret(`${kind.title} ${id} has a new secret; it is not shown again:`, made.secret, `The secret before ${before === undefined ? 'has ended' : `works until ${time(before)}`}.`)
    })
  }
}

export function disableCommand<Item extends Shown> (kind: CredentialKind<Item, Registry<Item>>, help: string): Command {
  return changeCommand(kind, help, async (registry, id) => ({ answer: await registry.disable(id), done: 'is disabled' }))
}

export function enableCommand<Item extends Shown> (kind: CredentialKind<Item, Registry<Item>>, help: string): Command {
  return changeCommand(kind, help, async (registry, id) => ({ answer: await registry.enable(id), done: 'is enabled' }))
}

export function removeCommand<Item extends Shown> (kind: CredentialKind<Item, Registry<Item>>, help: string): Command {
  return changeCommand(kind, help, async (registry, id) => {
    await registry.revoke(id)
    return { answer: { id, [kind.removed]: true }, done: 'is deleted' }
  })
}

/** The secret stands alone on its line, so that it can be taken with a double or triple click. */
export function withSecret (before: string, secret: string, after: string): string {
  return `${before}\n\n${secret}\n\n${after}\n`
}

function changeCommand<Item extends Shown> (kind: CredentialKind<Item, Registry<Item>>, help: string, change: (registry: Registry<Item>, id: string) => Promise<{ answer: object, done: string }>): Command {
  return async (args, context) => {
    const { values, positionals } = parseArgs({ args, allowPositionals: true, options: COMMON_OPTIONS })
    if (values.help) return show(help, context)

    const id = takeOne(positionals)
    return await withRegistry(kind, values, context, async (registry) => {
      const { answer, done } = await change(registry, id)
      return values.json ? json(answer) : `${kind.title} ${id} ${done}.\n`
    })
  }
}

function describe<Item extends Shown> (kind: CredentialKind<Item, Registry<Item>>, item: Item, { now }: CliContext): string[] {
  const { id, disabled, createdAt, secrets, owner = '-', label = '-' } = item
  const ends = secrets.at(-1)?.expiresAt
  const isExpired = !kind.hasKeys(item) && !secrets.some((secret) => isLive(secret, now() / 1000))
  return [
    id,
    disabled === true ? 'disabled' : isExpired ? 'expired' : 'active',
    time(createdAt),
    ends === undefined ? 'never' : time(ends),
    kind.limits(item).join(', ') || '-',
    owner,
    label
  ]
}
