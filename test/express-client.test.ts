/**
 * Both sides of the integration that the vendor describes: an app server that asks a session service by `fetch`, and a
 * front end that asks the app server. Here either is what people have, and the other side is this package.
 */
import { createServer, type RequestListener } from 'node:http'
import t, { type Test } from 'tap'
import { brokerHost } from './support/broker-host.ts'
import { inEveryHost } from './support/hosts.ts'
import { claimsOf, sessionHost } from './support/session-host.ts'
import { upstream } from './support/upstream.ts'

/**
 * What an app server does that somebody wrote after the vendor's description: it knows nothing of this package, of the
 * service but its URL, and takes every answer that is not ok for a failure.
 */
function appServer (serviceUrl: string, apiKey: string): RequestListener {
  return async (request, response) => {
    const respond = (status: number, body: object): void => {
      response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' }).end(JSON.stringify(body))
    }
    try {
      let text = ''
      for await (const piece of request.setEncoding('utf8')) text += piece
      const wish: unknown = JSON.parse(text)
      const id = typeof wish === 'object' && wish !== null && 'documentId' in wish ? wish.documentId : undefined
      if (!id) return respond(400, { success: false, error: 'Document ID is required' })

      const inAnHour = Math.floor(Date.now() / 1000) + 3600
      const session = await fetch(serviceUrl, {
        method: 'POST',
        headers: { Authorization: `Bearer ${apiKey}`, 'Content-Type': 'application/json' },
        body: JSON.stringify({ exp: inAnHour, allowed_documents: [{ document_id: id, document_permissions: ['read', 'write', 'download'] }] })
      })
      if (!session.ok) throw new Error(`Session creation failed: ${session.statusText}`)
      // What the service answers is typed nowhere.
      const { jwt } = await session.json() as { jwt: unknown }
      respond(200, { success: true, sessionToken: jwt })
    } catch (error) {
      respond(500, { success: false, error: error instanceof Error ? error.message : String(error) })
    }
  }
}

/** What a front end does that was written for such a server. Returns what it shows to its user. */
async function openDocument (origin: string, documentId: unknown, headers: Record<string, string> = {}): Promise<string> {
  const response = await fetch(`${origin}/api/create-session`, { method: 'POST', headers: { 'Content-Type': 'application/json', ...headers }, body: JSON.stringify({ documentId }) })
  const { success, sessionToken, error } = await response.json() as { success: boolean, sessionToken?: string, error?: string }
  return success ? String(sessionToken) : `Cannot open: ${String(error)}`
}

async function listen (t: Test, listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  await new Promise((resolve) => { server.once('listening', resolve) })
  const address = server.address()
  return `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`
}

inEveryHost(t, 'the app server as it is, with its fetch pointed at our flow', async (t) => {
  const { app, secret, id, read } = await sessionHost(t, { flow: { now: Date.now } })
  const service = `${await app.listen({ port: 0, host: '127.0.0.1' })}/viewer/sessions`
  const origin = await listen(t, appServer(service, secret))

  const token = await openDocument(origin, 'a')
  t.match(claimsOf(token), { sub: id, allowed_documents: [{ document_id: 'a', document_permissions: ['read', 'write', 'download'] }] })
  t.equal((await read(token)).statusCode, 200, 'opens a guarded route')
  const headers = { authorization: `Bearer ${token}` }
  t.equal((await app.inject({ method: 'PUT', url: '/documents/a', headers })).statusCode, 200)
  t.equal((await app.inject({ url: '/documents/a/download', headers })).statusCode, 200)
  t.equal((await read(token, 'b')).statusCode, 403, 'and no other document\'s')

  t.equal(await openDocument(origin, ''), 'Cannot open: Document ID is required')
  t.equal(await openDocument(origin, ['a']), 'Cannot open: Session creation failed: Bad Request', 'what our flow refuses')
  const wrongKey = await listen(t, appServer(service, `${secret.slice(0, -1)}_`))
  t.equal(await openDocument(wrongKey, 'a'), 'Cannot open: Session creation failed: Unauthorized')
  t.equal(await openDocument(await listen(t, appServer(`${service}/none`, secret)), 'a'), 'Cannot open: Session creation failed: Not Found')
  await app.close()
  t.equal(await openDocument(origin, 'a'), 'Cannot open: fetch failed')
})

inEveryHost(t, 'the front end as it is, with our broker in place of the app server', async (t) => {
  const { app, read, login } = await brokerHost(t, {
    authorize: async (_request, { documentId }) => {
      if (documentId === 'broken') return {}
      return documentId === 'a' ? { subject: 'ada', documents: [{ id: 'a', permissions: ['read'] }] } : null
    },
    flow: { limits: { address: { max: 5 } } }
  })
  const origin = await app.listen({ port: 0, host: '127.0.0.1' })
  // A browser adds both by itself.
  const browser = { ...login, 'Sec-Fetch-Site': 'same-origin' }

  t.equal((await read(await openDocument(origin, 'a', browser))).statusCode, 200)
  t.equal(await openDocument(origin, undefined, browser), 'Cannot open: Document ID is required')
  t.equal(await openDocument(origin, 'b', browser), 'Cannot open: The document cannot be opened')
  t.equal(await openDocument(origin, 'broken', browser), 'Cannot open: What the request is to get could not be made')
  t.equal(await openDocument(origin, 'a', { ...login, Origin: 'https://evil.test' }), 'Cannot open: The request does not come from a trusted origin')
  t.equal(await openDocument(origin, 'a', browser), 'Cannot open: Too many requests')
})

inEveryHost(t, 'the front end, our broker, and a service that fails: what it said stays in the log', async (t) => {
  const service = await upstream(t, (_request, response) => { response.writeHead(402, 'Payment Required').end('the bill of last month is open') })
  const { app, login } = await brokerHost(t, { flow: { remote: { url: service.url, apiKey: 'pdf_live_0123456789' } } })
  const origin = await app.listen({ port: 0, host: '127.0.0.1' })
  t.equal(await openDocument(origin, 'a', { ...login, 'Sec-Fetch-Site': 'same-origin' }), 'Cannot open: The session service has failed')
})
