// Never run. The assertion is that `npm run typecheck` compiles.
import { expectTypeOf } from 'expect-type'
import Fastify, { type FastifyReply, type FastifyRequest } from 'fastify'
import {
  type AnonymousEditorConfig, type AskedOfEditor, type CodedError, configSigning, type ConfigSigningOptions, createEditorSignatures, type EditorAuthorization, type EditorCallbackEvent, type EditorConfig, type EditorMethodName, type EditorSignatures,
  type EditorVerdict, type Explanation, type LoginHook, type PresenceEvent, type RouteOwner, type SaveErrorEvent, type SaveEvent, type Signed, type SignedRequest
} from 'fastify-doc-tokens/config-signing'
import { type TokenStore } from 'fastify-doc-tokens/stores/memory'

declare const store: TokenStore
declare const authorization: EditorAuthorization

const app = Fastify()
const inbox = 'k3PzV9wQe7LxT1bN6mYc4RfH8sUj2GdA'
const outbox = 'Zt5XoW0nBq8MvK2hEr7CyLd4JgSi9PuF'
const allowedUrls = { server: ['https://files.example'], browser: [] }
const authorize = { config: async () => authorization }
const url = 'https://files.example/a'

// ---- registration ----
app.register(configSigning, { inbox, store, allowedUrls, authorize })
app.register(configSigning, { inbox: [inbox, outbox], outbox: Buffer.from(outbox), algorithm: 'HS512', expiresIn: false, store, allowedUrls, authorize, prefix: '/v1', trustedOrigins: ['https://app.example'], limits: { address: { max: 10 }, user: false }, limitKey: (request) => request.ip, security: [{ cookie: [] }] })
app.register(configSigning, { inbox: async (tenant) => tenant === 'acme' ? inbox : null, outbox: (tenant) => [tenant], tenant: async (request) => request.hostname, store, allowedUrls, authorize })
app.register(configSigning, { inbox, routes: false })
app.register(configSigning, { inbox, store, authorize: { explain: () => true } })
// @ts-expect-error the secret is required
app.register(configSigning, { store, allowedUrls, authorize })
// @ts-expect-error `authorize` is required: there is no default that allows
app.register(configSigning, { inbox, store, allowedUrls })
// @ts-expect-error without routes nobody asks
app.register(configSigning, { inbox, routes: false, authorize })
// @ts-expect-error without routes there is nothing to limit
app.register(configSigning, { inbox, routes: false, limits: {} })
// @ts-expect-error without routes no request has a tenant
app.register(configSigning, { inbox, routes: false, tenant: () => 'acme' })
// @ts-expect-error at most two live secrets
app.register(configSigning, { inbox: [inbox, outbox, inbox], routes: false })
// @ts-expect-error the document server takes no such algorithm
app.register(configSigning, { inbox, algorithm: 'ES256', routes: false })
// @ts-expect-error no end is false
app.register(configSigning, { inbox, expiresIn: true, routes: false })
// @ts-expect-error two lists
app.register(configSigning, { inbox, allowedUrls: ['https://files.example'], routes: false })
// @ts-expect-error unknown options are refused
app.register(configSigning, { inbox, secret: inbox, routes: false })
// @ts-expect-error there is no such limit on a route of users
app.register(configSigning, { inbox, store, allowedUrls, authorize, limits: { credential: {} } })
expectTypeOf<ConfigSigningOptions>().not.toBeAny()

const signatures = createEditorSignatures({ inbox, outbox })
expectTypeOf(signatures).toEqualTypeOf<EditorSignatures>()
app.register(configSigning, { signatures, routes: false })
app.register(configSigning, { signatures, authorize })
// @ts-expect-error an object or the options that make one, never both
app.register(configSigning, { signatures, inbox, authorize })

