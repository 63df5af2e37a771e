import t, { type Test } from 'tap'
import { NoSigningKeyError, SignerFailedError } from '../../../lib/errors.ts'
import { createMemoryStore } from '../../../lib/stores/memory.ts'
import { faultyStore } from '../../support/faulty-store.ts'
import { inEveryHost } from '../../support/hosts.ts'
import { answer, basic, BASIC_CHALLENGE, FORM, ISSUER, oauthHost, type OAuthHostOptions, refused, ringOf } from '../../support/oauth-host.ts'
import { NOW, SECONDS } from '../../support/session-host.ts'
import { encode } from '../../support/tokens.ts'

const WRONG = refused(400, 'invalid_client')
const SERVED = { status: 200, error: undefined, challenge: undefined, cache: 'no-store', retryAfter: undefined, allow: undefined }
const GRANT = { grant_type: 'client_credentials', token: 'x' }
const DOCUMENTS = ['/.well-known/jwks.json', '/.well-known/openid-configuration/jwks', '/.well-known/oauth-authorization-server', '/.well-known/oauth-protected-resource']
const [HERE, THERE] = ['192.0.2.1', '192.0.2.2']

const limited = (retryAfter: number) => refused(429, 'temporarily_unavailable', { retryAfter: String(retryAfter) })

/** A host that counts, asked from an address. */
async function countingHost (t: Test, limits: Record<string, unknown> = { address: false }, options: OAuthHostOptions = {}) {
  const host = await oauthHost(t, { ...options, flow: { limits, ...options.flow } })
  const from = async (remoteAddress: string, fields: Record<string, string> = {}, headers: Record<string, string> = {}, url = '/connect/token') =>
    await host.app.inject({ method: 'POST', url, remoteAddress, headers: { 'content-type': FORM, ...headers }, payload: new URLSearchParams({ ...GRANT, ...fields }).toString() })
  const good = host.credentials
  const bad = { client_id: host.id, client_secret: 'x' }
  const fail = async (count: number, address = HERE, fields: Record<string, string> = bad): Promise<number[]> => {
    const statuses = []
    for (let index = 0; index < count; index++) statuses.push((await from(address, fields)).statusCode)
    return statuses
  }
  return { ...host, from, good, bad, fail }
}

inEveryHost(t, 'after five failures of an id from one address, not even the right secret (T35)', async (t) => {
  const { from, good, bad, fail, clock, registry, id, secret } = await countingHost(t, undefined, { flow: { aliases: ['/oauth2/token'] } })
  const other = await registry.create()
  const others = { client_id: other.record.id, client_secret: String(other.secret) }
  t.strictSame(await fail(1), [400])
  clock.time = NOW + 100_000
  t.strictSame(await fail(3), [400, 400, 400])
  t.strictSame(answer(await from(HERE, good)), SERVED, 'a good one in between')
  t.strictSame(answer(await from(HERE, bad)), WRONG, 'the fifth')

  for (const [name, fields, headers, url] of [
    ['the right secret', good, {}, '/connect/token'], ['a wrong one', bad, {}, '/connect/token'], ['no secret', { client_id: id }, {}, '/connect/token'], ['by HTTP Basic', {}, basic(id, secret), '/connect/token'],
    ['at an alias', good, {}, '/oauth2/token'], ['at introspection', good, {}, '/connect/introspect'], ['at revocation', good, {}, '/connect/revocation']
  ] as const) t.strictSame(answer(await from(HERE, fields as Record<string, string>, headers, url)), limited(500), name)
  t.equal((await from(HERE, good)).body, '{"error":"temporarily_unavailable","error_description":"Too many failed attempts"}')
  t.strictSame(answer(await from(THERE, good)), SERVED, 'from another address')
  t.strictSame(answer(await from(HERE, others)), SERVED, 'another client from there')

  clock.time = NOW + 599_001
  t.strictSame(answer(await from(HERE, good)), limited(1), 'the end is 600 s after the first, whatever came since')
  clock.time = NOW + 600_000
  t.strictSame(answer(await from(HERE, good)), SERVED)
  t.strictSame(await fail(6), [400, 400, 400, 400, 400, 429], 'and then anew')
})

