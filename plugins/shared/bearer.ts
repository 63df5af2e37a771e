import { type FastifyRequest } from 'fastify'

/** What a request carries where a credential may stand. `malformed`: something is there that is none. */
export type Presented = { state: 'absent' } | { state: 'malformed' } | { state: 'several' } | { state: 'present', text: string }

/** RFC 6750, section 2.1: `b64token`, after one space or more; the scheme in any case. */
const TOKEN = /^ +([A-Za-z0-9._~+/-]+=*)$/

/** The same, with the scheme that it came with, as `schemes` writes it. */
export type PresentedToken<Scheme extends string> = Exclude<Presented, { state: 'present' }> | { state: 'present', scheme: Scheme, text: string }

/** `Authorization: Bearer …`. Another scheme is somebody else's and counts as absent. */
export function readBearer (request: FastifyRequest): Presented {
  return readAuthorization(request, ['Bearer'])
}

/** The token in `Authorization`, behind one of `schemes`. Another scheme is somebody else's and counts as absent. */
export function readAuthorization<Scheme extends string> (request: FastifyRequest, schemes: readonly Scheme[]): PresentedToken<Scheme> {
  const header = request.headers.authorization
  const name = header?.replace(/ .*$/s, '').toLowerCase()
  const scheme = schemes.find((candidate) => candidate.toLowerCase() === name)
  if (header === undefined || scheme === undefined) return { state: 'absent' }
  if (isRepeated(request, 'authorization')) return { state: 'several' }
  const text = TOKEN.exec(header.slice(scheme.length))?.[1]
  return text === undefined ? { state: 'malformed' } : { state: 'present', scheme, text }
}

/** The value of a header that holds a credential and nothing else. */
export function readHeader (request: FastifyRequest, name: string): Presented {
  const header = request.headers[name]
  if (header === undefined) return { state: 'absent' }
  if (typeof header !== 'string' || isRepeated(request, name)) return { state: 'several' }
  return /^[!-~]+$/.test(header) ? { state: 'present', text: header } : { state: 'malformed' }
}

/** A cookie, by the rules of RFC 6265, section 5.4: no decoding, quotes stripped. Works without @fastify/cookie. */
export function readCookie (request: FastifyRequest, name: string): Presented {
  const values = (request.headers.cookie ?? '').split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${name}=`))
    .map((pair) => pair.slice(name.length + 1).replace(/^"(.*)"$/, '$1'))
  const [text] = values
  if (text === undefined) return { state: 'absent' }
  if (values.length > 1) return { state: 'several' }
  return /^[!-~]+$/.test(text) ? { state: 'present', text } : { state: 'malformed' }
}

/** Of two places, the one that holds something; both at once is one too many. */
export function either (first: Presented, second: Presented): Presented {
  if (second.state === 'absent') return first
  return first.state === 'absent' ? second : { state: 'several' }
}

/** Node keeps the first of two `Authorization` lines and joins most others: look at what was really sent. */
function isRepeated (request: FastifyRequest, name: string): boolean {
  let lines = 0
  const { rawHeaders } = request.raw
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (rawHeaders[index]?.toLowerCase() === name) lines++
  }
  return lines > 1
}
