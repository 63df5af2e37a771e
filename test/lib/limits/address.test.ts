import { randomBytes, randomInt } from 'node:crypto'
import { BlockList } from 'node:net'
import t from 'tap'
import { addressBuckets } from '../../../lib/limits/address.ts'

const client = (key: string) => [{ policy: 'address', key, factor: 1 }]
const network = (client: string, network: string) => [{ policy: 'address', key: `${client}::/64`, factor: 1 }, { policy: 'network', key: `${network}::/48`, factor: 16 }]
const UNKNOWN = client('unknown')

t.test('an address counts as', async (t) => {
  const documentation = network('2001:db8:0:1', '2001:db8:0')
  const cases: Record<string, unknown> = {
    '192.0.2.1': client('192.0.2.1'),
    '192.0.2.1:8080': client('192.0.2.1'),
    '[192.0.2.1]:8080': client('192.0.2.1'),
    '0.0.0.0': client('0.0.0.0'),
    '255.255.255.255': client('255.255.255.255'),

    // T18: one client, however its address is spelled.
    '::ffff:1.2.3.4': client('1.2.3.4'),
    '::FFFF:1.2.3.4': client('1.2.3.4'),
    '::ffff:102:304': client('1.2.3.4'),
    '::ffff:0102:0304': client('1.2.3.4'),
    '0:0:0:0:0:ffff:1.2.3.4': client('1.2.3.4'),
    '0:0:0:0:0:ffff:102:304': client('1.2.3.4'),
    '0000:0000:0000:0000:0000:ffff:0102:0304': client('1.2.3.4'),
    '0::ffff:1.2.3.4': client('1.2.3.4'),
    '::0:ffff:1.2.3.4': client('1.2.3.4'),
    '0:0::0:ffff:1.2.3.4': client('1.2.3.4'),
    '::ffff:1.2.3.4%eth0': client('1.2.3.4'),
    '[::ffff:1.2.3.4]': client('1.2.3.4'),
    '[::ffff:1.2.3.4]:443': client('1.2.3.4'),
    '::ffff:0:0': client('0.0.0.0'),
    '::ffff:255.255.255.255': client('255.255.255.255'),

    '2001:db8:0:1::1': documentation,
    '2001:db8:0:1:ffff:ffff:ffff:ffff': documentation,
    '2001:0db8:0000:0001:0000:0000:0000:0001': documentation,
    '2001:DB8:0:1::A': documentation,
    '2001:db8::1:0:0:0:1': documentation,
    '2001:db8:0:1:0:0:192.0.2.1': documentation,
    '2001:db8:0:1::%1': documentation,
    '[2001:db8:0:1::1]': documentation,
    '[2001:db8:0:1::1]:65535': documentation,
    '[2001:db8:0:1::1%eth0]:80': documentation,
    '2001:db8:0:2::1': network('2001:db8:0:2', '2001:db8:0'),
    '2001:db8:1:1::1': network('2001:db8:1:1', '2001:db8:1'),
    'fe80::1%eth0': network('fe80:0:0:0', 'fe80:0:0'),
    'fe80::1%25lo': network('fe80:0:0:0', 'fe80:0:0'),
    '::': network('0:0:0:0', '0:0:0'),
    '::1': network('0:0:0:0', '0:0:0'),
    '1::': network('1:0:0:0', '1:0:0'),
    '1:2:3:4:5:6:7::': network('1:2:3:4', '1:2:3'),
    '::2:3:4:5:6:7:8': network('0:2:3:4', '0:2:3'),
    '1::3:4:5:6:7:8': network('1:0:3:4', '1:0:3'),
    '1:2::8': network('1:2:0:0', '1:2:0'),

    // Near to a mapped address, and none.
    '::ffff': network('0:0:0:0', '0:0:0'),
    '::fffe:1.2.3.4': network('0:0:0:0', '0:0:0'),
    '::1.2.3.4': network('0:0:0:0', '0:0:0'),
    '::ffff:0:1.2.3.4': network('0:0:0:0', '0:0:0'),
    '1::ffff:1.2.3.4': network('1:0:0:0', '1:0:0'),
    '0:0:0:1:0:ffff:1.2.3.4': network('0:0:0:1', '0:0:0'),
    '64:ff9b::1.2.3.4': network('64:ff9b:0:0', '64:ff9b:0')
  }
  for (const [address, buckets] of Object.entries(cases)) t.strictSame(addressBuckets(address), buckets, address)
})

t.test('what is no address is one client', async (t) => {
  t.strictSame(addressBuckets(undefined), UNKNOWN, 'the peer of a Unix socket')
  const texts = [
    '', ' ', 'unknown', '-', 'localhost', ':::', '::fffff', '1:2:3:4:5:6:7:8:9', '1:2:3:4:5:6:7', '1::2::3', 'g::1', '12345::', '::ffff:1.2.3', '::ffff:1.2.3.4.5', '::ffff:1.2.3.256',
    '1.2.3', '1.2.3.4.5', '1.2.3.256', '01.2.3.4', '0x7f.1', '2130706433', '1.2.3.4:', '1.2.3.4:80:80', '1.2.3.4:x', '1.2.3.4/32', '::1/64', ' 1.2.3.4', '1.2.3.4\n', '1.2.3.4,5.6.7.8', '[::1', '::1]', '[]', '[]:80', '[::1]x', '[::1]:',
    '[[::1]]', '%', '%eth0', '_hidden', '__proto__', 'constructor', 'é', '\u0000', '\ud800', '1'.repeat(100_000), ':'.repeat(100_000), '['.repeat(100_000), '1:'.repeat(50_000)
  ]
  for (const text of texts) t.strictSame(addressBuckets(text), UNKNOWN, JSON.stringify(text.slice(0, 40)))
})

