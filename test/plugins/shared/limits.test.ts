import t, { type Test } from 'tap'
import Fastify, { type InjectOptions, type LightMyRequestResponse } from 'fastify'
import rateLimit from '@fastify/rate-limit'
import { type ApiKeyInput, type PresentedKey } from '../../../lib/credentials/index.ts'
import { createMemoryStore } from '../../../lib/stores/memory.ts'
import { type TokenStore } from '../../../lib/stores/token-store.ts'
import { prepareScope } from '../../../plugins/shared/flow-scope.ts'
import { limitByUser } from '../../../plugins/shared/limiter.ts'
import { type MachineLimits, resolveUserLimits, type UserLimits } from '../../../plugins/shared/limits.ts'
import { faultyStore } from '../../support/faulty-store.ts'
import { inEveryHost } from '../../support/hosts.ts'
import { recordEvents } from '../../support/recorded-events.ts'
import { type HostOptions, NOW, post, refusal, type SessionHost, sessionHost } from '../../support/session-host.ts'

const PATH = '/viewer/sessions'
const WRONG = `fdt_key_${'0'.repeat(16)}_${'A'.repeat(43)}`

/** A host with these limits, and callers of its routes. */
async function limitedHost (t: Test, limits: MachineLimits | undefined, { flow, ...options }: HostOptions = {}) {
  const given: Record<string, unknown> = { limits }
  const host = await sessionHost(t, { ...options, flow: { ...flow, ...given } })
  const from = (remoteAddress: string, more: InjectOptions = {}) => host.app.inject({ method: 'POST', url: PATH, remoteAddress, headers: bearer(host), payload: {}, ...more })
  return { ...host, from }
}

function bearer ({ secret }: { secret: string }): Record<string, string> {
  return { authorization: `Bearer ${secret}` }
}

/** What an answer tells of the limits. */
function told ({ statusCode, headers }: LightMyRequestResponse) {
  return { status: statusCode, policy: headers['ratelimit-policy'], standing: headers['ratelimit'], retryAfter: headers['retry-after'] }
}

const NOTHING = { policy: undefined, standing: undefined, retryAfter: undefined }

async function statuses (count: number, send: (index: number) => Promise<LightMyRequestResponse>): Promise<number[]> {
  const found = []
  for (let index = 0; index < count; index++) found.push((await send(index)).statusCode)
  return found
}

inEveryHost(t, 'each answer tells how the limits stand, in the header fields of the draft', async (t) => {
  let clock = { time: NOW }
  const { store, fault } = faultyStore(createMemoryStore({ now: () => clock.time }))
  const host = await limitedHost(t, { address: { max: 7 }, credential: { max: 3, timeWindow: 90_500 }, failures: { max: 1, timeWindow: 30_001 } }, { store })
  const { app, create } = host
  clock = host.clock
  const policy = '"address";q=7;w=60, "credential";q=3;w=91'
  const address = '"address";q=7;w=60'

  t.strictSame(told(await create({})), { status: 201, policy, standing: '"credential";r=2;t=91', retryAfter: undefined })
  t.strictSame(told(await create('[not json')), { status: 400, policy, standing: '"credential";r=1;t=91', retryAfter: undefined })
  t.strictSame(told(await create({ exp: 'x' })), { status: 400, policy, standing: '"credential";r=0;t=91', retryAfter: undefined })
  const exceeded = await create({})
  t.strictSame(told(exceeded), { status: 429, policy, standing: '"credential";r=0;t=91', retryAfter: '91' })
  t.strictSame(refusal(exceeded), { status: 429, code: 'FDT_RATE_LIMITED', challenge: undefined, cache: 'no-store', complete: true })
  t.strictSame(told(await post(app, PATH, {}, { 'x-api-key': WRONG })), { status: 401, policy: address, standing: '"address";r=2;t=60', retryAfter: undefined })
  fault.error = new Error('gone')
  t.strictSame(told(await create({})), { status: 503, ...NOTHING, retryAfter: '1' })
  fault.error = undefined
  t.strictSame(told(await app.inject(PATH)), { status: 405, policy: address, standing: '"address";r=1;t=60', retryAfter: undefined })
  t.strictSame(told(await post(app, PATH, {}, {})), { status: 401, policy: address, standing: '"address";r=0;t=60', retryAfter: undefined })
  clock.time += 500
  t.strictSame(told(await create({})), { status: 429, policy: address, standing: '"address";r=0;t=60', retryAfter: '60' }, 'a begun second is a second')
  clock.time += 58_500
  t.strictSame(told(await create({})), { status: 429, policy: address, standing: '"address";r=0;t=1', retryAfter: '1' })
  clock.time += 1000
  t.strictSame(told(await create({})), { status: 429, policy, standing: '"credential";r=0;t=31', retryAfter: '31' })

  const six = await host.from('2001:db8::1')
  t.strictSame(told(six), { status: 429, policy: '"address";q=7;w=60, "network";q=112;w=60, "credential";q=3;w=91', standing: '"credential";r=0;t=31', retryAfter: '31' })
})

