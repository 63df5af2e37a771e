import { createSecretKey, randomBytes } from 'node:crypto'
import { Type } from '@sinclair/typebox'
import t from 'tap'
import { Type as TypeOfTypeBox1 } from 'typebox'
import { parseNamedKey } from '../../../../lib/keys/index.ts'
import { createMemoryStore } from '../../../../lib/stores/memory.ts'
import { OPAQUE_OPTION_NAMES, type OpaqueTokensOptions, resolveOpaqueOptions } from '../../../../lib/tokens/opaque/options.ts'
import { createOpaqueTokens } from '../../../../plugins/opaque-tokens/index.ts'

const [NEW, OLD] = [{ id: 'new', key: randomBytes(32) }, { id: 'old', key: randomBytes(32) }]
const NOW = 1_800_000_000_000
const store = createMemoryStore()
const good: OpaqueTokensOptions = { store, pepper: NEW, now: () => NOW }

/** A store without one of the methods. */
const without = (method: string) => new Proxy(store, { get: (target, name) => name === method ? undefined : Reflect.get(target, name) })

t.test('defaults', async (t) => {
  const { store: _, peppers, format, checkParameters, now, ...settings } = resolveOpaqueOptions({ store, pepper: NEW })
  t.strictSame(settings, { name: 'default', defaultLifetime: 3600, maxLifetime: 86_400, maxUses: undefined, maxBytes: 16 * 1024, schema: undefined, onVerify: undefined })
  t.strictSame(peppers.map(({ id }) => id), ['new'])
  t.match(format.create().token, /^fdt_opaque_/)
  t.strictSame(checkParameters({ a: 1 }, 'parameters'), { a: 1 })
  t.equal(now, Date.now)
  const notKept = new Set(['pepper', 'tokenPrefix', 'parameters'])
  const kept = [...Object.keys(settings).filter((name) => name !== 'schema'), 'store', 'format', 'now']
  t.strictSame([...OPAQUE_OPTION_NAMES].filter((name) => !notKept.has(name)).sort(), kept.sort(), 'every option has a name')
})

t.test('what is just usable', async (t) => {
  const schema = Type.Object({ file: Type.String() })
  const usable: Array<Partial<OpaqueTokensOptions>> = [
    { name: 'x'.repeat(64) }, { name: 'a.B_c:d-1' }, { format: 'base64url' }, { format: 'uuid' }, { tokenPrefix: 'a' }, { tokenPrefix: 'x'.repeat(32) }, { tokenPrefix: 'a_b_C_1' },
    { maxLifetime: 1 }, { maxLifetime: 366 * 86_400 }, { defaultLifetime: 86_400 }, { maxLifetime: 7, defaultLifetime: 7 }, { maxUses: 1 }, { maxUses: 4_294_967_295 }, { maxBytes: 2 }, { maxBytes: 1024 * 1024 },
    { pepper: [NEW] }, { pepper: [NEW, OLD] }, { pepper: Object.freeze([NEW, OLD]) }, { pepper: parseNamedKey(`2025:${randomBytes(32).toString('base64')}`) }, { parameters: schema }, { parameters: () => ({}) }, { onVerify: () => true }
  ]
  for (const more of usable) t.ok(createOpaqueTokens(Object.freeze({ ...good, ...more })), JSON.stringify(more))
  t.equal(resolveOpaqueOptions({ ...good, parameters: schema }).schema, schema)
  t.equal(resolveOpaqueOptions({ ...good, parameters: () => ({}) }).schema, undefined)
  t.equal(resolveOpaqueOptions({ ...good, maxLifetime: 600 }).defaultLifetime, 600)
  t.strictSame(resolveOpaqueOptions({ ...good, pepper: [NEW, OLD] }).peppers.map(({ id }) => id), ['new', 'old'])
})

