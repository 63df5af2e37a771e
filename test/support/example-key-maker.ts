import { type Test } from 'tap'
import { findKey, type Program, startProgram } from './example-server.ts'

const SOURCE = `
  import { createApiKeyRegistry } from 'fastify-doc-tokens/credentials'
  import { openLmdbStore } from 'fastify-doc-tokens/stores/lmdb'
  const registry = createApiKeyRegistry({ store: await openLmdbStore({ path: process.argv[1] }) })
  for (let number = 0; number < 100_000; number++) process.stdout.write((await registry.create()).secret + '\\n')
`

/** A process that makes API keys in a store until it is killed. `keys` tells which were acknowledged. */
export function startKeyMaker (t: Test, path: string): Program & { keys: () => string[] } {
  const program = startProgram(t, process.execPath, ['--input-type=module', '--eval', SOURCE, path])
  // The last line may be half.
  return { ...program, keys: () => program.stdout().split('\n').slice(0, -1).map((line) => String(findKey(line))) }
}
