/**
 * A document server, as far as a host gets to see one. It shares no code with what is tested: tokens are made and judged
 * here with node:crypto, the way the real one does.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import { type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { isDeepStrictEqual } from 'node:util'
import { type Test } from 'tap'

/** What it signs its own requests with, and what it takes from hosts. */
export interface DocumentServerOptions {
  inbox: string
  outbox?: string
  /** Default is a free one. */
  port?: number
}

/** A document that is open for somebody. */
export interface OpenDocument {
  key: string
  callbackUrl: string
  /** What the host had under the URL of the config. */
  file: Buffer
  mode: string
}

/** Members of a callback beside `key`. */
export interface CallbackMembers {
  status: number
  url?: string
  changesurl?: string
  history?: { changes: object[], serverVersion: string } | Record<never, never>
  users?: string[]
  [name: string]: unknown
}

/** Where a callback holds its token. */
export type Way = 'both' | 'body' | 'header'

export interface CallbackOptions {
  way?: Way
  /** Sent to, in place of what the document was opened with. */
  to?: string
  /** How often at most. The real server comes four times. */
  tries?: number
  /** Called between two tries. */
  between?: () => Promise<void> | void
}

/** What the host answered: each time, and in the end. `undefined` where there was no answer. */
export interface CallbackResult {
  statuses: Array<number | undefined>
  body: unknown
}

/** A file that the document server keeps for the host to download. */
export interface KeptFile {
  url: string
  /** How often it was asked for. */
  asked: () => number
}

export interface DocumentServer {
  url: string
  /**
   * What `new DocsAPI.DocEditor` comes to: judges the token of the config and downloads the document.
   *
   * @throws An error whose message begins with the code that the server closes a connection with.
   */
  open (config: object): Promise<OpenDocument>
  /** Asks the host for a file. */
  download (url: string, options?: { to?: string, token?: string }): Promise<{ status: number, headers: Headers, file: Buffer }>
  /** Keeps a file. The first `failures` that ask for it get an error. */
  keep (file: string | Buffer, options?: { failures?: number, name?: string, listener?: RequestListener }): KeptFile
  callback (document: Pick<OpenDocument, 'key' | 'callbackUrl'>, members: CallbackMembers, options?: CallbackOptions): Promise<CallbackResult>
  /** What the editor in a browser was given, call by call: see {@link API}. */
  given: Array<{ call: string, argument: unknown }>
  /** A token under the outbox secret. */
  sign (claims: object, options?: { secret?: string, iat?: number }): string
  /** What a token under the inbox secret holds. */
  judge (token: unknown): Record<string, unknown>
}

/** Characters of a header at which its payload is cut. */
const HEADER_LENGTH = 7168

/** Seconds. */
const LIFETIME = 300