t.test('any address lies in its buckets, and its neighbours beyond lie in others', async (t) => {
  const wrong: string[] = []
  for (let count = 0; count < 20_000; count++) {
    const groups = randomGroups()
    const [address = '', ...spellings] = [spell(groups), spell(groups), compress(groups), compress(groups).toUpperCase(), `[${compress(groups)}]:${count}`]
    const [client, network, ...more] = addressBuckets(address)
    if (client === undefined || network === undefined || more.length > 0) {
      wrong.push(address)
      continue
    }
    if (!isWithin(address, client.key) || !isWithin(address, network.key)) wrong.push(`${address} in ${client.key}, ${network.key}`)
    for (const spelling of spellings) if (JSON.stringify(addressBuckets(spelling)) !== JSON.stringify([client, network])) wrong.push(`${address} as ${spelling}`)

    const inside = groups.with(randomInt(4, 8), randomInt(0x10000))
    if (addressBuckets(spell(inside))[0]?.key !== client.key) wrong.push(`${address} and ${spell(inside)}`)
    const beside = groups.with(3, (groups[3] ?? 0) ^ (1 << randomInt(16)))
    const [other, same] = addressBuckets(compress(beside))
    if (other?.key === client.key || same?.key !== network.key) wrong.push(`${address} beside ${spell(beside)}`)
    const outside = groups.with(randomInt(3), (groups[0] ?? 0) ^ 0x8000)
    if (outside.join() !== groups.join() && spell(outside.slice(0, 3)) !== spell(groups.slice(0, 3)) && addressBuckets(spell(outside))[1]?.key === network.key) wrong.push(`${address} outside ${spell(outside)}`)
  }
  t.strictSame(wrong.slice(0, 5), [])
})

t.test('any mapped address is the one that it maps', async (t) => {
  const wrong: string[] = []
  for (let count = 0; count < 5000; count++) {
    const bytes = randomBytes(4)
    const [high, low] = [bytes.readUInt16BE(0), bytes.readUInt16BE(2)]
    const plain = bytes.join('.')
    const groups = [0, 0, 0, 0, 0, 0xffff, high, low]
    for (const spelling of [plain, `::ffff:${plain}`, `0:0:0:0:0:FFFF:${plain}`, spell(groups), compress(groups)]) {
      const buckets = addressBuckets(spelling)
      if (buckets.length !== 1 || buckets[0]?.key !== plain) wrong.push(spelling)
    }
  }
  t.strictSame(wrong.slice(0, 5), [])
})

t.test('whatever a proxy may write, there is a bucket and no exception', async (t) => {
  const parts = ['0', '1', 'ffff', ':', '::', '.', '1.2.3.4', '[', ']', '%', '/', 'é', ' ', '::ffff:', '256', 'g']
  const wrong: string[] = []
  for (let count = 0; count < 20_000; count++) {
    const text = Array.from({ length: randomInt(9) }, () => parts[randomInt(parts.length)]).join('')
    const keys = addressBuckets(text).map(({ key }) => key)
    if (keys.length < 1 || keys.length > 2 || keys.some((key) => !/^(?:unknown|[\d.]+|[\da-f:]+::\/(?:64|48))$/.test(key))) wrong.push(text)
  }
  t.strictSame(wrong.slice(0, 5), [])
})

/** Never a mapped one. Zeros are frequent, so that there is something to compress. */
function randomGroups (): number[] {
  return [randomInt(0x2000, 0x4000), ...Array.from({ length: 7 }, () => randomInt(3) === 0 ? 0 : randomInt(0x10000))]
}

function spell (groups: readonly number[]): string {
  return groups.map((group) => group.toString(16).padStart(randomInt(5), '0')).join(':')
}

/** With `::` in place of any run of zeros, not just the longest. */
function compress (groups: readonly number[]): string {
  const runs = groups.flatMap((_, start) => groups.flatMap((_, end) => end >= start && groups.slice(start, end + 1).every((group) => group === 0) ? [{ start, end }] : []))
  const run = runs[randomInt(Math.max(1, runs.length))]
  return run === undefined ? spell(groups) : `${spell(groups.slice(0, run.start))}::${spell(groups.slice(run.end + 1))}`
}

/** What Node.js says of an address and a network, written as `2001:db8:0:1::/64`. */
function isWithin (address: string, key: string): boolean {
  const [prefix = '', length] = key.split('/')
  const list = new BlockList()
  list.addSubnet(prefix, Number(length), 'ipv6')
  return list.check(address, 'ipv6')
}
