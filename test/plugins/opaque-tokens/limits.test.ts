import t, { type Test } from 'tap'
import { randomBytes } from 'node:crypto'
import { checksum } from '../../../lib/checksum.ts'
import { createMemoryStore } from '../../../lib/stores/memory.ts'
import { faultyStore } from '../../support/faulty-store.ts'
import { inEveryHost } from '../../support/hosts.ts'
import { opaqueHost, refusal, refused, WRONG_TOKEN } from '../../support/opaque-host.ts'
import { NOW } from '../../support/session-host.ts'

/** A token that anybody can make up: well-formed, and not known. */
function madeUp (): string {
  const text = `fdt_opaque_${randomBytes(32).toString('base64url')}`
  return text + checksum(text)
}

/** A host that counts, with a view of what its store was asked for. */
async function countingHost (t: Test, limits: Record<string, unknown> | undefined = {}, flow: Record<string, unknown> = {}) {
  let clock = { time: NOW }
  const { store, fault } = faultyStore(createMemoryStore({ now: () => clock.time }))
  const host = await opaqueHost(t, { store, flow: { limits, ...flow } })
  clock = host.clock
  const from = (remoteAddress: string, token = madeUp()) => host.verify(token, { remoteAddress })
  const calls = async (run: () => Promise<unknown>) => {
    fault.calls.length = 0
    await run()
    return fault.calls.slice()
  }
  return { ...host, from, calls }
}

const limited = (retryAfter: string) => refused(429, 'FDT_RATE_LIMITED', 'Too many requests', { retryAfter })

async function statuses (count: number, send: (index: number) => Promise<{ statusCode: number }>): Promise<number[]> {
  const found = []
  for (let index = 0; index < count; index++) found.push((await send(index)).statusCode)
  return found
}

t.test('good tokens are never too many: 10 000 from one address, and nothing is counted', async (t) => {
  const { newToken, from, calls } = await countingHost(t, undefined)
  const token = await newToken()
  const made = await calls(async () => {
    for (let index = 0; index < 10_000; index++) {
      const { statusCode, headers } = await from('192.0.2.1', token)
      if (statusCode !== 200 || 'ratelimit' in headers) t.fail(`${index}: ${statusCode}`)
    }
  })
  t.strictSame([made.length, new Set(made)], [10_000, new Set(['get'])], 'one look-up each')
})

inEveryHost(t, 'what cannot be a token is not looked up, and not counted', async (t) => {
  const { from, calls, app } = await countingHost(t, { unknown: { max: 1 } })
  t.strictSame(await calls(async () => {
    for (const token of ['x', '', 'x'.repeat(10_000), madeUp().slice(0, -1), madeUp().toUpperCase()]) {
      for (let count = 0; count < 3; count++) t.strictSame(refusal(await from('192.0.2.1', token)), WRONG_TOKEN)
    }
    t.strictSame(refusal(await app.inject('/verify')), WRONG_TOKEN)
    t.equal((await app.inject({ method: 'POST', url: '/verify', payload: { a: 1 } })).statusCode, 400)
  }), [])
})

inEveryHost(t, 'well-formed ones that are refused are counted by address, and good ones go on', async (t) => {
  const { newToken, from, calls, clock, generate } = await countingHost(t, { unknown: { max: 3, timeWindow: 90_500 } })
  const good = await newToken()
  const single = await newToken(undefined, '?max_uses=1')
  t.equal((await from('192.0.2.1', single)).statusCode, 200)
  const told = (reply: Awaited<ReturnType<typeof from>>) => [reply.headers['ratelimit'], reply.headers['ratelimit-policy']]
  const policy = '"address";q=3;w=91'

  const replies = [await from('192.0.2.1'), await from('192.0.2.1', single), await from('192.0.2.1')]
  t.strictSame(replies.map(refusal), [WRONG_TOKEN, WRONG_TOKEN, WRONG_TOKEN])
  t.strictSame(replies.map(told), [2, 1, 0].map((left) => [`"address";r=${left};t=91`, policy]))
  for (const token of [madeUp(), single]) {
    const reply = await from('192.0.2.1', token)
    t.strictSame(refusal(reply), limited('91'))
    t.strictSame(told(reply), ['"address";r=0;t=91', policy])
  }
  t.strictSame(await calls(() => from('192.0.2.1')), ['get', 'increment'])
  const passed = await from('192.0.2.1', good)
  t.strictSame([passed.statusCode, ...told(passed)], [200, undefined, undefined], 'a good one from there')
  t.strictSame(refusal(await from('192.0.2.1', 'x')), WRONG_TOKEN, 'and what is no token')
  t.equal((await generate()).statusCode, 200, 'other routes count for themselves')
  t.strictSame(refusal(await from('192.0.2.2')), WRONG_TOKEN, 'another address')
  clock.time += 90_499
  t.strictSame(refusal(await from('192.0.2.1')), limited('1'))
  clock.time++
  t.strictSame(refusal(await from('192.0.2.1')), WRONG_TOKEN, 'when the time is over')
})

