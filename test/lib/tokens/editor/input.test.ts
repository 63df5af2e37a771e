import { readFileSync } from 'node:fs'
import t from 'tap'
import { InvalidEditorPayloadError } from '../../../../lib/errors.ts'
import { EDITOR_METHOD_NAMES, type EditorMethodName } from '../../../../lib/schemas/editor/methods.ts'
import { type EditorService } from '../../../../lib/schemas/editor/requests.ts'
import { checkConfig, checkMethod, checkRequest, type EditorInputRules } from '../../../../lib/tokens/editor/input.ts'

const STRICT: EditorInputRules = { allowUnknown: false, allowAnonymous: false, allowedUrls: undefined }
const AHEAD: EditorInputRules = { ...STRICT, allowUnknown: true }
const ANONYMOUS: EditorInputRules = { ...STRICT, allowAnonymous: true }
const LISTED: EditorInputRules = { ...STRICT, allowedUrls: { server: ['https://files.example'], browser: ['https://app.example'] } }

const SECRETIVE = 'never-in-a-message'

type Config = Record<'document' | 'editorConfig', Record<string, unknown>> & Record<string, unknown>

/** A config of its own for each test, changed. */
function configWith (change: (config: Config) => void = () => {}): Config {
  const config: Config = {
    document: { key: 'Khirz6zTPdfd7', url: 'https://files.example/a.docx', fileType: 'docx', permissions: { edit: true } },
    documentType: 'word',
    editorConfig: { callbackUrl: 'https://files.example/callback', mode: 'edit', user: { id: '78e1e841', name: 'Smith' } }
  }
  change(config)
  return config
}

const inDocument = (members: object) => configWith(({ document }) => { Object.assign(document, members) })
const inEditor = (members: object) => configWith(({ editorConfig }) => { Object.assign(editorConfig, members) })
const inCustomization = (customization: object) => inEditor({ customization })
const inPermissions = (permissions: object) => inDocument({ permissions })
const atTop = (members: object) => configWith((config) => { Object.assign(config, members) })
const without = (section: 'document' | 'editorConfig', name: string) => configWith((config) => { delete config[section][name] })

function nested (depth: number): object {
  let value: object = {}
  for (let level = 1; level < depth; level++) value = { a: value }
  return value
}

function messageOf (run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (error instanceof InvalidEditorPayloadError && error.statusCode === 400) return error.message
    throw error
  }
  return 'nothing was thrown'
}

// ---- byte exactness -----------------------------------------------------------------------

const samples: { tokens: ReadonlyArray<{ method: EditorMethodName | 'config', token: string }> } =
  JSON.parse(readFileSync(new URL('../../../vectors/onlyoffice-sample-tokens.json', import.meta.url), 'utf8'))

for (const { method, token } of samples.tokens) {
  t.test(`sample of ${method}: not a byte is another`, async (t) => {
    const text = Buffer.from(String(token.split('.')[1]), 'base64url').toString()
    const payload: object = JSON.parse(text)
    for (const rules of [STRICT, AHEAD, ANONYMOUS]) {
      const checked = method === 'config' ? checkConfig(payload, rules) : checkMethod(method, payload, rules)
      t.equal(JSON.stringify(checked), text)
    }
  })
}

t.test('a copy, all the way down, in the order given', async (t) => {
  const config = atTop({ width: '100%', document: { url: 'https://files.example/', permissions: { print: false, edit: true, reviewGroups: ['b', 'a', ''] }, options: { b: [1, { z: null, a: -1.5e300 }], 2: 'x', 1: 'y' }, key: 'k' } })
  const text = JSON.stringify(config)
  const checked = checkConfig(config, STRICT)
  t.equal(JSON.stringify(checked), text)
  t.equal(JSON.stringify(config), text, 'and nothing is written to it')
  t.not(checked, config)
  t.not(checked.document, config.document)
  t.not(checked.document.permissions?.reviewGroups, Object(config.document['permissions']).reviewGroups)
})

t.test('a frozen config, members without a prototype', async (t) => {
  const config = Object.freeze(Object.assign(Object.create(null), configWith()))
  t.equal(JSON.stringify(checkConfig(config, STRICT)), JSON.stringify(configWith()))
})

t.test('what a config says is read once', async (t) => {
  let reads = 0
  const document = new Proxy(configWith().document, {
    getOwnPropertyDescriptor: (target, name) => {
      if (name === 'key') reads++
      return Reflect.getOwnPropertyDescriptor(target, name)
    }
  })
  checkConfig(atTop({ document }), STRICT)
  t.equal(reads, 1)
})

// ---- what is accepted ---------------------------------------------------------------------

