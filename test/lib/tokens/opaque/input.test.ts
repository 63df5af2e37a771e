import { randomBytes } from 'node:crypto'
import t from 'tap'
import { createMemoryStore } from '../../../../lib/stores/memory.ts'
import { createOpaqueTokens, type OpaqueTokenInput, type OpaqueTokensOptions } from '../../../../plugins/opaque-tokens/index.ts'

const NOW = 1_800_000_000_999
const SECONDS = 1_800_000_000
const pepper = { id: 'a', key: randomBytes(32) }
const CREDENTIAL = { id: 'key-1', owner: 'acme' }

const tokensWith = (more: Partial<OpaqueTokensOptions> = {}) => createOpaqueTokens({ store: createMemoryStore({ now: () => NOW }), pepper, now: () => NOW, ...more })

/** What is stored for a token with this input. */
async function issued (input: object, options?: Partial<OpaqueTokensOptions>) {
  const tokens = tokensWith(options)
  const { token, expiresAt } = await tokens.issue({ json: '{"a":1}', auth: 'acme', ...input } as OpaqueTokenInput)
  return { ...await tokens.verify(token), expiresAt }
}

t.test('how long a token lives', async (t) => {
  const lives: Array<[string, object, Partial<OpaqueTokensOptions>, number]> = [
    ['an hour', {}, {}, 3600],
    ['as the host says', {}, { defaultLifetime: 60 }, 60],
    ['no longer than it may', {}, { maxLifetime: 600 }, 600],
    ['undefined is not said', { expiresIn: undefined }, {}, 3600],
    ['shorter', { expiresIn: 1 }, {}, 1],
    ['longer than the default', { expiresIn: 3601 }, {}, 3601],
    ['as long as it may', { expiresIn: 86_400 }, {}, 86_400],
    ['a credential that may no more', { credential: { ...CREDENTIAL, maxLifetime: 60 } }, {}, 60],
    ['a credential that may more than the default', { credential: { ...CREDENTIAL, maxLifetime: 7200 } }, {}, 3600],
    ['all that the credential may', { credential: { ...CREDENTIAL, maxLifetime: 7200 }, expiresIn: 7200 }, {}, 7200],
    ['a credential that may more than the host lets', { credential: { ...CREDENTIAL, maxLifetime: 86_401 }, expiresIn: 86_400 }, {}, 86_400]
  ]
  for (const [name, input, options, lifetime] of lives) {
    const { expiresAt, issuedAt } = await issued(input, options)
    t.strictSame([expiresAt, issuedAt], [SECONDS + lifetime, NOW], name)
  }
})

t.test('a lifetime that is refused (T10)', async (t) => {
  const tooLong: Array<[object, number, Partial<OpaqueTokensOptions>?]> = [
    [{ expiresIn: 86_401 }, 86_400], [{ expiresIn: Number.MAX_SAFE_INTEGER }, 86_400], [{ expiresIn: 61 }, 60, { maxLifetime: 60 }],
    [{ expiresIn: 61, credential: { ...CREDENTIAL, maxLifetime: 60 } }, 60], [{ expiresIn: 86_401, credential: { ...CREDENTIAL, maxLifetime: 1e9 } }, 86_400], [{ expiresIn: 60, credential: { ...CREDENTIAL, maxLifetime: NaN } }, NaN]
  ]
  for (const [input, most, options] of tooLong) {
    await t.rejects(issued(input, options), { code: 'FDT_LIFETIME_TOO_LONG', statusCode: 400, message: `expiresIn is too far ahead: it is in seconds, and at most ${most} from now` })
  }
  for (const expiresIn of [0, -0, -1, 0.5, 59.9, NaN, Infinity, -Infinity, '60', '', 60n, null, true, [60], {}, new Date(NOW), 2 ** 53]) {
    await t.rejects(issued({ expiresIn }), { code: 'FDT_INVALID_REQUEST', statusCode: 400, message: 'expiresIn must be whole seconds, at least 1' }, String(expiresIn))
  }
  for (const maxLifetime of [NaN, 0, -1, 0.5]) await t.rejects(issued({ credential: { ...CREDENTIAL, maxLifetime } }), { code: /^FDT_/, statusCode: 400 }, `a credential's ${maxLifetime}`)
})