t.test('refuses each option that is unusable (T4, T10)', async (t) => {
  const { key } = NEW
  const zodLike = { def: {}, type: 'object', parse: (value: unknown) => value, '~standard': { version: 1, vendor: 'zod', validate: (value: unknown) => ({ value }) } }
  const numbers = [0, -1, 1.5, NaN, Infinity, -Infinity, '60', '', 60n, null, true, [60], {}]
  const bad: Record<string, unknown[]> = {
    store: [undefined, null, {}, 7, 'memory', new Map(), { get () {} }, ...['get', 'set', 'add', 'replace', 'increment', 'delete'].map(without)],
    pepper: [
      undefined, null, '', 7, true, {}, [], [undefined], [null], [[NEW]], 'new', `new:${key.toString('base64')}`, key, createSecretKey(key), [key, key],
      { id: 'new' }, { key }, { id: '', key }, { id: 'a/b', key }, { id: 'x'.repeat(65), key }, { id: 7, key }, { id: 'a', key: key.toString('latin1') }, { id: 'a', key: createSecretKey(key) },
      { id: 'a', key: Buffer.of() }, { id: 'a', key: key.subarray(1) }, { id: 'a', key: randomBytes(33) }, { id: 'a', key: Buffer.alloc(32) }, { id: 'a', key: Buffer.alloc(32, 'ab') },
      [NEW, NEW], [NEW, { id: 'new', key: OLD.key }], [NEW, { id: 'other', key }], [NEW, null], [NEW, { id: 'old', key: key.subarray(1) }], [NEW, OLD, { id: 'older', key: randomBytes(32) }]
    ],
    name: ['', 'a b', 'a/b', 'ä', 'x'.repeat(65), 7, null, 'a\n', '.a', ['a']],
    format: ['', 'UUID', 'jwt', 'base64', null, 7, ['uuid']],
    tokenPrefix: ['', '_', 'a_', '_a', 'a__b', 'a-b', 'a b', 'a.b', 'ä', 'x'.repeat(33), 'a\n', '\na', 7, null, ['a']],
    maxLifetime: [...numbers, 366 * 86_400 + 1],
    defaultLifetime: [...numbers, 86_401],
    maxUses: [...numbers, 4_294_967_296],
    maxBytes: [...numbers, 1, 1024 * 1024 + 1],
    parameters: [null, 7, 'text', true, [], {}, { type: 'object' }, { type: 'object', properties: {} }, zodLike, TypeOfTypeBox1.Object({ file: TypeOfTypeBox1.String() }), Type.Ref('file'), Type.Object({ file: Type.Unsafe({ type: 'string' }) }), Type.Object({ file: Type.Transform(Type.String()).Decode(Number).Encode(String) })],
    onVerify: [null, true, 'log', {}, []],
    now: [7, null, 'now', () => NaN, () => 'now', () => Infinity, () => undefined]
  }
  t.strictSame(Object.keys(bad).sort(), [...OPAQUE_OPTION_NAMES].sort())
  for (const [option, values] of Object.entries(bad)) {
    for (const [index, value] of values.entries()) {
      const options = { ...good, [option]: value } as OpaqueTokensOptions
      t.throws(() => createOpaqueTokens(options), { code: 'FDT_INVALID_OPTION', statusCode: 500, message: new RegExp(`^Invalid option "${option}": `) }, `${option} ${index}`)
    }
  }
  t.throws(() => createOpaqueTokens({ ...good, format: 'uuid', tokenPrefix: 'acme' }), { code: 'FDT_INVALID_OPTION', message: /"tokenPrefix"/ })
  t.throws(() => createOpaqueTokens({ ...good, maxLifetime: 600, defaultLifetime: 601 }), { code: 'FDT_INVALID_OPTION', message: /"defaultLifetime"/ })
  const misspelt = { ...good, maxUse: 1 }
  t.throws(() => createOpaqueTokens(misspelt), { code: 'FDT_INVALID_OPTION', message: 'Invalid option "maxUse": there is no such option' })
  for (const options of [undefined, null, 7, 'text', () => {}]) t.throws(() => createOpaqueTokens(options as unknown as OpaqueTokensOptions), { code: 'FDT_INVALID_OPTION', message: 'Invalid option "options": must be an object' })
})

t.test('no error quotes a pepper', async (t) => {
  const text = randomBytes(33).toString('base64')
  for (const pepper of [text, { id: text, key: text }, { id: 'a', key: text }, { id: 'a', key: Buffer.from(text) }, [NEW, text]]) {
    t.throws(() => createOpaqueTokens({ ...good, pepper } as unknown as OpaqueTokensOptions), { message: new RegExp(`^(?!.*${text.slice(0, 6).replace(/\W/g, '\\$&')})`) })
  }
})

t.test('a host that changes its pepper or its options later changes nothing', async (t) => {
  const options = { ...good, pepper: [{ id: 'new', key: Buffer.from(NEW.key) }] }
  const tokens = createOpaqueTokens(options)
  const { token } = await tokens.issue({ json: '{"a":1}', auth: 'acme' })
  options.pepper[0]?.key.fill(0)
  options.pepper.length = 0
  options.store = createMemoryStore()
  t.equal((await tokens.verify(token)).json, '{"auth":"acme","a":1}')
  t.equal((await createOpaqueTokens(good).verify(token)).json, '{"auth":"acme","a":1}')
  t.strictSame(Object.keys(tokens.settings), ['name', 'store', 'now'], 'the pepper is not among what can be asked for')
  t.ok(Object.isFrozen(tokens) && Object.isFrozen(tokens.settings))
})
