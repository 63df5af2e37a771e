import { setTimeout as sleep } from 'node:timers/promises'
import { type Client } from '../../credentials/client.ts'
import { digest } from '../../digest.ts'
import {
  InvalidOptionError, InvalidRequestError, InvalidScopeError, InvalidTargetError, InvalidTokenError, IssuerUnavailableError, LifetimeTooLongError,
  StoreUnavailableError, TokenExpiredError, TokenRevokedError, UnusableKeyError
} from '../../errors.ts'
import { type TokenHolder } from '../../events.ts'
import { deepFreeze } from '../../freeze.ts'
import { publicJwks, type PublicJwk } from '../../keys/jwks.ts'
import { type RingKey } from '../../keys/key-ring.ts'
import { isRemoteRing } from '../../keys/remote-ring.ts'
import { publish } from '../../publish.ts'
import { createJwtVerifier } from '../jwt-verifier.ts'
import { type KeyEngine, type KeyEngineFactory, keyEngines } from '../key-engine.ts'
import { createRevocations, type Revocations, type RevocationTarget } from '../revocations.ts'
import { isUuidv7, uuidv7, uuidv7Time } from '../uuid.ts'
import { type AccessSettings, canIssue, MAX_LIFETIME } from './options.ts'
import { PROFILES } from './profile.ts'
import { createRemoteEngine } from './remote-engine.ts'
import { type AccessToken, type AccessTokenReference, type IssuedAccessToken } from './token.ts'

/** What `issue` takes. */
export interface AccessTokenInput<Scope extends string> {
  /** Who gets the token. Its limits hold. Whether it is who it says is for the caller to know. */
  client: Client
  /** What the token is to be good for. Default is `defaultScopes` of the client, else all that it may have. */
  scopes?: readonly Scope[]
  /** The resources that the token is for. Default is `audience`, or the first one that the client may have; with the profile `identityserver` all of them. */
  audiences?: readonly string[]
  /** Seconds that the token lives. Default is the client's `tokenLifetime`, else `defaultLifetime`. */
  expiresIn?: number
  /** Thumbprint (RFC 7638) of the key that the token is bound to: RFC 9449. Default is none. */
  jkt?: string
  /**
   * When the client was looked up, in milliseconds since the Unix epoch: the token is of that time, and so a `revokeAll` that came
   * since ends it. Not in the future. Default is now.
   */
  since?: number
}

/** What ends many tokens at once. */
export type AccessRevocationTarget = { client: string } | { owner: string }

