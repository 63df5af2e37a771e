import { chmod, mkdir, readdir, stat } from 'node:fs/promises'
import { EnvironmentError, namingVariable } from './environment.ts'

/**
 * Makes the data folder, for its owner alone, or closes an empty one that is there. In one that was open to others
 * somebody may have laid a key of theirs, for us to find.
 *
 * @throws {EnvironmentError} when it belongs to somebody else, or is open to others and holds something.
 */
export async function prepareDataFolder (path: string): Promise<void> {
  const { uid, mode, entries } = await namingVariable('DATA_DIR', async () => {
    await mkdir(path, { recursive: true, mode: 0o700 })
    return { ...await stat(path), entries: await readdir(path) }
  })
  const user = process.getuid?.() ?? 0
  if (user !== 0 && user !== uid) throw new EnvironmentError('DATA_DIR', 'must be a folder of the user that runs the server')
  // Windows has no such bits.
  if ((mode & 0o077) === 0 || process.platform === 'win32') return

  if (entries.length > 0) throw new EnvironmentError('DATA_DIR', 'is open to other users: close it with chmod 700, when you know who wrote what is in it')
  await chmod(path, 0o700)
}