// ---- what the functions get and return: the whole strict part, and no less ----
const document = { key: 'a', url, permissions: { edit: true } }
const editorConfig = { callbackUrl: url, mode: 'edit', user: { id: 'ada' } } as const
app.register(configSigning, {
  inbox,
  store,
  allowedUrls,
  authorize: {
    config: (request, asked) => {
      expectTypeOf(request).toEqualTypeOf<FastifyRequest>()
      expectTypeOf(asked).toEqualTypeOf<AskedOfEditor>()
      expectTypeOf(asked.documentId).toEqualTypeOf<string | undefined>()
      expectTypeOf(asked.data).toEqualTypeOf<unknown>()
      if (asked.documentId === undefined) return null
      return { document: { key: asked.documentId, url, permissions: { edit: true, commentGroups: { view: '' } } }, editorConfig: { callbackUrl: url, mode: 'view', user: { id: 'ada', name: 'Ada' } } }
    },
    methods: {
      insertImage: async () => ({ images: [{ fileType: 'png', url }] }),
      setHistoryData: (_request, { data }) => ({ version: Number(data), key: 'a', url, changesUrl: url, previous: { key: 'b', url } }),
      setRequestedDocument: () => null,
      refreshFile: () => authorization
    },
    explain: async () => true
  }
})
app.register(configSigning, { inbox, store, allowedUrls, authorize: { config: () => ({ document, editorConfig }) } })
// @ts-expect-error yes is no authorization
app.register(configSigning, { inbox, store, allowedUrls, authorize: { config: async () => true } })
// @ts-expect-error permissions are the host's to say
app.register(configSigning, { inbox, store, allowedUrls, authorize: { config: () => ({ document: { key: 'a', url }, editorConfig }) } })
// @ts-expect-error so is the key
app.register(configSigning, { inbox, store, allowedUrls, authorize: { config: () => ({ document: { url, permissions: {} }, editorConfig }) } })
// @ts-expect-error and the file
app.register(configSigning, { inbox, store, allowedUrls, authorize: { config: () => ({ document: { key: 'a', permissions: {} }, editorConfig }) } })
// @ts-expect-error and where it is saved
app.register(configSigning, { inbox, store, allowedUrls, authorize: { config: () => ({ document, editorConfig: { mode: 'edit' as const, user: { id: 'ada' } } }) } })
// @ts-expect-error and whether it is edited
app.register(configSigning, { inbox, store, allowedUrls, authorize: { config: () => ({ document, editorConfig: { callbackUrl: url, user: { id: 'ada' } } }) } })
// @ts-expect-error and by whom
app.register(configSigning, { inbox, store, allowedUrls, authorize: { config: () => ({ document, editorConfig: { callbackUrl: url, mode: 'edit' as const } }) } })
// @ts-expect-error with an id
app.register(configSigning, { inbox, store, allowedUrls, authorize: { config: () => ({ document, editorConfig: { callbackUrl: url, mode: 'edit' as const, user: { name: 'Ada' } } }) } })
// @ts-expect-error a config that is opened anew is no less strict
app.register(configSigning, { inbox, store, allowedUrls, authorize: { methods: { refreshFile: () => ({ document: { key: 'a', url }, editorConfig: { user: { id: 'ada' } } }) } } })
// @ts-expect-error there is no such method that is signed
app.register(configSigning, { inbox, store, allowedUrls, authorize: { methods: { setUsers: () => null } } })
// @ts-expect-error the parameter of another method
app.register(configSigning, { inbox, store, allowedUrls, authorize: { methods: { insertImage: () => ({ version: 1, key: 'a', url }) } } })
// @ts-expect-error to explain is yes or no
app.register(configSigning, { inbox, store, authorize: { explain: () => 'yes' } })

const login: LoginHook = async (request, reply) => {
  if (request.headers.cookie === undefined) return await reply.code(401).send()
}
app.register(configSigning, { inbox, store, allowedUrls, authorize, onRequest: [login, (_request, _reply, done) => { done() }] })
// @ts-expect-error the name of a hook is none
app.register(configSigning, { inbox, store, allowedUrls, authorize, onRequest: 'login' })