const accepted = [
  { name: 'the least', config: { document: { key: 'k', url: 'https://files.example/' }, editorConfig: { user: { id: 'u' } } } },
  { name: 'a key of 128 of all its characters', config: inDocument({ key: 'aZ09-._='.repeat(16) }) },
  { name: 'no permissions', config: without('document', 'permissions') },
  { name: 'empty permissions', config: inPermissions({}) },
  { name: 'all permissions', config: inPermissions({ edit: true, download: true, review: true, print: true, comment: true, modifyFilter: true, modifyContentControl: true, fillForms: true, copy: true, editCommentAuthorOnly: false, deleteCommentAuthorOnly: false, reviewGroups: [], commentGroups: { view: '', edit: ['a', ''], remove: [''] }, userInfoGroups: '', protect: true, chat: false }) },
  { name: 'lists of groups', config: inPermissions({ commentGroups: { view: ['a'], edit: '' }, userInfoGroups: ['a', ''] }) },
  { name: 'view, embedded', config: configWith((config) => { Object.assign(config, { type: 'embedded' }); config.editorConfig['mode'] = 'view' }) },
  { name: 'a file type of a newer server', config: inDocument({ fileType: 'docy2' }) },
  { name: 'a language of a newer server', config: inEditor({ lang: 'tlh-Latn', region: 'tlh-Latn-KX' }) },
  { name: 'a theme of a newer server', config: inCustomization({ uiTheme: 'theme-sepia' }) },
  { name: 'switches for all of it', config: inCustomization({ feedback: true, submitForm: false, layout: { toolbar: false, leftMenu: true }, features: { spellcheck: true, tabStyle: 'line', tabBackground: 'header' } }) },
  { name: 'and its parts', config: inCustomization({ feedback: { visible: true, url: 'https://app.example/' }, submitForm: { resultMessage: null }, layout: { toolbar: { file: { close: false } } }, features: { tabStyle: { mode: 'fill', change: true } } }) },
  { name: 'a logo that is no link', config: inCustomization({ logo: { url: '' } }) },
  { name: 'a customer\'s address on the web, as people write it', config: inCustomization({ customer: { www: 'app.example' } }) },
  { name: 'a picture as a data URL', config: inEditor({ user: { id: 'u', image: 'data:image/png;base64,iVBORw0KGgo=' } }) },
  { name: 'options of plugins', config: inEditor({ plugins: { options: { all: { a: 1 }, 'asc.{7327FC95}': { b: [null] } } } }) },
  { name: 'names that objects have anyway, where names are free', config: inDocument({ options: JSON.parse('{"constructor":1,"toString":"x","hasOwnProperty":null,"toJSON":1}') }) },
  { name: '32 levels', config: inDocument({ options: nested(30) }) },
  { name: 'deprecated', config: inEditor({ location: 'us', customization: { chat: false, toolbarNoTabs: true } }) }
]

for (const { name, config } of accepted) {
  t.test(`accepted: ${name}`, async (t) => {
    for (const rules of [STRICT, AHEAD]) t.equal(JSON.stringify(checkConfig(config, rules)), JSON.stringify(config))
  })
}

// ---- what is refused ----------------------------------------------------------------------

class Permissions { edit = true }

const withGetter = Object.defineProperty({}, 'edit', { get: () => true, enumerable: true })
const withHidden = Object.defineProperty({}, 'edit', { value: true, enumerable: false })
const cyclic: Record<string, unknown> = {}
cyclic['a'] = [cyclic]
const list = (members: object): unknown[] => Object.assign(['a'], members)
class Listed extends Array<string> {}
let manifold: unknown = null
for (let level = 0; level < 28; level++) manifold = [manifold, manifold, manifold]

const URL_RULE = 'must be a whole http or https URL without user information, written as new URL(url).href writes it'
const MEANING = 'cannot be signed: it would make a token of another kind'
const UNKNOWN = 'is not known (see allowUnknown)'
const NOT_OBJECT = 'The config must be an object'
const TOO_LARGE = 'The config must not have more than 262144 bytes as JSON'
const NAME = 'has a name that cannot be signed'
const UNDEFINED = 'is undefined: give it a value, or leave the member out'
const BOOLEAN = 'must be true or false'
const KEY = 'document.key must be 1 to 128 of the characters 0-9 a-z A-Z - . _ ='

