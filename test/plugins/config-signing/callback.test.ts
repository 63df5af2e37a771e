import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from 'node:net'
import { type FastifyReply, type FastifyRequest } from 'fastify'
import t from 'tap'
import { CallbackRefusedError, InvalidRequestError, StoreFullError, StoreUnavailableError } from '../../../lib/errors.ts'
import { createMemoryStore } from '../../../lib/stores/memory.ts'
import { type EditorCallbackEvent } from '../../../lib/tokens/editor/callback.ts'
import { type CallbackOptions, createCallbackHandler } from '../../../plugins/config-signing/callback.ts'
import { resolveEditorOptions } from '../../../lib/tokens/editor/options.ts'
import { answerOf, answer, CALLBACK, DONE, DOWN, editorHost, FAILED, inBoth, REFUSED } from '../../support/editor-host.ts'
import { BROWSER_PAYLOADS, bodyToken, DOCS, EDITING, headerToken, INBOX, KEY, NOW, OUTBOX, SAVE, SECONDS, sign, spoilt, TIMES } from '../../support/editor-tokens.ts'
import { until } from '../../support/example-server.ts'
import { faultyStore } from '../../support/faulty-store.ts'
import { inEveryHost } from '../../support/hosts.ts'
import { sendRaw } from '../../support/raw-connection.ts'
import { recordEvents } from '../../support/recorded-events.ts'
import { findLeaks } from '../../support/secrecy-net.ts'

const SAVED = { type: 'save', key: KEY, url: SAVE.url } as const
const { history: _history, changesurl: _changesurl, ...CUT } = SAVE
const inHeader = (payload: unknown, more: object = {}) => ({ authorization: `Bearer ${headerToken(payload, more)}` })
const memory = () => createMemoryStore({ now: () => NOW })

inEveryHost(t, 'a save, wherever its token is', async (t) => {
  const seen: Array<EditorCallbackEvent | null> = []
  const { send, handled } = await editorHost(t, { handle: (_event, request) => { seen.push(request.editorCallback) } })
  const [body, headers] = inBoth(SAVE)
  const messages: Array<[name: string, body: unknown, headers?: Record<string, string>]> = [
    ['both', body, headers],
    ['the body alone', body],
    ['the body with nothing but a token', { token: bodyToken(SAVE) }],
    ['the body, beside a login of a proxy', body, { authorization: 'Basic YTpi' }],
    ['the header alone', SAVE, headers],
    ['the header, and no members', {}, headers],
    ['a header that was cut', { ...CUT, history: {}, token: bodyToken(SAVE) }, inHeader({ ...CUT, history: {} })],
    ['a header that was cut, alone', { ...CUT, history: {} }, inHeader({ ...CUT, history: {} })],
    ['a body that differs from its token', { ...SAVE, key: 'other', status: 4, url: 'https://evil.test/', token: bodyToken(SAVE) }, headers]
  ]
  for (const [name, body, headers] of messages) {
    t.strictSame(answerOf(await send(body, headers)), DONE, name)
    const [event, ...more] = handled()
    t.match(event, SAVED, name)
    t.strictSame(more, [])
    t.equal(seen.pop(), event, 'request.editorCallback')
  }
})

