/** The whole way of a document: opened, edited and saved by a document server, against the example as its users run it. */
import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync, statSync, utimesSync } from 'node:fs'
import { type RequestListener } from 'node:http'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { call } from '../support/example-client.ts'
import { type CallbackMembers, type DocumentServer, makeToken, type OpenDocument, startDocumentServer, type Way } from '../support/document-server.ts'
import { type ExampleServer, freePort, newDataDir, ROOT, startServer, until } from '../support/example-server.ts'

const KEY = 'a-known-key-of-the-demo_0123456789'
const ORIGINAL = readFileSync(join(ROOT, 'examples/documents/letter.docx'))

interface Host extends ExampleServer {
  docs: DocumentServer
  /** Opens the letter as a user would. */
  open (): Promise<OpenDocument>
  history (): Promise<History>
  /** What a token for `setHistoryData` holds. */
  version (number: number): Promise<VersionData>
  /** The bytes of all versions, oldest first. */
  files (): Promise<string[]>
}

interface History {
  currentVersion: number
  history: Array<{ version: number, key: string, user?: object, changes?: object[], serverVersion?: string }>
}

interface VersionData {
  version: number
  key: string
  url: string
  changesUrl?: string
  previous?: { key: string, url: string }
}

interface HostOptions {
  docs?: DocumentServer
  dataDir?: string
  port?: number
  env?: Record<string, string>
}

const secrets = { inbox: randomBytes(32).toString('base64url'), outbox: randomBytes(32).toString('base64url') }

async function startHost (t: Test, { docs, dataDir = newDataDir(t), port, env = {} }: HostOptions = {}): Promise<Host> {
  const server = docs ?? await startDocumentServer(t, secrets)
  const program = await startServer(t, {
    dataDir,
    env: {
      PORT: String(port ?? await freePort()),
      DEMO_API_KEY: KEY,
      EDITOR_SECRET: secrets.inbox,
      EDITOR_OUTBOX_SECRET: secrets.outbox,
      DOCUMENT_SERVER_URL: server.url,
      TRUST_PROXY: '127.0.0.1',
      ...env
    }
  })
  const { url } = program
  let requests = 0
  /** From another address each time: what is limited is not asked here, and it is asked by user. */
  const ask = async (path: string, body?: object) => {
    const { status, text, body: answer } = await call(`${url}${path}`, { method: body === undefined ? 'GET' : 'POST', bearer: KEY, headers: { 'x-forwarded-for': `192.0.2.${requests++ % 256}` }, body })
    if (status !== 200) throw new Error(`${path}: ${status} ${text}`)
    return answer
  }

  const history = async () => await ask('/editor/letter/history') as History
  const version = async (number: number) => server.judge((await ask('/editor/methods/setHistoryData', { documentId: 'letter', data: number }) as { token: string }).token) as unknown as VersionData
  return {
    ...program,
    docs: server,
    history,
    version,
    open: async () => await server.open(await ask('/editor/config', { documentId: 'letter' }) as object),
    files: async () => {
      const { history: versions } = await history()
      return await Promise.all(versions.map(async ({ version: number }) => {
        const { file, status } = await server.download((await version(number)).url)
        return status === 200 ? file.toString('latin1') : `status ${status}`
      }))
    }
  }
}

const original = ORIGINAL.toString('latin1')

const done = { error: 0 }

/** What a save says of what changed. */
const historyOf = (...users: string[]) => ({ serverVersion: '9.3.0', changes: users.map((id) => ({ created: '2026-05-12 09:00:00', user: { id, name: id } })) })

function saved (docs: DocumentServer, file: string, members: Partial<CallbackMembers> = {}): CallbackMembers {
  return { status: 2, url: docs.keep(file).url, changesurl: docs.keep(`changes of ${file}`, { name: 'changes.zip' }).url, users: ['jane'], history: historyOf('jane'), lastsave: '2026-05-12T09:00:00.000Z', filetype: 'docx', ...members }
}

