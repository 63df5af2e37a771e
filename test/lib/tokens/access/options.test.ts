import t from 'tap'
import { createKeyRing, generateKey } from '../../../../lib/keys/index.ts'
import { NoSigningKeyError, SignerFailedError } from '../../../../lib/errors.ts'
import { createMemoryStore } from '../../../../lib/stores/memory.ts'
import { createAccessTokens } from '../../../../plugins/client-credentials/index.ts'
import { claimsOf, NOW } from '../../../support/session-host.ts'

const ring = createKeyRing([{ key: await generateKey('ES256') }])
const readOnly = createKeyRing([{ key: ring.signing().verifyKey, kid: ring.signing().kid }])
const store = createMemoryStore()
const base = { issuer: 'https://auth.example', keys: ring, store, scopes: ['a'] }
const client = { id: 'client' }
// Tables hold bad options too.
const make = async (options: object) => await createAccessTokens({ ...base, ...options } as never)

t.test('an option that is unusable throws, and is named', async (t) => {
  const wrongUrls = ['', 'x', 'auth.example', '/x', 'ftp://auth.example', 'https://auth.example?x', 'https://auth.example#x', 'https://user@auth.example', 'https://AUTH.example', 'https://good.example\\@evil.test/', 'https://a\tb.example', `https://auth.example/${'x'.repeat(2048)}`, 1, null, {}]
  const wrongNames = [null, 'a', {}, ['a', 'a'], ['a', ''], [1], [null], ['é'], Array.from({ length: 65 }, (_, index) => `a${index}`), Object.assign(['a'], { length: 2 })]
  const table: Record<string, unknown[]> = {
    issuer: [undefined, ...wrongUrls],
    keys: [undefined, null, {}, [], 'x', { get: () => {}, signing: () => {} }, { get: () => {}, list: () => [] }, { signing: () => {}, list: () => [] }, createKeyRing([{ key: await generateKey('HS256') }]), createKeyRing([{ key: await generateKey('ES256') }, { key: await generateKey('HS256') }])],
    store: [undefined, null, {}, { get: () => {} }],
    scopes: [undefined, [], ...wrongNames, ['a b'], ['a"'], ['a\\'], ['a\n'], ['x'.repeat(65)]],
    name: ['', 'a/b', 1, null, 'x'.repeat(65)],
    profile: ['', 'RFC9068', 'toString', '__proto__', null, 1],
    audience: ['', 'a b', 'é', 'x'.repeat(513), null, 1, ['a']],
    resources: [...wrongNames, ['a b'], ['x'.repeat(513)], ['https://auth.example']],
    maxLifetime: [0, -1, 1.5, NaN, Infinity, '60', null, 366 * 86_400 + 1],
    defaultLifetime: [0, -1, 1.5, NaN, Infinity, '60', 366 * 86_400 + 1],
    clockTolerance: [-1, 61, 1.5, NaN, Infinity, '1', null],
    publicUrl: wrongUrls,
    dpop: ['true', 1, null, [], 'x'],
    resourceMetadata: wrongUrls,
    grantScopes: ['x', {}, null, []],
    cacheBytes: [-1, 1.5, NaN, Infinity, '1', null],
    now: [1, null, () => NaN, () => 'x']
  }
  for (const [option, values] of Object.entries(table)) {
    for (const value of values) {
      // `maxLifetime` and `defaultLifetime` are judged together: either may be the one that is named.
      const named = option === 'defaultLifetime' ? /"(?:default|max)Lifetime"/ : new RegExp(`"${option}"`)
      await t.rejects(make({ [option]: value }), { code: 'FDT_INVALID_OPTION', statusCode: 500, message: named }, `${option} ${typeof value === 'object' ? JSON.stringify(value)?.slice(0, 40) : String(value).slice(0, 40)}`)
    }
  }
  for (const options of [undefined, null, [], 'x', 1]) await t.rejects(createAccessTokens(options as never), { code: 'FDT_INVALID_OPTION', message: /"options"/ })
  await t.rejects(make({ maxLifetime: 60, defaultLifetime: 61 }), { message: /"defaultLifetime"/ })
  await t.rejects(make({ ttl: 1 }), { code: 'FDT_INVALID_OPTION', message: /"ttl"/ })
  await t.rejects(make({ routes: false }), { code: 'FDT_INVALID_OPTION', message: /"routes"/ }, 'there are none without a server')
  await t.rejects(make({ clients: {} }), { code: 'FDT_INVALID_OPTION', message: /"clients"/ })
})

