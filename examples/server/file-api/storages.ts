import { catalogue, type StoredDocument } from '../catalogue.ts'

/** A file in a storage. */
export interface StoredFile {
  document: StoredDocument
  /** Its extension, with the dot. */
  extension: string
  /** Path of the page that it is rendered to, in the same storage. */
  page: string
}

/**
 * Files by their paths. Names and paths are compared as a whole: what a request names is found in here or nowhere, and
 * never reaches the disk.
 */
export type Storage = ReadonlyMap<string, StoredFile>

/** Where a request looks that names no storage. */
const DEFAULT_STORAGE = 'Documents'

function toFile (document: StoredDocument, folder: string): StoredFile {
  const { file } = document
  return { document, extension: file.slice(file.lastIndexOf('.')), page: `viewer/${folder}${file.replaceAll('.', '_')}/p1.html` }
}

const storages: ReadonlyMap<string, Storage> = new Map([
  [DEFAULT_STORAGE, new Map(catalogue.map((document) => [document.file, toFile(document, '')]))],
  // As in the vendor's documentation, page and all.
  ['MyStorage', new Map(catalogue.filter(({ id }) => id === 'letter').map((document) => ['viewerdocs/one-page.docx', toFile({ ...document, file: 'one-page.docx' }, 'docs/')]))]
])

/** The storage with just this name; `''` is none, as the vendor's clients send it. */
export function findStorage (name = ''): Storage | undefined {
  return storages.get(name === '' ? DEFAULT_STORAGE : name)
}

/** The file that was rendered to the page at `path`, in the storage of that name, or else in any. */
export function findPage (path: string, name = ''): StoredFile | undefined {
  const searched = name === '' ? [...storages.values()] : [storages.get(name) ?? new Map<string, StoredFile>()]
  return searched.flatMap((storage) => [...storage.values()]).find(({ page }) => page === path)
}

/** Every extension that there is, with the dot, in the order of the files. */
export const extensions: readonly string[] = [...new Set([...storages.values()].flatMap((storage) => [...storage.values()].map(({ extension }) => extension)))]
