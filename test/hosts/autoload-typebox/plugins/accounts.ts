import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { type FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'

export interface Account { name: string, team: string }

export interface AccountsOptions {
  /** Who may sign in. A PIN is given out once and stands for one person. */
  accounts: ReadonlyArray<Account & { pin: string }>
}

declare module 'fastify' {
  interface FastifyInstance {
    /** A token for the person with this PIN. */
    signIn: (name: string, pin: string) => string | undefined
  }
  interface FastifyRequest {
    /** Who asks, where a token says so. */
    account: Account | null
  }
}

const accounts: FastifyPluginAsync<AccountsOptions> = async (app, { accounts }) => {
  const byToken = new Map<string, Account>()

  app.decorate('signIn', (name, pin) => {
    const account = accounts.find((account) => account.name === name)
    if (account === undefined || !timingSafeEqual(digest(account.pin), digest(pin))) return undefined
    const token = randomBytes(24).toString('base64url')
    byToken.set(token, { name, team: account.team })
    return token
  })

  app.decorateRequest('account', null)
  // On every request, and it refuses none: which routes want an account is for the folders of the routes to say.
  app.addHook('onRequest', async (request) => {
    const [scheme, token = ''] = request.headers.authorization?.split(' ') ?? []
    if (scheme === 'Bearer') request.account = byToken.get(token) ?? null
  })
}

function digest (text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

export default fp(accounts, { name: 'accounts' })
