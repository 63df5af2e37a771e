/** Clients of hosts, who know what they may get. */
import { type FaultHost } from './fault-hosts.ts'
import { startLagMeter } from './lag-meter.ts'

/** Milliseconds within which there is an answer, whatever happens. */
const PATIENCE = 1_000

/** What tokens are called at the routes of their flow. */
const FLOWS = {
  opaque: { issue: '/generate', body: '{"file":"confidential-file","server":"https://files.internal.example"}', member: 'token', issued: 200, path: '/verify', refused: 403 },
  session: { issue: '/viewer/sessions', body: '{"allowed_documents":[{"document_id":"a","document_permissions":["read"]}]}', member: 'jwt', issued: 201, path: '/documents/a', refused: 401 }
} as const

/** A token, and what is known of it. */
export interface Held {
  flow: keyof typeof FLOWS
  token: string
  accessor: string
  /** Milliseconds since the Unix epoch. */
  expiresAt: number
  maxUses: number
  /** The store has promised to keep it. */
  isSure: boolean
  /** Somebody asked for its end; that was acknowledged. */
  isEnding: boolean
  isEnded: boolean
  /** Verifications: all, those that were answered 200, those that nobody knows of, those that have no answer yet. */
  tries: number
  uses: number
  doubtful: number
  underWay: number
}

export interface Reply {
  status: number
  body: string
}

export interface Clients {
  /** What must never happen and did. */
  faults: string[]
  /** How many answers there were of each status. */
  counts: Record<number, number>
  /** All tokens there ever were. */
  held: Held[]
  /** Whether what Redis acknowledges now is kept: else new tokens may be lost, and without `doesKeep` uses and revocations too. */
  setTrust (isTrusted: boolean): void
  /** `undefined` is an outage. */
  issue (host: number, options?: { flow?: Held['flow'], query?: string }): Promise<Held | undefined>
  verify (host: number, held: Held): Promise<Reply>
  revoke (host: number, held: Held): Promise<Reply>
  close (): void
}

/**
 * Judges every answer as it comes.
 *
 * @param doesKeep Whether uses and revocations that were acknowledged survive a failover.
 */
export function openClients (hosts: readonly FaultHost[], apiKey: string, doesKeep = true): Clients {
  const lag = startLagMeter()
  const faults: string[] = []
  const counts: Record<number, number> = {}
  const held: Held[] = []
  let isTrusted = true

  async function ask (host: number, path: string, init: RequestInit): Promise<Reply> {
    const start = performance.now()
    const response = await fetch(new URL(path, hosts[host]?.url), init)
    const body = await response.text()
    const { status, headers } = response
    const time = performance.now() - start - lag.since(start)
    if (time > PATIENCE) faults.push(`${path} was answered ${status} after ${Math.round(time)} ms`)
    if (status === 503 && !(headers.get('retry-after') === '1' && body.includes('"FDT_STORE_UNAVAILABLE"'))) faults.push(`503 without more: ${body}`)
    counts[status] = (counts[status] ?? 0) + 1
    return { status, body }
  }
  const post = (host: number, path: string, body: string, headers: Record<string, string> = {}) =>
    ask(host, path, { method: 'POST', body, headers: { 'x-api-key': apiKey, 'content-type': 'application/json', ...headers } })

  async function issue (host: number, { flow = 'opaque', query = '' }: { flow?: Held['flow'], query?: string } = {}): Promise<Held | undefined> {
    const { issue: path, body, member, issued } = FLOWS[flow]
    const reply = await post(host, path + query, body)
    const content = JSON.parse(reply.body)
    if (reply.status !== issued) {
      if (reply.status !== 503 || member in content) faults.push(`${path} was answered ${reply.status} ${reply.body}`)
      return undefined
    }
    const token: Held = {
      flow,
      token: content[member],
      accessor: content.accessor ?? '',
      expiresAt: (content.expiration_time ?? Infinity) * 1000,
      maxUses: Number(/max_uses=(\d+)/.exec(query)?.[1] ?? Infinity),
      isSure: isTrusted || flow === 'session',
      isEnding: false,
      isEnded: false,
      tries: 0,
      uses: 0,
      doubtful: 0,
      underWay: 0
    }
    held.push(token)
    return token
  }

  async function verify (host: number, held: Held): Promise<Reply> {
    const { path, refused } = FLOWS[held.flow]
    const isOver = held.isEnded || Date.now() >= held.expiresAt
    held.tries++
    held.underWay++
    const reply = await ask(host, path, { headers: held.flow === 'opaque' ? { 'x-api-token': held.token } : { authorization: `Bearer ${held.token}` } })
    held.underWay--
    const { status } = reply
    if (held.maxUses < Infinity && !isTrusted && !doesKeep) Object.assign(held, { maxUses: Infinity, isSure: false })
    if (status === 200) held.uses++
    if (status === 503) held.doubtful++
    const fault = (what: string) => faults.push(`${what}: ${JSON.stringify({ status, ...held, token: '' })}`)
    if (status === 200 && isOver) fault('accepted what is over')
    if (held.uses > held.maxUses) fault('accepted too often')
    const isExplained = !held.isSure || held.isEnding || Date.now() >= held.expiresAt || held.uses + held.doubtful + held.underWay >= held.maxUses
    if (status === refused && !isExplained) fault('called a good one wrong')
    if (status !== 200 && status !== 503 && status !== refused) fault('strange answer')
    return reply
  }

  async function revoke (host: number, held: Held): Promise<Reply> {
    held.isEnding = true
    const reply = held.flow === 'opaque'
      ? await post(host, '/revoke', '', { 'x-api-token': held.token })
      : await post(host, '/viewer/sessions/revoke', JSON.stringify({ jwt: held.token }))
    if (reply.status === 204 && (isTrusted || doesKeep)) held.isEnded = true
    return reply
  }

  return { faults, counts, held, issue, verify, revoke, setTrust: (value) => { isTrusted = value }, close: () => { lag.stop() } }
}
