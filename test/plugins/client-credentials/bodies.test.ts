import t from 'tap'
import { oauthBody } from '../../../plugins/client-credentials/errors.ts'
import { until } from '../../support/example-server.ts'
import { inEveryHost } from '../../support/hosts.ts'
import { answer, basic, BASIC_CHALLENGE, FORM, ISSUER, oauthHost, refused } from '../../support/oauth-host.ts'
import { lastAnswer, openRaw, sendRaw } from '../../support/raw-connection.ts'

const INVALID = refused(400, 'invalid_request')
const TOO_LARGE = refused(413, 'invalid_request')
const SERVED = { status: 200, error: undefined, challenge: undefined, cache: 'no-store', retryAfter: undefined, allow: undefined }
const URLS = ['/connect/token', '/oauth2/token', '/connect/introspect', '/connect/revocation']
const flow = { aliases: ['/oauth2/token'] }

/** Every route takes this form. */
const formOf = ({ credentials }: { credentials: Record<string, string> }, more: Record<string, string> = {}): string => new URLSearchParams({ grant_type: 'client_credentials', token: 'x', ...credentials, ...more }).toString()

inEveryHost(t, 'what is no form, or more than one', async (t) => {
  const host = await oauthHost(t, { flow })
  const good = formOf(host)
  const repeated = ['grant_type', 'client_id', 'client_secret', 'scope', 'token', 'token_type_hint', 'client_assertion', 'client_assertion_type', 'unknown', '']
  const cases: Array<[name: string, body: string | Buffer]> = [
    ...repeated.map((name): [string, string] => [`${name} twice`, `${good}${good.includes(`${name}=`) && name !== '' ? '' : `&${name}=a`}&${name}=a`]),
    ['a parameter twice, the same', `${good}&scope=api.read&scope=api.read`],
    ['a parameter twice, empty first', `${good}&scope=&scope=api.read`],
    ['a parameter twice, empty behind', `${good}&scope=api.read&scope`],
    ['a name in two spellings', `${good}&gr%61nt_type=client_credentials`],
    ['half an escape', `${good}&a=%`],
    ['an escape of one digit', `${good}&a=%4`],
    ['an escape of no digits', `${good}&a=%zz`],
    ['an escape in a name', `${good}&%zz=a`],
    ['an escape that is no UTF-8', `${good}&a=%ff`],
    ['half a character', `${good}&a=%C3`],
    ['half of a surrogate pair', `${good}&a=%ED%A0%80`],
    ['an overlong escape', `${good}&a=%C0%AF`],
    ['bytes that are no UTF-8', Buffer.from(`${good}&a=\xff`, 'latin1')],
    ['__proto__ as a name (T28)', `${good}&__proto__=a`],
    ['__proto__, escaped', `${good}&%5F_proto__=a`]
  ]
  for (const [name, body] of cases) {
    for (const url of URLS) t.strictSame(answer(await host.post(url, body)), INVALID, `${url}: ${name}`)
  }
})

inEveryHost(t, 'what a form may hold besides', async (t) => {
  const host = await oauthHost(t, { flow })
  const good = formOf(host)
  const bodies = [good, `&${good}&&`, `${good}&unknown=1`, `${good}&=1`, `${good}&%F0%9F%98%80=ü`, ...['constructor', 'toString', 'hasOwnProperty', 'valueOf', '__proto'].map((name) => `${good}&${name}=a`), `${good}&resource=&resource=`, `${good}&redirect_uri=javascript:alert(1)&code=1&refresh_token=1`]
  for (const body of bodies) {
    for (const url of URLS) t.strictSame(answer(await host.post(url, body)), SERVED, `${url}: ${body.slice(good.length)}`)
  }
  t.equal((await host.post('/connect/token', good)).json().token_type, 'Bearer')
  t.strictSame(answer(await host.post('/connect/token', `${good}\r\n`)), { ...INVALID, error: 'invalid_client' }, 'a line break is part of the last value')
})

inEveryHost(t, 'grant types', async (t) => {
  const host = await oauthHost(t, { flow })
  const unsupported = refused(400, 'unsupported_grant_type')
  const others = ['refresh_token', 'authorization_code', 'password', 'Client_Credentials', 'client_credentials ', 'client_credentials,password', 'x'.repeat(100), 'x'.repeat(101), 'urn:ietf:params:oauth:grant-type:jwt-bearer', '__proto__', 'constructor', '\0', '"\r\nset-cookie: a=b', 'é']
  for (const url of ['/connect/token', '/oauth2/token']) {
    for (const other of others) {
      t.strictSame(answer(await host.post(url, formOf(host, { grant_type: other }))), unsupported, other)
    }
    t.strictSame(answer(await host.post(url, formOf(host, { grant_type: '' }))), INVALID, 'empty')
    t.strictSame(answer(await host.post(url, formOf(host).replace('grant_type=client_credentials&', ''))), INVALID, 'none')
  }
})

