import { openWith } from './lmdb-store.ts'
import { type TokenStore } from './token-store.ts'

export type { Counter, DurableOption, StoreEntry, TokenStore, WriteOptions } from './token-store.ts'

/** What {@link openLmdbStore} takes. */
export interface LmdbStoreOptions {
  /**
   * A folder for the store alone, on a local disk. It is made when it is not there, with mode 0700 and
   * files of 0600, and one that is open to other users is closed to them.
   */
  path: string
  /** Current time in milliseconds since the Unix epoch. Default is `Date.now`. */
  now?: () => number
  /** Bytes of address space to begin with. It grows by itself. Default is lmdb's. */
  mapSize?: number
  /** Milliseconds between two looks for expired records. Default is `1000`. */
  sweepInterval?: number
  /**
   * Milliseconds that a write may take, waiting for other processes included, before it is refused
   * with `FDT_STORE_UNAVAILABLE`. It may still happen afterwards. Default is `10000`.
   */
  timeout?: number
}

/**
 * Opens a store in a folder, made with LMDB (the optional peer dependency `lmdb`). Any number of processes
 * of one machine and one PID namespace may have it open, a process more than once too.
 *
 * What is acknowledged survives the death of the process. Values and durable counters have been flushed
 * to the disk by then, with `durable` or without it, and survive a loss of power. Counters that are
 * not durable are never flushed, and are forgotten when the machine is started again. A counter is to
 * be incremented with the same `durable` always: with and without are two counters.
 *
 * Reading is synchronous inside and takes a few microseconds. Writing never blocks the event loop;
 * opening does, for as long as another process writes.
 *
 * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500) when an option is unusable, or the folder is
 * open to other users and holds other things.
 * @throws {MissingPeerError} `FDT_MISSING_PEER` (500) when `lmdb` cannot be loaded.
 * @throws {StoreUnavailableError} `FDT_STORE_UNAVAILABLE` (503) when the folder cannot be used or holds
 * something else than a store. Nothing in it was changed.
 */
export async function openLmdbStore (options: LmdbStoreOptions): Promise<TokenStore> {
  return openWith(() => import('lmdb'), options)
}
