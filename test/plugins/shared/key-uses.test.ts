import { createSecretKey, randomBytes } from 'node:crypto'
import Fastify from 'fastify'
import t from 'tap'
import { claimKeys } from '../../../plugins/shared/key-uses.ts'

const [one, two] = [randomBytes(32), randomBytes(32)]
const keys = (...secrets: Buffer[]) => secrets.map((secret) => createSecretKey(secret))

t.test('a secret belongs to the flow that had it first, all over an app (T30)', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  claimKeys(app, 'session-issuance', 'keys', keys(one))
  await app.register(async (scope) => {
    t.throws(() => { claimKeys(scope, 'config-signing', 'inbox', keys(two, one)) }, { code: 'FDT_INVALID_OPTION', message: /"inbox"/ }, 'whoever else has it, and wherever')
    t.throws(() => { claimKeys(scope, 'config-signing', 'outbox', keys(Buffer.from(one))) }, { code: 'FDT_INVALID_OPTION', message: /"outbox"/ })
    claimKeys(scope, 'session-issuance', 'keys', keys(one))
  })
  await app.ready()
  claimKeys(app, 'config-signing', 'inbox', [])
})

t.test('other apps are none of it', async (t) => {
  const [app, other] = [Fastify(), Fastify()]
  t.teardown(async () => { await Promise.all([app.close(), other.close()]) })
  claimKeys(app, 'session-issuance', 'keys', keys(one))
  claimKeys(other, 'config-signing', 'inbox', keys(one))
})

t.test('a secret that is a part of another is another', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  claimKeys(app, 'session-issuance', 'keys', keys(one))
  claimKeys(app, 'config-signing', 'inbox', keys(one.subarray(1), Buffer.concat([one, Buffer.of(0)])))
})
