import { createHmac, type KeyObject, randomBytes } from 'node:crypto'
import { type FastifyInstance } from 'fastify'
import { InvalidOptionError } from '../../lib/errors.ts'
import { type FlowName } from '../../lib/events.ts'

/** What a key is used for: a flow, or a kind of its tokens that no other may share keys with. */
export type KeyUse = FlowName | 'client-credentials/identityserver' | 'session-issuance/document-engine'

/** Per app (known by its server, which all scopes share): what a key is used for, by a digest that means nothing elsewhere. */
const users = new WeakMap<object, Map<string, KeyUse>>()

const salt = randomBytes(32)

/**
 * Refuses a key that another flow of the app uses: what one of them signs would verify at the other.
 *
 * Does not see keys that come later, such as secrets of tenants, or those of a ring that follows a file.
 *
 * @param option Where the keys come from.
 * @param keys Secrets, or public halves.
 *
 * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500).
 */
export function claimKeys (fastify: FastifyInstance, use: KeyUse, option: string, keys: readonly KeyObject[]): void {
  const known = users.get(fastify.server) ?? new Map<string, KeyUse>()
  users.set(fastify.server, known)
  for (const key of keys) {
    const id = createHmac('sha256', salt).update(key.type === 'secret' ? key.export() : key.export({ type: 'spki', format: 'der' })).digest('base64')
    if ((known.get(id) ?? use) !== use) throw new InvalidOptionError(option, 'must not share a key with another flow: one key, one use')
    known.set(id, use)
  }
}
