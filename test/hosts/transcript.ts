/** Answers as they are on the wire, to be compared byte by byte. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { type FastifyInstance } from 'fastify'
import { type Test } from 'tap'

export interface Exchange {
  /** Method and target, as in the request line. */
  send: string
  /** `{name}` stands for what `keep` took from an earlier answer. */
  headers?: Readonly<Record<string, string>>
  body?: string
  status: number
  /** Takes the first group of each pattern from the answer. */
  keep?: Readonly<Record<string, RegExp>>
}

/** What differs from run to run, each with what stands for it. */
const MASKS: ReadonlyArray<[RegExp, string]> = [
  [/^date: [^\r\n]+/gim, 'date: *'],
  [/^(x-ratelimit-reset|retry-after): \d+/gim, '$1: *'],
  [/\bsessionId=[^;\s]+/g, 'sessionId=*'],
  [/"token":"[^"]+"/g, '"token":"*"']
]

/** Listens, sends one request after the other, each over a connection of its own, and returns the answers. */
export async function transcribe (t: Test, app: FastifyInstance, exchanges: readonly Exchange[]): Promise<string[]> {
  t.teardown(() => app.close())
  const { port } = new URL(await app.listen({ host: '127.0.0.1', port: 0 }))

  const kept = new Map<string, string>()
  const answers = []
  for (const { send, headers = {}, body = '', keep = {} } of exchanges) {
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value.replace(/\{(\w+)\}/g, (_match, name: string) => String(kept.get(name)))}`)
    if (body !== '') lines.push(`content-length: ${Buffer.byteLength(body)}`)
    const answer = await say(Number(port), [`${send} HTTP/1.1`, 'host: host.example', 'connection: close', ...lines, '', body].join('\r\n'))

    for (const [name, pattern] of Object.entries(keep)) {
      const value = pattern.exec(answer)?.[1]
      if (value === undefined) throw new Error(`${send}: no ${name} in the answer`)
      kept.set(name, value)
    }
    answers.push(MASKS.reduce((masked, [pattern, mask]) => masked.replace(pattern, mask), answer))
  }
  return answers
}

/** Up to the end of the connection. */
async function say (port: number, request: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  socket.write(request)
  return await text(socket)
}
