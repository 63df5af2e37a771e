import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { call, claimsOf, read } from '../support/example-client.ts'
import { findClient, findKey, firstClient, firstKey, firstNotice, hasTool, LAST_COMMAND, newDataDir, ROOT, SERVER, startProgram, startServer, until } from '../support/example-server.ts'
import { paste } from '../support/example-shell.ts'

/** The vendor's own documentation, with our address, key and time. */
const vendorCommand = (url: string, key: string, exp: number) => `curl -X POST ${url}/viewer/sessions \\
  -H "Content-Type: application/json" \\
  -H "Authorization: Bearer ${key}" \\
  --fail \\
  -d '{
      "allowed_documents": [
        {
          "document_id": "<document_id>",
          "document_permissions": [
            "read",
            "write",
            "download"
          ]
        }
      ],
      "exp": ${exp}
    }'
`

/** The time in the vendor's documentation: 2026-11-04T05:14:59Z. */
const VENDOR_EXP = 1_793_769_299

t.test('commands that people paste', { skip: hasTool('bash') ? false : 'there is no bash' }, async (t) => {
  const server = await startServer(t)
  const { url, dataDir } = server
  const key = await firstKey(server)

  await t.test('the one of the vendor’s documentation', async (t) => {
    const exp = Math.floor(Date.now() / 1000) + 3600
    const good = await paste(t, vendorCommand(url, key, exp))
    t.equal(good.code, 0, good.stderr)
    const body = JSON.parse(good.stdout)
    t.strictSame(Object.keys(body), ['jwt'], 'the token and nothing else')
    t.match(claimsOf(body.jwt), { exp, allowed_documents: [{ document_id: '<document_id>', document_permissions: ['read', 'write', 'download'] }] })
    await until(() => server.stdout().includes('"statusCode":201'))

    const past = await paste(t, vendorCommand(url, key, VENDOR_EXP))
    t.equal(past.code, 22, 'with --fail')
    t.match(past.stderr, /\b400\b/)
    const told = await paste(t, vendorCommand(url, key, VENDOR_EXP).replace('--fail', '-s'))
    t.match(JSON.parse(told.stdout), { statusCode: 400, code: 'FDT_PAST_EXPIRY', message: /^body\/exp is in the past\b/ })

    t.match(await paste(t, vendorCommand(url, 'your_api_key_here', exp)), { code: 22, stderr: /\b401\b/ })
  })

  await t.test('those that the first start shows', async (t) => {
    const notice = await firstNotice(dataDir)
    const commands = notice.slice(notice.indexOf('Create a session')).split('\n').filter((line) => line.startsWith('  ')).join('\n')
    const { code, stdout, stderr } = await paste(t, `${commands}\n  echo "$JWT"\n`)
    t.equal(code, 0)
    t.equal(stderr, '')
    const [list = '', document, download = '', another = '', opened = '', config = '', revoked, after = '', parameters = '', ended, wrong = '', cadEditor = '', shown = '', introspected = '', over, afterwards = '', token = '', ...rest] = stdout.trim().split('\n')
    t.equal(JSON.parse(list).documents[0].id, 'contract')
    t.equal(document, `200 application/pdf, ${statSync(join(ROOT, 'examples/documents/contract.pdf')).size} bytes`)
    t.match(JSON.parse(download), { statusCode: 403, code: 'FDT_INSUFFICIENT_PERMISSION' })
    t.match(JSON.parse(another), { statusCode: 403, code: 'FDT_INSUFFICIENT_PERMISSION' })
    t.match(JSON.parse(opened), { success: true, sessionToken: /^eyJ/ })
    t.match(JSON.parse(config), { documentType: 'word', editorConfig: { mode: 'view', user: { id: /./ } }, token: /^eyJ/ })
    t.equal(revoked, '204')
    t.match(JSON.parse(after), { statusCode: 401, code: 'FDT_TOKEN_REVOKED' })
    const posted = { userId: 'jane', file: 'contract.pdf', server: 'https://files.internal.example' }
    t.strictSame(JSON.parse(parameters), { auth: String(claimsOf(token)['azp']), ...posted })
    t.equal(ended, '204')
    t.match(JSON.parse(wrong), { statusCode: 403, code: 'FDT_WRONG_TOKEN', message: 'Wrong token' })
    t.match(cadEditor, new RegExp(`^${url}/cad-editor\\?apitoken=fdt_opaque_[\\w-]{49}$`))
    t.match(await call(cadEditor), { status: 200, text: 'Floor plan of the control room' })
    t.match(JSON.parse(shown), { pages: [{ number: 1, path: 'viewer/docs/one-page_docx/p1.html' }], attachments: [], file: null })
    t.match(JSON.parse(introspected), { active: true, client_id: (await firstClient(server)).id, scope: 'files.read files.write' })
    t.equal(over, '200')
    t.match(JSON.parse(afterwards), { error: 'invalid_token', error_description: 'Token has been revoked' })
    t.strictSame(rest, [])
    t.equal((await read(url, token)).status, 401)
    t.match(claimsOf(token), { allowed_documents: [{ document_id: 'contract', document_permissions: ['read'] }] }, 'it is the one that was issued')
  })
})

// Node cannot make a terminal, so another program has to.
const terminal = hasTool('python3')
  ? ['python3', '-c', 'import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)', process.execPath, SERVER]
  : hasTool('script') ? ['script', '-qec', `'${process.execPath}' '${SERVER}'`, '/dev/null'] : undefined

t.test('a first start on a terminal', { skip: terminal === undefined ? 'there is neither python3 nor script' : false }, async (t) => {
  const [command = '', ...args] = terminal ?? []
  const dataDir = newDataDir(t)
  const program = startProgram(t, command, args, { env: { PORT: '0', DATA_DIR: dataDir, TERM: 'dumb' } })
  const text = await until(() => program.stdout().includes(LAST_COMMAND.replaceAll('\n', '\r\n')) && program.stdout().replaceAll('\r\n', '\n'))
  // The terminal's end of the line is the server's parent, which does not pass signals on.
  const pid = Number(/"pid":(\d+)/.exec(text)?.[1])

  const key = String(findKey(text))
  const url = String(/listening at (http:[^"]+)"/.exec(text)?.[1])
  t.match(text, /^This is the first start on this data folder\. The API key and the client below are shown once:$/m)
  t.match(findClient(text), { id: /./ })
  t.ok(text.includes(`  KEY='${key}'\n`))
  for (const path of ['editor/letter in a browser', 'editor/config \\', 'documents -H', 'viewer/sessions \\', 'documents/contract -H', 'documents/contract/download -H', 'documents/handbook -H', 'viewer/sessions/revoke \\', 'generate \\', 'verify -H', 'revoke -H', 'cad-editor/generate \\', 'connect/token \\', 'v2.0/viewer/view \\', 'connect/introspect -d', 'connect/revocation -d', 'v2.0/viewer/formats -H']) t.ok(text.includes(` ${url}/${path}`), path)
  t.notOk(existsSync(join(dataDir, 'first-start.txt')), 'and nowhere else')
  t.equal((await fetch(`${url}/documents`, { headers: { 'x-api-key': key } })).status, 200)

  process.kill(pid, 'SIGTERM')
  t.equal(await program.ended, 0)
})
