import { type TSchema, TypeGuard } from '@sinclair/typebox'
import { type TypeCheck, TypeCompiler } from '@sinclair/typebox/compiler'
import { HasTransform } from '@sinclair/typebox/value'
import { InvalidOptionError, InvalidRequestError } from '../../errors.ts'
import { printable } from '../../printable.ts'
import { type AnyParameters } from './parameters.ts'

/**
 * What parameters have to be: a schema of `@sinclair/typebox` 0.34, or a function that returns them and throws for what is
 * none, so that every library serves: `(value) => Parameters.parse(value)`. It is called when a token is issued and when
 * it is verified, with the parameters without `auth`, and must not be async.
 */
export type ParameterCheck<Parameters extends object> = (TSchema & { static: Parameters }) | ((value: unknown) => Parameters)

/** @param root What messages call the object that holds the parameters. */
export type CheckParameters<Parameters extends object> = (values: AnyParameters, root: string) => Parameters

/**
 * @returns A function that throws `FDT_INVALID_REQUEST` (400), naming the parameter where that is known.
 *
 * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500) unless it is one of both.
 */
export function resolveParameterCheck<Parameters extends object> (option: ParameterCheck<Parameters> | undefined): CheckParameters<Parameters> {
  // Without the option, Parameters are any; the compiler cannot know.
  if (option === undefined) return (values) => values as AnyParameters as Parameters
  if (typeof option === 'function') return (values, root) => callHost(option, values, root)
  if (!TypeGuard.IsSchema(option)) throw new InvalidOptionError('parameters', 'must be a schema of @sinclair/typebox, or a function that returns the parameters or throws')

  const check = compile(option)
  return (values, root) => {
    if (check.Check(values)) return values as AnyParameters as Parameters
    const { path, message } = { ...check.Errors(values).First() }
    throw new InvalidRequestError(`${printable(`${root}${path}`)}: ${message}`)
  }
}

function compile (schema: TSchema): TypeCheck<TSchema> {
  try {
    if (!HasTransform(schema, [])) return TypeCompiler.Compile(schema)
  } catch (cause) {
    throw new InvalidOptionError('parameters', 'must be a schema that can be compiled', { cause })
  }
  throw new InvalidOptionError('parameters', 'must not transform: a function can')
}

function callHost<Parameters extends object> (check: (value: unknown) => Parameters, values: AnyParameters, root: string): Parameters {
  const parameters = orRefuse(() => check(values), root)
  if (typeof parameters !== 'object' || parameters === null) throw new InvalidOptionError('parameters', 'must return the parameters')
  // A promise would let everything pass: it throws too late.
  if ('then' in parameters && typeof parameters.then === 'function') {
    Promise.resolve(parameters).catch(() => {})
    throw new InvalidOptionError('parameters', 'must not be async')
  }
  return parameters
}

/** Without the cause: libraries quote the values in their messages. */
function orRefuse<Result> (check: () => Result, root: string): Result {
  try {
    return check()
  } catch (error) {
    if (error instanceof InvalidRequestError) throw error
    throw new InvalidRequestError(`${printable([root, ...pathOf(error)].join('/'))} is not acceptable`)
  }
}

/** Where the first issue is, in the way of Standard Schema, which Zod, Valibot and others share. */
function pathOf (error: unknown): unknown[] {
  const issues: unknown = Object(error).issues
  const path: unknown = Array.isArray(issues) ? Object(issues[0]).path : undefined
  return Array.isArray(path) ? path.map((item: unknown) => Object(item).key ?? item) : []
}
