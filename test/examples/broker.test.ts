import t from 'tap'
import { call, claimsOf, read } from '../support/example-client.ts'
import { apiKeys, startServer } from '../support/example-server.ts'

const ORIGIN = 'https://app.example'
const KEY = 'a-known-key-of-the-demo_0123456789'

t.test('who holds an API key opens documents with it, and no further than the key goes', async (t) => {
  const { url, dataDir } = await startServer(t, { env: { DEMO_API_KEY: KEY, CORS_ORIGINS: ORIGIN } })
  const narrow = (await apiKeys(t, dataDir, 'create', '--document', 'handbook', '--permission', 'read', '--max-lifetime', '60s') as { secret: string }).secret
  const writer = (await apiKeys(t, dataDir, 'create', '--permission', 'write') as { secret: string }).secret
  const open = (bearer: string, documentId: string, headers: Record<string, string> = {}) => call(`${url}/api/create-session`, { method: 'POST', bearer, body: { documentId }, headers })
  const claims = async (bearer: string, documentId: string) => {
    const { sessionToken } = (await open(bearer, documentId)).body as { sessionToken: string } // what 200 means
    const { exp, iat, allowed_documents: documents } = claimsOf(sessionToken)
    return { token: sessionToken, lifetime: Number(exp) - Number(iat), documents }
  }

  const { token, ...session } = await claims(KEY, 'contract')
  t.strictSame(session, { lifetime: 600, documents: [{ document_id: 'contract', document_permissions: ['read', 'download'] }] })
  t.equal((await read(url, token)).status, 200)
  t.match(await claims(narrow, 'handbook'), { lifetime: 60, documents: [{ document_id: 'handbook', document_permissions: ['read'] }] })
  for (const [bearer, id] of [[KEY, 'nothing'], [narrow, 'contract'], [writer, 'contract']] as const) t.match(await open(bearer, id), { status: 403, body: { success: false } }, id)

  // T38, T17
  for (const [origin, status] of [[ORIGIN, 200], ['https://evil.example', 403], ['null', 403]] as const) {
    const reply = await open(KEY, 'contract', { origin })
    t.equal(reply.status, status, origin)
    t.equal(reply.headers.get('access-control-allow-origin'), origin === ORIGIN ? ORIGIN : null, origin)
    t.match(reply.headers.get('vary'), /\bOrigin\b/i, origin)
    t.equal(reply.headers.get('cache-control'), 'no-store', 'T40')
  }
})
