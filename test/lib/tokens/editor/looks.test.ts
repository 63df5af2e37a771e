import t from 'tap'
import { type EditorConfig } from '../../../../lib/schemas/editor/config.ts'
import { type EditorLooks } from '../../../../lib/schemas/editor/routes.ts'
import { withLooks } from '../../../../lib/tokens/editor/looks.ts'

const document = { key: 'letter-1', url: 'https://files.example/letter.docx' }
const user = { id: 'ada' }
const config: EditorConfig = { document, editorConfig: { user } }

const all: Required<EditorLooks> = {
  type: 'mobile',
  width: '100%',
  height: '50vh',
  lang: 'de',
  region: 'de-AT',
  uiTheme: 'theme-dark',
  compactHeader: true,
  compactToolbar: false,
  toolbarHideFileName: true,
  hideRightMenu: true,
  hideRulers: false,
  zoom: -2,
  unit: 'pt'
}

t.test('each look goes where it belongs, behind what is there', async (t) => {
  const { type, width, height, lang, region, ...customization } = all
  t.equal(JSON.stringify(withLooks(config, all)), JSON.stringify({ document, editorConfig: { user, lang, region, customization }, type, width, height }))
  t.equal(JSON.stringify(withLooks(config, { lang: 'de' })), JSON.stringify({ document, editorConfig: { user, lang: 'de' } }), 'and nothing for what was not asked')
  t.equal(JSON.stringify(withLooks(config, { zoom: 0, compactHeader: false })), JSON.stringify({ document, editorConfig: { user, customization: { zoom: 0, compactHeader: false } } }), 'not even where it says no')
  t.strictSame(withLooks(config, {}), config)
})

t.test('what the config says stays, whatever it says', async (t) => {
  const own = {
    type: 'desktop',
    width: '1px',
    height: '2px',
    document,
    editorConfig: {
      lang: 'en',
      region: 'en-GB',
      user,
      customization: { uiTheme: 'theme-light', compactHeader: false, compactToolbar: true, toolbarHideFileName: false, hideRightMenu: false, hideRulers: true, zoom: 100, unit: 'cm', forcesave: true }
    }
  } as const
  const mixed = withLooks(own, all)
  t.strictSame(mixed, own)
  t.equal(withLooks({ ...config, editorConfig: { user, customization: { about: false } } }, { unit: 'cm' }).editorConfig.customization?.about, false)
  for (const wrong of [undefined, null, 0]) {
    const { type, editorConfig } = withLooks({ ...config, type: wrong, editorConfig: { user, lang: wrong } } as never, all)
    t.strictSame([type, editorConfig.lang], [wrong, wrong], 'also what is wrong, so that the host is told')
  }
})

t.test('the host\'s own object stays as it is', async (t) => {
  const frozen = Object.freeze({ ...config, editorConfig: Object.freeze({ user, customization: Object.freeze({ about: false }) }) })
  const before = structuredClone(frozen)
  withLooks(frozen, all)
  t.strictSame(frozen, before)
})

t.test('what is no config is returned as it is, for who checks it', async (t) => {
  for (const value of [undefined, null, true, 1, 'config', [], [config], {}, { document }, { document, editorConfig: null }, { document, editorConfig: 'a' }, { document, editorConfig: [] }]) {
    t.equal(withLooks(value as never, all), value, JSON.stringify(value))
  }
  for (const customization of [null, 'a', 1, ['a']]) {
    const wrong = { document, editorConfig: { user, customization } }
    t.strictSame(withLooks(wrong as never, all).editorConfig.customization, customization, JSON.stringify(customization))
  }
})
