import { InvalidOptionError, KeyInUseError, NoSigningKeyError, SealedKeyError, UnknownKeyError } from '../errors.ts'
import { publish } from '../publish.ts'
import { checkStore, type TokenStore } from '../stores/token-store.ts'
import { generateKey } from './generate.ts'
import { openGeneration, sealGeneration, type Generation, type LiveSlot, type Slot } from './generation.ts'
import { KEY_ALGORITHMS } from './key-material.ts'
import { type KeyAlgorithm, type KeyRing, type RingKey } from './key-ring.ts'
import { checkPollInterval, follow } from './look.ts'
import { createSealer, type NamedKey } from './seal.ts'

export interface StoredKeyRingOptions {
  /** Where the generations are kept, sealed. The host closes it, after the ring. */
  store: TokenStore
  /** Which ring of the store: 1–64 characters of `A-Z a-z 0-9 . _ ~ -`. Processes that give the same name share the ring. */
  name: string
  /** The first one seals, all of them open. To replace one: give both, rotate, and drop the old one when its keys are removed. */
  keyEncryptionKeys: readonly NamedKey[]
  /**
   * Of generations that are made from now on. Default is `ES256`. Earlier ones keep theirs, except that secrets
   * and key pairs are never in one ring: a ring for `HS256` takes no other generation, and no other ring takes it.
   */
  algorithm?: KeyAlgorithm
  /** Milliseconds between two looks at the store, 1–1000. Default is `1000`. */
  pollInterval?: number
  /** Told once when the store gets out of reach, and of each generation that cannot be used. The ring stays as it is. */
  onError?: (error: Error) => void
  /** Current time in milliseconds since the Unix epoch. Default is `Date.now`. */
  now?: () => number
}

export interface RotateOptions {
  /**
   * Milliseconds until the new key signs, at most 30 days. Default is `10000`: by then every process has seen it,
   * also when their clocks are some seconds apart. With `0`, tokens are refused for up to two seconds elsewhere.
   */
  signsIn?: number
}

export interface StoredKeyRing extends KeyRing {
  /**
   * Makes the next generation, which verifies everywhere at once and signs later.
   *
   * Of several at the same time one makes it, and all of them resolve to that one generation; its `signsFrom`
   * is then the winner's.
   *
   * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500) for a bad `signsIn`.
   * @throws Whatever the store rejects with, unchanged.
   */
  rotate (options?: RotateOptions): Promise<Generation>
  /**
   * Takes a key out of the ring for good: its tokens are refused here at once, elsewhere within two seconds.
   * The private half is overwritten in the store.
   *
   * @throws {UnknownKeyError} `FDT_UNKNOWN_KEY` (500).
   * @throws {KeyInUseError} `FDT_KEY_IN_USE` (500) for the key that signs.
   * @throws Whatever the store rejects with, unchanged: then it may be in the ring still.
   */
  remove (kid: string): Promise<void>
}

const NAME = /^[A-Za-z0-9._~-]{1,64}$/

const DEFAULT_SIGNS_IN = 10_000
const MAX_SIGNS_IN = 30 * 24 * 3600 * 1000

/**
 * Opens a ring that lives in the store, sealed, and makes its first key when there is none. Processes that start
 * together agree on one.
 *
 * The newest generation whose time has come signs. What another process adds or removes is seen within two
 * seconds; while the store cannot be reached, the ring stays as it is. A generation that does not open, is not where
 * it was put, or fails the checks that {@link KeySource} tells of is neither used nor published.
 *
 * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500) for a bad option.
 * @throws {SealedKeyError} `FDT_SEALED_KEY` (500) when generations are there and none can be used. No new one is made then.
 * @throws Whatever the store rejects with, unchanged.
 */
