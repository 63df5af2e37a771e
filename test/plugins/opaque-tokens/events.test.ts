import t, { type Test } from 'tap'
import { type LightMyRequestResponse } from 'fastify'
import { createMemoryStore } from '../../../lib/stores/memory.ts'
import { faultyStore } from '../../support/faulty-store.ts'
import { inEveryHost } from '../../support/hosts.ts'
import { opaqueHost, type OpaqueHostOptions, POSTED, unknownToken } from '../../support/opaque-host.ts'
import { recordEvents } from '../../support/recorded-events.ts'
import { findLeaks } from '../../support/secrecy-net.ts'
import { NOW, post, SECONDS } from '../../support/session-host.ts'

const ABOUT = { flow: 'opaque-tokens', name: 'default', time: NOW }

/** A host, and what happened on the one request between two looks. */
async function recordedHost (t: Test, options: OpaqueHostOptions = {}) {
  const requests: string[] = []
  const host = await opaqueHost(t, {
    ...options,
    flow: { includeAccessor: true, ...options.flow },
    before: (scope) => { scope.addHook('onRequest', async ({ id }) => { requests.push(id) }) }
  })
  const events = recordEvents(t)
  const origin = (route: string, address = '127.0.0.1') => ({ requestId: requests.at(-1), address, route })
  const refused = (route: string, code: string, status: number, holder: object = {}, address?: string) => ['refused', { ...ABOUT, ...origin(route, address), code, status, ...holder }]
  const issue = async (query = ''): Promise<{ token: string, accessor: string, holder: object }> => {
    const { token, accessor } = (await host.generate(POSTED, {}, query)).json()
    return { token, accessor, holder: { id: accessor, credential: host.id, owner: 'acme' } }
  }
  return { ...host, events, origin, refused, issue }
}

inEveryHost(t, 'issued, verified, ended: each once, by whom, and nothing of what a token stands for', async (t) => {
  const { issue, events, origin, verify, open, revoke, app, clock } = await recordedHost(t)
  const { token, accessor, holder } = await issue('?expires_in=60')
  t.strictSame(events(), [['issued', { ...ABOUT, ...holder, documents: [], expiresAt: SECONDS + 60 }]])

  clock.time = NOW + 7
  const about = { ...ABOUT, time: NOW + 7 }
  const ways: Array<[route: string, ask: () => Promise<LightMyRequestResponse>]> = [
    ['GET /verify', () => verify(token)],
    ['POST /verify', () => verify(token, { method: 'POST' })],
    ['GET /verify', () => verify(token, { url: '/verify?hidden=1' })],
    ['GET /open', () => open(token)],
    ['HEAD /open', () => app.inject({ method: 'HEAD', url: '/open', headers: { 'x-api-token': token } })]
  ]
  for (const [route, ask] of ways) {
    t.equal((await ask()).statusCode, 200)
    t.strictSame(events(), [['verified', { ...about, ...origin(route), ...holder, permissions: [] }]], route)
  }
  t.equal((await revoke({ accessor })).statusCode, 204)
  t.strictSame(events(), [['revoked', { ...about, ...holder }]])
  const other = await issue()
  events()
  t.equal((await revoke('', { 'x-api-token': other.token })).statusCode, 204)
  t.strictSame(events(), [['revoked', { ...about, ...other.holder }]])
})