inEveryHost(t, 'the limits that there are without a word', async (t) => {
  const host = await limitedHost(t, undefined)
  t.strictSame(told(await host.create({})), { status: 201, policy: '"address";q=600;w=60, "credential";q=3000;w=60', standing: '"address";r=599;t=60', retryAfter: undefined })
  t.strictSame(told(await host.revoke({ user_id: 'jane' })), { status: 204, policy: '"address";q=600;w=60, "credential";q=3000;w=60', standing: '"address";r=598;t=60', retryAfter: undefined })
  t.strictSame(told(await host.from('2001:db8::1')), { status: 201, policy: '"address";q=600;w=60, "network";q=9600;w=60, "credential";q=3000;w=60', standing: '"address";r=599;t=60', retryAfter: undefined })
  t.strictSame(await statuses(597, () => post(host.app, PATH, {}, {})), Array.from({ length: 597 }, () => 401))
  t.strictSame(await statuses(2, () => host.create({})), [201, 429])
})

inEveryHost(t, 'which requests count', async (t) => {
  const limits = { address: { max: 1000 }, credential: false, failures: false } as const
  const byAddress = await limitedHost(t, limits)
  const byCredential = await limitedHost(t, { ...limits, address: false, credential: { max: 1000 } })
  const large = 'x'.repeat(1024 * 1024 + 1)

  const json = { 'content-type': 'application/json' }
  const requests: Array<{ name: string, status: number, counts: 'both' | 'address' | 'none', request: (host: SessionHost, foreign: string) => InjectOptions }> = [
    { name: 'a session', status: 201, counts: 'both', request: (host) => ({ headers: bearer(host), payload: {} }) },
    { name: 'a revocation', status: 204, counts: 'both', request: (host) => ({ url: `${PATH}/revoke`, headers: bearer(host), payload: { user_id: 'jane' } }) },
    { name: 'a body that is not JSON', status: 400, counts: 'both', request: (host) => ({ headers: { ...bearer(host), ...json }, payload: '{' }) },
    { name: 'a body that fails validation', status: 400, counts: 'both', request: (host) => ({ headers: bearer(host), payload: { exp: 'x' } }) },
    { name: 'a body that is too large', status: 413, counts: 'both', request: (host) => ({ headers: { ...bearer(host), ...json }, payload: large }) },
    { name: 'a body of another type', status: 415, counts: 'both', request: (host) => ({ headers: { ...bearer(host), 'content-type': 'text/plain' }, payload: '{}' }) },
    { name: 'no session of this caller', status: 404, counts: 'both', request: (host) => ({ url: `${PATH}/revoke`, headers: bearer(host), payload: { jwt: 'a.b.c' } }) },
    { name: 'no key', status: 401, counts: 'address', request: () => ({ payload: {} }) },
    { name: 'a wrong key', status: 401, counts: 'address', request: () => ({ headers: { 'x-api-key': WRONG }, payload: {} }) },
    { name: 'two keys', status: 400, counts: 'address', request: (host) => ({ headers: { ...bearer(host), 'x-api-key': host.secret }, payload: {} }) },
    { name: 'a key for another flow', status: 403, counts: 'address', request: (_host, foreign) => ({ headers: { 'x-api-key': foreign }, payload: {} }) },
    ...(['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE'] as const).map((method) => ({ name: method, status: 405, counts: 'address' as const, request: (host: SessionHost) => ({ method, headers: bearer(host) }) })),
    { name: 'GET of the other route', status: 405, counts: 'address', request: (host) => ({ method: 'GET', url: `${PATH}/revoke`, headers: bearer(host) }) },
    { name: 'OPTIONS, which is the host\'s', status: 404, counts: 'none', request: (host) => ({ method: 'OPTIONS', headers: bearer(host) }) },
    { name: 'a path beside', status: 404, counts: 'none', request: (host) => ({ url: `${PATH}s`, headers: bearer(host), payload: {} }) },
    { name: 'a path below', status: 404, counts: 'none', request: (host) => ({ url: `${PATH}/revoke/all`, headers: bearer(host), payload: {} }) },
    { name: 'a route of the host\'s', status: 401, counts: 'none', request: () => ({ method: 'GET', url: '/documents/a' }) }
  ]
  for (const { host, policy } of [{ host: byAddress, policy: 'address' }, { host: byCredential, policy: 'credential' }]) {
    const { secret: foreign } = await host.registry.create({ flows: ['opaque-tokens'] })
    let remaining = 1000
    for (const { name, status, counts, request } of requests) {
      const { statusCode, headers } = await host.app.inject({ method: 'POST', url: PATH, ...request(host, foreign) })
      const isCounted = counts === 'both' || counts === policy
      if (isCounted) remaining--
      t.strictSame({ status: statusCode, standing: headers['ratelimit'] }, { status, standing: isCounted ? `"${policy}";r=${remaining};t=60` : undefined }, `${policy}: ${name}`)
    }
    const { headers } = await host.create({})
    t.equal(headers['ratelimit'], `"${policy}";r=${remaining - 1};t=60`, 'and nothing was counted unseen')
  }
})

