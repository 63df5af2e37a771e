import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { type EditorConfig } from '../../../../lib/schemas/editor/config.ts'
import { type EditorMethodName } from '../../../../lib/schemas/editor/methods.ts'
import { type EditorSignaturesOptions, resolveEditorOptions } from '../../../../lib/tokens/editor/options.ts'
import { createEditorSignaturesCore, type SignOptions } from '../../../../lib/tokens/editor/signatures.ts'
import { bodyToken, BROWSER_PAYLOADS, DOCS, headerToken, INBOX, KEY, NOW, OUTBOX, SAVE, SECONDS, sign } from '../../../support/editor-tokens.ts'
import { recordEvents } from '../../../support/recorded-events.ts'
import { claimsOf } from '../../../support/session-host.ts'

const config: EditorConfig = {
  document: { key: KEY, url: 'https://files.example/letter.docx', permissions: { edit: true, commentGroups: { edit: ['', 'a'], view: '' } } },
  editorConfig: { callbackUrl: 'https://app.example/callback', mode: 'edit', user: { id: 'ada', name: 'Ada' } }
}
const picture = { images: [{ fileType: 'png', url: 'https://files.example/a.png' }] } as const

function create (options: Partial<EditorSignaturesOptions> = {}) {
  return createEditorSignaturesCore(resolveEditorOptions({ inbox: INBOX, outbox: OUTBOX, now: () => NOW, onWarning: () => {}, ...options }))
}

/** Whether one of the secrets made the signature. */
function isSignedWith (secret: string, token: string, hash = 'sha256'): boolean {
  return token.endsWith(`.${createHmac(hash, secret).update(token.slice(0, token.lastIndexOf('.'))).digest('base64url')}`)
}

// ---- what is signed -----------------------------------------------------------------------

const samples: Array<{ method: string, payload: object, token: string }> = JSON.parse(readFileSync(new URL('../../../vectors/onlyoffice-sample-tokens.json', import.meta.url), 'utf8')).tokens

t.test('the five sample tokens, byte for byte', async (t) => {
  t.equal(samples.length, 5)
  const { signConfig, signMethod } = create({ expiresIn: false })
  for (const { method, payload, token: expected } of samples) {
    const signed = method === 'config' ? await signConfig(payload as EditorConfig) : await signMethod(method as EditorMethodName, payload as never)
    const input = signed.token.slice(0, signed.token.lastIndexOf('.'))
    t.equal(input, expected.slice(0, expected.lastIndexOf('.')), `${method}: header and payload`)
    t.equal(`${input}.${createHmac('sha256', '').update(input).digest('base64url')}`, expected, `${method}: and the signature, with the empty secret that they were made with`)
    t.ok(isSignedWith(INBOX, signed.token), 'ours is our own')
    t.equal(JSON.stringify({ ...signed, token: 'x' }), JSON.stringify({ ...payload, token: 'x' }), 'the members as they were, in their order')
  }
})

t.test('the sample tokens verify nowhere: their secret is empty (T32)', async (t) => {
  const { verifyConfig, verifyCallback, verifyDownload, explain } = create()
  for (const { method, token } of samples) {
    t.strictSame(await verifyConfig(token), { accepted: false, code: 4006, description: 'token:invalid signature' }, method)
    await t.rejects(verifyCallback({ body: { token } }, { keys: KEY, downloadOrigins: ['https://example.com'] }), { code: 'FDT_CALLBACK_REFUSED' })
    await t.rejects(verifyDownload(token, 'https://example.com/'), { code: 'FDT_INVALID_TOKEN' })
    t.match(await explain({ token }), { accepted: false, code: 4006 })
  }
  t.throws(() => create({ inbox: '' }), { code: 'FDT_UNUSABLE_KEY' })
})

