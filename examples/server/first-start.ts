import { randomBytes } from 'node:crypto'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type ApiKeyRegistry, type ClientRegistry } from 'fastify-doc-tokens/credentials'
import { type TokenStore } from 'fastify-doc-tokens/stores/memory'

interface FirstStart {
  registry: ApiKeyRegistry
  clients: ClientRegistry
  store: TokenStore
  /** Of {@link createMark}, the same where a start is tried again. */
  mark: Uint8Array
  dataDir: string
  url: string
  /** The store is that of the data folder, which the program beside the server finds by itself. */
  isLocal: boolean
  /** Where to show the secrets: a terminal, or else a file. */
  terminal: boolean
}

const MARK = 'example/first-start'

/** Milliseconds after which a first start that did not come to its end is taken up by the next one. */
const PATIENCE = 30_000

/** What a process lays down to say that it is the one that shows the secrets. */
export function createMark (): Uint8Array {
  return Buffer.concat([Uint8Array.of(1), randomBytes(16)])
}

/**
 * Makes an API key and a client in a new store and shows them once, with commands to try. Of several processes that
 * start together one does it. One that dies over it leaves at most a key and a client that nobody knows.
 *
 * @returns What to print, or `undefined` where it was done before.
 */
export async function firstStart ({ registry, clients, store, mark, dataDir, url, isLocal, terminal }: FirstStart): Promise<string | undefined> {
  // A store that was out of reach may have taken it all the same.
  const isMine = await store.add(MARK, mark, { ttl: PATIENCE }) || Buffer.compare(await store.get(MARK) ?? Buffer.alloc(0), mark) === 0
  if (!isMine) return undefined

  const { secret } = await registry.create({ label: 'first start' })
  const { record: { id }, secret: clientSecret } = await clients.create({ label: 'first start' })
  const shown = { apiKey: secret, clientId: id, clientSecret: String(clientSecret) }
  const notice = `${introduction(shown, isLocal ? dataDir : undefined)}\n${commands(url, shown)}\n`
  const file = join(dataDir, 'first-start.txt')
  if (!terminal) {
    // Never into a file that is there already: it would keep its owner and its mode.
    await rm(file, { force: true })
    await writeFile(file, notice, { flag: 'wx', mode: 0o600 })
  }
  await store.set(MARK, mark, { durable: true })
  return terminal ? notice : `The API key and the client of this server, and commands to try them, are in ${file}\n`
}

/** What is shown once. */
interface Shown {
  apiKey: string
  clientId: string
  clientSecret: string
}

function introduction ({ apiKey, clientId, clientSecret }: Shown, dataDir: string | undefined): string {
  const where = dataDir === undefined ? ', with REDIS_URL as here' : ` --data-dir '${dataDir}'`
  return `This is the first start on this ${dataDir === undefined ? 'Redis' : 'data folder'}. The API key and the client below are shown once:

  API key        ${apiKey}
  client id      ${clientId}
  client secret  ${clientSecret}

More keys:    npx fastify-doc-tokens api-keys create${where}
More clients: npx fastify-doc-tokens clients create${where}
`
}

/** Commands that can be pasted as they are, one after the other. */
function commands (url: string, { apiKey, clientId, clientSecret }: Shown): string {
  return `Create a session that may read one document, for an hour:

  KEY='${apiKey}'
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

Keep parameters on the server: a token stands for them, until it is revoked:

  TOKEN=$(curl -s -X POST ${url}/generate \\
    -H "Content-type:application/json" -H "x-api-key: $KEY" --fail \\
    -d '{"userId":"jane","file":"contract.pdf","server":"https://files.internal.example"}' \\
    | sed -n 's/.*"token":"\\([^"]*\\)".*/\\1/p')
  curl -s -w '\\n' ${url}/verify -H "Content-type:application/json" -H "x-api-token: $TOKEN"
  curl -s -w '%{http_code}\\n' -X POST ${url}/revoke -H "x-api-key: $KEY" -H "x-api-token: $TOKEN"
  curl -s -w '\\n' ${url}/verify -H "Content-type:application/json" -H "x-api-token: $TOKEN"

Open a document in a CAD editor, which is simulated: within 5 minutes, open the URL that this prints in a browser:

  TOKEN=$(curl -s -X POST ${url}/cad-editor/generate \\
    -H "Content-type:application/json" -H "x-api-key: $KEY" --fail \\
    -d '{"userId":"jane","file":"floor-plan.png","access":"edit","server":"https://files.internal.example"}' \\
    | sed -n 's/.*"token":"\\([^"]*\\)".*/\\1/p')
  echo "${url}/cad-editor?apitoken=$TOKEN"

Call an API as a program, which is a client of its own: get an access token for a day, and have a file shown:

  CLIENT_ID='${clientId}'
  CLIENT_SECRET='${clientSecret}'
  ACCESS=$(curl -s ${url}/connect/token \\
    -H "Content-Type: application/x-www-form-urlencoded" -H "Accept: application/json" --fail \\
    -d "grant_type=client_credentials&client_id=$CLIENT_ID&client_secret=$CLIENT_SECRET" \\
    | sed -n 's/.*"access_token":"\\([^"]*\\)".*/\\1/p')
  curl -s -w '\\n' -X POST ${url}/v2.0/viewer/view \\
    -H "Content-Type: application/json" -H "Authorization: Bearer $ACCESS" \\
    -d '{"FileInfo":{"FilePath":"viewerdocs/one-page.docx","StorageName":"MyStorage","Password":""}}'

Ask what the token is good for, end it, and try again:

  curl -s -w '\\n' ${url}/connect/introspect -d "token=$ACCESS&client_id=$CLIENT_ID&client_secret=$CLIENT_SECRET"
  curl -s -w '%{http_code}\\n' ${url}/connect/revocation -d "token=$ACCESS&client_id=$CLIENT_ID&client_secret=$CLIENT_SECRET"
  curl -s -w '\\n' ${url}/v2.0/viewer/formats -H "Authorization: Bearer $ACCESS"
`
}
