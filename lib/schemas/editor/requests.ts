/**
 * The parameters of requests to the document server, without `token`.
 *
 * @module
 */
import { type Static, Type } from '@sinclair/typebox'
import { DocumentKey } from './document.ts'
import { CLOSED, FreeFormObject, List, OneOf, PictureUrl, Switch, Text, Url } from './scalars.ts'
import { FileType, Region } from './values.ts'

/** @see [Command service](https://api.onlyoffice.com/docs/docs-api/additional-api/command-service/) */
const CommandSchema = Type.Object({
  c: OneOf(['info', 'forcesave', 'drop', 'meta', 'version', 'license', 'getForgotten', 'getForgottenList', 'deleteForgotten']),
  /** Of every command about a document: all but `version`, `license` and `getForgottenList`. */
  key: Type.Optional(DocumentKey()),
  /** For `drop`: whom. Absent means everybody. */
  users: Type.Optional(List(Text(128))),
  /** For `info` and `forcesave`: comes back with the callback. */
  userdata: Type.Optional(Text(4096)),
  /** For `meta`. */
  meta: Type.Optional(Type.Object({ title: Type.Optional(Text(128)) }, CLOSED))
}, CLOSED)

/** Red, green and blue, of 255; an empty list for none. */
const Colour = () => List(Type.Number(), { maxItems: 3 })

const WatermarkRunSchema = Type.Object({
  text: Type.Optional(Text()),
  fill: Type.Optional(Colour()),
  'font-family': Type.Optional(Text(256)),
  'font-size': Type.Optional(Type.Union([Type.Number(), Text(16)])),
  bold: Switch(),
  italic: Switch(),
  strikeout: Switch(),
  underline: Switch()
}, CLOSED)

const WatermarkSchema = Type.Object({
  transparent: Type.Optional(Type.Number()),
  type: Type.Optional(Text(64)),
  width: Type.Optional(Type.Number()),
  height: Type.Optional(Type.Number()),
  rotate: Type.Optional(Type.Number()),
  margins: Type.Optional(List(Type.Number(), { maxItems: 4 })),
  /** A colour or a picture. */
  fill: Type.Optional(Type.Union([Colour(), PictureUrl('server')])),
  'stroke-width': Type.Optional(Type.Number()),
  stroke: Type.Optional(Colour()),
  align: Type.Optional(Type.Number()),
  paragraphs: Type.Optional(List(Type.Object({
    align: Type.Optional(Type.Number()),
    fill: Type.Optional(Colour()),
    linespacing: Type.Optional(Type.Number()),
    runs: Type.Optional(List(WatermarkRunSchema))
  }, CLOSED)))
}, CLOSED)

/** With its unit, such as `210mm`. */
const Distance = () => Type.Optional(Text(32))

const SpreadsheetLayoutSchema = Type.Object({
  fitToHeight: Type.Optional(Type.Integer({ minimum: 0 })),
  fitToWidth: Type.Optional(Type.Integer({ minimum: 0 })),
  gridLines: Switch(),
  headings: Switch(),
  ignorePrintArea: Switch(),
  margins: Type.Optional(Type.Object({ bottom: Distance(), left: Distance(), right: Distance(), top: Distance() }, CLOSED)),
  orientation: Type.Optional(OneOf(['landscape', 'portrait'])),
  pageSize: Type.Optional(Type.Object({ height: Distance(), width: Distance() }, CLOSED)),
  scale: Type.Optional(Type.Integer({ minimum: 1 }))
}, CLOSED)

/** @see [Conversion API](https://api.onlyoffice.com/docs/docs-api/additional-api/conversion-api/request/) */
const ConverterSchema = Type.Object({
  async: Switch(),
  /** Of `csv` and `txt`. */
  codePage: Type.Optional(Type.Integer({ minimum: 0 })),
  /** Of `csv`: none, tab, semicolon, colon, comma, space. */
  delimiter: Type.Optional(Type.Integer({ minimum: 0, maximum: 5 })),
  documentLayout: Type.Optional(Type.Object({ drawPlaceHolders: Switch(), drawFormHighlight: Switch(), isPrint: Switch() }, CLOSED)),
  documentRenderer: Type.Optional(Type.Object({
    textAssociation: Type.Optional(OneOf(['blockChar', 'blockLine', 'plainLine', 'plainParagraph']))
  }, CLOSED)),
  filetype: FileType(),
  key: DocumentKey(),
  outputtype: FileType(),
  /** The server takes no longer one. */
  password: Type.Optional(Text(255)),
  pdf: Type.Optional(Type.Object({ form: Switch(), pdfa: Switch() }, CLOSED)),
  region: Type.Optional(Region()),
  spreadsheetLayout: Type.Optional(SpreadsheetLayoutSchema),
  thumbnail: Type.Optional(Type.Object({
    aspect: Type.Optional(Type.Integer({ minimum: 0, maximum: 2 })),
    first: Switch(),
    height: Type.Optional(Type.Integer({ minimum: 1 })),
    width: Type.Optional(Type.Integer({ minimum: 1 }))
  }, CLOSED)),
  title: Type.Optional(Text(256)),
  url: Url('server'),
  watermark: Type.Optional(WatermarkSchema)
}, CLOSED)

/**
 * The first request has the script as `url`, or as its body; those that ask whether it is done have the `key`.
 *
 * @see [Document Builder API](https://api.onlyoffice.com/docs/docs-api/additional-api/document-builder-api/)
 */
const DocbuilderSchema = Type.Object({
  argument: Type.Optional(FreeFormObject()),
  async: Switch(),
  key: Type.Optional(DocumentKey()),
  url: Type.Optional(Url('server'))
}, CLOSED)

/** What each service of the document server takes, before it is signed. */
export interface EditorRequestParameters {
  command: Static<typeof CommandSchema>
  converter: Static<typeof ConverterSchema>
  docbuilder: Static<typeof DocbuilderSchema>
}

/** A service of the document server that takes signed requests. */
export type EditorService = keyof EditorRequestParameters

export const EDITOR_REQUEST_SCHEMAS = {
  command: CommandSchema,
  converter: ConverterSchema,
  docbuilder: DocbuilderSchema
} as const satisfies Record<EditorService, object>

// The compiler types keys as any text.
export const EDITOR_SERVICES = Object.freeze(Object.keys(EDITOR_REQUEST_SCHEMAS)) as readonly EditorService[]
