import t from 'tap'
import { until } from '../../support/example-server.ts'
import { inEveryHost } from '../../support/hosts.ts'
import { opaqueHost, refusal, refused } from '../../support/opaque-host.ts'
import { openRaw } from '../../support/raw-connection.ts'

const invalid = (message: string) => refused(400, 'FDT_INVALID_REQUEST', message)
const notJson = (why: string) => refused(400, 'FDT_INVALID_JSON', `The body is not acceptable JSON: ${why}`)
const plain = (name: string) => invalid(`body/${name} must be a string, a finite number, true, false or null`)

inEveryHost(t, 'a body that is no flat object of 1 to 100 plain values', async (t) => {
  const { generate } = await opaqueHost(t)
  const many = (count: number) => JSON.stringify(Object.fromEntries(Array.from({ length: count }, (_, index) => [`p${index}`, index])))
  const number = (name: string) => invalid(`body/${name} is a number that not every reader reads alike: send it as a string`)
  const cases: Array<[name: string, body: string | Buffer, expected: object]> = [
    ['a number (T22)', '1', invalid('body must be an object')],
    ['a string (T22)', '"1"', invalid('body must be an object')],
    ['null (T22)', 'null', invalid('body must be an object')],
    ['true', 'true', invalid('body must be an object')],
    ['an array (T22)', '[]', invalid('body must be an object')],
    ['{} (T22)', '{}', invalid('body must have 1 to 100 parameters')],
    ['auth and nothing else', '{"auth":"other"}', invalid('body must have 1 to 100 parameters')],
    ['101 parameters', many(101), invalid('body must have 1 to 100 parameters')],
    ['nested', '{"a":{"b":1}}', plain('a')],
    ['a list', '{"a":1,"b":[1]}', plain('b')],
    ...['{}', '[]', '[1,2]', '{"x":1}', '[[[1]]]', '{"x":1,"y":{"auth":[]}}'].flatMap((value): Array<[string, string, object]> => [
      [`an auth that is nested in front: ${value}`, `{"auth":${value},"b":2}`, plain('auth')],
      [`an auth that is nested at the end: ${value}`, `{"a":1,"\\u0061uth":${value}}`, plain('auth')]
    ]),
    ['-0, which is printed as 0', '{"a":-0}', number('a')],
    ['1e999 as an auth, which would be replaced', '{"a":1,"auth":1e999}', plain('auth')],
    ['1e999', '{"a":1e999}', plain('a')],
    ['an integer of 20 digits', '{"a":12345678901234567890}', number('a')],
    ['more digits than are kept', '{"a":0.1234567890123456789}', number('a')],
    ['nothing', '', notJson('it is not JSON')],
    ['white space', ' \n', notJson('it is not JSON')],
    ['not JSON', '{"a":', notJson('it is not JSON')],
    ['JSON and more', '{"a":1} {}', notJson('it is not JSON')],
    ['a byte order mark', '\ufeff{"a":1}', notJson('it is not JSON')],
    ['invalid UTF-8 (T22)', Buffer.from('7b2261223a22ff227d', 'hex'), notJson('it is not UTF-8')],
    ['depth 10 000 (T22)', `${'['.repeat(7000)}${']'.repeat(7000)}`, notJson('it is nested too deeply')],
    ['a member twice (T22)', '{"a":1,"a":2}', notJson('it repeats a member')],
    ['a member twice in two spellings', '{"a":1,"\\u0061":2}', notJson('it repeats a member')],
    ['auth twice', '{"auth":"a","auth":"b","x":1}', notJson('it repeats a member')],
    ['__proto__ (T28)', '{"__proto__":"x"}', notJson('it holds a member __proto__')],
    ['__proto__, escaped', '{"\\u005f_proto__":"x"}', notJson('it holds a member __proto__')],
    ['half a surrogate pair', '{"a":"\\ud800"}', notJson('it holds half of a surrogate pair')],
    ['half a surrogate pair in a name', '{"\\udc00":"a"}', notJson('it holds half of a surrogate pair')],
    ['a name that goes into no message (T33)', '{"x\\r\\nset-cookie: a=\\"b\\"":[]}', plain('?')],
    ['a name as long as a secret', `{"${'n'.repeat(32)}":[]}`, plain('?')]
  ]
  for (const [name, body, expected] of cases) t.strictSame(refusal(await generate(body)), expected, name)
  t.equal((await generate(many(100))).statusCode, 200)
})

