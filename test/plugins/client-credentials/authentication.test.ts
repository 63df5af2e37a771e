import t from 'tap'
import { type ClientRecord, digestSecret } from '../../../lib/credentials/index.ts'
import { createMemoryStore } from '../../../lib/stores/memory.ts'
import { clientOf } from '../../../plugins/client-credentials/authentication.ts'
import { faultyStore } from '../../support/faulty-store.ts'
import { inEveryHost } from '../../support/hosts.ts'
import { answer, basic, BASIC_CHALLENGE, oauthHost, refused } from '../../support/oauth-host.ts'
import { NOW, SECONDS } from '../../support/session-host.ts'

const GRANT = { grant_type: 'client_credentials' }
const WRONG = refused(400, 'invalid_client')
const WRONG_BASIC = refused(401, 'invalid_client', { challenge: BASIC_CHALLENGE })
const INVALID = refused(400, 'invalid_request')
const SERVED = { status: 200, error: undefined, challenge: undefined, cache: 'no-store', retryAfter: undefined, allow: undefined }

/** A source of one client that the host made itself. */
const sourceOf = (id: string, secret: string, more: Partial<ClientRecord> = {}) => ({ find: async () => ({ id, createdAt: SECONDS, secrets: [{ digest: digestSecret(secret), createdAt: SECONDS }], ...more }) })

const raw = (text: string | Buffer) => ({ authorization: `Basic ${Buffer.from(text).toString('base64')}` })

inEveryHost(t, 'where three servers for Node.js differ from RFC 6749', async (t) => {
  const reserved = { id: 'my id:+%&=?/~', secret: ' s3cret:+%&="\\/#' }
  const odd = await oauthHost(t, { clients: sourceOf(reserved.id, reserved.secret) })
  t.strictSame(answer(await odd.post('/connect/token', GRANT, basic(reserved.id, reserved.secret))), SERVED, 'reserved characters, form-encoded in Basic')
  t.strictSame(answer(await odd.post('/connect/token', { ...GRANT, client_id: reserved.id, client_secret: reserved.secret })), SERVED, 'and in the form')

  const { post, ask, id, secret, credentials } = await oauthHost(t)
  const both = basic(id, secret)
  t.strictSame(answer(await post('/connect/token', GRANT, basic(id, 'x'))), WRONG_BASIC, 'a bad secret by Basic')
  t.strictSame(answer(await ask({}, both)), INVALID, 'Basic and credentials in the body')
  t.strictSame(answer(await post('/connect/token', [['grant_type', 'client_credentials'], ...Object.entries(credentials), ['scope', 'api.read'], ['scope', 'api.write']])), INVALID, 'a repeated scope')
  t.strictSame(answer(await post('/connect/token', credentials)), INVALID, 'no grant_type')
  t.strictSame(answer(await ask({ scope: 'api.admin' })), refused(400, 'invalid_scope'), 'an unknown scope')
  t.strictSame(answer(await ask({ scope: '' })), SERVED, 'an empty scope is none')
  t.strictSame(answer(await post('/connect/token', JSON.stringify({ ...GRANT, ...credentials }), { 'content-type': 'application/json' })), INVALID, 'JSON')
  const errors = [await ask({ client_secret: 'x' }), await post('/connect/token', '%'), await post('/connect/token', GRANT, basic('x', 'y'))]
  t.strictSame(errors.map(({ headers }) => [headers['cache-control'], headers['pragma'], headers['content-type']]), errors.map(() => ['no-store', 'no-cache', 'application/json; charset=utf-8']))
})

