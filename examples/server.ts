/**
 * The example server: every flow of the package on one app, on an embedded store or on Redis.
 *
 * ```sh
 * npm start
 * ```
 *
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { createServer } from './server/app.ts'
import { type Environment, EnvironmentError, namingVariable, readEnvironment } from './server/environment.ts'
import { createMark, firstStart } from './server/first-start.ts'

/** Milliseconds after SIGTERM in which others are still let in while requests are under way, so that a balancer notices. */
const DRAIN = 5_000

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
  const { app, registry, clients, store, persistently, drain } = await createServer(environment)

  const stop = async (): Promise<void> => {
    // From now on either signal does what it does by itself: it ends the process at once.
    for (const signal of ['SIGTERM', 'SIGINT']) process.off(signal, stop)
    setTimeout(() => { process.exit(1) }, GRACE).unref()
    await Promise.race([drain(), sleep(DRAIN, undefined, { ref: false })])
    await app.close()
    // On the second address of `localhost`, connections that ask for nothing are nobody's to close.
    process.exit()
  }
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)

  const { host, port } = environment
  const url = await namingVariable('HOST or PORT', () => app.listen({ host, port }))
  if (environment.demoApiKey !== undefined) return
  const { dataDir, redisUrl } = environment
  const mark = createMark()
  const notice = await persistently(async () => await firstStart({ registry, clients, store, mark, dataDir, url, isLocal: redisUrl === undefined, terminal: process.stdout.isTTY }))
  if (notice !== undefined) process.stdout.write(`\n${notice}\n`)
}

try {
  await start()
} catch (error) {
  // A port in use, a folder that cannot be written, a key that does not open: one line, not a stack.
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exit(1)
}