inEveryHost(t, 'refuses with 403, which tells nothing', async (t) => {
  const { send, handled } = await editorHost(t)
  const good = inHeader(SAVE)
  const by = (payload: object, more: object = {}, secret?: string) => ({ token: bodyToken(payload, more, secret) })
  const cases: Array<[name: string, body: unknown, headers?: Record<string, string>, url?: string]> = [
    ['no token', SAVE],
    ['nothing', {}],
    ...[null, 1, 'text', [], [SAVE], true].map((body): [string, unknown] => [`a body ${JSON.stringify(body).slice(0, 6)} (T22)`, JSON.stringify(body)]),
    ['a bad body token with a good header', { token: 'x' }, good],
    ['a body token of the wrong type with a good header', { token: null }, good],
    ['a forged body token with a good header', by(SAVE, {}, INBOX), good],
    ['{payload} in the body', { token: headerToken(SAVE) }],
    ['no {payload} in the header', {}, { authorization: `Bearer ${bodyToken(SAVE)}` }],
    ['a token in another header', {}, { authorizationjwt: String(good.authorization) }],
    ['another scheme', {}, { authorization: `bearer ${headerToken(SAVE)}` }],
    ['over', by(SAVE, { iat: SECONDS - 400, exp: SECONDS - 100 })],
    ['a life of more than 600 s', by(SAVE, { exp: SECONDS + 601 })],
    ['without iat', by(SAVE, { iat: undefined })],
    ['without exp', by(SAVE, { exp: undefined })],
    ['the inbox secret', by(SAVE, {}, INBOX)],
    ['of document A at the route of B', by(SAVE), {}, '/editor/b/callback'],
    ['of a document that there is not', by(SAVE), {}, '/editor/c/callback'],
    ['a url elsewhere', by({ ...SAVE, url: 'https://evil.test/x' })],
    ['a changesurl elsewhere', by({ ...SAVE, changesurl: 'http://docs.example/x' })],
    ['a formsdataurl elsewhere', by({ ...SAVE, formsdataurl: 'https://docs.example@evil.test/' })],
    ['a status that is not known', by({ ...SAVE, status: 5 })],
    ['a save without a url', by({ ...SAVE, url: undefined })],
    ['the token of a download in the body', { token: headerToken({ url: SAVE.url }) }],
    ['the token of a download in the header', {}, inHeader({ url: SAVE.url })],
    ...Object.entries(BROWSER_PAYLOADS).map(([name, payload]): [string, unknown] => [`${name} for a browser`, by(payload, {}, INBOX)]),
    ...Object.entries(spoilt({ ...SAVE, ...TIMES })).map(([name, token]): [string, unknown] => [`spoilt: ${name}`, { token }])
  ]
  for (const [name, body, headers, url] of cases) t.strictSame(answerOf(await send(body, headers, url)), REFUSED, name)
  t.strictSame(handled(), [])
  t.strictSame(answerOf(await send(...inBoth(SAVE))), DONE, 'and what is right is not')
})

inEveryHost(t, 'one secret for both sides: what is signed for a browser is no callback (T30)', async (t) => {
  const { send, handled } = await editorHost(t, { flow: { outbox: INBOX } })
  const callback = { key: KEY, status: 2, url: `${DOCS}/x`, ...TIMES }
  for (const [name, payload] of Object.entries(BROWSER_PAYLOADS)) {
    t.strictSame(answerOf(await send({ token: sign({ ...payload, ...callback }, INBOX) })), REFUSED, name)
    t.strictSame(answerOf(await send({}, { authorization: `Bearer ${sign({ payload: { ...payload, ...callback }, ...TIMES }, INBOX)}` })), REFUSED, name)
  }
  t.strictSame(handled(), [])
  t.strictSame(answerOf(await send({ token: sign(callback, INBOX) })), DONE)
})

