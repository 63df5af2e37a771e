/**
 * Runs in the folder of a user: `node probe.mjs import|require '{ "names": [<subpath>], "flows": [<subpath>], "absent": [<peer>] }'`.
 * Loads every subpath, whether or not the optional peers are there, then registers the flows and uses the peers.
 */
import { strict as assert } from 'node:assert'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { flows, peers } from './uses.mjs'

const [mode, plan] = process.argv.slice(2)
const { names, flows: wanted, absent } = JSON.parse(plan)

const require = createRequire(import.meta.url)
// How to import JSON is still a matter of the version of Node.js; where it is found is not.
const importJson = async (name) => JSON.parse(readFileSync(new URL(import.meta.resolve(name)), 'utf8'))
const load = mode === 'require' ? async (name) => require(name) : (name) => name.endsWith('.json') ? importJson(name) : import(name)

for (const name of names) assert.ok(Object.keys(await load(name)).length > 0, `${name} exports nothing`)

const { default: fastify } = await import('fastify')
for (const name of wanted) {
  assert.ok(Object.hasOwn(flows, name), `uses.mjs does not tell how to register ${name}`)
  const app = fastify()
  await flows[name](app, load)
  await app.close()
}

for (const [peer, use] of Object.entries(peers)) {
  if (absent.includes(peer)) {
    await assert.rejects(use(load), (error) => error.code === 'FDT_MISSING_PEER' && error.message.includes(peer), `nothing tells that ${peer} is missing`)
  } else {
    await use(load)
  }
}
