// What a stranger may put into a token, and what the guard makes of it.
import { createHmac } from 'node:crypto'
import t from 'tap'
import { createKeyRing, generateKey } from '../../../lib/keys/index.ts'
import { type RingKey } from '../../../lib/keys/key-ring.ts'
import { inEveryHost } from '../../support/hosts.ts'
import { answer, ISSUER, oauthHost, refused, ringOf } from '../../support/oauth-host.ts'
import { recordEvents } from '../../support/recorded-events.ts'
import { claimsOf, NOW, SECONDS } from '../../support/session-host.ts'
import { encode, forge } from '../../support/tokens.ts'

const METADATA = `resource_metadata="${ISSUER}/.well-known/oauth-protected-resource"`
const INVALID = refused(401, 'invalid_token', { challenge: `Bearer error="invalid_token", ${METADATA}` })

/** The sample of the vendor's documentation, which lacks `kid`, `iat` and `jti`, and was signed by the vendor. */
const SAMPLE = 'eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJuYmYiOjE1NjM4NjI3MDEsImV4cCI6MTU2Mzk0OTEwMSwiaXNzIjoiaHR0cHM6Ly9hcGkuYXNwb3NlLmNsb3VkIiwiYXVkIjpbImh0dHBzOi8vYXBpLmFzcG9zZS5jbG91ZC9yZXNvdXJjZXMiLCJhcGkucGxhdGZvcm0iLCJhcGkucHJvZHVjdHMiXSwiY2xpZW50X2lkIjoiQjAxQTE1RTUtMUI4My00QjlBLThFQjMtMEYyQkZBNkFDNzY2IiwiY2xpZW50X2lkU3J2SWQiOiIiLCJzY29wZSI6WyJhcGkucGxhdGZvcm0iLCJhcGkucHJvZHVjdHMiXX0.EEEDV53yzJ48DE-NFrBa54HXLR9AHBPh9iRTEU9rH3F6uPQ2JwBrUN-DLmOKFmYCd14rj2JDyM36WE00YNrH6ZCyC8ce4ogc0JXupvUDC0aeFqUr2MFcxNhijPbi2uCC8jbXbT_Lj-cL7SScX9-e9WYbrk4VVlfw6hlP9U12nPH7TzpiG3NvBOPyK4mQNsrCcAe5O_ebkvjoSEx6u2VuEQNAFA5sJBzaeRoVG1IIhZ_rAE5BDzRLD67wQun34T3nBvi-ojW-5Ee3hXpeaqzdpzo_J5PUvBHaTbeQoK5b7_4YpCGXeV1Q6YtCZajGwIqUwiTx02Ubw1Kk2JBuiV1qEg'

