import { createHash, createHmac } from 'node:crypto'
import t from 'tap'
import { createKeyRing, generateKey } from '../../../lib/keys/index.ts'
import { createDocumentSessions } from '../../../plugins/session-issuance/index.ts'
import { inEveryHost } from '../../support/hosts.ts'
import { claimsOf, ISSUER, NOW, post, refusal, SECONDS, sessionHost, type SessionHost } from '../../support/session-host.ts'

const body = { allowed_documents: [{ document_id: 'a', document_permissions: ['read', 'write', 'download'] }] }

async function newToken ({ create }: SessionHost, more: object = {}): Promise<string> {
  return (await create({ ...body, ...more })).json().jwt
}

const revoked = { status: 401, code: 'FDT_TOKEN_REVOKED', challenge: 'Bearer error="invalid_token"', cache: 'no-store', complete: true }
const notFound = { status: 404, code: 'FDT_SESSION_NOT_FOUND', challenge: undefined, cache: 'no-store', complete: true }

/** Every key and value of the store, for comparison. */
async function contents ({ store }: SessionHost): Promise<string[]> {
  const entries: string[] = []
  for await (const { key, value } of store.scan('')) entries.push(`${key} ${Buffer.from(value).toString('hex')}`)
  return entries.sort()
}

inEveryHost(t, 'ends one session, and no other', async (t) => {
  const host = await sessionHost(t)
  const [token, other] = [await newToken(host), await newToken(host)]
  t.equal((await host.read(token)).statusCode, 200)

  const reply = await host.revoke({ jwt: token })
  t.equal(reply.statusCode, 204)
  t.equal(reply.body, '')
  t.equal(reply.headers['cache-control'], 'no-store')

  const refused = await host.read(token)
  t.strictSame(refusal(refused), revoked)
  t.equal(refused.json().message, 'Token has been revoked')
  t.equal((await host.read(other)).statusCode, 200)
  t.equal((await host.revoke({ jwt: token })).statusCode, 204, 'a second time')
})

inEveryHost(t, 'another spelling of a revoked token does not escape (T11b)', async (t) => {
  const host = await sessionHost(t)
  const token = await newToken(host)
  await host.revoke({ jwt: token })
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  const last = alphabet.indexOf(token.slice(-1))
  for (let bits = 0; bits < 16; bits++) {
    const spelling = token.slice(0, -1) + String(alphabet[(last & 0b110000) | bits])
    t.equal((await host.read(spelling)).statusCode, 401, spelling.slice(-1))
  }
})

inEveryHost(t, 'a session that no guard could accept any more: 204, and nothing stored', async (t) => {
  const host = await sessionHost(t)
  const token = await newToken(host, { exp: SECONDS + 60 })
  host.clock.time = NOW + 60_000 + 61_000
  const before = await contents(host)
  t.equal((await host.revoke({ jwt: token })).statusCode, 204)
  t.strictSame(await contents(host), before)
})

inEveryHost(t, 'what is not a session of this key: one and the same 404, and nothing stored (T26b)', async (t) => {
  const host = await sessionHost(t)
  const token = await newToken(host)
  const [header, payload, signature] = token.split('.') as [string, string, string]
  const another = await host.registry.create()
  const elsewhere = await createDocumentSessions({ issuer: ISSUER, keys: createKeyRing([{ key: await generateKey('ES256') }]), store: host.store, now: () => NOW })
  const publicKey = String(host.keys.signing().verifyKey.export({ type: 'spki', format: 'pem' }))
  const hs256 = Buffer.from(JSON.stringify({ alg: 'HS256', typ: 'document-session+jwt', kid: host.keys.signing().kid })).toString('base64url')

  const cases = [
    { name: 'of another key', jwt: (await post(host.app, '/viewer/sessions', body, { 'x-api-key': another.secret })).json().jwt },
    { name: 'issued by the host itself', jwt: (await host.sessions.issue({ documents: [] })).token },
    { name: 'of a foreign ring', jwt: (await elsewhere.issue({ documents: [] })).token },
    { name: 'forged over a real jti', jwt: `${header}.${payload}.${Buffer.alloc(64, 1).toString('base64url')}` },
    { name: 'forged with the public key as secret', jwt: `${hs256}.${payload}.${createHmac('sha256', publicKey).update(`${hs256}.${payload}`).digest('base64url')}` },
    { name: 'unsigned', jwt: `${Buffer.from('{"alg":"none"}').toString('base64url')}.${payload}.` },
    { name: 'cut', jwt: `${header}.${payload}` },
    { name: 'malformed', jwt: 'x' },
    { name: 'white space', jwt: ` ${token}` },
    { name: 'of 10 kB', jwt: `${token}${'A'.repeat(10_000)}` },
    { name: 'of 900 kB', jwt: 'x'.repeat(900_000) },
    { name: 'a claim of 100 kB (T8)', jwt: `${header}.${Buffer.from(JSON.stringify({ ...claimsOf(token), sub: 'x'.repeat(100_000) })).toString('base64url')}.${signature}` },
    ...['__proto__', 'constructor', 'toString', 'hasOwnProperty'].map((jwt) => ({ name: `T28: ${jwt}`, jwt }))
  ]
  const before = await contents(host)
  for (const { name, jwt } of cases) {
    const reply = await host.revoke({ jwt })
    t.strictSame(refusal(reply), notFound, name)
    t.equal(reply.json().message, 'There is no such session', name)
  }
  t.strictSame(await contents(host), before, 'nothing stored')
  t.equal((await host.read(token)).statusCode, 200)
})

