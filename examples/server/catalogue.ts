import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from './package-root.ts'

/** A document of the example. */
export interface StoredDocument {
  id: string
  title: string
  /** Its media type. */
  type: string
  /** Its name in {@link FOLDER}. */
  file: string
}

export const FOLDER = join(packageRoot, 'examples', 'documents')

export const catalogue: readonly StoredDocument[] = JSON.parse(readFileSync(join(FOLDER, 'index.json'), 'utf8'))
