/** Ports for servers that go away and come back. */
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'

/**
 * A port that nobody has, below those that a system gives to clients. Of those, one that is free for a while may be
 * given to a client that knocks there: it is then connected to itself, and the server cannot come back.
 */
export async function quietPort (): Promise<number> {
  for (;;) {
    const port = randomInt(15_000, 32_000)
    const server = createServer().listen(port, '127.0.0.1')
    const isFree = await once(server, 'listening').then(() => true, () => false)
    if (!isFree) continue
    server.close()
    await once(server, 'close')
    return port
  }
}
