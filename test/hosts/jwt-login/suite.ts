import { type FastifyInstance } from 'fastify'
import { type Test } from 'tap'
import { type AppOptions, type Author } from './app.ts'

const accounts: Readonly<Record<string, Author & { password: string }>> = {
  ursula: { name: 'ursula', role: 'author', password: 'the left hand' },
  virginia: { name: 'virginia', role: 'editor', password: 'a room' }
}

export const options: AppOptions = {
  secret: 'a secret of the magazine, only for its tests',
  serviceKey: 'the key of the other service',
  signIn: async (name, password) => accounts[name]?.password === password ? accounts[name] : undefined,
  articles: [
    { id: 1, author: 'ursula', title: 'Winter', text: 'It is cold.', tags: ['weather'], status: 'published' },
    { id: 2, author: 'virginia', title: 'Waves', text: 'They fell.', tags: ['sea', 'weather'], status: 'published' },
    { id: 3, author: 'virginia', title: 'Lighthouse', text: 'To it.', tags: [], status: 'draft' }
  ]
}

export async function signIn (app: FastifyInstance, name: string): Promise<{ authorization: string }> {
  const reply = await app.inject({ method: 'POST', url: '/login', payload: { name, password: String(accounts[name]?.password) } })
  return { authorization: `Bearer ${reply.json().token}` }
}

/** What the magazine does for readers, authors and other services. */
export async function suite (t: Test, build: () => Promise<FastifyInstance>): Promise<void> {
  const app = await build()
  t.teardown(() => app.close())

  await t.test('readers see what is published', async (t) => {
    const ids = async (url: string) => (await app.inject(url)).json().map(({ id }: { id: number }) => id)
    t.strictSame(await ids('/articles'), [1, 2])
    t.strictSame(await ids('/articles?limit=1'), [1])
    t.strictSame(await ids('/articles?tag=sea'), [2])
    t.strictSame(await ids('/articles?tag=sea&tag=weather'), [2])
    t.equal((await app.inject('/articles/1')).json().title, 'Winter')

    for (const { url, status } of [{ url: '/articles/3', status: 404 }, { url: '/articles/x', status: 400 }, { url: '/articles?limit=0', status: 400 }, { url: '/nowhere', status: 404 }]) {
      const reply = await app.inject(url)
      t.strictSame([reply.statusCode, reply.headers['content-type'], reply.json().status], [status, 'application/problem+json; charset=utf-8', status], url)
    }
  })

  await t.test('authors sign in, and write under their own name', async (t) => {
    t.equal((await app.inject({ method: 'POST', url: '/login', payload: { name: 'ursula', password: 'wrong' } })).statusCode, 401)
    t.equal((await app.inject({ method: 'POST', url: '/login', payload: { name: 'ursula' } })).statusCode, 400)

    const headers = await signIn(app, 'ursula')
    t.strictSame((await app.inject({ url: '/me', headers })).json(), { name: 'ursula', role: 'author' })
    t.equal((await app.inject('/me')).statusCode, 401)
    t.equal((await app.inject({ url: '/me', headers: { authorization: `${headers.authorization}x` } })).statusCode, 401)

    const written = await app.inject({ method: 'POST', url: '/articles', headers, payload: { title: 'Dragons', tags: 'old', author: 'virginia' } })
    t.equal(written.statusCode, 201)
    t.strictSame(written.json(), { id: 4, author: 'ursula', title: 'Dragons', text: '', tags: ['old'], status: 'draft' })
    t.equal((await app.inject({ url: String(written.headers.location), headers })).statusCode, 200)
    t.equal((await app.inject({ url: '/drafts/3', headers })).statusCode, 403)
    t.equal((await app.inject({ url: '/drafts/9', headers })).statusCode, 404)
  })

  await t.test('an editor deletes, an author does not', async (t) => {
    const remove = async (name: string) => (await app.inject({ method: 'DELETE', url: '/articles/4', headers: await signIn(app, name) })).statusCode
    t.strictSame([await remove('ursula'), await remove('virginia'), await remove('virginia')], [403, 204, 404])
    t.equal((await app.inject({ method: 'DELETE', url: '/articles/1' })).statusCode, 401)
  })

  await t.test('people and services see the statistics', async (t) => {
    const statistics = (headers: Record<string, string>) => app.inject({ url: '/statistics', headers })
    t.strictSame((await statistics(await signIn(app, 'ursula'))).json(), { articles: 3, drafts: 1 })
    t.equal((await statistics({ 'x-service-key': options.serviceKey })).statusCode, 200)
    t.equal((await statistics({ 'x-service-key': 'wrong' })).statusCode, 401)
    t.equal((await statistics({})).statusCode, 401)
  })

  await t.test('describes itself', async (t) => {
    const { paths } = (await app.inject('/openapi.json')).json()
    t.strictSame(paths['/me'].get.security, [{ author: [] }])
    t.strictSame(Object.keys(paths['/articles/{id}']), ['get', 'delete'])
  })
}
