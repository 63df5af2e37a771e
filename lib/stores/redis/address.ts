import { InvalidOptionError } from '../../errors.ts'

/** What a URL of Redis says. */
export interface RedisAddress {
  tls: boolean
  host: string
  port: number
  username?: string
  password?: string
  db: number
}

const DEFAULT_PORT = 6379

/**
 * Reads `redis://user:password@host:port/db`. Not left to ioredis, which takes options from the query.
 *
 * @internal
 * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500) for anything else; the message does not repeat it.
 */
export function parseRedisUrl (text: unknown): RedisAddress {
  const url = typeof text === 'string' && /^[\x21-\x7e]+$/.test(text) && !/[?#\\]/.test(text) && URL.canParse(text) ? new URL(text) : undefined
  const database = /^\/?(\d{0,5})$/.exec(url?.pathname ?? '')?.[1]
  if (url === undefined || (url.protocol !== 'redis:' && url.protocol !== 'rediss:') || url.hostname === '' || url.port === '0' || url.hostname.includes('%') || database === undefined) {
    throw new InvalidOptionError('url', 'must be redis:// or rediss://user:password@host:port/db, without anything behind')
  }
  const [username, password] = [url.username, url.password].map(decode)
  if (username && !password) throw new InvalidOptionError('url', 'must hold a password where it holds a user')

  return {
    tls: url.protocol === 'rediss:',
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? DEFAULT_PORT : Number(url.port),
    ...(username && { username }),
    ...(password && { password }),
    db: Number(database)
  }
}

function decode (part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw new InvalidOptionError('url', 'must have user and password in percent-encoded UTF-8')
  }
}
