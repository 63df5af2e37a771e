/** Stores for bench/capacity.mjs, and how many bytes they take. All of them have the same functions. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { open } from 'lmdb'
import { openLmdbStore } from 'fastify-doc-tokens/stores/lmdb'
import { openRedisStore } from 'fastify-doc-tokens/stores/redis'

const HOST = '127.0.0.1'
const TABLES = { token: ['values', 'values-ends'], use: ['counters', 'counters-ends'] }

const servers = new Set()
process.on('exit', () => {
  for (const server of servers) server.kill('SIGKILL')
})

/** @param path A folder that is not there yet. */
export async function openLmdb (path) {
  // A flush of many writes can wait for others that use the disk.
  const store = await openLmdbStore({ path, timeout: 60_000 })
  return {
    store,
    // One transaction has what comes together, and one flush.
    writesInFlight: 1024,
    bytes: async () => ({ disk: sizeOf(path) }),
    close: () => store.close(),
    /** Bytes of the pages in use, per entry. The store must be closed. */
    async pages () {
      const root = open(path, { noSubdir: false })
      const bytesOf = (names) => names.reduce((sum, name) => {
        const { pageSize, treeBranchPageCount, treeLeafPageCount, overflowPages, entryCount } = root.openDB(name, { encoding: 'binary', keyEncoding: 'binary' }).getStats()
        return sum + (entryCount === 0 ? 0 : pageSize * (treeBranchPageCount + treeLeafPageCount + overflowPages) / entryCount)
      }, 0)
      const pages = { token: bytesOf(TABLES.token), use: bytesOf(TABLES.use) }
      await root.close()
      return pages
    },
    remove: () => rmSync(path, { recursive: true, force: true })
  }
}

export function hasRedis () {
  return spawnSync('redis-server', ['--version']).status === 0
}

/** @param path A folder that is not there yet. */
export async function openRedis (path) {
  mkdirSync(path)
  const port = await freePort()
  const server = spawn('redis-server', ['--bind', HOST, '--port', String(port), '--dir', path, '--save', '', '--appendonly', 'no', '--loglevel', 'warning'], { stdio: 'ignore' })
  servers.add(server)
  const ended = once(server, 'exit')
  const admin = new Redis({ host: HOST, port, retryStrategy: () => 50, maxRetriesPerRequest: 200 })
  admin.on('error', () => {}) // it is not there yet
  const memory = async () => Number(/^used_memory:(\d+)/m.exec(await admin.info('memory'))[1])

  let store
  let closing
  const close = async () => {
    await store?.close()
    admin.disconnect()
    server.kill('SIGKILL')
    await ended
    servers.delete(server)
  }

  try {
    await admin.ping()
    store = await openRedisStore({ url: `redis://${HOST}:${port}`, prefix: 'fdt:', commandTimeout: 800 })
  } catch (error) {
    await close()
    throw error
  }

  return {
    store,
    writesInFlight: 128,
    /** The disk is that of an RDB file. */
    async bytes () {
      // A table that grows is there twice for a while.
      let used = await memory()
      for (let before = 0; used !== before;) {
        before = used
        await sleep(250)
        used = Math.min(before, await memory())
      }
      await admin.save()
      return { memory: used, disk: sizeOf(path) }
    },
    /** Lets the server keep a log (AOF), and tells by how many bytes `work` makes it longer. */
    async logged (work) {
      if ((await admin.config('GET', 'appendonly'))[1] === 'no') {
        await admin.config('SET', 'auto-aof-rewrite-percentage', '0')
        await admin.config('SET', 'appendonly', 'yes')
        while (/aof_rewrite_(in_progress|scheduled):1/.test(await admin.info('persistence'))) await sleep(50)
      }
      const log = join(path, 'appendonlydir')
      const before = sizeOf(log)
      await work()
      return sizeOf(log) - before
    },
    close: () => (closing ??= close()),
    remove: () => rmSync(path, { recursive: true, force: true })
  }
}

function sizeOf (folder) {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  // What takes room: LMDB's lock file is mostly a hole.
  return files.reduce((sum, { parentPath, path, name }) => sum + statSync(join(parentPath ?? path, name)).blocks * 512, 0)
}

async function freePort () {
  const server = createServer().listen(0, HOST)
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}