inEveryHost(t, 'addresses of a /64 share a limit, and a /48 may have 16 times as much (T18)', async (t) => {
  const { from } = await countingHost(t, { unknown: { max: 3 } })
  const sent = async (addresses: readonly string[]) => await statuses(addresses.length, (index) => from(String(addresses[index])))
  t.strictSame(await sent(['2001:db8:0:1::1', '2001:db8:0:1::2', '2001:DB8:0:1:ffff::3', '2001:db8:0:1:0:0:192.0.2.1']), [403, 403, 403, 429])
  const others = Array.from({ length: 44 }, (_, index) => `2001:db8:0:${(index + 2).toString(16)}::1`)
  t.strictSame(await sent(others), others.map(() => 403))
  const exceeded = await from('2001:db8:0:ffff::1')
  t.strictSame(refusal(exceeded), limited('60'))
  t.strictSame([exceeded.headers['ratelimit-policy'], exceeded.headers['ratelimit']], ['"address";q=3;w=60, "network";q=48;w=60', '"network";r=0;t=60'])
  t.strictSame(await sent(['2001:db8:1::1', '192.0.2.1', '::ffff:192.0.2.1', '::ffff:c000:201', '0:0:0:0:0:ffff:192.0.2.1', '192.0.2.2']), [403, 403, 403, 403, 429, 403])
})

inEveryHost(t, 'the limit that there is without a word, and none', async (t) => {
  const host = await countingHost(t, undefined)
  t.strictSame((await host.from('192.0.2.1')).headers['ratelimit-policy'], '"address";q=600;w=60')
  t.strictSame(await statuses(600, () => host.from('192.0.2.1')), [...Array.from({ length: 599 }, () => 403), 429])

  const none = await countingHost(t, { unknown: false })
  t.strictSame(await none.calls(async () => {
    t.strictSame(await statuses(20, () => none.from('192.0.2.1')), Array.from({ length: 20 }, () => 403))
    t.notOk('ratelimit' in (await none.from('192.0.2.1')).headers)
  }), Array.from({ length: 21 }, () => 'get'))
})

t.test('ten thousand tokens that nobody has, at two servers with one store (T29)', async (t) => {
  const store = createMemoryStore({ now: () => NOW })
  const servers = [await opaqueHost(t, { store, flow: { limits: { unknown: { max: 5000 } } } }), await opaqueHost(t, { store, flow: { limits: { unknown: { max: 5000 } } } })] as const
  const found: Record<string, number> = {}
  for (let index = 0; index < 10_000; index++) {
    const { statusCode } = await servers[index % 2 === 0 ? 0 : 1].verify(madeUp())
    found[statusCode] = (found[statusCode] ?? 0) + 1
  }
  t.strictSame(found, { 403: 5000, 429: 5000 })
  t.equal((await servers[1].verify(await servers[0].newToken())).statusCode, 200)
})

inEveryHost(t, 'instances count apart by name, and no counter is another\'s', async (t) => {
  const store = createMemoryStore({ now: () => NOW })
  const limits = { unknown: { max: 1 }, address: { max: 1 }, failures: { max: 1 } }
  const host = async (name: string) => await opaqueHost(t, { store, flow: { name, limits } })
  const [one, same] = [await host('one'), await host('one')]
  t.strictSame([(await one.verify(madeUp())).statusCode, (await same.verify(madeUp())).statusCode], [403, 429])
  for (const name of ['on', 'onet', 'One', 'unknown', 'one.unknown']) t.equal((await (await host(name)).verify(madeUp())).statusCode, 403, name)
  t.equal((await one.generate()).statusCode, 200, 'failures at /verify take nothing from the other routes')
  t.equal((await one.generate()).statusCode, 429)
  const fresh = await host('fresh')
  t.strictSame(await statuses(2, () => fresh.generate()), [200, 429])
  t.equal((await fresh.verify(madeUp())).statusCode, 403, 'nor they from it')
})

inEveryHost(t, 'other methods of /verify count by address, as requests do', async (t) => {
  const { app, from } = await countingHost(t, { address: { max: 2 }, unknown: { max: 1 } })
  t.strictSame(await statuses(3, () => app.inject({ method: 'HEAD', url: '/verify', remoteAddress: '192.0.2.1' })), [405, 405, 429])
  t.equal((await from('192.0.2.1')).statusCode, 403)
})

inEveryHost(t, 'each other route counts as those of other flows do', async (t) => {
  const { generate, revoke, lookUp, app } = await countingHost(t, { address: { max: 9 }, credential: { max: 4, timeWindow: 30_000 } })
  const policy = '"address";q=9;w=60, "credential";q=4;w=30'
  const replies = [await generate(), await revoke({ accessor: 'x' }), await lookUp({ accessor: 'x' }), await generate('{'), await generate()]
  t.strictSame(replies.map(({ statusCode }) => statusCode), [200, 403, 403, 400, 429])
  t.strictSame(replies.map(({ headers }) => [headers['ratelimit-policy'], headers['ratelimit']]), [3, 2, 1, 0, 0].map((left) => [policy, `"credential";r=${left};t=30`]))
  t.strictSame(refusal(await generate()), limited('30'))
  t.strictSame((await app.inject({ method: 'POST', url: '/generate' })).headers['ratelimit'], '"address";r=2;t=60')
})
