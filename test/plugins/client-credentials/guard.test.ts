import auth, { type FastifyAuthFunction } from '@fastify/auth'
import { type FastifyError } from 'fastify'
import t from 'tap'
import { createMemoryStore } from '../../../lib/stores/memory.ts'
import { createAccessTokens } from '../../../plugins/client-credentials/index.ts'
import { faultyStore } from '../../support/faulty-store.ts'
import { inEveryHost } from '../../support/hosts.ts'
import { answer, ISSUER, oauthHost, type OAuthHostOptions, refused, ringOf, SCOPES } from '../../support/oauth-host.ts'
import { recordEvents } from '../../support/recorded-events.ts'
import { NOW, SECONDS } from '../../support/session-host.ts'

const METADATA = `resource_metadata="${ISSUER}/.well-known/oauth-protected-resource"`
const MISSING = refused(401, 'invalid_token', { challenge: `Bearer ${METADATA}` })
const INVALID = refused(401, 'invalid_token', { challenge: `Bearer error="invalid_token", ${METADATA}` })
const TWICE = refused(400, 'invalid_request', { challenge: `Bearer error="invalid_request", ${METADATA}` })
const FORBIDDEN = refused(403, 'insufficient_scope', { challenge: `Bearer error="insufficient_scope", scope="api.read api.write", ${METADATA}` })
const OUTAGE = refused(503, 'temporarily_unavailable', { retryAfter: '1' })

/** The host, and what issues without a request. */
async function guarded (t: Parameters<typeof oauthHost>[0], options: OAuthHostOptions = {}) {
  const host = await oauthHost(t, options)
  const client = { id: host.id, owner: 'acme' }
  const issue = async (input: Partial<Parameters<typeof host.tokens.issue>[0]> = {}): Promise<string> => (await host.tokens.issue({ client, ...input })).token
  const bearer = (token: string) => ({ authorization: `Bearer ${token}` })
  return { ...host, client, issue, bearer, get: (url: string, headers: Record<string, string> = {}) => host.app.inject({ url, headers }) }
}

inEveryHost(t, 'lets a token pass and tells the route what it is', async (t) => {
  const { tokens, client, id, read } = await guarded(t)
  const events = recordEvents(t)
  const { token, jti } = await tokens.issue({ client })
  const reply = await read(token)
  t.equal(reply.statusCode, 200)
  t.strictSame(reply.json(), {
    jti,
    client: id,
    owner: 'acme',
    subject: id,
    scopes: SCOPES,
    audiences: [ISSUER],
    issuedAt: NOW,
    expiresAt: SECONDS + 86_400,
    claims: { iss: ISSUER, exp: SECONDS + 86_400, aud: ISSUER, sub: id, client_id: id, iat: SECONDS, jti, scope: 'api.read api.write', owner: 'acme' }
  })
  t.equal(reply.headers['www-authenticate'], undefined)
  t.equal(reply.headers['cache-control'], undefined, 'a route that passes is the host\'s alone')
  t.match(events().map(([name, event]) => [name, event]), [
    ['issued', { flow: 'client-credentials', id: jti, credential: id, owner: 'acme', scopes: SCOPES }],
    ['verified', { flow: 'client-credentials', name: 'default', time: NOW, id: jti, subject: id, credential: id, owner: 'acme', permissions: ['api.read'], route: 'GET /read' }]
  ])
})

