/** The examples as their users run them: built, in processes of their own, over HTTP. `npm test` builds them first. */
import { type ChildProcess, spawn, type SpawnOptions } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type Test } from 'tap'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))

export const SERVER = join(ROOT, 'dist/examples/server.js')

export const CLI = join(ROOT, 'dist/lib/cli/main.js')

/** Seconds that anything may take before the test is red: much more than it needs. */
const PATIENCE = 30

/** A program that runs, and all that it has written so far. */
export interface Program {
  process: ChildProcess
  stdout: () => string
  stderr: () => string
  /** Both, in no order between the two. */
  output: () => string
  /** The exit code, once it has ended and all that it wrote is here; `null` after a signal. */
  ended: Promise<number | null>
  /** As SIGKILL, at once and for sure. */
  kill (): Promise<void>
}

export interface ExampleServer extends Program {
  url: string
  dataDir: string
  /** As SIGTERM, and waits for the end. */
  stop (): Promise<number | null>
}

export interface ProgramOptions {
  /** Nothing of this process's own environment is passed on but the paths. */
  env?: Record<string, string>
  umask?: number
  stdin?: string
}

/** For tap: what was built is not what is to be covered. */
const NOT_COVERED = { _TAPJS_PROCESSINFO_COVERAGE_: '0' }

/** Starts a program in the root of the package. It is gone when the test is over. */
export function startProgram (t: Test, command: string, args: readonly string[], { env = {}, umask, stdin }: ProgramOptions = {}): Program {
  const { PATH = '', HOME = '' } = process.env
  const options: SpawnOptions = { cwd: ROOT, env: { PATH, HOME, ...NOT_COVERED, ...env }, stdio: [stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'] }
  const before = umask === undefined ? undefined : process.umask(umask)
  const child = spawn(command, args, options)
  if (before !== undefined) process.umask(before)
  child.stdin?.end(stdin)

  const written = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) child[name]?.setEncoding('utf8').on('data', (text: string) => { written[name] += text })
  const ended = once(child, 'close').then(([code]) => code as number | null)
  const kill = async () => {
    child.kill('SIGKILL')
    await ended
  }
  t.teardown(kill)
  return { process: child, stdout: () => written.stdout, stderr: () => written.stderr, output: () => written.stdout + written.stderr, ended, kill }
}

/** Runs a program to its end. */
export async function run (t: Test, command: string, args: readonly string[], options: ProgramOptions = {}): Promise<{ code: number | null, stdout: string, stderr: string }> {
  const program = startProgram(t, command, args, options)
  const code = await program.ended
  return { code, stdout: program.stdout(), stderr: program.stderr() }
}

/** `fastify-doc-tokens api-keys` on a data folder. What it printed as JSON. */
export async function apiKeys (t: Test, dataDir: string, ...args: string[]): Promise<unknown> {
  return await command(t, dataDir, 'api-keys', ...args)
}

/** `fastify-doc-tokens` on a data folder. What it printed as JSON. */
export async function command (t: Test, dataDir: string, ...args: string[]): Promise<unknown> {
  const { code, stdout, stderr } = await run(t, process.execPath, [CLI, ...args, '--data-dir', dataDir, '--json'])
  if (code !== 0) throw new Error(`the program ended with ${code}: ${stderr}`)
  return JSON.parse(stdout)
}

/** What identifies a client. */
export interface ExampleClient {
  id: string
  secret: string
}

export interface ServerOptions {
  /** Default is a new folder. */
  dataDir?: string
  env?: Record<string, string>
  umask?: number
}

/** Starts the example server on a free port of the loopback, and waits until it listens. */
export async function startServer (t: Test, { dataDir = newDataDir(t), env = {}, ...options }: ServerOptions = {}): Promise<ExampleServer> {
  const program = startProgram(t, process.execPath, [SERVER], { env: { PORT: '0', DATA_DIR: dataDir, ...env }, ...options })
  const url = await until(() => {
    if (program.process.exitCode !== null) throw new Error(`the server ended: ${program.output()}`)
    return /"msg":"Server listening at (http:[^"]+)"/.exec(program.stdout())?.[1]
  })
  const stop = async () => {
    program.process.kill('SIGTERM')
    return await program.ended
  }
  return { ...program, url, dataDir, stop }
}

/** A folder that is not there yet, in one that is gone when the test is over. */
export function newDataDir (t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'example-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, 'data')
}

/** How the notice of a first start ends. */
export const LAST_COMMAND = '/v2.0/viewer/formats -H "Authorization: Bearer $ACCESS"\n\n'

/** What a first start had to say, where there is no terminal. */
export async function firstNotice (dataDir: string): Promise<string> {
  return await until(() => {
    try {
      const text = readFileSync(join(dataDir, 'first-start.txt'), 'utf8')
      return text.endsWith(LAST_COMMAND) && text
    } catch {
      return undefined
    }
  })
}

/** The API key of the first start. */
export async function firstKey ({ dataDir }: { dataDir: string }): Promise<string> {
  const key = findKey(await firstNotice(dataDir))
  if (key === undefined) throw new Error('the notice holds no key')
  return key
}

export function findKey (text: string): string | undefined {
  return /\bfdt_key_[\w-]{66}(?![\w-])/.exec(text)?.[0]
}

/** The client of the first start. */
export async function firstClient ({ dataDir }: { dataDir: string }): Promise<ExampleClient> {
  return findClient(await firstNotice(dataDir))
}

/** A client whose secret stands in a text. */
export function findClient (text: string): ExampleClient {
  const [secret, id] = /\bfdt_client_([a-z0-9]{16})_[\w-]{49}(?![\w-])/.exec(text) ?? []
  if (secret === undefined || id === undefined) throw new Error('the text holds no client')
  return { id, secret }
}

/** Asks again and again until there is an answer. */
export async function until<Answer> (ask: () => Promise<Answer | undefined | false> | Answer | undefined | false): Promise<Answer> {
  const end = Date.now() + PATIENCE * 1000
  for (;;) {
    const answer = await ask()
    if (answer !== undefined && answer !== false) return answer
    if (Date.now() > end) throw new Error(`not so after ${PATIENCE} seconds: ${ask}`)
    await sleep(20)
  }
}

/** A port that nobody has. Somebody else may take it before it is used, so only where port 0 will not do. */
export async function freePort (): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address !== null ? address.port : 0
}

/** Whether a tool of the system can be run. Where tests count, it must be there: nothing is skipped in CI. */
export function hasTool (name: string): boolean {
  return process.env['CI'] === 'true' || process.env['CI'] === '1' || (process.env['PATH'] ?? '').split(':').some((folder) => exists(join(folder, name)))
}

function exists (file: string): boolean {
  try {
    readFileSync(file)
    return true
  } catch {
    return false
  }
}
