// The host's own hooks: where they run, what they may do, and what a client that hangs up makes of them.
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { type FastifyInstance, type FastifyReply, type FastifyRequest, type HookHandlerDoneFunction } from 'fastify'
import t from 'tap'
import { createMemoryStore } from '../../../lib/stores/memory.ts'
import { brokerHost, PATH, refusal, refused } from '../../support/broker-host.ts'
import { until } from '../../support/example-server.ts'
import { faultyStore } from '../../support/faulty-store.ts'
import { inEveryHost } from '../../support/hosts.ts'
import { recordEvents } from '../../support/recorded-events.ts'
import { NOW } from '../../support/session-host.ts'

const wanted = ({ headers }: FastifyRequest) => headers['x-user'] === 'ada'

/** Ways in which hosts write a login, each of which refuses who is not `ada`. */
const logins: Record<string, unknown> = {
  'async, answers': async (request: FastifyRequest, reply: FastifyReply) => {
    if (!wanted(request)) return await reply.code(401).send({ mine: 'sign in' })
  },
  'async, answers with a redirect': async (request: FastifyRequest, reply: FastifyReply) => {
    if (!wanted(request)) return await reply.redirect('/login')
  },
  'async, throws': async (request: FastifyRequest) => {
    if (!wanted(request)) throw Object.assign(new Error('sign in'), { statusCode: 401 })
  },
  'callback, answers': (request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction) => {
    if (wanted(request)) done()
    else reply.code(401).send({ mine: 'sign in' })
  },
  'callback, fails': (request: FastifyRequest, _reply: FastifyReply, done: HookHandlerDoneFunction) => {
    done(wanted(request) ? undefined : Object.assign(new Error('sign in'), { statusCode: 401 }))
  }
}

for (const [name, login] of Object.entries(logins)) {
  inEveryHost(t, `a login hook: ${name}`, async (t) => {
    const { ask, asked } = await brokerHost(t, {
      before: (scope) => { scope.setErrorHandler(async (error: Error, _request, reply) => reply.code(499).send({ handled: error.message })) },
      flow: { onRequest: login, limits: { address: { max: 2 } } }
    })
    const reply = await ask()
    t.match([reply.statusCode, reply.body], name.endsWith('answers') ? [401, '{"mine":"sign in"}'] : name.endsWith('redirect') ? [302, ''] : [499, '{"handled":"sign in"}'], 'the answer is the host\'s')
    t.equal(reply.headers['cache-control'], 'no-store', 'T40')
    t.strictSame(asked, [])
    t.equal((await ask({ documentId: 'a' }, { 'x-user': 'ada' })).statusCode, 200)
    t.strictSame(refusal(await ask({ documentId: 'a' }, { 'x-user': 'ada' })), refused(429, 'Too many requests', { retryAfter: '60' }), 'a login that failed is counted')
    t.strictSame(asked, ['a'])
  })
}

inEveryHost(t, 'several hooks run in their order, behind the limit by address and before anything is read', async (t) => {
  const ran: string[] = []
  const hook = (name: string) => async () => { ran.push(name) }
  const { ask } = await brokerHost(t, {
    flow: { onRequest: [hook('first'), (_request: FastifyRequest, _reply: FastifyReply, done: HookHandlerDoneFunction) => { ran.push('second'); done() }, hook('third')], limits: { address: { max: 2 } } },
    authorize: async () => { ran.push('authorize'); return null }
  })
  await ask()
  t.strictSame(ran.splice(0), ['first', 'second', 'third', 'authorize'])
  await ask('{')
  t.strictSame(ran.splice(0), ['first', 'second', 'third'], 'the login does not depend on the body')
  t.equal((await ask()).statusCode, 429)
  t.strictSame(ran, [], 'one too many meets no login')
})

inEveryHost(t, 'the hooks are for this route alone, and not for its 405', async (t) => {
  let ran = 0
  const { app, scope, login } = await brokerHost(t, { flow: { onRequest: async () => { ran++ } } })
  t.equal((await app.inject({ url: PATH, headers: login })).statusCode, 405)
  t.equal((await app.inject({ url: '/documents/a' })).statusCode, 401)
  t.equal(ran, 0)
  t.ok(scope.sessionBroker)
})

inEveryHost(t, 'what the hooks find is there for authorize and limitKey', async (t) => {
  const users = new WeakMap<FastifyRequest, string>()
  const { ask } = await brokerHost(t, {
    flow: {
      onRequest: async (request: FastifyRequest) => { users.set(request, String(request.headers['x-user'])) },
      limitKey: (request: FastifyRequest) => users.get(request),
      limits: { user: { max: 2, timeWindow: 30_000 } }
    },
    authorize: async (request, { documentId }) => ({ subject: users.get(request), documents: [{ id: documentId, permissions: ['read'] }] })
  })
  const as = (user: string, body?: unknown) => ask(body, { 'x-user': user })
  const first = await as('ada')
  t.equal(first.headers['ratelimit-policy'], '"address";q=120;w=60, "user";q=2;w=30')
  t.equal(first.headers['ratelimit'], '"user";r=1;t=30')
  t.equal((await as('ada', '{')).statusCode, 400, 'counted before the body is read')
  t.strictSame(refusal(await as('ada')), refused(429, 'Too many requests', { retryAfter: '30' }))
  t.equal((await as('grace')).statusCode, 200, 'another user')
})