/** Issues, verifies and ends access tokens. Knows nothing of HTTP. */
export interface AccessTokensCore<Scope extends string = string> {
  /** What the instance was made with, as far as it is no secret. */
  readonly settings: Readonly<Pick<AccessSettings<Scope>, 'issuer' | 'name' | 'scopes' | 'profile' | 'audience' | 'audiences' | 'keys' | 'store' | 'now'>>
  /**
   * Issues an access token.
   *
   * @throws {InvalidRequestError} `FDT_INVALID_REQUEST` (400) for a member that is unusable.
   * @throws {InvalidScopeError} `FDT_INVALID_SCOPE` (400) for a scope that is unknown, that the client may not have, or when none is granted.
   * @throws {InvalidTargetError} `FDT_INVALID_TARGET` (400) for a resource that is unknown or that the client may not have tokens for, or for so many that no guard would take the token.
   * @throws {LifetimeTooLongError} `FDT_LIFETIME_TOO_LONG` (400) beyond `maxLifetime`.
   * @throws {NoSigningKeyError} `FDT_NO_SIGNING_KEY` (500) when the ring holds public halves only.
   * @throws {SignerFailedError} `FDT_SIGNER_FAILED` (503).
   * @throws {StoreUnavailableError} `FDT_STORE_UNAVAILABLE` (503) when the store is out of reach before the first token of a process, or `grantScopes` failed.
   */
  issue (input: AccessTokenInput<Scope>): Promise<IssuedAccessToken<Scope>>
  /**
   * What an access token stands for.
   *
   * Checks the header, the key, the signature, the claims, the issuer, that the token is for `audience`, the time, and that
   * nobody ended it. Does not check scopes, nor who sends it: `require` does; where `jkt` is there, the sender has to prove
   * that the key is its own.
   *
   * @param token As it was sent, without `Bearer `. Untrusted.
   *
   * @throws {InvalidTokenError} `FDT_INVALID_TOKEN` (401), also before `notBefore`.
   * @throws {TokenExpiredError} `FDT_TOKEN_EXPIRED` (401), only once the signature is verified.
   * @throws {TokenRevokedError} `FDT_TOKEN_REVOKED` (401), only once the signature is verified.
   * @throws {StoreUnavailableError} `FDT_STORE_UNAVAILABLE` (503): then nothing is known of the token.
   * @throws {IssuerUnavailableError} `FDT_ISSUER_UNAVAILABLE` (503): its key is not known, and the issuer cannot be asked.
   */
  verify (token: string): Promise<AccessToken<Scope>>
  /**
   * The token, where it is good and `caller` may know: its own, or one for an audience that its record lists under
   * `introspects`. Else `undefined`, whatever the reason. RFC 7662, section 2.2.
   *
   * @throws {StoreUnavailableError} `FDT_STORE_UNAVAILABLE` (503): then nothing is known of the token.
   */
  introspect (token: string, caller: Pick<Client, 'id' | 'introspects'>): Promise<AccessToken<Scope> | undefined>
  /**
   * Ends one token, in every process that shares the store. Of a token that is forged, malformed or another client's nothing
   * is ended, and nothing is stored.
   *
   * @param token The token, or what `issue` or `verify` returned. A token may have expired.
   * @param issuedTo Id of the only client whose token may be ended. Default is any token.
   *
   * @returns Whether there is such a token.
   *
   * @throws {StoreUnavailableError} `FDT_STORE_UNAVAILABLE` (503): it may have ended.
   */
  revoke (token: string | AccessTokenReference, issuedTo?: string): Promise<boolean>
  /**
   * Ends all tokens of a client, or of all clients of an owner, that were issued at `before` or earlier.
   *
   * @param options.before Milliseconds since the Unix epoch, not in the future. Default is now.
   *
   * @throws {InvalidRequestError} `FDT_INVALID_REQUEST` (400) for another target or time.
   * @throws {StoreUnavailableError} `FDT_STORE_UNAVAILABLE` (503): they may have ended.
   */
  revokeAll (target: AccessRevocationTarget, options?: { before?: number }): Promise<void>
  /** The public halves of `keys`, the coming one among them: for whoever verifies the tokens. RFC 7517, section 5. */
  jwks (): { keys: PublicJwk[] }
}

const FLOW = 'client-credentials'

/** Characters. More than any server takes in its headers. */
const MAX_TOKEN_LENGTH = 16 * 1024

interface Verified<Scope extends string> {
  readonly token: AccessToken<Scope>
  readonly revocationKeys: readonly string[]
}

/**
 * @param createEngine What signs and verifies with one key of the instance's own.
 *
 * @internal
 */