const refused: ReadonlyArray<{ name: string, config: unknown, message: string }> = [
  // T22
  ...[undefined, null, 1, true, [], [configWith()], () => {}, Symbol('x'), 1n].map((config) => ({ name: `not an object: ${typeof config}`, config, message: NOT_OBJECT })),
  { name: 'encoded twice', config: JSON.stringify(configWith()), message: `${NOT_OBJECT}, and is text: JSON that was encoded twice?` },
  { name: '1 MB of text', config: inDocument({ title: 'x'.repeat(1e6) }), message: TOO_LARGE },
  { name: '1 MB of entries', config: inDocument({ options: { a: Array(1e6).fill(1) } }), message: TOO_LARGE },
  { name: '1 MB of names', config: inDocument({ options: { ['x'.repeat(1e6)]: 1 } }), message: TOO_LARGE },
  { name: 'a little more in UTF-8 than in characters', config: inDocument({ options: { a: '\u20ac'.repeat(90_000) } }), message: TOO_LARGE },
  { name: 'a little more with escapes', config: inDocument({ options: { a: '\u0000'.repeat(50_000) } }), message: TOO_LARGE },
  { name: 'one thing very many times', config: inDocument({ options: { manifold } }), message: TOO_LARGE },
  { name: 'one long text very many times', config: inDocument({ options: { a: Array(1000).fill('x'.repeat(1e6)) } }), message: TOO_LARGE },
  { name: 'depth 33', config: inDocument({ options: nested(31) }), message: 'document.options.a.a is nested too deeply, or holds itself' },
  { name: 'depth 10 000', config: inDocument({ options: nested(10_000) }), message: 'document.options.a.a is nested too deeply, or holds itself' },
  { name: 'holds itself', config: inDocument({ options: cyclic }), message: 'document.options.a[0] is nested too deeply, or holds itself' },

  // T28
  { name: '__proto__', config: JSON.parse(JSON.stringify(configWith()).replace('{', '{"__proto__":{},')), message: `? ${NAME}` },
  { name: '__proto__ where names are free', config: inDocument({ options: JSON.parse('{"__proto__":1}') }), message: `document.options.? ${NAME}` },
  { name: 'constructor', config: atTop(JSON.parse('{"constructor":1}')), message: `constructor ${UNKNOWN}` },
  { name: 'hasOwnProperty', config: inPermissions(JSON.parse('{"hasOwnProperty":true}')), message: `document.permissions.hasOwnProperty ${UNKNOWN}` },

  // What JSON would drop or change.
  { name: 'undefined', config: inPermissions({ edit: undefined }), message: `document.permissions.edit ${UNDEFINED}` },
  { name: 'undefined at the top', config: atTop({ type: undefined }), message: `type ${UNDEFINED}` },
  { name: 'undefined in a list', config: inPermissions({ reviewGroups: [undefined] }), message: `document.permissions.reviewGroups[0] ${UNDEFINED}` },
  { name: 'a function', config: inDocument({ options: { a: () => {} } }), message: 'document.options.a must be plain data, as JSON has it' },
  { name: 'toJSON', config: inPermissions({ toJSON: () => ({ edit: true }) }), message: 'document.permissions.toJSON must be plain data, as JSON has it' },
  { name: 'a symbol', config: inDocument({ title: Symbol(SECRETIVE) }), message: 'document.title must be plain data, as JSON has it' },
  { name: 'a bigint', config: inDocument({ options: { a: 1n } }), message: 'document.options.a must be plain data, as JSON has it' },
  { name: 'NaN', config: inCustomization({ zoom: NaN }), message: 'editorConfig.customization.zoom must be a number that JSON has' },
  { name: 'Infinity', config: inCustomization({ zoom: -Infinity }), message: 'editorConfig.customization.zoom must be a number that JSON has' },
  { name: 'a date', config: inDocument({ info: { uploaded: new Date(0) } }), message: 'document.info.uploaded must be a plain object, not an instance of a class' },
  { name: 'boxed text', config: inDocument({ title: Object('a') }), message: 'document.title must be a plain object, not an instance of a class' },
  { name: 'a map', config: inDocument({ options: new Map() }), message: 'document.options must be a plain object, not an instance of a class' },
  { name: 'an instance', config: inPermissions(new Permissions()), message: 'document.permissions must be a plain object, not an instance of a class' },
  { name: 'something inherited', config: inPermissions(Object.create({ edit: true })), message: 'document.permissions must be a plain object, not an instance of a class' },
  { name: 'a getter', config: inPermissions(withGetter), message: 'document.permissions.edit must be a plain member' },
  { name: 'a hidden member', config: inPermissions(withHidden), message: 'document.permissions.edit must be a plain member' },
  { name: 'a symbol as name', config: inPermissions({ [Symbol(SECRETIVE)]: true }), message: `document.permissions.? ${NAME}` },
  { name: 'a list with gaps', config: inPermissions({ reviewGroups: Array(3) }), message: 'document.permissions.reviewGroups must be a plain list without gaps' },
  { name: 'a list with a hole and a member', config: inPermissions({ reviewGroups: Object.assign(Array(1), { more: 1 }) }), message: 'document.permissions.reviewGroups[0] must be a plain member' },
  { name: 'a list with a member', config: inPermissions({ reviewGroups: list({ more: 'x' }) }), message: 'document.permissions.reviewGroups must be a plain list without gaps' },
  { name: 'a list of a class', config: inPermissions({ reviewGroups: new Listed('a') }), message: 'document.permissions.reviewGroups must be a plain list without gaps' },
  { name: 'half a surrogate pair', config: inDocument({ title: '\ud800' }), message: 'document.title holds half of a surrogate pair' },
  { name: 'half a surrogate pair in a name', config: inDocument({ options: { '\udc00': 1 } }), message: 'document.options.? holds half of a surrogate pair' },

  // Missing.
  { name: 'empty', config: {}, message: 'document is required' },
  { name: 'no document', config: { editorConfig: { user: { id: 'u' } } }, message: 'document is required' },
  { name: 'no document.key', config: without('document', 'key'), message: 'document.key is required' },
  { name: 'no document.url', config: without('document', 'url'), message: 'document.url is required' },
  ...[without('editorConfig', 'user'), inEditor({ user: { name: 'Smith' } }), { document: configWith().document }].map((config) => ({
    name: 'no user.id', config, message: 'editorConfig.user.id is required: without it the browser says who its user is (see allowAnonymous)'
  })),

  // The wrong type, at every strict path.
  ...['', 'x', 1, null, [], true].map((document) => ({ name: `document ${JSON.stringify(document)}`, config: atTop({ document }), message: 'document must be an object' })),
  ...['x', null, [], false].map((editorConfig) => ({ name: `editorConfig ${JSON.stringify(editorConfig)}`, config: atTop({ editorConfig }), message: 'editorConfig must be an object' })),
  ...[1, null, {}, ['k'], true, '', 'a b', 'a/b', '\u00e4', 'k\n', 'a+b', 'a%20', '../k'].map((key) => ({ name: `document.key ${JSON.stringify(key)}`, config: inDocument({ key }), message: KEY })),
  { name: 'document.key with 129 characters', config: inDocument({ key: 'k'.repeat(129) }), message: 'document.key must not have more than 128 characters' },
  ...[1, null, {}, ['https://files.example/']].map((url) => ({ name: `document.url ${JSON.stringify(url)}`, config: inDocument({ url }), message: 'document.url must be text' })),
  ...['', 'x', 1, null, [], true].map((permissions) => ({ name: `document.permissions ${JSON.stringify(permissions)}`, config: inDocument({ permissions }), message: 'document.permissions must be an object' })),
  ...[
    'edit', 'download', 'review', 'print', 'comment', 'modifyFilter', 'modifyContentControl', 'fillForms', 'copy', 'editCommentAuthorOnly', 'deleteCommentAuthorOnly', 'protect', 'chat'
  ].flatMap((name) => ['true', 1, 0, null, {}, []].map((value) => ({ name: `${name} ${JSON.stringify(value)}`, config: inPermissions({ [name]: value }), message: `document.permissions.${name} ${BOOLEAN}` }))),
  { name: 'reviewGroups as text', config: inPermissions({ reviewGroups: '' }), message: 'document.permissions.reviewGroups must be a list' },
  { name: 'a number in reviewGroups', config: inPermissions({ reviewGroups: ['a', 1] }), message: 'document.permissions.reviewGroups[1] must be text' },
  { name: 'too many groups', config: inPermissions({ reviewGroups: Array(1001).fill('') }), message: 'document.permissions.reviewGroups must not have more than 1000 entries' },
  { name: 'commentGroups as a list', config: inPermissions({ commentGroups: [] }), message: 'document.permissions.commentGroups must be an object' },
  ...['view', 'edit', 'remove'].flatMap((name) => [
    { name: `commentGroups.${name}`, config: inPermissions({ commentGroups: { [name]: true } }), message: `document.permissions.commentGroups.${name} must be a list or text` },
    { name: `a number in commentGroups.${name}`, config: inPermissions({ commentGroups: { [name]: [1] } }), message: `document.permissions.commentGroups.${name}[0] must be text` }
  ]),
  { name: 'userInfoGroups as other text', config: inPermissions({ userInfoGroups: 'a' }), message: 'document.permissions.userInfoGroups must be a list or ""' },
  ...[1, null, {}].map((callbackUrl) => ({ name: `callbackUrl ${JSON.stringify(callbackUrl)}`, config: inEditor({ callbackUrl }), message: 'editorConfig.callbackUrl must be text' })),
  ...['', 'Edit', 'review', 'editx', 'edit\n', null, true, 1].map((mode) => ({ name: `mode ${JSON.stringify(mode)}`, config: inEditor({ mode }), message: 'editorConfig.mode must be one of edit, view' })),
  ...['u', null, [], 1].map((user) => ({ name: `user ${JSON.stringify(user)}`, config: inEditor({ user }), message: 'editorConfig.user must be an object' })),
  ...['id', 'name', 'group'].flatMap((name) => [1, null, {}].map((value) => ({ name: `user.${name} ${JSON.stringify(value)}`, config: inEditor({ user: { id: 'u', [name]: value } }), message: `editorConfig.user.${name} must be text` }))),
  { name: 'user.id empty', config: inEditor({ user: { id: '' } }), message: 'editorConfig.user.id must not be empty' },
  { name: 'user.id too long', config: inEditor({ user: { id: 'x'.repeat(129) } }), message: 'editorConfig.user.id must not have more than 128 characters' },
  { name: 'user.name too long', config: inEditor({ user: { id: 'u', name: 'x'.repeat(129) } }), message: 'editorConfig.user.name must not have more than 128 characters' },
  ...['DOCX', 'Docx', '.docx', '', 'doc x', 'x'.repeat(17), null, 1].map((fileType) => ({ name: `fileType ${JSON.stringify(fileType)}`, config: inDocument({ fileType }), message: fileType === 'x'.repeat(17) ? 'document.fileType must not have more than 16 characters' : 'document.fileType must be a file extension in lower case, without the dot' })),
  { name: 'title too long', config: inDocument({ title: 'x'.repeat(129) }), message: 'document.title must not have more than 128 characters' },

  // The wrong value elsewhere.
  { name: 'type', config: atTop({ type: 'tablet' }), message: 'type must be one of desktop, mobile, embedded' },
  { name: 'documentType', config: atTop({ documentType: 'text' }), message: 'documentType must be one of word, cell, slide, pdf, diagram' },
  { name: 'lang', config: inEditor({ lang: 'english!' }), message: 'editorConfig.lang must be a language code such as en or pt-PT' },
  { name: 'inside a union', config: inCustomization({ layout: { toolbar: { file: { close: 1 } } } }), message: `editorConfig.customization.layout.toolbar.file.close ${BOOLEAN}` },
  { name: 'a union itself', config: inCustomization({ submitForm: 'yes' }), message: 'editorConfig.customization.submitForm must be an object or true or false' },
  { name: 'a union without lists', config: inCustomization({ submitForm: [] }), message: 'editorConfig.customization.submitForm must be an object or true or false' },
  { name: 'a union of values', config: inCustomization({ features: { tabStyle: 'dots' } }), message: 'editorConfig.customization.features.tabStyle must be an object or one of fill, line' },
  { name: 'text or null', config: inCustomization({ submitForm: { resultMessage: 1 } }), message: 'editorConfig.customization.submitForm.resultMessage must be text or null' },
  { name: 'a number', config: inCustomization({ zoom: '100' }), message: 'editorConfig.customization.zoom must be a number' },
  { name: 'options of a plugin', config: inEditor({ plugins: { options: { 'asc.{1}': 1 } } }), message: 'editorConfig.plugins.options.? must be an object' },

  // URLs.
  ...['a.docx', '/a.docx', '//files.example/a', 'javascript:alert(1)', 'https://user:pass@files.example/', 'https:\\\\files.example\\', 'https://files.example/\ta', 'http://0x7f.0.0.1/', 'https://FILES.example/', 'https://files.example', 'https://files.example/a b', ''].map((url) => ({
    name: `document.url ${JSON.stringify(url)}`, config: inDocument({ url }), message: `document.url ${URL_RULE}`
  })),
  { name: 'callbackUrl', config: inEditor({ callbackUrl: 'javascript:alert(1)' }), message: `editorConfig.callbackUrl ${URL_RULE}` },
  { name: 'user.image', config: inEditor({ user: { id: 'u', image: 'data:text/html;base64,AAAA' } }), message: `editorConfig.user.image ${URL_RULE}` },
  { name: 'a link as data URL', config: inCustomization({ goback: { url: 'data:image/png;base64,AAAA' } }), message: `editorConfig.customization.goback.url ${URL_RULE}` },
  { name: 'inside a union', config: inCustomization({ feedback: { url: '/feedback' } }), message: `editorConfig.customization.feedback.url ${URL_RULE}` },
  { name: 'in a list', config: inEditor({ plugins: { pluginsData: ['https://app.example/1', 'x'] } }), message: `editorConfig.plugins.pluginsData[1] ${URL_RULE}` },
  { name: 'in a list of objects', config: inEditor({ recent: [{ url: 'x' }] }), message: `editorConfig.recent[0].url ${URL_RULE}` },
  { name: 'too long', config: inDocument({ url: `https://files.example/${'a'.repeat(4096)}` }), message: 'document.url must not have more than 4096 characters' },

  // Unknown, and T33: a name that a stranger chose is not quoted.
  { name: 'at the top', config: atTop({ events: {} }), message: `events ${UNKNOWN}` },
  { name: 'in a section', config: inDocument({ directUrl: 'https://files.example/' }), message: `document.directUrl ${UNKNOWN}` },
  { name: 'in permissions', config: inPermissions({ fly: true }), message: `document.permissions.fly ${UNKNOWN}` },
  { name: 'in a union', config: inCustomization({ feedback: { wings: 1 } }), message: `editorConfig.customization.feedback.wings ${UNKNOWN}` },
  ...['a b', 'a.b', 'a/b', 'a~b', 'a\r\nb', '"', '\u00e4', '', 'x'.repeat(65)].map((name) => ({ name: `named ${JSON.stringify(name)}`, config: inDocument({ [name]: 1 }), message: `document.? ${UNKNOWN}` })),
  { name: 'the server\'s own', config: inEditor({ ds_view: true }), message: `editorConfig.ds_view ${UNKNOWN}` }
]

