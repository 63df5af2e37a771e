import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { channel } from 'node:diagnostics_channel'
import t, { type Test } from 'tap'
import { onEvent as onEventOfAnotherCopy } from 'fastify-doc-tokens/events'
import { createApiKeyRegistry } from '../../lib/credentials/index.ts'
import { type DocTokensEvents, EVENT_NAMES, type IssuedEvent, onEvent } from '../../lib/events.ts'
import { publish } from '../../lib/publish.ts'
import { createKeyRing, generateKey, openStoredKeyRing } from '../../lib/keys/index.ts'
import { createMemoryStore } from '../../lib/stores/memory.ts'
import { createEditorSignatures } from '../../plugins/config-signing/index.ts'
import { createDocumentSessions } from '../../plugins/session-issuance/index.ts'
import { INBOX, KEY } from '../support/editor-tokens.ts'
import { faultyStore } from '../support/faulty-store.ts'
import { recordEvents } from '../support/recorded-events.ts'
import { ISSUER, NOW, SECONDS } from '../support/session-host.ts'

const ISSUED: IssuedEvent = { flow: 'session-issuance', name: 'default', time: NOW, id: 'a', documents: [{ id: 'contract', permissions: ['read'] }], expiresAt: SECONDS }

t.test('a listener hears what is told from when it asks until it ends, and nothing else', async (t) => {
  const heard: unknown[] = []
  publish('issued', () => ISSUED)
  const end = onEvent('issued', (event) => { heard.push(event) })
  publish('issued', () => ISSUED)
  publish('rotated', () => ({ what: 'api-key', id: 'key', time: NOW }))
  t.strictSame(heard, [ISSUED])
  end()
  end()
  publish('issued', () => ISSUED)
  t.equal(heard.length, 1)
})

t.test('one listener twice hears twice, and ends each for itself', async (t) => {
  let heard = 0
  const listener = (): void => { heard++ }
  const ends = [onEvent('issued', listener), onEvent('issued', listener)] as const
  publish('issued', () => ISSUED)
  t.equal(heard, 2)
  ends[0]()
  publish('issued', () => ISSUED)
  t.equal(heard, 3)
  ends[1]()
})

t.test('an event is not made unless somebody listens for it', async (t) => {
  let made = 0
  const make = (): IssuedEvent => {
    made++
    return ISSUED
  }
  publish('issued', make)
  t.teardown(onEvent('refused', () => {}))
  publish('issued', make)
  t.equal(made, 0)
  for (let listeners = 0; listeners < 3; listeners++) t.teardown(onEvent('issued', () => {}))
  publish('issued', make)
  t.equal(made, 1, 'and once for all who do')
})

t.test('members that are undefined are absent', async (t) => {
  const events = recordEvents(t)
  publish('issued', () => ({ ...ISSUED, subject: undefined, owner: undefined, credential: 'key' }))
  const [[, event] = []] = events()
  t.strictSame(event, { ...ISSUED, credential: 'key' })
  t.strictSame(Object.keys(Object(event)).sort(), [...Object.keys(ISSUED), 'credential'].sort())
})

t.test('a listener changes nothing: not for the next one, and not for the publisher', async (t) => {
  const made = structuredClone(ISSUED)
  const [document] = made.documents
  let frozen = 0
  t.teardown(onEvent('issued', (event) => {
    const parts: object[] = [event, event.documents, ...event.documents, ...event.documents.map(({ permissions }) => permissions)]
    for (const part of parts) {
      t.ok(Object.isFrozen(part))
      t.throws(() => Object.assign(part, { 0: 'write', id: 'other' }), TypeError)
      frozen++
    }
    t.notOk(parts.some((part) => part === made || part === made.documents || part === document || part === document?.permissions), 'they are copies')
  }))
  const events = recordEvents(t)
  publish('issued', () => made)
  t.equal(frozen, 4)
  t.strictSame(events(), [['issued', ISSUED]])
  t.notOk([made, made.documents, document, document?.permissions].some(Object.isFrozen), 'what is the publisher\'s is not frozen behind its back')
})

