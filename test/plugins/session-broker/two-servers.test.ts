// The remote service is another server of this package: what it takes, and that sessions end there and not here.
import t, { type Test } from 'tap'
import { createSessionBroker } from '../../../plugins/session-broker/index.ts'
import { brokerHost } from '../../support/broker-host.ts'
import { inEveryHost } from '../../support/hosts.ts'
import { claimsOf, type HostOptions, NOW, SECONDS, sessionHost } from '../../support/session-host.ts'

const documents = [{ id: 'a', permissions: ['read' as const] }]

/** A server that issues sessions by API key, and listens. */
async function issuingServer (t: Test, flow: HostOptions['flow'] & object) {
  const server = await sessionHost(t, { flow })
  return { ...server, url: `${await server.app.listen({ port: 0, host: '127.0.0.1' })}/viewer/sessions` }
}

inEveryHost(t, 'a session from there opens documents there, until its user is signed out there', async (t) => {
  const there = await issuingServer(t, { optionalMembers: ['user_id'] })
  const { ask } = await brokerHost(t, { flow: { remote: { url: there.url, apiKey: there.secret, timeout: 60_000, sendSubject: true } } })
  const { sessionToken } = (await ask()).json()
  t.match(claimsOf(sessionToken), { sub: 'ada', azp: there.id, exp: SECONDS + 3600, allowed_documents: [{ document_id: 'a', document_permissions: ['read'] }] })
  t.equal((await there.read(sessionToken)).statusCode, 200)
  t.equal((await there.read(sessionToken, 'b')).statusCode, 403)

  const here = await brokerHost(t)
  t.equal((await here.read(sessionToken)).statusCode, 401, 'it is no session of this app')

  t.equal((await there.revoke({ user_id: 'grace' })).statusCode, 204)
  t.equal((await there.read(sessionToken)).statusCode, 200)
  t.equal((await there.revoke({ user_id: 'ada' })).statusCode, 204)
  t.match((await there.read(sessionToken)).json(), { message: 'Token has been revoked' })
})

inEveryHost(t, 'what it does not take is 502: a member that is off, a key that is retired or may not, a life beyond its cap', async (t) => {
  const there = await issuingServer(t, { maxLifetime: 600 })
  const broker = (options: object) => createSessionBroker({ remote: { url: there.url, apiKey: there.secret, timeout: 60_000, ...options }, now: () => NOW })
  const failure = async (options: object, expiresIn: number) => await broker(options).create({ subject: 'ada', documents, expiresIn }).then(() => 'a session', (error: { code: string, cause: Error }) => `${error.code}: ${error.cause.message}`)

  t.equal(await failure({}, 600), 'a session')
  t.equal(await failure({}, 601), 'FDT_UPSTREAM_FAILED: the answer has status 400')
  t.equal(await failure({ sendSubject: true }, 60), 'FDT_UPSTREAM_FAILED: the answer has status 400')
  t.equal(await failure({ apiKey: `${there.secret.slice(0, -1)}_` }, 60), 'FDT_UPSTREAM_FAILED: the answer has status 401')
  const { secret } = await there.registry.create({ documents: ['b'] })
  t.equal(await failure({ apiKey: secret }, 60), 'FDT_UPSTREAM_FAILED: the answer has status 403')
  await there.registry.disable(there.id)
  t.equal(await failure({}, 60), 'FDT_UPSTREAM_FAILED: the answer has status 401')
})
