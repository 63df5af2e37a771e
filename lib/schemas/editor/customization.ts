import { Type } from '@sinclair/typebox'
import { BLANK_KEYWORD, CLOSED, DEPRECATED, FreeFormObject, LongText, OldSwitch, OneOf, OrSwitch, PictureUrl, Switch, Text, Url } from './scalars.ts'
import { Theme } from './values.ts'

const REVIEW_DISPLAYS = ['markup', 'simple', 'final', 'original'] as const

const LogoSchema = Type.Object({
  image: Type.Optional(PictureUrl('browser')),
  imageDark: Type.Optional(PictureUrl('browser')),
  imageLight: Type.Optional(PictureUrl('browser')),
  /** @deprecated Since 7.0: `image`. */
  imageEmbedded: Type.Optional(PictureUrl('browser', DEPRECATED)),
  /** `''` for a logo that is no link. */
  url: Type.Optional(Url('browser', { [BLANK_KEYWORD]: true })),
  visible: Switch()
}, CLOSED)

const CustomerSchema = Type.Object({
  name: Type.Optional(Text()),
  address: Type.Optional(Text()),
  mail: Type.Optional(Text()),
  /** Shown as it is, such as `example.com`; the editor makes an http link of it, whatever it says. Not held against `allowedUrls`. */
  www: Type.Optional(Text()),
  phone: Type.Optional(Text()),
  info: Type.Optional(LongText()),
  logo: Type.Optional(PictureUrl('browser')),
  logoDark: Type.Optional(PictureUrl('browser'))
}, CLOSED)

const FeedbackSchema = Type.Object({ visible: Switch(), url: Type.Optional(Url('browser')) }, CLOSED)

const GobackSchema = Type.Object({
  blank: Switch(),
  /** @deprecated Since 8.1: `close`. */
  requestClose: OldSwitch(),
  text: Type.Optional(Text()),
  url: Type.Optional(Url('browser'))
}, CLOSED)

const ReviewSchema = Type.Object({
  hideReviewDisplay: Switch(),
  hoverMode: Switch(),
  reviewDisplay: Type.Optional(OneOf(REVIEW_DISPLAYS)),
  showReviewChanges: Switch(),
  trackChanges: Switch()
}, CLOSED)

const ToolbarSchema = Type.Object({
  file: Type.Optional(OrSwitch(Type.Object({ close: Switch(), settings: Switch(), info: Switch(), save: Switch() }, CLOSED))),
  home: Type.Optional(Type.Object({
    /** @deprecated `toolbar.collaboration.mailmerge`. */
    mailmerge: OldSwitch()
  }, CLOSED)),
  insert: Type.Optional(OrSwitch(Type.Object({ field: Switch(), file: Switch() }, CLOSED))),
  layout: Type.Optional(OrSwitch(Type.Object({ pagecolor: Switch() }, CLOSED))),
  references: Switch(),
  collaboration: Type.Optional(OrSwitch(Type.Object({ mailmerge: Switch() }, CLOSED))),
  draw: Switch(),
  protect: Switch(),
  plugins: Switch(),
  view: Type.Optional(OrSwitch(Type.Object({ navigation: Switch() }, CLOSED))),
  save: Switch()
}, CLOSED)

const LayoutSchema = Type.Object({
  toolbar: Type.Optional(OrSwitch(ToolbarSchema)),
  header: Type.Optional(Type.Object({ editMode: Switch(), save: Switch(), user: Switch(), users: Switch() }, CLOSED)),
  leftMenu: Type.Optional(OrSwitch(Type.Object({ mode: Switch(), navigation: Switch(), spellcheck: Switch() }, CLOSED))),
  rightMenu: Type.Optional(OrSwitch(Type.Object({ mode: Switch() }, CLOSED))),
  statusBar: Type.Optional(OrSwitch(Type.Object({ actionStatus: Switch(), docLang: Switch(), textLang: Switch() }, CLOSED)))
}, CLOSED)

const TabStyle = () => OneOf(['fill', 'line'])

const TabBackground = () => OneOf(['header', 'toolbar'])

const FeaturesSchema = Type.Object({
  spellcheck: Type.Optional(OrSwitch(Type.Object({
    mode: Switch(),
    /** @deprecated Since 9.0.4. */
    change: OldSwitch()
  }, CLOSED))),
  roles: Switch(),
  tabStyle: Type.Optional(Type.Union([Type.Object({ mode: Type.Optional(TabStyle()), change: Switch() }, CLOSED), TabStyle()])),
  tabBackground: Type.Optional(Type.Union([Type.Object({ mode: Type.Optional(TabBackground()), change: Switch() }, CLOSED), TabBackground()])),
  featuresTips: Switch()
}, CLOSED)