t.test('claims stand behind the payload, and only those that were asked for', async (t) => {
  const payload = JSON.stringify(config).slice(0, -1)
  const cases: Array<[name: string, instance: Partial<EditorSignaturesOptions>, options: SignOptions | undefined, claims: string]> = [
    ['by default', {}, undefined, `,"exp":${SECONDS + 300}}`],
    ['no end', { expiresIn: false }, {}, '}'],
    ['a life', { expiresIn: 60 }, {}, `,"exp":${SECONDS + 60}}`],
    ['when it was signed', { issuedAt: true }, {}, `,"iat":${SECONDS},"exp":${SECONDS + 300}}`],
    ['that alone', { issuedAt: true, expiresIn: false }, {}, `,"iat":${SECONDS}}`],
    ['a life for once', {}, { expiresIn: 1 }, `,"exp":${SECONDS + 1}}`],
    ['no end for once', { issuedAt: true }, { expiresIn: false, issuedAt: false }, '}'],
    ['an end for once', { expiresIn: false }, { expiresIn: 31 * 24 * 3600, issuedAt: true }, `,"iat":${SECONDS},"exp":${SECONDS + 31 * 24 * 3600}}`],
    ['options that are not given', { expiresIn: 60 }, { expiresIn: undefined, issuedAt: undefined, tenant: undefined } as never, `,"exp":${SECONDS + 60}}`],
    ['a clock between two seconds', { now: () => NOW + 999.9 }, {}, `,"exp":${SECONDS + 300}}`]
  ]
  for (const [name, instance, options, claims] of cases) {
    const { token } = await create(instance).signConfig(config, options)
    const [header, body] = token.split('.').map((segment) => Buffer.from(segment, 'base64url').toString())
    t.strictSame([header, body], ['{"alg":"HS256","typ":"JWT"}', payload + claims], name)
  }
})

t.test('longer hashes', async (t) => {
  const inbox = 'k7Qz_1vYx9W2cKd7RtLb5NfGsAeUm3Jq-8hPz0fTj4VbHy6MwXoEiSnDuCgIpZrB'
  for (const [algorithm, hash] of [['HS256', 'sha256'], ['HS384', 'sha384'], ['HS512', 'sha512']] as const) {
    const signatures = create({ inbox, algorithm })
    const { token } = await signatures.signConfig(config)
    t.equal(Buffer.from(String(token.split('.')[0]), 'base64url').toString(), `{"alg":"${algorithm}","typ":"JWT"}`)
    t.ok(isSignedWith(inbox, token, hash), algorithm)
    t.match(await signatures.verifyConfig(token), { accepted: true }, algorithm)
  }
})

t.test('the result is a frozen copy with the token behind it, and the host\'s object stays as it is', async (t) => {
  const before = structuredClone(config)
  const signed = await create().signConfig(config)
  t.equal(Object.keys(signed).at(-1), 'token')
  t.strictSame({ ...signed, token: undefined }, { ...config, token: undefined })
  t.strictSame(config, before)
  t.notOk('token' in config)
  const parts: object[] = [signed, signed.document, Object(signed.document.permissions), Object(signed.document.permissions?.commentGroups?.edit), Object(signed.editorConfig?.user)]
  for (const part of parts) {
    t.ok(Object.isFrozen(part))
    t.throws(() => { Object.assign(part, { 0: 'a', id: 'eve', key: 'a' }) }, TypeError)
  }
  t.notOk(Object.isFrozen(config.document), 'what is frozen is not the host\'s')
  const frozen = Object.freeze({ ...picture })
  t.match(await create().signMethod('insertImage', frozen), { ...picture, token: /\./ })
})

t.test('what the host changes meanwhile is not signed', async (t) => {
  const mutable = structuredClone(config)
  const signatures = create({ inbox: async () => { await sleep(1); return INBOX } })
  const promise = signatures.signConfig(mutable, { tenant: 'acme' })
  mutable.document.key = 'another'
  t.equal(Object(claimsOf((await promise).token)['document']).key, KEY)
})

t.test('every method is signed as it is', async (t) => {
  const parameters: Array<[method: EditorMethodName, payload: object]> = [
    ['refreshFile', config],
    ...Object.entries(BROWSER_PAYLOADS).flatMap(([name, payload]): Array<[EditorMethodName, object]> => {
      const method = /^(?:insertImage|set\w+)/.exec(name)?.[0]
      return method === undefined ? [] : [[method as EditorMethodName, payload]]
    })
  ]
  t.strictSame([...new Set(parameters.map(([method]) => method))].length, 9)
  const { signMethod } = create({ expiresIn: false })
  for (const [method, payload] of parameters) {
    const signed = await signMethod(method, payload as never)
    t.equal(JSON.stringify(claimsOf(signed.token)), JSON.stringify(payload), method)
    t.ok(isSignedWith(INBOX, signed.token))
  }
})

