/** A real Redis in a process and a folder of its own. */
import { execFile, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { type Test } from 'tap'
import { hasTool, type Program, startProgram, until } from './example-server.ts'
import { makeCertificates } from './redis-certificates.ts'
import { quietPort } from './redis-ports.ts'

const HOST = '127.0.0.1'

const SERVER = 'redis-server'

/** Milliseconds that redis-cli gets for a command. */
const PATIENCE = 3_000

const missing = [SERVER, 'redis-cli', 'openssl'].find((tool) => !hasTool(tool))

/** The bus of a Cluster can have any port since version 7, and `PEXPIRETIME` is there since then. */
const isOld = () => !(Number(/ v=(\d+)/.exec(String(spawnSync(SERVER, ['--version']).stdout))?.[1]) >= 7)

/** `false`, or what a machine without Redis has to install. */
export const skipWithoutRedis = missing !== undefined
  ? `there is no ${missing} in the path: apt-get install redis openssl`
  : process.env['CI'] === undefined && isOld() && `the ${SERVER} in the path is older than 7.0`

export interface RedisServer {
  host: typeof HOST
  port: number
  /** `redis://…`, or `rediss://…` with TLS. */
  url: string
  /** Where its data is. */
  folder: string
  /** What to trust, as PEM; empty without TLS. */
  ca: string
  /** Another one after each restart. */
  readonly pid: number
  /** Neither killed nor stopped. */
  readonly isRunning: boolean
  /** As SIGKILL, and waits until it is dead. */
  kill (): Promise<void>
  /** Starts it again (kills it first, if it runs) with the same port, arguments and folder. What CONFIG SET or REPLICAOF said is forgotten. */
  restart (): Promise<void>
  /** As SIGSTOP: connections stay, the system even takes new ones, and nothing answers. */
  stop (): void
  /** As SIGCONT. */
  go (): void
  /** What redis-cli prints. Rejects when Redis answers an error, and when there is no answer in 3 seconds. Options of redis-cli may come first. */
  cli (...args: string[]): Promise<string>
  /**
   * Every byte of its folder: the log of commands as it is, then with what SAVE and BGREWRITEAOF make of it. Not
   * compressed, so that a text that was stored is in there; a value that is a small whole number is stored as one.
   */
  written (): Promise<Buffer>
}

export interface RedisOptions {
  /** Behind the default ones, which they may change: `['--maxmemory', '3mb']`. */
  args?: string[]
  /** With a new certificate for `localhost` and `127.0.0.1`, or for another host. Default is without. */
  tls?: 'right name' | 'wrong name'
  /** Default is a free one. */
  port?: number
  /** Stays when the test is over. Default is a new one, which does not. */
  folder?: string
}

/** Starts a Redis that has written what it acknowledges. It is gone when the test is over. */
export async function startRedis (t: Test, { args = [], ...options }: RedisOptions = {}): Promise<RedisServer> {
  return await startServer(t, () => [...DURABLE, ...args], options)
}

/** Every answer to a write comes after its fsync. */
const DURABLE = ['--appendonly', 'yes', '--appendfsync', 'always', '--save', '', '--rdbcompression', 'no', '--protected-mode', 'yes']

/** For a server that others follow: a replica is in sync at once. */
export const FOLLOWED = [...DURABLE, '--repl-diskless-sync-delay', '0', '--repl-ping-replica-period', '1']

/** Runs Redis in place of the shell. Ends it, and removes its place, when the test that it is told is no more: a test that is killed tears nothing down. */
const SCRIPT = `
(while kill -0 "$0"; do kill -0 $$ || exit; sleep 1; done; kill -KILL $$; rm -rf "$1") >/dev/null 2>&1 &
shift
exec redis-server "$@"
`

/** How a Redis, and how a Sentinel, says that it takes commands. */
const READY = /Ready to accept connections|Sentinel ID is/

/**
 * Starts `redis-server` on the loopback.
 *
 * @param argsFor What it is told but for address, port and folder. Asked again when somebody else was quicker to take a port.
 */
export async function startServer (t: Test, argsFor: (folder: string) => Promise<string[]> | string[], { tls, port: wanted, folder: given }: Omit<RedisOptions, 'args'> = {}): Promise<RedisServer> {
  const place = mkdtempSync(join(tmpdir(), 'redis-'))
  t.teardown(() => rm(place, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }))
  const folder = given ?? join(place, 'data')
  mkdirSync(folder, { recursive: true })
  const certificates = tls === undefined ? undefined : await makeCertificates(place, tls)

  const start = async (args: string[]): Promise<Program> => {
    const program = startProgram(t, 'sh', ['-c', SCRIPT, String(process.pid), place, ...args])
    await until(() => READY.test(program.stdout()) || hasEnded(program))
    return program
  }
  const startAt = async (port: number): Promise<{ port: number, args: string[], program: Program }> => {
    const ports = certificates === undefined ? ['--port', String(port)] : ['--port', '0', '--tls-port', String(port), ...certificates.args]
    const args = [...await argsFor(folder), '--bind', HOST, '--dir', folder, ...ports]
    return { port, args, program: await start(args) }
  }
  const { port, args, program } = await retry(async () => await startAt(wanted ?? await quietPort()), ({ program }) => program)
  let current = program
  let isStopped = false
  t.teardown(() => current.kill())

  const options = ['-e', '-h', HOST, '-p', String(port), ...(certificates === undefined ? [] : ['--tls', '--cacert', certificates.caFile])]
  const cli = async (...args: string[]): Promise<string> => {
    const { stdout } = await promisify(execFile)('redis-cli', [...options, ...args], { timeout: PATIENCE, killSignal: 'SIGKILL', maxBuffer: 2 ** 28 })
    return stdout.replace(/\n$/, '')
  }

  return {
    host: HOST,
    port,
    url: `${certificates === undefined ? 'redis' : 'rediss'}://${HOST}:${port}`,
    folder,
    ca: certificates?.ca ?? '',
    get pid () {
      return Number(current.process.pid)
    },
    get isRunning () {
      return !isStopped && !hasEnded(current)
    },
    kill: () => current.kill(),
    restart: async () => {
      await current.kill()
      current = await retry(() => start(args), (program) => program)
      isStopped = false
    },
    stop: () => { isStopped = current.process.kill('SIGSTOP') },
    go: () => { isStopped = !current.process.kill('SIGCONT') },
    cli,
    written: async () => {
      const before = readAll(folder)
      await cli('SAVE')
      await cli('BGREWRITEAOF')
      await until(async () => /aof_rewrite_in_progress:0\r?\naof_rewrite_scheduled:0/.test(await cli('INFO', 'persistence')))
      return Buffer.concat([before, readAll(folder)])
    }
  }
}

/** Starts anew while a port is somebody else's. */
async function retry<Started> (start: () => Promise<Started>, programOf: (started: Started) => Program): Promise<Started> {
  for (let tries = 1; ; tries++) {
    const started = await start()
    const program = programOf(started)
    if (!hasEnded(program)) return started
    if (tries === 10 || !/Address already in use|Failed listening/.test(program.output())) throw new Error(`Redis does not start: ${program.output()}`)
    await sleep(20 * tries)
  }
}

/** Asks redis-cli until it is so: not so often that those who are asked get no processor. Who gives no answer is asked again. */
export async function untilSo<Answer> (ask: () => Promise<Answer | undefined | false>): Promise<Answer> {
  return await until(async () => await ask().catch(() => undefined) || await sleep(80, undefined))
}

function hasEnded ({ process: { exitCode, signalCode } }: Program): boolean {
  return exitCode !== null || signalCode !== null
}

function readAll (folder: string): Buffer {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  return Buffer.concat(files.map(({ parentPath, name }) => readFileSync(join(parentPath, name))))
}
