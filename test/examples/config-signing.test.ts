import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { call } from '../support/example-client.ts'
import { startDocumentServer } from '../support/document-server.ts'
import { freePort, ROOT, startProgram, until } from '../support/example-server.ts'

const HOST = join(ROOT, 'dist/examples/config-signing.js')

t.test('the smallest host of an editor', async (t) => {
  const secret = randomBytes(32).toString('base64url')
  const docs = await startDocumentServer(t, { inbox: secret })
  const program = startProgram(t, process.execPath, [HOST], { env: { PORT: String(await freePort()), EDITOR_SECRET: secret, DOCUMENT_SERVER_URL: docs.url } })
  const line = await until(() => /^listening on (http:\S+)\n/.exec(program.stdout()) ?? (program.process.exitCode !== null && ['']))
  const url = String(line[1])
  const open = async () => await docs.open((await call(`${url}/editor/config`, { method: 'POST', body: {} })).body as object)

  const opened = await open()
  t.strictSame(opened.file, readFileSync(join(ROOT, 'examples/documents/letter.docx')))
  const kept = docs.keep('edited', { failures: 1 })
  const save = { status: 2, url: kept.url, users: ['jane'] }
  t.match(await docs.callback(opened, save, { to: `${url}/callback` }), { statuses: [500, 200], body: { error: 0 } }, 'what fails comes again')
  const reopened = await open()
  t.equal(reopened.file.toString(), 'edited')
  t.not(reopened.key, opened.key)
  t.match(await docs.callback(reopened, { status: 4 }), { statuses: [200] })

  t.match(await docs.callback(opened, { ...save, url: docs.keep('edited late').url }), { statuses: [200] }, 'what was opened before the save is not lost')
  t.equal((await open()).file.toString(), 'edited late')
  t.match(await docs.callback({ ...opened, key: 'another' }, save), { statuses: [403] }, 'a key that never was')
  t.match(await docs.callback(reopened, { ...save, url: 'http://127.0.0.1:1/evil' }), { statuses: [403] }, 'a file elsewhere')
  t.match(await call(`${url}/callback`, { method: 'POST', body: { ...save, key: reopened.key } }), { status: 403 }, 'no token')
  t.equal((await call(`${url}/letter.docx`)).status, 401)

  t.equal(program.stdout(), line[0], 'and it says no more than that')
  t.ok(readFileSync(join(ROOT, 'examples/config-signing.ts'), 'utf8').trim().split('\n').length <= 30, 'in thirty lines')
})

t.test('it does not start without a secret', async (t) => {
  const program = startProgram(t, process.execPath, [HOST], { env: { PORT: '0' } })
  t.not(await program.ended, 0)
  t.match(program.stderr(), /inbox: The key cannot be used: it is empty/)
})
