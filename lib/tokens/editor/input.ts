/**
 * What stands before every signature for an editor. Nothing in a payload is dropped, moved, coerced or filled in, and what
 * is checked is what is signed.
 *
 * @module
 */
import { type TObject, type TUnsafe } from '@sinclair/typebox'
import { InvalidEditorPayloadError } from '../../errors.ts'
import { type AnonymousEditorConfig, EditorConfigSchema } from '../../schemas/editor/config.ts'
import { EDITOR_METHOD_NAMES, EDITOR_METHOD_SCHEMAS, type EditorMethodName, type EditorMethodParameters, type HistoryData, type InsertImage } from '../../schemas/editor/methods.ts'
import { EDITOR_REQUEST_SCHEMAS, EDITOR_SERVICES, type EditorRequestParameters, type EditorService } from '../../schemas/editor/requests.ts'
import { type EditorSettings } from './options.ts'
import { copyPlainData, type Path, refusal } from './plain-data.ts'
import { checkSchema } from './schema-errors.ts'
import { findUrls, problemOfUrl } from './urls.ts'

/** What the host admits. */
export type EditorInputRules = Pick<EditorSettings, 'allowUnknown' | 'allowAnonymous' | 'allowedUrls'>

/**
 * Members at the top that make another kind of token, wherever a schema does not have them as its own. One secret signs
 * for browsers and for requests, and often it is the one of callbacks too: with `key` and `version` the parameter of any
 * method would open that document, with `c` it would be a command, with `status` a callback.
 */
const MEANINGFUL: ReadonlySet<string> = new Set([
  // Of any token: RFC 7519, section 4.1. How long one lives is an option.
  'iss', 'sub', 'aud', 'exp', 'nbf', 'iat', 'jti',
  // Made here, or unwrapped by the document server.
  'token', 'operation', 'payload', 'query',
  // Of a callback.
  'status', 'users', 'actions', 'history', 'changesurl', 'filetype', 'userdata', 'forcesavetype', 'formsdataurl', 'lastsave', 'notmodified', 'forgotten',
  // Of a config, of a version, of pictures, of a conversion, of the WOPI protocol.
  'document', 'editorConfig', 'key', 'url', 'version', 'changesUrl', 'previous', 'images', 'docId', 'fileInfo', 'userAuth', 'queryParams',
  // Of a request.
  'c', 'callback', 'meta', 'outputtype', 'outputType', 'argument'
])

const MEANING = 'cannot be signed: it would make a token of another kind'

/** What the document server says to itself, in the tokens that it makes for a connection. */
const SERVERS_OWN = 'ds_'

/** Beside it in `editorConfig.user`. */
const SERVERS_OWN_OF_USER: readonly string[] = ['index', 'customerId']

const COMMANDS_WITHOUT_KEY: readonly string[] = ['version', 'license', 'getForgottenList']

/**
 * Checks a config against the vendor's fields, types and limits, its URLs, and that it says who its user is, unless the
 * host does without. Does not check that it makes sense, nor who may open the document.
 *
 * @param config Untrusted. It is read once and stays as it is.
 *
 * @returns A copy, plain data all the way down, its members in their order.
 *
 * @throws {InvalidEditorPayloadError} `FDT_INVALID_EDITOR_PAYLOAD` (400), naming the path, never a value.
 */
export function checkConfig (config: unknown, rules: EditorInputRules): AnonymousEditorConfig {
  const copy = check<AnonymousEditorConfig>('config', config, EditorConfigSchema, rules)
  const { document, editorConfig: { user = {}, ...editorConfig } = {} } = copy
  refuseMembers(copy, [], (name) => name.startsWith(SERVERS_OWN))
  refuseMembers(document, ['document'], (name) => name.startsWith(SERVERS_OWN))
  refuseMembers(editorConfig, ['editorConfig'], (name) => name.startsWith(SERVERS_OWN))
  refuseMembers(user, ['editorConfig', 'user'], (name) => name.startsWith(SERVERS_OWN) || SERVERS_OWN_OF_USER.includes(name))
  if (user.id === undefined && !rules.allowAnonymous) throw refusal(['editorConfig', 'user', 'id'], 'is required: without it the browser says who its user is (see allowAnonymous)')
  return copy
}

