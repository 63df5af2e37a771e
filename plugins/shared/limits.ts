import { checkLimits, type Limit, resolveLimit } from '../../lib/limits/limit.ts'

/** How often the routes may be called. Each counts in the store, so it holds for all processes together. `false` is no limit. */
export interface MachineLimits {
  /**
   * Requests from one address, good or bad. An IPv6 address counts as its /64, and 16 times as much as that for its
   * /48. Default is `{ max: 600, timeWindow: 60000 }`: a backend asks for all its users from one address.
   */
  address?: Partial<Limit> | false
  /** Requests with one API key, or of one client, that has no `rateLimit` of its own. Default is `{ max: 3000, timeWindow: 60000 }`. */
  credential?: Partial<Limit> | false
  /**
   * Failures of one API key or client from one address: after `max` of them even the right secret is refused from there, until
   * `timeWindow` after the first. Default is `{ max: 5, timeWindow: 600000 }`.
   */
  failures?: Partial<Limit> | false
}

/** As {@link MachineLimits}, for opaque tokens. */
export interface OpaqueLimits extends MachineLimits {
  /**
   * Well-formed tokens that were refused at `/verify`, from one address: only they are counted, and only they can be one
   * too many. Default is `{ max: 600, timeWindow: 60000 }`.
   */
  unknown?: Partial<Limit> | false
}

/** As {@link MachineLimits}, for routes that the host's own users call. */
export interface UserLimits {
  /** Requests from one address. An IPv6 address counts as its /64, and 16 times as much for its /48. Default is `{ max: 120, timeWindow: 60000 }`. */
  address?: Partial<Limit> | false
  /** Requests with one `limitKey`. Default is `{ max: 60, timeWindow: 60000 }`. */
  user?: Partial<Limit> | false
}

/** With the defaults filled in; `undefined` is no limit. */
export type Resolved<Limits> = { readonly [Name in keyof Required<Limits>]: Limit | undefined }

const PER_ADDRESS: Limit = { max: 600, timeWindow: 60_000 }
const PER_CREDENTIAL: Limit = { max: 3000, timeWindow: 60_000 }
const FAILURES: Limit = { max: 5, timeWindow: 600_000 }
const USERS_PER_ADDRESS: Limit = { max: 120, timeWindow: 60_000 }
const PER_USER: Limit = { max: 60, timeWindow: 60_000 }

/** @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500): the limiter itself would fall back in silence. */
export function resolveMachineLimits (limits: MachineLimits | undefined): Resolved<MachineLimits> {
  checkLimits(limits, ['address', 'credential', 'failures'])
  return machineLimits(limits)
}

/** @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500). */
export function resolveOpaqueLimits (limits: OpaqueLimits | undefined): Resolved<OpaqueLimits> {
  checkLimits(limits, ['address', 'credential', 'failures', 'unknown'])
  return { ...machineLimits(limits), unknown: resolveLimit('limits.unknown', limits?.unknown, PER_ADDRESS) }
}

function machineLimits (limits: MachineLimits | undefined): Resolved<MachineLimits> {
  return {
    address: resolveLimit('limits.address', limits?.address, PER_ADDRESS),
    credential: resolveLimit('limits.credential', limits?.credential, PER_CREDENTIAL),
    failures: resolveLimit('limits.failures', limits?.failures, FAILURES)
  }
}

/** @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500). */
export function resolveUserLimits (limits: UserLimits | undefined): Resolved<UserLimits> {
  checkLimits(limits, ['address', 'user'])
  return {
    address: resolveLimit('limits.address', limits?.address, USERS_PER_ADDRESS),
    user: resolveLimit('limits.user', limits?.user, PER_USER)
  }
}
