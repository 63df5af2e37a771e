import t, { type Test } from 'tap'
import { createApiKeyRegistry } from '../../../lib/credentials/index.ts'
import { createMemoryStore } from '../../../lib/stores/memory.ts'
import { faultyStore } from '../../support/faulty-store.ts'
import { inEveryHost } from '../../support/hosts.ts'
import { recordEvents } from '../../support/recorded-events.ts'
import { opaqueHost, OUTAGE, POSTED, refusal, WRONG_TOKEN } from '../../support/opaque-host.ts'
import { NOW, post, SECONDS } from '../../support/session-host.ts'

/** A host that wants to know who verifies, and the API key of an editor's server. */
async function verifiedHost (t: Test, flow: Record<string, unknown> = {}) {
  const { store, fault } = faultyStore(createMemoryStore({ now: () => NOW }))
  const verifiers = createApiKeyRegistry({ store, now: () => NOW })
  const { secret: editor, record } = await verifiers.create({ owner: 'editor', flows: ['opaque-verification'] })
  const host = await opaqueHost(t, { store, flow: { verifiers, ...flow } })
  const ask = async (token: string, headers: Record<string, string>) => {
    fault.calls.length = 0
    return await host.verify(token, { headers })
  }
  return { ...host, verifiers, editor, editorId: record.id, fault, ask }
}

const bearer = (text: string) => ({ authorization: `Bearer ${text}` })

inEveryHost(t, 'who may verify', async (t) => {
  const { verifiers, editor, secret, newToken, ask, fault, app, clock } = await verifiedHost(t)
  const { secret: partner } = await verifiers.create({ flows: ['opaque-tokens', 'session-issuance'] })
  const { secret: disabled, record } = await verifiers.create()
  await verifiers.disable(record.id)
  const { secret: expiring } = await verifiers.create({ expiresAt: SECONDS + 1 })
  const late = createApiKeyRegistry({ store: createMemoryStore() })
  const { secret: foreign } = await late.create()
  const token = await newToken(POSTED, '?max_uses=3')

  // The token; the key, where it could be one of the registry's; the failure.
  const [get, known, count] = [['get'], ['get', 'get'], 'increment']
  const cases: Array<[name: string, headers: Record<string, string>, calls: string[]]> = [
    ['nobody', {}, []],
    ['the token, in the place of a key', bearer(token), [...get, count]],
    ['the token as a key', { 'x-api-key': token }, [...get, count]],
    ['what is no key', { 'x-api-key': 'x' }, [...get, count]],
    ['an empty key', { 'x-api-key': '' }, [...get, count]],
    ['a misspelt key', { 'x-api-key': `${editor.slice(0, -1)}x` }, [...get, count]],
    ['a key of another registry', { 'x-api-key': foreign }, [...known, count]],
    ['a disabled key', { 'x-api-key': disabled }, [...known, count]],
    ['a key for other flows', { 'x-api-key': partner }, [...known, count]],
    ['two keys', { 'x-api-key': editor, ...bearer(editor) }, []],
    ['two keys, neither good', { 'x-api-key': 'x', ...bearer('y') }, []],
    ['one of another scheme', { authorization: `Basic ${editor}` }, []]
  ]
  for (const [name, headers, calls] of cases) {
    t.strictSame(refusal(await ask(token, headers)), WRONG_TOKEN, name)
    t.strictSame(fault.calls, calls, `${name}: what it costs`)
    t.strictSame(refusal(await ask(`${token.slice(0, -1)}x`, headers)), WRONG_TOKEN, `${name}, with a token that is none`)
    t.strictSame(fault.calls, [], `${name}, with a token that is none: nothing`)
  }
  for (const headers of [{ 'x-api-key': editor }, bearer(editor), { 'x-api-key': expiring }]) t.equal((await ask(token, headers)).statusCode, 200, 'no use was spent on the others')
  t.strictSame(refusal(await ask(token, { 'x-api-key': editor })), WRONG_TOKEN, 'used up')

  const other = await newToken()
  t.equal((await post(app, '/verify', '', { 'x-api-token': other, 'x-api-key': editor })).statusCode, 200)
  t.strictSame(refusal(await post(app, '/verify', '', { 'x-api-token': other })), WRONG_TOKEN)
  t.equal((await ask(other, { 'x-api-key': secret })).statusCode, 200, 'a key that may use every flow')
  clock.time = NOW + 1000
  t.strictSame(refusal(await ask(other, { 'x-api-key': expiring })), WRONG_TOKEN, 'one whose time is over, by the clock of the instance')
})

