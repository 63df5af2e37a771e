import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { call, type CallOptions, claimsOf, getToken, headerOf } from '../support/example-client.ts'
import { command, type ExampleClient, findClient, firstClient, freePort, hasTool, ROOT, startProgram, startServer, until } from '../support/example-server.ts'
import { paste } from '../support/example-shell.ts'

/** The vendor's documentation, with our address, and `=` where its page prints `#`. */
const tokenCommand = (url: string, { id, secret }: ExampleClient) => `curl -v "${url}/connect/token" \\
-d "grant_type=client_credentials&client_id=${id}&client_secret=${secret}" \\
-H "Content-Type: application/x-www-form-urlencoded" \\
-H "Accept: application/json"
`

const viewCommand = (url: string, token: string) => `curl -X POST "${url}/v2.0/viewer/view" \\
-H  "accept: application/json" -H  "authorization: Bearer ${token}" \\
-H  "Content-Type: application/json" \\
-d "{  \\"FileInfo\\": {    \\"FilePath\\": \\"viewerdocs/one-page.docx\\",    \\"StorageName\\": \\"MyStorage\\",    \\"Password\\": \\"\\"  }  }"
`

t.test('the requests of the vendor’s documentation', { skip: hasTool('bash') && hasTool('curl') ? false : 'there is no bash or no curl' }, async (t) => {
  const port = String(await freePort())
  const server = await startServer(t, { env: { PORT: port } })
  const { url, dataDir } = server
  const client = await firstClient(server)
  const curl = async (command: string): Promise<{ text: string, stderr: string }> => {
    const { code, stdout, stderr } = await paste(t, command)
    t.equal(code, 0)
    return { text: stdout, stderr }
  }

  const granted = await curl(tokenCommand(url, client))
  t.match(granted.stderr, /< HTTP\/1\.1 200 OK/)
  for (const header of ['content-type: application/json', 'cache-control: no-store', 'pragma: no-cache']) t.match(granted.stderr.toLowerCase(), `< ${header}`)
  const { access_token: token, ...rest } = JSON.parse(granted.text)
  t.equal(granted.text, `{"access_token":"${token}","expires_in":86400,"token_type":"Bearer"}`, 'these members in this order')
  t.strictSame(rest, { expires_in: 86400, token_type: 'Bearer' })
  t.match(headerOf(token), { alg: 'RS256', typ: 'at+jwt' })
  t.match(claimsOf(token), { iss: url, aud: url, client_id: client.id, scope: 'files.read files.write' })

  const path = 'viewer/docs/one-page_docx/p1.html'
  const shown = await curl(viewCommand(url, token))
  t.equal(shown.text, JSON.stringify({ pages: [{ number: 1, resources: [], path, downloadUrl: `${url}/v2.0/viewer/storage/file/${path}` }], attachments: [], file: null }))
  const { pages: [page] } = JSON.parse(shown.text)
  t.match(await call(page.downloadUrl, { bearer: token }), { status: 200, text: 'Letter about the spring survey' })
  t.match(await call(page.downloadUrl), { status: 401 })

  for (const alias of ['/v4.0/words/connect/token', '/v4.0/cells/connect/token', '/oauth2/token']) {
    const { text } = await curl(tokenCommand(url, client).replace('/connect/token', alias))
    t.match(JSON.parse(text), { expires_in: 86400, token_type: 'Bearer' }, alias)
  }
  t.equal((await curl(tokenCommand(url, { ...client, secret: 'xxxx' }))).text, '{"error":"invalid_client","error_description":"Client authentication failed"}')
  t.equal(await server.stop(), 0)
  t.match(readFileSync(join(dataDir, 'audit.jsonl'), 'utf8'), '"event":"issued","flow":"client-credentials","name":"default"')
})

