import t from 'tap'
import { UnsupportedFormatError } from '../../../lib/errors.ts'
import { createKeyRing, generateKey } from '../../../lib/keys/index.ts'
import { createMemoryStore } from '../../../lib/stores/memory.ts'
import { createDocumentSessions } from '../../../plugins/session-issuance/index.ts'
import { callerOf } from '../../../plugins/shared/callers.ts'
import { inEveryHost } from '../../support/hosts.ts'
import { ISSUER, post, refusal, sessionHost } from '../../support/session-host.ts'

inEveryHost(t, 'in a host with parsers, validators, serializers and an error handler of its own', async (t) => {
  const { app, create, revoke } = await sessionHost(t, {
    before: (app) => {
      app.removeAllContentTypeParsers()
      app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_request, _body, done) => { done(null, { allowed_documents: [] }) })
      app.addContentTypeParser('*', (_request, _payload, done) => { done(null, {}) })
      app.setValidatorCompiler(() => () => true)
      app.setSerializerCompiler(() => () => '"mine"')
      app.setReplySerializer(() => 'mine')
      app.setErrorHandler(async (_error, _request, reply) => reply.code(499).send('mine'))
      app.post('/mine', async (request) => request.body)
    }
  })
  const reply = await create({ allowed_documents: [{ document_id: 'a' }] })
  t.equal(reply.statusCode, 201)
  t.type(reply.json().jwt, 'string')
  t.strictSame(refusal(await create({ exp: 'x' })), { status: 400, code: 'FST_ERR_VALIDATION', challenge: undefined, cache: 'no-store', complete: true })
  t.equal((await post(app, '/viewer/sessions', {}, { 'content-type': 'application/x-www-form-urlencoded' })).statusCode, 401)
  t.equal((await create('{}', { 'content-type': 'application/x-www-form-urlencoded' })).statusCode, 415, 'the host\'s parsers stay outside')
  t.equal((await revoke({ jwt: reply.json().jwt })).statusCode, 204)

  const own = await app.inject({ method: 'POST', url: '/mine', headers: { 'content-type': 'application/x-www-form-urlencoded' }, payload: 'a=b' })
  t.equal(own.body, 'mine', 'and ours inside')
  t.equal(refusal(await app.inject({ url: '/documents/a' })).code, 'FDT_MISSING_TOKEN')
})

inEveryHost(t, 'what a hook of the host throws is for the host\'s error handler', async (t) => {
  const { create } = await sessionHost(t, {
    before: (app) => {
      app.addHook('onRequest', async ({ headers }) => { if (headers['x-fail'] === 'yes') throw Object.assign(new Error('login first'), { statusCode: 418, code: 'FST_JWT_NO_AUTHORIZATION_IN_HEADER' }) })
      app.setErrorHandler(async (error: Error, _request, reply) => reply.code(499).send(`mine: ${error.message}`))
    }
  })
  const reply = await create({}, { 'x-fail': 'yes' })
  t.equal(reply.statusCode, 499)
  t.equal(reply.body, 'mine: login first')
  t.equal((await create({})).statusCode, 201)
})

t.test('what a hook of the host throws is answered as by Fastify, where the host has no error handler', async (t) => {
  for (const [statusCode, name] of [[401, 'Unauthorized'], [418, 'I\'m a Teapot'], [429, 'Too Many Requests'], [503, 'Service Unavailable']] as const) {
    for (const code of [undefined, 'HOST_SAYS_NO', 'FST_JWT_NO_AUTHORIZATION_IN_HEADER']) {
      const thrown = Object.assign(new Error('not like this'), { statusCode, ...(code !== undefined && { code }) })
      const { app, create } = await sessionHost(t, { before: (app) => { app.addHook('onRequest', async () => { throw thrown }) } })
      const reply = await create({})
      t.strictSame([reply.statusCode, reply.json()], [statusCode, { statusCode, ...(code !== undefined && { code }), error: name, message: 'not like this' }], String(code))
      t.equal(reply.body, (await app.inject('/documents/a')).body)
    }
  }
})

inEveryHost(t, 'what a hook of the host throws and is no error is no answer', async (t) => {
  for (const thrown of ['let them in', { statusCode: 200, jwt: 'mine' }, 0, undefined]) {
    const { create } = await sessionHost(t, { before: (app) => { app.addHook('preValidation', async () => { throw thrown }) } })
    const reply = await create({})
    t.equal(reply.statusCode, 500, String(thrown))
    t.notMatch(reply.body, /let them in|mine/)
  }
})

inEveryHost(t, 'an error of ours that is the server\'s fault is logged, and answered with its code', async (t) => {
  const lines: string[] = []
  const { app } = await sessionHost(t, {
    flow: { credentials: { find: async () => { throw new UnsupportedFormatError('2') } } },
    server: { logger: { level: 'info', stream: { write: (line: string) => { lines.push(line) } } } }
  })
  const reply = await post(app, '/viewer/sessions', {}, { 'x-api-key': 'some-key-of-somebody-that-is-long-enough' })
  t.strictSame(refusal(reply), { status: 500, code: 'FDT_UNSUPPORTED_FORMAT', challenge: undefined, cache: 'no-store', complete: true })
  t.ok(lines.some((line) => JSON.parse(line).level === 50 && line.includes('FDT_UNSUPPORTED_FORMAT')))

  await app.inject('/documents/a')
  const { level, code, err, msg } = JSON.parse(String(lines.find((line) => line.includes('FDT_MISSING_TOKEN'))))
  t.strictSame({ level, code, err, msg }, { level: 30, code: 'FDT_MISSING_TOKEN', err: undefined, msg: 'request refused' }, 'what is the caller\'s fault is logged by its code alone')
})

inEveryHost(t, 'nobody is the caller of a request that was not authenticated', async (t) => {
  const { app, scope } = await sessionHost(t)
  scope.get('/caller', async (request) => callerOf(request))
  t.equal((await app.inject('/caller')).statusCode, 401)
})

t.test('a ring that fails is not an unknown session', async (t) => {
  const ring = createKeyRing([{ key: await generateKey('ES256') }])
  const other = await createDocumentSessions({ issuer: ISSUER, keys: createKeyRing([{ key: await generateKey('ES256') }]), store: createMemoryStore() })
  const sessions = await createDocumentSessions({ issuer: ISSUER, keys: { ...ring, refresh: async () => { throw new TypeError('broken') } }, store: createMemoryStore() })
  const { token } = await other.issue({ documents: [] })
  await t.rejects(sessions.revoke(token), { name: 'TypeError' })
  await t.rejects(sessions.verify(token), { name: 'TypeError' })
})
