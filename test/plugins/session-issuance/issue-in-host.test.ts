import t from 'tap'
import { createKeyRing, generateKey } from '../../../lib/keys/index.ts'
import { verifyJws } from '../../../lib/tokens/jws.ts'
import { createDocumentSessions, type DocumentEngineInput } from '../../../plugins/session-issuance/index.ts'
import { claimsOf, ISSUER, NOW, SECONDS, sessionHost } from '../../support/session-host.ts'

t.test('issue refuses', async (t) => {
  const { sessions } = await sessionHost(t)
  const documents = [{ id: 'a', permissions: ['read'] }]
  const cases: Array<[name: string, input: unknown, code: string, message: string]> = [
    ['nothing', undefined, 'FDT_INVALID_REQUEST', 'object'],
    ['null', null, 'FDT_INVALID_REQUEST', 'object'],
    ['no documents', {}, 'FDT_INVALID_REQUEST', 'documents'],
    ['documents not in a list', { documents: 'a' }, 'FDT_INVALID_REQUEST', 'documents'],
    ['1001 documents', { documents: Array.from({ length: 1001 }, (_, index) => ({ id: String(index), permissions: [] })) }, 'FDT_INVALID_REQUEST', '1000'],
    ['a document null', { documents: [null] }, 'FDT_INVALID_REQUEST', 'documents[0].id'],
    ['an empty id', { documents: [{ id: '', permissions: [] }] }, 'FDT_INVALID_REQUEST', 'documents[0].id'],
    ['a long id', { documents: [{ id: 'x'.repeat(513), permissions: [] }] }, 'FDT_INVALID_REQUEST', 'documents[0].id'],
    ['half a surrogate pair', { documents: [{ id: '\ud800', permissions: [] }] }, 'FDT_INVALID_REQUEST', 'documents[0].id'],
    ['no permissions', { documents: [{ id: 'a' }] }, 'FDT_INVALID_REQUEST', 'documents[0].permissions'],
    ['an unknown permission', { documents: [{ id: 'a', permissions: ['read', 'print'] }] }, 'FDT_UNKNOWN_PERMISSION', 'documents[0].permissions[1]'],
    ['a permission of Object.prototype', { documents: [{ id: 'a', permissions: ['constructor'] }] }, 'FDT_UNKNOWN_PERMISSION', 'documents[0].permissions[0]'],
    ['a document twice', { documents: [...documents, ...documents] }, 'FDT_DUPLICATE_DOCUMENT', 'documents[1].id'],
    ...[NaN, Infinity, 0.5, '60', null, {}].map((expiresIn): [string, unknown, string, string] => [`expiresIn ${String(expiresIn)}`, { documents, expiresIn }, 'FDT_INVALID_REQUEST', 'expiresIn']),
    ...[0, -1].map((expiresIn): [string, unknown, string, string] => [`expiresIn ${expiresIn}`, { documents, expiresIn }, 'FDT_PAST_EXPIRY', 'expiresIn']),
    ['expiresIn beyond the cap', { documents, expiresIn: 86_401 }, 'FDT_LIFETIME_TOO_LONG', '86400'],
    ['expiresAt in the past', { documents, expiresAt: SECONDS }, 'FDT_PAST_EXPIRY', 'expiresAt'],
    ['expiresAt in milliseconds', { documents, expiresAt: NOW + 1000 }, 'FDT_LIFETIME_TOO_LONG', 'seconds'],
    ['both', { documents, expiresIn: 60, expiresAt: SECONDS + 60 }, 'FDT_INVALID_REQUEST', 'together'],
    ['notBefore as text', { documents, notBefore: '1' }, 'FDT_INVALID_REQUEST', 'notBefore'],
    ['notBefore after the end', { documents, notBefore: SECONDS + 3600 }, 'FDT_INVALID_REQUEST', 'notBefore'],
    ['an empty subject', { documents, subject: '' }, 'FDT_INVALID_REQUEST', 'subject'],
    ['a subject of 100 kB (T8)', { documents, subject: 'x'.repeat(100_000) }, 'FDT_INVALID_REQUEST', 'subject'],
    ['a subject that is no text', { documents, subject: 1 }, 'FDT_INVALID_REQUEST', 'subject'],
    ['no origins', { documents, allowedOrigins: [] }, 'FDT_INVALID_REQUEST', 'allowedOrigins'],
    ['an origin with a slash', { documents, allowedOrigins: ['https://app.example/'] }, 'FDT_INVALID_REQUEST', 'allowedOrigins'],
    ['a serverUrl without slash', { documents, serverUrl: 'https://v.example' }, 'FDT_INVALID_REQUEST', 'serverUrl'],
    ...[null, {}, { id: '' }, { id: 1 }, { id: 'x'.repeat(513) }, { id: 'a', owner: '' }, { id: 'a', owner: 1 }].map((credential): [string, unknown, string, string] => [`credential ${JSON.stringify(credential).slice(0, 20)}`, { documents, credential }, 'FDT_INVALID_REQUEST', 'credential']),
    ['an unknown profile', { profile: 'other', document: 'a', permissions: [] }, 'FDT_INVALID_REQUEST', 'profile'],
    ['document-engine without its keys', { profile: 'document-engine', document: 'a', permissions: [] }, 'FDT_INVALID_OPTION', 'documentEngineKeys']
  ]
  for (const [name, input, code, message] of cases) {
    const error: Error & { code?: string } = await sessions.issue(input as never).then(() => new Error('issued'), (error: Error) => error)
    t.equal(error.code, code, name)
    t.ok(error.message.includes(message), `${name}: ${error.message}`)
  }
})