export async function startDocumentServer (t: Test, { inbox, outbox = inbox, port = 0 }: DocumentServerOptions): Promise<DocumentServer> {
  const kept = new Map<string, RequestListener>()
  const given: DocumentServer['given'] = []

  const server = createServer((request, response) => {
    const path = String(request.url).replace(/\?.*/s, '')
    const file = kept.get(path)
    if (file !== undefined) return file(request, response)
    if (path === '/web-apps/apps/api/documents/api.js') return response.setHeader('content-type', 'text/javascript').end(API)
    if (path === '/editor.html') return response.setHeader('content-type', 'text/html').end(FRAME)
    if (path === '/given') return take(request).then(() => response.end())
    response.writeHead(404).end()
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  // A server that listens on a port has an address.
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  async function take (request: IncomingMessage): Promise<void> {
    given.push(JSON.parse(await text(request)))
  }

  const sign: DocumentServer['sign'] = (claims, { secret = outbox, iat = Math.floor(Date.now() / 1000) } = {}) => makeToken({ ...claims, iat, exp: iat + LIFETIME }, secret)

  const judge: DocumentServer['judge'] = (token) => {
    const [header = '', payload = '', signature = ''] = String(token).split('.')
    const expected = createHmac('sha256', inbox).update(`${header}.${payload}`).digest()
    const actual = Buffer.from(signature, 'base64url')
    if (inbox === '' || actual.length !== expected.length || !timingSafeEqual(actual, expected)) throw new Error('4006: bad token')
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString())
    if (claims.exp !== undefined && claims.exp + 60 < Date.now() / 1000) throw new Error('4005: expired')
    return claims
  }

  const download: DocumentServer['download'] = async (url, { to = url, token = sign({ payload: { url } }) } = {}) => {
    const reply = await fetch(to, { headers: { authorization: `Bearer ${token}` } })
    return { status: reply.status, headers: reply.headers, file: Buffer.from(await reply.arrayBuffer()) }
  }

  /** Less than the real one does: see lib/tokens/editor/verdict.ts. */
  async function open (config: object): Promise<OpenDocument> {
    const { token, document, editorConfig } = config as Config
    const claims = judge(token) as unknown as Config
    if (claims.document?.key === undefined || claims.document.url === undefined || claims.editorConfig?.callbackUrl === undefined) throw new Error('4006: token:')
    if (!isDeepStrictEqual(document?.permissions, claims.document.permissions)) throw new Error('4004: permissions')
    const { status, file } = await download(claims.document.url)
    if (status !== 200) throw new Error(`the host answered ${status}`)
    return { key: claims.document.key, callbackUrl: claims.editorConfig.callbackUrl, file, mode: String(editorConfig?.mode === 'view' ? 'view' : claims.editorConfig.mode) }
  }

  const keep: DocumentServer['keep'] = (file, { failures = 0, name = 'output.docx', listener } = {}) => {
    let asked = 0
    const path = `/cache/files/data/${kept.size}/${name}`
    kept.set(path, (request, response) => {
      asked++
      if (asked <= failures) return response.writeHead(500).end('busy')
      if (listener !== undefined) return listener(request, response)
      response.end(file)
    })
    return { url: `${url}${path}?md5=${kept.size}&expires=1&filename=${name}`, asked: () => asked }
  }

  const callback: DocumentServer['callback'] = async (document, members, { way = 'both', to = document.callbackUrl, tries = 4, between = () => {} } = {}) => {
    const statuses: CallbackResult['statuses'] = []
    for (;;) {
      const { body, headers } = message({ key: document.key, ...members }, way)
      const answer = await fetch(to, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) })
        .then(async (reply) => ({ status: reply.status, body: await reply.json() }))
        .catch(() => undefined)
      statuses.push(answer?.status)
      const isBusy = answer === undefined || answer.status === 429 || answer.status >= 500
      if (!isBusy || statuses.length === tries) return { statuses, body: answer?.body }
      await between()
    }
  }

  function message (claims: CallbackMembers & { key: string }, way: Way): { body: object, headers: Record<string, string> } {
    const body = way === 'header' ? claims : { ...claims, token: sign(claims) }
    if (way === 'body') return { body, headers: {} }
    const whole = `Bearer ${sign({ payload: claims })}`
    if (whole.length < HEADER_LENGTH) return { body, headers: { authorization: whole } }
    const { changesurl, ...rest } = { ...claims, history: {} }
    return { body, headers: { authorization: `Bearer ${sign({ payload: rest })}` } }
  }

  return { url, open, download, keep, callback, given, sign, judge }
}

interface Config {
  token?: string
  document?: { key?: string, url?: string, permissions?: object }
  editorConfig?: { callbackUrl?: string, mode?: string }
}

export function makeToken (claims: object, secret: string): string {
  const signingInput = [{ alg: 'HS256', typ: 'JWT' }, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
  return `${signingInput}.${createHmac('sha256', secret).update(signingInput).digest('base64url')}`
}

/**
 * What the host's page runs. The editor itself is a page of the document server in a frame. When it is open it asks for
 * the list of versions, then for each of them, and then to close the list; it tells the document server what it is given.
 */
const API = `
const server = new URL(document.currentScript.src).origin
const DocsAPI = {
  DocEditor: function (id, config) {
    const frame = document.createElement('iframe')
    frame.src = server + '/editor.html'
    const tell = (call, argument) => frame.contentWindow.postMessage({ call, argument: JSON.parse(JSON.stringify(argument)) }, server)
    this.refreshHistory = (argument) => tell('refreshHistory', argument)
    this.setHistoryData = (argument) => tell('setHistoryData', argument)
    frame.addEventListener('load', () => tell('DocEditor', config))
    addEventListener('message', ({ origin, data: { event, data } }) => {
      if (origin === server) config.events[event]?.({ data })
    })
    document.getElementById(id).replaceWith(frame)
  }
}
window.DocsAPI = DocsAPI
`

const FRAME = `<!doctype html>
<script>
const versions = []
addEventListener('message', async ({ data: { call, argument }, source, origin }) => {
  await fetch('/given', { method: 'POST', body: JSON.stringify({ call, argument }) })
  if (call === 'DocEditor') source.postMessage({ event: 'onRequestHistory' }, origin)
  if (call === 'refreshHistory') versions.push(...(argument.history ?? []).map(({ version }) => version))
  if (call !== 'DocEditor' && versions.length > 0) source.postMessage({ event: 'onRequestHistoryData', data: versions.shift() }, origin)
})
</script>
`
