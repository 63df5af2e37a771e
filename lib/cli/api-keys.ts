import { parseArgs } from 'node:util'
import { FLOWS, type Flow } from '../credentials/api-key.ts'
import { type ApiKey, type ApiKeyRegistry, createApiKeyRegistry } from '../credentials/registry.ts'
import { InvalidOptionError } from '../errors.ts'
import { CREATE_HELP, DISABLE_HELP, ENABLE_HELP, HELP, LIST_HELP, REVOKE_HELP, ROTATE_HELP } from './api-keys-help.ts'
import { type Command, COMMON_OPTIONS, readEnd, readRate, runGroup, show, takeNone } from './arguments.ts'
import { type CliContext } from './context.ts'
import { type CredentialKind, disableCommand, enableCommand, listCommand, removeCommand, rotateCommand, withRegistry, withSecret } from './credentials.ts'
import { readDuration } from './duration.ts'
import { json } from './output.ts'

const API_KEYS: CredentialKind<ApiKey, ApiKeyRegistry> = {
  title: 'API key',
  empty: 'There is no API key yet: fastify-doc-tokens api-keys create\n',
  removed: 'revoked',
  open: (store, { now }) => createApiKeyRegistry({ store, now }),
  hasKeys: () => false,
  limits: ({ flows = [], documents, permissions = [], maxLifetime, rateLimit }) => [
    ...flows,
    ...(documents === undefined ? [] : [documents.length === 1 ? '1 document' : `${documents.length} documents`]),
    ...permissions,
    ...(maxLifetime === undefined ? [] : [`${maxLifetime} s`]),
    ...(rateLimit === undefined ? [] : [`${rateLimit.max} per ${rateLimit.timeWindow / 1000} s`])
  ]
}

const COMMANDS = new Map<string, Command>([
  ['create', create],
  ['list', listCommand(API_KEYS, LIST_HELP)],
  ['rotate', rotateCommand(API_KEYS, ROTATE_HELP)],
  ['disable', disableCommand(API_KEYS, DISABLE_HELP)],
  ['enable', enableCommand(API_KEYS, ENABLE_HELP)],
  ['revoke', removeCommand(API_KEYS, REVOKE_HELP)]
])

/**
 * `fastify-doc-tokens api-keys …`. Resolves to the exit code; rejects when it fails.
 *
 * @internal
 */
export async function apiKeys (args: string[], context: CliContext): Promise<number> {
  return await runGroup('api-keys', HELP, COMMANDS, args, context)
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
  const expiresAt = readEnd('--expires-in', values['expires-in'], context)
  return await withRegistry(API_KEYS, values, context, async (keys) => {
    const made = await keys.create({ label, owner, flows, documents, permissions, maxLifetime, rateLimit, expiresAt })
    if (values.json) return json(made)
    return withSecret(`API key ${made.record.id} is made. This is its secret; it is not shown again:`, made.secret, 'Send it as "Authorization: Bearer <secret>".')
  }, { create: true })
}

function readFlow (name: string): Flow {
  const flow = FLOWS.find((flow) => flow === name)
  if (flow === undefined) throw new InvalidOptionError('--flow', `must be ${FLOWS.join(' or ')}`)
  return flow
}
