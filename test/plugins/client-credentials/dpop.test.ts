import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { digest } from '../../../lib/digest.ts'
import { generateKey } from '../../../lib/keys/index.ts'
import { jwkThumbprint } from '../../../lib/keys/jwks.ts'
import { importKey } from '../../../lib/keys/key-material.ts'
import { type JsonWebKey, type KeyAlgorithm } from '../../../lib/keys/key-ring.ts'
import { createMemoryStore } from '../../../lib/stores/memory.ts'
import { faultyStore } from '../../support/faulty-store.ts'
import { inEveryHost } from '../../support/hosts.ts'
import { answer, ISSUER, oauthHost, type OAuthHostOptions, refused } from '../../support/oauth-host.ts'
import { lastAnswer, sendRaw } from '../../support/raw-connection.ts'
import { claimsOf, NOW, SECONDS } from '../../support/session-host.ts'
import { forge } from '../../support/tokens.ts'

const PUBLIC_URL = 'https://api.example'
const METADATA = `resource_metadata="${ISSUER}/.well-known/oauth-protected-resource"`
const ALGS = 'algs="ES256 EdDSA RS256 PS256"'
const both = (error: string) => `Bearer error="${error}", ${METADATA}, DPoP ${ALGS}, error="${error}", ${METADATA}`
const INVALID = refused(401, 'invalid_token', { challenge: both('invalid_token') })
const BAD_PROOF = refused(401, 'invalid_dpop_proof', { challenge: `DPoP ${ALGS}, error="invalid_dpop_proof", ${METADATA}` })
const NONCE = refused(401, 'use_dpop_nonce', { challenge: `DPoP ${ALGS}, error="use_dpop_nonce", ${METADATA}` })

/** A key of a client's, and what it proves with it. */
async function newProver (algorithm: KeyAlgorithm = 'ES256') {
  const key = importKey({ key: await generateKey(algorithm) })
  const jwk = key.verifyKey.export({ format: 'jwk' }) as JsonWebKey // of one module and the other
  const prove = (claims: Record<string, unknown> = {}, header: Record<string, unknown> = {}): string => forge({ typ: 'dpop+jwt', alg: key.algorithm, jwk, ...header }, { htm: 'GET', htu: `${PUBLIC_URL}/read`, iat: SECONDS, jti: randomUUID(), ...claims }, key)
  return { jkt: jwkThumbprint(jwk), prove }
}

/** A host that takes proofs, a token that is bound to a key, and a request with both. */
async function dpopHost (t: Test, { flow, ...options }: OAuthHostOptions = {}) {
  const host = await oauthHost(t, { ...options, flow: { publicUrl: PUBLIC_URL, dpop: true, ...flow } })
  const prover = await newProver()
  const client = { id: host.id }
  const { token } = await host.tokens.issue({ client, jkt: prover.jkt })
  const prove = (claims: Record<string, unknown> = {}, header?: Record<string, unknown>) => prover.prove({ ath: digest(token), ...claims }, header)
  const read = (proof: string | undefined, { authorization = `DPoP ${token}`, url = '/read', ...headers }: Record<string, string> = {}) => host.app.inject({ url, headers: { authorization, ...(proof !== undefined && { dpop: proof }), ...headers } })
  const proveAtToken = (claims: Record<string, unknown> = {}, header?: Record<string, unknown>) => prover.prove({ htm: 'POST', htu: `${PUBLIC_URL}/connect/token`, ...claims }, header)
  return { ...host, prover, client, token, prove, readWith: read, proveAtToken }
}

inEveryHost(t, 'at the token endpoint: a token that is bound to the key', async (t) => {
  const { ask, prover, proveAtToken, introspect, app } = await dpopHost(t)
  const reply = await ask({}, { dpop: proveAtToken() })
  t.strictSame(Object.keys(reply.json()), ['access_token', 'expires_in', 'token_type'])
  const { access_token: token, token_type: type } = reply.json()
  t.equal(type, 'DPoP')
  t.strictSame(claimsOf(token)['cnf'], { jkt: prover.jkt })
  t.match((await introspect(token)).json(), { active: true, token_type: 'DPoP', cnf: { jkt: prover.jkt } })
  const guarded = await app.inject({ url: '/read', headers: { authorization: `dpop ${token}`, dpop: prover.prove({ ath: digest(token) }) } })
  t.strictSame([guarded.statusCode, guarded.json().jkt], [200, prover.jkt])

  const plain = await ask()
  t.equal(plain.json().token_type, 'Bearer')
  t.notOk('cnf' in claimsOf(plain.json().access_token))
  t.notMatch((await introspect(plain.json().access_token)).json(), { cnf: {} })
})

