import auth, { type FastifyAuthFunction } from '@fastify/auth'
import { type FastifyError } from 'fastify'
import t from 'tap'
import { createMemoryStore } from '../../../lib/stores/memory.ts'
import { faultyStore } from '../../support/faulty-store.ts'
import { inEveryHost } from '../../support/hosts.ts'
import { opaqueHost, OUTAGE, POSTED, refusal, unknownToken, WRONG_TOKEN } from '../../support/opaque-host.ts'
import { NOW, SECONDS } from '../../support/session-host.ts'

const WRONG = { ...WRONG_TOKEN, vary: undefined }

inEveryHost(t, 'lets a token pass and tells the route what it stands for', async (t) => {
  const { open, newToken, id } = await opaqueHost(t)
  const reply = await open(await newToken('{ "10":1, "file":"a","auth":"x" }', '?max_uses=2'))
  t.equal(reply.statusCode, 200)
  t.strictSame(reply.json(), {
    accessor: reply.json().accessor,
    auth: 'acme',
    credential: id,
    issuedAt: NOW,
    expiresAt: SECONDS + 3600,
    maxUses: 2,
    parameters: { 10: 1, file: 'a' },
    json: '{"auth":"acme", "10":1, "file":"a"}',
    uses: 1
  })
  t.match(reply.json().accessor, /^[A-Za-z0-9_-]{43}$/)
  t.equal(reply.headers['www-authenticate'], undefined)
  t.not(reply.headers['cache-control'], 'no-store', 'a route that passes is the host\'s alone')
})

inEveryHost(t, 'before it, and where it refuses, the request has none', async (t) => {
  const seen: unknown[] = []
  const { scope, app, newToken, open } = await opaqueHost(t, { before: (scope) => { scope.addHook('onRequest', async (request) => { seen.push(request.opaqueToken) }) } })
  scope.get('/unguarded', async (request) => ({ token: request.opaqueToken }))
  scope.get('/kept', { onRequest: scope.opaqueTokens.require({ onRefused: (_error, request, reply) => reply.code(200).send({ token: request.opaqueToken }) }) }, async () => 'passed')
  t.strictSame((await app.inject('/unguarded')).json(), { token: null })
  t.strictSame((await app.inject({ url: '/kept', headers: { 'x-api-token': 'x' } })).json(), { token: null })
  t.equal((await open(await newToken())).statusCode, 200)
  t.strictSame([...new Set(seen)], [null])
})

inEveryHost(t, 'a token passes as often as it may, at any guard', async (t) => {
  const { app, scope, newToken, open, verify } = await opaqueHost(t)
  scope.get('/twice', { onRequest: [scope.opaqueTokens.require(), scope.opaqueTokens.require()] }, async (request) => ({ uses: request.opaqueToken?.uses }))
  const token = await newToken(POSTED, '?max_uses=4')
  const twice = await app.inject({ url: '/twice', headers: { 'x-api-token': token } })
  t.strictSame([twice.statusCode, twice.json()], [200, { uses: 2 }], 'two guards are two uses')
  t.equal((await verify(token)).statusCode, 200)
  t.equal((await open(token)).statusCode, 200)
  t.strictSame(refusal(await open(token)), WRONG)
  const last = await newToken(POSTED, '?max_uses=1')
  t.strictSame(refusal(await app.inject({ url: '/twice', headers: { 'x-api-token': last } })), WRONG, 'the second one refuses')
})