for (const { name, config, message } of refused) {
  t.test(`refused: ${name}`, async (t) => {
    t.equal(messageOf(() => checkConfig(config, STRICT)), message)
    if (!message.endsWith(UNKNOWN)) t.equal(messageOf(() => checkConfig(config, AHEAD)), message, 'with allowUnknown too')
    t.equal(messageOf(() => checkMethod('refreshFile', config, STRICT)), message, 'in refreshFile too')
  })
}

t.test('no message holds a value', async (t) => {
  const members = { title: [SECRETIVE], key: SECRETIVE + '!', url: SECRETIVE, fileType: SECRETIVE.toUpperCase() }
  for (const [name, value] of Object.entries(members)) t.notMatch(messageOf(() => checkConfig(inDocument({ [name]: value }), STRICT)), new RegExp(SECRETIVE, 'i'), name)
})

// ---- what the host admits -----------------------------------------------------------------

t.test('allowAnonymous', async (t) => {
  for (const config of [{ document: configWith().document }, without('editorConfig', 'user'), inEditor({ user: { name: 'Smith' } })]) {
    t.equal(JSON.stringify(checkConfig(config, ANONYMOUS)), JSON.stringify(config))
  }
  t.equal(messageOf(() => checkConfig(inEditor({ user: { id: '' } }), ANONYMOUS)), 'editorConfig.user.id must not be empty')
})