t.test('a request: in the header wrapped, in the body as it is, and the service only where it is asked for', async (t) => {
  const { signRequest } = create()
  const requests = [['command', { c: 'forcesave', key: KEY }], ['converter', { filetype: 'docx', key: KEY, outputtype: 'pdf', url: 'https://files.example/a.docx' }], ['docbuilder', { async: true, url: 'https://files.example/a.docbuilder' }]] as const
  for (const [service, parameters] of requests) {
    for (const operation of [undefined, false, true]) {
      const { headers, body } = await signRequest(service, parameters as never, operation === undefined ? {} : { operation })
      t.strictSame([Object.keys(headers), Object.keys(body)], [['authorization'], ['token']])
      t.ok(Object.isFrozen(headers) && Object.isFrozen(body))
      const inHeader = String(headers['authorization'])
      t.ok(inHeader.startsWith('Bearer '))
      const claim = operation === true ? { operation: service } : {}
      const end = { exp: SECONDS + 300 }
      t.equal(JSON.stringify(claimsOf(inHeader.slice(7))), JSON.stringify({ payload: parameters, ...claim, ...end }), `${service}, ${operation}: header`)
      t.equal(JSON.stringify(claimsOf(body.token)), JSON.stringify({ ...parameters, ...claim, ...end }), `${service}, ${operation}: body`)
      t.ok(isSignedWith(INBOX, inHeader.slice(7)) && isSignedWith(INBOX, body.token))
    }
  }
  const { headers } = await create({ header: 'AuthorizationJwt', headerPrefix: '' }).signRequest('command', { c: 'version' })
  t.match(headers, { authorizationjwt: /^eyJ/ })
})

// ---- secrets ------------------------------------------------------------------------------

t.test('two live secrets: the first signs, both verify', async (t) => {
  const [fresh, old] = [INBOX, 'Wm3Yt8Qz1Rk6Vb0Xp5Nc9Lj2Hg7Fd4Sa']
  const signatures = create({ inbox: [fresh, old] })
  const { token } = await signatures.signConfig(config)
  t.ok(isSignedWith(fresh, token))
  const { token: older } = await create({ inbox: old }).signConfig(config)
  const { token: foreign } = await create({ inbox: 'Jd8Kf3Lz6Mx1Nv5Bq9Wr2Ty7Up4Ci0Eh' }).signConfig(config)
  t.strictSame(await Promise.all([token, older, foreign].map(async (token) => (await signatures.verifyConfig(token)).accepted)), [true, true, false])
})

t.test('tenants: each its own secrets, from a function that may take its time', async (t) => {
  const secretsOf = new Map([['acme', INBOX], ['globex', 'Wm3Yt8Qz1Rk6Vb0Xp5Nc9Lj2Hg7Fd4Sa'], ['weak', 'secret'], ['empty', ''], ['__proto__', OUTBOX]])
  const asked: string[] = []
  const find = (tenant: string) => { asked.push(tenant); return secretsOf.get(tenant) ?? null }
  for (const inbox of [find, async (tenant: string) => { await sleep(1); return find(tenant) }]) {
    const { signConfig, signMethod, signRequest, verifyConfig, explain } = create({ inbox, outbox: inbox })
    asked.length = 0
    const { token } = await signConfig(config, { tenant: 'acme' })
    t.ok(isSignedWith(INBOX, token))
    t.ok(isSignedWith(String(secretsOf.get('globex')), (await signMethod('insertImage', picture, { tenant: 'globex' })).token))
    t.ok(isSignedWith(OUTBOX, (await signRequest('command', { c: 'version' }, { tenant: '__proto__' })).body.token))
    t.strictSame([...new Set(asked)], ['acme', 'globex', '__proto__'], 'asked each time, with what the host said')
    t.notMatch(JSON.stringify(claimsOf(token)), 'acme')

    t.match(await verifyConfig(token, undefined, { tenant: 'acme' }), { accepted: true })
    t.match(await verifyConfig(token, undefined, { tenant: 'globex' }), { accepted: false, code: 4006 })
    t.match(await explain({ token }, { tenant: 'acme' }), { accepted: true })
    t.match(await explain({ token }, { tenant: 'globex' }), { accepted: false })

    const calls = (options: { tenant?: string }): Array<() => Promise<unknown>> => [() => signConfig(config, options), () => signMethod('insertImage', picture, options), () => signRequest('command', { c: 'version' }, options), () => verifyConfig(token, undefined, options), () => explain({ token }, options)]
    for (const call of calls({ tenant: 'initech' })) await t.rejects(call(), { code: 'FDT_UNKNOWN_TENANT', statusCode: 403 })
    for (const call of calls({ tenant: 'weak' })) await t.rejects(call(), { code: 'FDT_WEAK_KEY' })
    for (const call of calls({ tenant: 'empty' })) await t.rejects(call(), { code: 'FDT_UNUSABLE_KEY' })
    for (const tenant of ['', 1, null, {}, ['acme']]) for (const call of calls({ tenant } as never)) await t.rejects(call(), { code: 'FDT_INVALID_OPTION', message: /"tenant"/ })
    for (const call of calls({})) await t.rejects(call(), { code: 'FDT_INVALID_OPTION', message: /"tenant"/ }, 'a tenant is needed')
  }
})

