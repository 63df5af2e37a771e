import { once } from 'node:events'
import { type RequestListener } from 'node:http'
import { gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { createTokenSource, type TokenSourceOptions } from '../../../lib/client/index.ts'
import { rawUpstream } from '../../support/upstream.ts'
import { CLIENT, CLIENT_SECRET, endpoint, failureOf, sendJson, TOKEN_URL } from './endpoint.ts'

const GRANT = { access_token: 'eyJ.a-b_c~d+e/f==', expires_in: 86400, token_type: 'Bearer' }

/** One try, and quick about it. */
const ONCE = { ...CLIENT, maxRetries: 0 }

const REFUSED = { code: 'FDT_TOKEN_REFUSED', statusCode: 502 }
const FAILED = { code: 'FDT_TOKEN_ENDPOINT_FAILED', statusCode: 502 }

async function sent (t: Test, options: Partial<TokenSourceOptions> = {}) {
  const { tokenUrl, requests } = await endpoint(t, (_request, response) => sendJson(response, 200, GRANT))
  t.equal(await createTokenSource({ ...CLIENT, tokenUrl, ...options }).get(), GRANT.access_token)
  t.equal(requests.length, 1)
  const [request] = requests
  if (request === undefined) throw new Error('there was no request')
  t.match(request, { method: 'POST', url: '/connect/token', headers: { 'content-type': /^application\/x-www-form-urlencoded$/, accept: 'application/json' } })
  return request
}

t.test('asks with id and secret in the body, as the vendors do', async (t) => {
  const { headers, body } = await sent(t)
  t.equal(headers.authorization, undefined)
  t.equal(body, 'grant_type=client_credentials&client_id=B01A15EE%3A+1&client_secret=s3cr%3Aet%2B%2F%25%26%3D+%3F%22%5C%E2%82%AC')
})

t.test('asks by HTTP Basic, form-encoded, and says nothing of the client elsewhere', async (t) => {
  const { headers, body } = await sent(t, { authMethod: 'client_secret_basic' })
  const [scheme, credentials = ''] = String(headers.authorization).split(' ')
  t.equal(scheme, 'Basic')
  t.equal(Buffer.from(credentials, 'base64').toString(), 'B01A15EE%3A+1:s3cr%3Aet%2B%2F%25%26%3D+%3F%22%5C%E2%82%AC')
  t.equal(body, 'grant_type=client_credentials')
})

t.test('one request serves any number of callers', async (t) => {
  const { tokenUrl, requests } = await endpoint(t, (_request, response) => sendJson(response, 200, GRANT))
  const source = createTokenSource({ ...CLIENT, tokenUrl })
  t.strictSame(requests, [], 'nothing is asked before the first call')
  t.strictSame(new Set(await Promise.all(Array.from({ length: 1000 }, () => source.get()))), new Set([GRANT.access_token]))
  await source.get()
  t.equal(requests.length, 1)
})

t.test('asks for scope, resources and whatever else', async (t) => {
  const { body } = await sent(t, { scope: 'api.read api.write', resource: ['https://a.example/?b=c', 'urn:b'], parameters: { audience: 'https://a.example/' }, authMethod: 'client_secret_basic' })
  t.strictSame([...new URLSearchParams(body)], [
    ['grant_type', 'client_credentials'], ['scope', 'api.read api.write'], ['audience', 'https://a.example/'], ['resource', 'https://a.example/?b=c'], ['resource', 'urn:b']
  ])
  t.match((await sent(t, { resource: 'urn:one' })).body, /&resource=urn%3Aone$/)
})

t.test('takes the global fetch as it is when it is called', async (t) => {
  const source = createTokenSource({ ...ONCE, tokenUrl: TOKEN_URL })
  t.intercept(globalThis, 'fetch', { value: async () => Response.json(GRANT) })
  t.equal(await source.get(), GRANT.access_token)
})

const answer = (status: number, body: string | Uint8Array, headers: Record<string, string> = {}): RequestListener =>
  (_request, response) => { response.writeHead(status, headers).end(body) }

const json = (body: object, status = 200): RequestListener => answer(status, JSON.stringify(body))

const granting = (members: object): RequestListener => json({ ...GRANT, ...members })

const oversized = JSON.stringify({ ...GRANT, x: 'x'.repeat(64 * 1024) })
const largest = JSON.stringify({ ...GRANT, x: 'x'.repeat(64 * 1024 - JSON.stringify(GRANT).length - 7) })

t.test('takes answers of many a server', async (t) => {
  const accepted: Array<[string, RequestListener]> = [
    ['any case of bearer', granting({ token_type: 'bEARER' })],
    ['the longest token', granting({ access_token: 'a'.repeat(16 * 1024) })],
    ['created', json(GRANT, 201)],
    ['a type that is not JSON', answer(200, JSON.stringify(GRANT), { 'content-type': 'text/html; charset=utf-16' })],
    ['a byte order mark', answer(200, `\ufeff${JSON.stringify(GRANT)}`, { 'content-type': 'application/json; charset=utf-8' })],
    ['Latin-1 in what nobody reads', answer(200, Buffer.from(JSON.stringify({ ...GRANT, note: 'für' }), 'latin1'), { 'content-type': 'application/json; charset=iso-8859-1' })],
    ['gzip', answer(200, gzipSync(JSON.stringify(GRANT)), { 'content-encoding': 'gzip' })],
    ['64 KiB', answer(200, largest)]
  ]
  t.equal(largest.length, 64 * 1024)
  for (const [name, listener] of accepted) {
    const { tokenUrl } = await endpoint(t, listener)
    t.match(await createTokenSource({ ...ONCE, tokenUrl }).get(), /^[\w.~+/-]+=*$/, name)
  }
})

const noObject = 'The token endpoint failed: the answer is no JSON object'
const noBearer = 'The token endpoint failed: the token_type of the answer is not Bearer'
const noToken = 'The token endpoint failed: the answer holds no access_token that can be sent'
const tooLong = 'The token endpoint failed: the answer is longer than 65536 bytes'

t.test('refuses answers that are no token, and does not ask again', async (t) => {
  const rejected: Array<[string, RequestListener, string]> = [
    ['nothing', answer(200, ''), noObject],
    ['no content', answer(204, ''), noObject],
    ['a page', answer(200, `<p>${CLIENT_SECRET}`), noObject],
    ['half of it', answer(200, JSON.stringify(GRANT).slice(0, -1)), noObject],
    ['UTF-16', answer(200, Buffer.from(JSON.stringify(GRANT), 'utf16le'), { 'content-type': 'application/json; charset=utf-16' }), noObject],
    ...['null', '1', '"secret-token"', '[]', `[${JSON.stringify(GRANT)}]`].map((body): [string, RequestListener, string] => [body, answer(200, body), noObject]),
    ['no type', granting({ token_type: undefined }), noBearer],
    ['another type', granting({ token_type: 'DPoP' }), noBearer],
    ['a type that is no string', granting({ token_type: ['Bearer'] }), noBearer],
    ['no token', granting({ access_token: undefined }), noToken],
    ...['', ' ', 'a b', 'secret-token\r\nX: y', 'a=b', '=', 'ä', '!', `${'a'.repeat(16 * 1024)}b`].map((token): [string, RequestListener, string] => [`the token ${token.slice(0, 9)}`, granting({ access_token: token }), noToken]),
    ['a token that is no string', granting({ access_token: ['secret-token'] }), noToken],
    ['a byte too many', answer(200, `${largest} `), tooLong],
    ['far too much', answer(200, oversized), tooLong],
    ['far too much behind gzip', answer(200, gzipSync('x'.repeat(10_000_000)), { 'content-encoding': 'gzip' }), tooLong]
  ]
  for (const [name, listener, message] of rejected) {
    const { tokenUrl, requests } = await endpoint(t, listener)
    t.strictSame(await failureOf(t, createTokenSource({ ...CLIENT, tokenUrl })), { ...FAILED, message, name: 'FastifyError' }, name)
    t.equal(requests.length, 1, name)
  }
})

t.test('leaves an answer without end', async (t) => {
  for (const status of [200, 400]) {
    let closed: Promise<unknown> | undefined
    const { tokenUrl } = await endpoint(t, (_request, response) => {
      closed = once(response.writeHead(status), 'close')
      const write = (): void => { while (!response.destroyed && response.write('x'.repeat(16 * 1024))); }
      response.on('drain', write)
      write()
    })
    t.match(await failureOf(t, createTokenSource({ ...ONCE, tokenUrl })), status === 200 ? { ...FAILED, message: tooLong } : { ...REFUSED, status })
    await closed
  }
})

const refused = (code = 'no error code', status = 400): string => `The token endpoint refused: ${code} (status ${status})`

t.test('tells what the server refuses, and does not ask again', async (t) => {
  const longest = 'e'.repeat(64)
  const rejected: Array<[string, RequestListener, object]> = [
    ['400', json({ error: 'invalid_client', error_description: CLIENT_SECRET }, 400), { status: 400, error: 'invalid_client', message: refused('invalid_client') }],
    ['401', json({ error: 'invalid_client' }, 401), { status: 401, error: 'invalid_client', message: refused('invalid_client', 401) }],
    ['404', answer(404, 'Not Found'), { status: 404, message: refused(undefined, 404) }],
    ['a date to come back', answer(403, '', { 'retry-after': '5' }), { status: 403, message: refused(undefined, 403) }],
    ['the longest code', json({ error: longest }, 400), { status: 400, error: longest, message: refused(longest) }],
    ['all characters', json({ error: ' !#[]~%s' }, 400), { status: 400, error: ' !#[]~%s', message: refused(' !#[]~%s') }],
    ...['', `${longest}e`, 'a"b', 'a\\b', 'a\nb', 'ä', '\u007f', 7, null, ['invalid_client']].map((error): [string, RequestListener, object] => [`the code ${error}`, json({ error }, 400), { status: 400, message: refused() }]),
    ['no object', answer(400, '"invalid_client"'), { status: 400, message: refused() }]
  ]
  for (const [name, listener, expected] of rejected) {
    const { tokenUrl, requests } = await endpoint(t, listener)
    t.strictSame(await failureOf(t, createTokenSource({ ...CLIENT, tokenUrl })), { ...REFUSED, name: 'FastifyError', ...expected }, name)
    t.equal(requests.length, 1, name)
  }
})

t.test('a code that holds the secret is none, however it is written', async (t) => {
  const clientSecret = 'Hunter:2/+?'
  const clientId = 'app'
  const basic = Buffer.from('app:Hunter%3A2%2F%2B%3F').toString('base64')
  const echoes = [clientSecret, clientSecret.toLowerCase(), encodeURIComponent(clientSecret), encodeURIComponent(clientSecret).toLowerCase(), basic, Buffer.from(clientSecret).toString('base64'), Buffer.from(clientSecret).toString('base64url')]
  for (const echo of echoes) {
    const { tokenUrl } = await endpoint(t, json({ error: `no ${echo}!` }, 400))
    t.match(await failureOf(t, createTokenSource({ clientId, clientSecret, tokenUrl })), { error: undefined, message: refused() }, echo)
  }
  const spaced = await endpoint(t, json({ error: 'a+b c' }, 400))
  t.match(await failureOf(t, createTokenSource({ clientId, clientSecret: 'a b', tokenUrl: spaced.tokenUrl })), { error: undefined })
  const { tokenUrl } = await endpoint(t, json({ error: 'no Hunter' }, 400))
  t.match(await failureOf(t, createTokenSource({ clientId, clientSecret, tokenUrl })), { error: 'no Hunter' })
})

t.test('follows no redirect, not even to itself', async (t) => {
  for (const status of [301, 302, 303, 307, 308]) {
    const { tokenUrl, requests } = await endpoint(t, answer(status, 'secret-token', { location: '/connect/token' }))
    t.strictSame(await failureOf(t, createTokenSource({ ...CLIENT, tokenUrl })), { ...FAILED, name: 'FastifyError', status, message: `The token endpoint failed: no error code (status ${status})` })
    t.equal(requests.length, 1)
  }
})

t.test('tells how a request failed by a code, and nothing else', async (t) => {
  const failing = async (tokenUrl: string, timeout = 10_000): Promise<unknown> => (await failureOf(t, createTokenSource({ ...ONCE, tokenUrl, timeout })))['message']

  const cut = await endpoint(t, (_request, response) => {
    response.writeHead(200, { 'content-length': '1000' }).write('{"access_token":"secret-token"')
    setImmediate(() => response.destroy())
  })
  t.equal(await failing(cut.tokenUrl), 'The token endpoint failed: the request failed with UND_ERR_SOCKET')

  const noHttp = await rawUpstream(t, (socket) => { socket.end(`${CLIENT_SECRET}\r\n\r\n`) })
  t.match(await failing(noHttp.url), /^The token endpoint failed: the request failed with (?:HPE_\w+|HTTPParserError)$/)

  for (const [name, told] of [['HTTPParserError', 'HTTPParserError'], ['Error', 'no code'], [CLIENT_SECRET, 'no code']]) {
    const fetch = async (): Promise<never> => { throw new TypeError('fetch failed', { cause: Object.assign(new Error(CLIENT_SECRET), { name }) }) }
    t.equal((await failureOf(t, createTokenSource({ ...ONCE, tokenUrl: cut.tokenUrl, fetch })))['message'], `The token endpoint failed: the request failed with ${told}`)
  }

  const gone = await rawUpstream(t, (socket) => { socket.destroy() })
  t.match(await failing(gone.url), /^The token endpoint failed: the request failed with (?:UND_ERR_SOCKET|ECONNRESET)$/)

  const silent = await rawUpstream(t, () => {})
  t.equal(await failing(silent.url, 50), 'The token endpoint failed: there was no answer within 50 ms')

  const half = await endpoint(t, (_request, response) => { response.writeHead(200).write('{') })
  t.equal(await failing(half.tokenUrl, 50), 'The token endpoint failed: there was no answer within 50 ms')
})

t.test('a refusal is one from its first line on', async (t) => {
  for (const end of ['destroy', 'cork'] as const) {
    const { tokenUrl, requests } = await endpoint(t, (_request, response) => {
      response.writeHead(400, { 'content-length': '1000' }).write('{')
      setImmediate(() => response[end]())
    })
    t.match(await failureOf(t, createTokenSource({ ...CLIENT, tokenUrl, timeout: 1000 })), { ...REFUSED, status: 400, message: refused() })
    t.equal(requests.length, 1)
  }
})

t.test('tells nothing of what another fetch throws', async (t) => {
  const withCode = (code: unknown): Error => Object.assign(new TypeError(CLIENT_SECRET), { code, url: CLIENT_SECRET })
  const thrown: Array<[unknown, string]> = [
    [withCode('ECONNREFUSED'), 'ECONNREFUSED'],
    [new TypeError(CLIENT_SECRET, { cause: withCode('CERT_HAS_EXPIRED') }), 'CERT_HAS_EXPIRED'],
    [withCode(CLIENT_SECRET), 'no code'],
    [withCode('secret-token'), 'no code'],
    [withCode(20), 'no code'],
    [withCode('E'.repeat(49)), 'no code'],
    [new TypeError(CLIENT_SECRET, { cause: CLIENT_SECRET }), 'no code'],
    [CLIENT_SECRET, 'no code'],
    [undefined, 'no code']
  ]
  for (const [error, code] of thrown) {
    const source = createTokenSource({ ...ONCE, tokenUrl: TOKEN_URL, fetch: async () => { throw error } })
    t.strictSame(await failureOf(t, source), { ...FAILED, name: 'FastifyError', message: `The token endpoint failed: the request failed with ${code}` })
  }
})

t.test('ends the wait for a fetch that heeds no signal', async (t) => {
  for (const fetch of [async () => await new Promise<Response>(() => {}), async () => new Response(new ReadableStream())]) {
    const source = createTokenSource({ ...ONCE, tokenUrl: TOKEN_URL, timeout: 20, fetch })
    t.match(await failureOf(t, source), { message: 'The token endpoint failed: there was no answer within 20 ms' })
  }
})

t.test('ends the request that takes too long', async (t) => {
  let signal: AbortSignal | null | undefined
  const source = createTokenSource({
    ...ONCE,
    tokenUrl: TOKEN_URL,
    timeout: 20,
    fetch: async (_input, init) => {
      signal = init?.signal
      return await new Promise(() => {})
    }
  })
  await failureOf(t, source)
  t.equal(signal?.aborted, true)
})
