import { join } from 'node:path'
import t from 'tap'
import { call, claimsOf, read } from '../support/example-client.ts'
import { ROOT, startProgram, until } from '../support/example-server.ts'

t.test('a login by JWT and document sessions side by side', async (t) => {
  const program = startProgram(t, process.execPath, [join(ROOT, 'dist/examples/jwt-login.js')], { env: { PORT: '0' } })
  const [, url = '', login = ''] = await until(() => /^listening on (http:\S+), login of jane: (\S+)\n/.exec(program.stdout()) ?? (program.process.exitCode !== null && ['']))
  t.match(await call(`${url}/me`, { bearer: login }), { status: 200, body: { sub: 'jane' } })

  const opened = await call(`${url}/api/create-session`, { method: 'POST', bearer: login, body: { documentId: 'contract' } })
  t.equal(opened.status, 200)
  const { sessionToken } = opened.body as { sessionToken: string } // what 200 means
  t.equal(claimsOf(sessionToken)['sub'], 'jane')
  t.match(await read(url, sessionToken), { status: 200, text: 'contract, opened by jane' })
  t.match(await read(url, sessionToken, 'handbook'), { status: 403, body: { code: 'FDT_INSUFFICIENT_PERMISSION' } })

  t.match(await read(url, login), { status: 401, body: { code: 'FDT_INVALID_TOKEN' } }, 'the login is no session')
  t.equal((await call(`${url}/me`, { bearer: sessionToken })).status, 401, 'a session is no login')
  t.equal((await call(`${url}/api/create-session`, { method: 'POST', bearer: sessionToken, body: { documentId: 'contract' } })).status, 401, 'nor can it renew itself')
  t.equal((await call(`${url}/api/create-session`, { method: 'POST', body: { documentId: 'contract' } })).status, 401)
  t.match(await call(`${url}/viewer/sessions`, { method: 'POST', body: {} }), { status: 404 }, 'nobody else issues sessions here')
  t.equal(program.stderr(), '')
})
