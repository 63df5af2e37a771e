import { type Credential } from '../../credentials/index.ts'
import { InvalidRequestError, InvalidValueError, WrongTokenError } from '../../errors.ts'
import { type TokenHolder } from '../../events.ts'
import { publish } from '../../publish.ts'
import { orOutage } from '../../stores/outage.ts'
import { checkAuth, checkInput, checkLifetime, checkMaxUses, CODE_NAMES, type InputNames, type OpaqueTokenInput } from './input.ts'
import { type OpaqueSettings } from './options.ts'
import { type AnyParameters, AUTH } from './parameters.ts'
import { type TokenKeys, tokenKeys } from './pepper.ts'
import { openRecord, readHeader, type RecordHeader, sealRecord } from './record.ts'
import { type IssuedOpaqueToken, type OpaqueToken, type OpaqueTokenInfo } from './token.ts'

/** Keeps parameters on the server, and hands out tokens for them. Knows nothing of HTTP. */
export interface OpaqueTokensCore<Parameters extends object = AnyParameters> {
  /** What the instance was made with, as far as it is no secret. */
  readonly settings: Readonly<Pick<OpaqueSettings<Parameters>, 'name' | 'store' | 'now'>>
  /**
   * Keeps parameters, and makes a token for them. A parameter `auth` is replaced.
   *
   * @param names What messages call the members. Default is the names of {@link OpaqueTokenInput}.
   *
   * @throws {InvalidJsonError} `FDT_INVALID_JSON` (400) for JSON that is none, or not strict.
   * @throws {InvalidRequestError} `FDT_INVALID_REQUEST` (400) for parameters or another member that are unusable.
   * @throws {LifetimeTooLongError} `FDT_LIFETIME_TOO_LONG` (400) beyond `maxLifetime` or the credential's.
   * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500) when the host's `parameters` returns no parameters.
   * @throws {StoreUnavailableError} `FDT_STORE_UNAVAILABLE` (503): then there may be a record that nobody has a token for.
   * @throws {StoreFullError} `FDT_STORE_FULL` (503).
   */
  issue (input: OpaqueTokenInput<Parameters>, names?: InputNames): Promise<IssuedOpaqueToken>
  /**
   * What a token stands for. Where it has `maxUses`, this is one of them.
   *
   * Checks the form, that it was issued here and nobody ended it, that its record is whole and in its place, the time,
   * the parameters, who asks, `onVerify`, and at last the uses: what is refused before spends none.
   *
   * @param token As it was sent. Untrusted.
   * @param authenticate Tells who asks, once the token is known to be good. What it rejects with refuses.
   *
   * @throws {WrongTokenError} `FDT_WRONG_TOKEN` (403), whatever is wrong.
   * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500) when the host's `parameters` returns no parameters.
   * @throws {UnsupportedFormatError} `FDT_UNSUPPORTED_FORMAT` (500) when a later release wrote the record.
   * @throws {StoreUnavailableError} `FDT_STORE_UNAVAILABLE` (503): then nothing is known of the token, and one use may be spent.
   * @throws {StoreFullError} `FDT_STORE_FULL` (503).
   * @throws Whatever `authenticate` and `onVerify` reject with.
   */
  verify (token: string, authenticate?: () => Promise<Credential>): Promise<OpaqueToken<Parameters>>
  /**
   * Ends a token, in every process that shares the store.
   *
   * @param issuedBy Id of the only credential whose token may be ended. Default is any token.
   *
   * @throws {WrongTokenError} `FDT_WRONG_TOKEN` (403) when there is no such token (any more).
   * @throws {StoreUnavailableError} `FDT_STORE_UNAVAILABLE` (503): it may have ended.
   */
  revoke (target: string | { accessor: string }, issuedBy?: string): Promise<void>
  /**
   * Whose token it is and how long it lives. Never its parameters: only the token opens those. So nothing but the store
   * vouches for the answer, and a token that is used up is still there.
   *
   * @param issuedBy Id of the only credential whose token may be looked up. Default is any token.
   *
   * @throws {WrongTokenError} `FDT_WRONG_TOKEN` (403) when there is no such token (any more).
   * @throws {StoreUnavailableError} `FDT_STORE_UNAVAILABLE` (503).
   */
  lookUp (accessor: string, issuedBy?: string): Promise<OpaqueTokenInfo>
}