inEveryHost(t, 'the address answers first, then the key, then its limit, and the body last', async (t) => {
  const host = await limitedHost(t, { address: { max: 6 }, credential: { max: 1 }, failures: { max: 1 } })
  const code = async (remoteAddress: string, headers: Record<string, string>, payload: string) => (await host.from(remoteAddress, { headers: { 'content-type': 'application/json', ...headers }, payload })).json().code
  const good = bearer(host)
  const wrong = { 'x-api-key': WRONG }
  t.equal(await code('192.0.2.1', wrong, '{'), 'FDT_INVALID_CREDENTIAL')
  t.equal(await code('192.0.2.1', good, '{'), 'FDT_INVALID_JSON', 'counted')
  t.equal(await code('192.0.2.1', wrong, '{'), 'FDT_RATE_LIMITED', 'failures without an id are limited')
  t.equal(await code('192.0.2.1', good, '{'), 'FDT_RATE_LIMITED')
  t.equal(await code('192.0.2.2', good, '{'), 'FDT_RATE_LIMITED', 'a key has its limit from all addresses together')
  t.equal(await code('192.0.2.1', {}, '{'), 'FDT_MISSING_CREDENTIAL')
  t.equal(await code('192.0.2.1', { ...good, ...wrong }, '{'), 'FDT_MULTIPLE_CREDENTIALS')
  for (const headers of [good, wrong, {}]) t.equal(await code('192.0.2.1', headers, '{'), 'FDT_RATE_LIMITED')
  t.equal((await host.from('192.0.2.1', { method: 'GET' })).statusCode, 429)
  t.equal((await host.from('192.0.2.2', { method: 'GET' })).statusCode, 405)
})

inEveryHost(t, 'a key is one, wherever it stands, and other keys are others', async (t) => {
  const host = await limitedHost(t, { address: false, credential: { max: 4 } })
  const { app, secret, id, registry } = host
  const { secret: other } = await registry.create()
  const rotated = await registry.rotate(id)
  const send = async (headers: Record<string, string>) => {
    const { status, standing } = told(await post(app, PATH, {}, headers))
    return [status, standing]
  }
  t.strictSame(await send({ authorization: `Bearer ${secret}` }), [201, '"credential";r=3;t=60'])
  t.strictSame(await send({ 'x-api-key': secret }), [201, '"credential";r=2;t=60'])
  t.strictSame(await send({ authorization: `bearer   ${secret}` }), [201, '"credential";r=1;t=60'])
  t.strictSame(await send({ 'X-API-Key': rotated.secret }), [201, '"credential";r=0;t=60'], 'its new secret too')
  for (const headers of [{ authorization: `BEARER ${rotated.secret}` }, { 'x-api-key': secret }]) t.strictSame(await send(headers), [429, '"credential";r=0;t=60'])
  t.strictSame(await send({ 'x-api-key': other }), [201, '"credential";r=3;t=60'])
  t.equal((await host.revoke({ user_id: 'jane' })).statusCode, 429, 'both routes have one limit')
  host.clock.time += 60_000
  t.strictSame(await send({ 'x-api-key': secret }), [201, '"credential";r=3;t=60'])
})

