import { escapeHtml, htmlPage, type Page } from '../html-page.ts'

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

/**
 * A page with the editor, which does nothing but that: no other script runs in it, and it talks to nobody but this server
 * and the document server.
 */
export function renderPage ({ id, title, config, documentServerUrl }: PageContent): Page {
  const common = { title, style: STYLE, referrerPolicy: 'same-origin' } as const
  if (documentServerUrl === undefined) {
    return htmlPage({
      ...common,
      allow: { 'frame-src': "'none'", 'connect-src': "'self'" },
      body: () => `<main><h1>${escapeHtml(title)}</h1><p>${NO_SERVER}</p><pre>${escapeHtml(JSON.stringify(config, null, 2))}</pre></main>`
    })
  }
  const { origin } = new URL(documentServerUrl)
  return htmlPage({
    ...common,
    allow: { 'script-src': origin, 'frame-src': origin, 'connect-src': "'self'" },
    body: (nonce) => `<div id="editor">The editor takes this place. If it does not, is there a document server at ${escapeHtml(documentServerUrl)}?</div>
<script nonce="${nonce}" src="${escapeHtml(documentServerUrl)}/web-apps/apps/api/documents/api.js"></script>
<script type="application/json" id="content">${escapeJson({ id, config })}</script>
<script type="module" nonce="${nonce}">${SCRIPT}</script>`
  })
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

/** JSON that ends no element and opens no comment around it, and is a script, too. */
function escapeJson (value: object): string {
  return JSON.stringify(value).replace(/[<>&\u2028\u2029]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
