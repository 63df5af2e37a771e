import t from 'tap'
import { createTokenSource, type TokenSourceOptions } from '../../../lib/client/index.ts'
import { CLIENT, TOKEN_URL } from './endpoint.ts'

const good: TokenSourceOptions = { ...CLIENT, tokenUrl: TOKEN_URL }

const texts = [undefined, null, 1, {}, [], '', 'a\n', 'a\u0000', 'a\u0085', '\ud800', 'a'.repeat(4097)]
const wholes = [null, '1', 1.5, NaN, -1, Infinity]

const rejected: Record<string, unknown[]> = {
  tokenUrl: [undefined, null, 1, '', 'id.example', 'http://id.example/connect/token', 'http://127.0.0.1.evil.test/', 'ftp://id.example/', 'https://u:p@id.example/', 'https://id.example/?a', 'https://id.example/#a', new URL(TOKEN_URL)],
  clientId: texts,
  clientSecret: texts,
  scope: [null, 1, '', ' ', 'a ', ' a', 'a  b', 'a\tb', 'a"', 'a\\', 'ä', ['a'], 'a'.repeat(4097)],
  authMethod: [null, '', 'none', 'private_key_jwt', 'CLIENT_SECRET_POST', true],
  resource: [null, 1, '', '/a', 'a.example', 'https://a.example/#', 'https://a.example/#b', 'https://a.example/b c', 'https://bücher.example/', ['https://a.example/', ''], [undefined], {}],
  parameters: [null, 'a=b', ['a'], { a: 1 }, { a: undefined }, { '': 'a' }, { a: '\ud800' }, ...['grant_type', 'client_id', 'client_secret', 'client_assertion', 'client_assertion_type', 'scope', 'resource'].map((name) => ({ [name]: 'a' }))],
  origins: [null, 'https://a.example', {}, ['https://a.example/'], ['a.example'], ['*'], ['https://*.a.example'], ['null'], ['http://a.example'], ['https://a.example', 1], [undefined], new Set(['https://a.example'])],
  timeout: [...wholes, 0, 600_001],
  renewBefore: [...wholes, 86_401],
  maxRetries: [...wholes, 11],
  now: [null, 1, new Date(), () => NaN, () => '1', () => new Date()],
  fetch: [null, true, {}]
}

for (const [option, values] of Object.entries(rejected)) {
  t.test(`refuses what ${option} cannot be`, async (t) => {
    for (const value of values) {
      const options = { ...good, [option]: value }
      t.throws(() => createTokenSource(options), { code: 'FDT_INVALID_OPTION', statusCode: 500, message: new RegExp(`^Invalid option "${option}": `) }, String(JSON.stringify(value)).slice(0, 60))
    }
  })
}

t.test('refuses what is no object of options, and an option that there is not', async (t) => {
  for (const value of [undefined, null, 'a', 1, [good]]) {
    // @ts-expect-error Callers without types pass anything.
    t.throws(() => createTokenSource(value), { code: 'FDT_INVALID_OPTION', message: /"options"/ })
  }
  // @ts-expect-error There is no such option.
  t.throws(() => createTokenSource({ ...good, clientsecret: 'a' }), { code: 'FDT_INVALID_OPTION', message: /"clientsecret": there is no such option/ })
})

t.test('no refusal tells the secret', async (t) => {
  t.throws(() => createTokenSource({ ...good, clientSecret: 'hunter2\n' }), { message: /^(?!.*hunter2)/s, stack: /^(?!.*hunter2)/s })
})

t.test('takes what is at the bounds, and changes nothing of it', async (t) => {
  const accepted: Array<Partial<TokenSourceOptions>> = [
    {},
    { tokenUrl: 'http://localhost:3000/connect/token' }, { tokenUrl: 'http://[::1]/' }, { tokenUrl: 'https://id.example' },
    { clientId: 'a', clientSecret: 'b' }, { clientId: 'a'.repeat(4096), clientSecret: '€'.repeat(4096) },
    { scope: 'a' }, { scope: 'api.read https://a.example/.default !~' }, { scope: 'a'.repeat(4096) },
    { authMethod: 'client_secret_post' }, { authMethod: 'client_secret_basic' },
    { resource: 'https://a.example/?b' }, { resource: 'urn:example:a' }, { resource: Object.freeze(['https://a.example', 'https://b.example']) }, { resource: [] },
    { parameters: Object.freeze({ audience: 'https://a.example' }) }, { parameters: { a: '' } },
    { origins: [] }, { origins: Object.freeze(['https://a.example', 'http://127.0.0.1:3000']) },
    { timeout: 1 }, { timeout: 600_000 }, { renewBefore: 0 }, { renewBefore: 86_400 }, { maxRetries: 0 }, { maxRetries: 10 },
    { now: () => 0 }, { fetch: globalThis.fetch }
  ]
  for (const options of accepted) {
    const source = createTokenSource(Object.freeze({ ...good, ...options }))
    t.ok(Object.isFrozen(source))
    t.strictSame(Object.keys(source), ['get', 'fetch'])
  }
})
