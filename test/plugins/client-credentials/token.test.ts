import t from 'tap'
import { type Client, type ClientInput } from '../../../lib/credentials/index.ts'
import { generateKey, type JsonWebKey, jwkThumbprint, type KeyAlgorithm } from '../../../lib/keys/index.ts'
import { importKey } from '../../../lib/keys/key-material.ts'
import { verifyJws } from '../../../lib/tokens/jws.ts'
import { inEveryHost } from '../../support/hosts.ts'
import { answer, basic, FORM, ISSUER, oauthHost, type OAuthHost, refused, ringOf } from '../../support/oauth-host.ts'
import { NOW, SECONDS } from '../../support/session-host.ts'
import { forge } from '../../support/tokens.ts'

/** The parts of a token, as text: the order of their members counts. */
function textsOf (token: string): string[] {
  return token.split('.').slice(0, 2).map((part) => Buffer.from(part, 'base64url').toString())
}

const claimsOf = (token: string): Record<string, unknown> => JSON.parse(String(textsOf(token)[1]))
const DAY = 86_400

/** Credentials of a further client, for a form. */
async function clientOf ({ registry }: OAuthHost, client: ClientInput): Promise<{ client_id: string, client_secret: string }> {
  const { record: { id }, secret = '' } = await registry.create(client)
  return { client_id: id, client_secret: secret }
}

const scopesOf = (read: number, write: number): string => [...Array<string>(read).fill('api.read'), ...Array<string>(write).fill('api.write')].join(' ')

inEveryHost(t, 'the request of the vendor\'s curl is answered as its documentation shows', async (t) => {
  const { app, post, credentials: { client_id: id, client_secret: secret }, keys } = await oauthHost(t)
  const reply = await post('/connect/token', `grant_type=client_credentials&client_id=${id}&client_secret=${secret}`, { accept: 'application/json', 'content-type': FORM })
  t.equal(reply.statusCode, 200)
  const token = String(reply.json().access_token)
  t.equal(reply.body, `{"access_token":"${token}","expires_in":86400,"token_type":"Bearer"}`, 'these members, in this order')
  t.strictSame(['content-type', 'cache-control', 'pragma', 'www-authenticate', 'retry-after'].map((name) => reply.headers[name]), ['application/json; charset=utf-8', 'no-store', 'no-cache', undefined, undefined])

  const key = keys.signing()
  const { jti } = claimsOf(token)
  t.strictSame(textsOf(token), [
    `{"alg":"ES256","typ":"at+jwt","kid":"${key.kid}"}`,
    `{"iss":"${ISSUER}","exp":${SECONDS + DAY},"aud":"${ISSUER}","sub":"${id}","client_id":"${id}","iat":${SECONDS},"jti":"${String(jti)}","scope":"api.read api.write","owner":"acme"}`
  ], 'RFC 9068, in this order')
  t.match(jti, /^01a3185c-5000-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/, 'a UUID of version 7, of this millisecond')
  t.equal(Buffer.from(verifyJws(token, key)).toString(), textsOf(token)[1])
  const other = String((await post('/connect/token', { grant_type: 'client_credentials', client_id: id, client_secret: secret })).json().access_token)
  t.not(claimsOf(other)['jti'], jti, 'two in one millisecond are two')
  t.equal((await app.inject({ url: '/read', headers: { authorization: `Bearer ${token}` } })).statusCode, 200, 'and it opens what is guarded')
})

inEveryHost(t, 'every asymmetric algorithm signs', async (t) => {
  const algorithms: readonly KeyAlgorithm[] = ['ES256', 'EdDSA', 'RS256', 'PS256']
  for (const algorithm of algorithms) {
    const { newToken, keys, read } = await oauthHost(t, { keys: await ringOf(algorithm) })
    const token = await newToken()
    t.strictSame(JSON.parse(String(textsOf(token)[0])), { alg: algorithm, typ: 'at+jwt', kid: keys.signing().kid })
    t.equal((await read(token)).statusCode, 200, algorithm)
  }
})

inEveryHost(t, 'the profile identityserver writes the members of the vendor\'s sample, then iat and jti', async (t) => {
  const { ask, id, read } = await oauthHost(t, { client: {}, keys: await ringOf('RS256'), flow: { profile: 'identityserver', resources: ['api.platform', 'api.products'] } })
  const reply = await ask()
  t.strictSame(Object.keys(reply.json()), ['access_token', 'expires_in', 'token_type'])
  const token = String(reply.json().access_token)
  const [header = '', claims = ''] = textsOf(token)
  t.match(header, /^\{"alg":"RS256","typ":"JWT","kid":"[\w-]{43}"\}$/)
  t.equal(claims, `{"nbf":${SECONDS},"exp":${SECONDS + DAY},"iss":"${ISSUER}","aud":["${ISSUER}","api.platform","api.products"],"client_id":"${id}","client_idSrvId":"","scope":["api.read","api.write"],"iat":${SECONDS},"jti":"${String(claimsOf(token)['jti'])}"}`)
  t.equal((await read(token)).statusCode, 200)
  t.equal(answer(await (await oauthHost(t)).read(token)).status, 401, 'no guard takes either profile')
})