/** What an operator may know of a refusal, and a client may not. */
export interface WrongToken {
  /** `malformed` costs no look-up; `unknown` may also have expired or been ended; an `altered` record was written by somebody else. */
  readonly reason: 'malformed' | 'unknown' | 'altered' | 'expired' | 'parameters' | 'onVerify' | 'used up'
  /** Empty where nothing is certain. */
  readonly holder: TokenHolder
}

const FLOW = 'opaque-tokens'
const ACCESSOR = /^[A-Za-z0-9_-]{43}$/

/** Milliseconds by which a counter of uses lives longer than a token does, from its own start. */
const COUNTER_MARGIN = 60_000

interface FoundRecord {
  readonly keys: TokenKeys
  readonly value: Uint8Array
}

/** @internal */
export function createOpaqueTokensCore<Parameters extends object> (settings: OpaqueSettings<Parameters>): OpaqueTokensCore<Parameters> {
  const { store, peppers, name, format, checkParameters, onVerify, now } = settings
  const place = (accessor: string): string => `opaque/${name}/${accessor}`
  const isOver = ({ expiresAt }: RecordHeader): boolean => expiresAt * 1000 <= now()
  const read = (accessor: string): Promise<Uint8Array | undefined> => orOutage(() => store.get(place(accessor)))

  async function issue (input: OpaqueTokenInput<Parameters>, names: InputNames): Promise<IssuedOpaqueToken> {
    if (typeof input !== 'object' || input === null) throw new InvalidRequestError('issue takes an object')
    const auth = checkAuth(input)
    const maxUses = checkMaxUses(input.maxUses, settings, names)
    const lifetime = checkLifetime(input, settings, names)
    const posted = checkInput(input, settings, names)
    checkParameters(posted.values, names.parameters)

    const issuedAt = now()
    const { token, bytes } = format.create()
    const keys = tokenKeys(peppers[0], name, bytes)
    const { accessor, pepperId } = keys
    const credential = input.credential?.id
    const expiresAt = Math.floor(issuedAt / 1000) + lifetime
    const header = { pepperId, ...(credential !== undefined && { credential }), auth, issuedAt, expiresAt, ...(maxUses !== undefined && { maxUses }) }
    const value = sealRecord(header, posted.withAuth(auth), keys, place(accessor))
    await orOutage(() => store.set(place(accessor), value, { ttl: expiresAt * 1000 - issuedAt }))
    publish('issued', () => ({ flow: FLOW, name, time: issuedAt, ...holderOf(accessor, header), documents: [], expiresAt }))
    return { token, accessor, expiresAt }
  }

  /** What the token would be kept by, of each pepper. */
  function keysOf (token: string): TokenKeys[] {
    const bytes = typeof token === 'string' ? format.read(token) : undefined
    if (bytes === undefined) throw wrong('malformed')
    return peppers.map((pepper) => tokenKeys(pepper, name, bytes))
  }

  /** Asks for both peppers, always: what is unknown costs as much as what is known. */
  async function find (token: string): Promise<FoundRecord> {
    const found = await Promise.all(keysOf(token).map(async (keys) => ({ keys, value: await read(keys.accessor) })))
    const record = found.find((candidate): candidate is FoundRecord => candidate.value !== undefined)
    if (record === undefined) throw wrong('unknown')
    return record
  }

  async function verify (token: string, authenticate: (() => Promise<Credential>) | undefined): Promise<OpaqueToken<Parameters>> {
    const { keys, value } = await find(token)
    const { accessor } = keys
    const opened = openRecord(value, keys, place(accessor))
    if (opened === undefined) throw wrong('altered', { id: accessor })

    const { header, text: json } = opened
    const refuse = (reason: WrongToken['reason']): Error => wrong(reason, holderOf(accessor, header))
    if (isOver(header)) throw refuse('expired')
    const found = Object.freeze({ ...infoOf(accessor, header), parameters: parametersOf(json, refuse), json })
    const verifier = await authenticate?.()
    if (onVerify !== undefined && await onVerify(found, verifier) !== true) throw refuse('onVerify')
    // All of that took its time.
    if (isOver(header)) throw refuse('expired')
    if (header.maxUses === undefined) return found

    // Without this process's time: by a clock that is ahead the counter would end before the record, and begin anew.
    const ttl = header.expiresAt * 1000 - header.issuedAt + COUNTER_MARGIN
    const { count: uses } = await orOutage(() => store.increment(place(accessor), ttl, { durable: true }))
    // A count that is no number is none to go by.
    if (!(uses <= header.maxUses)) throw refuse('used up')
    return Object.freeze({ ...found, uses })
  }

  /** A schema that the host has narrowed since ends what it does not cover any more. */
  function parametersOf (json: string, refuse: (reason: WrongToken['reason']) => Error): Parameters {
    const { [AUTH]: _auth, ...values } = JSON.parse(json)
    try {
      return checkParameters(values, CODE_NAMES.parameters)
    } catch (error) {
      throw error instanceof InvalidRequestError ? refuse('parameters') : error
    }
  }

  async function revoke (target: string | { accessor: string }, issuedBy: string | undefined): Promise<void> {
    const accessors = typeof target === 'string' ? keysOf(target).map(({ accessor }) => accessor) : [checkAccessor(target?.accessor)]
    const places = await Promise.all(accessors.map(async (accessor) => ({ accessor, value: await read(accessor) })))
    const found = places.find(({ value }) => value !== undefined)
    const header = found?.value && headerOf(found.value)
    if (found !== undefined && issuedBy !== undefined && header?.credential !== issuedBy) throw wrong('unknown')
    // Where nothing is, too: a call before may have ended the token, and its answer an outage. That it is gone has to last.
    const deleted = await Promise.all(places.map(({ accessor }) => orOutage(() => store.delete(place(accessor), { durable: true }))))
    if (found === undefined || !deleted.includes(true)) throw wrong('unknown')
    const { accessor } = found
    publish('revoked', () => ({ flow: FLOW, name, time: now(), ...(header === undefined ? { id: accessor } : holderOf(accessor, header)) }))
  }

  return Object.freeze<OpaqueTokensCore<Parameters>>({
    settings: Object.freeze({ name, store, now }),
    issue: (input, names = CODE_NAMES) => issue(input, names),
    verify: (token, authenticate) => verify(token, authenticate),
    revoke: (target, issuedBy) => revoke(target, issuedBy),
    lookUp: async (accessor, issuedBy) => {
      const value = await read(checkAccessor(accessor))
      const header = value && headerOf(value)
      if (header === undefined || isOver(header) || (issuedBy !== undefined && header.credential !== issuedBy)) throw wrong('unknown')
      return infoOf(accessor, header)
    }
  })
}

