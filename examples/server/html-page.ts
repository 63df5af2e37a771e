import { randomBytes } from 'node:crypto'

/** A page, and the header fields that belong to it. */
export interface Page {
  headers: Readonly<Record<string, string>>
  html: string
}

export interface HtmlContent {
  title: string
  style: string
  /** Run before anything else of the page is looked at. Default is nothing. */
  firstScript?: string
  referrerPolicy: 'same-origin' | 'no-referrer'
  /** What a Content-Security-Policy allows beside the style and the scripts of the page itself: sources by directive. */
  allow?: Readonly<Record<string, string>>
  /** @param nonce What scripts of the page have to carry. */
  body (nonce: string): string
}

/** A page that runs no script and loads nothing but what it says, and that stands in no frame. */
export function htmlPage ({ title, style, firstScript, referrerPolicy, allow = {}, body }: HtmlContent): Page {
  const nonce = randomBytes(16).toString('base64')
  const own = `'nonce-${nonce}'`
  const { 'script-src': scripts = '', ...others } = allow
  const policy = {
    'default-src': "'none'",
    'script-src': `${own} ${scripts}`.trim(),
    'style-src': own,
    ...others,
    'base-uri': "'none'",
    'form-action': "'none'",
    'frame-ancestors': "'none'"
  }
  return {
    headers: {
      'content-security-policy': Object.entries(policy).map(([name, value]) => `${name} ${value}`).join('; '),
      'referrer-policy': referrerPolicy
    },
    html: `<!doctype html>
<html lang="en">
<meta charset="utf-8">
${firstScript === undefined ? '' : `<script nonce="${nonce}">${firstScript}</script>\n`}<meta name="viewport" content="width=device-width">
<title>${escapeHtml(title)}</title>
<style nonce="${nonce}">${style}</style>
${body(nonce)}
</html>
`
  }
}

export function escapeHtml (text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