inEveryHost(t, 'depth 10 000, and a megabyte, where the host takes so much (T22)', async (t) => {
  const { generate } = await opaqueHost(t, { flow: { maxBytes: 1024 * 1024 } })
  t.strictSame(refusal(await generate(`${'['.repeat(10_000)}${']'.repeat(10_000)}`)), notJson('it is nested too deeply'))
  t.strictSame(refusal(await generate(`{"a":${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}}`)), notJson('it is nested too deeply'))
  const filled = `{"x":"${'x'.repeat(1024 * 1024 - 8)}"}`
  t.equal((await generate(filled)).statusCode, 200)
  t.strictSame(refusal(await generate(`${filled} `)), refused(413, 'FST_ERR_CTP_BODY_TOO_LARGE', 'Payload Too Large'))
})

inEveryHost(t, 'bodies that are too large are not read', async (t) => {
  const tooLarge = refused(413, 'FST_ERR_CTP_BODY_TOO_LARGE', 'Payload Too Large')
  for (const [flow, most] of [[{}, 16 * 1024], [{ maxBytes: 100 }, 100]] as const) {
    const { generate, app, secret } = await opaqueHost(t, { flow })
    const filled = (bytes: number) => `{"ü":"${'x'.repeat(bytes - 9)}"}`
    t.equal((await generate(filled(most))).statusCode, 200, `${most} bytes`)
    t.strictSame(refusal(await generate(filled(most + 1))), tooLarge)
    t.strictSame(refusal(await generate(`${filled(most)} `)), tooLarge, 'white space is posted too')
    for (const url of ['/generate', '/revoke', '/lookup', '/verify']) {
      const announced = await app.inject({ method: 'POST', url, headers: { 'x-api-key': secret, 'content-type': 'application/json', 'content-length': String(1024 * 1024) } })
      t.strictSame(refusal(announced), tooLarge, `${url}: a megabyte that is announced, and does not come (T22)`)
    }
  }
})

inEveryHost(t, 'nor is the end of one waited for', async (t) => {
  const { app, secret } = await opaqueHost(t)
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  for (const [path, length] of [['/generate', 1024 * 1024], ['/generate', 16 * 1024 + 1], ['/revoke', 1025], ['/lookup', 1025], ['/verify', 1025]] as const) {
    const connection = await openRaw(t, url)
    connection.send(`POST ${path} HTTP/1.1\r\nHost: x\r\nX-API-Key: ${secret}\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n`)
    t.strictSame(await until(() => connection.statuses().length > 0 && connection.statuses()), [413], `${path} of ${length}`)
  }
})

inEveryHost(t, 'wants JSON, and says so with 415 (T21)', async (t) => {
  const { app, secret } = await opaqueHost(t)
  const types = ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'application/jsonx', 'application/json+x', 'text/json', 'application/json, text/plain', 'application/json x', 'json', '', 'x application/json', '*/*']
  const unsupported = { ...refused(415, '', 'Unsupported Media Type'), body: undefined }
  for (const url of ['/generate', '/revoke', '/lookup', '/verify']) {
    const send = (headers: Record<string, string>) => app.inject({ method: 'POST', url, headers: { 'x-api-key': secret, ...headers }, payload: Buffer.from('{}') })
    for (const headers of [...types.map((type) => ({ 'content-type': type })), {}]) {
      const reply = await send(headers)
      t.strictSame({ ...refusal(reply), body: undefined }, unsupported, `${url} ${JSON.stringify(headers)}`)
      t.match(reply.json(), { statusCode: 415, code: /^FST_ERR_CTP_/, error: 'Unsupported Media Type', message: 'Unsupported Media Type' })
    }
    for (const type of ['application/json', 'application/json; charset=utf-8', 'APPLICATION/JSON', ' application/json ', 'application/json\t;x']) {
      t.not((await send({ 'content-type': type })).statusCode, 415, `${url} ${JSON.stringify(type)}`)
    }
  }
  const bodiless = await app.inject({ method: 'POST', url: '/generate', headers: { 'x-api-key': secret } })
  t.strictSame(refusal(bodiless), notJson('it is not JSON'), 'neither a body nor a type')
})
