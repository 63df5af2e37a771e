import t from 'tap'
import { createMemoryStore } from '../../../lib/stores/memory.ts'
import { inEveryHost } from '../../support/hosts.ts'
import { misspelt, opaqueHost, type OpaqueHost, POSTED, refusal, refused, unknownToken, VARY, varyOf, WRONG_TOKEN } from '../../support/opaque-host.ts'
import { NOW, post, SECONDS } from '../../support/session-host.ts'

const flow = { includeAccessor: true }
const issue = async ({ generate }: OpaqueHost): Promise<{ token: string, accessor: string }> => (await generate()).json()
const ONE_OF_BOTH = refused(400, 'FDT_INVALID_REQUEST', 'x-api-token or body/accessor must be given, and just one of them')

inEveryHost(t, 'ends a token by itself or by its accessor, and no other', async (t) => {
  const host = await opaqueHost(t, { flow })
  const { app, secret, verify } = host
  const ways: Array<[name: string, run: (issued: { token: string, accessor: string }) => ReturnType<OpaqueHost['revoke']>]> = [
    ['by header, JSON announced and nothing sent', ({ token }) => host.revoke('', { 'x-api-token': token })],
    ['by header, {}', ({ token }) => host.revoke({}, { 'x-api-token': token })],
    ['by header, no type', ({ token }) => app.inject({ method: 'POST', url: '/revoke', headers: { authorization: `Bearer ${secret}`, 'x-api-token': token } })],
    ['by accessor', ({ accessor }) => host.revoke({ accessor })]
  ]
  for (const [name, run] of ways) {
    const [issued, other] = [await issue(host), await issue(host)]
    const reply = await run(issued)
    t.strictSame([reply.statusCode, reply.body, reply.headers['cache-control'], varyOf(reply), reply.headers['content-type']], [204, '', 'no-store', VARY, undefined], name)
    t.strictSame(refusal(await verify(issued.token)), WRONG_TOKEN, name)
    t.strictSame(refusal(await host.open(issued.token)), { ...WRONG_TOKEN, vary: undefined }, name)
    t.equal((await verify(other.token)).statusCode, 200, name)
    t.strictSame(refusal(await run(issued)), WRONG_TOKEN, `${name}: a second time`)
    t.strictSame(refusal(await host.lookUp({ accessor: issued.accessor })), WRONG_TOKEN, name)
  }
})

inEveryHost(t, 'what was ended at one server is refused at another at once', async (t) => {
  const store = createMemoryStore({ now: () => NOW })
  const [one, two] = [await opaqueHost(t, { store, flow }), await opaqueHost(t, { store, flow })]
  const { token } = await issue(one)
  t.equal((await two.verify(token)).statusCode, 200)
  t.equal((await one.revoke('', { 'x-api-token': token })).statusCode, 204)
  t.strictSame(refusal(await two.verify(token)), WRONG_TOKEN)
})

inEveryHost(t, 'a key reaches its own tokens alone', async (t) => {
  const host = await opaqueHost(t, { flow })
  const { secret: sibling } = await host.registry.create({ owner: 'acme' })
  const { token, accessor } = await issue(host)
  const ofHost = await host.tokens.issue({ json: POSTED, auth: host.id })
  const { token: elsewhere, accessor: elsewhereAccessor } = await issue(await opaqueHost(t, { store: host.store, flow: { ...flow, name: 'elsewhere' } }))
  const other = { 'x-api-key': sibling }
  const refusals: Array<[name: string, reply: Promise<Awaited<ReturnType<OpaqueHost['revoke']>>>]> = [
    ['another key of the same owner, by token', host.revoke('', { ...other, 'x-api-token': token })],
    ['another key of the same owner, by accessor', host.revoke({ accessor }, other)],
    ['looked up by another key', host.lookUp({ accessor }, other)],
    ['the host\'s own, by token', host.revoke('', { 'x-api-token': ofHost.token })],
    ['the host\'s own, by accessor', host.revoke({ accessor: ofHost.accessor })],
    ['the host\'s own, looked up', host.lookUp({ accessor: ofHost.accessor })],
    ['of another instance, by token', host.revoke('', { 'x-api-token': elsewhere })],
    ['of another instance, by accessor', host.revoke({ accessor: elsewhereAccessor })]
  ]
  for (const [name, reply] of refusals) t.strictSame(refusal(await reply), WRONG_TOKEN, name)
  for (const good of [token, ofHost.token]) t.equal((await host.verify(good)).statusCode, 200, 'still good')
  t.match((await host.lookUp({ accessor })).json(), { auth: 'acme' })
})