inEveryHost(t, 'how long a token lives', async (t) => {
  const cases: Array<[name: string, flow: Record<string, unknown>, tokenLifetime: number | undefined, expected: number]> = [
    ['without a word', {}, undefined, DAY],
    ['as the flow says', { defaultLifetime: 600 }, undefined, 600],
    ['longer than a day', { defaultLifetime: 2 * DAY }, undefined, 2 * DAY],
    ['as the client\'s record says', { defaultLifetime: 600 }, 60, 60],
    ['longer than the flow\'s own', { defaultLifetime: 600 }, 1200, 1200],
    ['at most as long as the flow lets any', { maxLifetime: 300 }, 1200, 300],
    ['which is its own where that is less', { maxLifetime: 300 }, undefined, 300]
  ]
  for (const [name, flow, tokenLifetime, expected] of cases) {
    const { ask } = await oauthHost(t, { flow, client: { tokenLifetime } })
    const { access_token: token, expires_in: expiresIn } = (await ask()).json()
    t.strictSame([expiresIn, claimsOf(token)['exp']], [expected, SECONDS + expected], name)
  }
  const { clock, ask } = await oauthHost(t)
  clock.time = NOW + 999
  t.match(claimsOf((await ask()).json().access_token), { iat: SECONDS, exp: SECONDS + DAY }, 'whole seconds, and never longer than announced')
})

inEveryHost(t, 'scopes: what is asked for, or the client\'s own', async (t) => {
  const invalid = refused(400, 'invalid_scope')
  const cases: Array<[name: string, client: object, scope: string | undefined, expected: string | undefined | object]> = [
    ['none asked, none limited', {}, undefined, 'api.read api.write'],
    ['empty counts as omitted', {}, '', 'api.read api.write'],
    ['none asked, the client\'s', { scopes: ['api.write'] }, undefined, 'api.write'],
    ['none asked, its defaults', { scopes: ['api.write', 'api.read'], defaultScopes: ['api.read'] }, undefined, 'api.read'],
    ['more than its defaults', { defaultScopes: ['api.read'] }, 'api.write api.read', 'api.write api.read'],
    ['none asked, and of its scopes there is none any more', { scopes: ['gone'] }, undefined, undefined],
    ['one', {}, 'api.write', 'api.write'],
    ['in the order that was asked', {}, 'api.write api.read', 'api.write api.read'],
    ['each once', {}, 'api.read api.read', 'api.read'],
    ['unknown', {}, 'api.admin', invalid],
    ['one of them unknown', {}, 'api.read api.admin', invalid],
    ['not this client\'s', { scopes: ['api.read'] }, 'api.write', invalid],
    ['the client\'s, and none of the flow', { scopes: ['gone'] }, 'gone', invalid],
    ['other letters', {}, 'API.READ', invalid],
    ['two spaces', {}, 'api.read  api.write', invalid],
    ['a space in front', {}, ' api.read', invalid],
    ['a space behind', {}, 'api.read ', invalid],
    ['a space alone', {}, ' ', invalid],
    ['commas', {}, 'api.read,api.write', invalid],
    ...['"', '\\', '\t', '\n', '\r\nset-cookie: a=b', '\0', 'é', '\u00a0', '\x7f', '__proto__', 'constructor', 'toString', 'hasOwnProperty'].map((text): [string, object, string, object] => [JSON.stringify(text), {}, `api.read ${text}`, invalid]),
    ['300 characters', {}, scopesOf(29, 4), 'api.read api.write'],
    ['301 characters', {}, scopesOf(28, 5), invalid]
  ]
  const host = await oauthHost(t)
  for (const [name, client, scope, expected] of cases) {
    const reply = await host.ask({ ...await clientOf(host, client), ...(scope !== undefined && { scope }) })
    if (typeof expected === 'object') t.strictSame(answer(reply), expected, name)
    else t.strictSame([reply.statusCode, reply.json().scope, claimsOf(reply.json().access_token)['scope']], [200, undefined, expected], name)
  }
})

