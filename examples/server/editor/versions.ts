import { randomBytes } from 'node:crypto'
import { mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/** A version of a document. Nothing of it ever changes. */
export interface Version extends VersionRecord {
  /** From 1, which is the document as the example brings it. */
  number: number
  /** Names it to the document server, and opens it there: so nobody can guess it. */
  key: string
}

/** What is known of a version. */
export interface VersionRecord {
  /** The key that the document is opened with while this version is the latest. Absent: its own. */
  session?: string
  /** The key that it was saved under: the changes are those since the version with that key. Absent: nobody saved it. */
  base?: string
  /** What was saved. What has the same name was saved twice. */
  save: string
  /** ISO 8601. */
  created: string
  /** Such as `docx`. */
  fileType: string
  /** Ids of those who edited it. */
  users: readonly string[]
  /** What the document server tells of the changes. */
  changes?: ReadonlyArray<Readonly<Record<string, unknown>>>
  /** The version of the document server that made them. */
  serverVersion?: string
  /** Whether the changes themselves are there too. */
  hasChanges: boolean
}

/** Names of files in the folder of a version. */
export const FILE = 'file'
export const CHANGES = 'changes.zip'
const RECORD = 'version.json'

/** Milliseconds after which a draft is nobody's any more: no download takes that long. */
const ABANDONED = 3_600_000

export interface Versions {
  /** All versions of a document, the latest last. */
  list (id: string): Promise<readonly Version[]>
  /**
   * Adds a version, as the latest. What `write` puts into the folder that it is told must be on the disk when it
   * resolves. When this resolves the version is there for good, whatever happens to the process or the power.
   *
   * Any number of processes may add to one document: none is lost, and what is saved twice is there once.
   */
  add (id: string, write: (folder: string) => Promise<VersionRecord>): Promise<void>
  /** The path of a file of a version. */
  pathOf (id: string, number: number, name: string): string
}

/**
 * Opens versions that are kept in a folder: one folder for each document, and in it one for each version, whose name is
 * its number.
 *
 * @param root For its owner alone, and made where it is not there. Ids of documents are names of folders in it, so they
 * must be known ones.
 */
export async function openVersions (root: string): Promise<Versions> {
  await mkdir(root, { recursive: true, mode: 0o700 })
  await flush(dirname(root))
  await removeAbandoned(root)
  const pathOf = (id: string, number: number, name: string): string => join(root, id, String(number), name)

  async function list (id: string): Promise<readonly Version[]> {
    const names = await readdir(join(root, id)).catch(emptyWhereAbsent)
    const numbers = names.filter((name) => /^[1-9]\d*$/.test(name)).map(Number).sort((a, b) => a - b)
    return await Promise.all(numbers.map(async (number) => ({ ...JSON.parse(await readFile(pathOf(id, number, RECORD), 'utf8')), number })))
  }

  return {
    list,
    pathOf,
    add: async (id, write) => {
      const folder = join(root, id)
      const draft = join(folder, `draft-${randomBytes(6).toString('hex')}`)
      await mkdir(draft, { recursive: true, mode: 0o700 })
      try {
        const record = await write(draft)
        await writeDurably(join(draft, RECORD), JSON.stringify({ ...record, key: randomBytes(24).toString('base64url') }))
        await flush(draft)
        await publish(draft, record)
        for (const changed of [folder, root]) await flush(changed)
      } finally {
        await rm(draft, { recursive: true, force: true })
      }

      /** A rename never replaces a folder that holds something: of several that took one number, one gets it. */
      async function publish (draft: string, { save }: VersionRecord): Promise<void> {
        for (;;) {
          const versions = await list(id)
          if (versions.some((version) => version.save === save)) return
          const target = join(folder, String((versions.at(-1)?.number ?? 0) + 1))
          try {
            return await rename(draft, target)
          } catch (error) {
            if (await stat(target).then(() => false, () => true)) throw error
          }
        }
      }
    }
  }
}

/** A new file, whole on the disk. */
export async function writeDurably (path: string, content: string | Uint8Array): Promise<void> {
  await writeFile(path, content, { flag: 'wx', mode: 0o600, flush: true })
}

/** Brings the names in a folder to the disk. Windows does that by itself, and cannot be asked to. */
async function flush (folder: string): Promise<void> {
  if (process.platform === 'win32') return
  const handle = await open(folder)
  await handle.sync().finally(() => handle.close())
}

/** What processes left that were killed over a save. */
async function removeAbandoned (root: string): Promise<void> {
  const paths = await readdir(root, { recursive: true })
  for (const path of paths.filter((path) => /draft-[0-9a-f]{12}$/.test(path)).map((path) => join(root, path))) {
    // Another process may be quicker.
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Infinity }))
    if (mtimeMs < Date.now() - ABANDONED) await rm(path, { recursive: true, force: true })
  }
}

function emptyWhereAbsent (error: NodeJS.ErrnoException): string[] {
  if (error.code === 'ENOENT') return []
  throw error
}