inEveryHost(t, 'a key may have a limit of its own', async (t) => {
  const cases: Array<{ name: string, credential: false | { max: number }, rateLimit: ApiKeyInput['rateLimit'], policy: string | undefined, served: number }> = [
    { name: 'lower', credential: { max: 5 }, rateLimit: { max: 2, timeWindow: 7000 }, policy: '"credential";q=2;w=7', served: 2 },
    { name: 'higher', credential: { max: 2 }, rateLimit: { max: 5, timeWindow: 60_000 }, policy: '"credential";q=5;w=60', served: 5 },
    { name: 'where others have none', credential: false, rateLimit: { max: 3, timeWindow: 60_000 }, policy: '"credential";q=3;w=60', served: 3 },
    { name: 'none of its own', credential: { max: 4 }, rateLimit: undefined, policy: '"credential";q=4;w=60', served: 4 },
    { name: 'none at all', credential: false, rateLimit: undefined, policy: undefined, served: 8 }
  ]
  for (const { name, credential, rateLimit, policy, served } of cases) {
    const host = await limitedHost(t, { address: false, credential, failures: false }, { apiKey: { rateLimit } })
    const replies = []
    for (let count = 0; count < 8; count++) replies.push(told(await host.create({})))
    t.strictSame(replies.map(({ status }) => status), Array.from({ length: 8 }, (_, index) => index < served ? 201 : 429), name)
    t.ok(replies.every((reply) => reply.policy === policy), name)
  }
})

inEveryHost(t, 'a limit of a host\'s own record is checked like the rest of it', async (t) => {
  const host = await sessionHost(t)
  for (const [rateLimit, status] of [[{ max: 1, timeWindow: 1000 }, 201], [{ max: 1, timeWindow: 1000, burst: 5 }, 201], [null, 401], [{ max: 1 }, 401], [{ max: 0, timeWindow: 1000 }, 401], [{ max: '5', timeWindow: 1000 }, 401], [5, 401]] as const) {
    const credentials: Record<string, unknown> = { credentials: { find: async ({ digest }: PresentedKey) => ({ ...await host.registry.get(host.id), secrets: [{ digest, createdAt: 0 }], rateLimit }) } }
    const { app, secret } = await limitedHost(t, {}, { flow: credentials })
    t.equal((await post(app, PATH, {}, { 'x-api-key': secret })).statusCode, status, JSON.stringify(rateLimit))
  }
})

inEveryHost(t, 'false is no limit: nothing is counted and nothing said', async (t) => {
  const { store, fault } = faultyStore(createMemoryStore({ now: () => NOW }))
  const host = await limitedHost(t, { address: false, credential: false, failures: false }, { store })
  fault.calls.length = 0
  t.strictSame(told(await host.create({})), { status: 201, ...NOTHING })
  t.strictSame(told(await host.app.inject(PATH)), { status: 405, ...NOTHING })
  t.strictSame(await statuses(20, () => post(host.app, PATH, {}, { 'x-api-key': WRONG })), Array.from({ length: 20 }, () => 401))
  t.notOk(fault.calls.includes('increment'))
})

