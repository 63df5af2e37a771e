const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', '\'': '&#39;' }

export function escape (text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character)
}

/** A whole page. `title` and `flash` are plain text, `body` is HTML. */
export function page (title: string, body: string, flash = ''): string {
  const notice = flash === '' ? '' : `<p role="status">${escape(flash)}</p>`
  return `<!doctype html><title>${escape(title)}</title><h1>${escape(title)}</h1>${notice}${body}`
}
