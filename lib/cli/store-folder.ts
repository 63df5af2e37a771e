import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { InvalidOptionError } from '../errors.ts'
import { DATA_FILE } from '../stores/lmdb-folder.ts'
import { type TokenStore } from '../stores/token-store.ts'
import { type CliContext } from './context.ts'
import { printable } from './output.ts'

/** @internal */
export interface StoreFolderOptions {
  /** Default is `DATA_DIR` of the environment, else `data` in the working directory. */
  dataDir: string | undefined
  /** Whether a data folder that is not there is made, for its owner alone. Otherwise nothing is written. */
  create: boolean
}

/**
 * Opens the store of a data folder for as long as `use` takes.
 *
 * @returns The exit code: 1 when there is no store and none is to be made, which `stderr` is told.
 *
 * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500) when `dataDir` is empty.
 * @throws Whatever the store or `use` rejects with.
 *
 * @internal
 */
export async function withStore ({ dataDir, create }: StoreFolderOptions, { env, stderr, openStore }: CliContext, use: (store: TokenStore) => Promise<void>): Promise<number> {
  if (dataDir === '') throw new InvalidOptionError('--data-dir', 'must not be empty')
  const folder = resolve(dataDir ?? (env['DATA_DIR'] || 'data'))
  const path = join(folder, 'store')

  // Opening would make it, and a mistyped path would look like an empty store.
  if (!create && !existsSync(join(path, DATA_FILE))) {
    stderr.write(`fastify-doc-tokens: no store at ${printable(path)}; --data-dir or DATA_DIR names another data folder\n`)
    return 1
  }
  if (create) await mkdir(folder, { recursive: true, mode: 0o700 })

  const store = await openStore({ path })
  try {
    await use(store)
  } finally {
    await store.close()
  }
  return 0
}

/** @internal Loads the driver only when a store is opened: help works without the optional peer. */
export async function openLmdb (options: { path: string }): Promise<TokenStore> {
  const { openLmdbStore } = await import('../stores/lmdb.ts')
  return await openLmdbStore(options)
}
