import { createSecretKey, type KeyObject } from 'node:crypto'
import { InvalidOptionError, UnknownTenantError, UnusableKeyError, WeakKeyError } from '../../errors.ts'
import { digest } from '../../digest.ts'
import { checkSecret } from '../../keys/strength.ts'
import { orOutage } from '../../stores/outage.ts'
import { EDITOR_ALGORITHMS, type EditorAlgorithm } from './signature.ts'

/** A secret that the document server has too. Text counts as its UTF-8. */
export type EditorSecret = string | Uint8Array

/** One secret, or two live ones while a new one is brought out: the first signs, both verify. */
export type EditorSecrets = EditorSecret | readonly [current: EditorSecret, previous?: EditorSecret]

/** The secrets of one of the host's tenants; `null` for a tenant that there is not. */
export type TenantSecrets = (tenant: string) => Promise<EditorSecrets | null> | EditorSecrets | null

/** The options of an instance that say what it signs and verifies with. */
export interface SecretOptions {
  /** From the host to the document server and to the browser: signs configs, methods and requests. The server calls it the inbox secret. */
  inbox: EditorSecrets | TenantSecrets
  /** From the document server to the host: verifies callbacks and downloads. Without it neither can be. Best another one than `inbox`. */
  outbox?: EditorSecrets | TenantSecrets
  /** What is signed with. Default is `HS256`. What comes back may have any of the three. */
  algorithm?: EditorAlgorithm
  /** Take secrets that anybody can guess, such as `secret` of a development server, and say so in the log. Default is `false`. */
  allowWeakSecret?: boolean
}

/** Which side of the conversation a secret is for. */
export type SecretSide = 'inbox' | 'outbox'

/** Secrets that were checked: the current one first. */
export type LiveSecrets = readonly [current: KeyObject, ...previous: KeyObject[]]

/** @internal */
export interface SecretBox {
  /**
   * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500) for a tenant where there are none, or the reverse.
   * @throws {UnknownTenantError} `FDT_UNKNOWN_TENANT` (403).
   * @throws {WeakKeyError} `FDT_WEAK_KEY` (500), {@link UnusableKeyError} `FDT_UNUSABLE_KEY` (500).
   * @throws {StoreUnavailableError} `FDT_STORE_UNAVAILABLE` (503) when the host's function rejects.
   */
  find (side: SecretSide, tenant?: string): Promise<LiveSecrets>
  /** Whether there are secrets for this side at all. */
  has (side: SecretSide): boolean
  /** The secrets of this side that are known now: none of those of tenants. */
  known (side: SecretSide): readonly KeyObject[]
  /** Whether either side is a function of the tenant. */
  readonly hasTenants: boolean
}

/** Secrets whose check is remembered. The check is slow on purpose, and tenants are many. */
const MAX_REMEMBERED = 1000

/**
 * Checks all secrets that are known now. Those of tenants are checked when they come.
 *
 * @param warn Told of weak secrets, and of one secret for both sides.
 *
 * @internal
 */