t.test('opened, edited, saved by force, saved', async (t) => {
  const host = await startHost(t)
  const { docs } = host
  const opened = await host.open()
  t.strictSame(opened.file, ORIGINAL)
  t.equal(opened.mode, 'edit')
  t.match(opened.key, /^[0-9a-zA-Z._=-]{20,128}$/)
  t.equal((await host.open()).key, opened.key, 'who comes while it is open joins in')

  t.strictSame(await docs.callback(opened, { status: 1, users: ['jane'], actions: [{ type: 1, userid: 'jane' }] }), { statuses: [200], body: done })
  t.equal((await host.history()).currentVersion, 1)

  t.match(await docs.callback(opened, saved(docs, 'by force', { status: 6, forcesavetype: 1 })), { statuses: [200], body: done })
  t.strictSame(await host.files(), [original, 'by force'])
  const joined = await host.open()
  t.equal(joined.key, opened.key, 'it is still open')
  t.equal(joined.file.toString(), 'by force', 'and what is saved is what is served')

  t.match(await docs.callback(opened, saved(docs, 'at the end', { users: ['john'], history: historyOf('jane', 'john') })), { statuses: [200], body: done })
  t.strictSame(await host.files(), [original, 'by force', 'at the end'])
  const reopened = await host.open()
  t.not(reopened.key, opened.key, 'what is saved has another key')
  t.equal(reopened.file.toString(), 'at the end')

  const { currentVersion, history } = await host.history()
  t.equal(currentVersion, 3)
  t.match(history, [
    { version: 1, user: undefined, changes: undefined },
    { version: 2, user: { id: 'jane', name: 'jane' }, serverVersion: '9.3.0', changes: [{ user: { id: 'jane' } }] },
    { version: 3, user: { id: 'john', name: 'john' }, changes: [{ user: { id: 'jane' } }, { user: { id: 'john' } }] }
  ])
  t.equal(new Set(history.map(({ key }) => key)).size, 3, 'each has a key of its own')
  t.equal(history[0]?.key, opened.key)
  t.equal(history[2]?.key, reopened.key)

  const [first, second, third] = [await host.version(1), await host.version(2), await host.version(3)]
  t.strictSame(Object.keys(first).sort(), ['exp', 'fileType', 'key', 'url', 'version'])
  for (const [version, changes] of [[second, 'changes of by force'], [third, 'changes of at the end']] as const) {
    t.match(version.previous, { key: first.key, url: first.url }, 'what changed since it was opened')
    const { status, headers, file } = await docs.download(String(version.changesUrl))
    t.strictSame([status, headers.get('content-type'), headers.get('cache-control'), headers.get('x-content-type-options'), file.toString()], [200, 'application/zip', 'no-store', 'nosniff', changes])
  }
  const { headers } = await docs.download(first.url)
  t.equal(headers.get('content-type'), 'application/vnd.openxmlformats-officedocument.wordprocessingml.document')
  for (const number of [0, 4, 1.5, '1', null, { version: 1 }]) {
    t.equal((await call(`${host.url}/editor/methods/setHistoryData`, { method: 'POST', bearer: KEY, body: { documentId: 'letter', data: number } })).status, 403, `no version ${JSON.stringify(number)}`)
  }

  t.match(await docs.callback(reopened, { status: 4 }), { statuses: [200], body: done })
  t.equal((await host.history()).currentVersion, 3, 'closed without a change')
})

t.test('all ways in which a callback is sent', async (t) => {
  const host = await startHost(t)
  const { docs } = host
  const historyOfMany = (length: number) => ({ serverVersion: '9.3.0', changes: Array.from({ length }, (_, index) => ({ created: '2026-05-12 09:00:00', user: { id: 'jane', name: `${index}`.padEnd(100, 'jane') } })) })
  const large = historyOfMany(100)
  const ways: Array<[string, Way, object, boolean]> = [
    ['both places', 'both', historyOf('jane'), true],
    ['body', 'body', historyOf('jane'), true],
    ['header', 'header', historyOf('jane'), true],
    ['both places, the header cut', 'both', large, true],
    ['header, cut', 'header', large, false],
    ['body, of a long day', 'body', historyOfMany(5000), true]
  ]
  const expected = [original]
  for (const [name, way, history, isWhole] of ways) {
    const opened = await host.open()
    t.strictSame(await docs.callback(opened, saved(docs, name, { history }), { way }), { statuses: [200], body: done }, name)
    expected.push(name)
    t.strictSame(await host.files(), expected, `${name}: no version is lost`)
    const { currentVersion, history: versions } = await host.history()
    t.strictSame(versions.at(-1)?.changes, isWhole ? Reflect.get(history, 'changes') : undefined, `${name}: what it tells of the changes`)
    t.equal((await host.version(currentVersion)).changesUrl !== undefined, isWhole, `${name}: the changes`)
    t.not((await host.open()).key, opened.key)
  }
})