t.test('names are checked at once, and so are listeners', async (t) => {
  const message = 'Invalid option "name": must be one of issued, verified, refused, revoked, limited, locked, rotated'
  for (const name of ['isued', '', 'constructor', '__proto__', 'toString', undefined, null, 1, ['issued']]) {
    t.throws(() => Reflect.apply(onEvent, undefined, [name, () => {}]), { code: 'FDT_INVALID_OPTION', message }, String(name))
  }
  for (const listener of [undefined, null, 'log', {}]) {
    t.throws(() => Reflect.apply(onEvent, undefined, ['issued', listener]), { code: 'FDT_INVALID_OPTION', message: 'Invalid option "listener": must be a function' })
  }
})

t.test('the channels have the names that are documented, one for each event', async (t) => {
  const events: ReadonlyArray<keyof DocTokensEvents> = EVENT_NAMES
  t.strictSame(events, ['issued', 'verified', 'refused', 'revoked', 'limited', 'locked', 'rotated'])
  t.ok(Object.isFrozen(EVENT_NAMES))
  for (const name of EVENT_NAMES) {
    const named = channel(`fastify-doc-tokens:${name}`)
    t.notOk(named.hasSubscribers, name)
    const end = onEvent(name, () => {})
    t.ok(named.hasSubscribers, name)
    end()
    t.notOk(named.hasSubscribers, name)
  }
})

t.test('who listens to one copy of the package hears all copies in the process', async (t) => {
  t.not(onEvent, onEventOfAnotherCopy)
  const heard: unknown[] = []
  t.teardown(onEventOfAnotherCopy('issued', (event) => { heard.push(event) }))
  publish('issued', () => ISSUED)
  t.strictSame(heard, [ISSUED])
})

t.test('what a listener throws is an uncaughtException, and reaches neither the publisher nor other listeners', async (t) => {
  const script = `
    import { onEvent } from 'fastify-doc-tokens/events'
    import { publish } from './dist/lib/publish.js'
    process.on('uncaughtException', ({ message }) => { console.log('uncaught:', message) })
    onEvent('rotated', () => { throw new Error('first') })
    onEvent('rotated', async () => { throw new Error('second') })
    onEvent('rotated', ({ id }) => { console.log('heard:', id) })
    publish('rotated', () => ({ what: 'api-key', id: 'key', time: 1 }))
    console.log('published')`
  const { stdout, status } = spawnSync(process.execPath, ['--input-type=module', '--eval', script], { cwd: `${import.meta.dirname}/../..`, encoding: 'utf8' })
  t.strictSame(stdout.trim().split('\n').sort(), ['heard: key', 'published', 'uncaught: first', 'uncaught: second'])
  t.ok(stdout.indexOf('heard') < stdout.indexOf('published'), 'listeners are called in step')
  t.equal(status, 0)
})

/** Sessions without a server, and a clock to move. */
async function makeSessions (t: Test, more: object = {}) {
  const clock = { time: NOW }
  const now = () => clock.time
  const { store, fault } = faultyStore(createMemoryStore({ now }))
  const keys = createKeyRing([{ key: await generateKey('ES256') }])
  const documentEngineKeys = createKeyRing([{ key: await generateKey('ES256') }])
  const sessions = await createDocumentSessions({ issuer: ISSUER, keys, store, now, documentEngineKeys, ...more })
  return { sessions, clock, fault, events: recordEvents(t) }
}

