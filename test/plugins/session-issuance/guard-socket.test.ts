// Over real sockets: what a client that hangs up can do. `app.inject` does not show it.
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { type FastifyInstance, type FastifyReply } from 'fastify'
import { HOLD, hangUp } from '../../support/hang-up.ts'
import { inEveryHost } from '../../support/hosts.ts'
import { sessionHost } from '../../support/session-host.ts'

async function guardedHost (t: Test, hold: (app: FastifyInstance) => void) {
  const ran: string[] = []
  const { app, scope, sessions } = await sessionHost(t, { before: hold })
  const own = { param: 'id', onRefused: (_error: Error, _request: unknown, reply: FastifyReply) => reply.redirect('/login') } as const
  for (const method of ['GET', 'PUT', 'POST', 'DELETE'] as const) {
    const handler = async () => { ran.push(method); return 'ran' }
    scope.route({ method, url: '/on-request/:id', onRequest: sessions.require('write', { param: 'id' }), handler })
    scope.route({ method, url: '/pre-handler/:id', preHandler: sessions.require('write', { param: 'id' }), handler })
    scope.route({ method, url: '/on-refused/:id', onRequest: sessions.require('write', own), handler })
  }
  const { port } = new URL(await app.listen({ port: 0, host: '127.0.0.1' }))
  return { port: Number(port), ran }
}

const holds: Record<string, (app: FastifyInstance) => void> = {
  'an async onSend hook': (app) => { app.addHook('onSend', async (_request, _reply, payload) => { await sleep(HOLD); return payload }) },
  'an onSend hook with a callback': (app) => { app.addHook('onSend', (_request, _reply, payload, done) => { setTimeout(() => { done(null, payload) }, HOLD) }) },
  'no onSend hook': () => {}
}

for (const [name, hold] of Object.entries(holds)) {
  inEveryHost(t, `hanging up does not open the guard: ${name}`, async (t) => {
    const uncaught: unknown[] = []
    const note = (error: unknown) => { uncaught.push(error) }
    process.on('uncaughtException', note)
    t.teardown(() => { process.off('uncaughtException', note) })

    const { port, ran } = await guardedHost(t, hold)
    for (const path of ['/on-request/a', '/pre-handler/a', '/on-refused/a']) {
      await Promise.all(['GET', 'PUT', 'POST', 'DELETE'].flatMap((method) => ['', 'Authorization: Bearer junk\r\n'].map(async (header) => {
        const body = method === 'PUT' || method === 'POST' ? 'Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}' : '\r\n'
        await hangUp(port, `${method} ${path} HTTP/1.1\r\nHost: x\r\n${header}${body}`)
      })))
      t.strictSame(ran, [], path)
    }
    t.strictSame(uncaught, [])

    const reply = await fetch(`http://127.0.0.1:${port}/on-request/a`)
    t.equal(reply.status, 401, 'who stays gets an answer')
    t.match(await reply.json(), { code: 'FDT_MISSING_TOKEN' })
    const redirected = await fetch(`http://127.0.0.1:${port}/on-refused/a`, { redirect: 'manual' })
    t.equal(redirected.status, 302)
    t.equal(redirected.headers.get('location'), '/login')
    t.equal(redirected.headers.get('www-authenticate'), null, 'the host\'s own answer is the host\'s alone')
  })
}

inEveryHost(t, 'hanging up does not get a good session past what the host has refused', async (t) => {
  const ran: string[] = []
  const { app, scope, sessions } = await sessionHost(t, { before: (app) => { app.addHook('onSend', async (_request, _reply, payload) => { await sleep(HOLD); return payload }) } })
  const refuse = async (_request: unknown, reply: FastifyReply) => reply.code(401).send({ message: 'log in' })
  scope.get('/on-request/:id', { onRequest: [refuse, sessions.require('read', { param: 'id' })] }, async () => { ran.push('on-request') })
  scope.get('/pre-handler/:id', { onRequest: refuse, preHandler: sessions.require('read', { param: 'id' }) }, async () => { ran.push('pre-handler') })
  const { port } = new URL(await app.listen({ port: 0, host: '127.0.0.1' }))

  const { token } = await sessions.issue({ subject: 'ada', documents: [{ id: 'a', permissions: ['read'] }] })
  for (const path of ['/on-request/a', '/pre-handler/a']) {
    await hangUp(Number(port), `GET ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n\r\n`)
    t.strictSame(ran, [], path)
  }
})
