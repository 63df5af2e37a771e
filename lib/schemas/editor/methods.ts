/**
 * The parameters of the editor's methods that are signed, without `token`.
 *
 * @module
 */
import { type Static, Type } from '@sinclair/typebox'
import { type EditorConfig, EditorConfigSchema } from './config.ts'
import { DocumentKey, ReferenceDataSchema } from './document.ts'
import { CLOSED, DEPRECATED, List, OneOf, Text, Url } from './scalars.ts'
import { FileType } from './values.ts'

const ImageCommand = () => Type.Optional(OneOf(['add', 'change', 'fill', 'watermark', 'slide']))

const imageMembers = {
  fileType: OneOf(['bmp', 'gif', 'jpe', 'jpeg', 'jpg', 'png', 'svg', 'tif', 'tiff']),
  url: Url('server')
}

const ImageSchema = Type.Object(imageMembers, CLOSED)

type Image = Static<typeof ImageSchema>

type InsertImageCommand = { c?: Static<ReturnType<typeof ImageCommand>> }

/** Images, or the one image of servers before 7.0. */
export type InsertImage =
  | InsertImageCommand & { images: readonly Image[], fileType?: never, url?: never }
  | InsertImageCommand & Image & { images?: never }

/** One object, not a union of two: a union would name no member. That either is there is checked by hand. */
const InsertImageSchema = Type.Unsafe<InsertImage>(Type.Object({
  c: ImageCommand(),
  images: Type.Optional(List(ImageSchema, { minItems: 1 })),
  fileType: Type.Optional(imageMembers.fileType),
  url: Type.Optional(imageMembers.url)
}, CLOSED))

const PreviousVersionSchema = Type.Object({
  fileType: Type.Optional(FileType()),
  key: DocumentKey(),
  url: Url('server')
}, CLOSED)

const HistoryVersionSchema = Type.Object({
  /** From 1: with 0 the document server takes the token for another kind. */
  version: Type.Integer({ minimum: 1 }),
  key: DocumentKey(),
  url: Url('server'),
  fileType: Type.Optional(FileType()),
  /** The changes since `previous`, which is then required. */
  changesUrl: Type.Optional(Url('server')),
  previous: Type.Optional(PreviousVersionSchema)
}, CLOSED)

/** A version of the document; with its changes also the one before. */
export type HistoryData = Omit<Static<typeof HistoryVersionSchema>, 'changesUrl' | 'previous'> & (
  | { changesUrl: string, previous: Static<typeof PreviousVersionSchema> }
  | { changesUrl?: never, previous?: Static<typeof PreviousVersionSchema> })

const HistoryDataSchema = Type.Unsafe<HistoryData>(HistoryVersionSchema)

/** What a spreadsheet refers to. */
const ReferenceSchema = Type.Object({
  path: Text(4096),
  url: Url('server'),
  /** The server refuses to fetch what has none. */
  fileType: FileType(),
  key: Type.Optional(DocumentKey()),
  referenceData: Type.Optional(ReferenceDataSchema)
}, CLOSED)

const RequestedDocumentSchema = Type.Object({
  c: OneOf(['compare', 'combine', 'insert-text']),
  fileType: OneOf(['doc', 'docm', 'docx', 'dot', 'dotm', 'dotx', 'epub', 'fodt', 'odt', 'ott', 'rtf', 'wps']),
  url: Url('server')
}, CLOSED)

const RequestedSpreadsheetSchema = Type.Object({
  c: OneOf(['mailmerge']),
  fileType: OneOf(['csv', 'fods', 'ods', 'ots', 'xls', 'xlsm', 'xlsx', 'xlt', 'xltm', 'xltx']),
  url: Url('server')
}, CLOSED)

/** Of two methods that have a better one since 7.5. */
const FileSchema = Type.Object({ fileType: FileType(), url: Url('server') }, { ...CLOSED, ...DEPRECATED })

/** What each method takes, before it is signed. */
export interface EditorMethodParameters {
  /** The config of the new version. */
  refreshFile: EditorConfig
  insertImage: InsertImage
  setHistoryData: HistoryData
  setReferenceData: Static<typeof ReferenceSchema>
  setReferenceSource: Static<typeof ReferenceSchema>
  setRequestedDocument: Static<typeof RequestedDocumentSchema>
  setRequestedSpreadsheet: Static<typeof RequestedSpreadsheetSchema>
  /** @deprecated Since 7.5: `setRequestedSpreadsheet` with `c: 'mailmerge'`. */
  setMailMergeRecipients: Static<typeof FileSchema>
  /** @deprecated Since 7.5: `setRequestedDocument` with `c: 'compare'`. */
  setRevisedFile: Static<typeof FileSchema>
}

/** A method of the editor whose parameter is signed. */
export type EditorMethodName = keyof EditorMethodParameters

export const EDITOR_METHOD_SCHEMAS = {
  refreshFile: EditorConfigSchema,
  insertImage: InsertImageSchema,
  setHistoryData: HistoryDataSchema,
  setReferenceData: ReferenceSchema,
  setReferenceSource: ReferenceSchema,
  setRequestedDocument: RequestedDocumentSchema,
  setRequestedSpreadsheet: RequestedSpreadsheetSchema,
  setMailMergeRecipients: FileSchema,
  setRevisedFile: FileSchema
} as const satisfies Record<EditorMethodName, object>

// The compiler types keys as any text.
export const EDITOR_METHOD_NAMES = Object.freeze(Object.keys(EDITOR_METHOD_SCHEMAS)) as readonly EditorMethodName[]
