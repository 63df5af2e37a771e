import t from 'tap'
import { uuidv7 } from '../../../lib/tokens/uuid.ts'
import { importKey } from '../../../lib/keys/key-material.ts'
import { generateKey } from '../../../lib/keys/index.ts'
import { inEveryHost } from '../../support/hosts.ts'
import { answer, basic, BASIC_CHALLENGE, ISSUER, oauthHost, refused, ringOf } from '../../support/oauth-host.ts'
import { NOW, SECONDS } from '../../support/session-host.ts'
import { encode, forge } from '../../support/tokens.ts'

const INACTIVE = '{"active":false}'
const API = 'https://api.example/v1'
const partsOf = (token: string): string[] => token.split('.')
const read = (part: string | undefined): Record<string, unknown> => JSON.parse(Buffer.from(String(part), 'base64url').toString())

inEveryHost(t, 'the client\'s own token, with all that stands in it, in this order', async (t) => {
  const { newToken, introspect, post, id, secret } = await oauthHost(t, { flow: { resources: [API, 'https://files.example'] } })
  const token = await newToken()
  const reply = await introspect(token)
  const jti = String(read(partsOf(token)[1])['jti'])
  t.equal(reply.body, `{"active":true,"iss":"${ISSUER}","sub":"${id}","aud":"${ISSUER}","client_id":"${id}","scope":"api.read api.write","token_type":"Bearer","exp":${SECONDS + 86_400},"iat":${SECONDS},"jti":"${jti}"}`)
  t.strictSame([reply.statusCode, reply.headers['content-type'], reply.headers['cache-control'], reply.headers['pragma']], [200, 'application/json; charset=utf-8', 'no-store', 'no-cache'])
  t.equal((await post('/connect/introspect', { token }, basic(id, secret))).body, reply.body, 'by HTTP Basic')
  for (const hint of ['access_token', 'refresh_token', 'x', '']) t.equal((await introspect(token, { token_type_hint: hint })).body, reply.body, `the hint ${hint}`)
  const several = (await post('/connect/token', [['grant_type', 'client_credentials'], ['client_id', id], ['client_secret', secret], ['resource', API], ['resource', 'https://files.example']])).json().access_token
  t.strictSame((await introspect(several)).json().aud, [API, 'https://files.example'], 'for several resources, and not for the guards here')
})

inEveryHost(t, 'a token without scopes, and one of the profile identityserver', async (t) => {
  const bare = await oauthHost(t, { client: { scopes: ['gone'] } })
  t.strictSame(Object.keys((await bare.introspect(await bare.newToken())).json()), ['active', 'iss', 'sub', 'aud', 'client_id', 'token_type', 'exp', 'iat', 'jti'])
  const { introspect, newToken, id } = await oauthHost(t, { flow: { profile: 'identityserver' } })
  t.match((await introspect(await newToken())).body, new RegExp(`^\\{"active":true,"iss":"${ISSUER}","aud":"${ISSUER}","client_id":"${id}","scope":"api.read api.write","token_type":"Bearer","exp":${SECONDS + 86_400},"iat":${SECONDS},"nbf":${SECONDS},"jti":"[0-9a-f-]{36}"\\}$`))
})

inEveryHost(t, 'strangers are told nothing, and who lists the audience is told', async (t) => {
  const host = await oauthHost(t, { flow: { resources: [API] } })
  const { newToken, introspect, registry, revoke } = host
  const callerOf = async (introspects?: string[]) => {
    const { record, secret = '' } = await registry.create({ owner: 'acme', introspects })
    return { client_id: record.id, client_secret: secret }
  }
  const [own, forApi] = [await newToken(), await newToken({ resource: API })]
  const callers: Array<[name: string, introspects: string[] | undefined, tells: [own: boolean, forApi: boolean]]> = [
    ['another client of the same owner', undefined, [false, false]],
    ['one that may introspect something else', ['https://other.example'], [false, false]],
    ['one in other letters', [API.toUpperCase(), `${ISSUER}/`], [false, false]],
    ['one of the first', [ISSUER], [true, false]],
    ['one of the second', [API], [false, true]],
    ['one of both', [API, ISSUER], [true, true]]
  ]
  for (const [name, introspects, [first, second]] of callers) {
    const caller = await callerOf(introspects)
    const bodies = [await introspect(own, caller), await introspect(forApi, caller)].map(({ body }) => body)
    t.strictSame(bodies.map((body) => body === INACTIVE), [!first, !second], name)
    if (first) t.equal(bodies[0], (await introspect(own)).body, 'as much as its own client')
    await revoke(own, caller)
  }
  t.equal((await introspect(own)).json().active, true, 'who may introspect a token may not end it')
})