t.test('issuing in code: one event, before the token is there, without a request', async (t) => {
  const { sessions, events } = await makeSessions(t, { name: 'second' })
  const about = { flow: 'session-issuance', name: 'second', time: NOW }
  const documents = [{ id: 'a', permissions: ['read', 'write', 'read'] as const }, { id: 'b', permissions: [] }]
  const full = await sessions.issue({ subject: 'jane', documents, expiresIn: 60, credential: { id: 'key', owner: 'acme' } })
  t.strictSame(events(), [['issued', {
    ...about, id: full.jti, subject: 'jane', credential: 'key', owner: 'acme', documents: [{ id: 'a', permissions: ['read', 'write'] }, { id: 'b', permissions: [] }], expiresAt: SECONDS + 60
  }]])

  const bare = await sessions.issue({ documents: [] })
  t.strictSame(events(), [['issued', { ...about, id: bare.jti, documents: [], expiresAt: SECONDS + 3600 }]])

  const permissions = ['read-document', 'write'] as const
  await sessions.issue({ profile: 'document-engine', document: 'a', permissions, userId: 'jane', password: 'opens-the-document', expiresIn: 60 })
  t.strictSame(events(), [['issued', { ...about, subject: 'jane', documents: [{ id: 'a', permissions }], expiresAt: SECONDS + 60 }]], 'for a Document Engine: without id')
  t.notOk(Object.isFrozen(permissions))
})

t.test('issuing that fails is no event, and neither is verifying in code', async (t) => {
  const { sessions, events, fault } = await makeSessions(t)
  fault.error = new Error('connection lost')
  await t.rejects(sessions.issue({ documents: [] }), { code: 'FDT_STORE_UNAVAILABLE' })
  fault.error = undefined
  await t.rejects(sessions.issue({ documents: [{ id: '', permissions: [] }] }), { code: 'FDT_INVALID_REQUEST' })
  await t.rejects(sessions.issue({ documents: [], expiresIn: 1e9 }), { code: 'FDT_LIFETIME_TOO_LONG' })
  t.strictSame(events(), [])

  const { token } = await sessions.issue({ documents: [] })
  events()
  await sessions.verify(token)
  await t.rejects(sessions.verify(`${token}x`), { code: 'FDT_INVALID_TOKEN' })
  await sessions.revoke(token)
  events()
  await t.rejects(sessions.verify(token), { code: 'FDT_TOKEN_REVOKED' })
  t.strictSame(events(), [])
})

t.test('ending in code: one event for each call that did not fail', async (t) => {
  const { sessions, events, clock, fault } = await makeSessions(t)
  const about = { flow: 'session-issuance', name: 'default' }
  const issued = await sessions.issue({ subject: 'jane', documents: [], expiresIn: 60, credential: { id: 'key', owner: 'acme' } })
  const holder = { id: issued.jti, subject: 'jane', credential: 'key', owner: 'acme' }
  events()

  await sessions.revoke(issued.token)
  t.strictSame(events(), [['revoked', { ...about, time: NOW, ...holder }]])
  clock.time = NOW + 5
  await sessions.revoke(issued.token, 'key')
  t.strictSame(events(), [['revoked', { ...about, time: NOW + 5, ...holder }]], 'a second time')
  await sessions.revoke(issued)
  t.strictSame(events(), [['revoked', { ...about, time: NOW + 5, id: issued.jti }]], 'by what issue returned, which says no more')
  clock.time = NOW + 90_000
  await sessions.revoke(issued.token)
  t.strictSame(events(), [['revoked', { ...about, time: NOW + 90_000, ...holder }]], 'when it is over')

  for (const target of [{ subject: 'jane' }, { subject: 'jane', credential: 'key' }, { credential: 'key' }, { owner: 'acme' }]) {
    await sessions.revokeAll(target)
    t.strictSame(events(), [['revoked', { ...about, time: NOW + 90_000, before: NOW + 90_000, ...target }]])
    await sessions.revokeAll(target, { before: NOW + 0.5 })
    t.strictSame(events(), [['revoked', { ...about, time: NOW + 90_000, before: NOW, ...target }]])
  }

  await t.rejects(sessions.revoke(`${issued.token}x`), { code: 'FDT_SESSION_NOT_FOUND' })
  await t.rejects(sessions.revoke(issued.token, 'other'), { code: 'FDT_SESSION_NOT_FOUND' })
  await t.rejects(sessions.revokeAll({ subject: 'jane' }, { before: NOW * 2 }), { code: 'FDT_INVALID_REQUEST' })
  await t.rejects(sessions.revokeAll({ subject: '' }), { code: 'FDT_INVALID_REQUEST' })
  clock.time = NOW
  fault.error = new Error('connection lost')
  await t.rejects(sessions.revoke(issued.token), { code: 'FDT_STORE_UNAVAILABLE' })
  await t.rejects(sessions.revokeAll({ owner: 'acme' }), { code: 'FDT_STORE_UNAVAILABLE' })
  t.strictSame(events(), [], 'what failed ended nothing')
})