inEveryHost(t, 'refuses a body', async (t) => {
  const { revoke } = await sessionHost(t)
  const cases = [
    { name: 'empty', body: {}, code: 'FDT_INVALID_REQUEST' },
    { name: 'both', body: { jwt: 'x', user_id: 'jane' }, code: 'FDT_INVALID_REQUEST' },
    { name: 'an unknown member', body: { token: 'x' }, code: 'FST_ERR_VALIDATION' },
    { name: 'an empty token', body: { jwt: '' }, code: 'FST_ERR_VALIDATION' },
    { name: 'a number', body: { jwt: 1 }, code: 'FST_ERR_VALIDATION' },
    { name: 'an empty user', body: { user_id: '' }, code: 'FST_ERR_VALIDATION' },
    { name: 'a long user', body: { user_id: 'x'.repeat(513) }, code: 'FST_ERR_VALIDATION' },
    { name: 'null', body: 'null', code: 'FST_ERR_VALIDATION' },
    { name: 'an array', body: '[]', code: 'FST_ERR_VALIDATION' },
    { name: 'not JSON', body: '{', code: 'FDT_INVALID_JSON' },
    { name: 'a repeated member', body: '{"jwt":"a","jwt":"b"}', code: 'FDT_INVALID_JSON' }
  ]
  for (const { name, body, code } of cases) {
    t.strictSame(refusal(await revoke(body)), { status: 400, code, challenge: undefined, cache: 'no-store', complete: true }, name)
  }
})

inEveryHost(t, 'all sessions of a user that the key issued, up to now', async (t) => {
  const host = await sessionHost(t, { flow: { optionalMembers: ['user_id'] } })
  const another = await host.registry.create()
  const jane = await newToken(host, { user_id: 'jane' })
  const john = await newToken(host, { user_id: 'john' })
  const janeElsewhere = (await post(host.app, '/viewer/sessions', { ...body, user_id: 'jane' }, { 'x-api-key': another.secret })).json().jwt

  host.clock.time = NOW + 500
  const sameMillisecond = await newToken(host, { user_id: 'jane' })
  t.equal((await host.revoke({ user_id: 'jane' })).statusCode, 204)
  host.clock.time = NOW + 501
  const later = await newToken(host, { user_id: 'jane' })

  t.strictSame(refusal(await host.read(jane)), revoked)
  t.strictSame(refusal(await host.read(sameMillisecond)), revoked, 'issued in the same millisecond')
  t.equal((await host.read(later)).statusCode, 200, 'a millisecond later')
  t.equal((await host.read(john)).statusCode, 200, 'another user')
  t.equal((await host.read(janeElsewhere)).statusCode, 200, 'the same user by another key')

  t.equal((await host.revoke({ user_id: 'nobody' })).statusCode, 204, 'a user without sessions')
  t.equal((await host.revoke({ user_id: 'jane' })).statusCode, 204, 'again')
  t.strictSame(refusal(await host.read(later)), revoked)
})

