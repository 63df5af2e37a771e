// Access tokens without a server: what is issued, who is told of a token, and how it ends.
import t from 'tap'
import { type Client } from '../../../../lib/credentials/index.ts'
import { createKeyRing, generateKey } from '../../../../lib/keys/index.ts'
import { createMemoryStore } from '../../../../lib/stores/memory.ts'
import { type AccessTokensOptions, createAccessTokens } from '../../../../plugins/client-credentials/index.ts'
import { faultyStore } from '../../../support/faulty-store.ts'
import { recordEvents } from '../../../support/recorded-events.ts'
import { claimsOf, NOW, SECONDS } from '../../../support/session-host.ts'
import { forge } from '../../../support/tokens.ts'

const ISSUER = 'https://auth.example'
const keys = createKeyRing([{ key: await generateKey('ES256') }])

async function world (options: Partial<AccessTokensOptions> = {}) {
  const clock = { time: NOW }
  const { store, fault } = faultyStore(createMemoryStore({ now: () => clock.time }))
  const make = async (more: Partial<AccessTokensOptions> = {}) => await createAccessTokens({ issuer: ISSUER, keys, store, scopes: ['a', 'b', 'c'], resources: ['x', 'y'], now: () => clock.time, ...options, ...more })
  const tokens = await make()
  const issue = async (client: Partial<Client> = {}, more: object = {}) => await tokens.issue({ client: { id: 'client', ...client }, ...more })
  return { clock, store, fault, make, tokens, issue }
}

t.test('the members of a token, in their order', async (t) => {
  const { issue } = await world()
  const { token, jti, ...rest } = await issue({ owner: 'acme' }, { scopes: ['b', 'a', 'b'], audiences: ['y', 'x', 'y'], expiresIn: 60, jkt: 'A'.repeat(43) })
  t.strictSame(rest, { scopes: ['b', 'a'], isNarrowed: false, audiences: ['y', 'x'], expiresIn: 60, expiresAt: SECONDS + 60 })
  t.equal(JSON.stringify(claimsOf(token)), JSON.stringify({ iss: ISSUER, exp: SECONDS + 60, aud: ['y', 'x'], sub: 'client', client_id: 'client', iat: SECONDS, jti, scope: 'b a', owner: 'acme', cnf: { jkt: 'A'.repeat(43) } }))
  t.strictSame(JSON.parse(Buffer.from(String(token.split('.')[0]), 'base64url').toString()), { alg: 'ES256', typ: 'at+jwt', kid: keys.signing().kid })
  t.strictSame(Object.keys(claimsOf((await issue()).token)), ['iss', 'exp', 'aud', 'sub', 'client_id', 'iat', 'jti', 'scope'])
  t.notOk('scope' in claimsOf((await issue({}, { scopes: [] })).token))
})

t.test('what a client gets', async (t) => {
  const { issue } = await world()
  const cases: Array<[name: string, client: Partial<Client>, input: object, expected: object]> = [
    ['all that there is', {}, {}, { scopes: ['a', 'b', 'c'], audiences: [ISSUER] }],
    ['all that it may have, in the order of the flow', { scopes: ['c', 'a', 'gone'] }, {}, { scopes: ['a', 'c'] }],
    ['its defaults', { scopes: ['a', 'b'], defaultScopes: ['b'] }, {}, { scopes: ['b'] }],
    ['more than its defaults, where it asks', { scopes: ['a', 'b'], defaultScopes: ['b'] }, { scopes: ['a', 'b'] }, { scopes: ['a', 'b'] }],
    ['nothing, where it may nothing', { scopes: [] }, {}, { scopes: [] }],
    ['its first audience', { audiences: ['y', 'x'] }, {}, { audiences: ['x'] }],
    ['the audience that it asks for', { audiences: ['y'] }, { audiences: ['y'] }, { audiences: ['y'] }]
  ]
  for (const [name, client, input, expected] of cases) t.match(await issue(client, input), { isNarrowed: false, ...expected }, name)

  const refused: Array<[code: string, client: object, input: object]> = [
    ...[['d'], ['a', 'd'], ['A'], [''], [1], [['a']], ['__proto__']].map((scopes): [string, object, object] => ['FDT_INVALID_SCOPE', {}, { scopes }]),
    ['FDT_INVALID_SCOPE', { scopes: ['a'] }, { scopes: ['b'] }],
    ...[['z'], ['x', 'z'], [''], [], [1]].map((audiences): [string, object, object] => ['FDT_INVALID_TARGET', {}, { audiences }]),
    ['FDT_INVALID_TARGET', { audiences: ['x'] }, { audiences: ['y'] }], ['FDT_INVALID_TARGET', { audiences: [] }, {}], ['FDT_INVALID_TARGET', { audiences: ['z'] }, {}],
    ...[0, -1, 1.5, NaN, '60', null].map((expiresIn): [string, object, object] => ['FDT_INVALID_REQUEST', {}, { expiresIn }]),
    ['FDT_LIFETIME_TOO_LONG', {}, { expiresIn: 86_401 }],
    ...['', 'A'.repeat(42), 'A'.repeat(44), `${'A'.repeat(42)}=`, 1, null].map((jkt): [string, object, object] => ['FDT_INVALID_REQUEST', {}, { jkt }]),
    ...['a', {}, null, 1].flatMap((list): Array<[string, object, object]> => [['FDT_INVALID_REQUEST', {}, { scopes: list }], ['FDT_INVALID_REQUEST', {}, { audiences: list }]]),
    ...['', 'é', 'x'.repeat(101), 1, null, undefined].map((id): [string, object, object] => ['FDT_INVALID_REQUEST', { id }, {}])
  ]
  for (const [code, client, input] of refused) await t.rejects(issue(client, input), { code }, JSON.stringify([client, input]))
  const { tokens } = await world()
  for (const input of [undefined, null, 'x', {}, { client: null }, { client: 'x' }]) await t.rejects(tokens.issue(input as never), { code: 'FDT_INVALID_REQUEST' })
})

