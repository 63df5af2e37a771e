import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { InvalidOptionError } from '../errors.ts'
import { DATA_FILE } from '../stores/lmdb-folder.ts'
import { type TokenStore } from '../stores/token-store.ts'
import { type CliContext, type StorePlace } from './context.ts'
import { readSecret } from './input.ts'
import { printable, warn } from './output.ts'

/** @internal A store that is open, and what lies beside it. */
export interface OpenStore {
  readonly store: TokenStore
  /** The data folder; absent where the store is a Redis. */
  readonly folder?: string
}

/** @internal */
export interface StoreOptions {
  /** Default is `DATA_DIR` of the environment, else `data` in the working directory. */
  dataDir: string | undefined
  /** Whether a data folder that is not there is made, for its owner alone. Otherwise nothing is written. */
  create: boolean
}

/** What the keys of the example server in Redis start with. */
const DEFAULT_PREFIX = 'fastify-doc-tokens:'

/**
 * Opens the store of a server for as long as `use` takes: Redis where `REDIS_URL` is set, else that of a data folder.
 *
 * @returns The exit code: what `use` says, and 1 when there is no store and none is to be made, which `stderr` is told.
 *
 * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500) when `dataDir` is empty or given beside `REDIS_URL`, or when Redis
 * cannot be used as the environment says.
 * @throws Whatever the store or `use` rejects with.
 *
 * @internal
 */
export async function withStore ({ dataDir, create }: StoreOptions, context: CliContext, use: (open: OpenStore) => Promise<number>): Promise<number> {
  if (dataDir === '') throw new InvalidOptionError('--data-dir', 'must not be empty')
  const redis = await readSecret('REDIS_URL', context)
  if (redis !== undefined) {
    if (dataDir !== undefined) throw new InvalidOptionError('--data-dir', `cannot be given where ${redis.variable} is set, which names another store: unset it, or leave --data-dir out`)
    return await useAndClose({ store: await openAtRedis(redis.text.trim(), redis.variable, context) }, use)
  }

  const folder = resolve(dataDir ?? (context.env['DATA_DIR'] || 'data'))
  const path = join(folder, 'store')
  // Opening would make it, and a mistyped path would look like an empty store.
  if (!create && !existsSync(join(path, DATA_FILE))) {
    context.stderr.write(`fastify-doc-tokens: no store at ${printable(path)}; --data-dir or DATA_DIR names another data folder, REDIS_URL a Redis\n`)
    return 1
  }
  if (create) await mkdir(folder, { recursive: true, mode: 0o700 })
  return await useAndClose({ store: await context.openStore({ path }), folder }, use)
}

/** @internal Loads a driver only when a store is opened: help works without the optional peers. */
export async function openDriver (place: StorePlace): Promise<TokenStore> {
  if ('path' in place) {
    const { openLmdbStore } = await import('../stores/lmdb.ts')
    return await openLmdbStore(place)
  }
  const { openRedisStore } = await import('../stores/redis.ts')
  return await openRedisStore(place)
}

async function useAndClose (open: OpenStore, use: (open: OpenStore) => Promise<number>): Promise<number> {
  try {
    return await use(open)
  } finally {
    await open.store.close()
  }
}

async function openAtRedis (url: string, variable: string, context: CliContext): Promise<TokenStore> {
  const prefix = context.env['REDIS_PREFIX'] || DEFAULT_PREFIX
  try {
    return await context.openStore({ url, prefix, onWarning: (message) => { warn(context, message) } })
  } catch (cause) {
    if (cause instanceof InvalidOptionError) throw new InvalidOptionError(variable, 'cannot be used', { cause })
    throw cause
  }
}