inEveryHost(t, 'at the token endpoint: a proof that is none', async (t) => {
  const { ask, proveAtToken, prover } = await dpopHost(t, { flow: { aliases: ['/oauth2/token'] } })
  const used = proveAtToken()
  t.equal((await ask({}, { dpop: used })).statusCode, 200)
  const cases: Array<[name: string, proof: string]> = [
    ['empty', ''], ['no JWT', 'x'], ['replayed', used],
    ['of a guard', prover.prove()],
    ['another method', proveAtToken({ htm: 'GET' })],
    ['another path', proveAtToken({ htu: `${PUBLIC_URL}/oauth2/token` })],
    ['another host', proveAtToken({ htu: `${ISSUER}/connect/token` })],
    ['old', proveAtToken({ iat: SECONDS - 61 })], ['ahead', proveAtToken({ iat: SECONDS + 61 })],
    ['without jti', proveAtToken({ jti: undefined })],
    ['an access token', (await newProver()).prove({}, { typ: 'at+jwt' })]
  ]
  for (const [name, dpop] of cases) {
    const reply = await ask({}, { dpop, host: 'api.example' })
    t.strictSame(answer(reply), refused(400, 'invalid_dpop_proof'), name)
    t.notOk('dpop-nonce' in reply.headers)
  }
  t.equal((await ask({ client_secret: 'x' }, { dpop: '' })).json().error, 'invalid_client', 'who is nobody is told nothing of a proof')
})

inEveryHost(t, 'at the token endpoint: a client that has to, and an alias', async (t) => {
  const required = await dpopHost(t, { client: { requireDpop: true }, flow: { aliases: ['/oauth2/token'] } })
  t.strictSame(answer(await required.ask()), refused(400, 'invalid_dpop_proof'))
  t.equal((await required.ask({}, { dpop: required.proveAtToken() })).json().token_type, 'DPoP')
  const fields = { grant_type: 'client_credentials', ...required.credentials }
  t.equal((await required.post('/oauth2/token', fields, { dpop: required.proveAtToken({ htu: `${PUBLIC_URL}/oauth2/token` }) })).json().token_type, 'DPoP')

  const off = await oauthHost(t, { client: { requireDpop: true } })
  t.strictSame(answer(await off.ask({}, { dpop: required.proveAtToken() })), refused(400, 'invalid_dpop_proof'), 'where DPoP is off, it gets none')
  const ignored = await oauthHost(t)
  t.equal((await ignored.ask({}, { dpop: 'x' })).json().token_type, 'Bearer', 'and what others send is ignored')
})

