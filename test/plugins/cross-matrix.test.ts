/** T30: every kind of token at every guard, its own instance's and another one's on the same store, also with one secret for both sides of an editor. */
import { randomBytes, randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { createApiKeyRegistry, createClientRegistry } from '../../lib/credentials/index.ts'
import { digest } from '../../lib/digest.ts'
import { createKeyRing, generateKey, type KeyAlgorithm } from '../../lib/keys/index.ts'
import { jwkThumbprint } from '../../lib/keys/jwks.ts'
import { createMemoryStore } from '../../lib/stores/memory.ts'
import { type TokenStore } from '../../lib/stores/token-store.ts'
import { clientCredentials, createAccessTokens } from '../../plugins/client-credentials/index.ts'
import { configSigning, createEditorSignatures, type EditorConfig, type EditorMethodName, type EditorRequestParameters } from '../../plugins/config-signing/index.ts'
import { createOpaqueTokens, opaqueTokens } from '../../plugins/opaque-tokens/index.ts'
import { createDocumentSessions, sessionIssuance } from '../../plugins/session-issuance/index.ts'
import { bodyToken, BROWSER_PAYLOADS, DOCS, headerToken, INBOX, KEY, NOW, OUTBOX, SAVE } from '../support/editor-tokens.ts'
import { buildHost, inEveryHost } from '../support/hosts.ts'
import { FORM } from '../support/oauth-host.ts'
import { PEPPER, POSTED } from '../support/opaque-host.ts'
import { ISSUER, post, SECONDS } from '../support/session-host.ts'
import { forge } from '../support/tokens.ts'

const ORIGIN = 'https://app.example'
const now = () => NOW

type OpaqueFormat = 'opaque token' | 'UUID'

const PROFILES = ['rfc9068', 'identityserver'] as const
type Profile = typeof PROFILES[number]

/** What a token is good for. */
type Guard = 'session as bearer' | 'session in a cookie' | 'session to be ended' | 'API key' | 'callback in its body' | 'callback in its header' | 'download' | 'config' |
  `${Profile} at a guard` | `${Profile} to be told of` | `${Profile} to be ended` | 'client secret' | 'client assertion' | 'DPoP proof' |
  'key of who verifies' | `${OpaqueFormat} at a guard` | `${OpaqueFormat} at /verify` | `${OpaqueFormat} to be ended`

const OPAQUE_FORMATS = ['opaque token', 'UUID'] as const

const pathOf = (format: OpaqueFormat): string => format === 'UUID' ? '/uuid' : '/opaque'

type OpaqueGuards = Record<Extract<Guard, `${OpaqueFormat} ${string}`>, (token: string) => Promise<boolean>>

interface Kind {
  name: string
  /** Made anew each time, since one guard ends what it is given. */
  make: () => Promise<string> | string
  /** Where it passes when it is the instance's own. */
  opens: readonly Guard[]
}

interface Instance {
  name: string
  secrets: { inbox: string, outbox: string }
  algorithm: Extract<KeyAlgorithm, 'ES256' | 'HS256'>
}

/** Access tokens of each profile, and what else a client shows. */
async function createOAuth (store: TokenStore, name: string) {
  const [signing, proving] = await Promise.all(['ES256', 'ES256'].map(async () => createKeyRing([{ key: await generateKey('ES256') }]).signing()))
  if (signing === undefined || proving === undefined) throw new TypeError('there are two keys')
  const registry = createClientRegistry({ store: createMemoryStore({ now }), now })
  const { record: client, secret = '' } = await registry.create({ keys: [{ ...signing.verifyKey.export({ format: 'jwk' }), kty: 'EC' }] })
  const make = async (profile: Profile) => await createAccessTokens({ issuer: `${ISSUER}/${name}`, name: `${name}-${profile}`, profile, store, now, keys: createKeyRing([{ key: await generateKey('ES256') }]), scopes: ['api.read'], publicUrl: ISSUER, dpop: true })
  const access = { rfc9068: await make('rfc9068'), identityserver: await make('identityserver') }
  const jwk = proving.verifyKey.export({ format: 'jwk' })
  const { token: bound } = await access.rfc9068.issue({ client, jkt: jwkThumbprint(jwk) })

  const times = () => ({ iat: SECONDS, jti: randomUUID() })
  const kinds: Kind[] = [
    ...PROFILES.map((profile): Kind => ({ name: profile, make: async () => (await access[profile].issue({ client })).token, opens: [`${profile} at a guard`, `${profile} to be told of`, `${profile} to be ended`] })),
    { name: 'client secret', make: () => secret, opens: ['client secret'] },
    { name: 'client assertion', make: () => forge({ alg: 'ES256', typ: 'JWT' }, { iss: client.id, sub: client.id, aud: `${ISSUER}/${name}`, exp: SECONDS + 60, ...times() }, signing), opens: ['client assertion'] },
    { name: 'DPoP proof', make: () => forge({ alg: 'ES256', typ: 'dpop+jwt', jwk }, { htm: 'GET', htu: `${ISSUER}/rfc9068/open`, ath: digest(bound), ...times() }, proving), opens: ['DPoP proof'] }
  ]
  return { access, registry, client, secret, bound, kinds }
}

/** The services of an instance, and all kinds of tokens that it, or its document server, makes. */
async function createInstance (store: TokenStore, { name, secrets, algorithm }: Instance) {
  // With a time of signing, tokens for browsers are as like those of the document server as can be.
  const signatures = createEditorSignatures({ ...secrets, name, store, now, issuedAt: true, onWarning: () => {} })
  const key = algorithm === 'ES256' ? await generateKey('ES256') : { kty: 'oct', alg: 'HS256', k: randomBytes(32).toString('base64url') } as const
  const sessions = await createDocumentSessions({ issuer: ISSUER, name, store, now, keys: createKeyRing([{ key }]), documentEngineKeys: createKeyRing([{ key: await generateKey('ES256') }]) })
  const credentials = createApiKeyRegistry({ store: createMemoryStore({ now }), now })
  const caller = await credentials.create()
  // One under each name, so that both are in one app.
  const opaque = { 'opaque token': createOpaqueTokens({ store, pepper: PEPPER, name, now }), UUID: createOpaqueTokens({ store, pepper: PEPPER, name: `${name}-uuid`, format: 'uuid', now }) }
  const oauth = await createOAuth(store, name)
  const documents = [{ id: 'a', permissions: ['read', 'write', 'download'] as const }]
  const config = BROWSER_PAYLOADS['config'] as EditorConfig // that is what it is

  const methods = Object.keys(BROWSER_PAYLOADS).filter((name) => /^(?:insertImage|set)/.test(name)).map((name): Kind => {
    const method = String(name.split(' ')[0]) as EditorMethodName // as they are called
    // Each is the parameter of the method that it is called by.
    return { name, make: async () => (await signatures.signMethod(method, BROWSER_PAYLOADS[name] as never)).token, opens: method === 'setHistoryData' ? ['config'] : [] }
  })
  const parameters: EditorRequestParameters = { command: { c: 'info', key: KEY }, converter: { filetype: 'docx', key: KEY, outputtype: 'pdf', url: `${ORIGIN}/file` }, docbuilder: { async: true, key: KEY, url: `${ORIGIN}/file` } }
  const services = ['command', 'converter', 'docbuilder'] as const
  const requests = services.flatMap((service) => [false, true].flatMap((operation): Kind[] => [
    { name: `${service} in a body, operation ${operation}`, make: async () => (await signatures.signRequest(service, parameters[service], { operation })).body.token, opens: [] },
    { name: `${service} in a header, operation ${operation}`, make: async () => String((await signatures.signRequest(service, parameters[service], { operation })).headers['authorization']).slice(7), opens: [] }
  ]))
  const kinds: Kind[] = [
    { name: 'session', make: async () => (await sessions.issue({ documents, subject: 'ada', credential: caller.record })).token, opens: ['session as bearer', 'session in a cookie', 'session to be ended'] },
    { name: 'token for a Document Engine', make: async () => (await sessions.issue({ profile: 'document-engine', document: 'a', permissions: ['read-document'] })).token, opens: [] },
    { name: 'API key', make: async () => (await credentials.create()).secret, opens: ['API key', 'key of who verifies'] },
    ...OPAQUE_FORMATS.map((format): Kind => ({ name: format, make: async () => (await opaque[format].issue({ json: POSTED, credential: caller.record })).token, opens: [`${format} at a guard`, `${format} at /verify`, `${format} to be ended`] })),
    { name: 'accessor of an opaque token', make: async () => (await opaque['opaque token'].issue({ json: POSTED, credential: caller.record })).accessor, opens: [] },
    { name: 'config', make: async () => (await signatures.signConfig(config)).token, opens: ['config'] },
    { name: 'refreshFile', make: async () => (await signatures.signMethod('refreshFile', config)).token, opens: ['config'] },
    ...methods,
    ...requests,
    ...oauth.kinds,
    { name: 'callback in a body', make: () => bodyToken(SAVE, {}, secrets.outbox), opens: ['callback in its body'] },
    { name: 'callback in a header', make: () => headerToken(SAVE, {}, secrets.outbox), opens: ['callback in its header'] },
    { name: 'download', make: () => headerToken({ url: `${ORIGIN}/file` }, {}, secrets.outbox), opens: ['download'] }
  ]
  return { signatures, sessions, credentials, caller, kinds, opaque, oauth }
}

async function guardsOf (t: Test, { signatures, sessions, credentials, caller, opaque, oauth }: Awaited<ReturnType<typeof createInstance>>) {
  let handled = 0
  const { app } = await buildHost(t, {
    register: async (scope) => {
      await scope.register(sessionIssuance, { sessions, credentials, limits: { address: false, failures: false } })
      await scope.register(configSigning, { signatures, routes: false })
      for (const format of OPAQUE_FORMATS) {
        await scope.register(async (inner) => {
          const prefix = pathOf(format)
          await inner.register(opaqueTokens, { tokens: opaque[format], credentials, verifiers: credentials, prefix, limits: { address: false, failures: false, unknown: false } })
          inner.get(`${prefix}/open`, { config: { public: true }, onRequest: inner.opaqueTokens.require() }, async () => 'text')
        })
      }
      for (const profile of PROFILES) {
        await scope.register(async (inner) => {
          await inner.register(clientCredentials, { tokens: oauth.access[profile], clients: oauth.registry, prefix: `/${profile}`, metadata: false, limits: { address: false, credential: false, failures: false } })
          inner.get(`/${profile}/open`, { config: { public: true }, onRequest: inner.accessTokens.require('api.read') }, async () => 'text')
        })
      }
      scope.get('/documents/:id', { onRequest: sessions.require('read', { param: 'id', cookie: 'session' }) }, async () => 'text')
      scope.post('/callback', signatures.requireCallback({ document: () => [KEY, 'a'], downloadOrigins: [DOCS, ORIGIN] }, () => { handled++ }))
      scope.get('/file', { onRequest: signatures.requireDownload({ origin: ORIGIN }) }, async () => 'bytes')
    }
  })
  const bearer = (token: string) => ({ authorization: `Bearer ${token}` })
  const statusOf = async (url: string, headers: Record<string, string>) => (await app.inject({ url, headers })).statusCode
  const isHandled = async (body: object, headers: Record<string, string>): Promise<boolean> => {
    const before = handled
    const { statusCode } = await post(app, '/callback', body, headers)
    // What was processed before is answered in the same way.
    return statusCode === 200 || handled > before
  }
  const ofOpaque = (format: OpaqueFormat): OpaqueGuards => ({
    [`${format} at a guard`]: async (token: string) => await statusOf(`${pathOf(format)}/open`, { 'x-api-token': token }) === 200,
    [`${format} at /verify`]: async (token: string) => await statusOf(`${pathOf(format)}/verify`, { 'x-api-token': token, 'x-api-key': caller.secret }) === 200,
    [`${format} to be ended`]: async (token: string) => (await post(app, `${pathOf(format)}/revoke`, '', { 'x-api-token': token, 'x-api-key': caller.secret })).statusCode === 204
  } as OpaqueGuards) // a name that was put together is any text to the compiler
  const ask = async (path: string, fields: Record<string, string>) => await app.inject({ method: 'POST', url: path, headers: { 'content-type': FORM }, payload: new URLSearchParams(fields).toString() })
  const grant = async (fields: Record<string, string>): Promise<boolean> => (await ask('/rfc9068/connect/token', { grant_type: 'client_credentials', ...fields })).statusCode === 200
  const { client: { id }, secret, bound, access } = oauth
  const ofProfile = (profile: Profile) => ({
    [`${profile} at a guard`]: async (token: string) => await statusOf(`/${profile}/open`, bearer(token)) === 200,
    [`${profile} to be told of`]: async (token: string) => (await ask(`/${profile}/connect/introspect`, { client_id: id, client_secret: secret, token })).json().active === true,
    [`${profile} to be ended`]: async (token: string) => await access[profile].revoke(token, id)
  } as Record<Extract<Guard, `${Profile} ${string}`>, (token: string) => Promise<boolean>>) // as above
  const { token: toVerify } = await opaque.UUID.issue({ json: POSTED, credential: caller.record })
  const guards: Record<Guard, (token: string) => Promise<boolean>> = {
    'session as bearer': async (token) => await statusOf('/documents/a', bearer(token)) === 200,
    'session in a cookie': async (token) => await statusOf('/documents/a', { cookie: `session=${token}`, 'sec-fetch-site': 'same-origin' }) === 200,
    'session to be ended': async (token) => (await post(app, '/viewer/sessions/revoke', { jwt: token }, bearer(caller.secret))).statusCode === 204,
    'API key': async (token) => (await post(app, '/viewer/sessions', {}, bearer(token))).statusCode === 201 || (await post(app, '/viewer/sessions', {}, { 'x-api-key': token })).statusCode === 201,
    'callback in its body': async (token) => await isHandled({ ...SAVE, token }, {}),
    'callback in its header': async (token) => await isHandled(SAVE, bearer(token)),
    download: async (token) => await statusOf('/file', bearer(token)) === 200,
    config: async (token) => (await signatures.verifyConfig(token)).accepted,
    'key of who verifies': async (token) => await statusOf(`${pathOf('UUID')}/verify`, { 'x-api-token': toVerify, 'x-api-key': token }) === 200 || await statusOf(`${pathOf('UUID')}/verify`, { 'x-api-token': toVerify, ...bearer(token) }) === 200,
    'client secret': async (token) => await grant({ client_id: id, client_secret: token }),
    'client assertion': async (token) => await grant({ client_assertion: token, client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer' }),
    'DPoP proof': async (token) => await statusOf('/rfc9068/open', { authorization: `DPoP ${bound}`, dpop: token }) === 200,
    ...ofProfile('rfc9068'),
    ...ofProfile('identityserver'),
    ...ofOpaque('opaque token'),
    ...ofOpaque('UUID')
  }
  return guards
}

const OTHER: Instance = { name: 'other', secrets: { inbox: 'Wm3Yt8Qz1Rk6Vb0Xp5Nc9Lj2Hg7Fd4Sa', outbox: 'Jd8Kf3Lz6Mx1Nv5Bq9Wr2Ty7Up4Ci0Eh' }, algorithm: 'ES256' }

const instances: Array<[name: string, own: Instance, other: Instance]> = [
  ['two secrets', { name: 'own', secrets: { inbox: INBOX, outbox: OUTBOX }, algorithm: 'ES256' }, OTHER],
  ['one secret for both sides', { name: 'own', secrets: { inbox: INBOX, outbox: INBOX }, algorithm: 'ES256' }, OTHER],
  ['sessions under HS256', { name: 'own', secrets: { inbox: INBOX, outbox: INBOX }, algorithm: 'HS256' }, { ...OTHER, algorithm: 'HS256' }],
  ['the secrets of another one, swapped', { name: 'own', secrets: { inbox: INBOX, outbox: OUTBOX }, algorithm: 'ES256' }, { ...OTHER, secrets: { inbox: OTHER.secrets.outbox, outbox: OTHER.secrets.inbox } }]
]

for (const [name, own, other] of instances) {
  inEveryHost(t, `each kind of token passes its own guard and no other: ${name}`, async (t) => {
    const store = createMemoryStore({ now })
    const instance = await createInstance(store, own)
    const guards = Object.entries(await guardsOf(t, instance))
    for (const { name, make, opens } of instance.kinds) {
      for (const [guard, admits] of guards) t.equal(await admits(await make()), opens.some((open) => open === guard), `${name} at ${guard}`)
    }
    for (const { name, make } of (await createInstance(store, other)).kinds) {
      for (const [guard, admits] of guards) t.equal(await admits(await make()), false, `${name} of another instance at ${guard}`)
    }
  })
}

inEveryHost(t, 'what a careless signer would let a browser have is no callback, though one secret serves both sides', async (t) => {
  const instance = await createInstance(createMemoryStore({ now }), { ...OTHER, secrets: { inbox: INBOX, outbox: INBOX } })
  const guards = await guardsOf(t, instance)
  const { status, users } = SAVE
  for (const [name, payload] of Object.entries(BROWSER_PAYLOADS)) {
    const members = { key: KEY, url: SAVE.url, ...payload, status, users }
    t.equal(await guards['callback in its body'](bodyToken(members, {}, INBOX)), false, name)
    t.equal(await guards['callback in its header'](headerToken(members, {}, INBOX)), false, `${name}, wrapped`)
  }
  t.equal(await guards['callback in its body'](bodyToken({ key: KEY, url: SAVE.url, status, users }, {}, INBOX)), true, 'as a callback would be')
})