inEveryHost(t, 'an id that nobody has locks just so, and what has no readable id locks nobody (T35)', async (t) => {
  const { from, good, fail, id, secret } = await countingHost(t)
  t.strictSame(await fail(6, HERE, { client_id: 'nobody', client_secret: 'x' }), [400, 400, 400, 400, 400, 429])
  t.strictSame(await fail(6, HERE, { client_id: 'a'.repeat(16), client_secret: 'x' }), [400, 400, 400, 400, 400, 429])
  t.strictSame(answer(await from(HERE, { client_id: 'nobody', client_secret: 'x' })), limited(600))

  const unreadable: Array<Record<string, string>> = [{}, { client_id: 'x'.repeat(101) }, { client_id: 'é', client_secret: 'x' }, { client_secret: 'x' }, { client_assertion: 'x', client_id: id }]
  for (const fields of unreadable) t.strictSame(answer(await from(HERE, fields)), WRONG)
  for (const fields of unreadable) t.strictSame(answer(await from(HERE, fields)), limited(600), 'the sixth and all others')
  t.strictSame(answer(await from(HERE, {}, { authorization: 'Basic ?' })), limited(600))
  t.strictSame(answer(await from(HERE, good)), SERVED, 'a good one passes')
  t.strictSame(answer(await from(HERE, {}, basic(id, secret))), SERVED)
  t.strictSame(answer(await from(THERE, {}, { authorization: 'Basic ?' })), refused(401, 'invalid_client', { challenge: BASIC_CHALLENGE }), 'from elsewhere')
})

inEveryHost(t, 'a /64 is one address, and an address within IPv6 is itself (T18)', async (t) => {
  const { from, good, fail } = await countingHost(t)
  for (const address of ['2001:db8:0:1::1', '2001:db8:0:1::2', '2001:DB8:0:1:ffff::3', '2001:db8:0:1:0:0:192.0.2.1', '2001:db8:0:1::5']) t.strictSame(await fail(1, address), [400])
  t.strictSame(answer(await from('2001:db8:0:1:abcd::', good)), limited(600))
  t.strictSame(answer(await from('2001:db8:0:2::1', good)), SERVED)
  t.strictSame(await fail(5, '::ffff:192.0.2.1'), [400, 400, 400, 400, 400])
  t.strictSame(answer(await from(HERE, good)), limited(600))
})

inEveryHost(t, 'what is wrong with a request is no failure of a client', async (t) => {
  const { from, good, id, secret, post } = await countingHost(t)
  for (let count = 0; count < 6; count++) {
    t.equal((await from('127.0.0.1', { ...good, scope: 'x' })).statusCode, 400)
    t.equal((await from('127.0.0.1', { ...good, grant_type: 'x' })).statusCode, 400)
    t.equal((await from('127.0.0.1', good, basic(id, secret))).statusCode, 400)
    t.equal((await post('/connect/token', '%')).statusCode, 400)
    t.equal((await post('/connect/token?scope=x', { ...GRANT, client_id: id, client_secret: 'x' })).statusCode, 400)
  }
  t.strictSame(answer(await from('127.0.0.1', good)), SERVED)
})

inEveryHost(t, 'no lock where the host wants none, and another one where it says so', async (t) => {
  const none = await countingHost(t, { address: false, failures: false })
  t.strictSame(await none.fail(10), Array(10).fill(400))
  const { from, good, fail } = await countingHost(t, { failures: { max: 2, timeWindow: 10_000 } })
  t.strictSame(await fail(2), [400, 400])
  t.strictSame(answer(await from(HERE, good)), limited(10))
})

inEveryHost(t, 'requests count by address and by client', async (t) => {
  const { from, good, fail, clock, app, registry } = await countingHost(t, { address: { max: 5 }, credential: { max: 3, timeWindow: 30_000 } })
  const usages = []
  for (const address of [HERE, THERE, HERE]) usages.push((await from(address, good)).headers['ratelimit'])
  t.strictSame(usages, ['"credential";r=2;t=30', '"credential";r=1;t=30', '"credential";r=0;t=30'])
  const reply = await from('192.0.2.3', good, {}, '/connect/introspect')
  t.strictSame([answer(reply), reply.headers['ratelimit-policy']], [limited(30), '"address";q=5;w=60, "credential";q=3;w=30'], 'the fourth of the client, at whatever route')
  const own = await registry.create({ rateLimit: { max: 1, timeWindow: 5000 } })
  const ofIts = { client_id: own.record.id, client_secret: String(own.secret) }
  t.strictSame([answer(await from('192.0.2.4', ofIts)), answer(await from('192.0.2.4', ofIts))], [SERVED, limited(5)], 'the client\'s own limit')
  t.strictSame(await fail(4, HERE), [400, 400, 400, 429], 'five from one address, good or bad')
  for (const url of DOCUMENTS) t.strictSame(answer(await app.inject({ url, remoteAddress: HERE })), limited(60), url)
  t.strictSame(answer(await app.inject({ method: 'PUT', url: '/connect/token', remoteAddress: HERE })), limited(60), 'other methods too')
  clock.time = NOW + 60_000
  t.strictSame(answer(await from(HERE, good)), SERVED)
})

