/**
 * What commands read: files, standard input, secrets of the environment.
 *
 * @module
 */
import { createReadStream } from 'node:fs'
import { InvalidOptionError } from '../errors.ts'
import { type CliContext } from './context.ts'

/** A secret, and the variable that it comes from. */
export interface Secret {
  readonly variable: string
  readonly text: string
}

const MAX_BYTES = 1024 * 1024

/**
 * The secret in the variable `name`, or in the file that `<name>_FILE` names. Unset and empty are one.
 *
 * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500) when both are set, or the file cannot be read or is empty.
 */
export async function readSecret (name: string, { env }: Pick<CliContext, 'env'>): Promise<Secret | undefined> {
  const [value = '', file = ''] = [env[name], env[`${name}_FILE`]]
  if (value !== '' && file !== '') throw new InvalidOptionError(name, `and ${name}_FILE cannot both be set`)
  if (value !== '') return { variable: name, text: value }
  if (file === '') return undefined

  const variable = `${name}_FILE`
  const text = withoutLineEnd(await readFile(variable, file))
  if (text === '') throw new InvalidOptionError(variable, 'names a file that is empty')
  return { variable, text }
}

/**
 * @param option What to call the file in an error. Its path is not repeated: it may be a secret, given in its place.
 * @param hint What may have been meant instead.
 *
 * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500) when it cannot be read or has more than 1 MiB.
 */
export async function readFile (option: string, path: string, hint?: string): Promise<string> {
  return await readAll(option, () => createReadStream(path), hint)
}

/** As {@link readFile}, from whatever `open` opens. */
export async function readAll (option: string, open: () => AsyncIterable<Uint8Array | string> | Iterable<string>, hint = 'it is the name of a file'): Promise<string> {
  const parts: Buffer[] = []
  let length = 0
  try {
    for await (const part of open()) {
      const bytes = Buffer.from(part)
      parts.push(bytes)
      length += bytes.length
      if (length > MAX_BYTES) break
    }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? ` (${error.code})` : ''
    throw new InvalidOptionError(option, `cannot be read${code}: ${hint}`)
  }
  if (length > MAX_BYTES) throw new InvalidOptionError(option, 'must have at most 1 MiB')
  return Buffer.concat(parts).toString()
}

/** Without one line end, as editors and echo write it. */
export function withoutLineEnd (text: string): string {
  return text.replace(/\r?\n$/, '')
}