t.test('a look-up of secrets that goes wrong', async (t) => {
  const failing: Array<[name: string, inbox: (tenant: string) => never, code: string]> = [
    ['rejects', (async () => { throw new Error('vault sealed') }) as never, 'FDT_STORE_UNAVAILABLE'],
    ['throws', (() => { throw new Error('vault sealed') }) as never, 'FDT_STORE_UNAVAILABLE'],
    ['rejects with nothing', (async () => { throw undefined }) as never, 'FDT_STORE_UNAVAILABLE'], // eslint-disable-line no-throw-literal -- the case
    ['finds undefined', (() => undefined) as never, 'FDT_UNKNOWN_TENANT'],
    ['finds a number', (() => 1) as never, 'FDT_INVALID_OPTION'],
    ['finds an empty list', (() => []) as never, 'FDT_INVALID_OPTION'],
    ['finds three', (() => [INBOX, OUTBOX, `${INBOX}+`]) as never, 'FDT_INVALID_OPTION']
  ]
  for (const [name, inbox, code] of failing) {
    await t.rejects(create({ inbox, outbox: OUTBOX }).signConfig(config, { tenant: 'acme' }), { code, message: /^(?!.*vault)/s }, name)
  }
  const { cause } = await create({ inbox: async () => { throw new Error('vault sealed') } }).signConfig(config, { tenant: 'acme' }).then(() => ({ cause: undefined }), (error: Error) => error)
  t.match(cause, { message: 'vault sealed' }, 'the cause is kept for the log')
})

t.test('a tenant where there are none', async (t) => {
  const { signConfig, signMethod, signRequest, verifyConfig, verifyCallback, verifyDownload, explain } = create()
  const tenant = 'acme'
  const calls: Array<() => Promise<unknown>> = [
    () => signConfig(config, { tenant }), () => signMethod('insertImage', picture, { tenant }), () => signRequest('command', { c: 'version' }, { tenant }), () => verifyConfig('a', {}, { tenant }), () => explain({ token: 'a' }, { tenant }),
    () => verifyCallback({ body: { token: bodyToken(SAVE) } }, { keys: KEY, downloadOrigins: [DOCS], tenant }), () => verifyDownload('a', 'https://app.example/', { tenant })
  ]
  for (const call of calls) await t.rejects(call(), { code: 'FDT_INVALID_OPTION', message: /"tenant"/ })
})

t.test('a tenant that one side alone has a use for', async (t) => {
  const { token } = await create().signConfig(config)
  const inbox = async () => INBOX
  const outbox = async () => OUTBOX
  for (const options of [{ inbox, outbox: OUTBOX }, { inbox: INBOX, outbox }]) {
    const signatures = create(options)
    t.match(await signatures.explain({ token }, { tenant: 'acme' }), { accepted: true })
    t.match(await signatures.signConfig(config, { tenant: 'acme' }), { token })
    await signatures.verifyDownload(headerToken({ url: 'https://app.example/a' }), 'https://app.example/a', { tenant: 'acme' })
  }
  await t.rejects(create({ inbox, outbox: OUTBOX }).explain({ token }), { code: 'FDT_INVALID_OPTION', message: /"tenant"/ })
})