// ---- signing: a right config needs no cast, a wrong one does not compile ----
expectTypeOf(app.editorSignatures).toEqualTypeOf<EditorSignatures>()
expectTypeOf(app.editorSignatures).not.toBeAny()
const { signConfig, signMethod, signRequest } = app.editorSignatures

const signed = await signConfig({
  type: 'desktop',
  width: '100%',
  documentType: 'word',
  document: {
    key: 'Khirz6zTPdfd7',
    title: 'A letter.docx',
    fileType: 'docx',
    url,
    isForm: false,
    referenceData: { fileKey: 'a', instanceId: 'b' },
    info: { owner: 'Ada', favorite: true, sharingSettings: [{ user: 'Grace', permissions: 'Full Access', isLink: false }] },
    permissions: { edit: true, review: true, commentGroups: { edit: ['Group2', ''], remove: [''], view: '' }, reviewGroups: ['Group1'], userInfoGroups: '', chat: true, protect: false }
  },
  editorConfig: {
    callbackUrl: url,
    lang: 'de',
    region: 'de-AT',
    mode: 'edit',
    user: { id: 'ada', name: 'Ada', group: 'Group1', image: url },
    coEditing: { mode: 'fast', change: true },
    customization: { uiTheme: 'theme-dark', zoom: -2, unit: 'cm', goback: { url, text: 'Back' }, features: { spellcheck: false, tabStyle: 'line' }, logo: { image: url, url: '' }, review: { reviewDisplay: 'original' }, submitForm: { visible: true, resultMessage: null } },
    plugins: { autostart: ['asc.{7327FC95-16DA-41D9-9AF2-0E7F449F6800}'], pluginsData: [url], options: { all: { key: 1 } } },
    recent: [{ title: 'b', url, folder: 'c' }],
    templates: [{ title: 'c', image: url, url }]
  }
}, { expiresIn: 60, issuedAt: true, tenant: 'acme' })
expectTypeOf(signed.token).toEqualTypeOf<string>()
expectTypeOf(signed.document.key).toEqualTypeOf<string>()
// @ts-expect-error what was signed is frozen
signed.token = 'x'
declare const config: EditorConfig
declare const anonymous: AnonymousEditorConfig
expectTypeOf(await signConfig(config)).toEqualTypeOf<Signed<EditorConfig>>()
signConfig(anonymous)
const constant = { document: { key: 'a', url, permissions: { reviewGroups: ['a'] } }, editorConfig: { user: { id: 'ada' } } } as const
signConfig(constant)
signConfig({ document: { key: 'a', url, fileType: 'newer' }, editorConfig: { lang: 'xx', user: { id: 'ada' } } })

// @ts-expect-error the key is required
signConfig({ document: { url }, editorConfig: { user: { id: 'ada' } } })
// @ts-expect-error the file is required
signConfig({ document: { key: 'a' }, editorConfig: { user: { id: 'ada' } } })
// @ts-expect-error there is no such mode
signConfig({ document: { key: 'a', url }, editorConfig: { mode: 'review', user: { id: 'ada' } } })
// @ts-expect-error there is no such permission
signConfig({ document: { key: 'a', url, permissions: { edits: true } }, editorConfig: { user: { id: 'ada' } } })
// @ts-expect-error a permission is true or false
signConfig({ document: { key: 'a', url, permissions: { edit: 'yes' } }, editorConfig: { user: { id: 'ada' } } })
// @ts-expect-error there is no such member
signConfig({ document: { key: 'a', url }, editorConfig: { user: { id: 'ada' } }, status: 2 })
// @ts-expect-error nor here
signConfig({ document: { key: 'a', url, filetype: 'docx' }, editorConfig: { user: { id: 'ada' } } })
// @ts-expect-error nor here
signConfig({ document: { key: 'a', url }, editorConfig: { user: { id: 'ada' }, customization: { colour: 'red' } } })
// @ts-expect-error there is no such type of document
signConfig({ documentType: 'text', document: { key: 'a', url }, editorConfig: { user: { id: 'ada' } } })
// @ts-expect-error the host's own token is made here
signConfig({ document: { key: 'a', url }, editorConfig: { user: { id: 'ada' } }, token: 'x' })
// @ts-expect-error a config is no text
signConfig(JSON.stringify(config))
// @ts-expect-error there is no such option
signConfig(config, { operation: true })
// @ts-expect-error a life is in seconds
signConfig(config, { expiresIn: '5m' })

