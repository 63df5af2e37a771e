import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type ApiKeyRegistry } from 'fastify-doc-tokens/credentials'
import { type TokenStore } from 'fastify-doc-tokens/stores/memory'

interface FirstStart {
  registry: ApiKeyRegistry
  store: TokenStore
  dataDir: string
  url: string
  /** Where to show the secret: a terminal, or else a file. */
  terminal: boolean
}

const MARK = 'example/first-start'

/** Milliseconds after which a first start that did not come to its end is taken up by the next one. */
const PATIENCE = 30_000

/**
 * Makes the API key of a new data folder and shows it once, with commands to try. Of several processes that
 * start together one does it. One that dies over it leaves at most a key that nobody knows.
 *
 * @returns What to print, or `undefined` where it was done before.
 */
export async function firstStart ({ registry, store, dataDir, url, terminal }: FirstStart): Promise<string | undefined> {
  if (!await store.add(MARK, Uint8Array.of(1), { ttl: PATIENCE })) return undefined

  const { secret } = await registry.create({ label: 'first start' })
  const notice = `${introduction(secret, dataDir)}\n${commands(url, secret)}\n`
  const file = join(dataDir, 'first-start.txt')
  if (!terminal) {
    // Never into a file that is there already: it would keep its owner and its mode.
    await rm(file, { force: true })
    await writeFile(file, notice, { flag: 'wx', mode: 0o600 })
  }
  await store.set(MARK, Uint8Array.of(1), { durable: true })
  return terminal ? notice : `The API key of this server, and commands to try it, are in ${file}\n`
}

function introduction (secret: string, dataDir: string): string {
  return `This is the first start on this data folder. The API key below is shown once:

  ${secret}

More keys: npx fastify-doc-tokens api-keys create --data-dir '${dataDir}'
`
}

/** Commands that can be pasted as they are, one after the other. */
function commands (url: string, secret: string): string {
  return `Create a session that may read one document, for an hour:

  KEY='${secret}'
  curl -s -w '\\n' ${url}/documents -H "Authorization: Bearer $KEY"
  JWT=$(curl -s -X POST ${url}/viewer/sessions \\
    -H "Content-Type: application/json" -H "Authorization: Bearer $KEY" --fail \\
    -d '{"allowed_documents":[{"document_id":"contract","document_permissions":["read"]}],"exp":'$(( $(date +%s) + 3600 ))'}' \\
    | sed -n 's/.*"jwt":"\\([^"]*\\)".*/\\1/p')

Read the document, and try what the session does not allow:

  curl -s -o /dev/null -w '%{http_code} %{content_type}, %{size_download} bytes\\n' ${url}/documents/contract -H "Authorization: Bearer $JWT"
  curl -s -w '\\n' ${url}/documents/contract/download -H "Authorization: Bearer $JWT"
  curl -s -w '\\n' ${url}/documents/handbook -H "Authorization: Bearer $JWT"

Open a document as a user of the app, whose login is the API key here:

  curl -s -w '\\n' ${url}/api/create-session \\
    -H "Content-Type: application/json" -H "Authorization: Bearer $KEY" -d '{"documentId":"contract"}'

Edit a document: open ${url}/editor/letter in a browser, and log in with any name and the API key as the password. The
config of the editor, which the page shows or runs:

  curl -s -w '\\n' ${url}/editor/config \\
    -H "Content-Type: application/json" -H "Authorization: Bearer $KEY" -d '{"documentId":"letter"}'

End the session, and try again:

  curl -s -w '%{http_code}\\n' ${url}/viewer/sessions/revoke \\
    -H "Content-Type: application/json" -H "Authorization: Bearer $KEY" -d "{\\"jwt\\":\\"$JWT\\"}"
  curl -s -w '\\n' ${url}/documents/contract -H "Authorization: Bearer $JWT"
`
}
