import { type FastifyRequest } from 'fastify'
import { InvalidOptionError } from '../../lib/errors.ts'
import { checkNames } from '../../lib/options.ts'
import { type EditorConfig } from '../../lib/schemas/editor/config.ts'
import { EDITOR_METHOD_NAMES, type EditorMethodName, type EditorMethodParameters } from '../../lib/schemas/editor/methods.ts'
import { EDITOR_OPTION_NAMES, type EditorSettings, type EditorSignaturesOptions } from '../../lib/tokens/editor/options.ts'
import { refuseIdle } from '../shared/registration.ts'
import { type ResolvedUserRoutes, resolveUserRoutes, USER_ROUTE_OPTION_NAMES, type UserRoutesOptions } from '../shared/user-routes.ts'
import { type EditorSignatures } from './index.ts'

type Strict<Whole, Member extends keyof Whole> = Whole & Required<Pick<Whole, Member>>

/** What the host lets its user open: a config with everything that decides over access, none of which comes from the browser. */
export type EditorAuthorization = EditorConfig & {
  document: Strict<EditorConfig['document'], 'permissions'>
  editorConfig: Strict<EditorConfig['editorConfig'], 'callbackUrl' | 'mode' | 'user'>
}

/** What the browser says that it wants. Untrusted: nothing of it is signed unless the host's function says so. */
export interface AskedOfEditor {
  /** The document that it is about. */
  documentId?: string
  /** What an event of the editor, or the page, tells beside it: the number of a version, a name in the host's own storage. Any JSON. */
  data?: unknown
}

/** A function of the host's that says what its user gets; `null` for nothing: then the answer is 403. What errors it throws are for the host's error handler, except those of this package. */
export type Authorize<Answer> = (request: FastifyRequest, asked: AskedOfEditor) => Promise<Answer | null> | Answer | null

/** What is signed for the host's users. Each function brings a route, and there is no default that allows. */
export interface EditorAuthorizers {
  /** `POST /editor/config`: the config to open, whole but for its looks. */
  config?: Authorize<EditorAuthorization>
  /** `POST /editor/methods/:method`: the parameter, whole. Other methods are 404. */
  methods?: { [Name in EditorMethodName]?: Authorize<Name extends 'refreshFile' ? EditorAuthorization : EditorMethodParameters[Name]> }
  /** `POST /editor/explain`: whether the user may ask why a token is refused. */
  explain?: Authorize<boolean>
}

/** What the routes need. */
export interface EditorRoutesOptions extends UserRoutesOptions {
  /** Register the routes. Default is `true`. */
  routes?: true
  authorize: EditorAuthorizers
  /** Whose secrets sign, where the secrets are a function: from the host's own login or path, never from a token. */
  tenant?: (request: FastifyRequest) => Promise<string> | string
}

/** No routes: the host signs in code, by `app.editorSignatures`. */
export type NoEditorRoutesOptions = { routes: false } & { [Option in Exclude<keyof EditorRoutesOptions, 'routes'>]?: never }

/** A ready object of `createEditorSignatures`, instead of the options that make one. */
export type ReadySignatures = { signatures: EditorSignatures } & { [Option in keyof EditorSignaturesOptions]?: never }

/** What `fastify.register` takes as its second argument. */
export type ConfigSigningOptions =
  ((EditorSignaturesOptions & { signatures?: never }) | ReadySignatures) &
  (EditorRoutesOptions | NoEditorRoutesOptions)

/** @internal */
export interface ResolvedEditorRoutes extends ResolvedUserRoutes {
  authorize: EditorAuthorizers
  tenantOf: (request: FastifyRequest) => Promise<{ tenant?: string }>
}

const ROUTE_OPTION_NAMES = ['authorize', 'tenant', ...USER_ROUTE_OPTION_NAMES]

/** @internal */
export const NAMES: ReadonlySet<string> = new Set([...EDITOR_OPTION_NAMES, ...ROUTE_OPTION_NAMES, 'signatures', 'routes'])

/** @internal What the routes need, or `undefined` where there shall be none. */
export function resolveEditorRoutes (options: ConfigSigningOptions, { allowedUrls, store, secrets: { hasTenants } }: EditorSettings): ResolvedEditorRoutes | undefined {
  const { signatures, routes = true, authorize, tenant } = options
  if (signatures !== undefined) refuseIdle(options, [...EDITOR_OPTION_NAMES], 'cannot stand beside signatures')
  if (typeof routes !== 'boolean') throw new InvalidOptionError('routes', 'must be true or false')
  if (!routes) return refuseIdle(options, ROUTE_OPTION_NAMES, 'has no use with routes: false')

  checkAuthorizers(authorize)
  if (allowedUrls === undefined && (authorize.config ?? authorize.methods) !== undefined) throw new InvalidOptionError('allowedUrls', 'is needed while there are routes that sign')
  if (tenant !== undefined && typeof tenant !== 'function') throw new InvalidOptionError('tenant', 'must be a function of the request')
  if (hasTenants !== (tenant !== undefined)) throw new InvalidOptionError('tenant', hasTenants ? 'is needed where the secrets are a function of it' : 'has no use where no secret is a function of it')
  return {
    ...resolveUserRoutes(options, store),
    authorize: { ...authorize, ...(authorize.methods !== undefined && { methods: { ...authorize.methods } }) },
    tenantOf: async (request) => tenant === undefined ? {} : { tenant: await tenant(request) }
  }
}

function checkAuthorizers (authorize: EditorAuthorizers | undefined): asserts authorize is EditorAuthorizers {
  if (typeof authorize !== 'object' || authorize === null) throw new InvalidOptionError('authorize', 'must be { config?, methods?, explain? } of functions that tell what the user may: there is no default that allows')
  checkNames(authorize, ['config', 'methods', 'explain'], 'authorize')
  const { config, methods, explain } = authorize
  if (config === undefined && methods === undefined && explain === undefined) throw new InvalidOptionError('authorize', 'must hold one function at least; without routes, say routes: false')
  for (const [option, value] of Object.entries({ config, explain })) {
    if (value !== undefined && typeof value !== 'function') throw new InvalidOptionError(`authorize.${option}`, 'must be a function of the request')
  }
  if (methods === undefined) return
  if (typeof methods !== 'object' || methods === null) throw new InvalidOptionError('authorize.methods', 'must be an object of functions')
  checkNames(methods, EDITOR_METHOD_NAMES, 'authorize.methods')
  if (Object.keys(methods).length === 0) throw new InvalidOptionError('authorize.methods', 'must hold one function at least')
  for (const [method, value] of Object.entries(methods)) {
    if (typeof value !== 'function') throw new InvalidOptionError(`authorize.methods.${method}`, 'must be a function of the request')
  }
}
