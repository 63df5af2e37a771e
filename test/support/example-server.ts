/** The examples as their users run them: built, in processes of their own, over HTTP. `npm test` builds them first. */
import { type ChildProcess, spawn, type SpawnOptions } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type Test } from 'tap'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))

export const SERVER = join(ROOT, 'dist/examples/server.js')

export const CLI = join(ROOT, 'dist/lib/cli/main.js')

/** Seconds that anything may take before the test is red: much more than it needs. */
const PATIENCE = 30

/** A program that runs, and all that it has written. */
export interface Program {
  process: ChildProcess
  /** What came on standard output, and on standard error. */
  stdout: () => string
  stderr: () => string
  /** The exit code, once it has ended; `null` after a signal. */
  ended: Promise<number | null>
  /** As SIGKILL. */
  kill (): Promise<void>
}

export interface ExampleServer extends Program {
  url: string
  dataDir: string
  /** As SIGTERM, and waits for the end. */
  stop (): Promise<number | null>
}

export interface StartOptions {
  /** Default is a new folder. */
  dataDir?: string
  env?: Record<string, string>
  umask?: number
}

/** Starts a program with nothing of this process's environment but the paths. It is gone when the test is over. */
export function startProgram (t: Test, command: string, args: readonly string[], { env = {}, ...options }: SpawnOptions & { env?: Record<string, string> } = {}): Program {
  const { PATH = '', HOME = '' } = process.env
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], cwd: ROOT, ...options, env: { PATH, HOME, ...env } })
  const output = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) child[name]?.setEncoding('utf8').on('data', (text: string) => { output[name] += text })

  const ended = once(child, 'close').then(([code]) => code as number | null)
  const kill = async () => {
    child.kill('SIGKILL')
    await ended
  }
  t.teardown(kill)
  return { process: child, stdout: () => output.stdout, stderr: () => output.stderr, ended, kill }
}

/** Runs a program to its end. */
export async function run (t: Test, command: string, args: readonly string[], options: SpawnOptions & { env?: Record<string, string> } = {}): Promise<{ code: number | null, stdout: string, stderr: string }> {
  const program = startProgram(t, command, args, options)
  const code = await program.ended
  return { code, stdout: program.stdout(), stderr: program.stderr() }
}

/** `fastify-doc-tokens` on a data folder. With `--json` in front of nothing else: what it printed, read. */
export async function cli (t: Test, dataDir: string, ...args: string[]) {
  const { code, stdout, stderr } = await run(t, process.execPath, [CLI, ...args, '--data-dir', dataDir, '--json'])
  if (code !== 0) throw new Error(`the program ended with ${code}: ${stderr}`)
  return JSON.parse(stdout)
}

/** Starts the example server on a free port of the loopback, and waits until it listens and has done its first start. */
export async function startServer (t: Test, { dataDir = join(t.testdir({}), 'data'), env = {}, umask }: StartOptions = {}): Promise<ExampleServer> {
  const before = umask === undefined ? undefined : process.umask(umask)
  const program = startProgram(t, process.execPath, [SERVER], { env: { PORT: '0', DATA_DIR: dataDir, ...env } })
  if (before !== undefined) process.umask(before)

  const port = env['PORT'] ?? '0'
  const url = await until(async () => {
    if (program.process.exitCode !== null) throw new Error(`the server ended: ${program.stdout()}${program.stderr()}`)
    const found = port === '0' ? /"msg":"Server listening at (http:[^"]+)"/.exec(program.stdout())?.[1] : `http://127.0.0.1:${port}`
    return found !== undefined && await answers(`${found}/health/ready`) ? found : undefined
  })
  return {
    ...program,
    url,
    dataDir,
    stop: async () => {
      program.process.kill('SIGTERM')
      return await program.ended
    }
  }
}

/** The API key of the first start, which was written where there is no terminal. */
export async function firstKey ({ dataDir }: ExampleServer): Promise<string> {
  return await until(async () => findKey(await notice(dataDir)))
}

/** What the first start had to say. */
export async function notice (dataDir: string): Promise<string> {
  return await until(async () => {
    try {
      const text = readFileSync(join(dataDir, 'first-start.txt'), 'utf8')
      return text.endsWith('\n\n') || text.endsWith('$JWT"\n') ? text : undefined
    } catch {
      return undefined
    }
  })
}

export function findKey (text: string): string | undefined {
  return /\bfdt_key_[\w-]{66}(?![\w-])/.exec(text)?.[0]
}

/** Asks again and again until there is an answer. */
export async function until<Answer> (ask: () => Promise<Answer | undefined | false> | Answer | undefined | false): Promise<Answer> {
  const end = Date.now() + PATIENCE * 1000
  for (;;) {
    const answer = await ask()
    if (answer !== undefined && answer !== false) return answer
    if (Date.now() > end) throw new Error(`still not so after ${PATIENCE} seconds: ${ask}`)
    await sleep(20)
  }
}

async function answers (url: string): Promise<boolean> {
  try {
    const { ok } = await call(url)
    return ok
  } catch {
    return false
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

/** An answer, read to its end. */
export interface Answer {
  ok: boolean
  status: number
  headers: Headers
  bytes: Buffer
  text: string
  /** The body, read as JSON. It is what the test says it is. */
  json (): any // eslint-disable-line @typescript-eslint/no-explicit-any
}

export async function call (url: string, { key, body, ...init }: Omit<RequestInit, 'body'> & { key?: string | undefined, body?: unknown } = {}): Promise<Answer> {
  const headers = new Headers(init.headers)
  if (key !== undefined) headers.set('authorization', `Bearer ${key}`)
  if (body !== undefined && !headers.has('content-type')) headers.set('content-type', 'application/json')

  const reply = await fetch(url, { redirect: 'manual', ...init, headers, ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }) })
  const bytes = Buffer.from(await reply.arrayBuffer())
  const text = bytes.toString()
  return { ok: reply.ok, status: reply.status, headers: reply.headers, bytes, text, json: () => JSON.parse(text) }
}