const wrongTokens = new WeakMap<Error, WrongToken>()

function wrong (reason: WrongToken['reason'], holder: TokenHolder = {}): Error {
  const error = new WrongTokenError()
  wrongTokens.set(error, { reason, holder })
  return error
}

/** @internal Why a token was refused, and whose it is. `undefined` for any other error. */
export function wrongToken (error: unknown): WrongToken | undefined {
  return error instanceof Error ? wrongTokens.get(error) : undefined
}

function checkAccessor (accessor: unknown): string {
  if (typeof accessor !== 'string' || !ACCESSOR.test(accessor)) throw wrong('malformed')
  return accessor
}

/** What is no record belongs to nobody. */
function headerOf (value: Uint8Array): RecordHeader | undefined {
  try {
    return readHeader(value)
  } catch (error) {
    if (error instanceof InvalidValueError) return undefined
    throw error
  }
}

function infoOf (accessor: string, { auth, credential, issuedAt, expiresAt, maxUses }: RecordHeader): OpaqueTokenInfo {
  return Object.freeze({
    accessor,
    auth,
    ...(credential !== undefined && { credential }),
    issuedAt,
    expiresAt,
    ...(maxUses !== undefined && { maxUses })
  })
}

function holderOf (id: string, { credential, auth: owner }: RecordHeader): TokenHolder {
  return { id, credential, owner }
}
