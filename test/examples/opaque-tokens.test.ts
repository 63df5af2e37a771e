import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { type Answer, call } from '../support/example-client.ts'
import { apiKeys, findKey, firstKey, hasTool, ROOT, startProgram, startServer, until } from '../support/example-server.ts'
import { paste } from '../support/example-shell.ts'

/** The bodies of the vendor's documentation. */
const BODY = `{
    "userId": "userId",
    "file": "fileId",
    "server": "server"
}`
const S3_BODY = `{
    "file": "test.dwg",
    "userId": "123"
}`

t.test('the requests of the vendor’s documentation', { skip: hasTool('bash') ? false : 'there is no bash' }, async (t) => {
  const server = await startServer(t)
  const { url, dataDir } = server
  await firstKey(server)
  const { record: { id }, secret: key } = await apiKeys(t, dataDir, 'create', '--owner', 'appId') as { record: { id: string }, secret: string }
  const curl = async (args: string) => {
    const { stdout, stderr, code } = await paste(t, `curl -s -w '\\n%{http_code} %{content_type}' ${args}\n`)
    t.strictSame([code, stderr], [0, ''])
    const [, text = '', status, type] = /^(.*)\n(\d+) (.*)$/s.exec(stdout) ?? []
    return { status: Number(status), type, text }
  }
  const json = 'application/json; charset=utf-8'
  const generate = async (body: string, apiKey = key) => await curl(`-X POST ${url}/generate -H "Content-type:application/json" -H "x-api-key: ${apiKey}" -d '${body}'`)
  const verify = async (token: string) => await curl(`${url}/verify -H "Content-type:application/json" -H "x-api-token: ${token}"`)

  const started = Math.floor(Date.now() / 1000)
  const generated = await generate(BODY)
  t.match(generated, { status: 200, type: json })
  const { token, expiration_time: end, ...rest } = JSON.parse(generated.text)
  t.match(token, /^fdt_opaque_[\w-]{49}$/)
  t.ok(Number.isInteger(end) && end >= started + 3600 && end <= Math.floor(Date.now() / 1000) + 3600, 'in whole seconds, in an hour')
  t.strictSame(rest, {}, 'and nothing else')

  t.strictSame(await verify(token), { status: 200, type: json, text: '{"auth":"appId",\n    "userId": "userId",\n    "file": "fileId",\n    "server": "server"\n}' })
  const { token: another } = JSON.parse((await generate(S3_BODY)).text)
  t.strictSame(JSON.parse((await verify(another)).text), { auth: 'appId', file: 'test.dwg', userId: '123' })
  t.match(await curl(`-X POST ${url}/verify -H "Content-type:application/json" -H "x-api-token: ${another}"`), { status: 200 })

  const wrong = { status: 403, type: json, text: JSON.stringify({ statusCode: 403, code: 'FDT_WRONG_TOKEN', error: 'Forbidden', message: 'Wrong token' }) }
  t.strictSame(await generate(BODY, 'nobody'), wrong)
  t.strictSame(await verify('bbf18f21-3d0d-4a4c-b650-9c14d4075ce0'), wrong)
  t.strictSame(await verify(`${token.slice(0, -1)}${token.endsWith('A') ? 'B' : 'A'}`), wrong)
  t.match(await curl(`-X POST ${url}/revoke -H "x-api-key: ${key}" -H "x-api-token: ${token}"`), { status: 204 })
  t.strictSame(await verify(token), wrong)

  t.equal(await server.stop(), 0)
  t.match(server.stdout(), /"level":40,.*registered without verifiers: whoever holds a token/)
  t.equal(server.stdout().split('registered without verifiers').length, 2, 'which is told of this instance alone')
  const audit = readFileSync(join(dataDir, 'audit.jsonl'), 'utf8')
  for (const event of ['issued', 'verified', 'refused', 'revoked']) t.match(audit, new RegExp(`"event":"${event}","flow":"opaque-tokens","name":"default"`), event)
  t.ok(audit.includes(`"credential":"${id}","owner":"appId"`))
})

t.test('from pages of other origins, and from other hosts', async (t) => {
  const origin = 'https://app.example'
  const key = 'a-known-key-of-the-demo_0123456789'
  const { url } = await startServer(t, { env: { DEMO_API_KEY: key, CORS_ORIGINS: origin } })
  const generate = (headers: Record<string, string>) => call(`${url}/generate`, { method: 'POST', body: { file: 'contract' }, headers: { 'x-api-key': key, ...headers } })

  const allowed = (reply: Answer) => [reply.headers.get('access-control-allow-origin'), reply.headers.get('vary'), reply.headers.get('cache-control')]
  const vary = 'Origin, x-api-token, x-api-key'
  t.strictSame(allowed(await generate({ origin })), [origin, vary, 'no-store'])
  for (const headers of [{ origin: 'https://evil.example' }, { origin: 'null' }]) t.strictSame(allowed(await generate(headers)), [null, vary, 'no-store'])
  const wrong = await call(`${url}/verify`, { headers: { origin, 'x-api-token': 'nobody' } })
  t.equal(wrong.status, 403)
  t.strictSame(allowed(wrong), [origin, vary, 'no-store'])
})

t.test('the smallest host', async (t) => {
  const program = startProgram(t, process.execPath, [join(ROOT, 'dist/examples/opaque-tokens.js')], { env: { PORT: '0' } })
  const line = await until(() => /listening on (http:\S+), API key \S+\n/.exec(program.stdout()) ?? (program.process.exitCode !== null && ['']))
  const url = String(line[1])
  const key = String(findKey(String(line[0])))

  const generated = await call(`${url}/generate`, { method: 'POST', headers: { 'x-api-key': key }, body: { file: 'contract', server: 'https://files.internal.example' } })
  t.equal(generated.status, 200)
  const { token } = generated.body as { token: string } // what 200 means
  const headers = { 'x-api-token': token }
  t.match(await call(`${url}/verify`, { headers }), { status: 200, body: { file: 'contract', server: 'https://files.internal.example' } })
  t.match(await call(`${url}/open`, { headers }), { status: 200, text: 'opens contract' })
  t.match(await call(`${url}/open`), { status: 403, body: { code: 'FDT_WRONG_TOKEN' } })
  t.match(await call(`${url}/generate`, { method: 'POST', body: { file: 'contract' } }), { status: 403 })
  t.equal((await call(`${url}/revoke`, { method: 'POST', headers: { ...headers, 'x-api-key': key } })).status, 204)
  for (const path of ['open', 'verify']) t.match(await call(`${url}/${path}`, { headers }), { status: 403, body: { message: 'Wrong token' } })

  t.equal(program.stderr(), '')
  t.equal(program.stdout(), line[0], 'and it says no more than that')
  t.ok(readFileSync(join(ROOT, 'examples/opaque-tokens.ts'), 'utf8').trim().split('\n').length <= 25, 'in twenty-five lines')
})
