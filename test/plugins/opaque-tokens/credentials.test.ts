import t from 'tap'
import { inEveryHost } from '../../support/hosts.ts'
import { opaqueHost, POSTED, refusal, refused, WRONG_TOKEN } from '../../support/opaque-host.ts'
import { NOW, post, SECONDS } from '../../support/session-host.ts'

inEveryHost(t, 'who may', async (t) => {
  const { app, secret, registry, clock } = await opaqueHost(t)
  const { secret: disabled, record } = await registry.create()
  await registry.disable(record.id)
  const { secret: expiring } = await registry.create({ expiresAt: SECONDS + 10 })
  const { secret: elsewhere } = await registry.create({ flows: ['session-issuance', 'opaque-verification'] })
  const { secret: here } = await registry.create({ flows: ['opaque-tokens'] })
  clock.time = NOW + 10_000
  const bearer = (text: string) => ({ authorization: `Bearer ${text}` })
  const several = refused(400, 'FDT_MULTIPLE_CREDENTIALS', 'The request carries more than one API key', { challenge: 'Bearer error="invalid_request"' })

  const cases: Array<[name: string, headers: Record<string, string>, expected: object]> = [
    ['no key', {}, WRONG_TOKEN],
    ['what is no key', { 'x-api-key': 'x' }, WRONG_TOKEN],
    ['an empty one', { 'x-api-key': '' }, WRONG_TOKEN],
    ['one with white space', { 'x-api-key': `${secret} ${secret}` }, WRONG_TOKEN],
    ['a misspelt one', { 'x-api-key': `${secret.slice(0, -1)}x` }, WRONG_TOKEN],
    ['of 10 kB', { 'x-api-key': 'x'.repeat(10_000) }, WRONG_TOKEN],
    ['a disabled one', { 'x-api-key': disabled }, WRONG_TOKEN],
    ['one whose time is over', { 'x-api-key': expiring }, WRONG_TOKEN],
    ['one of another scheme', { authorization: `Basic ${secret}` }, WRONG_TOKEN],
    ['one in the place of the token', { 'x-api-token': secret }, WRONG_TOKEN],
    ...['__proto__', 'constructor', 'toString', 'hasOwnProperty'].map((key): [string, Record<string, string>, object] => [`T28: ${key}`, { 'x-api-key': key }, WRONG_TOKEN]),
    ['one for other flows', { 'x-api-key': elsewhere }, refused(403, 'FDT_FLOW_NOT_ALLOWED', 'The API key may not be used here', { challenge: 'Bearer error="insufficient_scope"' })],
    ['two', { 'x-api-key': secret, ...bearer(secret) }, several],
    ['two, neither good', { 'x-api-key': 'x', ...bearer('y') }, several]
  ]
  for (const [name, headers, expected] of cases) {
    for (const [path, body] of [['/generate', POSTED], ['/revoke', ''], ['/lookup', '{"accessor":"x"}'], ['/generate', '{'], ['/generate?x=1', POSTED]] as const) {
      t.strictSame(refusal(await post(app, path, body, headers)), expected, `${path}: ${name}`)
    }
  }
  for (const headers of [{ 'x-api-key': here }, bearer(here), bearer(secret)]) t.equal((await post(app, '/generate', POSTED, headers)).statusCode, 200)
})

inEveryHost(t, 'what guesses at a key locks itself out (T35)', async (t) => {
  const { app, registry, secret, clock } = await opaqueHost(t, { flow: { limits: {} } })
  const { secret: disabled, record } = await registry.create()
  await registry.disable(record.id)
  const from = (remoteAddress: string, key: string) => app.inject({ method: 'POST', url: '/generate', remoteAddress, headers: { 'content-type': 'application/json', 'x-api-key': key }, payload: POSTED })
  for (let failure = 0; failure < 5; failure++) t.strictSame(refusal(await from('192.0.2.1', disabled)), WRONG_TOKEN)
  await registry.enable(record.id)
  const locked = (retryAfter: string) => refused(429, 'FDT_LOCKED', 'Too many failed attempts', { retryAfter })
  t.strictSame(refusal(await from('192.0.2.1', disabled)), locked('600'), 'even the right secret')
  t.strictSame([(await from('192.0.2.2', disabled)).statusCode, (await from('192.0.2.1', secret)).statusCode], [200, 200], 'from elsewhere, and another key from there')
  clock.time += 599_500
  t.strictSame(refusal(await from('192.0.2.1', disabled)), locked('1'))
  clock.time += 500
  t.equal((await from('192.0.2.1', disabled)).statusCode, 200)
})