t.test('allowedUrls', async (t) => {
  t.ok(checkConfig(inEditor({ user: { id: 'u', image: 'https://app.example/u.png' } }), LISTED))
  const cases = [
    [inDocument({ url: 'https://app.example/a.docx' }), 'document.url has an origin that is not in allowedUrls.server'],
    [inEditor({ callbackUrl: 'https://evil.example/' }), 'editorConfig.callbackUrl has an origin that is not in allowedUrls.server'],
    [inCustomization({ goback: { url: 'https://files.example/' } }), 'editorConfig.customization.goback.url has an origin that is not in allowedUrls.browser'],
    [inEditor({ user: { id: 'u', image: 'data:image/png;base64,AAAA' } }), `editorConfig.user.image ${URL_RULE}`]
  ] as const
  for (const [config, message] of cases) t.equal(messageOf(() => checkConfig(config, LISTED)), message)
  t.equal(messageOf(() => checkMethod('insertImage', { images: [{ fileType: 'png', url: 'https://files.example/' }, { fileType: 'png', url: 'https://app.example/' }] }, LISTED)), 'images[1].url has an origin that is not in allowedUrls.server')
  t.equal(messageOf(() => checkRequest('docbuilder', { url: 'https://app.example/' }, LISTED)), 'url has an origin that is not in allowedUrls.server')
})

const ahead = [
  { name: 'at the top', config: atTop({ events: { a: [1] } }) },
  { name: 'in a section', config: inDocument({ directUrl: 'x' }) },
  { name: 'in permissions', config: inPermissions({ edit: true, fly: true }) },
  { name: 'in a union', config: inCustomization({ feedback: { wings: 1, visible: true }, layout: { toolbar: { more: { a: 1 }, save: false } } }) },
  { name: 'in a list', config: inEditor({ recent: [{ url: 'https://app.example/', more: 1 }] }) },
  { name: 'where it means nothing', config: inCustomization({ status: 2, users: [], iat: 1, ds_view: true }) },
  { name: 'named constructor', config: atTop(JSON.parse('{"constructor":1}')) }
]

for (const { name, config } of ahead) {
  t.test(`allowUnknown: ${name}`, async (t) => {
    t.equal(JSON.stringify(checkConfig(config, AHEAD)), JSON.stringify(config))
    t.match(messageOf(() => checkConfig(config, STRICT)), UNKNOWN)
  })
}

t.test('allowUnknown: what is known is checked behind what is not', async (t) => {
  t.equal(messageOf(() => checkConfig(inPermissions({ fly: true, edit: 'yes' }), AHEAD)), `document.permissions.edit ${BOOLEAN}`)
  t.equal(messageOf(() => checkConfig(inCustomization({ feedback: { wings: 1, visible: 'yes' } }), AHEAD)), `editorConfig.customization.feedback.visible ${BOOLEAN}`)
  t.equal(messageOf(() => checkConfig(inCustomization({ feedback: { wings: 1, url: 'x' } }), AHEAD)), `editorConfig.customization.feedback.url ${URL_RULE}`)
})

// T30: nothing that is signed for one purpose is good for another.
const MEANINGFUL = [
  'iss', 'sub', 'aud', 'exp', 'nbf', 'iat', 'jti', 'token', 'operation', 'payload', 'query',
  'status', 'users', 'actions', 'history', 'changesurl', 'filetype', 'userdata', 'forcesavetype', 'formsdataurl', 'lastsave', 'notmodified', 'forgotten',
  'key', 'url', 'version', 'changesUrl', 'previous', 'images', 'docId', 'fileInfo', 'userAuth', 'queryParams', 'c', 'callback', 'meta', 'outputtype', 'outputType', 'argument'
]

