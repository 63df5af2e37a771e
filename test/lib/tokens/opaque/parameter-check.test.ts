import { randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import { Type } from '@sinclair/typebox'
import t from 'tap'
import { Type as TypeOfTypeBox1 } from 'typebox'
import { Value } from 'typebox/value'
import { InvalidRequestError } from '../../../../lib/errors.ts'
import { createMemoryStore } from '../../../../lib/stores/memory.ts'
import { wrongToken } from '../../../../lib/tokens/opaque/tokens.ts'
import { createOpaqueTokens, type ParameterCheck } from '../../../../plugins/opaque-tokens/index.ts'

const store = createMemoryStore()
const pepper = { id: 'a', key: randomBytes(32) }
const checked = <Parameters extends object>(parameters: ParameterCheck<Parameters>) => createOpaqueTokens({ store, pepper, parameters })
const issue = (tokens: { issue: ReturnType<typeof checked>['issue'] }, json: string) => tokens.issue({ json, auth: 'acme' })

/** What a library of schemas throws: the way to the first issue in the form of Standard Schema. */
const issueAt = (...path: unknown[]) => Object.assign(new Error('secret-value is not good'), { issues: [{ path, message: 'secret-value is not good', input: 'secret-value' }, { path: ['second'] }] })

t.test('a schema of TypeBox', async (t) => {
  const tokens = checked(Type.Object({ file: Type.String({ maxLength: 10 }), access: Type.Optional(Type.Union([Type.Literal('edit'), Type.Literal('view')])), page: Type.Optional(Type.Integer()) }, { additionalProperties: false }))
  const { token } = await issue(tokens, '{"auth":"evil","file":"a.dwg","page":1e0}')
  const found = await tokens.verify(token)
  t.strictSame(found.parameters, { file: 'a.dwg', page: 1 })
  t.equal(found.parameters.file.length, 5, 'of the type of the schema')
  t.equal(found.json, '{"auth":"acme","file":"a.dwg","page":1e0}')

  const refused: Array<[string, RegExp]> = [
    ['{"file":"secret-value"}', /^parameters\/file: /],
    ['{"file":1}', /^parameters\/file: /],
    ['{"page":1}', /^parameters\/file: /],
    ['{"file":"a","access":"secret-value"}', /^parameters\/access: /],
    ['{"file":"a","page":"7"}', /^parameters\/page: /],
    ['{"file":"a","other":"secret-value"}', /^parameters\/other: /],
    ['{"file":"a","a name of somebody":1}', /^parameters\/\?: /],
    ['{"file":"a","a/b":1}', /^parameters\/\?: /],
    [`{"file":"a","${'x'.repeat(32)}":1}`, /^parameters\/\?: /]
  ]
  for (const [json, message] of refused) {
    const error = await issue(tokens, json).catch((error: Error) => error)
    t.match(error, { code: 'FDT_INVALID_REQUEST', statusCode: 400, message }, json)
    t.notMatch(inspect(error, { showHidden: true, depth: 9 }), 'secret-value')
  }
  await t.rejects(tokens.issue({ json: '{"file":1}', auth: 'acme' }, { parameters: 'body', expiresIn: 'a', maxUses: 'b' }), { message: /^body\/file: / })
  await t.rejects(tokens.issue({ parameters: { file: 'x'.repeat(11) }, auth: 'acme' }), { message: /^parameters\/file: / }, 'in code too')
  await t.rejects(issue(checked(Type.Never()), '{"file":1}'), { code: 'FDT_INVALID_REQUEST', message: /^parameters: / })
})

t.test('a function', async (t) => {
  const seen: unknown[] = []
  const tokens = checked((value) => {
    seen.push(value)
    return { drawing: Object(value).file, seen: seen.length }
  })
  const { token } = await issue(tokens, '{"file":"a","auth":"evil"}')
  const { parameters, json } = await tokens.verify(token)
  t.strictSame(seen, [{ file: 'a' }, { file: 'a' }], 'at both times it is asked, without auth')
  t.strictSame(parameters, { drawing: 'a', seen: 2 }, 'what it returns at verification is what the host gets')
  t.equal(json, '{"auth":"acme","file":"a"}', 'and the client what was posted')

  const changing = checked((value) => Object.assign(Object(value), { file: 'changed' }))
  const found = await changing.verify((await issue(changing, '{"file":"a"}')).token)
  t.strictSame([found.parameters, found.json], [{ file: 'changed' }, '{"auth":"acme","file":"a"}'], 'a check that writes to them changes no text')
})

t.test('what a function throws', async (t) => {
  const thrown: Array<[string, unknown, string]> = [
    ['an error', new Error('secret-value'), 'parameters is not acceptable'],
    ['a TypeError', new TypeError('secret-value', { cause: 'secret-value' }), 'parameters is not acceptable'],
    ['text', 'secret-value', 'parameters is not acceptable'],
    ['nothing', undefined, 'parameters is not acceptable'],
    ['null', null, 'parameters is not acceptable'],
    ['the way of Zod', issueAt('file'), 'parameters/file is not acceptable'],
    ['the way of Valibot', issueAt({ type: 'object', origin: 'value', key: 'file', value: 'secret-value' }), 'parameters/file is not acceptable'],
    ['a longer way', issueAt('a', { key: 'b' }, 0, { key: 1 }), 'parameters/a/b/0/1 is not acceptable'],
    ['a name that is not plain', issueAt('a secret-value'), 'parameters/? is not acceptable'],
    ['a name that is long', issueAt('x'.repeat(32)), 'parameters/? is not acceptable'],
    ['no way', issueAt(), 'parameters is not acceptable'],
    ['issues that are none', Object.assign(new Error('secret-value'), { issues: 'secret-value' }), 'parameters is not acceptable'],
    ['no issues', Object.assign(new Error('secret-value'), { issues: [] }), 'parameters is not acceptable'],
    ['an issue that is none', Object.assign(new Error('secret-value'), { issues: [null] }), 'parameters is not acceptable'],
    ['a way that is none', Object.assign(new Error('secret-value'), { issues: [{ path: 'secret-value' }] }), 'parameters is not acceptable']
  ]
  for (const [name, value, message] of thrown) {
    const error = await issue(checked(() => { throw value }), '{"file":"secret-value"}').catch((error: Error) => error)
    t.match(error, { code: 'FDT_INVALID_REQUEST', statusCode: 400, message }, name)
    t.notMatch(inspect(error, { showHidden: true, depth: 9 }), 'secret-value', 'and not a word of what it says')
  }
  const own = new InvalidRequestError('parameters/file must be a drawing')
  t.equal(await issue(checked(() => { throw own }), '{"file":"a"}').catch((error: unknown) => error), own, 'an error of ours passes')
})

t.test('a function that gives no parameters is the fault of the host', async (t) => {
  const unhandled: unknown[] = []
  const listen = (reason: unknown) => { unhandled.push(reason) }
  process.on('unhandledRejection', listen)
  t.teardown(() => process.off('unhandledRejection', listen))

  const { token } = await issue(createOpaqueTokens({ store, pepper }), '{"file":"a"}')
  const async = { code: 'FDT_INVALID_OPTION', statusCode: 500, message: 'Invalid option "parameters": must not be async' }
  const nothing = { code: 'FDT_INVALID_OPTION', statusCode: 500, message: 'Invalid option "parameters": must return the parameters' }
  const faults: Array<[string, (value: unknown) => unknown, typeof nothing]> = [
    ['async', async (value) => value, async],
    ['async, and rejects', async () => { throw new Error('secret-value') }, async],
    ['a thenable', () => ({ then: (_resolve: unknown, reject: (error: Error) => void) => { reject(new Error('secret-value')) } }), async],
    ['nothing', () => undefined, nothing],
    ['null', () => null, nothing],
    ['true', () => true, nothing],
    ['text', () => 'text', nothing],
    ['a function', () => () => ({}), nothing]
  ]
  for (const [name, check, error] of faults) {
    // @ts-expect-error the compiler tells a host that writes TypeScript
    const tokens = checked(check)
    await t.rejects(issue(tokens, '{"file":"a"}'), error, name)
    await t.rejects(tokens.verify(token), error, `${name}, when it is verified`)
  }
  await new Promise((resolve) => setImmediate(resolve))
  t.strictSame(unhandled, [])
  t.ok(await issue(checked(() => ({ then: 'a parameter' })), '{"then":"a parameter"}'), 'a parameter may be called then')
})

t.test('a schema of TypeBox 1, by a function', async (t) => {
  const schema = TypeOfTypeBox1.Object({ file: TypeOfTypeBox1.String() })
  const tokens = checked((value) => Value.Parse(schema, value))
  const { parameters } = await tokens.verify((await issue(tokens, '{"file":"a"}')).token)
  t.equal(parameters.file, 'a')
  const error = await issue(tokens, '{"file":null,"other":"secret-value"}').catch((error: Error) => error)
  t.match(error, { code: 'FDT_INVALID_REQUEST', message: 'parameters is not acceptable' })
  t.notMatch(inspect(error, { showHidden: true, depth: 9 }), 'secret-value')
})

t.test('what a host narrows later ends the tokens that it does not cover', async (t) => {
  const { token } = await issue(createOpaqueTokens({ store, pepper }), '{"file":"secret-value"}')
  const narrow = [checked(Type.Object({ file: Type.Integer() })), checked((value) => { throw issueAt('file', value) }), checked(() => { throw new InvalidRequestError('no') })]
  for (const tokens of narrow) {
    const error = await tokens.verify(token).catch((error: Error) => error)
    t.match(error, { code: 'FDT_WRONG_TOKEN', statusCode: 403, message: 'Wrong token' })
    t.match(wrongToken(error), { reason: 'parameters', holder: { owner: 'acme' } })
    t.notMatch(inspect(error, { showHidden: true, depth: 9 }), 'secret-value')
  }
})
