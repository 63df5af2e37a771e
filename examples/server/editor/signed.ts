import { type EditorAuthorization } from 'fastify-doc-tokens/config-signing'
import { type EditableDocument } from './editable.ts'
import { type EditorUser } from './login.ts'
import { type Version } from './versions.ts'

/** Where what is signed leads, all of it routes of this server. */
export interface Place {
  /** Where the document server reaches this server. */
  origin: string
  /** Whether there is a document server whose saves can be taken. */
  takesSaves: boolean
}

/** @returns `undefined` where the user may not even read the document. */
export function configOf (document: EditableDocument, versions: readonly [Version, ...Version[]], { name, credential: { documents, permissions } }: EditorUser, { origin, takesSaves }: Place): EditorAuthorization | undefined {
  const may = (permission: string): boolean => permissions?.includes(permission) !== false
  if (documents?.includes(document.id) === false || !may('read')) return undefined

  const latest = latestOf(versions)
  const edit = takesSaves && may('write')
  const download = may('download')
  return {
    documentType: document.kind,
    document: {
      title: document.title,
      fileType: latest.fileType,
      key: latest.session ?? latest.key,
      url: fileUrl(document, latest, origin),
      permissions: { edit, comment: edit, fillForms: edit, review: edit, download, print: download, copy: download, chat: edit }
    },
    editorConfig: {
      mode: edit ? 'edit' : 'view',
      callbackUrl: `${origin}/editor/${document.id}/callback`,
      user: { id: name, name },
      // The button saves a version, and not only when everybody has left.
      customization: { forcesave: true }
    }
  }
}

/** What `setHistoryData` takes, without a token. `undefined` where there is no such version. */
export function historyDataOf (document: EditableDocument, versions: readonly Version[], number: unknown, { origin }: Place) {
  const version = versions.find((version) => version.number === number)
  if (version === undefined) return undefined

  const data = { version: version.number, ...fileOf(version) }
  const base = version.hasChanges ? versions.find(({ key }) => key === version.base) : undefined
  return base === undefined ? data : { ...data, changesUrl: `${origin}/editor/${document.id}/changes?version=${version.number}`, previous: fileOf(base) }

  function fileOf (version: Version) {
    return { fileType: version.fileType, key: version.key, url: fileUrl(document, version, origin) }
  }
}

/** What `refreshHistory` takes. It is not signed. */
export function historyOf (versions: readonly [Version, ...Version[]]) {
  return {
    currentVersion: latestOf(versions).number,
    history: versions.map(({ number, key, created, users: [user], changes, serverVersion }) => ({
      version: number,
      key,
      created,
      // An id is a name here.
      ...(user !== undefined && { user: { id: user, name: user } }),
      ...(changes !== undefined && { changes }),
      ...(serverVersion !== undefined && { serverVersion })
    }))
  }
}

function latestOf ([first, ...more]: readonly [Version, ...Version[]]): Version {
  return more.at(-1) ?? first
}

/** With the number, so that a key and what it stands for stay together: a page may open a document after the next save. */
function fileUrl ({ id }: EditableDocument, { number }: Version, origin: string): string {
  return `${origin}/editor/${id}/file?version=${number}`
}