inEveryHost(t, 'says in the log where it looked and what was wrong, and nothing of what came (T34)', async (t) => {
  const lines: string[] = []
  const { store, fault } = faultyStore(memory())
  const { send, scope, clock } = await editorHost(t, { store, server: { logger: { level: 'trace', stream: { write: (line: string) => { lines.push(line) } } } }, handle: (event) => { if (event.type === 'forceSave') throw new Error('disk full') } })
  const events = recordEvents(t)
  const told = () => lines.splice(0).map((line) => JSON.parse(line)).filter(({ place }) => place !== undefined).map(({ level, code, place, problem }) => ({ level, code, place, problem }))
  const all: string[] = []
  const tell = async (...message: Parameters<typeof send>) => {
    const reply = await send(...message)
    all.push(reply.body, JSON.stringify(reply.headers), ...lines)
    return told()
  }
  const line = { level: 40, code: 'FDT_CALLBACK_REFUSED' }
  t.strictSame(await tell(SAVE), [{ ...line, place: 'none', problem: 'there is no token, in the body or in the header' }])
  t.strictSame(await tell({ token: bodyToken(SAVE, {}, INBOX) }, inHeader(SAVE)), [{ ...line, place: 'body', problem: 'no outbox secret verifies it, or it is not a token of an editor' }])
  t.strictSame(await tell({}, inHeader(SAVE, { iat: SECONDS - 400, exp: SECONDS - 100 })), [{ ...line, place: 'header', problem: 'it ended 100 seconds ago' }])
  t.strictSame(await tell({ token: bodyToken(SAVE) }, {}, '/editor/b/callback'), [{ ...line, place: 'body', problem: 'its key is none of the document that the route is about' }])
  t.strictSame(await tell({ token: bodyToken({ ...SAVE, url: 'https://somewhere-else.test/x' }) }), [{ ...line, place: 'body', problem: 'its url does not lie at one of downloadOrigins' }])
  t.match(events(), Array.from({ length: 5 }, () => ['refused', { flow: 'config-signing', name: 'default', time: NOW, route: 'POST /editor/:id/callback', code: 'FDT_CALLBACK_REFUSED', status: 403 }]))

  t.strictSame(await tell({ token: bodyToken({ ...SAVE, status: 6 }) }), [], 'a failure of the host\'s is no refusal')
  t.ok(all.some((text) => text.includes('disk full')), 'but its cause is told')
  await tell(...inBoth(SAVE))
  await tell(...inBoth(SAVE))
  t.ok(all.some((text) => text.includes('callback was processed before')))
  fault.error = new Error('connection lost')
  await tell(...inBoth(EDITING))
  t.ok(all.some((text) => text.includes('connection lost')))
  const [failed, verified, ...rest] = events().slice(1)
  t.match(failed, ['refused', { code: 'FDT_CALLBACK_FAILED', status: 500 }])
  t.match(verified, ['verified', { flow: 'config-signing', name: 'default', permissions: ['callback'], route: 'POST /editor/:id/callback' }])
  t.equal(Object.hasOwn(Object(verified?.[1]), 'document'), false, 'the key of a document opens it')
  t.match(rest, [['refused', { code: 'FDT_STORE_UNAVAILABLE', status: 503 }]], 'nobody runs for a repeat')

  const secrets = {
    inbox: INBOX, outbox: OUTBOX, 'body token': bodyToken(SAVE), 'header token': headerToken(SAVE), 'forged token': bodyToken(SAVE, {}, INBOX), key: KEY, url: SAVE.url, path: '/cache/files/data', 'foreign url': 'somewhere-else.test', user: SAVE.users[0] ?? '', name: SAVE.history.changes[0]?.documentSha256.padEnd(8, '=') ?? ''
  }
  t.strictSame(findLeaks(secrets, all.map((text, index) => ({ name: `line ${index}`, text }))), [])
  t.ok(scope.hasDecorator('editorSignatures') && clock.time === NOW)
})

inEveryHost(t, 'a handler that fails once: 500, and the retry runs', async (t) => {
  for (const store of [undefined, memory()]) {
    let attempts = 0
    const { send, handled } = await editorHost(t, { ...(store !== undefined && { store }), handle: () => { if (++attempts === 1) throw new Error('disk full') } })
    const message = inBoth(SAVE)
    t.strictSame(answerOf(await send(...message)), FAILED)
    t.strictSame(answerOf(await send(...message)), DONE, 'the very same token')
    t.match(handled(), [SAVED, SAVED])
    t.strictSame(answerOf(await send(...message)), DONE)
    t.equal(handled().length, store === undefined ? 1 : 0, 'a repeat is not run where there is a store')
  }
})

inEveryHost(t, 'whatever the handler throws, no version is lost', async (t) => {
  const thrown: Array<[name: string, value: unknown, expected: object]> = [
    ['an error', new Error('{{secret}}'), FAILED],
    ['an error with a status', Object.assign(new Error('gone'), { statusCode: 404, code: 'GONE' }), FAILED],
    ['a refusal of this package', new InvalidRequestError('no'), FAILED],
    ['a refusal of a callback', new CallbackRefusedError(), FAILED],
    ['undefined', undefined, FAILED],
    ['null', null, FAILED],
    ['text', 'text', FAILED],
    ['an outage', new StoreUnavailableError(), DOWN],
    ['a store that is full', new StoreFullError(), answer(503, 'The token store is full', '1')]
  ]
  let value: unknown
  for (const where of ['handle', 'document', 'tenant'] as const) {
    const fail = async () => { throw value }
    const { send } = await editorHost(t, where === 'handle' ? { handle: fail } : { callback: { [where]: fail } })
    for (const [name, error, expected] of thrown) {
      value = error
      t.strictSame(answerOf(await send(...inBoth(SAVE))), expected, `${where}: ${name}`)
    }
  }
  // What throws at once, and not later.
  const { send } = await editorHost(t, { callback: { document: () => { throw new Error('no') } } })
  t.strictSame(answerOf(await send(...inBoth(SAVE))), FAILED)
})