t.test('an API key gets a new secret', async (t) => {
  const events = recordEvents(t)
  const registry = createApiKeyRegistry({ store: createMemoryStore({ now: () => NOW }), now: () => NOW })
  const { record: { id } } = await registry.create({ owner: 'acme' })
  const { record: { id: nobodys } } = await registry.create()
  t.strictSame(events(), [])
  await registry.rotate(id)
  await registry.rotate(nobodys)
  t.strictSame(events(), [['rotated', { what: 'api-key', id, owner: 'acme', time: NOW }], ['rotated', { what: 'api-key', id: nobodys, time: NOW }]])
  await t.rejects(registry.rotate('0123456789abcdef'), { code: 'FDT_UNKNOWN_CREDENTIAL' })
  await t.rejects(registry.rotate(id, { overlap: -1 }), { code: 'FDT_INVALID_OPTION' })
  t.strictSame(events(), [])
})

t.test('a ring gets another key to sign with', async (t) => {
  const events = recordEvents(t)
  const ring = createKeyRing([{ key: await generateKey('ES256'), kid: 'first' }, { key: await generateKey('ES256'), kid: 'second' }])
  ring.add({ key: await generateKey('ES256'), kid: 'third' })
  t.throws(() => ring.promote('fourth'), { code: 'FDT_UNKNOWN_KEY' })
  t.strictSame(events(), [])
  const before = Date.now()
  ring.promote('second')
  const [[name, event] = [], ...more] = events()
  t.strictSame([name, { ...event, time: 0 }, more], ['rotated', { what: 'signing-key', id: 'second', time: 0 }, []])
  t.ok(Number(event?.time) >= before && Number(event?.time) <= Date.now(), 'by the clock of the machine')
  ring.promote('second')
  t.strictSame(events(), [], 'it signs already')
})

t.test('a stored ring makes its next key: told once, where it is made', async (t) => {
  const store = createMemoryStore()
  const events = recordEvents(t)
  const options = { store, name: 'sessions', keyEncryptionKeys: [{ id: '1', key: randomBytes(32) }], now: () => NOW, pollInterval: 1 }
  const ring = await openStoredKeyRing(options)
  const other = await openStoredKeyRing(options)
  t.teardown(async () => { await Promise.all([ring.close(), other.close()]) })
  t.strictSame(events(), [], 'the first key is no rotation')
  const { kid } = await ring.rotate({ signsIn: 5000 })
  t.not(ring.signing().kid, kid, 'it signs later')
  await other.refresh()
  t.ok(other.get(kid))
  t.strictSame(events(), [['rotated', { what: 'signing-key', id: kid, time: NOW }]])
})

t.test('an editor\'s token: whose, what for and until when, and nothing that opens the document', async (t) => {
  const events = recordEvents(t)
  const { signConfig, signMethod } = createEditorSignatures({ inbox: INBOX, name: 'letters', now: () => NOW })
  const url = 'https://files.example/letter.docx?signature=secret'
  await signConfig({ document: { key: KEY, url }, editorConfig: { user: { id: 'ada', name: 'Ada' } } })
  await signMethod('setRevisedFile', { fileType: 'docx', url }, { expiresIn: false })
  const base = { flow: 'config-signing', name: 'letters', time: NOW, documents: [] }
  t.strictSame(events(), [['issued', { ...base, subject: 'ada', purpose: 'config', expiresAt: SECONDS + 300 }], ['issued', { ...base, purpose: 'setRevisedFile' }]])
  await t.rejects(signConfig({ document: { key: KEY, url } }), { code: 'FDT_INVALID_EDITOR_PAYLOAD' })
  t.strictSame(events(), [])
})
