import t from 'tap'
import { digest } from '../../../lib/digest.ts'
import { generateKey } from '../../../lib/keys/index.ts'
import { importKey } from '../../../lib/keys/key-material.ts'
import { createMemoryStore } from '../../../lib/stores/memory.ts'
import { faultyStore } from '../../support/faulty-store.ts'
import { inEveryHost } from '../../support/hosts.ts'
import { answer, basic, ISSUER, oauthHost, refused } from '../../support/oauth-host.ts'
import { NOW } from '../../support/session-host.ts'
import { encode, forge } from '../../support/tokens.ts'

const ENDED = { status: 401, error: 'invalid_token' }
const read = (part: string | undefined): Record<string, unknown> => JSON.parse(Buffer.from(String(part), 'base64url').toString())

inEveryHost(t, 'ends a token of the client\'s, at once, and no other', async (t) => {
  const { newToken, revoke, read, introspect, post, id, secret } = await oauthHost(t)
  const ways = [
    (token: string) => revoke(token),
    (token: string) => revoke(token, { token_type_hint: 'refresh_token' }),
    (token: string) => post('/connect/revocation', { token }, basic(id, secret))
  ]
  for (const way of ways) {
    const [token, other] = [await newToken(), await newToken()]
    t.equal((await read(token)).statusCode, 200, 'seen before')
    const reply = await way(token)
    t.strictSame([reply.statusCode, reply.body, reply.headers['content-type'], reply.headers['cache-control'], reply.headers['pragma']], [200, '', undefined, 'no-store', 'no-cache'])
    t.match(answer(await read(token)), ENDED)
    t.equal((await introspect(token)).body, '{"active":false}')
    t.strictSame([(await way(token)).statusCode, (await way(token)).body], [200, ''], 'again')
    t.equal((await read(other)).statusCode, 200)
  }
})

inEveryHost(t, 'what the client cannot end: the answer is the same, and nothing is', async (t) => {
  const { store, fault } = faultyStore(createMemoryStore({ now: () => NOW }))
  const host = await oauthHost(t, { store, flow: { limits: { address: false, credential: false, failures: false } } })
  const { newToken, revoke, registry, ask, read: readAt, keys } = host
  const other = await registry.create({ owner: 'acme', introspects: [ISSUER] })
  const theirs = { client_id: other.record.id, client_secret: String(other.secret) }
  const [own, another] = [await newToken(), String((await ask(theirs)).json().access_token)]
  const [header, payload] = own.split('.')
  const foreign = importKey({ key: await generateKey('ES256') })
  const cases: Array<[name: string, token: string]> = [
    ['another client\'s', another],
    ['forged, with a real jti (T26b)', forge(read(header), read(payload), foreign)],
    ['another signature, with a real jti (T26b)', `${header}.${payload}.${Buffer.alloc(64, 1).toString('base64url')}`],
    ['forged, another client\'s jti', forge(read(header), { ...read(payload), jti: read(another.split('.')[1])['jti'] }, foreign)],
    ['unsigned', `${encode({ ...read(header), alg: 'none' })}.${payload}.`],
    ['of another issuer', forge(read(header), { ...read(payload), iss: `${ISSUER}/two` }, keys.signing())],
    ['of another kind', forge({ ...read(header), typ: 'JWT' }, read(payload), keys.signing())],
    ['no JWT', 'x'],
    ['a jti alone', String(read(payload)['jti'])],
    ['10 kB', 'x'.repeat(10_000)],
    ...['__proto__', 'constructor', '\0', 'é'].map((text): [string, string] => [`${text} (T28)`, text])
  ]
  for (const [name, token] of cases) {
    fault.calls.length = 0
    const { statusCode, body } = await revoke(token)
    t.strictSame([statusCode, body], [200, ''], name)
    t.strictSame(fault.calls, ['get'], `${name}: the client is looked up, and nothing is stored`)
  }
  t.strictSame([(await readAt(own)).statusCode, (await readAt(another)).statusCode], [200, 200])
  t.equal((await revoke(another, theirs)).statusCode, 200)
  t.strictSame([(await readAt(own)).statusCode, (await readAt(another)).statusCode], [200, 401])
})

inEveryHost(t, 'one that is over: 200, and nothing is kept for ever', async (t) => {
  const host = await oauthHost(t, { flow: { defaultLifetime: 60 } })
  const { newToken, revoke, clock, store } = host
  const token = await newToken()
  clock.time = NOW + 60_000
  t.equal((await revoke(token)).statusCode, 200)
  clock.time = NOW + 200_000
  t.equal((await revoke(token)).statusCode, 200)
  const left = []
  for await (const { key } of store.scan('access/')) left.push(key)
  t.strictSame(left, [`access/${digest(ISSUER)}/lifetime`])
})

inEveryHost(t, 'another spelling of a token that was ended is ended (T11b)', async (t) => {
  const { newToken, revoke, read } = await oauthHost(t)
  const token = await newToken()
  await revoke(token)
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  for (const last of alphabet) t.match(answer(await read(`${token.slice(0, -1)}${last}`)), ENDED, last)
})

inEveryHost(t, 'the host ends all of a client\'s, and all of an owner\'s', async (t) => {
  const { tokens, newToken, read, registry, ask, id, clock } = await oauthHost(t)
  const sibling = await registry.create({ owner: 'acme' })
  const stranger = await registry.create({ owner: 'other' })
  const tokenOf = async ({ record, secret }: typeof sibling) => String((await ask({ client_id: record.id, client_secret: String(secret) })).json().access_token)
  const statuses = async (all: readonly string[]) => await Promise.all(all.map(async (token) => (await read(token)).statusCode))
  const all = [await newToken(), await newToken(), await tokenOf(sibling), await tokenOf(stranger)]
  t.strictSame(await statuses(all), [200, 200, 200, 200])
  await tokens.revokeAll({ client: id })
  t.strictSame(await statuses(all), [401, 401, 200, 200])
  await tokens.revokeAll({ owner: 'acme' })
  t.strictSame(await statuses(all), [401, 401, 401, 200])
  clock.time = NOW + 1
  t.strictSame(await statuses([await newToken(), await tokenOf(sibling)]), [200, 200], 'what is issued next is good')
})

inEveryHost(t, 'an outage of the store alone, and not of the clients', async (t) => {
  const { store, fault } = faultyStore(createMemoryStore({ now: () => NOW }))
  const host = await oauthHost(t, { flow: { store, limits: { address: false, credential: false, failures: false } } })
  const token = await host.newToken()
  fault.error = new Error('down')
  const outage = refused(503, 'temporarily_unavailable', { retryAfter: '1' })
  t.strictSame(answer(await host.revoke(token)), outage)
  t.strictSame(answer(await host.introspect(token)), outage, 'never active: false')
  t.strictSame(answer(await host.introspect('x')), { ...outage, status: 200, error: undefined, retryAfter: undefined }, 'what is none needs no store')
  fault.error = undefined
  t.equal((await host.read(token)).statusCode, 200, 'it was not ended, and nobody was told that it was')
})
