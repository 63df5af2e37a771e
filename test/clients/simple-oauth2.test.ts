import { ClientCredentials, type ModuleOptions } from 'simple-oauth2'
import t from 'tap'
import { RESERVED, RESOURCE, startServer } from './server.ts'

type Options = NonNullable<ModuleOptions['options']>

const methods = ['header', 'body'] as const

t.test('a token by each method, also for ids and secrets of reserved characters', async (t) => {
  const { app, issuer, id, secret, read } = await startServer(t)
  const make = (client: { id: string, secret: string }, options: Options) => new ClientCredentials({ client, auth: { tokenHost: issuer, tokenPath: '/connect/token', revokePath: '/connect/revocation' }, options })

  for (const authorizationMethod of methods) {
    for (const client of [{ id, secret }, ...RESERVED]) {
      const source = make(client, { bodyFormat: 'form', authorizationMethod })
      const { token } = await source.getToken({ scope: ['api.read', 'api.write'] })
      t.match(token, { token_type: 'Bearer', expires_in: 86_400 }, `${client.id} by ${authorizationMethod}`)
      const answer = await fetch(read, { headers: { authorization: `Bearer ${String(token['access_token'])}` } })
      t.match(await answer.json(), { client: client.id, scopes: ['api.read', 'api.write'] })
    }

    // By default it takes an answer for a failure that has no JSON, which one to a revocation need not have: RFC 7009, section 2.2.
    const source = new ClientCredentials({ client: { id, secret }, auth: { tokenHost: issuer, tokenPath: '/connect/token', revokePath: '/connect/revocation' }, http: { json: true }, options: { authorizationMethod } })
    const accessToken = await source.getToken({ scope: 'api.read', resource: RESOURCE } as Parameters<typeof source.getToken>[0]) // which its types do not know
    t.equal(accessToken.expired(), false)
    await accessToken.revoke('access_token')
    await t.rejects(app.accessTokens.verify(String(accessToken.token['access_token'])), { code: 'FDT_TOKEN_REVOKED' })
  }
})

t.test('its refusals', async (t) => {
  const { issuer, id, secret } = await startServer(t)
  const cases: Array<[name: string, options: Options, secret: string, status: number, error: string]> = [
    ['JSON, credentials in the body', { bodyFormat: 'json', authorizationMethod: 'body' }, secret, 400, 'invalid_request'],
    ['JSON, credentials in the header', { bodyFormat: 'json', authorizationMethod: 'header' }, secret, 400, 'invalid_request'],
    ['a wrong secret in the body', { authorizationMethod: 'body' }, `${secret}x`, 400, 'invalid_client'],
    ['a wrong secret in the header', { authorizationMethod: 'header' }, `${secret}x`, 401, 'invalid_client']
  ]
  for (const [name, options, secret, status, error] of cases) {
    const source = new ClientCredentials({ client: { id, secret }, auth: { tokenHost: issuer, tokenPath: '/connect/token' }, options })
    await t.rejects(source.getToken({}), { name: 'Error', output: { statusCode: status }, data: { payload: { error } } }, name)
  }
})
