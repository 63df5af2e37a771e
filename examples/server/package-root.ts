import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** The folder of package.json, wherever this file was compiled to. */
export const packageRoot: string = findRoot(import.meta.dirname)

function findRoot (folder: string): string {
  return existsSync(join(folder, 'package.json')) ? folder : findRoot(dirname(folder))
}