t.test('the secrets of many tenants are checked when they come, and not all of them are kept', async (t) => {
  const { signRequest } = create({ inbox: (tenant) => `${INBOX}${tenant}` })
  for (let index = 0; index < 1100; index++) {
    const tenant = String(index)
    const { body } = await signRequest('command', { c: 'version' }, { tenant })
    if (!isSignedWith(`${INBOX}${tenant}`, body.token)) t.fail(tenant)
  }
  t.ok(isSignedWith(`${INBOX}0`, (await signRequest('command', { c: 'version' }, { tenant: '0' })).body.token), 'one that was forgotten')
})

// ---- what is refused ----------------------------------------------------------------------

t.test('unknown options and wrong ones are refused, by their name', async (t) => {
  const { signConfig, signMethod, signRequest } = create()
  const callsWith = (options: unknown): Array<() => Promise<unknown>> => [() => signConfig(config, options as never), () => signMethod('insertImage', picture, options as never), () => signRequest('command', { c: 'version' }, options as never)]
  const cases: Array<[option: string, options: object]> = [
    ['expiresin', { expiresin: 60 }],
    ['exp', { exp: SECONDS }],
    ['algorithm', { algorithm: 'none' }],
    ...[0, -1, 0.5, NaN, Infinity, '60', '5m', null, true, 31 * 24 * 3600 + 1].map((expiresIn): [string, object] => ['expiresIn', { expiresIn }]) // T10
  ]
  for (const [option, options] of cases) {
    for (const call of callsWith(options)) {
      await t.rejects(call(), { code: 'FDT_INVALID_OPTION', message: new RegExp(`"${option}"`) }, `${option} ${String(Object.values(options)[0])}`)
    }
  }
  for (const call of callsWith({ operation: true }).slice(0, 2)) await t.rejects(call(), { code: 'FDT_INVALID_OPTION', message: /"operation"/ })
  for (const operation of ['command', 1, null]) await t.rejects(signRequest('command', { c: 'version' }, { operation } as never), { code: 'FDT_INVALID_OPTION', message: /"operation"/ })
  for (const options of [null, 'acme', 300, [300]]) {
    for (const call of callsWith(options)) await t.rejects(call(), { code: 'FDT_INVALID_OPTION' }, String(options))
  }
  for (const issuedAt of [1, 'yes', null]) await t.rejects(signConfig(config, { issuedAt } as never), { code: 'FDT_INVALID_OPTION', message: /"issuedAt"/ })
})

t.test('bad payloads reach the caller with their path, and nothing is told of a token', async (t) => {
  const events = recordEvents(t)
  const { signConfig, signMethod, signRequest } = create({ allowedUrls: { server: ['https://files.example'], browser: [] } })
  const cases: Array<[path: RegExp, call: () => Promise<unknown>]> = [
    [/^document\.key /, () => signConfig({ ...config, document: { ...config.document, key: 'a/b' } })],
    [/^document\.url /, () => signConfig({ ...config, document: { ...config.document, url: 'https://evil.test/' } })],
    [/^editorConfig\.callbackUrl .*allowedUrls\.server/, () => signConfig(config)],
    [/^editorConfig\.user\.id .*allowAnonymous/, () => signConfig({ document: config.document })],
    [/^editorConfig\.user\.id /, () => signMethod('refreshFile', { document: config.document } as never)],
    [/^token .*another kind/, () => signConfig({ ...config, token: 'x' } as never)],
    [/^status .*another kind/, () => signMethod('setHistoryData', { version: 1, key: KEY, url: 'https://files.example/', status: 2 } as never)],
    [/^images\.?\[0\]\.fileType /, () => signMethod('insertImage', { images: [{ fileType: 'exe', url: 'https://files.example/' }] } as never)],
    [/method must be one of/, () => signMethod('__proto__' as never, {} as never)],
    [/service must be one of/, () => signRequest('__proto__' as never, {} as never)],
    [/^key .*command/, () => signRequest('command', { c: 'info' })],
    [/text: JSON that was encoded twice/, () => signRequest('command', '{"c":"version"}' as never)],
    [/must be an object/, () => signConfig(null as never)]
  ]
  for (const [message, call] of cases) await t.rejects(call(), { code: 'FDT_INVALID_EDITOR_PAYLOAD', statusCode: 400, message }, String(message))
  t.strictSame(events(), [])
})