inEveryHost(t, 'two live secrets, and neither after its time', async (t) => {
  const host = await oauthHost(t)
  const { post, id, secret: first, registry, clock } = host
  const both = async (secret: string) => [(await post('/connect/token', { ...GRANT, client_id: id, client_secret: secret })).statusCode, (await post('/connect/token', GRANT, basic(id, secret))).statusCode]
  const { secret: second } = await registry.rotate(id, { overlap: 60 })
  t.strictSame([await both(first), await both(second)], [[200, 200], [200, 200]])
  clock.time = NOW + 59_999
  t.strictSame(await both(first), [200, 200])
  clock.time = NOW + 60_000
  t.strictSame([await both(first), await both(second)], [[400, 401], [200, 200]], 'retired')
  const { secret: third } = await registry.rotate(id, { overlap: 60, expiresAt: SECONDS + 200 })
  const { secret: fourth } = await registry.rotate(id, { overlap: 60 })
  t.strictSame([await both(second), await both(third), await both(fourth)], [[400, 401], [200, 200], [200, 200]], 'a third ends the first')
  await registry.disable(id)
  t.strictSame(await both(fourth), [400, 401], 'disabled')
  await registry.enable(id)
  t.strictSame(await both(fourth), [200, 200])
  await registry.revoke(id)
  t.strictSame(await both(fourth), [400, 401], 'gone')
  const { record, secret: ending = '' } = await registry.create({ expiresAt: SECONDS + 100 })
  const ends = async () => (await post('/connect/token', { ...GRANT, client_id: record.id, client_secret: ending })).statusCode
  clock.time = NOW + 99_999
  t.equal(await ends(), 200)
  clock.time = NOW + 100_000
  t.equal(await ends(), 400, 'expired')
})

inEveryHost(t, 'who does not show who it is, in the form or not at all', async (t) => {
  const host = await oauthHost(t)
  const { id, secret } = host
  const form = (clientId?: string, clientSecret?: string): Record<string, string> => ({ ...GRANT, ...(clientId !== undefined && { client_id: clientId }), ...(clientSecret !== undefined && { client_secret: clientSecret }) })
  const cases: Array<[name: string, fields: Record<string, string>]> = [
    ['nothing', form()],
    ['no secret', form(id)],
    ['an empty secret', form(id, '')],
    ['no id', form(undefined, secret)],
    ['an empty id', form('', secret)],
    ['an unknown id', form('nobody', secret)],
    ['an id in other letters', form(id.toUpperCase(), secret)],
    ['an id with a space', form(`${id} `, secret)],
    ['a wrong secret', form(id, 'x')],
    ['the secret of another client', form(id, (await host.registry.create()).secret)],
    ['a secret and a character', form(id, `${secret}x`)],
    ['a secret without its end', form(id, secret.slice(0, -1))],
    ['a secret that is another from byte 73 on (T27)', form(id, `${secret.slice(0, 72)}${secret[72] === 'A' ? 'B' : 'A'}${secret.slice(73)}`)],
    ['an id of 101 characters', form('x'.repeat(101), secret)],
    ['a secret of 101 characters', form(id, secret.padEnd(101, 'x'))],
    ['an assertion type alone', { ...form(id), client_assertion_type: 'x' }],
    ...['\0', '\n', '\r\nset-cookie: a=b', 'é', '\u00a0', '\x7f', '"'].flatMap((text): Array<[string, Record<string, string>]> => [
      [`an id with ${JSON.stringify(text)}`, form(`${id}${text}`, secret)],
      [`a secret with ${JSON.stringify(text)}`, form(id, `${secret}${text}`)]
    ]),
    ...['__proto__', 'constructor', 'toString', 'hasOwnProperty', '../../x', 'client/x', '*'].flatMap((text): Array<[string, Record<string, string>]> => [
      [`${text} as id (T28)`, form(text, secret)],
      [`${text} as secret (T28)`, form(id, text)]
    ])
  ]
  for (const [name, fields] of cases) {
    for (const url of ['/connect/token', '/connect/introspect', '/connect/revocation']) {
      const expected = url === '/connect/token' ? WRONG : WRONG_BASIC
      t.strictSame(answer(await host.post(url, { ...fields, token: 'x' })), expected, `${url}: ${name}`)
    }
  }
  t.strictSame(answer(await host.post('/connect/token', { grant_type: 'refresh_token' })), WRONG, 'the bare refresh_token of an SDK: the client comes first')
  t.strictSame(answer(await host.post('/connect/token', '')), WRONG, 'an empty form')
})

inEveryHost(t, 'ids and secrets of 100 characters, and no longer (T27)', async (t) => {
  const [id, secret] = ['i'.repeat(100), `${'s'.repeat(99)}!`]
  const { post } = await oauthHost(t, { clients: sourceOf(id, secret) })
  for (const [status, given] of [[200, secret], [400, `${'s'.repeat(72)}S${secret.slice(73)}`], [400, `${secret}s`], [400, secret.slice(0, -1)]] as const) {
    t.equal((await post('/connect/token', { ...GRANT, client_id: id, client_secret: given })).statusCode, status)
    t.equal((await post('/connect/token', GRANT, basic(id, given))).statusCode, status === 200 ? 200 : 401)
  }
})