t.test('what fails is sent again, and not lost', async (t) => {
  const docs = await startDocumentServer(t, secrets)
  const [dataDir, port] = [newDataDir(t), await freePort()]
  const start = async () => await startHost(t, { docs, dataDir, port })
  let host = await start()

  await t.test('a file that cannot be had at once', async (t) => {
    const file = docs.keep('at the second try', { failures: 1 })
    t.strictSame(await docs.callback(await host.open(), saved(docs, '', { url: file.url })), { statuses: [500, 200], body: done })
    t.equal(file.asked(), 2)
    t.strictSame(await host.files(), [original, 'at the second try'])
  })

  await t.test('a host that is away', async (t) => {
    const opened = await host.open()
    t.equal(await host.stop(), 0)
    const result = await docs.callback(opened, saved(docs, 'after an outage'), {
      between: async () => { host = await start() }
    })
    t.strictSame(result, { statuses: [undefined, 200], body: done })
    t.strictSame(await host.files(), [original, 'at the second try', 'after an outage'])
  })

  await t.test('changes that cannot be had', async (t) => {
    const changes = docs.keep('', { failures: 9 })
    t.match(await docs.callback(await host.open(), saved(docs, 'without its changes', { changesurl: changes.url })), { statuses: [200] })
    t.equal((await host.files()).at(-1), 'without its changes')
    t.equal((await host.version(4)).changesUrl, undefined)
  })

  const never: Array<[string, RequestListener | string, Partial<CallbackMembers>]> = [
    ['nothing there', (_request, response) => response.writeHead(404).end(), {}],
    ['empty', '', {}],
    ['cut off', (_request, response) => { response.writeHead(200, { 'content-length': 100 }).write('a part', () => response.destroy()) }, {}],
    ['a part only', (_request, response) => response.writeHead(206).end('a part'), {}]
  ]
  for (const [name, answer] of never) {
    await t.test(`a file that cannot be kept: ${name}`, async (t) => {
      const file = docs.keep(typeof answer === 'string' ? answer : '', typeof answer === 'string' ? {} : { listener: answer })
      const before = await host.files()
      t.match(await docs.callback(await host.open(), saved(docs, '', { url: file.url })), { statuses: [500, 500, 500, 500], body: { error: 1, message: 'The callback could not be processed' } })
      t.equal(file.asked(), 4)
      t.strictSame(await host.files(), before)
    })
  }

  await t.test('a file that is elsewhere in truth', async (t) => {
    const other = await startDocumentServer(t, secrets)
    const secret = other.keep('of somebody else')
    const file = docs.keep('', { listener: (_request, response) => response.writeHead(302, { location: secret.url }).end() })
    t.match(await docs.callback(await host.open(), saved(docs, '', { url: file.url }), { tries: 1 }), { statuses: [500] })
    t.equal(secret.asked(), 0, 'no redirect is followed')
  })

  await t.test('a file without end', async (t) => {
    const chunk = Buffer.alloc(2 ** 20)
    let chunks = 0
    const endless: RequestListener = (_request, response) => {
      const write = (): void => { while (!response.destroyed && response.write(chunk)) chunks++ }
      response.on('drain', write)
      write()
    }
    t.match(await docs.callback(await host.open(), saved(docs, '', { url: docs.keep('', { listener: endless }).url }), { tries: 1 }), { statuses: [500] })
    t.ok(chunks < 200, 'and it is not downloaded further')
  })
  t.strictSame(readdirSync(join(dataDir, 'editor/letter')).sort(), ['1', '2', '3', '4'], 'nothing is left of what failed')
})

t.test('a file that takes too long', async (t) => {
  const host = await startHost(t, { env: { REQUEST_TIMEOUT: '1' } })
  const silent = host.docs.keep('', { listener: (_request, response) => { response.writeHead(200).write('so far') } })
  t.match(await host.docs.callback(await host.open(), saved(host.docs, '', { url: silent.url }), { tries: 1 }), { statuses: [500] })
  t.strictSame(await host.files(), [original])
})