inEveryHost(t, 'a form and nothing else, declared as one (T21, T22)', async (t) => {
  const host = await oauthHost(t, { flow })
  const good = formOf(host)
  const types = ['text/plain', 'application/json', 'application/jsonx', 'multipart/form-data; boundary=x', 'application/octet-stream', 'application/x-www-form-urlencodedx', 'application/x-www-form-urlencoded, text/plain', 'text/plain, application/x-www-form-urlencoded', 'x application/x-www-form-urlencoded', 'form', '', '*/*',
    `${FORM}; charset=iso-8859-1`, `${FORM}; charset=utf-16`, `${FORM};charset=utf-7`, `${FORM}; charset=`, `${FORM}; charset=utf-8; charset=utf-7`, `${FORM}; x=y`]
  for (const url of URLS) {
    for (const type of types) t.strictSame(answer(await host.post(url, good, { 'content-type': type })), INVALID, `${url}: ${type}`)
    for (const type of [FORM, `${FORM}; charset=utf-8`, `${FORM};charset=UTF-8`, `${FORM}; charset="utf-8"`, FORM.toUpperCase(), ` ${FORM} `]) t.strictSame(answer(await host.post(url, good, { 'content-type': type })), SERVED, `${url}: ${type}`)
    t.strictSame(answer(await host.app.inject({ method: 'POST', url, payload: Buffer.from(good) })), INVALID, `${url}: no type`)
    t.strictSame(answer(await host.app.inject({ method: 'POST', url })), INVALID, `${url}: neither a type nor a body`)
    t.strictSame(answer(await host.app.inject({ method: 'POST', url, headers: basic(host.id, host.secret) })), INVALID, `${url}: nor with HTTP Basic`)
    for (const body of ['1', '"1"', 'null', '[]', '{}', JSON.stringify({ grant_type: 'client_credentials', ...host.credentials }), '['.repeat(10_000), '{"a":1,"a":2}']) {
      t.strictSame(answer(await host.post(url, body, { 'content-type': 'application/json' })), INVALID, `${url}: ${body.slice(0, 30)}`)
      const expected = url.startsWith('/connect/') && !url.endsWith('token') ? refused(401, 'invalid_client', { challenge: BASIC_CHALLENGE }) : refused(400, 'invalid_client')
      t.strictSame(answer(await host.post(url, body)), expected, `${url}: ${body.slice(0, 30)} as the name of a parameter`)
    }
    const multipart = '--x\r\nContent-Disposition: form-data; name="grant_type"\r\n\r\nclient_credentials\r\n--x--\r\n'
    t.strictSame(answer(await host.post(url, multipart, { 'content-type': 'multipart/form-data; boundary=x' })), INVALID, `${url}: multipart`)
  }
})

inEveryHost(t, 'sizes: 16 KiB, and a megabyte is not read (T22)', async (t) => {
  const host = await oauthHost(t, { flow })
  const filled = (length: number): string => `${formOf(host)}&a=`.padEnd(length, 'x')
  for (const url of URLS) {
    t.strictSame(answer(await host.post(url, filled(16 * 1024))), SERVED, url)
    t.strictSame(answer(await host.post(url, filled(16 * 1024 + 1))), TOO_LARGE, url)
    t.strictSame(answer(await host.post(url, filled(1024 * 1024))), TOO_LARGE, url)
  }
  const url = await host.app.listen({ port: 0, host: '127.0.0.1' })
  const connection = await openRaw(t, url)
  connection.send(`POST /connect/token HTTP/1.1\r\nHost: x\r\nContent-Type: ${FORM}\r\nContent-Length: ${1024 * 1024}\r\n\r\n`)
  t.strictSame(await until(() => connection.statuses().length > 0 && connection.statuses()), [413], 'announced, and not waited for')
})

inEveryHost(t, 'parameters in a URL are refused, whatever the body holds', async (t) => {
  const host = await oauthHost(t, { flow })
  const { id, secret } = host
  const queries = ['client_id=x', `client_secret=${secret}`, 'grant_type=client_credentials', 'scope=api.read', 'resource=x', 'token=x', 'token_type_hint=x', 'client_assertion=x', 'client_assertion_type=x', 'a=b&scope', 'client%5Fid=x', 'scope=&a=1']
  for (const url of URLS) {
    for (const query of queries) t.strictSame(answer(await host.post(`${url}?${query}`, formOf(host))), INVALID, `${url}?${query}`)
    t.strictSame(answer(await host.post(`${url}?grant_type=client_credentials&client_id=${id}&client_secret=${secret}&token=x`, '')), INVALID, 'all there')
    for (const query of ['', 'a=b', 'xscope=1']) t.strictSame(answer(await host.post(`${url}?${query}`, formOf(host))), SERVED, `${url}?${query}`)
  }
})

