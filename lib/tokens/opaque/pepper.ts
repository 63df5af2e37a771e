import { createHmac, createSecretKey, type KeyObject } from 'node:crypto'
import { InvalidOptionError } from '../../errors.ts'
import { checkNamedKey, type NamedKey } from '../../keys/seal.ts'

/** What one token is kept by: neither tells the token, nor the other. */
export interface TokenKeys {
  /** The id of the pepper that both come from. */
  readonly pepperId: string
  /** 43 characters of base64url: where the record is. */
  readonly accessor: string
  /** Opens the record. */
  readonly sealingKey: KeyObject
}

/** A pepper, ready to be used. */
export interface Pepper {
  readonly id: string
  readonly secret: KeyObject
}

/** The first one makes tokens, both read them. */
export type Peppers = readonly [Pepper, ...Pepper[]]

const HALF = 32

/** @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500) unless there are one or two, of different ids and bytes. */
export function resolvePeppers (option: NamedKey | readonly NamedKey[]): Peppers {
  const [first, second, ...more] = [option].flat()
  if (first === undefined || more.length > 0) throw new InvalidOptionError('pepper', 'must be one or two of parseNamedKey(), the new one first')
  const current = toPepper(first)
  if (second === undefined) return [current]

  const previous = toPepper(second)
  if (previous.id === current.id || previous.secret.equals(current.secret)) throw new InvalidOptionError('pepper', 'both have one id, or are one and the same')
  return [current, previous]
}

function toPepper (named: NamedKey): Pepper {
  checkNamedKey(named, 'pepper')
  return { id: named.id, secret: createSecretKey(named.key) }
}

/**
 * Derives from the token, and from what the store does not have, where its record is and what opens it.
 *
 * @param instance The instance's `name`: it holds no slash.
 * @param bytes The random bytes of the token.
 */
export function tokenKeys ({ id, secret }: Pepper, instance: string, bytes: Uint8Array): TokenKeys {
  const mac = createHmac('sha512', secret).update(`fdt/opaque/1/${instance}/`).update(bytes).digest()
  return {
    pepperId: id,
    accessor: mac.subarray(0, HALF).toString('base64url'),
    sealingKey: createSecretKey(mac.subarray(HALF))
  }
}
