import { isIPv4 } from 'node:net'

/** Whether `text` is an http(s) URL, written just as a parser would print it, so that two readers cannot see two hosts in it; without user, query and fragment. */
export function isPlainUrl (text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || (url.protocol !== 'https:' && url.protocol !== 'http:')) return false
  if (url.username !== '' || url.password !== '' || /[?#]/.test(text)) return false
  return url.href === text || url.href === `${text}/`
}

/** Whether `value` is such a URL that ends with a slash. */
export function isServerUrl (value: unknown): value is string {
  return typeof value === 'string' && value.length <= 2048 && value.endsWith('/') && isPlainUrl(value)
}

/** Whether `value` is such a URL, and nobody can listen in on the way: https, or to this machine. */
export function isConfidentialUrl (value: unknown): value is string {
  if (typeof value !== 'string' || !isPlainUrl(value)) return false
  const { protocol, hostname } = new URL(value)
  return protocol === 'https:' || isLoopback(hostname.replace(/^\[(.*)\]$/, '$1'))
}

/** Whether what goes to this host, a name or an address, stays on this machine. Of names, `localhost` alone is known to be one. */
export function isLoopback (host: string): boolean {
  const address = host.replace(/^::ffff:/, '')
  return host === 'localhost' || host === '::1' || (isIPv4(address) && address.startsWith('127.'))
}

/** Whether `value` is an origin as browsers write it in `Origin`; never `null`, and no pattern: it would match nothing. */
export function isOrigin (value: unknown): value is string {
  return typeof value === 'string' && URL.canParse(value) && new URL(value).origin === value && /^https?:[^*]+$/.test(value)
}
