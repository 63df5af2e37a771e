import { type FastifyReply, type FastifyRequest } from 'fastify'
import { type ApiKeySource, authenticateApiKey, type Credential } from 'fastify-doc-tokens/credentials'
import { FlowNotAllowedError, InvalidCredentialError, MissingCredentialError, MultipleCredentialsError } from 'fastify-doc-tokens/errors'
import { authenticate } from '../api-keys.ts'

/** Who edits, and how far the API key reaches that they logged in with. */
export interface EditorUser {
  name: string
  credential: Credential
}

export interface EditorLogin {
  /** A hook for `onRequest`. */
  admit (request: FastifyRequest, reply: FastifyReply): Promise<void>
  /** Who was admitted. */
  userOf (request: FastifyRequest): EditorUser
}

/** Characters: the document server takes no more. */
const NAME_LENGTH = 128

const CHALLENGE = 'Basic realm="editor", charset="UTF-8"'

/**
 * The login of the editor: an API key, as everywhere in the example. A page in a browser has no header to send it in, so
 * it may also be the password of HTTP Basic (RFC 7617), with any name: who has the key is believed the name, as they are
 * believed the `user_id` of a session.
 *
 * Nothing counts failures in front of the pages here, as nothing does in front of `GET /documents`: a key has 256 random
 * bits, and a key that somebody chose (`DEMO_API_KEY`) has to be as good. In front of the routes of the flow is its limit.
 */
export function editorLogin (credentials: ApiKeySource): EditorLogin {
  const users = new WeakMap<FastifyRequest, EditorUser>()

  return {
    admit: async (request, reply) => {
      const { authorization, 'x-api-key': other } = request.headers
      const isBasic = authorization === undefined ? other === undefined : /^Basic(?: |$)/i.test(authorization)
      if (isBasic) reply.header('www-authenticate', CHALLENGE)
      users.set(request, await (isBasic ? byPassword(credentials, request) : byKey(credentials, request, reply)))
      reply.removeHeader('www-authenticate')
    },
    userOf: (request) => {
      const user = users.get(request)
      if (user === undefined) throw new MissingCredentialError()
      return user
    }
  }
}

async function byKey (credentials: ApiKeySource, request: FastifyRequest, reply: FastifyReply): Promise<EditorUser> {
  const credential = await authenticate(credentials, request, reply).catch(asLogin)
  return { name: credential.id, credential }
}

async function byPassword (credentials: ApiKeySource, { headers: { authorization, 'x-api-key': other } }: FastifyRequest): Promise<EditorUser> {
  if (authorization === undefined) throw new MissingCredentialError()
  const login = Buffer.from(authorization.slice('Basic '.length), 'base64').toString()
  const [, name, password] = /^([^:]*):(.*)$/s.exec(login) ?? []
  if (name === undefined || password === undefined || other !== undefined || name.length > NAME_LENGTH || /\p{Cc}/u.test(name)) throw new InvalidCredentialError()
  // Everybody who edits sees the name, and so do logs.
  if (name === password) throw new InvalidCredentialError()

  const credential = await authenticateApiKey(credentials, password, { flow: 'session-issuance' }).catch(asLogin)
  return { name: name === '' ? credential.id : name, credential }
}

/** A login is good or not. */
function asLogin (error: unknown): never {
  throw error instanceof MultipleCredentialsError || error instanceof FlowNotAllowedError ? new InvalidCredentialError({ cause: error }) : error
}
