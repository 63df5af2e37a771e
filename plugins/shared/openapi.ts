/** Schemes by name, in the words of OpenAPI 3. */
type SecuritySchemes = Readonly<Record<string, object>>

/**
 * How the routes and guards of this package are called, for OpenAPI: as `components.securitySchemes` of the options of
 * @fastify/swagger. A route of the host's behind a guard names `docTokensSession`, `docTokensOpaque` or `docTokensAccess`.
 */
export const securitySchemes = {
  docTokensBearer: { type: 'http', scheme: 'bearer', description: 'An API key' },
  docTokensApiKey: { type: 'apiKey', in: 'header', name: 'x-api-key', description: 'An API key' },
  docTokensSession: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: 'A document session' },
  docTokensOpaque: { type: 'apiKey', in: 'header', name: 'x-api-token', description: 'An opaque token' },
  docTokensClient: { type: 'http', scheme: 'basic', description: 'Id and secret of a client, each form-encoded' },
  docTokensAccess: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: 'An access token' }
} as const

/** For routes that take an API key in either header. */
export const API_KEY_SECURITY = [{ docTokensBearer: [] }, { docTokensApiKey: [] }] as const

/** For routes that take a client's credentials in the header or in the form. */
export const CLIENT_SECURITY = [{ docTokensClient: [] }, {}] as const

/** OpenAPI 2 knows no bearer token: for it, that is an API key in a header. */
const swaggerSchemes: SecuritySchemes = {
  ...securitySchemes,
  docTokensBearer: { type: 'apiKey', in: 'header', name: 'Authorization', description: 'Bearer, a space, and an API key' },
  docTokensSession: { type: 'apiKey', in: 'header', name: 'Authorization', description: 'Bearer, a space, and a document session' },
  docTokensClient: { type: 'basic', description: 'Id and secret of a client, each form-encoded' },
  docTokensAccess: { type: 'apiKey', in: 'header', name: 'Authorization', description: 'Bearer, a space, and an access token' }
}

/** What @fastify/swagger tells of a route, and the document that it is about to describe it in. */
interface Described<Schema> {
  /** A hook of the host's may have changed it, or taken it away. */
  schema: Schema & ({ security?: ReadonlyArray<Readonly<Record<string, readonly string[]>>> } | undefined)
  url: string
  openapiObject?: { components?: { securitySchemes?: SecuritySchemes } | undefined }
  swaggerObject?: { securityDefinitions?: SecuritySchemes | undefined }
}

/**
 * For `config.swaggerTransform` of a route: declares the security schemes that it names and the host did not.
 *
 * Without that, @fastify/swagger throws, and the host has no document at all. It also keeps a `transform` of the
 * host's away, such as one that takes every schema for one of Zod.
 */
export function declareSecuritySchemes<Schema> ({ schema, url, openapiObject, swaggerObject }: Described<Schema>): { schema: Schema, url: string } {
  const named = (schema?.security ?? []).flatMap((requirement) => Object.keys(requirement))
  // Never into the host's own objects.
  if (openapiObject !== undefined) {
    const { components } = openapiObject
    const missing = missingOf(named, securitySchemes, components?.securitySchemes)
    if (missing !== undefined) openapiObject.components = { ...components, securitySchemes: { ...components?.securitySchemes, ...missing } }
  }
  if (swaggerObject !== undefined) {
    const { securityDefinitions } = swaggerObject
    const missing = missingOf(named, swaggerSchemes, securityDefinitions)
    if (missing !== undefined) swaggerObject.securityDefinitions = { ...securityDefinitions, ...missing }
  }
  return { schema, url }
}

function missingOf (named: readonly string[], ours: SecuritySchemes, declared: SecuritySchemes = {}): SecuritySchemes | undefined {
  const missing = Object.entries(ours).filter(([name]) => named.includes(name) && declared[name] === undefined)
  return missing.length === 0 ? undefined : Object.fromEntries(missing)
}

/**
 * An id that no other instance of the flow has in one document: the name, and the path that the routes hang under.
 *
 * @param prefix Fastify's `prefix`, the whole of it.
 */
export function operationIdOf (name: string, prefix: string): string {
  // `/a_b` and `/a/b` are two.
  return name + prefix.replace(/[_~]/g, '~$&').replaceAll('/', '_')
}
