/**
 * What lies in a store of the rings that `openStoredKeyRing` keeps there, without opening one: that would make a key.
 *
 * @module
 */
import { type KeyAlgorithm } from '../keys/key-ring.ts'
import { generateKey } from '../keys/generate.ts'
import { type Generation, openGeneration, sealGeneration } from '../keys/generation.ts'
import { createSealer, type NamedKey } from '../keys/seal.ts'
import { type TokenStore } from '../stores/token-store.ts'

/** A key as it is shown: nothing of what it is made of. Times are seconds since the Unix epoch. */
export interface UsableKey {
  readonly ring: string
  readonly number: number
  /** Whether it signs now, will do so, or has done so. */
  readonly state: 'signing' | 'coming' | 'verifying'
  readonly kid: string
  readonly algorithm: KeyAlgorithm
  readonly createdAt: number
  readonly signsFrom: number
}

/** What does not open with the key encryption keys that there are. */
export interface UnusableKey {
  readonly ring: string
  readonly number: number
  readonly state: 'unusable'
}

export type ShownKey = UsableKey | UnusableKey

export interface RingReader {
  /** The names of all rings of the store, in alphabetical order. */
  names (): Promise<string[]>
  /** The keys of a ring that were not removed, the oldest first. */
  list (ring: string): Promise<ShownKey[]>
  /** Makes the first key of a ring. Resolves to `undefined` when it has one, whoever made it. */
  generate (ring: string, algorithm: KeyAlgorithm): Promise<UsableKey | undefined>
}

const PREFIX = 'keys/'

export function readRings (store: TokenStore, keyEncryptionKeys: readonly NamedKey[], now: () => number): RingReader {
  const sealer = createSealer(keyEncryptionKeys)
  const placeOf = (ring: string, number: number): string => `${PREFIX}${ring}/${number}`

  const read = async (ring: string): Promise<{ count: number, keys: ShownKey[] }> => {
    const live: Generation[] = []
    const broken: ShownKey[] = []
    for (let number = 1; ; number++) {
      const bytes = await store.get(placeOf(ring, number))
      if (bytes === undefined) return { count: number - 1, keys: [...broken, ...describe(ring, live, now())].sort((one, other) => one.number - other.number) }

      const slot = openGeneration(sealer, placeOf(ring, number), number, bytes)
      if (slot.state === 'live') live.push(slot.generation)
      if (slot.state === 'unusable') broken.push({ ring, number, state: 'unusable' })
    }
  }

  return {
    names: async () => {
      const names = new Set<string>()
      for await (const { key } of store.scan(PREFIX)) {
        const [, name] = /^keys\/(.+)\/\d+$/.exec(key) ?? []
        if (name !== undefined) names.add(name)
      }
      return [...names].sort()
    },

    list: async (ring) => (await read(ring)).keys,

    generate: async (ring, algorithm) => {
      const { count, keys } = await read(ring)
      if (keys.length > 0) return undefined

      const number = count + 1
      const createdAt = now()
      const jwk = await generateKey(algorithm)
      const bytes = sealGeneration(sealer, placeOf(ring, number), { number, state: 'live', algorithm, jwk, createdAt, signsFrom: createdAt })
      if (!await store.add(placeOf(ring, number), bytes, { durable: true })) return undefined
      return showKey(ring, { number, kid: String(jwk['kid']), algorithm, createdAt, signsFrom: createdAt }, 'signing')
    }
  }
}

export function showKey (ring: string, { number, kid, algorithm, createdAt, signsFrom }: Generation, state: UsableKey['state']): UsableKey {
  return { ring, number, state, kid, algorithm, createdAt: Math.floor(createdAt / 1000), signsFrom: Math.floor(signsFrom / 1000) }
}

/** As the ring decides: of those whose time has come the newest signs; when that is none, the first. */
function describe (ring: string, generations: readonly Generation[], now: number): ShownKey[] {
  const isDue = ({ signsFrom }: Generation): boolean => signsFrom <= now
  const signing = generations.findLast(isDue) ?? generations[0]
  return generations.map((generation, index) => {
    const isOvertaken = generations.slice(index + 1).some((newer) => newer.signsFrom <= Math.max(generation.signsFrom, now))
    return showKey(ring, generation, generation === signing ? 'signing' : isOvertaken ? 'verifying' : 'coming')
  })
}