inEveryHost(t, 'in the host: revoke', async (t) => {
  const host = await sessionHost(t)
  const { sessions, clock } = host

  const issued = await sessions.issue({ documents: [{ id: 'a', permissions: ['read'] }] })
  await sessions.revoke(issued.token)
  t.strictSame(refusal(await host.read(issued.token)), revoked, 'by token')

  const second = await sessions.issue({ documents: [{ id: 'a', permissions: ['read'] }] })
  await sessions.revoke(await sessions.verify(second.token))
  t.strictSame(refusal(await host.read(second.token)), revoked, 'by what verify returned')

  const third = await sessions.issue({ documents: [{ id: 'a', permissions: ['read'] }] })
  await sessions.revoke({ jti: third.jti, expiresAt: third.expiresAt })
  t.strictSame(refusal(await host.read(third.token)), revoked, 'by what issue returned')

  await t.rejects(sessions.revoke('x'), { code: 'FDT_SESSION_NOT_FOUND' })
  for (const reference of [{ jti: 'x', expiresAt: SECONDS }, { jti: third.jti }, { jti: third.jti, expiresAt: NaN }, null, undefined, 1]) {
    await t.rejects(sessions.revoke(reference as never), { code: 'FDT_INVALID_REQUEST' })
  }

  clock.time = third.expiresAt * 1000 - 1
  t.strictSame(refusal(await host.read(third.token)), revoked, 'the entry lives as long as the token')
  clock.time++
  t.equal((await host.read(third.token)).json().code, 'FDT_TOKEN_EXPIRED')
})

inEveryHost(t, 'in the host: revokeAll', async (t) => {
  const host = await sessionHost(t, { apiKey: { owner: 'acme' } })
  const { sessions, registry, id, clock } = host
  const credential = { id, owner: 'acme' }
  const documents = [{ id: 'a', permissions: ['read'] as const }]
  const { record } = await registry.create({ owner: 'acme' })

  async function issueAll () {
    return {
      janeByKey: (await sessions.issue({ documents, subject: 'jane', credential })).token,
      janeByHost: (await sessions.issue({ documents, subject: 'jane' })).token,
      johnByKey: (await sessions.issue({ documents, subject: 'john', credential })).token,
      johnByOther: (await sessions.issue({ documents, subject: 'john', credential: { id: record.id, owner: 'acme' } })).token,
      anonymous: (await sessions.issue({ documents })).token
    }
  }
  const cases = [
    { target: { subject: 'jane' }, ended: ['janeByKey', 'janeByHost'] },
    { target: { subject: 'jane', credential: id }, ended: ['janeByKey'] },
    { target: { credential: id }, ended: ['janeByKey', 'johnByKey'] },
    { target: { owner: 'acme' }, ended: ['janeByKey', 'johnByKey', 'johnByOther'] },
    { target: { subject: 'jane', owner: undefined } as never, ended: ['janeByKey', 'janeByHost'] },
    { target: { subject: undefined, credential: id } as never, ended: ['janeByKey', 'johnByKey'] },
    { target: { subject: '*' }, ended: [] },
    { target: { subject: `${id}/jane` }, ended: [] },
    { target: { owner: 'jane' }, ended: [] }
  ]
  for (const { target, ended } of cases) {
    clock.time += 10_000
    const tokens = await issueAll()
    await sessions.revokeAll(target)
    clock.time++
    const after = await issueAll()
    for (const [name, token] of Object.entries(tokens)) t.equal((await host.read(token)).statusCode, ended.includes(name) ? 401 : 200, `${JSON.stringify(target)}: ${name}`)
    for (const token of Object.values(after)) t.equal((await host.read(token)).statusCode, 200, 'a millisecond later')
  }

  for (const target of [{}, null, { subject: '' }, { subject: 1 }, { jti: 'x' }, { owner: 'a', subject: 'b' }, { subject: undefined }, { subject: undefined, jti: 'x' }, 'jane']) {
    await t.rejects(sessions.revokeAll(target as never), { code: 'FDT_INVALID_REQUEST' }, JSON.stringify(target))
  }
})