inEveryHost(t, 'what the host says of the document', async (t) => {
  const bad: unknown[] = [undefined, null, '', [], [''], 7, true, {}, [KEY, 7], 'other', `${KEY} `]
  let keys: unknown
  const { send, handled } = await editorHost(t, { callback: { document: async () => keys as string } })
  for (keys of bad) t.strictSame(answerOf(await send(...inBoth(SAVE))), REFUSED, JSON.stringify(keys))
  t.strictSame(handled(), [])
  for (keys of [KEY, ['other', KEY]]) t.strictSame(answerOf(await send(...inBoth(SAVE))), DONE)
})

inEveryHost(t, 'what the handler returns is not looked at, and nor is a status that a hook set', async (t) => {
  const values = [{ error: 1 }, 'text', Buffer.from('bytes'), null, false, undefined]
  let value: unknown
  const { app, scope, send } = await editorHost(t, { handle: () => value })
  const handler = scope.editorSignatures.requireCallback({ document: () => KEY, downloadOrigins: [DOCS] }, () => {})
  scope.post('/teapot', {
    preHandler: async (_request: FastifyRequest, reply: FastifyReply) => { reply.code(418) },
    schema: { response: { '2xx': { type: 'object', properties: { other: { type: 'string' } } } } }
  }, handler)
  for (value of values) t.strictSame(answerOf(await send(...inBoth(SAVE))), DONE)
  t.strictSame(answerOf(await app.inject({ method: 'POST', url: '/teapot', payload: { token: bodyToken(SAVE) } })), DONE)
})

inEveryHost(t, 'a callback that was processed is known, although its document has another key since', async (t) => {
  const keys = [SAVE.key]
  const { send, handled } = await editorHost(t, { store: memory(), callback: { document: () => keys[0] }, handle: () => { keys.unshift('another') } })
  t.strictSame(answerOf(await send(...inBoth(SAVE))), DONE)
  t.strictSame(answerOf(await send(...inBoth(SAVE))), DONE, 'whose answer was lost')
  t.equal(handled().length, 1)
  t.strictSame(answerOf(await send({ token: bodyToken(SAVE, { iat: SECONDS + 1 }) })), REFUSED, 'and no other one')
})

inEveryHost(t, 'a callback that was processed is not processed again', async (t) => {
  const store = memory()
  const { send, handled, clock } = await editorHost(t, { store })
  const [body, headers] = inBoth(SAVE)
  t.strictSame(answerOf(await send(body, headers)), DONE)
  t.equal(handled().length, 1)
  t.strictSame(answerOf(await send(body, headers)), DONE, 'again')
  t.strictSame(answerOf(await send({ token: bodyToken(SAVE) })), DONE, 'its body alone')
  t.strictSame(answerOf(await send({}, headers)), DONE, 'its header alone')
  t.strictSame(handled(), [])
  t.strictSame(answerOf(await send({ token: bodyToken(SAVE) }, {}, '/editor/b/callback')), REFUSED, 'at another route it is refused all the same')

  t.strictSame(answerOf(await send({ token: bodyToken(SAVE, { iat: SECONDS + 1 }) })), DONE)
  t.match(handled(), [SAVED], 'another token is another callback')
  const written = []
  for await (const { key, value } of store.scan('')) written.push([/^editor\/default\/callback\/[\w-]{43}$/.test(key), ...value])
  t.strictSame(written, [[true, 1], [true, 1], [true, 1]], 'digests, and the format version')
  clock.time = NOW + 359_999
  t.strictSame(answerOf(await send(body, headers)), DONE, 'as long as the token is good')
  t.strictSame(handled(), [])
  clock.time = NOW + 360_000
  t.strictSame(answerOf(await send(body, headers)), REFUSED, 'and then the token is over')
})