inEveryHost(t, 'where a token may stand', async (t) => {
  const { issue, bearer, get } = await guarded(t)
  const token = await issue()
  const cases: Array<{ name: string, url?: string, headers: Record<string, string>, expected: object | 200 }> = [
    { name: 'in Authorization', headers: bearer(token), expected: 200 },
    { name: 'the scheme in any case', headers: { authorization: `bEARER ${token}` }, expected: 200 },
    { name: 'behind several spaces', headers: { authorization: `Bearer   ${token}` }, expected: 200 },
    { name: 'beside a query', url: '/read?access_tokens=x&token=x', headers: bearer(token), expected: 200 },
    { name: 'whatever Host says (T19)', headers: { ...bearer(token), host: 'evil.test', 'x-forwarded-host': 'evil.test', forwarded: 'host=evil.test' }, expected: 200 },
    { name: 'nowhere', headers: {}, expected: MISSING },
    { name: 'nowhere, whatever Host says (T19)', headers: { host: 'evil.test', 'x-forwarded-host': 'evil.test', 'x-forwarded-proto': 'http' }, expected: MISSING },
    ...['Basic', 'Bearers', 'Token', 'JWT', 'x'].map((scheme) => ({ name: `another scheme: ${scheme}`, headers: { authorization: `${scheme} ${token}` }, expected: MISSING })),
    { name: 'without a scheme', headers: { authorization: token }, expected: MISSING },
    ...['x-api-key', 'x-access-token', 'proxy-authorization', 'cookie'].map((header) => ({ name: header, headers: { [header]: header === 'cookie' ? `access_token=${token}` : token }, expected: MISSING })),
    { name: 'a scheme and nothing', headers: { authorization: 'Bearer' }, expected: INVALID },
    { name: 'behind a tab', headers: { authorization: `Bearer\t${token}` }, expected: MISSING },
    { name: 'behind a scheme that proves', headers: { authorization: `DPoP ${token}` }, expected: INVALID },
    ...['access_token=', 'a=1&access_token=', 'access%5Ftoken=', 'access_token=x&access_token='].flatMap((query) => [
      { name: `in the URL: ${query}`, url: `/read?${query}${token}`, headers: {}, expected: TWICE },
      { name: `in the URL too: ${query}`, url: `/read?${query}${token}`, headers: bearer(token), expected: TWICE }
    ]),
    { name: 'an empty one in the URL', url: '/read?access_token', headers: bearer(token), expected: TWICE }
  ]
  for (const { name, url = '/read', headers, expected } of cases) {
    const reply = await get(url, headers)
    if (expected === 200) t.equal(reply.statusCode, 200, name)
    else t.strictSame(answer(reply), expected, name)
    t.notOk(`${reply.body}${JSON.stringify(reply.headers)}`.includes('evil.test'), name)
    if (expected !== 200) t.notOk(reply.body.includes(token), name)
  }
})

inEveryHost(t, 'all the scopes that a route names, or any', async (t) => {
  const { app, scope, issue, bearer, get, tokens } = await guarded(t)
  scope.get('/any', { onRequest: tokens.require({ anyScope: true }) }, async ({ accessToken }) => accessToken?.scopes)
  const write = (token: string) => app.inject({ method: 'POST', url: '/write', headers: bearer(token) })
  const cases: Array<[scopes: string[], read: number, write: number]> = [[['api.read'], 200, 403], [['api.write'], 403, 403], [['api.write', 'api.read'], 200, 200], [[], 403, 403]]
  for (const [scopes, atRead, atWrite] of cases) {
    const token = await issue({ scopes })
    t.equal((await get('/read', bearer(token))).statusCode, atRead, scopes.join())
    const reply = await write(token)
    t.equal(reply.statusCode, atWrite, scopes.join())
    if (atWrite === 403) t.strictSame(answer(reply), FORBIDDEN)
    t.strictSame((await get('/any', bearer(token))).json(), scopes)
  }
  t.strictSame(answer(await get('/any')), MISSING)
  t.strictSame(answer(await get('/any', bearer('x'))), INVALID)
})

inEveryHost(t, 'the host says which metadata a challenge names', async (t) => {
  const cases: Array<[flow: Record<string, unknown>, challenge: string]> = [
    [{ metadata: false }, 'Bearer'],
    [{ metadata: false, resourceMetadata: 'https://meta.example/x' }, 'Bearer resource_metadata="https://meta.example/x"'],
    [{ resourceMetadata: 'https://meta.example/x' }, 'Bearer resource_metadata="https://meta.example/x"'],
    [{ audience: 'https://api.example/v1' }, 'Bearer resource_metadata="https://api.example/.well-known/oauth-protected-resource/v1"'],
    [{ audience: 'no-url' }, 'Bearer']
  ]
  for (const [flow, challenge] of cases) t.strictSame(answer(await (await guarded(t, { flow })).get('/read')), refused(401, 'invalid_token', { challenge }), JSON.stringify(flow))
})