t.test('issue: what it returns, and a session of nobody', async (t) => {
  const { sessions } = await sessionHost(t)
  const issued = await sessions.issue({ documents: [], expiresIn: 60, serverUrl: 'https://v.example/' })
  t.strictSame(Object.keys(issued).sort(), ['expiresAt', 'jti', 'token'])
  t.equal(issued.expiresAt, SECONDS + 60)
  t.match(claimsOf(issued.token), { jti: issued.jti, exp: issued.expiresAt, server_url: 'https://v.example/' })
  const session = await sessions.verify(issued.token)
  t.equal(session.subject, undefined)
  t.equal(session.credential, undefined)
  t.ok(Object.isFrozen(session) && Object.isFrozen(session.documents))
  t.strictSame(sessions.settings.permissions, ['read', 'write', 'download'])
})

t.test('a vocabulary of the host\'s own', async (t) => {
  const { keys, store } = await sessionHost(t)
  const sessions = await createDocumentSessions({ issuer: ISSUER, keys, store, permissions: ['read', 'sign'], now: () => NOW })
  const { token } = await sessions.issue({ documents: [{ id: 'a', permissions: ['sign'] }] })
  t.strictSame((await sessions.verify(token)).documents, [{ id: 'a', permissions: ['sign'] }])
})

t.test('a token for Document Engine', async (t) => {
  const { keys, store } = await sessionHost(t)
  for (const algorithm of ['ES256', 'RS256'] as const) {
    const documentEngineKeys = createKeyRing([{ key: await generateKey(algorithm) }])
    const sessions = await createDocumentSessions({ issuer: ISSUER, keys, store, documentEngineKeys, now: () => NOW })
    const all: DocumentEngineInput = {
      profile: 'document-engine',
      document: 'a',
      permissions: ['read-document', 'write', 'download', 'cover-image', 'write'],
      expiresIn: 60,
      userId: 'jane',
      layer: 'jane',
      collaborationPermissions: ['annotations:edit:self', 'comments:reply:all', 'form-fields:fill:group=legal', 'annotations:view:createdBy=Jané Doe'],
      defaultGroup: 'legal',
      password: 'opens it',
      creatorName: 'Jane'
    }
    const { token, expiresAt, ...rest } = await sessions.issue(all)
    t.strictSame(rest, {})
    t.equal(expiresAt, SECONDS + 60)
    const { kid } = documentEngineKeys.signing()
    t.strictSame(JSON.parse(Buffer.from(String(token.split('.')[0]), 'base64url').toString()), { alg: algorithm, typ: 'JWT', kid })
    t.strictSame(JSON.parse(Buffer.from(verifyJws(token, documentEngineKeys.signing())).toString()), {
      document_id: 'a',
      permissions: ['read-document', 'write', 'download', 'cover-image'],
      user_id: 'jane',
      layer: 'jane',
      default_group: 'legal',
      password: 'opens it',
      creator_name: 'Jane',
      collaboration_permissions: ['annotations:edit:self', 'comments:reply:all', 'form-fields:fill:group=legal', 'annotations:view:createdBy=Jané Doe'],
      iat: SECONDS,
      exp: SECONDS + 60
    })
    await t.rejects(sessions.verify(token), { code: 'FDT_INVALID_TOKEN' }, 'our guards refuse it')
    t.strictSame(claimsOf((await sessions.issue({ profile: 'document-engine', document: 'a', permissions: [] })).token), { document_id: 'a', permissions: [], iat: SECONDS, exp: SECONDS + 3600 })
  }

  const sessions = await createDocumentSessions({ issuer: ISSUER, keys, store, documentEngineKeys: createKeyRing([{ key: await generateKey('ES256') }]), now: () => NOW })
  const input = { profile: 'document-engine', document: 'a', permissions: ['write'] }
  const cases: Array<[name: string, change: object, code: string]> = [
    ['no document', { document: undefined }, 'FDT_INVALID_REQUEST'],
    ['an empty document', { document: '' }, 'FDT_INVALID_REQUEST'],
    ['no permissions', { permissions: undefined }, 'FDT_INVALID_REQUEST'],
    ['a session permission', { permissions: ['read'] }, 'FDT_INVALID_REQUEST'],
    ['a user that is no text', { userId: 1 }, 'FDT_INVALID_REQUEST'],
    ['an empty layer', { layer: '' }, 'FDT_INVALID_REQUEST'],
    ['collaboration permissions as text', { collaborationPermissions: 'annotations:edit:self' }, 'FDT_INVALID_REQUEST'],
    ['a collaboration permission of no form', { collaborationPermissions: ['annotations:edit'] }, 'FDT_INVALID_REQUEST'],
    ['a collaboration permission of a number', { collaborationPermissions: [1] }, 'FDT_INVALID_REQUEST'],
    ['too long a life', { expiresIn: 86_401 }, 'FDT_LIFETIME_TOO_LONG']
  ]
  for (const [name, change, code] of cases) await t.rejects(sessions.issue({ ...input, ...change } as never), { code }, name)
})
