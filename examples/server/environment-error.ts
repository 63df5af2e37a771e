/** One line that tells which variable is wrong and what it should be. Never holds a value. */
export class EnvironmentError extends Error {
  constructor (variable: string, expectation: string) {
    super(`${variable} ${expectation}`)
    this.name = 'EnvironmentError'
  }
}

/** Does what a variable asks for. When it fails, the error names the variable and tells why. */
export async function namingVariable<Result> (variable: string, use: () => Promise<Result>): Promise<Result> {
  try {
    return await use()
  } catch (error) {
    throw new EnvironmentError(variable, `cannot be used: ${explain(error)}`)
  }
}

/** The message, and the one of the cause: "The token store is unavailable" alone helps nobody. */
export function explain (error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause === undefined ? error.message : `${error.message}: ${explain(error.cause)}`
}
