/** Command lines over one store in memory, which stays open between them. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Test } from 'tap'
import { type CliContext, type StorePlace } from '../../../lib/cli/context.ts'
import { run } from '../../../lib/cli/run.ts'
import { createMemoryStore } from '../../../lib/stores/memory.ts'
import { type TokenStore } from '../../../lib/stores/token-store.ts'

export const NOW = Date.UTC(2030, 0, 1)

export interface Outcome {
  code: number
  out: string
  error: string
}

export interface Bench {
  /** A data folder that does not exist yet. */
  folder: string
  store: TokenStore
  /** What was opened. */
  opened: StorePlace[]
  closed: () => number
  cli: (...args: string[]) => Promise<Outcome>
  cliWith: (parts: Partial<CliContext>, ...args: string[]) => Promise<Outcome>
}

/** `store` with some of its methods in other words. */
export function altered (store: TokenStore, methods: Partial<TokenStore>): TokenStore {
  return {
    get: (...args) => store.get(...args),
    set: (...args) => store.set(...args),
    add: (...args) => store.add(...args),
    take: (...args) => store.take(...args),
    delete: (...args) => store.delete(...args),
    replace: (...args) => store.replace(...args),
    increment: (...args) => store.increment(...args),
    scan: (prefix) => store.scan(prefix),
    ping: () => store.ping(),
    close: () => store.close(),
    ...methods
  }
}

export function build (t: Test): Bench {
  const folder = join(t.testdir({}), 'data')
  const store = createMemoryStore()
  t.teardown(() => store.close())
  const opened: StorePlace[] = []
  let closed = 0
  const openStore = async (place: StorePlace): Promise<TokenStore> => {
    opened.push(place)
    if ('path' in place) {
      mkdirSync(place.path, { recursive: true })
      writeFileSync(join(place.path, 'data.mdb'), '')
    }
    return altered(store, { close: async () => { closed++ } })
  }

  const cliWith: Bench['cliWith'] = async (parts, ...args) => {
    let [out, error] = ['', '']
    const { env = { DATA_DIR: folder }, stdout = { write: (text) => { out += text } }, stderr = { write: (text) => { error += text } }, ...rest } = parts
    const code = await run(args, { env, stdout, stderr }, { openStore, now: () => NOW, ...rest })
    return { code, out, error }
  }
  return { folder, store, opened, closed: () => closed, cli: (...args) => cliWith({}, ...args), cliWith }
}

/** Whatever was told of a failure is one line, with nothing in it that a terminal obeys. */
export const ONE_LINE = /^fastify-doc-tokens: [^\p{Cc}]+\n$/u