t.test('grantScopes has the last word', async (t) => {
  let answer: () => unknown = () => ['b']
  const asked: unknown[] = []
  const { issue } = await world({ grantScopes: (scopes, client) => { asked.push([scopes, client.id]); return answer() as string[] } })
  t.match(await issue(), { scopes: ['b'], isNarrowed: true })
  answer = async () => ['c', 'a', 'a']
  t.match(await issue({}, { scopes: ['a', 'c'] }), { scopes: ['a', 'c'], isNarrowed: false })
  t.strictSame(asked, [[['a', 'b', 'c'], 'client'], [['a', 'c'], 'client']])
  for (const wrong of [[], ['b'], ['a', 'z'], undefined, null, 'a', { 0: 'a' }, true, [1]]) {
    answer = () => wrong
    await t.rejects(issue({}, { scopes: ['a'] }), { code: 'FDT_INVALID_SCOPE' }, JSON.stringify(wrong))
  }
  answer = () => { throw new Error('mine') }
  await t.rejects(issue(), { code: 'FDT_STORE_UNAVAILABLE', cause: { message: 'mine' } })
  asked.length = 0
  t.strictSame((await issue({ scopes: [] })).scopes, [])
  t.strictSame(asked, [], 'nobody is asked for nothing')
})

t.test('who is told of a token', async (t) => {
  const { tokens, issue, clock, make, fault } = await world()
  const { token, jti } = await issue({}, { audiences: ['x'] })
  t.match(await tokens.introspect(token, { id: 'client' }), { jti, audiences: ['x'] })
  t.match(await tokens.introspect(token, { id: 'other', introspects: ['y', 'x'] }), { jti })
  const strangers = [{ id: 'other' }, { id: 'Client' }, { id: 'other', introspects: [] }, { id: 'other', introspects: ['y', ISSUER, ''] }]
  for (const stranger of strangers) t.equal(await tokens.introspect(token, stranger), undefined, JSON.stringify(stranger))
  const forged = forge({ alg: 'ES256', typ: 'at+jwt', kid: keys.signing().kid }, claimsOf(token), createKeyRing([{ key: await generateKey('ES256') }]).signing())
  for (const text of ['', 'x', forged, `${token}x`]) t.equal(await tokens.introspect(text, { id: 'client' }), undefined, 'T26')
  fault.error = new Error('gone')
  await t.rejects(tokens.introspect(token, { id: 'client' }), { code: 'FDT_STORE_UNAVAILABLE' })
  fault.error = undefined
  await (await make()).revoke(token)
  t.equal(await tokens.introspect(token, { id: 'client' }), undefined)
  const later = await issue()
  clock.time = later.expiresAt * 1000
  t.equal(await tokens.introspect(later.token, { id: 'client' }), undefined)
})

