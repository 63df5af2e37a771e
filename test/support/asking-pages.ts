/** T17: whose page asks. Browsers add Origin and Sec-Fetch-Site by themselves, and forbid pages to set either. */

export interface AskingPage {
  name: string
  origin?: string
  site?: string
  /** Whether it passes without anything that a browser keeps, and with a cookie. */
  bare: boolean
  cookie: boolean
}

/**
 * @param trusted Origins that pass, `https://app.example` among them.
 * @param foreign Origins that do not, besides those that nobody trusts.
 */
export function askingPages (trusted: readonly string[], foreign: readonly string[]): AskingPage[] {
  return [
    { name: 'neither header', bare: true, cookie: false },
    ...['same-site', 'cross-site', 'none', 'same-origin, cross-site', 'SAME-ORIGIN', '', 'null'].map((site) => ({ name: `from ${site}`, site, bare: false, cookie: false })),
    { name: 'from the same origin', site: 'same-origin', bare: true, cookie: true },
    ...trusted.map((origin) => ({ name: origin, origin, bare: true, cookie: true })),
    { name: 'a trusted origin that is another site', origin: 'https://app.example', site: 'cross-site', bare: true, cookie: true },
    { name: 'an unlisted origin that is the same', origin: 'https://docs.example', site: 'same-origin', bare: true, cookie: true },
    ...[
      'null', '', 'undefined', 'https://evil.test', 'http://app.example', 'https://app.example:8443', 'https://app.example/', 'https://APP.example', 'HTTPS://app.example', 'https://app.example.evil.test',
      'https://sub.app.example', 'https://app.example, https://app.example', 'https://app.example https://evil.test', 'https://app.example@evil.test', 'file://', '*', ...foreign
    ].map((origin) => ({ name: `Origin: ${origin}`, origin, bare: false, cookie: false })),
    { name: 'an opaque origin on another site', origin: 'null', site: 'cross-site', bare: false, cookie: false }
  ]
}

/** How a page asks, and whether it passes. Where the host's own login is a cookie, nobody gets as far as this without it. */
export function attemptsOf ({ bare, cookie }: AskingPage, login: Readonly<Record<string, string>>): Array<[kind: string, passes: boolean, cookie: string | undefined]> {
  return login['cookie'] === undefined ? [['bare', bare, undefined], ['cookie', cookie, 'login=ada']] : [['cookie', cookie, login['cookie']]]
}
