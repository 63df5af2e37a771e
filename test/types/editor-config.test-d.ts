// Never run. The assertion is that `npm run typecheck` compiles.
import { expectTypeOf } from 'expect-type'
import { type AnonymousEditorConfig, type EditorConfig } from '../../lib/schemas/editor/config.ts'
import { type EditorMethodName, type EditorMethodParameters } from '../../lib/schemas/editor/methods.ts'
import { type EditorRequestParameters, type EditorService } from '../../lib/schemas/editor/requests.ts'

declare function sign (config: EditorConfig): void
declare function signAnonymous (config: AnonymousEditorConfig): void
declare function signMethod<Name extends EditorMethodName> (method: Name, parameter: EditorMethodParameters[Name]): void
declare function signRequest<Service extends EditorService> (service: Service, parameters: EditorRequestParameters[Service]): void

const document = { key: 'Khirz6zTPdfd7', url: 'https://files.example/a.docx' }
const editorConfig = { user: { id: 'u' } }

// ---- a right config needs no cast ----
sign({ document, editorConfig })
sign({
  type: 'desktop',
  width: '100%',
  documentType: 'word',
  document: {
    ...document,
    fileType: 'docx',
    title: 'A.docx',
    options: { anything: [1, { a: null }] },
    info: { owner: 'John', favorite: false, sharingSettings: [{ user: 'John', permissions: 'Full Access', isLink: false }] },
    permissions: { edit: true, reviewGroups: ['a', ''], commentGroups: { edit: ['a'], view: '' }, userInfoGroups: '', chat: false }
  },
  editorConfig: {
    lang: 'en',
    region: 'en-US',
    mode: 'edit',
    callbackUrl: 'https://files.example/callback',
    user: { id: 'u', name: 'Smith', group: 'a', roles: ['b'] },
    customization: {
      uiTheme: 'theme-dark',
      feedback: true,
      submitForm: { visible: true, resultMessage: null },
      layout: { toolbar: { file: { close: false }, home: {} }, leftMenu: false },
      features: { tabStyle: 'line', tabBackground: { mode: 'header', change: true } },
      reviewPermissions: { a: ['b', ''] }
    },
    plugins: { autostart: ['asc.{1}'], options: { all: { a: 1 }, 'asc.{1}': { b: 2 } } },
    coEditing: { mode: 'strict', change: false }
  }
})
// What a newer server knows.
sign({ document: { ...document, fileType: 'docy' }, editorConfig: { ...editorConfig, lang: 'tlh', customization: { uiTheme: 'theme-sepia' } } })

const constant = {
  documentType: 'cell',
  document: { key: 'k', url: 'https://files.example/a.xlsx', permissions: { reviewGroups: ['a'], commentGroups: { edit: ['a', ''] }, userInfoGroups: [] } },
  editorConfig: { mode: 'view', user: { id: 'u', roles: ['a'] }, recent: [{ title: 'A', url: 'https://app.example/' }], plugins: { pluginsData: ['https://app.example/config.json'] } }
} as const
sign(constant)
signAnonymous(constant)
signAnonymous({ document })
signAnonymous({ document, editorConfig: {} })

// ---- a wrong one does not compile ----
// @ts-expect-error who is the user?
sign({ document })
// @ts-expect-error who is the user?
sign({ document, editorConfig: { user: { name: 'Smith' } } })
// @ts-expect-error `url` is required
sign({ document: { key: 'k' }, editorConfig })
// @ts-expect-error `key` is required
signAnonymous({ document: { url: 'https://files.example/' } })
// @ts-expect-error there is no such mode
sign({ document, editorConfig: { ...editorConfig, mode: 'review' } })
// @ts-expect-error there is no such type of document
sign({ document, documentType: 'text', editorConfig })
// @ts-expect-error a permission is on or off
sign({ document: { ...document, permissions: { edit: 'true' } }, editorConfig })
// @ts-expect-error undefined would be signed as absent, which means true
sign({ document: { ...document, permissions: { edit: undefined } }, editorConfig })
// @ts-expect-error there is no such permission
sign({ document: { ...document, permissions: { fly: true } }, editorConfig })
// @ts-expect-error there is no such member, deep down either
sign({ document, editorConfig: { ...editorConfig, customization: { feedback: { wings: true } } } })
// @ts-expect-error there is no such member
sign({ document, editorConfig, events: {} })
// @ts-expect-error the token is made, not given
sign({ document, editorConfig, token: 'x' })
// @ts-expect-error text only where it is empty
sign({ document: { ...document, permissions: { userInfoGroups: 'a' } }, editorConfig })
// @ts-expect-error encoded twice
sign('{}')