inEveryHost(t, 'at a guard', async (t) => {
  const { app, tokens, client, token, prove, prover, readWith, clock } = await dpopHost(t)
  const stranger = await newProver()
  const unbound = (await tokens.issue({ client })).token
  const theirs = (await tokens.issue({ client, jkt: stranger.jkt })).token
  const used = prove()
  t.match((await readWith(used)).json(), { jkt: prover.jkt })
  const good: Array<[name: string, proof: string, headers?: Record<string, string>]> = [
    ['whatever Host says', prove(), { host: 'evil.test', 'x-forwarded-host': 'evil.test', 'x-forwarded-proto': 'http' }],
    ['the scheme in any case', prove(), { authorization: `dPoP ${token}` }],
    ['a query, which counts in neither', prove({ htu: `${PUBLIC_URL}/read?a=1#b` }), { url: '/read?b=2' }],
    ['the host in capitals, the port said', prove({ htu: 'HTTPS://API.EXAMPLE:443/read' })],
    ['a minute ago', prove({ iat: SECONDS - 60 })], ['a minute ahead', prove({ iat: SECONDS + 60 })],
    ['a jti', prove({ jti: 'a' })],
    ['the jti of another key', stranger.prove({ jti: 'a', ath: digest(theirs) }), { authorization: `DPoP ${theirs}` }]
  ]
  for (const [name, proof, headers] of good) t.equal((await readWith(proof, headers)).statusCode, 200, name)
  const head = await app.inject({ method: 'HEAD', url: '/read', headers: { authorization: `DPoP ${token}`, dpop: prove({ htm: 'HEAD' }) } })
  t.equal(head.statusCode, 200)

  const plain = { authorization: `Bearer ${unbound}` }
  t.equal((await readWith(undefined, plain)).statusCode, 200)
  t.equal((await readWith('x', plain)).statusCode, 200, 'a token that is bound to nothing needs no proof')
  const cases: Array<{ name: string, proof?: string | undefined, headers?: Record<string, string>, expected?: object }> = [
    { name: 'no token', headers: { authorization: '' }, expected: refused(401, 'invalid_token', { challenge: `Bearer ${METADATA}, DPoP ${ALGS}, ${METADATA}` }) },
    { name: 'no proof', proof: undefined },
    { name: 'an empty proof', proof: '' },
    { name: 'no JWT', proof: 'x.y.z' },
    { name: 'replayed', proof: used },
    { name: 'another method', proof: prove({ htm: 'POST' }) },
    { name: 'a method in lower case', proof: prove({ htm: 'get' }) },
    ...['https://api.example/write', 'https://api.example/read/', 'https://api.example/READ', 'http://api.example/read', 'https://api.example:8443/read', 'https://evil.test/read', `${ISSUER}/read`, '/read', ''].map((htu) => ({ name: `for ${htu}`, proof: prove({ htu }) })),
    { name: 'for the Host that is sent', proof: prove({ htu: 'https://evil.test/read' }), headers: { host: 'evil.test', 'x-forwarded-host': 'evil.test' } },
    { name: 'of another key', proof: stranger.prove({ ath: digest(token) }) },
    ...[undefined, '', digest(unbound), `${digest(token)}=`, token].map((ath) => ({ name: `ath ${ath?.slice(0, 9)}`, proof: prove({ ath }) })),
    { name: 'old', proof: prove({ iat: SECONDS - 61 }) },
    { name: 'ahead', proof: prove({ iat: SECONDS + 61 }) },
    ...['JWT', 'at+jwt', undefined].map((typ) => ({ name: `typ ${typ} (T30)`, proof: prove({}, { typ }) })),
    { name: 'the access token itself (T30)', proof: token },
    { name: 'bound, as Bearer', proof: prove(), headers: { authorization: `Bearer ${token}` }, expected: INVALID },
    { name: 'bound, as Bearer without a proof', headers: { authorization: `Bearer ${token}` }, expected: INVALID },
    { name: 'unbound, as DPoP', proof: prover.prove({ ath: digest(unbound) }), headers: { authorization: `DPoP ${unbound}` }, expected: INVALID },
    { name: 'a bad token and a good proof', proof: prover.prove({ ath: digest('x') }), headers: { authorization: 'DPoP x' }, expected: INVALID },
    { name: 'a token of another key', proof: prove(), headers: { authorization: `DPoP ${theirs}` } },
    { name: 'a token in the URL too', proof: prove(), headers: { url: '/read?access_token=x' }, expected: refused(400, 'invalid_request', { challenge: both('invalid_request') }) }
  ]
  for (const { name, proof, headers, expected = BAD_PROOF } of cases) {
    const reply = await readWith(proof, headers)
    t.strictSame(answer(reply), expected, name)
    t.notOk('dpop-nonce' in reply.headers, name)
    t.notOk(`${reply.body}${JSON.stringify(reply.headers)}`.includes('evil'), name)
  }
  const narrow = await tokens.issue({ client, jkt: prover.jkt, scopes: ['api.write'] })
  const scope = await readWith(prover.prove({ ath: digest(narrow.token) }), { authorization: `DPoP ${narrow.token}` })
  t.strictSame(answer(scope), refused(403, 'insufficient_scope', { challenge: `Bearer error="insufficient_scope", scope="api.read", ${METADATA}, DPoP ${ALGS}, error="insufficient_scope", scope="api.read", ${METADATA}` }))
  await tokens.revoke(token)
  t.strictSame(answer(await readWith(prove())), INVALID, 'ended')
  clock.time = NOW + 86_400_000
  t.strictSame(answer(await readWith(prove({ iat: clock.time / 1000 }))), INVALID, 'over')
})

