import { TokenEndpointFailedError, TokenRefusedError } from '../errors.ts'

/** Why there is no token. Holds nothing that the error may not show. */
export interface Failure {
  reason: string
  /** The server has answered that it does not want to: what is wrong is the request. */
  isRefusal?: boolean
  /** It may pass by itself, so it is worth another try. */
  isPassing?: boolean
  status?: number
  /** RFC 6749, section 5.2. */
  error?: string | undefined
  /** Seconds. */
  retryAfter?: number | undefined
}

/** @internal Without a cause: an error of an HTTP client may hold the request, and an answer what the request held. */
export function toError ({ reason, isRefusal = false, status, error, retryAfter }: Failure): Error {
  const members = Object.entries({ status, error, retryAfter }).filter(([, value]) => value !== undefined)
  return Object.assign(isRefusal ? new TokenRefusedError(reason) : new TokenEndpointFailedError(reason), Object.fromEntries(members))
}
