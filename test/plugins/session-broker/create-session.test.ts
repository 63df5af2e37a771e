import t from 'tap'
import { createMemoryStore } from '../../../lib/stores/memory.ts'
import { brokerHost, PATH, refusal, refused } from '../../support/broker-host.ts'
import { faultyStore } from '../../support/faulty-store.ts'
import { inEveryHost } from '../../support/hosts.ts'
import { recordEvents } from '../../support/recorded-events.ts'
import { claimsOf, ISSUER, NOW, SECONDS } from '../../support/session-host.ts'

const REQUIRED = 'Document ID is required'
const json = (text: string) => `The body is not acceptable JSON: ${text}`

inEveryHost(t, 'a session for a document: 200, and what the contract has', async (t) => {
  const { ask, read, asked } = await brokerHost(t)
  const reply = await ask({ documentId: 'a' })
  t.equal(reply.statusCode, 200)
  const { sessionToken } = reply.json()
  t.equal(reply.body, JSON.stringify({ success: true, sessionToken }), 'and nothing else')
  t.equal(reply.headers['content-type'], 'application/json; charset=utf-8')
  t.equal(reply.headers['cache-control'], 'no-store', 'T40')
  t.equal(reply.headers['ratelimit-policy'], '"address";q=120;w=60')
  t.strictSame(asked, ['a'])
  const { iss, aud, sub, exp, allowed_documents: documents } = claimsOf(sessionToken)
  t.strictSame({ iss, aud, sub, exp, documents }, { iss: ISSUER, aud: `${ISSUER}/viewer/default`, sub: 'ada', exp: SECONDS + 3600, documents: [{ document_id: 'a', document_permissions: ['read'] }] })

  t.equal((await read(sessionToken)).statusCode, 200)
  t.equal((await read(sessionToken, 'b')).statusCode, 403)
})

inEveryHost(t, 'ids of any characters reach authorize as they are (T28)', async (t) => {
  const { ask, asked } = await brokerHost(t)
  const ids = ['__proto__', 'constructor', '0', ' ', '../../etc/passwd', 'x'.repeat(512), '😀'.repeat(256), '\r\nset-cookie: x=y', '"<script>']
  for (const documentId of ids) t.equal((await ask({ documentId })).statusCode, 200, documentId.slice(0, 20))
  const escaped = '\\ud83d\\ude00'.repeat(256)
  t.equal((await ask(`{"documentId":"${escaped}"}`)).statusCode, 200, 'an id of full length, all of it escaped')
  t.strictSame(asked, [...ids, '😀'.repeat(256)])
})

inEveryHost(t, 'bodies that are refused (T21, T22, T28)', async (t) => {
  const { ask, asked } = await brokerHost(t)
  const cases: Array<[name: string, body: unknown, status: number, error: string]> = [
    ['an empty object', {}, 400, REQUIRED],
    ['null', null, 400, REQUIRED],
    ['an array', [], 400, REQUIRED],
    ['an array with the id', ['a'], 400, REQUIRED],
    ['a number', 1, 400, REQUIRED],
    ['true', true, 400, REQUIRED],
    ['a string', '"a"', 400, REQUIRED],
    ['an id null', { documentId: null }, 400, REQUIRED],
    ['an empty id', { documentId: '' }, 400, REQUIRED],
    ['another spelling', { documentID: 'a' }, 400, REQUIRED],
    ['an id that is a number', { documentId: 1 }, 400, 'body/documentId: Expected string'],
    ['0', { documentId: 0 }, 400, 'body/documentId: Expected string'],
    ['false', { documentId: false }, 400, 'body/documentId: Expected string'],
    ['a list of ids', { documentId: ['a'] }, 400, 'body/documentId: Expected string'],
    ['an object as id', { documentId: { toString: 'a' } }, 400, 'body/documentId: Expected string'],
    ['513 characters', { documentId: 'x'.repeat(513) }, 400, 'body/documentId: Expected string length less or equal to 512'],
    ['permissions of the browser\'s own', { documentId: 'a', permissions: ['write'] }, 400, 'body/permissions: Unexpected property'],
    ['a subject of the browser\'s own', { documentId: 'a', subject: 'grace' }, 400, 'body/subject: Unexpected property'],
    ['a member of a strange name', '{"documentId":"a","<b>\\r\\n":1}', 400, 'body/?: Unexpected property'],
    ['a constructor', '{"documentId":"a","constructor":{"prototype":{}}}', 400, 'body/constructor: Unexpected property'],
    ['half a surrogate pair', '{"documentId":"\\ud800"}', 400, json('it holds half of a surrogate pair')],
    ['the id twice', '{"documentId":"a","documentId":"b"}', 400, json('it repeats a member')],
    ['the id twice, once escaped', '{"documentId":"a","document\\u0049d":"b"}', 400, json('it repeats a member')],
    ['__proto__', '{"__proto__":{"documentId":"a"}}', 400, json('it holds a member __proto__')],
    ['not JSON', '{"documentId":', 400, json('it is not JSON')],
    ['two values', '{"documentId":"a"}{}', 400, json('it is not JSON')],
    ['nothing but a content type', '', 400, json('it is not JSON')],
    ['a byte order mark', '\ufeff{"documentId":"a"}', 400, json('it is not JSON')],
    ['invalid UTF-8', Buffer.from('{"documentId":"\xff"}', 'latin1'), 400, json('it is not UTF-8')],
    ['too deep', `${'['.repeat(2000)}${']'.repeat(2000)}`, 400, json('it is nested too deeply')],
    ['9 kB', { documentId: 'x'.repeat(9 * 1024) }, 413, 'Payload Too Large']
  ]
  for (const [name, body, status, error] of cases) t.strictSame(refusal(await ask(body)), refused(status, error), name)
  t.strictSame(asked, [], 'authorize is not asked')
})

