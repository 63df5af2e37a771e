import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { claimsOf, issue, read, revoke } from '../support/example-client.ts'
import { findKey, ROOT, startProgram, until } from '../support/example-server.ts'

t.test('the smallest host', async (t) => {
  const program = startProgram(t, process.execPath, [join(ROOT, 'dist/examples/session-issuance.js')], { env: { PORT: '0' } })
  const line = await until(() => /^listening on (http:\S+), API key \S+\n/.exec(program.stdout()) ?? (program.process.exitCode !== null && ['']))
  const url = String(line[1])
  const key = String(findKey(String(line[0])))

  const token = await issue(url, key, { contract: ['read'], letter: [] })
  const reply = await read(url, token)
  t.equal(reply.status, 200)
  t.equal(reply.text, `hello ${String(claimsOf(token)['sub'])}`)

  for (const id of ['letter', 'handbook']) t.match(await read(url, token, id), { status: 403, body: { code: 'FDT_INSUFFICIENT_PERMISSION' } })
  t.match(await read(url, key), { status: 401, body: { code: 'FDT_INVALID_TOKEN' } })
  await t.rejects(issue(url, `${key}x`, { contract: ['read'] }), /^no session: 401 /)

  t.equal((await revoke(url, key, { jwt: token })).status, 204)
  t.match(await read(url, token), { status: 401, body: { code: 'FDT_TOKEN_REVOKED' } })

  t.equal(program.stderr(), '')
  t.equal(program.stdout(), line[0], 'and it says no more than that')
  t.ok(readFileSync(join(ROOT, 'examples/session-issuance.ts'), 'utf8').trim().split('\n').length <= 20, 'in twenty lines')
})
