/** Stores in processes of their own, and programs that run to their end. */
import { type ChildProcess, fork, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Test } from 'tap'
import typescript from 'typescript'
import { type StoreEntry, type TokenStore } from '../../lib/stores/token-store.ts'
import { type Call, type Race, type StoreProcessOptions } from './store-messages.ts'

/** A store in another process, by message. */
export interface StoreProcess extends TokenStore {
  process: ChildProcess
  race (race: Race): Promise<unknown[]>
  /** Lets it write for ever. `acknowledged` grows. */
  flood (): { acknowledged: string[] }
  /** Lets it stop in the middle of a write, with the lock in its hands. */
  hold (milliseconds: number): Promise<void>
  /** As SIGKILL, at once and for sure. */
  kill (): Promise<void>
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/**
 * Makes JavaScript of what the processes need, in a folder that is gone when this process ends: they
 * start in a fraction of the time that the loader of the tests takes, and no build has to be there.
 */
const built = (() => {
  const folder = mkdtempSync(join(tmpdir(), 'store-build-'))
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  const compilerOptions = { module: typescript.ModuleKind.ESNext, target: typescript.ScriptTarget.ES2023, verbatimModuleSyntax: true, rewriteRelativeImportExtensions: true }
  const sources = ['lib/errors.ts', ...readdirSync(join(ROOT, 'lib/stores')).filter((name) => name.endsWith('.ts')).map((name) => `lib/stores/${name}`), 'test/support/store-messages.ts', 'test/support/store-process.ts']
  for (const source of sources) {
    const target = join(folder, source.replace(/\.ts$/, '.js'))
    mkdirSync(dirname(target), { recursive: true })
    writeFileSync(target, typescript.transpileModule(readFileSync(join(ROOT, source), 'utf8'), { compilerOptions }).outputText)
  }
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  return folder
})()

// Without the options that the test runner puts into every process below it.
const ENVIRONMENT = { ...process.env, NODE_OPTIONS: '' }

/** Starts a process that opens the store of a folder. It is gone when the test is over. */
export async function startStore (t: Test, options: StoreProcessOptions): Promise<StoreProcess> {
  const child = fork(join(built, 'test/support/store-process.js'), [JSON.stringify(options)], { execArgv: [], env: ENVIRONMENT, serialization: 'advanced', stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
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
    hold: (milliseconds) => call('hold', milliseconds),
    kill
  }
}

/** Runs a module to its end, with `tool` (a tracer) in front if there is one. It finds `./lib/stores/*.js` and `./lib/errors.js`. */
export async function runNode (source: string, tool: string[] = []): Promise<{ code: number | null, output: string }> {
  const [command = '', ...rest] = [...tool, process.execPath, '--input-type=module', '--eval', source]
  const child = spawn(command, rest, { cwd: built, env: ENVIRONMENT, stdio: ['ignore', 'pipe', 'pipe'] })
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
  const child = spawn(process.execPath, ['--input-type=commonjs', '--eval', program], { cwd: built, env: ENVIRONMENT, stdio: ['ignore', 'pipe', 'inherit'] })
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
