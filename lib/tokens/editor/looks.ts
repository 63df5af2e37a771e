import { type EditorConfig } from '../../schemas/editor/config.ts'
import { type EditorLooks } from '../../schemas/editor/routes.ts'
import { isPlainObject } from './plain-data.ts'

/**
 * The config with the looks that a browser asked for, each where it belongs. What the config says already stays.
 *
 * @param config The host's. Not checked here: what is no config is returned as it is.
 */
export function withLooks (config: EditorConfig, { type, width, height, lang, region, ...customization }: EditorLooks): EditorConfig {
  if (!isPlainObject(config) || !isPlainObject(config.editorConfig)) return config
  return {
    ...filled(config, { type, width, height }),
    editorConfig: customized(filled(config.editorConfig, { lang, region }), customization)
  }
}

function customized (editorConfig: EditorConfig['editorConfig'], looks: object): EditorConfig['editorConfig'] {
  const { customization } = filled(editorConfig, { customization: {} })
  if (Object.keys(looks).length === 0 || !isPlainObject(customization)) return editorConfig
  return { ...editorConfig, customization: filled(customization, looks) }
}

/** With the members that it lacks, behind its own. */
function filled<Value extends object> (value: Value, members: object): Value {
  return { ...value, ...Object.fromEntries(Object.entries(members).filter(([name, member]) => member !== undefined && !Object.hasOwn(value, name))) }
}