inEveryHost(t, 'neither handler nor schema nor hook of the host changes a refusal', async (t) => {
  const { store, fault } = faultyStore(createMemoryStore({ now: () => NOW }))
  const { app, scope, newToken } = await opaqueHost(t, {
    store,
    before: (scope) => {
      scope.setErrorHandler(async (_error, _request, reply) => await reply.code(499).send({ mine: true }))
      scope.addHook('preSerialization', async () => ({ mine: true }))
    }
  })
  let ran = 0
  for (const hook of ['onRequest', 'preParsing', 'preValidation', 'preHandler'] as const) {
    const guard = scope.opaqueTokens.require()
    const hooks = hook === 'preParsing' ? { preParsing: (...[request, reply, , done]: [Parameters<typeof guard>[0], Parameters<typeof guard>[1], unknown, Parameters<typeof guard>[2]]) => { guard(request, reply, done) } } : { [hook]: guard }
    scope.post(`/${hook}`, { ...hooks, schema: { response: { '4xx': { type: 'object', properties: {} }, '5xx': { type: 'object', properties: {} } } } }, async () => { ran++ })
  }
  const good = await newToken()
  for (const hook of ['onRequest', 'preParsing', 'preValidation', 'preHandler']) {
    const ask = (token: string) => app.inject({ method: 'POST', url: `/${hook}`, headers: { 'x-api-token': token, 'content-type': 'application/json' }, payload: '{}' })
    t.strictSame(refusal(await ask('x')), WRONG, hook)
    t.strictSame(refusal(await ask('')), WRONG, hook)
    fault.error = new Error('gone')
    t.strictSame(refusal(await ask(good)), { ...OUTAGE, vary: undefined }, hook)
    fault.error = undefined
    t.equal(ran, 0)
    t.equal((await ask(good)).statusCode, 200)
    t.equal(ran, 1)
    ran = 0
  }
})

inEveryHost(t, 'onRefused', async (t) => {
  const host = await opaqueHost(t, { before: (scope) => { scope.setErrorHandler(async (error: FastifyError, _request, reply) => await reply.code(499).send({ mine: error.code })) } })
  const { app, scope, newToken } = host
  const { require } = scope.opaqueTokens
  scope.get('/own', { onRequest: require({ onRefused: (error, _request, reply) => reply.code(418).send({ mine: error.code }) }) }, async () => 'passed')
  scope.get('/throws', { onRequest: require({ onRefused: (error) => { throw error } }) }, async () => 'passed')
  scope.get('/silent', { onRequest: require({ onRefused: () => undefined }) }, async () => 'passed')
  scope.get('/undefined', { onRequest: require({ onRefused: async () => { throw undefined } }) }, async () => 'passed') // eslint-disable-line no-throw-literal -- a host may
  scope.get('/later', { onRequest: require({ onRefused: async (error, _request, reply) => { await reply.code(418).send({ mine: error.code }) } }) }, async () => 'passed')
  const good = await newToken()
  for (const token of ['', 'x', await unknownToken(host)]) {
    const ask = (url: string) => app.inject({ url, headers: { 'x-api-token': token } })
    const thrown = await ask('/throws')
    t.strictSame([thrown.statusCode, thrown.json()], [499, { mine: 'FDT_WRONG_TOKEN' }])
    t.not(thrown.headers['cache-control'], 'no-store', 'nothing of ours is left behind when it throws')
    for (const url of ['/own', '/later']) {
      const reply = await ask(url)
      t.strictSame([reply.statusCode, reply.json()], [418, { mine: 'FDT_WRONG_TOKEN' }], url)
    }
    t.strictSame((await ask('/undefined')).json(), { mine: 'FDT_WRONG_TOKEN' }, 'who throws nothing at all does not let anybody pass')
    t.strictSame(refusal(await ask('/silent')), WRONG, 'silence does not let anybody pass')
  }
  for (const url of ['/own', '/throws', '/silent', '/undefined', '/later']) t.equal((await app.inject({ url, headers: { 'x-api-token': good } })).body, 'passed', url)
})