inEveryHost(t, 'a limit that is unusable is refused at registration', async (t) => {
  const cases: Array<[limits: unknown, option: string]> = [
    [null, 'limits'], [5, 'limits'], [false, 'limits'], [[], 'limits'], ['off', 'limits'],
    [{ adress: false }, 'limits.adress'], [{ user: {} }, 'limits.user'],
    [{ address: true }, 'limits.address'], [{ address: null }, 'limits.address'], [{ credential: 600 }, 'limits.credential'], [{ failures: [] }, 'limits.failures'],
    [{ address: { max: 0 } }, 'limits.address.max'], [{ address: { max: '600' } }, 'limits.address.max'], [{ credential: { max: Infinity } }, 'limits.credential.max'], [{ failures: { max: 1.5 } }, 'limits.failures.max'],
    [{ address: { timeWindow: '1 minute' } }, 'limits.address.timeWindow'], [{ failures: { timeWindow: 0 } }, 'limits.failures.timeWindow'], [{ credential: { window: 1 } }, 'limits.credential.window']
  ]
  for (const [limits, option] of cases) {
    await t.rejects(async () => { await limitedHost(t, limits as MachineLimits) }, { code: 'FDT_INVALID_OPTION', message: new RegExp(`"${option}":`) }, JSON.stringify(limits))
  }
})

inEveryHost(t, 'four addresses of a /64 share a limit, and a /48 may have 16 times as much (T18)', async (t) => {
  const { from } = await limitedHost(t, { address: { max: 3 } })
  const sent = async (addresses: readonly string[]) => await statuses(addresses.length, (index) => from(String(addresses[index])))
  t.strictSame(await sent(['2001:db8:0:1::1', '2001:db8:0:1::2', '2001:DB8:0:1:ffff::3', '2001:db8:0:1:0:0:192.0.2.1']), [201, 201, 201, 429])
  const others = Array.from({ length: 44 }, (_, index) => `2001:db8:0:${(index + 2).toString(16)}::1`)
  t.strictSame(await sent(others), others.map(() => 201))
  const exceeded = await from('2001:db8:0:ffff::1')
  t.strictSame(told(exceeded), { status: 429, policy: '"address";q=3;w=60, "network";q=48;w=60', standing: '"network";r=0;t=60', retryAfter: '60' })
  t.strictSame(await sent(['2001:db8:1::1', '192.0.2.1', '::ffff:192.0.2.1', '::ffff:c000:201', '0:0:0:0:0:ffff:192.0.2.1', '192.0.2.2']), [201, 201, 201, 201, 429, 201])
})

inEveryHost(t, 'keys that nobody has do not lift the limit (T29)', async (t) => {
  const { app } = await limitedHost(t, { address: { max: 100 } })
  t.strictSame(await rotate(app, 500), { 401: 5, 429: 495 })
  t.equal((await app.inject({ method: 'POST', url: PATH, remoteAddress: '192.0.2.1' })).statusCode, 401, 'somebody else is served')
})

inEveryHost(t, 'nor do ten thousand of them', async (t) => {
  const { app } = await limitedHost(t, { address: { max: 5000 }, failures: false })
  t.strictSame(await rotate(app, 10_000), { 401: 5000, 429: 5000 })
})

/** Sends as many requests, each with another key, and tells how often there was which status. */
async function rotate (app: SessionHost['app'], count: number): Promise<Record<string, number>> {
  const found: Record<string, number> = {}
  for (let index = 0; index < count; index++) {
    const { statusCode } = await post(app, PATH, {}, index % 2 === 0 ? { 'x-api-key': `key-${index}` } : { authorization: `Bearer key-${index}` })
    found[statusCode] = (found[statusCode] ?? 0) + 1
  }
  return found
}

inEveryHost(t, 'what guesses at a key locks itself out (T35)', async (t) => {
  const host = await limitedHost(t, { failures: { max: 3 } })
  const events = recordEvents(t)
  const { secret, id, from, clock } = host
  const { secret: other } = await host.registry.create()
  const guess = `${secret.slice(0, 25)}${'A'.repeat(43)}`
  const { crc32 } = await import('node:zlib')
  const checksum = Buffer.alloc(4)
  checksum.writeUInt32BE(crc32(guess))
  const wrong = guess + checksum.toString('base64url')
  const send = (address: string, key: string) => from(address, { headers: { 'x-api-key': key } })

  t.strictSame(await statuses(3, () => send('192.0.2.1', wrong)), [401, 401, 401])
  events()
  const refused = await send('192.0.2.1', secret)
  t.strictSame(refusal(refused), { status: 429, code: 'FDT_LOCKED', challenge: undefined, cache: 'no-store', complete: true })
  t.strictSame(told(refused), { status: 429, policy: '"address";q=600;w=60', standing: '"address";r=596;t=60', retryAfter: '600' })
  t.notOk(refused.body.includes(id))
  t.strictSame(await statuses(4, (index) => send('192.0.2.1', index % 2 === 0 ? wrong : secret)), [429, 429, 429, 429])
  t.strictSame([(await send('192.0.2.2', secret)).statusCode, (await send('192.0.2.1', other)).statusCode], [201, 201], 'from elsewhere, and another key from there')
  clock.time += 599_999
  t.equal((await send('192.0.2.1', secret)).headers['retry-after'], '1')
  clock.time += 1
  t.equal((await send('192.0.2.1', secret)).statusCode, 201)
})

