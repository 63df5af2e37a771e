import { spawnSync } from 'node:child_process'
import t, { type Test } from 'tap'
import { createTokenSource } from '../../../lib/client/index.ts'
import { failureOf, granted, scripted, settle } from './endpoint.ts'

const FAILED = { code: 'FDT_TOKEN_ENDPOINT_FAILED', statusCode: 502 }

/** An answer to each request: tokens called 1, 2, 3 … */
function numbered (members?: object): () => Response {
  let number = 0
  return () => granted(String(++number), members)
}

const busy = (status = 503, headers: Record<string, string> = {}) => (): Response => Response.json({ error: 'temporarily_unavailable' }, { status, headers })

const unreachable = (): Response => { throw Object.assign(new TypeError('fetch failed'), { code: 'ECONNREFUSED' }) }

/** An answer that comes when it is told to. */
function gate () {
  let open: (response: Response) => void = () => {}
  const promise = new Promise<Response>((resolve) => { open = resolve })
  return { answer: async () => await promise, open: (response: Response) => open(response) }
}

function fixedRandom (t: Test, value: number): void {
  t.intercept(Math, 'random', { value: () => value })
}

t.test('two sources share nothing', async (t) => {
  const { options, requests } = scripted(t, numbered())
  t.strictSame([await createTokenSource(options).get(), await createTokenSource(options).get()], ['1', '2'])
  t.equal(requests(), 2)
})

t.test('a token is renewed before its end, and never handed out at it', async (t) => {
  const { options, clock, requests } = scripted(t, numbered({ expires_in: 3600 }))
  const source = createTokenSource(options)
  const start = clock.time
  t.equal(await source.get(), '1')
  clock.time = start + 3_540_000 - 1
  t.equal(await source.get(), '1')
  await settle()
  t.equal(requests(), 1, 'a millisecond before it is renewed')
  clock.time++
  t.strictSame(await Promise.all([source.get(), source.get()]), ['1', '1'], 'the old one is good, and there at once')
  await settle()
  t.equal(requests(), 2)
  t.equal(await source.get(), '2')
})

t.test('without early renewal a token lasts to the millisecond before its end', async (t) => {
  const { options, clock, requests } = scripted(t, numbered({ expires_in: 10 }))
  const source = createTokenSource({ ...options, renewBefore: 0 })
  await source.get()
  clock.time += 9_999
  t.equal(await source.get(), '1')
  await settle()
  t.equal(requests(), 1)
  clock.time++
  t.equal(await source.get(), '2')
})

t.test('the time is counted from before the request', async (t) => {
  const { options, clock } = scripted(t, () => {
    clock.time += 4_000
    return granted('slow', { expires_in: 5 })
  }, numbered())
  const source = createTokenSource(options)
  t.equal(await source.get(), 'slow')
  clock.time += 999
  t.equal(await source.get(), 'slow')
  await settle()
  t.equal(await source.get(), '1')
})

t.test('a short lifetime is neither a request a call nor a token that is over', async (t) => {
  const ends: number[] = []
  const { options, clock, requests } = scripted(t, () => {
    ends.push(clock.time + 5_000)
    return granted(String(ends.length), { expires_in: 5 })
  })
  const source = createTokenSource(options)
  for (let call = 0; call < 1_000; call++) {
    const token = await source.get()
    t.ok(clock.time < Number(ends[Number(token) - 1]))
    await settle()
    clock.time += 50
  }
  t.equal(requests(), 20, 'one each 2.5 seconds of 50')
})

t.test('renewBefore says when, at most at half the lifetime', async (t) => {
  for (const { renewBefore, at } of [{ renewBefore: 86_400, at: 50_000 }, { renewBefore: 51, at: 50_000 }, { renewBefore: 50, at: 50_000 }, { renewBefore: 10, at: 90_000 }, { renewBefore: 60, at: 50_000 }]) {
    const { options, clock, requests } = scripted(t, numbered({ expires_in: 100 }))
    const source = createTokenSource({ ...options, renewBefore })
    await source.get()
    clock.time += at - 1
    await source.get()
    await settle()
    t.equal(requests(), 1, String(renewBefore))
    clock.time++
    await source.get()
    await settle()
    t.equal(requests(), 2, String(renewBefore))
  }
})

