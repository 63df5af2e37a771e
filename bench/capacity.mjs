/**
 * What a live opaque token costs: its bytes in LMDB and in Redis, the time to write it, and the time to look it up
 * while there are few and while there are many.
 *
 * Run it after the build, from the root of the repository; it takes some six minutes, 3 GB of memory and 3 GB in the
 * folder for temporary files (`TMPDIR`), which is best on the disk that is meant:
 *
 * ```sh
 * node setup.mjs && node bench/capacity.mjs              # 10000, 100000 and 1000000 tokens
 * node setup.mjs && node bench/capacity.mjs 10000 100000 # a look
 * ```
 *
 * Redis is started here, on loopback, a server for each number of tokens; without a `redis-server` in the path LMDB is
 * measured alone. Look-ups go to all numbers of tokens in turn, in a random order, so that whatever else the machine
 * does weighs on all of them; shown are medians of blocks, or of rounds, and of their ratios. The process ends with 1 when
 * the 99th percentile is more than 1.5 times that of the fewest tokens.
 */
import { randomInt } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { hasRedis, openLmdb, openRedis } from './capacity-stores.mjs'
import { createTokenSet } from './capacity-tokens.mjs'

const PARAMETER_BYTES = 150
const BLOCKS = 11
const LOOK_UPS = 2_000
const ROUNDS = 25
const ROUND_MS = 100
const IN_FLIGHT = 32
const GREATEST_RATIO = 1.5
/** How the bytes grow with the parameters is measured with this many tokens. */
const SAMPLE = 10_000
const SAMPLE_PARAMETER_BYTES = [100, 150, 250, 500, 1000, 4000]

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc')