inEveryHost(t, 'grantScopes narrows, and then the answer says what is granted', async (t) => {
  const asked: Array<[readonly string[], Client]> = []
  let result: unknown
  const host = await oauthHost(t, {
    flow: {
      grantScopes: (scopes: readonly string[], client: Client) => {
        asked.push([scopes, client])
        return typeof result === 'function' ? result(scopes) : result
      }
    }
  })
  const grantedBy = async (next: unknown, fields: Record<string, string> = {}) => {
    result = next
    return await host.ask(fields)
  }
  const granted: Array<[name: string, result: unknown, fields: Record<string, string>, scope: string | undefined, claim: string]> = [
    ['all', (scopes: string[]) => scopes, {}, undefined, 'api.read api.write'],
    ['all, by a promise', async (scopes: string[]) => scopes, {}, undefined, 'api.read api.write'],
    ['all, in another order', ['api.write', 'api.read'], {}, undefined, 'api.read api.write'],
    ['one of the defaults', ['api.read'], {}, 'api.read', 'api.read'],
    ['one twice', ['api.read', 'api.read'], {}, 'api.read', 'api.read'],
    ['one of those asked for', async () => ['api.write'], { scope: 'api.read api.write' }, 'api.write', 'api.write'],
    ['the one asked for', ['api.write'], { scope: 'api.write' }, undefined, 'api.write'],
    ['one, taken from the list that it was given', (scopes: string[]) => { scopes.pop(); return scopes }, {}, 'api.read', 'api.read']
  ]
  for (const [name, result, fields, scope, claim] of granted) {
    const reply = await grantedBy(result, fields)
    t.strictSame([reply.statusCode, reply.json().scope, claimsOf(reply.json().access_token)['scope']], [200, scope, claim], name)
    if (scope !== undefined) t.strictSame(Object.keys(reply.json()), ['access_token', 'expires_in', 'token_type', 'scope'], 'in this order')
  }
  const nonsense = [[], undefined, null, true, 'api.read', { 0: 'api.read', length: 1 }, ['api.admin'], ['api.read', 'api.admin'], ['api.read', 1], new Array(1), new Set(['api.read']), (scopes: string[]) => { scopes.push('api.admin'); return scopes }]
  for (const result of nonsense) t.strictSame(answer(await grantedBy(result)), refused(400, 'invalid_scope'), String(JSON.stringify(result) ?? result))
  t.strictSame(answer(await grantedBy(['api.read', 'api.write'], { scope: 'api.read' })), refused(400, 'invalid_scope'), 'more than was asked for')
  for (const result of [() => { throw new Error('down') }, async () => { throw new TypeError('down') }]) {
    t.strictSame(answer(await grantedBy(result)), refused(503, 'temporarily_unavailable', { retryAfter: '1' }), 'a failure is an outage')
  }
  asked.length = 0
  const limited = await clientOf(host, { owner: 'acme', tokenLifetime: 60, label: 'a label' })
  await grantedBy(['api.read'], { ...limited, scope: 'api.read' })
  t.strictSame(asked, [[['api.read'], { id: limited.client_id, owner: 'acme', tokenLifetime: 60 }]], 'is told the client, and nothing secret of it')
  asked.length = 0
  await grantedBy(['api.read'], { scope: 'api.admin' })
  await grantedBy(['api.read'], await clientOf(host, { scopes: ['gone'] }))
  t.strictSame(asked, [], 'is not asked for what the client may not have')
})

inEveryHost(t, 'resources: what the token is for (RFC 8707)', async (t) => {
  const [files, mail] = ['https://files.example/v1', 'https://mail.example/?box=1']
  const host = await oauthHost(t, { flow: { resources: [files, mail, 'api.platform', `${files}#part`] } })
  const invalid = refused(400, 'invalid_target')
  const cases: Array<[name: string, client: ClientInput, resources: readonly string[], expected: string | readonly string[] | object]> = [
    ['none asked', {}, [], ISSUER],
    ['none asked, the client\'s first in the flow\'s order', { audiences: [mail, files] }, [], files],
    ['none asked, and it may have none', { audiences: ['https://gone.example'] }, [], invalid],
    ['empty counts as omitted', {}, [''], ISSUER],
    ['one', {}, [files], files],
    ['with a query', {}, [mail], mail],
    ['several', {}, [mail, files], [mail, files]],
    ['one twice', {}, [files, files], files],
    ['one, and one that is empty', {}, ['', files], files],
    ['its own issuer', {}, [ISSUER], ISSUER],
    ['not this client\'s', { audiences: [files] }, [mail], invalid],
    ['one of them not this client\'s', { audiences: [files] }, [files, mail], invalid],
    ['the client\'s, and none of the flow', { audiences: ['https://gone.example'] }, ['https://gone.example'], invalid],
    ...['https://other.example/', `${files}/`, `${files}#`, `${files}#part`, `${files}?a=1`, ` ${files}`, files.toUpperCase(), '/v1', 'files.example', '//files.example/v1', 'api.platform', 'https://', '__proto__', 'constructor', '\0', `${files} ${mail}`, `["${files}"]`]
      .map((resource): [string, object, string[], object] => [JSON.stringify(resource), {}, [resource], invalid]),
    ['a relative one behind a good one', {}, [files, '/v1'], invalid]
  ]
  for (const [name, client, resources, expected] of cases) {
    const { client_id: id, client_secret: secret } = await clientOf(host, client)
    const reply = await host.post('/connect/token', [['grant_type', 'client_credentials'], ['client_id', id], ['client_secret', secret], ...resources.map((resource): [string, string] => ['resource', resource])])
    if (expected === invalid) t.strictSame(answer(reply), invalid, name)
    else t.strictSame([reply.statusCode, claimsOf(reply.json().access_token)['aud']], [200, expected], name)
  }
})