t.test('a lifetime is what expires_in says, or 60 seconds', async (t) => {
  const jwt = `e30.${Buffer.from('{"exp":1}').toString('base64url')}.AA`
  const lifetimes: Array<[unknown, number]> = [
    [3600, 3600], ['3600', 3600], [1, 1], [1.5, 1.5], [86_400, 86_400],
    [undefined, 60], [null, 60], ['', 60], ['1h', 60], ['-1', 60], ['1e3', 60], [true, 60], [{}, 60], [[3600], 60]
  ]
  for (const [value, lifetime] of lifetimes) {
    const { options, clock } = scripted(t, () => granted(jwt, { expires_in: value }), () => granted('next'))
    const source = createTokenSource({ ...options, renewBefore: 0 })
    await source.get()
    clock.time += lifetime * 1000 - 1
    t.equal(await source.get(), jwt, `${JSON.stringify(value)}, whatever exp says`)
    clock.time++
    t.equal(await source.get(), 'next', JSON.stringify(value))
  }

  const endless = scripted(t, () => new Response('{"access_token":"a","token_type":"bearer","expires_in":1e999}'), () => granted('next'))
  const source = createTokenSource(endless.options)
  await source.get()
  endless.clock.time += 60_000
  t.equal(await source.get(), 'next')
})

t.test('a token that is over when it comes goes to nobody', async (t) => {
  for (const expiresIn of [0, -1, '0', -Number.MAX_VALUE]) {
    const { options, requests } = scripted(t, () => granted('secret-token', { expires_in: expiresIn }))
    t.strictSame(await failureOf(t, createTokenSource(options)), { ...FAILED, name: 'FastifyError', message: 'The token endpoint failed: the token was over before it came' })
    t.equal(requests(), 4)
  }

  const { options, clock } = scripted(t, () => {
    clock.time += 5_000
    return granted('late', { expires_in: 5 })
  }, () => granted('in-time'))
  t.equal(await createTokenSource(options).get(), 'in-time')
})

t.test('a clock that goes back makes no token live longer', async (t) => {
  const { options, clock } = scripted(t, numbered({ expires_in: 100 }))
  const source = createTokenSource({ ...options, renewBefore: 0 })
  await source.get()
  clock.time += 60_000
  await source.get()
  clock.time -= 86_400_000
  t.equal(await source.get(), '1')
  clock.time += 39_999
  t.equal(await source.get(), '1')
  clock.time++
  t.equal(await source.get(), '2', 'what had passed has passed')
})

t.test('a clock that is set forward costs a request, and its return none', async (t) => {
  const { options, clock, requests } = scripted(t, numbered({ expires_in: 100 }))
  const source = createTokenSource(options)
  await source.get()
  clock.time += 86_400_000
  t.equal(await source.get(), '2')
  clock.time -= 86_400_000
  t.equal(await source.get(), '2')
  t.equal(requests(), 2)
})

t.test('by default the clock that has gone further is right', async (t) => {
  const time = { wall: 1_800_000_000_000, running: 0 }
  const { options: { now, ...options } } = scripted(t, numbered({ expires_in: 100 }))
  t.intercept(Date, 'now', { value: () => time.wall })
  t.intercept(performance, 'now', { value: () => time.running })
  const source = createTokenSource({ ...options, renewBefore: 0 })
  t.equal(await source.get(), '1')
  time.wall -= 86_400_000
  time.running += 99_999
  t.equal(await source.get(), '1', 'the wall clock was set back')
  time.running++
  t.equal(await source.get(), '2')
  time.wall += 99_999
  t.equal(await source.get(), '2', 'the machine slept')
  time.wall++
  t.equal(await source.get(), '3')
})