t.test('DPoP: what it needs', async (t) => {
  const publicUrl = 'https://api.example'
  await t.rejects(make({ dpop: true }), { code: 'FDT_INVALID_OPTION', message: /"publicUrl"/ })
  await t.rejects(make({ dpop: {} }), { code: 'FDT_INVALID_OPTION', message: /"publicUrl"/ })
  await t.rejects(make({ dpop: true, publicUrl, keys: readOnly, store: undefined }), { code: 'FDT_INVALID_OPTION', message: /"store"/ })
  for (const nonceSecret of ['', 'short', 'x'.repeat(31), Buffer.alloc(31, 7), 1, null, {}]) await t.rejects(make({ dpop: { nonceSecret }, publicUrl }), { code: /FDT_(?:INVALID_OPTION|WEAK_KEY|UNUSABLE_KEY)/ }, JSON.stringify(nonceSecret))
  for (const name of ['noncesecret', 'secret', 'algorithms']) await t.rejects(make({ dpop: { [name]: 'mV8Jq2xW5pRz7LtYc3Nf9DkHs4Gb6QaE' }, publicUrl }), { code: 'FDT_INVALID_OPTION', message: new RegExp(`"dpop\\.${name}"`) }, 'nobody is to believe that nonces are on')
  for (const dpop of [true, false, {}, { nonceSecret: undefined }, { nonceSecret: 'mV8Jq2xW5pRz7LtYc3Nf9DkHs4Gb6QaE' }]) await t.resolves(make({ dpop, publicUrl }))
})

t.test('defaults, and what is good', async (t) => {
  const { settings } = await make({})
  t.match(settings, { issuer: 'https://auth.example', name: 'default', profile: 'rfc9068', audience: 'https://auth.example', audiences: ['https://auth.example'], scopes: ['a'] })
  t.ok([settings, settings.scopes, settings.audiences].every((value) => Object.isFrozen(value)))
  t.strictSame(Object.keys(settings).sort(), ['audience', 'audiences', 'issuer', 'keys', 'name', 'now', 'profile', 'scopes', 'store'], 'and nothing that is secret')
  const good: object[] = [
    { issuer: 'http://127.0.0.1:3000/' }, { issuer: 'https://auth.example/tenant' }, { scopes: Array.from({ length: 64 }, (_, index) => `a${index}`) }, { scopes: ['x'.repeat(64)] }, { audience: 'api.platform' },
    { resources: [] }, { resources: ['api.products', 'https://x.example?a#b'] }, { maxLifetime: 366 * 86_400 }, { clockTolerance: 60 }, { cacheBytes: 0 }, { keys: readOnly, store: undefined }, { profile: 'identityserver' }, { resourceMetadata: 'https://x.example/y' }
  ]
  for (const options of good) await t.resolves(make(options), JSON.stringify(options).slice(0, 60))
})

t.test('nothing of the host\'s is kept by reference, nor written to', async (t) => {
  const options = Object.freeze({ scopes: ['a'], resources: ['b'], dpop: Object.freeze({}), publicUrl: 'https://api.example' })
  const tokens = await make(options)
  options.scopes.push('late')
  options.resources.push('late')
  t.strictSame([tokens.settings.scopes, tokens.settings.audiences], [['a'], ['https://auth.example', 'b']])
})

t.test('lifetimes: the cap moves with the default, and the other way round', async (t) => {
  const lifetimeOf = async (options: object, tokenLifetime?: number) => {
    const { token, expiresIn } = await (await make({ ...options, now: () => NOW })).issue({ client: { ...client, ...(tokenLifetime !== undefined && { tokenLifetime }) } })
    t.equal(Number(claimsOf(token)['exp']) - Number(claimsOf(token)['iat']), expiresIn)
    return expiresIn
  }
  t.equal(await lifetimeOf({}), 86_400)
  t.equal(await lifetimeOf({ maxLifetime: 60 }), 60)
  t.equal(await lifetimeOf({ defaultLifetime: 100_000 }), 100_000)
  t.equal(await lifetimeOf({ defaultLifetime: 60 }), 60)
  t.equal(await lifetimeOf({}, 3600), 3600)
  t.equal(await lifetimeOf({}, 100_000), 86_400, 'a record cannot lift the cap')
})

t.test('a ring that fails for another reason than that it has no key', async (t) => {
  const failing = { ...ring, signing: () => { throw new SignerFailedError() } }
  await t.rejects(make({ keys: failing }), { code: 'FDT_SIGNER_FAILED' })
  await t.resolves(make({ keys: { ...ring, signing: () => { throw new NoSigningKeyError() } }, store: undefined }))
})
