/** Tokens as a document server makes them, and as anybody with a secret could. */
import { createHmac } from 'node:crypto'
import { encode } from './tokens.ts'

export const INBOX = 'k3PzV9wQe7LxT1bN6mYc4RfH8sUj2GdA'
export const OUTBOX = 'Zt5XoW0nBq8MvK2hEr7CyLd4JgSi9PuF'

/** 2027-01-15T08:00:00Z, in seconds. */
export const SECONDS = 1_800_000_000

export const NOW = SECONDS * 1000

export const DOCS = 'https://docs.example'
export const KEY = 'Khirz6zTPdfd7'

/** What a document server has to say of a document when all have left it. */
export const SAVE = {
  key: KEY,
  status: 2,
  url: `${DOCS}/cache/files/data/${KEY}_6412/output.docx/output.docx?md5=a-B_c&expires=1800000900&filename=it's%20done.docx`,
  changesurl: `${DOCS}/cache/files/data/${KEY}_6412/changes.zip?md5=d-E_f&expires=1800000900`,
  history: { serverVersion: '9.3.0', changes: [{ documentSha256: 'c2hh', created: '2027-01-15 07:58:12', user: { id: '78e1e841', name: 'Smith' } }] },
  users: ['78e1e841'],
  actions: [{ type: 0, userid: '78e1e841' }],
  lastsave: '2027-01-15T07:59:00.000Z',
  notmodified: false,
  filetype: 'docx'
}

export const EDITING = { key: KEY, status: 1, users: ['78e1e841'], actions: [{ type: 1, userid: '78e1e841' }] }

/** When a token was made, and when it ends. */
export const TIMES = { iat: SECONDS, exp: SECONDS + 300 }

/** Any payload under any secret. */
export function sign (payload: unknown, secret: string = OUTBOX, header: object = { alg: 'HS256', typ: 'JWT' }): string {
  const hash = `sha${/\d+$/.exec(String(Reflect.get(header, 'alg')))?.[0] ?? '256'}`
  const input = `${encode(header)}.${encode(payload)}`
  return `${input}.${createHmac(hash, secret).update(input).digest('base64url')}`
}

/** A token for the member `token` of a body. */
export function bodyToken (payload: object, more: object = {}, secret?: string): string {
  return sign({ ...payload, ...TIMES, ...more }, secret)
}

/** A token for the header. */
export function headerToken (payload: unknown, more: object = {}, secret?: string): string {
  return sign({ payload, ...TIMES, ...more }, secret)
}

/** Every kind of parameter that a host signs for a browser. */
export const BROWSER_PAYLOADS: Readonly<Record<string, object>> = {
  config: { document: { key: KEY, url: 'https://app.example/file' }, editorConfig: { user: { id: 'ada' } } },
  'config without editorConfig': { documentType: 'word', document: { key: KEY, url: 'https://app.example/file' } },
  'config without document': { editorConfig: { user: { id: 'ada' } } },
  insertImage: { c: 'add', images: [{ fileType: 'png', url: 'https://app.example/a.png' }] },
  'insertImage without c': { images: [{ fileType: 'png', url: 'https://app.example/a.png' }] },
  'insertImage before 7.0': { fileType: 'png', url: 'https://app.example/a.png' },
  setHistoryData: { version: 2, key: KEY, url: 'https://app.example/1', changesUrl: 'https://app.example/c', previous: { key: 'a', url: 'https://app.example/0' } },
  'setHistoryData of the first version': { version: 1, key: KEY, url: 'https://app.example/1' },
  setReferenceData: { path: 'a.xlsx', url: 'https://app.example/a.xlsx', fileType: 'xlsx', key: KEY, referenceData: { fileKey: 'a', instanceId: 'b' } },
  setReferenceSource: { path: 'a.xlsx', url: 'https://app.example/a.xlsx', fileType: 'xlsx' },
  setRequestedDocument: { c: 'compare', fileType: 'docx', url: 'https://app.example/a.docx' },
  setRequestedSpreadsheet: { c: 'mailmerge', fileType: 'xlsx', url: 'https://app.example/a.xlsx' },
  setMailMergeRecipients: { fileType: 'xlsx', url: 'https://app.example/a.xlsx' },
  setRevisedFile: { fileType: 'docx', url: 'https://app.example/a.docx' },
  command: { c: 'info', key: KEY },
  'a request with operation': { operation: 'converter', filetype: 'docx', key: KEY },
  converter: { async: false, filetype: 'docx', key: KEY, outputtype: 'pdf', title: 'a', url: 'https://app.example/a.docx' }
}

