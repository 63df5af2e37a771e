import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { link, open, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { InvalidOptionError } from '../errors.ts'
import { type NamedKey, parseNamedKey } from '../keys/seal.ts'
import { type CliContext } from './context.ts'
import { readFile, readSecret } from './input.ts'

const VARIABLE = 'KEY_ENCRYPTION_KEY'

/** The name of the example server. */
const FILE = 'key-encryption-key'

/** @internal */
export interface KeyEncryptionOptions {
  /** Where a key may lie in a file. Absent: there is no such folder. */
  folder: string | undefined
  /** Whether one is made in the folder when there is none. */
  create: boolean
}

/**
 * What signing keys are sealed with in the store: from the environment, else from the data folder.
 *
 * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500) when there is none, or it is none. It holds nothing of it.
 *
 * @internal
 */
export async function readKeyEncryptionKeys ({ folder, create }: KeyEncryptionOptions, context: Pick<CliContext, 'env'>): Promise<NamedKey[]> {
  const given = await readSecret(VARIABLE, context)
  if (given !== undefined) return parseKeys(given.variable, given.text.split(','))
  if (folder === undefined) throw new InvalidOptionError(VARIABLE, 'must be set where REDIS_URL is: the one of the servers, or a file with it in KEY_ENCRYPTION_KEY_FILE')

  const file = join(folder, FILE)
  if (!existsSync(file)) {
    if (!create) throw new InvalidOptionError(VARIABLE, `must be set, or KEY_ENCRYPTION_KEY_FILE: there is no ${FILE} in the data folder`)
    await writeOnce(file, `1:${randomBytes(32).toString('base64')}\n`)
  }
  return parseKeys(`${VARIABLE} (the file in the data folder)`, [await readFile(VARIABLE, file)])
}

/** Two while one replaces the other: the first one seals. */
function parseKeys (option: string, texts: readonly string[]): NamedKey[] {
  if (texts.length > 2) throw new InvalidOptionError(option, 'must be one key, or two with a comma between, the new one first')
  return texts.map((text) => parseNamedKey(text.trim(), option))
}

/** Of several processes one writes the file. It is whole from the moment it exists, and its owner alone can read it. */
async function writeOnce (file: string, text: string): Promise<void> {
  const draft = `${file}.${randomBytes(6).toString('hex')}`
  const handle = await open(draft, 'wx', 0o600)
  try {
    await handle.writeFile(text)
    await handle.sync()
  } finally {
    await handle.close()
  }
  // A link fails where a rename would replace what another process wrote. When it fails otherwise, there is nothing to be read.
  await link(draft, file).catch(() => {})
  await unlink(draft)
}
