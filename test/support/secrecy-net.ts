/**
 * T34 as a net: secrets by name, places by name, and every way to spell the one in the other.
 *
 * A flow that comes later adds its secrets and its places to those of the test that runs it; the spellings are here.
 */

/** Something that was written, and where. */
export interface Place {
  name: string
  text: string
}

/** Secrets by the names that a report may use. */
export type Secrets = Readonly<Record<string, string>>

/** What was found. It holds no secret itself, so that it can be shown. */
export interface Leak {
  secret: string
  /** Which part of the secret. */
  part: string
  spelling: string
  place: string
}

/** Characters of either end by which a long part is searched as well, so that one that was cut short is found too. */
const END_LENGTH = 24

/** The ways in which a text may be spelled, by what they are called. */
export function spellings (text: string): ReadonlyMap<string, string> {
  const bytes = Buffer.from(text)
  const json = JSON.stringify(text).slice(1, -1)
  const percent = [...bytes].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')
  const units = Array.from({ length: text.length }, (_, index) => `\\u${text.charCodeAt(index).toString(16).padStart(4, '0')}`).join('')
  const spelled = new Map([
    ['raw', text],
    ['lower case', text.toLowerCase()],
    ['upper case', text.toUpperCase()],
    ['percent-encoded as a component', encodeURIComponent(text)],
    ['percent-encoded as a form', new URLSearchParams([[text, '']]).toString().slice(0, -1)],
    ['percent-encoded as a URI', encodeURI(text)],
    ['percent-encoded throughout', percent],
    ['percent-encoded throughout in upper case', percent.toUpperCase()],
    ['JSON-escaped', json],
    ['JSON-escaped twice', JSON.stringify(json).slice(1, -1)],
    ['JSON-escaped throughout', units],
    ['JSON-escaped throughout in upper case', units.replace(/[a-f0-9]{4}/g, (digits) => digits.toUpperCase())],
    ['hexadecimal', bytes.toString('hex')],
    ['hexadecimal in upper case', bytes.toString('hex').toUpperCase()],
    ['numbers of bytes', [...bytes].join()]
  ])
  // Whatever stands before it shifts it by 0, 1 or 2 bytes. Of the characters at either edge the neighbours have a part.
  for (const before of [0, 1, 2]) {
    for (const encoding of ['base64', 'base64url'] as const) {
      const whole = Math.floor((before + bytes.length) * 8 / 6)
      const encoded = Buffer.concat([Buffer.alloc(before), bytes]).toString(encoding).slice(before === 0 ? 0 : before + 1, whole)
      spelled.set(`${encoding} behind ${before} bytes`, encoded)
    }
  }
  return spelled
}

/** What of a secret is a secret by itself: all of it, each segment of a JWT, the random part of an API key, and the ends of what is long. */
export function partsOf (secret: string): ReadonlyMap<string, string> {
  const parts = new Map([['whole', secret]])
  const segments = secret.split('.')
  if (segments.length === 3 && secret.startsWith('eyJ')) {
    for (const [index, name] of ['header', 'payload', 'signature'].entries()) parts.set(name, String(segments[index]))
    parts.set('claims', Buffer.from(String(segments[1]), 'base64url').toString())
  }
  const random = /^fdt_(?:key|client)_[a-z0-9]{16}_(.{43})/.exec(secret)?.[1]
  if (random !== undefined) parts.set('random part', random)

  for (const [name, part] of [...parts]) {
    // The start of a header or of an API key is public.
    if (part.length < 2 * END_LENGTH && name !== 'random part') continue
    if (name === 'payload' || name === 'signature' || name === 'random part') parts.set(`start of the ${name}`, part.slice(0, END_LENGTH))
    if (name !== 'header' && name !== 'claims') parts.set(`end of the ${name}`, part.slice(-END_LENGTH))
  }
  return parts
}

/** Every secret that can be read in a place, in whatever spelling. */
export function findLeaks (secrets: Secrets, places: Iterable<Place>): Leak[] {
  const wanted = Object.entries(secrets).flatMap(([secret, text]) => [...partsOf(text)].flatMap(([part, value]) => {
    // Spellings may be alike: one name is enough.
    const byText = new Map([...spellings(value)].map(([spelling, text]) => [text, spelling]))
    return [...byText].map(([text, spelling]) => ({ secret, part, spelling, text }))
  }))
  const short = wanted.find(({ text }) => text.length < 8)
  if (short !== undefined) throw new TypeError(`the secret "${short.secret}" is too short: it would be found by chance`)

  return [...places].flatMap(({ name: place, text: written }) => wanted
    .filter(({ text }) => written.includes(text))
    .map(({ secret, part, spelling }) => ({ secret, part, spelling, place })))
}