inEveryHost(t, 'refused: once, with the code, and whose token it was when that is certain', async (t) => {
  const host = await recordedHost(t, { flow: { onVerify: ({ parameters }: { parameters: { file?: string } }) => parameters.file !== 'closed' } })
  const { app, issue, events, refused, verify, open, revoke, lookUp, generate, store, registry, clock } = host
  const [expiring, single, ended, altered, good] = [await issue('?expires_in=1'), await issue('?max_uses=1'), await issue(), await issue(), await issue()]
  const closed = (await generate('{"file":"closed"}')).json()
  await verify(single.token)
  await revoke({ accessor: ended.accessor })
  const place = `opaque/default/${altered.accessor}`
  await store.set(place, Buffer.from([...await store.get(place) ?? []].map((byte, index, { length }) => index === length - 1 ? byte ^ 1 : byte)))
  const unknown = await unknownToken(host)
  const { secret: sibling, record } = await registry.create({ owner: 'acme' })
  events()
  clock.time = NOW + 1000
  const time = { time: NOW + 1000 }

  const tokens: Array<[name: string, token: string, holder: object]> = [
    ['none', '', {}], ['malformed', 'x', {}], ['unknown', unknown, {}], ['ended', ended.token, {}],
    ['altered', altered.token, { id: altered.accessor }],
    ['expired', expiring.token, expiring.holder], ['used up', single.token, single.holder], ['closed', closed.token, { ...good.holder, id: closed.accessor }]
  ]
  for (const [name, token, holder] of tokens) {
    await verify(token)
    // The memory store forgets what is over before the flow sees it.
    const expected = name === 'expired' ? {} : holder
    t.strictSame(events(), [refused('GET /verify', 'FDT_WRONG_TOKEN', 403, { ...time, ...expected })], name)
    await open(token)
    t.strictSame(events(), [refused('GET /open', 'FDT_WRONG_TOKEN', 403, { ...time, ...expected })], `at a guard: ${name}`)
  }

  const caller = { credential: host.id, owner: 'acme' }
  const requests: Array<[name: string, send: () => Promise<LightMyRequestResponse>, route: string, code: string, status: number, holder?: object]> = [
    ['no key', () => post(app, '/generate?hidden=1', POSTED, {}), 'POST /generate', 'FDT_MISSING_CREDENTIAL', 401],
    ['a wrong key', () => post(app, '/generate', POSTED, { 'x-api-key': 'x' }), 'POST /generate', 'FDT_INVALID_CREDENTIAL', 401],
    ['two keys', () => generate(POSTED, { authorization: 'Bearer x' }), 'POST /generate', 'FDT_MULTIPLE_CREDENTIALS', 400],
    ['no JSON', () => generate('{'), 'POST /generate', 'FDT_INVALID_JSON', 400, caller],
    ['nested', () => generate('{"a":[]}'), 'POST /generate', 'FDT_INVALID_REQUEST', 400, caller],
    ['too long', () => generate(POSTED, {}, '?expires_in=86401'), 'POST /generate', 'FDT_LIFETIME_TOO_LONG', 400, caller],
    ['a query', () => generate(POSTED, {}, '?x=1'), 'POST /generate', 'FST_ERR_VALIDATION', 400, caller],
    ['too large', () => generate(`{"a":"${'x'.repeat(20_000)}"}`), 'POST /generate', 'FST_ERR_CTP_BODY_TOO_LARGE', 413, caller],
    ['another type', () => generate(POSTED, { 'content-type': 'text/plain' }), 'POST /generate', 'FST_ERR_CTP_INVALID_MEDIA_TYPE', 415, caller],
    ['another\'s token', () => revoke('', { 'x-api-key': sibling, 'x-api-token': good.token }), 'POST /revoke', 'FDT_WRONG_TOKEN', 403, { credential: record.id, owner: 'acme' }],
    ['another\'s accessor', () => lookUp({ accessor: good.accessor }, { 'x-api-key': sibling }), 'POST /lookup', 'FDT_WRONG_TOKEN', 403, { credential: record.id, owner: 'acme' }],
    ['another method', () => app.inject({ method: 'DELETE', url: '/verify' }), 'DELETE /verify', 'FDT_METHOD_NOT_ALLOWED', 405],
    ['a body', () => post(app, '/verify', { a: 1 }, { 'x-api-token': good.token }), 'POST /verify', 'FST_ERR_VALIDATION', 400]
  ]
  for (const [name, send, route, code, status, holder = {}] of requests) {
    await send()
    t.strictSame(events(), [refused(route, code, status, { ...time, ...holder })], name)
  }
})