export async function createAccessTokensCore<Scope extends string> (settings: AccessSettings<Scope>, createEngine: KeyEngineFactory): Promise<AccessTokensCore<Scope>> {
  const { issuer, keys, store, name, audience, audiences, maxLifetime, defaultLifetime, grantScopes, now } = settings
  const profile = PROFILES[settings.profile]
  const tolerance = settings.clockTolerance * 1000
  const engines = keyEngines(isRemoteRing(keys) ? createRemoteEngine : createEngine, profile.typ)
  // A ring may follow a file: what was looked at while the app booted need not hold.
  const engineOf = async (key: RingKey): Promise<KeyEngine> => {
    if (key.algorithm === 'HS256') throw new UnusableKeyError('whoever verifies access tokens with a secret can issue as well')
    return await engines(key)
  }
  // How long tokens of another issuer live is not for the options to say.
  const longest = canIssue(keys) ? maxLifetime : MAX_LIFETIME
  const revocations = store && createRevocations({ store, prefix: `access/${digest(issuer)}`, maxLifetime: longest * 1000, now })
  const authenticate = createJwtVerifier<Verified<Scope>>({
    keys,
    engineOf,
    isTyp: profile.isTyp,
    maxLength: MAX_TOKEN_LENGTH,
    cacheBytes: settings.cacheBytes,
    read: (payload) => {
      const token = toToken(payload)
      return { token, revocationKeys: revocations?.keys(revocable(token)) ?? [] }
    },
    onUnknownKey: () => {
      if (isRemoteRing(keys) && keys.isOutdated()) throw new IssuerUnavailableError()
    }
  })

  // So that the first request is as quick as the next.
  if (canIssue(keys)) await Promise.all(keys.list().map(engineOf))

  function toToken (payload: unknown): AccessToken<Scope> {
    const claims = profile.read(payload)
    const { iss, aud, sub, jti, iat, exp, nbf, client_id: client, owner, cnf } = claims
    if (iss !== issuer) throw new InvalidTokenError()
    return deepFreeze({
      jti,
      client,
      ...(owner !== undefined && { owner }),
      ...(sub !== undefined && { subject: sub }),
      // Names that left the vocabulary since are no harm: no guard asks for them.
      scopes: [...profile.scopesOf(claims)] as Scope[],
      audiences: [aud].flat(),
      issuedAt: issuedAtOf(jti, iat),
      expiresAt: exp,
      ...(nbf !== undefined && { notBefore: nbf }),
      ...(cnf?.jkt !== undefined && { jkt: cnf.jkt }),
      claims
    })
  }

  /** Everything but whom the token is for. */
  async function check (text: string): Promise<AccessToken<Scope>> {
    const { token, revocationKeys } = await authenticate(text)
    const time = now()
    if (token.expiresAt * 1000 <= time - tolerance) throw over(token, new TokenExpiredError())
    if (await revocations?.isRevoked(revocationKeys, token.issuedAt) === true) throw over(token, new TokenRevokedError())
    if (token.notBefore !== undefined && token.notBefore * 1000 > time + tolerance) throw over(token, new InvalidTokenError())
    return token
  }

  async function chooseScopes (asked: readonly Scope[] | undefined, client: Client): Promise<{ scopes: readonly Scope[], isNarrowed: boolean }> {
    const allowed = settings.scopes.filter((scope) => client.scopes?.includes(scope) !== false)
    const wanted = asked === undefined
      ? allowed.filter((scope) => client.defaultScopes?.includes(scope) !== false)
      : [...new Set(asked)]
    if (!wanted.every((scope) => allowed.includes(scope))) throw new InvalidScopeError()
    if (grantScopes === undefined || wanted.length === 0) return { scopes: wanted, isNarrowed: false }

    // A copy: what the host does to its list must not pass for what was asked.
    const granted = await callHost(async () => await grantScopes([...wanted], client))
    const scopes = Array.isArray(granted) && granted.every((scope) => wanted.includes(scope)) ? wanted.filter((scope) => granted.includes(scope)) : []
    if (scopes.length === 0) throw new InvalidScopeError()
    return { scopes, isNarrowed: scopes.length < wanted.length }
  }

  function chooseAudiences (asked: readonly string[] | undefined, client: Client): readonly string[] {
    const allowed = audiences.filter((name) => client.audiences?.includes(name) !== false)
    const chosen = asked === undefined ? profile.defaultAudiences(allowed) : [...new Set(asked)]
    if (chosen.length === 0 || !chosen.every((name) => allowed.includes(name))) throw new InvalidTargetError()
    return chosen
  }

  function chooseLifetime (expiresIn: number | undefined, { tokenLifetime = defaultLifetime }: Client): number {
    if (expiresIn === undefined) return Math.min(tokenLifetime, maxLifetime)
    if (!Number.isSafeInteger(expiresIn) || expiresIn < 1) throw new InvalidRequestError('expiresIn must be a positive whole number of seconds')
    if (expiresIn > maxLifetime) throw new LifetimeTooLongError('expiresIn', String(maxLifetime))
    return expiresIn
  }

  async function issue (input: AccessTokenInput<Scope>): Promise<IssuedAccessToken<Scope>> {
    const called = now()
    const { client, jkt, since: time = called } = checkInput(input, called)
    const expiresIn = chooseLifetime(input.expiresIn, client)
    const chosen = chooseAudiences(input.audiences, client)
    const { scopes, isNarrowed } = await chooseScopes(input.scopes, client)
    const issuedAt = Math.floor(time / 1000)
    const expiresAt = issuedAt + expiresIn
    const jti = uuidv7(time)

    const engine = await engineOf(keys.signing())
    await revocations?.announceLifetime()
    const token = await engine.sign({ ...profile.write({ issuer, audiences: chosen, client: client.id, owner: client.owner, scopes, jti, issuedAt, expiresAt, jkt }) })
    if (token.length > MAX_TOKEN_LENGTH) throw new InvalidTargetError()
    publish('issued', () => ({ flow: FLOW, name, time: called, id: jti, subject: client.id, credential: client.id, owner: client.owner, documents: [], scopes, expiresAt }))
    // What came before took its time, in whole seconds: as a rule none.
    const left = expiresIn - Math.floor(Math.max(0, now() - time) / 1000)
    return { token, jti, scopes, isNarrowed, audiences: chosen, expiresIn: left, expiresAt }
  }

  function ending (): Revocations {
    if (revocations === undefined) throw new InvalidOptionError('store', 'is required to end tokens')
    return revocations
  }

  /** A token that may have expired, unless it is forged or another client's. */
  async function find (text: string, issuedTo: string | undefined): Promise<AccessToken | undefined> {
    try {
      const { token } = await authenticate(text)
      return issuedTo === undefined || token.client === issuedTo ? token : undefined
    } catch (error) {
      if (error instanceof InvalidTokenError) return undefined
      throw error
    }
  }

  return Object.freeze<AccessTokensCore<Scope>>({
    settings: Object.freeze({ issuer, name, scopes: settings.scopes, profile: settings.profile, audience, audiences, keys, store, now }),
    issue,
    verify: async (text) => {
      const token = await check(text)
      if (!token.audiences.includes(audience)) throw over(token, new InvalidTokenError())
      return token
    },
    introspect: async (text, { id, introspects = [] }) => {
      try {
        const token = await check(text)
        return token.client === id || token.audiences.some((name) => introspects.includes(name)) ? token : undefined
      } catch (error) {
        if (error instanceof InvalidTokenError || error instanceof TokenExpiredError || error instanceof TokenRevokedError) return undefined
        throw error
      }
    },
    revoke: async (target, issuedTo) => {
      const { revoke } = ending()
      const token = typeof target === 'string' ? await find(target, issuedTo) : checkReference(target)
      if (token === undefined) return false
      const { jti, expiresAt, client, owner } = token
      await revoke(storedId(jti), Math.ceil(expiresAt * 1000))
      publish('revoked', () => ({ flow: FLOW, name, time: now(), id: jti, credential: client, owner }))
      return true
    },
    revokeAll: async (target, { before } = {}) => {
      const { revokeAll } = ending()
      const time = before === undefined ? now() : before
      if (!Number.isFinite(time) || time < 0 || time > now()) throw new InvalidRequestError('before must be milliseconds since 1970-01-01T00:00:00Z, not in the future')
      const [whose, last] = [checkTarget(target), Math.floor(time)]
      await revokeAll(whose, last)
      publish('revoked', () => ({ flow: FLOW, name, time: now(), ...whose, before: last }))
      // So that a token which is issued next is not of the millisecond that ended.
      if (before === undefined) await sleep(2)
    },
    jwks: () => publicJwks(keys)
  })
}

