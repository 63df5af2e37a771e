import t from 'tap'
import { createMemoryStore } from '../../../../lib/stores/memory.ts'
import { checkExpiresIn, checkOrigins, EDITOR_OPTION_NAMES, type EditorSignaturesOptions, resolveEditorOptions } from '../../../../lib/tokens/editor/options.ts'
import { INBOX, NOW, OUTBOX } from '../../../support/editor-tokens.ts'

const now = () => NOW

t.test('defaults', async (t) => {
  const { secrets, warn, ...settings } = resolveEditorOptions({ inbox: INBOX })
  t.strictSame(settings, {
    algorithm: 'HS256', name: 'default', expiresIn: 300, issuedAt: false, clockTolerance: 60, allowAnonymous: false, allowUnknown: false, allowedUrls: undefined, header: 'authorization', headerPrefix: 'Bearer ', store: undefined, namesSecret: false, now: Date.now
  })
  t.strictSame([secrets.has('inbox'), secrets.has('outbox')], [true, false])
  t.equal(typeof warn, 'function')
  t.strictSame([...EDITOR_OPTION_NAMES].sort(), [...Object.keys(settings), 'inbox', 'outbox', 'allowWeakSecret', 'onWarning'].sort(), 'every option has a name')
})

t.test('everything given', async (t) => {
  const store = createMemoryStore({ now })
  const allowedUrls = { server: ['https://files.example'], browser: [] as string[] }
  const warnings: string[] = []
  const options: EditorSignaturesOptions = {
    inbox: INBOX, outbox: INBOX, algorithm: 'HS256', name: 'a.B_c:d-1', expiresIn: false, issuedAt: true, clockTolerance: 0, allowAnonymous: true, allowUnknown: true, allowedUrls, header: 'AuthorizationJwt', headerPrefix: '', store, namesSecret: true, onWarning: (message) => { warnings.push(message) }, now
  }
  const { secrets, warn, ...settings } = resolveEditorOptions(Object.freeze(options))
  t.strictSame(settings, {
    algorithm: 'HS256', name: 'a.B_c:d-1', expiresIn: false, issuedAt: true, clockTolerance: 0, allowAnonymous: true, allowUnknown: true, allowedUrls, header: 'authorizationjwt', headerPrefix: '', store, namesSecret: true, now
  })
  t.equal(secrets.has('outbox'), true)
  t.equal(warnings.length, 1, 'what is unwise is told')
  t.equal(warn('more'), undefined)
  t.strictSame(warnings.slice(1), ['more'])
  t.ok(Object.isFrozen(settings.allowedUrls) && Object.isFrozen(settings.allowedUrls?.server))
  allowedUrls.browser.push('https://evil.test')
  allowedUrls.server.push('https://evil.test')
  t.strictSame(settings.allowedUrls, { server: ['https://files.example'], browser: [] }, 'what the host changes later changes nothing')
})

t.test('without onWarning a warning is the process\'s', async (t) => {
  const told: string[] = []
  const listener = ({ message }: Error) => { told.push(message) }
  process.on('warning', listener)
  t.teardown(() => process.off('warning', listener))
  resolveEditorOptions({ inbox: INBOX, outbox: INBOX })
  await new Promise((resolve) => setImmediate(resolve))
  t.match(told, [/are the same/])
})

t.test('refuses each option that is unusable (T4, T10)', async (t) => {
  const bad: Record<string, unknown[]> = {
    name: ['', 'a b', 'a/b', 'ä', 'x'.repeat(65), 7, null, 'a\n'],
    now: [7, null, () => NaN, () => 'now', () => Infinity],
    expiresIn: [0, -1, 1.5, NaN, Infinity, '300', true, null, 31 * 86_400 + 1],
    clockTolerance: [-1, 301, 1.5, NaN, Infinity, '60', null, true],
    issuedAt: [0, 1, 'true', null],
    allowAnonymous: [0, 'false', null],
    allowUnknown: [0, 'false', null],
    namesSecret: [0, 'false', null],
    allowWeakSecret: [0, 'false', null],
    algorithm: ['none', 'RS256', 'hs256', null, ''],
    inbox: [undefined, null, '', 7, 'secret', []],
    outbox: [null, '', 7, 'secret', []],
    header: ['', 'a b', 'a:b', 'ä', 7, null, 'a\r\nb'],
    headerPrefix: ['Bearer', 'x_', 'x-', 'Bearer\t', 'Bearer\r\n', 'ä ', 7, null, ' '.repeat(65)],
    store: [null, {}, 7, 'memory', { get () {} }],
    onWarning: [null, 'log', {}],
    allowedUrls: [null, 7, 'https://files.example', [], {}, { server: [] }, { browser: [] }, { server: 'https://files.example', browser: [] }, { server: [], browser: [], other: [] }, { server: ['*'], browser: [] }, { server: [], browser: ['https://files.example/'] }]
  }
  for (const [option, values] of Object.entries(bad)) {
    for (const value of values) {
      const make = () => resolveEditorOptions({ inbox: INBOX, outbox: OUTBOX, now, [option]: value } as EditorSignaturesOptions)
      t.throws(make, { code: /^FDT_(?:INVALID_OPTION|WEAK_KEY|UNUSABLE_KEY)$/, statusCode: 500, message: new RegExp(option === 'allowedUrls' ? 'allowedUrls' : `"?${option}`) }, `${option} ${typeof value === 'function' ? 'function' : JSON.stringify(value)?.slice(0, 40)}`)
    }
  }
  for (const options of [undefined, null, 7, 'text']) t.throws(() => resolveEditorOptions(options as unknown as EditorSignaturesOptions), { code: 'FDT_INVALID_OPTION', message: 'Invalid option "options": must be an object' })
})

t.test('what is just usable', async (t) => {
  const good: Array<Partial<EditorSignaturesOptions>> = [
    { expiresIn: 1 }, { expiresIn: 31 * 86_400 }, { clockTolerance: 300 }, { name: 'x'.repeat(64) }, { headerPrefix: 'JWT: ' }, { headerPrefix: 'token=' }, { headerPrefix: ' '.repeat(64) }, { header: "x!#$%&'*+-.^_`|~1" },
    { allowedUrls: { server: [], browser: [] } }, { allowedUrls: { server: ['http://10.0.0.7:8080', 'http://[::1]'], browser: ['https://a.example'] } }
  ]
  for (const more of good) t.ok(resolveEditorOptions({ inbox: INBOX, now, ...more }), JSON.stringify(more))
  t.equal(checkExpiresIn(false), undefined)
  t.equal(checkOrigins('x', []), undefined)
  for (const origins of [undefined, null, 'https://a.example', {}, new Set(['https://a.example'])]) t.throws(() => { checkOrigins('x', origins as unknown as string[]) }, { code: 'FDT_INVALID_OPTION', message: 'Invalid option "x": must be a list of origins, such as https://files.example' })
})
