import { Type } from '@sinclair/typebox'
import { CLOSED, FreeFormObject, List, Switch, Text, Url } from './scalars.ts'
import { FileType } from './values.ts'

/** Whoever chooses it opens that document, also out of the document server's cache. */
export const DocumentKey = () => Type.String({
  pattern: '^[0-9a-zA-Z\\-._=]{1,128}$',
  maxLength: 128,
  description: '1 to 128 of the characters 0-9 a-z A-Z - . _ ='
})

/** Where else a document is known. */
export const ReferenceDataSchema = Type.Object({
  fileKey: Type.Optional(Text(4096)),
  instanceId: Type.Optional(Text(4096))
}, CLOSED)

const Group = () => Text(256)

const Groups = () => Type.Optional(List(Group()))

/** The vendor's types name a list, its samples have text. Both are signed as they are. */
const GroupsOrText = () => Type.Optional(Type.Union([List(Group()), Group()]))

/**
 * What the user may do. The document server compares it whole with the config of the browser, so nothing in it is ever
 * filled in: what is absent stays so, and mostly means `true`.
 */
const PermissionsSchema = Type.Object({
  edit: Switch(),
  download: Switch(),
  review: Switch(),
  print: Switch(),
  comment: Switch(),
  modifyFilter: Switch(),
  modifyContentControl: Switch(),
  fillForms: Switch(),
  copy: Switch(),
  editCommentAuthorOnly: Switch(),
  deleteCommentAuthorOnly: Switch(),
  reviewGroups: Groups(),
  commentGroups: Type.Optional(Type.Object({
    view: GroupsOrText(),
    edit: GroupsOrText(),
    remove: GroupsOrText()
  }, CLOSED)),
  /** `''` hides who is there from all. */
  userInfoGroups: Type.Optional(Type.Union([List(Group()), Type.Literal('')])),
  protect: Switch(),
  chat: Switch()
}, CLOSED)

const SharingSchema = Type.Object({
  user: Type.Optional(Text()),
  permissions: Type.Optional(Text()),
  isLink: Switch()
}, CLOSED)

export const DocumentSchema = Type.Object({
  title: Type.Optional(Text(128)),
  /** Where the document server fetches the document from. */
  url: Url('server'),
  /** Best always there: for some types the token has to say it. */
  fileType: Type.Optional(FileType()),
  key: DocumentKey(),
  options: Type.Optional(FreeFormObject()),
  referenceData: Type.Optional(ReferenceDataSchema),
  info: Type.Optional(Type.Object({
    owner: Type.Optional(Text()),
    folder: Type.Optional(Text()),
    uploaded: Type.Optional(Text()),
    sharingSettings: Type.Optional(List(SharingSchema)),
    favorite: Switch()
  }, CLOSED)),
  permissions: Type.Optional(PermissionsSchema),
  isForm: Switch()
}, CLOSED)
