/**
 * What the vendor's named types hold in Docs 9.4. A newer server may know more, so at run time they are patterns.
 *
 * @module
 */
import { Spelt } from './scalars.ts'

export const DOCUMENT_TYPES = ['word', 'cell', 'slide', 'pdf', 'diagram'] as const

export const PLATFORM_TYPES = ['desktop', 'mobile', 'embedded'] as const

/** By the type of document they open as. `xml` is in two. */
const FILE_TYPES = {
  word: [
    'doc', 'docm', 'docx', 'dot', 'dotm', 'dotx', 'epub', 'fb2', 'fodt', 'hml', 'htm', 'html', 'hwp', 'hwpx', 'md', 'mht', 'mhtml',
    'odt', 'ott', 'pages', 'rtf', 'stw', 'sxw', 'txt', 'wps', 'wpt', 'xml'
  ],
  cell: ['csv', 'et', 'ett', 'fods', 'numbers', 'ods', 'ots', 'sxc', 'xls', 'xlsb', 'xlsm', 'xlsx', 'xlt', 'xltm', 'xltx', 'xml'],
  slide: ['dps', 'dpt', 'fodp', 'key', 'odg', 'odp', 'otp', 'pot', 'potm', 'potx', 'pps', 'ppsm', 'ppsx', 'ppt', 'pptm', 'pptx', 'sxi'],
  pdf: ['djvu', 'oxps', 'pdf', 'xps'],
  diagram: ['vsdm', 'vsdx', 'vssm', 'vssx', 'vstm', 'vstx']
} as const

const LANGUAGES = [
  'ar', 'az', 'be', 'bg', 'ca', 'cs', 'da', 'de', 'el', 'en', 'es', 'eu', 'fi', 'fr', 'gl', 'he', 'hr', 'hu', 'hy', 'id', 'it', 'ja', 'ko',
  'lo', 'lv', 'ms', 'nl', 'no', 'pl', 'pt', 'pt-PT', 'ro', 'ru', 'si', 'sk', 'sl', 'sq', 'sr', 'sr-Cyrl', 'sv', 'tr', 'uk', 'ur', 'vi', 'zh',
  'zh-TW'
] as const

const REGIONS = [
  'ar-EG', 'ar-SA', 'az-Latn-AZ', 'bg-BG', 'cs-CZ', 'da-DK', 'de-AT', 'de-CH', 'de-DE', 'el-GR', 'en-AU', 'en-GB', 'en-ID', 'en-US', 'es-ES',
  'es-MX', 'fi-FI', 'fr-CH', 'fr-FR', 'hu-HU', 'id-ID', 'it-CH', 'it-IT', 'ja-JP', 'ko-KR', 'lv-LV', 'nl-NL', 'pl-PL', 'pt-BR', 'pt-PT',
  'ru-RU', 'sk-SK', 'sl-SI', 'sr-Cyrl-RS', 'sr-Latn-RS', 'sv-FI', 'sv-SE', 'tr-TR', 'uk-UA', 'vi-VN', 'zh-CN', 'zh-TW'
] as const

/** The last two stand for the default of their kind. */
const THEMES = [
  'theme-system', 'theme-light', 'theme-classic-light', 'theme-dark', 'theme-contrast-dark', 'theme-gray', 'theme-white', 'theme-night',
  'default-dark', 'default-light'
] as const

const { word, cell, slide, pdf, diagram } = FILE_TYPES

export const FileType = () => Spelt([...word, ...cell, ...slide, ...pdf, ...diagram], '^[a-z0-9]{1,16}$', 16, 'a file extension in lower case, without the dot')

const LOCALE = '^[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8}){0,3}$'

export const Language = () => Spelt(LANGUAGES, LOCALE, 30, 'a language code such as en or pt-PT')

export const Region = () => Spelt(REGIONS, LOCALE, 30, 'a language code with a region, such as en-US')

export const Theme = () => Spelt(THEMES, '^[A-Za-z0-9_-]{1,64}$', 64, 'the name of a theme')