t.test('a host may allow what is not known, and users who are not', async (t) => {
  const newer = { ...config, somethingNew: { on: true } } as EditorConfig
  await t.rejects(create().signConfig(newer), { code: 'FDT_INVALID_EDITOR_PAYLOAD' })
  t.match(claimsOf((await create({ allowUnknown: true }).signConfig(newer)).token), { somethingNew: { on: true } })
  await t.rejects(create({ allowUnknown: true }).signConfig({ ...newer, status: 2 } as never), { code: 'FDT_INVALID_EDITOR_PAYLOAD' })
  const { document } = config
  t.match(await create({ allowAnonymous: true }).signConfig({ document }), { document, token: /\./ })
})

// ---- what is told -------------------------------------------------------------------------

t.test('a token that is too large is told once', async (t) => {
  const told: string[] = []
  const { signConfig, signMethod } = create({ onWarning: (message) => { told.push(message) } })
  const image = `data:image/png;base64,${Buffer.alloc(4000).toString('base64')}`
  await signConfig(config)
  t.strictSame(told, [])
  for (let turn = 0; turn < 3; turn++) await signConfig({ ...config, editorConfig: { ...config.editorConfig, user: { id: 'ada', image } } })
  await signMethod('insertImage', { images: Array.from({ length: 100 }, () => picture.images[0]) })
  t.equal(told.length, 1)
  t.match(told[0], /config has more than 4096 characters/)
  t.notMatch(told[0], 'AAAA')

  for (let length = 2950; length < 2970; length++) {
    told.length = 0
    const { token } = await create({ expiresIn: false, onWarning: (message) => { told.push(message) } }).signMethod('setReferenceData', { path: 'x'.repeat(length), url: 'https://files.example/', fileType: 'xlsx' })
    t.equal(told.length, Number(token.length > 4096), `${token.length} characters`)
  }
})

t.test('events: who, what for and until when; no key, no document, no token', async (t) => {
  const events = recordEvents(t)
  const signatures = create({ name: 'letters' })
  const { token } = await signatures.signConfig(config)
  const base = { flow: 'config-signing', name: 'letters', time: NOW, documents: [] }
  t.strictSame(events(), [['issued', { ...base, subject: 'ada', expiresAt: SECONDS + 300, purpose: 'config' }]])
  await signatures.signMethod('setHistoryData', { version: 1, key: KEY, url: 'https://files.example/1' }, { expiresIn: false })
  t.strictSame(events(), [['issued', { ...base, purpose: 'setHistoryData' }]])
  await signatures.signMethod('refreshFile', config)
  t.strictSame(events(), [['issued', { ...base, subject: 'ada', expiresAt: SECONDS + 300, purpose: 'refreshFile' }]])
  await signatures.signRequest('command', { c: 'version' })
  t.strictSame(events(), [['issued', { ...base, expiresAt: SECONDS + 300, purpose: 'command' }]], 'one for a request, which has its token in two places')
  await create({ allowAnonymous: true }).signConfig({ document: config.document })
  t.match(events(), [['issued', { purpose: 'config', subject: undefined }]])

  await signatures.verifyConfig(token)
  await signatures.explain({ token })
  await signatures.verifyCallback({ body: { token: bodyToken(SAVE) } }, { keys: KEY, downloadOrigins: [DOCS] })
  await t.rejects(signatures.verifyDownload('a', 'https://app.example/'))
  t.strictSame(events(), [], 'what is verified in code tells nothing')
})

// ---- what comes back ----------------------------------------------------------------------

t.test('verifyConfig goes by the inbox secret, the clock and the tolerance', async (t) => {
  const clock = { time: NOW }
  const { signConfig, verifyConfig } = create({ now: () => clock.time, clockTolerance: 10 })
  const { token } = await signConfig(config)
  t.match(await verifyConfig(token), { accepted: true, effective: { document: { key: KEY } } })
  t.match(await verifyConfig(token, { ...config, document: { ...config.document, permissions: { edit: false } } }), { accepted: false, code: 4004 })
  t.match(await verifyConfig(sign(config, OUTBOX)), { accepted: false, code: 4006 })
  clock.time = NOW + 309_000
  t.match(await verifyConfig(token), { accepted: true })
  clock.time = NOW + 310_000
  t.match(await verifyConfig(token), { accepted: false, code: 4005 })
})

