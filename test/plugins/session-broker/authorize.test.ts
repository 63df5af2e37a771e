// What the host's `authorize` may return and throw, and what becomes of it.
import t from 'tap'
import { StoreUnavailableError, TokenExpiredError } from '../../../lib/errors.ts'
import { createSessionBroker } from '../../../plugins/session-broker/index.ts'
import { brokerHost, refusal, refused } from '../../support/broker-host.ts'
import { inEveryHost } from '../../support/hosts.ts'
import { recordEvents } from '../../support/recorded-events.ts'
import { claimsOf, SECONDS } from '../../support/session-host.ts'

const subject = 'ada'
const documents = [{ id: 'a', permissions: ['read'] }]

inEveryHost(t, 'an authorization becomes the session', async (t) => {
  const cases: Array<[name: string, value: unknown, claims: object]> = [
    ['documents and permissions', { subject, documents: [{ id: 'a', permissions: ['read', 'write'] }, { id: 'b', permissions: [] }] }, { sub: 'ada', exp: SECONDS + 3600, allowed_documents: [{ document_id: 'a', document_permissions: ['read', 'write'] }, { document_id: 'b', document_permissions: [] }] }],
    ['a life', { subject, documents, expiresIn: 60 }, { exp: SECONDS + 60 }],
    ['the longest life', { subject, documents, expiresIn: 86_400 }, { exp: SECONDS + 86_400 }],
    ['a life that is not given', { subject, documents, expiresIn: undefined }, { exp: SECONDS + 3600 }],
    ['frozen', Object.freeze({ subject, documents: Object.freeze([Object.freeze({ id: 'a', permissions: Object.freeze(['read']) })]) }), { sub: 'ada' }]
  ]
  for (const [name, value, claims] of cases) {
    for (const authorize of [async () => value, () => value]) {
      const { ask } = await brokerHost(t, { authorize })
      const reply = await ask()
      t.equal(reply.statusCode, 200, name)
      t.match(claimsOf(reply.json().sessionToken), claims, name)
    }
  }
})

inEveryHost(t, 'null and undefined are 403, and no session', async (t) => {
  const events = recordEvents(t)
  for (const authorize of [async () => null, () => null, async () => undefined, () => undefined]) {
    const { ask } = await brokerHost(t, { authorize })
    t.strictSame(refusal(await ask()), refused(403, 'The document cannot be opened'))
  }
  t.strictSame(events().map(([event]) => event), ['refused', 'refused', 'refused', 'refused'])
})

/** Every way in which an authorization can be wrong, and the code of the cause that the log gets. */
const bad: Array<[name: string, value: unknown, code: string]> = [
  ...[true, false, 1, '', 'ada', Symbol('ada'), () => {}].map((value): [string, unknown, string] => [`${typeof value} ${String(value)}`, value, 'FDT_INVALID_REQUEST']),
  ['nothing in it', {}, 'FDT_INVALID_REQUEST'],
  ['a list', documents, 'FDT_INVALID_REQUEST'],
  ['no subject', { documents }, 'FDT_INVALID_REQUEST'],
  ...[null, '', 1, ['ada'], { id: 'ada' }, 'x'.repeat(513), '\ud800', new String('ada')].map((value): [string, unknown, string] => [`subject ${JSON.stringify(value).slice(0, 20)}`, { subject: value, documents }, 'FDT_INVALID_REQUEST']), // eslint-disable-line no-new-wrappers -- the case
  ['no documents', { subject }, 'FDT_INVALID_REQUEST'],
  ['empty documents', { subject, documents: [] }, 'FDT_INVALID_REQUEST'],
  ...[null, 'a', { 0: 'a', length: 1 }, new Set(documents)].map((value): [string, unknown, string] => [`documents ${String(value)}`, { subject, documents: value }, 'FDT_INVALID_REQUEST']),
  ['1001 documents', { subject, documents: Array.from({ length: 1001 }, (_, index) => ({ id: String(index), permissions: [] })) }, 'FDT_INVALID_REQUEST'],
  ['a document by its id', { subject, documents: ['a'] }, 'FDT_INVALID_REQUEST'],
  ['a hole', { subject, documents: [null] }, 'FDT_INVALID_REQUEST'],
  ...['', 1, null, undefined, 'x'.repeat(513), '\udc00'].map((id): [string, unknown, string] => [`document ${JSON.stringify(id)?.slice(0, 20)}`, { subject, documents: [{ id, permissions: [] }] }, 'FDT_INVALID_REQUEST']),
  ['no permissions', { subject, documents: [{ id: 'a' }] }, 'FDT_INVALID_REQUEST'],
  ['permissions as text', { subject, documents: [{ id: 'a', permissions: 'read' }] }, 'FDT_INVALID_REQUEST'],
  ...['admin', 'READ', '', 1, null, '__proto__', 'constructor'].map((permission): [string, unknown, string] => [`permission ${String(permission)}`, { subject, documents: [{ id: 'a', permissions: ['read', permission] }] }, 'FDT_UNKNOWN_PERMISSION']),
  ['a document twice', { subject, documents: [...documents, ...documents] }, 'FDT_DUPLICATE_DOCUMENT'],
  ...['60', '1h', NaN, Infinity, 0.5, null, {}, new Date(0)].map((expiresIn): [string, unknown, string] => [`expiresIn ${String(expiresIn)}`, { subject, documents, expiresIn }, 'FDT_INVALID_REQUEST']),
  ...[0, -1].map((expiresIn): [string, unknown, string] => [`expiresIn ${expiresIn}`, { subject, documents, expiresIn }, 'FDT_PAST_EXPIRY']),
  ...[86_401, 1e300, SECONDS + 60].map((expiresIn): [string, unknown, string] => [`expiresIn ${expiresIn}`, { subject, documents, expiresIn }, 'FDT_LIFETIME_TOO_LONG']),
  ...['expiresAt', 'exp', 'credential', 'profile', 'serverUrl', 'allowedOrigins', 'notBefore', 'constructor'].map((member): [string, unknown, string] => [`a member ${member}`, { subject, documents, [member]: 'of no use' }, 'FDT_INVALID_REQUEST'])
]

