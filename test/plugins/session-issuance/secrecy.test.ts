import t from 'tap'
import { createMemoryStore } from '../../../lib/stores/memory.ts'
import { faultyStore } from '../../support/faulty-store.ts'
import { inEveryHost } from '../../support/hosts.ts'
import { NOW, post, sessionHost } from '../../support/session-host.ts'

/** The ways in which a secret could be written: raw, percent-encoded, JSON-escaped, base64 and base64url at each of three offsets. */
function spellings (secret: string): string[] {
  const encoded = [0, 1, 2].flatMap((offset) => {
    const shifted = Buffer.concat([Buffer.alloc(offset), Buffer.from(secret)])
    return (['base64', 'base64url'] as const).map((encoding) => shifted.toString(encoding).slice(offset === 0 ? 0 : 4, -4))
  })
  return [secret, encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1), Buffer.from(secret).toString('hex'), ...encoded]
}

inEveryHost(t, 'no token, key or user in a log line or an error (T34)', async (t) => {
  const written: string[] = []
  const { store, fault } = faultyStore(createMemoryStore({ now: () => NOW }))
  const host = await sessionHost(t, {
    store,
    flow: { optionalMembers: ['user_id'] },
    server: { logger: { level: 'trace', stream: { write: (line: string) => { written.push(line) } } } }
  })
  const { app, create, revoke, read, secret, registry, sessions } = host
  const user = 'jane.doe+secret@example.com'
  const document = 'confidential-document-4711'
  const reply = await create({ user_id: user, allowed_documents: [{ document_id: document }] })
  const token = String(reply.json().jwt)
  const revoked = (await sessions.issue({ subject: user, documents: [{ id: document, permissions: ['read'] }] })).token
  await sessions.revoke(revoked)
  const { secret: retired, record } = await registry.create()
  await registry.disable(record.id)
  const misspelt = `${secret.slice(0, -2)}xx`

  const bearer = (text: string) => ({ authorization: `Bearer ${text}` })
  async function everything (): Promise<void> {
    const replies = await Promise.all([
      read(revoked, document), read(`${token}x`, document), read(token, 'other'), read(secret, document), app.inject({ url: '/documents/x', headers: bearer(misspelt) }),
      create({ user_id: user, exp: 1, allowed_documents: [{ document_id: document }, { document_id: document }] }), create({ [user]: 1 }), create(`{"${user}":`), create({ user_id: [user] }),
      create({ allowed_documents: [{ document_id: document, permissions: [document] }] }), create({ allowed_documents: [{ [document]: 1 }] }),
      post(app, '/viewer/sessions', {}, bearer(retired)), post(app, '/viewer/sessions', {}, { 'x-api-key': misspelt }), post(app, '/viewer/sessions', {}, bearer(token)), post(app, '/viewer/sessions', {}, { 'x-api-key': secret, ...bearer(secret) }),
      revoke({ jwt: `${token}x` }), revoke({ jwt: token, user_id: user }), revoke({ jwt: secret }),
      app.inject({ method: 'PUT', url: '/viewer/sessions', headers: bearer(secret) })
    ])
    for (const refused of replies) {
      t.ok(refused.statusCode >= 400, String(refused.statusCode))
      written.push(refused.body, JSON.stringify(refused.headers))
    }
  }
  await everything()
  await read(token, document)
  fault.error = new Error('connection lost')
  await everything()
  written.push((await read(token, document)).body, (await create({})).body, (await revoke({ user_id: user })).body)
  fault.error = undefined
  t.equal((await revoke({ user_id: user })).statusCode, 204)

  const all = written.join('\n')
  t.ok(all.includes('FDT_TOKEN_REVOKED') && all.includes('connection lost'), 'the net is not empty')
  const signatures = [token, revoked].map((text) => String(text.split('.')[2]))
  const payloads = [token, revoked].map((text) => String(text.split('.')[1]).slice(10, 60))
  // A document's id is in the path of the host's own route, which Fastify logs: that is the host's.
  for (const value of [secret, retired, misspelt, token, revoked, ...signatures, ...payloads, user]) {
    const found = spellings(value).find((spelling) => all.includes(spelling))
    t.equal(found, undefined, `${value.slice(0, 6)}…`)
  }
})
