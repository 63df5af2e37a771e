/** What store-processes.ts tells store-process.ts. Types alone, so that the process loads nothing else. */
import { type LmdbStoreOptions } from '../../lib/stores/lmdb.ts'
import { type TokenStore } from '../../lib/stores/token-store.ts'

export interface StoreProcessOptions extends Omit<LmdbStoreOptions, 'now'> {
  /** Set before anything is opened. */
  umask?: number
}

export interface Race {
  operation: 'add' | 'take' | 'replace' | 'increment' | 'durable increment'
  keys: string[]
  /** When to start, in milliseconds since the Unix epoch. */
  at: number
  mine: Uint8Array
}

export interface Call {
  id: number
  method: keyof TokenStore | 'race' | 'flood' | 'hold'
  parameters: unknown[]
}