for (const name of MEANINGFUL) {
  t.test(`never signed in a config: ${name}`, async (t) => {
    for (const rules of [STRICT, AHEAD]) {
      t.equal(messageOf(() => checkConfig(atTop({ [name]: 0 }), rules)), `${name} ${MEANING}`)
      t.equal(messageOf(() => checkMethod('refreshFile', atTop({ [name]: 'x' }), rules)), `${name} ${MEANING}`)
    }
  })
}

t.test('never signed in a config: what the document server says to itself', async (t) => {
  const cases = [
    [{ ...inDocument({}), ds_new: 1 }, 'ds_new'],
    [inDocument({ ds_encrypted: true }), 'document.ds_encrypted'],
    [inEditor({ ds_sessionTimeConnect: 1 }), 'editorConfig.ds_sessionTimeConnect'],
    [inEditor({ ds_isCloseCoAuthoring: false }), 'editorConfig.ds_isCloseCoAuthoring'],
    [inEditor({ user: { id: 'u', index: 1 } }), 'editorConfig.user.index'],
    [inEditor({ user: { id: 'u', customerId: 'x' } }), 'editorConfig.user.customerId']
  ] as const
  for (const [config, path] of cases) t.equal(messageOf(() => checkConfig(config, AHEAD)), `${path} ${MEANING}`)
  t.equal(messageOf(() => checkConfig({ document: inDocument({ ds_encrypted: true }).document }, { ...AHEAD, allowAnonymous: true })), `document.ds_encrypted ${MEANING}`)
})

// ---- methods ------------------------------------------------------------------------------

const image = { fileType: 'png', url: 'https://files.example/a.png' }
const version = { version: 2, key: 'k', url: 'https://files.example/a.docx' }
const previous = { key: 'j', url: 'https://files.example/b.docx' }
const changesUrl = 'https://files.example/changes.zip'
const reference = { path: 'a.xlsx', url: 'https://files.example/a.xlsx', fileType: 'xlsx' }
const requested = { c: 'compare', fileType: 'docx', url: 'https://files.example/a.docx' }
const recipients = { c: 'mailmerge', fileType: 'xlsx', url: 'https://files.example/a.xlsx' }

const goodParameters: ReadonlyArray<readonly [EditorMethodName, object]> = [
  ['refreshFile', configWith()],
  ['insertImage', image],
  ['insertImage', { c: 'slide', ...image }],
  ['insertImage', { c: 'change', images: [image, { ...image, fileType: 'svg' }] }],
  ['insertImage', { images: [image] }],
  ['setHistoryData', version],
  ['setHistoryData', { ...version, fileType: 'docx', previous }],
  ['setHistoryData', { changesUrl, previous: { ...previous, fileType: 'docx' }, ...version, version: 1 }],
  ['setReferenceData', reference],
  ['setReferenceSource', { ...reference, key: 'k', referenceData: { fileKey: 'a', instanceId: 'https://files.example' } }],
  ['setReferenceData', { ...reference, referenceData: {} }],
  ['setRequestedDocument', requested],
  ['setRequestedDocument', { ...requested, c: 'insert-text', fileType: 'wps' }],
  ['setRequestedSpreadsheet', recipients],
  ['setMailMergeRecipients', { fileType: 'xlsx', url: 'https://files.example/a.xlsx' }],
  ['setRevisedFile', { fileType: 'docy', url: 'https://files.example/a.docx' }]
]

for (const [method, parameter] of goodParameters) {
  t.test(`${method}: ${Object.keys(parameter).join(' ')}`, async (t) => {
    for (const rules of [STRICT, AHEAD]) t.equal(JSON.stringify(checkMethod(method, parameter, rules)), JSON.stringify(parameter))
  })
}

const IMAGE_TYPES = 'one of bmp, gif, jpe, jpeg, jpg, png, svg, tif, tiff'
const PARAMETER = 'The parameter must be an object'