inEveryHost(t, 'entries of callbacks end, after every process would refuse the token', async (t) => {
  const clock = { time: NOW }
  const ttls: unknown[] = []
  const inner = createMemoryStore({ now: () => clock.time })
  const store = new Proxy(inner, {
    get: (target, name) => (...args: unknown[]) => {
      if (name === 'add') ttls.push(args.at(-1))
      return Reflect.apply(Reflect.get(target, name), target, args)
    }
  })
  const { send, handled, clock: own } = await editorHost(t, { store, flow: { clockTolerance: 0 }, handle: ({ users }) => { if (users.includes('slow')) own.time += 10 * 60_000 } })
  await send({ token: bodyToken(SAVE) })
  t.strictSame(ttls.splice(0), [{ ttl: 600_000, durable: true }], 'the greatest tolerance behind its end')
  t.strictSame(answerOf(await send({ token: bodyToken({ ...SAVE, users: ['slow'] }) })), DONE, 'a handler that took longer than that')
  t.strictSame(ttls, [])
  t.equal(handled().length, 2)
})

inEveryHost(t, 'two at once both run: nothing stands between a document server and its save', async (t) => {
  const { send, handled } = await editorHost(t, { store: memory(), handle: async () => { await sleep(5) } })
  const message = inBoth(SAVE)
  t.strictSame((await Promise.all([send(...message), send(...message)])).map(answerOf), [DONE, DONE])
  t.equal(handled().length, 2)
  for (let turn = 0; turn < 200; turn++) await send({ token: 'x' })
  t.strictSame(answerOf(await send({ token: bodyToken(EDITING) })), DONE, 'and failures count for nothing')
})

inEveryHost(t, 'a store that is out of reach (T36)', async (t) => {
  const { store, fault } = faultyStore(memory())
  let fails = false
  const { send, handled } = await editorHost(t, { store, handle: () => { if (fails) fault.error = new Error('lost') } })
  const message = inBoth(SAVE)

  fault.error = new Error('lost')
  t.strictSame(answerOf(await send(...message)), DOWN)
  t.strictSame(handled(), [], 'before the handler')
  t.strictSame(answerOf(await send({ token: 'x' })), REFUSED, 'what is no callback does not get as far')

  fault.error = undefined
  fails = true
  t.strictSame(answerOf(await send(...message)), DOWN)
  t.match(handled(), [SAVED], 'behind it')

  fault.error = undefined
  fails = false
  t.strictSame(answerOf(await send(...message)), DONE)
  t.match(handled(), [SAVED], 'so it is run again')
  t.strictSame(answerOf(await send(...message)), DONE)
  t.strictSame(handled(), [])
})

inEveryHost(t, 'without a store a repeat is run', async (t) => {
  const { send, handled } = await editorHost(t)
  for (let turn = 0; turn < 2; turn++) t.strictSame(answerOf(await send(...inBoth(SAVE))), DONE)
  t.equal(handled().length, 2)
})

inEveryHost(t, 'tenants', async (t) => {
  const secrets = new Map([['acme', OUTBOX], ['zorg', INBOX]])
  let isDown = false
  const outbox = async (tenant: string) => {
    if (isDown) throw new Error('lost')
    return secrets.get(tenant) ?? null
  }
  const { send } = await editorHost(t, { flow: { outbox }, callback: { tenant: async ({ headers }) => String(headers['x-tenant']) } })
  const as = async (tenant: string) => answerOf(await send({ token: bodyToken(SAVE) }, { 'x-tenant': tenant }))
  t.strictSame(await as('acme'), DONE)
  t.strictSame(await as('zorg'), REFUSED, 'signed with the secret of another')
  t.strictSame(await as('nobody'), REFUSED)
  t.strictSame(await as(''), FAILED, 'a mistake of the host\'s')
  secrets.set('weak', 'secret')
  t.strictSame(await as('weak'), FAILED)
  isDown = true
  t.strictSame(await as('acme'), DOWN)
})

