/**
 * The example server: every flow of the package on one app, on an embedded store.
 *
 * ```sh
 * npm start
 * ```
 *
 * @module
 */
import { createServer } from './server/app.ts'
import { type Environment, EnvironmentError, readEnvironment } from './server/environment.ts'
import { firstStart } from './server/first-start.ts'

/** Milliseconds that requests under way may take after SIGTERM. */
const GRACE = 10_000

function environmentOrExit (): Environment {
  try {
    return readEnvironment(process.env)
  } catch (error) {
    if (!(error instanceof EnvironmentError)) throw error
    process.stderr.write(`${error.message}\n`)
    process.exit(1)
  }
}

async function start (): Promise<void> {
  const environment = environmentOrExit()
  const { app, registry, store, drain } = await createServer(environment)

  const stop = async (): Promise<void> => {
    drain()
    setTimeout(() => { process.exit(1) }, GRACE).unref()
    await app.close()
  }
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)

  const url = await app.listen({ host: environment.host, port: environment.port })
  if (environment.demoApiKey !== undefined) return
  const notice = await firstStart({ registry, store, dataDir: environment.dataDir, url, terminal: process.stdout.isTTY })
  if (notice !== undefined) process.stdout.write(`\n${notice}\n`)
}

try {
  await start()
} catch (error) {
  // A port in use, a folder that cannot be written, a key that does not open: one line, not a stack.
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exit(1)
}
