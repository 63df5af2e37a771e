import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type Answer, call, read } from '../support/example-client.ts'
import { ROOT, startProgram, until } from '../support/example-server.ts'

const SAME_ORIGIN = { 'sec-fetch-site': 'same-origin' }

async function startApp (t: Test) {
  const program = startProgram(t, process.execPath, [join(ROOT, 'dist/examples/cookie-login.js')], { env: { PORT: '0' } })
  const [, url = '', password = ''] = await until(() => /^listening on (http:\S+): jane and joe log in with (\S+)\n/.exec(program.stdout()) ?? (program.process.exitCode !== null && ['']))
  return { program, url, password }
}

/** A browser with a login: it keeps the cookie. */
async function logIn (url: string, name: string, password: string) {
  const reply = await call(`${url}/login`, { method: 'POST', body: { name, password } })
  const cookie = String(reply.headers.get('set-cookie')).replace(/;.*/, '')
  const post = (path: string, body?: unknown, headers: Record<string, string> = SAME_ORIGIN): Promise<Answer> =>
    call(`${url}${path}`, { method: 'POST', headers: { cookie, ...headers }, ...(body !== undefined && { body }) })
  const open = (documentId: unknown, headers?: Record<string, string>): Promise<Answer> => post('/api/create-session', { documentId }, headers)
  return { reply, cookie, post, open }
}

function tokenOf (reply: Answer): string {
  return (reply.body as { sessionToken: string }).sessionToken // what 200 means
}

t.test('log in, open a document, log out', async (t) => {
  const { program, url, password } = await startApp(t)
  const jane = await logIn(url, 'jane', password)
  t.match(jane.reply, { status: 200, body: { hello: 'jane' } })
  t.match(jane.reply.headers.get('set-cookie'), /; HttpOnly; SameSite=/)
  const other = await logIn(url, 'jane', password)
  t.not(jane.cookie, other.cookie, 'each login has an id of its own')
  const joe = await logIn(url, 'joe', password)

  const opened = await jane.open('contract')
  t.strictSame(Object.keys(opened.body as object), ['success', 'sessionToken'])
  t.match(opened, { status: 200, body: { success: true } })
  const token = tokenOf(opened)
  t.match(await read(url, token), { status: 200, text: 'contract, opened by jane' })
  t.match(await read(url, token, 'handbook'), { status: 403, body: { code: 'FDT_INSUFFICIENT_PERMISSION' } })
  t.match(await call(`${url}/documents/contract`, { headers: { cookie: jane.cookie } }), { status: 401, body: { code: 'FDT_MISSING_TOKEN' } }, 'the login alone opens nothing')

  const refused: Array<[string, Promise<Answer>, number, string]> = [
    ['a document of others', joe.open('contract'), 403, 'The document cannot be opened'],
    ['a document that is not there', joe.open('constructor'), 403, 'The document cannot be opened'],
    ['no document', joe.open(undefined), 400, 'Document ID is required'],
    ['another site (T17)', joe.open('handbook', { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }), 403, 'The request does not come from a trusted origin'],
    ['a sister site (T17)', joe.open('handbook', { 'sec-fetch-site': 'same-site', origin: 'https://evil.localhost' }), 403, 'The request does not come from a trusted origin'],
    ['a browser that does not say (T17)', joe.open('handbook', {}), 403, 'The request does not come from a trusted origin'],
    ['nobody', call(`${url}/api/create-session`, { method: 'POST', headers: SAME_ORIGIN, body: { documentId: 'contract' } }), 401, 'Please log in']
  ]
  for (const [name, reply, status, error] of refused) t.match(await reply, { status, body: { success: false, error } }, name)

  const handbook = tokenOf(await joe.open('handbook'))
  t.equal((await other.post('/logout')).status, 204)
  t.match(await read(url, token), { status: 401, body: { code: 'FDT_TOKEN_REVOKED' } }, 'logging out anywhere ends all documents of the user')
  t.equal((await read(url, handbook, 'handbook')).status, 200, 'and nobody else\'s')
  t.equal((await other.open('contract')).status, 401)
  t.match(await read(url, tokenOf(await jane.open('contract'))), { status: 200 }, 'who is still logged in opens it anew')

  for (const [name, word] of [['jane', `${password}x`], ['nobody', password], ['constructor', password]]) t.match(await call(`${url}/login`, { method: 'POST', body: { name, password: word } }), { status: 401 }, String(name))
  t.equal(program.stderr(), '')
})

t.test('a login id that somebody planted is not the one that is logged in', async (t) => {
  const { url, password } = await startApp(t)
  const planted = await logIn(url, 'jane', password)
  const reply = await call(`${url}/login`, { method: 'POST', headers: { cookie: planted.cookie }, body: { name: 'joe', password } })
  t.equal(reply.status, 200)
  t.not(String(reply.headers.get('set-cookie')).replace(/;.*/, ''), planted.cookie)
  t.equal((await planted.open('handbook')).status, 401)
})
