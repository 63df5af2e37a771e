/** What clients do all the time, while Redis fails. */
import { setTimeout as sleep } from 'node:timers/promises'
import { until } from './example-server.ts'
import { type Clients, type Held } from './fault-clients.ts'

/** Milliseconds between two plays, which are about 4 requests each; and how many may be under way. */
const [PAUSE, MOST_PLAYS] = [30, 60]

/** Whose tokens are never ended. */
const LASTING: ReadonlyArray<Held['flow']> = ['opaque', 'opaque', 'opaque', 'opaque', 'opaque', 'opaque', 'session', 'session']

export interface Traffic extends Clients {
  /** Good ones, which nobody ends. */
  lasting: Held[]
  /** What is issued from now on may be lost, and what else {@link Clients.setTrust} tells of. Resolves when nothing from before is under way. */
  doubtNew (): Promise<void>
  trustNew (): void
  /** Waits until all lasting tokens are good at all hosts, and returns how many milliseconds that took. */
  recovery (): Promise<number>
  /** Ends the plays. */
  stop (): Promise<void>
  /** Ends the plays, and verifies all there ever was once more. */
  end (): Promise<void>
}

/** Plays one after the other, which may take as long as they need, at `hosts` hosts. */
export async function startTraffic (clients: Clients, hosts: number): Promise<Traffic> {
  const { faults, held, issue, verify, revoke } = clients
  const underWay = new Set<Promise<unknown>>()
  const ending = new AbortController()
  const lasting: Held[] = []

  const everywhere = (held: Held) => Promise.all(Array.from({ length: hosts }, (_, host) => verify(host, held)))

  /** Issues at one host; verifies and revokes at another. */
  async function live (host: number, flow: Held['flow']): Promise<void> {
    const token = await issue(host, { flow })
    if (token === undefined) return
    const other = (host + 1) % hosts
    await verify(other, token)
    await revoke(other, token)
    await everywhere(token)
  }

  /** Verifies as often as that, all at once, at all hosts in turn. */
  async function race (host: number, query: string, count: number): Promise<void> {
    const token = await issue(host, { query })
    if (token !== undefined) await Promise.all(Array.from({ length: count }, (_, index) => verify((host + index) % hosts, token)))
  }

  const pick = (list: Held[]): Held | undefined => list[Math.floor(Math.random() * list.length)]
  const again = async (list: Held[]): Promise<void> => {
    const token = pick(list)
    if (token !== undefined) await everywhere(token)
  }
  const plays: Array<(host: number) => Promise<unknown>> = [
    () => again(lasting),
    (host) => live(host, 'opaque'),
    (host) => race(host, '?max_uses=1', 3),
    () => again(held),
    (host) => race(host, '?expires_in=1', 2),
    (host) => live(host, 'session'),
    (host) => race(host, '?max_uses=3', 5),
    () => again(held)
  ]

  async function run (): Promise<void> {
    for (let count = 0; !ending.signal.aborted; count++) {
      if (underWay.size < MOST_PLAYS) {
        const host = Math.floor(count / plays.length) % hosts
        const play = Promise.resolve(plays[count % plays.length]?.(host))
          .catch((error) => { faults.push(`no answer: ${error}`) })
          .finally(() => { underWay.delete(play) })
        underWay.add(play)
      }
      await sleep(PAUSE)
    }
    await Promise.all(underWay)
  }

  for (const flow of LASTING) lasting.push(await until(() => issue(0, { flow })))
  const ended = run()

  const stop = async () => {
    ending.abort()
    await ended
  }
  return {
    ...clients,
    lasting,
    doubtNew: async () => {
      clients.setTrust(false)
      await Promise.all(underWay)
    },
    trustNew: () => { clients.setTrust(true) },
    recovery: async () => {
      const start = performance.now()
      await until(async () => (await Promise.all(lasting.map(everywhere))).flat().every(({ status }) => status === 200))
      return performance.now() - start
    },
    stop,
    end: async () => {
      await stop()
      for (const token of held) await everywhere(token)
    }
  }
}