inEveryHost(t, 'only JSON is read (T21)', async (t) => {
  const { ask, app, login, asked } = await brokerHost(t)
  const types = ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'application/jsonx', 'application/json, text/plain', 'application/json x', '*/*', 'x', undefined]
  for (const type of types) t.strictSame(refusal(await ask('{"documentId":"a"}', { 'content-type': type })), refused(415, 'Unsupported Media Type'), String(type))
  t.strictSame(asked, [])
  for (const type of ['application/json; charset=utf-8', 'APPLICATION/JSON']) t.equal((await ask('{"documentId":"a"}', { 'content-type': type })).statusCode, 200, type)

  const none = await app.inject({ method: 'POST', url: PATH, headers: { 'sec-fetch-site': 'same-origin', ...login } })
  t.strictSame(refusal(none), refused(400, REQUIRED), 'no body and no type')
})

inEveryHost(t, 'other methods and paths', async (t) => {
  const { app, login, asked } = await brokerHost(t)
  for (const method of ['GET', 'PUT', 'PATCH', 'DELETE'] as const) {
    const reply = await app.inject({ method, url: PATH, headers: login })
    t.strictSame(refusal(reply), refused(405, 'This path takes POST', { allow: 'POST' }), method)
  }
  const head = await app.inject({ method: 'HEAD', url: PATH, headers: login })
  t.equal(head.statusCode, 405)
  t.equal(head.headers['allow'], 'POST')
  t.equal((await app.inject({ method: 'OPTIONS', url: PATH, headers: login })).statusCode, 404, 'OPTIONS is left to the host\'s CORS')
  for (const url of ['/create-session', `${PATH}/a`, `/v1${PATH}`]) t.equal((await app.inject({ method: 'POST', url, headers: login })).statusCode, 404, url)
  t.strictSame(asked, [])
})

inEveryHost(t, 'a store that is out of reach is 503 (T36)', async (t) => {
  const { store, fault } = faultyStore(createMemoryStore({ now: () => NOW }))
  const { ask, asked } = await brokerHost(t, { store })
  fault.error = new Error('connection lost to 10.0.0.7')
  t.strictSame(refusal(await ask()), refused(503, 'The token store is unavailable', { retryAfter: '1' }))
  t.strictSame(asked, [], 'what cannot be counted is not let through')

  const { ask: unlimited } = await brokerHost(t, { store, flow: { limits: { address: false } } })
  t.strictSame(refusal(await unlimited()), refused(503, 'The token store is unavailable', { retryAfter: '1' }), 'nor is a session issued that could not be ended')
})

inEveryHost(t, 'events: issued by the sessions, refused by the broker', async (t) => {
  const events = recordEvents(t)
  const { ask, app, login } = await brokerHost(t, { authorize: async () => null })
  await ask()
  await ask({})
  await app.inject({ url: PATH, headers: login })
  const told = events().map(([event, members]) => {
    const { address, requestId, ...rest }: Record<string, unknown> = { ...members }
    return [event, rest, typeof address, typeof requestId]
  })
  const refusedAs = (code: string, status: number, method: string) => ['refused', { flow: 'session-broker', name: 'default', time: NOW, route: `${method} ${PATH}`, code, status }, 'string', 'string']
  t.strictSame(told, [refusedAs('FDT_DOCUMENT_NOT_ALLOWED', 403, 'POST'), refusedAs('FDT_INVALID_REQUEST', 400, 'POST'), refusedAs('FDT_METHOD_NOT_ALLOWED', 405, 'GET')])

  const { ask: again } = await brokerHost(t)
  const { sessionToken } = (await again()).json()
  t.strictSame(events(), [['issued', { flow: 'session-issuance', name: 'default', time: NOW, id: claimsOf(sessionToken)['jti'], subject: 'ada', documents: [{ id: 'a', permissions: ['read'] }], expiresAt: SECONDS + 3600 }]])
})