inEveryHost(t, 'what names no token', async (t) => {
  const host = await opaqueHost(t, { flow })
  const { token, accessor } = await issue(host)
  const unknown = await unknownToken(host)
  const header = (text: string) => ({ 'x-api-token': text })
  const validation = (message: string) => refused(400, 'FST_ERR_VALIDATION', message)
  const cases: Array<[name: string, body: unknown, headers: Record<string, string>, expected: object]> = [
    ['neither', '', {}, ONE_OF_BOTH],
    ['neither, {}', {}, {}, ONE_OF_BOTH],
    ['both', { accessor }, header(token), ONE_OF_BOTH],
    ['both, the header empty', { accessor }, header(''), ONE_OF_BOTH],
    ['an empty header', '', header(''), WRONG_TOKEN],
    ['unknown', '', header(unknown), WRONG_TOKEN],
    ['misspelt', '', header(misspelt(token)), WRONG_TOKEN],
    ['of 10 kB', '', header('x'.repeat(10_000)), WRONG_TOKEN],
    ['an accessor in the header', '', header(accessor), WRONG_TOKEN],
    ['a token as accessor', { accessor: token }, {}, WRONG_TOKEN],
    ['an unknown accessor', { accessor: 'A'.repeat(43) }, {}, WRONG_TOKEN],
    ['a short accessor', { accessor: accessor.slice(1) }, {}, WRONG_TOKEN],
    ['an accessor of another alphabet', { accessor: `${accessor.slice(1)}/` }, {}, WRONG_TOKEN],
    ...['__proto__', 'constructor', 'toString', '../../x'].map((text): [string, unknown, Record<string, string>, object] => [`T28: ${text}`, { accessor: text }, {}, WRONG_TOKEN]),
    ['an empty accessor', { accessor: '' }, {}, validation('body/accessor: Expected string length greater or equal to 1')],
    ['a long accessor', { accessor: 'A'.repeat(65) }, {}, validation('body/accessor: Expected string length less or equal to 64')],
    ['a number', { accessor: 1 }, {}, validation('body/accessor: Expected string')],
    ['null for one', { accessor: null }, {}, validation('body/accessor: Expected string')],
    ['another member', { token }, {}, validation('body/token: Unexpected property')],
    ...['1', '"1"', 'null', '[]'].map((body): [string, unknown, Record<string, string>, object] => [`T22: ${body}`, body, {}, validation('body: Expected object')]),
    ['T22: null beside a header', 'null', header(token), validation('body: Expected object')],
    ['not JSON', '{', {}, refused(400, 'FDT_INVALID_JSON', 'The body is not acceptable JSON: it is not JSON')],
    ['a member twice', `{"accessor":"${accessor}","accessor":"x"}`, {}, refused(400, 'FDT_INVALID_JSON', 'The body is not acceptable JSON: it repeats a member')],
    ['a kilobyte and more', { accessor: 'A'.repeat(1024) }, {}, refused(413, 'FST_ERR_CTP_BODY_TOO_LARGE', 'Payload Too Large')]
  ]
  for (const [name, body, headers, expected] of cases) t.strictSame(refusal(await host.revoke(body, headers)), expected, name)
  const twice = await host.app.inject({ method: 'POST', url: '/revoke', headers: { 'x-api-key': host.secret, 'x-api-token': [token, token] } })
  t.strictSame(refusal(twice), WRONG_TOKEN, 'two of one')
  t.strictSame(refusal(await post(host.app, `/revoke?x-api-token=${token}&accessor=${accessor}`, '', { 'x-api-key': host.secret })), ONE_OF_BOTH, 'in the query')
  t.equal((await host.verify(token)).statusCode, 200, 'after all of that')
})

inEveryHost(t, 'whose token it is and when it ends, by its accessor, and never what it stands for', async (t) => {
  const host = await opaqueHost(t, { flow })
  const { token, accessor } = await issue(host)
  const reply = await host.lookUp({ accessor })
  t.equal(reply.statusCode, 200)
  t.equal(reply.body, `{"auth":"acme","expiration_time":${SECONDS + 3600}}`)
  t.strictSame([reply.headers['cache-control'], varyOf(reply)], ['no-store', VARY])

  const single = (await host.generate(POSTED, {}, '?max_uses=1')).json()
  t.equal((await host.verify(single.token)).statusCode, 200)
  t.equal((await host.lookUp({ accessor: single.accessor })).statusCode, 200, 'one that is used up is still there')

  const validation = (message: string) => refused(400, 'FST_ERR_VALIDATION', message)
  const cases: Array<[name: string, body: unknown, expected: object]> = [
    ['unknown', { accessor: 'A'.repeat(43) }, WRONG_TOKEN],
    ['malformed', { accessor: 'x' }, WRONG_TOKEN],
    ['a token', { accessor: token }, WRONG_TOKEN],
    ['none', {}, validation('body/accessor: Expected required property')],
    ['null', 'null', validation('body: Expected object')],
    ['nothing', '', validation('body: Expected object')],
    ['empty', { accessor: '' }, validation('body/accessor: Expected string length greater or equal to 1')],
    ['another member', { accessor, token }, validation('body/token: Unexpected property')]
  ]
  for (const [name, body, expected] of cases) t.strictSame(refusal(await host.lookUp(body)), expected, name)
  t.strictSame(refusal(await host.app.inject({ method: 'POST', url: '/lookup', headers: { 'x-api-key': host.secret, 'x-api-token': token } })), validation('body: Expected object'), 'a token is not asked for')

  host.clock.time = NOW + 3600_000
  t.strictSame(refusal(await host.lookUp({ accessor })), WRONG_TOKEN, 'when it is over')
})
