import { type Credential } from '../../credentials/index.ts'
import { InvalidRequestError, LifetimeTooLongError } from '../../errors.ts'
import { isId } from '../../schemas/scalars.ts'
import { type OpaqueSettings } from './options.ts'
import { type AnyParameters, type PostedParameters, printParameters, readParameters } from './parameters.ts'
import { GREATEST_MAX_USES } from './record.ts'

/** What `issue` takes. */
export type OpaqueTokenInput<Parameters extends object = AnyParameters> = {
  /** Seconds that the token lives, from now on. Default is `defaultLifetime`, or less where `credential` allows less. */
  expiresIn?: number | undefined
  /** How often it can be verified. At most the option `maxUses`, which is the default. */
  maxUses?: number | undefined
} & (
  | { parameters: Parameters, json?: never }
  /** The parameters as JSON in UTF-8, whose text is kept. */
  | { json: string | Uint8Array, parameters?: never }
) & (
  /** On whose behalf the token is issued: it can end the token. `auth` is its owner, or else its id. */
  | { credential: Pick<Credential, 'id' | 'owner' | 'maxLifetime'>, auth?: string }
  /** Whose token it is: 1–512 characters. The host alone can end it. */
  | { auth: string, credential?: never }
)

/** What messages call the members of the input, so that a route can speak the names of its wire. */
export interface InputNames {
  parameters: string
  expiresIn: string
  maxUses: string
}

/** @internal */
export const CODE_NAMES: InputNames = { parameters: 'parameters', expiresIn: 'expiresIn', maxUses: 'maxUses' }

type Limits = Pick<OpaqueSettings<object>, 'defaultLifetime' | 'maxLifetime' | 'maxUses' | 'maxBytes'>

/** @internal Whose token it will be. */
export function checkAuth ({ credential, auth = credential?.owner ?? credential?.id }: Pick<OpaqueTokenInput, 'credential' | 'auth'>): string {
  if (credential !== undefined && !isId(credential?.id)) throw new InvalidRequestError('credential must have an id of 1 to 512 characters')
  if (!isId(auth)) throw new InvalidRequestError('auth, or the owner of the credential, must be a string of 1 to 512 characters')
  return auth
}

/** @internal */
export function checkInput ({ parameters, json }: Pick<OpaqueTokenInput<object>, 'parameters' | 'json'>, { maxBytes }: Limits, names: InputNames): PostedParameters {
  if ((parameters === undefined) === (json === undefined)) throw new InvalidRequestError('issue takes parameters, or their json')
  const bytes = parameters === undefined ? toBytes(json) : printParameters(parameters, names.parameters)
  if (bytes.length > maxBytes) throw new InvalidRequestError(`${names.parameters} must be at most ${maxBytes} bytes of JSON`)
  return readParameters(bytes, names.parameters)
}

function toBytes (json: unknown): Uint8Array {
  if (json instanceof Uint8Array) return json
  if (typeof json === 'string' && json.isWellFormed()) return Buffer.from(json)
  throw new InvalidRequestError('json must be well-formed text, or bytes')
}

/** @internal Seconds. */
export function checkLifetime ({ expiresIn, credential }: Pick<OpaqueTokenInput, 'expiresIn' | 'credential'>, limits: Limits, names: InputNames): number {
  const cap = Math.min(limits.maxLifetime, credential?.maxLifetime ?? limits.maxLifetime)
  const lifetime = expiresIn === undefined ? Math.min(limits.defaultLifetime, cap) : expiresIn
  if (!Number.isSafeInteger(lifetime) || lifetime < 1) throw new InvalidRequestError(`${names.expiresIn} must be whole seconds, at least 1`)
  // A cap that is no number, of a look-up of the host's, is none to go by.
  if (!(lifetime <= cap)) throw new LifetimeTooLongError(names.expiresIn, String(cap))
  return lifetime
}

/** @internal */
export function checkMaxUses (maxUses: unknown, limits: Limits, names: InputNames): number | undefined {
  if (maxUses === undefined) return limits.maxUses
  const most = limits.maxUses ?? GREATEST_MAX_USES
  if (!Number.isSafeInteger(maxUses) || Number(maxUses) < 1 || Number(maxUses) > most) throw new InvalidRequestError(`${names.maxUses} must be a whole number from 1 to ${most}`)
  return Number(maxUses)
}
