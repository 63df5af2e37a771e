import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { catalogue, FOLDER, type StoredDocument } from '../catalogue.ts'
import { FILE, type Version, type Versions, writeDurably } from './versions.ts'

/** Kinds of editors by what they edit: the ending of a file's name. */
const KINDS = { docx: 'word', xlsx: 'cell', pptx: 'slide' } as const

type FileType = keyof typeof KINDS

/** A document of the example that there is an editor for. */
export interface EditableDocument extends StoredDocument {
  fileType: FileType
  kind: typeof KINDS[FileType]
}

export function findEditable (id: string): EditableDocument | undefined {
  const document = catalogue.find((document) => document.id === id)
  const fileType = document?.file.split('.').at(-1)
  return document !== undefined && isFileType(fileType) ? { ...document, fileType, kind: KINDS[fileType] } : undefined
}

function isFileType (fileType: string | undefined): fileType is FileType {
  return fileType !== undefined && Object.hasOwn(KINDS, fileType)
}

/** All versions, the latest last. The first one is made of the document as it comes with the example. */
export async function versionsOf (versions: Versions, { id, file, fileType }: EditableDocument): Promise<readonly [Version, ...Version[]]> {
  for (;;) {
    const [first, ...more] = await versions.list(id)
    if (first !== undefined) return [first, ...more]
    await versions.add(id, async (folder) => {
      await writeDurably(join(folder, FILE), await readFile(join(FOLDER, file)))
      return { save: 'original', created: new Date().toISOString(), fileType, users: [], hasChanges: false }
    })
  }
}
