import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo } from 'node:net'
import Provider from 'oidc-provider'
import t, { type Test } from 'tap'
import { createTokenSource } from '../../lib/client/index.ts'

const AUTH_METHODS = ['client_secret_basic', 'client_secret_post'] as const
/** Each character that the two encodings of a secret may get wrong. */
const SECRET = 'a:b%c+d&e=f g~h/i?j#k"l\'m'

/** Somebody else's OAuth server, which counts what it is asked. */
async function startProvider (t: Test) {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.close() })
  const { port } = server.address() as AddressInfo // of a socket that listens on an address
  const url = `http://127.0.0.1:${port}`
  const provider = new Provider(url, {
    clients: AUTH_METHODS.map((method) => ({ client_id: method, client_secret: SECRET, token_endpoint_auth_method: method, grant_types: ['client_credentials'], redirect_uris: [], response_types: [] })),
    features: { clientCredentials: { enabled: true }, devInteractions: { enabled: false } },
    scopes: ['files.read'],
    ttl: { ClientCredentials: 600 }
  })
  let asked = 0
  server.on('request', (request, response) => {
    asked++
    provider.callback()(request, response)
  })
  return { url, tokenUrl: `${url}/token`, asked: () => asked, find: async (token: string) => await provider.ClientCredentials.find(token) }
}

t.test('the token source gets tokens of another server, by either way', async (t) => {
  const { tokenUrl, asked, find } = await startProvider(t)
  for (const authMethod of AUTH_METHODS) {
    const source = createTokenSource({ tokenUrl, clientId: authMethod, clientSecret: SECRET, authMethod, scope: 'files.read' })
    const before = asked()
    const [token = '', ...others] = await Promise.all(Array.from({ length: 5 }, () => source.get()))
    t.equal(asked(), before + 1)
    t.ok(others.every((other) => other === token))
    t.match(await find(token), { clientId: authMethod, scope: 'files.read' }, 'it knows it as its own')

    const wrong = createTokenSource({ tokenUrl, clientId: authMethod, clientSecret: `${SECRET}x`, authMethod })
    await t.rejects(wrong.get(), { code: 'FDT_TOKEN_REFUSED', error: 'invalid_client' })
  }
})