t.test('how often a token can be verified', async (t) => {
  const counts: Array<[string, object, Partial<OpaqueTokensOptions>, number | undefined]> = [
    ['without an end', {}, {}, undefined],
    ['as the host says', {}, { maxUses: 3 }, 3],
    ['undefined is not said', { maxUses: undefined }, { maxUses: 3 }, 3],
    ['less', { maxUses: 1 }, { maxUses: 3 }, 1],
    ['as often', { maxUses: 3 }, { maxUses: 3 }, 3],
    ['what the caller alone says', { maxUses: 7 }, {}, 7],
    ['as often as can be counted', { maxUses: 4_294_967_295 }, {}, 4_294_967_295]
  ]
  for (const [name, input, options, maxUses] of counts) {
    const found = await issued(input, options)
    t.strictSame([found.maxUses, found.uses], [maxUses, maxUses === undefined ? undefined : 1], name)
    t.equal('maxUses' in found, maxUses !== undefined)
  }
  const refused: Array<[unknown, number | undefined, number]> = [[4, 3, 3], [4_294_967_296, undefined, 4_294_967_295], ...[0, -1, 1.5, NaN, Infinity, '1', '', 1n, null, true, [1], {}].map((maxUses): [unknown, number, number] => [maxUses, 3, 3])]
  for (const [maxUses, limit, most] of refused) {
    await t.rejects(issued({ maxUses }, limit === undefined ? {} : { maxUses: limit }), { code: 'FDT_INVALID_REQUEST', statusCode: 400, message: `maxUses must be a whole number from 1 to ${most}` }, String(maxUses))
  }
})

t.test('whose token it is', async (t) => {
  const owners: Array<[object, string, string | undefined]> = [
    [{ auth: 'jane' }, 'jane', undefined],
    [{ auth: undefined, credential: CREDENTIAL }, 'acme', 'key-1'],
    [{ auth: undefined, credential: { id: 'key-1' } }, 'key-1', 'key-1'],
    [{ auth: undefined, credential: { id: 'key-1', owner: undefined } }, 'key-1', 'key-1'],
    [{ auth: 'jane', credential: CREDENTIAL }, 'jane', 'key-1'],
    [{ auth: '😀'.repeat(256), credential: { id: '語'.repeat(512) } }, '😀'.repeat(256), '語'.repeat(512)],
    [{ auth: '語'.repeat(512), credential: { id: 'constructor' } }, '語'.repeat(512), 'constructor'],
    [{ auth: '__proto__' }, '__proto__', undefined]
  ]
  for (const [input, auth, credential] of owners) {
    const found = await issued(input)
    t.strictSame([found.auth, found.credential, JSON.parse(found.json).auth], [auth, credential, auth])
    t.equal('credential' in found, credential !== undefined)
  }
  const ids = ['', 'x'.repeat(513), '\uD800', 7, null, true, [], {}]
  const refused = [{ auth: undefined }, ...ids.map((auth) => ({ auth })), ...ids.map((owner) => ({ auth: undefined, credential: { id: 'key-1', owner } })).filter(({ credential: { owner } }) => owner !== null), ...[undefined, ...ids].map((id) => ({ credential: { id } })), ...[null, 7, 'key-1', {}, []].map((credential) => ({ credential }))]
  for (const input of refused) await t.rejects(issued(input), { code: 'FDT_INVALID_REQUEST', statusCode: 400 }, JSON.stringify(input).slice(0, 80))
  for (const input of [undefined, null, 7, 'text', () => {}]) await t.rejects(tokensWith().issue(input as unknown as OpaqueTokenInput), { code: 'FDT_INVALID_REQUEST', message: 'issue takes an object' })
})

t.test('what a route calls them', async (t) => {
  const names = { parameters: 'body', expiresIn: 'querystring/expires_in', maxUses: 'querystring/max_uses' }
  const refused: Array<[Partial<OpaqueTokenInput>, RegExp]> = [[{ expiresIn: 0 }, /^querystring\/expires_in must/], [{ expiresIn: 1e9 }, /^querystring\/expires_in is too far/], [{ maxUses: 0 }, /^querystring\/max_uses must/], [{ json: '[]' }, /^body must/], [{ json: ' '.repeat(16 * 1024 + 1) }, /^body must be at most 16384 bytes/]]
  for (const [input, message] of refused) await t.rejects(tokensWith().issue({ json: '{"a":1}', auth: 'acme', ...input } as OpaqueTokenInput, names), { message })
})
