import { InvalidOptionError, KeyInUseError, NoSigningKeyError, UnknownKeyError, UnusableKeyError } from '../errors.ts'
import { importKey, isSameKey, type KeyInput } from './key-material.ts'
import { type KeyRing, type RingKey } from './key-ring.ts'
import { publish } from '../publish.ts'

/** A ring that the host keeps itself. Each change takes effect at once. */
export interface LocalKeyRing extends KeyRing {
  /**
   * Puts a key into the ring, which verifies from now on, and signs with `sign: true`.
   *
   * @throws {UnusableKeyError} `FDT_UNUSABLE_KEY` (500) when the key cannot serve, or the ring has its name or the key itself.
   * @throws {WeakKeyError} `FDT_WEAK_KEY` (500).
   */
  add (input: KeyInput, options?: { sign?: boolean }): RingKey
  /**
   * Lets this key sign from now on.
   *
   * @throws {UnknownKeyError} `FDT_UNKNOWN_KEY` (500).
   * @throws {UnusableKeyError} `FDT_UNUSABLE_KEY` (500) when the key only verifies.
   */
  promote (kid: string): void
  /**
   * Takes a key out of the ring: no token of it is good any more.
   *
   * @throws {UnknownKeyError} `FDT_UNKNOWN_KEY` (500).
   * @throws {KeyInUseError} `FDT_KEY_IN_USE` (500) for the key that signs.
   */
  remove (kid: string): void
}

/**
 * Makes a ring of the keys given. The first one that can sign signs; with public halves only, none does.
 *
 * Checks each key as {@link KeySource} says, and that no two have one name or are one key: a key has one
 * name and one algorithm (RFC 8725, section 3.1).
 *
 * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500) without any key.
 * @throws {UnusableKeyError} `FDT_UNUSABLE_KEY` (500) when a key cannot serve, or is there twice.
 * @throws {WeakKeyError} `FDT_WEAK_KEY` (500) when a key can be guessed or broken.
 */
export function createKeyRing (inputs: readonly KeyInput[]): LocalKeyRing {
  if (!Array.isArray(inputs) || inputs.length === 0) throw new InvalidOptionError('keys', 'a ring needs at least one key')

  let keys = distinctKeys(inputs.map((input) => importKey(input)))
  let signingKey = [...keys.values()].find(canSign)
  let listed = Object.freeze([...keys.values()])

  const find = (kid: string): RingKey => {
    const key = keys.get(kid)
    if (key === undefined) throw new UnknownKeyError()
    return key
  }
  const change = (next: readonly RingKey[]): void => {
    keys = distinctKeys(next)
    listed = Object.freeze([...next])
  }

  const signWith = (key: RingKey): void => {
    if (key === signingKey) return
    signingKey = key
    publish('rotated', () => ({ what: 'signing-key', id: key.kid, time: Date.now() }))
  }

  return {
    get: (kid) => keys.get(kid),
    signing: () => {
      if (signingKey === undefined) throw new NoSigningKeyError()
      return signingKey
    },
    list: () => listed,
    add: (input, { sign = false } = {}) => {
      const key = importKey(input)
      if (sign) assertSigns(key)
      change([...listed, key])
      if (sign) signWith(key)
      return key
    },
    promote: (kid) => {
      signWith(assertSigns(find(kid)))
    },
    remove: (kid) => {
      const key = find(kid)
      if (key === signingKey) throw new KeyInUseError()
      change(listed.filter((other) => other !== key))
    },
    refresh: async () => {},
    close: async () => {}
  }
}

/** @internal Whether a key can sign, by its private half or by somebody else's hand. */
export function canSign (key: RingKey): boolean {
  return key.signKey !== undefined || key.signer !== undefined
}

/**
 * @internal The keys by their names.
 *
 * @throws {UnusableKeyError} `FDT_UNUSABLE_KEY` when two have one name, or are one key.
 */
export function distinctKeys (keys: readonly RingKey[]): ReadonlyMap<string, RingKey> {
  const byKid = new Map<string, RingKey>()
  for (const key of keys) {
    if (byKid.has(key.kid)) throw new UnusableKeyError('another key has its kid')
    if ([...byKid.values()].some((other) => isSameKey(key, other))) throw new UnusableKeyError('the same key is there under another kid')
    byKid.set(key.kid, key)
  }
  return byKid
}

function assertSigns (key: RingKey): RingKey {
  if (!canSign(key)) throw new UnusableKeyError('its private half is needed')
  return key
}
