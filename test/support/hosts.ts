/**
 * Every promise of a flow is one in any host, so the suite of a flow runs in two: in an app that has nothing but the
 * flow, and as a guest of {@link hostileHost} (T24). Tests are written once:
 *
 * ```ts
 * inEveryHost(t, 'says who it is', async (t) => {
 *   const { app, scope } = await buildHost(t, {
 *     register: async (scope) => { await scope.register(flow, options) },
 *     sibling: async (scope) => { await scope.register(flow, { ...options, name: 'other' }) }
 *   })
 *   scope.get('/who', { onRequest: scope.decorator.require() }, async () => 'you')
 *   t.equal((await app.inject('/who')).statusCode, 401)
 * })
 * ```
 *
 * Inject into `app`, add routes to `scope`, and send `login` to routes whose callers are the host's users. A test without
 * HTTP, or about one host alone, is a plain `t.test`.
 */
import Fastify from 'fastify'
import { type Test } from 'tap'
import { type Host, type HostPlan, hostileHost } from './hostile-host.ts'

/** Runs a test in each host. */
export function inEveryHost (t: Test, name: string, run: (t: Test) => unknown): void {
  t.test(`plain: ${name}`, { context: { host: 'plain' } }, run)
  t.test(`hostile: ${name}`, { context: { host: 'hostile' } }, run)
}

/** The app in the host that the test runs in, which is the plain one outside of {@link inEveryHost}. */
export async function buildHost (t: Test, plan: HostPlan): Promise<Host> {
  if (isHostile(t)) return await hostileHost(t, plan)
  const app = Fastify(plan.server)
  t.teardown(() => app.close())
  await plan.register?.(app)
  return { app, scope: app, login: {} }
}

/** Subtests inherit the context of the test that they are part of. */
function isHostile ({ context }: Test): boolean {
  return typeof context === 'object' && context !== null && context.host === 'hostile'
}