export function createSecretBox ({ inbox, outbox, algorithm = 'HS256', allowWeakSecret = false }: SecretOptions, warn: (message: string) => void): SecretBox {
  if (typeof allowWeakSecret !== 'boolean') throw new InvalidOptionError('allowWeakSecret', 'must be true or false')
  if (!EDITOR_ALGORITHMS.includes(algorithm)) throw new InvalidOptionError('algorithm', `must be one of ${EDITOR_ALGORITHMS.join(', ')}`)
  const leastBytes = Number(algorithm.slice(2)) / 8
  const remembered = new Map<string, { key: KeyObject, sides: Set<SecretSide> }>()
  const warned = new Set<string>()

  const warnOnce = (message: string): void => {
    if (warned.has(message)) return
    warned.add(message)
    warn(message)
  }

  function check (side: SecretSide, secret: EditorSecret): KeyObject {
    if (typeof secret !== 'string' && !(secret instanceof Uint8Array)) throw new InvalidOptionError(side, 'must be a secret (text or bytes), a list of one or two, or a function of the tenant')
    const bytes = Buffer.from(secret)
    try {
      checkSecret(bytes)
      if (side === 'inbox' && bytes.length < leastBytes) throw new WeakKeyError(`a secret for ${algorithm} needs at least ${leastBytes} bytes`)
    } catch (error) {
      if (!(error instanceof WeakKeyError) || !allowWeakSecret) throw naming(error, side)
      warnOnce(`The ${side} secret of the editor can be guessed: whoever does, opens and overwrites any document. It is taken because allowWeakSecret is on, which is for development alone.`)
    }
    return createSecretKey(bytes)
  }

  function remember (side: SecretSide, secret: EditorSecret): KeyObject {
    const id = typeof secret === 'string' || secret instanceof Uint8Array ? digest(Buffer.from(secret).toString('latin1')) : ''
    const known = remembered.get(id) ?? { key: check(side, secret), sides: new Set([side]) }
    // What is good for one side may be too short for the other.
    if (!known.sides.has(side)) check(side, secret)
    known.sides.add(side)
    if (known.sides.size > 1) warnOnce('The inbox and the outbox secret of the editor are the same: what is signed for a browser then verifies as a message of the document server. Give them different ones where the server can.')
    // Moved to the end, so that the first is the one that was not used for the longest time.
    remembered.delete(id)
    remembered.set(id, known)
    if (remembered.size > MAX_REMEMBERED) remembered.delete(String(remembered.keys().next().value))
    return known.key
  }

  function checkAll (side: SecretSide, secrets: EditorSecrets): LiveSecrets {
    const [current, previous, ...more] = Array.isArray(secrets) ? secrets : [secrets]
    if (more.length > 0) throw new InvalidOptionError(side, 'has at most two live secrets')
    return previous === undefined ? [remember(side, current)] : [remember(side, current), remember(side, previous)]
  }

  const hasTenants = typeof inbox === 'function' || typeof outbox === 'function'
  const open = (side: SecretSide, source: EditorSecrets | TenantSecrets) => openBox(side, source, hasTenants, checkAll)
  const boxes = { inbox: open('inbox', inbox), outbox: outbox === undefined ? undefined : open('outbox', outbox) }
  const known = [...remembered.values()]
  return {
    has: (side) => boxes[side] !== undefined,
    hasTenants,
    known: (side) => known.filter(({ sides }) => sides.has(side)).map(({ key }) => key),
    find: async (side, tenant) => {
      const box = boxes[side]
      if (box === undefined) throw new InvalidOptionError(side, 'is needed for this')
      return await box(tenant)
    }
  }
}

/** @param hasTenants Whether this side or the other is a function: then a tenant that this one has no use for is no mistake. */
function openBox (side: SecretSide, source: EditorSecrets | TenantSecrets, hasTenants: boolean, checkAll: (side: SecretSide, secrets: EditorSecrets) => LiveSecrets): (tenant?: string) => Promise<LiveSecrets> {
  if (typeof source !== 'function') {
    const live = checkAll(side, source)
    return async (tenant) => {
      if (tenant !== undefined && !hasTenants) throw new InvalidOptionError('tenant', `has no use where ${side} is no function`)
      return live
    }
  }
  return async (tenant) => {
    if (typeof tenant !== 'string' || tenant === '') throw new InvalidOptionError('tenant', `is needed where ${side} is a function of it`)
    const secrets = await orOutage(async () => await source(tenant))
    if (secrets === null || secrets === undefined) throw new UnknownTenantError()
    return checkAll(side, secrets)
  }
}

/** Which of the secrets it is about. */
function naming (error: unknown, side: SecretSide): unknown {
  if (error instanceof WeakKeyError || error instanceof UnusableKeyError) error.message = `${side}: ${error.message}`
  return error
}
