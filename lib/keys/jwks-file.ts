import { readFile, stat } from 'node:fs/promises'
import { InvalidOptionError, NoSigningKeyError, UnusableKeyError } from '../errors.ts'
import { parseJson } from '../json.ts'
import { publish } from '../publish.ts'
import { importKey, isSameKey } from './key-material.ts'
import { type JsonWebKey, type KeyRing, type RingKey } from './key-ring.ts'
import { canSign, distinctKeys } from './local-ring.ts'
import { checkPollInterval, follow } from './look.ts'

/** Which of the keys of a file belong to whom: the member `fdt_flow` of each. */
export type KeyFlow = 'sessions' | 'access' | 'identityserver'

export interface KeyFileOptions {
  /** Path of a JWKS of at most 1 MiB. Symbolic links are followed each time. */
  file: string
  /** Only keys whose member `fdt_flow` says this are taken. Keys without the member are somebody else's. */
  flow: KeyFlow
  /** Look for changes. Default is `true`. */
  watch?: boolean
  /** Milliseconds between two looks, 1–1000. Default is `1000`. */
  pollInterval?: number
  /** Told once of each change that cannot be used, with an error that holds no content of the file. The ring stays as it is. */
  onError?: (error: Error) => void
  /** Current time in milliseconds since the Unix epoch. Default is `Date.now`. */
  now?: () => number
}

const FLOWS: readonly unknown[] = ['sessions', 'access', 'identityserver'] satisfies KeyFlow[]

const MAX_FILE_BYTES = 1024 * 1024

/**
 * Reads the keys of one flow from a JWKS file, such as a mounted secret, and follows it: rewritten, replaced or
 * behind another symbolic link, it is the ring within two seconds. The first key with a private half signs.
 *
 * The file is taken as a whole or not at all: it counts as bad when one key with `fdt_flow` cannot serve, when a key
 * is there twice, under two names or for two flows, or when none is left for this flow. A key that did not change
 * stays the same object. Who may read the file is not checked: mounted secrets are often 0444.
 *
 * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500) for a bad option, or when the file cannot be read at the start.
 * @throws {UnusableKeyError} `FDT_UNUSABLE_KEY` (500) when the file is bad at the start.
 * @throws {WeakKeyError} `FDT_WEAK_KEY` (500) when a key of it is weak at the start.
 */
export async function followKeyFile (options: KeyFileOptions): Promise<KeyRing> {
  const { file, flow, watch = true, pollInterval = 1000, onError = () => {}, now = Date.now } = options
  if (typeof file !== 'string' || file === '') throw new InvalidOptionError('file', 'it is the path of a JWKS file')
  if (!FLOWS.includes(flow)) throw new InvalidOptionError('flow', `it is one of ${FLOWS.join(', ')}`)
  checkPollInterval(pollInterval)

  let seen = await readContent(file)
  let listed = readKeys(seen, flow, [])
  let keys = distinctKeys(listed)

  const look = async (): Promise<void> => {
    const found = await readContent(file)
    if (isSameContent(found, seen)) return
    seen = found
    const before = listed.find(canSign)
    try {
      listed = readKeys(found, flow, listed)
      keys = distinctKeys(listed)
    } catch (error) {
      // Only errors of ours are thrown in there.
      onError(error as Error)
    }
    const after = listed.find(canSign)
    if (after !== undefined && after !== before) publish('rotated', () => ({ what: 'signing-key', id: after.kid, time: now() }))
  }
  const { refresh, close } = follow({ look, now, pollInterval: watch ? pollInterval : 0 })

  return {
    get: (kid) => keys.get(kid),
    signing: () => {
      const key = listed.find(canSign)
      if (key === undefined) throw new NoSigningKeyError()
      return key
    },
    list: () => listed,
    refresh,
    close
  }
}

/** What a file holds, or why it cannot be told. */
type Content = { readonly bytes: Buffer } | { readonly failure: string }

async function readContent (file: string): Promise<Content> {
  try {
    const status = await stat(file)
    // A pipe would keep the reader waiting.
    if (!status.isFile()) return { failure: 'it is not a file' }
    if (status.size > MAX_FILE_BYTES) return { failure: 'it has more than 1 MiB' }
    return { bytes: await readFile(file) }
  } catch (error) {
    return { failure: `it cannot be read (${String((error as NodeJS.ErrnoException).code)})` }
  }
}

function isSameContent (one: Content, other: Content): boolean {
  if ('bytes' in one) return 'bytes' in other && one.bytes.equals(other.bytes)
  return 'failure' in other && one.failure === other.failure
}

/** The keys of one flow, those that did not change since `previous` as the objects that they were. */
function readKeys (content: Content, flow: KeyFlow, previous: readonly RingKey[]): readonly RingKey[] {
  if ('failure' in content) throw new InvalidOptionError('file', content.failure)

  const jwks = parseJwks(content.bytes).filter((jwk) => Object.hasOwn(jwk, 'fdt_flow'))
  if (!jwks.every((jwk) => FLOWS.includes(jwk['fdt_flow']))) throw new UnusableKeyError(`the "fdt_flow" of a key in the file is none of ${FLOWS.join(', ')}`)

  const keys = jwks.map((jwk) => importKey({ key: jwk }))
  distinctKeys(keys)

  const own = keys.filter((_, index) => jwks[index]?.['fdt_flow'] === flow)
  if (own.length === 0) throw new UnusableKeyError(`no key in the file has the "fdt_flow" ${flow}`)
  return Object.freeze(own.map((key) => previous.find((other) => isUnchanged(key, other)) ?? key))
}

function parseJwks (bytes: Buffer): JsonWebKey[] {
  let jwks: unknown
  try {
    jwks = parseJson(bytes)
  } catch {
    throw new UnusableKeyError('the file is not JSON')
  }
  // Anything but null has members, if only absent ones.
  const { keys } = (jwks ?? {}) as { keys?: unknown }
  if (!Array.isArray(keys) || !keys.every((key) => typeof key === 'object' && key !== null)) throw new UnusableKeyError('the file is not a JWKS')
  return keys
}

function isUnchanged (one: RingKey, other: RingKey): boolean {
  return one.kid === other.kid && one.algorithm === other.algorithm && canSign(one) === canSign(other) && isSameKey(one, other)
}
