import { join } from 'node:path'
import t, { type Test } from 'tap'
import { ROOT, startProgram, until } from '../support/example-server.ts'

const SAME_ORIGIN = { 'sec-fetch-site': 'same-origin' }
const SECRET = /<code>(fdt_client_[^<]+)<\/code>/

async function startApp (t: Test) {
  const program = startProgram(t, process.execPath, [join(ROOT, 'dist/examples/my-apps.js')], { env: { PORT: '0' } })
  const [, url = '', password = ''] = await until(() => /^listening on (http:\S+): jane and joe log in with (\S+),/.exec(program.stdout()) ?? (program.process.exitCode !== null && ['']))

  /** A browser that keeps its cookie and sends forms. */
  async function logIn (name: string, word = password) {
    const send = async (path: string, fields: Record<string, string> | undefined, headers: Record<string, string> = SAME_ORIGIN) => {
      const reply = await fetch(`${url}${path}`, { method: fields === undefined ? 'GET' : 'POST', redirect: 'manual', headers: { ...headers, cookie }, ...(fields !== undefined && { body: new URLSearchParams(fields) }) })
      return { status: reply.status, text: await reply.text(), headers: reply.headers }
    }
    let cookie = ''
    const login = await send('/login', { name, password: word })
    cookie = String(login.headers.get('set-cookie')).replace(/;.*/, '')
    return { status: login.status, send }
  }

  const token = async (id: string, secret: string) => {
    const reply = await fetch(`${url}/connect/token`, { method: 'POST', body: new URLSearchParams({ grant_type: 'client_credentials', client_id: id, client_secret: secret }) })
    const { access_token: accessToken, error } = await reply.json() as { access_token?: string, error?: string }
    return { status: reply.status, accessToken, error }
  }
  const files = async (accessToken = '') => {
    const reply = await fetch(`${url}/files`, { headers: { authorization: `Bearer ${accessToken}` } })
    return { status: reply.status, body: await reply.json() }
  }
  return { url, logIn, token, files, stderr: program.stderr }
}

t.test('users make, renew and disable clients of their own, and nobody else\'s', async (t) => {
  const { logIn, token, files, stderr } = await startApp(t)
  const [jane, joe] = [await logIn('jane'), await logIn('joe')]
  t.equal(jane.status, 303)

  const made = await jane.send('/apps', { label: '<b>shop</b>' })
  t.equal(made.status, 201)
  t.equal(made.headers.get('cache-control'), 'no-store')
  t.match(made.text, '&#60;b&#62;shop', 'what somebody typed is text')
  const [, id = ''] = /<code>([a-z0-9]{16})<\/code>/.exec(made.text) ?? []
  const [, secret = ''] = SECRET.exec(made.text) ?? []
  const { accessToken } = await token(id, secret)
  t.match(await files(accessToken), { status: 200, body: { owner: 'jane' } })

  const list = await jane.send('/apps', undefined)
  t.match(list.text, id)
  t.notMatch(list.text, SECRET, 'the secret was shown once')
  t.notMatch((await joe.send('/apps', undefined)).text, id)
  for (const action of ['secret', 'disable']) t.equal((await joe.send(`/apps/${id}/${action}`, {})).status, 404, action)

  const [, renewed = ''] = SECRET.exec((await jane.send(`/apps/${id}/secret`, {})).text) ?? []
  t.match([(await token(id, secret)).status, (await token(id, renewed)).status], [200, 200], 'both are good for a while')

  t.equal((await jane.send(`/apps/${id}/disable`, {})).status, 303)
  t.match(await token(id, renewed), { status: 400, error: 'invalid_client' })
  t.match(await files(accessToken), { status: 401, body: { error: 'invalid_token' } }, 'and what it had is over')

  for (const label of ['1', '2', '3', '4']) t.equal((await jane.send('/apps', { label })).status, 201)
  t.equal((await jane.send('/apps', { label: '5' })).status, 409)
  t.equal(stderr(), '')
})

t.test('refuses strangers', async (t) => {
  const { logIn } = await startApp(t)
  const [nobody, jane] = [await logIn('jane', 'wrong'), await logIn('jane')]
  const refused: Array<[string, ReturnType<typeof jane.send>, number]> = [
    ['who is not logged in', nobody.send('/apps', { label: 'a' }), 303],
    ['another site', jane.send('/apps', { label: 'a' }, { 'sec-fetch-site': 'cross-site' }), 403],
    ['what does not say where it comes from', jane.send('/apps', { label: 'a' }, {}), 403],
    ['no label', jane.send('/apps', {}), 400],
    ['a long label', jane.send('/apps', { label: 'a'.repeat(65) }), 400],
    ['a label that is no text', jane.send('/apps', { label: 'a\u0000' }), 400],
    ['an app that is not there', jane.send('/apps/constructor/secret', {}), 404]
  ]
  t.equal(nobody.status, 401)
  for (const [name, reply, status] of refused) t.equal((await reply).status, status, name)
})