inEveryHost(t, 'by HTTP Basic', async (t) => {
  const { post, id, secret } = await oauthHost(t)
  const value = basic(id, secret).authorization
  const encoded = value.slice('Basic '.length)
  const served: Array<[name: string, headers: Record<string, string>, fields?: Record<string, string>]> = [
    ['as it is', { authorization: value }],
    ['in lower case', { authorization: `basic ${encoded}` }],
    ['in upper case', { authorization: `BASIC ${encoded}` }],
    ['behind more spaces', { authorization: `Basic   ${encoded}` }],
    ['percent-encoded throughout', raw([id, secret].map((text) => [...text].map((character) => `%${character.charCodeAt(0).toString(16)}`).join('')).join(':'))],
    ['with its id in the form', { authorization: value }, { client_id: id }],
    ['with an empty id and secret in the form', { authorization: value }, { client_id: '', client_secret: '', client_assertion: '' }]
  ]
  for (const [name, headers, fields = {}] of served) t.strictSame(answer(await post('/connect/token', { ...GRANT, ...fields }, headers)), SERVED, name)

  const refusals: Array<[name: string, headers: Record<string, string>]> = [
    ['empty', { authorization: '' }],
    ['the scheme alone', { authorization: 'Basic' }],
    ['no base64', { authorization: 'Basic ?' }],
    ['base64url', { authorization: `Basic ${Buffer.from('ü?ü>ü').toString('base64url')}` }],
    ['padding and more', { authorization: `Basic ${encoded}====` }],
    ['two of them', { authorization: `${value}, ${value}` }],
    ['something behind', { authorization: `${value} x` }],
    ['a tab', { authorization: `Basic\t${encoded}` }],
    ['no space', { authorization: `Basic${encoded}` }],
    ['no colon', raw(id)],
    ['a colon alone', raw(':')],
    ['no secret', raw(`${id}:`)],
    ['no id', raw(`:${secret}`)],
    ['a colon in the secret', raw(`${id}:${secret}:`)],
    ['NUL in the id', raw(`${id}\0:${secret}`)],
    ['NUL in the secret', raw(`${id}:${secret}\0`)],
    ['NUL, encoded', raw(`${id}:${secret}%00`)],
    ['a line break', raw(`${id}:${secret}\n`)],
    ['UTF-8', raw(`${id}:${secret}é`)],
    ['UTF-8, encoded', raw(`${id}:${secret}%C3%A9`)],
    ['a byte order mark', raw(`\ufeff${id}:${secret}`)],
    ['no UTF-8', raw(Buffer.from(`${id}:${secret}\xff`, 'latin1'))],
    ['half an escape', raw(`${id}:${secret}%`)],
    ['an escape of no digits', raw(`${id}:${secret}%zz`)],
    ['an escape that is no UTF-8', raw(`${id}%ff:${secret}`)],
    ['an unknown id', basic('nobody', secret)],
    ['__proto__ (T28)', basic('__proto__', 'constructor')],
    ['an id of 101 characters', basic('x'.repeat(101), secret)],
    ['a secret of 101 characters', basic(id, secret.padEnd(101, 'x'))],
    ['100 kB', raw('x'.repeat(10_000))],
    ...['Bearer', 'DPoP', 'Digest', 'Negotiate', 'Basics', 'x'].map((scheme): [string, Record<string, string>] => [`the scheme ${scheme}`, { authorization: `${scheme} ${encoded}` }])
  ]
  for (const [name, headers] of refusals) {
    for (const url of ['/connect/token', '/connect/introspect', '/connect/revocation']) t.strictSame(answer(await post(url, { ...GRANT, token: 'x' }, headers)), WRONG_BASIC, `${url}: ${name}`)
  }
})

