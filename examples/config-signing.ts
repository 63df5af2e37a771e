import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import Fastify from 'fastify'
import { configSigning } from 'fastify-doc-tokens/config-signing'
import { createMemoryStore } from 'fastify-doc-tokens/stores/memory'

const { PORT = '3000', EDITOR_SECRET: secret = '', DOCUMENT_SERVER_URL = 'http://localhost:8080' } = process.env
const origin = `http://localhost:${PORT}`
let letter = { key: randomUUID(), file: readFileSync('examples/documents/letter.docx') }
// Who opened the letter before a save may save it later.
const keys = [letter.key]
// Who asks, and whether they may, is for the login of your app to say.
const config = () => ({
  document: { key: letter.key, url: `${origin}/letter.docx`, fileType: 'docx', permissions: { edit: true } },
  editorConfig: { callbackUrl: `${origin}/callback`, mode: 'edit' as const, user: { id: 'jane' } }
})

const app = Fastify()
await app.register(configSigning, { inbox: secret, outbox: secret, store: createMemoryStore(), allowedUrls: { server: [origin], browser: [] }, authorize: { config } })
app.get('/letter.docx', { onRequest: app.editorSignatures.requireDownload({ origin }) }, async () => letter.file)
app.post('/callback', app.editorSignatures.requireCallback({ document: () => keys, downloadOrigins: [DOCUMENT_SERVER_URL] }, async (event) => {
  if (event.type !== 'save') return
  const reply = await fetch(event.url)
  if (!reply.ok) throw new Error('no file: the document server comes again')
  letter = { key: randomUUID(), file: Buffer.from(await reply.arrayBuffer()) }
  keys.push(letter.key)
}))
console.log(`listening on ${await app.listen({ port: Number(PORT) })}`)