inEveryHost(t, 'what onVerify throws is the host\'s, and what is no error lets nobody pass', async (t) => {
  let answer: () => unknown = () => undefined
  const { app, scope, open, newToken } = await opaqueHost(t, {
    flow: { onVerify: () => answer() },
    before: (scope) => { scope.setErrorHandler(async (error: FastifyError, _request, reply) => await reply.code(error.statusCode ?? 500).send({ mine: error.message })) }
  })
  const causes: unknown[] = []
  scope.get('/cause', { onRequest: scope.opaqueTokens.require({ onRefused: ({ cause }) => { causes.push(cause) } }) }, async () => 'passed')
  const token = await newToken(POSTED, '?max_uses=1')
  answer = () => { throw Object.assign(new Error('closed'), { statusCode: 418 }) }
  const thrown = await open(token)
  t.strictSame([thrown.statusCode, thrown.json()], [418, { mine: 'closed' }])
  for (const value of [undefined, null, 'text', 0, { statusCode: 200 }]) {
    answer = () => { throw value }
    t.strictSame(refusal(await open(token)), WRONG, String(value))
  }
  answer = () => { throw 'text' } // eslint-disable-line no-throw-literal -- a host may
  t.equal((await app.inject({ url: '/cause', headers: { 'x-api-token': token } })).statusCode, 403)
  t.strictSame(causes, ['text'])
  answer = async () => false
  t.strictSame(refusal(await open(token)), WRONG)
  answer = () => true
  t.equal((await open(token)).statusCode, 200, 'no use was spent before')
})

inEveryHost(t, 'beside another guard, by @fastify/auth, it leaves nothing behind', async (t) => {
  const { app, scope, newToken } = await opaqueHost(t)
  if (!scope.hasDecorator('auth')) await scope.register(auth)
  // Typed for hooks without `done`, which it gives all the same.
  const guard = scope.opaqueTokens.require({ onRefused: (error) => { throw error } }) as FastifyAuthFunction
  const other: FastifyAuthFunction = async ({ headers }) => { if (headers['x-other'] !== 'yes') throw Object.assign(new Error('not you'), { statusCode: 403 }) }
  scope.get('/either', { onRequest: scope.auth([guard, other]) }, async ({ opaqueToken }) => ({ file: opaqueToken?.parameters['file'] ?? null }))
  scope.get('/both', { onRequest: scope.auth([guard, other], { relation: 'and' }) }, async ({ opaqueToken }) => ({ file: opaqueToken?.parameters['file'] }))

  const reply = await app.inject({ url: '/either', headers: { 'x-other': 'yes', 'x-api-token': 'x' } })
  t.strictSame([reply.statusCode, reply.json()], [200, { file: null }])
  for (const header of ['www-authenticate', 'retry-after']) t.notOk(header in reply.headers, header)
  t.not(reply.headers['cache-control'], 'no-store')
  const headers = { 'x-api-token': await newToken() }
  t.strictSame((await app.inject({ url: '/either', headers })).json(), { file: 'fileId' })
  t.not((await app.inject('/either')).statusCode, 200)
  t.not((await app.inject({ url: '/both', headers })).statusCode, 200)
  t.strictSame((await app.inject({ url: '/both', headers: { ...headers, 'x-other': 'yes' } })).json(), { file: 'fileId' })
})

t.test('require throws at registration', async (t) => {
  const { tokens } = await opaqueHost(t)
  for (const options of [null, 1, 'x', () => {}, { onRefused: 'throw' }, { onRefused: null }, { header: 'x' }, { onrefused: () => {} }]) {
    t.throws(() => Reflect.apply(tokens.require, undefined, [options]), { code: 'FDT_INVALID_OPTION' }, JSON.stringify(options))
  }
  for (const options of [undefined, {}, { onRefused: undefined }, { onRefused: () => {} }]) t.type(Reflect.apply(tokens.require, undefined, [options]), 'function')
})

t.test('a guard of an object without a server', async (t) => {
  const { tokens } = await opaqueHost(t)
  const { token } = await tokens.issue({ parameters: { file: 'a' }, auth: 'acme' })
  const other = await opaqueHost(t, { flow: { tokens, store: undefined, pepper: undefined, now: undefined } })
  t.equal((await other.open(token)).statusCode, 200)
})
