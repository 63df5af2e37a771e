/** A client of the example server. */
import { once } from 'node:events'
import { request } from 'node:http'
import { connect } from 'node:net'
import { text as readText } from 'node:stream/consumers'
import { type ExampleClient } from './example-server.ts'

/** An answer, read to its end. */
export interface Answer {
  status: number
  headers: Headers
  bytes: Buffer
  text: string
  /** The body, where it is JSON. */
  body: unknown
}

export interface CallOptions {
  method?: string
  headers?: Record<string, string>
  /** Sent as `Authorization: Bearer`: an API key or a session. */
  bearer?: string
  /** Sent as JSON; a string as it is. */
  body?: unknown
  /** Sent as a form. */
  form?: Record<string, string>
  /**
   * Bytes of a JSON body that is announced and never sent, which is enough to be told that it is too large. Who sends
   * it may be cut off before the answer is read.
   */
  announced?: number
}

export async function call (url: string, options: CallOptions = {}): Promise<Answer> {
  const { method = 'GET', headers = {}, bearer, body, form, announced } = options
  if (announced !== undefined) return await announce(url, announced, options)
  const reply = await fetch(url, {
    method,
    redirect: 'manual',
    headers: {
      ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers
    },
    // It tells its type by itself.
    ...(form !== undefined && { body: new URLSearchParams(form) }),
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) })
  })
  const bytes = Buffer.from(await reply.arrayBuffer())
  const text = bytes.toString()
  const isJson = reply.headers.get('content-type')?.startsWith('application/json') === true
  return { status: reply.status, headers: reply.headers, bytes, text, body: isJson && text !== '' ? JSON.parse(text) : undefined }
}

async function announce (url: string, length: number, { method = 'POST', headers = {}, bearer }: CallOptions): Promise<Answer> {
  const sent = request(url, {
    method,
    headers: { 'content-type': 'application/json', 'content-length': length, ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }), ...headers }
  })
  sent.flushHeaders()
  const [reply] = await once(sent, 'response')
  const text = await readText(reply)
  sent.destroy()
  return { status: reply.statusCode, headers: new Headers(reply.headers), bytes: Buffer.from(text), text, body: JSON.parse(text) }
}

/** Sends bytes as they are, and returns what comes back. */
export async function sendRaw (url: string, bytes: string): Promise<string> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  await once(socket, 'connect')
  socket.end(bytes)
  return await readText(socket)
}

/** Permissions by document. */
export type Documents = Record<string, string[]>

/** The token of a new session. */
export async function issue (url: string, key: string, documents: Documents, members: object = {}, headers: Record<string, string> = {}): Promise<string> {
  const allowed = Object.entries(documents).map(([id, permissions]) => ({ document_id: id, document_permissions: permissions }))
  const { status, text, body } = await call(`${url}/viewer/sessions`, { method: 'POST', bearer: key, headers, body: { allowed_documents: allowed, ...members } })
  if (status !== 201) throw new Error(`no session: ${status} ${text}`)
  return (body as { jwt: string }).jwt // what 201 means
}

export async function revoke (url: string, key: string, body: { jwt: string } | { user_id: string }, headers: Record<string, string> = {}): Promise<Answer> {
  return await call(`${url}/viewer/sessions/revoke`, { method: 'POST', bearer: key, headers, body })
}

/** What identifies a client, in a form. */
export function formOf ({ id, secret }: ExampleClient): Record<string, string> {
  return { client_id: id, client_secret: secret }
}

/** A new access token. */
export async function getToken (url: string, client: ExampleClient, form: Record<string, string> = {}, headers: Record<string, string> = {}): Promise<string> {
  const { status, text, body } = await call(`${url}/connect/token`, { method: 'POST', headers, form: { grant_type: 'client_credentials', ...formOf(client), ...form } })
  if (status !== 200) throw new Error(`no access token: ${status} ${text}`)
  return (body as { access_token: string }).access_token // what 200 means
}

/** `GET /documents/<path>` with a session. */
export async function read (url: string, token: string, path = 'contract'): Promise<Answer> {
  return await call(`${url}/documents/${path}`, { bearer: token })
}

/** `GET /documents` with an API key. */
export async function list (url: string, key: string): Promise<Answer> {
  return await call(`${url}/documents`, { bearer: key })
}

export function headerOf (token: string): Record<string, unknown> {
  return partOf(token, 0)
}

export function claimsOf (token: string): Record<string, unknown> {
  return partOf(token, 1)
}

function partOf (token: string, index: number): Record<string, unknown> {
  return JSON.parse(Buffer.from(String(token.split('.')[index]), 'base64url').toString())
}
