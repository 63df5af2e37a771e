import { StoreUnavailableError } from '../errors.ts'

/**
 * Runs an operation on something of the host's (a store, a look-up), so that its failure is an outage
 * and never taken for an answer.
 *
 * @throws {StoreUnavailableError} `FDT_STORE_UNAVAILABLE` (503) in place of any error that is not of
 * this package; the cause is kept for the log.
 */
export async function orOutage<T> (operation: () => Promise<T>): Promise<T> {
  try {
    return await operation()
  } catch (error) {
    throw isOurs(error) ? error : new StoreUnavailableError({ cause: error })
  }
}

/** @internal Whether an error is of this package. */
export function isOurs (error: unknown): error is Error & { code: string } {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('FDT_')
}
