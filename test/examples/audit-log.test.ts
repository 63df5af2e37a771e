import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { createSecret } from '../../lib/credentials/index.ts'
import { call, claimsOf, issue, list, read, revoke } from '../support/example-client.ts'
import { findKey, firstKey, hasTool, newDataDir, ROOT, run, SERVER, startProgram, startServer, until } from '../support/example-server.ts'

type Line = Record<string, unknown>

/** All lines of a file, each of them whole. */
function linesOf (file: string): Line[] {
  const text = readFileSync(file, 'utf8')
  if (text !== '' && !text.endsWith('\n')) throw new Error('the last line is not whole')
  return text.split('\n').slice(0, -1).map((line) => JSON.parse(line))
}

function newFolder (t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'audit-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

t.test('the server writes a line for each event, in their order, for its owner alone', async (t) => {
  const server = await startServer(t, { umask: 0 })
  const { url, dataDir } = server
  const file = join(dataDir, 'audit.jsonl')
  t.equal(readFileSync(file, 'utf8'), '', 'it is there from the start')
  t.equal(statSync(file).mode & 0o777, 0o600)

  const key = await firstKey(server)
  const id = String(key.split('_')[2])
  const token = await issue(url, key, { contract: ['read'] }, { user_id: 'jane' })
  t.equal((await read(url, token, 'contract?hidden=1')).status, 200)
  t.equal((await read(url, token, 'contract/download')).status, 403)
  t.equal((await read(url, `${token}x`, 'contract')).status, 401)
  t.equal((await revoke(url, key, { jwt: token })).status, 204)
  t.equal((await read(url, token)).status, 401)
  t.equal((await call(`${url}/viewer/sessions`, { method: 'POST', bearer: createSecret('key', id), body: {} })).status, 401)

  const { jti, exp } = claimsOf(token)
  const about = { pid: server.process.pid, flow: 'session-issuance', name: 'default' }
  const holder = { id: jti, subject: 'jane', credential: id }
  const guarded = { address: '127.0.0.1', route: 'GET /documents/:id' }
  const lines = linesOf(file)
  const times = lines.map(({ time }) => String(time))
  t.ok(times.every((time) => new Date(time).toISOString() === time), 'times are ISO 8601 in UTC')
  t.strictSame(times, times.toSorted())
  const requests = lines.flatMap(({ requestId }) => requestId ?? [])
  t.ok(new Set(requests).size === 5 && requests.every((id) => server.stdout().includes(`"reqId":"${id}"`)), 'requests are found in the log')
  t.strictSame(lines.map(({ time, requestId, ...line }) => line), [
    { ...about, event: 'issued', ...holder, documents: [{ id: 'contract', permissions: ['read'] }], expiresAt: exp },
    { ...about, event: 'verified', ...guarded, ...holder, permissions: ['read'], document: 'contract' },
    { ...about, event: 'refused', ...guarded, route: 'GET /documents/:id/download', code: 'FDT_INSUFFICIENT_PERMISSION', status: 403, ...holder },
    { ...about, event: 'refused', ...guarded, code: 'FDT_INVALID_TOKEN', status: 401 },
    { ...about, event: 'revoked', ...holder },
    { ...about, event: 'refused', ...guarded, code: 'FDT_TOKEN_REVOKED', status: 401, ...holder },
    { ...about, event: 'refused', ...guarded, route: 'POST /viewer/sessions', code: 'FDT_INVALID_CREDENTIAL', status: 401 }
  ])
  t.equal(await server.stop(), 0)
  t.equal(linesOf(file).length, 7, 'the end adds nothing')
})

t.test('another file, or none', async (t) => {
  const file = join(newFolder(t), 'elsewhere.jsonl')
  const elsewhere = await startServer(t, { env: { AUDIT_LOG: file } })
  await issue(elsewhere.url, await firstKey(elsewhere), { contract: ['read'] })
  t.match(linesOf(file), [{ event: 'issued' }])
  t.notOk(existsSync(join(elsewhere.dataDir, 'audit.jsonl')))
  t.equal(await elsewhere.stop(), 0)

  const none = await startServer(t, { env: { AUDIT_LOG: 'off' } })
  await issue(none.url, await firstKey(none), { contract: ['read'] })
  t.notOk(existsSync(join(none.dataDir, 'audit.jsonl')) || existsSync(join(ROOT, 'off')))
  t.equal(await none.stop(), 0)
})

t.test('a file that cannot be written stops the start with one line', async (t) => {
  const folder = newFolder(t)
  const cases: Array<{ name: string, env: Record<string, string>, reason: RegExp }> = [
    { name: 'a folder', env: { AUDIT_LOG: folder }, reason: /EISDIR/ },
    { name: 'in no folder', env: { AUDIT_LOG: join(folder, 'none', 'audit.jsonl') }, reason: /ENOENT/ },
    { name: 'a device', env: { AUDIT_LOG: '/dev/null' }, reason: /is not a file/ }
  ]
  if (hasTool('mkfifo')) {
    const pipe = join(folder, 'pipe')
    t.equal((await run(t, 'mkfifo', [pipe])).code, 0)
    cases.push({ name: 'a pipe that nobody reads', env: { AUDIT_LOG: pipe }, reason: /ENXIO/ })
  }
  for (const { name, env, reason } of cases) {
    const { code, stdout, stderr } = await run(t, process.execPath, [SERVER], { env: { PORT: '0', DATA_DIR: newDataDir(t), ...env } })
    t.equal(code, 1, name)
    t.match(stderr, new RegExp(`^AUDIT_LOG cannot be used: .*${reason.source}.*\\n$`), name)
    t.equal(stdout, '', name)
  }
})

t.test('two processes over one data folder write to one file, and every line is whole', async (t) => {
  const dataDir = newDataDir(t)
  const servers = [await startServer(t, { dataDir }), await startServer(t, { dataDir })]
  const key = await firstKey({ dataDir })
  const requests = 100
  await Promise.all(servers.map(async ({ url }) => {
    const token = await issue(url, key, { contract: ['read'] })
    await Promise.all(Array.from({ length: requests }, () => read(url, token, 'letter')))
  }))
  const lines = linesOf(join(dataDir, 'audit.jsonl'))
  t.equal(lines.length, 2 * (requests + 1))
  for (const { process: { pid } } of servers) {
    const own = lines.filter((line) => line['pid'] === pid)
    t.equal(own.length, requests + 1)
    t.equal(own[0]?.['event'], 'issued')
    t.equal(new Set(own.map(({ requestId }) => requestId)).size, requests + 1)
  }
  for (const server of servers) t.equal(await server.stop(), 0)
})

t.test('kill -9 takes no line of what was answered', async (t) => {
  const server = await startServer(t)
  const { url, dataDir } = server
  const key = await firstKey(server)
  const answered: unknown[] = []
  const client = async (): Promise<void> => {
    for (;;) answered.push(claimsOf(await issue(url, key, { contract: ['read'] }))['jti'])
  }
  const clients = Promise.allSettled([client(), client(), client(), client()])
  await until(() => answered.length > 100)
  await server.kill()
  await clients

  const issued = new Set(linesOf(join(dataDir, 'audit.jsonl')).map(({ id }) => id))
  t.strictSame(answered.filter((id) => !issued.has(id)), [])
  t.ok(issued.size - answered.length <= 4, 'and at most one for each that had no answer yet')

  const next = await startServer(t, { dataDir })
  await issue(next.url, key, { contract: ['read'] })
  t.equal(linesOf(join(dataDir, 'audit.jsonl')).length, issued.size + 1, 'the next process goes on behind it')
  t.equal(await next.stop(), 0)
})

t.test('a file that is moved or removed is made anew, and no line is missing', async (t) => {
  const server = await startServer(t)
  const { url, dataDir } = server
  const key = await firstKey(server)
  const file = join(dataDir, 'audit.jsonl')
  const ids: unknown[] = []
  const issueOne = async (): Promise<void> => { ids.push(claimsOf(await issue(url, key, { contract: ['read'] }))['jti']) }

  await issueOne()
  renameSync(file, `${file}.1`)
  t.equal((await list(url, key)).status, 200)
  await issueOne()
  await issueOne()
  t.strictSame([`${file}.1`, file].map((name) => linesOf(name).map(({ id }) => id)), [ids.slice(0, 1), ids.slice(1)])
  t.equal(statSync(file).mode & 0o777, 0o600)
  rmSync(file)
  await issueOne()
  t.strictSame(linesOf(file).map(({ id }) => id), ids.slice(3))
  t.equal(await server.stop(), 0)
})

/** What a program does with an audit log of its own, so that it can be made to fail. It tells what was logged. */
function inProgram (file: string, steps: string): string[] {
  return ['--input-type=module', '--eval', `
    import { execFileSync } from 'node:child_process'
    import { mkdirSync, renameSync } from 'node:fs'
    import { dirname } from 'node:path'
    import { startAuditLog } from '${join(ROOT, 'dist/examples/server/audit-log.js')}'
    import { publish } from './dist/lib/publish.js'
    const file = ${JSON.stringify(file)}
    const log = { error: ({ err, ...members }, message) => { console.log(JSON.stringify({ message, code: err?.code ?? err?.message, ...members })) } }
    const rotate = (id) => { publish('rotated', () => ({ what: 'api-key', id, time: 1 })) }
    const end = startAuditLog(file, log)
    ${steps}
    end()
    rotate('after the end')`]
}

t.test('what a full disk does not take is in the log, and the file tells how much is missing', { skip: !hasTool('prlimit') }, async (t) => {
  const file = join(newFolder(t), 'audit.jsonl')
  const steps = `
    for (let number = 1; number <= 100; number++) rotate('key-' + number)
    execFileSync('prlimit', ['--pid', String(process.pid), '--fsize=unlimited'])
    for (let number = 101; number <= 110; number++) rotate('key-' + number)`
  const { code, stdout, stderr } = await run(t, 'prlimit', ['--fsize=2000:unlimited', process.execPath, ...inProgram(file, steps)])
  t.equal(code, 0, stderr)

  const logged = stdout.trim().split('\n').map((line) => JSON.parse(line))
  const again = logged.pop()
  const written = readFileSync(file, 'utf8').split('\n').slice(0, -1)
  const torn = written.findIndex((line) => !line.endsWith('}'))
  const first = torn + 1
  t.ok(torn > 5 && torn < 50, 'some lines had room')
  const missing = Array.from({ length: 100 - torn }, (_, index) => `key-${first + index}`)
  t.strictSame(logged.map(({ audit: { id } }) => id), missing, 'all that had none are in the log, in their order')
  t.strictSame(logged[0], { message: 'the audit log cannot be written', code: 'the disk took only a part of it', audit: { time: 1, event: 'rotated', what: 'api-key', id: `key-${first}` } })
  t.ok(logged.slice(1).every(({ message, code }) => message === 'the audit log cannot be written' && code === 'EFBIG'))
  t.strictSame(again, { message: 'the audit log is written again: so many of its lines are in this log only', lost: missing.length })

  const [lost, ...rest] = written.slice(first).map((line) => JSON.parse(line))
  t.match(lost, { event: 'lost', count: missing.length })
  t.ok(Date.now() - Date.parse(lost.time) < 120_000)
  t.strictSame(rest.map(({ id }) => id), Array.from({ length: 10 }, (_, index) => `key-${101 + index}`), 'the torn line spoils no other')
})

t.test('a folder that is gone is waited for, to the end', async (t) => {
  const file = join(newFolder(t), 'logs', 'audit.jsonl')
  mkdirSync(dirname(file))
  const away = 'renameSync(dirname(file), dirname(file) + ".away")'
  const steps = `
    rotate('kept')
    ${away}
    rotate('first')
    rotate('second')
    mkdirSync(dirname(file))`
  const { code, stdout, stderr } = await run(t, process.execPath, inProgram(file, steps))
  t.equal(code, 0, stderr)
  t.strictSame(stdout.trim().split('\n').map((line) => JSON.parse(line)), [
    ...['first', 'second'].map((id) => ({ message: 'the audit log cannot be written', code: 'ENOENT', audit: { time: 1, event: 'rotated', what: 'api-key', id } })),
    { message: 'the audit log is written again: so many of its lines are in this log only', lost: 2 }
  ])
  t.match(linesOf(file), [{ event: 'lost', count: 2 }])
  t.match(linesOf(join(`${dirname(file)}.away`, 'audit.jsonl')), [{ id: 'kept' }])

  const other = join(newFolder(t), 'logs', 'audit.jsonl')
  mkdirSync(dirname(other))
  const never = await run(t, process.execPath, inProgram(other, `${away}\nrotate('first')`))
  t.equal(never.code, 0, never.stderr)
  t.match(never.stdout.trim().split('\n').map((line) => JSON.parse(line)), [{ code: 'ENOENT' }, { message: 'the audit log is not complete', lost: 1 }])
})

t.test('a small host with an audit log', async (t) => {
  const file = join(newFolder(t), 'audit.jsonl')
  const program = startProgram(t, process.execPath, [join(ROOT, 'dist/examples/audit-log.js')], { env: { PORT: '0', AUDIT_LOG: file } })
  const line = await until(() => /^listening on (http:\S+), API key \S+\n/.exec(program.stdout()) ?? (program.process.exitCode !== null && ['']))
  const url = String(line[1])
  const key = String(findKey(String(line[0])))
  const token = await issue(url, key, { contract: ['read'] })
  t.equal((await read(url, token)).status, 200)
  t.equal((await read(url, token, 'letter')).status, 403)
  t.match(linesOf(file), [{ event: 'issued' }, { event: 'verified' }, { event: 'refused', code: 'FDT_INSUFFICIENT_PERMISSION' }])
  t.equal(statSync(file).mode & 0o777, 0o600)
  t.notOk(readFileSync(file, 'utf8').includes(key) || readFileSync(file, 'utf8').includes(token))

  const id = String(key.split('_')[2])
  for (let attempt = 0; attempt < 5; attempt++) await call(`${url}/viewer/sessions`, { method: 'POST', bearer: createSecret('key', id), body: {} })
  await until(() => program.stderr().includes('\n'))
  t.match(program.stderr(), new RegExp(`^somebody at 127\\.0\\.0\\.1 guesses the secret of ${id}, and is locked out until [\\d-]+T[\\d:.]+Z\\n$`))
  t.ok(readFileSync(join(ROOT, 'examples/audit-log.ts'), 'utf8').trim().split('\n').length <= 40, 'in forty lines')
})
