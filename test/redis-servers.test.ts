/** What the tests of the Redis store rely on: each server starts, does what it is told to, and leaves nothing behind. */
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createConnection, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from 'node:tls'
import t, { type Test } from 'tap'
import { startProgram, until } from './support/example-server.ts'
import { quietPort, type RedisServer, skipWithoutRedis, startCluster, startCutter, startRedis, startSentinel } from './support/redis-servers.ts'
import { temporaryFolder } from './support/store-processes.ts'

// They wait for each other's time-outs most of the time.
t.jobs = 3

/** Runs a test with servers, all of which have to be gone behind it. */
function testServers (name: string, run: (t: Test) => Promise<RedisServer[]>): void {
  t.test(name, { skip: skipWithoutRedis, buffered: true }, async (t) => {
    let servers: RedisServer[] = []
    await t.test('runs', async (t) => { servers = await run(t) })
    t.ok(servers.length > 0)
    for (const { pid, folder, port } of servers) {
      t.throws(() => process.kill(pid, 0), { code: 'ESRCH' }, 'the process is gone')
      t.notOk(existsSync(join(folder, '..')), 'so is its folder')
      await t.rejects(knock(port), { code: 'ECONNREFUSED' })
    }
  })
}

testServers('a server keeps what it acknowledged', async (t) => {
  const redis = await startRedis(t, { args: ['--maxmemory', '3mb'] })
  t.equal(await redis.cli('CONFIG', 'GET', 'maxmemory'), 'maxmemory\n3145728')
  const pids = [redis.pid]
  for (const round of ['1', '2', '3']) {
    t.equal(await redis.cli('SET', round, `value ${round}`), 'OK')
    await redis.kill()
    t.notOk(redis.isRunning)
    await t.rejects(redis.cli('PING'), /Connection refused/)
    await redis.restart()
    t.ok(redis.isRunning)
    t.equal(await redis.cli('MGET', '1', '2', '3'), ['1', '2', '3'].map((key) => key <= round ? `value ${key}` : '').join('\n'))
    pids.push(redis.pid)
  }
  t.equal(new Set(pids).size, 4)
  await redis.restart()
  t.equal(await redis.cli('GET', '3'), 'value 3', 'also when it was running')
  await t.rejects(redis.cli('GETT', '3'), /ERR unknown command/, 'an error is not an answer')
  return [redis]
})

testServers('a stopped server says nothing, until it goes on', async (t) => {
  const redis = await startRedis(t)
  redis.stop()
  t.notOk(redis.isRunning)
  const error: unknown = await redis.cli('PING').catch((error: unknown) => error)
  t.match(error, { killed: true, signal: 'SIGKILL' }, 'redis-cli waited long enough')
  const answered = redis.cli('PING')
  t.equal(await Promise.race([answered, sleep(200, 'nothing')]), 'nothing')
  redis.go()
  t.ok(redis.isRunning)
  t.equal(await answered, 'PONG')
  redis.stop()
  await redis.kill()
  await redis.restart()
  t.equal(await redis.cli('PING'), 'PONG')
  redis.stop()
  return [redis]
})

testServers('all that was written can be read', async (t) => {
  const redis = await startRedis(t)
  const text = 'the same words again, '.repeat(100)
  await redis.cli('SET', 'key', text)
  await redis.cli('SET', 'gone', 'what was deleted')
  await redis.cli('DEL', 'gone')
  const written = await redis.written()
  t.equal(written.indexOf(text) === written.lastIndexOf(text), false, 'in the log of commands and in the dump')
  t.ok(written.includes('what was deleted'))
  t.ok(written.includes('REDIS00'), 'there is a dump')
  return [redis]
})

testServers('port and folder can be given, and the folder stays', async (t) => {
  const [port, folder] = [await quietPort(), temporaryFolder(t)]
  const first = await startRedis(t, { port, folder })
  t.match(first, { port, folder, url: `redis://127.0.0.1:${port}`, ca: '' })
  await first.cli('SET', 'key', 'value')
  await first.kill()
  const second = await startRedis(t, { port, folder })
  t.equal(await second.cli('GET', 'key'), 'value')
  await second.kill()
  t.ok(existsSync(folder))
  return [await startRedis(t)]
})

testServers('a port that is taken is waited for, and what cannot start says why', async (t) => {
  const port = await quietPort()
  const other = createServer().listen(port, '127.0.0.1')
  await once(other, 'listening')
  const starting = startRedis(t, { port })
  await sleep(100)
  other.close()
  const redis = await starting
  t.equal(redis.port, port)
  await t.rejects(startRedis(t, { args: ['--no-such-option', 'yes'] }), /Redis does not start: [^]*Bad directive/)
  return [redis]
})