inEveryHost(t, 'more than one way in a request, or a client_id that contradicts (RFC 6749, section 2.3)', async (t) => {
  const { post, id, secret } = await oauthHost(t)
  const header = basic(id, secret)
  const type = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
  const cases: Array<[name: string, fields: Record<string, string>, headers: Record<string, string>]> = [
    ['both, the same', { client_id: id, client_secret: secret }, header],
    ['both, a secret alone in the form', { client_secret: secret }, header],
    ['both, the one in the form wrong', { client_secret: 'x' }, header],
    ['both, the one in the header wrong', { client_id: id, client_secret: secret }, basic(id, 'x')],
    ['a secret, and a header that is empty', { client_id: id, client_secret: secret }, { authorization: '' }],
    ['a secret, and a header of another scheme', { client_id: id, client_secret: secret }, { authorization: 'Bearer x' }],
    ['a secret and an assertion', { client_id: id, client_secret: secret, client_assertion: 'x', client_assertion_type: type }, {}],
    ['a secret and the type of an assertion', { client_id: id, client_secret: secret, client_assertion_type: type }, {}],
    ['Basic and an assertion', { client_assertion: 'x', client_assertion_type: type }, header],
    ['Basic and the type of one', { client_assertion_type: type }, header],
    ['all three', { client_id: id, client_secret: secret, client_assertion: 'x' }, header],
    ['another id in the form', { client_id: 'other' }, header],
    ['the id in other letters', { client_id: id.toUpperCase() }, header]
  ]
  for (const [name, fields, headers] of cases) {
    for (const url of ['/connect/token', '/connect/introspect', '/connect/revocation']) t.strictSame(answer(await post(url, { ...GRANT, token: 'x', ...fields }, headers)), INVALID, `${url}: ${name}`)
  }
})

inEveryHost(t, 'an unknown client and a wrong secret are the same work (T25)', async (t) => {
  const { store, fault } = faultyStore(createMemoryStore({ now: () => NOW }))
  const host = await oauthHost(t, { store, flow: { limits: {} } })
  const [disabled, expired] = [await host.registry.create(), await host.registry.create({ expiresAt: SECONDS + 1 })]
  await host.registry.disable(disabled.record.id)
  const cases: Array<Record<string, string>> = [
    { client_id: 'a'.repeat(16) },
    { client_secret: 'x' },
    { client_secret: host.secret.replace('fdt_', 'FDT_') },
    ...[disabled, expired].map(({ record: { id }, secret = '' }) => ({ client_id: id, client_secret: secret }))
  ]
  host.clock.time = NOW + 1000
  for (const fields of cases) {
    fault.calls.length = 0
    t.equal((await host.ask(fields)).statusCode, 400)
    t.strictSame(fault.calls, ['increment', 'get', 'get', 'increment'], 'the address, the lock, the client, the failure')
  }
})

inEveryHost(t, 'a look-up of the host\'s: what it says is checked, and its failure is no answer about a client', async (t) => {
  const asked: unknown[] = []
  let result: unknown
  const find = async (id: string): Promise<never> => {
    asked.push(id)
    if (result instanceof Error) throw result
    return result as never // whatever a host may answer
  }
  const { ask, post } = await oauthHost(t, { clients: { find } })
  const record = { id: 'acme', createdAt: SECONDS, secrets: [{ digest: digestSecret('a secret'), createdAt: SECONDS }] }
  const fields = { client_id: 'acme', client_secret: 'a secret' }
  result = record
  t.strictSame(answer(await ask(fields)), SERVED)
  for (const wrong of [undefined, null, {}, 'acme', true, [record], { ...record, id: 'other' }, { ...record, id: 'ACME' }, { ...record, secrets: [] }, { ...record, secrets: undefined }, { ...record, scopes: 'api.read' }, { ...record, scopes: null }, { ...record, disabled: true }, { ...record, disabled: 'no' }, { ...record, tokenLifetime: '60' }]) {
    result = wrong
    t.strictSame(answer(await ask(fields)), WRONG, JSON.stringify(wrong) ?? 'undefined')
  }
  result = new Error('down')
  const outage = refused(503, 'temporarily_unavailable', { retryAfter: '1' })
  for (const url of ['/connect/token', '/connect/introspect', '/connect/revocation']) t.strictSame(answer(await post(url, { ...GRANT, ...fields, token: 'x' })), outage, url)
  asked.length = 0
  for (const text of ['é', '\0', 'x'.repeat(101), '']) await ask({ client_id: text })
  t.strictSame(asked, [], 'what cannot be an id is not looked up')
})

inEveryHost(t, 'nobody is the client of a request that was not authenticated', async (t) => {
  const { app, scope } = await oauthHost(t)
  let thrown: unknown
  scope.get('/who', async (request) => {
    try { clientOf(request) } catch (error) { thrown = error }
    return 'done'
  })
  t.equal((await app.inject('/who')).statusCode, 200)
  t.match(thrown, { code: 'FDT_INVALID_CLIENT' })
})
