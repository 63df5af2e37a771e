// Who may ask at all: the host's own hooks, limits, and whose page it is (T17).
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { type FastifyInstance, type FastifyReply, type FastifyRequest, type HookHandlerDoneFunction } from 'fastify'
import t from 'tap'
import { createMemoryStore } from '../../../lib/stores/memory.ts'
import { askingPages, attemptsOf } from '../../support/asking-pages.ts'
import { AUTHORIZATION, CONFIG_PATH, editorFront, EXPLAIN_PATH, METHOD_PATH, refusal, refused } from '../../support/editor-front.ts'
import { NOW } from '../../support/editor-tokens.ts'
import { until } from '../../support/example-server.ts'
import { faultyStore } from '../../support/faulty-store.ts'
import { inEveryHost } from '../../support/hosts.ts'
import { recordEvents } from '../../support/recorded-events.ts'

const PATHS = [CONFIG_PATH, METHOD_PATH, EXPLAIN_PATH]
const bodyFor = (url: string) => url === EXPLAIN_PATH ? { token: 'x' } : {}
const FOREIGN = refused(403, 'FDT_FOREIGN_ORIGIN')
const LIMITED = refused(429, 'FDT_RATE_LIMITED', undefined, { retryAfter: '60' })

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

const handled = (scope: FastifyInstance) => { scope.setErrorHandler(async (error: Error, _request, reply) => reply.code(499).send({ handled: error.message })) }

for (const [name, login] of Object.entries(logins)) {
  inEveryHost(t, `a login hook: ${name}`, async (t) => {
    for (const url of PATHS) {
      const { ask, asked } = await editorFront(t, { before: handled, flow: { onRequest: login, limits: { address: { max: 2 } } } })
      const reply = await ask(bodyFor(url), {}, url)
      t.match([reply.statusCode, reply.body], name.endsWith('answers') ? [401, '{"mine":"sign in"}'] : name.endsWith('redirect') ? [302, ''] : [499, '{"handled":"sign in"}'], 'the answer is the host\'s')
      t.equal(reply.headers['cache-control'], 'no-store', 'T40')
      t.strictSame(asked(), [])
      t.equal((await ask(bodyFor(url), { 'x-user': 'ada' }, url)).statusCode, 200)
      t.strictSame(refusal(await ask(bodyFor(url), { 'x-user': 'ada' }, url)), LIMITED, 'a login that failed is counted')
      t.equal(asked().length, 1)
    }
  })
}

inEveryHost(t, 'several hooks run in their order, behind the limit by address and before anything is read', async (t) => {
  const ran: string[] = []
  const hook = (name: string) => async () => { ran.push(name) }
  const { ask } = await editorFront(t, {
    flow: { onRequest: [hook('first'), (_request: FastifyRequest, _reply: FastifyReply, done: HookHandlerDoneFunction) => { ran.push('second'); done() }, hook('third')], limits: { address: { max: 2 } } },
    config: () => { ran.push('authorize'); return null }
  })
  await ask()
  t.strictSame(ran.splice(0), ['first', 'second', 'third', 'authorize'])
  await ask('{')
  t.strictSame(ran.splice(0), ['first', 'second', 'third'], 'the login does not depend on the body')
  t.equal((await ask()).statusCode, 429)
  t.strictSame(ran, [], 'one too many meets no login')
})

inEveryHost(t, 'what the hooks find is there for authorize, tenant and limitKey', async (t) => {
  const users = new WeakMap<FastifyRequest, string>()
  const userOf = (request: FastifyRequest) => users.get(request)
  const tenants: unknown[] = []
  const { ask } = await editorFront(t, {
    flow: {
      onRequest: async (request: FastifyRequest) => { users.set(request, String(request.headers['x-user'])) },
      limitKey: userOf,
      limits: { user: { max: 2, timeWindow: 30_000 } },
      inbox: () => 'k3PzV9wQe7LxT1bN6mYc4RfH8sUj2GdA',
      outbox: undefined,
      tenant: (request: FastifyRequest) => { tenants.push(userOf(request)); return 'acme' }
    },
    config: (request) => ({ ...AUTHORIZATION, editorConfig: { ...AUTHORIZATION.editorConfig, user: { id: userOf(request) } } })
  })
  const as = (user: string, body?: unknown) => ask(body, { 'x-user': user })
  const first = await as('ada')
  t.equal(first.json().editorConfig.user.id, 'ada')
  t.strictSame(tenants, ['ada'])
  t.equal(first.headers['ratelimit-policy'], '"address";q=120;w=60, "user";q=2;w=30')
  t.equal(first.headers['ratelimit'], '"user";r=1;t=30')
  t.equal((await as('ada', '{')).statusCode, 400, 'counted before the body is read')
  t.strictSame(refusal(await as('ada')), refused(429, 'FDT_RATE_LIMITED', undefined, { retryAfter: '30' }))
  t.equal((await as('grace')).statusCode, 200, 'another user')
})

inEveryHost(t, 'a store that fails between the two limits (T36)', async (t) => {
  const { store, fault } = faultyStore(createMemoryStore({ now: () => NOW }))
  const { ask, asked } = await editorFront(t, { store, flow: { limitKey: () => { fault.error = new Error('lost'); return 'ada' } } })
  t.strictSame(refusal(await ask()), refused(503, 'FDT_STORE_UNAVAILABLE', undefined, { retryAfter: '1' }))
  t.strictSame(asked(), [])
})

