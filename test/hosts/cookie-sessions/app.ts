/** A notebook: people sign in with a form and keep notes. Pages are HTML, the session is a cookie. */
import cookie from '@fastify/cookie'
import formbody from '@fastify/formbody'
import session from '@fastify/session'
import Fastify, { type FastifyError, type FastifyReply, type FastifyRequest } from 'fastify'
import { escape, page } from './html.ts'
import { createNotebook, type Note, type Notebook } from './notebook.ts'
import { createUsers, type User } from './users.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Open to people who are not signed in. */
    public?: boolean
  }
  interface FastifyInstance { notebook: Notebook }
  interface FastifyRequest { currentUser: User | null }
  interface Session { userName?: string, flash?: string }
}

export interface AppOptions {
  /** Signs the session cookie: at least 32 characters. */
  secret: string
  /** Passwords by the names of the users. */
  passwords: Readonly<Record<string, string>>
  notes?: readonly Note[]
}

const credentials = {
  type: 'object',
  required: ['name', 'password'],
  properties: { name: { type: 'string', minLength: 1 }, password: { type: 'string', minLength: 1 } }
}

const newNote = {
  type: 'object',
  required: ['title'],
  properties: { title: { type: 'string', minLength: 1, maxLength: 80 }, text: { type: 'string', default: '' } }
}

const loginForm = '<form method="post" action="/login"><input name="name"><input name="password" type="password"><button>Sign in</button></form>'

export async function buildApp ({ secret, passwords, notes = [] }: AppOptions) {
  const app = Fastify()
  const users = await createUsers(passwords)
  const notebook = createNotebook(notes)

  app.decorate('notebook', notebook)
  app.decorateRequest('currentUser', null)
  await app.register(cookie)
  await app.register(formbody)
  await app.register(session, { secret, saveUninitialized: false, rolling: false, cookie: { secure: 'auto', sameSite: 'lax' } })

  // Everything wants a login unless its route says that it does not: a route that somebody forgets to think about is closed.
  app.addHook('onRequest', async (request, reply) => {
    request.currentUser = users.find(request.session.userName) ?? null
    if (request.currentUser !== null || request.routeOptions.config.public === true) return
    if (request.method === 'GET' || request.method === 'HEAD') return reply.redirect('/login')
    throw Object.assign(new Error('Please sign in first'), { statusCode: 401 })
  })

  app.setErrorHandler((error: FastifyError, request, reply) => {
    const status = error.statusCode ?? 500
    if (status >= 500) request.log.error(error)
    return html(reply.code(status), page(status < 500 ? 'That did not work' : 'Something went wrong', status < 500 ? `<p>${escape(error.message)}</p>` : ''))
  })
  app.setNotFoundHandler((_request, reply) => html(reply.code(404), page('Not found', '<p><a href="/">Home</a></p>')))

  app.get('/', { config: { public: true } }, async (request, reply) => {
    const greeting = request.currentUser === null ? '<a href="/login">Sign in</a>' : `<a href="/notes">Notes of ${escape(request.currentUser.name)}</a>`
    return html(reply, page('Notebook', greeting, takeFlash(request)))
  })

  app.get('/login', { config: { public: true } }, async (_request, reply) => html(reply, page('Sign in', loginForm)))

  app.post<{ Body: { name: string, password: string } }>('/login', { config: { public: true }, schema: { body: credentials } }, async (request, reply) => {
    const user = await users.check(request.body.name, request.body.password)
    if (user === undefined) return html(reply.code(401), page('Sign in', loginForm, 'Wrong name or password'))
    // A session from before the login could be somebody else's.
    await request.session.regenerate()
    request.session.userName = user.name
    request.session.flash = `Welcome back, ${user.name}`
    return reply.redirect('/notes')
  })

  app.post('/logout', async (request, reply) => {
    await request.session.destroy()
    return reply.clearCookie('sessionId', { path: '/' }).redirect('/')
  })

  app.get('/notes', async (request, reply) => {
    const items = notebook.of(nameOf(request)).map(({ id, title }) => `<li><a href="/notes/${id}">${escape(title)}</a>`)
    return html(reply, page('Your notes', `<ul>${items.join('')}</ul>`, takeFlash(request)))
  })

  app.post<{ Body: { title: string, text: string } }>('/notes', { schema: { body: newNote } }, async (request, reply) => {
    const { id, title } = notebook.add(nameOf(request), request.body.title, request.body.text)
    request.session.flash = `Saved: ${title}`
    return reply.redirect(`/notes/${id}`)
  })

  app.get<{ Params: { id: string } }>('/notes/:id', async (request, reply) => {
    const note = ownNote(request)
    return note === undefined ? reply.callNotFound() : html(reply, page(note.title, `<p>${escape(note.text)}</p>`, takeFlash(request)))
  })

  app.post<{ Params: { id: string } }>('/notes/:id/delete', async (request, reply) => {
    const note = ownNote(request)
    if (note === undefined) return reply.callNotFound()
    notebook.remove(note.id)
    request.session.flash = `Deleted: ${note.title}`
    return reply.redirect('/notes')
  })

  function ownNote (request: FastifyRequest<{ Params: { id: string } }>): Note | undefined {
    const note = notebook.find(request.params.id)
    if (note !== undefined && note.owner !== nameOf(request)) throw Object.assign(new Error('This note is somebody else\'s'), { statusCode: 403 })
    return note
  }

  return app
}

function html (reply: FastifyReply, text: string): FastifyReply {
  return reply.type('text/html; charset=utf-8').send(text)
}

/** Shown once. */
function takeFlash ({ session }: FastifyRequest): string {
  const { flash = '' } = session
  delete session.flash
  return flash
}

/** Only on routes that want a login. */
function nameOf ({ currentUser }: FastifyRequest): string {
  if (currentUser === null) throw new TypeError('nobody is signed in')
  return currentUser.name
}