export async function openStoredKeyRing (options: StoredKeyRingOptions): Promise<StoredKeyRing> {
  const { store, name, keyEncryptionKeys, algorithm = 'ES256', pollInterval = 1000, onError = () => {}, now = Date.now } = options
  checkStore(store)
  if (typeof name !== 'string' || !NAME.test(name)) throw new InvalidOptionError('name', 'it has 1 to 64 characters of A-Z, a-z, 0-9, ".", "_", "~" and "-"')
  if (!KEY_ALGORITHMS.includes(algorithm)) throw new InvalidOptionError('algorithm', `it is one of ${KEY_ALGORITHMS.join(', ')}`)
  checkPollInterval(pollInterval)
  const sealer = createSealer(keyEncryptionKeys)

  let slots: readonly Slot[] = []
  let live: readonly LiveSlot[] = []
  let keys: ReadonlyMap<string, RingKey> = new Map()
  let listed: readonly RingKey[] = []

  const placeOf = (number: number): string => `keys/${name}/${number}`

  const adopt = (next: readonly Slot[]): void => {
    const added = next.filter((slot) => !slots.includes(slot))
    if (added.length === 0 && next.length === slots.length) return

    slots = next
    live = next.filter((slot) => slot.state === 'live')
    listed = Object.freeze(live.map(({ key }) => key))
    keys = new Map(listed.map((key) => [key.kid, key]))
    if (added.some(({ state }) => state === 'unusable')) onError(new SealedKeyError())
  }

  const readSlot = (number: number, bytes: Uint8Array): Slot => {
    const slot = openGeneration(sealer, placeOf(number), number, bytes)
    // A secret must never be in a ring whose public halves are given out, nor the other way round.
    const isMisplaced = slot.state === 'live' && (slot.key.algorithm === 'HS256') !== (algorithm === 'HS256')
    return isMisplaced ? { state: 'unusable' } : slot
  }

  const readFrom = async (first: number): Promise<Slot[]> => {
    const found: Slot[] = []
    for (;;) {
      const number = first + found.length
      const bytes = await store.get(placeOf(number))
      if (bytes === undefined) return found
      found.push(readSlot(number, bytes))
    }
  }

  const look = async (): Promise<void> => {
    let isSomeLost = false
    const known = await Promise.all(slots.map(async (slot, index) => {
      if (slot.state !== 'live') return slot
      const bytes = await store.get(placeOf(index + 1))
      if (bytes === undefined) isSomeLost = true
      return bytes === undefined || Buffer.compare(bytes, slot.bytes) === 0 ? slot : readSlot(index + 1, bytes)
    }))

    // A removed generation leaves a record. Where even that is gone the store has lost data: what is held here goes on until
    // another process has begun anew.
    const anew = isSomeLost ? await readFrom(1) : []
    adopt(anew.some(({ state }) => state === 'live') ? anew : [...known, ...await readFrom(known.length + 1)])
  }

  /** Resolves to `undefined` when another process was first. */
  const addGeneration = async (signsIn: number): Promise<Generation | undefined> => {
    const number = slots.length + 1
    const jwk = await generateKey(algorithm)
    const createdAt = now()
    const bytes = sealGeneration(sealer, placeOf(number), { number, state: 'live', algorithm, jwk, createdAt, signsFrom: createdAt + signsIn })
    if (!await store.add(placeOf(number), bytes, { durable: true })) return undefined

    adopt([...slots, readSlot(number, bytes)])
    return live.at(-1)?.generation
  }

  const signing = (): LiveSlot => {
    const time = now()
    // When none is old enough, this clock is behind the one that wrote them.
    const slot = live.findLast(({ generation }) => generation.signsFrom <= time) ?? live[0]
    if (slot === undefined) throw new NoSigningKeyError()
    return slot
  }

  const rotate = async (signsIn: number): Promise<Generation> => {
    for (;;) {
      await look()
      const number = slots.length + 1
      const generation = await addGeneration(signsIn)
      if (generation !== undefined) {
        publish('rotated', () => ({ what: 'signing-key', id: generation.kid, time: now() }))
        return generation
      }

      await look()
      const winner = live.find((slot) => slot.generation.number === number)
      if (winner !== undefined) return winner.generation
    }
  }

  const remove = async (kid: string): Promise<void> => {
    const find = (): LiveSlot | undefined => live.find(({ key }) => key.kid === kid)
    await look()
    if (find() === undefined) throw new UnknownKeyError()

    for (let slot = find(); slot !== undefined; slot = find()) {
      if (slot === signing()) throw new KeyInUseError()
      const { number } = slot.generation
      const tombstone = sealGeneration(sealer, placeOf(number), { number, state: 'removed', removedAt: now() })
      // Absent only where the store has lost data: then a record is put there, so that nobody brings the key back.
      const isRemoved = await store.replace(placeOf(number), slot.bytes, tombstone, { durable: true }) || await store.add(placeOf(number), tombstone, { durable: true })
      if (isRemoved) adopt(slots.map((other) => other === slot ? { state: 'removed' } : other))
      else await look()
    }
  }

  await look()
  while (live.length === 0) {
    if (slots.some(({ state }) => state === 'unusable')) throw new SealedKeyError()
    await addGeneration(0)
    await look()
  }

  // One at a time: what a look has read must not undo what was removed meanwhile.
  const serially = createQueue()
  let isFailing = false
  const { refresh, close } = follow({
    now,
    pollInterval,
    look: () => serially(look).then(() => { isFailing = false }, (error: Error) => {
      if (isFailing) return
      isFailing = true
      onError(error)
    })
  })

  return {
    get: (kid) => keys.get(kid),
    signing: () => signing().key,
    list: () => listed,
    rotate: async ({ signsIn = DEFAULT_SIGNS_IN } = {}) => {
      if (!Number.isSafeInteger(signsIn) || signsIn < 0 || signsIn > MAX_SIGNS_IN) throw new InvalidOptionError('signsIn', 'it is a whole number of milliseconds from 0 to 30 days')
      return await serially(() => rotate(signsIn))
    },
    remove: (kid) => serially(() => remove(kid)),
    refresh,
    close
  }
}

/** Runs one task at a time, in the order in which they come. */
function createQueue (): <T>(task: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve()
  return (task) => {
    const result = last.then(task)
    last = result.catch(() => {})
    return result
  }
}
