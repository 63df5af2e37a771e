import Fastify, { type FastifyInstance } from 'fastify'
import { type Test } from 'tap'

/** Registers a flow in a scope, under a name and a path of its own where these are given. */
type Register = (scope: FastifyInstance, own: { name?: string, prefix?: string }) => PromiseLike<unknown>

/** No flow is there twice where one instance would hide the other, or share its tokens. */
export async function refuseSecondInstances (t: Test, register: Register): Promise<void> {
  const other = { name: 'two', prefix: '/two' }
  const refused: Array<[name: string, build: (app: FastifyInstance) => Promise<unknown>]> = [
    ['twice in a scope', async (app) => {
      await register(app, {})
      await register(app, other)
    }],
    ['inside another', async (app) => {
      await register(app, {})
      await app.register(async (scope) => { await register(scope, other) })
    }],
    ['around another', async (app) => {
      await app.register(async (outer) => {
        await outer.register(async (inner) => { await register(inner, other) })
        await register(outer, {})
      })
    }],
    ['around another, at the root', async (app) => {
      await app.register(async (scope) => { await register(scope, {}) })
      await register(app, other)
    }],
    ['siblings of one name', async (app) => {
      for (const prefix of ['/one', '/two']) await app.register(async (scope) => { await register(scope, { prefix }) })
    }]
  ]
  for (const [name, build] of refused) {
    await t.test(name, async (t) => {
      const app = Fastify()
      t.teardown(() => app.close())
      await t.rejects(async () => { await build(app); await app.ready() }, { code: 'FDT_ALREADY_REGISTERED' })
    })
  }
}