inEveryHost(t, 'a token whose time is over while the store still has it names its holder', async (t) => {
  const { issue, events, refused, verify, clock } = await recordedHost(t, { store: createMemoryStore({ now: () => NOW }) })
  const { token, holder } = await issue('?expires_in=1')
  events()
  clock.time = NOW + 1000
  await verify(token)
  t.strictSame(events(), [refused('GET /verify', 'FDT_WRONG_TOKEN', 403, { time: NOW + 1000, ...holder })])
})

inEveryHost(t, 'one failure too many is limited, and then refused', async (t) => {
  const host = await recordedHost(t, { flow: { limits: { unknown: { max: 1 } } } })
  const { verify, events, origin, refused, issue } = host
  const unknown = await unknownToken(host)
  const { token } = await issue()
  events()
  await verify(unknown)
  t.strictSame(events(), [refused('GET /verify', 'FDT_WRONG_TOKEN', 403)])
  await verify(unknown)
  t.strictSame(events(), [['limited', { ...ABOUT, ...origin('GET /verify'), policy: 'address' }], refused('GET /verify', 'FDT_RATE_LIMITED', 429)])
  await verify(token)
  t.strictSame(events().map(([name]) => name), ['verified'])
})

inEveryHost(t, 'an outage is refused with 503, by the routes and by a guard', async (t) => {
  const { store, fault } = faultyStore(createMemoryStore({ now: () => NOW }))
  const { issue, verify, open, events, refused } = await recordedHost(t, { store })
  const { token } = await issue()
  events()
  fault.error = new Error('connection lost')
  await verify(token)
  t.strictSame(events(), [refused('GET /verify', 'FDT_STORE_UNAVAILABLE', 503)])
  await open(token)
  t.strictSame(events(), [refused('GET /open', 'FDT_STORE_UNAVAILABLE', 503)])
})

inEveryHost(t, 'no token, key or parameter in an event, a log line or a refusal (T34)', async (t) => {
  const lines: string[] = []
  const { store, fault } = faultyStore(createMemoryStore({ now: () => NOW }))
  const host = await recordedHost(t, { store, server: { logger: { level: 'trace', stream: { write: (line: string) => { lines.push(line) } } } } })
  const { generate, verify, open, revoke, lookUp, app, secret, events } = host
  const parameters = { confidentialName: 'https://confidential-value.internal.example', confidentialUser: 'jane.doe+confidential@example.com' }
  const { token, accessor } = (await generate(parameters)).json()
  const single = (await generate(parameters, {}, '?max_uses=1')).json().token
  const refusals: string[] = []
  async function everything (): Promise<void> {
    for (const text of [token, single, secret, `${token}x`, token.toLowerCase(), parameters.confidentialUser]) {
      const replies = [
        await verify(text), await open(text), await post(app, '/verify', { [text]: text }, { 'x-api-token': text }), await revoke({ accessor: text }), await lookUp({ accessor: text }),
        await generate(text), await generate({ [text]: [text] }), await generate(`{"${text}":"a","${text}":"b"}`), await generate(`{"a":"${text}`), await generate({ auth: { [text]: text }, a: 1 }), await post(app, '/generate', parameters, { 'x-api-key': `${text}x` }),
        await app.inject({ method: 'DELETE', url: '/verify', headers: { 'x-api-token': text } }), await generate(POSTED, { 'content-type': `text/${text.replace(/[^\w.-]/g, '')}` })
      ]
      for (const { statusCode, body, headers } of replies) if (statusCode >= 400) refusals.push(body, JSON.stringify(headers))
    }
  }
  await everything()
  fault.error = new Error('connection lost')
  await everything()
  fault.error = undefined
  t.equal((await revoke({ accessor })).statusCode, 204)
  const told = JSON.stringify(events())
  t.ok(told.includes(accessor) && told.includes('acme'), 'events name the token without being it')
  t.ok(refusals.length > 100 && lines.some((line) => line.includes('connection lost')), 'the net is not empty')
  const places = [{ name: 'events', text: told }, { name: 'log', text: lines.join('') }, { name: 'refusals', text: refusals.join('\n') }]
  t.strictSame(findLeaks({ token, 'random part': token.slice(11, 54), single, secret, ...parameters, 'name of one': 'confidentialName' }, places), [])
})