inEveryHost(t, 'no error holds what was sent, nor a character that it must not (T33)', async (t) => {
  const host = await oauthHost(t, { flow, client: { scopes: ['api.read'] } })
  const evil = ['"\\\r\nset-cookie: a=b', 'é\u2028', '<script>', 'x\0', 'evil-marker'].map((text) => `${text}evil-marker`)
  const replies = []
  for (const url of URLS) {
    for (const text of evil) {
      for (const name of ['grant_type', 'client_id', 'client_secret', 'scope', 'resource', 'client_assertion', 'token', text]) replies.push(await host.post(url, formOf(host, { [name]: text })))
      replies.push(await host.post(url, text), await host.post(url, formOf(host), basic(text, text)), await host.post(url, formOf(host), { 'content-type': `text/${text.replace(/[^\w-]/g, '')}` }), await host.post(`${url}?scope=${encodeURIComponent(text)}`, ''))
      replies.push(await host.app.inject({ method: 'PUT', url: `${url}?${encodeURIComponent(text)}` }))
    }
  }
  for (const { statusCode, body, headers } of replies) {
    if (statusCode < 400) continue
    const { error, error_description: description, ...others } = JSON.parse(body)
    if (!/^[a-z_]+$/.test(error) || !/^[\x20\x21\x23-\x5b\x5d-\x7e]+$/.test(description) || Object.keys(others).length > 0 || (body + JSON.stringify(headers)).includes('evil-marker') || 'set-cookie' in headers) t.fail(body)
  }
  t.ok(replies.filter(({ statusCode }) => statusCode >= 400).length > 100)
  const { body } = await host.post('/connect/token', formOf(host, { client_secret: 'x' }))
  t.equal(body, '{"error":"invalid_client","error_description":"Client authentication failed"}', 'in this order')
  const odd = Object.assign(new Error('a "b" \\ ü\n'), { code: 'FDT_INVALID_REQUEST', statusCode: 400 })
  t.strictSame(oauthBody(odd), { error: 'invalid_request', error_description: "a 'b' ' ''" }, 'RFC 6749, section 5.2')
})

inEveryHost(t, 'what stands twice in the head of a request', async (t) => {
  const host = await oauthHost(t, { flow: { dpop: true, publicUrl: ISSUER } })
  const url = await host.app.listen({ port: 0, host: '127.0.0.1' })
  const { authorization } = basic(host.id, host.secret)
  const send = async (lines: readonly string[], body: string) => {
    const received = await sendRaw(t, url, ['POST /connect/token HTTP/1.1', 'Host: evil.example', 'Connection: close', `Content-Length: ${body.length}`, ...lines, '', body].join('\r\n'))
    return { status: Number(received.split(' ')[1]), error: JSON.parse(lastAnswer(received).body).error }
  }
  const [form, grant] = [`Content-Type: ${FORM}`, 'grant_type=client_credentials']
  const [right, wrong] = [`Authorization: ${authorization}`, 'authorization: Basic eDp5']
  t.strictSame(await send([form, right], grant), { status: 200, error: undefined })
  for (const lines of [[right, right], [right, wrong], [wrong, right], [right, 'Authorization: Bearer x'], [right, 'Authorization:']]) t.strictSame(await send([form, ...lines], grant), { status: 400, error: 'invalid_request' }, lines.join())
  t.strictSame(await send([form, 'DPoP: x', 'DPoP: y'], formOf(host)), { status: 400, error: 'invalid_dpop_proof' })
  t.strictSame(await send(['Content-Type: text/plain', form], formOf(host)), { status: 400, error: 'invalid_request' }, 'of two types the first is the one')
})

inEveryHost(t, 'every other method is 405, and tells the one that there is', async (t) => {
  const { app } = await oauthHost(t, { flow })
  const expected = refused(405, 'invalid_request', { allow: 'POST' })
  for (const url of URLS) {
    for (const method of ['GET', 'PUT', 'PATCH', 'DELETE'] as const) t.strictSame(answer(await app.inject({ method, url })), expected, `${method} ${url}`)
    const { statusCode, headers } = await app.inject({ method: 'HEAD', url })
    t.strictSame([statusCode, headers['allow'], headers['cache-control'], headers['pragma']], [405, 'POST', 'no-store', 'no-cache'], `HEAD ${url}`)
  }
  const named = await app.inject({ method: 'GET', url: '/connect/token?grant_type=client_credentials&client_id=x&client_secret=y' })
  t.strictSame(answer(named), expected)
})