inEveryHost(t, 'refuses a token', async (t) => {
  const { app, tokens, id, keys, clock } = await oauthHost(t, { flow: { resources: ['https://other.example'] } })
  const client = { id, owner: 'acme' }
  const good = (await tokens.issue({ client })).token
  const [header, payload, signature] = good.split('.') as [string, string, string]
  const key = keys.signing()
  const HEADER = { alg: 'ES256', typ: 'at+jwt', kid: key.kid }
  const claims = claimsOf(good)
  const ended = (await tokens.issue({ client, expiresIn: 1 })).token
  const elsewhere = (await tokens.issue({ client, audiences: ['https://other.example'] })).token
  const revoked = (await tokens.issue({ client })).token
  await tokens.revoke(revoked)
  const other = createKeyRing([{ key: await generateKey('ES256') }]).signing()
  const hmac = (text: string, secret: string | Buffer) => `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`
  const spki = String(key.verifyKey.export({ type: 'spki', format: 'pem' }))
  const der = key.verifyKey.export({ type: 'spki', format: 'der' })
  const jwk = key.verifyKey.export({ format: 'jwk' })
  const confused = `${encode({ ...HEADER, alg: 'HS256' })}.${payload}`
  clock.time = NOW + 1000

  const ask = (token: string) => app.inject({ url: '/read', headers: { authorization: `Bearer ${token}` } })
  const forged = (more: object, headerMore: object = {}, by: RingKey = key) => forge({ ...HEADER, ...headerMore }, { ...claims, ...more }, by)
  const without = (member: string) => forge(HEADER, Object.fromEntries(Object.entries(claims).filter(([name]) => name !== member)), key)
  const words = (text: string) => ({ description: text })

  const passing: Array<[name: string, token: string]> = [
    ['as it is: what the tables change is all that is wrong', forged({})],
    ['the type with its prefix', forged({}, { typ: 'application/at+jwt' })],
    ['the type in capitals', forged({}, { typ: 'AT+JWT' })],
    ['audiences as list', forged({ aud: ['https://other.example', claims['aud']] })],
    ['fractions of seconds', forged({ exp: SECONDS + 60.5, iat: SECONDS - 0.5 })],
    ['other members of the header', forged({}, { cty: 'x', jku: 'https://evil.test/jwks', x5u: 'https://evil.test/x5u', jwk: other.verifyKey.export({ format: 'jwk' }) })],
    ['claims of the issuer\'s own', forged({ roles: ['a'], auth_time: 'x' })],
    ['not before this second', forged({ nbf: SECONDS + 1 })],
    ['without a subject\'s being the client', forged({ sub: 'somebody' })]
  ]
  for (const [name, token] of passing) t.equal((await ask(token)).statusCode, 200, name)

  const cases: Array<{ name: string, token: string, description?: string }> = [
    { name: 'an empty token', token: '' },
    { name: 'two tokens', token: `${good} ${good}` },
    { name: 'two tokens with a comma', token: `${good}, Bearer ${good}` },
    { name: 'a token in quotes', token: `"${good}"` },
    { name: 'one segment', token: 'abc' },
    { name: 'two segments', token: `${header}.${payload}` },
    { name: 'four segments', token: `${good}.x` },
    { name: 'five segments (T15)', token: `${good}.x.y` },
    { name: 'empty segments', token: '..' },
    { name: 'no signature', token: `${header}.${payload}.` },
    { name: 'a signature cut', token: good.slice(0, -4) },
    { name: 'another signature', token: `${header}.${payload}.${Buffer.alloc(64, 7).toString('base64url')}` },
    { name: 'a signature of zeros', token: `${header}.${payload}.${Buffer.alloc(64).toString('base64url')}` },
    { name: 'the signature of another token (T31)', token: `${header}.${payload}.${revoked.split('.')[2]}` },
    { name: 'the claims of another token (T6)', token: `${header}.${revoked.split('.')[1]}.${signature}` },
    { name: 'expired', token: ended, ...words('Token has expired') },
    { name: 'expired and forged: not said', token: `${ended.slice(0, -8)}AAAAAAAA` },
    { name: 'ended early', token: revoked, ...words('Token has been revoked') },
    { name: 'ended early and forged: not said (T26)', token: `${revoked.slice(0, -8)}AAAAAAAA` },
    { name: 'for another resource', token: elsewhere },
    { name: 'not yet valid', token: forged({ nbf: SECONDS + 2 }) },
    { name: 'not yet valid by a fraction', token: forged({ nbf: SECONDS + 1.001 }) },
    { name: 'of another key', token: forged({}, {}, other) },
    { name: 'of another key, with its kid (T3)', token: forged({}, { kid: other.kid }, other) },
    { name: 'without kid (T3)', token: forged({}, { kid: undefined }) },
    ...['', null, 1, [key.kid], `${key.kid} `, key.kid.toUpperCase()].map((kid) => ({ name: `kid ${JSON.stringify(kid)} (T3)`, token: forged({}, { kid }) })),
    ...['../../etc/passwd', '\'; DROP TABLE keys; --', '"', '__proto__', 'constructor', 'toString', 'hasOwnProperty', 'x'.repeat(10_000)].map((kid) => ({ name: `kid ${kid.slice(0, 24)} (T14, T28)`, token: forged({}, { kid }) })),
    { name: 'jku, x5u, jwk of the attacker (T14)', token: forged({}, { kid: 'x', jku: 'https://evil.test/jwks', x5u: 'https://evil.test/x5u', jwk: other.verifyKey.export({ format: 'jwk' }) }, other) },
    ...['none', 'None', 'NONE', 'nOnE', 'none '].flatMap((alg) => [
      { name: `alg ${alg} (T13)`, token: `${encode({ ...HEADER, alg })}.${payload}.${signature}` },
      { name: `alg ${alg} without signature (T13)`, token: `${encode({ ...HEADER, alg })}.${payload}.` }
    ]),
    ...['RS256', 'HS256', 'ES384', 'es256', 'PS256', 'EdDSA', '', 'constructor', undefined, null, ['ES256']].map((alg) => ({ name: `alg ${JSON.stringify(alg)} (T16)`, token: forged({}, { alg }) })),
    ...Object.entries({
      'our public PEM': spki, 'PEM and CRLF': spki.replaceAll('\n', '\r\n'), 'PEM and BOM': `\ufeff${spki}`, 'a leading space': ` ${spki}`, 'PEM in lower case': spki.toLowerCase(), 'PEM trimmed': spki.trim(), 'raw DER': der, 'base64 of DER': der.toString('base64'), 'an empty secret': ''
    }).map(([name, secret]) => ({ name: `HS256 with ${name} (T1, T32)`, token: hmac(confused, secret) })),
    { name: 'HS256 with the JWK (T2)', token: hmac(confused, JSON.stringify(jwk)) },
    { name: 'HS256 with the JWKS (T2)', token: hmac(confused, JSON.stringify({ keys: [jwk] })) },
    { name: 'HS256 with our JWKS as it is served (T2)', token: hmac(confused, JSON.stringify(tokens.jwks())) },
    ...[[], ['exp'], ['b64'], '', 0, null, false, {}, 'exp'].map((crit) => ({ name: `crit ${JSON.stringify(crit)} (T5)`, token: forged({}, { crit }) })),
    ...[true, false].map((b64) => ({ name: `b64 ${b64} (T5)`, token: forged({}, { b64 }) })),
    { name: 'zip (T15)', token: forged({}, { zip: 'DEF' }) },
    // T30: tokens of every other kind under the right key
    ...['JWT', 'jwt', 'document-session+jwt', 'dpop+jwt', 'client-authentication+jwt', 'application/application/at+jwt', 'at+jwt ', 'text/at+jwt', 'application/', '', undefined, null, ['at+jwt']].map((typ) => ({ name: `typ ${JSON.stringify(typ)} (T30)`, token: forged({}, { typ }) })),
    { name: 'the other profile\'s claims (T30)', token: forged({ scope: ['api.read'], aud: [ISSUER] }) },
    ...['https://evil.test', `${ISSUER}/`, `${ISSUER}/other`, ISSUER.toUpperCase()].map((iss) => ({ name: `issuer ${iss}`, token: forged({ iss }) })),
    ...['https://evil.test', `${ISSUER}/`, [], [`${ISSUER}/other`], ['']].map((aud) => ({ name: `audience ${JSON.stringify(aud)}`, token: forged({ aud }) })),
    ...['iss', 'aud', 'exp', 'iat', 'jti', 'sub', 'client_id'].map((member) => ({ name: `without ${member}`, token: without(member) })),
    ...['iss', 'sub', 'jti', 'client_id', 'owner'].flatMap((member) => [1, null, {}, ['x'], true, ''].map((value) => ({ name: `${member} ${JSON.stringify(value)} (T12)`, token: forged({ [member]: value }) }))),
    ...[1, null, {}, [1], true, [[ISSUER]], [ISSUER, null]].map((aud) => ({ name: `aud ${JSON.stringify(aud)} (T12)`, token: forged({ aud }) })),
    ...['exp', 'iat', 'nbf'].flatMap((member) => [String(SECONDS + 60), null, {}, [SECONDS + 60], true, -1, 1e15].map((value) => ({ name: `${member} ${JSON.stringify(value)} (T12)`, token: forged({ [member]: value }) }))),
    { name: 'exp 1e999 (T12)', token: forge(HEADER, JSON.stringify(claims).replace(/"exp":\d+/, '"exp":1e999'), key) },
    ...[1, null, {}, ['api.read'], true].map((scope) => ({ name: `scope ${JSON.stringify(scope)} (T12)`, token: forged({ scope }) })),
    ...[1, null, [], 'x', true, { jkt: 1 }, { jkt: '' }, { jkt: 'x' }].map((cnf) => ({ name: `cnf ${JSON.stringify(cnf)} (T12)`, token: forged({ cnf }) })),
    // What it is bound to cannot be checked here, so it must not pass as if it were bound to nothing: RFC 8705, section 3.
    ...[{}, { 'x5t#S256': 'A'.repeat(43) }, { jwk }, { kid: 'x' }].map((cnf) => ({ name: `bound to something else: ${JSON.stringify(cnf).slice(0, 20)}`, token: forged({ cnf }) })),
    ...[[], 'text', 1, null, true, [claims]].map((value) => ({ name: `payload ${JSON.stringify(value).slice(0, 9)} (T9)`, token: forge(HEADER, JSON.stringify(value), key) })),
    { name: 'payload not JSON (T9)', token: forge(HEADER, '{', key) },
    { name: 'payload not UTF-8 (T9)', token: forge(HEADER, Buffer.from('ff', 'hex'), key) },
    { name: 'header a list', token: forge('[]', claims, key) },
    { name: 'header with a member twice', token: forge(JSON.stringify(HEADER).replace('{', '{"alg":"none",'), claims, key) },
    ...['=', '+', '/', '=='].flatMap((tail) => [
      { name: `${tail} in the header (T11)`, token: `${header}${tail}.${payload}.${signature}` },
      { name: `${tail} in the payload (T11)`, token: `${header}.${payload}${tail}.${signature}` },
      { name: `${tail} in the signature (T11)`, token: `${header}.${payload}.${signature}${tail}` }
    ]),
    ...[`${header} .${payload}.${signature}`, `${header}.${payload} .${signature}`, `${header}.\t${payload}.${signature}`].map((token, index) => ({ name: `white space ${index} (T11)`, token })),
    { name: 'a signed claim of 100 kB (T8)', token: forged({ sub: 'x'.repeat(100_000) }) },
    { name: 'the sample of the vendor\'s documentation (T32)', token: SAMPLE },
    { name: 'the sample, signed anew with an empty secret (T32)', token: hmac(`${encode({ alg: 'HS256', typ: 'JWT' })}.${SAMPLE.split('.')[1]}`, '') }
  ]
  for (const { name, token, description = 'Invalid token' } of cases) {
    const reply = await ask(token)
    t.strictSame({ ...answer(reply), body: reply.json() }, { ...INVALID, body: { error: 'invalid_token', error_description: description } }, name)
    t.notOk(`${reply.body}${JSON.stringify(reply.headers)}`.includes(good.slice(0, 20)), `${name}: never echoes a token`)
  }
})

