import { InvalidOptionError, InvalidRequestError } from '../errors.ts'
import { isId } from '../schemas/scalars.ts'

/** What Document Engine calls its permissions. */
export type DocumentEnginePermission = 'read-document' | 'write' | 'download' | 'cover-image'

const PERMISSIONS: readonly string[] = ['read-document', 'write', 'download', 'cover-image'] satisfies readonly DocumentEnginePermission[]

const COLLABORATION = /^(?:annotations|comments|form-fields):(?:view|edit|delete|fill|reply):(?:all|self|(?:createdBy|group)=.{1,256})$/u

/**
 * A token for a Document Engine of the host's own, which verifies it with the public half of
 * `documentEngineKeys`. Our guards refuse it, and it cannot be revoked here.
 *
 * @see [Generate a JWT](https://www.nutrient.io/guides/document-engine/viewer/client-authentication/generate-a-jwt/)
 */
export interface DocumentEngineInput {
  profile: 'document-engine'
  /** The document's id. */
  document: string
  permissions: readonly DocumentEnginePermission[]
  /** Seconds. Default is `defaultLifetime`. */
  expiresIn?: number
  /** Stored with what the user changes. */
  userId?: string
  /** The Instant layer that changes go to. */
  layer?: string
  /** Such as `annotations:edit:self`. */
  collaborationPermissions?: readonly string[]
  defaultGroup?: string
  /** Opens a document that is protected by one. Anybody who holds the token can read it. */
  password?: string
  creatorName?: string
}

export interface IssuedDocumentEngineToken {
  token: string
  /** Seconds since the Unix epoch. */
  expiresAt: number
}

/** What may be absent, and what Document Engine calls it. */
const OPTIONAL = {
  userId: 'user_id',
  layer: 'layer',
  defaultGroup: 'default_group',
  password: 'password',
  creatorName: 'creator_name'
} as const

/** @internal The claims, except those of time. */
export function documentEngineClaims (input: DocumentEngineInput): Record<string, unknown> {
  const { document, permissions, collaborationPermissions } = input
  if (!isId(document)) throw new InvalidRequestError('document must be a string of 1 to 512 characters')
  if (!Array.isArray(permissions) || !permissions.every((permission) => PERMISSIONS.includes(permission))) throw new InvalidRequestError(`permissions must be a list of ${PERMISSIONS.join(', ')}`)

  const claims: Record<string, unknown> = { document_id: document, permissions: [...new Set(permissions)] }
  for (const [name, claim] of Object.entries(OPTIONAL)) {
    const value = input[name as keyof typeof OPTIONAL]
    if (value === undefined) continue
    if (!isId(value)) throw new InvalidRequestError(`${name} must be a string of 1 to 512 characters`)
    claims[claim] = value
  }
  if (collaborationPermissions !== undefined) {
    if (!Array.isArray(collaborationPermissions) || !collaborationPermissions.every((permission) => typeof permission === 'string' && COLLABORATION.test(permission))) {
      throw new InvalidRequestError('collaborationPermissions must be a list such as annotations:edit:self')
    }
    claims['collaboration_permissions'] = [...collaborationPermissions]
  }
  return claims
}

/** @internal */
export function documentEngineKeysMissing (): Error {
  return new InvalidOptionError('documentEngineKeys', 'is required for the profile document-engine')
}
