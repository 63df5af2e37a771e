/** OpenAPI documents, as tests look at them. */
import { Validator } from '@seriousme/openapi-schema-validator'
import Fastify from 'fastify'

export interface Media {
  schema: object
  example?: unknown
  examples?: Record<string, { value: unknown }>
}

export interface Header {
  description?: string
  schema: { example?: unknown }
}

export interface Response {
  description?: string
  headers?: Record<string, Header>
  content?: Record<string, Media>
}

export interface Operation {
  operationId: string
  method: string
  path: string
  summary?: string
  tags?: string[]
  security?: Array<Record<string, string[]>>
  parameters?: Array<Media & { name: string, in: string, required?: boolean, description?: string }>
  requestBody?: { content: Record<string, Media> }
  responses: Record<string, Response>
}

export interface OpenApiDocument {
  openapi?: string
  swagger?: string
  tags?: Array<{ name: string }>
  paths: Record<string, Record<string, Omit<Operation, 'method' | 'path'>>>
  components?: { securitySchemes?: Record<string, object> }
}

/** Compiles the rules of a version once. */
const validator = new Validator()

/** All operations, with references resolved. */
export function operationsOf (document: OpenApiDocument): Operation[] {
  // As wide as the library wants it, and as narrow as it was.
  const { paths } = new Validator().resolveRefs({ specification: structuredClone(document) as unknown as Record<string, unknown> }) as unknown as OpenApiDocument
  return Object.entries(paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, operation]) => ({ ...operation, method: method.toUpperCase(), path })))
}

/** By name; one that has none is called `example`. */
export function examplesOf ({ example, examples = {} }: Media): Record<string, unknown> {
  return {
    ...(example !== undefined && { example }),
    ...Object.fromEntries(Object.entries(examples).map(([name, { value }]) => [name, value]))
  }
}

let checker: Checker | undefined

/** Whatever is wrong with a document, by the rules of its version and by those of ours. */
export async function problemsOf (document: OpenApiDocument): Promise<string[]> {
  const { valid, errors } = await validator.validate(structuredClone(document) as unknown as Record<string, unknown>)
  if (!valid) return [`invalid: ${JSON.stringify(errors)}`]

  checker ??= await createChecker()
  const check = checker
  const operations = operationsOf(document)
  const ids = operations.map(({ operationId }) => operationId)
  return [
    ...ids.filter((id, index) => ids.indexOf(id) !== index).map((id) => `${id} is there twice`),
    ...operations.flatMap((operation) => problemsOfOperation(operation, document, check).map((problem) => `${operation.method} ${operation.path}: ${problem}`))
  ]
}

function problemsOfOperation (operation: Operation, { components, tags: declaredTags }: OpenApiDocument, check: Checker): string[] {
  const { operationId, summary, tags = [], security, path, parameters = [], requestBody, responses } = operation
  const names = [...path.matchAll(/\{([^}]+)\}/g)].map(([, name]) => name)
  const declared = parameters.filter((parameter) => parameter.in === 'path').map(({ name }) => name)
  const schemes = (security ?? []).flatMap((requirement) => Object.keys(requirement))
  const statuses = Object.keys(responses).map(Number)

  return [
    ...unless(operationId !== undefined, 'no operationId'),
    ...unless(summary !== undefined, 'no summary'),
    ...unless(tags.length > 0, 'no tags'),
    ...unless(declaredTags === undefined || tags.every((tag) => declaredTags.some(({ name }) => name === tag)), 'a tag that is not declared'),
    ...unless(security !== undefined, 'no security'),
    ...schemes.filter((name) => components?.securitySchemes?.[name] === undefined).map((name) => `no security scheme ${name}`),
    ...unless(JSON.stringify(names.sort()) === JSON.stringify(declared.sort()), 'parameters are not those of the path'),
    ...parameters.flatMap((parameter) => [
      ...unless(parameter.description !== undefined, `${parameter.name}: no description`),
      ...problemsOfMedia(parameter, parameter.name, check)
    ]),
    ...Object.values(requestBody?.content ?? {}).flatMap((media) => problemsOfMedia(media, 'body', check)),
    ...unless(statuses.some((status) => status < 400) && statuses.every((status) => status >= 200 && status < 600), 'no success, or no status'),
    ...Object.entries(responses).flatMap(([status, response]) => problemsOfResponse(response, check).map((problem) => `${status}: ${problem}`))
  ]
}

function problemsOfResponse ({ description = '', headers = {}, content = {} }: Response, check: Checker): string[] {
  return [
    ...unless(description !== '' && description !== 'Default Response', 'no description'),
    ...Object.entries(headers).flatMap(([name, { description, schema }]) => [
      ...unless(description !== undefined, `${name}: no description`),
      ...schema.example === undefined ? [`${name}: no example`] : check(schema, schema.example).map((problem) => `${name}: ${problem}`)
    ]),
    ...Object.entries(content).flatMap(([type, media]) => isJson(type) ? problemsOfMedia(media, type, check) : [])
  ]
}

function problemsOfMedia (media: Media, name: string, check: Checker): string[] {
  const examples = Object.entries(examplesOf(media))
  return [
    ...unless(examples.length > 0, `${name}: no example`),
    ...examples.flatMap(([example, value]) => check(media.schema, value).map((problem) => `${name}: ${example}: ${problem}`))
  ]
}

export function isJson (type: string): boolean {
  return type.startsWith('application/json')
}

function unless (condition: boolean, problem: string): string[] {
  return condition ? [] : [problem]
}

/** Tells what is wrong with a value. Members that the schema does not name are wrong. */
export type Checker = (schema: object, value: unknown) => string[]

/** Checks with the Ajv that Fastify brings. */
export async function createChecker (): Promise<Checker> {
  const app = Fastify({ ajv: { customOptions: { strict: false, coerceTypes: false, removeAdditional: false, useDefaults: false, allErrors: true } } })
  app.post('/', { schema: { body: {} } }, async () => '')
  await app.ready()
  const compile = app.validatorCompiler
  if (compile === undefined) throw new TypeError('Fastify has no validator')

  const compiled = new Map<string, ReturnType<typeof compile>>()
  return (schema, value) => {
    const text = JSON.stringify(schema)
    const validate = compiled.get(text) ?? compile({ schema: close(text), method: 'POST', url: '/', httpPart: 'body' })
    compiled.set(text, validate)
    if (validate(value) === true) return []
    return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`)
  }
}

/** The schema of the same values, without members that it does not name. */
function close (schema: string): object {
  return JSON.parse(schema, (_name, value) => {
    const isObject = typeof value === 'object' && value !== null && value.type === 'object' && value.properties !== undefined
    return isObject ? { additionalProperties: false, ...value } : value
  })
}
