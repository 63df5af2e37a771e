import { type StoredDocument } from '../catalogue.ts'
import { escapeHtml, type Page, htmlPage } from '../html-page.ts'
import { type CadParameters } from './parameters.ts'

/** What a browser may be told: nothing else of the parameters is in the page. */
export type ShownParameters = Pick<CadParameters, 'file' | 'userId' | 'access'>

/** The page of a document that is open. All of it but the document of the catalogue is of somebody's choosing. */
export function renderDrawing ({ file, userId, access = 'view' }: ShownParameters, document: StoredDocument | undefined): Page {
  const rows = {
    Document: shown(file),
    Catalogue: document === undefined ? 'not one of the documents of this server' : `${shown(document.title)} (${shown(document.type)})`,
    User: userId === undefined ? 'nobody' : shown(userId),
    Access: access
  }
  return page('CAD editor', `<p>This editor is simulated. Its server has exchanged the token for the parameters, and would open this:</p>
<dl>${Object.entries(rows).map(([name, value]) => `<dt>${name}</dt><dd>${value}</dd>`).join('')}</dl>
<p>The token is no longer in the address, and where the documents are is known to the server alone.</p>`)
}

const REFUSALS = {
  403: ['Wrong token', 'There is no token, or it was used too often, has expired, or never was one. Open the document again from where you found it.'],
  429: ['Too many wrong tokens', 'Wait a minute, and open the document again from where you found it.'],
  503: ['Not now', 'What the token stands for is out of reach. Wait a moment, and open the document again from where you found it.']
} as const

export function renderRefusal (status: keyof typeof REFUSALS): Page {
  const [title, text] = REFUSALS[status]
  return page(title, `<p>${text}</p>`)
}

function page (title: string, content: string): Page {
  return htmlPage({
    title,
    style: STYLE,
    firstScript: FORGET,
    referrerPolicy: 'no-referrer',
    body: () => `<header>Simulated CAD editor</header>
<main><h1>${title}</h1>
${content}
<p><a href="/docs">The routes of this server</a></p></main>`
  })
}

/** The token is in the address, and so it would be in the history, in bookmarks, and on a screen that is shared. */
const FORGET = 'history.replaceState(null, \'\', location.pathname)'

const STYLE = `
body { margin: 0; font: 1rem/1.5 system-ui, sans-serif; color: #1d2733; background: #f3f5f7 }
header { padding: .75rem 1.5rem; color: #fff; background: #24435c }
main { max-width: 40rem; margin: 2rem auto; padding: .5rem 1.5rem 1rem; background: #fff; border: 1px solid #d5dce2; border-radius: .5rem }
h1 { font-size: 1.5rem }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.5rem }
dt { color: #5a6875 }
dd { margin: 0; overflow-wrap: anywhere }
`

/** Text in a page. What would turn the text around it, or hide a part of it, is spelled. */
function shown (text: string): string {
  const spelled = text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`)
  return `<bdi>${escapeHtml(spelled)}</bdi>`
}
