/** T34: the example server as its users run it. Whatever it writes anywhere is searched for whatever it was told in confidence. */
import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { appendFileSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { createSecret } from '../../lib/credentials/index.ts'
import { openLmdbStore } from '../../lib/stores/lmdb.ts'
import { startDocumentServer } from '../support/document-server.ts'
import { call, type CallOptions, formOf, getToken, issue, sendRaw } from '../support/example-client.ts'
import { CLI, firstClient, firstKey, freePort, run, startServer } from '../support/example-server.ts'
import { findLeaks, type Place, type Secrets, spellings } from '../support/secrecy-net.ts'

const ORIGIN = 'https://app.example'

/** What a data folder holds, but for the four files that are secrets of their own. */
function dataPlaces (dataDir: string): Place[] {
  return readdirSync(dataDir, { recursive: true, encoding: 'utf8' })
    .filter((name) => !['first-start.txt', 'key-encryption-key', 'token-pepper', 'editor-secret'].includes(name) && statSync(join(dataDir, name)).isFile())
    .map((name) => ({ name: `file ${name}`, text: readFileSync(join(dataDir, name)).toString() }))
}

/** A command on the data folder, and what it wrote. */
async function command (t: Test, dataDir: string, ...args: string[]): Promise<Place> {
  return await anyCommand(t, dataDir, 'api-keys', ...args)
}

async function clientCommand (t: Test, dataDir: string, ...args: string[]): Promise<Place> {
  return await anyCommand(t, dataDir, 'clients', ...args)
}

async function anyCommand (t: Test, dataDir: string, what: string, ...args: string[]): Promise<Place> {
  const { code, stdout, stderr } = await run(t, process.execPath, [CLI, what, ...args, '--data-dir', dataDir])
  return { name: `command ${args[0]} that ended with ${code}`, text: stdout + stderr }
}

t.test('no secret in what the server, its files and the commands beside it write', async (t) => {
  const [ownPort, port] = [await freePort(), await freePort()]
  const server = await startServer(t, { env: { PORT: String(ownPort), LOG_LEVEL: 'trace', CORS_ORIGINS: ORIGIN, TRUST_PROXY: '127.0.0.1', DOCUMENT_SERVER_URL: `http://127.0.0.1:${port}` } })
  const { url, dataDir } = server
  const editorSecret = readFileSync(join(dataDir, 'editor-secret'), 'utf8').trim()
  const docs = await startDocumentServer(t, { inbox: editorSecret, port })
  const key = await firstKey(server)
  let requests = 0
  // The limit by address is not what is asked here.
  const somebody = () => ({ 'x-forwarded-for': `10.0.${requests >> 8}.${requests++ & 255}` })

  const places: Place[] = []
  const created = await command(t, dataDir, 'create', '--owner', 'acme')
  const another = String(/fdt_key_[\w-]{66}/.exec(created.text)?.[0])
  const id = String(another.split('_')[2])
  const rotated = String(/fdt_key_[\w-]{66}/.exec((await command(t, dataDir, 'rotate', id)).text)?.[0])
  const wrong = createSecret('key', id)
  t.ok([another, rotated].every((secret) => secret.startsWith('fdt_key_')), 'who makes a key is shown it, once')

  const user = 'user-õ "4711"/?&'
  const token = await issue(url, key, { contract: ['read', 'write'], nothing: ['read'] }, { user_id: user }, somebody())
  const ended = await issue(url, key, { contract: ['read'] }, { user_id: user, allowed_origins: [ORIGIN] }, somebody())
  const forged = `${token.slice(0, -86)}${'A'.repeat(86)}`
  const note = 'confidential annotation 4711'

  const statuses = new Set<number>()
  const send = async (path: string, options: CallOptions = {}): Promise<void> => {
    const reply = await call(`${url}${path}`, { ...options, headers: { ...somebody(), ...options.headers } })
    statuses.add(reply.status)
    if (reply.status >= 400) places.push({ name: `answer ${reply.status} to ${options.method ?? 'GET'} ${path.slice(0, 20)}`, text: `${JSON.stringify([...reply.headers])}\n${reply.text}` })
  }
  const post = (path: string, body: unknown, options: CallOptions = {}) => send(path, { method: 'POST', bearer: key, body, ...options })

  const ask = async (path: string, body: object) => (await call(`${url}/editor/${path}`, { method: 'POST', bearer: key, body, headers: somebody() })).body
  const config = await ask('config', { documentId: 'letter' }) as { token: string, document: { url: string } }
  const { token: version } = await ask('methods/setHistoryData', { documentId: 'letter', data: 1 }) as { token: string }
  const opened = await docs.open(config)
  const link = randomBytes(24).toString('base64url')
  const saved = { key: opened.key, status: 2, users: [user], url: `${docs.keep('saved', { failures: 1 }).url}&signature=${link}`, changesurl: `${docs.keep('', { failures: 9 }).url}&signature=${link}` }
  const callback = docs.sign(saved)
  const download = docs.sign({ payload: { url: config.document.url } })
  // The first time the file cannot be had, then it is kept, then it is known.
  for (const status of [500, 200, 200]) t.equal((await call(opened.callbackUrl, { method: 'POST', body: { ...saved, token: callback } })).status, status)
  const editing = { 'the secret of the editor': editorSecret, config: config.token, version, callback, download, link }

  const parameters = { file: 'confidential drawing 4711.dwg', userId: 'confidential user 4711', server: 'https://files-4711.internal.example', sessionId: randomBytes(24).toString('base64url') }
  const generate = async (path: string) => ((await call(`${url}${path}/generate`, { method: 'POST', headers: { 'x-api-key': key, ...somebody() }, body: parameters })).body as { token: string }).token
  const opaque = { parameters: await generate(''), drawing: await generate('/cad-editor'), usedUp: await generate('/cad-editor'), revoked: await generate('') }
  for (const status of [200, 200, 200, 403]) t.equal((await call(`${url}/cad-editor?apitoken=${opaque.usedUp}`, { headers: somebody() })).status, status)
  const byToken = (path: string, token: string, options: CallOptions = {}) => send(path, { ...options, headers: { 'x-api-token': token, ...options.headers } })

  const client = await firstClient(server)
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const jwk = publicKey.export({ format: 'jwk' })
  /** What a client signs: an assertion (RFC 7523), or a proof (RFC 9449). */
  const signed = (header: object, claims: object) => {
    const input = [{ alg: 'ES256', ...header }, { iat: Math.floor(Date.now() / 1000), jti: randomBytes(24).toString('base64url'), ...claims }].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
    return `${input}.${sign('sha256', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
  }
  const keyFile = `${dataDir}.jwk`
  writeFileSync(keyFile, JSON.stringify(jwk))
  const withKey = await clientCommand(t, dataDir, 'create', '--public-key', keyFile, '--json')
  const { record: { id: signer }, secret: signerSecret } = JSON.parse(withKey.text) as { record: { id: string }, secret: string }
  const assertion = () => signed({}, { iss: signer, sub: signer, aud: url, exp: Math.floor(Date.now() / 1000) + 60 })
  const proof = (htm: string, path: string, accessToken?: string) => signed({ typ: 'dpop+jwt', jwk }, { htm, htu: `${url}${path}`, ...(accessToken !== undefined && { ath: createHash('sha256').update(accessToken).digest('base64url') }) })
  const byAssertion = (text: string) => ({ grant_type: 'client_credentials', client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer', client_assertion: text })
  const sendForm = (path: string, form: Record<string, string>, options: CallOptions = {}) => send(path, { method: 'POST', form, ...options })
  const [asserted, provenAtToken] = [assertion(), proof('POST', '/connect/token')]
  const bearer = await getToken(url, client, {}, somebody())
  const endedAccess = await getToken(url, client, {}, somebody())
  const bound = ((await call(`${url}/connect/token`, { method: 'POST', form: byAssertion(asserted), headers: { dpop: provenAtToken, ...somebody() } })).body as { access_token: string }).access_token
  const provenAtFormats = proof('GET', '/v2.0/viewer/formats', bound)
  t.equal((await call(`${url}/v2.0/viewer/formats`, { headers: { authorization: `DPoP ${bound}`, dpop: provenAtFormats, ...somebody() } })).status, 200)
  t.equal((await call(`${url}/connect/revocation`, { method: 'POST', form: { token: endedAccess, ...formOf(client) }, headers: somebody() })).status, 200)
  const oauth = {
    'secret of the client': client.secret,
    'secret of the other client': signerSecret,
    'wrong secret': createSecret('client', client.id),
    bearer,
    'ended access token': endedAccess,
    'forged access token': `${bearer.slice(0, -86)}${'A'.repeat(86)}`,
    bound,
    asserted,
    provenAtToken,
    provenAtFormats
  }
  // Used again, by others, and for something else.
  await sendForm('/connect/token', byAssertion(asserted))
  await sendForm('/connect/token', byAssertion(assertion()), { headers: { dpop: provenAtToken } })
  await send('/v2.0/viewer/formats', { headers: { authorization: `DPoP ${bound}`, dpop: provenAtFormats } })
  await send('/v2.0/viewer/formats', { bearer: bound })
  await send('/v2.0/viewer/formats', { bearer: endedAccess })

  for (const secret of [key, another, rotated, wrong, token, ended, forged, ...Object.values(oauth), ...Object.values(editing), ...Object.values(opaque), ...Object.values(parameters).map(encodeURIComponent), opened.key, encodeURIComponent(user)]) {
    // The plain name of a member is told to who sent it, up to 64 characters.
    const member = secret.padEnd(65, secret)
    const query = `?access_token=${encodeURIComponent(secret)}&${secret}`
    for (const path of ['/', '/documents', '/documents/contract', '/editor/letter', '/editor/letter/file', `/editor/${secret}`, `/editor/${secret}/callback`, `/documents/${secret}`, `/documents/${secret}/annotations`, `/${secret}`, `/viewer/sessions/${secret}`, '/viewer/sessions', '/generate', '/verify', '/revoke', '/lookup', '/cad-editor/generate', '/cad-editor/verify', '/cad-editor', `/cad-editor/${secret}`, '/docs/json', '/health/ready', `/documents/%E0%A4%A${secret}`, `/documents/${secret.padEnd(200, secret)}`]) {
      await send(path + query, { bearer: token })
      await send(path + query, { method: 'PUT', bearer: secret, body: secret })
      await send(path + query, { method: 'POST', body: JSON.stringify(secret), headers: { 'x-api-key': secret, cookie: `session=${secret}`, referer: `${ORIGIN}/?${secret}`, origin: ORIGIN, 'user-agent': secret } })
    }
    for (const body of [secret, { [member]: secret }, `{"${member}":1,"${member}":1}`, { allowed_documents: [{ document_id: 'a', document_permissions: [secret] }] }, { allowed_documents: [{ document_id: secret }, { document_id: secret }] }, { exp: secret }, { user_id: [secret] }, { jwt: secret }, { jwt: secret, user_id: user }]) {
      await post('/viewer/sessions', body)
      await post('/viewer/sessions/revoke', body, { bearer: another })
      await post('/api/create-session', body)
    }
    const basic = { authorization: `Basic ${Buffer.from(`${encodeURIComponent(client.id)}:${encodeURIComponent(secret)}`).toString('base64')}` }
    for (const path of ['/connect/token', '/oauth2/token', '/connect/introspect', '/connect/revocation']) {
      await sendForm(`${path}${query}`, { ...formOf(client), grant_type: secret, token: secret, scope: secret, resource: secret })
      await sendForm(path, { ...formOf(client), grant_type: 'client_credentials', token: secret, scope: secret }, { headers: { dpop: secret } })
      await sendForm(path, { ...formOf(client), grant_type: 'client_credentials', resource: `https://nothing.example/${secret}` })
      await sendForm(path, { ...formOf({ id: secret, secret }), [secret]: secret })
      await sendForm(path, { ...formOf({ ...client, secret }), token: secret, grant_type: 'client_credentials' })
      await sendForm(path, { token: secret, grant_type: secret }, { headers: basic })
      await sendForm(path, byAssertion(secret))
      await send(path, { method: 'POST', body: { client_secret: secret } })
      await send(path, { method: 'PUT', headers: { authorization: `Bearer ${secret}` } })
    }
    for (const path of ['/v2.0/viewer/formats', `/v2.0/viewer/storage/file/${secret}`, `/v2.0/conversion/formats?filePath=${secret}`, `/v3.0/slides/storage/${secret}/exist`, `/v2.0/${secret}`]) {
      await send(path, { bearer: secret })
      await send(path, { headers: { authorization: `DPoP ${secret}`, dpop: secret } })
      await send(path, { bearer })
    }
    for (const body of [secret, { [member]: secret }, { FileInfo: { FilePath: secret, StorageName: secret, Password: secret } }, { FileInfo: { FilePath: [secret] } }, { FileInfo: { FilePath: 'contract.pdf' }, ViewFormat: secret }]) await post('/v2.0/viewer/view', body, { bearer })
    for (const path of ['', '/cad-editor']) {
      await send(`${path}/cad-editor?apitoken=${secret}`)
      await send(`/cad-editor?apitoken=${secret}&apitoken=${secret}`, { headers: { referer: `${ORIGIN}/?${secret}`, origin: ORIGIN } })
      for (const body of [secret, { [member]: [secret] }, `{"${member}":1,"${member}":1}`, { file: 'a', access: secret }, { file: { [member]: secret } }, `{"file":"${secret}`]) await post(`${path}/generate`, body)
      for (const query of [`?expires_in=${secret}`, `?${secret}=1`]) await post(`${path}/generate${query}`, parameters)
      await post(`${path}/generate`, parameters, { bearer: secret })
      for (const accessor of [secret, 'x'.repeat(43)]) for (const way of ['revoke', 'lookup']) await post(`${path}/${way}`, { accessor })
      await byToken(`${path}/verify?${secret}`, `${secret}${secret}`)
      await byToken(`${path}/verify`, secret, { headers: { 'x-api-key': secret } })
      await byToken(`${path}/verify`, opaque.revoked, { method: 'POST', body: { token: secret } })
    }
    await post('/api/create-session', { documentId: secret })
    for (const body of [{ token: secret }, { [member]: secret }, { ...saved, token: docs.sign({ ...saved, key: secret }) }, { token: docs.sign({ ...saved, url: secret }) }]) {
      await send('/editor/letter/callback', { method: 'POST', body, headers: { authorization: `Bearer ${secret}` } })
    }
    await send('/editor/letter', { headers: { authorization: `Basic ${Buffer.from(`${secret}:${secret}`).toString('base64')}` } })
    await send('/editor/letter/history', { headers: { authorization: `Basic ${secret}` } })
    for (const [path, body] of [['config', { documentId: secret, data: secret }], ['config', { lang: secret }], [`methods/${secret}`, {}], ['methods/setHistoryData', { documentId: 'letter', data: secret }], ['explain', { token: secret }], ['explain', { token: secret, kind: secret }]] as const) {
      await post(`/editor/${path}`, body, { bearer: another, headers: { authorization: `Basic ${Buffer.from(`${user}:${key}`).toString('base64')}` } })
    }
    await post('/api/create-session', { documentId: 'contract' }, { bearer: secret, headers: { origin: ORIGIN, referer: `${ORIGIN}/?${secret}` } })
    await post('/viewer/sessions', {}, { headers: { 'x-api-key': secret } })
    await post('/viewer/sessions', {}, { headers: { 'content-type': `text/plain; ${secret}` } })
    await send('/documents/contract/annotations', { method: 'PUT', bearer: token, body: { annotations: [secret], [member]: secret } })
    for (const raw of [
      `GET /?${secret} HTTP/1.1\r\nHost: ${new URL(url).host}\r\nAuthorization: Bearer ${secret}\r\nno header ${secret}\r\n\r\n`,
      `GET /${secret} HTTP/1.1\r\nHost: ${secret}\r\nConnection: close\r\n\r\n`,
      `GET /?${secret} HTTP/1.1\r\nHost: ${new URL(url).host}\r\nX: ${secret.padEnd(20_000, secret)}\r\n\r\n`,
      `${secret} / HTTP/1.1\r\n\r\n`,
      `GET ${url}/${secret}#${secret} HTTP/1.1\r\nHost: ${new URL(url).host}\r\nConnection: close\r\n\r\n`
    ]) places.push({ name: 'answer to what is no request', text: await sendRaw(url, raw) })
  }
  await send('/documents/contract/annotations', { method: 'PUT', bearer: token, body: { annotations: [{ note }] } })
  await send('/documents/contract', { bearer: ended })
  await send('/editor/letter/file?version=1', { bearer: download })
  for (let attempt = 0; attempt < 6; attempt++) await post('/viewer/sessions', {}, { bearer: wrong, headers: { 'x-forwarded-for': '192.0.2.1' } })
  for (let attempt = 0; attempt < 6; attempt++) await sendForm('/connect/token', { grant_type: 'client_credentials', ...formOf({ ...client, secret: oauth['wrong secret'] }) }, { headers: { 'x-forwarded-for': '192.0.2.1' } })
  await byToken('/revoke', opaque.revoked, { method: 'POST', bearer: key })
  for (const spent of Object.values(opaque)) {
    await byToken('/verify', spent)
    await send(`/cad-editor?apitoken=${spent}`)
  }
  await post('/viewer/sessions/revoke', { jwt: ended })
  await post('/viewer/sessions/revoke', { user_id: user })
  await send('/documents/contract', { bearer: token })
  // What is misspelt on a command line is repeated to who misspelt it; what stands in the place of an id is not.
  for (const secret of [key, token]) places.push(await command(t, dataDir, 'rotate', secret), await command(t, dataDir, 'create', '--label', 'label', '--expires-in', secret))
  places.push(await command(t, dataDir, 'list'), await command(t, dataDir, 'disable', id), await command(t, dataDir, 'revoke', id))
  await post('/viewer/sessions', {}, { bearer: rotated })
  // A secret in the place of an id is not repeated.
  for (const secret of [client.secret, bearer]) places.push(await clientCommand(t, dataDir, 'rotate-secret', secret))
  places.push(await clientCommand(t, dataDir, 'list'), await clientCommand(t, dataDir, 'disable', client.id))
  await sendForm('/connect/token', { grant_type: 'client_credentials', ...formOf(client) })
  t.equal(await server.stop(), 0)

  t.match(server.stdout(), 'the changes of a version cannot be kept')
  t.strictSame([400, 401, 403, 404, 405, 415, 429].filter((status) => !statuses.has(status)), [], 'the server met every kind of refusal')
  const audit = readFileSync(join(dataDir, 'audit.jsonl'), 'utf8')
  for (const event of ['issued', 'verified', 'refused', 'revoked', 'locked']) t.ok(audit.includes(`"event":"${event}"`), event)
  t.ok(server.stdout().split('\n').length > places.length, 'and the log tells of all of them')

  const secrets: Secrets = { ...oauth, key, another, rotated, wrong, token, ended, forged, 'the key that seals': readFileSync(join(dataDir, 'key-encryption-key'), 'utf8').trim().slice(2), ...editing }
  const confidential: Secrets = {
    pepper: readFileSync(join(dataDir, 'token-pepper'), 'utf8').trim().slice(2),
    ...Object.fromEntries(Object.entries(opaque).flatMap(([name, token]) => [[`opaque ${name}`, token], [`start of opaque ${name}`, token.slice('fdt_opaque_'.length).slice(0, 24)]])),
    ...parameters
  }
  places.push({ name: 'stdout', text: server.stdout() }, { name: 'stderr', text: server.stderr() })
  const files = dataPlaces(dataDir)
  t.ok(files.some(({ name }) => name === 'file audit.jsonl') && files.some(({ name }) => name.startsWith('file store')), 'the files are looked at')
  t.strictSame(findLeaks({ ...secrets, ...confidential }, [...places, ...files]), [])
  t.match(audit, /"event":"verified","flow":"opaque-tokens","name":"cad-editor"/)
  for (const event of ['issued', 'verified', 'refused', 'revoked', 'locked']) t.match(audit, `"event":"${event}","flow":"client-credentials"`, event)
  // The audit log names whom it is about, versions who made them, and annotations are what the server is there to keep.
  const [versions, others] = [files.filter(({ name }) => name.startsWith('file editor/')), files.filter(({ name }) => !name.startsWith('file editor/'))]
  t.strictSame(findLeaks({ user }, [...places, ...others.filter(({ name }) => name !== 'file audit.jsonl')]), [])
  t.strictSame(findLeaks({ 'the key of the document': opened.key }, [...places, ...others]), [])
  t.ok(findLeaks({ 'the key of the document': opened.key }, versions).length > 0)
  t.strictSame(findLeaks({ note }, [...places, ...files.filter(({ name }) => !name.startsWith('file store'))]), [])
  t.ok(findLeaks({ user, note }, files).length > 0)
})