inEveryHost(t, 'what is not good, for whatever reason, is inactive and nothing else', async (t) => {
  const host = await oauthHost(t, { flow: { defaultLifetime: 60 } })
  const { newToken, introspect, keys, id, registry, clock, tokens, revoke } = host
  const key = keys.signing()
  const good = await newToken()
  const [header, payload, signature] = partsOf(good)
  const claims = read(payload)
  const sign = (more: object = {}, head: object = {}, signer = key) => forge({ alg: 'ES256', typ: 'at+jwt', kid: key.kid, ...head }, { ...claims, ...more }, signer)
  const foreign = importKey({ key: await generateKey('ES256') })
  const revoked = await newToken()
  await revoke(revoked)
  const elsewhere = await oauthHost(t, { flow: { issuer: `${ISSUER}/two` }, store: host.store, keys })
  const ended = await registry.create()
  const before = (await host.ask({ client_id: ended.record.id, client_secret: String(ended.secret) })).json().access_token
  await tokens.revokeAll({ client: ended.record.id })
  t.equal((await introspect(sign())).json().active, true, 'what this table forges would be good')
  const cases: Array<[name: string, token: string]> = [
    ['with a real jti, forged (T26)', sign({}, {}, foreign)],
    ['with a real jti and another signature (T26)', `${header}.${payload}.${Buffer.alloc(64, 1).toString('base64url')}`],
    ['other claims under its signature', `${header}.${encode({ ...claims, scope: 'api.admin' })}.${signature}`],
    ['unsigned', `${encode({ alg: 'none', typ: 'at+jwt', kid: key.kid })}.${payload}.`],
    ['of another typ', sign({}, { typ: 'JWT' })],
    ['of another key\'s name', sign({}, { kid: '../../x' })],
    ['crit', sign({}, { crit: ['exp'] })],
    ['of another issuer', sign({ iss: `${ISSUER}/` })],
    ['of another issuer\'s', await elsewhere.newToken()],
    ['without aud', sign({ aud: undefined })],
    ['aud of another type', sign({ aud: 1 })],
    ['not yet', sign({ nbf: SECONDS + 1 })],
    ['expired', sign({ exp: SECONDS })],
    ['revoked', revoked],
    ['its client\'s all revoked, at the client', before],
    ['no JWT', 'x'],
    ['the client\'s secret', host.secret],
    ['two tokens', `${good} ${good}`],
    ['a space in front', ` ${good}`],
    ['without its last character', good.slice(0, -1)],
    ['long', `${good}${'x'.repeat(12_000)}`],
    ...['__proto__', 'constructor', 'toString', 'hasOwnProperty', '\0', 'é'].map((text): [string, string] => [`${text} (T28)`, text]),
    ['a jti alone', String(claims['jti'])],
    ['another jti', uuidv7(NOW)]
  ]
  for (const [name, token] of cases) {
    const { statusCode, body } = await introspect(token)
    t.strictSame([statusCode, body], [200, INACTIVE], name)
  }
  t.equal((await introspect(good)).json().active, true)
  clock.time = NOW + 59_999
  t.equal((await introspect(good)).json().active, true)
  clock.time = NOW + 60_000
  t.equal((await introspect(good)).body, INACTIVE, 'when it is over')
  t.equal(id, claims['client_id'])
})

inEveryHost(t, 'who does not show who it is gets 401 and a challenge, and learns nothing of a token', async (t) => {
  const { post, newToken, id, secret } = await oauthHost(t)
  const token = await newToken()
  const expected = refused(401, 'invalid_client', { challenge: BASIC_CHALLENGE })
  for (const url of ['/connect/introspect', '/connect/revocation']) {
    for (const [fields, headers] of [[{}, {}], [{ client_id: id }, {}], [{ client_id: id, client_secret: 'x' }, {}], [{}, basic(id, 'x')], [{}, { authorization: `Bearer ${token}` }]] as const) t.strictSame(answer(await post(url, { token, ...fields }, headers)), expected, url)
    for (const fields of [{}, { token: '' }]) t.strictSame(answer(await post(url, { client_id: id, client_secret: secret, ...fields } as Record<string, string>)), refused(400, 'invalid_request'), `${url}: no token`)
    t.strictSame(answer(await post(url, {})), expected, 'the client comes first')
    t.strictSame(answer(await post(url, { client_id: id, client_secret: secret, access_token: token })), refused(400, 'invalid_request'), 'a token by another name')
  }
})

inEveryHost(t, 'at another server with the same store and keys', async (t) => {
  const one = await oauthHost(t, { keys: await ringOf('RS256') })
  const two = await oauthHost(t, { keys: one.keys, store: one.store })
  const token = await one.newToken()
  t.equal((await two.introspect(token, one.credentials)).json().active, true)
  t.equal((await two.introspect(token)).body, INACTIVE, 'as another client')
  t.equal((await one.revoke(token)).statusCode, 200)
  t.equal((await two.introspect(token, one.credentials)).body, INACTIVE)
  t.equal((await two.read(token)).statusCode, 401)
})