inEveryHost(t, 'the spelling of a signature: none escapes revocation (T11b)', async (t) => {
  const { tokens, read, id } = await oauthHost(t, { keys: await ringOf('RS256') })
  const { token } = await tokens.issue({ client: { id } })
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  const spellings = [...alphabet].map((character) => token.slice(0, -1) + character)
  const statuses = await Promise.all(spellings.map(async (spelling) => (await read(spelling)).statusCode))
  t.strictSame(statuses.filter((status) => status === 200).length, 1, 'of all the spellings of one signature, one is read')
  t.equal(await tokens.revoke(token), true)
  for (const spelling of spellings) t.equal((await read(spelling)).statusCode, 401)
})

inEveryHost(t, 'a token of 1 MB is refused fast, and so is what is no text (T8)', async (t) => {
  const { tokens, id } = await oauthHost(t)
  const { token } = await tokens.issue({ client: { id } })
  const [header, payload, signature] = token.split('.') as [string, string, string]
  const huge = 'A'.repeat(1_000_000)
  for (const text of [huge, `${huge}.${payload}.${signature}`, `${header}.${huge}.${signature}`, `${header}.${payload}.${huge}`, '.'.repeat(1_000_000), `${'.'.repeat(16_384)}.`]) {
    await t.rejects(tokens.verify(text), { code: 'FDT_INVALID_TOKEN' })
  }
  for (const text of [undefined, null, 1, {}, [token]]) await t.rejects(tokens.verify(text as never), { code: 'FDT_INVALID_TOKEN' })
})

