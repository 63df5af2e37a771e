import t from 'tap'
import { EditorConfigSchema } from '../../../../lib/schemas/editor/config.ts'
import { EDITOR_METHOD_SCHEMAS } from '../../../../lib/schemas/editor/methods.ts'
import { EDITOR_REQUEST_SCHEMAS } from '../../../../lib/schemas/editor/requests.ts'
import { findUrls, isExactUrl, problemOfUrl } from '../../../../lib/tokens/editor/urls.ts'

const EXACT = [
  'https://files.example/',
  'http://files.example/a/b.docx?x=1&y=%20#z',
  'https://files.example:8443/',
  'http://127.0.0.1:1/cb',
  'http://[::1]/',
  'https://xn--bcher-kva.example/'
]

const NOT_EXACT = [
  '', ' ', '/relative', 'relative.docx', '//files.example/', 'files.example/a', '?x=1',
  'javascript:alert(1)', 'data:text/html,x', 'data:image/png;base64,AAAA', 'file:///etc/passwd', 'ftp://files.example/', 'blob:https://files.example/1', 'ws://files.example/', 'about:blank',
  'https://user@files.example/', 'https://user:pass@files.example/', 'https://:pass@files.example/', 'https://@files.example/',
  'https:\\\\files.example\\', 'https://files.example\\@evil.example/', 'https:/files.example/', 'https:files.example/', 'https:///files.example/',
  'https://files.example/\t', 'https://fi\tles.example/', 'https://files.example/a\n', ' https://files.example/', 'https://files.example/ ', 'https://files.example/a b', '\u0000https://files.example/',
  'http://0x7f000001/', 'http://0x7f.0.0.1/', 'http://2130706433/', 'http://0177.0.0.1/', 'http://127.1/', 'http://[0:0:0:0:0:0:0:1]/',
  'HTTPS://files.example/', 'https://Files.example/', 'https://%66iles.example/', 'https://bücher.example/', 'https://files。example/', 'https://fi\u00adles.example/',
  'https://files.example', 'https://files.example?x', 'https://files.example:443/', 'http://files.example:80/', 'https://files.example:/',
  'https://files.example/a/../b', 'https://files.example/./a', 'https://files.example/ü', 'https://files.example/%2e%2e/a',
  'https://', 'https:///', 'http://files.example:99999/', 'http://[::1/'
]

t.test('an exact URL', async (t) => {
  for (const url of EXACT) t.equal(isExactUrl(url), true, url)
})

// Two readers of a URL that is signed see the same host in it.
t.test('not exact', async (t) => {
  for (const url of NOT_EXACT) t.equal(isExactUrl(url), false, JSON.stringify(url))
})

const PICTURE = 'data:image/png;base64,iVBORw0KGgo='
const none = { isPicture: false, mayBeBlank: false }

t.test('origins', async (t) => {
  const allowedUrls = { server: ['https://files.example'], browser: ['https://app.example', 'http://localhost:3000'] }
  const problem = (kind: 'server' | 'browser', text: string): string | undefined => problemOfUrl({ ...none, text, kind }, allowedUrls)
  t.equal(problem('server', 'https://files.example/a'), undefined)
  t.equal(problem('browser', 'http://localhost:3000/a'), undefined)
  t.equal(problem('browser', 'https://files.example/a'), 'has an origin that is not in allowedUrls.browser')
  t.equal(problem('server', 'https://app.example/a'), 'has an origin that is not in allowedUrls.server')
  for (const text of ['http://files.example/a', 'https://files.example:8443/', 'https://files.example./a', 'https://files.example.evil.example/', 'https://a.files.example/', 'https://evil.example/https://files.example/']) {
    t.match(problem('server', text), /origin/, text)
  }
  t.match(problem('server', 'https://files.example'), /new URL/, 'however good the origin is')
  t.match(problemOfUrl({ ...none, text: 'https://files.example/', kind: 'server' }, { server: [], browser: [] }), /origin/, 'an empty list admits none')
})