t.test('verifyCallback and verifyDownload go by the outbox secret, the clock and the tolerance', async (t) => {
  const clock = { time: NOW }
  const settings = { now: () => clock.time, clockTolerance: 10, headerPrefix: 'JWT ' }
  const { verifyCallback, verifyDownload } = create(settings)
  const callback = { header: `JWT ${headerToken(SAVE)}` }
  const expected = { keys: KEY, downloadOrigins: [DOCS] }
  const url = 'https://app.example/files/a'
  const download = headerToken({ url })

  t.match(await verifyCallback(callback, expected), { type: 'save', key: KEY })
  t.strictSame(await verifyDownload(download, url), undefined)
  await t.rejects(verifyDownload(download, `${url}b`), { code: 'FDT_DOWNLOAD_NOT_ALLOWED' })
  await t.rejects(verifyCallback({ body: { token: bodyToken(SAVE, {}, INBOX) } }, expected), { code: 'FDT_CALLBACK_REFUSED' })
  await t.rejects(verifyDownload(headerToken({ url }, {}, INBOX), url), { code: 'FDT_INVALID_TOKEN' })
  clock.time = NOW + 309_000
  t.match(await verifyCallback(callback, expected), { type: 'save' })
  await verifyDownload(download, url)
  clock.time = NOW + 310_000
  await t.rejects(verifyCallback(callback, expected), { code: 'FDT_CALLBACK_REFUSED' })
  await t.rejects(verifyDownload(download, url), { code: 'FDT_TOKEN_EXPIRED' })

  const withoutOutbox = createEditorSignaturesCore(resolveEditorOptions({ inbox: INBOX, now: () => NOW }))
  await t.rejects(withoutOutbox.verifyCallback({ body: { token: bodyToken(SAVE) } }, expected), { code: 'FDT_INVALID_OPTION', message: /"outbox"/ })
  await t.rejects(withoutOutbox.verifyDownload(download, url), { code: 'FDT_INVALID_OPTION', message: /"outbox"/ })

  const perTenant = create({ outbox: (tenant) => tenant === 'acme' ? OUTBOX : null })
  t.match(await perTenant.verifyCallback({ body: { token: bodyToken(SAVE) } }, { ...expected, tenant: 'acme' }), { type: 'save' })
  await perTenant.verifyDownload(download, url, { tenant: 'acme' })
  await t.rejects(perTenant.verifyCallback({ body: { token: bodyToken(SAVE) } }, { ...expected, tenant: 'globex' }), { code: 'FDT_CALLBACK_REFUSED' })
  await t.rejects(perTenant.verifyDownload(download, url, { tenant: 'globex' }), { code: 'FDT_INVALID_TOKEN' })
})

t.test('explain knows what the instance knows', async (t) => {
  const clock = { time: NOW }
  const signatures = create({ now: () => clock.time, clockTolerance: 10 })
  const { token } = await signatures.signConfig(config)
  t.match(await signatures.explain({ token, config }), { accepted: true, code: null, effective: { document: { key: KEY } } })
  t.match(await signatures.explain({ token: bodyToken(SAVE), kind: 'callback' }), { accepted: true })
  t.match(await signatures.explain({ token: `Bearer ${token}` }), { accepted: false, code: 4006 })
  t.match(await create({ headerPrefix: 'JWT ' }).explain({ token: `JWT ${token}` }), { accepted: false, code: 4006 })
  clock.time = NOW + 310_000
  t.match(await signatures.explain({ token }), { accepted: false, code: 4005 })
  await t.rejects(signatures.explain({ token, kind: 'nothing' as never }), { code: 'FDT_INVALID_REQUEST' })

  // T45
  const crossed = sign({ ...config, exp: SECONDS + 300 }, OUTBOX)
  const named = await create({ namesSecret: true }).explain({ token: crossed })
  const unnamed = await create().explain({ token: crossed })
  t.match(JSON.stringify(named), /outbox/)
  t.notSame(named, unnamed)
  t.strictSame(JSON.stringify(unnamed), JSON.stringify(await create().explain({ token: sign({ ...config, exp: SECONDS + 300 }, 'Wm3Yt8Qz1Rk6Vb0Xp5Nc9Lj2Hg7Fd4Sa') })), 'as of any other secret')
  t.match(await createEditorSignaturesCore(resolveEditorOptions({ inbox: INBOX, now: () => NOW, namesSecret: true })).explain({ token: crossed }), { accepted: false, code: 4006 }, 'without outbox')
})
