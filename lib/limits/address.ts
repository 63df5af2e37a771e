import { isIPv6, isIPv4 } from 'node:net'

/** Something that requests are counted by. */
export interface Bucket {
  /** The name of the policy that counts by it. */
  readonly policy: string
  /** What tells it from the others of the policy. */
  readonly key: string
  /** How many times the limit it may have. */
  readonly factor: number
}

/** A /48 holds 65 536 of the /64 that one subscriber gets, so a limit by /64 alone is no limit. */
const NETWORK_FACTOR = 16

/** Some proxies put the port behind the address. It changes with every connection, so it must not count. */
const WITH_PORT = /^(?:\[(?<six>[^\]]*)\]|(?<four>[\d.]+))(?::\d+)?$/

/**
 * What a client is counted by: its IPv4 address; or the /64 of its IPv6 address, and the /48 around it, which may
 * have 16 times as much. An IPv4 address within IPv6 (`::ffff:192.0.2.1`) is that IPv4 address.
 *
 * @param address Fastify's `request.ip`. What is no address, such as the peer of a Unix socket, is one client.
 */
export function addressBuckets (address: string | undefined): readonly Bucket[] {
  const { six, four } = WITH_PORT.exec(address ?? '')?.groups ?? {}
  const [text = ''] = (six ?? four ?? address ?? '').split('%')
  if (isIPv4(text)) return [{ policy: 'address', key: text, factor: 1 }]
  if (!isIPv6(text)) return [{ policy: 'address', key: 'unknown', factor: 1 }]

  const groups = groupsOf(text)
  const [, , , , , sixth, seventh = 0, eighth = 0] = groups
  if (sixth === 0xffff && groups.slice(0, 5).every((group) => group === 0)) {
    return [{ policy: 'address', key: [seventh >> 8, seventh & 255, eighth >> 8, eighth & 255].join('.'), factor: 1 }]
  }
  const prefix = (length: number): string => `${groups.slice(0, length / 16).map((group) => group.toString(16)).join(':')}::/${length}`
  return [
    { policy: 'address', key: prefix(64), factor: 1 },
    { policy: 'network', key: prefix(48), factor: NETWORK_FACTOR }
  ]
}

/** The eight numbers of a well-formed IPv6 address. */
function groupsOf (address: string): number[] {
  const [head = [], tail] = address.split('::').map((half) => half.split(':').filter((group) => group !== '').flatMap(readGroup))
  if (tail === undefined) return head
  return [...head, ...Array<number>(8 - head.length - tail.length).fill(0), ...tail]
}

/** Four hexadecimal digits; or the last 32 bits, written as an IPv4 address. */
function readGroup (group: string): number[] {
  if (!group.includes('.')) return [parseInt(group, 16)]
  const [first = 0, second = 0, third = 0, fourth = 0] = group.split('.').map(Number)
  return [first * 256 + second, third * 256 + fourth]
}