inEveryHost(t, 'a proof is for one request, however many guards there are', async (t) => {
  const { app, tokens, scope, token, prove, client, prover } = await dpopHost(t)
  scope.get('/chain', { onRequest: [tokens.require({ anyScope: true }), tokens.require('api.read')], preHandler: tokens.require('api.write') }, async () => 'passed')
  const ask = (proof: string, authorization = `DPoP ${token}`) => app.inject({ url: '/chain', headers: { authorization, dpop: proof } })
  const proof = prove({ htu: `${PUBLIC_URL}/chain` })
  t.equal((await ask(proof)).body, 'passed')
  t.strictSame(answer(await ask(proof)), BAD_PROOF, 'and not for another one')
  const narrow = (await tokens.issue({ client, jkt: prover.jkt, scopes: ['api.read'] })).token
  t.equal((await ask(prover.prove({ htu: `${PUBLIC_URL}/chain`, ath: digest(narrow) }), `DPoP ${narrow}`)).statusCode, 403)
})

inEveryHost(t, 'nonces', async (t) => {
  const dpop = { nonceSecret: 'mV8Jq2xW5pRz7LtYc3Nf9DkHs4Gb6QaE' }
  const { ask, readWith, prove, proveAtToken, clock, introspect } = await dpopHost(t, { flow: { dpop } })
  const at = { token: async (claims: object) => await ask({}, { dpop: proveAtToken({ iat: clock.time / 1000, ...claims }) }), guard: async (claims: object) => await readWith(prove({ iat: clock.time / 1000, ...claims })) }
  const wanted = { token: refused(400, 'use_dpop_nonce'), guard: NONCE }
  const seen = new Set<string>()
  for (const place of ['token', 'guard'] as const) {
    for (const nonce of [undefined, '', 'x', 1, null]) {
      const reply = await at[place]({ nonce })
      t.strictSame(answer(reply), wanted[place], `${place}: ${JSON.stringify(nonce)}`)
      seen.add(String(reply.headers['dpop-nonce']))
    }
  }
  t.equal(seen.size, 1, 'one and the same for everybody')
  const [nonce = ''] = seen
  t.match(nonce, /^[A-Za-z0-9_-]{43}$/)
  for (const [after, isGood] of [[0, true], [299_999, true], [300_000, true], [599_999, true], [600_000, false], [86_399_000, false]] as const) {
    clock.time = NOW + after
    for (const place of ['token', 'guard'] as const) {
      const reply = await at[place]({ nonce })
      t.equal(reply.statusCode, isGood ? 200 : wanted[place].status, `${place}: after ${after}`)
      if (isGood) continue
      t.strictSame(answer(reply), wanted[place])
      t.equal((await at[place]({ nonce: reply.headers['dpop-nonce'] })).statusCode, 200, 'and with the new one it is good')
    }
  }
  t.strictSame(answer(await readWith(undefined)), BAD_PROOF, 'who sends no proof is told so')
  t.equal((await introspect('x')).statusCode, 200, 'elsewhere nobody asks for one')
})

inEveryHost(t, 'where DPoP is off, a token that is bound is good for nothing', async (t) => {
  const on = await dpopHost(t)
  const off = await oauthHost(t, { store: on.store, keys: on.keys })
  for (const headers of [{ authorization: `DPoP ${on.token}`, dpop: on.prove() }, { authorization: `DPoP ${on.token}` }, { authorization: `Bearer ${on.token}`, dpop: on.prove() }]) {
    t.strictSame(answer(await off.app.inject({ url: '/read', headers })), refused(401, 'invalid_token', { challenge: `Bearer error="invalid_token", ${METADATA}` }), 'nor is a proof asked for that nobody would look at')
  }
  const { token } = await off.tokens.issue({ client: off })
  t.equal((await off.read(token, { dpop: 'x' })).statusCode, 200)
})

