import { deepFreeze } from '../../freeze.ts'
import { type CallbackClaims } from '../../schemas/editor/callback.ts'

/** What somebody did that the document server tells of. */
export interface CallbackAction {
  /** 0: left the document, 1: joined it, 2: asked for a save. */
  readonly type: number
  readonly userId: string
}

/** What changed since the version before, as the editor takes it back for its list of versions. */
export interface CallbackHistory {
  readonly changes?: ReadonlyArray<Readonly<Record<string, unknown>>>
  readonly serverVersion?: string
}

/** What every event says. */
interface CallbackBase {
  /** The `document.key` that it is about. */
  readonly key: string
  /** Ids of who edits, or of who edited last. Empty where the server names nobody. */
  readonly users: readonly string[]
  readonly actions: readonly CallbackAction[]
  /** What the host itself sent along with a command. */
  readonly userData?: string
}

/** What events about a version say as well. */
interface VersionBase extends CallbackBase {
  /** Where the changes can be downloaded. Absent, like `history`, where the header was all that came and was too short for it. */
  readonly changesUrl?: string
  readonly history?: CallbackHistory
  /** Of the file at `url`, such as `docx`. It may be another one than that of the document. */
  readonly fileType?: string
  /** When the document was last saved by force or at all: ISO 8601. */
  readonly lastSave?: string
  /** Whether nothing changed since the last save by force. */
  readonly notModified?: boolean
  /** Why it was saved by force. 0: a command, 1: the button, 2: the timer, 3: a form that was submitted. */
  readonly forceSaveType?: number
  /** Where the data of a form can be downloaded. */
  readonly formsDataUrl?: string
}

/** Somebody joined or left the document, or it was closed without a change. Nothing is to be saved. */
export interface PresenceEvent<Type extends 'editing' | 'closed' = 'editing' | 'closed'> extends CallbackBase {
  readonly type: Type
}

/** There is a version to keep: when all have left, or by force while they go on. */
export interface SaveEvent<Type extends 'save' | 'forceSave' = 'save' | 'forceSave'> extends VersionBase {
  readonly type: Type
  /** Where the file can be downloaded: at one of `downloadOrigins`. */
  readonly url: string
}

/** The document server could not make the file of a version, or a sound one. */
export interface SaveErrorEvent<Type extends 'saveError' | 'forceSaveError' = 'saveError' | 'forceSaveError'> extends VersionBase {
  readonly type: Type
  /** Where what there is can be downloaded. */
  readonly url?: string
}

/** What the document server tells of a document. Made from its token alone, and frozen all the way down. */
export type EditorCallbackEvent =
  | PresenceEvent<'editing'> | PresenceEvent<'closed'>
  | SaveEvent<'save'> | SaveEvent<'forceSave'>
  | SaveErrorEvent<'saveError'> | SaveErrorEvent<'forceSaveError'>

const TYPES: ReadonlyMap<number, EditorCallbackEvent['type']> = new Map([
  [1, 'editing'], [2, 'save'], [3, 'saveError'], [4, 'closed'], [6, 'forceSave'], [7, 'forceSaveError']
])

/** @internal What a status means. `undefined` where it is not known. */
export function typeOf ({ status }: CallbackClaims): EditorCallbackEvent['type'] | undefined {
  return TYPES.get(status)
}

/**
 * @returns `undefined` where there is to be a file, and the claims do not say where.
 *
 * @internal
 */
export function toEvent (type: EditorCallbackEvent['type'], claims: CallbackClaims): EditorCallbackEvent | undefined {
  const { key, users = [], actions = [], userdata, url } = claims
  const base: CallbackBase = {
    key,
    users: [...users],
    actions: actions.map(({ type, userid }) => ({ type, userId: userid })),
    ...(userdata !== undefined && { userData: userdata })
  }
  if (type === 'editing' || type === 'closed') return deepFreeze({ type, ...base })

  const version = { ...base, ...versionOf(claims) }
  if (type === 'saveError' || type === 'forceSaveError') return deepFreeze({ type, ...version, ...(url !== undefined && { url }) })
  return url === undefined ? undefined : deepFreeze({ type, ...version, url })
}

function versionOf ({ changesurl, history, filetype, lastsave, notmodified, forcesavetype, formsdataurl }: CallbackClaims): Omit<VersionBase, keyof CallbackBase> {
  const { changes, serverVersion } = { ...history }
  const kept: CallbackHistory = { ...(changes !== undefined && { changes }), ...(serverVersion !== undefined && { serverVersion }) }
  return {
    ...(changesurl !== undefined && { changesUrl: changesurl }),
    ...(Object.keys(kept).length > 0 && { history: kept }),
    ...(filetype !== undefined && { fileType: filetype }),
    ...(lastsave !== undefined && { lastSave: lastsave }),
    ...(notmodified !== undefined && { notModified: notmodified }),
    ...(forcesavetype !== undefined && { forceSaveType: forcesavetype }),
    ...(formsdataurl !== undefined && { formsDataUrl: formsdataurl })
  }
}