inEveryHost(t, 'what is no authorization is 500, told to the log and not to the browser', async (t) => {
  const lines: string[] = []
  let value: unknown
  const { ask } = await brokerHost(t, {
    authorize: async () => value,
    flow: { limits: { address: false } },
    server: { logger: { level: 'error', stream: { write: (line: string) => { lines.push(line) } } } }
  })
  const events = recordEvents(t)
  for (const [name, wrong, code] of bad) {
    value = wrong
    lines.length = 0
    t.strictSame(refusal(await ask()), refused(500, 'What the request is to get could not be made'), name)
    t.match(events(), [['refused', { flow: 'session-broker', code: 'FDT_INVALID_AUTHORIZATION', status: 500 }]], name)
    const { level, err, ...rest } = JSON.parse(String(lines[0]))
    t.equal(lines.length, 1)
    t.strictSame([level, err.code], [50, 'FDT_INVALID_AUTHORIZATION'], name)
    t.ok(JSON.stringify([err, rest]).match(/subject must|documents|authorization (?:is|has)|expiresIn|permission/), `${name}: the cause is in the log`)
    t.notMatch(JSON.stringify(rest), /FDT_/, code)
  }
})

t.test('create() says the same to the host itself, by its own code', async (t) => {
  const { scope } = await brokerHost(t)
  const remote = createSessionBroker({ remote: { url: 'http://127.0.0.1:1/', apiKey: 'never-asked' }, now: () => SECONDS * 1000 })
  for (const broker of [scope.sessionBroker, remote]) {
    for (const [name, value, code] of [...bad, ['null', null, 'FDT_INVALID_REQUEST'] as const, ['undefined', undefined, 'FDT_INVALID_REQUEST'] as const]) await t.rejects(broker.create(value as never), { code }, name)
  }
  t.strictSame(Object.keys(await scope.sessionBroker.create({ subject, documents: [{ id: 'a', permissions: ['read'] }], expiresIn: 60 })), ['token', 'expiresAt'])
})

inEveryHost(t, 'what authorize throws is the host\'s, unless it is an error of this package', async (t) => {
  const thrown: Array<[name: string, error: unknown, status: number, body: string]> = [
    ['an error', new Error('no database'), 499, JSON.stringify({ handled: 'no database' })],
    ['an error with a status', Object.assign(new Error('gone'), { statusCode: 410 }), 499, JSON.stringify({ handled: 'gone' })],
    ['an error with a code of the host\'s', Object.assign(new Error('not yours'), { statusCode: 403, code: 'APP_FORBIDDEN' }), 499, JSON.stringify({ handled: 'not yours' })],
    ['a code that looks like ours, without a status', Object.assign(new Error('odd'), { code: 'FDT_ODD' }), 499, JSON.stringify({ handled: 'odd' })],
    ...['no database at 10.0.0.7', null, undefined, { statusCode: 200, success: true }].map((value): [string, unknown, number, string] => [`no error: ${JSON.stringify(value)}`, value, 500, refused(500, 'What the request is to get could not be made').body]),
    ['an outage of the store', new StoreUnavailableError(), 503, JSON.stringify({ success: false, error: 'The token store is unavailable' })],
    ['a session of the host\'s that is over', new TokenExpiredError(), 401, JSON.stringify({ success: false, error: 'Token has expired' })]
  ]
  for (const [name, error, status, body] of thrown) {
    for (const authorize of [async () => { throw error }, () => { throw error }]) {
      const { ask } = await brokerHost(t, {
        authorize,
        before: (scope) => { scope.setErrorHandler(async (error: Error, _request, reply) => reply.code(499).send({ handled: error.message })) }
      })
      const reply = await ask()
      t.strictSame([reply.statusCode, reply.body, reply.headers['cache-control']], [status, body, 'no-store'], name)
    }
  }
})

inEveryHost(t, 'an authorize that never resolves holds up nobody else', async (t) => {
  const { ask } = await brokerHost(t, { authorize: async (_request, { documentId }) => documentId === 'slow' ? await new Promise(() => {}) : { subject, documents } })
  const waiting = ask({ documentId: 'slow' }).then(() => 'answered', () => 'closed')
  t.equal((await ask({ documentId: 'a' })).statusCode, 200)
  t.equal(await Promise.race([waiting, 'waiting']), 'waiting')
})
