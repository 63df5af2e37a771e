/**
 * What the routes of an editor's front end take and answer.
 *
 * @module
 */
import { type Static, Type } from '@sinclair/typebox'
import {
  DocumentNotAllowedError, ForeignOriginError, InvalidAuthorizationError, UnknownMethodError, UnknownTenantError
} from '../../errors.ts'
import { errorReplies, jsonErrors, JWT_EXAMPLE, userReplyHeaders, validationError } from '../replies.ts'
import { ID_LENGTH } from '../scalars.ts'
import { EditorConfigSchema } from './config.ts'
import { ExplainReplySchema } from './explain.ts'
import { Text } from './scalars.ts'

const { type, width, height, editorConfig } = EditorConfigSchema.properties
const { lang, region, customization } = editorConfig.properties
const { uiTheme, compactHeader, compactToolbar, toolbarHideFileName, hideRightMenu, hideRulers, zoom, unit } = customization.properties

/** What a browser may say of its own editor: how it looks, and nothing that opens, fetches or names something. */
const EditorLooksSchema = Type.Object({ type, width, height, lang, region, uiTheme, compactHeader, compactToolbar, toolbarHideFileName, hideRightMenu, hideRulers, zoom, unit })

export type EditorLooks = Static<typeof EditorLooksSchema>

const asked = {
  documentId: Type.Optional(Type.String({ ...ID_LENGTH, description: 'The document that it is about' })),
  data: Type.Optional(Type.Unknown({ description: 'What the host wants to know beside it: any JSON. None of it is signed unless the host says so' }))
}

/** The body of `POST /editor/config`. */
export const ConfigBodySchema = Type.Object({ ...asked, ...EditorLooksSchema.properties }, {
  additionalProperties: false,
  'x-examples': { config: { value: { documentId: 'letter', lang: 'de', type: 'desktop' } } }
})

/** The body of `POST /editor/methods/:method`. */
export const MethodBodySchema = Type.Object(asked, {
  additionalProperties: false,
  'x-examples': { setHistoryData: { value: { documentId: 'letter', data: 1 } } }
})

export const MethodParamsSchema = Type.Object({
  method: Text(64, { description: 'A method of the editor whose parameter is signed', examples: ['setHistoryData'] })
}, { additionalProperties: false })

/** Refusals that every one of these routes gives. */
const userErrors = [
  ...jsonErrors,
  new ForeignOriginError(),
  new DocumentNotAllowedError(),
  new UnknownTenantError(),
  new InvalidAuthorizationError()
]

const SHAPE = { headers: userReplyHeaders }

const Token = (description: string) => Type.String({ description })

export const configReplies = {
  200: Type.Composite([EditorConfigSchema, Type.Object({ token: Token('Signs all the rest') })], {
    additionalProperties: false,
    description: 'The config for `new DocsAPI.DocEditor(id, config)`, to be handed over as it is',
    headers: userReplyHeaders,
    'x-examples': {
      config: {
        value: {
          document: { key: 'letter-1', url: 'https://app.example/files/letter.docx', fileType: 'docx', permissions: { edit: true } },
          documentType: 'word',
          editorConfig: { callbackUrl: 'https://app.example/callbacks/letter', mode: 'edit', user: { id: 'jane' }, lang: 'de' },
          type: 'desktop',
          token: JWT_EXAMPLE
        }
      }
    }
  }),
  ...errorReplies([...userErrors, validationError('body/lang: Expected string length less or equal to 30')], SHAPE)
}

export const methodReplies = {
  200: Type.Object({ token: Token('Signs all the rest') }, {
    additionalProperties: true,
    description: 'The parameter for the method, to be handed over as it is',
    headers: userReplyHeaders,
    'x-examples': {
      setHistoryData: { value: { version: 1, key: 'letter-1', url: 'https://app.example/files/letter.docx?version=1', token: JWT_EXAMPLE } }
    }
  }),
  ...errorReplies([...userErrors, new UnknownMethodError(), validationError('body/documentId: Expected string')], SHAPE)
}

export const explainReplies = {
  200: ExplainReplySchema,
  ...errorReplies([...userErrors, validationError('body/token: Expected union value')], SHAPE)
}
