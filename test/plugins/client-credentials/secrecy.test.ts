import t from 'tap'
import { type LightMyRequestResponse } from 'fastify'
import { type ClientRecord } from '../../../lib/credentials/index.ts'
import { generateKey, type JsonWebKey } from '../../../lib/keys/index.ts'
import { importKey } from '../../../lib/keys/key-material.ts'
import { createMemoryStore } from '../../../lib/stores/memory.ts'
import { faultyStore } from '../../support/faulty-store.ts'
import { inEveryHost } from '../../support/hosts.ts'
import { answer, basic, ISSUER, oauthHost, refused, ringOf } from '../../support/oauth-host.ts'
import { recordEvents } from '../../support/recorded-events.ts'
import { findLeaks } from '../../support/secrecy-net.ts'
import { NOW, SECONDS } from '../../support/session-host.ts'
import { forge } from '../../support/tokens.ts'

const TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

const logging = (lines: string[]) => ({ logger: { level: 'trace', stream: { write: (line: string) => { lines.push(line) } } } })

inEveryHost(t, 'no token, secret or assertion in an event, a log line or a refusal (T34)', async (t) => {
  const lines: string[] = []
  const events = recordEvents(t)
  const { store, fault } = faultyStore(createMemoryStore({ now: () => NOW }))
  const bodies: unknown[] = []
  const host = await oauthHost(t, {
    store,
    server: logging(lines),
    // As a host may do that wants to know what it is asked for.
    before: (scope) => { scope.addHook('preValidation', async (request) => { bodies.push(request.body) }) }
  })
  const { app, ask, post, newToken, introspect, revoke, read, registry, id, secret } = host
  const key = importKey({ key: await generateKey('ES256') })
  const signing = await registry.create({ secret: false, keys: [{ ...key.verifyKey.export({ format: 'jwk' }), alg: 'ES256' } as JsonWebKey] }) // of one module and the other
  const assertion = forge({ alg: 'ES256' }, { iss: signing.record.id, sub: signing.record.id, aud: ISSUER, exp: SECONDS + 60, jti: 'an-id-of-an-assertion' }, key)
  const withAssertion = { client_assertion_type: TYPE, client_assertion: assertion, client_id: '', client_secret: '' }
  const token = await newToken()
  t.equal((await ask(withAssertion)).statusCode, 200)

  const refusals: string[] = []
  async function everything (): Promise<void> {
    for (const text of [token, secret, assertion, `${secret}x`]) {
      const replies: LightMyRequestResponse[] = [
        await ask({ client_secret: text }), await ask({ client_id: text }), await ask({ scope: text }), await ask({ grant_type: text }), await ask({ resource: text }), await ask({ [text]: text }, basic(id, text)),
        await ask(withAssertion), await ask({ ...withAssertion, client_assertion: text }), await post('/connect/token', text), await post('/connect/token', `${text}=${text}&${text}=${text}`), await post('/connect/token', { grant_type: 'client_credentials' }, basic(id, text)),
        await post('/connect/token', { grant_type: 'client_credentials' }, { authorization: `Bearer ${text}` }), await ask({}, { dpop: text }), await ask({}, { 'content-type': `text/${text.replace(/[^\w-]/g, '')}` }),
        await introspect(text, { client_secret: 'x' }), await introspect(text), await revoke(`${text}x`), await revoke(text, { client_secret: text }), await read(text), await app.inject({ method: 'PUT', url: '/connect/token', payload: { text } })
      ]
      for (const { statusCode, body, headers } of replies) if (statusCode >= 400) refusals.push(body, JSON.stringify(headers))
    }
  }
  await everything()
  fault.error = new Error('connection lost')
  await everything()
  fault.error = undefined
  t.equal((await revoke(token)).statusCode, 200)

  const told = JSON.stringify(events())
  t.ok(told.includes(id) && told.includes('acme') && lines.some((line) => line.includes('connection lost')) && refusals.length > 200 && bodies.length > 80, 'the net is not empty')
  const places = [{ name: 'events', text: told }, { name: 'log', text: lines.join('') }, { name: 'refusals', text: refusals.join('\n') }, { name: 'request.body, for hooks of the host', text: JSON.stringify(bodies) }]
  t.strictSame(findLeaks({ token, secret, assertion }, places), [])
})

inEveryHost(t, 'nor in what the store keeps', async (t) => {
  const { newToken, revoke, store, ask, secret, id } = await oauthHost(t, { flow: { limits: {} } })
  const token = await newToken()
  await ask({ client_secret: `${secret}x` })
  await revoke(token)
  const kept: Buffer[] = []
  for await (const { key, value } of store.scan('')) kept.push(Buffer.from(key), Buffer.from(value))
  const text = Buffer.concat(kept).toString('latin1')
  t.ok(text.includes(id))
  t.strictSame(findLeaks({ token, secret }, [{ name: 'store', text }]), [])
})

inEveryHost(t, 'the operator learns why a client is refused whose record or assertion is at fault, and the client does not', async (t) => {
  const lines: string[] = []
  const record = { id: 'acme', createdAt: SECONDS, secrets: [], scopes: 'api.read' } as object as ClientRecord // as a host may get it wrong
  const host = await oauthHost(t, { server: logging(lines), clients: { find: async (id) => id === 'acme' ? record : undefined } })
  const expected = refused(400, 'invalid_client')
  const reasonOf = async (fields: Record<string, string>): Promise<unknown> => {
    lines.length = 0
    t.strictSame(answer(await host.ask(fields)), expected)
    return JSON.parse(String(lines.find((line) => line.includes('FDT_INVALID_CLIENT')))).reason
  }
  t.match(await reasonOf({ client_id: 'acme', client_secret: 'x' }), /scopes/)
  const key = (await ringOf('ES256')).signing()
  const assertion = forge({ alg: 'ES256' }, { iss: 'nobody', sub: 'nobody', aud: ISSUER, exp: SECONDS + 60, jti: 'x' }, key)
  t.equal(await reasonOf({ client_id: '', client_secret: '', client_assertion: assertion, client_assertion_type: TYPE }), 'The client assertion is refused: there is no such client')
  t.equal(await reasonOf({ client_id: 'nobody', client_secret: 'x' }), undefined)
})
