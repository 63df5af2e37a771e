import { parseArgs } from 'node:util'
import { InvalidOptionError, SealedKeyError } from '../errors.ts'
import { KEY_ALGORITHMS } from '../keys/key-material.ts'
import { type KeyAlgorithm } from '../keys/key-ring.ts'
import { openStoredKeyRing, type StoredKeyRing } from '../keys/stored-ring.ts'
import { type Command, COMMON_OPTIONS, type CommonValues, runGroup, show, takeNone, takeOne } from './arguments.ts'
import { type CliContext } from './context.ts'
import { readDuration } from './duration.ts'
import { readKeyEncryptionKeys } from './key-encryption-keys.ts'
import { GENERATE_HELP, HELP, LIST_HELP, REMOVE_HELP, ROTATE_HELP } from './keys-help.ts'
import { json, table, time, warn } from './output.ts'
import { readRings, type RingReader, showKey, type ShownKey, type UsableKey } from './ring.ts'
import { withStore } from './store-folder.ts'

const RING_OPTIONS = { ...COMMON_OPTIONS, ring: { type: 'string' } } as const

const RING_NAME = /^[A-Za-z0-9._~-]{1,64}$/

/** Seconds. Longer than most keep a JWKS. */
const DEFAULT_SIGNS_IN = 600
const MAX_SIGNS_IN = 30 * 86_400

const COMMANDS = new Map<string, Command>([['generate', generate], ['list', list], ['rotate', rotate], ['remove', remove]])

/** What a command works with. */
interface Opened {
  rings: RingReader
  /** Opens a ring that has keys, for as long as `use` takes. */
  withRing (ring: string, use: (ring: StoredKeyRing) => Promise<number>): Promise<number>
}

/**
 * `fastify-doc-tokens keys …`. Resolves to the exit code; rejects when it fails.
 *
 * @internal
 */
export async function keys (args: string[], context: CliContext): Promise<number> {
  return await runGroup('keys', HELP, COMMANDS, args, context)
}

async function generate (args: string[], context: CliContext): Promise<number> {
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options: { ...RING_OPTIONS, algorithm: { type: 'string', default: 'ES256' } } })
  if (values.help) return show(GENERATE_HELP, context)
  takeNone(positionals)

  const name = readRingName(values.ring)
  const algorithm = readAlgorithm(values.algorithm)
  return await withKeys(values, context, async ({ rings }) => {
    const made = await rings.generate(name, algorithm)
    if (made === undefined) return tell(context, `the ring "${name}" has a key already; keys list shows it, and keys rotate makes the next one`)

    context.stdout.write(values.json ? json(made) : `Ring ${name} has its first key:\n\n${describe([made])}`)
    return 0
  }, { create: true })
}

async function list (args: string[], context: CliContext): Promise<number> {
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options: RING_OPTIONS })
  if (values.help) return show(LIST_HELP, context)
  takeNone(positionals)

  const name = values.ring === undefined ? undefined : readRingName(values.ring)
  return await withKeys(values, context, async ({ rings }) => {
    const names = name === undefined ? await rings.names() : [name]
    const found: ShownKey[] = []
    for (const name of names) found.push(...await rings.list(name))
    // As a server would say: with one that opens nothing, nothing can be told.
    if (found.length > 0 && !found.some(isUsable)) throw new SealedKeyError()

    const empty = 'There is no key yet: a server makes the first one, or fastify-doc-tokens keys generate\n'
    context.stdout.write(values.json ? json(found) : found.length === 0 ? empty : describe(found))
    return 0
  })
}

async function rotate (args: string[], context: CliContext): Promise<number> {
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options: { ...RING_OPTIONS, 'signs-in': { type: 'string' } } })
  if (values.help) return show(ROTATE_HELP, context)
  takeNone(positionals)

  const name = readRingName(values.ring)
  const signsIn = readDuration('--signs-in', values['signs-in']) ?? DEFAULT_SIGNS_IN
  if (signsIn > MAX_SIGNS_IN) throw new InvalidOptionError('--signs-in', 'must be at most 30d')
  return await withKeys(values, context, async ({ withRing }) => await withRing(name, async (ring) => {
    const generation = await ring.rotate({ signsIn: signsIn * 1000 })
    const made = showKey(name, generation, generation.signsFrom <= context.now() ? 'signing' : 'coming')
    context.stdout.write(values.json ? json(made) : `Ring ${name} has a new key. Those before go on verifying:\n\n${describe([made])}`)
    return 0
  }))
}

async function remove (args: string[], context: CliContext): Promise<number> {
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options: RING_OPTIONS })
  if (values.help) return show(REMOVE_HELP, context)

  const kid = takeOne(positionals, 'kid')
  const name = readRingName(values.ring)
  return await withKeys(values, context, async ({ withRing }) => await withRing(name, async (ring) => {
    await ring.remove(kid)
    context.stdout.write(values.json ? json({ ring: name, kid, removed: true }) : `Key ${kid} is out of the ring ${name}.\n`)
    return 0
  }))
}

async function withKeys (values: CommonValues, context: CliContext, use: (opened: Opened) => Promise<number>, { create = false } = {}): Promise<number> {
  return await withStore({ dataDir: values['data-dir'], create }, context, async ({ store, folder }) => {
    const keyEncryptionKeys = await readKeyEncryptionKeys({ folder, create }, context)
    const rings = readRings(store, keyEncryptionKeys, context.now)
    return await use({
      rings,
      withRing: async (name, useRing) => {
        const found = await rings.list(name)
        // Opening would make a key.
        if (found.length === 0) return tell(context, `the ring "${name}" has no key; keys list shows all rings, and keys generate makes the first key of one`)
        const newest = found.filter(isUsable).at(-1)
        if (newest === undefined) throw new SealedKeyError()

        const onError = (error: Error): void => { warn(context, error.message) }
        const ring = await openStoredKeyRing({ store, name, keyEncryptionKeys, algorithm: newest.algorithm, onError, now: context.now })
        try {
          return await useRing(ring)
        } finally {
          await ring.close()
        }
      }
    })
  })
}

function tell ({ stderr }: CliContext, message: string): number {
  stderr.write(`fastify-doc-tokens: ${message}\n`)
  return 1
}

function readRingName (name: string | undefined): string {
  if (name === undefined) throw new InvalidOptionError('--ring', 'must be given, such as --ring sessions')
  if (!RING_NAME.test(name)) throw new InvalidOptionError('--ring', 'must be 1 to 64 characters of A-Z, a-z, 0-9, ".", "_", "~" and "-"')
  return name
}

function readAlgorithm (name: string): KeyAlgorithm {
  const algorithm = KEY_ALGORITHMS.find((algorithm) => algorithm === name)
  if (algorithm === undefined) throw new InvalidOptionError('--algorithm', `must be one of ${KEY_ALGORITHMS.join(', ')}`)
  return algorithm
}

function isUsable (key: ShownKey): key is UsableKey {
  return key.state !== 'unusable'
}

function describe (found: readonly ShownKey[]): string {
  return table(['RING', 'KID', 'ALGORITHM', 'STATE', 'CREATED'], found.map((key) => isUsable(key)
    ? [key.ring, key.kid, key.algorithm, describeState(key), time(key.createdAt)]
    : [key.ring, '?', '?', 'unusable', '?']))
}

function describeState ({ state, signsFrom }: UsableKey): string {
  if (state === 'coming') return `signs from ${time(signsFrom)}`
  return state === 'signing' ? 'signs now' : 'verifies'
}
