import { BLANK_KEYWORD, PICTURE_KEYWORD, type SchemaNode, URL_KEYWORD, type UrlKind } from '../../schemas/editor/scalars.ts'
import { type AllowedUrls } from './options.ts'
import { type Path } from './plain-data.ts'

/** A URL in something that is to be signed. */
export interface FoundUrl {
  readonly path: Path
  readonly text: string
  readonly kind: UrlKind
  /** It may also be a data URL. */
  readonly isPicture: boolean
  /** It may also be no text at all. */
  readonly mayBeBlank: boolean
}

const PICTURE = /^data:image\/(?:png|jpeg|gif|webp|svg\+xml);base64,[A-Za-z0-9+/]+={0,2}$/

/** Every URL of a value that fits the schema, in the order of its members. */
export function * findUrls (schema: SchemaNode, value: unknown, path: Path = []): Generator<FoundUrl> {
  const kind = schema[URL_KEYWORD]
  if (typeof value === 'string') {
    if (kind !== undefined) yield { path, text: value, kind, isPicture: schema[PICTURE_KEYWORD] === true, mayBeBlank: schema[BLANK_KEYWORD] === true }
  } else if (Array.isArray(value)) {
    for (const [index, entry] of value.entries()) yield * findUrls(schema.items ?? {}, entry, [...path, index])
  } else if (typeof value === 'object' && value !== null) {
    for (const [name, member] of Object.entries(value)) yield * findUrls(schema.properties?.[name] ?? {}, member, [...path, name])
  }
  for (const variant of schema.anyOf ?? []) yield * findUrls(variant, value, path)
}

/**
 * Whether `text` is an http(s) URL without user information, written just as a parser prints it: then no two readers see
 * two hosts in it. Relative ones, other schemes, back slashes, white space, hexadecimal addresses, a host in upper case or
 * without a slash behind it are not. Query and fragment may be there.
 */
export function isExactUrl (text: string): boolean {
  if (!URL.canParse(text)) return false
  const { href, protocol, username, password } = new URL(text)
  return href === text && (protocol === 'https:' || protocol === 'http:') && username === '' && password === ''
}

/**
 * What is wrong with a URL that is to be signed, as the end of a sentence about it.
 *
 * @param allowedUrls Whose URLs may be signed. Absent: anybody's, and pictures may be data URLs, which have no origin.
 */
export function problemOfUrl ({ text, kind, isPicture, mayBeBlank }: Omit<FoundUrl, 'path'>, allowedUrls: AllowedUrls | undefined): string | undefined {
  if (mayBeBlank && text === '') return undefined
  if (isPicture && allowedUrls === undefined && PICTURE.test(text)) return undefined
  if (!isExactUrl(text)) return 'must be a whole http or https URL without user information, written as new URL(url).href writes it'
  if (allowedUrls !== undefined && !allowedUrls[kind].includes(new URL(text).origin)) return `has an origin that is not in allowedUrls.${kind}`
  return undefined
}
