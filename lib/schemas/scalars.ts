import { Type } from '@sinclair/typebox'

/** Ids of documents, users and credentials: any characters, compared exactly. Counted in UTF-16 code units. */
export const ID_LENGTH = { minLength: 1, maxLength: 512 } as const

/** Whether `value` is such an id. Half a surrogate pair is refused: in UTF-8 it would be another's. */
export function isId (value: unknown): value is string {
  return typeof value === 'string' && value.length >= ID_LENGTH.minLength && value.length <= ID_LENGTH.maxLength && value.isWellFormed()
}

/** What a permission or an instance may be called. */
export const NAME_PATTERN = '^[A-Za-z0-9][A-Za-z0-9:._-]{0,63}$'

/** The most documents in one session. */
export const MAX_DOCUMENTS = 1000

/** The longest session token, in characters: a thousand documents with ASCII ids of full length fit. */
export const MAX_SESSION_TOKEN_LENGTH = 800_000

/** Seconds since the Unix epoch. Whether it is near enough is for the flow to say. */
export const Seconds = (description: string) => Type.Integer({ description: `${description}, in seconds since 1970-01-01T00:00:00Z` })
