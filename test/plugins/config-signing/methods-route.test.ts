// POST /editor/methods/:method: parameters that are signed, each by a function of its own.
import t from 'tap'
import { AUTHORIZATION, editorFront, FILES, type LooseAuthorize, METHOD_PATH, picture, refusal, refused } from '../../support/editor-front.ts'
import { KEY, NOW, SECONDS } from '../../support/editor-tokens.ts'
import { inEveryHost } from '../../support/hosts.ts'
import { recordEvents } from '../../support/recorded-events.ts'
import { claimsOf } from '../../support/session-host.ts'

const url = `${FILES}/a`

const parameters: Readonly<Record<string, object>> = {
  refreshFile: AUTHORIZATION,
  insertImage: { c: 'change', ...picture },
  setHistoryData: { version: 2, key: KEY, url, changesUrl: url, previous: { key: 'a', url } },
  setReferenceData: { path: 'a.xlsx', url, fileType: 'xlsx', key: KEY, referenceData: { fileKey: 'a', instanceId: 'b' } },
  setReferenceSource: { path: 'a.xlsx', url, fileType: 'xlsx' },
  setRequestedDocument: { c: 'compare', fileType: 'docx', url },
  setRequestedSpreadsheet: { c: 'mailmerge', fileType: 'xlsx', url },
  setMailMergeRecipients: { fileType: 'xlsx', url },
  setRevisedFile: { fileType: 'docx', url }
}

const all = Object.fromEntries(Object.entries(parameters).map(([method, parameter]): [string, LooseAuthorize] => [method, () => parameter]))

inEveryHost(t, 'every method: 200, and the whole parameter signed', async (t) => {
  const { ask, asked } = await editorFront(t, { methods: all })
  const events = recordEvents(t)
  for (const [method, parameter] of Object.entries(parameters)) {
    const reply = await ask({ documentId: 'letter', data: 2 }, {}, `/editor/methods/${method}`)
    t.equal(reply.statusCode, 200, method)
    const { token } = reply.json()
    t.equal(reply.body, JSON.stringify({ ...parameter, token }), 'in the order of the host, and nothing else')
    t.equal(reply.headers['cache-control'], 'no-store', 'T40')
    t.strictSame(claimsOf(token), { ...parameter, exp: SECONDS + 300 })
    t.strictSame(asked(), [[method, { documentId: 'letter', data: 2 }]])
    t.strictSame(events(), [['issued', { flow: 'config-signing', name: 'default', time: NOW, ...(method === 'refreshFile' && { subject: 'ada' }), documents: [], expiresAt: SECONDS + 300, purpose: method }]])
  }
})

inEveryHost(t, 'methods that are not signed (T28)', async (t) => {
  const { ask, asked } = await editorFront(t)
  const unknown = [
    'setHistoryData', 'setRevisedFile', 'insertimage', 'INSERTIMAGE', 'setUsers', 'config', 'signConfig', 'command', '__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf',
    '%00', '%20', '%2e%2e%2fconfig', 'insertImage%00', 'insertImage%20', 'insert%2FImage', '%F0%9F%98%80', '%3Cscript%3E', 'x'.repeat(64)
  ]
  for (const method of unknown) t.strictSame(refusal(await ask({}, {}, `/editor/methods/${method}`)), refused(404, 'FDT_UNKNOWN_METHOD'), method)
  for (const method of ['x'.repeat(65), 'x'.repeat(100), '%20'.repeat(65)]) {
    t.strictSame(refusal(await ask({}, {}, `/editor/methods/${method}`)), refused(400, 'FST_ERR_VALIDATION', 'params/method: Expected string length less or equal to 64'), `${method.length} characters`)
  }
  const { statusCode, body } = await ask({}, {}, `/editor/methods/${'x'.repeat(1000)}`)
  t.ok(statusCode >= 400 && statusCode < 500, `the router takes no longer ones: ${statusCode}`)
  t.notMatch(body, 'token')
  t.strictSame(asked(), [])
  t.equal((await ask({}, {}, '/editor/methods/insert%49mage')).statusCode, 200, 'however it is spelled')
})

inEveryHost(t, 'a browser that brings its own parameter is refused', async (t) => {
  const { ask, asked } = await editorFront(t, { methods: all, flow: { limits: { address: false } } })
  for (const [method, parameter] of Object.entries(parameters)) {
    for (const [name, value] of Object.entries(parameter)) {
      t.strictSame(refusal(await ask({ documentId: 'letter', [name]: value }, {}, `/editor/methods/${method}`)), refused(400, 'FST_ERR_VALIDATION', `body/${name}: Unexpected property`), `${method}: ${name}`)
    }
  }
  for (const name of ['token', 'lang', 'type', 'status', 'exp', 'tenant']) t.equal((await ask({ [name]: 'x' }, {}, METHOD_PATH)).statusCode, 400, name)
  for (const body of ['1', '"1"', 'null', '[]', '{', '{"data":1,"data":2}', `{"data":${'['.repeat(40)}${']'.repeat(40)}}`]) t.equal((await ask(body, {}, METHOD_PATH)).statusCode, 400, body.slice(0, 20))
  t.equal((await ask({ data: 'x'.repeat(17 * 1024) }, {}, METHOD_PATH)).statusCode, 413)
  t.equal((await ask('{}', { 'content-type': 'text/plain' }, METHOD_PATH)).statusCode, 415)
  t.equal((await ask({}, { 'sec-fetch-site': 'cross-site' }, METHOD_PATH)).statusCode, 403, 'T17')
  t.strictSame(asked(), [])
  t.strictSame((await ask({ data: { images: [{ fileType: 'png', url: 'https://evil.test/' }] } }, {}, '/editor/methods/setRevisedFile')).json().url, url, 'what it brings as data is for the host to judge')
})
