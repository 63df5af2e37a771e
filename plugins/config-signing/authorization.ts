import { InvalidEditorPayloadError } from '../../lib/errors.ts'
import { type EditorConfig } from '../../lib/schemas/editor/config.ts'

/**
 * Looks again for what the type of an authorization demands, which a host in JavaScript may forget: what is absent from a
 * config is not closed but open, or the browser's to say. Whether what is there is right is checked when it is signed.
 *
 * @throws {InvalidEditorPayloadError} `FDT_INVALID_EDITOR_PAYLOAD` (400), naming the path.
 */
export function checkStrictPart (config: EditorConfig): void {
  const { document, editorConfig }: Partial<EditorConfig> = { ...config }
  const strict: Record<string, unknown> = {
    'document.permissions': document?.permissions,
    'editorConfig.callbackUrl': editorConfig?.callbackUrl,
    'editorConfig.mode': editorConfig?.mode,
    'editorConfig.user.id': editorConfig?.user?.id
  }
  for (const [path, value] of Object.entries(strict)) {
    if (value === undefined) throw new InvalidEditorPayloadError(`${path} is required of authorize`)
  }
}
