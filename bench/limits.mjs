/**
 * What the limits cost: `POST /viewer/sessions` over loopback connections, with limits off, each of them alone, and
 * all of them as served, on the memory store and on LMDB.
 *
 * Run it after the build, from the root of the repository; it takes less than a minute:
 *
 * ```sh
 * node setup.mjs && node bench/limits.mjs
 * ```
 *
 * Client and server share a process. Every variant is measured in each round, in a random order, and shares are those
 * of a round, so that whatever else the machine does weighs on all of them. The table shows medians: requests per
 * second, processor time per request (which a busy machine changes less), and what that is of limits off on the same
 * store: below 1 costs requests, above 1 costs processor time.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Fastify from 'fastify'
import { createApiKeyRegistry } from 'fastify-doc-tokens/credentials'
import { createKeyRing, generateKey } from 'fastify-doc-tokens/keys'
import { sessionIssuance } from 'fastify-doc-tokens/session-issuance'
import { openLmdbStore } from 'fastify-doc-tokens/stores/lmdb'
import { createMemoryStore } from 'fastify-doc-tokens/stores/memory'

const ROUNDS = 7
const ROUND_MS = 400
const CONNECTIONS = 32
const OFF = { address: false, credential: false, failures: false }
const PLENTY = { max: 1e9 }
const BODY = JSON.stringify({ allowed_documents: [{ document_id: 'contract', document_permissions: ['read'] }] })

const folder = mkdtempSync(join(tmpdir(), 'bench-limits-'))
const stores = { memory: createMemoryStore(), lmdb: await openLmdbStore({ path: join(folder, 'store') }) }
const keys = { HS256: createKeyRing([{ key: await generateKey('HS256') }]), ES256: createKeyRing([{ key: await generateKey('ES256') }]) }
const limits = {
  off: OFF,
  address: { ...OFF, address: PLENTY },
  credential: { ...OFF, credential: PLENTY },
  lock: { ...OFF, failures: {} },
  'as served': { address: PLENTY, credential: PLENTY }
}
const variants = []

try {
  for (const algorithm of Object.keys(keys)) {
    for (const store of Object.keys(stores)) {
      // The cheaper the signature, the larger the share of the limits: one algorithm shows where it goes.
      for (const limit of algorithm === 'HS256' ? Object.keys(limits) : ['off', 'as served']) {
        variants.push({ algorithm, store, limit, rounds: [], ...await serve(algorithm, store, limit) })
      }
    }
  }
  for (const variant of variants) await measure(variant)
  for (let round = 0; round < ROUNDS; round++) {
    for (const variant of shuffle(variants)) variant.rounds.push(await measure(variant))
  }
  print()
} finally {
  for (const { app, agent } of variants) {
    agent.destroy()
    await app.close()
  }
  for (const store of Object.values(stores)) await store.close()
  rmSync(folder, { recursive: true, force: true })
}

async function serve (algorithm, store, limit) {
  const credentials = createApiKeyRegistry({ store: stores[store] })
  const app = Fastify()
  await app.register(sessionIssuance, { issuer: 'https://tokens.example', name: `${algorithm}.${limit.replace(' ', '-')}`, keys: keys[algorithm], store: stores[store], credentials, limits: limits[limit] })
  const { port } = new URL(await app.listen({ port: 0, host: '127.0.0.1' }))
  const { secret } = await credentials.create()
  return { app, agent: new Agent({ keepAlive: true, maxSockets: CONNECTIONS }), port, secret }
}

/** On all connections together. */
async function measure ({ agent, port, secret }) {
  const headers = { authorization: `Bearer ${secret}`, 'content-type': 'application/json', 'content-length': BODY.length }
  const before = process.cpuUsage()
  const start = performance.now()
  const end = start + ROUND_MS
  let served = 0
  await Promise.all(Array.from({ length: CONNECTIONS }, async () => {
    while (performance.now() < end) {
      await send({ agent, host: '127.0.0.1', port, method: 'POST', path: '/viewer/sessions', headers })
      served++
    }
  }))
  const { user, system } = process.cpuUsage(before)
  return { perSecond: served / (performance.now() - start) * 1000, microseconds: (user + system) / served }
}

function send (options) {
  return new Promise((resolve, reject) => {
    request(options, (response) => {
      if (response.statusCode !== 201) return reject(new Error(`answered with ${response.statusCode}`))
      response.on('end', resolve).on('error', reject).resume()
    }).on('error', reject).end(BODY)
  })
}

function print () {
  console.log('algorithm  store   limits      per second  of off  CPU µs  of off')
  for (const { algorithm, store, limit, rounds } of variants) {
    const off = variants.find((other) => other.algorithm === algorithm && other.store === store && other.limit === 'off')
    const [rate, rateOfOff, cost, costOfOff] = [
      rounds.map(({ perSecond }) => perSecond),
      rounds.map(({ perSecond }, round) => perSecond / off.rounds[round].perSecond),
      rounds.map(({ microseconds }) => microseconds),
      rounds.map(({ microseconds }, round) => microseconds / off.rounds[round].microseconds)
    ].map(median)
    console.log([
      algorithm.padEnd(9), store.padEnd(6), limit.padEnd(10),
      rate.toFixed(0).padStart(10), rateOfOff.toFixed(2).padStart(6), cost.toFixed(0).padStart(6), costOfOff.toFixed(2).padStart(6)
    ].join('  '))
  }
}

function median (numbers) {
  return numbers.toSorted((one, other) => one - other)[numbers.length >> 1]
}

function shuffle (items) {
  return items.map((item) => ({ item, place: Math.random() })).toSorted((one, other) => one.place - other.place).map(({ item }) => item)
}