t.test('what is sent twice is kept once', async (t) => {
  const host = await startHost(t)
  const { docs } = host
  const opened = await host.open()
  const file = docs.keep('once')
  const members = { key: opened.key, ...saved(docs, '', { url: file.url }) }
  const body = { ...members, token: docs.sign(members) }
  const send = async (body: object) => (await call(opened.callbackUrl, { method: 'POST', body })).body

  t.strictSame(await send(body), done)
  t.strictSame(await send(body), done, 'the same callback')
  t.equal(file.asked(), 1, 'is not even looked at again')
  const again = { ...members, url: `${file.url}&signature=another`, history: {} }
  t.strictSame(await send({ token: docs.sign(again, { iat: Math.floor(Date.now() / 1000) + 1 }) }), done, 'the same save, whose answer was lost')
  t.strictSame(await host.files(), [original, 'once'])

  const { key } = await host.open()
  for (const [name, other] of Object.entries({
    'under the next key': {},
    'another file': { url: docs.keep('another').url },
    'by force': { status: 6 },
    'saved later': { lastsave: '2026-05-12T10:00:00.000Z' }
  })) {
    const claims = { ...members, key, ...other }
    const before = (await host.history()).currentVersion
    t.strictSame(await send({ token: docs.sign(claims) }), done, name)
    t.equal((await host.history()).currentVersion, before + 1, `${name} is another version`)
  }
})

t.test('what is saved late, or not well', async (t) => {
  const host = await startHost(t)
  const { docs } = host
  const opened = await host.open()
  await docs.callback(opened, saved(docs, 'in time'))
  const between = await host.open()

  t.match(await docs.callback(opened, saved(docs, 'late')), { statuses: [200], body: done }, 'under the key before')
  t.strictSame(await host.files(), [original, 'in time', 'late'])
  const after = await host.open()
  t.notOk([opened.key, between.key].includes(after.key))
  t.match((await host.version(3)).previous, { key: opened.key }, 'what it was made of')

  t.match(await docs.callback(opened, saved(docs, 'late, by force', { status: 6 })), { statuses: [200], body: done })
  t.equal((await host.open()).key, opened.key, 'who opens it now joins those that have it open')

  t.match(await docs.callback(after, saved(docs, 'damaged', { status: 3 })), { statuses: [200], body: done })
  const open = await host.open()
  t.match(await docs.callback(open, saved(docs, 'damaged by force', { status: 7 })), { statuses: [200], body: done })
  t.equal((await host.open()).key, open.key, 'it is still open')
  t.strictSame((await host.files()).slice(-2), ['damaged', 'damaged by force'], 'better than nothing')
  const { currentVersion } = await host.history()
  for (const status of [3, 7]) t.match(await docs.callback(await host.open(), { status, users: ['jane'] }), { statuses: [200], body: done })
  t.equal((await host.history()).currentVersion, currentVersion, 'where there is nothing there is no version')
  await until(() => host.stdout().split('could not save as it should').length === 5)

  t.match(await docs.callback(await host.open(), saved(docs, 'as text', { filetype: 'odt' })), { statuses: [200] })
  const { url } = await host.version(currentVersion + 1)
  t.equal((await docs.download(url)).headers.get('content-type'), 'application/octet-stream', 'what the catalogue does not know')
  t.match(await docs.callback(await host.open(), saved(docs, 'as what', { filetype: '../etc' })), { statuses: [200] })
  t.match(await host.version(currentVersion + 2), { fileType: 'docx' })
})