t.test('files behind access tokens', async (t) => {
  const origin = 'https://app.example'
  const demo = { id: 'a client', secret: 'a known secret of the demo, of its client' }
  const { url } = await startServer(t, { env: { DEMO_CLIENT_ID: demo.id, DEMO_CLIENT_SECRET: demo.secret, CORS_ORIGINS: origin, TRUST_PROXY: '127.0.0.1' } })
  const [token, narrow] = [await getToken(url, demo), await getToken(url, demo, { scope: 'files.write' })]
  const view = '/v2.0/viewer/view'
  const file = (FilePath: unknown, StorageName?: unknown) => ({ method: 'POST', body: { FileInfo: { FilePath, StorageName } } })
  const page = (path: string) => `/v2.0/viewer/storage/file/${path}`

  const served: Array<[string, CallOptions, object]> = [
    [view, file('contract.pdf'), { pages: [{ path: 'viewer/contract_pdf/p1.html' }] }],
    [view, file('contract.pdf', ''), { pages: [{ path: 'viewer/contract_pdf/p1.html' }] }],
    [view, file('letter.docx', 'Documents'), { pages: [{ path: 'viewer/letter_docx/p1.html' }] }],
    [view, { method: 'POST', body: { fileInfo: { filePath: 'floor-plan.png' }, viewFormat: 'HTML', htmlOptions: {} } }, { pages: [{ path: 'viewer/floor-plan_png/p1.html' }] }],
    ['/v2.0/conversion/formats?filePath=contract.pdf', {}, [{ sourceFormat: 'pdf', targetFormats: ['html'] }]],
    ['/v2.0/conversion/formats?filePath=viewerdocs/one-page.docx&storageName=MyStorage', {}, [{ sourceFormat: 'docx' }]],
    ['/v2.0/conversion/formats?format=odt', {}, []],
    ['/v3.0/slides/storage/nothing/exist', {}, { exists: false }]
  ]
  for (const [path, options, body] of served) t.match(await call(url + path, { bearer: token, ...options }), { status: 200, body }, `${path} ${JSON.stringify(options)}`)
  t.match(await call(`${url}${page('viewer/contract_pdf/p1.html')}`, { bearer: token }), { status: 200, text: 'Service agreement' })

  const refused: Array<[string, CallOptions, number, string]> = [
    // The storage is obeyed, and nothing leads out of it.
    ...[['contract.pdf', 'MyStorage'], ['viewerdocs/one-page.docx'], ['one-page.docx', 'MyStorage'], ['contract.pdf', 'nothing'], ['contract.pdf', 'mystorage'], ['contract.pdf', '__proto__'], ['Contract.pdf'], ['']]
      .map(([path, storage]): [string, CallOptions, number, string] => [view, file(path, storage), 404, 'not_found']),
    ...['../documents/contract.pdf', '/contract.pdf', './contract.pdf', 'x/../contract.pdf', '..\\contract.pdf', 'contract.pdf\0', 'constructor', '../../../package.json', '/etc/passwd']
      .map((path): [string, CallOptions, number, string] => [view, file(path), 404, 'not_found']),
    ...['contract.pdf', 'viewer/contract_pdf/p2.html', '..%2f..%2fpackage.json', 'viewer/docs/..%2fcontract_pdf/p1.html', '%00', '', 'viewer/contract_pdf/p1.html?storageName=MyStorage', 'viewer/contract_pdf/p1.html?storageName=nothing']
      .map((path): [string, CallOptions, number, string] => [page(path), {}, 404, 'not_found']),
    ['/v2.0/conversion/formats?filePath=nothing', {}, 404, 'not_found'],
    ['/v2.0/conversion/formats?filePath=contract.pdf&storageName=MyStorage', {}, 404, 'not_found'],
    ['/v2.0/viewer/nothing', {}, 404, 'Not Found'],
    [view, {}, 404, 'Not Found'],
    [page('%'), {}, 400, 'Bad Request'],
    ...[{}, [], { FileInfo: {} }, { FileInfo: 'contract.pdf' }, { FileInfo: { FilePath: 1 } }, { FileInfo: { FilePath: 'x'.repeat(1025) } }, { FileInfo: { FilePath: 'contract.pdf', StorageName: null } }, { FileInfo: { FilePath: 'contract.pdf' }, ViewFormat: 'PNG' }, '{', '', 'null', '{"FileInfo":{"FilePath":"contract.pdf","__proto__":{}}}', '{"FileInfo":'.repeat(1000) + '{}' + '}'.repeat(1000)]
      .map((body): [string, CallOptions, number, string] => [view, { method: 'POST', body }, 400, 'invalid_request']),
    [view, { method: 'POST', announced: 16 * 1024 + 1 }, 413, 'invalid_request'],
    [view, { ...file('contract.pdf'), headers: { 'content-type': 'application/xml' } }, 415, 'invalid_request'],
    [`${view}?access_token=${token}`, file('contract.pdf'), 400, 'invalid_request'],
    ...[view, '/v2.0/viewer/formats', '/v2.0/conversion/formats', '/v3.0/slides/storage/MyStorage/exist', page('viewer/contract_pdf/p1.html')].flatMap((path): Array<[string, CallOptions, number, string]> => {
      const options = path === view ? file('contract.pdf') : {}
      return [
        [path, { ...options, bearer: '' }, 401, 'invalid_token'],
        [path, { ...options, bearer: `${token.slice(0, -8)}AAAAAAAA` }, 401, 'invalid_token'],
        [path, { ...options, headers: { authorization: `DPoP ${token}` } }, 401, 'invalid_token'],
        [path, { ...options, bearer: narrow }, 403, 'insufficient_scope']
      ]
    })
  ]
  for (const [path, options, status, error] of refused) {
    const { status: answered, body, headers } = await call(url + path, { ...options, headers: { 'x-forwarded-for': '192.0.2.1', ...(options.bearer === undefined && { authorization: `Bearer ${token}` }), ...options.headers } })
    const title = `${path.slice(0, 60)} ${JSON.stringify(options).slice(0, 60)}`
    t.strictSame([answered, Object(body).error], [status, error], title)
    t.equal(headers.has('www-authenticate'), status === 401 || status === 403 || path.includes('access_token'), `${title}: the challenge`)
  }

  let answer = await call(`${url}/v2.0/viewer/formats`, { bearer: token })
  for (let asked = 0; asked < 200 && answer.status === 200; asked++) answer = await call(`${url}/v2.0/viewer/formats`, { bearer: token, headers: { origin } })
  t.match(answer, { status: 429, body: { error: 'temporarily_unavailable', error_description: 'Too many requests' } })
  t.match(answer.headers.get('retry-after'), /^\d+$/)
  t.match(answer.headers.get('access-control-expose-headers'), 'WWW-Authenticate, Retry-After, DPoP-Nonce, ')
  t.match(await call(`${url}/v2.0/viewer/formats`, { headers: { 'x-forwarded-for': '192.0.2.2' } }), { status: 401 }, 'others go on')
})

