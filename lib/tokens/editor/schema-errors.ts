import { type TSchema } from '@sinclair/typebox'
import { type TypeCheck, TypeCompiler, type ValueError, ValueErrorType } from '@sinclair/typebox/compiler'
import { type SchemaNode } from '../../schemas/editor/scalars.ts'
import { type Path, refusal } from './plain-data.ts'

const checks = new WeakMap<TSchema, TypeCheck<TSchema>>()

/**
 * Holds plain data against a schema. Each is compiled when it is first needed, so that importing this costs little.
 *
 * @param allowUnknown Admit members that no schema names. Those that it names are checked all the same.
 *
 * @throws {InvalidEditorPayloadError} `FDT_INVALID_EDITOR_PAYLOAD` (400), naming the path.
 */
export function checkSchema (schema: TSchema, value: object, allowUnknown: boolean): void {
  const check = checks.get(schema) ?? TypeCompiler.Compile(schema)
  checks.set(schema, check)
  if (check.Check(value)) return

  for (const error of innermost(check.Errors(value))) {
    if (error.type !== ValueErrorType.ObjectAdditionalProperties || !allowUnknown) throw refusal(pathOf(error), problemOf(error))
  }
}

/** A union does not say which member is wrong, in the one of its kinds that an object or a list was meant for. */
function * innermost (errors: Iterable<ValueError>): Generator<ValueError> {
  for (const error of errors) {
    const meant = error.errors[meantKind(error.schema, error.value)]
    if (meant === undefined) yield error
    else yield * innermost(meant)
  }
}

/** -1 for neither an object nor a list, and where there is none of its kind. */
function meantKind ({ anyOf = [] }: SchemaNode, value: unknown): number {
  if (typeof value !== 'object' || value === null) return -1
  return anyOf.findIndex(({ type }) => type === (Array.isArray(value) ? 'array' : 'object'))
}

/** From a JSON pointer. */
function pathOf ({ path }: ValueError): Path {
  return path.split('/').slice(1).map((member) => /^\d+$/.test(member) ? Number(member) : member)
}

function problemOf ({ type, schema }: { type: ValueErrorType, schema: SchemaNode }): string {
  switch (type) {
    case ValueErrorType.ObjectRequiredProperty: return 'is required'
    case ValueErrorType.ObjectAdditionalProperties: return 'is not known (see allowUnknown)'
    case ValueErrorType.StringMaxLength: return `must not have more than ${schema.maxLength} characters`
    case ValueErrorType.ArrayMaxItems: return `must not have more than ${schema.maxItems} entries`
    case ValueErrorType.StringMinLength:
    case ValueErrorType.ArrayMinItems: return 'must not be empty'
    default: return `must be ${nounOf(schema)}`
  }
}

const NOUNS: ReadonlyMap<string | undefined, string> = new Map([
  ['string', 'text'], ['boolean', 'true or false'], ['number', 'a number'], ['integer', 'a whole number'], ['object', 'an object'], ['array', 'a list'], ['null', 'null']
])

function nounOf ({ anyOf, const: constant, enum: values, pattern, description, type, minimum, maximum }: SchemaNode): string {
  if (anyOf !== undefined) return anyOf.map(nounOf).join(' or ')
  if (constant !== undefined) return JSON.stringify(constant)
  if (values !== undefined) return `one of ${values.join(', ')}`
  if (pattern !== undefined) return `${description}`
  return `${NOUNS.get(type)}${minimum === undefined ? '' : ` from ${minimum}`}${maximum === undefined ? '' : ` to ${maximum}`}`
}