inEveryHost(t, 'the key that has tokens issued does not verify unless its flows say so', async (t) => {
  for (const [flows, status] of [[['opaque-tokens'], 403], [['opaque-tokens', 'opaque-verification'], 200], [undefined, 200]] as const) {
    const { app, verifiers, ask } = await verifiedHost(t)
    const { secret } = await verifiers.create({ flows })
    const { token } = (await post(app, '/generate', POSTED, { 'x-api-key': secret })).json()
    t.equal((await ask(token, { 'x-api-key': secret })).statusCode, status, String(flows))
  }
  const { app, editor, id, registry } = await verifiedHost(t)
  t.equal((await post(app, '/generate', POSTED, { 'x-api-key': editor })).json().code, 'FDT_FLOW_NOT_ALLOWED', 'nor does the editor\'s issue')
  t.ok(await registry.get(id))
})

inEveryHost(t, 'a guard is the host, which asks for no key', async (t) => {
  const { newToken, open } = await verifiedHost(t)
  t.equal((await open(await newToken())).statusCode, 200)
})

inEveryHost(t, 'a wrong key of a good token is counted, and none is not', async (t) => {
  const { newToken, ask, editor } = await verifiedHost(t, { limits: { address: false, unknown: { max: 2 } } })
  const token = await newToken()
  const statuses = []
  for (const headers of [{}, { 'x-api-key': 'x', ...bearer('y') }, {}, { 'x-api-key': 'x' }, {}, { 'x-api-key': 'y' }, { 'x-api-key': 'z' }]) statuses.push((await ask(token, headers)).statusCode)
  t.strictSame(statuses, [403, 403, 403, 403, 403, 403, 429])
  t.equal((await ask(token, { 'x-api-key': editor })).statusCode, 200, 'who knows the key goes on')
  t.equal((await ask(token, {})).statusCode, 403)
})

inEveryHost(t, 'onVerify is told who asks, and not asked about strangers', async (t) => {
  const seen: unknown[] = []
  const { newToken, ask, editor, editorId } = await verifiedHost(t, { onVerify: (_token: unknown, verifier: unknown) => seen.push(verifier) > 0 })
  const token = await newToken()
  await ask(token, {})
  await ask(token, { 'x-api-key': 'x' })
  t.strictSame(seen, [])
  t.equal((await ask(token, { 'x-api-key': editor })).statusCode, 200)
  t.strictSame(seen, [{ id: editorId, owner: 'editor', flows: ['opaque-verification'] }])
})

inEveryHost(t, 'a registry that is down is an outage, for a good token', async (t) => {
  const { newToken, ask } = await verifiedHost(t, { verifiers: { find: async () => { throw new Error('no connection') } } })
  t.strictSame(refusal(await ask(await newToken(), { 'x-api-key': 'x' })), OUTAGE)
})

inEveryHost(t, 'events and the log tell what was wrong with the key, and not whose token it was', async (t) => {
  const { newToken, ask, verifiers } = await verifiedHost(t)
  const { secret: partner } = await verifiers.create({ flows: ['opaque-tokens'] })
  const token = await newToken()
  const events = recordEvents(t)
  const about = { flow: 'opaque-tokens', name: 'default', time: NOW, address: '127.0.0.1', route: 'GET /verify' }
  const cases: Array<[headers: Record<string, string>, code: string, status: number]> = [
    [{}, 'FDT_MISSING_CREDENTIAL', 401], [{ 'x-api-key': 'x' }, 'FDT_INVALID_CREDENTIAL', 401], [{ 'x-api-key': partner }, 'FDT_FLOW_NOT_ALLOWED', 403], [{ 'x-api-key': 'x', ...bearer('x') }, 'FDT_MULTIPLE_CREDENTIALS', 400]
  ]
  for (const [headers, code, status] of cases) {
    await ask(token, headers)
    t.strictSame(events().map(([name, { requestId, ...event }]: readonly [string, object & { requestId?: string }]) => [name, event]), [['refused', { ...about, code, status }]], code)
  }
})

inEveryHost(t, 'without verifiers the host is warned, once', async (t) => {
  const cases: Array<[flow: Record<string, unknown>, warnings: number]> = [
    [{}, 1],
    [{ verifiers: { find: async () => undefined } }, 0],
    [{ routes: false, credentials: undefined, limits: undefined }, 0]
  ]
  for (const [flow, warnings] of cases) {
    const lines: string[] = []
    await opaqueHost(t, { flow, server: { logger: { level: 'warn', stream: { write: (line: string) => { lines.push(line) } } } } }).then(async ({ app }) => { await app.ready() })
    const told = lines.filter((line) => line.includes('opaque tokens are registered without verifiers: whoever holds a token, which is in a browser\'s URL, can read all of its parameters at /verify'))
    // The hostile host has two instances, of which each warns.
    const instances = lines.length > 1 ? 2 : 1
    t.equal(told.length, warnings * instances, JSON.stringify(Object.keys(flow)))
    t.equal(lines.length, told.length)
    t.ok(told.every((line) => JSON.parse(line).level === 40))
  }
})
