/**
 * What the token endpoint costs, and what it does to others: `POST /connect/token` over loopback connections, beside a
 * bare Fastify route that does the same cryptography by node:crypto and nothing else.
 *
 * Run it after the build, from the root of the repository; it takes about a minute:
 *
 * ```sh
 * node setup.mjs && node bench/token-endpoint.mjs
 * ```
 *
 * The server, who asks for tokens and who measures are three processes. The first table is of tokens alone: all variants
 * are measured in each round, in a random order, and shares are those of a round, so that whatever else the machine does
 * weighs on all of them. The second is of `GET /ping` on the same server, asked a hundred times a second, while nobody
 * asks for tokens and while as many are asked for as can be had: how long its answer takes, in milliseconds. Signed on
 * the event loop, for contrast, one token holds up all that came after it. Numbers are medians of the rounds.
 */
import { fork } from 'node:child_process'
import { createHash, generateKeyPairSync, randomUUID, sign, timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { availableParallelism } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import Fastify from 'fastify'
import { clientCredentials } from 'fastify-doc-tokens/client-credentials'
import { createClientRegistry } from 'fastify-doc-tokens/credentials'
import { createKeyRing } from 'fastify-doc-tokens/keys'
import { createMemoryStore } from 'fastify-doc-tokens/stores/memory'

const ROUNDS = 7
const RATE_MS = 800
const PING_MS = 1500
const PING_EVERY_MS = 10
const CONNECTIONS = 32
const FORM = 'application/x-www-form-urlencoded'
const ISSUER = 'https://tokens.example'
const ALGORITHMS = ['ES256', 'RS256']
const signInBackground = promisify(sign)

if (process.argv[2] === 'serve') await serve()
else if (process.argv[2] === 'ask') process.on('message', async ({ port, request, duration }) => process.send(await ask(port, request, duration)))
else await measureAll()

// ---- who measures -------------------------------------------------------------------------

async function measureAll () {
  const [server, client] = ['serve', 'ask'].map((role) => fork(new URL(import.meta.url), [role]))
  for (const child of [server, client]) child.on('exit', (code) => { if (code !== null) process.exit(1) })
  try {
    const [{ port, requests }] = await once(server, 'message')
    const load = async (name, duration) => {
      client.send({ port, request: requests[name], duration })
      const [answered] = await once(client, 'message')
      return answered
    }
    const usage = async () => {
      server.send('usage')
      const [microseconds] = await once(server, 'message')
      return microseconds
    }

    const rates = ALGORITHMS.flatMap((algorithm) => ['endpoint', 'bare'].map((kind) => ({ name: `${kind} ${algorithm}`, rounds: [] })))
    const pings = ['idle', 'endpoint RS256', 'bare RS256', 'on the loop'].map((name) => ({ name, rounds: [] }))
    const measures = [
      ...rates.map(({ name, rounds }) => async () => {
        const before = await usage()
        const { answered, elapsed } = await load(name, RATE_MS)
        return rounds.push({ perSecond: answered / elapsed * 1000, microseconds: (await usage() - before) / answered })
      }),
      ...pings.map(({ name, rounds }) => async () => {
        const [times, asked] = await Promise.all([ping(port, PING_MS), name === 'idle' ? undefined : load(name, PING_MS)])
        rounds.push({ p50: quantile(times, 0.5), p99: quantile(times, 0.99), perSecond: asked === undefined ? 0 : asked.answered / asked.elapsed * 1000 })
      })
    ]
    for (const { name } of rates) await load(name, RATE_MS)
    for (let round = 0; round < ROUNDS; round++) {
      for (const measure of shuffle(measures)) await measure()
    }
    print(rates, pings)
  } finally {
    for (const child of [server, client]) child.kill()
  }
}

/** Milliseconds that each answer took, on one connection. */
async function ping (port, duration) {
  const exchange = await open(port, `GET /ping HTTP/1.1\r\nhost: ${ISSUER.slice(8)}\r\n\r\n`)
  const times = []
  for (const end = performance.now() + duration; performance.now() < end;) {
    const start = performance.now()
    await exchange.send()
    times.push(performance.now() - start)
    await sleep(PING_EVERY_MS * 2 * Math.random())
  }
  exchange.close()
  return times
}

// ---- who asks for tokens ------------------------------------------------------------------

/** On all connections together. */
async function ask (port, request, duration) {
  const exchanges = await Promise.all(Array.from({ length: CONNECTIONS }, () => open(port, request)))
  const start = performance.now()
  let answered = 0
  await Promise.all(exchanges.map(async ({ send }) => {
    for (; performance.now() < start + duration; answered++) await send()
  }))
  const elapsed = performance.now() - start
  for (const { close } of exchanges) close()
  return { answered, elapsed }
}

/** Bytes on a socket: a client of HTTP would cost more than the server does. */
async function open (port, request) {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  await once(socket, 'connect')
  let text = ''
  let settle
  socket.setEncoding('latin1').on('data', (data) => {
    text += data
    const [, head = '', length = ''] = /^(HTTP[^]*?content-length: (\d+)[^]*?\r\n\r\n)/i.exec(text) ?? []
    if (head === '' || text.length < head.length + Number(length)) return
    const answer = text
    text = ''
    settle(answer)
  })
  return {
    send: async () => {
      const answer = new Promise((resolve) => { settle = resolve })
      socket.write(request)
      if (!(await answer).startsWith('HTTP/1.1 200 ')) throw new Error('it answered with an error')
    },
    close: () => socket.destroy()
  }
}

// ---- the server ---------------------------------------------------------------------------

async function serve () {
  const store = createMemoryStore()
  const clients = createClientRegistry({ store })
  const { record: { id }, secret } = await clients.create({ scopes: ['api.read'] })
  const form = new URLSearchParams({ grant_type: 'client_credentials', client_id: id, client_secret: secret }).toString()
  const requests = {}
  const add = (name, path) => { requests[name] = `POST ${path} HTTP/1.1\r\nhost: ${ISSUER.slice(8)}\r\ncontent-type: ${FORM}\r\ncontent-length: ${form.length}\r\n\r\n${form}` }

  const app = Fastify()
  app.get('/ping', async () => 'pong')
  for (const algorithm of ALGORITHMS) {
    const { privateKey } = algorithm === 'ES256' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('rsa', { modulusLength: 2048 })
    const prefix = `/${algorithm}`
    await app.register(async (scope) => {
      await scope.register(clientCredentials, {
        issuer: `${ISSUER}/${algorithm}`,
        name: algorithm,
        keys: createKeyRing([{ key: privateKey, algorithm }]),
        store,
        scopes: ['api.read'],
        clients,
        prefix,
        metadata: false,
        limits: { address: { max: 1e9 }, credential: { max: 1e9 } }
      })
    })
    add(`endpoint ${algorithm}`, `${prefix}/connect/token`)
    const key = { key: privateKey, dsaEncoding: 'ieee-p1363' }
    await addBare(app, `${prefix}/bare`, { id, secret, algorithm, sign: algorithm === 'RS256' ? (input) => signInBackground('sha256', input, key) : (input) => sign('sha256', input, key) })
    add(`bare ${algorithm}`, `${prefix}/bare`)
    if (algorithm !== 'RS256') continue
    await addBare(app, '/on-the-loop', { id, secret, algorithm, sign: (input) => sign('sha256', input, key) })
    add('on the loop', '/on-the-loop')
  }
  const { port } = new URL(await app.listen({ port: 0, host: '127.0.0.1' }))
  process.on('message', () => {
    const { user, system } = process.cpuUsage()
    process.send(user + system)
  })
  process.send({ port: Number(port), requests })
}

/** One digest, one comparison and one signature; no store, no limits, no check of anything else. */
async function addBare (app, path, { id, secret, algorithm, sign }) {
  const digestOf = (text) => createHash('sha256').update(text).digest()
  const kept = digestOf(secret)
  await app.register(async (scope) => {
    scope.addContentTypeParser(FORM, { parseAs: 'string' }, (_request, body, done) => done(null, new URLSearchParams(body)))
    scope.post(path, async ({ body }, reply) => {
      if (body.get('client_id') !== id || !timingSafeEqual(digestOf(body.get('client_secret')), kept)) return await reply.code(400).send({ error: 'invalid_client' })
      const iat = Math.floor(Date.now() / 1000)
      const claims = { iss: ISSUER, exp: iat + 86_400, aud: ISSUER, sub: id, client_id: id, iat, jti: randomUUID(), scope: 'api.read' }
      const input = [{ alg: algorithm, typ: 'at+jwt', kid: algorithm }, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
      const signature = await sign(Buffer.from(input))
      return { access_token: `${input}.${signature.toString('base64url')}`, expires_in: 86_400, token_type: 'Bearer' }
    })
  })
}

// ---- numbers ------------------------------------------------------------------------------

function print (rates, pings) {
  console.log(`Node.js ${process.version}, ${availableParallelism()} processors, ${CONNECTIONS} connections\n`)
  console.log('tokens           per second  of bare  CPU µs  of bare')
  for (const { name, rounds } of rates) {
    const bare = rates.find((other) => other.name === name.replace('endpoint', 'bare'))
    console.log([
      name.padEnd(15),
      median(rounds.map(({ perSecond }) => perSecond)).toFixed(0).padStart(10),
      median(rounds.map(({ perSecond }, round) => perSecond / bare.rounds[round].perSecond)).toFixed(2).padStart(7),
      median(rounds.map(({ microseconds }) => microseconds)).toFixed(0).padStart(6),
      median(rounds.map(({ microseconds }, round) => microseconds / bare.rounds[round].microseconds)).toFixed(2).padStart(7)
    ].join('  '))
  }
  console.log('\nGET /ping while  tokens per second  p50 ms  p99 ms')
  for (const { name, rounds } of pings) {
    const [perSecond, p50, p99] = ['perSecond', 'p50', 'p99'].map((member) => median(rounds.map((round) => round[member])))
    console.log([name.padEnd(15), perSecond.toFixed(0).padStart(17), p50.toFixed(2).padStart(6), p99.toFixed(2).padStart(6)].join('  '))
  }
}

function quantile (numbers, share) {
  return numbers.toSorted((one, other) => one - other)[Math.min(numbers.length - 1, Math.floor(numbers.length * share))]
}

function median (numbers) {
  return quantile(numbers, 0.5)
}

function shuffle (items) {
  return items.map((item) => ({ item, place: Math.random() })).toSorted((one, other) => one.place - other.place).map(({ item }) => item)
}
