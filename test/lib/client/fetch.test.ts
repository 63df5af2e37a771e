import { type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { inspect } from 'node:util'
import t, { type Test } from 'tap'
import { createTokenSource, type TokenSourceOptions } from '../../../lib/client/index.ts'
import { upstream } from '../../support/upstream.ts'
import { CLIENT, endpoint, sendJson } from './endpoint.ts'

type Answer = (response: ServerResponse, request: IncomingMessage) => void

const REFUSED = { code: 'FDT_INVALID_OPTION', statusCode: 500 }

/** An API that gives these answers, one a request, and the last again and again; and a source whose tokens are called token-1, token-2 … */
async function api (t: Test, answers: Answer[], options: Partial<TokenSourceOptions> = {}) {
  let count = 0
  const server = await upstream(t, (request, response) => {
    const answer = answers[Math.min(count++, answers.length - 1)]
    if (answer === undefined) throw new Error('there is no answer')
    answer(response, request)
  })
  const { origin } = new URL(server.url)
  return { ...await source(t, [origin], options), server, origin, authorizations: () => server.requests.map(({ headers }) => headers.authorization) }
}

async function source (t: Test, origins: string[], options: Partial<TokenSourceOptions> = {}) {
  let number = 0
  const tokens = await endpoint(t, (_request, response) => sendJson(response, 200, { access_token: `token-${++number}`, token_type: 'Bearer', expires_in: 3600 }))
  return { tokens, ...createTokenSource({ ...CLIENT, tokenUrl: tokens.tokenUrl, origins, ...options }) }
}

const ok: Answer = (response) => { response.end('fine') }

const unauthorized: Answer = (response) => { response.writeHead(401, { 'www-authenticate': 'Bearer error="invalid_token"' }).end('{"error":"invalid_token"}') }

const redirect = (location: string | undefined, status = 302): Answer => (response) => { response.writeHead(status, location === undefined ? {} : { location }).end('moved') }

t.test('adds the token to what fetch takes', async (t) => {
  const { fetch, origin, server, tokens } = await api(t, [ok])
  const url = `${origin}/v2.0/viewer?a=b`
  const inputs: Array<[Parameters<typeof fetch>, string, string]> = [
    [[url], 'GET', ''],
    [[new URL(url)], 'GET', ''],
    [[new Request(url)], 'GET', ''],
    [[url, { method: 'POST', body: 'text', headers: { 'x-a': '1' } }], 'POST', 'text'],
    [[new Request(url, { method: 'PUT', body: 'text', headers: { 'x-a': '1' } })], 'PUT', 'text'],
    [[new Request(url, { method: 'PUT', body: 'text', headers: { 'x-a': '2' } }), { method: 'PATCH', body: 'other', headers: { 'x-a': '1' } }], 'PATCH', 'other'],
    [[new Request(url, { method: 'PUT', body: 'text', headers: { 'x-a': '1' } }), { method: undefined, body: undefined, headers: undefined } as unknown as RequestInit], 'PUT', 'text'],
    [[url, { method: 'DELETE', body: null }], 'DELETE', '']
  ]
  for (const [args, method, body] of inputs) {
    const response = await fetch(...args)
    t.equal(await response.text(), 'fine')
    const { headers, ...request } = server.requests.at(-1) ?? { headers: {} }
    t.strictSame({ ...request }, { method, url: '/v2.0/viewer?a=b', body })
    t.equal(headers.authorization, 'Bearer token-1')
    if (body !== '') t.match(headers, { 'x-a': '1', 'content-type': 'text/plain;charset=UTF-8' })
  }
  t.equal(tokens.requests.length, 1)
})

t.test('sends each kind of body as fetch does', async (t) => {
  const { fetch, origin, server } = await api(t, [ok])
  const form = new FormData()
  form.append('a', 'b')
  form.append('file', new File(['content'], 'a.txt', { type: 'text/plain' }))
  const bodies: Array<[NonNullable<RequestInit['body']>, string | RegExp, string | RegExp | undefined]> = [
    [Buffer.from('xbytesx').subarray(1, 6), 'bytes', undefined],
    [new Uint8Array([97, 98]).buffer, 'ab', undefined],
    [new DataView(new Uint8Array([97, 98, 99]).buffer, 1), 'bc', undefined],
    [new URLSearchParams({ a: 'b c' }), 'a=b+c', 'application/x-www-form-urlencoded;charset=UTF-8'],
    [new Blob(['blob'], { type: 'text/x-a' }), 'blob', 'text/x-a'],
    [form, /name="a"\r\n\r\nb\r\n[^]*filename="a\.txt"\r\nContent-Type: text\/plain\r\n\r\ncontent\r\n/, /^multipart\/form-data; boundary=/],
    [new Blob(['stream']).stream(), 'stream', undefined]
  ]
  for (const [body, text, type] of bodies) {
    t.equal((await fetch(origin, { method: 'POST', body, duplex: 'half' })).status, 200)
    t.match(server.requests.at(-1)?.body, text)
    if (type === undefined) t.equal(server.requests.at(-1)?.headers['content-type'], undefined)
    else t.match(server.requests.at(-1)?.headers['content-type'], type)
  }
})

t.test('sends what there was when it was called', async (t) => {
  const bytes = Buffer.from('bytes')
  const buffer = new Uint8Array(Buffer.from('bytes')).buffer
  const parameters = new URLSearchParams({ a: 'b' })
  const form = new FormData()
  const changes: Array<[NonNullable<RequestInit['body']>, () => void]> = [
    [bytes, () => { bytes.fill('x') }],
    [buffer, () => { new Uint8Array(buffer).fill(120) }],
    [parameters, () => { parameters.set('a', 'x') }],
    [form, () => { form.set('a', 'xx') }]
  ]
  for (const [body, change] of changes) {
    const { fetch, origin, server } = await api(t, [unauthorized, ok])
    const headers = new Headers({ 'x-a': '1' })
    const url = new URL(origin)
    const response = fetch(url, { method: 'POST', body, headers })
    change()
    headers.set('x-a', '2')
    url.pathname = '/x'
    t.equal((await response).status, 200)
    t.equal(server.requests.length, 2)
    for (const request of server.requests) {
      t.match(request, { url: '/', headers: { 'x-a': '1' } })
      t.notMatch(request.body, /xx|=x/)
    }
  }
})

t.test('T42: refuses other origins, and asks for no token', async (t) => {
  const { fetch, origin, server, tokens } = await api(t, [ok])
  const { port, host } = new URL(origin)
  const refused = [
    '', '/a', 'a', `//${host}/`, `https://${host}/`, `http://localhost:${port}/`, `http://127.0.0.2:${port}/`, 'http://127.0.0.1/', `${origin}0/`, `${origin}.evil.test/`, `http://${host}@evil.test/`, `http://evil.test/${host}`,
    `http://user@${host}/`, `http://:pass@${host}/`, `blob:${origin}/a`, `ftp://${host}/`, 'data:,a', 'null'
  ]
  for (const url of refused) {
    await t.rejects(fetch(url), { ...REFUSED, message: /^Invalid option "input": / }, url)
    if (URL.canParse(url)) await t.rejects(fetch(new URL(url)), REFUSED, url)
  }
  await t.rejects(fetch(new Request('https://evil.test/')), REFUSED)
  t.strictSame([server.requests, tokens.requests], [[], []])

  const bare = { ...CLIENT, tokenUrl: tokens.tokenUrl }
  await t.rejects(createTokenSource(bare).fetch(origin), { ...REFUSED, message: /"origins"/ })
  await t.rejects(createTokenSource({ ...bare, origins: [] }).fetch(origin), { ...REFUSED, message: /"input"/ })
  t.strictSame([server.requests, tokens.requests], [[], []])
})

t.test('T42: the list of origins is the one that was given', async (t) => {
  const origins = ['http://127.0.0.1:1']
  const { fetch, tokens } = await source(t, origins)
  origins.push('https://evil.test')
  await t.rejects(fetch('https://evil.test/'), REFUSED)
  t.strictSame(tokens.requests, [])
})

t.test('refuses an Authorization of the caller\'s', async (t) => {
  const { fetch, origin, server } = await api(t, [ok])
  const mine = ['Bearer mine', '']
  for (const authorization of mine) {
    await t.rejects(fetch(origin, { headers: { authorization } }), { ...REFUSED, message: /^Invalid option "headers": (?!.*mine)/ })
    await t.rejects(fetch(origin, { headers: new Headers({ AUTHORIZATION: authorization }) }), REFUSED)
    await t.rejects(fetch(origin, { headers: [['aUthorization', authorization]] }), REFUSED)
    await t.rejects(fetch(new Request(origin, { headers: { authorization } })), REFUSED)
  }
  t.strictSame(server.requests, [])
})

t.test('a 401 gets a new token, and the request is sent once more', async (t) => {
  const form = new FormData()
  form.append('a', 'b')
  for (const body of [undefined, null, '', 'text', Buffer.from('bytes'), new ArrayBuffer(2), new Uint16Array(2), new URLSearchParams({ a: 'b' }), new Blob(['blob']), form]) {
    const { fetch, origin, server, tokens, authorizations } = await api(t, [unauthorized, ok, ok])
    const response = await fetch(`${origin}/a`, body === undefined ? {} : { method: 'POST', body })
    t.equal(await response.text(), 'fine')
    t.strictSame(authorizations(), ['Bearer token-1', 'Bearer token-2'])
    const [first, second] = server.requests
    const boundary = /-+formdata-[\w-]+/g
    t.strictSame(second?.body.replace(boundary, ''), first?.body.replace(boundary, ''))
    t.equal(second?.method, first?.method)
    await fetch(origin)
    t.equal(authorizations().at(-1), 'Bearer token-2')
    t.equal(tokens.requests.length, 2)
  }
})

t.test('a second 401 is the answer, with its body', async (t) => {
  const { fetch, origin, authorizations } = await api(t, [unauthorized])
  const response = await fetch(origin)
  t.equal(response.status, 401)
  t.equal(response.headers.get('www-authenticate'), 'Bearer error="invalid_token"')
  t.strictSame(await response.json(), { error: 'invalid_token' })
  t.strictSame(authorizations(), ['Bearer token-1', 'Bearer token-2'])
})

t.test('what can be sent only once is not sent again, and leaves its 401 unread', async (t) => {
  const unrepeatable: Array<(url: string) => [Parameters<typeof globalThis.fetch>[0], RequestInit?]> = [
    (url) => [url, { method: 'POST', body: new Blob(['a']).stream(), duplex: 'half' }],
    (url) => [url, { method: 'POST', body: (async function * () { yield Buffer.from('a') })(), duplex: 'half' }],
    (url) => [new Request(url, { method: 'POST', body: 'a' })]
  ]
  for (const make of unrepeatable) {
    const { fetch, origin, authorizations } = await api(t, [unauthorized, ok])
    const response = await fetch(...make(origin))
    t.equal(response.status, 401)
    t.equal(response.bodyUsed, false)
    t.strictSame(await response.json(), { error: 'invalid_token' })
    t.equal((await fetch(origin)).status, 200)
    t.strictSame(authorizations(), ['Bearer token-1', 'Bearer token-2'], 'the next one gets a new token')
  }
})

t.test('a Request that was used is refused as fetch refuses it, and one without body serves again', async (t) => {
  const { fetch, origin, server } = await api(t, [ok])
  const used = new Request(origin, { method: 'POST', body: 'a' })
  await used.text()
  await t.rejects(fetch(used), TypeError)
  t.strictSame(server.requests, [])
  const bare = new Request(origin)
  t.strictSame([(await fetch(bare)).status, (await fetch(bare)).status], [200, 200])
})

t.test('a hundred 401s make one request for a token', async (t) => {
  const waiting: ServerResponse[] = []
  const isOld = ({ headers }: IncomingMessage): boolean => headers.authorization === 'Bearer token-1'
  const listener: Answer = (response, request) => {
    if (!isOld(request)) return ok(response, request)
    waiting.push(response)
    // All are refused, half of them at once, and half when the others have long been served.
    if (waiting.length === 100) waiting.splice(0, 50).forEach((early) => unauthorized(early, request))
  }
  const { fetch, origin, tokens, server } = await api(t, [listener])
  const responses = Array.from({ length: 100 }, () => fetch(origin))
  while (server.requests.length < 150) await new Promise((resolve) => { setImmediate(resolve) })
  for (const late of waiting) late.writeHead(401).end()
  for (const response of await Promise.all(responses)) t.equal(response.status, 200)
  t.equal(tokens.requests.length, 2)
  t.equal(server.requests.length, 200)
})

for (const status of [401, 302]) {
  t.test(`the first ${status} is let go of before the next request`, async (t) => {
    let isCancelled = false
    const seen: boolean[] = []
    const { tokens } = await source(t, [])
    const { fetch } = createTokenSource({
      ...CLIENT,
      tokenUrl: tokens.tokenUrl,
      origins: ['https://api.example'],
      fetch: async (input, init) => {
        if (input === tokens.tokenUrl) return await globalThis.fetch(input, init)
        seen.push(isCancelled)
        return new Response(new ReadableStream({ cancel: () => { isCancelled = true } }), { status: seen.length === 1 ? status : 200, headers: { location: '/b' } })
      }
    })
    t.equal((await fetch('https://api.example/')).status, 200)
    t.strictSame(seen, [false, true])
  })
}

t.test('a body that cannot be let go of, or is not there, is no failure', async (t) => {
  const { tokens } = await source(t, [])
  const broken = new ReadableStream({ cancel: () => { throw new Error('it is gone') } })
  for (const body of [broken, null]) {
    let count = 0
    const { fetch } = createTokenSource({
      ...CLIENT,
      tokenUrl: tokens.tokenUrl,
      origins: ['https://api.example'],
      fetch: async (input, init) => input === tokens.tokenUrl ? await globalThis.fetch(input, init) : new Response(count++ === 0 ? body : 'fine', { status: count === 1 ? 401 : 200 })
    })
    t.equal(await (await fetch('https://api.example/')).text(), 'fine')
  }
})

t.test('without a new token a 401 ends in the failure of the token endpoint', async (t) => {
  const { server, origin } = await api(t, [unauthorized])
  let count = 0
  const { tokenUrl } = await endpoint(t, (_request, response) => {
    if (count++ === 0) sendJson(response, 200, { access_token: 'token-1', token_type: 'Bearer' })
    else sendJson(response, 401, { error: 'invalid_client' })
  })
  const tokens = createTokenSource({ ...CLIENT, tokenUrl, origins: [origin] })
  await t.rejects(tokens.fetch(origin), { code: 'FDT_TOKEN_REFUSED', status: 401, error: 'invalid_client' })
  await t.rejects(tokens.get(), { code: 'FDT_TOKEN_REFUSED' }, 'the token that was refused is handed out no more')
  t.equal(server.requests.length, 1)
})

t.test('redirects within the origin are followed as fetch follows them, with the token', async (t) => {
  const cases: Array<[number, string, string, string]> = [
    [301, 'GET', 'GET', ''], [302, 'GET', 'GET', ''], [303, 'GET', 'GET', ''], [307, 'GET', 'GET', ''], [308, 'GET', 'GET', ''],
    [301, 'POST', 'GET', ''], [302, 'post', 'GET', ''], [303, 'POST', 'GET', ''], [307, 'POST', 'POST', 'text'], [308, 'POST', 'POST', 'text'],
    [301, 'PUT', 'PUT', 'text'], [302, 'DELETE', 'DELETE', 'text'], [303, 'PUT', 'GET', ''], [307, 'PUT', 'PUT', 'text'], [303, 'HEAD', 'HEAD', '']
  ]
  for (const [status, method, then, body] of cases) {
    const { fetch, origin, server, authorizations } = await api(t, [redirect('../b?c#d', status), ok])
    const hasBody = method !== 'GET' && method !== 'HEAD'
    const response = await fetch(`${origin}/x/a`, { method, headers: { 'x-a': '1' }, ...(hasBody && { body: 'text', headers: { 'x-a': '1', 'content-language': 'de' } }) })
    t.equal(response.status, 200)
    t.equal(response.url, `${origin}/b?c`)
    const [, request] = server.requests
    t.match(request, { method: then, url: '/b?c', body, headers: { 'x-a': '1' } }, `${status} ${method}`)
    if (hasBody) t.strictSame([request?.headers['content-language'], request?.headers['content-type']], body === '' ? [undefined, undefined] : ['de', 'text/plain;charset=UTF-8'])
    t.strictSame(authorizations(), ['Bearer token-1', 'Bearer token-1'])
  }
})

t.test('T42: a redirect to elsewhere is the answer, and nobody there gets anything', async (t) => {
  const other = await upstream(t, (_request, response) => { response.end('secret') })
  const { origin: elsewhere } = new URL(other.url)
  const { port } = new URL(elsewhere)
  for (const status of [301, 302, 303, 307, 308]) {
    for (const location of [`${elsewhere}/a`, `//127.0.0.1:${port}/`, `http://localhost:${port}/`, `https://127.0.0.1:${port}/`, `blob:${elsewhere}/`, 'ftp://127.0.0.1/', 'data:,a']) {
      const { fetch, origin, authorizations } = await api(t, [redirect(location, status), ok], {})
      const response = await fetch(origin, { method: 'POST', body: 'text' })
      t.equal(response.status, status)
      t.equal(response.headers.get('location'), location)
      t.equal(await response.text(), 'moved')
      t.strictSame(authorizations(), ['Bearer token-1'])
    }
  }

  // Even where the token may go there: whoever redirects is not who chose where.
  const { origin, server } = await api(t, [redirect(`${elsewhere}/a`)])
  const both = await source(t, [origin, elsewhere])
  t.equal((await both.fetch(origin)).status, 302)
  t.equal(server.requests.length, 1)
  t.strictSame(other.requests, [])
})

t.test('T42: no redirect from https to http', async (t) => {
  const asked: unknown[] = []
  const { tokens } = await source(t, [])
  for (const location of ['http://api.example/', 'http://api.example:443/', 'https://api.example:80/']) {
    const { fetch } = createTokenSource({
      ...CLIENT,
      tokenUrl: tokens.tokenUrl,
      origins: ['https://api.example'],
      fetch: async (input, init) => {
        if (input === tokens.tokenUrl) return await globalThis.fetch(input, init)
        asked.push(input)
        return new Response(null, { status: 302, headers: { location } })
      }
    })
    t.equal((await fetch('https://api.example/a')).status, 302)
  }
  t.strictSame(asked, Array.from({ length: 3 }, () => 'https://api.example/a'))
})

t.test('a redirect that leads nowhere is the answer', async (t) => {
  for (const location of [undefined, 'http://', 'http://a b/']) {
    const { fetch, origin, server } = await api(t, [redirect(location)])
    t.equal((await fetch(origin)).status, 302)
    t.equal(server.requests.length, 1)
  }
  for (const userinfo of ['user@', ':pass@', 'user:pass@']) {
    const { fetch, origin, server } = await api(t, [(response, request) => redirect(`http://${userinfo}${request.headers.host}/`)(response, request)])
    t.equal((await fetch(origin)).status, 302)
    t.equal(server.requests.length, 1)
  }
  for (const status of [300, 304, 305, 306, 200, 201]) {
    const { fetch, origin, server } = await api(t, [redirect('/b', status)])
    t.equal((await fetch(origin)).status, status)
    t.equal(server.requests.length, 1)
  }
})

t.test('a redirect that wants a body that is gone is the answer', async (t) => {
  const stream = (): RequestInit => ({ method: 'POST', body: new Blob(['a']).stream(), duplex: 'half' })
  const kept = await api(t, [redirect('/b', 307), ok])
  t.equal((await kept.fetch(kept.origin, stream())).status, 307)
  t.equal(kept.server.requests.length, 1)
  const dropped = await api(t, [redirect('/b', 303), unauthorized, ok])
  t.equal((await dropped.fetch(dropped.origin, stream())).status, 200, 'without the body it can be sent again')
  t.strictSame(dropped.server.requests.map(({ method, url }) => `${method} ${url}`), ['POST /', 'GET /b', 'GET /b'])
})

t.test('follows 20 redirects, and no more', async (t) => {
  const endless = await api(t, [redirect('/')])
  t.equal((await endless.fetch(endless.origin)).status, 302)
  t.equal(endless.server.requests.length, 21)
  const long = await api(t, [...Array.from({ length: 20 }, () => redirect('/')), ok])
  t.equal((await long.fetch(long.origin)).status, 200)
})

t.test('one new token for the whole of a chain', async (t) => {
  const { fetch, origin, authorizations } = await api(t, [unauthorized, redirect('/b'), unauthorized, ok])
  t.equal((await fetch(origin)).status, 401)
  t.strictSame(authorizations(), ['Bearer token-1', 'Bearer token-2', 'Bearer token-2'])
  const later = await api(t, [redirect('/b'), unauthorized, ok])
  t.equal((await later.fetch(later.origin)).status, 200)
  t.strictSame(later.server.requests.map(({ url }) => url), ['/', '/b', '/b'])
})

t.test('follows none where the caller says so', async (t) => {
  const { fetch, origin, server } = await api(t, [redirect('/b')])
  t.equal((await fetch(origin, { redirect: 'manual' })).status, 302)
  t.equal((await fetch(new Request(origin, { redirect: 'manual' }))).status, 302)
  await t.rejects(fetch(origin, { redirect: 'error' }), TypeError)
  t.equal(server.requests.length, 3)
  t.equal((await fetch(new Request(origin, { redirect: 'manual' }), { redirect: 'follow' })).status, 302)
  t.equal(server.requests.length, 24)
})

t.test('the signal of the caller ends the wait for the token, and the request', async (t) => {
  const silent: RequestListener = () => {}
  const tokens = await endpoint(t, silent)
  const waiting = createTokenSource({ ...CLIENT, tokenUrl: tokens.tokenUrl, origins: ['https://api.example'] })
  await t.rejects(waiting.fetch('https://api.example/', { signal: AbortSignal.timeout(20) }), { name: 'TimeoutError' })

  const controller = new AbortController()
  const { fetch, origin } = await api(t, [() => { controller.abort() }])
  await t.rejects(fetch(new Request(origin, { signal: controller.signal })), { name: 'AbortError' })
  await t.rejects(fetch(origin, { signal: controller.signal }), { name: 'AbortError' })
  const other = await api(t, [ok])
  t.equal((await other.fetch(new Request(other.origin, { signal: controller.signal }), { signal: null })).status, 200)
})

t.test('what fetch throws holds no token', async (t) => {
  const { fetch, origin } = await api(t, [(response) => { response.destroy() }])
  const error: unknown = await fetch(`${origin}/a`).catch((reason) => reason)
  t.type(error, TypeError)
  t.notMatch(inspect(error, { depth: 10, showHidden: true }), /token-1|Bearer/)
})

t.test('the answer comes as a stream, and as large as it is', async (t) => {
  const { fetch, origin } = await api(t, [(response) => { response.end('x'.repeat(200_000)) }])
  t.equal((await (await fetch(origin)).text()).length, 200_000)
})
