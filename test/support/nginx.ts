/** A real nginx with the configuration of the recipe, and clients that come to it from wherever they like. */
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type IncomingHttpHeaders, type IncomingMessage, request, type RequestOptions } from 'node:http'
import { connect, isIPv6 } from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { type Test } from 'tap'
import { freePort, hasTool, type Program, ROOT, startProgram, until } from './example-server.ts'

export const RECIPE = readFileSync(join(ROOT, 'examples/behind-nginx/nginx.conf'), 'utf8')

/** `false`, or what a machine without nginx has to install. */
export const skipWithoutNginx = hasTool('nginx') ? false : 'there is no nginx in the path: apt-get install nginx'

const hasVersion6 = Object.values(networkInterfaces()).some((addresses) => addresses?.some(({ address }) => address === '::1'))

/** `false`, or what is missing. */
export const skipWithoutVersion6 = hasVersion6 ? skipWithoutNginx : 'this machine has no address of version 6'

export interface Nginx extends Program {
  url: string
  /** The same server on `[::1]`, where the machine has that. */
  url6: string
  /** Where a client says by the PROXY protocol which address it comes from: see {@link send} and {@link clientAt}. */
  claimPort: number
  /** All that nginx wrote: its logs, and the bodies that did not stay in memory. */
  written (): string
  /** Names of files and folders below those for bodies. */
  bodyFiles (): string[]
}

/** What is around the recipe: one process that stays in the foreground, and writes to its folder alone, whoever runs it. */
const outer = (folder: string, http: string): string => `
daemon off;
master_process off;
pid ${folder}/nginx.pid;
error_log stderr;
events { worker_connections 512; }
http {
  access_log off;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${folder}/bodies/${kind} 1 2;`).join('\n  ')}
  ${http}
  include ${folder}/recipe.conf;
}
`

/** Runs nginx in place of the shell, and ends it when the test that it is told is no more: a test that is killed tears nothing down. */
const SCRIPT = `
(while kill -0 "$0"; do kill -0 $$ || exit; sleep 1; done; kill -KILL $$) >/dev/null 2>&1 &
exec nginx -p "$1" -c "$1/nginx.conf"
`

export interface NginxOptions {
  /** Port of the host on 127.0.0.1. */
  upstream: number
  /** Directives of somebody else's around the recipe. `$folder` is a folder for them. */
  http?: string
  /** Changes to the recipe: what stands there, and what comes in its place. */
  changes?: Record<string, string>
}

/** Starts nginx on free ports of the loopback. It is gone, with its folder, when the test is over. */
export async function startNginx (t: Test, options: NginxOptions): Promise<Nginx> {
  for (let tries = 1; ; tries++) {
    const started = await tryToStart(t, options)
    // Somebody else was quicker to take one of the ports.
    if (typeof started === 'string' && tries < 5 && /Address already in use/.test(started)) continue
    if (typeof started === 'string') throw new Error(`nginx does not start: ${started}`)
    return started
  }
}

async function tryToStart (t: Test, { upstream, http = '', changes = {} }: NginxOptions): Promise<Nginx | string> {
  const folder = mkdtempSync(join(tmpdir(), 'nginx-'))
  mkdirSync(join(folder, 'bodies'))
  const [port, port6, claimPort] = [await freePort(), await freePort(), await freePort()]
  writeFileSync(join(folder, 'nginx.conf'), outer(folder, http.replaceAll('$folder', folder)))
  writeFileSync(join(folder, 'recipe.conf'), replaceAll(RECIPE, {
    'server 127.0.0.1:3000;': `server 127.0.0.1:${upstream};`,
    'listen 80;': `listen 127.0.0.1:${port}; listen 127.0.0.1:${claimPort} proxy_protocol; set_real_ip_from 127.0.0.1; real_ip_header proxy_protocol;`,
    'listen [::]:80;': hasVersion6 ? `listen [::1]:${port6};` : '',
    '/var/log/nginx/': `${folder}/`,
    ...changes
  }))

  const program = startProgram(t, 'sh', ['-c', SCRIPT, String(process.pid), folder])
  t.teardown(async () => {
    await program.kill()
    rmSync(folder, { recursive: true, force: true })
  })
  const isUp = await until(async () => program.process.exitCode !== null ? 'no' : await answers(claimPort) && 'yes')
  if (isUp === 'no') return program.output()

  return {
    ...program,
    url: `http://127.0.0.1:${port}`,
    url6: `http://[::1]:${port6}`,
    claimPort,
    written: () => program.output() + readdirSync(folder).filter((name) => name.endsWith('.log')).map((name) => readFileSync(join(folder, name), 'latin1')).join(''),
    bodyFiles: () => readdirSync(join(folder, 'bodies'), { recursive: true }).map(String).filter((name) => name.includes('/'))
  }
}

/** The recipe would be another one if a part that has to be replaced were not there. */
function replaceAll (text: string, changes: Record<string, string>): string {
  return Object.entries(changes).reduce((changed, [from, to]) => {
    if (!changed.includes(from)) throw new Error(`the recipe does not have: ${from}`)
    return changed.replaceAll(from, to)
  }, text)
}

async function answers (port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  return await once(socket, 'connect').then(() => true, () => false).finally(() => socket.destroy())
}

/** The first line on the connection of a client that comes from `address`. */
export function claim (address: string): string {
  return isIPv6(address) ? `PROXY TCP6 ${address} ::1 50000 80\r\n` : `PROXY TCP4 ${address} 127.0.0.1 50000 80\r\n`
}

/** Options for `node:http` of a client at `address`, with a connection of its own. */
export function clientAt ({ claimPort }: Nginx, address: string): RequestOptions {
  return {
    createConnection: () => {
      const socket = connect(claimPort, '127.0.0.1')
      socket.write(claim(address))
      return socket
    }
  }
}

/** An answer, read to its end. */
export interface Reply {
  status: number | undefined
  headers: IncomingHttpHeaders
  text: string
  /** The body, where it is JSON. */
  body: unknown
}

export interface Sent {
  /** The address of the client. */
  from: string
  method?: string
  path?: string
  /** A list is as many lines. */
  headers?: Record<string, string | string[]>
  body?: string
}

/** Sends a request on a connection of its own. */
export async function send (nginx: Nginx, { from, method = 'GET', path = '/', headers = {}, body }: Sent): Promise<Reply> {
  const sent = request({ ...clientAt(nginx, from), method, path, headers: { host: 'tokens.example.com', ...(body !== undefined && { 'content-length': String(Buffer.byteLength(body)) }), ...headers } })
  const replied = once(sent, 'response')
  sent.end(body)
  const [reply] = await replied as [IncomingMessage]
  return await readReply(reply)
}

export async function readReply (reply: IncomingMessage): Promise<Reply> {
  const { statusCode: status, headers } = reply
  const all = await text(reply)
  const isJson = headers['content-type']?.startsWith('application/json') === true
  return { status, headers, text: all, body: isJson && all !== '' ? JSON.parse(all) : undefined }
}