testServers('certificates', async (t) => {
  const [right, wrong] = await Promise.all([startRedis(t, { tls: 'right name' }), startRedis(t, { tls: 'wrong name' })])
  const greet = async ({ port }: RedisServer, ca?: string): Promise<void> => {
    const socket = connect({ host: '127.0.0.1', port, servername: 'localhost', ...(ca !== undefined && { ca }) })
    await once(socket, 'secureConnect').finally(() => socket.destroy())
  }
  t.match(right.url, /^rediss:/)
  t.equal(await right.cli('PING'), 'PONG')
  await greet(right, right.ca)
  await t.rejects(greet(right), { code: 'SELF_SIGNED_CERT_IN_CHAIN' })
  await t.rejects(greet(right, wrong.ca), { code: 'SELF_SIGNED_CERT_IN_CHAIN' })
  await t.rejects(greet(wrong, wrong.ca), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' })
  return [right, wrong]
})

testServers('Sentinel', async (t) => {
  const setup = await startSentinel(t)
  const [first, second] = [await setup.primary(), await setup.replica()]
  t.not(first, second)
  t.equal(await first.cli('SET', 'key', 'value'), 'OK')
  t.equal(await first.cli('WAIT', '1', '1000'), '1')
  await t.rejects(second.cli('SET', 'key', 'value'), /READONLY/)

  await setup.failover()
  t.equal(await setup.primary(), second)
  t.equal(await setup.replica(), first)
  await setup.killPrimary()
  t.equal(await setup.primary(), first)
  t.equal(await first.cli('GET', 'key'), 'value')
  await setup.restartOld()
  t.equal(await setup.replica(), second)
  t.equal(await second.cli('GET', 'key'), 'value')

  first.stop()
  await setup.replaced(first)
  t.equal(await setup.primary(), second)
  first.go()
  await setup.settled()
  t.equal(await setup.replica(), first)
  return [first, second, ...setup.sentinels]
})

testServers('Cluster', async (t) => {
  const cluster = await startCluster(t)
  const slot = await cluster.slotOf('key')
  const [from, masters] = [await cluster.masterOf(slot), await cluster.masters()]
  t.equal(masters.length, 3)
  t.ok(masters.includes(from))
  const [replica, ...noMore] = await cluster.replicasOf(from)
  t.ok(replica !== undefined && !masters.includes(replica))
  t.same(noMore, [])
  await from.cli('SET', 'key', 'value')

  const [to = from] = masters.filter((master) => master !== from)
  await cluster.moveSlot(slot, from, to, async () => {
    await t.rejects(from.cli('GET', 'key'), new RegExp(`ASK ${slot} 127.0.0.1:${to.port}`))
    await t.rejects(to.cli('GET', 'key'), new RegExp(`MOVED ${slot} 127.0.0.1:${from.port}`))
  })
  t.equal(await cluster.masterOf(slot), to)
  await t.rejects(from.cli('GET', 'key'), new RegExp(`MOVED ${slot} 127.0.0.1:${to.port}`))
  t.equal(await to.cli('GET', 'key'), 'value')

  const next = await cluster.failover(to)
  t.strictSame(await cluster.replicasOf(next), [to])
  t.equal(await next.cli('GET', 'key'), 'value')
  t.equal(await cluster.killMaster(next), to)
  t.equal(await to.cli('GET', 'key'), 'value')
  await next.restart()
  await cluster.settled()
  t.strictSame(await cluster.replicasOf(to), [next])

  to.stop()
  t.equal(await cluster.successorOf(to, slot), next)
  to.go()
  await cluster.settled()
  t.strictSame(await cluster.replicasOf(next), [to])
  return cluster.nodes
})

testServers('a command whose answer is cut off ran once', async (t) => {
  const redis = await startRedis(t)
  const cutter = await startCutter(t, redis.port)
  const ask = async (...args: string[]): Promise<string> => {
    const socket = createConnection(cutter.port, cutter.host)
    let answer = ''
    socket.setEncoding('utf8').on('data', (text: string) => { answer += text })
    socket.write(args.map((command) => `*2\r\n$4\r\n${command}\r\n$3\r\nkey\r\n`).join(''))
    if (args.length > 0) setTimeout(() => socket.end(), 300).unref()
    await once(socket, 'close')
    return answer
  }
  t.equal(await ask('INCR'), ':1\r\n')
  let isCut = cutter.cutAfterCommand()
  t.equal(await ask('INCR', 'INCR'), '', 'no answer, and what comes behind it is not sent')
  await isCut
  t.equal(await redis.cli('GET', 'key'), '2')

  isCut = cutter.cutAfterCommand('incr')
  t.equal(await ask('DECR'), ':1\r\n', 'another command')
  t.equal(await ask('INCR'), '')
  await isCut
  t.equal(await ask('INCR', 'DECR'), ':3\r\n:2\r\n', 'only once')

  const pending = ask()
  await sleep(50)
  cutter.refuse()
  await t.rejects(ask('INCR'), { code: 'ECONNREFUSED' })
  cutter.cut()
  t.equal(await pending, '')
  await cutter.accept()
  t.equal(await ask('INCR'), ':3\r\n')
  cutter.refuse()
  await cutter.accept()
  t.equal(await ask('INCR'), ':4\r\n')
  return [redis]
})

t.test('a test that is killed leaves nothing behind', { skip: skipWithoutRedis, buffered: true }, async (t) => {
  const source = `
    import { startRedis } from './test/support/redis-servers.ts'
    const { port, folder } = await startRedis({ teardown () {} })
    console.log(JSON.stringify({ port, folder }))
  `
  const program = startProgram(t, process.execPath, [...process.execArgv, '--input-type=module', '--eval', source])
  const line = await until(() => program.stdout().endsWith('\n') && program.stdout())
  const { port, folder }: { port: number, folder: string } = JSON.parse(line)
  await knock(port)
  t.ok(existsSync(folder))
  await program.kill()
  await until(() => !existsSync(join(folder, '..')))
  // Whoever gets in at the last moment is cut off.
  t.equal(await until(async () => await knock(port).then(() => undefined, ({ code }) => code !== 'ECONNRESET' && String(code))), 'ECONNREFUSED')
})

async function knock (port: number): Promise<void> {
  const socket = createConnection(port, '127.0.0.1')
  await once(socket, 'connect').finally(() => socket.destroy())
}
