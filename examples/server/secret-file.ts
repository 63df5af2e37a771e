import { randomBytes } from 'node:crypto'
import { link, open, readFile, unlink } from 'node:fs/promises'

/**
 * The text of a file, which is written first when it is not there. Of several processes one writes it, all read
 * the same. It is whole from the moment it exists, and its owner alone can read it.
 */
export async function readOrCreate (file: string, create: () => string): Promise<string> {
  const existing = await readIfThere(file)
  if (existing !== undefined) return existing

  const draft = `${file}.${randomBytes(6).toString('hex')}`
  const handle = await open(draft, 'wx', 0o600)
  try {
    await handle.writeFile(`${create()}\n`)
    await handle.sync()
  } finally {
    await handle.close()
  }
  // A link fails where a rename would replace what another process wrote.
  await link(draft, file).catch((error: NodeJS.ErrnoException) => { if (error.code !== 'EEXIST') throw error })
  await unlink(draft)
  return (await readFile(file, 'utf8')).trim()
}

async function readIfThere (file: string): Promise<string | undefined> {
  try {
    return (await readFile(file, 'utf8')).trim()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
