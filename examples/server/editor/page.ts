import { randomBytes } from 'node:crypto'

/** What is on the page. All of it may be of somebody's choosing. */
export interface PageContent {
  /** Of the document, for the route of its versions. */
  id: string
  title: string
  /** With its token. */
  config: object
  /** Absent: the page tells what would be loaded. */
  documentServerUrl: string | undefined
}

export interface Page {
  headers: Readonly<Record<string, string>>
  html: string
}

/**
 * A page with the editor, which does nothing but that: no other script runs in it, and it talks to nobody but this server
 * and the document server.
 */
export function renderPage ({ id, title, config, documentServerUrl }: PageContent): Page {
  const nonce = randomBytes(16).toString('base64')
  const origin = documentServerUrl === undefined ? "'none'" : new URL(documentServerUrl).origin
  const policy = {
    'default-src': "'none'",
    'script-src': documentServerUrl === undefined ? `'nonce-${nonce}'` : `'nonce-${nonce}' ${origin}`,
    'style-src': `'nonce-${nonce}'`,
    'frame-src': origin,
    'connect-src': "'self'",
    'base-uri': "'none'",
    'form-action': "'none'",
    'frame-ancestors': "'none'"
  }
  const body = documentServerUrl === undefined
    ? `<main><h1>${escapeHtml(title)}</h1><p>${NO_SERVER}</p><pre>${escapeHtml(JSON.stringify(config, null, 2))}</pre></main>`
    : `<div id="editor">The editor takes this place. If it does not, is there a document server at ${escapeHtml(documentServerUrl)}?</div>
<script nonce="${nonce}" src="${escapeHtml(documentServerUrl)}/web-apps/apps/api/documents/api.js"></script>
<script type="application/json" id="content">${escapeJson({ id, config })}</script>
<script type="module" nonce="${nonce}">${SCRIPT}</script>`

  return {
    headers: {
      'content-security-policy': Object.entries(policy).map(([name, value]) => `${name} ${value}`).join('; '),
      'referrer-policy': 'same-origin'
    },
    html: `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escapeHtml(title)}</title>
<style nonce="${nonce}">${STYLE}</style>
${body}
</html>
`
  }
}

const STYLE = `
html, body { height: 100%; margin: 0; font-family: sans-serif }
main { max-width: 50em; margin: 2em auto }
pre { overflow: auto; padding: 1em; background: #eee }
`

const NO_SERVER = `There is no document server: DOCUMENT_SERVER_URL is not set. With it, this page would load
<code>&lt;DOCUMENT_SERVER_URL&gt;/web-apps/apps/api/documents/api.js</code> and run
<code>new DocsAPI.DocEditor('editor', config)</code>. Nobody's saves could be taken, so the config below is for reading only:`

/** Without the origin `fetch` would take the user and the password of the page's own URL, if it has some, and throw. */
const SCRIPT = `
const { id, config } = JSON.parse(document.getElementById('content').textContent)

async function ask (path, options) {
  const reply = await fetch(location.origin + path, options)
  const answer = await reply.json()
  if (!reply.ok) throw new Error(answer.message)
  return answer
}

const editor = new DocsAPI.DocEditor('editor', {
  ...config,
  events: {
    onRequestHistory: async () => {
      editor.refreshHistory(await ask('/editor/' + id + '/history').catch(({ message }) => ({ error: message })))
    },
    onRequestHistoryData: async ({ data: version }) => {
      const options = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ documentId: id, data: version }) }
      editor.setHistoryData(await ask('/editor/methods/setHistoryData', options).catch(({ message }) => ({ error: message, version })))
    },
    onRequestHistoryClose: () => location.reload()
  }
})
`

function escapeHtml (text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}

/** JSON that ends no element and opens no comment around it, and is a script, too. */
function escapeJson (value: object): string {
  return JSON.stringify(value).replace(/[<>&\u2028\u2029]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