inEveryHost(t, 'another header', async (t) => {
  const { send } = await editorHost(t, { flow: { header: 'AuthorizationJwt', headerPrefix: 'JWT ' } })
  const login = { authorization: 'Bearer of-the-host' }
  t.strictSame(answerOf(await send({}, { ...login, authorizationjwt: `JWT ${headerToken(SAVE)}` })), DONE)
  t.strictSame(answerOf(await send({}, { ...login, authorizationjwt: `Bearer ${headerToken(SAVE)}` })), REFUSED)
  t.strictSame(answerOf(await send({}, inHeader(SAVE))), REFUSED)
})

inEveryHost(t, 'a header that comes twice', async (t) => {
  const { app, handled } = await editorHost(t)
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const raw = async (headers: string[], body: object = {}) => {
    const text = JSON.stringify(body)
    return await sendRaw(t, url, `POST ${CALLBACK} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${headers.map((header) => `${header}\r\n`).join('')}Content-Type: application/json\r\nContent-Length: ${text.length}\r\n\r\n${text}`)
  }
  const good = `Authorization: Bearer ${headerToken(SAVE)}`
  t.match(await raw([good]), /^HTTP\/1\.1 200 /)
  t.match(handled(), [SAVED])
  for (const headers of [[good, good], [good, 'authorization: Bearer x'], ['AUTHORIZATION: Basic x', good]]) t.match(await raw(headers), /^HTTP\/1\.1 403 /)
  t.strictSame(handled(), [])
  t.match(await raw([good, good], { token: bodyToken(SAVE) }), /^HTTP\/1\.1 200 /, 'where the body has one it is of no account')
})

