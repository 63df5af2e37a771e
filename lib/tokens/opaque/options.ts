import { type Credential } from '../../credentials/index.ts'
import { InvalidOptionError } from '../../errors.ts'
import { type NamedKey } from '../../keys/seal.ts'
import { checkClock, checkWhole } from '../../options.ts'
import { checkStore, type TokenStore } from '../../stores/token-store.ts'
import { checkName } from '../document-session-options.ts'
import { type OpaqueTokenFormat, type TokenFormat, tokenFormat } from './format.ts'
import { type CheckParameters, type ParameterCheck, resolveParameterCheck } from './parameter-check.ts'
import { type AnyParameters } from './parameters.ts'
import { type Peppers, resolvePeppers } from './pepper.ts'
import { GREATEST_MAX_USES } from './record.ts'
import { type OpaqueToken } from './token.ts'

/** What `createOpaqueTokens` takes, and the plugin too. */
export interface OpaqueTokensOptions<Parameters extends object = AnyParameters> {
  /** Where the sealed parameters are kept. The host creates and closes it. */
  store: TokenStore
  /**
   * What the store does not have: without it, what is in the store cannot be opened or made. One of `parseNamedKey()`, or
   * two while one replaces the other, the new one first. Must be no key of anything else.
   */
  pepper: NamedKey | readonly NamedKey[]
  /** Separates this instance's tokens from another's. Default is `default`. */
  name?: string
  /** What tokens look like: see {@link OpaqueTokenFormat}. Default is `base64url`. */
  format?: OpaqueTokenFormat
  /** What tokens of the format `base64url` start with, before an underscore: 1–32 of letters and digits, with single underscores between. Default is `fdt_opaque`. */
  tokenPrefix?: string
  /** Seconds that a token lives when nobody says. Default is `3600`, or `maxLifetime` when that is less. */
  defaultLifetime?: number
  /** Most seconds that a token lives, at most 366 days. Default is `86400`. */
  maxLifetime?: number
  /** How often a token can be verified, by all processes together, at most 4 294 967 295. A call may ask for less. Default is no limit. */
  maxUses?: number
  /** Most bytes of the parameters as JSON, at most 1 MiB. Default is 16 KiB. */
  maxBytes?: number
  /** What parameters have to be. Default is anything that is flat. */
  parameters?: ParameterCheck<Parameters>
  /**
   * Asked once a token is known to be good, and before a use of it is spent: anything but `true` refuses it. What it throws
   * is the host's. A token that is ended while it runs passes once more.
   *
   * @param verifier Whose API key came along, where there are `verifiers`.
   */
  onVerify? (token: OpaqueToken<Parameters>, verifier: Credential | undefined): Promise<boolean> | boolean
  /** Current time in milliseconds since the Unix epoch. Default is `Date.now`. */
  now?: () => number
}

/** The names of {@link OpaqueTokensOptions}, so that a misspelt one can be refused. */
export const OPAQUE_OPTION_NAMES: ReadonlySet<string> = new Set<keyof OpaqueTokensOptions>([
  'store', 'pepper', 'name', 'format', 'tokenPrefix', 'defaultLifetime', 'maxLifetime', 'maxUses', 'maxBytes', 'parameters', 'onVerify', 'now'
])

/** @internal */
export interface OpaqueSettings<Parameters extends object> {
  readonly store: TokenStore
  readonly peppers: Peppers
  readonly name: string
  readonly format: TokenFormat
  readonly defaultLifetime: number
  readonly maxLifetime: number
  readonly maxUses: number | undefined
  readonly maxBytes: number
  readonly checkParameters: CheckParameters<Parameters>
  /** The schema that the host gave, for documents. */
  readonly schema: object | undefined
  readonly onVerify: OpaqueTokensOptions<Parameters>['onVerify']
  readonly now: () => number
}

const TOKEN_PREFIX = /^(?=.{1,32}$)[A-Za-z0-9]+(?:_[A-Za-z0-9]+)*$/

/**
 * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500), naming the option.
 *
 * @internal
 */
export function resolveOpaqueOptions<Parameters extends object> (options: OpaqueTokensOptions<Parameters>): OpaqueSettings<Parameters> {
  if (typeof options !== 'object' || options === null) throw new InvalidOptionError('options', 'must be an object')
  const {
    store,
    pepper,
    name = 'default',
    format = 'base64url',
    tokenPrefix,
    maxLifetime = 86_400,
    defaultLifetime = maxLifetime < 3600 ? maxLifetime : 3600,
    maxUses,
    maxBytes = 16 * 1024,
    parameters,
    onVerify,
    now = Date.now
  } = options

  checkStore(store)
  if (typeof store.delete !== 'function') throw new InvalidOptionError('store', 'must be a token store with a function delete')
  const peppers = resolvePeppers(pepper)
  checkName(name)
  if (format !== 'base64url' && format !== 'uuid') throw new InvalidOptionError('format', 'must be base64url or uuid')
  if (tokenPrefix !== undefined && format === 'uuid') throw new InvalidOptionError('tokenPrefix', 'has no use with format: uuid')
  if (tokenPrefix !== undefined && (typeof tokenPrefix !== 'string' || !TOKEN_PREFIX.test(tokenPrefix))) throw new InvalidOptionError('tokenPrefix', 'must be 1 to 32 letters and digits, with single underscores between')
  checkWhole('maxLifetime', maxLifetime, 1, 366 * 86_400)
  checkWhole('defaultLifetime', defaultLifetime, 1, maxLifetime)
  if (maxUses !== undefined) checkWhole('maxUses', maxUses, 1, GREATEST_MAX_USES)
  checkWhole('maxBytes', maxBytes, 2, 1024 * 1024)
  if (onVerify !== undefined && typeof onVerify !== 'function') throw new InvalidOptionError('onVerify', 'must be a function')
  checkClock(now)

  return {
    store,
    peppers,
    name,
    format: tokenFormat(format, tokenPrefix ?? 'fdt_opaque'),
    defaultLifetime,
    maxLifetime,
    maxUses,
    maxBytes,
    checkParameters: resolveParameterCheck(parameters),
    schema: typeof parameters === 'object' ? parameters : undefined,
    onVerify,
    now
  }
}