/** Whatever a function of the host's throws is an outage, errors of ours among them: they would be taken for an answer. */
async function callHost<Result> (call: () => Promise<Result>): Promise<Result> {
  try {
    return await call()
  } catch (cause) {
    throw new StoreUnavailableError({ cause })
  }
}

const tokensOf = new WeakMap<Error, AccessToken>()

function over (token: AccessToken, error: Error): Error {
  tokensOf.set(error, token)
  return error
}

/** @internal Whose token it was that was refused although its signature is right. */
export function refusedToken (error: Error): AccessToken | undefined {
  return tokensOf.get(error)
}

/** @internal */
export function holderOf (token: AccessToken | undefined): TokenHolder {
  return { id: token?.jti, subject: token?.subject, credential: token?.client, owner: token?.owner }
}

function revocable ({ jti, client, owner }: AccessToken): { jti: string, credential: string, owner: string | undefined } {
  return { jti: storedId(jti), credential: client, owner }
}

/** Another issuer's id may be any text: in the store stands its digest, whose form nobody else chooses. */
function storedId (jti: string): string {
  return isUuidv7(jti) ? jti : digest(jti)
}

/** To the millisecond where the id tells it, and says nothing else than `iat`: another issuer may have made it at any time. */
function issuedAtOf (jti: string, iat: number): number {
  const second = Math.floor(iat)
  const time = isUuidv7(jti) ? uuidv7Time(jti) : undefined
  return time !== undefined && Math.floor(time / 1000) === second ? time : second * 1000
}