inEveryHost(t, 'ids that are made up anew each time meet the limit by address, at two servers with one store (T29)', async (t) => {
  const one = await countingHost(t, { address: { max: 40 } })
  const two = await countingHost(t, { address: { max: 40 } }, { store: one.store })
  const found: Record<string, number> = {}
  for (let index = 0; index < 60; index++) {
    const { statusCode } = await (index % 2 === 0 ? one : two).from(HERE, { client_id: `made-up-${index}`, client_secret: 'x' })
    found[statusCode] = (found[statusCode] ?? 0) + 1
  }
  t.strictSame(found, { 400: 40, 429: 20 })
  t.strictSame(answer(await two.from(THERE, two.good)), SERVED)
})

inEveryHost(t, 'a lock holds at every server with the store, and for one name alone', async (t) => {
  const one = await countingHost(t)
  const two = await countingHost(t, undefined, { store: one.store, clients: one.registry })
  const named = await countingHost(t, undefined, { store: one.store, clients: one.registry, flow: { name: 'another' } })
  t.strictSame(await one.fail(5), [400, 400, 400, 400, 400])
  t.strictSame(answer(await two.from(HERE, one.good)), limited(600))
  t.strictSame(answer(await named.from(HERE, one.good)), SERVED)
})

inEveryHost(t, 'a store outage is 503 at every route, and never an answer about a client or a token (T36)', async (t) => {
  const outage = refused(503, 'temporarily_unavailable', { retryAfter: '1' })
  const { store, fault } = faultyStore(createMemoryStore({ now: () => NOW }))
  for (const limits of [{}, { address: false }, { address: false, credential: false, failures: false }]) {
    const { from, good, bad, app } = await countingHost(t, limits, { store })
    fault.error = new Error('connection lost')
    for (const url of ['/connect/token', '/connect/introspect', '/connect/revocation']) {
      for (const fields of [good, bad]) t.strictSame(answer(await from(HERE, fields, {}, url)), outage, url)
    }
    for (const url of DOCUMENTS) {
      const { status, cache } = answer(await app.inject(url))
      t.strictSame({ status, cache }, 'address' in limits ? { status: 200, cache: 'public, max-age=300' } : { status: 503, cache: 'no-store' }, url)
    }
    fault.error = undefined
  }
  // The clients are found, and the rest is not.
  const host = await countingHost(t, { address: false, failures: false }, { flow: { store } })
  fault.error = new Error('connection lost')
  t.strictSame(answer(await host.from(HERE, host.good)), outage, 'the limit by client')
  const unlimited = await countingHost(t, { address: false, credential: false, failures: false }, { flow: { store } })
  t.strictSame(answer(await unlimited.from(HERE, unlimited.good)), outage, 'the first token of a process')
  fault.error = undefined
  t.strictSame(answer(await unlimited.from(HERE, unlimited.good)), SERVED, 'is tried again')
  const full = await countingHost(t, {}, { flow: { store: createMemoryStore({ maxEntries: 1, now: () => NOW }) } })
  t.strictSame([(await full.from(HERE, full.good)).statusCode, answer(await full.from(THERE, full.good))], [503, outage], 'a store that is full')
})

inEveryHost(t, 'a ring that cannot sign any more is our fault, and one that fails is an outage', async (t) => {
  const keys = await ringOf('ES256')
  let error: Error | undefined
  const { ask } = await oauthHost(t, {
    keys: {
      ...keys,
      signing: () => {
        if (error !== undefined) throw error
        return keys.signing()
      }
    }
  })
  t.strictSame(answer(await ask()), SERVED)
  error = new NoSigningKeyError()
  t.strictSame(answer(await ask()), refused(500, 'server_error'))
  error = new SignerFailedError()
  t.strictSame(answer(await ask()), refused(503, 'temporarily_unavailable', { retryAfter: '1' }))
})

inEveryHost(t, 'failed assertions of a client lock it there like wrong secrets (T35)', async (t) => {
  const { app, id, credentials } = await oauthHost(t, { flow: { limits: { address: false } } })
  const assertion = `${encode({ alg: 'ES256' })}.${encode({ iss: id, sub: id, aud: ISSUER, exp: SECONDS + 60, jti: 'x' })}.AAAA`
  const send = (remoteAddress: string, fields: Record<string, string>) => app.inject({ method: 'POST', url: '/connect/token', remoteAddress, headers: { 'content-type': FORM }, payload: new URLSearchParams({ grant_type: 'client_credentials', ...fields }).toString() })
  const wrong = { client_assertion: assertion, client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer' }
  for (let count = 0; count < 5; count++) t.strictSame(answer(await send('192.0.2.1', wrong)), refused(400, 'invalid_client'))
  const locked = refused(429, 'temporarily_unavailable', { retryAfter: '600' })
  for (const fields of [wrong, credentials]) t.strictSame(answer(await send('192.0.2.1', fields)), locked)
  t.equal((await send('192.0.2.2', credentials)).statusCode, 200)
})
