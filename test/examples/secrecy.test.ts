import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { call, type CallOptions, claimsOf, issue, sendRaw } from '../support/example-client.ts'
import { apiKeys, firstKey, startServer } from '../support/example-server.ts'
import { spellings } from '../support/secrecy-net.ts'

t.test('no secret in what it writes or in what it refuses', async (t) => {
  const server = await startServer(t, { env: { LOG_LEVEL: 'trace', CORS_ORIGINS: 'https://app.example', TRUST_PROXY: '127.0.0.1' } })
  const { url, dataDir } = server
  const key = await firstKey(server)
  let requests = 0
  // The limit by address is not what is asked here.
  const somebody = () => ({ 'x-forwarded-for': `10.0.0.${requests++}` })

  const user = 'user-õ "4711"/?&'
  const token = await issue(url, key, { contract: ['read', 'write'], nothing: ['read'] }, { user_id: user }, somebody())
  const ended = await issue(url, key, { contract: ['read'] }, { user_id: user }, somebody())
  const [, payload = '', signature = ''] = token.split('.')
  const forged = `${token.slice(0, -86)}${'A'.repeat(86)}`
  const { secret: another } = await apiKeys(t, dataDir, 'create') as { secret: string }
  const jti = String(claimsOf(token)['jti'])

  const answers: Array<{ status: number, what: string, text: string }> = []
  const send = async (path: string, options: CallOptions = {}) => {
    const reply = await call(`${url}${path}`, { ...options, headers: { ...somebody(), ...options.headers } })
    answers.push({ status: reply.status, what: `${options.method ?? 'GET'} ${path.slice(0, 30)}`, text: `${JSON.stringify([...reply.headers])}\n${reply.text}` })
  }
  const post = (path: string, body: unknown, options: CallOptions = {}) => send(path, { method: 'POST', bearer: key, body, ...options })

  const server4711 = 'https://files-4711.internal.example'
  const generate = async (path: string) => ((await call(`${url}${path}/generate`, { method: 'POST', headers: { 'x-api-key': key, ...somebody() }, body: { file: 'contract', server: server4711 } })).body as { token: string }).token
  const [opaque, drawing] = [await generate(''), await generate('/cad-editor')]

  for (const secret of [key, token, forged, another, opaque, drawing]) {
    const query = `?access_token=${encodeURIComponent(secret)}&jwt=${secret}&${secret}`
    for (const path of ['/', '/documents', '/documents/contract', '/documents/nothing', '/documents/contract/annotations', '/viewer/sessions', '/viewer/sessions/revoke', '/generate', '/verify', '/revoke', '/lookup', '/cad-editor', '/cad-editor/verify', '/nothing', '/docs', '/docs/json', '/docs/nothing', '/health/ready', '/documents/%E0%A4%A', `/documents/${'x'.repeat(200)}`]) {
      await send(`${path}${query}`, { bearer: token })
      await send(`${path}${query}`, { method: 'PUT', bearer: token, body: secret })
      await send(`${path}${query}`, { method: 'POST', body: JSON.stringify(secret), headers: { 'x-api-key': secret } })
    }
    for (const path of ['/verify', '/cad-editor/verify', '/cad-editor']) await send(`${path}?apitoken=${secret}`, { headers: { 'x-api-token': secret } })
    await post('/generate', { [secret]: { [secret]: secret } }, { headers: { 'x-api-token': secret } })
    await post('/revoke', { accessor: secret })
    await send('/documents', { headers: { authorization: `Bearer ${secret}` } })
    await send('/documents', { headers: { authorization: `Basic ${secret}`, 'x-api-key': secret } })
    await send('/documents/contract', { headers: { authorization: `Bearer ${secret} ${secret}` } })
    await send('/documents/contract', { headers: { origin: 'https://app.example', cookie: `session=${secret}`, referer: `https://app.example/?${secret}` } })
    await send('/documents/contract/annotations', { method: 'PUT', bearer: token, body: { annotations: [secret] } })
    await send('/documents/contract/annotations', { method: 'PUT', bearer: token, body: { [secret]: secret } })
    await send('/documents/contract/annotations', { method: 'PUT', bearer: token, body: secret, headers: { 'content-type': `text/${secret}` } })
    await post('/viewer/sessions', secret)
    await post('/viewer/sessions', { [secret]: secret })
    await post('/viewer/sessions', { allowed_documents: [{ document_id: 'a', [secret]: secret }] })
    await post('/viewer/sessions', { allowed_documents: [{ document_id: 'a', document_permissions: [secret] }] })
    await post('/viewer/sessions', { allowed_documents: [{ document_id: secret, document_permissions: 1 }] })
    await post('/viewer/sessions', { allowed_documents: [{ document_id: secret }, { document_id: secret }] })
    await post('/viewer/sessions', { exp: secret })
    await post('/viewer/sessions', { user_id: '', nbf: secret })
    await post('/viewer/sessions', `{"${secret}":1,"${secret}":1}`)
    await post('/viewer/sessions', {}, { headers: { 'x-api-key': secret } })
    await post('/viewer/sessions', {}, { bearer: secret.slice(0, -1) })
    await post('/viewer/sessions', {}, { headers: { 'content-type': `application/json; ${secret}` }, bearer: 'x' })
    await post('/viewer/sessions/revoke', { jwt: `${secret}.` })
    await post('/viewer/sessions/revoke', { jwt: secret, user_id: user })
    await post('/viewer/sessions/revoke', { [secret]: secret })
    for (const raw of [
      `GET /?${secret} HTTP/1.1\r\nHost: ${new URL(url).host}\r\nAuthorization: Bearer ${secret}\r\nno header ${secret}\r\n\r\n`,
      `GET /?${secret} HTTP/1.1\r\nHost: ${new URL(url).host}\r\nX: ${secret.padEnd(20_000, secret)}\r\n\r\n`,
      `${secret} / HTTP/1.1\r\n\r\n`,
      `GET http://app.example/?${secret}#${secret} HTTP/1.1\r\nHost: ${new URL(url).host}\r\nConnection: close\r\n\r\n`,
      `POST /viewer/sessions?${secret} HTTP/1.1\r\nHost: ${new URL(url).host}\r\nAuthorization: Bearer ${secret}\r\nAuthorization: Bearer ${key}\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}`,
      `POST /viewer/sessions?${secret} HTTP/1.1\r\nHost: ${new URL(url).host}\r\nContent-Type: application/json\r\nX-Api-Key: ${secret}\r\nContent-Length: 2000\r\n\r\n{"${secret}`
    ]) answers.push({ status: 400, what: raw.slice(0, 30), text: await sendRaw(url, raw) })
  }
  await post('/viewer/sessions/revoke', { jwt: ended })
  await post('/viewer/sessions/revoke', { user_id: user })
  await send('/documents/contract', { bearer: ended })
  await send('/documents/contract', { bearer: token })
  t.equal(await server.stop(), 0)

  const refused = answers.filter(({ status }) => status >= 400)
  t.ok(refused.length > 200 && new Set(refused.map(({ status }) => status)).size >= 6, `many were refused: ${[...new Set(answers.map(({ status }) => status))].sort().join()}`)
  t.ok(server.stdout().split('\n').length > 300, 'and the log tells of all of them')

  const secrets = { key, another, token, payload, signature, jti, ended, forged, user, opaque, drawing, server4711, pepper: readFileSync(join(dataDir, 'token-pepper'), 'utf8').trim().slice(2), 'the key that seals': readFileSync(join(dataDir, 'key-encryption-key'), 'utf8').trim().slice(2) }
  const log = [...server.output().split('\n').entries()].map(([index, text]) => ({ what: `line ${index} of the log`, text }))
  for (const [name, secret] of Object.entries(secrets)) {
    const found = [...log, ...refused].flatMap(({ what, text }) => {
      return [...spellings(secret).values()].filter((spelling) => text.includes(spelling)).map((spelling) => `${what}: ${text.slice(Math.max(0, text.indexOf(spelling) - 60), text.indexOf(spelling) + 20)}`)
    })
    t.strictSame(found.slice(0, 3), [], name)
  }
})
