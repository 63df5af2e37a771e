/**
 * The config of the editor, all of it: `new DocsAPI.DocEditor(id, config)`. `token` is not here, it is made of the rest.
 *
 * @module
 */
import { type Static, Type } from '@sinclair/typebox'
import { CustomizationSchema } from './customization.ts'
import { DocumentSchema } from './document.ts'
import { CLOSED, DEPRECATED, type FreeForm, FreeFormObject, List, OneOf, PictureUrl, Switch, Text, Url } from './scalars.ts'
import { DOCUMENT_TYPES, Language, PLATFORM_TYPES, Region } from './values.ts'

const UserSchema = Type.Object({
  id: Type.Optional(Text(128, { minLength: 1 })),
  name: Type.Optional(Text(128)),
  group: Type.Optional(Text(256)),
  /** Best not a data URL: the token grows with it. */
  image: Type.Optional(PictureUrl('browser')),
  roles: Type.Optional(List(Text(256)))
}, CLOSED)

const RecentSchema = Type.Object({
  title: Type.Optional(Text()),
  url: Type.Optional(Url('browser')),
  folder: Type.Optional(Text())
}, CLOSED)

const TemplateSchema = Type.Object({
  title: Type.Optional(Text()),
  image: Type.Optional(PictureUrl('browser')),
  url: Type.Optional(Url('browser'))
}, CLOSED)

const PluginsSchema = Type.Object({
  autostart: Type.Optional(List(Text(256))),
  disable: Type.Optional(List(Text(256))),
  /** By the GUID of a plugin, or `all`. */
  options: Type.Optional(Type.Unsafe<Readonly<Record<string, FreeForm>>>(
    Type.Object({ all: Type.Optional(FreeFormObject()) }, { additionalProperties: FreeFormObject() }))),
  pluginsData: Type.Optional(List(Url('browser'))),
  /** @deprecated Since 4.3: `pluginsData` with whole URLs. */
  url: Type.Optional(Url('browser', DEPRECATED))
}, CLOSED)

/** For `type: 'embedded'` alone. */
const EmbeddedSchema = Type.Object({
  autostart: Type.Optional(OneOf(['document', 'player'])),
  embedUrl: Type.Optional(Url('browser')),
  fullscreenUrl: Type.Optional(Url('browser')),
  saveUrl: Type.Optional(Url('browser')),
  shareUrl: Type.Optional(Url('browser')),
  toolbarDocked: Type.Optional(OneOf(['top', 'bottom']))
}, CLOSED)

const EditorSectionSchema = Type.Object({
  lang: Type.Optional(Language()),
  region: Type.Optional(Region()),
  mode: Type.Optional(OneOf(['edit', 'view'])),
  /** Where the document server says that a document was saved. */
  callbackUrl: Type.Optional(Url('server')),
  user: Type.Optional(UserSchema),
  wopi: Type.Optional(Type.Object({ FileNameMaxLength: Type.Optional(Type.Number()) }, CLOSED)),
  actionLink: Type.Optional(Type.Object({
    action: Type.Optional(Type.Object({
      type: Type.Optional(OneOf(['bookmark', 'comment'])),
      data: Type.Optional(Text(4096))
    }, CLOSED))
  }, CLOSED)),
  /** @deprecated Since 8.2: `region`. */
  location: Type.Optional(Text(64, DEPRECATED)),
  createUrl: Type.Optional(Url('browser')),
  /** @deprecated The event `onRequestSharingSettings`. */
  sharingSettingsUrl: Type.Optional(Url('browser', DEPRECATED)),
  /** @deprecated The events `onRequestInsertImage`, `onRequestSelectDocument` and `onRequestSelectSpreadsheet`. */
  fileChoiceUrl: Type.Optional(Url('browser', DEPRECATED)),
  /** @deprecated The event `onRequestSaveAs`. */
  mergeFolderUrl: Type.Optional(Url('browser', DEPRECATED)),
  /** @deprecated The event `onRequestSaveAs`. */
  saveAsUrl: Type.Optional(Url('browser', DEPRECATED)),
  recent: Type.Optional(List(RecentSchema)),
  templates: Type.Optional(List(TemplateSchema)),
  customization: Type.Optional(CustomizationSchema),
  coEditing: Type.Optional(Type.Object({ mode: Type.Optional(OneOf(['fast', 'strict'])), change: Switch() }, CLOSED)),
  plugins: Type.Optional(PluginsSchema),
  embedded: Type.Optional(EmbeddedSchema)
}, CLOSED)

/**
 * All that a config may hold. That `editorConfig.user.id` is there is for the instance to say, so it is not required here.
 *
 * @see [Configuration overview](https://api.onlyoffice.com/docs/docs-api/usage-api/advanced-parameters/)
 */
export const EditorConfigSchema = Type.Object({
  type: Type.Optional(OneOf(PLATFORM_TYPES)),
  width: Type.Optional(Text(64)),
  height: Type.Optional(Text(64)),
  documentType: Type.Optional(OneOf(DOCUMENT_TYPES)),
  document: DocumentSchema,
  editorConfig: Type.Optional(EditorSectionSchema)
}, CLOSED)

/** A config that may leave out who its user is: then the browser says so. For instances with `allowAnonymous`. */
export type AnonymousEditorConfig = Static<typeof EditorConfigSchema>

/** A config of the editor, as it is signed: without `token`. */
export type EditorConfig = AnonymousEditorConfig & { editorConfig: { user: { id: string } } }
