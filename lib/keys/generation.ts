/**
 * One key of a stored ring, as it lies in the store.
 *
 * @module
 */
import { importKey } from './key-material.ts'
import { type JsonWebKey, type KeyAlgorithm, type RingKey } from './key-ring.ts'
import { type Sealer } from './seal.ts'

/** A key of a stored ring. Times are milliseconds since the Unix epoch. */
export interface Generation {
  /** 1, 2, 3, …, without gaps. */
  readonly number: number
  readonly kid: string
  readonly algorithm: KeyAlgorithm
  readonly createdAt: number
  readonly signsFrom: number
}

/** @internal What is sealed under one number. A removed generation leaves a record without a key, so that the numbers have no gap. */
export type GenerationRecord =
  | { number: number, state: 'live', algorithm: KeyAlgorithm, jwk: JsonWebKey, createdAt: number, signsFrom: number }
  | { number: number, state: 'removed', removedAt: number }

/** @internal What a process makes of the record under one number. */
export type Slot =
  | { readonly state: 'live', readonly bytes: Uint8Array, readonly key: RingKey, readonly generation: Generation }
  | { readonly state: 'removed' | 'unusable' }

/** @internal */
export type LiveSlot = Extract<Slot, { state: 'live' }>

/** @internal */
export function sealGeneration (sealer: Sealer, place: string, record: GenerationRecord): Uint8Array {
  return sealer.seal(place, Buffer.from(JSON.stringify(record)))
}

/** @internal Whatever cannot be used is `unusable`, for whichever reason. */
export function openGeneration (sealer: Sealer, place: string, number: number, bytes: Uint8Array): Slot {
  try {
    // Sealed by us; each member is looked at all the same.
    const record = JSON.parse(Buffer.from(sealer.open(place, bytes) ?? []).toString()) as GenerationRecord
    if (record.number !== number) return { state: 'unusable' }
    if (record.state === 'removed') return { state: 'removed' }
    if (record.state !== 'live' || !Number.isFinite(record.createdAt) || !Number.isFinite(record.signsFrom)) return { state: 'unusable' }

    const { algorithm, jwk, createdAt, signsFrom } = record
    const key = importKey({ key: jwk, algorithm }, { needPrivate: true })
    return { state: 'live', bytes, key, generation: Object.freeze({ number, kid: key.kid, algorithm: key.algorithm, createdAt, signsFrom }) }
  } catch {
    return { state: 'unusable' }
  }
}
