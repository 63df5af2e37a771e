import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { issue, list, read, revoke } from '../support/example-client.ts'
import { startKeyMaker } from '../support/example-key-maker.ts'
import { firstKey, newDataDir, startServer, until } from '../support/example-server.ts'

const ROUNDS = 3

/** Milliseconds under load before the end comes. */
const LOAD = 500

const CLIENTS = 4

t.test('SIGKILL under load loses nothing that was acknowledged', async (t) => {
  const dataDir = newDataDir(t)
  // Every request comes from an address of its own: the limit by address is not what is asked here.
  const env = { TRUST_PROXY: '127.0.0.1' }
  let requests = 0
  const somebody = () => ({ 'x-forwarded-for': `10.1.${requests >> 8}.${requests++ & 255}` })
  let server = await startServer(t, { dataDir, env })
  const key = await firstKey(server)

  const ended: string[] = []
  const alive: string[] = []
  const keys = [key]

  const load = async (url: string, round: string) => {
    for (let number = 0; ; number++) {
      const user = `${round}-${number}`
      const token = await issue(url, key, { contract: ['read'] }, { user_id: user }, somebody())
      if (number % 3 === 0) {
        alive.push(token)
        continue
      }
      const { status } = await revoke(url, key, number % 3 === 1 ? { jwt: token } : { user_id: user }, somebody())
      if (status === 204) ended.push(token)
    }
  }

  for (let round = 1; round <= ROUNDS; round++) {
    const maker = startKeyMaker(t, join(dataDir, 'store'))
    await until(() => maker.keys().length > 0)
    const before = { ended: ended.length, alive: alive.length }
    const clients = Array.from({ length: CLIENTS }, (_, index) => load(server.url, `${round}-${index}`))
    const cut = Promise.allSettled(clients)
    await sleep(LOAD)
    await Promise.all([server.kill(), maker.kill()])
    for (const result of await cut) t.match(result, { status: 'rejected', reason: { message: 'fetch failed' } }, 'no client was refused before')
    keys.push(...maker.keys())

    server = await startServer(t, { dataDir, env })
    t.ok(ended.length > before.ended && alive.length > before.alive && maker.keys().length > 0, 'there was something to lose')
    t.comment(`round ${round}: ${ended.length} ended, ${alive.length} alive, ${keys.length} keys`)
    for (const token of ended) t.match(await read(server.url, token), { status: 401, body: { code: 'FDT_TOKEN_REVOKED' } })
    for (const token of alive) t.equal((await read(server.url, token)).status, 200)
    for (const key of keys) t.equal((await list(server.url, key)).status, 200)
  }
  t.equal(await server.stop(), 0)
})
