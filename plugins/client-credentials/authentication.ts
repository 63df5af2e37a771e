import { type FastifyInstance, type FastifyRequest } from 'fastify'
import { authenticateClientSecret, type Client, type ClientSource, findClient, toClient } from '../../lib/credentials/client.ts'
import { InvalidClientError, InvalidFormError, InvalidRequestError } from '../../lib/errors.ts'
import { createLock } from '../../lib/limits/lock.ts'
import { readAssertionClient, verifyClientAssertion } from '../../lib/oauth/client-assertion.ts'
import { type Form } from '../../lib/oauth/form.ts'
import { type PresentedClient, readClient } from '../../lib/oauth/presented.ts'
import { type SingleUse } from '../../lib/oauth/single-use.ts'
import { publish } from '../../lib/publish.ts'
import { rememberCaller } from '../shared/callers.ts'
import { originOf } from '../shared/flow-instance.ts'
import { type CountingInstance, limitByCaller, limitPrefix } from '../shared/limiter.ts'
import { type MachineLimits, type Resolved } from '../shared/limits.ts'

export interface ClientAuthentication {
  clients: ClientSource
  instance: CountingInstance
  issuer: string
  legacyAudience: readonly string[]
  singleUse: SingleUse
  limits: Resolved<MachineLimits>
}

/** What a URL never holds, since URLs are logged: RFC 6749, section 2.3.1. */
const PARAMETERS = ['client_id', 'client_secret', 'client_assertion', 'client_assertion_type', 'grant_type', 'scope', 'resource', 'token', 'token_type_hint']

const clientsOf = new WeakMap<FastifyRequest, { client: Client, since: number }>()

const forms = new WeakMap<FastifyRequest, Form>()

/**
 * Wants a client on every route of the scope, by `client_secret_basic`, `client_secret_post` or `private_key_jwt`. It works
 * behind the parser, since the credentials may be in the form, and before anything else in there is looked at. Must be
 * awaited before the first route.
 */
export async function requireClient (scope: FastifyInstance, { clients, instance, issuer, legacyAudience, singleUse, limits }: ClientAuthentication): Promise<void> {
  const { flow, name, now, store } = instance
  const lock = createLock({ store, prefix: limitPrefix(instance), now }, limits.failures)

  async function authenticate (presented: PresentedClient): Promise<Client> {
    if (presented.method === 'secret') return await authenticateClientSecret(clients, presented.id, presented.secret, { now })
    if (presented.method === 'none') throw new InvalidClientError()
    const { assertion, type, id } = presented
    return toClient(await verifyClientAssertion(assertion, { type, clientId: id, issuer, legacyAudience, find: (clientId) => findClient(clients, clientId), singleUse, now }))
  }

  scope.addHook('preValidation', async (request) => {
    refuseQuery(request)
    const presented = readClient(authorizationOf(request), formOf(request))
    const id = presented.method === 'assertion' ? readAssertionClient(presented.assertion) : presented.id
    const onLocked = async (presentedId: string, until: number): Promise<void> => {
      // Ids and secrets that were mixed up come here too: what is no client's id is not told.
      const credential = await clients.find(presentedId).then((record) => record?.id === presentedId ? presentedId : '?', () => '?')
      publish('locked', () => ({ flow, name, time: now(), ...originOf(request), credential, until }))
    }
    const since = now()
    const client = await lock.attempt({ id, address: request.ip, onLocked }, () => authenticate(presented))
    clientsOf.set(request, { client, since })
    rememberCaller(request, client)
  })
  await limitByCaller(scope, instance, limits.credential, 'preHandler')
}

/** The client that sends a request. Only on a route that wants one. */
export function clientOf (request: FastifyRequest): Client {
  return authenticationOf(request).client
}

/** The client, and when it was looked up: what is ended later ends what it gets now. */
export function authenticationOf (request: FastifyRequest): { client: Client, since: number } {
  const found = clientsOf.get(request)
  if (found === undefined) throw new InvalidClientError()
  return found
}

/** A parser of the scope. Hooks of the host's get an empty body to see: what they make of one is not what was sent, and what they log is no secret. */
export function keepForm (request: FastifyRequest, form: Form): object {
  forms.set(request, form)
  return {}
}

/**
 * The form in a request.
 *
 * @throws {InvalidFormError} `FDT_INVALID_FORM` (400) where there is neither a body nor a type, so that no parser was asked.
 */
export function formOf (request: FastifyRequest): Form {
  const form = forms.get(request)
  if (form === undefined) throw new InvalidFormError('there is none')
  return form
}

/** Node keeps the first of two lines: look at what was really sent. */
function authorizationOf ({ raw: { rawHeaders } }: FastifyRequest): string[] {
  return rawHeaders.filter((_, index) => index % 2 === 1 && rawHeaders[index - 1]?.toLowerCase() === 'authorization')
}

function refuseQuery ({ originalUrl }: FastifyRequest): void {
  const query = new URLSearchParams(originalUrl.replace(/^[^?]*/, ''))
  if (PARAMETERS.some((name) => query.has(name))) throw new InvalidRequestError('parameters are taken from the body, and never from a URL')
}
