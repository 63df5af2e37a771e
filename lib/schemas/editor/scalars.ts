/**
 * What the schemas of everything signed are made of. Each keeps the kind of TypeBox that checks it, under a type that is
 * easier on who writes a config.
 *
 * @module
 */
import { type Static, type TSchema, Type, type TUnsafe } from '@sinclair/typebox'

/** Who follows a URL, and so which list of `allowedUrls` it is held against. */
export type UrlKind = 'server' | 'browser'

/** The keyword that marks a URL, so that one walk finds them all. Its value is a {@link UrlKind}. */
export const URL_KEYWORD = 'x-url'

/** Beside it: a picture, which may also be a data URL. */
export const PICTURE_KEYWORD = 'x-picture'

/** Beside it: no text at all means that there is no link. */
export const BLANK_KEYWORD = 'x-blank'

/** One of `Known`, which editors complete, or another one that a newer server knows. */
export type Open<Known extends string> = Known | (string & Record<never, never>)

/** Objects whose members are the host's, or a plugin's. */
export type FreeForm = Readonly<Record<string, unknown>>

/** A schema, as far as it is read by anything but the compiler. */
export interface SchemaNode {
  readonly type?: string
  readonly properties?: Readonly<Record<string, SchemaNode>>
  readonly items?: SchemaNode
  readonly anyOf?: readonly SchemaNode[]
  readonly const?: unknown
  readonly enum?: readonly string[]
  readonly pattern?: string
  /** Where there is a pattern: its meaning, which messages quote. */
  readonly description?: string
  readonly minimum?: number
  readonly maximum?: number
  readonly maxLength?: number
  readonly maxItems?: number
  readonly deprecated?: boolean
  readonly [URL_KEYWORD]?: UrlKind
  readonly [PICTURE_KEYWORD]?: boolean
  readonly [BLANK_KEYWORD]?: boolean
  readonly [keyword: string]: unknown
}

/** The vendor has something better. */
export const DEPRECATED = { deprecated: true } as const

/** Characters, where the vendor sets no limit. */
const TEXT_LENGTH = 1024

/** Signed links of object stores have more than a thousand characters. */
const URL_LENGTH = 4096

/** Characters: a small picture as a data URL. */
const PICTURE_LENGTH = 65_536

export const Text = (maxLength = TEXT_LENGTH, options: object = {}) => Type.String({ maxLength, ...options })

/** Text for people, several lines of it. */
export const LongText = () => Text(4096)

/** Just these. */
export const OneOf = <const Values extends readonly string[]>(values: Values, options: object = {}): TUnsafe<Values[number]> =>
  Type.Unsafe<Values[number]>(Type.String({ enum: values, pattern: `^(?:${values.join('|')})$`, ...options }))

/** These, and what a newer server adds in the same spelling. `description` says the spelling: messages quote it. */
export const Spelt = <const Known extends readonly string[]>(known: Known, pattern: string, maxLength: number, description: string): TUnsafe<Open<Known[number]>> =>
  Type.Unsafe<Open<Known[number]>>(Type.String({ pattern, maxLength, description, examples: known }))

/** A list that a host may write as a constant: it is read only. */
export const List = <Item extends TSchema>(items: Item, options: object = {}): TUnsafe<ReadonlyArray<Static<Item>>> =>
  Type.Unsafe<ReadonlyArray<Static<Item>>>(Type.Array(items, { maxItems: 1000, ...options }))

export const Url = (kind: UrlKind, options: object = {}) => Text(URL_LENGTH, { [URL_KEYWORD]: kind, ...options })

/** A URL of a picture. */
export const PictureUrl = (kind: UrlKind, options: object = {}) => Text(PICTURE_LENGTH, { [URL_KEYWORD]: kind, [PICTURE_KEYWORD]: true, ...options })

export const FreeFormObject = () => Type.Unsafe<FreeForm>(Type.Object({}, { additionalProperties: true }))

/** `true` and `false` stand for all of it or none. */
export const OrSwitch = <Whole extends TSchema>(whole: Whole) => Type.Union([whole, Type.Boolean()])

/** No member but these. */
export const CLOSED = { additionalProperties: false } as const

/** A member that is on or off, and may be left out. */
export const Switch = () => Type.Optional(Type.Boolean())

/** The same, where the vendor has something better. */
export const OldSwitch = () => Type.Optional(Type.Boolean(DEPRECATED))