t.test('pictures and blanks', async (t) => {
  const lists = { server: ['https://files.example'], browser: ['https://files.example'] }
  const picture = (text: string, allowedUrls?: typeof lists): boolean => problemOfUrl({ text, kind: 'browser', isPicture: true, mayBeBlank: false }, allowedUrls) === undefined
  for (const type of ['png', 'jpeg', 'gif', 'webp', 'svg+xml']) t.ok(picture(`data:image/${type};base64,AAAA`), type)
  t.notOk(picture(PICTURE, lists), 'it has no origin')
  t.ok(picture('https://files.example/a.png', lists))
  for (const text of ['data:image/tiff;base64,AAAA', 'data:text/html;base64,AAAA', 'data:image/png,AAAA', 'data:image/png;base64,', 'data:image/png;base64,A A', 'data:image/png;base64,AA===', 'data:image/png;base64,AAAA\n', ' data:image/png;base64,AAAA', 'DATA:image/png;base64,AAAA', 'data:image/svgxml;base64,AAAA']) {
    t.notOk(picture(text), JSON.stringify(text))
  }
  t.match(problemOfUrl({ ...none, text: PICTURE, kind: 'browser' }, undefined), /new URL/, 'a link is no picture')
  t.equal(problemOfUrl({ ...none, text: '', kind: 'browser', mayBeBlank: true }, lists), undefined)
  t.match(problemOfUrl({ ...none, text: ' ', kind: 'browser', mayBeBlank: true }, undefined), /new URL/)
})

t.test('every URL is found', async (t) => {
  const config = {
    document: { key: 'k', url: '1', options: { url: 'not ours' } },
    editorConfig: {
      callbackUrl: '2',
      user: { id: 'u', image: '3' },
      createUrl: '4',
      sharingSettingsUrl: '5',
      fileChoiceUrl: '6',
      mergeFolderUrl: '7',
      saveAsUrl: '8',
      recent: [{ title: 'url', url: '9' }, { url: '10' }],
      templates: [{ image: '11', url: '12' }],
      customization: {
        logo: { image: '13', imageDark: '14', imageLight: '15', imageEmbedded: '16', url: '17' },
        customer: { www: 'not held', logo: '18', logoDark: '19' },
        feedback: { url: '20' },
        goback: { url: '21' },
        loaderLogo: '22'
      },
      plugins: { pluginsData: ['23', '24'], url: '25' },
      embedded: { embedUrl: '26', fullscreenUrl: '27', saveUrl: '28', shareUrl: '29' }
    }
  }
  const found = [...findUrls(EditorConfigSchema, config)]
  t.strictSame(found.map(({ text }) => Number(text)), Array.from({ length: 29 }, (_, index) => index + 1), 'in their order')
  t.strictSame(found.filter(({ kind }) => kind === 'server').map(({ path }) => path.join('.')), ['document.url', 'editorConfig.callbackUrl'])
  t.strictSame(found.filter(({ isPicture }) => isPicture).map(({ text }) => text), ['3', '11', '13', '14', '15', '16', '18', '19', '22'])
  t.strictSame(found.filter(({ mayBeBlank }) => mayBeBlank).map(({ path }) => path.join('.')), ['editorConfig.customization.logo.url'])
})

t.test('methods and requests: all of the server', async (t) => {
  const image = { fileType: 'png', url: '1' }
  const cases = [
    [EDITOR_METHOD_SCHEMAS.insertImage, { images: [image, image] }, ['images.0.url', 'images.1.url']],
    [EDITOR_METHOD_SCHEMAS.insertImage, image, ['url']],
    [EDITOR_METHOD_SCHEMAS.setHistoryData, { url: '1', changesUrl: '1', previous: { url: '1' } }, ['url', 'changesUrl', 'previous.url']],
    [EDITOR_METHOD_SCHEMAS.setReferenceData, { path: 'url', url: '1' }, ['url']],
    [EDITOR_METHOD_SCHEMAS.setReferenceSource, { path: 'url', url: '1' }, ['url']],
    [EDITOR_METHOD_SCHEMAS.setRequestedDocument, image, ['url']],
    [EDITOR_METHOD_SCHEMAS.setRequestedSpreadsheet, image, ['url']],
    [EDITOR_METHOD_SCHEMAS.setMailMergeRecipients, image, ['url']],
    [EDITOR_METHOD_SCHEMAS.setRevisedFile, image, ['url']],
    [EDITOR_REQUEST_SCHEMAS.command, { c: 'info', userdata: '1' }, []],
    [EDITOR_REQUEST_SCHEMAS.converter, { url: '1', watermark: { fill: '1' } }, ['url', 'watermark.fill']],
    [EDITOR_REQUEST_SCHEMAS.converter, { watermark: { fill: [1, 2, 3] } }, []],
    [EDITOR_REQUEST_SCHEMAS.docbuilder, { url: '1', argument: { url: '1' } }, ['url']]
  ] as const
  for (const [schema, value, paths] of cases) {
    const found = [...findUrls(schema, value)]
    t.strictSame(found.map(({ path }) => path.join('.')), paths)
    t.ok(found.every(({ kind }) => kind === 'server'))
  }
})