inEveryHost(t, 'revokeAll before a time', async (t) => {
  const host = await sessionHost(t)
  const { sessions, clock } = host
  const issue = async () => (await sessions.issue({ subject: 'jane', documents: [{ id: 'a', permissions: ['read'] }] })).token
  const first = await issue()
  clock.time = NOW + 100
  const second = await issue()
  clock.time = NOW + 200

  await sessions.revokeAll({ subject: 'jane' }, { before: NOW + 99 })
  t.equal((await host.read(first)).statusCode, 401)
  t.equal((await host.read(second)).statusCode, 200)
  await sessions.revokeAll({ subject: 'jane' }, { before: NOW + 100 })
  t.equal((await host.read(second)).statusCode, 401)
  await sessions.revokeAll({ subject: 'jane' }, { before: NOW })
  t.equal((await host.read(second)).statusCode, 401, 'an earlier time takes nothing back')

  for (const before of [NaN, Infinity, -1, NOW + 201, '1', null]) {
    await t.rejects(sessions.revokeAll({ subject: 'jane' }, { before: before as never }), { code: 'FDT_INVALID_REQUEST' }, String(before))
  }
  const entries = await contents(host)
  await sessions.revokeAll({ subject: 'john' }, { before: NOW - 86_400_000 - 100_000 })
  t.strictSame(await contents(host), entries, 'nothing is stored about tokens that are all over')
})

inEveryHost(t, 'many revocations of one user at once keep the latest time', async (t) => {
  const host = await sessionHost(t)
  const { sessions, clock } = host
  const token = (await sessions.issue({ subject: 'jane', documents: [{ id: 'a', permissions: ['read'] }] })).token
  clock.time = NOW + 1000
  await Promise.all(Array.from({ length: 30 }, (_, index) => sessions.revokeAll({ subject: 'jane' }, { before: NOW - 15 + index })))
  t.equal((await host.read(token)).statusCode, 401)
})

inEveryHost(t, 'an entry lives as long as the last token that it covers', async (t) => {
  const host = await sessionHost(t, { flow: { maxLifetime: 7200 } })
  const { sessions, clock } = host
  const { token, expiresAt } = await sessions.issue({ subject: 'jane', documents: [{ id: 'a', permissions: ['read'] }], expiresIn: 7200 })
  await sessions.revokeAll({ subject: 'jane' })
  clock.time = expiresAt * 1000 - 1
  t.strictSame(refusal(await host.read(token)), revoked)
})

inEveryHost(t, 'what was ended stays ended, whatever the options of the process that did it', async (t) => {
  const host = await sessionHost(t, { flow: { maxLifetime: 30 * 86_400, clockTolerance: 60 } })
  const script = await createDocumentSessions({ issuer: ISSUER, keys: host.keys, store: host.store, maxLifetime: 60, now: () => host.clock.time })
  const issue = async () => (await host.sessions.issue({ subject: 'jane', documents: [{ id: 'a', permissions: ['read'] }], expiresIn: 30 * 86_400 })).token
  const [one, all] = [await issue(), await issue()]
  host.clock.time = NOW + 1000
  await script.revoke(one)
  t.equal((await host.read(all)).statusCode, 200)
  await script.revokeAll({ subject: 'jane' })
  for (const time of [NOW + 1001, NOW + 120_000, NOW + 86_400_000, NOW + 30 * 86_400_000 + 59_999]) {
    host.clock.time = time
    for (const token of [one, all]) t.strictSame(refusal(await host.read(token)), revoked)
  }
  host.clock.time = NOW + 30 * 86_400_000 + 60_000
  t.equal((await host.read(all)).json().code, 'FDT_TOKEN_EXPIRED')
})

inEveryHost(t, 'a session that is issued right after everything was ended lives', async (t) => {
  const host = await sessionHost(t, { flow: { now: Date.now } })
  for (let round = 0; round < 50; round++) {
    await host.sessions.revokeAll({ subject: 'jane' })
    const { token } = await host.sessions.issue({ subject: 'jane', documents: [] })
    await t.resolves(host.sessions.verify(token))
  }
})

inEveryHost(t, 'what is stored tells no user and no credential', async (t) => {
  const host = await sessionHost(t, { flow: { optionalMembers: ['user_id'] } })
  const token = await newToken(host, { user_id: 'jane@example.com' })
  await host.revoke({ jwt: token })
  await host.revoke({ user_id: 'jane@example.com' })
  const entries = (await contents(host)).join('\n')
  t.notOk(entries.includes('jane'))
  t.notOk(entries.includes(createHash('sha256').update('jane@example.com').digest('base64url')))
})
