/** A process of its own with an LMDB store. Started by store-processes.ts, which says what it takes. */
import { writeSync } from 'node:fs'
import { openLmdbStore } from '../../lib/stores/lmdb.ts'
import { type StoreEntry } from '../../lib/stores/token-store.ts'
import { type Call, type Race, type StoreProcessOptions } from './store-messages.ts'

const { umask, ...options }: StoreProcessOptions = JSON.parse(process.argv[2] ?? '')
if (umask !== undefined) process.umask(umask)
let pause = 0
const store = await openLmdbStore({ ...options, now })

process.on('message', async ({ id, method, parameters }: Call) => {
  try {
    process.send?.({ id, result: await answer(method, parameters) })
  } catch (error) {
    process.send?.({ id, error })
  }
})
process.send?.({ id: 0 })

async function answer (method: Call['method'], parameters: unknown[]): Promise<unknown> {
  if (method === 'scan') return all(parameters[0] as string)
  if (method === 'race') return race(parameters[0] as Race)
  if (method === 'flood') return flood()
  if (method === 'hold') {
    pause = parameters[0] as number
    return store.set('held', Uint8Array.of(1))
  }
  // The parent calls what the interface has; what it passes on may be wrong on purpose.
  const result = await (store[method] as (...parameters: unknown[]) => Promise<unknown>)(...parameters)
  if (method === 'close') setImmediate(() => process.disconnect?.())
  return result
}

async function all (prefix: string): Promise<StoreEntry[]> {
  const entries = []
  for await (const entry of store.scan(prefix)) entries.push(entry)
  return entries
}

/** All racers start at the same moment, and go for each key in the same order. */
async function race ({ operation, keys, at, mine }: Race): Promise<unknown[]> {
  while (Date.now() < at);
  const outcomes = []
  for (const key of keys) {
    if (operation === 'add') outcomes.push(await store.add(key, mine))
    if (operation === 'take') outcomes.push(await store.take(key) !== undefined)
    if (operation === 'replace') outcomes.push(await store.replace(key, Uint8Array.of(1), mine))
    if (operation === 'increment') outcomes.push((await store.increment(key, 60_000)).count)
    if (operation === 'durable increment') outcomes.push((await store.increment(key, 60_000, { durable: true })).count)
  }
  return outcomes
}

/** Writes until it is killed, and prints what has been acknowledged. */
async function flood (): Promise<never> {
  const writer = async (name: string) => {
    for (let index = 0; ; index++) {
      const key = `${name} ${index}`
      if (index % 4 === 0) await store.add(key, Buffer.from(`\x01${key}`))
      else if (index % 4 === 1) await store.set(key, Buffer.from(`\x01${key}`), { durable: true })
      else if (index % 4 === 2) await store.set(key, Buffer.from(`\x01${key}`), { ttl: 600_000 })
      else await store.increment(key, 600_000, { durable: index % 8 === 3 })
      writeSync(1, `${key}\n`)
    }
  }
  return Promise.race(Array.from({ length: 8 }, (_, index) => writer(`writer ${index}`)))
}

/** A write asks for the time in the middle of its transaction. */
function now (): number {
  const end = Date.now() + pause
  pause = 0
  while (Date.now() < end);
  return Date.now()
}