inEveryHost(t, 'limits count all routes of the flow together, can be turned off, and hold for addresses (T18)', async (t) => {
  const { ask } = await editorFront(t, { flow: { limits: { address: { max: 3 } } } })
  const statuses = []
  for (const url of [...PATHS, ...PATHS]) statuses.push((await ask(bodyFor(url), {}, url)).statusCode)
  t.strictSame(statuses, [200, 200, 200, 429, 429, 429])

  const { ask: unlimited } = await editorFront(t, { flow: { limits: { address: false, user: false }, limitKey: () => 'ada' } })
  for (let turn = 0; turn < 130; turn++) {
    const reply = await unlimited([])
    if (reply.statusCode !== 400 || reply.headers['ratelimit'] !== undefined) t.fail(`${turn}: ${reply.statusCode}`)
  }

  const events = recordEvents(t)
  const { app, login } = await editorFront(t, { flow: { limits: { address: { max: 1 } } } })
  const from = (remoteAddress: string) => app.inject({ method: 'POST', url: CONFIG_PATH, remoteAddress, headers: { 'content-type': 'application/json', 'sec-fetch-site': 'same-origin', ...login }, payload: '[]' })
  t.strictSame([(await from('192.0.2.1')).statusCode, (await from('::ffff:192.0.2.1')).statusCode, (await from('192.0.2.2')).statusCode], [400, 429, 400])
  t.strictSame([(await from('2001:db8::1')).statusCode, (await from('2001:db8::2')).statusCode], [400, 429])
  t.match(events().filter(([event]) => event === 'limited').map(([, told]) => told), [{ flow: 'config-signing', policy: 'address', route: `POST ${CONFIG_PATH}` }, { policy: 'address' }])
})

// ---- whose page it is (T17) ---------------------------------------------------------------

// Where files are kept is not where pages are.
const pages = askingPages(['https://app.example', 'http://127.0.0.1:8080'], ['https://files.example'])

inEveryHost(t, 'Origin × Sec-Fetch-Site × cookie, at every route (T17)', async (t) => {
  const { ask, asked, login } = await editorFront(t, { flow: { trustedOrigins: ['https://app.example', 'http://127.0.0.1:8080'], limits: { address: false } } })
  for (const url of PATHS) {
    for (const page of pages) {
      const { name, origin, site } = page
      for (const [kind, passes, cookie] of attemptsOf(page, login)) {
        const reply = await ask(bodyFor(url), { origin, 'sec-fetch-site': site, cookie }, url)
        if (passes) t.equal(reply.statusCode, 200, `${url}, ${name}, ${kind}`)
        else t.strictSame(refusal(reply), FOREIGN, `${url}, ${name}, ${kind}`)
        t.equal(asked().length, Number(passes), `${url}, ${name}, ${kind}: authorize`)
      }
    }
  }
})

inEveryHost(t, 'no origin is trusted that is not named: neither Host nor X-Forwarded-* makes one (T19)', async (t) => {
  const { ask } = await editorFront(t, { server: { trustProxy: '127.0.0.1' } })
  for (const origin of ['https://app.example', 'https://files.example', 'https://evil.test', 'http://localhost:80']) {
    const { host } = new URL(origin)
    t.strictSame(refusal(await ask({}, { 'sec-fetch-site': undefined, origin, host, 'x-forwarded-host': host, 'x-forwarded-proto': 'https', forwarded: `host=${host};proto=https` })), FOREIGN, origin)
  }
})

inEveryHost(t, 'what a form of another site can send is refused for its type and its origin', async (t) => {
  const { ask, asked, login } = await editorFront(t)
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x']) {
    t.equal((await ask('{}', { 'content-type': type, 'sec-fetch-site': 'cross-site', origin: 'https://evil.test' })).statusCode, 403, type)
    t.equal((await ask('{}', { 'content-type': type })).statusCode, 415, type)
    if (login['cookie'] === undefined) t.equal((await ask('{}', { 'content-type': type, 'sec-fetch-site': undefined, authorization: 'Basic YTpi' })).statusCode, 415, `${type}, with a password that the browser keeps`)
  }
  t.strictSame(asked(), [])
})

inEveryHost(t, 'a page of another site costs the user no more than the limit by address', async (t) => {
  const { ask } = await editorFront(t, { flow: { limitKey: () => 'ada', limits: { user: { max: 1 } } } })
  for (let turn = 0; turn < 3; turn++) t.equal((await ask({}, { 'sec-fetch-site': 'cross-site', origin: 'https://evil.test' })).statusCode, 403)
  t.equal((await ask()).statusCode, 200, 'the user\'s own is left')
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
    const { app, ask, asked, login } = await editorFront(t, {
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

    for (const url of PATHS) {
      const body = JSON.stringify(bodyFor(url))
      for (const stage of [...stages, 'option']) {
        const before = refusals.length
        const socket = connect(Number(port), '127.0.0.1')
        t.teardown(() => socket.destroy())
        socket.on('error', () => {})
        socket.write(`POST ${url} HTTP/1.1\r\nHost: x\r\n${cookie}Sec-Fetch-Site: same-origin\r\nX-Stage: ${stage}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
        await until(() => refusals.length > before)
        socket.resetAndDestroy()
        await Promise.all(closed.splice(0))
        await sleep(HOLD * 2)
        t.strictSame(asked(), [], `${url}, ${stage}`)
      }
      for (const stage of [...stages, 'option']) t.equal((await ask(bodyFor(url), { 'x-stage': stage }, url)).statusCode, 401, `${stage}: who stays gets an answer`)
      t.equal((await ask(bodyFor(url), { 'x-stage': 'preHandler', 'x-user': 'ada' }, url)).statusCode, 200)
      asked()
    }
  })
}
