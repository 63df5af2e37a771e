import { type Dpop } from '../../lib/oauth/dpop.ts'
import { type SingleUse } from '../../lib/oauth/single-use.ts'

/** What the routes and guards of an instance need to know of it and nobody else: what makes nonces among it. */
export interface AccessParts {
  /** Absent where DPoP is off. */
  readonly dpop: Dpop | undefined
  /** What a client uses once, to show who it is. Absent without a store. */
  readonly singleUse: SingleUse | undefined
  /** Set where the plugin serves it. */
  resourceMetadata: string | undefined
  /** The path that the routes hang under, once they do. */
  prefix: string | undefined
}