t.test('a renewal that fails early is nobody\'s failure, and tried five times', async (t) => {
  for (const failing of [busy(), unreachable, busy(400), () => granted('', {})]) {
    const { options, clock, requests, pauses } = scripted(t, numbered({ expires_in: 3600 }), failing)
    const source = createTokenSource(options)
    const start = clock.time
    await source.get()
    clock.time = start + 3_540_000
    for (; clock.time < start + 3_600_000; clock.time += 100) {
      t.equal(await source.get(), '1')
      await settle()
    }
    t.equal(requests(), 6)
    t.strictSame(pauses, [])
    t.match(await failureOf(t, source), { statusCode: 502 }, 'then it is over')
  }
})

t.test('a renewal that works after one that failed starts anew', async (t) => {
  const { options, clock, requests } = scripted(t, () => granted('1', { expires_in: 100 }), unreachable, () => granted('2', { expires_in: 100 }), () => granted('3', { expires_in: 100 }))
  const source = createTokenSource(options)
  const next = async (seconds: number): Promise<string> => {
    clock.time += seconds * 1000
    const token = await source.get()
    await settle()
    return token
  }
  t.equal(await next(0), '1')
  t.equal(await next(50), '1')
  t.equal(await next(9.999), '1')
  t.equal(requests(), 2, 'the fifth part of what was left is to pass')
  t.equal(await next(0.001), '1')
  t.equal(requests(), 3)
  t.equal(await next(49.999), '2')
  t.equal(requests(), 3)
  t.equal(await next(0.001), '2')
  t.equal(requests(), 4)
})

t.test('an early renewal heeds Retry-After', async (t) => {
  const { options, clock, requests } = scripted(t, numbered({ expires_in: 1000 }), busy(429, { 'retry-after': '200' }), () => granted('next'))
  const source = createTokenSource({ ...options, renewBefore: 500 })
  await source.get()
  for (const [seconds, count] of [[500, 2], [100, 2], [99.999, 2], [0.001, 3]] as const) {
    clock.time += seconds * 1000
    t.equal(await source.get(), '1')
    await settle()
    t.equal(requests(), count)
  }
  t.equal(await source.get(), 'next')
})

t.test('who finds the token over waits for the renewal that is under way', async (t) => {
  const { answer, open } = gate()
  const { options, clock, requests } = scripted(t, numbered({ expires_in: 100 }), answer, () => granted('third'))
  const source = createTokenSource(options)
  await source.get()
  clock.time += 50_000
  await source.get()
  clock.time += 49_999
  t.equal(await source.get(), '1')
  clock.time++
  const waiting = [source.get(), source.get()]
  await settle()
  t.equal(requests(), 2)
  open(busy()())
  t.strictSame(await Promise.all(waiting), ['third', 'third'], 'and for the next, where it fails')
  t.equal(requests(), 3)
})

t.test('tries again with full jitter after 429, 5xx and no answer', async (t) => {
  for (const failing of [busy(429), busy(500), busy(502), busy(503), busy(599), unreachable]) {
    for (const random of [0, 0.5, 0.999]) {
      fixedRandom(t, random)
      const { options, pauses, requests } = scripted(t, failing, failing, failing, numbered())
      t.equal(await createTokenSource(options).get(), '1')
      t.equal(requests(), 4)
      t.strictSame(pauses, [500, 1000, 2000].map((most) => most * random).filter((pause) => pause > 0))
    }
  }
})

t.test('maxRetries ends that, and no pause is over 30 seconds', async (t) => {
  fixedRandom(t, 1)
  for (const [maxRetries, expected] of [[0, []], [1, [500]], [10, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000, 30_000]]] as const) {
    const { options, pauses, requests } = scripted(t, busy())
    t.strictSame(await failureOf(t, createTokenSource({ ...options, maxRetries })), {
      ...FAILED, name: 'FastifyError', status: 503, error: 'temporarily_unavailable', message: 'The token endpoint failed: temporarily_unavailable (status 503)'
    })
    t.equal(requests(), maxRetries + 1)
    t.strictSame(pauses, expected)
  }
})

