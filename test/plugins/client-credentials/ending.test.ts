import t from 'tap'
import { createClientRegistry } from '../../../lib/credentials/index.ts'
import { InvalidClientError } from '../../../lib/errors.ts'
import { createKeyRing, generateKey } from '../../../lib/keys/index.ts'
import { createMemoryStore } from '../../../lib/stores/memory.ts'
import { clientCredentials, createAccessTokens } from '../../../plugins/client-credentials/index.ts'
import { inEveryHost } from '../../support/hosts.ts'
import { answer, ISSUER, oauthHost, ringOf, SCOPES } from '../../support/oauth-host.ts'
import { registrationError } from '../../support/registrations.ts'

inEveryHost(t, 'a token that is under way while its client is disabled and ended is over when it comes', async (t) => {
  let reached = (): void => {}
  let release = (): void => {}
  const isAsked = new Promise<void>((resolve) => { reached = resolve })
  const isReleased = new Promise<void>((resolve) => { release = resolve })
  const host = await oauthHost(t, {
    flow: {
      grantScopes: async (scopes: readonly string[]) => {
        reached()
        await isReleased
        return scopes
      }
    }
  })
  const underWay = host.newToken()
  await isAsked
  host.clock.time += 5
  await host.registry.disable(host.id)
  await host.tokens.revokeAll({ client: host.id })
  host.clock.time += 5
  release()
  t.match(answer(await host.read(await underWay)), { status: 401, error: 'invalid_token' })
})

t.test('what was ended at the issuer is over at guards of its other audiences, whatever they are called', async (t) => {
  const store = createMemoryStore()
  const keys = await ringOf('ES256')
  const issuing = await createAccessTokens({ issuer: ISSUER, store, keys, scopes: SCOPES, resources: ['https://files.example'] })
  const guarding = await createAccessTokens({ issuer: ISSUER, store, keys, scopes: SCOPES, audience: 'https://files.example', name: 'files' })
  const { token } = await issuing.issue({ client: { id: 'worker' }, audiences: ['https://files.example'] })
  t.equal((await guarding.verify(token)).client, 'worker')
  await issuing.revoke(token)
  await t.rejects(guarding.verify(token), { code: 'FDT_TOKEN_REVOKED' })
  const other = await createAccessTokens({ issuer: `${ISSUER}/other`, store, keys, scopes: SCOPES })
  const { token: others } = await other.issue({ client: { id: 'worker' } })
  await issuing.revokeAll({ client: 'worker' })
  t.equal((await other.verify(others)).client, 'worker', 'and no other issuer\'s')
})

t.test('a secret for HMAC that comes into the ring later issues and verifies nothing', async (t) => {
  const good = createKeyRing([{ key: await generateKey('ES256') }])
  const bad = createKeyRing([{ key: await generateKey('HS256') }])
  let ring = good
  const keys = { ...good, get: (kid: string) => ring.get(kid), signing: () => ring.signing(), list: () => ring.list() }
  const tokens = await createAccessTokens({ issuer: ISSUER, store: createMemoryStore(), keys, scopes: SCOPES })
  t.ok((await tokens.issue({ client: { id: 'worker' } })).token)
  ring = bad
  await t.rejects(tokens.issue({ client: { id: 'worker' } }), { code: 'FDT_UNUSABLE_KEY' })
  t.strictSame(tokens.jwks(), { keys: [] })
})

t.test('whatever grantScopes throws is an outage, and no answer about the client', async (t) => {
  for (const thrown of [new InvalidClientError(), new Error('broken'), 'text']) {
    const { ask } = await oauthHost(t, { flow: { grantScopes: () => { throw thrown } } })
    t.match(answer(await ask()), { status: 503, error: 'temporarily_unavailable', retryAfter: '1' })
  }
})

t.test('issue in code', async (t) => {
  const store = createMemoryStore()
  const scopes = Array.from({ length: 64 }, (_, index) => `${index}`.padEnd(64, 'x'))
  const options = { issuer: ISSUER, store, keys: await ringOf('ES256'), scopes }
  const tokens = await createAccessTokens(options)
  const { token } = await tokens.issue({ client: { id: 'worker' } })
  t.strictSame((await tokens.verify(token)).scopes, scopes, 'as many scopes as there can be fit into a token')

  const resources = Array.from({ length: 63 }, (_, index) => `https://${index}.example/${'x'.repeat(450)}`)
  const large = await createAccessTokens({ ...options, resources, profile: 'identityserver' })
  await t.rejects(large.issue({ client: { id: 'worker' } }), { code: 'FDT_INVALID_TARGET' }, 'a token that no guard would take is not made')
  t.ok((await large.verify((await large.issue({ client: { id: 'worker' }, audiences: [ISSUER] })).token)).jti)

  const refused: Array<[name: string, input: object]> = [
    ['scopes that are a text', { client: { id: 'worker', scopes: scopes.join(' ') }, scopes: [scopes[0]] }],
    ['default scopes that are a text', { client: { id: 'worker', defaultScopes: scopes.join(' ') } }],
    ['audiences that are a text', { client: { id: 'worker', audiences: `${ISSUER}/more` } }],
    ['a time to come', { client: { id: 'worker' }, since: Date.now() + 60_000 }],
    ['a time that is none', { client: { id: 'worker' }, since: Number.NaN }],
    ['a time before all times', { client: { id: 'worker' }, since: -1 }]
  ]
  for (const [name, input] of refused) await t.rejects(async () => { await tokens.issue(input as Parameters<typeof tokens.issue>[0]) }, { code: 'FDT_INVALID_REQUEST' }, name)
  const earlier = Date.now() - 60_000
  const { expiresAt, jti } = await tokens.issue({ client: { id: 'worker' }, since: earlier })
  t.equal(expiresAt, Math.floor(earlier / 1000) + 86_400)
  t.equal((await tokens.verify((await tokens.issue({ client: { id: 'worker' }, since: earlier })).token)).issuedAt, earlier)
  t.ok(jti)
})

t.test('one object, one place: metadata cannot name two', async (t) => {
  const store = createMemoryStore()
  const tokens = await createAccessTokens({ issuer: ISSUER, store, keys: await ringOf('ES256'), scopes: SCOPES })
  const clients = createClientRegistry({ store })
  const register = async (prefix?: string) => await registrationError(async (app) => { await app.register(clientCredentials, { tokens, clients, ...(prefix !== undefined && { prefix }) }) })
  t.equal(await register('/v1'), undefined)
  t.equal(await register('/v1'), undefined)
  for (const prefix of ['/v2', undefined]) t.match(await register(prefix), { code: 'FDT_INVALID_OPTION', message: /"prefix"/ })
})

inEveryHost(t, 'a look-up takes its time, and a clock goes back', async (t) => {
  for (const [moved, expiresIn] of [[8000, 2], [-5, 10]] as const) {
    const store = createMemoryStore()
    const registry = createClientRegistry({ store })
    const { record, secret = '' } = await registry.create({ tokenLifetime: 10 })
    const host = await oauthHost(t, {
      clients: {
        find: async (id) => {
          host.clock.time += moved
          return await registry.find(id)
        }
      }
    })
    const reply = await host.ask({ client_id: record.id, client_secret: secret })
    t.equal(reply.statusCode, 200)
    t.equal(reply.json().expires_in, expiresIn, 'counted from the answer')
  }
})
