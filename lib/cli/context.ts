import { type TokenStore } from '../stores/token-store.ts'

/** What a command may use of the process that it runs in. */
export interface CliProcess {
  env: Readonly<Record<string, string | undefined>>
  stdout: { write (text: string): unknown }
  stderr: { write (text: string): unknown }
  /** Asked for only by commands that read it. Default is nothing to read. */
  stdin?: (AsyncIterable<Uint8Array | string> & { isTTY?: boolean }) | undefined
}

/** Where a server keeps what it knows: a folder, or a Redis. */
export type StorePlace =
  | { readonly path: string }
  | { readonly url: string, readonly prefix: string, readonly onWarning: (message: string) => void }

/** What a test may put in place of the real thing. */
export interface CliParts {
  /** Opens the store, and makes the folder when it is not there. Default is the driver for LMDB or the one for Redis. */
  openStore: (place: StorePlace) => Promise<TokenStore>
  /** Current time in milliseconds since the Unix epoch. Default is `Date.now`. */
  now: () => number
}

export type CliContext = CliProcess & CliParts
