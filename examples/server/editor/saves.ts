import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { type FastifyBaseLogger } from 'fastify'
import { type EditorCallbackEvent, type SaveErrorEvent, type SaveEvent } from 'fastify-doc-tokens/config-signing'
import { download } from './download.ts'
import { type EditableDocument } from './editable.ts'
import { CHANGES, FILE, type VersionRecord, type Versions } from './versions.ts'

/** Where saves go, and how long one may take. */
export interface SaveOptions {
  versions: Versions
  /** Milliseconds for each download. */
  timeout: number
  log: Pick<FastifyBaseLogger, 'warn' | 'error'>
}

/**
 * Keeps what the document server saved. When this rejects, the server comes again.
 *
 * A document that was saved by force is still open under its key, so it keeps that one; after any other save the next
 * one to open it gets a new key. What the document server could not save well is kept as well if there is a file: a
 * version that is damaged is better than none, and those before it are still there. A save under an older key is the
 * latest version all the same: whoever saves last is in front, and nothing is written over.
 */
export async function keepSave (document: EditableDocument, event: EditorCallbackEvent, options: SaveOptions): Promise<void> {
  if (event.type === 'save' || event.type === 'forceSave') return await keep(document, event, options)
  if (event.type !== 'saveError' && event.type !== 'forceSaveError') return

  const { type, url } = event
  options.log.error({ type, hasFile: url !== undefined }, 'the document server could not save as it should')
  if (url !== undefined) await keep(document, { ...event, url }, options)
}

type EventWithFile = SaveEvent | (SaveErrorEvent & Pick<SaveEvent, 'url'>)

async function keep (document: EditableDocument, event: EventWithFile, { versions, timeout, log }: SaveOptions): Promise<void> {
  const { url, changesUrl } = event
  await versions.add(document.id, async (folder) => {
    const digest = await download(url, join(folder, FILE), timeout)
    const hasChanges = changesUrl !== undefined && await download(changesUrl, join(folder, CHANGES), timeout).then(() => true, (error: unknown) => {
      // Without them it is still all of the document.
      log.warn({ err: error }, 'the changes of a version cannot be kept')
      return false
    })
    return recordOf(document, event, digest, hasChanges)
  })
}

function recordOf ({ fileType }: EditableDocument, event: EventWithFile, digest: string, hasChanges: boolean): VersionRecord {
  const { type, key, url, lastSave, users, history: { changes, serverVersion } = {} } = event
  // A save that is sent again may have other signatures behind its path, and less of its history.
  const save = createHash('sha256').update(JSON.stringify([type, key, url.replace(/[?#].*/s, ''), lastSave, digest])).digest('hex')
  return {
    ...((type === 'forceSave' || type === 'forceSaveError') && { session: key }),
    base: key,
    save,
    created: new Date().toISOString(),
    fileType: event.fileType !== undefined && /^[a-z0-9]{1,16}$/.test(event.fileType) ? event.fileType : fileType,
    users,
    ...(changes !== undefined && { changes }),
    ...(serverVersion !== undefined && { serverVersion }),
    hasChanges
  }
}
