// Over real sockets: what a client that hangs up can do. `app.inject` does not show it.
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { type FastifyInstance, type FastifyReply } from 'fastify'
import { HOLD, hangUp } from '../../support/hang-up.ts'
import { inEveryHost } from '../../support/hosts.ts'
import { opaqueHost, POSTED, WRONG_TOKEN } from '../../support/opaque-host.ts'
import { recordEvents } from '../../support/recorded-events.ts'

function holdBack (app: FastifyInstance): void {
  app.addHook('onSend', async (_request, _reply, payload) => { await sleep(HOLD); return payload })
}

async function portOf (app: FastifyInstance): Promise<number> {
  return Number(new URL(await app.listen({ port: 0, host: '127.0.0.1' })).port)
}

function watchUncaught (t: Test): unknown[] {
  const uncaught: unknown[] = []
  const note = (error: unknown) => { uncaught.push(error) }
  process.on('uncaughtException', note)
  t.teardown(() => { process.off('uncaughtException', note) })
  return uncaught
}

const holds: Record<string, (app: FastifyInstance) => void> = {
  'an async onSend hook': holdBack,
  'an onSend hook with a callback': (app) => { app.addHook('onSend', (_request, _reply, payload, done) => { setTimeout(() => { done(null, payload) }, HOLD) }) },
  'no onSend hook': () => {}
}

for (const [name, hold] of Object.entries(holds)) {
  inEveryHost(t, `hanging up does not open the guard: ${name}`, async (t) => {
    const ran: string[] = []
    const uncaught = watchUncaught(t)
    const { app, scope } = await opaqueHost(t, { before: hold })
    const own = { onRefused: (_error: Error, _request: unknown, reply: FastifyReply) => reply.redirect('/login') }
    for (const method of ['GET', 'POST'] as const) {
      const handler = async () => { ran.push(method); return 'ran' }
      scope.route({ method, url: '/on-request', onRequest: scope.opaqueTokens.require(), handler })
      scope.route({ method, url: '/pre-handler', preHandler: scope.opaqueTokens.require(), handler })
      scope.route({ method, url: '/on-refused', onRequest: scope.opaqueTokens.require(own), handler })
    }
    const port = await portOf(app)
    for (const path of ['/on-request', '/pre-handler', '/on-refused']) {
      await Promise.all(['GET', 'POST'].flatMap((method) => ['', 'X-API-Token: junk\r\n'].map(async (header) => {
        const body = method === 'POST' ? 'Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}' : '\r\n'
        await hangUp(port, `${method} ${path} HTTP/1.1\r\nHost: x\r\n${header}${body}`)
      })))
      t.strictSame(ran, [], path)
    }
    t.strictSame(uncaught, [])
    const reply = await fetch(`http://127.0.0.1:${port}/on-request`)
    t.strictSame([reply.status, await reply.json()], [403, WRONG_TOKEN.body], 'who stays gets an answer')
    t.equal((await fetch(`http://127.0.0.1:${port}/on-refused`, { redirect: 'manual' })).headers.get('location'), '/login')
  })
}

inEveryHost(t, 'hanging up does not get a good token past what the host has refused', async (t) => {
  const ran: string[] = []
  const { app, scope, newToken, verify } = await opaqueHost(t, { before: holdBack })
  const refuse = async (_request: unknown, reply: FastifyReply) => reply.code(401).send({ message: 'log in' })
  scope.get('/on-request', { onRequest: [refuse, scope.opaqueTokens.require()] }, async () => { ran.push('on-request') })
  scope.get('/pre-handler', { onRequest: refuse, preHandler: scope.opaqueTokens.require() }, async () => { ran.push('pre-handler') })
  const token = await newToken(POSTED, '?max_uses=1')
  const port = await portOf(app)
  for (const path of ['/on-request', '/pre-handler']) {
    await hangUp(port, `GET ${path} HTTP/1.1\r\nHost: x\r\nX-API-Token: ${token}\r\n\r\n`)
    t.strictSame(ran, [], path)
  }
  t.equal((await verify(token)).statusCode, 200, 'and no use was spent')
})

const stages = ['onRequest', 'preParsing', 'preValidation', 'preHandler'] as const

for (const stage of stages) {
  inEveryHost(t, `nor is a use spent at /verify behind a hook of the host's that has refused: ${stage}`, async (t) => {
    let isClosed = false
    const refuse = async (_request: unknown, reply: FastifyReply) => { if (isClosed) await reply.code(401).send({ message: 'log in' }) }
    const { app, newToken, verify } = await opaqueHost(t, {
      before: (scope) => {
        scope.addHook('onRoute', (route) => {
          if (route.url === '/verify') Object.assign(route, { [stage]: [Reflect.get(route, stage) ?? [], refuse].flat() })
        })
        holdBack(scope)
      }
    })
    const token = await newToken(POSTED, '?max_uses=1')
    const port = await portOf(app)
    const events = recordEvents(t)
    isClosed = true
    for (const request of ['GET /verify HTTP/1.1\r\nHost: x\r\n', 'POST /verify HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n']) await hangUp(port, `${request}X-API-Token: ${token}\r\n\r\n`)
    t.strictSame(events(), [])
    isClosed = false
    t.equal((await verify(token)).statusCode, 200)
  })
}