inEveryHost(t, 'behind a proxy that takes a part of the path away, and below a path of the host\'s', async (t) => {
  const { post, credentials, readWith, prove, proveAtToken } = await dpopHost(t, { flow: { publicUrl: 'https://front.example/api/', prefix: '/auth', metadata: false } })
  const bad = refused(401, 'invalid_dpop_proof', { challenge: `DPoP ${ALGS}, error="invalid_dpop_proof"` })
  t.equal((await readWith(prove({ htu: 'https://front.example/api/read' }))).statusCode, 200)
  for (const htu of ['https://front.example/read', 'https://front.example/api/api/read', 'https://front.example/api//read', 'https://api.example/read']) t.strictSame(answer(await readWith(prove({ htu }))), bad, htu)
  const ask = (htu: string) => post('/auth/connect/token', { grant_type: 'client_credentials', ...credentials }, { dpop: proveAtToken({ htu }) })
  t.equal((await ask('https://front.example/api/auth/connect/token')).json().token_type, 'DPoP')
  for (const htu of ['https://front.example/auth/connect/token', 'https://front.example/api/connect/token']) t.strictSame(answer(await ask(htu)), refused(400, 'invalid_dpop_proof'), htu)
})

inEveryHost(t, 'what a client has asked for counts, not what the host makes of it', async (t) => {
  const { app, token, prove } = await dpopHost(t, { server: { rewriteUrl: ({ url = '/' }) => url.replace(/^\/old\//, '/') } })
  const ask = (url: string, htu: string) => app.inject({ url, headers: { authorization: `DPoP ${token}`, dpop: prove({ htu: PUBLIC_URL + htu }) } })
  t.equal((await ask('/old/read?x', '/old/read')).statusCode, 200)
  t.strictSame(answer(await ask('/old/read', '/read')), BAD_PROOF)
  t.equal((await ask('/read', '/read')).statusCode, 200)
})

inEveryHost(t, 'a proof that cannot be taken note of is an outage (T36)', async (t) => {
  const { store, fault } = faultyStore(createMemoryStore({ now: () => NOW }))
  const { readWith, prove, proveAtToken, ask } = await dpopHost(t, { store })
  const outage = refused(503, 'temporarily_unavailable', { retryAfter: '1' })
  fault.error = new Error('gone')
  t.strictSame(answer(await readWith(prove())), outage)
  t.strictSame(answer(await ask({}, { dpop: proveAtToken() })), outage)
  fault.error = undefined
  t.equal((await readWith(prove())).statusCode, 200)
})

inEveryHost(t, 'two headers are one too many', async (t) => {
  const { app, token, prove, proveAtToken, credentials } = await dpopHost(t)
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const send = async (head: string, proofs: string[], line: string, body = '') => lastAnswer(await sendRaw(t, url, [`${head} HTTP/1.1`, 'Host: x', 'Connection: close', line, ...proofs.map((proof) => `DPoP: ${proof}`), `Content-Length: ${body.length}`, '', body].join('\r\n')))
  const [bound, form] = [`Authorization: DPoP ${token}`, 'Content-Type: application/x-www-form-urlencoded']
  const grant = new URLSearchParams({ grant_type: 'client_credentials', ...credentials }).toString()
  t.equal(JSON.parse((await send('GET /read', [prove()], bound)).body).client, credentials.client_id)
  const guarded = await send('GET /read', [prove(), prove()], bound)
  t.strictSame([JSON.parse(guarded.body).error, guarded.headers.get('www-authenticate')], ['invalid_dpop_proof', BAD_PROOF.challenge])
  t.equal(JSON.parse((await send('POST /connect/token', [proveAtToken(), proveAtToken()], form, grant)).body).error, 'invalid_dpop_proof')
  t.equal(JSON.parse((await send('POST /connect/token', [proveAtToken()], form, grant)).body).token_type, 'DPoP')
})