// ---- methods ----
const image = { fileType: 'png', url: 'https://files.example/a.png' } as const
const version = { version: 2, key: 'k', url: 'https://files.example/a.docx' }
const previous = { key: 'j', url: 'https://files.example/b.docx' }
signMethod('refreshFile', constant)
signMethod('insertImage', { c: 'add', images: [image] })
signMethod('insertImage', { images: [image, image] } as const)
signMethod('insertImage', image)
signMethod('setHistoryData', version)
signMethod('setHistoryData', { ...version, previous })
signMethod('setHistoryData', { ...version, changesUrl: 'https://files.example/changes.zip', previous: { ...previous, fileType: 'docx' } })
signMethod('setReferenceData', { path: 'a', url: 'https://files.example/a.xlsx', fileType: 'xlsx', referenceData: { fileKey: 'k' } })
signMethod('setRequestedDocument', { c: 'insert-text', fileType: 'docx', url: 'https://files.example/a.docx' })
signMethod('setRequestedSpreadsheet', { c: 'mailmerge', fileType: 'xlsx', url: 'https://files.example/a.xlsx' })
signMethod('setRevisedFile', { fileType: 'docy', url: 'https://files.example/a.docx' })
// @ts-expect-error it is not signed
signMethod('setUsers', {})
// @ts-expect-error either one image or a list
signMethod('insertImage', { images: [image], url: 'https://files.example/' })
// @ts-expect-error an image has a type
signMethod('insertImage', { url: 'https://files.example/' })
// @ts-expect-error there is no such command
signMethod('insertImage', { c: 'delete', images: [image] })
// @ts-expect-error there is no such type of image
signMethod('insertImage', { images: [{ ...image, fileType: 'docx' }] })
// @ts-expect-error changes since which version?
signMethod('setHistoryData', { ...version, changesUrl: 'https://files.example/changes.zip' })
// @ts-expect-error the parameter of another method
signMethod('setRequestedSpreadsheet', { c: 'compare', fileType: 'xlsx', url: 'https://files.example/a.xlsx' })

// ---- requests ----
signRequest('command', { c: 'drop', key: 'k', users: ['u'] })
signRequest('converter', { filetype: 'docx', key: 'k', outputtype: 'pdf', url: 'https://files.example/a.docx', region: 'en-US' })
signRequest('docbuilder', { async: true, url: 'https://files.example/a.js', argument: { a: 1 } })
// @ts-expect-error there is no such command
signRequest('command', { c: 'saved', key: 'k' })
// @ts-expect-error to what?
signRequest('converter', { filetype: 'docx', key: 'k', url: 'https://files.example/a.docx' })

// ---- what editors complete, and nothing is any ----
type Section = EditorConfig['editorConfig']
type NotNothing<Value> = Exclude<Value, undefined>
expectTypeOf<NotNothing<Section['mode']>>().toEqualTypeOf<'edit' | 'view'>()
expectTypeOf<'theme-night'>().toExtend<NotNothing<NotNothing<Section['customization']>['uiTheme']>>()
expectTypeOf<EditorConfig['document']['url']>().toEqualTypeOf<string>()
expectTypeOf<EditorConfig>().not.toBeAny()
expectTypeOf<NotNothing<Section['customization']>>().not.toBeAny()
expectTypeOf<EditorConfig['document']>().not.toBeAny()
expectTypeOf<Section['user']['id']>().toEqualTypeOf<string>()
expectTypeOf<EditorConfig>().toExtend<AnonymousEditorConfig>()
expectTypeOf<EditorMethodName>().toEqualTypeOf<'refreshFile' | 'insertImage' | 'setHistoryData' | 'setReferenceData' | 'setReferenceSource' | 'setRequestedDocument' | 'setRequestedSpreadsheet' | 'setMailMergeRecipients' | 'setRevisedFile'>()
expectTypeOf<EditorMethodParameters['insertImage']>().not.toBeAny()
expectTypeOf<EditorMethodParameters['setHistoryData']>().not.toBeAny()
expectTypeOf<EditorRequestParameters['converter']>().not.toBeAny()