t.test('SIGKILL loses nothing', async (t) => {
  const docs = await startDocumentServer(t, secrets)
  const [dataDir, port] = [newDataDir(t), await freePort()]
  let host = await startHost(t, { docs, dataDir, port })
  const restart = async () => {
    await host.kill()
    host = await startHost(t, { docs, dataDir, port })
  }

  t.match(await docs.callback(await host.open(), saved(docs, 'first')), { statuses: [200] })
  const { key } = await host.open()
  await restart()
  t.strictSame(await host.files(), [original, 'first'], 'what was acknowledged')
  t.equal((await host.open()).key, key)

  // Held back until the host is no more.
  let isSlow = true
  const slow = docs.keep('', { listener: (_request, response) => { response.write('second'); if (!isSlow) response.end() } })
  const restarted = until(() => slow.asked() === 1).then(async () => {
    isSlow = false
    await restart()
  })
  const sent = docs.callback(await host.open(), saved(docs, '', { url: slow.url }), { between: () => restarted })
  await restarted
  t.strictSame(await sent, { statuses: [undefined, 200], body: done }, 'and what was not')
  t.strictSame(await host.files(), [original, 'first', 'second'])

  const folder = join(dataDir, 'editor/letter')
  const draft = readdirSync(folder).find((name) => name.startsWith('draft-'))
  t.ok(draft !== undefined, 'there was something to lose')
  t.equal((await host.history()).currentVersion, 3, 'half a version is none')
  utimesSync(join(folder, String(draft)), 0, 0)
  await restart()
  t.strictSame(readdirSync(folder).sort(), ['1', '2', '3'], 'what nobody works on any more is removed')

  for (const name of readdirSync(join(dataDir, 'editor'), { recursive: true, encoding: 'utf8' })) {
    const stats = statSync(join(dataDir, 'editor', name))
    if (process.platform !== 'win32') t.equal((stats.mode & 0o777).toString(8), stats.isDirectory() ? '700' : '600', name)
  }
})

t.test('two processes on one data folder', async (t) => {
  const docs = await startDocumentServer(t, secrets)
  const dataDir = newDataDir(t)
  const hosts = [await startHost(t, { docs, dataDir }), await startHost(t, { docs, dataDir })] as const
  const [first, second] = hosts
  // Nobody opened it before: both make the first version.
  const [opened, other] = await Promise.all([first.open(), second.open()])
  t.equal(opened.key, other.key, 'one document')
  t.not(opened.callbackUrl, other.callbackUrl, 'and each leads to itself')

  const names = Array.from({ length: 12 }, (_, index) => `save ${index}`)
  const results = await Promise.all(names.map((name, index) => docs.callback(opened, saved(docs, name), { to: (index % 2 === 0 ? opened : other).callbackUrl })))
  t.strictSame(results, names.map(() => ({ statuses: [200], body: done })))
  for (const host of hosts) {
    const [before, ...files] = await host.files()
    t.equal(before, original)
    t.strictSame(files.sort(), [...names].sort(), 'none is lost')
    t.strictSame((await host.history()).history.map(({ version }) => version), [...names.keys(), names.length].map((number) => number + 1))
  }

  const same = saved(docs, 'the same')
  for (const result of await Promise.all([opened, other, opened, other].map(({ callbackUrl }) => docs.callback(opened, same, { to: callbackUrl })))) t.match(result, { statuses: [200] })
  t.equal((await first.history()).currentVersion, names.length + 2, 'and what is the same is there once')
  t.equal((await first.open()).key, (await second.open()).key)
})