inEveryHost(t, 'who hangs up runs nothing', async (t) => {
  let asked = 0
  let refused = 0
  const { app, handled } = await editorHost(t, {
    callback: {
      document: async ({ headers }) => {
        asked++
        if (headers['x-wait'] !== undefined) await sleep(40)
        return KEY
      }
    },
    before: (scope) => {
      scope.addHook('onSend', async (_request, _reply, payload) => { await sleep(40); return payload })
      scope.addHook('preHandler', async (request: FastifyRequest, reply: FastifyReply) => {
        if (request.headers['x-refuse'] === undefined) return
        refused++
        return await reply.code(401).send({ mine: 'no' })
      })
    }
  })
  const closed: Array<Promise<unknown>> = []
  app.server.on('connection', (socket) => { closed.push(new Promise((resolve) => { socket.once('close', resolve) })) })
  const { port } = new URL(await app.listen({ port: 0, host: '127.0.0.1' }))
  const body = JSON.stringify({ token: bodyToken(SAVE) })
  const hangUp = async (header: string, isThere: () => boolean) => {
    const socket = connect(Number(port), '127.0.0.1')
    t.teardown(() => socket.destroy())
    socket.on('error', () => {})
    socket.write(`POST ${CALLBACK} HTTP/1.1\r\nHost: x\r\n${header}: 1\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
    await until(isThere)
    socket.resetAndDestroy()
    await Promise.all(closed.splice(0))
    await sleep(100)
  }
  await hangUp('X-Refuse', () => refused === 1)
  t.equal(asked, 0, 'behind a hook of the host\'s that refused')
  await hangUp('X-Wait', () => asked === 1)
  t.strictSame(handled(), [], 'while the host is asked')
  const reply = await app.inject({ method: 'POST', url: CALLBACK, headers: { 'content-type': 'application/json', 'x-wait': '1' }, payload: body })
  t.strictSame(answerOf(reply), DONE, 'who stays gets an answer')
})

t.test('the host\'s error handler, serializers and hooks change nothing', async (t) => {
  const { app, scope } = await editorHost(t, {
    handle: () => { throw new Error('no') },
    before: (scope) => {
      scope.setErrorHandler(async (_error, _request, reply) => await reply.code(200).send({ error: 0 }))
      scope.setSerializerCompiler(() => () => '{"error":2}')
      scope.setReplySerializer(() => '{"error":2}')
      scope.addHook('preSerialization', async () => ({ error: 2 }))
    }
  })
  const [payload, headers] = inBoth(SAVE)
  t.strictSame(answerOf(await app.inject({ method: 'POST', url: CALLBACK, headers, payload })), FAILED)
  t.strictSame(answerOf(await app.inject({ method: 'POST', url: CALLBACK, payload: SAVE })), REFUSED)
  t.ok(scope.editorSignatures)
})

t.test('options are checked when the route is made', async (t) => {
  const settings = resolveEditorOptions({ inbox: INBOX, outbox: OUTBOX, now: () => NOW })
  const good = { document: () => KEY, downloadOrigins: [DOCS] }
  const make = (options: unknown, handle: unknown = () => {}, by = settings) => () => createCallbackHandler(by, options as CallbackOptions<FastifyRequest>, handle as () => void)
  const bad: Array<[name: string, options: unknown, message: string, handle?: unknown]> = [
    ['nothing', undefined, 'Invalid option "requireCallback": takes { document, downloadOrigins } first'],
    ['null', null, 'Invalid option "requireCallback": takes { document, downloadOrigins } first'],
    ['text', 'text', 'Invalid option "requireCallback": takes { document, downloadOrigins } first'],
    ['no document', { downloadOrigins: [DOCS] }, 'Invalid option "document": must be a function of the request that tells the key of the document'],
    ['a key as document', { ...good, document: KEY }, 'Invalid option "document": must be a function of the request that tells the key of the document'],
    ['no origins', { document: good.document }, 'Invalid option "downloadOrigins": must be a list of origins, such as https://files.example'],
    ['an empty list', { ...good, downloadOrigins: [] }, 'Invalid option "downloadOrigins": must name at least one origin, where the document server keeps its files'],
    ['an origin with a slash', { ...good, downloadOrigins: [`${DOCS}/`] }, 'Invalid option "downloadOrigins": must be a list of origins, such as https://files.example'],
    ['any origin', { ...good, downloadOrigins: ['*'] }, 'Invalid option "downloadOrigins": must be a list of origins, such as https://files.example'],
    ['a tenant that is no function', { ...good, tenant: 'acme' }, 'Invalid option "tenant": must be a function of the request'],
    ['a misspelt name', { ...good, documents: () => KEY }, 'Invalid option "documents": there is no such option'],
    ['no handler', good, 'Invalid option "requireCallback": takes the function that is called with the event last', null],
    ['a handler that is none', good, 'Invalid option "requireCallback": takes the function that is called with the event last', {}]
  ]
  for (const [name, options, message, handle] of bad) t.throws(make(options, handle), { code: 'FDT_INVALID_OPTION', message }, name)
  t.throws(make(good, undefined, resolveEditorOptions({ inbox: INBOX })), { code: 'FDT_INVALID_OPTION', message: 'Invalid option "outbox": is needed to verify what the document server sends' })
  t.equal(typeof make(good)(), 'function')
})

t.test('what the host changes later in its options changes nothing', async (t) => {
  const downloadOrigins = [DOCS]
  const { scope, app } = await editorHost(t)
  const handler = scope.editorSignatures.requireCallback({ document: () => KEY, downloadOrigins }, () => {})
  scope.post('/later', handler)
  downloadOrigins[0] = 'https://evil.test'
  t.equal((await app.inject({ method: 'POST', url: '/later', payload: { token: bodyToken(SAVE) } })).statusCode, 200)
})

t.test('a body that no parser of JSON has read', async (t) => {
  const { app, scope } = await editorHost(t)
  scope.addContentTypeParser('application/octet-stream', { parseAs: 'buffer' }, async (_request: FastifyRequest, body: Buffer) => body)
  scope.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, async () => undefined)
  for (const type of ['application/octet-stream', 'application/x-www-form-urlencoded', 'text/plain']) {
    const send = async (headers: Record<string, string>) => answerOf(await app.inject({ method: 'POST', url: CALLBACK, headers: { 'content-type': type, ...headers }, payload: JSON.stringify({ token: bodyToken(SAVE) }) }))
    t.strictSame(await send({}), REFUSED, type)
    t.strictSame(await send(inHeader(SAVE)), DONE, `${type}, with a header`)
  }
})