t.test('a client beside the demo’s, limited by the program', async (t) => {
  const server = await startServer(t, { env: { DEMO_CLIENT_ID: 'a client', DEMO_CLIENT_SECRET: 'a known secret of the demo, of its client' } })
  const { url, dataDir } = server
  const shown = await firstClient(server)
  const made = findClient(JSON.stringify(await command(t, dataDir, 'clients', 'create', '--scope', 'files.write')))
  t.match(claimsOf(await getToken(url, made)), { scope: 'files.write' })
  await t.rejects(getToken(url, made, { scope: 'files.read' }), /^no access token: 400 .*invalid_scope/)
  t.match(claimsOf(await getToken(url, shown)), { scope: 'files.read files.write' })
  await command(t, dataDir, 'clients', 'disable', made.id)
  await t.rejects(getToken(url, made), /^no access token: 400 .*invalid_client/)
})

/** One of the small hosts, once it listens. */
async function startHost (t: Test, name: string, env: Record<string, string>): Promise<{ url: string, said: string, stop: () => Promise<string> }> {
  const program = startProgram(t, process.execPath, [join(ROOT, 'dist/examples', name)], { env })
  const [said, url = ''] = await until(() => /^listening on (http:\S+),[^]+\/files\n/.exec(program.stdout()) ?? (program.process.exitCode !== null && ['']))
  const stop = async () => {
    await program.kill()
    return program.output()
  }
  return { url, said: String(said), stop }
}

t.test('the smallest issuer, and an API elsewhere that knows no client', async (t) => {
  const [port, otherPort] = [String(await freePort()), String(await freePort())]
  const RESOURCE = `http://127.0.0.1:${otherPort}`
  const issuer = await startHost(t, 'client-credentials.js', { PORT: port, RESOURCE })
  const api = await startHost(t, 'resource-server.js', { PORT: otherPort, ISSUER: issuer.url })
  const client = findClient(issuer.said)
  const own = await getToken(issuer.url, client)
  const foreign = await getToken(issuer.url, client, { resource: RESOURCE })
  const files = (url: string, bearer: string) => call(`${url}/files`, { bearer })

  t.match(await files(issuer.url, own), { status: 200, body: { client: client.id } })
  t.match(await files(api.url, foreign), { status: 200, body: { client: client.id } })
  const refused = { status: 401, body: { error: 'invalid_token' } }
  t.match(await files(issuer.url, foreign), refused, 'each takes what is for it alone')
  t.match(await files(api.url, own), refused)
  t.match(await files(api.url, `${foreign.slice(0, -8)}AAAAAAAA`), refused)

  const { headers } = await call(`${api.url}/files`)
  const [, metadata = ''] = /^Bearer resource_metadata="([^"]+)"$/.exec(String(headers.get('www-authenticate'))) ?? []
  t.match(await call(metadata), { status: 200, body: { resource: api.url, authorization_servers: [issuer.url], scopes_supported: ['files.read'] } }, 'a client finds out where to ask')
  t.match(await call(`${issuer.url}/.well-known/oauth-authorization-server`), { status: 200, body: { issuer: issuer.url, token_endpoint: `${issuer.url}/connect/token` } })
  t.equal((await call(`${api.url}/connect/token`, { method: 'POST', form: {} })).status, 404)

  t.equal(await issuer.stop(), issuer.said, 'and they say no more than that')
  t.match(await files(api.url, foreign), { status: 200 }, 'keys that are known serve on')
  t.equal(await api.stop(), api.said)
  for (const name of ['client-credentials.ts', 'resource-server.ts']) t.ok(readFileSync(join(ROOT, 'examples', name), 'utf8').trim().split('\n').length <= 40, `${name}: in forty lines`)
})