function checkInput<Scope extends string> (input: AccessTokenInput<Scope>, now: number): AccessTokenInput<Scope> {
  if (typeof input !== 'object' || input === null) throw new InvalidRequestError('issue takes an object')
  const { client, jkt, scopes, audiences, since } = input
  if (typeof client?.id !== 'string' || !/^[\x20-\x7e]{1,100}$/.test(client.id)) throw new InvalidRequestError('client must have an id of 1 to 100 printable ASCII characters')
  if (jkt !== undefined && (typeof jkt !== 'string' || !/^[A-Za-z0-9_-]{43}$/.test(jkt))) throw new InvalidRequestError('jkt must be a SHA-256 thumbprint in base64url')
  // In a text, parts of names would be found.
  if (![client.scopes, client.defaultScopes, client.audiences].every((list) => list === undefined || Array.isArray(list))) throw new InvalidRequestError('scopes, defaultScopes and audiences of client must be lists')
  if (since !== undefined && !(Number.isFinite(since) && since >= 0 && since <= now)) throw new InvalidRequestError('since must be milliseconds since 1970-01-01T00:00:00Z, not in the future')
  if (scopes !== undefined && !Array.isArray(scopes)) throw new InvalidRequestError('scopes must be a list')
  if (audiences !== undefined && !Array.isArray(audiences)) throw new InvalidRequestError('audiences must be a list')
  return input
}

function checkReference (reference: AccessTokenReference): AccessTokenReference {
  if (typeof reference?.jti !== 'string' || reference.jti === '' || reference.jti.length > 256 || !Number.isFinite(reference.expiresAt)) throw new InvalidRequestError('revoke takes a token, or what issue or verify returned')
  return reference
}

/** As the store knows it, where clients are credentials. */
function checkTarget (target: AccessRevocationTarget): RevocationTarget {
  const entries = typeof target === 'object' && target !== null ? Object.entries(target).filter(([, value]) => value !== undefined) : []
  const [[member, value] = [], ...more] = entries
  if (more.length > 0 || typeof value !== 'string' || value === '' || (member !== 'client' && member !== 'owner')) throw new InvalidRequestError('revokeAll takes { client } or { owner }')
  return member === 'client' ? { credential: value } : { owner: value }
}
