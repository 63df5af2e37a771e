import { createHmac, type KeyObject, randomBytes } from 'node:crypto'
import { type FastifyInstance } from 'fastify'
import { InvalidOptionError } from '../../lib/errors.ts'
import { type FlowName } from '../../lib/events.ts'

/** Per app (known by its server, which all scopes share): the flow that uses a secret, by a digest that means nothing elsewhere. */
const users = new WeakMap<object, Map<string, FlowName>>()

const salt = randomBytes(32)

/**
 * Refuses a secret that another flow of the app uses: what one of them signs would verify at the other.
 *
 * Does not see secrets that come later, such as those of tenants or of a ring that follows a file.
 *
 * @param option Where the secrets come from.
 *
 * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500).
 */
export function claimSecrets (fastify: FastifyInstance, flow: FlowName, option: string, secrets: readonly KeyObject[]): void {
  const known = users.get(fastify.server) ?? new Map<string, FlowName>()
  users.set(fastify.server, known)
  for (const secret of secrets) {
    const id = createHmac('sha256', salt).update(secret.export()).digest('base64')
    if ((known.get(id) ?? flow) !== flow) throw new InvalidOptionError(option, 'must not share a secret with another flow: one key, one use')
    known.set(id, flow)
  }
}
