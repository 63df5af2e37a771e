import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type FastifyInstance } from 'fastify'
import { StoreUnavailableError } from 'fastify-doc-tokens/errors'
import { openLmdbStore } from 'fastify-doc-tokens/stores/lmdb'
import { type TokenStore } from 'fastify-doc-tokens/stores/memory'
import { openRedisStore } from 'fastify-doc-tokens/stores/redis'
import { type Environment, namingVariable } from './environment.ts'
import { whenListening } from './when-listening.ts'

/** What all keys in Redis start with. */
const PREFIX = 'fastify-doc-tokens:'

/** Milliseconds between two tries. */
const PAUSE = 250

export interface OpenedStore {
  store: TokenStore
  /**
   * Does what the start needs the store for, and may be done more than once: with Redis again and again until it is there,
   * since machines are started in any order. The store of a data folder is there or not.
   */
  persistently<Result> (task: () => Promise<Result>): Promise<Result>
}

/** The store of the data folder, or Redis, once it is there. */
export async function openStore ({ dataDir, redisUrl }: Environment, app: FastifyInstance): Promise<OpenedStore> {
  if (redisUrl === undefined) {
    const store = await namingVariable('DATA_DIR', async () => await openLmdbStore({ path: join(dataDir, 'store') }))
    return { store, persistently: (task) => task() }
  }

  const warnings = new Set<string>()
  const onWarning = (message: string): void => {
    if (warnings.has(message)) return
    warnings.add(message)
    whenListening(app, () => { app.log.warn(message) })
  }
  const onError = (error: Error): void => { if (app.server.listening) app.log.error(error, 'Redis is out of reach') }

  let hasTold = false
  const persistently = async <Result>(task: () => Promise<Result>): Promise<Result> => {
    for (;;) {
      try {
        return await task()
      } catch (error) {
        if (!(error instanceof StoreUnavailableError)) throw error
        if (!hasTold && !app.server.listening) process.stderr.write('Redis is out of reach (REDIS_URL): the server starts once it is there\n')
        hasTold = true
        await sleep(PAUSE)
      }
    }
  }
  // Anew each time: a password that is refused is told where the store is opened.
  const open = async (): Promise<TokenStore> => {
    const store = await openRedisStore({ url: redisUrl, prefix: PREFIX, onWarning, onError })
    try {
      await store.ping()
      return store
    } catch (error) {
      await store.close()
      throw error
    }
  }
  return { store: await namingVariable('REDIS_URL', async () => await persistently(open)), persistently }
}
