import { readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { open as openRoot, RootDatabase } from 'lmdb'
import { checkFiles, prepareFolder, protectFiles } from './lmdb-folder.ts'
import { openTable, type LmdbTable } from './lmdb-table.ts'

/** @internal The function of lmdb. */
export type Open = typeof openRoot

/** @internal */
export interface LmdbEnvironments {
  /** Every write in it has been flushed to the disk when it is acknowledged. */
  main: { root: RootDatabase, values: LmdbTable, counters: LmdbTable }
  /** Nothing in it is flushed: what is acknowledged survives the process, not the machine. */
  fast: { root: RootDatabase, counters: LmdbTable }
}

const BOOT_KEY = Buffer.from('boot')
const OPEN_ATTEMPTS = 10
const OPEN_PAUSE_MS = 20

/** @internal */
export interface SharedEnvironments extends LmdbEnvironments {
  /** Closes what nobody else in this process has open. */
  release (): Promise<void>
}

interface Shared {
  environments: Promise<LmdbEnvironments>
  users: number
  closed?: Promise<unknown>
}

const sharedByFolder = new Map<string, Shared>()

/**
 * Opens both environments of a folder, once in a process however often it is asked for: to open one
 * again is a transaction that blocks the event loop, and for ever when one that is under way waits for
 * the event loop itself.
 *
 * The unflushed one is thrown away and made anew when it does not open, and after the machine was
 * started again: without a flush LMDB cannot promise that its pages came through, and reading broken
 * ones can end the process. Only one process at a time is at that, because it holds the write lock of the other.
 *
 * @internal
 * @param bootFile Where the system tells which start of it this is. Where there is no such file, only
 * what does not open is thrown away.
 */
export async function openEnvironments (open: Open, path: string, mapSize: number | undefined, bootFile: string): Promise<SharedEnvironments> {
  prepareFolder(path)
  // Not by path: a folder can have many, and another one can take its place.
  const { dev, ino } = statSync(path, { bigint: true })
  const folder = `${dev}:${ino}`
  let shared = sharedByFolder.get(folder)
  while (shared?.closed !== undefined) {
    await shared.closed
    shared = sharedByFolder.get(folder)
  }
  shared ??= { environments: openBoth(open, path, mapSize, bootFile), users: 0 }
  sharedByFolder.set(folder, shared)
  shared.users++
  const mine = shared

  async function release (): Promise<void> {
    if (--mine.users > 0) return
    mine.closed = mine.environments
      .then(({ main, fast }) => Promise.all([main.root.close(), fast.root.close()]))
      .finally(() => sharedByFolder.delete(folder))
    await mine.closed
  }

  try {
    return { ...await mine.environments, release }
  } catch (error) {
    if (sharedByFolder.get(folder) === mine) sharedByFolder.delete(folder)
    throw error
  }
}

async function openBoth (open: Open, path: string, mapSize: number | undefined, bootFile: string): Promise<LmdbEnvironments> {
  const main = await openMain(open, path, mapSize)
  try {
    const values = openTable(main, 'values')
    const counters = openTable(main, 'counters')
    const boots = main.openDB<Buffer, Uint8Array>('boot', { encoding: 'binary', keyEncoding: 'binary' })
    const boot = readBoot(bootFile)

    const fast = main.transactionSync(() => {
      const folder = join(path, 'counters')
      if (boots.get(BOOT_KEY)?.equals(boot) !== true) {
        discard(folder)
        boots.put(BOOT_KEY, boot)
      }
      return openFast(open, folder)
    })
    return { main: { root: main, values, counters }, fast }
  } catch (error) {
    await main.close()
    throw error
  }
}

async function openMain (open: Open, path: string, mapSize: number | undefined): Promise<RootDatabase> {
  for (let attempt = 1; ; attempt++) {
    try {
      checkFiles(path)
      break
    } catch (error) {
      // Another process may be making it at this very moment, and have it half written.
      if (attempt === OPEN_ATTEMPTS) throw error
      await sleep(OPEN_PAUSE_MS)
    }
  }
  // Without `overlappingSync` nobody, here or in another process, sees a write before it is flushed.
  return openProtected(open, path, { overlappingSync: false, ...(mapSize !== undefined && { mapSize }) })
}

function openFast (open: Open, path: string): LmdbEnvironments['fast'] {
  try {
    return openUnflushed(open, path)
  } catch {
    discard(path)
    return openUnflushed(open, path)
  }
}

function openUnflushed (open: Open, path: string): LmdbEnvironments['fast'] {
  prepareFolder(path)
  checkFiles(path)
  const root = openProtected(open, path, { noSync: true })
  try {
    return { root, counters: openTable(root, 'counters') }
  } catch (error) {
    // Nothing was written, so this is done when it returns.
    root.close()
    throw error
  }
}

function openProtected (open: Open, path: string, options: { overlappingSync?: boolean, noSync?: boolean, mapSize?: number }): RootDatabase {
  const root = open(path, {
    ...options,
    ...{ permissionsMode: 0o600 }, // not in the types of lmdb
    noSubdir: false,
    // With batches of its own lmdb makes a promise that nobody has, and its rejection would end the process.
    eventTurnBatching: false
  })
  protectFiles(path)
  return root
}

function discard (path: string): void {
  rmSync(path, { recursive: true, force: true })
}

function readBoot (file: string): Buffer {
  try {
    return Buffer.from(`boot ${readFileSync(file, 'utf8').trim()}`)
  } catch {
    return Buffer.from('boot unknown')
  }
}