const badParameters: ReadonlyArray<readonly [EditorMethodName, unknown, string]> = [
  ...EDITOR_METHOD_NAMES.filter((method) => method !== 'refreshFile').flatMap((method) => [
    [method, undefined, PARAMETER] as const,
    [method, null, PARAMETER] as const,
    [method, [image], PARAMETER] as const,
    [method, JSON.stringify(image), `${PARAMETER}, and is text: JSON that was encoded twice?`] as const,
    [method, { a: 'x'.repeat(1e6) }, 'The parameter must not have more than 262144 bytes as JSON'] as const,
    [method, JSON.parse('{"__proto__":1}'), `? ${NAME}`] as const
  ]),
  ['insertImage', {}, 'images is required'],
  ['insertImage', { c: 'add' }, 'images is required'],
  ['insertImage', { url: image.url }, 'fileType is required'],
  ['insertImage', { fileType: 'png' }, 'url is required'],
  ['insertImage', { images: [image], url: image.url }, 'url cannot stand beside images'],
  ['insertImage', { images: [image], fileType: 'png' }, 'fileType cannot stand beside images'],
  ['insertImage', { images: [] }, 'images must not be empty'],
  ['insertImage', { images: image }, 'images must be a list'],
  ['insertImage', { images: [image, {}] }, 'images[1].fileType is required'],
  ['insertImage', { images: [{ fileType: 'png' }] }, 'images[0].url is required'],
  ['insertImage', { images: ['https://files.example/a.png'] }, 'images[0] must be an object'],
  ['insertImage', { images: [{ ...image, alt: 'x' }] }, `images[0].alt ${UNKNOWN}`],
  ['insertImage', { images: [{ ...image, fileType: 'webp' }] }, `images[0].fileType must be ${IMAGE_TYPES}`],
  ['insertImage', { images: [{ ...image, url: 'data:image/png;base64,AAAA' }] }, `images[0].url ${URL_RULE}`],
  ['insertImage', { ...image, fileType: 'PNG' }, `fileType must be ${IMAGE_TYPES}`],
  ['insertImage', { ...image, c: 'delete' }, 'c must be one of add, change, fill, watermark, slide'],
  ['setHistoryData', {}, 'version is required'],
  ['setHistoryData', { version: 1, key: 'k' }, 'url is required'],
  ['setHistoryData', { version: 1, url: version.url }, 'key is required'],
  ...[0, -1, 1.5, '1', null, true].map((wrong) => ['setHistoryData', { ...version, version: wrong }, 'version must be a whole number from 1'] as const),
  ['setHistoryData', { ...version, key: 'a b' }, 'key must be 1 to 128 of the characters 0-9 a-z A-Z - . _ ='],
  ['setHistoryData', { ...version, url: '/a.docx' }, `url ${URL_RULE}`],
  ['setHistoryData', { ...version, changesUrl }, 'previous is required beside changesUrl'],
  ['setHistoryData', { ...version, changesUrl, previous: {} }, 'previous.key is required'],
  ['setHistoryData', { ...version, changesUrl, previous: { key: 'k' } }, 'previous.url is required'],
  ['setHistoryData', { ...version, changesUrl, previous: { ...previous, url: 'x' } }, `previous.url ${URL_RULE}`],
  ['setHistoryData', { ...version, changesUrl: 'x', previous }, `changesUrl ${URL_RULE}`],
  ['setHistoryData', { ...version, error: 'x' }, `error ${UNKNOWN}`],
  ...(['setReferenceData', 'setReferenceSource'] as const).flatMap((method) => [
    [method, {}, 'path is required'] as const,
    [method, { path: 'a', fileType: 'xlsx' }, 'url is required'] as const,
    [method, { path: 'a', url: reference.url }, 'fileType is required'] as const,
    [method, { ...reference, referenceData: { fileKey: 1 } }, 'referenceData.fileKey must be text'] as const
  ]),
  ['setRequestedDocument', { fileType: 'docx', url: requested.url }, 'c is required'],
  ['setRequestedDocument', { ...requested, c: 'mailmerge' }, 'c must be one of compare, combine, insert-text'],
  ['setRequestedDocument', { ...requested, fileType: 'pdf' }, 'fileType must be one of doc, docm, docx, dot, dotm, dotx, epub, fodt, odt, ott, rtf, wps'],
  ['setRequestedSpreadsheet', { ...recipients, c: 'compare' }, 'c must be one of mailmerge'],
  ['setRequestedSpreadsheet', { ...recipients, fileType: 'docx' }, 'fileType must be one of csv, fods, ods, ots, xls, xlsm, xlsx, xlt, xltm, xltx'],
  ['setMailMergeRecipients', { fileType: 'xlsx' }, 'url is required'],
  ['setMailMergeRecipients', { ...image, c: 'mailmerge' }, `c ${MEANING}`],
  ['setRevisedFile', { url: image.url }, 'fileType is required'],
  ['setRevisedFile', { ...image, fileType: 'DOCX' }, 'fileType must be a file extension in lower case, without the dot']
]

for (const [method, parameter, message] of badParameters) {
  t.test(`${method} refused: ${message}`, async (t) => {
    t.equal(messageOf(() => checkMethod(method, parameter, STRICT)), message)
    if (!message.endsWith(UNKNOWN)) t.equal(messageOf(() => checkMethod(method, parameter, AHEAD)), message, 'with allowUnknown too')
  })
}

const OWN: Readonly<Partial<Record<EditorMethodName, readonly string[]>>> = {
  insertImage: ['c', 'images', 'url'],
  setHistoryData: ['version', 'key', 'url', 'changesUrl', 'previous'],
  setReferenceData: ['key', 'url'],
  setReferenceSource: ['key', 'url'],
  setRequestedDocument: ['c', 'url'],
  setRequestedSpreadsheet: ['c', 'url'],
  setMailMergeRecipients: ['url'],
  setRevisedFile: ['url']
}

for (const [method, parameter] of goodParameters.filter(([method]) => method !== 'refreshFile')) {
  t.test(`never signed in ${method} (${Object.keys(parameter).join(' ')})`, async (t) => {
    for (const name of [...MEANINGFUL, 'document', 'editorConfig'].filter((name) => OWN[method]?.includes(name) !== true)) {
      t.equal(messageOf(() => checkMethod(method, { ...parameter, [name]: 2 }, AHEAD)), `${name} ${MEANING}`)
    }
    t.equal(JSON.stringify(checkMethod(method, { ...parameter, more: [1] }, AHEAD)), JSON.stringify({ ...parameter, more: [1] }))
  })
}

t.test('an unknown method', async (t) => {
  const names: readonly unknown[] = ['', 'setUsers', 'insertimage', 'constructor', '__proto__', 'toString', undefined, null, 1, ['insertImage']]
  for (const name of names) {
    // What a host without types may write.
    t.equal(messageOf(() => checkMethod(name as EditorMethodName, image, AHEAD)), `The method must be one of ${EDITOR_METHOD_NAMES.join(', ')}`, String(name))
  }
})

// ---- requests -----------------------------------------------------------------------------

const conversion = { filetype: 'docx', key: 'k', outputtype: 'pdf', url: 'https://files.example/a.docx' }