t.test('one token ends, in every process', async (t) => {
  const { tokens, issue, make, clock, fault } = await world()
  const there = await make()
  const [one, two, three] = [await issue({ owner: 'acme' }), await issue(), await issue()]
  await there.verify(one.token)
  const events = recordEvents(t)
  t.equal(await tokens.revoke(one.token, 'other'), false, 'another client\'s')
  t.equal(await tokens.revoke(`${one.token.slice(0, -8)}AAAAAAAA`), false, 'T26b')
  t.equal(await tokens.revoke('x'), false)
  t.strictSame(events(), [])
  await there.verify(one.token)
  t.equal(await tokens.revoke(one.token, 'client'), true)
  t.match(events(), [['revoked', { flow: 'client-credentials', name: 'default', id: one.jti, credential: 'client', owner: 'acme', time: NOW }]])
  for (const place of [tokens, there]) await t.rejects(place.verify(one.token), { code: 'FDT_TOKEN_REVOKED' })
  t.equal(await tokens.revoke(await there.verify(two.token)), true, 'what verify returned')
  t.equal(await tokens.revoke(three), true, 'what issue returned')
  for (const { token } of [two, three]) await t.rejects(there.verify(token), { code: 'FDT_TOKEN_REVOKED' })
  for (const target of [undefined, null, 1, {}, { jti: 'x' }, { jti: '', expiresAt: 1 }, { jti: 1, expiresAt: 1 }, { jti: 'x'.repeat(257), expiresAt: 1 }, { jti: one.jti }, { jti: one.jti, expiresAt: '1' }, { jti: one.jti, expiresAt: NaN }]) {
    await t.rejects(tokens.revoke(target as never), { code: 'FDT_INVALID_REQUEST' }, JSON.stringify(target))
  }
  clock.time = one.expiresAt * 1000
  fault.calls.length = 0
  t.equal(await tokens.revoke(two.token), true, 'one that is over may be ended too')
  fault.error = new Error('gone')
  await t.rejects(tokens.revoke(two.token), { code: 'FDT_STORE_UNAVAILABLE' })
})

t.test('all tokens of a client, or of an owner', async (t) => {
  const { tokens, issue, make, clock } = await world()
  const there = await make({ maxLifetime: 60, defaultLifetime: 60 })
  const good = async (token: string) => await there.verify(token).then(() => true, ({ code }) => code)
  const first = await issue({ id: 'one', owner: 'acme' })
  clock.time += 10
  const second = await issue({ id: 'one', owner: 'acme' })
  const [other, stranger] = [await issue({ id: 'two', owner: 'acme' }), await issue({ id: 'three', owner: 'Acme' })]
  const events = recordEvents(t)
  await there.revokeAll({ client: 'one' }, { before: NOW + 0.5 })
  t.match(events(), [['revoked', { flow: 'client-credentials', credential: 'one', before: NOW }]])
  t.strictSame([await good(first.token), await good(second.token)], ['FDT_TOKEN_REVOKED', true], 'those that were issued by then')
  await tokens.revokeAll({ client: 'one' })
  t.strictSame([await good(second.token), await good(other.token)], ['FDT_TOKEN_REVOKED', true])
  clock.time++
  const third = await issue({ id: 'one', owner: 'acme' })
  t.equal(await good(third.token), true, 'what is issued next is good')
  await there.revokeAll({ owner: 'acme' })
  t.strictSame([await good(third.token), await good(other.token), await good(stranger.token)], ['FDT_TOKEN_REVOKED', 'FDT_TOKEN_REVOKED', true])
  clock.time = first.expiresAt * 1000 - 1
  t.equal(await good(first.token), 'FDT_TOKEN_REVOKED', 'for as long as any of them lives, whatever the process that ended it issues')

  for (const target of [undefined, null, 'one', {}, { client: '' }, { client: 1 }, { owner: null }, { subject: 'one' }, { credential: 'one' }, { client: 'one', owner: 'acme' }]) {
    await t.rejects(tokens.revokeAll(target as never), { code: 'FDT_INVALID_REQUEST' }, JSON.stringify(target))
  }
  await t.resolves(tokens.revokeAll({ client: 'one', owner: undefined } as never))
  for (const before of [clock.time + 1, -1, NaN, Infinity, '1', null]) await t.rejects(tokens.revokeAll({ client: 'one' }, { before: before as number }), { code: 'FDT_INVALID_REQUEST' }, String(before))
})

t.test('before the first token, the store must know how long it lives (T36)', async (t) => {
  const { issue, fault } = await world()
  fault.error = new Error('gone')
  await t.rejects(issue(), { code: 'FDT_STORE_UNAVAILABLE' })
  fault.error = undefined
  await t.resolves(issue())
})

t.test('another instance takes none of its tokens, nor its ends (T30)', async (t) => {
  const { tokens, issue, make } = await world()
  const other = await make({ issuer: `${ISSUER}/other`, name: 'other' })
  const [mine, theirs] = [(await issue()).token, (await other.issue({ client: { id: 'client' } })).token]
  await t.rejects(tokens.verify(theirs), { code: 'FDT_INVALID_TOKEN' })
  await t.rejects(other.verify(mine), { code: 'FDT_INVALID_TOKEN' })
  t.equal(await other.revoke(mine), false)
  t.equal(await other.introspect(mine, { id: 'client' }), undefined)
  await other.revokeAll({ client: 'client' })
  await t.resolves(tokens.verify(mine))
  t.match(tokens.jwks(), { keys: [{ kid: keys.signing().kid, alg: 'ES256', use: 'sig' }] })
  t.notOk('d' in (tokens.jwks().keys[0] ?? {}))
})