inEveryHost(t, 'events tell of limits and locks, once each', async (t) => {
  const { secret, id, from } = await limitedHost(t, { address: { max: 3 }, credential: { max: 1 }, failures: { max: 1 } }, { apiKey: { owner: 'acme' } })
  const events = recordEvents(t)
  const named = (name: string) => events().filter(([event]) => event === name).map(([, { requestId, ...event }]: readonly [string, object & { requestId?: string }]) => event)
  const request = { flow: 'session-issuance', name: 'default', time: NOW, address: '192.0.2.1', route: 'POST /viewer/sessions' }
  await from('192.0.2.1')
  await from('192.0.2.1')
  t.strictSame(named('limited'), [{ ...request, policy: 'credential', credential: id, owner: 'acme' }])
  await from('192.0.2.1', { headers: {} })
  t.strictSame(named('limited'), [])
  await from('192.0.2.1')
  t.strictSame(named('limited'), [{ ...request, policy: 'address' }])

  const other = await limitedHost(t, { failures: { max: 1 } }, { flow: { credentials: { find: async () => undefined } } })
  await other.from('192.0.2.1', { headers: { 'x-api-key': secret } })
  t.strictSame(named('locked'), [{ ...request, credential: id, until: NOW + 600_000 }])
  await other.from('192.0.2.1', { headers: { 'x-api-key': secret } })
  t.strictSame(named('locked'), [])
})

inEveryHost(t, 'an outage is 503 at every stage, and ends (T36)', async (t) => {
  const store = createMemoryStore({ now: () => NOW })
  let broken: ((key: string) => boolean) | undefined
  let fail = (): Promise<never> => Promise.reject(new Error('connect ECONNREFUSED 10.0.0.1'))
  const wrapped = new Proxy(store, {
    get: (target, name) => (key: string, ...rest: unknown[]) => broken?.(`${String(name)} ${key}`) === true ? fail() : Reflect.apply(Reflect.get(target, name), target, [key, ...rest])
  })
  const host = await limitedHost(t, { failures: { max: 5 } }, { store: wrapped })
  const outage = { status: 503, code: 'FDT_STORE_UNAVAILABLE', challenge: undefined, cache: 'no-store', complete: true }
  const wrong = { authorization: 'Bearer wrong' }
  const address = '"address";q=600;w=60'
  const stages: Array<{ name: string, of: (call: string) => boolean, headers: Record<string, string>, policy: string | undefined }> = [
    { name: 'by address', of: (call) => call.startsWith('increment limit/session-issuance/default/address/'), headers: bearer(host), policy: undefined },
    { name: 'the lock', of: (call) => call.startsWith('get limit/session-issuance/default/locked/'), headers: bearer(host), policy: address },
    { name: 'the key', of: (call) => call.startsWith('get api-key/'), headers: bearer(host), policy: address },
    { name: 'by credential', of: (call) => call.startsWith('increment limit/session-issuance/default/credential/'), headers: bearer(host), policy: address },
    { name: 'a failure', of: (call) => call.startsWith('increment limit/session-issuance/default/failures/'), headers: wrong, policy: address },
    { name: 'everything', of: () => true, headers: bearer(host), policy: undefined }
  ]
  const ways = { rejects: fail, throws: () => { throw new Error('connect ECONNREFUSED 10.0.0.1') }, 'rejects with nothing': () => Promise.reject(new Error()) }
  for (const [way, failing] of Object.entries(ways)) {
    fail = failing
    for (const { name, of, headers, policy } of stages) {
      broken = of
      for (let count = 0; count < 6; count++) {
        const reply = await post(host.app, PATH, {}, headers)
        t.strictSame(refusal(reply), outage, `${name} ${way}`)
        t.strictSame([reply.headers['retry-after'], reply.headers['ratelimit-policy']], ['1', policy], `${name} ${way}`)
        t.notOk(reply.body.includes('10.0.0.1'))
      }
      broken = undefined
      t.equal((await host.create({})).statusCode, 201, `${name} is back`)
    }
  }
})