// T30
t.test('what is not the document server’s, or not about this document', async (t) => {
  const host = await startHost(t)
  const { docs, url } = host
  const elsewhere = await startHost(t, { docs })
  const [opened, foreign] = [await host.open(), await elsewhere.open()]
  t.not(opened.key, foreign.key, 'each data folder has keys of its own')
  const stranger = await startDocumentServer(t, secrets)
  const file = docs.keep('evil')
  const claims = { key: opened.key, status: 2, url: file.url, users: ['mallory'] }
  const config = (await call(`${url}/editor/config`, { method: 'POST', bearer: KEY, body: { documentId: 'letter' } })).body as { token: string }
  const version = (await call(`${url}/editor/methods/setHistoryData`, { method: 'POST', bearer: KEY, body: { documentId: 'letter', data: 1 } })).body as { token: string }
  const seconds = Math.floor(Date.now() / 1000)

  const letter = '/editor/letter/callback'
  const refused: Array<[string, string, object, string?]> = [
    ['no token', letter, claims],
    ['no object', letter, []],
    ['another secret', letter, { token: docs.sign(claims, { secret: randomBytes(32).toString('base64url') }) }],
    ['the inbox secret', letter, { token: docs.sign(claims, { secret: secrets.inbox }) }],
    ['no signature', letter, { token: docs.sign(claims).replace(/[^.]*$/, '') }],
    ['a config', letter, config],
    ['a version', letter, version],
    ['a download', letter, { token: docs.sign({ payload: { url: file.url } }) }],
    ['the claims of a header in the body', letter, { token: docs.sign({ payload: claims }) }],
    ['a bad body and a good header', letter, { token: 'bad' }, `Bearer ${docs.sign({ payload: claims })}`],
    ['an old one', letter, { token: docs.sign(claims, { iat: seconds - 3600 }) }],
    ['one that lives for long', letter, { token: makeToken({ ...claims, iat: seconds, exp: seconds + 3600 }, secrets.outbox) }],
    ['a status that nobody knows', letter, { token: docs.sign({ ...claims, status: 5 }) }],
    ['no file', letter, { token: docs.sign({ ...claims, url: undefined }) }],
    ['a key of another host', letter, { token: docs.sign({ ...claims, key: foreign.key }) }],
    ['the id as the key', letter, { token: docs.sign({ ...claims, key: 'letter' }) }],
    ['the route of another document', '/editor/contract/callback', { token: docs.sign(claims) }],
    ['the route of no document', '/editor/nothing/callback', { token: docs.sign(claims) }],
    ['a file elsewhere', letter, { token: docs.sign({ ...claims, url: stranger.keep('evil').url }) }],
    ['changes elsewhere', letter, { token: docs.sign({ ...claims, changesurl: stranger.keep('evil').url }) }],
    ['a file of the host’s', letter, { token: docs.sign({ ...claims, url: `${url}/health/live` }) }]
  ]
  for (const [name, path, body, authorization] of refused) {
    const reply = await call(`${url}${path}`, { method: 'POST', body, headers: authorization === undefined ? {} : { authorization } })
    t.strictSame([reply.status, reply.body], [403, { error: 1, message: 'The callback is refused' }], name)
  }
  t.equal(file.asked(), 0)

  await t.test('and the same with one secret for both sides', async (t) => {
    const secret = secrets.inbox
    const docs = await startDocumentServer(t, { inbox: secret })
    const host = await startHost(t, { docs, env: { EDITOR_OUTBOX_SECRET: '' } })
    const sign = async (path: string, data?: unknown) => (await call(`${host.url}${path}`, { method: 'POST', bearer: KEY, body: { documentId: 'letter', ...(data !== undefined && { data }) } })).body as object
    for (const signed of [await sign('/editor/config'), await sign('/editor/methods/setHistoryData', 1)]) {
      t.equal((await call(`${host.url}${letter}`, { method: 'POST', body: signed })).status, 403, 'a browser’s token is no callback')
    }
    t.match(await docs.callback(await host.open(), saved(docs, 'with one secret')), { statuses: [200] })
  })

  await t.test('downloads', async (t) => {
    const { url: fileUrl } = await host.version(1)
    const bearer = (token: string) => ({ to: fileUrl, token })
    const denied: Array<[string, number, string, Parameters<DocumentServer['download']>[1]]> = [
      ['another secret', 401, fileUrl, bearer(docs.sign({ payload: { url: fileUrl } }, { secret: secrets.inbox }))],
      ['an old token', 401, fileUrl, bearer(docs.sign({ payload: { url: fileUrl } }, { iat: seconds - 3600 }))],
      ['a config', 401, fileUrl, bearer(config.token)],
      ['a callback', 401, fileUrl, bearer(docs.sign({ payload: { ...claims, url: fileUrl } }))],
      ['another version', 403, fileUrl, bearer(docs.sign({ payload: { url: fileUrl.replace('=1', '=2') } }))],
      ['the same of another host', 403, fileUrl, bearer(docs.sign({ payload: { url: fileUrl.replace(url, elsewhere.url) } }))],
      ['a version that there is not', 404, fileUrl.replace('=1', '=2'), {}],
      ['a version that is no number', 400, fileUrl.replace('=1', '=one'), {}],
      ['changes that there are not', 404, fileUrl.replace('/file', '/changes'), {}],
      ['changes of no version', 400, `${url}/editor/letter/changes`, {}],
      ['a document that is not edited', 404, `${url}/editor/contract/file`, {}]
    ]
    for (const [name, status, asked, options] of denied) t.equal((await docs.download(asked, options)).status, status, name)
    t.equal((await call(fileUrl)).status, 401, 'no token')
    t.strictSame((await docs.download(`${url}/editor/letter/file`)).file, ORIGINAL, 'the latest one has no number')
  })
  t.equal((await host.history()).currentVersion, 1)
})