t.test('a failure is shared by those who wait, and by nobody later', async (t) => {
  for (const failing of [busy(400), busy(503)]) {
    const { options, requests } = scripted(t, failing, numbered())
    const source = createTokenSource({ ...options, maxRetries: 0 })
    const results = await Promise.allSettled(Array.from({ length: 100 }, () => source.get()))
    t.equal(new Set(results.map((result) => result.status === 'rejected' && result.reason)).size, 1)
    t.equal(requests(), 1)
    t.equal(await source.get(), '1')
  }
})

const START = Date.UTC(2027, 0, 15, 8)

/** As seen at 2027-01-15T08:00:00Z, a Friday. */
const retryAfters: Array<[string, number, string?]> = [
  ['0', 0], ['1', 1], ['30', 30], ['007', 7],
  ['Fri, 15 Jan 2027 08:00:09 GMT', 9], ['Friday, 15-Jan-27 08:00:09 GMT', 9], ['Fri Jan 15 08:00:09 2027', 9], ['Fri, 15 Jan 2027 07:59:59 GMT', 0],
  ['Fri, 15 Jan 2027 08:00:09 GMT', 4, 'Fri, 15 Jan 2027 08:00:05 GMT'], ['Mon, 01 Jan 2035 00:00:09 GMT', 9, 'Mon, 01 Jan 2035 00:00:00 GMT'], ['Fri, 15 Jan 2027 08:00:09 GMT', 0, 'Fri, 15 Jan 2027 08:00:10 GMT'],
  ['Fri, 15 Jan 2027 08:00:09 GMT', 9, 'yesterday']
]

t.test('waits as long as Retry-After says, and some more', async (t) => {
  fixedRandom(t, 0.5)
  // A date that names no zone is one of Greenwich, wherever this runs.
  const { TZ } = process.env
  process.env['TZ'] = 'Asia/Kolkata'
  t.teardown(() => { if (TZ === undefined) delete process.env['TZ']; else process.env['TZ'] = TZ })
  for (const [value, seconds, date] of retryAfters) {
    const { options, clock, pauses } = scripted(t, busy(503, { 'retry-after': value, ...(date !== undefined && { date }) }), numbered())
    clock.time = START
    t.equal(await createTokenSource(options).get(), '1')
    t.strictSame(pauses, [seconds * 1000 + 250], `${value} at ${date}`)
  }
})

t.test('a date that has passed is no time to wait', async (t) => {
  const { options, clock } = scripted(t, busy(503, { 'retry-after': 'Fri, 15 Jan 2027 07:00:00 GMT' }))
  clock.time = START
  t.match(await failureOf(t, createTokenSource({ ...options, maxRetries: 0 })), { ...FAILED, retryAfter: 0 })
})

t.test('a Retry-After that is none is none', async (t) => {
  fixedRandom(t, 0.5)
  for (const value of ['', '-5', '1.5', '5, 10', 'soon', '2035-01-01', 'Jan 1 2035', '1e3', '0x10', '+5', 'Fri, 45 Jan 2027 08:00:09 GMT', 'Friday the thirteenth 2027 xx', 'Fri, 15 Jan 2027 08:00:09 +0500 (GMT) GMT', `Fri, ${'1'.repeat(1000)} GMT`]) {
    const { options, clock, pauses } = scripted(t, busy(503, { 'retry-after': value }), numbered())
    clock.time = START
    await createTokenSource(options).get()
    t.strictSame(pauses, [250], value)
  }
})

t.test('without a clock of its own a date is compared with Date.now', async (t) => {
  fixedRandom(t, 0)
  const { options: { now, ...options }, pauses } = scripted(t, busy(503, { 'retry-after': 'Fri, 15 Jan 2027 08:00:09 GMT' }), numbered())
  t.intercept(Date, 'now', { value: () => START })
  await createTokenSource(options).get()
  t.match([pauses.length, Math.round(Number(pauses[0]))], [1, 9000])
})