const goodRequests: ReadonlyArray<readonly [EditorService, object]> = [
  ['command', { c: 'info', key: 'k', userdata: 'x' }],
  ['command', { c: 'forcesave', key: 'k' }],
  ['command', { c: 'drop', key: 'k', users: ['6d5a81d0'] }],
  ['command', { c: 'meta', key: 'k', meta: { title: 'A.docx' } }],
  ['command', { c: 'version' }],
  ['command', { c: 'license' }],
  ['command', { c: 'getForgottenList' }],
  ['command', { c: 'getForgotten', key: 'k' }],
  ['command', { c: 'deleteForgotten', key: 'k' }],
  ['converter', conversion],
  ['converter', {
    async: true,
    codePage: 65001,
    delimiter: 4,
    documentLayout: { drawPlaceHolders: true, drawFormHighlight: true, isPrint: false },
    documentRenderer: { textAssociation: 'plainLine' },
    ...conversion,
    password: 'p',
    pdf: { form: true, pdfa: false },
    region: 'en-US',
    spreadsheetLayout: { fitToHeight: 0, fitToWidth: 1, gridLines: true, headings: true, ignorePrintArea: true, margins: { bottom: '19.1mm', left: '17.8mm', right: '17.8mm', top: '19.1mm' }, orientation: 'landscape', pageSize: { height: '297mm', width: '210mm' }, scale: 100 },
    thumbnail: { aspect: 0, first: true, height: 150, width: 100 },
    title: 'A.docx',
    watermark: { transparent: 0.3, type: 'rect', width: 100, height: 100, rotate: -45, margins: [10, 10, 10, 10], fill: [255, 0, 0], 'stroke-width': 1, stroke: [], align: 1, paragraphs: [{ align: 2, fill: [], linespacing: 1, runs: [{ text: 'Draft', fill: [0, 0, 0], 'font-family': 'Arial', 'font-size': 40, bold: true, italic: false, strikeout: false, underline: false }] }] }
  }],
  ['converter', { ...conversion, watermark: { fill: 'data:image/png;base64,AAAA' } }],
  ['docbuilder', { async: true, url: 'https://files.example/a.js', argument: { a: [{ b: 1 }] } }],
  ['docbuilder', { async: true, key: 'k' }],
  ['docbuilder', {}]
]

for (const [service, parameters] of goodRequests) {
  t.test(`${service}: ${Object.values(parameters)[0]}`, async (t) => {
    for (const rules of [STRICT, AHEAD]) t.equal(JSON.stringify(checkRequest(service, parameters, rules)), JSON.stringify(parameters))
  })
}

const badRequests: ReadonlyArray<readonly [EditorService, unknown, string]> = [
  ['command', JSON.stringify({ c: 'version' }), 'The parameters must be an object, and is text: JSON that was encoded twice?'],
  ['command', undefined, 'The parameters must be an object'],
  ['command', {}, 'c is required'],
  ['command', { c: 'saved', key: 'k' }, 'c must be one of info, forcesave, drop, meta, version, license, getForgotten, getForgottenList, deleteForgotten'],
  ...['info', 'forcesave', 'drop', 'meta', 'getForgotten', 'deleteForgotten'].map((c) => ['command', { c }, 'key is required by this command'] as const),
  ['command', { c: 'meta', key: 'k' }, 'meta is required by this command'],
  ['command', { c: 'meta', key: 'k', meta: { name: 'x' } }, `meta.name ${UNKNOWN}`],
  ['command', { c: 'drop', key: 'k', users: 'u' }, 'users must be a list'],
  ['command', { c: 'info', key: 'k', callback: 'https://evil.example/' }, `callback ${MEANING}`],
  ['converter', {}, 'filetype is required'],
  ['converter', { ...conversion, url: 'x' }, `url ${URL_RULE}`],
  ['converter', { ...conversion, key: 'x'.repeat(129) }, 'key must not have more than 128 characters'],
  ['converter', { ...conversion, delimiter: 6 }, 'delimiter must be a whole number from 0 to 5'],
  ['converter', { ...conversion, password: 'x'.repeat(256) }, 'password must not have more than 255 characters'],
  ['converter', { ...conversion, thumbnail: { aspect: 3 } }, 'thumbnail.aspect must be a whole number from 0 to 2'],
  ['converter', { ...conversion, watermark: { fill: 'x' } }, `watermark.fill ${URL_RULE}`],
  ['converter', { ...conversion, watermark: { fill: true } }, 'watermark.fill must be a list or text'],
  ['converter', { ...conversion, watermark: { fill: ['red'] } }, 'watermark.fill[0] must be a number'],
  ['converter', { ...conversion, more: 1 }, `more ${UNKNOWN}`],
  ['docbuilder', { url: '/a.js' }, `url ${URL_RULE}`],
  ['docbuilder', { argument: 'x' }, 'argument must be an object']
]

for (const [service, parameters, message] of badRequests) {
  t.test(`${service} refused: ${message}`, async (t) => {
    t.equal(messageOf(() => checkRequest(service, parameters, STRICT)), message)
    if (!message.endsWith(UNKNOWN)) t.equal(messageOf(() => checkRequest(service, parameters, AHEAD)), message, 'with allowUnknown too')
  })
}

t.test('never signed in a request', async (t) => {
  for (const [service, parameters] of [['command', { c: 'version' }], ['converter', conversion], ['docbuilder', {}]] as const) {
    for (const name of ['iss', 'sub', 'aud', 'exp', 'nbf', 'iat', 'jti', 'token', 'operation', 'payload', 'query', 'status', 'actions', 'history', 'document', 'editorConfig', 'version', 'images', 'fileInfo', 'userAuth', 'queryParams', 'callback']) {
      t.equal(messageOf(() => checkRequest(service, { ...parameters, [name]: 1 }, AHEAD)), `${name} ${MEANING}`)
    }
    t.ok(checkRequest(service, { ...parameters, more: 1 }, AHEAD))
  }
})

t.test('an unknown service', async (t) => {
  for (const name of ['', 'convert', 'constructor', '__proto__', undefined, ['command']]) {
    // What a host without types may write.
    t.equal(messageOf(() => checkRequest(name as EditorService, { c: 'version' }, AHEAD)), 'The service must be one of command, converter, docbuilder', String(name))
  }
})
