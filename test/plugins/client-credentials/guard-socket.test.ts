// Over real sockets: what a client that hangs up can do, and headers that come twice. `app.inject` does not show it.
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { type FastifyInstance, type FastifyReply } from 'fastify'
import { HOLD, hangUp } from '../../support/hang-up.ts'
import { inEveryHost } from '../../support/hosts.ts'
import { ISSUER, oauthHost } from '../../support/oauth-host.ts'
import { lastAnswer, sendRaw } from '../../support/raw-connection.ts'
import { recordEvents } from '../../support/recorded-events.ts'

const METADATA = `resource_metadata="${ISSUER}/.well-known/oauth-protected-resource"`

async function urlOf (app: FastifyInstance): Promise<string> {
  return await app.listen({ port: 0, host: '127.0.0.1' })
}

function holdBack (app: FastifyInstance): void {
  app.addHook('onSend', async (_request, _reply, payload) => { await sleep(HOLD); return payload })
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
    const { app, scope } = await oauthHost(t, { before: hold })
    const own = { onRefused: (_error: Error, _request: unknown, reply: FastifyReply) => reply.redirect('/login') }
    for (const method of ['GET', 'POST'] as const) {
      const handler = async () => { ran.push(method); return 'ran' }
      scope.route({ method, url: '/on-request', onRequest: scope.accessTokens.require('api.read'), handler })
      scope.route({ method, url: '/pre-handler', preHandler: scope.accessTokens.require('api.read'), handler })
      scope.route({ method, url: '/on-refused', onRequest: scope.accessTokens.require('api.read', own), handler })
    }
    const url = await urlOf(app)
    const port = Number(new URL(url).port)
    await Promise.all(['/on-request', '/pre-handler', '/on-refused'].flatMap((path) => ['GET', 'POST'].flatMap((method) => ['', 'Authorization: Bearer junk\r\n', 'Authorization: DPoP junk\r\nDPoP: junk\r\n'].map(async (header) => {
      const body = method === 'POST' ? 'Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}' : '\r\n'
      await hangUp(port, `${method} ${path} HTTP/1.1\r\nHost: x\r\n${header}${body}`)
    }))))
    t.strictSame(ran, [])
    t.strictSame(uncaught, [])
    const reply = await fetch(`${url}/on-request`)
    t.strictSame([reply.status, await reply.json()], [401, { error: 'invalid_token', error_description: 'Invalid token' }], 'who stays gets an answer')
    const redirected = await fetch(`${url}/on-refused`, { redirect: 'manual' })
    t.strictSame([redirected.status, redirected.headers.get('location'), redirected.headers.get('www-authenticate')], [302, '/login', null])
  })
}

inEveryHost(t, 'hanging up does not get a good token past what the host has refused', async (t) => {
  const ran: string[] = []
  const { app, scope, tokens, id } = await oauthHost(t, { before: holdBack })
  const refuse = async (_request: unknown, reply: FastifyReply) => reply.code(401).send({ message: 'log in' })
  scope.get('/on-request', { onRequest: [refuse, scope.accessTokens.require('api.read')] }, async () => { ran.push('on-request') })
  scope.get('/pre-handler', { onRequest: refuse, preHandler: scope.accessTokens.require('api.read') }, async () => { ran.push('pre-handler') })
  const { token } = await tokens.issue({ client: { id } })
  const port = Number(new URL(await urlOf(app)).port)
  const events = recordEvents(t)
  for (const path of ['/on-request', '/pre-handler']) await hangUp(port, `GET ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n\r\n`)
  t.strictSame(ran, [])
  t.strictSame(events(), [])
})

inEveryHost(t, 'one token in one header, once', async (t) => {
  const { app, tokens, id } = await oauthHost(t)
  const { token } = await tokens.issue({ client: { id } })
  const url = await urlOf(app)
  const cases: Array<[name: string, lines: string[], status: number, challenge?: string]> = [
    ['one', [`Authorization: Bearer ${token}`], 200],
    ['white space around it', [`aUTHORIZATION:  Bearer ${token}  `], 200],
    ['the same twice', [`Authorization: Bearer ${token}`, `Authorization: Bearer ${token}`], 400, 'invalid_request'],
    ['two tokens', [`Authorization: Bearer ${token}`, 'authorization: Bearer x'], 400, 'invalid_request'],
    ['one, and another scheme', [`Authorization: Bearer ${token}`, 'Authorization: Basic eDp5'], 400, 'invalid_request'],
    ['one, and an empty one', [`Authorization: Bearer ${token}`, 'Authorization:'], 400, 'invalid_request'],
    ['two schemes', [`Authorization: Bearer ${token}`, `Authorization: DPoP ${token}`], 400, 'invalid_request'],
    ['behind another scheme, where Node.js does not see it', ['Authorization: Basic eDp5', `Authorization: Bearer ${token}`], 401],
    ['with a byte that is no ASCII (T33)', [`Authorization: Bearer ${token}\xe9`], 401, 'invalid_token'],
    ['quotes and a scheme (T33)', ['Authorization: Bearer x", error="none', 'X: y'], 401, 'invalid_token']
  ]
  for (const [name, lines, status, challenge] of cases) {
    const received = await sendRaw(t, url, `GET /read HTTP/1.1\r\nHost: evil.test\r\nConnection: close\r\n${lines.join('\r\n')}\r\n\r\n`)
    t.match(received, `HTTP/1.1 ${status} `, name)
    const { headers, body } = lastAnswer(received)
    t.equal(headers.get('www-authenticate'), status === 200 ? undefined : `Bearer ${challenge === undefined ? '' : `error="${challenge}", `}${METADATA}`, name)
    if (status !== 200) t.equal(JSON.parse(body).error, challenge ?? 'invalid_token', name)
  }
})