inEveryHost(t, 'time is exact, with a tolerance for clocks and without', async (t) => {
  for (const clockTolerance of [0, 5]) {
    const { tokens, id, read, clock, keys } = await oauthHost(t, { flow: { clockTolerance } })
    const { token, expiresAt } = await tokens.issue({ client: { id }, expiresIn: 120 })
    const { kid } = keys.signing()
    const early = forge({ alg: 'ES256', typ: 'at+jwt', kid }, { ...claimsOf(token), nbf: SECONDS + 60 }, keys.signing())
    const at = async (presented: string, time: number) => { clock.time = time; return (await read(presented)).statusCode }
    const more = clockTolerance * 1000
    t.equal(await at(early, NOW + 59_999 - more), 401)
    t.equal(await at(early, NOW + 60_000 - more), 200)
    t.equal(await at(token, expiresAt * 1000 + more - 1), 200)
    t.equal(await at(token, expiresAt * 1000 + more), 401, 'exp is strictly in the future: RFC 7519, section 4.1.4')
    clock.time = expiresAt * 1000 + more - 1
    await tokens.revoke(token)
    t.equal((await read(token)).json().error_description, 'Token has been revoked', 'a revocation lasts through the tolerance')
  }
})

inEveryHost(t, 'the same token, ten times: the same answer, and nobody\'s change shows (T6, T7)', async (t) => {
  for (const cacheBytes of [0, 1500, 8 * 1024 * 1024]) {
    const { app, scope, tokens, id } = await oauthHost(t, { flow: { cacheBytes } })
    scope.get('/mutate', { onRequest: tokens.require({ anyScope: true }) }, async ({ accessToken }) => {
      const token = accessToken as unknown as { client: string, scopes: string[], audiences: string[], claims: { scope: string, roles?: string } }
      const attempts = [
        () => { token.client = 'mallory' },
        () => { token.scopes.push('api.write') },
        () => { token.audiences[0] = 'x' },
        () => { token.claims.scope = 'api.write' },
        () => { token.claims.roles = 'admin' }
      ]
      return attempts.map((attempt) => { try { attempt(); return 'changed' } catch { return 'frozen' } })
    })
    const [first, second] = await Promise.all(['jane', 'john'].map(async (owner) => (await tokens.issue({ client: { id, owner }, scopes: ['api.read'] })).token))
    const get = (url: string, token: string | undefined) => app.inject({ url, headers: { authorization: `Bearer ${token}` } })
    for (let index = 0; index < 10; index++) {
      t.strictSame((await get('/mutate', first)).json(), ['frozen', 'frozen', 'frozen', 'frozen', 'frozen'])
      t.match((await get('/read', first)).json(), { owner: 'jane', scopes: ['api.read'] })
      t.match((await get('/read', second)).json(), { owner: 'john', scopes: ['api.read'] })
      t.equal((await app.inject({ method: 'POST', url: '/write', headers: { authorization: `Bearer ${first}` } })).statusCode, 403)
    }
  }
})

