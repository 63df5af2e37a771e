import { Type } from '@sinclair/typebox'
import { JWT_EXAMPLE, userReplyHeaders } from '../replies.ts'
import { EDITOR_METHOD_NAMES } from './methods.ts'
import { FreeFormObject, OneOf } from './scalars.ts'

/**
 * What a token is for: a config; a method of the editor; a request from the host to the document server; a callback or a
 * download, which are from the server to the host.
 */
export const EXPLAIN_KINDS = ['config', ...EDITOR_METHOD_NAMES, 'request', 'callback', 'download'] as const

export type ExplainKind = typeof EXPLAIN_KINDS[number]

/** The body of `POST /editor/explain`. */
export const ExplainBodySchema = Type.Object({
  token: Type.Optional(Type.Union([Type.String({ maxLength: 1_048_576 }), Type.Null()], { description: 'The token as it was sent, whatever it looks like. Absent or null: there was none' })),
  config: Type.Optional(Type.Object({}, { additionalProperties: true, description: 'What the browser sent it with. Absent: only what the token says is looked at' })),
  kind: Type.Optional(OneOf(EXPLAIN_KINDS, { description: 'What the token is for', default: 'config' }))
}, {
  additionalProperties: false,
  'x-examples': {
    config: { summary: 'A config that the editor does not open', value: { token: JWT_EXAMPLE, config: { document: { key: 'letter-1', url: 'https://app.example/files/letter.docx' } } } },
    callback: { summary: 'A callback that is refused', value: { token: JWT_EXAMPLE, kind: 'callback' } }
  }
})

const ProblemSchema = Type.Object({
  path: Type.String({ description: 'Where it is: a member of the token\'s payload, `config` and a member, `token`, `header` and a member, or `secret`. A name that is not plain is `?`' }),
  problem: Type.String(),
  fix: Type.String(),
  level: OneOf(['refused', 'warning', 'note'], { description: '`refused` keeps the token from being accepted, `warning` is unwise, `note` is good to know' })
})

const EffectiveSchema = Type.Object({
  document: FreeFormObject(),
  editorConfig: FreeFormObject(),
  view: Type.Boolean({ description: 'Whether the document opens for reading only' })
}, { description: 'What the document server goes by. Of accepted configs and versions only' })

/** What `POST /editor/explain` answers. */
export const ExplainReplySchema = Type.Object({
  accepted: Type.Boolean(),
  reason: Type.String({ description: 'One sentence' }),
  code: Type.Union([Type.Integer(), Type.Null()], { description: 'What the document server closes the connection with: 4004 (the editor shows -23), 4005 (-21) or 4006 (-20). `null` where it gives none' }),
  problems: Type.Array(ProblemSchema),
  effective: Type.Union([EffectiveSchema, Type.Null()])
}, {
  description: 'What becomes of the token, and why',
  headers: userReplyHeaders,
  'x-examples': {
    refused: {
      value: {
        accepted: false,
        reason: 'The document server refuses the token with 4006 (the editor shows error -20): document.url is not in the token.',
        code: 4006,
        problems: [{ path: 'document.url', problem: 'document.url is not in the token', fix: 'Sign the whole config, as it is given to the editor.', level: 'refused' }],
        effective: null
      }
    }
  }
})