t.test('T42: who is to wait longer than 30 seconds is told so, and nobody asks meanwhile', async (t) => {
  for (const [status, value, retryAfter] of [[429, '600', 600], [503, '31', 31], [429, 'Fri, 15 Jan 2027 08:10:00 GMT', 600], [429, '86401', 86_400], [429, '9'.repeat(400), 86_400]] as const) {
    const { options, clock, pauses, requests } = scripted(t, busy(status, { 'retry-after': value }), numbered())
    clock.time = START
    const source = createTokenSource(options)
    const told = (seconds: number): object => ({ ...FAILED, name: 'FastifyError', status, error: 'temporarily_unavailable', retryAfter: seconds, message: `The token endpoint failed: temporarily_unavailable (status ${status})` })
    t.strictSame(await failureOf(t, source), told(retryAfter))
    clock.time += 500
    t.strictSame(await failureOf(t, source), told(retryAfter))
    clock.time += retryAfter * 1000 - 501
    t.strictSame(await failureOf(t, source), told(1), 'to the last millisecond')
    t.equal(requests(), 1)
    clock.time++
    t.equal(await source.get(), '1')
    t.strictSame(pauses, [])
  }
})

t.test('T42: callers wait together for what is not too long', async (t) => {
  fixedRandom(t, 0)
  const { options, pauses, requests } = scripted(t, busy(429, { 'retry-after': '30' }), busy(429, { 'retry-after': '20' }), numbered())
  const source = createTokenSource({ ...options, maxRetries: 1 })
  const [failure] = await Promise.all([failureOf(t, source), failureOf(t, source)])
  t.match(failure, { ...FAILED, status: 429, retryAfter: 20 })
  t.strictSame(await Promise.all([source.get(), source.get()]), ['1', '1'], 'and who comes later, for the rest of it')
  t.strictSame(pauses, [30_000, 20_000])
  t.equal(requests(), 3)
})

t.test('a signal ends the wait of its caller, and of nobody else', async (t) => {
  const { answer, open } = gate()
  const { options, requests } = scripted(t, answer)
  const source = createTokenSource(options)
  const controller = new AbortController()
  const reason = new Error('no more')
  const ended = source.get({ signal: controller.signal })
  const other = source.get({ signal: new AbortController().signal })
  await settle()
  controller.abort(reason)
  t.equal(await ended.catch((error) => error), reason)
  open(granted('a'))
  t.equal(await other, 'a')
  t.equal(await source.get({ signal: undefined }), 'a')
  t.equal(requests(), 1)
})

t.test('a signal that has ended asks nobody, not even for what is there', async (t) => {
  const { options, requests } = scripted(t, numbered())
  const source = createTokenSource(options)
  const get = async (): Promise<unknown> => await source.get({ signal: AbortSignal.abort() }).catch(({ name }) => name)
  t.equal(await get(), 'AbortError')
  t.equal(requests(), 0)
  await source.get()
  t.equal(await get(), 'AbortError')
})

t.test('when all have gone their request goes on, for the next', async (t) => {
  const { answer, open } = gate()
  const { options, requests } = scripted(t, answer)
  const source = createTokenSource(options)
  const controller = new AbortController()
  const ended = source.get({ signal: controller.signal })
  controller.abort()
  await t.rejects(ended, { name: 'AbortError' })
  open(granted('a'))
  await settle()
  t.equal(await source.get(), 'a')
  t.equal(requests(), 1)
})

t.test('keeps no listener on a signal, and no process alive', async (t) => {
  const source = `
    import { getEventListeners } from 'node:events'
    import { createTokenSource } from '${new URL('../../../lib/client/index.ts', import.meta.url).href}'
    const fetch = async () => Response.json({ access_token: 'a', token_type: 'Bearer', expires_in: 3600 })
    const source = createTokenSource({ tokenUrl: 'https://id.example', clientId: 'a', clientSecret: 'b', fetch, timeout: 600_000 })
    const { signal } = new AbortController()
    await source.get({ signal })
    await new Promise((resolve) => { setImmediate(resolve) })
    process.stdout.write('listeners: ' + getEventListeners(signal, 'abort').length)
  `
  const { stdout, stderr, status, signal } = spawnSync(process.execPath, [...process.execArgv, '--input-type=module', '--eval', source], { timeout: 60_000, encoding: 'utf8' })
  t.strictSame({ stdout, status, signal }, { stdout: 'listeners: 0', status: 0, signal: null }, stderr)
})