inEveryHost(t, 'limitKey that goes wrong', async (t) => {
  const keyed = async (limitKey: unknown) => (await brokerHost(t, {
    flow: { limitKey, limits: { user: { max: 1 } } },
    before: (scope) => { scope.setErrorHandler(async (error: Error, _request, reply) => reply.code(499).send({ handled: error.message })) }
  }))
  for (const [name, value] of Object.entries({ undefined, null: null, object: {}, promise: Promise.resolve('ada'), symbol: Symbol('a'), NaN })) {
    const { ask } = await keyed(() => value)
    t.strictSame([(await ask()).statusCode, (await ask()).statusCode], [200, 429], `${name} is one and the same user`)
  }
  const { ask, asked } = await keyed(() => { throw new Error('who is it?') })
  const reply = await ask()
  t.strictSame([reply.statusCode, reply.json()], [499, { handled: 'who is it?' }])
  t.strictSame(asked, [])
  const { ask: unprintable } = await keyed(() => ({ toString () { throw new Error('not told') } }))
  t.equal((await unprintable()).statusCode, 499)
  const { ask: long } = await keyed(() => 'x'.repeat(1_000_000))
  t.strictSame([(await long()).statusCode, (await long()).statusCode], [200, 429])
})

inEveryHost(t, 'a store that fails between the two limits (T36)', async (t) => {
  const { store, fault } = faultyStore(createMemoryStore({ now: () => NOW }))
  const { ask, asked } = await brokerHost(t, { store, flow: { limitKey: () => { fault.error = new Error('lost'); return 'ada' } } })
  t.strictSame(refusal(await ask()), refused(503, 'The token store is unavailable', { retryAfter: '1' }))
  t.strictSame(asked, [])
})

inEveryHost(t, 'limits can be turned off, and hold for addresses (T18)', async (t) => {
  const { ask } = await brokerHost(t, { flow: { limits: { address: false, user: false }, limitKey: () => 'ada' } })
  for (let turn = 0; turn < 130; turn++) {
    const reply = await ask({})
    if (reply.statusCode !== 400 || reply.headers['ratelimit'] !== undefined) t.fail(`${turn}: ${reply.statusCode}`)
  }

  const events = recordEvents(t)
  const { app, login } = await brokerHost(t, { flow: { limits: { address: { max: 1 } } } })
  const from = (remoteAddress: string) => app.inject({ method: 'POST', url: PATH, remoteAddress, headers: { 'content-type': 'application/json', 'sec-fetch-site': 'same-origin', ...login }, payload: '{}' })
  t.strictSame([(await from('192.0.2.1')).statusCode, (await from('::ffff:192.0.2.1')).statusCode, (await from('192.0.2.2')).statusCode], [400, 429, 400])
  t.strictSame([(await from('2001:db8::1')).statusCode, (await from('2001:db8::2')).statusCode], [400, 429])
  t.match(events().filter(([event]) => event === 'limited').map(([, told]) => told), [{ flow: 'session-broker', policy: 'address', route: `POST ${PATH}` }, { policy: 'address' }])
})

// ---- who hangs up -------------------------------------------------------------------------

const HOLD = 40

const holds: Record<string, (app: FastifyInstance) => void> = {
  'an async onSend hook': (app) => { app.addHook('onSend', async (_request, _reply, payload) => { await sleep(HOLD); return payload }) },
  'no onSend hook': () => {}
}

const stages = ['onRequest', 'preParsing', 'preValidation', 'preHandler'] as const

for (const [name, hold] of Object.entries(holds)) {
  inEveryHost(t, `hanging up on a login that refuses gets nobody to authorize: ${name}`, async (t) => {
    const refusals: string[] = []
    const refuse = async (request: FastifyRequest, reply: FastifyReply) => {
      if (wanted(request)) return
      refusals.push(String(request.headers['x-stage']))
      return await reply.code(401).send({ mine: 'sign in' })
    }
    const { app, ask, asked, login } = await brokerHost(t, {
      before: (scope) => {
        hold(scope)
        // A host may have its login at any of these, around the flow.
        for (const stage of stages) scope.addHook(stage, async (request: FastifyRequest, reply: FastifyReply) => { if (request.headers['x-stage'] === stage) return await refuse(request, reply) })
      },
      flow: { onRequest: async (request: FastifyRequest, reply: FastifyReply) => { if (request.headers['x-stage'] === 'option') return await refuse(request, reply) } }
    })
    const closed: Array<Promise<unknown>> = []
    app.server.on('connection', (socket) => { closed.push(new Promise((resolve) => { socket.once('close', resolve) })) })
    const { port } = new URL(await app.listen({ port: 0, host: '127.0.0.1' }))
    const cookie = login['cookie'] === undefined ? '' : `Cookie: ${login['cookie']}\r\n`

    for (const stage of [...stages, 'option']) {
      const before = refusals.length
      const socket = connect(Number(port), '127.0.0.1')
      t.teardown(() => socket.destroy())
      socket.on('error', () => {})
      socket.write(`POST ${PATH} HTTP/1.1\r\nHost: x\r\n${cookie}Sec-Fetch-Site: same-origin\r\nX-Stage: ${stage}\r\nContent-Type: application/json\r\nContent-Length: 18\r\n\r\n{"documentId":"a"}`)
      await until(() => refusals.length > before)
      socket.resetAndDestroy()
      await Promise.all(closed.splice(0))
      await sleep(HOLD * 2)
      t.strictSame(asked, [], stage)
    }
    for (const stage of [...stages, 'option']) t.equal((await ask({ documentId: 'a' }, { 'x-stage': stage })).statusCode, 401, `${stage}: who stays gets an answer`)
    t.equal((await ask({ documentId: 'a' }, { 'x-stage': 'preHandler', 'x-user': 'ada' })).statusCode, 200)
  })
}
