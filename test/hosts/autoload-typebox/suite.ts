import { type FastifyInstance } from 'fastify'
import { type Test } from 'tap'
import { type AppOptions } from './app.ts'

export const options: AppOptions = {
  accounts: [{ name: 'mary', team: 'pumps', pin: '4711-0815' }, { name: 'joan', team: 'cranes', pin: '1234-5678' }],
  manuals: [
    { id: 'pump', team: 'pumps', title: 'The pump', pages: 12 },
    { id: 'valve', team: 'pumps', title: 'The valve', pages: 3 },
    { id: 'crane', team: 'cranes', title: 'The crane', pages: 90 }
  ]
}

export async function signIn (app: FastifyInstance, name: string): Promise<{ authorization: string }> {
  const pin = options.accounts.find((account) => account.name === name)?.pin
  const reply = await app.inject({ method: 'POST', url: '/login', payload: { name, pin } })
  return { authorization: `Bearer ${reply.json().token}` }
}

/** What the service does for the teams. */
export async function suite (t: Test, build: () => Promise<FastifyInstance>): Promise<void> {
  const app = await build()
  t.teardown(() => app.close())

  await t.test('tells strangers its name and nothing else', async (t) => {
    t.strictSame((await app.inject('/')).json(), { service: 'manuals' })
    for (const headers of [{}, { authorization: 'Bearer of-bad-news' }]) t.equal((await app.inject({ url: '/manuals', headers })).statusCode, 401)
    t.equal((await app.inject('/manuals/pump')).statusCode, 401)
    t.equal((await app.inject('/nowhere')).statusCode, 404)
    t.equal((await app.inject({ method: 'POST', url: '/login', payload: { name: 'mary', pin: '0000' } })).statusCode, 401)
    t.equal((await app.inject({ method: 'POST', url: '/login', payload: { name: 'mary', pin: '1' } })).statusCode, 400)
  })

  await t.test('shows a team its manuals, and takes new ones', async (t) => {
    const headers = await signIn(app, 'mary')
    const ids = async (url: string) => (await app.inject({ url, headers })).json().map(({ id }: { id: string }) => id)
    t.strictSame(await ids('/manuals'), ['pump', 'valve'])
    t.strictSame(await ids('/manuals?minPages=10'), ['pump'], 'a number in a query is a number')

    t.equal((await app.inject({ url: '/manuals/pump', headers })).json().title, 'The pump')
    t.equal((await app.inject({ url: '/manuals/crane', headers })).statusCode, 403)
    t.equal((await app.inject({ url: '/manuals/none', headers })).statusCode, 404)
    t.equal((await app.inject({ url: '/manuals/NONE', headers })).statusCode, 400)

    const put = (id: string, payload: object) => app.inject({ method: 'PUT', url: `/manuals/${id}`, headers, payload })
    t.strictSame((await put('hose', { title: 'The hose', pages: 2 })).json(), { id: 'hose', team: 'pumps', title: 'The hose', pages: 2 })
    t.equal((await put('hose', { title: 'The hose', pages: '2' })).statusCode, 400, 'a text in a body is no number')
    t.equal((await put('crane', { title: 'Mine', pages: 1 })).statusCode, 403)
  })

  await t.test('counts requests', async (t) => {
    const { headers } = await app.inject('/')
    t.equal(headers['x-ratelimit-limit'], '1000')
  })
}