/**
 * Checks the parameter of one of the editor's methods, as {@link checkConfig} does.
 *
 * @throws {InvalidEditorPayloadError} `FDT_INVALID_EDITOR_PAYLOAD` (400), for an unknown method too.
 */
export function checkMethod<Name extends EditorMethodName> (method: Name, parameter: unknown, rules: EditorInputRules): EditorMethodParameters[Name] {
  if (!EDITOR_METHOD_NAMES.includes(method)) throw new InvalidEditorPayloadError(`The method must be one of ${EDITOR_METHOD_NAMES.join(', ')}`)
  const copy = method === 'refreshFile' ? checkConfig(parameter, rules) : check('parameter', parameter, EDITOR_METHOD_SCHEMAS[method], rules)
  // Both casts: the schema is the one of this method. Unions of objects would name no member, so what they say is here.
  if (method === 'insertImage') checkImages(copy as InsertImage)
  if (method === 'setHistoryData') checkHistory(copy as HistoryData)
  // The type of the method's parameter is the one of its schema; of a config it is stricter by the user, which some hosts do without.
  return copy as EditorMethodParameters[Name]
}

function checkImages ({ images, fileType, url }: InsertImage): void {
  if (images === undefined) {
    if (fileType === undefined && url === undefined) throw refusal(['images'], 'is required')
    if (fileType === undefined) throw refusal(['fileType'], 'is required')
    if (url === undefined) throw refusal(['url'], 'is required')
  } else {
    if (fileType !== undefined) throw refusal(['fileType'], 'cannot stand beside images')
    if (url !== undefined) throw refusal(['url'], 'cannot stand beside images')
  }
}

function checkHistory ({ changesUrl, previous }: HistoryData): void {
  if (changesUrl !== undefined && previous === undefined) throw refusal(['previous'], 'is required beside changesUrl')
}

/**
 * Checks the parameters of a request to the document server, as {@link checkConfig} does.
 *
 * @throws {InvalidEditorPayloadError} `FDT_INVALID_EDITOR_PAYLOAD` (400), for an unknown service too.
 */
export function checkRequest<Service extends EditorService> (service: Service, parameters: unknown, rules: EditorInputRules): EditorRequestParameters[Service] {
  if (!EDITOR_SERVICES.includes(service)) throw new InvalidEditorPayloadError(`The service must be one of ${EDITOR_SERVICES.join(', ')}`)
  const copy = check<EditorRequestParameters[Service]>('parameters', parameters, EDITOR_REQUEST_SCHEMAS[service], rules)
  if (service === 'command') checkCommand(copy as EditorRequestParameters['command']) // its schema
  return copy
}

function checkCommand ({ c, key, meta }: EditorRequestParameters['command']): void {
  if (key === undefined && !COMMANDS_WITHOUT_KEY.includes(c)) throw refusal(['key'], 'is required by this command')
  if (meta === undefined && c === 'meta') throw refusal(['meta'], 'is required by this command')
}

function check<Payload> (subject: string, payload: unknown, schema: TObject | TUnsafe<object>, { allowUnknown, allowedUrls }: EditorInputRules): Payload {
  const copy = copyPlainData(subject, payload)
  refuseMembers(copy, [], (name) => MEANINGFUL.has(name) && !Object.hasOwn(schema['properties'], name))
  checkSchema(schema, copy, allowUnknown)
  for (const found of findUrls(schema, copy)) {
    const problem = problemOfUrl(found, allowedUrls)
    if (problem !== undefined) throw refusal(found.path, problem)
  }
  // The type is the one of the schema that the copy was checked against.
  return copy as Payload
}

function refuseMembers (holder: object, path: Path, isMeaningful: (name: string) => boolean): void {
  const name = Object.keys(holder).find(isMeaningful)
  if (name !== undefined) throw refusal([...path, name], MEANING)
}
