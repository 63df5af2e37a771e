import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { call, issue, list, read } from '../support/example-client.ts'
import { apiKeys, firstKey, ROOT, startServer } from '../support/example-server.ts'

const FOLDER = join(ROOT, 'examples/documents')

interface StoredDocument { id: string, title: string, type: string, file: string }

const catalogue: StoredDocument[] = JSON.parse(readFileSync(join(FOLDER, 'index.json'), 'utf8'))

const ANNOTATIONS = { annotations: [{ type: 'note', text: 'Übergabe “später”' }, { type: 'ink', lines: [[1, 2], [3, 4]] }] }

t.test('sessions and the documents that they are about', async (t) => {
  const server = await startServer(t)
  const { url, dataDir } = server
  const key = await firstKey(server)
  const put = (token: string, id: string, body: unknown = ANNOTATIONS) => call(`${url}/documents/${id}/annotations`, { method: 'PUT', bearer: token, body })

  await t.test('a session that may read one document', async (t) => {
    const token = await issue(url, key, { contract: ['read'] })
    const reply = await read(url, token)
    t.equal(reply.status, 200)
    t.ok(reply.bytes.equals(readFileSync(join(FOLDER, 'contract.pdf'))), 'byte by byte')
    t.equal(reply.headers.get('content-type'), 'application/pdf')
    t.equal(reply.headers.get('content-disposition'), 'inline; filename="contract.pdf"')
    t.equal(reply.headers.get('x-content-type-options'), 'nosniff')
    t.equal((await call(`${url}/documents/contract`, { method: 'HEAD', bearer: token })).status, 200)
    t.match(await read(url, token, 'contract/annotations'), { status: 200, body: { annotations: [] } })

    const refused = [
      { name: 'download', reply: await read(url, token, 'contract/download') },
      { name: 'write', reply: await put(token, 'contract') },
      ...await Promise.all(catalogue.filter(({ id }) => id !== 'contract').map(async ({ id }) => ({ name: `another document: ${id}`, reply: await read(url, token, id) }))),
      { name: 'annotations of another document', reply: await read(url, token, 'letter/annotations') },
      { name: 'a document that does not exist', reply: await read(url, token, 'nothing') },
      { name: 'another spelling', reply: await read(url, token, 'Contract') },
      { name: 'one behind a slash', reply: await read(url, token, 'contract%2F..%2Fhandbook') },
      { name: 'HEAD', reply: await call(`${url}/documents/handbook`, { method: 'HEAD', bearer: token }) }
    ]
    for (const { name, reply } of refused) {
      t.equal(reply.status, 403, name)
      t.equal(reply.headers.get('www-authenticate'), 'Bearer error="insufficient_scope"', name)
      if (name !== 'HEAD') t.match(reply.body, { statusCode: 403, code: 'FDT_INSUFFICIENT_PERMISSION', error: 'Forbidden' }, name)
    }
    t.match(await read(url, token, 'contract/annotations'), { body: { annotations: [] } }, 'and nothing was written')
  })

  await t.test('every document, inline and as an attachment', async (t) => {
    const token = await issue(url, key, Object.fromEntries(catalogue.map(({ id }) => [id, ['read', 'download']])))
    t.ok(catalogue.length > 2)
    for (const { id, type, file } of catalogue) {
      for (const [path, disposition] of [[id, 'inline'], [`${id}/download`, 'attachment']] as const) {
        const reply = await read(url, token, path)
        t.equal(reply.status, 200, path)
        t.ok(reply.bytes.equals(readFileSync(join(FOLDER, file))), path)
        t.equal(reply.headers.get('content-type'), type)
        t.equal(reply.headers.get('content-disposition'), `${disposition}; filename="${file}"`)
      }
    }
  })

  await t.test('what a session covers and nobody has', async (t) => {
    const token = await issue(url, key, { nothing: ['read', 'write', 'download'] })
    for (const reply of [await read(url, token, 'nothing'), await read(url, token, 'nothing/download'), await read(url, token, 'nothing/annotations'), await put(token, 'nothing')]) {
      t.equal(reply.status, 404)
      t.strictSame(reply.body, { statusCode: 404, code: 'FST_ERR_NOT_FOUND', error: 'Not Found', message: 'Not Found' })
    }
  })

  await t.test('the list, for API keys', async (t) => {
    const expected = { documents: catalogue.map(({ id, title, type }) => ({ id, title, type })) }
    for (const headers of [{ authorization: `Bearer ${key}` }, { authorization: `bearer  ${key}` }, { 'x-api-key': key }] as Array<Record<string, string>>) {
      const reply = await call(`${url}/documents`, { headers })
      t.equal(reply.status, 200)
      t.strictSame(reply.body, expected)
      t.equal(reply.headers.get('www-authenticate'), null)
    }
    const token = await issue(url, key, { contract: ['read'] })
    const { secret: foreign } = await apiKeys(t, dataDir, 'create', '--flow', 'opaque-tokens') as { secret: string }
    const missing = { statusCode: 401, code: 'FDT_MISSING_CREDENTIAL', error: 'Unauthorized', message: 'An API key is required' }
    const invalid = { statusCode: 401, code: 'FDT_INVALID_CREDENTIAL', error: 'Unauthorized', message: 'The API key is not valid' }
    const several = { statusCode: 400, code: 'FDT_MULTIPLE_CREDENTIALS', error: 'Bad Request', message: 'The request carries more than one API key' }
    const elsewhere = { statusCode: 403, code: 'FDT_FLOW_NOT_ALLOWED', error: 'Forbidden', message: 'The API key may not be used here' }
    const wrong: Array<[Record<string, string>, typeof missing, string]> = [
      [{}, missing, 'Bearer'],
      [{ authorization: `Basic ${key}` }, missing, 'Bearer'],
      ...[{ authorization: 'Bearer' }, { authorization: `Bearer ${key}x` }, { authorization: `Bearer ${token}` }, { 'x-api-key': token }, { 'x-api-key': '' }, { authorization: 'Bearer __proto__' }]
        .map((headers): [Record<string, string>, typeof missing, string] => [headers as unknown as Record<string, string>, invalid, 'Bearer error="invalid_token"']),
      [{ authorization: `Bearer ${key}`, 'x-api-key': key }, several, 'Bearer error="invalid_request"'],
      [{ authorization: 'Bearer nonsense', 'x-api-key': key }, several, 'Bearer error="invalid_request"'],
      [{ 'x-api-key': foreign }, elsewhere, 'Bearer error="insufficient_scope"']
    ]
    for (const [headers, body, challenge] of wrong) {
      const reply = await call(`${url}/documents`, { headers })
      t.equal(reply.status, body.statusCode)
      t.equal(reply.headers.get('www-authenticate'), challenge)
      t.strictSame(reply.body, body)
    }
    t.equal((await read(url, key)).status, 401, 'and an API key is no session')

    const { secret } = await apiKeys(t, dataDir, 'create', '--document', 'letter') as { secret: string }
    t.strictSame((await list(url, secret)).body, { documents: expected.documents.filter(({ id }) => id === 'letter') }, 'a key lists what it may open')
  })

  await t.test('annotations that are none', async (t) => {
    const token = await issue(url, key, { letter: ['read', 'write'] })
    for (const [body, status] of [['', 400], ['{', 400], ['[]', 400], ['{}', 400], [{ annotations: [], x: 1 }, 400], [{ annotations: ['text'] }, 400]] as const) {
      t.equal((await put(token, 'letter', body)).status, status)
    }
    t.equal((await call(`${url}/documents/letter/annotations`, { method: 'PUT', bearer: token, announced: 300_000 })).status, 413)
    t.match(await read(url, token, 'letter/annotations'), { body: { annotations: [] } })
  })

  await t.test('annotations stay', async (t) => {
    const token = await issue(url, key, { contract: ['read', 'write'], letter: ['read'] })
    const reply = await put(token, 'contract')
    t.equal(reply.status, 204)
    t.equal(reply.text, '')
    t.strictSame((await read(url, token, 'contract/annotations')).body, ANNOTATIONS)
    t.strictSame((await read(url, token, 'letter/annotations')).body, { annotations: [] })
    t.equal((await put(await issue(url, key, { contract: ['write'] }), 'contract')).status, 204, 'write is all that it takes to write')

    t.equal(await server.stop(), 0)
    t.equal(server.stderr(), '')
    const again = await startServer(t, { dataDir })
    const after = await read(again.url, token, 'contract/annotations')
    t.strictSame(after.body, ANNOTATIONS, 'after a restart too')
    t.match(after.headers.get('content-type'), /^application\/json\b/)
    t.equal((await list(again.url, key)).status, 200, 'and the key is the same')
    t.equal(again.stdout().trim().split('\n').filter((line) => !line.startsWith('{')).length, 0, 'nothing is shown a second time')
  })
})
