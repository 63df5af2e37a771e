import { type TSchema } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import { type FastifySchemaCompiler } from 'fastify'
import { printable } from '../../lib/printable.ts'

/**
 * Checks requests with TypeBox, strictly: nothing is coerced, removed or filled in, whatever the host
 * has told its own validator.
 */
export const typeBoxValidator: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  const check = TypeCompiler.Compile(schema)

  return (value: unknown) => {
    if (check.Check(value)) return { value }
    const first = { ...check.Errors(value).First() }
    return { error: Object.assign(new Error(`${httpPart}${printable(String(first.path))}: ${first.message}`), { code: 'FST_ERR_VALIDATION', statusCode: 400 }) }
  }
}
