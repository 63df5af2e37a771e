import t from 'tap'
import { inEveryHost } from '../../support/hosts.ts'
import { oauthHost } from '../../support/oauth-host.ts'

inEveryHost(t, 'smoke', async (t) => {
  const host = await oauthHost(t)
  const reply = await host.ask()
  console.error(reply.statusCode, reply.body, reply.headers)
  const token = reply.json().access_token
  for (const r of [await host.introspect(token), await host.revoke(token), await host.app.inject('/.well-known/jwks.json'), await host.app.inject('/.well-known/oauth-authorization-server'), await host.app.inject('/.well-known/oauth-protected-resource')]) console.error(r.statusCode, r.body, r.headers)
})
