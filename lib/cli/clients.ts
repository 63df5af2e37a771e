import { parseArgs } from 'node:util'
import { type ClientRegistry, createClientRegistry, type NewClient, type RegisteredClient } from '../credentials/client-registry.ts'
import { type Command, COMMON_OPTIONS, readEnd, readRate, runGroup, show, takeNone } from './arguments.ts'
import { CREATE_HELP, DISABLE_HELP, ENABLE_HELP, HELP, LIST_HELP, REMOVE_HELP, ROTATE_HELP } from './clients-help.ts'
import { type CliContext } from './context.ts'
import { type CredentialKind, disableCommand, enableCommand, listCommand, removeCommand, rotateCommand, withRegistry, withSecret } from './credentials.ts'
import { readDuration } from './duration.ts'
import { json } from './output.ts'
import { readPublicKey } from './public-key.ts'

const CLIENTS: CredentialKind<RegisteredClient, ClientRegistry> = {
  title: 'Client',
  empty: 'There is no client yet: fastify-doc-tokens clients create\n',
  removed: 'removed',
  open: (store, { now }) => createClientRegistry({ store, now }),
  hasKeys: ({ keys = [] }) => keys.length > 0,
  limits: ({ scopes = [], audiences, introspects, tokenLifetime, requireDpop, rateLimit, keys = [] }) => [
    ...scopes,
    ...(audiences === undefined ? [] : [`for ${audiences.join(' ')}`]),
    ...(introspects === undefined ? [] : [`introspects ${introspects.join(' ')}`]),
    ...(tokenLifetime === undefined ? [] : [`${tokenLifetime} s`]),
    ...(requireDpop === true ? ['DPoP'] : []),
    ...(rateLimit === undefined ? [] : [`${rateLimit.max} per ${rateLimit.timeWindow / 1000} s`]),
    ...(keys.length === 0 ? [] : [keys.length === 1 ? '1 key' : `${keys.length} keys`])
  ]
}

const COMMANDS = new Map<string, Command>([
  ['create', create],
  ['list', listCommand(CLIENTS, LIST_HELP)],
  ['rotate-secret', rotateCommand(CLIENTS, ROTATE_HELP)],
  ['disable', disableCommand(CLIENTS, DISABLE_HELP)],
  ['enable', enableCommand(CLIENTS, ENABLE_HELP)],
  ['remove', removeCommand(CLIENTS, REMOVE_HELP)]
])

/**
 * `fastify-doc-tokens clients …`. Resolves to the exit code; rejects when it fails.
 *
 * @internal
 */
export async function clients (args: string[], context: CliContext): Promise<number> {
  return await runGroup('clients', HELP, COMMANDS, args, context)
}

async function create (args: string[], context: CliContext): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      ...COMMON_OPTIONS,
      label: { type: 'string' },
      owner: { type: 'string' },
      scope: { type: 'string', multiple: true },
      'default-scope': { type: 'string', multiple: true },
      audience: { type: 'string', multiple: true },
      introspects: { type: 'string', multiple: true },
      'token-lifetime': { type: 'string' },
      'require-dpop': { type: 'boolean' },
      'rate-limit': { type: 'string' },
      'expires-in': { type: 'string' },
      'public-key': { type: 'string', multiple: true },
      'no-secret': { type: 'boolean', default: false }
    }
  })
  if (values.help) return show(CREATE_HELP, context)
  takeNone(positionals)

  const { label, owner, scope: scopes, 'default-scope': defaultScopes, audience: audiences, introspects, 'require-dpop': requireDpop } = values
  const tokenLifetime = readDuration('--token-lifetime', values['token-lifetime'])
  const rateLimit = readRate('--rate-limit', values['rate-limit'])
  const expiresAt = readEnd('--expires-in', values['expires-in'], context)
  const keys = values['public-key'] && await Promise.all(values['public-key'].map((file) => readPublicKey('--public-key', file)))
  return await withRegistry(CLIENTS, values, context, async (registry) => {
    const made = await registry.create({ label, owner, scopes, defaultScopes, audiences, introspects, tokenLifetime, requireDpop, rateLimit, keys, secret: !values['no-secret'], expiresAt })
    return values.json ? json(made) : introduce(made)
  }, { create: true })
}

function introduce ({ record: { id, keys = [] }, secret }: NewClient): string {
  const names = keys.map(({ kid }) => `  ${String(kid)}\n`).join('')
  if (secret === undefined) {
    return `Client ${id} is made, without a secret. It gets a token at /connect/token with an assertion (private_key_jwt), signed by a key of this kid:\n\n${names}`
  }
  // One line, which can be pasted whole. The secret is in no command line, which everybody on the machine can read, and in no history.
  return withSecret(`Client ${id} is made. This is its secret; it is not shown again:`, secret, `Get a token: run this with the URL of your server, and paste the secret where it waits for it.

  read -rs SECRET && printf %s "$SECRET" | curl 'https://<server>/connect/token' -d grant_type=client_credentials -d client_id=${id} --data-urlencode client_secret@-`)
}