const counts = readCounts(process.argv.slice(2))
const folder = mkdtempSync(join(tmpdir(), 'bench-capacity-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1))

console.log(`Parameters are ${PARAMETER_BYTES} bytes of JSON. Bytes are per token, or per use.\n`)
await measure('LMDB', openLmdb)
if (hasRedis()) await measure('Redis', openRedis)
else console.log('Redis is not measured, there is no redis-server in the path: apt-get install redis-server')

async function measure (kind, open) {
  const sets = []
  try {
    for (const count of counts) await fill(sets, () => open(join(folder, `${kind}-${count}`)), count, PARAMETER_BYTES)
    const lookUps = await lookUp(sets)
    for (const set of sets) await spend(set)
    const logged = await sets[0].place.logged?.(() => sets[0].tokens.issueAll())
    const loggedUses = await sets[0].place.logged?.(() => sets[0].tokens.useAll())
    for (const set of sets) {
      await set.place.close()
      set.pages = await set.place.pages?.()
    }
    print(kind, 'written', sets.map(writtenRow))
    print(kind, `looked up (µs; per second with ${IN_FLIGHT} in flight; ratios to ${counts[0]} tokens)`, sets.map((set, index) => ({ tokens: set.tokens.count, ...lookUps[index] })))
    print(kind, 'one use of each token, where it has maxUses', sets.map(usesRow))
    if (logged !== undefined) print(kind, 'log of commands (AOF)', [{ token: round(logged / counts[0]), use: round(loggedUses / counts[0]) }])
    if (lookUps.at(-1)['p99 ratio'] > GREATEST_RATIO) {
      console.log(`The 99th percentile is more than ${GREATEST_RATIO} times that of ${counts[0]} tokens.\n`)
      process.exitCode = 1
    }
  } finally {
    await closeAll(sets)
  }
  await measureParameters(kind, open)
}

async function fill (sets, open, count, parameterBytes) {
  const heapBefore = await heap()
  const place = await open()
  const set = { place, tokens: createTokenSet(place, count, parameterBytes), heapBefore }
  sets.push(set)
  set.empty = await place.bytes()
  set.seconds = await timed(() => set.tokens.issueAll())
  set.filled = await place.bytes()
  set.heapAfter = await heap()
}

async function spend (set) {
  set.useSeconds = await timed(() => set.tokens.useAll())
  set.spent = await set.place.bytes()
}

/** One at a time for how long it takes, then many in flight for how many there can be. Ratios are those of a block, or of a round. */
async function lookUp (sets) {
  const heapBefore = await heap()
  await timesOf(sets)
  const [medians, p99s, rates] = [[], [], []]
  for (let block = 0; block < BLOCKS; block++) {
    const times = await timesOf(sets)
    medians.push(times.map((sorted) => quantile(sorted, 0.5)))
    p99s.push(times.map((sorted) => quantile(sorted, 0.99)))
  }
  for (let round = 0; round < ROUNDS; round++) {
    const row = []
    for (const index of shuffle([...sets.keys()])) row[index] = await rateOf(sets[index].tokens)
    rates.push(row)
  }
  const grown = megabytes(await heap() - heapBefore)
  const valueAt = (rows, index) => round(median(rows.map((row) => row[index])))
  const ratioAt = (rows, index) => Number(median(rows.map((row) => row[index] / row[0])).toFixed(2))
  return sets.map((_, index) => ({
    median: valueAt(medians, index),
    'median ratio': ratioAt(medians, index),
    p99: valueAt(p99s, index),
    'p99 ratio': ratioAt(p99s, index),
    'per second': valueAt(rates, index),
    'rate ratio': ratioAt(rates, index),
    'heap grew, all (MB)': grown
  }))
}

/** Microseconds of a block of look-ups of each set, sorted. */
async function timesOf (sets) {
  const times = sets.map(() => new Float64Array(LOOK_UPS))
  for (let turn = 0; turn < LOOK_UPS; turn++) {
    for (const index of shuffle([...sets.keys()])) {
      const { tokens } = sets[index]
      const token = tokens.token(randomInt(tokens.count))
      const start = performance.now()
      await tokens.lookUp(token)
      times[index][turn] = (performance.now() - start) * 1000
    }
  }
  return times.map((all) => all.sort())
}

async function rateOf (tokens) {
  const start = performance.now()
  const end = start + ROUND_MS
  let served = 0
  await Promise.all(Array.from({ length: IN_FLIGHT }, async () => {
    while (performance.now() < end) {
      await tokens.lookUp(tokens.token(randomInt(tokens.count)))
      served++
    }
  }))
  return served / (performance.now() - start) * 1000
}

async function measureParameters (kind, open) {
  const rows = []
  for (const bytes of SAMPLE_PARAMETER_BYTES) {
    const sets = []
    try {
      await fill(sets, () => open(join(folder, `${kind}-parameters`)), SAMPLE, bytes)
      const [{ place, empty, filled }] = sets
      await place.close()
      rows.push({ 'bytes of JSON': bytes, ...bytesOf(filled, empty, SAMPLE, (await place.pages?.())?.token) })
    } finally {
      await closeAll(sets)
    }
  }
  print(kind, `${SAMPLE} tokens with longer and shorter parameters`, rows)
}

async function closeAll (sets) {
  for (const { place } of sets) {
    await place.close()
    place.remove()
  }
}

function writtenRow ({ tokens: { count }, empty, filled, seconds, heapBefore, heapAfter, pages }) {
  return { tokens: count, ...bytesOf(filled, empty, count, pages?.token), seconds: round(seconds), 'per second': round(count / seconds), 'heap before (MB)': megabytes(heapBefore), 'after (MB)': megabytes(heapAfter) }
}

function usesRow ({ tokens: { count }, filled, spent, useSeconds, pages }) {
  return { tokens: count, ...bytesOf(spent, filled, count, pages?.use), 'per second': round(count / useSeconds) }
}

function bytesOf (after, before, count, pages) {
  return {
    ...(after.memory !== undefined && { memory: round((after.memory - before.memory) / count) }),
    ...(pages !== undefined && { 'pages in use': round(pages) }),
    'on disk': round((after.disk - before.disk) / count)
  }
}

function print (kind, title, rows) {
  const lines = [Object.keys(rows[0]), ...rows.map((row) => Object.values(row).map(String))]
  const widths = lines[0].map((_, column) => Math.max(...lines.map((cells) => cells[column].length)))
  console.log([`${kind}: ${title}`, ...lines.map((cells) => cells.map((cell, column) => cell.padStart(widths[column])).join('  ')), ''].join('\n'))
}

function readCounts (texts) {
  const numbers = texts.length === 0 ? [10_000, 100_000, 1_000_000] : texts.map(Number)
  if (numbers.some((number) => !Number.isSafeInteger(number) || number < 1000)) {
    console.error('usage: node bench/capacity.mjs [tokens…], each of at least 1000')
    process.exit(2)
  }
  return numbers.toSorted((one, other) => one - other)
}

async function timed (work) {
  const start = performance.now()
  await work()
  return (performance.now() - start) / 1000
}

async function heap () {
  // What is done is let go of when the event loop turns.
  await setTimeout(10)
  collectGarbage()
  return process.memoryUsage().heapUsed
}

function megabytes (bytes) {
  return (bytes / 1e6).toFixed(1)
}

function round (number) {
  return number < 10 ? Number(number.toFixed(1)) : Math.round(number)
}

function quantile (sorted, share) {
  return sorted[Math.floor(sorted.length * share)]
}

function median (numbers) {
  return quantile(numbers.toSorted((one, other) => one - other), 0.5)
}

function shuffle (items) {
  return items.map((item) => ({ item, place: Math.random() })).toSorted((one, other) => one.place - other.place).map(({ item }) => item)
}
