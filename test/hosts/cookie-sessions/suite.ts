import { type FastifyInstance } from 'fastify'
import { type Test } from 'tap'
import { type AppOptions } from './app.ts'

export const options: AppOptions = {
  secret: 'a secret of the notebook, only for its tests',
  passwords: { ada: 'analytical engine', grace: 'nanoseconds' },
  notes: [
    { id: 'note-1', owner: 'ada', title: 'Loops', text: 'a < b & so on' },
    { id: 'note-2', owner: 'grace', title: 'Moths', text: 'found one' }
  ]
}

export async function signIn (app: FastifyInstance, name: string): Promise<{ cookie: string }> {
  const reply = await post(app, '/login', { name, password: String(options.passwords[name]) })
  const cookie = reply.cookies.find(({ name }) => name === 'sessionId')
  return { cookie: `sessionId=${encodeURIComponent(String(cookie?.value))}` }
}

function post (app: FastifyInstance, url: string, form: Record<string, string>, headers: Record<string, string> = {}) {
  return app.inject({ method: 'POST', url, headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers }, payload: new URLSearchParams(form).toString() })
}

/** What the notebook does for its users. */
export async function suite (t: Test, build: () => Promise<FastifyInstance>): Promise<void> {
  const app = await build()
  t.teardown(() => app.close())

  await t.test('sends strangers to the login, and lets nobody in with a wrong password', async (t) => {
    t.equal((await app.inject('/')).statusCode, 200)
    for (const url of ['/notes', '/notes/note-1', '/nowhere']) {
      const reply = await app.inject(url)
      t.strictSame([reply.statusCode, reply.headers.location, reply.cookies], [302, '/login', []], url)
    }
    t.equal((await post(app, '/notes', { title: 'mine' })).statusCode, 401)

    for (const name of ['ada', 'nobody']) {
      const reply = await post(app, '/login', { name, password: 'wrong' })
      t.equal(reply.statusCode, 401, name)
      t.match(reply.body, 'Wrong name or password')
      t.strictSame(reply.cookies, [])
    }
    t.equal((await post(app, '/login', { name: 'ada' })).statusCode, 400)
  })

  await t.test('greets once, and shows the notes of the user alone', async (t) => {
    const headers = await signIn(app, 'ada')
    t.match((await app.inject({ url: '/notes', headers })).body, 'Welcome back, ada')
    const { statusCode, body } = await app.inject({ url: '/notes', headers })
    t.equal(statusCode, 200)
    t.notMatch(body, 'Welcome back')
    t.match(body, 'Loops')
    t.notMatch(body, 'Moths')

    t.match((await app.inject({ url: '/notes/note-1', headers })).body, 'a &lt; b &amp; so on')
    t.equal((await app.inject({ url: '/notes/note-2', headers })).statusCode, 403)
    const missing = await app.inject({ url: '/notes/note-9', headers })
    t.strictSame([missing.statusCode, missing.headers['content-type']], [404, 'text/html; charset=utf-8'])
  })

  await t.test('takes a note, deletes it, and ends the session', async (t) => {
    const headers = await signIn(app, 'grace')
    const invalid = await post(app, '/notes', { title: '' }, headers)
    t.equal(invalid.statusCode, 400)
    t.match(invalid.body, 'That did not work')

    const url = String((await post(app, '/notes', { title: 'Cobol', text: 'a language' }, headers)).headers.location)
    t.match((await app.inject({ url, headers })).body, 'Saved: Cobol')
    t.equal((await post(app, `${url}/delete`, {}, headers)).statusCode, 302)
    t.equal((await app.inject({ url, headers })).statusCode, 404)

    t.equal((await post(app, '/logout', {}, headers)).headers.location, '/')
    t.equal((await app.inject({ url: '/notes', headers })).headers.location, '/login')
  })
}