inEveryHost(t, 'who waits for a store that never answers is told so by the host\'s own time-out, and nobody else waits', async (t) => {
  const store = createMemoryStore({ now: () => NOW })
  let isStuck = true
  const wrapped = new Proxy(store, { get: (target, name) => name === 'increment' && isStuck ? () => new Promise(() => {}) : Reflect.get(target, name).bind(target) })
  const host = await limitedHost(t, {}, { store: wrapped, server: { handlerTimeout: 100 } })
  const stuck = host.create({})
  t.equal((await host.app.inject('/documents/a')).statusCode, 401)
  t.strictSame(refusal(await stuck), { status: 503, code: 'FST_ERR_HANDLER_TIMEOUT', challenge: undefined, cache: 'no-store', complete: true })
  isStuck = false
  t.equal((await host.create({})).statusCode, 201)
})

inEveryHost(t, 'instances count apart by name, and together by store', async (t) => {
  const store = createMemoryStore({ now: () => NOW })
  const flow = (name: string) => ({ store, flow: { name } })
  const limits = { address: { max: 2 }, credential: { max: 1 } }
  const host = async (name: string) => await limitedHost(t, limits, flow(name))
  const one = await host('one')
  const same = await host('one')
  t.strictSame(await statuses(2, () => one.from('192.0.2.1')), [201, 429])
  t.equal((await same.from('192.0.2.1')).headers['ratelimit'], '"address";r=0;t=60', 'the same instance in another server')
  t.strictSame(told(await same.from('192.0.2.2', { headers: bearer(one) })), { status: 429, policy: '"address";q=2;w=60, "credential";q=1;w=60', standing: '"credential";r=0;t=60', retryAfter: '60' })

  for (const name of ['on', 'onet', 'One', 'one.address', 'one:address', 'one-credential', 'failures', 'address', 'one.failures']) {
    const other = await host(name)
    t.equal((await other.from('192.0.2.1', { headers: bearer(one) })).headers['ratelimit'], '"credential";r=0;t=60', name)
  }
  for (const name of ['one/address', 'one/failures', '../one', '']) await t.rejects(async () => { await host(name) }, { code: 'FDT_INVALID_OPTION' }, 'a name cannot reach into the counters of another')
})

t.test('the host\'s limiter, and its header fields, are left alone', async (t) => {
  const host = await limitedHost(t, { address: { max: 3 } }, {
    before: async (app) => { await app.register(rateLimit, { max: 3, timeWindow: 30_000, keyGenerator: () => 'all' }) }
  })
  const { headers } = await host.create({})
  t.strictSame([headers['x-ratelimit-limit'], headers['x-ratelimit-remaining'], headers['ratelimit-policy'], headers['ratelimit']], ['3', '2', '"address";q=3;w=60, "credential";q=3000;w=60', '"address";r=2;t=60'])
  t.type(headers['x-ratelimit-reset'], 'string')
  t.strictSame(await statuses(2, () => host.create({})), [201, 201])
  const refused = await host.create({})
  t.equal(refused.statusCode, 429)
  t.equal(refused.headers['ratelimit'], undefined, 'the host refuses first, and nothing is counted here')
  t.equal(refused.headers['x-ratelimit-remaining'], '0')
  t.notMatch(refused.body, 'FDT_')

  const draft = await limitedHost(t, {}, { before: async (app) => { await app.register(rateLimit, { max: 9, enableDraftSpec: true }) } })
  t.match((await draft.create({})).headers, { 'ratelimit-limit': '9', 'ratelimit-remaining': '8', ratelimit: '"address";r=599;t=60' })
})