// ---- methods ----
expectTypeOf((await signMethod('insertImage', { c: 'add', images: [{ fileType: 'png', url }] })).token).toEqualTypeOf<string>()
signMethod('insertImage', { fileType: 'png', url })
signMethod('setHistoryData', { version: 1, key: 'a', url })
signMethod('setReferenceData', { path: 'a', url, fileType: 'xlsx' })
signMethod('setReferenceSource', { path: 'a', url, fileType: 'xlsx', key: 'a', referenceData: { fileKey: 'a' } })
signMethod('setRequestedDocument', { c: 'compare', fileType: 'docx', url })
signMethod('setRequestedSpreadsheet', { c: 'mailmerge', fileType: 'csv', url })
signMethod('setMailMergeRecipients', { fileType: 'xlsx', url })
signMethod('setRevisedFile', { fileType: 'docx', url })
signMethod('refreshFile', config)
expectTypeOf<EditorMethodName>().toEqualTypeOf<'refreshFile' | 'insertImage' | 'setHistoryData' | 'setReferenceData' | 'setReferenceSource' | 'setRequestedDocument' | 'setRequestedSpreadsheet' | 'setMailMergeRecipients' | 'setRevisedFile'>()
// @ts-expect-error this one is not signed
signMethod('setUsers', {})
// @ts-expect-error there is no such command
signMethod('insertImage', { c: 'remove', images: [{ fileType: 'png', url }] })
// @ts-expect-error images or the one image, not both
signMethod('insertImage', { images: [{ fileType: 'png', url }], fileType: 'png', url })
// @ts-expect-error no picture
signMethod('insertImage', { images: [{ fileType: 'docx', url }] })
// @ts-expect-error changes are those since a version
signMethod('setHistoryData', { version: 2, key: 'a', url, changesUrl: url })
// @ts-expect-error the parameter of another method
signMethod('setRequestedDocument', { c: 'mailmerge', fileType: 'xlsx', url })
// @ts-expect-error a reference has a type
signMethod('setReferenceData', { path: 'a', url })
// @ts-expect-error a refreshed config is somebody's
signMethod('refreshFile', anonymous)

// ---- requests ----
expectTypeOf(await signRequest('command', { c: 'forcesave', key: 'a', userdata: 'x' }, { operation: true })).toEqualTypeOf<SignedRequest>()
expectTypeOf<SignedRequest['body']>().toEqualTypeOf<Readonly<{ token: string }>>()
signRequest('converter', { filetype: 'docx', key: 'a', outputtype: 'pdf', url })
signRequest('docbuilder', { async: true, url })
// @ts-expect-error there is no such service
signRequest('commands', { c: 'version' })
// @ts-expect-error there is no such command
signRequest('command', { c: 'delete', key: 'a' })
// @ts-expect-error a conversion is to something
signRequest('converter', { filetype: 'docx', key: 'a', url })

// ---- verifying ----
expectTypeOf(await app.editorSignatures.verifyConfig('a.b.c', { document: { key: 'a' } })).toEqualTypeOf<EditorVerdict>()
const verdict = await signatures.verifyConfig('a.b.c')
if (verdict.accepted) expectTypeOf(verdict.effective.view).toEqualTypeOf<boolean>()
else expectTypeOf(verdict.code).toEqualTypeOf<4004 | 4005 | 4006 | null>()
expectTypeOf(await signatures.explain({ token: 'a.b.c', kind: 'callback' })).toEqualTypeOf<Explanation>()
// @ts-expect-error there is no such kind
signatures.explain({ token: 'a.b.c', kind: 'session' })
expectTypeOf(await signatures.verifyCallback({ body: {}, header: undefined }, { keys: ['a'], downloadOrigins: [url] })).toEqualTypeOf<EditorCallbackEvent>()
expectTypeOf(await signatures.verifyDownload('a.b.c', url, { tenant: 'acme' })).toEqualTypeOf<void>()