inEveryHost(t, 'a proof of possession binds the token (RFC 9449)', async (t) => {
  const pair = importKey({ key: await generateKey('ES256') })
  const jwk = pair.verifyKey.export({ format: 'jwk' }) as JsonWebKey // of one module and the other
  let jti = 0
  const prove = (path = '/connect/token') => ({ dpop: forge({ typ: 'dpop+jwt', alg: 'ES256', jwk }, { htm: 'POST', htu: `${ISSUER}${path}`, iat: SECONDS, jti: `proof-${++jti}` }, pair) })
  const host = await oauthHost(t, { flow: { dpop: true, publicUrl: ISSUER, aliases: ['/oauth2/token'] } })
  const invalid = refused(400, 'invalid_dpop_proof')
  const reply = await host.ask({}, prove())
  const token = String(reply.json().access_token)
  t.equal(reply.body, `{"access_token":"${token}","expires_in":86400,"token_type":"DPoP"}`)
  t.strictSame(claimsOf(token)['cnf'], { jkt: jwkThumbprint(jwk) })
  t.match((await host.introspect(token)).json(), { active: true, token_type: 'DPoP', cnf: { jkt: jwkThumbprint(jwk) } })
  t.equal((await host.post('/oauth2/token', { grant_type: 'client_credentials', ...host.credentials }, prove('/oauth2/token'))).json().token_type, 'DPoP', 'at an alias')

  const strict = await clientOf(host, { requireDpop: true })
  t.strictSame(answer(await host.ask(strict)), invalid, 'a client that has to')
  t.equal((await host.ask(strict, prove())).json().token_type, 'DPoP')
  t.strictSame(answer(await host.ask({}, prove('/oauth2/token'))), invalid, 'for another path')
  t.strictSame(answer(await host.ask({}, { dpop: '' })), invalid, 'empty')
  const { dpop } = prove()
  t.strictSame(answer(await host.ask({}, { dpop: `${dpop}, ${dpop}` })), invalid, 'two in one line')

  const off = await oauthHost(t)
  t.equal((await off.ask({}, prove())).json().token_type, 'Bearer', 'where it is off nobody looks at proofs')
  t.strictSame(answer(await off.ask(await clientOf(off, { requireDpop: true }), prove())), invalid, 'and who has to bring one gets nothing')
})

inEveryHost(t, 'at its aliases too', async (t) => {
  const aliases = ['/v4.0/words/connect/token', '/v4.0/cells/connect/token', '/oauth2/token']
  const { post, credentials } = await oauthHost(t, { flow: { aliases } })
  const grant = { grant_type: 'client_credentials', ...credentials }
  for (const path of aliases) {
    t.strictSame(Object.keys((await post(path, grant)).json()), ['access_token', 'expires_in', 'token_type'], path)
    t.strictSame(answer(await post(path, { ...grant, client_secret: 'x' })), refused(400, 'invalid_client'))
    t.strictSame(answer(await post(path, grant, basic('x', 'y'))), refused(400, 'invalid_request'))
  }
  t.equal((await post('/oauth2/token/', grant)).statusCode, (await post('/connect/token/', grant)).statusCode, 'and nowhere else')
  t.equal((await (await oauthHost(t)).post('/oauth2/token', grant)).statusCode, 404, 'there is none without a word')
  const under = await oauthHost(t, { flow: { aliases: ['/oauth2/token'], prefix: '/api/v1' } })
  for (const path of ['/api/v1/connect/token', '/api/v1/oauth2/token']) t.equal((await under.post(path, { ...grant, ...under.credentials })).statusCode, 200, path)
  for (const path of ['/connect/token', '/oauth2/token']) t.equal((await under.post(path, grant)).statusCode, 404, path)
})