inEveryHost(t, 'what a host gives all routes for its own limiter does not change ours', async (t) => {
  for (const given of [false, { max: 100 }, { max: 100, keyGenerator: () => 'all' }, { groupId: 'all' }, { allowList: () => true }, { hook: 'preHandler' }, { errorResponseBuilder: () => new Error('mine') }]) {
    for (const withLimiter of [false, true]) {
      const host = await limitedHost(t, { address: { max: 2 }, credential: { max: 1 } }, {
        before: async (app) => {
          app.addHook('onRoute', (route) => { route.config = { ...route.config, rateLimit: given } as NonNullable<typeof route.config> })
          if (withLimiter) await app.register(rateLimit, { global: false, max: 1000 })
        }
      })
      const codes = []
      for (let count = 0; count < 3; count++) codes.push((await host.create({})).json().code)
      t.strictSame(codes, [undefined, 'FDT_RATE_LIMITED', 'FDT_RATE_LIMITED'], `${JSON.stringify(given)} ${withLimiter}`)
      t.match((await host.create({})).headers['ratelimit'], /^"address";r=0/)
    }
  }
})

inEveryHost(t, 'behind proxies that the host trusts', async (t) => {
  const { app } = await limitedHost(t, { address: { max: 2 } }, { server: { trustProxy: ['127.0.0.1', '10.0.0.0/8'] } })
  const from = async (remoteAddress: string, forwarded: string) => (await app.inject({ method: 'POST', url: PATH, remoteAddress, headers: { 'x-forwarded-for': forwarded } })).statusCode
  t.strictSame([await from('127.0.0.1', '192.0.2.1'), await from('10.1.2.3', '192.0.2.1'), await from('127.0.0.1', '203.0.113.9, 192.0.2.1'), await from('127.0.0.1', '192.0.2.2')], [401, 401, 429, 401])
  t.strictSame([await from('127.0.0.1', '2001:db8::1'), await from('127.0.0.1', '2001:db8::2, 10.9.9.9'), await from('127.0.0.1', '2001:db8::3')], [401, 401, 429])
  const rotated = await Promise.all(Array.from({ length: 50 }, (_, index) => from('198.51.100.1', `192.0.2.${index}`)))
  t.equal(rotated.filter((status) => status === 401).length, 2, 'who is not trusted is known by its own address (T20)')
  t.strictSame([await from('127.0.0.1', 'unknown'), await from('127.0.0.1', '_hidden'), await from('127.0.0.1', '<script>')], [401, 401, 429], 'what is no address is one client')
})

t.test('routes of users count by what the host says who they are', async (t) => {
  async function userHost ({ limits, store = createMemoryStore() }: { limits?: UserLimits, store?: TokenStore } = {}) {
    const app = Fastify()
    t.teardown(() => app.close())
    const { address, user } = resolveUserLimits(limits)
    await app.register(async (scope) => {
      const instance = { flow: 'session-broker', name: 'default', store, now: Date.now } as const
      await prepareScope(scope, instance, { limit: address })
      await limitByUser(scope, instance, user, ({ headers }) => headers['x-user'] as string) // a host's mistake: there may be none
      const check = scope.createRateLimit({ max: 5 })
      scope.get('/broker', async () => 'in')
      scope.get('/twice', async (request) => await check(request))
    })
    await app.ready()
    return async (user?: string, url = '/broker') => await app.inject({ url, headers: user === undefined ? {} : { 'x-user': user } })
  }

  const send = await userHost({ limits: { user: { max: 2 } } })
  t.match(told(await send('jane')), { status: 200, policy: '"address";q=120;w=60, "user";q=2;w=60', standing: '"user";r=1;t=60' })
  t.strictSame(await statuses(4, (index) => send(index === 2 ? 'john' : 'jane')), [200, 429, 200, 429])
  t.strictSame(await statuses(3, () => send()), [200, 200, 429], 'nobody is somebody too')
  t.match((await send('june', '/twice')).json(), { isExceeded: false })
  t.match(told(await (await userHost())('jane')), { policy: '"address";q=120;w=60, "user";q=60;w=60' })
  t.match(told(await (await userHost({ limits: { address: false, user: false } }))('jane')), { status: 200, ...NOTHING })
  t.throws(() => resolveUserLimits({ credential: {} } as UserLimits), { code: 'FDT_INVALID_OPTION', message: /"limits\.credential"/ })
  t.throws(() => resolveUserLimits({ user: { max: 0 } }), { code: 'FDT_INVALID_OPTION', message: /"limits\.user\.max"/ })
})