inEveryHost(t, 'names of scopes cannot break out of a challenge (T33)', async (t) => {
  const scopes = ['a', ...['b"', 'c\\', 'd\r\n', 'é', 'e f', ''].filter((name) => /^[!#-[\]-~]+$/.test(name)), '!#$%&\'()*+,-./:;<=>?@[]^_`{|}~']
  const { scope, issue, get, bearer } = await guarded(t, { flow: { scopes: ['api.read', 'api.write', ...scopes] } })
  scope.get('/odd', { onRequest: scope.accessTokens.require(...scopes as [string]) }, async () => 'passed')
  t.strictSame(answer(await get('/odd', bearer(await issue({ scopes: ['a'] })))).challenge, `Bearer error="insufficient_scope", scope="${scopes.join(' ')}", ${METADATA}`)
  t.equal((await get('/odd', bearer(await issue({ scopes })))).statusCode, 200)
})

inEveryHost(t, 'a store that is gone is an outage, and an end is at once (T36)', async (t) => {
  const { store, fault } = faultyStore(createMemoryStore({ now: () => NOW }))
  const { issue, read, tokens } = await guarded(t, { store })
  const [token, ended] = [await issue(), await issue()]
  t.equal((await read(token)).statusCode, 200)
  t.ok(await tokens.revoke(ended))
  for (const thrown of [new Error('redis://user:secret@host is gone'), 'text', undefined]) {
    fault.error = (thrown ?? new Error('gone')) as Error
    for (const presented of [token, ended]) {
      const reply = await read(presented)
      t.strictSame(answer(reply), OUTAGE, 'also for what was verified before')
      t.notMatch(reply.body, 'secret')
    }
    t.strictSame(answer(await read('x')), INVALID, 'what is no token needs no store')
    await t.rejects(tokens.revoke(token), { code: 'FDT_STORE_UNAVAILABLE' })
  }
  fault.error = undefined
  t.equal((await read(token)).statusCode, 200)
  t.strictSame(answer(await read(ended)), INVALID)
})

inEveryHost(t, 'neither handler nor schema nor hook of the host changes a refusal, at any stage', async (t) => {
  const { app, scope, issue, bearer } = await guarded(t, {
    before: (scope) => {
      scope.setErrorHandler(async (_error, _request, reply) => await reply.code(499).send({ mine: true }))
      scope.addHook('preSerialization', async () => ({ mine: true }))
    }
  })
  const guard = scope.accessTokens.require('api.read')
  const stages = ['onRequest', 'preParsing', 'preValidation', 'preHandler'] as const
  let ran = 0
  for (const stage of stages) {
    const hooks = stage === 'preParsing' ? { preParsing: (...[request, reply, , done]: [Parameters<typeof guard>[0], Parameters<typeof guard>[1], unknown, Parameters<typeof guard>[2]]) => { guard(request, reply, done) } } : { [stage]: guard }
    scope.post(`/${stage}`, { ...hooks, schema: { response: { '4xx': { type: 'object', properties: {} } } } }, async () => { ran++ })
  }
  for (const stage of stages) {
    const ask = (headers: Record<string, string>) => app.inject({ method: 'POST', url: `/${stage}`, headers: { ...headers, 'content-type': 'application/json' }, payload: '{}' })
    t.strictSame(answer(await ask({})), MISSING, stage)
    t.strictSame(answer(await ask(bearer('x'))), INVALID, stage)
    t.equal(ran, 0)
    t.equal((await ask(bearer(await issue()))).statusCode, 200)
    t.equal(ran, 1)
    ran = 0
  }
})

inEveryHost(t, 'onRefused', async (t) => {
  const { scope, issue, get, bearer } = await guarded(t, { before: (scope) => { scope.setErrorHandler(async (error: FastifyError, _request, reply) => await reply.code(499).send({ mine: error.code })) } })
  const { require } = scope.accessTokens
  const errors: unknown[] = []
  scope.get('/own', { onRequest: require('api.read', { onRefused: (error, _request, reply) => reply.code(418).send({ mine: error.code }) }) }, async () => 'passed')
  scope.get('/later', { onRequest: require('api.read', { onRefused: async (error, _request, reply) => { await reply.code(418).send({ mine: error.code }) } }) }, async () => 'passed')
  scope.get('/throws', { onRequest: require('api.read', { onRefused: (error) => { throw error } }) }, async () => 'passed')
  scope.get('/silent', { onRequest: require({ anyScope: true, onRefused: (error, { accessToken }) => { errors.push([error.code, error.statusCode, accessToken]) } }) }, async () => 'passed')
  scope.get('/undefined', { onRequest: require('api.read', { onRefused: async () => { throw undefined } }) }, async () => 'passed') // eslint-disable-line no-throw-literal -- a host may
  for (const url of ['/own', '/later']) {
    const reply = await get(url, bearer('x'))
    t.strictSame([reply.statusCode, reply.json(), reply.headers['www-authenticate']], [418, { mine: 'FDT_INVALID_TOKEN' }, undefined], url)
  }
  const thrown = await get('/throws', bearer('x'))
  t.strictSame([thrown.statusCode, thrown.json()], [499, { mine: 'FDT_INVALID_TOKEN' }])
  t.not(thrown.headers['cache-control'], 'no-store', 'nothing of ours is left behind when it throws')
  t.strictSame((await get('/undefined', bearer('x'))).json(), { mine: 'FDT_INVALID_TOKEN' }, 'who throws nothing at all does not let anybody pass')
  t.strictSame(answer(await get('/silent')), MISSING, 'silence does not let anybody pass')
  t.strictSame(answer(await get('/silent?access_token=x')), TWICE)
  t.strictSame(errors, [['FDT_MISSING_TOKEN', 401, null], ['FDT_INVALID_REQUEST', 400, null]])
  for (const url of ['/own', '/later', '/throws', '/silent', '/undefined']) t.equal((await get(url, bearer(await issue()))).body, 'passed', url)
})

inEveryHost(t, 'beside another guard, by @fastify/auth, and one behind another', async (t) => {
  const { scope, issue, get, bearer } = await guarded(t)
  if (!scope.hasDecorator('auth')) await scope.register(auth)
  // Typed for hooks without `done`, which it gives all the same.
  const guard = (name: string) => scope.accessTokens.require(name, { onRefused: (error) => { throw error } }) as FastifyAuthFunction
  const other: FastifyAuthFunction = async ({ headers }) => { if (headers['x-other'] !== 'yes') throw Object.assign(new Error('not you'), { statusCode: 403 }) }
  scope.get('/either', { onRequest: scope.auth([guard('api.read'), other]) }, async ({ accessToken }) => ({ client: accessToken?.client ?? null }))
  scope.get('/scopes', { onRequest: scope.auth([guard('api.write'), guard('api.read')]) }, async ({ accessToken }) => accessToken?.scopes)
  scope.get('/chain', { onRequest: [scope.accessTokens.require('api.read'), scope.accessTokens.require('api.write')] }, async () => 'passed')

  const reply = await get('/either', { ...bearer('x'), 'x-other': 'yes' })
  t.strictSame([reply.statusCode, reply.json()], [200, { client: null }])
  for (const header of ['www-authenticate', 'retry-after']) t.notOk(header in reply.headers, header)
  t.equal((await get('/either', bearer(await issue()))).statusCode, 200)
  t.not((await get('/either')).statusCode, 200)
  t.strictSame((await get('/scopes', bearer(await issue({ scopes: ['api.read'] })))).json(), ['api.read'])
  t.equal((await get('/chain', bearer(await issue()))).body, 'passed')
  t.equal((await get('/chain', bearer(await issue({ scopes: ['api.read'] })))).statusCode, 403)
})

inEveryHost(t, 'what a ring of the host\'s throws is the host\'s, and lets nobody pass', async (t) => {
  const ring = await ringOf('ES256')
  let thrown: unknown
  const keys = { ...ring, get: (kid: string) => { if (thrown !== undefined) throw thrown; return ring.get(kid) } }
  const { issue, read } = await guarded(t, { keys, before: (scope) => { scope.setErrorHandler(async (error: FastifyError, _request, reply) => await reply.code(499).send({ mine: error.message })) } })
  const token = await issue()
  t.equal((await read(token)).statusCode, 200)
  thrown = new Error('the ring is broken')
  const reply = await read(token)
  t.strictSame([reply.statusCode, reply.json()], [499, { mine: 'the ring is broken' }])
  thrown = 'text'
  t.strictSame(answer(await read(token)), INVALID)
})

t.test('require throws at registration', async (t) => {
  const { require } = await createAccessTokens({ issuer: ISSUER, keys: await ringOf('ES256'), store: createMemoryStore(), scopes: SCOPES })
  const refused: unknown[][] = [
    [], ['api'], ['api.read', 'x'], [''], [null], [1], [() => {}], [['api.read']], [{}], ['api.read api.write'], ['__proto__'], ['toString'],
    [{ anyScope: false }], ['api.read', { anyScope: true }], ['api.read', { anyScope: false }], ['api.read', { onRefused: 'throw' }], ['api.read', { onRefused: null }],
    ['api.read', { onrefused: () => {} }], [{ anyScope: true }, 'api.read'], ['api.read', null], ['api.read', { param: 'id' }]
  ]
  for (const args of refused) t.throws(() => Reflect.apply(require, undefined, args), { code: 'FDT_INVALID_OPTION' }, JSON.stringify(args))
  for (const args of [['api.read'], ['api.read', 'api.write', {}], ['api.read', { anyScope: undefined }], [{ anyScope: true, onRefused: () => {} }]]) t.type(Reflect.apply(require, undefined, args), 'function')
})