t.test('the net is cast where the server writes: a secret that is let out is found there', async (t) => {
  const secret = createSecret('key')
  const server = await startServer(t)
  const { dataDir } = server
  await firstKey(server)
  t.equal(await server.stop(), 0)
  t.strictSame(findLeaks({ secret }, dataPlaces(dataDir)), [])

  const all = [...spellings(secret)]
  const script = 'for (const spelled of JSON.parse(process.env.LET_OUT)) { console.log(spelled); console.error(spelled) }'
  const { stdout, stderr } = await run(t, process.execPath, ['-e', script], { env: { LET_OUT: JSON.stringify(all.map(([, spelled]) => spelled)) } })
  const written = [stdout, stderr].map((text) => text.split('\n'))
  const store = await openLmdbStore({ path: join(dataDir, 'store') })
  for (const [index, [spelling, spelled]] of all.entries()) {
    const audit = join(dataDir, `audit.jsonl.${index}`)
    appendFileSync(audit, `{"subject":"${spelled}"}\n`)
    await store.set(`example/let-out/${index}`, Buffer.from(`\u0001<let-out ${index}>${spelled}</>`), { durable: true })
    const [, kept] = new RegExp(`<let-out ${index}>(.*?)</>`).exec(dataPlaces(dataDir).filter(({ name }) => name.startsWith('file store')).map(({ text }) => text).join('')) ?? []
    for (const text of [readFileSync(audit, 'utf8'), String(kept), ...written.map((lines) => String(lines[index]))]) t.ok(findLeaks({ secret }, [{ name: 'somewhere', text }]).length > 0, spelling)
  }
  await store.close()
})
