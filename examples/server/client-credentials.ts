import { type FastifyInstance } from 'fastify'
import { clientCredentials } from 'fastify-doc-tokens/client-credentials'
import { type ClientSource } from 'fastify-doc-tokens/credentials'
import { type KeyRing } from 'fastify-doc-tokens/keys'
import { type TokenStore } from 'fastify-doc-tokens/stores/memory'

export interface AccessTokensOptions {
  /** Who issues, and the URL under which clients reach the server. */
  issuer: string
  keys: KeyRing
  store: TokenStore
  clients: ClientSource
}

/** What access tokens of this server may be good for. */
const SCOPES = ['files.read', 'files.write']

/** Where SDKs of the vendor ask as well. Some of them ask nowhere else. */
const ALIASES = ['/v4.0/words/connect/token', '/v4.0/cells/connect/token', '/oauth2/token']

/** Access tokens for programs, with every optional member: bound to a key of theirs (DPoP) where they like. */
export async function registerClientCredentials (app: FastifyInstance, { issuer, ...options }: AccessTokensOptions): Promise<void> {
  await app.register(clientCredentials, { ...options, issuer, publicUrl: issuer, scopes: SCOPES, aliases: ALIASES, dpop: true })
}