const MobileSchema = Type.Object({ forceView: Switch(), info: Switch(), standardView: Switch(), disableForceDesktop: Switch() }, CLOSED)

const SubmitFormSchema = Type.Object({
  visible: Switch(),
  /** `null` for no message. */
  resultMessage: Type.Optional(Type.Union([LongText(), Type.Null()]))
}, CLOSED)

/** How the editor looks. None of it is strict: the browser's own value may differ from what was signed. */
export const CustomizationSchema = Type.Object({
  logo: Type.Optional(LogoSchema),
  customer: Type.Optional(CustomerSchema),
  about: Switch(),
  feedback: Type.Optional(OrSwitch(FeedbackSchema)),
  goback: Type.Optional(GobackSchema),
  close: Type.Optional(Type.Object({ visible: Switch(), text: Type.Optional(Text()) }, CLOSED)),
  /** Lists of groups by group: whose changes each may accept. */
  reviewPermissions: Type.Optional(FreeFormObject()),
  anonymous: Type.Optional(Type.Object({ request: Switch(), label: Type.Optional(Text()) }, CLOSED)),
  review: Type.Optional(ReviewSchema),
  layout: Type.Optional(LayoutSchema),
  features: Type.Optional(FeaturesSchema),
  font: Type.Optional(Type.Object({ name: Type.Optional(Text()), size: Type.Optional(Text(64)) }, CLOSED)),
  loaderLogo: Type.Optional(PictureUrl('browser')),
  loaderName: Type.Optional(Text()),
  /** @deprecated Since 7.1: `document.permissions.chat`. */
  chat: OldSwitch(),
  comments: Switch(),
  /** Per cent; -1 fits the page, -2 its width. */
  zoom: Type.Optional(Type.Number()),
  compactToolbar: Switch(),
  /** @deprecated Since 7.1: `layout.leftMenu`. */
  leftMenu: OldSwitch(),
  /** @deprecated Since 7.1: `layout.rightMenu`. */
  rightMenu: OldSwitch(),
  hideRightMenu: Switch(),
  /** @deprecated Since 7.1: `layout.toolbar`. */
  toolbar: OldSwitch(),
  /** @deprecated Since 7.1: `layout.statusBar`. */
  statusBar: OldSwitch(),
  autosave: Switch(),
  forcesave: Switch(),
  /** @deprecated Since 7.0: `review.showReviewChanges`. */
  showReviewChanges: OldSwitch(),
  help: Switch(),
  compactHeader: Switch(),
  /** @deprecated Since 8.2: `features.tabStyle` with `line` and `features.tabBackground` with `toolbar`. */
  toolbarNoTabs: OldSwitch(),
  toolbarHideFileName: Switch(),
  /** @deprecated Since 7.0: `review.reviewDisplay`. */
  reviewDisplay: Type.Optional(OneOf(REVIEW_DISPLAYS, DEPRECATED)),
  /** @deprecated Since 7.1: `features.spellcheck`. */
  spellcheck: OldSwitch(),
  compatibleFeatures: Switch(),
  unit: Type.Optional(OneOf(['cm', 'pt', 'inch'])),
  mentionShare: Switch(),
  macros: Switch(),
  plugins: Switch(),
  macrosMode: Type.Optional(OneOf(['disable', 'warn', 'enable'])),
  /** @deprecated Since 7.0: `review.trackChanges`. */
  trackChanges: OldSwitch(),
  hideRulers: Switch(),
  hideNotes: Switch(),
  uiTheme: Type.Optional(Theme()),
  integrationMode: Type.Optional(Text(64)),
  pointerMode: Type.Optional(OneOf(['select', 'hand'])),
  mobile: Type.Optional(MobileSchema),
  /** @deprecated Since 8.2: `mobile`. */
  mobileForceView: OldSwitch(),
  submitForm: Type.Optional(OrSwitch(SubmitFormSchema)),
  forceWesternFontSize: Switch(),
  slidePlayerBackground: Type.Optional(Text(64)),
  wordHeadingsColor: Type.Optional(Text(64)),
  showVerticalScroll: Switch(),
  showHorizontalScroll: Switch(),
  startFillingForm: Type.Optional(Type.Object({ text: Type.Optional(Text()) }, CLOSED)),
  suggestFeature: Switch()
}, CLOSED)
