import { type TokenStore } from '../stores/token-store.ts'

/** What a command may use of the process that it runs in. */
export interface CliProcess {
  env: Readonly<Record<string, string | undefined>>
  stdout: { write (text: string): unknown }
  stderr: { write (text: string): unknown }
  /** Asked for only by commands that read it. Default is nothing to read. */
  stdin?: (AsyncIterable<Uint8Array | string> & { isTTY?: boolean }) | undefined
}

/** What a test may put in place of the real thing. */
export interface CliParts {
  /** Opens the store in the folder `path`, and makes it when it is not there. Default is the LMDB driver. */
  openStore: (options: { path: string }) => Promise<TokenStore>
  /** Current time in milliseconds since the Unix epoch. Default is `Date.now`. */
  now: () => number
}

export type CliContext = CliProcess & CliParts