// ---- a callback's event tells by its type what is there ----
type Params = FastifyRequest<{ Params: { id: string } }>
declare const keyOf: (id: string) => Promise<string | null>
app.post('/callback', app.editorSignatures.requireCallback({ document: () => 'a', downloadOrigins: [url] }, async (event, request) => {
  expectTypeOf(event).toEqualTypeOf<EditorCallbackEvent>()
  expectTypeOf(request).toEqualTypeOf<FastifyRequest>()
  expectTypeOf(event.key).toEqualTypeOf<string>()
  if (event.type !== 'editing' && event.type !== 'closed') expectTypeOf(event.url).toEqualTypeOf<string | undefined>()
  switch (event.type) {
    case 'save':
    case 'forceSave':
      expectTypeOf(event).toEqualTypeOf<SaveEvent<'save'> | SaveEvent<'forceSave'>>()
      expectTypeOf(event.url).toEqualTypeOf<string>()
      break
    case 'saveError':
    case 'forceSaveError':
      expectTypeOf(event).toEqualTypeOf<SaveErrorEvent<'saveError'> | SaveErrorEvent<'forceSaveError'>>()
      expectTypeOf(event.url).toEqualTypeOf<string | undefined>()
      break
    case 'editing':
    case 'closed':
      expectTypeOf(event).toEqualTypeOf<PresenceEvent<'editing'> | PresenceEvent<'closed'>>()
      // @ts-expect-error there is nothing to save
      String(event.url)
      break
    default:
      expectTypeOf(event).toBeNever()
  }
  // @ts-expect-error events are frozen
  event.key = 'b'
}))
app.post<{ Params: { id: string } }>('/callback/:id', app.editorSignatures.requireCallback<Params>({ document: ({ params }) => keyOf(params.id), downloadOrigins: [url], tenant: ({ params }) => params.id }, () => {}))
app.post<{ Params: { id: string } }>('/callback/b/:id', app.editorSignatures.requireCallback({ document: ({ params }: Params) => keyOf(params.id), downloadOrigins: [url] }, (_event, { params }) => { expectTypeOf(params.id).toEqualTypeOf<string>() }))
// @ts-expect-error somebody has to say which document it is about
app.editorSignatures.requireCallback({ downloadOrigins: [url] }, () => {})
// @ts-expect-error and where the files are
app.editorSignatures.requireCallback({ document: () => 'a' }, () => {})
// @ts-expect-error and what becomes of it
app.editorSignatures.requireCallback({ document: () => 'a', downloadOrigins: [url] })

app.get('/file', { onRequest: app.editorSignatures.requireDownload({ origin: 'https://app.example' }) }, async () => 'bytes')
app.get<{ Params: { id: string } }>('/file/:id', {
  onRequest: [app.editorSignatures.requireDownload<Params>({ origin: 'https://app.example', tenant: ({ params }) => params.id, onRefused: (error, _request, reply: FastifyReply) => { expectTypeOf(error).toEqualTypeOf<CodedError>(); return reply.send(error.code) } })]
}, async () => 'bytes')
// @ts-expect-error the origin comes from configuration
app.editorSignatures.requireDownload({})
expectTypeOf<FastifyRequest['editorCallback']>().toEqualTypeOf<EditorCallbackEvent | null>()

// ---- whose route it is ----
app.addHook('onRoute', ({ config }) => { expectTypeOf(config?.docTokens).toEqualTypeOf<RouteOwner | undefined>() })
expectTypeOf<RouteOwner['flow']>().toEqualTypeOf<'session-issuance' | 'session-broker' | 'config-signing' | 'opaque-tokens' | 'client-credentials'>()
