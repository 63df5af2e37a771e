/** Stores in processes of their own, and programs that run to their end. */
import { type ChildProcess, fork, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Test } from 'tap'
import { type LmdbStoreOptions } from '../../lib/stores/lmdb.ts'
import { type StoreEntry, type TokenStore } from '../../lib/stores/token-store.ts'

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
  method: keyof TokenStore | 'race' | 'flood' | 'block'
  parameters: unknown[]
}

/** A store in another process, by message. */
export interface StoreProcess extends TokenStore {
  process: ChildProcess
  race (race: Race): Promise<unknown[]>
  /** Lets it write for ever. `acknowledged` grows. */
  flood (): { acknowledged: string[] }
  block (milliseconds: number): Promise<void>
  /** As SIGKILL, at once and for sure. */
  kill (): Promise<void>
}

const PROGRAM = fileURLToPath(new URL('store-process.ts', import.meta.url))
const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** Starts a process that opens the store of a folder. It is gone when the test is over. */
export async function startStore (t: Test, options: StoreProcessOptions): Promise<StoreProcess> {
  // The loader of the parent makes it run as TypeScript, on every version of Node.
  const child = fork(PROGRAM, [JSON.stringify(options)], { execArgv: process.execArgv, serialization: 'advanced', stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
  const exited = once(child, 'exit')
  const kill = async () => {
    child.kill('SIGKILL')
    await exited
  }
  t.teardown(kill)

  const waiting = new Map<number, { resolve: (result: never) => void, reject: (error: unknown) => void }>()
  let lastId = 0
  child.on('message', ({ id, result, error }: { id: number, result: never, error?: unknown }) => {
    const call = waiting.get(id)
    waiting.delete(id)
    if (error === undefined) call?.resolve(result)
    else call?.reject(error)
  })
  child.on('exit', () => {
    for (const { reject } of waiting.values()) reject(Object.assign(new Error('the process is gone'), { code: 'FDT_STORE_UNAVAILABLE' }))
    waiting.clear()
  })

  const call = <T> (method: Call['method'], ...parameters: unknown[]): Promise<T> => new Promise((resolve, reject) => {
    const id = ++lastId
    if (!child.connected) return reject(Object.assign(new Error('the process is gone'), { code: 'FDT_STORE_UNAVAILABLE' }))
    waiting.set(id, { resolve, reject })
    child.send({ id, method, parameters })
  })

  await new Promise((resolve, reject) => {
    waiting.set(0, { resolve, reject })
  })
  return {
    process: child,
    get: (key) => call('get', key),
    set: (key, value, options) => call('set', key, value, options),
    add: (key, value, options) => call('add', key, value, options),
    take: (key) => call('take', key),
    delete: (key, options) => call('delete', key, options),
    replace: (key, expected, value, options) => call('replace', key, expected, value, options),
    increment: (key, ttl, options) => call('increment', key, ttl, options),
    async * scan (prefix) {
      yield * await call<StoreEntry[]>('scan', prefix)
    },
    ping: () => call('ping'),
    async close () {
      if (child.connected) await call('close')
      await exited
    },
    race: (race) => call('race', race),
    flood () {
      const acknowledged: string[] = []
      let rest = ''
      child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
        const lines = (rest + chunk).split('\n')
        rest = lines.pop() ?? ''
        acknowledged.push(...lines)
      })
      call('flood').catch(() => {}) // it ends by being killed
      return { acknowledged }
    },
    block: (milliseconds) => call('block', milliseconds),
    kill
  }
}

/** Runs a module to its end, from the root of the repository, with `tool` (a tracer) in front if there is one. */
export async function runNode (source: string, tool: string[] = []): Promise<{ code: number | null, output: string }> {
  const [command = '', ...rest] = [...tool, process.execPath, ...process.execArgv, '--input-type=module', '--eval', source]
  const child = spawn(command, rest, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (chunk: string) => { output += chunk })
  const [code] = await once(child, 'close')
  return { code, output }
}

/** Whether a tool of the system can be run. */
export function isInstalled (tool: string): boolean {
  return spawnSync(tool, ['--version'], { stdio: 'ignore' }).status === 0
}

/**
 * Runs a function on the tables of a store, in a process that knows nothing of our code. Not in this
 * one: to open an environment that is open blocks, for ever if a write is under way.
 *
 * @param act The body of a function over `values`, `counters`, their `…Ends`, and `fast` counters. What it returns is JSON.
 */
export async function inspect (path: string, act: string): Promise<never> {
  const program = `
    const { open } = require('lmdb')
    const binary = { encoding: 'binary', keyEncoding: 'binary' }
    const main = open(${JSON.stringify(path)}, { overlappingSync: false, noSubdir: false })
    const unflushed = open(${JSON.stringify(join(path, 'counters'))}, { noSync: true, noSubdir: false })
    const [values, valuesEnds, counters, countersEnds] = ['values', 'values-ends', 'counters', 'counters-ends'].map((name) => main.openDB(name, binary))
    const fast = unflushed.openDB('counters', binary)
    const size = (table) => table.getKeysCount({ start: Buffer.of(0) })
    main.transaction(() => { ${act} }).then(async (result) => {
      console.log(JSON.stringify(result ?? null))
      await Promise.all([main.close(), unflushed.close()])
    })
  `
  const child = spawn(process.execPath, ['--eval', program], { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => { output += chunk })
  await once(child, 'close')
  return JSON.parse(output) as never // whatever the test asked for
}

/** A folder that is gone when the test is over. */
export function temporaryFolder (t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'store-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}