/** A good token, spelt or signed in another way (T5, T9, T11, T13, T15). */
export function spoilt (payload: object, secret: string = OUTBOX): Record<string, string> {
  const good = sign(payload, secret)
  const [header, claims, signature] = good.split('.') as [string, string, string]
  const under = (more: object) => sign(payload, secret, { alg: 'HS256', typ: 'JWT', ...more })
  return {
    empty: '',
    'one segment': claims,
    'two segments': `${header}.${claims}`,
    'no signature': `${header}.${claims}.`,
    'four segments': `${good}.${signature}`,
    'five segments (T15)': `${good}.a.b`,
    'the secret itself': secret,
    'a space before it': ` ${good}`,
    'a line feed behind it': `${good}\n`,
    'a signature cut': good.slice(0, -4),
    'another last character (T11b)': `${good.slice(0, -1)}${String.fromCharCode(good.charCodeAt(good.length - 1) + 1)}`,
    ...Object.fromEntries(['=', '+', '/', ' ', '\t'].flatMap((mark) => [
      [`${JSON.stringify(mark)} in the header (T11)`, `${header}${mark}.${claims}.${signature}`],
      [`${JSON.stringify(mark)} in the payload (T11)`, `${header}.${claims}${mark}.${signature}`],
      [`${JSON.stringify(mark)} in the signature (T11)`, `${header}.${claims}.${signature}${mark}`]
    ])),
    ...Object.fromEntries(['none', 'None', 'NONE', 'nOnE', '', 'hs256', 'HS1', 'RS256', 'constructor'].map((alg) => [`alg ${alg} (T13)`, under({ alg })])),
    'alg none without signature (T13)': `${encode({ alg: 'none', typ: 'JWT' })}.${claims}.`,
    'no alg': under({ alg: undefined }),
    'a list as alg (T16)': under({ alg: ['HS256'] }),
    'alg HS512, signed with HS256': `${encode({ alg: 'HS512', typ: 'JWT' })}.${claims}.${createHmac('sha256', secret).update(`${encode({ alg: 'HS512', typ: 'JWT' })}.${claims}`).digest('base64url')}`,
    'crit (T5)': under({ crit: [] }),
    'crit null (T5)': under({ crit: null }),
    'b64 (T5)': under({ b64: true }),
    'zip (T15)': under({ zip: 'DEF' }),
    'typ of a session': under({ typ: 'document-session+jwt' }),
    'typ at+jwt': under({ typ: 'at+jwt' }),
    'typ null': under({ typ: null }),
    'a kid that is no text (T14)': under({ kid: 1 }),
    ...Object.fromEntries([[], [payload], 'text', 1, null, true].map((value) => [`payload ${JSON.stringify(value).slice(0, 8)} (T9)`, sign(JSON.stringify(value), secret)])),
    'payload encoded twice': sign(JSON.stringify(JSON.stringify(payload)), secret),
    'payload not JSON (T9)': sign('{', secret),
    'payload not UTF-8 (T9)': sign(Buffer.from('7b2261223a22ff227d', 'hex'), secret),
    'a member twice': sign(JSON.stringify(payload).replace('{', '{"iat":1,'), secret),
    'signed with the empty secret (T32)': sign(payload, ''),
    'signed with another secret': sign(payload, 'Wm3Yt8Qz1Rk6Vb0Xp5Nc9Lj2Hg7Fd4Sa')
  }
}