inEveryHost(t, 'keys come and go while the app runs (T6)', async (t) => {
  const keys = createKeyRing([{ key: await generateKey('ES256'), kid: 'one' }])
  const { tokens, id, read } = await oauthHost(t, { keys })
  const issue = async () => (await tokens.issue({ client: { id } })).token
  const before = await issue()
  t.equal((await read(before)).statusCode, 200)
  keys.add({ key: await generateKey('EdDSA'), kid: 'two' }, { sign: true })
  const after = await issue()
  t.equal((await read(after)).statusCode, 200, 'a new key signs and verifies at once')
  t.equal((await read(before)).statusCode, 200, 'the old one still verifies')

  keys.remove('one')
  t.strictSame(answer(await read(before)), INVALID, 'a removed key stops at once, whatever was verified before')
  t.equal(await tokens.introspect(before, { id }), undefined)
  t.equal(await tokens.revoke(before), false)
  keys.add({ key: await generateKey('ES256'), kid: 'one' })
  t.strictSame(answer(await read(before)), INVALID, 'nor does another key of its name take its tokens')
  t.equal((await read(after)).statusCode, 200)
})

inEveryHost(t, 'who is told of a refusal: its holder, where the signature is right', async (t) => {
  const { tokens, id, read, app, clock, keys } = await oauthHost(t)
  const client = { id, owner: 'acme' }
  const narrow = await tokens.issue({ client, scopes: ['api.write'] })
  const ended = await tokens.issue({ client, expiresIn: 60 })
  const revoked = await tokens.issue({ client })
  await tokens.revoke(revoked)
  const stranger = forge({ alg: 'ES256', typ: 'at+jwt', kid: keys.signing().kid }, { ...claimsOf(narrow.token), aud: 'x' }, keys.signing())
  clock.time = NOW + 60_000
  const events = recordEvents(t)
  const cases: Array<[token: string, expected: object]> = [
    [narrow.token, { code: 'FDT_INSUFFICIENT_SCOPE', status: 403, id: narrow.jti, credential: id, subject: id, owner: 'acme' }],
    [ended.token, { code: 'FDT_TOKEN_EXPIRED', status: 401, id: ended.jti, credential: id }],
    [revoked.token, { code: 'FDT_TOKEN_REVOKED', status: 401, id: revoked.jti, credential: id }],
    [stranger, { code: 'FDT_INVALID_TOKEN', status: 401, id: narrow.jti, credential: id }],
    [`${revoked.token.slice(0, -8)}AAAAAAAA`, { code: 'FDT_INVALID_TOKEN', status: 401, id: undefined, credential: undefined, owner: undefined }],
    ['', { code: 'FDT_INVALID_TOKEN', status: 401, id: undefined, credential: undefined }]
  ]
  for (const [token, expected] of cases) {
    await read(token)
    t.match(events(), [['refused', { flow: 'client-credentials', name: 'default', route: 'GET /read', time: clock.time, ...expected }]])
  }
  await app.inject('/read')
  t.match(events(), [['refused', { code: 'FDT_MISSING_TOKEN', id: undefined }]])
})
